"""The line and the clock, in words: what waits, what was refused, what day it is."""

from __future__ import annotations

from datetime import datetime

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _

from casework.times import CHINA
from node.api import TRY_NOW_S, sync_state
from node.station import Station
from web.cases.services import CaseServices
from web.signin import allow, current_user


def pages(station: Station, services: CaseServices) -> Blueprint:
    line = Blueprint("line", __name__)

    @line.get("/line")
    @allow("agent", "township")
    def state() -> str:
        return render_template(
            "station/line.html",
            state=sync_state(station),
            status=station.line.status(),
            waiting=station.casebook.waiting_cases(),
            refused=station.refused_list.all(),
            release=station.catalogue.release,
            release_problems=station.catalogue.problems,
        )

    @line.post("/line")
    @allow("agent", "township")
    def try_now() -> Response:
        online = station.line.try_now(TRY_NOW_S).online
        flash(_("线路通了") if online else _("还是不通。照常收件，线路一通自动上传。"), "saved" if online else "told")
        return _to("line.state")

    @line.get("/clock")
    @allow("agent", "township")
    def clock() -> str:
        return render_template("station/clock.html", **_clock(station), problems={})

    @line.post("/clock")
    @allow("agent", "township")
    def confirm() -> Response | tuple[str, int]:
        try:
            said = datetime.fromisoformat(f"{request.form.get('date', '')}T{request.form.get('time', '')}")
        except ValueError:
            problems = {"date": "日期或时间看不懂。请照 2026-09-16 和 09:21 这样填。"}
            return render_template("station/clock.html", **_clock(station), problems=problems), 422
        station.confirm_clock(said.replace(tzinfo=CHINA), services.person_of(current_user()))
        flash(_("记下了，日期按您说的算"), "saved")
        return _to("line.clock")

    return line


def _clock(station: Station) -> dict[str, object]:
    reading = station.clock.reading()
    return {
        "doubt": station.clock.doubt(),
        "raw": reading.raw.astimezone(CHINA),
        "believed": reading.corrected.astimezone(CHINA),
        "how": reading.how,
    }


def _to(endpoint: str) -> Response:
    answer = redirect(url_for(endpoint), 303)
    assert isinstance(answer, Response)
    return answer
