"""Brings write-ahead logs into their files beside the work, so that no commit waits for it."""

from __future__ import annotations

import threading
from contextlib import closing, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Final
from urllib.parse import quote

from sync.sqlite import several_processes_may_write, sqlite3

EVERY: Final = 50
"""After so many commits; an act changes some ten pages of a file, and SQLite's own turn comes after a thousand."""

MOST_PAGES: Final = 4000
"""From here on the commit does it itself: large batches, or a disk that does not keep up."""

AGAIN: Final = 3
"""A log begins at its start again when all of it was brought in; what was committed meanwhile is soon done."""

_waiting: SimpleQueue[Path] = SimpleQueue()
_starting = threading.Lock()
_thread: threading.Thread | None = None


class Wal:
    """Counts the commits to one file, whose connections leave the first `MOST_PAGES` to this.

    A checkpoint writes to the file and waits for the disk twice. Done within a commit, as SQLite does it, one act in a
    hundred took three times as long as the others. What is committed is durable without it.

    With a SQLite that has the WAL fault it is left to the commits of the one writer: a checkpoint beside a commit may
    corrupt the file there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._commits = 0

    def attend(self, connection: sqlite3.Connection) -> None:
        """For every connection that writes to the file."""
        if several_processes_may_write():
            connection.execute(f"PRAGMA wal_autocheckpoint = {MOST_PAGES}")

    def committed(self) -> None:
        """After each commit, under the lock that writers hold."""
        self._commits += 1
        if self._commits % EVERY == 0 and several_processes_may_write():
            _start()
            _waiting.put(self._path)


def _start() -> None:
    global _thread  # noqa: PLW0603 - one for the process
    with _starting:
        if _thread is None or not _thread.is_alive():
            _thread = threading.Thread(target=_run, name="wal", daemon=True)
            _thread.start()


def _run() -> None:
    while True:
        bring_in(_waiting.get())


def bring_in(path: Path) -> None:
    """Bring in what no reader needs any more, without making anybody wait; a file that is gone is nobody's concern."""
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True, isolation_level=None)) as connection,
    ):
        for _ in range(AGAIN):
            _busy, pages, brought_in = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if pages == brought_in:
                break
