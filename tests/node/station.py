"""A real station in this process: enrolled at a real county, its catalogue and accounts pulled, its pages served."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from PIL import Image
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from casework.canonical import Document
from casework.forms import first_examples
from central.accounts import import_accounts
from central.catalogue.drafts import import_items
from central.catalogue.publishing import publish
from node.app import create_station_app
from node.station import Station
from provisioning import sample_county
from provisioning.county import county_opened
from provisioning.folder import StationFolder
from provisioning.register import databases_of
from sync.replicator import replicate
from tests.central.county import (
    MORNING,
    PASSWORD,
    SUBSISTENCE,
    TOWNSHIP,
    VILLAGE,
    Clock,
    SmallCentre,
    csrf_in,
    make_county,
)
from tests.web.browsing import sent_by

OLD_AGE = "高龄津贴给付"  # decided by the township
PROOF = "村民委员会出具证明"  # decided by the village
HOMESTEAD = "农村村民宅基地审批"  # asks for the situation
STAFF: list[dict[str, Any]] = [
    {"username": "wang", "name": "王某某", "roles": ["agent"], "station": VILLAGE},
    {"username": "chen", "name": "陈某某", "roles": ["agent"], "station": VILLAGE},
    {"username": "zhou", "name": "周某某", "roles": ["agent"], "station": TOWNSHIP},
    {"username": "wu", "name": "吴某某", "roles": ["township"], "station": TOWNSHIP},
    {"username": "lin", "name": "林某某", "roles": ["head"], "station": TOWNSHIP},
]
APPLICANT = {"name": "张秀英", "id_type": "居民身份证", "id_number": "600000196001010016", "phone": "13000000001"}


def make_stations(folder: Path) -> None:
    """What every test starts from, made once: a county, and below `folder` a village and its township, up to date."""
    make_county(folder / "template")
    sample = sample_county.load("items")
    wanted = [item for item in sample["items"] if item["name"] in (SUBSISTENCE, OLD_AGE, PROOF, HOMESTEAD)]
    with county_opened(folder / "template", now=lambda: MORNING, random=Random(8)) as county:
        assert import_items(county, {**sample, "items": wanted}, approve=True, by="test").imported
        publish(county)
        import_accounts(county, [{**account, "password": PASSWORD} for account in STAFF])
    centre = SmallCentre(folder / "made", folder / "template")
    for code in (VILLAGE, TOWNSHIP):
        centre.enrol(code)
    for code in (VILLAGE, TOWNSHIP):
        # The enrolment brought a register; the newest names the other station too.
        station = _open(folder / "made" / code, centre.now)
        for name in databases_of(code, centre.centre.register()):
            replicate(centre.centre.databases.open(name), station.arriving(name), now=centre.now, random=Random(9))
        station.arrived({"catalogue"})
        assert station.catalogue.release is not None
        station.close()
    centre.close()


def _open(folder: Path, now: Clock, start: int = 0) -> Station:
    """`start` counts the starts: each draws what is random anew."""
    return Station(
        StationFolder.open(folder),
        version="1.2.3",
        now=now,
        monotonic=lambda: now.at.timestamp(),  # noqa: PLW0108 - of the time that it then is
        random=Random(11 + start),
    )


@dataclass
class SmallNode:
    """One station's node on a copy of its folder. The clock stands until a test moves it; nothing calls the county."""

    made: Path
    folder: Path
    code: str = VILLAGE
    now: Clock = field(default_factory=Clock)
    starts: int = 0

    def __post_init__(self) -> None:
        shutil.copytree(self.made / "made" / self.code, self.folder)
        self.start()

    def start(self) -> None:
        self.starts += 1
        self.station = _open(self.folder, self.now, self.starts)
        self.app: Flask = create_station_app(self.station)

    def restart(self, at: datetime | None = None) -> None:
        """As a new process would find it, perhaps with another clock."""
        self.station.close()
        if at is not None:
            self.now.at = at
        self.start()

    def close(self) -> None:
        self.station.close()

    def agent(self, username: str = "wang") -> Desk:
        return Desk(self, username)

    def api(self, username: str = "wang") -> Caller:
        return Caller(self, username)

    def item(self, name: str = SUBSISTENCE) -> Document:
        return next(item for item in map(self.station.catalogue.item, self.codes()) if item and item["name"] == name)

    def codes(self) -> list[str]:
        return [hit.code for hit in self.station.catalogue.search("", limit=200)]

    def documents(self) -> int:
        """How many documents the station's case database holds: a refused request leaves it as it was."""
        return len(self.station.case_stores()[0].changes_since(0, 100_000))


class Desk:
    """Somebody signed in at a station's page, with cookies, as a browser is."""

    def __init__(self, node: SmallNode, username: str) -> None:
        self.node = node
        self.client: FlaskClient = node.app.test_client()
        page = self.client.get("/signin").text
        entered = self.client.post(
            "/signin", data={"csrf": csrf_in(page), "username": username, "password": PASSWORD, "next": "/"}
        )
        assert entered.status_code == 302, entered.text[:2000]

    def get(self, path: str, expect: int = 200) -> str:
        answer = self.client.get(path)
        assert answer.status_code == expect, (path, answer.status_code, answer.text[:3000])
        return answer.text

    def send(self, page: str, data: Mapping[str, Any], *, to: str | None = None, expect: int = 303) -> TestResponse:
        """Send this to the page's own address (or `to`), with the mark of the page's form."""
        token = csrf_in(self.get(page))
        answer = self.client.post(to or page, data={"csrf": token, **data})
        assert answer.status_code == expect, (page, answer.status_code, plain(answer.text)[:3000])
        return answer

    def begin(self, name: str = SUBSISTENCE) -> str:
        """Begin an intake from the guide; the draft's address."""
        code = self.node.item(name)["code"]
        return self.send(f"/guides/{code}", {"item": code}, to="/intake").location

    def fill(self, draft: str, changes: Mapping[str, Any] | None = None, *, do: str = "save") -> MultiDict[str, Any]:
        """What the draft's page would send if somebody had typed `changes` over what it shows."""
        sent: MultiDict[str, Any] = MultiDict(sent_by(self.get(draft)))
        for name in list(sent):
            if name.startswith("photo."):
                # No file chosen.
                sent.poplist(name)
        for name, value in (changes or {}).items():
            sent.setlist(name, value if isinstance(value, list) else [value])
        sent["do"] = do
        return sent

    def submit(
        self, draft: str, changes: Mapping[str, Any] | None = None, *, do: str = "save", expect: int = 303
    ) -> TestResponse:
        answer = self.client.post(draft, data=self.fill(draft, changes, do=do), content_type="multipart/form-data")
        assert answer.status_code == expect, (answer.status_code, plain(answer.text)[:3000])
        return answer

    def take_in(self, of: str = SUBSISTENCE, **changes: str) -> str:
        """A case by way of the pages, of this item; `changes` are the applicant's. Its number."""
        draft = self.begin(of)
        filled = typed(self.node.item(of)) | {f"applicant.{field}": value for field, value in changes.items()}
        return number_in(self.submit(draft, filled).location)


class Caller:
    """Somebody signed in over the JSON API."""

    def __init__(self, node: SmallNode, username: str) -> None:
        self.client: FlaskClient = node.app.test_client()
        answer = self.client.post("/api/v1/session", json={"username": username, "password": PASSWORD})
        assert answer.status_code == 201
        assert answer.json is not None
        self.headers = {"Authorization": f"Bearer {answer.json['token']}"}

    def get(self, path: str, expect: int = 200) -> Any:
        answer = self.client.get(f"/api/v1/{path}", headers=self.headers)
        assert answer.status_code == expect, (path, answer.status_code, answer.text[:2000])
        return answer.json

    def post(self, path: str, body: Any, expect: int = 201, **headers: str) -> Any:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.client.post(f"/api/v1/{path}", json=body, headers={**self.headers, **named})
        assert answer.status_code == expect, (path, answer.status_code, answer.text[:2000])
        return answer.json

    def send(
        self, path: str, data: bytes | str, content_type: str = "application/json", **headers: str
    ) -> TestResponse:
        """Bytes as they are, whatever they are."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(
            f"/api/v1/{path}", data=data, content_type=content_type, headers={**self.headers, **named}
        )

    def upload(self, number: str, material: str, content: bytes, name: str = "photo.jpg") -> TestResponse:
        return self.client.post(
            f"/api/v1/cases/{number}/materials",
            data={"name": material, "file": (io.BytesIO(content), name)},
            headers=self.headers,
        )


def intake(item: Document, **applicant: Any) -> dict[str, Any]:
    """What `POST cases` is sent for this item: its form as its own examples fill it in."""
    return {
        "item": item["code"],
        "applicant": {**APPLICANT, **applicant},
        "form": first_examples(item["form"]),
        "materials": [{"name": item["materials"][0]["name"], "state": "received"}],
    }


def typed(item: Document) -> dict[str, Any]:
    """The same as an agent types it into the page: field by field, money in 元."""
    fields = {f"applicant.{name}": value for name, value in APPLICANT.items()}
    _type_in(fields, "form", item["form"], first_examples(item["form"]))
    fields[f"materials.{item['materials'][0]['id']}"] = "received"
    for question in item.get("situations", []):
        fields[f"situation.{question['id']}"] = question["options"][0]["id"]
    return fields


def _type_in(fields: dict[str, Any], path: str, schema: Mapping[str, Any], value: Any) -> None:
    if isinstance(value, dict):
        for name, part in value.items():
            if not schema["properties"][name].get("readOnly"):
                _type_in(fields, f"{path}.{name}", schema["properties"][name], part)
    elif isinstance(value, list) and schema["items"].get("type") == "object":
        for row, part in enumerate(value):
            _type_in(fields, f"{path}.{row}", schema["items"], part)
    elif isinstance(value, list):
        fields[path] = [str(part) for part in value]
    elif isinstance(value, bool):
        fields[path] = "yes" if value else ""
    elif schema.get("x-widget") == "money":
        fields[path] = f"{value / 100:.2f}"
    else:
        fields[path] = str(value)


def photo(shade: int = 90, side: int = 400, kind: str = "JPEG") -> bytes:
    out = io.BytesIO()
    Image.effect_noise((side, side), shade).save(out, kind)
    return out.getvalue()


def number_in(address: str) -> str:
    found = re.search(r"/cases/([0-9A-Z-]+)", address)
    assert found, address
    return found[1]


class _Plain(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.text: list[str] = []

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def plain(page: str) -> str:
    """What a page says, without its markup."""
    reader = _Plain()
    reader.feed(page)
    return re.sub(r"\s+", " ", " ".join(reader.text))
