"""A write-ahead log is brought into its file beside the work: no commit waits for it, and it does not grow."""

from __future__ import annotations

import shutil
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest

from sync import wal
from sync.store import Store
from sync.wal import PAGES, bring_in
from tests.patience import until

MARK = b"in the file itself"


# Of this many at least one page each, besides those that every commit changes.
LONG = "x" * 4000


def written(folder: Path, pages: int) -> Store:
    """A database into which so many pages and more were committed, a few at a time."""
    store = Store(folder / "cases.sqlite3", name="cases", random=Random(1))
    for serial in range(0, pages, 10):
        store.save([{"_id": f"event:{serial + one:04}", "text": MARK.decode() + LONG} for one in range(10)])
    return store


def test_after_some_pages_the_file_itself_holds_what_they_wrote(tmp_path: Path) -> None:
    store = written(tmp_path, PAGES)
    try:
        until(lambda: MARK in (tmp_path / "cases.sqlite3").read_bytes(), "the file holds it")
    finally:
        store.close()


def test_beside_a_sqlite_with_the_wal_fault_only_the_writer_touches_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    brought_in = list[Path]()
    monkeypatch.setattr(wal, "several_processes_may_write", lambda: False)
    monkeypatch.setattr(wal, "_waiting", SimpleNamespace(put=brought_in.append))
    written(tmp_path, PAGES).close()
    assert brought_in == []


def test_a_log_that_is_brought_in_begins_again_and_does_not_grow(tmp_path: Path) -> None:
    store = written(tmp_path, 1)
    try:
        log = tmp_path / "cases.sqlite3-wal"
        for serial in range(200):
            store.save([{"_id": f"event:more-{serial:04}"}])
            bring_in(tmp_path / "cases.sqlite3")
            if serial == 20:
                grown = log.stat().st_size
        assert log.stat().st_size <= 2 * grown
    finally:
        store.close()


def test_a_commit_is_whole_in_file_and_log_whenever_they_are_copied(tmp_path: Path) -> None:
    store = written(tmp_path, PAGES * 2 + 70)
    try:
        copy = tmp_path / "copy"
        copy.mkdir()
        bring_in(tmp_path / "cases.sqlite3")
        store.save([{"_id": "event:last"}])
        for name in ("cases.sqlite3", "cases.sqlite3-wal"):
            shutil.copy(tmp_path / name, copy / name)
        again = Store(copy / "cases.sqlite3", name="cases", random=Random(2))
        try:
            assert again.get("event:last") is not None
            assert again.check() == []
        finally:
            again.close()
    finally:
        store.close()


def test_a_file_that_is_gone_is_not_made_again(tmp_path: Path) -> None:
    bring_in(tmp_path / "gone.sqlite3")
    assert not (tmp_path / "gone.sqlite3").exists()
