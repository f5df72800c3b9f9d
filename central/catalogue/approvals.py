"""Submitting, approving, returning and withdrawing items: batches of codes, each of which is judged alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from casework.canonical import Document, content_hash
from casework.times import rfc3339
from central.catalogue import checks, libraries
from central.catalogue.checks import check_item
from central.catalogue.drafts import TRIES, draft_of, rules_of, somebody, step, write
from central.catalogue.lifecycle import (
    APPROVED,
    BODIES,
    DRAFT,
    WITHDRAWING,
    WITHDRAWN,
    Transition,
    body_awaited,
    drafters,
    obstacle,
    transition,
)
from provisioning.county import County
from web.signin import User


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one code: `done`, and where it stands now; else `sentence` says why not, `reasons` what the
    consistency checks found, and `changed` that the content is another than the one that was looked at.
    """

    code: str
    name: str
    done: bool
    state: str | None
    sentence: str = ""
    reasons: tuple[str, ...] = ()
    changed: bool = False


def submit(county: County, codes: Iterable[str], *, by: User, comment: str = "") -> list[Outcome]:
    """暂存 → 已提交: the department's people are asked to approve."""

    def follow(draft: Document, row: Transition) -> Document:
        # Whoever submits vouches for it, and is no second pair of eyes.
        wrote = list(dict.fromkeys([*drafters(draft), by.username]))
        return step(draft, state=row.after, drafters=wrote, approvals=None, returned=None)

    return _each(county, codes, "submit", by, follow, comment=comment, keeps_item=True)


def recall(county: County, codes: Iterable[str], *, by: User, comment: str = "") -> list[Outcome]:
    """已提交 → 暂存, by the drafters' side, as long as nobody has approved it."""
    return _each(county, codes, "recall", by, _to, comment=comment)


def approve(
    county: County, codes: Iterable[str], *, as_body: str, by: User, seen: Mapping[str, str], comment: str = ""
) -> list[Outcome]:
    """As one of the BODIES; `seen` says of each code the hash of the content that was looked at. What waits for
    staffing to be withdrawn is approved with the same call.
    """

    def follow(draft: Document, row: Transition) -> Document:
        if row.after == WITHDRAWN:
            return step(draft, state=WITHDRAWN, withdrawn=True, withdrawal=None)
        approval = {
            "body": as_body, "by": by.username, "name": by.name, "at": rfc3339(county.now()),
            "hash": content_hash(draft["item"]),
        }  # fmt: skip
        approvals = [*draft.get("approvals", ()), approval]
        if row.after == APPROVED:
            return step(draft, state=APPROVED, approvals=approvals, stored=None, withdrawn=None)
        return step(draft, state=row.after, approvals=approvals)

    return _each(county, codes, "approve", by, follow, body=as_body, comment=comment, seen=seen)


def send_back(county: County, codes: Iterable[str], *, as_body: str, by: User, comment: str) -> list[Outcome]:
    """As one of the BODIES, with the reason for the drafter; a withdrawal that is not agreed to leaves the item in the
    library."""

    def follow(draft: Document, row: Transition) -> Document:
        if row.after == APPROVED:
            return step(draft, state=APPROVED, withdrawal=None)
        returned = {
            "body": as_body, "by": by.username, "name": by.name, "at": rfc3339(county.now()),
            "comment": comment.strip(),
        }  # fmt: skip
        return step(draft, state=DRAFT, approvals=None, returned=returned)

    return _each(county, codes, "send_back", by, follow, body=as_body, comment=comment)


def withdraw(county: County, codes: Iterable[str], *, by: User, comment: str) -> list[Outcome]:
    """已入库 → 待废置: the department asks, with a reason, that the item be withdrawn; 编办 decides (`approve`)."""

    def follow(draft: Document, _row: Transition) -> Document:
        asked = {"by": by.username, "name": by.name, "at": rfc3339(county.now()), "comment": comment.strip()}
        return step(draft, state=WITHDRAWING, withdrawal=asked)

    return _each(county, codes, "withdraw", by, follow, comment=comment)


def discard(county: County, codes: Iterable[str], *, by: User, comment: str = "") -> list[Outcome]:
    """暂存 → 已入库 again, with the content that is in the library: the draft beside it is given up."""

    def follow(draft: Document, _row: Transition) -> Document:
        return step(draft, state=APPROVED, item=draft["stored"], stored=None, returned=None)

    return _each(county, codes, "discard", by, follow, comment=comment, keeps_item=True)


PLAIN_ACTS: Final[Mapping[str, Callable[..., list[Outcome]]]] = {
    "submit": submit,
    "recall": recall,
    "withdraw": withdraw,
    "discard": discard,
}
"""The acts that no body's name goes with: `(county, codes, *, by, comment)`."""


def _to(draft: Document, row: Transition) -> Document:
    return step(draft, state=row.after)


def _each(
    county: County,
    codes: Iterable[str],
    act: str,
    by: User,
    follow: Callable[[Document, Transition], Document],
    *,
    body: str | None = None,
    comment: str = "",
    seen: Mapping[str, str] | None = None,
    keeps_item: bool = False,
) -> list[Outcome]:
    assert body is None or body in BODIES, body
    return [
        _one(county, code, act, by, follow, body, comment.strip(), (seen or {}).get(code), keeps_item=keeps_item)
        for code in dict.fromkeys(codes)
    ]


def _one(
    county: County,
    code: str,
    act: str,
    by: User,
    follow: Callable[[Document, Transition], Document],
    body: str | None,
    comment: str,
    seen: str | None,
    *,
    keeps_item: bool,
) -> Outcome:
    for _ in range(TRIES):
        draft = draft_of(county, code)
        if draft is None:
            return Outcome(code, "", False, None, "没有这个编码的事项。")
        name, state = draft["item"]["name"], draft["state"]
        now_is = content_hash(draft["item"])
        why = obstacle(act, draft, somebody(by), rules_of(county), body=body, comment=comment, seen=seen, now_is=now_is)
        if why is not None:
            changed = seen is not None and seen != now_is and body == body_awaited(state)
            return Outcome(code, name, False, state, why, changed=changed)
        row = transition(act, state, body)
        assert row is not None, "an act without an obstacle has its row"
        reasons = stopping(county, draft["item"]) if row.checked else ()
        if reasons:
            return Outcome(code, name, False, state, f"一致性检查没过，不能{row.title}：{'；'.join(reasons)}", reasons)
        kept = draft["item"] if keeps_item else None
        after = follow(draft, row)
        if write(county, draft, after, act, by, body=body, comment=comment, item=kept, touched=False) is not None:
            return Outcome(code, name, True, after["state"])
    return Outcome(code, name, False, state, "很多人同时在办这个事项，过一会儿再试。")


def stopping(county: County, item: Document) -> tuple[str, ...]:
    """What the consistency checks have against this content, in sentences."""
    found = check_item(item, libraries.context(county))
    return tuple(one.sentence.rstrip("。") for one in checks.stopping(found))


def for_api(outcome: Outcome) -> dict[str, Any]:
    return {
        "code": outcome.code,
        "name": outcome.name,
        "done": outcome.done,
        "state": outcome.state,
        "message": outcome.sentence,
        "reasons": list(outcome.reasons),
        "changed": outcome.changed,
    }
