"""The county is out of reach all day, and what township and village decide themselves runs to its end."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.stories.browsing import (
    begin_intake,
    bring,
    do_next,
    fill_applicant,
    picture,
    print_every_paper,
    save,
    sign_in,
)
from tests.stories.county import DemoCounty

pytestmark = [pytest.mark.browser, pytest.mark.processes]


def test_a_window_finishes_on_the_spot_and_a_village_attests(healed: DemoCounty, person: BrowserContext) -> None:
    healed.line("cut")
    window = sign_in(person, healed.station("township"), "township")
    expect(window.locator("#line-strip")).to_contain_text("网络中断")
    begin_intake(window, "户口本丢了", "居民户口簿补发换发")
    fill_applicant(window, "李玉兰", "600000198503150026", "13000000001")
    window.get_by_label("申请事由").fill("户口本下雨淋坏了，换一本")
    bring(window, "m01", "m02")
    number = save(window)
    picture(window, "window-saved", whole=True)
    hand_out(window, "李玉兰")
    picture(window, "window-handed-out", whole=True)
    papers = print_every_paper(window)
    assert {"受理回执", "送达回证"} <= set(papers), papers
    assert healed.sign_in(healed.station("township"), "township").get(f"cases/{number}")["state"] == "delivered"

    agent = sign_in(person, healed.station("village"), "agent")
    begin_intake(agent, "开证明", "村民委员会出具证明")
    fill_applicant(agent, "李玉兰", "600000198503150026", "13000000001")
    agent.get_by_label("证明什么").select_option("居住情况")
    agent.get_by_label("做什么用").fill("孩子入学报名")
    agent.get_by_label("交给哪个单位").fill("河口镇中心小学")
    agent.get_by_label("要证明的情况").fill("本人自 2015 年起一直住在柳树湾村三组。")
    agent.get_by_label("要几份").fill("1")
    bring(agent, "m01", "m02")
    number = save(agent)
    words = "李玉兰自 2015 年起一直住在柳树湾村三组。"
    agent.get_by_label("证明的内容").fill(words)
    picture(agent, "proof-next", whole=True)
    hand_out(agent, "李玉兰")
    papers = print_every_paper(agent)
    assert "证明" in papers, papers
    agent.goto(f"{healed.station('village')['url']}/cases/{number}/papers/certificate")
    expect(agent.locator(".sheet")).to_contain_text(words)
    assert healed.sign_in(healed.station("village"), "agent").get(f"cases/{number}")["state"] == "delivered"
    expect(agent.locator("#line-strip")).to_contain_text("网络中断")


def hand_out(page: Page, name: str) -> None:
    page.get_by_label("本人", exact=True).check()
    page.locator("[name='to.name']").fill(name)
    page.get_by_label("签字").check()
    do_next(page, "当场办结", "当场办结")
    expect(page.locator("#facts")).to_contain_text("已送达")
