"""Acts that did not know of one another: which of them holds for now, and by what rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

BOTH = "both"
DECISION = "decision"
EARLIER = "earlier"
HANDLER = "handler"
LATER = "later"
SETTLEMENT = "settlement"

RULES = {
    BOTH: "两个都算。",
    DECISION: "有权机关的决定先算，撤回等有权的人来定。",
    EARLIER: "先作出的先算。",
    HANDLER: "受理以后，承办窗口登记的优先。",
    LATER: "后登记的先算。",
    SETTLEMENT: "已经定过的先算。",
}
"""What holds for now, as a sentence that both sides read."""


@dataclass(frozen=True)
class Clash:
    """One row: acts of kinds `one` and `other`, concurrent; `why` is the reason for the rule.

    `agree` says when they are no clash at all: two that say the same both hold.
    """

    one: str
    other: str
    rule: str
    agree: str
    why: str


CLASHES: tuple[Clash, ...] = (
    Clash("accepted", "accepted", BOTH, "总是", "受理两次还是受理；时间从先受理的算，对办事人有利。"),
    Clash("accepted", "decided", BOTH, "总是", "决定不以另一处的受理为前提。"),
    Clash(
        "accepted",
        "withdrawn",
        EARLIER,
        "事项允许撤回到决定前",
        "受理前可撤的事项，先撤的已经撤了，先受理的已经不能撤。",
    ),
    Clash(
        "decided",
        "decided",
        EARLIER,
        "结论相同；不予的，理由也相同",
        "两个决定都出自有权的人，先作出的已经生效。",
    ),
    Clash("decided", "withdrawn", DECISION, "从不", "决定出自有权机关，撤销之前有效；撤回只是没赶上。"),
    Clash("withdrawn", "withdrawn", BOTH, "总是", "撤回两次还是撤回。"),
    Clash("settled", "settled", EARLIER, "定得一样", "两个人都有权定，先定的先算。"),
    Clash("settled", "decided", SETTLEMENT, "定的就是这个结论", "定的人看过两边，后来的这一个没有。"),
    Clash("settled", "withdrawn", SETTLEMENT, "定的就是撤回", "定的人看过两边，后来的这一个没有。"),
    Clash(
        "field_corrected",
        "field_corrected",
        HANDLER,
        "同一栏改成一样",
        "承办窗口受理后对登记内容负责；都是或都不是承办窗口的，以离办事人最近的一次为准（后登记的先算）。",
    ),
    Clash("settled", "field_corrected", SETTLEMENT, "改成一样", "定的人看过两边，后来的这一个没有。"),
)
"""Every pair of kinds that can clash. A pair that is not here: both hold."""

_BY_PAIR = {frozenset({clash.one, clash.other}): clash for clash in CLASHES}


def rule_of(kinds: Sequence[str], terms: Mapping[str, Any] | None) -> str:
    """The rule for two or more concurrent acts of these kinds under these terms; of several the strongest
    counts.
    """
    rules = {_rule(one, other, terms) for one, other in combinations(kinds, 2)}
    return next(rule for rule in (SETTLEMENT, DECISION, HANDLER, EARLIER, BOTH) if rule in rules)


def _rule(one: str, other: str, terms: Mapping[str, Any] | None) -> str:
    clash = _BY_PAIR.get(frozenset({one, other}))
    if clash is None:
        return BOTH
    if {one, other} == {"accepted", "withdrawn"} and terms is not None and terms["withdraw_until"] == "decided":
        return BOTH
    return clash.rule
