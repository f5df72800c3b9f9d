"""One reading of one case: which of its events count, where they leave it, and what is contested."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from casework.calendar import Calendar
from casework.canonical import Document, canonical
from casework.case import (
    Act,
    Case,
    Decision,
    DecisionCorrection,
    Delivery,
    Ended,
    Filing,
    Part,
    Point,
    Quarantined,
    Settlement,
    Side,
    StepMark,
    Withdrawal,
    empty_case,
)
from casework.clashes import BOTH, EARLIER, FINISHES, HANDLER, LATER, PRECEDENCE, RULES, SETTLEMENT, rule_of
from casework.clocks import tell_deadlines, tell_steps
from casework.documents.register import Register
from casework.fields import can_set, covers, overlap, set_value
from casework.flow import DONE, RUNNING, SKIPPED, Flow, progress, steps_of
from casework.history import History, own_time
from casework.kinds import KINDS
from casework.kinds.admitted import ADMISSIBLE
from casework.kinds.kind import act_of
from casework.kinds.settled import is_choice
from casework.rights import Actor, Place, decides, entitled, may_settle, place_of
from casework.times import from_milliseconds
from casework.transitions import (
    ENDS_WHAT_WAS_SEEN,
    TRANSITIONS,
    UNACCEPTED_STATES,
    UNRECEIVED,
    Standing,
    can_follow,
    obstacle,
)

OUTCOME = "outcome"
MARKS = {"step_started": RUNNING, "step_done": DONE, "step_skipped": SKIPPED}


def point_id(events: Iterable[str]) -> str:
    """The id of a contested point: the first 32 hex of the SHA-256 over the clashing events' ids, sorted, one
    a
    line."""
    return hashlib.sha256("\n".join(sorted(events)).encode()).hexdigest()[:32]


def aside(identifier: str, code: str, reason: str) -> Quarantined:
    """The entry of an event that does not count."""
    return Quarantined(id=identifier, code=code, reason=reason, repaired=None)


@dataclass(frozen=True)
class _Walk:
    """Where a set of events leaves the outcome, read in order.

    `trail` are the acts that brought it there, the last one being the one that holds; `sides` those of an open contest;
    `open` the requests and suspensions that nobody who had seen them has ended.
    """

    state: str = UNRECEIVED
    trail: tuple[str, ...] = ()
    sides: tuple[str, ...] = ()
    open: tuple[str, ...] = ()

    @property
    def live(self) -> tuple[str, ...]:
        return self.sides or self.trail[-1:]


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
class Reading:
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
    _let: frozenset[str] = frozenset()
    _walks: dict[int, _Walk] = field(default_factory=dict)
    _fields: dict[int, tuple[dict[str, Any], list[_Contest]]] = field(default_factory=dict)
    _choices: dict[str, tuple[str, Any]] = field(default_factory=dict)
    _settled_sides: dict[str, list[str]] = field(default_factory=dict)

    # -- which events count ------------------------------------------------------------------------------------

    def admit(self, checked: set[str]) -> None:
        """Settles the order, and which of the events that check count; the others go aside with their
        reason.
        """
        events = self.history.events
        self._let = self._let_by_the_county(checked)
        intakes = [
            event
            for identifier, event in events.items()
            if event["kind"] == "received"
            and (identifier in self._let or (identifier in checked and self._not_entitled(event) is None))
        ]
        if intakes:
            founding = min(intakes, key=lambda event: (own_time(event), event["_id"]))
            self.founding, self.terms = founding["_id"], founding["data"]["terms"]
        corrections = [
            event
            for identifier, event in events.items()
            if identifier in checked and event["kind"] == "clock_corrected" and self._not_entitled(event) is None
        ]
        self.times = self.history.corrected_times(corrections)
        self.order = self.history.order(self.times)
        if self.founding is not None:
            # Where links are missing, an act may sort before the intake that it belongs to; it is read after.
            rest = (identifier for identifier in self.order if identifier != self.founding)
            self.order = [self.founding, *rest]
        for identifier in self.order:
            if identifier in self._let:
                self.aside.pop(identifier, None)
            elif identifier not in checked:
                continue
            else:
                refused = self._not_entitled(events[identifier]) or self._contradicted(events[identifier])
                if refused is not None:
                    self.aside[identifier] = refused
                    continue
            self.counted |= self.history.bit[identifier]

    def _let_by_the_county(self, checked: set[str]) -> frozenset[str]:
        """What the county looked into and let count, although it does not check. Nothing that was altered or forged."""
        named = {
            event["data"]["event"]
            for identifier, event in self.history.events.items()
            if identifier in checked and event["kind"] == "admitted" and self._not_entitled(event) is None
        }
        trusted = {
            identifier
            for identifier in named & self.history.events.keys()
            if identifier in checked or self.aside[identifier]["code"] in ADMISSIBLE
        }
        # A settlement names a point of its own history: admitting one would have to make up what it chose.
        return frozenset(name for name in trusted if self.history.events[name]["kind"] != "settled")

    def _actor(self, event: Document) -> Actor | None:
        key = self.register.key(event["key"])
        if key is None:
            return None  # let by the county, although nobody knows the key
        return Actor(event["by"]["role"], event["station"], key.kind, event["by"].get("department"))

    def _not_entitled(self, event: Document) -> Quarantined | None:
        actor = self._actor(event)
        assert actor is not None, "only events that check are asked about"
        place = self.place(self.history.before[event["_id"]])
        refusal = entitled(event["kind"], actor, place, self.terms, register=self.register, data=event["data"])
        return None if refusal is None else aside(event["_id"], refusal.code, refusal.sentence)

    def _contradicted(self, event: Document) -> Quarantined | None:
        """Whether the event's own history forbids it: what its author knew is what it is judged by."""
        identifier, kind = event["_id"], event["kind"]
        before = self.history.before[identifier]
        standing = self.standing(before)
        # Something that it had seen is not here yet: where the case stood then cannot be known.
        torn = standing.state == UNRECEIVED and identifier in self.history.incomplete
        if kind == "received" and identifier != self.founding:
            # One number, one intake; the other is kept for somebody to take in under a number of its own.
            return aside(identifier, "history", "这个编号已经收过件，请另取一个编号。")
        sentence = None if torn else obstacle(kind, standing, event["data"])
        if sentence is not None and identifier in self.history.incomplete:
            sentence = f"这条记录之前的记录还没有到，到了会自动再看。{sentence}"
        if sentence is not None:
            return aside(identifier, "history", sentence)
        if kind == "settled":
            return self._contradicted_settlement(event)
        if kind == "field_corrected" and not torn and not can_set(self.fields(before)[0], event["data"]["path"]):
            return aside(identifier, "history", "这件办件里没有要更正的这一栏。")
        return None

    def _contradicted_settlement(self, event: Document) -> Quarantined | None:
        identifier, data = event["_id"], event["data"]
        before = self.history.before[identifier]
        point = next((point for point in self.points(before) if point["id"] == data["point"]), None)
        if point is None:
            return aside(identifier, "history", "定的时候没有这个争议点，或者有关的记录还没有到。")
        if not is_choice(point, data["value"]):
            return aside(identifier, "history", "定的不是争议的任何一方。")
        actor = self._actor(event)
        assert actor is not None, "a settlement is never let by the county"
        refusal = may_settle(point["topic"], actor, self.place(before), self.terms, self.register)
        if refusal is not None:
            return aside(identifier, refusal.code, refusal.sentence)
        value = data["value"]
        sides = {side["event"]: side["value"] for side in point["sides"]}
        if point["topic"] != OUTCOME and isinstance(value, str) and value in sides:
            value = sides[value]
        self._choices[identifier] = (point["topic"], value)
        self._settled_sides[identifier] = [side["event"] for side in point["sides"]]
        return None

    # -- where the case is -------------------------------------------------------------------------------------

    def place(self, mask: int) -> Place:
        """Where the case is at home, and which way the counted events of this set have brought it."""
        founding = self.history.events[self.founding]["data"] if self.founding is not None else {}
        place = place_of(self.number, self.register, handled_by=founding.get("handled_by"))
        if self.terms is None:
            return place
        handler, department = place.handler, place.department
        stations, departments = set(place.stations), self._departments()
        for identifier in self._in(mask, "forwarded", "sent_back"):
            event = self.history.events[identifier]
            if event["data"].get("to_station"):
                stations.add(event["data"]["to_station"])
                if event["kind"] == "forwarded":
                    handler = event["data"]["to_station"]
            if event["data"].get("to_department"):
                department = event["data"]["to_department"]
                departments.add(department)
        return Place(place.home, handler, department, frozenset(stations), frozenset(departments))

    def _departments(self) -> set[str]:
        """The county's departments that the item itself names: who decides, and whose steps there are."""
        assert self.terms is not None
        named = {step["who"].get("department") for step in steps_of(self._flow) if step["who"]["level"] == "county"}
        if self.terms["decides"]["level"] == "county":
            named.add(self.terms["decides"]["department"])
        return {name for name in named if name}

    def _in(self, mask: int, *kinds: str) -> list[str]:
        """The counted events of this set that are of these kinds, in order."""
        mask &= self.counted
        events, bit = self.history.events, self.history.bit
        return [name for name in self.order if mask & bit[name] and events[name]["kind"] in kinds]

    @property
    def _flow(self) -> Flow | None:
        return self.terms.get("flow") if self.terms is not None else None

    def standing(self, mask: int) -> Standing:
        """How the case stands for somebody who has seen this set."""
        walk = self.walk(mask)
        steps = {}
        if self._flow is not None:
            marks = [(mark["step"], state) for mark, state in self._marks(mask)]
            steps = progress(self._flow, self.fields(mask)[0], marks)
        return Standing(
            state=walk.state,
            terms=self.terms,
            steps=steps,
            correction_asked=bool(self._in(mask, "correction_requested")),
            extended=bool(self._in(mask, "extended")),
            rated=bool(self._in(mask, "rated")),
            decided=self._stands_decided(walk),
            contested=bool(walk.sides),
        )

    def _stands_decided(self, walk: _Walk) -> bool:
        kinds = [self._kind_of(self._act(name)) for name in walk.trail]
        last = next((kind for kind in reversed(kinds) if kind in {"decided", "decision_revoked"}), None)
        return last == "decided"

    def _marks(self, mask: int) -> list[tuple[dict[str, Any], str]]:
        return [
            (self.history.events[name]["data"], MARKS[self.history.events[name]["kind"]])
            for name in self._in(mask, *MARKS)
        ]

    # -- the outcome -------------------------------------------------------------------------------------------

    def walk(self, mask: int) -> _Walk:
        """Where the counted events of this set leave the outcome, read in order."""
        mask &= self.counted
        if mask not in self._walks:
            walk = _Walk()
            for identifier in self.order:
                if mask & self.history.bit[identifier]:
                    walk = self._after(walk, identifier)
            self._walks[mask] = self._without_what_is_over(walk, mask)
        return self._walks[mask]

    def _without_what_is_over(self, walk: _Walk, mask: int) -> _Walk:
        """A request or suspension that was settled upon may have been ended meanwhile by somebody who did not know."""
        for ends, begun in ENDS_WHAT_WAS_SEEN.items():
            if walk.state == TRANSITIONS[begun].to_state:
                ending = self._in(mask, ends)
                if all(self._seen_by(ending, name) for name in self._in(mask, begun)):
                    return replace(walk, state=TRANSITIONS[ends].to_state or walk.state)
        return walk

    def _seen_by(self, those: Iterable[str], identifier: str) -> bool:
        return any(self.history.saw(one, identifier) for one in those)

    def _after(self, walk: _Walk, identifier: str) -> _Walk:
        kind = self.history.events[identifier]["kind"]
        row = TRANSITIONS.get(kind)
        settles = kind == "settled" and self._choices.get(identifier, ("", None))[0] == OUTCOME
        if row is None or (row.to_state is None and not settles):
            return walk
        unseen = tuple(side for side in walk.live if not self.history.saw(identifier, side))
        if not unseen:
            follows = not settles and not walk.sides and can_follow(kind, walk.state, self.terms)
            return self._followed(walk, identifier) if follows else self._held_by(identifier)
        # It was possible for all that its author knew: somebody else acted at the same time.
        if any(self._clash_outright(side, identifier) for side in unseen):
            return self._contested((*unseen, identifier))
        if walk.sides and len(unseen) < len(walk.sides):
            # It goes on from one side, and agrees with what it had not seen: the sides it had seen are no rivals now.
            return self._contested(unseen) if len(unseen) > 1 else self._held_by(unseen[0])
        if not settles and not walk.sides and can_follow(kind, walk.state, self.terms):
            return self._followed(walk, identifier)
        if kind in ENDS_WHAT_WAS_SEEN.values() and walk.state == row.to_state:
            return _Walk(walk.state, walk.trail, walk.sides, (*walk.open, identifier))
        return walk

    def _followed(self, walk: _Walk, identifier: str) -> _Walk:
        kind = self.history.events[identifier]["kind"]
        state = TRANSITIONS[kind].to_state or walk.state
        begun = ENDS_WHAT_WAS_SEEN.get(kind)
        if begun is not None:
            still = tuple(name for name in walk.open if not self.history.saw(identifier, name))
            return _Walk(walk.state if still else state, (*walk.trail, identifier), open=still)
        opened = (identifier,) if kind in ENDS_WHAT_WAS_SEEN.values() else ()
        return _Walk(state, (*walk.trail, identifier), open=opened)

    def _held_by(self, identifier: str) -> _Walk:
        """The outcome as the author of this act left it."""
        act = self._act(identifier)
        base = self.walk(self.history.before[act]).trail
        kind = self.history.events[act]["kind"]
        opened = (act,) if kind in ENDS_WHAT_WAS_SEEN.values() else ()
        return _Walk(TRANSITIONS[kind].to_state or UNRECEIVED, (*base, identifier), open=opened)

    def _contested(self, sides: tuple[str, ...]) -> _Walk:
        held = self._held_by(self._holder(sides))
        if len({canonical(self._said(side)) for side in sides}) == 1:
            return held
        return _Walk(held.state, held.trail, sides, held.open)

    def _act(self, identifier: str) -> str:
        """The act that holds if this one does: a settlement of the outcome stands for the side that it
        chose.
        """
        while self.history.events[identifier]["kind"] == "settled":
            identifier = self._choices[identifier][1]
        return identifier

    def _kind_of(self, identifier: str) -> str:
        return str(self.history.events[identifier]["kind"])

    def _outcome(self, identifier: str) -> str:
        """The act whose outcome this one stands for: closing and filing put in none of their own."""
        while self._kind_of(identifier) in FINISHES:
            base = self.walk(self.history.before[identifier]).trail
            if not base:
                break  # what it closes is not here yet
            identifier = base[-1]
        return identifier

    def _rule(self, sides: Iterable[str]) -> str:
        return rule_of([self._kind_of(self._outcome(side)) for side in sides], self.terms)

    def _clash_outright(self, one: str, other: str) -> bool:
        """Whether these two, neither of which knew the other, cannot both hold."""
        one, other = self._outcome(one), self._outcome(other)
        if one == other or self._rule((one, other)) == BOTH or self._said(one) == self._said(other):
            return False
        decided, delivered = sorted((one, other), key=self._kind_of)
        if (self._kind_of(decided), self._kind_of(delivered)) != ("decided", "delivered"):
            return True
        # Two decisions that agree are one, also when one of them has been delivered.
        base = [name for name in self.walk(self.history.before[delivered]).trail if self._kind_of(name) == "decided"]
        return not base or self._said(base[-1]) != self._said(decided)

    def _holder(self, sides: tuple[str, ...]) -> str:
        by_order = min(sides, key=self.order.index)
        if self._rule(sides) == EARLIER:
            return by_order
        return min(sides, key=lambda side: (self._precedence(side), self.order.index(side)))

    def _precedence(self, identifier: str) -> int:
        kind = self._kind_of(self._outcome(identifier))
        return PRECEDENCE.index(kind) if kind in PRECEDENCE else len(PRECEDENCE)

    def _said(self, identifier: str) -> list[Any]:
        """What an act says about the outcome: acts that say the same are no clash."""
        act = self.history.events[self._act(self._outcome(identifier))]
        data = act["data"]
        match act["kind"]:
            case "decided":
                return ["decided", data["outcome"], data.get("reason", "") if data["outcome"] == "refused" else ""]
            case "delivered":
                return ["delivered", data["to"]["name"]]
            case kind:
                return [kind]

    # -- the fields --------------------------------------------------------------------------------------------

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
            settled = [write for write in sides if self._kind_of(write.event) == "settled"]
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

    def _is_handler(self, write: _Write) -> bool:
        """Whether it was entered, after acceptance, by who decides the item (承办窗口)."""
        before = self.history.before[write.event]
        if self.terms is None or self.walk(before).state in {UNRECEIVED, *UNACCEPTED_STATES}:
            return False
        actor = self._actor(self.history.events[write.event])
        return actor is not None and decides(actor, self.place(before), self.terms)

    # -- the whole ---------------------------------------------------------------------------------------------

    def points(self, mask: int) -> list[Point]:
        """The contested points that the counted events of this set leave open."""
        found = []
        walk = self.walk(mask)
        if walk.sides:
            found.append(
                Point(
                    id=point_id(walk.sides),
                    topic=OUTCOME,
                    title="结果有两个说法",
                    holds=walk.trail[-1],
                    rule=RULES[self._rule(walk.sides)],
                    sides=[self._side(side, self._value(side)) for side in walk.sides],
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
        own = self.history.events[identifier]["data"]
        of = self.history.events[self._act(self._outcome(identifier))]["data"] if own.get("reason") is None else own
        return Side(
            **self._act_of(identifier), kind=self._kind_of(identifier), value=value, reason=of.get("reason") or None
        )

    def case(self) -> Case:
        """The case as all of its counted events leave it."""
        case = empty_case(self.number)
        for identifier in self.order:
            kind = KINDS.get(self._kind_of(identifier))
            if kind is not None and self.counted & self.history.bit[identifier]:
                at = from_milliseconds(self.times[identifier])
                kind.apply(case, self.history.events[identifier], at)
        if self.terms is not None:
            case["fields"] = self.fields(self.counted)[0]
        self._tell_place(case)
        self._tell_ends(case)
        self._tell_outcome(case)
        standing = self.standing(self.counted)
        marks = [(data["step"], self._mark(name)) for name, data in self._named(*MARKS)]
        case["steps"] = tell_steps(case, self._flow, standing.steps, marks, self.calendar)
        tell_deadlines(case, self._flow, self.calendar)
        case["contested"] = self.points(self.counted)
        case["settled"] = [
            self._settlement(identifier)
            for identifier in self.order
            if identifier in self._choices and self.counted & self.history.bit[identifier]
        ]
        case["quarantined"] = self._quarantined()
        case["heads"] = self.history.heads
        case["order"] = [identifier for identifier in self.order if identifier not in self.aside]
        return case

    def _named(self, *kinds: str) -> list[tuple[str, dict[str, Any]]]:
        """The counted events of these kinds, with their data, in order."""
        return [(name, self.history.events[name]["data"]) for name in self._in(self.counted, *kinds)]

    def _mark(self, identifier: str) -> StepMark:
        event = self.history.events[identifier]
        data = event["data"]
        return StepMark(
            **self._act_of(identifier),
            mark=MARKS[event["kind"]],
            result=data.get("result"),
            text=data.get("text") or data.get("reason"),
        )

    def _settlement(self, identifier: str) -> Settlement:
        data = self.history.events[identifier]["data"]
        topic, value = self._choices[identifier]
        return Settlement(
            **self._act_of(identifier),
            point=data["point"],
            sides=self._settled_sides[identifier],
            topic=topic,
            value=value,
            reason=data["reason"],
        )

    def _quarantined(self) -> list[Quarantined]:
        repairs = {
            self.history.events[name]["data"].get("repairs"): name
            for name in reversed(self.order)
            if self.counted & self.history.bit[name]
        }
        return [
            Quarantined(id=identifier, code=entry["code"], reason=entry["reason"], repaired=repairs.get(identifier))
            for identifier, entry in sorted(self.aside.items())
        ]

    def _tell_place(self, case: Case) -> None:
        place = self.place(self.counted)
        case["handler"], case["department"] = place.handler, place.department
        case["parts"] = [
            *(Part(kind="station", value=code) for code in sorted(place.stations)),
            *(Part(kind="department", value=name) for name in sorted(place.departments)),
        ]

    def _tell_ends(self, case: Case) -> None:
        """Requests and suspensions end with the first act that had seen them and ends such."""
        for name, _data in self._named(*ENDS_WHAT_WAS_SEEN):
            act = self._act_of(name)
            if self._kind_of(name) == "corrected":
                for correction in case["corrections"]:
                    if correction["answered"] is None and self.history.saw(name, correction["event"]):
                        correction["answered"] = act
            else:
                for suspension in case["suspensions"]:
                    if suspension["resumed"] is None and self.history.saw(name, suspension["event"]):
                        suspension["resumed"] = act

    def _tell_outcome(self, case: Case) -> None:
        walk = self.walk(self.counted)
        case["state"] = walk.state
        for identifier in walk.trail:
            act = self._act(identifier)
            data = self.history.events[act]["data"]
            match self._kind_of(act):
                case "decided":
                    case["decision"] = self._decision(act)
                case "decision_revoked":
                    if case["decision"] is not None:
                        case["decision"]["revoked"] = self._ended(act)
                case "withdrawn":
                    case["withdrawal"] = Withdrawal(**self._act_of(act), reason=data["reason"])
                    case["ended"] = self._ended(act)
                case "not_accepted" | "returned" | "voided":
                    case["ended"] = self._ended(act)
                case "delivered":
                    case["delivery"] = Delivery(
                        **self._act_of(act), to=data["to"], proof=data["proof"], papers=list(data.get("papers", []))
                    )
                case "filed":
                    case["filing"] = Filing(**self._act_of(act), volume=data["volume"], retention=data["retention"])

    def _ended(self, identifier: str) -> Ended:
        event = self.history.events[identifier]
        data = event["data"]
        return Ended(
            **self._act_of(identifier),
            kind=event["kind"],
            reason=data["reason"],
            basis=data.get("basis"),
            instead=data.get("instead"),
        )

    def _decision(self, identifier: str) -> Decision:
        data = self.history.events[identifier]["data"]
        decision = Decision(
            **self._act_of(identifier),
            outcome=data["outcome"],
            reason=data.get("reason", ""),
            basis=data.get("basis"),
            conditions=data.get("conditions"),
            certificate=data.get("certificate"),
            corrections=[],
            revoked=None,
        )
        for name, words in self._named("decision_corrected"):
            if self.history.saw(name, identifier):
                decision["corrections"].append(
                    DecisionCorrection(
                        **self._act_of(name),
                        said=words["said"],
                        reason=words.get("reason"),
                        conditions=words.get("conditions"),
                        certificate=words.get("certificate"),
                    )
                )
                decision["reason"] = words.get("reason", decision["reason"])
                decision["conditions"] = words.get("conditions", decision["conditions"])
                decision["certificate"] = words.get("certificate", decision["certificate"])
        return decision
