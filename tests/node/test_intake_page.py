"""The intake page by situation, by person and by paper, without script: what is asked, kept, offered and refused."""

from __future__ import annotations

import io
import re
from datetime import date
from typing import Any

import pytest

from casework.forms import first_examples
from tests.central.test_pages import looked_over
from tests.node.station import (
    APPLICANT,
    HOMESTEAD,
    OLD_AGE,
    PROOF,
    Desk,
    SmallNode,
    intake,
    number_in,
    photo,
    plain,
    typed,
)
from tests.node.test_pages import errors_of, values_of, with_photo

GUARDIAN = {
    "people.present.role": "guardian",
    "people.guardian.name": "李某某",
    "people.guardian.relation": "母亲",
    "people.guardian.id_number": "600000198503150026",
}
PROXY = {
    "people.present.role": "proxy",
    "people.proxy.name": "李某某",
    "people.proxy.id_number": "600000198503150026",
    "people.proxy.phone": "13000000002",
}


@pytest.fixture
def agent(village: SmallNode) -> Desk:
    return village.agent()


def fields_of(village: SmallNode, number: str) -> dict[str, Any]:
    fields: dict[str, Any] = village.api().get(f"cases/{number}")["current"]["fields"]
    return fields


def hidden(page: str, name: str) -> bool:
    """Whether the field of this name lies in a part that does not apply now."""
    before = page[: page.index(f'name="{name}"')]
    last = re.findall(r"<(?:div|fieldset|details|li|td)\b[^>]*data-when=[^>]*>", before)[-1]
    return " hidden" in last


def test_how_people_were_served_is_asked_quietly(village: SmallNode, agent: Desk) -> None:
    draft = agent.begin(PROOF)
    page = agent.get(draft)
    assert re.search(r'name="channel"[^>]*><option value="counter" selected>窗口', page)
    assert (
        fields_of(village, number_in(agent.submit(draft, typed(village.item(PROOF))).location))["channel"] == "counter"
    )
    draft = agent.begin(PROOF)
    at_home = typed(village.item(PROOF)) | {"channel": "home_visit"}
    agent.submit(draft, at_home, do="park")
    assert re.search(r'<option value="home_visit" selected', agent.get(draft)), "a draft keeps it"
    answer = agent.submit(draft, at_home)
    assert fields_of(village, number_in(answer.location))["channel"] == "home_visit"
    assert "服务方式 上门" in plain(agent.get(answer.location))
    wrong = agent.submit(agent.begin(PROOF), at_home | {"channel": "by_magic"}, expect=422).text
    assert "请选服务方式" in errors_of(wrong)["f-channel"]


def test_each_section_says_how_much_is_still_open(village: SmallNode, agent: Desk) -> None:
    def left(page: str) -> list[str]:
        return re.findall(r'<small class="[^"]*" data-told="s[0-9]">([^<]*)<', page)

    draft = agent.begin(PROOF)
    person, form, materials, last = left(agent.get(draft))
    assert re.fullmatch("还差 [0-9] 项", person)
    assert re.fullmatch("还差 [0-9] 项", form)
    assert (materials, last) == ("已收 0，缺 2，后补 0", "念一遍再保存")
    agent.submit(draft, typed(village.item(PROOF)), do="park")
    assert left(agent.get(draft)) == ["填了", "填了", "已收 1，缺 1，后补 0", "念一遍再保存"]
    page = agent.submit(
        draft, {"applicant.phone": "12", "materials.m01": "later", "paper.m01.later_on": "20200101"}, expect=422
    ).text
    assert left(page)[0] == "1 处要改"
    assert left(page)[2] == "1 处要改"


# -- situations -----------------------------------------------------------------------------------------------------


def test_fields_and_materials_follow_the_situation_without_script(village: SmallNode, agent: Desk) -> None:
    draft = agent.begin(HOMESTEAD)
    page = agent.get(draft)
    assert hidden(page, "form.old_land_area")
    assert "按选的情形更新" in page
    agent.submit(draft, {"situation.how": "rebuild"}, do="refresh")
    page = agent.get(draft)
    assert not hidden(page, "form.old_land_area")
    assert re.search(r'name="situation.how" value="rebuild" checked', page)
    looked_over(page)


def test_what_does_not_apply_is_neither_asked_for_nor_kept(village: SmallNode, agent: Desk) -> None:
    item = village.item(HOMESTEAD)
    old = next(material for material in item["materials"] if material["name"] == "原宅基地权属证明")
    draft = agent.begin(HOMESTEAD)
    everything = typed(item) | {
        "situation.how": "new",
        "form.old_land_area": "120",
        f"materials.{old['id']}": "received",
    }
    with_photo(agent, draft, photo(), material=old["id"])
    number = number_in(agent.submit(draft, everything).location)
    case = village.api().get(f"cases/{number}")
    assert "old_land_area" not in case["current"]["fields"]["form"]
    assert old["name"] not in [material["name"] for material in case["materials"]]
    assert case["current"]["fields"]["situation"] == {"how": "new"}
    page = agent.get(f"/cases/{number}")
    assert "怎么建 新址新建" in plain(page)
    assert f'href="/intake?from={number}"' in page


def test_a_situation_that_was_not_chosen_is_asked_for(village: SmallNode, agent: Desk) -> None:
    draft = agent.begin(HOMESTEAD)
    page = agent.submit(draft, typed(village.item(HOMESTEAD)) | {"situation.how": []}, expect=422).text
    assert "请选" in errors_of(page)["f-situation-how"]
    assert "f-situation-how" in looked_over(page).ids


def test_the_api_takes_a_case_without_a_situation_and_warns(village: SmallNode) -> None:
    body = intake(village.item(HOMESTEAD))
    case = village.api().post("cases", body, Idempotency_Key="k")
    assert "没有选情形" in case["warnings"]["situation"]
    assert "old_land_area" not in case["current"]["fields"]["form"]


# -- people -----------------------------------------------------------------------------------------------------------


def test_a_child_with_a_guardian(village: SmallNode, agent: Desk) -> None:
    draft = agent.begin(PROOF)
    child = typed(village.item(PROOF)) | {"applicant.id_number": "600000201009010030"}
    number = number_in(agent.submit(draft, child | GUARDIAN).location)
    assert fields_of(village, number)["people"] == {
        "present": {"role": "guardian"},
        "guardian": {
            "name": "李某某",
            "relation": "母亲",
            "id_type": "居民身份证",
            "id_number": "600000198503150026",
        },
    }


def test_a_child_without_one_is_taken_in_with_a_word(village: SmallNode, agent: Desk) -> None:
    child = typed(village.item(PROOF)) | {"applicant.id_number": "600000201009010030"}
    answer = agent.submit(agent.begin(PROOF), child)
    assert "不满 18 周岁" in plain(agent.get(answer.location))


def test_a_power_of_attorney_is_kept_whole_and_a_missing_one_only_warns(village: SmallNode, agent: Desk) -> None:
    without = agent.submit(agent.begin(PROOF), typed(village.item(PROOF)) | PROXY)
    assert "还没有授权委托书" in plain(agent.get(without.location))
    power = {
        "people.proxy.power.signed": "thumbprint",
        "people.proxy.power.matters": "开证明\r\n领证明",
        "people.proxy.power.until": "20261231",
    }
    draft = agent.begin(PROOF)
    page = agent.submit(draft, typed(village.item(PROOF)) | PROXY | power, expect=422).text
    assert list(errors_of(page)) == ["f-people-proxy-power-witness"]
    number = number_in(agent.submit(draft, {"people.proxy.power.witness": "何某某"}).location)
    assert fields_of(village, number)["people"]["proxy"]["power"] == {
        "signed": "thumbprint",
        "witness": "何某某",
        "matters": ["开证明", "领证明"],
        "authority": "代为提交和补正材料、签收文书",
        "from": "2026-09-16",
        "until": "2026-12-31",
    }
    assert "开证明、领证明；代为提交和补正材料、签收文书；" in plain(agent.get(f"/cases/{number}"))


def test_the_stations_own_agent_is_one_box(village: SmallNode, agent: Desk) -> None:
    own = {"people.present.role": "proxy", "people.proxy.agent": ["", "yes"], "people.proxy.power.signed": "signature"}
    number = number_in(agent.submit(agent.begin(PROOF), typed(village.item(PROOF)) | own).location)
    proxy = fields_of(village, number)["people"]["proxy"]
    assert (proxy["name"], proxy["agent"]) == ("王某某", True)
    assert "id_number" not in proxy


def test_a_thumbprint_has_a_witness(village: SmallNode, agent: Desk) -> None:
    draft = agent.begin(PROOF)
    page = agent.submit(draft, typed(village.item(PROOF)) | {"applicant.signed": "thumbprint"}, expect=422).text
    assert "见证人" in errors_of(page)["f-people-witness-name"]
    number = number_in(agent.submit(draft, {"people.witness.name": "何某某"}).location)
    fields = fields_of(village, number)
    assert fields["applicant"]["signed"] == "thumbprint"
    assert fields["people"]["witness"] == {"name": "何某某"}
    assert "按手印的见证人 何某某" in plain(agent.get(f"/cases/{number}"))


def test_every_fault_of_the_people_leads_to_its_field(village: SmallNode, agent: Desk) -> None:
    wrong = {
        "people.present.role": "other",
        "people.guardian.name": "李某某",
        "people.guardian.phone": "12",
        "people.proxy.name": "王某某",
        "people.proxy.id_number": "1",
        "people.proxy.power.signed": "signature",
        "people.proxy.power.matters": "",
        "people.proxy.power.from": "明天",
        "handled_by": "600101999000",
        "number": "600101101201-20260916-0001-00000",
        "happened_on": "20270101",
        "happened_time": "09:00",
        "materials.m01": "later",
        "paper.m01.later_on": "20200101",
    }
    page = agent.submit(agent.begin(PROOF), typed(village.item(PROOF)) | wrong, expect=422).text
    errors = errors_of(page)
    assert set(errors) <= set(looked_over(page).ids), errors
    assert len(errors) >= 11, errors


# -- materials --------------------------------------------------------------------------------------------------------


def test_original_or_copy_how_many_and_until_when(village: SmallNode, agent: Desk) -> None:
    papers = {
        "materials.m01": "received",
        "paper.m01.kind": "copy",
        "paper.m01.copies": "2 份",
        "materials.m02": "later",
        "paper.m02.later_on": "20260930",
    }
    number = number_in(agent.submit(agent.begin(PROOF), typed(village.item(PROOF)) | papers).location)
    received = village.api().get(f"cases/{number}")["events"][0]["data"]["materials"]
    assert received[0] | {"name": ""} == {"id": "m01", "name": "", "state": "received", "kind": "copy", "copies": 2}
    assert received[1] | {"name": ""} == {"id": "m02", "name": "", "state": "later", "later_on": "2026-09-30"}
    page = plain(agent.get(f"/cases/{number}"))
    assert "复印件 2 份" in page
    assert "9月30日前补齐" in page


# -- the same person again -------------------------------------------------------------------------------------------


def test_what_the_last_case_had_is_offered_and_carried_only_when_asked(village: SmallNode, agent: Desk) -> None:
    first = agent.take_in(OLD_AGE, address="柳树湾村三组 7 号")
    draft = agent.begin()
    agent.submit(draft, {"applicant.id_number": "6000 0019 6001 0100 16", "applicant.name": "张秀英（改）"}, do="park")
    page = agent.get(draft)
    assert "这位办事人来过" in page
    assert values_of(page, "applicant.phone") == [""], "nothing comes by itself"
    agent.submit(draft, do="carry")
    page = agent.get(draft)
    assert values_of(page, "applicant.phone") == ["13000000001"]
    assert values_of(page, "applicant.address") == ["柳树湾村三组 7 号"]
    assert values_of(page, "applicant.name") == ["张秀英（改）"], "what was typed stays"
    account = first_examples(village.item(OLD_AGE)["form"])["account"]
    assert values_of(page, "form.account") == [account], "a field of the same name and title"
    assert "从上次办件带来的" in page
    assert "一卡通账号" in page.split("从上次办件带来的")[1].split("</p>")[0]
    assert first[-10:] in plain(page)


def test_a_paper_that_was_handed_in_before_is_used_again(village: SmallNode, agent: Desk) -> None:
    first = agent.take_in(OLD_AGE)
    draft = agent.begin(OLD_AGE)
    agent.submit(draft, typed(village.item(OLD_AGE)), do="park")
    assert "reuse:m01" not in agent.get(draft), "an application form is filled in anew"
    card = {"materials.m02": "received"}
    second = number_in(agent.submit(draft, card).location)
    third = agent.begin(OLD_AGE)
    agent.submit(third, typed(village.item(OLD_AGE)), do="park")
    assert "reuse:m02" in agent.get(third)
    agent.submit(third, do="reuse:m02")
    assert "用办件" in agent.get(third)
    number = number_in(agent.submit(third).location)
    material = village.api().get(f"cases/{number}")["events"][0]["data"]["materials"][1]
    assert (material["state"], material["from_case"]) == ("received", second)
    assert first != second
    # And not for somebody else.
    body = intake(village.item(OLD_AGE), id_number="600000198503150026")
    body["materials"] = [{"id": "m02", "state": "received", "from_case": second}]
    refused = village.api().post("cases", body, expect=422, Idempotency_Key="k")
    assert "materials.0.from_case" in refused["fields"]


def both(village: SmallNode, page: str) -> dict[str, Any]:
    """What is typed into the one page of a proof and an allowance: each field of theirs that the page has."""
    filled = typed(village.item(OLD_AGE)) | typed(village.item(PROOF))
    return {name: value for name, value in filled.items() if f'name="{name}"' in page}


def test_several_matters_of_one_person_are_one_page_and_each_becomes_a_case(village: SmallNode, agent: Desk) -> None:
    draft = agent.send("/intake", {"what": [OLD_AGE, PROOF, ""]}, to="/intake").location
    page = agent.get(draft)
    looked_over(page)
    assert f"{OLD_AGE}、{PROOF}" in plain(page)
    assert "一表式 · 2 件" in plain(page)
    assert page.count('name="applicant.name"') == 1
    shared = [m for m in village.item(PROOF)["materials"] if m["name"] in
              {n["name"] for n in village.item(OLD_AGE)["materials"]} and m["type"] != "申请表单"]  # fmt: skip
    for material in shared:
        assert page.count(f"<b>{material['name']}</b>") == 1, "a paper that both ask for is laid on the desk once"
    before = village.documents()
    refused = agent.submit(draft, both(village, page) | {"form.purpose": ""}, expect=422).text
    assert set(errors_of(refused)) <= set(looked_over(refused).ids)
    assert village.documents() == before, "none, if anything is wrong with one"
    saved = agent.submit(draft, both(village, page) | {"applicant.address": "三组 7 号"}).location
    assert "/together?" in saved
    page = agent.get(saved)
    looked_over(page)
    assert "已保存 2 件" in plain(page)
    assert page.count('<article class="sheet">') == 2
    cases = [village.api().get(f"cases/{row['number']}") for row in village.api().get("cases")["results"]]
    assert {case["item_name"] for case in cases} == {OLD_AGE, PROOF}
    assert [case["current"]["fields"]["applicant"]["address"] for case in cases] == ["三组 7 号"] * 2
    for case in cases:
        form = village.item(case["item_name"])["form"]["properties"]
        assert set(case["current"]["fields"]["form"]) <= set(form), "each its own fields"
    # The second tab, or a second press: no second pair of cases, and the draft leads to the first.
    assert agent.client.get(draft).status_code == 303
    number = cases[0]["number"]
    assert f"/cases/{number}/together" in agent.get(f"/cases/{number}"), "and from the case's page"
    printed = agent.send(f"/cases/{number}/together", {}).location
    page = agent.get(printed)
    assert "data-print-now" in page
    assert [len(village.api().get(f"cases/{case['number']}")["papers"]) for case in cases] == [1, 1]
    again = re.search(r'href="(/intake\?from=[0-9A-Z-]+)"', agent.get(f"/cases/{number}"))
    assert again, "and then another one, if the person has more to ask"
    page = agent.get(again[1])
    assert f"给 {APPLICANT['name']} 再办一件" in plain(page)
    third = agent.send(again[1], {"what": [PROOF], "from": number}, to="/intake").location
    assert values_of(agent.get(third), "applicant.phone") == [APPLICANT["phone"]]


def test_a_paper_that_two_matters_ask_for_is_handed_in_once(village: SmallNode, agent: Desk) -> None:
    draft = agent.send("/intake", {"what": [OLD_AGE, HOMESTEAD]}, to="/intake").location
    page = agent.get(draft)
    filled = typed(village.item(OLD_AGE)) | typed(village.item(HOMESTEAD))
    filled |= dict.fromkeys(re.findall(r'name="(materials\.[^"]+)" value="received"', page), "received")
    names = {m["name"] for m in village.item(OLD_AGE)["materials"]} & {
        m["name"] for m in village.item(HOMESTEAD)["materials"] if m["type"] != "申请表单" and not m.get("when")
    }
    (name, *_more) = sorted(names)
    picture = re.search(rf"<b>{name}</b>.*?name=\"(photo\.[^\"]+)\"", page, re.DOTALL)
    assert picture
    sent = agent.fill(draft, filled, do=picture[1].replace(".", ":"))
    sent.add(picture[1], (io.BytesIO(photo()), "a.jpg"))
    assert agent.client.post(draft, data=sent, content_type="multipart/form-data").status_code == 303
    agent.submit(draft, {name: value for name, value in filled.items() if f'name="{name}"' in page})
    first, second = sorted(row["number"] for row in village.api().get("cases")["results"])
    for number in (first, second):
        case = village.station.casebook.case(number)
        assert case is not None
        paper = next(m for m in case["materials"] if m["name"] == name)
        assert paper["state"] == "received"
        assert len(paper["files"]) == 1, "whoever looks at either case sees the photo"
        assert paper.get("from_case") == (first if number == second else None)


def test_a_name_that_no_item_has_is_asked_for_again(village: SmallNode, agent: Desk) -> None:
    page = agent.send("/intake", {"what": ["老人补贴", PROOF]}, to="/intake", expect=422).text
    assert OLD_AGE in errors_of(page)["f-what-0"]
    assert "f-what-0" in looked_over(page).ids
    assert values_of(page, "what")[:2] == ["老人补贴", PROOF]
    assert agent.send("/intake", {"what": [""]}, to="/intake", expect=422)


# -- while it is filled in --------------------------------------------------------------------------------------------


def test_a_check_answers_for_what_was_filled_in_and_keeps_nothing(village: SmallNode, agent: Desk) -> None:
    agent.take_in(OLD_AGE)
    draft = agent.begin()
    sent = agent.fill(draft, {"applicant.id_number": "600000196001010015", "form.household_size": "二"})
    sent.setlist("touched", ["applicant.id_number", "form.household_size", "applicant.name"])
    part = agent.client.post(f"{draft}/check", data=sent)
    assert part.status_code == 200
    assert "<html" not in part.text
    assert re.findall(r'data-at="([^"]+)"', part.text) == ["f-applicant-id_number", "f-form-household_size"]
    assert "最后一位" in part.text
    assert values_of(agent.get(draft), "applicant.id_number") == [""]
    sent["applicant.id_number"] = "600000196001010016"
    assert "这位办事人来过" in agent.client.post(f"{draft}/check", data=sent).text


# -- numbers for paper ------------------------------------------------------------------------------------------------


def test_numbers_are_reserved_printed_and_used_once(village: SmallNode, agent: Desk) -> None:
    sheet = agent.send("/numbers", {"count": "3", "on": "20260917"}, to="/numbers").location
    page = agent.get(sheet)
    assert looked_over(page).headings == 1
    numbers = re.findall(r'<p class="number">([0-9A-Z-]+)</p>', page)
    assert len(set(numbers)) == 3
    assert all(number.startswith("600101101201-20260917-000") for number in numbers)
    village.restart()
    agent = village.agent()
    draft = agent.begin(PROOF)
    page = agent.get(draft)
    assert all(f'value="{number}"' in page for number in numbers), "they survive a restart"
    paper = {"number": numbers[1], "happened_on": "2026年9月15日", "happened_time": "16：40"}
    answer = agent.submit(draft, typed(village.item(PROOF)) | paper)
    assert number_in(answer.location) == numbers[1]
    case = village.api().get(f"cases/{numbers[1]}")
    assert case["current"]["deadlines"]["received_at"] == "2026-09-15T08:40:00.000Z"
    assert case["accepted_at"] == "2026-09-15T08:40:00.000Z", "accepted at once, on paper"
    body = {**intake(village.item(PROOF)), "number": numbers[1]}
    assert "number" in village.api().post("cases", body, expect=422, Idempotency_Key="again")["fields"]
    agent.get(answer.location)
    assert numbers[1] not in agent.get("/numbers/sheet/2026-09-17")
    village.now.at = village.now.at.replace(day=17)
    ordinary = village.agent().take_in(PROOF)
    assert ordinary.split("-")[2] == "0004", "after the reserved ones of that day"


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"count": "0", "on": "20260916"}, "count"),
        ({"count": "51", "on": "20260916"}, "count"),
        ({"count": "几个", "on": "20260916"}, "count"),
        ({"count": "5", "on": "20260915"}, "on"),
        ({"count": "5", "on": "20261231"}, "on"),
        ({"count": "5", "on": "明天"}, "on"),
    ],
)
def test_numbers_that_cannot_be_reserved(agent: Desk, said: dict[str, str], field: str) -> None:
    page = agent.send("/numbers", said, to="/numbers", expect=422).text
    assert list(errors_of(page)) == [f"f-{field}"]
    assert "f-count" in looked_over(page).ids
    assert "没有留着的编号" in page
    agent.get("/numbers/sheet/2026-09-16", expect=404)
    agent.get("/numbers/sheet/x", expect=404)


def test_a_number_whose_case_was_saved_just_before_a_power_cut_is_used(village: SmallNode) -> None:
    (one,) = village.station.reserved.reserve(1, date(2026, 9, 16), "王某某", today=date(2026, 9, 16))
    body = {**intake(village.item(PROOF)), "number": one.number, "happened_at": "2026-09-16T00:30:00Z"}
    village.station.reserved.use = lambda _number: None  # type: ignore[method-assign]  # the power cut
    assert village.api().post("cases", body, Idempotency_Key="k")["number"] == one.number
    village.restart()
    assert village.station.reserved.open_ones() == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"happened_at": "2026-09-16T01:00:01Z"}, "happened_at"),
        ({"happened_at": "2026-07-01T01:00:00Z"}, "happened_at"),
        ({"happened_at": "昨天"}, "happened_at"),
        ({"handled_by": "600101999000"}, "handled_by"),
        ({"handled_by": "600101101201"}, "handled_by"),
        ({"number": "x"}, "number"),
        ({"people": {"proxy": {"name": ""}}}, "people.proxy.name"),
        ({"situation": {"how": "new"}}, "situation.how"),
    ],
)
def test_what_the_api_refuses_is_named_by_its_path(village: SmallNode, change: dict[str, Any], field: str) -> None:
    body = {**intake(village.item(PROOF)), **change}
    told = village.api().post("cases", body, expect=422, Idempotency_Key="k")
    assert told["fields"][field].endswith("。")
    assert village.documents() == 0


def test_a_township_takes_in_for_itself_by_name(village: SmallNode) -> None:
    body = {**intake(village.item(PROOF)), "handled_by": "600101101000"}
    case = village.api().post("cases", body, Idempotency_Key="k")
    assert case["events"][0]["data"]["handled_by"] == "600101101000"
