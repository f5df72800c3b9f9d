"""Who may do what: role, kind of station, whose decision the item is, and which way the case has come."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from casework.documents.register import COUNTY, TOWNSHIP, VILLAGE, Register
from casework.flow import step_of
from casework.transitions import TRANSITIONS, Standing, obstacle


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why not: `status` 403 (not entitled), 404, 409 (not now) or 422, a code, and a sentence for the
    person.
    """

    status: int
    code: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a role, at a station of a kind, in a department (名称, such as 民政) or in none."""

    role: str
    station: str
    station_kind: str
    department: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a case is at home and which way it has come: what reaches are measured against.

    `home` took it in; `handler` is the township that handles it (the one above `home`, or `home` itself, unless intake
    or a forwarding named another); `department` is the county department that it was forwarded to (None: the one that
    its terms name); `stations` and `departments` are all that have had a part in it.
    """

    home: str
    handler: str
    department: str | None = None
    stations: frozenset[str] = frozenset()
    departments: frozenset[str] = frozenset()


OWN = "own"
"""The case was taken in at the actor's station."""
UNDER = "under"
"""… or, for a township, at a village under it, or elsewhere for it to handle."""
ACCEPTS = "accepts"
"""The item's flow says that the actor accepts it; without a flow, whoever is at the counter."""
DECIDES = "decides"
"""The item says that the actor decides it."""
STEP = "step"
"""The item's flow says that this step is the actor's."""
PART = "part"
"""The actor's station or department has had a part in the case."""
ANYWHERE = "anywhere"

STATION_ITSELF = "station"
"""The role of a station that acts by itself, once the county has told it the time: no person did anything. No account
has it."""

HEAD = "head"
"""The head of a township's centre (中心负责人): what its windows may, in every department, and the second signature."""

_BOTH = frozenset({VILLAGE, TOWNSHIP})
_T = frozenset({TOWNSHIP})
_C = frozenset({COUNTY})

_COUNTER = (("agent", _BOTH, OWN), ("township", _T, UNDER), ("reviewer", _C, DECIDES))
_DECIDERS = (("agent", _BOTH, DECIDES), ("township", _T, DECIDES), ("reviewer", _C, DECIDES))
_ACCEPTERS = (("agent", _BOTH, ACCEPTS), ("township", _T, ACCEPTS), ("reviewer", _C, ACCEPTS))
_STEPS = (("agent", _BOTH, STEP), ("township", _T, STEP), ("reviewer", _C, STEP))
_PARTS = (("agent", _BOTH, PART), ("township", _T, PART), ("reviewer", _C, PART))
_ROUTERS = (("township", _T, UNDER), ("reviewer", _C, DECIDES), ("admin", _C, ANYWHERE))

RIGHTS: dict[str, tuple[tuple[str, frozenset[str], str], ...]] = {
    "received": (("agent", _BOTH, OWN), ("township", _T, OWN)),
    "correction_requested": _ACCEPTERS,
    "corrected": _COUNTER,
    "accepted": _ACCEPTERS,
    "not_accepted": _ACCEPTERS,
    "material_added": _COUNTER,
    "field_corrected": _COUNTER,
    "proxy_appointed": _COUNTER,
    "proxy_ended": _COUNTER,
    "forwarded": (("agent", _BOTH, OWN), *_ROUTERS),
    "sent_back": _ROUTERS,
    "handed_over": _PARTS,
    "taken_over": _PARTS,
    "step_started": _STEPS + _DECIDERS,
    "step_done": _STEPS,
    "step_skipped": _DECIDERS,
    "suspended": _DECIDERS,
    "resumed": _DECIDERS,
    "extended": _DECIDERS,
    "fee_noticed": _DECIDERS,
    "fee_paid": _COUNTER,
    "decided": _DECIDERS,
    "decision_corrected": _DECIDERS,
    "decision_revoked": _DECIDERS,
    "returned": (*_ACCEPTERS, *_DECIDERS),
    "withdrawn": _COUNTER,
    "voided": _COUNTER,
    "closed": _COUNTER,
    "delivered": _COUNTER,
    "filed": _COUNTER,
    "rated": _COUNTER,
    "paper_issued": _PARTS,
    "clock_corrected": (
        *_COUNTER,
        (STATION_ITSELF, frozenset({VILLAGE}), OWN),
        (STATION_ITSELF, _T, UNDER),
        ("admin", _C, ANYWHERE),
    ),
    "settled": _COUNTER,
    "admitted": (("admin", _C, ANYWHERE),),
}
"""By event kind: (role, kinds of station, reach), any one of which is enough."""

ROLE_NAMES = {
    "agent": "代办员",
    "township": "乡镇窗口",
    HEAD: "中心负责人",
    "reviewer": "县部门审批人员",
    "approver": "部门审核人",
    "staffing": "编办审核人",
    "service": "政务办审核人",
    "admin": "县管理员",
    STATION_ITSELF: "站点",
}
"""Roles as people say them."""


_SAID_AT_ACCEPTANCE = frozenset({"accepted", "correction_requested", "not_accepted"})
_ACCEPTING = {"counter": "收件的窗口", "township": "乡镇", "county": "县里的部门"}


def place_of(number: str, register: Register, *, handled_by: str | None = None) -> Place:
    """The place of a case that has only been taken in. A number that is none is at home nowhere."""
    home = number.partition("-")[0]
    handler = handled_by or township_of(home, register) or home
    return Place(home, handler, stations=frozenset({home, handler}))


def entitled(
    kind: str,
    actor: Actor,
    place: Place,
    terms: Mapping[str, Any] | None,
    *,
    register: Register,
    data: Mapping[str, Any] | None = None,
) -> Refusal | None:
    """Whether the actor may ever do this to the case, whatever its state. Unknown kinds pass: a newer station knows
    them.
    """
    rows = RIGHTS.get(kind)
    if rows is None:
        return None
    title = TRANSITIONS[kind].title
    as_role = "township" if actor.role == HEAD else actor.role
    reaches = [reach for role, kinds, reach in rows if role == as_role and actor.station_kind in kinds]
    if not reaches:
        role = ROLE_NAMES.get(actor.role, actor.role)
        return Refusal(403, "not_entitled", f"{role}不能{title}。{_whose(kind, terms)}")
    if terms is None and {DECIDES, STEP} >= set(reaches):
        return Refusal(403, "no_terms", f"收件记录还没有到，看不出该由谁{title}。等下次联系后再试。")
    if not any(_reached(reach, actor, place, terms, data or {}) for reach in reaches):
        return Refusal(403, "not_entitled", _out_of_reach(kind, title, terms))
    if kind == "clock_corrected" and actor.station_kind != COUNTY:
        return _clock_right(actor, register, data)
    return None


def decides(actor: Actor, place: Place, terms: Mapping[str, Any]) -> bool:
    """Whether the item of this case is the actor's to decide.

    A village item is decided where it was taken in; a township's by the township that handles it, in the window of the
    item's department (站所) or in one that has none; a county's by the department that the item names (by name, such as
    民政) or that the case was forwarded to.
    """
    level, department = terms["decides"]["level"], terms["decides"]["department"]
    if level == "village":
        return actor.role in {"agent", "township", HEAD} and actor.station == place.home
    if level == "township":
        return _at_township(actor, place, department)
    return (
        actor.role == "reviewer"
        and actor.station_kind == COUNTY
        and actor.department == (place.department or department)
    )


def _at_township(actor: Actor, place: Place, department: str | None) -> bool:
    if actor.station_kind != TOWNSHIP or actor.station != place.handler:
        return False
    window = actor.role == "township" and (actor.department is None or department in (None, actor.department))
    return actor.role == HEAD or window


def township_of(station: str, register: Register) -> str | None:
    """The township above a village station: what the register says, else the first nine digits of the
    code.
    """
    key = register.station(station)
    if key is not None:
        return key.parent if key.kind == VILLAGE else None
    township = station[:9] + "000"
    return township if township != station else None


def may(
    kind: str,
    role: str,
    station_kind: str,
    case: Mapping[str, Any] | None,
    *,
    station: str,
    register: Register,
    department: str | None = None,
    number: str | None = None,
    data: Mapping[str, Any] | None = None,
) -> Refusal | None:
    """Whether somebody may do this to the case as it stands now; asked before an event is written.

    `case` is a folded case, or None for one that is only being taken in (`number` then defaults to a number
    of the station's own). What the event itself must say is `KINDS[kind].problems`.
    """
    if kind not in TRANSITIONS:
        return Refusal(422, "unknown_kind", "没有这种操作，请从页面上的按钮里选。")
    if case is None and kind != "received":
        return Refusal(404, "no_such_case", "没有这个编号的办件。请核对编号后两段。")
    # Without a number yet, the case is of the station that gives it one.
    new = number or f"{station}-20000101-0001-00000"
    place = place_in(case) if case is not None else place_of(new, register)
    actor = Actor(role, station, station_kind, department)
    terms = case["item"] if case is not None else None
    refusal = entitled(kind, actor, place, terms, register=register, data=data)
    if refusal is not None:
        return refusal
    sentence = obstacle(kind, Standing.of(case), data or {})
    if sentence is not None:
        return Refusal(409, "not_now", sentence)
    if kind == "settled" and case is not None and data is not None:
        return _settle_right(actor, case, data, register)
    return None


def place_in(case: Mapping[str, Any]) -> Place:
    """The place of a folded case."""
    return Place(
        home=case["number"].partition("-")[0],
        handler=case["handler"],
        department=case["department"],
        stations=frozenset(part["value"] for part in case["parts"] if part["kind"] == "station"),
        departments=frozenset(part["value"] for part in case["parts"] if part["kind"] == "department"),
    )


def may_settle(
    topic: str, actor: Actor, place: Place, terms: Mapping[str, Any] | None, register: Register
) -> Refusal | None:
    """Whether the actor may settle a point of this topic: the outcome is the decider's, a field anyone's who
    may
    correct it."""
    as_kind = "decided" if topic == "outcome" else "field_corrected"
    refusal = entitled(as_kind, actor, place, terms, register=register)
    if refusal is None:
        return None
    whose = _whose("decided", terms) if topic == "outcome" else "请由收件的站点、所属乡镇或决定机关来定。"
    return Refusal(403, "not_entitled", f"这个争议点不由您定。{whose}")


def _settle_right(actor: Actor, case: Mapping[str, Any], data: Mapping[str, Any], register: Register) -> Refusal | None:
    point = next((point for point in case["contested"] if point["id"] == data.get("point")), None)
    if point is None:
        return Refusal(409, "no_such_point", "没有这个争议点，可能已经有人定过了。刷新后再看。")
    return may_settle(point["topic"], actor, place_in(case), case["item"], register)


def _reached(reach: str, actor: Actor, place: Place, terms: Mapping[str, Any] | None, data: Mapping[str, Any]) -> bool:
    match reach:
        case "anywhere":
            return True
        case "part":
            return actor.station in place.stations or (
                actor.department is not None and actor.department in place.departments
            )
        case "decides":
            return terms is not None and decides(actor, place, terms)
        case "accepts":
            return _accepts(actor, place, terms)
        case "step":
            return terms is not None and _has_step(actor, place, terms, str(data.get("step", "")))
        case _:
            return actor.station == place.home or (reach == UNDER and actor.station == place.handler)


def _accepts(actor: Actor, place: Place, terms: Mapping[str, Any] | None) -> bool:
    flow = terms.get("flow") if terms is not None else None
    who = flow["accepts"] if flow is not None else "counter"
    if terms is not None and (who == "county" or actor.role == "reviewer"):
        return decides(actor, place, terms)
    if terms is not None and who == "township":
        return _at_township(actor, place, terms["decides"]["department"]) or decides(actor, place, terms)
    return actor.station == place.home or (actor.role in {"township", HEAD} and actor.station == place.handler)


def _has_step(actor: Actor, place: Place, terms: Mapping[str, Any], identifier: str) -> bool:
    step = step_of(terms.get("flow"), identifier)
    if step is None:
        # Whoever may act at all is told that there is no such step.
        return decides(actor, place, terms)
    who = step["who"]
    if who.get("role") and who["role"] != actor.role:
        return False
    match who["level"]:
        case "village":
            return actor.station == place.home
        case "township":
            return _at_township(actor, place, who.get("department"))
        case _:
            return actor.station_kind == COUNTY and actor.department == who.get("department")


def _clock_right(actor: Actor, register: Register, data: Mapping[str, Any] | None) -> Refusal | None:
    # A station knows about its own clock, and a township about its villages'; nobody else's.
    for event in (data or {}).get("events", ()):
        writer = str(event).rsplit(":", 2)[1].rsplit("-", 1)[-1]
        if actor.station not in (writer, township_of(writer, register)):
            return Refusal(403, "not_entitled", "只能更正本站（乡镇含所辖村站）记录的时间。")
    return None


def _whose(kind: str, terms: Mapping[str, Any] | None) -> str:
    if kind == "received":
        return "请由代办员或乡镇窗口收件。"
    if kind == "admitted":
        return "请由县管理员核实。"
    if terms is not None and (kind == "settled" or RIGHTS[kind][0][2] == DECIDES):
        return f"这件由{terms['decides']['office']}决定。"
    return "请由收件的站点、所属乡镇或决定机关来办。"


def _out_of_reach(kind: str, title: str, terms: Mapping[str, Any] | None) -> str:
    if kind == "received":
        return "只能用本站的编号收件。"
    if kind == "decided":
        return f"这件不由您{title}。{_whose(kind, terms)}"
    if kind in {"step_started", "step_done"}:
        return "这个环节不由您办，请看流程里写的是谁。"
    if kind in _SAID_AT_ACCEPTANCE and terms is not None and terms.get("flow") is not None:
        return f"这个事项由{_ACCEPTING[terms['flow']['accepts']]}受理，不由您{title}。收了件会自动送到那里。"
    return f"这件不是您这里收的，也不由您决定，不能{title}。{_whose(kind, terms)}"
