"""Real processes killed with `kill -9` while they write: what was acknowledged is there, files are sound."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from random import Random

import pytest
import urllib3

from sync.databases import Databases
from sync.peer import Document, PeerError
from sync.remote import RemotePeer
from sync.store import Store
from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]
ADMIN = "admin:secret"
BATCH = 40


class Server:
    """`yizhan sync serve` as a process of its own, killed and started again on the same folder and port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self.process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://{ADMIN}@127.0.0.1:{self.port}"

    def start(self, dies: tuple[str, int] | None = None) -> None:
        """`dies` says at which write it kills itself; see `tests.sync.dying`."""
        self.process = _yizhan(
            *("serve", "--dir", str(self.folder), "--listen", f"127.0.0.1:{self.port}"), dies=dies, YIZHAN_ADMIN=ADMIN
        )
        assert self.process.stdout is not None
        told = re.search(r"127\.0\.0\.1:(\d+)", self.process.stdout.readline())
        assert told is not None
        self.port = int(told[1])

    def kill(self) -> None:
        if self.process is not None:
            _kill(self.process)
            self.process = None

    def make(self, name: str) -> RemotePeer:
        answer = urllib3.request(
            "PUT", f"http://127.0.0.1:{self.port}/{name}", headers=urllib3.make_headers(basic_auth=ADMIN)
        )
        assert answer.status in (201, 412)
        return RemotePeer(f"{self.url}/{name}", timeout_s=PATIENCE_S)


def _yizhan(*arguments: str, dies: tuple[str, int] | None = None, **environment: str) -> subprocess.Popen[str]:
    module = ["yizhan"] if dies is None else ["tests.sync.dying", dies[0], str(dies[1])]
    return subprocess.Popen(
        [sys.executable, "-m", *module, "sync", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=PATIENCE_S)


def document(random: Random, number: int) -> Document:
    return {
        "_id": f"d:{number:07}",
        "_rev": f"1-{random.getrandbits(128):032x}",
        "text": "一" * random.randrange(400),
        "number": number,
    }


class Writer(threading.Thread):
    """Bulk-writes until the server is gone, and keeps what it was told is saved."""

    def __init__(self, peer: RemotePeer, random: Random, first: int) -> None:
        super().__init__(daemon=True)
        self._peer, self._random, self._first = peer, random, first
        self.acknowledged: dict[str, Document] = {}

    def run(self) -> None:
        number = self._first
        while True:
            batch = [document(self._random, number + more) for more in range(BATCH)]
            number += BATCH
            try:
                written = self._peer.bulk_docs(batch, new_edits=False)
            except PeerError:
                return
            assert all(one.error is None for one in written)
            self.acknowledged |= {doc["_id"]: doc for doc in batch}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_a_killed_server_acknowledged_is_there_when_it_is_back(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    server = Server(tmp_path / "served")
    acknowledged: dict[str, Document] = {}
    try:
        for life in range(3):
            server.start()
            writers = [
                Writer(server.make("a"), Random(random.random()), (life * 2 + hand) * 10**6) for hand in range(2)
            ]
            for writer in writers:
                writer.start()
            time.sleep(random.uniform(0.05, 0.9))
            server.kill()
            for writer in writers:
                writer.join(PATIENCE_S)
                assert not writer.is_alive()
                acknowledged |= writer.acknowledged
            store = Store(server.folder / "a.sqlite3", name="a", random=random)
            try:
                assert store.check() == []
                found = {doc["_id"]: doc for doc in store.read(acknowledged)}
                assert found == acknowledged
                # Every batch is there whole or not at all.
                assert len(store.range("", "\uffff")) % BATCH == 0
            finally:
                store.close()
    finally:
        server.kill()
    assert len(acknowledged) >= BATCH


@pytest.mark.parametrize("seed", [1, 2])
def test_a_killed_replication_goes_on_with_a_sound_target_and_a_true_checkpoint(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    wanted = {doc["_id"]: doc for doc in (document(random, number) for number in range(6000))}
    databases = Databases(tmp_path / "source", random=random)
    databases.open("a").save(list(wanted.values()))
    databases.close()
    server = Server(tmp_path / "source")
    target = tmp_path / "target"
    killed = 0
    try:
        server.start()
        for _ in range(12):
            process = _yizhan("replicate", f"{server.url}/a", f"{target}/a", "--json")
            _let_it_write(target / "a.sqlite3", random)
            if process.poll() is None:
                killed += 1
            _kill(process)
            if random.random() < 0.3:
                # The other end too.
                server.kill()
                server.start()
            _is_sound(target, wanted)
        figures = _finish("replicate", f"{server.url}/a", f"{target}/a", "--json")
        assert figures["doc_write_failures"] == 0
        assert _finish("replicate", f"{server.url}/a", f"{target}/a", "--json")["docs_read"] == 0
    finally:
        server.kill()
    assert killed > 0
    assert _is_sound(target, wanted) == len(wanted)


def test_a_push_goes_on_when_the_server_was_killed_under_it(tmp_path: Path) -> None:
    random = Random(5)
    wanted = {doc["_id"]: doc for doc in (document(random, number) for number in range(8000))}
    databases = Databases(tmp_path / "here", random=random)
    databases.open("a").save(list(wanted.values()))
    databases.close()
    server = Server(tmp_path / "there")
    there = 0
    try:
        for dies in (("insert", 4), ("commit", 2), ("committed", 2), ("insert", 1), ("committed", 1), ("commit", 1)):
            server.start(dies)
            server.make("a")
            process = _yizhan("replicate", f"{tmp_path / 'here'}/a", f"{server.url}/a", "--json")
            _, told = process.communicate(timeout=PATIENCE_S)
            assert process.returncode == 1
            assert "Unreachable" in told
            assert "Traceback" not in told
            server.kill()
            before, there = there, _is_sound(server.folder, wanted)
            # What was durable when it died has come, and stays: a first write is whole or not there at all.
            assert there > before if dies[1] > 1 or dies[0] == "committed" else there == before
        server.start()
        _finish("replicate", f"{tmp_path / 'here'}/a", f"{server.url}/a", "--json")
    finally:
        server.kill()
    assert _is_sound(server.folder, wanted) == len(wanted)


def _let_it_write(file: Path, random: Random) -> None:
    """Wait until the process that was just started is at its writing, and a random moment longer."""
    before = _size(file)
    end = time.monotonic() + 3
    while _size(file) == before and time.monotonic() < end:
        time.sleep(0.005)
    time.sleep(random.uniform(0, 0.15))


def _size(file: Path) -> int:
    return sum(part.stat().st_size for part in file.parent.glob(f"{file.name}*")) if file.parent.exists() else 0


def _finish(*arguments: str) -> Document:
    process = _yizhan(*arguments)
    told, wrong = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, wrong
    figures: Document = json.loads(told)
    return figures


def _is_sound(folder: Path, wanted: dict[str, Document]) -> int:
    """How many documents the database `a` there has: all sound, none that was not written."""
    if not (folder / "a.sqlite3").exists():
        return 0
    store = Store(folder / "a.sqlite3", name="a", random=Random(1))
    try:
        assert store.check() == []
        found = {doc["_id"]: doc for doc in store.range("", "\uffff")}
    finally:
        store.close()
    assert found.items() <= wanted.items()
    return len(found)
