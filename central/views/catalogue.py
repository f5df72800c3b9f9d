"""The catalogue: its releases, what the drafts would change, publishing, and who decides each item."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from central.catalogue.findings import CatalogueRefused
from central.catalogue.publishing import (
    newest_release,
    pending,
    publish,
    published_items,
    released,
    take_back,
    way_back,
)
from central.centre import Centre
from central.views.catalogue_files import add_files
from central.views.wordings import add_wordings
from web.cases.services import CaseServices
from web.errors import Problem
from web.signin import allow, current_user

LEVELS = {"village": "村", "township": "乡镇", "county": "县"}
MOST_RELEASES = 20


def pages(centre: Centre, services: CaseServices) -> Blueprint:
    del services
    catalogue = Blueprint("catalogue", __name__, url_prefix="/catalogue")

    @catalogue.get("")
    @allow("admin", "service")
    def releases() -> str:
        text = request.args.get("q", "").strip()[:60]
        items = published_items(centre)
        return render_template(
            "catalogue/releases.html",
            releases=released(centre.catalogue, MOST_RELEASES),
            pending=pending(centre),
            items=[item for item in items if text in item["name"] or text in item["code"]],
            count=len(items),
            text=text,
            levels=LEVELS,
        )

    @catalogue.get("/publish")
    @allow("admin", "service")
    def ask_publish() -> str:
        return render_template("catalogue/publish.html", pending=pending(centre))

    @catalogue.post("/publish")
    @allow("admin", "service")
    def publish_drafts() -> Response:
        try:
            release = publish(centre, by=current_user().username, held=request.form.get("held") == "yes")
        except CatalogueRefused as refused:
            raise Problem(409, "nothing_to_publish", str(refused)) from refused
        if release.new:
            flash(_("第 %(n)s 版已发布，站点收齐后一起换上。", n=f"{release.number:06d}"), "saved")
        else:
            flash(_("和第 %(n)s 版一样，没有要发布的。", n=f"{release.number:06d}"), "told")
        return redirect(url_for("catalogue.releases"), 303)

    @catalogue.get("/back/<int:to>")
    @allow("admin", "service")
    def ask_back(to: int) -> str:
        try:
            back = way_back(centre, to)
        except CatalogueRefused as refused:
            raise Problem(409, "cannot_take_back", str(refused)) from refused
        return render_template("catalogue/back.html", back=back)

    @catalogue.post("/back/<int:to>")
    @allow("admin", "service")
    def go_back(to: int) -> Response:
        if request.form.get("from") != str((newest_release(centre.catalogue) or {}).get("number")):
            raise Problem(409, "published_meanwhile", "这期间又发布了一版。回目录重新看一遍会变什么，再退。")
        try:
            release = take_back(centre, to, by=current_user().username)
        except CatalogueRefused as refused:
            raise Problem(409, "cannot_take_back", str(refused)) from refused
        flash(
            _("第 %(n)s 版已发布，内容和第 %(to)s 版一样。", n=f"{release.number:06d}", to=f"{to:06d}"),
            "saved",
        )
        return redirect(url_for("catalogue.releases"), 303)

    add_wordings(catalogue, centre)
    add_files(catalogue, centre)
    return catalogue
