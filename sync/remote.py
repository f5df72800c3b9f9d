"""A database behind a CouchDB URL as a Peer: pooled, gzip both ways, believing nothing that it is told."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from http.client import HTTPException
from random import Random
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode, urlsplit, urlunsplit

import urllib3

from sync.bodies import BeyondReading, attachment_digest, bare, envelope_bytes, parse_json
from sync.files import INLINE_UP_TO_BYTES
from sync.packing import PACK_FROM_BYTES, Unpacker, packed
from sync.peer import (
    Attachment,
    BadRequest,
    BrokenOff,
    Change,
    Changes,
    Conflict,
    Document,
    Fetched,
    Forbidden,
    Garbled,
    Missing,
    NotBuilt,
    NotFound,
    PeerError,
    Seq,
    StorageFull,
    Style,
    TooLarge,
    Unauthorized,
    Unreachable,
    Written,
)
from sync.plain import Plain, PlainPage, plain_documents
from sync.related import Related
from sync.remote_files import Half, RemoteFile

MAX_ANSWER_BYTES: Final = 64 << 20
_PIECE_BYTES: Final = 1 << 16
_ENDLESS: Final = "endless"
# It is not repeated: what is wrong with it may be its password.
_NO_DATABASES_URL: Final = (
    "Not the URL of a database, http(s)://user:password@host:port/name. In a password / is written %2F, @ %40,"
    " # %23, ? %3F."
)

_ERRORS: Final[dict[int, type[PeerError]]] = {
    400: BadRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    412: BadRequest,
    413: TooLarge,
    415: BadRequest,
    501: NotBuilt,
    507: StorageFull,
}


class RemotePeer:
    """A CouchDB database over HTTP. Nothing is tried twice in silence, no redirect is followed, every answer
    checked.

    `authorization` gives the `Authorization` header for the next request (it may change: tokens run out). A
    name and password in the URL are used when it is absent, and never shown. `name` stands in checkpoints:
    give it when the same database is reached by several addresses. `quick` is for lines on which time is dearer
    than bytes: what is sent is packed less thoroughly. With `random` each request bears an id that a server of ours
    says again: an answer to another question, late or a second time, is not taken for the one to this.
    """

    def __init__(
        self,
        url: str,
        *,
        pool: urllib3.PoolManager | None = None,
        authorization: Callable[[], str | None] | None = None,
        timeout_s: float = 30.0,
        name: str | None = None,
        max_answer_bytes: int = MAX_ANSWER_BYTES,
        quick: bool = False,
        random: Random | None = None,
    ) -> None:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as problem:
            raise BadRequest(_NO_DATABASES_URL) from problem
        if (
            parts.scheme not in ("http", "https")
            or not parts.hostname
            or not parts.path.strip("/")
            or "@" in parts.path
        ):
            raise BadRequest(_NO_DATABASES_URL)
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        netloc = host if port is None else f"{host}:{port}"
        self.url = f"{parts.scheme}://{netloc}{parts.path.rstrip('/')}"
        self._name = name or self.url
        self._pool = pool or urllib3.PoolManager(maxsize=4)
        self._timeout = urllib3.Timeout(connect=min(timeout_s, 10.0), read=timeout_s)
        self._max_answer_bytes = max_answer_bytes
        self._quick = quick
        self._random = random
        # Several threads may ask at the same time.
        self._counting = threading.Lock()
        self.requests = 0
        self.bytes_sent = 0
        self.bytes_received = 0
        self._commits_at_once = False
        basic = None
        if parts.username is not None:
            pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            basic = "Basic " + base64.b64encode(pair.encode()).decode()
        self._authorization = authorization or (lambda: basic)

    @property
    def name(self) -> str:
        return self._name

    def info(self) -> Document:
        answer = self._json("GET", "")
        if "update_seq" not in answer:
            raise Garbled("The answer to GET /db is not a database's.")
        return answer

    def changes(
        self,
        since: Seq = 0,
        *,
        limit: int | None = None,
        style: Style = "main_only",
        doc_ids: Sequence[str] | None = None,
        include_docs: bool = False,
        descending: bool = False,
    ) -> Changes:
        query: dict[str, str] = {"since": str(since), "style": style}
        if limit is not None:
            query["limit"] = str(limit)
        if include_docs:
            query["include_docs"] = "true"
        if descending:
            query["descending"] = "true"
        body: Document | None = None
        if doc_ids is not None:
            query["filter"], body = "_doc_ids", {"doc_ids": list(doc_ids)}
        rows, last_seq, pending = _feed(self._json("GET" if body is None else "POST", "_changes", query, body))
        return Changes(_changes(rows), last_seq, pending)

    def plain_pages(
        self, since: Seq, *, limit: Callable[[], int], most_bytes: int
    ) -> Generator[PlainPage | Changes, None, None]:
        """See `sync.plain`. How large a page gets is for the server to bound, and for `max_answer_bytes`.

        While one page is read here, the server makes the next: the end of an answer says where that begins.
        """

        def asked(since: Seq) -> tuple[int, bytearray]:
            size = limit()
            query = {"since": str(since), "style": "all_docs", "limit": str(size), "include_docs": "true"}
            return size, self._said("GET", "_changes", query)

        with ThreadPoolExecutor(1, "changes-ahead") as hand:
            ahead: dict[Seq, Future[tuple[int, bytearray]]] = {}
            while True:
                size, data = ahead.pop(since).result() if since in ahead else asked(since)
                ahead.clear()
                following = _following(data) if len(data) <= 2 * most_bytes else None
                if following is not None:
                    ahead[following] = hand.submit(asked, following)
                rows, since, pending = _feed(_parsed(data))
                plain = _plain(rows)
                yield Changes(_changes(rows), since, pending) if plain is None else PlainPage(plain, since)
                if len(rows) < size or pending == 0:
                    return

    def wait_for_changes(self, since: Seq, timeout_s: float) -> bool:
        """Whether something has come after `since`, as soon as it has, or when the time is over (a long poll)."""
        query = {"since": str(since), "feed": "longpoll", "limit": "1", "timeout": str(int(timeout_s * 1000))}
        rows = self._json("GET", "_changes", query).get("results")
        if not isinstance(rows, list):
            raise Garbled("The answer to _changes is not a changes feed.")
        return bool(rows)

    def revs_diff(self, revs: Mapping[str, Sequence[str]]) -> dict[str, Missing]:
        answer = self._json("POST", "_revs_diff", body={id_: list(asked) for id_, asked in revs.items()})
        found: dict[str, Missing] = {}
        for id_, row in answer.items():
            missing = row.get("missing") if isinstance(row, dict) else None
            if id_ not in revs or not isinstance(missing, list) or not set(missing) <= set(revs[id_]):
                raise Garbled("The answer to _revs_diff speaks of what was not asked.", code="changed")
            ancestors = row.get("possible_ancestors", [])
            found[id_] = Missing(missing, [rev for rev in ancestors if isinstance(rev, str)])
        return found

    def bulk_get(self, wanted: Sequence[tuple[str, str]]) -> list[Fetched]:
        fetched = self._bulk_got(wanted, files=False)
        short = [
            place
            for place, one in enumerate(fetched)
            if one.document and "_attachments" in one.document and _all_short(one.document["_attachments"])
        ]
        if short:
            # In the document as it is known to all peers; only what is long is worth requests of its own.
            again = self._bulk_got([wanted[place] for place in short], files=True)
            for place, one in zip(short, again, strict=True):
                fetched[place] = one
        for place, one in enumerate(fetched):
            if one.document and "_attachments" in one.document and place not in short:
                self._name_files(one.id, one.rev, one.document["_attachments"])
        return fetched

    def _bulk_got(self, wanted: Sequence[tuple[str, str]], *, files: bool) -> list[Fetched]:
        body = {"docs": [{"id": id_, "rev": rev} for id_, rev in wanted]}
        before = self.bytes_received
        try:
            answer = self._json(
                "POST", "_bulk_get", {"revs": "true", **({"attachments": "true"} if files else {})}, body
            )
        except _Cut as cut:
            came = _found(_whole_rows(cut.data), 0)
            kept = [came[pair] for pair in wanted if pair in came]
            raise BrokenOff(cut.reason, [one for one in kept if files or not _has_files(one.document)]) from cut
        results = answer.get("results")
        if not isinstance(results, list):
            raise Garbled("The answer to _bulk_get has no results.")
        size = (self.bytes_received - before) // max(1, len(wanted))
        found = _found(results, size)
        if extra := found.keys() - set(wanted):
            raise Garbled(f"_bulk_get answered with what was not asked: {sorted(extra)[0][0][:80]}", code="changed")
        lost = Fetched("", "", None, "not_found", "not in the answer")
        return [found.get(pair, lost._replace(id=pair[0], rev=pair[1])) for pair in wanted]

    def _name_files(self, id_: str, rev: str, entries: Document) -> None:
        """Put the files that these stubs speak of into their place, to be fetched."""
        for name, stub in entries.items():
            if isinstance(stub.get("digest"), str) and isinstance(stub.get("length"), int):
                path = _path(id_, *name.split("/"))
                download = partial(self._download, path, {"rev": rev})
                kept = {key: stub[key] for key in ("content_type", "revpos") if key in stub}
                entries[name] = {**kept, "data": RemoteFile(self.name, stub["digest"], stub["length"], download)}

    def _download(self, path: str, query: Mapping[str, str], half: Half, length: int) -> bool:
        """Go on with a file where it broke off, or begin again where the server cannot; True if the digest in its stub
        is that of what was sent.
        """
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        if half.length:
            headers["Range"] = f"bytes={half.length}-"
            if half.etag:
                headers["If-Range"] = half.etag
        with self._asked("GET", path, query, headers) as response:
            if response.status >= 300:
                said = bytearray()
                self._read(response, said)
                half.begin_anew()
                raise _refusal(response.status, response.headers, bytes(said))
            if response.headers.get("Content-Encoding", "identity").lower() not in ("identity", ""):
                raise Garbled("A file came packed in a way that was not offered.")
            if response.status != 206 or not response.headers.get("Content-Range", "").startswith(
                f"bytes {half.length}-"
            ):
                half.begin_anew()
            half.etag = response.headers.get("ETag")
            while half.length <= length and (piece := response.read1(_PIECE_BYTES)):
                self._received(len(piece))
                half.add(piece)
            if half.length != length:
                got = half.length
                half.begin_anew()
                raise Garbled(f"A file has {got} bytes and not the {length} that its document says.")
            return response.headers.get("Accept-Ranges") == "bytes"

    def bulk_docs(self, docs: Sequence[Document], *, new_edits: bool = True) -> list[Written]:
        if not new_edits and any("_attachments" in doc and bare(doc) is not doc for doc in docs):
            return self._put_some(docs)
        with _short_answer():
            rows = self._answer("POST", "_bulk_docs", body={"docs": list(docs), "new_edits": new_edits})
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise Garbled("The answer to _bulk_docs is not a list.")
        if new_edits:
            if len(rows) != len(docs):
                raise Garbled("The answer to _bulk_docs has not one row for each document.")
            return [
                Written(str(row.get("id")), str(row.get("rev", "")), row.get("error"), row.get("reason"))
                for row in rows
            ]
        # Of what keeps its revision, CouchDB only names what it has refused.
        refused: dict[tuple[str, str | None], Document] = {}
        asked = {(doc["_id"], doc["_rev"]) for doc in docs}
        ids = {doc["_id"] for doc in docs}
        for row in rows:
            if row.get("id") not in ids:
                raise Garbled("The answer to _bulk_docs speaks of documents that were not sent.", code="changed")
            if row.get("error"):
                rev = row.get("rev")
                refused[row["id"], rev if (row["id"], rev) in asked else None] = row
        written: list[Written] = []
        for doc in docs:
            id_, rev = doc["_id"], doc["_rev"]
            row = refused.get((id_, rev)) or refused.get((id_, None)) or {}
            written.append(Written(id_, rev, row.get("error"), row.get("reason")))
        return written

    # Whether a rule looks at each document is not known from here.
    takes_plain = True

    def write_plain(self, plain: Plain) -> bool:
        """See `sync.plain`: the bodies go as they lie. False where the answer names any of them."""
        with _short_answer():
            rows = self._answer(
                "POST", "_bulk_docs", body=b'{"docs":[%b],"new_edits":false}' % b",".join(plain.bodies())
            )
        if not isinstance(rows, list):
            raise Garbled("The answer to _bulk_docs is not a list.")
        return not rows

    def _put_some(self, docs: Sequence[Document]) -> list[Written]:
        """Write those that have long files one by one, as multipart/related, and the others together."""
        written: dict[int, Written] = {}
        others = [place for place, doc in enumerate(docs) if bare(doc) is doc]
        if others:
            answers = self.bulk_docs([docs[place] for place in others], new_edits=False)
            written.update(zip(others, answers, strict=True))
        for place, doc in enumerate(docs):
            if place not in written:
                written[place] = self._put_with_files(doc)
        return [written[place] for place in range(len(docs))]

    def _put_with_files(self, doc: Document) -> Written:
        body = Related(doc)
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            "Content-Type": f'multipart/related; boundary="{body.boundary}"',
            "Content-Length": str(body.length),
        }
        data = bytearray()
        road = self._asked("PUT", _path(doc["_id"]), {"new_edits": "false"}, headers, body.pieces())
        with _short_answer(), road as response:
            self._count_sent(body.length)
            self._read(response, data)
        try:
            if response.status >= 300:
                raise _refusal(response.status, response.headers, bytes(data))
        except (Forbidden, BadRequest, TooLarge) as refusal:
            return Written(doc["_id"], doc["_rev"], refusal.code, refusal.reason)
        return Written(doc["_id"], doc["_rev"])

    def get_local(self, id: str) -> Document | None:
        try:
            return self._json("GET", f"_local/{quote(id, safe='')}")
        except NotFound as problem:
            if problem.reason.startswith(("Database", "no_db_file")):
                raise
            return None

    def put_local(self, id: str, doc: Document) -> str:
        answer = self._json("PUT", f"_local/{quote(id, safe='')}", body=doc)
        if not isinstance(answer.get("rev"), str):
            raise Garbled("The answer to a local document has no revision.")
        return str(answer["rev"])

    def attachment(self, id: str, name: str, *, rev: str | None = None) -> Attachment | None:
        path = _path(id, *name.split("/"))
        try:
            status, headers, data = self._exchange("GET", path, {"rev": rev} if rev else {}, None, accept="*/*")
        except NotFound as problem:
            if problem.reason.startswith("Database"):
                raise
            return None
        if status != 200:
            raise Garbled(f"Unexpected status {status} for an attachment.")
        file = bytes(data)
        return Attachment(headers.get("Content-Type", "application/octet-stream"), attachment_digest(file), file)

    def ensure_full_commit(self) -> None:
        # Where every write is durable when it is answered there is nothing to ask for.
        if not self._commits_at_once:
            self._json("POST", "_ensure_full_commit", body={})

    # The road itself.

    def _json(self, method: str, path: str, query: Mapping[str, str] | None = None, body: object = None) -> Document:
        answer = self._answer(method, path, query, body)
        if not isinstance(answer, dict):
            raise Garbled(f"The answer to {path or 'GET /db'} is not an object.")
        return answer

    def _answer(self, method: str, path: str, query: Mapping[str, str] | None = None, body: object = None) -> Any:
        return _parsed(self._said(method, path, query, body))

    def _said(self, method: str, path: str, query: Mapping[str, str] | None = None, body: object = None) -> bytearray:
        """An answer that says of itself that it is JSON."""
        _, headers, data = self._exchange(method, path, query or {}, body)
        if "json" not in headers.get("Content-Type", ""):
            raise Garbled(
                _not_a_peer(headers.get("Content-Type", "nothing"), data),
                code="login_page" if "html" in headers.get("Content-Type", "") else None,
            )
        return data

    def _exchange(
        self, method: str, path: str, query: Mapping[str, str], body: object, accept: str = "application/json"
    ) -> tuple[int, Mapping[str, str], bytearray]:
        headers = {"Accept": accept, "Accept-Encoding": "gzip"}
        request_id = f"{self._random.getrandbits(40):010x}" if self._random is not None else None
        if request_id is not None:
            headers["X-Couch-Request-ID"] = request_id
        payload = None
        if body is not None:
            payload = body if isinstance(body, bytes) else envelope_bytes(body)
            headers["Content-Type"] = "application/json"
            if len(payload) >= PACK_FROM_BYTES:
                payload = packed(payload, quick=self._quick)
                headers["Content-Encoding"] = "gzip"
            headers["Content-Length"] = str(len(payload))
            self._count_sent(len(payload))
        data = bytearray()
        with self._asked(method, path, query, headers, payload) as response:
            try:
                self._read(response, data)
            except (urllib3.exceptions.HTTPError, OSError) as problem:
                if data and response.status == 200:
                    raise _Cut(f"The connection broke: {problem}", bytes(data)) from problem
                raise
        server = response.headers.get("Server", "")
        self._commits_at_once = server.startswith(("Yizhan", "CouchDB/3"))
        # CouchDB says an id of its own (before 3.5 in any case): only our own servers are held to it.
        said = response.headers.get("X-Couch-Request-ID")
        if request_id is not None and said not in (None, request_id) and server.startswith("Yizhan"):
            raise Garbled("This is the answer to another question.", code="changed")
        if response.status >= 300:
            raise _refusal(response.status, response.headers, bytes(data))
        return response.status, response.headers, data

    @contextmanager
    def _asked(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes | Iterator[bytes] | None = None,
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """One request; the answer is to be read to its end within the block. What the line does is `Unreachable`."""
        target = f"{self.url}/{path}" + (f"?{urlencode(query)}" if query else "")
        whole = {**headers, "User-Agent": "yizhan"}
        if (authorization := self._authorization()) is not None:
            whole["Authorization"] = authorization
        parts = urlsplit(target)
        line = f"{method} {parts.path}{'?' if parts.query else ''}{parts.query} HTTP/1.1"
        self._count_sent(_head_bytes(line, [("Host", parts.netloc), *whole.items()]))
        with self._counting:
            self.requests += 1
        try:
            response = self._pool.request(
                method,
                target,
                body=body,
                headers=whole,
                timeout=self._timeout,
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            self._received(_head_bytes(f"HTTP/1.1 {response.status} {response.reason}", response.headers.items()))
            try:
                yield response
            except BaseException:
                # What is left of it must not become the next request's answer.
                response.close()
                raise
            response.release_conn()
        except urllib3.exceptions.ProtocolError as problem:
            raise Unreachable(f"The connection broke: {problem}") from problem
        except (urllib3.exceptions.HTTPError, OSError, HTTPException) as problem:
            raise Unreachable(f"{type(problem).__name__}: {problem}") from problem

    def _count_sent(self, count: int) -> None:
        with self._counting:
            self.bytes_sent += count

    def _received(self, count: int) -> None:
        with self._counting:
            self.bytes_received += count

    def _read(self, response: urllib3.BaseHTTPResponse, data: bytearray) -> None:
        """The body, unpacked, into `data`; both bounded: an endless one is not read to its end."""
        encoding = response.headers.get("Content-Encoding", "identity").lower()
        if encoding not in ("identity", "gzip", ""):
            raise Garbled(f"The answer is packed in a way that was not offered: {encoding[:40]}")
        unpack = Unpacker(self._max_answer_bytes) if encoding == "gzip" else None
        # What has come is taken at once: if the line breaks now, it is not lost with what was still to come.
        while piece := response.read1(_PIECE_BYTES):
            self._received(len(piece))
            try:
                data += unpack.feed(piece) if unpack else piece
            except TooLarge as problem:
                raise _LongAnswer(problem.reason) from problem
            except BadRequest as problem:
                raise Garbled("The answer cannot be unpacked.", code="changed") from problem
            if len(data) > self._max_answer_bytes:
                raise _LongAnswer(f"The answer is longer than {self._max_answer_bytes} bytes.")
        if unpack is not None:
            try:
                unpack.end()
            except BadRequest as problem:
                raise Garbled("The answer breaks off.", code="cut_short") from problem


class _LongAnswer(TooLarge):
    """The answer is too long or too deep, and not what was sent."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, code=_ENDLESS)


@contextmanager
def _short_answer() -> Iterator[None]:
    """Whoever answers a write at length is no database: what was written is not too large for that."""
    try:
        yield
    except _LongAnswer as problem:
        raise Garbled(problem.reason, code=_ENDLESS) from problem


class _Cut(Unreachable):
    """The connection broke after this much of a good answer, unpacked."""

    def __init__(self, reason: str, data: bytes) -> None:
        super().__init__(reason)
        self.data = data


def _path(id_: str, *file: str) -> str:
    """A document, or a file at one, below a database's URL.

    Of a design document the first slash stays one: CouchDB leads a GET of `_design%2F…` elsewhere. A part of nothing
    but dots would be taken for a step up on the way.
    """
    kind, slash, name = id_.partition("/")
    parts = (kind, name, *file) if slash and kind == "_design" else (id_, *file)
    return "/".join(quote(part, safe="") if part.strip(".") else part.replace(".", "%2E") for part in parts)


def _head_bytes(line: str, headers: Iterable[tuple[str, str]]) -> int:
    """How many bytes the head of a request or an answer takes."""
    return len(line) + 2 + sum(len(name) + len(value) + 4 for name, value in headers) + 2


def _has_files(document: Document | None) -> bool:
    return document is not None and "_attachments" in document


def _all_short(entries: object) -> bool:
    return not isinstance(entries, dict) or not any(
        isinstance(entry, dict) and isinstance(entry.get("length"), int) and entry["length"] > INLINE_UP_TO_BYTES
        for entry in entries.values()
    )


def _whole_rows(data: bytes) -> list[Any]:
    """The rows of `{"results":[…` that are there as a whole, in an answer that breaks off."""
    text = data.decode("utf-8", "ignore")
    start = re.match(r'\s*\{\s*"results"\s*:\s*\[', text)
    rows: list[Any] = []
    place = start.end() if start else len(text)
    while place < len(text):
        try:
            row, place = _DECODER.raw_decode(text, place)
        except (ValueError, RecursionError):
            break
        rows.append(row)
        following = _BETWEEN_ROWS.match(text, place)
        if following is None:
            break
        place = following.end()
    return rows


_DECODER: Final = json.JSONDecoder()
_BETWEEN_ROWS: Final = re.compile(r"\s*,\s*")


def _found(results: list[Any], size: int) -> dict[tuple[str, str], Fetched]:
    found: dict[tuple[str, str], Fetched] = {}
    for result in results:
        for entry in result.get("docs", []) if isinstance(result, dict) else ():
            one = _fetched(entry, size)
            found[one.id, one.rev] = one
    return found


def _refusal(status: int, headers: Mapping[str, str], data: bytes) -> PeerError:
    """What an error answer means. Only one in CouchDB's shape is the peer's own word."""
    said: object = None
    if "json" in headers.get("Content-Type", ""):
        try:
            said = json.loads(data)
        except (ValueError, RecursionError):
            said = None
    if not isinstance(said, dict) or not isinstance(said.get("error"), str):
        if status in (502, 503, 504):
            return Unreachable(f"Somebody on the way answered {status}.")
        if status < 400:
            return Garbled(
                f"Status {status}: it leads to {_led_to(headers.get('Location', ''))}, and no redirect is followed:"
                " a login page, or has the database another address now?",
                code="redirected",
            )
        # 511 is what a captive portal should say (RFC 6585, section 6); most say 200 or 302.
        code = "login_page" if status == 511 else "proxy_error"
        return Garbled(f"Status {status}: {_not_a_peer(headers.get('Content-Type', 'nothing'), data)}", code=code)
    reason = str(said.get("reason", ""))[:2000]
    kind = _ERRORS.get(status, PeerError)
    return kind(reason, code=said["error"][:80], status=status)


def _led_to(location: str) -> str:
    """Where a redirect leads to, without what may be secret in it."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return "elsewhere"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))[:200] or "elsewhere"


def _not_a_peer(content_type: str, data: bytes | bytearray) -> str:
    start = data[:60].decode("utf-8", "replace").strip()
    return f"not a database's answer but {content_type[:60]} ({start!r}…): a login page or a proxy on the way?"


def _parsed(data: bytearray) -> Any:
    try:
        return parse_json(data)
    except BeyondReading as problem:
        # It may be of one document among many: in smaller answers it is found.
        raise _LongAnswer(problem.reason) from problem
    except BadRequest as problem:
        raise Garbled(f"The answer breaks off or is not JSON: {problem.reason}", code="cut_short") from problem


def _feed(answer: object) -> tuple[list[Any], Seq, int | None]:
    """Rows, last sequence and, if it is told, how many come after it."""
    if isinstance(answer, dict):
        rows, last_seq, pending = answer.get("results"), answer.get("last_seq"), answer.get("pending")
        if isinstance(rows, list) and isinstance(last_seq, int | str):
            return rows, last_seq, pending if isinstance(pending, int) else None
    raise Garbled("The answer to _changes is not a changes feed.")


# As CouchDB and we write it. What it says is believed once the whole has been read.
_END_OF_FEED: Final = re.compile(rb'\]\s*,\s*"last_seq":"([\w-]{1,1000})","pending":([1-9][0-9]*)\}\s*')
_END_BYTES: Final = 1100


def _following(data: bytearray) -> str | None:
    """Where the page after this one begins, by the look of its end; None where that is not seen, or none follows."""
    found = _END_OF_FEED.search(data, max(0, len(data) - _END_BYTES))
    return found[1].decode() if found and found.end() == len(data) else None


def _plain(rows: list[Any]) -> Plain | None:
    """What a feed with its documents has brought, if nothing but plain ones."""
    try:
        heads = [(row["id"], row["changes"]) for row in rows if "deleted" not in row]
        if len(heads) < len(rows):
            return None
        plain = plain_documents([row["doc"] for row in rows])
    except (KeyError, TypeError):
        return None
    # Each is the one revision that its row names.
    if plain is None or heads != [(id_, [{"rev": rev}]) for id_, rev in zip(plain.ids, plain.revs, strict=True)]:
        return None
    return plain


def _changes(rows: list[Any]) -> list[Change]:
    results: list[Change] = []
    for row in rows:
        try:
            # Nearly every row: one revision, and not deleted.
            (change,) = row["changes"]
            seq, id_, rev = row["seq"], row["id"], change["rev"]
        except (TypeError, KeyError, ValueError):
            results.append(_change(row))
            continue
        if type(id_) is str and type(rev) is str and (type(seq) is str or type(seq) is int):
            results.append(Change(seq, id_, (rev,), row.get("deleted") is True, _document(row)))
        else:
            results.append(_change(row))
    return results


def _change(row: object) -> Change:
    if isinstance(row, dict) and isinstance(row.get("id"), str) and isinstance(row.get("changes"), list):
        found = [entry.get("rev") for entry in row["changes"] if isinstance(entry, dict)]
        revs = tuple(rev for rev in found if isinstance(rev, str))
        seq = row.get("seq")
        # With seq_interval CouchDB leaves most of them null; nobody here asks for that.
        if revs and len(revs) == len(row["changes"]) and isinstance(seq, int | str):
            return Change(seq, row["id"], revs, row.get("deleted") is True, _document(row))
    raise Garbled("A row of the changes feed has no id, revision or sequence.")


def _document(row: Document) -> Document | None:
    doc = row.get("doc")
    return doc if isinstance(doc, dict) else None


def _fetched(entry: object, size: int) -> Fetched:
    if isinstance(entry, dict):
        doc, error = entry.get("ok"), entry.get("error")
        if isinstance(doc, dict) and isinstance(doc.get("_id"), str) and isinstance(doc.get("_rev"), str):
            return Fetched(doc["_id"], doc["_rev"], doc, size=size)
        if isinstance(error, dict) and isinstance(error.get("id"), str):
            code, reason = str(error.get("error")), str(error.get("reason"))
            return Fetched(error["id"], str(error.get("rev")), None, code, reason)
    raise Garbled("A row of _bulk_get has neither a document nor an error.")
