"""A county has thousands of files: those that nobody uses rest, and nobody notices."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest

from sync import database_file
from sync.databases import Databases
from sync.peer import PeerError


@pytest.fixture
def databases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Databases]:
    monkeypatch.setattr(database_file, "MOST_AWAKE", 3)
    # What other tests of this process left awake would take the places.
    monkeypatch.setattr(database_file, "_awake", OrderedDict())
    databases = Databases(tmp_path / "couch", random=Random(1))
    yield databases
    databases.close()


def written_by_another_process(folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from random import Random; from sync.databases import Databases\n"
        "Databases(Path(sys.argv[1]), random=Random(2)).open('db0').update({'_id': 'b'})"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True)


def openings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which files are opened from now on, and how."""
    opened: list[str] = []
    connect = database_file._connection
    monkeypatch.setattr(
        database_file, "_connection", lambda path, mode: opened.append(f"{path.stem} {mode}") or connect(path, mode)
    )
    return opened


def open_files(folder: Path) -> int:
    held = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if _is_link(fd)]  # noqa: PTH115, PTH208
    return len({name for name in held if name.startswith(str(folder.resolve())) and name.endswith(".sqlite3")})


def _is_link(fd: str) -> bool:
    try:
        os.readlink(f"/proc/self/fd/{fd}")  # noqa: PTH115
    except OSError:
        return False
    return True


def test_only_a_few_files_are_open_and_all_can_be_read_and_written(databases: Databases) -> None:
    names = [f"db{n}" for n in range(20)]
    for turn in range(3):
        for name in names:
            store = databases.open(name)
            store.update({"_id": f"doc{turn}", "n": turn})
            assert [row["_id"] for row in store.range("doc", "doz")] == [f"doc{n}" for n in range(turn + 1)]
    assert open_files(databases.folder) <= 4
    assert [databases.open(name).check() for name in names] == [[]] * 20


def test_many_hands_at_once_meet_no_closed_file(databases: Databases) -> None:
    def work(n: int) -> int:
        store = databases.open(f"db{n % 10}")
        store.update({"_id": f"doc{n}"})
        assert store.get(f"doc{n}") is not None
        return sum(1 for _ in store.range("doc", "doz"))

    with ThreadPoolExecutor(8) as hands:
        assert all(hands.map(work, range(200)))
    assert sum(databases.open(f"db{n}").info()["doc_count"] for n in range(10)) == 200


def test_listeners_and_waiting_outlast_a_rest(databases: Databases) -> None:
    heard: list[tuple[str, int]] = []
    databases.open("db0").on_commit(lambda name, seq: heard.append((name, seq)))
    for n in range(1, 10):
        databases.open(f"db{n}").update({"_id": "a"})
    databases.open("db0").update({"_id": "a"})
    assert heard == [("db0", 1)]


def test_a_file_that_was_deleted_while_it_rested_is_not_made_anew(databases: Databases) -> None:
    store = databases.open("db0")
    store.update({"_id": "a"})
    for n in range(1, 10):
        databases.open(f"db{n}").update({"_id": "a"})
    path = databases.folder / "db0.sqlite3"
    path.unlink()
    with pytest.raises(PeerError):
        store.update({"_id": "b"})
    assert not path.exists()


def test_a_resting_file_is_not_opened_to_hear_that_nothing_is_new(databases: Databases) -> None:
    stores = [databases.open(f"db{n}") for n in range(20)]
    for n, store in enumerate(stores):
        store.bulk_docs([{"_id": f"{m}"} for m in range(n)])
    for store in stores:
        store.info()
    awake = open_files(databases.folder)
    for _ in range(3):
        assert [store.update_seq for store in stores[:10]] == list(range(10))
        stores[-1].info()
    assert databases.open("db19").update_seq == 19
    held = {os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if _is_link(fd)}  # noqa: PTH115, PTH208
    assert not {name for name in held if name.endswith(("/db0.sqlite3", "/db5.sqlite3"))}
    assert open_files(databases.folder) == awake


def test_a_file_that_was_only_read_is_not_opened_either(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader leaves an empty WAL behind, and may not tidy it away."""
    stores = [databases.open(f"db{n}") for n in range(10)]
    for store in stores:
        store.update({"_id": "a"})
    for _ in range(2):
        for store in stores:
            assert store.get("a") is not None
    opened = openings(monkeypatch)
    assert [store.update_seq for store in stores[:6]] == [1] * 6
    assert opened == []
    written_by_another_process(databases.folder)
    assert stores[0].update_seq == 2


def test_a_file_that_was_woken_to_write_is_asked_over_that_connection(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = [databases.open(f"db{n}") for n in range(10)]
    opened = openings(monkeypatch)
    stores[0].update({"_id": "a"})
    assert stores[0].update_seq == 1
    assert opened == ["db0 rw"]
    with stores[0]._file.writing() as connection:
        connection.execute("UPDATE documents SET seq = 7")
        assert stores[0].update_seq == 1, "not committed yet"
    assert stores[0].update_seq == 7


def test_what_another_process_wrote_into_a_resting_file_is_heard_of(databases: Databases) -> None:
    stores = [databases.open(f"db{n}") for n in range(10)]
    for store in stores:
        store.update({"_id": "a"})
    assert stores[0].update_seq == 1
    written_by_another_process(databases.folder)
    assert stores[0].update_seq == 2
    for store in stores[1:]:
        store.update({"_id": "b"})
    stores[0].update({"_id": "c"})
    assert stores[0].update_seq == 3


def test_several_processes_keep_no_more_files_awake_than_one(
    databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_file, "MOST_AWAKE", 8)
    database_file.share_awake(4)
    for n in range(20):
        databases.open(f"db{n}").update({"_id": "a"})
    assert open_files(databases.folder) <= 3
