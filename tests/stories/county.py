"""A real demo county for the stories: started as a user starts it, spoken to over its JSON API."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import urllib3
from click.testing import CliRunner

from tests.patience import PATIENCE_S, until
from yizhan import main

HTTP = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(PATIENCE_S))
PHOTO = Path(__file__).parent / "household-register.jpg"


class Account:
    """Somebody signed in on one of the servers."""

    def __init__(self, url: str, username: str, password: str) -> None:
        self.url = url
        self.username = username
        status, answer = self._request("POST", "session", {"username": username, "password": password}, {})
        assert status in {200, 201}, answer
        self.token = answer["token"]

    def get(self, path: str, expect: int = 200) -> Any:
        return self._expect("GET", path, None, expect)

    def post(self, path: str, body: Any = None, expect: int = 201, **headers: str) -> Any:
        return self._expect("POST", path, body, expect, **headers)

    def put(self, path: str, body: Any, expect: int = 200) -> Any:
        return self._expect("PUT", path, body, expect)

    def upload(self, number: str, material: str, content: bytes, filename: str = "photo.jpg") -> tuple[int, Any]:
        body, content_type = urllib3.encode_multipart_formdata(
            {"name": material, "file": (filename, content, "image/jpeg")}
        )
        answer = HTTP.request(
            "POST",
            f"{self.url}/api/v1/cases/{number}/materials",
            body=body,
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": content_type},
        )
        return answer.status, json.loads(answer.data)

    def fetch(self, path: str) -> tuple[int, bytes]:
        answer = HTTP.request("GET", f"{self.url}/api/v1/{path}", headers={"Authorization": f"Bearer {self.token}"})
        return answer.status, answer.data

    def _expect(self, method: str, path: str, body: Any, expect: int, **headers: str) -> Any:
        status, answer = self._request(
            method,
            path,
            body,
            {"Authorization": f"Bearer {self.token}", **{k.replace("_", "-"): v for k, v in headers.items()}},
        )
        assert status == expect, (method, path, status, answer)
        return answer

    def _request(self, method: str, path: str, body: Any, headers: dict[str, str]) -> tuple[int, Any]:
        answer = HTTP.request(
            method,
            f"{self.url}/api/v1/{path}",
            body=None if body is None else json.dumps(body),
            headers={"Content-Type": "application/json", **headers},
        )
        return answer.status, json.loads(answer.data) if answer.data else None


class DemoCounty:
    """`yizhan demo` on ports of its own; ends everything it started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port_block()
        self.log = folder.parent / "demo.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.layout: dict[str, Any] = {}

    def start(self) -> None:
        written = self.folder / "demo.json"
        before = written.stat().st_mtime_ns if written.exists() else 0
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "yizhan", "demo", "--dir", str(self.folder), "--port", str(self.port)],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        until(
            lambda: self._ended() or (written.exists() and written.stat().st_mtime_ns > before),
            "demo.json is written",
        )
        self.layout = json.loads(written.read_text())

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(PATIENCE_S)

    def line(self, state: str) -> None:
        yizhan("demo", state, "--dir", self.folder)

    def station(self, kind: str, position: int = 0) -> dict[str, Any]:
        return [station for station in self.layout["stations"] if station["kind"] == kind][position]

    def sign_in(self, place: dict[str, Any], role: str) -> Account:
        account = next(account for account in place["accounts"] if account["role"] == role)
        return Account(place["url"], account["username"], account["password"])

    def pid_of(self, place: dict[str, Any]) -> int:
        """The process that serves this place, as its lock says."""
        pid = json.loads((Path(place["dir"]) / "lock").read_text())["pid"]
        assert isinstance(pid, int)
        return pid

    def kill(self, place: dict[str, Any]) -> int:
        """`kill -9` of one place's process; the demo starts it again."""
        pid = self.pid_of(place)
        os.kill(pid, signal.SIGKILL)
        return pid

    def _ended(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise AssertionError("the demo ended:\n" + self.log.read_text()[-4000:])
        return False


def yizhan(*arguments: object, **environment: str) -> str:
    """What a command says, which must succeed. It is given in this process: another takes a second to begin."""
    done = CliRunner().invoke(main, list(map(str, arguments)), env=environment)
    assert done.exit_code == 0, done.output[-3000:]
    return done.stdout


def alive(url: str) -> bool:
    """Whether a service answers there, and is no longer being opened."""
    try:
        answer = HTTP.request("GET", f"{url}/healthz", timeout=1)
        return answer.status == 200 and answer.json()["status"] == "ok"
    except urllib3.exceptions.HTTPError:
        # Refused, or the connection of the process that was killed.
        return False


def free_port_block() -> int:
    """A first port such that all the ports the demo derives from it are free."""
    for first in range(21000, 60000, 97):
        try:
            sockets = []
            for offset in (0, 1, 2, 10, 20, 30):
                probe = socket.socket()
                sockets.append(probe)
                probe.bind(("127.0.0.1", first + offset + (os.getpid() % 40) * 40 % 5000))
        except OSError:
            continue
        finally:
            for probe in sockets:
                probe.close()
        return first + (os.getpid() % 40) * 40 % 5000
    raise AssertionError("no free ports")
