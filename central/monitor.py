"""The county's view of its stations: who is in contact, who fell silent, who was never seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from casework.canonical import Document
from casework.documents.register import Register
from casework.times import parse_rfc3339
from provisioning.contact import contact_id
from sync.store import Store
from web.wording import span

Status = Literal["in_contact", "silent", "never_seen"]

# A station says how soon it will be heard again; two and a half such spans and a second without a word are silence.
MISSED_CONTACTS = 2.5
GRACE = timedelta(seconds=1)
# The design's pace of a station where nobody is at work, for a report that does not say its own.
IDLE_INTERVAL_S = 120
# A cut line is ordinary weather; after a working day without a word it is more than that.
LOST_AFTER = timedelta(hours=24)
LOW_DISK_BYTES = 1_000_000_000
# Deadlines are counted by days and papers name minutes: less than this does no harm.
CLOCK_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True)
class Condition:
    """What to say of a station in one word: `shape` and `tone` are the page's, `urgent` asks for a person."""

    shape: Literal["up", "look", "cut", "lost", "none"]
    tone: Literal["ok", "warn", "bad", "still"]
    word: str

    @property
    def quiet(self) -> bool:
        return self.tone == "ok"


@dataclass(frozen=True)
class StationRow:
    """One station as the county sees it now; `report` is what the station last said of itself.

    `silent_for` is how long ago that was, `ahead` how far its clock was before the county's then. `key` is the state
    of its newest key: None when it was never enrolled.
    """

    code: str
    name: str
    kind: str
    parent: str | None
    phone: str
    status: Status
    last_contact_at: str | None
    silent_for: timedelta | None
    waiting: int | None
    version: str | None
    report: dict[str, Any]
    ahead: timedelta | None
    key: Literal["valid", "revoked"] | None

    @property
    def condition(self) -> Condition:
        if self.key == "revoked":
            return Condition("none", "still", "密钥已吊销")
        if self.status == "never_seen" or self.silent_for is None:
            return Condition("none", "still", "还没开通" if self.key is None else "还没联系过")
        if self.status == "silent":
            lost = self.silent_for >= LOST_AFTER
            word = f"{'失联' if lost else '断网'} {span(self.silent_for)}"
            return Condition("lost", "bad", word) if lost else Condition("cut", "warn", word)
        doubts = self.doubts()
        return Condition("look", "warn", doubts[0]) if doubts else Condition("up", "ok", "在线")

    @property
    def place(self) -> str:
        """The name without what every station of its kind is called."""
        for ending in ("便民服务中心", "便民服务站"):
            if self.name.endswith(ending) and len(self.name) > len(ending):
                return self.name.removesuffix(ending)
        return self.name

    @property
    def release(self) -> int | None:
        """The number of the release that the station works with."""
        digits = str(self.report.get("release") or "").rpartition(":")[2]
        return int(digits) if digits.isascii() and digits.isdigit() else None

    @property
    def clock_word(self) -> str:
        if self.ahead is None:
            return "读不出"
        if abs(self.ahead) < CLOCK_TOLERANCE:
            return "准"
        return f"{'快' if self.ahead > timedelta() else '慢'} {span(abs(self.ahead))}"

    @property
    def clock_doubted(self) -> bool:
        return self.ahead is None or abs(self.ahead) >= CLOCK_TOLERANCE

    @property
    def disk_low(self) -> bool:
        return int(self.report.get("disk_free_bytes", LOW_DISK_BYTES)) < LOW_DISK_BYTES

    def doubts(self) -> list[str]:
        """What a person should look at though the station is in contact, the most pressing first."""
        found = []
        if self.disk_low:
            found.append(f"磁盘只剩 {disk(self.report['disk_free_bytes'])}")
        if self.clock_doubted:
            found.append("时钟读不出" if self.ahead is None else f"时钟{self.clock_word}")
        if self.report.get("catalogue"):
            found.append("新指南换不上")
        if self.report.get("refused"):
            found.append(f"拒收 {self.report['refused']} 条")
        return found

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

    def __init__(
        self, *, fleet: Callable[[], Store], register: Callable[[], Register], now: Callable[[], datetime]
    ) -> None:
        self._fleet = fleet
        self._register = register
        self._now = now

    def stations(self) -> list[StationRow]:
        """Every station in the order of their codes, which puts a township before its villages."""
        fleet, register, now = self._fleet(), self._register(), self._now()
        documents = fleet.range("station:", "station;")
        return [_row(document, fleet.local(contact_id(document["code"])), register, now) for document in documents]

    def station(self, code: str) -> StationRow | None:
        fleet = self._fleet()
        document = fleet.get(f"station:{code}")
        if document is None:
            return None
        return _row(document, fleet.local(contact_id(code)), self._register(), self._now())


def disk(count: int) -> str:
    """How much room there is on a disk: 0.6 GB, 23 GB"""
    gigabytes = count / 1e9
    return f"{gigabytes:.0f} GB" if gigabytes >= 10 else f"{gigabytes:.1f} GB"


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


def _row(document: Document, contact: Document | None, register: Register, now: datetime) -> StationRow:
    report = dict(contact["report"]) if contact is not None else {}
    ahead_ms = contact.get("ahead_ms") if contact is not None else None
    keys = register.keys_of(document["code"])
    return StationRow(
        code=document["code"],
        name=document["name"],
        kind=document["kind"],
        parent=document.get("parent"),
        phone=document.get("phone") or "",
        status=status_of(contact, now),
        last_contact_at=contact["at"] if contact is not None else None,
        silent_for=now - parse_rfc3339(contact["at"]) if contact is not None else None,
        waiting=report.get("waiting"),
        version=report.get("version"),
        report=report,
        ahead=timedelta(milliseconds=ahead_ms) if ahead_ms is not None else None,
        key=("valid" if any(key.revoked is None for key in keys) else "revoked") if keys else None,
    )
