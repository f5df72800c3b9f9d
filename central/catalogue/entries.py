"""The dictionaries as the county's page shows them: whose each entry is, what waits, what is offered.

An offer is what villagers asked and did not find (`central.misses`). It goes when the newest release has what was made
of it; left out, it comes back when it was asked as often again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from casework.canonical import Document
from casework.guide.words import Words, expanded
from casework.times import rfc3339
from central.catalogue.drafts import DRAFTING, actor_of, following, logged
from central.catalogue.publishing import published_items, published_words
from central.catalogue.words import EDITABLE, defaults, edits, next_words
from central.misses import Offer
from provisioning.county import County

OURS, ADDED, TAKEN_OUT = "ours", "added", "taken_out"

ANSWERS: Final = ("said", "same", "filler", "blocked")
"""The dictionaries that a text can be taken up in."""


@dataclass(frozen=True, slots=True)
class Way:
    """A way of saying something: `whose` is `ours`, `added` or `taken_out`; `waits` for the next release."""

    text: str
    whose: str
    waits: bool


@dataclass(frozen=True, slots=True)
class Group:
    """What stands under one key."""

    key: str
    ways: list[Way]


def groups(county: County, name: str) -> list[Group]:
    """A dictionary whole, with what the county took out of it; the keys as they come, ours first."""
    changes = edits(county).get(name, {})
    add, remove = changes.get("add", {}), changes.get("remove", {})
    ours, published = defaults().get(name, {}), published_words(county).get(name, {})
    return [
        Group(key, list(_ways(ours.get(key, ()), add.get(key, ()), remove.get(key, ()), published.get(key, ()))))
        for key in dict.fromkeys((*ours, *add))
    ]


def _ways(ours: Sequence[str], add: Iterable[str], remove: Sequence[str], published: Sequence[str]) -> Iterator[Way]:
    for text in ours:
        whose = TAKEN_OUT if text in remove else OURS
        yield Way(text, whose, (text in published) is (whose == TAKEN_OUT))
    for text in add:
        yield Way(text, ADDED, text not in published)


def matching(found: Iterable[Group], text: str, *, changed_only: bool = False) -> list[Group]:
    """The groups whose key has this text in it, whole, and of the others the ways that have it."""
    words = Words.compiled({})
    wanted = words.plain(text)
    kept = []
    for group in found:
        ways = [way for way in group.ways if way.whose != OURS] if changed_only else group.ways
        if wanted and wanted not in words.plain(group.key):
            ways = [way for way in ways if any(wanted in words.plain(one) for one in expanded(way.text))]
        if ways:
            kept.append(Group(group.key, ways))
    return kept


def item_names(county: County) -> dict[str, str]:
    """What items are called, by their code: of the newest release and of every draft."""
    drafts = county.databases.open(DRAFTING).range("draft:", "draft:\uffff")
    every = (*published_items(county), *(draft["item"] for draft in drafts))
    return {item["code"]: item["name"] for item in every}


# -- what was not found ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """An offer, and what the county made of it: `taken_up` is (dictionary, key) while that waits for the release."""

    offer: Offer
    taken_up: tuple[str, str] | None


def open_offers(county: County, offers: Iterable[Offer]) -> list[Asked]:
    """Without what was left out, and without what the newest release knows because the county took it up."""
    words = Words.compiled({"simplified": next_words(county, sounds=False)["simplified"]})
    added = _added(words, {name: changes["add"] for name, changes in edits(county).items()})
    known = _added(words, published_words(county))
    left = {text: document["times"] for text, document in left_out(county).items()}
    found = []
    for offer in offers:
        plain = words.plain(offer.text)
        taken_up = added.get(plain)
        if taken_up is None and offer.times < 2 * left.get(offer.text, 0):
            continue
        if taken_up is not None and known.get(plain) == taken_up:
            continue
        found.append(Asked(offer, taken_up))
    return found


def _added(words: Words, entries: Mapping[str, Mapping[str, Sequence[str]]]) -> dict[str, tuple[str, str]]:
    """Plain text → (dictionary, key)."""
    return {
        words.plain(one): (name, key)
        for name in ANSWERS
        for key, ways in entries.get(name, {}).items()
        for way in ways
        for one in expanded(way)
    }


def left_out(county: County) -> dict[str, Document]:
    """What the county does not want to take up: `{text: {times, by, at}}`, `times` when that was said."""
    found = county.databases.open(DRAFTING).range("left-out:", "left-out:\uffff")
    return {document["text"]: document for document in found if document["times"]}


def leave_out(county: County, text: str, times: int, *, by: str) -> None:
    """Do not offer this text again until it was asked as often again; with no times it is offered at once."""
    drafting = county.databases.open(DRAFTING)
    body: Document = {
        "_id": f"left-out:{text}",
        "text": text,
        "times": times,
        "by": by,
        "at": rfc3339(county.now()),
    }
    what = f"“{text}”{'不采纳' if times else '放回来'}"
    with logged(county, actor_of(county, by), "catalogue_words", what):
        drafting.save([following(drafting.get(body["_id"]), body)])


def title(name: str) -> str:
    """What a dictionary is called."""
    return EDITABLE[name]
