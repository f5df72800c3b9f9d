"""Replication that goes on: run after run, waiting in between for news, patient with a line that breaks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Final

from sync.peer import Garbled, PeerError, Seq, TooLarge, Unreachable
from sync.replicator import Replicated

LONGEST_PAUSE_S: Final = 60.0
# A server that has no seat free for whoever waits answers at once: it is not asked again at once.
_SHORTEST_WAIT_S: Final = 4.0

# The server was not fast enough, or too often asked: the same request may do well in a while.
_LATER: Final = (408, 429)

Progress = Callable[[Replicated], None]


def follow(
    run: Callable[[Progress], Replicated],
    wait: Callable[[Seq, float], bool],
    *,
    stop: Callable[[], bool],
    sleep: Callable[[float], None],
    monotonic: Callable[[], float],
    random: Random,
    wait_s: float = 25.0,
    on_trouble: Callable[[PeerError, float], None] | None = None,
) -> Replicated:
    """Run until `stop`. `run(progress)` is one run, which says in between how far it is. `wait(since, seconds)` returns
    when the source has something after `since` (True) or the time is over.

    Raises the `PeerError`s that waiting does not mend (no such database, not allowed). Breaks of the line are told to
    `on_trouble` with the pause in seconds that follows, and tried again. Returns all runs together, with what those
    have done that broke.
    """
    together = Replicated()
    so_far: Replicated | None = None

    def progress(done: Replicated) -> None:
        nonlocal so_far
        so_far = done

    troubles = 0
    while not stop():
        try:
            done = run(progress)
            together, so_far = _added(together, done), None
            troubles = 0
            _wait(wait, done.last_seq, stop, sleep, monotonic, wait_s)
        except PeerError as problem:
            # What is too large of the source's own is refused within a run: this is a stranger who talks without end.
            if (
                not isinstance(problem, Unreachable | Garbled | TooLarge)
                and problem.status < 500
                and problem.status not in _LATER
            ):
                raise
            if so_far is not None:
                together, so_far = _added(together, so_far), None
            troubles += 1
            pause = min(LONGEST_PAUSE_S, 2.0**troubles) * random.uniform(0.5, 1.0)
            if on_trouble is not None:
                on_trouble(problem, pause)
            sleep(pause)
    return together


def _wait(
    wait: Callable[[Seq, float], bool],
    since: Seq,
    stop: Callable[[], bool],
    sleep: Callable[[float], None],
    monotonic: Callable[[], float],
    wait_s: float,
) -> None:
    while not stop():
        began = monotonic()
        if wait(since, wait_s):
            return
        if (left := _SHORTEST_WAIT_S - (monotonic() - began)) > 0:
            sleep(left)


def _added(one: Replicated, other: Replicated) -> Replicated:
    return replace(
        other,
        docs_read=one.docs_read + other.docs_read,
        docs_written=one.docs_written + other.docs_written,
        doc_write_failures=one.doc_write_failures + other.doc_write_failures,
        refused=one.refused + other.refused,
        changed=one.changed or other.changed,
    )
