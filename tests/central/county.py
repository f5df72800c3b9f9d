"""A real county in a folder, with its app, and stations with real keys; one clock that only a test moves."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from casework.canonical import Document
from casework.forms import first_examples
from casework.numbers import case_number
from casework.signing import document_holds
from casework.times import CHINA, rfc3339
from central.accounts import import_accounts
from central.app import create_county_app
from central.catalogue.drafts import import_items
from central.catalogue.publishing import publish
from central.centre import Centre
from provisioning import sample_county
from provisioning.codes import EnrolmentCode
from provisioning.contact import Contact, Ledger, StationReport, answer_contact, contact
from provisioning.county import county_opened
from provisioning.enrolment import answer_enrolment, enrol
from provisioning.folder import CountyFolder
from provisioning.line import Answer
from provisioning.operations import init_county, station_add
from provisioning.register import station_database
from sync.databases import Databases
from sync.peer import Writer
from sync.replicator import replicate
from sync.store import Store
from sync.write_rules import append_only, county_only
from web.audit import AuditLog
from web.cases.casebook import Casebook
from web.cases.desk import Act, Desk, Person, Reading

COUNTY, TOWNSHIP, VILLAGE, NEIGHBOUR = "600101000000", "600101101000", "600101101201", "600101101202"
OTHER_TOWNSHIP, FAR_VILLAGE = "600101102000", "600101102201"
STATIONS = {
    TOWNSHIP: "河口镇便民服务中心",
    VILLAGE: "柳树湾村便民服务站",
    NEIGHBOUR: "下河村便民服务站",
    OTHER_TOWNSHIP: "青石镇便民服务中心",
    FAR_VILLAGE: "石桥村便民服务站",
}
URL = "http://county.test"
SECRET = "the lock's secret"
PASSWORD = "a-long-password"
MORNING = datetime(2026, 9, 16, 1, 0, tzinfo=UTC)  # 09:00 in China, a Wednesday
SUBSISTENCE = "最低生活保障对象认定与保障金给付"
AGENT = Person("wang", "王某某", "agent")
STAFF: list[dict[str, Any]] = [
    {"username": "zhao", "name": "赵某某", "roles": ["reviewer"], "station": COUNTY, "department": "民政"},
    {"username": "qian", "name": "钱某某", "roles": ["reviewer"], "station": COUNTY, "department": "残联"},
    {"username": "li", "name": "李某某", "roles": ["approver"], "station": COUNTY, "department": "民政"},
    {"username": "zhou", "name": "周某某", "roles": ["approver"], "station": COUNTY, "department": "残联"},
    {"username": "bian", "name": "卞某某", "roles": ["staffing"], "station": COUNTY},
    {"username": "zheng", "name": "郑某某", "roles": ["service"], "station": COUNTY},
    {"username": "sun", "name": "孙某某", "roles": ["admin"], "station": COUNTY},
]

Page = TestResponse


def some_items() -> dict[str, Any]:
    """Of the sample county's catalogue: 最低生活保障, and two more."""
    sample = sample_county.load("items")
    wanted = [item for item in sample["items"] if item["name"] == SUBSISTENCE]
    others = [item for item in sample["items"] if item["name"] != SUBSISTENCE][:2]
    return {**sample, "items": [*wanted, *others]}


def make_county(folder: Path) -> None:
    """Everything that is alike in every test, made once: keys, catalogue, the county's own accounts, stations."""
    init_county(
        folder, code="600101", name="驿山县政务服务中心", listen="127.0.0.1:0", contact_interval_s=3,
        now=lambda: MORNING, random=Random(1),
    )  # fmt: skip
    with county_opened(folder, now=lambda: MORNING, random=Random(2)) as county:
        assert import_items(county, some_items(), approve=True, by="test").imported
        publish(county)
        import_accounts(county, [{**account, "password": PASSWORD} for account in STAFF])
        station_add(county, {"stations": [{"code": code, "name": name} for code, name in STATIONS.items()]})


@dataclass
class Clock:
    at: datetime = MORNING

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **span: float) -> None:
        self.at += timedelta(**span)


class SmallCentre:
    """The county's centre in this process."""

    def __init__(self, folder: Path, template: Path) -> None:
        self.folder = folder
        self.now = Clock()
        self.random = Random(7)
        shutil.copytree(template, folder / "county")
        self.stations: dict[str, SmallStation] = {}
        self.start()

    def start(self) -> None:
        self.centre = Centre(
            CountyFolder.open(self.folder / "county"), version="1.2.3", now=self.now, random=self.random
        )
        self.app = create_county_app(self.centre, secret=SECRET)
        self.centre.catch_up()

    def close(self) -> None:
        for station in self.stations.values():
            station.close()
        self.centre.close()

    def post(self, url: str, body: bytes, _headers: Mapping[str, str]) -> Answer:
        """The line, for as long as nobody needs it to be HTTP."""
        answers = {"/api/v1/enrolments": answer_enrolment, "/api/v1/contact": answer_contact}
        return answers[url.removeprefix(URL)](self.centre, body, address="10.0.0.9")

    def code(self, station: str) -> EnrolmentCode:
        added = station_add(self.centre, {"stations": [{"code": station}], "new_code": True})
        return EnrolmentCode.parse(added["stations"][0]["enrolment_code"])

    def enrol(self, station: str, *, code: str | None = None, at: str | None = None) -> SmallStation:
        made = SmallStation(self, station, self.folder / (at or station), code)
        self.stations[at or station] = made
        return made

    def restart(self) -> None:
        """As a new process would find it."""
        self.centre.close()
        self.start()

    def change_draft(self, name: str, **changes: Any) -> None:
        catalogue = some_items()
        for item in catalogue["items"]:
            if item["name"] == name:
                item.update(changes)
        assert import_items(self.centre, catalogue, approve=True, by="test").imported

    def sign_in(self, username: str) -> Browser:
        return Browser(self.app.test_client(), username)

    def token(self, username: str) -> dict[str, str]:
        answer = self.app.test_client().post("/api/v1/session", json={"username": username, "password": PASSWORD})
        return {"Authorization": f"Bearer {answer.json['token']}"}  # type: ignore[index]

    def item(self, name: str = SUBSISTENCE) -> Document:
        return next(item for item in self.centre.catalogue.range("item:", "item;") if item["name"] == name)


@dataclass
class SmallStation:
    """A station with a real key, its own stores, and a desk."""

    county: SmallCentre
    code: str
    path: Path
    enrolment_code: str | None = None
    incarnation: str = "first-start"
    nonce: str | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        county = self.county
        code = EnrolmentCode.parse(self.enrolment_code) if self.enrolment_code else county.code(self.code)
        self.folder = enrol(self.path, URL, code, post=county.post, now=county.now, random=county.random)
        self.key = self.folder.key()
        # What it knows, until it hears of a newer one: a thief goes on with the old one.
        self.register = county.centre.register()
        self.databases = Databases(
            self.folder.databases,
            rule_for=lambda name: append_only() if name.startswith("station-") else county_only,
            random=Random(3),
        )
        self.casebook = Casebook(
            self.path / "projections.sqlite3",
            stores=lambda: [self.cases],
            store=self.databases.existing,
            register=lambda: self.register,
            calendar=lambda: self.county.centre.calendar(),  # noqa: PLW0108 - of the county that stands then
            own_station=self.code,
        )
        self.desk = Desk(
            station=self.code,
            kind=self.folder.kind,
            key=lambda: self.key,
            incarnation=self.incarnation,
            writer=self.writer,
            home=lambda _number: self.cases,
            casebook=self.casebook,
            register=lambda: self.register,
            clock=lambda: Reading(county.now(), 0, "county"),
            audit=AuditLog(self.path / "audit.sqlite3", now=county.now, random=Random(6)),
        )
        self._serial = 0

    @property
    def cases(self) -> Store:
        return self.databases.open(station_database(self.code))

    @property
    def writer(self) -> Writer:
        return Writer(self.code, frozenset({f"station:{self.key.id}", "station"}))

    def take_in(self, item: Document | None = None, name: str = "李某某") -> str:
        self.county.now.forward(minutes=1)
        self._serial += 1
        on = self.county.now().astimezone(CHINA).date()
        number = case_number(self.code, on, self._serial, self.county.random)
        received = intake(item or self.county.item(), name)
        self.desk.write(number, [Act("received", received), Act("accepted")], AGENT)
        return number

    def add_photo(self, number: str, content: bytes = b"a photo, of more than one chunk" * 1500) -> Document:
        case = self.casebook.case(number)
        assert case is not None
        return self.desk.add_file(number, case["materials"][0]["id"], "photo.jpg", "image/jpeg", content, AGENT)

    def chunks(self, number: str) -> list[str]:
        return [document["_id"] for document in self.cases.range(f"chunk:{number}", f"chunk:{number};")]

    def county_signed(self, document: Document) -> bool:
        key = self.county.centre.register().key(str(document.get("key")))
        return key is not None and key.kind == "county" and document_holds(document, key.public_key)

    def up(self, *, without: str = "no such id", catch_up: bool = True) -> None:
        """Replicate to the county, perhaps without the documents whose ids begin so; it takes note of them at once if
        it is to. No token is asked for here.
        """
        ids = [id_ for _, id_, _, _ in self.cases.changes_since(0, 10_000) if not id_.startswith(without)]
        target = self.county.centre.databases.open(station_database(self.code)).as_writer(self.writer)
        replicate(self.cases, target, now=self.county.now, random=Random(4), doc_ids=ids)
        if catch_up:
            self.county.centre.catch_up()

    def down(self) -> None:
        source = self.county.centre.databases.open(station_database(self.code))
        replicate(source, self.cases, now=self.county.now, random=Random(5))
        self.register = self.county.centre.register()
        self.casebook.follow()

    def report(self, **changes: Any) -> StationReport:
        said: dict[str, Any] = {
            "version": "1.2.3",
            "register": self.county.centre.register().number,
            "release": "release:000001",
            "clock": rfc3339(self.county.now()),
            "interval_s": 120,
            "waiting": self.casebook.waiting(),
            "contested": 0,
            "refused": 0,
            "disk_free_bytes": 23_400_000_000,
            "ledgers": tuple(Ledger(*row) for row in self.casebook.ledgers(self.code)),
        }
        return StationReport(**{**said, **changes})

    def contact(self, **changes: Any) -> Contact:
        done = contact(self.county.post, URL, self.key, self.nonce, self.report(**changes), now=self.county.now)
        self.nonce = done.nonce
        return done

    def token(self) -> str:
        token = self.contact().token
        assert token is not None
        return token

    def close(self) -> None:
        self.casebook.close()
        self.databases.close()


class Browser:
    """Somebody signed in at the county, with cookies, as a browser is."""

    def __init__(self, client: FlaskClient, username: str) -> None:
        self.client = client
        self.username = username
        page = client.get("/signin").text
        self.entered = client.post(
            "/signin", data={"csrf": csrf_in(page), "username": username, "password": PASSWORD, "next": "/"}
        )

    def get(self, path: str, expect: int = 200) -> str:
        answer = self.client.get(path)
        assert answer.status_code == expect, (path, answer.status_code, answer.text[:2000])
        return answer.text

    def send(self, page: str, data: Mapping[str, Any], *, to: str | None = None, expect: int = 303) -> Page:
        """Fill in a form of this page."""
        token = csrf_in(self.get(page))
        answer = self.client.post(to or page, data={"csrf": token, **data})
        assert answer.status_code == expect, (page, answer.status_code, answer.text[:3000])
        return answer


def csrf_in(page: str) -> str:
    found = re.search(r'name="csrf" value="([0-9a-f]+)"', page)
    assert found, page[:500]
    return found[1]


def intake(item: Document, name: str) -> dict[str, Any]:
    """What an agent takes in for this item: all materials received, the form as its own examples fill it in."""
    return {
        "item": item["code"],
        "terms": item["terms"],
        "terms_sig": item["terms_sig"],
        "terms_key": item["terms_key"],
        "applicant": {"name": name, "id_type": "居民身份证", "id_number": "600000196001010016", "phone": "13000000001"},
        "form": first_examples(item["form"]),
        "materials": [{"id": m["id"], "name": m["name"], "state": "received"} for m in item["materials"]],
    }
