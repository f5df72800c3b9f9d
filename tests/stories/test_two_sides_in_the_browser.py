"""What two people did on two sides of a cut line, as they see it: one settles, the other is told."""

from __future__ import annotations

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.patience import until
from tests.stories.browsing import choose, picture, sign_in
from tests.stories.county import DemoCounty
from tests.stories.test_first_light import item_called, take_in

pytestmark = [pytest.mark.browser, pytest.mark.processes]


def test_the_applicant_withdraws_while_the_county_grants(healed: DemoCounty, person: BrowserContext) -> None:
    village, county = healed.station("village"), healed.layout["county"]
    asked = [healed.sign_in(village, "agent"), healed.sign_in(county, "reviewer")]
    # How an agent takes this item in, test_in_the_browser shows.
    number = take_in(asked[0], item_called(asked[0], "低保"))["number"]
    until(lambda: asked[0].get(f"cases/{number}")["held_by_county_at"], "the county holds the case")
    agent, reviewer = sign_in(person, village, "agent"), sign_in(person, county, "reviewer")

    healed.line("cut")
    agent.goto(f"{village['url']}/cases/{number}")
    choose(agent, "撤回")
    agent.get_by_label("原因").fill("儿子回来了，家里有人挣钱")
    picture(agent, "withdrawal")
    agent.get_by_role("button", name="下一步：核对").click()
    agent.get_by_role("button", name="确定，登记撤回").click()
    expect(agent.locator("#facts")).to_contain_text("已撤回")

    reviewer.goto(f"{county['url']}/cases/{number}")
    reviewer.get_by_role("radio", name="准予").check()
    reviewer.get_by_role("textbox", name="理由").fill("符合条件")
    reviewer.get_by_role("button", name="作出决定").click()
    reviewer.get_by_role("button", name="确定，作出决定").click()
    expect(reviewer.locator("#facts")).to_contain_text("已准予")

    # Both see both; only who decides gets the button, and the village the outcome.
    healed.line("heal")
    for account in asked:
        until(lambda: account.get(f"cases/{number}")["contested"], "both sides see the point")  # noqa: B023
    agent.reload()
    expect(agent.locator("main")).to_contain_text("结果有两个说法，还没定")
    expect(agent.locator("main")).to_contain_text("由有权的人来定")
    expect(agent.get_by_role("button", name="定下来")).to_have_count(0)
    picture(agent, "outcome-village", whole=True)
    reviewer.goto(f"{county['url']}/contested")
    point = reviewer.locator("section.two", has_text=number.split("-", 2)[-1])
    picture(reviewer, "outcome-county", whole=True)
    point.locator("label.side", has_text="撤回").click()
    point.get_by_label("为什么这样定").fill("决定还没送到，办事人先撤回了")
    point.get_by_role("button", name="定下来").click()
    until(lambda: asked[0].get(f"cases/{number}")["state"] == "withdrawn", "the village hears of it")
    agent.reload()
    expect(agent.locator("#facts")).to_contain_text("已撤回")
    expect(agent.locator("main")).to_contain_text("决定还没送到，办事人先撤回了")
    expect(agent.get_by_text("有两个说法，还没定")).to_have_count(0)
    picture(agent, "outcome-settled", whole=True)
    village_says, county_says = (account.get(f"cases/{number}")["current"] for account in asked)
    assert village_says == county_says
