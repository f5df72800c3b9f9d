"""A village's node as the benches run it, and how they time and print."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click
import psutil

from tests.patience import until
from tests.stories.county import Account, DemoCounty, alive, free_port_block


class Node:
    """`yizhan node serve` as a process of its own, with a county that does not answer."""

    def __init__(self, folder: Path, *, core: int | None = None) -> None:
        """With `core` it has that one for itself, as far as it is concerned: `taskset` binds it."""
        self.folder = folder
        self.bound = ["taskset", "-c", str(core)] if core is not None else []
        self.port = free_port_block()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, within_s: float = 30) -> float:
        """Seconds from the start of the process to its first answer."""
        began = time.monotonic()
        self.process = subprocess.Popen(
            [
                *self.bound, sys.executable, "-m", "yizhan", "node", "serve", "--dir", str(self.folder),
                "--listen", f"127.0.0.1:{self.port}", "--county", "http://127.0.0.1:9",
            ],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        until(partial(alive, self.url), "the node answers", within_s=within_s, every_s=0.02)
        return time.monotonic() - began

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    def memory_mib(self) -> float:
        assert self.process is not None
        return float(psutil.Process(self.process.pid).memory_info().rss) / 2**20

    def processor_s(self) -> float:
        """How long it has been on a processor since its start."""
        assert self.process is not None
        times = psutil.Process(self.process.pid).cpu_times()
        return float(times.user + times.system)

    def peak_memory_mib(self) -> float:
        """The most that it ever had resident."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 2**10


def county_account(county: DemoCounty, url: str) -> Account:
    known = next(one for one in county.station("village")["accounts"] if one["role"] == "agent")
    return Account(url, known["username"], known["password"])


def timed(act: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    return act(), time.perf_counter() - began


def quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def row(what: str, found: str, goal: str) -> None:
    click.echo(f"{what:<42}{found:>14}   {goal}")
