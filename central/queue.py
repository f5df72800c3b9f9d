"""What a department decided last: the end of its queue. What waits for it is `web.cases.worklist`."""

from __future__ import annotations

from dataclasses import dataclass

from casework.case import Decision
from web.cases.casebook import CaseRow, Scope
from web.cases.services import CaseServices

LATELY = 10


@dataclass(frozen=True)
class Decided:
    row: CaseRow
    decision: Decision


def decided_lately(services: CaseServices, scope: Scope) -> list[Decided]:
    """What was decided last, by whom, and which way."""
    latest = services.casebook.latest(scope, states=("decided",), limit=LATELY)
    return [
        Decided(row, case["decision"]) for row, case in services.casebook.whole(latest) if case["decision"] is not None
    ]
