"""What a case looks like once it is read: the shape that every page, list and report takes."""

from __future__ import annotations

from typing import Any, TypedDict

from casework.documents.event import By
from casework.documents.item import Terms


class CaseFile(TypedDict):
    """A file (附件) of a material; `event` is the id of the event that added it."""

    id: str
    name: str
    type: str
    size: int
    sha256: str
    chunks: list[str]
    event: str


class MaterialDetails(TypedDict, total=False):
    """What may be said of a material: `kind` is original (原件) or copy (复印件), `later_on` the day by which it is
    to come (容缺后补), `from_case` the number of the case with which the same paper was handed in before."""

    kind: str
    copies: int
    later_on: str
    from_case: str


class Material(MaterialDetails):
    """A material (材料) of a case; `state` is received (已收), missing (缺) or later (容缺后补)."""

    id: str
    name: str
    state: str
    files: list[CaseFile]


class Deadlines(TypedDict):
    """Times in RFC 3339 UTC (`…_at`), and the same moments as dates at +08:00 (`…_on`).

    `due_on` is the last promised day (承诺办结日), null when nothing is promised; `provisional` (暂定) while
    a year on the way has no calendar.
    """

    received_at: str | None
    received_on: str | None
    accepted_at: str | None
    accepted_on: str | None
    due_on: str | None
    provisional: bool


class Act(TypedDict):
    """Something that somebody did: by whom, at which station, when (RFC 3339 UTC), by which event."""

    event: str
    by: By
    station: str
    at: str
    on: str


class Decision(Act):
    """A decision (决定): `outcome` is granted (准予) or refused (不予); a refusal has a reason."""

    outcome: str
    reason: str
    basis: str | None


class Withdrawal(Act):
    """A withdrawal (撤回) by the applicant, entered at the counter."""

    reason: str


class Side(Act):
    """One side of a contested point: who said what. `value` is null for an act that carries none."""

    kind: str
    value: Any


class Point(TypedDict):
    """A contested point (有争议的一点): acts that did not know of one another and cannot all hold.

    `id` is a hash of the clashing events' ids; `topic` is `outcome` or `fields.<dotted path>`; `holds` is the
    event that holds for now, by `rule` (a sentence).
    """

    id: str
    topic: str
    title: str
    holds: str
    rule: str
    sides: list[Side]


class Settlement(Act):
    """A point that a named person settled: `value` is what they chose."""

    point: str
    topic: str
    value: Any
    reason: str


class Quarantined(TypedDict):
    """An event that is kept aside (隔离): never folded, never lost. `reason` is a sentence, `code` its
    identifier.
    """

    id: str
    code: str
    reason: str


class Case(TypedDict):
    """A case (办件), as its events say. `item` are the terms that it was accepted under; null while its
    intake is
    not here. `fields` holds `applicant`, `form` and `channel`. Ids in `heads` and `order` are events'."""

    number: str
    item: Terms | None
    state: str
    fields: dict[str, Any]
    materials: list[Material]
    deadlines: Deadlines
    decision: Decision | None
    withdrawal: Withdrawal | None
    contested: list[Point]
    settled: list[Settlement]
    quarantined: list[Quarantined]
    heads: list[str]
    order: list[str]


def empty_case(number: str) -> Case:
    """A case of which nothing is known but its number."""
    return Case(
        number=number,
        item=None,
        state="unreceived",
        fields={},
        materials=[],
        deadlines=Deadlines(
            received_at=None,
            received_on=None,
            accepted_at=None,
            accepted_on=None,
            due_on=None,
            provisional=False,
        ),
        decision=None,
        withdrawal=None,
        contested=[],
        settled=[],
        quarantined=[],
        heads=[],
        order=[],
    )
