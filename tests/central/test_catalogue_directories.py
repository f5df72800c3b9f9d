"""Directories: the tree, what comes down it, and the item that is published."""

from __future__ import annotations

from typing import Any

import pytest

from casework import schemas
from casework.canonical import Document
from casework.documents.item import CONTENT_SCHEMA
from casework.documents.item import terms as terms_of
from central.catalogue.directories import BrokenTree, Libraries, chain, inherited, parent_problem, resolved, tree
from tests.casework.county import item_content


def directory(id_: str, parent: str | None = None, order: int = 0, **gives: Any) -> Document:
    return {"id": id_, "title": f"目录{id_}", "parent": parent, "order": order, "gives": gives}


TREE = {
    one["id"]: one
    for one in (
        directory("top", power_source="法定本级行使", ways=["窗口"], quantity_limit="无"),
        directory("mid", "top", 2, quantity_limit="每户一处"),
        directory("leaf", "mid"),
        directory("first", "top", 1),
    )
}
BROKEN = {"a": directory("a", "c"), "b": directory("b", "a"), "c": directory("c", "b"), "lost": directory("lost", "x")}
LAWS = {
    "law": {
        "id": "law", "title": "行政许可法", "number": "2019年修正",
        "articles": [{"article": "第四十二条", "text": "二十日内作出决定。"}],
    }
}  # fmt: skip
BLANKS = {"form": {"id": "form", "title": "申请表", "kind": "blank"}}
LIBRARIES = Libraries(
    directory=TREE, law=LAWS, blank=BLANKS, department={"MZ": {"id": "MZ", "name": "民政", "phone": "0000-0000011"}}
)


def content(**changes: Any) -> Document:
    return {**item_content(), "directory": "leaf", "service_objects": ["自然人"], **changes}


def test_the_tree_is_told_in_order_with_depths_and_nothing_gets_lost() -> None:
    assert [(depth, one["id"]) for depth, one in tree(TREE)] == [(0, "top"), (1, "first"), (1, "mid"), (2, "leaf")]
    assert {one["id"] for _, one in tree({**TREE, **BROKEN})} == {*TREE, *BROKEN}


@pytest.mark.parametrize(("start", "said"), [("a", "转成了圈"), ("lost", "x 不在目录库里"), ("gone", "gone 不在")])
def test_a_circle_and_a_missing_parent_are_refused_with_the_reason(start: str, said: str) -> None:
    with pytest.raises(BrokenTree, match=said):
        chain(BROKEN, start)


def test_a_directory_is_not_hung_under_its_own_child() -> None:
    assert "转成了圈" in (parent_problem(TREE, "top", "leaf") or "")
    assert "转成了圈" in (parent_problem(TREE, "top", "top") or "")
    assert "不在目录库里" in (parent_problem(TREE, "new", "gone") or "")
    assert parent_problem(TREE, "leaf", "first") is None


def test_the_nearest_directory_that_says_it_counts_and_the_item_above_all() -> None:
    found = inherited(content(ways=["电脑"]), TREE)
    assert {name: (one.value, one.directory) for name, one in found.items()} == {
        "power_source": ("法定本级行使", "top"),
        "quantity_limit": ("每户一处", "mid"),
    }


def test_an_item_under_a_broken_tree_inherits_nothing() -> None:
    assert inherited(content(directory="a"), BROKEN) == {}


def test_a_published_item_says_all_that_it_refers_to_and_its_terms_are_the_same() -> None:
    said = content(basis=[{"law": "law", "title": "旧的叫法", "article": "第四十二条"}], department_letters="MZ")
    said["materials"] = [{**said["materials"][0], "blank": "form"}, *said["materials"][1:]]
    said["phones"] = {"enquiry": "", "complaint": ""}
    whole = resolved(said, LIBRARIES)
    assert whole["basis"] == [
        {
            "law": "law", "title": "《行政许可法》（2019年修正）", "article": "第四十二条",
            "text": "二十日内作出决定。",
        }
    ]  # fmt: skip
    assert whole["materials"][0]["blank_name"] == "申请表"
    assert whole["phones"]["enquiry"] == "0000-0000011"
    assert whole["power_source"] == "法定本级行使"
    assert schemas.problems(CONTENT_SCHEMA, whole) == {}
    assert terms_of({**whole, "release": 1}) == terms_of({**said, "release": 1})
    assert resolved(whole, LIBRARIES) == whole, "again: no change"


def test_an_item_that_refers_to_nothing_is_published_as_it_is() -> None:
    said = item_content()
    assert resolved(said, LIBRARIES) == said
