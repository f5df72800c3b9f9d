"""The table of a guide's elements: whole, in words, and older items stay what they are."""

from __future__ import annotations

import pytest

from casework import schemas
from casework.documents.directory import ENTRY_SCHEMA
from casework.documents.item import CONTENT_SCHEMA, TERMS_SCHEMA
from casework.guide.elements import (
    BY_ID,
    ELEMENTS,
    ENUMERATIONS,
    GROUPS,
    INHERITED,
    is_empty,
    of_group,
    shown,
)
from tests.casework.county import item_content

GUIDE = {
    "设定依据", "权力来源", "行使层级", "实施主体", "法定时限", "承诺时限", "法定时限说明", "承诺时限说明", "受理条件",
    "办理步骤", "联办机构", "中介服务", "数量限制", "办理结果", "收费", "通办范围", "服务对象", "办理形式", "特别程序",
    "预约办理", "网上支付", "快递送达", "网上办理", "办理地点和时间", "电话", "其他咨询方式", "其他监督方式",
    "常见问题", "到现场次数", "申请材料", "办理情形",
}  # fmt: skip
MATERIAL = {
    "材料名称", "材料类型", "材料形式", "必要性", "来源渠道", "份数", "规格", "空白表", "样表", "填报须知", "受理标准",
    "要求提供的依据",
}  # fmt: skip


def test_every_element_of_the_standard_has_its_place() -> None:
    assert {element.title for element in ELEMENTS} >= GUIDE
    material = BY_ID["materials"].schema["items"]["properties"]
    assert {part.get("title") for part in material.values()} >= MATERIAL


def test_every_element_stands_once_in_one_group_and_has_its_words() -> None:
    assert len(BY_ID) == len(ELEMENTS)
    assert [element for group in GROUPS for element in of_group(group)] == list(ELEMENTS), "the page's order"
    assert {element.enumeration for element in ELEMENTS} - {None} <= set(ENUMERATIONS)


def test_what_an_item_had_before_is_enough() -> None:
    """Published items, their cases and the sample stay valid: what is new is optional."""
    assert schemas.problems(CONTENT_SCHEMA, item_content()) == {}
    before = {
        "code", "name", "category", "type", "department", "decides", "handling_level", "village_role",
        "service_objects", "case_type", "conditions", "materials", "legal", "promised", "fee", "visits", "steps",
        "result", "phones", "basis", "form", "form_version", "proxy_allowed", "withdraw_until",
    }  # fmt: skip
    assert set(CONTENT_SCHEMA["required"]) == before
    assert set(BY_ID["materials"].schema["items"]["required"]) == {
        "id", "name", "type", "form", "copies", "necessity", "source",
    }  # fmt: skip


def test_a_directory_gives_nothing_that_a_case_is_accepted_under() -> None:
    terms = set(TERMS_SCHEMA["properties"]) | {"code", "form"}
    assert not terms & set(INHERITED)
    assert set(ENTRY_SCHEMA["properties"]["gives"]["properties"]) == set(INHERITED)


@pytest.mark.parametrize(
    ("enumeration", "said", "stored", "code"),
    [
        ("level", "5", "township", "5"),
        ("level", "国家级", "nation", "1"),
        ("way", "网上办理（电脑）", "电脑", "2"),
        ("necessity", "3", "容缺后补", "3"),
        ("source", "政府部门核发", "政府部门核发", "20"),
        ("scope", "跨省", "跨省", None),
    ],
)
def test_a_word_or_a_national_code_says_the_same(enumeration: str, said: str, stored: str, code: str | None) -> None:
    assert ENUMERATIONS[enumeration].stored(said) == stored
    assert ENUMERATIONS[enumeration].codes.get(stored) == code


def test_what_no_enumeration_knows_is_shown_as_it_stands_and_not_stored() -> None:
    assert ENUMERATIONS["way"].stored("电报") is None
    assert shown("way", ["窗口", "电报"]) == "窗口办理、电报"


@pytest.mark.parametrize("nothing", [None, "", [], {}, {"review": "", "court": None}])
def test_empty_says_nothing(nothing: object) -> None:
    assert is_empty(nothing)


@pytest.mark.parametrize("something", [False, 0, "无", ["窗口"], {"offered": False}])
def test_no_and_none_at_all_say_something(something: object) -> None:
    assert not is_empty(something)
