"""The table of documents: one row for each, in the order of the feed, with the winner's body in it."""

# What is put together into SQL are our own column lists and question marks.
# ruff: noqa: S608

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from sync.database_file import last_seq
from sync.peer import PeerError
from sync.revisions import RevisionTree
from sync.sqlite import sqlite3

COLUMNS: Final = "seq, id, rev, deleted, tree, attachments, body"
# The same without the body, which for a long document is read from pages of its own.
HEAD: Final = "seq, id, rev, deleted, tree, attachments, x''"
# Beyond this the rows that are still to come are not counted: they lie beside the bodies.
_COUNTED_SEQUENCES: Final = 50_000


class Row(NamedTuple):
    """A document as it lies in its table: the winner's body, and the tree of the others (None: there are
    none).
    """

    seq: int
    id: str
    rev: str
    deleted: int
    tree_text: str | None
    attachments: str | None
    body: bytes

    @property
    def tree(self) -> RevisionTree:
        if self.tree_text is None:
            return RevisionTree.single(self.rev, deleted=bool(self.deleted))
        return RevisionTree.from_text(self.tree_text)

    @property
    def leaves(self) -> list[str]:
        return [self.rev] if self.tree_text is None else self.tree.leaves()


class Stand(NamedTuple):
    """How far a database is: its newest sequence, the token of the file's present life, and how many documents."""

    seq: int
    epoch: str
    documents: int
    deleted: int


_STAND: Final = """SELECT
    (SELECT coalesce(max(seq), 0) FROM documents),
    coalesce((SELECT token FROM epochs ORDER BY number DESC LIMIT 1), '0'),
    (SELECT CAST(value AS INTEGER) FROM properties WHERE name = 'documents'),
    (SELECT CAST(value AS INTEGER) FROM properties WHERE name = 'deleted')"""


def stand_of(connection: sqlite3.Connection) -> Stand:
    """All of it in one question. Raises `PeerError` when a part is lost."""
    stand = Stand(*connection.execute(_STAND).fetchone())
    if None in stand:
        raise _lost("how many documents")
    return stand


def property_of(connection: sqlite3.Connection, name: str) -> str:
    """What the file says of itself under this name. Raises `PeerError` when that is lost."""
    found = connection.execute("SELECT value FROM properties WHERE name = ?", (name,)).fetchone()
    if found is None:
        raise _lost(name)
    return str(found[0])


def _lost(name: str) -> PeerError:
    return PeerError(f"The database file has lost what it says of itself ({name}).")


def set_property(connection: sqlite3.Connection, name: str, value: str) -> None:
    """Say something else there."""
    connection.execute("UPDATE properties SET value = ? WHERE name = ?", (value, name))


def epoch_of(connection: sqlite3.Connection) -> str:
    """The token of the present life of the file; see `Store._position`."""
    found = connection.execute("SELECT token FROM epochs ORDER BY number DESC LIMIT 1").fetchone()
    return found[0] if found else "0"


def row_of(connection: sqlite3.Connection, id_: str) -> Row | None:
    """The document of this id, if it is here."""
    found = connection.execute(f"SELECT {COLUMNS} FROM documents WHERE id = ?", (id_,)).fetchone()
    return Row(*found) if found else None


def rows_of(connection: sqlite3.Connection, ids: Sequence[str], columns: str = COLUMNS) -> dict[str, Row]:
    """The documents among these ids that are here."""
    rows: dict[str, Row] = {}
    for first in range(0, len(ids), 500):
        some = ids[first : first + 500]
        marks = ",".join("?" * len(some))
        for row in connection.execute(f"SELECT {columns} FROM documents WHERE id IN ({marks})", some):
            rows[row[1]] = Row(*row)
    return rows


def heads_of(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, Row]:
    """The same without bodies."""
    return {} if _all_new(connection, ids) else rows_of(connection, ids, HEAD)


def trees_of(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, Row]:
    """The same for whoever only wants revisions and trees."""
    return {} if _all_new(connection, ids) else rows_of(connection, ids, "0, id, rev, deleted, tree, NULL, x''")


def _all_new(connection: sqlite3.Connection, ids: Sequence[str]) -> bool:
    """Whether all ids come after every id that is here, as new ones in order do: SQLite compares UTF-8, which sorts as
    Python's strings do.
    """
    highest = connection.execute("SELECT max(id) FROM documents").fetchone()[0]
    return highest is None or (len(ids) > 0 and min(ids) > highest)


def any_here(connection: sqlite3.Connection, ids: Sequence[str]) -> bool:
    """Whether a document with one of these ids is here."""
    if _all_new(connection, ids):
        return False
    for first in range(0, len(ids), 500):
        some = ids[first : first + 500]
        marks = ",".join("?" * len(some))
        if connection.execute(f"SELECT 1 FROM documents WHERE id IN ({marks}) LIMIT 1", some).fetchone():
            return True
    return False


def changed(
    connection: sqlite3.Connection,
    columns: str,
    start: int,
    limit: int | None,
    doc_ids: Sequence[str] | None,
    *,
    descending: bool,
    before: int | None,
) -> Iterator[Row]:
    order = "DESC" if descending else "ASC"
    if doc_ids is not None:
        found = sorted(rows_of(connection, doc_ids, columns).values(), reverse=descending)
        first, end = 0 if descending else start, before or 1 << 62
        yield from [row for row in found if first < row.seq < end][:limit]
        return
    # CouchDB's descending feed begins at the newest change, whatever `since` says.
    for row in connection.execute(
        f"SELECT {columns} FROM documents WHERE seq > ? AND seq < ? ORDER BY seq {order} LIMIT ?",
        (0 if descending else start, before or 1 << 62, -1 if limit is None else limit),
    ):
        yield Row(*row)


def pending_after(connection: sqlite3.Connection, start: int, reached: int, rows: int, *, counted: bool) -> int:
    """How many rows of the feed come after `reached`, where it was walked from `start` over `rows` rows.

    Exact where that costs little: from the beginning, where nothing was written twice, and when it is asked for
    (`counted`) near the end; else at most so many, and 0 only at the end.
    """
    at_most = last_seq(connection) - reached
    if at_most <= 0:
        return 0
    there_are = int(property_of(connection, "documents")) + int(property_of(connection, "deleted"))
    if counted and there_are < reached + at_most and at_most <= _COUNTED_SEQUENCES:
        found: int = connection.execute("SELECT count(*) FROM documents WHERE seq > ?", (reached,)).fetchone()[0]
        return found
    return there_are - rows if start == 0 else min(at_most, there_are - rows)


class Fresh:
    """Documents that were not there yet, on their way into their table.

    Many rows go into one statement, and the interpreter is free while it runs: with a statement for each row, a thread
    that computes beside it would be waited for after every one.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.ids: set[str] = set()
        self._plain: list[object] = []
        self._others: list[tuple[object, ...]] = []

    def add(
        self, seq: int, id_: str, rev: str, deleted: bool, tree_text: str | None, attachments: str | None, body: bytes
    ) -> None:
        """Take one in."""
        self.ids.add(id_)
        if tree_text is None and attachments is None:
            if deleted:
                self._others.append((seq, id_, rev, 1, None, None, body))
            else:
                self._plain += (seq, id_, rev, body)
        else:
            self._others.append((seq, id_, rev, int(deleted), tree_text, attachments, body))

    def insert(self) -> None:
        """Write down what was taken in."""
        if self._plain:
            insert_plain(self._connection, self._plain)
            self._plain.clear()
        if self._others:
            self._connection.executemany(
                f"INSERT INTO documents ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", self._others
            )
            self._others.clear()


def insert_plain(connection: sqlite3.Connection, values: Sequence[object]) -> None:
    """Rows of documents with one revision and no files: seq, id, rev and body of each, one after the other."""
    first = 0
    for rows in _ROWS_AT_ONCE:
        while len(values) - first >= rows * 4:
            marks = ",".join(["(?,?,?,0,?)"] * rows)
            connection.execute(
                f"INSERT INTO documents (seq, id, rev, deleted, body) VALUES {marks}", values[first : first + rows * 4]
            )
            first += rows * 4


# Few different statements, so that each is compiled once.
_ROWS_AT_ONCE: Final = (500, 64, 8, 1)


def drop(connection: sqlite3.Connection, id_: str, revs: Iterable[str]) -> None:
    """Forget the content of these revisions, which are no winners."""
    connection.executemany("DELETE FROM revisions WHERE id = ? AND rev = ?", [(id_, rev) for rev in revs])


def stem(connection: sqlite3.Connection, revs_limit: int) -> None:
    """Shorten the histories that are longer than the limit: it was lowered since."""
    # A revision takes more than two characters, so that of short trees none is read.
    long = connection.execute("SELECT id FROM documents WHERE length(tree) > ?", (2 * revs_limit,)).fetchall()
    for (id_,) in long:
        text = connection.execute("SELECT tree FROM documents WHERE id = ?", (id_,)).fetchone()[0]
        tree = RevisionTree.from_text(text)
        if (stemmed := tree.stemmed(revs_limit)) != tree:
            connection.execute("UPDATE documents SET tree = ? WHERE id = ?", (stemmed.to_text(), id_))
