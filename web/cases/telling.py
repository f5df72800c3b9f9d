"""A case told in words: its state, what its form says, what a contested point is about, for pages and papers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from casework.kinds.decided import OUTCOMES
from casework.transitions import STATES, TRANSITIONS
from web.wording import yuan

MATERIAL_STATES = {"received": "已收", "missing": "缺少", "later": "后补"}


def state_in_words(case: Mapping[str, Any]) -> str:
    """The case's state as people say it; a decision says which way it went."""
    decision = case.get("decision")
    if case["state"] == "decided" and decision is not None:
        return "已准予" if decision["outcome"] == "granted" else "不予批准"
    return str(STATES.get(case["state"], case["state"]))


def form_rows(schema: Mapping[str, Any], value: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """What the form says, as (title, text) in the form's own order; a table of rows is a list of lists of those."""
    rows: list[tuple[str, Any]] = []
    properties = schema.get("properties", {})
    names = [
        *(name for name in properties if name in value),
        *(name for name in value if name not in properties),
    ]
    for name in sorted(names, key=lambda name: properties.get(name, {}).get("x-order", 0)):
        part = properties.get(name, {})
        rows.append((str(part.get("title", name)), in_words(part, value[name])))
    return rows


def in_words(schema: Mapping[str, Any], value: Any) -> Any:
    """One value of a form as people read it."""
    if isinstance(value, bool):
        return "是" if value else "否"
    titles = schema.get("x-titles", {})
    if str(value) in titles:
        return str(titles[str(value)])
    if schema.get("x-check") == "money" and isinstance(value, int):
        return f"{yuan(value)} 元"
    if isinstance(value, list):
        items = schema.get("items", {})
        if value and all(isinstance(row, dict) for row in value):
            return [form_rows(items, row) for row in value]
        return "、".join(str(in_words(items, part)) for part in value)
    if isinstance(value, dict):
        return "；".join(f"{title}：{text}" for title, text in form_rows(schema, value))
    unit = schema.get("x-unit", "")
    return f"{value}{' ' + unit if unit else ''}"


def field_in_words(path: str, schema: Mapping[str, Any]) -> str:
    """The name of a field by its dotted path, such as applicant.phone."""
    known = {
        "applicant.name": "姓名",
        "applicant.id_number": "证件号码",
        "applicant.id_type": "证件类型",
        "applicant.phone": "联系电话",
        "applicant.address": "住址",
    }
    if path in known:
        return known[path]
    return str(field_part(path, schema).get("title", path))


@dataclass(frozen=True)
class PointTold:
    """A contested point in words: what it is about, and by event what each side says."""

    about: str
    sides: dict[str, str]

    @property
    def how_many(self) -> str:
        return how_many(self.sides)


def how_many(sides: Collection[Any]) -> str:
    """两个, or how many there are."""
    return "两个" if len(sides) == TWO else f" {len(sides)} 个"


TWO = 2


def tell_point(point: Mapping[str, Any], schema: Mapping[str, Any]) -> PointTold:
    """The point as both sides read it: the field's own name, outcomes in words."""
    if point["topic"] == "outcome":
        words = {**{kind: row.title for kind, row in TRANSITIONS.items()}, **OUTCOMES}
        return PointTold(
            "结果",
            {
                side["event"]: words.get(str(side["value"]), "")
                # 办结, 归档 and 定争议 stand for another act's outcome, which is their value.
                + (f"（{words[side['kind']]}）" if side["kind"] not in ("decided", side["value"]) else "")
                for side in point["sides"]
            },
        )
    path = point["topic"].removeprefix("fields.")
    part = field_part(path, schema)
    sides = {side["event"]: flat(in_words(part, side["value"])) for side in point["sides"]}
    return PointTold(field_in_words(path, schema), sides)


def flat(words: Any) -> str:
    """A table's rows on one line each, as a contested value shows them."""
    if isinstance(words, list):
        return "；".join("，".join(f"{title} {text}" for title, text in row) for row in words)
    return str(words)


def field_part(path: str, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of one field of the form; nothing for what is not the form's."""
    part: Mapping[str, Any] = schema if path.startswith("form.") else {}
    for name in path.split(".")[1:]:
        part = part.get("properties", {}).get(name) or part.get("items") or {}
    return part
