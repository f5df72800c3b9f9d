"""What waits for whom: the same cases as a window, a department and a village see them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.casework.county import item
from tests.web.cases.test_case_pages import Land
from web.cases.casebook import Scope
from web.cases.worklist import Worklist, worklist
from web.signin import User

HE = User("he", "何某某", ("township",), None)
LIN = User("lin", "林某某", ("head",), None)
ELSEWHERE = User("xu", "许某某", ("township",), "农业农村")
QIAN = User("qian", "钱某某", ("reviewer",), "残联")
WANG = User("wang", "王某某", ("agent",), None)


@pytest.fixture
def land(tmp_path: Path) -> Iterator[Land]:
    land = Land(tmp_path, item(level="township", flow=True))
    yield land
    land.close()


def at(land: Land, place: str, user: User) -> Worklist:
    return worklist(land.pages[place].services, user, Scope())


def titles(work: Worklist) -> list[str]:
    return [title for title, _entries, _word in work.groups()]


def test_a_case_moves_from_group_to_group(land: Land) -> None:
    number = land.take_in()
    assert titles(at(land, "township", HE)) == ["待受理"]
    assert titles(at(land, "township", LIN)) == ["待受理"], "a head may what the windows may"
    assert titles(at(land, "township", ELSEWHERE)) == [], "another department's window"
    assert titles(at(land, "village", WANG)) == []
    assert [entry.row.number for entry in at(land, "village", WANG).others] == [number]

    land.he.do(number, "correction_requested", others="补签名")
    assert [entry.row.number for entry in at(land, "township", HE).correcting] == [number]
    land.carry()
    land.wang.do(number, "corrected")
    land.carry()
    land.he.do(number, "accepted")
    work = at(land, "township", HE)
    assert titles(work) == ["待我办的环节"]
    assert work.steps[0].what == "现场踏勘"
    assert work.steps[0].due_on == land.case(number)["steps"][0]["due_on"]
    land.he.do(number, "step_done", "?step=visit", result="passed")
    land.carry()
    assert at(land, "county", QIAN).steps[0].what == "自然资源部门会审"
    assert at(land, "village", WANG).steps[0].what == "村内公示"
    assert titles(at(land, "township", HE)) == [], "others' steps come before the decision"
    land.qian.do(number, "step_done", "?step=land", result="passed")
    land.wang.do(number, "step_done", "?step=notice", result="passed")
    land.carry()
    assert titles(at(land, "township", HE)) == ["待决定"]
