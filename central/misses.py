"""What people asked at the stations and did not find, added up: for the editor to take up or to leave."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from casework.canonical import Document
from casework.documents.misses import misses_hold
from casework.documents.register import Register
from casework.times import Hlc, civil_date
from sync.store import Store
from web.followed import Followed, if_signed
from web.localfile import LocalFile


@dataclass(frozen=True)
class Offer:
    """A text that may become a way of saying: how often it was asked, at how many stations, and which items were opened
    in the end, `(code, times)`, the most often opened first.
    """

    text: str
    times: int
    stations: int
    opened: tuple[tuple[str, int], ...]


class MissedQuestions:
    """A projection: thrown away, it is built anew from the documents. What its station did not sign is not counted."""

    def __init__(
        self,
        path: Path,
        *,
        stores: Callable[[], Iterable[Store]],
        store: Callable[[str], Store | None],
        register: Callable[[], Register],
    ) -> None:
        self._file = LocalFile(path)
        self._followed = Followed(self._file, "misses:", stores=stores, store=store)
        self._take = if_signed(register, misses_hold, _note)
        self._file.table(
            "asked",
            {"id": str, "station": str, "on_day": str, "text": str, "item": str, "times": int},
            pk=("id", "text", "item"),
        )
        self._file.index("asked", "text")

    def follow(self, databases: Iterable[str] | None = None) -> None:
        """Read what is new in these databases, in all of them when not named."""
        self._followed.follow(databases, self._take)

    def offers(self, *, since: date | None = None, least: int = 1, limit: int = 200) -> list[Offer]:
        """The texts that were asked at least so often since that day, the most often asked first."""
        first = since.isoformat() if since is not None else ""
        rows = self._file.rows(
            "SELECT text, sum(times) AS times, count(DISTINCT station) AS stations FROM asked WHERE on_day >= ? "
            "GROUP BY text HAVING sum(times) >= ? ORDER BY sum(times) DESC, count(DISTINCT station) DESC, text LIMIT ?",
            (first, least, limit),
        )
        return [Offer(row["text"], row["times"], row["stations"], self._opened(row["text"], first)) for row in rows]

    def _opened(self, text: str, first: str) -> tuple[tuple[str, int], ...]:
        rows = self._file.rows(
            "SELECT item, sum(times) AS times FROM asked WHERE text = ? AND on_day >= ? AND item != '' "
            "GROUP BY item ORDER BY sum(times) DESC, item",
            (text, first),
        )
        return tuple((row["item"], row["times"]) for row in rows)

    def close(self) -> None:
        self._file.close()


def _note(db: Any, document: Document) -> None:
    on_day = civil_date(Hlc.parse(document["at"]).moment).isoformat()
    for one in document["asked"]:
        # A record that says the same twice says it once.
        db.execute(
            "INSERT OR REPLACE INTO asked (id, station, on_day, text, item, times) VALUES (?, ?, ?, ?, ?, ?)",
            (document["_id"], document["station"], on_day, one["text"], one["item"] or "", one["times"]),
        )
