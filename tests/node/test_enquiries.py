"""The 咨询台: three fields and Enter, a signed record that is no case's, counted here and at the county."""

from __future__ import annotations

import re

import pytest

from casework.canonical import address
from casework.documents.enquiry import KINDS, TYPE, enquiry_holds, kinds_of, kinds_problems
from provisioning.register import station_database
from tests.central.county import VILLAGE
from tests.node.station import OLD_AGE, SmallNode, intake, plain


def records(node: SmallNode) -> list[dict[str, object]]:
    return node.station.store(station_database(VILLAGE)).range("enquiry:", "enquiry;")


def test_what_is_asked_and_done_is_a_signed_record_that_no_case_knows(village: SmallNode) -> None:
    agent = village.agent()
    waiting = village.station.casebook.waiting()
    agent.send("/enquiries", {"what": "复印打印", "item": "", "done": "done", "channel": "market_day"})
    agent.send("/enquiries", {"what": "问路怎么走", "item": OLD_AGE, "done": "referred"})
    first, second = records(village)
    assert (first["kind"], first["text"], first["channel"]) == ("copy", "", "market_day")
    assert (second["kind"], second["text"], second["item_name"]) == ("other", "问路怎么走", OLD_AGE)
    key = village.station.register.key(str(first["key"]))
    assert key is not None
    for record in (first, second):
        assert TYPE.problems(record) == {}
        assert enquiry_holds(record, key)
        assert record["by"] == {"account": "wang", "name": "王某某", "role": "agent", "department": None}
    assert village.station.casebook.waiting() == waiting
    assert "王某某" in plain(agent.get("/enquiries"))
    assert "合计" in plain(agent.get("/enquiries/counts"))
    village.restart()
    assert sum(one.n for one in village.station.enquiries.counts(None, "2026-09")) == 2


def test_a_record_takes_no_number_of_anybody_and_asks_when_the_item_is_not_clear(village: SmallNode) -> None:
    agent = village.agent()
    agent.send("/enquiries", {"what": "13000000001 让回电话"}, expect=422)
    agent.send("/enquiries", {"what": " "}, expect=422)
    assert records(village) == []
    page = agent.send("/enquiries", {"what": "问材料", "item": "老人"}, expect=200).text
    assert "是哪一个事项" in plain(page)
    agent.send("/enquiries", {"what": "问材料", "item": "老人", "picked": "none"})
    [record] = records(village)
    assert record["item"] is None


def test_the_county_says_what_people_come_for(village: SmallNode, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = village.agent()
    agent.send("/enquiries", {"what": "问政策"})
    agent.send("/enquiries", {"what": "医保激活"})
    own = {"paragraphs": ["查进度", "医保激活"]}
    monkeypatch.setattr(village.station.catalogue, "paper", lambda code: own if code == "enquiries" else None)
    agent.send("/enquiries", {"what": "医保激活"})
    agent.send("/enquiries", {"what": "查进度"})
    assert [(one["kind"], one["text"]) for one in records(village)[1:]] == [
        ("other", "医保激活"), ("other", "医保激活"), ("progress", ""),
    ]  # fmt: skip
    page = agent.get("/enquiries")
    assert re.findall(r'<option value="([^"]+)"></option>', page) == ["查进度", "医保激活", "其他"]
    assert "问政策" in plain(page), "what was noted before is still told"
    counts = plain(agent.get("/enquiries/counts"))
    assert "查进度 医保激活 其他 问政策 合计" in counts, "and counted"
    assert "柳树湾村便民服务站 1 2 1 4" in counts
    assert kinds_of(None) == KINDS
    assert kinds_problems([]) is not None
    assert kinds_problems(["打 13000000001"]) is not None
    assert kinds_problems(["甲", "甲"]) is not None


def test_what_another_hand_signed_is_not_counted(village: SmallNode) -> None:
    agent = village.agent()
    agent.send("/enquiries", {"what": "问材料"})
    [record] = records(village)
    body = {name: value for name, value in record.items() if not name.startswith("_")} | {"done": "referred"}
    forged = address(f"enquiry:{VILLAGE}:{record['at']}", body)
    village.station.store(station_database(VILLAGE)).save([forged])
    village.station.enquiries.follow()
    assert [one.n for one in village.station.enquiries.counts(None, "2026-09")] == [1]


def test_an_intake_says_how_people_were_served(village: SmallNode) -> None:
    caller, said = village.api(), intake(village.item())
    opened = caller.post("cases", {**said, "channel": "market_day"}, Idempotency_Key="one")
    assert opened["current"]["fields"]["channel"] == "market_day"
    refused = caller.post("cases", {**said, "channel": "by_pigeon"}, expect=422, Idempotency_Key="two")
    assert set(refused["fields"]) == {"channel"}
