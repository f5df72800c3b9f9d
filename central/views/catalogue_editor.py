"""事项: the items that one may edit, each on its page with a preview; new ones; the checks that they are held to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from markupsafe import Markup
from werkzeug.wrappers import Response

from casework.canonical import Document
from casework.flow import check_flow
from casework.guide.elements import GROUPS
from central.catalogue import libraries
from central.catalogue.checks import CHECKS, Inconsistency, check_item
from central.catalogue.codes import next_code, parsed
from central.catalogue.differences import Difference, differences
from central.catalogue.directories import Libraries, resolved
from central.catalogue.drafts import DRAFTING, draft_of, rules_of, save_draft, somebody
from central.catalogue.editing import as_shown, groups, json_texts, new_content, read_page
from central.catalogue.forms import form_problems
from central.catalogue.lifecycle import BODIES, CATALOGUE_ROLES, STATES, obstacle, sees
from central.catalogue.publishing import published_item
from central.centre import Centre
from central.views.catalogue_libraries import add_libraries
from web.cases.flowchart import flowchart
from web.cases.services import CaseServices
from web.errors import Problem
from web.forms import ROW_BUTTON, lay_out, names_of, row_asked, row_to_add
from web.signin import allow, current_user

MOST_LISTED = 200
EDITORS = ("reviewer", "admin")


@dataclass(frozen=True)
class Page:
    """What is shown of an item: the values of its fields, its texts, what is wrong with them. `dirty`: something on the
    page is not kept yet."""

    content: Document
    shown: Document
    texts: Mapping[str, str]
    problems: Mapping[str, str] = field(default_factory=dict)
    sentence: str = ""
    dirty: bool = False
    theirs: list[Difference] = field(default_factory=list)
    rev: str = ""
    add_to: str | None = None


@dataclass(frozen=True)
class Section:
    """A part of the page that folds, `id` its place; `faults` is how many things there are to look at in it, `must`
    whether one of them stops the item. What is folded is sent and kept like the rest."""

    id: str
    title: str
    fields: list[Any] | None
    faults: int
    must: bool
    is_open: bool


def pages(centre: Centre, services: CaseServices) -> Blueprint:
    del services
    editor = Blueprint("editor", __name__, url_prefix="/items")

    @editor.get("")
    @allow(*CATALOGUE_ROLES)
    def listing() -> str:
        return _listing(centre)

    @editor.get("/checks")
    @allow(*CATALOGUE_ROLES)
    def checks() -> str:
        return render_template("editor/checks.html", checks=CHECKS.values())

    @editor.get("/new")
    @allow(*EDITORS)
    def new() -> str:
        return _new(centre, {})

    @editor.post("/new")
    @allow(*EDITORS)
    def make() -> Response | tuple[str, int]:
        return _make(centre)

    @editor.get("/<code>")
    @allow(*CATALOGUE_ROLES)
    def edit(code: str) -> str:
        draft = _draft(centre, code)
        content = draft["item"]
        return _page(centre, draft, Page(content, as_shown(content), json_texts(content), rev=draft["_rev"]))

    @editor.post("/<code>")
    @allow(*EDITORS)
    def save(code: str) -> Response | str | tuple[str, int]:
        return _save(centre, code)

    @editor.post("/<code>/preview")
    @allow(*EDITORS)
    def preview(code: str) -> str:
        draft, known = _draft(centre, code), libraries.load(centre)
        reading = read_page(draft["item"], request.form, known)
        part = request.form.get("part") == "1"
        template = "editor/preview.html" if part else "editor/preview_page.html"
        return render_template(template, **_preview(centre, reading.content, reading.problems, known))

    add_libraries(editor, centre)
    return editor


# -- the list ----------------------------------------------------------------------------------------------------------


def _listing(centre: Centre) -> str:
    text, state = request.args.get("q", "").strip()[:60], request.args.get("state", "")
    found = [
        draft
        for draft in _drafts(centre)
        if (text in draft["item"]["name"] or text in draft["item"]["code"]) and state in ("", draft["state"])
    ]
    return render_template(
        "editor/listing.html",
        drafts=found[:MOST_LISTED],
        count=len(found),
        most=MOST_LISTED,
        text=text,
        state=state,
        states=STATES,
        may_edit=bool(set(EDITORS) & set(current_user().roles)),
    )


def _drafts(centre: Centre) -> list[Document]:
    who = somebody(current_user())
    drafts = centre.databases.open(DRAFTING).range("draft:", "draft:\uffff")
    return [draft for draft in drafts if sees(who, draft)]


# -- one item ----------------------------------------------------------------------------------------------------------


def _draft(centre: Centre, code: str) -> Document:
    draft = draft_of(centre, code)
    if draft is None or not sees(somebody(current_user()), draft):
        raise Problem(404, "no_such_item", "没有这个编码的事项，或者它不归您的部门。")
    return draft


def _save(centre: Centre, code: str) -> Response | str | tuple[str, int]:
    draft, known = _draft(centre, code), libraries.load(centre)
    rev = request.form.get("rev", "")
    base = draft["item"]
    reading = read_page(base, request.form, known)
    page = Page(reading.content, reading.shown, reading.texts, dirty=True, rev=rev)
    if row_asked(request.form):
        # A row more or less, or Enter in a field: nothing is kept, nothing is lost.
        return _page(centre, draft, _replaced(page, add_to=row_to_add(request.form)))
    if reading.problems:
        return _page(centre, draft, _replaced(page, problems=reading.problems)), 422
    content = _with_version(centre, reading.content)
    saved = save_draft(centre, code, content, by=current_user(), expected_rev=rev)
    if saved.saved:
        flash(_("已存为暂存。"), "saved")
        return redirect(url_for("editor.edit", code=code), 303)
    theirs = differences(content, draft["item"]) if saved.conflict else []
    # The revision stays the one that this page began with: saved again, it is kept beside theirs again, never over it.
    page = _replaced(page, problems=saved.problems, sentence=saved.sentence, theirs=theirs)
    return _page(centre, draft, page), 409 if saved.conflict else 422


def _with_version(centre: Centre, content: Document) -> Document:
    """The form's version is one more than that of the form which is published, if it is another form; edited thrice
    before it is published, it is still one more."""
    published = published_item(centre, content["code"])
    if published is None:
        return {**content, "form_version": 1}
    same = published["form"] == content["form"]
    return {**content, "form_version": published["form_version"] + (0 if same else 1)}


def _replaced(page: Page, **changes: Any) -> Page:
    return Page(**{**{name: getattr(page, name) for name in Page.__dataclass_fields__}, **changes})


def _page(centre: Centre, draft: Document, page: Page) -> str:
    known, user = libraries.load(centre), current_user()
    schemas = groups(page.content, known)
    laid = {name: lay_out(schema, page.shown, prefix="", add_to=page.add_to) for name, schema in schemas.items()}
    names = {path: name for fields in laid.values() for path, name in names_of(fields).items()}
    found = _findings(centre, page, known)
    barred = obstacle("save", draft, somebody(user), rules_of(centre))
    return render_template(
        "editor/item.html",
        item=page.content,
        draft=draft,
        page=page,
        sections=_sections(schemas, laid, page, found),
        names={**names, "form_json": _("申请表"), "flow_json": _("环节"), "hints_json": _("填表提示")},
        bodies=BODIES,
        barred=barred,
        found=found,
        **_preview(centre, page.content, page.problems, known),
    )


def _sections(
    schemas: Mapping[str, Mapping[str, Any]],
    laid: Mapping[str, list[Any]],
    page: Page,
    inconsistencies: Sequence[Inconsistency],
) -> list[Section]:
    """The parts of the page in their order. Open are the first, those with faults, the one whose row was asked for, or
    all when the address says so."""
    own = {name: frozenset(schema["properties"]) for name, schema in schemas.items()}
    own["form"] = frozenset({"form", "flow", "form_json", "flow_json", "hints_json"})
    faulty = [(path, True) for path in page.problems] + [(one.path, one.check.stops) for one in inconsistencies]
    row = request.form.get(ROW_BUTTON, "").partition(":")[2]
    found = []
    for place, (name, fields) in enumerate(own.items(), start=1):
        faults = [stops for path, stops in faulty if path.partition(".")[0] in fields]
        is_open = place == 1 or bool(faults) or row.partition(".")[0] in fields or "all" in request.args
        found.append(Section(f"s{place}", GROUPS[name], laid.get(name), len(faults), any(faults), is_open))
    return found


def _findings(centre: Centre, page: Page, known: Libraries) -> list[Inconsistency]:
    """What the checks have against what is kept; what is not even whole is not checked."""
    return [] if page.problems or page.dirty else check_item(page.content, libraries.context(centre, known))


@dataclass(frozen=True)
class Preview:
    """What the village will see: the guide's item, the form's fields and the flow's drawing, as far as they can be."""

    item: Document
    fields: list[Any] | None
    chart: Markup | None
    problems: Mapping[str, str]


def _preview(centre: Centre, content: Document, problems: Mapping[str, str], known: Libraries) -> dict[str, Any]:
    del centre
    whole = resolved(content, known) if not _torn(problems) else content
    fields = None
    if "form_json" not in problems and not form_problems(content):
        fields = lay_out(content["form"], {}, prefix="preview")
    flow = content.get("flow")
    chart = None
    if flow and flow.get("steps") and "flow_json" not in problems and not check_flow(flow):
        drawn = flowchart(flow, {}, accepted=False, ended=False, title=_("办理流程图"), prefix="preview-flow")
        chart = Markup(drawn)  # noqa: S704 - flowchart escapes every text
    return {"preview": Preview(whole, fields, chart, problems)}


def _torn(problems: Iterable[str]) -> bool:
    """Whether parts are missing that an item is made whole of."""
    return any(path.partition(".")[0] in ("basis", "materials", "result", "phones") for path in problems)


# -- a new one ---------------------------------------------------------------------------------------------------------


def _new(centre: Centre, problems: Mapping[str, str]) -> str:
    known, user, said = libraries.load(centre), current_user(), request.values
    letters = [one for one in known.department.values() if "admin" in user.roles or one["name"] == user.department]
    department, type_ = said.get("department", ""), said.get("type", "")
    if not department and len(letters) == 1:
        department = letters[0]["id"]
    return render_template(
        "editor/new.html",
        departments=letters,
        types=known.type.values(),
        items=[(draft["item"]["code"], draft["item"]["name"]) for draft in _drafts(centre)],
        department=department,
        type=type_,
        said=said,
        proposed=_proposed(centre, known, department, type_),
        problems=problems,
    )


def _proposed(centre: Centre, known: Libraries, department: str, type_: str) -> str | None:
    body = known.department.get(department)
    if body is None or type_ not in known.type:
        return None
    drafts = centre.databases.open(DRAFTING).range("draft:", "draft:\uffff")
    versions = centre.databases.open(DRAFTING).range("version:", "version:\uffff")
    taken = {draft["item"]["code"] for draft in [*drafts, *versions]}
    return next_code(body["body_code"], type_, taken)


def _make(centre: Centre) -> Response | tuple[str, int]:
    known, user = libraries.load(centre), current_user()
    said = {name: request.form.get(name, "").strip() for name in ("name", "department", "type", "code", "from")}
    department = known.department.get(said["department"])
    problems: dict[str, str] = {}
    if not said["name"]:
        problems["name"] = _("请填写事项名称。")
    if department is None or ("admin" not in user.roles and department["name"] != user.department):
        problems["department"] = _("请选一个部门；没有的，先由县管理员加进部门库。")
    if said["type"] not in known.type:
        problems["type"] = _("请选一个事项类型。")
    code = said["code"] or _proposed(centre, known, said["department"], said["type"]) or ""
    template_code = said["from"].split(" ")[0]
    template = draft_of(centre, template_code) if template_code else None
    if template_code and (template is None or not sees(somebody(user), template)):
        problems["from"] = _("没有这个事项，从单子里选一个。")
    if not problems:
        problems = _code_problems(centre, known, said, code)
    if problems or department is None:
        return _new(centre, problems), 422
    content = new_content(code, said["name"], department["name"], known, template["item"] if template else None)
    saved = save_draft(centre, code, content, by=user, expected_rev=None)
    if not saved.saved:
        return _new(centre, saved.problems or {"code": saved.sentence}), 422
    flash(_("已建好，编码是 %(code)s。接着填。", code=code), "saved")
    return redirect(url_for("editor.edit", code=code), 303)


def _code_problems(centre: Centre, known: Libraries, said: Mapping[str, str], code: str) -> dict[str, str]:
    if draft_of(centre, code) is not None:
        return {"code": _("编码 %(code)s 已经有事项了。", code=code)}
    parts = parsed(code)
    if parts is not None and (parts.department, parts.type) != (said["department"], said["type"]):
        return {
            "code": _("编码里的部门和类型字母要和上面选的一样：%(d)s、%(t)s。", d=said["department"], t=said["type"])
        }
    check = CHECKS["code"]
    type_ = known.type[said["type"]]
    asked: Document = {
        "code": code, "department": known.department[said["department"]]["name"], "type": type_["name"],
    }  # fmt: skip
    wrong = next(iter(check.run(asked, libraries.context(centre, known))), None)
    return {"code": wrong[1]} if wrong else {}
