"""not_accepted (不予受理): it is not taken on; the notice says why and what can be done (行政许可法 32)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from casework.canonical import Document
from casework.case import Case
from casework.documents.document_type import shape
from casework.kinds.kind import Kind
from casework.kinds.shapes import line, prose, said

SCHEMA = shape(
    {"reason": prose("不予受理的理由"), "basis": line("依据的条款", least=0, most=4000)}, optional=frozenset({"basis"})
)


def _demands(_case: Case | None, data: Mapping[str, Any], _item: Document | None) -> dict[str, str]:
    return said(data, "reason", "不予受理要写明理由（行政许可法第32条），通知书上会印出来。")


KIND = Kind("not_accepted", SCHEMA, _demands)
