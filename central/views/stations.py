"""Stations: the whole county on one screen, one station, its key revoked, a code for its enrolment."""

from __future__ import annotations

from collections import Counter
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from central.alerts import raised
from central.alerts.alert import Projections
from central.catalogue.publishing import newest_release
from central.centre import Centre
from central.ledgers import compared
from central.monitor import StationRow, by_township
from central.stations import issue_station_code, revoke_station
from central.views.catalogue_life import waits
from web.cases.casebook import Scope
from web.cases.services import CaseServices
from web.errors import Problem
from web.signin import allow, current_user


def pages(centre: Centre, services: CaseServices) -> Blueprint:
    stations = Blueprint("stations", __name__, url_prefix="/stations")

    @stations.get("")
    @allow("admin")
    def overview() -> str:
        return render_template("stations/overview.html", **_county(centre))

    @stations.get("/live")
    @allow("admin")
    def live() -> str:
        return render_template("stations/county.html", **_county(centre))

    @stations.get("/<code>")
    @allow("admin")
    def station(code: str) -> str:
        services.note(current_user(), "listed", what=centre.station_name(code))
        return render_template("stations/station.html", **_station(centre, services, code))

    @stations.get("/<code>/live")
    @allow("admin")
    def station_live(code: str) -> str:
        services.note_refresh(current_user(), "listed")
        return render_template("stations/state.html", **_station(centre, services, code))

    @stations.get("/<code>/revoke")
    @allow("admin")
    def ask_revoke(code: str) -> str:
        return render_template("stations/revoke.html", row=_row(centre, code), problems={}, reason="")

    @stations.post("/<code>/revoke")
    @allow("admin")
    def revoke(code: str) -> Response | tuple[str, int]:
        row, reason = _row(centre, code), request.form.get("reason", "").strip()
        try:
            revoke_station(centre, code, reason=reason, by=current_user().username)
        except Problem as problem:
            page = render_template("stations/revoke.html", row=row, problems=problem.fields, reason=reason)
            return page, problem.status
        flash(_("密钥已吊销。这台机器从现在起登不上县中心。"), "saved")
        return redirect(url_for("stations.station", code=code), 303)

    @stations.post("/<code>/code")
    @allow("admin")
    def new_code(code: str) -> str:
        row = _row(centre, code)
        return render_template("stations/code.html", row=row, issued=issue_station_code(centre, code))

    return stations


def _county(centre: Centre) -> dict[str, Any]:
    rows = centre.monitor.stations()
    release = newest_release(centre.catalogue)
    return {
        "columns": by_township(rows),
        "rows": rows,
        "sums": Counter(row.condition.shape for row in rows),
        "kinds": Counter(row.kind for row in rows),
        "alerts": raised(Projections(rows, centre.casebook), centre.now()),
        "lost": [row for row in rows if row.condition.shape == "lost"],
        "now": centre.now(),
        "release": release["number"] if release is not None else None,
        "register": centre.register().number,
        "contested": centre.casebook.contested(),
        "county": centre.name,
        "waits": waits(centre.board, current_user()),
    }


def _station(centre: Centre, services: CaseServices, code: str) -> dict[str, Any]:
    row = _row(centre, code)
    return {
        "row": row,
        "parent": centre.station(row.parent) if row.parent else None,
        "keys": centre.register().keys_of(code),
        "ledgers": compared(row.report.get("ledgers", []), centre.casebook.ledgers(code)),
        "cases": services.casebook.latest(Scope(stations=frozenset({code})), limit=20),
        "register": centre.register().number,
    }


def _row(centre: Centre, code: str) -> StationRow:
    row = centre.monitor.station(code)
    if row is None:
        raise Problem(404, "no_such_station", "没有这个代码的站点。请从站点页点进来。")
    return row
