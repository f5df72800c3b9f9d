"""A station with 50,000 cases beside an empty one: intake, lists and search, and what reading them all anew takes."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import click

from tests.bench.node import Node, county_account, quantile, row, timed
from tests.bench.past import fill
from tests.stories.county import HTTP, Account, DemoCounty
from tests.stories.test_first_light import APPLICANT, first_example

CASES = 50_000
INTAKES = 400
LOOKS = 20
QUIET_S = 5
AT_REST = 0.05
"""Of each second, on a processor."""
GOAL_P99_MS = 25.0
GOAL_LIST_MS = 100.0
# The node runs on one core of its own, as the goal says; who asks it uses the others.
CORE = 0


def many_cases(cases: int) -> None:
    """Run it and print it."""
    with tempfile.TemporaryDirectory(prefix="yizhan-bench-") as scratch:
        demo = DemoCounty(Path(scratch) / "county")
        click.echo("making a sample county ...")
        demo.start()
        demo.stop()
        village = Path(demo.station("village")["dir"])
        node = Node(village, core=CORE)
        node.start()
        before = _measured(demo, node)
        node.stop()
        click.echo(f"writing {cases:,} cases ...")
        fill(village, Path(demo.layout["county"]["dir"]), cases)
        _tell_rebuild(node, cases)
        after = _measured(demo, node)
        node.stop()
        row("POST cases, processor time", f"{after.processor_ms:.1f} ms", f"empty {before.processor_ms:.1f}")
        row("slowest first look at a page", f"{after.slowest_first_ms:.0f} ms", f"empty {before.slowest_first_ms:.0f}")
        row("a durable write of 20 kB, p99", f"{disk_p99_ms(village):.1f} ms", "the disk alone, at the end")
        for what, empty in before.times_ms.items():
            full = after.times_ms[what]
            row(f"{what}, median", f"{statistics.median(full):.1f} ms", f"empty {statistics.median(empty):.1f}")
            goal = GOAL_P99_MS if what == "POST cases" else GOAL_LIST_MS
            row(f"{what}, p99", f"{quantile(full, 0.99):.1f} ms", f"empty {quantile(empty, 0.99):.1f}, goal {goal:.0f}")


def _tell_rebuild(node: Node, cases: int) -> None:
    """Start with no casebook there, as after a change of its layout; and then with the one that this has made."""
    for file in node.folder.glob("projections.sqlite3*"):
        file.unlink()
    seconds = node.start(within_s=1_800)
    row("all cases read anew", f"{seconds:.0f} s", f"{cases / seconds:,.0f} cases/s, until it answers")
    row("… and at most resident", f"{node.peak_memory_mib():.0f} MiB", "")
    node.stop()
    row("a start with them", f"{node.start(within_s=60):.2f} s", "")
    size = (node.folder / "projections.sqlite3").stat().st_size
    row("casebook on the disk", f"{size / 2**20:.0f} MiB", f"{size / cases:,.0f} B a case")


@dataclass(frozen=True)
class Measured:
    """Milliseconds of each request by its kind, and what an intake costs the processor: that tells more on a machine
    that is busy with something else."""

    times_ms: dict[str, list[float]]
    processor_ms: float
    slowest_first_ms: float


def _come_to_rest(node: Node) -> None:
    """What was written in one go is not in the log of acts yet: the station enters it, and signs it batch by batch."""
    before, quiet = node.processor_s(), 0
    while quiet < QUIET_S:
        time.sleep(1)
        now = node.processor_s()
        quiet = quiet + 1 if now - before < AT_REST else 0
        before = now


def _measured(demo: DemoCounty, node: Node) -> Measured:
    _come_to_rest(node)
    agent = county_account(demo, node.url)
    guide = agent.get(f"guides/{agent.get('guides?q=低保')['results'][0]['code']}")
    body = {"item": guide["code"], "applicant": APPLICANT, "form": first_example(guide["form"]), "materials": []}
    found: dict[str, list[float]] = {"POST cases": []}
    began_s = node.processor_s()
    for _ in range(INTAKES):
        case, seconds = timed(lambda: agent.post("cases", body, Idempotency_Key=str(uuid4())))
        found["POST cases"].append(seconds * 1000)
    processor_ms = (node.processor_s() - began_s) * 1000 / INTAKES
    number, first_ms = case["number"], dict[str, float]()
    for what, path in {
        "the workbench": "/",
        "the list": "/cases",
        "the list of those accepted": "/cases?state=accepted",
        "the list of those decided": "/cases?state=decided",
        "a search by name": f"/cases?q={quote(APPLICANT['name'])}",
        "a search by surname": f"/cases?q={quote('王')}",
        "a search by an unknown name": f"/cases?q={quote('欧阳某某')}",
        "a search by the last two groups": f"/cases?q={number[-10:]}",
        "a search by the last five signs": f"/cases?q={number[-5:]}",
        "the contested": "/contested",
        "where papers are": "/whereabouts",
        "papers to hand over": "/handover",
        "papers to take over": "/takeover",
        "the proxy register": "/proxies",
        "the enquiries": "/enquiries",
        "a case": f"/cases/{number}",
        "API: cases": "/api/v1/cases",
        "API: 500 cases": "/api/v1/cases?limit=500",
        "API: accepted cases": "/api/v1/cases?state=accepted",
        "API: contested": "/api/v1/contested",
        "API: sync": "/api/v1/sync",
    }.items():
        # The first of a process makes the page's template, whatever lies in the station: told apart.
        first_ms[what] = timed(partial(_get, agent, path))[1] * 1000
        found[what] = [timed(partial(_get, agent, path))[1] * 1000 for _ in range(LOOKS)]
    return Measured(found, processor_ms, max(first_ms.values()))


def disk_p99_ms(folder: Path) -> float:
    """How long the machine's disk takes to say that something is on it; an intake waits for it once."""
    took = []
    with (folder / "yardstick").open("wb", buffering=0) as file:
        for _ in range(INTAKES):
            file.write(bytes(20_000))
            took.append(timed(partial(os.fsync, file.fileno()))[1] * 1000)
    return quantile(took, 0.99)


def _get(agent: Account, path: str) -> None:
    answer = HTTP.request("GET", agent.url + path, headers={"Authorization": f"Bearer {agent.token}"})
    assert answer.status == 200, (path, answer.status)


if __name__ == "__main__":
    many_cases(CASES)
