"""step_skipped (跳过环节): a step that may be skipped, and why it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from casework.canonical import Document
from casework.case import Case
from casework.documents.document_type import shape
from casework.kinds.kind import Kind
from casework.kinds.shapes import prose, said
from casework.kinds.step_started import STEP

SCHEMA = shape({"step": STEP, "reason": prose("为什么跳过")})


def _demands(_case: Case | None, data: Mapping[str, Any], _item: Document | None) -> dict[str, str]:
    return said(data, "reason", "请写明为什么可以跳过。")


KIND = Kind("step_skipped", SCHEMA, _demands)
