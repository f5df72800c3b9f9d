"""A dictionary of the guide search (检索词库), or a part of one: what stands for what, as the county keeps it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from casework.canonical import Document
from casework.documents.document_type import SIGNED, DocumentType, shape, text

NAME = r"[a-z]{1,20}(-[0-9]{2})?"

ENTRIES = {
    "type": "object",
    "maxProperties": 5000,
    "propertyNames": {"minLength": 1, "maxLength": 200},
    "additionalProperties": {
        "type": "array",
        "maxItems": 1000,
        "items": {"type": "string", "minLength": 1, "maxLength": 2000},
    },
}
"""`{key: [ways]}`; a way may have choices, `[补|换]残疾证`."""

TYPE = DocumentType(
    name="words",
    title="检索词库",
    id_pattern=f"words:{NAME}",
    immutable=False,
    schema=shape({"dictionary": text(r"[a-z]{1,20}"), "entries": ENTRIES, **SIGNED}),
)
"""The dictionaries: `said`, ways of saying an item's name; `same`, groups of one meaning; `filler`; `blocked`, what is
not answered; `acts`, what is to be done; `endings`, how names end; `simplified`, traditional characters; `characters`,
their pinyin; `readings`, of words whose characters read differently together. One that a station does not know is kept
and passed over."""


def words_id(name: str) -> str:
    """`words:same` for same."""
    return f"words:{name}"


def build(name: str, entries: Mapping[str, Sequence[str]]) -> Document:
    """The unsigned document of a dictionary or a part of one (`said-03`); the county signs it."""
    return {
        "_id": words_id(name),
        "dictionary": name.partition("-")[0],
        "entries": {key: list(ways) for key, ways in entries.items()},
    }


def merged(documents: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, list[str]]]:
    """`{dictionary: entries}` of the documents of one release."""
    found: dict[str, dict[str, list[str]]] = {}
    for document in documents:
        found.setdefault(document["dictionary"], {}).update(document["entries"])
    return found
