"""The county's web app: pages for reviewers and administrators, the JSON API, and `/couch/` for its stations."""

from __future__ import annotations

from flask import Flask
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from casework.documents.account import ROLES
from central import views
from central.api import county_api
from central.catalogue.api import catalogue_api
from central.catalogue.lifecycle import CATALOGUE_ROLES
from central.catalogue.publishing import item_of_release, published_paper
from central.centre import Centre
from central.monitor import disk
from provisioning.tokens import bearer_writer
from sync.wsgi import CouchApp
from web.app import Furniture, NavEntry, create_app
from web.cases.api import case_api
from web.cases.casebook import Scope
from web.cases.desk import Person
from web.cases.pages import case_pages
from web.cases.services import CaseServices, departments_of
from web.signin import User


def create_county_app(centre: Centre, *, secret: str) -> Flask:
    """The whole of the county as one WSGI app. `secret` opens the operations to commands on this machine."""
    furniture = Furniture(
        place=centre.name,
        site=centre.code,
        navigation=[
            NavEntry("home.queue", "待办", ("reviewer",)),
            NavEntry("stations.overview", "站点", ("admin",)),
            NavEntry("cases.listing", "办件", ("reviewer", "admin")),
            NavEntry("cases.contested", "争议", ("reviewer", "admin")),
            NavEntry("handover.whereabouts", "交接", ("reviewer", "admin")),
            NavEntry("proxies.register", "代办", ("reviewer", "admin")),
            NavEntry("enquiries.counts", "咨询", ("reviewer", "admin")),
            NavEntry("editor.listing", "事项", CATALOGUE_ROLES),
            NavEntry("approvals.waiting", "事项审核", CATALOGUE_ROLES),
            NavEntry("catalogue.releases", "目录", ("admin", "service")),
            NavEntry("words.overview", "词库", ("admin", "service")),
            NavEntry("accounts.listing", "账号", ("admin",)),
            NavEntry("log.entries", "操作日志", ("admin",)),
        ],
        line=None,
        accounts=centre.account,
        database=centre.local,
        audit=centre.audit,
        now=centre.now,
        random=centre.random,
        version=centre.version,
        log_folder=centre.folder.path / "log",
        alive=lambda: {"county": centre.folder.code},
    )
    app = create_app("central", furniture=furniture)
    app.jinja_env.filters |= {"disk": disk, "role_title": role_title}
    services = CaseServices(
        casebook=centre.casebook,
        desk=centre.desk,
        scope_of=scope_of,
        person_of=person_of,
        station_name=centre.station_name,
        item=centre.item_in_use,
        item_as_of=lambda code, release: item_of_release(centre, code, release),
        now=centre.now,
        may_add_files=False,
        paper_words=lambda code: published_paper(centre.catalogue, code),
        departments=lambda: departments_of(centre.catalogue.range("item:", "item;")),
    )
    app.register_blueprint(county_api(centre, secret=secret))
    app.register_blueprint(catalogue_api(centre))
    app.register_blueprint(case_api(services))
    app.register_blueprint(case_pages(services))
    views.register(app, centre, services)
    couch = CouchApp(centre.databases, authenticate=bearer_writer(centre.register, centre.now, centre.sessions))
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/couch": couch})  # type: ignore[method-assign]
    return app


def scope_of(user: User) -> Scope:
    """An administrator sees every case, a reviewer the cases that their department decides."""
    if "admin" in user.roles:
        return Scope()
    return Scope(department=user.department or "")


def role_title(role: str) -> str:
    return ROLES.get(role, role)


def person_of(user: User) -> Person:
    role = "reviewer" if "reviewer" in user.roles else user.roles[0]
    return Person(user.username, user.name, role, user.department)
