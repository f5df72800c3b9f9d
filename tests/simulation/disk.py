"""A seeded disk: real files and the real SQLite, and power that fails between any two writes.

Every commit of every database goes through here. When a machine's power is due to fail, the commit is let through, and
what a disk may then hold is put together beside it: the files as they lay after the last sync, and of what was written
since any part, in order up to some byte or by sectors in no order. The process that wrote never hears of it again.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import unquote

from sync import database_file
from sync.sqlite import sqlite3

SECTOR = 512
_WAL_HEADER = 32
_SYNCS_EACH_COMMIT = 2


class PowerCut(BaseException):
    """The machine that keeps its files in `folder` is dark. No code of ours may catch it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self.folder = folder


class Disk:
    """All disks of one world. `fail_after` says when a machine's power fails; `remains` is what its disk holds then.

    Folders are named as they lie, without links on the way. `written` is how often each file was: as long as that is
    the same, so is what it holds, for no two machines ever had files of one name.
    """

    def __init__(self, random: Random) -> None:
        self._random = random
        self._due: dict[Path, int] = {}
        self._torn: dict[Path, dict[str, bytes]] = {}
        self.written: Counter[Path] = Counter()
        self.torn_commits = 0

    def fail_after(self, folder: Path, commits: int) -> None:
        """Cut this machine's power during its commit number `commits` from now (0: the next one)."""
        self._due[folder] = commits

    def spare(self, folder: Path) -> None:
        """Do not cut it after all."""
        self._due.pop(folder, None)

    def remains(self, folder: Path, into: Path) -> None:
        """Put what the disk of `folder` holds after the cut (or without one, at this moment) into a new folder."""
        shutil.copytree(folder, into, ignore=shutil.ignore_patterns("*-shm"))
        for name, content in self._torn.pop(folder, {}).items():
            (into / name).write_bytes(content)

    def write(self, connection: SeededConnection, statement: str) -> Any:
        """Carry out a statement that reaches the disk, and cut the power in the midst of it if that is due."""
        self.written[connection.path] += 1
        folder = connection.path.parent
        due = self._due.get(folder)
        if due is None:
            return connection.really(statement)
        if due > 0:
            self._due[folder] = due - 1
            return connection.really(statement)
        del self._due[folder]
        synced = connection.really("PRAGMA synchronous").fetchone()[0] >= _SYNCS_EACH_COMMIT
        before = _files(connection.path)
        connection.really(statement)
        after = _files(connection.path)
        self._torn[folder] = self._half_written(connection.path.name, before, after, synced=synced)
        self.torn_commits += 1
        raise PowerCut(folder)

    def _half_written(
        self, name: str, before: tuple[bytes, bytes], after: tuple[bytes, bytes], *, synced: bool
    ) -> dict[str, bytes]:
        (old_file, old_wal), (new_file, new_wal) = before, after
        if new_file != old_file and (len(new_wal) < len(old_wal) or self._random.random() < 0.5):
            # In the midst of bringing the WAL into the file: that begins when the WAL is whole on the disk, and the
            # WAL is given up only when the file is.
            return {name: self._by_sectors(old_file, new_file, 4096), f"{name}-wal": max(old_wal, new_wal, key=len)}
        return {name: old_file, f"{name}-wal": self._wal(old_wal if synced else b"", new_wal)}

    def _wal(self, old: bytes, new: bytes) -> bytes:
        """A log of which everything up to `old` was synced, and of what was written then only a part has arrived."""
        start = _alike(old, new)
        end = len(new)
        if start >= end:
            return new
        if start >= _WAL_HEADER and self._random.random() < 0.3:
            return new[:start] + self._by_sectors(old[start:], new[start:], SECTOR)
        cut = self._random.randint(start, end)
        rest = old[cut:] or self._random.randbytes(self._random.choice([0, 0, 7, 4000]))
        return new[:cut] + rest

    def _by_sectors(self, old: bytes, new: bytes, size: int) -> bytes:
        """Each sector as it was or as it was to be; beyond the old end, also nothing but zeros."""
        parts = []
        for at in range(0, len(new), size):
            was = old[at : at + size]
            parts.append(
                new[at : at + size]
                if self._random.random() < 0.5
                else was.ljust(min(size, len(new) - at), b"\0")[: len(new) - at]
            )
        return b"".join(parts) + old[len(new) :]

    @contextmanager
    def installed(self) -> Iterator[None]:
        """All database files opened in this block lie on this disk."""
        whole = database_file.sqlite3
        database_file.sqlite3 = _Library(self)  # type: ignore[assignment]
        try:
            yield
        finally:
            database_file.sqlite3 = whole


class SeededConnection(sqlite3.Connection):
    """A connection whose writes go through the disk of its world."""

    disk: Disk
    path: Path

    def really(self, statement: str, *values: Any) -> Any:
        return super().execute(statement, *values)

    def execute(self, statement: str, *values: Any) -> Any:
        if statement.startswith(("COMMIT", "VACUUM", "PRAGMA wal_checkpoint")):
            return self.disk.write(self, statement)
        return super().execute(statement, *values)


class _Library:
    """The SQLite library, with connections that belong to a disk."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def __getattr__(self, name: str) -> Any:
        return getattr(sqlite3, name)

    def connect(self, path: Path | str, **settings: Any) -> Any:
        place, _, asked = str(path).removeprefix("file:").partition("?")
        if "mode=ro" in asked:
            # It never writes, whatever fails.
            return sqlite3.connect(path, **settings)
        connection = sqlite3.connect(path, factory=SeededConnection, **settings)
        connection.disk, connection.path = self._disk, Path(unquote(place))
        return connection


def _alike(one: bytes, other: bytes) -> int:
    """How many bytes both begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle - 1)
    return low


def _files(path: Path) -> tuple[bytes, bytes]:
    wal = path.with_name(path.name + "-wal")
    return path.read_bytes(), wal.read_bytes() if wal.exists() else b""
