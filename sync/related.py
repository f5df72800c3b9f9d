"""A document with long files beside it as multipart/related: the way to send them without holding them (RFC 2387)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Final

from sync.bodies import json_bytes
from sync.files import File
from sync.peer import Document

_DOCUMENT_HEAD: Final = b"\r\nContent-Type: application/json\r\n\r\n"


class Related:
    """The body of `PUT /db/doc` for a document whose long files are `File`s; short ones stay inline in it."""

    def __init__(self, document: Document) -> None:
        entries: Document = {}
        self._files: list[tuple[bytes, File]] = []
        for name, entry in document["_attachments"].items():
            file = entry.get("data")
            if not isinstance(file, File):
                entries[name] = entry
                continue
            rest = {key: value for key, value in entry.items() if key != "data"}
            entries[name] = {**rest, "digest": file.digest, "length": file.length, "follows": True}
            self._files.append((_head(name, str(entry.get("content_type", "")), file.length), file))
        self._document = json_bytes({**document, "_attachments": entries})
        # Nobody can put it into a file: it depends on what is in the files.
        digests = "".join(file.digest for _, file in self._files)
        self.boundary = hashlib.sha256(self._document + digests.encode()).hexdigest()[:40]
        self._delimiter = f"--{self.boundary}".encode()
        around = 2 * len(self._delimiter) + len(_DOCUMENT_HEAD) + len(self._document) + 2 + 2
        self.length = around + sum(len(head) + file.length + 2 + len(self._delimiter) for head, file in self._files)

    def pieces(self) -> Iterator[bytes]:
        """The body, from the first delimiter to the last."""
        yield self._delimiter + _DOCUMENT_HEAD + self._document + b"\r\n" + self._delimiter
        for head, file in self._files:
            yield head
            yield from file.pieces()
            yield b"\r\n" + self._delimiter
        yield b"--"


def _head(name: str, content_type: str, length: int) -> bytes:
    shown = "".join(character for character in name if character.isprintable())
    shown = shown.replace("\\", "\\\\").replace('"', '\\"')
    kind = content_type if content_type.isascii() and content_type.isprintable() else ""
    return (
        f'\r\nContent-Disposition: attachment; filename="{shown}"\r\n'
        f"Content-Type: {kind or 'application/octet-stream'}\r\nContent-Length: {length}\r\n\r\n"
    ).encode()
