"""Intake: one page a case, in the order of the papers on the desk; what was typed is never lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from markupsafe import Markup, escape

from casework.canonical import Document
from casework.identifiers import ID_TYPES, RESIDENT_CARD, describe_id
from node.drafts import Draft
from node.station import Station
from web.cases.files import checked_file, file_answer_of
from web.cases.services import CaseServices
from web.cases.telling import MATERIAL_STATES
from web.errors import Problem
from web.forms import read_form, row_asked, row_to_add, unreadable
from web.signin import allow, current_user
from web.wording import moment

APPLICANT = ("name", "id_type", "id_number", "id_reason", "phone", "phone_reason", "address")
STATES = [(state, MATERIAL_STATES[state]) for state in ("received", "missing", "later")]


def pages(station: Station, services: CaseServices) -> Blueprint:
    intake = Blueprint("intake", __name__)

    @intake.get("/intake")
    @allow("agent", "township", "head")
    def choose() -> str:
        return render_template(
            "station/choose.html",
            categories=station.catalogue.categories(),
            drafts=station.drafts.open_ones(current_user().username),
        )

    @intake.post("/intake")
    @allow("agent", "township", "head")
    def begin() -> Response:
        item = station.catalogue.item(request.form.get("item", ""))
        if item is None:
            raise Problem(404, "no_such_guide", "没有这个事项。请从指南里重新选。")
        draft = station.drafts.begin(current_user().username, item["code"], item["name"])
        return _to("intake.form", draft_id=draft.id)

    @intake.get("/intake/<draft_id>")
    @allow("agent", "township", "head")
    def form(draft_id: str) -> Response | str:
        draft, item = _opened(station, draft_id)
        if draft.case is not None:
            return _to("cases.show", number=draft.case)
        return _page(station, draft, item, {})

    @intake.post("/intake/<draft_id>/keep")
    @allow("agent", "township", "head")
    def keep(draft_id: str) -> str:
        draft, item = _opened(station, draft_id)
        if draft.case is not None:
            return str(_("这份草稿已经保存成办件"))
        kept = station.drafts.keep(draft, _typed(item))
        return str(_("草稿 %(at)s 已存在本站，关机也不会丢", at=moment(kept.touched_at, kept.touched_at)[3:]))

    @intake.post("/intake/<draft_id>")
    @allow("agent", "township", "head")
    def act(draft_id: str) -> Response | str | tuple[str, int]:
        draft, item = _opened(station, draft_id)
        typed = _typed(item)
        if draft.case is None:
            draft = station.drafts.keep(draft, typed)
        do = request.form.get("do", "")
        try:
            if row_asked(request.form):
                return _page(station, draft, item, {}, add_to=row_to_add(request.form))
            if do == "save":
                return _save(station, services, draft, item, typed)
            if do == "park":
                flash(_("草稿已存在本站，关机也不会丢"), "saved")
                return _to("home.workbench")
            _photos(station, draft, item, do)
            return _to("intake.form", draft_id=draft.id, _anchor="s3")
        except Problem as problem:
            if problem.status not in (409, 413, 415, 422):
                raise
            fields = {} if problem.status == 409 else _at_its_photo(problem, do)
            return _page(station, draft, item, fields, typed=typed, clash=_clash(problem)), problem.status

    @intake.get("/intake/<draft_id>/files/<file_id>")
    @allow("agent", "township", "head")
    def file(draft_id: str, file_id: str) -> Response:
        draft, _item = _opened(station, draft_id)
        found = station.drafts.file(draft, file_id)
        if found is None:
            raise Problem(404, "no_such_file", "这份草稿里没有这张照片。")
        return file_answer_of(found.content_type, found.id, found.content)

    @intake.post("/intake/<draft_id>/discard")
    @allow("agent", "township", "head")
    def discard(draft_id: str) -> Response:
        draft, _item = _opened(station, draft_id)
        station.drafts.discard(draft)
        flash(_("草稿删掉了"), "saved")
        return _to("home.workbench")

    return intake


def _save(station: Station, services: CaseServices, draft: Draft, item: Document, typed: Mapping[str, Any]) -> Response:
    said = _intake(item, typed)
    wrong = unreadable(item["form"], said["form"])
    if wrong:
        problems, _warnings = station.intake.check(said)
        fields = {**problems, **wrong}
        raise Problem(422, "not_complete", f"有 {len(fields)} 处要改，改好就能保存。", fields=fields)
    opened = station.intake.open_case(
        said,
        services.person_of(current_user()),
        idempotency_key=draft.id,
        files=station.drafts.files(draft),
    )
    station.drafts.became(draft, opened.number)
    for sentence in opened.warnings.values():
        flash(sentence, "told")
    return _to("cases.show", number=opened.number, saved=1)


def _photos(station: Station, draft: Draft, item: Document, do: str) -> None:
    """`photo:<material>` keeps the files of that material's input, `drop:<material>:<file>` takes one out."""
    what, _colon, rest = do.partition(":")
    if what == "drop":
        material, _colon, file_id = rest.partition(":")
        station.drafts.drop_file(draft, material, file_id)
    elif what == "photo" and any(material["id"] == rest for material in item["materials"]):
        for sent in request.files.getlist(f"photo.{rest}"):
            name, content_type, content = checked_file(sent)
            station.drafts.keep_file(draft, rest, name, content_type, content)
        if draft.content["materials"][rest] == "missing":
            # Whoever photographs a paper has it in hand.
            materials = {**draft.content["materials"], rest: "received"}
            station.drafts.keep(draft, {**draft.content, "materials": materials})


def _at_its_photo(problem: Problem, do: str) -> dict[str, str]:
    """A problem with a file is said at the material that the file was for: `photo.<material>`."""
    what, _colon, material = do.partition(":")
    if what != "photo":
        return problem.fields
    return {f"photo.{material}": problem.fields.get("file", problem.message)}


def _opened(station: Station, draft_id: str) -> tuple[Draft, Document]:
    draft = station.drafts.get(draft_id, current_user().username)
    if draft is None:
        raise Problem(404, "no_such_draft", "没有这份草稿，可能已经删掉了。")
    item = station.catalogue.item(draft.item)
    if item is None:
        raise Problem(404, "no_such_guide", "这个事项已经不在指南里。请在指南里重新选；草稿还留着。")
    return draft, item


def _typed(item: Document) -> dict[str, Any]:
    """What the page's fields hold, as a draft keeps it."""
    return {
        "applicant": {name: request.form.get(f"applicant.{name}", "") for name in APPLICANT},
        "form": read_form(item["form"], request.form),
        "materials": {
            material["id"]: request.form.get(f"materials.{material['id']}", "missing") for material in item["materials"]
        },
        "read_aloud": bool(request.form.get("read_aloud")),
    }


def _intake(item: Document, typed: Mapping[str, Any]) -> dict[str, Any]:
    """What the API would be sent: empty fields left out, materials by their names."""
    return {
        "item": item["code"],
        "applicant": {name: value for name, value in typed["applicant"].items() if value.strip()},
        "form": typed["form"],
        "materials": [
            {"name": material["name"], "state": typed["materials"][material["id"]]} for material in item["materials"]
        ],
    }


def _page(
    station: Station,
    draft: Draft,
    item: Document,
    problems: Mapping[str, str],
    *,
    typed: Mapping[str, Any] | None = None,
    add_to: str | None = None,
    clash: Markup | None = None,
) -> str:
    content = typed or draft.content
    applicant = dict.fromkeys(APPLICANT, "") | {"id_type": RESIDENT_CARD} | (content.get("applicant") or {})
    states = {material["id"]: "missing" for material in item["materials"]} | (content.get("materials") or {})
    files = station.drafts.files(draft)
    return render_template(
        "station/intake.html",
        draft=draft,
        item=item,
        applicant=applicant,
        form=content.get("form") or {},
        states=states,
        options=STATES,
        files={material["id"]: [f for f in files if f.material == material["id"]] for material in item["materials"]},
        problems=dict(problems),
        clash=clash,
        add_to=add_to,
        id_types=list(ID_TYPES),
        born=describe_id(applicant["id_number"]) if applicant["id_type"] == RESIDENT_CARD else None,
        sections=_sections(problems, states, content),
        doubt=station.clock.doubt(),
        read_aloud=bool(content.get("read_aloud")),
    )


def _sections(
    problems: Mapping[str, str], states: Mapping[str, str], content: Mapping[str, Any]
) -> list[tuple[str, str, str, str]]:
    """The list on the left: id, title, what is open there, tone."""

    def wrong(prefix: str) -> int:
        return sum(1 for path in problems if path.split(".")[0] == prefix)

    def told(prefix: str, filled: bool) -> tuple[str, str]:
        if count := wrong(prefix):
            return f"{count} 处要改", "is-bad"
        return ("填了", "is-ok") if filled else ("还没填", "is-still")

    counted = {state: sum(1 for value in states.values() if value == state) for state in MATERIAL_STATES}
    materials = f"已收 {counted['received']}，缺 {counted['missing']}，后补 {counted['later']}"
    applicant = content.get("applicant") or {}
    return [
        ("s1", "办事人", *told("applicant", bool(applicant.get("name")))),
        ("s2", "表单", *told("form", bool(content.get("form")))),
        ("s3", "材料清单", materials, "is-warn" if counted["missing"] or counted["later"] else "is-ok"),
        ("s4", "核对", "念一遍再保存", "is-still"),
    ]


def _clash(problem: Problem) -> Markup | None:
    """The sentence of a draft that was saved in another tab, with the way to that case."""
    if problem.status != 409:
        return None
    number = problem.fields.get("case", "")
    link = Markup('<a href="{}">{}</a>').format(url_for("cases.show", number=number), _("打开那个办件"))
    return escape(problem.message) + Markup(" ") + link


def _to(endpoint: str, **values: Any) -> Response:
    answer = redirect(url_for(endpoint, **values), 303)
    assert isinstance(answer, Response)
    return answer
