"""The sample county's data hangs together, and is what a real county's file would have to be."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import date
from itertools import product
from typing import Any

import pytest

from casework import schemas
from casework.documents import item as items
from casework.forms import check_conditions, validate_form, validate_intake
from provisioning import sample_county

CATALOGUE = sample_county.load("items")
FORMS: dict[str, dict[str, Any]] = CATALOGUE["forms"]
ITEMS: list[dict[str, Any]] = CATALOGUE["items"]
STATIONS = {station["code"]: station for station in sample_county.load("stations")}
ACCOUNTS = sample_county.load("accounts")
DEPARTMENTS = {department["name"]: department for department in sample_county.load("departments")}
DEMO = sample_county.load("demo")


def whole(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "form": FORMS[item["form"]]}


def required(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every required property, those of objects and of table rows too."""
    for name in schema.get("required", ()):
        yield f"{path}.{name}", schema["properties"][name]
    for name, inner in schema.get("properties", {}).items():
        nested = inner.get("items", inner) if inner.get("type") == "array" else inner
        if "properties" in nested:
            yield from required(nested, f"{path}.{name}")


def first_examples(schema: dict[str, Any]) -> dict[str, Any]:
    return {
        name: first_examples(schema["properties"][name])
        if "properties" in schema["properties"][name]
        else schema["properties"][name]["examples"][0]
        for name in schema.get("required", ())
    }


def test_there_are_140_items_with_codes_and_names_of_their_own() -> None:
    assert len(ITEMS) == 140
    assert len({item["code"] for item in ITEMS}) == 140
    assert len({item["name"] for item in ITEMS}) == 140


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item["code"])
def test_an_item_is_one_that_casework_accepts(item: dict[str, Any]) -> None:
    assert schemas.problems(items.CONTENT_SCHEMA, whole(item)) == {}
    assert check_conditions(whole(item)) == {}


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item["code"])
def test_a_code_follows_the_county_s_rule(item: dict[str, Any]) -> None:
    expected = rf"60010100{item['department_letters']}-{item['type_letters']}-\d{{4}}"
    assert re.fullmatch(expected, item["code"])
    assert DEPARTMENTS[item["department"]]["letters"] == item["department_letters"]


def test_serials_run_from_one_for_each_department_and_type() -> None:
    serials: dict[str, list[int]] = {}
    for item in ITEMS:
        serials.setdefault(item["code"][:-4], []).append(int(item["code"][-4:]))
    assert all(sorted(found) == list(range(1, len(found) + 1)) for found in serials.values())


def test_83_items_are_decided_below_the_county() -> None:
    levels = Counter(item["decides"]["level"] for item in ITEMS)
    assert levels["township"] + levels["village"] == 83
    assert levels["county"] == 57


def test_the_minimum_living_allowance_is_decided_by_the_civil_affairs_department() -> None:
    (item,) = [item for item in ITEMS if item["name"] == "最低生活保障对象认定与保障金给付"]
    assert item["decides"] == {"level": "county", "department": "民政", "office": "县民政局"}
    assert FORMS[item["form"]]["title"] == "最低生活保障申请表"


@pytest.mark.parametrize("item", ITEMS, ids=lambda item: item["code"])
def test_a_guide_answers_what_is_asked_at_the_counter(item: dict[str, Any]) -> None:
    assert len(item["also_called"]) >= 5
    assert len(set(item["also_called"])) == len(item["also_called"])
    assert item["conditions"]
    assert item["steps"]
    assert item["where"]
    assert item["faq"]
    assert item["fee"]["text"]
    assert item["phones"]["enquiry"] != item["phones"]["complaint"]
    assert item["provenance"]
    assert [material["id"] for material in item["materials"]] == [
        f"m{place:02d}" for place in range(1, len(item["materials"]) + 1)
    ]


def test_at_least_four_items_have_forms_of_their_own_and_no_form_is_idle() -> None:
    used = Counter(item["form"] for item in ITEMS)
    assert set(used) == set(FORMS)
    assert len([name for name in used if name != "plain"]) >= 4


@pytest.mark.parametrize("name", FORMS)
def test_a_form_can_be_shown_and_filled_in(name: str) -> None:
    form = FORMS[name]
    assert schemas.schema_errors(form) == []
    text = str(form)
    assert not [word for word in ("'$ref'", "'allOf'", "'if'", "'then'") if word in text]
    for path, inner in required(form, name):
        assert inner.get("title") or "properties" in inner, path
        assert inner.get("examples") or "properties" in inner, path
        assert re.fullmatch(r"[a-z][a-z0-9_]*", path.rpartition(".")[2]), path


@pytest.mark.parametrize("name", FORMS)
def test_the_first_examples_pass_together(name: str) -> None:
    assert validate_form(FORMS[name], first_examples(FORMS[name])) == {}


def test_a_household_that_does_not_add_up_is_said_over_the_field() -> None:
    form = FORMS["minimum-living"]
    filled = {**first_examples(form), "household_size": 4}
    problems = validate_form(form, filled)
    assert set(problems) == {"household_size"}
    assert "4" in problems["household_size"]
    assert "3" in problems["household_size"]


def test_a_house_larger_than_its_land_is_said_over_the_field() -> None:
    form = FORMS["homestead"]
    filled = {**first_examples(form), "building_area": 121, "land_area": 120}
    assert set(validate_form(form, filled)) == {"building_area"}


SITUATED = [item for item in ITEMS if item.get("situations")]


@pytest.mark.parametrize("item", SITUATED, ids=lambda item: item["code"])
def test_every_situation_can_be_filled_in_with_the_examples(item: dict[str, Any]) -> None:
    applicant = {"name": "张某某", "id_type": "居民身份证", "id_number": "600000196001010016", "phone": "13000000001"}
    asked = [question["id"] for question in item["situations"]]
    for answers in product(*([option["id"] for option in q["options"]] for q in item["situations"])):
        intake = {
            "item": item["code"],
            "applicant": applicant,
            "situation": dict(zip(asked, answers, strict=True)),
            "form": first_examples(FORMS[item["form"]]),
        }
        assert validate_intake(whole(item), intake, today=date(2026, 9, 16))[0] == {}, answers


def test_everyday_items_ask_for_the_situation() -> None:
    assert "农村村民宅基地审批" in [item["name"] for item in SITUATED]
    assert len(SITUATED) >= 4
    assert any("when" in material for item in SITUATED for material in item["materials"])


def test_the_county_has_two_townships_and_at_least_five_villages() -> None:
    kinds = Counter(station["kind"] for station in STATIONS.values())
    assert kinds["county"] == 1
    assert kinds["township"] == 2
    assert kinds["village"] >= 5


def test_every_station_has_its_parent_one_level_up() -> None:
    above = {"village": "township", "township": "county"}
    for station in STATIONS.values():
        assert re.fullmatch(r"600101\d{6}", station["code"])
        if station["kind"] == "county":
            assert station["parent"] is None
        else:
            assert STATIONS[station["parent"]]["kind"] == above[station["kind"]]


def test_every_account_works_at_a_station_in_a_role_that_belongs_there() -> None:
    county = {"reviewer", "approver", "staffing", "service", "admin"}
    roles = {"county": county, "township": {"township", "agent", "head"}, "village": {"agent"}}
    assert len({account["username"] for account in ACCOUNTS}) == len(ACCOUNTS)
    for account in ACCOUNTS:
        kind = STATIONS[account["station"]]["kind"]
        assert set(account["roles"]) <= roles[kind]
        assert "password" not in account
        if {"reviewer", "approver"} & set(account["roles"]):
            assert account["department"] in DEPARTMENTS


def test_every_body_that_approves_items_has_somebody_and_the_departments_somebody_besides_the_drafter() -> None:
    speaking = {(account["roles"][0], account["department"]) for account in ACCOUNTS}
    assert {("approver", "民政"), ("approver", "残联"), ("staffing", None), ("service", None)} <= speaking


def test_every_department_that_decides_at_the_county_has_a_reviewer_civil_affairs_first() -> None:
    reviewers = [account["department"] for account in ACCOUNTS if account["roles"] == ["reviewer"]]
    deciding = {item["decides"]["department"] for item in ITEMS if item["decides"]["level"] == "county"}
    assert reviewers[0] == "民政"
    assert set(reviewers) == deciding


def test_the_demo_runs_a_township_with_two_of_its_villages_and_everybody_in_them() -> None:
    assert STATIONS[DEMO["township"]]["kind"] == "township"
    assert len(DEMO["villages"]) == 2
    for village in DEMO["villages"]:
        assert STATIONS[village]["parent"] == DEMO["township"]
    at = Counter((account["station"], role) for account in ACCOUNTS for role in account["roles"])
    assert at[DEMO["township"], "township"] == at[DEMO["township"], "agent"] == 1
    assert all(at[village, "agent"] == 1 for village in DEMO["villages"])
    assert at[DEMO["county"], "admin"] == 1
