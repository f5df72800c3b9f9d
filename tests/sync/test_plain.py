"""The straight road and the general one leave the same store, and take and refuse the same."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from random import Random
from threading import Barrier, Event
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sync.bodies import json_bytes, parse_document, parse_json, sorted_json
from sync.databases import Databases
from sync.peer import COUNTY, BadRequest, Changes, Document, Forbidden, Unreachable, Writer
from sync.plain import Plain, PlainPage, PlainSource, PlainTarget, plain_documents, plain_edits
from sync.remote import RemotePeer, _following
from sync.replicator import replicate
from sync.revisions import next_revision, path_of
from sync.store import Store
from sync.wsgi import CouchApp
from tests.contracts.peer import kept
from tests.patience import PATIENCE_S
from tests.sync.served import served
from tests.sync.test_quick_roads import JSON_VALUES
from tests.sync.test_replicator import Through, state

Now = Callable[[], datetime]

IDS = st.sampled_from(
    ["a", "b", "c", "ab", "z", "", "_design/a", "_local/a", "_x", "é", "a\nb", "a\n_b", "x" * 5000, 7]
)
REVS = st.sampled_from(["1-a", "1-b", "2-a", "1-", "1-a\n1-b", "x", "10000000000000000000-a", 1, None, ["1-a"]])
HISTORIES = st.sampled_from(
    [
        None,
        {"start": 1, "ids": ["a"]},
        {"start": 1, "ids": ["b"]},
        {"start": True, "ids": ["a"]},
        {"start": 1.0, "ids": ["a"]},
        {"start": 2, "ids": ["a", "b"]},
        {"start": 1, "ids": []},
        {},
        [],
    ]
)
NAMES = st.sampled_from(["n", "m", "", "\n_n", "_n", "_deleted", "_attachments", "_conflicts", "_replication_id"])
CONTENTS = st.dictionaries(NAMES, JSON_VALUES | st.just(True) | st.just(2**70), max_size=3)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Mostly plain ones, and now and then something that must not pass."""
    if draw(st.integers(0, 3)):
        content = draw(st.dictionaries(st.sampled_from(["n", "m", ""]), JSON_VALUES, max_size=3))
        return {"_id": draw(st.sampled_from("abcdefgh")), "_rev": "1-" + draw(st.sampled_from("abc")), **content}
    head = {"_id": draw(IDS), "_rev": draw(REVS), "_revisions": draw(HISTORIES)}
    return {**{name: value for name, value in head.items() if value is not None}, **draw(CONTENTS)}


def written(store: Store, docs: Sequence[Document], *, new_edits: bool) -> list[tuple[Any, ...]] | str:
    """What the general road answers: the rows, or that all is refused."""
    try:
        return [tuple(answer) for answer in store.bulk_docs(docs, new_edits=new_edits)]
    except BadRequest as refusal:
        return refusal.code


@settings(deadline=None, max_examples=60)
@given(st.lists(documents(), max_size=6), st.lists(documents(), max_size=4))
@pytest.mark.parametrize("new_edits", [False, True])
def test_what_goes_straight_is_written_as_the_general_road_writes_it(
    new_edits: bool, docs: list[Document], before: list[Document]
) -> None:
    # What comes is JSON.
    docs, before = json.loads(json.dumps([docs, before]))
    if new_edits:
        docs = [{name: value for name, value in doc.items() if name not in ("_rev", "_revisions")} for doc in docs]
    with tempfile.TemporaryDirectory() as folder:
        databases = Databases(Path(folder), random=Random(1))
        straight, general = databases.open("straight"), databases.open("general")
        for store in (straight, general):
            store.bulk_docs(before, new_edits=False)
        plain = plain_edits(docs) if new_edits else plain_documents(docs)
        if plain is not None and straight.write_plain(plain):
            answers = written(general, docs, new_edits=new_edits)
            assert answers == [(id_, rev, None, None) for id_, rev in zip(plain.ids, plain.revs, strict=True)]
        else:
            # Nothing was done.
            assert written(straight, docs, new_edits=new_edits) == written(general, docs, new_edits=new_edits)
        assert rows_of(straight) == rows_of(general)
        assert straight.check() == []
        databases.close()


def rows_of(store: Store) -> list[tuple[Any, ...]]:
    """All that lies in the file, to the byte."""
    with store._file.reading() as connection:
        return [
            *connection.execute("SELECT seq, id, rev, deleted, tree, attachments, body FROM documents"),
            *connection.execute("SELECT * FROM revisions ORDER BY id, rev"),
            *connection.execute("SELECT name, value FROM properties WHERE name != 'uuid'"),
        ]


@given(st.lists(documents(), min_size=1, max_size=3))
def test_what_is_plain_is_what_the_judges_of_all_documents_make_of_it(docs: list[Document]) -> None:
    plain = plain_documents(docs)
    if plain is not None:
        for doc, id_, rev, content in zip(docs, plain.ids, plain.revs, plain.contents, strict=True):
            assert (doc["_id"], path_of(doc["_rev"], doc.get("_revisions"))) == (id_, (rev,))
            assert parse_document(doc) == (content, None)
        assert [json.loads(body) for body in plain.bodies()] == list(plain._replace(parsed=None).documents())
    new = [{name: value for name, value in doc.items() if name not in ("_rev", "_revisions")} for doc in docs]
    edits = plain_edits(new)
    if edits is not None:
        bodies = [{name: value for name, value in doc.items() if name != "_id"} for doc in new]
        assert edits.contents == [json_bytes(body) for body in bodies]
        assert edits.revs == [next_revision(None, deleted=False, body=sorted_json(body)) for body in bodies]


@pytest.mark.parametrize(
    "odd",
    [
        '{"_id": "b", "_rev": "1-b", "n": 1e400}',
        '{"_id": "b", "_rev": "1-b", "n": "\\ud800"}',
        '{"_id": "b", "_rev": "1-b", "_n": 1}',
        '{"_id": "b", "_rev": "99999999999999999999-b"}',
        '{"_id": "b", "_rev": "1-b", "_revisions": {"start": 1, "ids": ["c"]}, "_rev": "1-d"}',
        '{"_id": "b", "_rev": "1-b", "n": ' + "[" * 300 + "]" * 300 + "}",
        '{"_id": "_b", "_rev": "1-b"}',
        '{"_id": "", "_rev": "1-b"}',
        '{"_rev": "1-b"}',
        '{"_id": "b"}',
    ],
)
def test_what_is_no_document_does_not_go_straight(odd: str) -> None:
    docs = parse_json(f'[{{"_id": "a", "_rev": "1-a"}}, {odd}]'.encode())
    assert plain_documents(docs[:1]) is not None
    assert plain_documents(docs) is None


def test_a_name_that_stands_twice_is_there_once(databases: Databases) -> None:
    plain = plain_documents(parse_json(b'[{"_id": "a", "_rev": "1-a", "n": 1, "n": 2}]'))
    assert plain is not None
    assert plain.contents == [b'{"n":2}']


def test_a_document_that_is_there_already_is_not_written_over(databases: Databases) -> None:
    store = databases.open("db")
    store.save([kept("b", "1-b", n=1)])
    for docs in ([kept("a", "1-a"), kept("b", "1-c", n=2)], [kept("c", "1-a"), kept("c", "1-b")]):
        plain = plain_documents(docs)
        assert plain is None or not store.write_plain(plain)
    assert [doc["_id"] for doc in store.range("", "\uffff")] == ["b"]


def test_where_a_rule_stands_nothing_goes_straight(databases: Databases) -> None:
    def nothing(document: Document, writer: Writer) -> None:
        raise Forbidden("nothing")

    store = databases.open("db")
    plain = plain_documents([kept("a", "1-a")])
    assert plain is not None
    peer = store.as_writer(Writer("somebody"), nothing)
    assert not peer.takes_plain
    assert not peer.write_plain(plain)
    store.rule = nothing
    for one in (store, store.as_writer(Writer("somebody"))):
        assert not one.takes_plain
        assert not one.write_plain(plain)
    assert store.info()["doc_count"] == 0


# Between two ends.


@pytest.fixture
def over_http(databases: Databases) -> Iterator[Callable[[str], RemotePeer]]:
    with served(CouchApp(databases, authenticate=lambda environ: COUNTY)) as url:
        yield lambda name: RemotePeer(f"{url}/{name}")


@pytest.mark.parametrize("way", ["pull", "push"])
@pytest.mark.parametrize("held", [0, 30, 200, 450, 500])
def test_whole_pages_go_straight_and_arrive_as_they_were(
    way: str, held: int, databases: Databases, over_http: Callable[[str], RemotePeer], now: Now, random: Random
) -> None:
    source, target = databases.open("source"), databases.open("target")
    docs = [kept(f"{number:04}", "1-a", n=number, text="云岭" * 20) for number in range(500)]
    source.save(docs)
    target.save(docs[500 - held :])
    one, other = (over_http("source"), target) if way == "pull" else (source, over_http("target"))
    straight: list[int] = []

    class Watched(Through):
        takes_plain = True

        def write_plain(self, plain: Any) -> bool:
            straight.append(len(plain.ids))
            return bool(other.write_plain(plain))

    done = replicate(one, Watched(other), now=now, random=random, overlap=True, batch=25)
    assert (done.docs_read, done.docs_written) == (500 - held, 500 - held)
    # How soon it is learned that nearly all are missing depends on how far the feed is read ahead.
    assert sum(straight) == 500 if held == 0 else bool(straight) is (held < 450)
    assert 0 not in straight
    assert state(target) == state(source)
    assert target.check() == []
    again = replicate(one, other, now=now, random=random, overlap=True)
    assert (again.docs_read, again.changed) == (0, False)


def test_a_target_at_the_other_end_of_a_line_has_two_pages_at_a_time(
    databases: Databases, over_http: Callable[[str], RemotePeer], now: Now, random: Random
) -> None:
    source = databases.open("source")
    source.save([kept(f"{number:04}", "1-a", n=number) for number in range(400)])
    databases.open("target")
    target = over_http("target")
    both = Barrier(2)

    def write_plain(plain: Plain) -> bool:
        # Whoever sends one page alone waits here in vain.
        both.wait(PATIENCE_S)
        return target.write_plain(plain)

    done = replicate(source, Through(target, write_plain=write_plain), now=now, random=random, overlap=True, batch=100)
    assert done.docs_written == 400
    assert state(databases.open("target")) == state(source)


def test_no_checkpoint_passes_a_page_that_was_not_written_though_the_next_one_was(
    databases: Databases, over_http: Callable[[str], RemotePeer], now: Now, random: Random
) -> None:
    source, held = databases.open("source"), databases.open("target")
    source.save([kept(f"{number:04}", "1-a", n=number) for number in range(500)])
    target = over_http("target")
    behind = Event()

    def write_plain(plain: Plain) -> bool:
        if plain.ids[0] == "0100":
            assert behind.wait(PATIENCE_S)
            raise Unreachable("The line broke.")
        taken = target.write_plain(plain)
        if plain.ids[0] == "0200":
            behind.set()
        return taken

    breaking = Through(target, write_plain=write_plain)
    with pytest.raises(Unreachable):
        replicate(source, breaking, now=now, random=random, overlap=True, batch=100, checkpoint_every_s=0)
    assert [row.id for row in held.changes().results][100:] == [f"{number:04}" for number in range(200, 300)]
    done = replicate(source, target, now=now, random=random, overlap=True, batch=100)
    assert (done.docs_read, done.docs_written) == (300, 300)
    assert state(held) == state(source)


def test_a_run_that_is_stopped_has_counted_what_was_under_way(
    databases: Databases, over_http: Callable[[str], RemotePeer], now: Now, random: Random
) -> None:
    source, held = databases.open("source"), databases.open("target")
    source.save([kept(f"{number:04}", "1-a", n=number) for number in range(1000)])
    done = replicate(source, over_http("target"), now=now, random=random, overlap=True, batch=100, stop=lambda: True)
    assert not done.complete
    assert done.docs_written == held.info()["doc_count"] < 1000
    rest = replicate(source, over_http("target"), now=now, random=random, overlap=True, batch=100)
    assert rest.docs_read == 1000 - done.docs_written
    assert state(held) == state(source)


def test_odd_pages_between_plain_ones_go_the_general_road(
    databases: Databases, over_http: Callable[[str], RemotePeer], now: Now, random: Random
) -> None:
    source = databases.open("source")
    source.save([kept(f"{number:04}", "1-a", n=number) for number in range(300)])
    odd = [
        kept("0350", "1-b"),
        kept("0350", "1-c"),
        kept("0351", "2-b", "a"),
        kept("0352", "1-d", deleted=True),
        {**kept("0353", "1-a"), "_attachments": {"f": {"content_type": "text/plain", "data": "aGVsbG8="}}},
        kept("é", "1-a"),
    ]
    source.bulk_docs(odd, new_edits=False)
    source.save([kept(f"{number:04}", "1-a", n=number) for number in range(400, 700)])
    databases.open("pushed")
    replicate(source, over_http("pushed"), now=now, random=random, overlap=True, batch=100)
    replicate(over_http("source"), databases.open("pulled"), now=now, random=random, overlap=True, batch=100)
    for name in ("pushed", "pulled"):
        assert state(databases.open(name)) == state(source)
        assert databases.open(name).check() == []


def test_a_page_is_no_longer_than_a_request(databases: Databases, over_http: Callable[[str], RemotePeer]) -> None:
    store = databases.open("source")
    store.save([kept(f"{number:04}", "1-a", text="x" * 1000) for number in range(100)])
    for peer, sizes in ((store, [10] * 10), (over_http("source"), [60, 40])):
        pages: list[PlainPage | Changes] = list(peer.plain_pages(0, limit=lambda: 60, most_bytes=10_000))
        assert [len(page.plain.ids) for page in pages if isinstance(page, PlainPage)] == sizes
        assert len(pages) == len(sizes)


def test_the_next_page_is_made_while_one_is_read(
    databases: Databases, over_http: Callable[[str], RemotePeer], monkeypatch: pytest.MonkeyPatch
) -> None:
    databases.open("source").save([kept(f"{number:04}", "1-a", n=number) for number in range(250)])
    remote = over_http("source")
    asked: list[str] = []
    second = Event()

    def said(method: str, path: str, query: Mapping[str, str]) -> bytearray:
        asked.append(query["since"].partition("-")[0])
        if len(asked) == 2:
            second.set()
        return RemotePeer._said(remote, method, path, query)

    def read(data: bytearray) -> Any:
        # Whoever asks for the second page after the first has been read waits here in vain.
        assert second.wait(PATIENCE_S)
        return parse_json(data)

    monkeypatch.setattr(remote, "_said", said)
    monkeypatch.setattr("sync.remote._parsed", read)
    assert len(list(remote.plain_pages(0, limit=lambda: 100, most_bytes=1_000_000))) == 3
    assert asked == ["0", "100", "200"]


@pytest.mark.parametrize(
    ("end", "begins"),
    [
        ('\n],\n"last_seq":"7-abc_DEF","pending":3}\n', "7-abc_DEF"),
        ('],"last_seq":"7-abc","pending":0}', None),
        ('],"last_seq":7,"pending":3}', None),
        ('],"last_seq":"7","pending":3,"more":1}', None),
        (',"last_seq":"7","pending":3}', None),
    ],
)
def test_where_the_next_page_begins_is_seen_at_the_end_of_one(end: str, begins: str | None) -> None:
    assert _following(bytearray(('{"results":[' + " " * 5000 + end).encode())) == begins


def test_what_was_asked_for_ahead_is_dropped_if_the_answer_said_something_else(
    databases: Databases, over_http: Callable[[str], RemotePeer], monkeypatch: pytest.MonkeyPatch
) -> None:
    databases.open("source").save([kept(f"{number:04}", "1-a", n=number) for number in range(250)])
    remote = over_http("source")
    monkeypatch.setattr("sync.remote._following", lambda data: "200")
    pages = list(remote.plain_pages(0, limit=lambda: 100, most_bytes=1_000_000))
    ids = [id_ for page in pages if isinstance(page, PlainPage) for id_ in page.plain.ids]
    assert ids == [f"{number:04}" for number in range(250)]


def test_what_a_row_of_the_feed_does_not_name_does_not_go_straight(
    databases: Databases, over_http: Callable[[str], RemotePeer], monkeypatch: pytest.MonkeyPatch
) -> None:
    databases.open("db").save([kept("a", "1-a")])
    remote = over_http("db")
    row = {"seq": 1, "id": "a", "changes": [{"rev": "1-a"}], "doc": {"_id": "a", "_rev": "1-a", "n": 1}}
    for odd, is_plain in (
        ({}, True),
        ({"id": "b"}, False),
        ({"changes": [{"rev": "1-b"}]}, False),
        ({"changes": [{"rev": "1-a"}, {"rev": "1-b"}]}, False),
        ({"changes": []}, False),
        ({"deleted": True}, False),
        ({"doc": None}, False),
        ({"doc": {"_id": "a", "_rev": "1-a", "_deleted": True}}, False),
        ({"doc": {"_id": "a", "_rev": "1-a", "_attachments": {}}}, False),
    ):
        answer = bytearray(json.dumps({"results": [{**row, **odd}], "last_seq": "1", "pending": 0}).encode())
        monkeypatch.setattr(remote, "_said", lambda method, path, query, answer=answer: answer)
        pages = remote.plain_pages(0, limit=lambda: 10, most_bytes=1000)
        if odd == {"changes": []}:
            with pytest.raises(Exception, match="no id, revision"):
                next(pages)
        else:
            assert [isinstance(found, PlainPage) for found in pages] == [is_plain]


def test_stores_and_urls_have_the_straight_road(databases: Databases) -> None:
    store = databases.open("db")
    for peer in (store, store.as_writer(COUNTY), RemotePeer("http://127.0.0.1:1/db")):
        assert isinstance(peer, PlainSource)
        assert isinstance(peer, PlainTarget)
