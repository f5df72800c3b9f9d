"""A share of the seeds with every test run; `make simulate SEEDS=A-B` tries more. What failed once stays here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulation.laws import check
from tests.simulation.world import World

FAILED_ONCE: list[int] = []


@pytest.mark.parametrize("seed", [*range(1, 21), *FAILED_ONCE])
def test_a_county_comes_to_rest_with_everything_it_was_told(seed: int, tmp_path: Path) -> None:
    world = World(seed, tmp_path)
    try:
        world.run(60)
        world.converge()
        assert sum(len(machine.acknowledged) for machine in world.machines.values()) > 0
        check(world)
    finally:
        world.close()
