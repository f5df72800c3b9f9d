"""How a case stands today, in words: since when, which limits run, who has which step, who the people are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from casework.canonical import Document
from casework.flow import (
    DONE,
    NOT_APPLICABLE,
    READY,
    RUNNING,
    SKIPPED,
    STEP_STATES,
    WAITING,
    accepted_at_the_counter,
    step_of,
)
from casework.kinds.step_done import RESULTS
from casework.rights import ROLE_NAMES
from casework.transitions import OPEN_STATES, TRANSITIONS, UNACCEPTED_STATES
from web.cases.services import event_time
from web.wording import by_day, day, days_between, long_day


@dataclass(frozen=True)
class Deadline:
    """One of a case's limits in words; `tone` is "", is-warn or is-bad."""

    what: str
    until: str
    note: str = ""
    tone: str = ""


@dataclass(frozen=True)
class StepInWords:
    """A step of the flow as the page lists it; `stage` counts from 1, steps of one stage run side by side."""

    title: str
    state: str
    word: str
    who: str
    due: str
    late: bool
    stage: int
    lines: list[str]


def since(case: Mapping[str, Any], events: Iterable[Document]) -> str | None:
    """The moment (RFC 3339) from which the case has stood as it does: the last act that led there."""
    aside = {entry["id"] for entry in case["quarantined"]}
    moments = [
        event_time(event)
        for event in events
        if event["_id"] not in aside
        and (row := TRANSITIONS.get(str(event.get("kind")))) is not None
        and row.to_state == case["state"]
    ]
    return moments[-1] if moments else None


def deadlines_told(case: Mapping[str, Any], today: date) -> list[Deadline]:
    """What runs, until when and how much of it is left, on this day; the law's answer to silence among it."""
    deadlines, state = case["deadlines"], case["state"]
    told = []
    if state in UNACCEPTED_STATES and deadlines["answer_by"] is not None:
        told.append(_answer_told(deadlines, today))
    if deadlines["stopped_since"] is not None and state in OPEN_STATES:
        told.append(_standstill_told(case))
    if not _limits_run(case, today):
        # What was promised and what the law allows begin with acceptance: until then no day of theirs has passed.
        told += [Deadline(what, f"受理后 {limit['n']} {_UNITS[limit['unit']]}", "从受理那天起算")
                 for what, limit in _limits(case) if limit is not None and limit["n"]]  # fmt: skip
        return told
    if deadlines["due_on"] is not None:
        running = state in OPEN_STATES
        left = days_between(deadlines["due_on"], today)
        late = running and date.fromisoformat(deadlines["due_on"]) < today
        note = "；".join([*([left] if running else []), *(_PROVISIONAL if deadlines["provisional"] else [])])
        told.append(Deadline("承诺办结", by_day(deadlines["due_on"]), note, "is-bad" if late else ""))
    if deadlines["legal_on"] is not None:
        note = "；".join(_PROVISIONAL if deadlines["legal_provisional"] else [])
        told.append(Deadline("法定办结", by_day(deadlines["legal_on"]), note))
    past = [stop for stop in deadlines["stops"] if stop["to_on"] is not None]
    if past:
        spans = "、".join(f"{stop['why']} {day(stop['from_on'])}到{day(stop['to_on'])}" for stop in past)
        told.append(Deadline("不计入期限", spans))
    return told


def _limits_run(case: Mapping[str, Any], today: date) -> bool:
    """Whether the limits of this case have begun: it was accepted, counts as accepted because nobody answered in time,
    or is of an item that is accepted by being taken in."""
    answer_by = case["deadlines"]["answer_by"]
    if case["state"] not in UNACCEPTED_STATES or case["deadlines"]["accepted_on"] is not None:
        return True
    terms = case["item"]
    unanswered = answer_by is not None and date.fromisoformat(answer_by) < today
    return unanswered or terms is None or accepted_at_the_counter(terms)


def _limits(case: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any] | None]]:
    return [("承诺办结", case["item"]["promised"]), ("法定办结", case["item"]["legal"])]


_UNITS = {"工作日": "个工作日", "自然日": "天"}
_PROVISIONAL = ["暂定：节假日安排还没公布"]


def _answer_told(deadlines: Mapping[str, Any], today: date) -> Deadline:
    if date.fromisoformat(deadlines["answer_by"]) >= today:
        note = "；".join([days_between(deadlines["answer_by"], today),
                         *(_PROVISIONAL if deadlines["answer_provisional"] else [])])  # fmt: skip
        return Deadline("答复受理不受理", by_day(deadlines["answer_by"]), note)
    begun = deadlines["received_on"]
    return Deadline(
        "已视为受理",
        f"从{long_day(begun)}收件那天起算",
        f"最迟{day(deadlines['answer_by'])}该答复，没有答复（行政许可法第32条第2款）",
        "is-warn",
    )


def _standstill_told(case: Mapping[str, Any]) -> Deadline:
    deadlines = case["deadlines"]
    why = [stop["why"] for stop in deadlines["stops"] if stop["to_on"] is None]
    words = "等办事人补正" if case["state"] == "correction" else "、".join(dict.fromkeys(why)) or "挂起"
    left = deadlines["left"]
    waits = case["deadlines"]["accepted_on"] is None
    note = f"恢复后承诺期限还剩 {left['n']} {_UNITS.get(left['unit'], '天')}" if left and not waits else ""
    return Deadline("停表", f"{long_day(deadlines['stopped_since'])}起：{words}", note, "is-warn")


def turn_of(step: Mapping[str, Any], case: Mapping[str, Any]) -> str:
    """The state in which a step is shown: before anybody says that the case is accepted, no step's turn has come."""
    state: str = step["state"]
    return WAITING if state == READY and case["state"] in UNACCEPTED_STATES else state


def decider(case: Mapping[str, Any], station_name: Callable[[str], str]) -> str:
    """Who decides, by name: of a township's office also which township, which need not be the one above (同城通办)."""
    if case["item"] is None:
        return ""
    decides = case["item"]["decides"]
    township = decides["level"] == "township"
    return f"{station_name(case['handler'])}（{decides['office']}）" if township else str(decides["office"])


def waits_for(case: Mapping[str, Any], station_name: Callable[[str], str]) -> str | None:
    """Who is to do what next, for those who are not; None when nothing is to be done any more."""
    terms = case["item"]
    if terms is None:
        return None
    home, decides = station_name(case["number"].partition("-")[0]), decider(case, station_name)
    match case["state"]:
        case "received" | "corrected":
            accepts: str = (terms.get("flow") or {}).get("accepts", "counter")
            who = {"counter": home, "township": station_name(case["handler"])}.get(accepts, decides)
            return f"等{who}答复受理不受理"
        case "correction":
            return f"等办事人到{home}补正"
        case "accepted":
            now = [step for step in case["steps"] if step["state"] in (READY, RUNNING)]
            steps = "；".join(f"{_whose_step(step['who'], case, station_name)}办“{step['title']}”" for step in now)
            return f"等{steps or decides + '作决定'}"
        case "suspended":
            return f"等{decides}恢复办理"
        case "revoked":
            return f"等{decides}重新决定"
        case "decided":
            return f"等办事人到{home}领取结果"
        case _:
            return None


def steps_told(case: Mapping[str, Any], today: date, station_name: Callable[[str], str]) -> list[StepInWords]:
    """The steps of the flow that apply to this case, stage by stage."""
    flow = case["item"].get("flow") if case["item"] is not None else None
    stages: dict[str, int] = {}
    told = []
    for step in case["steps"]:
        planned = step_of(flow, step["id"]) or {}
        stages[step["id"]] = 1 + max((stages.get(name, 0) for name in planned.get("after", [])), default=0)
        if step["state"] == NOT_APPLICABLE:
            continue
        over = step["state"] in (DONE, SKIPPED)
        late = step["due_on"] is not None and (step["done_on"] or today.isoformat()) > step["due_on"]
        due = "" if step["due_on"] is None else f"{day(step['due_on'])}前"
        if step["due_on"] is not None and not over:
            due += f"，{days_between(step['due_on'], today)}"
        told.append(
            StepInWords(
                title=step["title"],
                state=turn_of(step, case),
                word=STEP_STATES[turn_of(step, case)]
                + (f"（{day(step['done_on'])}）" if over and step["done_on"] else ""),
                who=_whose_step(step["who"], case, station_name),
                due=due + ("（暂定）" if step["provisional"] and due else ""),
                late=late,
                stage=stages[step["id"]],
                lines=[
                    f"{_MARKS[mark['mark']]}{'，' + RESULTS[mark['result']] if mark['result'] in RESULTS else ''}"
                    f"：{mark['by']['name']}，{day(mark['on'])}{'，' + mark['text'] if mark['text'] else ''}"
                    for mark in step["marks"]
                ],
            )
        )
    return sorted(told, key=lambda step: step.stage)


_MARKS = {"running": "开始", "done": "完成", "skipped": "跳过"}


def _whose_step(who: Mapping[str, Any], case: Mapping[str, Any], station_name: Callable[[str], str]) -> str:
    place = {"village": lambda: station_name(case["number"].partition("-")[0]),
             "township": lambda: station_name(case["handler"])}.get(who["level"], lambda: "县里")()  # fmt: skip
    role = ROLE_NAMES.get(who.get("role") or "", "")
    return " · ".join(filter(None, (place, who.get("department"), role)))


def proxies_told(case: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Who was appointed after intake to act for the applicant, each as (what they are, in words); and when what the one
    named at intake may do came to its end."""
    told = []
    if case["named_proxy_ended"]:
        told.append(("收件时的委托", f"{day(case['named_proxy_ended']['on'])}终止"))
    for one in case["proxies"]:
        ended = f"（{day(one['ended']['on'])}终止）" if one["ended"] else ""
        told.append(("受托人", _proxy(one["proxy"]) + ended))
    return told


def _proxy(said: Mapping[str, Any]) -> str:
    until = f"到{day(said['until'])}" if said.get("until") else ""
    parts = [
        said["name"],
        said.get("phone"),
        "代办员" if said.get("agent") is True else None,
        "、".join(map(str, said["matters"])),
        said["authority"],
        f"{day(said['from'])}起{until}",
    ]
    return "，".join(str(part) for part in parts if part)
