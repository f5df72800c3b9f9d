"""Files of a database behind HTTP, fetched piece by piece, and gone on with where the line broke."""

from __future__ import annotations

import hashlib
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO, Final

from sync.files import PIECE_BYTES, File, digest_text
from sync.peer import Garbled

# So many files may lie half-fetched at a time, until the line comes back.
_HALVES_KEPT: Final = 4

_halves: OrderedDict[tuple[str, str, int], Half] = OrderedDict()
_halves_lock = threading.Lock()


@dataclass
class Half:
    """As much of a file as has come. `etag` is what the server called it, for it may be another one by now."""

    file: IO[bytes] = field(default_factory=tempfile.TemporaryFile)
    length: int = 0
    etag: str | None = None

    def begin_anew(self) -> None:
        """Forget what has come."""
        self.file.seek(0)
        self.file.truncate()
        self.length = 0

    def add(self, piece: bytes) -> None:
        """Put the next piece behind what is there."""
        self.file.seek(self.length)
        self.file.write(piece)
        self.length += len(piece)


class RemoteFile(File):
    """A file at a document elsewhere, known by its stub. After `fetch` it is here, on the disk and not in memory."""

    def __init__(self, owner: str, digest: str, length: int, download: Callable[[Half, int], bool]) -> None:
        """`download(half, length)` goes on with what is there; True if the server vouches for its digest."""
        self.digest = digest
        self.length = length
        self._key = (owner, digest, length)
        self._download = download
        self._file: IO[bytes] | None = None

    def fetch(self) -> None:
        """Bring it here. What came before a break is kept in this process, and the next `fetch` of this file goes on
        there. Raises what the line raises, `Garbled` for another file than was promised.
        """
        if self._file is not None:
            return
        with _halves_lock:
            half = _halves.pop(self._key, None) or Half()
        try:
            vouched = self._download(half, self.length)
        except BaseException:
            with _halves_lock:
                _halves[self._key] = half
                while len(_halves) > _HALVES_KEPT:
                    _, oldest = _halves.popitem(last=False)
                    oldest.file.close()
            raise
        self._file = half.file
        md5 = hashlib.md5(usedforsecurity=False)
        for piece in self.pieces():
            md5.update(piece)
        found = digest_text(md5.digest())
        if vouched and found != self.digest:
            self._file = None
            raise Garbled("A file is not the one that its document names.")
        # Of a file that it keeps packed, CouchDB names the digest of the package.
        self.digest = found

    def pieces(self) -> Iterator[bytes]:
        assert self._file is not None, "fetch it first"
        at = 0
        while True:
            self._file.seek(at)
            piece = self._file.read(PIECE_BYTES)
            if not piece:
                return
            at += len(piece)
            yield piece
