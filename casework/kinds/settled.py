"""settled (定争议): a named person says which side of a contested point holds, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from casework.canonical import Document
from casework.case import Case, Point
from casework.documents.document_type import HASH32, shape, text
from casework.kinds.kind import Kind

SCHEMA = shape(
    {
        "point": text(HASH32),
        # The id of the event that holds; for a field also a new value.
        "value": {},
        "reason": {"type": "string", "maxLength": 4000},
    }
)


def is_choice(point: Point, value: Any) -> bool:
    """Whether `value` can settle this point: the id of one of its sides, or for a field any other value."""
    return point["topic"] != "outcome" or any(side["event"] == value for side in point["sides"])


def _demands(case: Case | None, data: Mapping[str, Any], _item: Document | None) -> dict[str, str]:
    wrong = {}
    if not data["reason"].strip():
        wrong["reason"] = "请写明为什么这样定，两边都会看到。"
    if case is not None:
        point = next((point for point in case["contested"] if point["id"] == data["point"]), None)
        if point is None:
            wrong["point"] = "没有这个争议点，可能已经有人定过了。刷新后再看。"
        elif not is_choice(point, data["value"]):
            wrong["value"] = "请从两边里选一个。"
    return wrong


KIND = Kind("settled", SCHEMA, _demands)
