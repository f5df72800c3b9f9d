"""corrected (补正): what was asked for has been brought, or the applicant says why not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from casework.canonical import Document
from casework.case import Case
from casework.documents.document_type import shape
from casework.kinds.kind import Kind, act_of
from casework.kinds.shapes import prose

SCHEMA = shape({"note": prose("说明")}, optional=frozenset({"note"}))


def _demands(case: Case | None, data: Mapping[str, Any], _item: Document | None) -> dict[str, str]:
    if case is None or data.get("note", "").strip():
        return {}
    asked = {point["material"] for one in case["corrections"] if one["answered"] is None for point in one["points"]}
    lacking = [m["name"] for m in case["materials"] if m["id"] in asked and m["state"] == "missing"]
    if lacking:
        return {"note": f"还没补：{'、'.join(lacking)}。补了再登记；不补的写明原因。"}
    return {}


def _apply(case: Case, event: Document, at: datetime) -> None:
    case["deadlines"]["corrected_on"] = act_of(event, at)["on"]


KIND = Kind("corrected", SCHEMA, _demands, _apply)
