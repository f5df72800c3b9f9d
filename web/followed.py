"""A projection in a small file follows the changes feeds: what is new of one kind of documents, batch by batch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from casework.canonical import Document
from casework.documents.register import Key, Register
from sync.checkpoints import number_of
from sync.store import Store
from web.localfile import LocalFile

READ_AT_ONCE = 500

IN_HAND = 20
"""So many documents lie in memory at a time: a batch of a log of acts has 200 entries."""

Take = Callable[[Any, Document, str], object]
"""(connection, document, database): notes a document in the projection's file."""


class Followed:
    """How far each feed was read stands in the same file, and is written in the same transaction as what it brought."""

    def __init__(
        self,
        file: LocalFile,
        prefix: str,
        *,
        stores: Callable[[], Iterable[Store]],
        store: Callable[[str], Store | None],
    ) -> None:
        """Of the documents whose id begins with `prefix`, in all of `stores` or in one by its name."""
        self._file, self._prefix = file, prefix
        self._stores, self._store = stores, store
        self._lock = threading.Lock()
        file.table("followed", {"db": str, "identity": str, "seq": str}, pk="db")

    def follow(self, databases: Iterable[str] | None, take: Take) -> None:
        """Take each document that is new in these databases, in all of them when not named; of a database that was
        replaced, all.
        """
        with self._lock:
            for store in self._stores() if databases is None else map(self._store, databases):
                if store is not None:
                    self._follow(store, take)

    def _follow(self, store: Store, take: Take) -> None:
        known = self._file.row("SELECT identity, seq FROM followed WHERE db = ?", (store.database,))
        seq: Any = known["seq"] if known is not None and known["identity"] == store.uuid else 0
        while (number_of(seq) or 0) < store.update_seq:
            changes = store.changes(seq, limit=READ_AT_ONCE)
            if not changes.results:
                break
            ids = [row.id for row in changes.results if row.id.startswith(self._prefix) and not row.deleted]
            seq = changes.last_seq
            with self._file.writing(durable=False) as db:
                for first in range(0, len(ids), IN_HAND):
                    for document in store.read(ids[first : first + IN_HAND]):
                        take(db, document, store.database)
                db.execute(
                    "INSERT OR REPLACE INTO followed (db, identity, seq) VALUES (?, ?, ?)",
                    (store.database, store.uuid, str(seq)),
                )


def if_signed(
    register: Callable[[], Register], holds: Callable[[Document, Key], bool], note: Callable[[Any, Document], None]
) -> Take:
    """Note what its station has signed, and nothing else: `holds(document, key)` says whether it has."""

    def take(db: Any, document: Document, _database: str) -> None:
        key = register().key(str(document.get("key", "")))
        if key is not None and holds(document, key):
            note(db, document)

    return take
