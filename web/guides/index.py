"""The tables of the guide search: written from items and dictionaries, looked up with small arrays in memory.

The station keeps them beside its release; the county's try-it box fills them in memory from its drafts. What a question
goes through is `casework.guide`; here is only where things are kept.
"""

from __future__ import annotations

import json
import math
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from casework.guide import ranking
from casework.guide.phrases import MOST_SHARED, OWN, groups_of, phrases_of, targets
from casework.guide.ranking import FIELD_NAMES, FIELDS, Parts
from casework.guide.sounds import folded, letter, ways_to_cut
from casework.guide.words import Entries, Reading, Words, latin_words

if TYPE_CHECKING:
    from sqlite3 import Connection

LAYOUT: Final = """
CREATE TABLE IF NOT EXISTS guide_phrases (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS guide_keys (
  key TEXT NOT NULL, phrase INTEGER NOT NULL, PRIMARY KEY (key, phrase)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS guide_initials (
  initials TEXT NOT NULL, heard TEXT NOT NULL, PRIMARY KEY (initials, heard)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS guide_grams (gram TEXT PRIMARY KEY, idf REAL NOT NULL, phrases BLOB NOT NULL)
  STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS guide_groups (
  meant TEXT PRIMARY KEY, field TEXT NOT NULL, text TEXT NOT NULL, items BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS guide_words (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS guide_index (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;
"""
TABLES: Final = (
    "guide_phrases",
    "guide_keys",
    "guide_initials",
    "guide_grams",
    "guide_groups",
    "guide_words",
    "guide_index",
)

_LONGEST_KEY: Final = 14
_SENTENCE: Final = 12
"""What is longer is no less about a phrase that stands in it."""
_LONGEST_INITIALS: Final = 10
_MOST_GRAMS: Final = 90
_MOST_BEGINNING: Final = 40
_MOST_INITIALS: Final = 600
_MOST_READINGS: Final = 4
_COMMON_POSTINGS: Final = 500
_LEAST_OF_BEST: Final = 0.2
_MOST_BARE: Final = 0.5
"""Of the pieces that letters are cut into, those that are no whole syllable; beyond, it is no pinyin."""
_AS_GOOD: Final = 0.8
"""What a syllable that only begins as it was typed is worth."""
_DISCOUNT: Final = (1.0, 0.94, 0.88, 0.82)


@dataclass(frozen=True, slots=True)
class Found:
    """One item that answers: its place in the index, and the phrase that spoke for it most."""

    item: int
    score: float
    field: str
    text: str
    how: str
    """`word`, `said` (another way of saying it), `sound` or `initials`."""
    parts: Parts


@dataclass(frozen=True, slots=True)
class Read:
    """One way in which the question was understood: its reading, and which letters stood for which words."""

    reading: Reading
    sounds: tuple[str, ...]
    initials: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """Each step from the question to the answer, for whoever keeps the dictionaries."""

    question: str
    read: list[Read]
    blocked: str | None
    found: list[Found] = field(default_factory=list)


# -- writing ---------------------------------------------------------------------------------------------------------


def write_index(
    database: Connection, items: Iterable[Mapping[str, Any]], entries: Mapping[str, Entries] | None = None
) -> int:
    """Replace the index by one over these items, within the caller's transaction; how many items there were.

    Items are known by their place in the order given. They are taken one by one: a large catalogue needs no
    more memory than its index. `entries` are the dictionaries, `{name: {key: [ways]}}`; none is possible.
    """
    entries = entries or {}
    for table in TABLES:
        database.execute(f"DELETE FROM {table}")  # noqa: S608 - our own table names
    writing = _Writing(database, Words.compiled(entries))
    for place, item in enumerate(items):
        writing.take(place, item)
    writing.take_sayings()
    writing.finish()
    database.executemany(
        "INSERT INTO guide_words VALUES (?, ?)",
        (
            (name, json.dumps(value, ensure_ascii=False, separators=(",", ":")))
            for name, value in sorted(entries.items())
            if name != "said"
        ),
    )
    return len(writing.names)


class _Writing:
    """An index that is being written: what is in memory until its end."""

    def __init__(self, database: Connection, words: Words) -> None:
        self._database = database
        self._words = words
        self.names: dict[int, str] = {}
        self._acts: dict[int, frozenset[str]] = {}
        self._postings: dict[str, array[int]] = {}
        self._owner, self._field = array("I"), bytearray()
        self._word_size, self._sound_size = array("f"), array("f")
        self._shared: dict[tuple[str, str], list[int]] = {}
        self._groups: dict[str, tuple[str, str, array[int]]] = {}
        self._seen: dict[int, set[str]] = {}
        self._own = 0

    def take(self, place: int, item: Mapping[str, Any]) -> None:
        self.names[place] = item["name"]
        self._acts[place] = self._words.read(item["name"]).acts
        self._seen[place] = set()
        for name, text in phrases_of(item, self._words):
            if name in OWN:
                self._add(place, name, text)
            else:
                owners = self._shared.setdefault((name, text), [])
                if len(owners) <= MOST_SHARED and (not owners or owners[-1] != place):
                    owners.append(place)
        for name, text in groups_of(item):
            meant = self._words.meant(text)
            if len(meant) > 1:
                self._groups.setdefault(meant, (name, text, array("I")))[2].append(place)

    def take_sayings(self) -> None:
        for target in targets(self._words, self.names):
            for way in self._words.said[target.target]:
                for place in target.places:
                    self._add(place, "said", way)
        # What is not the item's own comes last: its places are the high ones.
        self._own = len(self._owner)
        for (name, text), owners in self._shared.items():
            if len(owners) <= MOST_SHARED:
                for place in owners:
                    self._add(place, name, text)

    def _add(self, place: int, name: str, text: str) -> None:
        reading = self._words.read(text)
        meant = reading.meant or reading.plain
        if not meant:
            return
        own, known = name in OWN, False
        if own:
            if reading.heard in self._seen[place]:
                return
            known = meant in self._seen[place]
            self._seen[place] |= {meant, reading.heard}
        phrase = len(self._owner)
        self._owner.append(place)
        self._field.append(FIELD_NAMES.index(name))
        self._database.execute("INSERT INTO guide_phrases VALUES (?, ?)", (phrase, text))
        # Another way of writing what is there already is there for its sound.
        grams = {} if known else ranking.word_grams(meant)
        self._word_size.append(0.0)
        self._sound_size.append(0.0)
        keys = set()
        if own:
            keys.add(meant)
            sounds = self._words.sounds(reading.heard)
            heard = ranking.folded_sounds(sounds)
            if len(heard) > 1:
                grams |= ranking.sound_grams(heard)
                keys.add(ranking.sound_key(heard))
                initials = "".join(map(letter, sounds))[:_LONGEST_INITIALS]
                if len(sounds) == len(reading.heard):
                    self._database.execute(
                        "INSERT OR IGNORE INTO guide_initials VALUES (?, ?)", (initials, reading.heard)
                    )
            self._database.executemany("INSERT INTO guide_keys VALUES (?, ?)", ((key, phrase) for key in keys))
        for gram in grams:
            self._postings.setdefault(gram, array("I")).append(phrase)

    def finish(self) -> None:
        count, owner = len(self.names), self._owner
        rows = []
        for gram, phrases in self._postings.items():
            having = len({owner[phrase] for phrase in phrases})
            idf = math.log(1 + (count + 0.5) / (having + 0.5))
            # A pair that stands apart here may stand together elsewhere: it counts as a pair.
            value = idf * ranking.gram_weight(gram)
            size = self._sound_size if gram[0] == "~" else self._word_size
            for phrase in phrases:
                size[phrase] += value
            common = len(gram) == 1 and having > ranking.TOO_COMMON * count and count > 8
            rows.append((gram, idf, b"" if common else phrases.tobytes()))
        self._postings.clear()
        rows.sort()
        self._database.executemany("INSERT INTO guide_grams VALUES (?, ?, ?)", rows)
        self._database.executemany(
            "INSERT INTO guide_groups VALUES (?, ?, ?, ?)",
            ((meant, name, text, items.tobytes()) for meant, (name, text, items) in self._groups.items()),
        )
        acts = sorted({act for some in self._acts.values() for act in some})
        masks = array("Q", (sum(1 << acts.index(act) for act in self._acts[place]) for place in range(count)))
        self._database.executemany(
            "INSERT INTO guide_index VALUES (?, ?)",
            [
                ("owner", owner.tobytes()),
                ("field", bytes(self._field)),
                ("word_size", self._word_size.tobytes()),
                ("sound_size", self._sound_size.tobytes()),
                ("acts", masks.tobytes()),
                ("act_names", json.dumps(acts).encode()),
                ("items", json.dumps(count).encode()),
                ("own", json.dumps(self._own).encode()),
            ],
        )


# -- looking up ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Common:
    """What a question has in common with each phrase, by words and by sound, and with each item as a whole."""

    by_word: list[float]
    by_sound: list[float]
    candidates: set[int]
    covered: dict[int, float]
    asked: float


@dataclass(slots=True)
class _Best:
    """What speaks for one item so far."""

    score: float
    phrase: int
    parts: Parts
    how: str


class GuideIndex:
    """The index of one release, opened for looking up: small arrays in memory, the rest stays in tables."""

    def __init__(self, database: Connection) -> None:
        rows: dict[str, bytes] = dict(database.execute("SELECT name, value FROM guide_index"))
        self._owner, self._acts = array("I"), array("Q")
        self._word_size, self._sound_size = array("f"), array("f")
        self._owner.frombytes(rows.get("owner", b""))
        self._acts.frombytes(rows.get("acts", b""))
        self._word_size.frombytes(rows.get("word_size", b""))
        self._sound_size.frombytes(rows.get("sound_size", b""))
        self._field = rows.get("field", b"")
        self._own = int(json.loads(rows.get("own", b"0")))
        self._items = int(json.loads(rows.get("items", b"0")))
        self._act_names: list[str] = json.loads(rows.get("act_names", b"[]"))
        self.words = Words.compiled(
            {name: json.loads(value) for name, value in database.execute("SELECT name, value FROM guide_words")}
        )

    def search(
        self, database: Connection, question: str, *, among: frozenset[int] | None = None, limit: int = 20
    ) -> list[Found]:
        """The items that answer best, best first; `among` are the places of the items that may answer."""
        return self.explain(database, question, among=among, limit=limit).found

    def explain(
        self, database: Connection, question: str, *, among: frozenset[int] | None = None, limit: int = 20
    ) -> Explanation:
        """The same with every step that led there."""
        reading = self.words.read(question)
        if reading.blocked is not None:
            return Explanation(question, [Read(reading, ())], reading.blocked)
        if not reading.meant or not self._items:
            return Explanation(question, [Read(reading, ())], None)
        ways = list(self._ways(database, reading))
        best: dict[int, _Best] = {}
        for place, way in enumerate(ways):
            factor = _DISCOUNT[min(place, len(_DISCOUNT) - 1)]
            for item, found in self._ranked(database, way, among).items():
                found.score *= factor
                if item not in best or found.score > best[item].score:
                    best[item] = found
        ordered = sorted(best.items(), key=lambda one: (-one[1].score, one[0]))[:limit]
        floor = max(ranking.FLOOR, ranking.FLOOR_OF_BEST * ordered[0][1].score) if ordered else 0.0
        found_items = [
            Found(
                item,
                round(one.score, 4),
                FIELD_NAMES[self._field[one.phrase]],
                self._text(database, one.phrase),
                one.how,
                one.parts,
            )
            for item, one in ordered
            if one.score >= floor
        ]
        return Explanation(question, ways, None, found_items or self._of_group(database, reading, among, limit))

    # How the question may be read: Latin letters are syllables, or stand for words.

    def _ways(self, database: Connection, reading: Reading) -> Iterator[Read]:
        words = self.words
        if not words.has_sounds or not any(True for _ in latin_words(reading.heard)):
            yield Read(reading, tuple(ranking.folded_sounds(words.sounds(reading.heard))))
            return
        # A part of the plain text is a run of letters or what stands between two of them.
        parts: list[tuple[str, bool]] = []
        last = 0
        for run in latin_words(reading.heard):
            if between := reading.heard[last : run.start()].strip():
                parts.append((between, False))
            parts.append((run[0], True))
            last = run.end()
        if after := reading.heard[last:].strip():
            parts.append((after, False))
        spelt = self._spelt(database, parts)
        whole = all(not piece.endswith("*") for piece in spelt)
        bare = sum(piece.endswith("*") for piece in spelt)
        terms = list(self._meant_by_letters(database, parts))
        if spelt and bare <= _MOST_BARE * len(spelt) and not (terms and any(map(_is_bare, parts))):
            heard = tuple(words.without_filler([folded(piece) for piece in spelt]))
            acts = reading.acts | words.acts_of_sounds(heard)
            yield Read(_with(reading, acts=acts), heard)
        if whole and spelt and len(spelt) > 1:
            return
        for stands_for in terms:
            # Letters that are whole syllables stay what they are: `sfz daoqi` is 身份证 and dao qi.
            replaced = [
                (stands_for.get(place, part), is_run and place not in stands_for)
                for place, (part, is_run) in enumerate(parts)
            ]
            standing = words.read(" ".join(part for part, _ in replaced))
            heard = tuple(words.without_filler([folded(piece) for piece in self._spelt(database, replaced)]))
            used = tuple((parts[place][0], term) for place, term in stands_for.items() if term)
            yield Read(_with(standing, acts=standing.acts | words.acts_of_sounds(heard)), heard, used)

    def _spelt(self, database: Connection, parts: Sequence[tuple[str, bool]]) -> list[str]:
        """The syllables of the question; of several ways to cut letters the one that the index knows best."""
        found: list[str] = []
        for part, is_run in parts:
            if not is_run:
                found += self.words.sounds(part)
                continue
            ways = ways_to_cut(part.replace("ü", "v"))
            if not ways:
                continue
            if len(ways) > 1:
                pairs = [ranking.sound_grams([folded(piece) for piece in way]) for way in ways]
                known = self._idf(database, {gram for some in pairs for gram in some})
                ways = [max(zip(ways, pairs, strict=True), key=lambda both: len(both[1].keys() & known.keys()))[0]]
            found += ways[0]
        return found

    def _meant_by_letters(self, database: Connection, parts: Sequence[tuple[str, bool]]) -> Iterator[dict[int, str]]:
        """By the place of each run of letters what it may stand for, the likeliest first."""
        options: list[dict[int, str]] = [{}]
        for place, (run, is_run) in enumerate(parts):
            if not is_run or any(all(not piece.endswith("*") for piece in way) for way in ways_to_cut(run)):
                continue
            before = parts[place - 1][0] if place else ""
            terms = (self._terms(database, run) or self._ending(database, before, run))[:_MOST_READINGS] or [""]
            options = [{**option, place: term} for option in options for term in terms][:_MOST_READINGS]
        if any(term for option in options for term in option.values()):
            yield from options

    def _terms(self, database: Connection, run: str) -> list[str]:
        if not 2 <= len(run) <= 24:
            return []
        ways = ways_to_cut(run.replace("ü", "v"))
        if not ways:
            return []
        direct = self._beginning_with(database, ways[0])
        letters = [letter(piece) for piece in ways[0]]
        if direct and len(letters) > 2:
            return [term for term, _ in direct]
        split: list[tuple[float, str]] = []
        beside = self.words.letters_beside
        for cut in range(2, len(letters) - 1):
            # `dbsq` is 低保 and 申请, `bbsfz` 补办 and 身份证: what stands beside is filler, or what is to be done.
            head, tail = "".join(letters[:cut]), "".join(letters[cut:])
            if tail in beside:
                split += [(n, term + beside[tail]) for term, n in self._beginning_with(database, ways[0][:cut])]
            if head in beside:
                split += [(n, beside[head] + term) for term, n in self._beginning_with(database, ways[0][cut:])]
        split += [(weight, term) for term, weight in direct]
        split.sort(key=lambda one: -one[0])
        return list(dict.fromkeys(term for _, term in split))

    def _ending(self, database: Connection, before: str, run: str) -> list[str]:
        """What a letter behind characters stands for: 证 in `残疾z`."""
        known = before[-3:]
        pieces = [*self.words.sounds(known), f"{run}*"]
        if len(run) > 1 or not known or len(pieces) != len(known) + 1:
            return []
        terms = self._beginning_with(database, pieces)
        return [term[len(known) :] for term, _ in terms if term.startswith(known)]

    def _beginning_with(self, database: Connection, pieces: Sequence[str]) -> list[tuple[str, float]]:
        """Beginnings of phrases that these letters stand for, the commonest first; a whole phrase weighs more."""
        letters = "".join(letter(piece) for piece in pieces)[:_LONGEST_INITIALS]
        count: dict[str, float] = {}
        sounded = [(at, piece) for at, piece in enumerate(pieces) if not piece.endswith("*")]
        sounded += [(at, piece[:-1]) for at, piece in enumerate(pieces) if piece.endswith("*") and len(piece) > 2]
        for initials, heard in database.execute(
            "SELECT initials, heard FROM guide_initials WHERE initials >= ? AND initials < ? LIMIT ?",
            (letters, letters + "\x7f", _MOST_INITIALS),
        ):
            term = heard[: len(pieces)]
            count[term] = count.get(term, 0.0) + (4.0 if initials == letters and len(heard) == len(pieces) else 1.0)
        if sounded:
            count = {
                term: weight
                for term, weight in count.items()
                for sounds in (self.words.sounds(term),)
                if len(sounds) == len(pieces) and all(sounds[at].startswith(piece) for at, piece in sounded)
            }
        return sorted(count.items(), key=lambda one: (-one[1], one[0]))[:_MOST_READINGS]

    # What the index has in common with it.

    def _ranked(self, database: Connection, read: Read, among: frozenset[int] | None) -> dict[int, _Best]:
        meant = _without_letters(read.reading.meant) if self.words.has_sounds else read.reading.meant.replace(" ", "")
        grams = ranking.word_grams(meant)
        word_share = min(1.0, len(meant) / len(read.sounds)) if read.sounds else 1.0
        sounds = ranking.sound_grams(read.sounds)
        grams |= {gram: weight for gram, weight in sounds.items() if "*" not in gram}
        likes = {}
        if _has_letters(read):
            # The last syllable may not be typed to its end, and a letter may stand for any that begins so.
            last = read.sounds[-1] if read.sounds else "\x00"
            likes = {gram: weight for gram, weight in sounds.items() if gram.endswith(("*", f" {last}"))}
        common = self._common(database, grams, ranking.swapped_grams(meant), likes)
        bonus = self._whole_phrases(database, meant, read.sounds)
        by_word, by_sound = common.by_word, common.by_sound
        best: dict[int, tuple[float, float, float, int]] = {}
        owner, fields = self._owner, self._field
        settings = [FIELDS[name] for name in FIELD_NAMES]
        for phrase in common.candidates | bonus.keys():
            item = owner[phrase]
            if among is not None and item not in among:
                continue
            weight, own_length = settings[fields[phrase]]
            size = self._sound_size[phrase] + word_share * self._word_size[phrase]
            alike = weight * ranking.similarity(by_word[phrase] + by_sound[phrase], common.asked, size, own_length)
            extra = weight * bonus[phrase][0] if phrase in bonus else 0.0
            if item not in best or alike + extra > best[item][0]:
                best[item] = (alike + extra, alike, extra, phrase)
        acts = sum(1 << self._act_names.index(act) for act in read.reading.acts if act in self._act_names)
        groups = self._groups(database, read.reading.meant)
        found: dict[int, _Best] = {}
        for item, (_, alike, extra, phrase) in best.items():
            parts = Parts(
                phrase=alike,
                whole=extra,
                coverage=ranking.COVERAGE * common.covered.get(item, 0.0) / common.asked,
                acts=ranking.act_score(acts, self._acts[item]) * min(1.0, 2 * alike),
                group=ranking.GROUP if item in groups else 0.0,
            )
            if read.initials:
                how = "initials"
            elif bonus.get(phrase, (0.0, ""))[1] == "sound" or by_word[phrase] < 0.5 * by_sound[phrase]:
                how = "sound"
            else:
                how = "said" if FIELD_NAMES[fields[phrase]] in ("said", "also_called") else "word"
            found[item] = _Best(parts.score, phrase, parts, how)
        return found

    def _common(
        self,
        database: Connection,
        wanted: Mapping[str, float],
        swapped: Mapping[str, float],
        likes: Mapping[str, float],
    ) -> _Common:
        """What each phrase and each item has in common with the question, and how much it asks in all."""
        rarest = math.log(1 + self._items + 0.5)
        rows = [(gram, idf * wanted[gram], packed) for gram, idf, packed in self._rows(database, list(wanted))]
        known = {gram for gram, _, _ in rows}
        # A gram that no item has tells nothing between items; it only says that the answer is less sure.
        asked = sum(0.25 * rarest * weight for gram, weight in wanted.items() if gram not in known)
        asked += sum(value for _, value, _ in rows)
        other = [gram for gram in swapped if gram not in wanted]
        rows += [(gram, idf * swapped[gram], packed) for gram, idf, packed in self._rows(database, other)]
        for gram, weight in likes.items():
            begun = gram.rstrip("*")
            if "*" in begun:
                continue
            if begun != gram:
                asked += 0.5 * rarest * weight
            rows += [
                (found, idf * weight * _AS_GOOD, packed)
                for found, idf, packed in database.execute(
                    "SELECT gram, idf, phrases FROM guide_grams WHERE gram > ? AND gram < ? LIMIT ?",
                    (begun, begun + "\x7f", _MOST_BEGINNING),
                )
            ]
        rows.sort(key=lambda row: -row[1])
        by_word, by_sound = [0.0] * len(self._owner), [0.0] * len(self._owner)
        covered: dict[int, float] = {}
        touched: set[int] = set()
        weak: list[tuple[list[float], float, array[int]]] = []
        owner_of, own = self._owner.__getitem__, self._own
        for gram, value, packed in rows[:_MOST_GRAMS]:
            phrases = array("I")
            phrases.frombytes(packed)
            sums = by_sound if gram[0] == "~" else by_word
            for item, often in Counter(map(owner_of, phrases[: bisect_left(phrases, own)])).items():
                covered[item] = covered.get(item, 0.0) + value * often / (often + ranking.SELDOM)
            if touched and (len(gram) == 1 or len(phrases) > _COMMON_POSTINGS):
                # What is everywhere makes no candidate, it only tells between those that there are.
                weak.append((sums, value, phrases))
                continue
            for phrase in phrases:
                sums[phrase] += value
            touched.update(phrases)
        if touched:
            least = _LEAST_OF_BEST * max(by_word[phrase] + by_sound[phrase] for phrase in touched)
            touched = {phrase for phrase in touched if by_word[phrase] + by_sound[phrase] >= least}
        for sums, value, phrases in weak:
            for phrase in touched.intersection(phrases):
                sums[phrase] += value
        return _Common(by_word, by_sound, touched, covered, asked or 1.0)

    def _rows(self, database: Connection, grams: Sequence[str]) -> list[tuple[str, float, bytes]]:
        if not grams:
            return []
        marks = ", ".join("?" * len(grams))
        return database.execute(
            f"SELECT gram, idf, phrases FROM guide_grams WHERE gram IN ({marks})",  # noqa: S608 - question marks
            grams,
        ).fetchall()

    def _idf(self, database: Connection, grams: Iterable[str]) -> dict[str, float]:
        return {gram: idf for gram, idf, _ in self._rows(database, list(grams))}

    def _whole_phrases(self, database: Connection, meant: str, sounds: Sequence[str]) -> dict[int, tuple[float, str]]:
        """Names and ways of saying that are the question, stand in it whole, or begin with it; by word or by sound."""
        found: dict[int, tuple[float, str]] = {}

        def note(phrase: int, value: float, how: str) -> None:
            if phrase not in found or found[phrase][0] < value:
                found[phrase] = (value, how)

        def contained(part: float) -> float:
            return ranking.CONTAINED * min(1.0, 0.3 + part)

        parts = {
            meant[start:end]: (end - start) / min(len(meant), _SENTENCE)
            for start in range(len(meant))
            for end in range(start + 2, min(len(meant), start + _LONGEST_KEY) + 1)
        }
        heard = {
            ranking.sound_key(sounds[start:end]): (end - start) / min(len(sounds), _SENTENCE)
            for start in range(len(sounds))
            for end in range(start + 2, min(len(sounds), start + _LONGEST_KEY) + 1)
        }
        whole_sound = ranking.sound_key(sounds)
        for key, phrase in self._keys(database, [*parts, *heard, meant]):
            if key == meant:
                note(phrase, ranking.EXACT, "word")
            elif key == whole_sound:
                note(phrase, ranking.EXACT * ranking.BY_SOUND, "sound")
            elif key in parts:
                note(phrase, contained(parts[key]), "word")
            else:
                note(phrase, contained(heard[key]) * ranking.BY_SOUND, "sound")
        for begun, how in ((meant, "word"), (whole_sound.rstrip("*"), "sound")):
            if len(begun) < 2:
                continue
            for (phrase,) in database.execute(
                "SELECT phrase FROM guide_keys WHERE key > ? AND key < ? LIMIT ?",
                (begun, begun + "\U0010ffff", 200),
            ):
                note(phrase, ranking.BEGINS, how)
        return found

    def _keys(self, database: Connection, keys: Sequence[str]) -> list[tuple[str, int]]:
        marks = ", ".join("?" * len(keys))
        return database.execute(
            f"SELECT key, phrase FROM guide_keys WHERE key IN ({marks})",  # noqa: S608 - question marks
            keys,
        ).fetchall()

    # What many items share.

    def _groups(self, database: Connection, meant: str) -> frozenset[int]:
        found: set[int] = set()
        for _, _, items in self._named_groups(database, meant):
            found.update(items)
        return frozenset(found)

    def _named_groups(self, database: Connection, meant: str) -> list[tuple[str, str, array[int]]]:
        parts = {
            meant[start:end] for start in range(len(meant)) for end in range(start + 2, min(len(meant), start + 8) + 1)
        }
        marks = ", ".join("?" * len(parts))
        named = []
        for name, text, packed in database.execute(
            f"SELECT field, text, items FROM guide_groups WHERE meant IN ({marks})",  # noqa: S608 - question marks
            list(parts),
        ):
            items = array("I")
            items.frombytes(packed)
            named.append((name, text, items))
        return named

    def _of_group(
        self, database: Connection, reading: Reading, among: frozenset[int] | None, limit: int
    ) -> list[Found]:
        """Where nothing else answers: the items of the department or category that the question names."""
        found: dict[int, Found] = {}
        parts = Parts(0.0, 0.0, 0.0, 0.0, ranking.FLOOR)
        for name, text, items in self._named_groups(database, reading.meant):
            for item in items:
                if among is None or item in among:
                    found.setdefault(item, Found(item, parts.score, name, text, "word", parts))
        return [found[item] for item in sorted(found)][:limit]

    def _text(self, database: Connection, phrase: int) -> str:
        row = database.execute("SELECT text FROM guide_phrases WHERE id = ?", (phrase,)).fetchone()
        return str(row[0])


def _with(reading: Reading, *, acts: frozenset[str]) -> Reading:
    return Reading(reading.plain, reading.heard, reading.meant, acts, reading.blocked, reading.filler, reading.same)


def _is_bare(part: tuple[str, bool]) -> bool:
    """Whether it is letters of which none begins a whole syllable."""
    text, is_run = part
    return is_run and all(all(piece.endswith("*") for piece in way) for way in ways_to_cut(text))


def _without_letters(text: str) -> str:
    """What is compared by characters: single letters belong to it (C 级), words of letters are sounds."""
    parts = []
    last = 0
    for run in latin_words(text):
        if len(run[0]) > 1:
            parts.append(text[last : run.start()])
            last = run.end()
    return "".join((*parts, text[last:])).replace(" ", "")


def _has_letters(read: Read) -> bool:
    return not read.initials and any(True for _ in latin_words(read.reading.plain))
