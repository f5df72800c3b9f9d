"""The WSGI app: who asks, which database is meant, and the server's own answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from werkzeug.exceptions import ClientDisconnected, HTTPException, RequestEntityTooLarge
from werkzeug.wrappers import Request, Response

from sync.peer import Forbidden, NotBuilt, NotFound, PeerError, Unauthorized, Writer
from sync.served import Database, Folder
from sync.wsgi import routes
from sync.wsgi.access import ANONYMOUS, admitted_by_security
from sync.wsgi.asked import integer, only, segments
from sync.wsgi.call import DatabaseCall
from sync.wsgi.responses import json_answer, pack
from sync.wsgi.seats import Seats

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

VERSION: Final = "3.4.3"
MAX_BODY_BYTES: Final = 16 << 20

Authenticate = Callable[["WSGIEnvironment"], Writer | None]
Admits = Callable[[Database, Writer], bool]
MayCreate = Callable[[Writer, str], bool]


class CouchApp:
    """Serves every database of a folder, each to those whom `admits` lets in.

    `authenticate` says who asks: None for nobody in particular, `Unauthorized` (401) or `BadRequest` (400)
    for credentials that are wrong or malformed. Who is not admitted gets the same 403 for databases that
    exist and that do not. `feed_seats` is how many requests may wait for changes at the same time; the others
    are answered at once. `max_body_bytes` bounds what is read into memory, `max_file_bytes` files that are
    written to the disk piece by piece.
    """

    def __init__(
        self,
        databases: Folder,
        *,
        authenticate: Authenticate,
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
            response = json_answer(problem.status, {"error": problem.code, "reason": problem.reason})
            response.headers.extend(getattr(problem, "headers", {}))
        except (RequestEntityTooLarge, ClientDisconnected) as problem:
            response = json_answer(problem.code or 400, {"error": "bad_request", "reason": str(problem.description)})
        except HTTPException as problem:
            response = json_answer(problem.code or 500, {"error": "bad_request", "reason": str(problem.description)})
        response.headers["Server"] = f"Yizhan (CouchDB/{VERSION} API)"
        response.headers.setdefault("Cache-Control", "must-revalidate")
        pack(request, response)
        return response(environ, start_response)

    def _answer(self, request: Request) -> Response:
        path = segments(request)
        writer = self._authenticate(request.environ) or ANONYMOUS
        if not path:
            only(request, "GET")
            welcome = {"couchdb": "Welcome", "version": VERSION, "features": [], "vendor": {"name": "Yizhan"}}
            return json_answer(200, welcome)
        if path[0][:1] == "_":
            return self._of_server(request, path, writer)
        if writer is ANONYMOUS:
            raise Unauthorized("You are not a server admin.")
        name, rest = path[0], path[1:]
        store = self._databases.existing(name)
        admitted = store is not None and self._admits(store, writer)
        if not rest and request.method in ("PUT", "DELETE") and self._may_create(writer, name):
            return self._create_or_delete(request.method, name, exists=store is not None)
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

    def _of_server(self, request: Request, path: Sequence[str], writer: Writer) -> Response:
        match path:
            case ["_up"]:
                only(request, "GET")
                return json_answer(200, {"status": "ok", "seeds": {}})
            case ["_session"]:
                return self._session(request, writer)
        if writer is ANONYMOUS:
            raise Unauthorized("You are not authorized to access this server.")
        match path:
            case ["_all_dbs"]:
                only(request, "GET")
                return json_answer(200, self._visible(writer))
            case ["_uuids"]:
                only(request, "GET")
                count = min(integer(request, "count", 1), 1000)
                bits = self._databases.random.getrandbits
                answer = json_answer(200, {"uuids": [f"{bits(128):032x}" for _ in range(count)]})
                answer.headers["Cache-Control"] = "no-cache"
                return answer
        raise NotBuilt(f"{path[0][:60]} is left out here: this server keeps and replicates documents.")

    def _session(self, request: Request, writer: Writer) -> Response:
        if request.method != "GET":
            raise NotBuilt("There is no cookie session here: send the credentials with each request.")
        context = {"name": writer.name or None, "roles": sorted(writer.roles)}
        info = {"authentication_handlers": ["default"]} | ({"authenticated": "default"} if writer.name else {})
        return json_answer(200, {"ok": True, "userCtx": context, "info": info})

    def _visible(self, writer: Writer) -> list[str]:
        names = self._databases.names()
        if writer.is_county:
            return names
        stores = ((name, self._databases.existing(name)) for name in names)
        return [name for name, store in stores if store is not None and self._admits(store, writer)]

    def _create_or_delete(self, method: str, name: str, *, exists: bool) -> Response:
        if method == "DELETE":
            self._databases.delete(name)
            return json_answer(200, {"ok": True})
        if exists:
            raise PeerError(
                "The database could not be created, the file already exists.", code="file_exists", status=412
            )
        self._databases.open(name)
        return json_answer(201, {"ok": True})
