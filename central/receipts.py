"""Receipts: the county's signed word that it holds a case, every event and every chunk up to these heads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from casework.canonical import Document
from casework.documents import receipt
from casework.times import Hlc, rfc3339
from sync.store import Store
from web.cases.casebook import Casebook
from web.cases.desk import Key, Reading


class Receipts:
    """Writes a receipt for each case of which nothing is missing here, at most one for a set of heads.

    `home` is where the receipts of a case go; None for a number under which nothing is receipted.
    """

    def __init__(
        self,
        *,
        county: str,
        casebook: Casebook,
        home: Callable[[str], Store | None],
        key: Callable[[], Key],
        clock: Callable[[], Reading],
    ) -> None:
        self._county = county
        self._casebook = casebook
        self._home = home
        self._key = key
        self._clock = clock
        self._lock = threading.Lock()
        self._hlc: Hlc | None = None

    def settle(self, numbers: Iterable[str]) -> int:
        """Receipt these cases where that is due; how many receipts were written.

        Those that go into one database are one transaction: a station that comes back brings fifty cases at once.
        """
        with self._lock:
            due: dict[str, tuple[Store, list[Document]]] = {}
            for number in numbers:
                row = self._casebook.row(number)
                home = self._home(number) if row is not None and row.waiting else None
                found = self._receipt(number) if home is not None else None
                if home is not None and found is not None:
                    due.setdefault(home.database, (home, []))[1].append(found)
            for home, receipts in due.values():
                home.save(receipts)
                self._casebook.know(home, receipts)
        return sum(len(receipts) for _, receipts in due.values())

    def _receipt(self, number: str) -> Document | None:
        """The receipt that is due for this case; None when something is missing, or nothing is new."""
        ancestry = receipt.Ancestry(self._casebook.events(number))
        heads = ancestry.heads_held(self._casebook.chunks_present(number))
        if not heads or self._needs_none(ancestry, heads, number):
            return None
        reading = self._clock()
        self._hlc = Hlc.tick(int(reading.corrected.timestamp() * 1000), self._hlc, self._county)
        return receipt.compose(
            case=number,
            heads=heads,
            at=rfc3339(reading.corrected),
            hlc=self._hlc.text(),
            key=self._key().id,
            sign=self._key().sign,
        )

    def _needs_none(self, ancestry: receipt.Ancestry, heads: list[str], number: str) -> bool:
        """Already receipted up to these heads, or nothing but the county's own is new since the last receipt."""
        covered: set[str] = set()
        for document in self._casebook.receipts(number):
            covered |= ancestry.covered(document["heads"])
        news = ancestry.covered(heads) - covered
        return not (news & self._casebook.stations_events(number))
