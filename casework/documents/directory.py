"""A directory (目录) above items: where it stands in the tree, and what it says for the items under it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from casework.canonical import Document
from casework.documents.document_type import SIGNED, DocumentType, nullable, shape, text
from casework.guide.elements import BY_ID, INHERITED, titled_schema

ID = r"[0-9A-Za-z][0-9A-Za-z._-]{0,63}"

GIVES_SCHEMA = shape({name: titled_schema(BY_ID[name]) for name in INHERITED}, optional=frozenset(INHERITED))
"""What a directory says for its items: only what can be inherited."""

FIELDS = {
    "title": {"title": "目录名称", "type": "string", "minLength": 1, "maxLength": 200},
    "parent": {"title": "上级目录", **nullable(text(ID))},
    "order": {"title": "排序", "type": "integer", "minimum": 0, "maximum": 999_999},
    "type_letters": {"title": "事项类型", **text(r"[A-Z]{2}")},
    "basic_code": {"title": "基本编码", **text(r"[0-9A-Z]{1,32}")},
    "gives": {"title": "下面的事项沿用", **GIVES_SCHEMA},
}
OPTIONAL = frozenset({"type_letters", "basic_code", "gives"})

ENTRY_SCHEMA = shape(FIELDS, optional=OPTIONAL)
"""What an editor or an import gives."""

TYPE = DocumentType(
    name="directory",
    title="目录",
    id_pattern=f"directory:{ID}",
    immutable=False,
    schema=shape({"id": text(ID), **FIELDS, **SIGNED}, optional=OPTIONAL),
)


def directory_id(identifier: str) -> str:
    """`directory:ID`."""
    return f"directory:{identifier}"


def build(identifier: str, entry: Mapping[str, Any]) -> Document:
    """The unsigned document; the county signs it. `entry` is of ENTRY_SCHEMA."""
    said = {name: value for name, value in entry.items() if not name.startswith("_")}
    return {**said, "_id": directory_id(identifier), "id": identifier}
