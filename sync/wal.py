"""Brings write-ahead logs into their files beside the work, so that no commit waits for it."""

from __future__ import annotations

import threading
from contextlib import closing, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Final
from urllib.parse import quote

from sync.sqlite import several_processes_may_write, sqlite3

PAGES: Final = 400
"""From so many pages on that lie in the log alone. What an act changes lies the further apart the more there is: ten
pages in an empty casebook, eighty in one of 50,000 cases.
"""

MOST_PAGES: Final = 4000
"""From here on the commit does it itself: large batches, or a disk that does not keep up."""

AGAIN: Final = 3
"""A log begins at its start again when all of it was brought in; what was committed meanwhile is soon done."""

_waiting: SimpleQueue[Path] = SimpleQueue()
_asked: set[Path] = set()
"""Those that wait there."""

_starting = threading.Lock()
_thread: threading.Thread | None = None


class Wal:
    """Looks after the log of one file, whose connections leave the first `MOST_PAGES` to this.

    A checkpoint writes to the file and waits for the disk twice. Done within a commit, as SQLite does it, one act in a
    hundred took three times as long as the others. What is committed is durable without it.

    With a SQLite that has the WAL fault it is left to the commits of the one writer: a checkpoint beside a commit may
    corrupt the file there.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def attend(self, connection: sqlite3.Connection) -> None:
        """For every connection that writes to the file."""
        if several_processes_may_write():
            connection.execute(f"PRAGMA wal_autocheckpoint = {MOST_PAGES}")

    def committed(self, connection: sqlite3.Connection) -> None:
        """After each commit of this connection, under the lock that writers hold. Never fails: what is committed is."""
        if not several_processes_may_write():
            return
        with suppress(sqlite3.Error):
            # NOOP (SQLite 3.51 and newer) only tells: pages in the log, and how many of them are in the file.
            _busy, pages, brought_in = connection.execute("PRAGMA wal_checkpoint(NOOP)").fetchone()
            if pages - brought_in >= PAGES and self._path not in _asked:
                _asked.add(self._path)
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
        path = _waiting.get()
        _asked.discard(path)
        bring_in(path)


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
