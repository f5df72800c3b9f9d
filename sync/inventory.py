"""What a database holds, said so shortly that two peers can compare it at every contact: a count and a sum of hashes.

Checkpoints say what was carried, as far as the other side's feed told it; this says whether the same is there. The sum
does not depend on the order in which documents came.
"""

from __future__ import annotations

import hashlib
import threading
from typing import NamedTuple
from weakref import WeakKeyDictionary

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
        holding = _beyond(known, store) if known.seq < seq else None
        if holding is None:
            # A document was changed, and what it was before is not remembered; or the file is an older one.
            holding = _beyond(Holding(0, 0, 0), store)
            assert holding is not None, "from the beginning everything is new"
        with self._lock:
            self._known[store] = holding
        return holding


def _beyond(known: Holding, store: Store) -> Holding | None:
    """`known` with what came since; None if some of that is not new but changed. A station of years has 150,000
    documents: they go by, and are never all in memory.
    """
    seq, documents, hashes = known
    for head in store.heads_since(known.seq):
        if known.seq and not head.is_new:
            return None
        seq = head.seq
        if not head.deleted:
            documents += 1
            digest = hashlib.sha256(f"{head.id}\0{head.rev}".encode()).digest()
            hashes += int.from_bytes(digest[: _SUM_BITS // 8], "big")
    return Holding(seq, documents, hashes % (1 << _SUM_BITS))
