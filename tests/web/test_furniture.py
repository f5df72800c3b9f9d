from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask, render_template_string

import web
from tests.web.conftest import SmallApp
from web.app import LineState
from web.papers import qr_svg

NASTY = '"><script>alert(1)</script>'
TEMPLATES = Path(web.__file__).parent / "templates"

# One call of every macro, with text in it that wants to be markup.
CALLS = {
    "furniture.html": {
        "csrf": "furniture.csrf(nasty)",
        "errors": "furniture.errors({'a.b': nasty}, nasty, {'a.b': nasty})",
        "why": "furniture.why('a', {'a': nasty})",
        "marks": "furniture.marks(nasty, {})",
        "text": "furniture.text('a', nasty, nasty, {'a': nasty}, hint=nasty, attributes={'data-x': nasty})",
        "area": "furniture.area('a', nasty, nasty, {'a': nasty}, hint=nasty)",
        "choice": "furniture.choice('a', nasty, nasty, [nasty, 'b'], {'a': nasty}, empty=nasty)",
        "picks": "furniture.picks('a', nasty, [nasty], [nasty, 'b'], {'a': nasty})",
        "shape": "furniture.shape('up') ~ furniture.shape('cut') ~ furniture.shape('lost') ~ furniture.shape('look') "
        "~ furniture.shape(nasty)",
        "nothing": "furniture.nothing(nasty)",
        "state": "furniture.state('lost', nasty, 'is-bad')",
        "tag": "furniture.tag(nasty, 'is-warn')",
        "keycap": "furniture.keycap(nasty ~ '+Enter')",
        "shortcut": "furniture.shortcut('Ctrl+' ~ nasty)",
        "button": "furniture.button(nasty, nasty, nasty, main=true, keys='F8', attributes={'data-save': nasty})",
        "link": "furniture.link(nasty, '/?q=' ~ nasty, keys='F8')",
        "banner": "furniture.banner(nasty, 'is-warn')",
        "sections": "furniture.sections([('s1', nasty, nasty, 'is-bad'), ('s2', 'b', 'c', 'is-ok')], nasty, 's1')",
        "segmented": "furniture.segmented('a', nasty, 'later', [('received', nasty), ('later', nasty)])",
        "material": "furniture.material('a', nasty, nasty, 'later', [('received', nasty), ('later', nasty)])",
        "table": "furniture.table([nasty], [[nasty]], nasty)",
        "savebar": "{% call furniture.savebar([('a', nasty), ('b', nasty)], nasty) %}{{ nasty }}{% endcall %}",
        "confirm": "furniture.confirm(nasty, [(nasty, nasty)], nasty, '/x', nasty, nasty, '/', {'a': nasty})",
        "first_button": "furniture.first_button('row', nasty)",
    },
    "sheet.html": {
        "facts": "sheet.facts([(nasty, nasty), (nasty, nasty, true)])",
        "listing": "sheet.listing([nasty], [[nasty]])",
        "steps": "sheet.steps([(nasty, [nasty])])",
        "sign": "sheet.sign(nasty)",
        "seal": "sheet.seal([nasty, nasty])",
        "signs": "{% call sheet.signs([nasty], [nasty], stub=true) %}{{ nasty }}{% endcall %}",
    },
}
EVERY = [(file, name) for file, calls in CALLS.items() for name in calls]


@pytest.fixture
def app(small: SmallApp) -> Flask:
    return small.app


def drawn(app: Flask, template: str, **values: object) -> str:
    imports = "{% import 'furniture.html' as furniture %}{% import 'sheet.html' as sheet %}"
    with app.test_request_context():
        return render_template_string(imports + template, **values)


@pytest.mark.parametrize(("file", "name"), EVERY)
def test_a_macro_draws_words_and_never_markup(app: Flask, file: str, name: str) -> None:
    call = CALLS[file][name]
    page = drawn(app, call if call.startswith("{%") else "{{ " + call + " }}", nasty=NASTY)
    assert page.strip()
    assert "<script>" not in page
    assert not re.search(r"\sstyle=|\son\w+=", page), "the content policy forbids it"
    if name != "shape":
        assert "&lt;script&gt;" in page


@pytest.mark.parametrize("file", sorted(CALLS))
def test_every_macro_has_its_line_here(file: str) -> None:
    assert set(re.findall(r"{% macro (\w+)\(", (TEMPLATES / file).read_text())) == set(CALLS[file])


def test_each_state_has_a_shape_of_its_own(app: Flask) -> None:
    shapes = {
        drawn(app, "{{ furniture.shape(name) }}", name=name).strip() for name in ("up", "cut", "lost", "look", "")
    }
    assert len(shapes) == 5


def test_a_summary_leads_to_the_fields_and_calls_them_by_name_once(app: Flask) -> None:
    page = drawn(
        app,
        "{{ furniture.errors({'a.b': '要填。', 'c': '请填写电话。'}, '有 2 处要改', {'a.b': '姓名', 'c': '电话'}) }}"
        "{{ furniture.text('a.b', '姓名', '', {}) }}",
    )
    assert '<a href="#f-a-b">姓名：要填。</a>' in page
    assert '<a href="#f-c">请填写电话。</a>' in page
    assert 'id="f-a-b"' in page


def test_a_paper_has_its_number_its_code_and_a_copy_to_keep(app: Flask) -> None:
    page = drawn_paper(app, "{% block copy %}存根{% endblock %}")
    assert "<b>0012-7K3QX</b>" in page
    assert "<svg" in page
    assert page.index("沿此线裁开") < page.index("存根")
    assert "沿此线裁开" not in drawn_paper(app, ""), "no cut where nothing is kept"


def drawn_paper(app: Flask, blocks: str) -> str:
    with app.test_request_context():
        return render_template_string(
            "{% extends 'paper.html' %}{% block sheet %}内容{% endblock %}" + blocks,
            title="受理回执",
            station="柳树湾村便民服务站",
            number="600101101201-20260916-0012-7K3QX",
            qr=qr_svg("http://127.0.0.1/cases/1"),
        )


def test_a_code_shows_nothing_of_its_text_but_squares() -> None:
    drawing = qr_svg(NASTY, label=NASTY)
    assert "<script>" not in drawing
    assert drawing.startswith("<svg")
    assert qr_svg("1") != qr_svg("2")


def test_a_whole_line_and_a_broken_one_are_told_in_words_and_drawn(small: SmallApp) -> None:
    broken = small.client().get("/line-strip").text
    at = datetime(2026, 9, 16, 2, 26, tzinfo=UTC)
    small.line = LineState(online=True, waiting=0, last_confirmed_at=at, release=18)
    whole = small.client().get("/line-strip").text
    assert "网络中断" in broken
    assert "6 条" in broken
    assert "stroke-dasharray" in broken
    assert "网络正常" in whole
    assert "没有待上传" in whole
    assert "第 000018 版" in whole
    assert "stroke-dasharray" not in whole
    assert 'role="status"' in whole


def test_the_line_stands_on_every_page_also_before_sign_in(small: SmallApp) -> None:
    assert 'id="line-strip"' in small.client().get("/signin").text
    assert 'id="line-strip"' in small.client().get("/nowhere").text
