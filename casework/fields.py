"""The fields of a case by dotted path: setting them, and whether two paths touch the same thing."""

from __future__ import annotations

from typing import Any


def copied(value: Any) -> Any:
    """A JSON value anew, groups and tables with it. Every reading of a case copies its fields: five times as fast as
    `copy.deepcopy`, which looks for what JSON has not.
    """
    if isinstance(value, dict):
        return {name: copied(one) for name, one in value.items()}
    if isinstance(value, list):
        return [copied(one) for one in value]
    return value


def overlap(one: str, other: str) -> bool:
    """Whether two paths touch the same thing: they are equal, or one lies within the other."""
    return one == other or one.startswith(other + ".") or other.startswith(one + ".")


def covers(outer: str, inner: str) -> bool:
    """Whether setting `outer` replaces all of `inner`."""
    return inner == outer or inner.startswith(outer + ".")


def can_set(fields: dict[str, Any], path: str) -> bool:
    """Whether `set_value` would find the place. A new name in a group is a place, a new row of a table is
    not.
    """
    *above, last = path.split(".")
    here: Any = fields
    for step in above:
        if isinstance(here, dict) and step in here:
            here = here[step]
        elif isinstance(here, list) and step.isdecimal() and int(step) < len(here):
            here = here[int(step)]
        else:
            return False
    if isinstance(here, list):
        return last.isdecimal() and int(last) < len(here)
    return isinstance(here, dict)


def set_value(fields: dict[str, Any], path: str, value: Any) -> None:
    """Sets a field in place; only where `can_set` says yes. The value is copied."""
    assert can_set(fields, path), path
    *above, last = path.split(".")
    here: Any = fields
    for step in above:
        here = here[int(step)] if isinstance(here, list) else here[step]
    here[int(last) if isinstance(here, list) else last] = copied(value)
