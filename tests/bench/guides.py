"""The guide search, measured on lists of questions that name the item they mean, among 2,140 items."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from central.catalogue import words as dictionaries
from provisioning import sample_county
from sync.sqlite import sqlite3
from tests.bench.catalogue import distractors
from tests.bench.node import quantile, row
from web.guides.index import LAYOUT, GuideIndex, write_index

LISTS = Path(__file__).parents[1] / "guide"
OTHERS = 2000
GOAL_P99_MS = 10
GOAL_MEMORY_MIB = 20


def reference_items() -> list[dict[str, Any]]:
    """The 140 reference items as an inventory has them: no ways of saying, no conditions, no questions."""
    kept = ("code", "name", "department", "category", "materials")
    return [{name: item[name] for name in kept} for item in sample_county.load("items")["items"]]


def catalogue(others: int = OTHERS) -> list[dict[str, Any]]:
    """The reference items among so many others."""
    known = reference_items()
    return known + distractors(others, known)


def entries(items: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The dictionaries as a county that edited none would publish them."""
    ours = {name: {key: list(ways) for key, ways in found.items()} for name, found in dictionaries.defaults().items()}
    return ours | dictionaries.made(ours, items)


@dataclass
class Figures:
    """What became of the questions of one kind: the rank of the item that was meant (0: not found), seconds each."""

    ranks: list[int] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)

    def within(self, first: int) -> float:
        return sum(0 < rank <= first for rank in self.ranks) / len(self.ranks)

    def mean_reciprocal_rank(self) -> float:
        return sum(1 / rank for rank in self.ranks if rank) / len(self.ranks)


def measured(database: Any, items: list[dict[str, Any]], queries: Iterable[dict[str, str]]) -> dict[str, Figures]:
    """By kind, and `all`. Time is the processor's, so that others on the machine do not count."""
    index = GuideIndex(database)
    found: dict[str, Figures] = defaultdict(Figures)
    for query in queries:
        began = time.process_time()
        hits = index.search(database, query["q"], limit=20)
        took = time.process_time() - began
        names = [items[hit.item]["name"] for hit in hits]
        rank = names.index(query["item"]) + 1 if query["item"] in names else 0
        for kind in (query["kind"], "all"):
            found[kind].ranks.append(rank)
            found[kind].took_s.append(took)
    return dict(found)


def guides(queries: tuple[Path, ...] = (), others: int = OTHERS) -> None:
    """How often the right item comes first, how fast, and what it costs in memory."""
    items = catalogue(others)
    known = entries(items)
    with tempfile.TemporaryDirectory(prefix="yizhan-bench-") as scratch:
        path = Path(scratch) / "guides.sqlite3"
        database = sqlite3.connect(path, isolation_level=None)
        database.executescript(LAYOUT)
        began = time.process_time()
        database.execute("BEGIN")
        write_index(database, items, known)
        database.execute("COMMIT")
        row(f"index of {len(items)} items, processor", f"{time.process_time() - began:.1f} s", "a few seconds")
        row("index on the disk", f"{path.stat().st_size / 2**20:.1f} MiB", "")
        for file in queries or sorted(LISTS.glob("queries.*.json")):
            click.echo(f"{file.name}:")
            click.echo(f"  {'kind':<10}{'n':>5}{'hit@1':>8}{'hit@3':>8}{'MRR':>7}{'median':>10}{'p99':>10}")
            for kind, figures in measured(database, items, json.loads(file.read_text(encoding="utf-8"))).items():
                median, worst = statistics.median(figures.took_s), quantile(figures.took_s, 0.99)
                click.echo(
                    f"  {kind:<10}{len(figures.ranks):>5}{figures.within(1):>8.1%}{figures.within(3):>8.1%}"
                    f"{figures.mean_reciprocal_rank():>7.3f}{median * 1000:>7.1f} ms{worst * 1000:>7.1f} ms"
                )
        database.close()
        without, opened = (memory_mib(path, search) for search in (False, True))
        row(
            "memory of the search in use",
            f"{opened - without:.1f} MiB",
            f"goal {GOAL_MEMORY_MIB} MiB, p99 {GOAL_P99_MS} ms",
        )
        row("memory while the index is made, at most", f"{peak_mib(scratch, items, known):.0f} MiB more", "")


def memory_mib(path: Path, search: bool) -> float:
    """Resident memory of a process that has the tables open, with or without having searched in them."""
    code = (
        "import sys\n"
        "from sync.sqlite import sqlite3\n"
        "from web.guides.index import GuideIndex\n"
        "database = sqlite3.connect(sys.argv[1])\n"
        "if sys.argv[2] == 'True':\n"
        "    index = GuideIndex(database)\n"
        "    for q in ('低保', 'dibao', 'sfz', '老人没了养老钱退不退', '山高头的树可以砍噻，办啥子证'):\n"
        "        index.search(database, q)\n"
        "print(open('/proc/self/statm').read().split()[1])\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(path), str(search)], capture_output=True, check=True, text=True
    )
    return int(said.stdout) * 4096 / 2**20


def peak_mib(scratch: str, items: list[dict[str, Any]], known: dict[str, Any]) -> float:
    """How much more a process had at most while it wrote the index, over what it had before."""
    given = Path(scratch) / "given.json"
    given.write_text(json.dumps(known), encoding="utf-8")
    each = Path(scratch) / "items.jsonl"
    each.write_text("\n".join(map(json.dumps, items)), encoding="utf-8")
    code = (
        "import json, sys\n"
        "peak = lambda: int(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0])\n"
        "from sync.sqlite import sqlite3\n"
        "from web.guides.index import LAYOUT, write_index\n"
        "database = sqlite3.connect(sys.argv[1] + '/made.sqlite3', isolation_level=None)\n"
        "database.executescript(LAYOUT)\n"
        "known = json.load(open(sys.argv[1] + '/given.json'))\n"
        "before = peak()\n"
        "database.execute('BEGIN')\n"
        "write_index(database, map(json.loads, open(sys.argv[1] + '/items.jsonl')), known)\n"
        "database.execute('COMMIT')\n"
        "print(peak() - before)\n"
    )
    said = subprocess.run([sys.executable, "-c", code, scratch], capture_output=True, check=True, text=True)
    return int(said.stdout) / 2**10
