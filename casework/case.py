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


class Stop(TypedDict):
    """Days that a limit does not count (不计入期限): those after `from_on` up to and including `to_on` (null: still
    open). `event` began it."""

    event: str
    why: str
    from_on: str
    to_on: str | None


class Left(TypedDict):
    """What remains of a limit whose clock stands still: `n` of `unit` 工作日 or 自然日."""

    n: int
    unit: str


class Deadlines(TypedDict):
    """Times in RFC 3339 UTC (`…_at`), and the same moments as dates at +08:00 (`…_on`).

    `due_on` is the last promised day (承诺办结日), `legal_on` the last statutory one, `answer_by` the last day on
    which to say whether it is accepted (行政许可法 32): not told by then, it counts as accepted from the day of
    receipt, which is for the reader to compare with today. Each is null when there is no such limit, and while the
    clock stands still (`stopped_since`; `left` is what then remains of the promised limit). `…provisional` (暂定): a
    year on the way has no calendar yet.
    """

    received_at: str | None
    received_on: str | None
    corrected_on: str | None
    accepted_at: str | None
    accepted_on: str | None
    answer_by: str | None
    answer_provisional: bool
    due_on: str | None
    provisional: bool
    legal_on: str | None
    legal_provisional: bool
    stops: list[Stop]
    stopped_since: str | None
    left: Left | None


class Act(TypedDict):
    """Something that somebody did: by whom, at which station, when (RFC 3339 UTC), by which event."""

    event: str
    by: By
    station: str
    at: str
    on: str


class Decision(Act):
    """A decision (决定): `outcome` is granted (准予) or refused (不予); a refusal has a reason.

    `corrections` put its words right (更正决定), the last one counts; `revoked` is who took it back and why.
    """

    outcome: str
    reason: str
    basis: str | None
    conditions: str | None
    certificate: str | None
    corrections: list[DecisionCorrection]
    revoked: Ended | None


class DecisionCorrection(Act):
    """Words of a decision that were put right (更正决定); null where they stay as they were."""

    said: str
    reason: str | None
    conditions: str | None
    certificate: str | None


class Ended(Act):
    """How a case came to an end without a decision, or a decision was taken back.

    `kind` is withdrawn (撤回), not_accepted (不予受理), returned (退件), voided (作废) or decision_revoked (撤销决定);
    `instead` is the number of the right case, for one that was voided.
    """

    kind: str
    reason: str
    basis: str | None
    instead: str | None


class Withdrawal(Act):
    """A withdrawal (撤回) by the applicant, entered at the counter."""

    reason: str


class CorrectionPoint(TypedDict):
    """One thing to be put right: a material's id, a field's path, or neither; what is to be done, in words."""

    material: str | None
    path: str | None
    text: str


class Correction(Act):
    """A request for correction (补正告知): everything named at once. `answered` is when it was answered."""

    points: list[CorrectionPoint]
    days: int | None
    answered: Act | None


class StepMark(Act):
    """Somebody began, finished or skipped a step."""

    mark: str
    result: str | None
    text: str | None


class StepTold(TypedDict):
    """A step of the flow (环节) in this case: where it stands, since when it is ready, when it is due.

    `who` is as in the flow. `late` is for the reader: `due_on` against `done_on` or today.
    """

    id: str
    title: str
    kind: str
    who: dict[str, Any]
    state: str
    ready_on: str | None
    started_on: str | None
    due_on: str | None
    provisional: bool
    done_on: str | None
    marks: list[StepMark]


class Suspension(Act):
    """A suspension (挂起): the special procedure, why, about how long; `resumed` is who ended it."""

    procedure: str
    reason: str
    days: int | None
    resumed: Act | None


class Extension(Act):
    """An extension (延长期限): by how many days, why, who approved it."""

    days: int
    reason: str
    approved_by: str


class Forward(Act):
    """The case was passed on (转办) or sent back (退回): to a station, to a department, or one level up."""

    kind: str
    to_station: str | None
    to_department: str | None
    reason: str


class Handover(Act):
    """Papers that changed hands (移交). `to`: a station's or department's name, or 办事人; `taken` says who took
    them, and what differed."""

    slip: str
    to: str
    papers: list[str]
    note: str | None
    taken: Taking | None


class Taking(Act):
    """Papers that were taken in (接收): what was missing from the slip, and what came beside it."""

    missing: list[str]
    extra: list[str]


class Delivery(Act):
    """The result was handed over (送达): to whom, on what proof, which papers."""

    to: dict[str, Any]
    proof: str
    papers: list[str]


class Rating(Act):
    """The applicant's rating (好差评), 1 非常满意 to 5 非常不满意."""

    level: int
    text: str | None


class Fee(Act):
    """A fee that was told (告知缴费) or paid (已缴费), in 分."""

    kind: str
    amount: int
    basis: str | None
    voucher: str | None


class Paper(Act):
    """A paper that was handed out (文书): its kind, number and version; `about` is the event that it is about, `says`
    a hash of what it said (`casework.papers`)."""

    paper: str
    number: str
    version: int
    about: str | None
    reprint: bool
    says: str | None


class Filing(Act):
    """Where the case lies (归档): volume, how long it is kept."""

    volume: str
    retention: str


class Proxy(Act):
    """Somebody acts for the applicant (委托代办) by event; `ended` says when that ended. The one named at intake stands
    in `fields.people`."""

    proxy: dict[str, Any]
    ended: Act | None


class Part(TypedDict):
    """A station (by code) or department (by name) that has to do with the case."""

    kind: str
    value: str


class Side(Act):
    """One side of a contested point: who said what, and why. `value` is null for an act that carries none."""

    kind: str
    value: Any
    reason: str | None


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
    """A point that a named person settled: `value` is what they chose, `sides` the events that had clashed."""

    point: str
    sides: list[str]
    topic: str
    value: Any
    reason: str


class Quarantined(TypedDict):
    """An event that is kept aside (隔离): never folded, never lost. `reason` is a sentence, `code` its
    identifier; `repaired` is the event that does anew what this one meant to do, or null.
    """

    id: str
    code: str
    reason: str
    repaired: str | None


class Case(TypedDict):
    """A case (办件), as its events say. `item` are the terms that it was accepted under; null while its
    intake is not here.

    `fields` holds `applicant`, `people`, `form`, `situation` and `channel`. `handler` is the township that handles it,
    `department` the county department that it was forwarded to, `papers_at` who has the papers. `ended` is how it ended
    other than by a decision. `named_proxy_ended` is who ended what the proxy named at intake may do. Ids in `heads` and
    `order` are events'.
    """

    number: str
    item: Terms | None
    state: str
    fields: dict[str, Any]
    materials: list[Material]
    deadlines: Deadlines
    steps: list[StepTold]
    corrections: list[Correction]
    suspensions: list[Suspension]
    extensions: list[Extension]
    decision: Decision | None
    withdrawal: Withdrawal | None
    ended: Ended | None
    delivery: Delivery | None
    filing: Filing | None
    rating: Rating | None
    fees: list[Fee]
    papers: list[Paper]
    proxies: list[Proxy]
    named_proxy_ended: Act | None
    forwards: list[Forward]
    handovers: list[Handover]
    papers_at: str | None
    handler: str
    department: str | None
    parts: list[Part]
    contested: list[Point]
    settled: list[Settlement]
    admitted: list[Admission]
    quarantined: list[Quarantined]
    heads: list[str]
    order: list[str]


class Admission(Act):
    """A record that had been kept aside and that the county let count, with its reason."""

    admits: str
    reason: str


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
            corrected_on=None,
            accepted_at=None,
            accepted_on=None,
            answer_by=None,
            answer_provisional=False,
            due_on=None,
            provisional=False,
            legal_on=None,
            legal_provisional=False,
            stops=[],
            stopped_since=None,
            left=None,
        ),
        steps=[],
        corrections=[],
        suspensions=[],
        extensions=[],
        decision=None,
        withdrawal=None,
        ended=None,
        delivery=None,
        filing=None,
        rating=None,
        fees=[],
        papers=[],
        proxies=[],
        named_proxy_ended=None,
        forwards=[],
        handovers=[],
        papers_at=None,
        handler="",
        department=None,
        parts=[],
        contested=[],
        settled=[],
        admitted=[],
        quarantined=[],
        heads=[],
        order=[],
    )
