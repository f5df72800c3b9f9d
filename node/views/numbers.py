"""Numbers for papers written by hand while the power is out: reserved for a day, printed as slips, used once."""

from __future__ import annotations

from datetime import date

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _

from casework.times import civil_date
from node.reserved import MOST_AT_ONCE, CannotReserve
from node.station import Station
from web.cases.services import CaseServices
from web.errors import Problem
from web.forms import typed_as_date, typed_as_integer
from web.papers import qr_svg
from web.signin import allow, current_user

USUAL = 10


def pages(station: Station, _services: CaseServices) -> Blueprint:
    numbers = Blueprint("numbers", __name__)

    @numbers.get("/numbers")
    @allow("agent", "township", "head")
    def listing() -> str:
        return _page(station, {})

    @numbers.post("/numbers")
    @allow("agent", "township", "head")
    def reserve() -> Response | tuple[str, int]:
        count = typed_as_integer(request.form.get("count", "").strip(), "个")
        on = _day(request.form.get("on", ""))
        if on is None or not isinstance(count, int):
            wrong = {} if isinstance(count, int) else {"count": f"一次留 1 到 {MOST_AT_ONCE} 个编号，只写数字。"}
            return _page(station, wrong | ({"on": "日期写成 2026-09-16 这样。"} if on is None else {})), 422
        try:
            today = civil_date(station.now())
            made = station.reserved.reserve(count, on, current_user().name, today=today)
        except CannotReserve as refusal:
            return _page(station, refusal.fields), 422
        flash(_("留好了 %(n)s 个编号，打印出来放在手边", n=len(made)), "saved")
        answer = redirect(url_for("numbers.sheet", on=on.isoformat()), 303)
        assert isinstance(answer, Response)
        return answer

    @numbers.get("/numbers/sheet/<on>")
    @allow("agent", "township", "head")
    def sheet(on: str) -> str:
        day = _day(on)
        found = [one for one in station.reserved.open_ones() if one.on == day]
        if not found or day is None:
            raise Problem(404, "no_numbers", "这一天没有留着的编号。请先留编号再打印。")
        return render_template(
            "station/numbers_sheet.html",
            title=_("停电备用编号"),
            station=station.name,
            number=None,
            qr=None,
            on=day,
            slips=[(one.number, qr_svg(one.number, label=_("编号二维码"))) for one in found],
        )

    return numbers


def _page(station: Station, problems: dict[str, str]) -> str:
    days: dict[date, list[str]] = {}
    for one in station.reserved.open_ones():
        days.setdefault(one.on, []).append(one.number)
    return render_template(
        "station/numbers.html",
        days=sorted(days.items()),
        count=request.form.get("count", USUAL),
        on=request.form.get("on", civil_date(station.now()).isoformat()),
        problems=problems,
    )


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(typed_as_date(text.strip()))
    except ValueError:
        return None
