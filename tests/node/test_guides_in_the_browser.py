"""Guides as a browser prints them and as a finger uses them: one page of paper, the screen's own letters."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from casework.canonical import Document
from tests.central.county import PASSWORD
from tests.node.station import HOMESTEAD, OLD_AGE, PROOF, SUBSISTENCE, SmallNode
from tests.web.signed_in import signed_in

pytestmark = [pytest.mark.browser]


@pytest.fixture
def page(village: SmallNode, browser: Browser) -> Iterator[Page]:
    """An agent, signed in."""
    with signed_in(village.app, browser, PASSWORD, viewport={"width": 1080, "height": 1920}) as page:
        yield page


def printed(page: Page, path: str) -> int:
    """How many pages come out of the printer."""
    page.goto(path)
    return len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True)))


def heavy(item: Document, times: int) -> Document:
    """The item with everything that an editor could write into it, and more of it than anybody reads."""
    note = "由户籍所在地的村民委员会出具，盖章后三个月内有效"
    return {
        **item,
        "materials": [
            {**item["materials"][0], "id": f"m{n:02d}", "name": f"第{n}份能说明家庭情况的证明材料", "note": note}
            for n in range(1, times + 1)
        ],
        "conditions": item["conditions"] * 2,
        "steps": item["steps"] * 2,
        "faq": item["faq"] * times,
        "basis": item["basis"] * times,
        "legal_note": note * 3,
        "quantity_limit": note * 3,
    }


@pytest.mark.parametrize("times", [1, 5, 10, 16])
def test_a_guide_is_one_page_however_much_is_written_in_it(
    village: SmallNode, page: Page, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    item = heavy(village.item(SUBSISTENCE), times)
    monkeypatch.setattr(village.station.catalogue, "item", lambda _code: item)
    assert printed(page, f"/guides/{item['code']}/sheet") == 1
    size = page.evaluate("parseFloat(getComputedStyle(document.querySelector('.g-sheet')).fontSize)")
    assert size >= 12, "9 pt is 12 px: nobody reads less"
    assert page.get_by_text(f"第{times}份能说明家庭情况的证明材料").is_visible()


def test_the_guides_and_the_notices_of_the_sample_are_one_page_each(village: SmallNode, page: Page) -> None:
    for name in (SUBSISTENCE, OLD_AGE, PROOF, HOMESTEAD):
        code = village.item(name)["code"]
        assert printed(page, f"/guides/{code}/sheet") == 1, name
        assert printed(page, f"/guides/{code}/notice") == 1, name


def on_screen(page: Page) -> None:
    page.goto("/guides")
    page.get_by_role("button", name="把这台机器交给来办事的人用").click()
    page.wait_for_url("**/touch")


def test_a_finger_writes_with_the_letters_of_the_screen(village: SmallNode, page: Page) -> None:
    on_screen(page)
    page.get_by_role("button", name="用拼音字母查").click()
    box = page.get_by_role("searchbox")
    for letter in "GLJ":
        page.get_by_role("button", name=letter, exact=True).click()
    expect(box).to_have_value("glj")
    page.get_by_role("button", name="退一格").click()
    expect(box).to_have_value("gl")
    page.get_by_role("button", name="清空").click()
    expect(box).to_have_value("")
    box.fill("高龄津贴")
    page.locator("#found").get_by_text(OLD_AGE).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(OLD_AGE)
    del village


@pytest.mark.parametrize("size", [(1080, 1920), (1366, 768)])
def test_targets_are_huge_and_nothing_runs_off_the_screen(
    village: SmallNode, page: Page, size: tuple[int, int]
) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    on_screen(page)
    code = village.item(HOMESTEAD)["code"]
    page.get_by_role("button", name="农民").click()
    # Between two pages there is none that could be measured.
    page.wait_for_url("**/group/**")
    ways: list[Any] = [
        "",
        f"/guide/{code}",
        f"/guide/{code}/bring",
        f"/guide/{code}/bring?situation.how=&people.present.role=",
    ]
    visit = re.sub(r"/group/.*", "", page.url)
    for way in ways:
        if way:
            page.goto(visit + way)
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0], way
        small = page.evaluate(
            "[...document.querySelectorAll('a.btn, button:not(.hide), .k-rows a, .answers a')]"
            ".filter((one) => one.getBoundingClientRect().height < 64).map((one) => one.textContent)"
        )
        assert small == [], way


def test_a_minute_without_a_finger_leads_back_to_the_start(village: SmallNode, page: Page) -> None:
    page.clock.install()
    on_screen(page)
    page.get_by_role("searchbox").fill("高龄津贴")
    page.keyboard.press("Enter")
    page.wait_for_url("**/find")
    page.clock.run_for(40_000)
    page.mouse.move(200, 200)
    page.clock.run_for(40_000)
    assert page.url.endswith("/find"), "somebody is still there"
    page.clock.run_for(30_000)
    page.wait_for_url("**/touch")
    expect(page.get_by_role("searchbox")).to_have_value("")
    assert village.station.touch_screens.visits() == 0
