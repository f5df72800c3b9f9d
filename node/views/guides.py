"""Guides: found by what people say, read aloud, printed on a page, and the way into an intake."""

from __future__ import annotations

from flask import Blueprint, render_template, request

from casework.documents.item import LEVELS
from node.station import Station
from web.cases.services import CaseServices
from web.errors import Problem
from web.papers import qr_svg
from web.signin import allow

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


def pages(station: Station, services: CaseServices) -> Blueprint:
    guides = Blueprint("guides", __name__)

    @guides.get("/guides")
    @allow("agent", "township", "head")
    def search() -> str:
        said = request.args.get("q", "").strip()[:100]
        category = request.args.get("category") or None
        hits = station.catalogue.search(said, category=category, limit=FOUND if said else 200)
        template = "station/hits.html" if request.args.get("part") else "station/guides.html"
        return render_template(
            template,
            said=said,
            category=category,
            hits=hits,
            matched=MATCHED,
            categories=station.catalogue.categories(),
            release=station.catalogue.release,
            fresh=station.freshness(),
        )

    @guides.get("/guides/<code>")
    @allow("agent", "township", "head")
    def guide(code: str) -> str:
        item = station.catalogue.item(code)
        if item is None:
            raise Problem(404, "no_such_guide", "没有这个事项的指南。换个说法再查一次。")
        return render_template(
            "station/guide.html",
            item=item,
            levels=LEVELS,
            fresh=station.freshness(),
            qr=qr_svg(f"{request.host_url}guides/{code}"),
        )

    return guides
