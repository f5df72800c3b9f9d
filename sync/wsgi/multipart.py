"""Documents with their files beside them: multipart/related and multipart/mixed, read and written as CouchDB does.

RFC 2046, section 5.1; https://docs.couchdb.org/en/stable/api/document/common.html#creating-multiple-attachments.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import IO, Any, Final, NamedTuple

from werkzeug.http import parse_options_header

from sync.files import IncomingFile
from sync.peer import BadRequest, Document, TooLarge
from sync.served import Database
from sync.wsgi.asked import parse_body

_BLOCK_BYTES: Final = 1 << 16
_MAX_HEADER_BYTES: Final = 1 << 14
_MAX_PARTS: Final = 10_000


class _Part(NamedTuple):
    """One part of a body: its headers, and where in the body it lies."""

    headers: Mapping[str, str]  # names in small letters
    start: int
    end: int


def document_of(file: IO[bytes], length: int, content_type: str, *, max_document: int, max_file: int) -> Document:
    """The document in a multipart/related body, its files not read but found.

    The first part is the document; every attachment with `follows` in it is one of the other parts, by its
    file name or else in order. Raises `BadRequest` for what is not that.
    """
    parts = _parts(file, length, _boundary(content_type))
    first = next(parts, None)
    if first is None:
        raise BadRequest("The multipart body has no part.")
    if first.end - first.start > max_document:
        raise TooLarge(f"The document is longer than {max_document} bytes.")
    file.seek(first.start)
    document = parse_body(file.read(first.end - first.start))
    if not isinstance(document, dict):
        raise BadRequest("The first part must be a JSON object.")
    entries = document.get("_attachments") or {}
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        raise BadRequest("_attachments must be an object of objects", code="doc_validation")
    awaited = {name: entry for name, entry in entries.items() if entry.get("follows")}
    for part in parts:
        name = _name_of(part, awaited)
        entry = awaited.pop(name)
        entries[name] = _entry(file, part, entry, max_file)
    if awaited:
        raise BadRequest(f"The body breaks off before the file {next(iter(awaited))[:80]!r}.")
    return document


def _entry(file: IO[bytes], part: _Part, entry: Document, max_file: int) -> Document:
    packed = "gzip" in (entry.get("encoding"), part.headers.get("content-encoding", "").strip().lower())
    said = entry.get("encoded_length" if packed else "length")
    if isinstance(said, int) and said != part.end - part.start:
        raise BadRequest("A file is not as long as its document says.")
    incoming = IncomingFile(file, part.start, part.end, packed=packed, limit=max_file)
    kept: Document = {key: entry[key] for key in ("content_type", "revpos") if key in entry}
    kept.setdefault("content_type", part.headers.get("content-type", "application/octet-stream"))
    return {**kept, "data": incoming}


def _name_of(part: _Part, awaited: Mapping[str, Document]) -> str:
    _, options = parse_options_header(part.headers.get("content-disposition", ""))
    name = options.get("filename")
    if name in awaited:
        assert name is not None
        return name
    if not awaited:
        raise BadRequest("The body has more files than the document says.")
    return next(iter(awaited))


def _boundary(content_type: str) -> bytes:
    _, options = parse_options_header(content_type)
    boundary = options.get("boundary", "")
    if not 0 < len(boundary) <= 200 or not boundary.isascii():
        raise BadRequest("The multipart body has no boundary.")
    return boundary.encode()


def _parts(file: IO[bytes], length: int, boundary: bytes) -> Iterator[_Part]:
    """The parts of a body, found without holding it."""
    delimiter = b"\r\n--" + boundary
    # The first one stands at the very beginning, or after a preamble that nobody reads.
    file.seek(0)
    at = len(delimiter) - 2 if file.read(len(delimiter) - 2) == delimiter[2:] else None
    if at is None:
        at = _find(file, 0, length, delimiter)
        at += len(delimiter)
    for _ in range(_MAX_PARTS):
        file.seek(at)
        after = file.read(2)
        if after == b"--":
            return
        head_end = _find(file, at, min(length, at + _MAX_HEADER_BYTES), b"\r\n\r\n")
        file.seek(at + 2)
        headers = file.read(max(0, head_end - at - 2))
        start = head_end + 4
        end = _find(file, head_end + 2, length, delimiter)
        yield _Part(_headers(headers), start, max(start, end))
        at = end + len(delimiter)
    raise BadRequest(f"The multipart body has more than {_MAX_PARTS} parts.")


def _headers(data: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in data.decode(errors="replace").split("\r\n"))
    return {name.strip().lower(): value.strip() for name, _, value in lines}


def _find(file: IO[bytes], start: int, end: int, wanted: bytes) -> int:
    """Where these bytes stand between two places of a file. Raises `BadRequest` when they do not."""
    at, kept = start, b""
    file.seek(start)
    while at < end:
        block = file.read(min(_BLOCK_BYTES, end - at))
        if not block:
            break
        window = kept + block
        if (found := window.find(wanted)) >= 0:
            return at - len(kept) + found
        at += len(block)
        kept = window[-(len(wanted) - 1) :]
    raise BadRequest("The multipart body breaks off.")


# Writing.


class OutgoingFile(NamedTuple):
    """A stored file on its way out."""

    name: str
    content_type: str
    digest: str
    length: int


def followed(attachments: Mapping[str, Document], since: int | None) -> tuple[dict[str, Document], list[OutgoingFile]]:
    """`_attachments` as a multipart document has them, and the files that follow it in the same order.

    With `since`, only files that are newer than that generation follow; the others stay stubs.
    """
    entries: dict[str, Document] = {}
    files: list[OutgoingFile] = []
    for name, stub in attachments.items():
        if since is not None and stub["revpos"] <= since:
            entries[name] = stub
            continue
        entries[name] = {key: value for key, value in stub.items() if key != "stub"} | {"follows": True}
        files.append(OutgoingFile(name, safe_type(stub["content_type"]), stub["digest"], stub["length"]))
    return entries, files


def related(store: Database, document: bytes, files: Sequence[OutgoingFile], boundary: str) -> Iterator[bytes]:
    """A document and its files, from the first delimiter to the last."""
    delimiter = f"--{boundary}".encode()
    yield delimiter + b"\r\nContent-Type: application/json\r\n\r\n" + document + b"\r\n" + delimiter
    for file in files:
        yield _file_head(file)
        yield from store.file(file.digest, 0, file.length)
        yield b"\r\n" + delimiter
    yield b"--"


def related_length(document: bytes, files: Sequence[OutgoingFile], boundary: str) -> int:
    """How many bytes `related` gives."""
    delimiter = len(boundary) + 2
    length = delimiter + len(b"\r\nContent-Type: application/json\r\n\r\n") + len(document) + 2 + delimiter + 2
    return length + sum(len(_file_head(file)) + file.length + 2 + delimiter for file in files)


def _file_head(file: OutgoingFile) -> bytes:
    name = "".join(character for character in file.name if character.isprintable())
    name = name.replace("\\", "\\\\").replace('"', '\\"')
    return (
        f'\r\nContent-Disposition: attachment; filename="{name}"\r\nContent-Type: {file.content_type}\r\n'
        f"Content-Length: {file.length}\r\n\r\n"
    ).encode()


def mixed(parts: Iterator[tuple[Mapping[str, str], Iterator[bytes]]], boundary: str) -> Iterator[bytes]:
    """Parts of any kind, each with its headers."""
    delimiter = f"--{boundary}".encode()
    yield delimiter
    for headers, pieces in parts:
        lines = "".join(f"\r\n{name}: {value}" for name, value in headers.items())
        yield lines.encode() + b"\r\n\r\n"
        yield from pieces
        yield b"\r\n" + delimiter
    yield b"--"


def safe_type(content_type: Any) -> str:
    """A content type that can stand in a header, whoever has written it into a document."""
    if isinstance(content_type, str) and content_type.isascii() and content_type.isprintable() and content_type:
        return content_type
    return "application/octet-stream"
