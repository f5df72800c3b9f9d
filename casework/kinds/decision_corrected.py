"""decision_corrected (更正决定): the words of a decision are put right by who made it; its outcome stays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from casework.canonical import Document
from casework.case import Case
from casework.documents.document_type import shape
from casework.kinds.kind import Kind
from casework.kinds.shapes import prose, said

WORDS = ("reason", "conditions", "certificate")

SCHEMA = shape(
    {
        "said": prose("为什么更正"),
        "reason": prose("理由改成"),
        "conditions": prose("附带的条件改成"),
        "certificate": prose("证明的内容改成"),
    },
    optional=frozenset(WORDS),
)


def _demands(_case: Case | None, data: Mapping[str, Any], _item: Document | None) -> dict[str, str]:
    if not any(word in data for word in WORDS):
        return {"reason": "请写明改哪一项、改成什么。"}
    return said(data, "said", "请写明为什么更正。")


KIND = Kind("decision_corrected", SCHEMA, _demands)
