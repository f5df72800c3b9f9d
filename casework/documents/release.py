"""A release (事项库版本): which revisions of the catalogue a station switches to, whole or not at all.

A manifest lists every document of its release, or says by how much that list differs from an earlier release's
(docs/catalogue.md, "Releases"). Either way `listing` is the SHA-256 of the whole list, whatever the road to it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from casework.canonical import Document, NotCanonical, canonical, content_hash, without
from casework.documents import item as item_type
from casework.documents.document_type import HASH64, SIGNED, DocumentType, shape, text
from casework.documents.register import COUNTY, Register
from casework.signing import document_holds, signature_holds

SECTIONS: Final = {
    "items": "item",
    "calendars": "calendar",
    "papers": "paper",
    "directories": "directory",
    "blanks": "blank",
    "words": "words",
}
"""The sections of a release, and the id prefix of the documents in each: what a release can carry."""

_FIRST_SECTIONS: Final = frozenset({"items", "calendars"})
"""Every whole manifest has these; a manifest of before another section was thought of lacks it."""

DIFFERENCE: Final = 2
"""The `format` of a manifest that says a difference. One without `format` states its list whole, as the first did."""

MOST_ENTRIES: Final = 50_000
"""More documents than any county's catalogue has. What claims more is refused before it is looked at."""
LONGEST_CHAIN: Final = 1_000
"""Differences on top of one another. A county states its list whole long before."""

_NUMBER: Final = {"type": "integer", "minimum": 1, "maximum": 999_999}
_ENTRY: Final = shape({"rev": text(r"[1-9][0-9]{0,8}-[0-9a-f]{32}"), "sha256": text(HASH64)})
_ENTRIES: Final = {"type": "object", "propertyNames": {"maxLength": 100}, "additionalProperties": _ENTRY}
_SECTIONS: Final[dict[str, Any]] = dict.fromkeys(SECTIONS, _ENTRIES)

TYPE = DocumentType(
    name="release",
    title="事项库版本",
    id_pattern=r"release:\d{6}",
    immutable=False,
    schema=shape(
        {
            "number": _NUMBER,
            "at": text(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"),
            # A list that is stated whole.
            **_SECTIONS,
            # A difference.
            "format": {"type": "integer", "minimum": 1},
            "base": _NUMBER,
            "changed": shape(_SECTIONS, optional=frozenset(SECTIONS)),
            "removed": {"type": "array", "items": {"type": "string", "maxLength": 120}},
            # Of both; whole manifests of before have none.
            "listing": text(HASH64),
            # The release whose content this one brings back.
            "back_to": _NUMBER,
            **SIGNED,
        },
        optional=frozenset({*SECTIONS, "format", "base", "changed", "removed", "listing", "back_to"}),
    ),
)

ManifestOf = Callable[[int], Document | None]
"""number → the manifest of that release, or None when it is not here."""

Listing = dict[str, dict[str, str]]
"""id → `{rev, sha256}`, of every document of a release."""


@dataclass(frozen=True, slots=True)
class ReleaseProblem:
    """Why a release cannot be used: `document` is its id, `what` is shape, format, size, missing, altered, signature,
    base or listing (and backwards, which only a station can know).
    """

    document: str
    what: str
    sentence: str


class ReleaseRefused(Exception):
    """The whole list of a release cannot be told: a base is absent or none, or the list is not the one signed for."""

    def __init__(self, problem: ReleaseProblem) -> None:
        super().__init__(problem.sentence)
        self.problem = problem


def release_id(number: int) -> str:
    """`release:000001` for 1."""
    return f"release:{number:06d}"


def build(
    number: int,
    at: str,
    documents: Iterable[Document],
    *,
    base: tuple[int, Listing] | None = None,
    back_to: int | None = None,
) -> Document:
    """An unsigned release of the given stored documents (with `_rev`); the county signs it. `at` is RFC 3339 UTC.

    With `base`, the number and the whole list of an earlier release, it says what is another since then. `back_to`
    is the release whose content this one has again.
    """
    entries = {document["_id"]: _entry(document) for document in documents}
    said: Document = {"_id": release_id(number), "number": number, "at": at, "listing": listing_hash(entries)}
    if back_to is not None:
        said["back_to"] = back_to
    if base is None:
        return {**said, "items": {}, "calendars": {}, **_by_section(entries)}
    earlier, before = base
    return {
        **said,
        "format": DIFFERENCE,
        "base": earlier,
        "changed": _by_section({id_: entry for id_, entry in entries.items() if before.get(id_) != entry}),
        "removed": sorted(before.keys() - entries.keys()),
    }


def is_difference(release: Document) -> bool:
    """Whether the manifest needs an earlier one to be read."""
    return "base" in release


def size(release: Document) -> int:
    """How many documents the manifest names, cheaply and without believing its shape."""
    parts = release.get("changed") if is_difference(release) else release
    named = [parts.get(section) for section in SECTIONS] if isinstance(parts, dict) else []
    return sum(len(part) for part in (*named, release.get("removed")) if isinstance(part, dict | list))


def listing_hash(entries: Listing) -> str:
    """SHA-256, 64 hex digits, of a whole list in its canonical form. Raises NotCanonical."""
    return hashlib.sha256(canonical(entries)).hexdigest()


def refusal(release: Document, register: Register) -> ReleaseProblem | None:
    """What is wrong with the manifest by itself: its size, shape, number or signature."""
    name = str(release.get("_id"))
    return _misshapen(release) or _unsigned(name, release, register, "版本文件的县中心签名对不上，不能使用。")


def whole_list(release: Document, manifest_of: ManifestOf, *, remembered: tuple[int, Listing] | None = None) -> Listing:
    """Every document of a release whose manifest holds by itself. Raises ReleaseRefused.

    `remembered` is the number and list of a release that is known already, so that nobody walks the whole chain each
    time. Of the manifests on the way only the shape is asked: the one `listing` that the newest is signed with decides
    whether the road was right, so that a base whose key was revoked since still serves.
    """
    if remembered is not None and is_difference(release):
        entries = _applied(*_road(release, manifest_of, remembered))
        if _is_listed(release, entries):
            return entries
        # What is remembered may be of another release of that number: the county was restored from a backup.
    entries = _applied(*_road(release, manifest_of, None))
    if not _is_listed(release, entries):
        raise ReleaseRefused(
            ReleaseProblem(str(release["_id"]), "listing", "版本文件的清单和县中心签过的对不上，不能使用。")
        )
    return entries


def document_problem(
    identifier: str, entry: Mapping[str, str], document: Document | None, register: Register
) -> ReleaseProblem | None:
    """What is wrong with one document of a release; None when it is the one listed, and the county's."""
    if document is None:
        return missing(identifier)
    try:
        holds = hash_of(document) == entry["sha256"]
    except NotCanonical:
        holds = False
    if not holds or (identifier.startswith("item:") and identifier != item_type.item_id(str(document.get("code")))):
        return ReleaseProblem(identifier, "altered", f"{identifier} 与版本文件记的不一样。")
    unsigned = _unsigned(identifier, document, register, f"{identifier} 的县中心签名对不上。")
    if unsigned is None and not _terms_hold(document, register):
        return ReleaseProblem(identifier, "signature", f"{identifier} 的县中心签名对不上。")
    return unsigned


def missing(identifier: str) -> ReleaseProblem:
    """That a document is not here yet."""
    return ReleaseProblem(identifier, "missing", f"{identifier} 还没有收到。")


def _misshapen(release: Document) -> ReleaseProblem | None:
    name = str(release.get("_id"))
    if size(release) > MOST_ENTRIES:
        return ReleaseProblem(name, "size", f"版本文件列了 {size(release)} 项，最多 {MOST_ENTRIES} 项，不能使用。")
    form = release.get("format", 1)
    if isinstance(form, int) and form > DIFFERENCE:
        return ReleaseProblem(name, "format", f"版本文件是第 {form} 种格式，本站的程序还读不了：先升级本站。")
    wrong = TYPE.problems(release)
    if wrong:
        path, sentence = next(iter(wrong.items()))
        return ReleaseProblem(name, "shape", f"版本文件的“{path}”不对：{sentence}")
    if name != release_id(release["number"]):
        return ReleaseProblem(name, "shape", "版本文件的编号和内容对不上。")
    needed = {"format", "base", "changed", "removed", "listing"} if is_difference(release) else _FIRST_SECTIONS
    lacking = sorted(needed - release.keys())
    if lacking:
        return ReleaseProblem(name, "shape", f"版本文件里没有“{lacking[0]}”。")
    return None


def _road(
    release: Document, manifest_of: ManifestOf, remembered: tuple[int, Listing] | None
) -> tuple[Listing, list[Document]]:
    """A list that is known whole, and the differences on top of it, the newest first. Raises ReleaseRefused."""
    differences: list[Document] = []
    here = release
    while is_difference(here):
        differences.append(here)
        base = here["base"]
        if base >= here["number"]:
            raise ReleaseRefused(
                ReleaseProblem(
                    here["_id"], "base", f"{here['_id']} 说自己是从第 {base} 版改来的，可那一版不比它早，不能使用。"
                )
            )
        if remembered is not None and remembered[0] == base:
            return remembered[1], differences
        if len(differences) > LONGEST_CHAIN:
            raise ReleaseRefused(
                ReleaseProblem(here["_id"], "base", f"版本改了 {LONGEST_CHAIN} 次还没有整单，不能使用。")
            )
        before = manifest_of(base)
        if before is None:
            raise ReleaseRefused(missing(release_id(base)))
        wrong = _misshapen(before)
        if wrong is not None:
            raise ReleaseRefused(wrong)
        here = before
    return _stated(here), differences


def _applied(entries: Listing, differences: list[Document]) -> Listing:
    whole = dict(entries)
    for difference in reversed(differences):
        for id_ in difference["removed"]:
            whole.pop(id_, None)
        whole.update(_stated(difference["changed"]))
    return whole


def _stated(sections: Mapping[str, Any]) -> Listing:
    return {
        f"{prefix}:{name}": {"rev": entry["rev"], "sha256": entry["sha256"]}
        for section, prefix in SECTIONS.items()
        for name, entry in sections.get(section, {}).items()
    }


def _by_section(entries: Listing) -> dict[str, Listing]:
    """The entries by section; a section without any is left out."""
    section_of = {prefix: section for section, prefix in SECTIONS.items()}
    found: dict[str, Listing] = {}
    for id_, entry in entries.items():
        prefix, _, name = id_.partition(":")
        found.setdefault(section_of[prefix], {})[name] = entry
    return found


def _is_listed(release: Document, entries: Listing) -> bool:
    try:
        return len(entries) <= MOST_ENTRIES and release.get("listing") in (None, listing_hash(entries))
    except NotCanonical:
        return False


def _entry(document: Document) -> dict[str, str]:
    return {"rev": document["_rev"], "sha256": hash_of(document)}


def hash_of(document: Document) -> str:
    """The SHA-256 that a release states of a document: of what it says, which names the hash of its file if it has
    one. How a database keeps that file is another thing at the county and at a station."""
    return content_hash(without(document, frozenset({"_attachments"})))


def _unsigned(name: str, document: Document, register: Register, sentence: str) -> ReleaseProblem | None:
    key = register.key(str(document.get("key")))
    if key is None or key.kind != COUNTY or not document_holds(document, key.public_key):
        return ReleaseProblem(name, "signature", sentence)
    if key.revoked is not None:
        return ReleaseProblem(name, "signature", f"{name} 是用县中心已经吊销的密钥签的，不能使用。")
    return None


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
