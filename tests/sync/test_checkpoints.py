"""Which sequence two checkpoint documents agree on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from random import Random

import pytest

from sync.checkpoints import Checkpoints, Progress, common_sequence, number_of, older, replication_id
from sync.databases import Databases
from sync.peer import Document, Seq


def log(*sessions: tuple[str, Seq]) -> Document:
    """A checkpoint document whose newest session is the first."""
    return {
        "session_id": sessions[0][0],
        "source_last_seq": sessions[0][1],
        "history": [{"session_id": session, "recorded_seq": seq} for session, seq in sessions],
    }


@pytest.mark.parametrize(
    ("source", "target", "agreed"),
    [
        (None, None, 0),
        (log(("s1", "5-a")), None, 0),
        (None, log(("s1", "5-a")), 0),
        (log(("s1", "5-a")), log(("s1", "5-a")), "5-a"),
        # Restored in the middle of a session: the earlier place counts, whichever side it is.
        (log(("s1", "9-a")), log(("s1", "5-a")), "5-a"),
        (log(("s1", "5-a")), log(("s1", "9-a")), "5-a"),
        # The target was restored to what it was after an earlier session.
        (log(("s3", 30), ("s2", 20), ("s1", 10)), log(("s2", 20), ("s1", 10)), 20),
        (log(("s3", 30), ("s2", 20), ("s1", 10)), log(("s1", 10)), 10),
        # The source was.
        (log(("s1", 10)), log(("s3", 30), ("s2", 20), ("s1", 10)), 10),
        # Nothing in common.
        (log(("s1", 10)), log(("x1", 10)), 0),
        # One session, two sequences that cannot be compared.
        (log(("s1", "abc")), log(("s1", "xyz")), 0),
        # Somebody else's document, or a damaged one.
        ({"session_id": 5, "history": "no"}, log(("s1", 1)), 0),
        (
            log(("s1", 1)),
            {"history": [None, {"session_id": "s1"}, {"session_id": "s1", "recorded_seq": 1}]},
            1,
        ),
    ],
)
def test_the_agreed_sequence(source: Document | None, target: Document | None, agreed: Seq) -> None:
    assert common_sequence(source, target) == agreed


def test_sequences_are_compared_by_their_number() -> None:
    assert older("9-x", "10-a") == "9-x"
    assert older(3, "2-g1AAAA") == "2-g1AAAA"
    assert number_of("g1AAA") is None
    assert number_of(None) is None


def test_another_pair_or_another_selection_has_another_checkpoint() -> None:
    ids = {
        replication_id("a", "b", None),
        replication_id("b", "a", None),
        replication_id("a", "c", None),
        replication_id("a", "b", []),
        replication_id("a", "b", ["x"]),
    }
    assert len(ids) == 5
    assert replication_id("a", "b", ["x", "y"]) == replication_id("a", "b", ["y", "x"])


def test_each_run_is_a_session_of_its_own_and_the_history_stays_short(
    databases: Databases, now: Callable[[], datetime], random: Random
) -> None:
    source, target = databases.open("source"), databases.open("target")
    sessions = set()
    for number in range(1, 15):
        source.save([{"_id": str(number)}])
        checkpoints = Checkpoints(source, target, "id", now, random)
        assert checkpoints.start() == number - 1
        checkpoints.record(number, Progress(docs_written=1))
        checkpoints.record(number, Progress(docs_written=1))
        sessions.add(checkpoints.session)
    assert len(sessions) == 14
    found = target.get_local("id")
    assert found is not None
    history = found["history"]
    assert [entry["recorded_seq"] for entry in history] == list(range(14, 4, -1))
    assert found["source_last_seq"] == 14
    assert {key: value for key, value in (source.get_local("id") or {}).items() if key != "_rev"} == {
        key: value for key, value in found.items() if key != "_rev"
    }


def test_a_lost_answer_does_not_block_the_next_checkpoint(
    databases: Databases, now: Callable[[], datetime], random: Random
) -> None:
    source, target = databases.open("source"), databases.open("target")
    checkpoints = Checkpoints(source, target, "id", now, random)
    checkpoints.start()
    # Written over there, but the answer never came back.
    target.put_local("id", {"session_id": checkpoints.session, "source_last_seq": 1})
    checkpoints.record(2, Progress())
    assert (target.get_local("id") or {})["source_last_seq"] == 2


@pytest.mark.parametrize("end", ["source", "target"])
def test_an_end_with_another_uuid_is_another_database(
    databases: Databases, now: Callable[[], datetime], random: Random, end: str
) -> None:
    stores = {name: databases.open(name) for name in ("source", "target")}
    stores["source"].save([{"_id": "a"}])
    checkpoints = Checkpoints(stores["source"], stores["target"], "id", now, random)
    checkpoints.start()
    checkpoints.record(1, Progress())
    again = Checkpoints(stores["source"], stores["target"], "id", now, random)
    assert again.start() == 1
    stores[end].info = lambda: {"uuid": "another", "update_seq": 99}  # type: ignore[method-assign]
    assert again.start() == 0


def test_a_start_time_that_changes_with_every_answer_does_not_begin_anew(
    databases: Databases, now: Callable[[], datetime], random: Random
) -> None:
    source, target = databases.open("source"), databases.open("target")
    source.save([{"_id": "a"}])
    times = iter(range(100))
    target.info = lambda: {"update_seq": 1, "instance_start_time": str(next(times))}  # type: ignore[method-assign]
    checkpoints = Checkpoints(source, target, "id", now, random)
    checkpoints.start()
    checkpoints.record(1, Progress())
    assert Checkpoints(source, target, "id", now, random).start() == 1
