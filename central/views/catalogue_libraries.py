"""目录、类型、法规、部门、业务系统、空白表和样表: what the county keeps for its items, one page a library."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, send_file, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from casework.canonical import Document
from casework.documents import blank as blanks
from casework.guide.elements import GROUPS, INHERITED
from central.catalogue import libraries
from central.catalogue.codes import COMMON_OTHERS
from central.catalogue.directories import tree
from central.catalogue.editing import directory_schema, plain_schema
from central.catalogue.libraries import LIBRARIES, Kept, Library
from central.catalogue.lifecycle import CATALOGUE_ROLES
from central.centre import Centre
from web.errors import Problem
from web.forms import lay_out, names_of, read_form, row_asked, row_to_add, unreadable
from web.signin import allow, current_user


def add_libraries(editor: Blueprint, centre: Centre) -> None:
    """Hang the pages into the editor's: an item is made of what they keep."""

    @editor.get("/libraries")
    @allow(*CATALOGUE_ROLES)
    def shelves() -> str:
        known = libraries.load(centre)
        counts = {name: len(getattr(known, name)) for name in LIBRARIES}
        return render_template("editor/libraries.html", shelves=LIBRARIES.values(), counts=counts)

    @editor.get("/libraries/<library>")
    @allow(*CATALOGUE_ROLES)
    def library(library: str) -> str:
        shelf, known = _library(library), libraries.load(centre)
        entries = (
            list(tree(known.directory))
            if library == "directory"
            else [(0, one) for _name, one in sorted(getattr(known, library).items())]
        )
        return render_template(
            "editor/library.html",
            shelf=shelf,
            entries=entries,
            types=known.type,
            others={letters: one for letters, one in COMMON_OTHERS.items() if letters not in known.type},
            kinds=blanks.KINDS,
            may_edit="admin" in current_user().roles,
        )

    @editor.get("/libraries/<library>/new")
    @allow("admin")
    def new_entry(library: str) -> str:
        shelf = _library(library)
        suggested = COMMON_OTHERS.get(request.args.get("id", ""), {}) if library == "type" else {}
        return _entry_page(centre, shelf, None, {**suggested}, {}, identifier=str(suggested.get("id", "")))

    @editor.post("/libraries/<library>/new")
    @allow("admin")
    def add_entry(library: str) -> Response | str | tuple[str, int]:
        return _keep(centre, _library(library), None)

    @editor.get("/libraries/<library>/<id>")
    @allow("admin")
    def entry(library: str, id: str) -> str:
        known = _entry(centre, library, id)
        return _entry_page(centre, _library(library), known, known, {}, identifier=id)

    @editor.post("/libraries/<library>/<id>")
    @allow("admin")
    def keep_entry(library: str, id: str) -> Response | str | tuple[str, int]:
        shelf, known = _library(library), _entry(centre, library, id)
        if request.form.get("do") == "drop":
            refused = libraries.drop(centre, library, id, by=current_user(), expected_rev=request.form.get("rev", ""))
            if refused:
                return _entry_page(centre, shelf, known, known, {"id": refused}, identifier=id), 409
            flash(_("已删除。"), "saved")
            return redirect(url_for("editor.library", library=library), 303)
        return _keep(centre, shelf, known)

    @editor.get("/libraries/blank/<id>/file")
    @allow(*CATALOGUE_ROLES)
    def blank_file(id: str) -> Response:
        known = _entry(centre, "blank", id)
        content = libraries.file_of(centre, id)
        if content is None:
            raise Problem(404, "no_such_file", "这个表的文件不在了，请重新上传。")
        said = known["file"]
        return send_file(BytesIO(content), mimetype=said["media_type"], as_attachment=True, download_name=said["name"])


def _library(name: str) -> Library:
    if name not in LIBRARIES:
        raise Problem(404, "no_such_library", "没有这个库。")
    return LIBRARIES[name]


def _entry(centre: Centre, library: str, identifier: str) -> Document:
    found = libraries.entry_of(centre, _library(library).name, identifier)
    if found is None:
        raise Problem(404, "no_such_entry", "库里没有这一条，可能刚刚删了。")
    return found


def _keep(centre: Centre, shelf: Library, known: Document | None) -> Response | str | tuple[str, int]:
    identifier = known["id"] if known is not None else request.form.get("id", "").strip()
    schema = _schema(centre, shelf)
    said = read_form(schema, request.form, "")
    if row_asked(request.form):
        return _entry_page(centre, shelf, known, said, {}, identifier=identifier, add_to=row_to_add(request.form))
    problems = unreadable(schema, said, "")
    entry = _completed(shelf, said)
    kept = Kept(False, problems)
    if not problems:
        kept = _kept(centre, shelf, identifier, entry)
    if kept.saved:
        flash(_("已保存。"), "saved")
        return redirect(url_for("editor.library", library=shelf.name), 303)
    problems = dict(kept.problems)
    if kept.conflict:
        problems["id"] = _("这个编号已经有了，或者别人刚刚改过。您填的还在，看过现在的再存。")
    return _entry_page(centre, shelf, known, said, problems, identifier=identifier), 409 if kept.conflict else 422


def _kept(centre: Centre, shelf: Library, identifier: str, entry: Document) -> Kept:
    upload = request.files.get("file")
    file = None
    if shelf.name == "blank" and upload is not None and upload.filename:
        file = (upload.filename, upload.stream.read(blanks.MOST_BYTES + 1))
    return libraries.keep(
        centre,
        shelf.name,
        identifier,
        entry,
        by=current_user(),
        expected_rev=request.form.get("rev") or None,
        file=file,
    )


def _schema(centre: Centre, shelf: Library) -> dict[str, Any]:
    if shelf.name == "directory":
        return directory_schema(libraries.load(centre))
    return plain_schema(shelf.schema)


def _completed(shelf: Library, said: Mapping[str, Any]) -> Document:
    """What an empty field means where the shape wants something."""
    empty: dict[str, Document] = {
        "directory": {"parent": None, "order": 0},
        "type": {"code": None, "on_application": False, "needs_directory": False},
    }
    return {**empty.get(shelf.name, {}), **said}


def _entry_page(
    centre: Centre,
    shelf: Library,
    known: Document | None,
    said: Mapping[str, Any],
    problems: Mapping[str, str],
    *,
    identifier: str,
    add_to: str | None = None,
) -> str:
    fields = lay_out(_schema(centre, shelf), said, prefix="", add_to=add_to)
    used = libraries.users_of(centre, shelf.name, identifier) if known is not None else []
    return render_template(
        "editor/entry.html",
        shelf=shelf,
        kept=known,
        identifier=identifier,
        fields=fields,
        names={**names_of(fields), "id": shelf.key, "file": _("文件")},
        problems=problems,
        used=used,
        most_kb=blanks.MOST_BYTES // 1024,
        endings=",".join(blanks.MEDIA_TYPES),
        groups=GROUPS,
        inherited=INHERITED,
    )
