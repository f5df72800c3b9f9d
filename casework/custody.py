"""Where the papers of a case are (材料在哪里): each material by itself, as hand-overs and takings tell it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from casework.calendar import Calendar
from casework.case import Case, Handover
from casework.transitions import STATES, UNRECEIVED

APPLICANT = "办事人"
"""Who is given papers back and takes nothing over."""

MOVING = tuple(state for state in STATES if state not in (UNRECEIVED, "delivered", "filed"))
"""Papers of a case that is with its owner or in the archive go nowhere any more."""

HELD, ON_THE_ROAD, GIVEN_BACK, MISSED = "held", "road", "given", "missed"

USUAL_DAYS = 3
"""Working days within which a station hands in what it took in for others, unless it has a rule of its own."""
MOST_DAYS = 7
"""A week at most, whatever the station's own rule is (代办材料交接规则)."""


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where one paper is.

    `held`: by `station` (at the county by its `department`). `road`: `station` handed it over to `to`, who has not
    taken it yet. `given`: back with the applicant. `missed`: it was on the slip and did not arrive, so that `station`,
    which handed it over, looks for it. `since` is a date; `slip` the last one that it went with.
    """

    kind: str
    station: str
    since: str
    department: str | None = None
    to: str | None = None
    slip: str | None = None


def custody(case: Case) -> dict[str, Whereabouts]:
    """Where each paper that is here at all is, by the material's id (or by the name that a taker gave to an extra one).

    A paper that never moved is where the case was taken in.
    """
    home, since = case["number"].partition("-")[0], case["deadlines"]["received_on"] or ""
    found = {m["id"]: Whereabouts(HELD, home, since) for m in case["materials"] if m["state"] == "received"}
    for act, handover in sorted(_moves(case), key=lambda move: _place_in(case, move[0]["event"])):
        if act is handover:
            kind = GIVEN_BACK if handover["to"] == APPLICANT else ON_THE_ROAD
            moved = Whereabouts(kind, act["station"], act["on"], to=handover["to"], slip=handover["slip"])
            found |= dict.fromkeys(handover["papers"], moved)
        else:
            held = Whereabouts(HELD, act["station"], act["on"], act["by"]["department"], slip=handover["slip"])
            missed = Whereabouts(MISSED, handover["station"], act["on"], handover["by"]["department"],
                                 slip=handover["slip"])  # fmt: skip
            for paper in handover["papers"]:
                found[paper] = missed if paper in act["missing"] else held
            found |= dict.fromkeys(act["extra"], held)
    return found


def answered_for(case: Case, station: str, department: str | None = None) -> list[str]:
    """The papers that this station holds, or has to look for; at the county (`department`) that department."""
    return [
        paper
        for paper, where in custody(case).items()
        if where.kind in (HELD, MISSED)
        and where.station == station
        and (department is None or where.department == department)
    ]


@dataclass(frozen=True, slots=True)
class Due:
    """By when papers should be handed in: `on` by the station's own rule, `at_most` by everybody's."""

    on: date
    at_most: date


def waits_for_hand_in(case: Case) -> str | None:
    """Since which day (of receipt) papers lie where the case was taken in and are to be handed on; None when nothing is
    to be. What the village decides itself stays there.
    """
    terms, received = case["item"], case["deadlines"]["received_on"]
    home = case["number"].partition("-")[0]
    if terms is None or received is None or terms["decides"]["level"] == "village":
        return None
    if terms["decides"]["level"] == "township" and case["handler"] == home:
        return None
    if not any(where.station == home and where.slip is None for where in custody(case).values()):
        return None
    return received


def hand_in_by(received_on: date, calendar: Calendar, days: int = USUAL_DAYS) -> Due:
    """By when papers that were taken in on this day are handed in: `days` working days, never more than a week."""
    at_most = calendar.add_natural_days(received_on, MOST_DAYS).on
    return Due(min(calendar.add_working_days(received_on, days).on, at_most), at_most)


def last_received(today: date, due: Callable[[date], date]) -> date:
    """The latest day of receipt of which `due` says that it has come: what came in on it or before should be gone."""
    # Whatever is received later is due later, and nothing more than some weeks after its receipt.
    day = today
    while due(day) > today:
        day -= timedelta(days=1)
    return day


def _moves(case: Case) -> Iterator[tuple[Any, Handover]]:
    for handover in case["handovers"]:
        yield handover, handover
        if handover["taken"] is not None:
            yield handover["taken"], handover


def _place_in(case: Case, event: str) -> int:
    return case["order"].index(event)
