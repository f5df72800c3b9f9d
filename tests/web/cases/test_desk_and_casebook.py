from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
from PIL import Image

from casework.canonical import canonical
from casework.times import milliseconds
from sync.peer import StorageFull
from tests.casework.county import item
from tests.web.cases.desks import AGENT, REVIEWER, Pair
from web.cases.casebook import Scope
from web.cases.desk import Act, Person
from web.cases.files import kind_of, plain_name
from web.errors import Problem

CLOCKWORK = Person("station", "柳树湾村便民服务站", "station")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    pair = Pair(tmp_path)
    yield pair
    pair.close()


def photo(seed: int = 1, bytes_long: int = 40_000) -> bytes:
    return b"\xff\xd8\xff" + Random(seed).randbytes(bytes_long)


def test_a_case_waits_until_the_county_has_receipted_every_event_and_chunk(pair: Pair) -> None:
    number = pair.village.take_in()
    pair.village.desk.add_file(number, "m01", "a.jpg", "image/jpeg", photo(), AGENT)
    assert pair.village.casebook.waiting() == 3 + 3, "three events and three chunks"
    pair.up()
    assert pair.county.receipts.settle([number]) == 1
    assert pair.county.receipts.settle([number]) == 0, "at most one receipt for a set of heads"
    assert pair.village.casebook.row(number).held_by_county_at is None
    pair.down()
    row = pair.village.casebook.row(number)
    assert row is not None
    assert row.held_by_county_at is not None
    assert pair.village.casebook.waiting() == 0


def test_no_receipt_while_a_chunk_is_on_the_road(pair: Pair) -> None:
    number = pair.village.take_in()
    event = pair.village.desk.add_file(number, "m01", "a.jpg", "image/jpeg", photo(), AGENT)
    events = list(pair.village.casebook.events(number))
    pair.county.cases.save(events)
    pair.county.casebook.follow()
    pair.county.receipts.settle([number])
    pair.down()
    row = pair.village.casebook.row(number)
    assert row is not None
    assert row.held_by_county_at is None, "the file is not there"
    assert pair.village.casebook.waiting() == 1 + len(event["data"]["file"]["chunks"])
    with pytest.raises(Problem, match="还没有传完"):
        pair.county.desk.file(number, "m01")
    pair.up()
    pair.county.receipts.settle([number])
    pair.down()
    assert pair.village.casebook.waiting() == 0
    assert pair.county.desk.file(number, "m01")[1] == photo()


def test_the_countys_own_act_needs_no_receipt(pair: Pair) -> None:
    number = pair.village.take_in()
    pair.up()
    pair.county.receipts.settle([number])
    pair.county.desk.write(number, [Act("decided", {"outcome": "granted", "reason": "符合"})], REVIEWER)
    assert pair.county.receipts.settle([number]) == 0
    pair.down()
    row = pair.village.casebook.row(number)
    assert row is not None
    assert (row.state, row.held_by_county_at is not None) == ("decided", True)


def test_the_casebook_can_be_thrown_away_and_says_the_same_again(pair: Pair) -> None:
    numbers = [pair.village.take_in(serial=serial) for serial in range(1, 6)]
    pair.village.desk.write(numbers[0], [Act("withdrawn", {"reason": "不办了"})], AGENT)
    before = {number: canonical(dict(pair.village.casebook.case(number) or {})) for number in numbers}
    ledger = pair.village.casebook.ledgers(pair.village.station)
    pair.village.close()
    for file in pair.village.folder.glob("projections.sqlite3*"):
        file.unlink()
    pair.village.start()
    assert {number: canonical(dict(pair.village.casebook.case(number) or {})) for number in numbers} == before
    assert pair.village.casebook.ledgers(pair.village.station) == ledger


def test_serials_count_without_gaps_and_chain_within_one_start(pair: Pair) -> None:
    for serial in range(1, 4):
        pair.village.take_in(serial=serial)
    events = sorted(pair.village.cases.range("event:", "event;"), key=lambda event: event["serial"])
    assert [event["serial"] for event in events] == [1, 2, 3, 4, 5, 6]
    assert [event["prev"] for event in events] == [None, *(event["_id"] for event in events[:-1])]
    pair.village.close()
    pair.village.start()
    pair.village.take_in(serial=4)
    newest = pair.village.casebook.ledgers(pair.village.station)
    assert sorted((incarnation, serial) for incarnation, _home, serial, _head in newest) == [
        ("village-1", 6),
        ("village-2", 2),
    ]


def test_an_act_that_is_not_ones_own_is_refused_and_nothing_is_written(pair: Pair) -> None:
    number = pair.village.take_in(item(level="county"))
    sequence = pair.village.cases.update_seq
    for act, status in (
        (Act("decided", {"outcome": "granted", "reason": "x"}), 403),
        (Act("accepted"), 409),
        (Act("no_such_act"), 422),
        (Act("field_corrected", {"path": "applicant.phone"}), 422),
    ):
        with pytest.raises(Problem) as refused:
            pair.village.desk.write(number, [act], AGENT)
        assert refused.value.status == status
    assert pair.village.cases.update_seq == sequence


def test_either_all_of_a_request_is_saved_or_nothing(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    number = pair.village.take_in()
    acts = [Act("withdrawn", {"reason": "不办了"}), Act("decided", {"outcome": "granted", "reason": "x"})]
    with pytest.raises(Problem):
        pair.village.desk.write(number, acts, AGENT)
    assert (pair.village.casebook.case(number) or {})["state"] == "accepted"

    def full(*_arguments: object, **_named: object) -> None:
        raise StorageFull("disk")

    with monkeypatch.context() as broken:
        broken.setattr(pair.village.cases, "save", full)
        with pytest.raises(StorageFull):
            pair.village.desk.write(number, [Act("withdrawn", {"reason": "不办了"})], AGENT)
    assert (pair.village.casebook.case(number) or {})["state"] == "accepted"
    event = pair.village.desk.write(number, [Act("withdrawn", {"reason": "不办了"})], AGENT)[-1]
    assert event["serial"] == 3, "a write that failed uses no number"


def test_the_same_photo_is_stored_once(pair: Pair) -> None:
    number = pair.village.take_in()
    first = pair.village.desk.add_file(number, "m01", "a.jpg", "image/jpeg", photo(), AGENT)
    again = pair.village.desk.add_file(number, "m01", "b.jpg", "image/jpeg", photo(), AGENT)
    assert again["_id"] == first["_id"]
    assert pair.village.desk.file(number, first["data"]["file"]["id"])[1] == photo()


def test_scopes_show_only_what_is_ones_own(pair: Pair) -> None:
    pair.village.take_in(item(level="county"))
    casebook = pair.village.casebook
    assert len(casebook.rows(Scope(department="民政"))) == 1
    assert casebook.rows(Scope(department="残联")) == []
    assert casebook.rows(Scope(stations=frozenset({"600101101999"}))) == []
    assert casebook.latest(Scope(), text="%") == [], "a percent sign is a percent sign"


def test_a_clock_three_years_ahead_elsewhere_does_not_take_ours_along(pair: Pair) -> None:
    number = pair.village.take_in()
    pair.village.offset_ms = 3 * 365 * 86_400_000
    pair.village.desk.write(
        number, [Act("field_corrected", {"path": "applicant.phone", "value": "13000000002"})], AGENT
    )
    pair.up()
    pair.county.desk.write(number, [Act("decided", {"outcome": "granted", "reason": "符合"})], REVIEWER)
    decided = next(e for e in pair.county.casebook.events(number) if e["kind"] == "decided")
    ahead = next(e for e in pair.county.casebook.events(number) if e["kind"] == "field_corrected")
    assert decided["at"] < ahead["at"]
    assert pair.county.casebook.row(number).state == "decided"


def test_files_are_known_by_what_they_are() -> None:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "PNG")
    assert kind_of(out.getvalue()) == "image/png"
    assert kind_of(b"%PDF-1.7 ...") == "application/pdf"
    for impostor in (b"just text in a .jpg", b"", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"GIF89a" + b"\0" * 40):
        with pytest.raises(Problem) as refused:
            kind_of(impostor)
        assert refused.value.status == 415


def test_file_names_are_only_names() -> None:
    assert plain_name("../../etc/passwd") == "passwd"
    assert plain_name("C:\\fake\\照片\x00.jpg") == "照片.jpg"
    assert plain_name("") == "file"


def test_what_was_written_under_a_wrong_clock_is_dated_anew_once_the_time_is_known(pair: Pair) -> None:
    village = pair.village
    right = village.now
    village.how, village.now = "unknown", datetime(1970, 1, 1, 0, 5, tzinfo=UTC)
    number = village.take_in()
    wrong = village.casebook.case(number)
    assert wrong is not None
    assert wrong["deadlines"]["accepted_on"] == "1970-01-01"
    assert village.desk.mend_clock(CLOCKWORK) == 0, "nothing is known yet"
    village.how, village.offset_ms = "county", milliseconds(right) - milliseconds(village.now)
    assert village.desk.mend_clock(CLOCKWORK) == 2
    assert village.desk.mend_clock(CLOCKWORK) == 0, "once"
    mended = village.casebook.case(number)
    assert mended is not None
    assert mended["quarantined"] == []
    assert mended["deadlines"]["accepted_on"] == "2026-09-16"
    assert mended["deadlines"]["due_on"] == "2026-10-20"
    assert wrong["order"] == mended["order"][:2], "nothing that was written was rewritten"
