"""The laws of a case: the same events read the same everywhere, and no state is outside the table."""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from casework.canonical import Document, canonical
from casework.case import Case
from casework.documents.register import Key
from casework.fold import fold
from casework.kinds import KINDS
from casework.rights import may
from casework.transitions import STATES, TRANSITIONS, UNRECEIVED
from tests.casework import examples
from tests.casework.county import (
    ADMIN,
    AGENT,
    CALENDAR,
    COUNTY,
    NUMBER,
    OTHER_TOWNSHIP,
    REVIEWER,
    STRANGER,
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
    _read: tuple[frozenset[str], Case | None] = (frozenset(), None)

    def case(self) -> Case | None:
        here = frozenset(self.events)
        if self._read[0] != here:
            self._read = (here, read(list(self.events.values())))
        return self._read[1]

    def may(self, kind: str, data: dict[str, Any]) -> bool:
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
        return refusal is None and not KINDS[kind].problems(case, data)

    def act(self, kind: str, data: dict[str, Any]) -> bool:
        """Does what the desk does: asks first, writes on what it has seen."""
        case = self.case()
        if not self.may(kind, data):
            return False
        event = self.pen.write(kind, data, case["heads"] if case is not None else [])
        self.events[event["_id"]] = event
        return True


def peers() -> list[Peer]:
    # Clocks differ, one by hours: the order must not depend on anybody's being right.
    village = Peer(Pen(VILLAGE, AGENT), "village")
    township = Peer(Pen(TOWNSHIP, WINDOW, offset_ms=-3_600_000), "township")
    county = Peer(Pen(COUNTY, REVIEWER, offset_ms=120_000), "county")
    second = Peer(Pen(COUNTY, {**REVIEWER, "account": "li", "name": "李某某"}, incarnation="b"), "county")
    restarted = Peer(Pen(VILLAGE, AGENT, incarnation="c"), "village")
    cohandler = Peer(Pen(COUNTY, STRANGER, incarnation="d"), "county")
    admin = Peer(Pen(COUNTY, ADMIN, incarnation="e"), "county")
    return [village, township, county, second, restarted, cohandler, admin]


def chosen(kind: str, case: Case | None, choice: int, of: Document) -> dict[str, Any]:
    """The data of an act, made from the case as the actor sees it and one drawn number."""
    steps = [step["id"] for step in case["steps"]] if case is not None else []
    match kind:
        case "received":
            return intake_data(of)
        case "field_corrected":
            path = ("applicant.phone", "form.reason", "applicant.address", "form")[choice % 4]
            value: Any = (f"1300000000{choice % 3}", "异地新建")[choice % 7 == 0]
            return {"path": path, "value": {"reason": value} if path == "form" else value}
        case "material_added":
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
        case "decided":
            return {"outcome": ("granted", "refused")[choice % 2], "reason": f"理由{choice % 3}"}
        case "delivered":
            return {"to": {"who": "family", "name": ("张某", "李某")[choice % 2]}, "proof": "signature"}
        case "step_started" | "step_done" | "step_skipped":
            step = steps[choice % len(steps)] if steps else "none"
            said = {"step_started": {}, "step_done": {"result": "passed"}, "step_skipped": {"reason": "不用"}}
            return {"step": step, **said[kind]}
        case "forwarded":
            return {"to_station": (OTHER_TOWNSHIP, TOWNSHIP)[choice % 2], "reason": "按户籍"}
        case "extended":
            return {"days": choice % 10 + 1, "reason": "复杂", "approved_by": "刘某某"}
        case "clock_corrected":
            named = case["order"][choice % len(case["order"])] if case is not None else ""
            return {"events": [named], "offset": (choice - 5) * 40_000_000, "how": "核对过"}
        case "taken_over":
            open_ones = [one["event"] for one in case["handovers"] if one["taken"] is None] if case else []
            return {"handover": open_ones[0] if open_ones else case["order"][0] if case else "", "at": "县里"}
        case "paper_issued":
            again = case is not None and bool(case["papers"])
            return {"paper": "receipt", "number": f"{NUMBER}-SL", "version": 1, "reprint": again}
        case "admitted":
            aside = case["quarantined"] if case is not None else []
            return {"event": aside[0]["id"] if aside else "", "reason": "核实过"}
        case "settled":
            points = case["contested"] if case is not None else []
            if not points:
                return {"point": "0" * 32, "value": None, "reason": "x"}
            point = points[choice % len(points)]
            return {
                "point": point["id"],
                "value": point["sides"][choice % len(point["sides"])]["event"],
                "reason": "核对过",
            }
        case "voided":
            return {"reason": "收错了"}
        case _:
            return EXAMPLES[kind]


EXAMPLES = examples.kinds()
FORTH = [
    *("accepted", "accepted", "correction_requested", "corrected", "step_started", "step_done", "step_done"),
    *("suspended", "resumed", "decided", "decided", "decided", "delivered", "closed", "filed", "settled", "settled"),
    *("decision_revoked", "decision_corrected", "extended", "field_corrected", "forwarded", "step_skipped", "admitted"),
]
"""Acts that bring a case forth, and putting right; the ends would else cut nearly every life short."""
WISH = st.one_of(st.sampled_from(FORTH), st.sampled_from(FORTH), st.sampled_from(FORTH), st.sampled_from(list(KINDS)))
# Who wishes what; what cannot be done by them is done by whoever can, so that most wishes come true.
STEPS = st.lists(st.tuples(st.integers(0, 6), WISH, st.integers(0, 11), st.booleans()), max_size=24)


def history(steps: Sequence[tuple[int, str, int, bool]], of: Document) -> list[Document]:
    """A legal history: people act on what their machine holds, and now and then two machines meet."""
    machines = peers()
    machines[0].act("received", chosen("received", None, 0, of))
    founding = dict(machines[0].events)
    for machine in machines:
        machine.events.update(founding)
    for who, kind, choice, meet in steps:
        for machine in (*machines[who:], *machines[:who]):
            if machine.act(kind, chosen(kind, machine.case(), choice, of)):
                break
        if meet:
            other = machines[choice % len(machines)]
            together = {**machine.events, **other.events}
            machine.events, other.events = dict(together), dict(together)
    together = {}
    for machine in machines:
        together.update(machine.events)
    return list(together.values())


ITEMS = st.builds(
    item,
    level=st.sampled_from(["county", "township", "village"]),
    withdraw_until=st.sampled_from(["decided", "accepted", "never", "step:visit"]),
    flow=st.booleans(),
)


def law_any_order_of_arrival_and_any_duplicates_give_the_same_bytes(
    events: list[Document], of: Document, seed: int
) -> None:
    once = canonical(dict(read(events)))
    shuffler = random.Random(seed)
    arrived = [*events, *shuffler.choices(events, k=3)]
    shuffler.shuffle(arrived)
    assert canonical(dict(read(arrived))) == once
    # … and from the copies that JSON makes on the way.
    assert canonical(dict(read([{**event, "_rev": "2-x"} for event in reversed(events)]))) == once


def law_what_was_legal_where_it_was_written_is_never_put_aside(events: list[Document], of: Document, seed: int) -> None:
    case = read(events)
    assert case["quarantined"] == []


def law_no_state_that_the_table_does_not_allow(events: list[Document], of: Document, seed: int) -> None:
    kinds = {event["_id"]: event["kind"] for event in events}
    # Any part of the events, too: replication delivers them in pieces.
    part = random.Random(seed).sample(events, k=max(1, len(events) // 2))
    for case in (read(events), read(part)):
        assert case["state"] in STATES
        whole = len(case["order"]) == len(events)  # of a part, what was delivered may be here, and not the decision
        if whole and case["state"] in {"decided", "revoked"}:
            assert case["decision"] is not None
            assert (case["decision"]["revoked"] is None) == (case["state"] == "decided")
        if whole and case["state"] in {"closed", "delivered", "filed"}:
            assert case["decision"] is not None or case["ended"] is not None
        assert (case["withdrawal"] is not None) == (case["ended"] is not None and case["ended"]["kind"] == "withdrawn")
        if case["state"] in {"not_accepted", "returned", "withdrawn", "voided"}:
            assert case["ended"] is not None
        if case["state"] not in {"unreceived", "received"}:
            reached = {row.kind for row in TRANSITIONS.values() if row.to_state == case["state"]}
            assert reached & {kinds[identifier] for identifier in case["order"]}


def law_every_contested_point_names_both_sides_and_who_holds(events: list[Document], of: Document, seed: int) -> None:
    case = read(events)
    by_id = {event["_id"]: event for event in events}
    for point in case["contested"]:
        sides = [side["event"] for side in point["sides"]]
        assert len(set(sides)) == len(sides) >= 2
        assert point["holds"] in sides
        assert point["rule"]
        for side in point["sides"]:
            assert side["by"] == by_id[side["event"]]["by"]
            assert side["station"] == by_id[side["event"]]["station"]
        # Nobody had seen what they clash with.
        for one in sides:
            assert not set(sides) & set(by_id[one]["seen"])


def law_everything_counts_or_is_put_aside_with_its_reason(events: list[Document], of: Document, seed: int) -> None:
    part = events[::2]
    case = read(part)
    aside = {entry["id"] for entry in case["quarantined"]}
    assert all(entry["reason"] for entry in case["quarantined"])
    assert aside | set(case["order"]) == {event["_id"] for event in part}
    assert not aside & set(case["order"])


def law_after_a_point_is_settled_by_who_saw_all_of_it_it_is_open_no_more(
    events: list[Document], of: Document, seed: int
) -> None:
    case = read(events)
    decider = {
        "county": Peer(Pen(COUNTY, REVIEWER, incarnation="later"), "county"),
        "township": Peer(Pen(case["handler"], WINDOW, incarnation="later"), "township"),
        "village": Peer(Pen(VILLAGE, AGENT, incarnation="later"), "village"),
    }[of["decides"]["level"]]
    decider.events = {event["_id"]: event for event in events}
    for point in case["contested"]:
        value = point["sides"][-1]["event"]
        assert decider.act("settled", {"point": point["id"], "value": value, "reason": "核对过"})
    settled = decider.case()
    assert settled is not None
    assert settled["contested"] == []
    assert len(settled["settled"]) >= len(case["contested"])


def law_no_order_of_arrival_changes_a_deadline(events: list[Document], of: Document, seed: int) -> None:
    once = read(events)
    shuffled = random.Random(seed).sample(events, k=len(events))
    peer: list[Document] = []
    for event in shuffled:  # one by one, as a thin line brings them
        peer.append(event)
        read(peer)
    assert read(peer)["deadlines"] == once["deadlines"]
    stopped = once["deadlines"]["stopped_since"] is not None
    assert not stopped or once["deadlines"]["due_on"] is once["deadlines"]["legal_on"] is None
    for stop in once["deadlines"]["stops"]:
        assert stop["to_on"] is None or stop["to_on"] >= stop["from_on"]


LAWS = [law for name, law in sorted(globals().items()) if name.startswith("law_")]
EXAMPLES_A_HALF = max(1, int(os.environ.get("EXAMPLES", "200")) // 2)


@pytest.mark.parametrize("half", [1, 2])
def test_every_history_obeys_every_law(half: int) -> None:
    """Any legal history, by any people on any machines, however they meet: one history, and all laws asked of it."""

    @settings(
        max_examples=EXAMPLES_A_HALF,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    @seed(half)
    @given(steps=STEPS, of=ITEMS, drawn=st.integers())
    def obeys(steps: list[tuple[int, str, int, bool]], of: Document, drawn: int) -> None:
        events = history(steps, of)
        for law in LAWS:
            law(events, of, drawn)

    obeys()


def test_the_histories_reach_every_state_and_many_clashes() -> None:
    """Laws that nothing comes near hold for nothing: what is drawn must go far."""
    draw = random.Random(7)
    states: set[str] = set()
    clashes: set[frozenset[str]] = set()
    for _ in range(60):
        of = item(level=draw.choice(["county", "township", "village"]), flow=draw.random() < 0.5)
        wishes = [*FORTH, *FORTH, *FORTH, *KINDS]
        steps = [(draw.randrange(7), draw.choice(wishes), draw.randrange(12), draw.random() < 0.4) for _ in range(24)]
        events = history(steps, of)
        for length in (len(events) // 2, len(events)):
            case = read(events[:length])
            states.add(case["state"])
            clashes |= {frozenset(side["kind"] for side in point["sides"]) for point in case["contested"]}
    assert states >= set(STATES) - {UNRECEIVED, "corrected", "suspended", "filed"}
    assert len(clashes) >= 12
