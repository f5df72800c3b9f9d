"""Guides: found by what people say or by who they are, read aloud, printed on a page, and the way into an intake."""

from __future__ import annotations

from flask import Blueprint, render_template, request
from flask_babel import gettext as _

from casework.canonical import Document
from casework.guide import short_list
from casework.guide.slip import slip
from casework.times import civil_date
from node.guide_groups import KINDS
from node.guides import Hit, ItemRow
from node.station import Station
from web.cases.services import CaseServices
from web.errors import Problem
from web.guides.sheet import fit
from web.papers import qr_svg
from web.signin import allow, current_user

MATCHED = {
    "name": "名称",
    "also_called": "也叫",
    "said": "说法",
    "department": "部门",
    "materials": "材料",
    "conditions": "条件",
    "categories": "分类",
}
FOUND = 20
OFTEN = 8


def pages(station: Station, services: CaseServices) -> Blueprint:
    guides = Blueprint("guides", __name__)

    @guides.get("/guides")
    @allow("agent", "township", "head")
    def search() -> str:
        said = request.args.get("q", "").strip()[:100]
        part = bool(request.args.get("part"))
        kind, name = _group_asked()
        hits = station.catalogue.search(said, limit=FOUND) if said else as_hits(station.groups.items(kind, name))
        if said:
            station.misses.asked(_who(), said, [hit.code for hit in hits], typing=part)
        return render_template(
            "station/hits.html" if part else "station/guides.html",
            said=said,
            kind=kind,
            group=name,
            hits=hits,
            matched=MATCHED,
            often=often(station, OFTEN),
            groups=group_lists(station),
            release=station.catalogue.release,
            fresh=station.freshness(),
        )

    @guides.get("/guides/<code>")
    @allow("agent", "township", "head")
    def guide(code: str) -> str:
        item = known_item(station, code)
        station.misses.opened(_who(), code)
        station.often.opened(code)
        return render_template("station/guide.html", item=item, fresh=station.freshness())

    @guides.get("/guides/<code>/sheet")
    @allow("agent", "township", "head")
    def sheet(code: str) -> str:
        """The whole guide on one page of paper."""
        item = known_item(station, code)
        services.ready_to_print()
        names = [str(material["name"]) for material in item["materials"]]
        return render_template(
            "station/guide_sheet.html",
            item=item,
            title=item["name"],
            station=station.name,
            number=None,
            qr=code_of(station, item, names),
            fit=fit(item),
            release=station.catalogue.release,
        )

    @guides.get("/guides/<code>/materials")
    @allow("agent", "township", "head")
    def materials(code: str) -> str:
        """Two or three questions, and what this person is to bring."""
        item = known_item(station, code)
        answers = answers_in(item)
        return render_template(
            "station/materials.html",
            item=item,
            answers=answers,
            questions=[one for one in short_list.questions(item) if short_list.asked(one, answers)],
            listed=short_list.short_list(item, answers),
        )

    @guides.get("/guides/<code>/notice")
    @allow("agent", "township", "head")
    def notice(code: str) -> str:
        """一次性告知单: what this person is to bring, all of it at once, on paper."""
        item = known_item(station, code)
        services.ready_to_print()
        answers = answers_in(item)
        listed = short_list.short_list(item, answers)
        return render_template(
            "station/notice.html",
            item=item,
            answers=answers,
            title=_("一次性告知单"),
            station=station.name,
            number=None,
            qr=code_of(station, item, [one.material["name"] for one in listed if one.sure]),
            situation=short_list.situation_in_words(item, answers),
            sure=[one for one in listed if one.sure],
            maybe=[one for one in listed if not one.sure],
            release=station.catalogue.release,
            by=current_user().name,
        )

    return guides


def known_item(station: Station, code: str) -> Document:
    item = station.catalogue.item(code)
    if item is None:
        raise Problem(404, "no_such_guide", "没有这个事项的指南。换个说法再查一次。")
    return item


def answers_in(item: Document) -> dict[str, str]:
    """The answers that the address names, by the paths that they are about."""
    return short_list.tidied(item, request.args.to_dict())


def often(station: Station, limit: int) -> list[ItemRow]:
    """The items that are asked for most at this station, as far as there is something to count."""
    rows = {row.code: row for row in station.catalogue.items()}
    return [rows[code] for code in station.often.codes() if code in rows][:limit]


def group_lists(station: Station) -> list[tuple[str, str, list[tuple[str, int]]]]:
    """The ways to look guides up, each `(kind, title, [(name, how many)])`; the county's own categories where its
    items say neither whom nor what in life they are for.
    """
    titles = {"who": _("您是谁"), "life": _("遇到了什么事"), "category": _("分类"), "department": _("找哪个部门")}
    found = {kind: [(group.name, group.items) for group in station.groups.of(kind)] for kind in KINDS}
    if found["who"] or found["life"]:
        del found["category"]
    return [(kind, title, found[kind]) for kind, title in titles.items() if found.get(kind)]


def as_hits(rows: list[ItemRow]) -> list[Hit]:
    return [Hit(row.code, row.name, row.department, 0.0, {"field": "category", "text": ""}) for row in rows]


def code_of(station: Station, item: Document, materials: list[str]) -> str:
    """The QR code of a list: the list itself, since a phone at home reaches no station."""
    release = station.catalogue.release
    on = civil_date(station.now())
    text = slip(
        item,
        materials,
        place=station.name,
        on=f"{on.year}-{on.month}-{on.day}",
        release=release.number if release is not None else 0,
    )
    return qr_svg(text, label=str(_("这张单子的文字，手机扫了就能看，不用上网")))


def _group_asked() -> tuple[str, str]:
    return next(((kind, request.args[kind][:100]) for kind in KINDS if request.args.get(kind)), ("", ""))


def _who() -> str:
    return f"staff:{current_user().username}"
