"""Clocks that were wrong, deadlines that do not mind, and materials with their files."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations
from typing import Any

import pytest

from casework.calendar import Calendar
from casework.canonical import Document, canonical
from tests.casework.county import agent, at, intake_data, item, read, reviewer, window

DAY = 86_400_000


def corrected(events: list[Document], offset: int, seen: list[Document], **changes: Any) -> Document:
    data = {"events": [event["_id"] for event in events], "offset": offset, "how": "办事人确认日期"}
    return agent(**{"incarnation": "clock", **changes}).write("clock_corrected", data, seen)


def test_a_clock_in_1970_is_put_right_afterwards_and_nothing_is_rewritten() -> None:
    village = agent(now=datetime(1970, 1, 1, tzinfo=UTC))
    received = village.write("received", intake_data())
    accepted = village.write("accepted", {}, [received])
    wrong = read(received, accepted)
    assert wrong["deadlines"]["accepted_on"] == "1970-01-01"
    assert wrong["deadlines"]["provisional"]
    offset = 20_712 * DAY  # to 2026-09-16
    right = read(received, accepted, corrected([received, accepted], offset, [accepted]))
    assert right["deadlines"]["accepted_on"] == "2026-09-16"
    assert right["deadlines"]["due_on"] == "2026-10-20"
    assert right["quarantined"] == []


def test_the_offset_that_was_known_when_it_was_written_counts() -> None:
    ahead = agent(now=datetime(2029, 9, 16, 2, tzinfo=UTC), offset_ms=-1096 * DAY)
    case = read(ahead.write("received", intake_data()))
    assert case["deadlines"]["received_on"] == "2026-09-16"


def test_of_two_corrections_the_one_that_saw_the_other_counts_whatever_its_own_clock_says() -> None:
    received = agent().write("received", intake_data())
    first = corrected([received], 5 * DAY, [received], now=at(99))
    second = corrected([received], 9 * DAY, [first], incarnation="clock2", now=at(1))
    assert read(second, received, first)["deadlines"]["received_on"] == "2026-09-25"
    beside = corrected([received], 2 * DAY, [received], incarnation="clock3", now=at(200))
    for events in permutations([received, first, second, beside]):
        assert read(*events)["deadlines"]["received_on"] == "2026-09-18"


def test_a_correction_by_somebody_who_does_not_know_that_clock_changes_nothing() -> None:
    village = agent()
    received = village.write("received", intake_data())
    accepted = window().write("accepted", {}, [received])
    stranger = corrected([accepted], 9 * DAY, [accepted])
    case = read(received, accepted, stranger)
    assert case["deadlines"]["accepted_on"] == "2026-09-16"
    assert [entry["id"] for entry in case["quarantined"]] == [stranger["_id"]]


def test_a_corrected_time_decides_which_of_two_decisions_was_first() -> None:
    received = agent().write("received", intake_data())
    one = reviewer(now=at(10)).write("decided", {"outcome": "granted"}, [received])
    two = reviewer(incarnation="2", now=at(20)).write("decided", {"outcome": "refused", "reason": "x"}, [received])
    assert read(received, one, two)["contested"][0]["holds"] == one["_id"]
    data = {"events": [one["_id"]], "offset": DAY, "how": "核对"}
    late = reviewer(incarnation="3").write("clock_corrected", data, [one])
    assert read(received, one, two, late)["contested"][0]["holds"] == two["_id"]


@pytest.mark.parametrize(
    ("days", "due", "provisional"), [(-1, None, False), (0, "2026-09-16", False), (3, "2026-09-20", False)]
)
def test_a_promise_is_counted_from_acceptance(days: int, due: str | None, provisional: bool) -> None:
    village = agent()
    received = village.write("received", intake_data(item(days=days)))
    accepted = village.write("accepted", {}, [received])
    deadlines = read(received, accepted)["deadlines"]
    assert (deadlines["due_on"], deadlines["provisional"]) == (due, provisional)


def test_until_it_is_accepted_the_days_run_from_receipt_and_acceptance_replaces_that() -> None:
    received = agent().write("received", intake_data())
    assert read(received)["deadlines"]["due_on"] == "2026-10-20"
    accepted = window(now=at(24 * 60)).write("accepted", {}, [received])
    case = read(received, accepted)
    assert case["deadlines"]["received_on"] == "2026-09-16"
    assert case["deadlines"]["accepted_on"] == "2026-09-17"
    assert case["deadlines"]["due_on"] == "2026-10-21"


def test_an_evening_in_utc_is_the_next_day_in_china() -> None:
    received = agent(now=datetime(2026, 9, 16, 16, 30, tzinfo=UTC)).write("received", intake_data())
    deadlines = read(received)["deadlines"]
    assert deadlines["received_at"] == "2026-09-16T16:30:01.000Z"
    assert deadlines["received_on"] == "2026-09-17"


def test_without_its_calendar_a_deadline_is_provisional() -> None:
    received = agent().write("received", intake_data())
    deadlines = read(received, calendar=Calendar.of([]))["deadlines"]
    assert deadlines["provisional"]
    assert deadlines["due_on"] == "2026-10-14"


def photo(tail: str, name: str = "照片.jpg") -> dict[str, Any]:
    sha256 = tail * 64
    return {"id": sha256[:32], "name": name, "type": "image/jpeg", "size": 3, "sha256": sha256, "chunks": [sha256[:32]]}


def test_files_of_both_sides_are_kept_and_the_same_photo_once() -> None:
    received = agent().write("received", intake_data())
    one = agent(incarnation="2", now=at(10)).write(
        "material_added", {"material": "m01", "file": photo("a")}, [received]
    )
    two = window(now=at(5)).write("material_added", {"material": "m01", "file": photo("b")}, [received])
    again = window(incarnation="2", now=at(20)).write(
        "material_added", {"material": "m01", "file": photo("a", "x")}, [one]
    )
    case = read(again, one, received, two)
    material = case["materials"][0]
    assert material["state"] == "received"
    assert [(file["id"][0], file["event"]) for file in material["files"]] == [("b", two["_id"]), ("a", one["_id"])]
    assert [other["state"] for other in case["materials"][1:]] == ["missing", "missing"]
    for events in permutations([again, one, received, two]):
        assert canonical(dict(read(*events))) == canonical(dict(case))


def test_a_material_is_handed_in_later_without_a_file() -> None:
    received = agent().write("received", intake_data())
    later = agent(incarnation="2").write("material_added", {"material": "m02", "state": "later"}, [received])
    here = window().write("material_added", {"material": "m02", "state": "received"}, [later])
    extra = window(incarnation="2").write(
        "material_added", {"material": "x1", "name": "补充说明", "state": "received"}, [here]
    )
    case = read(received, later, here, extra)
    assert [(material["name"], material["state"]) for material in case["materials"]] == [
        ("申请表", "missing"),
        ("居民身份证", "received"),
        ("授权委托书", "missing"),
        ("补充说明", "received"),
    ]


def test_a_photo_taken_while_the_county_decided_is_not_lost() -> None:
    received = agent().write("received", intake_data())
    granted = reviewer(now=at(5)).write("decided", {"outcome": "granted"}, [received])
    added = agent(incarnation="2", now=at(9)).write(
        "material_added", {"material": "m01", "file": photo("a")}, [received]
    )
    case = read(received, granted, added)
    assert case["state"] == "decided"
    assert case["quarantined"] == case["contested"] == []
    assert len(case["materials"][0]["files"]) == 1
