"""An item's own steps (办理流程), as data: what they may be, and how far a case has come along them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from casework import schemas
from casework.conditions import applies
from casework.schemas import nullable, shape, text

Flow = Mapping[str, Any]
Step = Mapping[str, Any]


@dataclass(frozen=True)
class StepKind:
    """A kind of step (环节). `stops_clock`: its days do not count (行政许可法 45), unless the step says otherwise."""

    title: str
    stops_clock: bool = False
    clause: str | None = None


STEP_KINDS: dict[str, StepKind] = {
    "handling": StepKind("承办"),
    "review": StepKind("审核", clause="行政许可法第43条"),
    "inspection": StepKind("现场踏勘", stops_clock=True, clause="行政许可法第34条第3款、第45条"),
    "home_visit": StepKind("入户调查"),
    "public_notice": StepKind("公示", stops_clock=True),
    "hearing": StepKind("听证", stops_clock=True, clause="行政许可法第45条至第48条"),
    "testing": StepKind("检验、检测、检疫、鉴定", stops_clock=True, clause="行政许可法第45条"),
    "expert_review": StepKind("专家评审", stops_clock=True, clause="行政许可法第45条"),
    "verification": StepKind("证照核验"),
    "cohandling": StepKind("协办"),
    "second_signature": StepKind("复核"),
    "payment": StepKind("缴费", stops_clock=True),
}

ACCEPTS = {
    "counter": "收件的窗口当场受理",
    "township": "乡镇受理",
    "county": "县里受理",
}
"""Who says whether an application is accepted (受理)."""

_LINE = {"type": "string", "minLength": 1, "maxLength": 200}
_ID = r"[a-z0-9][a-z0-9_-]{0,39}"

STEP_SCHEMA = shape(
    {
        "id": text(_ID),
        "title": _LINE,
        "kind": {"enum": list(STEP_KINDS)},
        "who": shape(
            {
                "level": {"enum": ["village", "township", "county"]},
                "department": nullable(_LINE),
                "role": nullable({"enum": ["agent", "township", "head", "reviewer"]}),
            },
            optional=frozenset({"department", "role"}),
        ),
        "days": nullable(
            shape({"n": {"type": "integer", "minimum": 0, "maximum": 3660}, "unit": {"enum": ["工作日", "自然日"]}})
        ),
        "after": {"type": "array", "items": text(_ID), "uniqueItems": True, "maxItems": 40},
        "when": {"type": "object"},
        "stops_clock": {"type": "boolean"},
        "skippable": {"type": "boolean"},
        "text": {"type": "string", "maxLength": 4000},
    },
    optional=frozenset({"days", "after", "when", "stops_clock", "skippable", "text"}),
)

FLOW_SCHEMA = shape(
    {
        "accepts": {"enum": list(ACCEPTS)},
        "steps": {"type": "array", "items": STEP_SCHEMA, "maxItems": 40},
        "extension": shape({"most": {"type": "integer", "minimum": 0, "maximum": 3660}}),
    },
    optional=frozenset({"extension"}),
)
"""The shape of a flow; what a shape cannot say is `check_flow`'s."""

MOST_EXTENSION = 10
"""Working days by which a limit may be extended where the flow says nothing (行政许可法 42)."""

NOT_APPLICABLE = "not_applicable"
WAITING = "waiting"
READY = "ready"
RUNNING = "running"
DONE = "done"
SKIPPED = "skipped"

STEP_STATES = {
    NOT_APPLICABLE: "这次不用",
    WAITING: "还没轮到",
    READY: "该办了",
    RUNNING: "正在办",
    DONE: "办完了",
    SKIPPED: "跳过了",
}


def check_flow(flow: Any) -> list[str]:
    """What keeps a flow from being published, in sentences; empty when it can run to its end."""
    found = [
        f"流程的{path or '写法'}不对：{sentence}" for path, sentence in schemas.problems(FLOW_SCHEMA, flow).items()
    ]
    if found:
        return found
    steps = {step["id"]: step for step in flow["steps"]}
    if len(steps) != len(flow["steps"]):
        return ["流程里有两个环节用了同一个编号。"]
    for step in steps.values():
        unknown = [name for name in step.get("after", []) if name not in steps]
        if unknown:
            found.append(f"“{step['title']}”排在“{'、'.join(unknown)}”之后，流程里没有这样的环节。")
        for path, values in step.get("when", {}).items():
            if not isinstance(values, list):
                found.append(f"“{step['title']}”的条件 {path} 要写成一组值。")
        if step["who"]["level"] == "county" and not step["who"].get("department"):
            found.append(f"“{step['title']}”由县里办，要写明哪个部门。")
    if not found:
        try:
            TopologicalSorter({step["id"]: step.get("after", []) for step in steps.values()}).prepare()
        except CycleError as cycle:
            names = [steps[name]["title"] for name in cycle.args[1][:-1]]
            found.append(f"这些环节互相等着，谁也开始不了：{'、'.join(names)}。")
    return found


def accepted_at_the_counter(terms: Mapping[str, Any]) -> bool:
    """Whether who takes a case in under these terms also accepts it, then and there."""
    flow = terms.get("flow")
    return flow is None or flow["accepts"] == "counter"


def steps_of(flow: Flow | None) -> list[Step]:
    """The steps in the order in which they are written; none for the plain flow."""
    return list(flow["steps"]) if flow is not None else []


def step_of(flow: Flow | None, identifier: str) -> Step | None:
    return next((step for step in steps_of(flow) if step["id"] == identifier), None)


def stops_clock(step: Step) -> bool:
    """Whether the days of this step are taken out of the limit."""
    return bool(step.get("stops_clock", STEP_KINDS[step["kind"]].stops_clock))


def progress(flow: Flow | None, facts: Mapping[str, Any], marks: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Where each step stands: id → one of STEP_STATES.

    `facts` decide which steps apply. `marks` are (step, `running` | `done` | `skipped`) in any order: done outweighs
    skipped, which outweighs running. What was marked counts as marked, whatever its predecessors are.
    """
    weight = {RUNNING: 0, SKIPPED: 1, DONE: 2}
    marked: dict[str, str] = {}
    for identifier, mark in marks:
        if identifier not in marked or weight[mark] > weight[marked[identifier]]:
            marked[identifier] = mark
    states: dict[str, str] = {}
    for step in _predecessors_first(flow):
        if step["id"] in marked:
            states[step["id"]] = marked[step["id"]]
        elif not applies(step.get("when"), facts):
            states[step["id"]] = NOT_APPLICABLE
        else:
            over = all(states.get(name, DONE) in _OVER for name in step.get("after", []))
            states[step["id"]] = READY if over else WAITING
    return {step["id"]: states[step["id"]] for step in steps_of(flow)}


def still_open(states: Mapping[str, str]) -> list[str]:
    """The steps that keep a case from being granted."""
    return [identifier for identifier, state in states.items() if state not in _OVER]


_OVER = frozenset({DONE, SKIPPED, NOT_APPLICABLE})


def _predecessors_first(flow: Flow | None) -> Iterator[Step]:
    steps = {step["id"]: step for step in steps_of(flow)}
    order: dict[str, None] = {}

    def visit(identifier: str, above: frozenset[str]) -> None:
        # A flow with a circle is not published; one that came all the same must not hang its reader.
        if identifier in steps and identifier not in order and identifier not in above:
            for name in steps[identifier].get("after", []):
                visit(name, above | {identifier})
            order[identifier] = None

    for identifier in steps:
        visit(identifier, frozenset())
    return (steps[identifier] for identifier in order)
