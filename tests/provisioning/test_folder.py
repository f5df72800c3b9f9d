"""Data folders: who may read them, what is wrong with them, and who holds them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
import urllib3
from click.testing import CliRunner

from provisioning.commands import group
from provisioning.folder import (
    CountyFolder,
    FolderError,
    FolderLocked,
    HalfMade,
    Lock,
    NotAFolder,
    OperationRefused,
    StationFolder,
    WrongKind,
    holder_of,
    run_through,
)
from provisioning.keys import KeyUnreadable, load_private_key, make_private_key
from provisioning.line import poster
from provisioning.whole_files import write_whole
from sync.peer import Garbled, Unreachable
from tests.provisioning.small_county import VILLAGE, SmallCounty


def test_what_is_secret_is_readable_by_its_owner_alone(small_county: SmallCounty) -> None:
    made = small_county.enrol(VILLAGE)
    for folder in (small_county.folder / "county", made.path):
        assert folder.stat().st_mode & 0o777 == 0o700
        for path in folder.glob("*key.pem"):
            assert path.stat().st_mode & 0o777 == 0o600
        assert (folder / "lock").stat().st_mode & 0o777 == 0o600
        assert (folder / "couch").stat().st_mode & 0o777 == 0o700


def test_a_secret_file_is_private_before_its_first_byte(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[int] = []
    opened = os.open

    def watched(path: str, flags: int, mode: int = 0o777, **more: int) -> int:
        descriptor = opened(path, flags, mode, **more)
        if flags & os.O_CREAT:
            modes.append(os.fstat(descriptor).st_mode & 0o777)
        return descriptor

    before = os.umask(0)
    try:
        monkeypatch.setattr(os, "open", watched)
        make_private_key(tmp_path / "key.pem")
        write_whole(tmp_path / "key.pem", b"again", private=True)
    finally:
        os.umask(before)
    assert modes == [0o600, 0o600]
    assert [path.name for path in tmp_path.iterdir()] == ["key.pem"]


def test_a_key_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    make_private_key(tmp_path / "key.pem")
    (tmp_path / "key.pem").chmod(0o644)
    with pytest.raises(KeyUnreadable, match="chmod 600"):
        load_private_key(tmp_path / "key.pem")
    with pytest.raises(KeyUnreadable, match="missing"):
        load_private_key(tmp_path / "none.pem")
    (tmp_path / "none.pem").write_text("hello")
    (tmp_path / "none.pem").chmod(0o600)
    with pytest.raises(KeyUnreadable):
        load_private_key(tmp_path / "none.pem")


def test_folders_say_what_is_wrong_with_them(small_county: SmallCounty, tmp_path: Path) -> None:
    made = small_county.enrol(VILLAGE)
    county = small_county.folder / "county"
    with pytest.raises(WrongKind, match="station's folder"):
        CountyFolder.open(made.path)
    with pytest.raises(WrongKind, match="county's folder"):
        StationFolder.open(county)
    with pytest.raises(NotAFolder):
        CountyFolder.open(tmp_path / "nothing")
    (county / "config.toml").unlink()
    with pytest.raises(HalfMade, match="county init"):
        CountyFolder.open(county)
    for garbled in ("kind = ", 'kind = "castle"', 'kind = "station"\ncode = 5', "kind = 1"):
        (made.path / "config.toml").write_text(garbled)
        with pytest.raises(FolderError):
            StationFolder.open(made.path)


def test_an_authority_that_was_exchanged_is_noticed(small_county: SmallCounty, tmp_path: Path) -> None:
    made = small_county.enrol(VILLAGE)
    assert made.authority_certificate() == small_county.county.authority.certificate
    stranger = SmallCounty(tmp_path / "stranger")
    (made.path / "authority.pem").write_bytes((stranger.folder / "county/authority.pem").read_bytes())
    stranger.close()
    with pytest.raises(FolderError, match="not the authority"):
        made.authority_certificate()


def test_a_folder_has_one_holder_at_a_time(small_county: SmallCounty) -> None:
    folder = small_county.county.folder
    with folder.lock(), pytest.raises(FolderLocked, match=str(os.getpid())):
        folder.lock()
    with folder.lock():
        pass


def test_a_holder_that_is_killed_holds_nothing(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from provisioning.folder import Lock\n"
        f"lock = Lock(Path({str(tmp_path / 'lock')!r})); lock.announce('http://x', 's')\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()"
    )
    holder = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with pytest.raises(FolderLocked, match=str(holder.pid)):
        Lock(tmp_path / "lock")

    holder.kill()
    holder.wait()
    with Lock(tmp_path / "lock"):
        found = holder_of(tmp_path)
        assert found is not None
        assert (found.pid, found.url) == (os.getpid(), None)
    assert holder_of(tmp_path) is None


class FakeService(BaseHTTPRequestHandler):
    asked: ClassVar[list[tuple[str, str | None, bytes]]] = []
    answer: ClassVar[tuple[int, bytes]] = (200, b'{"stations": []}')

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.asked.append((self.path, self.headers["Authorization"], body))
        self.send_response(self.answer[0])
        self.send_header("Content-Length", str(len(self.answer[1])))
        self.end_headers()
        self.wfile.write(self.answer[1])

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def service() -> Iterator[str]:
    FakeService.asked.clear()
    FakeService.answer = (200, b'{"stations": []}')
    server = HTTPServer(("127.0.0.1", 0), FakeService)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_command_on_a_held_folder_goes_through_the_service(small_county: SmallCounty, service: str) -> None:
    path = small_county.folder / "county"
    with CountyFolder.open(path).lock() as lock:
        lock.announce(service, "the secret")
        assert (path / "lock").stat().st_mode & 0o777 == 0o600
        result = CliRunner().invoke(group, ["station", "add", VILLAGE, "--name", "村", "--json", "--dir", str(path)])

    assert result.exit_code == 0, result.output
    assert json.loads(result.output) == {"stations": []}
    ((asked, authorization, body),) = FakeService.asked
    assert (asked, authorization) == ("/api/v1/operations/station_add", "Bearer the secret")
    assert json.loads(body)["stations"][0]["code"] == VILLAGE
    assert small_county.county.fleet.get(f"station:{VILLAGE}") is None


def test_a_service_that_refuses_is_quoted(small_county: SmallCounty, service: str) -> None:
    path = small_county.folder / "county"
    post = poster(urllib3.PoolManager())
    with CountyFolder.open(path).lock() as lock:
        lock.announce(service, "s")
        FakeService.answer = (422, '{"error": "x", "message": "没有这个站点。"}'.encode())
        with pytest.raises(OperationRefused, match="没有这个站点") as refused:
            run_through(path, "station_revoke", {"station": VILLAGE}, post=post)
        assert refused.value.status == 422
        FakeService.answer = (200, b"<html>")
        with pytest.raises(Garbled):
            run_through(path, "station_revoke", {"station": VILLAGE}, post=post)


def test_a_folder_held_by_a_mere_command_is_waited_for_by_people(small_county: SmallCounty) -> None:
    path = small_county.folder / "county"
    with CountyFolder.open(path).lock():
        result = CliRunner().invoke(group, ["station", "add", VILLAGE, "--name", "村", "--dir", str(path)])
    assert result.exit_code == 1
    assert "in use by process" in result.output


def test_a_service_that_is_gone_is_unreachable(small_county: SmallCounty) -> None:
    path = small_county.folder / "county"
    with CountyFolder.open(path).lock() as lock:
        lock.announce("http://127.0.0.1:9", "s")
        with pytest.raises(Unreachable):
            run_through(path, "station_add", {}, post=poster(urllib3.PoolManager()))
