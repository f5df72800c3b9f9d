"""The station's log of acts: what is written when, how it goes up in batches, and what a page shows in full."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner

from casework.documents.audit import BEGINNING, altered_at, batch_holds, chained
from node.audit import ENTRIES
from node.commands import group
from provisioning.register import station_database
from sync.replicator import replicate
from sync.sqlite import sqlite3
from sync.store import Store
from tests.central.county import VILLAGE
from tests.node.station import APPLICANT, Desk, SmallNode, intake, photo
from web.audit import Actor
from web.cases import casebook
from web.cases.casebook import Casebook
from web.cases.desk import Act, Person

WHOLE_ID, WHOLE_PHONE = APPLICANT["id_number"], APPLICANT["phone"]
MEMBER = "600000201009010030"  # of the household, in the form's example
ALOUD = "600000\u00a01960 0101\u00a00016"


@pytest.fixture
def agent(village: SmallNode) -> Desk:
    return village.agent()


def acts(node: SmallNode, case: str | None = None) -> list[str]:
    rows = node.station.audit.rows(0, 10_000)
    return [row.entry["act"] for row in rows if case is None or row.entry["case"] == case]


def batches(node: SmallNode) -> list[dict[str, Any]]:
    return node.station.store(station_database(node.code)).range("audit:", "audit;")


def by_hand(node: SmallNode, sql: str) -> None:
    connection: Any = sqlite3.connect(node.folder / "audit.sqlite3")
    assert connection.execute(sql).rowcount == 1
    connection.commit()
    connection.close()


# -- what is written -------------------------------------------------------------------------------------------------


def test_everything_done_with_a_case_is_an_entry_with_its_author(village: SmallNode, agent: Desk) -> None:
    number = agent.take_in()
    agent.get(f"/cases/{number}")
    agent.get(f"/cases/{number}/papers/application")
    agent.send(f"/cases/{number}", {"path": "applicant.phone", "value": "13000000002"},
               to=f"/cases/{number}/acts/field_corrected")  # fmt: skip
    agent.send(f"/cases/{number}", {"name": "m01", "file": (io.BytesIO(photo()), "张秀英.jpg")},
               to=f"/cases/{number}/photos")  # fmt: skip
    page = agent.get(f"/cases/{number}")
    picture = re.search(rf"/cases/{number}/files/\w+", page)
    assert picture
    assert agent.client.get(picture[0]).status_code == 200
    # `send` opens the page first, for its mark.
    assert acts(village, number) == [
        "wrote:received", "wrote:accepted", "opened", "printed", "opened", "wrote:field_corrected", "opened",
        "wrote:material_added", "opened", "file_opened",
    ]  # fmt: skip
    rows = [row.entry for row in village.station.audit.rows(0, 99)]
    assert {(entry["account"], entry["name"], entry["role"]) for entry in rows} == {("wang", "王某某", "agent")}
    said = str(rows)
    for personal in (WHOLE_ID, WHOLE_PHONE, "张秀英", "13000000002"):
        assert personal not in said, "a log of acts holds no personal data of applicants"


def test_a_part_of_a_page_that_asks_again_is_no_new_reading(village: SmallNode, agent: Desk) -> None:
    number = agent.take_in()
    agent.get(f"/cases/{number}/facts")
    assert acts(village, number).count("opened") == 1, "but it is one, if nobody has opened the page"
    for _ in range(5):
        agent.get(f"/cases/{number}/facts")
    assert acts(village, number).count("opened") == 1
    village.agent("chen").get(f"/cases/{number}/facts")
    assert acts(village, number).count("opened") == 2


def test_what_one_may_not_do_is_written_down(village: SmallNode, township: SmallNode, agent: Desk) -> None:
    number = agent.take_in()
    village.api().post(f"cases/{number}/events", {"kind": "decided", "data": {"outcome": "granted"}}, 403)
    refused = [row.entry for row in village.station.audit.rows(0, 99) if row.entry["act"] == "refused"]
    assert [(entry["case"], entry["what"]) for entry in refused] == [(number, "决定")]


def test_a_request_that_is_sent_again_shows_the_case_and_says_so(village: SmallNode) -> None:
    api = village.api()
    body = intake(village.item())
    number = api.post("cases", body, Idempotency_Key="k")["number"]
    assert "opened" not in acts(village, number)
    api.post("cases", body, 200, Idempotency_Key="k")
    assert acts(village, number).count("opened") == 1


def test_an_event_that_could_not_be_stored_is_said_not_to_be(
    village: SmallNode, agent: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    number = agent.take_in()
    monkeypatch.setattr(Store, "save", lambda *_a, **_k: (_ for _ in ()).throw(OSError("broken")))
    agent.send(f"/cases/{number}", {"reason": "不办了"}, to=f"/cases/{number}/acts/withdrawn", expect=500)
    assert acts(village, number)[-2:] == ["wrote:withdrawn", "not_saved"]


# -- masks -----------------------------------------------------------------------------------------------------------


def test_numbers_are_masked_until_somebody_asks_and_that_is_written_down(village: SmallNode, agent: Desk) -> None:
    number = agent.take_in()
    agent.send(f"/cases/{number}", {"path": "applicant.phone", "value": "13000000002"},
               to=f"/cases/{number}/acts/field_corrected")  # fmt: skip
    page = agent.get(f"/cases/{number}")
    for whole in (WHOLE_ID, ALOUD, MEMBER, WHOLE_PHONE, "13000000002", "130\u00a00000\u00a00002"):
        assert whole not in page
    assert "600000\u00a0**** ****\u00a00016" in page
    assert "联系电话改成：130****0002" in page
    assert "显示完整号码" in page
    shown = agent.send(f"/cases/{number}", {}, to=f"/cases/{number}/reveal", expect=200).text
    assert ALOUD in shown
    assert MEMBER in shown
    assert "联系电话改成：13000000002" in shown
    assert "已记入操作日志" in shown
    assert acts(village, number)[-1] == "revealed"
    assert ALOUD not in agent.get(f"/cases/{number}"), "for that one page only"
    assert agent.client.post(f"/cases/{number}/reveal").status_code == 403, "not without the mark of our own page"
    assert acts(village, number).count("revealed") == 1


def test_papers_bear_what_they_need(village: SmallNode, agent: Desk) -> None:
    number = agent.take_in()
    assert WHOLE_ID in agent.get(f"/cases/{number}/papers/application")
    assert WHOLE_ID not in agent.get(f"/cases/{number}/papers/receipt")
    printed = [row.entry["what"] for row in village.station.audit.rows(0, 99) if row.entry["act"] == "printed"]
    assert printed == ["申请表", "受理回执"]


def test_programs_get_no_number_in_a_list_and_the_whole_case_when_they_ask_for_it(village: SmallNode) -> None:
    api = village.api()
    number = api.post("cases", intake(village.item()), Idempotency_Key="k")["number"]
    listed = str(api.get("cases"))
    assert number in listed
    assert WHOLE_ID not in listed
    assert WHOLE_PHONE not in listed
    case = api.get(f"cases/{number}")
    assert case["current"]["fields"]["applicant"]["id_number"] == WHOLE_ID
    assert acts(village)[-2:] == ["listed", "opened"]


def test_a_contested_number_is_masked_in_the_list(village: SmallNode, township: SmallNode) -> None:
    number, name = village.agent().take_in(), station_database(VILLAGE)

    def carry() -> None:
        here, there = village.station.store(name), township.station.arriving(name)
        replicate(here, there, now=village.now, random=Random(1))
        township.station.arrived({name})

    carry()
    for node, phone in ((village, "13000000002"), (township, "13000000003")):
        who = Person("wang", "王某某", "agent") if node is village else Person("wu", "吴某某", "township")
        node.station.desk.write(number, [Act("field_corrected", {"path": "applicant.phone", "value": phone})], who)
    carry()
    clerk = township.agent("wu")
    page = clerk.get("/contested")
    assert "联系电话有两个说法" in page
    assert "130****0002" in page
    for path in ("/contested", f"/cases/{number}"):
        assert "13000000002" not in clerk.get(path)
    assert "13000000002" in clerk.send(f"/cases/{number}", {}, to=f"/cases/{number}/reveal", expect=200).text
    # Programs are given the values that they settle: in full, and each case is an entry.
    assert "13000000002" in str(township.api("wu").get("contested"))
    assert acts(township, number)[-1] == "listed_in_full"


# -- batches ---------------------------------------------------------------------------------------------------------


def test_an_idle_station_sends_nothing_and_an_hour_of_work_is_one_batch(village: SmallNode) -> None:
    station = village.station
    for _ in range(5):
        village.now.forward(hours=1)
        station.batches.cut_when_due()
    assert batches(village) == []
    village.agent().get("/")
    station.batches.cut_when_due()
    assert batches(village) == []
    village.now.forward(minutes=61)
    station.batches.cut_when_due()
    station.batches.cut_when_due()
    found = batches(village)
    assert len(found) == 1
    key = station.register.key(found[0]["key"])
    assert key is not None
    assert batch_holds(found[0], key)
    assert altered_at(found[0]) is None
    assert [entry["act"] for entry in found[0]["entries"]] == ["signed_in", "listed"]


def test_two_hundred_entries_are_a_batch_and_so_is_a_sign_out(village: SmallNode) -> None:
    agent = village.agent()
    for _ in range(ENTRIES - 1):
        village.station.audit.note(Actor("wang", "王某某", "agent"), "listed")
    assert batches(village) == [], "nobody's act waits for it"
    village.station.batches.cut_when_due()
    assert [len(batch["entries"]) for batch in batches(village)] == [ENTRIES]
    agent.send("/", {}, to="/signout", expect=302)
    found = sorted(batches(village), key=lambda batch: batch["serial"])
    assert [entry["act"] for entry in found[1]["entries"]] == ["listed", "signed_out"]
    assert found[1]["prev"] == found[0]["_id"]
    assert found[1]["before"] == found[0]["last"]


def test_batches_do_not_count_as_documents_of_cases(village: SmallNode, agent: Desk) -> None:
    agent.take_in()
    waiting = village.station.casebook.waiting()
    village.station.batches.cut()
    village.station.casebook.follow()
    assert batches(village)
    assert village.station.casebook.waiting() == waiting
    assert village.station.casebook.ledgers(village.code)[0][2] == 2


def test_a_power_cut_between_keeping_and_saving_makes_no_second_batch(
    village: SmallNode, agent: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent.take_in()
    with monkeypatch.context() as patched:
        patched.setattr(Store, "save", lambda *_a, **_k: (_ for _ in ()).throw(OSError("power")))
        with pytest.raises(OSError, match="power"):
            village.station.batches.cut()
    assert batches(village) == []
    village.restart()
    village.station.batches.cut_when_due()
    village.station.batches.cut()
    found = batches(village)
    assert [batch["serial"] for batch in found] == [1]
    assert found[0]["incarnation"] == village.station.audit.incarnation, "a restart begins no other log"


def test_what_a_power_cut_takes_from_the_log_is_entered_again_from_the_events(village: SmallNode, agent: Desk) -> None:
    before = agent.take_in()
    as_the_disk_had_it = village.folder.parent / "audit-before.sqlite3"
    with contextlib.closing(sqlite3.connect(as_the_disk_had_it)) as kept:
        village.station.audit.file._connection.backup(kept)
    number = agent.take_in()
    agent.send(f"/cases/{number}", {"path": "applicant.phone", "value": "13000000002"},
               to=f"/cases/{number}/acts/field_corrected")  # fmt: skip
    written = [row.entry for row in village.station.audit.rows(0, 10_000) if row.entry["act"].startswith("wrote:")]
    village.close()
    for left in village.folder.glob("audit.sqlite3*"):
        left.unlink()
    shutil.copy(as_the_disk_had_it, village.folder / "audit.sqlite3")
    village.start()
    again = [row.entry for row in village.station.audit.rows(0, 10_000) if row.entry["act"].startswith("wrote:")]
    assert again == written, "each with its author and its time"
    assert acts(village, before).count("wrote:received") == 1, "and nothing twice"
    head = village.station.audit.head
    village.restart()
    assert village.station.audit.head == head
    assert check(village).exit_code == 0


def test_a_lost_log_of_years_is_entered_some_events_at_a_time(
    village: SmallNode, agent: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        agent.take_in()
    written = [row.entry for row in village.station.audit.rows(0, 10_000) if row.entry["act"].startswith("wrote:")]
    village.close()
    # The tables that say how far: emptied, and not those of an older version.
    with contextlib.closing(sqlite3.connect(village.folder / "audit.sqlite3")) as log, log:
        log.execute("DELETE FROM entries")
        log.execute("DELETE FROM entered")
        log.execute("UPDATE chain SET position = 0, hash = ? WHERE name IN ('head', 'pruned')", (BEGINNING,))
    monkeypatch.setattr(casebook, "BATCH", 2)
    asked = []
    plain = Casebook._all
    monkeypatch.setattr(Casebook, "_all", lambda self, sql, values=(): asked.append(sql) or plain(self, sql, values))
    village.start()
    again = [row.entry for row in village.station.audit.rows(0, 10_000) if row.entry["act"].startswith("wrote:")]
    assert again == written
    assert len(written) == 6
    assert sum("serial > ?" in sql for sql in asked) == 4, "three that bring two each, and one that brings none"


def test_a_log_of_a_former_version_is_not_entered_a_second_time(village: SmallNode, agent: Desk) -> None:
    agent.take_in()
    village.close()
    connection: Any = sqlite3.connect(village.folder / "audit.sqlite3")
    connection.execute("DROP TABLE entered")
    connection.commit()
    connection.close()
    village.start()
    assert [act for act in acts(village) if act.startswith("wrote:")] == ["wrote:received", "wrote:accepted"]
    village.restart()
    assert [act for act in acts(village) if act.startswith("wrote:")] == ["wrote:received", "wrote:accepted"]


def test_old_entries_stay_until_the_county_has_them(village: SmallNode, agent: Desk) -> None:
    agent.take_in()
    village.station.batches.cut()
    village.now.forward(days=400)
    village.agent()
    village.station.batches.cut()
    gone = village.station.batches.prune(lambda revs: revs)
    assert gone == 0, "the county has nothing of it"
    assert village.station.batches.prune(lambda _revs: []) == 0, "asked once a day at most"
    village.now.forward(days=1)
    before = village.station.audit.head
    assert village.station.batches.prune(lambda _revs: []) > 0
    assert village.station.audit.rows(0, 1)[0].entry["act"] == "signed_in"
    assert village.station.audit.head == before + 1
    assert check(village).exit_code == 0


# -- tampering -------------------------------------------------------------------------------------------------------


def check(node: SmallNode) -> Any:
    return CliRunner().invoke(group, ["log", "check", "--dir", str(node.folder)])


def test_the_command_says_which_entry_was_altered(village: SmallNode, agent: Desk) -> None:
    number = agent.take_in()
    agent.get(f"/cases/{number}")
    whole = check(village)
    assert whole.exit_code == 0, whole.output
    assert "完好" in whole.output
    position = village.station.audit.head
    by_hand(village, f"UPDATE entries SET account = 'chen' WHERE position = {position}")
    altered = check(village)
    assert altered.exit_code == 1
    assert re.search(rf"第 {position} 条（2026-09-16 \d\d:\d\d，王某某，打开办件）被改过", altered.output)


def test_a_log_that_was_chained_anew_does_not_fit_what_was_signed(village: SmallNode, agent: Desk) -> None:
    agent.take_in()
    village.station.batches.cut()
    rows = village.station.audit.rows(0, 99)
    connection: Any = sqlite3.connect(village.folder / "audit.sqlite3")
    before = rows[0].hash
    for row in rows[1:]:
        before = chained(before, {**row.entry, "account": "chen"})
        connection.execute(
            "UPDATE entries SET account = 'chen', hash = ? WHERE position = ?", (before, row.position)
        )  # fmt: skip
    connection.execute("UPDATE chain SET hash = ? WHERE name = 'head'", (before,))
    connection.commit()
    connection.close()
    assert village.station.audit.check() == [], "in itself it is whole"
    said = check(village)
    assert said.exit_code == 1
    assert "和已经签名送出的不一样" in said.output


def test_a_log_that_was_taken_away_is_missed(village: SmallNode) -> None:
    village.station.audit.close()
    for file in Path(village.folder).glob("audit.sqlite3*"):
        file.unlink()
    said = check(village)
    assert said.exit_code == 1
    assert "没有操作日志" in said.output
    village.restart()


def test_a_long_day_of_entries_is_cut_by_the_hour(village: SmallNode) -> None:
    village.now.forward(hours=1)
    for _ in range(3):
        village.station.audit.note(Actor("wang", "王某某", "agent"), "listed")
        village.now.forward(hours=1)
        village.station.batches.cut_when_due()
    assert len(batches(village)) == 3
    village.now.at -= timedelta(days=3650)
    village.station.audit.note(Actor("wang", "王某某", "agent"), "listed")
    village.station.batches.cut()
    found = sorted(batches(village), key=lambda batch: batch["_id"])
    assert [batch["serial"] for batch in found] == [1, 2, 3, 4], "a clock set back turns no order around"
