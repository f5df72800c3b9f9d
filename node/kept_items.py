"""Items that a newer release took the place of, kept for the cases and drafts that were begun under them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

import orjson

from casework.canonical import Document
from casework.times import rfc3339
from web.localfile import LocalFile

KEPT_FOR: Final = timedelta(days=400)
"""So long each is kept, needed here or not: a township may hear of a village's case months after it was taken in.
After that, for as long as a case of the item is open."""


class KeptItems:
    """The table `kept_items` of `station.sqlite3`: the item as a release published it, by code and release."""

    def __init__(self, database: LocalFile, *, now: Callable[[], datetime], open_items: Callable[[], set[str]]) -> None:
        """`open_items` are the codes of the items of which some case here is still open."""
        self._database = database
        self._now = now
        self._open_items = open_items
        database.table(
            "kept_items", {"code": str, "release": int, "document": str, "replaced_at": str}, pk=("code", "release")
        )

    def keep(self, replaced: Iterable[Document]) -> None:
        """Keep the items among these documents; durable when this returns. What nobody needs any more goes."""
        now = self._now()
        items = [document for document in replaced if document["_id"].startswith("item:")]
        rows = [
            (item["code"], item["release"], json.dumps(item, ensure_ascii=False, separators=(",", ":")), rfc3339(now))
            for item in items
        ]
        with self._database.writing() as db:
            db.executemany(
                "INSERT OR IGNORE INTO kept_items (code, release, document, replaced_at) VALUES (?, ?, ?, ?)", rows
            )
            self._forget(db, rfc3339(now - KEPT_FOR))

    def item(self, code: str, release: int) -> Document | None:
        """The item as that release published it; None when it is not kept, or still in use."""
        row = self._database.row("SELECT document FROM kept_items WHERE code = ? AND release = ?", (code, release))
        if row is None:
            return None
        document: Document = orjson.loads(row["document"])
        return document

    def _forget(self, db: object, before: str) -> None:
        old = [row["code"] for row in self._database.rows(
            "SELECT DISTINCT code FROM kept_items WHERE replaced_at < ?", (before,))]  # fmt: skip
        needed = self._open_items() if old else set()
        for code in set(old) - needed:
            db.execute("DELETE FROM kept_items WHERE code = ? AND replaced_at < ?", (code, before))  # type: ignore[attr-defined]
