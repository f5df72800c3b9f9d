"""A flow as a chart: whole, in layers, with every step's state in words."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

from tests.casework.county import FLOW
from web.cases.flowchart import ACROSS, HEIGHT, WIDTH, flowchart

NAMESPACE = {"svg": "http://www.w3.org/2000/svg"}


def step(name: str, *after: str, title: str = "") -> dict[str, Any]:
    return {"id": name, "title": title or name, "kind": "handling", "who": {"level": "township"}, "after": list(after)}


def drawn(steps: list[dict[str, Any]], states: dict[str, str], **said: bool) -> ElementTree.Element:
    text = flowchart({"steps": steps}, states, accepted=said.get("accepted", True), ended=said.get("ended", False),
                     title="办理流程图")  # fmt: skip
    return ElementTree.fromstring(text)


def boxes(chart: ElementTree.Element) -> dict[str, tuple[int, int]]:
    """Where the box of each title begins."""
    found = {}
    for group in chart.findall("svg:g", NAMESPACE):
        rect, text = group.find("svg:rect", NAMESPACE), group.find("svg:text", NAMESPACE)
        if rect is not None and text is not None:
            found[str(text.text)] = (int(rect.attrib["x"]), int(rect.attrib["y"]))
    return found


def test_parallel_steps_stand_side_by_side_and_nothing_overlaps() -> None:
    chart = drawn([step("a"), step("b", "a"), step("c", "a"), step("d", "b", "c")], {})
    places = boxes(chart)
    assert places["b"][1] == places["c"][1]
    assert abs(places["b"][0] - places["c"][0]) >= WIDTH + ACROSS
    assert places["受理"][1] < places["a"][1] < places["b"][1] < places["d"][1]
    for one in places.values():
        for other in places.values():
            assert one == other or abs(one[0] - other[0]) >= WIDTH or abs(one[1] - other[1]) >= HEIGHT


def test_an_edge_that_passes_a_layer_has_a_place_of_its_own() -> None:
    chart = drawn([step("a"), step("b", "a"), step("c", "a", "b")], {})
    left, _top = boxes(chart)["b"]
    ways = [path.attrib["d"] for path in chart.findall("svg:path", NAMESPACE) if path.attrib["class"] == "way"]
    down = [int(x) for way in ways for x in re.findall(r"[MH](\d+)", way)]
    assert any(not left <= x <= left + WIDTH for x in down), "the way from a to c does not run through b"


def test_where_it_stands_is_told_by_shape_and_word() -> None:
    states = {"visit": "done", "notice": "running", "land": "ready", "moved": "waiting"}
    text = flowchart(FLOW, states, accepted=True, ended=False, title="办理流程图")
    chart = ElementTree.fromstring(text)
    assert chart.attrib["role"] == "img"
    title, told = chart.find("svg:title", NAMESPACE), chart.find("svg:desc", NAMESPACE)
    assert title is not None
    assert told is not None
    assert title.text == "办理流程图"
    assert "现场踏勘：✓ 办完了；村内公示：▶ 正在办；自然资源部门会审：▶ 该办了；异地新建核查：还没轮到" in str(
        told.text
    )
    assert text.count('class="here"') == 2
    assert text.count("<ellipse") == 2


def test_names_are_text_and_a_flow_with_a_circle_ends() -> None:
    text = flowchart({"steps": [step("a", "b", title="<b>&"), step("b", "a")]}, {}, accepted=False, ended=False,
                     title="<script>")  # fmt: skip
    assert "<script>" not in text
    assert "&lt;b&gt;&amp;" in text
    ElementTree.fromstring(text)


def test_a_flow_without_steps_goes_from_acceptance_to_the_decision() -> None:
    chart = drawn([], {}, ended=True)
    assert boxes(chart).keys() == {"受理"}
