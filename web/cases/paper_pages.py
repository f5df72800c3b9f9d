"""The papers of a case: each complete on screen, issued by a button, reprinted with a mark."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from casework.canonical import Document
from casework.case import Case, Handover, Paper
from casework.flow import steps_of
from casework.papers import (
    OFFICE,
    PAPERS,
    Offer,
    PaperKind,
    examples,
    fill,
    may_issue,
    named,
    papers_of,
    values,
    who_does,
)
from casework.rights import Actor
from casework.times import civil_date, parse_rfc3339
from web.cases.api import EVERYBODY
from web.cases.casebook import CaseRow
from web.cases.desk import Act
from web.cases.services import CaseServices
from web.cases.telling import MATERIAL_STATES, form_rows
from web.errors import Problem
from web.papers import qr_svg
from web.signin import User, allow, current_user
from web.wording import by_day, masked_id, masked_phone, stamp

# The steps of a flow that are told on a receipt: more do not fit on its line.
MOST_STEPS = 6


@cache
def default_words() -> Mapping[str, Mapping[str, Any]]:
    """What every paper says where the county has not worded it otherwise, by its code."""
    found: dict[str, dict[str, Any]] = tomllib.loads((files("web.cases") / "paper_words.toml").read_text("utf-8"))
    return found


@dataclass(frozen=True)
class Sheet:
    """One paper as it is printed: plain text throughout, escaped where it is drawn. `pairs` are (title, text, wide)."""

    kind: PaperKind
    title: str
    number: str
    place: str
    office: str
    on: str
    paragraphs: Sequence[str]
    remedy: str
    seal: str
    version: int = 1
    pairs: Sequence[tuple[str, str, bool]] = ()
    parts: Sequence[str] = ()
    reprinted_on: str | None = None
    summary: Sequence[str] = ()
    phones: tuple[str, str] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


def worded(kind: PaperKind, words: Mapping[str, Any], said: Mapping[str, str], *, remedy: bool) -> dict[str, Any]:
    """Title, paragraphs, remedy and seal with every placeholder replaced."""
    paragraphs = [text for paragraph in words["paragraphs"] if (text := fill(paragraph, said)) is not None]
    return {
        "title": fill(words["title"], said) or kind.title,
        "paragraphs": paragraphs,
        "remedy": (fill(words["remedy"], said) or "") if remedy else "",
        "seal": fill(words["seal"], said) or "",
    }


def sample_sheet(kind: PaperKind, words: Mapping[str, Any], place: str) -> Sheet:
    """The paper's words on the sample case (样例): what a county sees while it edits them."""
    said = examples()
    pairs = [
        (_("事项"), said["item"], True),
        (_("办事人"), said["applicant"], False),
        (_("办件编号"), said["number"], False),
    ]
    return Sheet(
        kind=kind,
        number=f"{said['number']}-{kind.letters}",
        place=place,
        office=said["office"] if kind.issuer == OFFICE else place,
        on=said["on"],
        pairs=pairs if "facts" in kind.parts else [],
        parts=[part for part in kind.parts if part.startswith("sign") or part in ("facts", "words", "thumbprint")],
        summary=[f"{said['applicant']} · {said['item']}"],
        **worded(kind, words, said, remedy=True),
    )


ISSUERS = ("agent", "township", "head", "reviewer")
"""Roles that may hand out a paper somewhere; which and where is `casework.papers.may_issue`."""


def add_papers(pages: Blueprint, services: CaseServices) -> None:
    """Hang the papers' addresses into the case pages, and `paper_list` for the section 文书 into their templates."""

    @pages.context_processor
    def paper_list() -> dict[str, Any]:
        return {"paper_list": lambda case: listed_papers(services, current_user(), case)}

    @pages.get("/cases/<number>/papers/<paper>")
    @allow(*EVERYBODY)
    def paper(number: str, paper: str) -> str:
        user = current_user()
        row, case = services.visible(number, user)
        offer = _offer(services, case, paper, request.args.get("about"))
        services.ready_to_print()
        services.note(user, "printed", number, PAPERS[paper].title)
        return render_template(
            "cases/sheet.html",
            sheet=sheet_of(services, user, row, case, offer),
            offer=offer,
            row=row,
            case=case,
            why_not=_why_not(services, user, case, offer),
            print_now=request.args.get("print") == "1" and bool(offer.handed_out),
            qr=qr_svg(f"{request.host_url}cases/{number}"),
            printed_at=services.now(),
            material_states=MATERIAL_STATES,
        )

    @pages.post("/cases/<number>/papers/<paper>")
    @allow(*ISSUERS)
    def issue(number: str, paper: str) -> Response:
        user = current_user()
        _row, case = services.visible(number, user)
        offer = _offer(services, case, paper, request.form.get("about"))
        services.ready_to_print()
        why_not = _why_not(services, user, case, offer)
        if why_not is not None:
            raise Problem(409 if offer.obstacle or offer.blank else 403, "not_to_be_issued", why_not)
        services.desk.write(number, [Act("paper_issued", offer.act())], services.person_of(user))
        return redirect(url_for("cases.paper", number=number, paper=paper, about=offer.about, print=1), 303)


def add_together(pages: Blueprint, services: CaseServices) -> None:
    """Hang in the receipts of several cases as one thing to print: those that were taken in together, else those that
    this person handed in here on the same day."""

    @pages.get("/cases/<number>/together")
    @allow(*COUNTERS)
    def together(number: str) -> str:
        user = current_user()
        services.ready_to_print()
        found = _receipts(services, user, number)
        for _row, case, offer in found:
            services.note(user, "printed", case["number"], offer.kind.title)
        return render_template(
            "cases/together.html",
            number=number,
            others=[case["number"] for _row, case, _offer in found if case["number"] != number],
            sheets=[
                {"row": row, "case": case, "offer": offer, "sheet": sheet_of(services, user, row, case, offer),
                 "qr": qr_svg(f"{request.host_url}cases/{case['number']}")}
                for row, case, offer in found
            ],
            print_now=request.args.get("print") == "1",
            printed_at=services.now(),
            material_states=MATERIAL_STATES,
        )  # fmt: skip

    @pages.post("/cases/<number>/together")
    @allow(*COUNTERS)
    def issue_together(number: str) -> Response:
        user = current_user()
        services.ready_to_print()
        found = _receipts(services, user, number)
        for _row, case, offer in found:
            if _why_not(services, user, case, offer) is None:
                services.desk.write(case["number"], [Act("paper_issued", offer.act())], services.person_of(user))
        others = [case["number"] for _row, case, _offer in found if case["number"] != number]
        return redirect(url_for("cases.together", number=number, others=others, print=1), 303)


COUNTERS = ("agent", "township", "head")
RECEIPTS = ("receipt", "taken_in")
"""What somebody is handed who has just brought their papers: that it was accepted, or only that it was taken in."""
MOST_TOGETHER = 20


def handed_in_together(services: CaseServices, user: User, row: CaseRow, case: Case) -> list[str]:
    """The numbers of this person's cases that were received at the same station on the same day, this one first."""
    id_number = case["fields"].get("applicant", {}).get("id_number")
    if not id_number:
        return [row.number]
    on, scope = case["deadlines"]["received_on"], services.scope_of(user)
    others = [
        other.number
        for other in services.casebook.cases_of(id_number, limit=MOST_TOGETHER)
        if other.number != row.number and other.station == row.station and scope.contains(other)
        and other.received_at and civil_date(parse_rfc3339(other.received_at)).isoformat() == on
    ]  # fmt: skip
    return [row.number, *sorted(others)]


def _receipts(services: CaseServices, user: User, number: str) -> list[tuple[CaseRow, Case, Offer]]:
    named = [number, *(request.values.getlist("others"))][:MOST_TOGETHER]
    if len(named) == 1:
        named = handed_in_together(services, user, *services.visible(number, user))
    found = []
    for one in dict.fromkeys(named):
        row, case = services.visible(one, user)
        offers = {offer.kind.code: offer for offer in papers_of(case, services.casebook.events(one))}
        receipt = next((offers[code] for code in RECEIPTS if code in offers), None)
        if receipt is not None:
            found.append((row, case, receipt))
    return found


@dataclass(frozen=True)
class ListedPapers:
    """The section 文书 of a case: what can be printed (each with its title), and what was handed out before and is on
    offer no more."""

    offers: Sequence[tuple[Offer, str]]
    former: Sequence[Paper]


def listed_papers(services: CaseServices, user: User, case: Case) -> ListedPapers:
    del user
    events = services.casebook.events(case["number"])
    offers = papers_of(case, events)
    guide = _guide(services, case)
    numbers = {offer.number for offer in offers}
    return ListedPapers(
        [(offer, _title(services, case, offer, guide)) for offer in offers],
        [paper for paper in case["papers"] if paper["number"] not in numbers],
    )


def sheet_of(services: CaseServices, user: User, row: CaseRow, case: Case, offer: Offer) -> Sheet:
    """The paper as it is printed now."""
    guide = _guide(services, case)
    terms = case["item"]
    assert terms is not None
    kind = offer.kind
    said = values(case, offer, guide, services.station_name)
    # A village that attests something is no authority whose decision one could have reviewed.
    remedy = (
        kind.remedy
        and terms["decides"]["level"] != "village"
        and not (offer.event["kind"] == "decided" and offer.event["data"]["outcome"] == "granted")
    )
    place = said["office"] if kind.issuer == OFFICE else said["station"]
    reprint = offer.reprinted
    counts = _material_counts(case)
    return Sheet(
        kind=kind,
        number=offer.number,
        version=offer.version,
        place=place,
        office=place,
        on=said["on"],
        pairs=_pairs(kind, case, said, guide, row) if "facts" in kind.parts else [],
        parts=kind.parts,
        reprinted_on=reprint["on"] if reprint is not None else None,
        summary=[f"{said['applicant']} · {said['item']}", *([counts] if "materials" in kind.parts else [])],
        phones=(said["enquiry"], said["complaint"]) if said["enquiry"] or said["complaint"] else None,
        more=_more(services, user, case, offer, guide),
        **worded(kind, services.paper_words(kind.code) or default_words()[kind.code], said, remedy=remedy),
    )


def _offer(services: CaseServices, case: Case, code: str, about: str | None) -> Offer:
    """The paper that the address names: about this event, else the newest of its kind."""
    found = [offer for offer in papers_of(case, services.casebook.events(case["number"])) if offer.kind.code == code]
    if about:
        found = [offer for offer in found if offer.about == about]
    if not found:
        if code in PAPERS:
            raise Problem(404, "no_such_paper", f"这件办件现在没有{PAPERS[code].title}可出。")
        raise Problem(404, "no_such_paper", "没有这种文书。")
    return found[-1]


def _why_not(services: CaseServices, user: User, case: Case, offer: Offer) -> str | None:
    if offer.obstacle is not None:
        return offer.obstacle
    if offer.blank:
        return str(_("空白的不用出具，送达登记以后再出具填好的"))
    person, desk = services.person_of(user), services.desk
    actor = Actor(person.role, desk.station, desk.kind, person.department)
    refusal = may_issue(offer, actor, case, desk.register())
    return refusal.sentence if refusal is not None else None


def _guide(services: CaseServices, case: Case) -> Document:
    return services.guide_of(case) or {}


def _title(services: CaseServices, case: Case, offer: Offer, guide: Document) -> str:
    words = services.paper_words(offer.kind.code) or default_words()[offer.kind.code]
    title = fill(words["title"], values(case, offer, guide, services.station_name)) or offer.kind.title
    return f"{title}（{_('空白，带去填')}）" if offer.blank else title


def _pairs(
    kind: PaperKind, case: Case, said: Mapping[str, str], guide: Document, row: CaseRow
) -> list[tuple[str, str, bool]]:
    """The facts above the words. A paper that lies about does not tell the whole number; one that is signed does."""
    applicant = case["fields"].get("applicant", {})
    terms = case["item"]
    assert terms is not None
    whole = kind.code == "application"
    id_number, phone = applicant.get("id_number"), applicant.get("phone")
    shown, called = (id_number, phone) if whole else (masked_id(id_number), masked_phone(phone))
    pairs = [
        (_("事项"), said["item"], True),
        (_("办事人"), said["applicant"], False),
        # Why there is none is the application's to say: a receipt lies about.
        (_("证件号码"), applicant.get("id_reason", "") if whole and not id_number else shown or said["id_type"], False),
        (_("联系电话"), applicant.get("phone_reason", "") if whole and not phone else called or _("没有"), False),
    ]
    if whole:
        return [*pairs, (_("证件类型"), said["id_type"], False), (_("住址"), said["address"], True)]
    pairs.append((_("受托人"), said["agent"] or _("没有"), False))
    if kind.code == "receipt":
        charged = guide.get("fee", {}).get("charged")
        basis = guide.get("fee", {}).get("basis") or _("按规定收费")
        provisional = f"（{_('暂定')}）" if case["deadlines"]["provisional"] else ""
        stopped = _("期限停算中") if case["deadlines"]["stopped_since"] else _("没有承诺期限")
        due = f"{by_day(row.due_on)}{provisional}" if row.due_on else stopped
        pairs += [
            (_("受理时间"), stamp(row.accepted_at or row.received_at), False),
            (_("办结期限"), due, False),
            (_("谁来决定"), terms["decides"]["office"], False),
            (_("办件类型"), terms["case_type"], False),
            (_("费用"), basis if charged else _("不收费"), True),
        ]
    elif kind.code in ("inspection", "cohandling") and said["address"]:
        pairs.append((_("住址"), said["address"], True))
    return pairs


def _more(services: CaseServices, user: User, case: Case, offer: Offer, guide: Document) -> dict[str, Any]:
    """What the parts of this paper need."""
    data = offer.event["data"]
    names = {material["id"]: material["name"] for material in case["materials"]}
    more: dict[str, Any] = {}
    for part in offer.kind.parts:
        match part:
            case "form":
                more[part] = form_rows(guide.get("form", {}), case["fields"].get("form") or {})
            case "materials":
                shapes = {m["id"]: f"{m['type']} {m['copies']} 份" for m in guide.get("materials", [])}
                more[part] = [(m, shapes.get(m["id"], "")) for m in case["materials"]]
                more["counts"] = _material_counts(case)
            case "points":
                more[part] = [(names.get(point.get("material") or "", ""), point["text"]) for point in data["points"]]
            case "steps":
                more[part] = _steps(services, case, guide)
            case "slip":
                more[part] = [
                    (number, applicant, item, [names_of.get(paper, paper) for paper in handover["papers"]])
                    for number, applicant, item, handover, names_of in _slip(services, user, case, data["slip"])
                ]
                more["to"] = named(data["to"], services.station_name)
            case "delivered":
                refused = offer.blank and data["outcome"] == "refused"
                result = "" if refused else guide.get("result", {}).get("name")
                more[part] = data.get("papers") or [result or _("决定书")]
            case _:
                pass
    return more


def _steps(services: CaseServices, case: Case, guide: Document) -> list[tuple[str, str, str]]:
    """What comes next as (title, by when, who): the flow's own steps, else the guide's."""
    told = [step for step in case["steps"] if step["state"] != "not_applicable"]
    flow = {step["id"]: step for step in steps_of(case["item"].get("flow") if case["item"] is not None else None)}
    if not told:
        return [(step["title"], "", step["who"]) for step in guide.get("steps", [])[:MOST_STEPS]]
    found = []
    for step in told[:MOST_STEPS]:
        days = flow[step["id"]].get("days") if step["id"] in flow else None
        when = f"{days['n']} 个工作日" if days and days["unit"] == "工作日" else f"{days['n']} 天" if days else ""
        found.append((step["title"], when, who_does(step, case, services.station_name)))
    return found


def _slip(
    services: CaseServices, user: User, case: Case, slip: str
) -> list[tuple[str, str, str, Handover, Mapping[str, str]]]:
    """Every case that goes with this slip, as far as this person may see them; this one first."""
    others = services.casebook.with_slip(services.scope_of(user), slip)
    cases = [case, *(other for _row, other in others if other["number"] != case["number"])]
    return [
        (
            one["number"],
            str(one["fields"].get("applicant", {}).get("name", "")),
            one["item"]["name"] if one["item"] is not None else "",
            handover,
            {material["id"]: material["name"] for material in one["materials"]},
        )
        for one in cases
        for handover in one["handovers"]
        if handover["slip"] == slip
    ]


def _material_counts(case: Case) -> str:
    states = [material["state"] for material in case["materials"]]
    a, b, c = (states.count(state) for state in ("received", "later", "missing"))
    return str(_("已收 %(a)s 项，后补 %(b)s 项，缺 %(c)s 项", a=a, b=b, c=c))
