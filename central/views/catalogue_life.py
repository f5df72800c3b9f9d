"""事项审核: what waits for which body, approving and returning in batches, an item's history (备案), withdrawal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from casework.canonical import Document
from central.catalogue import approvals
from central.catalogue.approvals import Outcome
from central.catalogue.differences import Difference, differences, differing_elements
from central.catalogue.drafts import AT_THE_MACHINE, BY_COMMAND, rules_of, set_rules, settle_draft, somebody
from central.catalogue.lifecycle import (
    APPROVED,
    BODIES,
    BODY_ROLES,
    CATALOGUE_ROLES,
    DRAFT,
    STATES,
    WITHDRAWING,
    WITHDRAWN,
    WORKED_ON,
    Rules,
    Somebody,
    body_awaited,
    obstacle,
    possible,
    sees,
    transition,
)
from central.catalogue.standings import Board, Row, Standing, history, rivals_of, state_of, submitted_content
from central.centre import Centre
from web.cases.services import CaseServices
from web.errors import Problem
from web.signin import User, allow, current_user

MOST_LISTED = 50
MOST_WITH_CHANGES = 30
"""So many waiting items show what changed in the list itself; the others on their own page."""

TONES = {DRAFT: "is-warn", APPROVED: "is-ok", WITHDRAWING: "is-warn", WITHDRAWN: "is-bad"}


@dataclass(frozen=True)
class Waiting:
    """A line of a list: the item, and for a body what it changes."""

    row: Row
    changes: list[Difference] | None


@dataclass(frozen=True)
class Told:
    """An act as the history shows it."""

    act: Document
    title: str
    who: str


def pages(centre: Centre, services: CaseServices) -> Blueprint:
    del services
    life = Blueprint("approvals", __name__, url_prefix="/approvals")

    @life.get("")
    @allow(*CATALOGUE_ROLES)
    def waiting() -> str:
        return _board(centre, [])

    @life.post("")
    @allow(*CATALOGUE_ROLES)
    def decide() -> Response | str | tuple[str, int]:
        outcomes = _do(centre, request.form.getlist("code"))
        if not outcomes:
            flash(_("先勾上要办的事项。"), "told")
            return redirect(url_for("approvals.waiting"), 303)
        if all(outcome.done for outcome in outcomes):
            flash(_told(outcomes), "saved")
            return redirect(url_for("approvals.waiting"), 303)
        return _board(centre, outcomes), 200 if any(outcome.done for outcome in outcomes) else 422

    @life.get("/<code>")
    @allow(*CATALOGUE_ROLES)
    def show(code: str) -> str:
        return _item(centre, code, seen=request.args.get("seen"))

    @life.post("/<code>")
    @allow(*CATALOGUE_ROLES)
    def act(code: str) -> Response | tuple[str, int]:
        _seen_by(centre, code)
        outcome = _do(centre, [code])[0]
        if outcome.done:
            flash(_told([outcome]), "saved")
            return redirect(url_for("approvals.show", code=code), 303)
        seen = request.form.get(f"seen.{code}") if outcome.changed else None
        return _item(centre, code, refused=outcome, seen=seen), 422

    @life.get("/<code>/settle")
    @allow("reviewer", "admin")
    def settle(code: str) -> str:
        return _settling(centre, code, "")

    @life.post("/<code>/settle")
    @allow("reviewer", "admin")
    def settle_on(code: str) -> Response | tuple[str, int]:
        standing = _seen_by(centre, code)
        others = [rival["item"] for rival in rivals_of(centre, code)]
        content = _chosen([standing.item, *others], request.form.to_dict())
        saved = settle_draft(centre, code, content, by=current_user(), expected_rev=request.form.get("rev", ""))
        if not saved.saved:
            return _settling(centre, code, saved.sentence), 422
        flash(_("两份改动已经定成一份。"), "saved")
        return redirect(url_for("approvals.show", code=code), 303)

    @life.post("/rules")
    @allow("admin")
    def rules() -> Response:
        set_rules(centre, Rules(one_person=request.form.get("one_person") == "yes"), by=current_user())
        flash(_("审核的规则已改好，记进了操作日志。"), "saved")
        return redirect(url_for("approvals.waiting"), 303)

    return life


def waits(board: Board, user: User) -> list[tuple[str, int]]:
    """What waits for this person, in words and counted, for the front page; what is nothing is left out."""
    who, rows = somebody(user), board.rows(somebody(user))
    found: list[tuple[str, int]] = []
    if "reviewer" in user.roles:
        mine = [row for row in rows if row.state == DRAFT and row.department == user.department]
        found.append((_("退回来要改的事项"), sum(row.returned is not None for row in mine)))
        found.append((_("要定下来的两份改动"), sum(bool(row.draft.get("rivals")) for row in mine)))
        found.append((_("还没提交的事项"), sum(row.returned is None for row in mine)))
    for body in _bodies_of(who):
        title = _("等您审核的事项") if len(_bodies_of(who)) == 1 else _("等%(body)s审核的事项", body=BODIES[body])
        found.append((title, sum(body_awaited(row.state) == body for row in rows)))
    if "admin" in user.roles:
        found += [
            (_("等%(body)s审核的事项", body=BODIES[body]), sum(body_awaited(row.state) == body for row in rows))
            for body in BODIES
        ]
        found.append((_("退回起草人的事项"), sum(row.state == DRAFT and row.returned is not None for row in rows)))
    return [(title, count) for title, count in found if count]


# -- doing -----------------------------------------------------------------------------------------------------------


def _do(centre: Centre, codes: Sequence[str]) -> list[Outcome]:
    """What the form asks for: `do` is an act, for a body after a colon."""
    act, _colon, body = request.form.get("do", "").partition(":")
    comment, by = request.form.get("comment", ""), current_user()
    if act in ("approve", "send_back") and body not in BODIES:
        raise Problem(422, "no_such_body", "没有这样的审核单位。")
    if act == "approve":
        seen = {code: request.form.get(f"seen.{code}", "") for code in codes}
        return approvals.approve(centre, codes, as_body=body, by=by, seen=seen, comment=comment)
    if act == "send_back":
        return approvals.send_back(centre, codes, as_body=body, by=by, comment=comment)
    if act not in approvals.PLAIN_ACTS:
        raise Problem(422, "no_such_act", "没有这样的操作。")
    return approvals.PLAIN_ACTS[act](centre, codes, by=by, comment=comment)


def _told(outcomes: Sequence[Outcome]) -> str:
    if len(outcomes) == 1:
        return str(_("%(name)s：%(state)s。", name=outcomes[0].name, state=outcomes[0].state))
    return str(_("%(n)s 个事项都办好了，现在是“%(state)s”。", n=len(outcomes), state=outcomes[0].state))


# -- showing ---------------------------------------------------------------------------------------------------------


def _board(centre: Centre, outcomes: Sequence[Outcome]) -> str:
    user = current_user()
    who, rows = somebody(user), centre.board.rows(somebody(user))
    text, state = request.args.get("q", "").strip()[:60], request.args.get("state", "")
    found = [row for row in rows if (text in row.name or text in row.code) and state in ("", row.state)]
    drafts = [row for row in rows if row.state == DRAFT]
    return render_template(
        "approvals/board.html",
        outcomes=outcomes,
        comment=request.form.get("comment", ""),
        ticked={outcome.code for outcome in outcomes if not outcome.done},
        bodies=[(body, BODIES[body], _waiting_for(centre, rows, body)) for body in _bodies_of(who)],
        drafts=drafts if {"reviewer", "admin"} & set(user.roles) else [],
        drafting=bool({"reviewer", "admin"} & set(user.roles)),
        on_the_way=[row for row in rows if row.state in (*WORKED_ON[1:], WITHDRAWING)],
        body_names=BODIES,
        body_awaited=body_awaited,
        found=found[:MOST_LISTED],
        count=len(found),
        text=text,
        state=state,
        states=STATES,
        tones=TONES,
        most=MOST_LISTED,
        rules=rules_of(centre),
        is_admin="admin" in user.roles,
        department=user.department,
    )


def _bodies_of(who: Somebody) -> list[str]:
    return [body for body, role in BODY_ROLES.items() if role in who.roles]


def _waiting_for(centre: Centre, rows: Iterable[Row], body: str) -> list[Waiting]:
    waiting = [row for row in rows if body_awaited(row.state) == body]
    return [
        Waiting(row, _changes(state_of(centre, row.code)) if place < MOST_WITH_CHANGES else None)
        for place, row in enumerate(waiting)
    ]


def _changes(standing: Standing | None) -> list[Difference] | None:
    """Against what is in the library, or what is published; None for an item that is new."""
    if standing is None:
        return None
    before = standing.stored or standing.published
    return differences(before, standing.item) if before is not None else None


def _seen_by(centre: Centre, code: str) -> Standing:
    standing = state_of(centre, code)
    if standing is None or not sees(somebody(current_user()), standing.draft):
        raise Problem(404, "no_such_item", "没有这个编码的事项，或者它不归您的部门。")
    return standing


def _item(centre: Centre, code: str, *, refused: Outcome | None = None, seen: str | None = None) -> str:
    standing, user, rules = _seen_by(centre, code), current_user(), rules_of(centre)
    who, past = somebody(user), history(centre, code)
    awaited = body_awaited(standing.state)
    barred = None
    if awaited is not None and awaited in _bodies_of(who):
        barred = obstacle(
            "approve", standing.draft, who, rules, body=awaited, seen=standing.hash, now_is=standing.hash
        )  # fmt: skip
    looked_at = submitted_content(centre, code, seen) if seen and seen != standing.hash else None
    return render_template(
        "approvals/item.html",
        standing=standing,
        tones=TONES,
        possible=[row for row in possible(standing.draft, who, rules) if row.act not in ("save", "settle")],
        may_settle="settle" in {row.act for row in possible(standing.draft, who, rules)} and standing.rivals,
        waits_for=BODIES[awaited] if awaited is not None else None,
        barred=barred,
        refused=refused,
        comment=request.form.get("comment", ""),
        since=differences(looked_at, standing.item),
        changes=_changes(standing),
        reasons=approvals.stopping(centre, standing.item) if standing.state in WORKED_ON else (),
        acts=[_act_told(act) for act in reversed(past.acts)],
        versions=_versions(past.versions, past.in_force),
        in_force=past.in_force,
        bodies=BODIES,
    )


def _act_told(act: Document) -> Told:
    titles = {"import": _("导入"), "kept_aside": _("同时改动，留着待定")}
    row = transition(act["act"], act["from"], act["body"])
    title = titles.get(act["act"]) or (row.title if row is not None else act["act"])
    name = act["name"] or (AT_THE_MACHINE.name if act["by"] == BY_COMMAND else act["by"])
    return Told(act, title, f"{BODIES[act['body']]} · {name}" if act["body"] else name)


def _versions(kept: Sequence[Document], in_force: Document | None) -> list[tuple[int, list[Difference], str | None]]:
    """(release, what the one after it said otherwise, when it was replaced), the newest first."""
    found = []
    after = in_force
    for version in kept:
        release = int(version["_id"].rpartition(":")[2])
        if in_force is not None and in_force["release"] == release:
            # A release that broke off had kept it already.
            continue
        found.append((release, differences(version["item"], after), version.get("at")))
        after = version["item"]
    return found


def _settling(centre: Centre, code: str, sentence: str) -> str:
    standing = _seen_by(centre, code)
    others = rivals_of(centre, code)
    contents = [standing.item, *(rival["item"] for rival in others)]
    return render_template(
        "approvals/settle.html",
        standing=standing,
        others=others,
        differing=differing_elements(contents),
        sentence=sentence,
        authors=[standing.draft["by"], *(rival["name"] or rival["by"] for rival in others)],
    )


def _chosen(contents: Sequence[Document], form: dict[str, Any]) -> Document:
    """The first content, with the elements of another where that was chosen."""
    content = dict(contents[0])
    for name, _title, _texts in differing_elements(list(contents)):
        choice = form.get(f"choice.{name}", "0")
        place = int(choice) if choice.isascii() and choice.isdigit() and int(choice) < len(contents) else 0
        content.pop(name, None)
        if name in contents[place]:
            content[name] = contents[place][name]
    return content
