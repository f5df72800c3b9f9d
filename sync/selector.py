"""Mango selectors, as CouchDB's `_selector` filter of the changes feed takes them. Pure.

https://docs.couchdb.org/en/stable/api/database/find.html#selector-syntax. A selector is first brought into
one form: every field with its whole path, every negation as far down as it goes. So `{"$not": {"a": {"$gt":
1}}}` asks for `a` to be there and at most 1, as CouchDB understands it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from re import _parser as regex_parser  # type: ignore[attr-defined]
from typing import Any, Final

from sync.collation import compare, raw_compare
from sync.peer import BadRequest, Document

MAX_DEPTH: Final = 100
MAX_REGEX: Final = 1000

Matches = Callable[[Any], bool]
_Compare = Callable[[Any, Any], int]

_ABSENT: Final = object()
_JOINING: Final = frozenset(("$and", "$or", "$nor"))
_INNER: Final = frozenset(("$elemMatch", "$allMatch", "$keyMapMatch"))
_OPPOSITES: Final = {
    "$lt": "$gte",
    "$gte": "$lt",
    "$lte": "$gt",
    "$gt": "$lte",
    "$eq": "$ne",
    "$ne": "$eq",
    "$in": "$nin",
    "$nin": "$in",
}
_ORDERED: Final[dict[str, Callable[[int], bool]]] = {
    "$lt": lambda found: found < 0,
    "$lte": lambda found: found <= 0,
    "$eq": lambda found: found == 0,
    "$ne": lambda found: found != 0,
    "$gte": lambda found: found >= 0,
    "$gt": lambda found: found > 0,
}


class BadSelector(BadRequest):
    """Not a selector. The reason is Mango's; its own word for the error stays inside, as in CouchDB's changes feed."""


def selector(value: object) -> Callable[[Document], bool]:
    """The question that a selector asks of a document. Raises `BadSelector`."""
    if not isinstance(value, dict):
        raise BadSelector("Selector error: expected a JSON object")
    return _compiled(value, (), negated=False, compare=compare, depth=0)


def picking(names: object) -> Callable[[Document], Document]:
    """Of a document only the fields named, as `fields` says it beside a selector; all of it if none is named.

    Raises `BadSelector`.
    """
    if not isinstance(names, list):
        raise BadSelector("Selector error: fields must be JSON array")
    if not all(isinstance(name, str) and name for name in names):
        raise BadSelector("Fields must be an array of strings")
    if not names:
        return lambda document: document
    paths = [tuple(_steps(name)) for name in names]

    def pick(document: Document) -> Document:
        picked: Document = {}
        for path in paths:
            if (found := _reached(document, path)) is not _ABSENT:
                place = picked
                for step in path[:-1]:
                    place = place.setdefault(step, {})
                place[path[-1]] = found
        return picked

    return pick


def _compiled(value: Any, path: tuple[str, ...], *, negated: bool, compare: _Compare, depth: int) -> Matches:
    """What `value` asks of the place that `path` names within what it is asked of."""
    if depth > MAX_DEPTH:
        raise BadSelector(f"The selector is nested more than {MAX_DEPTH} deep.")
    if not isinstance(value, dict):
        return _at(path, _ordered("$ne" if negated else "$eq", value, _comparison(path, compare)))
    if not value:
        if path:
            # A field that is to equal an empty object.
            return _at(path, _ordered("$ne" if negated else "$eq", value, _comparison(path, compare)))
        return lambda found: not negated
    parts = [
        _part(name, argument, path, negated=negated, compare=compare, depth=depth) for name, argument in value.items()
    ]
    return _joined(parts, every=not negated)


def _part(name: str, argument: Any, path: tuple[str, ...], *, negated: bool, compare: _Compare, depth: int) -> Matches:
    if name in _JOINING:
        if not isinstance(argument, list):
            raise _bad_argument(name, argument)
        inside = negated != (name == "$nor")
        parts = [_compiled(one, path, negated=inside, compare=compare, depth=depth + 1) for one in argument]
        return _joined(parts, every=(name == "$and") != negated if name != "$nor" else not negated)
    if name == "$not":
        if not isinstance(argument, dict):
            raise _bad_argument(name, argument)
        return _compiled(argument, path, negated=not negated, compare=compare, depth=depth + 1)
    if name[:1] != "$":
        if not name:
            raise BadSelector("One or more conditions is missing a field name.")
        return _compiled(argument, (*path, *_steps(name)), negated=negated, compare=compare, depth=depth + 1)
    if name == "$exists":
        if not isinstance(argument, bool):
            raise _bad_argument(name, argument)
        wanted = argument != negated
        return lambda found: (_reached(found, path) is not _ABSENT) == wanted
    if name in _OPPOSITES:
        if name in ("$in", "$nin") and not isinstance(argument, list):
            raise _bad_argument(name, argument)
        operator = _OPPOSITES[name] if negated else name
        here = _comparison(path, compare)
        return _at(
            path, _ordered(operator, argument, here) if operator in _ORDERED else _among(operator, argument, here)
        )
    test = _test(name, argument, compare=compare, depth=depth)
    return _at(path, (lambda found: not test(found)) if negated else test)


def _joined(parts: list[Matches], *, every: bool) -> Matches:
    """CouchDB takes an empty list as fulfilled, `$or` too."""
    if len(parts) == 1:
        return parts[0]
    if every or not parts:
        return lambda found: all(part(found) for part in parts)
    return lambda found: any(part(found) for part in parts)


def _at(path: tuple[str, ...], test: Matches) -> Matches:
    """A test of what lies at the path; where nothing lies, it fails."""
    if not path:
        return test

    def matches(found: Any) -> bool:
        there = _reached(found, path)
        return there is not _ABSENT and test(there)

    return matches


def _reached(found: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        if isinstance(found, dict):
            found = found.get(step, _ABSENT)
        elif isinstance(found, list) and step.isascii() and step.isdigit() and len(step) < 10:
            found = found[int(step)] if int(step) < len(found) else _ABSENT
        else:
            return _ABSENT
        if found is _ABSENT:
            return _ABSENT
    return found


def _steps(name: str) -> list[str]:
    r"""`a.b` is a path of two; `a\.b` is one name with a dot in it."""
    return [step.replace("\\.", ".") for step in re.split(r"(?<!\\)\.", name)]


def _comparison(path: tuple[str, ...], compare: _Compare) -> _Compare:
    return raw_compare if path == ("_id",) else compare


def _ordered(operator: str, argument: Any, compare: _Compare) -> Matches:
    holds = _ORDERED[operator]
    return lambda found: holds(compare(found, argument))


def _among(operator: str, arguments: list[Any], compare: _Compare) -> Matches:
    def is_in(found: Any) -> bool:
        values = found if isinstance(found, list) else [found]
        return any(compare(value, argument) == 0 for argument in arguments for value in values)

    return is_in if operator == "$in" else lambda found: not is_in(found)


def _test(name: str, argument: Any, *, compare: _Compare, depth: int) -> Matches:
    """The operators that look at one value. Raises `BadSelector` for arguments that they cannot have."""
    if name in _INNER:
        if not isinstance(argument, dict):
            raise _bad_argument(name, argument)
        inner = _compiled(argument, (), negated=False, compare=compare, depth=depth + 1)
        return _inside(name, inner)
    build = _TESTS.get(name)
    if build is None:
        if name in ("$where", "$geoWithin", "$geoIntersects", "$near", "$nearSphere", "$text"):
            raise BadSelector(f"Unsupported operator: {name}")
        raise BadSelector(f"Invalid operator: {name[:60]}")
    test = build(argument)
    if test is None:
        raise _bad_argument(name, argument)
    return test


def _inside(name: str, inner: Matches) -> Matches:
    if name == "$elemMatch":
        return lambda found: isinstance(found, list) and any(map(inner, found))
    if name == "$allMatch":
        return lambda found: isinstance(found, list) and bool(found) and all(map(inner, found))
    return lambda found: isinstance(found, dict) and any(map(inner, found))


def _type(argument: Any) -> Matches | None:
    kinds: dict[str, tuple[type, ...]] = {
        "null": (type(None),),
        "boolean": (bool,),
        "number": (int, float),
        "string": (str,),
        "array": (list,),
        "object": (dict,),
    }
    if not isinstance(argument, str):
        return None
    wanted = kinds.get(argument, ())
    return lambda found: type(found) in wanted


def _size(argument: Any) -> Matches | None:
    if type(argument) is not int or argument < 0:
        return None
    return lambda found: isinstance(found, list) and len(found) == argument


def _mod(argument: Any) -> Matches | None:
    if not (isinstance(argument, list) and len(argument) == 2 and all(type(part) is int for part in argument)):
        return None
    divisor, remainder = argument
    if divisor == 0:
        return None

    def matches(found: Any) -> bool:
        # Erlang's rem has the sign of what is divided.
        return type(found) is int and (abs(found) % abs(divisor)) * (-1 if found < 0 else 1) == remainder

    return matches


def _all(argument: Any) -> Matches | None:
    if not isinstance(argument, list):
        return None
    alone = argument[0] if len(argument) == 1 and isinstance(argument[0], list) else None

    def matches(found: Any) -> bool:
        if not argument or not isinstance(found, list):
            return False
        return all(any(compare(value, wanted) == 0 for value in found) for wanted in argument) or found == alone

    return matches


def _regex(argument: Any) -> Matches | None:
    if not isinstance(argument, str) or len(argument) > MAX_REGEX:
        return None
    try:
        if _explodes(regex_parser.parse(argument)):
            raise BadSelector("A repetition or a choice that is repeated takes too long to match.")
        pattern = re.compile(argument)
    except (re.error, RecursionError, OverflowError):
        return None
    return lambda found: isinstance(found, str) and pattern.search(found) is not None


def _explodes(pattern: Any, *, repeated: bool = False) -> bool:
    """Whether a repetition or a choice is itself repeated: a text can be cut up in exponentially many ways."""
    for operator, argument in pattern:
        name = str(operator)
        again = name in ("MAX_REPEAT", "MIN_REPEAT") and argument[1] > 20
        if repeated and (again or name == "BRANCH"):
            return True
        inner = argument if isinstance(argument, tuple | list) else (argument,)
        for part in inner:
            parts = part if isinstance(part, list) else [part]
            for one in parts:
                if isinstance(one, regex_parser.SubPattern) and _explodes(one, repeated=repeated or again):
                    return True
    return False


def _begins_with(argument: Any) -> Matches | None:
    if not isinstance(argument, str):
        return None
    return lambda found: isinstance(found, str) and found.startswith(argument)


_TESTS: Final[dict[str, Callable[[Any], Matches | None]]] = {
    "$all": _all,
    "$beginsWith": _begins_with,
    "$mod": _mod,
    "$regex": _regex,
    "$size": _size,
    "$type": _type,
}


def _bad_argument(name: str, argument: Any) -> BadSelector:
    return BadSelector(f"Bad argument for operator {name}: {str(argument)[:80]}")
