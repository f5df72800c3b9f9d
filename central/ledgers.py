"""Site ledgers: what a station says it has written against what the county holds, chain by chain."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Verdict = Literal["equal", "behind", "newer", "forked"]


@dataclass(frozen=True)
class Chain:
    """One run of a station's program (incarnation) in one database (home): the highest serial on both sides.

    `equal` proves that created = held: the chain's head is the same document. `behind`: the county lacks the last
    ones. `newer`: more has come since the report. `forked`: two documents bear one serial.
    """

    incarnation: str
    home: str
    created: int
    held: int
    verdict: Verdict

    @property
    def missing(self) -> int:
        return max(self.created - self.held, 0)


def compared(reported: Iterable[Sequence[Any]], held: Iterable[tuple[str, str, int, str]]) -> list[Chain]:
    """Every chain of a station; rows are (incarnation, home, serial, id of the event that bears it or its hash)."""
    says = {(row[0], row[1]): (int(row[2]), _hash_in(str(row[3]))) for row in reported}
    holds = {(row[0], row[1]): (row[2], _hash_in(row[3])) for row in held}
    chains = []
    for incarnation, home in sorted({*says, *holds}):
        created, said_head = says.get((incarnation, home), (0, ""))
        serial, head = holds.get((incarnation, home), (0, ""))
        chains.append(Chain(incarnation, home, created, serial, _verdict(created, said_head, serial, head)))
    return chains


def _hash_in(head: str) -> str:
    return head.rpartition(":")[2]


def _verdict(created: int, said_head: str, held: int, head: str) -> Verdict:
    if created != held:
        return "behind" if created > held else "newer"
    return "equal" if said_head == head else "forked"
