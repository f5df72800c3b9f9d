"""CouchDB's URLs over the stores of a folder, as a WSGI app."""

from __future__ import annotations

import itertools
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

from werkzeug.exceptions import ClientDisconnected, HTTPException, RequestEntityTooLarge
from werkzeug.wrappers import Request, Response

from sync.bodies import check_id, json_bytes, parse_json
from sync.peer import (
    BadRequest,
    Change,
    Conflict,
    Document,
    Forbidden,
    NotBuilt,
    NotFound,
    Peer,
    PeerError,
    StorageFull,
    Style,
    TooLarge,
    Unauthorized,
    Writer,
    WriteRule,
    Written,
)
from sync.revisions import BadRevision, RevisionTree, parse_revision, path_of, revisions_field
from sync.served import Database, Folder, Opened, Revision

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

VERSION: Final = "3.4.3"
MAX_BODY_BYTES: Final = 16 << 20
_WHOLE_UP_TO_BYTES: Final = 1 << 18
_GZIP_FROM_BYTES: Final = 512
_ROWS_AT_A_TIME: Final = 500
_DOCUMENTS_AT_A_TIME: Final = 100
_MEMBERS_LOCAL_BYTES: Final = 64 << 10

Authenticate = Callable[["WSGIEnvironment"], Writer | None]
Admits = Callable[[Database, Writer], bool]
MayCreate = Callable[[Writer, str], bool]

ANONYMOUS: Final = Writer("")


def admitted_by_security(store: Database, writer: Writer) -> bool:
    """CouchDB's membership: the county, and whom `_security` names or gives a role. An empty list admits
    nobody.
    """
    if writer.is_county:
        return True
    security = store.security()
    return any(_named(security.get(kind), writer) for kind in ("admins", "members"))


def _named(group: object, writer: Writer) -> bool:
    if not isinstance(group, dict):
        return False
    names, roles = group.get("names"), group.get("roles")
    return (isinstance(names, list) and writer.name in names and writer.name != "") or (
        isinstance(roles, list) and any(role in writer.roles for role in roles)
    )


class CouchApp:
    """Serves every database of a folder, each to those whom `admits` lets in.

    `authenticate` says who asks: None for nobody in particular, `Unauthorized` (401) or `BadRequest` (400)
    for credentials that are wrong or malformed. Who is not admitted gets the same 403 for databases that
    exist and that do not. `feed_seats` is how many requests may wait for changes at the same time; the others
    are answered at once.
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
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._databases = databases
        self._authenticate = authenticate
        self._admits = admits or admitted_by_security
        self._may_create = may_create or (lambda writer, name: False)
        self._seats = threading.BoundedSemaphore(feed_seats)
        self._max_wait_s = max_wait_s
        self._max_body_bytes = max_body_bytes
        self._monotonic = monotonic

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """One request."""
        request = Request(environ)
        try:
            response = self._answer(request)
        except PeerError as problem:
            response = _json(problem.status, {"error": problem.code, "reason": problem.reason})
        except (RequestEntityTooLarge, ClientDisconnected) as problem:
            response = _json(problem.code or 400, {"error": "bad_request", "reason": str(problem.description)})
        except HTTPException as problem:
            response = _json(problem.code or 500, {"error": "bad_request", "reason": str(problem.description)})
        response.headers["Server"] = f"Yizhan (CouchDB/{VERSION} API)"
        response.headers.setdefault("Cache-Control", "must-revalidate")
        _pack(request, response)
        return response(environ, start_response)

    def _answer(self, request: Request) -> Response:
        segments = _segments(request)
        writer = self._authenticate(request.environ) or ANONYMOUS
        if not segments:
            _only(request, "GET")
            welcome = {"couchdb": "Welcome", "version": VERSION, "features": [], "vendor": {"name": "Yizhan"}}
            return _json(200, welcome)
        if segments[0][:1] == "_":
            return self._of_server(request, segments, writer)
        if writer is ANONYMOUS:
            raise Unauthorized("You are not a server admin.")
        name, rest = segments[0], segments[1:]
        store = self._databases.existing(name)
        admitted = store is not None and self._admits(store, writer)
        if not rest and request.method in ("PUT", "DELETE") and self._may_create(writer, name):
            return self._create_or_delete(request.method, name, exists=store is not None)
        if not admitted:
            if store is None and writer.is_county:
                raise NotFound("Database does not exist.")
            raise Forbidden("You are not allowed to access this db.")
        assert store is not None
        return _DatabaseAnswers(self, store, writer, request).answer(rest)

    # The server's own.

    def _of_server(self, request: Request, segments: Sequence[str], writer: Writer) -> Response:
        match segments:
            case ["_up"]:
                _only(request, "GET")
                return _json(200, {"status": "ok", "seeds": {}})
            case ["_session"]:
                return self._session(request, writer)
        if writer is ANONYMOUS:
            raise Unauthorized("You are not authorized to access this server.")
        match segments:
            case ["_all_dbs"]:
                _only(request, "GET")
                return _json(200, self._visible(writer))
            case ["_uuids"]:
                _only(request, "GET")
                count = min(_integer(request, "count", 1), 1000)
                bits = self._databases.random.getrandbits
                answer = _json(200, {"uuids": [f"{bits(128):032x}" for _ in range(count)]})
                answer.headers["Cache-Control"] = "no-cache"
                return answer
        raise NotBuilt(f"{segments[0][:60]} is left out here: this server keeps and replicates documents.")

    def _session(self, request: Request, writer: Writer) -> Response:
        if request.method != "GET":
            raise NotBuilt("There is no cookie session here: send the credentials with each request.")
        context = {"name": writer.name or None, "roles": sorted(writer.roles)}
        info = {"authentication_handlers": ["default"]} | ({"authenticated": "default"} if writer.name else {})
        return _json(200, {"ok": True, "userCtx": context, "info": info})

    def _visible(self, writer: Writer) -> list[str]:
        names = self._databases.names()
        if writer.is_county:
            return names
        stores = ((name, self._databases.existing(name)) for name in names)
        return [name for name, store in stores if store is not None and self._admits(store, writer)]

    def _create_or_delete(self, method: str, name: str, *, exists: bool) -> Response:
        if method == "DELETE":
            self._databases.delete(name)
            return _json(200, {"ok": True})
        if exists:
            raise PeerError(
                "The database could not be created, the file already exists.", code="file_exists", status=412
            )
        self._databases.open(name)
        return _json(201, {"ok": True})

    # What the answers about a database need from the server.

    def body(self, request: Request) -> bytes:
        """The whole body of a request, unpacked; bounded on both sides of the unpacking."""
        limit = self._max_body_bytes
        if (request.content_length or 0) > limit:
            raise TooLarge(f"The request is longer than {limit} bytes.")
        request.max_content_length = limit
        data = request.get_data(cache=False)
        if request.headers.get("Content-Encoding", "identity").lower() != "gzip":
            return data
        unpack = zlib.decompressobj(wbits=31)
        try:
            plain = unpack.decompress(data, limit + 1)
        except zlib.error as problem:
            raise BadRequest(f"The body is not gzip: {problem}") from problem
        if len(plain) > limit:
            raise TooLarge(f"The request is longer than {limit} bytes.")
        if not unpack.eof:
            raise BadRequest("The gzip body breaks off.")
        return plain

    def take_seat(self) -> bool:
        """Whether one more request may wait for changes now."""
        return self._seats.acquire(blocking=False)

    def leave_seat(self) -> None:
        """Make room for the next one."""
        self._seats.release()

    def wait_times(self, timeout_ms: int | None, heartbeat_ms: int | None) -> Iterator[float]:
        """The pauses of a waiting request: short ones, so that commits of other processes are seen too."""
        total = self._max_wait_s if timeout_ms is None else min(timeout_ms / 1000, self._max_wait_s)
        end = self._monotonic() + total
        step = min(1.0, heartbeat_ms / 1000) if heartbeat_ms else 1.0
        while (left := end - self._monotonic()) > 0:
            yield min(step, left)


class _DatabaseAnswers:
    """The answers to one request about one database, for somebody who is admitted to it."""

    def __init__(self, app: CouchApp, store: Database, writer: Writer, request: Request) -> None:
        self.app = app
        self.store = store
        self.writer = writer
        self.request = request
        self.args = request.args

    def answer(self, rest: Sequence[str]) -> Response:
        handlers: dict[str, Callable[[], Response]] = {
            "_all_docs": self._all_docs,
            "_bulk_docs": self._bulk_docs,
            "_bulk_get": self._bulk_get,
            "_changes": self._changes,
            "_compact": self._compact,
            "_ensure_full_commit": self._ensure_full_commit,
            "_missing_revs": self._missing_revs,
            "_revs_diff": self._revs_diff,
            "_revs_limit": self._revs_limit,
            "_security": self._security,
        }
        match rest:
            case [] | [""]:
                return self._database()
            case [name] if name in handlers:
                return handlers[name]()
            case ["_local", *id_] if id_ and id_[0]:
                return self._local("/".join(id_))
            case ["_design", name, *more] if name:
                if more and more[0][:1] == "_":
                    raise NotBuilt("Design functions are not run here; design documents are kept and replicated.")
                return self._of_document(f"_design/{name}", more)
            case [id_, *more]:
                if id_.startswith("_local/"):
                    return self._local(id_.removeprefix("_local/"))
                if id_[:1] == "_" and not id_.startswith("_design/"):
                    raise NotBuilt(f"{id_[:60]} is left out here: this server keeps and replicates documents.")
                return self._of_document(check_id(id_), more)
        raise AssertionError("every path was matched")

    def _of_document(self, id_: str, attachment: Sequence[str]) -> Response:
        if attachment:
            return self._attachment(id_, "/".join(attachment))
        match self.request.method:
            case "GET" | "HEAD":
                return self._document(id_)
            case "PUT":
                return self._put(id_)
            case "DELETE":
                found = self.store.revision(id_)
                if found is None or found.deleted:
                    raise NotFound("missing" if found is None else "deleted")
                return self._written(self._edit({"_id": id_, "_deleted": True, **self._named_rev()}), 200)
        raise _not_allowed("GET, HEAD, PUT, DELETE")

    # The database.

    def _database(self) -> Response:
        if self.request.method == "POST":
            doc = self._object()
            doc.setdefault("_id", self._new_id())
            return self._written(self._edit(doc), 201)
        if self.request.method in ("PUT", "DELETE"):
            raise Forbidden("You are not a server admin.")
        _only(self.request, "GET")
        return _json(200, self.store.info())

    def _security(self) -> Response:
        if self.request.method == "PUT":
            self._for_admins()
            self.store.set_security(self._object())
            return _json(200, {"ok": True})
        _only(self.request, "GET")
        return _json(200, self.store.security())

    def _revs_limit(self) -> Response:
        if self.request.method == "PUT":
            self._for_admins()
            limit = parse_json(self.app.body(self.request))
            if type(limit) is not int:
                raise BadRequest("`limit` must be an integer")
            self.store.set_revs_limit(limit)
            return _json(200, {"ok": True})
        _only(self.request, "GET")
        return _json(200, self.store.revs_limit())

    def _compact(self) -> Response:
        _only(self.request, "POST")
        self._for_admins()
        self.store.compact()
        return _json(202, {"ok": True})

    def _ensure_full_commit(self) -> Response:
        _only(self.request, "POST")
        self.store.ensure_full_commit()
        return _json(201, {"ok": True, "instance_start_time": "0"})

    def _is_admin(self) -> bool:
        return self.writer.is_county or _named(self.store.security().get("admins"), self.writer)

    def _for_admins(self) -> None:
        if not self._is_admin():
            raise Forbidden("You are not a db or server admin.")

    # Many documents.

    def _all_docs(self) -> Response:
        keys: object = None
        if self.request.method == "POST":
            keys = self._object().get("keys")
        else:
            _only(self.request, "GET")
        if keys is None and "keys" in self.args:
            keys = _parameter(self.request, "keys")
        total = self.store.info()["doc_count"]
        if keys is not None:
            if not isinstance(keys, list):
                raise BadRequest("`keys` body member must be an array.")
            head = json_bytes({"total_rows": total, "offset": None})
            return _stream(_listed(head[:-1] + b',"rows":[', self._rows_of(self._window(keys)), b"]}"))
        head = json_bytes({"total_rows": total, "offset": self._offset()})
        return _stream(_listed(head[:-1] + b',"rows":[', self._rows_between(), b"]}"))

    def _window(self, keys: list[object]) -> list[object]:
        if _flag(self.request, "descending"):
            keys = keys[::-1]
        keys = keys[_integer(self.request, "skip", 0) :]
        return keys[: _integer(self.request, "limit", len(keys))]

    def _offset(self) -> int:
        start, _, _ = self._bounds()
        skip = _integer(self.request, "skip", 0)
        if start is None or _flag(self.request, "descending"):
            return skip
        return self.store.count_before(start) + skip

    def _bounds(self) -> tuple[str | None, str | None, bool]:
        """Lowest id, highest id, whether that is included; the highest is "" when nothing can match."""
        first = _parameter(self.request, "startkey", "start_key", "key")
        last = _parameter(self.request, "endkey", "end_key", "key")
        included = _flag(self.request, "inclusive_end", default=True)
        descending = _flag(self.request, "descending")
        low, high = (last, first) if descending else (first, last)
        # Ids are strings; in CouchDB's order numbers and the like come before all strings, arrays and objects
        # after.
        if isinstance(low, list | dict) or (high is not None and not isinstance(high, str | list | dict)):
            return None, "", False
        return (
            low if isinstance(low, str) else None,
            high if isinstance(high, str) else None,
            included or descending,
        )

    def _rows_between(self) -> Iterator[bytes]:
        low, high, included = self._bounds()
        descending = _flag(self.request, "descending")
        excluded = low if descending and not _flag(self.request, "inclusive_end", default=True) else None
        left = _integer(self.request, "limit", 1 << 62)
        skip = _integer(self.request, "skip", 0)
        while left > 0:
            found = self.store.winners(
                low,
                high,
                limit=min(left, _ROWS_AT_A_TIME),
                skip=skip,
                descending=descending,
                end_included=included,
            )
            yield from (self._row(one.id, one) for one in found if one.id != excluded)
            left -= len(found)
            if len(found) < _ROWS_AT_A_TIME:
                return
            skip = 1
            low, high, included = (low, found[-1].id, True) if descending else (found[-1].id, high, included)

    def _rows_of(self, keys: Sequence[object]) -> Iterator[bytes]:
        for first in range(0, len(keys), _ROWS_AT_A_TIME):
            some = keys[first : first + _ROWS_AT_A_TIME]
            found = self.store.winners_of([key for key in some if isinstance(key, str)])
            for key in some:
                one = found.get(key) if isinstance(key, str) else None
                yield self._row(one.id, one) if one else json_bytes({"key": key, "error": "not_found"})

    def _row(self, id_: str, one: Revision) -> bytes:
        value: Document = {"rev": one.rev} | ({"deleted": True} if one.deleted else {})
        row = json_bytes({"id": id_, "key": id_, "value": value})
        if not _flag(self.request, "include_docs"):
            return row
        return row[:-1] + b',"doc":' + (b"null" if one.deleted else self._whole(one)) + b"}"

    def _whole(self, one: Revision) -> bytes:
        """A document in a list, with what was asked for beside it."""
        more: Document = {}
        if _flag(self.request, "conflicts") and (history := self.store.history(one.id)):
            more |= _conflicts(history[0])
        if one.attachments and _flag(self.request, "attachments"):
            more["_attachments"] = self.store.inlined(one.attachments)
        return one.bytes(more)

    def _bulk_docs(self) -> Response:
        _only(self.request, "POST")
        body = self._object()
        docs, new_edits = body.get("docs"), body.get("new_edits", True)
        if not isinstance(docs, list) or not all(isinstance(doc, dict) for doc in docs):
            raise BadRequest("`docs` parameter must be an array of documents.")
        if not isinstance(new_edits, bool):
            raise BadRequest("`new_edits` must be a boolean.")
        if new_edits:
            for doc in docs:
                if "_id" not in doc:
                    doc["_id"] = self._new_id()
        written = self._peer().bulk_docs(docs, new_edits=new_edits)
        rows = [_written_row(row) for row in written if new_edits or row.error]
        return _json(201, rows)

    def _bulk_get(self) -> Response:
        _only(self.request, "POST")
        wanted = self._object().get("docs")
        if not isinstance(wanted, list) or not all(isinstance(one, dict) for one in wanted):
            raise BadRequest("Missing JSON list of 'docs'.")
        asked: list[tuple[str, list[str] | None]] = []
        for one in wanted:
            id_, rev = one.get("id"), one.get("rev")
            if not isinstance(id_, str) or not isinstance(rev, str | None):
                raise BadRequest("Every entry of `docs` needs an `id`.")
            asked.append((id_, None if rev is None else [rev]))
        return _stream(_listed(b'{"results":[', self._bulk_got(asked), b"]}"))

    def _bulk_got(self, asked: Sequence[tuple[str, Sequence[str] | None]]) -> Iterator[bytes]:
        latest = _flag(self.request, "latest")
        for first in range(0, len(asked), _DOCUMENTS_AT_A_TIME):
            some = asked[first : first + _DOCUMENTS_AT_A_TIME]
            for (id_, _), found in zip(some, self.store.opened(some, latest=latest), strict=True):
                rows = [
                    b'{"error":' + json_bytes(_not_found(id_, one.asked)) + b"}"
                    if one.revision is None
                    else b'{"ok":' + self._opened(one.revision, one.path) + b"}"
                    for one in found or [Opened("undefined", None)]
                ]
                yield b'{"id":' + json_bytes(id_) + b',"docs":[' + b",".join(rows) + b"]}"

    def _opened(self, one: Revision, path: Sequence[str]) -> bytes:
        """A revision with `_revisions` and attachments as asked."""
        more: Document = {"_revisions": revisions_field(path)} if self._wants_revs() else {}
        if one.attachments and _flag(self.request, "attachments"):
            more["_attachments"] = self.store.inlined(one.attachments)
        return one.bytes(more)

    def _wants_revs(self) -> bool:
        return _flag(self.request, "revs")

    def _revs_diff(self) -> Response:
        _only(self.request, "POST")
        answer: Document = {}
        for id_, found in self.store.revs_diff(self._asked_revs()).items():
            answer[id_] = {"missing": found.missing}
            if found.possible_ancestors:
                answer[id_]["possible_ancestors"] = found.possible_ancestors
        return _json(200, answer)

    def _missing_revs(self) -> Response:
        _only(self.request, "POST")
        found = self.store.revs_diff(self._asked_revs())
        return _json(200, {"missing_revs": {id_: one.missing for id_, one in found.items()}})

    def _asked_revs(self) -> Document:
        asked = self._object()
        for revs in asked.values():
            if not isinstance(revs, list):
                raise BadRequest("Every id must have an array of revisions.")
        return asked

    # The changes feed.

    def _changes(self) -> Response:
        doc_ids = self._filtered_ids()
        feed = self.args.get("feed", "normal")
        since = self.request.headers.get("Last-Event-ID") or self.args.get("since", "0")
        style: Style = "all_docs" if self.args.get("style") == "all_docs" else "main_only"
        limit = max(1, _integer(self.request, "limit", 1 << 62))
        walk = _ChangesWalk(self, since.strip('"'), style, doc_ids, limit)
        match feed:
            case "normal":
                return _stream(walk.normal())
            case "longpoll" | "continuous":
                timeout = _integer(self.request, "timeout", -1)
                beat = _heartbeat(self.request)
                waits = self.app.wait_times(None if timeout < 0 else timeout, beat)
                if not self.app.take_seat():
                    # All seats are taken: an answer at once, and the client asks again.
                    waits = iter(())
                    pieces = walk.waiting(waits, continuous=feed == "continuous", beats=bool(beat))
                    return _stream(pieces)
                pieces = walk.waiting(waits, continuous=feed == "continuous", beats=bool(beat))
                response = Response(_Seated(pieces, self.app.leave_seat), content_type="application/json")
                response.headers["X-Accel-Buffering"] = "no"
                return response
        raise NotBuilt(f"feed={feed[:40]} is left out here.")

    def _filtered_ids(self) -> list[str] | None:
        name = self.args.get("filter")
        body = self._object() if self.request.method == "POST" and self.request.content_length else {}
        if self.request.method != "POST":
            _only(self.request, "GET")
        if name is None:
            return None
        if name != "_doc_ids":
            raise NotBuilt(f"The filter {name[:60]} is left out here; _doc_ids is there.")
        ids = body.get("doc_ids")
        if ids is None and "doc_ids" in self.args:
            ids = _parameter(self.request, "doc_ids")
        if not isinstance(ids, list) or not all(isinstance(id_, str) for id_ in ids):
            raise BadRequest("`doc_ids` filter parameter is not a list of doc ids.")
        return ids

    def change_row(self, change: Change) -> bytes:
        """One row of the feed, its document in it if asked for."""
        row: Document = {"seq": change.seq, "id": change.id, "changes": [{"rev": rev} for rev in change.revs]}
        if change.deleted:
            row["deleted"] = True
        data = json_bytes(row)
        if not _flag(self.request, "include_docs"):
            return data
        one = self.store.revision(change.id)
        return data[:-1] + b',"doc":' + (self._whole(one) if one else b"null") + b"}"

    # One document.

    def _document(self, id_: str) -> Response:
        if "open_revs" in self.args:
            return self._open_revs(id_)
        history = self.store.history(id_)
        rev = self.args.get("rev")
        if rev is not None:
            _checked(rev)
        if rev is not None and history and _flag(self.request, "latest"):
            rev = history[0].available_leaf_after(rev) or rev
        one = self.store.revision(id_, rev) if history else None
        if one is None or history is None:
            raise NotFound("missing")
        if one.deleted and rev is None:
            raise NotFound("deleted")
        tree, kept = history
        more: Document = {}
        meta = _flag(self.request, "meta")
        if self._wants_revs():
            more["_revisions"] = revisions_field(tree.path(one.rev))
        if meta or _flag(self.request, "revs_info"):
            more["_revs_info"] = _revs_info(tree, kept, one.rev)
        if meta or _flag(self.request, "conflicts"):
            more |= _conflicts(tree)
        if (meta or _flag(self.request, "deleted_conflicts")) and (deleted := tree.deleted_conflicts()):
            more["_deleted_conflicts"] = deleted
        if one.attachments and _flag(self.request, "attachments"):
            more["_attachments"] = self.store.inlined(one.attachments)
        response = Response(one.bytes(more), content_type="application/json")
        response.set_etag(one.rev)
        if not more and one.rev in self.request.if_none_match:
            return Response(status=304, headers={"ETag": f'"{one.rev}"'})
        return response

    def _open_revs(self, id_: str) -> Response:
        revs: list[str] | None = None
        if self.args["open_revs"] != "all":
            asked = _parameter(self.request, "open_revs")
            if not isinstance(asked, list):
                raise BadRequest("open_revs must be `all` or an array of revisions.")
            revs = [_checked(rev) for rev in asked]
        (found,) = self.store.opened([(id_, revs)], latest=_flag(self.request, "latest"))
        if revs is None and not found:
            raise NotFound("missing")
        rows = [
            b'{"missing":' + json_bytes(one.asked) + b"}"
            if one.revision is None
            else b'{"ok":' + self._opened(one.revision, one.path) + b"}"
            for one in found
        ]
        return Response(b"[" + b",".join(rows) + b"]", content_type="application/json")

    def _put(self, id_: str) -> Response:
        if (self.request.mimetype or "").startswith("multipart/"):
            raise NotBuilt("multipart/related is left out here: send attachments inline in the JSON.")
        doc = self._object()
        if doc.get("_id", id_) != id_:
            raise BadRequest("Document ID in the body is not the one in the URL.")
        doc["_id"] = id_
        if self.args.get("new_edits") == "false":
            if "_rev" not in doc and "_revisions" not in doc:
                raise BadRequest("new_edits=false needs a revision.")
            path = _path(doc)
            written = self._peer().bulk_docs([{**doc, "_rev": path[0]}], new_edits=False)[0]
            return self._written(_accepted(written), 201)
        named = self._named_rev()
        if named and doc.get("_rev", named["_rev"]) != named["_rev"]:
            raise BadRequest("Document rev from request body and query string have different values")
        return self._written(self._edit({**doc, **named}), 201)

    def _named_rev(self) -> Document:
        """The revision that a change says it follows, from the query or `If-Match`."""
        rev = self.args.get("rev") or self.request.headers.get("If-Match", "").strip('"')
        return {"_rev": _checked(rev)} if rev else {}

    def _edit(self, doc: Document) -> Written:
        return _accepted(self._peer().bulk_docs([doc])[0])

    def _written(self, written: Written, status: int) -> Response:
        response = _json(status, {"ok": True, "id": written.id, "rev": written.rev})
        response.headers["ETag"] = f'"{written.rev}"'
        return response

    def _attachment(self, id_: str, name: str) -> Response:
        if self.request.method in ("GET", "HEAD"):
            rev = self.args.get("rev")
            found = self.store.attachment(id_, name, rev=_checked(rev) if rev else None)
            if found is None:
                raise NotFound("Document is missing attachment" if self.store.get(id_, rev) else "missing")
            response = Response(found.data, content_type=found.content_type)
            response.set_etag(found.digest.removeprefix("md5-"))
            response.headers["Accept-Ranges"] = "none"
            response.headers["X-Content-Type-Options"] = "nosniff"
            # A file of somebody's making must not run as a page of this site.
            response.headers["Content-Security-Policy"] = "sandbox"
            return response
        named = self._named_rev()
        before = self.store.get(id_, named.get("_rev"))
        if before is None:
            if named or self.request.method == "DELETE":
                raise NotFound("missing") if not named else Conflict("Document update conflict.")
            before = {"_id": id_}
        elif not named:
            raise Conflict("Document update conflict.")
        files = dict(before.get("_attachments", {}))
        if self.request.method == "DELETE":
            if name not in files:
                raise NotFound("Document is missing attachment")
            del files[name]
        elif self.request.method == "PUT":
            kind = self.request.content_type or "application/octet-stream"
            files[name] = {"content_type": kind, "data": self.app.body(self.request)}
        else:
            raise _not_allowed("GET, HEAD, PUT, DELETE")
        doc = {**before, "_attachments": files} if files else {k: v for k, v in before.items() if k != "_attachments"}
        return self._written(self._edit(doc), 200 if self.request.method == "DELETE" else 201)

    def _local(self, id_: str) -> Response:
        match self.request.method:
            case "GET" | "HEAD":
                doc = self.store.local(id_)
                if doc is None:
                    raise NotFound("missing")
                return _json(200, doc)
            case "PUT":
                doc = self._object()
                if (self.request.content_length or 0) > _MEMBERS_LOCAL_BYTES and not self._is_admin():
                    # The write rule does not see local documents; they are for checkpoints.
                    raise TooLarge(f"A local document has at most {_MEMBERS_LOCAL_BYTES} bytes here.")
                rev = self.store.put_local(id_, {**doc, **self._local_rev()})
                return self._written(Written(f"_local/{id_}", rev), 201)
            case "DELETE":
                self.store.delete_local(id_)
                return self._written(Written(f"_local/{id_}", "0-0"), 200)
        raise _not_allowed("GET, PUT, DELETE")

    def _local_rev(self) -> Document:
        rev = self.args.get("rev")
        return {"_rev": rev} if rev else {}

    # Small things.

    def _peer(self) -> Peer:
        return self.store.as_writer(self.writer, None if self._is_admin() else _members_rule(self.store.rule))

    def _new_id(self) -> str:
        return f"{self.app._databases.random.getrandbits(128):032x}"

    def _object(self) -> Document:
        if self.request.mimetype not in ("application/json", "", "application/x-www-form-urlencoded"):
            raise PeerError("Content-Type must be application/json", code="bad_content_type", status=415)
        body = parse_json(self.app.body(self.request))
        if not isinstance(body, dict):
            raise BadRequest("Request body must be a JSON object")
        return body


class _ChangesWalk:
    """A walk along a changes feed in pages, so that a long one is never held whole."""

    def __init__(
        self, answers: _DatabaseAnswers, since: str, style: Style, doc_ids: Sequence[str] | None, limit: int
    ) -> None:
        self.answers = answers
        self.since: int | str = since
        self.style: Style = style
        self.doc_ids = doc_ids
        self.left = limit
        self.pending: int | None = 0
        self.descending = _flag(answers.request, "descending")
        # A bad `since` is answered as such, not in the middle of a list.
        self.page = self._next()

    def _next(self) -> list[Change]:
        size = self.left if self.descending or self.doc_ids is not None else min(self.left, _ROWS_AT_A_TIME)
        found = self.answers.store.changes(
            self.since,
            limit=min(size, 1 << 62),
            style=self.style,
            doc_ids=self.doc_ids,
            descending=self.descending,
        )
        self.since, self.pending = found.last_seq, found.pending
        self.left -= len(found.results)
        self.full = len(found.results) == size
        return found.results

    def rows(self) -> Iterator[bytes]:
        """The rows that there are now."""
        while True:
            yield from map(self.answers.change_row, self.page)
            if not self.full or self.left <= 0:
                return
            self.page = self._next()

    def end(self) -> bytes:
        return json_bytes({"last_seq": self.since, "pending": self.pending})

    def normal(self) -> Iterator[bytes]:
        yield from _listed(b'{"results":[\n', self.rows(), b"\n],\n", b",\n")
        yield self.end()[1:] + b"\n"

    def waiting(self, waits: Iterator[float], *, continuous: bool, beats: bool) -> Iterator[bytes]:
        """Longpoll: until there is something. Continuous: a line for each change, until the time is over."""
        if not continuous:
            yield b'{"results":[\n'
        first = True
        while True:
            found = False
            for row in self.rows():
                found = True
                if continuous:
                    yield row + b"\n"
                else:
                    yield row if first else b",\n" + row
                first = False
            if (found and not continuous) or self.left <= 0:
                break
            pause = next(waits, None)
            if pause is None:
                break
            if beats:
                yield b"\n"
            self.answers.store.wait_for_commit(pause)
            self.page = self._next()
        yield (self.end() if continuous else b"\n],\n" + self.end()[1:]) + b"\n"


def _members_rule(rule: WriteRule | None) -> WriteRule:
    """What holds for whoever is no admin besides the database's own rule: design documents are not theirs."""

    def with_design(document: Document, writer: Writer) -> None:
        if document["_id"].startswith("_design/"):
            raise Forbidden("You are not a db or server admin.")
        if rule is not None:
            rule(document, writer)

    return with_design


def _segments(request: Request) -> list[str]:
    """The path under this app, cut at its slashes before `%2F` is read as one: ids have slashes too."""
    raw = request.environ.get("REQUEST_URI") or request.environ.get("RAW_URI")
    if isinstance(raw, str) and raw:
        if "://" in raw.split("?", 1)[0]:
            raw = "/" + raw.split("://", 1)[1].partition("/")[2]
        path = raw.split("?", 1)[0]
        mounted = request.environ.get("SCRIPT_NAME", "").count("/")
        parts = path.split("/")[1 + mounted :]
    else:
        # Without the raw path an encoded slash cannot be told from a real one.
        parts = quote_from_bytes(request.environ.get("PATH_INFO", "").encode("latin-1")).split("/")[1:]
    try:
        segments = [unquote_to_bytes(part).decode() for part in parts]
    except UnicodeDecodeError as problem:
        raise BadRequest("The path is not UTF-8.") from problem
    return segments[:-1] if segments and segments[-1] == "" else segments


def _json(status: int, value: object) -> Response:
    return Response(json_bytes(value) + b"\n", status=status, content_type="application/json")


def _listed(head: bytes, rows: Iterable[bytes], tail: bytes, between: bytes = b",") -> Iterator[bytes]:
    yield head
    for number, row in enumerate(rows):
        yield between + row if number else row
    yield tail


def _stream(pieces: Iterator[bytes]) -> Response:
    """Whole with its length when it is short; else piece by piece, never held in memory."""
    start: list[bytes] = []
    size = 0
    for piece in pieces:
        start.append(piece)
        size += len(piece)
        if size > _WHOLE_UP_TO_BYTES:
            return Response(_gathered(itertools.chain(start, pieces)), content_type="application/json")
    return Response(b"".join(start), content_type="application/json")


def _gathered(pieces: Iterable[bytes]) -> Iterator[bytes]:
    gathered: list[bytes] = []
    size = 0
    for piece in pieces:
        gathered.append(piece)
        size += len(piece)
        if size >= 1 << 16:
            yield b"".join(gathered)
            gathered, size = [], 0
    yield b"".join(gathered)


class _Seated:
    """A waiting answer that gives its seat back however it ends, also when nobody ever reads it."""

    def __init__(self, pieces: Iterator[bytes], leave: Callable[[], None]) -> None:
        self._pieces = pieces
        self._leave: Callable[[], None] | None = leave

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)

    def close(self) -> None:
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()


def _pack(request: Request, response: Response) -> None:
    """gzip, for those who take it and where it pays; waiting feeds go unpacked, line by line."""
    if "gzip" not in request.headers.get("Accept-Encoding", "") or "X-Accel-Buffering" in response.headers:
        return
    if not (response.content_type or "").startswith("application/json") or response.status_code == 304:
        return
    response.headers["Vary"] = "Accept-Encoding"
    if response.is_sequence:
        data = response.get_data()
        if len(data) < _GZIP_FROM_BYTES:
            return
        packer = zlib.compressobj(6, wbits=31)
        response.set_data(packer.compress(data) + packer.flush())
    else:
        response.response = _packed(response.response)
    response.headers["Content-Encoding"] = "gzip"


def _packed(pieces: Iterable[Any]) -> Iterator[bytes]:
    packer = zlib.compressobj(6, wbits=31)
    for piece in pieces:
        if out := packer.compress(piece):
            yield out
    yield packer.flush()


def _only(request: Request, method: str) -> None:
    if request.method != method and not (method == "GET" and request.method == "HEAD"):
        raise _not_allowed(method)


def _not_allowed(methods: str) -> PeerError:
    return PeerError(f"Only {methods} allowed", code="method_not_allowed", status=405)


def _flag(request: Request, name: str, *, default: bool = False) -> bool:
    value = request.args.get(name)
    if value is None:
        return default
    if value not in ("true", "false"):
        raise BadRequest(f"Invalid value for boolean parameter {name}: {value[:40]!r}", code="query_parse_error")
    return value == "true"


def _integer(request: Request, name: str, default: int) -> int:
    value = request.args.get(name)
    if value is None:
        return default
    if not (value.isascii() and value.isdigit() and len(value) < 19):
        raise BadRequest(f"Invalid value for {name}: {value[:40]!r}", code="query_parse_error")
    return int(value)


def _heartbeat(request: Request) -> int | None:
    value = request.args.get("heartbeat")
    if value in (None, "false"):
        return None
    return 60_000 if value == "true" else max(100, _integer(request, "heartbeat", 60_000))


def _parameter(request: Request, *names: str) -> Any:
    """A query parameter that is JSON; the first of these names that is there."""
    for name in names:
        if name in request.args:
            try:
                return parse_json(request.args[name].encode())
            except BadRequest as problem:
                raise BadRequest(f"Invalid JSON in {name}.") from problem
    return None


def _checked(rev: object) -> str:
    try:
        parse_revision(rev)
    except BadRevision as problem:
        raise BadRequest(str(problem)) from problem
    assert isinstance(rev, str)
    return rev


def _path(doc: Document) -> tuple[str, ...]:
    try:
        return path_of(doc.get("_rev"), doc.get("_revisions"))
    except BadRevision as problem:
        raise BadRequest(str(problem)) from problem


def _accepted(written: Written) -> Written:
    """The answer for one document as an answer of its own. Raises what it says."""
    if written.error is None:
        return written
    reason = written.reason or ""
    for kind in (Conflict, Forbidden, StorageFull):
        if written.error == kind.code:
            raise kind(reason)
    raise BadRequest(reason, code=written.error, status=412 if written.error == "missing_stub" else 400)


def _written_row(row: Written) -> Document:
    if row.error is None:
        return {"ok": True, "id": row.id, "rev": row.rev}
    return {"id": row.id, "rev": row.rev, "error": row.error, "reason": row.reason}


def _not_found(id_: str, rev: str) -> Document:
    return {"id": id_, "rev": rev, "error": "not_found", "reason": "missing"}


def _conflicts(tree: RevisionTree) -> Document:
    conflicts = tree.conflicts()
    return {"_conflicts": conflicts} if conflicts else {}


def _revs_info(tree: RevisionTree, kept: set[str], rev: str) -> list[Document]:
    def status(step: str) -> str:
        if step not in kept:
            return "missing"
        return "deleted" if step in tree.deleted else "available"

    return [{"rev": step, "status": status(step)} for step in tree.path(rev)]


__all__ = ["MAX_BODY_BYTES", "CouchApp", "admitted_by_security"]
