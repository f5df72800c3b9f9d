"""Identity numbers, names and phones, as people at a counter bring them."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casework.identifiers import (
    ID_TYPES,
    NO_CARD,
    RESIDENT_CARD,
    check_id_number,
    check_name,
    check_phone,
    check_uscc,
    describe_id,
    tidy_id_number,
    tidy_phone,
)

SAFE = [
    "11010519491231002X",
    "440524188001010014",
    "600000196001010016",
    "600000198503150026",
    "600000201009010030",
]
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)  # GB 11643


def completed(first: str) -> str:
    total = sum(int(digit) * weight for digit, weight in zip(first, WEIGHTS, strict=True))
    return first + "10X98765432"[total % 11]


@pytest.mark.parametrize(
    "number", [*SAFE, "11010519491231002x", "１１０１０５１９４９１２３１００２Ｘ", " 600000 19600101 0016"]
)
def test_safe_numbers_pass_also_with_spaces_and_wide_digits(number: str) -> None:
    assert check_id_number(RESIDENT_CARD, number) is None


@given(st.integers(0, 999_999), st.dates(date(1900, 1, 1), date(2026, 1, 1)), st.integers(0, 999))
def test_any_county_code_passes_with_its_check_digit(county: int, born: date, order: int) -> None:
    number = completed(f"{county:06d}{born:%Y%m%d}{order:03d}")
    assert check_id_number(RESIDENT_CARD, number) is None
    assert describe_id(number) == {"born": born.isoformat(), "sex": "男" if order % 2 else "女"}


@given(st.sampled_from(SAFE), st.integers(0, 17), st.integers(1, 9))
def test_one_wrong_digit_is_always_found(number: str, place: int, change: int) -> None:
    wrong = list(number)
    wrong[place] = str((int(wrong[place].replace("X", "0")) + change) % 10)
    if "".join(wrong) != number:
        assert check_id_number(RESIDENT_CARD, "".join(wrong)) is not None


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ("60000019600101001", "长度"),
        ("6000001960010100160", "长度"),
        ("60000019600101A016", "非数字"),
        ("6000001960010100²6", "校验码不对"),  # NFKC makes the small two a digit: 26 instead of 16
        ("60000019600101001Y", "非数字"),
        ("600000196002300010", "日期不存在"),
        ("600000000001010010", "日期不存在"),
        ("600000196001010017", "校验码不对"),
    ],
)
def test_each_fault_has_its_own_reason(number: str, reason: str) -> None:
    problem = check_id_number(RESIDENT_CARD, number)
    assert problem is not None
    assert problem.reason == reason
    assert problem.blocks


def test_a_wrong_check_digit_says_what_to_do() -> None:
    problem = check_id_number(RESIDENT_CARD, "600000196001010018")
    assert problem is not None
    assert problem.sentence == "最后一位对不上前 17 位。对照证件，把最后一位再输一遍。"
    assert describe_id("600000196001010018") is None


def test_a_birth_in_the_future_is_no_birth() -> None:
    number = completed("60000020260917001")
    assert check_id_number(RESIDENT_CARD, number, today=date(2026, 9, 17)) is None
    problem = check_id_number(RESIDENT_CARD, number, today=date(2026, 9, 16))
    assert problem is not None
    assert problem.reason == "日期不存在"


@pytest.mark.parametrize(
    ("id_type", "number"),
    [
        ("户口簿", "600000196001010016"),
        ("户口簿", "012345678"),
        ("护照", "E00000000"),
        ("港澳居民来往内地通行证", "H00000000"),
        ("台湾居民来往大陆通行证", "00000000"),
        ("港澳台居民居住证", completed("81000019900101001")),
        ("外国人永久居留身份证", "USA000000000000"),
        ("残疾人证", "60000019600101001643"),
        ("残疾人证", "60000019600101001643B1"),
        ("出生医学证明", "T000000000"),
        ("军人身份证件", "军字第0000000号"),
        ("其他证件", "临〔2026〕第12号"),
        ("统一社会信用代码", "92600000MA0000007H"),
        (NO_CARD, ""),
    ],
)
def test_other_documents_pass(id_type: str, number: str) -> None:
    assert check_id_number(id_type, number) is None


@pytest.mark.parametrize(
    ("id_type", "number"),
    [
        ("户口簿", "600000196001010017"),
        ("护照", "E-1"),
        ("港澳居民来往内地通行证", "X00000000"),
        ("残疾人证", "60000019600101001743"),
        ("出生医学证明", "0000000000"),
        ("驾驶证", "600000196001010016"),
        (RESIDENT_CARD, ""),
        (NO_CARD, "600000196001010016"),
    ],
)
def test_other_documents_are_refused_with_a_sentence(id_type: str, number: str) -> None:
    problem = check_id_number(id_type, number)
    assert problem is not None
    assert problem.blocks
    assert problem.sentence.endswith("。")


def test_every_document_has_a_hint() -> None:
    assert {RESIDENT_CARD, "户口簿", "护照", NO_CARD} <= set(ID_TYPES)
    assert all(kind.hint for kind in ID_TYPES.values())


def test_an_early_credit_code_only_warns() -> None:
    problem = check_uscc("92600000MA0000007J")
    assert problem is not None
    assert not problem.blocks
    for wrong in ("92600000MA000000", "92600000MA00000-7H"):
        blocking = check_uscc(wrong)
        assert blocking is not None
        assert blocking.blocks


@pytest.mark.parametrize(
    "number",
    [
        "13000000001",
        "130 0000 0001",
        "130-0000-0001",
        "+86 130 0000 0001",
        "１３０００００００００",
        "0000-0000001",
        "(0571) 00000000",
        "+44 20 7946 0958",
    ],
)
def test_phones_pass_as_they_are_said(number: str) -> None:
    assert check_phone(number) is None
    assert " " not in tidy_phone(number)


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ("1300000000", "长度"),
        ("130000000012", "长度"),
        ("6000001", "没有区号"),
        ("二零零", "非数字"),
        ("23000000001", "格式"),
        ("  ", "没有填"),
        ("1300000000١", "非数字"),  # an Arabic-Indic one
    ],
)
def test_phones_are_refused_with_the_reason(number: str, reason: str) -> None:
    problem = check_phone(number)
    assert problem is not None
    assert problem.reason == reason


@pytest.mark.parametrize(
    "name",
    [
        "张某某",
        "古丽·买买提",
        "阿•某",
        "𠮷某",
        "㛃某",
        "<script>alert(1)</script>",
        "O'Neil",
        "某" * 60,
        "  张某某 ",
        "某\U000e0100",
    ],
)
def test_names_pass_as_they_are(name: str) -> None:
    assert check_name(name) is None


@pytest.mark.parametrize("name", ["", "   ", "某" * 2000, "某" * 61, "张\x00某", "张\n某", "\ud842", "张\u202e某"])
def test_what_is_no_name_is_refused(name: str) -> None:
    problem = check_name(name)
    assert problem is not None
    assert problem.sentence.endswith("。")


def test_a_name_that_is_too_long_says_how_long_it_is() -> None:
    problem = check_name("某" * 2000)
    assert problem is not None
    assert problem.sentence == "姓名最多 60 个字，现在有 2000 个，请缩短。"


def test_numbers_are_kept_plain() -> None:
    assert tidy_id_number(" 110105 19491231 002x") == "11010519491231002X"
    assert tidy_phone("+86 130-0000-0001") == "13000000001"
