"""taken_over (接收材料): papers arrive; what the slip names and is not there, and what is there beside it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from casework.canonical import Document
from casework.case import Case, Taking
from casework.documents.document_type import shape
from casework.kinds.kind import Kind, act_of
from casework.kinds.shapes import EVENT, line

_PAPERS = {"type": "array", "items": line("材料"), "maxItems": 200}

SCHEMA = shape(
    {
        "handover": EVENT,
        "at": line("谁接收", most=60),
        "missing": {"title": "少了", **_PAPERS},
        "extra": {"title": "多了", **_PAPERS},
    },
    optional=frozenset({"missing", "extra"}),
)


def _demands(case: Case | None, data: Mapping[str, Any], _item: Document | None) -> dict[str, str]:
    if case is None:
        return {}
    handover = next((one for one in case["handovers"] if one["event"] == data["handover"]), None)
    if handover is None:
        return {"handover": "没有这一次移交，请核对凭证。"}
    if handover["taken"] is not None:
        return {"handover": "这一次移交已经接收过了。"}
    return {}


def _apply(case: Case, event: Document, at: datetime) -> None:
    data = event["data"]
    for handover in case["handovers"]:
        if handover["event"] == data["handover"] and handover["taken"] is None:
            handover["taken"] = Taking(
                **act_of(event, at), missing=list(data.get("missing", [])), extra=list(data.get("extra", []))
            )
    case["papers_at"] = data["at"]


KIND = Kind("taken_over", SCHEMA, _demands, _apply)
