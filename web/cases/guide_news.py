"""What a newer guide says otherwise than the one that a case or a draft was begun with, in a page's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from casework.canonical import Document
from casework.case import Case
from casework.guide.changes import changes, more_materials, no_more_materials


@dataclass(frozen=True, slots=True)
class GuideNews:
    """A title, what changed in a sentence each, and what follows from it for whoever came with the case."""

    title: str
    lines: list[str]
    follows: list[str]
    withdrawn: bool = False


def guide_news(then: Document, now: Document | None, facts: Mapping[str, Any]) -> GuideNews | None:
    """For a draft: what the guide in use says otherwise than the one it began with; None when it is the same."""
    if now is None:
        return GuideNews("这个事项已从指南里撤下，这一份仍可保存。", [], [], withdrawn=True)
    if now["release"] == then["release"]:
        return None
    title = f"第 {then['release']:06d} 版 → 第 {now['release']:06d} 版"
    found = [change.sentence for change in changes(then, now, facts)]
    return GuideNews(title, found or ["改动不涉及这一件。"], [])


def case_news(case: Case, then: Document | None, now: Document | None) -> GuideNews | None:
    """For a case that is open: what changed since it was taken in, and whether that asks anything of the applicant.

    `then` is the item that the case was taken in under, None when it is not kept here; `now` the one in use, None when
    it was withdrawn. A case is carried through under the terms that the county signed for it (`terms`): a newer guide
    binds who comes after it. What is better for the applicant is the authority's to grant, not ours to promise.
    """
    terms = case["item"]
    if terms is None or (now is not None and now["release"] == terms["release"]):
        return None
    since = "受理" if case["deadlines"]["accepted_at"] else "收件"
    kept = f"本件照收件时的第 {terms['release']:06d} 版办"
    if now is None:
        follows = [f"{kept}，办完为止；办事人不用因此再带材料。"]
        return GuideNews(f"{since}后这个事项已从指南里撤下", [], follows, withdrawn=True)
    title = f"{since}后指南已更新（第 {terms['release']:06d} 版 → 第 {now['release']:06d} 版）"
    if then is None:
        unknown = "收件时的那一版本站没有留存，比不出改了什么；要看改动请问县中心。"
        return GuideNews(title, [unknown], [f"{kept}。"])
    facts = case["fields"]
    found = changes(then, now, facts)
    if not found:
        return GuideNews(title, ["改动不涉及本件。"], [f"{kept}，办事人什么都不用做。"])
    follows = [f"{kept}，办事人不用因为指南更新再带材料。"]
    more = more_materials(then, now, facts)
    if more:
        follows.append(f"新指南多要的{_quoted(more)}，只有新收的件才要。")
    spared = [_name_of(then, id_) for id_ in no_more_materials(then, now, facts) if id_ in _lacking(case)]
    if spared:
        follows.append(f"本件还缺的{_quoted(spared)}新指南不再要：还要不要补，由决定机关说了算，先问再让人跑。")
    elif any(change.better for change in found):
        follows.append("对办事人更有利的改动，能不能照新的办由决定机关定。")
    return GuideNews(title, [change.sentence for change in found], follows)


def _lacking(case: Case) -> set[str]:
    return {material["id"] for material in case["materials"] if material["state"] != "received"}


def _name_of(item: Document, material: str) -> str:
    return next(str(m["name"]) for m in item["materials"] if m["id"] == material)


def _quoted(names: list[str]) -> str:
    return "、".join(f"“{name}”" for name in names)
