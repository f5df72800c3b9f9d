"""Shapes that the data of events are made of. Titles and hints are what a page shows beside the field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from casework.documents.document_type import text
from casework.documents.event import EVENT_ID

EVENT = text(EVENT_ID)
STATION = text(r"[0-9]{12}")


def line(title: str, *, least: int = 1, most: int = 200, **hints: Any) -> dict[str, Any]:
    """One line of text."""
    return {"title": title, "type": "string", "minLength": least, "maxLength": most, **hints}


def prose(title: str, *, least: int = 0, **hints: Any) -> dict[str, Any]:
    """Some sentences."""
    return {
        "title": title,
        "type": "string",
        "minLength": least,
        "maxLength": 4000,
        "x-widget": "textarea",
        "x-width": "f6",
        **hints,
    }


def day(title: str, **hints: Any) -> dict[str, Any]:
    """A date, 2026-09-16."""
    return {"title": title, "type": "string", "format": "date", "x-check": "date", **hints}


def days(title: str, *, least: int = 1, most: int = 3660) -> dict[str, Any]:
    """A number of days."""
    return {"title": title, "type": "integer", "minimum": least, "maximum": most, "x-unit": "天"}


def money(title: str) -> dict[str, Any]:
    """An amount in 分."""
    return {"title": title, "type": "integer", "minimum": 0, "maximum": 10**13, "x-check": "money"}


def choice(title: str, titles: Mapping[Any, str], **hints: Any) -> dict[str, Any]:
    """One of these, each with the word that people read."""
    words = {str(value): word for value, word in titles.items()}
    return {"title": title, "enum": list(titles), "x-titles": words, **hints}


def said(data: Mapping[str, Any], field: str, sentence: str) -> dict[str, str]:
    """The problem of a text that holds nothing but spaces; none when it says something."""
    return {} if str(data.get(field) or "").strip() else {field: sentence}
