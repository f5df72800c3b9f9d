"""Document bodies: strict JSON in, bytes out, and nothing accepted that cannot be given back."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import orjson

from sync.files import File, digest_text
from sync.peer import Attachment, BadRequest, Document

# As deep as orjson writes, so that what it has written need not be looked through.
MAX_NESTING = 254
MAX_BODY_NESTING = 500
MAX_ID_BYTES = 4096
# What Python turns into text and back.
MAX_DIGITS = 4000
_TOO_DEEP = f"The body is nested more than {MAX_BODY_NESTING} deep."
_LOOK_DEEP_BELOW_BYTES = 1 << 16

# What a document may carry besides its content; the last ones are only ever answered, and ignored when they
# come back.
_PROTOCOL_FIELDS = frozenset(("_id", "_rev", "_deleted", "_revisions", "_attachments"))
_ANSWERED_FIELDS = frozenset(("_conflicts", "_deleted_conflicts", "_revs_info", "_local_seq"))
# Content for all its underscores: what CouchDB's own replicator writes into the documents that it is told by.
_REPLICATOR_FIELDS = frozenset(
    (
        "_replication_id",
        "_replication_state",
        "_replication_state_time",
        "_replication_state_reason",
        "_replication_stats",
    )
)


class BeyondReading(BadRequest):
    """JSON as far as can be seen, but deeper than can be read here, or with a number that is longer."""


def parse_json(data: bytes | bytearray, *, whole_characters: bool = False) -> Any:
    """JSON from outside. Raises `BadRequest` for what is not JSON in UTF-8, `BeyondReading` for what is too deep or has
    numbers that Python cannot read; if it is said so, for halves of characters too, which nobody can write down.
    """
    try:
        quick = orjson.loads(data)
    except orjson.JSONDecodeError:
        # It may still be JSON of the kind that is refused later on and for the one document that has it: a lone
        # surrogate, 1e400.
        value = _parse_slowly(data)
        if whole_characters and (b"\\ud" in data or b"\\uD" in data):
            json_bytes(value)
        return value
    # Of a long body each document is looked at when it is written.
    may_be_deep = len(data) < _LOOK_DEEP_BELOW_BYTES and data.count(b"{") + data.count(b"[") > MAX_BODY_NESTING
    if may_be_deep and _depth(quick) > MAX_BODY_NESTING:
        raise BeyondReading(_TOO_DEEP)
    return _parse_slowly(data) if _has_long_number(data) else quick


def _parse_slowly(data: bytes | bytearray) -> Any:
    try:
        # Told its encoding, `json` does not guess at another.
        text = str(data, "utf-8-sig")
        return json.loads(text, parse_constant=_refuse_constant, parse_float=_finite, parse_int=_integer)
    except RecursionError as problem:
        raise BeyondReading(_TOO_DEEP) from problem
    except (ValueError, TypeError) as problem:
        raise BadRequest(f"invalid UTF-8 JSON: {str(problem)[:120]}") from problem


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise BeyondReading(f"A number in the body has more than {MAX_DIGITS} digits.")
    return int(text)


# Of 19 digits on a number may be beyond 64 bits, which orjson reads as a float; integers are kept exactly here.
_LONG_NUMBER: Final = b"0" * 19
_DIGITS_AS_ZEROS: Final = bytes(ord("0") if chr(byte).isdigit() else ord(" ") for byte in range(128)) + b" " * 128
# Small enough for the allocator to use the same memory again, and not to ask the kernel for new pages each time.
_LOOK_AT_BYTES: Final = 1 << 17


def _has_long_number(data: bytes | bytearray) -> bool:
    """Whether so many digits stand where a number may stand, and not within the hash or the like that a string is."""
    for first in range(0, len(data), _LOOK_AT_BYTES):
        some = data[first : first + _LOOK_AT_BYTES + len(_LONG_NUMBER)]
        digits = some.translate(_DIGITS_AS_ZEROS)
        found = digits.find(_LONG_NUMBER)
        while found >= 0:
            before = some[found - 2 : found].removesuffix(b"-")[-1:] if found > 1 else b""
            if before in _BEFORE_A_NUMBER:
                return True
            end = digits.find(b" ", found)
            found = digits.find(_LONG_NUMBER, end) if end >= 0 else -1
    return False


_BEFORE_A_NUMBER: Final = (b"", b":", b"[", b",", b" ", b"\t", b"\r", b"\n")


def _finite(text: str) -> float | Decimal:
    """A float; for what is beyond them something that cannot be written again, so that its document is refused."""
    number = float(text)
    return number if math.isfinite(number) else Decimal(text)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def json_bytes(value: object) -> bytes:
    """Compact JSON in UTF-8. Raises `BadRequest` for NaN, infinities, lone surrogates, deep nesting."""
    try:
        return _written(value)
    except TypeError:
        # Integers beyond 64 bits, keys that are numbers; and what is refused.
        data = _written_slowly(value)
    if _depth(value) > MAX_NESTING:
        raise BadRequest(f"The document is nested more than {MAX_NESTING} deep.")
    return data


def envelope_bytes(value: object) -> bytes:
    """The same for what is no document but carries many: it may be nested a little deeper."""
    try:
        return _written(value)
    except TypeError:
        return _written_slowly(value)


def _written(value: object) -> bytes:
    data = orjson.dumps(value, option=AS_JSON_HAS_THEM)
    # orjson writes NaN and the infinities as null.
    if b"null" in data and _has_no_number(value):
        raise BadRequest("This cannot be written as JSON: NaN or infinity")
    return data


# What JSON has no form for is refused and not turned into text.
AS_JSON_HAS_THEM: Final = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


def _written_slowly(value: object) -> bytes:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, TypeError, RecursionError) as problem:
        raise BadRequest(f"This cannot be written as JSON: {str(problem)[:120]}") from problem


def _has_no_number(value: object) -> bool:
    """Whether NaN or an infinity is somewhere in it."""
    pending = [value]
    while pending:
        part = pending.pop()
        if isinstance(part, float):
            if not math.isfinite(part):
                return True
        elif isinstance(part, dict):
            pending.extend(part.values())
        elif isinstance(part, list | tuple):
            pending.extend(part)
    return False


def sorted_json(value: object) -> bytes:
    """Compact JSON in UTF-8 with sorted keys, of what `json_bytes` has taken: the same bytes for the same value."""
    try:
        return orjson.dumps(value, option=AS_JSON_HAS_THEM | orjson.OPT_SORT_KEYS)
    except TypeError:
        return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


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
    check_id_bytes(id_)
    return id_


def check_id_bytes(id_: str) -> None:
    """Raises `BadRequest` for an id that is no text or too long, whatever it is an id of."""
    if id_.isascii() and len(id_) <= MAX_ID_BYTES:
        return
    try:
        length = len(id_.encode())
    except UnicodeEncodeError as problem:
        raise BadRequest("Document id has a lone surrogate", code="illegal_docid") from problem
    if length > MAX_ID_BYTES:
        raise BadRequest("Document id is too long", code="illegal_docid")


def parse_document(document: Document) -> tuple[bytes, dict[str, Document] | None]:
    """The content without protocol fields as compact JSON, and the attachments (new ones with their bytes).

    Raises `BadRequest` for `_` fields that mean nothing.
    """
    if "_attachments" in document:
        return _parse_fields(document)
    content = document.copy()
    for name in ("_id", "_rev", "_revisions"):
        content.pop(name, None)
    if "\n_" not in "\n" + "\n".join(content):
        # No other name in it begins with an underscore: nearly all documents.
        return json_bytes(content), None
    return _parse_fields(document)


def plain_content(document: Document) -> bytes | None:
    """The content of a document that has an `_id` in ASCII, a `_rev`, perhaps `_revisions`, and nothing else that is
    special; None for all others, which `parse_document` judges. One step for what nearly all documents are.

    The document comes from JSON: there is no NaN in it.
    """
    content = document.copy()
    id_ = content.pop("_id", None)
    content.pop("_rev", None)
    content.pop("_revisions", None)
    try:
        if not (id_.isascii() and 0 < len(id_) <= MAX_ID_BYTES) or id_[0] == "_" or "\n_" in "\n" + "\n".join(content):
            return None
        return orjson.dumps(content, option=AS_JSON_HAS_THEM)
    except (TypeError, AttributeError):
        return None


def _parse_fields(document: Document) -> tuple[bytes, dict[str, Document] | None]:
    content = {key: value for key, value in document.items() if key[:1] != "_" or key in _REPLICATOR_FIELDS}
    if len(content) < len(document):
        for key in document:
            if key not in content and key not in _PROTOCOL_FIELDS and key not in _ANSWERED_FIELDS:
                raise BadRequest(f"Bad special document member: {key[:80]}", code="doc_validation")
        if type(document.get("_deleted", False)) is not bool:
            raise BadRequest("_deleted must be a boolean", code="doc_validation")
    attachments = document.get("_attachments")
    return json_bytes(content), parse_attachments(attachments) if attachments else None


def parse_attachments(attachments: object) -> dict[str, Document]:
    """Name → stub, with the decoded `data` (bytes) where the file came inline. Raises `BadRequest`."""
    if not isinstance(attachments, dict):
        raise BadRequest("_attachments must be an object", code="doc_validation")
    parsed: dict[str, Document] = {}
    for name, entry in attachments.items():
        if not isinstance(entry, dict):
            raise BadRequest("An attachment must be an object", code="doc_validation")
        if not name or name[0] == "_":
            raise prohibited_name(name)
        content_type = entry.get("content_type", "application/octet-stream")
        revpos = entry.get("revpos")
        if not isinstance(content_type, str) or not isinstance(revpos, int | None) or not _is_text(entry.get("digest")):
            raise BadRequest("Invalid attachment", code="doc_validation")
        stub: Document = {"content_type": content_type, "revpos": revpos}
        if isinstance(entry.get("data"), File):
            stub |= {"digest": entry["data"].digest, "length": entry["data"].length, "data": entry["data"]}
        elif isinstance(entry.get("data"), bytes):
            stub |= _filed(entry["data"])
        elif isinstance(entry.get("data"), str):
            stub |= _filed(_from_base64(entry["data"]))
        elif entry.get("stub"):
            stub |= {"digest": entry.get("digest"), "stub": True, "content_type": entry.get("content_type")}
            if entry.get("encoding") == "gzip":
                # CouchDB keeps it packed, and names the digest of the package.
                stub["unpacked_length"] = entry.get("length")
        else:
            raise BadRequest(f"Attachment {name[:80]!r} has neither data nor stub", code="doc_validation")
        parsed[name] = stub
    return parsed


def prohibited_name(name: str) -> BadRequest:
    """Why a file cannot have this name, in CouchDB's words."""
    return BadRequest(f"Attachment name {name[:80]!r} starts with prohibited character '_'")


def _from_base64(data: str) -> bytes:
    if len(data) % 4:
        # Python lets an equals sign too many pass where nothing had to be filled up.
        raise BadRequest("Invalid attachment data: not base64")
    try:
        return base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as problem:
        raise BadRequest("Invalid attachment data: not base64") from problem


def bare(document: Document) -> Document:
    """The document as it can be written down: files that travel on their own are named in it and not there."""
    entries = document.get("_attachments")
    if not isinstance(entries, dict) or not any(isinstance(entry.get("data"), File) for entry in entries.values()):
        return document
    return {**document, "_attachments": {name: _named(entry) for name, entry in entries.items()}}


def _named(entry: Document) -> Document:
    file = entry.get("data")
    if not isinstance(file, File):
        return entry
    rest = {key: value for key, value in entry.items() if key != "data"}
    return {**rest, "digest": file.digest, "length": file.length, "stub": True}


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
    parts = [b'{"_id":', orjson.dumps(id_), b',"_rev":"', rev.encode(), b'"']
    if deleted:
        parts.append(b',"_deleted":true')
    if more:
        parts += [b",", json_bytes(more)[1:-1]]
    parts += [b"}"] if content == b"{}" else [b",", content[1:]]
    return b"".join(parts)
