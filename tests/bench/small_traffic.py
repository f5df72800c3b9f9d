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
from tests.patience import until
from tests.stories.county import Account, DemoCounty, alive, free_port_block
from tests.stories.test_first_light import APPLICANT, first_example

GOAL_CASE_BYTES = 3_000
GOAL_HOUR_BYTES = 30_000
# A pause of 120 s is shortened by up to a tenth, so that stations do not knock together: by a twentieth on average.
IDLE_CONTACTS_AN_HOUR = 3600 / (120 * 0.95)
# The demo's stations are in contact every 3 s; an idle one of the design every 120 s.
INTERVAL_S = 3.0
QUIET_S = 4 * INTERVAL_S
IDLE_S = 10 * INTERVAL_S
CASES = 5
EVENTS = 3
CORRECTION = {"kind": "field_corrected", "data": {"path": "applicant.phone", "value": "13000000002"}}


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
        _idle(relay, "before the first case")
        known = next(one for one in village["accounts"] if one["role"] == "agent")
        agent = Account(f"http://127.0.0.1:{port}", known["username"], known["password"])
        guide = agent.get(f"guides/{agent.get('guides?q=低保')['results'][0]['code']}")
        body = {"item": guide["code"], "applicant": APPLICANT, "form": first_example(guide["form"]), "materials": []}
        ups: list[int] = []
        downs: list[int] = []
        waits: list[float] = []
        for _ in range(CASES):
            _until_quiet(relay)
            began, up, down = time.monotonic(), relay.bytes_up, relay.bytes_down
            case = agent.post("cases", body, Idempotency_Key=str(uuid4()))
            agent.post(f"cases/{case['number']}/events", CORRECTION)
            # Until the county has said that it holds all of it, and that is here.
            until(partial(_held, agent, case["number"]), "the county holds the case", within_s=60)
            waits.append(time.monotonic() - began)
            _until_quiet(relay)
            ups.append(relay.bytes_up - up)
            downs.append(relay.bytes_down - down)
            spans = time.monotonic() - began
            events = len(agent.get(f"cases/{case['number']}")["events"])
            assert events == EVENTS, events
            contacts = spans / (INTERVAL_S * 0.95)
            _row("", f"{ups[-1]:,} B up", f"in {spans:.0f} s, in which a quiet line carries {contacts:.1f} contacts")
            ups[-1] -= round(QUIET_CONTACT[0] * contacts)
            downs[-1] -= round(QUIET_CONTACT[1] * contacts)
        _row(
            f"a case of {EVENTS} events, no photo",
            f"{statistics.median(ups):,.0f} B up",
            f"goal {GOAL_CASE_BYTES:,}; beyond the contacts of a quiet line; {statistics.median(downs):,.0f} B down",
        )
        _row(
            "and with the contact that brings its receipt",
            f"{statistics.median(ups) + QUIET_CONTACT[0]:,.0f} B up",
            f"the receipt is here after {statistics.median(waits):.1f} s",
        )
        _idle(relay, f"after {CASES} cases")


# Bytes of one contact on a quiet line, up and down, as just measured.
QUIET_CONTACT = [0.0, 0.0]


def _idle(relay: Relay, when: str) -> None:
    """Measure a quiet line, by whole contacts: the bytes of any but a contact would show as a part of one."""
    up, down, answered = relay.bytes_up, relay.bytes_down, 0
    last = relay.bytes_down
    end = time.monotonic() + IDLE_S
    while time.monotonic() < end or answered == 0:
        time.sleep(0.05)
        if relay.bytes_down != last:
            time.sleep(0.3)
            last = relay.bytes_down
            answered += 1
    QUIET_CONTACT[:] = (relay.bytes_up - up) / answered, (relay.bytes_down - down) / answered
    hour = sum(QUIET_CONTACT) * IDLE_CONTACTS_AN_HOUR
    _row(
        f"an hour in which nothing happens, {when}",
        f"{hour:,.0f} B",
        f"goal {GOAL_HOUR_BYTES:,}: {IDLE_CONTACTS_AN_HOUR:.1f} contacts of {QUIET_CONTACT[0]:,.0f} B up and "
        f"{QUIET_CONTACT[1]:,.0f} B down; {answered} seen",
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
        until(partial(alive, f"http://127.0.0.1:{port}"), f"{package} answers", within_s=60)
        yield
    finally:
        process.terminate()
        process.wait(20)


def _row(what: str, found: str, beside: str) -> None:
    click.echo(f"{what:<55}{found:>14}   {beside}")


if __name__ == "__main__":
    small_traffic()
