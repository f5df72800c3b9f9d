"""A release comes while somebody is at work: the draft and the case keep their guide, and the page says what is new."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from random import Random
from typing import Any

import pytest

from casework.documents.item import item_id
from central.catalogue.drafts import DRAFTING, import_items
from central.catalogue.publishing import publish
from provisioning import sample_county
from provisioning.county import County, county_opened
from sync.replicator import replicate
from tests.central.county import MORNING, SUBSISTENCE
from tests.node.station import APPLICANT, OLD_AGE, SmallNode, number_in, plain, typed

SAMPLE = sample_county.load("items")
TYPED = {"applicant.name": "张秀英", "applicant.id_number": APPLICANT["id_number"], "applicant.phone": "13000000001"}
NEW_PAPER = {"id": "m-new", "name": "诚信承诺书", "type": "原件", "form": "纸质", "copies": 1, "necessity": "必要",
             "source": "申请人自备"}  # fmt: skip


@pytest.fixture
def county(made_stations: Path, tmp_path: Path) -> Iterator[County]:
    shutil.copytree(made_stations / "made" / "county", tmp_path / "county")
    with county_opened(tmp_path / "county", now=lambda: MORNING, random=Random(8)) as opened:
        yield opened


@pytest.fixture
def node(village: SmallNode) -> SmallNode:
    return village


def newer(county: County, node: SmallNode, name: str = OLD_AGE, **changes: Any) -> None:
    """The county publishes the item otherwise, and the station has it."""
    item = deepcopy(next(item for item in SAMPLE["items"] if item["name"] == name))
    known = county.databases.open(DRAFTING).get(f"draft:{item['code']}")
    assert known is not None
    file = {**SAMPLE, "items": [{**known["item"], **changes}]}
    assert import_items(county, file, approve=True, by="test").imported
    assert publish(county).new
    brought(county, node)


def withdrawn(county: County, node: SmallNode, monkeypatch: pytest.MonkeyPatch, name: str = OLD_AGE) -> None:
    gone = item_id(next(item["code"] for item in SAMPLE["items"] if item["name"] == name))
    monkeypatch.setattr("central.catalogue.publishing._dropped", lambda _county, _published: {gone})
    assert publish(county).new
    brought(county, node)


def brought(county: County, node: SmallNode) -> None:
    replicate(county.catalogue, node.station.arriving("catalogue"), now=node.now, random=Random(9))
    node.station.arrived({"catalogue"})
    assert node.station.catalogue.problems == []


def materials(node: SmallNode, name: str = OLD_AGE) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = node.item(name)["materials"]
    return found


def test_a_draft_keeps_the_guide_that_it_was_begun_with_and_says_what_is_new(node: SmallNode, county: County) -> None:
    agent = node.agent()
    draft = agent.begin(OLD_AGE)
    agent.submit(draft, TYPED, do="park")
    assert "指南已更新" not in agent.get(draft)
    newer(county, node, materials=[*materials(node), NEW_PAPER])
    page = plain(agent.get(draft))
    assert "指南已更新" in page
    assert "多要一项材料：“诚信承诺书”（原件 1 份，必要）。" in page
    assert 'name="materials.m-new"' not in agent.get(draft)
    assert 'value="张秀英"' in agent.get(draft)
    # A new one begins with what is in use.
    assert 'name="materials.m-new"' in agent.get(agent.begin(OLD_AGE))


def test_a_draft_is_renewed_when_somebody_chooses_to_and_loses_nothing(node: SmallNode, county: County) -> None:
    agent = node.agent()
    draft = agent.begin(OLD_AGE)
    agent.submit(draft, TYPED, do="park")
    newer(county, node, materials=[*materials(node), NEW_PAPER])
    agent.submit(draft, {"applicant.address": "一组 3 号"}, do="renew")
    page = agent.get(draft)
    assert "指南已更新：" not in page
    assert 'name="materials.m-new"' in page
    assert 'value="张秀英"' in page
    assert 'value="一组 3 号"' in page


def test_a_draft_survives_a_restart_with_its_guide(node: SmallNode, county: County) -> None:
    draft = node.agent().begin(OLD_AGE)
    newer(county, node, materials=[*materials(node), NEW_PAPER])
    node.restart()
    assert 'name="materials.m-new"' not in node.agent().get(draft)


def test_a_draft_of_an_item_that_was_withdrawn_is_told_so_and_can_be_saved(
    node: SmallNode, county: County, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = node.agent()
    draft = agent.begin(OLD_AGE)
    form, release = typed(node.item(OLD_AGE)), node.item(OLD_AGE)["release"]
    withdrawn(county, node, monkeypatch)
    page = agent.get(draft)
    assert "这个事项已从指南里撤下，这一份仍可保存。" in page
    assert 'value="renew"' not in page
    number = number_in(agent.submit(draft, form).location)
    case = node.station.casebook.case(number)
    assert case is not None
    assert case["item"] is not None
    assert (case["item"]["release"], case["quarantined"]) == (release, [])
    shown = plain(agent.get(f"/cases/{number}"))
    assert "后这个事项已从指南里撤下" in shown
    assert f"本件照收件时的第 {release:06d} 版办，办完为止" in shown


def test_a_draft_of_an_item_that_is_gone_can_be_thrown_away(
    node: SmallNode, county: County, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = node.agent()
    draft = agent.begin(OLD_AGE)
    withdrawn(county, node, monkeypatch)
    agent.send(draft, {}, to=f"{draft}/discard")
    agent.get(draft, expect=404)


def test_a_case_says_what_changed_since_and_that_nothing_more_is_to_be_brought(node: SmallNode, county: County) -> None:
    agent = node.agent()
    number = agent.take_in(OLD_AGE)
    assert "指南已更新" not in agent.get(f"/cases/{number}")
    newer(county, node, materials=[*materials(node)[1:], NEW_PAPER], promised={"n": 3, "unit": "工作日"})
    page = plain(agent.get(f"/cases/{number}"))
    release = node.item(OLD_AGE)["release"]
    assert re.search(rf"(收件|受理)后指南已更新（第 00000[1-9] 版 → 第 {release:06d} 版）", page)
    assert "办事人不用因为指南更新再带材料。" in page
    assert "新指南多要的“诚信承诺书”，只有新收的件才要。" in page
    assert "不再要材料" in page


def test_a_case_whose_guide_of_then_was_not_kept_says_that_it_cannot_be_compared(
    node: SmallNode, county: County
) -> None:
    agent = node.agent()
    number = agent.take_in(OLD_AGE)
    newer(county, node, conditions=["别的"])
    with node.station.local.writing() as db:
        db.execute("DELETE FROM kept_items")
    page = plain(agent.get(f"/cases/{number}"))
    assert "收件时的那一版本站没有留存，比不出改了什么" in page


def test_a_change_that_does_not_touch_the_case_asks_nothing_of_anybody(node: SmallNode, county: County) -> None:
    agent = node.agent()
    number = agent.take_in(OLD_AGE)
    newer(county, node, also_called=["老年补贴"])
    page = plain(agent.get(f"/cases/{number}"))
    assert "改动不涉及本件。" in page
    assert "办事人什么都不用做" in page


def test_the_line_page_health_and_api_say_which_release_is_used_and_why_not_a_newer_one(
    node: SmallNode, county: County
) -> None:
    newest = county.catalogue.range("release:", "release;", limit=1, descending=True)[0]
    forged = {**newest, "_id": "release:000099", "_rev": "1-" + "a" * 32}
    node.station.store("catalogue").bulk_docs([forged], new_edits=False)
    node.station.arrived({"catalogue"})
    agent = node.agent()
    for page in ("/line", "/guides", f"/guides/{node.item(SUBSISTENCE)['code']}"):
        assert "版本文件的编号和内容对不上" in plain(agent.get(page)), page
    assert "指南可能不是最新的" in agent.get("/")
    health = node.app.test_client().get("/healthz").json
    assert (health["release"], health["catalogue"]) == (newest["number"], "refused")  # type: ignore[index]
    said = node.station._report()
    assert said.catalogue is not None
    assert "编号和内容对不上" in said.catalogue


def test_a_guide_is_said_to_be_old_when_nobody_has_heard_from_the_county_for_too_long(node: SmallNode) -> None:
    assert "指南可能" not in plain(node.agent().get("/guides"))
    node.now.forward(days=8)
    assert "指南可能旧了：已经 8 天没有从县中心收到指南的消息" in plain(node.agent().get("/guides"))
