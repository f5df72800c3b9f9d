"""Signing in with a cookie: given, renewed, over, forged, taken back."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from werkzeug.test import Client

from sync.databases import Databases
from sync.peer import ADMIN_ROLE, Unauthorized, Writer
from sync.wsgi import CookieSessions, CouchApp

ADMIN = Writer("admin", frozenset({ADMIN_ROLE}))
FORM = {"name": "admin", "password": "open: sesame"}


class Clock:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def check(name: str, password: str) -> Writer | None:
    return ADMIN if (name, password) == ("admin", "open: sesame") else None


def nobody(environ: dict[str, Any]) -> Writer | None:
    if "HTTP_AUTHORIZATION" in environ:
        raise Unauthorized("Name or password is incorrect.")
    return None


@pytest.fixture
def client(databases: Databases, clock: Clock) -> Client:
    sessions = CookieSessions(check, secret=b"secret", now=clock)
    return Client(
        CouchApp(databases, authenticate=nobody, sessions=sessions, may_create=lambda writer, name: writer.is_county)
    )


@pytest.mark.parametrize("how", ["form", "json"])
def test_a_cookie_for_a_password(client: Client, how: str) -> None:
    assert client.get("/_all_dbs").status_code == 401
    made = client.post("/_session", data=FORM) if how == "form" else client.post("/_session", json=FORM)
    assert made.status_code == 200
    assert made.json == {"ok": True, "name": "admin", "roles": ["_admin"]}
    cookie = made.headers["Set-Cookie"]
    assert cookie.startswith("AuthSession=")
    assert '"' not in cookie
    assert all(word in cookie for word in ("HttpOnly", "SameSite=Strict", "Max-Age=600", "Path=/"))
    assert client.put("/docs").status_code == 201
    assert client.get("/_all_dbs").json == ["docs"]
    found = client.get("/_session").json
    assert found is not None
    assert found["userCtx"] == {"name": "admin", "roles": ["_admin"]}
    assert found["info"] == {"authentication_handlers": ["cookie", "default"], "authenticated": "cookie"}
    out = client.delete("/_session")
    assert out.json == {"ok": True}
    assert client.get("/_all_dbs").status_code == 401
    assert client.get("/_session").json["userCtx"]["name"] is None  # type: ignore[index]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "admin", "password": "wrong"}, 401),
        ({"name": "nobody", "password": "open: sesame"}, 401),
        ({"name": "admin"}, 400),
        ({"name": 1, "password": 2}, 400),
        ([], 400),
    ],
)
def test_no_cookie_for_anything_else(client: Client, body: Any, status: int) -> None:
    answer = client.post("/_session", json=body)
    assert answer.status_code == status
    assert "Set-Cookie" not in answer.headers


def test_a_form_as_long_as_a_book_is_refused(client: Client) -> None:
    assert client.post("/_session", data={"name": "x" * 100_000, "password": "x"}).status_code == 413
    assert client.post("/_session", json={"name": "x" * 100_000, "password": "x"}).status_code == 413


def test_a_cookie_in_use_is_renewed_and_one_that_is_not_is_over(client: Client, clock: Clock) -> None:
    client.post("/_session", data=FORM)
    clock.now += 30
    assert "Set-Cookie" not in client.get("/_all_dbs").headers
    clock.now += 40
    assert "Set-Cookie" in client.get("/_all_dbs").headers
    clock.now += 590
    assert client.get("/_all_dbs").status_code == 200
    clock.now += 601
    assert client.get("/_all_dbs").status_code == 401


def test_nobody_can_write_a_cookie(client: Client, databases: Databases, clock: Clock) -> None:
    client.post("/_session", data=FORM)
    good = client.get_cookie("AuthSession")
    assert good is not None
    text, _, signature = good.value.partition(".")
    name, _roles, ends = json.loads(base64.urlsafe_b64decode(text + "=="))
    longer = base64.urlsafe_b64encode(json.dumps([name, ["_admin"], ends + 10**6]).encode()).decode()
    others = CookieSessions(check, secret=b"another", now=clock).cookie(ADMIN)
    for forged in (f"{longer}.{signature}", f"{text}.", text, "", "x", ".", others, "云.岭", "a" * 3000):
        client.set_cookie("AuthSession", forged)
        assert client.get("/_all_dbs").status_code == 401


def test_credentials_that_are_wrong_are_not_made_good_by_a_cookie(client: Client) -> None:
    client.post("/_session", data=FORM)
    assert client.get("/_all_dbs", headers={"Authorization": "Basic eA=="}).status_code == 401


def test_where_the_app_knows_no_passwords_there_is_no_cookie(databases: Databases) -> None:
    client = Client(CouchApp(databases, authenticate=nobody))
    assert client.post("/_session", data=FORM).status_code == 501
    assert client.delete("/_session").status_code == 501
    assert client.get("/_session").json["info"]["authentication_handlers"] == ["default"]  # type: ignore[index]
