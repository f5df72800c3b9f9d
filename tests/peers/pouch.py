"""PouchDB from Python: a node process that does what it is told, line by line (see `peer.cjs`)."""

from __future__ import annotations

import base64
import json
import os
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]
MODULES = ROOT / ".artifacts" / "npm" / "node_modules"
_DRIVER = Path(__file__).with_name("peer.cjs")

Document = dict[str, Any]


class PouchProblem(Exception):
    """What PouchDB answered instead: `name` and `status` as its users see them."""

    def __init__(self, told: Document) -> None:
        super().__init__(f"{told.get('status')} {told.get('name')}: {told.get('message')}")
        self.status: int | None = told.get("status")
        self.name: str | None = told.get("name")
        self.told = told


def installed() -> Path:
    """Where npm put the peers. Raises with what to do where it did not."""
    if not (MODULES / "pouchdb").is_dir():
        raise RuntimeError("PouchDB is not installed for the tests: run scripts/npm-peers (make test does).")
    return MODULES


class Node:
    """One node process; `folder` holds its databases. Calls may be made one after another only."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._process = subprocess.Popen(
            ["node", str(_DRIVER)],
            cwd=folder,
            env={**os.environ, "NODE_PATH": str(installed())},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._answers: queue.Queue[Document | None] = queue.Queue()
        self._calls = 0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(json.loads(line))
        self._answers.put(None)

    def ask(self, *, within_s: float = PATIENCE_S, **asked: Any) -> Any:
        """The answer to one call. Raises `PouchProblem`, and `TimeoutError` after `within_s`."""
        self._calls += 1
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"call": self._calls, **asked}) + "\n")
        self._process.stdin.flush()
        ends = time.monotonic() + within_s
        while True:
            try:
                told = self._answers.get(timeout=max(0.0, ends - time.monotonic()))
            except queue.Empty:
                raise TimeoutError(f"PouchDB did not answer within {within_s:.0f} s: {str(asked)[:200]}") from None
            if told is None:
                raise RuntimeError(f"node ended with {self._process.wait(PATIENCE_S)}.")
            # An answer that came after its caller had given up is nobody's.
            if told["call"] == self._calls:
                break
        if "problem" in told:
            raise PouchProblem(told["problem"])
        return told["ok"]

    def database(self, name: str, **options: Any) -> Pouch:
        """A PouchDB: a LevelDB of this process, or with a URL the HTTP adapter."""
        self.ask(do="open", db=name, options=options)
        return Pouch(self, name)

    def replicate(self, source: Pouch | str, target: Pouch | str, **options: Any) -> Document:
        """PouchDB's replicator, once, to its end: its own figures."""
        return cast(Document, self.ask(**{"do": "replicate", "from": str(source), "to": str(target)}, options=options))

    def follow(self, source: Pouch | str, target: Pouch | str, **options: Any) -> Running:
        """PouchDB's replicator, live, one way."""
        return self._running("follow", source, target, options)

    def sync(self, one: Pouch | str, other: Pouch | str, **options: Any) -> Running:
        """PouchDB's replicator, live, both ways."""
        return self._running("sync", one, other, options)

    def _running(self, act: str, one: Pouch | str, other: Pouch | str, options: Document) -> Running:
        return Running(self, self.ask(**{"do": act, "from": str(one), "to": str(other)}, options=options))

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()


class Running:
    """Something live in node: its events so far, and its end."""

    def __init__(self, node: Node, number: int) -> None:
        self._node, self._number = node, number

    def told(self) -> list[tuple[str, Any]]:
        return [(event, what) for event, what in self._node.ask(do="told", running=self._number)]

    def cancel(self) -> list[tuple[str, Any]]:
        return [(event, what) for event, what in self._node.ask(do="cancel", running=self._number)]


class Pouch:
    """A PouchDB database: any of its methods, positional arguments and options as JavaScript takes them."""

    def __init__(self, node: Node, name: str) -> None:
        self.node, self.name = node, name

    def __str__(self) -> str:
        return self.name

    def __getattr__(self, method: str) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            return self.node.ask(db=self.name, method=_CAMEL.get(method, method), args=list(args))

        return call

    def follow_changes(self, **options: Any) -> Running:
        return Running(self.node, self.node.ask(do="changes", db=self.name, options=options))

    def reopen(self) -> None:
        """Close it, as at the end of a page; the next call opens it again."""
        self.node.ask(do="forget", db=self.name)


_CAMEL = {
    "all_docs": "allDocs",
    "bulk_docs": "bulkDocs",
    "bulk_get": "bulkGet",
    "get_attachment": "getAttachment",
    "put_attachment": "putAttachment",
    "remove_attachment": "removeAttachment",
    "revs_diff": "revsDiff",
}


def as_bytes(data: bytes) -> Document:
    """Bytes for an argument."""
    return {"$bytes": base64.b64encode(data).decode()}


def read_bytes(answer: Document) -> bytes:
    """Bytes in an answer."""
    return base64.b64decode(answer["$bytes"])


@contextmanager
def process(command: Sequence[str], folder: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A process that is ended with the block."""
    started = subprocess.Popen(
        list(command), cwd=folder, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True
    )
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait(PATIENCE_S)
