"""The laws of a case: the same events read the same everywhere, and no state is outside the table."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from casework.canonical import Document, canonical
from casework.case import Case
from casework.documents.register import Key
from casework.fold import fold
from casework.kinds import KINDS
from casework.rights import may
from casework.transitions import STATES, TRANSITIONS
from tests.casework.county import (
    AGENT,
    CALENDAR,
    COUNTY,
    REVIEWER,
    TOWNSHIP,
    VILLAGE,
    WINDOW,
    Pen,
    intake_data,
    item,
    register,
)


def taken_as_checked(_event: Document, _key: Key) -> bool:
    return True  # signatures have tests of their own; here thousands of histories are read


def read(events: Sequence[Document]) -> Case:
    return fold(events, register(), CALENDAR, holds=taken_as_checked)


@dataclass
class Peer:
    """A machine with its own copy of the case, and the people who work at it."""

    pen: Pen
    kind: str
    events: dict[str, Document] = field(default_factory=dict)

    def case(self) -> Case | None:
        return read(list(self.events.values())) if self.events else None

    def act(self, kind: str, data: dict[str, Any]) -> bool:
        """Does what the desk does: asks first, writes on what it has seen."""
        case = self.case()
        refusal = may(
            kind,
            self.pen.by["role"],
            self.kind,
            case,
            station=self.pen.station,
            register=register(),
            department=self.pen.by["department"],
            data=data,
        )
        if refusal is not None or KINDS[kind].problems(case, data):
            return False
        event = self.pen.write(kind, data, case["heads"] if case is not None else [])
        self.events[event["_id"]] = event
        return True


def peers(level: str) -> list[Peer]:
    # Clocks differ, one by hours: the order must not depend on anybody's being right.
    village = Peer(Pen(VILLAGE, AGENT), "village")
    township = Peer(Pen(TOWNSHIP, WINDOW, offset_ms=-3_600_000), "township")
    county = Peer(Pen(COUNTY, REVIEWER, offset_ms=120_000), "county")
    second = Peer(Pen(COUNTY, {**REVIEWER, "account": "li", "name": "李某某"}, incarnation="b"), "county")
    restarted = Peer(Pen(VILLAGE, AGENT, incarnation="c"), "village")
    return [village, township, county, second, restarted]


def chosen(kind: str, case: Case | None, choice: int, level: str, until: str) -> dict[str, Any]:
    """The data of an act, made from the case as the actor sees it and one drawn number."""
    if kind == "received":
        return intake_data(item(level=level, withdraw_until=until))
    if kind == "field_corrected":
        path = ("applicant.phone", "form.reason", "applicant.address", "form")[choice % 4]
        value: Any = f"1300000000{choice % 3}"
        return {"path": path, "value": {"reason": value} if path == "form" else value}
    if kind == "material_added":
        tail = f"{choice % 3:064x}"
        file = {
            "id": tail[:32],
            "name": "照片.jpg",
            "type": "image/jpeg",
            "size": 9,
            "sha256": tail,
            "chunks": [tail[:32]],
        }
        return {"material": ("m01", "m02")[choice % 2], "file": file}
    if kind == "decided":
        return {"outcome": ("granted", "refused")[choice % 2], "reason": f"理由{choice % 3}"}
    if kind == "withdrawn":
        return {"reason": "不办了"}
    if kind == "clock_corrected":
        named = case["order"][choice % len(case["order"])] if case is not None else ""
        return {"events": [named], "offset": (choice - 5) * 40_000_000, "how": "核对过"}
    if kind == "settled":
        points = case["contested"] if case is not None else []
        if not points:
            return {"point": "0" * 32, "value": None, "reason": "x"}
        point = points[choice % len(points)]
        return {
            "point": point["id"],
            "value": point["sides"][choice % len(point["sides"])]["event"],
            "reason": "核对过",
        }
    return {}


ACTS = st.sampled_from([*KINDS, "field_corrected", "decided", "settled", "settled", "withdrawn"])
STEPS = st.lists(st.tuples(st.integers(0, 4), ACTS, st.integers(0, 11), st.booleans()), max_size=22)
LAWS = settings(
    max_examples=int(os.environ.get("EXAMPLES", "50")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
)


def history(steps: Sequence[tuple[int, str, int, bool]], level: str, until: str) -> list[Document]:
    """A legal history: people act on what their machine holds, and now and then two machines meet."""
    machines = peers(level)
    machines[0].act("received", chosen("received", None, 0, level, until))
    founding = dict(machines[0].events)
    for machine in machines:
        machine.events.update(founding)
    for who, kind, choice, meet in steps:
        machine = machines[who]
        machine.act(kind, chosen(kind, machine.case(), choice, level, until))
        if meet:
            other = machines[choice % len(machines)]
            together = {**machine.events, **other.events}
            machine.events, other.events = dict(together), dict(together)
    together = {}
    for machine in machines:
        together.update(machine.events)
    return list(together.values())


LEVELS = st.sampled_from(["county", "township", "village"])
UNTIL = st.sampled_from(["decided", "accepted", "never"])


@LAWS
@given(steps=STEPS, level=LEVELS, until=UNTIL, seed=st.integers())
def test_any_order_of_arrival_and_any_duplicates_give_the_same_bytes(
    steps: list[tuple[int, str, int, bool]], level: str, until: str, seed: int
) -> None:
    events = history(steps, level, until)
    once = canonical(dict(read(events)))
    shuffler = random.Random(seed)
    arrived = [*events, *shuffler.choices(events, k=3)]
    shuffler.shuffle(arrived)
    assert canonical(dict(read(arrived))) == once
    # … and from the copies that JSON makes on the way.
    assert canonical(dict(read([{**event, "_rev": "2-x"} for event in reversed(events)]))) == once


@LAWS
@given(steps=STEPS, level=LEVELS, until=UNTIL)
def test_what_was_legal_where_it_was_written_is_never_put_aside(
    steps: list[tuple[int, str, int, bool]], level: str, until: str
) -> None:
    case = read(history(steps, level, until))
    assert case["quarantined"] == []


@LAWS
@given(steps=STEPS, level=LEVELS, until=UNTIL, seed=st.integers())
def test_no_state_that_the_table_does_not_allow(
    steps: list[tuple[int, str, int, bool]], level: str, until: str, seed: int
) -> None:
    events = history(steps, level, until)
    kinds = {event["_id"]: event["kind"] for event in events}
    # Any part of the events, too: replication delivers them in pieces.
    part = random.Random(seed).sample(events, k=max(1, len(events) // 2))
    for case in (read(events), read(part)):
        assert case["state"] in STATES
        assert (case["decision"] is not None) == (case["state"] == "decided")
        assert (case["withdrawal"] is not None) == (case["state"] == "withdrawn")
        if case["state"] not in {"unreceived", "received"}:
            reached = {row.kind for row in TRANSITIONS.values() if row.to_state == case["state"]}
            assert reached & {kinds[identifier] for identifier in case["order"]}


@LAWS
@given(steps=STEPS, level=LEVELS, until=UNTIL)
def test_every_contested_point_names_both_sides_and_who_holds(
    steps: list[tuple[int, str, int, bool]], level: str, until: str
) -> None:
    events = {event["_id"]: event for event in history(steps, level, until)}
    case = read(list(events.values()))
    for point in case["contested"]:
        sides = [side["event"] for side in point["sides"]]
        assert len(set(sides)) == len(sides) >= 2
        assert point["holds"] in sides
        assert point["rule"]
        for side in point["sides"]:
            assert side["by"] == events[side["event"]]["by"]
            assert side["station"] == events[side["event"]]["station"]
        # Nobody had seen what they clash with.
        for one in sides:
            assert not set(sides) & set(events[one]["seen"])


@LAWS
@given(steps=STEPS, level=LEVELS, until=UNTIL)
def test_everything_counts_or_is_put_aside_with_its_reason(
    steps: list[tuple[int, str, int, bool]], level: str, until: str
) -> None:
    events = history(steps, level, until)
    part = events[::2]
    case = read(part)
    aside = {entry["id"] for entry in case["quarantined"]}
    assert all(entry["reason"] for entry in case["quarantined"])
    assert aside | set(case["order"]) == {event["_id"] for event in part}
    assert not aside & set(case["order"])


@LAWS
@given(steps=STEPS, level=LEVELS, until=UNTIL)
def test_after_a_point_is_settled_by_who_saw_all_of_it_it_is_open_no_more(
    steps: list[tuple[int, str, int, bool]], level: str, until: str
) -> None:
    events = history(steps, level, until)
    decider = {"county": peers(level)[2], "township": peers(level)[1], "village": peers(level)[0]}[level]
    decider.pen.incarnation = "later"
    decider.events = {event["_id"]: event for event in events}
    case = read(events)
    for point in case["contested"]:
        value = point["sides"][-1]["event"]
        assert decider.act("settled", {"point": point["id"], "value": value, "reason": "核对过"})
    settled = decider.case()
    assert settled is not None
    assert settled["contested"] == []
    assert len(settled["settled"]) >= len(case["contested"])
