"""The front page: a reviewer's queue. Administrators begin at the stations."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, url_for
from werkzeug.wrappers import Response

from central.centre import Centre
from central.queue import decided_lately
from web.cases.services import CaseServices
from web.cases.worklist import worklist
from web.signin import allow, current_user


def pages(centre: Centre, services: CaseServices) -> Blueprint:
    home = Blueprint("home", __name__)

    @home.get("/")
    @allow("reviewer", "admin")
    def queue() -> str | Response:
        if "reviewer" not in current_user().roles:
            return redirect(url_for("stations.overview"))
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
