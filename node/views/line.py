"""The line and the clock, in words: what waits, what was refused, what day it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _

from casework.times import CHINA, parse_rfc3339
from node.api import TRY_NOW_S, sync_state
from node.station import Station
from web.cases.services import CaseServices
from web.signin import allow, current_user
from web.wording import long_day

A_DAY, LONGEST_AWAY = timedelta(days=1), timedelta(days=10 * 365)


def pages(station: Station, services: CaseServices) -> Blueprint:
    line = Blueprint("line", __name__)

    @line.get("/line")
    @allow("agent", "township", "head")
    def state() -> str:
        services.note_refresh(current_user(), "listed")
        return render_template(
            "station/line.html",
            state=sync_state(station),
            status=station.line.status(),
            waiting=station.casebook.waiting_cases(),
            refused=station.refused_list.all(),
            release=station.catalogue.release,
            release_problems=station.catalogue.problems,
            fresh=station.freshness(),
        )

    @line.post("/line")
    @allow("agent", "township", "head")
    def try_now() -> Response:
        online = station.line.try_now(TRY_NOW_S).online
        flash(_("线路通了") if online else _("还是不通。照常收件，线路一通自动上传。"), "saved" if online else "told")
        return _to("line.state")

    @line.get("/clock")
    @allow("agent", "township", "head")
    def clock() -> str:
        return render_template("station/clock.html", **_clock(station), problems={})

    @line.post("/clock")
    @allow("agent", "township", "head")
    def confirm() -> Response | tuple[str, int]:
        said = _said()
        known = parse_rfc3339(str(station.register.document["at"]))
        problem = None
        if said is None:
            problem = "日期或时间看不懂。请照 2026-09-16 和 09:21 这样填。"
        elif not known - A_DAY <= said <= known + LONGEST_AWAY:
            # The county signed its newest register at that time: an earlier date is a slip of the hand.
            problem = f"这个日期不对：县中心最近一次发来资料是{long_day(known.astimezone(CHINA))}。请再看一眼日历。"
        if said is None or problem is not None:
            return render_template("station/clock.html", **_clock(station), problems={"date": problem}), 422
        station.confirm_clock(said, services.person_of(current_user()))
        flash(_("记下了，日期按您说的算"), "saved")
        return _to("line.clock")

    return line


def _said() -> datetime | None:
    """The date and time of the form, at +08:00."""
    try:
        text = f"{request.form.get('date', '')}T{request.form.get('time', '')}"
        return datetime.fromisoformat(text).replace(tzinfo=CHINA).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


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
