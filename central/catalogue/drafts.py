"""Drafts of items, in the county's own database: what an import brings in, whole or not at all."""

from __future__ import annotations

from typing import Any, Final

from casework.canonical import Document, content_hash
from casework.documents import item as items
from casework.times import rfc3339
from central.catalogue.findings import ImportReport
from central.catalogue.records import read_records
from provisioning.county import County
from sync.revisions import revisions_field

DRAFTING: Final = "drafting"
"""The county's own database of drafts. No register grants it to a station."""

DRAFT, APPROVED = "暂存", "已入库"  # domain.md, 1: the ends of the life cycle; its approvals come between


def import_items(county: County, records: Any, *, approve: bool, by: str) -> ImportReport:
    """Bring records in as drafts, all or none; with `approve` they are taken as approved (a first load).

    `records` is a list of our items or of an inventory's records, or a catalogue file's object. `by` is who
    brings them in. Raises CatalogueRefused for what is no catalogue at all.
    """
    contents, found = read_records(county.register().county, records)
    report = ImportReport(approve, warnings=found.warnings, refused=found.refused)
    if report.refused:
        return report
    drafting = county.databases.open(DRAFTING)
    now = rfc3339(county.now())
    written = []
    for _, content in contents:
        known = drafting.get(_draft_id(content["code"]))
        state = APPROVED if approve else DRAFT
        if known is not None and items.is_same_content(known["item"], content) and known["state"] in (state, APPROVED):
            report.unchanged.append(content["code"])
            continue
        (report.added if known is None else report.changed).append(content["code"])
        draft: Document = {
            "_id": _draft_id(content["code"]),
            "item": content,
            "state": state,
            "by": by,
            "at": now,
        }
        written.append(following(known, draft))
    drafting.save(written)
    return report


def _draft_id(code: str) -> str:
    return f"draft:{code}"


def following(known: Document | None, body: Document) -> Document:
    """The document as the next revision after `known`, named by its own hash: many go in one transaction."""
    path = [content_hash(body)[:32]]
    generation = 1
    if known is not None:
        before, _, tail = known["_rev"].partition("-")
        generation = int(before) + 1
        path.append(tail)
    revisions = revisions_field([f"{generation - place}-{tail}" for place, tail in enumerate(path)])
    return {**body, "_rev": f"{generation}-{path[0]}", "_revisions": revisions}
