"""Mango selectors: every operator, missing fields, negation as CouchDB understands it, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.collation import compare
from sync.selector import BadSelector, picking, selector

DOC: dict[str, Any] = {
    "_id": "case:1",
    "type": "case",
    "n": 7,
    "f": 7.0,
    "neg": -7,
    "yes": True,
    "nothing": None,
    "name": "云岭 Åsa",
    "tags": ["red", "green"],
    "marks": [80, 82, 91],
    "people": [{"name": "Li", "age": 40}, {"name": "Wang", "age": 20}],
    "place": {"town": "Yunling", "code": {"six": "600101"}},
    "a.b": "dotted",
    "empty": {},
    "none": [],
}


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"type": "case"},
        {"type": {"$eq": "case"}},
        {"n": 7},
        {"n": 7.0},
        {"f": 7},
        {"n": {"$gt": 6, "$lt": 8}},
        {"n": {"$gte": 7, "$lte": 7}},
        {"n": {"$ne": 8}},
        {"n": {"$in": [1, 7]}},
        {"n": {"$nin": [1, 2]}},
        {"tags": {"$in": ["green"]}},
        {"tags": {"$nin": ["blue"]}},
        {"tags": {"$all": ["green", "red"]}},
        {"tags": {"$all": [["red", "green"]]}},
        {"tags": {"$size": 2}},
        {"none": {"$size": 0}},
        {"tags": ["red", "green"]},
        {"tags.1": "green"},
        {"people.0.name": "Li"},
        {"people": {"$elemMatch": {"name": "Li", "age": {"$gt": 30}}}},
        {"marks": {"$elemMatch": {"$gte": 80, "$lt": 81}}},
        {"marks": {"$allMatch": {"$gte": 80}}},
        {"place": {"$keyMapMatch": {"$eq": "town"}}},
        {"place": {"$keyMapMatch": {"$regex": "^to"}}},
        {"place.town": "Yunling"},
        {"place": {"town": "Yunling"}},
        {"place": {"town": "Yunling", "code": {"six": {"$beginsWith": "6001"}}}},
        {"place.code.six": {"$exists": True}},
        {"place.code.seven": {"$exists": False}},
        {"a\\.b": "dotted"},
        {"empty": {}},
        {"n": {"$mod": [5, 2]}},
        {"neg": {"$mod": [5, -2]}},
        {"name": {"$regex": "^云岭 .sa$"}},
        {"name": {"$beginsWith": "云"}},
        {"nothing": None},
        {"nothing": {"$type": "null"}},
        {"yes": {"$type": "boolean"}},
        {"f": {"$type": "number"}},
        {"name": {"$type": "string"}},
        {"tags": {"$type": "array"}},
        {"place": {"$type": "object"}},
        {"$and": [{"n": 7}, {"type": "case"}]},
        {"$or": [{"n": 8}, {"type": "case"}]},
        {"$nor": [{"n": 8}, {"type": "note"}]},
        {"$not": {"n": 8}},
        {"n": {"$not": {"$gt": 7}}},
        {"$not": {"n": 7, "type": "note"}},
        {"$not": {"$or": [{"n": 8}, {"n": 9}]}},
        {"$not": {"$not": {"n": 7}}},
        {"$not": {"$nor": [{"n": 7}]}},
        {"$not": {"missing": {"$exists": True}}},
        {"$or": []},
        {"$and": []},
        {"n": {"$or": [{"$lt": 1}, {"$gt": 6}]}},
        # By type: numbers before strings, strings before arrays, arrays before objects.
        {"n": {"$lt": "0"}},
        {"name": {"$lt": []}},
        {"tags": {"$lt": {}}},
        {"nothing": {"$lt": False}},
        {"_id": {"$gt": "Zebra"}},
    ],
)
def test_what_a_selector_takes(query: dict[str, Any]) -> None:
    assert selector(query)(DOC)


@pytest.mark.parametrize(
    "query",
    [
        {"type": "note"},
        {"n": "7"},
        {"n": True},
        {"n": {"$gt": 7}},
        {"n": {"$in": []}},
        {"n": {"$size": 1}},
        {"n": {"$regex": "7"}},
        {"n": {"$beginsWith": "7"}},
        {"f": {"$mod": [5, 2]}},
        {"yes": {"$type": "number"}},
        {"yes": {"$mod": [1, 0]}},
        {"tags": {"$all": []}},
        {"tags": {"$all": ["green", "blue"]}},
        {"n": {"$all": [7]}},
        {"none": {"$allMatch": {"$gte": 80}}},
        {"marks": {"$elemMatch": {"$gt": 91}}},
        {"n": {"$elemMatch": {"$eq": 7}}},
        {"tags": {"$keyMapMatch": {"$eq": "red"}}},
        {"tags.2": {"$exists": True}},
        {"tags.x": "red"},
        {"place.town.more": {"$exists": True}},
        # A missing field fulfils nothing but `$exists: false`, however often it is negated.
        {"missing": {"$ne": 1}},
        {"missing": {"$nin": [1]}},
        {"missing": None},
        {"$not": {"missing": 1}},
        {"$nor": [{"missing": {"$gt": 1}}]},
        {"missing": {"$not": {"$size": 1}}},
        {"$not": {"n": 7}},
        {"$nor": [{"n": 7}, {"n": 9}]},
        {"$not": {"tags": {"$size": 2}}},
        {"a.b": "dotted"},
    ],
)
def test_what_a_selector_leaves(query: dict[str, Any]) -> None:
    assert not selector(query)(DOC)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (None, "Selector error: expected a JSON object"),
        ([], "Selector error: expected a JSON object"),
        ("type", "Selector error: expected a JSON object"),
        ({"": 1}, "One or more conditions is missing a field name."),
        ({"$odd": 1}, "Invalid operator: $odd"),
        ({"n": {"$odd": 1}}, "Invalid operator: $odd"),
        ({"$where": "x"}, "Unsupported operator: $where"),
        ({"$text": "x"}, "Unsupported operator: $text"),
        ({"$and": {}}, "Bad argument for operator $and: "),
        ({"$or": 1}, "Bad argument for operator $or: "),
        ({"$nor": "x"}, "Bad argument for operator $nor: "),
        ({"$not": 1}, "Bad argument for operator $not: "),
        ({"n": {"$in": 1}}, "Bad argument for operator $in: "),
        ({"n": {"$nin": {}}}, "Bad argument for operator $nin: "),
        ({"n": {"$exists": "yes"}}, "Bad argument for operator $exists: "),
        ({"n": {"$type": 1}}, "Bad argument for operator $type: "),
        ({"n": {"$size": -1}}, "Bad argument for operator $size: "),
        ({"n": {"$size": True}}, "Bad argument for operator $size: "),
        ({"n": {"$mod": [0, 1]}}, "Bad argument for operator $mod: "),
        ({"n": {"$mod": [2]}}, "Bad argument for operator $mod: "),
        ({"n": {"$mod": [2.0, 1]}}, "Bad argument for operator $mod: "),
        ({"n": {"$regex": "("}}, "Bad argument for operator $regex: "),
        ({"n": {"$regex": 1}}, "Bad argument for operator $regex: "),
        ({"n": {"$regex": "x" * 2000}}, "Bad argument for operator $regex: "),
        ({"n": {"$regex": "(a+)+$"}}, "A repetition or a choice that is repeated"),
        ({"n": {"$regex": "(ab|a)*c"}}, "A repetition or a choice that is repeated"),
        ({"n": {"$beginsWith": 1}}, "Bad argument for operator $beginsWith: "),
        ({"n": {"$all": 1}}, "Bad argument for operator $all: "),
        ({"n": {"$elemMatch": 1}}, "Bad argument for operator $elemMatch: "),
        ({"n": {"$allMatch": []}}, "Bad argument for operator $allMatch: "),
        ({"n": {"$keyMapMatch": []}}, "Bad argument for operator $keyMapMatch: "),
    ],
)
def test_what_is_no_selector(query: object, reason: str) -> None:
    """As CouchDB's changes feed says it: the reason is Mango's, the error always `bad_request`."""
    with pytest.raises(BadSelector, match=re.escape(reason)) as refused:
        selector(query)
    assert (refused.value.code, refused.value.status) == ("bad_request", 400)


def test_of_a_document_only_the_fields_named() -> None:
    assert picking(["n", "place.code.six", "a\\.b", "missing"])(DOC) == {
        "n": 7,
        "place": {"code": {"six": "600101"}},
        "a.b": "dotted",
    }
    assert picking([])(DOC) == DOC
    for fields in ("n", [1], [""], {}):
        with pytest.raises(BadSelector):
            picking(fields)


def test_a_selector_a_thousand_deep_is_refused() -> None:
    deep: dict[str, Any] = {"n": 1}
    for _ in range(900):
        deep = {"$not": deep}
    with pytest.raises(BadSelector, match="deep"):
        selector(deep)


def test_strings_sort_as_people_sort_them() -> None:
    words = ["_x", "-", "!", "0", "9", "a", "A", "aa", "á", "b", "B", "z", "云"]
    # An accent counts only when the letters are equal, and so does a capital.
    assert [word for word in words if compare(word, "a") < 0] == ["_x", "-", "!", "0", "9"]
    assert compare("a", "A") < 0
    assert compare("A", "b") < 0
    assert compare("a", "á") < 0
    assert compare("á", "b") < 0
    assert compare("aa", "á") > 0
    assert compare("z", "云") < 0
    # The same word, written in two ways.
    assert compare("Å", "A\u030a") == 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(-2, 2) | st.text("abAB1_é云", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3),
    max_leaves=6,
)


@given(JSON, JSON, JSON)
def test_the_order_is_one(one: Any, other: Any, third: Any) -> None:
    assert compare(one, one) == 0
    assert (compare(one, other) > 0) is (compare(other, one) < 0)
    if compare(one, other) <= 0 and compare(other, third) <= 0:
        assert compare(one, third) <= 0


@given(JSON, JSON)
def test_an_operator_and_its_opposite_share_all_values(one: Any, other: Any) -> None:
    for operator, opposite in (("$lt", "$gte"), ("$gt", "$lte"), ("$eq", "$ne")):
        first, second = ({"x": {name: other}} for name in (operator, opposite))
        assert selector(first)({"x": one}) is not selector(second)({"x": one})
        assert selector({"$not": first})({"x": one}) is selector(second)({"x": one})
