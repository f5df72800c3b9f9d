"""Ways to look guides up without a word: who somebody is, what happened, which department; and what is asked most."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from casework.canonical import Document
from casework.times import CHINA, rfc3339
from node.guides import Catalogue, ItemRow, ReleaseInUse
from web.cases.casebook import Casebook
from web.localfile import LocalFile

KINDS: Final = ("who", "life", "department", "category")
_BODIES: Final = {
    "企业法人": "企业",
    "事业法人": "事业单位",
    "社会组织法人": "社会组织",
    "其他组织": "合作社和其他组织",
}
"""Of the 服务对象 (GB/T 39046-2020 A.4), those that tell items apart: nearly every item is for 自然人."""


@dataclass(frozen=True)
class Group:
    """A group of items under one name, and how many it has."""

    kind: str
    name: str
    items: int


class Groups:
    """The groups of the release in use, read from its items once, when somebody first asks. Thread-safe."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._lock = threading.Lock()
        self._of: ReleaseInUse | None = None
        self._codes: dict[tuple[str, str], list[str]] = {}

    def of(self, kind: str) -> list[Group]:
        """The groups of one kind, in the order in which the county's items first name them."""
        return [Group(kind, name, len(codes)) for (one, name), codes in self._read().items() if one == kind]

    def items(self, kind: str, name: str) -> list[ItemRow]:
        """The items of a group, in the county's order; none for a group that is not there."""
        codes = set(self._read().get((kind, name), ()))
        return [row for row in self._catalogue.items() if row.code in codes] if codes else []

    def _read(self) -> dict[tuple[str, str], list[str]]:
        with self._lock:
            release = self._catalogue.release
            if release != self._of:
                found: dict[tuple[str, str], list[str]] = {}
                for row in self._catalogue.items():
                    item = self._catalogue.item(row.code)
                    for group in dict.fromkeys(_groups_of(row, item)) if item is not None else ():
                        found.setdefault(group, []).append(row.code)
                self._of, self._codes = release, found
            return self._codes


def _groups_of(row: ItemRow, item: Document) -> Iterator[tuple[str, str]]:
    for name in item.get("audiences") or ():
        yield "who", str(name)
    for served in item.get("service_objects") or ():
        if served in _BODIES:
            yield "who", _BODIES[served]
    for name in item.get("life_events") or ():
        yield "life", str(name)
    yield "department", row.department
    for name in row.categories:
        yield "category", name


class Often:
    """How often a guide was opened here, and its item taken in: no more than a count a month, and nobody's."""

    A_CASE_COUNTS: Final = 3
    OVER: Final = timedelta(days=92)
    KEPT_MONTHS: Final = 24

    def __init__(self, database: LocalFile, *, casebook: Casebook, station: str, now: Callable[[], datetime]) -> None:
        self._database = database
        self._casebook = casebook
        self._station = station
        self._now = now
        database.table("guide_openings", {"item": str, "month": str, "times": int}, pk=("item", "month"))

    def opened(self, code: str) -> None:
        month = self._now().astimezone(CHINA).strftime("%Y-%m")
        with self._database.writing(durable=False) as db:
            known = db.execute(
                "UPDATE guide_openings SET times = times + 1 WHERE item = ? AND month = ?", (code, month)
            )
            if not known.rowcount:
                db.execute("INSERT INTO guide_openings (item, month, times) VALUES (?, ?, 1)", (code, month))
                db.execute(
                    "DELETE FROM guide_openings WHERE month NOT IN (SELECT DISTINCT month FROM guide_openings "
                    "ORDER BY month DESC LIMIT ?)",
                    (self.KEPT_MONTHS,),
                )

    def codes(self) -> list[str]:
        """The items that were asked for in the last three months, the most often first; a case counts three times."""
        since = self._now() - self.OVER
        counted = {
            row["item"]: int(row["times"])
            for row in self._database.rows(
                "SELECT item, sum(times) AS times FROM guide_openings WHERE month >= ? GROUP BY item",
                (since.astimezone(CHINA).strftime("%Y-%m"),),
            )
        }
        for code, cases in self._casebook.taken_in(self._station, rfc3339(since)).items():
            counted[code] = counted.get(code, 0) + self.A_CASE_COUNTS * cases
        return sorted(counted, key=lambda code: (-counted[code], code))
