"""Supervision: services come back when they die, and end with whoever keeps them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from provisioning.supervisor import Service, Supervisor
from tests.patience import PATIENCE_S, until

pytestmark = pytest.mark.processes

# A service as ours are: it ends when its standard input is closed, and leaves its number behind.
OBEDIENT = "import os, sys; print(os.getpid(), flush=True); sys.stdin.read()"
DEAF = (
    "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "print(os.getpid(), flush=True); time.sleep(3600)"
)


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    made = Supervisor(clock=time.monotonic)
    yield made
    made.stop(1)


def service(folder: Path, program: str, name: str = "one") -> Service:
    return Service(name, [sys.executable, "-c", program], folder / "log" / f"{name}.log")


def said(folder: Path, name: str = "one") -> list[int]:
    log = folder / "log" / f"{name}.log"
    return [int(line) for line in log.read_text().split()] if log.exists() else []


def test_a_service_that_is_killed_is_there_again(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.keep(service(tmp_path, OBEDIENT))
    until(lambda: len(said(tmp_path)) == 1, "it runs", every_s=0.02)
    for times in (1, 2):
        os.kill(said(tmp_path)[-1], signal.SIGKILL)
        until(lambda times=times: len(said(tmp_path)) == times + 1, "it runs again", every_s=0.02)  # type: ignore[misc]
        assert supervisor.restarts("one") == times
    assert psutil.pid_exists(supervisor.pid("one"))


def test_a_service_that_ends_by_itself_is_started_again_but_not_in_a_frenzy(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    supervisor.keep(service(tmp_path, "import os; print(os.getpid(), flush=True)"))
    began = time.monotonic()
    until(lambda: len(said(tmp_path)) >= 3, "it is started again and again", every_s=0.02)
    assert time.monotonic() - began > 1.9, "a pause of a second before each"


def test_stopping_ends_all_of_them_and_starts_none_again(supervisor: Supervisor, tmp_path: Path) -> None:
    for name in ("one", "two"):
        supervisor.keep(service(tmp_path, OBEDIENT, name))
    until(lambda: said(tmp_path, "one") and said(tmp_path, "two"), "both run", every_s=0.02)
    began = time.monotonic()
    supervisor.stop(PATIENCE_S)

    assert time.monotonic() - began < PATIENCE_S, "none of them has to be killed"
    assert not any(psutil.pid_exists(pid) for name in ("one", "two") for pid in said(tmp_path, name))
    assert len(said(tmp_path, "one")) == len(said(tmp_path, "two")) == 1


def test_a_service_that_does_not_listen_is_killed(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.keep(service(tmp_path, DEAF))
    until(lambda: len(said(tmp_path)) == 1, "it runs", every_s=0.02)
    began = time.monotonic()
    supervisor.stop(0.5)

    assert time.monotonic() - began > 0.4
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
    until(lambda: said(tmp_path, "one") and said(tmp_path, "two"), "both run", every_s=0.02)
    pids = said(tmp_path, "one") + said(tmp_path, "two")
    supervisor.kill()
    supervisor.wait()

    until(lambda: not any(psutil.pid_exists(pid) for pid in pids), "they have ended")


def test_ctrl_c_at_the_terminal_does_not_reach_the_services(supervisor: Supervisor, tmp_path: Path) -> None:
    supervisor.keep(service(tmp_path, OBEDIENT))
    assert os.getsid(supervisor.pid("one")) != os.getsid(0)
