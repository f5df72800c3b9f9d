"""Whom an item is for and what in life it goes with: what the editors said, else what the county's usual rules say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from casework.canonical import Document

GROUPS: Final = ("audiences", "life_events")
_RULES: Final[dict[str, Any]] = json.loads(Path(__file__).with_name("groups.json").read_text(encoding="utf-8"))


def grouped(item: Document) -> Document:
    """The item with its groups. What an editor wrote stands, also an empty list: it belongs to no group then."""
    return {**item, **{kind: groups_of(item, kind) for kind in GROUPS if kind not in item}}


def groups_of(item: Mapping[str, Any], kind: str) -> list[str]:
    """The groups of one kind (`audiences`, `life_events`) that the rules put an item in, in the order of the page."""
    name = str(item.get("name", ""))
    categories = set(item.get("categories") or [item.get("category")])
    return [
        rule["name"]
        for rule in _RULES[kind]
        if (categories.intersection(rule["categories"]) or any(word in name for word in rule["words"]))
        and not any(word in name for word in rule.get("not", ()))
    ]
