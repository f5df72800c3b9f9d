"""Case pages, alike at the station and at the county: the list, one case with its photos, acts on it, its papers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from markupsafe import Markup
from werkzeug.datastructures import MultiDict

from casework.canonical import Document
from casework.case import Case, Point
from casework.flow import NOT_APPLICABLE
from casework.kinds.admitted import ADMISSIBLE
from casework.times import CHINA
from casework.transitions import OPEN_STATES, STATES, TRANSITIONS, UNACCEPTED_STATES
from web.cases import acts, life
from web.cases.acts import Offer, Sight
from web.cases.api import EVERYBODY, HANDLERS
from web.cases.casebook import CaseRow
from web.cases.contests import Contest, contests, kept_aside, settleable
from web.cases.files import checked_upload, file_answer
from web.cases.flowchart import flowchart
from web.cases.guide_news import GuideNews, case_news
from web.cases.masking import masked_case, masked_event, masked_point, shows_more
from web.cases.paper_pages import COUNTERS, add_papers, add_together, handed_in_together
from web.cases.road import tell
from web.cases.roles import paper_in_words, people_rows, situation_rows
from web.cases.services import CaseServices, event_time
from web.cases.standing import deadlines_told, decider, proxies_told, since, steps_told, turn_of, waits_for
from web.cases.telling import (
    MATERIAL_STATES,
    PointTold,
    field_in_words,
    field_part,
    form_rows,
    state_in_words,
    tell_point,
)
from web.errors import Problem
from web.forms import kind_of, lay_out, read_form, row_asked, row_to_add
from web.signin import allow, current_user


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
        return render_template(
            "cases/listing.html",
            rows=rows,
            text=text,
            state=state,
            states=STATES,
            open_states=OPEN_STATES,
            station_name=services.station_name,
        )

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

    @pages.get("/life")
    @allow(*EVERYBODY)
    def how_cases_go() -> str:
        return render_template("cases/life.html", phases=life.phases(), clashes=life.clashes())

    @pages.post("/cases/<number>/reveal")
    @allow(*EVERYBODY)
    def reveal(number: str) -> str:
        return _page(services, number, {}, revealed=True)

    @pages.get("/cases/<number>/facts")
    @allow(*EVERYBODY)
    def facts(number: str) -> str:
        row, case = services.visible(number, current_user())
        services.note_refresh(current_user(), "opened", number)
        return render_template(
            "cases/facts.html", row=row, case=case, **_standing(services, case, services.events_in_order(case))
        )

    @pages.get("/cases/<number>/files/<wanted>")
    @allow(*EVERYBODY)
    def file(number: str, wanted: str) -> Response:
        return file_answer(*services.read_file(number, wanted, current_user()))

    _acts(pages, services)

    if services.may_add_files:

        @pages.post("/cases/<number>/photos")
        @allow("agent", "township", "head")
        def add_photo(number: str) -> Response:
            services.add_file(number, current_user(), checked_upload(request))
            flash(_("已保存"), "saved")
            return _to(number)

    add_papers(pages, services)
    add_together(pages, services)
    return pages


def _acts(pages: Blueprint, services: CaseServices) -> None:
    """The routes by which a person acts on a case: the act's form, the second look, the act."""

    @pages.get("/cases/<number>/acts/<kind>")
    @allow(*HANDLERS)
    def act_page(number: str, kind: str) -> str:
        sight, row = _sight(services, number, kind)
        known = {name: value for name, value in request.args.items() if name != "repairs"}
        repaired = _repaired(sight, request.args.get("repairs", ""))
        value = acts.shown(sight, kind, repaired.get("data", {})) | known
        if not any(offer.kind == kind for offer in acts.offers(sight)):
            # The link may be older than the case: it says why, and leads back.
            acts.check(sight, kind, value)
        value = acts.with_the_only_choice(acts.form_of(sight, kind), value)
        return _act_page(sight, row, kind, value, {}, repairs=repaired.get("_id", ""))

    @pages.post("/cases/<number>/acts/<kind>")
    @allow(*HANDLERS)
    def act(number: str, kind: str) -> Response | tuple[str, int] | str:
        user = current_user()
        sight, row = _sight(services, number, kind)
        if row_asked(request.form):
            return _typed_page(sight, row, kind, {})
        try:
            data = _said(sight, kind)
            services.desk.write(number, acts.acts_of(kind, data), services.person_of(user))
        except Problem as problem:
            if problem.status not in (409, 422):
                raise
            return _typed_page(sight, row, kind, problem.fields or {"act": problem.message}), problem.status
        flash(_("已保存"), "saved")
        return _to(number)

    @pages.post("/cases/<number>/acts/<kind>/check")
    @allow("agent", "township", "head", "reviewer")
    def check(number: str, kind: str) -> tuple[str, int] | str:
        sight, row = _sight(services, number, kind)
        if row_asked(request.form) or request.form.get("do") == "again":
            return _typed_page(sight, row, kind, {})
        try:
            acts.check(sight, kind, _said(sight, kind))
        except Problem as problem:
            if problem.status not in (409, 422):
                raise
            return _typed_page(sight, row, kind, problem.fields or {"act": problem.message}), problem.status
        return render_template(
            "cases/check.html",
            row=row,
            case=sight.case,
            kind=kind,
            title=acts.title_of(kind),
            button=acts.button_of(kind),
            sentence=acts.CHECKED.get(kind, ""),
            facts=acts.in_words(acts.form_of(sight, kind), request.form),
            photos=_photos(services, sight.case),
            typed=[(name, value) for name, value in request.form.items(multi=True) if name not in ("csrf", "do")],
        )


def _page(
    services: CaseServices, number: str, problems: Mapping[str, str], kind: str = "", *, revealed: bool = False
) -> str:
    """The case's page: numbers masked, unless somebody has just asked to see them."""
    user = current_user()
    row, whole = services.visible(number, user)
    item = services.guide_of(whole) or {}
    schema = item.get("form", {})
    events = services.events_in_order(whole)
    mine = settleable(services, user, whole)
    case = whole if revealed else masked_case(whole, schema, mine)
    services.note(user, "revealed" if revealed else "opened", number, durable=revealed)
    _note_contested(services, number, [point for point in whole["contested"] if point["id"] in mine], schema)
    sight = Sight(services, user, whole)
    offered = acts.offers(sight)
    main = acts.next_act(whole, offered)
    possible = frozenset(offer.kind for offer in offered)
    typed = request.form if request.method == "POST" else {}
    return render_template(
        "cases/show.html",
        row=row,
        case=case,
        terms=case["item"],
        news=_news(services, whole) if row.state in OPEN_STATES else None,
        **_standing(services, case, events),
        hidden=None if revealed else case["fields"] != whole["fields"] or case["contested"] != whole["contested"],
        station=services.station_name(row.station),
        road=tell(
            events if revealed else [masked_event(event, schema) for event in events],
            case,
            services.station_name,
            schema,
        ),
        form=form_rows(schema, case["fields"].get("form") or {}),
        people=[*people_rows(case["fields"]), *proxies_told(case)],
        situation=situation_rows(item, case["fields"]),
        paper_in_words=paper_in_words,
        together=len(handed_in_together(services, user, row, whole)) if set(COUNTERS) & set(user.roles) else 1,
        again=services.again(number) if services.again is not None else None,
        material_names={material["id"]: material["name"] for material in case["materials"]},
        steps=steps_told(case, _today(services), services.station_name),
        chart=_chart(case),
        aside=_aside(case, events, possible, services),
        here=services.casebook.chunks_present(number),
        material_states=MATERIAL_STATES,
        possible=possible,
        main=main,
        waits=waits_for(case, services.station_name) if main is None and not case["contested"] else None,
        main_form=_main_form(sight, main, typed if main is not None and kind == main.kind else None),
        button_of=acts.button_of,
        checked=acts.CHECKED,
        groups=acts.grouped(offered, main),
        settleable=mine,
        points={point["id"]: tell_point(point, schema) for point in case["contested"]},
        correctable=acts.correctable(case, schema),
        field_title=lambda path: field_in_words(path, schema),
        station_name=services.station_name,
        problems=dict(problems),
        typed=typed,
        tried=kind,
        open=row.state in OPEN_STATES,
        may_add_files=services.may_add_files and row.state in OPEN_STATES,
    )


def _news(services: CaseServices, case: Case) -> GuideNews | None:
    terms = case["item"]
    if terms is None:
        return None
    return case_news(case, services.item_as_of(terms["item"], terms["release"]), services.item(terms["item"]))


def _standing(services: CaseServices, case: Case, events: list[Document]) -> dict[str, Any]:
    """How the case stands now, in words: the part of the page that renews itself."""
    return {
        "state": state_in_words(case),
        "since": since(case, events),
        "deadlines": deadlines_told(case, _today(services)),
        "photos": _photos(services, case),
        "decider": decider(case, services.station_name),
    }


def _sight(services: CaseServices, number: str, kind: str) -> tuple[Sight, CaseRow]:
    """The case as the signed-in user sees it. Raises `Problem` 404 for an act that has no form."""
    user = current_user()
    row, case = services.visible(number, user)
    # A contested point has its form on the case's own page, and is sent here like any other act.
    elsewhere = acts.ELSEWHERE - ({"settled"} if request.endpoint == "cases.act" else set())
    if kind != acts.FINISH and (kind not in TRANSITIONS or kind in elsewhere):
        raise Problem(404, "unknown_kind", "没有这种操作，请从页面上的按钮里选。")
    services.note_refresh(user, "opened", number)
    return Sight(services, user, case), row


def _act_page(
    sight: Sight,
    row: CaseRow,
    kind: str,
    value: Mapping[str, Any],
    problems: Mapping[str, str],
    *,
    repairs: str = "",
    add_to: str | None = None,
) -> str:
    schema = acts.form_of(sight, kind)
    return render_template(
        "cases/act.html",
        row=row,
        case=sight.case,
        kind=kind,
        title=acts.title_of(kind),
        button=acts.button_of(kind),
        asks=kind in acts.CHECKED,
        rule=TRANSITIONS.get(kind),
        form=lay_out(schema, value, prefix="", add_to=add_to),
        problems=dict(problems),
        repairs=repairs,
        photos=_photos(sight.services, sight.case),
        state=state_in_words(sight.case),
    )


def _typed_page(sight: Sight, row: CaseRow, kind: str, problems: Mapping[str, str]) -> str:
    """The page from which this was sent, with what was typed and the reasons beside it."""
    if kind in ("settled", "field_corrected"):
        return _page(sight.services, row.number, problems, kind)
    schema = acts.form_of(sight, kind)
    told = acts.where_typed(kind, schema, request.form, problems) if problems else {}
    main = acts.next_act(sight.case, acts.offers(sight))
    if main is not None and main.kind == kind and not request.form.get("repairs") and not row_asked(request.form):
        return _page(sight.services, row.number, told, kind)
    return _act_page(
        sight,
        row,
        kind,
        read_form(schema, request.form, prefix=""),
        told,
        repairs=request.form.get("repairs", ""),
        add_to=row_to_add(request.form),
    )


def _main_form(sight: Sight, main: Offer | None, typed: Any) -> list[Any]:
    if main is None:
        return []
    schema = acts.form_of(sight, main.kind)
    if typed is not None:
        return lay_out(schema, read_form(schema, typed, prefix=""), prefix="")
    known = acts.shown(sight, main.kind, {}) | dict(main.known)
    return lay_out(schema, acts.with_the_only_choice(schema, known), prefix="")


def _repaired(sight: Sight, event: str) -> Document:
    """The record that does not count and is to be done anew; empty when none is meant."""
    aside = {record["id"] for record in sight.case["quarantined"]}
    found = (one for one in sight.services.events_in_order(sight.case) if one["_id"] == event and event in aside)
    return next((one for one in found if isinstance(one.get("data"), dict)), {})


def _aside(
    case: Case, events: list[Document], possible: frozenset[str], services: CaseServices
) -> list[dict[str, Any]]:
    """The records that do not count: what each was, why not, and what this user can do about it."""
    by_id = {event["_id"]: event for event in events}
    told = []
    for record in case["quarantined"]:
        event = by_id.get(record["id"], {})
        kind = str(event.get("kind", ""))
        row = TRANSITIONS.get(kind)
        by = event.get("by")
        told.append(
            {
                "id": record["id"],
                "kind": kind,
                "title": row.title if row is not None else _("看不懂的记录"),
                "who": f"{services.station_name(str(event.get('station', '')))} · "
                f"{by.get('name', '') if isinstance(by, dict) else ''}",
                "at": event_time(event),
                "reason": record["reason"],
                "repaired": record["repaired"] is not None,
                "again": record["repaired"] is None and kind in possible,
                "admissible": "admitted" in possible and record["code"] in ADMISSIBLE,
            }
        )
    return told


def _chart(case: Case) -> Markup | None:
    flow = case["item"].get("flow") if case["item"] is not None else None
    if not flow or not flow["steps"]:
        return None
    states = {step["id"]: turn_of(step, case) for step in case["steps"]}
    drawn = flowchart(
        {**flow, "steps": [step for step in flow["steps"] if states.get(step["id"]) != NOT_APPLICABLE]},
        states,
        accepted=case["state"] not in UNACCEPTED_STATES and case["deadlines"]["accepted_at"] is not None,
        ended=case["decision"] is not None or case["ended"] is not None,
        title=_("办理流程图"),
    )
    return Markup(drawn)  # noqa: S704 - flowchart escapes every text


def _today(services: CaseServices) -> date:
    return services.now().astimezone(CHINA).date()


def _in_words(services: CaseServices, contest: Contest) -> PointTold:
    case = services.casebook.case(contest.row.number)
    schema = ((services.guide_of(case) if case is not None else None) or {}).get("form", {})
    if contest.settleable:
        _note_contested(services, contest.row.number, [contest.point], schema)
    return tell_point(masked_point(contest.point, schema, apart=contest.settleable), schema)


def _note_contested(services: CaseServices, number: str, mine: Iterable[Point], schema: Mapping[str, Any]) -> None:
    """Whoever may settle a point sees where its numbers differ; that is a recorded act, as showing one whole is."""
    if any(shows_more(point, schema) for point in mine):
        services.note(current_user(), "revealed", number, "争议号码不同的几位", durable=True)


def _photos(services: CaseServices, case: Case) -> tuple[int, int]:
    """How many files the case has, and how many of them are here whole."""
    present = services.casebook.chunks_present(case["number"])
    files = [file for material in case["materials"] for file in material["files"]]
    return len(files), sum(1 for file in files if set(file["chunks"]) <= present)


def _said(sight: Sight, kind: str) -> dict[str, Any]:
    """What the page's form for this act says, as the event's data."""
    form = request.form
    match kind:
        case "field_corrected":
            return _corrected(sight, form)
        case "settled":
            said = {name: form.get(name, "").strip() for name in ("point", "value", "reason")}
            return said | ({"value": form.get("another", "").strip()} if said["value"] == "another" else {})
        case _:
            return acts.said(kind, acts.form_of(sight, kind), form)


def _corrected(sight: Sight, form: Mapping[str, str]) -> dict[str, Any]:
    """A field put right: the value is read as the form itself would read it, 350 元 as 分."""
    path, text = form.get("path", ""), form.get("value", "").strip()
    part = field_part(path, (sight.services.guide_of(sight.case) or {}).get("form", {}))
    if kind_of(part) in ("yesno", "check"):
        value: Any = {"是": True, "否": False}.get(text, text)
    else:
        options = {str(title): option for option, title in part.get("x-titles", {}).items()}
        typed = MultiDict({"value": options.get(text, text)})
        value = read_form({"properties": {"value": part}}, typed, prefix="").get("value", text)
    said = {"path": path, "value": value}
    return said | ({"reason": form["reason"].strip()} if form.get("reason", "").strip() else {})


def _to(number: str) -> Response:
    answer = redirect(url_for("cases.show", number=number), 303)
    assert isinstance(answer, Response)
    return answer
