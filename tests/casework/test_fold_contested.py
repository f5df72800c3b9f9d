"""Two sides of a cut line: who holds for now, by which rule, and how a named person settles it."""

from __future__ import annotations

from typing import Any

import pytest

from casework.canonical import Document
from casework.case import Point
from casework.clashes import DECISION, EARLIER, HANDLER, LATER, RULES, SETTLEMENT
from casework.fold import point_id
from tests.casework.county import (
    AGENT,
    REVIEWER,
    VILLAGE,
    WINDOW,
    Pen,
    agent,
    at,
    intake_data,
    item,
    read,
    reasons,
    reviewer,
    window,
)


def begun(*, accepted: bool = True, **of: Any) -> list[Document]:
    village = agent()
    events = [village.write("received", intake_data(item(**of)))]
    if accepted:
        events.append(village.write("accepted", {}, events))
    return events


def only(points: list[Point]) -> Point:
    assert len(points) == 1
    return points[0]


def sides(point: Point) -> list[tuple[str, str, Any]]:
    return [(side["event"], side["by"]["name"], side["value"]) for side in point["sides"]]


def test_the_county_grants_while_the_village_withdraws() -> None:
    before = begun()
    withdrawn = agent(incarnation="2", now=at(10)).write("withdrawn", {"reason": "不办了"}, before[-1:])
    granted = reviewer(now=at(20)).write("decided", {"outcome": "granted"}, before[-1:])
    case = read(*before, withdrawn, granted)
    point = only(case["contested"])
    assert case["state"] == "decided"
    assert case["withdrawal"] is None
    assert point["topic"] == "outcome"
    assert point["holds"] == granted["_id"]
    assert point["rule"] == RULES[DECISION]
    assert point["id"] == point_id([withdrawn["_id"], granted["_id"]])
    assert sides(point) == [
        (withdrawn["_id"], AGENT["name"], "withdrawn"),
        (granted["_id"], REVIEWER["name"], "granted"),
    ]
    assert point["sides"][0]["station"] == VILLAGE
    assert point["sides"][0]["at"] == "2026-09-16T01:31:01.000Z"


@pytest.mark.parametrize(("choice", "state"), [(0, "withdrawn"), (1, "decided")])
def test_the_decider_settles_it_either_way(choice: int, state: str) -> None:
    before = begun()
    withdrawn = agent(incarnation="2").write("withdrawn", {"reason": "不办了"}, before[-1:])
    granted = reviewer().write("decided", {"outcome": "granted", "reason": "准"}, before[-1:])
    both = [withdrawn, granted]
    point = only(read(*before, *both)["contested"])
    data = {"point": point["id"], "value": both[choice]["_id"], "reason": "核对过"}
    settled = reviewer(incarnation="later").write("settled", data, both)
    case = read(settled, *both, *before)
    assert case["contested"] == []
    assert case["quarantined"] == []
    assert case["state"] == state
    entry = case["settled"][0]
    assert (entry["point"], entry["value"], entry["reason"]) == (point["id"], both[choice]["_id"], "核对过")
    assert entry["by"] == REVIEWER
    act = case["withdrawal"] or case["decision"]
    assert act is not None
    assert act["event"] == both[choice]["_id"]


def test_two_decisions_that_differ_the_earlier_holds_whoever_arrives_first() -> None:
    before = begun()
    late = reviewer(now=at(20)).write("decided", {"outcome": "granted"}, before[-1:])
    early = reviewer(incarnation="2", now=at(10)).write("decided", {"outcome": "refused", "reason": "x"}, before[-1:])
    case = read(late, early, *before)
    point = only(case["contested"])
    assert point["holds"] == early["_id"]
    assert point["rule"] == RULES[EARLIER]
    assert case["decision"] is not None
    assert case["decision"]["outcome"] == "refused"


@pytest.mark.parametrize(
    ("one", "other", "agree"),
    [
        ({"outcome": "granted", "reason": "a"}, {"outcome": "granted", "reason": "b"}, True),
        ({"outcome": "refused", "reason": "a"}, {"outcome": "refused", "reason": "a"}, True),
        # The reason of a refusal is what the person can object to (行政许可法 38).
        ({"outcome": "refused", "reason": "a"}, {"outcome": "refused", "reason": "b"}, False),
    ],
)
def test_decisions_that_say_the_same_agree(one: Document, other: Document, agree: bool) -> None:
    before = begun()
    first = reviewer().write("decided", one, before[-1:])
    second = reviewer(incarnation="2", now=at(5)).write("decided", other, before[-1:])
    case = read(*before, first, second)
    assert (case["contested"] == []) == agree
    assert case["decision"] is not None
    assert case["decision"]["event"] == first["_id"]


def test_two_withdrawals_agree() -> None:
    before = begun()
    one = agent(incarnation="2").write("withdrawn", {"reason": "a"}, before[-1:])
    two = window().write("withdrawn", {"reason": "b"}, before[-1:])
    case = read(*before, one, two)
    assert case["state"] == "withdrawn"
    assert case["contested"] == []


@pytest.mark.parametrize(("withdrawn_at", "state"), [(10, "withdrawn"), (30, "accepted")])
def test_withdrawn_until_acceptance_beside_an_acceptance_the_earlier_holds(withdrawn_at: int, state: str) -> None:
    received = begun(accepted=False, withdraw_until="accepted")
    withdrawn = agent(incarnation="2", now=at(withdrawn_at)).write("withdrawn", {"reason": "x"}, received)
    accepted = window(now=at(20)).write("accepted", {}, received)
    case = read(*received, withdrawn, accepted)
    assert case["state"] == state
    assert only(case["contested"])["rule"] == RULES[EARLIER]


def test_withdrawn_until_the_decision_an_acceptance_is_no_clash() -> None:
    received = begun(accepted=False)
    withdrawn = agent(incarnation="2", now=at(10)).write("withdrawn", {"reason": "x"}, received)
    accepted = window(now=at(20)).write("accepted", {}, received)
    case = read(*received, withdrawn, accepted)
    assert case["state"] == "withdrawn"
    assert case["contested"] == []
    assert case["deadlines"]["accepted_at"] is not None


def phones(of: Pen, value: str, seen: list[Document], path: str = "applicant.phone") -> Document:
    return of.write("field_corrected", {"path": path, "value": value}, seen)


def test_both_sides_change_the_phone_the_handling_window_holds() -> None:
    before = begun(level="township")
    windows = phones(window(now=at(10)), "13000000003", before[-1:])
    villages = phones(agent(incarnation="2", now=at(20)), "13000000002", before[-1:])
    case = read(*before, villages, windows)
    point = only(case["contested"])
    assert case["fields"]["applicant"]["phone"] == "13000000003"
    assert point["topic"] == "fields.applicant.phone"
    assert point["rule"] == RULES[HANDLER] == "受理以后，承办窗口登记的优先。"
    assert sides(point) == [
        (windows["_id"], WINDOW["name"], "13000000003"),
        (villages["_id"], AGENT["name"], "13000000002"),
    ]


def test_where_neither_handles_it_or_it_is_not_accepted_the_later_holds() -> None:
    for before in (begun(), begun(level="township", accepted=False)):
        windows = phones(window(now=at(10)), "13000000003", before[-1:])
        villages = phones(agent(incarnation="2", now=at(20)), "13000000002", before[-1:])
        case = read(*before, villages, windows)
        assert case["fields"]["applicant"]["phone"] == "13000000002"
        assert only(case["contested"])["rule"] == RULES[LATER]


@pytest.mark.parametrize("fresh", [True, False])
def test_a_field_is_settled_with_a_side_or_a_new_value(fresh: bool) -> None:
    before = begun()
    one = phones(window(), "13000000003", before[-1:])
    two = phones(agent(incarnation="2"), "13000000002", before[-1:])
    point = only(read(*before, one, two)["contested"])
    value = "13000000009" if fresh else one["_id"]
    settled = window(incarnation="3").write(
        "settled", {"point": point["id"], "value": value, "reason": "问过"}, [one, two]
    )
    case = read(*before, one, two, settled)
    assert case["contested"] == []
    assert case["fields"]["applicant"]["phone"] == ("13000000009" if fresh else "13000000003")
    assert case["settled"][0]["value"] == case["fields"]["applicant"]["phone"]


def test_different_fields_and_equal_values_do_not_clash() -> None:
    before = begun()
    one = phones(window(), "13000000003", before[-1:])
    same = phones(agent(incarnation="2"), "13000000003", before[-1:])
    other = phones(agent(incarnation="3"), "村口第二家", before[-1:], "applicant.address")
    case = read(*before, one, same, other)
    assert case["contested"] == []
    assert case["fields"]["applicant"]["phone"] == "13000000003"
    assert case["fields"]["applicant"]["address"] == "村口第二家"


def test_a_later_correction_by_who_saw_it_is_no_clash() -> None:
    before = begun()
    one = phones(window(), "13000000003", before[-1:])
    # Its clock is behind by an hour, and it comes after all the same: it had seen the other.
    two = phones(agent(incarnation="2", offset_ms=-3_600_000), "13000000002", [one])
    case = read(*before, two, one)
    assert case["contested"] == []
    assert case["fields"]["applicant"]["phone"] == "13000000002"


def test_a_whole_form_clashes_with_a_field_within_it() -> None:
    before = begun()
    whole = window().write("field_corrected", {"path": "form", "value": {"reason": "甲"}}, before[-1:])
    inner = agent(incarnation="2").write("field_corrected", {"path": "form.reason", "value": "乙"}, before[-1:])
    assert reasons(read(*before, whole, inner)) == {whole["_id"]: "content"}
    inner_again = window(incarnation="2").write("field_corrected", {"path": "form.reason", "value": "丙"}, before[-1:])
    assert only(read(*before, inner_again, inner)["contested"])["topic"] == "fields.form.reason"


def test_rows_of_one_table_are_corrected_side_by_side() -> None:
    village = agent()
    members = [{"name": "甲"}, {"name": "乙"}]
    received = village.write("received", intake_data(form={"reason": "x", "members": members}))
    first = phones(agent(incarnation="2"), "丙", [received], "form.members.0.name")
    second = phones(window(), "丁", [received], "form.members.1.name")
    case = read(received, first, second)
    assert case["contested"] == []
    assert case["fields"]["form"]["members"] == [{"name": "丙"}, {"name": "丁"}]
    whole = phones(window(incarnation="2", now=at(9)), "?", [received], "form.members")
    case = read(received, first, second, whole)
    assert only(case["contested"])["topic"] == "fields.form.members"
    assert len(only(case["contested"])["sides"]) == 3


def test_two_settlements_that_differ_are_a_point_of_their_own() -> None:
    before = begun()
    withdrawn = agent(incarnation="2").write("withdrawn", {"reason": "x"}, before[-1:])
    granted = reviewer().write("decided", {"outcome": "granted"}, before[-1:])
    both = [withdrawn, granted]
    point = only(read(*before, *both)["contested"])

    def settle(of: Pen, holds: Document, target: Point = point, seen: list[Document] = both) -> Document:
        return of.write("settled", {"point": target["id"], "value": holds["_id"], "reason": "x"}, seen)

    early = settle(reviewer(incarnation="2", now=at(30)), withdrawn)
    late = settle(reviewer(incarnation="3", now=at(40)), granted)
    case = read(*before, *both, early, late)
    again = only(case["contested"])
    assert case["state"] == "withdrawn"
    assert again["holds"] == early["_id"]
    assert again["rule"] == RULES[EARLIER]
    assert [side["kind"] for side in again["sides"]] == ["settled", "settled"]
    final = settle(reviewer(incarnation="4", now=at(50)), late, again, [early, late])
    case = read(*before, *both, early, late, final)
    assert case["contested"] == []
    assert case["state"] == "decided"
    assert case["decision"] is not None
    assert case["decision"]["event"] == granted["_id"]


def test_an_act_that_did_not_know_of_the_settlement_reopens_the_point() -> None:
    before = begun()
    withdrawn = agent(incarnation="2").write("withdrawn", {"reason": "x"}, before[-1:])
    granted = reviewer().write("decided", {"outcome": "granted"}, before[-1:])
    point = only(read(*before, withdrawn, granted)["contested"])
    data = {"point": point["id"], "value": withdrawn["_id"], "reason": "x"}
    settled = reviewer(incarnation="2").write("settled", data, [withdrawn, granted])
    refused = reviewer(incarnation="3", now=at(60)).write("decided", {"outcome": "refused", "reason": "y"}, before[-1:])
    case = read(*before, withdrawn, granted, settled, refused)
    reopened = only(case["contested"])
    assert case["state"] == "withdrawn"
    assert reopened["rule"] == RULES[SETTLEMENT]
    assert {side["event"] for side in reopened["sides"]} == {settled["_id"], refused["_id"]}


@pytest.mark.parametrize("who", ["village", "stranger's point", "no side"])
def test_a_settlement_that_is_none_is_put_aside(who: str) -> None:
    before = begun()
    withdrawn = agent(incarnation="2").write("withdrawn", {"reason": "x"}, before[-1:])
    granted = reviewer().write("decided", {"outcome": "granted"}, before[-1:])
    seen = [withdrawn, granted]
    data = {"point": point_id(event["_id"] for event in seen), "value": granted["_id"], "reason": "x"}
    if who == "village":
        settled = agent(incarnation="3").write("settled", data, seen)
    elif who == "no side":
        settled = reviewer(incarnation="3").write("settled", {**data, "value": before[0]["_id"]}, seen)
    else:
        settled = reviewer(incarnation="3").write("settled", {**data, "point": "0" * 32}, seen)
    case = read(*before, *seen, settled)
    assert list(reasons(case)) == [settled["_id"]]
    assert len(case["contested"]) == 1


@pytest.mark.parametrize("minute", [-5, 60])
def test_a_settlement_holds_against_what_it_did_not_see_earlier_or_later(minute: float) -> None:
    before = begun()
    withdrawn = agent(incarnation="2").write("withdrawn", {"reason": "x"}, before[-1:])
    granted = reviewer().write("decided", {"outcome": "granted"}, before[-1:])
    point = only(read(*before, withdrawn, granted)["contested"])
    data = {"point": point["id"], "value": withdrawn["_id"], "reason": "x"}
    settled = reviewer(incarnation="2").write("settled", data, [withdrawn, granted])
    refused = reviewer(incarnation="3", now=at(minute)).write(
        "decided", {"outcome": "refused", "reason": "y"}, before[-1:]
    )
    case = read(*before, withdrawn, granted, settled, refused)
    assert case["state"] == "withdrawn"
    assert only(case["contested"])["holds"] == settled["_id"]


def test_a_settled_field_holds_against_a_later_correction_that_did_not_see_it() -> None:
    before = begun()
    one = phones(window(), "13000000003", before[-1:])
    two = phones(agent(incarnation="2"), "13000000002", before[-1:])
    point = only(read(*before, one, two)["contested"])
    data = {"point": point["id"], "value": one["_id"], "reason": "问过"}
    settled = window(incarnation="3").write("settled", data, [one, two])
    late = phones(agent(incarnation="4", now=at(90)), "13000000008", before[-1:])
    case = read(*before, one, two, settled, late)
    assert case["fields"]["applicant"]["phone"] == "13000000003"
    assert only(case["contested"])["rule"] == RULES[SETTLEMENT]
    assert {side["event"] for side in only(case["contested"])["sides"]} == {settled["_id"], late["_id"]}


def test_what_a_later_correction_of_the_whole_replaced_is_no_side() -> None:
    members = [{"name": "甲"}]
    received = agent().write("received", intake_data(form={"reason": "x", "members": members}))
    inner = phones(window(), "丙", [received], "form.members.0.name")
    whole = window(incarnation="2").write(
        "field_corrected", {"path": "form.members", "value": [{"name": "丁"}]}, [inner]
    )
    beside = phones(agent(incarnation="3"), "戊", [received], "form.members.0.name")
    case = read(received, inner, whole, beside)
    assert {side["event"] for side in only(case["contested"])["sides"]} == {whole["_id"], beside["_id"]}


def test_accepted_twice_counts_from_the_first() -> None:
    received = begun(accepted=False)
    late = window(now=at(24 * 60)).write("accepted", {}, received)
    early = agent(incarnation="2", now=at(10)).write("accepted", {}, received)
    case = read(*received, late, early)
    assert case["contested"] == []
    assert case["deadlines"]["accepted_on"] == "2026-09-16"


def test_a_request_that_was_settled_upon_is_over_once_it_was_answered_elsewhere() -> None:
    township, village, county = window(), agent(), reviewer()
    received = village.write("received", intake_data())
    asked = township.write("correction_requested", {"points": [{"text": "缺身份证复印件"}]}, [received])
    answered = township.write("corrected", {"note": "不补了"}, [asked])
    granted = county.write("decided", {"outcome": "granted"}, [received])
    both = read(received, asked, granted)
    settled = county.write(
        "settled",
        {"point": both["contested"][0]["id"], "value": asked["_id"], "reason": "先补正"},
        [asked, granted],
    )
    case = read(received, asked, answered, granted, settled)
    assert case["state"] == "corrected"
    assert case["deadlines"]["stopped_since"] is None
