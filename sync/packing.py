"""gzip for the line: small on a thin one, quick on a fast one, and bounded when it is unpacked."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from sync.peer import BadRequest, TooLarge

if TYPE_CHECKING:
    igzip: Any
else:
    try:
        # Intel's igzip: four times as fast as zlib's quickest level, and smaller. On x86-64 and 64-bit Arm.
        from isal import isal_zlib as igzip
    except ImportError:
        igzip = zlib

# Below this it is not worth the header; from here on whoever asks for so much at once has a fast line, and time is
# dearer than a sixth of the bytes.
PACK_FROM_BYTES: Final = 256
QUICK_FROM_BYTES: Final = 1 << 18
_THOROUGH_LEVEL: Final = 6
_QUICK_LEVEL: Final = 2 if igzip is not zlib else 1
_GZIP: Final = 31


def packed(data: bytes, *, quick: bool = False) -> bytes:
    """`data` as one gzip member; packed quickly if it is said so, or if it is long."""
    if quick or len(data) >= QUICK_FROM_BYTES:
        packer = igzip.compressobj(_QUICK_LEVEL, wbits=_GZIP)
    else:
        packer = zlib.compressobj(_THOROUGH_LEVEL, wbits=_GZIP)
    return b"".join((packer.compress(data), packer.flush()))


def packed_pieces(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same for what is long and comes piece by piece."""
    packer = igzip.compressobj(_QUICK_LEVEL, wbits=_GZIP)
    for piece in pieces:
        if out := packer.compress(piece):
            yield out
    yield packer.flush()


class Unpacker:
    """Unpacks what comes in pieces. Raises `BadRequest` for what is no gzip or breaks off, `TooLarge` beyond `limit`
    bytes: a small packet can be unpacked without end.
    """

    def __init__(self, limit: int) -> None:
        self._left = limit
        self._limit = limit
        self._unpack = igzip.decompressobj(wbits=_GZIP)
        self._begun = False

    def feed(self, piece: bytes) -> bytes:
        """What this piece unpacks to."""
        self._begun = self._begun or bool(piece)
        try:
            plain: bytes = self._unpack.decompress(piece, self._left + 1)
        except (zlib.error, igzip.error) as problem:
            raise BadRequest(f"The body is not gzip: {problem}") from problem
        self._left -= len(plain)
        if self._left < 0:
            raise TooLarge(f"The body is longer than {self._limit} bytes.")
        return plain

    def end(self) -> None:
        """Say that no piece follows."""
        if self._begun and not self._unpack.eof:
            raise BadRequest("The gzip body breaks off.")


def unpacked(data: bytes, limit: int) -> bytes:
    """All of it at once; see `Unpacker`."""
    unpacker = Unpacker(limit)
    plain = unpacker.feed(data)
    unpacker.end()
    return plain
