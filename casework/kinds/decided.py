"""decided (决定): granted or refused; a refusal says why (行政许可法 38)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from casework.canonical import Document
from casework.case import Case
from casework.documents.document_type import nullable, shape
from casework.kinds.kind import Kind
from casework.kinds.shapes import choice, prose, said

OUTCOMES = {"granted": "准予", "refused": "不予"}

SCHEMA = shape(
    {
        "outcome": choice("结论", OUTCOMES),
        "reason": prose("理由"),
        "basis": nullable(prose("依据的条款")),
        "conditions": nullable(prose("附带的条件")),
        # The text of the result itself, where it is a paper of one's own (证明).
        "certificate": nullable(prose("证明的内容")),
    },
    optional=frozenset({"reason", "basis", "conditions", "certificate"}),
)


def _demands(_case: Case | None, data: Mapping[str, Any], _item: Document | None) -> dict[str, str]:
    if data["outcome"] == "granted":
        return {}
    return said(data, "reason", "不予的要写明理由（行政许可法第38条），办事人会看到这些话。")


KIND = Kind("decided", SCHEMA, _demands)
