"""What waits for somebody: the open cases they may do something about, by what it is, the soonest due first."""

from __future__ import annotations

from dataclasses import dataclass, field

from casework.case import Case
from casework.flow import READY, RUNNING
from casework.transitions import OPEN_STATES, UNACCEPTED_STATES
from web.cases.casebook import CaseRow, Scope
from web.cases.services import CaseServices
from web.signin import User

LONGEST = 300
"""Open cases that are looked at; more than one desk has."""


@dataclass(frozen=True)
class Entry:
    """A case that waits: for what, until which day, and of how many of its files all parts are here."""

    row: CaseRow
    what: str
    due_on: str | None
    files: int = 0
    files_here: int = 0


@dataclass
class Worklist:
    """The groups of a desk's day. `others` are open cases in sight in which somebody else is next."""

    to_accept: list[Entry] = field(default_factory=list)
    steps: list[Entry] = field(default_factory=list)
    to_decide: list[Entry] = field(default_factory=list)
    correcting: list[Entry] = field(default_factory=list)
    others: list[Entry] = field(default_factory=list)
    contested: list[CaseRow] = field(default_factory=list)

    def groups(self) -> list[tuple[str, list[Entry], str]]:
        """Those that wait for this user: (title, entries, the word on the button)."""
        named = [
            ("待受理", self.to_accept, "去受理"),
            ("待我办的环节", self.steps, "去办"),
            ("待决定", self.to_decide, "作决定"),
        ]
        return [(title, entries, word) for title, entries, word in named if entries]


def worklist(services: CaseServices, user: User, scope: Scope) -> Worklist:
    """The cases in this scope, sorted by what this user can do next."""
    found = Worklist(contested=[row for row in services.casebook.troubled(scope) if row.contested])
    soonest = services.casebook.latest(scope, states=OPEN_STATES, by_due=True, limit=LONGEST)
    for row, case in services.casebook.whole(soonest):
        _sort_in(found, services, user, row, case)
    department = services.person_of(user).department
    for entries in (found.to_accept, found.steps, found.to_decide, found.correcting, found.others):
        # What is of one's own department stands first, then what is due soonest.
        entries.sort(key=lambda entry: (_foreign(entry.row, department), entry.due_on is None, entry.due_on or ""))
    return found


def _foreign(row: CaseRow, department: str | None) -> bool:
    return department is not None and row.department != department


def _sort_in(found: Worklist, services: CaseServices, user: User, row: CaseRow, case: Case) -> None:
    files, here = _files(services, case)
    deadlines = case["deadlines"]
    steps = [
        step
        for step in case["steps"]
        if step["state"] in (READY, RUNNING) and services.may("step_done", user, case, {"step": step["id"]})
    ]
    if case["state"] == "correction":
        found.correcting.append(Entry(row, "等办事人补正", None))
    elif case["state"] in UNACCEPTED_STATES and services.may("accepted", user, case) and not _plain(case):
        found.to_accept.append(Entry(row, "答复受理不受理", deadlines["answer_by"], files, here))
    elif steps:
        due = min((step["due_on"] for step in steps if step["due_on"] is not None), default=deadlines["due_on"])
        found.steps.append(Entry(row, "、".join(step["title"] for step in steps), due, files, here))
    elif services.may("decided", user, case, {"outcome": "granted"}):
        found.to_decide.append(Entry(row, "决定", deadlines["due_on"], files, here))
    else:
        found.others.append(Entry(row, "", deadlines["due_on"], files, here))


def _plain(case: Case) -> bool:
    """Whether its item has no flow of its own: then it is decided, and accepting it apart is nobody's duty."""
    return case["item"] is None or case["item"].get("flow") is None


def _files(services: CaseServices, case: Case) -> tuple[int, int]:
    files = [file for material in case["materials"] for file in material["files"]]
    if not files:
        return 0, 0
    present = services.casebook.chunks_present(case["number"])
    return len(files), sum(set(file["chunks"]) <= present for file in files)
