"""A tiny app on the furniture: one page, one API view, one form; its clock stands still until a test moves it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from flask import Blueprint, Flask, flash, render_template_string
from flask.testing import FlaskClient

from casework.canonical import canonical
from web.api import json_body, operation, page
from web.app import Furniture, LineState, NavEntry, create_app
from web.audit import AuditLog
from web.errors import Problem
from web.localfile import LocalFile
from web.signin import allow, current_user, hash_password, public

NOON = datetime(2026, 9, 16, 4, 0, tzinfo=UTC)


@dataclass
class SmallApp:
    folder: Path
    now: datetime = NOON
    line: LineState = field(default_factory=lambda: LineState(online=False, waiting=6, last_confirmed_at=NOON))
    line_breaks: bool = False
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.accounts["wang"] = {
            "username": "wang",
            "name": "<b>王某某</b>",
            "roles": ["agent"],
            "department": None,
            "password_hash": hash_password("li-shi-123"),
            "active": True,
        }
        self.app = self.start()

    def start(self) -> Flask:
        """The app as a new process would make it, on the same files."""
        self.database = LocalFile(self.folder / "local.sqlite3")
        self.audit = AuditLog(self.folder / "audit.sqlite3", now=lambda: self.now, random=Random(2))
        app = create_app(
            "web",
            furniture=Furniture(
                place="柳树湾村便民服务站",
                site="600101101201",
                navigation=[
                    NavEntry("small.front", "工作台", ("agent",)),
                    NavEntry("small.secret", "秘密", ("admin",)),
                ],
                accounts=self.accounts.get,
                database=self.database,
                audit=self.audit,
                now=lambda: self.now,
                random=Random(1),
                version="1.2.3",
                log_folder=self.folder / "log",
                alive=lambda: {"station": "600101101201"},
                line=self.line_state,
                largest_body=1 << 20,
            ),
        )
        app.register_blueprint(_small())
        return app

    def line_state(self) -> LineState:
        if self.line_breaks:
            raise RuntimeError("the line cannot be told")
        return self.line

    def client(self) -> FlaskClient:
        return self.app.test_client()

    def pass_time(self, **span: float) -> None:
        self.now += timedelta(**span)


def _small() -> Blueprint:
    small = Blueprint("small", __name__)

    @small.get("/")
    @allow("agent")
    def front() -> str:
        return render_template_string(
            "{% extends 'layout.html' %}{% block title %}页{% endblock %}"
            "{% block content %}<h1>{{ who }}</h1>{% endblock %}",
            who=current_user().name,
        )

    @small.get("/secret")
    @allow("admin")
    def secret() -> str:
        return "secret"

    @small.post("/do")
    @allow("agent")
    def do() -> str:
        flash("已经做好", "saved")
        return "done"

    @small.post("/api/v1/echo")
    @allow("agent")
    @operation(summary="Echo", tag="small", request=SCHEMA, responses={200: {"type": "object"}})
    def echo() -> dict[str, Any]:
        return json_body(SCHEMA)

    @small.get("/api/v1/fails")
    @public
    def fails() -> str:
        raise RuntimeError("the inside of the program")

    @small.post("/api/v1/rows/<number>")
    @allow("agent")
    @operation(summary="Rows", tag="small", request={"type": "object"}, responses={201: {}})
    def rows(number: str) -> dict[str, Any]:
        return page([{"number": number, "canonical": canonical(json_body(None)).decode()}], None)

    @small.get("/full")
    @public
    def full() -> str:
        raise Problem(507, "disk_full", "磁盘满了。")

    return small


SCHEMA = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "rows": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}},
    },
}


@pytest.fixture
def small(tmp_path: Path) -> Iterator[SmallApp]:
    small = SmallApp(tmp_path)
    yield small
    small.database.close()
