"""The county's view of its stations: who is in contact, who fell silent, who was never seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from casework.canonical import Document
from casework.times import parse_rfc3339
from sync.store import Store

Status = Literal["in_contact", "silent", "never_seen"]

# A station says how soon it will be heard again; two and a half such spans and a second without a word are silence.
MISSED_CONTACTS = 2.5
GRACE = timedelta(seconds=1)
# The design's pace of a station where nobody is at work, for a report that does not say its own.
IDLE_INTERVAL_S = 120


@dataclass(frozen=True)
class StationRow:
    """One station as the county sees it now; `report` is what the station last said of itself."""

    code: str
    name: str
    kind: str
    parent: str | None
    status: Status
    last_contact_at: str | None
    waiting: int | None
    version: str | None
    report: dict[str, Any]

    def for_api(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "name": self.name,
            "kind": self.kind,
            "parent": self.parent,
            "status": self.status,
            "last_contact_at": self.last_contact_at,
            "waiting": self.waiting,
            "version": self.version,
        }


class Monitor:
    """Reads the `fleet` database: station documents, and last contacts as `_local` documents beside them."""

    def __init__(self, *, fleet: Callable[[], Store], now: Callable[[], datetime]) -> None:
        self._fleet = fleet
        self._now = now

    def stations(self) -> list[StationRow]:
        """Every station, townships with their villages behind them, in the order of their codes."""
        fleet = self._fleet()
        documents = fleet.range("station:", "station;")
        now = self._now()
        return [_row(document, fleet.local(f"contact:{document['code']}"), now) for document in documents]


def status_of(contact: Document | None, now: datetime) -> Status:
    if contact is None:
        return "never_seen"
    interval = timedelta(seconds=contact["report"].get("interval_s") or IDLE_INTERVAL_S)
    last = parse_rfc3339(contact["at"])
    return "in_contact" if now - last <= MISSED_CONTACTS * interval + GRACE else "silent"


def by_township(rows: Sequence[StationRow]) -> list[tuple[StationRow, list[StationRow]]]:
    """The overview's columns: each township with its villages; a village without a known township stands alone."""
    townships = {row.code: row for row in rows if row.kind == "township"}
    villages: dict[str, list[StationRow]] = {code: [] for code in townships}
    alone = []
    for row in rows:
        if row.kind == "township":
            continue
        if row.parent in villages:
            villages[row.parent].append(row)
        else:
            alone.append(row)
    return [(townships[code], found) for code, found in villages.items()] + [(row, []) for row in alone]


def _row(document: Document, contact: Document | None, now: datetime) -> StationRow:
    report = dict(contact["report"]) if contact is not None else {}
    return StationRow(
        code=document["code"],
        name=document["name"],
        kind=document["kind"],
        parent=document.get("parent"),
        status=status_of(contact, now),
        last_contact_at=contact["at"] if contact is not None else None,
        waiting=report.get("waiting"),
        version=report.get("version"),
        report=report,
    )
