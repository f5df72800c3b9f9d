"""What does not check, is not entitled, or contradicts itself: kept, said why, never counted."""

from __future__ import annotations

from typing import Any

import pytest

from casework.canonical import Document, address
from casework.documents.register import Register
from casework.fold import fold
from casework.signing import sign_document
from tests.casework.county import (
    CALENDAR,
    COUNTY,
    NEIGHBOUR,
    NUMBER,
    STATIONS,
    STRANGER,
    TOWNSHIP,
    VILLAGE,
    Pen,
    agent,
    at,
    intake_data,
    item,
    key_entry,
    read,
    reasons,
    register,
    register_document,
    reviewer,
    sign_afresh,
    sign_as,
    window,
)

RECEIVED = agent().write("received", intake_data())


def rewritten(event: Document, *, signed_by: str | None = None, **changes: Any) -> Document:
    """The event with changes, under its own true hash; signed by `signed_by`, else with the old signature."""
    body = {name: value for name, value in {**event, **changes}.items() if name not in {"_id", "_rev"}}
    if signed_by is not None:
        body = sign_document(body, changes.get("key", event["key"]), sign_afresh(signed_by))
    return address(f"event:{event['case']}:{event['at']}", body)


def accepted(of: Pen | None = None, **changes: Any) -> Document:
    return rewritten((of or agent(incarnation="2")).write("accepted", {}, [RECEIVED]), **changes)


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({**accepted(), "serial": 99}, "hash"),
        (accepted(serial=99), "signature"),
        (accepted(signed_by=f"{NEIGHBOUR}:1"), "signature"),
        (accepted(key=f"{VILLAGE}:7", signed_by=f"{VILLAGE}:7"), "key"),
        (accepted(key=f"{TOWNSHIP}:1", signed_by=f"{TOWNSHIP}:1"), "key"),
        (Pen(NEIGHBOUR, agent().by).write("accepted", {}, [RECEIVED]), "not_entitled"),
        (Pen(COUNTY, STRANGER).write("decided", {"outcome": "granted"}, [RECEIVED]), "not_entitled"),
        (agent(incarnation="2").write("decided", {"outcome": "granted"}, [RECEIVED]), "not_entitled"),
        (reviewer().write("decided", {"outcome": "refused", "reason": ""}, [RECEIVED]), "content"),
        (reviewer().write("decided", {"outcome": "perhaps"}, [RECEIVED]), "content"),
        (agent(incarnation="2").write("field_corrected", {"path": "form.a.b", "value": 1}, [RECEIVED]), "history"),
        (agent(incarnation="2").write("accepted", {}, []), "history"),
        (agent(incarnation="2", now=at(5)).write("received", intake_data()), "history"),
        ({**accepted(), "clock": None}, "shape"),
        ({"_id": f"event:{NUMBER}:x"}, "shape"),
    ],
)
def test_it_is_kept_aside_with_its_reason(event: Document, code: str) -> None:
    case = read(RECEIVED, event)
    assert [(entry["id"], entry["code"]) for entry in case["quarantined"]] == [(event["_id"], code)]
    assert case["quarantined"][0]["reason"].endswith("。")
    assert case["state"] == "received"
    assert case["order"] == [RECEIVED["_id"]]


def test_terms_that_the_county_did_not_sign_begin_no_case() -> None:
    cheap = {**item()["terms"], "decides": {"level": "village", "department": "民政", "office": "本村"}}
    for forged in (
        intake_data(terms=cheap),
        intake_data(terms_sig=sign_as(f"{VILLAGE}:1")(b"x")),
        intake_data(terms_key=f"{VILLAGE}:1"),
        intake_data(terms_key=f"{COUNTY}:9"),
    ):
        received = agent().write("received", forged)
        later = agent(incarnation="2").write("accepted", {}, [received])
        case = read(received, later)
        assert reasons(case) == {received["_id"]: "terms", later["_id"]: "history"}
        assert case["state"] == "unreceived"
        assert case["item"] is None


def test_terms_of_another_item_begin_no_case() -> None:
    received = agent().write("received", intake_data(item="60010100MZ-JF-0002"))
    assert reasons(read(received)) == {received["_id"]: "content"}


def revoked_at(last: dict[str, int]) -> Register:
    entries = [key_entry(station) for station in STATIONS if station != VILLAGE]
    village = key_entry(VILLAGE, revoked={"at": "2026-09-17T00:00:00.000Z", "last": last})
    return Register.of(register_document([*entries, village]), authority=None)


def test_after_a_revocation_only_what_the_county_held_still_counts() -> None:
    village = agent()
    received = village.write("received", intake_data())
    later = village.write("accepted", {}, [received])
    case = read(received, later, by=revoked_at({f"wang-1/station-{VILLAGE}": 1}))
    assert reasons(case) == {later["_id"]: "revoked"}
    assert case["state"] == "received"
    assert reasons(read(received, later, by=revoked_at({f"wang-1/station-{VILLAGE}": 2}))) == {}


def test_a_key_that_comes_with_a_newer_register_heals_the_case() -> None:
    young = Register.of(register_document([key_entry(COUNTY)]), authority=None)
    assert reasons(read(RECEIVED, by=young)) == {RECEIVED["_id"]: "key"}
    assert reasons(read(RECEIVED)) == {}


def test_two_bodies_under_one_id_the_true_one_counts_whichever_came_first() -> None:
    false = {**RECEIVED, "data": {**RECEIVED["data"], "form": {"reason": "改过"}}}
    for events in ([false, RECEIVED], [RECEIVED, false]):
        case = read(*events)
        assert case["quarantined"] == []
        assert case["fields"]["form"] == {"reason": "因病申请"}


def test_copies_that_differ_only_in_their_signature_count_once() -> None:
    twin = rewritten(RECEIVED, signed_by=RECEIVED["key"])
    assert twin["_id"] != RECEIVED["_id"]
    after = agent(incarnation="2").write("accepted", {}, [twin])
    case = read(RECEIVED, after, twin)
    assert case["quarantined"] == []
    assert case["order"] == [min(RECEIVED["_id"], twin["_id"]), after["_id"]]
    assert case["heads"] == [after["_id"]]


def test_a_forged_copy_does_not_take_the_true_one_with_it() -> None:
    forged = rewritten(RECEIVED, sig="A" * 86)
    case = read(RECEIVED, forged)
    assert reasons(case) == {forged["_id"]: "signature"}
    assert case["state"] == "received"


def test_missing_predecessors_hold_nothing_back() -> None:
    village = agent()
    received = village.write("received", intake_data())
    photo = village.write("material_added", {"material": "m01", "state": "received"}, [received])
    accepted_event = village.write("accepted", {}, [photo])
    granted = reviewer().write("decided", {"outcome": "granted"}, [accepted_event])
    case = read(granted, received)
    assert case["state"] == "decided"
    assert case["quarantined"] == []
    without_intake = read(photo, accepted_event)
    assert without_intake["state"] == "accepted"
    assert without_intake["item"] is None
    assert without_intake["quarantined"] == []


def test_an_act_with_a_torn_history_is_read_after_its_intake_however_early_its_clock() -> None:
    lost = agent(incarnation="lost").write("material_added", {"material": "m01", "state": "later"}, [RECEIVED])
    early = agent(incarnation="2", now=at(-600)).write("accepted", {}, [lost])
    case = read(early, RECEIVED)
    assert case["order"] == [RECEIVED["_id"], early["_id"]]
    assert case["state"] == "accepted"


def test_events_without_their_beginning_are_read_by_their_corrected_times() -> None:
    lost = agent(incarnation="lost").write("accepted", {}, [RECEIVED])
    one = agent(incarnation="2", now=at(10)).write("material_added", {"material": "m01", "state": "later"}, [lost])
    two = window(now=at(20)).write("material_added", {"material": "m01", "state": "received"}, [lost])
    assert read(two, one)["order"] == [one["_id"], two["_id"]]
    data = {"events": [one["_id"]], "offset": 3_600_000, "how": "核对"}
    clock = agent(incarnation="3").write("clock_corrected", data, [one])
    assert read(two, one, clock)["order"] == [two["_id"], one["_id"], clock["_id"]]


def test_a_decision_whose_intake_is_not_here_waits_aside() -> None:
    granted = reviewer().write("decided", {"outcome": "granted"}, [RECEIVED])
    assert reasons(read(granted)) == {granted["_id"]: "no_terms"}
    assert read(granted, RECEIVED)["state"] == "decided"


def test_what_is_aside_keeps_its_place_in_the_history() -> None:
    village = agent()
    received = village.write("received", intake_data())
    withdrawn = village.write("withdrawn", {"reason": "x"}, [received])
    # An act that is not entitled, seen by the next: it does not count, but what it had seen was seen.
    bridge = Pen(NEIGHBOUR, agent().by).write("accepted", {}, [withdrawn])
    granted = reviewer().write("decided", {"outcome": "granted"}, [bridge])
    case = read(received, withdrawn, bridge, granted)
    assert reasons(case) == {bridge["_id"]: "not_entitled", granted["_id"]: "history"}
    assert case["contested"] == []
    assert case["heads"] == [granted["_id"]]


def test_unknown_kinds_and_fields_pass_through() -> None:
    newer = agent(incarnation="2").write("celebrated", {"stars": 5}, [RECEIVED])
    newer = rewritten(newer, signed_by=newer["key"], weather="雨")
    after = agent(incarnation="3").write("accepted", {"note": "x"}, [newer])
    case = read(RECEIVED, newer, after)
    assert case["quarantined"] == []
    assert case["order"] == [RECEIVED["_id"], newer["_id"], after["_id"]]
    assert case["state"] == "accepted"


def test_events_of_two_cases_and_no_events_are_our_own_mistake() -> None:
    other = agent(case=f"{VILLAGE}-20260916-0008-AAAAA").write("received", intake_data())
    with pytest.raises(ValueError, match="exactly one case"):
        read(RECEIVED, other)
    with pytest.raises(ValueError, match="exactly one case"):
        read()


def test_the_arithmetic_of_an_event_is_asked_once_for_each() -> None:
    asked: list[str] = []
    village = agent()
    received = village.write("received", intake_data())
    events = [received, village.write("accepted", {}, [received])]
    fold([*events, *events], register(), CALENDAR, holds=lambda event, _key: asked.append(event["_id"]) is None)
    assert sorted(asked) == sorted(event["_id"] for event in events)


def test_reading_a_case_changes_none_of_its_events() -> None:
    village = agent()
    received = village.write("received", intake_data())
    changed = window(now=at(5)).write("field_corrected", {"path": "form.reason", "value": "新"}, [received])
    before = (repr(received), repr(changed))
    case = read(received, changed)
    case["fields"]["form"]["reason"] = "页面上改的"
    case["order"].clear()
    assert (repr(received), repr(changed)) == before
