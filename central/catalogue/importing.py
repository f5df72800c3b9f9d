"""What a file would change and, confirmed, does: completed by what is known, judged, all of it or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from casework.canonical import Document
from casework.documents import item as items
from central.catalogue import libraries
from central.catalogue.directories import Libraries
from central.catalogue.drafts import DRAFTING, draft_of, import_items
from central.catalogue.findings import CatalogueRefused, Finding, ImportReport
from central.catalogue.publishing import as_published
from central.catalogue.reading import completed, located, located_directory
from central.catalogue.records import read_records
from provisioning.county import County


def bring_in(county: County, said: Any, *, approve: bool, by: str, dry: bool = False) -> dict[str, Any]:
    """Bring in what a file says (`reading.read`), or with `dry` only tell what that would do.

    Answers with `ImportReport` as JSON, `imported`, and `notes` on the file as a whole. Findings stand in the order of
    the file, by sheet, row and column where it has them. Raises CatalogueRefused for what is no catalogue at all.
    """
    found: Mapping[str, Any] = said.get("found", {}) if isinstance(said, dict) else {}
    notes = list(said.get("notes", ())) if isinstance(said, dict) else []
    unreadable = [Finding(**one) for one in found.get("refused", ())]
    changed = [Finding(**one) for one in found.get("warnings", ())]
    if unreadable:
        return _refused(approve, changed, unreadable, notes)

    above = said.get("directories") if isinstance(said, dict) else None
    if above:
        if not isinstance(above, list) or not all(isinstance(one, dict) for one in above):
            raise CatalogueRefused("directories 要是一列目录。")
        tree, _ = libraries.library_changes(county, {"directory": above}, by=by)
        if tree["refused"]:
            wrong = [located_directory(one["id"], one["path"], one["sentence"], said) for one in tree["refused"]]
            return _refused(approve, changed, wrong, notes)
        notes.append(f"目录 {len(above)} 个：新增 {len(tree['added'])} 个，修改 {len(tree['changed'])} 个。")
    has_drafts = county.databases.existing(DRAFTING) is not None

    def known(code: str) -> Document | None:
        draft = draft_of(county, code) if has_drafts else None
        return items.content_of(draft["item"]) if draft is not None else None

    whole = _as_drafted(completed(said, known), known, libraries.load(county))
    if dry and not has_drafts:
        # A look leaves nothing behind, not even an empty database: all of it would be new.
        contents, report = read_records(county.register().county, whole)
        report.added.extend(content["code"] for _, content in contents if not report.refused)
    else:

        def along() -> list[Document]:
            return libraries.library_changes(county, {"directory": above}, by=by)[1] if above else []

        report = import_items(county, whole, approve=approve, by=by, dry=dry, along=along)
    report.warnings[:] = [*changed, *(located(one, said) for one in report.warnings)]
    report.refused[:] = [located(one, said) for one in report.refused]
    return {**asdict(report), "imported": report.imported and not dry, "notes": notes}


def _refused(approve: bool, warnings: list[Finding], refused: list[Finding], notes: list[str]) -> dict[str, Any]:
    report = ImportReport(approve, warnings=warnings, refused=refused)
    return {**asdict(report), "imported": False, "notes": notes}


def _as_drafted(said: Any, known: Callable[[str], Document | None], library: Libraries) -> Any:
    """A published item says in full what its draft inherits and refers to. Where a file repeats that, the draft goes on
    inheriting it."""
    records = said.get("items") if isinstance(said, dict) else said
    if not isinstance(records, list):
        return said
    drafted = []
    for record in records:
        code = record.get("code") if isinstance(record, dict) else None
        before = known(code) if isinstance(code, str) else None
        drafted.append(record if before is None else _less_inherited(record, before, as_published(before, library)))
    return {**said, "items": drafted} if isinstance(said, dict) else drafted


def _less_inherited(record: Document, before: Document, published: Document) -> Document:
    told = {
        name
        for name, value in published.items()
        if before.get(name) != value and name in record and record[name] == value
    }
    kept = {name: before[name] for name in told if name in before}
    return {**{name: value for name, value in record.items() if name not in told}, **kept}
