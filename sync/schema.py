"""The tables of one database file, made and migrated with sqlite-utils."""

from __future__ import annotations

from contextlib import closing
from functools import cache
from random import Random
from typing import TYPE_CHECKING

from sync.peer import PeerError
from sync.revisions import DEFAULT_REVS_LIMIT
from sync.sqlite import sqlite3

if TYPE_CHECKING:
    from sqlite_utils import Database

VERSION = 2


def prepare(connection: sqlite3.Connection, random: Random) -> None:
    """Bring a file to this version's tables. Raises `PeerError` for one of a newer version or of another program."""
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found == VERSION:
        return
    if found > VERSION:
        raise PeerError(f"The file is of a newer version ({found}) than this program knows ({VERSION}).")
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have been faster between the question and the lock.
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found < 1:
            if connection.execute("SELECT 1 FROM sqlite_master").fetchone() is not None:
                raise PeerError("The file is another program's database.")
            for statement in _all_tables():
                connection.execute(statement)
            _fill(connection, random)
        elif found < 2:
            _second(_database(connection))
        connection.execute(f"PRAGMA user_version = {VERSION}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


@cache
def _all_tables() -> list[str]:
    """What makes the tables of this version: put together once, for a county makes thousands of files."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        db = _database(connection)
        _first(db)
        _second(db)
        made = connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")
        return [statement for (statement,) in made]


def _database(connection: sqlite3.Connection) -> Database:
    # Imported only when there is something to do: a station that just starts does not carry it.
    from sqlite_utils import Database  # noqa: PLC0415

    return Database(connection, recursive_triggers=False)


def _first(db: Database) -> None:
    # The row number is the update sequence: the changes feed is a walk along the table, and a new document
    # with an id in order goes to the end of both trees. `tree` is null for a document with one revision,
    # which is nearly all.
    db.table("documents").create(
        {
            "seq": int,
            "id": str,
            "rev": str,
            "deleted": int,
            "tree": str,
            "attachments": str,
            "body": bytes,
        },
        pk="seq",
        not_null={"id", "rev", "deleted", "body"},
    )
    db.table("documents").create_index(["id"], unique=True)
    # Bodies of revisions that are not the winner: losing leaves, and older ones until compaction.
    db.table("revisions").create(
        {"id": str, "rev": str, "attachments": str, "body": bytes},
        not_null={"id", "rev", "body"},
    )
    db.table("revisions").create_index(["id", "rev"], unique=True)
    db.table("local_documents").create({"id": str, "rev": int, "body": bytes}, pk="id", not_null={"rev", "body"})
    db.table("attachments").create(
        {"digest": str, "length": int, "data": bytes}, pk="digest", not_null={"length", "data"}
    )
    # Each process that writes begins an epoch. A sequence is given out with the epoch's token, so that one
    # from before a restored backup is recognised and led back to where the two histories part.
    db.table("epochs").create({"number": int, "token": str, "start": int}, pk="number", not_null={"token", "start"})
    db.table("epochs").create_index(["token"], unique=True)
    db.table("properties").create({"name": str, "value": str}, pk="name", not_null={"value"})


def _second(db: Database) -> None:
    # Files longer than a piece lie here, and their row in `attachments` has no data.
    db.table("attachment_pieces").create(
        {"digest": str, "number": int, "data": bytes}, pk=("digest", "number"), not_null={"data"}
    )


def _fill(connection: sqlite3.Connection, random: Random) -> None:
    connection.executemany(
        "INSERT INTO properties (name, value) VALUES (?, ?)",
        [
            ("uuid", f"{random.getrandbits(128):032x}"),
            ("documents", "0"),
            ("deleted", "0"),
            ("revs_limit", str(DEFAULT_REVS_LIMIT)),
            ("security", "{}"),
        ],
    )
