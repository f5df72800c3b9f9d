"""Replication that goes on: it waits for news, outlasts a broken line, and ends when it is told to."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from random import Random

import pytest

from sync.databases import Databases
from sync.following import LONGEST_PAUSE_S, Progress, follow
from sync.peer import Forbidden, PeerError, Seq, TooLarge, Unreachable
from sync.replicator import Replicated, replicate
from tests.contracts.peer import kept
from tests.patience import PATIENCE_S, until
from tests.sync.test_commands import fill, server, start  # noqa: F401
from tests.sync.test_replicator import state


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds

    def __call__(self) -> float:
        return self.seconds


def test_it_waits_for_news_and_carries_them(databases: Databases, now: Callable[[], datetime], random: Random) -> None:
    source, target = databases.open("source"), databases.open("target")
    source.save([kept("first", "1-a")])
    news = iter([True, True, False])
    clock = Clock()
    stopped = False

    def wait(since: Seq, timeout_s: float) -> bool:
        nonlocal stopped
        if next(news):
            source.save([kept(f"later:{since}", "1-a")])
            assert source.wait_for_changes(since, 1)
            return True
        stopped = True
        return False

    done = follow(
        lambda progress: replicate(source, target, now=now, random=random, progress=progress),
        wait,
        stop=lambda: stopped,
        sleep=clock.sleep,
        monotonic=clock,
        random=random,
    )
    assert done.docs_written == 3
    assert state(target) == state(source)


def test_a_broken_line_is_told_and_tried_again_later_and_later() -> None:
    fates: list[PeerError | None] = [Unreachable("down")] * 9 + [None] + [Unreachable("down")]
    clock = Clock()
    told: list[float] = []

    def run(progress: Progress) -> Replicated:
        progress(Replicated(docs_written=1))
        progress(Replicated(docs_written=3))
        fate = fates.pop(0)
        if fate is not None:
            raise fate
        return Replicated(docs_written=4)

    done = follow(
        run,
        lambda since, timeout_s: True,
        stop=lambda: not fates,
        sleep=clock.sleep,
        monotonic=clock,
        random=Random(3),
        on_trouble=lambda problem, pause_s: told.append(pause_s),
    )
    assert told == clock.slept
    assert len(told) == 10
    assert told[0] <= 2
    assert LONGEST_PAUSE_S / 2 <= told[8] <= LONGEST_PAUSE_S
    # After a run that went well the patience is as short as at first.
    assert told[9] <= 2
    # What came before a line broke has come.
    assert done.docs_written == 10 * 3 + 4


@pytest.mark.parametrize(
    "fate", [*(PeerError("later", status=status) for status in (408, 429, 500, 503)), TooLarge("an endless answer")]
)
def test_a_server_that_is_busy_is_asked_again(fate: PeerError) -> None:
    fates = [fate]
    clock = Clock()

    def run(progress: Progress) -> Replicated:
        raise fates.pop()

    follow(
        run,
        lambda since, timeout_s: True,
        stop=lambda: not fates,
        sleep=clock.sleep,
        monotonic=clock,
        random=Random(1),
    )
    assert len(clock.slept) == 1


def test_what_waiting_does_not_mend_is_raised() -> None:
    def run(progress: Progress) -> Replicated:
        raise Forbidden("not you")

    clock = Clock()
    with pytest.raises(Forbidden):
        follow(
            run, lambda since, timeout_s: True, stop=lambda: False, sleep=clock.sleep, monotonic=clock, random=Random(1)
        )
    assert clock.slept == []


def test_a_server_that_answers_at_once_is_not_asked_without_end() -> None:
    clock = Clock()
    asked = 0

    def wait(since: Seq, timeout_s: float) -> bool:
        nonlocal asked
        asked += 1
        return asked == 10

    follow(
        lambda progress: Replicated(),
        wait,
        stop=lambda: asked >= 10,
        sleep=clock.sleep,
        monotonic=clock,
        random=Random(1),
    )
    assert clock.seconds == 9 * 4.0


@pytest.mark.processes
@pytest.mark.parametrize("way", ["pull", "push"])
def test_the_command_goes_on_until_it_is_told_to_stop(server: str, tmp_path: Path, way: str) -> None:  # noqa: F811
    fill(tmp_path / "served", "docs", 3)
    here = tmp_path / "here"
    fill(here, "docs", 0)
    ends = (f"{server}/docs", f"{here}/docs")
    process = start(
        "-m", "yizhan", "sync", "replicate", *(ends if way == "pull" else ends[::-1]), "--continuous", "--json"
    )
    writes = Databases(tmp_path / "served" if way == "pull" else here, random=Random(2)).open("docs")
    reads = Databases(here if way == "pull" else tmp_path / "served", random=Random(3)).open("docs")
    try:
        for number in range(3):
            time.sleep(0.5)
            writes.save([kept(f"new{number}", "1-a")])
            until(lambda: reads.get(f"new{number}") is not None, "it is on the other side")  # noqa: B023
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    assert process.returncode == 0
    assert json.loads(said)["docs_written"] == (6 if way == "pull" else 3)
