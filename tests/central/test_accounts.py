"""Accounts come in whole or not at all, keep what is not said anew, and are the county's word alone."""

from __future__ import annotations

import re
from typing import Any

import pytest

from casework.documents import account
from central.accounts import AccountsRefused, account_at, accounts_at, import_accounts
from tests.central.county import COUNTY, PASSWORD, TOWNSHIP, VILLAGE, SmallCentre

WANG = {"username": "wang", "name": "王某某", "roles": ["agent"], "station": VILLAGE, "password": PASSWORD}
HE = {"username": "he", "name": "何某某", "roles": ["township", "agent"], "station": TOWNSHIP, "password": PASSWORD}


def test_accounts_are_signed_whole_documents_of_their_station(county: SmallCentre) -> None:
    assert import_accounts(county.centre, [WANG, HE]) == {"made": 2, "changed": 0}
    kept = account_at(county.centre, VILLAGE, "wang")
    assert kept is not None
    assert account.TYPE.problems(kept) == {}
    assert [document["username"] for document in accounts_at(county.centre, TOWNSHIP)] == ["he"]
    assert county.enrol(VILLAGE).county_signed(kept)


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"username": "Wang"}, "小写字母"),
        ({"username": "a"}, "2 到 40"),
        ({"username": 5}, "小写字母"),
        ({"username": "../x"}, "小写字母"),
        ({"station": "600101999999"}, "没有代码为 600101999999 的站点"),
        ({"station": ["x"]}, "没有代码"),
        ({"roles": ["king"]}, "选一个角色"),
        ({"roles": "agent"}, "选一个角色"),
        ({"roles": [["agent"]]}, "选一个角色"),
        ({"roles": ["admin"]}, "只能是代办员"),
        ({"station": COUNTY, "roles": ["reviewer"]}, "写明部门"),
        ({"password": None}, "要设一个密码"),
        ({"password": "1234567"}, "8 到 200 位"),
        ({"password": 12345678}, "8 到 200 位"),
        ({"name": ""}, "写上姓名"),
        ({"name": "王\n某"}, "写上姓名"),
        ({"name": {"a": 1}}, "写上姓名"),
        ({"active": "no"}, "停用写 false"),
        ({"title": "x" * 61}, "职务"),
        ({"pasword": "typo"}, "没有“pasword”这一栏"),
    ],
)
def test_one_bad_record_refuses_the_whole_file(county: SmallCentre, bad: dict[str, Any], says: str) -> None:
    with pytest.raises(AccountsRefused, match=re.escape(says)) as refused:
        import_accounts(county.centre, [HE, {**WANG, **bad}])
    assert set(refused.value.problems) == {2}
    assert "第 2 条" in str(refused.value)
    assert accounts_at(county.centre, TOWNSHIP) == []


@pytest.mark.parametrize("records", [None, {}, [], "x", [5], [None], [[]]])
def test_what_is_no_list_of_accounts_is_refused(county: SmallCentre, records: object) -> None:
    with pytest.raises(AccountsRefused):
        import_accounts(county.centre, records)


def test_a_name_twice_at_one_station_is_refused_and_at_two_is_not(county: SmallCentre) -> None:
    with pytest.raises(AccountsRefused, match="和第 1 条重复"):
        import_accounts(county.centre, [WANG, {**WANG, "name": "王二"}])
    assert import_accounts(county.centre, [WANG, {**WANG, "station": TOWNSHIP}]) == {"made": 2, "changed": 0}


def test_what_is_not_said_anew_stays(county: SmallCentre) -> None:
    import_accounts(county.centre, [{**WANG, "active": False}])
    before = account_at(county.centre, VILLAGE, "wang")
    again = {name: value for name, value in WANG.items() if name != "password"}
    assert import_accounts(county.centre, [again]) == {"made": 0, "changed": 0}
    assert account_at(county.centre, VILLAGE, "wang") == before
    assert import_accounts(county.centre, [{**again, "title": "站长"}]) == {"made": 0, "changed": 1}
    after = account_at(county.centre, VILLAGE, "wang")
    assert after is not None
    assert before is not None
    assert after["password_hash"] == before["password_hash"]
    assert after["active"] is False, "an import does not let anybody in again by leaving something out"
    assert after["_rev"].startswith("2-")


def test_an_account_of_nowhere_opens_no_database(county: SmallCentre) -> None:
    names = county.centre.databases.names()
    for station in ("../../x", "600101999999", "", "a" * 500):
        assert account_at(county.centre, station, "wang") is None
    assert county.centre.databases.names() == names
