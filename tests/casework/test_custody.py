"""Where papers are, by when they are handed in, and what the power of attorney says."""

from __future__ import annotations

from datetime import date, timedelta

from casework.agency import ENDED, HOLDS, LACKING, RUN_OUT, agency, power_until
from casework.custody import (
    HELD,
    MISSED,
    ON_THE_ROAD,
    answered_for,
    custody,
    hand_in_by,
    last_received,
    waits_for_hand_in,
)
from casework.numbers import scanned
from casework.papers import papers_of
from tests.casework.county import CALENDAR, TOWNSHIP, VILLAGE, agent, intake_data, read, window

TO = "河口镇便民服务中心"


def handed_in() -> dict[str, object]:
    """An intake with two papers on the desk."""
    materials = [{"id": one, "name": f"材料 {one}", "state": "received"} for one in papers()]
    return intake_data(materials=materials)


def papers() -> list[str]:
    return ["m01", "m02"]


def test_papers_stay_where_they_were_taken_in_until_a_slip_takes_them_along() -> None:
    pen = agent()
    received = pen.write("received", handed_in())
    assert {where.station for where in custody(read(received)).values()} == {VILLAGE}
    out = pen.write("handed_over", {"slip": "LZ-1", "to": TO, "papers": papers()[:1]}, seen=[received])
    case = read(received, out)
    assert custody(case)[papers()[0]].kind == ON_THE_ROAD
    assert papers()[0] not in answered_for(case, VILLAGE)


def test_what_a_taker_missed_is_again_for_the_sender_to_find() -> None:
    pen = agent()
    received = pen.write("received", handed_in())
    out = pen.write("handed_over", {"slip": "LZ-1", "to": TO, "papers": papers()}, seen=[received])
    lost = papers()[0]
    taken = window().write(
        "taken_over", {"handover": out["_id"], "at": TO, "missing": [lost], "extra": ["户口簿"]}, seen=[out]
    )
    case = read(received, out, taken)
    where = custody(case)
    assert (where[lost].kind, where[lost].station) == (MISSED, VILLAGE)
    assert (where["户口簿"].kind, where["户口簿"].station) == (HELD, TOWNSHIP)
    assert answered_for(case, VILLAGE) == [lost]
    assert lost not in answered_for(case, TOWNSHIP)


def test_papers_are_due_after_the_stations_own_days_and_a_week_at_most() -> None:
    case = read(agent().write("received", handed_in()))
    assert waits_for_hand_in(case) == case["deadlines"]["received_on"]
    received = date.fromisoformat(str(case["deadlines"]["received_on"]))
    assert hand_in_by(received, CALENDAR, 3).on == CALENDAR.add_working_days(received, 3).on
    slack = hand_in_by(received, CALENDAR, 30)
    assert slack.on == slack.at_most == CALENDAR.add_natural_days(received, 7).on


def test_what_was_received_up_to_a_day_is_due_and_nothing_later() -> None:
    # A Friday, and the eve of a week of holidays: four days of receipt are due on the first working day after it.
    for today in (date(2026, 9, 18), date(2026, 9, 30), date(2026, 10, 8)):
        last = last_received(today, lambda day: hand_in_by(day, CALENDAR, 3).on)
        assert hand_in_by(last, CALENDAR, 3).on <= today < hand_in_by(last + timedelta(days=1), CALENDAR, 3).on


def test_a_power_of_attorney_lacks_holds_and_runs_out() -> None:
    pen = agent()
    received = pen.write("received", handed_in())
    case = read(received)
    today = date(2026, 9, 20)
    assert agency(case, today) is None
    assert power_until(case) is None
    case["fields"]["people"] = {"proxy": {"name": "王某某", "agent": True}}
    lacking = agency(case, today)
    assert lacking is not None
    assert lacking.power == LACKING
    assert power_until(case) == ""
    power = {"name": "王某某", "matters": ["递材料"], "authority": "代为提交", "from": "2026-09-16",
             "until": "2026-09-20", "signed": "signature"}  # fmt: skip
    case = read(received, pen.write("proxy_appointed", power, seen=[received]))
    on_its_last_day, after = agency(case, today), agency(case, date(2026, 9, 21))
    assert on_its_last_day is not None
    assert on_its_last_day.power == HOLDS
    assert after is not None
    assert after.power == RUN_OUT
    assert power_until(case) == "2026-09-20"


def test_a_proxy_named_at_intake_ends_too() -> None:
    pen, today = agent(), date(2026, 9, 20)
    proxy = {"name": "王某某", "agent": True}
    received = pen.write("received", handed_in() | {"people": {"proxy": proxy}})
    ended = pen.write("proxy_ended", {"reason": "本人自己来办"}, seen=[received])
    case = read(received, ended)
    acting = agency(case, today)
    assert acting is not None
    assert (acting.name, acting.power) == ("王某某", ENDED)
    assert power_until(case) is None, "nobody has to see to it any more"
    assert "ending" in {offer.kind.code for offer in papers_of(case, [received, ended])}
    power = {"name": "李某某", "matters": ["递材料"], "authority": "代为提交", "from": "2026-09-16",
             "signed": "signature"}  # fmt: skip
    anew = pen.write("proxy_appointed", power, seen=[ended])
    acting = agency(read(received, ended, anew), today)
    assert acting is not None
    assert (acting.name, acting.power) == ("李某某", HOLDS)


def test_a_scanner_reads_a_slip_a_receipts_address_and_the_two_last_groups() -> None:
    number = f"{VILLAGE}-20260916-0007-AB0DE"
    assert scanned(f" lz-{number.lower()}\n") == f"LZ-{number}"
    assert scanned(f"http://127.0.0.1:8701/cases/{number}") == number
    assert scanned("OOO7-ABODE") == "0007-AB0DE"
    assert scanned("张秀英") == ""
