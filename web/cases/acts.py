"""The acts that a person may do to a case now: which, in what order, and each one's form, to a page and back."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from casework.canonical import Document
from casework.case import Case
from casework.documents.register import TOWNSHIP
from casework.fields import can_set
from casework.flow import READY, RUNNING, STEP_KINDS, WAITING
from casework.kinds import KINDS
from casework.kinds.admitted import ADMISSIBLE
from casework.kinds.decided import OUTCOMES
from casework.kinds.delivered import PROOFS, RECIPIENTS
from casework.kinds.received import MATERIAL_STATES
from casework.kinds.shapes import choice, line, prose
from casework.times import CHINA, rfc3339
from casework.transitions import TRANSITIONS, most_extension
from web.cases.desk import Act
from web.cases.services import CaseServices, event_time
from web.cases.telling import field_part, flat, form_rows
from web.errors import Problem
from web.forms import Schema, Typed, kind_of, lay_out, names_of, read_form, unreadable
from web.signin import User
from web.wording import moment

FINISH = "finish"
"""Not a kind of its own: an 即办件 granted, handed out and closed at one press."""

CORRECTABLE = {
    "applicant.name": "姓名",
    "applicant.phone": "联系电话",
    "applicant.address": "住址",
    "applicant.id_number": "证件号码",
}
_SINGLE = {"text", "area", "number", "money", "date", "select", "radios", "yesno", "check"}

STEP_ACTS = ("step_started", "step_done", "step_skipped")
ELSEWHERE = frozenset({"received", "settled", "paper_issued"})
"""Kinds with a page of their own: taking in, contested points, papers."""

GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (
        "办理",
        (
            *("accepted", "correction_requested", "corrected", *STEP_ACTS, "suspended", "resumed", "extended"),
            *("decided", "delivered", "closed", "filed"),
        ),
    ),
    ("转交", ("forwarded", "sent_back")),
    ("材料和委托", ("material_added", "handed_over", "taken_over", "proxy_appointed", "proxy_ended")),
    ("费用和评价", ("fee_noticed", "fee_paid", "rated")),
    ("更正", ("decision_corrected", "clock_corrected")),
    ("不再办", ("not_accepted", "returned", "withdrawn", "voided", "decision_revoked")),
)
"""Everything but the next act, in the order in which a desk looks for it."""

CHECKED = {
    "decided": "作出后不能涂改，办事人会看到理由。",
    "delivered": "登记后不能改。请再看一眼领取人。",
    "not_accepted": "通知书上会印出理由和救济途径，这件就此不办。",
    "returned": "退件后要办须重新收件。",
    "withdrawn": "撤回后要办须重新收件。",
    "voided": "作废后不能恢复。",
    "decision_revoked": "撤销后要重新决定，已经发出去的要追回。",
}
"""What cannot be undone, with what to think of before it is done."""

BUTTONS = {
    "decided": "作出决定",
    "withdrawn": "登记撤回",
    "delivered": "登记送达",
    "correction_requested": "发出补正告知",
    "corrected": "登记补正",
    "admitted": "准许算数",
    FINISH: "当场办结",
}
TITLES = {FINISH: "当场办结", "decision_corrected": "更正决定的文字", "clock_corrected": "更正记录的时间"}


@dataclass(frozen=True)
class Offer:
    """An act that this user may do now. `known` is what the page says before anything is typed, such as the step."""

    kind: str
    title: str
    known: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Sight:
    """A case as one user sees it: what every question here is asked about."""

    services: CaseServices
    user: User
    case: Case

    def may(self, kind: str, data: Mapping[str, Any] | None = None) -> bool:
        return self.services.may(kind, self.user, self.case, data)

    @property
    def place(self) -> str:
        """Where this user takes papers in: their department, else their station, by name."""
        services = self.services
        return self.services.person_of(self.user).department or services.station_name(services.desk.station)


def title_of(kind: str) -> str:
    return TITLES.get(kind) or TRANSITIONS[kind].title


def button_of(kind: str) -> str:
    return BUTTONS.get(kind) or TRANSITIONS[kind].title


# -- which ----------------------------------------------------------------------------------------------------------


def offers(sight: Sight) -> list[Offer]:
    """Every act that the user may do to the case as it stands, and that has something to act on."""
    found = [Offer(FINISH, title_of(FINISH))] if can_finish(sight) else []
    for kind in TRANSITIONS:
        if kind in ELSEWHERE or not _has_an_object(kind, sight.case):
            continue
        if kind in STEP_ACTS:
            found += [
                Offer(kind, f"{_STEP_WORDS[kind]}“{title}”", {"step": step})
                for step, title in _steps(sight, kind).items()
            ]
        elif sight.may(kind):
            found.append(Offer(kind, title_of(kind)))
    return found


_STEP_WORDS = {"step_started": "开始", "step_done": "完成", "step_skipped": "跳过"}


def _has_an_object(kind: str, case: Case) -> bool:
    """Whether there is anything for the act to act on: the rights do not ask for that, the act's own demands do."""
    match kind:
        case "taken_over":
            return any(handover["taken"] is None for handover in case["handovers"])
        case "proxy_ended":
            named = (case["fields"].get("people") or {}).get("proxy")
            standing = bool(named) and case["named_proxy_ended"] is None
            return standing or any(proxy["ended"] is None for proxy in case["proxies"])
        case "delivered" | "decision_corrected" | "decision_revoked":
            return case["decision"] is not None
        case "admitted":
            return any(record["code"] in ADMISSIBLE for record in case["quarantined"])
        case "material_added":
            return bool(case["materials"])
        case _:
            return True


def _steps(sight: Sight, kind: str) -> dict[str, str]:
    """The steps to which this user may do this now: id → title."""
    return {
        step["id"]: step["title"]
        for step in sight.case["steps"]
        if step["state"] in (READY, RUNNING) and sight.may(kind, {"step": step["id"]})
    }


def can_finish(sight: Sight) -> bool:
    """Whether an 即办件 may be granted and closed on the spot."""
    case = sight.case
    immediate = case["item"] is not None and case["item"]["case_type"] == "即办件"
    return immediate and case["decision"] is None and sight.may("decided", {"outcome": "granted"})


def next_act(case: Case, offered: Iterable[Offer]) -> Offer | None:
    """What is next, of what may be done: the one filled button. None when somebody else is to act."""
    by_kind: dict[str, list[Offer]] = {}
    for offer in offered:
        by_kind.setdefault(offer.kind, []).append(offer)
    # Who decides may also send others off to their steps; what is next for them is only their own.
    mine = {offer.known["step"] for offer in by_kind.get("step_done", [])}
    if "step_started" in by_kind:
        by_kind["step_started"] = [offer for offer in by_kind["step_started"] if offer.known["step"] in mine]
    if any(step["state"] in (WAITING, READY, RUNNING) for step in case["steps"]):
        by_kind.pop("decided", None)
    starts = any(step["id"] in mine and STEP_KINDS[step["kind"]].stops_clock for step in case["steps"])
    for kind in _wanted(case, starts):
        if by_kind.get(kind):
            return _most_advanced(case, by_kind[kind])
    return None


def _wanted(case: Case, starts: bool) -> tuple[str, ...]:
    """Kinds in the order in which they are wanted. `starts`: a step of this user's has a beginning that counts."""
    lacking = any(material["state"] == "missing" for material in case["materials"])
    match case["state"]:
        case "received" | "corrected":
            answer = ("correction_requested", "accepted") if lacking else ("accepted",)
            return (FINISH, *answer, "decided")
        case "correction":
            return ("corrected",)
        case "suspended":
            return ("step_done", "resumed")
        case "accepted" if any(step["state"] == RUNNING for step in case["steps"]):
            return ("step_done", FINISH, "step_started", "decided")
        case "accepted":
            return (FINISH, *(("step_started",) if starts else ()), "step_done", "step_started", "decided")
        case "revoked":
            return ("decided",)
        case "decided":
            return ("delivered", "closed")
        case "closed" if case["delivery"] is None:
            return ("delivered", "filed")
        case "closed" | "delivered":
            return ("filed",)
        case "not_accepted" | "returned" | "withdrawn" | "voided":
            return ("closed",)
        case _:
            return ()


def _most_advanced(case: Case, same: list[Offer]) -> Offer:
    running = {step["id"] for step in case["steps"] if step["state"] == RUNNING}
    return next((offer for offer in same if offer.known.get("step") in running), same[0])


def grouped(offered: Iterable[Offer], but: Offer | None) -> list[tuple[str, list[Offer]]]:
    """The other acts, group by group; `field_corrected` and `admitted` have their places on the page."""
    rest = [offer for offer in offered if offer != but]
    groups = [(title, [offer for kind in kinds for offer in rest if offer.kind == kind]) for title, kinds in GROUPS]
    if any(offer.kind == FINISH for offer in rest):
        groups[0][1].insert(0, next(offer for offer in rest if offer.kind == FINISH))
    return [(title, found) for title, found in groups if found]


# -- the form -------------------------------------------------------------------------------------------------------


def form_of(sight: Sight, kind: str) -> Schema:
    """The form of this act: the kind's own schema, with what can be chosen in this case in place of identifiers."""
    if kind == FINISH:
        return _finish_form(sight)
    schema = copy.deepcopy(KINDS[kind].schema)
    narrow = _FORMS.get(kind)
    return narrow(sight, schema) if narrow is not None else schema


def shown(sight: Sight, kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """The event's data as the form shows it: the inverse of `said`."""
    value = dict(data)
    match kind:
        case "correction_requested":
            points = [point for point in value.pop("points", []) if isinstance(point, Mapping)]
            return value | {
                "materials": {p["material"]: p.get("text", "") for p in points if "material" in p},
                "others": [p.get("text", "") for p in points if "material" not in p],
            }
        case "accepted" if isinstance(value.get("happened_at"), str):
            return {"happened_at": value["happened_at"]}
        case "clock_corrected" if isinstance(value.get("offset"), int):
            return value | {"offset": round(value["offset"] / 60_000)}
        case "delivered" if not value:
            applicant = sight.case["fields"].get("applicant") or {}
            return {"to": {"who": "applicant", "name": applicant.get("name", "")}}
        case "handed_over" if not value:
            return {"slip": f"{sight.case['number'].split('-', 2)[-1]}-{len(sight.case['handovers']) + 1}"}
        case "taken_over" if not value:
            return {"at": sight.place}
        case "proxy_appointed" if not value:
            return {"from": _today(sight).isoformat()}
        case "clock_corrected" if not value:
            return {"how": "与标准时间核对"}
        case _:
            return value


def with_the_only_choice(schema: Schema, value: Mapping[str, Any]) -> dict[str, Any]:
    """What must be chosen and leaves no choice is chosen already."""
    only = {
        name: part["enum"][0]
        for name, part in schema.get("properties", {}).items()
        if len(part.get("enum", ())) == 1 and name in schema.get("required", ())
    }
    return only | dict(value)


def said(kind: str, schema: Schema, typed: Typed) -> dict[str, Any]:
    """What was typed into the act's form, as the event's data."""
    value = read_form(schema, typed, prefix="")
    for name in schema.get("required", []):
        part = schema["properties"].get(name, {})
        if part.get("type") == "string" and part.get("minLength", 0) == 0:
            # Nothing typed is an empty text: the act's own sentence says better what to write than "missing" does.
            value.setdefault(name, "")
    match kind:
        case "correction_requested":
            points = [point for _, point in _points(value)]
            value = {name: part for name, part in value.items() if name not in ("materials", "others")}
            value["points"] = points
        case "accepted" if "happened_at" in value:
            value["happened_at"] = _moment_typed(str(value["happened_at"]))
        case "clock_corrected" if isinstance(value.get("offset"), int):
            value["offset"] *= 60_000
        case "delivered":
            value.setdefault("to", {})
    if typed.get("repairs"):
        value["repairs"] = typed["repairs"]
    return value


def where_typed(kind: str, schema: Schema, typed: Typed, problems: Mapping[str, str]) -> dict[str, str]:
    """The problems of the event's data, by the path of the field of the form in which each was typed."""
    value = read_form(schema, typed, prefix="")
    found = dict(unreadable(schema, value, prefix=""))
    places = [place for place, _ in _points(value)] if kind == "correction_requested" else []
    for path, sentence in problems.items():
        inner = path.removeprefix("data.")
        first, _, rest = inner.partition(".")
        if first == "points":
            position = rest.partition(".")[0]
            known = position.isdigit() and int(position) < len(places)
            inner = places[int(position)] if known else "materials"
            found.setdefault(inner, sentence if known else "至少写一项要补什么。")
            continue
        if inner != "act" and not _has_path(schema, inner):
            inner = first if first in schema.get("properties", {}) else next(iter(schema.get("properties", {})), "act")
        found.setdefault(inner, sentence)
    return found


def _has_path(schema: Schema, path: str) -> bool:
    part: Any = schema
    for name in path.split("."):
        part = part.get("items", {}) if name.isdigit() else part.get("properties", {}).get(name)
        if part is None:
            return False
    return True


def check(sight: Sight, kind: str, data: Mapping[str, Any]) -> None:
    """Raises the `Problem` with which the desk would refuse this, and writes nothing."""
    refusal = sight.services.refusal(kind, sight.user, sight.case, data)
    if refusal is not None:
        raise Problem(refusal.status, refusal.code, refusal.sentence)
    problems = KINDS[kind].problems(sight.case, data)
    if problems:
        raise Problem(
            422,
            "not_complete",
            "有几处要改，改好再提交。",
            fields={f"data.{at}": said for at, said in problems.items()},
        )


def in_words(schema: Schema, typed: Typed) -> list[tuple[str, str]]:
    """What was typed, for the page that asks once more."""
    return [(title, flat(text)) for title, text in form_rows(schema, read_form(schema, typed, prefix=""))]


def acts_of(kind: str, data: Mapping[str, Any]) -> list[Act]:
    """The events that this makes: one, but for what is brought with a correction, and what is finished on the spot."""
    if kind == "corrected":
        brought = [Act("material_added", {"material": name, "state": "received"}) for name in data.get("brought", [])]
        return [*brought, Act(kind, {name: value for name, value in data.items() if name != "brought"})]
    if kind != FINISH:
        return [Act(kind, data)]
    decision = {name: data[name] for name in ("reason", "certificate") if name in data}
    acts = [Act("decided", {"outcome": "granted", **decision}), Act("closed", {})]
    if data.get("to", {}).get("name"):
        to = {"who": "applicant", **data["to"]}
        acts.append(Act("delivered", {"to": to, "proof": data.get("proof", "signature")}))
    return acts


# -- what can be chosen in this case ----------------------------------------------------------------------------------


def _finish_form(sight: Sight) -> Schema:
    delivered = copy.deepcopy(KINDS["delivered"].schema["properties"])
    recipient = {**delivered["to"], "required": [], "title": "领取人（当场领走才填）"}
    certificate = {"certificate": {**prose("证明的内容"), "x-hint": "不是证明的不填"}}
    handed_out = {"to": recipient, "proof": choice("领取凭据", PROOFS)}
    terms = sight.case["item"]
    # A village's own result is mostly words (证明); elsewhere who hands something out comes first.
    attests = terms is not None and terms["decides"]["level"] == "village"
    properties: dict[str, Any] = {**certificate, **handed_out} if attests else {**handed_out, **certificate}
    recipient["properties"]["who"] = choice("是谁", RECIPIENTS)
    return {"type": "object", "required": [], "properties": properties}


def _decision(_sight: Sight, schema: dict[str, Any]) -> Schema:
    schema["properties"]["outcome"] = choice("结论", OUTCOMES, **{"x-width": "f6"})
    schema["properties"]["reason"]["x-hint"] = "办事人会看到；不予必须写明"
    return schema


def _correction(sight: Sight, schema: dict[str, Any]) -> Schema:
    each = {
        material["id"]: {**line(material["name"], least=0, most=1000), "x-width": "f6"}
        for material in sight.case["materials"]
    }  # fmt: skip
    materials = {
        "title": "材料要补什么、怎么补（不用补的空着）", "type": "object", "properties": each, "required": list(each),
    }  # fmt: skip
    others = {"title": "其他要补正的，一行一项", "type": "array", "items": line("要补什么", most=1000), "maxItems": 60}
    days = {**schema["properties"]["days"], "x-width": "f2"}
    properties = {**({"materials": materials} if each else {}), "others": others, "days": days}
    return {"type": "object", "required": ["materials"], "properties": properties}


def _points(value: Mapping[str, Any]) -> list[tuple[str, dict[str, str]]]:
    """The points of a request for correction, each with the field of the form in which it was typed."""
    materials: Mapping[str, str] = value.get("materials") or {}
    named = [(f"materials.{name}", {"material": name, "text": text}) for name, text in materials.items()]
    return [*named, *(("others", {"text": text}) for text in value.get("others") or [])]


def _answer(sight: Sight, schema: dict[str, Any]) -> Schema:
    """What was asked for, to be ticked as it is brought: who stands at the counter does not look for it elsewhere."""
    asked = {
        point["material"]: point["text"]
        for correction in sight.case["corrections"]
        if correction["answered"] is None
        for point in correction["points"]
        if point.get("material")
    }
    names = {
        material["id"]: f"{material['name']}：{asked[material['id']]}"
        for material in sight.case["materials"]
        if material["id"] in asked
    }
    if names:
        brought = {"title": "补来了哪些", "type": "array", "items": choice("材料", names), "x-width": "f6"}
        note = {**schema["properties"]["note"], "x-hint": "没补来的，写明原因"}
        schema["properties"] = {"brought": brought, "note": note}
    return schema


def _accepted(_sight: Sight, schema: dict[str, Any]) -> Schema:
    schema["properties"]["happened_at"] = {
        **line("实际受理的时间"),
        "x-hint": "停电等先在纸上办的才填，例如 2026-09-16 09:30",
    }
    return schema


def _step(kind: str) -> Callable[[Sight, dict[str, Any]], Schema]:
    def narrow(sight: Sight, schema: dict[str, Any]) -> Schema:
        schema["properties"]["step"] = choice("环节", _steps(sight, kind), **{"x-width": "f6"})
        return schema

    return narrow


def _extension(sight: Sight, schema: dict[str, Any]) -> Schema:
    flow = sight.case["item"].get("flow") if sight.case["item"] is not None else None
    schema["properties"]["days"] |= {"x-unit": f"个工作日，最多 {most_extension(flow)}"}
    return schema


def _material(sight: Sight, schema: dict[str, Any]) -> Schema:
    names = {material["id"]: material["name"] for material in sight.case["materials"]}
    properties = {"material": choice("材料", names), "state": choice("现在", MATERIAL_STATES)}
    return {"type": "object", "required": list(schema["required"]), "properties": properties}


def _forwarding(sight: Sight, schema: dict[str, Any]) -> Schema:
    services, register = sight.services, sight.services.desk.register()
    townships = {
        key.station: services.station_name(key.station)
        for key in register.stations()
        if key.kind == TOWNSHIP and key.station != sight.case["handler"]
    }
    departments = {name: name for name in services.departments()}
    schema["properties"]["to_station"] = choice("转给哪个乡镇", townships, **{"x-widget": "select"})
    schema["properties"]["to_department"] = choice("转给县里哪个部门", departments, **{"x-widget": "select"})
    return _without_empty_choices(schema)


def _sending_back(sight: Sight, schema: dict[str, Any]) -> Schema:
    stations = {part["value"]: sight.services.station_name(part["value"]) for part in sight.case["parts"]
                if part["kind"] == "station" and part["value"] != sight.services.desk.station}  # fmt: skip
    schema["properties"]["to_station"] = choice("退给哪个站点", stations, **{"x-widget": "select"})
    return _without_empty_choices(schema)


def _without_empty_choices(schema: dict[str, Any]) -> Schema:
    schema["properties"] = {name: part for name, part in schema["properties"].items() if part.get("enum") != []}
    return schema


def _handover(sight: Sight, schema: dict[str, Any]) -> Schema:
    parts = sight.case["parts"]
    places = [
        sight.services.station_name(part["value"]) if part["kind"] == "station" else part["value"] for part in parts
    ]
    receivers = [place for place in [*places, "办事人"] if place != sight.place]
    names = {material["id"]: material["name"] for material in sight.case["materials"]}
    schema["properties"]["to"] = choice("交给谁", {name: name for name in receivers})
    schema["properties"]["papers"]["items"] = choice("材料", names)
    return schema


def _taking(sight: Sight, schema: dict[str, Any]) -> Schema:
    names = {material["id"]: material["name"] for material in sight.case["materials"]}
    waiting = {
        one["event"]: f"凭证 {one['slip']}，{sight.services.station_name(one['station'])}交来，{len(one['papers'])} 样"
        for one in sight.case["handovers"]
        if one["taken"] is None
    }
    schema["properties"]["handover"] = choice("哪一次移交", waiting, **{"x-width": "f6"})
    schema["properties"]["at"] = choice("谁接收", {sight.place: sight.place})
    schema["properties"]["missing"]["items"] = choice("材料", names)
    return schema


def _clock(sight: Sight, schema: dict[str, Any]) -> Schema:
    now = sight.services.now()
    records = {event["_id"]: f"{_named(event)} {moment(event_time(event), now)}" for event in _events(sight)}
    schema["properties"] = {
        "events": {"title": "哪些记录", "type": "array", "items": choice("记录", records)},
        "offset": {"title": "要加多少分钟（快了写负数）", "type": "integer", "x-unit": "分钟"},
        "how": line("怎么知道的"),
    }
    return schema


def _admission(sight: Sight, schema: dict[str, Any]) -> Schema:
    events = {event["_id"]: event for event in _events(sight)}
    records = {
        record["id"]: f"{_named(events.get(record['id'], {}))}：{record['reason']}"
        for record in sight.case["quarantined"]
        if record["code"] in ADMISSIBLE
    }
    schema["properties"]["event"] = choice("哪条记录", records, **{"x-width": "f6"})
    return schema


def correctable(case: Case, form: Schema) -> dict[str, str]:
    """What can be put right, by path: the applicant's own, and every single value of the item's form."""
    names = names_of(lay_out(form, case["fields"].get("form") or {}))
    single = {path: title for path, title in names.items() if kind_of(field_part(path, form)) in _SINGLE}
    return {path: title for path, title in {**CORRECTABLE, **single}.items() if can_set(case["fields"], path)}


def _field(sight: Sight, schema: dict[str, Any]) -> Schema:
    paths = correctable(sight.case, (sight.services.guide_of(sight.case) or {}).get("form", {}))
    schema["properties"]["path"] = choice("哪一栏", paths, **{"x-widget": "select"})
    return schema


_FORMS: dict[str, Callable[[Sight, dict[str, Any]], Schema]] = {
    "decided": _decision,
    "correction_requested": _correction,
    "corrected": _answer,
    "accepted": _accepted,
    **{kind: _step(kind) for kind in STEP_ACTS},
    "extended": _extension,
    "field_corrected": _field,
    "material_added": _material,
    "forwarded": _forwarding,
    "sent_back": _sending_back,
    "handed_over": _handover,
    "taken_over": _taking,
    "clock_corrected": _clock,
    "admitted": _admission,
}


def _events(sight: Sight) -> list[Document]:
    return sight.services.events_in_order(sight.case)


def _named(event: Mapping[str, Any]) -> str:
    row = TRANSITIONS.get(str(event.get("kind")))
    return row.title if row is not None else "记录"


def _today(sight: Sight) -> date:
    return sight.services.now().astimezone(CHINA).date()


def _moment_typed(text: str) -> str:
    """2026-09-16 09:30, at +08:00, as RFC 3339; what is no moment stays, and is refused."""
    try:
        return rfc3339(
            datetime.fromisoformat(text.replace("年", "-").replace("月", "-").replace("日", "")).replace(tzinfo=CHINA)
        )
    except ValueError:
        return text
