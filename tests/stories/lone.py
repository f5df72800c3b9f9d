"""A station as its own process whose county is gone: made with the commands that a real county uses."""

from __future__ import annotations

import http.cookies
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3

from provisioning import sample_county
from tests.patience import PATIENCE_S, until
from tests.stories.county import HTTP, Account, alive, yizhan

VILLAGE, TOWNSHIP = "600101101201", "600101101000"
SUBSISTENCE = "最低生活保障对象认定与保障金给付"
USERNAME, PASSWORD = "wang", "a-long-password"


def make_station(folder: Path) -> Path:
    """A county, a village enrolled there with catalogue and accounts, and the county ended. The village's folder."""
    county, village = folder / "county", folder / "village"
    sample = sample_county.load("items")
    some = [item for item in sample["items"] if item["name"] == SUBSISTENCE]
    (folder / "items.json").write_text(json.dumps({**sample, "items": some}, ensure_ascii=False))
    account = {"username": USERNAME, "name": "王某某", "roles": ["agent"], "station": VILLAGE, "password": PASSWORD}
    (folder / "accounts.json").write_text(json.dumps([account], ensure_ascii=False))
    yizhan("provision", "county", "init", "--dir", county, "--code", "600101", "--name", "驿山县政务服务中心",
           "--contact-interval", 3)  # fmt: skip
    yizhan("central", "catalogue", "import", folder / "items.json", "--dir", county, "--approve")
    yizhan("central", "catalogue", "publish", "--dir", county)
    yizhan("provision", "station", "add", TOWNSHIP, "--name", "河口镇便民服务中心", "--dir", county)
    added = yizhan("provision", "station", "add", VILLAGE, "--name", "柳树湾村便民服务站", "--dir", county, "--json")
    yizhan("central", "accounts", "import", folder / "accounts.json", "--dir", county)
    code = json.loads(added)["stations"][0]["enrolment_code"]
    with running(county, "central") as centre:
        yizhan("provision", "enrol", "--dir", village, "--county", centre.url, YIZHAN_CODE=code)
        with running(village, "node") as node:
            until(lambda: node.health()["release"], "the catalogue is there")
            until(node.signs_in, "the accounts are there")
    return village


class Running:
    """One service in a process of its own, on a free port."""

    def __init__(self, folder: Path, app: str, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self.log = folder.parent / f"{folder.name}.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "yizhan", app, "serve", "--dir", folder, "--listen", "127.0.0.1:0",
                 "--stop-on-eof"],
                stdin=subprocess.PIPE, stdout=log, stderr=log, env={**os.environ, **environment},
            )  # fmt: skip
        self.url = str(until(self._announced, f"{app} answers: {self.log}"))
        until(lambda: alive(self.url), f"{app} is open: {self.log}")

    def _announced(self) -> str | None:
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        try:
            said = json.loads((self.folder / "lock").read_text())
        except (FileNotFoundError, ValueError):
            return None
        # What an earlier process left there is not this one's.
        return said.get("url") if said.get("pid") == self.process.pid else None

    def health(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(HTTP.request("GET", f"{self.url}/healthz").data)
        return told

    def signs_in(self) -> bool:
        body = json.dumps({"username": USERNAME, "password": PASSWORD})
        headers = {"Content-Type": "application/json"}
        return HTTP.request("POST", f"{self.url}/api/v1/session", body=body, headers=headers).status == 201

    def agent(self) -> Account:
        return Account(self.url, USERNAME, PASSWORD)

    def browser(self) -> Browser:
        return Browser(self.url)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE_S)


@contextmanager
def running(folder: Path, app: str = "node", **environment: str) -> Iterator[Running]:
    service = Running(folder, app, environment)
    try:
        yield service
    finally:
        service.stop()


@contextmanager
def copied(made: Path, folder: Path, **environment: str) -> Iterator[Running]:
    shutil.copytree(made, folder)
    with running(folder, **environment) as node:
        yield node


class Browser:
    """Somebody at a page, over HTTP: keeps cookies, sends forms."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.cookies: dict[str, str] = {}
        page = self.get("/signin")[1]
        status, _, _ = self.send("/signin", page, {"username": USERNAME, "password": PASSWORD, "next": "/"})
        assert status == 302

    def get(self, path: str) -> tuple[int, str]:
        status, text, _ = self._request("GET", path, None)
        return status, text

    def send(self, path: str, page: str, fields: Mapping[str, str]) -> tuple[int, str, str]:
        """Status, text and where it leads; with the mark that stands in `page`."""
        mark = re.search(r'name="csrf" value="([0-9a-f]+)"', page)
        assert mark, page[:2000]
        return self._request("POST", path, urlencode({"csrf": mark[1], **fields}))

    def _request(self, method: str, path: str, body: str | None) -> tuple[int, str, str]:
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        answer = HTTP.request(method, f"{self.url}{path}", body=body, headers=headers, redirect=False)
        for line in answer.headers.getlist("Set-Cookie"):
            for name, morsel in http.cookies.SimpleCookie(line).items():
                self.cookies[name] = morsel.value
        return answer.status, answer.data.decode(), answer.headers.get("Location", "")


# A killed server closes its connections in the middle of an answer.
BROKEN = (urllib3.exceptions.HTTPError, ConnectionError, ValueError)
