"""Flows as data: what may be published, and how far a case has come along its steps."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from casework.flow import check_flow, progress, still_open
from tests.casework.county import FLOW

ELSEWHERE = {"form": {"reason": "异地新建"}}


def bent(**changes: Any) -> dict[str, Any]:
    """The flow with something changed at its second step."""
    flow = copy.deepcopy(FLOW)
    flow["steps"][1].update(changes)
    return flow


def test_the_flow_of_the_tests_can_be_published() -> None:
    assert check_flow(FLOW) == []


@pytest.mark.parametrize(
    ("flow", "said"),
    [
        (bent(id="visit"), "同一个编号"),
        (bent(after=["nowhere"]), "没有这样的环节"),
        (bent(kind="party"), "kind"),
        (bent(when={"form.reason": "新建"}), "一组值"),
        (bent(who={"level": "county"}), "哪个部门"),
        ({"steps": []}, "accepts"),
        ("no flow", "流程的"),
    ],
)
def test_what_cannot_run_is_refused_with_the_reason(flow: Any, said: str) -> None:
    assert any(said in sentence for sentence in check_flow(flow))


def test_steps_that_wait_for_one_another_are_named() -> None:
    flow = bent(after=["land"])
    flow["steps"][2]["after"] = ["notice"]
    assert check_flow(flow) == ["这些环节互相等着，谁也开始不了：村内公示、自然资源部门会审。"] or check_flow(flow) == [
        "这些环节互相等着，谁也开始不了：自然资源部门会审、村内公示。"
    ]
    # One that came all the same hangs nobody.
    assert set(progress(flow, {}, [])) == {"visit", "notice", "land", "moved"}


def test_parallel_steps_are_ready_together_and_what_does_not_apply_keeps_nobody_waiting() -> None:
    assert progress(FLOW, {}, []) == {
        "visit": "ready",
        "notice": "waiting",
        "land": "waiting",
        "moved": "not_applicable",
    }
    after = progress(FLOW, ELSEWHERE, [("visit", "running"), ("visit", "done")])
    assert after == {"visit": "done", "notice": "ready", "land": "ready", "moved": "ready"}
    over = progress(FLOW, {}, [("visit", "done"), ("notice", "skipped"), ("land", "done")])
    assert still_open(over) == []


def test_what_was_done_outweighs_what_was_skipped_whatever_came_first() -> None:
    for marks in ([("visit", "skipped"), ("visit", "done")], [("visit", "done"), ("visit", "skipped")]):
        assert progress(FLOW, {}, marks)["visit"] == "done"
