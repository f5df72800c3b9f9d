"""Contested points and records that were kept aside: what somebody has to look at, and who may settle it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from casework.case import Case, Point, Quarantined
from casework.rights import Actor, may_settle, place_in
from web.cases.casebook import CaseRow
from web.cases.desk import Act
from web.cases.services import CaseServices
from web.errors import Problem
from web.signin import User


@dataclass(frozen=True)
class Contest:
    """A point on which two sides disagree, and whether this user may settle it."""

    row: CaseRow
    point: Point
    settleable: bool


@dataclass(frozen=True)
class Aside:
    """A case with records that do not count, each with its reason."""

    row: CaseRow
    quarantined: list[Quarantined]


def settleable(services: CaseServices, user: User, case: Case) -> frozenset[str]:
    """The ids of the case's contested points that this user may settle."""
    person = services.person_of(user)
    actor = Actor(person.role, services.desk.station, services.desk.kind, person.department)
    register = services.desk.register()
    return frozenset(
        point["id"]
        for point in case["contested"]
        if may_settle(point["topic"], actor, place_in(case), case["item"], register) is None
    )


def contests(services: CaseServices, user: User) -> list[Contest]:
    """Every contested point of the cases that this user may see, those first that were touched last."""
    found = []
    for row, case in _troubled(services, user):
        mine = settleable(services, user, case)
        found += [Contest(row, point, point["id"] in mine) for point in case["contested"]]
    return found


def kept_aside(services: CaseServices, user: User) -> list[Aside]:
    """Every case that this user may see in which a record does not count."""
    return [Aside(row, case["quarantined"]) for row, case in _troubled(services, user) if case["quarantined"]]


def _troubled(services: CaseServices, user: User) -> Iterator[tuple[CaseRow, Case]]:
    return services.casebook.whole(services.casebook.troubled(services.scope_of(user)))


def settle(services: CaseServices, user: User, point: str, value: Any, reason: str) -> str:
    """Settles a point, and returns the number of its case. Raises `Problem` 404 where this user sees no such point."""
    contest = next((one for one in contests(services, user) if one.point["id"] == point), None)
    if contest is None:
        raise Problem(404, "no_such_point", "没有这个争议点，可能已经有人定过了。刷新后再看。")
    data = {"point": point, "value": value, "reason": reason}
    services.desk.write(contest.row.number, [Act("settled", data)], services.person_of(user))
    return contest.row.number


def point_for_api(contest: Contest) -> dict[str, Any]:
    """A row of `GET contested`."""
    return {
        "id": contest.point["id"],
        "number": contest.row.number,
        "item_name": contest.row.item_name,
        "topic": contest.point["topic"],
        "title": contest.point["title"],
        "holds": contest.point["holds"],
        "rule": contest.point["rule"],
        "sides": contest.point["sides"],
        "settleable": contest.settleable,
    }
