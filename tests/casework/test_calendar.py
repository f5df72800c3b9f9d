"""Working days and deadlines, beside an independent calendar."""

from __future__ import annotations

from datetime import date, timedelta

import chinese_calendar
import pytest
from hypothesis import given
from hypothesis import strategies as st

from casework.calendar import Calendar, Deadline
from casework.documents import TYPES
from casework.documents import calendar as calendar_type
from casework.holidays import known_calendars
from tests.casework.county import CALENDAR
from tests.casework.examples import county_signed

DAYS = [date(2025, 1, 1) + timedelta(days=n) for n in range(730)]


def test_every_day_of_2025_and_2026_agrees_with_chinesecalendar() -> None:
    assert [day for day in DAYS if CALENDAR.is_working_day(day) != chinese_calendar.is_workday(day)] == []


@given(st.sampled_from(DAYS[:500]), st.integers(0, 120))
def test_a_limit_ends_on_the_nth_working_day_after_its_first(start: date, n: int) -> None:
    due = CALENDAR.add_working_days(start, n)
    assert not due.provisional
    between = [start + timedelta(days=k) for k in range(1, (due.on - start).days + 1)]
    assert sum(chinese_calendar.is_workday(day) for day in between) == n
    assert n == 0 or chinese_calendar.is_workday(due.on)


@pytest.mark.parametrize(
    ("start", "n", "on"),
    [
        (date(2026, 9, 16), 0, date(2026, 9, 16)),  # 即办
        (date(2026, 9, 16), 1, date(2026, 9, 17)),  # the day itself is not counted
        (date(2026, 9, 18), 1, date(2026, 9, 20)),  # a Sunday that is worked
        (date(2026, 9, 24), 1, date(2026, 9, 28)),  # mid-autumn
        (date(2026, 9, 16), 20, date(2026, 10, 20)),  # mid-autumn and the national day
        (date(2026, 9, 30), 1, date(2026, 10, 8)),
        (date(2025, 12, 31), 1, date(2026, 1, 4)),  # into the next year's calendar
        (date(2024, 12, 31), 1, date(2025, 1, 2)),  # the day itself may be of a year that nobody knows
    ],
)
def test_known_deadlines(start: date, n: int, on: date) -> None:
    assert CALENDAR.add_working_days(start, n) == Deadline(on, provisional=False)


@pytest.mark.parametrize(
    ("start", "n", "on"),
    [
        (date(2026, 9, 16), 0, date(2026, 9, 16)),
        (date(2026, 9, 16), 7, date(2026, 9, 23)),
        (date(2026, 9, 16), 15, date(2026, 10, 8)),  # the last day falls on the national day and rolls on
        (date(2026, 9, 16), 10, date(2026, 9, 28)),  # Saturday 26 September is off
    ],
)
def test_natural_days_roll_on_from_a_day_off(start: date, n: int, on: date) -> None:
    assert CALENDAR.add_natural_days(start, n) == Deadline(on, provisional=False)
    assert CALENDAR.due(start, {"n": n, "unit": "自然日"}).on == on


def test_a_year_that_is_not_known_yet_counts_weekends_and_says_so() -> None:
    assert CALENDAR.add_working_days(date(2026, 12, 30), 2) == Deadline(date(2027, 1, 1), provisional=True)
    assert CALENDAR.add_natural_days(date(2026, 12, 30), 4) == Deadline(date(2027, 1, 4), provisional=True)
    assert not CALENDAR.add_working_days(date(2027, 3, 1), 0).provisional
    year = calendar_type.build(2027, off=[date(2027, 1, 1)], worked=[], source="x")
    wiser = Calendar.of([*known_calendars(), year])
    assert wiser.add_working_days(date(2026, 12, 30), 2) == Deadline(date(2027, 1, 4), provisional=False)


@pytest.mark.parametrize("count", [Calendar.add_working_days, Calendar.add_natural_days])
def test_a_limit_below_zero_is_refused(count: object) -> None:
    assert callable(count)
    with pytest.raises(ValueError, match="limit"):
        count(CALENDAR, date(2026, 9, 16), -1)


def test_a_calendar_of_the_wrong_days_is_refused() -> None:
    with pytest.raises(ValueError, match="not days of 2027"):
        calendar_type.build(2027, off=[date(2026, 1, 1)], worked=[], source="")
    with pytest.raises(ValueError, match="at once"):
        calendar_type.build(2027, off=[date(2027, 1, 1)], worked=[date(2027, 1, 1)], source="")


def test_the_known_years_are_documents() -> None:
    for document in known_calendars():
        assert TYPES["calendar"].problems(county_signed(document)) == {}
