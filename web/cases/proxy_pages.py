"""The proxy register (代办台账): cases that somebody handles for the applicant, month by month, on paper or as CSV."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from flask import Blueprint, Response, render_template, request

from casework.agency import POWER_STATES, Agency, agency
from casework.case import Case
from casework.custody import GIVEN_BACK, HELD, MISSED, ON_THE_ROAD, custody
from casework.kinds.delivered import RECIPIENTS
from casework.times import CHINA, civil_date, parse_rfc3339, rfc3339
from casework.transitions import STATES
from web.cases.api import EVERYBODY
from web.cases.casebook import CaseRow
from web.cases.services import CaseServices
from web.signin import User, allow, current_user
from web.spreadsheet import csv_lines

COLUMNS = ("收件日期", "站点", "编号", "办事人", "事项", "受托人", "是不是代办员", "委托的事项", "委托书", "怎么签的",
           "到哪天止", "材料在哪里", "现在", "结果送达")  # fmt: skip


@dataclass(frozen=True)
class Entry:
    """A line of the register."""

    row: CaseRow
    agency: Agency
    received_on: str
    state: str
    papers: str
    returned: str


def month_asked(today: date) -> str:
    """The month that the page's address asks for, 2026-09; this one if it asks for none that there is."""
    said = request.args.get("month", "")
    # Years that a date can be made of in any time zone.
    return (
        said if re.fullmatch(r"(?!0001|9999)\d{4}-(0[1-9]|1[0-2])", said) and said[:4] != "0000" else f"{today:%Y-%m}"
    )


def span_of(month: str) -> tuple[str, str]:
    """The month at +08:00, as RFC 3339 times: from, and up to."""
    first = date.fromisoformat(f"{month}-01")
    after = (first + timedelta(days=31)).replace(day=1)
    begin, end = (rfc3339(datetime.combine(day, time(), CHINA)) for day in (first, after))
    return begin, end


def entries(services: CaseServices, user: User, month: str = "") -> list[Entry]:
    """The register of what this user may see: of a month, or of all time."""
    today = civil_date(services.now())
    span = span_of(month) if month else ("", "")
    found = []
    for row, case in services.casebook.proxied(services.scope_of(user), received=span):
        acting = agency(case, today)
        if acting is not None:
            found.append(_entry(services, row, case, acting))
    return sorted(found, key=lambda entry: (entry.received_on, entry.row.number))


def totals(found: Sequence[Entry]) -> list[tuple[str, int]]:
    return [
        ("代办件", len(found)),
        ("由代办员办", sum(entry.agency.agent for entry in found)),
        ("结果已送达", sum(bool(entry.returned) for entry in found)),
        ("委托书缺或到期", sum(entry.agency.lacks_power for entry in found)),
    ]


def proxy_pages(services: CaseServices) -> Blueprint:
    pages = Blueprint("proxies", __name__)

    @pages.get("/proxies")
    @allow(*EVERYBODY)
    def register() -> str:
        user, today = current_user(), civil_date(services.now())
        month = month_asked(today)
        services.note(user, "listed", what=f"代办台账 {month}")
        found = entries(services, user, month)
        return render_template(
            "cases/proxies.html",
            month=month,
            entries=found,
            totals=totals(found),
            powers=POWER_STATES,
            station_name=services.station_name,
        )

    @pages.get("/proxies.csv")
    @allow(*EVERYBODY)
    def export() -> Response:
        user = current_user()
        month = month_asked(civil_date(services.now()))
        found = entries(services, user, month)
        services.note(user, "listed_in_full", what=f"导出代办台账 {month}，{len(found)} 件")
        answer = Response(csv_lines(COLUMNS, [_cells(services, entry) for entry in found]), mimetype="text/csv")
        answer.headers["Content-Disposition"] = f"attachment; filename=proxies-{month}.csv"
        return answer

    return pages


def _entry(services: CaseServices, row: CaseRow, case: Case, acting: Agency) -> Entry:
    delivery = case["delivery"]
    returned = f"{delivery['on']} {RECIPIENTS[delivery['to']['who']]}" if delivery is not None else ""
    received = civil_date(parse_rfc3339(row.received_at)).isoformat() if row.received_at else ""
    return Entry(row, acting, received, STATES[case["state"]], _papers(services, case), returned)


def _papers(services: CaseServices, case: Case) -> str:
    """Where the papers are, in words, each place once."""
    words = {GIVEN_BACK: "已退还办事人", MISSED: "有材料没找到"}
    found = []
    for where in custody(case).values():
        if where.kind == ON_THE_ROAD:
            found.append(f"在路上，交给{where.to}")
        elif where.kind == HELD:
            at_county = where.station == services.desk.station and services.desk.kind == "county"
            found.append(where.department if at_county and where.department else services.station_name(where.station))
        else:
            found.append(words[where.kind])
    return "；".join(dict.fromkeys(found))


def _cells(services: CaseServices, entry: Entry) -> tuple[str, ...]:
    acting = entry.agency
    return (
        entry.received_on, services.station_name(entry.row.station), entry.row.number, entry.row.applicant,
        entry.row.item_name, acting.name, "是" if acting.agent else "否", "、".join(acting.matters),
        POWER_STATES[acting.power], acting.signed, acting.until or "", entry.papers, entry.state, entry.returned,
    )  # fmt: skip
