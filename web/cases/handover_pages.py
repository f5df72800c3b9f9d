"""Pages for papers that change hands: bundle and hand over, take in by scanning, where everything is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from casework.custody import APPLICANT
from casework.numbers import SLIP, scanned
from web.cases.api import EVERYBODY
from web.cases.handover import LONGEST, Counted, Handovers, Line
from web.cases.services import CaseServices
from web.errors import Problem
from web.papers import qr_svg
from web.signin import allow, current_user

CARRIERS = ("agent", "township", "head", "reviewer")
"""Roles through whose hands papers go."""


def handover_pages(services: CaseServices, handovers: Handovers) -> Blueprint:
    pages = Blueprint("handover", __name__)

    @pages.get("/handover")
    @allow(*CARRIERS)
    def choose() -> str:
        services.note(current_user(), "listed", what="移交材料")
        return _choose(services, handovers, {})

    @pages.post("/handover")
    @allow(*CARRIERS)
    def hand_over() -> Response | tuple[str, int]:
        user = current_user()
        try:
            slip = handovers.hand_over(
                user, request.form.get("to", ""), _chosen(handovers), request.form.get("note", "").strip()[:1000]
            )
        except Problem as problem:
            if problem.status != 422:
                raise
            return _choose(services, handovers, problem.fields), 422
        flash(_("已移交，请打印凭证随材料走"), "saved")
        return redirect(url_for("handover.slip", slip=slip), 303)

    @pages.get("/handover/slips/<slip>")
    @allow(*EVERYBODY)
    def slip(slip: str) -> str:
        user = current_user()
        lines = handovers.slip(user, slip)
        if not lines:
            raise Problem(404, "no_such_slip", "没有这张凭证，或者它的记录还没到。可以先收下，等线路通了再核对。")
        services.ready_to_print()
        for number in {line.row.number for line in lines}:
            services.note(user, "printed", number, "物料流转凭证")
        return render_template(
            "cases/slip.html",
            title="物料流转凭证",
            station=services.station_name(lines[0].handover["station"]),
            number=None,
            qr=qr_svg(slip, "凭证号二维码"),
            slip=slip,
            lines=lines,
            handover=lines[0].handover,
            takes=bool({"agent", "township", "reviewer"} & set(user.roles)),
        )

    @pages.get("/whereabouts")
    @allow(*EVERYBODY)
    def whereabouts() -> str:
        user, text = current_user(), request.args.get("q", "").strip()[:60]
        services.note(user, "listed", what="材料在哪里")
        return render_template(
            "cases/whereabouts.html",
            text=text,
            found=handovers.everywhere(user, text),
            longest=LONGEST,
            station_name=services.station_name,
            hands_over=bool(set(CARRIERS) & set(user.roles)),
        )

    _taking_pages(pages, services, handovers)
    return pages


def _taking_pages(pages: Blueprint, services: CaseServices, handovers: Handovers) -> None:
    """Taking papers in: scan the slip, then what it names, then see the differences."""

    @pages.get("/takeover")
    @allow(*CARRIERS)
    def scan() -> Response | str:
        user, text = current_user(), request.args.get("q", "").strip()[:200]
        known, number = handovers.meant(user, text)
        if known:
            return redirect(url_for("handover.take", slip=known, got=number or None))
        services.note(user, "listed", what="接收材料")
        return render_template(
            "cases/takeover.html",
            text=text,
            number=scanned(text),
            known_case=number,
            coming=handovers.coming(user),
            ahead=[(one, handovers.meant(user, one.number)[0]) for one in handovers.ahead()],
            station_name=services.station_name,
            place=handovers.place(user),
        )

    @pages.post("/takeover")
    @allow(*CARRIERS)
    def ahead() -> Response:
        user = current_user()
        number = scanned(request.form.get("number", ""))
        if request.form.get("do") == "drop":
            handovers.forget_ahead({number})
        elif not number:
            flash(_("没有记下：凭证号或办件编号不完整，请再扫一次。"), "told")
        else:
            others = [found for word in request.form.get("cases", "").split() if (found := scanned(word))]
            handovers.note_ahead(user, number, others, request.form.get("note", "").strip()[:500])
            flash(_("先收下了，记在本机。记录到了会在这里提醒核对。"), "saved")
        return redirect(url_for("handover.scan"), 303)

    @pages.get("/takeover/<slip>")
    @allow(*CARRIERS)
    def take(slip: str) -> str:
        noted = {number for one in handovers.ahead(slip) for number in one.cases}
        lines = _lines(handovers, slip)
        ticked = {
            _tick(line, paper)
            for line in lines
            if _is(line, noted | {request.args.get("got", "")})
            for paper, _name in line.papers
        }
        return _take(services, handovers, slip, lines, ticked)

    @pages.post("/takeover/<slip>")
    @allow(*CARRIERS)
    def counted(slip: str) -> Response | str:
        user, lines = current_user(), _lines(handovers, slip)
        ticked, unlisted = set(request.form.getlist("here")), list(request.form.getlist("unlisted"))
        do, text = request.form.get("do", "tick"), request.form.get("scan", "").strip()
        told = ""
        if text and do == "tick":
            number = scanned(text)
            hit = [line for line in lines if number and _is(line, {number})]
            ticked |= {_tick(line, paper) for line in hit for paper, _name in line.papers}
            if not hit and number and not number.startswith(SLIP):
                unlisted = list(dict.fromkeys([*unlisted, number]))
            told = (
                _("勾上了：%(who)s", who=hit[0].row.applicant)
                if hit
                else _("凭证上没有 %(n)s，记在“多了”里。", n=number)
                if number
                else _("看不出是哪一件，请再扫一次。")
            )
        counts = {line.handover["event"]: _count(line, ticked) for line in lines}
        if do == "save":
            taken = handovers.take_over(user, slip, counts, unlisted)
            flash(_("接收了 %(n)s 件", n=taken) if taken else _("没有可接收的：已经接收过，或一份也没有到。"), "saved")
            return redirect(url_for("handover.scan"), 303)
        return _take(services, handovers, slip, lines, ticked, unlisted, counts=counts, told=told, check=do == "check")


def _choose(services: CaseServices, handovers: Handovers, problems: Mapping[str, str]) -> str:
    user, text = current_user(), request.values.get("q", "").strip()[:60]
    here = handovers.here(user, text)
    return render_template(
        "cases/handover.html",
        text=text,
        here=here,
        longest=LONGEST,
        receivers=handovers.receivers(user, [one.case for one in here]),
        applicant=APPLICANT,
        place=handovers.place(user),
        problems=dict(problems),
        typed=request.form,
        station_name=services.station_name,
    )


def _chosen(handovers: Handovers) -> dict[str, list[str]]:
    """Papers by case: those that are ticked; of a case that is ticked as a whole, all that are here."""
    chosen: dict[str, list[str]] = {}
    for ticked in request.form.getlist("paper"):
        number, _slash, paper = ticked.partition("/")
        chosen.setdefault(number, []).append(paper)
    whole = set(request.form.getlist("case")) - chosen.keys()
    if whole:
        chosen |= {number: handovers.papers_here(current_user(), number) for number in sorted(whole)}
    return chosen


def _lines(handovers: Handovers, slip: str) -> list[Line]:
    lines = handovers.slip(current_user(), slip)
    if not lines:
        raise Problem(404, "no_such_slip", "没有这张凭证，或者它的记录还没到。可以先收下，等线路通了再核对。")
    return lines


def _tick(line: Line, paper: str) -> str:
    return f"{line.row.number}/{paper}"


def _is(line: Line, numbers: set[str]) -> bool:
    """Whether one of these is the case's number, or its last two groups."""
    return bool({line.row.number, line.row.number.split("-", 2)[2]} & numbers)


def _count(line: Line, ticked: set[str]) -> Counted:
    words = request.form.get(f"extra.{line.row.number}", "").replace("，", "、").split("、")
    return Counted(
        frozenset(paper for paper, _name in line.papers if _tick(line, paper) in ticked),
        tuple(word.strip()[:200] for word in words if word.strip())[:20],
    )


def _take(
    services: CaseServices,
    handovers: Handovers,
    slip: str,
    lines: list[Line],
    ticked: set[str],
    unlisted: list[str] | None = None,
    **more: Any,
) -> str:
    user = current_user()
    for number in {line.row.number for line in lines}:
        services.note_refresh(user, "opened", number)
    return render_template(
        "cases/taking.html",
        slip=slip,
        lines=lines,
        ticked=ticked,
        unlisted=unlisted or [],
        typed=request.form,
        place=handovers.place(user),
        station_name=services.station_name,
        handover=lines[0].handover,
        ahead=handovers.ahead(slip),
        **{"counts": {}, "told": "", "check": False, **more},
    )
