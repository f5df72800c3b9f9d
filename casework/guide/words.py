"""The county's dictionaries, compiled to look-ups; and what they make of a question or a phrase, step by step.

Entries are `{name of the dictionary: {key: [ways]}}`, as `words:` documents bring them. Without any dictionary a text
is compared as it is written.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Final

from casework.guide.sounds import folded, letter

Entries = Mapping[str, Sequence[str]]

LONGEST_QUESTION: Final = 120
"""Characters of a question that are looked at; a pasted page is not a question."""

MOST_WAYS: Final = 64
"""What one entry with choices may stand for."""

_TOKEN: Final = re.compile(r"[a-zü]+|[0-9]+|[^\W_a-zü0-9]")
_LATIN: Final = re.compile(r"[a-zü]+")
_CHOICE: Final = re.compile(r"\[([^\[\]]*)\]")
_OR_NOT: Final = re.compile(r"([\u4e00-\u9fff])[不没]\1")
_BRACKETS: Final = re.compile(r"[(（\[【〔][^)）\]】〕]*[)）\]】〕]")


def expanded(way: str) -> list[str]:
    """`[补|换]残疾证` is 补残疾证 and 换残疾证; at most MOST_WAYS of them. An empty choice leaves out."""
    if "[" not in way:
        return [way]
    parts = _CHOICE.split(way)
    choices = [part.split("|") if place % 2 else [part] for place, part in enumerate(parts)]
    found: list[str] = []
    for one in product(*choices):
        found.append("".join(one))
        if len(found) == MOST_WAYS:
            break
    return found


def without_brackets(name: str) -> str:
    """What stands in brackets belongs to a name and is rarely said."""
    return _BRACKETS.sub("", name)


class Lookup:
    """Words and what each stands for, found in a text from the left, the longest first."""

    def __init__(self, words: Mapping[str, str]) -> None:
        self.words = dict(words)
        self._lengths: dict[str, list[int]] = {}
        for word in self.words:
            lengths = self._lengths.setdefault(word[0], [])
            if len(word) not in lengths:
                lengths.append(len(word))
        for lengths in self._lengths.values():
            lengths.sort(reverse=True)

    def find(self, text: str) -> Iterator[tuple[int, int, str]]:
        """(start, end, what it stands for) of each word in the text, none of which overlap."""
        at = 0
        while at < len(text):
            for length in self._lengths.get(text[at], ()):
                meant = self.words.get(text[at : at + length])
                if meant is not None:
                    yield at, at + length, meant
                    at += length
                    break
            else:
                at += 1

    def applied(self, text: str) -> tuple[str, list[tuple[str, str]]]:
        """The text with each word replaced by what it stands for, and which were."""
        parts: list[str] = []
        used: list[tuple[str, str]] = []
        last = 0
        for start, end, meant in self.find(text):
            parts += text[last:start], meant
            last = end
            if text[start:end] != meant:
                used.append((text[start:end], meant))
        return "".join((*parts, text[last:])), used


@dataclass(frozen=True, slots=True)
class Reading:
    """What became of a text: `plain` characters, `meant` words, its `sounds`, and how it came about."""

    plain: str
    """Simplified, lower case, without punctuation; Latin words stay apart by a blank."""
    heard: str
    """The same without filler: what sounds are taken from."""
    meant: str
    """Without filler, and each way of saying a thing as the first of its group; empty where all is filler."""
    acts: frozenset[str]
    """What is to be done: 注销, 变更 …, by the dictionary's own names."""
    blocked: str | None
    """The word because of which there is no answer."""
    filler: tuple[str, ...]
    same: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Words:
    """Dictionaries ready to be looked things up in. `Words.compiled({})` knows nothing and still reads."""

    said: dict[str, tuple[str, ...]]
    """A name or a distinguishing part of one → what people say for it."""
    endings: tuple[str, ...]
    _same: Lookup = field(repr=False)
    _filler: Lookup = field(repr=False)
    _long_filler: Lookup = field(repr=False)
    _acts: Lookup = field(repr=False)
    _blocked: tuple[str, ...] = field(repr=False)
    _simplified: dict[int, str] = field(repr=False)
    _syllables: dict[str, str] = field(repr=False)
    _readings: Lookup = field(repr=False)

    @classmethod
    def compiled(cls, entries: Mapping[str, Entries]) -> Words:
        """From `{dictionary: {key: [ways]}}`; dictionaries that it does not know are passed over."""
        simplified = {
            ord(other): plain
            for plain, others in entries.get("simplified", {}).items()
            for other in "".join(others)
            if len(plain) == 1
        }

        def tidy(text: str) -> str:
            return _tidy(text, simplified)

        def ways(name: str) -> Iterator[tuple[str, str]]:
            for key, values in entries.get(name, {}).items():
                for value in values:
                    for way in expanded(value):
                        if plain := tidy(way):
                            yield key, plain

        same: dict[str, str] = {}
        for key, way in ways("same"):
            same.setdefault(way, tidy(key))
        for key in entries.get("same", {}):
            if plain := tidy(key):
                # The first of a group is never a way to say another.
                same[plain] = plain
        filler = {way for _, way in ways("filler")}
        acts: dict[str, str] = {}
        for key, way in ways("acts"):
            acts.setdefault(way, key)
        said: dict[str, tuple[str, ...]] = {
            target: tuple(way for value in values for way in expanded(value))
            for target, values in entries.get("said", {}).items()
        }
        syllables = {
            character: sound
            for sound, characters in entries.get("characters", {}).items()
            for character in "".join(characters)
        }
        return cls(
            said=said,
            endings=tuple(sorted({way for _, way in ways("endings")}, key=len, reverse=True)),
            _same=Lookup(same),
            _filler=Lookup(dict.fromkeys(filler, "")),
            _long_filler=Lookup({word: "" for word in filler if len(word) > 1}),
            _acts=Lookup(acts),
            _blocked=tuple(sorted({way for _, way in ways("blocked")})),
            _simplified=simplified,
            _syllables=syllables,
            _readings=Lookup({word: sounds[0] for word, sounds in entries.get("readings", {}).items() if sounds}),
        )

    @property
    def has_sounds(self) -> bool:
        """Whether there is pinyin at all: an older release has none."""
        return bool(self._syllables)

    def plain(self, text: str) -> str:
        """NFKC, lower case, simplified, punctuation and blanks gone; blanks stay between Latin words and numbers."""
        return _tidy(text, self._simplified)

    def read(self, text: str) -> Reading:
        """A question or a phrase, read with every dictionary."""
        plain = self.plain(text[: LONGEST_QUESTION * 2])[:LONGEST_QUESTION]
        blocked = next((word for word in self._blocked if word in plain), None)
        heard, _ = self._long_filler.applied(plain)
        said, same = self._same.applied(plain)
        taken = tuple(said[start:end] for start, end, _ in self._filler.find(said))
        bare, _ = self._filler.applied(said)
        bare = _OR_NOT.sub(r"\1", bare).strip()
        return Reading(
            plain=plain,
            heard=heard.strip() or plain,
            meant=bare,
            acts=frozenset(meant for _, _, meant in self._acts.find(plain)),
            blocked=blocked,
            filler=taken,
            same=tuple(same),
        )

    def meant(self, text: str) -> str:
        """Only what is meant."""
        return self.read(text).meant

    def sounds(self, text: str) -> list[str]:
        """The syllable of each character of a plain text that has one; Latin letters are left out."""
        found: list[str] = []
        last = 0
        for start, end, sounds in self._readings.find(text):
            found += self._each(text[last:start])
            found += sounds.split()
            last = end
        return found + self._each(text[last:])

    def _each(self, text: str) -> list[str]:
        return [self._syllables[character] for character in text if character in self._syllables]

    def initials(self, text: str) -> str:
        """`sfz` for 身份证; empty where a character has no sound."""
        sounds = self.sounds(text)
        return "".join(map(letter, sounds)) if len(sounds) == len(text) else ""

    def without_filler(self, sounds: Sequence[str]) -> list[str]:
        """The (folded) sounds of Latin letters without filler of two syllables and more: it is typed in letters too."""
        text = f" {' '.join(sounds)} "
        for filler in self._filler_sounds:
            if filler in text and len(text) > len(filler):
                text = text.replace(filler, " ")
        return text.split()

    def acts_of_sounds(self, sounds: Sequence[str]) -> frozenset[str]:
        """What is to be done, as (folded) sounds say it."""
        text = f" {' '.join(sounds)} "
        return frozenset(act for way, act in self._act_sounds.items() if way in text)

    @cached_property
    def _filler_sounds(self) -> list[str]:
        found = {self._key(word) for word in self._filler.words if len(word) > 1}
        return sorted(found - {""}, key=lambda key: (-len(key), key))

    @cached_property
    def _act_sounds(self) -> dict[str, str]:
        found = {self._key(word): act for word, act in self._acts.words.items() if len(word) > 1}
        found.pop("", None)
        return found

    @cached_property
    def letters_beside(self) -> dict[str, str]:
        """What letters may stand for beside those of a thing: `sq` is filler, and nothing; `bb` is 补办."""
        found = {self.initials(word): "" for word in self._filler.words if len(word) > 1}
        for word in self._acts.words:
            if len(word) == 2:
                found.setdefault(self.initials(word), word)
        found.pop("", None)
        return found

    def _key(self, word: str) -> str:
        sounds = self.sounds(word)
        return f" {' '.join(map(folded, sounds))} " if len(sounds) == len(word) else ""

    def core(self, name: str) -> str:
        """A name without what stands in brackets and without the words that all names end in."""
        bare = self.plain(without_brackets(name))
        while True:
            ending = next((one for one in self.endings if bare.endswith(one) and len(bare) - len(one) >= 3), None)
            if ending is None:
                return bare
            bare = bare[: -len(ending)]


def _tidy(text: str, simplified: Mapping[int, str]) -> str:
    tokens = _TOKEN.findall(unicodedata.normalize("NFKC", text).casefold().translate(simplified))
    parts: list[str] = []
    for token in tokens:
        if parts and token[0].isascii() and parts[-1][-1:].isascii() and token[0].isalpha() == parts[-1][-1].isalpha():
            parts.append(" ")
        parts.append(token)
    return "".join(parts)


def latin_words(text: str) -> Iterable[re.Match[str]]:
    """The runs of Latin letters in a plain text."""
    return _LATIN.finditer(text)
