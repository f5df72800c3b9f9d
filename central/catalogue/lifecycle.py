"""The life cycle of an item (事项生命周期): which act leads from where to where, and whose it is. A table, and pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from casework.canonical import Document
from casework.documents.account import OF_A_DEPARTMENT

DRAFT, SUBMITTED, BY_DEPARTMENT, BY_STAFFING = "暂存", "已提交", "部门已审核", "编办已审核"
APPROVED = "已入库"
"""Taken into the library: the next release has it, and what is published stays in force until then."""
WITHDRAWING, WITHDRAWN = "待废置", "废置"

WORKED_ON: Final = (DRAFT, SUBMITTED, BY_DEPARTMENT, BY_STAFFING)
"""On the way to the library."""
STATES: Final = (*WORKED_ON, APPROVED, WITHDRAWING, WITHDRAWN)

BODIES: Final = {"department": "部门", "staffing": "编办", "service": "政务办"}
"""The three bodies (domain.md, 1) that approve, in their order."""

BODY_ROLES: Final = {"department": "approver", "staffing": "staffing", "service": "service"}
"""The role of an account that speaks for each body."""

# Who sees the whole county's items; the others (OF_A_DEPARTMENT) work on those of their own department.
OF_THE_COUNTY: Final = frozenset({"staffing", "service", "admin"})
CATALOGUE_ROLES: Final = ("reviewer", "approver", "staffing", "service", "admin")
"""Everybody who has something to do with drafts."""

_DRAFTERS = frozenset({"reviewer", "admin"})
_DEPARTMENT = frozenset({"reviewer", "approver"})


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of the table. `None` in `before` is an item that was never drafted.

    `checked`: the consistency checks stop it. `fresh`: whoever drafted the item or approved it a step before may not.
    `looked_at`: it names the hash of the content that was looked at. `reason`: it needs a comment.
    """

    act: str
    title: str
    before: frozenset[str | None]
    after: str
    roles: frozenset[str]
    body: str | None = None
    checked: bool = False
    fresh: bool = False
    looked_at: bool = False
    reason: bool = False


def _approval(body: str, before: str, after: str) -> tuple[Transition, Transition]:
    """A body's two answers to what waits for it."""
    roles = frozenset({BODY_ROLES[body]})
    return (
        Transition(
            "approve", "通过", frozenset({before}), after, roles, body, checked=True, fresh=True, looked_at=True
        ),
        Transition("send_back", "退回", frozenset({before}), DRAFT, roles, body, reason=True),
    )


TRANSITIONS: Final = (
    Transition("save", "修改", frozenset({None, DRAFT, APPROVED, WITHDRAWN}), DRAFT, _DRAFTERS),
    Transition("settle", "定下两份改动", frozenset({DRAFT}), DRAFT, _DRAFTERS),
    Transition("discard", "放弃修改", frozenset({DRAFT}), APPROVED, _DRAFTERS),
    Transition("submit", "提交", frozenset({DRAFT}), SUBMITTED, _DRAFTERS, checked=True),
    Transition("recall", "收回", frozenset({SUBMITTED}), DRAFT, _DRAFTERS),
    *_approval("department", SUBMITTED, BY_DEPARTMENT),
    *_approval("staffing", BY_DEPARTMENT, BY_STAFFING),
    *_approval("service", BY_STAFFING, APPROVED),
    Transition("withdraw", "申请废置", frozenset({APPROVED}), WITHDRAWING, _DEPARTMENT, reason=True),
    Transition(
        "approve",
        "同意废置",
        frozenset({WITHDRAWING}),
        WITHDRAWN,
        frozenset({"staffing"}),
        "staffing",
        fresh=True,
        looked_at=True,
    ),
    Transition(
        "send_back",
        "不同意废置",
        frozenset({WITHDRAWING}),
        APPROVED,
        frozenset({"staffing"}),
        "staffing",
        reason=True,
    ),
)
"""Everything that people do to an item. An import and a release are no acts of the life cycle: `import_items` brings
drafts in from any state, and publishing takes what is in the library."""

_WAITS_WITH: Final = {
    SUBMITTED: "等部门审核",
    BY_DEPARTMENT: "等编办审核",
    BY_STAFFING: "等政务办审核",
    WITHDRAWING: "等编办同意废置",
    APPROVED: "已经入库",
    WITHDRAWN: "已经废置",
    DRAFT: "还是暂存",
}


@dataclass(frozen=True, slots=True)
class Somebody:
    """Who acts, as the rules see them."""

    account: str
    roles: Collection[str]
    department: str | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """What a county has decided for itself. `one_person`: in a tiny county one person may hold several bodies'
    roles and approve a step after the other, also what they drafted; the history then says so. Not by default.
    """

    one_person: bool = False


def sees(who: Somebody, draft: Document) -> bool:
    """Whether this item is any business of theirs: a department's people see their department's alone."""
    if OF_THE_COUNTY & set(who.roles):
        return True
    return bool(OF_A_DEPARTMENT & set(who.roles)) and who.department == draft["item"].get("department")


def is_drafter(who: Somebody) -> bool:
    """Whether they write drafts at all."""
    return bool(_DRAFTERS & set(who.roles))


def transition(act: str, state: str | None, body: str | None = None) -> Transition | None:
    """The row for this act from this state, for this body where bodies act."""
    for one in TRANSITIONS:
        if one.act == act and state in one.before and (body is None or one.body in (None, body)):
            return one
    return None


def obstacle(
    act: str,
    draft: Document | None,
    who: Somebody,
    rules: Rules,
    *,
    body: str | None = None,
    comment: str = "",
    seen: str | None = None,
    now_is: str | None = None,
) -> str | None:
    """Why this act cannot be done now by this person, in a sentence; None when it can.

    `seen` is the hash of the content that was looked at, `now_is` the hash of the content as it stands.
    """
    if draft is not None and not sees(who, draft):
        return "这个事项不归您的部门。"
    state = draft["state"] if draft is not None else None
    row = transition(act, state, body)
    if row is None:
        return _not_now(act, state, body)
    if not _holds(row, who):
        return _not_yours(row)
    if act == "discard" and "stored" not in (draft or {}):
        return "这个事项还没有入过库，没有可以回到的版本。"
    if act in ("submit", "discard") and (draft or {}).get("rivals"):
        return "有两个人同时改过，先把两份改动定成一份。"
    if row.reason and not comment.strip():
        return f"{row.title}要写明原因。"
    if row.fresh and draft is not None and not rules.one_person:
        had_part = parts(draft)
        if who.account in had_part:
            return f"您已经在“{had_part[who.account]}”这一步办过，{row.title}要换一个人。"
    if row.looked_at:
        if seen is None:
            return "没有说看的是哪一版，打开事项看过再办。"
        if seen != now_is:
            return "您看过以后内容又改了，看过现在的再办。"
    return None


def parts(draft: Document) -> dict[str, str]:
    """Who has had a part in this round (account → at which step): they approve nothing further of it."""
    found = dict.fromkeys(drafters(draft), "起草")
    for approval in draft.get("approvals", ()):
        found.setdefault(approval["by"], f"{BODIES[approval['body']]}审核")
    if draft["state"] == WITHDRAWING:
        # The round that brought it into the library is over; asking for its withdrawal began another.
        found = {draft["withdrawal"]["by"]: "申请废置"}
    return found


def drafters(draft: Document) -> list[str]:
    """Whose words the draft holds; one from before there was a life cycle says only who wrote it last."""
    return list(draft.get("drafters") or [draft["by"]])


def in_library(draft: Document) -> Document | None:
    """The content that is approved: what the next release publishes. None when nothing is, or when it is withdrawn."""
    if draft["state"] in (APPROVED, WITHDRAWING):
        return dict(draft["item"])
    if draft["state"] == WITHDRAWN:
        return None
    stored: Document | None = draft.get("stored")
    return stored


def is_withdrawn(draft: Document) -> bool:
    """Whether the next release is to be without it, also while it is being drafted anew."""
    return bool(draft.get("withdrawn", False))


def body_awaited(state: str) -> str | None:
    """Which body a draft in this state waits for."""
    for one in TRANSITIONS:
        if one.act == "approve" and state in one.before:
            return one.body
    return None


def possible(draft: Document, who: Somebody, rules: Rules) -> list[Transition]:
    """What this person may do to it now, leaving apart what is said and looked at."""
    return [
        row
        for row in TRANSITIONS
        if draft["state"] in row.before
        and obstacle(row.act, draft, who, rules, body=row.body, comment="-", seen="-", now_is="-") is None
    ]


def _holds(row: Transition, who: Somebody) -> bool:
    return bool(row.roles & set(who.roles))


def _not_now(act: str, state: str | None, body: str | None) -> str:
    if state is None:
        return "没有这个编码的事项。"
    waits = f"现在{_WAITS_WITH[state]}"
    if act == "save":
        return f"{waits}，先收回或等退回，再改。"
    if act in ("approve", "send_back") and body is not None and (awaited := body_awaited(state)) is not None:
        order = list(BODIES)
        if order.index(awaited) < order.index(body):
            return f"{waits}，还没轮到{BODIES[body]}。"
        return f"{BODIES[body]}已经审过，{waits}。"
    title = next(one.title for one in TRANSITIONS if one.act == act)
    return f"{waits}，不能{title}。"


def _not_yours(row: Transition) -> str:
    if row.body is not None:
        return f"这一步由{BODIES[row.body]}来办。"
    if row.act == "withdraw":
        return "废置由事项所属的部门申请。"
    return "改和提交由事项所属的部门来办。"
