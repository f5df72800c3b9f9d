"""correction_requested (要求补正): everything that is missing or wrong, named once and all together (行政许可法 32)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from casework.canonical import Document
from casework.case import Case, Correction, CorrectionPoint
from casework.documents.document_type import shape
from casework.fields import can_set
from casework.kinds.kind import Kind, act_of
from casework.kinds.shapes import days, line

SCHEMA = shape(
    {
        "points": {
            "title": "要补正的内容",
            "type": "array",
            "minItems": 1,
            "maxItems": 100,
            "x-add": "再加一项",
            "items": shape(
                {
                    "text": line("要补什么、怎么补", most=1000),
                    "material": line("材料"),
                    "path": line("哪一栏"),
                },
                optional=frozenset({"material", "path"}),
            ),
        },
        "days": days("几天内补齐", most=365),
    },
    optional=frozenset({"days"}),
)


def _demands(case: Case | None, data: Mapping[str, Any], _item: Document | None) -> dict[str, str]:
    wrong = {}
    known = {material["id"] for material in case["materials"]} if case is not None else set()
    for position, point in enumerate(data["points"]):
        if not point["text"].strip():
            wrong[f"points.{position}.text"] = "请写明要补什么，办事人照着就能办。"
        if case is not None and "material" in point and point["material"] not in known:
            wrong[f"points.{position}.material"] = "材料清单里没有这一项，请从清单里选。"
        if case is not None and "path" in point and not can_set(case["fields"], point["path"]):
            wrong[f"points.{position}.path"] = "这件办件里没有这一栏。"
    return wrong


def _apply(case: Case, event: Document, at: datetime) -> None:
    data = event["data"]
    points = [
        CorrectionPoint(material=point.get("material"), path=point.get("path"), text=point["text"])
        for point in data["points"]
    ]
    case["corrections"].append(Correction(**act_of(event, at), points=points, days=data.get("days"), answered=None))
    named = {point["material"] for point in points}
    for material in case["materials"]:
        if material["id"] in named:
            material["state"] = "missing"


KIND = Kind("correction_requested", SCHEMA, _demands, _apply)
