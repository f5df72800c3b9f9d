"""Every paper from the browser's own print: one A4 page each, two for a long list, and nothing of the screen on it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from casework.papers import PAPERS, papers_of
from tests.casework.county import NUMBER, intake_data, item
from tests.casework.lives import Life, accepted, granted, taken_in
from tests.web.cases.paper_desk import PASSWORD, PaperDesk
from tests.web.cases.test_paper_pages import long_list, refused
from tests.web.signed_in import signed_in

pytestmark = [pytest.mark.browser]

# Where the printed papers are kept for looking at; none are when it is not set.
PRINTS = os.environ.get("YIZHAN_PRINTS")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[PaperDesk]:
    desk = PaperDesk(tmp_path)
    yield desk
    desk.close()


@pytest.fixture
def page(desk: PaperDesk, browser: Browser) -> Iterator[Page]:
    """Somebody signed in, in a real browser."""
    with signed_in(desk.app, browser, PASSWORD) as page:
        yield page


def pages_of(page: Page, path: str, name: str) -> int:
    """Print it as the browser does; how many pages came out."""
    page.goto(path)
    pdf = page.pdf(prefer_css_page_size=True)
    if PRINTS:
        Path(PRINTS).mkdir(parents=True, exist_ok=True)
        (Path(PRINTS) / f"{name}.pdf").write_bytes(pdf)
    assert re.search(rb"/MediaBox\s*\[0 0 59[45]\.?\d* 84[12]\.?\d*\]", pdf), "A4"
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf))


def ended(kind: str) -> Life:
    life = taken_in()
    pen = life.agent if kind in ("withdrawn", "voided") else life.window
    life.then(pen, kind, {"reason": "不属于本机关职权范围，请向县自然资源局提出申请"})
    return life


def attested() -> Life:
    life = Life(item(level="village"))
    life.then(life.agent, "received", intake_data(life.of))
    life.then(life.agent, "decided", {"outcome": "granted", "certificate": "兹证明张某某系我村村民，家住三组。"})
    return life


def revoked() -> Life:
    life = accepted(item())
    life.then(life.reviewer, "decided", {"outcome": "granted"})
    life.then(life.reviewer, "decision_revoked", {"reason": "隐瞒收入", "basis": "行政许可法第六十九条第二款"})
    return life


LIVES = {
    "granted": granted,
    "refused": refused,
    "attested": attested,
    "revoked": revoked,
    "withdrawn": lambda: ended("withdrawn"),
    "not_accepted": lambda: ended("not_accepted"),
}


def test_the_lives_printed_here_have_every_paper() -> None:
    lives = [make() for make in LIVES.values()]
    offered = {offer.kind.code for life in lives for offer in papers_of(life.case(), life.events)}
    assert offered == set(PAPERS)


@pytest.mark.parametrize("life", LIVES)
def test_every_paper_of_a_case_prints_on_one_page(desk: PaperDesk, page: Page, life: str) -> None:
    lived = LIVES[life]()
    desk.put(lived)
    printed = {
        offer.number: pages_of(
            page, f"/cases/{NUMBER}/papers/{offer.kind.code}?about={offer.about}", f"{life}-{offer.number[33:]}"
        )
        for offer in papers_of(lived.case(), lived.events)
    }
    assert set(printed.values()) == {1}, printed


def test_a_list_of_thirty_materials_takes_two_pages_and_the_rest_still_one(desk: PaperDesk, page: Page) -> None:
    desk.put(accepted(materials=long_list()))
    printed = {
        code: pages_of(page, f"/cases/{NUMBER}/papers/{code}", f"long-{code}") for code in ("materials", "receipt")
    }
    assert printed == {"materials": 2, "receipt": 2}
    assert pages_of(page, f"/cases/{NUMBER}/papers/application", "long-application") == 1


def test_the_button_issues_and_opens_the_browsers_print(desk: PaperDesk, page: Page) -> None:
    desk.put(granted())
    page.add_init_script("window.print = () => { document.documentElement.dataset.printed = 'yes' }")
    page.goto(f"/cases/{NUMBER}/papers/extension")
    assert page.get_by_text("预览", exact=True).is_visible()
    page.get_by_role("button", name="出具并打印").click()
    page.wait_for_selector("html[data-printed=yes]")
    assert "print=1" not in page.url
    page.reload()
    assert page.locator("html[data-printed=yes]").count() == 0
    page.emulate_media(media="print")
    assert not page.get_by_text("再出一份").is_visible()
