"""`make simulate SEEDS=1-300`: one county a seed; ends with a line that says how many held."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import click

from tests.simulation.laws import check
from tests.simulation.world import World

STEPS = 60


def hold(seed: int) -> str | None:
    """Act one county out and check it; what is broken, or None."""
    # Memory where there is some: what is tried is the order of writes, not the patience of this disk.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix=f"county-{seed}-", dir=memory) as folder:
        world = World(seed, Path(folder))
        try:
            world.run(STEPS)
            world.converge()
            check(world)
        except Exception:
            return traceback.format_exc()
        finally:
            world.close()
    return None


@click.command()
@click.option("--seeds", default="1-100", show_default=True, help="A, or A-B")
def simulate(seeds: str) -> None:
    first, _, last = seeds.partition("-")
    wanted = range(int(first), int(last or first) + 1)
    broken = 0
    with ProcessPoolExecutor(max_workers=min(2, len(wanted))) as workers:
        for seed, fault in zip(wanted, workers.map(hold, wanted, chunksize=1), strict=True):
            if fault is not None:
                broken += 1
                click.echo(f"seed {seed}:\n{fault}")
    click.echo(f"{len(wanted) - broken} of {len(wanted)} seeds held")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    simulate()
