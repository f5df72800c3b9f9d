"""What pypinyin and OpenCC know of the language, cut down to tables; run, it answers one question and ends.

`python -m central.catalogue.language`: `{"simplified": …, "texts": […]}` as JSON on standard input, the tables on
standard output. The libraries keep 57 MiB for good in the process that loads them: `asking` has it done in another.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from itertools import product

from opencc import OpenCC
from pypinyin import lazy_pinyin
from pypinyin.seg.mmseg import seg as phrases

from casework.guide.words import Words


def tables(simplified: Mapping[str, Sequence[str]], texts: Iterable[str]) -> dict[str, dict[str, list[str]]]:
    """The dictionaries that are made, from the `simplified` that comes with the program and all that is read aloud.

    `simplified` (character → its traditional forms, after OpenCC), `characters` (pinyin → characters) and `readings`
    (a word → its pinyin, where a character reads differently in it), after pypinyin.
    """
    plainer = {plain: list(others) for plain, others in simplified.items()}
    for plain, others in _traditional().items():
        plainer.setdefault(plain, []).append(others)
    readings: dict[str, list[str]] = {}
    words = Words.compiled({"simplified": plainer})
    for text in sorted({words.plain(text) for text in texts}):
        for word, sounds in _differing(text):
            readings.setdefault(word, [sounds])
    characters = {sound: [every] for sound, every in _characters().items()}
    return {"simplified": plainer, "characters": characters, "readings": readings}


def _written_in(charset: str, high: range, low: range) -> Iterator[str]:
    """The characters of a double-byte character set."""
    for first, second in product(high, low):
        try:
            yield bytes((first, second)).decode(charset)
        except UnicodeDecodeError:
            continue


def _traditional() -> dict[str, str]:
    """The common traditional characters (Big5, level 1) by their simplified form."""
    simple = OpenCC("t2s")
    found: dict[str, str] = {}
    for character in _written_in("big5", range(0xA4, 0xC7), range(0x40, 0xFF)):
        plain = simple.convert(character)
        if plain != character and len(plain) == 1:
            found[plain] = found.get(plain, "") + character
    return dict(sorted(found.items()))


@cache
def _characters() -> dict[str, str]:
    """The characters of GB 2312 by their pinyin; each where it is read most often."""
    found: dict[str, str] = {}
    every = list(_written_in("gb2312", range(0xB0, 0xF8), range(0xA1, 0xFF)))
    for character, sound in zip(every, lazy_pinyin(every), strict=True):
        if sound.isascii() and sound.isalpha():
            found[sound] = found.get(sound, "") + character
    return dict(sorted(found.items()))


@cache
def _sound_of() -> dict[str, str]:
    return {character: sound for sound, every in _characters().items() for character in every}


@cache
def _sounds(word: str) -> Sequence[str]:
    """Of a word as pypinyin cuts texts: the same ones come again and again, and each is asked about once."""
    return lazy_pinyin([word]) if len(word) > 1 else [_sound_of()[word]]


def _differing(text: str) -> Iterator[tuple[str, str]]:
    """(two characters, their pinyin) wherever one is read otherwise in this text than it mostly is."""
    sound_of = _sound_of()
    known = all(one in sound_of for one in text)
    sounds = [sound for word in phrases.cut(text) for sound in _sounds(word)] if known else []
    for at, sound in enumerate(sounds):
        if sound_of[text[at]] == sound:
            continue
        for start in (at - 1, at):
            pair = text[start : start + 2] if start >= 0 else ""
            read = lazy_pinyin(pair) if len(pair) == 2 else ()
            if len(read) == 2 and read[at - start] == sound:
                yield pair, " ".join(read)
                break


if __name__ == "__main__":
    json.dump(tables(**json.load(sys.stdin.buffer)), sys.stdout)
