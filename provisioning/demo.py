"""The demo: a sample county on this machine, set up by the commands of a real one, over a line that can be
cut.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random, SystemRandom
from types import FrameType
from typing import Any, NoReturn

import urllib3
from rich.console import Console
from waitress.server import create_server

import provisioning
from provisioning import ProvisioningError, sample_county
from provisioning.county import county_opened
from provisioning.folder import (
    CONFIG,
    CountyFolder,
    FolderError,
    FolderLocked,
    HalfMade,
    Lock,
    NotAFolder,
    StationFolder,
)
from provisioning.folder import LOCK as FOLDER_LOCK
from provisioning.relay import Mode, Relay
from provisioning.start_page import StartPage
from provisioning.supervisor import Service, Supervisor
from provisioning.whole_files import make_private_folder, write_whole

HOST = "127.0.0.1"
CONTACT_INTERVAL_S = 3
READY_WITHIN_S = 180
END_WITHIN_S = 3.5
LAST_RUN_WITHIN_S = 5.0
DEMO, CONTROL, LOCK, ACCOUNTS = "demo.json", "control.json", "demo.lock", "accounts.json"
QUESTION = "低保"
# As services run in production: glibc otherwise keeps an arena of memory for every thread.
THRIFTY = {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "262144"}
SYLLABLES = [consonant + vowel for consonant in "bdfghkmnprstwz" for vowel in "aeiou"]


class DemoFailed(ProvisioningError):
    """The demo cannot be set up or run; the message says which step, and what that step said."""


@dataclass(frozen=True)
class Place:
    """The county or a station of the demo, with its folder and its port."""

    code: str
    name: str
    kind: str
    parent: str | None
    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"


@dataclass(frozen=True)
class Layout:
    """Where everything of a demo lies: a folder, and ports counted from one."""

    folder: Path
    port: int

    @property
    def relay_url(self) -> str:
        return f"http://{HOST}:{self.port + 1}"

    @property
    def page_port(self) -> int:
        return self.port + 2

    @property
    def page_url(self) -> str:
        return f"http://{HOST}:{self.page_port}"

    def county(self) -> Place:
        return self._place(sample_county.load("demo")["county"], self.folder / "county", self.port)

    def stations(self) -> list[Place]:
        """The township, then its villages: the stations of the sample county that run here."""
        chosen = sample_county.load("demo")
        codes = [chosen["township"], *chosen["villages"]]
        return [
            self._place(code, self.folder / "stations" / code, self.port + 10 * (number + 1))
            for number, code in enumerate(codes)
        ]

    def _place(self, code: str, folder: Path, port: int) -> Place:
        known = {station["code"]: station for station in sample_county.load("stations")}[code]
        return Place(code, known["name"], known["kind"], known["parent"], folder, port)

    def ports(self) -> list[int]:
        return [self.port, self.port + 1, self.page_port, *(place.port for place in self.stations())]


class Demo:
    """One run of the demo. `command` is how the `yizhan` command is started."""

    def __init__(
        self,
        folder: Path,
        port: int,
        *,
        console: Console,
        random: Random,
        command: Sequence[str] | None = None,
    ) -> None:
        self._layout = Layout(folder.absolute(), port)
        self._console = console
        self._random = random
        self._command = list(command or [sys.executable, "-m", "yizhan"])
        self._supervisor = Supervisor(clock=time.monotonic)
        self._relay = Relay((HOST, port + 1), (HOST, port), random=random)
        self._pool = urllib3.PoolManager(retries=False, timeout=10)
        self._ready: set[str] = set()
        self._accounts: list[dict[str, Any]] = []

    # The course of a run.

    def run(self, until: Callable[[], object]) -> None:
        """Set up what is missing, serve, and stay until `until` returns or raises; then end everything."""
        folder = self._layout.folder
        self._look_at(folder)
        make_private_folder(folder)
        try:
            lock = Lock(folder / LOCK)
        except FolderLocked as error:
            raise DemoFailed(f"A demo runs on {folder} already. End it first, or take another DIR.") from error
        with lock:
            for name in (DEMO, CONTROL):
                (folder / name).unlink(missing_ok=True)
            self._wait_for_the_last_run()
            try:
                codes = self._set_up()
                self._serve(codes)
                until()
            finally:
                for name in (DEMO, CONTROL):
                    (folder / name).unlink(missing_ok=True)
                self._supervisor.stop(END_WITHIN_S)
                self._relay.stop()

    def _look_at(self, folder: Path) -> None:
        if folder.exists() and not folder.is_dir():
            raise DemoFailed(f"{folder} is a file; the demo needs a folder of its own.")
        if (folder / CONFIG).exists():
            raise DemoFailed(f"{folder} is a real county's or station's data folder: take a new folder.")

    def _wait_for_the_last_run(self) -> None:
        """A run that was killed a moment ago has services that are still ending: their ports and folders come free."""
        deadline = time.monotonic() + LAST_RUN_WITHIN_S
        while (taken := self._taken()) is not None:
            if time.monotonic() > deadline:
                raise DemoFailed(taken)
            time.sleep(0.2)

    def _taken(self) -> str | None:
        """What keeps this run from starting, in a sentence; None when all is free."""
        for port in self._layout.ports():
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((HOST, port))
                except (OSError, OverflowError) as error:
                    return f"Port {port} cannot be used ({error}): choose another PORT."
        for place in [self._layout.county(), *self._layout.stations()]:
            if (place.folder / FOLDER_LOCK).exists():
                try:
                    Lock(place.folder / FOLDER_LOCK).release()
                except FolderLocked as error:
                    return str(error)
        return None

    # The set-up: each step looks whether it was done before.

    def _set_up(self) -> dict[str, str]:
        """Returns the one-time codes of the stations that are yet to be enrolled."""
        county, folder = self._layout.county(), self._layout.folder
        try:
            CountyFolder.open(county.folder)
        except (NotAFolder, HalfMade):
            with self._step("Make the county: authority, key, key register"):
                self._yizhan(
                    *("provision", "county", "init", "--dir", county.folder, "--code", county.code[:6]),
                    *("--name", county.name, "--contact-interval", CONTACT_INTERVAL_S),
                )
        if not self._published():
            with self._step("Import and publish the sample county's items"):
                libraries, file = sample_county.LIBRARIES_FILE, sample_county.ITEMS_FILE
                self._yizhan("central", "catalogue", "libraries", libraries, "--dir", county.folder)
                self._yizhan("central", "catalogue", "import", file, "--dir", county.folder, "--approve")
                self._yizhan("central", "catalogue", "publish", "--dir", county.folder)
        codes = self._codes()
        accounts = folder / ACCOUNTS
        if not accounts.exists():
            with self._step("Make accounts with passwords"):
                drawn = folder / f"{ACCOUNTS}.new"
                write_whole(drawn, json.dumps(self._drawn_accounts(), ensure_ascii=False).encode(), private=True)
                self._yizhan("central", "accounts", "import", drawn, "--dir", county.folder)
                # The name says that they are in: interrupted before, new ones are drawn and imported.
                drawn.rename(accounts)
        self._accounts = json.loads(accounts.read_text(encoding="utf-8"))
        return codes

    def _published(self) -> bool:
        with self._county_opened() as county:
            return bool(county.catalogue.range("release:", "release:\uffff", limit=1))

    @contextmanager
    def _county_opened(self) -> Iterator[Any]:
        folder = self._layout.county().folder
        with county_opened(folder, now=lambda: datetime.now(UTC), random=SystemRandom()) as county:
            yield county

    def _drawn_accounts(self) -> list[dict[str, Any]]:
        """The sample county's accounts, each with a password of its own that is easy to type."""
        return [{**account, "password": self._password()} for account in sample_county.load("accounts")]

    def _password(self) -> str:
        words = ["".join(self._random.choice(SYLLABLES) for _ in range(3)) for _ in range(2)]
        return "-".join([*words, f"{self._random.randrange(100, 1000)}"])

    def _codes(self) -> dict[str, str]:
        """Add the county's stations; a one-time code for each that runs here and is not enrolled yet."""
        missing = [place.code for place in self._layout.stations() if not _enrolled(place)]
        with self._county_opened() as county:
            fleet = {document["code"] for document in county.fleet.range("station:", "station:\uffff")}
        known = {place["code"] for place in sample_county.load("stations") if place["kind"] != "county"}
        if not missing and known <= fleet:
            return {}
        with self._step("Add the county's stations"):
            add = ("provision", "station", "add", "--dir", self._layout.county().folder, "--json")
            file = sample_county.FOLDER / "stations.json"
            rows = json.loads(self._yizhan(*add, "--from", file))["stations"]
            codes = {row["code"]: row["enrolment_code"] for row in rows}
            # Known at the county as enrolled, but the answer never came or the folder is gone.
            lost = [code for code in missing if codes[code] is None]
            if lost:
                rows = json.loads(self._yizhan(*add, "--new-code", *lost))["stations"]
                codes |= {row["code"]: row["enrolment_code"] for row in rows}
        return {code: codes[code] for code in missing}

    def _enrol(self, codes: Mapping[str, str]) -> None:
        with self._step(f"Enrol {len(codes)} stations, each with a key of its own"):
            running = []
            for place in self._layout.stations():
                if place.code in codes:
                    arguments: Sequence[object] = (
                        "provision",
                        "enrol",
                        "--dir",
                        place.folder,
                        "--county",
                        self._layout.relay_url,
                    )
                    running.append(self._started(arguments, {"YIZHAN_CODE": codes[place.code]}))
            for process, arguments in running:
                self._finished(process, arguments)

    # Serving.

    def _serve(self, codes: Mapping[str, str]) -> None:
        layout, county = self._layout, self._layout.county()
        secret = f"{self._random.getrandbits(128):032x}"
        self._relay.start()
        page = StartPage(self._relay, port=layout.page_port, secret=secret, places=self._places)
        server = create_server(page, host=HOST, port=layout.page_port, threads=2, ident=None)
        threading.Thread(target=server.run, name="start page", daemon=True).start()
        control = {"pid": os.getpid(), "url": layout.page_url, "secret": secret}
        write_whole(layout.folder / CONTROL, json.dumps(control).encode(), private=True)
        with self._step("Start the county centre"):
            self._keep(county, ("central", "serve"))
            self._wait_for(county, self._answers)
        if codes:
            self._enrol(codes)
        with self._step("Start the stations; they fetch guides and accounts from the county"):
            for place in layout.stations():
                self._keep(place, ("node", "serve"), ("--county", layout.relay_url))
            for place in [*layout.stations(), county]:
                self._wait_for(place, self._serves_people)
                self._ready.add(place.code)
        content = json.dumps(self._described(), ensure_ascii=False, indent=1).encode()
        write_whole(layout.folder / DEMO, content, private=True)
        self._print()

    def _keep(self, place: Place, command: Sequence[str], more: Sequence[str] = ()) -> None:
        arguments = ["--dir", str(place.folder), "--listen", f"{HOST}:{place.port}", *more, "--stop-on-eof"]
        self._supervisor.keep(
            Service(
                place.code,
                [*self._command, *command, *arguments],
                self._layout.folder / "log" / f"{place.code}.log",
                {**_importable(), **THRIFTY},
            )
        )

    def _wait_for(self, place: Place, ready: Callable[[Place], bool]) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        pause_s = 0.1
        while time.monotonic() < deadline:
            with suppress(urllib3.exceptions.HTTPError, ValueError, KeyError, TypeError):
                if ready(place):
                    return
            if self._supervisor.restarts(place.code) > 5:
                break
            time.sleep(pause_s)
            # A sign-in that fails is counted by the place's throttle: do not hurry.
            pause_s = min(pause_s * 1.5, 2.0)
        log = self._layout.folder / "log" / f"{place.code}.log"
        raise DemoFailed(f"{place.name} did not become ready. It said ({log}):\n{_last_lines(log)}")

    def _answers(self, place: Place) -> bool:
        return self._pool.request("GET", f"{place.url}/healthz").status == 200

    def _serves_people(self, place: Place) -> bool:
        """Whether everybody of this place can sign in and, at a station, gets an answer about a guide."""
        station = place.kind != "county"
        if station and self._pool.request("GET", f"{place.url}/healthz").json().get("release") is None:
            return False
        for account in self._accounts_of(place):
            said = {"username": account["username"], "password": account["password"]}
            signed_in = self._pool.request("POST", f"{place.url}/api/v1/session", json=said)
            if signed_in.status not in (200, 201):
                return False
            if not station:
                # One is enough here: the county's accounts were all written at once, and do not travel.
                return True
            found = self._pool.request(
                "GET",
                f"{place.url}/api/v1/guides",
                fields={"q": QUESTION},
                headers={"Authorization": f"Bearer {signed_in.json()['token']}"},
            )
            if found.status != 200 or not found.json()["results"]:
                return False
        return True

    # What it says of itself.

    def _accounts_of(self, place: Place) -> list[dict[str, Any]]:
        return [
            {
                "role": account["roles"][0],
                "username": account["username"],
                "password": account["password"],
                "department": account["department"],
            }
            for account in self._accounts
            if account["station"] == place.code
        ]

    def _described(self) -> dict[str, Any]:
        """The content of `demo.json`."""
        county = self._layout.county()
        return {
            "county": {
                "url": county.url,
                "couch_url": f"{county.url}/couch",
                "dir": str(county.folder),
                "accounts": self._accounts_of(county),
            },
            "stations": [
                {
                    "code": place.code,
                    "name": place.name,
                    "kind": place.kind,
                    "parent": place.parent,
                    "url": place.url,
                    "dir": str(place.folder),
                    "accounts": self._accounts_of(place),
                }
                for place in self._layout.stations()
            ],
        }

    def _places(self) -> list[dict[str, Any]]:
        return [
            {
                "code": place.code,
                "name": place.name,
                "kind": place.kind,
                "url": place.url,
                "accounts": self._accounts_of(place),
                "ready": place.code in self._ready,
            }
            for place in [self._layout.county(), *self._layout.stations()]
        ]

    def _print(self) -> None:
        """Lines, not a table: a narrow terminal must not cut off a password."""
        lines = []
        for place in [self._layout.county(), *self._layout.stations()]:
            lines += ["", f"{place.url}  {place.name}"]
            lines += [
                f"    {account['role']:9} {account['username']:18} {account['password']:19} "
                f"{account['department'] or ''}".rstrip()
                for account in self._accounts_of(place)
            ]
        lines += [
            "",
            f"{self._layout.page_url}/  start page, with the line's three buttons",
            f"yizhan demo cut|slow|heal --dir {self._layout.folder}  does the same",
            "Ctrl-C ends everything; the data stay.",
        ]
        for line in lines:
            self._console.print(line, soft_wrap=True, markup=False, highlight=False)

    # Running commands.

    @contextmanager
    def _step(self, what: str) -> Iterator[None]:
        began = time.monotonic()
        with self._console.status(f"{what} …"):
            yield
        self._console.print(f"✓ {what} ({time.monotonic() - began:.1f} s)")

    def _yizhan(self, *arguments: object) -> str:
        process, called = self._started(arguments, {})
        return self._finished(process, called)

    def _started(
        self, arguments: Sequence[object], environment: Mapping[str, str]
    ) -> tuple[subprocess.Popen[str], Sequence[object]]:
        process = subprocess.Popen(  # noqa: S603 - our own command line
            [*self._command, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, **_importable(), **environment},
        )
        return process, arguments

    def _finished(self, process: subprocess.Popen[str], arguments: Sequence[object]) -> str:
        try:
            said, complained = process.communicate(timeout=READY_WITHIN_S)
        except BaseException:
            process.kill()
            raise
        if process.returncode != 0:
            called = " ".join(map(str, arguments[:3]))
            raise DemoFailed(f"`yizhan {called} …` failed:\n{(complained or said).strip()[-2000:]}")
        return said


def _enrolled(place: Place) -> bool:
    try:
        StationFolder.open(place.folder)
    except FolderError:
        return False
    return True


def _importable() -> dict[str, str]:
    """So that the services find these packages also when nobody has installed them."""
    here = str(Path(provisioning.__file__).parent.parent)
    return {"PYTHONPATH": os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))}


def _last_lines(log: Path) -> str:
    try:
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])
    except OSError:
        return "nothing"


def run_demo(folder: Path, port: int) -> None:
    """Run the demo in the foreground until SIGINT or SIGTERM."""
    console = Console()

    def stay() -> NoReturn:
        # Python deals with a signal in this thread, and the system may wake another one with it: look now and then.
        while True:
            time.sleep(0.5)

    def end(_number: int, _frame: FrameType | None) -> NoReturn:
        # Once: who presses Ctrl-C twice must not leave half of it running.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    try:
        Demo(folder, port, console=console, random=SystemRandom()).run(until=stay)
    except KeyboardInterrupt:
        console.print("The demo has ended. Start it again with the same --dir to go on.")


def switch_line(folder: Path, mode: Mode) -> dict[str, Any]:
    """Cut, slow or heal the line of the demo that runs on `folder`. Raises `DemoFailed`."""
    try:
        control = json.loads((folder / CONTROL).read_bytes())
        answer = urllib3.PoolManager(retries=False, timeout=10).request(
            "POST",
            f"{control['url']}/line",
            fields={"mode": mode},
            headers={"Authorization": f"Bearer {control['secret']}"},
        )
    except (OSError, ValueError, KeyError, urllib3.exceptions.HTTPError):
        raise DemoFailed(f"No demo runs on {folder}: start it with `yizhan demo --dir {folder}`.") from None
    if answer.status != 200:
        raise DemoFailed(f"The demo on {folder} did not switch the line (HTTP {answer.status}).")
    state: dict[str, Any] = answer.json()
    return state
