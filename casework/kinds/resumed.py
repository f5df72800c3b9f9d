"""resumed (恢复办理): the special procedure is over, and the days count again."""

from __future__ import annotations

from casework.documents.document_type import shape
from casework.kinds.kind import Kind
from casework.kinds.shapes import prose

SCHEMA = shape({"note": prose("结果或原因")}, optional=frozenset({"note"}))

KIND = Kind("resumed", SCHEMA)
