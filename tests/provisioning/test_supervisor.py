"""Supervision: services come back when they die, and end with whoever keeps them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from provisioning.supervisor import Service, Supervisor

pytestmark = pytest.mark.processes

# A service as ours are: it ends when its standard input is closed, and leaves its number behind.
OBEDIENT = "import os, sys; print(os.getpid(), flush=True); sys.stdin.read()"
DEAF = (
    "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "print(os.getpid(), flush=True); time.sleep(60)"
)


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    made = Supervisor(clock=time.monotonic)
    yield made
    made.stop(1)


def service(folder: Path, program: str, name: str = "one") -> Service:
    return Service(name, [sys.executable, "-c", program], folder / "log" / f"{name}.log")


def within(seconds: float, true: Callable[[], bool]) -> float:
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds
        time.sleep(0.02)
    return time.monotonic() - began


def said(folder: Path, name: str = "one") -> list[int]:
    log = folder / "log" / f"{name}.log"
    return [int(line) for line in log.read_text().split()] if log.exists() else []


def test_a_service_that_is_killed_is_there_again_within_two_seconds(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.keep(service(tmp_path, OBEDIENT))
    within(5, lambda: len(said(tmp_path)) == 1)
    for times in (1, 2):
        os.kill(said(tmp_path)[-1], signal.SIGKILL)
        within(2, lambda times=times: len(said(tmp_path)) == times + 1)  # type: ignore[misc]
        assert supervisor.restarts("one") == times
    assert psutil.pid_exists(supervisor.pid("one"))


def test_a_service_that_ends_by_itself_is_started_again_but_not_in_a_frenzy(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    supervisor.keep(service(tmp_path, "import os; print(os.getpid(), flush=True)"))
    began = time.monotonic()
    within(10, lambda: len(said(tmp_path)) >= 3)
    assert time.monotonic() - began > 1.9, "a pause of a second before each"


def test_stopping_ends_all_of_them_and_starts_none_again(supervisor: Supervisor, tmp_path: Path) -> None:
    for name in ("one", "two"):
        supervisor.keep(service(tmp_path, OBEDIENT, name))
    within(5, lambda: bool(said(tmp_path, "one") and said(tmp_path, "two")))
    began = time.monotonic()
    supervisor.stop(3)

    assert time.monotonic() - began < 2
    assert not any(psutil.pid_exists(pid) for name in ("one", "two") for pid in said(tmp_path, name))
    assert len(said(tmp_path, "one")) == len(said(tmp_path, "two")) == 1


def test_a_service_that_does_not_listen_is_killed(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.keep(service(tmp_path, DEAF))
    within(5, lambda: len(said(tmp_path)) == 1)
    began = time.monotonic()
    supervisor.stop(0.5)

    assert 0.4 < time.monotonic() - began < 2
    assert not psutil.pid_exists(said(tmp_path)[0])


def test_the_services_end_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path\n"
        "from provisioning.supervisor import Service, Supervisor\n"
        "supervisor = Supervisor(clock=time.monotonic)\n"
        "for name in ('one', 'two'):\n"
        f"    log = Path({str(tmp_path)!r}) / 'log' / f'{{name}}.log'\n"
        f"    supervisor.keep(Service(name, [sys.executable, '-c', {OBEDIENT!r}], log))\n"
        "time.sleep(60)"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", program])
    within(5, lambda: bool(said(tmp_path, "one") and said(tmp_path, "two")))
    pids = said(tmp_path, "one") + said(tmp_path, "two")
    supervisor.kill()
    supervisor.wait()

    within(2, lambda: not any(psutil.pid_exists(pid) for pid in pids))


def test_ctrl_c_at_the_terminal_does_not_reach_the_services(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.keep(service(tmp_path, OBEDIENT))
    assert os.getsid(supervisor.pid("one")) != os.getsid(0)
