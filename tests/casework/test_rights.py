"""Who may do what: by role, place, department, and whose decision the item is."""

from __future__ import annotations

from typing import Any

import pytest

from casework.case import Case
from casework.kinds import KINDS
from casework.rights import Refusal, may
from casework.transitions import STATES, Standing, can_follow, obstacle
from tests.casework.county import (
    COUNTY,
    NEIGHBOUR,
    NUMBER,
    OTHER_TOWNSHIP,
    TOWNSHIP,
    VILLAGE,
    agent,
    intake_data,
    item,
    read,
    register,
    window,
)

VILLAGE_AGENT = ("agent", "village", VILLAGE, None)
NEIGHBOUR_AGENT = ("agent", "village", NEIGHBOUR, None)
WINDOW = ("township", "township", TOWNSHIP, None)
TOWNSHIP_AGENT = ("agent", "township", TOWNSHIP, None)
OTHER_WINDOW = ("township", "township", OTHER_TOWNSHIP, None)
REVIEWER = ("reviewer", "county", COUNTY, "民政")
STRANGER = ("reviewer", "county", COUNTY, "残联")
ADMIN = ("admin", "county", COUNTY, None)
EVERYBODY = {
    "village agent": VILLAGE_AGENT,
    "neighbour": NEIGHBOUR_AGENT,
    "window": WINDOW,
    "township agent": TOWNSHIP_AGENT,
    "other window": OTHER_WINDOW,
    "reviewer": REVIEWER,
    "stranger": STRANGER,
    "admin": ADMIN,
}


def asked(kind: str, who: tuple[str, str, str, str | None], case: Case | None, **more: Any) -> Refusal | None:
    role, station_kind, station, department = who
    return may(kind, role, station_kind, case, station=station, department=department, register=register(), **more)


def allowed(kind: str, case: Case, **more: Any) -> set[str]:
    return {name for name, who in EVERYBODY.items() if asked(kind, who, case, **more) is None}


def taken_in(level: str, until: str = "decided") -> Case:
    return read(agent().write("received", intake_data(item(level=level, withdraw_until=until))))


@pytest.mark.parametrize(
    ("level", "who"),
    [("village", {"village agent"}), ("township", {"window"}), ("county", {"reviewer"})],
)
def test_the_item_says_who_decides(level: str, who: set[str]) -> None:
    assert allowed("decided", taken_in(level)) == who


@pytest.mark.parametrize("kind", ["accepted", "material_added", "field_corrected", "withdrawn"])
def test_the_counter_its_township_and_the_deciding_department_work_on_a_case(kind: str) -> None:
    assert allowed(kind, taken_in("county")) == {"village agent", "window", "reviewer"}
    assert allowed(kind, taken_in("township")) == {"village agent", "window"}


def test_a_township_decides_what_it_took_in_itself() -> None:
    number = f"{TOWNSHIP}-20260916-0001-AAAAA"
    received = window(case=number).write("received", intake_data(item(level="township")))
    assert allowed("decided", read(received)) == {"window"}
    village_item = window(case=number).write("received", intake_data(item(level="village")))
    assert allowed("decided", read(village_item)) == {"window", "township agent"}


def test_only_stations_with_a_counter_take_in() -> None:
    for name, who in EVERYBODY.items():
        refusal = asked("received", who, None)
        assert (refusal is None) == (name not in {"reviewer", "stranger", "admin"}), name
    refusal = asked("received", NEIGHBOUR_AGENT, None, number=NUMBER)
    assert refusal is not None
    assert "本站的编号" in refusal.sentence


def test_clocks_are_corrected_by_who_knows_them() -> None:
    received = agent().write("received", intake_data())
    data = {"events": [received["_id"]]}
    assert allowed("clock_corrected", read(received), data=data) == {"village agent", "window", "reviewer", "admin"}
    for who, right in ((("station", "village", VILLAGE, None), True), (("station", "village", NEIGHBOUR, None), False)):
        assert (asked("clock_corrected", who, read(received), data=data) is None) == right
        assert asked("decided", who, read(received)) is not None
    elsewhere = window().write("accepted", {}, [received])
    assert allowed("clock_corrected", read(received, elsewhere), data={"events": [elsewhere["_id"]]}) == {
        "window",
        "reviewer",
        "admin",
    }


def test_a_refusal_says_whose_it_is() -> None:
    refusal = asked("decided", VILLAGE_AGENT, taken_in("county"))
    assert refusal == Refusal(403, "not_entitled", "这件不由您决定。这件由县民政局决定。")
    refusal = asked("decided", ADMIN, taken_in("county"))
    assert refusal is not None
    assert refusal.sentence == "县管理员不能决定。这件由县民政局决定。"
    assert refusal.status == 403


def test_no_case_and_no_such_act() -> None:
    missing, unknown = asked("accepted", VILLAGE_AGENT, None), asked("celebrated", VILLAGE_AGENT, taken_in("county"))
    assert missing is not None
    assert unknown is not None
    assert (missing.status, unknown.status) == (404, 422)


def test_what_is_over_is_over() -> None:
    village = agent()
    received = village.write("received", intake_data())
    withdrawn = village.write("withdrawn", {"reason": "不办了"}, [received])
    case = read(received, withdrawn)
    for kind in ("accepted", "decided", "withdrawn", "material_added", "field_corrected"):
        refusal = asked(kind, REVIEWER, case)
        assert refusal is not None
        assert refusal.status == 409
        assert "已经撤回" in refusal.sentence
    refusal = asked("received", VILLAGE_AGENT, case)
    assert refusal is not None
    assert refusal.status == 409


@pytest.mark.parametrize(
    ("until", "before", "after"), [("decided", True, True), ("accepted", True, False), ("never", False, False)]
)
def test_until_when_one_may_withdraw_is_the_items_rule(until: str, before: bool, after: bool) -> None:
    village = agent()
    received = village.write("received", intake_data(item(withdraw_until=until)))
    accepted = village.write("accepted", {}, [received])
    for case, possible in ((read(received), before), (read(received, accepted), after)):
        refusal = asked("withdrawn", VILLAGE_AGENT, case)
        assert (refusal is None) == possible
        if refusal is not None:
            assert refusal.status == 409
            assert "不能撤回" in refusal.sentence


@pytest.mark.parametrize("kind", KINDS)
def test_every_impossible_act_has_a_sentence(kind: str) -> None:
    for state in STATES:
        if not can_follow(kind, state, item()["terms"]):
            sentence = obstacle(kind, Standing(state=state, terms=item()["terms"]), {})
            assert sentence is not None
            assert sentence.endswith("。")


@pytest.mark.parametrize(
    ("data", "path", "part"),
    [
        ({"outcome": "refused", "reason": "  "}, "reason", "第38条"),
        ({"outcome": "refused"}, "reason", "第38条"),
        ({"outcome": "maybe"}, "outcome", "granted、refused"),
        ({}, "outcome", "请填写"),
    ],
)
def test_a_decision_needs_an_outcome_and_a_refusal_its_reason(data: dict[str, Any], path: str, part: str) -> None:
    assert part in KINDS["decided"].problems(taken_in("county"), data)[path]


@pytest.mark.parametrize(
    ("path", "value", "fault"),
    [
        ("applicant.phone", "13000000002", None),
        ("applicant.phone", "1300", "value"),
        ("applicant.id_number", "600000196001010017", "value"),
        ("applicant.name", "某" * 2000, "value"),
        ("form.reason", "改过的事由", None),
        ("form.reason", "短", "value"),
        ("form.reason", 7, "value"),
        ("form.members.0.name", "张", "path"),
        ("materials.m01.state", "received", "path"),
        ("applicant", {}, "path"),
    ],
)
def test_a_correction_is_checked_as_the_intake_was(path: str, value: object, fault: str | None) -> None:
    problems = KINDS["field_corrected"].problems(taken_in("county"), {"path": path, "value": value}, item())
    assert set(problems) == ({fault} if fault else set())


def test_a_material_must_be_on_the_list_or_bring_its_name() -> None:
    case = taken_in("county")
    add = KINDS["material_added"]
    assert add.problems(case, {"material": "m01", "state": "received"}) == {}
    assert add.problems(case, {"material": "m09", "name": "补充说明", "state": "received"}) == {}
    assert set(add.problems(case, {"material": "m09", "state": "received"})) == {"material"}
    assert add.problems(case, {"material": "m01"}) != {}
