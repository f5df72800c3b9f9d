"""Several items on one page: what is one there, what gets a name of its own, and how each gets its part back."""

from __future__ import annotations

from typing import Any

from casework.forms import first_examples, validate_form
from central.catalogue.forms import form_problems
from node.together import lay_together
from provisioning import sample_county

PHONE = {"type": "string", "title": "联系电话", "x-order": 3}


def item(code: str, fields: dict[str, Any], **changes: Any) -> dict[str, Any]:
    form = {"type": "object", "properties": fields, "required": list(fields), "x-rules": changes.pop("rules", [])}
    return {"code": code, "name": f"事项 {code}", "form": form, "materials": [], **changes}


def paper(identifier: str, name: str, **changes: Any) -> dict[str, Any]:
    return {"id": identifier, "name": name, "type": "原件", "copies": 1, "necessity": "必要", **changes}


def test_what_is_the_same_is_asked_once_and_what_only_is_called_the_same_twice() -> None:
    money = {"type": "integer", "title": "收入"}
    one = item("A", {"phone": PHONE, "reason": {"type": "string", "title": "申请理由"}})
    two = item(
        "B", {"phone": {**PHONE, "x-order": 9}, "reason": {"type": "string", "title": "退回原因"}, "money": money}
    )
    page = lay_together([one, two])
    assert list(page.item["form"]["properties"]) == ["phone", "reason", "reason_2", "money"]
    assert [(title, list(schema["properties"])) for title, schema in page.groups] == [
        ("几件事都要填的", ["phone"]),
        ("事项 A", ["reason"]),
        ("事项 B", ["reason_2", "money"]),
    ]
    typed = {"form": {"phone": "1", "reason": "a", "reason_2": "b", "money": 3}, "situation": {}, "materials": {},
             "papers": {}, "channel": "counter"}  # fmt: skip
    first, second = page.parts
    assert first.typed(typed)["form"] == {"phone": "1", "reason": "a"}
    assert second.typed(typed)["form"] == {"phone": "1", "reason": "b", "money": 3}
    assert second.typed(typed)["channel"] == "counter"
    assert second.on_the_page({"form.reason": "x", "applicant.name": "y"}) == {
        "form.reason_2": "x",
        "applicant.name": "y",
    }


def test_conditions_rules_and_sums_ask_for_what_stands_on_the_page() -> None:
    kind = {"type": "string", "title": "种类"}
    rows = {"type": "array", "title": "名单", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}}
    how = {"id": "how", "title": "怎么办", "options": [{"id": "x", "title": "X"}]}
    one = item("A", {"kind": kind, "size": {"type": "string", "title": "多大", "x-when": {"form.kind": ["大"]}},
                     "rows": rows}, situations=[how])  # fmt: skip
    two = item(
        "B",
        {
            "kind": {**kind, "title": "类别"},
            "size": {"type": "string", "title": "多大", "x-when": {"form.kind": ["大"]}},
            "rows": {**rows, "title": "成员"},
            "sum": {"type": "integer", "title": "合计", "x-sum-of": "rows.n"},
        },
        situations=[{**how, "title": "怎么建"}],
        materials=[paper("m01", "图纸", when={"situation.how": ["x"], "form.kind": ["大"]})],
        rules=[
            {"rule": "at-most", "field": "sum", "other": "kind"},
            {"rule": "unique-in-list", "list": "rows", "field": "kind"},
        ],
    )
    form = lay_together([one, two]).item["form"]
    assert form["properties"]["size_2"]["x-when"] == {"form.kind_2": ["大"]}, "it hangs on another question"
    assert form["properties"]["sum"]["x-sum-of"] == "rows_2.n"
    assert form["x-rules"][0] == {"rule": "at-most", "field": "sum", "other": "kind_2"}
    assert form["x-rules"][1] == {"rule": "unique-in-list", "list": "rows_2", "field": "kind"}
    page = lay_together([one, two]).item
    assert [question["id"] for question in page["situations"]] == ["how", "how_2"]
    assert page["materials"][0]["when"] == {"situation.how_2": ["x"], "form.kind_2": ["大"]}


def test_a_paper_that_two_ask_for_is_one_and_each_has_its_application() -> None:
    one = item("A", {}, materials=[paper("m01", "申请表", type="申请表单"), paper("m02", "身份证")])
    two = item("B", {}, materials=[paper("m01", "身份证"), paper("m02", "申请表", type="申请表单")],
               proxy_allowed=False, proxy_reason="要按手印")  # fmt: skip
    page = lay_together([one, two])
    assert [material["id"] for material in page.item["materials"]] == ["m01", "m02", "m02_2"]
    assert page.parts[1].materials == {"m01": "m02", "m02": "m02_2"}
    assert page.parts[1].on_the_page({"paper.m01.copies": "x"}) == {"paper.m02.copies": "x"}
    assert (page.item["proxy_allowed"], page.item["proxy_reason"]) == (False, "要按手印")


def test_any_two_items_of_the_sample_county_make_one_good_form() -> None:
    sample = sample_county.load("items")
    forms = sample["forms"]
    items = [{**one, "form": forms[one["form"]] if isinstance(one["form"], str) else one["form"]}
             for one in sample["items"]]  # fmt: skip
    several = {str(one["form"].get("title")) + str(sorted(one["form"]["properties"])): one for one in items}
    for one in several.values():
        for two in several.values():
            page = lay_together([one, two])
            assert form_problems(page.item) == {}, (one["name"], two["name"])
            typed = {"form": first_examples(page.item["form"]), "situation": {}, "materials": {}, "papers": {}}
            for part in page.parts:
                assert validate_form(part.item["form"], part.typed(typed)["form"]) == {}, part.item["name"]
