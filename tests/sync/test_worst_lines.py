"""Whole replications over lines that lie: nothing wrong is stored, no checkpoint runs ahead, the truth arrives after.

Each stranger stands between the production client and the production server for a while. What it does is told by the
error's kind and code (the station's line page has a sentence for each); then it goes away, and the next run brings all.
"""

from __future__ import annotations

import gzip
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from sync.databases import Databases
from sync.peer import Document, Garbled, PeerError, TooLarge, Unreachable, Writer
from sync.remote import RemotePeer
from sync.replicator import Replicated, replicate
from sync.store import Store
from sync.write_rules import append_only, content_hash_start
from sync.wsgi import CouchApp
from tests.patience import PATIENCE_S
from tests.sync.served import served

COUNT = 30
MEMBER = Writer("station", frozenset({"station"}))
JSON = [("Content-Type", "application/json")]
HTML = [("Content-Type", "text/html")]

Answer = tuple[str, list[tuple[str, str]], Iterable[bytes]]
Stranger = Callable[["Between", dict[str, Any]], Answer]


def addressed(number: int) -> Document:
    """A document whose id and revision name its hash."""
    body: Document = {"text": f"第{number}件" * 20, "number": number}
    hashed = content_hash_start(body)
    return {"_id": f"event:{number:04}:{hashed}", "_rev": f"1-{hashed}", **body}


DOCUMENTS = {document["_id"]: document for document in map(addressed, range(COUNT))}


class Between:
    """The app behind a stranger, who may ask it or answer himself."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.stranger: Stranger | None = None
        self.met = 0
        self.requests = 0
        self.earlier: list[Answer] = []
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        self.requests += 1
        stranger = self.stranger
        status, headers, body = stranger(self, environ) if stranger is not None else self.ask(environ)
        start_response(status, headers)
        return body

    def ask(self, environ: dict[str, Any]) -> Answer:
        """What the county really says."""
        said: list[Any] = []
        with self._lock:
            body = b"".join(self._app(environ, lambda status, headers, exc=None: said.append((status, headers))))
        answer = (said[0][0], said[0][1], [body])
        self.earlier.append(answer)
        return answer

    def meets(self, environ: dict[str, Any], *calls: str) -> bool:
        """Whether this request is for one of these (all, if none is named)."""
        hit = not calls or any(call in environ["PATH_INFO"] for call in calls)
        self.met += hit
        return hit


def portal(between: Between, environ: dict[str, Any]) -> Answer:
    between.meets(environ)
    return "200 OK", HTML, [b"<html><form>Please log in</form></html>"]


def portal_that_calls_itself_json(between: Between, environ: dict[str, Any]) -> Answer:
    between.meets(environ)
    return "200 OK", JSON, [b"<html><form>Please log in</form></html>"]


def proxy_error(between: Between, environ: dict[str, Any]) -> Answer:
    return ("500 Oh", HTML, [b"<h1>Error</h1>"]) if between.meets(environ, "_bulk") else between.ask(environ)


def bad_gateway(between: Between, environ: dict[str, Any]) -> Answer:
    return ("502 Bad Gateway", HTML, [b"<h1>502</h1>"]) if between.meets(environ, "_bulk") else between.ask(environ)


def redirect_loop(between: Between, environ: dict[str, Any]) -> Answer:
    between.meets(environ)
    return "302 Found", [*HTML, ("Location", environ["PATH_INFO"])], [b""]


def endless(between: Between, environ: dict[str, Any]) -> Answer:
    if not between.meets(environ, "_bulk", "_changes"):
        return between.ask(environ)
    return "200 OK", JSON, (b'{"results":[' + b" " * 50_000 for _ in range(10**6))


def truncated_gzip(between: Between, environ: dict[str, Any]) -> Answer:
    status, headers, (body, *_) = between.ask(environ)
    if not between.meets(environ, "_bulk", "_changes", "_revs_diff") or not is_packed(headers):
        return status, headers, [body]
    return status, without_length(headers), [body[: len(body) * 2 // 3]]


def garbled(between: Between, environ: dict[str, Any]) -> Answer:
    status, headers, (body, *_) = between.ask(environ)
    if not between.meets(environ, "_bulk", "_changes", "_revs_diff") or len(body) < 60:
        return status, headers, [body]
    damaged = bytearray(body)
    damaged[len(damaged) // 2] ^= 0x55
    return status, headers, [bytes(damaged)]


def earlier_answer(between: Between, environ: dict[str, Any]) -> Answer:
    """Duplicated or reordered: what answered the question before is said once more."""
    before = between.earlier[-1] if between.earlier else None
    truth = between.ask(environ)
    return before if before is not None and between.meets(environ) else truth


def hours_late(between: Between, environ: dict[str, Any]) -> Answer:
    if between.meets(environ, "_bulk"):
        # As good as hours: longer than anybody waits.
        time.sleep(1.0)
    return between.ask(environ)


def wrong_hash(between: Between, environ: dict[str, Any]) -> Answer:
    return changed(between, environ, lambda document: document.update(text=f"changed ({between.met})"))


def wrong_revision(between: Between, environ: dict[str, Any]) -> Answer:
    false = "0" * 32
    said = {"_rev": f"1-{false}", "_revisions": {"start": 1, "ids": [false]}}
    return changed(between, environ, lambda document: document.update(said))


def changed(between: Between, environ: dict[str, Any], change: Callable[[Document], object]) -> Answer:
    if environ["PATH_INFO"].endswith("_bulk_docs"):
        between.meets(environ)
        packed = environ.get("HTTP_CONTENT_ENCODING") == "gzip"
        body = environ["wsgi.input"].read()
        told = json.loads(gzip.decompress(body) if packed else body)
        for document in told["docs"][::3]:
            change(document)
        sent = json.dumps(told).encode()
        environ.pop("HTTP_CONTENT_ENCODING", None)
        from io import BytesIO  # noqa: PLC0415

        return between.ask({**environ, "wsgi.input": BytesIO(sent), "CONTENT_LENGTH": str(len(sent))})
    status, headers, (body, *_) = between.ask(environ)
    if not environ["PATH_INFO"].endswith("_bulk_get"):
        return status, headers, [body]
    between.meets(environ)
    told = json.loads(gzip.decompress(body) if is_packed(headers) else body)
    for result in told["results"][::3]:
        change(result["docs"][0]["ok"])
    kept = [(name, value) for name, value in without_length(headers) if name != "Content-Encoding"]
    return status, kept, [json.dumps(told).encode()]


def is_packed(headers: list[tuple[str, str]]) -> bool:
    return ("Content-Encoding", "gzip") in headers


def without_length(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers if name.lower() != "content-length"]


STRANGERS: dict[str, tuple[Stranger, type[PeerError], set[str]]] = {
    "portal": (portal, Garbled, {"login_page"}),
    "portal-json": (portal_that_calls_itself_json, Garbled, {"cut_short"}),
    "proxy-error": (proxy_error, Garbled, {"proxy_error"}),
    "bad-gateway": (bad_gateway, Unreachable, {"unreachable"}),
    "redirect-loop": (redirect_loop, Garbled, {"redirected"}),
    "endless": (endless, PeerError, {"endless"}),
    "truncated-gzip": (truncated_gzip, PeerError, {"cut_short", "unreachable"}),
    "garbled": (garbled, Garbled, {"changed", "cut_short", "garbled"}),
    "earlier-answer": (earlier_answer, Garbled, {"changed"}),
    "hours-late": (hours_late, Unreachable, {"unreachable"}),
    "wrong-hash": (wrong_hash, Garbled, {"changed"}),
    "wrong-revision": (wrong_revision, Garbled, {"changed"}),
}


class Line:
    """A station with its database, and the county's behind a server that a stranger can stand before."""

    def __init__(self, folder: Path, between: Between, url: str, here: Store, there: Store) -> None:
        self.folder, self.between, self.here, self.there = folder, between, here, there
        self.remote, self.impatient = (
            RemotePeer(f"{url}/county", timeout_s=wait_s, random=Random(4), max_answer_bytes=1 << 20, name="county")
            for wait_s in (PATIENCE_S, 0.6)
        )
        self.refused: list[tuple[str, str]] = []

    def ends(self, direction: str) -> tuple[Store, Store]:
        return (self.here, self.there) if direction == "up" else (self.there, self.here)

    def run(self, direction: str) -> Replicated:
        here = self.here.as_writer(MEMBER)
        remote = self.impatient if self.between.stranger is hours_late else self.remote
        source, target = (self.here, remote) if direction == "up" else (remote, here)
        return replicate(
            source,
            target,
            now=lambda: datetime.now(UTC),
            random=Random(1),
            batch=7,
            checkpoint_every_s=0.0,
            on_refused=lambda document, reason: self.refused.append((document["_id"], reason)),
        )


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    with a_line(tmp_path) as line:
        yield line


@contextmanager
def a_line(folder: Path) -> Iterator[Line]:
    stations = Databases(folder / "here", rule_for=lambda _name: append_only(), random=Random(2))
    county = Databases(folder / "there", rule_for=lambda _name: append_only(), random=Random(3))
    there = county.open("county")
    app = CouchApp(county, authenticate=lambda _environ: MEMBER, admits=lambda _store, _writer: True)
    between = Between(app)
    try:
        with served(between) as url:
            yield Line(folder, between, url, stations.open("station"), there)
    finally:
        stations.close()
        county.close()


@pytest.mark.parametrize("direction", ["up", "down"])
@pytest.mark.parametrize(("stranger", "kind", "codes"), STRANGERS.values(), ids=STRANGERS)
def test_a_stranger_is_noticed_and_harms_nothing(
    line: Line, direction: str, stranger: Stranger, kind: type[PeerError], codes: set[str]
) -> None:
    source, target = line.ends(direction)
    half = COUNT // 2
    source.save(list(DOCUMENTS.values())[:half])
    line.run(direction)
    source.save(list(DOCUMENTS.values())[half:])
    line.between.stranger = stranger
    for _ in range(3):
        with pytest.raises(kind) as told:
            line.run(direction)
        assert told.value.code in codes, told.value
    assert line.between.met > 0
    stored = {document["_id"]: document for document in target.range("", "\uffff")}
    assert stored.items() <= DOCUMENTS.items(), "nothing wrong is stored"
    assert len(stored) >= half
    assert line.refused == [], "a stranger's word is no refusal"
    line.between.stranger = None
    # Had a checkpoint run ahead, this would not find what is still missing.
    line.run(direction)
    assert {document["_id"]: document for document in target.range("", "\uffff")} == DOCUMENTS
    assert target.check() == []
    assert line.run(direction).docs_read == 0


def test_a_redirect_is_not_followed(line: Line) -> None:
    line.between.stranger = redirect_loop
    with pytest.raises(Garbled):
        line.remote.info()
    assert line.between.requests == 1


def test_an_endless_answer_is_broken_off_early(line: Line) -> None:
    line.between.stranger = endless
    with pytest.raises(TooLarge):
        line.remote.changes()
    assert line.remote.bytes_received < 2 << 20


def test_what_really_is_wrong_at_the_source_is_refused_once_kept_and_does_not_hold_up_the_rest(line: Line) -> None:
    good, bad = addressed(1), {**addressed(2), "text": "another"}
    line.there.rule = None
    line.there.save([bad, good])
    done = line.run("down")
    assert line.here.get(good["_id"]) == good
    assert line.here.get(bad["_id"]) is None
    assert [id_ for id_, _ in line.refused] == [bad["_id"]]
    assert done.complete
    line.run("down")
    assert len(line.refused) == 1


def test_a_source_that_was_reset_restored_or_replaced_loses_nothing_on_either_side(line: Line, tmp_path: Path) -> None:
    documents = list(DOCUMENTS.values())
    line.here.save(documents[:10])
    line.run("up")
    with a_line(tmp_path / "other") as other:
        # The station's disk was replaced: it has other documents now, and the county keeps what it has.
        other.here.save(documents[10:20])
        replicate(other.here, line.remote, now=lambda: datetime.now(UTC), random=Random(6))
        assert len(line.there.range("", "\uffff")) == 20
        # The county was replaced: everybody brings what they have, and gets what the others brought.
        for station in (line.here, other.here):
            replicate(station, other.remote, now=lambda: datetime.now(UTC), random=Random(7))
        for station in (line.here, other.here):
            replicate(other.remote, station, now=lambda: datetime.now(UTC), random=Random(8))
        for place in (line.here, other.here, other.there):
            assert [doc["_id"] for doc in place.range("", "\uffff")] == sorted(doc["_id"] for doc in documents[:20])
