"""The station's web app: pages for agents and township staff, the JSON API, and `/couch/` for neighbours."""

from __future__ import annotations

from datetime import datetime

from flask import Flask, url_for
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from casework.times import parse_rfc3339
from node import views
from node.api import station_api
from node.station import Station
from provisioning.tokens import bearer_writer
from sync.wsgi import CouchApp
from web.app import Furniture, LineState, NavEntry, create_app
from web.cases.api import case_api
from web.cases.casebook import Scope
from web.cases.desk import Person
from web.cases.pages import case_pages
from web.cases.services import CaseServices, departments_of
from web.errors import Problem
from web.signin import User

# The role in which somebody acts, when an account has several: the one with the wider rights first.
ROLES_BY_RIGHT = ("head", "township", "agent")


def create_station_app(station: Station) -> Flask:
    """The whole of the station as one WSGI app; the line is started by whoever serves it."""
    furniture = Furniture(
        place=station.name,
        site=station.code,
        navigation=[
            NavEntry("home.workbench", "工作台", ("agent", "township", "head")),
            NavEntry("home.queue", "待办", ("township", "head")),
            NavEntry("intake.choose", "收件", ("agent", "township", "head")),
            NavEntry("cases.listing", "办件", ("agent", "township", "head")),
            NavEntry("cases.contested", "争议", ("township", "head")),
            NavEntry("handover.whereabouts", "交接", ("agent", "township", "head")),
            NavEntry("proxies.register", "代办", ("agent", "township", "head")),
            NavEntry("enquiries.desk", "咨询", ("agent", "township", "head")),
            NavEntry("guides.search", "指南", ("agent", "township", "head")),
            NavEntry("line.state", "线路", ("agent", "township", "head")),
        ],
        line=lambda: line_state(station),
        accounts=station.account,
        database=station.local,
        audit=station.audit,
        now=station.now,
        random=station.random,
        version=station.version,
        log_folder=station.folder.path / "log",
        alive=lambda: {"station": station.code, "release": _release(station), "catalogue": station.freshness().state},
        on_request=station.line.touch,
    )
    app = create_app("node", furniture=furniture)
    station.clock.on_jump(app.extensions["signin"].clock_jumped)
    services = CaseServices(
        casebook=station.casebook,
        desk=station.desk,
        scope_of=lambda user: scope_of(station, user),
        person_of=person_of,
        station_name=station.station_name,
        item=station.catalogue.item,
        item_as_of=station.item_as_of,
        now=station.now,
        may_add_files=True,
        ready_to_print=lambda: ready_to_print(station),
        departments=lambda: departments_of(
            filter(None, (station.catalogue.item(r.code) for r in station.catalogue.items()))
        ),
        again=lambda number: f"{url_for('intake.choose')}?from={number}",
        paper_words=station.catalogue.paper,
    )
    app.register_blueprint(station_api(station, services))
    app.register_blueprint(case_api(services))
    app.register_blueprint(case_pages(services))
    views.register(app, station, services)
    couch = CouchApp(
        station.databases,
        authenticate=bearer_writer(lambda: station.register, station.now),
    )
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/couch": couch})  # type: ignore[method-assign]
    return app


def scope_of(station: Station, user: User) -> Scope:
    """A village sees its own cases, a township also those of its villages."""
    del user
    return Scope(stations=frozenset({station.code, *station.villages()}))


def person_of(user: User) -> Person:
    role = next((role for role in ROLES_BY_RIGHT if role in user.roles), user.roles[0])
    return Person(user.username, user.name, role, user.department)


def ready_to_print(station: Station) -> None:
    if station.clock.doubt() is not None:
        raise Problem(409, "date_in_doubt", "本机日期不对。请先到“线路 › 确认日期”确认今天是几号，再打印有日期的文书。")


def line_state(station: Station) -> LineState:
    """What the strip under the head says."""
    status = station.line.status()
    receipt = station.casebook.last_receipt_at()
    return LineState(
        online=status.online,
        waiting=station.casebook.waiting(),
        last_confirmed_at=max(filter(None, [status.last_contact_at, _moment(receipt)]), default=None),
        release=_release(station),
        doubt=station.clock.doubt() is not None,
        stale=station.freshness().is_stale,
    )


def _release(station: Station) -> int | None:
    release = station.catalogue.release
    return release.number if release is not None else None


def _moment(text: str | None) -> datetime | None:
    return parse_rfc3339(text) if text else None
