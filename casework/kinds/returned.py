"""returned (退件): it cannot be gone on with, such as a correction that never came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from casework.canonical import Document
from casework.case import Case
from casework.documents.document_type import shape
from casework.kinds.kind import Kind
from casework.kinds.shapes import prose, said

SCHEMA = shape({"reason": prose("退件的原因")})


def _demands(_case: Case | None, data: Mapping[str, Any], _item: Document | None) -> dict[str, str]:
    return said(data, "reason", "请写明退件的原因，办事人会看到这些话。")


KIND = Kind("returned", SCHEMA, _demands)
