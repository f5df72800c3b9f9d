"""What a database holds, said so shortly that two peers can compare it at every contact: a count and a sum of hashes.

Checkpoints say what was carried, as far as the other side's feed told it; this says whether the same is there. The sum
does not depend on the order in which documents came.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable
from typing import NamedTuple
from weakref import WeakKeyDictionary

from sync.peer import Change
from sync.store import Store

_SUM_BITS = 64


class Holding(NamedTuple):
    """What lies in a database at `seq`: how many documents, and the sum of the hashes of id and winning revision."""

    seq: int
    documents: int
    hashes: int

    def text(self) -> str:
        """`17-9f3c0a5b7d21e648`: equal where the same documents lie."""
        return f"{self.documents}-{self.hashes:016x}"


def count_of(text: str) -> int | None:
    """How many documents such a text speaks of; None if it is none."""
    count = text.partition("-")[0]
    return int(count) if count.isascii() and count.isdigit() and len(count) < 16 else None


class Inventories:
    """Holdings of databases, each counted once in a process and kept up with what is new."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Store, Holding] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def of(self, store: Store) -> Holding:
        """What `store` holds now. After its first time only what is new is read, unless something was changed."""
        with self._lock:
            known = self._known.get(store, Holding(0, 0, 0))
        seq = store.update_seq
        if known.seq == seq:
            return known
        if known.seq < seq:
            news = store.changes(known.seq)
            if known.seq and not all(_is_new(change) for change in news.results):
                # What it was before is not remembered.
                known, news = Holding(0, 0, 0), store.changes(0)
        else:
            # The file is an older one.
            known, news = Holding(0, 0, 0), store.changes(0)
        count, total = _summed(news.results)
        # A commit may have come in between: then the rows say more than `seq` does.
        reached = int(str(news.last_seq).partition("-")[0])
        holding = Holding(reached, known.documents + count, (known.hashes + total) % (1 << _SUM_BITS))
        with self._lock:
            self._known[store] = holding
        return holding


def _is_new(change: Change) -> bool:
    return not change.deleted and change.revs[0].startswith("1-")


def _summed(changes: Iterable[Change]) -> tuple[int, int]:
    count = total = 0
    for change in changes:
        if not change.deleted:
            count += 1
            digest = hashlib.sha256(f"{change.id}\0{change.revs[0]}".encode()).digest()
            total += int.from_bytes(digest[: _SUM_BITS // 8], "big")
    return count, total
