"""Canonical JSON (RFC 8785) and the hashes that documents are named by."""

from __future__ import annotations

import hashlib
from typing import Any

import rfc8785

Document = dict[str, Any]

ENVELOPE = frozenset({"_id", "_rev"})
"""What a database adds to a document: never hashed, never signed."""


class NotCanonical(ValueError):
    """The value has no canonical form: a float, an integer beyond 2^53, a lone surrogate, a key that is no
    text.
    """


def canonical(value: Any) -> bytes:
    """RFC 8785 bytes of a JSON value, narrower by one house rule: no floats (money is whole 分).

    Raises NotCanonical.
    """
    _refuse_floats(value)
    try:
        return rfc8785.dumps(value)
    except (ValueError, RecursionError) as refused:
        # ValueError, not only the library's own: it meets a lone surrogate in a key with a
        # UnicodeEncodeError.
        raise NotCanonical(str(refused)) from refused


def _refuse_floats(value: Any) -> None:
    # A float that happens to print alike on two machines today is a hash that differs on a third tomorrow.
    waiting = [value]
    while waiting:
        here = waiting.pop()
        if isinstance(here, float):
            raise NotCanonical(f"{here!r} is a float; money is whole 分, times are milliseconds")
        if isinstance(here, dict):
            if not all(isinstance(name, str) for name in here):
                raise NotCanonical("a JSON object has text for keys")
            waiting.extend(here.values())
        elif isinstance(here, list | tuple):
            waiting.extend(here)


def content_hash(document: Document) -> str:
    """SHA-256 in 64 hex digits over the canonical JSON of all but `_id` and `_rev`. Raises NotCanonical."""
    return hashlib.sha256(canonical(without(document, ENVELOPE))).hexdigest()


def without(document: Document, names: frozenset[str]) -> Document:
    """The document less some of its top-level names; a shallow copy."""
    return {name: value for name, value in document.items() if name not in names}


def address(prefix: str, body: Document) -> Document:
    """An immutable document: `_id` is `<prefix>:<first 32 hex of the hash>`, `_rev` is `1-<the same>`.

    The revision is computed from the content and written with new_edits=false, so that two roads deliver one
    revision (design.md, "Traps already found").
    """
    tail = content_hash(body)[:32]
    return {"_id": f"{prefix}:{tail}", "_rev": f"1-{tail}", **without(body, ENVELOPE)}


def is_addressed(document: Document) -> bool:
    """Whether `_id` ends in the document's own hash and `_rev`, when there, repeats it."""
    identifier, revision = document.get("_id"), document.get("_rev")
    if not isinstance(identifier, str):
        return False
    try:
        tail = content_hash(document)[:32]
    except NotCanonical:
        return False
    return identifier.endswith(f":{tail}") and revision in (None, f"1-{tail}")
