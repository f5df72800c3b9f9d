"""A station (服务站点): a place of the county's network, and what stands above it."""

from __future__ import annotations

from casework.canonical import Document
from casework.documents.document_type import CODE12, SIGNED, DocumentType, nullable, shape, text

KINDS = {"county": "县政务服务中心", "township": "乡镇便民服务中心", "village": "村便民服务站"}

TYPE = DocumentType(
    name="station",
    title="站点",
    id_pattern=f"station:{CODE12}",
    immutable=False,
    schema=shape(
        {
            "code": text(CODE12),
            "name": {"type": "string", "minLength": 1, "maxLength": 60},
            "kind": {"enum": list(KINDS)},
            "parent": nullable(text(CODE12)),
            "address": text(most=200),
            "hours": text(most=200),
            "phone": text(most=40),
            **SIGNED,
        },
        optional=frozenset({"address", "hours", "phone"}),
    ),
)


def build(
    *,
    code: str,
    name: str,
    kind: str,
    parent: str | None,
    address: str = "",
    hours: str = "",
    phone: str = "",
) -> Document:
    """An unsigned station; the county signs it. `code` is its 12-digit division code; the county's own ends
    in six zeros.

    Raises ValueError for an unknown kind.
    """
    if kind not in KINDS:
        raise ValueError(f"a station is one of {', '.join(KINDS)}: {kind!r}")
    return {
        "_id": f"station:{code}",
        "code": code,
        "name": name,
        "kind": kind,
        "parent": parent,
        "address": address,
        "hours": hours,
        "phone": phone,
    }
