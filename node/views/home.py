"""The morning page: what people ask for, what waits for whoever is here, what was left unfinished."""

from __future__ import annotations

from flask import Blueprint, render_template

from node.reminders import reminders
from node.station import Station
from web.cases.services import CaseServices
from web.cases.worklist import worklist
from web.signin import allow, current_user

OFTEN_ASKED = ("低保", "老人补贴", "盖房子", "社保卡丢了", "开证明")
SHOWN = 4
LONGEST_QUEUE = 100


def pages(station: Station, services: CaseServices) -> Blueprint:
    home = Blueprint("home", __name__)

    @home.get("/")
    @allow("agent", "township", "head")
    def workbench() -> str:
        user = current_user()
        scope = services.scope_of(user)
        work = worklist(services, user, scope)
        groups = [(title, entries[:SHOWN], len(entries), word) for title, entries, word in work.groups()]
        for title, entries, word in (("等补正", work.correcting, "看进度"), ("快到期", work.others, "看进度")):
            if entries:
                groups.append((title, entries[:SHOWN], len(entries), word))
        services.note(user, "listed", what="工作台")
        return render_template(
            "station/workbench.html",
            often=OFTEN_ASKED,
            groups=groups,
            done=station.casebook.latest(scope, states=["decided"], limit=SHOWN),
            counts=station.casebook.counts(scope),
            # In whatever state: of a withdrawal and a decision that did not know of one another, one has closed it.
            troubled=station.casebook.troubled(scope),
            shown=SHOWN,
            reminders=reminders(station, services, user, shown=SHOWN),
            drafts=station.drafts.open_ones(user.username)[:SHOWN],
            queue=services.person_of(user).role != "agent",
        )

    @home.get("/queue")
    @allow("township", "head")
    def queue() -> str:
        user = current_user()
        work = worklist(services, user, services.scope_of(user))
        services.note(user, "listed", what="待办")
        return render_template(
            "station/queue.html",
            work=work,
            groups=work.groups(),
            first=next((entries[0] for _title, entries, _word in work.groups()), None),
            department=user.department,
            longest=LONGEST_QUEUE,
            station_name=services.station_name,
        )

    return home
