"""The morning page: what people ask for, what is due, what was left unfinished."""

from __future__ import annotations

from flask import Blueprint, render_template

from casework.transitions import OPEN_STATES
from node.reminders import reminders
from node.station import Station
from web.cases.casebook import CaseRow
from web.cases.services import CaseServices
from web.signin import User, allow, current_user

OFTEN_ASKED = ("低保", "老人补贴", "盖房子", "社保卡丢了", "开证明")
SHOWN = 4


def pages(station: Station, services: CaseServices) -> Blueprint:
    home = Blueprint("home", __name__)

    @home.get("/")
    @allow("agent", "township")
    def workbench() -> str:
        user = current_user()
        scope = services.scope_of(user)
        open_cases = station.casebook.latest(scope, states=OPEN_STATES, by_due=True, limit=50)
        mine = [row for row in open_cases if _decides(services, user, row)]
        services.note(user, "listed", what="工作台")
        return render_template(
            "station/workbench.html",
            often=OFTEN_ASKED,
            groups=[
                ("等我决定", mine[:SHOWN], len(mine), "作决定"),
                (
                    "快到期",
                    [row for row in open_cases if row not in mine][:SHOWN],
                    len(open_cases) - len(mine),
                    "看进度",
                ),
                ("有结果了", station.casebook.latest(scope, states=["decided"], limit=SHOWN), None, "看结果"),
            ],
            counts=station.casebook.counts(scope),
            # In whatever state: of a withdrawal and a decision that did not know of one another, one has closed it.
            troubled=station.casebook.troubled(scope),
            shown=SHOWN,
            reminders=reminders(station, services, user),
            drafts=station.drafts.open_ones(user.username)[:SHOWN],
        )

    return home


def _decides(services: CaseServices, user: User, row: CaseRow) -> bool:
    case = services.casebook.case(row.number)
    return case is not None and services.may("decided", user, case)
