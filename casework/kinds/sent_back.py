"""sent_back (退回重办): who passed it on is to do something again, and keeps the reason (退回件)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from casework.canonical import Document
from casework.case import Case
from casework.documents.document_type import shape
from casework.kinds.forwarded import forward
from casework.kinds.kind import Kind
from casework.kinds.shapes import STATION, prose, said

SCHEMA = shape(
    {"to_station": {"title": "退给哪个站点", **STATION}, "reason": prose("退回的原因")},
    optional=frozenset({"to_station"}),
)


def _demands(_case: Case | None, data: Mapping[str, Any], _item: Document | None) -> dict[str, str]:
    return said(data, "reason", "请写明退回的原因，站点照着才好改。")


def _apply(case: Case, event: Document, at: datetime) -> None:
    case["forwards"].append(forward(event, at))


KIND = Kind("sent_back", SCHEMA, _demands, _apply)
