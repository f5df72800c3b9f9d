"""A projection in a small file follows the changes feeds: what is new of one kind of documents, batch by batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from casework.canonical import Document
from sync.checkpoints import number_of
from sync.store import Store
from web.localfile import LocalFile

READ_AT_ONCE = 500


class Followed:
    """How far each feed was read stands in the same file, and is written in the same transaction as what it brought."""

    def __init__(self, file: LocalFile, prefix: str) -> None:
        """Of the documents whose id begins with `prefix`."""
        self._file, self._prefix = file, prefix
        file.table("followed", {"db": str, "identity": str, "seq": str}, pk="db")

    def follow(self, store: Store, take: Callable[[Any, Document, str], object]) -> None:
        """`take(connection, document, database)` each that is new; of a database that was replaced, all."""
        known = self._file.row("SELECT identity, seq FROM followed WHERE db = ?", (store.database,))
        seq: Any = known["seq"] if known is not None and known["identity"] == store.uuid else 0
        while (number_of(seq) or 0) < store.update_seq:
            changes = store.changes(seq, limit=READ_AT_ONCE)
            if not changes.results:
                break
            ids = [row.id for row in changes.results if row.id.startswith(self._prefix) and not row.deleted]
            seq = changes.last_seq
            with self._file.writing(durable=False) as db:
                for document in store.read(ids) if ids else []:
                    take(db, document, store.database)
                db.execute(
                    "INSERT OR REPLACE INTO followed (db, identity, seq) VALUES (?, ?, ?)",
                    (store.database, store.uuid, str(seq)),
                )
