"""field_corrected (更正): what was entered wrongly is put right; the old value stays in its own event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from casework.canonical import Document
from casework.case import Case
from casework.documents.document_type import shape, text
from casework.fields import can_set
from casework.kinds.kind import Kind

PATH = r"(applicant|form)(\.[^.\x00-\x1f]{1,60}){1,6}"

SCHEMA = shape(
    {
        "path": text(PATH),
        "value": {},
        "reason": {"type": "string", "maxLength": 2000},
    },
    optional=frozenset({"reason"}),
)


def _demands(case: Case | None, data: Mapping[str, Any], _item: Document | None) -> dict[str, str]:
    if case is not None and not can_set(case["fields"], data["path"]):
        return {"path": "这件办件里没有这一栏，请从页面上选要改的那一栏。"}
    return {}


KIND = Kind("field_corrected", SCHEMA, _demands)
