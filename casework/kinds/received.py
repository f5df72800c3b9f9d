"""received (收件): a case begins; who wants what, and the terms under which it is taken in."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from casework.canonical import Document
from casework.case import Case, Material
from casework.documents.document_type import KEY_ID, SIGNATURE, shape, text
from casework.documents.item import CODE, TERMS_SCHEMA
from casework.kinds.kind import Kind, act_of

MATERIAL_STATES = {"received": "已收", "missing": "缺", "later": "容缺后补"}

_LINE = {"type": "string", "minLength": 1, "maxLength": 200}

SCHEMA = shape(
    {
        "item": text(CODE),
        "terms": TERMS_SCHEMA,
        "terms_sig": text(SIGNATURE),
        "terms_key": text(KEY_ID),
        "applicant": shape({"name": _LINE, "id_type": _LINE}),
        "form": {"type": "object"},
        "materials": {
            "type": "array",
            "maxItems": 200,
            "items": shape({"id": _LINE, "name": _LINE, "state": {"enum": list(MATERIAL_STATES)}}),
        },
        "channel": {"type": "string", "maxLength": 40},
    },
    optional=frozenset({"channel"}),
)


def _demands(_case: Case | None, data: Mapping[str, Any], _item: Document | None) -> dict[str, str]:
    if data["terms"]["item"] != data["item"]:
        return {"terms.item": "办理条款不是这个事项的。请重新打开事项再收件。"}
    names = [material["id"] for material in data["materials"]]
    if len(set(names)) != len(names):
        return {"materials": "材料清单里有重复的一项。"}
    return {}


def _apply(case: Case, event: Document, at: datetime) -> None:
    data = event["data"]
    case["item"] = data["terms"]
    # A copy: corrections are written into the fields, and the event itself must stay as it is.
    case["fields"] = copy.deepcopy({"applicant": data["applicant"], "form": data["form"]})
    case["fields"]["channel"] = data.get("channel", "counter")
    known = {material["id"]: material for material in case["materials"]}
    case["materials"] = [
        Material(
            id=material["id"],
            name=material["name"],
            state=known[material["id"]]["state"] if material["id"] in known else material["state"],
            files=known[material["id"]]["files"] if material["id"] in known else [],
        )
        for material in data["materials"]
    ]
    act = act_of(event, at)
    case["deadlines"]["received_at"], case["deadlines"]["received_on"] = act["at"], act["on"]


KIND = Kind("received", SCHEMA, _demands, _apply)
