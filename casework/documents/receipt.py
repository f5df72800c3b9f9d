"""A receipt (县中心收讫回执): the county's signed word that it holds a case, files too."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cached_property

from casework.canonical import Document, address, canonical, is_addressed, without
from casework.documents.document_type import HASH32, HLC, NUMBER, SIGNED, DocumentType, shape, text
from casework.documents.event import EVENT_ID, is_event_shaped
from casework.documents.register import COUNTY, Key, Register
from casework.signing import UNSIGNED, Sign, document_holds, sign_document
from casework.times import Hlc

TYPE = DocumentType(
    name="receipt",
    title="县中心收讫回执",
    id_pattern=f"receipt:{NUMBER}:{HLC}:{HASH32}",
    immutable=True,
    schema=shape(
        {
            "case": text(NUMBER),
            "heads": {"type": "array", "items": text(EVENT_ID), "minItems": 1, "uniqueItems": True},
            "at": text(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"),
            **SIGNED,
        }
    ),
)


def compose(*, case: str, heads: Iterable[str], at: str, hlc: Hlc | str, key: str, sign: Sign) -> Document:
    """A complete receipt with `_id` and `_rev`, signed by the county: at `at` (RFC 3339) it held all up to
    `heads`.

    `hlc` is the county's stamp, by which receipts sort.
    """
    stamp = hlc.text() if isinstance(hlc, Hlc) else hlc
    body: Document = {"case": case, "heads": sorted(set(heads)), "at": at}
    return address(f"receipt:{case}:{stamp}", sign_document(body, key, sign))


def receipt_holds(receipt: Document, key: Key) -> bool:
    """Whether a receipt is unaltered and signed by `key`, a key of the county. Pure arithmetic, as
    `event_holds`.
    """
    return (
        key.kind == COUNTY
        and not TYPE.problems(receipt)
        and is_addressed(receipt)
        and document_holds(receipt, key.public_key)
    )


def chunks_of(event: Document) -> list[str]:
    """The hashes (32 hex) of the chunks that an event lists; none for an event that adds no file."""
    data = event.get("data")
    file = data.get("file") if isinstance(data, dict) else None
    chunks = file.get("chunks") if isinstance(file, dict) else None
    return [chunk for chunk in chunks if isinstance(chunk, str)] if isinstance(chunks, list) else []


class Ancestry:
    """Who had seen whom among the events of a case, as receipts count it.

    A document that only bears an event's name has no shape to be read by, and counts for nothing.
    """

    def __init__(self, events: Iterable[Document]) -> None:
        self.events = {event["_id"]: event for event in events if is_event_shaped(event)}
        """The well-formed ones by id."""

    @cached_property
    def _alike(self) -> dict[str, frozenset[str]]:
        return copies(self.events.values())

    def covered(self, heads: Iterable[str]) -> set[str]:
        """The ids that `heads` cover: a head and all that it has seen, transitively, copies included."""
        found: set[str] = set()
        waiting = [head for head in heads if head in self.events]
        while waiting:
            identifier = waiting.pop()
            if identifier in found:
                continue
            found |= self._alike[identifier]
            waiting.extend(seen for seen in self.events[identifier]["seen"] if seen in self.events)
        return found

    def heads_held(self, chunks_present: Collection[str]) -> list[str]:
        """The heads up to which nothing is missing here: no event that they have seen, and no chunk that one lists.

        It is what the county may sign a receipt for. Sorted; empty when even the first event waits for something.
        """
        whole: dict[str, bool] = {}
        for start in self.events:
            # Depth first by hand: a long history must not meet Python's limit on recursion.
            path = [start]
            while path:
                identifier = path[-1]
                event = self.events.get(identifier)
                if event is None or any(chunk not in chunks_present for chunk in chunks_of(event)):
                    whole[identifier] = False
                    path.pop()
                    continue
                # Hashes make circles impossible; one in hand-made documents must still end.
                below = [seen for seen in event["seen"] if seen not in whole and seen not in path]
                if below:
                    path.append(below[0])
                    continue
                whole[identifier] = all(whole.get(seen, False) for seen in event["seen"])
                path.pop()
        held = {identifier for identifier in self.events if whole[identifier]}
        seen = {seen for identifier in held for seen in self.events[identifier]["seen"]}
        return sorted(held - seen)

    def held_at(self, receipts: Iterable[Document], register: Register) -> str | None:
        """When the county confirmed the whole case (RFC 3339), or None while something is unconfirmed.

        It is the `at` of the first receipt that covers every event not the county's own. `receipts` are the case's own,
        already checked (`receipt_holds`).
        """
        county = register.county_keys()
        owed = {identifier for identifier, event in self.events.items() if event["key"] not in county}
        for receipt in sorted(receipts, key=lambda receipt: (str(receipt["at"]), str(receipt["_id"]))):
            if owed <= self.covered(receipt["heads"]):
                return str(receipt["at"])
        return None


def copies(events: Iterable[Document]) -> dict[str, frozenset[str]]:
    """Event id → the ids of all its copies among `events`: documents that differ only in `sig`."""
    alike: dict[tuple[object, ...], list[Document]] = {}
    for event in {event["_id"]: event for event in events}.values():
        alike.setdefault(tuple(str(event.get(name)) for name in _TELLING), []).append(event)
    found: dict[str, frozenset[str]] = {}
    for group in alike.values():
        if len(group) == 1:
            found[group[0]["_id"]] = frozenset({group[0]["_id"]})
            continue
        same: dict[bytes, set[str]] = {}
        for event in group:
            same.setdefault(canonical(without(event, UNSIGNED)), set()).add(event["_id"])
        for identifiers in same.values():
            found.update({identifier: frozenset(identifiers) for identifier in identifiers})
    return found


# Cheap to compare: only events that agree in these are looked at whole.
_TELLING = ("case", "at", "incarnation", "home", "serial", "key")
