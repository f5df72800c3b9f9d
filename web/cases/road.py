"""The road of a case: what happened, by whom, and where it forked because two people did not know of one another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from casework.canonical import Document
from casework.kinds import KINDS
from casework.kinds.decided import OUTCOMES
from casework.kinds.step_done import RESULTS
from web.cases.services import event_time
from web.cases.telling import (
    MATERIAL_STATES,
    field_in_words,
    field_part,
    flat,
    form_rows,
    how_many,
    in_words,
    state_in_words,
    tell_point,
)
from web.wording import day, size


@dataclass(frozen=True)
class Told:
    """One step of a case's road: what, when, who, and the sentences under it; `aside` says why it does not count.

    `sides` are the acts that did not know of one another where the road forks; then there is nobody else to name.
    """

    what: str
    at: str | None
    who: str
    lines: list[str] = field(default_factory=list)
    aside: str | None = None
    sides: list[Told] = field(default_factory=list)


def tell(
    events: Iterable[Document],
    case: Mapping[str, Any],
    station_name: Callable[[str], str],
    schema: Mapping[str, Any],
) -> list[Told]:
    """The road of a case, in the order in which its events are read; acts that did not know of one another and
    disagree stand side by side where the first of them happened."""
    events = list(events)
    told = dict(zip((event["_id"] for event in events), _each_told(events, case, station_name, schema), strict=True))
    for title, sides in _forks(case, schema):
        there = [name for name in told if name in sides]
        if len(there) > 1:
            fork = Told(what=title, at=None, who="当时互相没有看到", sides=[told[name] for name in there])
            told = {name: fork if name == there[0] else one for name, one in told.items() if name not in there[1:]}
    return list(told.values())


def _forks(case: Mapping[str, Any], schema: Mapping[str, Any]) -> list[tuple[str, frozenset[str]]]:
    """The contested points, open and settled, each with its title and the ids of its sides."""
    found = [
        (
            f"{tell_point(point, schema).about}有{how_many(point['sides'])}说法",
            frozenset(side["event"] for side in point["sides"]),
        )
        for point in case["contested"]
    ]
    for settled in case["settled"]:
        path = settled["topic"].removeprefix("fields.")
        about = "结果" if settled["topic"] == "outcome" else field_in_words(path, schema)
        found.append((f"{about}有过{how_many(settled['sides'])}说法，已经定了", frozenset(settled["sides"])))
    return found


def _each_told(
    events: Iterable[Document],
    case: Mapping[str, Any],
    station_name: Callable[[str], str],
    schema: Mapping[str, Any],
) -> list[Told]:
    reasons = {entry["id"]: entry["reason"] for entry in case["quarantined"]}
    told = []
    for event in events:
        kind = KINDS.get(str(event.get("kind")))
        by = event.get("by") if isinstance(event.get("by"), dict) else {}
        told.append(
            Told(
                what=_what(event, kind.title if kind is not None else str(event.get("kind"))),
                at=event_time(event),
                who=f"{station_name(str(event.get('station', '')))} · {(by or {}).get('name', '')}",
                lines=_told_safely(event, case, station_name, schema),
                aside=reasons.get(event["_id"]),
            )
        )
    return told


def _what(event: Document, title: str) -> str:
    data = event.get("data")
    if event.get("kind") == "decided" and isinstance(data, dict):
        return f"{title}：{OUTCOMES.get(data.get('outcome', ''), '')}"
    return title


def _told_safely(
    event: Document, case: Mapping[str, Any], station_name: Callable[[str], str], schema: Mapping[str, Any]
) -> list[str]:
    """The sentences under an act. One that is kept aside may hold anything under any name: then it says nothing."""
    if not isinstance(event.get("data"), dict):
        return []
    try:
        return _lines(event, _Page(case, station_name, schema))
    except (AttributeError, KeyError, TypeError, ValueError):
        return []


@dataclass(frozen=True)
class _Page:
    """What the sentences under an act take their words from."""

    case: Mapping[str, Any]
    station_name: Callable[[str], str]
    schema: Mapping[str, Any]

    @property
    def materials(self) -> dict[str, str]:
        return {material["id"]: material["name"] for material in self.case["materials"]}

    def papers(self, papers: Iterable[str]) -> str:
        names = self.materials
        return "、".join(names.get(paper, paper) for paper in papers)

    def step(self, identifier: str) -> str:
        return next((step["title"] for step in self.case["steps"] if step["id"] == identifier), identifier)


def _lines(event: Document, page: _Page) -> list[str]:
    kind = str(event.get("kind"))
    if kind in _LINES:
        return _LINES[kind](event, page)
    return _by_the_form(event, kind) if kind in KINDS else []


def _by_the_form(event: Document, kind: str) -> list[str]:
    """The act's own form says what each of its fields is called; a reason needs no name."""
    schema = KINDS[kind].schema
    value = {name: value for name, value in event["data"].items() if name in schema["properties"] and value}
    rows = {str(schema["properties"][name].get("title", name)): name for name in value}
    return [
        flat(text) if rows.get(title) in ("reason", "note", "said") else f"{title}：{flat(text)}"
        for title, text in form_rows(schema, value)
    ]


def _received(event: Document, _page: _Page) -> list[str]:
    states = [entry.get("state") for entry in event["data"].get("materials", [])]
    return [f"材料 {len(states)} 项，已收 {states.count('received')} 项。"]


def _material_added(event: Document, page: _Page) -> list[str]:
    data, file = event["data"], event["data"].get("file")
    name = page.papers([data.get("material", "")])
    if not isinstance(file, dict):
        return [f"{name}：{MATERIAL_STATES.get(data.get('state', ''), '')}"]
    return [f"{name}：{file.get('name')}（{size(int(file.get('size', 0)))}）"]


def _field_corrected(event: Document, page: _Page) -> list[str]:
    data = event["data"]
    path = str(data.get("path", ""))
    value = flat(in_words(field_part(path, page.schema), data.get("value")))
    return [f"{field_in_words(path, page.schema)}改成：{value}", *_said(data, "reason")]


def _correction_requested(event: Document, page: _Page) -> list[str]:
    data = event["data"]
    points = [
        f"{page.papers([point['material']])}：{point['text']}" if "material" in point else str(point["text"])
        for point in data["points"]
    ]
    return [*points, *([f"请在 {data['days']} 天内补齐。"] if data.get("days") else [])]


def _settled(event: Document, page: _Page) -> list[str]:
    settled = next((one for one in page.case["settled"] if one["event"] == event["_id"]), None)
    if settled is None:
        return _said(event["data"], "reason")
    if settled["topic"] == "outcome":
        return [f"结果定为：{state_in_words(page.case)}", *_said(event["data"], "reason")]
    path = settled["topic"].removeprefix("fields.")
    value = flat(in_words(field_part(path, page.schema), settled["value"]))
    return [f"{field_in_words(path, page.schema)}定为：{value}", *_said(event["data"], "reason")]


def _clock_corrected(event: Document, _page: _Page) -> list[str]:
    minutes = abs(int(event["data"].get("offset", 0))) // 60000
    return [f"本机时钟当时不准，相差 {minutes} 分钟，时间已经换算。"]


def _passed_on(event: Document, page: _Page) -> list[str]:
    data = event["data"]
    to = [page.station_name(data["to_station"])] if data.get("to_station") else []
    to += [data["to_department"]] if data.get("to_department") else []
    word = "转给" if event["kind"] == "forwarded" else "退给"
    return [f"{word}：{'、'.join(to) or '上一级'}", *_said(data, "reason")]


def _handed_over(event: Document, page: _Page) -> list[str]:
    data = event["data"]
    return [f"凭证 {data['slip']}，交给{data['to']}：{page.papers(data['papers'])}", *_said(data, "note")]


def _taken_over(event: Document, page: _Page) -> list[str]:
    data = event["data"]
    words = (("missing", "少了"), ("extra", "多了"))
    differs = [f"{word}：{page.papers(data[name])}" for name, word in words if data.get(name)]
    return [f"接收：{data['at']}", *(differs or ["和凭证一致。"])]


def _step(event: Document, page: _Page) -> list[str]:
    data = event["data"]
    on = f"，定在{day(data['planned_on'])}" if data.get("planned_on") else ""
    result = f"，{RESULTS[data['result']]}" if data.get("result") in RESULTS else ""
    return [f"{page.step(data['step'])}{on}{result}", *_said(data, "text", "reason", "source", "basis")]


def _decided(event: Document, _page: _Page) -> list[str]:
    data = event["data"]
    named = [
        f"{word}：{data[name]}" for name, word in (("conditions", "条件"), ("certificate", "证明")) if data.get(name)
    ]
    return [*_said(data, "reason", "basis"), *named]


def _delivered(event: Document, page: _Page) -> list[str]:
    data, properties = event["data"], KINDS["delivered"].schema["properties"]
    who = in_words(properties["to"]["properties"]["who"], data["to"].get("who"))
    collected = [f"领走：{page.papers(data['papers'])}"] if data.get("papers") else []
    return [f"{who} {data['to']['name']}领取，{in_words(properties['proof'], data['proof'])}", *collected]


def _paper_issued(event: Document, _page: _Page) -> list[str]:
    data = event["data"]
    return [f"{data['number']}，第 {data['version']} 版{'，补打' if data.get('reprint') else ''}"]


def _admitted(event: Document, _page: _Page) -> list[str]:
    return _said(event["data"], "reason")


def _said(data: Mapping[str, Any], *names: str) -> list[str]:
    return [str(data[name]) for name in names if data.get(name)]


_LINES: dict[str, Callable[[Document, _Page], list[str]]] = {
    "received": _received,
    "material_added": _material_added,
    "field_corrected": _field_corrected,
    "correction_requested": _correction_requested,
    "settled": _settled,
    "clock_corrected": _clock_corrected,
    "forwarded": _passed_on,
    "sent_back": _passed_on,
    "handed_over": _handed_over,
    "taken_over": _taken_over,
    **dict.fromkeys(("step_started", "step_done", "step_skipped"), _step),
    "decided": _decided,
    "delivered": _delivered,
    "paper_issued": _paper_issued,
    "admitted": _admitted,
}
"""Where the act's own form does not say it best."""
