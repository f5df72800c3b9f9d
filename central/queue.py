"""A reviewer's queue: the cases that wait for their department, the soonest due first."""

from __future__ import annotations

from dataclasses import dataclass

from casework.case import Decision
from web.cases.casebook import CaseRow, Scope
from web.cases.services import CaseServices

LONGEST_QUEUE = 100
LATELY = 10


@dataclass(frozen=True)
class Waiting:
    """A case that waits for a decision, and of how many of its files all parts are here."""

    row: CaseRow
    files: int
    files_here: int


@dataclass(frozen=True)
class Decided:
    row: CaseRow
    decision: Decision


def waiting(services: CaseServices, scope: Scope) -> list[Waiting]:
    """What waits for this department, the soonest due first."""
    rows = services.casebook.latest(scope, states=("accepted",), by_due=True, limit=LONGEST_QUEUE)
    return [Waiting(row, *_files(services, row.number)) for row in rows]


def contested(services: CaseServices, scope: Scope) -> list[CaseRow]:
    """Cases with a point that somebody must settle, such as a decision that did not know of a withdrawal."""
    return [row for row in services.casebook.troubled(scope) if row.contested]


def decided_lately(services: CaseServices, scope: Scope) -> list[Decided]:
    """What was decided last, by whom, and which way."""
    found = []
    for row in services.casebook.latest(scope, states=("decided",), limit=LATELY):
        case = services.casebook.case(row.number)
        if case is not None and case["decision"] is not None:
            found.append(Decided(row, case["decision"]))
    return found


def _files(services: CaseServices, number: str) -> tuple[int, int]:
    case = services.casebook.case(number)
    files = [file for material in (case["materials"] if case else []) for file in material["files"]]
    if not files:
        return 0, 0
    present = services.casebook.chunks_present(number)
    return len(files), sum(set(file["chunks"]) <= present for file in files)
