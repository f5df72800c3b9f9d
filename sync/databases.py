"""A folder of databases: which there are, and that none is made, opened for the first time and deleted at once."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Final
from urllib.parse import quote, unquote

from sync.peer import BadRequest, NotFound, PeerError, StorageFull, WriteRule
from sync.store import PLAIN, Codec, Store

_DATABASE_NAME = re.compile(r"[a-z][a-z0-9_$()+/-]*", re.ASCII)
_SUFFIX: Final = ".sqlite3"
# CouchDB's longest name; with the `-journal` that SQLite may put beside it no longer than a file's name may be.
_LONGEST_FILE_NAME: Final = 238 + len(_SUFFIX)


class Databases:
    """A folder of databases, each its own file, so that none waits on another."""

    def __init__(
        self,
        folder: Path,
        *,
        rule_for: Callable[[str], WriteRule | None] = lambda name: None,
        random: Random,
        codec: Codec = PLAIN,
    ) -> None:
        self.folder = folder
        self.random = random
        self._rule_for = rule_for
        self._codec = codec
        self._stores: dict[str, Store] = {}
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True)

    def open(self, name: str) -> Store:
        """The database of that name, made if it is absent. Raises `BadRequest` for what is not a name."""
        if not _DATABASE_NAME.fullmatch(name):
            raise BadRequest(
                f"Name: '{name[:80]}'. Only lowercase characters (a-z), digits (0-9), and any of"
                " the characters _, $, (, ), +, -, and / are allowed. Must begin with a letter.",
                code="illegal_database_name",
            )
        if not _is_name(name):
            raise BadRequest(f"The name {name[:80]}… is too long.", code="database_name_too_long")
        return self._opened(name, make=True)

    def _opened(self, name: str, *, make: bool) -> Store:
        with self._lock:
            store = self._current(name)
            if store is not None:
                return store
            with self._alone():
                return self._store(name, make=make)

    def _store(self, name: str, *, make: bool) -> Store:
        store = self._stores[name] = Store(
            self.path(name),
            name=name,
            random=self.random,
            rule=self._rule_for(name),
            codec=self._codec,
            make=make,
        )
        return store

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Meanwhile no other process makes a database here, opens one for the first time, or deletes one: its files go
        one after another, and whoever opens or makes it in between has a part of what was.
        """
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def existing(self, name: str) -> Store | None:
        """The database of that name, if there is one."""
        found = self._stores.get(name)
        if found is not None and found.is_current():
            return found
        if not _is_name(name) or not self.path(name).exists():
            return None
        try:
            # It may be deleted by now, and must not be made anew for having been asked for.
            return self._opened(name, make=False)
        except NotFound:
            return None

    def create(self, name: str) -> Store | None:
        """A new database of that name; None if there is one already, made perhaps by another process."""
        if not _is_name(name):
            return self.open(name)
        path = self.path(name)
        with self._lock, self._alone():
            try:
                # An empty file is a database with nothing in it yet.
                os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644))
            except FileExistsError:
                return None
            except OSError as problem:
                kind = StorageFull if problem.errno == errno.ENOSPC else PeerError
                raise kind(f"The database file cannot be made ({problem.strerror}).") from problem
            # Another process may have deleted what is still open here under that name.
            self._current(name)
            try:
                return self._store(name, make=True)
            except BaseException:
                # What was not made is not in the list, nor in the way of who tries again.
                _remove(path)
                raise

    def _current(self, name: str) -> Store | None:
        """The store that was opened, unless another process has deleted its file since."""
        store = self._stores.get(name)
        if store is None or store.is_current():
            return store
        del self._stores[name]
        store.close_for_all()
        return None

    def names(self) -> list[str]:
        """The databases in the folder, sorted."""
        found = (unquote(path.name.removesuffix(_SUFFIX)) for path in self.folder.glob(f"*{_SUFFIX}"))
        return sorted(filter(_is_name, found))

    def stands(self) -> dict[str, tuple[int, ...]]:
        """For each database something that is another after every commit, whichever process made it: sizes and times of
        its files. Costs one look at the folder, however many there are.
        """
        found: dict[str, dict[str, tuple[int, int]]] = {}
        with os.scandir(self.folder) as entries:
            for entry in entries:
                name, suffix, rest = entry.name.partition(_SUFFIX)
                if suffix and rest in ("", "-wal"):
                    with suppress(FileNotFoundError):
                        seen = entry.stat()
                        found.setdefault(name, {})[rest] = (seen.st_mtime_ns, seen.st_size)
        return {
            unquote(name): (*files.get("", ()), *files.get("-wal", ())) for name, files in found.items() if "" in files
        }

    def delete(self, name: str) -> None:
        """Remove a database and its file. Raises `NotFound`."""
        found = self.existing(name)
        with self._lock, self._alone():
            # Meanwhile another request may have deleted it, or another process.
            store = self._current(name)
            if found is None or store is None:
                raise NotFound("Database does not exist.")
            del self._stores[name]
            store.close_for_all()
            _remove(self.path(name))

    def close(self) -> None:
        """Close all that were opened."""
        with self._lock:
            for store in self._stores.values():
                store.close()
            self._stores.clear()

    def path(self, name: str) -> Path:
        """Where the database of that name lies, or would lie."""
        return self.folder / _file_name(name)


def _file_name(name: str) -> str:
    return quote(name, safe="$()+") + _SUFFIX


def _remove(path: Path) -> None:
    """Take away all files of a database that nobody here has open."""
    for file in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
        file.unlink(missing_ok=True)


def _is_name(name: str) -> bool:
    return _DATABASE_NAME.fullmatch(name) is not None and len(_file_name(name)) <= _LONGEST_FILE_NAME
