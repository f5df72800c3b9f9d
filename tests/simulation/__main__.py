"""`make simulate SEEDS=1-300`: one county a seed; ends with a line that says how many held."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import time
import traceback
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import click

from tests.simulation.laws import Watch, check
from tests.simulation.world import STEPS, World

SHOWN = 60
# In so many counties each fault is met, or the simulation has lost its grip on the product.
ENOUGH = 20


class Outcome(NamedTuple):
    """What became of one seed: what broke (None: it held), and the trace of what had happened by then.

    `told` is how much somebody was told is saved, `saved` a hash of all that to the byte, `checkpoints` how many the
    laws have looked at, `faults` how often which fault was met.
    """

    seed: int
    fault: str | None
    trace: list[str]
    told: int
    saved: str
    checkpoints: int
    faults: dict[str, int]


def hold(seed: int) -> Outcome:
    """Act one county out and check it."""
    # Memory where there is some: what is tried is the order of writes, not the patience of this disk.
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix=f"county-{seed}-", dir=memory) as folder:
        world = World(seed, Path(folder))
        watch = Watch(world)
        fault = None
        try:
            world.run(STEPS)
            world.converge()
            check(world)
        except Exception:
            fault = traceback.format_exc()
        finally:
            world.close()
        told = world.acknowledged
        saved = sha256(repr(told).encode()).hexdigest()
        return Outcome(seed, fault, world.trace, len(told), saved, watch.checkpoints_seen, world.faults_met())


@click.command()
@click.option("--seeds", default="1-100", show_default=True, help="A, or A-B")
@click.option("--trace", is_flag=True, help="everything that happened, also where the seed held")
def simulate(seeds: str, trace: bool) -> None:
    first, _, last = seeds.partition("-")
    wanted = range(int(first), int(last or first) + 1)
    began = time.monotonic()
    broken = []
    met: Counter[str] = Counter()
    # What is imported lives as long as its process: nobody need look for garbage there.
    with ProcessPoolExecutor(max_workers=min(2, len(wanted)), initializer=gc.freeze) as workers:
        for outcome in workers.map(hold, wanted, chunksize=1):
            met.update(outcome.faults)
            if outcome.fault is not None:
                broken.append(outcome.seed)
            if trace or outcome.fault is not None:
                # A single seed was asked for to be read; of many, the end of each is enough to begin with.
                lines = outcome.trace if trace or len(wanted) == 1 else outcome.trace[-SHOWN:]
                click.echo(f"seed {outcome.seed}:\n" + "\n".join(lines))
            if outcome.fault is not None:
                click.echo(outcome.fault)
                click.echo(f"Again: make simulate SEEDS={outcome.seed}")
    click.echo("met: " + ", ".join(f"{count} {fault}" for fault, count in met.most_common()))
    if len(wanted) >= ENOUGH and (idle := sorted(fault for fault, count in met.items() if not count)):
        broken.append(0)
        click.echo(f"never met, so never tried: {', '.join(idle)}")
    if broken:
        click.echo(f"broken: {', '.join(map(str, broken))}")
    click.echo(f"{len(wanted) - sum(map(bool, broken))} of {len(wanted)} seeds held ({time.monotonic() - began:.0f} s)")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    simulate()
