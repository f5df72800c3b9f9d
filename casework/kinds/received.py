"""received (收件): a case begins; who wants what, and the terms under which it is taken in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from casework.canonical import Document
from casework.case import Case, Material
from casework.documents.document_type import CODE12, KEY_ID, NUMBER, SIGNATURE, shape, text
from casework.documents.item import CODE, TERMS_SCHEMA
from casework.fields import copied
from casework.kinds.kind import Kind, act_of
from casework.people import PRESENT_ROLES, SIGNED
from casework.times import civil_date, parse_rfc3339, rfc3339

MATERIAL_STATES = {"received": "已收", "missing": "缺", "later": "容缺后补"}

_LINE = {"type": "string", "minLength": 1, "maxLength": 200}
_DATE = {"type": "string", "x-check": "date"}

# What is known of the people and of a material is shaped; whether it is enough, the counter asks (casework.forms).
_PEOPLE = shape(
    {
        "present": shape({"role": {"enum": list(PRESENT_ROLES)}}),
        "guardian": shape({"name": _LINE}),
        "proxy": shape(
            {
                "name": _LINE,
                "agent": {"type": "boolean"},
                "power": shape(
                    {
                        "matters": {"type": "array", "items": _LINE, "minItems": 1, "maxItems": 50},
                        "authority": _LINE,
                        "from": _DATE,
                        "until": {"anyOf": [_DATE, {"type": "null"}]},
                        "signed": {"enum": list(SIGNED)},
                        "witness": _LINE,
                    },
                    optional=frozenset({"until", "signed", "witness"}),
                ),
            },
            optional=frozenset({"agent", "power"}),
        ),
        "witness": shape({"name": _LINE}),
    },
    optional=frozenset({"present", "guardian", "proxy", "witness"}),
)
MATERIAL_DETAILS: dict[str, Any] = {
    "kind": {"enum": ["original", "copy"]},
    "copies": {"type": "integer", "minimum": 1, "maximum": 99},
    "later_on": _DATE,
    "from_case": text(NUMBER),
}
"""What may be said of a material beside its state (docs/cases.md)."""

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
            "items": shape(
                {"id": _LINE, "name": _LINE, "state": {"enum": list(MATERIAL_STATES)}, **MATERIAL_DETAILS},
                optional=frozenset(MATERIAL_DETAILS),
            ),
        },
        "channel": {"type": "string", "maxLength": 40},
        "people": _PEOPLE,
        "situation": {"type": "object", "additionalProperties": _LINE},
        "handled_by": text(CODE12),
        "happened_at": {"type": "string", "maxLength": 40},
    },
    optional=frozenset({"channel", "people", "situation", "handled_by", "happened_at"}),
)


def _demands(_case: Case | None, data: Mapping[str, Any], _item: Document | None) -> dict[str, str]:
    if data["terms"]["item"] != data["item"]:
        return {"terms.item": "办理条款不是这个事项的。请重新打开事项再收件。"}
    names = [material["id"] for material in data["materials"]]
    if len(set(names)) != len(names):
        return {"materials": "材料清单里有重复的一项。"}
    if "happened_at" in data and _happened_at(data) is None:
        return {"happened_at": "收件时间写成 2026-09-16T01:30:00.000Z 这样。"}
    return {}


def tell_details(material: Material, said: Mapping[str, Any]) -> None:
    """Write into the material what an event says of it beside its state."""
    for name in MATERIAL_DETAILS:
        if name in said:
            material[name] = said[name]  # type: ignore[literal-required]  # the names of MaterialDetails
    if material["state"] == "received":
        # It has come: the day by which it was promised says nothing any more.
        material.pop("later_on", None)


def _happened_at(data: Mapping[str, Any]) -> datetime | None:
    """When a case on paper (补录) was taken in; a person's word, so no clock has to be corrected."""
    try:
        return parse_rfc3339(data["happened_at"])
    except (KeyError, ValueError):
        return None


def _apply(case: Case, event: Document, at: datetime) -> None:
    data = event["data"]
    case["item"] = data["terms"]
    # A copy: corrections are written into the fields, and the event itself must stay as it is.
    case["fields"] = copied({"applicant": data["applicant"], "form": data["form"]})
    case["fields"]["channel"] = data.get("channel", "counter")
    # Only what was said: a case from before these were asked reads as it always did.
    for name in ("people", "situation"):
        if name in data:
            case["fields"][name] = copied(data[name])
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
    for material, said in zip(case["materials"], data["materials"], strict=True):
        tell_details(material, said)
    act = act_of(event, at)
    received_at, received_on = act["at"], act["on"]
    happened = _happened_at(data)
    if happened is not None:
        received_at, received_on = rfc3339(happened), civil_date(happened).isoformat()
    case["deadlines"]["received_at"], case["deadlines"]["received_on"] = received_at, received_on


KIND = Kind("received", SCHEMA, _demands, _apply)
