"""Working days and deadlines: what a promise of so many days means on the wall calendar."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from casework.canonical import Document

SATURDAY = 5
_DAY = timedelta(days=1)


Stops = Sequence[tuple[date, date]]
"""Days that a limit does not count: those after the first date up to and including the second."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """The last day of a limit (期限). `provisional` (暂定): a year on the way has no calendar yet, weekends
    only.
    """

    on: date
    provisional: bool


class Calendar:
    """The county's calendars, read. A year without one has weekends and no holidays."""

    def __init__(self, years: frozenset[int], off: frozenset[date], worked: frozenset[date]) -> None:
        self.years = years
        self._off = off
        self._worked = worked

    @classmethod
    def of(cls, documents: Iterable[Document]) -> Calendar:
        """Reads `calendar:YYYY` documents. Raises ValueError for a date that is none."""
        years: set[int] = set()
        off: set[date] = set()
        worked: set[date] = set()
        for document in documents:
            years.add(document["year"])
            off.update(date.fromisoformat(day) for day in document["off"])
            worked.update(date.fromisoformat(day) for day in document["worked"])
        return cls(frozenset(years), frozenset(off), frozenset(worked))

    def is_working_day(self, day: date) -> bool:
        """Whether offices work on that day, as far as the calendars say."""
        if day in self._worked:
            return True
        return day.weekday() < SATURDAY and day not in self._off

    def add_working_days(self, start: date, n: int, *, without: Stops = ()) -> Deadline:
        """The last day of a limit of `n` working days that begins on `start`.

        The day itself is not counted (民法典 201); 0 means 即办: due the same day. `without` are stops (see
        `due`). Raises ValueError when n < 0.
        """
        if n < 0:
            raise ValueError(f"a limit has 0 days or more, not {n}")
        day, left = start, n
        while left:
            day += _DAY
            left -= self.is_working_day(day) and not _stopped(day, without)
        return Deadline(day, n > 0 and not self._knows(start + _DAY, day))

    def add_natural_days(self, start: date, n: int, *, without: Stops = ()) -> Deadline:
        """The last day of a limit of `n` natural days (自然日) that begins on `start`.

        The day itself is not counted (民法典 201); a last day on a day off rolls on to the next working day
        (203). `without` are stops (see `due`). Raises ValueError when n < 0.
        """
        if n < 0:
            raise ValueError(f"a limit has 0 days or more, not {n}")
        if n == 0:
            return Deadline(start, provisional=False)
        last, left = start, n
        while left:
            last += _DAY
            left -= not _stopped(last, without)
        day = last
        while not self.is_working_day(day):
            day += _DAY
        # Only the end meets holidays here: the days before count whatever they are.
        return Deadline(day, not self._knows(last, day))

    def due(self, start: date, limit: Mapping[str, Any], *, more: int = 0, without: Stops = ()) -> Deadline:
        """The last day of an item's limit `{n, unit}`, unit 工作日 or 自然日, extended by `more` of them.

        `without` are stops as (from, to): the days after `from` up to and including `to` are not counted.
        """
        add = self.add_natural_days if limit["unit"] == "自然日" else self.add_working_days
        return add(start, limit["n"] + more, without=without)

    def left(self, start: date, limit: Mapping[str, Any], on: date, *, more: int = 0, without: Stops = ()) -> int:
        """How many days of the limit remain after `on`; below 0 when it was over before."""
        natural = limit["unit"] == "自然日"
        used = 0
        day = start
        while day < on:
            day += _DAY
            used += (natural or self.is_working_day(day)) and not _stopped(day, without)
        return int(limit["n"]) + more - used

    def _knows(self, first: date, last: date) -> bool:
        return all(year in self.years for year in range(first.year, last.year + 1))


def _stopped(day: date, stops: Stops) -> bool:
    return any(start < day <= end for start, end in stops)
