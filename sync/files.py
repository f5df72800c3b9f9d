"""Files at documents: how they come in as a stream, and how they lie in a database, large ones in pieces.

A file that is held whole costs its size in memory several times over; here nothing is longer than a piece.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import IO, TYPE_CHECKING, Final, NamedTuple

from sync.peer import BadRequest, PeerError, TooLarge

if TYPE_CHECKING:
    from sync.sqlite import sqlite3

# A multiple of three, so that the base64 of the pieces is the base64 of the file.
PIECE_BYTES: Final = 3 << 16

Sealed = Callable[[bytes], bytes]


# What is no longer than this travels inside its document; what is longer, on its own and piece by piece.
INLINE_UP_TO_BYTES: Final = 1 << 16


class File:
    """A file that is to become one at a document, or was. `digest` is CouchDB's, `length` in bytes."""

    digest: str
    length: int

    def pieces(self) -> Iterator[bytes]:
        """The file from its beginning, in pieces of `PIECE_BYTES` but the last; as often as asked."""
        raise NotImplementedError


class StoredFile(File):
    """A file that lies in a database, read when it is wanted."""

    def __init__(self, digest: str, length: int, read: Callable[[str, int, int], Iterator[bytes]]) -> None:
        self.digest = digest
        self.length = length
        self._read = read

    def pieces(self) -> Iterator[bytes]:
        return self._read(self.digest, 0, self.length)


class IncomingFile(File):
    """Part of an open file (a request's body) that is to become a file at a document.

    It is read from its beginning as often as asked. `digest` is CouchDB's, `length` in bytes, both of what is
    unpacked. Raises `BadRequest` for a gzip that is none, `TooLarge` beyond `limit` bytes.
    """

    def __init__(self, source: IO[bytes], start: int, end: int, *, packed: bool = False, limit: int) -> None:
        self._source = source
        self._start = start
        self._end = end
        self._packed = packed
        self._limit = limit
        md5 = hashlib.md5(usedforsecurity=False)
        self.length = 0
        for piece in self.pieces():
            md5.update(piece)
            self.length += len(piece)
        self.digest = digest_text(md5.digest())

    def pieces(self) -> Iterator[bytes]:
        """The file, in pieces of `PIECE_BYTES` but the last."""
        if not self._packed:
            if self._end - self._start > self._limit:
                raise TooLarge(f"A file here has at most {self._limit} bytes.")
            yield from self._raw()
            return
        gathered = bytearray()
        for plain in self._unpacked():
            gathered += plain
            while len(gathered) >= PIECE_BYTES:
                yield bytes(gathered[:PIECE_BYTES])
                del gathered[:PIECE_BYTES]
        if gathered:
            yield bytes(gathered)

    def _raw(self) -> Iterator[bytes]:
        at = self._start
        while at < self._end:
            # Somebody else may have read from the same body in between.
            self._source.seek(at)
            piece = self._source.read(min(PIECE_BYTES, self._end - at))
            if not piece:
                raise BadRequest("The body breaks off.")
            at += len(piece)
            yield piece

    def _unpacked(self) -> Iterator[bytes]:
        unpack = zlib.decompressobj(wbits=31)
        left = self._limit
        for piece in self._raw():
            packed = piece
            while packed:
                try:
                    plain = unpack.decompress(packed, PIECE_BYTES)
                except zlib.error as problem:
                    raise BadRequest(f"The file is not gzip: {problem}") from problem
                left -= len(plain)
                if left < 0:
                    raise TooLarge(f"A file here has at most {self._limit} bytes.")
                yield plain
                packed = unpack.unconsumed_tail
        if not unpack.eof:
            raise BadRequest("The gzip file breaks off.")


def digest_text(md5: bytes) -> str:
    """CouchDB's digest of a file. It names a file, it does not prove one: equal digests are compared byte by
    byte.
    """
    return "md5-" + base64.b64encode(md5).decode()


def cut(data: bytes) -> Iterator[bytes]:
    """Bytes as pieces."""
    for first in range(0, len(data), PIECE_BYTES):
        yield data[first : first + PIECE_BYTES]


class _Stored(NamedTuple):
    length: int
    data: bytes  # sealed; empty when the file lies in pieces

    @property
    def in_pieces(self) -> bool:
        return self.length > 0 and not self.data


def _stored(connection: sqlite3.Connection, digest: str) -> _Stored | None:
    found = connection.execute("SELECT length, data FROM attachments WHERE digest = ?", (digest,)).fetchone()
    return _Stored(*found) if found else None


def length_of(connection: sqlite3.Connection, digest: str | None) -> int | None:
    """How long a stored file is; None if it is not here."""
    found = connection.execute("SELECT length FROM attachments WHERE digest = ?", (digest,)).fetchone()
    return found[0] if found else None


def keep(
    connection: sqlite3.Connection, digest: str, pieces: Iterable[bytes], *, length: int, seal: Sealed, unseal: Sealed
) -> None:
    """Store a file that is not there yet. Raises `BadRequest` when another one has its digest."""
    if _stored(connection, digest) is not None:
        if not _equal(pieces, stored_pieces(connection, digest, unseal=unseal)):
            raise BadRequest(f"Another file has the digest {digest}.")
        return
    if length <= PIECE_BYTES:
        connection.execute(
            "INSERT INTO attachments (digest, length, data) VALUES (?, ?, ?)", (digest, length, seal(b"".join(pieces)))
        )
        return
    connection.execute("INSERT INTO attachments (digest, length, data) VALUES (?, ?, x'')", (digest, length))
    for number, piece in enumerate(pieces):
        connection.execute(
            "INSERT INTO attachment_pieces (digest, number, data) VALUES (?, ?, ?)", (digest, number, seal(piece))
        )


def stored_pieces(connection: sqlite3.Connection, digest: str, *, unseal: Sealed, number: int = 0) -> Iterator[bytes]:
    """A stored file from the piece with this number on. Raises `PeerError` when some of it is lost."""
    stored = _stored(connection, digest)
    if stored is None:
        raise PeerError(f"An attachment is lost: {digest}")
    if not stored.in_pieces:
        yield unseal(stored.data)[number * PIECE_BYTES :]
        return
    for this in range(number, -(-stored.length // PIECE_BYTES)):
        yield stored_piece(connection, digest, this, unseal=unseal)


def stored_piece(connection: sqlite3.Connection, digest: str, number: int, *, unseal: Sealed) -> bytes:
    """One piece of a stored file."""
    stored = _stored(connection, digest)
    if stored is not None and not stored.in_pieces:
        return unseal(stored.data)[number * PIECE_BYTES : (number + 1) * PIECE_BYTES]
    found = connection.execute(
        "SELECT data FROM attachment_pieces WHERE digest = ? AND number = ?", (digest, number)
    ).fetchone()
    if found is None:
        raise PeerError(f"An attachment is lost: {digest}")
    return unseal(found[0])


def forget_unheld(connection: sqlite3.Connection) -> None:
    """Drop the files that no revision has any more."""
    connection.execute(
        "DELETE FROM attachments WHERE digest NOT IN ("
        " SELECT json_extract(stub.value, '$.digest') FROM ("
        "  SELECT attachments FROM documents WHERE attachments IS NOT NULL"
        "  UNION ALL SELECT attachments FROM revisions WHERE attachments IS NOT NULL"
        " ) AS held, json_each(held.attachments) AS stub)"
    )
    connection.execute("DELETE FROM attachment_pieces WHERE digest NOT IN (SELECT digest FROM attachments)")


def wrong_files(connection: sqlite3.Connection, *, unseal: Sealed) -> Iterator[str]:
    """What is wrong with the stored files, one sentence each."""
    digests = [digest for (digest,) in connection.execute("SELECT digest FROM attachments")]
    for digest in digests:
        md5 = hashlib.md5(usedforsecurity=False)
        length = 0
        try:
            for piece in stored_pieces(connection, digest, unseal=unseal):
                md5.update(piece)
                length += len(piece)
        except PeerError as problem:
            yield problem.reason
            continue
        if length != length_of(connection, digest) or digest_text(md5.digest()) != digest:
            yield f"Attachment {digest}: the file is not the one that was stored."


def _equal(one: Iterable[bytes], other: Iterable[bytes]) -> bool:
    """Whether two files are the same, however each is cut."""
    rest_of_one, rest_of_other = b"", b""
    ones, others = iter(one), iter(other)
    while True:
        rest_of_one = rest_of_one or next(ones, b"")
        rest_of_other = rest_of_other or next(others, b"")
        if not rest_of_one or not rest_of_other:
            return rest_of_one == rest_of_other
        length = min(len(rest_of_one), len(rest_of_other))
        if rest_of_one[:length] != rest_of_other[:length]:
            return False
        rest_of_one, rest_of_other = rest_of_one[length:], rest_of_other[length:]
