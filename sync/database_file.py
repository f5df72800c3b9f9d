"""One SQLite file and the connections to it: one that writes in this process, and readers beside it."""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final
from urllib.parse import quote

from sync import schema
from sync.peer import NotFound, PeerError, StorageFull
from sync.sqlite import no_room, sqlite3
from sync.wal import Wal

BUSY_TIMEOUT_S: Final = 30.0
IDLE_READERS: Final = 4
# An open file costs about 0.7 MB of caches. Beyond these, the one unused for longest is closed until it is asked for
# again: a county of a thousand stations has two thousand files, and a few hundred at work at any moment. Of several
# processes on one folder each keeps its share awake (`share_awake`).
MOST_AWAKE = 200
# Free pages are used again by the next writes. From a quarter of the file on they are given back to the disk.
_FREE_SHARE: Final = 4
_SQLITE_BUSY = 5

_log = logging.getLogger(__name__)

_open_files: dict[Path, DatabaseFile] = {}
_open_files_lock = threading.Lock()
_awake: OrderedDict[DatabaseFile, None] = OrderedDict()
_awake_lock = threading.Lock()


class DatabaseFile:
    """This process's connections to one file. Got by `opened`, so that there is never a second writer."""

    def __init__(self, path: Path, random: Random, *, make: bool = True) -> None:
        self.path = path
        self.random = random
        self._users = 0
        self._closed = False
        self._write_lock = threading.RLock()
        self._listeners: list[Callable[[int], None]] = []
        self._changed = threading.Condition()
        self._epoch_begun = False
        self._idle_readers: deque[sqlite3.Connection] = deque()
        self._readers_out = 0
        self._readers_lock = threading.Lock()
        # Of a resting file: how it lies on the disk, and its newest sequence.
        self._slept: tuple[_Lie, int] | None = None
        self._wal = Wal(path)
        is_new = not path.exists() or path.stat().st_size == 0
        with storage_errors():
            try:
                writer = _writer_of(path, "rwc" if make else "rw")
            except sqlite3.OperationalError:
                if make or path.exists():
                    raise
                raise NotFound("Database does not exist.") from None
            try:
                self._wal.attend(writer)
                schema.prepare(writer, random)
            except BaseException:
                writer.close()
                raise
        self._writer: sqlite3.Connection | None = writer
        self._identity = _identity(path)
        if is_new:
            # A file whose folder entry is not on the disk is lost with the next power cut, synced or not.
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    @classmethod
    def opened(cls, path: Path, random: Random, *, make: bool = True) -> DatabaseFile:
        """The file at `path`; to be given back with `close`. If it is absent it is made, or `NotFound` raised."""
        path = path.resolve()
        with _open_files_lock:
            file = _open_files.get(path)
            if file is None:
                file = _open_files[path] = cls(path, random, make=make)
            file._users += 1
            return file

    def close(self) -> None:
        """Give back one use; the last one closes the connections."""
        with _open_files_lock:
            self._users -= 1
            if self._users > 0 or self._closed:
                return
            del _open_files[self.path]
            self._closed = True
        with self._write_lock:
            # Readers first: the last connection to close tidies the WAL away, and readers may not.
            while self._idle_readers:
                self._idle_readers.pop().close()
            if self._writer is not None:
                self._writer.close()
        with _awake_lock:
            _awake.pop(self, None)

    def close_for_all(self) -> None:
        """Close it however many still use it (the database is being deleted)."""
        with _open_files_lock:
            self._users = 1
        self.close()

    def is_current(self) -> bool:
        """Whether the file at the path is the one that was opened."""
        return not self._closed and self._identity is not None and self._identity == _identity(self.path)

    def listen(self, listener: Callable[[int], None]) -> None:
        """Call with the new update sequence after each commit, outside of all locks."""
        self._listeners.append(listener)

    def announce(self, seq: int) -> None:
        """Tell the listeners that a commit is durable."""
        with self._changed:
            self._changed.notify_all()
        for listener in self._listeners:
            try:
                listener(seq)
            except Exception:
                # What was saved is saved; whoever saved it must not be told otherwise.
                _log.exception("A listener failed after a commit to %s", self.path.name)

    def wait(self, timeout_s: float) -> None:
        """Return at the next commit of this process, or when the time is over."""
        with self._changed:
            self._changed.wait(timeout_s)

    def reading(self) -> Snapshot:
        """A read-only connection within one snapshot, for this thread alone while it lasts."""
        return Snapshot(self)

    def _begin_reading(self) -> sqlite3.Connection:
        with self._readers_lock:
            self._readers_out += 1
        try:
            connection = self._reader()
            connection.execute("BEGIN")
        except BaseException as problem:
            self._one_reader_less()
            if isinstance(problem, sqlite3.Error):
                raise _in_our_words(problem, self) from problem
            raise
        return connection

    def _end_reading(self, connection: sqlite3.Connection) -> None:
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if self._closed or len(self._idle_readers) >= IDLE_READERS:
                connection.close()
            else:
                self._idle_readers.append(connection)
        except sqlite3.Error as problem:
            raise _in_our_words(problem, self) from problem
        finally:
            self._one_reader_less()

    def _one_reader_less(self) -> None:
        with self._readers_lock:
            self._readers_out -= 1
        _used(self)

    def _reader(self) -> sqlite3.Connection:
        if self._closed:
            raise NotFound("Database is closed or deleted.")
        try:
            return self._idle_readers.pop()
        except IndexError:
            self._slept = None
            return _connection(self.path, "ro")

    @contextmanager
    def writing(self, *, documents: bool = False) -> Iterator[sqlite3.Connection]:
        """The writer connection in a transaction: committed and durable when the block ends, else as if it
        never was.
        """
        with self._write_lock, storage_errors(self):
            writer = self._awake_writer()
            writer.execute("BEGIN IMMEDIATE")
            epoch_began = False
            try:
                if documents and not self._epoch_begun:
                    self._begin_epoch(writer)
                    epoch_began = True
                yield writer
                writer.execute("COMMIT")
                self._wal.committed(writer)
            except BaseException:
                if writer.in_transaction:
                    writer.execute("ROLLBACK")
                raise
            self._epoch_begun = self._epoch_begun or epoch_began
        _used(self)

    def newest_seq(self) -> int:
        """The sequence of the newest change.

        A county of a thousand stations asks this of each one's databases at every contact: to open them for it would
        cost more than all the rest of the contact. So a file that rests here and lies as it was left is not opened, and
        of one that is awake whichever connection is at hand is asked.
        """
        slept = self._slept
        if slept is not None and slept[0] == _lie_of(self.path):
            return slept[1]
        if not self._idle_readers and self._write_lock.acquire(blocking=False):
            try:
                # Within a transaction of this very thread, what is not committed yet does not count.
                if self._writer is not None and not self._writer.in_transaction:
                    with storage_errors(self):
                        return last_seq(self._writer)
            finally:
                self._write_lock.release()
        with self.reading() as connection:
            return last_seq(connection)

    def _awake_writer(self) -> sqlite3.Connection:
        """The writer connection, opened again if the file was resting; the write lock is held."""
        if self._closed:
            raise NotFound("Database is closed or deleted.")
        if self._writer is None:
            self._slept = None
            # Whoever deleted the file meanwhile must not find an empty one in its place.
            self._writer = _writer_of(self.path, "rw")
            self._wal.attend(self._writer)
        return self._writer

    def rest(self) -> bool:
        """Close the connections until the next use; False when somebody is using the file right now."""
        if not self._write_lock.acquire(blocking=False):
            return False
        try:
            with self._readers_lock:
                if self._readers_out:
                    return False
                while len(self._idle_readers) > (self._writer is None):
                    self._idle_readers.pop().close()
                last = self._writer or (self._idle_readers.pop() if self._idle_readers else None)
                self._writer = None
                if last is not None:
                    seq = last_seq(last)
                    last.close()
                    lie = _lie_of(self.path)
                    # A WAL with something in it has a reader or a writer in another process.
                    self._slept = (lie, seq) if lie is not None and not lie.logged else None
            return True
        finally:
            self._write_lock.release()

    def _begin_epoch(self, writer: sqlite3.Connection) -> None:
        # A seeded source of randomness may draw what it drew before.
        while True:
            token = f"{self.random.getrandbits(40):010x}"
            if not writer.execute("SELECT 1 FROM epochs WHERE token = ?", (token,)).fetchone():
                break
        writer.execute("INSERT INTO epochs (token, start) SELECT ?, coalesce(max(seq), 0) FROM documents", (token,))

    def tidy(self) -> None:
        """Bring the WAL into the file, and give back what lies free in it when that is much."""
        with self._write_lock, storage_errors(self):
            writer = self._awake_writer()
            free, pages = (writer.execute(f"PRAGMA {name}").fetchone()[0] for name in ("freelist_count", "page_count"))
            if free * _FREE_SHARE > pages:
                writer.execute("VACUUM")
            writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def last_seq(connection: sqlite3.Connection) -> int:
    """The sequence of the newest change in what this connection sees."""
    seq: int = connection.execute("SELECT coalesce(max(seq), 0) FROM documents").fetchone()[0]
    return seq


def _connection(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"file:{quote(str(path))}?mode={mode}",
        uri=True,
        timeout=BUSY_TIMEOUT_S,
        isolation_level=None,
        check_same_thread=False,
    )


def _writer_of(path: Path, mode: str) -> sqlite3.Connection:
    writer = _connection(path, mode)
    try:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("PRAGMA synchronous = FULL")
    except BaseException:
        writer.close()
        raise
    return writer


def _used(file: DatabaseFile) -> None:
    """Note that a file was used just now, and let one rest if too many are awake."""
    with _awake_lock:
        _awake[file] = None
        _awake.move_to_end(file)
        if len(_awake) <= MOST_AWAKE:
            return
        tired = next(iter(_awake))
        del _awake[tired]
    if not tired.rest():
        # In use at this very moment: then it is not the one to rest.
        with _awake_lock:
            _awake[tired] = None


def share_awake(processes: int) -> None:
    """So many processes serve one folder: each keeps its share of the files awake."""
    global MOST_AWAKE  # noqa: PLW0603 - it bounds what this process holds
    MOST_AWAKE //= processes


@dataclass(frozen=True)
class _Lie:
    """How a database lies on the disk: another after every commit of whichever process.

    `logged` is the size of its WAL, 0 also where there is none: one that is empty is what a reader leaves behind, who
    may not tidy it away.
    """

    file: tuple[int, int, int]
    logged: int


def _lie_of(path: Path) -> _Lie | None:
    """None for a file that is gone."""
    try:
        found = os.stat(path)  # noqa: PTH116 - asked with every contact
    except FileNotFoundError:
        return None
    try:
        logged = os.stat(f"{path}-wal").st_size  # noqa: PTH116
    except FileNotFoundError:
        logged = 0
    return _Lie((found.st_ino, found.st_mtime_ns, found.st_size), logged)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - asked with every request
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


class Snapshot:
    """`DatabaseFile.reading`: every page and every request reads through it many times, and a generator would take
    longer than what is read.
    """

    __slots__ = ("_connection", "_file")

    def __init__(self, file: DatabaseFile) -> None:
        self._file = file

    def __enter__(self) -> sqlite3.Connection:
        self._connection = self._file._begin_reading()
        return self._connection

    def __exit__(self, _kind: object, problem: BaseException | None, _traceback: object) -> None:
        self._file._end_reading(self._connection)
        if isinstance(problem, sqlite3.Error):
            raise _in_our_words(problem, self._file) from problem


class storage_errors:  # noqa: N801 - read as a statement: `with storage_errors()`
    """SQLite's errors in our words; those of a file that was deleted under its connections are nothing else."""

    __slots__ = ("_file",)

    def __init__(self, file: DatabaseFile | None = None) -> None:
        self._file = file

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, problem: BaseException | None, _traceback: object) -> None:
        if isinstance(problem, sqlite3.Error):
            raise _in_our_words(problem, self._file) from problem


def _in_our_words(problem: sqlite3.Error, file: DatabaseFile | None) -> PeerError:
    if file is not None and not file.is_current():
        return NotFound("Database is closed or deleted.")
    if no_room(problem):
        return StorageFull(f"The disk is full or failing ({problem}).")
    if getattr(problem, "sqlite_errorcode", 0) & 0xFF == _SQLITE_BUSY:
        return PeerError("The database is busy.", code="busy", status=503)
    return PeerError(f"The database file cannot be used ({problem}).")
