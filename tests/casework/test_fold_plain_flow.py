"""A case through the plain flow: received, accepted, decided or withdrawn."""

from __future__ import annotations

import pytest

from tests.casework.county import (
    REVIEWER,
    agent,
    intake_data,
    item,
    read,
    reviewer,
)


def test_a_village_takes_in_and_the_county_grants() -> None:
    village, county = agent(), reviewer()
    received = village.write("received", intake_data())
    accepted = village.write("accepted", {}, [received])
    granted = county.write("decided", {"outcome": "granted", "reason": "符合条件"}, [accepted])
    case = read(granted, received, accepted)
    assert case["state"] == "decided"
    assert case["decision"] is not None
    assert case["decision"]["outcome"] == "granted"
    assert case["decision"]["reason"] == "符合条件"
    assert case["decision"]["by"] == REVIEWER
    assert case["decision"]["event"] == granted["_id"]
    assert case["item"] == item()["terms"]
    assert case["fields"]["applicant"]["name"] == "张某某"
    assert case["order"] == [received["_id"], accepted["_id"], granted["_id"]]
    assert case["heads"] == [granted["_id"]]
    assert case["contested"] == []
    assert case["quarantined"] == []
    assert case["deadlines"] == {
        "received_at": "2026-09-16T01:21:01.000Z",
        "received_on": "2026-09-16",
        "accepted_at": "2026-09-16T01:21:02.000Z",
        "accepted_on": "2026-09-16",
        "corrected_on": None,
        "answer_by": "2026-09-22",
        "answer_provisional": False,
        "due_on": "2026-10-20",  # mid-autumn and the national holidays lie between
        "provisional": False,
        "legal_on": case["deadlines"]["legal_on"],
        "legal_provisional": False,
        "stops": [],
        "stopped_since": None,
        "left": None,
    }
    assert case["deadlines"]["legal_on"] > "2026-10-20"


@pytest.mark.parametrize("kind", ["decided", "withdrawn"])
def test_right_after_intake_it_can_be_decided_or_withdrawn(kind: str) -> None:
    received = agent().write("received", intake_data())
    if kind == "decided":
        last = reviewer().write("decided", {"outcome": "refused", "reason": "收入超过标准"}, [received])
    else:
        last = agent(incarnation="x").write("withdrawn", {"reason": "不办了"}, [received])
    case = read(received, last)
    assert case["state"] == kind
    assert case["quarantined"] == []
