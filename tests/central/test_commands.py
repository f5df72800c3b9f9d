"""`yizhan central`: on a folder that nobody holds, and through the service that holds it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3
from click.testing import CliRunner, Result

from central.app import create_county_app
from central.commands import group
from provisioning.commands import group as provision
from provisioning.folder import CountyFolder
from tests.central.county import COUNTY, PASSWORD, SECRET, VILLAGE, SmallCentre, some_items
from tests.patience import PATIENCE_S
from tests.sync.served import served as served_by_waitress

WANG = {"username": "wang", "name": "王某某", "roles": ["agent"], "station": VILLAGE, "password": PASSWORD}
HTTP = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(15))


def run(*arguments: str, given: str | None = None, command: Any = group) -> Result:
    return CliRunner().invoke(command, list(arguments), input=given)


@pytest.fixture
def served(county: SmallCentre) -> Iterator[tuple[SmallCentre, str]]:
    """The county in service, its folder locked and announced."""
    with CountyFolder.open(county.folder / "county").lock() as lock, served_by_waitress(county.app) as url:
        lock.announce(url, SECRET)
        yield county, url


def test_accounts_come_from_a_file_or_the_standard_input(county: SmallCentre, tmp_path: Path) -> None:
    folder = str(county.folder / "county")
    county.centre.close()
    file = tmp_path / "accounts.json"
    file.write_text(json.dumps([WANG]), "utf-8")
    assert run("accounts", "import", str(file), "--dir", folder).output == "1 made, 0 changed\n"
    again = [{name: value for name, value in WANG.items() if name != "password"}]
    assert run("accounts", "import", "-", "--dir", folder, given=json.dumps(again)).output == "0 made, 0 changed\n"
    broken = run("accounts", "import", "-", "--dir", folder, given="[")
    assert broken.exit_code == 1
    assert "no complete JSON" in broken.output
    bad = run("accounts", "import", "-", "--dir", folder, given=json.dumps([{**WANG, "roles": []}]))
    assert bad.exit_code == 1
    assert "第 1 条" in bad.output
    assert "Traceback" not in bad.output
    county.start()


def test_commands_go_through_the_running_service(served: tuple[SmallCentre, str], tmp_path: Path) -> None:
    county, _ = served
    folder = str(county.folder / "county")
    done = run("accounts", "import", "-", "--dir", folder, given=json.dumps([WANG]))
    assert done.output == "1 made, 0 changed\n"
    refused = run("accounts", "import", "-", "--dir", folder, given=json.dumps([{**WANG, "station": "x"}]))
    assert refused.exit_code == 1
    assert "没有代码为 x 的站点" in refused.output
    items = some_items()
    items["items"][0]["phones"] = {"enquiry": "0000-0000077", "complaint": ""}
    file = tmp_path / "items.json"
    file.write_text(json.dumps(items), "utf-8")
    assert "1 changed" in run("catalogue", "import", str(file), "--dir", folder, "--approve").output
    assert "release 2: 3 items" in run("catalogue", "publish", "--dir", folder).output
    assert "Nothing has changed since release 2" in run("catalogue", "publish", "--dir", folder).output
    added = run("station", "add", "600101101299", "--name", "新村便民服务站", "--dir", folder, command=provision)
    assert "600101101299-" in added.output, added.output
    assert county.centre.station_name("600101101299") == "新村便民服务站"


def test_the_door_for_commands_opens_to_the_locks_secret_alone(served: tuple[SmallCentre, str]) -> None:
    _, url = served
    address = f"{url}/api/v1/operations/accounts_import"
    for headers in (
        {},
        {"Authorization": "Bearer x"},
        {"Authorization": "Bearer ä"},
        {"Authorization": f"Basic {SECRET}"},
    ):
        answer = HTTP.request("POST", address, json={"records": [WANG]}, headers=headers)
        assert answer.status == 403, headers
    authorization = {"Authorization": f"Bearer {SECRET}"}
    assert HTTP.request("POST", f"{url}/api/v1/operations/drop", json={}, headers=authorization).status == 404
    for body in (b"", b"[]", b"{", b"5"):
        headers = {**authorization, "Content-Type": "application/json"}
        assert HTTP.request("POST", address, body=body, headers=headers).status == 400, body
    assert HTTP.request("POST", address, json={"records": 5}, headers=authorization).status == 422
    revoke = f"{url}/api/v1/operations/station_revoke"
    answer = HTTP.request("POST", revoke, json={"station": COUNTY}, headers=authorization)
    assert answer.status == 422
    assert set(answer.json()) == {"error", "message", "fields"}


def test_a_service_without_a_secret_takes_no_commands(county: SmallCentre) -> None:
    client = create_county_app(county.centre, secret="").test_client()
    answer = client.post("/api/v1/operations/accounts_import", json={}, headers={"Authorization": "Bearer "})
    assert answer.status_code == 403


@pytest.mark.processes
def test_the_service_says_where_it_is_and_ends_with_its_supervisor(county: SmallCentre) -> None:
    folder = county.folder / "county"
    county.centre.close()
    command = [sys.executable, "-m", "yizhan", "central", "serve", "--dir", str(folder)]
    command += ["--listen", "127.0.0.1:0", "--stop-on-eof"]
    for way_out in ("its standard input is closed", "SIGTERM"):
        with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as service:
            assert service.stderr is not None
            assert service.stdin is not None
            said = service.stderr.readline()
            assert COUNTY in said, said + service.stderr.read()
            assert "SQLite" in said
            url = said.split(": ", 1)[1].split(" ", 1)[0]
            assert HTTP.request("GET", f"{url}/healthz").json()["county"] == "600101"
            second = subprocess.run(command, capture_output=True, text=True, check=False)
            assert second.returncode == 1
            assert "in use" in second.stderr
            if way_out == "SIGTERM":
                os.kill(service.pid, signal.SIGTERM)
            else:
                service.stdin.close()
            service.wait(PATIENCE_S)
            rest = service.stderr.read()
            assert "Traceback" not in rest, rest
    county.start()


def test_a_station_s_folder_is_refused_with_a_word(county: SmallCentre) -> None:
    village = county.enrol(VILLAGE)
    refused = run("serve", "--dir", str(village.path))
    assert refused.exit_code == 1
    assert "county's" in refused.output
    nothing = run("accounts", "import", "-", "--dir", str(county.folder / "nothing"), given="[]")
    assert nothing.exit_code == 1
