"""material_added (补充材料): a file for a material, or word that the material itself is here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from casework.canonical import Document
from casework.case import Case, CaseFile, Material
from casework.documents.document_type import HASH32, HASH64, shape, text
from casework.kinds.kind import Kind
from casework.kinds.received import MATERIAL_DETAILS, MATERIAL_STATES, tell_details

MOST_BYTES = 64 * 1024 * 1024

SCHEMA = {
    **shape(
        {
            "material": {"type": "string", "minLength": 1, "maxLength": 200},
            "name": {"type": "string", "minLength": 1, "maxLength": 200},
            "state": {"enum": list(MATERIAL_STATES)},
            **MATERIAL_DETAILS,
            "file": shape(
                {
                    "id": text(HASH32),
                    "name": {"type": "string", "minLength": 1, "maxLength": 255},
                    "type": {"type": "string", "minLength": 1, "maxLength": 100},
                    "size": {"type": "integer", "minimum": 0, "maximum": MOST_BYTES},
                    "sha256": text(HASH64),
                    "chunks": {"type": "array", "items": text(HASH32), "maxItems": 8192},
                }
            ),
        },
        optional=frozenset({"name", "state", "file", *MATERIAL_DETAILS}),
    ),
    "anyOf": [{"required": ["file"]}, {"required": ["state"]}],
    "x-message": "附件或材料状态，至少给一样。",
}


def _demands(case: Case | None, data: Mapping[str, Any], _item: Document | None) -> dict[str, str]:
    file = data.get("file")
    if file is not None and not file["sha256"].startswith(file["id"]):
        return {"file.id": "附件的编号和内容对不上，请重新添加。"}
    # A material beyond the list comes with its name; `case` is None when a stored event is judged by itself.
    known = case is None or any(material["id"] == data["material"] for material in case["materials"])
    if not known and "name" not in data:
        return {"material": "材料清单里没有这一项，请从清单里选。"}
    return {}


def _apply(case: Case, event: Document, _at: datetime) -> None:
    data = event["data"]
    material = next((known for known in case["materials"] if known["id"] == data["material"]), None)
    if material is None:
        material = Material(id=data["material"], name=data.get("name", data["material"]), state="missing", files=[])
        case["materials"].append(material)
    file = data.get("file")
    if file is not None:
        material["state"] = "received"
        if all(known["id"] != file["id"] for known in material["files"]):
            material["files"].append(
                CaseFile(
                    id=file["id"],
                    name=file["name"],
                    type=file["type"],
                    size=file["size"],
                    sha256=file["sha256"],
                    chunks=list(file["chunks"]),
                    event=event["_id"],
                )
            )
    if "state" in data:
        material["state"] = data["state"]
    tell_details(material, data)


KIND = Kind("material_added", SCHEMA, _demands, _apply)
