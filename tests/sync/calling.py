"""A CouchApp with two databases and three people, and a way to call it without a server."""

from __future__ import annotations

import json
from typing import Any

from werkzeug.test import Client

from sync.peer import COUNTY, BadRequest, Unauthorized, Writer
from sync.wsgi import CouchApp

MEMBER = Writer("600101101201", frozenset({"station:600101101201:1", "station"}))
STRANGER = Writer("600101101202", frozenset({"station:600101101202:1", "station"}))
PEOPLE = {"county": COUNTY, "member": MEMBER, "stranger": STRANGER}


def authenticate(environ: dict[str, Any]) -> Writer | None:
    word = environ.get("HTTP_AUTHORIZATION")
    if word is None:
        return None
    if word == "malformed":
        raise BadRequest("Bad signature")
    if word not in PEOPLE:
        raise Unauthorized("exp not in future")
    return PEOPLE[word]


class Caller:
    def __init__(self, app: CouchApp) -> None:
        self.client = Client(app)

    def __call__(
        self, method: str, path: str, body: object = None, *, who: str | None = "county", **headers: str
    ) -> Any:
        if who is not None:
            headers["Authorization"] = who
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        if data is not None:
            headers.setdefault("Content_Type", "application/json")
        return self.client.open(
            # The client would take what stands behind two slashes for a host; the app goes by REQUEST_URI.
            "/" + path.partition("?")[0].lstrip("/"),
            method=method,
            data=data,
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            query_string=path.partition("?")[2],
            environ_overrides={"REQUEST_URI": path},
        )
