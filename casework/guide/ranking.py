"""How answers are ranked: what a question and a phrase have in common, by characters and by sound.

A gram is a character, two that follow one another (or with one between them), or two syllables; what it says is its
weight times how rare it is among the items.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from casework.guide.sounds import folded

# Weight of a field's phrases, and how much a phrase's own length counts against it: a name asked for in full
# is worth more than one half asked for, while a long condition may be about more than the question.
FIELDS: Final[dict[str, tuple[float, float]]] = {
    "name": (1.0, 0.30),
    "also_called": (1.0, 0.30),
    "said": (1.0, 0.30),
    "conditions": (0.50, 0.04),
    "faq": (0.45, 0.06),
    "materials": (0.30, 0.10),
}
FIELD_NAMES: Final = tuple(FIELDS)

SINGLE, PAIR, GAP = 0.30, 1.0, 0.38
SOUND_PAIR, SOUND_GAP = 0.60, 0.25
SWAPPED: Final = 0.35
"""What 身证份 gets for each pair that stands the wrong way round."""

UNANSWERED: Final = 0.35
"""What a part of the question that a phrase does not have counts against it."""
COVERAGE: Final = 1.0
"""Of the score: how much of the question the whole item covers, besides its best phrase."""
SELDOM: Final = 0.5
"""How little a gram says for an item that has it in one phrase only, beside one that has it in many."""
EXACT, CONTAINED, BEGINS = 0.60, 0.20, 0.12
BY_SOUND: Final = 0.85
"""What an exact sound is worth beside an exact word."""
SAME_ACT, OTHER_ACT, NO_ACT, UNASKED_ACT = 0.30, -0.20, -0.12, -0.10
GROUP: Final = 0.05
TOO_COMMON: Final = 0.25
"""A single character in more of the items than this says nothing."""
FLOOR_OF_BEST, FLOOR = 0.30, 0.12


def word_grams(text: str) -> dict[str, float]:
    """Characters and pairs of a phrase or of what a question means; a pair with one between counts less."""
    text = text.replace(" ", "")
    found: dict[str, float] = dict.fromkeys(text, SINGLE)
    for first, third in zip(text, text[2:], strict=False):
        found[first + third] = GAP
    for first, second in pairwise(text):
        found[first + second] = PAIR
    return found


def gram_weight(gram: str) -> float:
    """What a gram weighs in the length of a phrase."""
    if gram[0] == "~":
        return SOUND_PAIR
    return SINGLE if len(gram) == 1 else PAIR


def swapped_grams(text: str) -> dict[str, float]:
    """Pairs the wrong way round, for a question only."""
    text = text.replace(" ", "")
    return {second + first: SWAPPED for first, second in pairwise(text) if first != second}


def sound_grams(sounds: Sequence[str]) -> dict[str, float]:
    """Pairs of (folded) syllables: `~di bao`."""
    found: dict[str, float] = {}
    for first, third in zip(sounds, sounds[2:], strict=False):
        found[f"~{first} {third}"] = SOUND_GAP
    for first, second in pairwise(sounds):
        found[f"~{first} {second}"] = SOUND_PAIR
    return found


def sound_key(sounds: Iterable[str]) -> str:
    """Under which a whole phrase is found by its sound."""
    return "~" + " ".join(sounds)


def folded_sounds(sounds: Iterable[str]) -> list[str]:
    """As they sound where zh is z."""
    return [folded(sound) for sound in sounds]


@dataclass(frozen=True, slots=True)
class Parts:
    """Of what a score is made."""

    phrase: float
    """What the best phrase has in common with the question."""
    whole: float
    """That the phrase is the question, stands in it, or begins with it."""
    coverage: float
    """How much of the question the item's phrases cover together."""
    acts: float
    """That it is about what is to be done, or about something else."""
    group: float
    """That its department or category is named."""

    @property
    def score(self) -> float:
        return self.phrase + self.whole + self.coverage + self.acts + self.group


def similarity(common: float, asked: float, size: float, own_length: float) -> float:
    """Between 0 and 1: what is common, against what else was asked and what else the phrase says."""
    if common <= 0:
        return 0.0
    return common / (common + UNANSWERED * max(asked - common, 0.0) + own_length * max(size - common, 0.0))


def act_score(asked: int, has: int) -> float:
    """Bit sets of acts: what the question wants done, and what the item's name says is done."""
    if asked and has:
        return SAME_ACT if asked & has else OTHER_ACT
    if asked:
        return NO_ACT
    return UNASKED_ACT if has else 0.0
