"""A chunk (文件分片): about 16 KiB of a file, so that a broken transfer goes on where it stopped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from typing import Any, TypedDict

from casework.canonical import Document, address, is_addressed
from casework.documents.document_type import HASH32, NUMBER, DocumentType, shape, text

CHUNK_BYTES = 16 * 1024

TYPE = DocumentType(
    name="chunk",
    title="文件分片",
    id_pattern=f"chunk:{NUMBER}:{HASH32}",
    immutable=True,
    schema=shape({"case": text(NUMBER), "data": {"type": "string", "maxLength": 4 * CHUNK_BYTES}}),
)


class FileManifest(TypedDict):
    """What a file (附件) consists of: `id` is the first 32 hex of `sha256`, `chunks` are hashes in file
    order.

    An event lists a file as this and its `name` and `type` (media type, as found, not as claimed).
    """

    id: str
    size: int
    sha256: str
    chunks: list[str]


class FileDamaged(ValueError):
    """The chunks do not give the file that the manifest names."""


class ChunkMissing(LookupError):
    """A chunk that the manifest lists is not here yet; its argument is the chunk's hash."""


def cut(case: str, content: bytes) -> tuple[list[Document], FileManifest]:
    """The chunks of a file, each listed once, and its manifest.

    Equal pieces of one case are one document, so the same photo added twice is stored once. An empty file has
    none.
    """
    documents: dict[str, Document] = {}
    tails: list[str] = []
    for start in range(0, len(content), CHUNK_BYTES):
        piece = content[start : start + CHUNK_BYTES]
        document = address(f"chunk:{case}", {"case": case, "data": base64.b64encode(piece).decode("ascii")})
        documents[document["_id"]] = document
        tails.append(document["_id"].rsplit(":", 1)[1])
    sha256 = hashlib.sha256(content).hexdigest()
    return list(documents.values()), FileManifest(id=sha256[:32], size=len(content), sha256=sha256, chunks=tails)


def join(manifest: Mapping[str, Any], get: Callable[[str], Document | None]) -> bytes:
    """The file again; `manifest` is a FileManifest or a file of a case, `get` reads a chunk by its hash (32
    hex).

    Raises ChunkMissing while one is still on the road, FileDamaged when one is not what its hash says.
    """
    pieces = []
    for tail in manifest["chunks"]:
        document = get(tail)
        if document is None:
            raise ChunkMissing(tail)
        if not is_addressed(document) or not document["_id"].endswith(f":{tail}"):
            raise FileDamaged(f"chunk {tail} is not what its hash says")
        try:
            pieces.append(base64.b64decode(document["data"], validate=True))
        except (KeyError, TypeError, ValueError) as unreadable:
            raise FileDamaged(f"chunk {tail} is not base64") from unreadable
    content = b"".join(pieces)
    if hashlib.sha256(content).hexdigest() != manifest["sha256"]:
        raise FileDamaged(f"the chunks do not give the file {manifest['sha256']}")
    return content
