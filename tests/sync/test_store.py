"""The store as the apps use it: all or nothing, durable, full disks, backups, many threads."""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from sync.database_file import DatabaseFile
from sync.databases import Databases
from sync.peer import BadRequest, Conflict, Document, Forbidden, NotFound, PeerError, StorageFull, Writer
from sync.sqlite import sqlite3
from sync.store import Store
from tests.contracts.peer import kept
from tests.patience import PATIENCE_S


def test_what_is_saved_can_be_got_read_and_ranged(databases: Databases) -> None:
    store = databases.open("cases")
    store.save([kept("event:b", "1-b", n=2), kept("event:a", "1-a", n=1), kept("chunk:c", "1-c")])
    assert store.get("event:a") == {"_id": "event:a", "_rev": "1-a", "n": 1}
    assert [doc["n"] for doc in store.read(["event:b", "nothing", "event:a"])] == [2, 1]
    assert [doc["_id"] for doc in store.range("event:", "event:\uffff")] == ["event:a", "event:b"]
    assert [doc["_id"] for doc in store.range("event:", "event:\uffff", descending=True, limit=1)] == ["event:b"]
    assert store.get("nothing") is None


def test_deleted_documents_are_not_got_but_their_tombstone_can_be_named(databases: Databases) -> None:
    store = databases.open("cases")
    first = store.update({"_id": "a", "n": 1})
    gone = store.update({"_id": "a", "_rev": first.rev, "_deleted": True, "why": "moved"})
    assert store.get("a") is None
    assert store.get("a", first.rev) == {"_id": "a", "_rev": first.rev, "n": 1}
    assert store.get("a", gone.rev) == {"_id": "a", "_rev": gone.rev, "_deleted": True, "why": "moved"}
    assert store.range("a", "a") == []
    assert store.read(["a"]) == []
    info = store.info()
    assert (info["doc_count"], info["doc_del_count"]) == (0, 1)


def test_the_same_document_again_is_no_change(databases: Databases) -> None:
    store = databases.open("cases")
    commits: list[tuple[str, int]] = []
    store.on_commit(lambda name, seq: commits.append((name, seq)))
    store.save([kept("a", "1-a")])
    store.save([kept("a", "1-a")])
    assert store.update_seq == 1
    assert commits == [("cases", 1)]


def test_a_listener_that_fails_does_not_unsave_anything(databases: Databases) -> None:
    store = databases.open("cases")
    heard: list[int] = []

    def fail(name: str, seq: int) -> None:
        raise RuntimeError("no")

    store.on_commit(fail)
    store.on_commit(lambda name, seq: heard.append(seq))
    assert store.update({"_id": "a"}).error is None
    assert heard == [1]


def test_one_refusal_and_nothing_of_a_save_stays(tmp_path: Path, random: Random) -> None:
    def no_b(document: Document, writer: Writer) -> None:
        if document["_id"] == "b":
            raise Forbidden("no b")

    store = Store(tmp_path / "x.sqlite3", name="x", random=random, rule=no_b)
    with pytest.raises(Forbidden):
        store.save([{"_id": "a"}, {"_id": "b"}], locals={"key": {"n": 1}})
    store.save([{"_id": "c"}])
    with pytest.raises(Conflict):
        store.save([{"_id": "d"}, {"_id": "c"}], locals={"key": {"n": 1}})
    with pytest.raises(BadRequest):
        store.save([{"_id": "d"}], locals={"key": {"n": float("nan")}})
    assert [row.id for row in store.changes().results] == ["c"]
    assert store.local("key") is None
    assert store.check() == []
    store.close()


def test_documents_and_their_local_documents_come_together(databases: Databases) -> None:
    store = databases.open("cases")
    written = store.save([{"_id": "b"}, kept("a", "1-a")], locals={"idempotency/1": {"case": "a"}})
    assert [(one.id, one.error) for one in written] == [("b", None), ("a", None)]
    found = store.local("idempotency/1")
    assert found is not None
    assert found["case"] == "a"


def test_changes_since_brings_each_document_once_with_its_winner(databases: Databases) -> None:
    store = databases.open("cases")
    rev = store.update({"_id": "a", "n": 1}).rev
    store.update({"_id": "b"})
    store.update({"_id": "a", "_rev": rev, "_deleted": True})
    assert [(seq, id_, deleted) for seq, id_, deleted, _ in store.changes_since(0, 10)] == [
        (2, "b", False),
        (3, "a", True),
    ]
    assert store.changes_since(2, 10)[0][3]["_deleted"] is True
    assert store.changes_since(3, 10) == []


def test_updating_what_somebody_else_has_updated_is_a_conflict(databases: Databases) -> None:
    store = databases.open("cases")
    rev = store.update({"_id": "a", "n": 1}).rev
    store.update({"_id": "a", "_rev": rev, "n": 2})
    with pytest.raises(Conflict):
        store.update({"_id": "a", "_rev": rev, "n": 3})
    with pytest.raises(Conflict):
        store.update({"_id": "new", "_rev": "1-a"})


def test_the_same_id_twice_in_one_batch_makes_two_revisions(databases: Databases) -> None:
    store = databases.open("cases")
    store.bulk_docs([kept("a", "1-a", n=1), kept("a", "2-b", "a", n=2), kept("a", "2-c", "a", n=3)], new_edits=False)
    assert store.get("a") == {"_id": "a", "_rev": "2-c", "n": 3}
    assert store.get("a", "2-b") == {"_id": "a", "_rev": "2-b", "n": 2}
    answers = store.bulk_docs([{"_id": "b", "n": 1}, {"_id": "b", "n": 2}])
    assert [answer.error for answer in answers] == [None, "conflict"]
    assert store.check() == []


def test_everything_is_there_after_opening_it_again(tmp_path: Path, random: Random) -> None:
    databases = Databases(tmp_path, random=random)
    store = databases.open("with/slash")
    store.save([kept("a", "2-b", "a", n=1)], locals={"x": {"n": 1}})
    store.set_security({"members": {"roles": ["r"]}})
    databases.close()
    again = Databases(tmp_path, random=random)
    assert again.names() == ["with/slash"]
    found = again.existing("with/slash")
    assert found is not None
    assert found.get("a") == {"_id": "a", "_rev": "2-b", "n": 1}
    assert found.security() == {"members": {"roles": ["r"]}}
    assert found.check() == []
    again.close()


@pytest.mark.parametrize("name", ["", "A", "1a", "../x", "a b", "_users", "x" * 300, "ä"])
def test_a_name_that_couchdb_would_not_take_makes_no_file(databases: Databases, name: str) -> None:
    with pytest.raises(BadRequest):
        databases.open(name)
    assert databases.existing(name) is None
    assert databases.names() == []


def test_a_request_that_comes_while_a_database_is_deleted_does_not_make_it_anew(databases: Databases) -> None:
    """PouchDB asks for the next changes in the very moment in which it deletes."""
    for _ in range(40):
        databases.open("fleeting").bulk_docs([{"_id": "a"}])
        start = threading.Barrier(4)

        def ask(start: threading.Barrier = start) -> None:
            start.wait()
            for _ in range(20):
                with suppress(NotFound):
                    databases.existing("fleeting")

        asking = [threading.Thread(target=ask) for _ in range(3)]
        for one in asking:
            one.start()
        start.wait()
        databases.delete("fleeting")
        for one in asking:
            one.join()
        assert databases.names() == []
        assert databases.existing("fleeting") is None


def test_a_database_that_another_process_deletes_while_it_is_being_opened_is_not_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "fleeting.sqlite3"
    first = Databases(tmp_path, random=Random(1))
    first.open("fleeting")
    first.close()

    def gone_before(file: Path, random: Random, *, make: bool = True) -> DatabaseFile:
        path.unlink(missing_ok=True)
        return opened(file, random, make=make)

    opened = DatabaseFile.opened
    monkeypatch.setattr(DatabaseFile, "opened", gone_before)
    databases = Databases(tmp_path, random=Random(2))
    assert databases.existing("fleeting") is None
    assert databases.names() == []


@pytest.mark.parametrize(
    "act",
    [
        lambda own: own.create("new"),
        lambda own: own.open("new"),
        lambda own: own.existing("old"),
        lambda own: own.delete("old"),
    ],
    ids=["make", "make by opening", "open", "delete"],
)
def test_what_another_process_makes_or_deletes_is_whole_before_anybody_opens_it(
    databases: Databases, act: Callable[[Databases], object]
) -> None:
    databases.open("old")
    folder = os.open(databases.folder, os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    done = threading.Event()
    own = Databases(databases.folder, random=Random(5))
    thread = threading.Thread(target=lambda: (act(own), done.set()))
    thread.start()
    assert not done.wait(0.3)
    os.close(folder)
    assert done.wait(PATIENCE_S)
    thread.join()
    own.close()


def test_a_deleted_database_is_gone_and_can_be_made_anew(databases: Databases) -> None:
    store = databases.open("a")
    store.update({"_id": "x"})
    databases.delete("a")
    assert databases.names() == []
    assert databases.existing("a") is None
    with pytest.raises(NotFound):
        store.get("x")
    with pytest.raises(NotFound):
        store.update({"_id": "y"})
    with pytest.raises(NotFound):
        databases.delete("a")
    anew = databases.open("a")
    assert anew.get("x") is None
    assert anew.uuid != store.uuid


def test_a_full_disk_is_told_and_what_was_saved_stays(tmp_path: Path, random: Random) -> None:
    store = Store(tmp_path / "x.sqlite3", name="x", random=random)
    store.save([kept("before", "1-a", text="x" * 1000)])
    with store._file.writing() as connection:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
    store._file._writer.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StorageFull):
        store.save([kept(f"big{number}", "1-b", text="y" * 5000) for number in range(50)], locals={"k": {"n": 1}})
    assert store.get("before") is not None
    assert store.get("big0") is None
    assert store.local("k") is None
    store._file._writer.execute("PRAGMA max_page_count = 1000000")
    store.save([kept("after", "1-c")])
    assert [row.id for row in store.changes().results] == ["before", "after"]
    assert store.check() == []
    store.close()


def test_the_codec_is_the_only_road_to_the_disk(tmp_path: Path, random: Random) -> None:
    class Turned:
        def seal(self, data: bytes) -> bytes:
            return data[::-1]

        def open(self, data: bytes) -> bytes:
            return data[::-1]

    store = Store(tmp_path / "x.sqlite3", name="x", random=random, codec=Turned())
    file = {"f": {"content_type": "text/plain", "data": "c2VjcmV0IGZpbGU="}}
    rev = store.update({"_id": "a", "name": "SECRET-NAME", "_attachments": file}).rev
    store.update({"_id": "a", "_rev": rev, "name": "SECOND-NAME", "_attachments": {"f": {"stub": True}}})
    store.put_local("l", {"name": "LOCAL-NAME"})
    assert store.get("a", rev) is not None
    assert store.check() == []
    store.close()
    on_disk = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for word in (b"SECRET-NAME", b"SECOND-NAME", b"LOCAL-NAME", b"secret file"):
        assert word not in on_disk
        assert word[::-1] in on_disk


def test_a_losing_leaf_is_kept_through_compaction_and_history_is_not(databases: Databases) -> None:
    store = databases.open("a")
    docs = [kept("a", "1-a", n=1), kept("a", "2-b", "a", n=2), kept("a", "2-c", "a", n=3)]
    store.bulk_docs(docs, new_edits=False)
    store.compact()
    assert store.get("a", "1-a") is None
    assert store.get("a", "2-b") == {"_id": "a", "_rev": "2-b", "n": 2}
    assert store.check() == []


def test_compaction_shortens_histories_to_a_limit_that_was_lowered(databases: Databases) -> None:
    """As CouchDB's test rev_stemming asks."""
    store = databases.open("x")
    long = [f"r{generation}" for generation in range(7, 0, -1)]
    docs = [kept("a", "8-x", *long), kept("a", "8-y", *long, deleted=True), kept("a", "3-z", "r2", "r1")]
    store.bulk_docs([*docs, kept("b", "2-b", "a")], new_edits=False)
    seq = store.update_seq
    store.set_revs_limit(2)
    store.compact()
    opened = {one.asked: one.path for one in store.opened([("a", None)])[0]}
    assert opened == {"8-x": ("8-x", "7-r7"), "3-z": ("3-z", "2-r2"), "8-y": ("8-y", "7-r7")}
    assert store.revs_diff({"a": ["8-y", "6-r6"], "b": ["1-a"]})["a"].missing == ["6-r6"]
    store.set_revs_limit(1)
    store.compact()
    assert [one.path for one in store.opened([("b", None)])[0]] == [("2-b",)]
    assert (store.update_seq, store.check()) == (seq, [])
    rev = store.update({"_id": "b", "_rev": "2-b"}).rev
    assert store.history("b")[0].path(rev) == (rev,)


def test_compaction_forgets_files_that_nothing_has_any_more(databases: Databases) -> None:
    store = databases.open("a")
    files = {name: {"content_type": "text/plain", "data": data} for name, data in (("x", "eA=="), ("y", "eQ=="))}
    rev = store.update({"_id": "a", "_attachments": files}).rev
    rev = store.update({"_id": "a", "_rev": rev, "_attachments": {"y": {"stub": True}}}).rev
    store.compact()
    assert store.attachment("a", "y") is not None
    with store._file.reading() as connection:
        assert connection.execute("SELECT count(*) FROM attachments").fetchone()[0] == 1


def test_files_that_are_alike_are_stored_once(databases: Databases) -> None:
    store = databases.open("a")
    file = {"f": {"content_type": "text/plain", "data": "eA=="}}
    store.save([{"_id": str(number), "_attachments": file} for number in range(5)])
    with store._file.reading() as connection:
        assert connection.execute("SELECT count(*) FROM attachments").fetchone()[0] == 1


def test_a_sequence_from_before_a_restored_backup_leads_back_to_where_the_histories_part(
    tmp_path: Path, random: Random
) -> None:
    path = tmp_path / "x.sqlite3"
    store = Store(path, name="x", random=random)
    store.save([{"_id": f"old{number}"} for number in range(3)])
    at_backup = store.info()["update_seq"]
    store._file.tidy()
    shutil.copy(path, tmp_path / "backup")
    store.save([{"_id": f"lost{number}"} for number in range(5)])
    after = store.info()["update_seq"]
    store.close()
    shutil.copy(tmp_path / "backup", path)
    restored = Store(path, name="x", random=random)
    assert restored.changes(after).results == []
    # It has gone on past the place that the token speaks of, but with other documents.
    restored.save([{"_id": f"new{number}"} for number in range(9)])
    assert [row.id for row in restored.changes(after).results] == [f"new{number}" for number in range(9)]
    assert [row.id for row in restored.changes(at_backup).results] == [f"new{number}" for number in range(9)]
    assert len(restored.changes("7-0123456789").results) == 12
    restored.close()


def test_a_sequence_that_is_none_is_refused(databases: Databases) -> None:
    for since in ("x", "-1", "1e5", "٣"):
        with pytest.raises(BadRequest):
            databases.open("a").changes(since)


def test_many_threads_write_and_read_and_nothing_is_lost(databases: Databases) -> None:
    store = databases.open("busy")
    problems: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> threading.Thread:
        def run() -> None:
            try:
                work()
            except BaseException as problem:
                problems.append(problem)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    def write(worker: int) -> None:
        for number in range(30):
            store.save([{"_id": f"{worker}:{number}"}])

    def read() -> None:
        for _ in range(60):
            found = store.changes().results
            # One snapshot: what the feed says is what there is.
            assert len({row.id for row in found}) == len(found)

    threads = [guarded(lambda worker=worker: write(worker)) for worker in range(4)] + [guarded(read) for _ in range(3)]
    for thread in threads:
        thread.join()
    assert problems == []
    assert store.info()["doc_count"] == 120
    assert store.check() == []


def test_two_stores_on_one_file_share_one_writer(tmp_path: Path, random: Random) -> None:
    one = Store(tmp_path / "x.sqlite3", name="x", random=random)
    other = Store(tmp_path / "x.sqlite3", name="x", random=random)
    assert one._file is other._file
    one.close()
    other.update({"_id": "a"})
    other.close()
    with pytest.raises(NotFound):
        other.get("a")


def test_a_damaged_file_is_noticed(tmp_path: Path, random: Random) -> None:
    store = Store(tmp_path / "x.sqlite3", name="x", random=random)
    store.save([kept("a", "2-b", "a", n=1), kept("a", "2-c", "a", n=2), kept("b", "1-a")])
    with store._file.writing() as connection:
        connection.execute("UPDATE documents SET rev = '2-z' WHERE id = 'a'")
        connection.execute("UPDATE documents SET body = x'ff' WHERE id = 'b'")
    wrong = store.check()
    assert any("a: the winner is 2-c" in line for line in wrong)
    assert any("b: the content" in line for line in wrong)
    store.close()


def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path, random: Random) -> None:
    with sqlite3.connect(tmp_path / "x.sqlite3") as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(PeerError, match="newer version"):
        DatabaseFile.opened(tmp_path / "x.sqlite3", random)


def test_what_is_not_a_database_file_is_told(tmp_path: Path, random: Random) -> None:
    (tmp_path / "x.sqlite3").write_bytes(b"this is no database, but it is long enough to be one" * 100)
    with pytest.raises(PeerError, match="cannot be used"):
        Store(tmp_path / "x.sqlite3", name="x", random=random)


def test_a_file_of_the_first_version_is_taken_over(tmp_path: Path, random: Random) -> None:
    path = tmp_path / "old.sqlite3"
    large = Random(2).randbytes(300_000)
    store = Store(path, name="old", random=random)
    store.update({"_id": "a", "_attachments": {"small": {"data": b"hello"}, "large": {"data": large}}})
    with store._file.writing() as connection:
        # As it lay there before there were pieces: each file whole.
        connection.execute("UPDATE attachments SET data = ? WHERE length > 5", (large,))
        connection.execute("DROP TABLE attachment_pieces")
        connection.execute("PRAGMA user_version = 1")
    store.close()
    store = Store(path, name="old", random=random)
    assert store.check() == []
    digests = {name: stub["digest"] for name, stub in store.get("a")["_attachments"].items()}  # type: ignore[index]
    assert b"".join(store.file(digests["large"], 199_999, 300_000)) == large[199_999:]
    assert b"".join(store.file(digests["small"], 1, 3)) == b"el"
    found = store.attachment("a", "large")
    assert found is not None
    assert found.data == large
    # The same file again is the same file, however it lies there.
    store.update({"_id": "b", "_attachments": {"again": {"data": large}}})
    store.compact()
    assert store.check() == []
    store.close()


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        ("UPDATE documents SET seq = -3 WHERE id = 'a'", "first sequence is -3"),
        ("UPDATE epochs SET start = 99", "begins at 99"),
        ("UPDATE revisions SET id = 'gone' WHERE rev = '1-a'", "gone: there are revisions and no document"),
        ("UPDATE revisions SET rev = '1-x' WHERE rev = '1-a'", "1-x lies here and is not in the tree"),
        ("UPDATE documents SET rev = '1-a' WHERE id = 'a'", "the winner is 2-b"),
        ("UPDATE documents SET tree = 'x' WHERE id = 'a'", "tree cannot be read"),
        ("UPDATE documents SET body = '{' WHERE id = 'a'", "cannot be read"),
        ("DELETE FROM documents WHERE id = 'b'", "says 2 documents"),
    ],
)
def test_a_check_finds_what_is_wrong(tmp_path: Path, random: Random, harm: str, told: str) -> None:
    store = Store(tmp_path / "x.sqlite3", name="x", random=random)
    store.bulk_docs([kept("a", "1-a"), kept("a", "2-b", "a"), kept("b", "1-x")], new_edits=False)
    assert store.check() == []
    with store._file.writing() as connection:
        connection.execute(harm)
    assert any(told in line for line in store.check())
    store.close()
