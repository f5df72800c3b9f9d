"""suspended (挂起): a special procedure whose days do not count; told in writing (行政许可法 45)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from casework.canonical import Document
from casework.case import Case, Suspension
from casework.documents.document_type import shape
from casework.kinds.kind import Kind, act_of
from casework.kinds.shapes import choice, days, prose, said

PROCEDURES = {
    "hearing": "听证",
    "inspection": "现场踏勘",
    "testing": "检验、检测、检疫、鉴定",
    "expert_review": "专家评审",
    "public_notice": "公示",
    "applicant": "等办事人",
    "other": "其他特别程序",
}

SCHEMA = shape(
    {"procedure": choice("特别程序", PROCEDURES), "reason": prose("原因"), "days": days("大概几天", most=366)},
    optional=frozenset({"days"}),
)


def _demands(_case: Case | None, data: Mapping[str, Any], _item: Document | None) -> dict[str, str]:
    return said(data, "reason", "请写明为什么挂起，办事人会收到书面告知（行政许可法第45条）。")


def _apply(case: Case, event: Document, at: datetime) -> None:
    data = event["data"]
    case["suspensions"].append(
        Suspension(
            **act_of(event, at),
            procedure=data["procedure"],
            reason=data["reason"],
            days=data.get("days"),
            resumed=None,
        )
    )


KIND = Kind("suspended", SCHEMA, _demands, _apply)
