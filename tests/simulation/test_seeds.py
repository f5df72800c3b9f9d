"""A hundred seeds with every test run; `make simulate SEEDS=A-B` tries more. What failed once stays here."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.simulation.__main__ import hold

FAILED_ONCE: dict[int, str] = {
    149: "a document that was changed on its way up was refused for good",
    178: "the disk of the simulation forgot a WAL before the file had its pages",
}
"""Seed → what it found, beyond the first hundred."""
TOGETHER = 5


@pytest.mark.parametrize("first", range(1, 101, TOGETHER))
def test_counties_come_to_rest_with_everything_they_were_told(first: int) -> None:
    met: Counter[str] = Counter()
    for seed in range(first, first + TOGETHER):
        met += holds(seed)
    assert met["torn write"] > 0, "the disks of the simulation do not see the product's writes"
    assert met["lost"] + met["answer_lost"] + met["cut_short"] > 0


@pytest.mark.parametrize("seed", FAILED_ONCE)
def test_what_failed_once_holds(seed: int) -> None:
    holds(seed)


def holds(seed: int) -> Counter[str]:
    """The faults that this seed met."""
    outcome = hold(seed)
    assert outcome.fault is None, "\n".join([f"seed {seed}", *outcome.trace[-60:], outcome.fault or ""])
    assert outcome.told > 0
    assert outcome.checkpoints > 0
    return Counter(outcome.faults)
