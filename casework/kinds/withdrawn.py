"""withdrawn (撤回): the applicant takes the application back at the counter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from casework.canonical import Document
from casework.case import Case
from casework.documents.document_type import shape
from casework.kinds.kind import Kind
from casework.kinds.shapes import prose, said

SCHEMA = shape({"reason": prose("撤回的原因")})


def _demands(_case: Case | None, data: Mapping[str, Any], _item: Document | None) -> dict[str, str]:
    return said(data, "reason", "请写明撤回的原因，一句话就够。")


KIND = Kind("withdrawn", SCHEMA, _demands)
