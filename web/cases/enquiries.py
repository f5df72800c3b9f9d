"""The records of the 咨询台, projected from the changes feeds: who took what, counted by station, kind and month."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from casework.canonical import Document
from casework.documents.enquiry import enquiry_holds
from casework.documents.register import Register
from casework.times import Hlc, civil_date, rfc3339
from sync.store import Store
from web.followed import Followed, if_signed
from web.localfile import LocalFile

_COLUMNS = {
    "id": str,
    "station": str,
    "at": str,
    "on_day": str,
    "kind": str,
    "words": str,
    "item_name": str,
    "done": str,
    "channel": str,
    "name": str,
}


@dataclass(frozen=True)
class Enquiry:
    """One record as a page shows it: `at` RFC 3339, `on_day` its date at +08:00, `name` who took it."""

    id: str
    station: str
    at: str
    on_day: str
    kind: str
    words: str
    item_name: str
    done: str
    channel: str
    name: str


@dataclass(frozen=True)
class Count:
    """How many of a kind a station had in a month; `words` are those of 其他."""

    station: str
    month: str
    kind: str
    words: str
    n: int


class Enquiries:
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
        self._followed = Followed(self._file, "enquiry:", stores=stores, store=store)
        self._take = if_signed(register, enquiry_holds, _note)
        self._file.table("enquiries", _COLUMNS, pk="id")
        self._file.index("enquiries", "on_day", "station")
        self._file.index("enquiries", "station", "at")
        self._file.index("enquiries", "station", "id")

    def follow(self, databases: Iterable[str] | None = None) -> None:
        """Read what is new in these databases, in all of them when not named."""
        self._followed.follow(databases, self._take)

    def newest(self, stations: Iterable[str], limit: int = 20) -> list[Enquiry]:
        names = sorted(stations)
        rows = self._file.rows(
            f"SELECT * FROM enquiries WHERE station IN ({', '.join('?' * len(names))}) ORDER BY at DESC LIMIT ?",  # noqa: S608
            (*names, limit),
        )
        return [Enquiry(**row) for row in rows]

    def counts(self, stations: Iterable[str] | None, month: str) -> list[Count]:
        """By station and kind in this month (2026-09); of every station when none are named."""
        condition, values = "1", list[str]()
        if stations is not None:
            values = sorted(stations)
            condition = f"station IN ({', '.join('?' * len(values))})"
        rows = self._file.rows(
            f"SELECT station, kind, words, count(*) AS n FROM enquiries WHERE {condition} AND on_day BETWEEN ? AND ? "  # noqa: S608
            "GROUP BY station, kind, words ORDER BY station, kind, words",
            (*values, f"{month}-01", f"{month}-31"),
        )
        return [Count(row["station"], month, row["kind"], row["words"], row["n"]) for row in rows]

    def last_stamp(self, station: str) -> str | None:
        """The greatest logical time of this station's records."""
        row = self._file.row("SELECT max(id) AS id FROM enquiries WHERE station = ?", (station,))
        return row["id"].split(":")[2] if row is not None and row["id"] else None

    def close(self) -> None:
        self._file.close()


def _note(db: Any, document: Document) -> None:
    moment = Hlc.parse(document["at"]).moment
    db.execute(
        f"INSERT OR REPLACE INTO enquiries ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})",  # noqa: S608
        (document["_id"], document["station"], rfc3339(moment), civil_date(moment).isoformat(), document["kind"],
         document["text"], document["item_name"], document["done"], document["channel"], document["by"]["name"]),
    )  # fmt: skip
