"""Two versions of an item, compared for one case: what it is told, and what it must not be told."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from casework.guide.changes import changes, more_materials, no_more_materials
from provisioning import sample_county

SAMPLE = sample_county.load("items")
ITEM = next(item for item in SAMPLE["items"] if item["name"] == "农村村民宅基地审批")


def version(**changed: Any) -> dict[str, Any]:
    form = SAMPLE["forms"].get(ITEM["form"], ITEM["form"])
    return copy.deepcopy({**ITEM, "form": form, **changed})


def told(now: dict[str, Any], facts: dict[str, Any] | None = None) -> list[str]:
    return [change.sentence for change in changes(version(), now, facts or {})]


def material(**changed: Any) -> dict[str, Any]:
    new = {
        "id": "m-new",
        "name": "承诺书",
        "type": "原件",
        "form": "纸质",
        "copies": 1,
        "necessity": "必要",
        "source": "申请人自备",
    }
    return {**new, **changed}


def test_versions_that_say_the_same_have_no_changes() -> None:
    assert told(version()) == []
    assert told(version(faq=[], also_called=["别的叫法"])) == []


def test_a_material_that_came_went_or_is_otherwise_is_named() -> None:
    first, *rest = [m for m in ITEM["materials"] if "when" not in m]
    conditional = [m for m in ITEM["materials"] if "when" in m]
    now = version(materials=[{**first, "copies": first["copies"] + 1}, *rest[1:], *conditional, material()])
    assert told(now) == [
        f"材料“{first['name']}”的要求变了：份数 {first['copies']} → {first['copies'] + 1}。",
        "多要一项材料：“承诺书”（原件 1 份，必要）。",
        f"不再要材料“{rest[0]['name']}”。",
    ]
    assert more_materials(version(), now, {}) == ["承诺书"]
    assert no_more_materials(version(), now, {}) == [rest[0]["id"]]


def test_a_material_with_another_id_and_the_same_name_is_the_same_paper() -> None:
    renamed = [{**m, "id": f"x{place}"} for place, m in enumerate(ITEM["materials"])]
    assert told(version(materials=renamed)) == []


def test_what_does_not_apply_to_the_case_is_not_told() -> None:
    only = material(when={"situation.s": ["yes"]})
    now = version(materials=[*ITEM["materials"], only])
    assert told(now, {"situation": {"s": "no"}}) == []
    assert told(now, {"situation": {"s": "yes"}}) == ["多要一项材料：“承诺书”（原件 1 份，必要）。"]


@pytest.mark.parametrize(
    ("before", "changed", "sentence", "better"),
    [
        ({"promised": {"n": 20, "unit": "工作日"}}, {"promised": {"n": 10, "unit": "工作日"}},
         "承诺时限：20 个工作日 → 10 个工作日。", True),
        ({"promised": {"n": 20, "unit": "工作日"}}, {"promised": None}, "承诺时限：20 个工作日 → 没有。", None),
        ({"legal": {"n": 20, "unit": "工作日"}}, {"legal": {"n": 30, "unit": "自然日"}},
         "法定时限：20 个工作日 → 30 个自然日。", None),
        ({"fee": {"charged": False, "amount": None, "basis": ""}},
         {"fee": {"charged": True, "amount": 550, "basis": "价费字 1 号"}},
         "费用：不收费 → 收费（5.5 元，价费字 1 号）。", False),
        ({"fee": {"charged": True, "amount": 500, "basis": ""}},
         {"fee": {"charged": False, "amount": None, "basis": ""}},
         "费用：收费（5 元） → 不收费。", True),
        ({"conditions": ["本村村民"]}, {"conditions": ["本村村民", "年满 18 周岁。"]},
         "受理条件多了：年满 18 周岁。", None),
        ({"conditions": ["本村村民", "有户口"]}, {"conditions": ["本村村民"]}, "受理条件去掉了：有户口。", True),
        ({"decides": {"level": "county", "department": "民政", "office": "县民政局"}},
         {"decides": {"level": "township", "department": "民政", "office": "镇政府"}},
         "决定机关：县民政局（县级，民政） → 镇政府（镇（乡、街道）级，民政）。", None),
        ({"withdraw_until": "decided"}, {"withdraw_until": "never"},
         "撤回：作出决定前可以撤回 → 收件后不能撤回。", None),
        ({"name": "旧名"}, {"name": "新名"}, "事项名称：旧名 → 新名。", None),
    ],
)  # fmt: skip
def test_limits_fees_conditions_and_deciders_are_told_in_a_sentence(
    before: dict[str, Any], changed: dict[str, Any], sentence: str, better: bool | None
) -> None:
    (found,) = changes(version(**before), version(**changed), {})
    assert (found.sentence, found.better) == (sentence, better)


def test_fields_of_the_form_are_compared_as_the_case_has_them() -> None:
    def form(required: list[str], **properties: Any) -> dict[str, Any]:
        return {"form": {"type": "object", "required": required, "properties": properties}}

    area, kind = {"title": "面积", "type": "integer"}, {"title": "类别", "type": "string", "enum": ["甲", "乙"]}
    then = version(**form(["area"], area=area, kind=kind, gone={"title": "备注", "type": "string"}))
    only_old = {"title": "旧房处理", "type": "string", "x-when": {"situation.s": ["yes"]}}
    other = {**kind, "enum": ["甲"]}
    now = version(**form(["new"], area=area, kind=other, new={"title": "坐落", "type": "string"}, old=only_old))
    assert [change.sentence for change in changes(then, now, {"situation": {"s": "no"}})] == [
        "表单“面积”一栏改成可不填。",
        "表单“类别”一栏的填法变了。",
        "表单多了“坐落”一栏（必填）。",
        "表单去掉了“备注”一栏。",
    ]


def test_a_question_about_the_case_that_is_new_or_gone_is_told() -> None:
    options = [{"id": "a", "title": "有"}, {"id": "b", "title": "没有"}]
    question = {"id": "s", "title": "有没有旧房", "options": options}
    fewer = {**question, "options": [{"id": "b", "title": "没有"}, {"id": "c", "title": "不清楚"}]}

    def between(before: list[Any], after: list[Any]) -> list[str]:
        facts = {"situation": {"s": "a"}}
        return [c.sentence for c in changes(version(situations=before), version(situations=after), facts)]

    assert between([], [question]) == ["多问一种情形：“有没有旧房”，和它有关的材料要问了才知道。"]
    assert between([question], []) == ["不再问情形“有没有旧房”。"]
    assert between([question], [fewer]) == ["情形“有没有旧房”的选项变了，本件选的那一种已经没有了。"]
