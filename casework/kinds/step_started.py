"""step_started (开始环节): a step of the item's flow begins, such as an inspection or a co-handler's opinion."""

from __future__ import annotations

from casework.documents.document_type import shape
from casework.kinds.kind import Kind
from casework.kinds.shapes import day, line, prose

STEP = line("环节", most=40)

SCHEMA = shape(
    {"step": STEP, "planned_on": day("定在哪天"), "text": prose("说明")}, optional=frozenset({"planned_on", "text"})
)

KIND = Kind("step_started", SCHEMA)
