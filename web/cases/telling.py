"""A case told in words: what happened, by whom, and what the form says, for pages and papers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from casework.canonical import Document
from casework.kinds import KINDS
from casework.kinds.decided import OUTCOMES
from casework.transitions import STATES, TRANSITIONS
from web.cases.services import event_time
from web.wording import size, yuan

MATERIAL_STATES = {"received": "已收", "missing": "缺少", "later": "后补"}


@dataclass(frozen=True)
class Told:
    """One step of a case's road: what, when, who, and the sentences under it; `aside` says why it does not count."""

    what: str
    at: str | None
    who: str
    lines: list[str] = field(default_factory=list)
    aside: str | None = None


def state_in_words(case: Mapping[str, Any]) -> str:
    """The case's state as people say it; a decision says which way it went."""
    decision = case.get("decision")
    if case["state"] == "decided" and decision is not None:
        return "已准予" if decision["outcome"] == "granted" else "不予批准"
    return str(STATES.get(case["state"], case["state"]))


def tell(
    events: Iterable[Document],
    case: Mapping[str, Any],
    station_name: Callable[[str], str],
    schema: Mapping[str, Any],
) -> list[Told]:
    """The road of a case, in the order in which its events are read."""
    reasons = {entry["id"]: entry["reason"] for entry in case["quarantined"]}
    materials = {material["id"]: material["name"] for material in case["materials"]}
    told = []
    for event in events:
        kind = KINDS.get(str(event.get("kind")))
        by = event.get("by") if isinstance(event.get("by"), dict) else {}
        told.append(
            Told(
                what=_what(event, kind.title if kind is not None else str(event.get("kind"))),
                at=event_time(event),
                who=f"{station_name(str(event.get('station', '')))} · {(by or {}).get('name', '')}",
                lines=_lines(event, materials, schema) if isinstance(event.get("data"), dict) else [],
                aside=reasons.get(event["_id"]),
            )
        )
    return told


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
    return str(_part(path, schema).get("title", path))


@dataclass(frozen=True)
class PointTold:
    """A contested point in words: what it is about, and by event what each side says."""

    about: str
    sides: dict[str, str]


def tell_point(point: Mapping[str, Any], schema: Mapping[str, Any]) -> PointTold:
    """The point as both sides read it: the field's own name, outcomes in words."""
    if point["topic"] == "outcome":
        words = {**{kind: row.title for kind, row in TRANSITIONS.items()}, **OUTCOMES}
        return PointTold("结果", {side["event"]: words.get(str(side["value"]), "") for side in point["sides"]})
    path = point["topic"].removeprefix("fields.")
    part = _part(path, schema)
    sides = {side["event"]: _flat(in_words(part, side["value"])) for side in point["sides"]}
    return PointTold(field_in_words(path, schema), sides)


def _flat(words: Any) -> str:
    """A table's rows on one line each, as a contested value shows them."""
    if isinstance(words, list):
        return "；".join("，".join(f"{title} {text}" for title, text in row) for row in words)
    return str(words)


def _part(path: str, schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of one field of the form; nothing for what is not the form's."""
    part: Mapping[str, Any] = schema if path.startswith("form.") else {}
    for name in path.split(".")[1:]:
        part = part.get("properties", {}).get(name) or part.get("items") or {}
    return part


def _what(event: Document, title: str) -> str:
    data = event.get("data")
    if event.get("kind") == "decided" and isinstance(data, dict):
        return f"{title}：{OUTCOMES.get(data.get('outcome', ''), '')}"
    return title


def _lines(event: Document, materials: Mapping[str, str], schema: Mapping[str, Any]) -> list[str]:
    data: dict[str, Any] = event["data"]
    match event.get("kind"):
        case "received":
            states = [entry.get("state") for entry in data.get("materials", [])]
            return [f"材料 {len(states)} 项，已收 {states.count('received')} 项。"]
        case "material_added":
            file = data.get("file")
            name = materials.get(data.get("material", ""), data.get("material", ""))
            if not isinstance(file, dict):
                return [f"{name}：{MATERIAL_STATES.get(data.get('state', ''), '')}"]
            return [f"{name}：{file.get('name')}（{size(int(file.get('size', 0)))}）"]
        case "field_corrected":
            line = f"{field_in_words(data.get('path', ''), schema)}改成：{data.get('value')}"
            return [line, *([str(data["reason"])] if data.get("reason") else [])]
        case "decided" | "withdrawn" | "settled":
            return [text for text in (data.get("reason"), data.get("basis")) if text]
        case "clock_corrected":
            return [f"本机时钟当时不准，相差 {abs(int(data.get('offset', 0))) // 60000} 分钟，时间已经换算。"]
        case _:
            return []
