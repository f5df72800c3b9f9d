"""Inventories: equal where the same documents lie, however they came there."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from sync.inventory import Inventories, count_of
from sync.store import Store


@pytest.fixture
def stores(tmp_path: Path) -> tuple[Store, Store]:
    one, other = (Store(tmp_path / f"{name}.sqlite3", name=name, random=Random(1)) for name in ("one", "other"))
    return one, other


def test_the_same_documents_in_another_order_are_the_same(stores: tuple[Store, Store]) -> None:
    one, other = stores
    inventories = Inventories()
    documents = [{"_id": f"d{number}", "n": number} for number in range(20)]
    for document in documents:
        one.update(document)
    for document in reversed(documents):
        other.update(document)
        # Kept up step by step here, counted at once there.
        inventories.of(other)
    assert inventories.of(one).text() == inventories.of(other).text()
    assert count_of(inventories.of(one).text()) == 20


def test_one_document_less_or_another_revision_is_not_the_same(stores: tuple[Store, Store]) -> None:
    one, other = stores
    inventories = Inventories()
    for store in stores:
        for number in range(5):
            store.update({"_id": f"d{number}"})
        inventories.of(store)
    said = inventories.of(one).text()
    changed = one.update({**(one.get("d3") or {}), "n": 1})
    assert inventories.of(one).text() != said
    assert inventories.of(one).documents == 5
    other.update({**(other.get("d3") or {}), "_deleted": True})
    assert inventories.of(other).documents == 4
    # The same in the end: only how it came about is another.
    other.bulk_docs([{"_id": "d3", "_rev": changed.rev, "n": 1}], new_edits=False)
    assert Inventories().of(one).documents == 5
    assert inventories.of(one) == Inventories().of(one)
    assert inventories.of(other) == Inventories().of(other)


def test_what_is_new_is_all_that_is_read(stores: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch) -> None:
    one, _ = stores
    inventories = Inventories()
    for number in range(10):
        one.update({"_id": f"d{number}"})
    inventories.of(one)
    asked = []
    plain = Store.heads_since
    monkeypatch.setattr(Store, "heads_since", lambda self, since: asked.append(since) or plain(self, since))
    inventories.of(one)
    one.update({"_id": "new"})
    inventories.of(one)
    assert asked == [10]


def test_a_losing_revision_that_comes_later_counts_nothing_twice(stores: tuple[Store, Store]) -> None:
    one, other = stores
    inventories = Inventories()
    for store in stores:
        store.bulk_docs([{"_id": "d", "_rev": f"1-{'b' * 32}"}, {"_id": "e", "_rev": f"1-{'e' * 32}"}], new_edits=False)
        inventories.of(store)
    one.bulk_docs([{"_id": "d", "_rev": f"1-{'a' * 32}"}], new_edits=False)
    # What wins is the same on both sides.
    assert inventories.of(one).text() == inventories.of(other).text()


def test_a_replaced_file_is_counted_anew(stores: tuple[Store, Store]) -> None:
    one, other = stores
    inventories = Inventories()
    for number in range(5):
        one.update({"_id": f"d{number}"})
        other.update({"_id": f"d{number}"})
    assert inventories.of(one).documents == 5
    inventories._known[other] = inventories.of(one)._replace(seq=99)
    assert inventories.of(other) == Inventories().of(other)


@pytest.mark.parametrize("text", ["", "x-1", "-5", "²-1", "9" * 40])
def test_what_is_no_inventory_counts_nothing(text: str) -> None:
    assert count_of(text) is None
