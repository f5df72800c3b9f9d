"""extended (延长期限): more days, approved by a head, told to the applicant with the reason (行政许可法 42)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from casework.canonical import Document
from casework.case import Case, Extension
from casework.documents.document_type import shape
from casework.kinds.kind import Kind, act_of
from casework.kinds.shapes import days, line, prose, said

SCHEMA = shape({"days": days("延长几天"), "reason": prose("理由"), "approved_by": line("批准人", most=60)})


def _demands(_case: Case | None, data: Mapping[str, Any], _item: Document | None) -> dict[str, str]:
    return {
        **said(data, "reason", "请写明延长的理由，通知书上会印出来（行政许可法第42条）。"),
        **said(data, "approved_by", "请写明是哪位负责人批准的。"),
    }


def _apply(case: Case, event: Document, at: datetime) -> None:
    data = event["data"]
    case["extensions"].append(
        Extension(**act_of(event, at), days=data["days"], reason=data["reason"], approved_by=data["approved_by"])
    )


KIND = Kind("extended", SCHEMA, _demands, _apply)
