"""Accounts: who may sign in where; making one, changing one, setting a password."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from casework.canonical import Document
from casework.documents.account import ROLES
from central.accounts import AccountsRefused, account_at, accounts_at, import_accounts
from central.catalogue.publishing import published_items
from central.centre import Centre
from web.cases.services import CaseServices
from web.errors import Problem
from web.signin import allow

# The sentences of a whole form in one dictionary; "" is a problem of no single field.
Problems = Mapping[str, str]


def pages(centre: Centre, services: CaseServices) -> Blueprint:
    del services
    accounts = Blueprint("accounts", __name__, url_prefix="/accounts")

    @accounts.get("")
    @allow("admin")
    def listing() -> str:
        return render_template("accounts/listing.html", stations=_by_station(centre), roles=ROLES)

    @accounts.get("/new")
    @allow("admin")
    def new() -> str:
        typed = {"station": request.args.get("station", ""), "roles": []}
        return render_template("accounts/new.html", **_form(centre, typed, {}))

    @accounts.post("/new")
    @allow("admin")
    def make() -> Response | tuple[str, int]:
        typed = {**_typed(), "station": request.form.get("station", "").partition(" ")[0]}
        typed["username"] = request.form.get("username", "").strip()
        password = request.form.get("password", "")
        if account_at(centre, typed["station"], typed["username"]) is not None:
            return _again("accounts/new.html", centre, typed, {"username": _("这一站已经有这个用户名，换一个。")})
        try:
            import_accounts(centre, [{**typed, "password": password}])
        except AccountsRefused as refused:
            return _again("accounts/new.html", centre, typed, refused.problems[1])
        flash(_("账号 %(name)s 已建好，站点一联系就能登录。", name=typed["username"]), "saved")
        return redirect(url_for("accounts.listing"), 303)

    @accounts.get("/<station>/<username>")
    @allow("admin")
    def show(station: str, username: str) -> str:
        return render_template("accounts/change.html", **_form(centre, _account(centre, station, username), {}))

    @accounts.post("/<station>/<username>")
    @allow("admin")
    def change(station: str, username: str) -> Response | tuple[str, int]:
        account = _account(centre, station, username)
        _unchanged_since(account)
        typed = {**_typed(), "station": station, "username": username, "active": request.form.get("active") == "yes"}
        try:
            import_accounts(centre, [typed])
        except AccountsRefused as refused:
            return _again("accounts/change.html", centre, {**account, **typed}, refused.problems[1])
        flash(_("账号 %(name)s 已改好。", name=username), "saved")
        return redirect(url_for("accounts.listing"), 303)

    @accounts.post("/<station>/<username>/password")
    @allow("admin")
    def set_password(station: str, username: str) -> Response | tuple[str, int]:
        account = _account(centre, station, username)
        names = ("username", "name", "roles", "station", "department", "title", "active")
        record = {name: account.get(name) for name in names}
        try:
            import_accounts(centre, [{**record, "password": request.form.get("password", "")}])
        except AccountsRefused as refused:
            return _again("accounts/change.html", centre, account, refused.problems[1])
        flash(_("账号 %(name)s 的密码已换。请当面或电话告诉本人。", name=username), "saved")
        return redirect(url_for("accounts.listing"), 303)

    return accounts


def _typed() -> dict[str, Any]:
    """What the form says, as an account's record; roles are chosen by their Chinese names."""
    named = {title: role for role, title in ROLES.items()}
    return {
        "name": request.form.get("name", "").strip(),
        "roles": [named.get(title, title) for title in request.form.getlist("roles")],
        "department": request.form.get("department", "").strip() or None,
        "title": request.form.get("title", "").strip() or None,
    }


def _again(page: str, centre: Centre, typed: Mapping[str, Any], problems: Problems) -> tuple[str, int]:
    return render_template(page, **_form(centre, typed, problems)), 422


def _form(centre: Centre, typed: Mapping[str, Any], problems: Problems) -> dict[str, Any]:
    station = str(typed.get("station", ""))
    known = {"username": "", "name": "", "department": None, "title": None, "active": True, "_rev": ""}
    return {
        "typed": {**known, **typed},
        "problems": problems,
        "roles": ROLES,
        "departments": _departments(centre, typed.get("department")),
        "stations": [f"{code} {name}" for code, name in _stations(centre)],
        "station": f"{station} {centre.station_name(station)}" if station else "",
        "station_name": centre.station_name(station),
    }


def _departments(centre: Centre, chosen: str | None) -> list[str]:
    """The departments that decide something at the county: an account of another one would have an empty queue."""
    deciding = {
        item["decides"]["department"] for item in published_items(centre) if item["decides"]["level"] == "county"
    }
    return sorted(deciding | ({chosen} if chosen else set()))


def _stations(centre: Centre) -> list[tuple[str, str]]:
    return [(centre.code, centre.name), *((row.code, row.name) for row in centre.monitor.stations())]


def _by_station(centre: Centre) -> list[tuple[str, str, list[Document]]]:
    return [(code, name, accounts_at(centre, code)) for code, name in _stations(centre)]


def _account(centre: Centre, station: str, username: str) -> Document:
    account = account_at(centre, station, username)
    if account is None:
        raise Problem(404, "no_such_account", "这一站没有这个账号。请从账号页点进来。")
    return account


def _unchanged_since(account: Document) -> None:
    """Two administrators at once: the second is told, instead of undoing what the first did."""
    if request.form.get("rev") != account["_rev"]:
        raise Problem(409, "conflict", "别处刚刚改过这个账号。请退回、刷新后再看一遍。")
