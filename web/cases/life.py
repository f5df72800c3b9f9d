"""How cases go (办件怎么走), as a lawyer reads it: rows of the code's own tables of transitions, rights and clashes."""

from __future__ import annotations

from dataclasses import dataclass

from casework.clashes import CLASHES, RULES
from casework.rights import (
    ACCEPTS,
    ANYWHERE,
    DECIDES,
    OWN,
    PART,
    RIGHTS,
    ROLE_NAMES,
    STATION_ITSELF,
    STEP,
    UNDER,
)
from casework.transitions import STATES, TRANSITIONS, UNRECEIVED

REACHES = {
    OWN: "本站收的",
    UNDER: "本站收的，或由本乡镇办的",
    ACCEPTS: "流程写明由其受理的",
    DECIDES: "由其决定的",
    STEP: "流程写明由其办的环节",
    PART: "经过其手的",
    ANYWHERE: "全县的",
}


@dataclass(frozen=True)
class Phase:
    """One row: an act, from which states to which, who may, by which clause, what it demands and hands out."""

    title: str
    from_states: str
    to_state: str
    who: list[str]
    clause: str
    demands: str
    paper: str


@dataclass(frozen=True)
class ClashInWords:
    """One row: what meets what, what holds for now, when they agree, and why so."""

    one: str
    other: str
    rule: str
    agree: str
    why: str


def phases() -> list[Phase]:
    return [
        Phase(
            title=row.title,
            from_states=_states(row.from_states),
            to_state=STATES[row.to_state] if row.to_state is not None else "不变",
            who=_who(row.kind),
            clause=row.clause,
            demands=row.demands,
            paper=row.paper or "",
        )
        for row in TRANSITIONS.values()
    ]


def clashes() -> list[ClashInWords]:
    return [ClashInWords(_acts(row.one), _acts(row.other), RULES[row.rule], row.agree, row.why) for row in CLASHES]


def _states(states: frozenset[str]) -> str:
    if states == frozenset(STATES):
        return "任何时候"
    if states == frozenset(STATES) - {UNRECEIVED}:
        return "收件以后任何时候"
    return "、".join(title for state, title in STATES.items() if state in states)


def _who(kind: str) -> list[str]:
    by_reach: dict[tuple[str, str], None] = {}
    for role, _kinds, reach in RIGHTS[kind]:
        if role != STATION_ITSELF:
            by_reach[(ROLE_NAMES[role], REACHES[reach])] = None
    return [f"{role}：{reach}" for role, reach in by_reach]


def _acts(kinds: tuple[str, ...]) -> str:
    return "、".join(TRANSITIONS[kind].title for kind in kinds)
