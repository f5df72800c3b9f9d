"""A release (事项库版本): which revisions of the catalogue a station switches to, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from casework.canonical import Document, content_hash
from casework.documents import item as item_type
from casework.documents.document_type import HASH64, SIGNED, DocumentType, shape, text
from casework.documents.register import COUNTY, Register
from casework.signing import document_holds, signature_holds

_ENTRY = shape({"rev": text(r"[1-9][0-9]*-[0-9a-f]{32}"), "sha256": text(HASH64)})

TYPE = DocumentType(
    name="release",
    title="事项库版本",
    id_pattern=r"release:\d{6}",
    immutable=False,
    schema=shape(
        {
            "number": {"type": "integer", "minimum": 1, "maximum": 999_999},
            "at": text(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"),
            "items": {"type": "object", "additionalProperties": _ENTRY},
            "calendars": {"type": "object", "additionalProperties": _ENTRY},
            # Only the papers that the county words otherwise than we do; releases of before have no such section.
            "papers": {"type": "object", "additionalProperties": _ENTRY},
            # The dictionaries of the guide search; a release without them is searched by its plain words.
            "words": {"type": "object", "additionalProperties": _ENTRY},
            **SIGNED,
        },
        optional=frozenset({"papers", "words"}),
    ),
)

Lookup = Callable[[str, str], Document | None]
"""(id, rev) → that very revision of the document, or None when it is not here."""

SECTIONS = {"items": "item", "calendars": "calendar", "papers": "paper", "words": "words"}
"""The sections of a release, and the id prefix of the documents in each."""


@dataclass(frozen=True, slots=True)
class ReleaseProblem:
    """Why a release cannot be used: `document` is its id, `what` is shape, missing, altered or signature."""

    document: str
    what: str
    sentence: str


def release_id(number: int) -> str:
    """`release:000001` for 1."""
    return f"release:{number:06d}"


def build(
    number: int,
    at: str,
    items: Iterable[Document],
    calendars: Iterable[Document],
    papers: Iterable[Document] = (),
    words: Iterable[Document] = (),
) -> Document:
    """An unsigned release of the given stored documents (with `_rev`); the county signs it. `at` is RFC 3339
    UTC.
    """
    worded, dictionaries = _entries(papers), _entries(words)
    return {
        "_id": release_id(number),
        "number": number,
        "at": at,
        "items": _entries(items),
        "calendars": _entries(calendars),
        **({"papers": worded} if worded else {}),
        **({"words": dictionaries} if dictionaries else {}),
    }


def listed(release: Document) -> list[tuple[str, str, str]]:
    """(id, rev, sha256) of every document of the release, by id."""
    return sorted(
        (f"{prefix}:{name}", entry["rev"], entry["sha256"])
        for section, prefix in SECTIONS.items()
        for name, entry in release.get(section, {}).items()
    )


def check_release(release: Document, lookup: Lookup, register: Register) -> list[ReleaseProblem]:
    """What is missing, altered or badly signed; empty when the release may be switched to."""
    wrong = TYPE.problems(release)
    name = str(release.get("_id"))
    if wrong:
        path, sentence = next(iter(wrong.items()))
        return [ReleaseProblem(name, "shape", f"版本文件的“{path}”不对：{sentence}")]
    if name != release_id(release["number"]):
        return [ReleaseProblem(name, "shape", "版本文件的编号和内容对不上。")]
    if not _signed_by_county(release, register):
        return [ReleaseProblem(name, "signature", "版本文件的县中心签名对不上，不能使用。")]
    found = []
    for identifier, rev, sha256 in listed(release):
        document = lookup(identifier, rev)
        if document is None:
            found.append(ReleaseProblem(identifier, "missing", f"{identifier} 还没有收到。"))
        elif content_hash(document) != sha256:
            found.append(ReleaseProblem(identifier, "altered", f"{identifier} 与版本文件记的不一样。"))
        elif not _signed_by_county(document, register) or not _terms_hold(document, register):
            found.append(ReleaseProblem(identifier, "signature", f"{identifier} 的县中心签名对不上。"))
    return found


def _entries(documents: Iterable[Document]) -> dict[str, Document]:
    return {document["_id"].partition(":")[2]: _entry(document) for document in documents}


def _entry(document: Document) -> Document:
    return {"rev": document["_rev"], "sha256": content_hash(document)}


def _signed_by_county(document: Document, register: Register) -> bool:
    key = register.key(str(document.get("key")))
    return key is not None and key.kind == COUNTY and document_holds(document, key.public_key)


def _terms_hold(document: Document, register: Register) -> bool:
    if "terms" not in document:
        return True
    key = register.key(str(document.get("terms_key")))
    return (
        key is not None
        and key.kind == COUNTY
        and document["terms"] == item_type.terms(document)
        and signature_holds(item_type.terms_payload(document["terms"]), document["terms_sig"], key.public_key)
    )
