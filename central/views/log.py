"""The log of acts: who read or changed which case, at every station and here; searched, checked, taken out as CSV."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response as AnyResponse

from casework.audit_chain import act_in_words
from casework.documents.account import ROLES
from casework.documents.audit import ACTS
from casework.times import CHINA, rfc3339
from central.audit import Found, Search
from central.centre import Centre
from web.api import whole_number
from web.audit import LEAST_MONTHS
from web.cases.services import CaseServices
from web.signin import allow, current_user
from web.spreadsheet import csv_lines
from web.wording import stamp

ON_A_PAGE = 50
WROTE_ANY = "wrote"
ACT_TITLES = {WROTE_ANY: "写入办件", **ACTS}
COLUMNS = ("时间", "站点代码", "站点", "账号", "姓名", "角色", "做了什么", "办件编号", "说明", "日志里第几条", "核对")


def pages(centre: Centre, services: CaseServices) -> Blueprint:
    log = Blueprint("log", __name__, url_prefix="/log")

    @log.get("")
    @allow("admin")
    def entries() -> str:
        said, search = _asked()
        page = whole_number("page", default=0, least=0, most=100_000)
        services.note(current_user(), "log_read")
        found = centre.trail.search(search, page=page, limit=ON_A_PAGE)
        return render_template(
            "log/entries.html",
            found=found[:ON_A_PAGE],
            count=centre.trail.count(search),
            more=len(found) > ON_A_PAGE,
            page=page,
            said=said,
            acts=ACT_TITLES,
            stations=[(centre.code, centre.name), *((row.code, row.name) for row in centre.monitor.stations())],
            troubles=centre.trail.troubles(),
            months=centre.trail.months,
            least=LEAST_MONTHS,
            roles=ROLES,
            in_words=act_in_words,
            station_name=centre.station_name,
        )

    @log.get("/export.csv")
    @allow("admin")
    def export() -> Response:
        _said, search = _asked()
        services.note(current_user(), "log_exported", what=f"{centre.trail.count(search)} 条")
        rows = (_cells(centre, found) for found in centre.trail.every(search))
        answer = Response(csv_lines(COLUMNS, rows), mimetype="text/csv")
        answer.headers["Content-Disposition"] = f"attachment; filename=log-{centre.now().astimezone(CHINA):%Y%m%d}.csv"
        return answer

    @log.post("/check")
    @allow("admin")
    def check() -> AnyResponse:
        # What is wrong stands on the page in any case.
        if not centre.trail.check():
            flash(_("从头核对过了，没有被改过的。"), "saved")
        return redirect(url_for("log.entries"), 303)

    @log.post("/months")
    @allow("admin")
    def keep_for() -> AnyResponse:
        text = request.form.get("months", "").strip()
        months = int(text) if text.isdecimal() and len(text) < 4 else 0
        try:
            centre.trail.keep_for(months, services.person_of(current_user()))
        except ValueError:
            flash(_("没有改：操作日志至少要保存 %(n)s 个月（网络安全法第二十一条）。", n=LEAST_MONTHS), "told")
        else:
            flash(_("操作日志保存 %(n)s 个月。", n=months), "saved")
        return redirect(url_for("log.entries"), 303)

    return log


def _asked() -> tuple[dict[str, str], Search]:
    """What the form says, and the search that it means; a date that cannot be read finds as if it were empty."""
    names = ("case", "account", "station", "act", "since", "until")
    said = {name: request.args.get(name, "").strip()[:60] for name in names}
    search = Search(**said)
    return said, replace(
        search,
        since=_midnight(said["since"]),
        until=_midnight(said["until"], timedelta(days=1)),
    )


def _midnight(text: str, later: timedelta = timedelta()) -> str:
    try:
        return rfc3339(datetime.combine(date.fromisoformat(text), time(), CHINA) + later)
    except (ValueError, OverflowError):
        return ""


def _cells(centre: Centre, found: Found) -> tuple[str, ...]:
    entry = found.entry
    return (
        stamp(entry["at"]),
        found.station,
        centre.station_name(found.station),
        entry["account"],
        entry["name"],
        ROLES.get(entry["role"], entry["role"]),
        act_in_words(entry["act"]),
        entry["case"] or "",
        entry["what"],
        str(found.position),
        "完好" if found.intact else "对不上",
    )
