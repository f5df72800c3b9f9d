"""Masks: what a page shows of a case before anybody asks for the whole numbers."""

from __future__ import annotations

import json

import pytest

from casework.fold import fold
from tests.casework.county import CALENDAR, agent, intake_data, register
from web.cases.masking import masked, masked_case, masked_event, masked_point

SCHEMA = {
    "type": "object",
    "properties": {
        "card": {"type": "string", "x-check": "id-number"},
        "members": {
            "type": "array",
            "items": {"properties": {"number": {"type": "string", "x-check": "phone"}, "name": {"type": "string"}}},
        },
    },
}


def test_numbers_are_masked_by_what_the_form_says_and_by_name() -> None:
    value = {
        "card": "600000196001010016",
        "members": [{"number": "13000000001", "name": "张某"}],
        "phone": "13000000001",
    }
    assert masked(value, SCHEMA) == {
        "card": "600000********0016",
        "members": [{"number": "130****0001", "name": "张某"}],
        "phone": "130****0001",
    }
    assert masked({"applicant": {"id_number": None}, "n": 13000000001}) == {
        "applicant": {"id_number": None},
        "n": 13000000001,
    }


def test_a_folded_case_has_no_whole_number_left() -> None:
    pen = agent()
    received = pen.write("received", intake_data())
    corrected = pen.write("field_corrected", {"path": "applicant.phone", "value": "13000000002"}, [received])
    case = fold([received, corrected], register(), CALENDAR)
    before = json.dumps(case, ensure_ascii=False)
    shown = json.dumps(masked_case(case, {}), ensure_ascii=False)
    assert "13000000002" in before
    assert "13000000002" not in shown
    assert case["fields"]["applicant"]["id_number"] in before
    assert case["fields"]["applicant"]["id_number"] not in shown
    assert json.dumps(case, ensure_ascii=False) == before, "the case itself stays as it is"
    assert masked_event(corrected, {})["data"]["value"] == "130****0002"
    assert masked_event(received, {}) is received


def test_numbers_that_differ_only_behind_the_mask_are_told_apart_by_what_differs() -> None:
    def shown(*values: object) -> list[object]:
        sides = [{"event": str(at), "value": value} for at, value in enumerate(values)]
        point = masked_point({"topic": "fields.applicant.phone", "sides": sides}, {}, apart=True)
        return [side["value"] for side in point["sides"]]

    assert shown("13000000001", "13000000002") == ["130****0001", "130****0002"]
    assert shown("13000000001", "13012000001") == ["13000**0001", "13012**0001"]
    assert shown("13000000001", "13012000001", "13000000002") == ["13000**0001", "13012**0001", "130****0002"]
    assert shown("13000000001", "13000000001") == ["130****0001"] * 2
    assert shown("13000000001", None, {"a": 1}) == ["130****0001", None, {"a": 1}]
    whole = [{"name": "李某某", "phone": phone} for phone in ("13000000001", "13100000001", "13010000001")]
    sides = [{"event": str(at), "value": value} for at, value in enumerate(whole)]
    told = masked_point({"topic": "fields.people.proxy", "sides": sides}, {}, apart=True)["sides"]
    assert [side["value"]["phone"] for side in told] == ["1300***0001", "131****0001", "1301***0001"]


@pytest.mark.parametrize("data", [None, "text", {}, {"path": 3, "value": "13000000001"}])
def test_an_event_of_any_shape_can_be_shown(data: object) -> None:
    assert masked_event({"_id": "event:x", "kind": "field_corrected", "data": data}, {})["_id"] == "event:x"
