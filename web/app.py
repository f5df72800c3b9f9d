"""The app that both the station's and the county's pages hang in: layout, sign-in, errors, safety headers, log."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from flask import Flask, Request, Response, g, request, url_for
from flask_babel import Babel
from jinja2 import ChoiceLoader, PackageLoader, StrictUndefined

from web import api, errors, forms, wording
from web.audit import AuditLog
from web.errors import Problem
from web.guides import telling
from web.localfile import LocalFile
from web.log import log_requests
from web.signin import SignIn, public, signed_in

LARGEST_BODY = 24 << 20
STATIC = Path(__file__).parent / "static"
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True)
class NavEntry:
    """One entry of the navigation; people without one of these roles do not see it."""

    endpoint: str
    title: str
    roles: tuple[str, ...]


@dataclass(frozen=True)
class LineState:
    """What the strip under the head says on every page of a station."""

    online: bool
    waiting: int
    last_confirmed_at: datetime | None
    release: int | None = None
    doubt: bool = False
    # The guide may not be the county's newest.
    stale: bool = False
    page: str = "/line"
    clock_page: str = "/clock"


@dataclass(frozen=True)
class Furniture:
    """What an app brings to its pages."""

    place: str
    # Its code: part of the cookies' names, since a browser shares cookies among all ports of one host.
    site: str
    navigation: Sequence[NavEntry]
    accounts: Callable[[str], Mapping[str, Any] | None]
    database: LocalFile
    # Who did what: every app has one.
    audit: AuditLog
    now: Callable[[], datetime]
    random: Random
    version: str
    log_folder: Path | None
    alive: Callable[[], Mapping[str, Any]]
    line: Callable[[], LineState] | None = None
    on_request: Callable[[], None] | None = None
    largest_body: int = LARGEST_BODY


def create_app(import_name: str, *, furniture: Furniture) -> Flask:
    """A Flask app with everything but its own pages."""
    app = Flask(import_name, static_folder=str(STATIC), static_url_path="/static")
    app.config["MAX_CONTENT_LENGTH"] = furniture.largest_body
    app.config["MAX_FORM_MEMORY_SIZE"] = 2 << 20
    # Signs nothing but what the next page says ("已保存"), so that it may be another one after each start.
    app.secret_key = f"{furniture.random.getrandbits(256):064x}"
    app.config["SESSION_COOKIE_NAME"] = f"yizhan_told_{furniture.site}"
    app.config["SESSION_COOKIE_SAMESITE"] = "Lax"
    app.config["BABEL_DEFAULT_LOCALE"] = "zh_Hans_CN"
    app.config["BABEL_DEFAULT_TIMEZONE"] = "Asia/Shanghai"
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_loader = ChoiceLoader([PackageLoader(import_name), PackageLoader("web"), PackageLoader("web.cases")])
    Babel(app)
    errors.handle_errors(app)
    wording.install(app, furniture.now)
    forms.install(app)
    telling.install(app)
    SignIn(
        furniture.database,
        site=furniture.site,
        accounts=furniture.accounts,
        now=furniture.now,
        random=furniture.random,
        audit=furniture.audit,
    ).install(app)
    api.openapi(app, f"驿站 Yizhan: {furniture.place}", furniture.version)
    if furniture.log_folder is not None:
        log_requests(app, furniture.log_folder, furniture.now)

    @app.get("/healthz")
    @public
    @api.operation(summary="Whether the service is up", tag="service", responses={200: {"type": "object"}})
    def healthz() -> dict[str, Any]:
        return {"status": "ok", "version": furniture.version, **furniture.alive()}

    @app.get("/line-strip")
    @public
    def line_strip() -> str:
        if furniture.line is None:
            # The county has no line of its own to tell of.
            raise Problem(404, "not_found", errors.SENTENCES[404][1])
        return app.jinja_env.get_template("line.html").render(line=_line(furniture))

    @app.before_request
    def active() -> None:
        if furniture.on_request is not None and signed_in() is not None and request.path != "/line-strip":
            furniture.on_request()

    @app.context_processor
    def of_every_page() -> dict[str, Any]:
        user = signed_in()
        return {
            "place": furniture.place,
            "user": user,
            "navigation": [
                entry for entry in furniture.navigation if user is not None and set(entry.roles) & set(user.roles)
            ],
            "line": _line(furniture),
            "asset": asset,
        }

    @app.after_request
    def safe(answer: Response) -> Response:
        answer.headers.setdefault("X-Content-Type-Options", "nosniff")
        if answer.mimetype == "application/json":
            # Nothing in it is drawn or followed; a station fetches such an answer every few minutes over a thin line.
            answer.headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
        else:
            answer.headers.setdefault("Content-Security-Policy", POLICY)
            answer.headers.setdefault("X-Frame-Options", "DENY")
            answer.headers.setdefault("Referrer-Policy", "no-referrer")
        if request.endpoint == "static" and answer.status_code in (200, 206, 304) and _is_current(request):
            # The address changes with the content, so what was fetched once is never asked for again.
            answer.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        elif request.endpoint == "static":
            answer.headers["Cache-Control"] = "no-cache"
        else:
            answer.headers.setdefault("Cache-Control", "no-store")
        return answer

    return app


def _line(furniture: Furniture) -> LineState | None:
    if furniture.line is None:
        return None
    if "line_state" not in g:
        g.line_state = furniture.line()
    state: LineState = g.line_state
    return state


def asset(name: str) -> str:
    """The address of a file of `web/static`, with a mark that changes when its content does."""
    return url_for("static", filename=name, v=_mark(name))


def _is_current(asked: Request) -> bool:
    """Whether the address bears the mark of what is there now: an older one must not be kept under a newer's name."""
    name = (asked.view_args or {}).get("filename", "")
    return (STATIC / name).is_file() and asked.args.get("v") == _mark(name)


@cache
def _mark(name: str) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:10]
