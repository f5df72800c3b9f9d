"""What keeps an intake from being saved, where it says so, and what is only worth a word."""

from __future__ import annotations

import copy
import json
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casework.canonical import canonical
from casework.form_rules import sum_of
from casework.forms import (
    first_examples,
    received_materials,
    validate_form,
    validate_intake,
)
from casework.people import tidy_person
from tests.casework.county import PLAIN_FORM, item, item_content

TODAY = date(2026, 9, 16)

HOUSEHOLD: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["household_size", "members"],
    "properties": {
        "household_size": {"title": "家庭人口", "type": "integer", "minimum": 1, "maximum": 30, "examples": [2]},
        "members": {
            "title": "家庭成员",
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["name", "monthly_income"],
                "properties": {
                    "name": {"title": "姓名", "type": "string", "x-check": "name"},
                    "id_number": {"title": "证件号码", "type": "string", "x-check": "id-number"},
                    "monthly_income": {"title": "月收入", "type": "integer", "x-check": "money"},
                },
            },
            "examples": [[{"name": "张某某", "monthly_income": 0}, {"name": "李某某", "monthly_income": 125000}]],
        },
        "income": {"title": "月收入合计", "type": "integer", "x-sum-of": "members.monthly_income"},
        "area": {"title": "占地", "type": "integer"},
        "plot": {"title": "宅基地", "type": "integer"},
        "since": {"title": "何时起", "type": "string", "x-check": "date"},
        "phone": {"title": "电话", "type": "string", "x-check": "phone"},
        "code": {"title": "信用代码", "type": "string", "x-check": "uscc"},
        "housing": {"title": "住房", "type": "string", "enum": ["自有", "租住"]},
        "remark": {"title": "备注", "type": "string", "maxLength": 5, "x-check": "of-a-newer-version"},
    },
    "x-rules": [
        {
            "rule": "count-equals",
            "field": "household_size",
            "list": "members",
            "message": "写了 {field} 人，表里有 {list} 人",
        },
        {"rule": "at-most", "field": "area", "other": "plot", "message": "{field} 比 {other} 还大"},
        {"rule": "of-a-newer-version", "field": "area"},
    ],
}
GOOD = first_examples(HOUSEHOLD)


def filled(**changes: Any) -> dict[str, Any]:
    return {**copy.deepcopy(GOOD), **changes}


def test_the_first_examples_pass() -> None:
    assert validate_form(HOUSEHOLD, GOOD) == {}


@pytest.mark.parametrize(
    ("changes", "path", "part"),
    [
        ({"household_size": 4}, "household_size", "写了 4 人，表里有 2 人"),
        ({"household_size": "2"}, "household_size", "整数"),
        ({"household_size": 2.0}, "household_size", "整数"),
        ({"household_size": True}, "household_size", "整数"),
        ({"household_size": 0}, "household_size", "不能小于 1"),
        ({"household_size": 2**60}, "household_size", "数字太大"),
        ({"members": []}, "members", "至少填 1 项"),
        ({"members": [{"monthly_income": 0}]}, "members.0.name", "请填写姓名"),
        ({"members": [{"name": "张", "monthly_income": -1}] * 2}, "members.0.monthly_income", "金额"),
        ({"members": [{"name": "张\u202e", "monthly_income": 1}] * 2}, "members.1.name", "看不见"),
        ({"members": [{"name": " ", "monthly_income": 1}] * 2}, "members.0.name", "请填写姓名"),
        (
            {"members": [{"name": "张", "monthly_income": 1, "id_number": "600000196001010017"}] * 2},
            "members.0.id_number",
            "最后一位对不上前 17 位",
        ),
        ({"income": 1}, "income", "合计应该是 125000"),
        ({"area": 5, "plot": 4}, "area", "5 比 4 还大"),
        ({"since": "2026-02-30"}, "since", "日期"),
        ({"since": "20260916"}, "since", "日期"),
        ({"phone": "1300"}, "phone", "11 位"),
        ({"code": "123"}, "code", "18 位"),
        ({"housing": "借住"}, "housing", "自有、租住"),
        ({"remark": "一二三四五六"}, "remark", "最多 5 个字，现在有 6 个"),
        ({"remark": "a\x00b"}, "remark", "看不见"),
        ({"remark": "\ud800"}, "remark", "看不见"),
        ({"remark": "长" * 5000}, "remark", "5000"),
        ({"extra": 1}, "extra", "没有这一栏"),
    ],
)
def test_each_fault_is_said_at_its_field(changes: dict[str, Any], path: str, part: str) -> None:
    assert part in validate_form(HOUSEHOLD, filled(**changes)).get(path, "nothing was said")


@pytest.mark.parametrize("value", [None, [], "form", 3])
def test_a_form_that_is_none_is_said_whole(value: object) -> None:
    assert list(validate_form(HOUSEHOLD, value)) == [""]


def test_right_answers_to_the_rules_between_fields_pass() -> None:
    assert validate_form(HOUSEHOLD, filled(income=125_000, area=4, plot=4, remark="好")) == {}
    assert sum_of(GOOD, "members.monthly_income") == 125_000
    assert sum_of({"members": [{}]}, "members.monthly_income") is None


def test_a_form_of_a_thousand_levels_is_refused_and_does_not_end_the_process() -> None:
    deep: Any = "x"
    for _ in range(1000):
        deep = {"a": deep}
    assert "太多" in validate_form(HOUSEHOLD, {"remark": deep})["remark"]
    wide = {f"f{position}": 1 for position in range(20_000)}
    assert any("太多" in sentence for sentence in validate_form(HOUSEHOLD, wide).values())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)


@given(JSON, st.sampled_from(["item", "applicant", "form", "materials", "whole"]))
def test_any_json_is_answered_and_what_passes_can_be_signed(value: Any, place: str) -> None:
    offered = value if place == "whole" else {**good(), place: value}
    problems, warnings = validate_intake(item(), offered, today=TODAY)
    assert all(isinstance(said, str) and said for said in (*problems.values(), *warnings.values()))
    if not problems:
        canonical(offered)


def good(**changes: Any) -> dict[str, Any]:
    intake: dict[str, Any] = {
        "item": item()["code"],
        "applicant": {
            "name": "张某某",
            "id_type": "居民身份证",
            "id_number": "600000196001010016",
            "phone": "130 0000 0001",
        },
        "form": {"reason": "因病申请"},
        "materials": [{"name": name, "state": "received"} for name in ("申请表", "居民身份证", "授权委托书")],
    }
    return {**intake, **changes}


def person(**changes: Any) -> dict[str, Any]:
    return good(applicant={**good()["applicant"], **changes})


def test_a_whole_intake_passes_without_a_word() -> None:
    assert validate_intake(item(), good(), today=TODAY) == ({}, {})


def test_what_is_missing_warns_and_does_not_refuse() -> None:
    problems, warnings = validate_intake(item(), good(materials=[]), today=TODAY)
    assert problems == {}
    assert "申请表、居民身份证" in warnings["materials"]
    assert "委托书" in warnings["materials.m03"]
    later = [{"name": "申请表", "state": "later"}, {"id": "m02", "state": "received"}]
    assert "materials" not in validate_intake(item(), good(materials=later), today=TODAY)[1]


@pytest.mark.parametrize(
    ("intake", "path"),
    [
        (person(id_number="600000196001010017"), "applicant.id_number"),
        (person(id_number=None), "applicant.id_number"),
        (person(id_number=600000196001010016), "applicant.id_number"),
        (person(id_type="身份卡"), "applicant.id_type"),
        (person(name="某" * 2000), "applicant.name"),
        (person(name=""), "applicant.name"),
        (person(name="\udc00"), "applicant.name"),
        (person(phone=""), "applicant.phone"),
        (person(phone="1300"), "applicant.phone"),
        (person(id_type="无证件", id_number=""), "applicant.id_reason"),
        (good(applicant=None), "applicant"),
        (good(form={}), "form.reason"),
        (good(form={"reason": "  "}), "form.reason"),
        (good(form=None), "form"),
        (good(item="60010100MZ-JF-9999"), "item"),
        (good(materials=[{"name": "房产证", "state": "received"}]), "materials.0.name"),
        (good(materials=[{"name": "申请表", "state": "lost"}]), "materials.0.state"),
        (good(materials=[{"name": "申请表", "state": "later"}, {"id": "m01", "state": "later"}]), "materials.1.name"),
        (good(materials=["申请表"]), "materials.0"),
        (good(materials={}), "materials"),
        (good(remark=0.5), "remark"),
        ([], ""),
    ],
)
def test_each_fault_of_an_intake_is_said_at_its_field(intake: Any, path: str) -> None:
    problems, _ = validate_intake(item(), intake, today=TODAY)
    assert path in problems
    assert json.dumps(problems)


@pytest.mark.parametrize(
    "intake",
    [
        person(id_type="无证件", id_number="", id_reason="证件遗失，正在补办"),
        person(phone="", phone_reason="老人没有手机"),
        person(name="古丽·买买提"),
        person(name="𠮷某"),
        person(name="<script>alert(1)</script>"),
        person(id_type="护照", id_number="E00000000"),
        person(id_type="统一社会信用代码", id_number="92600000MA0000007H", name="某某县某某农民专业合作社" * 6),
    ],
)
def test_people_as_they_come_are_taken_in(intake: dict[str, Any]) -> None:
    assert validate_intake(item(), intake, today=TODAY)[0] == {}


def test_a_doubtful_credit_code_only_warns() -> None:
    intake = person(id_type="统一社会信用代码", id_number="92600000MA0000007J")
    problems, warnings = validate_intake(item(), intake, today=TODAY)
    assert problems == {}
    assert "照原样保存" in warnings["applicant.id_number"]


def test_an_item_without_proxies_refuses_one_with_the_reason() -> None:
    in_person = {**item_content(proxy_allowed=False, proxy_reason="婚姻登记必须双方到场"), "form": PLAIN_FORM}
    by_proxy = {**person(present={"role": "受托人", "name": "王某某"}), "item": in_person["code"]}
    assert "双方到场" in validate_intake(in_person, by_proxy, today=TODAY)[0]["applicant.present"]
    assert validate_intake(in_person, good(item=in_person["code"]), today=TODAY)[0] == {}


def test_what_is_kept_is_plain() -> None:
    kept = tidy_person(
        {"name": " 张某某 ", "id_number": "11010519491231002x", "phone": "130 0000 0001", "address": " "}
    )
    assert kept == {"name": "张某某", "id_number": "11010519491231002X", "phone": "13000000001"}
    assert received_materials(item(), [{"name": "申请表", "state": "later"}, {"id": "m02", "state": "received"}]) == [
        {"id": "m01", "name": "申请表", "state": "later"},
        {"id": "m02", "name": "居民身份证", "state": "received"},
        {"id": "m03", "name": "授权委托书", "state": "missing"},
    ]
