"""closed (办结): nothing is left to be decided."""

from __future__ import annotations

from casework.documents.document_type import shape
from casework.kinds.kind import Kind
from casework.kinds.shapes import prose

KIND = Kind("closed", shape({"note": prose("说明")}, optional=frozenset({"note"})))
