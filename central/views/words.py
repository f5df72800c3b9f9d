"""检索词库: the dictionaries of the guide search, a box to try them in, and what villagers did not find."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from casework.guide.ranking import FIELDS
from central.catalogue.entries import (
    ADDED,
    OURS,
    TAKEN_OUT,
    Group,
    groups,
    item_names,
    leave_out,
    left_out,
    matching,
    open_offers,
)
from central.catalogue.findings import CatalogueRefused
from central.catalogue.publishing import pending
from central.catalogue.trying import Tried, try_words
from central.catalogue.words import EDITABLE, edit_dictionary, edits_made
from central.centre import Centre
from web.api import whole_number
from web.cases.services import CaseServices
from web.errors import Problem
from web.signin import allow, current_user

ROLES: Final = ("admin", "service")

OWN_KEY: Final = "县里加的"
"""Under which the county's own filler and blocked words stand, if it does not say otherwise."""

TELLS: Final = {
    "said": "群众怎么说，是哪个事项。左边是事项名称，或者名称里认得出它的一段。",
    "same": "换了说法、意思不变的词，都按左边的算。",
    "acts": "问的是办、补、换，还是注销：名称差不多的事项靠它分清。",
    "filler": "从问句里去掉，不影响要问的是哪件事。",
    "blocked": "问句里有就不查，也不计入“没找到”。",
    "endings": "事项名称末尾群众不说的字，去掉后也算一种名称。",
}
WHOSE: Final = {OURS: "随程序来的", ADDED: "县里加的", TAKEN_OUT: "县里拿掉的"}
FIELD_TITLES: Final = {
    "name": "名称",
    "also_called": "也叫",
    "said": "群众的说法",
    "conditions": "条件",
    "faq": "常见问题",
    "materials": "材料",
    "categories": "分类",
    "department": "部门",
}
assert FIELD_TITLES.keys() >= FIELDS.keys()
HOW: Final = {"word": "字词对上", "said": "按另一种说法对上", "sound": "读音对上", "initials": "拼音首字母对上"}
PARTS: Final = {
    "phrase": "和这个说法有多像",
    "whole": "整句就是它，或以它开头",
    "coverage": "问句里的词这个事项占了多少",
    "acts": "办、补、换、注销是不是一回事",
    "group": "点了部门或分类的名",
}
TAKEN_UP: Final = {"said": "当作事项的说法", "filler": "当作客套话", "blocked": "以后不回答"}
GROUPS_ON_A_PAGE: Final = 12
MOST_OFFERS: Final = 60


def pages(centre: Centre, services: CaseServices) -> Blueprint:
    del services
    words = Blueprint("words", __name__, url_prefix="/words")

    @words.get("")
    @allow(*ROLES)
    def overview() -> str:
        return _overview(centre, {}, None)

    @words.post("/asked")
    @allow(*ROLES)
    def judge() -> Response | tuple[str, int]:
        """Take up what was not found, or leave it out."""
        said, do = _said("text"), request.form.get("do", "")
        by = current_user().username
        if do in ("leave", "reconsider"):
            offered = {offer.text: offer.times for offer in centre.misses.offers(limit=10_000)}
            if said not in offered:
                raise Problem(404, "no_such_offer", "没有这句话的记录，可能已经处理了。")
            leave_out(centre, said, offered[said] if do == "leave" else 0, by=by)
            flash(_("“%(t)s”不采纳。再有同样多的人问，会再提出来。", t=said) if do == "leave"
                  else _("“%(t)s”放回来了。", t=said), "saved")  # fmt: skip
            return redirect(url_for("words.overview"), 303)
        if do not in TAKEN_UP:
            raise Problem(400, "bad_form", "不知道要怎么处理，请回到页面再点一次。")
        key = _said("key") if do == "said" else OWN_KEY
        if problems := _edit(centre, do, "add", key, said, by):
            return _overview(centre, problems, (said, key)), 422
        flash(_("“%(t)s”已记下：%(how)s。下次发布目录时生效，可以先试一试。", t=said, how=TAKEN_UP[do]), "saved")
        return redirect(url_for("words.try_out", q=said), 303)

    @words.get("/try")
    @allow(*ROLES)
    def try_out() -> str:
        question = request.args.get("q", "").strip()[:100]
        coming = request.args.get("of") != "now"
        try:
            tried = try_words(centre, question, with_drafts=coming) if question else None
        except CatalogueRefused as refused:
            raise Problem(503, "cannot_try", str(refused)) from refused
        return render_template(
            "words/try.html",
            question=question,
            coming=coming,
            tried=tried,
            best=_best(tried),
            fields=FIELD_TITLES,
            how=HOW,
            parts=PARTS,
            names=sorted(set(item_names(centre).values())),
        )

    @words.get("/<dictionary>")
    @allow(*ROLES)
    def show(dictionary: str) -> str:
        return _page(centre, _known(dictionary), {}, _said("way", request.args), _said("key", request.args))

    @words.post("/<dictionary>")
    @allow(*ROLES)
    def edit(dictionary: str) -> Response | tuple[str, int]:
        name, by, key = _known(dictionary), current_user().username, _said("key")
        do = next((do for do in ("take_out", "put_back") if do in request.form), "add")
        way = _said("way" if do == "add" else do)
        problems = _edit(centre, name, "remove" if do == "take_out" else "add", key, way, by)
        if problems:
            return _page(centre, name, problems, way, key), 422
        if do == "take_out":
            flash(_("“%(w)s”拿掉了，下次发布目录时生效。", w=way), "saved")
        elif do == "put_back":
            flash(_("“%(w)s”放回来了，下次发布目录时生效。", w=way), "saved")
        else:
            flash(_("“%(w)s”加到“%(k)s”下面了，下次发布目录时生效。", w=way, k=key), "saved")
        looked_for: dict[str, Any] = {part: request.form.get(part) or None for part in ("q", "changed", "page")}
        return redirect(url_for("words.show", dictionary=name, **looked_for), 303)

    return words


def _known(name: str) -> str:
    if name not in EDITABLE:
        raise Problem(404, "no_such_dictionary", "没有这个词库。")
    return name


def _said(name: str, where: Mapping[str, str] | None = None) -> str:
    return (request.form if where is None else where).get(name, "").strip()[:300]


def _edit(centre: Centre, name: str, what: str, key: str, way: str, by: str) -> dict[str, str]:
    """Field of the page → what is to be done; empty when it was kept."""
    if not way:
        return {"way": _("写上要加的说法。")}
    if not key:
        return {"key": _("选一个事项。") if name == "said" else _("写上它和哪个词是一个意思，或者归在哪一类。")}
    change = {key: [way]}
    try:
        wrong = edit_dictionary(centre, name, by=by, **{what: change})
    except CatalogueRefused as refused:
        return {"way": str(refused)}
    return {"key" if path == f"{what}.{key}" else "way": sentence for path, sentence in wrong.items()}


def _overview(centre: Centre, problems: dict[str, str], typed: tuple[str, str] | None) -> str:
    names = item_names(centre)
    asked = open_offers(centre, centre.misses.offers())
    counted = {name: _counts(groups(centre, name)) for name in EDITABLE}
    return render_template(
        "words/overview.html",
        dictionaries=EDITABLE,
        tells=TELLS,
        counted=counted,
        waiting=dict(pending(centre).words),
        asked=asked[:MOST_OFFERS],
        more=max(0, len(asked) - MOST_OFFERS),
        left=left_out(centre),
        names=names,
        item_list=sorted(set(names.values())),
        problems=problems,
        typed=typed,
    )


def _counts(found: list[Group]) -> dict[str, int]:
    ways = [way for group in found for way in group.ways]
    return {whose: sum(way.whose == whose for way in ways) for whose in WHOSE}


def _page(centre: Centre, name: str, problems: dict[str, str], way: str, key: str) -> str:
    asked = {part: request.values.get(part, "").strip()[:100] for part in ("q", "changed")}
    every = groups(centre, name)
    found = matching(every, asked["q"], changed_only=bool(asked["changed"]))
    page = whole_number("page", default=0, least=0, most=100_000)
    from_, to = page * GROUPS_ON_A_PAGE, (page + 1) * GROUPS_ON_A_PAGE
    return render_template(
        "words/dictionary.html",
        name=name,
        title=EDITABLE[name],
        dictionaries=EDITABLE,
        tells=TELLS[name],
        groups=found[from_:to],
        count=sum(len(group.ways) for group in found),
        more=len(found) > to,
        page=page,
        asked={part: value for part, value in asked.items() if value},
        whose=WHOSE,
        keys=sorted(set(item_names(centre).values())) if name == "said" else [group.key for group in every],
        usual_key="" if name in ("said", "same", "acts") else every[-1].key if name == "endings" else OWN_KEY,
        way=way,
        key=key,
        problems=problems,
        edits=edits_made(centre, name),
        describe=_describe,
        person=lambda username: (centre.account(username) or {"name": username})["name"],
        is_waiting=name in dict(pending(centre).words),
    )


def _best(tried: Tried | None) -> float:
    """What the bars are measured by."""
    every: list[float] = [0.1]
    for found in tried.explanation.found if tried is not None else ():
        every += [abs(getattr(found.parts, part)) for part in PARTS]
    return max(every)


def _describe(edit: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """An edit as (what, way, key): 加上 or 拿掉."""
    words = {"add": _("加上"), "remove": _("拿掉")}
    return [(words[what], way, key) for what in words for key, ways in edit[what].items() for way in ways]
