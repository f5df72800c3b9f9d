"""The visitor's screen: which browsers are given to visitors, and the visit of the moment, forgotten after a minute."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

from casework.times import rfc3339
from web.localfile import LocalFile

FORGOTTEN_AFTER: Final = timedelta(minutes=1)
SLOW: Final = timedelta(seconds=10)
"""A page that was asked for within the minute may come a little later."""
MOST_SCREENS: Final = 20
LONGEST: Final = 30
"""Characters that a visitor can write."""


@dataclass
class Visit:
    """Somebody stands before the screen. `key` is part of every address of theirs, and of nobody's after them."""

    key: str
    touched_at: datetime
    said: str = ""


class TouchScreens:
    """A browser that an agent gave to visitors has a token in its cookie, of which the hash is kept here; what a
    visitor does is in memory alone, one visit a screen. Thread-safe.
    """

    def __init__(
        self,
        database: LocalFile,
        *,
        now: Callable[[], datetime],
        random: Random,
        gone: Callable[[str], None] = lambda _visit: None,
    ) -> None:
        """`gone(visit's key)` is called for each visit that is over."""
        self._database = database
        self._now = now
        self._random = random
        self._gone = gone
        self._lock = threading.Lock()
        self._visits: dict[str, Visit] = {}
        database.table("touch_screens", {"token": str, "opened_by": str, "opened_at": str}, pk="token")

    def open(self, account: str) -> str:
        """The token of a new screen."""
        token = f"{self._random.getrandbits(256):064x}"
        with self._database.writing() as db:
            db.execute(
                "INSERT INTO touch_screens (token, opened_by, opened_at) VALUES (?, ?, ?)",
                (_hashed(token), account, rfc3339(self._now())),
            )
            db.execute(
                "DELETE FROM touch_screens WHERE token NOT IN "
                "(SELECT token FROM touch_screens ORDER BY opened_at DESC, rowid DESC LIMIT ?)",
                (MOST_SCREENS,),
            )
        return token

    def is_open(self, token: str) -> bool:
        known = "SELECT 1 FROM touch_screens WHERE token = ?"
        return bool(token) and self._database.row(known, (_hashed(token),)) is not None

    def close(self, token: str) -> None:
        self.forget(token)
        with self._database.writing() as db:
            db.execute("DELETE FROM touch_screens WHERE token = ?", (_hashed(token),))

    def begin(self, token: str) -> Visit:
        """Somebody new, in the place of whoever was there."""
        self.forget(token)
        visit = Visit(f"{self._random.getrandbits(48):012x}", self._now())
        with self._lock:
            self._visits[_hashed(token)] = visit
        return visit

    def visit(self, token: str, key: str) -> Visit | None:
        """The visit of this address, touched now; None when it is over."""
        self.forget_old()
        with self._lock:
            visit = self._visits.get(_hashed(token))
            if visit is None or visit.key != key:
                return None
            visit.touched_at = self._now()
            return visit

    def forget(self, token: str) -> None:
        """Whoever stood there has gone."""
        with self._lock:
            visit = self._visits.pop(_hashed(token), None)
        if visit is not None:
            self._gone(visit.key)

    def forget_old(self) -> None:
        """Drop what nobody has touched for a minute."""
        with self._lock:
            now = self._now()
            old = [
                token for token, visit in self._visits.items() if abs(now - visit.touched_at) > FORGOTTEN_AFTER + SLOW
            ]
            gone = [self._visits.pop(token) for token in old]
        for visit in gone:
            self._gone(visit.key)

    def visits(self) -> int:
        """How many stand before a screen now."""
        return len(self._visits)


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
