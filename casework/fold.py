"""Reading a case from its events: pure, and the same to the byte wherever the same events are."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any

from casework.calendar import Calendar
from casework.canonical import Document, NotCanonical, canonical, is_addressed
from casework.case import Act, Case, Decision, Point, Quarantined, Settlement, Side, Withdrawal, empty_case
from casework.clashes import BOTH, HANDLER, LATER, RULES, SETTLEMENT, rule_of
from casework.documents.event import event_holds, is_event_shaped
from casework.documents.item import terms_payload
from casework.documents.register import COUNTY, Key, Register
from casework.fields import can_set, covers, overlap, set_value
from casework.history import History, own_time
from casework.kinds import KINDS
from casework.kinds.kind import act_of
from casework.kinds.settled import is_choice
from casework.rights import Actor, decides, entitled, may_settle
from casework.signing import signature_holds
from casework.times import from_milliseconds
from casework.transitions import TRANSITIONS, UNRECEIVED, can_follow, why_not

__all__ = ["Case", "fold", "point_id"]

Holds = Callable[[Document, Key], bool]

OUTCOME = "outcome"


def fold(events: Iterable[Document], register: Register, calendar: Calendar, *, holds: Holds = event_holds) -> Case:
    """The case that these events tell (one case's, in any order, repeated or not).

    `register` says whose signature counts, `calendar` what a promise means in dates; `holds` is the
    arithmetic of one event under one key (`event_holds`), injected so that an answer can be remembered. Asks
    no clock: whether a deadline has passed is for the reader to say.

    Raises ValueError for no events, or events of two cases.
    """
    number, shaped, aside = _sorted_out(events)
    admitted: list[Document] = []
    known: list[Document] = []
    for event in shaped:
        refused = _refused(event, register, holds)
        if refused is None:
            admitted.append(event)
            known.append(event)
            continue
        aside[event["_id"]] = refused
        # What was altered tells nothing about what it had seen; the rest keeps its place in the history.
        if refused["code"] != "hash":
            known.append(event)
    checked = {event["_id"] for event in admitted}
    reading = _Reading(number, History.of(known, checked), register, calendar, aside)
    reading.admit(checked)
    return reading.case()


def point_id(events: Iterable[str]) -> str:
    """The id of a contested point: the first 32 hex of the SHA-256 over the clashing events' ids, sorted, one
    a
    line."""
    return hashlib.sha256("\n".join(sorted(events)).encode()).hexdigest()[:32]


def _aside(identifier: str, code: str, reason: str) -> Quarantined:
    return Quarantined(id=identifier, code=code, reason=reason)


def _sorted_out(events: Iterable[Document]) -> tuple[str, list[Document], dict[str, Quarantined]]:
    """The case number, the well-formed events (each id once), and what has no shape."""
    by_id: dict[str, Document] = {}
    for event in events:
        identifier = str(event.get("_id"))
        rival = by_id.get(identifier)
        by_id[identifier] = event if rival is None or rival is event else min(rival, event, key=_trust)
    numbers = {identifier.split(":")[1] for identifier in by_id if identifier.count(":") >= 2}
    if len(numbers) != 1:
        raise ValueError(f"the events of exactly one case, not of {len(numbers)}")
    shaped: list[Document] = []
    aside: dict[str, Quarantined] = {}
    for identifier in sorted(by_id):
        if is_event_shaped(by_id[identifier]):
            shaped.append(by_id[identifier])
        else:
            aside[identifier] = _aside(identifier, "shape", "这条记录残缺，读不出来。请原站点补一条。")
    return numbers.pop(), shaped, aside


def _trust(event: Document) -> tuple[bool, str]:
    """Of two bodies under one id only one can have the hash that the id ends in; it sorts first."""
    return not is_addressed(event), json.dumps(event, sort_keys=True)


def _refused(event: Document, register: Register, holds: Holds) -> Quarantined | None:
    """Why an event does not check, whatever the rest of the case says; None when it does."""
    identifier = event["_id"]
    key = register.key(event["key"])
    altered = ("hash", "内容与编号里的校验码对不上，传的时候坏了或被改过。请原站点补一条。")
    if (key is None or key.station != event["station"]) and not is_addressed(event):
        refusal = altered
    elif key is None:
        refusal = ("key", f"签名用的密钥 {event['key']} 不在名册里。等名册更新，或由原站点用新密钥补一条。")
    elif key.station != event["station"]:
        refusal = ("key", "签名的密钥不是这个站点的。")
    elif not holds(event, key):
        forged = ("signature", "签名对不上，可能被改过。请原站点补一条。")
        refusal = forged if is_addressed(event) else altered
    elif not key.admits(event["incarnation"], event["home"], event["serial"]):
        refusal = (
            "revoked",
            "这个密钥已经停用，这条记录在停用以后才写，不能算数。请由有权的人核实后补一条。",
        )
    else:
        return _refused_content(event, register)
    return _aside(identifier, *refusal)


def _refused_content(event: Document, register: Register) -> Quarantined | None:
    kind = KINDS.get(event["kind"])
    if kind is None:
        return None
    wrong = kind.problems(None, event["data"])
    if wrong:
        path, sentence = next(iter(wrong.items()))
        return _aside(event["_id"], "content", f"{kind.title}的内容不完整（{path}）：{sentence}")
    if event["kind"] == "received" and not _terms_signed(event["data"], register):
        return _aside(event["_id"], "terms", "办理条款没有县中心的有效签名。请更新事项后重新收件。")
    return None


def _terms_signed(data: Mapping[str, Any], register: Register) -> bool:
    key = register.key(data["terms_key"])
    # A county key that was replaced since still vouches for what was accepted under it: the terms bear no
    # date.
    if key is None or key.kind != COUNTY:
        return False
    try:
        return _signed(terms_payload(data["terms"]), data["terms_sig"], key)
    except NotCanonical:
        return False


@lru_cache(maxsize=512)
def _signed(payload: bytes, signature: str, key: Key) -> bool:
    # The same few terms come with every case of an item: this is arithmetic, and is done once.
    return signature_holds(payload, signature, key.public_key)


@dataclass
class _Standing:
    """Where a set of events leaves the outcome: the state, the act that brought it, and the sides of an open
    contest."""

    state: str = UNRECEIVED
    cause: str | None = None
    sides: tuple[str, ...] = ()

    @property
    def live(self) -> tuple[str, ...]:
        return self.sides or ((self.cause,) if self.cause is not None else ())


@dataclass
class _Write:
    """Somebody set a field: by correction or by settling a point."""

    event: str
    path: str
    value: Any


@dataclass
class _Contest:
    """Writes that cannot all hold, which of them does for now, and by what rule."""

    sides: list[_Write]
    holder: _Write
    rule: str


@dataclass
class _Reading:
    """One reading of one case. Sets of events are bit masks (see History)."""

    number: str
    history: History
    register: Register
    calendar: Calendar
    aside: dict[str, Quarantined]
    terms: Mapping[str, Any] | None = None
    founding: str | None = None
    times: dict[str, int] = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    counted: int = 0
    _standings: dict[int, _Standing] = field(default_factory=dict)
    _fields: dict[int, tuple[dict[str, Any], list[_Contest]]] = field(default_factory=dict)
    _choices: dict[str, tuple[str, Any]] = field(default_factory=dict)

    # -- which events count
    # -------------------------------------------------------------------------------------

    def admit(self, checked: set[str]) -> None:
        """Settles the order, and which of the events that check count; the others go aside with their
        reason.
        """
        events = self.history.events
        intakes = [
            event
            for identifier, event in events.items()
            if identifier in checked and event["kind"] == "received" and self._entitled(event) is None
        ]
        if intakes:
            founding = min(intakes, key=lambda event: (own_time(event), event["_id"]))
            self.founding, self.terms = founding["_id"], founding["data"]["terms"]
        corrections = [
            event
            for identifier, event in events.items()
            if identifier in checked and event["kind"] == "clock_corrected" and self._entitled(event) is None
        ]
        self.times = self.history.corrected_times(corrections)
        self.order = self.history.order(self.times)
        if self.founding is not None:
            # Where links are missing, an act may sort before the intake that it belongs to; it is read after.
            rest = (identifier for identifier in self.order if identifier != self.founding)
            self.order = [self.founding, *rest]
        for identifier in self.order:
            if identifier in checked:
                refused = self._entitled(events[identifier]) or self._contradicted(events[identifier])
                if refused is None:
                    self.counted |= self.history.bit[identifier]
                else:
                    self.aside[identifier] = refused

    def _actor(self, event: Document) -> Actor:
        key = self.register.key(event["key"])
        assert key is not None, "only events that check are asked about"
        return Actor(event["by"]["role"], event["station"], key.kind, event["by"].get("department"))

    def _entitled(self, event: Document) -> Quarantined | None:
        refusal = entitled(
            event["kind"],
            self._actor(event),
            self.number,
            self.terms,
            register=self.register,
            data=event["data"],
        )
        return None if refusal is None else _aside(event["_id"], refusal.code, refusal.sentence)

    def _contradicted(self, event: Document) -> Quarantined | None:
        """Whether the event's own history forbids it: what its author knew is what it is judged by."""
        identifier, kind = event["_id"], event["kind"]
        standing = self.standing(self.history.before[identifier])
        # Something that it had seen is not here yet: where the case stood then cannot be known.
        torn = standing.state == UNRECEIVED and identifier in self.history.incomplete
        if kind == "received" and identifier != self.founding:
            # One number, one intake; the other is kept for somebody to take in under a number of its own.
            return _aside(identifier, "history", why_not(kind, standing.state, self.terms))
        if not torn and not can_follow(kind, standing.state, self.terms):
            return _aside(identifier, "history", why_not(kind, standing.state, self.terms))
        if kind == "settled":
            return self._contradicted_settlement(event)
        if kind == "field_corrected":
            fields = self.fields(self.history.before[identifier])[0]
            if not torn and not can_set(fields, event["data"]["path"]):
                return _aside(identifier, "history", "这件办件里没有要更正的这一栏。")
        return None

    def _contradicted_settlement(self, event: Document) -> Quarantined | None:
        identifier, data = event["_id"], event["data"]
        before = self.history.before[identifier]
        point = next((point for point in self.points(before) if point["id"] == data["point"]), None)
        if point is None:
            return _aside(identifier, "history", "定的时候没有这个争议点，或者有关的记录还没有到。")
        if not is_choice(point, data["value"]):
            return _aside(identifier, "history", "定的不是争议的任何一方。")
        refusal = may_settle(point["topic"], self._actor(event), self.number, self.terms, self.register)
        if refusal is not None:
            return _aside(identifier, refusal.code, refusal.sentence)
        value = data["value"]
        sides = {side["event"]: side["value"] for side in point["sides"]}
        if point["topic"] != OUTCOME and isinstance(value, str) and value in sides:
            value = sides[value]
        self._choices[identifier] = (point["topic"], value)
        return None

    # -- the outcome
    # --------------------------------------------------------------------------------------------

    def standing(self, mask: int) -> _Standing:
        """Where the counted events of this set leave the outcome, read in order."""
        mask &= self.counted
        if mask not in self._standings:
            standing = _Standing()
            for identifier in self.order:
                if mask & self.history.bit[identifier]:
                    standing = self._after(standing, identifier)
            self._standings[mask] = standing
        return self._standings[mask]

    def _after(self, standing: _Standing, identifier: str) -> _Standing:
        kind = self.history.events[identifier]["kind"]
        row = TRANSITIONS.get(kind)
        settles = kind == "settled" and self._choices.get(identifier, ("", None))[0] == OUTCOME
        if row is None or (row.to_state is None and not settles):
            return standing
        if not settles and not standing.sides and can_follow(kind, standing.state, self.terms):
            return _Standing(row.to_state or standing.state, identifier)
        # It was possible for all that its author knew, and is not now: somebody else acted at the same time.
        unseen = tuple(side for side in standing.live if not self.history.saw(identifier, side))
        live = (*unseen, identifier)
        if not unseen:
            return self._held_by(identifier)
        rule = self._rule(live)
        if rule == BOTH:
            return standing
        holder = min(live, key=self._rank)
        held = self._held_by(holder)
        if len({canonical(self._said(side)) for side in live}) == 1:
            return held
        held.sides = live
        return held

    def _held_by(self, identifier: str) -> _Standing:
        kind = self.history.events[self._act(identifier)]["kind"]
        return _Standing(TRANSITIONS[kind].to_state or UNRECEIVED, identifier)

    def _act(self, identifier: str) -> str:
        """The act that holds if this one does: a settlement of the outcome stands for the side that it
        chose.
        """
        while self.history.events[identifier]["kind"] == "settled":
            identifier = self._choices[identifier][1]
        return identifier

    def _rule(self, live: Iterable[str]) -> str:
        return rule_of([self.history.events[side]["kind"] for side in live], self.terms)

    def _rank(self, identifier: str) -> tuple[int, int]:
        kind = self.history.events[identifier]["kind"]
        return {"settled": 0, "decided": 1}.get(kind, 2), self.order.index(identifier)

    def _said(self, identifier: str) -> list[Any]:
        """What an act says about the outcome: acts that say the same are no clash."""
        act = self.history.events[self._act(identifier)]
        if act["kind"] != "decided":
            return [act["kind"]]
        refused = act["data"]["outcome"] == "refused"
        return ["decided", act["data"]["outcome"], act["data"].get("reason", "") if refused else ""]

    # -- the fields
    # ---------------------------------------------------------------------------------------------

    def fields(self, mask: int) -> tuple[dict[str, Any], list[_Contest]]:
        """The fields as the counted events of this set leave them, and the contests about them."""
        mask &= self.counted
        if mask not in self._fields:
            self._fields[mask] = self._read_fields(mask)
        return self._fields[mask]

    def _read_fields(self, mask: int) -> tuple[dict[str, Any], list[_Contest]]:
        case = empty_case(self.number)
        writes: list[_Write] = []
        for identifier in self.order:
            if not mask & self.history.bit[identifier]:
                continue
            event = self.history.events[identifier]
            if event["kind"] == "received":
                KINDS["received"].apply(case, event, from_milliseconds(self.times[identifier]))
            elif event["kind"] == "field_corrected":
                writes.append(_Write(identifier, event["data"]["path"], event["data"]["value"]))
            elif event["kind"] == "settled" and self._choices[identifier][0] != OUTCOME:
                topic, value = self._choices[identifier]
                writes.append(_Write(identifier, topic.removeprefix("fields."), value))
        live = [
            write
            for write in writes
            if not any(
                covers(later.path, write.path) and self.history.saw(later.event, write.event) for later in writes
            )
        ]
        contests: list[_Contest] = []
        losers: set[str] = set()
        for sides in self._clashing(live):
            settled = [write for write in sides if self._kind(write) == "settled"]
            handlers = [write for write in sides if self._is_handler(write)]
            if settled:
                holder, rule = settled[0], SETTLEMENT
            elif handlers and len(handlers) < len(sides):
                holder, rule = handlers[-1], HANDLER
            else:
                holder, rule = sides[-1], LATER
            contests.append(_Contest(sides, holder, rule))
            losers.update(write.event for write in sides if write is not holder)
        for write in live:
            if write.event not in losers and can_set(case["fields"], write.path):
                set_value(case["fields"], write.path, write.value)
        return case["fields"], contests

    def _clashing(self, live: list[_Write]) -> list[list[_Write]]:
        """Groups of writes that touch the same thing, did not know of one another, and say different
        things.
        """
        groups: list[list[_Write]] = []
        for write in live:
            touched = [group for group in groups if any(self._clash(write, other) for other in group)]
            merged = [other for group in touched for other in group]
            groups = [group for group in groups if group not in touched]
            groups.append([*merged, write])
        place = {write.event: position for position, write in enumerate(live)}
        found = [sorted(group, key=lambda write: place[write.event]) for group in groups if len(group) > 1]
        return sorted(found, key=lambda group: place[group[0].event])

    def _clash(self, one: _Write, other: _Write) -> bool:
        return (
            overlap(one.path, other.path)
            and self.history.concurrent(one.event, other.event)
            and (one.path != other.path or canonical(one.value) != canonical(other.value))
        )

    def _kind(self, write: _Write) -> str:
        return str(self.history.events[write.event]["kind"])

    def _is_handler(self, write: _Write) -> bool:
        """Whether it was entered, after acceptance, by who decides the item (承办窗口)."""
        before = self.standing(self.history.before[write.event]).state
        if self.terms is None or before in {UNRECEIVED, "received"}:
            return False
        actor = self._actor(self.history.events[write.event])
        return decides(actor, self.number.split("-")[0], self.terms, self.register)

    # -- the whole
    # ----------------------------------------------------------------------------------------------

    def points(self, mask: int) -> list[Point]:
        """The contested points that the counted events of this set leave open."""
        found = []
        standing = self.standing(mask)
        if standing.sides:
            assert standing.cause is not None
            found.append(
                Point(
                    id=point_id(standing.sides),
                    topic=OUTCOME,
                    title="结果有两个说法",
                    holds=standing.cause,
                    rule=RULES[self._rule(standing.sides)],
                    sides=[self._side(side, self._value(side)) for side in standing.sides],
                )
            )
        for contest in self.fields(mask)[1]:
            path = min((write.path for write in contest.sides), key=lambda path: (len(path), path))
            found.append(
                Point(
                    id=point_id(write.event for write in contest.sides),
                    topic=f"fields.{path}",
                    title="同一栏有两个说法",
                    holds=contest.holder.event,
                    rule=RULES[contest.rule],
                    sides=[self._side(write.event, write.value) for write in contest.sides],
                )
            )
        return sorted(found, key=lambda point: (point["topic"], point["id"]))

    def _value(self, identifier: str) -> Any:
        said = self._said(identifier)
        return said[1] if said[0] == "decided" else said[0]

    def _act_of(self, identifier: str) -> Act:
        return act_of(self.history.events[identifier], from_milliseconds(self.times[identifier]))

    def _side(self, identifier: str, value: Any) -> Side:
        return Side(**self._act_of(identifier), kind=self.history.events[identifier]["kind"], value=value)

    def case(self) -> Case:
        """The case as all of its counted events leave it."""
        case = empty_case(self.number)
        for identifier in self.order:
            kind = KINDS.get(self.history.events[identifier]["kind"])
            if kind is not None and self.counted & self.history.bit[identifier]:
                at = from_milliseconds(self.times[identifier])
                kind.apply(case, self.history.events[identifier], at)
        if self.terms is not None:
            case["fields"] = self.fields(self.counted)[0]
        self._tell_outcome(case)
        self._tell_deadline(case)
        case["contested"] = self.points(self.counted)
        case["settled"] = [
            self._settlement(identifier)
            for identifier in self.order
            if identifier in self._choices and self.counted & self.history.bit[identifier]
        ]
        case["quarantined"] = [self.aside[identifier] for identifier in sorted(self.aside)]
        case["heads"] = self.history.heads
        case["order"] = [identifier for identifier in self.order if identifier not in self.aside]
        return case

    def _settlement(self, identifier: str) -> Settlement:
        data = self.history.events[identifier]["data"]
        topic, value = self._choices[identifier]
        return Settlement(
            **self._act_of(identifier), point=data["point"], topic=topic, value=value, reason=data["reason"]
        )

    def _tell_outcome(self, case: Case) -> None:
        standing = self.standing(self.counted)
        case["state"] = standing.state
        if standing.cause is None:
            return
        identifier = self._act(standing.cause)
        data = self.history.events[identifier]["data"]
        if standing.state == "decided":
            case["decision"] = Decision(
                **self._act_of(identifier),
                outcome=data["outcome"],
                reason=data.get("reason", ""),
                basis=data.get("basis"),
            )
        elif standing.state == "withdrawn":
            case["withdrawal"] = Withdrawal(**self._act_of(identifier), reason=data["reason"])

    def _tell_deadline(self, case: Case) -> None:
        deadlines = case["deadlines"]
        # Not yet accepted: whoever is not told counts as accepted from the day of receipt (行政许可法 32).
        start = deadlines["accepted_on"] or deadlines["received_on"]
        promised = case["item"]["promised"] if case["item"] is not None else None
        if start is not None and promised is not None:
            due = self.calendar.due(date.fromisoformat(start), promised)
            deadlines["due_on"], deadlines["provisional"] = due.on.isoformat(), due.provisional
