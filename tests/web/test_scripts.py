"""What the scripts add, in a real browser; everything that they improve works without them and is tested elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Blueprint, render_template_string, request
from playwright.sync_api import Browser, Page, expect

from tests.sync.served import served
from tests.web.conftest import SmallApp
from web.forms import read_form
from web.signin import public

pytestmark = [pytest.mark.browser]

SCHEMA = {
    "properties": {
        "name": {"type": "string", "title": "姓名", "x-order": 1},
        "kind": {"type": "string", "title": "种类", "enum": ["甲", "乙"], "x-order": 2},
        "people": {
            "type": "array",
            "title": "成员",
            "x-order": 3,
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "title": "姓名"},
                    "income": {"type": "integer", "title": "收入", "x-widget": "money"},
                },
            },
        },
        "total": {"type": "integer", "x-widget": "money", "readOnly": True, "x-sum-of": "people.income", "x-order": 4},
        "story": {"type": "string", "title": "情况", "x-widget": "textarea", "x-order": 5},
    }
}
PAGE = """
{% extends "layout.html" %}{% import "forms.html" as forms %}{% block title %}收件{% endblock %}
{% block content %}<h1>收件</h1>
<a href="/signin" data-key="n">新收件 <kbd>N</kbd></a>
<form method="post" data-keys data-draft="/keep">
<section id="s1"><input id="id" name="id"><p data-reads="id" data-as="id" id="aloud"></p></section>
<section id="s2">{{ forms.fields(lay_out(schema), {}) }}</section>
<details><summary>更多</summary><section id="s3"><input id="more"></section></details>
<p id="draft-told" role="status"></p>
<button type="submit" name="do" value="park" data-park>暂存</button>
<button type="submit" name="do" value="save" data-save>保存</button>
</form>
<form action="/find"><input id="q" name="q" data-search="/find" data-results="found"></form><div id="found"></div>
<dl id="part" data-live="/part"><dd>第 0 次</dd></dl>
{% endblock %}
"""


class Pages:
    """The pages of this test, and what they were sent."""

    def __init__(self) -> None:
        self.kept: list[dict[str, object]] = []
        self.sent: list[tuple[str, dict[str, object]]] = []
        self.asked: list[str] = []
        self.times = 0

    def blueprint(self) -> Blueprint:
        pages = Blueprint("pages", __name__)

        @pages.get("/page")
        @public
        def page() -> str:
            return render_template_string(PAGE, schema=SCHEMA)

        @pages.post("/page")
        @public
        def act() -> str:
            self.sent.append((request.form.get("do", ""), read_form(SCHEMA, request.form)))
            # A browser asks for an icon of its own accord where a page names none.
            return '<link rel="icon" href="data:,"><p>sent</p>'

        @pages.post("/keep")
        @public
        def keep() -> str:
            self.kept.append(read_form(SCHEMA, request.form))
            return "草稿已存"

        @pages.get("/find")
        @public
        def find() -> str:
            self.asked.append(request.args["q"])
            return render_template_string("<p>{{ said }}</p>", said=request.args["q"])

        @pages.get("/part")
        @public
        def part() -> str:
            self.times += 1
            return f'<dl id="part" data-live="/part"><dd>第 {self.times} 次</dd></dl>'

        return pages


@pytest.fixture
def pages(small: SmallApp) -> Pages:
    pages = Pages()
    small.app.register_blueprint(pages.blueprint())
    return pages


@pytest.fixture
def page(small: SmallApp, pages: Pages, browser: Browser) -> Iterator[Page]:
    with served(small.app) as url:
        context = browser.new_context(base_url=url)
        page = context.new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.goto("/page")
        yield page
        context.close()
        assert wrong == [], "no script failed, and the content policy forbade nothing"


def test_enter_goes_through_the_fields_and_never_presses_a_button(page: Page, pages: Pages) -> None:
    page.focus("#id")
    order = []
    for _ in range(6):
        page.keyboard.press("Enter")
        order.append(page.evaluate("document.activeElement.name"))
    # A text of several lines keeps its Enter.
    assert order == ["form.name", "form.kind", "form.people.0.name", "form.people.0.income", "form.story", "form.story"]
    assert pages.sent == []


def test_what_an_input_method_composes_is_its_own(page: Page) -> None:
    page.focus("#id")
    page.evaluate(
        "document.activeElement.dispatchEvent("
        "new KeyboardEvent('keydown', {key: 'Enter', isComposing: true, bubbles: true, cancelable: true}))"
    )
    assert page.evaluate("document.activeElement.id") == "id"


def test_keys_lead_to_sections_save_and_park(page: Page, pages: Pages) -> None:
    page.keyboard.press("Alt+2")
    assert page.evaluate("document.activeElement.name") == "form.name"
    page.keyboard.type("张某某")
    page.keyboard.press("Control+Enter")
    page.wait_for_url("**/page")
    expect(page.locator("body")).to_have_text("sent")
    assert pages.sent[-1] == ("save", {"name": "张某某"})
    page.goto("/page")
    page.focus("#id")
    page.keyboard.press("F8")
    expect(page.locator("body")).to_have_text("sent")
    assert pages.sent[-1][0] == "park"


def test_a_key_unfolds_the_section_that_it_leads_to(page: Page) -> None:
    page.keyboard.press("Alt+3")
    assert page.evaluate("document.activeElement.id") == "more"
    assert page.evaluate("document.querySelector('details').open")


def test_a_letter_needs_alt_and_is_told_so(page: Page) -> None:
    expect(page.locator("[data-key=n] kbd")).to_have_text("Alt+N")
    page.locator("h1").click()
    page.keyboard.press("n")
    assert page.url.endswith("/page")
    page.keyboard.press("Alt+n")
    page.wait_for_url("**/signin")


def test_rows_come_and_go_and_the_total_follows(page: Page, pages: Pages) -> None:
    page.fill("[name='form.people.0.name']", "张")
    page.fill("[name='form.people.0.income']", "350.10")
    page.focus("[name='form.people.0.name']")
    page.keyboard.press("Alt+a")
    assert page.evaluate("document.activeElement.name") == "form.people.1.name"
    page.keyboard.type("李")
    page.fill("[name='form.people.1.income']", "900.2")
    page.get_by_role("button", name="加一行").click()
    page.keyboard.type("赵")
    expect(page.locator("[name='form.total']")).to_have_value("1250.30")
    page.get_by_role("button", name="删掉成员第 1 行").click()
    expect(page.locator("[name='form.total']")).to_have_value("900.20")
    expect(page.locator("[data-number]").first).to_have_text("1")
    page.get_by_role("button", name="加一行").click()
    page.keyboard.type("周")
    page.keyboard.press("Control+Enter")
    expect(page.locator("body")).to_have_text("sent")
    people = pages.sent[-1][1]["people"]
    assert people == [{"name": "李", "income": 90020}, {"name": "赵"}, {"name": "周"}]


def test_what_was_typed_is_kept_a_moment_later_and_when_the_page_is_left(page: Page, pages: Pages) -> None:
    page.fill("[name='form.name']", "张")
    expect(page.locator("#draft-told")).to_have_text("草稿已存")
    assert pages.kept[-1] == {"name": "张"}
    page.fill("[name='form.name']", "张某某")
    page.goto("/signin")
    # The page that is left does not wait for the answer, so the next one may be there first.
    waited = 0
    while pages.kept[-1] != {"name": "张某某"} and waited < 100:
        page.wait_for_timeout(50)
        waited += 1
    assert pages.kept[-1] == {"name": "张某某"}, "also what was typed in the last half second"


def test_a_number_is_read_back_in_groups(page: Page) -> None:
    page.fill("#id", "600000196001010016")
    assert page.locator("#aloud").text_content() == "600000\u00a01960 0101\u00a00016"


def test_search_answers_while_one_types(page: Page, pages: Pages) -> None:
    page.locator("#q").press_sequentially("低保", delay=300)
    expect(page.locator("#found")).to_have_text("低保")
    assert pages.asked[-1] == "低保"


def test_a_part_that_changes_is_shown_anew(page: Page, pages: Pages) -> None:
    expect(page.locator("#part")).to_have_text("第 1 次")
    expect(page.locator("#part")).to_have_text("第 2 次")


def test_the_line_is_told_anew_only_when_its_words_change(page: Page, small: SmallApp) -> None:
    page.evaluate("window.seen = document.querySelector('#line-strip').firstElementChild")
    small.pass_time(seconds=3)
    page.wait_for_timeout(3500)
    assert page.evaluate("window.seen.isConnected"), "nobody is told the same thing again"
    small.line = replace(small.line, online=True, waiting=0)
    expect(page.locator("#line-strip")).to_contain_text("网络正常")
    assert page.evaluate("document.querySelector('#line-strip').classList.contains('line-up')")
