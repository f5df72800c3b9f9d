"""A paper's words as the county has them (文书样式): title, paragraphs with {placeholders}, remedy, seal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from casework.canonical import Document
from casework.documents.document_type import SIGNED, DocumentType, shape, text

CODE = r"[a-z][a-z0-9_]{0,39}"

WORDS = {
    "title": {"title": "标题", "type": "string", "minLength": 1, "maxLength": 60},
    "paragraphs": {
        "title": "正文",
        "type": "array",
        "minItems": 1,
        "maxItems": 20,
        "items": {"type": "string", "minLength": 1, "maxLength": 1000},
    },
    "remedy": {"title": "救济途径", "type": "string", "maxLength": 1000},
    "seal": {"title": "盖什么章", "type": "string", "maxLength": 20},
}

WORDS_SCHEMA = shape(WORDS)
"""What an editor gives; which placeholders there are is `casework.papers.words_problems`."""

TYPE = DocumentType(
    name="paper",
    title="文书样式",
    id_pattern=f"paper:{CODE}",
    immutable=False,
    schema=shape({"code": text(CODE), **WORDS, **SIGNED}),
)


def paper_id(code: str) -> str:
    """`paper:receipt` for receipt."""
    return f"paper:{code}"


def build(code: str, words: Mapping[str, Any]) -> Document:
    """The unsigned document; the county signs it. `words` are of WORDS_SCHEMA."""
    return {"_id": paper_id(code), "code": code, **words_of(words)}


def words_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """Only the words, of a document or of whatever else has them."""
    return {name: document[name] for name in WORDS}
