"""What is done quickly gives what is done slowly: JSON, packing, many rows at once, documents that come in the feed."""

from __future__ import annotations

import gzip
import json
import math
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
import urllib3
from hypothesis import given
from hypothesis import strategies as st

from sync.bodies import json_bytes, parse_document, parse_json, plain_content, sorted_json
from sync.databases import Databases
from sync.packing import QUICK_FROM_BYTES, Unpacker, packed, packed_pieces, unpacked
from sync.peer import COUNTY, BadRequest, BrokenOff, Document, Fetched, Forbidden, TooLarge, Unreachable, Writer
from sync.remote import RemotePeer
from sync.replicator import replicate
from sync.revisions import BadRevision, first_revision, path_of
from sync.store import Store
from sync.wsgi import CouchApp
from tests.contracts.peer import kept
from tests.patience import PATIENCE_S
from tests.sync.served import served
from tests.sync.test_replicator import Through, state

Now = Callable[[], datetime]

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


# JSON.


@given(JSON_VALUES)
def test_json_comes_back_as_it_was(value: Any) -> None:
    assert parse_json(json_bytes(value)) == value
    assert json.loads(json_bytes(value)) == value
    assert json.loads(sorted_json(value)) == value


@pytest.mark.parametrize("number", [2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**18, 10**19, -(10**25)])
@pytest.mark.parametrize("frame", ["{}", "[{}]", '{{"a": {}}}', '{{"a":{}, "b":"x"}}', '["1-1234567890123456789", {}]'])
def test_integers_of_any_length_are_kept_exactly(number: int, frame: str) -> None:
    text = frame.format(number)
    assert parse_json(text.encode()) == json.loads(text)
    assert json.loads(json_bytes(parse_json(text.encode()))) == json.loads(text)


def test_a_long_number_is_found_wherever_a_large_body_is_cut() -> None:
    for space in range((1 << 20) - 24, (1 << 20) + 3):
        body = b"[" + b" " * space + b"-98765432109876543210]"
        assert parse_json(body) == [-98765432109876543210]


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, [None, {"a": -math.inf}], "\ud800", {"a": datetime(2026, 1, 1, tzinfo=UTC)}, b"x", {1, 2}],
)
def test_what_json_has_no_form_for_is_refused(value: object) -> None:
    with pytest.raises(BadRequest):
        json_bytes(value)


@pytest.mark.parametrize("odd", ['{"n": 1e400}', '{"s": "\\ud800"}'])
def test_a_body_with_one_odd_document_is_read_and_that_document_refused(odd: str, databases: Databases) -> None:
    docs = parse_json(f'{{"docs": [{{"_id": "a", "_rev": "1-a"}}, {odd[:-1]}, "_id": "b", "_rev": "1-b"}}]}}'.encode())
    answers = databases.open("db").bulk_docs(docs["docs"], new_edits=False)
    assert [answer.error for answer in answers] == [None, "bad_request"]


@given(st.dictionaries(st.sampled_from(["_id", "_rev", "_deleted", "_x", "a", "b", "", "\n_c"]), JSON_VALUES))
def test_a_plain_document_is_what_the_judge_of_all_documents_makes_of_it(document: Document) -> None:
    quick = plain_content(document)
    if quick is not None:
        assert parse_document(document) == (quick, None)


@given(
    st.sampled_from(["1-a", "2-a", "1-", "1-\n", "1-b", "", None, 1]),
    st.none()
    | st.fixed_dictionaries(
        {"start": st.sampled_from([1, True, 2, 1.0, "1"]), "ids": st.lists(st.sampled_from(["a", "b", "", 1]))}
    ),
)
def test_a_first_revision_is_what_the_judge_of_all_paths_makes_of_it(rev: object, revisions: object) -> None:
    quick = first_revision(rev, revisions)
    if quick is not None:
        assert path_of(rev, revisions) == (quick,)
    else:
        try:
            path = path_of(rev, revisions)
        except BadRevision:
            return
        assert rev is None or len(path) > 1 or not path[0].startswith("1-")


# Packing.


@pytest.mark.parametrize("size", [0, 1, 1000, QUICK_FROM_BYTES - 1, QUICK_FROM_BYTES, 3_000_000])
@pytest.mark.parametrize("quick", [True, False])
def test_what_was_packed_is_unpacked(size: int, quick: bool) -> None:
    data = Random(1).randbytes(size // 2) + b"x" * (size - size // 2)
    assert gzip.decompress(packed(data, quick=quick)) == data
    assert unpacked(gzip.compress(data), size) == data
    pieces = [data[first : first + 70_000] for first in range(0, size, 70_000)]
    assert gzip.decompress(b"".join(packed_pieces(pieces))) == data


def test_what_is_broken_or_without_end_is_not_unpacked() -> None:
    whole = packed(b"hello" * 1000)
    for broken in (whole[:-1], whole[:30], b"nonsense", whole[:-6] + b"\0" + whole[-5:]):
        with pytest.raises(BadRequest):
            unpacked(broken, 10_000)
    with pytest.raises(TooLarge):
        unpacked(packed(b"\0" * 50_000_000), 1_000_000)
    unpacker = Unpacker(100_000)
    bomb = packed(b"\0" * 1_000_000)
    with pytest.raises(TooLarge):
        list(map(unpacker.feed, (bomb[first : first + 100] for first in range(0, len(bomb), 100))))


# Many rows at once.


@pytest.mark.parametrize("new_edits", [True, False])
def test_any_number_of_documents_is_written_at_once(databases: Databases, new_edits: bool) -> None:
    for count in (0, 1, 7, 8, 64, 499, 500, 501, 573):
        store = databases.open(f"db{count}")
        docs: list[Document] = [{"_id": f"d{number:04}", "n": number} for number in range(count)]
        if not new_edits:
            docs = [{**doc, "_rev": "1-a"} for doc in docs]
        answers = store.bulk_docs(docs, new_edits=new_edits)
        assert [answer.error for answer in answers] == [None] * count
        assert [store.get(doc["_id"])["n"] for doc in docs] == list(range(count))  # type: ignore[index]
        assert store.info()["doc_count"] == count
        assert store.check() == []


def test_a_document_that_is_in_one_batch_twice_is_there_once(databases: Databases) -> None:
    store = databases.open("db")
    docs = [
        kept("a", "1-a", n=1),
        kept("a", "1-a", n=1),
        kept("a", "2-b", "a", n=2),
        kept("b", "1-z"),
        kept("a", "1-c"),
    ]
    assert [answer.error for answer in store.bulk_docs(docs, new_edits=False)] == [None] * 5
    assert state(store)["a"][0] == ("2-b", "1-c")
    assert store.info()["doc_count"] == 2
    for name, again in (("both", kept("a", "1-a")), ("child", kept("a", "2-b", "a"))):
        other = databases.open(name)
        docs = [kept("a", "1-a"), kept("b", "1-a"), again, kept("b", "1-a")]
        assert [answer.error for answer in other.bulk_docs(docs, new_edits=False)] == [None] * 4
        assert other.check() == []
    edits = [{"_id": "e", "n": 1}, {"_id": "e", "n": 1}]
    assert [answer.error for answer in store.bulk_docs(edits)] == [None, "conflict"]
    assert store.check() == []


def test_a_rule_and_a_codec_are_on_the_quick_road_too(tmp_path: Path) -> None:
    class Turned:
        def seal(self, data: bytes) -> bytes:
            return data[::-1]

        def open(self, data: bytes) -> bytes:
            return data[::-1]

    def odd_only(document: Document, writer: Writer) -> None:
        if document["n"] % 2 == 0:
            raise Forbidden("even")

    databases = Databases(tmp_path, random=Random(1), codec=Turned())
    store = databases.open("db")
    peer = store.as_writer(Writer("somebody"), odd_only)
    docs = [{"_id": f"{number:02}", "_rev": "1-a", "n": number, "word": "secret"} for number in range(20)]
    answers = peer.bulk_docs(docs, new_edits=False)
    assert [answer.error for answer in answers] == ["forbidden", None] * 10
    page = store.feed(0, limit=100, style="all_docs", include_docs=True)
    assert [json.loads(row)["doc"]["n"] for row in page.rows] == list(range(1, 20, 2))
    assert all(b"secret" not in file.read_bytes() for file in tmp_path.iterdir())
    databases.close()


# The feed.


@pytest.fixture
def mixed(databases: Databases) -> Store:
    """One of everything: plain ones, conflicts, tombstones, files, odd ids."""
    store = databases.open("source")
    store.save([kept(f"plain:{number:04}", "1-a", n=number, text="云岭" * 20) for number in range(1200)])
    store.bulk_docs(
        [
            kept("later", "2-b", "a", n=1),
            kept("conflict", "1-b", n=1),
            kept("conflict", "1-c", n=2),
            kept("gone", "2-b", "a", deleted=True),
            kept("gone first", "1-b", deleted=True),
            kept('quote " \\ \n é 𠀀', "1-a", n=None),
            {**kept("file", "1-a"), "_attachments": {"f": {"content_type": "text/plain", "data": "aGVsbG8="}}},
            kept("empty", "1-a"),
        ],
        new_edits=False,
    )
    return store


@pytest.fixture
def over_http(databases: Databases) -> Iterator[Callable[[str], RemotePeer]]:
    app = CouchApp(databases, authenticate=lambda environ: COUNTY)
    with served(app) as url:
        yield lambda name: RemotePeer(f"{url}/{name}")


@pytest.mark.parametrize("style", ["main_only", "all_docs"])
@pytest.mark.parametrize("include_docs", [True, False])
@pytest.mark.parametrize("limit", [None, 1, 100, 1207, 5000])
def test_the_feed_that_the_store_writes_is_the_feed(
    mixed: Store, over_http: Callable[[str], RemotePeer], style: Any, include_docs: bool, limit: int | None
) -> None:
    found = over_http("source").changes(0, limit=limit, style=style, include_docs=include_docs)
    assert found == mixed.changes(0, limit=limit, style=style, include_docs=include_docs)
    rest = over_http("source").changes(found.last_seq, style=style)
    assert rest == mixed.changes(found.last_seq, style=style)


def test_a_long_answer_leaves_the_connection_open(mixed: Store, over_http: Callable[[str], RemotePeer]) -> None:
    pool = urllib3.PoolManager()
    url = over_http("source").url
    for _ in range(3):
        answer = pool.request("GET", f"{url}/_changes?include_docs=true", headers={"Accept-Encoding": "gzip"})
        assert len(answer.data) > 200_000
        assert answer.headers.get("Connection") != "close"


# Replication.


@pytest.mark.parametrize("overlap", [True, False])
@pytest.mark.parametrize("way", ["pull", "push"])
def test_everything_arrives_by_every_road(
    mixed: Store,
    databases: Databases,
    over_http: Callable[[str], RemotePeer],
    now: Now,
    random: Random,
    overlap: bool,
    way: str,
) -> None:
    target = databases.open("target")
    one, other = (over_http("source"), target) if way == "pull" else (mixed, over_http("target"))
    done = replicate(one, other, now=now, random=random, overlap=overlap, batch=100)
    assert (done.docs_written, done.refused) == (1208, 0)
    assert state(target) == state(mixed)
    assert target.bulk_get([("conflict", "1-b"), ("file", "1-a")]) == mixed.bulk_get(
        [("conflict", "1-b"), ("file", "1-a")]
    )
    assert target.check() == []
    again = replicate(one, other, now=now, random=random, overlap=overlap)
    assert (again.docs_read, again.changed) == (0, False)


def test_where_all_is_missing_the_feed_brings_it_and_nothing_is_asked_for(
    databases: Databases, now: Now, random: Random
) -> None:
    source, target = databases.open("source"), databases.open("target")
    source.save([kept(f"{number:04}", "1-a", n=number) for number in range(900)])
    asked: list[str] = []

    def bulk_get(wanted: Sequence[tuple[str, str]]) -> list[Fetched]:
        asked.extend(id_ for id_, _ in wanted)
        return source.bulk_get(wanted)

    replicate(Through(source, bulk_get=bulk_get), target, now=now, random=random, overlap=True, batch=100)
    assert state(target) == state(source)
    # The first page or two, before that has been learned.
    assert len(asked) <= 300


def test_what_the_target_has_is_not_brought_again(databases: Databases, now: Now, random: Random) -> None:
    source, target = databases.open("source"), databases.open("target")
    docs = [kept(f"{number:04}", "1-a", n=number) for number in range(900)]
    source.save(docs)
    target.save(docs[:850])
    bodies = 0

    def changes(*args: Any, **kwargs: Any) -> Any:
        nonlocal bodies
        found = source.changes(*args, **kwargs)
        bodies += sum(change.doc is not None for change in found.results)
        return found

    done = replicate(Through(source, changes=changes), target, now=now, random=random, overlap=True, batch=100)
    assert done.docs_written == 50
    assert bodies == 0
    assert state(target) == state(source)


def test_refused_documents_that_came_in_the_feed_are_told(databases: Databases, now: Now, random: Random) -> None:
    source, target = databases.open("source"), databases.open("target")
    source.save([kept(f"{number:04}", "1-a", n=number) for number in range(600)])

    def not_the_500th(document: Document, writer: Writer) -> None:
        if document["n"] == 500:
            raise Forbidden("not this one")

    told: list[tuple[str, str]] = []
    done = replicate(
        source,
        target.as_writer(Writer("pull"), not_the_500th),
        now=now,
        random=random,
        overlap=True,
        batch=50,
        on_refused=lambda document, reason: told.append((document["_id"], reason)),
    )
    assert told == [("0500", "not this one")]
    assert (done.docs_written, done.doc_write_failures) == (599, 1)


def test_documents_larger_than_an_answer_may_be_do_not_come_in_the_feed(
    databases: Databases, over_http: Callable[[str], RemotePeer], now: Now, random: Random
) -> None:
    source, target = databases.open("source"), databases.open("target")
    small = [kept(f"{number:04}", "1-a") for number in range(200)]
    large = [kept(f"{number:04}", "1-a", data="x" * 20_000) for number in range(200, 400)]
    source.save([*small, *large])
    peer = over_http("source")
    narrow = RemotePeer(peer.url, max_answer_bytes=100_000)
    done = replicate(narrow, target, now=now, random=random, overlap=True, batch=100, request_bytes=1 << 20)
    assert (done.docs_written, done.refused) == (400, 0)
    assert state(target) == state(source)


# A line that breaks in the middle of an answer.


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
def test_what_had_come_when_the_line_broke_is_kept(
    encoding: str, databases: Databases, now: Now, random: Random
) -> None:
    source, target = databases.open("source"), databases.open("target")
    noise = Random(3)
    source.save([kept(f"{number:02}", "1-a", data=noise.randbytes(2000).hex()) for number in range(20)])
    rows = [
        {"id": one.id, "docs": [{"ok": one.document}]}
        for one in source.bulk_get([(f"{number:02}", "1-a") for number in range(20)])
    ]
    body = json.dumps({"results": rows}, ensure_ascii=False).encode()
    if encoding == "gzip":
        body = gzip.compress(body)
    head = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: {encoding}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()
    asked: list[int] = []
    with saying_once(head + body[: len(body) * 3 // 4]) as url:
        broken = RemotePeer(f"{url}/db", timeout_s=PATIENCE_S)

        def bulk_get(wanted: Sequence[tuple[str, str]]) -> list[Fetched]:
            asked.append(len(wanted))
            return broken.bulk_get(wanted) if len(asked) == 1 else source.bulk_get(wanted)

        flaky = Through(source, bulk_get=bulk_get)
        with pytest.raises(BrokenOff):
            replicate(flaky, target, now=now, random=random)
        came = len(state(target))
        assert 10 <= came <= 15
        replicate(flaky, target, now=now, random=random)
    assert asked == [20, 20 - came]
    assert state(target) == state(source)


class saying_once:  # noqa: N801
    """A server that says these bytes to its first connection and hangs up."""

    def __init__(self, answer: bytes) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._run, args=(answer,), daemon=True)

    def _run(self, answer: bytes) -> None:
        connection, _ = self._listener.accept()
        connection.recv(1 << 16)
        connection.sendall(answer)
        connection.close()

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __exit__(self, *problem: object) -> None:
        self._thread.join(PATIENCE_S)
        self._listener.close()


def test_a_break_before_the_first_whole_row_is_a_break(now: Now) -> None:
    answer = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n" + b'{"results":[{"id":"a'
    )
    with saying_once(answer) as url, pytest.raises(Unreachable) as caught:
        RemotePeer(f"{url}/db", timeout_s=PATIENCE_S).bulk_get([("a", "1-a")])
    assert isinstance(caught.value, BrokenOff)
    assert caught.value.fetched == []
