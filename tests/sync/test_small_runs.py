"""A small run costs little: what one process remembers of two databases is used, and never believed too long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from sync.checkpoints import WARM_FOR, Memory
from sync.databases import Databases
from sync.lanes import Lane
from sync.peer import COUNTY, Document, Forbidden, PeerError, Unreachable, Writer
from sync.remote import RemotePeer
from sync.replicator import Replicated, replicate
from sync.store import Store
from sync.wsgi import CouchApp
from tests.contracts.peer import kept
from tests.sync.faulty import FaultyPeer
from tests.sync.served import served
from tests.sync.test_replicator import Through, state

CALLS = ("info", "changes", "revs_diff", "bulk_get", "bulk_docs", "get_local", "put_local")


class Line:
    """A county behind peers that note what they are asked, and the memory of the one station that asks."""

    def __init__(self, here: Store, there: Store) -> None:
        self.here, self.there = here, there
        self.now = datetime(2026, 11, 24, tzinfo=UTC)
        self.memory = Memory()
        self.asked: list[str] = []
        self.refused: list[str] = []
        self.writer = COUNTY

    def _noting(self, peer: Any) -> Any:
        def noted(call: str) -> Callable[..., Any]:
            def act(*args: Any, **kwargs: Any) -> Any:
                self.asked.append(call)
                return getattr(peer, call)(*args, **kwargs)

            return act

        # Far away: it does not say that it is near.
        return Through(peer, is_near=False, **{call: noted(call) for call in CALLS})

    def push(self, target: Any = None) -> Replicated:
        return self._run(self.here, target or self._noting(self.there.as_writer(self.writer)))

    def pull(self) -> Replicated:
        return self._run(self._noting(self.there), self.here.as_writer(COUNTY))

    def _run(self, source: Any, target: Any) -> Replicated:
        self.asked.clear()
        return replicate(
            Lane(source, "all", lambda id_: True),
            target,
            now=lambda: self.now,
            random=Random(1),
            memory=self.memory,
            on_refused=lambda document, reason: self.refused.append(document["_id"]),
        )


@pytest.fixture
def line(databases: Databases) -> Line:
    return Line(databases.open("here"), databases.open("there"))


def test_a_few_new_documents_cost_one_request(line: Line) -> None:
    line.here.save([kept(f"old{number}", "1-a") for number in range(30)])
    line.push()
    assert "put_local" in line.asked
    for number in range(5):
        line.here.save([kept(f"new{number}:{part}", "1-a", n=number) for part in range(3)])
        assert line.push().docs_written == 3
        assert line.asked == ["bulk_docs"]
    assert state(line.there) == state(line.here)
    line.push()
    assert line.asked == []


def test_many_or_large_ones_are_asked_for_first(line: Line) -> None:
    line.here.save([kept("old", "1-a")])
    line.push()
    line.here.save([kept("large", "1-a", data="x" * 9000)])
    line.push()
    assert line.asked == ["revs_diff", "bulk_docs"]
    line.here.save([kept(f"many{number:02}", "1-a") for number in range(11)])
    line.push()
    assert line.asked == ["revs_diff", "bulk_docs"]


def test_what_came_down_is_not_offered_back(line: Line) -> None:
    line.here.save([kept("ours", "1-a")])
    line.push()
    line.pull()
    line.there.save([kept(f"receipt{number}", "1-a") for number in range(20)])
    assert line.pull().docs_written == 20
    assert line.asked == ["changes", "bulk_get"]
    line.push()
    assert line.asked == []
    line.here.save([kept("ours too", "1-a")])
    assert line.push().docs_read == 1
    assert line.asked == ["bulk_docs"]


def test_both_ends_are_compared_again_after_a_while(line: Line) -> None:
    line.here.save([kept("a", "1-a")])
    line.push()
    line.here.save([kept("b", "1-a")])
    line.push()
    line.now += WARM_FOR
    line.here.save([kept("c", "1-a")])
    line.push()
    assert line.asked[:1] == ["info"]
    assert "put_local" in line.asked
    # A clock that was set back ends it too.
    line.now -= timedelta(seconds=1) + WARM_FOR
    line.push()
    assert line.asked[:1] == ["info"]


def test_what_little_runs_carried_is_covered_by_the_next_checkpoint(line: Line) -> None:
    line.here.save([kept("a", "1-a")])
    line.push()
    line.here.save([kept("b", "1-a")])
    line.push()
    # Another process, without this memory.
    line.memory = Memory()
    done = line.push()
    assert (done.docs_read, line.refused) == (0, [])
    assert "revs_diff" in line.asked
    assert "bulk_docs" not in line.asked


def test_after_a_break_nothing_is_taken_for_granted(line: Line) -> None:
    line.here.save([kept("a", "1-a")])
    line.push()
    line.here.save([kept("b", "1-a")])

    def lost_answer(docs: list[Document], *, new_edits: bool) -> None:
        line.there.bulk_docs(docs, new_edits=new_edits)
        raise Unreachable("the answer got lost")

    with pytest.raises(Unreachable):
        line.push(Through(line.there, bulk_docs=lost_answer))
    done = line.push()
    assert line.asked[:1] == ["info"]
    assert "revs_diff" in line.asked
    assert done.docs_read == 0
    assert state(line.there) == state(line.here)


def test_a_county_that_was_reset_gets_everything_again(line: Line, databases: Databases) -> None:
    line.here.save([kept(f"{number}", "1-a") for number in range(5)])
    line.push()
    databases.delete("there")
    line.there = databases.open("there")
    line.here.save([kept("new", "1-a")])
    # Perhaps not at once, for it is not asked at once; but after the time that a memory is believed.
    line.push()
    line.now += WARM_FOR
    line.push()
    assert state(line.there) == state(line.here)


def test_a_document_that_the_county_has_from_others_is_no_failure(line: Line) -> None:
    def nobody(document: Document, writer: Writer) -> None:
        raise Forbidden("only the county")

    line.here.save([kept("a", "1-a")])
    line.push()
    # By another road both ends got the same receipt, which this station may not write.
    line.here.save([kept("receipt", "1-a")])
    line.there.save([kept("receipt", "1-a")])
    line.push(Through(line.there.as_writer(Writer("station"), nobody), is_near=False))
    assert line.refused == []
    line.here.save([kept("wrong", "1-a")])
    line.push(Through(line.there.as_writer(Writer("station"), nobody), is_near=False))
    assert line.refused == ["wrong"]


@pytest.mark.parametrize("seed", range(20))
def test_with_memories_over_broken_lines_everything_arrives(seed: int, tmp_path: Path) -> None:
    random = Random(seed)
    databases = Databases(tmp_path, random=random)
    line = Line(databases.open("here"), databases.open("there"))
    serial = 0
    for _ in range(15):
        line.now += timedelta(seconds=random.choice([1, 30, 600]))
        for store in (line.here, line.there):
            for _ in range(random.choice([0, 1, 3, 12])):
                serial += 1
                store.save([kept(f"{random.randrange(40)}", f"1-{serial:x}", n=serial)])
        faults = random.choice([0.0, 0.0, 0.3])
        here: Any = line.here
        there: Any = FaultyPeer(line.there.as_writer(COUNTY), random, faults)
        for source, target in random.sample([(here, there), (there, here)], 2):
            try:
                replicate(source, target, now=lambda: line.now, random=random, memory=line.memory, batch=7)
            except PeerError:
                continue
        if random.random() < 0.1:
            line.memory = Memory()
    # Whole lines, and the memory as it is.
    for _ in range(2):
        replicate(line.here, line.there.as_writer(COUNTY), now=lambda: line.now, random=random, memory=line.memory)
        replicate(line.there, line.here.as_writer(COUNTY), now=lambda: line.now, random=random, memory=line.memory)
    here_state = {id_: sorted(revs) for id_, (revs, _) in state(line.here).items()}
    assert here_state == {id_: sorted(revs) for id_, (revs, _) in state(line.there).items()}
    assert len(here_state) > 10
    databases.close()


@pytest.fixture
def county_url(databases: Databases) -> Iterator[str]:
    databases.open("county")
    with served(CouchApp(databases, authenticate=lambda environ: COUNTY)) as url:
        yield f"{url}/county"


def test_three_events_of_a_case_go_up_in_less_than_2_kb(
    databases: Databases, county_url: str, now: Callable[[], datetime], random: Random
) -> None:
    store = databases.open("station")
    memory = Memory()
    words = Random(5)

    def push() -> RemotePeer:
        peer = RemotePeer(county_url, authorization=lambda: "Bearer " + "x" * 350)
        replicate(store, peer, now=now, random=random, memory=memory)
        return peer

    store.save([kept("first", "1-a")])
    push()
    # As long as events are, and as little to be packed: two hashes and a signature in each.
    store.save(
        [
            kept(
                f"event:{part}", f"1-{words.randbytes(16).hex()}", text="低保申请" * 60, sig=words.randbytes(110).hex()
            )
            for part in range(3)
        ]
    )
    peer = push()
    assert peer.requests == 1
    assert peer.bytes_sent < 2_000
