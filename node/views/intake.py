"""Intake: one page a case, in the order of the papers on the desk; what was typed is never lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from markupsafe import Markup, escape

from casework.canonical import Document
from casework.channels import CHANNELS
from casework.conditions import Condition, applies
from casework.documents.register import TOWNSHIP, Key
from casework.forms import that_applies
from casework.guide.short_list import as_draft
from casework.identifiers import ID_TYPES, RESIDENT_CARD, describe_id
from casework.people import PRESENT_ROLES
from casework.times import civil_date
from node.carrying import Earlier, carried, earlier, of_case
from node.drafts import Draft, DraftFile
from node.intake import Opened
from node.station import Station
from node.together import JOINT, Part, Together, lay_together
from node.views.typed import MOST_NEXT, UNSIGNED, as_intake, facts_on_page, on_the_page, read_typed, shown
from web.cases.files import checked_file, file_answer_of
from web.cases.guide_news import GuideNews, guide_news
from web.cases.services import CaseServices
from web.cases.telling import MATERIAL_STATES
from web.errors import Problem
from web.forms import condition_text, row_asked, row_to_add, unreadable
from web.signin import allow, current_user
from web.wording import moment

STATES = [(state, MATERIAL_STATES[state]) for state in ("received", "missing", "later")]
POWERS = [
    ("", "没有委托书"),
    ("signature", "有，签了名"),
    ("thumbprint", "有，按了手印"),
    ("photo", "有，只见到照片"),
    (UNSIGNED, "写好了，还没签"),
]
FEW_ITEMS = 600
"""Up to this many items a list of their names goes along with the page, so that a browser completes them."""


def pages(station: Station, services: CaseServices) -> Blueprint:
    intake = Blueprint("intake", __name__)

    @intake.get("/intake")
    @allow("agent", "township", "head")
    def choose() -> str:
        return _choice(station, services, {})

    @intake.post("/intake")
    @allow("agent", "township", "head")
    def begin() -> Response | tuple[str, int]:
        codes, unknown = _items_asked(station)
        if unknown or not codes:
            if not request.form.getlist("what"):
                raise Problem(404, "no_such_guide", "没有这个事项。请从指南里重新选。")
            return _choice(station, services, unknown or {"what.0": _("先写要办什么事。")}), 422
        draft = _begin(station, services, codes, request.form.get("from", ""), request.form.to_dict())
        return _to("intake.form", draft_id=draft.id)

    @intake.get("/intake/<draft_id>")
    @allow("agent", "township", "head")
    def form(draft_id: str) -> Response | str:
        draft, laid = _opened(station, draft_id)
        if draft.case is not None:
            return _to("cases.show", number=draft.case)
        return _page(station, services, draft, laid, {})

    @intake.post("/intake/<draft_id>/keep")
    @allow("agent", "township", "head")
    def keep(draft_id: str) -> str:
        draft, laid = _opened(station, draft_id)
        if draft.case is not None:
            return str(_("这份草稿已经保存成办件"))
        kept = station.drafts.keep(draft, read_typed(laid.item, request.form, draft.content))
        return str(_("草稿 %(at)s 已存在本站，关机也不会丢", at=moment(kept.touched_at, kept.touched_at)[3:]))

    @intake.post("/intake/<draft_id>/check")
    @allow("agent", "township", "head")
    def check(draft_id: str) -> str:
        """What is wrong with the fields that were filled in so far; nothing is kept, nothing depends on it."""
        return _check_answer(station, services, *_opened(station, draft_id))

    @intake.post("/intake/<draft_id>")
    @allow("agent", "township", "head")
    def act(draft_id: str) -> Response | str | tuple[str, int]:
        draft, laid = _opened(station, draft_id)
        typed = read_typed(laid.item, request.form, draft.content)
        if draft.case is None:
            draft = station.drafts.keep(draft, typed)
        do = request.form.get("do", "")
        try:
            if row_asked(request.form):
                return _page(station, services, draft, laid, {}, add_to=row_to_add(request.form))
            if do == "save":
                return _save(station, services, draft, laid, typed)
            if do == "park":
                flash(_("草稿已存在本站，关机也不会丢"), "saved")
                return _to("home.workbench")
            if do == "renew":
                _renew(station, draft)
                return _to("intake.form", draft_id=draft.id)
            if do == "refresh":
                return _to("intake.form", draft_id=draft.id, _anchor="s2")
            if do == "carry":
                _carry(station, services, draft, laid.item, typed)
                return _to("intake.form", draft_id=draft.id, _anchor="carried")
            _papers(station, services, draft, laid.item, do)
            return _to("intake.form", draft_id=draft.id, _anchor="s3")
        except Problem as problem:
            if problem.status not in (409, 413, 415, 422):
                raise
            fields = {} if problem.status == 409 else _at_its_photo(problem, do)
            return _page(station, services, draft, laid, fields, typed=typed, clash=_clash(problem)), problem.status

    @intake.get("/intake/<draft_id>/files/<file_id>")
    @allow("agent", "township", "head")
    def file(draft_id: str, file_id: str) -> Response:
        found = station.drafts.file(_draft(station, draft_id), file_id)
        if found is None:
            raise Problem(404, "no_such_file", "这份草稿里没有这张照片。")
        return file_answer_of(found.content_type, found.id, found.content)

    @intake.post("/intake/<draft_id>/discard")
    @allow("agent", "township", "head")
    def discard(draft_id: str) -> Response:
        station.drafts.discard(_draft(station, draft_id))
        flash(_("草稿删掉了"), "saved")
        return _to("home.workbench")

    return intake


# -- beginning: one item or several, for somebody new or for the person of a case -------------------------------------


def _choice(station: Station, services: CaseServices, problems: Mapping[str, str]) -> str:
    number = request.values.get("from", "")
    again = services.read(number, current_user(), what="同一个人再办一件")[0] if number else None
    items = station.catalogue.items()
    return render_template(
        "station/choose.html",
        categories=station.catalogue.categories(),
        drafts=station.drafts.open_ones(current_user().username),
        again=again,
        names=[item.name for item in items] if len(items) <= FEW_ITEMS else [],
        what=[*request.form.getlist("what"), *[""] * MOST_NEXT][:MOST_NEXT],
        most=MOST_NEXT,
        problems=dict(problems),
    )


def _items_asked(station: Station) -> tuple[list[str], dict[str, str]]:
    """(codes of the items to be done, what no item is called); by code from a guide, by name from the list."""
    codes = [request.form["item"]] if station.catalogue.item(request.form.get("item", "")) else []
    by_name = {item.name: item.code for item in station.catalogue.items()} if request.form.getlist("what") else {}
    unknown = {}
    for place, said in enumerate(request.form.getlist("what")[:MOST_NEXT]):
        name = said.strip()
        if name in by_name:
            codes.append(by_name[name])
        elif name:
            near = "、".join(hit.name for hit in station.catalogue.search(name, limit=3))
            hint = f"您找的是不是：{near}？照抄全名。" if near else "换个说法，或从指南里找。"
            unknown[f"what.{place}"] = f"没有叫“{name[:40]}”的事项。{hint}"
    return list(dict.fromkeys(codes)), unknown


def _begin(
    station: Station, services: CaseServices, codes: list[str], of: str, answers: Mapping[str, str] | None = None
) -> Draft:
    """The draft for these items: one page for all of them. `of`: a case whose person it is. `answers`: what was
    answered for the list of materials of the first.
    """
    laid = _laid(station, JOINT.join(codes))
    assert laid is not None
    # What it asks stands on the page under its own names: it is the first one that is laid there.
    content: dict[str, Any] = as_draft(laid.parts[0].item, answers or {})
    if of:
        _row, case = services.read(of, current_user(), what="带到新草稿")
        before = of_case(case, station.catalogue.item, laid.item)
        content = carried(content, before) if before is not None else content
    releases = [part.item["release"] for part in laid.parts]
    return station.drafts.begin(
        current_user().username, laid.item["code"], laid.item["name"], content, releases=releases
    )


def _laid(station: Station, codes: str) -> Together | None:
    """What a draft's page shows and becomes; None when one of its items is not in the catalogue any more."""
    items = [station.catalogue.item(code) for code in codes.split(JOINT)]
    known = [item for item in items if item is not None]
    return lay_together(known) if len(known) == len(items) else None


# -- a draft ----------------------------------------------------------------------------------------------------------


def _as_intake(
    station: Station,
    parts: Sequence[Part],
    place: int,
    typed: Mapping[str, Any],
    came_with: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What was typed for one of the items, as the API would be sent it. `came_with` says with which case a paper that
    several ask for was handed in."""
    part = parts[place]
    mine = part.typed(typed)
    for here, there in part.materials.items():
        number = mine["papers"][here]["from_case"] or (came_with or {}).get(there, "")
        mine["papers"][here] = {**mine["papers"][here], "from_case": number}
    if place:
        # A number that was written on paper is that of one case.
        mine["on_paper"] = {**mine["on_paper"], "number": ""}
    if len(parts) > 1 and not _other_townships(station, part.item):
        mine["handled_by"] = ""
    return as_intake(part.item, mine, agent=current_user().name)


def _checked(station: Station, laid: Together, typed: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """(problems, warnings) of what was typed, at the fields of the page."""
    problems: dict[str, str] = {}
    warnings: dict[str, str] = {}
    for place, part in enumerate(laid.parts):
        wrong, doubtful = station.intake.check(_as_intake(station, laid.parts, place, typed), part.item)
        problems |= part.on_the_page(on_the_page(part.item, wrong))
        warnings |= doubtful
    schema, value = that_applies(laid.item["form"], typed["form"], facts_on_page(typed, agent=current_user().name))
    return {**problems, **unreadable(schema, value)}, warnings


def _save(station: Station, services: CaseServices, draft: Draft, laid: Together, typed: Mapping[str, Any]) -> Response:
    """The draft becomes a case, or one for each of its items: all of them, or none if anything is wrong with one."""
    parts = laid.parts
    schema, value = that_applies(laid.item["form"], typed["form"], facts_on_page(typed, agent=current_user().name))
    problems = _checked(station, laid, typed)[0] if len(parts) > 1 or unreadable(schema, value) else {}
    if problems:
        raise Problem(422, "not_complete", f"有 {len(problems)} 处要改，改好就能保存。", fields=problems)
    opened: list[Opened] = []
    came_with: dict[str, str] = {}
    for place, part in enumerate(parts):
        opened.append(_open_one(station, services, draft, parts, place, typed, came_with))
        if typed["applicant"]["id_number"].strip():
            # Known by the number, like whatever this person brought before.
            case = station.casebook.case(opened[-1].number)
            assert case is not None
            for paper in case["materials"]:
                if paper["state"] == "received":
                    came_with.setdefault(part.materials[paper["id"]], paper.get("from_case", case["number"]))
    station.drafts.became(draft, opened[0].number)
    for sentence in dict.fromkeys(sentence for one in opened for sentence in one.warnings.values()):
        flash(sentence, "told")
    news = _news(station, laid, {})
    if opened[0].created and news is not None:
        flash(_("这一件按收件开始时的指南办。") + news.title, "told")
    if len(opened) > 1:
        return _to("cases.together", number=opened[0].number, others=[one.number for one in opened[1:]], saved=1)
    if opened[0].created:
        address = f"{url_for('intake.choose')}?from={opened[0].number}"
        link = Markup('<a href="{}" data-key="n">{} <kbd>N</kbd></a>')
        flash(link.format(address, _("同一个人再办一件")), "told")
    return _to("cases.show", number=opened[0].number, saved=1)


def _open_one(
    station: Station,
    services: CaseServices,
    draft: Draft,
    parts: Sequence[Part],
    place: int,
    typed: Mapping[str, Any],
    came_with: Mapping[str, str],
) -> Opened:
    """The case of one of the draft's items; each has a key of its own, so that a second try makes no second case."""
    part = parts[place]
    try:
        return station.intake.open_case(
            _as_intake(station, parts, place, typed, came_with),
            services.person_of(current_user()),
            idempotency_key=draft.id if place == 0 else f"{draft.id}.{place}",
            files=_files_that_apply(station, draft, part, typed),
            item=part.item,
        )
    except Problem as problem:
        fields = problem.fields if problem.status == 409 else part.on_the_page(on_the_page(part.item, problem.fields))
        raise Problem(problem.status, problem.code, problem.message, fields=fields) from problem


def _files_that_apply(station: Station, draft: Draft, part: Part, typed: Mapping[str, Any]) -> list[DraftFile]:
    """The photos of this item's papers. Those of one that this situation does not ask for stay out, as it does."""
    facts = facts_on_page(part.typed(typed), agent=current_user().name)
    asked = {part.materials[material["id"]]: material["id"] for material in part.item["materials"]
             if applies(material.get("when"), facts)}  # fmt: skip
    return [
        replace(file, material=asked[file.material]) for file in station.drafts.files(draft) if file.material in asked
    ]


def _papers(station: Station, services: CaseServices, draft: Draft, item: Document, do: str) -> None:
    """`photo:<material>` keeps the files of that material's input, `drop:<material>:<file>` takes one out,
    `reuse:<material>` takes the paper that came with an earlier case, `anew:<material>` not.
    """
    what, _colon, rest = do.partition(":")
    if what == "drop":
        material, _colon, file_id = rest.partition(":")
        station.drafts.drop_file(draft, material, file_id)
    if all(material["id"] != rest for material in item["materials"]):
        return
    content = shown(item, draft.content, today=civil_date(station.now()))
    if what == "photo":
        for sent in request.files.getlist(f"photo.{rest}"):
            name, content_type, photo = checked_file(sent)
            station.drafts.keep_file(draft, rest, name, content_type, photo)
        if content["materials"][rest] == "missing":
            # Whoever photographs a paper has it in hand.
            station.drafts.keep(draft, {**content, "materials": {**content["materials"], rest: "received"}})
    elif what in ("reuse", "anew"):
        before = _before(station, services, item, content)
        found = before.papers.get(rest) if before is not None and what == "reuse" else None
        if what == "anew" or found is not None:
            paper = {**content["papers"][rest], "from_case": found.number if found else ""}
            state = "received" if found else "missing"
            station.drafts.keep(
                draft,
                {
                    **content,
                    "materials": {**content["materials"], rest: state},
                    "papers": {**content["papers"], rest: paper},
                },
            )


def _carry(station: Station, services: CaseServices, draft: Draft, item: Document, typed: Mapping[str, Any]) -> None:
    before = _before(station, services, item, typed)
    if before is not None:
        station.drafts.keep(draft, carried(typed, before))


def _before(station: Station, services: CaseServices, item: Document, typed: Mapping[str, Any]) -> Earlier | None:
    """What the person with the number that was typed brought before; whoever is shown it has read of that case."""
    before = earlier(station.casebook, station.catalogue.item, item, typed["applicant"]["id_number"])
    if before is not None:
        services.note_refresh(current_user(), "opened", before.number)
    return before


def _at_its_photo(problem: Problem, do: str) -> dict[str, str]:
    """A problem with a file is said at the material that the file was for: `photo.<material>`."""
    what, _colon, material = do.partition(":")
    if what != "photo":
        return problem.fields
    return {f"photo.{material}": problem.fields.get("file", problem.message)}


def _draft(station: Station, draft_id: str) -> Draft:
    draft = station.drafts.get(draft_id, current_user().username)
    if draft is None:
        raise Problem(404, "no_such_draft", "没有这份草稿，可能已经删掉了。")
    return draft


def _opened(station: Station, draft_id: str) -> tuple[Draft, Together]:
    """The draft, and its items as it was begun with them: a release that is switched to meanwhile disturbs nobody."""
    draft = _draft(station, draft_id)
    codes = draft.item.split(JOINT)
    begun_with = draft.releases or (None,) * len(codes)
    then = [
        (station.item_as_of(code, release) if release is not None else None) or station.catalogue.item(code)
        for code, release in zip(codes, begun_with, strict=True)
    ]
    items = [item for item in then if item is not None]
    if len(items) < len(codes):
        raise Problem(404, "no_such_guide", "这个事项已经不在指南里。请在指南里重新选；草稿还留着。")
    return draft, lay_together(items)


def _check_answer(station: Station, services: CaseServices, draft: Draft, laid: Together) -> str:
    item = laid.item
    typed = read_typed(item, request.form, draft.content)
    problems, _warnings = _checked(station, laid, typed)
    touched = {name for name in request.form.getlist("touched") if request.form.get(name, "").strip()}
    wrong = {path: sentence for path, sentence in problems.items() if path in touched}
    content = shown(item, typed, today=civil_date(station.now()))
    facts = facts_on_page(content, agent=current_user().name)
    return render_template(
        "station/intake_check.html",
        problems=wrong,
        sections=_sections(wrong, problems, item, facts, content),
        before=_before(station, services, item, typed),
        draft=draft,
    )


def _renew(station: Station, draft: Draft) -> None:
    """Go on with the items as the release in use has them, because somebody chose to."""
    now = _laid(station, draft.item)
    if now is None:
        raise Problem(409, "withdrawn", "这个事项已从指南里撤下，没有新的可以换；这一份还可以照开始时的指南保存。")
    releases = [part.item["release"] for part in now.parts]
    station.drafts.renew(draft, now.item["name"], releases)
    flash(_("换成第 %(n)s 版指南了，填过的都在；多出来的栏目和材料请补上。", n=f"{max(releases):06d}"), "saved")


def _news(station: Station, laid: Together, facts: Mapping[str, Any]) -> GuideNews | None:
    """What the guide in use says otherwise than the items that the draft was begun with, of several by their names."""
    found = {
        part.item["name"]: news
        for part in laid.parts
        if (news := guide_news(part.item, station.catalogue.item(part.item["code"]), facts)) is not None
    }
    if not found or len(laid.parts) == 1:
        return next(iter(found.values()), None)
    told = [f"{name}：{line}" for name, news in found.items() for line in (news.lines or [news.title])]
    return GuideNews("、".join(found), told, [], withdrawn=any(news.withdrawn for news in found.values()))


# -- the page ---------------------------------------------------------------------------------------------------------


def _page(
    station: Station,
    services: CaseServices,
    draft: Draft,
    laid: Together,
    problems: Mapping[str, str],
    *,
    typed: Mapping[str, Any] | None = None,
    add_to: str | None = None,
    clash: Markup | None = None,
) -> str:
    item = laid.item
    content = shown(item, typed or draft.content, today=civil_date(station.now()))
    applicant = content["applicant"]
    facts = facts_on_page(content, agent=current_user().name)
    files = station.drafts.files(draft)
    lacking, _warnings = _checked(station, laid, content)
    return render_template(
        "station/intake.html",
        draft=draft,
        item=item,
        news=_news(station, laid, facts),
        content=content,
        applicant=applicant,
        people=content["people"],
        roles=list(PRESENT_ROLES.items()),
        powers=POWERS,
        form=content["form"],
        groups=laid.groups,
        several=[part.item for part in laid.parts] if len(laid.parts) > 1 else [],
        facts=facts,
        when=lambda condition: _when(condition, facts),
        pairs=lambda options: [(option["id"], option["title"]) for option in options],
        states=content["materials"],
        options=STATES,
        files={material["id"]: [f for f in files if f.material == material["id"]] for material in item["materials"]},
        before=_before(station, services, item, content),
        carried=content.get("carried"),
        problems=dict(problems),
        clash=clash,
        add_to=add_to,
        id_types=list(ID_TYPES),
        born=describe_id(applicant["id_number"]) if applicant["id_type"] == RESIDENT_CARD else None,
        sections=_sections(problems, lacking, item, facts, content),
        doubt=station.clock.doubt(),
        reserved=station.reserved.open_ones(),
        channels=CHANNELS,
        townships=next(filter(None, (_other_townships(station, part.item) for part in laid.parts)), []),
        read_aloud=bool(content.get("read_aloud")),
    )


def _other_townships(station: Station, item: Document) -> list[Key]:
    """Those that can handle a case (同城通办) beside the one that does so unless somebody says otherwise; none for an
    item that no township accepts or decides."""
    if TOWNSHIP not in (item["decides"]["level"], (item.get("flow") or {}).get("accepts")):
        return []
    usual = station.code if station.kind == TOWNSHIP else station.parent
    return [key for key in station.register.stations() if key.kind == TOWNSHIP and key.station != usual]


def _when(condition: Condition | None, facts: Mapping[str, Any]) -> Markup:
    """The attributes of what is on the page only where a condition holds: for the script, and as it is now."""
    if not condition:
        return Markup("")
    here = Markup(' data-when="{}"') if applies(condition, facts) else Markup(' data-when="{}" hidden')
    return here.format(condition_text(condition))


def _sections(
    wrong: Mapping[str, str],
    lacking: Mapping[str, str],
    item: Document,
    facts: Mapping[str, Any],
    content: Mapping[str, Any],
) -> list[tuple[str, str, str, str]]:
    """The list on the left: id, title, what is open there, tone. `wrong` is what the page says at its fields, `lacking`
    all that keeps it from being saved."""

    def told(*prefixes: str, done: tuple[str, str] = ("填了", "is-ok")) -> tuple[str, str]:
        bad, open_yet = (sum(1 for path in problems if path.split(".")[0] in prefixes) for problems in (wrong, lacking))
        return (f"{bad} 处要改", "is-bad") if bad else (f"还差 {open_yet} 项", "is-still") if open_yet else done

    asked = [content["materials"][m["id"]] for m in item["materials"] if applies(m.get("when"), facts)]
    counted = {state: asked.count(state) for state in MATERIAL_STATES}
    materials = f"已收 {counted['received']}，缺 {counted['missing']}，后补 {counted['later']}"
    tone = "is-warn" if counted["missing"] or counted["later"] else "is-ok"
    form = "情形和表单" if item.get("situations") else "表单"
    return [
        ("s1", "办事人", *told("applicant", "people")),
        ("s2", form, *told("form", "situation")),
        ("s3", "材料清单", *told("materials", "paper", "photo", done=(materials, tone))),
        ("s4", "核对签字", *told("number", "happened_on", "channel", "handled_by", done=("念一遍再保存", "is-still"))),
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
