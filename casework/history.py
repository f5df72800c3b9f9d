"""The history of a case as a graph: which event had seen which, and the one order in which all are read."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from casework.canonical import Document
from casework.documents.receipt import copies
from casework.times import milliseconds, parse_rfc3339


@dataclass(frozen=True)
class History:
    """Events of one case, copies that differ only in `sig` counted once.

    `events` by id; `before` gives for each id the set of all that it had seen, transitively, as far as it is
    here, in a bit mask by `bit`; `incomplete` are those that had seen something that is not here; `heads`
    those that none of the others had seen.
    """

    events: Mapping[str, Document]
    bit: Mapping[str, int]
    before: Mapping[str, int]
    incomplete: frozenset[str]
    heads: list[str]
    _parents: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, documents: Iterable[Document], checked: Set[str]) -> History:
        """Reads well-formed events, each id once. Only copies whose ids are in `checked` stand for one another: a
        forged one must not take the true one's place."""
        here = {document["_id"]: document for document in documents}
        # The least id of the copies stands for all: whichever of them arrived, the case reads the same.
        stands_for = {identifier: identifier for identifier in here}
        twins = copies(document for identifier, document in here.items() if identifier in checked)
        stands_for.update({identifier: min(alike) for identifier, alike in twins.items()})
        events = {identifier: here[identifier] for identifier in sorted(set(stands_for.values()))}
        parents = {
            identifier: frozenset(stands_for[seen] for seen in event["seen"] if seen in stands_for) - {identifier}
            for identifier, event in events.items()
        }
        torn = {
            identifier for identifier, event in events.items() if any(seen not in stands_for for seen in event["seen"])
        }
        bit = {identifier: 1 << position for position, identifier in enumerate(events)}
        before: dict[str, int] = {}
        incomplete: set[str] = set()
        for identifier in _parents_first(parents):
            mask = 0
            for parent in parents[identifier]:
                mask |= bit[parent] | before.get(parent, 0)
            before[identifier] = mask
            if identifier in torn or not incomplete.isdisjoint(parents[identifier]):
                incomplete.add(identifier)
        seen_by_others = frozenset().union(*parents.values())
        heads = [identifier for identifier in events if identifier not in seen_by_others]
        return cls(events, bit, before, frozenset(incomplete), heads, parents)

    def saw(self, one: str, other: str) -> bool:
        """Whether `one` was written knowing `other`."""
        return bool(self.before[one] & self.bit[other])

    def concurrent(self, one: str, other: str) -> bool:
        """Whether neither had seen the other."""
        return one != other and not self.saw(one, other) and not self.saw(other, one)

    def order(self, time_ms: Mapping[str, int]) -> list[str]:
        """Every id once: after all that it had seen, and among those that are ready the least (time, id)
        next.
        """
        waiting = {identifier: len(parents) for identifier, parents in self._parents.items()}
        children: dict[str, list[str]] = {}
        for identifier, parents in self._parents.items():
            for parent in parents:
                children.setdefault(parent, []).append(identifier)
        ready = [(time_ms[identifier], identifier) for identifier, count in waiting.items() if count == 0]
        heapq.heapify(ready)
        order: list[str] = []
        while ready:
            _, identifier = heapq.heappop(ready)
            order.append(identifier)
            for child in children.get(identifier, ()):
                waiting[child] -= 1
                if waiting[child] == 0:
                    heapq.heappush(ready, (time_ms[child], child))
        return order

    def corrected_times(self, corrections: Iterable[Document]) -> dict[str, int]:
        """Milliseconds since 1970 for each event: its own clock, unless a `clock_corrected` event names it.

        A correction need not have seen what it names: the hash in the id proves that it came later. Of
        several, those that another one had seen give way; then the latest by its own clock counts.
        """
        naming: dict[str, list[Document]] = {}
        for correction in corrections:
            for named in correction["data"]["events"]:
                naming.setdefault(named, []).append(correction)
        times = {}
        for identifier, event in self.events.items():
            offset = event["clock"]["offset"]
            rivals = naming.get(identifier)
            if rivals:
                last = [one for one in rivals if not any(self.saw(other["_id"], one["_id"]) for other in rivals)]
                offset = max(last, key=lambda one: (own_time(one), one["_id"]))["data"]["offset"]
            times[identifier] = _clock(event, offset)
        return times


def own_time(event: Document) -> int:
    """The event's own clock with the offset it was written with, in milliseconds since 1970."""
    return _clock(event, event["clock"]["offset"])


def _clock(event: Document, offset_ms: int) -> int:
    return milliseconds(parse_rfc3339(event["clock"]["raw"])) + offset_ms


def _parents_first(parents: Mapping[str, frozenset[str]]) -> list[str]:
    done: dict[str, None] = {}
    for start in parents:
        path = [start]
        while path:
            here = path[-1]
            below = [parent for parent in parents[here] if parent not in done and parent not in path]
            if below:
                path.append(min(below))
            else:
                done[here] = None
                path.pop()
    return list(done)
