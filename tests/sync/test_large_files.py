"""Long files at documents: carried piece by piece both ways, gone on with where the line broke, never another file."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from random import Random
from typing import Any

import pytest

from sync.databases import Databases
from sync.files import INLINE_UP_TO_BYTES, File
from sync.peer import COUNTY, Document, Forbidden, Garbled, Unreachable, Writer
from sync.remote import RemotePeer
from sync.replicator import Replicated, replicate
from sync.store import Store
from sync.wsgi import CouchApp
from tests.contracts.peer import kept
from tests.sync.served import served
from tests.sync.test_replicator import Through, state

Now = Callable[[], datetime]
LONG = Random(1).randbytes(3_000_000)
SHORT = Random(2).randbytes(INLINE_UP_TO_BYTES)


def with_files(id_: str, rev: str, **files: bytes) -> Document:
    entries = {name: {"content_type": "image/x-raw", "data": data, "revpos": 1} for name, data in files.items()}
    return {**kept(id_, rev, n=1), "_attachments": entries}


@pytest.fixture
def source(databases: Databases) -> Store:
    store = databases.open("source")
    store.save([with_files("mixed", "1-a", long=LONG, short=SHORT), kept("plain", "1-a")])
    store.save([with_files("small", "1-a", short=SHORT), with_files("other", "1-a", **{'a/b ü".bin': LONG[:100_000]})])
    return store


Wrap = Callable[[Any], Any]


@contextmanager
def over_http(databases: Databases, wrap: Wrap = lambda app: app) -> Iterator[str]:
    with served(wrap(CouchApp(databases, authenticate=lambda environ: COUNTY))) as url:
        yield url


def files_of(store: Store) -> dict[tuple[str, str], bytes]:
    found = {}
    for id_, (_, doc) in state(store).items():
        for name in (doc or {}).get("_attachments", {}):
            attachment = store.attachment(id_, name)
            assert attachment is not None
            found[id_, name] = attachment.data
    return found


@pytest.mark.parametrize("overlap", [True, False])
@pytest.mark.parametrize("way", ["pull", "push", "beside"])
def test_long_and_short_files_arrive_as_they_were(
    source: Store, databases: Databases, now: Now, random: Random, overlap: bool, way: str
) -> None:
    target = databases.open("target")
    with over_http(databases) as url:
        one = RemotePeer(f"{url}/source") if way == "pull" else source
        other = RemotePeer(f"{url}/target") if way == "push" else target
        done = replicate(one, other, now=now, random=random, overlap=overlap)
    assert (done.docs_written, done.refused) == (4, 0)
    assert state(target) == state(source)
    assert files_of(target) == files_of(source)
    assert target.check() == []


def as_couchdb_leads_on(app: Any) -> Any:
    """CouchDB answers a GET of `_design%2F…` by leading to `_design/…`, and we follow nobody."""

    def leading(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["REQUEST_METHOD"] == "GET" and "_design%2F" in environ["REQUEST_URI"]:
            start_response("301 Moved Permanently", [("Location", environ["REQUEST_URI"].replace("%2F", "/", 1))])
            return []
        return app(environ, start_response)

    return leading


@pytest.mark.parametrize("id_", ["_design/app", "_design/a/b", "..", "."])
@pytest.mark.parametrize("way", ["pull", "push"])
def test_long_files_of_unusual_documents_are_asked_for_where_they_are(
    databases: Databases, now: Now, random: Random, way: str, id_: str
) -> None:
    source, target = databases.open("source"), databases.open("target")
    source.save([with_files(id_, "1-a", **{"..": LONG[:100_000], "logo.png": LONG[:200_000]})])
    with over_http(databases, as_couchdb_leads_on) as url:
        one = RemotePeer(f"{url}/source") if way == "pull" else source
        other = RemotePeer(f"{url}/target") if way == "push" else target
        assert replicate(one, other, now=now, random=random).docs_written == 1
        assert RemotePeer(f"{url}/target").attachment(id_, "logo.png") == target.attachment(id_, "logo.png")
    assert files_of(target) == files_of(source)


def test_the_contract_is_kept_for_short_files(source: Store, databases: Databases) -> None:
    with over_http(databases) as url:
        for peer in (source, RemotePeer(f"{url}/source")):
            small, mixed = peer.bulk_get([("small", "1-a"), ("mixed", "1-a")])
            assert small.document is not None
            assert mixed.document is not None
            assert base64.b64decode(small.document["_attachments"]["short"]["data"]) == SHORT
            assert isinstance(mixed.document["_attachments"]["long"]["data"], File)


class Breaking:
    """An app whose answers with files break off, each after so many bytes more than the one before."""

    def __init__(self, app: Any, after: list[int]) -> None:
        self.app = app
        self.after = after
        self.ranges: list[str | None] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        pieces = self.app(environ, start_response)
        if environ["PATH_INFO"].endswith("/long"):
            self.ranges.append(environ.get("HTTP_RANGE"))
            if self.after:
                return self._cut(pieces, self.after.pop(0))
        return pieces  # type: ignore[no-any-return]

    @staticmethod
    def _cut(pieces: Iterable[bytes], after: int) -> Iterator[bytes]:
        for piece in pieces:
            yield piece[:after]
            after -= len(piece)
            if after <= 0:
                # Too few for the length that was promised: the server hangs up.
                return


def runs_until_done(act: Callable[[], Replicated]) -> int:
    breaks = 0
    while True:
        try:
            act()
        except Unreachable:
            breaks += 1
            assert breaks < 20
            continue
        return breaks


def test_a_file_goes_on_where_the_line_broke(source: Store, databases: Databases, now: Now, random: Random) -> None:
    target = databases.open("target")
    breaking: list[Breaking] = []

    def wrap(app: Any) -> Any:
        breaking.append(Breaking(app, [500_000, 700_000, 1_000_000]))
        return breaking[0]

    with over_http(databases, wrap) as url:
        # Each run is another peer, as a station's line makes it.
        breaks = runs_until_done(lambda: replicate(RemotePeer(f"{url}/source"), target, now=now, random=random))
    assert breaks == 3
    assert files_of(target) == files_of(source)
    starts = [
        0 if asked is None else int(asked.removeprefix("bytes=").removesuffix("-")) for asked in breaking[0].ranges
    ]
    assert len(starts) == 4
    # What was sent of the file and had arrived is not sent again.
    assert starts == sorted(set(starts))
    assert starts[-1] > 2_000_000


def test_a_file_that_changed_meanwhile_is_fetched_anew(databases: Databases, now: Now, random: Random) -> None:
    source, target = databases.open("source"), databases.open("target")
    source.save([with_files("doc", "1-a", long=LONG)])
    other = LONG[::-1]

    class Swapped(Breaking):
        def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            if environ["PATH_INFO"].endswith("/long") and self.ranges:
                # Another file under the same name, and a server that does not heed If-Range.
                start_response(
                    "206 Partial Content",
                    [
                        ("Content-Type", "image/x-raw"),
                        ("Accept-Ranges", "bytes"),
                        ("Content-Range", f"bytes 500000-{len(other) - 1}/{len(other)}"),
                        ("Content-Length", str(len(other) - 500_000)),
                    ],
                )
                self.ranges.append(environ.get("HTTP_RANGE"))
                return [other[500_000:]] if len(self.ranges) == 2 else []
            return super().__call__(environ, start_response)

    with over_http(databases, lambda app: Swapped(app, [500_000])) as url:
        peer = RemotePeer(f"{url}/source")
        with pytest.raises(Unreachable):
            replicate(peer, target, now=now, random=random)
        with pytest.raises(Garbled):
            replicate(peer, target, now=now, random=random)
    assert state(target) == {}
    with over_http(databases) as url:
        replicate(RemotePeer(f"{url}/source"), target, now=now, random=random)
    assert files_of(target) == {("doc", "long"): LONG}


def test_a_file_that_the_target_has_is_not_fetched_again(databases: Databases, now: Now, random: Random) -> None:
    source, target = databases.open("source"), databases.open("target")
    source.save([with_files("doc", "1-a", long=LONG)])
    with over_http(databases) as url:
        peer = RemotePeer(f"{url}/source")
        replicate(peer, target, now=now, random=random)
        before = source.get("doc")
        assert before is not None
        source.update({**before, "n": 2})
        source.save([with_files("second", "1-a", long=LONG)])
        received = peer.bytes_received
        replicate(peer, target, now=now, random=random)
        assert peer.bytes_received - received < 20_000
    assert state(target) == state(source)
    assert files_of(target) == files_of(source)
    assert target.check() == []


def test_documents_before_a_break_in_a_file_are_kept(databases: Databases, now: Now, random: Random) -> None:
    source, target = databases.open("source"), databases.open("target")
    source.save([kept(f"plain{number}", "1-a") for number in range(5)])
    source.save([with_files("x", "1-a", long=LONG)])
    with over_http(databases, lambda app: Breaking(app, [1000])) as url, pytest.raises(Unreachable):
        replicate(RemotePeer(f"{url}/source"), target, now=now, random=random)
    assert len(state(target)) == 5


def test_a_refused_document_with_a_long_file_is_told_without_it(
    source: Store, databases: Databases, now: Now, random: Random
) -> None:
    target = databases.open("target")

    def no_files(document: Document, writer: Writer) -> None:
        if "_attachments" in document:
            raise Forbidden("no files")

    told: list[Document] = []
    with over_http(databases) as url:
        replicate(
            RemotePeer(f"{url}/source"),
            target.as_writer(Writer("pull"), no_files),
            now=now,
            random=random,
            on_refused=lambda document, reason: told.append(document),
        )
    assert sorted(document["_id"] for document in told) == ["mixed", "other", "small"]
    (mixed,) = (document for document in told if document["_id"] == "mixed")
    assert mixed["_attachments"]["long"]["stub"] is True
    assert set(state(target)) == {"plain"}


def test_a_push_that_is_refused_says_so(source: Store, databases: Databases, now: Now, random: Random) -> None:
    databases.open("target")
    told: list[str] = []
    app = CouchApp(databases, authenticate=lambda environ: COUNTY, max_file_bytes=1_000_000)
    with served(app) as url:
        done = replicate(
            source,
            RemotePeer(f"{url}/target"),
            now=now,
            random=random,
            on_refused=lambda document, reason: told.append(document["_id"]),
        )
    assert (done.docs_written, done.doc_write_failures) == (3, 1)
    assert told == ["mixed"]


def test_a_file_that_is_gone_from_the_source_is_not_waited_for(
    source: Store, databases: Databases, now: Now, random: Random
) -> None:
    target = databases.open("target")
    with over_http(databases) as url:
        peer = RemotePeer(f"{url}/source")

        def bulk_get(wanted: Any) -> Any:
            fetched = peer.bulk_get(wanted)
            # Between the document and its file somebody replaced it, and it was compacted.
            before = source.get("mixed")
            if before is not None:
                source.update({"_id": "mixed", "_rev": before["_rev"], "n": 2})
                source.compact()
            return fetched

        replicate(Through(peer, bulk_get=bulk_get), target, now=now, random=random)
        replicate(peer, target, now=now, random=random)
    assert state(target) == state(source)
