"""The laws of the simulation are worth something: each breaks when the product is made to break it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import pytest

from sync import checkpoints, replicator
from sync.checkpoints import Checkpoints
from sync.peer import Document, Seq, WriteRule, Written
from sync.store import Store
from tests.simulation import machine
from tests.simulation.__main__ import hold
from tests.simulation.disk import SeededConnection

SEEDS = range(1, 41)

Mutation = Callable[[pytest.MonkeyPatch], None]


def checkpoint_before_the_documents(patch: pytest.MonkeyPatch) -> None:
    """The place that the source has reached is written down, not the place up to which everything is written."""
    record = Checkpoints.record

    def ahead(self: Checkpoints, seq: Seq, progress: Any, target_update_seq: object = None) -> None:
        record(self, self.source.info()["update_seq"], progress, target_update_seq)

    patch.setattr(Checkpoints, "record", ahead)


def store_forgets(patch: pytest.MonkeyPatch) -> None:
    """The last of several documents is acknowledged and not written."""
    bulk_docs = Store.bulk_docs

    def forgetful(self: Store, docs: Sequence[Document], **named: Any) -> list[Written]:
        if len(docs) < 2:
            return bulk_docs(self, docs, **named)
        last = docs[-1]
        return [*bulk_docs(self, docs[:-1], **named), Written(last["_id"], last["_rev"])]

    patch.setattr(Store, "bulk_docs", forgetful)


def compaction_loses_a_document(patch: pytest.MonkeyPatch) -> None:
    """Compaction takes the oldest document along."""
    compact = Store.compact

    def lossy(self: Store) -> None:
        compact(self)
        with self._file.writing() as connection:
            connection.execute("DELETE FROM documents WHERE seq = (SELECT min(seq) FROM documents)")

    patch.setattr(Store, "compact", lossy)


def commits_are_not_synced(patch: pytest.MonkeyPatch) -> None:
    """ "Saved" is said before it is on the disk."""
    execute = SeededConnection.execute

    def hasty(self: SeededConnection, statement: str, *values: Any) -> Any:
        return execute(self, statement.replace("synchronous = FULL", "synchronous = NORMAL"), *values)

    patch.setattr(SeededConnection, "execute", hasty)


def refusals_are_believed_at_once(patch: pytest.MonkeyPatch) -> None:
    """What arrives changed is refused for good."""

    def at_once(self: Any, refused: list[Document]) -> None:
        for document in refused:
            self._fail(document, "refused")

    patch.setattr(replicator._Run, "_hear_again", at_once)


def a_restored_backup_goes_unnoticed(patch: pytest.MonkeyPatch) -> None:
    """Only the source's word counts for where to go on."""

    def newest(source: Document | None, target: Document | None) -> Seq:
        return source["source_last_seq"] if source else 0

    patch.setattr(checkpoints, "common_sequence", newest)
    patch.setattr(Checkpoints, "_was_replaced", lambda self, infos, seq: False)


def anything_may_be_written(patch: pytest.MonkeyPatch) -> None:
    """No rule looks at what arrives."""

    def nothing_asked(name: str) -> WriteRule | None:
        return None

    patch.setattr(machine, "rule_for", nothing_asked)


@pytest.mark.parametrize(
    ("mutation", "says", "seed"),
    [
        (checkpoint_before_the_documents, "the checkpoint says", 5),
        (store_forgets, "", 1),
        (compaction_loses_a_document, "", 2),
        (commits_are_not_synced, "", 7),
        (refusals_are_believed_at_once, "refused", 10),
        (a_restored_backup_goes_unnoticed, "the checkpoint says", 2),
        (anything_may_be_written, "is another at", 1),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_a_broken_product_breaks_a_law(
    monkeypatch: pytest.MonkeyPatch, mutation: Mutation, says: str, seed: int
) -> None:
    """`seed` broke when this was written; where it no longer does, another must."""
    mutation(monkeypatch)
    faults = []
    for one in (seed, *SEEDS):
        outcome = hold(one)
        if outcome.fault is not None:
            faults.append(outcome.fault)
            if says in outcome.fault:
                assert "AssertionError" in outcome.fault
                return
    raise AssertionError(f"{len(faults)} of {len(SEEDS)} seeds broke, none as expected: {faults[:1]}")


def test_the_same_seed_acts_out_the_same_county_in_every_process() -> None:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as elsewhere:
        there = elsewhere.submit(hold, 3)
        here = hold(3)
        assert here == there.result()
    assert len(here.trace) > 50
