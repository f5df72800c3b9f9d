"""A release of 2,000 items and then one that changes 50 of them, over the wire to a station, counted at a relay."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import click

from casework.documents import item as item_type
from casework.documents.item import CONTENT_SCHEMA
from central.catalogue.drafts import APPROVED, DRAFTING, following
from central.catalogue.publishing import publish
from node.guides import Catalogue
from node.line import TEXT_BYTES, TEXT_REQUEST_BYTES
from provisioning import sample_county
from provisioning.county import County, county_opened
from provisioning.folder import CountyFolder
from provisioning.operations import init_county
from provisioning.relay import Relay
from sync.checkpoints import Memory
from sync.lanes import Lane
from sync.remote import RemotePeer
from sync.replicator import replicate
from sync.store import Store
from tests.bench.node import row
from tests.bench.replication import ADMIN, served

ITEMS = 2_000
CHANGED = 50
GOAL_BYTES = 60_000
# Beside 140, so that the changed items are 50 different ones of the sample county's.
_EVERY = 39


def releases() -> None:
    """Run it and print it."""
    with tempfile.TemporaryDirectory(prefix="yizhan-bench-") as scratch:
        folder = Path(scratch)
        init_county(
            folder / "county", code="600101", name="驿山县政务服务中心", listen="127.0.0.1:0", contact_interval_s=3,
            now=_now, random=Random(1),
        )  # fmt: skip
        store = Store(folder / "station.sqlite3", name="catalogue", random=Random(3))
        with _county(folder) as county:
            _approve(county, _items(""))
            publish(county)
            register = county.register()
        catalogue = Catalogue(folder / "guides.sqlite3", store=store, register=lambda: register, now=_now)
        memory = Memory()
        first = _pulled(folder, store, memory)
        took = _switched(catalogue)
        row(f"a first load of {ITEMS:,} items", f"{sum(first):,} B", f"{first[0]:,} up, {first[1]:,} down")
        row("  checked and switched to", f"{took:.2f} s CPU", "")
        with _county(folder) as county:
            _approve(county, _items("本次修改。"))
            release = publish(county)
            assert len(release.changed) == CHANGED, len(release.changed)
        again = _pulled(folder, store, memory)
        took = _switched(catalogue)
        row(f"{CHANGED} items of {ITEMS:,} changed", f"{sum(again):,} B", f"goal {GOAL_BYTES:,}; {again[0]:,} up")
        row(
            "  checked and switched to",
            f"{took:.2f} s CPU",
            "what is looked up in is made anew, the rest only as changed",
        )
        catalogue.close()
        _at_once(folder, store, register)
        store.close()


def _at_once(folder: Path, store: Store, register: Any) -> None:
    anew = Catalogue(folder / "anew.sqlite3", store=store, register=lambda: register, now=_now)
    row("  the same, all of it anew", f"{_switched(anew):.2f} s CPU", "as a station does whose tables were thrown away")
    anew.close()


def _switched(catalogue: Catalogue) -> float:
    """Seconds of this process's own work: what else runs on the machine is not in it."""
    began = time.process_time()
    assert catalogue.refresh(), catalogue.problems
    return time.process_time() - began


def _pulled(folder: Path, store: Store, memory: Memory) -> tuple[int, int]:
    """Bytes up and down of one pull as a station's line makes it, all of HTTP in them."""
    with served(CountyFolder.open(folder / "county").databases, workers=1) as server:
        relay = Relay(("127.0.0.1", 0), ("127.0.0.1", server.port), random=Random(1))
        relay.start()
        source = RemotePeer(
            f"http://{ADMIN}@127.0.0.1:{relay.listen[1]}/catalogue", name="county:600101/catalogue", random=Random(2)
        )
        lane = Lane(source, "text", lambda _id: True)
        replicate(
            lane, store, now=_now, random=Random(4), request_bytes=TEXT_REQUEST_BYTES, document_bytes=TEXT_BYTES,
            memory=memory,
        )  # fmt: skip
        found = relay.bytes_up, relay.bytes_down
        relay.stop()
    return found


@contextmanager
def _county(folder: Path) -> Iterator[County]:
    with county_opened(folder / "county", now=_now, random=Random(5)) as county:
        yield county


def _items(said: str) -> list[dict[str, Any]]:
    """2,000 items, each the guide of one of the sample county's under a name, code and numbers of its own; `said`
    changes 50 of them in a condition, a material and a limit."""
    sample = sample_county.load("items")
    known = [{**one, "form": sample["forms"].get(one["form"], one["form"])} for one in _whole(sample["items"])]
    random = Random(6)
    found = []
    for place in range(ITEMS):
        item = deepcopy(known[place % len(known)])
        item["code"] = f"600101{place % 40:02d}ZZ-GF-{place:04d}"
        item["name"] = f"{item['name']}（{place:04d}）"
        item["phones"] = {"enquiry": f"0000-{random.randrange(10**7):07d}", "complaint": "0000-0012345"}
        if said and place % _EVERY == 0 and place // _EVERY < CHANGED:
            item["conditions"] = [*item["conditions"], f"{said}第 {place} 项另有规定的从其规定"]
            item["materials"] = [{**material, "copies": material["copies"] + 1} for material in item["materials"]]
        found.append(item)
    return found


def _whole(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    plain = {"form_version": 1, "form": {"type": "object", "properties": {}}}
    return [{**plain, **{k: v for k, v in one.items() if not k.startswith("_")}} for one in items]


def _approve(county: County, items: list[dict[str, Any]]) -> None:
    """As drafts that are approved already: an import would judge each, which is not what is measured here."""
    drafting = county.databases.open(DRAFTING)
    written = []
    for item in items:
        known = drafting.get(f"draft:{item['code']}")
        if known is not None and item_type.is_same_content(known["item"], item):
            continue
        draft = {"_id": f"draft:{item['code']}", "item": item, "state": APPROVED, "by": "bench", "at": "2026-09-16"}
        written.append(following(known, draft))
    assert set(CONTENT_SCHEMA["required"]) <= items[0].keys()
    drafting.save(written)


_now = partial(datetime, 2026, 9, 16, 1, tzinfo=UTC)

if __name__ == "__main__":
    click.echo(f"A catalogue of {ITEMS:,} items")
    releases()
