"""What was refused on the road, kept with the reason: it never vanishes, it is shown, it can be repaired."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from casework.times import rfc3339
from web.localfile import LocalFile


@dataclass(frozen=True)
class Refused:
    """One document that one side would not take. `direction` is `up` (the county refused) or `down` (we did)."""

    id: str
    rev: str
    database: str
    direction: str
    reason: str
    first_at: str
    last_at: str
    times: int
    document: dict[str, Any]


class RefusedList:
    def __init__(self, database: LocalFile, *, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        database.table(
            "refused",
            {
                "database": str,
                "direction": str,
                "id": str,
                "rev": str,
                "reason": str,
                "first_at": str,
                "last_at": str,
                "times": int,
                "document": str,
            },
            pk=("database", "direction", "id", "rev"),
        )

    def keep(self, database: str, direction: str, document: dict[str, Any], reason: str) -> None:
        """Keep a refused document; the same one again only counts up."""
        at = rfc3339(self._now())
        with self._database.writing() as connection:
            connection.execute(
                "INSERT INTO refused (database, direction, id, rev, reason, first_at, last_at, times, document) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?) ON CONFLICT (database, direction, id, rev) DO UPDATE SET "
                "reason = excluded.reason, last_at = excluded.last_at, times = times + 1",
                (
                    database,
                    direction,
                    str(document.get("_id", "")),
                    str(document.get("_rev", "")),
                    reason,
                    at,
                    at,
                    json.dumps(document, ensure_ascii=False),
                ),
            )

    def all(self) -> list[Refused]:
        rows = self._database.rows("SELECT * FROM refused ORDER BY last_at DESC LIMIT 500")
        return [Refused(**{**row, "document": json.loads(row["document"])}) for row in rows]

    def count(self) -> int:
        row = self._database.row("SELECT count(*) AS n FROM refused")
        return int(row["n"]) if row else 0
