"""Several processes of one county on one port: whichever answers knows the same, and one of them follows the feeds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import psutil
import pytest
import urllib3

from provisioning.contact import contact
from provisioning.line import poster
from provisioning.register import station_database
from sync.peer import PeerError
from sync.remote import RemotePeer
from sync.replicator import replicate
from sync.sqlite import several_processes_may_write
from tests.central.county import VILLAGE, SmallCentre, SmallStation
from tests.patience import PATIENCE_S, until
from tests.stories.county import alive

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(not several_processes_may_write(), reason="this SQLite may not be written by several processes"),
]
WORKERS = 3


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def village(county: SmallCentre) -> SmallStation:
    """Enrolled while the county ran in this process, which then ends."""
    county.now.at = now()
    village = county.enrol(VILLAGE)
    replicate(county.centre.catalogue, village.databases.open("catalogue"), now=now, random=Random())
    county.centre.close()
    return village


@pytest.fixture
def served(county: SmallCentre, village: SmallStation, tmp_path: Path) -> Iterator[tuple[psutil.Process, str]]:
    service = subprocess.Popen(
        [
            sys.executable, "-m", "yizhan", "central", "serve", "--dir", str(county.folder / "county"),
            "--listen", "127.0.0.1:0", "--workers", str(WORKERS),
        ],
        stderr=subprocess.PIPE,
    )  # fmt: skip
    assert service.stderr is not None
    url = service.stderr.readline().decode().split(" (")[0].split(": ")[-1]
    try:
        yield psutil.Process(service.pid), url
    finally:
        service.terminate()
        service.wait(PATIENCE_S)
        service.stderr.close()


def test_what_one_process_takes_another_follows_also_when_the_one_that_followed_is_killed(
    served: tuple[psutil.Process, str], village: SmallStation
) -> None:
    parent, url = served
    with urllib3.PoolManager() as pool:
        until(lambda: alive(url), "the county answers")
        assert len(parent.children()) == WORKERS
        first = take_in(village)
        goes_up(village, pool, url)
        until(lambda: receipted(village, pool, url, first), "the receipt")
        held = [child for child in parent.children() if follows(child)]
        assert len(held) == 1, "one process follows"
        os.kill(held[0].pid, signal.SIGKILL)
        second = take_in(village)
        until(lambda: goes_up(village, pool, url), "another process takes it")
        until(lambda: receipted(village, pool, url, second), "another process follows")
        until(lambda: len(parent.children()) == WORKERS, "the killed one is replaced")
    ids = [document["_id"] for document in village.cases.range("receipt:", "receipt;")]
    assert len(ids) == len({id_.split(":")[1] for id_ in ids}) == 2, "one receipt for each case"


def take_in(village: SmallStation) -> str:
    return village.take_in(village.databases.open("catalogue").range("item:", "item;", limit=1)[0])


def peer(village: SmallStation, pool: urllib3.PoolManager, url: str, name: str) -> RemotePeer:
    made = contact(poster(pool, timeout_s=PATIENCE_S), url, village.key, None, village.report(register=1), now=now)
    return RemotePeer(f"{url}/couch/{name}", pool=pool, authorization=lambda: f"Bearer {made.token}")


def goes_up(village: SmallStation, pool: urllib3.PoolManager, url: str) -> bool:
    name = station_database(village.code)
    try:
        replicate(village.cases, peer(village, pool, url, name), now=now, random=Random())
    except PeerError:
        # The process that was asked may be the one that was killed.
        return False
    return True


def receipted(village: SmallStation, pool: urllib3.PoolManager, url: str, number: str) -> bool:
    replicate(peer(village, pool, url, station_database(village.code)), village.cases, now=now, random=Random())
    return bool(village.cases.range(f"receipt:{number}", f"receipt:{number};"))


def follows(process: psutil.Process) -> bool:
    locks = Path("/proc/locks").read_text("ascii")
    return any("FLOCK" in line and f" {process.pid} " in line for line in locks.splitlines())
