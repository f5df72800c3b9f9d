"""What the workbench reminds of: papers to hand in, papers to take in, powers of attorney that lack."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from casework.agency import POWER_STATES, agency
from casework.custody import Due, hand_in_by, last_received
from casework.times import civil_date
from node.station import Station
from web.cases.casebook import CaseRow, Scope
from web.cases.services import CaseServices
from web.signin import User


@dataclass(frozen=True)
class Reminders:
    """Cases of this station whose papers are due today or late, and those whose proxy has no power: the first few, the
    longest due first, and how many there are. `over_a_week` lie longer than anybody may let them.
    """

    to_hand_in: list[tuple[CaseRow, Due]]
    late: int
    over_a_week: int
    powers: list[tuple[CaseRow, str, str]]
    lacking: int


def reminders(station: Station, services: CaseServices, user: User, *, shown: int) -> Reminders:
    """Of what was taken in here: a township is not reminded of what its villages are."""
    today, casebook = civil_date(services.now()), services.casebook

    def due(received_on: date) -> Due:
        return hand_in_by(received_on, station.calendar, station.folder.hand_in_days)

    late = last_received(today, lambda day: due(day).on)
    too_late = last_received(today - timedelta(days=1), lambda day: due(day).at_most)
    rows = casebook.to_hand_in(station.code, late, limit=shown)
    scope = services.scope_of(user)
    own = Scope(stations=frozenset({station.code}) & (scope.stations or frozenset({station.code})))
    powers, lacking = list[tuple[CaseRow, str, str]](), casebook.lacking_power(own, today)
    for row, case in casebook.whole(lacking[:shown]):
        acting = agency(case, today)
        if acting is not None:
            powers.append((row, acting.name, POWER_STATES[acting.power]))
    return Reminders(
        [(row, due(date.fromisoformat(str(row.hand_in_since)))) for row in rows],
        casebook.count_to_hand_in(station.code, late),
        casebook.count_to_hand_in(station.code, too_late),
        powers,
        len(lacking),
    )
