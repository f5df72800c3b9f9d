"""Seats for requests that wait: waitress gives each a thread, so there is a limited number of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator


class Seats:
    """How many requests may wait at the same time, and how long."""

    def __init__(self, count: int, *, max_wait_s: float, monotonic: Callable[[], float]) -> None:
        self._free = threading.BoundedSemaphore(count)
        self._max_wait_s = max_wait_s
        self._monotonic = monotonic

    def take(self) -> bool:
        """Whether one more request may wait for changes now."""
        return self._free.acquire(blocking=False)

    def leave(self) -> None:
        """Make room for the next one."""
        self._free.release()

    def wait_times(self, timeout_ms: int | None, heartbeat_ms: int | None) -> Iterator[float]:
        """The pauses of a waiting request: short ones, so that commits of other processes are seen too."""
        total = self._max_wait_s if timeout_ms is None else min(timeout_ms / 1000, self._max_wait_s)
        end = self._monotonic() + total
        step = min(1.0, heartbeat_ms / 1000) if heartbeat_ms else 1.0
        while (left := end - self._monotonic()) > 0:
            yield min(step, left)


class Seated:
    """A waiting answer that gives its seat back however it ends, also when nobody ever reads it."""

    def __init__(self, pieces: Iterator[bytes], leave: Callable[[], None]) -> None:
        self._pieces = pieces
        self._leave: Callable[[], None] | None = leave

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return next(self._pieces)

    def close(self) -> None:
        """Called by the server when the answer is over."""
        leave, self._leave = self._leave, None
        if leave is not None:
            leave()
