"""The life of a case as a table: which act is possible in which state, under which clause, and what it hands out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from casework.flow import MOST_EXTENSION, READY, RUNNING, step_of, still_open

UNRECEIVED = "unreceived"
"""No valid intake is here (yet)."""

STATES = {
    UNRECEIVED: "收件记录还没有到",
    "received": "已收件",
    "correction": "等补正",
    "corrected": "已补正",
    "not_accepted": "不予受理",
    "accepted": "已受理",
    "suspended": "已挂起",
    "decided": "已决定",
    "revoked": "决定已撤销",
    "returned": "已退件",
    "withdrawn": "已撤回",
    "voided": "已作废",
    "closed": "已办结",
    "delivered": "已送达",
    "filed": "已归档",
}
"""Every state that a case can be in, with the word that people read."""

OPEN_STATES = ("received", "correction", "corrected", "accepted", "suspended", "revoked")
"""Somebody still has to decide."""
CLOSED_STATES = tuple(state for state in STATES if state not in OPEN_STATES and state != UNRECEIVED)
UNACCEPTED_STATES = ("received", "correction", "corrected")
"""Nobody has said yet whether it is accepted."""

_ANY = frozenset(STATES)
_HERE = _ANY - {UNRECEIVED}
_OPEN = frozenset(OPEN_STATES)
_DECIDED = frozenset({"decided", "closed", "delivered", "filed"})
_ENDED = frozenset({"not_accepted", "returned", "withdrawn", "voided"})


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
        # -- taking in -------------------------------------------------------------------------------------------
        Transition(
            "received",
            "收件",
            frozenset({UNRECEIVED}),
            "received",
            "行政许可法第29条、第32条",
            "办事人、表单、材料清单；事项的办理条款须有县中心签名",
            "接收回执、材料接收清单",
        ),
        Transition(
            "correction_requested",
            "要求补正",
            frozenset({"received", "corrected"}),
            "correction",
            "行政许可法第32条第1款第4项",
            "一次写明全部要补正的内容；只能要求一次",
            "一次性补正告知书",
        ),
        Transition(
            "corrected",
            "补正",
            frozenset({"correction"}),
            "corrected",
            "行政许可法第32条第1款第4项、第5项",
            "要补的都补了，或者写明为什么不补",
            "材料接收清单",
        ),
        Transition(
            "accepted",
            "受理",
            frozenset({"received", "corrected"}),
            "accepted",
            "行政许可法第32条第1款第5项、第2款",
            "材料齐全，或者同意容缺",
            "受理回执",
        ),
        Transition(
            "not_accepted",
            "不予受理",
            frozenset(UNACCEPTED_STATES),
            "not_accepted",
            "行政许可法第32条第1款第1项、第2项、第2款",
            "理由；救济途径印在通知书上",
            "不予受理通知书",
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
            "proxy_appointed",
            "委托代办",
            _HERE - _ENDED,
            None,
            "民法典第165条；行政许可法第29条第2款",
            "受托人、事项、权限、期限、签名或按印",
            "授权委托书",
        ),
        Transition(
            "proxy_ended",
            "终止委托",
            _HERE,
            None,
            "民法典第173条",
            "原因",
            "终止单",
        ),
        # -- on its way ------------------------------------------------------------------------------------------
        Transition(
            "forwarded",
            "转办",
            _OPEN,
            None,
            "行政许可法第43条（逐级上报）；同城通办",
            "转给哪个站点或部门、意见",
            "物料流转凭证",
        ),
        Transition(
            "sent_back",
            "退回重办",
            _OPEN,
            None,
            "退回件须写明原因",
            "退给哪个站点、原因",
            "物料流转凭证",
        ),
        Transition(
            "handed_over",
            "移交材料",
            _HERE,
            None,
            "代办材料交接规则",
            "交给谁、哪些材料",
            "物料流转凭证",
        ),
        Transition(
            "taken_over",
            "接收材料",
            _HERE,
            None,
            "代办材料交接规则",
            "哪一次移交、少了什么、多了什么",
            "物料流转凭证",
        ),
        # -- the item's own steps --------------------------------------------------------------------------------
        Transition(
            "step_started",
            "开始环节",
            frozenset({"accepted", "suspended"}),
            None,
            "事项的办理流程",
            "哪个环节；轮到它了",
            "踏勘联系单、抄告单",
        ),
        Transition(
            "step_done",
            "完成环节",
            frozenset({"accepted", "suspended"}),
            None,
            "事项的办理流程",
            "哪个环节、结果、意见",
        ),
        Transition(
            "step_skipped",
            "跳过环节",
            frozenset({"accepted", "suspended"}),
            None,
            "事项的办理流程（可跳过的环节）",
            "哪个环节、为什么",
        ),
        Transition(
            "suspended",
            "挂起",
            frozenset({"accepted"}),
            "suspended",
            "行政许可法第45条（须书面告知所需时间）",
            "特别程序的名称、原因、大概要多久",
            "特殊程序期限告知书、中止单",
        ),
        Transition(
            "resumed",
            "恢复办理",
            frozenset({"suspended"}),
            "accepted",
            "行政许可法第45条",
            "结果或原因",
        ),
        Transition(
            "extended",
            "延长期限",
            frozenset({"accepted", "suspended"}),
            None,
            "行政许可法第42条（经负责人批准，告知理由）",
            "延长几天、理由、谁批准；只能延长一次",
            "延长办理期限通知书",
        ),
        Transition(
            "fee_noticed",
            "告知缴费",
            _OPEN | _DECIDED,
            None,
            "行政许可法第58条、第59条",
            "金额、依据",
            "缴费通知书",
        ),
        Transition(
            "fee_paid",
            "登记缴费",
            _OPEN | _DECIDED,
            None,
            "行政许可法第59条（开具票据）",
            "金额、票据号",
        ),
        # -- how it ends -----------------------------------------------------------------------------------------
        Transition(
            "decided",
            "决定",
            frozenset({"received", "corrected", "accepted", "revoked"}),
            "decided",
            "行政许可法第34条、第38条",
            "结论；不予的须说明理由（第38条第2款）；准予的，该办的环节都办了",
            "准予（不予）许可决定书、证明",
        ),
        Transition(
            "decision_corrected",
            "更正决定",
            _DECIDED,
            None,
            "行政处分的更正：谁作出谁更正",
            "更正什么、理由",
            "决定书（第2版）",
        ),
        Transition(
            "decision_revoked",
            "撤销决定",
            _DECIDED,
            "revoked",
            "行政许可法第69条",
            "理由",
            "撤销决定书",
        ),
        Transition(
            "returned",
            "退件",
            _OPEN - {"revoked"},
            "returned",
            "补正逾期等不能再办的情形",
            "原因",
            "终止单",
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
            "voided",
            "作废",
            _OPEN,
            "voided",
            "收错事项、收错人的作废",
            "原因；另有正确办件的写明编号",
            "终止单",
        ),
        Transition(
            "closed",
            "办结",
            frozenset({"decided", "revoked"}) | _ENDED,
            "closed",
            "办结即归卷（种子003）",
            "可写明说明",
        ),
        Transition(
            "delivered",
            "送达",
            frozenset({"decided", "closed"}),
            "delivered",
            "行政许可法第44条（10日内送达）",
            "谁领的、凭什么",
            "送达回证",
        ),
        Transition(
            "filed",
            "归档",
            frozenset({"closed", "delivered"}),
            "filed",
            "归档规则",
            "卷号、保管期限",
        ),
        Transition(
            "rated",
            "评价",
            _HERE - _OPEN,
            None,
            "GB/T 39046-2020 A.8（五级评价）",
            "等级；差评写明原因",
        ),
        # -- putting right ---------------------------------------------------------------------------------------
        Transition(
            "paper_issued",
            "出具文书",
            _HERE,
            None,
            "行政许可法第32条第2款（加盖专用印章、注明日期）",
            "哪种文书、第几版",
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
        Transition(
            "admitted",
            "准许记录算数",
            _ANY,
            None,
            "县中心核实后准许",
            "哪条记录、理由",
        ),
    )
}
"""The table, by event kind."""

ENDS_WHAT_WAS_SEEN = {"corrected": "correction_requested", "resumed": "suspended"}
"""Acts that end an earlier one; what was entered elsewhere meanwhile goes on."""


@dataclass(frozen=True)
class Standing:
    """How a case stands for whoever is about to act: as much of it as the table asks for."""

    state: str = UNRECEIVED
    terms: Mapping[str, Any] | None = None
    steps: Mapping[str, str] = field(default_factory=dict)
    """Where each step of the flow stands, by id."""
    correction_asked: bool = False
    extended: bool = False
    rated: bool = False
    decided: bool = False
    """There is a decision, and nobody has taken it back."""
    contested: bool = False
    """The outcome has two sides that nobody has settled."""

    @classmethod
    def of(cls, case: Mapping[str, Any] | None) -> Standing:
        """Reads it off a folded case; None is one that is only being taken in."""
        if case is None:
            return cls()
        return cls(
            state=case["state"],
            terms=case["item"],
            steps={step["id"]: step["state"] for step in case["steps"]},
            correction_asked=bool(case["corrections"]),
            extended=bool(case["extensions"]),
            rated=case["rating"] is not None,
            decided=case["decision"] is not None and case["decision"]["revoked"] is None,
            contested=any(point["topic"] == "outcome" for point in case["contested"]),
        )

    @property
    def flow(self) -> Mapping[str, Any] | None:
        return self.terms.get("flow") if self.terms is not None else None


def can_follow(kind: str, state: str, terms: Mapping[str, Any] | None) -> bool:
    """Whether the state alone lets an act of this kind happen. Unknown kinds always may: a newer station knows them."""
    row = TRANSITIONS.get(kind)
    if row is None:
        return True
    if state not in row.from_states:
        return False
    flow = terms.get("flow") if terms is not None else None
    # An item with a flow of its own is decided once it is accepted; the plain one right after intake.
    return kind != "decided" or flow is None or state in {"accepted", "revoked"}


def obstacle(kind: str, standing: Standing, data: Mapping[str, Any]) -> str | None:
    """What stands in the way of this act, as a sentence with what to do; None when it can be done."""
    row = TRANSITIONS.get(kind)
    if row is None:
        return None
    if not can_follow(kind, standing.state, standing.terms):
        return _why_not_in_this_state(row, standing)
    if standing.contested and row.to_state is not None:
        return "这件办件的结果有两个说法，先把争议定下来。"
    match kind:
        case "withdrawn":
            return _why_no_withdrawal(standing)
        case "correction_requested" if standing.correction_asked:
            return "补正只能要求一次，已经要求过了。材料还不齐的，请决定受理（容缺）或者不予受理。"
        case "extended" if standing.extended:
            return "期限只能延长一次，已经延长过了。"
        case "extended" if int(data.get("days", 0)) > most_extension(standing.flow):
            return f"最多延长 {most_extension(standing.flow)} 个工作日。"
        case "decision_corrected" | "decision_revoked" if not standing.decided:
            return f"这件办件没有可以{row.title.removesuffix('决定')}的决定。"
        case "rated" if standing.rated:
            return "已经评价过了。"
        case "step_started" | "step_done" | "step_skipped":
            return _why_not_this_step(kind, standing, str(data.get("step", "")))
        case "decided" if data.get("outcome") == "granted":
            return _why_not_granted(standing)
        case _:
            return None


def most_extension(flow: Mapping[str, Any] | None) -> int:
    """By how many working days the limit may be extended."""
    return int((flow or {}).get("extension", {}).get("most", MOST_EXTENSION))


def _why_not_in_this_state(row: Transition, standing: Standing) -> str:
    kind, title, state = row.kind, row.title, standing.state
    if kind == "received":
        return "这个编号已经收过件，请另取一个编号。"
    if kind == "decided" and state in UNACCEPTED_STATES:
        return "这件还没有受理，不能决定。请先受理、要求补正或者不予受理。"
    said = {
        UNRECEIVED: f"还没有收到这件办件的收件记录，不能{title}。等下次联系后再试。",
        "received": f"这件办件还没有受理，不能{title}。",
        "correction": f"这件办件在等办事人补正，不能{title}。补齐后再办。",
        "corrected": f"这件办件已经补正、还没有受理，不能{title}。",
        "accepted": f"这件办件已经受理，不能{title}。" if kind != "accepted" else "这件办件已经受理，不用再受理。",
        "suspended": f"这件办件挂起了，不能{title}。请先恢复办理。",
        "decided": f"这件办件已经作出决定，不能再{title}。",
        "revoked": f"这件办件的决定已经撤销，不能{title}。请重新决定。",
        "withdrawn": f"这件办件已经撤回，不能再{title}。要办请重新收件。",
        "returned": f"这件办件已经退件，不能再{title}。要办请重新收件。",
        "voided": f"这件办件已经作废，不能再{title}。",
        "not_accepted": f"这件办件不予受理，不能再{title}。",
        "delivered": f"这件办件的结果已经送达，不能再{title}。",
    }
    return said.get(state, f"这件办件{STATES.get(state, state)}，不能{title}。")


def _why_no_withdrawal(standing: Standing) -> str | None:
    terms = standing.terms
    if terms is None:
        return None
    until = str(terms.get("withdraw_until"))
    if until.startswith("step:"):
        step = step_of(standing.flow, until.removeprefix("step:"))
        if step is None or standing.steps.get(step["id"]) not in {RUNNING, "done", "skipped"}:
            return None
        return f"已经到了“{step['title']}”，这个事项从这一步起不能撤回。请办事人直接与决定机关联系。"
    if until == "decided" or (until == "accepted" and standing.state in UNACCEPTED_STATES):
        return None
    from_when = "收件" if until == "never" else "受理"
    return f"这个事项{from_when}后不能撤回。请办事人直接与决定机关联系。"


def _why_not_this_step(kind: str, standing: Standing, identifier: str) -> str | None:
    step = step_of(standing.flow, identifier)
    if step is None:
        return "这个事项的流程里没有这个环节，请从列出来的环节里选。"
    state = standing.steps.get(identifier)
    if state not in ({READY} if kind == "step_started" else {READY, RUNNING}):
        waiting = {"waiting": "还没轮到，前面的环节没办完", "not_applicable": "这次用不上"}
        return f"“{step['title']}”{waiting.get(str(state), '已经办过了')}。"
    if kind == "step_skipped" and not step.get("skippable", False):
        return f"“{step['title']}”是必办环节，不能跳过。"
    return None


def _why_not_granted(standing: Standing) -> str | None:
    # What a case still lacks keeps it from being granted, not from being refused.
    titles = [
        f"“{step['title']}”"
        for name in still_open(standing.steps)
        if (step := step_of(standing.flow, name)) is not None
    ]
    return f"还有环节没办完：{'、'.join(titles)}。办完再准予。" if titles else None
