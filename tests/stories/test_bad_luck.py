"""What happens to a village: a full disk, a clock that lost the year, the plug pulled, a county that is gone."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from tests.patience import PATIENCE_S, until
from tests.stories.county import HTTP, Account
from tests.stories.lone import BROKEN, VILLAGE, Running, copied, make_station, running
from tests.stories.test_first_light import APPLICANT, first_example, photo

pytestmark = [pytest.mark.processes]

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A village's folder; each test works on a copy."""
    return make_station(tmp_path_factory.mktemp("lone"))


@pytest.fixture
def node(made: Path, tmp_path: Path) -> Iterator[Running]:
    with copied(made, tmp_path / "village") as node:
        yield node


def body_for(agent: Account) -> dict[str, Any]:
    guide = agent.get(f"guides/{agent.get('guides?q=低保')['results'][0]['code']}")
    return {
        "item": guide["code"],
        "applicant": APPLICANT,
        "form": first_example(guide["form"]),
        "materials": [{"name": guide["materials"][0]["name"], "state": "received"}],
    }


def sent(agent: Account, body: dict[str, Any], key: str) -> tuple[int, Any]:
    return agent._request("POST", "cases", body, {"Authorization": f"Bearer {agent.token}", "Idempotency-Key": key})


def numbers(agent: Account) -> list[str]:
    return [row["number"] for row in agent.get("cases?limit=500")["results"]]


# -- the county is gone for the whole run ------------------------------------------------------------------------


def test_a_county_that_is_gone_stops_nothing(node: Running) -> None:
    agent, browser = node.agent(), node.browser()
    body = body_for(agent)
    case = agent.post("cases", body, Idempotency_Key="k")
    status, _ = agent.upload(case["number"], "m01", photo())
    assert status == 201
    told = agent.post("sync", {}, expect=200)
    assert told["online"] is False
    assert told["waiting"] > 3
    assert told["trouble"]
    agent.post(f"cases/{case['number']}/events", {"kind": "withdrawn", "data": {"reason": "不办了"}})
    for path in ("/", "/cases", "/line", f"/cases/{case['number']}", f"/cases/{case['number']}/papers/receipt"):
        assert browser.get(path)[0] == 200, path
    assert "照常收件" in browser.get("/line")[1]
    assert agent.get(f"cases/{case['number']}")["held_by_county_at"] is None


# -- a full disk ---------------------------------------------------------------------------------------------------


class Full:
    """A disk that can be made full and roomy again under a running station."""

    def __init__(self, node: Running, fill: Callable[[], None], empty: Callable[[], None]) -> None:
        self.node, self.fill, self.empty = node, fill, empty


@contextmanager
def small_disk(made: Path, folder: Path) -> Iterator[Full]:
    """The folder on a file system of its own, where a big file comes and goes."""
    folder.mkdir()
    size = sum(file.stat().st_size for file in made.rglob("*") if file.is_file()) + (24 << 20)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("only root may mount a small disk")
    filler = folder / "filler"

    def fill() -> None:
        left = os.statvfs(folder)
        filler.write_bytes(bytes(max(left.f_bavail * left.f_frsize - (200 << 10), 0)))

    try:
        # Temporary files lie on the same disk, as on a machine that has only one.
        with copied(made, folder / "village", TMPDIR=str(folder)) as node:
            yield Full(node, fill, filler.unlink)
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def file_limit(made: Path, folder: Path) -> Iterator[Full]:
    """No file of the process may grow beyond a bound, as under a quota: another error for SQLite to report."""
    folder.mkdir()
    with copied(made, folder / "village") as node:
        pid = node.process.pid
        _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)

        def fill() -> None:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (300 << 10, most))

        yield Full(node, fill, lambda: resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most)) and None)


@pytest.mark.parametrize("disk", [small_disk, file_limit])
def test_a_full_disk_is_said_what_was_saved_stays_and_work_goes_on_when_there_is_room(
    made: Path, tmp_path: Path, disk: Any
) -> None:
    with disk(made, tmp_path / "disk") as full:
        node: Running = full.node
        agent, browser = node.agent(), node.browser()
        body = body_for(agent)
        saved = {}
        for n in range(5):
            status, case = sent(agent, body, f"before-{n}")
            assert status == 201
            saved[f"before-{n}"] = case
        first = saved["before-0"]["number"]
        picture = photo(2400)
        assert len(picture) > 1 << 20, "beyond what the server keeps in memory"
        assert agent.upload(first, "m01", picture)[0] == 201

        full.fill()
        refused: dict[str, Any] = {}
        for n in range(400):
            status, answer = sent(agent, body, f"during-{n}")
            if status == 201:
                saved[f"during-{n}"] = answer
                continue
            assert status == 507, (n, status, answer)
            assert answer["error"] in ("disk_full", "saved_but_not_listed")
            assert "磁盘满了" in answer["message"]
            refused[f"during-{n}"] = answer
            if len(refused) == 3:
                break
        assert len(refused) == 3
        status, answer = agent.upload(first, "m02", photo(2400, seed=2))
        assert status == 507
        assert "磁盘满了" in answer["message"]
        # What was saved is read, listed and printed; pages say the same in words.
        for case in saved.values():
            assert agent.get(f"cases/{case['number']}")["current"] == case["current"]
        assert agent.fetch(f"cases/{first}/materials/m01") == (200, picture)
        assert browser.get(f"/cases/{first}/papers/receipt")[0] == 200
        status, page, _ = browser.send(
            f"/cases/{first}/acts/withdrawn", browser.get("/line")[1], {"reason": "满" * 900}
        )
        assert status in (303, 507)
        if status == 507:
            assert "磁盘满了" in page
        assert browser.get("/")[0] == 200
        listed = numbers(agent)

        full.empty()
        for key in refused:
            status, case = sent(agent, body, key)
            assert status in (200, 201), (key, case)
            saved[key] = case
        status, _ = agent.upload(saved["before-1"]["number"], "m02", photo(2400, seed=2))
        assert status == 201
        assert set(listed) <= set(numbers(agent))
        assert sorted(numbers(agent)) == sorted(case["number"] for case in saved.values()), "each once, none half"

        node.kill()
        with running(node.folder) as again:
            agent = again.agent()
            assert sorted(numbers(agent)) == sorted(case["number"] for case in saved.values())
            for number in numbers(agent):
                kinds = [event["kind"] for event in agent.get(f"cases/{number}")["events"]]
                assert kinds[:2] == ["received", "accepted"]
            assert agent.fetch(f"cases/{first}/materials/m01") == (200, picture)


# -- a clock that lost the year ---------------------------------------------------------------------------------------


@pytest.mark.skipif(not FAKETIME.exists(), reason="needs the package faketime")
@pytest.mark.parametrize("year", ["1970", "in three years"])
def test_with_a_wrong_clock_work_goes_on_and_papers_ask_for_the_date(made: Path, tmp_path: Path, year: str) -> None:
    today = datetime.now(UTC) + timedelta(hours=8)
    says = datetime(1970, 1, 2, 3, 4, 5, tzinfo=UTC) if year == "1970" else today + timedelta(days=3 * 365)
    wrong = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME": f"@{says:%Y-%m-%d %H:%M:%S}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "TZ": "UTC",
    }
    with copied(made, tmp_path / "village", **wrong) as node:
        agent, browser = node.agent(), node.browser()
        case = agent.post("cases", body_for(agent), Idempotency_Key="k")
        number = case["number"]
        assert case["events"][0]["at"][:4] == f"{today:%Y}", "dated by the last time that was known, not by the clock"
        assert agent.upload(number, "m01", photo())[0] == 201
        for paper in ("receipt", "application"):
            status, page = browser.get(f"/cases/{number}/papers/{paper}")
            assert status == 409
            assert "确认日期" in page
        clock = browser.get("/clock")[1]
        assert "明显不对" in clock
        status, _, _ = browser.send("/clock", clock, {"date": f"{today:%Y-%m-%d}", "time": f"{today:%H:%M}"})
        assert status == 303
        status, page = browser.get(f"/cases/{number}/papers/receipt")
        assert status == 200
        assert f"{today.year}年" in page
        assert "1970" not in page
        assert str(today.year + 3) not in page
        later = agent.post("cases", body_for(agent), Idempotency_Key="k2")
        assert later["number"].split("-")[1] == f"{today:%Y%m%d}"
        node.kill()
    # The machine's clock goes on being wrong: what was confirmed still holds after a start.
    with running(
        tmp_path / "village", **{**wrong, "FAKETIME": f"@{says + timedelta(minutes=2):%Y-%m-%d %H:%M:%S}"}
    ) as node:
        assert node.browser().get(f"/cases/{number}/papers/receipt")[0] == 200
        assert numbers(node.agent()) == [number, later["number"]]


# -- the plug pulled --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2])
def test_kill_at_any_moment_of_a_burst_loses_nothing_that_was_answered(made: Path, tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    folder = tmp_path / "village"
    shutil.copytree(made, folder)
    cases: dict[str, str | None] = {}
    photos: dict[str, bytes] = {}
    pictures = [photo(300, seed=n) for n in range(5)]

    def burst(agent: Account, body: dict[str, Any], name: str, ended: threading.Event) -> None:
        """Take in cases and photos until the server is no more."""
        for n in range(10_000):
            key = f"{name}-{n}"
            cases[key] = None
            try:
                status, case = sent(agent, body, key)
                assert status == 201, (status, case)
                cases[key] = case["number"]
                if n % 2:
                    status, answer = agent.upload(case["number"], "m01", pictures[n % 5])
                    assert status == 201, answer
                    photos[case["number"]] = pictures[n % 5]
            except BROKEN:
                ended.set()
                return

    for round_ in range(3):
        with running(folder) as node:
            agents = [node.agent() for _ in range(3)]
            body = body_for(agents[0])
            check(agents[0], body, cases, photos)
            ended = threading.Event()
            threads = [
                threading.Thread(target=burst, args=(agent, body, f"{round_}-{n}", ended))
                for n, agent in enumerate(agents)
            ]
            for thread in threads:
                thread.start()
            time.sleep(0.05 + random.random())
            node.kill()
            for thread in threads:
                thread.join(PATIENCE_S)
            assert ended.is_set()
    with running(folder) as node:
        agent = node.agent()
        check(agent, body, cases, photos)
        assert agent.get("sync")["waiting"] == sum(
            len(case["events"]) + sum(-(-file["size"] // 16384) for m in case["materials"] for file in m["files"])
            for case in (agent.get(f"cases/{number}") for number in numbers(agent))
        ), "what waits is what there is, counted anew after a start"
    sound = subprocess.run(
        [sys.executable, "-m", "yizhan", "sync", "check", str(folder / "couch" / f"station-{VILLAGE}")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert sound.returncode == 0, sound.stdout + sound.stderr
    print(f"{len(cases)} cases over three kills")


def check(agent: Account, body: dict[str, Any], cases: dict[str, str | None], photos: dict[str, bytes]) -> None:
    """Every answered case is there with its photo, none is half, and each key again is the same case."""
    there = set(numbers(agent))
    assert {number for number in cases.values() if number} <= there
    for number in there:
        case = agent.get(f"cases/{number}")
        assert [event["kind"] for event in case["events"]][:2] == ["received", "accepted"], "no half case"
        assert case["quarantined"] == []
        assert all(file["here"] for material in case["materials"] for file in material["files"])
    for number, picture in photos.items():
        assert agent.fetch(f"cases/{number}/materials/m01") == (200, picture)
    for key, number in cases.items():
        status, case = sent(agent, body, key)
        assert status == 200 if number else status in (200, 201), (key, number, status, case)
        assert number in (None, case["number"])
        cases[key] = case["number"]
    assert sorted(cases.values(), key=str) == sorted(numbers(agent)), "one case for each key"
    assert len(set(cases.values())) == len(cases)


def test_the_station_answers_again_after_a_kill(node: Running) -> None:
    number = node.agent().post("cases", body_for(node.agent()), Idempotency_Key="k")["number"]
    node.kill()
    began = time.monotonic()
    with running(node.folder) as again:
        until(lambda: HTTP.request("GET", f"{again.url}/healthz").status == 200, "it answers")
        print(f"answers {time.monotonic() - began:.1f} s after the start")
        assert again.agent().get(f"cases/{number}")["number"] == number
        assert json.loads((node.folder / "lock").read_text())["pid"] == again.process.pid
