"""The peers as processes: node with PouchDB, pouchdb-server, and `yizhan sync serve`. All tests of this folder run in
one worker, so that each is started once.
"""

from __future__ import annotations

import itertools
import json
import re
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import pytest
import urllib3

from provisioning.relay import Relay
from tests.patience import PATIENCE_S, until
from tests.peers.pouch import ROOT, Node, installed, process

_names = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.processes)


class Site:
    """A server of CouchDB URLs, ours or another; `url` has the administrator in it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.address = (urlsplit(url).hostname or "", urlsplit(url).port or 0)
        self._pool = urllib3.PoolManager()
        credentials = urlsplit(url).netloc.rpartition("@")[0]
        self._headers = urllib3.make_headers(basic_auth=credentials) if credentials else {}

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """The JSON answer; fails on anything but a 2xx."""
        where = f"http://{self.address[0]}:{self.address[1]}{path}"
        answer = self._pool.request(
            method,
            where,
            body=None if body is None else json.dumps(body),
            headers={**self._headers, "Content-Type": "application/json"},
            retries=False,
            timeout=PATIENCE_S,
        )
        assert 200 <= answer.status < 300, f"{method} {path}: {answer.status} {answer.data[:300]!r}"
        return answer.json()

    def make(self) -> str:
        """A new database: its URL."""
        name = f"db{next(_names)}"
        self.ask("PUT", f"/{name}")
        return f"{self.url}/{name}"


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    started = Node(tmp_path_factory.mktemp("pouchdb"))
    yield started
    started.close()


@pytest.fixture
def local(node: Node) -> Callable[[], str]:
    """The name of a new database inside node."""
    return lambda: f"local{next(_names)}"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """`yizhan sync serve`."""
    folder = tmp_path_factory.mktemp("served")
    command = [sys.executable, "-m", "yizhan", "sync", "serve", "--dir", str(folder), "--listen", "127.0.0.1:0"]
    with process(command, ROOT, {"YIZHAN_ADMIN": "admin:pass"}) as serving:
        assert serving.stdout is not None
        line = serving.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
        assert found, line
        yield Site(f"http://admin:pass@127.0.0.1:{found[1]}")


@pytest.fixture(scope="session")
def pouchdb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """pouchdb-server, in memory; it has no administrator."""
    folder = tmp_path_factory.mktemp("pouchdb-server")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    started = installed() / "pouchdb-server" / "bin" / "pouchdb-server"
    options = ["--in-memory", "--host", "127.0.0.1", "--port", str(port), "--no-color", "--no-stdout-logs"]
    with process(["node", str(started), *options], folder, {}) as serving:
        there = Site(f"http://127.0.0.1:{port}")

        def answers() -> bool:
            assert serving.poll() is None, f"pouchdb-server ended with {serving.returncode}"
            with suppress(urllib3.exceptions.HTTPError):
                there.ask("GET", "/")
                return True
            return False

        until(answers, "pouchdb-server answers")
        yield there


@pytest.fixture
def relay(site: Site) -> Iterator[Relay]:
    """A line to our server that can be cut."""
    line = Relay(("127.0.0.1", 0), site.address, random=Random(3))
    line.start()
    yield line
    line.stop()
