"""The county's try-it box: what a question finds in the next release, by the code that stations run."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Final

from casework.canonical import Document, content_hash
from central.catalogue.drafts import DRAFTING
from central.catalogue.publishing import published_items
from central.catalogue.words import edits, next_words
from provisioning.county import County
from sync.sqlite import sqlite3
from web.guides.index import LAYOUT, Explanation, GuideIndex, write_index

_trying = threading.Lock()
_tried_out: Final[dict[str, Any]] = {}


def next_items(county: County, *, with_drafts: bool = True) -> list[Document]:
    """The items that the try-it box looks in: the newest release's, with every draft in its place if so wished."""
    found = {item["code"]: item for item in published_items(county)}
    if with_drafts:
        for draft in county.databases.open(DRAFTING).range("draft:", "draft:\uffff"):
            found[draft["item"]["code"]] = draft["item"]
    return list(found.values())


@dataclass(frozen=True, slots=True)
class Tried:
    """What the stations will answer: every step, and the answers' names beside them (the places are gone)."""

    explanation: Explanation
    names: list[str]
    codes: list[str]


def try_words(county: County, question: str, *, with_drafts: bool = True, limit: int = 10) -> Tried:
    """What a question finds, by the same code as at a station, in what the next release would hold.

    With drafts: the county's edits of the dictionaries and every draft of an item; without, the newest release as it
    is, with the dictionaries that come with the program. The index is kept in memory until something of it changes.
    Safe to use from many threads.
    """
    with _trying:
        items = next_items(county, with_drafts=with_drafts)
        state = content_hash(
            {
                "items": [[item["code"], content_hash(item)] for item in items],
                "edits": edits(county) if with_drafts else {},
            }
        )
        if _tried_out.get("state") != state:
            database = sqlite3.connect(":memory:", check_same_thread=False)
            database.executescript(LAYOUT)
            write_index(database, items, next_words(county, items, with_drafts=with_drafts))
            _tried_out.update(state=state, database=database, index=GuideIndex(database))
        explained = _tried_out["index"].explain(_tried_out["database"], question, limit=limit)
        places = [found.item for found in explained.found]
        return Tried(explained, [items[place]["name"] for place in places], [items[place]["code"] for place in places])
