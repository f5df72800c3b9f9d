"""A station that takes long to open says how far it is, and then is the station; or ends, and says why."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from werkzeug.test import Client

from node.opening import Opening
from tests.node.station import SmallNode
from tests.patience import PATIENCE_S
from web.cases.casebook import Casebook


def opening(open_it: Callable[[Callable[[int, int], None]], object]) -> Opening[object]:
    return Opening(open_it, place="柳树湾村便民服务站", station="600101101201")


def test_whoever_asks_meanwhile_is_told_how_far_it_is_and_nobody_acts() -> None:
    go_on, told = threading.Event(), threading.Event()

    def open_it(progress: Callable[[int, int], None]) -> str:
        progress(1200, 50000)
        told.set()
        go_on.wait(PATIENCE_S)
        return "the station"

    one = opening(open_it)
    client = Client(one)
    assert "正在开机" in client.get("/").text
    one.start()
    assert one.wait(0) is None
    told.wait(PATIENCE_S)
    page = client.get("/cases")
    assert page.status_code == 503
    assert "正在整理办件：1200 条记录，共 50000 条" in page.text
    assert page.headers["Retry-After"] == "3"
    assert client.get("/static/yizhan.css").mimetype == "text/css"
    assert json.loads(client.get("/healthz").text) == {
        "status": "opening", "station": "600101101201", "release": None, "done": 1200, "of": 50000,
    }  # fmt: skip
    refused = client.post("/api/v1/cases")
    assert (refused.status_code, json.loads(refused.text)["error"]) == (503, "opening")
    found, opened = list[object](), threading.Event()
    one.then(lambda station: (found.append(station), opened.set()), failed=opened.set)
    go_on.set()
    assert opened.wait(PATIENCE_S)
    assert found == ["the station"]


def test_what_goes_wrong_is_raised_where_somebody_waits() -> None:
    def open_it(_progress: Callable[[int, int], None]) -> str:
        raise ValueError("no register")

    one = opening(open_it)
    one.start()
    with pytest.raises(ValueError, match="no register"):
        one.wait(PATIENCE_S)
    failed = threading.Event()
    one.then(lambda _opened: None, failed=failed.set)
    assert failed.wait(PATIENCE_S)


def test_reading_all_cases_anew_tells_how_far_it_is(village: SmallNode, tmp_path: Path) -> None:
    for phone in ("13000000001", "13000000002"):
        village.agent().take_in(phone=phone)
    station, told = village.station, list[tuple[int, int]]()
    anew = Casebook(
        tmp_path / "projections.sqlite3",
        stores=station.case_stores,
        store=station.databases.existing,
        register=lambda: station.register,
        calendar=lambda: station.calendar,
        own_station=station.code,
    )
    anew.follow(progress=lambda done, of: told.append((done, of)))
    assert told
    assert all(0 < done <= of for done, of in told)
    assert [row.number for row in anew.waiting_cases()] == [row.number for row in station.casebook.waiting_cases()]
    anew.close()
