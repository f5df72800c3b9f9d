"""Answers: JSON whole or piece by piece, packed for those who take it."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Final

from werkzeug.wrappers import Request, Response

from sync.bodies import envelope_bytes
from sync.packing import packed, packed_pieces
from sync.peer import Written
from sync.wsgi.call import DatabaseCall

# An answer whose length is not known beforehand costs the connection: the server closes it.
_WHOLE_UP_TO_BYTES: Final = 1 << 20
_GZIP_FROM_BYTES: Final = 512


def json_answer(status: int, value: object) -> Response:
    """A JSON answer that is small."""
    return Response(envelope_bytes(value) + b"\n", status=status, content_type="application/json")


def written_answer(call: DatabaseCall, written: Written, status: int, *, at: str | None = None) -> Response:
    """What became of one document, and the URL that it lies `at`. With `batch=ok`, CouchDB answers before it is
    durable; here it is.
    """
    if status == 201 and call.args.get("batch") == "ok":
        status = 202
    response = json_answer(status, {"ok": True, "id": written.id, "rev": written.rev})
    response.headers["ETag"] = f'"{written.rev}"'
    if at is not None:
        response.headers["Location"] = at
    return response


def listed(head: bytes, rows: Iterable[bytes], tail: bytes, between: bytes = b",") -> Iterator[bytes]:
    """The pieces of a JSON list."""
    yield head
    for number, row in enumerate(rows):
        yield between + row if number else row
    yield tail


def stream(pieces: Iterator[bytes]) -> Response:
    """Whole with its length when it is short; else piece by piece, never held in memory."""
    content = _whole_if_short(pieces)
    return Response(content if isinstance(content, bytes) else _gathered(content), content_type="application/json")


def _whole_if_short(pieces: Iterator[bytes]) -> bytes | Iterator[bytes]:
    start: list[bytes] = []
    size = 0
    for piece in pieces:
        start.append(piece)
        size += len(piece)
        if size > _WHOLE_UP_TO_BYTES:
            return itertools.chain(start, pieces)
    return b"".join(start)


def _gathered(pieces: Iterable[bytes]) -> Iterator[bytes]:
    gathered: list[bytes] = []
    size = 0
    for piece in pieces:
        gathered.append(piece)
        size += len(piece)
        if size >= 1 << 16:
            yield b"".join(gathered)
            gathered, size = [], 0
    yield b"".join(gathered)


def pack(request: Request, response: Response) -> None:
    """gzip, for those who take it and where it pays; waiting feeds go unpacked, line by line."""
    if "gzip" not in request.headers.get("Accept-Encoding", "") or "X-Accel-Buffering" in response.headers:
        return
    if not (response.content_type or "").startswith("application/json") or response.status_code == 304:
        return
    if "Accept-Ranges" in response.headers:
        # A file is what its digest says, byte by byte.
        return
    response.headers["Vary"] = "Accept-Encoding"
    if response.is_sequence:
        data = response.get_data()
        if len(data) < _GZIP_FROM_BYTES:
            return
        response.set_data(packed(data))
    else:
        content = _whole_if_short(packed_pieces(response.response))  # type: ignore[arg-type]
        if isinstance(content, bytes):
            response.set_data(content)
        else:
            response.response = content
    response.headers["Content-Encoding"] = "gzip"
