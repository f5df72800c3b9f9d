"""What the workbench reminds of: papers to hand in, papers to take in, powers of attorney that lack."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from casework.agency import POWER_STATES, agency
from casework.custody import Due, hand_in_by
from casework.times import civil_date
from casework.transitions import OPEN_STATES
from node.station import Station
from web.cases.casebook import CaseRow, Scope
from web.cases.services import CaseServices
from web.signin import User


@dataclass(frozen=True)
class Reminders:
    """Cases of this station whose papers are due today or late, soonest first, and those whose proxy has no power.

    `over_a_week` is how many papers lie longer than anybody may let them.
    """

    to_hand_in: list[tuple[CaseRow, Due]]
    over_a_week: int
    powers: list[tuple[CaseRow, str, str]]


def reminders(station: Station, services: CaseServices, user: User) -> Reminders:
    """Of what was taken in here: a township is not reminded of what its villages are."""
    today, late, powers = civil_date(services.now()), list[tuple[CaseRow, Due]](), list[tuple[CaseRow, str, str]]()
    scope = services.scope_of(user)
    own = Scope(stations=frozenset({station.code}) & (scope.stations or frozenset({station.code})))
    for row, case in services.casebook.whole(own, states=OPEN_STATES):
        due = hand_in_by(case, station.calendar, station.folder.hand_in_days) if row.station == station.code else None
        if due is not None and due.on <= today:
            late.append((row, due))
        acting = agency(case, today)
        if acting is not None and acting.lacks_power:
            powers.append((row, acting.name, POWER_STATES[acting.power]))
    late.sort(key=lambda entry: entry[1].on)
    return Reminders(late, sum(_over(due, today) for _row, due in late), powers)


def _over(due: Due, today: date) -> bool:
    return due.at_most < today
