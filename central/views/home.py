"""The front page: a reviewer's queue, an administrator's stations, and for the bodies the items that wait for them."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response

from central.catalogue.lifecycle import CATALOGUE_ROLES
from central.centre import Centre
from central.queue import decided_lately
from central.views.catalogue_life import waits
from web.cases.services import CaseServices
from web.cases.worklist import worklist
from web.signin import allow, current_user


def pages(centre: Centre, services: CaseServices) -> Blueprint:
    home = Blueprint("home", __name__)

    @home.get("/")
    @allow(*CATALOGUE_ROLES)
    def queue() -> str | Response:
        if "reviewer" not in current_user().roles:
            area = "stations.overview" if "admin" in current_user().roles else "approvals.waiting"
            return redirect(url_for(area))
        services.note(current_user(), "listed", what="待办")
        return render_template("home/queue.html", **_queue(centre, services))

    @home.get("/queue")
    @allow("reviewer")
    def live() -> str:
        services.note_refresh(current_user(), "listed")
        return render_template("home/cases.html", **_queue(centre, services))

    return home


def _queue(centre: Centre, services: CaseServices) -> dict[str, Any]:
    user = current_user()
    scope = services.scope_of(user)
    work = worklist(services, user, scope)
    groups = work.groups()
    return {
        "waits": waits(centre.board, user),
        "groups": groups,
        "waiting": sum(len(entries) for _title, entries, _word in groups),
        "first": next((entries[0] for _title, entries, _word in groups), None),
        "correcting": work.correcting,
        "others": work.others,
        "contested": work.contested,
        "decided": decided_lately(services, scope),
        "department": user.department,
        "station_name": centre.station_name,
    }
