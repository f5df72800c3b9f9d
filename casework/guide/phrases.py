"""What an item can be found by: its name and what is made of it, what it is also called, what people say for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from casework.guide.words import Words, without_brackets

OWN: Final = ("name", "also_called", "said")
"""The fields whose phrases stand for the item itself, and are also found by their sound."""

MOST_SHARED: Final = 12
"""A material or a condition that more items have says nothing about any of them."""

_MOST_MEANT: Final = 8
_ALIKE: Final = 0.55


def phrases_of(item: Mapping[str, Any], words: Words) -> Iterator[tuple[str, str]]:
    """Everything about one item that somebody may ask with, as (field, text), but what people say for its name."""
    name = item["name"]
    yield "name", name
    if (bare := without_brackets(name)) != name:
        yield "name", bare
    if (core := words.core(name)) != words.plain(bare):
        yield "name", core
    for said in item.get("also_called", ()):
        yield "also_called", said
    for condition in item.get("conditions", ()):
        yield "conditions", condition
    for asked in item.get("faq", ()):
        yield "faq", asked["question"]
    for material in item.get("materials", ()):
        yield "materials", material["name"]


def groups_of(item: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What an item shares with many: its categories and its department."""
    for category in item.get("categories") or [item["category"]]:
        yield "categories", category
    yield "department", item["department"]


@dataclass(frozen=True, slots=True)
class Target:
    """What a saying leads to: the items, and whether by the whole name, a part of it, or one much like it."""

    target: str
    places: tuple[int, ...]
    how: str


def targets(words: Words, names: Mapping[int, str]) -> Iterator[Target]:
    """For what people say, the items that it means: of that name, else with that part in it, else much alike.

    `names` are the items' names by their place. A county that words a name a little differently is understood.
    """
    plain = {place: words.plain(name) for place, name in names.items()}
    by_name: dict[str, list[int]] = {}
    for place, name in plain.items():
        by_name.setdefault(name, []).append(place)
        if (bare := words.plain(without_brackets(names[place]))) != name:
            by_name.setdefault(bare, []).append(place)
    pairs: dict[str, list[int]] | None = None
    for target in words.said:
        wanted = words.plain(target)
        if found := by_name.get(wanted) or by_name.get(words.plain(without_brackets(target))):
            yield Target(target, tuple(found), "name")
            continue
        inside = [place for place, name in plain.items() if wanted in name]
        if inside:
            inside.sort(key=lambda place: (len(plain[place]), place))
            yield Target(target, tuple(inside[:_MOST_MEANT]), "part")
            continue
        if pairs is None:
            pairs = {}
            for place, name in plain.items():
                for pair in _pairs(name):
                    pairs.setdefault(pair, []).append(place)
        yield Target(target, _alike(wanted, plain, pairs), "alike")


def _alike(wanted: str, names: Mapping[int, str], pairs: Mapping[str, Iterable[int]]) -> tuple[int, ...]:
    shared: dict[int, int] = {}
    mine = _pairs(wanted)
    for pair in mine:
        for place in pairs.get(pair, ()):
            shared[place] = shared.get(place, 0) + 1
    best = max(
        ((2 * count / (len(mine) + len(_pairs(names[place]))), -place) for place, count in shared.items()),
        default=(0.0, 0),
    )
    return (-best[1],) if best[0] >= _ALIKE else ()


def _pairs(text: str) -> set[str]:
    return {text[at : at + 2] for at in range(len(text) - 1)}
