"""decided (决定): granted or refused; a refusal says why (行政许可法 38)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from casework.canonical import Document
from casework.case import Case
from casework.documents.document_type import nullable, shape
from casework.kinds.kind import Kind

OUTCOMES = {"granted": "准予", "refused": "不予"}

_TEXT = {"type": "string", "maxLength": 4000}

SCHEMA = shape(
    {"outcome": {"enum": list(OUTCOMES)}, "reason": _TEXT, "basis": nullable(_TEXT)},
    optional=frozenset({"reason", "basis"}),
)


def _demands(_case: Case | None, data: Mapping[str, Any], _item: Document | None) -> dict[str, str]:
    if data["outcome"] == "refused" and not data.get("reason", "").strip():
        return {"reason": "不予的要写明理由（行政许可法第38条），办事人会看到这些话。"}
    return {}


KIND = Kind("decided", SCHEMA, _demands)
