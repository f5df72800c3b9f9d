"""Mandarin by its sound: pinyin without tones, heard as half of the country speaks it, and cut out of Latin letters."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

_INITIALS: Final[tuple[str, ...]] = ("zh", "ch", "sh", *"bpmfdtnlgkhjqxrzcsyw")
_FOLDED: Final = {"zh": "z", "ch": "c", "sh": "s", "n": "l"}
_BARE: Final = 1.6  # what a letter that stands for a syllable costs beside a whole one
_MOST_WAYS: Final = 6

# All syllables of Standard Mandarin, by initial; v stands for ü and for the u of lü and nü as people type it.
_FINALS: Final = {
    "b": "a ai an ang ao ei en eng i ian iao ie in ing o u",
    "p": "a ai an ang ao ei en eng i ian iao ie in ing o ou u",
    "m": "a ai an ang ao e ei en eng i ian iao ie in ing iu o ou u",
    "f": "a an ang ei en eng o ou u",
    "d": "a ai an ang ao e ei en eng i ian iao ie ing iu ong ou u uan ui un uo",
    "t": "a ai an ang ao e eng i ian iao ie ing ong ou u uan ui un uo",
    "n": "a ai an ang ao e ei en eng i ian iang iao ie in ing iu ong ou u uan uo v ve ue",
    "l": "a ai an ang ao e ei eng i ia ian iang iao ie in ing iu ong ou u uan un uo v ve ue",
    "g": "a ai an ang ao e ei en eng ong ou u ua uai uan uang ui un uo",
    "k": "a ai an ang ao e ei en eng ong ou u ua uai uan uang ui un uo",
    "h": "a ai an ang ao e ei en eng ong ou u ua uai uan uang ui un uo",
    "j": "i ia ian iang iao ie in ing iong iu u uan ue un",
    "q": "i ia ian iang iao ie in ing iong iu u uan ue un",
    "x": "i ia ian iang iao ie in ing iong iu u uan ue un",
    "zh": "a ai an ang ao e ei en eng i ong ou u ua uai uan uang ui un uo",
    "ch": "a ai an ang ao e en eng i ong ou u ua uai uan uang ui un uo",
    "sh": "a ai an ang ao e ei en eng i ou u ua uai uan uang ui un uo",
    "r": "an ang ao e en eng i ong ou u ua uan ui un uo",
    "z": "a ai an ang ao e ei en eng i ong ou u uan ui un uo",
    "c": "a ai an ang ao e en eng i ong ou u uan ui un uo",
    "s": "a ai an ang ao e en eng i ong ou u uan ui un uo",
    "y": "a an ang ao e i in ing o ong ou u uan ue un",
    "w": "a ai an ang ei en eng o u",
    "": "a ai an ang ao e ei en er o ou",
}
SYLLABLES: Final = frozenset(initial + final for initial, finals in _FINALS.items() for final in finals.split())
_LONGEST: Final = max(map(len, SYLLABLES))


@lru_cache(maxsize=2048)
def folded(syllable: str) -> str:
    """As it sounds where zh is z, n is l, and -ing is -in; `shu` of a letter alone (`zh`) works too."""
    for initial in _INITIALS:
        if syllable.startswith(initial):
            break
    else:
        initial = ""
    rest = syllable.removeprefix(initial).replace("v", "u")
    if rest.endswith(("ing", "eng")):
        rest = rest[:-1]
    return _FOLDED.get(initial, initial) + rest


def letter(syllable: str) -> str:
    """The letter that somebody types for it."""
    return syllable[:1]


def ways_to_cut(letters: str) -> list[tuple[str, ...]]:
    """The best ways to read Latin letters as syllables; a part `z*` is a letter that stands for a syllable's beginning.

    All have the fewest pieces; which of them means something, only the index can tell. Empty where letters are
    neither (`eu` cannot begin a syllable).
    """
    # best[i]: the least cost of the first i letters, and where its last pieces begin.
    best: list[tuple[float, list[tuple[int, str]]]] = [(0.0, [])]
    for end in range(1, len(letters) + 1):
        found: tuple[float, list[tuple[int, str]]] = (float("inf"), [])
        for start in range(max(0, end - _LONGEST), end):
            piece = letters[start:end]
            if piece in SYLLABLES:
                cost = best[start][0] + 1
            elif piece in _INITIALS:
                cost, piece = best[start][0] + _BARE, piece + "*"
            else:
                continue
            if cost < found[0] - 1e-9:
                found = (cost, [(start, piece)])
            elif abs(cost - found[0]) < 1e-9:
                found[1].append((start, piece))
        best.append(found)

    def walk(end: int) -> Iterator[tuple[str, ...]]:
        if end == 0:
            yield ()
            return
        for start, piece in best[end][1]:
            for before in walk(start):
                yield (*before, piece)

    ways: list[tuple[str, ...]] = []
    for way in walk(len(letters)):
        ways.append(way)
        if len(ways) == _MOST_WAYS:
            break
    return ways
