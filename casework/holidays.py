"""Days off and days worked for them, 2025 and 2026, as the State Council announced them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from casework.canonical import Document
from casework.documents import calendar

_Span = tuple[tuple[int, int], tuple[int, int]]

_ANNOUNCED: dict[int, tuple[tuple[_Span, ...], tuple[tuple[int, int], ...]]] = {
    2025: (
        (
            ((1, 1), (1, 1)),
            ((1, 28), (2, 4)),
            ((4, 4), (4, 6)),
            ((5, 1), (5, 5)),
            ((5, 31), (6, 2)),
            ((10, 1), (10, 8)),
        ),
        ((1, 26), (2, 8), (4, 27), (9, 28), (10, 11)),
    ),
    2026: (
        (
            ((1, 1), (1, 3)),
            ((2, 15), (2, 23)),
            ((4, 4), (4, 6)),
            ((5, 1), (5, 5)),
            ((6, 19), (6, 21)),
            ((9, 25), (9, 27)),
            ((10, 1), (10, 7)),
        ),
        ((1, 4), (2, 14), (2, 28), (5, 9), (9, 20), (10, 10)),
    ),
}
"""By year: spans of days off (first, last) and weekend days worked, each (month, day)."""


def _days(year: int, spans: tuple[_Span, ...]) -> Iterator[date]:
    for first, last in spans:
        day = date(year, *first)
        while day <= date(year, *last):
            yield day
            day += timedelta(days=1)


def known_calendars() -> list[Document]:
    """An unsigned `calendar:YYYY` document for every year that is known here, oldest first."""
    return [
        calendar.build(
            year,
            off=_days(year, spans),
            worked=(date(year, month, day) for month, day in worked),
            source=f"国务院办公厅关于{year}年部分节假日安排的通知",
        )
        for year, (spans, worked) in sorted(_ANNOUNCED.items())
    ]
