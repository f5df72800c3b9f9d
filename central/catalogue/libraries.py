"""The libraries of the county: directories, types, laws, departments, business systems, blank forms and samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from casework import schemas
from casework.canonical import Document
from casework.documents import blank as blanks
from casework.documents import directory as directories
from casework.identifiers import check_uscc
from casework.schemas import shape, text
from casework.signing import sign_document
from casework.times import CHINA, rfc3339
from central.catalogue.checks import Context
from central.catalogue.codes import DEFAULT_TYPES, TYPE_SCHEMA
from central.catalogue.directories import Libraries, blanks_of, parent_problem
from central.catalogue.drafts import DRAFTING, actor_of, following, logged
from central.catalogue.findings import CatalogueRefused
from central.catalogue.lifecycle import in_library
from provisioning.county import County
from sync.peer import Conflict
from web.audit import Actor
from web.signin import User

_LINE = {"type": "string", "minLength": 1, "maxLength": 200}
_TEXT = {"type": "string", "maxLength": 8000, "x-widget": "textarea"}
_DAY = {"type": "string", "format": "date", "pattern": r"^\d{4}-\d\d-\d\d$"}

LAW_SCHEMA = shape(
    {
        "title": {"title": "名称", **_LINE, "x-width": "f6"},
        "number": {"title": "文号", **_LINE},
        "date": {"title": "施行日期", **_DAY},
        "until": {"title": "失效日期", **_DAY, "x-hint": "现行有效的留空"},
        "articles": {
            "title": "条文",
            "type": "array",
            "x-add": "加一条",
            "items": shape(
                {
                    "article": {"title": "第几条", **_LINE, "x-hint": "如 第九条、第九条第二款", "x-width": "f2"},
                    "text": {"title": "原文", **_TEXT},
                }
            ),
        },
    },
    optional=frozenset({"number", "date", "until", "articles"}),
)
DEPARTMENT_SCHEMA = shape(
    {
        "name": {
            "title": "部门",
            "type": "string",
            "minLength": 1,
            "maxLength": 40,
            "x-hint": "事项和账号里的叫法，如 民政",
        },
        "office": {"title": "县里的机关", **_LINE, "x-hint": "如 县民政局"},
        "township_office": {"title": "乡镇的机关", **_LINE},
        "body_code": {"title": "办理主体编码", **text(r"\d{8}[A-Z]{2}"), "x-hint": "8 位区划＋2 位部门字母"},
        "uscc": {"title": "统一社会信用代码", "type": "string", "maxLength": 18},
        "phone": {"title": "咨询电话", "type": "string", "maxLength": 40, "x-hint": "事项没写电话的用这个"},
    },
    optional=frozenset({"office", "township_office", "uscc", "phone"}),
)
SYSTEM_SCHEMA = shape(
    {
        "name": {"title": "系统名称", **_LINE},
        "level": {"title": "哪一级的", **_LINE, "x-hint": "如 国家、省、市、县"},
        "department": {"title": "主管部门", **_LINE},
        "address": {"title": "地址", **_LINE},
        "note": {"title": "说明", **_TEXT},
    },
    optional=frozenset({"level", "department", "address", "note"}),
)
BLANK_SCHEMA = shape(blanks.FIELDS)


@dataclass(frozen=True, slots=True)
class Library:
    """One of the libraries. `key` is what an entry's id is called, and `pattern` what it may be; `travels`: stations
    get its entries with a release."""

    name: str
    title: str
    key: str
    pattern: str
    schema: Mapping[str, Any]
    hint: str
    travels: bool = False


LIBRARIES: Final[Mapping[str, Library]] = {
    one.name: one
    for one in (
        Library(
            "directory", "目录", "目录编号", directories.ID, directories.ENTRY_SCHEMA,
            "事项上面的目录：事项留空的，沿用目录写的。", travels=True,
        ),
        Library("type", "事项类型", "类型字母", r"[A-Z]{2}", TYPE_SCHEMA, "编码里的两位类型字母，和国家代码的对应。"),
        Library("law", "法规", "编号", r"[a-z0-9][a-z0-9_-]{0,39}", LAW_SCHEMA, "设定依据从这里选，条文一起带过去。"),
        Library(
            "department", "部门", "部门字母", r"[A-Z]{2}", DEPARTMENT_SCHEMA, "编码里的部门字母、主体编码和信用代码。"
        ),
        Library("system", "业务系统", "编号", r"[a-z0-9][a-z0-9_-]{0,39}", SYSTEM_SCHEMA, "办理时要用的上级系统。"),
        Library(
            "blank", "空白表和样表", "编号", blanks.ID, BLANK_SCHEMA,
            "材料的空白表、填好的样表、结果样本：站点的指南里可以下载和打印。", travels=True,
        ),
    )
}  # fmt: skip
"""By name; the ids of their documents begin with it."""


# -- reading -----------------------------------------------------------------------------------------------------------


def load(county: County) -> Libraries:
    """All of them, as they are now."""
    found = {name: {one["id"]: one for one in _entries(county, name)} for name in LIBRARIES}
    return Libraries(**{**found, "type": {**DEFAULT_TYPES, **found["type"]}})


def _entries(county: County, library: str) -> Iterator[Document]:
    drafting = county.databases.existing(DRAFTING)  # a look leaves nothing behind
    for document in drafting.range(f"{library}:", f"{library}:\uffff") if drafting is not None else ():
        yield {name: value for name, value in document.items() if not name.startswith("_") and name not in _KEPT}


_KEPT: Final = frozenset({"by", "at"})


def entry_of(county: County, library: str, identifier: str) -> Document | None:
    """One entry as it is kept, with `_rev`, `by`, `at`; a default type has no revision."""
    kept = county.databases.open(DRAFTING).get(f"{library}:{identifier}")
    if kept is None and library == "type":
        return DEFAULT_TYPES.get(identifier)
    return kept


def file_of(county: County, identifier: str) -> bytes | None:
    """The file of a blank, as it is kept."""
    found = county.databases.open(DRAFTING).attachment(f"blank:{identifier}", blanks.FILE)
    return found.data if found is not None else None


def context(county: County, libraries: Libraries | None = None) -> Context:
    """What the checks may look at, today."""
    today = county.now().astimezone(CHINA).date().isoformat()
    return Context(libraries or load(county), county.folder.code, today)


# -- keeping -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of an entry: `problems` by dotted path (then nothing was kept), `conflict`: somebody else was
    faster."""

    saved: bool
    problems: Mapping[str, str]
    conflict: bool = False


def keep(
    county: County,
    library: str,
    identifier: str,
    entry: Mapping[str, Any],
    *,
    by: User | Actor,
    expected_rev: str | None,
    file: tuple[str, bytes] | None = None,
) -> Kept:
    """Keep an entry of a library. `expected_rev` is the revision that the editor began with, None for a new one;
    `file` is the blank's own, (name, content), None to keep the one that is there."""
    known = county.databases.open(DRAFTING).get(f"{library}:{identifier}")
    if (known or {}).get("_rev") != expected_rev:
        return Kept(False, {}, conflict=True)
    said = dict(entry)
    problems = entry_problems(load(county), library, identifier, said, county=county.folder.code)
    content: bytes | None = None
    if library == "blank" and not problems:
        problems, content = _take_file(county, identifier, known, said, file)
    if problems:
        return Kept(False, problems)
    body: Document = {
        **said, "_id": f"{library}:{identifier}", "id": identifier,
        "by": by.account if isinstance(by, Actor) else by.username, "at": rfc3339(county.now()),
    }  # fmt: skip
    if content is not None:
        body = blanks.with_file(body, content)
    try:
        with logged(county, by, "catalogue_library", f"{LIBRARIES[library].title} {identifier}"):
            county.databases.open(DRAFTING).save([following(known, body)])
    except Conflict:
        return Kept(False, {}, conflict=True)
    return Kept(True, {})


def _take_file(
    county: County, identifier: str, known: Document | None, said: Document, file: tuple[str, bytes] | None
) -> tuple[dict[str, str], bytes | None]:
    """Put into `said` what it says of its file: the one that comes, or the one that is there."""
    if file is not None:
        try:
            said["file"] = blanks.about(*file)
        except ValueError as refused:
            return {"file": str(refused)}, None
        return {}, file[1]
    content = file_of(county, identifier) if known is not None else None
    if known is None or content is None:
        return {"file": "请选一个文件。"}, None
    said["file"] = known["file"]
    return {}, content


def drop(county: County, library: str, identifier: str, *, by: User, expected_rev: str) -> str | None:
    """Take an entry out. A sentence when it cannot be: something refers to it, or somebody has changed it."""
    drafting = county.databases.open(DRAFTING)
    known = drafting.get(f"{library}:{identifier}")
    if known is None or known["_rev"] != expected_rev:
        return "别人刚刚改过或删了，看过现在的再删。"
    used = users_of(county, library, identifier)
    if used:
        more = f"等 {len(used)} 处" if len(used) > 3 else ""
        return f"还在用，不能删：{'、'.join(name for _, name in used[:3])}{more}。"
    try:
        with logged(county, by, "catalogue_library", f"删除{LIBRARIES[library].title} {identifier}"):
            drafting.update({"_id": known["_id"], "_rev": known["_rev"], "_deleted": True})
    except Conflict:
        return "别人刚刚改过或删了，看过现在的再删。"
    return None


def users_of(county: County, library: str, identifier: str) -> list[tuple[str, str]]:
    """Who refers to an entry: items by (code, name), directories by (id, title)."""
    refers = _REFERS[library]
    found = []
    for draft in county.databases.open(DRAFTING).range("draft:", "draft:\uffff"):
        contents = [draft["item"], *([stored] if (stored := in_library(draft)) is not None else [])]
        if any(identifier in refers(content) for content in contents):
            found.append((draft["item"]["code"], draft["item"]["name"]))
    if library in ("directory", "type"):
        field = "parent" if library == "directory" else "type_letters"
        found += [(one["id"], one["title"]) for one in _entries(county, "directory") if one.get(field) == identifier]
    return found


_REFERS: Final[Mapping[str, Callable[[Document], set[str]]]] = {
    "directory": lambda item: {str(item.get("directory"))},
    "type": lambda item: {str(item.get("type_letters"))},
    "law": lambda item: {str(entry.get("law")) for entry in item["basis"]},
    "department": lambda item: {str(item.get("department_letters"))},
    "system": lambda item: set(item.get("systems", ())),
    "blank": blanks_of,
}


def entry_problems(
    libraries: Libraries, library: str, identifier: str, entry: Mapping[str, Any], *, county: str
) -> dict[str, str]:
    """What is wrong with an entry: dotted path → sentence."""
    one = LIBRARIES[library]
    if not schemas.validator({"type": "string", "pattern": f"^{one.pattern}$"}).is_valid(identifier):
        return {"id": f"{one.key}不是这样写的。" if library != "directory" else "目录编号只用数字、字母和 . _ -。"}
    found = schemas.problems(one.schema, entry)
    if found or library not in _OWN:
        return found
    return dict(_OWN[library](libraries, identifier, entry, county))


def _of_directory(libraries: Libraries, identifier: str, entry: Mapping[str, Any], _county: str) -> Problems:
    wrong = parent_problem(libraries.directory, identifier, entry.get("parent"))
    if wrong:
        yield "parent", wrong
    if entry.get("type_letters") and entry["type_letters"] not in libraries.type:
        yield "type_letters", f"事项类型库里没有字母 {entry['type_letters']}。"


def _of_type(libraries: Libraries, identifier: str, entry: Mapping[str, Any], _county: str) -> Problems:
    yield from _name_taken(libraries.type, identifier, entry)


def _of_law(_libraries: Libraries, _identifier: str, entry: Mapping[str, Any], _county: str) -> Problems:
    if entry.get("until") and entry.get("date") and entry["until"] < entry["date"]:
        yield "until", "失效日期早于施行日期。"
    names = [one["article"] for one in entry.get("articles", ())]
    for place, name in enumerate(names):
        if name in names[:place]:
            yield f"articles.{place}.article", f"“{name}”写了两次。"


def _of_department(libraries: Libraries, identifier: str, entry: Mapping[str, Any], county: str) -> Problems:
    if not entry["body_code"].endswith(identifier):
        yield "body_code", f"主体编码最后两位要是部门字母 {identifier}。"
    elif not entry["body_code"].startswith(county):
        yield "body_code", f"主体编码的区划要是本县的 {county}。"
    yield from _name_taken(libraries.department, identifier, entry)
    if entry.get("uscc") and (problem := check_uscc(entry["uscc"])) is not None and problem.blocks:
        yield "uscc", problem.sentence


def _name_taken(entries: Mapping[str, Document], identifier: str, entry: Mapping[str, Any]) -> Problems:
    for letters, other in entries.items():
        if letters != identifier and other["name"] == entry["name"]:
            yield "name", f"“{entry['name']}”已经用字母 {letters}。"


Problems = Iterator[tuple[str, str]]

_OWN: Final[Mapping[str, Callable[[Libraries, str, Mapping[str, Any], str], Problems]]] = {
    "directory": _of_directory,
    "type": _of_type,
    "law": _of_law,
    "department": _of_department,
}
"""What a shape cannot say, by library."""


# -- publishing --------------------------------------------------------------------------------------------------------


def new_kept(county: County, published: Mapping[str, Document]) -> Iterator[Document]:
    """The directories, and the blanks that approved items refer to, that are new or changed since what is published (by
    id): signed, each as the next revision of the one before, with its file."""
    for document in _to_travel(county):
        before = published.get(document["_id"])
        if before is not None and before["key"] == county.key.id and _says(before) == _says(document):
            continue
        # It may have been taken out of a release, and come back since.
        before = before or county.catalogue.get(document["_id"])
        signed = sign_document(document, county.key.id, county.key.sign)
        yield following(before, with_its_file(county, signed))


def with_its_file(county: County, document: Document) -> Document:
    """A blank with the file that it names, from the library or from what was published; others as they are. Raises
    CatalogueRefused when the file is in neither any more."""
    if not document["_id"].startswith("blank:"):
        return document
    published = county.catalogue.attachment(document["_id"], blanks.FILE)
    for content in (file_of(county, document["id"]), published.data if published is not None else None):
        if content is not None and blanks.is_its_file(document, content):
            return blanks.with_file(document, content)
    raise CatalogueRefused(f"“{document['title']}”那时的文件没有留存，不能再发布。")


def kept_to_drop(county: County, published: Mapping[str, Document]) -> set[str]:
    """The published directories and blanks that no station needs any more."""
    wanted = {document["_id"] for document in _to_travel(county)}
    return {id_ for id_ in published if id_.partition(":")[0] in ("directory", "blank")} - wanted


def _to_travel(county: County) -> Iterator[Document]:
    for one in _entries(county, "directory"):
        yield directories.build(one["id"], one)
    drafts = county.databases.open(DRAFTING).range("draft:", "draft:\uffff")
    used = {name for draft in drafts if (item := in_library(draft)) is not None for name in blanks_of(item)}
    for one in _entries(county, "blank"):
        if one["id"] in used:
            yield blanks.build(one["id"], one)


def _says(document: Document) -> Document:
    return {name: value for name, value in document.items() if not name.startswith("_") and name not in ("key", "sig")}


# -- a first load ------------------------------------------------------------------------------------------------------


def import_libraries(county: County, said: Any, *, by: str, dry: bool = False) -> dict[str, Any]:
    """Bring a file's entries in: `{library: [{id, …}]}`; those of the same id are replaced. All or none:
    `{added, changed, unchanged, refused: [{library, id, path, sentence}]}`. With `dry` nothing is written."""
    report, written = library_changes(county, said, by=by)
    if written and not dry:
        with logged(county, actor_of(county, by), "catalogue_library", f"导入 {len(written)} 条"):
            county.databases.open(DRAFTING).save(written)
    return report


def library_changes(county: County, said: Any, *, by: str) -> tuple[dict[str, Any], list[Document]]:
    """What a file's entries would change, as `import_libraries` reports it, and the documents to save for that: none
    when anything is refused."""
    report: dict[str, Any] = {"added": [], "changed": [], "unchanged": [], "refused": []}
    if not isinstance(said, dict):
        report["refused"].append({"library": "", "id": "", "path": "", "sentence": "文件写成 {库: [条目]}。"})
        return report, []
    now = load(county)
    entries: dict[str, dict[str, Document]] = {}
    for library, rows in said.items():
        if library not in LIBRARIES or library == "blank" or not isinstance(rows, list):
            report["refused"].append(
                {"library": library, "id": "", "path": "", "sentence": "没有这个库，或不能这样导入。"}
            )
            continue
        entries[library] = {str(row.get("id")): {k: v for k, v in row.items() if k != "id"} for row in rows}
    # A directory may hang under another of the same file.
    whole = Libraries(
        **{
            name: {**getattr(now, name), **{id_: {**row, "id": id_} for id_, row in entries.get(name, {}).items()}}
            for name in LIBRARIES
        }
    )
    drafting = county.databases.existing(DRAFTING)
    written = []
    for library, rows in entries.items():
        for identifier, row in rows.items():
            wrong = entry_problems(whole, library, identifier, row, county=county.folder.code)
            for path, sentence in wrong.items():
                report["refused"].append({"library": library, "id": identifier, "path": path, "sentence": sentence})
            known = drafting.get(f"{library}:{identifier}") if drafting is not None else None
            if known is not None and {**row, "id": identifier} == getattr(now, library)[identifier]:
                report["unchanged"].append(identifier)
                continue
            report["added" if known is None else "changed"].append(identifier)
            body = {**row, "_id": f"{library}:{identifier}", "id": identifier, "by": by, "at": rfc3339(county.now())}
            written.append(following(known, body))
    return report, [] if report["refused"] else written
