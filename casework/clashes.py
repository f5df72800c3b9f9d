"""Acts that did not know of one another: which of them holds for now, and by what rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

BOTH = "both"
ACCEPTANCE = "acceptance"
DECISION = "decision"
DELIVERY = "delivery"
EARLIER = "earlier"
HANDLER = "handler"
LATER = "later"
REVOCATION = "revocation"
SETTLEMENT = "settlement"

RULES = {
    BOTH: "两个都算。",
    ACCEPTANCE: "受理先算：受理对机关有约束力，也对办事人有利。",
    DECISION: "有权机关的决定先算，另一个等有权的人来定。",
    DELIVERY: "已经送达的先算，另一个等有权的人来定。",
    EARLIER: "先作出的先算。",
    HANDLER: "受理以后，承办窗口登记的优先。",
    LATER: "后登记的先算。",
    REVOCATION: "撤销先算，已经发出去的要追回，等有权的人来定。",
    SETTLEMENT: "已经定过的先算。",
}
"""What holds for now, as a sentence that both sides read."""

FINISHES = ("closed", "filed")
"""Acts that put no outcome of their own into a case: each stands for the outcome that it closes or files (办结、归档按
所办结的结果算)."""

_ENDINGS = ("not_accepted", "withdrawn", "returned", "voided")


@dataclass(frozen=True)
class Clash:
    """One row: an act of a kind in `one` and one of a kind in `other`, concurrent; `why` is the reason for the rule.

    `agree` says when they are no clash at all: two that say the same both hold.
    """

    one: tuple[str, ...]
    other: tuple[str, ...]
    rule: str
    agree: str
    why: str


CLASHES: tuple[Clash, ...] = (
    # -- settled, which is an act on the same point --------------------------------------------------------------
    Clash(("settled",), ("settled",), EARLIER, "定得一样", "两个人都有权定，先定的先算。"),
    Clash(
        ("settled",),
        (*_ENDINGS, "accepted", "suspended", "decided", "decision_revoked", "delivered"),
        SETTLEMENT,
        "定的就是这个结果",
        "定的人看过两边，后来的这一个没有。",
    ),
    Clash(("settled",), ("correction_requested", "corrected", "resumed"), BOTH, "总是", "这些不改变已经定的结果。"),
    # -- before and at acceptance --------------------------------------------------------------------------------
    Clash(("accepted",), ("accepted",), BOTH, "总是", "受理两次还是受理；时间从先受理的算，对办事人有利。"),
    Clash(
        ("accepted", "suspended", "resumed"),
        ("correction_requested",),
        ACCEPTANCE,
        "从不",
        "受理以后不能再要求补正（行政许可法第32条）；还缺的材料按容缺后补。",
    ),
    Clash(
        ("accepted", "suspended", "resumed"),
        ("not_accepted", "returned"),
        ACCEPTANCE,
        "从不",
        "受理对机关有约束力，不能一处受理、一处不办。",
    ),
    Clash(
        ("accepted",),
        ("withdrawn",),
        EARLIER,
        "事项允许撤回到决定前（或某一环节前）",
        "受理前可撤的事项，先撤的已经撤了，先受理的已经不能撤。",
    ),
    Clash(
        ("accepted",),
        ("decided", "delivered", "decision_revoked", "suspended", "resumed", "voided"),
        BOTH,
        "总是",
        "另一处的受理不妨碍往后的办理，也不因作废而变。",
    ),
    Clash(
        ("correction_requested",),
        ("correction_requested",),
        BOTH,
        "总是",
        "两份告知书合起来是一次；各自补齐才算补齐。",
    ),
    Clash(
        ("correction_requested",),
        ("not_accepted", "returned"),
        EARLIER,
        "从不",
        "都是有权说受理不受理的人，先说的先算。",
    ),
    Clash(("correction_requested",), ("withdrawn", "voided"), BOTH, "总是", "不办了，就不用补正了。"),
    Clash(
        ("corrected",),
        (
            *_ENDINGS,
            *("corrected", "correction_requested", "accepted", "suspended", "resumed"),
            *("decided", "decision_revoked", "delivered"),
        ),
        BOTH,
        "总是",
        "补正只是把要的材料补上，不是一个结果。",
    ),
    # -- on the way ----------------------------------------------------------------------------------------------
    Clash(("suspended", "resumed"), ("suspended", "resumed"), BOTH, "总是", "各自的挂起各自恢复；都恢复了才恢复。"),
    Clash(("suspended", "resumed"), ("withdrawn", "voided"), BOTH, "总是", "不办了，就不用挂起了。"),
    Clash(("resumed",), ("decided", "delivered", "decision_revoked"), BOTH, "总是", "恢复办理不是一个结果。"),
    Clash(
        ("decided", "delivered"),
        ("suspended",),
        DECISION,
        "从不",
        "挂起是为了等一个结果才决定；决定已经作出，要不要撤销由作决定的人定。",
    ),
    # -- decisions -----------------------------------------------------------------------------------------------
    Clash(
        ("decided",),
        ("decided",),
        EARLIER,
        "结论相同；不予的，理由也相同",
        "两个决定都出自有权的人，先作出的已经生效。",
    ),
    Clash(
        ("decided", "delivered"),
        ("withdrawn",),
        DECISION,
        "从不",
        "决定出自有权机关，撤销之前有效；撤回只是没赶上。",
    ),
    Clash(
        ("decided", "delivered"),
        ("correction_requested", "not_accepted", "returned"),
        DECISION,
        "从不",
        "已经决定的，撤销之前有效。",
    ),
    Clash(("decided",), ("voided",), DECISION, "从不", "决定撤销之前有效；收错了的，由决定机关先撤销。"),
    Clash(("delivered",), ("voided",), DELIVERY, "从不", "结果已经在办事人手里，先要有人去追，才能作废。"),
    Clash(
        ("delivered",),
        ("decided",),
        DELIVERY,
        "送达的就是这个结论",
        "另一个决定已经到了办事人手里。",
    ),
    Clash(("delivered",), ("delivered",), EARLIER, "领的是同一个人", "一份结果两个人领，先领的先算，另一份要查。"),
    Clash(
        ("decision_revoked",),
        ("decided", "delivered"),
        REVOCATION,
        "从不",
        "撤销的人知道决定错了；送出去的要追回。",
    ),
    Clash(
        ("decision_revoked",),
        (*_ENDINGS, "decision_revoked", "correction_requested", "suspended"),
        BOTH,
        "总是",
        "决定既然撤销，没赶上的撤回、挂起、不办就不再和它相争。",
    ),
    # -- other ends ----------------------------------------------------------------------------------------------
    Clash(("not_accepted",), ("withdrawn",), DECISION, "从不", "不予受理有救济途径，撤回没有；等有权的人来定。"),
    Clash(("not_accepted",), ("returned",), EARLIER, "从不", "都是不再办，理由和救济不同；先作出的先算。"),
    Clash(("returned",), ("withdrawn",), DECISION, "从不", "退件出自有权机关；等有权的人来定。"),
    Clash(("voided",), _ENDINGS, BOTH, "总是", "都是不再办。"),
    Clash(("not_accepted",), ("not_accepted",), BOTH, "总是", "两次都是不予受理。"),
    Clash(("returned",), ("returned",), BOTH, "总是", "两次都是退件。"),
    Clash(("withdrawn",), ("withdrawn",), BOTH, "总是", "撤回两次还是撤回。"),
    # -- what was entered ----------------------------------------------------------------------------------------
    Clash(
        ("field_corrected",),
        ("field_corrected",),
        HANDLER,
        "同一栏改成一样",
        "承办窗口受理后对登记内容负责；都是或都不是承办窗口的，以离办事人最近的一次为准（后登记的先算）。",
    ),
    Clash(("settled",), ("field_corrected",), SETTLEMENT, "改成一样", "定的人看过两边，后来的这一个没有。"),
    # -- clocks and steps ----------------------------------------------------------------------------------------
    Clash(("extended",), ("extended",), BOTH, "总是", "只能延长一次：两处都延长的，按长的算一次。"),
    Clash(
        ("step_done", "step_skipped"),
        ("step_done", "step_skipped"),
        BOTH,
        "总是",
        "意见都在，决定的人都要看；环节从先办完的那天算。",
    ),
    Clash(("forwarded",), ("forwarded",), BOTH, "总是", "转过的都参与；由后转到的承办。"),
    Clash(("rated",), ("rated",), BOTH, "总是", "评价低的算，要有人回访。"),
)
"""Every pair of kinds that can clash, and every pair that changes the outcome. Any other pair: both hold. Where both
hold and only one can be the state, the one that was first in order is."""

PRECEDENCE = (
    "settled",
    "decision_revoked",
    "delivered",
    "decided",
    "accepted",
    "resumed",
    "suspended",
    "not_accepted",
    "returned",
    "correction_requested",
    "corrected",
    "withdrawn",
    "voided",
)
"""Of sides that cannot all hold, the kind that stands first here does; of one kind the earlier. Where all the rules are
EARLIER, only the order counts."""

_BY_PAIR: dict[frozenset[str], Clash] = {
    frozenset({one, other}): clash for clash in CLASHES for one in clash.one for other in clash.other
}


def clash_of(one: str, other: str) -> Clash | None:
    """The row for concurrent acts of these two kinds; None: both hold."""
    return _BY_PAIR.get(frozenset({one, other}))


def rule_of(kinds: Sequence[str], terms: Mapping[str, Any] | None) -> str:
    """The rule for two or more concurrent acts of these kinds under these terms; of several the strongest
    counts.
    """
    rules = {_rule(one, other, terms) for one, other in combinations(kinds, 2)}
    return next(rule for rule in _STRONGEST if rule in rules)


_STRONGEST = (SETTLEMENT, REVOCATION, DELIVERY, DECISION, ACCEPTANCE, HANDLER, LATER, EARLIER, BOTH)


def _rule(one: str, other: str, terms: Mapping[str, Any] | None) -> str:
    clash = clash_of(one, other)
    if clash is None:
        return BOTH
    if {one, other} == {"accepted", "withdrawn"} and terms is not None:
        until = str(terms["withdraw_until"])
        return EARLIER if until in {"accepted", "never"} else BOTH
    return clash.rule
