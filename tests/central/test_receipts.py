"""The county's word that it holds a case: given once, given only when it is true, and given again by nobody."""

from __future__ import annotations

import threading

import pytest

from casework.canonical import Document, address
from casework.documents import receipt
from sync.peer import StorageFull, Writer
from sync.store import Store
from tests.central.county import AGENT, COUNTY, VILLAGE, SmallCentre, SmallStation
from tests.patience import PATIENCE_S, until
from web.cases.casebook import Casebook, Scope
from web.cases.desk import Act, Person

BROKEN: list[Document] = [
    {"seen": 5, "kind": ["x"], "serial": {"a": 1}, "at": "zzzz"},
    {"key": 7, "case": None, "data": {"file": []}, "by": [], "kind": "material_added", "clock": 0},
    {},
]
REVIEWER = Person("zhao", "赵某某", "reviewer", "民政")


def receipts(county: SmallCentre, number: str) -> list[str]:
    store = county.centre.home_of(number)
    return [document["_id"] for document in store.range(f"receipt:{number}", f"receipt:{number};")]


def taken_in(county: SmallCentre) -> tuple[SmallStation, str]:
    village = county.enrol(VILLAGE)
    number = village.take_in()
    village.up()
    return village, number


def test_a_case_is_receipted_once_for_a_set_of_heads(county: SmallCentre) -> None:
    village, number = taken_in(county)
    assert len(receipts(county, number)) == 1
    for _ in range(3):
        county.centre.catch_up()
        county.centre.receipts.settle([number])
    county.restart()
    assert len(receipts(county, number)) == 1
    village.down()
    row = village.casebook.row(number)
    assert row is not None
    assert row.held_by_county_at is not None
    assert village.casebook.waiting() == 0
    village.add_photo(number)
    village.up()
    assert len(receipts(county, number)) == 2


def test_the_countys_own_receipts_are_no_news_to_it(county: SmallCentre) -> None:
    """Each of a thousand stations' files would be opened once more for them."""
    village = county.enrol(VILLAGE)
    number = village.take_in()
    county.centre.catch_up()
    village.up(catch_up=False)
    changed = county.centre._take_changed()
    assert changed == {f"station-{VILLAGE}"}
    county.centre._take_turn(changed)
    assert len(receipts(county, number)) == 1
    assert county.centre._take_changed() == set(), "nothing came but what it wrote itself"
    store = county.centre.home_of(number)
    assert county.centre.casebook.read_to(store) == store.update_seq


def test_what_comes_beside_a_receipt_is_read(county: SmallCentre, monkeypatch: pytest.MonkeyPatch) -> None:
    """The station goes on pushing while the county writes its word of what came before."""
    village = county.enrol(VILLAGE)
    number = village.take_in()
    county.centre.catch_up()
    village.up(catch_up=False)
    know = Casebook.know

    def pushed_meanwhile(casebook: Casebook, store: Store, written: list[Document]) -> None:
        monkeypatch.setattr(Casebook, "know", know)
        village.take_in()
        village.up(catch_up=False)
        know(casebook, store, written)

    monkeypatch.setattr(Casebook, "know", pushed_meanwhile)
    county.centre._take_turn(county.centre._take_changed())
    assert len(county.centre.casebook.waiting_cases()) == 0, "the second case is not read yet"
    assert county.centre._take_changed() == {f"station-{VILLAGE}"}
    county.centre._note_changed(f"station-{VILLAGE}", None)
    county.centre.catch_up()
    both = [row.number for row in county.centre.casebook.latest(Scope())]
    assert len(both) == 2
    assert all(len(receipts(county, one)) == 1 for one in both)
    assert number in both


def test_what_comes_after_its_receipt_and_before_the_other_readers_is_read_by_them(
    county: SmallCentre, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that follows the feed itself moves the casebook's place, and nobody else's."""
    village = county.enrol(VILLAGE)
    number = village.take_in()
    county.centre.catch_up()
    village.up(catch_up=False)
    follow = county.centre.misses.follow

    def written_by_a_page(databases: list[str] | None = None) -> None:
        monkeypatch.setattr(county.centre.misses, "follow", follow)
        follow(databases)
        county.centre.desk.write(number, [Act("decided", {"outcome": "granted", "reason": "符合条件"})], REVIEWER)

    monkeypatch.setattr(county.centre.misses, "follow", written_by_a_page)
    county.centre._take_turn(county.centre._take_changed())
    assert county.centre._take_changed() == {f"station-{VILLAGE}"}


def test_none_is_written_while_a_chunk_is_missing(county: SmallCentre) -> None:
    village, number = taken_in(county)
    village.add_photo(number)
    chunks = village.chunks(number)
    assert len(chunks) > 1
    village.up(without=chunks[-1])
    assert len(receipts(county, number)) == 1, "only the one from before the photo"
    village.down()
    assert village.casebook.row(number).held_by_county_at is None  # type: ignore[union-attr]
    assert village.casebook.waiting() == 1 + len(chunks)
    village.up()
    village.down()
    assert len(receipts(county, number)) == 2
    assert village.casebook.waiting() == 0


def test_none_is_written_for_what_was_never_seen(county: SmallCentre) -> None:
    """The second event came without the first."""
    village = county.enrol(VILLAGE)
    number = village.take_in()
    events = village.cases.range(f"event:{number}", f"event:{number};")
    received = next(event for event in events if event["kind"] == "received")
    village.up(without=received["_id"])
    assert receipts(county, number) == []
    village.up()
    assert len(receipts(county, number)) == 1


def test_the_countys_own_events_need_no_receipt(county: SmallCentre) -> None:
    village, number = taken_in(county)
    county.centre.desk.write(number, [Act("decided", {"outcome": "granted", "reason": "符合条件"})], REVIEWER)
    county.centre.catch_up()
    assert len(receipts(county, number)) == 1
    village.down()
    held = village.casebook.row(number)
    assert held is not None
    assert held.held_by_county_at is not None
    assert held.state == "decided"


def test_receipts_are_signed_and_cover_what_they_say(county: SmallCentre) -> None:
    village, number = taken_in(county)
    document = county.centre.home_of(number).get(receipts(county, number)[0])
    assert document is not None
    key = county.centre.register().key(f"{COUNTY}:1")
    assert key is not None
    assert receipt.receipt_holds(document, key)
    events = village.casebook.events(number)
    assert receipt.Ancestry(events).covered(document["heads"]) == {event["_id"] for event in events}


def test_a_receipt_that_is_due_since_before_the_start_is_written(county: SmallCentre) -> None:
    """The process ended after the last document came and before the receipt was written."""
    village = county.enrol(VILLAGE)
    number = village.take_in()
    county.centre.close()
    county.start()
    target = county.centre.databases.open(f"station-{VILLAGE}")
    target.save(village.cases.range("event:", "event;"), writer=village.writer)
    county.centre.casebook.follow()
    county.restart()
    assert receipts(county, number) == [], "nothing new on the feed"
    county.centre.start()
    until(lambda: receipts(county, number), "the receipt")


def test_a_following_county_receipts_by_itself(county: SmallCentre) -> None:
    village = county.enrol(VILLAGE)
    number = village.take_in()
    county.centre.start()
    county.centre.databases.open(f"station-{VILLAGE}").save(
        village.cases.range("event:", "event;"), writer=village.writer
    )
    until(lambda: receipts(county, number), "the receipt")


def test_a_full_disk_puts_receipts_off_and_loses_none(county: SmallCentre, monkeypatch: pytest.MonkeyPatch) -> None:
    village = county.enrol(VILLAGE)
    number = village.take_in()
    county.centre.databases.open(f"station-{VILLAGE}").save(
        village.cases.range("event:", "event;"), writer=village.writer
    )

    def full(*_: object, **__: object) -> None:
        raise StorageFull("no room")

    with monkeypatch.context() as broken:
        broken.setattr(Store, "save", full)
        with pytest.raises(StorageFull):
            county.centre.catch_up()
    county.centre.catch_up()
    assert len(receipts(county, number)) == 1


@pytest.mark.parametrize(
    "id_",
    [
        "event:nothing-like-a-number:x",
        "event:600101999999-20260916-0001-XXXXX:0000000000001-0000-600101101201",
        "event:../../etc/passwd",
        "event:A:b",
    ],
)
def test_a_broken_document_from_a_station_stops_nobody_else(county: SmallCentre, id_: str) -> None:
    """A member may write any body under a true hash: the county keeps it and goes on."""
    village = county.enrol(VILLAGE)
    member = county.centre.databases.open(f"station-{VILLAGE}").as_writer(village.writer)
    for body in BROKEN:
        written = member.bulk_docs([address(id_, dict(body))], new_edits=False)
        assert not [one for one in written if one.error], written
    names = set(county.centre.databases.names())
    county.centre.catch_up()
    county.restart()
    assert set(county.centre.databases.names()) == names, "no database is made for a number that somebody made up"
    assert county.centre.casebook.ledgers(VILLAGE) == []
    number = village.take_in()
    village.up()
    assert len(receipts(county, number)) == 1
    assert number in county.sign_in("zhao").get("/")


def test_a_broken_document_under_a_true_number_holds_its_case_up_nowhere(county: SmallCentre) -> None:
    village, number = taken_in(county)
    member = county.centre.databases.open(f"station-{VILLAGE}").as_writer(village.writer)
    stamp = "9999999999999-0000-600101101201"
    for body in BROKEN:
        for id_ in (f"event:{number}:{stamp}", f"event:{number}:x"):
            member.bulk_docs([address(id_, {**body, "station": VILLAGE})], new_edits=False)
    county.centre.catch_up()
    village.down()
    row = village.casebook.row(number)
    assert row is not None
    assert row.held_by_county_at is not None
    assert village.casebook.waiting() == 0
    assert row.quarantined == 2 * len(BROKEN), "kept, and shown"
    reviewer = county.sign_in("zhao")
    page = f"/cases/{number}"
    reviewer.send(page, {"outcome": "granted", "reason": "符合条件"}, to=f"{page}/acts/decided")
    assert "都办完了" in reviewer.get("/")
    assert len(receipts(county, number)) == 1


def test_a_file_that_is_not_what_was_listed_is_refused_calmly(county: SmallCentre) -> None:
    village, number = taken_in(county)
    broken = address(f"chunk:{number}", {"case": number, "data": 5})
    file = {"id": "a" * 32, "name": "x.jpg", "type": "image/jpeg", "size": 3, "sha256": "a" * 64}
    act = Act("material_added", {"material": "m01", "file": {**file, "chunks": [broken["_id"].rpartition(":")[2]]}})
    village.desk.write(number, [act], AGENT, beside=[broken])
    village.up()
    reviewer = county.sign_in("zhao")
    assert "不能打开" in reviewer.get(f"/cases/{number}/files/{'a' * 32}", expect=409)
    reviewer.get(f"/cases/{number}")


def test_projections_thrown_away_are_built_anew_and_equal(county: SmallCentre) -> None:
    village, number = taken_in(county)
    village.add_photo(number)
    village.up()
    village.take_in(name="李某某")
    village.up()
    county.centre.desk.write(number, [Act("decided", {"outcome": "granted", "reason": "符合条件"})], REVIEWER)
    county.centre.catch_up()

    def told() -> list[object]:
        rows = sorted(county.centre.casebook.latest(Scope(), limit=100), key=lambda row: row.number)
        ledgers = sorted(county.centre.casebook.ledgers(VILLAGE))
        cases = [county.centre.casebook.case(row.number) for row in rows]
        return [[row._replace(touched=0) for row in rows], cases, ledgers]

    before = told()
    marks = {name: county.centre.databases.open(name).update_seq for name in county.centre.databases.names()}
    county.centre.close()
    for path in (county.folder / "county").glob("projections.sqlite3*"):
        path.unlink()
    county.start()
    assert told() == before
    assert {name: county.centre.databases.open(name).update_seq for name in marks} == marks, "and nothing was written"


def test_a_new_station_is_followed_without_a_restart(county: SmallCentre) -> None:
    county.centre.start()
    village = county.enrol(VILLAGE)
    number = village.take_in()
    member = county.centre.databases.open(f"station-{VILLAGE}").as_writer(Writer(VILLAGE, village.writer.roles))
    member.bulk_docs(village.cases.range("event:", "event;"), new_edits=False)
    until(lambda: receipts(county, number), "the receipt")


def test_one_broken_turn_does_not_end_the_follower(county: SmallCentre, monkeypatch: pytest.MonkeyPatch) -> None:
    turns = threading.Event()

    def broken(_databases: object) -> None:
        turns.set()
        raise RuntimeError("the inside of the program")

    monkeypatch.setattr("central.centre.RETRY_AFTER_S", 0.05)
    with monkeypatch.context() as once:
        once.setattr(county.centre, "_take_turn", broken)
        county.centre.start()
        assert turns.wait(PATIENCE_S)
    village = county.enrol(VILLAGE)
    number = village.take_in()
    county.centre.databases.open(f"station-{VILLAGE}").save(
        village.cases.range("event:", "event;"), writer=village.writer
    )
    until(lambda: receipts(county, number), "the receipt")


def test_a_look_at_the_files_that_fails_does_not_end_the_follower(
    county: SmallCentre, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = threading.Event()
    stands = county.centre.databases.stands

    def once() -> dict[str, tuple[int, ...]]:
        if len(looks) == 1 and not failed.is_set():
            failed.set()
            raise OSError("the disk does not answer")
        looks.append(1)
        return stands()

    looks: list[int] = []
    monkeypatch.setattr("central.centre.LOOK_EVERY_S", 0.05)
    monkeypatch.setattr("central.centre.RETRY_AFTER_S", 0.05)
    monkeypatch.setattr(county.centre.databases, "stands", once)
    county.centre.start()
    assert failed.wait(PATIENCE_S)
    village = county.enrol(VILLAGE)
    number = village.take_in()
    county.centre.databases.open(f"station-{VILLAGE}").save(
        village.cases.range("event:", "event;"), writer=village.writer
    )
    until(lambda: receipts(county, number), "the receipt")
