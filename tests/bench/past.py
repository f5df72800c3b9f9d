"""Years of a station's work written in one go: signed and receipted cases, as if people had sat there every day."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from casework.canonical import Document
from casework.documents import event, receipt
from casework.documents.event import By, Clock
from casework.numbers import case_number
from casework.times import CHINA, Hlc, milliseconds, rfc3339
from provisioning.folder import CountyFolder, StationFolder
from provisioning.keys import StationKey
from provisioning.register import CATALOGUE, station_database
from sync.databases import Databases

SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦许何"
GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红文建国春梅海燕"
A_DAY = 80
# Of the cases that others decide, the newest are still with them.
STILL_OPEN = 2_000
CONTESTED = 20
BATCH = 2_000

AGENT = By(account="wang", name="王某某", role="agent", department=None)


@dataclass
class _Pen:
    """The key of a station and its running number in its village's database."""

    station: str
    key: StationKey
    home: str
    incarnation: str = "past"
    serial: int = 0
    prev: str | None = None

    def write(self, number: str, kind: str, data: Document, at: datetime, by: By, seen: list[str]) -> Document:
        self.serial += 1
        document = event.compose(
            case=number,
            kind=kind,
            data=data,
            by=by,
            station=self.station,
            incarnation=self.incarnation,
            key=self.key.id,
            at=Hlc(milliseconds(at), 0, self.station),
            clock=Clock(raw=rfc3339(at), offset=0, how="county"),
            seen=seen,
            home=self.home,
            serial=self.serial,
            prev=self.prev,
            sign=self.key.sign,
        )
        self.prev = document["_id"]
        return document


@dataclass
class Past:
    """What a village and its county wrote together, case by case, oldest first."""

    village: _Pen
    county: _Pen
    items: list[Document]
    until: datetime
    random: Random = field(default_factory=lambda: Random(50_000))

    def documents(self, cases: int) -> Iterator[list[Document]]:
        """The documents of one case after another."""
        days = -(-cases // A_DAY)
        for position in range(cases):
            day, serial = divmod(position, A_DAY)
            at = self.until - timedelta(days=days - day) + timedelta(minutes=serial * 5)
            yield list(self._case(position, cases, at, serial + 1))

    def _case(self, position: int, cases: int, at: datetime, serial: int) -> Iterator[Document]:
        item = self.items[position % len(self.items)]
        level = item["decides"]["level"]
        number = case_number(self.village.station, at.astimezone(CHINA).date(), serial, self.random)
        received = self.village.write(number, "received", self._received(item), at, AGENT, [])
        yield received
        last = self.village.write(number, "accepted", {}, at + timedelta(seconds=1), AGENT, [received["_id"]])
        yield last
        heads = [last["_id"]]
        if level == "village" or (level == "county" and position < cases - STILL_OPEN):
            pen, by = self.village, AGENT
            if level == "county":
                pen = self.county
                by = By(account="zhao", name="赵某某", role="reviewer", department=item["decides"]["department"])
            decision = {"outcome": "granted", "reason": "符合条件"}
            last = pen.write(number, "decided", decision, at + timedelta(seconds=90), by, heads)
            yield last
            heads = [last["_id"]]
        elif position >= cases - CONTESTED * 3:
            heads = []
            for second, phone in ((3, "13000000002"), (4, "13000000003")):
                said = {"path": "applicant.phone", "value": phone}
                at_once = at + timedelta(seconds=second)
                side = self.village.write(number, "field_corrected", said, at_once, AGENT, [last["_id"]])
                yield side
                heads.append(side["_id"])
        held = at + timedelta(seconds=120)
        stamp = Hlc(milliseconds(held), 0, self.county.station)
        key = self.county.key
        yield receipt.compose(case=number, heads=heads, at=rfc3339(held), hlc=stamp, key=key.id, sign=key.sign)

    def _received(self, item: Document) -> Document:
        draw = self.random
        materials = [{"id": one["id"], "name": one["name"], "state": "received"} for one in item["materials"]]
        return {
            "item": item["code"],
            "terms": item["terms"],
            "terms_sig": item["terms_sig"],
            "terms_key": item["terms_key"],
            "applicant": {
                "name": draw.choice(SURNAMES) + "".join(draw.choices(GIVEN, k=draw.choice((1, 2, 2, 2)))),
                "id_type": "居民身份证",
                "id_number": f"600000{draw.randint(1940, 2008)}{draw.randint(101, 1228):04}{draw.randint(0, 9999):04}",
                "phone": f"130{draw.randint(0, 99_999_999):08}",
                "address": f"柳树湾村{draw.randint(1, 12)}组",
            },
            "form": {"reason": "因病申请", "members": draw.randint(1, 6)},
            "materials": materials,
        }


def fill(village: Path, county: Path, cases: int, *, until: datetime | None = None) -> None:
    """Write so many cases into the village's own database, as the county would have brought its part of them down."""
    station, centre = StationFolder.open(village), CountyFolder.open(county)
    databases = Databases(station.databases, random=Random(1))
    try:
        home = station_database(station.code)
        items = [found for found in databases.open(CATALOGUE).range("item:", "item;") if "terms" in found]
        past = Past(
            _Pen(station.code, station.key(), home),
            _Pen(centre.station, centre.key(), home),
            [item for item in items if item["decides"]["level"] in {"village", "county"}],
            until or datetime.now(UTC),
        )
        store = databases.open(home)
        waiting: list[dict[str, Any]] = []
        for documents in past.documents(cases):
            waiting += documents
            if len(waiting) >= BATCH:
                store.save(waiting)
                waiting = []
        store.save(waiting)
    finally:
        databases.close()
