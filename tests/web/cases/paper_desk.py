"""A village's case pages over a case that has come a long way: its events are simply put into the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from casework.canonical import Document
from tests.casework.county import MORNING, STATIONS, VILLAGE, item
from tests.casework.lives import Life
from tests.central.county import csrf_in
from tests.web.cases.desks import Place
from web.app import Furniture, NavEntry, create_app
from web.cases.casebook import Scope
from web.cases.desk import Person
from web.cases.pages import case_pages
from web.cases.services import CaseServices
from web.errors import Problem
from web.localfile import LocalFile
from web.signin import User, hash_password

PASSWORD = "li-shi-123"


@dataclass
class PaperDesk:
    """The village's pages; `guide` is the item as published, `words` the county's own, `doubt` an unsure clock."""

    folder: Path
    guide: Document = field(default_factory=lambda: item(level="township", flow=True))
    words: dict[str, Document] = field(default_factory=dict)
    doubt: bool = False

    def __post_init__(self) -> None:
        self.place = Place(VILLAGE, "village", self.folder / "village", now=MORNING + timedelta(days=2))
        self.database = LocalFile(self.folder / "local.sqlite3")
        self.app = self._app()

    def put(self, life: Life) -> str:
        """Bring this case here; its number. It goes on after now."""
        assert life.now < self.place.now
        self.bring(life.events)
        life.now = self.place.now
        return str(life.events[0]["case"])

    def bring(self, events: Iterable[Document]) -> None:
        self.place.cases.save(list(events))
        self.place.casebook.follow()

    def _app(self) -> Flask:
        account = {"username": "wang", "name": "王某某", "roles": ["agent"], "department": None, "active": True}
        account["password_hash"] = hash_password(PASSWORD)
        app = create_app(
            "web",
            furniture=Furniture(
                place=STATIONS[VILLAGE][2],
                site=VILLAGE,
                navigation=[NavEntry("cases.listing", "办件", ("agent",))],
                accounts={"wang": account}.get,
                database=self.database,
                now=lambda: self.place.now,
                random=Random(1),
                version="1.2.3",
                log_folder=None,
                alive=dict,
                audit=self.place.desk.audit,
            ),
        )
        services = CaseServices(
            casebook=self.place.casebook,
            desk=self.place.desk,
            scope_of=lambda _user: Scope(stations=frozenset({VILLAGE})),
            person_of=_person,
            station_name=lambda code: STATIONS[code][2] if code in STATIONS else code,
            item=lambda _code: self.guide,
            now=lambda: self.place.now,
            may_add_files=True,
            ready_to_print=self._ready,
            paper_words=self.words.get,
        )
        app.register_blueprint(case_pages(services))
        return app

    def _ready(self) -> None:
        if self.doubt:
            raise Problem(409, "date_in_doubt", "本机日期不对。请先确认今天是几号。")

    def client(self) -> FlaskClient:
        client = self.app.test_client()
        csrf = csrf_in(client.get("/signin").text)
        sent = {"csrf": csrf, "username": "wang", "password": PASSWORD, "next": "/cases"}
        assert client.post("/signin", data=sent).status_code == 302
        return client

    def close(self) -> None:
        self.place.close()
        self.database.close()


def issue(client: FlaskClient, path: str, data: Mapping[str, Any]) -> TestResponse:
    """Press the paper's button."""
    return client.post(path, data={"csrf": csrf_in(client.get("/cases").text), **data})


def _person(user: User) -> Person:
    return Person(user.username, user.name, user.roles[0], user.department)
