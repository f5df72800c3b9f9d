"""Replication and bulk writing between our own processes over loopback, each beside bare SQLite in the same round.

A round runs the yardstick, then each of ours, so that a busy machine slows both; what is printed are medians over the
rounds. Ratios are to that round's yardstick.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from random import Random
from typing import Any

import click
import urllib3

from sync.databases import Databases
from sync.sqlite import which_sqlite
from tests.bench.documents import DOCUMENT_BYTES, documents
from tests.bench.yardstick import bare

ROOT = Path(__file__).parents[2]
ADMIN = "bench:bench"
A_REQUEST = 500
CLIENTS = 8
ATTACHMENT_BYTES = 50_000_000
# PouchDB's default, and what it was seen to be quickest with.
POUCHDB_BATCH, POUCHDB_BEST_BATCH = 100, 500
MIB = 2**20
# What was seen of others on one 4-core machine (issue 3); printed beside ours, where the machine is another.
POUCHDB_PULL, COUCHDB_CHANGES, COUCHDB_BULK_GET = 3_500, 58_000, 21_800


def replication(count: int, rounds: int) -> None:
    """Run it and print it."""
    with tempfile.TemporaryDirectory(prefix="yizhan-bench-") as scratch:
        bench = Bench(Path(scratch), count)
        click.echo(
            f"\n{count} documents of {DOCUMENT_BYTES} bytes, ids in order, {rounds} rounds; {which_sqlite()};"
            f" {os.cpu_count()} cores"
        )
        for number in range(rounds):
            bench.round(number)
        bench.print()
        print_attachment(Path(scratch))


class Bench:
    """The figures of all rounds: name to one value a round."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self.count = count
        self.docs = documents(count)
        self.rows = [(doc["_id"], doc["_rev"], _bytes(_content(doc))) for doc in self.docs]
        self.figures: defaultdict[str, list[float]] = defaultdict(list)
        self.shares: defaultdict[str, list[float]] = defaultdict(list)
        databases = Databases(folder / "source", random=Random(1))
        for first in range(0, count, A_REQUEST):
            databases.open("docs").save(self.docs[first : first + A_REQUEST])
        databases.close()

    def round(self, number: int) -> None:
        with served(self.folder / f"served-{number}", workers=1) as server:
            self._replicated(server, number)
            self._read(server)
            self._bulk(server, clients=1, new_edits=False)
            self._bulk(server, clients=1, new_edits=True)
            self.figures["server"].append(server.memory_mib())
        with served(self.folder / f"served-{number}-w", workers=min(8, os.cpu_count() or 1)) as server:
            self._bulk(server, clients=CLIENTS, new_edits=False)
            self._bulk(server, clients=CLIENTS, new_edits=True)
            self.figures["workers"].append(server.workers)
        with pouchdb_served(self.folder / f"served-{number}-p") as url:
            if url is not None:
                self._pouchdb_alone(url, number)
        for left in self.folder.glob("served-*"):
            shutil.rmtree(left)

    def _beside(self, name: str, rate: float) -> None:
        yardstick = bare(self.folder / "bare.sqlite3", self.rows)
        self.figures["bare SQLite"].append(yardstick)
        self.figures[name].append(rate)
        self.shares[name].append(rate / yardstick)

    def _replicated(self, server: Server, number: int) -> None:
        server.request("PUT", "/docs")
        for name, source, target in (
            ("push", f"{self.folder}/source/docs", f"{server.url}/docs"),
            ("pull", f"{server.url}/docs", f"{self.folder}/pulled-{number}/docs"),
        ):
            done = replicated(source, target)
            assert done.figures["docs_written"] == self.count, done.figures
            self._beside(name, self.count / done.figures["seconds"])
            on_the_wire = done.figures["bytes_sent"] + done.figures["bytes_received"]
            self.figures[f"{name}: bytes a document"].append(on_the_wire / self.count)
            self.figures[f"{name}: memory"].append(done.peak_mib)
            self.figures[f"{name}: requests"].append(done.figures["requests"])
        for batch in (POUCHDB_BATCH, POUCHDB_BEST_BATCH):
            if (rate := pouchdb(f"{server.url}/docs", self.folder / f"pouch-{number}", batch)) is not None:
                self.figures[f"PouchDB 9, {batch} a batch"].append(rate)
        shutil.rmtree(self.folder / f"pulled-{number}")

    def _pouchdb_alone(self, url: str, number: int) -> None:
        """PouchDB's own pair, on the same documents: PouchDB pulls from pouchdb-server."""
        pool = urllib3.PoolManager(headers={"Content-Type": "application/json"})
        assert pool.request("PUT", f"{url}/docs").status == HTTPStatus.CREATED
        for first in range(0, self.count, A_REQUEST):
            body = _bytes({"docs": self.docs[first : first + A_REQUEST], "new_edits": False})
            assert pool.request("POST", f"{url}/docs/_bulk_docs", body=body).status == HTTPStatus.CREATED
        for batch in (POUCHDB_BATCH, POUCHDB_BEST_BATCH):
            if (rate := pouchdb(f"{url}/docs", self.folder / f"pouch-{number}", batch)) is not None:
                self.figures[f"PouchDB's own pair, {batch} a batch"].append(rate)

    def _read(self, server: Server) -> None:
        _, seconds = timed(lambda: server.request("GET", "/docs/_changes?style=all_docs"))
        self.figures["_changes"].append(self.count / seconds)
        bodies = [
            _bytes({"docs": [{"id": doc["_id"], "rev": doc["_rev"]} for doc in self.docs[first : first + A_REQUEST]]})
            for first in range(0, self.count, A_REQUEST)
        ]
        connection = server.connection()
        _, seconds = timed(
            lambda: [server.request("POST", "/docs/_bulk_get?revs=true", body, connection) for body in bodies]
        )
        self.figures["_bulk_get"].append(self.count / seconds)

    def _bulk(self, server: Server, *, clients: int, new_edits: bool) -> None:
        share = self.count // clients
        name = f"_bulk_docs new_edits={str(new_edits).lower()}, {clients} client{'s' * (clients > 1)}"
        prepared: list[tuple[str, list[bytes]]] = []
        for client in range(clients):
            database = f"/bulk{client}-{str(new_edits).lower()}"
            server.request("PUT", database)
            # Each client's ids are in order, as each station's are.
            some = self.docs[client * share : (client + 1) * share]
            if new_edits:
                some = [{"_id": doc["_id"], **_content(doc)} for doc in some]
            requests = [
                _bytes({"docs": some[first : first + A_REQUEST], "new_edits": new_edits})
                for first in range(0, share, A_REQUEST)
            ]
            prepared.append((f"{database}/_bulk_docs", requests))

        def send(path: str, requests: list[bytes]) -> None:
            connection = server.connection()
            for body in requests:
                answer = server.request("POST", path, body, connection)
                assert b'"error"' not in answer, answer[:200]

        def all_of_them() -> None:
            threads = [threading.Thread(target=send, args=work) for work in prepared]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

        _, seconds = timed(all_of_them)
        for path, _ in prepared:
            held = json.loads(server.request("GET", path.removesuffix("/_bulk_docs")))["doc_count"]
            assert held == share, (path, held, share)
        self._beside(name, share * clients / seconds)

    def print(self) -> None:
        def median(name: str) -> float:
            return statistics.median(self.figures[name])

        def rate(name: str, goal: float) -> None:
            share = statistics.median(self.shares[name])
            row(name, f"{median(name):,.0f}/s", f"{share:.2f} of bare SQLite (goal {goal})")

        row("bare SQLite", f"{median('bare SQLite'):,.0f}/s", "two tables, WAL, FULL, 500 a commit")
        for name in ("pull", "push"):
            rate(name, 0.33)
            row(
                f"{name}: on the wire",
                f"{median(f'{name}: bytes a document'):.0f} B",
                f"a document, headers included (goal 350); {median(f'{name}: requests'):.0f} requests",
            )
            row(f"{name}: memory at its highest", f"{median(f'{name}: memory'):.0f} MiB", "goal 128 MiB")
        for batch, goal in ((POUCHDB_BATCH, 8), (POUCHDB_BEST_BATCH, 5)):
            # From us it pulls faster than from its own server: so both stand here, the harder one too.
            for pair, source in (("PouchDB's own pair", "pouchdb-server"), ("PouchDB 9", "us")):
                if self.figures[name := f"{pair}, {batch} a batch"]:
                    theirs = median(name)
                    pull, push = median("pull") / theirs, median("push") / theirs
                    row(
                        name,
                        f"{theirs:,.0f}/s",
                        f"pulls from {source}; our pull is {pull:.1f}, our push {push:.1f} times (goal {goal})",
                    )
        if not self.figures[f"PouchDB 9, {POUCHDB_BATCH} a batch"]:
            row("PouchDB 9", "not here", "no .artifacts/npm/node_modules/pouchdb: nothing to set beside our pull")
        row("our pull", f"{median('pull') / POUCHDB_PULL:.1f} times", f"of the {POUCHDB_PULL:,}/s seen elsewhere of it")
        for new_edits in ("false", "true"):
            rate(f"_bulk_docs new_edits={new_edits}, 1 client", 0.24)
            rate(f"_bulk_docs new_edits={new_edits}, {CLIENTS} clients", 0.41)
        workers = median("workers")
        row("", f"{workers:.0f} processes", f"served the {CLIENTS} clients")
        row("_changes", f"{median('_changes'):,.0f} rows/s", f"CouchDB, elsewhere: {COUCHDB_CHANGES:,}")
        row("_bulk_get", f"{median('_bulk_get'):,.0f}/s", f"CouchDB, elsewhere: {COUCHDB_BULK_GET:,}")
        row("the server's memory", f"{median('server'):.0f} MiB", "after the above")


def print_attachment(folder: Path) -> None:
    """A file of 50 MB inline in a document, there and back."""
    databases = Databases(folder / "large", random=Random(1))
    data = Random(5).randbytes(ATTACHMENT_BYTES)
    files = {"scan.bin": {"content_type": "application/octet-stream", "data": data}}
    databases.open("docs").update({"_id": "large", "_attachments": files})
    databases.close()
    del data, files
    with served(folder / "large-served", workers=1) as server:
        server.request("PUT", "/docs")
        for name, source, target in (
            ("push", f"{folder}/large/docs", f"{server.url}/docs"),
            ("pull", f"{server.url}/docs", f"{folder}/large-pulled/docs"),
        ):
            try:
                done = replicated(source, target)
            except RuntimeError as problem:
                row(f"{name} of a 50 MB attachment", "failed", str(problem)[:120])
                continue
            wrote = done.figures["docs_written"]
            said = f"{done.figures['seconds']:.1f} s, memory (goal 128 MiB)" if wrote else "was not carried"
            row(f"{name} of a 50 MB attachment", f"{done.peak_mib:.0f} MiB", said)
        row("the server of it", f"{server.memory_mib():.0f} MiB", "")


class Replicated:
    """What a `yizhan sync replicate` process said of itself, and how large it grew."""

    def __init__(self, figures: dict[str, Any], peak_mib: float) -> None:
        self.figures = figures
        self.peak_mib = peak_mib


def replicated(source: str, target: str) -> Replicated:
    """Run it as a process of its own. Raises `RuntimeError` with what it said when it failed."""
    command = [sys.executable, "-m", "yizhan", "sync", "replicate", source, target, "--json"]
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complained:
        process = subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=said, stderr=complained)
        peak_kib = 0
        while process.poll() is None:
            # Its own high-water mark, again and again: what is left at the end would be what this process had.
            peak_kib = max(peak_kib, _high_water_kib(process.pid))
            time.sleep(0.01)
        said.seek(0)
        complained.seek(0)
        if process.returncode != 0:
            raise RuntimeError(complained.read().decode()[-400:].strip())
        return Replicated(json.loads(said.read()), peak_kib / 1024)


def _high_water_kib(pid: int) -> int:
    try:
        status = Path(f"/proc/{pid}/status").read_text("ascii", "replace")
    except OSError:
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(found[1]) if found else 0


def environment() -> dict[str, str]:
    return {**os.environ, "YIZHAN_ADMIN": ADMIN, "MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "262144"}


class Server:
    """A running `yizhan sync serve`."""

    def __init__(self, process: subprocess.Popen[str], port: int, workers: int) -> None:
        self.process = process
        self.port = port
        self.workers = workers
        self.url = f"http://{ADMIN}@127.0.0.1:{port}"
        self._headers = {
            "Authorization": "Basic " + base64.b64encode(ADMIN.encode()).decode(),
            "Content-Type": "application/json",
        }

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)

    def request(
        self, method: str, path: str, body: bytes | None = None, connection: http.client.HTTPConnection | None = None
    ) -> bytes:
        connection = connection or self.connection()
        connection.request(method, path, body, self._headers)
        response = connection.getresponse()
        data = response.read()
        assert response.status < 300, (method, path, response.status, data[:200])
        return data

    def memory_mib(self) -> float:
        """Of all its processes together."""
        import psutil  # noqa: PLC0415

        first = psutil.Process(self.process.pid)
        return float(sum(one.memory_info().rss for one in (first, *first.children(recursive=True)))) / MIB


@contextmanager
def served(folder: Path, *, workers: int) -> Iterator[Server]:
    """`yizhan sync serve` as a process of its own; with one process where it knows no `--workers`."""
    command = [sys.executable, "-m", "yizhan", "sync", "serve", "--dir", str(folder), "--listen", "127.0.0.1:0"]
    options = subprocess.run([*command[:5], "--help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    if "--workers" in options:
        command += ["--workers", str(workers)]
    else:
        workers = 1
    process = subprocess.Popen(command, cwd=ROOT, env=environment(), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        found = re.search(r"http://[^/]*:(\d+)/", said)
        assert found is not None, said
        yield Server(process, int(found[1]), workers)
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def pouchdb_served(folder: Path) -> Iterator[str | None]:
    """The URL of a pouchdb-server of its own, in memory (no disk slows it); None where it is not installed."""
    modules = next((found for found in _npm_folders() if (found / "pouchdb-server").is_dir()), None)
    node = shutil.which("node")
    if modules is None or node is None:
        yield None
        return
    folder.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [node, str(modules / "pouchdb-server" / "bin" / "pouchdb-server")]
    options = ["--in-memory", "--host", "127.0.0.1", "--port", str(port), "--no-color", "--no-stdout-logs"]
    process = subprocess.Popen([*command, *options], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        # It takes some seconds to load; connections are refused until it listens.
        retry = urllib3.Retry(30, backoff_factor=0.1, backoff_max=1.0)
        assert urllib3.request("GET", url, retries=retry).status == HTTPStatus.OK
        yield url
    finally:
        process.terminate()
        process.wait(20)


def pouchdb(url: str, folder: Path, batch: int) -> float | None:
    """Documents a second that PouchDB 9 (leveldb) pulls from `url`, so many a batch; None where it is not installed."""
    modules = next((found for found in _npm_folders() if (found / "pouchdb").is_dir()), None)
    node = shutil.which("node")
    if modules is None or node is None:
        return None
    script = (
        f"const PouchDB = require({json.dumps(str(modules / 'pouchdb'))});"
        f"const db = new PouchDB({json.dumps(str(folder))});"
        "const began = process.hrtime.bigint();"
        f"db.replicate.from({json.dumps(url)}, {{batch_size: {batch}}}).then(done => console.log(JSON.stringify("
        "{written: done.docs_written, seconds: Number(process.hrtime.bigint() - began) / 1e9})))"
    )
    answer = subprocess.run([node, "-e", script], capture_output=True, text=True, timeout=600, check=True)
    shutil.rmtree(folder, ignore_errors=True)
    figures = json.loads(answer.stdout)
    return float(figures["written"] / figures["seconds"])


def _npm_folders() -> list[Path]:
    given = os.environ.get("YIZHAN_NPM")
    return [*([Path(given)] if given else []), ROOT / ".artifacts" / "npm" / "node_modules"]


def row(what: str, found: str, beside: str) -> None:
    click.echo(f"{what:<42}{found:>16}   {beside}")


def timed(act: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    return act(), time.perf_counter() - began


def _content(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key[0] != "_"}


def _bytes(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
