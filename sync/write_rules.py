"""Who may write what into which kind of database, and what a pull may bring in."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import rfc8785

from sync.peer import Document, Forbidden, Writer, WriteRule

# The body behind a true id is checked over these 32 hex, so that a document can have one revision and no
# rival.
_HASHED_ID = re.compile(r".+:([0-9a-f]{32})", re.DOTALL)


# What a rule says of content that anybody can check for themselves.
_ONE_REVISION: Final = "Documents here have one revision, whose hash is the one in the id (new_edits=false)."
_ANOTHER_HASH: Final = "The document is not the one that its id names: its hash is another."
_NO_CANONICAL_FORM: Final = "The document has no canonical form"
_TORN_HISTORY: Final = "_rev is not the first of _revisions"


def is_county(writer: Writer) -> bool:
    """The county itself, or the server's administrator."""
    return writer.is_county


def county_only(document: Document, writer: Writer) -> None:
    """Only the county writes, tombstones too."""
    if not writer.is_county:
        raise Forbidden("Only the county may write to this database.")


def append_only(
    *,
    writer_is_county: Callable[[Writer], bool] = is_county,
    county_prefixes: Sequence[str] = ("receipt:",),
    canonical: Callable[[Any], bytes] = rfc8785.dumps,
) -> WriteRule:
    """The rule of a `station-…` database: a member adds, and that is all; the county may also write
    tombstones.

    Of a member's writes only first-generation, undeleted revisions pass whose hash is the one that the id
    ends in, and whose body has that hash (SHA-256 of its RFC 8785 form without `_id` and `_rev`, first 32 hex
    digits). `canonical` gives that form, or a ValueError; whoever has a quicker one for their documents says so.
    """
    prefixes = tuple(county_prefixes)

    def rule(document: Document, writer: Writer) -> None:
        if writer_is_county(writer):
            return
        id_, rev = document["_id"], document["_rev"]
        if id_.startswith(prefixes):
            raise Forbidden("Only the county may write documents of this kind.")
        hashed = _HASHED_ID.fullmatch(id_)
        if hashed is None:
            raise Forbidden("The id must end in the first 32 hex digits of the document's hash.")
        if document.get("_deleted"):
            raise Forbidden("Documents here are not deleted; only the county retires a whole case.")
        if "_attachments" in document:
            raise Forbidden("Documents here carry no attachments.")
        ids = document.get("_revisions", {"ids": [hashed[1]]})["ids"]
        if rev != f"1-{hashed[1]}" or ids != [hashed[1]]:
            raise Forbidden(_ONE_REVISION)
        if content_hash_start(document, canonical) != hashed[1]:
            raise Forbidden(_ANOTHER_HASH)

    return rule


def signed_by_county(rule: WriteRule, is_county_signed: Callable[[Document], bool]) -> WriteRule:
    """The rule of a pull: what a member may write, and beyond that only what the county has signed.

    Whoever carries the document has no say in it: it is judged as a stranger's.
    """
    stranger = Writer("pull")

    def pulled(document: Document, writer: Writer) -> None:
        try:
            rule(document, stranger)
        except Forbidden as refusal:
            bare = {key: value for key, value in document.items() if key != "_revisions"}
            if not is_county_signed(bare):
                raise Forbidden(f"{refusal.reason} It is not signed by the county either.") from refusal

    return pulled


def refused_for_what_it_is_not(document: Document, reason: str) -> bool:
    """Whether a target has refused another document than this one: it blames a hash or revision that is right here."""
    if not reason.startswith((_ONE_REVISION, _ANOTHER_HASH, _NO_CANONICAL_FORM, _TORN_HISTORY)):
        return False
    named = named_hash(document)
    try:
        return named is not None and content_hash_start(document) == named
    except Forbidden:
        return False


def named_hash(document: Document) -> str | None:
    """The hash that a document bears in its id and as its first revision; None for one that bears none."""
    hashed = _HASHED_ID.fullmatch(str(document.get("_id", "")))
    return hashed[1] if hashed is not None and document.get("_rev") == f"1-{hashed[1]}" else None


def content_hash_start(document: Document, canonical: Callable[[Any], bytes] = rfc8785.dumps) -> str:
    """The first 32 hex digits of the SHA-256 over the canonical JSON of all but `_id` and `_rev`.

    Raises `Forbidden` when there is no canonical form (a number beyond 2^53, a lone surrogate).
    """
    content: Any = {key: value for key, value in document.items() if key not in ("_id", "_rev", "_revisions")}
    try:
        return hashlib.sha256(canonical(content)).hexdigest()[:32]
    except (ValueError, RecursionError) as problem:
        # A lone surrogate in a key is an UnicodeEncodeError, and not the library's own.
        raise Forbidden(f"{_NO_CANONICAL_FORM}: {problem}") from problem
