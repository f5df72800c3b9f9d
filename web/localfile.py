"""A small SQLite file of one process: sessions, throttles, drafts. One connection, one writer at a time, durable."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sync.peer import StorageFull
from sync.sqlite import no_room, sqlite3
from sync.wal import Wal


class LocalFile:
    """What people entered and what must survive a restart, but never travels. Safe to use from many threads."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.RLock()
        self._connection: Any = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute("PRAGMA busy_timeout = 5000")
        self._wal = Wal(path)
        self._wal.attend(self._connection)

    def table(self, name: str, columns: Mapping[str, type], *, pk: str | tuple[str, ...]) -> None:
        """Make the table if it is not there, and add the columns that it lacks."""
        with self._lock:
            there = {row["name"] for row in self.rows("SELECT name FROM pragma_table_info(?)", (name,))}
            if there >= columns.keys():
                return
            # Only who makes a table loads what makes it: a service that starts again has all of its own.
            from sqlite_utils import Database  # noqa: PLC0415

            table = Database(self._connection).table(name)
            if not there:
                table.create(dict(columns), pk=pk, if_not_exists=True)
                return
            for column, kind in columns.items():
                if column not in there:
                    table.add_column(column, kind)

    def index(self, table: str, *columns: str) -> None:
        with self._lock:
            name, by = "_".join(("idx", table, *columns)), ", ".join(f'"{column}"' for column in columns)
            self._connection.execute(f'CREATE INDEX IF NOT EXISTS "{name}" ON "{table}" ({by})')

    def rows(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> list[dict[str, Any]]:
        with self._lock:
            return [dict(row) for row in self._connection.execute(sql, values).fetchall()]

    def row(self, sql: str, values: Sequence[Any] | Mapping[str, Any] = ()) -> dict[str, Any] | None:
        found = self.rows(sql, values)
        return found[0] if found else None

    @contextmanager
    def writing(self, *, durable: bool = True) -> Iterator[Any]:
        """One transaction: all of it is on the disk at the end, or nothing is. Raises `StorageFull`.

        Not `durable`: it is whole, and outlasts the process; a power cut may take it, until the next durable one.
        """
        with self._lock:
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
                self._wal.committed(self._connection)
            except BaseException as error:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                if no_room(error):
                    raise StorageFull(str(error)) from error
                raise

    def close(self) -> None:
        with self._lock:
            self._connection.close()
