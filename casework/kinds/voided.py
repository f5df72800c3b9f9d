"""voided (作废): taken in under the wrong item or person; the right case is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from casework.canonical import Document
from casework.case import Case
from casework.documents.document_type import NUMBER, shape, text
from casework.kinds.kind import Kind
from casework.kinds.shapes import prose, said

SCHEMA = shape(
    {"reason": prose("作废的原因"), "instead": {"title": "正确的办件编号", **text(NUMBER)}},
    optional=frozenset({"instead"}),
)


def _demands(case: Case | None, data: Mapping[str, Any], _item: Document | None) -> dict[str, str]:
    if case is not None and data.get("instead") == case["number"]:
        return {"instead": "这就是要作废的这一件，请填正确的那一件。"}
    return said(data, "reason", "请写明为什么作废，例如“收错了事项”。")


KIND = Kind("voided", SCHEMA, _demands)
