"""A village's desk and the county's on the same keys, each with its own files, joined by the production replicator."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from casework.canonical import Document
from casework.numbers import case_number
from casework.times import CHINA
from central.receipts import Receipts
from sync.databases import Databases
from sync.peer import COUNTY as COUNTY_WRITER
from sync.peer import Writer
from sync.replicator import replicate
from sync.store import Store
from sync.write_rules import append_only
from tests.casework.county import CALENDAR, COUNTY, MORNING, VILLAGE, intake_data, item, register, sign_as
from web.audit import AuditLog
from web.cases.casebook import Casebook
from web.cases.desk import Act, Desk, Person, Reading

AGENT = Person("wang", "王某某", "agent")
REVIEWER = Person("zhao", "赵某某", "reviewer", "民政")


@dataclass(frozen=True)
class Key:
    id: str

    def sign(self, payload: bytes) -> str:
        return sign_as(self.id)(payload)


@dataclass
class Place:
    """One machine with a desk: `station` is its code."""

    station: str
    kind: str
    folder: Path
    now: datetime = MORNING
    offset_ms: int = 0
    how: str = "county"
    starts: int = 0
    databases: Databases = field(init=False)
    casebook: Casebook = field(init=False)
    desk: Desk = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.starts += 1
        self.databases = Databases(self.folder / "couch", rule_for=lambda _name: append_only(), random=Random(1))
        self.casebook = Casebook(
            self.folder / "projections.sqlite3",
            stores=lambda: [self.cases],
            store=self.databases.existing,
            register=register,
            calendar=lambda: CALENDAR,
            own_station=None if self.kind == "county" else self.station,
        )
        self.casebook.follow()
        self.desk = Desk(
            station=self.station,
            kind=self.kind,
            key=lambda: Key(f"{self.station}:1"),
            incarnation=f"{self.kind}-{self.starts}",
            writer=COUNTY_WRITER if self.kind == "county" else Writer(self.station),
            home=lambda _number: self.cases,
            casebook=self.casebook,
            register=register,
            clock=lambda: Reading(self.now, self.offset_ms, self.how),
            audit=AuditLog(self.folder / "audit.sqlite3", now=lambda: self.now, random=Random(1)),
        )
        self.receipts = Receipts(
            county=COUNTY,
            casebook=self.casebook,
            home=lambda _number: self.cases,
            key=lambda: Key(f"{COUNTY}:1"),
            clock=lambda: Reading(self.now, 0, "county"),
        )

    @property
    def cases(self) -> Store:
        return self.databases.open(f"station-{VILLAGE}")

    def take_in(self, of: Document | None = None, serial: int = 1, **applicant: str) -> str:
        self.now += timedelta(minutes=1)
        number = case_number(self.station, self.now.astimezone(CHINA).date(), serial, Random(serial))
        received = intake_data(of or item())
        received["applicant"] |= applicant
        self.desk.write(number, [Act("received", received), Act("accepted")], AGENT)
        return number

    def close(self) -> None:
        self.casebook.close()
        self.databases.close()


@dataclass
class Pair:
    """A village and the county, and the road between them."""

    folder: Path

    def __post_init__(self) -> None:
        self.village = Place(VILLAGE, "village", self.folder / "village")
        self.county = Place(COUNTY, "county", self.folder / "county")

    def up(self) -> None:
        self._carry(self.village, self.county)

    def down(self) -> None:
        self._carry(self.county, self.village)

    def _carry(self, source: Place, target: Place) -> None:
        replicate(source.cases, target.cases, now=lambda: MORNING, random=Random(2))
        target.casebook.follow()

    def close(self) -> None:
        self.village.close()
        self.county.close()
