"""Document bodies: strict JSON in, bytes out, and nothing accepted that cannot be given back."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from sync.files import IncomingFile, digest_text
from sync.peer import Attachment, BadRequest, Document

MAX_NESTING = 200
MAX_ID_BYTES = 4096

# What a document may carry besides its content; the last ones are only ever answered, and ignored when they
# come back.
_PROTOCOL_FIELDS = frozenset(("_id", "_rev", "_deleted", "_revisions", "_attachments"))
_ANSWERED_FIELDS = frozenset(("_conflicts", "_deleted_conflicts", "_revs_info", "_local_seq"))


class Parsed(NamedTuple):
    """A document taken apart: its content as compact JSON, its attachments (new ones with their bytes)."""

    content: bytes
    attachments: dict[str, Document] | None


def parse_json(data: bytes) -> Any:
    """JSON from outside. Raises `BadRequest` for what is not JSON, too deep, or has numbers that Python
    cannot read.
    """
    try:
        return json.loads(data, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as problem:
        raise BadRequest(f"invalid UTF-8 JSON: {str(problem)[:120]}") from problem


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def json_bytes(value: object) -> bytes:
    """Compact JSON in UTF-8. Raises `BadRequest` for NaN, infinities, lone surrogates, deep nesting."""
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        data = text.encode()
    except (ValueError, TypeError, RecursionError) as problem:
        raise BadRequest(f"This cannot be written as JSON: {str(problem)[:120]}") from problem
    # Counting brackets is cheap and settles nearly every document; only bracket-rich ones are walked.
    if text.count("[") + text.count("{") > MAX_NESTING and _depth(value) > MAX_NESTING:
        raise BadRequest(f"The document is nested more than {MAX_NESTING} deep.")
    return data


def _depth(value: object) -> int:
    deepest, pending = 0, [(value, 1)]
    while pending:
        part, depth = pending.pop()
        deepest = max(deepest, depth)
        if isinstance(part, Mapping):
            pending.extend((child, depth + 1) for child in part.values() if isinstance(child, (dict, list)))
        elif isinstance(part, list):
            pending.extend((child, depth + 1) for child in part if isinstance(child, (dict, list)))
    return deepest


def check_id(id_: object) -> str:
    """The id, if it can be one: a non-empty string, not beginning with `_` (`_design/…` apart). Raises
    `BadRequest`.
    """
    if not isinstance(id_, str):
        raise BadRequest("Document id must be a string", code="illegal_docid")
    if not id_:
        raise BadRequest("Document id must not be empty", code="illegal_docid")
    if id_[0] == "_" and not (id_.startswith("_design/") and len(id_) > len("_design/")):
        raise BadRequest("Only reserved document ids may start with underscore.", code="illegal_docid")
    try:
        length = len(id_.encode())
    except UnicodeEncodeError as problem:
        raise BadRequest("Document id has a lone surrogate", code="illegal_docid") from problem
    if length > MAX_ID_BYTES:
        raise BadRequest("Document id is too long", code="illegal_docid")
    return id_


def parse_document(document: Document) -> Parsed:
    """The content without protocol fields. Raises `BadRequest` for `_` fields that mean nothing."""
    content = {key: value for key, value in document.items() if key[:1] != "_"}
    if len(content) < len(document):
        for key in document:
            if key[:1] == "_" and key not in _PROTOCOL_FIELDS and key not in _ANSWERED_FIELDS:
                raise BadRequest(f"Bad special document member: {key[:80]}", code="doc_validation")
        if type(document.get("_deleted", False)) is not bool:
            raise BadRequest("_deleted must be a boolean", code="doc_validation")
    attachments = document.get("_attachments")
    return Parsed(json_bytes(content), parse_attachments(attachments) if attachments else None)


def parse_attachments(attachments: object) -> dict[str, Document]:
    """Name → stub, with the decoded `data` (bytes) where the file came inline. Raises `BadRequest`."""
    if not isinstance(attachments, dict):
        raise BadRequest("_attachments must be an object", code="doc_validation")
    parsed: dict[str, Document] = {}
    for name, entry in attachments.items():
        if not isinstance(entry, dict):
            raise BadRequest("An attachment must be an object", code="doc_validation")
        if not name or name[0] == "_":
            raise BadRequest("Attachment names must not begin with an underscore.")
        content_type = entry.get("content_type", "application/octet-stream")
        revpos = entry.get("revpos")
        if not isinstance(content_type, str) or not isinstance(revpos, int | None) or not _is_text(entry.get("digest")):
            raise BadRequest("Invalid attachment", code="doc_validation")
        stub: Document = {"content_type": content_type, "revpos": revpos}
        if isinstance(entry.get("data"), IncomingFile):
            stub |= {"digest": entry["data"].digest, "length": entry["data"].length, "data": entry["data"]}
        elif isinstance(entry.get("data"), bytes):
            stub |= _filed(entry["data"])
        elif isinstance(entry.get("data"), str):
            try:
                stub |= _filed(base64.b64decode(entry["data"], validate=True))
            except (binascii.Error, ValueError) as problem:
                raise BadRequest("Invalid attachment data: not base64") from problem
        elif entry.get("stub"):
            stub |= {"digest": entry.get("digest"), "stub": True}
        else:
            raise BadRequest(f"Attachment {name[:80]!r} has neither data nor stub", code="doc_validation")
        parsed[name] = stub
    return parsed


def _is_text(value: object) -> bool:
    return value is None or isinstance(value, str)


def _filed(data: bytes) -> Document:
    return {"digest": attachment_digest(data), "length": len(data), "data": data}


def attachment_digest(data: bytes) -> str:
    """CouchDB's digest of a file; see `sync.files.digest_text`."""
    return digest_text(hashlib.md5(data, usedforsecurity=False).digest())


def inline(attachment: Attachment, revpos: object) -> Document:
    """The entry of `_attachments` that carries the file itself."""
    return {
        "content_type": attachment.content_type,
        "revpos": revpos,
        "digest": attachment.digest,
        "data": base64.b64encode(attachment.data).decode(),
    }


def document_bytes(id_: str, rev: str, content: bytes, *, deleted: bool = False, more: Document | None = None) -> bytes:
    """A whole document put together around content that is not parsed; `more` are further `_` fields."""
    parts = [b'{"_id":', json.dumps(id_, ensure_ascii=False).encode(), b',"_rev":"', rev.encode(), b'"']
    if deleted:
        parts.append(b',"_deleted":true')
    if more:
        parts += [b",", json_bytes(more)[1:-1]]
    parts += [b"}"] if content == b"{}" else [b",", content[1:]]
    return b"".join(parts)
