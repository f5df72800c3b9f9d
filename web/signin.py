"""Sign-in: passwords checked offline, sessions that survive restarts, and who may open which page."""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any
from urllib.parse import urlsplit

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from flask import (
    Blueprint,
    Flask,
    Response,
    current_app,
    g,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)
from werkzeug.wrappers import Response as BaseResponse

from casework.times import parse_rfc3339, rfc3339
from web.access import allow, public
from web.api import json_body, operation
from web.audit import Actor, AuditLog
from web.errors import API, Problem
from web.localfile import LocalFile

__all__ = [
    "Session", "SignIn", "User", "allow", "csrf_token", "current_user", "hash_password", "public", "session_began",
    "signed_in",
]  # fmt: skip

LIFETIME = timedelta(hours=12)
TRIES = 5
LONGEST_WAIT = timedelta(minutes=5)
FORGOTTEN_AFTER = timedelta(hours=24)
# Names that nobody has are written down so often at most: whoever tries them at random fills no disk.
STRANGER_EVERY = timedelta(minutes=1)
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

# 19 MiB, two passes, one lane (OWASP): argon2's own defaults peak at 122 MiB, too much for a 1 GB machine.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_ONE_AT_A_TIME = threading.Lock()


def hash_password(password: str) -> str:
    """argon2id, as an account document carries it."""
    with _ONE_AT_A_TIME:
        return _HASHER.hash(password)


@dataclass(frozen=True)
class User:
    """Who is signed in, as their account says at this request."""

    username: str
    name: str
    roles: tuple[str, ...]
    department: str | None
    title: str | None = None


@dataclass(frozen=True)
class Session:
    user: User
    token_hash: str
    by_cookie: bool
    expires_at: datetime


class SignIn:
    """Sessions and throttles of one app, in its local file. Register it on the app with `install`."""

    def __init__(
        self,
        database: LocalFile,
        *,
        site: str,
        accounts: Callable[[str], Mapping[str, Any] | None],
        now: Callable[[], datetime],
        random: Random,
        audit: AuditLog,
    ) -> None:
        self._audit = audit
        self.cookie = f"yizhan_session_{site}"
        self.form_cookie = f"yizhan_form_{site}"
        self._database = database
        self._accounts = accounts
        self._now = now
        self._random = random
        # One sign-in at a time: argon2 is anyway, and many wrong ones sent at once are counted as many.
        self._turn = threading.Lock()
        # What an unknown name is checked against, so that it takes as long as a known one.
        self._nobody = hash_password("nobody has this password")
        database.table("sessions", {"token": str, "username": str, "created_at": str, "expires_at": str}, pk="token")
        database.table("throttles", {"who": str, "wrong": int, "until": str}, pk="who")

    def sign_in(self, username: str, password: str, address: str) -> tuple[str, Session]:
        """A new session and its token. Raises `Problem`: 401 wrong, 429 too many wrong ones in a row."""
        with self._turn:
            return self._sign_in(username, password, f"{username[:100]}|{address}", self._now())

    def _sign_in(self, username: str, password: str, who: str, now: datetime) -> tuple[str, Session]:
        waiting = self._database.row("SELECT wrong, until FROM throttles WHERE who = ?", (who,))
        left = parse_rfc3339(waiting["until"]) - now if waiting else timedelta()
        # A wait that is longer than any we set was set by a clock that ran ahead; it holds nobody up for years.
        if timedelta() < left <= LONGEST_WAIT:
            seconds = int(left.total_seconds()) + 1
            raise Problem(
                429,
                "too_many",
                f"输错的次数多了，请过 {seconds} 秒再试。忘了密码请找县中心管理员重设。",
                headers={"Retry-After": str(seconds)},
            )
        account = self._accounts(username) if 0 < len(username) <= 100 else None
        active = account is not None and bool(account.get("active", True))
        known = str(account["password_hash"]) if account is not None and active else self._nobody
        if not _password_fits(known, password) or account is None or not active:
            self._count_wrong(who, waiting["wrong"] if waiting else 0, now)
            self._note_wrong(account, now)
            raise Problem(401, "wrong_password", "用户名或密码不对。请看清大小写，再输一遍。")
        token = f"{self._random.getrandbits(256):064x}"
        expires_at = now + LIFETIME
        with self._database.writing() as db:
            db.execute("DELETE FROM throttles WHERE who = ?", (who,))
            db.execute("DELETE FROM sessions WHERE expires_at < ?", (rfc3339(now),))
            db.execute(
                "INSERT INTO sessions (token, username, created_at, expires_at) VALUES (?, ?, ?, ?)",
                (_hashed(token), username, rfc3339(now), rfc3339(expires_at)),
            )
        self._audit.note(_actor(_user(account)), "signed_in", durable=True)
        return token, Session(_user(account), _hashed(token), False, expires_at)

    def session(self, token: str, *, by_cookie: bool) -> Session | None:
        """The session of this token, if it has not run out and its account is still in use."""
        row = self._database.row("SELECT * FROM sessions WHERE token = ?", (_hashed(token),))
        if row is None:
            return None
        expires_at = parse_rfc3339(row["expires_at"])
        created_at = parse_rfc3339(row["created_at"])
        # A clock that was put right may jump by years; only time within the session's own span counts.
        if not created_at - LIFETIME <= self._now() <= expires_at:
            return None
        account = self._accounts(row["username"])
        if account is None or not account.get("active", True):
            self.end(token)
            return None
        return Session(_user(account), _hashed(token), by_cookie, expires_at)

    def end(self, token: str) -> None:
        with self._database.writing() as db:
            db.execute("DELETE FROM sessions WHERE token = ?", (_hashed(token),))

    def set_cookie(self, answer: BaseResponse, token: str) -> None:
        """Give the browser its session."""
        # An age, not a date: by the browser's clock, a station's that says 1970 would end every session at once.
        answer.set_cookie(self.cookie, token, httponly=True, samesite="Lax", secure=request.is_secure, max_age=LIFETIME)

    def leave(self, session: Session, token: str) -> None:
        """Somebody signs out."""
        self.end(token)
        self._audit.note(_actor(session.user), "signed_out", durable=True)

    def clock_jumped(self, by: timedelta) -> None:
        """The clock was put right: sessions go with it, so that nobody is signed out in the middle of a case."""
        with self._database.writing() as db:
            for row in db.execute("SELECT token, created_at, expires_at FROM sessions").fetchall():
                moved = [rfc3339(parse_rfc3339(row[name]) + by) for name in ("created_at", "expires_at")]
                db.execute("UPDATE sessions SET created_at = ?, expires_at = ? WHERE token = ?", (*moved, row["token"]))

    def install(self, app: Flask) -> None:
        app.extensions["signin"] = self
        app.register_blueprint(_pages(self))
        app.register_blueprint(_api(self))
        app.before_request(self._guard)
        app.after_request(_keep_form_cookie)
        app.jinja_env.globals["csrf_token"] = csrf_token

    def form_secret(self) -> str:
        return f"{self._random.getrandbits(128):032x}"

    def _guard(self) -> Response | None:
        """Before each request: who asks, and may they; and was an unsafe request by cookie sent from our own page."""
        g.session = self._current_session()
        if request.endpoint is None:
            return None
        view = current_app.view_functions[request.endpoint]
        roles: tuple[str, ...] | None = getattr(view, "roles", None)
        if request.endpoint == "static" or roles == ():
            return None
        assert roles is not None, f"{request.endpoint} says neither @allow nor @public"
        if g.session is None:
            if request.path.startswith(API):
                raise Problem(401, "not_signed_in", "请先登录。", headers={"WWW-Authenticate": "Bearer"})
            wanted = request.full_path.rstrip("?") if request.method == "GET" else "/"
            answer = redirect(url_for("signin.page", next=wanted))
            assert isinstance(answer, Response)
            return answer
        if request.method not in SAFE_METHODS and g.session.by_cookie:
            _check_csrf(csrf_token())
        if not set(roles) & set(g.session.user.roles):
            self._audit.note(_actor(g.session.user), "refused", what=f"没有权限：{request.url_rule}")
            raise Problem(403, "not_allowed", "您的账号不能做这一步。需要的话，请找有权限的同事。")
        return None

    def _current_session(self) -> Session | None:
        authorization = request.headers.get("Authorization", "")
        if authorization:
            scheme, _, token = authorization.partition(" ")
            return self.session(token.strip(), by_cookie=False) if scheme.lower() == "bearer" else None
        token = request.cookies.get(self.cookie, "")
        return self.session(token, by_cookie=True) if token else None

    def _note_wrong(self, account: Mapping[str, Any] | None, now: datetime) -> None:
        if account is not None:
            what = "密码不对" if account.get("active", True) else "账号已停用"
            self._audit.note(_actor(_user(account)), "refused", what=what)
        elif not self._audit.has("", "refused", None, since=now - STRANGER_EVERY):
            # Not what was typed as a name: it may well be a password.
            self._audit.note(Actor("", "", ""), "refused", what="没有这个账号")

    def _count_wrong(self, who: str, wrong_before: int, now: datetime) -> None:
        wrong = wrong_before + 1
        wait = min(timedelta(seconds=10 * 2 ** (wrong - TRIES)), LONGEST_WAIT) if wrong >= TRIES else timedelta()
        with self._database.writing() as db:
            # Whoever tries names at random fills no disk.
            db.execute("DELETE FROM throttles WHERE until < ?", (rfc3339(now - FORGOTTEN_AFTER),))
            db.execute(
                "INSERT INTO throttles (who, wrong, until) VALUES (?, ?, ?) "
                "ON CONFLICT (who) DO UPDATE SET wrong = excluded.wrong, until = excluded.until",
                (who, wrong, rfc3339(now + wait)),
            )


def current_user() -> User:
    """Who asks; only in views that `@allow` somebody."""
    assert g.session is not None
    user: User = g.session.user
    return user


def signed_in() -> User | None:
    session: Session | None = g.get("session")
    return session.user if session is not None else None


def session_began() -> datetime:
    """When whoever asks signed in; only in views that `@allow` somebody."""
    assert g.session is not None
    began: datetime = g.session.expires_at - LIFETIME
    return began


def csrf_token() -> str:
    """What a form of ours must send back: bound to the session, or before sign-in to a cookie of its own."""
    session: Session | None = g.get("session")
    if session is not None:
        return hmac.digest(session.token_hash.encode(), b"csrf", hashlib.sha256).hex()
    if "form_secret" not in g:
        signin: SignIn = current_app.extensions["signin"]
        known = request.cookies.get(signin.form_cookie, "")
        g.form_secret = known if len(known) == 32 else signin.form_secret()
    return str(g.form_secret)


def _keep_form_cookie(answer: Response) -> Response:
    secret = g.get("form_secret")
    name = current_app.extensions["signin"].form_cookie
    if secret is not None and request.cookies.get(name) != secret:
        answer.set_cookie(name, secret, httponly=True, samesite="Strict", secure=request.is_secure)
    return answer


def _check_csrf(expected: str) -> None:
    sent = request.headers.get("X-CSRF-Token") or request.form.get("csrf", "")
    if not hmac.compare_digest(sent.encode(), expected.encode()):
        raise Problem(403, "form_too_old", "这一页放得太久或不是从本站打开的。请退回、刷新后再提交，填过的草稿还在。")


def _pages(signin: SignIn) -> Blueprint:
    pages = Blueprint("signin", __name__)

    @pages.get("/signin")
    @public
    def page() -> Response | str:
        if g.session is not None:
            answer = redirect(_local(request.args.get("next", "/")))
            assert isinstance(answer, Response)
            return answer
        return render_template("signin.html", username="", problem=None, next=_local(request.args.get("next", "/")))

    @pages.post("/signin")
    @public
    def enter() -> Response:
        _check_csrf(request.cookies.get(signin.form_cookie) or "no cookie")
        username = request.form.get("username", "").strip()
        wanted = _local(request.form.get("next", "/"))
        try:
            token, _ = signin.sign_in(username, request.form.get("password", ""), request.remote_addr or "")
        except Problem as problem:
            page = render_template("signin.html", username=username, problem=problem, next=wanted)
            answer = make_response(page, problem.status)
            answer.headers.update(problem.headers)
            return answer
        answer = make_response(redirect(wanted))
        signin.set_cookie(answer, token)
        return answer

    @pages.post("/signout")
    @public
    def leave() -> Response:
        if g.session is not None:
            _check_csrf(csrf_token())
            signin.leave(g.session, request.cookies.get(signin.cookie, ""))
        answer = make_response(redirect(url_for("signin.page")))
        answer.delete_cookie(signin.cookie)
        return answer

    return pages


def _api(signin: SignIn) -> Blueprint:
    api = Blueprint("signin_api", __name__, url_prefix="/api/v1")
    credentials = {
        "type": "object",
        "required": ["username", "password"],
        "properties": {"username": {"type": "string"}, "password": {"type": "string"}},
    }

    @api.post("/session")
    @public
    @operation(summary="Sign in", tag="session", request=credentials, responses={201: _SIGNED_IN})
    def enter() -> tuple[dict[str, Any], int]:
        body = json_body(credentials)
        token, session = signin.sign_in(body["username"], body["password"], request.remote_addr or "")
        return {"token": token, "user": _told(session.user), "expires_at": rfc3339(session.expires_at)}, 201

    @api.get("/session")
    @public
    @operation(summary="Who is signed in", tag="session", responses={200: _WHO})
    def look() -> dict[str, Any]:
        if g.session is None:
            raise Problem(401, "not_signed_in", "请先登录。", headers={"WWW-Authenticate": "Bearer"})
        return {"user": _told(g.session.user), "expires_at": rfc3339(g.session.expires_at)}

    @api.delete("/session")
    @public
    @operation(summary="Sign out", tag="session", responses={204: None})
    def leave() -> tuple[str, int]:
        if g.session is not None:
            if g.session.by_cookie:
                _check_csrf(csrf_token())
                signin.leave(g.session, request.cookies.get(signin.cookie, ""))
            else:
                signin.leave(g.session, request.headers.get("Authorization", "").partition(" ")[2].strip())
        return "", 204

    return api


_WHO: dict[str, Any] = {
    "type": "object",
    "required": ["user", "expires_at"],
    "properties": {
        "user": {
            "type": "object",
            "required": ["username", "name", "roles", "department"],
            "properties": {
                "username": {"type": "string"},
                "name": {"type": "string"},
                "roles": {"type": "array", "items": {"type": "string"}},
                "department": {"type": ["string", "null"]},
            },
        },
        "expires_at": {"type": "string", "format": "date-time"},
    },
}
_SIGNED_IN: dict[str, Any] = {
    **_WHO,
    "required": ["token", *_WHO["required"]],
    "properties": {"token": {"type": "string"}, **_WHO["properties"]},
}


def _told(user: User) -> dict[str, Any]:
    return {
        "username": user.username,
        "name": user.name,
        "roles": list(user.roles),
        "department": user.department,
    }


def _actor(user: User) -> Actor:
    return Actor(user.username, user.name, user.roles[0] if user.roles else "")


def _user(account: Mapping[str, Any]) -> User:
    return User(
        account["username"],
        account["name"],
        tuple(account["roles"]),
        account.get("department"),
        account.get("title"),
    )


def _password_fits(known: str, password: str) -> bool:
    with _ONE_AT_A_TIME:
        try:
            return _HASHER.verify(known, password[:1000])
        except (VerificationError, InvalidHashError, UnicodeEncodeError):
            return False


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _local(path: str) -> str:
    """A path on this site, or the front page: nobody is sent elsewhere by a link to our sign-in."""
    parts = urlsplit(path)
    safe = path.startswith("/") and not path.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return path if safe else "/"
