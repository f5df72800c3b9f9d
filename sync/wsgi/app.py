"""The WSGI app: who asks, which database is meant, and what happens when something goes wrong."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Request, Response

from sync.peer import Forbidden, NotFound, PeerError, Unauthorized, Writer
from sync.served import Database, Folder
from sync.wsgi import routes, server
from sync.wsgi.access import ANONYMOUS, admitted_by_security
from sync.wsgi.asked import segments
from sync.wsgi.call import DatabaseCall
from sync.wsgi.responses import json_answer, pack
from sync.wsgi.seats import Seats
from sync.wsgi.server import VERSION
from sync.wsgi.sessions import COOKIE, CookieSessions, give_cookie, session

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

MAX_BODY_BYTES: Final = 16 << 20

Authenticate = Callable[["WSGIEnvironment"], Writer | None]
Admits = Callable[[Database, Writer], bool]
MayCreate = Callable[[Writer, str], bool]

_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,36}")

_log = logging.getLogger(__name__)


class CouchApp:
    """Serves every database of a folder, each to those whom `admits` lets in.

    `authenticate` says who asks: None for nobody in particular, `Unauthorized` (401) or `BadRequest` (400)
    for credentials that are wrong or malformed. With `sessions`, a cookie says it too, where no other
    credentials come along. Who is not admitted gets the same 403 for databases that exist and that do not.
    `feed_seats` is how many requests may wait for changes at the same time; the others are answered at once.
    `max_body_bytes` bounds what is read into memory, `max_file_bytes` files that are written to the disk piece
    by piece.
    """

    def __init__(
        self,
        databases: Folder,
        *,
        authenticate: Authenticate,
        sessions: CookieSessions | None = None,
        admits: Admits | None = None,
        may_create: MayCreate | None = None,
        feed_seats: int = 8,
        max_wait_s: float = 60.0,
        max_body_bytes: int = MAX_BODY_BYTES,
        max_file_bytes: int | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._databases = databases
        self._authenticate = authenticate
        self._sessions = sessions
        self._admits = admits or admitted_by_security
        self._may_create = may_create or (lambda writer, name: False)
        self._max_body_bytes = max_body_bytes
        self._max_file_bytes = max_file_bytes or max_body_bytes
        self.seats = Seats(feed_seats, max_wait_s=max_wait_s, monotonic=monotonic)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """One request."""
        request = Request(environ)
        try:
            response = self._answer(request)
        except PeerError as problem:
            response = _problem(problem.status, problem.code, problem.reason)
            response.headers.extend(getattr(problem, "headers", {}))
        except HTTPException as problem:
            status = problem.code or 500
            response = _problem(status, "too_large" if status == 413 else "bad_request", str(problem.description))
        except Exception:
            _log.exception("%s %s", request.method, request.path[:200])
            response = _problem(500, "internal_server_error", "Something is wrong here; the log says what.")
        response.headers["Server"] = f"Yizhan (CouchDB/{VERSION} API)"
        if _REQUEST_ID.fullmatch(asked := request.headers.get("X-Couch-Request-ID", "")):
            # As CouchDB 3.5 does: who asks knows this answer from one to another question.
            response.headers["X-Couch-Request-ID"] = asked
        response.headers.setdefault("Cache-Control", "must-revalidate")
        pack(request, response)
        return response(environ, start_response)

    def _answer(self, request: Request) -> Response:
        path = segments(request)
        writer, how, renew = self._asking(request)
        response = self._answer_to(request, path, writer, how)
        if renew and self._sessions is not None and "Set-Cookie" not in response.headers:
            give_cookie(request, response, self._sessions, writer)
        return response

    def _asking(self, request: Request) -> tuple[Writer, str, bool]:
        """Who asks, which handler knows them, and whether their cookie is to be renewed."""
        writer = self._authenticate(request.environ)
        if writer is not None:
            scheme = request.headers.get("Authorization", "").partition(" ")[0]
            return writer, "jwt" if scheme.lower() == "bearer" else "default", False
        cookie = request.cookies.get(COOKIE) if self._sessions is not None else None
        if cookie and self._sessions is not None and (found := self._sessions.writer(cookie)) is not None:
            return found[0], "cookie", found[1]
        return ANONYMOUS, "default", False

    def _answer_to(self, request: Request, path: Sequence[str], writer: Writer, how: str) -> Response:
        if not path:
            return server.welcome(request)
        if path[0][:1] == "_":
            return self._of_server(request, path, writer, how)
        if writer is ANONYMOUS:
            raise Unauthorized("You are not authorized to access this db.")
        name, rest = path[0], path[1:]
        store = self._databases.existing(name)
        admitted = store is not None and self._admits(store, writer)
        if not rest and request.method in ("PUT", "DELETE") and self._may_create(writer, name):
            if request.method == "DELETE":
                return server.delete(request, self._databases, name)
            return server.create(request, self._databases, name)
        if not admitted:
            if store is None and writer.is_county:
                raise NotFound("Database does not exist.")
            raise Forbidden("You are not allowed to access this db.")
        assert store is not None
        call = DatabaseCall(
            store,
            writer,
            request,
            random=self._databases.random,
            seats=self.seats,
            max_body_bytes=self._max_body_bytes,
            max_file_bytes=self._max_file_bytes,
        )
        return routes.answer(call, rest)

    def _of_server(self, request: Request, path: Sequence[str], writer: Writer, how: str) -> Response:
        match path:
            case ["_up"]:
                return server.up(request)
            case ["_session"]:
                return session(request, writer, self._sessions, how=how)
        if writer is ANONYMOUS:
            raise Unauthorized("You are not authorized to access this server.")
        match path:
            case ["_all_dbs"]:
                return server.all_dbs(request, self._visible(writer))
            case ["_dbs_info"]:
                return server.dbs_info(request, self._visible(writer), self._databases, self._max_body_bytes)
            case ["_uuids"]:
                return server.uuids(request, self._databases)
            case [name] if request.method == "PUT" and name not in server.SYSTEM_DATABASES:
                return server.create(request, self._databases, name)
        raise server.left_out(path[0])

    def _visible(self, writer: Writer) -> list[str]:
        names = self._databases.names()
        if writer.is_county:
            return names
        return [name for name in names if self._is_let_into(name, writer)]

    def _is_let_into(self, name: str, writer: Writer) -> bool:
        try:
            store = self._databases.existing(name)
            return store is not None and self._admits(store, writer)
        except PeerError:
            # A damaged file lets nobody in, and hides no other.
            return False


def _problem(status: int, code: str, reason: str) -> Response:
    return json_answer(status, {"error": code, "reason": reason})
