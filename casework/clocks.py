"""The clocks of a case: what was promised, what the law allows, what each step may take, and what stands still."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from casework.calendar import Calendar
from casework.case import Case, Left, StepMark, StepTold, Stop
from casework.flow import DONE, RUNNING, SKIPPED, STEP_KINDS, WAITING, Flow, step_of, steps_of, stops_clock
from casework.kinds.suspended import PROCEDURES
from casework.transitions import OPEN_STATES

ANSWER_DAYS = 5
"""Working days within which an applicant is told whether it is accepted (行政许可法 32)."""


def tell_steps(
    case: Case,
    flow: Flow | None,
    states: Mapping[str, str],
    marks: Sequence[tuple[str, StepMark]],
    calendar: Calendar,
) -> list[StepTold]:
    """The steps of the flow in this case. A step's own days run from its beginning, or from the day on which it was its
    turn, and stand still while the case is suspended."""
    without = [_span(stop) for stop in _suspensions(case) if stop["to_on"] is not None]
    told: dict[str, StepTold] = {}
    for step in steps_of(flow):
        mine = [mark for identifier, mark in marks if identifier == step["id"]]
        begun = min((mark["on"] for mark in mine if mark["mark"] == RUNNING), default=None)
        over = min((mark["on"] for mark in mine if mark["mark"] in {DONE, SKIPPED}), default=None)
        told[step["id"]] = StepTold(
            id=step["id"],
            title=step["title"],
            kind=step["kind"],
            who=dict(step["who"]),
            state=states[step["id"]],
            ready_on=None,
            started_on=begun,
            due_on=None,
            provisional=False,
            done_on=over,
            marks=mine,
        )
    for step in steps_of(flow):
        here = told[step["id"]]
        if here["state"] == WAITING or case["deadlines"]["accepted_on"] is None:
            continue
        ends = [end for name in step.get("after", []) if name in told and (end := told[name]["done_on"]) is not None]
        ready_on = max([*ends, case["deadlines"]["accepted_on"]])
        here["ready_on"] = ready_on
        if step.get("days") is not None:
            start = here["started_on"] or ready_on
            due = calendar.due(date.fromisoformat(start), step["days"], without=without)
            here["due_on"], here["provisional"] = due.on.isoformat(), due.provisional
    return list(told.values())


def tell_deadlines(case: Case, flow: Flow | None, calendar: Calendar) -> None:
    """Works out the deadlines of a case whose outcome and steps are told already."""
    deadlines = case["deadlines"]
    deadlines["stops"] = sorted(
        [*_suspensions(case), *_stopping_steps(case, flow)], key=lambda stop: (stop["from_on"], stop["event"])
    )
    if case["state"] == "correction":
        # What the applicant has to bring is not the office's time.
        deadlines["stopped_since"] = max(one["on"] for one in case["corrections"] if one["answered"] is None)
    elif case["state"] in OPEN_STATES:
        deadlines["stopped_since"] = min(
            (stop["from_on"] for stop in deadlines["stops"] if stop["to_on"] is None), default=None
        )
    _end_with_the_decision(case)
    # Not yet accepted: whoever is not told counts as accepted from the day of receipt (行政许可法 32).
    answer_from = deadlines["corrected_on"] or deadlines["received_on"]
    if answer_from is not None and case["state"] != "correction":
        answer = calendar.add_working_days(date.fromisoformat(answer_from), ANSWER_DAYS)
        deadlines["answer_by"], deadlines["answer_provisional"] = answer.on.isoformat(), answer.provisional
    start = deadlines["accepted_on"] or answer_from
    terms = case["item"]
    if start is None or terms is None:
        return
    more = max((extension["days"] for extension in case["extensions"]), default=0)
    begin = date.fromisoformat(start)
    without = [_span(stop) for stop in deadlines["stops"] if stop["to_on"] is not None]
    if deadlines["stopped_since"] is not None:
        if terms["promised"] is not None:
            since = date.fromisoformat(deadlines["stopped_since"])
            n = calendar.left(begin, terms["promised"], since, more=more, without=without)
            deadlines["left"] = Left(n=n, unit=terms["promised"]["unit"])
        return
    if terms["promised"] is not None:
        due = calendar.due(begin, terms["promised"], more=more, without=without)
        deadlines["due_on"], deadlines["provisional"] = due.on.isoformat(), due.provisional
    if terms["legal"] is not None:
        legal = calendar.due(begin, terms["legal"], more=more, without=without)
        deadlines["legal_on"], deadlines["legal_provisional"] = legal.on.isoformat(), legal.provisional


def _suspensions(case: Case) -> list[Stop]:
    return [
        Stop(
            event=one["event"],
            why=PROCEDURES.get(one["procedure"], one["procedure"]),
            from_on=one["on"],
            to_on=_not_before(one["on"], one["resumed"]["on"] if one["resumed"] is not None else None),
        )
        for one in case["suspensions"]
    ]


def _stopping_steps(case: Case, flow: Flow | None) -> list[Stop]:
    stops = []
    for told in case["steps"]:
        step = step_of(flow, told["id"])
        begun = next((mark for mark in told["marks"] if mark["mark"] == RUNNING), None)
        if step is not None and begun is not None and told["started_on"] is not None and stops_clock(step):
            stops.append(
                Stop(
                    event=begun["event"],
                    why=STEP_KINDS[step["kind"]].title,
                    from_on=told["started_on"],
                    to_on=_not_before(told["started_on"], told["done_on"]),
                )
            )
    return stops


def _not_before(start: str, end: str | None) -> str | None:
    # Clocks that were wrong may say that it ended before it began; then it took no time.
    return None if end is None else max(start, end)


def _end_with_the_decision(case: Case) -> None:
    """What was still standing still when it was decided stood still until then."""
    decision: Mapping[str, Any] | None = case["decision"] or case["ended"]
    if decision is None or case["deadlines"]["stopped_since"] is not None:
        return
    for stop in case["deadlines"]["stops"]:
        if stop["to_on"] is None:
            stop["to_on"] = _not_before(stop["from_on"], decision["on"])


def _span(stop: Stop) -> tuple[date, date]:
    assert stop["to_on"] is not None
    return date.fromisoformat(stop["from_on"]), date.fromisoformat(stop["to_on"])
