"""accepted (受理): the clock of the promise begins (行政许可法 32)."""

from __future__ import annotations

from datetime import datetime

from casework.canonical import Document
from casework.case import Case
from casework.documents.document_type import shape
from casework.kinds.kind import Kind, act_of, demands_nothing


def _apply(case: Case, event: Document, at: datetime) -> None:
    if case["deadlines"]["accepted_at"] is None:  # accepted twice without knowing: the first counts
        act = act_of(event, at)
        case["deadlines"]["accepted_at"], case["deadlines"]["accepted_on"] = act["at"], act["on"]


KIND = Kind("accepted", shape({}), demands_nothing, _apply)
