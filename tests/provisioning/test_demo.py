"""The demo's course with stand-ins for the apps: set-up, second start, restart, every way to end it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import SystemRandom
from typing import Any

import psutil
import pytest
import urllib3
from click.testing import CliRunner

from provisioning.commands import demo_group
from provisioning.folder import StationFolder
from tests.patience import PATIENCE_S, until

pytestmark = [pytest.mark.processes]

ROOT = Path(__file__).parents[2]


def free_port() -> int:
    """A port from which the demo's other ports are free too; drawn, because other tests run beside these."""
    while True:
        base = SystemRandom().randrange(20000, 30000)
        probes = [socket.socket() for _ in range(6)]
        try:
            for probe, more in zip(probes, (0, 1, 2, 10, 20, 30), strict=True):
                probe.bind(("127.0.0.1", base + more))
        except OSError:
            continue
        finally:
            for probe in probes:
                probe.close()
        return base


def serves(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE and "serve" in process.cmdline()
    except psutil.NoSuchProcess:
        return False


class Running:
    """A demo in its own process."""

    def __init__(self, folder: Path, port: int, **environment: str) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.provisioning.demo_of_stand_ins", str(folder), str(port)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **environment},
        )

    def ready(self) -> dict[str, Any]:
        file = self.folder / "demo.json"
        until(lambda: file.exists() or self.process.poll() is not None, "demo.json is written")
        assert self.process.poll() is None, self.said()
        assert file.stat().st_mode & 0o777 == 0o600
        described: dict[str, Any] = json.loads(file.read_text())
        return described

    def said(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.read()

    def services(self) -> list[psutil.Process]:
        return [child for child in psutil.Process(self.process.pid).children() if serves(child)]

    def end(self, number: int = signal.SIGINT, *, told: int | None = None) -> None:
        """`told` is the one of its threads that the system wakes with the signal: the first if none is named."""
        services = self.services()
        os.kill(told or self.process.pid, number)
        self.process.wait(PATIENCE_S)
        until(lambda: not any(service.is_running() for service in services), "its services end with it")


@pytest.fixture
def demos(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def start(port: int, **environment: str) -> Running:
        started.append(Running(tmp_path / "demo", port, **environment))
        return started[-1]

    yield start
    for demo in started:
        if demo.process.poll() is None:
            demo.end()


def test_the_demo_sets_up_goes_on_with_another_port_and_ends_however_it_is_ended(
    demos: Callable[..., Running], tmp_path: Path
) -> None:
    folder = tmp_path / "demo"
    folder.mkdir()
    port = free_port()
    demo = demos(port)
    first = demo.ready()

    # What demo.json says, and that it is so.
    assert first["county"]["url"] == f"http://127.0.0.1:{port}"
    assert first["county"]["couch_url"] == f"http://127.0.0.1:{port}/couch"
    assert [one["role"] for one in first["county"]["accounts"]][-1] == "admin"
    assert first["county"]["accounts"][0] | {"password": ""} == {
        "role": "reviewer",
        "username": "reviewer-minzheng",
        "password": "",
        "department": "民政",
    }
    township, *villages = first["stations"]
    assert [one["kind"] for one in first["stations"]] == ["township", "village", "village"]
    assert [one["url"] for one in first["stations"]] == [f"http://127.0.0.1:{port + more}" for more in (10, 20, 30)]
    assert all(village["parent"] == township["code"] for village in villages)
    assert {one["role"] for one in township["accounts"]} == {"township", "agent", "head"}
    assert [one["role"] for village in villages for one in village["accounts"]] == ["agent", "agent"]
    passwords = [one["password"] for one in first["county"]["accounts"] + township["accounts"]]
    assert len(set(passwords)) == len(passwords)
    assert (folder / "accounts.json").stat().st_mode & 0o777 == 0o600
    for station in first["stations"]:
        assert StationFolder.open(Path(station["dir"])).key().id == f"{station['code']}:1"
    assert len(list((folder / "stations").iterdir())) == 3

    # The line, by the command.
    for mode in ("cut", "slow", "heal"):
        result = CliRunner().invoke(demo_group, [mode, "--dir", str(folder)])
        assert (result.exit_code, mode in result.output) == (0, True), result.output
        reachable = mode != "cut"
        try:
            socket.create_connection(("127.0.0.1", port + 1), timeout=2).close()
        except ConnectionRefusedError:
            assert not reachable
        else:
            assert reachable
    page = urllib3.request("GET", f"http://127.0.0.1:{port + 2}/").data.decode()
    assert villages[0]["url"] in page

    # Somebody else's second start is told, and disturbs nothing.
    second = demos(port)
    assert second.process.wait(PATIENCE_S) == 1
    assert "already" in second.said()
    assert (folder / "demo.json").exists()

    # A process that dies comes back within two seconds.
    victim = next(service for service in demo.services() if villages[0]["code"] in " ".join(service.cmdline()))
    victim.kill()
    until(lambda: len(demo.services()) == 4 and victim not in demo.services(), "it is started again")

    # Ctrl-C ends everything, and takes demo.json with it.
    demo.end(signal.SIGINT)
    assert not (folder / "demo.json").exists()
    assert "Ctrl-C ends everything" in demo.said()
    result = CliRunner().invoke(demo_group, ["cut", "--dir", str(folder)])
    assert result.exit_code == 1
    assert "No demo runs" in result.output

    # The same data, other ports, and nothing is done twice.
    imported = (folder / "imported.txt").read_text()
    other = free_port()
    demo = demos(other)
    again = demo.ready()
    assert again["county"]["accounts"] == first["county"]["accounts"]
    assert again["stations"][0]["url"] == f"http://127.0.0.1:{other + 10}"
    assert (folder / "imported.txt").read_text() == imported
    log = (folder / "log" / f"{township['code']}.log").read_text().splitlines()
    assert log == [f"{township['code']} reaches the county by http://127.0.0.1:{base + 1}" for base in (port, other)]

    # Killed without a word: the lifelines end the services.
    demo.end(signal.SIGKILL)


def test_a_set_up_that_broke_off_goes_on(demos: Callable[..., Running], tmp_path: Path) -> None:
    folder, port = tmp_path / "demo", free_port()
    demo = demos(port, STAND_IN_FAILS="accounts")
    assert demo.process.wait(PATIENCE_S) == 1
    assert "the disk is full" in demo.said()
    assert not (folder / "demo.json").exists()
    assert not (folder / "accounts.json").exists()

    demo = demos(port)
    until((folder / "accounts.json").exists, "the accounts are made", every_s=0.05)
    demo.process.kill()
    demo.process.wait()

    # And once more where a station had been enrolled, but lost its folder's last file. Ctrl-C ends it whichever of its
    # threads hears of it.
    demo = demos(port)
    stations = demo.ready()["stations"]
    demo.end(told=max(thread.id for thread in psutil.Process(demo.process.pid).threads()))
    (Path(stations[1]["dir"]) / "config.toml").unlink()
    stations = demos(port).ready()["stations"]
    assert StationFolder.open(Path(stations[1]["dir"])).key_serial == 1


@pytest.mark.parametrize("taken", [1, 30])
def test_a_port_that_is_taken_is_named(demos: Callable[..., Running], taken: int) -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", port + taken)):
        demo = demos(port)
        assert demo.process.wait(PATIENCE_S) == 1
    assert f"Port {port + taken}" in demo.said()


def test_a_real_county_s_folder_is_left_alone(demos: Callable[..., Running], tmp_path: Path) -> None:
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "config.toml").write_text('kind = "county"')
    demo = demos(free_port())
    assert demo.process.wait(PATIENCE_S) == 1
    assert "real county" in demo.said()
    assert [path.name for path in (tmp_path / "demo").iterdir()] == ["config.toml"]
