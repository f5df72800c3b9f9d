"""The search index over the guides: what people say, cut into characters, and the items that it points to."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from sqlite3 import Connection

LONGEST_QUERY: Final = 120
"""Characters of a query that are looked at; a pasted page is not a question."""

# Weight of a field's phrases, and how much a phrase's own length counts against it: a name asked for in full
# is worth more than one half asked for, while a long condition may be about more than the question.
FIELDS: Final[dict[str, tuple[float, float]]] = {
    "name": (1.0, 0.30),
    "also_called": (1.0, 0.40),
    "conditions": (0.50, 0.04),
    "faq": (0.45, 0.06),
    "materials": (0.35, 0.10),
    "categories": (0.30, 0.10),
    "department": (0.30, 0.10),
}
_FIELD_NAMES: Final = tuple(FIELDS)
_OWN_WORDS: Final = ("name", "also_called")

_SINGLE, _PAIR, _GAP = 0.30, 1.0, 0.45
_UNANSWERED = 0.40  # what a part of the question that a phrase does not have counts against it
_ITEM_SHARE = 0.45  # of the score: how much of the question the whole item covers, besides its best phrase
_EXACT, _CONTAINED, _BEGINS = 0.60, 0.30, 0.12
_TOO_COMMON = 0.25  # a single character in more of the items than this says nothing
_FLOOR_OF_BEST, _FLOOR = 0.30, 0.10

# Filler, ways to say one thing, characters written for one another, traditional characters: data of the
# language, not of the program.
_WORDS: Final[dict[str, Any]] = json.loads(Path(__file__).with_name("guide_words.json").read_text(encoding="utf-8"))

# Somebody's death, said gently; only after the word for the person, since milk powder can be gone too.
_GONE = re.compile(r"(老人|老伴|爸|妈|爷爷?|奶奶?|公公|婆婆|家人|亲人|父母)(?:没了|走了|不在了|老了|过了)")
_OR_NOT = re.compile(r"([\u4e00-\u9fff])[不没]\1")
_NOT_A_WORD = re.compile(r"[^\w]+|_+")


def _alternatives(words: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(word) for word in sorted(set(words), key=lambda word: (-len(word), word))))


# Each group counts as its first.
_SAME_AS: Final[dict[str, str]] = {said: group[0] for group in _WORDS["same"] for said in group}
_CONFUSED_WITH: Final = str.maketrans({other: group[0] for group in _WORDS["confused"] for other in group[1:]})
_TRADITIONAL: Final = str.maketrans(*_WORDS["traditional"])
_SAME_WORDS: Final = _alternatives(_SAME_AS)
_FILLER_WORDS: Final = _alternatives(said.translate(_CONFUSED_WITH) for said in _WORDS["filler"])


def simplified(text: str) -> str:
    """NFKC, lower case, common traditional characters simplified, punctuation and blanks gone."""
    return _NOT_A_WORD.sub("", unicodedata.normalize("NFKC", text).casefold().translate(_TRADITIONAL))


def gist(text: str) -> str:
    """What is left of a question or a phrase when filler is out and each way of saying it is the same."""
    plain = simplified(text[:LONGEST_QUERY]).translate(_CONFUSED_WITH)
    said = _GONE.sub(r"\1去世", plain)
    said = _SAME_WORDS.sub(lambda found: _SAME_AS[found[0]], said)
    bare = _OR_NOT.sub(r"\1", _FILLER_WORDS.sub("", said))
    return bare or said or plain


def grams(text: str) -> dict[str, float]:
    """Characters, pairs of neighbours, and of neighbours but one (`采_证` outlives a wrong letter)."""
    found = set(text)
    found.update(first + second for first, second in pairwise(text))
    found.update(f"{first}_{third}" for first, third in zip(text, text[2:], strict=False))
    return {gram: _weight(gram) for gram in found}


def _weight(gram: str) -> float:
    return (_SINGLE, _PAIR, _GAP)[len(gram) - 1]


@dataclass(frozen=True)
class Found:
    """One item that answers: its place in the index, and the phrase that spoke for it most."""

    item: int
    score: float
    field: str
    text: str


def phrases_of(item: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Everything about an item that somebody may ask with, as (field, text)."""
    yield "name", item["name"]
    # What stands in brackets belongs to the name and is rarely said.
    short = re.sub(r"[((][^))]*[))]", "", item["name"])
    if short != item["name"]:
        yield "name", short
    for said in item.get("also_called", ()):
        yield "also_called", said
    for condition in item.get("conditions", ()):
        yield "conditions", condition
    for asked in item.get("faq", ()):
        yield "faq", asked["question"]
    for material in item.get("materials", ()):
        yield "materials", material["name"]
    for category in item.get("categories", [item["category"]]):
        yield "categories", category
    yield "department", item["department"]


LAYOUT: Final = """
CREATE TABLE IF NOT EXISTS guide_phrases (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS guide_gists (
  gist TEXT NOT NULL, phrase INTEGER NOT NULL, PRIMARY KEY (gist, phrase)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS guide_grams (gram TEXT PRIMARY KEY, idf REAL NOT NULL, phrases BLOB NOT NULL)
  STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS guide_index (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
"""
TABLES: Final = ("guide_phrases", "guide_gists", "guide_grams", "guide_index")


def write_index(database: Connection, items: Iterable[Mapping[str, Any]]) -> int:
    """Replace the index by one over these items, within the caller's transaction; how many items there were.

    Items are known by their place in the order given. They are taken one by one: a large catalogue needs no
    more memory than its index.
    """
    for table in TABLES:
        database.execute(f"DELETE FROM {table}")  # noqa: S608 - our own table names
    postings: dict[str, array[int]] = {}
    items_with: dict[str, int] = {}
    owner, field_of = array("I"), bytearray()
    count = 0
    for place, item in enumerate(items):
        count += 1
        here: set[str] = set()
        seen: set[tuple[str, str]] = set()
        for field, text in phrases_of(item):
            meant = gist(text)
            if not meant or (field, meant) in seen:
                continue
            seen.add((field, meant))
            phrase = len(owner)
            owner.append(place)
            field_of.append(_FIELD_NAMES.index(field))
            database.execute("INSERT INTO guide_phrases VALUES (?, ?)", (phrase, text))
            if field in _OWN_WORDS:
                database.execute("INSERT INTO guide_gists VALUES (?, ?)", (meant, phrase))
            for gram in grams(meant):
                postings.setdefault(gram, array("I")).append(phrase)
                here.add(gram)
        for gram in here:
            items_with[gram] = items_with.get(gram, 0) + 1
    idf = {gram: math.log(1 + (count + 0.5) / (having + 0.5)) for gram, having in items_with.items()}
    sizes = array("f", bytes(4 * len(owner)))
    for gram, phrases in postings.items():
        value = _weight(gram) * idf[gram]
        for phrase in phrases:
            sizes[phrase] += value
    database.executemany(
        "INSERT INTO guide_grams VALUES (?, ?, ?)",
        ((gram, idf[gram], phrases.tobytes()) for gram, phrases in sorted(postings.items())),
    )
    database.executemany(
        "INSERT INTO guide_index VALUES (?, ?)",
        [
            ("owner", owner.tobytes()),
            ("field", bytes(field_of)),
            ("size", sizes.tobytes()),
            ("items", json.dumps(count).encode()),
        ],
    )
    return count


class GuideIndex:
    """The index of one release, opened for looking up: small arrays in memory, the rest stays in tables."""

    def __init__(self, database: Connection) -> None:
        rows: dict[str, bytes] = dict(database.execute("SELECT name, value FROM guide_index"))
        self._owner, self._size = array("I"), array("f")
        self._owner.frombytes(rows.get("owner", b""))
        self._size.frombytes(rows.get("size", b""))
        self._field = rows.get("field", b"")
        self._items = int(json.loads(rows.get("items", b"0")))

    def search(
        self, database: Connection, question: str, *, among: frozenset[int] | None = None, limit: int = 20
    ) -> list[Found]:
        """The items that answer best, best first; `among` are the places of the items that may answer."""
        meant = gist(question)
        if not meant or not self._items:
            return []
        overlap, covered, asked = self._overlaps(database, grams(meant))
        # A contained or exact word says more than its characters do.
        bonus = self._bonuses(database, meant)
        best: dict[int, tuple[float, int]] = {}
        for phrase, common in overlap.items():
            item = self._owner[phrase]
            if among is not None and item not in among:
                continue
            weight, own_length = FIELDS[_FIELD_NAMES[self._field[phrase]]]
            beyond = self._size[phrase] - common
            score = weight * (
                common / (common + _UNANSWERED * (asked - common) + own_length * max(beyond, 0.0))
                + bonus.get(phrase, 0.0)
            )
            if item not in best or score > best[item][0]:
                best[item] = (score, phrase)
        scored = sorted(
            ((score + _ITEM_SHARE * covered[item] / asked, -item, phrase) for item, (score, phrase) in best.items()),
            reverse=True,
        )[:limit]
        floor = max(_FLOOR, _FLOOR_OF_BEST * scored[0][0]) if scored else 0.0
        return [
            Found(-minus_item, round(score, 4), _FIELD_NAMES[self._field[phrase]], self._text(database, phrase))
            for score, minus_item, phrase in scored
            if score >= floor
        ]

    def _overlaps(
        self, database: Connection, wanted: Mapping[str, float]
    ) -> tuple[dict[int, float], dict[int, float], float]:
        """What each phrase and each item has in common with the question, and how much it asks in all."""
        marks = ", ".join("?" * len(wanted))
        rows = database.execute(
            f"SELECT gram, idf, phrases FROM guide_grams WHERE gram IN ({marks})",  # noqa: S608 - question marks
            list(wanted),
        ).fetchall()
        rarest = math.log(1 + self._items + 0.5)
        known = {gram for gram, _, _ in rows}
        # A gram that no item has tells nothing between items; it only says that the answer is less sure.
        asked = sum(0.25 * rarest * weight for gram, weight in wanted.items() if gram not in known)
        overlap: dict[int, float] = {}
        covered: dict[int, float] = {}
        owner, fields = self._owner, self._field
        shares = [FIELDS[name][0] for name in _FIELD_NAMES]
        for gram, idf, packed in rows:
            value = wanted[gram] * idf
            asked += value
            if len(gram) == 1 and len(wanted) > 3 and idf < math.log(1 + 1 / _TOO_COMMON):
                continue
            phrases = array("I")
            phrases.frombytes(packed)
            last, share = -1, 0.0
            for phrase in phrases:
                overlap[phrase] = overlap.get(phrase, 0.0) + value
                item = owner[phrase]
                if item != last:
                    # Phrases lie item by item: the best field for this gram is known when the next begins.
                    if last >= 0:
                        covered[last] = covered.get(last, 0.0) + value * share
                    last, share = item, 0.0
                share = max(share, shares[fields[phrase]])
            if last >= 0:
                covered[last] = covered.get(last, 0.0) + value * share
        for phrase in overlap:
            covered.setdefault(owner[phrase], 0.0)
        return overlap, covered, asked or 1.0

    def _bonuses(self, database: Connection, meant: str) -> dict[int, float]:
        """Names and ways of saying that are the question, stand in it whole, or begin with it."""
        parts = {
            meant[start:end] for start in range(len(meant)) for end in range(start + 2, min(len(meant), start + 12) + 1)
        }
        found: dict[int, float] = {}
        marks = ", ".join("?" * len(parts))
        for said, phrase in database.execute(
            f"SELECT gist, phrase FROM guide_gists WHERE gist IN ({marks})",  # noqa: S608 - question marks
            list(parts),
        ):
            found[phrase] = _EXACT if said == meant else _CONTAINED * min(1.0, 0.3 + len(said) / len(meant))
        for phrase, said in database.execute(
            "SELECT phrase, gist FROM guide_gists WHERE gist > ? AND gist < ?", (meant, meant + "\U0010ffff")
        ):
            if len(said) > len(meant):
                found[phrase] = _BEGINS
        return found

    def _text(self, database: Connection, phrase: int) -> str:
        row = database.execute("SELECT text FROM guide_phrases WHERE id = ?", (phrase,)).fetchone()
        return str(row[0])
