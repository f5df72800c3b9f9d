"""Who may do what: role, kind of station, whose decision the item is, and where the case was taken in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from casework.documents.register import COUNTY, TOWNSHIP, VILLAGE, Register
from casework.numbers import parse_case_number
from casework.transitions import TRANSITIONS, UNRECEIVED, can_follow, why_not


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


OWN = "own"
"""The case was taken in at the actor's station."""
UNDER = "under"
"""… or, for a township, at a village under it."""
DECIDES = "decides"
"""The item says that the actor decides it."""
ANYWHERE = "anywhere"

STATION_ITSELF = "station"
"""The role of a station that acts by itself, once the county has told it the time: no person did anything. No account
has it."""

_COUNTER = (
    ("agent", frozenset({VILLAGE, TOWNSHIP}), OWN),
    ("township", frozenset({TOWNSHIP}), UNDER),
    ("reviewer", frozenset({COUNTY}), DECIDES),
)

RIGHTS: dict[str, tuple[tuple[str, frozenset[str], str], ...]] = {
    "received": (
        ("agent", frozenset({VILLAGE, TOWNSHIP}), OWN),
        ("township", frozenset({TOWNSHIP}), OWN),
    ),
    "accepted": _COUNTER,
    "material_added": _COUNTER,
    "field_corrected": _COUNTER,
    "decided": (
        ("agent", frozenset({VILLAGE, TOWNSHIP}), DECIDES),
        ("township", frozenset({TOWNSHIP}), DECIDES),
        ("reviewer", frozenset({COUNTY}), DECIDES),
    ),
    "withdrawn": _COUNTER,
    "clock_corrected": (
        *_COUNTER,
        (STATION_ITSELF, frozenset({VILLAGE}), OWN),
        (STATION_ITSELF, frozenset({TOWNSHIP}), UNDER),
        ("admin", frozenset({COUNTY}), ANYWHERE),
    ),
    "settled": _COUNTER,
}
"""By event kind: (role, kinds of station, reach), any one of which is enough."""

_ROLE_NAMES = {
    "agent": "代办员",
    "township": "乡镇窗口",
    "reviewer": "县部门审批人员",
    "admin": "县管理员",
    STATION_ITSELF: "站点",
}


def entitled(
    kind: str,
    actor: Actor,
    number: str,
    terms: Mapping[str, Any] | None,
    *,
    register: Register,
    data: Mapping[str, Any] | None = None,
) -> Refusal | None:
    """Whether this person at this station may do this at all, whatever state the case is in.

    `terms` are the case's (None while its intake is not here). Unknown kinds pass: a newer station knows
    them.
    """
    rows = RIGHTS.get(kind)
    if rows is None:
        return None
    title = TRANSITIONS[kind].title
    home = parse_case_number(number).station
    reaches = [reach for role, kinds, reach in rows if role == actor.role and actor.station_kind in kinds]
    if not reaches:
        role = _ROLE_NAMES.get(actor.role, actor.role)
        return Refusal(403, "not_entitled", f"{role}不能{title}。{_whose(kind, terms)}")
    if DECIDES in reaches and terms is None:
        return Refusal(403, "no_terms", f"收件记录还没有到，看不出该由谁{title}。等下次联系后再试。")
    if not any(_reached(reach, actor, home, terms, register) for reach in reaches):
        return Refusal(403, "not_entitled", _out_of_reach(kind, title, terms))
    if kind == "clock_corrected" and actor.station_kind != COUNTY:
        return _clock_right(actor, register, data)
    return None


def decides(actor: Actor, home: str, terms: Mapping[str, Any], register: Register) -> bool:
    """Whether the item of a case taken in at `home` is the actor's to decide.

    A village item is decided where it was taken in; a township's by that township, for itself and its
    villages; a county's by the department that the item names (by name, such as 民政).
    """
    level = terms["decides"]["level"]
    if level == "village":
        return actor.role in {"agent", "township"} and actor.station == home
    if level == "township":
        return (
            actor.role == "township"
            and actor.station_kind == TOWNSHIP
            and actor.station in (home, township_of(home, register))
        )
    return (
        actor.role == "reviewer" and actor.station_kind == COUNTY and actor.department == terms["decides"]["department"]
    )


def township_of(station: str, register: Register) -> str | None:
    """The township above a village station: what the register says, else the first nine digits of the
    code.
    """
    key = register.station(station)
    if key is not None:
        return key.parent
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
    terms = case["item"] if case is not None else None
    # Without a number yet, the case is of the station that gives it one.
    on = case["number"] if case is not None else number or f"{station}-20000101-0001-00000"
    actor = Actor(role, station, station_kind, department)
    refusal = entitled(kind, actor, on, terms, register=register, data=data)
    if refusal is not None:
        return refusal
    state = case["state"] if case is not None else UNRECEIVED
    if not can_follow(kind, state, terms):
        return Refusal(409, "not_now", why_not(kind, state, terms))
    if kind == "settled" and case is not None and data is not None:
        return _settle_right(actor, case, data, register)
    return None


def may_settle(
    topic: str, actor: Actor, number: str, terms: Mapping[str, Any] | None, register: Register
) -> Refusal | None:
    """Whether the actor may settle a point of this topic: the outcome is the decider's, a field anyone's who
    may
    correct it."""
    as_kind = "decided" if topic == "outcome" else "field_corrected"
    refusal = entitled(as_kind, actor, number, terms, register=register)
    if refusal is None:
        return None
    whose = _whose("decided", terms) if topic == "outcome" else "请由收件的站点、所属乡镇或决定机关来定。"
    return Refusal(403, "not_entitled", f"这个争议点不由您定。{whose}")


def _settle_right(actor: Actor, case: Mapping[str, Any], data: Mapping[str, Any], register: Register) -> Refusal | None:
    point = next((point for point in case["contested"] if point["id"] == data.get("point")), None)
    if point is None:
        return Refusal(409, "no_such_point", "没有这个争议点，可能已经有人定过了。刷新后再看。")
    return may_settle(point["topic"], actor, case["number"], case["item"], register)


def _reached(reach: str, actor: Actor, home: str, terms: Mapping[str, Any] | None, register: Register) -> bool:
    if reach == ANYWHERE:
        return True
    if reach == DECIDES:
        return terms is not None and decides(actor, home, terms, register)
    if actor.station == home:
        return True
    return reach == UNDER and actor.station == township_of(home, register)


def _clock_right(actor: Actor, register: Register, data: Mapping[str, Any] | None) -> Refusal | None:
    # A station knows about its own clock, and a township about its villages'; nobody else's.
    for event in (data or {}).get("events", ()):
        writer = str(event).rsplit(":", 2)[1].rsplit("-", 1)[-1]
        if actor.station not in (writer, township_of(writer, register)):
            return Refusal(403, "not_entitled", "只能更正本站（乡镇含所辖村站）记录的时间。")
    return None


def _whose(kind: str, terms: Mapping[str, Any] | None) -> str:
    if kind in {"decided", "settled"} and terms is not None:
        return f"这件由{terms['decides']['office']}决定。"
    if kind == "received":
        return "请由代办员或乡镇窗口收件。"
    return "请由收件的站点、所属乡镇或决定机关来办。"


def _out_of_reach(kind: str, title: str, terms: Mapping[str, Any] | None) -> str:
    if kind == "received":
        return "只能用本站的编号收件。"
    if kind == "decided":
        return f"这件不由您{title}。{_whose(kind, terms)}"
    return f"这件不是您这里收的，也不由您决定，不能{title}。{_whose(kind, terms)}"
