"""How many documents are read at a time for a long answer: few when they are large."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeVar

from sync.served import Opened

_FIRST: Final = 16
_MOST: Final = 128
_ENOUGH_BYTES: Final = 1 << 20

Asked = TypeVar("Asked")
Read = TypeVar("Read")


class PageSize:
    """The number of documents in the next page, learned from the size of the last one."""

    def __init__(self) -> None:
        self.size = _FIRST

    def was(self, size_bytes: int) -> None:
        """Say how many bytes the last page had."""
        if size_bytes > _ENOUGH_BYTES:
            self.size = max(1, self.size // 4)
        elif size_bytes < _ENOUGH_BYTES // 2:
            self.size = min(_MOST, self.size * 2)


def size_of(found: Sequence[Opened]) -> int:
    """How many bytes the revisions of one document have."""
    return sum(len(one.revision.content) for one in found if one.revision is not None)


def in_pages(
    asked: Sequence[Asked], read: Callable[[Sequence[Asked]], Sequence[Read]], size_of: Callable[[Read], int]
) -> Iterator[tuple[Asked, Read]]:
    """Each of `asked` with what `read` found for it, read page by page; `size_of` tells its bytes."""
    page = PageSize()
    first = 0
    while first < len(asked):
        some = asked[first : first + page.size]
        first += len(some)
        found = read(some)
        page.was(sum(map(size_of, found)))
        yield from zip(some, found, strict=True)
