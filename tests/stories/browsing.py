"""A real Chromium at the demo county's pages: people who sign in there, and what they do on every page."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Page, expect

# Where pictures are kept for looking at (and for the README); none are taken when it is not set.
SCREENS = os.environ.get("YIZHAN_SCREENS")


@contextmanager
def someone(browser: Browser) -> Iterator[BrowserContext]:
    before = set(browser.contexts)
    yield _machine(browser)
    for context in set(browser.contexts) - before:
        context.close()


def _machine(browser: Browser) -> BrowserContext:
    """Each has a machine of its own: of two pages in one window the one behind is drawn once a second, and a press of a
    button there waits for that."""
    return browser.new_context(viewport={"width": 1366, "height": 768}, locale="zh-CN")


def sign_in(person: BrowserContext, place: dict[str, Any], role: str, username: str | None = None) -> Page:
    """`username` where more than one of this role work at the place, such as a county department's reviewers."""
    account = next(
        account for account in place["accounts"] if account["role"] == role and username in (None, account["username"])
    )
    browser = person.browser
    assert browser is not None
    page = (_machine(browser) if person.pages else person).new_page()
    page.goto(place["url"])
    page.get_by_label("用户名").fill(account["username"])
    page.get_by_label("密码").fill(account["password"])
    page.get_by_role("button", name="登录").click()
    expect(page.get_by_role("button", name="退出")).to_be_visible()
    return page


def picture(page: Page, name: str, *, whole: bool = False) -> None:
    if SCREENS:
        Path(SCREENS).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(SCREENS) / f"{name}.png", full_page=whole)


def begin_intake(page: Page, asked: str, item: str) -> None:
    """From the workbench by what the villager says to the intake of the item, as an agent goes."""
    page.get_by_label("村民要办什么事？").fill(asked)
    page.locator("#found").get_by_role("link", name=item).first.click()
    page.get_by_role("button", name="给这件事收件").click()


def fill_applicant(page: Page, name: str, id_number: str, phone: str) -> None:
    page.get_by_label("姓名", exact=True).fill(name)
    page.get_by_label("证件号码", exact=True).fill(id_number)
    page.get_by_label("联系电话").fill(phone)


def fill_required(page: Page) -> None:
    """Something that passes in every field of the item's own form."""
    for area in page.locator("#s2 textarea, #s2 input:not([type=radio]):not([type=checkbox])").all():
        if area.is_visible() and not area.input_value() and area.get_attribute("readonly") is None:
            says = area.evaluate("field => field.closest('.field').textContent")
            number = area.get_attribute("inputmode") in ("numeric", "decimal")
            area.fill("2026-09-16" if "20260916" in says else "1" if number else "情况属实")
    for choice in page.locator("#s2 select").all():
        choice.select_option(index=1)
    for picks in page.locator("#s2 fieldset").all():
        picks.locator("input").first.check()


def bring(page: Page, *materials: str) -> None:
    """Tick these materials as received."""
    for material in materials:
        page.locator(f"#s3 label:has([name='materials.{material}'][value=received])").click()


def save(page: Page) -> str:
    """Save the intake; returns the case's number."""
    page.get_by_role("button", name=re.compile("保存 ")).click()
    expect(page.locator("main")).to_contain_text("已保存")
    return page.url.rsplit("/", 1)[1].split("?")[0]


def choose(page: Page, act: str) -> None:
    """An act that is not the next one: under 更多操作."""
    more = page.locator("section.more")
    if more.locator("details[open]").count() == 0:
        more.get_by_text("更多操作").click()
    more.get_by_role("link", name=act, exact=True).click()


def do_next(page: Page, act: str, button: str) -> None:
    """The next step as the page offers it, filled in before; what asks once more is confirmed."""
    expect(page.get_by_role("heading", name=f"下一步：{act}")).to_be_visible()
    page.locator("section.decide").get_by_role("button", name=button, exact=True).click()


def correct(page: Page, field: str, value: str, how: str) -> None:
    page.get_by_text("更正登记的内容").click()
    page.get_by_label("改哪一栏").select_option(field)
    page.get_by_label("改成").fill(value)
    page.get_by_label("怎么知道的").fill(how)
    page.get_by_role("button", name="更正", exact=True).click()


def print_every_paper(page: Page) -> list[str]:
    """Issue each paper that this person may, and print all of them; returns their titles. Each fits one page."""
    page.locator("#papers").wait_for()
    links = page.locator("#papers ul.rows > li > a")
    papers = [(link.inner_text(), link.evaluate("link => link.href")) for link in links.all()]
    for title, address in papers:
        page.goto(address)
        expect(page.locator(".sheet")).to_contain_text(title)
        issue = page.get_by_role("button", name="出具并打印")
        if issue.count():
            issue.click()
            expect(page.get_by_role("button", name="再出一份（补打）")).to_be_visible()
            # It prints itself now; the sheet by itself is what goes to paper.
            page.goto(address)
        assert pages_of(page.pdf(prefer_css_page_size=True)) == 1, f"{title} fits one page"
        picture(page, f"paper-{title}", whole=True)
    return [title for title, _ in papers]


def pages_of(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", pdf))
