"""A case on a flow of its own: from a correction over steps and stops to its filing, and what is refused on the way."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from casework.canonical import Document
from casework.case import Case
from casework.kinds import KINDS
from casework.rights import Refusal, may
from tests.casework.county import (
    ADMIN,
    COUNTY,
    NUMBER,
    OTHER_TOWNSHIP,
    STRANGER,
    TOWNSHIP,
    VILLAGE,
    WINDOW,
    Pen,
    agent,
    intake_data,
    item,
    read,
    reasons,
    register,
    reviewer,
    window,
)

OF = item(level="township", flow=True, days=15)


def day(number: int, month: int = 9) -> datetime:
    """Nine in the morning in China."""
    return datetime(2026, month, number, 1, tzinfo=UTC)


class Life:
    """Everybody at one table: each act is written on all that came before."""

    def __init__(self, of: Document = OF) -> None:
        self.village, self.township = agent(), window()
        self.cohandler = Pen(COUNTY, STRANGER, incarnation="co")
        self.events = [self.village.write("received", intake_data(of))]

    def act(self, pen: Pen, kind: str, data: dict[str, Any] | None = None, on: datetime | None = None) -> Document:
        pen.now = on or max(other.now for other in (self.village, self.township, self.cohandler))
        event = pen.write(kind, data or {}, self.case["heads"])
        self.events.append(event)
        return event

    @property
    def case(self) -> Case:
        return read(*self.events)

    def asked(self, kind: str, data: dict[str, Any] | None = None, *, role: str = "township") -> Refusal | None:
        station, kind_of_station = (TOWNSHIP, "township") if role != "agent" else (VILLAGE, "village")
        return may(kind, role, kind_of_station, self.case, station=station, register=register(), data=data or {})


def accepted() -> Life:
    life = Life()
    life.act(life.township, "accepted", on=day(16))
    return life


def done(step: str, **more: str) -> dict[str, Any]:
    return {"step": step, "result": "passed", **more}


def test_from_intake_to_filing() -> None:
    life = Life()
    refusal = life.asked("accepted", role="agent")
    assert refusal is not None
    assert refusal.sentence == "这个事项由乡镇受理，不由您受理。收了件会自动送到那里。"
    asked = life.act(
        life.township,
        "correction_requested",
        {"points": [{"text": "补一份户口簿", "material": "m02"}], "days": 15},
        on=day(17),
    )
    assert (life.case["state"], life.case["deadlines"]["stopped_since"]) == ("correction", "2026-09-17")
    assert KINDS["corrected"].problems(life.case, {}) != {}, "the material has not come"
    life.act(life.village, "material_added", {"material": "m02", "state": "received"}, on=day(21))
    assert KINDS["corrected"].problems(life.case, {}) == {}
    life.act(life.village, "corrected")
    assert life.case["corrections"][0]["event"] == asked["_id"]
    assert life.case["corrections"][0]["answered"] is not None
    assert life.case["deadlines"]["answer_by"] == "2026-09-29", "five working days anew, over the autumn holidays"

    life.act(life.township, "accepted", on=day(22))
    assert life.case["deadlines"]["due_on"] == "2026-10-20"
    life.act(life.township, "step_started", {"step": "visit"}, on=day(23))
    assert (life.case["deadlines"]["due_on"], life.case["deadlines"]["left"]) == (None, {"n": 14, "unit": "工作日"})
    life.act(life.township, "step_done", done("visit"), on=day(28))
    # 24 and 28 September were not counted; 25 to 27 are holidays.
    assert life.case["deadlines"]["due_on"] == "2026-10-22"
    assert [(step["id"], step["state"]) for step in life.case["steps"]] == [
        ("visit", "done"),
        ("notice", "ready"),
        ("land", "ready"),
        ("moved", "not_applicable"),
    ]
    refusal = life.asked("decided", {"outcome": "granted"})
    assert refusal is not None
    assert refusal.sentence == "还有环节没办完：“村内公示”、“自然资源部门会审”。办完再准予。"
    assert life.asked("decided", {"outcome": "refused", "reason": "占了基本农田"}) is None

    life.act(life.cohandler, "step_done", done("land"), on=day(29))
    life.act(life.township, "step_skipped", {"step": "notice", "reason": "原址翻建"})
    life.act(life.township, "decided", {"outcome": "granted", "conditions": "按图放线"}, on=day(30))
    life.act(life.township, "closed")
    life.act(life.village, "delivered", {"to": {"who": "applicant", "name": "张某某"}, "proof": "signature"})
    life.act(life.township, "filed", {"volume": "2026-001", "retention": "permanent"})
    life.act(life.village, "rated", {"level": 1})
    case = life.case
    assert (case["state"], case["quarantined"], case["contested"]) == ("filed", [], [])
    assert case["decision"] is not None
    assert case["decision"]["conditions"] == "按图放线"
    assert case["delivery"] is not None
    assert case["delivery"]["to"]["name"] == "张某某"
    assert case["filing"] is not None
    assert case["rating"] is not None


def test_a_second_request_for_correction_is_refused() -> None:
    life = Life()
    life.act(life.township, "correction_requested", {"points": [{"text": "补一份户口簿"}]})
    life.act(life.village, "corrected", {"note": "补了"})
    refusal = life.asked("correction_requested")
    assert refusal is not None
    assert "只能要求一次" in refusal.sentence


def test_two_suspensions_end_for_what_their_end_had_seen() -> None:
    life = accepted()
    base = life.case["heads"]
    first = life.township.write("suspended", {"procedure": "hearing", "reason": "听证"}, base)
    head = Pen(TOWNSHIP, {**WINDOW, "account": "li", "role": "head"}, incarnation="h")
    head.now = life.township.now
    second = head.write("suspended", {"procedure": "testing", "reason": "鉴定"}, base)
    resumed = life.township.write("resumed", {"note": "开完了"}, [first])
    case = read(*life.events, first, second, resumed)
    assert case["state"] == "suspended"
    assert [one["resumed"] is not None for one in case["suspensions"]] == [True, False]
    over = head.write("resumed", {}, [second, resumed])
    assert read(*life.events, first, second, resumed, over)["state"] == "accepted"


def test_an_extension_adds_days_once_and_has_its_limit() -> None:
    life = accepted()
    before = life.case["deadlines"]["due_on"]
    assert before is not None
    refusal = life.asked("extended", {"days": 11})
    assert refusal is not None
    assert "最多延长 10" in refusal.sentence
    life.act(life.township, "extended", {"days": 5, "reason": "复杂", "approved_by": "刘某某"})
    after = life.case["deadlines"]["due_on"]
    assert after is not None
    assert after > before
    assert life.asked("extended", {"days": 1}) is not None


@pytest.mark.parametrize(
    ("until", "before", "after"), [("step:visit", True, False), ("decided", True, True), ("accepted", False, False)]
)
def test_a_withdrawal_is_possible_until_the_step_that_the_item_names(until: str, before: bool, after: bool) -> None:
    life = Life(item(level="township", flow=True, withdraw_until=until))
    life.act(life.township, "accepted")
    assert (life.asked("withdrawn", role="agent") is None) == before
    life.act(life.township, "step_started", {"step": "visit"})
    assert (life.asked("withdrawn", role="agent") is None) == after


def test_a_step_is_its_handlers_alone() -> None:
    life = accepted()
    life.act(life.township, "step_done", done("visit"))
    ours, theirs = {"step": "notice"}, {"step": "land"}
    assert life.asked("step_done", ours, role="agent") is None
    assert life.asked("step_done", theirs, role="agent") is not None
    assert life.asked("step_done", theirs) is not None, "the county's department does it"
    for department, right in (("残联", True), ("民政", False)):
        refusal = may(
            "step_done",
            "reviewer",
            "county",
            life.case,
            station=COUNTY,
            register=register(),
            department=department,
            data=theirs,
        )
        assert (refusal is None) == right
    assert {"kind": "department", "value": "残联"} in life.case["parts"]


def test_a_wrong_decision_is_corrected_in_words_and_revoked_by_who_made_it() -> None:
    life = Life(item(level="township"))
    life.act(life.township, "decided", {"outcome": "granted", "certificate": "兹证明王某某"})
    life.act(life.township, "decision_corrected", {"said": "写错姓", "certificate": "兹证明张某某"})
    assert life.case["decision"] is not None
    assert life.case["decision"]["certificate"] == "兹证明张某某"
    assert life.asked("decision_revoked", role="agent") is not None
    life.act(life.township, "decision_revoked", {"reason": "材料是假的"})
    case = life.case
    assert case["state"] == "revoked"
    assert case["decision"] is not None
    assert case["decision"]["revoked"] is not None
    life.act(life.township, "decided", {"outcome": "refused", "reason": "材料是假的"})
    assert life.case["decision"] is not None
    assert life.case["decision"]["outcome"] == "refused"


def test_a_case_that_was_taken_in_wrongly_is_voided_and_names_the_right_one() -> None:
    life = Life(item(level="township"))
    right = f"{VILLAGE}-20260916-0008-AAAAA"
    assert KINDS["voided"].problems(life.case, {"reason": "收错了人", "instead": NUMBER}) != {}
    life.act(life.village, "voided", {"reason": "收错了人", "instead": right})
    assert life.case["ended"] is not None
    assert life.case["ended"]["instead"] == right


def test_a_forwarded_case_is_decided_by_its_new_township() -> None:
    life = Life(item(level="township"))
    life.act(life.township, "forwarded", {"to_station": OTHER_TOWNSHIP, "reason": "户籍不在本镇"})
    assert life.case["handler"] == OTHER_TOWNSHIP
    assert life.asked("decided", {"outcome": "granted"}) is not None
    other = may(
        "decided",
        "township",
        "township",
        life.case,
        station=OTHER_TOWNSHIP,
        register=register(),
        data={"outcome": "granted"},
    )
    assert other is None


def test_papers_are_where_they_were_last_handed_to() -> None:
    life = Life(item(level="township"))
    given = life.act(life.village, "handed_over", {"slip": "LZ-1", "to": "河口镇", "papers": ["m01", "m02"]})
    assert life.case["papers_at"] == "在路上，交给河口镇"
    life.act(life.township, "taken_over", {"handover": given["_id"], "at": "河口镇", "missing": ["m02"]})
    case = life.case
    assert case["papers_at"] == "河口镇"
    assert case["handovers"][0]["taken"] is not None
    assert case["handovers"][0]["taken"]["missing"] == ["m02"]
    assert KINDS["taken_over"].problems(case, {"handover": given["_id"], "at": "河口镇"}) != {}


def test_the_county_lets_a_record_count_that_was_kept_aside_and_never_one_that_was_altered() -> None:
    village, admin = agent(), Pen(COUNTY, ADMIN, incarnation="adm")
    received = village.write("received", intake_data())
    wrong = village.write("decided", {"outcome": "granted"}, [received])
    assert reasons(read(received, wrong)) == {wrong["_id"]: "not_entitled"}
    let = admin.write("admitted", {"event": wrong["_id"], "reason": "电话核实"}, [received])
    case = read(received, wrong, let)
    assert (case["state"], case["quarantined"]) == ("decided", [])
    assert case["admitted"][0]["admits"] == wrong["_id"]

    altered = {**wrong, "data": {"outcome": "refused", "reason": "改过"}}
    assert reasons(read(received, altered, let)) == {wrong["_id"]: "hash"}
    assert KINDS["admitted"].problems(read(received, altered), {"event": wrong["_id"], "reason": "核实"}) != {}
    by_reviewer = reviewer().write("admitted", {"event": wrong["_id"], "reason": "核实"}, [received])
    assert set(reasons(read(received, wrong, by_reviewer))) == {wrong["_id"], by_reviewer["_id"]}


def test_a_record_that_does_not_count_tells_which_one_does_it_anew() -> None:
    village, county = agent(), reviewer()
    received = village.write("received", intake_data())
    wrong = village.write("decided", {"outcome": "granted"}, [received])
    right = county.write("decided", {"outcome": "granted", "repairs": wrong["_id"]}, [received])
    assert read(received, wrong, right)["quarantined"][0]["repaired"] == right["_id"]


def test_what_was_written_down_on_paper_counts_from_when_it_happened() -> None:
    village = agent()
    received = village.write("received", intake_data(happened_at="2026-09-14T02:00:00.000Z"))
    taken = village.write("accepted", {"happened_at": "2026-09-14T02:10:00.000Z"}, [received])
    deadlines = read(received, taken)["deadlines"]
    assert (deadlines["received_on"], deadlines["accepted_on"]) == ("2026-09-14", "2026-09-14")
    later = village.write("accepted", {"happened_at": "2027-01-01T00:00:00.000Z"}, [received])
    assert read(received, later)["deadlines"]["accepted_on"] == "2026-09-16", "nothing happens after it was entered"
