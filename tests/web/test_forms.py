from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict

from casework.forms import first_examples, validate_form
from tests.web.browsing import sent_by
from tests.web.conftest import SmallApp
from web import forms

SAMPLE = Path(__file__).parents[2] / "provisioning" / "sample_county" / "items.json"
FORMS: dict[str, dict[str, Any]] = json.loads(SAMPLE.read_text())["forms"]

EVERYTHING: dict[str, Any] = {
    "type": "object",
    "required": ["name", "size"],
    "properties": {
        "name": {"type": "string", "title": "姓名", "x-order": 2},
        "story": {"type": "string", "x-widget": "textarea", "x-order": 1},
        "size": {"type": "integer", "x-unit": "㎡", "x-hint": "连院子"},
        "fee": {"type": "integer", "x-widget": "money"},
        "kind": {"type": "string", "enum": ["甲", "乙", "丙", "丁", "戊"]},
        "level": {"type": "integer", "enum": [1, 2, 3]},
        "day": {"type": "string", "format": "date"},
        "agreed": {"type": "boolean", "x-widget": "checkbox"},
        "urgent": {"type": "boolean"},
        "reasons": {"type": "array", "items": {"type": "string", "enum": ["因病", "因残", "因学"]}},
        "notes": {"type": "array", "items": {"type": "string"}},
        "house": {"type": "object", "properties": {"area": {"type": "integer"}, "kind": {"type": "string"}}},
        "people": {
            "type": "array",
            "title": "成员",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "title": "姓名"},
                    "income": {"type": "integer", "x-check": "money"},
                    "here": {"type": "boolean", "x-widget": "checkbox"},
                },
            },
        },
        "plots": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "uses": {"type": "array", "items": {"type": "string", "enum": ["水田", "旱地"]}},
                    "where": {"type": "object", "properties": {"east": {"type": "string"}}},
                },
            },
        },
        "income": {"type": "integer", "x-widget": "money", "readOnly": True, "x-sum-of": "people.income"},
    },
}

texts = (
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30)
    .map(str.strip)
    .filter(lambda text: text and text.splitlines() == [text])
)
whole = st.integers(min_value=-(10**12), max_value=10**12)


def some(**parts: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=parts).filter(bool)


@st.composite
def filled(draw: st.DrawFn) -> dict[str, Any]:
    """A value that a page can say: nothing empty in it, and boxes said yes or no."""
    value = draw(
        some(
            name=texts,
            story=st.lists(texts, min_size=1, max_size=3).map("\n".join),
            size=whole,
            fee=whole,
            kind=st.sampled_from("甲乙丙丁戊"),
            level=st.sampled_from([1, 2, 3]),
            day=st.dates().filter(lambda day: day.year > 999).map(lambda day: day.isoformat()),
            urgent=st.booleans(),
            reasons=st.lists(st.sampled_from(["因病", "因残", "因学"]), min_size=1, unique=True).map(sorted),
            notes=st.lists(texts, min_size=1, max_size=3),
            house=some(area=whole, kind=texts),
            people=st.lists(
                st.tuples(some(name=texts, income=whole), st.booleans()).map(lambda row: {**row[0], "here": row[1]}),
                min_size=1,
                max_size=3,
            ),
            plots=st.lists(
                some(uses=st.just(["水田"]), where=st.fixed_dictionaries({"east": texts})), min_size=1, max_size=2
            ),
        )
    )
    incomes = [row.get("income") for row in value.get("people", [])]
    total = {"income": sum(incomes)} if incomes and None not in incomes else {}
    return {**value, **total, "agreed": draw(st.booleans())}


@pytest.fixture
def app(small: SmallApp) -> Flask:
    return small.app


def page_of(app: Flask, schema: dict[str, Any], value: dict[str, Any], **more: Any) -> str:
    with app.test_request_context():
        macros: Any = app.jinja_env.get_template("forms.html").module
        problems = more.pop("problems", {})
        return str(macros.fields(forms.lay_out(schema, value, **more), problems))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
@given(value=filled())
def test_what_a_page_shows_and_sends_back_is_what_was_filled_in(app: Flask, value: dict[str, Any]) -> None:
    page = page_of(app, EVERYTHING, value)
    sent = forms.read_form(EVERYTHING, sent_by(page))
    sent["reasons"] = sorted(sent.get("reasons", []))
    assert sent == {"reasons": [], **value}


@pytest.mark.parametrize("name", sorted(FORMS))
def test_every_form_of_the_sample_county_goes_to_a_page_and_back_and_still_holds(app: Flask, name: str) -> None:
    schema, value = FORMS[name], first_examples(FORMS[name])
    sent = forms.read_form(schema, sent_by(page_of(app, schema, value)))
    assert value.items() <= sent.items()
    assert validate_form(schema, sent) == {}


def test_an_empty_page_says_nothing(app: Flask) -> None:
    sent = sent_by(page_of(app, EVERYTHING, {}))
    assert forms.read_form(EVERYTHING, sent) == {"agreed": False}
    assert forms.read_form(EVERYTHING, MultiDict()) == {}, "a box that was not on the page is not 'no'"


@pytest.mark.parametrize(
    ("typed", "fen"),
    [
        ("350", 35000), ("350.5", 35050), ("0.29", 29), ("¥1,250.00", 125000), (" ３５０元 ", 35000), (".5", 50),
        ("-1", -100), ("12.340", 1234),
    ],
)  # fmt: skip
def test_yuan_become_whole_fen_exactly(typed: str, fen: int) -> None:
    assert forms.typed_as_fen(typed) == fen


@pytest.mark.parametrize("typed", ["三百", "12.345", "1e3", "NaN", "Infinity", "1.2.3", "-", ".", "9" * 400])
def test_what_is_no_money_stays_as_it_was_typed(typed: str) -> None:
    assert forms.typed_as_fen(typed) == typed


@given(st.integers(min_value=-(10**15), max_value=10**15))
def test_no_fen_is_lost_on_the_way(fen: int) -> None:
    assert forms.typed_as_fen(forms.fen_as_typed(fen)) == fen


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("2026年9月6日", "2026-09-06"), ("2026-9-6", "2026-09-06"), ("2026/09/06", "2026-09-06"),
        ("20260906", "2026-09-06"), ("2026.9.6", "2026-09-06"), ("2026111", "2026111"), ("2026-02-30", "2026-02-30"),
        ("九月六日", "九月六日"),
    ],
)  # fmt: skip
def test_dates_are_understood_as_people_write_them(typed: str, kept: str) -> None:
    assert forms.typed_as_date(typed) == kept


def test_a_unit_beside_the_number_does_no_harm() -> None:
    assert forms.typed_as_integer("72 ㎡", "㎡") == 72
    assert forms.typed_as_integer("７２", "㎡") == 72
    assert forms.typed_as_integer("七十二", "㎡") == "七十二"
    assert forms.typed_as_integer("9" * 100_000) == "9" * 100_000


def test_what_could_not_be_read_is_kept_shown_and_told_at_its_field(app: Flask) -> None:
    typed = MultiDict({"form.size": "很大", "form.day": "昨天", "form.people.4.income": "三百"})
    value = forms.read_form(EVERYTHING, typed)
    problems = forms.unreadable(EVERYTHING, value)
    assert set(problems) == {"form.size", "form.day", "form.people.0.income"}
    page = page_of(app, EVERYTHING, value, problems=problems)
    for text in ("很大", "昨天", "三百", *problems.values()):
        assert text in page
    assert 'id="f-form-people-0-income-why"' in page
    assert 'aria-describedby="f-form-size-why f-form-size-hint"' in page


def test_rows_grow_and_shrink_by_buttons_alone(app: Flask) -> None:
    typed = MultiDict({"form.people.0.name": "张", "form.people.1.name": "李", "form.people.7.name": "赵"})
    add = typed | {"row": "add:form.people"}
    assert forms.row_asked(MultiDict(add))
    assert forms.row_to_add(MultiDict(add)) == "form.people"
    value = forms.read_form(EVERYTHING, MultiDict(add))
    assert [row["name"] for row in value["people"]] == ["张", "李", "赵"]
    page = page_of(app, EVERYTHING, value, add_to="form.people")
    assert 'name="form.people.3.name"' in page
    drop = forms.read_form(EVERYTHING, MultiDict(typed | {"row": "drop:form.people.1"}))
    assert [row["name"] for row in drop["people"]] == ["张", "赵"]
    assert not forms.row_asked(MultiDict(typed))


def test_enter_without_script_presses_no_button_that_takes_a_row_out(app: Flask) -> None:
    page = page_of(app, EVERYTHING, {"people": [{"name": "张"}]})
    assert page.index('value="stay"') < page.index('value="drop:')


def test_a_row_numbered_beyond_all_reason_is_no_row() -> None:
    typed = MultiDict({f"form.people.{n}.name": "张" for n in (10**9, -1, "x", "１")})
    assert forms.read_form(EVERYTHING, typed) == {}
    many = MultiDict({f"form.people.{n}.name": "张" for n in range(1000)})
    assert len(forms.read_form(EVERYTHING, many)["people"]) == forms.MOST_ROWS


def test_a_total_is_reckoned_and_never_believed() -> None:
    typed = MultiDict({"form.people.0.income": "350", "form.people.1.income": "900.5", "form.income": "1.00"})
    assert forms.read_form(EVERYTHING, typed)["income"] == 125050
    assert "income" not in forms.read_form(EVERYTHING, MultiDict({"form.income": "1.00"}))


def test_a_choice_that_the_form_no_longer_offers_is_not_lost(app: Flask) -> None:
    value = {"kind": "己", "reasons": ["因灾"], "level": 9}
    sent = forms.read_form(EVERYTHING, sent_by(page_of(app, EVERYTHING, value)))
    assert (sent["kind"], sent["reasons"]) == ("己", ["因灾"])
    assert sent["level"] == "9", "the validator will say that this is none of the choices"


def test_nothing_that_somebody_typed_is_markup(app: Flask) -> None:
    nasty = '"><script>alert(1)</script>'
    value = {"name": nasty, "story": f"</textarea>{nasty}", "people": [{"name": nasty}], "kind": nasty, "fee": nasty}
    schema = json.loads(json.dumps(EVERYTHING).replace("\\u59d3\\u540d", "<script>1</script>"))
    page = page_of(app, schema, value, problems={"form.name": nasty, "form.people": nasty, "form.people.0.name": nasty})
    assert "<script>" not in page
    assert forms.read_form(schema, sent_by(page))["story"] == f"</textarea>{nasty}"


def test_fields_stand_in_their_order_and_are_called_by_name() -> None:
    fields = forms.lay_out(EVERYTHING, {"people": [{}, {}]})
    assert [field.path for field in fields[:3]] == ["form.story", "form.name", "form.size"]
    names = forms.names_of(fields)
    assert names["form.name"] == "姓名"
    assert names["form.people.1.name"] == "成员第 2 行姓名"
    assert not next(field for field in fields if field.path == "form.name").optional
