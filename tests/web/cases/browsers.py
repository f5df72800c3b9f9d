"""The case pages of one place, and people signed in there, as browsers without script are."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from flask.testing import FlaskClient
from werkzeug.datastructures import MultiDict

from casework.canonical import Document
from casework.case import Case
from tests.casework.county import STATIONS
from tests.central.test_pages import looked_over
from tests.web.browsing import sent_by
from tests.web.cases.desks import Place
from web.app import Furniture, create_app
from web.cases.api import case_api
from web.cases.casebook import Scope
from web.cases.desk import Person
from web.cases.pages import case_pages
from web.cases.services import CaseServices
from web.localfile import LocalFile
from web.signin import User, hash_password

PASSWORD = "a-long-password"
STAFF: dict[str, tuple[str, str, str | None]] = {
    "wang": ("王某某", "agent", None),
    "he": ("何某某", "township", None),
    "lin": ("林某某", "head", None),
    "zhao": ("赵某某", "reviewer", "民政"),
    "qian": ("钱某某", "reviewer", "残联"),
    "sun": ("孙某某", "admin", None),
}


@cache
def _hash() -> str:
    return hash_password(PASSWORD)


@dataclass
class CasePages:
    """The app over one place's desk; `item` is what its catalogue has."""

    place: Place
    item: Document
    folder: Path
    departments: list[str] = field(default_factory=lambda: ["民政", "残联"])

    def __post_init__(self) -> None:
        place = self.place
        self.database = LocalFile(self.folder / f"local-{place.kind}.sqlite3")
        self.app = create_app(
            "web",
            furniture=Furniture(
                place=STATIONS[place.station][2],
                site=place.station,
                navigation=[],
                accounts=_account,
                database=self.database,
                audit=place.desk.audit,
                now=lambda: place.now,
                random=Random(1),
                version="0.0.0",
                log_folder=None,
                alive=dict,
            ),
        )
        self.services = CaseServices(
            casebook=place.casebook,
            desk=place.desk,
            scope_of=lambda _user: Scope(),
            person_of=_person,
            station_name=lambda code: STATIONS[code][2] if code in STATIONS else code,
            item=lambda _code: self.item,
            now=lambda: place.now,
            may_add_files=place.kind != "county",
            departments=lambda: self.departments,
        )
        self.app.register_blueprint(case_api(self.services))
        self.app.register_blueprint(case_pages(self.services))

    def sign_in(self, username: str) -> Somebody:
        return Somebody(self, username)

    def case(self, number: str) -> Case:
        case = self.place.casebook.case(number)
        assert case is not None
        return case

    def close(self) -> None:
        self.database.close()


class Somebody:
    """A person at a place's pages. What they send is what the form on the page would, with what they typed."""

    def __init__(self, pages: CasePages, username: str) -> None:
        self.pages = pages
        self.client: FlaskClient = pages.app.test_client()
        data = {**sent_by(self.client.get("/signin").text), "username": username, "password": PASSWORD}
        assert self.client.post("/signin", data=data).status_code == 302

    def get(self, path: str, expect: int = 200) -> str:
        answer = self.client.get(path)
        assert answer.status_code == expect, (path, answer.status_code, words(answer.text)[:2000])
        if answer.mimetype == "text/html" and "<html" in answer.text:
            looked_over(answer.text)
        return answer.text

    def offered(self, number: str) -> set[str]:
        """The kinds of act that the case's page leads to."""
        return set(re.findall(rf"/cases/{number}/acts/(\w+)", self.get(f"/cases/{number}")))

    def do(self, number: str, kind: str, /, query: str = "", expect: int = 303, **typed: Any) -> str:
        """Open the act's own page, type, send, and say yes where it asks once more. The last page's text."""
        page = self.get(f"/cases/{number}/acts/{kind}{query}")
        to = re.search(rf'action="(/cases/{number}/acts/{kind}(?:/check)?)"', page)
        assert to, words(page)[:2000]
        sent = MultiDict(sent_by(page))
        for name, value in typed.items():
            sent.setlist(name.replace("__", "."), value if isinstance(value, list) else [value])
        answer = self.client.post(to[1], data=sent)
        if to[1].endswith("/check") and answer.status_code == 200 and expect != 200:
            looked_over(answer.text)
            again = re.search(r'<form method="post" action="([^"]+/acts/[^"]+)"', answer.text)
            assert again, words(answer.text)[:2000]
            answer = self.client.post(again[1], data=MultiDict(sent_by(answer.text)))
        assert answer.status_code == expect, (kind, answer.status_code, words(answer.text)[:2500])
        return answer.text


def words(page: str) -> str:
    """What a page says, without its marks."""
    body = re.sub(r"<(script|style|head|svg).*?</\1>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)).strip()


def _account(username: str) -> dict[str, Any] | None:
    if username not in STAFF:
        return None
    name, role, department = STAFF[username]
    return {
        "username": username,
        "name": name,
        "roles": [role],
        "department": department,
        "password_hash": _hash(),
        "active": True,
    }


def _person(user: User) -> Person:
    return Person(user.username, user.name, user.roles[0], user.department)
