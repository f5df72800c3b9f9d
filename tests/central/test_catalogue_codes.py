"""The coding rule: what is proposed, what is refused and why; national codes of every kind."""

from __future__ import annotations

from typing import Any

import pytest

from central.catalogue.codes import (
    DEFAULT_TYPES,
    basic_code_problems,
    code_problems,
    implementation_code_problems,
    kind_of_basic,
    next_code,
    parsed,
)

DEPARTMENTS = {"MZ": {"name": "民政"}, "GS": {"name": "工商"}}


def wrong(**changes: Any) -> list[str]:
    item = {"code": "62052400MZ-XK-0001", "department": "民政", "type": "行政许可", "type_code": "01", **changes}
    return list(code_problems(item, county="620524", types=DEFAULT_TYPES, departments=DEPARTMENTS))


@pytest.mark.parametrize("code", ["62052400MZ-XK-0001", "62052400GS-DL-0003"])
def test_the_codes_of_the_source_are_read_and_written_alike(code: str) -> None:
    assert str(parsed(code)) == code


def test_a_code_by_the_rule_is_right_also_in_a_townships_slot() -> None:
    assert wrong() == []
    assert wrong(code="62052403MZ-XK-0001") == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"code": "MZ-1"}, "不合编码规则"),
        ({"code": "62052400MZ-XK-001"}, "不合编码规则"),
        ({"code": "62052300MZ-XK-0001"}, "不是本县的 620524"),
        ({"code": "62052400MZ-XK-0000"}, "从 0001 起"),
        ({"code": "62052400ZZ-XK-0001"}, "没有字母 ZZ"),
        ({"code": "62052400GS-XK-0001"}, "是“工商”，事项写的是“民政”"),
        ({"code": "62052400MZ-DL-0001"}, "没有字母 DL"),
        ({"code": "62052400MZ-GF-0001"}, "是“公共服务”，事项写的是“行政许可”"),
        ({"type_code": "07"}, "国家代码是 01"),
    ],
)
def test_a_code_against_the_rule_is_told_why(changes: dict[str, str], said: str) -> None:
    assert any(said in sentence for sentence in wrong(**changes)), wrong(**changes)


def test_serials_are_counted_by_body_and_type_and_never_come_back() -> None:
    taken = ["62052400MZ-XK-0001", "62052400MZ-XK-0004", "62052400MZ-GF-0009", "62052400GS-XK-0020", "else"]
    assert next_code("62052400MZ", "XK", taken) == "62052400MZ-XK-0005"
    assert next_code("62052401MZ", "XK", taken) == "62052401MZ-XK-0001"


def test_after_the_last_serial_the_free_ones_are_used_until_none_is_left() -> None:
    full = {f"62052400MZ-XK-{serial:04d}" for serial in range(1, 10_000)}
    assert next_code("62052400MZ", "XK", full - {"62052400MZ-XK-0007"}) == "62052400MZ-XK-0007"
    assert next_code("62052400MZ", "XK", full) is None


@pytest.mark.parametrize(
    ("code", "kind"),
    [("00016421300Y", "main"), ("000164213003", "basic"), ("00016421300302", "business"), ("00016421300", None)],
)
def test_a_national_code_is_known_by_how_it_is_written(code: str, kind: str | None) -> None:
    assert kind_of_basic(code) == kind


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("620164213003", ""),
        ("000164213003", ""),
        ("00016421300302", ""),
        ("0001642130", "有 10 位"),
        ("440164213003", "不是 00（国家）或 62"),
        ("000764213003", "类型 07"),
        ("00016421300Y", "有子项的主项"),
    ],
)
def test_a_basic_code_is_checked_by_its_kind(code: str, said: str) -> None:
    found = list(basic_code_problems(code, province="62", type_code="01"))
    assert said in found[0] if said else found == []


@pytest.mark.parametrize(
    ("code", "basic", "said"),
    [
        ("12441500196720244T3442199806003", None, ""),
        ("12441500196720244T3442199806003", "442199806003", ""),
        ("12441500196720244T344219980600301", None, ""),
        ("12441500196720244T3442199806003", "000164213003", "不一样"),
        ("12441500196720244T344219980600", None, "有 30 位"),
        ("12441500196720244T9442199806003", None, "只有 1 到 6"),
        ("12441500196720244T344219980600X", None, "不是基本编码"),
    ],
)
def test_an_implementation_code_says_body_level_and_item(code: str, basic: str | None, said: str) -> None:
    found = list(implementation_code_problems(code, basic=basic, uscc=None))
    assert any(said in sentence for sentence in found) if said else found == []


def test_an_implementation_code_of_another_body_is_told() -> None:
    found = list(implementation_code_problems("12441500196720244T3442199806003", basic=None, uscc="92600000MA0000007H"))
    assert ["不是实施主体的信用代码" in sentence for sentence in found] == [True]
