"""The `yizhan` command with the real `provision` and stand-ins for the two apps, for the demo to run."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import SystemRandom
from typing import Any

import click

from provisioning.commands import group as provision
from provisioning.county import County, county_opened, county_rule
from provisioning.enrolment import answer_enrolment
from provisioning.folder import CountyFolder, StationFolder
from sync.databases import Databases

Answer = tuple[int, bytes]
FOLDER = click.option("--dir", "folder", type=click.Path(path_type=Path), required=True)


def now() -> datetime:
    return datetime.now(UTC)


@click.group()
def main() -> None:
    pass


main.add_command(provision)


@main.group()
def central() -> None:
    pass


@central.group()
def catalogue() -> None:
    pass


@catalogue.command()
@click.argument("file", type=click.Path(exists=True))
@FOLDER
def libraries(file: str, folder: Path) -> None:
    CountyFolder.open(folder)


@catalogue.command("import")
@click.argument("file", type=click.Path(exists=True))
@FOLDER
@click.option("--approve", is_flag=True)
def import_items(file: str, folder: Path, approve: bool) -> None:
    assert approve
    CountyFolder.open(folder)


@catalogue.command()
@FOLDER
def publish(folder: Path) -> None:
    with county_opened(folder, now=now, random=SystemRandom()) as county:
        county.catalogue.update({"_id": "release:000001"})


@central.group()
def accounts() -> None:
    pass


@accounts.command("import")
@click.argument("file", type=click.File("r"))
@FOLDER
def import_accounts(file: Any, folder: Path) -> None:
    if os.environ.get("STAND_IN_FAILS") == "accounts":
        raise click.ClickException("the disk is full")
    with county_opened(folder, now=now, random=SystemRandom()) as county:
        for account in json.load(file):
            assert account["station"] == county.code or county.fleet.get(f"station:{account['station']}") is not None
            (folder.parent / "imported.txt").open("a").write(account["username"] + "\n")


@central.command("serve")
@FOLDER
@click.option("--listen", required=True)
@click.option("--stop-on-eof", is_flag=True)
def serve_county(folder: Path, listen: str, stop_on_eof: bool) -> None:
    made = CountyFolder.open(folder)
    with made.lock():
        databases = Databases(made.databases, rule_for=county_rule, random=SystemRandom())
        county = County(made, databases, now=now, random=SystemRandom())

        def answer(method: str, path: str, body: bytes) -> Answer:
            if path == "/api/v1/enrolments":
                answered = answer_enrolment(county, body)
                return answered.status, answered.body
            return as_any_place(folder.parent, path, body)

        serve(listen, answer, stop_on_eof)


@main.group()
def node() -> None:
    pass


@node.command("serve")
@FOLDER
@click.option("--listen", required=True)
@click.option("--county", required=True)
@click.option("--stop-on-eof", is_flag=True)
def serve_station(folder: Path, listen: str, county: str, stop_on_eof: bool) -> None:
    made = StationFolder.open(folder)
    print(made.code, "reaches the county by", county, flush=True)
    with made.lock():
        serve(listen, lambda _, path, body: as_any_place(folder.parent.parent, path, body), stop_on_eof)


def as_any_place(demo: Path, path: str, body: bytes) -> Answer:
    if path == "/healthz":
        return 200, b'{"release": 1}'
    if path == "/api/v1/session":
        said = json.loads(body)
        known = json.loads((demo / "accounts.json").read_text())
        found = any((one["username"], one["password"]) == (said["username"], said["password"]) for one in known)
        return (201, b'{"token": "t"}') if found else (401, b"{}")
    if path.startswith("/api/v1/guides?q="):
        return 200, b'{"results": [{}]}'
    return 404, b"{}"


def serve(listen: str, answer: Callable[[str, str, bytes], Answer], stop_on_eof: bool) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, content = answer(self.command, self.path, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 - the library's name

        def log_message(self, format: str, *args: object) -> None:
            pass

    assert stop_on_eof
    host, port = listen.split(":")
    server = ThreadingHTTPServer((host, int(port)), Handler)
    threading.Thread(target=lambda: (sys.stdin.read(), os.kill(os.getpid(), signal.SIGTERM)), daemon=True).start()
    server.serve_forever()


if __name__ == "__main__":
    main()
