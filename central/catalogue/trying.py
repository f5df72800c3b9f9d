"""The county's try-it box: what a question finds in this release or the next, by the code that stations run."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

from central.catalogue.drafts import DRAFTING
from central.catalogue.publishing import coming_items, published_items, published_words
from central.catalogue.words import next_words
from provisioning.county import County
from sync.sqlite import sqlite3
from web.guides.index import LAYOUT, Explanation, GuideIndex, write_index


@dataclass(frozen=True, slots=True)
class Tried:
    """What the stations will answer: every step, and the answers' names beside them (the places are gone)."""

    explanation: Explanation
    names: list[str]
    codes: list[str]


@dataclass(frozen=True, slots=True)
class _Kept:
    """An index in memory, and what it was made of."""

    made_of: Hashable
    database: sqlite3.Connection
    index: GuideIndex
    items: list[tuple[str, str]]


_trying = threading.Lock()
_kept: Final[dict[bool, _Kept]] = {}


def try_words(county: County, question: str, *, with_drafts: bool = True, limit: int = 10) -> Tried:
    """What a question finds, by the same code as at a station: with drafts as the next release would answer it, without
    as the newest one does, with the dictionaries that it carries.

    Both indexes are kept in memory until something changes. Safe to use from many threads.
    """
    with _trying:
        kept = _index(county, with_drafts)
        explained = kept.index.explain(kept.database, question, limit=limit)
    answers = [kept.items[found.item] for found in explained.found]
    return Tried(explained, [name for _, name in answers], [code for code, _ in answers])


def _index(county: County, with_drafts: bool) -> _Kept:
    stores = (county.catalogue, county.databases.open(DRAFTING)) if with_drafts else (county.catalogue,)
    # By the folder too: what was drawn from one seed bears the same names in two places.
    made_of = (county.folder.path, *((store.uuid, store.update_seq) for store in stores))
    if with_drafts not in _kept or _kept[with_drafts].made_of != made_of:
        items = coming_items(county) if with_drafts else published_items(county)
        database = sqlite3.connect(":memory:", check_same_thread=False)
        database.executescript(LAYOUT)
        write_index(database, items, next_words(county, items) if with_drafts else published_words(county))
        if with_drafts in _kept:
            _kept[with_drafts].database.close()
        names = [(item["code"], item["name"]) for item in items]
        _kept[with_drafts] = _Kept(made_of, database, GuideIndex(database), names)
    return _kept[with_drafts]
