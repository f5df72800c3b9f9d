"""Drafts of items, in the county's own database: read, saved, brought in whole or not at all; each with its acts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from casework import schemas
from casework.canonical import Document, content_hash
from casework.documents import item as items
from casework.times import rfc3339
from central.accounts import account_at
from central.audit import AUDIT
from central.catalogue.findings import ImportReport
from central.catalogue.lifecycle import (
    APPROVED,
    DRAFT,
    Rules,
    Somebody,
    drafters,
    in_library,
    is_drafter,
    obstacle,
    sees,
)
from central.catalogue.records import read_records
from provisioning.county import County
from sync.peer import Conflict, StorageFull
from sync.revisions import revisions_field
from web.audit import Actor, AuditLog
from web.signin import User

DRAFTING: Final = "drafting"
"""The county's own database of drafts. No register grants it to a station."""

BY_COMMAND: Final = "command"
AT_THE_MACHINE: Final = Actor(BY_COMMAND, "本机的操作人（命令行）", "")
"""Whoever gives a command: it asks for no password, so nobody knows more than that they were at the machine."""

TRIES: Final = 5
"""Two people at one item at the same moment: the second looks again, so often."""

_ROUND: Final = ("drafters", "approvals", "returned", "withdrawal", "withdrawn", "stored", "rivals", "acts")
"""What a draft keeps of its way through the life cycle, beside `item state by at`; what is empty is left out."""


# -- reading ---------------------------------------------------------------------------------------------------------


def draft_of(county: County, code: str) -> Document | None:
    """`draft:CODE` as it is kept."""
    return county.databases.open(DRAFTING).get(draft_id(code))


# -- rules of the county ---------------------------------------------------------------------------------------------


def rules_of(county: County) -> Rules:
    kept = county.databases.open(DRAFTING).get("rules:life-cycle")
    return Rules(one_person=bool(kept and kept["one_person"]))


def set_rules(county: County, rules: Rules, *, by: User) -> None:
    """What the county decides for itself; written into the log of acts."""
    with logged(county, by, "catalogue_rules", "一人可以办几步" if rules.one_person else "每步换一个人"):
        drafting = county.databases.open(DRAFTING)
        body: Document = {
            "_id": "rules:life-cycle", "one_person": rules.one_person, "by": by.username, "at": rfc3339(county.now()),
        }  # fmt: skip
        drafting.save([following(drafting.get(body["_id"]), body)])


# -- saving ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Saved:
    """What became of a change. With `conflict` it was kept beside the draft, which somebody else had changed first;
    `problems` are sentences by dotted path, and then nothing was kept. `sentence` says either to the person.
    """

    saved: bool
    rev: str | None
    conflict: bool = False
    sentence: str = ""
    problems: Mapping[str, str] = field(default_factory=dict)


def save_draft(county: County, code: str, item: Document, *, by: User, expected_rev: str | None) -> Saved:
    """Keep `item` (CONTENT_SCHEMA) as the draft of `code`. `expected_rev` is the revision that the editor began with,
    None for a new item.

    A published or approved item gets a new draft, while what is in the library stands. When somebody else has saved
    since, the change is kept beside theirs and both are told, until an editor settles them (`settle_draft`).
    """
    wrong = _wrong(code, item)
    if wrong:
        return Saved(False, expected_rev, sentence="有地方要改，没有存。", problems=wrong)
    for _ in range(TRIES):
        draft = draft_of(county, code)
        refused = _may_change("save", county, draft, item, by)
        if draft is not None and draft["_rev"] != expected_rev and not items.is_same_content(draft["item"], item):
            if refused is not None and not (is_drafter(somebody(by)) and sees(somebody(by), draft)):
                return Saved(False, draft["_rev"], sentence=refused)
            answer = _keep_aside(county, draft, item, by)
        elif refused:
            return Saved(False, draft["_rev"] if draft else None, sentence=refused)
        elif draft is not None and items.is_same_content(draft["item"], item):
            return Saved(True, draft["_rev"])
        elif draft is None and expected_rev is not None:
            return Saved(False, None, sentence="没有这个编码的草稿，可能换了编码。")
        else:
            answer = _keep(county, draft, item, by)
        if answer is not None:
            return answer
    return Saved(False, expected_rev, sentence="很多人同时在改这个事项，过一会儿再存。")


def settle_draft(county: County, code: str, item: Document, *, by: User, expected_rev: str) -> Saved:
    """One content out of a draft and the changes that were kept beside it; those stay in the history."""
    wrong = _wrong(code, item)
    if wrong:
        return Saved(False, expected_rev, sentence="有地方要改，没有存。", problems=wrong)
    draft = draft_of(county, code)
    refused = _may_change("settle", county, draft, item, by)
    if refused or draft is None:
        return Saved(False, draft["_rev"] if draft else None, sentence=refused or "")
    if draft["_rev"] != expected_rev:
        return Saved(False, draft["_rev"], conflict=True, sentence="又有人改过，看过现在的几份再定。")
    after = step(draft, state=DRAFT, item=item, drafters=_with_drafter(draft, by.username), rivals=None)
    written = write(county, draft, after, "settle", by)
    if written is None:
        return Saved(False, expected_rev, conflict=True, sentence="又有人改过，看过现在的几份再定。")
    return Saved(True, written)


def _may_change(act: str, county: County, draft: Document | None, item: Document, by: User) -> str | None:
    who = somebody(by)
    if not sees(who, {"item": item}):
        return "部门只能起草自己的事项；要转给别的部门，请县管理员来改。"
    return obstacle(act, draft, who, rules_of(county))


def _keep(county: County, draft: Document | None, item: Document, by: User) -> Saved | None:
    if draft is None:
        after = step({}, state=DRAFT, item=item, drafters=[by.username])
    elif draft["state"] == DRAFT:
        after = step(draft, state=DRAFT, item=item, drafters=_with_drafter(draft, by.username))
    else:
        # A new round: nobody of the last one is held by what they did then.
        after = step(
            draft, state=DRAFT, item=item, drafters=[by.username], approvals=None, returned=None,
            stored=in_library(draft),
        )  # fmt: skip
    written = write(county, draft, after, "save", by)
    return Saved(True, written) if written is not None else None


def _keep_aside(county: County, draft: Document, item: Document, by: User) -> Saved | None:
    after = step(draft, rivals=[*draft.get("rivals", ()), draft.get("acts", 0) + 1])
    written = write(county, draft, after, "kept_aside", by, item=item, touched=False)
    if written is None:
        return None
    return Saved(
        False, written, conflict=True, sentence="别人刚刚也改过。您的改动没有丢：两份都留着，比一比再定成一份。"
    )  # fmt: skip


def _wrong(code: str, item: Document) -> dict[str, str]:
    found = schemas.problems(items.CONTENT_SCHEMA, item)
    if not found and item["code"] != code:
        found = {"code": f"编码要是 {code}。"}
    return dict(found)


def _with_drafter(draft: Document, account: str) -> list[str]:
    known = drafters(draft)
    return known if account in known else [*known, account]


# -- import ----------------------------------------------------------------------------------------------------------


def import_items(
    county: County,
    records: Any,
    *,
    approve: bool,
    by: str,
    dry: bool = False,
    along: Callable[[], list[Document]] = list,
) -> ImportReport:
    """Bring records in as drafts, all or none; with `approve` they are taken as approved (a first load), and the
    history of each says so. With `dry` nothing is written, and the report tells what would be.

    `records` is a list of our items or of an inventory's records, or a catalogue file's object. `by` is who
    brings them in; `along` gives the directories to save in the same transaction. Raises CatalogueRefused for what is
    no catalogue at all.
    """
    contents, found = read_records(county.register().county, records)
    for attempt in range(TRIES):
        report = ImportReport(approve, warnings=found.warnings, refused=found.refused)
        if report.refused:
            return report
        written = list(_imported(county, [content for _, content in contents], report, approve=approve, by=by))
        above = along()
        if dry or not (written or above):
            return report
        what = f"{'导入并入库' if approve else '导入'} {len(written) // 2} 个事项"
        what += f"、{len(above)} 个目录" if above else ""
        try:
            with logged(county, actor_of(county, by), "catalogue_imported", what):
                county.databases.open(DRAFTING).save([*above, *written])
        except Conflict:
            # Somebody did something to one of these items in between.
            if attempt == TRIES - 1:
                raise
            continue
        return report
    raise AssertionError("the last attempt returns or raises")


def _imported(
    county: County, contents: Iterable[Document], report: ImportReport, *, approve: bool, by: str
) -> Iterator[Document]:
    """A draft and its act for each item that changes."""
    drafting = county.databases.open(DRAFTING)
    state = APPROVED if approve else DRAFT
    who = actor_of(county, by)
    for content in contents:
        code = content["code"]
        known = drafting.get(draft_id(code))
        if known is not None and items.is_same_content(known["item"], content) and known["state"] in (state, APPROVED):
            report.unchanged.append(code)
            continue
        (report.added if known is None else report.changed).append(code)
        after = step(
            known or {}, state=state, item=content, drafters=[by], approvals=None, returned=None, withdrawal=None,
            withdrawn=None if approve else (known or {}).get("withdrawn"),
            rivals=None if approve else (known or {}).get("rivals"),
            stored=None if approve or known is None else in_library(known),
        )  # fmt: skip
        comment = "导入，按已审核入库" if approve else ""
        yield from _documents(county, known, after, "import", who, comment=comment)


# -- writing ---------------------------------------------------------------------------------------------------------


def draft_id(code: str) -> str:
    return f"draft:{code}"


def act_id(code: str, number: int) -> str:
    """Acts are numbered, so that of two at the same moment one finds its number taken and looks again."""
    return f"act:{code}:{number:06d}"


def version_id(code: str, release: int) -> str:
    return f"version:{code}:{release:06d}"


def somebody(user: User) -> Somebody:
    return Somebody(user.username, user.roles, user.department)


def step(draft: Document, **changes: Any) -> Document:
    """The draft with these changes, less what is empty and what the database adds."""
    kept: Document = {name: draft[name] for name in ("item", "state", "by", "at", *_ROUND) if name in draft}
    kept |= changes
    return {name: value for name, value in kept.items() if value not in (None, [], False)}


def write(
    county: County,
    before: Document | None,
    after: Document,
    act: str,
    by: User,
    *,
    body: str | None = None,
    comment: str = "",
    item: Document | None = None,
    touched: bool = True,
) -> str | None:
    """The draft and the act that made it, in one transaction, after the log of acts: its new revision, or None when
    somebody else was faster. `item` is kept in the act; without `touched` the content stays whose it was.
    """
    role = next((role for role in by.roles if role != "agent"), "")
    who = Actor(by.username, by.name, role)
    documents = list(
        _documents(county, before, after, act, who, body=body, comment=comment, item=item, touched=touched)
    )  # fmt: skip
    try:
        with logged(county, who, f"catalogue_{act}", after["item"]["code"]):
            county.databases.open(DRAFTING).save(documents)
    except Conflict:
        return None
    return str(documents[0]["_rev"])


def _documents(
    county: County,
    before: Document | None,
    after: Document,
    act: str,
    who: Actor,
    *,
    body: str | None = None,
    comment: str = "",
    item: Document | None = None,
    touched: bool = True,
) -> Iterator[Document]:
    code, number, now = after["item"]["code"], (before or {}).get("acts", 0) + 1, rfc3339(county.now())
    draft: Document = {"_id": draft_id(code), **after, "acts": number}
    if touched:
        draft |= {"by": who.account, "at": now}
    yield following(before, draft)
    done: Document = {
        "_id": act_id(code, number),
        "code": code,
        "number": number,
        "act": act,
        "body": body,
        "by": who.account,
        "name": who.name,
        "at": now,
        "comment": comment,
        "from": before["state"] if before is not None else None,
        "to": after["state"],
        "hash": content_hash(item if item is not None else after["item"]),
    }
    # Without a revision of its own it must be new: this is what holds two people apart.
    yield done if item is None else {**done, "item": item}


def actor_of(county: County, by: str) -> Actor:
    """Who that is in the log of acts: an account of the county's, or whoever works at its machine."""
    if by == BY_COMMAND:
        return AT_THE_MACHINE
    account = account_at(county, county.code, by)
    return Actor(by, account["name"], account["roles"][0]) if account is not None else Actor(by, "", "")


@contextmanager
def logged(county: County, who: Actor | User, act: str, what: str) -> Iterator[None]:
    """Written into the log of acts first, and durably: nothing is done that it does not know."""
    actor = who if isinstance(who, Actor) else Actor(who.username, who.name, who.roles[0])
    log, ours = _log_of(county)
    try:
        log.note(actor, act, what=what, durable=True)
        try:
            yield
        except BaseException:
            with suppress(StorageFull):
                log.note(actor, "not_saved", what=what)
            raise
    finally:
        if ours:
            log.close()


def _log_of(county: County) -> tuple[AuditLog, bool]:
    """The county's log: that of the service, or its file while nobody serves; then it is to be closed."""
    serving: AuditLog | None = getattr(county, "audit", None)
    if serving is not None:
        return serving, False
    return AuditLog(county.folder.path / AUDIT, now=county.now, random=county.random), True


def following(known: Document | None, body: Document) -> Document:
    """The document as the next revision after `known`, named by its own hash: many go in one transaction."""
    path = [content_hash(body)[:32]]
    generation = 1
    if known is not None:
        before, _, tail = known["_rev"].partition("-")
        generation = int(before) + 1
        path.append(tail)
    revisions = revisions_field([f"{generation - place}-{tail}" for place, tail in enumerate(path)])
    return {**body, "_rev": f"{generation}-{path[0]}", "_revisions": revisions}
