"""A case's flow as a chart: SVG text from the steps and where each stands. Layers from above, branches side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from casework.flow import DONE, NOT_APPLICABLE, READY, RUNNING, SKIPPED, STEP_STATES

BEGIN, ACCEPTANCE, DECISION, END = "#begin", "#accepted", "#decided", "#end"

WIDTH, HEIGHT, ACROSS, DOWN = 176, 56, 24, 36
_PASSING = 16
"""The width of an edge that passes a layer by."""
_MARKS = {DONE: "✓", SKIPPED: "↷", RUNNING: "▶", READY: "▶", NOT_APPLICABLE: "–"}
_LONGEST = 10


@dataclass(frozen=True)
class _Node:
    """`shape` is ellipse, box or diamond; `state` a step's state, or `passing` for an edge on its way through."""

    id: str
    shape: str
    title: str
    state: str


def flowchart(
    flow: Mapping[str, Any],
    states: Mapping[str, str],
    *,
    accepted: bool,
    ended: bool,
    title: str,
    prefix: str = "flow",
) -> str:
    """The chart as an SVG element. `states` are the steps' by id (STEP_STATES); `accepted` and `ended` say how far the
    case is around them. Its ids begin with `prefix`."""
    nodes, edges = _graph(flow, states, accepted=accepted, ended=ended)
    layers, edges = _layered(nodes, edges)
    places, width = _placed(layers)
    height = len(layers) * (HEIGHT + DOWN) - DOWN + 8
    drawn = [_edge(places[one], places[other], nodes[one], nodes[other]) for one, other in edges]
    drawn += [_node(node, *places[node.id]) for node in nodes.values() if node.state != "passing"]
    told = "；".join(
        f"{node.title}：{_word(node)}" for node in nodes.values() if node.shape == "box" or node.id == DECISION
    )
    return (
        f'<svg class="flowchart" role="img" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'aria-labelledby="{prefix}-title {prefix}-told" xmlns="http://www.w3.org/2000/svg">'
        f'<title id="{prefix}-title">{escape(title)}</title><desc id="{prefix}-told">{escape(told)}</desc>'
        f"{''.join(drawn)}</svg>"
    )


def _graph(
    flow: Mapping[str, Any], states: Mapping[str, str], *, accepted: bool, ended: bool
) -> tuple[dict[str, _Node], list[tuple[str, str]]]:
    steps: Sequence[Mapping[str, Any]] = flow["steps"]
    known = {step["id"] for step in steps}
    after = {step["id"]: [name for name in step.get("after", []) if name in known] for step in steps}
    followed = {name for names in after.values() for name in names}
    open_steps = [name for name, state in states.items() if state not in (DONE, SKIPPED, NOT_APPLICABLE)]
    decision = DONE if ended else READY if accepted and not open_steps else "waiting"
    nodes = {
        BEGIN: _Node(BEGIN, "ellipse", "收件", DONE),
        ACCEPTANCE: _Node(ACCEPTANCE, "box", "受理", DONE if accepted else READY if not ended else "waiting"),
        **{step["id"]: _Node(step["id"], "box", step["title"], states.get(step["id"], "waiting")) for step in steps},
        DECISION: _Node(DECISION, "diamond", "决定", decision),
        END: _Node(END, "ellipse", "送达、办结", DONE if ended else "waiting"),
    }
    edges = [(BEGIN, ACCEPTANCE), (DECISION, END)]
    edges += [(name, step) for step, names in after.items() for name in names]
    edges += [(ACCEPTANCE, step) for step, names in after.items() if not names]
    edges += [(step, DECISION) for step in after if step not in followed]
    if not steps:
        edges.append((ACCEPTANCE, DECISION))
    return nodes, edges


def _layered(nodes: dict[str, _Node], edges: list[tuple[str, str]]) -> tuple[list[list[str]], list[tuple[str, str]]]:
    """The nodes by layer, each below all that come before it; an edge that passes layers by gets a place in each."""
    depth = dict.fromkeys(nodes, 0)
    # As many rounds as there are nodes: a flow with a circle, which is never published, ends here all the same.
    for _ in nodes:
        for one, other in edges:
            depth[other] = min(max(depth[other], depth[one] + 1), len(nodes))
    layers: list[list[str]] = [[] for _ in range(max(depth.values()) + 1)]
    for name in nodes:
        layers[depth[name]].append(name)
    split: list[tuple[str, str]] = []
    for one, other in edges:
        last = one
        for level in range(depth[one] + 1, depth[other]):
            passing = f"{one}→{other}#{level}"
            nodes[passing] = _Node(passing, "none", "", "passing")
            layers[level].append(passing)
            split.append((last, passing))
            last = passing
        split.append((last, other))
    return [layer for layer in _untangled(layers, split) if layer], split


def _untangled(layers: list[list[str]], edges: Iterable[tuple[str, str]]) -> list[list[str]]:
    """Each layer in the order of what its nodes come from."""
    above: dict[str, list[str]] = {}
    for one, other in edges:
        above.setdefault(other, []).append(one)
    ordered: list[list[str]] = []
    for layer in layers:
        place = {name: position for position, name in enumerate(ordered[-1])} if ordered else {}

        def mean(name: str, place: Mapping[str, int] = place) -> float:
            found = [place[parent] for parent in above.get(name, []) if parent in place]
            return sum(found) / len(found) if found else 0

        ordered.append(sorted(layer, key=mean))
    return ordered


def _placed(layers: list[list[str]]) -> tuple[dict[str, tuple[int, int]], int]:
    """The middle of each node, and the width of the whole."""
    widths = [sum(_width(name) for name in layer) + ACROSS * (len(layer) - 1) for layer in layers]
    whole = max(widths) + 8
    places: dict[str, tuple[int, int]] = {}
    for level, (layer, width) in enumerate(zip(layers, widths, strict=True)):
        x = (whole - width) // 2
        for name in layer:
            places[name] = (x + _width(name) // 2, 4 + level * (HEIGHT + DOWN) + HEIGHT // 2)
            x += _width(name) + ACROSS
    return places, whole


def _width(name: str) -> int:
    return _PASSING if "→" in name else WIDTH


def _edge(one: tuple[int, int], other: tuple[int, int], above: _Node, below: _Node) -> str:
    (x, y), (to_x, to_y) = one, other
    top = y if above.state == "passing" else y + HEIGHT // 2
    bottom = to_y if below.state == "passing" else to_y - HEIGHT // 2
    middle = bottom - DOWN // 2
    path = f"M{x} {top}V{middle}H{to_x}V{bottom - (0 if below.state == 'passing' else 6)}"
    arrow = "" if below.state == "passing" else f'<path class="tip" d="M{to_x - 5} {bottom - 8}h10l-5 8z"/>'
    return f'<path class="way" d="{path}"/>{arrow}'


def _node(node: _Node, x: int, y: int) -> str:
    left, top = x - WIDTH // 2, y - HEIGHT // 2
    match node.shape:
        case "ellipse":
            outline = f'<ellipse cx="{x}" cy="{y}" rx="{WIDTH // 2}" ry="{HEIGHT // 2}"/>'
        case "diamond":
            outline = f'<path d="M{x} {top}L{x + WIDTH // 2} {y}L{x} {top + HEIGHT}L{left} {y}z"/>'
        case _:
            outline = f'<rect x="{left}" y="{top}" width="{WIDTH}" height="{HEIGHT}" rx="4"/>'
    now = node.state in (READY, RUNNING)
    marker = f'<path class="here" d="M{left - 2} {y - 9}l10 9l-10 9z"/>' if now and node.shape == "box" else ""
    title = node.title if len(node.title) <= _LONGEST else node.title[: _LONGEST - 1] + "…"
    # A diamond is narrow below: its word stands nearer to the middle, and only when it says something.
    word = "" if node.shape == "ellipse" or (node.shape == "diamond" and node.state == "waiting") else _word(node)
    lower = 12 if node.shape == "diamond" else 17
    below = f'<text class="word" x="{x}" y="{y + lower}">{escape(word)}</text>' if word else ""
    return (
        f'<g class="{"now" if now else node.state}">{outline}{marker}'
        f'<text x="{x}" y="{y + (6 if not below else lower - 19)}">{escape(title)}</text>{below}</g>'
    )


def _word(node: _Node) -> str:
    word = {ACCEPTANCE: {DONE: "已受理", READY: "该说受理不受理了"}, DECISION: {DONE: "已有结果", READY: "可以决定了"}}
    said = word.get(node.id, {}).get(node.state) or STEP_STATES.get(node.state, "")
    mark = _MARKS.get(node.state, "")
    return f"{mark} {said}".strip()
