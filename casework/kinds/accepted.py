"""accepted (受理): the clock of the promise begins (行政许可法 32)."""

from __future__ import annotations

from datetime import datetime

from casework.canonical import Document
from casework.case import Case
from casework.documents.document_type import shape
from casework.kinds.kind import HAPPENED_AT, Kind, demands_nothing, happened, when

SCHEMA = shape({"happened_at": HAPPENED_AT}, optional=frozenset({"happened_at"}))


def _apply(case: Case, event: Document, at: datetime) -> None:
    accepted_at, accepted_on = when(happened(event, at))
    known = case["deadlines"]["accepted_at"]
    # Accepted twice without knowing: the first counts, which is for the applicant.
    if known is None or accepted_at < known:
        case["deadlines"]["accepted_at"], case["deadlines"]["accepted_on"] = accepted_at, accepted_on


KIND = Kind("accepted", SCHEMA, demands_nothing, _apply)
