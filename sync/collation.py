"""CouchDB's order of JSON values: by type, and strings as people sort them. Pure.

https://docs.couchdb.org/en/stable/ddocs/views/collation.html: null, false, true, numbers, strings, arrays,
objects. CouchDB asks ICU for strings; without ICU the order here is that of its root collation for ASCII,
decided first by letters, then by accents, then by case (small before capital), and by code point beyond that.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import Any, Final

# Punctuation and symbols of ASCII as ICU's root collation has them, before digits and letters.
_PUNCTUATION: Final = "_-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$"
_PLACES: Final = {character: place for place, character in enumerate("\t\n\v\f\r " + _PUNCTUATION, 1)}
_DIGITS, _LETTERS, _OTHERS = 100, 200, 300


def compare(left: Any, right: Any) -> int:
    """Below 0, 0, above 0, as `left` comes before `right`, is equal, or comes after it."""
    one, other = _kind(left), _kind(right)
    if one != other:
        return one - other
    if isinstance(left, str):
        return 0 if left == right else _sign(string_key(left), string_key(right))
    if isinstance(left, list):
        return _compare_all(left, right)
    if isinstance(left, dict):
        return _compare_all(
            [part for pair in left.items() for part in pair], [part for pair in right.items() for part in pair]
        )
    return 0 if left is None or isinstance(left, bool) else _sign(left, right)


def raw_compare(left: Any, right: Any) -> int:
    """The same, strings by code point: the order of document ids."""
    return _sign(left, right) if isinstance(left, str) and isinstance(right, str) else compare(left, right)


def _kind(value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, bool):
        return 2 if value else 1
    if isinstance(value, int | float):
        return 3
    return 4 if isinstance(value, str) else 5 if isinstance(value, list) else 6


def _sign(left: Any, right: Any) -> int:
    return int(left > right) - int(left < right)


def _compare_all(left: list[Any], right: list[Any]) -> int:
    for one, other in zip(left, right, strict=False):
        if found := compare(one, other):
            return found
    return len(left) - len(right)


@lru_cache(maxsize=4096)
def string_key(text: str) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """What strings are sorted by: letters, then accents, then case. Equal keys are equal strings to ICU."""
    letters: list[int] = []
    accents: list[int] = []
    cases: list[int] = []
    for character in unicodedata.normalize("NFD", text):
        if unicodedata.combining(character):
            accents.append(len(letters))
            accents.append(ord(character))
            continue
        if character in _PLACES:
            letters.append(_PLACES[character])
        elif character.isdecimal():
            letters.append(_DIGITS + int(character))
        elif unicodedata.category(character) in ("Cc", "Cf"):
            # ICU passes over what has no shape.
            continue
        else:
            small = character.lower()
            letters += [_LETTERS + ord(part) if part.isascii() else _OTHERS + ord(part) for part in small]
            cases.append(character != small)
            continue
        cases.append(0)
    return tuple(letters), tuple(accents), tuple(map(int, cases))
