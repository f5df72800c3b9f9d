"""What applies by 情形: fields and materials that do not are neither asked for nor kept; what `received` carries."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from casework.forms import (
    check_conditions,
    check_happened_at,
    kept_form,
    received_materials,
    validate_form,
    validate_intake,
)
from casework.kinds import KINDS
from tests.casework.county import NUMBER, agent, at, intake_data, item_content, read, reasons

TODAY = date(2026, 9, 16)
NOW = datetime(2026, 9, 16, 1, 21, tzinfo=UTC)

FORM: dict[str, Any] = {
    "type": "object",
    "title": "建房申请",
    "additionalProperties": False,
    "required": ["area", "old_area", "land_kind"],
    "properties": {
        "area": {"title": "面积", "type": "integer", "examples": [90]},
        "land_kind": {"title": "占用的地", "type": "string", "enum": ["建设用地", "农用地"], "examples": ["建设用地"]},
        "permit": {
            "title": "转用批文",
            "type": "string",
            "examples": ["〔2026〕1 号"],
            "x-when": {"form.land_kind": ["农用地"]},
        },
        "permit_on": {
            "title": "批文日期",
            "type": "string",
            "x-check": "date",
            "examples": ["2026-01-01"],
            "x-when": {"form.permit": ["〔2026〕1 号"]},
        },
        "old_area": {
            "title": "旧宅面积",
            "type": "integer",
            "examples": [120],
            "x-when": {"situation.how": ["rebuild", "move"]},
        },
        "since": {"title": "起", "type": "string", "x-check": "date"},
        "until": {"title": "止", "type": "string", "x-check": "date"},
        "members": {
            "title": "成员",
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"title": "姓名", "type": "string"},
                    "id_number": {"title": "证件号码", "type": "string"},
                    "old_share": {"title": "旧宅份额", "type": "integer", "x-when": {"situation.how": ["move"]}},
                },
            },
        },
    },
    "x-rules": [
        {"rule": "date-order", "field": "until", "other": "since", "message": "止期 {field} 早于起期 {other}"},
        {
            "rule": "required-when",
            "field": "permit",
            "other": "land_kind",
            "values": ["农用地"],
            "message": "占用{other}的，要填转用批文",
        },
        {
            "rule": "unique-in-list",
            "list": "members",
            "field": "id_number",
            "message": "第 {list} 人和第 {other} 人的号码都是 {field}",
        },
    ],
}
SITUATIONS = [
    {
        "id": "how",
        "title": "怎么建",
        "options": [
            {"id": "new", "title": "新建"},
            {"id": "rebuild", "title": "翻建"},
            {"id": "move", "title": "搬迁"},
        ],
    }
]
PLAIN_MATERIAL = item_content()["materials"][0]
BUILDING = item_content(
    form=FORM,
    situations=SITUATIONS,
    materials=[
        PLAIN_MATERIAL,
        {**PLAIN_MATERIAL, "id": "m02", "name": "旧宅证明", "when": {"situation.how": ["rebuild", "move"]}},
        {**PLAIN_MATERIAL, "id": "m03", "name": "委托书", "when": {"people.present.role": ["proxy"]}},
    ],
)
APPLICANT = {"name": "张某某", "id_type": "居民身份证", "id_number": "600000196001010016", "phone": "13000000001"}


def intake(how: str | None = "new", **changes: Any) -> dict[str, Any]:
    said: dict[str, Any] = {
        "item": BUILDING["code"],
        "applicant": APPLICANT,
        "form": {"area": 90, "land_kind": "建设用地"},
        "materials": [{"id": "m01", "state": "received"}],
        **changes,
    }
    return said if how is None else {**said, "situation": {"how": how}}


def test_the_conditions_of_the_item_ask_for_what_is_there() -> None:
    assert check_conditions(BUILDING) == {}


def test_a_field_is_asked_for_only_in_its_situation() -> None:
    assert validate_intake(BUILDING, intake("new"), today=TODAY)[0] == {}
    assert "旧宅面积" in validate_intake(BUILDING, intake("rebuild"), today=TODAY)[0]["form.old_area"]
    filled = intake("rebuild", form={"area": 90, "land_kind": "建设用地", "old_area": 60})
    assert validate_intake(BUILDING, filled, today=TODAY)[0] == {}


def test_what_does_not_apply_is_not_kept_whoever_sends_it() -> None:
    form = {"area": 90, "land_kind": "建设用地", "old_area": 60, "permit": "〔2026〕1 号", "permit_on": "2026-01-01"}
    sent = intake("new", form=form | {"members": [{"name": "张某某", "old_share": 1}]})
    assert validate_intake(BUILDING, sent, today=TODAY)[0] == {}
    kept = kept_form(BUILDING, sent)
    assert kept == {"area": 90, "land_kind": "建设用地", "members": [{"name": "张某某"}]}, "and what hangs on it"
    on_farmland = {**sent, "form": {**form, "land_kind": "农用地"}}
    assert kept_form(BUILDING, on_farmland)["permit_on"] == "2026-01-01"


def test_a_field_that_no_form_has_is_refused_all_the_same() -> None:
    sent = intake("new", form={"area": 90, "land_kind": "建设用地", "else": 1})
    assert validate_intake(BUILDING, sent, today=TODAY)[0] == {"form.else": "没有这一栏。"}


@pytest.mark.parametrize(
    ("changes", "path", "sentence"),
    [
        ({"since": "2026-05-01", "until": "2026-04-30"}, "until", "止期 2026-04-30 早于起期 2026-05-01"),
        ({"land_kind": "农用地"}, "permit", "占用农用地的，要填转用批文"),
        (
            {"members": [{"id_number": "1x"}, {"id_number": ""}, {"id_number": "1X"}]},
            "members.2.id_number",
            "第 3 人和第 1 人的号码都是 1X",
        ),
    ],
)
def test_rules_between_fields_name_both_sides(changes: dict[str, Any], path: str, sentence: str) -> None:
    form = {"area": 90, "land_kind": "建设用地"}
    assert validate_form(FORM, {**form, **changes}) == {path: sentence}
    assert validate_form(FORM, {**form, "since": "2026-05-01", "until": "2026-05-01"}) == {}


def test_an_answer_that_is_none_of_the_options_is_refused() -> None:
    assert "新建、翻建、搬迁" in validate_intake(BUILDING, intake("burn"), today=TODAY)[0]["situation.how"]
    assert "situation.how" in validate_intake(BUILDING, intake(None, situation={}), today=TODAY)[0]
    assert (
        "situation.who" in validate_intake(BUILDING, intake(None, situation={"how": "new", "who": "x"}), today=TODAY)[0]
    )
    assert "situation" in validate_intake(BUILDING, intake(None, situation=["new"]), today=TODAY)[0]


def test_a_caller_that_knows_of_no_situations_is_only_warned() -> None:
    problems, warnings = validate_intake(BUILDING, intake(None), today=TODAY)
    assert problems == {}
    assert "怎么建" in warnings["situation"]


def test_materials_by_situation_and_by_who_came() -> None:
    def listed(facts: dict[str, Any]) -> list[str]:
        return [material["id"] for material in received_materials(BUILDING, [], facts)]

    assert listed({"situation": {"how": "new"}}) == ["m01"]
    assert listed({"situation": {"how": "move"}, "people": {"present": {"role": "proxy"}}}) == ["m01", "m02", "m03"]
    _, warnings = validate_intake(BUILDING, intake("move", form={"old_area": 1}, materials=[]), today=TODAY)
    assert "旧宅证明" in warnings["materials"]
    assert "旧宅证明" not in validate_intake(BUILDING, intake("new", materials=[]), today=TODAY)[1]["materials"]


def test_a_material_is_kept_with_what_goes_with_its_state() -> None:
    said = {"kind": "copy", "copies": 2, "later_on": "2026-09-30", "from_case": NUMBER}
    kept = {
        state: received_materials(BUILDING, [{"id": "m01", "state": state, **said}])[0]
        for state in ("received", "missing", "later")
    }
    assert kept["received"] == {"id": "m01", "name": "申请表", "state": "received", "kind": "copy", "copies": 2,
                                "from_case": NUMBER}  # fmt: skip
    assert kept["later"] == {"id": "m01", "name": "申请表", "state": "later", "later_on": "2026-09-30"}
    assert kept["missing"] == {"id": "m01", "name": "申请表", "state": "missing"}


@pytest.mark.parametrize(
    ("entry", "path"),
    [
        ({"kind": "fax"}, "materials.0.kind"),
        ({"copies": 0}, "materials.0.copies"),
        ({"copies": "2"}, "materials.0.copies"),
        ({"state": "later", "later_on": "月底"}, "materials.0.later_on"),
        ({"state": "later", "later_on": "2026-09-15"}, "materials.0.later_on"),
        ({"from_case": "上次"}, "materials.0.from_case"),
    ],
)
def test_each_fault_of_a_material_is_said_at_its_field(entry: dict[str, Any], path: str) -> None:
    sent = intake(materials=[{"id": "m01", "state": "received", **entry}])
    assert path in validate_intake(BUILDING, sent, today=TODAY)[0]


@pytest.mark.parametrize(
    ("when", "place"),
    [
        ({"situation.who": ["x"]}, "materials.0.when"),
        ({"situation.how": ["burn"]}, "materials.0.when"),
        ({"form.colour": ["红"]}, "materials.0.when"),
        ({"weather": ["rain"]}, "materials.0.when"),
        ({"situation.how": []}, "materials.0.when"),
        (["how"], "materials.0.when"),
    ],
)
def test_a_condition_that_could_never_hold_is_found_before_publishing(when: Any, place: str) -> None:
    material = {**PLAIN_MATERIAL, "when": when}
    assert place in check_conditions({**BUILDING, "materials": [material]})
    form = {**FORM, "properties": {**FORM["properties"], "area": {"type": "integer", "x-when": when}}}
    assert "form.area.x-when" in check_conditions({**BUILDING, "form": form})


def test_a_case_on_paper_was_taken_in_before_now_and_not_long_ago() -> None:
    assert check_happened_at("2026-09-16T01:20:00Z", NOW) is None
    assert check_happened_at("2026-07-19T01:21:00Z", NOW) is None
    for wrong, part in (
        ("2026-09-16T01:22:00Z", "还没有到"),
        ("2026-07-17T00:00:00Z", "60 天"),
        ("昨天", "例如"),
        ("2026-09-16", "例如"),
        (5, "例如"),
    ):
        assert part in str(check_happened_at(wrong, NOW)), wrong


# -- received -----------------------------------------------------------------------------------------------------


def test_people_and_situation_are_facts_of_the_case_and_its_deadline_runs_from_the_paper() -> None:
    people = {"present": {"role": "proxy"}, "proxy": {"name": "王某某", "agent": True}}
    data = intake_data(people=people, situation={"how": "new"}, happened_at="2026-09-14T02:00:00.000Z")
    data["materials"][0] |= {"state": "later", "later_on": "2026-09-30"}
    case = read(agent().write("received", data))
    assert reasons(case) == {}
    assert case["fields"]["people"] == people
    assert case["fields"]["situation"] == {"how": "new"}
    assert case["deadlines"]["received_at"] == "2026-09-14T02:00:00.000Z"
    assert case["deadlines"]["received_on"] == "2026-09-14"
    assert case["materials"][0]["later_on"] == "2026-09-30"


def test_an_event_from_before_these_were_asked_reads_as_it_did() -> None:
    case = read(agent().write("received", intake_data()))
    assert reasons(case) == {}
    assert set(case["fields"]) == {"applicant", "form", "channel"}
    assert case["deadlines"]["received_on"] == "2026-09-16"


def test_a_material_that_comes_later_says_how_and_is_no_longer_promised() -> None:
    pen = agent()
    data = intake_data()
    data["materials"][0] |= {"state": "later", "later_on": "2026-09-30"}
    received = pen.write("received", data)
    pen.now = at(60)
    came = pen.write(
        "material_added", {"material": "m01", "state": "received", "kind": "copy", "copies": 2}, [received]
    )
    material = read(received, came)["materials"][0]
    assert {name: value for name, value in material.items() if name != "files"} == {
        "id": "m01",
        "name": data["materials"][0]["name"],
        "state": "received",
        "kind": "copy",
        "copies": 2,
    }


@pytest.mark.parametrize(
    "change",
    [
        {"happened_at": "yesterday"},
        {"happened_at": "2026-02-30T00:00:00Z"},
        {"people": {"present": {"role": "neighbour"}}},
        {"situation": {"how": 1}},
        {"handled_by": "河口镇"},
    ],
)
def test_data_that_is_none_is_refused(change: dict[str, Any]) -> None:
    assert KINDS["received"].problems(None, intake_data(**change))
