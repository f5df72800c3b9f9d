"""A database behind a CouchDB URL as a Peer: pooled, gzip both ways, believing nothing that it is told."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPException
from random import Random
from typing import Any, Final
from urllib.parse import quote, unquote, urlencode, urlsplit

import urllib3

from sync.bodies import attachment_digest, envelope_bytes, parse_json
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

MAX_ANSWER_BYTES: Final = 64 << 20
_PIECE_BYTES: Final = 1 << 16
_ENDLESS: Final = "endless"

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
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or not parts.path.strip("/"):
            raise BadRequest(f"Not the URL of a database: {parts.scheme}://{parts.hostname or ''}{parts.path}")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        netloc = host if parts.port is None else f"{host}:{parts.port}"
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
        answer = self._json("GET" if body is None else "POST", "_changes", query, body)
        rows, last_seq, pending = answer.get("results"), answer.get("last_seq"), answer.get("pending")
        if not isinstance(rows, list) or not isinstance(last_seq, int | str):
            raise Garbled("The answer to _changes is not a changes feed.")
        return Changes(_changes(rows), last_seq, pending if isinstance(pending, int) else None)

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
        body = {"docs": [{"id": id_, "rev": rev} for id_, rev in wanted]}
        before = self.bytes_received
        try:
            answer = self._json("POST", "_bulk_get", {"revs": "true", "attachments": "true"}, body)
        except _Cut as cut:
            came = _found(_whole_rows(cut.data), 0)
            raise BrokenOff(cut.reason, [came[pair] for pair in wanted if pair in came]) from cut
        results = answer.get("results")
        if not isinstance(results, list):
            raise Garbled("The answer to _bulk_get has no results.")
        size = (self.bytes_received - before) // max(1, len(wanted))
        found = _found(results, size)
        if extra := found.keys() - set(wanted):
            raise Garbled(f"_bulk_get answered with what was not asked: {sorted(extra)[0][0][:80]}", code="changed")
        lost = Fetched("", "", None, "not_found", "not in the answer")
        return [found.get(pair, lost._replace(id=pair[0], rev=pair[1])) for pair in wanted]

    def bulk_docs(self, docs: Sequence[Document], *, new_edits: bool = True) -> list[Written]:
        try:
            rows = self._answer("POST", "_bulk_docs", body={"docs": list(docs), "new_edits": new_edits})
        except TooLarge as problem:
            if problem.code == _ENDLESS:
                # Not the peer's word that it was sent too much.
                raise Garbled(problem.reason, code=_ENDLESS) from problem
            raise
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
        path = "/".join(quote(part, safe="") for part in (id, *name.split("/")))
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
        _, headers, data = self._exchange(method, path, query or {}, body)
        if "json" not in headers.get("Content-Type", ""):
            raise Garbled(
                _not_a_peer(headers.get("Content-Type", "nothing"), data),
                code="login_page" if "html" in headers.get("Content-Type", "") else None,
            )
        try:
            return parse_json(data)
        except BadRequest as problem:
            raise Garbled(f"The answer breaks off or is not JSON: {problem.reason}", code="cut_short") from problem

    def _exchange(
        self, method: str, path: str, query: Mapping[str, str], body: object, accept: str = "application/json"
    ) -> tuple[int, Mapping[str, str], bytearray]:
        target = f"{self.url}/{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": accept, "Accept-Encoding": "gzip", "User-Agent": "yizhan"}
        if (authorization := self._authorization()) is not None:
            headers["Authorization"] = authorization
        request_id = f"{self._random.getrandbits(40):010x}" if self._random is not None else None
        if request_id is not None:
            headers["X-Couch-Request-ID"] = request_id
        payload = None
        if body is not None:
            payload = envelope_bytes(body)
            headers["Content-Type"] = "application/json"
            if len(payload) >= PACK_FROM_BYTES:
                payload = packed(payload, quick=self._quick)
                headers["Content-Encoding"] = "gzip"
        sent = len(payload or b"") + len(target) + sum(len(k) + len(v) + 4 for k, v in headers.items())
        with self._counting:
            self.requests += 1
            self.bytes_sent += sent
        try:
            response = self._pool.request(
                method,
                target,
                body=payload,
                headers=headers,
                timeout=self._timeout,
                retries=False,
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            data = bytearray()
            try:
                self._read(response, data)
            except BaseException as problem:
                # What is left of it must not become the next request's answer.
                response.close()
                if data and response.status == 200 and isinstance(problem, urllib3.exceptions.HTTPError | OSError):
                    raise _Cut(f"The connection broke: {problem}", bytes(data)) from problem
                raise
            response.release_conn()
        except urllib3.exceptions.ProtocolError as problem:
            raise Unreachable(f"The connection broke: {problem}") from problem
        except (urllib3.exceptions.HTTPError, OSError, HTTPException) as problem:
            raise Unreachable(f"{type(problem).__name__}: {problem}") from problem
        self._received(sum(len(k) + len(v) + 4 for k, v in response.headers.items()))
        server = response.headers.get("Server", "")
        self._commits_at_once = server.startswith(("Yizhan", "CouchDB/3"))
        # CouchDB says an id of its own (before 3.5 in any case): only our own servers are held to it.
        said = response.headers.get("X-Couch-Request-ID")
        if request_id is not None and said not in (None, request_id) and server.startswith("Yizhan"):
            raise Garbled("This is the answer to another question.", code="changed")
        if response.status >= 300:
            raise _refusal(response.status, response.headers, bytes(data))
        return response.status, response.headers, data

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
            except BadRequest as problem:
                raise Garbled("The answer cannot be unpacked.", code="changed") from problem
            if len(data) > self._max_answer_bytes:
                raise TooLarge(f"The answer is longer than {self._max_answer_bytes} bytes.", code=_ENDLESS)
        if unpack is not None:
            try:
                unpack.end()
            except BadRequest as problem:
                raise Garbled("The answer breaks off.", code="cut_short") from problem


class _Cut(Unreachable):
    """The connection broke after this much of a good answer, unpacked."""

    def __init__(self, reason: str, data: bytes) -> None:
        super().__init__(reason)
        self.data = data


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
        # 511 is what a captive portal should say (RFC 6585, section 6); most say 200 or 302.
        code = "redirected" if status < 400 else "login_page" if status == 511 else "proxy_error"
        return Garbled(f"Status {status}: {_not_a_peer(headers.get('Content-Type', 'nothing'), data)}", code=code)
    reason = str(said.get("reason", ""))[:2000]
    kind = _ERRORS.get(status, PeerError)
    return kind(reason, code=said["error"][:80], status=status)


def _not_a_peer(content_type: str, data: bytes | bytearray) -> str:
    start = data[:60].decode("utf-8", "replace").strip()
    return f"not a database's answer but {content_type[:60]} ({start!r}…): a login page or a proxy on the way?"


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
