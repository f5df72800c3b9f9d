"""What a village costs its line: one case without a photo, and an hour in which nothing happens; counted at a relay."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Any
from uuid import uuid4

import click

from provisioning.relay import Relay
from tests.stories.county import Account, DemoCounty, alive, free_port_block, until
from tests.stories.test_first_light import APPLICANT, first_example

GOAL_CASE_BYTES = 3_000
GOAL_HOUR_BYTES = 30_000
IDLE_CONTACTS_AN_HOUR = 30
# The demo's stations are in contact every 3 s; an idle one of the design every 120 s.
INTERVAL_S = 3.0
QUIET_S = 4 * INTERVAL_S
IDLE_S = 10 * INTERVAL_S
CASES = 3


def small_traffic() -> None:
    """Run it and print it."""
    with tempfile.TemporaryDirectory(prefix="yizhan-bench-") as scratch:
        demo = DemoCounty(Path(scratch) / "county")
        demo.start()
        demo.stop()
        village = demo.station("village")
        port = free_port_block()
        relay = Relay(("127.0.0.1", 0), ("127.0.0.1", port), random=Random(1))
        with _serving("central", demo.layout["county"]["dir"], port):
            relay.start()
            _measured(demo, village, relay)
            relay.stop()


def _measured(demo: DemoCounty, village: dict[str, Any], relay: Relay) -> None:
    port = free_port_block()
    county = f"http://{relay.listen[0]}:{relay.listen[1]}"
    with _serving("node", village["dir"], port, "--county", county):
        _until_quiet(relay)
        up, down = relay.bytes_up, relay.bytes_down
        time.sleep(IDLE_S)
        contacts = IDLE_S / INTERVAL_S
        up_each, down_each = (relay.bytes_up - up) / contacts, (relay.bytes_down - down) / contacts
        hour = (up_each + down_each) * IDLE_CONTACTS_AN_HOUR
        _row("an hour in which nothing happens", f"{hour:,.0f} B", f"goal {GOAL_HOUR_BYTES:,}: 30 contacts")
        _row("one contact", f"{up_each:,.0f} B up", f"{down_each:,.0f} B down")
        known = next(one for one in village["accounts"] if one["role"] == "agent")
        agent = Account(f"http://127.0.0.1:{port}", known["username"], known["password"])
        guide = agent.get(f"guides/{agent.get('guides?q=低保')['results'][0]['code']}")
        body = {"item": guide["code"], "applicant": APPLICANT, "form": first_example(guide["form"]), "materials": []}
        ups: list[float] = []
        for _ in range(CASES):
            _until_quiet(relay)
            began, up = time.monotonic(), relay.bytes_up
            case = agent.post("cases", body, Idempotency_Key=str(uuid4()))
            # Until the county has said that it holds all of it, and that is here.
            until(partial(_held, agent, case["number"]), 60, "the county holds the case")
            _until_quiet(relay)
            total = relay.bytes_up - up
            of_contacts = up_each * (time.monotonic() - began) / INTERVAL_S
            ups.append(total - of_contacts)
        events = len(agent.get(f"cases/{case['number']}")["events"])
        _row(
            f"a case of {events} events, no photo",
            f"{statistics.median(ups):,.0f} B up",
            f"goal {GOAL_CASE_BYTES:,} for 3; with fetching its receipt, and the contacts that it causes",
        )


def _held(agent: Account, number: str) -> Any:
    return agent.get(f"cases/{number}")["held_by_county_at"]


def _until_quiet(relay: Relay) -> None:
    """Wait until nothing but contacts goes over the line."""
    while True:
        before = relay.bytes_up
        time.sleep(QUIET_S)
        # Four contacts or five, and no request of a replication.
        if relay.bytes_up - before < 5 * 2_000:
            return


@contextmanager
def _serving(package: str, folder: str, port: int, *more: str) -> Iterator[None]:
    command = [
        sys.executable,
        "-m",
        "yizhan",
        package,
        "serve",
        "--dir",
        folder,
        "--listen",
        f"127.0.0.1:{port}",
        *more,
    ]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    try:
        until(partial(alive, f"http://127.0.0.1:{port}"), 60, f"{package} answers")
        yield
    finally:
        process.terminate()
        process.wait(20)


def _row(what: str, found: str, beside: str) -> None:
    click.echo(f"{what:<42}{found:>16}   {beside}")


if __name__ == "__main__":
    small_traffic()
