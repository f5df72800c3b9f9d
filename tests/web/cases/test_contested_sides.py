"""What a page says of the sides of a contested point: their reasons, and all of them, however many there are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.casework.county import NUMBER, agent, at, item, reviewer, window
from tests.casework.lives import accepted
from tests.node.station import plain
from tests.web.cases.paper_desk import PaperDesk

PAGE = f"/cases/{NUMBER}"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[PaperDesk]:
    desk = PaperDesk(tmp_path)
    yield desk
    desk.close()


def test_two_refusals_are_told_with_their_reasons(desk: PaperDesk) -> None:
    life = accepted(item())
    head = life.events[-1:]
    why = ("收入超过标准", "人户分离")
    two = [
        reviewer(incarnation=str(n), now=at(120 + n)).write("decided", {"outcome": "refused", "reason": reason}, head)
        for n, reason in enumerate(why, 2)
    ]
    desk.bring([*life.events, *two])
    client = desk.client()
    for page in (PAGE, "/contested"):
        told = plain(client.get(page).text)
        assert "结果有两个说法" in told
        for reason in why:
            assert f"不予 理由：{reason}" in told


def test_four_sides_stand_side_by_side_also_when_they_are_settled(desk: PaperDesk) -> None:
    life = accepted(item())
    phones = [f"1300000000{n}" for n in range(2, 6)]
    writes = [
        agent(incarnation=str(n), now=at(120 + n)).write(
            "field_corrected", {"path": "applicant.phone", "value": phone}, life.events[-1:]
        )
        for n, phone in enumerate(phones, 2)
    ]
    desk.bring([*life.events, *writes])
    client = desk.client()
    page = client.get(PAGE).text
    assert "联系电话有 4 个说法" in plain(page)
    assert page.split('class="fork"')[1].split("</li>")[0].count("<div>") == 4
    point = desk.place.casebook.case(NUMBER)["contested"][0]  # type: ignore[index]
    settled = window(incarnation="9", now=at(180)).write(
        "settled", {"point": point["id"], "value": writes[2]["_id"], "reason": "打通了"}, writes
    )
    desk.bring([settled])
    page = client.get(PAGE).text
    assert "联系电话有过 4 个说法，已经定了" in plain(page)
    assert page.split('class="fork"')[1].split("</li>")[0].count("<div>") == 4
