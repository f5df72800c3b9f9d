"""An item is edited, approved by three bodies and published; then the village's guide says it. In a real Chromium."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.patience import until
from tests.stories.browsing import picture, sign_in, someone
from tests.stories.county import Account, DemoCounty

pytestmark = [pytest.mark.browser, pytest.mark.processes]

CODES = ("60010100MZ-JF-0001", "60010100MZ-QR-0001")
NAMES = ("最低生活保障对象认定与保障金给付", "最低生活保障边缘家庭认定")
CONDITION = "家庭成员有本县户籍，长期在本县居住（二〇二六年九月起）"


def draft(county: DemoCounty, code: str) -> None:
    """As the editor's page saves it."""
    place = county.layout["county"]
    account = next(account for account in place["accounts"] if account["username"] == "reviewer-minzheng")
    drafter = Account(place["url"], account["username"], account["password"])
    known = drafter.get(f"catalogue/drafts/{code}")
    item = {**known["item"], "conditions": [CONDITION, *known["item"]["conditions"]]}
    assert drafter.put(f"catalogue/drafts/{code}", {"item": item, "rev": known["rev"]})["saved"]


def tick(page: Page, *names: str) -> None:
    for name in names:
        page.get_by_role("checkbox", name=name, exact=True).check()


def test_two_items_are_approved_in_a_batch_one_is_returned_and_the_village_sees_them(
    healed: DemoCounty, person: BrowserContext, browser: Browser
) -> None:
    county = healed.layout["county"]
    for code in CODES:
        draft(healed, code)

    # The drafter's front page says that they wait; both are submitted at once.
    drafter = sign_in(person, county, "reviewer", "reviewer-minzheng")
    expect(drafter.locator("main")).to_contain_text("还没提交的事项 2")
    drafter.get_by_role("link", name="事项审核").first.click()
    tick(drafter, *NAMES)
    picture(drafter, "approvals-drafter", whole=True)
    drafter.get_by_role("button", name="勾上的提交审核").click()
    expect(drafter.locator(".told")).to_contain_text("2 个事项都办好了")

    def as_body(role: str, *names: str, button: str, comment: str = "") -> None:
        with someone(browser) as other:
            page = sign_in(other, county, role, {"approver": "approver-minzheng"}.get(role))
            expect(page.get_by_role("heading", name="待我审核")).to_be_visible()
            page.get_by_text("改了 1 处").first.click()
            expect(page.locator("main")).to_contain_text(CONDITION)
            tick(page, *names)
            picture(page, f"approvals-{role}", whole=True)
            page.locator("textarea[name=comment]").fill(comment)
            page.get_by_role("button", name=button).click()
            expect(page.locator(".told")).to_be_visible()

    as_body("approver", *NAMES, button="勾上的通过")
    as_body("staffing", NAMES[0], button="勾上的通过")
    # One is returned; the drafter sees why, and it goes round again.
    as_body("staffing", NAMES[1], button="勾上的退回", comment="户籍的说法和低保的写成一样")
    drafter.goto(county["url"])
    expect(drafter.locator("main")).to_contain_text("退回来要改的事项 1")
    drafter.get_by_role("link", name="事项审核").first.click()
    expect(drafter.locator("main")).to_contain_text("户籍的说法和低保的写成一样")
    picture(drafter, "approvals-returned", whole=True)
    tick(drafter, NAMES[1])
    drafter.get_by_role("button", name="勾上的提交审核").click()
    as_body("approver", NAMES[1], button="勾上的通过")
    as_body("staffing", NAMES[1], button="勾上的通过")
    as_body("service", *NAMES, button="勾上的通过")

    # 政务办 publishes; the history says who approved what as which body.
    with someone(browser) as other:
        page = sign_in(other, county, "service")
        page.get_by_role("link", name="目录", exact=True).click()
        page.get_by_role("link", name="发布新一版…").click()
        expect(page.locator("main")).to_contain_text(NAMES[1])
        page.get_by_role("button", name="发布").click()
        expect(page.locator(".told")).to_contain_text("已发布")
        page.goto(f"{county['url']}/approvals/{CODES[1]}")
        for words in ("部门 · 魏某某", "编办 · 姜某某", "政务办 · 戚某某", "户籍的说法和低保的写成一样"):
            expect(page.locator("main")).to_contain_text(words)
        page.get_by_text("后来改了 1 处").click()
        picture(page, "approvals-history", whole=True)
        page.set_viewport_size({"width": 390, "height": 844})
        for path in (f"/approvals/{CODES[1]}", "/approvals"):
            page.goto(f"{county['url']}{path}")
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
            picture(page, f"phone-approvals{len(path)}")

    village = healed.station("village")
    agent = sign_in(person, village, "agent")

    def told() -> bool:
        agent.goto(f"{village['url']}/guides/{CODES[0]}")
        return CONDITION in agent.locator("main").inner_text()

    until(told, "the village's guide says what was approved", every_s=0.5)
