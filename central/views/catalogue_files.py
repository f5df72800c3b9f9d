"""The catalogue as files: brought in after a look at what would change, taken out, and 表一 and 表二 to print."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response as AnyResponse

from casework.canonical import Document
from casework.times import CHINA, rfc3339
from central.catalogue import libraries as kept
from central.catalogue.directories import Libraries, tree
from central.catalogue.drafts import DRAFTING
from central.catalogue.exporting import WRITERS, contents_of, directories_of
from central.catalogue.findings import CatalogueRefused
from central.catalogue.importing import bring_in
from central.catalogue.reading import LARGEST_FILE, MOST_ITEMS, read
from central.catalogue.staging import Staging
from central.catalogue.tables import (
    CATALOGUE_TITLE,
    COLUMNS,
    INFORMATION_TITLE,
    catalogue_sheets,
    catalogue_tables,
    chosen,
    information_sheets,
    information_table,
)
from central.catalogue.workbook import write_workbook
from central.centre import Centre
from web.errors import Problem
from web.signin import allow, current_user

MOST_SHOWN: Final = 200
"""Findings on a page; the rest is counted."""
MOST_SHEETS: Final = 500
"""Items of one 表二: a department has a hundred, and nobody prints a county."""

_TYPES: Final = {
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "csv": "text/csv",
    "json": "application/json",
    "html": "text/html",
}


def add_files(catalogue: Blueprint, centre: Centre) -> None:
    """Hang the pages into the catalogue's."""
    payloads, uploads = Staging(centre.folder.path), Staging(centre.folder.path, shelf="uploads")

    @catalogue.get("/files")
    @allow("admin")
    def files() -> str:
        return _files(centre, uploads, {})

    @catalogue.post("/files")
    @allow("admin")
    def upload() -> AnyResponse | str | tuple[str, int]:
        sent = request.files.get("file")
        if sent is None or not sent.filename:
            return _files(centre, uploads, {"file": _("请选一个文件。")}), 422
        approve = request.form.get("approve") == "yes"
        try:
            said = read(sent.filename, sent.stream.read(LARGEST_FILE + 1))
            seq, report = _looked_at(centre, said, approve)
        except CatalogueRefused as refused:
            return _files(centre, uploads, {"file": str(refused)}), 422
        info = {
            "name": sent.filename[-120:], "by": current_user().username, "at": rfc3339(centre.now()),
            "approve": approve, "seq": seq, "report": report, "names": _names(said),
            "payload": payloads.put(said, now=centre.now(), random=centre.random),
        }  # fmt: skip
        token = uploads.put(info, now=centre.now(), random=centre.random)
        return redirect(url_for("catalogue.look", token=token), 303)

    @catalogue.get("/files/<token>")
    @allow("admin")
    def look(token: str) -> str:
        return _look(token, _waiting(uploads, token))

    @catalogue.post("/files/<token>")
    @allow("admin")
    def bring(token: str) -> AnyResponse:
        info = _waiting(uploads, token)
        said = payloads.get(info["payload"])
        if request.form.get("do") != "import" or said is None:
            payloads.drop(info["payload"])
            uploads.drop(token)
            flash(_("没有导入，文件不留。"), "told")
            return redirect(url_for("catalogue.files"), 303)
        seq, report = _looked_at(centre, said, info["approve"])
        if seq != info["seq"] and any(report[name] != info["report"][name] for name in ("added", "changed", "refused")):
            # What is confirmed is what was seen.
            renewed = uploads.put({**info, "seq": seq, "report": report}, now=centre.now(), random=centre.random)
            uploads.drop(token)
            flash(_("目录在您看的时候变了，请再看一遍会导入什么。"), "told")
            return redirect(url_for("catalogue.look", token=renewed), 303)
        done = bring_in(centre, said, approve=info["approve"], by=current_user().username)
        if not done["imported"]:
            raise Problem(409, "not_imported", _("有不能导入的，什么也没有导入。"))
        payloads.drop(info["payload"])
        uploads.drop(token)
        flash(
            _("导入了：新增 %(a)s 个，修改 %(b)s 个，%(c)s 个没有变化。",
              a=len(done["added"]), b=len(done["changed"]), c=len(done["unchanged"])),
            "saved",
        )  # fmt: skip
        return redirect(url_for("catalogue.files"), 303)

    @catalogue.get("/export")
    @allow("admin")
    def export() -> Response:
        kind, which = request.args.get("kind", "xlsx"), request.args.get("which", "published")
        writer = WRITERS.get(f".{kind}")
        if writer is None:
            raise Problem(404, "no_such_kind", _("没有这种文件。"))
        contents = contents_of(centre, drafts=which == "drafts")
        name = _("草稿") if which == "drafts" else _("已发布")
        return _download(centre, writer(contents, directories_of(centre)), f"{_('事项目录')}-{name}", kind)

    @catalogue.get("/tables/catalogue")
    @allow("admin", "service")
    def catalogue_table() -> str | Response:
        libraries, contents, asked = _asked(centre)
        tables = catalogue_tables(contents, libraries, centre.name)
        return _shown(
            centre,
            "table_one",
            _("表一：%(title)s", title=CATALOGUE_TITLE),
            lambda: write_workbook(catalogue_sheets(tables)),
            tables=tables,
            columns=COLUMNS,
            asked=asked,
            departments=_departments(centre),
            directories=list(tree(libraries.directory)),
        )

    @catalogue.get("/tables/information")
    @allow("admin", "service")
    def information() -> str | Response:
        libraries, contents, asked = _asked(centre)
        if not any(asked.values()):
            contents = contents[:1]
        tables = [information_table(content) for content in contents[:MOST_SHEETS]]
        return _shown(
            centre,
            "table_two",
            _("表二：%(title)s", title=INFORMATION_TITLE),
            lambda: write_workbook(information_sheets(tables)),
            tables=tables,
            heading=INFORMATION_TITLE,
            left_out=len(contents) - len(tables),
            asked=asked,
            items=[(one["code"], one["name"]) for one in contents_of(centre, drafts=_of_drafts())],
            departments=_departments(centre),
            directories=list(tree(libraries.directory)),
        )


# -- bringing in -----------------------------------------------------------------------------------------------------


def _files(centre: Centre, uploads: Staging, problems: dict[str, str]) -> str:
    waiting = [(token, info) for token in uploads.tokens() if (info := uploads.get(token)) is not None]
    return render_template(
        "catalogue/files.html",
        problems=problems,
        waiting=waiting,
        largest=LARGEST_FILE >> 20,
        most=MOST_ITEMS,
        published=bool(centre.catalogue.range("release:", "release;", limit=1)),
    )


def _looked_at(centre: Centre, said: Any, approve: bool) -> tuple[int, dict[str, Any]]:
    """What an import would do, and how far the drafts had come when it was asked."""
    seq = centre.databases.open(DRAFTING).update_seq
    return seq, bring_in(centre, said, approve=approve, by=current_user().username, dry=True)


def _names(said: Any) -> dict[str, str]:
    records = said.get("items", []) if isinstance(said, dict) else said
    found = {}
    for record in records if isinstance(records, list) else []:
        if isinstance(record, dict):
            code = record.get("code") or record.get("code_county_rule")
            found[str(code)] = str(record.get("name") or "")[:60]
    return found


def _waiting(uploads: Staging, token: str) -> dict[str, Any]:
    info = uploads.get(token)
    if not isinstance(info, dict):
        raise Problem(404, "no_such_upload", _("这个文件已经导入过，或放了一天以上：请再选一次。"))
    return info


def _look(token: str, info: dict[str, Any]) -> str:
    report = info["report"]
    return render_template(
        "catalogue/look.html", token=token, info=info, report=report, names=info["names"], most=MOST_SHOWN
    )


# -- taking out ------------------------------------------------------------------------------------------------------


def _of_drafts() -> bool:
    return request.args.get("which") == "drafts"


def _asked(centre: Centre) -> tuple[Libraries, list[Document], dict[str, str]]:
    """The items that the address asks for: by code, department, directory, of what is published or of the drafts."""
    asked = {name: request.args.get(name, "").strip()[:120] for name in ("code", "department", "directory")}
    libraries = kept.load(centre)
    contents = chosen(contents_of(centre, drafts=_of_drafts()), libraries, **asked)
    return libraries, contents, asked


def _departments(centre: Centre) -> list[str]:
    return sorted({content["department"] for content in contents_of(centre, drafts=_of_drafts())})


def _shown(centre: Centre, template: str, title: str, workbook: Callable[[], bytes], **said: Any) -> str | Response:
    """The page, or what it shows as a file."""
    as_file = request.args.get("download", "")
    if as_file == "xlsx":
        return _download(centre, workbook(), title, "xlsx")
    if as_file == "html":
        page = render_template(f"catalogue/{template}_alone.html", title=title, **said)
        return _download(centre, page.encode(), title, "html")
    return render_template(f"catalogue/{template}.html", title=title, drafts=_of_drafts(), **said)


def _download(centre: Centre, content: bytes, name: str, kind: str) -> Response:
    answer = Response(content, mimetype=_TYPES[kind])
    whole = f"{name}-{centre.now().astimezone(CHINA):%Y%m%d}.{kind}".replace("：", "-")
    # RFC 6266: a plain name for those who cannot read the other.
    answer.headers["Content-Disposition"] = f"attachment; filename=catalogue.{kind}; filename*=UTF-8''{quote(whole)}"
    return answer
