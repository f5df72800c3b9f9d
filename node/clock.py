"""The station's clock: what it says, what we believe, and when somebody must confirm the date.

A village machine's clock battery dies; it wakes in 1970 or three years ahead. Work must go on, so a doubtful clock
stops nothing: events carry the clock's own word and our best correction, dated papers wait until a person or the
county has said what day it is, and what was written meanwhile is put right by `clock_corrected` events.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from casework.times import parse_rfc3339, rfc3339
from web.cases.desk import Reading
from web.localfile import LocalFile

# A clock that goes back by more than this since we last looked was reset.
BACK = timedelta(minutes=10)
# Full function with no network for 90 days; a jump further ahead than this is a wrong clock, not a long absence.
AHEAD = timedelta(days=120)
# While the process runs, wall clock and monotonic clock should go alike; a larger difference is a step.
STEP = timedelta(minutes=5)


@dataclass(frozen=True)
class Doubt:
    """Why the clock is not believed: what it says, and the last time that was known to be right."""

    says: datetime
    known: datetime


class StationClock:
    """Thread-safe; persists what it knows in the table `clock` of `station.sqlite3`."""

    def __init__(
        self,
        database: LocalFile,
        *,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        known: datetime | None = None,
    ) -> None:
        """`known`: a time that has certainly passed (the newest signed document at hand), if there is one."""
        self._now = now
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._listeners: list[Callable[[timedelta], None]] = []
        self._database = database
        database.table("clock", {"id": int, "offset_ms": int, "how": str, "raw": str, "known": str}, pk="id")
        row = database.row("SELECT * FROM clock WHERE id = 1")
        raw = now()
        self._offset = timedelta(milliseconds=row["offset_ms"]) if row else timedelta()
        self._how = row["how"] if row else "unknown"
        self._known = max(filter(None, [known, parse_rfc3339(row["known"]) if row else None]), default=raw)
        self._started = (raw, monotonic())
        last_raw = parse_rfc3339(row["raw"]) if row else raw
        self._doubted = self._implausible(raw, last_raw)

    def reading(self) -> Reading:
        """What the clock says now and what must be added; while in doubt, time stands at the last known moment."""
        with self._lock:
            raw = self._now()
            self._notice_step(raw)
            if self._doubted:
                passed = timedelta(seconds=self._monotonic() - self._started[1])
                return Reading(raw, _ms(self._known + passed - raw), "unknown")
            return Reading(raw, _ms(self._offset), self._how)

    def doubt(self) -> Doubt | None:
        """Set while nobody has confirmed the date since the clock was found to be implausible."""
        with self._lock:
            raw = self._now()
            self._notice_step(raw)
            return Doubt(raw, self._known) if self._doubted else None

    def on_jump(self, listener: Callable[[timedelta], None]) -> None:
        """`listener(by)` is called after the corrected time moved by this much at once, without time having passed."""
        self._listeners.append(listener)

    def confirm(self, said: datetime) -> None:
        """A person says what time it is (aware); believed until the county says otherwise."""
        with self._jumping(), self._lock:
            self._believe(said - self._now(), "confirmed")

    def learn(self, offset_ms: int) -> None:
        """The county's clock is ahead of ours by this much, measured over a contact."""
        with self._jumping(), self._lock:
            offset = timedelta(milliseconds=offset_ms)
            # Half a second is within what a round trip cannot tell; writing it down each time would wear the card.
            if self._doubted or self._how != "county" or abs(offset - self._offset) > timedelta(milliseconds=500):
                self._believe(offset, "county")
            elif self._now() + offset - self._known > timedelta(minutes=10):
                self._remember(self._now())

    @contextmanager
    def _jumping(self) -> Iterator[None]:
        before = self.reading()
        yield
        after = self.reading()
        by = (after.corrected - after.raw) - (before.corrected - before.raw)
        if abs(by) > STEP:
            for listener in self._listeners:
                listener(by)

    def _believe(self, offset: timedelta, how: str) -> None:
        self._offset, self._how, self._doubted = offset, how, False
        raw = self._now()
        self._started = (raw, self._monotonic())
        self._remember(raw)

    def _remember(self, raw: datetime) -> None:
        self._known = raw + self._offset
        with self._database.writing() as db:
            db.execute(
                "INSERT OR REPLACE INTO clock (id, offset_ms, how, raw, known) VALUES (1, ?, ?, ?, ?)",
                (_ms(self._offset), self._how, rfc3339(raw), rfc3339(self._known)),
            )

    def _notice_step(self, raw: datetime) -> None:
        """Somebody set the machine's clock while we ran: the offset was measured against the old one."""
        started_raw, started = self._started
        passed = timedelta(seconds=self._monotonic() - started)
        stepped = (raw - started_raw) - passed
        if abs(stepped) <= STEP:
            return
        self._started = (raw, self._monotonic())
        if self._doubted:
            return
        believed_before = started_raw + passed + self._offset
        self._known = max(self._known, believed_before)
        if abs(raw - believed_before) <= STEP:
            # It was set right: from here on it needs no correction.
            self._offset = timedelta()
        else:
            self._doubted = True

    def _implausible(self, raw: datetime, last_raw: datetime) -> bool:
        if raw < last_raw - BACK:
            # It went back since we last looked. If it is now near what we knew to be true, it was set right.
            if self._known - BACK <= raw <= self._known + AHEAD:
                self._offset, self._how = timedelta(), "unknown"
                return False
            return True
        believed = raw + self._offset
        return not self._known - BACK <= believed <= self._known + AHEAD


def _ms(span: timedelta) -> int:
    return round(span / timedelta(milliseconds=1))
