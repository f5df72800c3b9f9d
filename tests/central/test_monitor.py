"""What the county says of its stations, as time goes by without a word from them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from casework.times import rfc3339
from central.alerts import CHECKS, raised
from central.alerts.alert import Projections
from central.monitor import StationRow, status_of
from provisioning.operations import station_revoke
from tests.central.county import (
    COUNTY,
    FAR_VILLAGE,
    MORNING,
    NEIGHBOUR,
    OTHER_TOWNSHIP,
    TOWNSHIP,
    VILLAGE,
    SmallCentre,
)


def row_of(county: SmallCentre, code: str) -> StationRow:
    return next(row for row in county.centre.monitor.stations() if row.code == code)


def alerts(county: SmallCentre) -> list[str]:
    projections = Projections(county.centre.monitor.stations(), county.centre.casebook)
    return [alert.headline for alert in raised(projections, county.now())]


@pytest.mark.parametrize(("interval_s", "silent_after_s"), [(3, 8.5), (4, 11), (120, 301), (0, 301), (None, 301)])
def test_silence_is_two_and_a_half_spans_and_a_second(interval_s: int | None, silent_after_s: float) -> None:
    report = {} if interval_s is None else {"interval_s": interval_s}
    contact = {"at": rfc3339(MORNING), "report": report}
    assert status_of(contact, MORNING + timedelta(seconds=silent_after_s)) == "in_contact"
    assert status_of(contact, MORNING + timedelta(seconds=silent_after_s + 0.1)) == "silent"
    assert status_of(None, MORNING) == "never_seen"


def test_a_cut_line_shows_within_ten_seconds(county: SmallCentre) -> None:
    """With the demo's pace: the page asks every 3 s, so the state must have turned after 7."""
    county.enrol(VILLAGE).contact(interval_s=3)
    county.now.forward(seconds=8.6)
    assert row_of(county, VILLAGE).status == "silent"


def test_the_conditions_of_a_station_over_days(county: SmallCentre) -> None:
    def said() -> tuple[str, str]:
        condition = row_of(county, VILLAGE).condition
        return condition.shape, condition.word

    assert said() == ("none", "还没开通")
    village = county.enrol(VILLAGE)
    assert said() == ("none", "还没联系过")
    village.contact()
    assert said() == ("up", "在线")
    county.now.forward(minutes=12)
    assert said() == ("cut", "断网 12 分钟")
    county.now.forward(hours=23)
    assert said() == ("cut", "断网 23 小时")
    county.now.forward(hours=50)
    assert said() == ("lost", "失联 3 天")
    village.contact()
    assert said() == ("up", "在线")
    station_revoke(county.centre, {"station": VILLAGE})
    assert said() == ("none", "密钥已吊销")


@pytest.mark.parametrize(
    ("report", "word"),
    [
        ({"disk_free_bytes": 600_000_000}, "磁盘只剩 0.6 GB"),
        ({"disk_free_bytes": 0}, "磁盘只剩 0.0 GB"),
        ({"refused": 2}, "拒收 2 条"),
        ({"clock": "not a time"}, "时钟读不出"),
        ({"clock": rfc3339(MORNING + timedelta(minutes=6))}, "时钟快 6 分钟"),
        ({"clock": "1970-01-01T00:00:00.000Z"}, "时钟慢 20712 天"),
        ({"clock": rfc3339(MORNING + timedelta(minutes=4))}, "在线"),
    ],
)
def test_a_station_in_contact_may_still_need_a_look(county: SmallCentre, report: dict[str, Any], word: str) -> None:
    county.enrol(VILLAGE).contact(**report)
    condition = row_of(county, VILLAGE).condition
    assert condition.word == word
    assert condition.shape == ("up" if word == "在线" else "look")
    assert word in county.sign_in("sun").get("/stations")


def test_the_api_tells_every_station_and_only_administrators(county: SmallCentre) -> None:
    village = county.enrol(VILLAGE)
    village.take_in()
    village.contact()
    client = county.app.test_client()
    answer = client.get("/api/v1/stations", headers=county.token("sun"))
    assert answer.status_code == 200
    rows = {row["code"]: row for row in answer.get_json()["results"]}
    assert set(rows) == {TOWNSHIP, VILLAGE, NEIGHBOUR, OTHER_TOWNSHIP, FAR_VILLAGE}, "the county is no station"
    assert COUNTY not in rows
    assert rows[VILLAGE] == {
        "code": VILLAGE,
        "name": "柳树湾村便民服务站",
        "kind": "village",
        "parent": TOWNSHIP,
        "status": "in_contact",
        "last_contact_at": rfc3339(county.now()),
        "waiting": 2,
        "version": "1.2.3",
    }
    assert rows[NEIGHBOUR]["status"] == "never_seen"
    assert client.get("/api/v1/stations", headers=county.token("zhao")).status_code == 403
    assert county.app.test_client().get("/api/v1/stations").status_code == 401


def test_the_longest_silent_station_with_documents_is_the_sentence_on_top(county: SmallCentre) -> None:
    stations = [county.enrol(code) for code in (OTHER_TOWNSHIP, FAR_VILLAGE, VILLAGE)]
    stations[1].contact(waiting=14)
    county.now.forward(hours=5)
    stations[2].contact(waiting=3)
    stations[0].contact()
    assert alerts(county) == [], "a cut line is ordinary weather"
    county.now.forward(hours=26)
    stations[0].contact()
    assert alerts(county) == [
        "青石镇 石桥村 失联 1 天，有 14 条还没传上来",
        "河口镇 柳树湾村 失联 1 天，有 3 条还没传上来",
    ]
    page = county.sign_in("sun").get("/stations")
    assert '<h2 id="alarm-title">青石镇 石桥村 失联 1 天，有 14 条还没传上来</h2>' in page
    assert "同乡镇另外 1 个站都在线，多半是站上停电" in page
    assert "还有 1 站也是这样" in page
    stations[1].contact(waiting=0)
    stations[2].contact(waiting=0)
    assert alerts(county) == []
    assert "开通的站点都在线，没有要处理的" in county.sign_in("sun").get("/stations")


def test_a_whole_township_in_silence_is_the_line(county: SmallCentre) -> None:
    stations = [county.enrol(code) for code in (TOWNSHIP, VILLAGE, NEIGHBOUR)]
    for station in stations:
        station.contact(waiting=1)
    county.now.forward(days=2)
    page = county.sign_in("sun").get("/stations")
    assert "同乡镇另外 2 个站也都没有联系，多半是这一片的线路断了" in page


def test_a_locked_out_or_empty_station_raises_nothing(county: SmallCentre) -> None:
    village, neighbour = county.enrol(VILLAGE), county.enrol(NEIGHBOUR)
    village.contact(waiting=5)
    neighbour.contact(waiting=0)
    county.now.forward(days=3)
    station_revoke(county.centre, {"station": VILLAGE})
    assert alerts(county) == []
    assert "1 站一天以上没有联系：下河村" in county.sign_in("sun").get("/stations")


@pytest.mark.parametrize("check", CHECKS)
def test_checks_write_nothing(county: SmallCentre, check: Callable[[Projections, datetime], Any]) -> None:
    village = county.enrol(VILLAGE)
    village.take_in()
    village.up()
    village.contact(waiting=5)
    county.now.forward(days=3)

    def marks() -> list[object]:
        return [county.centre.databases.open(name).info()["update_seq"] for name in county.centre.databases.names()]

    before = marks()
    assert check(Projections(county.centre.monitor.stations(), county.centre.casebook), county.now())
    assert marks() == before


def test_a_report_of_an_older_kind_breaks_no_page(county: SmallCentre, caplog: pytest.LogCaptureFixture) -> None:
    county.enrol(VILLAGE).contact(release=None, register=1, version="0.0.1")
    with caplog.at_level(logging.ERROR):
        page = county.sign_in("sun").get("/stations")
    assert "还没收到" in page
    assert not caplog.records
