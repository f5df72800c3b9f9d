"""Two people act on one case on two sides of a cut line: nothing is lost, both sides are shown, one person settles."""

from __future__ import annotations

from typing import Any

import pytest

from tests.patience import until
from tests.stories.county import Account, DemoCounty
from tests.stories.test_first_light import item_called, take_in

pytestmark = [pytest.mark.processes]


def test_a_withdrawal_meets_a_decision_and_two_phone_numbers_meet(healed: DemoCounty) -> None:
    village = healed.sign_in(healed.station("village"), "agent")
    reviewer = healed.sign_in(healed.layout["county"], "reviewer")
    number = take_in(village, item_called(village, "低保"))["number"]
    until(lambda: village.get(f"cases/{number}")["held_by_county_at"], "the county holds the case")

    healed.line("cut")
    act(village, number, "field_corrected", {"path": "applicant.phone", "value": "13000000011"})
    act(village, number, "withdrawn", {"reason": "家里情况变了，不办了"})
    act(reviewer, number, "field_corrected", {"path": "applicant.phone", "value": "13000000022"})
    act(reviewer, number, "decided", {"outcome": "granted", "reason": "符合条件"})
    assert reviewer.get("contested")["results"] == [], "the county knows of one side only"
    healed.line("heal")

    until(lambda: topics(village, number) == {"outcome", "fields.applicant.phone"}, "the village sees both points")
    until(lambda: topics(reviewer, number) == {"outcome", "fields.applicant.phone"}, "and so does the county")
    assert village.get(f"cases/{number}")["contested"] == reviewer.get(f"cases/{number}")["contested"]

    outcome = point(reviewer, number, "outcome")
    assert {side["value"] for side in outcome["sides"]} == {"granted", "withdrawn"}
    assert reviewer.get(f"cases/{number}")["state"] == "decided", "the decision holds for now"
    withdrawal = next(side["event"] for side in outcome["sides"] if side["kind"] == "withdrawn")
    # Whose decision it is, settles it.
    village.post(f"contested/{outcome['id']}/settle", {"value": withdrawal, "reason": "我说了算"}, expect=403)
    said = {"value": withdrawal, "reason": "办事人先撤回了"}
    reviewer.post(f"contested/{outcome['id']}/settle", {**said, "reason": " "}, expect=422)
    reviewer.post("contested/00/settle", said, expect=404)
    settled = reviewer.post(f"contested/{outcome['id']}/settle", said)
    assert settled["state"] == "withdrawn"
    phone = point(village, number, "fields.applicant.phone")
    village.post(f"contested/{phone['id']}/settle", {"value": "13000000033", "reason": "当面又问了一遍"})

    for account in (village, reviewer):
        until(lambda: topics(account, number) == set(), "both sides see it settled")  # noqa: B023
        case = account.get(f"cases/{number}")
        assert case["state"] == "withdrawn"
        assert case["current"]["fields"]["applicant"]["phone"] == "13000000033"
        kinds = [event["kind"] for event in case["events"]]
        assert kinds.count("field_corrected") == 2, "what both sides entered is still there"
        assert {"withdrawn", "decided"} <= set(kinds)
    assert village.get(f"cases/{number}")["current"] == reviewer.get(f"cases/{number}")["current"]


def act(account: Account, number: str, kind: str, data: dict[str, Any]) -> None:
    account.post(f"cases/{number}/events", {"kind": kind, "data": data})


def topics(account: Account, number: str) -> set[str]:
    return {row["topic"] for row in account.get("contested")["results"] if row["number"] == number}


def point(account: Account, number: str, topic: str) -> dict[str, Any]:
    rows = account.get("contested")["results"]
    return next(row for row in rows if (row["number"], row["topic"]) == (number, topic))
