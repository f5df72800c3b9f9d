"""`yizhan sync serve` as a process of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
import urllib3

from tests.patience import PATIENCE_S

ROOT = Path(__file__).parents[2]


def start(*arguments: str, environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdout=subprocess.PIPE,
        text=True,
    )


class Served:
    """A running `yizhan sync serve` and a way to ask it over a new connection each time."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.process = start(
            *("-m", "yizhan", "sync", "serve", "--dir", str(folder), "--listen", "127.0.0.1:0", "--admin", "a:b"),
            *options,
        )
        assert self.process.stdout is not None
        found = re.search(r"http://[^/]*:(\d+)/", self.process.stdout.readline())
        assert found is not None
        self.url = f"http://127.0.0.1:{found[1]}"
        self.address = ("127.0.0.1", int(found[1]))

    def __call__(self, method: str, path: str, body: object = None, **headers: str) -> urllib3.BaseHTTPResponse:
        with urllib3.PoolManager() as pool:
            headers.setdefault("Authorization", "Basic YTpi")
            return pool.request(method, self.url + path, json=body, headers=headers, retries=False)

    def workers(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
        self.process.wait(PATIENCE_S)
