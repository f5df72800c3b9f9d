"""How often somebody may be wrong before being asked to wait."""

from __future__ import annotations

import threading
from collections import deque
from datetime import datetime

# Beyond this many names the oldest are forgotten: a flood of names must not become a flood of memory.
MOST_NAMES = 10_000


class Throttle:
    """At most `limit` failures per name within `window_s` seconds; successes cost nothing. Held in memory."""

    def __init__(self, *, limit: int, window_s: int) -> None:
        self._limit = limit
        self._window_s = window_s
        self._failures: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def open_for(self, name: str, now: datetime) -> bool:
        with self._lock:
            failures = self._failures.get(name)
            if failures is None:
                return True
            while failures and abs(now.timestamp() - failures[0]) >= self._window_s:
                failures.popleft()
            if not failures:
                del self._failures[name]
            return len(failures) < self._limit

    def failed(self, name: str, now: datetime) -> None:
        with self._lock:
            while len(self._failures) >= MOST_NAMES:
                del self._failures[next(iter(self._failures))]
            self._failures.setdefault(name, deque(maxlen=self._limit)).append(now.timestamp())
