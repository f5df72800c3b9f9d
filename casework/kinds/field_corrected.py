"""field_corrected (更正): what was entered wrongly is put right; the old value stays in its own event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from casework.canonical import Document
from casework.case import Case
from casework.documents.document_type import shape, text
from casework.fields import can_set, copied, overlap, set_value
from casework.forms import validate_form
from casework.kinds.kind import Kind
from casework.kinds.shapes import prose
from casework.people import check_applicant, check_people

PATH = r"(applicant|people|form|situation)(\.[^.\x00-\x1f]{1,60}){1,6}"

SCHEMA = shape(
    {
        "path": {"title": "哪一栏", **text(PATH)},
        "value": {"title": "改成"},
        "reason": prose("原因"),
    },
    optional=frozenset({"reason"}),
)


def _demands(case: Case | None, data: Mapping[str, Any], item: Document | None) -> dict[str, str]:
    if case is None:
        return {}
    path = data["path"]
    if not can_set(case["fields"], path):
        return {"path": "这件办件里没有这一栏，请从页面上选要改的那一栏。"}
    fields = copied(case["fields"])
    set_value(fields, path, data["value"])
    if path.startswith("applicant."):
        wrong = check_applicant(fields["applicant"])[0]
    elif path.startswith("form"):
        wrong = validate_form(item["form"] if item is not None else {}, fields["form"], fields)
    elif path.startswith("people."):
        found = check_people(fields["people"], fields["applicant"], item or {})[0]
        wrong = {at.removeprefix("people."): sentence for at, sentence in found.items()}
    else:
        wrong = {}
    inner = path.split(".", 1)[1]
    # What else may be wrong with the case does not keep this one field from being put right.
    said = [sentence for at, sentence in wrong.items() if overlap(at, inner)]
    return {"value": said[0]} if said else {}


KIND = Kind("field_corrected", SCHEMA, _demands)
