"""Carrying: a case's documents into the database of every station that has a part in it (同城通办)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from casework.canonical import Document
from casework.case import Case
from casework.documents.register import Register
from casework.rights import township_of
from sync.store import Store
from web.cases.casebook import Casebook

# Chunks of about 16 KiB: what is in memory at once stays small.
BATCH = 64


class Carrier:
    """Copies what a station with a part in a case cannot read where it lies.

    Events, chunks and receipts are immutable, so a copy is the document itself, and copying again does nothing. The
    township above a village reads the village's own database; nothing is carried for it. `store` gives the database of
    a station by its code, None for a station that the county does not know.
    """

    def __init__(
        self, *, casebook: Casebook, store: Callable[[str], Store | None], register: Callable[[], Register]
    ) -> None:
        self._casebook = casebook
        self._store = store
        self._register = register

    def settle(self, numbers: Iterable[str]) -> int:
        """Carry what is due for these cases; how many documents were written."""
        written: dict[str, int] = {}
        for number in numbers:
            case = self._casebook.case(number)
            if case is None:
                continue
            for target in self._targets(case):
                count = self._carry(number, target)
                if count:
                    written[target.database] = written.get(target.database, 0) + count
        if written:
            self._casebook.follow(written)
        return sum(written.values())

    def _targets(self, case: Case) -> list[Store]:
        """The databases in which this case must be whole; none for a case that nobody else has to do with."""
        home = case["number"].partition("-")[0]
        near = {home, township_of(home, self._register())}
        far = [part["value"] for part in case["parts"] if part["kind"] == "station" and part["value"] not in near]
        # What the others wrote in their own databases comes home, too.
        stores = [self._store(code) for code in [home, *far]] if far else []
        return [store for store in stores if store is not None]

    def _carry(self, number: str, target: Store) -> int:
        known = self._casebook.documents_of(number)
        revisions = {identifier: ["1-" + identifier.rpartition(":")[2]] for identifier in known}
        missing = iter(sorted(target.revs_diff(revisions), key=_text_before_pictures))
        written = 0
        while batch := list(islice(missing, BATCH)):
            documents = list(self._read(batch, known))
            target.save(documents)
            written += len(documents)
        return written

    def _read(self, identifiers: Sequence[str], lies_in: dict[str, Store]) -> Iterator[Document]:
        by_store: dict[str, list[str]] = {}
        stores = {}
        for identifier in identifiers:
            store = lies_in[identifier]
            stores[store.database] = store
            by_store.setdefault(store.database, []).append(identifier)
        for database, ids in by_store.items():
            yield from stores[database].read(ids)


def _text_before_pictures(identifier: str) -> tuple[bool, str]:
    return identifier.startswith("chunk:"), identifier
