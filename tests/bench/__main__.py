"""`make bench`: figures beside their goals. Prints and never fails a build: machines differ, ratios are for reading."""

from __future__ import annotations

import statistics
import tempfile
from functools import partial
from pathlib import Path
from uuid import uuid4

import click

from tests.bench.guides import OTHERS, guides
from tests.bench.many_cases import CASES as MANY_CASES
from tests.bench.many_cases import many_cases
from tests.bench.node import Node, county_account, quantile, row, timed
from tests.bench.releases import releases
from tests.bench.replication import replication
from tests.bench.small_traffic import small_traffic
from tests.stories.county import Account, DemoCounty
from tests.stories.test_first_light import APPLICANT, first_example, photo

CASES = 400
PHOTO_EVERY = 20
STARTS = 5
GOAL_MEMORY_MIB = 96
GOAL_START_S = 2.0


PARTS = ("node", "many", "replication", "small", "releases", "guides")
# Of their own, because they take long: `python -m tests.bench.outage`, `python -m tests.bench.worst_line`.


@click.command()
@click.option("--cases", default=CASES, show_default=True, help="how many cases are taken in")
@click.option("--many", default=MANY_CASES, show_default=True, help="how many cases a full station has")
@click.option("--docs", default=20_000, show_default=True, help="how many documents are replicated")
@click.option("--rounds", default=5, show_default=True, help="how often; what is printed are medians")
@click.option("--queries", type=click.Path(path_type=Path, exists=True), multiple=True, help="lists of questions")
@click.option("--others", default=OTHERS, show_default=True, help="items beside the reference ones")
@click.option("--only", type=click.Choice(PARTS), help="only this part")
def bench(
    cases: int, many: int, docs: int, rounds: int, only: str | None, queries: tuple[Path, ...], others: int
) -> None:
    """Memory, start-up and speed, printed beside their goals."""
    if only in (None, "node"):
        node_alone(cases)
    if only in (None, "many"):
        many_cases(many)
    if only in (None, "replication"):
        replication(docs, rounds)
    if only in (None, "small"):
        small_traffic()
    if only in (None, "releases"):
        releases()
    if only in (None, "guides"):
        guides(queries, others)


def node_alone(cases: int) -> None:
    """A village node on its own, the county out of reach: memory, start, intake."""
    with tempfile.TemporaryDirectory(prefix="yizhan-bench-") as scratch:
        folder = Path(scratch) / "county"
        county = DemoCounty(folder)
        click.echo("making a sample county ...")
        county.start()
        village = county.station("village")
        county.stop()
        node = Node(Path(village["dir"]))
        starts = []
        for _ in range(STARTS):
            node.stop()
            starts.append(node.start())
        at_rest = node.memory_mib()
        agent = county_account(county, node.url)
        latencies, upload_s = take_in(agent, cases)
        after_work = node.memory_mib()
        node.stop()
        row("answers after its start", f"{statistics.median(starts):.2f} s", f"goal {GOAL_START_S} s")
        row("resident at rest", f"{at_rest:.0f} MiB", f"goal {GOAL_MEMORY_MIB} MiB")
        row(f"resident after {cases} cases", f"{after_work:.0f} MiB", f"goal {GOAL_MEMORY_MIB} MiB")
        row("POST cases, median", f"{statistics.median(latencies) * 1000:.1f} ms", "durable before it answers")
        row("POST cases, p99", f"{quantile(latencies, 0.99) * 1000:.1f} ms", "")
        row("a photo of 1 MB, median", f"{statistics.median(upload_s) * 1000:.1f} ms", "")


def take_in(agent: Account, cases: int) -> tuple[list[float], list[float]]:
    guide = agent.get(f"guides/{agent.get('guides?q=低保')['results'][0]['code']}")
    picture = photo(1400)
    body = {"item": guide["code"], "applicant": APPLICANT, "form": first_example(guide["form"]), "materials": []}
    latencies, uploads = [], []
    for position in range(cases):
        case, seconds = timed(lambda: agent.post("cases", body, Idempotency_Key=str(uuid4())))
        latencies.append(seconds)
        if position % PHOTO_EVERY == 0:
            # Another photo each time, or it would be stored once and never again.
            content = picture + position.to_bytes(4, "big")
            number = case["number"]
            _, seconds = timed(partial(agent.upload, number, guide["materials"][0]["name"], content))
            uploads.append(seconds)
    return latencies, uploads


if __name__ == "__main__":
    bench()
