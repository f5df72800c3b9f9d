"""文书样式: the words of every paper, edited at the county and published with the next release."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from casework.documents.enquiry import KINDS, OWN_WORDS
from casework.papers import PAPERS, PLACEHOLDERS, PaperKind, words_problems
from central.catalogue.publishing import pending, published_paper
from central.catalogue.wordings import list_kinds, paper_drafts, word_paper
from central.centre import Centre
from web.cases.paper_pages import default_words, sample_sheet
from web.errors import Problem
from web.papers import qr_svg
from web.signin import allow, current_user


def add_wordings(catalogue: Blueprint, centre: Centre) -> None:
    """Hang the pages into the catalogue's, whose release carries what they edit."""

    @catalogue.get("/papers")
    @allow("admin")
    def wordings() -> str:
        drafts = paper_drafts(centre)
        return render_template(
            "catalogue/wordings.html",
            kinds=PAPERS.values(),
            own={code for code in PAPERS if published_paper(centre.catalogue, code) is not None},
            waiting=_waiting(centre, drafts),
        )

    @catalogue.get("/enquiries")
    @allow("admin")
    def kinds() -> str:
        drafts = paper_drafts(centre)
        words = drafts[OWN_WORDS] if OWN_WORDS in drafts else published_paper(centre.catalogue, OWN_WORDS)
        return _kinds_page(centre, list(words["paragraphs"]) if words else list(KINDS.values()), {})

    @catalogue.post("/enquiries")
    @allow("admin")
    def keep_kinds() -> Response | tuple[str, int]:
        lines = [line.strip() for line in request.form.get("kinds", "").splitlines() if line.strip()]
        default = request.form.get("do") == "default"
        wrong = list_kinds(centre, None if default else lines, by=current_user().username)
        if wrong is not None:
            return _kinds_page(centre, lines, {"kinds": wrong}), 422
        flash(_("恢复成默认的，下次发布目录时换上。") if default else _("已保存，下次发布目录时换上。"), "saved")
        return redirect(url_for("catalogue.kinds"), 303)

    @catalogue.get("/papers/<code>")
    @allow("admin")
    def wording(code: str) -> str:
        kind = _kind(code)
        return _page(centre, kind, _words(centre, code), {})

    @catalogue.post("/papers/<code>")
    @allow("admin")
    def word(code: str) -> Response | str | tuple[str, int]:
        kind = _kind(code)
        by = current_user().username
        if request.form.get("do") == "default":
            word_paper(centre, code, None, by=by)
            flash(_("恢复成默认的样式，下次发布目录时换上。"), "saved")
            return redirect(url_for("catalogue.wording", code=code), 303)
        words = _typed()
        preview = request.form.get("do") == "preview"
        problems = words_problems(words) if preview else word_paper(centre, code, words, by=by)
        if problems:
            return _page(centre, kind, words, problems), 422
        if preview:
            return render_template(
                "cases/sheet.html", sheet=sample_sheet(kind, words, centre.name), qr=qr_svg(request.host_url)
            )
        flash(_("已保存，下次发布目录时换上。"), "saved")
        return redirect(url_for("catalogue.wording", code=code), 303)


def _kinds_page(centre: Centre, kinds: list[str], problems: dict[str, str]) -> str:
    return render_template(
        "catalogue/kinds.html",
        kinds=kinds,
        problems=problems,
        is_own=published_paper(centre.catalogue, OWN_WORDS) is not None,
        waiting=any(code == OWN_WORDS for code, _title in pending(centre).papers),
    )


def _kind(code: str) -> PaperKind:
    if code not in PAPERS:
        raise Problem(404, "no_such_paper", "没有这种文书。")
    return PAPERS[code]


def _words(centre: Centre, code: str) -> dict[str, Any]:
    """What the next release says: the draft, else what is published, else the default."""
    drafts = paper_drafts(centre)
    if code in drafts:
        return dict(drafts[code] or default_words()[code])
    return dict(published_paper(centre.catalogue, code) or default_words()[code])


def _waiting(centre: Centre, drafts: dict[str, dict[str, Any] | None]) -> set[str]:
    """The papers whose words wait for the next release."""
    return {
        code
        for code, words in drafts.items()
        if code in PAPERS
        and _said(words or default_words()[code])
        != _said(published_paper(centre.catalogue, code) or default_words()[code])
    }


def _said(words: Any) -> list[Any]:
    return [words["title"], list(words["paragraphs"]), words["remedy"], words["seal"]]


def _typed() -> dict[str, Any]:
    """What the page's form says; a paragraph is a line, an empty one is none."""
    lines = request.form.get("paragraphs", "").splitlines()
    return {
        "title": request.form.get("title", "").strip(),
        "paragraphs": [line.strip() for line in lines if line.strip()],
        "remedy": request.form.get("remedy", "").strip(),
        "seal": request.form.get("seal", "").strip(),
    }


def _page(centre: Centre, kind: PaperKind, words: dict[str, Any], problems: dict[str, str]) -> str:
    # A paragraph's fault is shown at the one field that holds them all.
    shown: dict[str, str] = {}
    for path, sentence in problems.items():
        shown.setdefault(path.partition(".")[0], sentence)
    return render_template(
        "catalogue/wording.html",
        kind=kind,
        words=words,
        problems=shown,
        placeholders=PLACEHOLDERS,
        is_own=_said(words) != _said(default_words()[kind.code]),
        waiting=kind.code in _waiting(centre, paper_drafts(centre)),
    )
