"""decision_revoked (撤销决定): who decided takes it back, with reasons (行政许可法 69); then it is decided anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from casework.canonical import Document
from casework.case import Case
from casework.documents.document_type import shape
from casework.kinds.kind import Kind
from casework.kinds.shapes import prose, said

SCHEMA = shape({"reason": prose("撤销的理由"), "basis": prose("依据的条款")}, optional=frozenset({"basis"}))


def _demands(_case: Case | None, data: Mapping[str, Any], _item: Document | None) -> dict[str, str]:
    return said(data, "reason", "请写明撤销的理由，办事人会看到这些话。")


KIND = Kind("decision_revoked", SCHEMA, _demands)
