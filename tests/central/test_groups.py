"""Whom an item is for and what in life it goes with, where nobody has said so."""

from __future__ import annotations

import json
from pathlib import Path

from central.catalogue import groups
from central.catalogue.groups import GROUPS, grouped, groups_of
from provisioning import sample_county


def test_every_item_of_the_sample_county_is_found_by_a_person_or_by_what_happened() -> None:
    items = sample_county.load("items")["items"]
    lost = [item["name"] for item in items if not any(groups_of(item, kind) for kind in GROUPS)]
    assert lost == []
    rules = json.loads(Path(groups.__file__).with_name("groups.json").read_text(encoding="utf-8"))
    for kind in GROUPS:
        used = {group for item in items for group in groups_of(item, kind)}
        assert used == {rule["name"] for rule in rules[kind]}, "a group that no item has is an empty page"


def test_what_an_editor_wrote_stands() -> None:
    item = {"name": "高龄津贴给付", "category": "老人", "audiences": ["八十岁以上的"], "life_events": []}
    assert grouped(item) == item
    assert grouped({"name": "高龄津贴给付", "category": "老人"})["audiences"] == ["老人"]


def test_a_word_in_the_name_is_not_always_the_thing() -> None:
    assert "农民" not in groups_of({"name": "拖欠农民工工资线索登记", "category": "找活创业"}, "audiences")
    assert "做生意的" not in groups_of({"name": "农村土地经营权流转备案", "category": "种地养殖"}, "audiences")
