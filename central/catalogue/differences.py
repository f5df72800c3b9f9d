"""In what two contents of an item differ, in words: what a body approves, what two editors did, what a version was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from casework.canonical import Document
from casework.guide.elements import BY_ID

_NOTHING: Final = object()
_ADDED: Final = frozenset({"release", "terms", "terms_sig", "terms_key", "key", "sig"})
"""What publishing adds to an item is no content of it."""
_LONGEST: Final = 300
_DEEPEST: Final = 3
"""Deeper than this (inside a form or a flow) what differs is said as a whole."""
_NAMED_BY: Final = ("id", "name", "title", "question", "place")
"""What the rows of a list are known by, so that one row more is one row more."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where they differ: `path` dotted, `title` in words; None is what is not there."""

    path: str
    title: str
    before: str | None
    after: str | None


def differences(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> list[Difference]:
    """Every place in which they differ, in the order of the guide. An item that was not there before differs nowhere:
    it is new as a whole."""
    if before is None or after is None:
        return []
    further = (before.keys() | after.keys()) - BY_ID.keys() - _ADDED
    order = [*BY_ID, *sorted(name for name in further if not name.startswith("_"))]
    found: list[Difference] = []
    for name in order:
        element = BY_ID.get(name)
        schema = element.schema if element is not None else {}
        title = element.title if element is not None else name
        found += _differences(name, title, schema, before.get(name, _NOTHING), after.get(name, _NOTHING), 0)
    return found


def differing_elements(contents: list[Document]) -> list[tuple[str, str, list[str | None]]]:
    """The elements (id, title, what each content says) in which these contents of one item are not all alike: what
    an editor chooses between."""
    found = []
    for name in [*BY_ID, *sorted({name for one in contents for name in one} - BY_ID.keys())]:
        said = [one.get(name, _NOTHING) for one in contents]
        if any(one != said[0] for one in said[1:]):
            element = BY_ID.get(name)
            schema = element.schema if element is not None else {}
            texts = [None if one is _NOTHING else in_words(schema, one) for one in said]
            found.append((name, element.title if element is not None else name, texts))
    return found


def _differences(
    path: str, title: str, schema: Mapping[str, Any], before: Any, after: Any, depth: int
) -> Iterator[Difference]:
    if before == after and type(before) is type(after):
        return
    if depth < _DEEPEST and isinstance(before, dict) and isinstance(after, dict):
        shapes = schema.get("properties", {})
        for name in [*shapes, *sorted((before.keys() | after.keys()) - shapes.keys())]:
            inner = shapes.get(name, {})
            yield from _differences(
                f"{path}.{name}", f"{title} · {inner.get('title', name)}", inner, before.get(name, _NOTHING),
                after.get(name, _NOTHING), depth + 1,
            )  # fmt: skip
        return
    if depth < _DEEPEST and isinstance(before, list) and isinstance(after, list) and (key := _key(before + after)):
        yield from _in_lists(path, title, schema.get("items", {}), before, after, key, depth)
        return
    yield Difference(path, title, _text(schema, before), _text(schema, after))


def _in_lists(
    path: str, title: str, schema: Mapping[str, Any], before: list[Any], after: list[Any], key: str, depth: int
) -> Iterator[Difference]:
    was, now = {row[key]: row for row in before}, {row[key]: row for row in after}
    if len(was) != len(before) or len(now) != len(after):
        # One name twice: which row became which cannot be said.
        yield Difference(path, title, _text({"items": schema}, before), _text({"items": schema}, after))
        return
    for name in dict.fromkeys([*was, *now]):
        row = now.get(name, was.get(name))
        called = f"{title}“{_called(row)}”"
        if name not in was or name not in now:
            yield Difference(
                f"{path}.{name}", called, _text(schema, was.get(name, _NOTHING)), _text(schema, now.get(name, _NOTHING))
            )
        else:
            yield from _differences(f"{path}.{name}", called, schema, was[name], now[name], depth + 1)
    kept = [name for name in was if name in now]
    if kept != [name for name in now if name in was]:
        yield Difference(
            path, f"{title} · 顺序", "、".join(_called(was[name]) for name in kept),
            "、".join(_called(row) for name, row in now.items() if name in was),
        )  # fmt: skip


def _key(rows: list[Any]) -> str | None:
    for name in _NAMED_BY:
        if rows and all(isinstance(row, dict) and isinstance(row.get(name), str) for row in rows):
            return name
    return None


def _called(row: Any) -> str:
    return next((str(row[name]) for name in ("name", "title", "question", "place", "id") if row.get(name)), "")


def _text(schema: Mapping[str, Any], value: Any) -> str | None:
    return None if value is _NOTHING else in_words(schema, value)


def in_words(schema: Mapping[str, Any], value: Any) -> str:
    """A value as a person reads it, not longer than a few lines."""
    if value is None or value in ("", []):
        return "（空）"
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, dict):
        if {"n", "unit"} == value.keys():
            return f"{value['n']} 个{value['unit']}"
        shapes = schema.get("properties", {})
        told = [
            f"{shapes.get(name, {}).get('title', name)}：{in_words(shapes.get(name, {}), inner)}"
            for name, inner in value.items()
            if name != "id" and inner not in (None, "", [])
        ]
        return _short("；".join(told))
    if isinstance(value, list):
        inner = schema.get("items", {})
        if len(value) > 1 and any(isinstance(one, dict) for one in value):
            return _short("\n".join(in_words(inner, one) for one in value))
        return _short("、".join(in_words(inner, one) for one in value))
    return _short(str(schema.get("x-titles", {}).get(value, value)))


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…（共 {len(text)} 字）"
