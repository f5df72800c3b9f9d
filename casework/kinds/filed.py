"""filed (归档): the volume that the case lies in, and how long it is kept."""

from __future__ import annotations

from casework.documents.document_type import shape
from casework.kinds.kind import Kind
from casework.kinds.shapes import choice, line

RETENTIONS = {"permanent": "永久", "y30": "30年", "y10": "10年"}

SCHEMA = shape({"volume": line("卷号", most=60), "retention": choice("保管期限", RETENTIONS)})

KIND = Kind("filed", SCHEMA)
