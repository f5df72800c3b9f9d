"""Replication: converges, loses nothing, never claims more than is there, and text goes before pictures."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sync.checkpoints import common_sequence, number_of, replication_id
from sync.databases import Databases
from sync.peer import (
    COUNTY,
    Document,
    Fetched,
    Forbidden,
    Garbled,
    Peer,
    PeerError,
    TooLarge,
    Unreachable,
    Writer,
    Written,
)
from sync.remote import RemotePeer
from sync.replicator import Replicated, replicate
from sync.store import Store
from sync.wsgi import CouchApp
from tests.contracts.peer import kept
from tests.sync.faulty import FaultyPeer
from tests.sync.served import served

Now = Callable[[], datetime]


class Through:
    """A peer with some of its methods replaced."""

    def __init__(self, peer: Peer, **replaced: Callable[..., Any]) -> None:
        self.__dict__.update(replaced)
        self._peer = peer
        self._is_plain = not replaced.keys() & {"changes", "bulk_docs"}

    def __getattr__(self, name: str) -> Any:
        if name in ("plain_pages", "write_plain", "takes_plain") and not self._is_plain:
            # A road past what is replaced.
            raise AttributeError(name)
        return getattr(self._peer, name)


@pytest.fixture
def pair(databases: Databases) -> tuple[Store, Store]:
    return databases.open("source"), databases.open("target")


def state(store: Store) -> dict[str, tuple[tuple[str, ...], Document | None]]:
    """Every document with its leaves and its winning content."""
    return {row.id: (row.revs, row.doc) for row in store.changes(style="all_docs", include_docs=True).results}


def is_text(id_: str) -> bool:
    return not id_.startswith("chunk:")


def test_everything_arrives_and_a_second_run_has_nothing_to_do(
    pair: tuple[Store, Store], now: Now, random: Random
) -> None:
    source, target = pair
    source.save([kept(f"d{number:04}", "1-a", n=number) for number in range(1234)])
    rev = source.update({"_id": "e", "n": 1}).rev
    source.update({"_id": "e", "_rev": rev, "_deleted": True})
    done = replicate(source, target, now=now, random=random, batch=100)
    assert (done.docs_read, done.docs_written, done.refused, done.changed) == (1235, 1235, 0, True)
    assert state(target) == state(source)
    again = replicate(source, target, now=now, random=random)
    assert (again.docs_read, again.changed, again.last_seq) == (0, False, done.last_seq)


def test_a_run_with_nothing_new_writes_nothing(pair: tuple[Store, Store], now: Now, random: Random) -> None:
    source, target = pair
    source.save([kept("a", "1-a")])
    replicate(source, target, now=now, random=random)
    id_ = replication_id(source.name, target.name, None)
    before = (source.get_local(id_), target.get_local(id_))
    replicate(source, target, now=now, random=random)
    assert (source.get_local(id_), target.get_local(id_)) == before


def test_a_run_of_another_process_with_nothing_new_writes_nothing_either(
    tmp_path: Path, now: Now, random: Random
) -> None:
    seen = []
    for _ in range(3):
        databases = Databases(tmp_path / "again", random=random)
        source, target = databases.open("source"), databases.open("target")
        source.save([kept("a", "1-a")])
        replicate(source, target, now=now, random=random)
        id_ = replication_id(source.name, target.name, None)
        seen.append((source.get_local(id_), target.get_local(id_)))
        databases.close()
    assert seen[0][0] is not None
    assert seen[0] == seen[1] == seen[2]


def test_conflicts_and_deleted_leaves_travel_with_their_histories(
    pair: tuple[Store, Store], now: Now, random: Random
) -> None:
    source, target = pair
    docs = [
        kept("a", "3-c", "b", "a", n=1),
        kept("a", "3-d", "b", "a", n=2),
        kept("a", "2-x", "a", deleted=True),
    ]
    source.bulk_docs(docs, new_edits=False)
    replicate(source, target, now=now, random=random)
    assert target.history("a") is not None
    assert target.changes(style="all_docs").results[0].revs == ("3-d", "3-c", "2-x")
    assert target.bulk_get([("a", "3-c")]) == source.bulk_get([("a", "3-c")])


def test_attachments_arrive(pair: tuple[Store, Store], now: Now, random: Random) -> None:
    source, target = pair
    source.save([{"_id": "a", "_attachments": {"f": {"content_type": "text/plain", "data": "aGFsbG8="}}}])
    replicate(source, target, now=now, random=random)
    found = target.attachment("a", "f")
    assert found is not None
    assert found.data == b"hallo"


def test_only_the_ids_asked_for(pair: tuple[Store, Store], now: Now, random: Random) -> None:
    source, target = pair
    source.save([kept(name, "1-a") for name in "abcd"])
    replicate(source, target, now=now, random=random, doc_ids=["b", "d", "x"])
    assert set(state(target)) == {"b", "d"}
    replicate(source, target, now=now, random=random)
    assert set(state(target)) == set("abcd")


@pytest.mark.parametrize("overlap", [False, True])
def test_over_http_both_ways(
    pair: tuple[Store, Store], databases: Databases, now: Now, random: Random, overlap: bool
) -> None:
    source, target = pair
    third = databases.open("third")
    source.save([kept(f"d{number:04}", "2-b", "a", text="云岭" * 50, n=number) for number in range(700)])
    with served(CouchApp(databases, authenticate=lambda environ: COUNTY)) as url:
        remote = RemotePeer(f"{url}/target")
        replicate(source, remote, now=now, random=random, overlap=overlap, batch=200)
        replicate(remote, third, now=now, random=random, overlap=overlap, batch=200)
    assert state(third) == state(target) == state(source)
    assert remote.bytes_sent < 100_000, "it goes over the line packed"


edits = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from("abc"),
        st.sampled_from(["edit", "delete", "carry"]),
        st.integers(0, 2),
    ),
    max_size=14,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(edits, st.integers(0, 2**32))
def test_any_edits_on_three_peers_converge(steps: list[tuple[int, str, str, int]], seed: int) -> None:
    random = Random(seed)
    times = iter(range(10**6))
    now: Now = lambda: datetime.fromtimestamp(next(times)).astimezone()  # noqa: E731
    with tempfile.TemporaryDirectory() as folder:
        databases = Databases(Path(folder), random=random)
        stores = [databases.open(name) for name in ("one", "two", "three")]
        for number, (who, id_, what, other) in enumerate(steps):
            found = stores[who].get(id_)
            if what == "carry":
                replicate(stores[who], stores[other], now=now, random=random, batch=2)
            elif what == "edit":
                stores[who].update({**(found or {"_id": id_}), "n": number})
            elif found is not None:
                stores[who].update({"_id": id_, "_rev": found["_rev"], "_deleted": True})
        for _ in range(2):
            for source in stores:
                for target in stores:
                    if source is not target:
                        replicate(source, target, now=now, random=random)
        assert state(stores[0]) == state(stores[1]) == state(stores[2])
        assert all(store.check() == [] for store in stores)
        databases.close()


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("overlap", [False, True])
def test_a_run_may_break_anywhere_and_its_checkpoint_never_runs_ahead(
    pair: tuple[Store, Store], now: Now, seed: int, overlap: bool
) -> None:
    source, target = pair
    random = Random(seed)
    id_ = replication_id(source.name, target.name, None)

    def check_that_checkpoints_are_true(call: str = "") -> None:
        agreed = number_of(common_sequence(source.get_local(id_), target.get_local(id_)))
        assert agreed is not None
        there = {row.id for row in target.changes().results}
        for seq, name, _, _ in source.changes_since(0, 10_000):
            assert seq > agreed or name in there, f"{name} at {seq} is missing, the checkpoint says {agreed}"

    faulty = (
        FaultyPeer(source, random, 0.12),
        FaultyPeer(target, random, 0.12, check_that_checkpoints_are_true),
    )
    broken = 0
    for day in range(6):
        source.save(
            [kept(f"{'chunk' if number % 3 else 'event'}:{day}:{number:02}", "1-a", n=number) for number in range(20)]
        )
        for _ in range(4):
            try:
                replicate(
                    *faulty,
                    now=now,
                    random=random,
                    batch=7,
                    request_bytes=60_000,
                    first=is_text if day % 2 else None,
                    checkpoint_every_s=0.001 if day % 3 else 30,
                    overlap=overlap,
                )
            except Unreachable:
                broken += 1
            check_that_checkpoints_are_true()
    assert broken > 5, "the faults must have struck"
    replicate(source, target, now=now, random=random)
    assert state(target) == state(source)


def test_text_goes_before_pictures_and_nothing_is_fetched_twice(
    pair: tuple[Store, Store], now: Now, random: Random
) -> None:
    source, target = pair
    photo = [kept(f"chunk:photo:{number:03}", "1-a", data="x" * 22_000) for number in range(60)]
    source.save([kept("event:first", "1-a"), *photo, *(kept(f"event:{number:02}", "1-a") for number in range(40))])
    fetched: list[str] = []
    sent: list[int] = []

    def bulk_get(wanted: Sequence[tuple[str, str]]) -> list[Fetched]:
        # The line drops again and again, each time after some requests.
        if len(sent) and len(fetched) // 9 > len(drops):
            drops.append(len(fetched))
            raise Unreachable("dropped")
        answer = source.bulk_get(wanted)
        fetched.extend(id_ for id_, _ in wanted)
        sent.append(sum(one.size for one in answer))
        return answer

    drops: list[int] = []
    flaky = Through(source, bulk_get=bulk_get)
    for _ in range(100):
        try:
            replicate(flaky, target, now=now, random=random, first=is_text, request_bytes=64_000)
        except Unreachable:
            continue
        break
    assert len(drops) > 5
    assert state(target) == state(source)
    assert all(is_text(id_) for id_ in fetched[:41])
    assert not any(is_text(id_) for id_ in fetched[41:])
    assert len(fetched) == len(set(fetched)) == 101
    assert max(sent[1:]) < 100_000, "a few chunks to a request"


def test_newer_text_does_not_wait_behind_an_interrupted_picture(
    pair: tuple[Store, Store], now: Now, random: Random
) -> None:
    source, target = pair
    source.save([kept(f"chunk:{number:02}", "1-a", data="x" * 22_000) for number in range(30)])
    order: list[str] = []

    def bulk_get(wanted: Sequence[tuple[str, str]]) -> list[Fetched]:
        order.extend(id_ for id_, _ in wanted)
        if len(order) > 5 and source.get("event:new") is None:
            source.save([kept("event:new", "1-a")])
        return source.bulk_get(wanted)

    # Within one run: the feed is looked at again while pictures are under way.
    replicate(
        Through(source, bulk_get=bulk_get),
        target,
        now=now,
        random=random,
        first=is_text,
        request_bytes=50_000,
        look_again_s=0.004,
    )
    assert state(target) == state(source)
    assert order.index("event:new") < 25
    # And on the next run after one that broke off.
    source.save([kept(f"chunk:b{number:02}", "1-a", data="x" * 22_000) for number in range(30)])
    calls = iter(range(100))

    def breaking(wanted: Sequence[tuple[str, str]]) -> list[Fetched]:
        if next(calls) > 3:
            raise Unreachable("dropped")
        return source.bulk_get(wanted)

    with pytest.raises(Unreachable):
        replicate(
            Through(source, bulk_get=breaking),
            target,
            now=now,
            random=random,
            first=is_text,
            request_bytes=50_000,
        )
    source.save([kept("event:newer", "1-a")])
    order.clear()
    replicate(
        Through(source, bulk_get=bulk_get),
        target,
        now=now,
        random=random,
        first=is_text,
        request_bytes=50_000,
    )
    assert order[0] == "event:newer"
    assert state(target) == state(source)


def test_what_is_refused_is_told_before_the_checkpoint_moves(databases: Databases, now: Now, random: Random) -> None:
    def no_odd(document: Document, writer: Writer) -> None:
        if document["n"] % 2:
            raise Forbidden("odd")

    source, store = databases.open("source"), databases.open("target")
    target = store.as_writer(Writer("somebody"), no_odd)
    source.save([kept(f"d{number}", "1-a", n=number) for number in range(10)])
    id_ = replication_id(source.name, target.name, None)
    refused: list[tuple[str, str]] = []

    def on_refused(document: Document, reason: str) -> None:
        assert store.get_local(id_) is None
        refused.append((document["_id"], reason))

    done = replicate(source, target, now=now, random=random, on_refused=on_refused)
    assert refused == [(f"d{number}", "odd") for number in range(1, 10, 2)]
    assert (done.docs_written, done.doc_write_failures, done.refused) == (5, 5, 5)
    assert replicate(source, target, now=now, random=random, on_refused=on_refused).refused == 0


def test_if_telling_fails_the_checkpoint_stays(databases: Databases, now: Now, random: Random) -> None:
    def nothing(document: Document, writer: Writer) -> None:
        raise Forbidden("no")

    source, store = databases.open("source"), databases.open("target")
    source.save([kept("a", "1-a")])

    def on_refused(document: Document, reason: str) -> None:
        raise OSError("the list of what was refused cannot be written")

    with pytest.raises(OSError, match="cannot be written"):
        replicate(source, store.as_writer(COUNTY, nothing), now=now, random=random, on_refused=on_refused)
    assert store.get_local(replication_id(source.name, store.name, None)) is None


def test_a_refusal_that_may_pass_ends_the_run_before_the_checkpoint(
    pair: tuple[Store, Store], now: Now, random: Random
) -> None:
    source, target = pair
    source.save([kept("a", "1-a"), kept("b", "1-b")])

    def bulk_docs(docs: Sequence[Document], *, new_edits: bool) -> list[Written]:
        return [*target.bulk_docs(docs[:1], new_edits=False), Written("b", "1-b", "timeout", "busy")]

    with pytest.raises(PeerError, match="busy"):
        replicate(source, Through(target, bulk_docs=bulk_docs), now=now, random=random)
    done = replicate(source, target, now=now, random=random)
    assert done.docs_written == 1
    assert state(target) == state(source)


def test_requests_that_are_too_large_are_cut_and_one_document_that_is_gets_told(
    pair: tuple[Store, Store], now: Now, random: Random
) -> None:
    source, target = pair
    source.save([kept(f"d{number}", "1-a", n=number) for number in range(9)])

    def bulk_docs(docs: Sequence[Document], *, new_edits: bool) -> list[Written]:
        if len(docs) > 2 or docs[0]["n"] == 4:
            raise TooLarge("too large")
        return target.bulk_docs(docs, new_edits=new_edits)

    def bulk_get(wanted: Sequence[tuple[str, str]]) -> list[Fetched]:
        if len(wanted) > 4:
            raise TooLarge("too large")
        return source.bulk_get(wanted)

    refused: list[str] = []
    done = replicate(
        Through(source, bulk_get=bulk_get),
        Through(target, bulk_docs=bulk_docs),
        now=now,
        random=random,
        on_refused=lambda document, reason: refused.append(document["_id"]),
    )
    # The fourth shared its request with another one, which is not to suffer for it.
    assert set(state(target)) | set(refused) == {f"d{number}" for number in range(9)}
    assert "d4" not in state(target) or refused == []
    assert done.docs_written + done.refused == 9


def test_a_source_that_answers_with_other_revisions_is_not_believed(
    pair: tuple[Store, Store], now: Now, random: Random
) -> None:
    source, target = pair
    source.save([kept("a", "1-a"), kept("b", "1-b")])

    def lying(wanted: Sequence[tuple[str, str]]) -> list[Fetched]:
        return [Fetched("b", "1-z", {"_id": "b", "_rev": "1-z"}), *source.bulk_get(wanted)[1:]]

    with pytest.raises(Garbled):
        replicate(Through(source, bulk_get=lying), target, now=now, random=random)
    assert state(target) == {}


def test_a_leaf_that_the_source_lists_but_cannot_give_is_told(
    pair: tuple[Store, Store], now: Now, random: Random
) -> None:
    source, target = pair
    source.save([kept("a", "1-a"), kept("b", "1-b")])

    def forgetful(wanted: Sequence[tuple[str, str]]) -> list[Fetched]:
        return [
            one._replace(document=None, error="not_found", reason="missing") if one.id == "a" else one
            for one in source.bulk_get(wanted)
        ]

    refused: list[Document] = []
    replicate(
        Through(source, bulk_get=forgetful),
        target,
        now=now,
        random=random,
        on_refused=lambda document, reason: refused.append(document),
    )
    assert refused == [{"_id": "a", "_rev": "1-a"}]
    assert set(state(target)) == {"b"}


def test_a_run_that_is_stopped_keeps_what_it_has(pair: tuple[Store, Store], now: Now, random: Random) -> None:
    source, target = pair
    source.save([kept(f"d{number:03}", "1-a") for number in range(100)])
    seen: list[Replicated] = []
    done = replicate(
        source,
        target,
        now=now,
        random=random,
        batch=10,
        stop=lambda: seen[-1].docs_written >= 30,
        progress=seen.append,
    )
    assert not done.complete
    assert done.docs_written == 30
    rest = replicate(source, target, now=now, random=random)
    assert rest.docs_read <= 70
    assert state(target) == state(source)


@pytest.fixture
def backup(tmp_path: Path, random: Random) -> Iterator[Callable[[Store], Callable[[], Store]]]:
    """Copy a store's file now; called later, put the copy back and open it."""
    opened: list[Store] = []

    def make(store: Store) -> Callable[[], Store]:
        store._file.tidy()
        copy = tmp_path / f"backup-{len(opened)}"
        shutil.copy(store.path, copy)

        def restore() -> Store:
            store.close_for_all()
            for suffix in ("-wal", "-shm"):
                store.path.with_name(store.path.name + suffix).unlink(missing_ok=True)
            shutil.copy(copy, store.path)
            opened.append(Store(store.path, name=store.database, random=random))
            return opened[-1]

        return restore

    yield make
    for store in opened:
        store.close()


Backup = Callable[[Store], Callable[[], Store]]


def test_a_target_restored_from_a_backup_gets_what_it_lost(
    pair: tuple[Store, Store], now: Now, random: Random, backup: Backup
) -> None:
    source, target = pair
    source.save([kept(f"a{number}", "1-a") for number in range(5)])
    replicate(source, target, now=now, random=random)
    restore = backup(target)
    source.save([kept(f"b{number}", "1-a") for number in range(5)])
    replicate(source, target, now=now, random=random)
    target = restore()
    assert len(state(target)) == 5
    assert replicate(source, target, now=now, random=random).docs_written == 5
    assert state(target) == state(source)


def test_a_restored_target_with_its_newest_checkpoint_put_back_is_not_believed(
    pair: tuple[Store, Store], now: Now, random: Random, backup: Backup
) -> None:
    source, target = pair
    source.save([kept(f"a{number}", "1-a") for number in range(5)])
    replicate(source, target, now=now, random=random)
    restore = backup(target)
    source.save([kept(f"b{number}", "1-a") for number in range(5)])
    replicate(source, target, now=now, random=random)
    id_ = replication_id(source.name, target.name, None)
    newest = target.local(id_)
    target = restore()
    assert newest is not None
    target.save([], locals={id_: {key: value for key, value in newest.items() if key[0] != "_"}})
    assert replicate(source, target, now=now, random=random).docs_written == 5
    assert state(target) == state(source)


def test_a_source_restored_from_a_backup_gives_what_is_new_since(
    pair: tuple[Store, Store], now: Now, random: Random, backup: Backup
) -> None:
    source, target = pair
    source.save([kept(f"a{number}", "1-a") for number in range(5)])
    replicate(source, target, now=now, random=random)
    restore = backup(source)
    source.save([kept(f"b{number}", "1-a") for number in range(5)])
    replicate(source, target, now=now, random=random)
    source = restore()
    source.save([kept(f"c{number}", "1-a") for number in range(7)])
    replicate(source, target, now=now, random=random)
    assert set(state(source)) <= set(state(target))
    # And what only the target has kept goes back.
    replicate(target, source, now=now, random=random)
    assert state(target) == state(source)


@pytest.mark.parametrize("which", ["source", "target"])
def test_a_database_that_was_made_anew_is_filled_again(
    databases: Databases, now: Now, random: Random, which: str
) -> None:
    source, target = databases.open("source"), databases.open("target")
    with served(CouchApp(databases, authenticate=lambda environ: COUNTY)) as url:
        peers = RemotePeer(f"{url}/source"), RemotePeer(f"{url}/target")
        source.save([kept(f"a{number}", "1-a") for number in range(5)])
        replicate(*peers, now=now, random=random)
        databases.delete(which)
        databases.open(which)
        source, target = databases.open("source"), databases.open("target")
        source.save([kept(f"c{number}", "1-a") for number in range(8)])
        replicate(*peers, now=now, random=random)
        assert set(state(source)) <= set(state(target))
