"""After an outage: every station of a county pushes what it has and pulls what is new, all at the same time.

`python -m tests.bench.outage --stations 1000`. A real county, of one process or of `--workers`; the stations are the
production replicator over HTTP, in a few processes of many threads. Prints how long a station waits, what the county
needed, and per station.
"""

from __future__ import annotations

import base64
import multiprocessing
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

import click
import psutil
import urllib3
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key

from casework.canonical import Document
from casework.documents import event as events
from casework.documents import register as registers
from casework.documents.register import Key
from casework.numbers import case_number
from casework.signing import sign_document, signer
from casework.times import CHINA, Hlc, milliseconds, rfc3339
from central.catalogue.drafts import import_items
from central.catalogue.publishing import publish
from central.operations import OPERATIONS
from provisioning import sample_county
from provisioning.authority import der, pem
from provisioning.carry_out import carry_out
from provisioning.contact import StationReport, contact
from provisioning.county import County, county_opened
from provisioning.keys import StationKey, key_id, request_certificate
from provisioning.line import poster
from provisioning.operations import init_county, station_add
from provisioning.register import station_database
from sync.remote import RemotePeer
from sync.replicator import replicate
from sync.store import Store
from sync.write_rules import append_only, county_only
from tests.central.county import intake
from tests.patience import until
from tests.stories.county import alive, free_port_block

COUNTY = "600101"
PROCESSES = 4
THREADS = 40
SERVING_THREADS = 16
GOAL_MEMORY_MIB = 400
# Asking for shares of pages (PSS) walks all of a process's memory.
SAMPLE_EVERY_S = 0.5


@dataclass(frozen=True)
class Outcome:
    """What one station saw: seconds from the common start to the end of its push and of its pull."""

    station: str
    pushed_s: float
    pulled_s: float
    documents: int
    error: str | None


@dataclass(frozen=True)
class Figures:
    """What the whole county saw."""

    stations: int
    outcomes: list[Outcome]
    seconds: float
    receipts_s: float
    cpu_s: float
    cpu_to_its_end_s: float
    most_pss_mib: float
    most_rss_mib: float

    @property
    def cpu_a_station_s(self) -> float:
        """To the county's end: a small county has all its files open when the last receipt is written, and still has to
        bring their logs in, which a large one did on the way.
        """
        return self.cpu_to_its_end_s / self.stations


def station_codes(count: int) -> list[tuple[str, str, str]]:
    """(code, kind, name) of townships with forty villages each."""
    codes = []
    township = 100
    while len(codes) < count:
        township += 1
        above = f"{COUNTY}{township}"
        codes.append((f"{above}000", "township", f"{township}镇便民服务中心"))
        codes += [(f"{above}{200 + n}", "village", f"{township}镇{n}村便民服务站") for n in range(1, 41)]
    return codes[:count]


def make_county(folder: Path, stations: Sequence[tuple[str, str, str]]) -> dict[str, ec.EllipticCurvePrivateKey]:
    """A county in which these stations are enrolled, by one register and not by a thousand."""
    now, random = lambda: datetime.now(UTC), Random(1)
    init_county(
        folder, code=COUNTY, name="演练县", listen="127.0.0.1:0", contact_interval_s=120, now=now, random=random
    )
    private = {code: ec.generate_private_key(ec.SECP256R1()) for code, _, _ in stations}
    with county_opened(folder, now=now, random=random) as county:
        station_add(county, {"stations": [{"code": code, "name": name} for code, _, name in stations]})
        _enrol_all(county, stations, private)
        assert import_items(county, some_items(3, ""), approve=True, by="bench").imported
        publish(county)
    return private


def some_items(count: int, note: str) -> Document:
    sample = sample_county.load("items")
    items = sample["items"][:count]
    return {**sample, "items": [{**item, "note": note} for item in items]}


def _enrol_all(
    county: County, stations: Sequence[tuple[str, str, str]], private: dict[str, ec.EllipticCurvePrivateKey]
) -> None:
    before = county.register()
    keys = list(before.keys)
    for code, kind, name in stations:
        certificate = county.authority.certify(
            request_certificate(private[code], code), station=code, serial=1, kind=kind, name=name,
            now=county.now(), random=county.random,
        )  # fmt: skip
        keys.append(
            Key(
                id=key_id(code, 1),
                station=code,
                kind=kind,
                parent=f"{code[:9]}000" if kind == "village" else f"{COUNTY}000000",
                name=name,
                certificate=base64.b64encode(der(certificate)).decode("ascii"),
                since=rfc3339(county.now()),
            )
        )
    body = registers.build(before.number + 1, COUNTY, keys, rfc3339(county.now()), pem(county.authority.certificate))
    county.catalogue.update(sign_document(body, registers.AUTHORITY, county.authority.sign))
    county.apply_securities()


def write_cases(store: Store, code: str, private: ec.EllipticCurvePrivateKey, item: Document, count: int) -> None:
    """`count` events of cases taken in here, chained and signed as a station's desk does."""
    sign, random, home = signer(private), Random(code), station_database(code)
    by: events.By = {"account": "agent", "name": "王某某", "role": "agent", "department": None}
    start = datetime.now(UTC) - timedelta(hours=8)
    documents: list[Document] = []
    prev: str | None = None
    for serial in range(1, count + 1):
        at = start + timedelta(seconds=serial)
        if serial % 2:
            number = case_number(code, at.astimezone(CHINA).date(), serial, random)
            kind, data, seen = "received", intake(item, f"第{serial}位"), []
        else:
            kind, data, seen = "accepted", dict[str, Any](), [documents[-1]["_id"]]
        documents.append(
            events.compose(
                case=number, kind=kind, data=data, by=by, station=code, incarnation=f"{code}0000", key=key_id(code, 1),
                at=Hlc(milliseconds(at), 0, code), clock={"raw": rfc3339(at), "offset": 0, "how": "county"},
                seen=seen, home=home, serial=serial, prev=prev, sign=sign,
            )
        )  # fmt: skip
        prev = documents[-1]["_id"]
    store.save(documents)


class Stations:
    """Some of the stations, in a process of their own."""

    def __init__(self, folder: Path, url: str, codes: Sequence[str], private: dict[str, Any], item: Document) -> None:
        self.url = url
        self.random = SystemRandom()
        self.pool = urllib3.PoolManager(num_pools=2, maxsize=THREADS, timeout=urllib3.Timeout(connect=30, read=120))
        self.post = poster(self.pool, timeout_s=120)
        self.keys = {code: StationKey(code, 1, private[code]) for code in codes}
        self.folder = folder
        self.item = item
        self.nonces: dict[str, str] = {}

    def prepare(self, code: str, events_each: int) -> None:
        """As it stood before the line broke: in contact, the catalogue pulled once; then work was done offline."""
        (self.folder / code).mkdir(parents=True)
        self._in_step(code)
        store = self.cases(code)
        write_cases(store, code, self.keys[code].private_key, self.item, events_each)
        store.close()

    def cases(self, code: str) -> Store:
        name = station_database(code)
        return Store(self.folder / code / f"{name}.sqlite3", name=name, rule=append_only(), random=self.random)

    def _in_step(self, code: str) -> int:
        authorization = self._token(code)
        catalogue = Store(
            self.folder / code / "catalogue.sqlite3", name="catalogue", rule=county_only, random=self.random
        )
        pulled = replicate(
            RemotePeer(
                f"{self.url}/couch/catalogue", pool=self.pool, authorization=lambda: authorization, timeout_s=120
            ),
            catalogue,
            now=lambda: datetime.now(UTC),
            random=self.random,
        )
        catalogue.close()
        return pulled.docs_written

    def _token(self, code: str) -> str:
        report = StationReport(
            version="bench", register=1, release=None, clock=rfc3339(datetime.now(UTC)), interval_s=120, waiting=0,
            contested=0, refused=0, disk_free_bytes=1,
        )  # fmt: skip
        made = contact(
            self.post, self.url, self.keys[code], self.nonces.get(code), report, now=lambda: datetime.now(UTC)
        )
        self.nonces[code] = made.nonce
        return f"Bearer {made.session}"

    def comes_back(self, code: str, began: float) -> Outcome:
        """The line is there again: contact, push, pull."""
        store = self.cases(code)
        try:
            authorization = self._token(code)
            pushed = replicate(
                store,
                RemotePeer(
                    f"{self.url}/couch/{station_database(code)}", pool=self.pool,
                    authorization=lambda: authorization, timeout_s=120,
                ),
                now=lambda: datetime.now(UTC),
                random=self.random,
            )  # fmt: skip
            pushed_s = time.monotonic() - began
            pulled = self._in_step(code)
            return Outcome(code, pushed_s, time.monotonic() - began, pushed.docs_written + pulled, None)
        except Exception as problem:
            return Outcome(code, 0, time.monotonic() - began, 0, f"{type(problem).__name__}: {problem}")
        finally:
            store.close()


def stations_process(
    folder: Path,
    url: str,
    codes: Sequence[str],
    private: dict[str, bytes],
    item: Document,
    events_each: int,
    ready: Any,
    go: Any,
    outcomes: Any,
) -> None:
    keys = {code: load_der_private_key(private[code], password=None) for code in codes}
    stations = Stations(folder, url, codes, keys, item)
    with ThreadPoolExecutor(THREADS) as workers:
        list(workers.map(lambda code: stations.prepare(code, events_each), codes))
        ready.put(len(codes))
        go.wait()
        began = time.monotonic()
        for outcome in workers.map(lambda code: stations.comes_back(code, began), codes):
            outcomes.put(outcome)


class Watch(threading.Thread):
    """The county's memory in all its processes, looked at while it works.

    PSS is what there is: workers are forked, and RSS counts what they share once for each of them.
    """

    def __init__(self, process: psutil.Process) -> None:
        super().__init__(daemon=True)
        self.process = process
        self.most_pss = 0
        self.most_rss = 0
        self.done = threading.Event()

    def run(self) -> None:
        while not self.done.wait(SAMPLE_EVERY_S):
            found = [memory for one in self._everybody() if (memory := _memory(one)) is not None]
            self.most_pss = max(self.most_pss, sum(memory.pss for memory in found))
            self.most_rss = max(self.most_rss, sum(memory.rss for memory in found))

    def _everybody(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]

    def cpu_s(self) -> float:
        """Of all that serve now, and of those that have ended."""
        times = [one.cpu_times() for one in self._everybody()]
        ended = self.process.cpu_times()
        return sum(one.user + one.system for one in times) + ended.children_user + ended.children_system


def _memory(process: psutil.Process) -> Any:
    """None of one that has ended meanwhile: who makes a release's tables lives a second."""
    try:
        return process.memory_full_info()
    except psutil.NoSuchProcess:
        return None


def come_back(stations: int, events_each: int, scratch: Path, workers: int = 1) -> Figures:
    """Run it once with so many stations, and so many processes of the county."""
    folder = scratch / "county"
    listed = station_codes(stations)
    private = make_county(folder, listed)
    item = next(iter(_items(folder)))
    port = free_port_block()
    url = f"http://127.0.0.1:{port}"
    service = subprocess.Popen(
        [
            sys.executable, "-m", "yizhan", "central", "serve", "--dir", str(folder), "--listen", f"127.0.0.1:{port}",
            "--workers", str(workers),
        ],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until(lambda: alive(url), "the county answers", within_s=60)
        # A connection stays with the process that took it: all of them are to be there for the first ones.
        until(lambda: _serving(service) >= workers, "each of its processes serves", within_s=60)
        context = multiprocessing.get_context("spawn")
        ready, go, outcomes = context.Queue(), context.Event(), context.Queue()
        sealed = {
            code: key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()) for code, key in private.items()
        }
        codes = [code for code, _, _ in listed]
        shares = [codes[n::PROCESSES] for n in range(PROCESSES)]
        everybody = [
            context.Process(
                target=stations_process,
                args=(scratch / "stations", url, share, {code: sealed[code] for code in share}, item, events_each,
                      ready, go, outcomes),
                daemon=True,
            )
            for share in shares
        ]  # fmt: skip
        for process in everybody:
            process.start()
        for _ in everybody:
            ready.get(timeout=1200)
        _change_catalogue(folder)
        watch = Watch(psutil.Process(service.pid))
        watch.start()
        before = watch.cpu_s()
        began = time.monotonic()
        go.set()
        found = [outcomes.get(timeout=1200) for _ in codes]
        seconds = time.monotonic() - began
        _wait_for_receipts(folder, codes, events_each)
        receipts_s = time.monotonic() - began
        cpu_s = watch.cpu_s() - before
        watch.done.set()
        cpu_to_its_end_s = _ended(service) - before
        return Figures(
            stations, found, seconds, receipts_s, cpu_s, cpu_to_its_end_s, watch.most_pss / 2**20,
            watch.most_rss / 2**20,
        )  # fmt: skip
    finally:
        service.terminate()
        service.wait(30)


def _ended(service: subprocess.Popen[bytes]) -> float:
    """Have the county close its files and end; what its processes took from their start, in seconds of processor."""
    service.terminate()
    _pid, status, usage = os.wait4(service.pid, 0)
    service.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime


def _serving(service: subprocess.Popen[bytes]) -> int:
    """How many of the county's processes have their threads up."""
    first = psutil.Process(service.pid)
    return sum(one.num_threads() > SERVING_THREADS for one in (first, *first.children()))


def _items(folder: Path) -> list[Document]:
    with county_opened(folder, now=lambda: datetime.now(UTC), random=Random(2)) as county:
        return county.catalogue.range("item:", "item;")


def _change_catalogue(folder: Path) -> None:
    """Fifty changes for every station, published while nobody could hear of them."""
    carry_out(folder, "catalogue_import", {"records": some_items(48, "改过"), "approve": True}, OPERATIONS)
    carry_out(folder, "catalogue_publish", {}, OPERATIONS)


def _wait_for_receipts(folder: Path, codes: Sequence[str], events_each: int) -> None:
    wanted = len(codes) * ((events_each + 1) // 2)
    database = f"file:{folder}/projections.sqlite3?mode=ro"

    def written() -> bool:
        with sqlite3.connect(database, uri=True) as db:
            # Both from small indexes: to look through all cases twice a second would take from what is measured.
            waiting = db.execute("SELECT count(*) FROM cases WHERE waiting > 0").fetchone()[0]
            known = db.execute("SELECT count(*) FROM cases").fetchone()[0] if not waiting else 0
            return bool(known >= wanted)

    until(written, "every case has its receipt", within_s=1200, every_s=0.5)


@click.command()
@click.option("--stations", default=1000, show_default=True)
@click.option("--events", "events_each", default=100, show_default=True, help="new events of each station")
@click.option("--workers", default=1, show_default=True, help="processes of the county")
@click.option(
    "--beside", default=100, show_default=True, help="a county of so few before and after, for comparison; 0 for none"
)
@click.option("--rounds", default=3, show_default=True, help="how often the small county is run before, and after")
def bench(stations: int, events_each: int, workers: int, beside: int, rounds: int) -> None:
    """All stations of a county come back at the same time."""
    # The small one several times, before and after: a machine's speed wanders, by a tenth from one minute to the next.
    small = [beside] * rounds if beside else []
    found: dict[int, list[Figures]] = {}
    for count in [*small, stations, *small]:
        with tempfile.TemporaryDirectory(prefix="yizhan-outage-") as scratch:
            figures = come_back(count, events_each, Path(scratch), workers)
            found.setdefault(count, []).append(figures)
            tell(figures)
    if beside:
        large = found[stations][0].cpu_a_station_s
        beside_it = [figures.cpu_a_station_s for figures in found[beside]]
        ratio = large / statistics.mean(beside_it)
        click.echo(f"{'county CPU a station, large/small':<40}{ratio:>10.2f}   goal: does not grow")
        each = ", ".join(f"{1000 * seconds:.0f}" for seconds in beside_it)
        click.echo(f"  large: {1000 * large:.0f} ms; small: {each} ms ({rounds} before, {rounds} after)")


def tell(found: Figures) -> None:
    pushed = sorted(one.pushed_s for one in found.outcomes)
    pulled = sorted(one.pulled_s for one in found.outcomes)
    failed = [one for one in found.outcomes if one.error is not None]
    click.echo(f"{found.stations} stations: {len(failed)} failed")
    for one in failed[:5]:
        click.echo(f"  {one.station}: {one.error}")
    for name, value in (
        ("pushed, median", f"{statistics.median(pushed):.1f} s"),
        ("pushed, p99", f"{pushed[int(len(pushed) * 0.99)]:.1f} s"),
        ("pushed and pulled, p99", f"{pulled[int(len(pulled) * 0.99)]:.1f} s"),
        ("all in step", f"{found.seconds:.1f} s"),
        ("every case receipted", f"{found.receipts_s:.1f} s"),
        ("county CPU to the last receipt", f"{found.cpu_s:.1f} s"),
        ("county CPU, all files closed", f"{found.cpu_to_its_end_s:.1f} s"),
        ("county CPU a station", f"{1000 * found.cpu_a_station_s:.0f} ms"),
        ("county memory (PSS), most", f"{found.most_pss_mib:.0f} MiB (goal {GOAL_MEMORY_MIB}, in all its processes)"),
        ("county memory (RSS), most", f"{found.most_rss_mib:.0f} MiB"),
    ):
        click.echo(f"  {name:<38}{value:>12}")


if __name__ == "__main__":
    bench()
