"""The people of a case in their four roles, the power of attorney, and who can sign for whom."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.cn import ric

from casework.forms import validate_intake
from casework.people import check_people, tidy_people
from tests.casework.county import item, item_content

TODAY = date(2026, 9, 16)
APPLICANT = {"name": "张某某", "id_type": "居民身份证", "id_number": "600000196001010016", "phone": "13000000001"}
CHILD = {**APPLICANT, "id_number": "600000201009010030"}
# The check digit is worked out: the county code is the synthetic region's.
OF_AGE_TODAY = "60000020080916001" + ric.calc_check_digit("600000200809160010")
GUARDIAN = {
    "name": "李某某",
    "id_type": "居民身份证",
    "id_number": "600000198503150026",
    "phone": "13000000002",
    "relation": "母亲",
}
POWER = {
    "matters": ["申请低保"],
    "authority": "代为提交材料、签收文书",
    "from": "2026-09-01",
    "until": "2026-12-31",
    "signed": "signature",
}
PROXY = {
    "name": "王某某",
    "id_type": "居民身份证",
    "id_number": "600000198503150026",
    "phone": "13000000003",
    "power": POWER,
}


def said(people: Any, applicant: dict[str, Any] = APPLICANT) -> tuple[dict[str, str], dict[str, str]]:
    return check_people(people, applicant, item(), today=TODAY)


def power(**changes: Any) -> dict[str, Any]:
    kept = {name: value for name, value in {**POWER, **changes}.items() if value != "left out"}
    return {"proxy": {**PROXY, "power": kept}}


def test_a_proxy_with_a_whole_power_of_attorney_passes_without_a_word() -> None:
    assert said({"present": {"role": "proxy"}, "proxy": PROXY}) == ({}, {})
    assert said(power(until=None)) == ({}, {})
    assert said(None) == said({}) == ({}, {})


@pytest.mark.parametrize(
    ("people", "path", "part"),
    [
        ({"proxy": {k: v for k, v in PROXY.items() if k != "power"}}, "people.proxy.power", "还没有授权委托书"),
        (power(signed="left out"), "people.proxy.power.signed", "还没有签"),
        (power(until="2026-09-15"), "people.proxy.power.until", "已经到期"),
    ],
)
def test_a_power_of_attorney_that_is_missing_or_not_signed_only_warns(
    people: dict[str, Any], path: str, part: str
) -> None:
    problems, warnings = said(people)
    assert problems == {}
    assert part in warnings[path]


@pytest.mark.parametrize(
    ("people", "path"),
    [
        ([], "people"),
        ({"present": {"role": "neighbour"}}, "people.present.role"),
        ({"present": {}}, "people.present.role"),
        ({"present": []}, "people.present"),
        ({"present": {"role": "proxy"}}, "people.proxy.name"),
        ({"present": {"role": "guardian"}}, "people.guardian.name"),
        ({"present": {"role": "other"}}, "people.present.name"),
        ({"present": {"role": "other", "name": "赵某某"}}, "people.present.relation"),
        ({"guardian": {**GUARDIAN, "relation": " "}}, "people.guardian.relation"),
        ({"guardian": {**GUARDIAN, "id_number": "600000198503150027"}}, "people.guardian.id_number"),
        ({"guardian": {**GUARDIAN, "id_type": ""}}, "people.guardian.id_type"),
        ({"guardian": {**GUARDIAN, "phone": "12"}}, "people.guardian.phone"),
        ({"guardian": {**GUARDIAN, "name": 3}}, "people.guardian.name"),
        ({"proxy": {**PROXY, "name": ""}}, "people.proxy.name"),
        ({"proxy": {**PROXY, "agent": "yes"}}, "people.proxy.agent"),
        ({"proxy": {**PROXY, "id_number": APPLICANT["id_number"]}}, "people.proxy.id_number"),
        ({"proxy": {**PROXY, "power": "有"}}, "people.proxy.power"),
        (power(matters=[]), "people.proxy.power.matters"),
        (power(matters=[" "]), "people.proxy.power.matters"),
        (power(matters=["长" * 201]), "people.proxy.power.matters"),
        (power(authority="left out"), "people.proxy.power.authority"),
        (power(**{"from": "left out"}), "people.proxy.power.from"),
        (power(until="明年"), "people.proxy.power.until"),
        (power(until="2026-08-31"), "people.proxy.power.until"),
        (power(signed="stamp"), "people.proxy.power.signed"),
        (power(signed=["signature"]), "people.proxy.power.signed"),
        (power(signed="thumbprint"), "people.proxy.power.witness"),
        ({"witness": {"name": ""}}, "people.witness.name"),
    ],
)
def test_each_fault_is_said_at_its_field(people: Any, path: str) -> None:
    problems, _ = said(people)
    assert path in problems, problems
    assert problems[path].endswith("。")


def test_a_stations_own_agent_needs_no_card() -> None:
    agent = {"name": "王某某", "agent": True, "power": POWER}
    assert said({"proxy": agent}) == ({}, {})
    assert "people.proxy.id_type" in said({"proxy": {**agent, "agent": False}})[0]


def test_a_thumbprint_needs_a_witness() -> None:
    thumb = {**APPLICANT, "signed": "thumbprint"}
    assert "见证人" in said({}, thumb)[0]["people.witness.name"]
    assert said({"witness": {"name": "何某某", "phone": "13000000004"}}, thumb) == ({}, {})


def test_a_minor_without_a_guardian_is_warned_of() -> None:
    assert "people.guardian" in said({}, CHILD)[1]
    assert said({"present": {"role": "guardian"}, "guardian": GUARDIAN}, CHILD) == ({}, {})
    # Born on 16 September 2008: of age on the day itself, not on the day before.
    born = {**APPLICANT, "id_number": OF_AGE_TODAY}
    assert said({}, born) == ({}, {})
    assert "people.guardian" in check_people({}, born, item(), today=date(2026, 9, 15))[1]


def test_an_item_without_proxies_refuses_one_with_the_reason_and_takes_a_guardian() -> None:
    in_person = item_content(proxy_allowed=False, proxy_reason="结婚登记必须双方到场")
    problems, _ = check_people({"proxy": PROXY}, APPLICANT, in_person, today=TODAY)
    assert problems["people.proxy"].startswith("结婚登记必须双方到场，")
    assert "约本人来办" in problems["people.proxy"]
    guarded = {"present": {"role": "guardian"}, "guardian": GUARDIAN}
    assert check_people(guarded, CHILD, in_person, today=TODAY) == ({}, {})


def test_what_is_kept_is_plain_and_says_who_came() -> None:
    kept = tidy_people({"proxy": {"name": " 王某某 ", "phone": "130 0000 0003", "power": {"until": ""}}, "witness": {}})
    assert kept == {"proxy": {"name": "王某某", "phone": "13000000003"}, "present": {"role": "proxy"}}
    assert tidy_people({"witness": {"name": "何某某"}})["present"] == {"role": "applicant"}
    assert tidy_people(None) == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*PROXY, *POWER]), inner, max_size=4),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["present", "guardian", "proxy", "witness"]), JSON) | JSON)
def test_any_json_for_people_is_answered_in_sentences(people: Any) -> None:
    intake = {"item": item()["code"], "applicant": APPLICANT, "form": {"reason": "因病"}, "people": people}
    problems, warnings = validate_intake(item(), intake, today=TODAY)
    assert all(isinstance(sentence, str) and sentence for sentence in (*problems.values(), *warnings.values()))
