"""Conditions on what was entered about a case: which materials, fields and steps apply to this one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Condition = Mapping[str, Sequence[Any]]
"""Dotted path into the facts (`situation.s1`, `form.kind`) → the values of which one must be there."""

CONDITION_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": {"type": "array", "minItems": 1, "items": {"type": ["string", "integer", "boolean"]}},
}
"""The shape of a condition."""


def applies(when: Condition | None, facts: Mapping[str, Any]) -> bool:
    """Whether the condition holds for these facts (a case's `fields`); no condition always holds.

    Where a fact is a list, one of its entries is enough. A path that leads nowhere fulfils nothing.
    """
    return all(any(entry in values for entry in _entries(facts, path)) for path, values in (when or {}).items())


def _entries(facts: Mapping[str, Any], path: str) -> Sequence[Any]:
    here: Any = facts
    for step in path.split("."):
        if not isinstance(here, Mapping) or step not in here:
            return ()
        here = here[step]
    return here if isinstance(here, list) else (here,)
