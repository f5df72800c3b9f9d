"""Papers on their way: bundled at the village, taken in at the township, over a line that may be cut."""

from __future__ import annotations

import re
from random import Random

from provisioning.register import station_database
from sync.replicator import replicate
from tests.central.county import VILLAGE
from tests.node.station import OLD_AGE, SmallNode, intake, plain

NAME = "河口镇便民服务中心"


def carry(source: SmallNode, target: SmallNode) -> None:
    """What the village wrote arrives at the township, as the county would bring it, and back."""
    name = station_database(VILLAGE)
    replicate(source.station.store(name), target.station.store(name), now=source.now, random=Random(1))
    target.station.arrived({name})


def bundle(village: SmallNode, cases: list[str], **more: str) -> str:
    sent = village.agent().send("/handover", {"case": cases, "to": NAME, **more})
    return sent.location.rpartition("/")[2]


def test_one_slip_takes_the_papers_of_many_cases_and_the_township_ticks_them(
    village: SmallNode, township: SmallNode
) -> None:
    first, second = village.agent().take_in(), village.agent().take_in(OLD_AGE)
    slip = bundle(village, [first, second], note="两件一袋")
    assert re.fullmatch(rf"LZ-{VILLAGE}-20260916-0001-[0-9A-Z]{{5}}", slip)
    page = village.agent().get(f"/handover/slips/{slip}")
    assert slip in page
    assert "<svg" in page
    for number in (first, second):
        case = village.station.casebook.case(number)
        assert case is not None
        assert [one["slip"] for one in case["handovers"]] == [slip]
    carry(village, township)
    clerk = township.agent("wu")
    assert "1 包" in plain(clerk.get("/takeover"))
    assert clerk.client.get(f"/takeover?q={slip.lower()}").location.endswith(slip)
    ticked = clerk.send(f"/takeover/{slip}", {"scan": first, "do": "tick"}, expect=200).text
    here = re.findall(r'name="here" value="([^"]+)" checked', ticked)
    assert here
    assert {value.partition("/")[0] for value in here} == {first}
    differences = plain(
        clerk.send(f"/takeover/{slip}", {"here": here, f"extra.{first}": "户口簿", "do": "check"}, expect=200).text
    )
    assert "整件没有到" in differences
    assert "多了 户口簿" in differences
    clerk.send(f"/takeover/{slip}", {"here": here, f"extra.{first}": "户口簿", "do": "save"})
    taken, waiting = township.station.casebook.case(first), township.station.casebook.case(second)
    assert taken is not None
    assert waiting is not None
    assert taken["handovers"][0]["taken"] is not None
    assert taken["handovers"][0]["taken"]["extra"] == ["户口簿"]
    assert taken["papers_at"] == NAME
    assert waiting["handovers"][0]["taken"] is None
    assert NAME in plain(clerk.get("/whereabouts"))


def test_a_paper_that_did_not_come_is_written_down_as_missing(village: SmallNode, township: SmallNode) -> None:
    item = village.item()
    materials = [{"name": material["name"], "state": "received"} for material in item["materials"][:2]]
    number = village.api().post("cases", {**intake(item), "materials": materials}, Idempotency_Key="two")["number"]
    slip = bundle(village, [number])
    carry(village, township)
    clerk = township.agent("wu")
    case = township.station.casebook.case(number)
    assert case is not None
    paper, lost = case["handovers"][0]["papers"]
    clerk.send(f"/takeover/{slip}", {"do": "save"})
    unchanged = township.station.casebook.case(number)
    assert unchanged is not None
    assert unchanged["handovers"][0]["taken"] is None, "of which nothing came stays on the road"
    clerk.send(f"/takeover/{slip}", {"here": [f"{number}/{paper}"], "unlisted": "0009-AAAAA", "do": "save"})
    taken = township.station.casebook.case(number)
    assert taken is not None
    assert taken["handovers"][0]["taken"] is not None
    assert taken["handovers"][0]["taken"]["missing"] == [lost]
    assert "0009-AAAAA" in taken["handovers"][0]["taken"]["extra"][0]


def test_a_bundle_before_its_records_is_noted_and_completed_when_they_come(
    village: SmallNode, township: SmallNode
) -> None:
    number = village.agent().take_in()
    slip = bundle(village, [number])
    clerk = township.agent("wu")
    assert "先收下" in plain(clerk.get(f"/takeover?q={slip}"))
    clerk.send("/takeover", {"number": slip, "cases": number, "note": "一袋", "do": "note"})
    township.restart()
    clerk = township.agent("wu")
    assert "等记录" in plain(clerk.get("/takeover"))
    carry(village, township)
    assert "记录到了" in plain(clerk.get("/takeover"))
    page = clerk.get(f"/takeover/{slip}")
    here = re.findall(r'name="here" value="([^"]+)" checked', page)
    assert here, "what was scanned then is ticked now"
    clerk.send(f"/takeover/{slip}", {"here": here, "do": "save"})
    assert "先收下的" not in plain(clerk.get("/takeover"))


def test_papers_that_are_gone_or_go_nowhere_are_refused_and_nothing_leaves(village: SmallNode) -> None:
    first, second = village.agent().take_in(), village.agent().take_in(OLD_AGE)
    bundle(village, [first])
    before = village.documents()
    again = village.agent().send("/handover", {"case": [first, second], "to": NAME}, expect=422).text
    assert "已经不在这里" in plain(again)
    village.agent().send("/handover", {"case": [second], "to": "民政"}, expect=422)
    village.agent().send("/handover", {"to": NAME}, expect=422)
    assert village.documents() == before


def test_the_workbench_reminds_of_papers_after_three_working_days(village: SmallNode) -> None:
    village.agent().take_in()
    assert "材料该移交了" not in plain(village.agent().get("/"))
    village.now.forward(days=5)
    assert "材料该移交了" in plain(village.agent().get("/"))
    village.now.forward(days=5)
    assert "超过一周" in plain(village.agent().get("/"))


def test_the_register_of_proxies_counts_prints_and_goes_out_as_csv(village: SmallNode) -> None:
    number = village.agent().take_in()
    village.agent().take_in(OLD_AGE)
    power = {"name": "=王某某", "agent": True, "matters": ["递材料"], "authority": "代为提交材料",
             "from": "2026-09-16", "until": "2026-09-18", "signed": "signature"}  # fmt: skip
    village.api().post(f"cases/{number}/events", {"kind": "proxy_appointed", "data": power})
    page = plain(village.agent().get("/proxies"))
    assert "代办件 1" in page
    assert "签字" in page
    export = village.agent().get("/proxies.csv")
    assert export.startswith("\ufeff收件日期")
    assert number in export
    assert "'=王某某" in export
    village.now.forward(days=5)
    assert "委托书 1 件缺或到期" in plain(village.agent().get("/"))
    assert "这个月没有" in plain(village.agent().get("/proxies?month=2026-08"))


def test_an_item_that_nobody_may_do_for_another_refuses_a_proxy_with_its_reason(village: SmallNode) -> None:
    number = village.agent().take_in()
    item = village.item()
    village.station.desk._item = lambda _code, _release: {
        **item,
        "proxy_allowed": False,
        "proxy_reason": "要当面核对指纹",
    }
    power = {"name": "王某某", "matters": ["递材料"], "authority": "代为提交", "from": "2026-09-16",
             "signed": "signature"}  # fmt: skip
    before = village.documents()
    told = village.api().post(f"cases/{number}/events", {"kind": "proxy_appointed", "data": power}, expect=422)
    assert told["fields"] == {"data.name": "要当面核对指纹，不能委托代办。请约本人来办，或申请上门。"}
    assert village.documents() == before
