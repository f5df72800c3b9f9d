"""rated (评价): how content the applicant is, in five levels (GB/T 39046-2020 A.8)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from casework.canonical import Document
from casework.case import Case, Rating
from casework.documents.document_type import shape
from casework.kinds.kind import Kind, act_of
from casework.kinds.shapes import choice, prose, said

LEVELS = {1: "非常满意", 2: "满意", 3: "基本满意", 4: "不满意", 5: "非常不满意"}

SCHEMA = shape({"level": choice("评价", LEVELS), "text": prose("意见")}, optional=frozenset({"text"}))


def _demands(_case: Case | None, data: Mapping[str, Any], _item: Document | None) -> dict[str, str]:
    if data["level"] < 4:
        return {}
    return said(data, "text", "不满意的请写一句原因，才好整改。")


def _apply(case: Case, event: Document, at: datetime) -> None:
    # Rated at two counters at once: the worse one counts, for somebody has to call back.
    if case["rating"] is None or event["data"]["level"] > case["rating"]["level"]:
        case["rating"] = Rating(**act_of(event, at), level=event["data"]["level"], text=event["data"].get("text"))


KIND = Kind("rated", SCHEMA, _demands, _apply)
