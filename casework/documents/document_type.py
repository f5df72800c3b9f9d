"""What every document type states about itself: its name, the ids it has, the shape it has."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from casework import schemas
from casework.canonical import Document
from casework.schemas import nullable, shape, text

__all__ = ["nullable", "shape", "text"]

CODE12 = r"[0-9]{12}"
HLC = r"[0-9]{13}-[0-9a-f]{4}-[0-9]{12}"
NUMBER = r"[0-9]{12}-[0-9]{8}-[0-9]{4}-[0-9A-HJKMNP-TV-Z]{5}"
HASH32 = r"[0-9a-f]{32}"
HASH64 = r"[0-9a-f]{64}"
KEY_ID = r"[0-9]{12}:[1-9][0-9]{0,8}"
SIGNATURE = r"[A-Za-z0-9_-]{86}"


SIGNED = {"key": text(KEY_ID), "sig": text(SIGNATURE)}
"""The two properties of a signed document."""


@dataclass(frozen=True)
class DocumentType:
    """One type of document (文书类型): ids are `<name>:…` and match `id_pattern`; bodies match `schema`.

    `immutable` types are named by their own hash and have exactly one revision; the others have revision
    trees and are the county's alone.
    """

    name: str
    title: str
    id_pattern: str
    immutable: bool
    schema: dict[str, Any] = field(repr=False)

    @cached_property
    def _id(self) -> re.Pattern[str]:
        return re.compile(self.id_pattern)

    def problems(self, document: Document) -> dict[str, str]:
        """Dotted path → sentence for what is wrong with the document's id and shape; empty when nothing
        is.
        """
        identifier = document.get("_id")
        if not isinstance(identifier, str) or not self._id.fullmatch(identifier):
            return {"_id": f"编号不是“{self.title}”的写法。"}
        return schemas.problems(self.schema, document)
