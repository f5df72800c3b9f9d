"""Seats for requests that wait: waitress gives each a thread, so there is a limited number of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Final

DEFAULT_WAIT_S: Final = 60.0
# So often a waiting request looks for itself: a commit of another process wakes nobody here.
_LOOK_EVERY_S: Final = 0.5


class Seats:
    """How many requests may wait at the same time, and how long each."""

    def __init__(self, count: int, *, max_wait_s: float, monotonic: Callable[[], float]) -> None:
        self._free = threading.BoundedSemaphore(count)
        self._max_wait_s = max_wait_s
        self._monotonic = monotonic
        self._closed = False

    def close(self) -> None:
        """Let nobody wait any longer: the server stops."""
        self._closed = True

    def take(self) -> bool:
        """Whether one more request may wait for changes now."""
        return not self._closed and self._free.acquire(blocking=False)

    def leave(self) -> None:
        """Make room for the next one."""
        self._free.release()

    def wait(
        self, timeout_ms: int | None, heartbeat_ms: int | None, *, gone: Callable[[], bool] = lambda: False
    ) -> Wait:
        """The wait of one request. A heartbeat keeps it up, as in CouchDB, beyond its timeout."""
        if heartbeat_ms is not None:
            idle = self._max_wait_s
        else:
            idle = min(DEFAULT_WAIT_S if timeout_ms is None else timeout_ms / 1000, self._max_wait_s)
        return Wait(
            idle,
            None if heartbeat_ms is None else heartbeat_ms / 1000,
            self._monotonic,
            lambda: self._closed or gone(),
            most_s=self._max_wait_s,
        )


class Wait:
    """The pauses of one waiting request, and when a sign of life is due in between."""

    def __init__(
        self,
        idle_s: float,
        heartbeat_s: float | None,
        monotonic: Callable[[], float],
        gone: Callable[[], bool],
        *,
        most_s: float,
    ) -> None:
        self._monotonic = monotonic
        self._gone = gone
        self._idle_s = idle_s
        self._latest = monotonic() + most_s
        self._end = monotonic() + idle_s
        self._heartbeat_s = heartbeat_s
        self._beat_at = monotonic() + (heartbeat_s or 0)

    def pauses(self) -> Iterator[float]:
        """Seconds to wait for a commit; over when the time is, or when whoever asked has gone."""
        while (left := self._end - self._monotonic()) > 0 and not self._gone():
            until_beat = max(0.0, self._beat_at - self._monotonic()) if self._heartbeat_s else left
            yield min(_LOOK_EVERY_S, left, until_beat)

    def beat_is_due(self) -> bool:
        """Whether the client is to be told now that this side is still there."""
        if self._heartbeat_s is None or self._monotonic() < self._beat_at:
            return False
        self._beat_at = self._monotonic() + self._heartbeat_s
        return True

    def spoke(self) -> None:
        """Something was sent: the next sign of life has time, and the wait for more begins anew."""
        self._end = min(self._monotonic() + self._idle_s, self._latest)
        if self._heartbeat_s is not None:
            self._beat_at = self._monotonic() + self._heartbeat_s


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
