"""The county's view of every log of acts: found again, checked link by link, kept long enough."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from casework.canonical import Document, address
from casework.signing import sign_document
from central.audit import READ_AT_ONCE, Search
from node.audit import Batches
from provisioning.register import station_database
from sync.sqlite import sqlite3
from tests.central.county import COUNTY, PASSWORD, TOWNSHIP, VILLAGE, SmallCentre, SmallStation
from tests.central.test_commands import run
from web.audit import Actor, AuditLog

WANG = Actor("wang", "王某某", "agent")
CASES = [f"{VILLAGE}-20260916-000{n}-9M4TD" for n in range(1, 10)]


class Logged:
    """A village with a real key, and its log of acts."""

    def __init__(self, county: SmallCentre, code: str = VILLAGE) -> None:
        self.county = county
        self.station: SmallStation = county.enrol(code)
        self.begin()

    def begin(self) -> None:
        self.log = AuditLog(self.station.path / "log.sqlite3", now=self.county.now, random=self.county.random)
        self.batches = Batches(
            self.log,
            station=self.station.code,
            name="柳树湾村便民服务站",
            home=lambda: self.station.cases,
            writer=lambda: self.station.writer,
            key=lambda: self.station.key,
            now=self.county.now,
        )

    def work(self, *cases: str, act: str = "opened") -> None:
        for case in cases:
            self.county.now.forward(minutes=1)
            self.log.note(WANG, act, case)
        self.batches.cut()

    def by_hand(self, sql: str) -> None:
        change(self.station.path / "log.sqlite3", sql)

    def newest(self) -> Document:
        return max(self.station.cases.range("audit:", "audit;"), key=lambda batch: batch["serial"])


def change(path: Path, sql: str) -> None:
    connection: Any = sqlite3.connect(path)
    assert connection.execute(sql).rowcount
    connection.commit()
    connection.close()


@pytest.fixture
def village(county: SmallCentre) -> Iterator[Logged]:
    logged = Logged(county)
    yield logged
    logged.log.close()


def troubles(county: SmallCentre) -> list[str]:
    return [trouble.finding.sentence for trouble in county.centre.trail.troubles()]


def lines(page: str) -> list[str]:
    body = page.partition("<tbody>")[2].partition("</tbody>")[0]
    return [
        re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row)).strip() for row in re.findall(r"<tr>.*?</tr>", body, re.S)
    ]


# -- finding ---------------------------------------------------------------------------------------------------------


def test_what_a_station_did_is_found_at_the_county(county: SmallCentre, village: Logged) -> None:
    village.work(*CASES[:3])
    village.work(CASES[3], act="printed")
    village.station.up()
    admin = county.sign_in("sun")
    page = admin.get("/log")
    found = lines(page)
    assert len(found) == 8, (
        "the county's first load and its release, and the administrator's own sign-in and reading, too"
    )
    assert "柳树湾村便民服务站 王某某 wang · 代办员 打开办件 0003-9M4TD 3" in found[3]
    assert "王某某 wang · 代办员 打印文书" in found[2]
    assert "没有被改过" not in page
    assert troubles(county) == []


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"case": "0003-9m4td"}, 1), ({"case": CASES[2]}, 1), ({"case": "0009-9M4TD"}, 0), ({"account": "wang"}, 9),
        ({"account": "王某某"}, 9), ({"account": "chen"}, 0), ({"station": VILLAGE}, 9), ({"station": TOWNSHIP}, 0),
        ({"station": COUNTY, "act": "signed_in"}, 1), ({"act": "printed"}, 1), ({"act": "wrote"}, 2),
        ({"act": "wrote:decided"}, 1), ({"since": "2026-09-17"}, 0), ({"until": "2026-09-15"}, 0),
        ({"account": "wang", "since": "2026-09-16", "until": "2026-09-16"}, 9),
        ({"account": "wang", "since": "not a date"}, 9), ({"case": "%"}, 0), ({"case": "' OR 1"}, 0),
    ],
)  # fmt: skip
def test_every_condition_narrows_the_search(
    county: SmallCentre, village: Logged, asked: dict[str, str], expected: int
) -> None:
    village.work(*CASES[:6])
    village.work(CASES[6], act="printed")
    village.work(CASES[7], act="wrote:received")
    village.work(CASES[0], act="wrote:decided")
    village.station.up()
    admin = county.sign_in("sun")
    query = "&".join(f"{name}={value}" for name, value in asked.items())
    assert len(lines(admin.get(f"/log?{query}"))) == expected


def test_many_entries_come_page_by_page_and_none_twice(county: SmallCentre, village: Logged) -> None:
    village.work(*(f"{VILLAGE}-20260916-{n:04d}-9M4TD" for n in range(1, 121)))
    village.station.up()
    admin = county.sign_in("sun")
    seen = []
    for page in range(3):
        text = admin.get(f"/log?account=wang&page={page}")
        seen += lines(text)
        assert ("下一页" in text) is (page < 2)
    assert len(seen) == len(set(seen)) == 120
    assert lines(admin.get("/log?account=wang&page=9")) == []


def test_only_administrators_see_the_log(county: SmallCentre) -> None:
    reviewer = county.sign_in("zhao")
    reviewer.get("/log", 403)
    reviewer.get("/log/export.csv", 403)
    admin = county.sign_in("sun")
    refused = lines(admin.get("/log?act=refused"))
    assert [re.findall(r"赵某某 zhao .* 被拒绝 没有权限：(\S+)", line) for line in refused] == [
        ["/log/export.csv"],
        ["/log"],
    ]
    assert "操作日志" not in reviewer.get("/cases")


def test_the_log_comes_as_csv_for_a_spreadsheet(county: SmallCentre, village: Logged) -> None:
    village.log.note(Actor("=cmd()", "+王", "agent"), "opened", CASES[0])
    village.work(*(f"{VILLAGE}-20260916-{n:04d}-9M4TD" for n in range(1, READ_AT_ONCE + 20)))
    village.station.up()
    answer = county.sign_in("sun").client.get(f"/log/export.csv?station={VILLAGE}")
    assert answer.mimetype == "text/csv"
    assert answer.get_data().startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    assert rows[0][:3] == ["时间", "站点代码", "站点"]
    assert len(rows) == 1 + READ_AT_ONCE + 20
    assert rows[-1][3:8] == ["'=cmd()", "'+王", "代办员", "打开办件", CASES[0]]
    assert {row[-1] for row in rows[1:]} == {"完好"}
    assert "导出操作日志" in lines(county.sign_in("sun").get("/log"))[2]


# -- tampering -------------------------------------------------------------------------------------------------------


def test_an_entry_altered_at_the_station_is_named_at_the_county(county: SmallCentre, village: Logged) -> None:
    village.work(*CASES[:3])
    for case in CASES[3:]:
        village.log.note(WANG, "opened", case)
    village.by_hand(f"UPDATE entries SET case_number = '{CASES[0]}' WHERE position = 6")
    village.batches.cut()
    village.work(*CASES[:2])
    village.station.up()
    assert len(troubles(county)) == 1
    page = county.sign_in("sun").get("/log")
    assert [line.split()[-2:] for line in lines(page) if "对不上" in line] == [["6", "对不上"]]
    assert re.search(r"柳树湾村便民服务站</b> 第 6 条（2026-09-16 09:\d\d，王某某，打开办件）被改过", page)


def test_an_entry_taken_out_at_the_station_is_missed(county: SmallCentre, village: Logged) -> None:
    village.work(*CASES[:3])
    for case in CASES[3:]:
        village.log.note(WANG, "opened", case)
    village.by_hand("DELETE FROM entries WHERE position = 6")
    village.batches.cut()
    village.station.up()
    assert "第 6 条" in troubles(county)[0]


def test_a_batch_that_did_not_come_is_a_gap_until_it_does(county: SmallCentre, village: Logged) -> None:
    village.work(*CASES[:3])
    village.work(*CASES[3:5])
    missing = village.newest()["_id"]
    village.work(*CASES[5:])
    village.station.up(without=missing)
    assert troubles(county) == ["第 4 条到第 5 条没有收到（少 1 批），可能还在路上，也可能被拿走。"]
    village.station.up()
    assert troubles(county) == []
    assert len(county.centre.trail.search(Search(account="wang"), page=0, limit=50)) == 9


def test_a_log_restored_from_an_old_copy_is_a_fork(county: SmallCentre, village: Logged) -> None:
    village.work(*CASES[:3])
    village.log.close()
    before = (village.station.path / "log.sqlite3").read_bytes()
    village.begin()
    village.work(*CASES[3:5])
    village.station.up()
    village.log.close()
    (village.station.path / "log.sqlite3").write_bytes(before)
    village.begin()
    village.work(*CASES[5:])
    village.station.up()
    assert any("有 2 份不同的记录：机器被复制过，或从旧备份恢复过" in sentence for sentence in troubles(county))
    assert len(county.centre.trail.search(Search(account="wang"), page=0, limit=50)) == 9, "both are shown"


def test_a_new_log_beside_the_old_one_is_said(county: SmallCentre, village: Logged) -> None:
    village.work(*CASES[:3])
    village.log.close()
    (village.station.path / "log.sqlite3").unlink()
    village.begin()
    village.work(*CASES[3:5])
    village.station.up()
    assert troubles(county) == ["这里另开了一份日志：重新装过机器，或原来的日志文件被拿走。"]


def test_what_another_station_signed_or_nobody_did_is_said(county: SmallCentre, village: Logged) -> None:
    other = Logged(county, TOWNSHIP)
    village.work(*CASES[:2])
    genuine = village.newest()
    body = {name: value for name, value in genuine.items() if not name.startswith("_")}
    forged = [
        sign_document({**body, "serial": 2, "position": 3}, other.station.key.id, other.station.key.sign),
        {**body, "sig": "A" * 86},
        {"station": VILLAGE, "entries": "none"},
        {**body, "entries": [{**body["entries"][0], "more": "x"}, *body["entries"][1:]]},
    ]
    stamp = genuine["_id"].rpartition(":")[0]
    store = county.centre.databases.open(station_database(VILLAGE))
    for document in forged:
        store.as_writer(village.station.writer).bulk_docs([address(stamp, document)], new_edits=False)
    county.centre.catch_up()
    said = troubles(county)
    assert sum("签名对不上" in sentence for sentence in said) == 2
    assert "有一批记录不合格式，不能读。" in said
    village.station.up()
    assert len(county.centre.trail.search(Search(account="wang"), page=0, limit=50)) >= 2, "and the others go on"
    other.log.close()


def test_rows_changed_in_the_countys_own_files_are_named_on_the_page_and_by_the_command(
    county: SmallCentre, village: Logged
) -> None:
    village.work(*CASES[:3])
    village.station.up()
    admin = county.sign_in("sun")
    admin.get("/log")
    folder = county.folder / "county"
    change(
        folder / "audit-trail.sqlite3", "UPDATE entries SET account = 'chen' WHERE account = 'wang' AND position = 2"
    )
    change(folder / "audit.sqlite3", "UPDATE entries SET account = 'nobody' WHERE act = 'signed_in'")
    assert "对不上" in lines(admin.get("/log?account=chen"))[0], "seen at once, in its line"
    checked = admin.send("/log", {}, to="/log/check")
    assert checked.status_code == 303
    page = admin.get("/log")
    assert re.search(r"柳树湾村便民服务站</b> 第 2 条（[^）]*王某某，打开办件）在县里的查询库中被改过", page)
    assert re.search(r"驿山县政务服务中心</b> 第 3 条（[^）]*孙某某，登录）被改过", page)
    county.centre.close()
    said = run("log", "check", "--dir", str(folder))
    assert said.exit_code == 1
    assert re.search(rf"{VILLAGE} 第 2 条.*在县里的查询库中被改过", said.output)
    assert re.search(rf"{COUNTY} 第 3 条.*被改过", said.output)
    county.start()


def test_the_command_finds_nothing_wrong_with_a_whole_log(county: SmallCentre, village: Logged) -> None:
    village.work(*CASES)
    village.station.up()
    county.sign_in("sun")
    county.centre.close()
    said = run("log", "check", "--dir", str(county.folder / "county"))
    assert (said.exit_code, said.output) == (0, "操作日志完好。\n")
    for file in (county.folder / "county").glob("audit.sqlite3*"):
        file.unlink()
    gone = run("log", "check", "--dir", str(county.folder / "county"))
    assert gone.exit_code == 1
    assert "里没有县中心的操作日志" in gone.output
    county.start()


def test_a_row_taken_out_of_the_countys_view_is_missed_and_a_new_view_is_whole(
    county: SmallCentre, village: Logged
) -> None:
    village.work(*CASES[:3])
    village.station.up()
    change(county.folder / "county" / "audit-trail.sqlite3", "DELETE FROM entries WHERE position = 2")
    county.centre.trail.check()
    assert re.search(r"第 2 条.*在县里的查询库中不见了", troubles(county)[0])
    county.centre.close()
    for file in (county.folder / "county").glob("audit-trail.sqlite3*"):
        file.unlink()
    county.start()
    assert county.centre.trail.check() == []
    assert len(county.centre.trail.search(Search(account="wang"), page=0, limit=50)) == 3


# -- how long --------------------------------------------------------------------------------------------------------


def test_entries_are_kept_for_a_year_unless_the_county_says_otherwise_and_never_under_six_months(
    county: SmallCentre, village: Logged
) -> None:
    village.work(*CASES[:2])
    village.station.up()
    admin = county.sign_in("sun")
    for asked in ("5", "0", "-7", "many", ""):
        admin.send("/log", {"months": asked}, to="/log/months")
        assert "至少要保存 6 个月" in admin.get("/log")
    assert county.centre.trail.months == 12
    county.now.forward(days=200)
    assert county.centre.trail.prune() == 0
    admin = county.sign_in("sun")
    admin.send("/log", {"months": "6"}, to="/log/months")
    assert "12 个月改为 6 个月" in admin.get("/log?act=retention_set")
    county.now.forward(hours=1)
    assert county.centre.trail.prune() > 2
    assert county.centre.trail.search(Search(account="wang"), page=0, limit=50) == []
    assert county.centre.trail.check() == []
    assert county.centre.audit.check() == []
    county.restart()
    assert county.centre.trail.months == 6
    assert county.centre.trail.search(Search(account="wang"), page=0, limit=50) == []


def test_half_a_batch_is_not_deleted(county: SmallCentre, village: Logged) -> None:
    village.log.note(WANG, "opened", CASES[0])
    county.now.forward(days=10)
    village.work(CASES[1])
    village.station.up()
    county.now.at += timedelta(days=361)
    # The county's own first load and its release are old, and go; what shares a batch with something young stays.
    assert county.centre.trail.prune() == 2
    assert len(county.centre.trail.search(Search(account="wang"), page=0, limit=50)) == 2
    assert county.centre.trail.check() == []


def test_the_log_of_a_county_with_several_processes_is_one_chain(county: SmallCentre) -> None:
    for _ in range(3):
        county.sign_in("sun")
    other = AuditLog(county.folder / "county" / "audit.sqlite3", now=county.now, random=Random(5))
    other.note(Actor("zhao", "赵某某", "reviewer"), "opened", CASES[0])
    county.sign_in("zhao")
    assert county.centre.trail.check() == []
    other.close()
    assert county.app.test_client().post(
        "/api/v1/session", json={"username": "sun", "password": PASSWORD}
    ).status_code == 201  # fmt: skip
