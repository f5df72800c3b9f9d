"""PouchDB 9 with our server, its own replicator active: both ways, once and live, over a line that is cut."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any
from urllib.parse import urlsplit

import pytest

from provisioning.relay import Relay
from tests.patience import until
from tests.peers.conftest import Site
from tests.peers.pouch import Document, Node, Pouch, as_bytes, read_bytes
from tests.peers.trees import hash_like, random_tree, revision, seen


@pytest.fixture
def ours(node: Node, site: Site) -> Pouch:
    """A new database of our server, seen through PouchDB's HTTP adapter."""
    return node.database(site.make())


@pytest.fixture
def theirs(node: Node, local: Callable[[], str]) -> Pouch:
    """A new PouchDB."""
    return node.database(local())


def everything(database: Pouch) -> dict[str, Document]:
    """Every winner by id."""
    return {row["id"]: row["doc"] for row in database.all_docs({"include_docs": True})["rows"]}


def over(relay: Relay, database: Pouch) -> str:
    """The URL of a database of our server by way of the line that can be cut."""
    where = urlsplit(database.name)
    return where._replace(netloc=f"{where.username}:{where.password}@127.0.0.1:{relay.listen[1]}").geturl()


def test_documents_go_up_and_come_down_unchanged(
    node: Node, ours: Pouch, theirs: Pouch, local: Callable[[], str]
) -> None:
    theirs.bulk_docs([{"_id": f"d{number:03}", "number": number, "text": "驿站" * number} for number in range(150)])
    up = node.replicate(theirs, ours)
    assert (up["docs_read"], up["docs_written"], up["doc_write_failures"]) == (150, 150, 0)
    elsewhere = node.database(local())
    down = node.replicate(ours, elsewhere)
    assert (down["docs_read"], down["docs_written"]) == (150, 150)
    assert everything(theirs) == everything(ours) == everything(elsewhere)


def test_a_second_run_has_nothing_to_do_and_a_third_only_what_is_new(node: Node, ours: Pouch, theirs: Pouch) -> None:
    ours.bulk_docs([{"_id": str(number)} for number in range(20)])
    assert node.replicate(ours, theirs)["docs_written"] == 20
    theirs.reopen()
    assert node.replicate(ours, theirs)["docs_read"] == 0
    ours.put({"_id": "new"})
    assert node.replicate(ours, theirs)["docs_read"] == 1


def test_a_live_pair_carries_each_write_to_the_other_side(node: Node, ours: Pouch, theirs: Pouch) -> None:
    live = node.sync(theirs, ours)
    try:
        theirs.put({"_id": "from theirs"})
        ours.put({"_id": "from ours"})
        until(
            lambda: set(everything(theirs)) == set(everything(ours)) == {"from theirs", "from ours"}, "both hold both"
        )
        document = everything(theirs)["from ours"]
        theirs.put({**document, "answered": True})
        until(lambda: everything(ours)["from ours"].get("answered"), "the answer comes")
    finally:
        told = live.cancel()
    assert {what["direction"] for event, what in told if event == "change"} == {"push", "pull"}
    assert not [what for event, what in told if event in ("denied", "error")]


def test_a_live_feed_tells_changes_as_they_happen_and_ends_when_told(ours: Pouch) -> None:
    feed = ours.follow_changes(since="now", include_docs=True)
    for number in range(3):
        ours.put({"_id": str(number)})
    until(lambda: len(feed.told()) == 3, "the feed tells of three")
    told = feed.cancel()
    assert [what["doc"]["_id"] for event, what in told if event == "change"] == ["0", "1", "2"]


def test_a_cut_line_is_waited_for_and_nothing_written_meanwhile_is_lost(
    node: Node, ours: Pouch, theirs: Pouch, relay: Relay
) -> None:
    over_the_line = node.database(over(relay, ours), as_in_a_browser=True)
    live = node.sync(theirs, over_the_line, retry=True, retry_ms=100)
    try:
        theirs.put({"_id": "before"})
        until(lambda: "before" in everything(ours), "what was before comes")
        relay.switch("cut")
        theirs.put({"_id": "theirs, while it was cut"})
        ours.put({"_id": "ours, while it was cut"})
        until(lambda: [what for event, what in live.told() if event == "waiting"], "it waits")
        assert "theirs, while it was cut" not in everything(ours)
        relay.switch("heal")
        expected = {"before", "theirs, while it was cut", "ours, while it was cut"}
        until(lambda: set(everything(ours)) == set(everything(theirs)) == expected, "both hold all")
    finally:
        live.cancel()


@pytest.mark.parametrize("way", ["up", "down"])
def test_a_line_that_drops_again_and_again_carries_all(
    way: str, node: Node, ours: Pouch, theirs: Pouch, relay: Relay
) -> None:
    over_the_line = node.database(over(relay, ours), as_in_a_browser=True)
    random = Random(5)
    documents = [{"_id": f"d{number:04}", "text": random.randbytes(1000).hex()} for number in range(400)]
    if way == "up":
        theirs.bulk_docs(documents)
        live = node.follow(theirs, over_the_line, retry=True, retry_ms=50, batch_size=20)
    else:
        ours.bulk_docs(documents)
        # In one batch: whatever the server, PouchDB 9 forgets the batches that wait when its feed breaks, and its
        # checkpoint runs past them.
        live = node.follow(over_the_line, theirs, retry=True, retry_ms=50, batch_size=1000)
    drops = 0

    def all_there() -> bool:
        nonlocal drops
        # PouchDB never tries its very first request again: let it begin.
        if drops < 8 and relay.bytes_up + relay.bytes_down > 2000:
            relay.drop()
            drops += 1
        return int(ours.info()["doc_count"]) == int(theirs.info()["doc_count"]) == 400

    try:
        until(all_there, "all are there")
    finally:
        told = live.cancel()
    assert "paused" in [event for event, what in told if what]
    assert everything(ours) == everything(theirs)


def test_both_sides_name_the_same_winner_of_random_trees(
    node: Node, ours: Pouch, theirs: Pouch, local: Callable[[], str]
) -> None:
    random = Random(11)
    ids = [f"tree{number:02}" for number in range(40)]
    for id_ in ids:
        # Each leaf is first known to one side only, or to both.
        for leaf in random_tree(id_, random):
            for side in random.choice([[ours], [theirs], [ours, theirs]]):
                side.bulk_docs([leaf], {"new_edits": False})
    node.replicate(theirs, ours)
    node.replicate(ours, theirs)
    elsewhere = node.database(local())
    node.replicate(ours, elsewhere)
    at_ours = seen(ours, ids)
    assert at_ours == seen(theirs, ids)
    assert at_ours == seen(elsewhere, ids)


def test_a_conflict_that_people_made_is_settled_for_both(node: Node, ours: Pouch, theirs: Pouch, site: Site) -> None:
    ours.put({"_id": "phone", "number": "1"})
    node.replicate(ours, theirs)
    start = theirs.get("phone")
    theirs.put({**start, "number": "theirs"})
    ours.put({**start, "number": "ours"})
    node.replicate(theirs, ours)
    node.replicate(ours, theirs)
    winner = ours.get("phone", {"conflicts": True})
    assert winner == theirs.get("phone", {"conflicts": True})
    assert len(winner["_conflicts"]) == 1
    theirs.remove("phone", winner["_conflicts"][0])
    node.replicate(theirs, ours)
    assert "_conflicts" not in ours.get("phone", {"conflicts": True})
    # PouchDB has no word for this one.
    gone = site.ask("GET", f"/{ours.name.rpartition('/')[2]}/phone?deleted_conflicts=true")["_deleted_conflicts"]
    assert [rev.partition("-")[0] for rev in gone] == ["3"]


def test_a_branch_with_one_hash_twice_arrives_as_far_as_pouchdb_can_tell_it(
    node: Node, ours: Pouch, theirs: Pouch
) -> None:
    # Other people's tests number revisions like this. PouchDB then sends `_rev` 3-c with a history that ends at 2-c;
    # CouchDB goes by the history.
    theirs.bulk_docs([revision("a", 3, "c", "c", "a", n=1)], {"new_edits": False})
    ours.bulk_docs([revision("a", 2, "b", "a", n=2)], {"new_edits": False})
    assert node.replicate(theirs, ours)["docs_written"] == 1
    document = ours.get("a", {"conflicts": True})
    assert (document["n"], document["_rev"], document["_conflicts"]) == (1, "2-c", ["2-b"])


def test_deletions_travel_both_ways_and_a_document_can_live_again(node: Node, ours: Pouch, theirs: Pouch) -> None:
    ours.bulk_docs([{"_id": "a"}, {"_id": "b"}, {"_id": "c"}])
    node.replicate(ours, theirs)
    theirs.remove(theirs.get("a"))
    ours.remove(ours.get("b"))
    node.replicate(theirs, ours)
    node.replicate(ours, theirs)
    assert set(everything(ours)) == set(everything(theirs)) == {"c"}
    assert ours.info()["doc_count"] == 1
    theirs.put({"_id": "a", "again": True})
    node.replicate(theirs, ours)
    assert ours.get("a", {"revs": True}) == theirs.get("a", {"revs": True})
    assert ours.get("a")["_rev"].startswith("3-")


def test_a_tombstone_with_content_keeps_it(node: Node, ours: Pouch, theirs: Pouch) -> None:
    made = theirs.put({"_id": "a"})
    gone = theirs.put({"_id": "a", "_rev": made["rev"], "_deleted": True, "by": "county"})
    node.replicate(theirs, ours)
    assert ours.get("a", {"rev": gone["rev"]}) == {"_id": "a", "_rev": gone["rev"], "_deleted": True, "by": "county"}


_FILES = {
    "empty": b"",
    "one byte": b"\0",
    "名字 with space & ampersand.bin": Random(1).randbytes(5000),
    "folder/name.bin": Random(2).randbytes(70_000),
    "photo.jpg": Random(3).randbytes(1_500_000),
}


def with_files(id_: str) -> Document:
    entries = {name: {"content_type": "image/jpeg", "data": as_bytes(data)} for name, data in _FILES.items()}
    return {"_id": id_, "_attachments": entries}


def files_of(database: Pouch, id_: str) -> dict[str, str]:
    found = database.get(id_, {"attachments": True, "binary": True})["_attachments"]
    return {name: hashlib.sha256(read_bytes(entry["data"])).hexdigest() for name, entry in found.items()}


def test_files_arrive_byte_for_byte(node: Node, ours: Pouch, theirs: Pouch, local: Callable[[], str]) -> None:
    expected = {name: hashlib.sha256(data).hexdigest() for name, data in _FILES.items()}
    theirs.put(with_files("up"))
    ours.put(with_files("down"))
    node.replicate(theirs, ours)
    node.replicate(ours, theirs)
    elsewhere = node.database(local())
    node.replicate(ours, elsewhere)
    for database in (ours, theirs, elsewhere):
        for id_ in ("up", "down"):
            assert files_of(database, id_) == expected
            for name, data in _FILES.items():
                assert read_bytes(database.get_attachment(id_, name)) == data
    assert theirs.get("up")["_attachments"] == ours.get("up")["_attachments"] == elsewhere.get("up")["_attachments"]


def test_a_file_that_did_not_change_stays_with_the_later_revision(node: Node, ours: Pouch, theirs: Pouch) -> None:
    data = Random(9).randbytes(40_000)
    theirs.put({"_id": "a", "_attachments": {"f": {"content_type": "text/plain", "data": as_bytes(data)}}})
    node.replicate(theirs, ours)
    at_ours = ours.get("a")
    assert at_ours["_attachments"]["f"]["stub"] is True
    ours.put({**at_ours, "edited": "there"})
    assert ours.get("a")["_attachments"] == at_ours["_attachments"]
    node.replicate(ours, theirs)
    at_theirs = theirs.get("a")
    assert at_theirs["edited"] == "there"
    # PouchDB counts `revpos` anew for what it pulled; what it says is kept.
    theirs.put({**at_theirs, "edited": "here"})
    node.replicate(theirs, ours)
    assert read_bytes(ours.get_attachment("a", "f")) == data
    assert ours.get("a")["_attachments"] == theirs.get("a")["_attachments"]


def test_ten_thousand_documents_go_up_and_come_down(
    node: Node, ours: Pouch, theirs: Pouch, local: Callable[[], str]
) -> None:
    for first in range(0, 10_000, 2500):
        theirs.bulk_docs([{"_id": f"d{number:05}", "number": number} for number in range(first, first + 2500)])
    up = node.replicate(theirs, ours, batch_size=1000)
    assert (up["docs_written"], up["doc_write_failures"]) == (10_000, 0)
    elsewhere = node.database(local())
    assert node.replicate(ours, elsewhere, batch_size=1000)["docs_written"] == 10_000

    def revisions(database: Pouch) -> dict[str, Any]:
        return {row["id"]: row["value"]["rev"] for row in database.all_docs()["rows"]}

    assert revisions(theirs) == revisions(ours) == revisions(elsewhere)


def test_five_hundred_revisions_keep_their_history(node: Node, ours: Pouch, theirs: Pouch) -> None:
    random = Random(21)
    long = [revision(f"long{n:02}", 500, *(hash_like(random) for _ in range(500)), n=n) for n in range(10)]
    ours.bulk_docs(long[:5], {"new_edits": False})
    theirs.bulk_docs(long[5:], {"new_edits": False})
    # One that was really edited 500 times, over HTTP.
    written = ours.put({"_id": "edited", "n": 0})
    for number in range(1, 500):
        written = ours.put({"_id": "edited", "_rev": written["rev"], "n": number})
    node.replicate(theirs, ours)
    node.replicate(ours, theirs)
    ids = ["edited", *(document["_id"] for document in long)]
    at_ours = seen(ours, ids)
    assert at_ours == seen(theirs, ids)
    assert all(len(one["leaves"][0]["_revisions"]["ids"]) == 500 for one in at_ours.values())


def test_two_hundred_tombstoned_leaves_and_the_one_that_lives(
    node: Node, ours: Pouch, theirs: Pouch, local: Callable[[], str]
) -> None:
    random = Random(22)
    root = hash_like(random)
    leaves = [revision("many", 3, hash_like(random), hash_like(random), root, deleted=True) for _ in range(200)]
    leaves.append(revision("many", 2, hash_like(random), root, alive=True))
    theirs.bulk_docs(leaves, {"new_edits": False})
    node.replicate(theirs, ours)
    elsewhere = node.database(local())
    node.replicate(ours, elsewhere)
    at_ours = seen(ours, ["many"])
    assert len(at_ours["many"]["leaves"]) == 201
    assert at_ours == seen(theirs, ["many"]) == seen(elsewhere, ["many"])
    assert ours.get("many")["alive"] is True


def test_compaction_and_stemming_while_replication_runs(node: Node, ours: Pouch, theirs: Pouch, site: Site) -> None:
    path = "/" + ours.name.rpartition("/")[2]
    site.ask("PUT", f"{path}/_revs_limit", 5)
    live = node.sync(theirs, ours, batch_size=10)
    revs: dict[str, str] = {}

    def has_all(database: Pouch) -> bool:
        return {id_: document["_rev"] for id_, document in everything(database).items()} == revs

    try:
        for turn in range(12):
            side = (ours, theirs)[turn % 2]
            until(partial(has_all, side), "a side has all")
            docs = [
                {"_id": f"d{n:02}", "turn": turn, **({"_rev": revs[f"d{n:02}"]} if revs else {})} for n in range(30)
            ]
            written = side.bulk_docs(docs)
            assert not [row for row in written if "error" in row]
            revs = {row["id"]: row["rev"] for row in written}
            site.ask("POST", f"{path}/_compact", {})
            theirs.compact()
        until(partial(has_all, ours), "we have all")
        until(partial(has_all, theirs), "they have all")
    finally:
        told = live.cancel()
    assert not [what for event, what in told if event in ("denied", "error")]
    assert everything(ours) == everything(theirs)
    kept = ours.get("d00", {"revs": True})["_revisions"]
    assert (kept["start"], len(kept["ids"])) == (12, 5)
    assert "_conflicts" not in ours.get("d00", {"conflicts": True})
