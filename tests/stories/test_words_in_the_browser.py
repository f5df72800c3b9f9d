"""What a village asked in vain the county makes a way of saying, and the village finds it: the clock is the test's."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.central.county import PASSWORD, SmallCentre
from tests.central.test_words_page import carry
from tests.node.station import OLD_AGE, SmallNode, make_stations
from tests.stories.browsing import picture
from tests.sync.served import served

pytestmark = [pytest.mark.browser]

ASKED = "飞船糕"


def sign_in(person: BrowserContext, url: str, username: str) -> Page:
    page = person.new_page()
    page.goto(url)
    page.get_by_label("用户名").fill(username)
    page.get_by_label("密码").fill(PASSWORD)
    page.get_by_role("button", name="登录").click()
    return page


def ask(page: Page, url: str, question: str) -> None:
    page.goto(f"{url}/guides")
    box = page.get_by_role("searchbox").first
    box.fill(question)
    box.press("Enter")
    page.wait_for_url("**/guides?**")


def test_what_was_not_found_is_known_in_the_next_release(tmp_path: Path, person: BrowserContext) -> None:
    make_stations(tmp_path / "made")
    county = SmallCentre(tmp_path / "centre", tmp_path / "made" / "made" / "county")
    village = SmallNode(tmp_path / "made", tmp_path / "village")
    with ExitStack() as open_ones:
        open_ones.callback(county.close)
        open_ones.callback(village.close)
        here, there = (open_ones.enter_context(served(app)) for app in (village.app, county.app))

        agent = sign_in(person, here, "wang")
        for _ in range(3):
            ask(agent, here, ASKED)
            expect(agent.locator("#found").get_by_role("link", name=OLD_AGE)).to_have_count(0)
            ask(agent, here, "高龄津贴")
            agent.locator("#found").get_by_role("link", name=OLD_AGE).first.click()
            expect(agent.get_by_role("heading", name=OLD_AGE).first).to_be_visible()
            village.now.forward(minutes=2)
        village.now.forward(days=1)
        village.station.misses.tell_when_due()
        carry(county, village)

        county.now.at = village.now.at
        editor = sign_in(person, there, "sun")
        editor.get_by_role("link", name="词库", exact=True).click()
        line = editor.locator(".asked > li", has_text=ASKED)
        expect(line).to_contain_text("问了 3 次，1 个站")
        expect(line.get_by_label("是这个事项的说法")).to_have_value(OLD_AGE)
        picture(editor, "words-asked")
        line.get_by_role("button", name="采纳", exact=True).click()
        # It is led to the box, where the next release already knows.
        expect(editor.locator(".tried > li").first).to_contain_text(f"1. {OLD_AGE}")
        expect(editor.locator(".tried > li").first).to_contain_text(f"对上的是群众的说法 {ASKED}")
        picture(editor, "words-tried")
        editor.get_by_label("现在发布的").check()
        editor.get_by_role("button", name="试一试").click()
        expect(editor.get_by_text("什么也没查到。")).to_be_visible()
        editor.goto(f"{there}/catalogue/publish")
        expect(editor.locator("main")).to_contain_text("群众的说法")
        editor.get_by_role("button", name="发布", exact=True).click()
        expect(editor.locator("main")).to_contain_text("已发布")
        editor.goto(f"{there}/words")
        expect(editor.locator("main")).not_to_contain_text(ASKED)

        carry(county, village)
        # The sign-in of yesterday has ended.
        agent = sign_in(person, here, "wang")
        ask(agent, here, ASKED)
        expect(agent.locator(".hits > li").first).to_contain_text(OLD_AGE)
        picture(agent, "words-found")
