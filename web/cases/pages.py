"""Case pages, alike at the station and at the county: the list, one case with its photos, acts on it, its papers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _

from casework.case import Case
from casework.fields import can_set
from casework.transitions import OPEN_STATES, STATES
from web.cases.api import EVERYBODY, HANDLERS
from web.cases.contests import Contest, contests, kept_aside, settleable
from web.cases.desk import Act
from web.cases.files import checked_upload, file_answer
from web.cases.masking import masked_case, masked_event, masked_point
from web.cases.paper_pages import add_papers
from web.cases.roles import paper_in_words, people_rows, situation_rows
from web.cases.services import CaseServices
from web.cases.telling import MATERIAL_STATES, PointTold, field_in_words, form_rows, state_in_words, tell, tell_point
from web.errors import Problem
from web.signin import User, allow, current_user

CORRECTABLE = {
    "applicant.name": "姓名",
    "applicant.phone": "联系电话",
    "applicant.address": "住址",
    "applicant.id_number": "证件号码",
}


def case_pages(services: CaseServices) -> Blueprint:
    pages = Blueprint("cases", __name__)

    @pages.get("/cases")
    @allow(*EVERYBODY)
    def listing() -> str:
        text, state = request.args.get("q", "").strip()[:60], request.args.get("state", "")
        rows = services.casebook.latest(
            services.scope_of(current_user()), states=[state] if state in STATES else [], text=text, limit=100
        )
        services.note(current_user(), "listed", what=f"{len(rows)} 件")
        return render_template("cases/listing.html", rows=rows, text=text, state=state, states=STATES,
                               station_name=services.station_name)  # fmt: skip

    @pages.get("/contested")
    @allow(*EVERYBODY)
    def contested() -> str:
        user = current_user()
        found, aside = contests(services, user), kept_aside(services, user)
        services.note(user, "listed", what=f"{len(found) + len(aside)} 件")
        return render_template(
            "cases/contested.html",
            contests=[(contest, _in_words(services, contest)) for contest in found],
            aside=aside,
            station_name=services.station_name,
        )

    @pages.get("/cases/<number>")
    @allow(*EVERYBODY)
    def show(number: str) -> str:
        return _page(services, number, {})

    @pages.post("/cases/<number>/reveal")
    @allow(*EVERYBODY)
    def reveal(number: str) -> str:
        return _page(services, number, {}, revealed=True)

    @pages.get("/cases/<number>/facts")
    @allow(*EVERYBODY)
    def facts(number: str) -> str:
        row, case = services.visible(number, current_user())
        services.note_refresh(current_user(), "opened", number)
        return render_template("cases/facts.html", row=row, case=case, state=state_in_words(case),
                               photos=_photos(services, case))  # fmt: skip

    @pages.get("/cases/<number>/files/<wanted>")
    @allow(*EVERYBODY)
    def file(number: str, wanted: str) -> Response:
        return file_answer(*services.read_file(number, wanted, current_user()))

    @pages.post("/cases/<number>/acts/<kind>")
    @allow(*HANDLERS)
    def act(number: str, kind: str) -> Response | tuple[str, int]:
        user = current_user()
        services.visible(number, user)
        try:
            data = _said(kind, request.form)
            services.desk.write(number, [Act(kind, data)], services.person_of(user))
        except Problem as problem:
            if problem.status not in (409, 422):
                raise
            # What was typed stays on the page, beside the reason.
            fields = problem.fields or {"act": problem.message}
            return _page(services, number, fields, kind=kind), problem.status
        flash(_("已保存"), "saved")
        return _to(number)

    if services.may_add_files:

        @pages.post("/cases/<number>/photos")
        @allow("agent", "township")
        def add_photo(number: str) -> Response:
            services.add_file(number, current_user(), checked_upload(request))
            flash(_("已保存"), "saved")
            return _to(number)

    add_papers(pages, services)
    return pages


def _page(
    services: CaseServices, number: str, problems: Mapping[str, str], kind: str = "", *, revealed: bool = False
) -> str:
    """The case's page: numbers masked, unless somebody has just asked to see them."""
    user = current_user()
    row, whole = services.visible(number, user)
    item = services.item(row.item) or {}
    schema = item.get("form", {})
    events = services.events_in_order(whole)
    case = whole if revealed else masked_case(whole, schema)
    services.note(user, "revealed" if revealed else "opened", number, durable=revealed)
    return render_template(
        "cases/show.html",
        row=row,
        case=case,
        terms=case["item"],
        hidden=None if revealed else case["fields"] != whole["fields"] or case["contested"] != whole["contested"],
        state=state_in_words(case),
        station=services.station_name(row.station),
        road=tell(
            events if revealed else [masked_event(event, schema) for event in events],
            case,
            services.station_name,
            schema,
        ),
        form=form_rows(schema, case["fields"].get("form") or {}),
        people=people_rows(case["fields"]),
        situation=situation_rows(item, case["fields"]),
        paper_in_words=paper_in_words,
        again=services.again(number) if services.again is not None else None,
        photos=_photos(services, case),
        here=services.casebook.chunks_present(number),
        material_states=MATERIAL_STATES,
        possible=_possible(services, user, case),
        settleable=settleable(services, user, case),
        points={point["id"]: tell_point(point, schema) for point in case["contested"]},
        correctable={path: title for path, title in CORRECTABLE.items() if can_set(case["fields"], path)},
        field_title=lambda path: field_in_words(path, schema),
        station_name=services.station_name,
        problems=dict(problems),
        typed=request.form if request.method == "POST" else {},
        tried=kind,
        open=row.state in OPEN_STATES,
        may_add_files=services.may_add_files and row.state in OPEN_STATES,
    )


def _in_words(services: CaseServices, contest: Contest) -> PointTold:
    schema = (services.item(contest.row.item) or {}).get("form", {})
    return tell_point(masked_point(contest.point, schema), schema)


def _possible(services: CaseServices, user: User, case: Case) -> frozenset[str]:
    """The acts that this user may do to the case as it stands: only those have a form on the page."""
    return frozenset(kind for kind in ("decided", "withdrawn", "field_corrected") if services.may(kind, user, case))


def _photos(services: CaseServices, case: Case) -> tuple[int, int]:
    """How many files the case has, and how many of them are here whole."""
    present = services.casebook.chunks_present(case["number"])
    files = [file for material in case["materials"] for file in material["files"]]
    return len(files), sum(1 for file in files if set(file["chunks"]) <= present)


def _said(kind: str, form: Mapping[str, str]) -> dict[str, Any]:
    """What the page's form for this act says, as the event's data."""
    match kind:
        case "decided":
            return {"outcome": form.get("outcome", ""), "reason": form.get("reason", "").strip()}
        case "withdrawn":
            return {"reason": form.get("reason", "").strip()}
        case "field_corrected":
            said = {"path": form.get("path", ""), "value": form.get("value", "").strip()}
            return said | ({"reason": form["reason"].strip()} if form.get("reason", "").strip() else {})
        case "settled":
            said = {name: form.get(name, "").strip() for name in ("point", "value", "reason")}
            return said | ({"value": form.get("another", "").strip()} if said["value"] == "another" else {})
        case _:
            raise Problem(404, "unknown_kind", "没有这种操作，请从页面上的按钮里选。")


def _to(number: str) -> Response:
    answer = redirect(url_for("cases.show", number=number), 303)
    assert isinstance(answer, Response)
    return answer
