"""Times: RFC 3339 text, the civil date in China, and the hybrid logical clock that orders events."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone

CHINA = timezone(timedelta(hours=8), "+08:00")
"""Dates such as `due_on` are dates here; China has one zone and no summer time."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

TOLERANCE_MS = 10 * 60 * 1000
"""How far ahead of our corrected time a remote stamp may be and still move ours (ten minutes)."""

_RFC3339 = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$")
_HLC = re.compile(r"^(\d{13})-([0-9a-f]{4})-(\d{12})$")
_LAST_MS = 10**13 - 1
_LAST_COUNTER = 0xFFFF


def rfc3339(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds and `Z`. Raises ValueError for a naive time."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone says nothing")
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def parse_rfc3339(text: str) -> datetime:
    """An aware UTC time. Raises ValueError for anything but RFC 3339 with a zone."""
    if not _RFC3339.match(text):
        raise ValueError(f"not an RFC 3339 time: {text!r}")
    # Python 3.11 reads up to six digits of a second; more say nothing here.
    shortened = re.sub(r"(\.\d{6})\d+", r"\1", text)
    return datetime.fromisoformat(shortened).astimezone(UTC)


def milliseconds(moment: datetime) -> int:
    """Whole milliseconds since 1970, rounded down."""
    return (moment - EPOCH) // timedelta(milliseconds=1)


def from_milliseconds(ms: int) -> datetime:
    """The inverse of `milliseconds`: an aware UTC time."""
    return EPOCH + timedelta(milliseconds=ms)


def civil_date(moment: datetime) -> date:
    """The date on the wall calendar in China at that moment."""
    return moment.astimezone(CHINA).date()


@dataclass(frozen=True, order=True, slots=True)
class Hlc:
    """One stamp of the hybrid logical clock (Kulkarni et al. 2014): milliseconds, counter, station code (12
    digits).

    Stamps of one writer strictly rise, whatever its clock does; their text sorts as they do.
    """

    ms: int
    counter: int
    station: str

    def text(self) -> str:
        """`<13-digit ms>-<4 hex>-<code12>`."""
        return f"{self.ms:013d}-{self.counter:04x}-{self.station}"

    @property
    def moment(self) -> datetime:
        """The physical part as an aware UTC time."""
        return from_milliseconds(self.ms)

    @classmethod
    def parse(cls, text: str) -> Hlc:
        """Reads `text` back. Raises ValueError."""
        found = _HLC.match(text)
        if found is None:
            raise ValueError(f"not a hybrid logical timestamp: {text!r}")
        return cls(int(found[1]), int(found[2], 16), found[3])

    @classmethod
    def tick(cls, now_ms: int, last: Hlc | None, station: str) -> Hlc:
        """The next stamp of `station`: `now_ms` is its corrected time, `last` the greatest stamp it knows.

        A clock that was set back (1970, say) never takes stamps back: the counter goes on from `last`.
        """
        now_ms = min(max(now_ms, 0), _LAST_MS)
        if last is None or now_ms > last.ms:
            return cls(now_ms, 0, station)
        if last.counter < _LAST_COUNTER:
            return cls(last.ms, last.counter + 1, station)
        return cls(last.ms + 1, 0, station)

    def observe(self, remote: Hlc, corrected_now_ms: int) -> Hlc:
        """Our greatest stamp after reading `remote`; still in our own name.

        A stamp more than TOLERANCE_MS ahead of our corrected time leaves ours where it is: one station in
        2029 must not take the county with it (design.md, invariant 8).
        """
        if remote.ms > corrected_now_ms + TOLERANCE_MS:
            return self
        if (remote.ms, remote.counter) <= (self.ms, self.counter):
            return self
        return Hlc(remote.ms, remote.counter, self.station)
