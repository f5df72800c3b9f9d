"""A guide on one A4 page: how close its lines stand, and what stays out where even that is not enough."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from casework.canonical import Document
from web.guides.telling import material_note, more


@dataclass(frozen=True)
class Density:
    """`name` is the class of the sheet; so many characters fit on a line, and so many lines below the sheet's head."""

    name: str
    characters: int
    lines: int


DENSITIES = (Density("roomy", 42, 33), Density("close", 48, 40), Density("closest", 56, 48))
"""12, 10.5 and 9 pt, measured with the browser's own print; nobody reads less."""

PARTS = ("basis", "rest", "faq")
"""What an item's guide can do without on paper, the most dispensable first: the station shows it on its screen."""


@dataclass(frozen=True)
class Fit:
    """How a guide is printed: the density, the parts that stay, and whether something was left out."""

    density: str
    parts: frozenset[str]
    left_out: bool


def fit(item: Document) -> Fit:
    """The roomiest way in which all of it fits on one page; else the closest, without what can be done without."""
    for density in DENSITIES:
        if _lines(item, density, PARTS) <= density.lines:
            return Fit(density.name, frozenset(PARTS), left_out=False)
    closest, parts = DENSITIES[-1], list(PARTS)
    while parts and _lines(item, closest, parts) > closest.lines:
        parts.pop(0)
    return Fit(closest.name, frozenset(parts), left_out=True)


def _lines(item: Document, density: Density, parts: Any) -> float:
    """How many lines the guide takes, headings and rules being part of one."""

    def of(text: str, share: float = 1.0) -> int:
        return max(1, -(-_width(text) // int(density.characters * share)))

    def counted() -> Iterator[float]:
        yield 6.5  # the village's part, what everybody asks first, the head of the table
        for material in item.get("materials") or ():
            notes = "".join(str(material.get(name, "")) for name in ("spec", "guidance", "acceptance", "note"))
            when = 12 if material.get("when") else 0
            yield max(of(str(material["name"]) + notes + "一" * when, 0.55), of(material_note(material), 0.36)) + 0.3
        # These two stand side by side.
        conditions = sum(of(condition, 0.44) for condition in item.get("conditions") or ())
        steps = (f"{step['title']}{step.get('who', '')}{step.get('text', '')}" for step in item.get("steps") or ())
        yield 1.6 + max(conditions, sum(of(step, 0.44) for step in steps))
        for place in item.get("where") or ():
            yield of("　".join(str(value) for value in place.values())) + 0.2
        yield 3
        if "faq" in parts:
            yield from (of(f"{entry['question']}{entry['answer']}　　") for entry in item.get("faq") or ())
            yield 1.6 if item.get("faq") else 0
        if "rest" in parts:
            yield of("　".join(f"{title}　{words}" for title, words in more(item)))
        if "basis" in parts:
            yield from (of(f"{entry.get('title', '')}{entry.get('article', '')}") for entry in item.get("basis") or ())

    return sum(counted())


def _width(text: str) -> int:
    """In characters as wide as a Chinese one."""
    return sum(2 if ord(sign) > 0x2E7F else 1 for sign in text) // 2 + 1
