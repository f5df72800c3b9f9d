"""The SQLite that runs here: the fixed library where there is one, else what Python brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

# SQLite 3.7.0 to 3.51.2 can corrupt a WAL database when two connections write and checkpoint at once.
FIRST_FIXED_VERSION = (3, 51, 3)

if TYPE_CHECKING:
    import sqlite3
else:
    try:
        from pysqlite3 import dbapi2 as sqlite3
    except ImportError:
        import sqlite3

__all__ = ["FIRST_FIXED_VERSION", "no_room", "several_processes_may_write", "sqlite3", "which_sqlite"]


# https://www.sqlite.org/rescode.html; a quota or a failing disk is reported as the second.
_FULL, _IOERR = 13, 10


def no_room(error: BaseException) -> bool:
    """Whether this is SQLite saying that the disk took no more."""
    return isinstance(error, sqlite3.Error) and getattr(error, "sqlite_errorcode", 0) & 0xFF in (_FULL, _IOERR)


def which_sqlite() -> str:
    """One line for the log at start: version, where it comes from, whether it has the WAL fault."""
    mended = "WAL fault fixed" if several_processes_may_write() else "WAL fault present: one writing process per file"
    return f"SQLite {sqlite3.sqlite_version} ({sqlite3.__name__.split('.')[0]}; {mended})"


def several_processes_may_write() -> bool:
    """Whether more than one process may write to a file: only with a library that has the WAL-reset fault
    fixed.
    """
    return sqlite3.sqlite_version_info >= FIRST_FIXED_VERSION
