"""A county with its own clock, and a line to it that can be cut, watched and lied on, all in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from provisioning.codes import EnrolmentCode
from provisioning.contact import answer_contact
from provisioning.county import County, county_rule
from provisioning.enrolment import answer_enrolment, enrol
from provisioning.folder import StationFolder
from provisioning.line import Answer
from provisioning.operations import init_county, station_add
from sync.databases import Databases
from sync.peer import Unreachable

COUNTY, TOWNSHIP, VILLAGE, OTHER = "600101000000", "600101101000", "600101101201", "600101102201"
URL = "http://county.test"


class Clock:
    def __init__(self) -> None:
        self.at = datetime(2026, 9, 16, 1, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **amount: float) -> None:
        self.at += timedelta(**amount)


class SmallCounty:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = Clock()
        self.random = Random(7)
        made = init_county(
            folder / "county",
            code="600101",
            name="驿山县政务服务中心",
            listen="127.0.0.1:8700",
            contact_interval_s=3,
            now=self.now,
            random=self.random,
        )
        self.databases = Databases(made.databases, rule_for=county_rule, random=self.random)
        self.county = County(made, self.databases, now=self.now, random=self.random)
        self.seen: list[tuple[str, bytes]] = []
        self.cut = False
        self.lose_answer = False
        self.lie: Callable[[Answer], Answer] | None = None

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        if self.cut:
            raise Unreachable("the line is cut")
        self.seen.append((url, body))
        answers = {
            f"{URL}/api/v1/enrolments": lambda: answer_enrolment(self.county, body, address="10.0.0.9"),
            f"{URL}/api/v1/contact": lambda: answer_contact(self.county, body, address="10.0.0.9"),
        }
        answer = answers[url]()
        if self.lose_answer:
            raise Unreachable("the answer was lost")
        return self.lie(answer) if self.lie else answer

    def code(self, station: str, *, new_code: bool = False) -> EnrolmentCode:
        added = station_add(
            self.county, {"stations": [{"code": station, "name": f"站{station[-3:]}"}], "new_code": new_code}
        )
        return EnrolmentCode.parse(added["stations"][0]["enrolment_code"])

    def enrol(self, station: str, code: EnrolmentCode | None = None, *, at: str | None = None) -> StationFolder:
        return enrol(
            self.folder / (at or station),
            URL,
            code or self.code(station),
            post=self.post,
            now=self.now,
            random=self.random,
        )

    def close(self) -> None:
        self.databases.close()
