"""The consistency checks: each finds its fault, at its place, and has nothing against a good item."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from casework.canonical import Document
from central.catalogue.checks import CHECKS, Context, check_item, check_items, stopping
from central.catalogue.directories import Libraries
from provisioning import sample_county

SAMPLE = sample_county.load("items")
SHELVES = {name: {one["id"]: one for one in rows} for name, rows in sample_county.load("libraries").items()}
LIBRARIES = Libraries(
    directory={**SHELVES["directory"], "loop": {"id": "loop", "title": "圈", "parent": "loop", "order": 0}},
    law={**SHELVES["law"], "old": {"id": "old", "title": "旧法", "until": "2020-01-01", "articles": []}},
    department=SHELVES["department"],
    system=SHELVES["system"],
    blank={"form": {"id": "form", "title": "申请表", "kind": "blank"}},
)
CONTEXT = Context(LIBRARIES, "600101", "2026-09-16")


def good() -> Document:
    """宅基地审批 with everything that the checks ask for."""
    item = deepcopy(next(one for one in SAMPLE["items"] if one["code"] == "60010100NY-XK-0001"))
    item["form"] = SAMPLE["forms"][item["form"]] if isinstance(item["form"], str) else item["form"]
    item["directory"] = "xuke-nongye"
    for material in item["materials"]:
        if material["type"] == "申请表单":
            material["blank"] = "form"
    return item


def first_material(item: Document, **changes: Any) -> list[Document]:
    return [{**item["materials"][0], **changes}, *item["materials"][1:]]


def with_step(item: Document, **changes: Any) -> Document:
    flow = deepcopy(item["flow"])
    flow["steps"][0] |= changes
    return flow


G = good()
FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "at_once": ({"case_type": "即办件"}, "promised"),
    "visits": ({"visits": {"count": 2, "reason": " "}}, "visits.reason"),
    "fee_basis": ({"fee": {"charged": True, "amount": 100, "basis": ""}}, "fee.basis"),
    "questions": ({"faq": []}, "faq"),
    "result_sample": ({"result": {"name": "批准书", "kind": ""}}, "result.sample"),
    "phones": ({"phones": {"enquiry": "0000-0000011", "complaint": "0000-0000011"}}, "phones.complaint"),
    "promise_within_law": ({"promised": {"n": 60, "unit": "工作日"}}, "promised"),
    "form": ({"form": {"type": "object", "required": ["x"], "properties": {}}, "materials": []}, "form.x"),
    "flow": ({"flow": with_step(G, after=["nowhere"])}, "flow"),
    "situations": ({"materials": first_material(G, when={"situation.gone": ["a"]})}, "materials.0.when"),
    "code": ({"code": "60010100MZ-XK-0001"}, "code"),
    "national_codes": ({"basic_code": "123"}, "basic_code"),
    "directory_needed": ({"directory": ""}, "directory"),
    "directory_holds": ({"directory": "loop"}, "directory"),
    "basis_in_force": ({"basis": [{"law": "old", "title": "旧法"}]}, "basis.0.law"),
    "blanks_hold": ({"materials": first_material(G, sample="gone")}, "materials.0.sample"),
    "systems_hold": ({"systems": ["gone"]}, "systems"),
    "blank_missing": ({"materials": first_material(G, type="申请表单", blank="")}, "materials.0.blank"),
    "body_code": ({"body": {"uscc": "92600000MA00000070"}}, "body.uscc"),
    "entrusted": ({"body": {"nature": "受委托组织"}}, "body.entrusted_by"),
    "ways": ({"online": {"offered": True}, "ways": ["窗口"]}, "ways"),
}


def test_nothing_is_found_in_a_good_item() -> None:
    assert check_item(good(), CONTEXT) == []


def test_every_check_has_a_fault_that_it_finds() -> None:
    assert set(FAULTS) == set(CHECKS)
    assert all(check.title and check.source for check in CHECKS.values())


@pytest.mark.parametrize("name", FAULTS)
def test_a_check_finds_its_fault_at_its_place(name: str) -> None:
    changes, path = FAULTS[name]
    found = [(one.path, one.sentence) for one in check_item({**good(), **changes}, CONTEXT) if one.check.id == name]
    assert [place for place, _ in found] == [path], found


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"basis": [{"law": "gone", "title": "x"}]}, "法规库里没有 gone"),
        ({"basis": [{"law": "xukefa", "title": "x", "article": "第九百条"}]}, "没有“第九百条”"),
        ({"flow": with_step(G, when={"situation.gone": ["a"]})}, "环节“"),
        ({"directory": "gone"}, "gone 不在目录库里"),
        ({"result": {"name": "批准书", "kind": "", "sample": "gone"}}, "表样库里没有 gone"),
        ({"implementation_code": "123"}, "实施编码有 3 位"),
    ],
)
def test_what_dangles_stops_an_approval_with_the_reason(changes: dict[str, Any], said: str) -> None:
    assert any(said in one.sentence for one in stopping(check_item({**good(), **changes}, CONTEXT)))


def test_what_is_only_to_be_looked_at_stops_nothing_and_comes_last() -> None:
    found = check_item({**good(), **FAULTS["blank_missing"][0], **FAULTS["systems_hold"][0]}, CONTEXT)
    assert [one.check.stops for one in found] == [True, False]
    assert [one.check.id for one in stopping(found)] == ["systems_hold"]


def test_what_an_item_inherits_counts() -> None:
    """An item whose questions stand in its directory has them."""
    xuke = {**SHELVES["directory"]["xuke"], "gives": {"faq": [{"question": "要多久？", "answer": "二十天。"}]}}
    known = Libraries(directory={**SHELVES["directory"], "xuke": xuke}, department=SHELVES["department"])
    found = check_item({**good(), "faq": []}, Context(known, "600101", "2026-09-16"))
    assert "questions" not in {one.check.id for one in found}


def test_a_service_needs_no_directory_and_a_type_of_the_countys_own_may() -> None:
    item = {**good(), "type": "公共服务", "code": "60010100NY-GF-0099", "type_code": "20", "directory": ""}
    assert "directory_needed" not in {one.check.id for one in check_item(item, CONTEXT)}
    types = {**LIBRARIES.type, "GF": {**LIBRARIES.type["GF"], "needs_directory": True}}
    known = Libraries(type=types, department=SHELVES["department"])
    found = check_item(item, Context(known, "600101", "2026-09-16"))
    assert "directory_needed" in {one.check.id for one in found}


def test_a_file_is_asked_only_what_an_item_can_be_asked_alone() -> None:
    faulty = {**good(), **FAULTS["visits"][0], **FAULTS["directory_needed"][0]}
    assert [(one.row, one.sentence) for one in check_items([(7, faulty)])] == [(7, "要到现场的，写明为什么要到现场。")]
