"""The life of a case as a table: which act is possible in which state, and under which clause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

UNRECEIVED = "unreceived"
"""No valid intake is here (yet)."""

STATES = {
    UNRECEIVED: "收件记录还没有到",
    "received": "已收件",
    "accepted": "已受理",
    "decided": "已决定",
    "withdrawn": "已撤回",
}
"""Every state that a case can be in, with the word that people read."""

OPEN_STATES = ("received", "accepted")
CLOSED_STATES = ("decided", "withdrawn")

_ANY = frozenset(STATES)
_OPEN = frozenset(OPEN_STATES)


@dataclass(frozen=True)
class Transition:
    """One row: the act `kind` is possible in `from_states` and leads to `to_state` (None: the state stays).

    `clause` is the law or rule that it rests on, `demands` what must be said or shown, `paper` what is handed
    out. Who may do it stands in `casework.rights`.
    """

    kind: str
    title: str
    from_states: frozenset[str]
    to_state: str | None
    clause: str
    demands: str
    paper: str | None = None


TRANSITIONS: dict[str, Transition] = {
    row.kind: row
    for row in (
        Transition(
            "received",
            "收件",
            frozenset({UNRECEIVED}),
            "received",
            "行政许可法第29条、第32条",
            "办事人、表单、材料清单；事项的办理条款须有县中心签名",
            "接收回执",
        ),
        Transition(
            "accepted",
            "受理",
            frozenset({"received"}),
            "accepted",
            "行政许可法第32条第1款第5项、第2款",
            "材料齐全，或者同意容缺",
            "受理回执",
        ),
        Transition(
            "material_added",
            "补充材料",
            _OPEN,
            None,
            "行政许可法第32条",
            "材料在清单里；附件或状态至少一样",
            "材料接收清单",
        ),
        Transition(
            "field_corrected",
            "更正",
            _OPEN,
            None,
            "行政许可法第32条第1款第3项（当场更正）",
            "改哪一栏、改成什么",
        ),
        Transition(
            "decided",
            "决定",
            _OPEN,
            "decided",
            "行政许可法第34条、第38条",
            "结论；不予的须说明理由（第38条第2款）",
            "准予（不予）决定书",
        ),
        Transition(
            "withdrawn",
            "撤回",
            _OPEN,
            "withdrawn",
            "事项自己的撤回规则（withdraw_until）",
            "撤回的原因；还在事项允许撤回的阶段",
            "终止单",
        ),
        Transition(
            "clock_corrected",
            "更正时间",
            _ANY,
            None,
            "期限以实际时间为准（民法典第200条、第201条）",
            "哪些记录、差多少毫秒、怎么知道的",
        ),
        Transition("settled", "定争议", _ANY, None, "有权的人说明理由后定", "哪一点、以哪个为准、理由"),
    )
}
"""The table, by event kind."""


def can_follow(kind: str, state: str, terms: Mapping[str, Any] | None) -> bool:
    """Whether an act of this kind is possible in this state, under these terms. Unknown kinds always are."""
    row = TRANSITIONS.get(kind)
    if row is None:
        return True
    if state not in row.from_states:
        return False
    if kind == "withdrawn" and terms is not None:
        until = terms.get("withdraw_until")
        return until == "decided" or (until == "accepted" and state == "received")
    return True


def why_not(kind: str, state: str, terms: Mapping[str, Any] | None) -> str:
    """The sentence for an act that `can_follow` refuses: what stands in the way, and what to do."""
    title = TRANSITIONS[kind].title if kind in TRANSITIONS else kind
    if kind == "received":
        return "这个编号已经收过件，请另取一个编号。"
    if kind == "withdrawn" and state in OPEN_STATES and terms is not None:
        from_when = "收件" if terms.get("withdraw_until") == "never" else "受理"
        return f"这个事项{from_when}后不能撤回。请办事人直接与决定机关联系。"
    said = {
        UNRECEIVED: f"还没有收到这件办件的收件记录，不能{title}。等下次联系后再试。",
        "accepted": f"这件办件已经受理，不用再{title}。",
        "decided": f"这件办件已经作出决定，不能再{title}。",
        "withdrawn": f"这件办件已经撤回，不能再{title}。要办请重新收件。",
    }
    return said.get(state, f"这件办件现在是“{STATES.get(state, state)}”，不能{title}。")
