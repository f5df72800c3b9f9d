"""A year's calendar (工作日历): weekdays off, and weekend days worked for them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from casework.canonical import Document
from casework.documents.document_type import SIGNED, DocumentType, shape, text

_DAYS = {"type": "array", "items": text(r"\d{4}-\d\d-\d\d"), "uniqueItems": True}

TYPE = DocumentType(
    name="calendar",
    title="工作日历",
    id_pattern=r"calendar:\d{4}",
    immutable=False,
    schema=shape(
        {
            "year": {"type": "integer", "minimum": 1900, "maximum": 9999},
            "off": _DAYS,
            "worked": _DAYS,
            "source": text(most=300),
            **SIGNED,
        }
    ),
)


def build(year: int, *, off: Iterable[date], worked: Iterable[date], source: str) -> Document:
    """An unsigned calendar; the county signs it. Raises ValueError for days of another year or in both
    lists.
    """
    off_days, worked_days = sorted(set(off)), sorted(set(worked))
    strangers = [day for day in (*off_days, *worked_days) if day.year != year]
    if strangers:
        raise ValueError(f"not days of {year}: {', '.join(map(str, strangers))}")
    both = set(off_days) & set(worked_days)
    if both:
        raise ValueError(f"off and worked at once: {', '.join(map(str, sorted(both)))}")
    return {
        "_id": f"calendar:{year:04d}",
        "year": year,
        "off": [day.isoformat() for day in off_days],
        "worked": [day.isoformat() for day in worked_days],
        "source": source,
    }
