"""The station's pages as an agent goes through them, without script: what they show, keep, refuse and print."""

from __future__ import annotations

import html
import io
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from markupsafe import escape

from casework.times import rfc3339
from node.line import Doubt
from tests.central.county import SUBSISTENCE, TOWNSHIP, VILLAGE, csrf_in
from tests.central.test_pages import looked_over
from tests.node.station import OLD_AGE, PROOF, Desk, SmallNode, intake, number_in, photo, plain, typed
from web.cases.desk import Act, Person

SCRIPT = "<script>alert('x')</script>"
# 吉 with another roof, a character beyond the first plane that families really bear; an emoji with its joiners.
RARE, MINORITY, ASTRAL = "\U00020bb7田某", "阿依古丽·买买提", "李\U0002a6a5某"


@pytest.fixture
def agent(village: SmallNode) -> Desk:
    return village.agent()


def errors_of(page: str) -> dict[str, str]:
    """The lines of the error summary: the id that each leads to, and its sentence."""
    summary = re.search(r'<section class="errors".*?</section>', page, re.DOTALL)
    assert summary, plain(page)[:2000]
    return {
        anchor: html.unescape(sentence)
        for anchor, sentence in re.findall(r'<a href="#([^"]+)">(.*?)</a>', summary[0], re.DOTALL)
    }


def values_of(page: str, name: str) -> list[str]:
    return [html.unescape(value) for value in re.findall(rf'name="{re.escape(name)}"[^>]* value="([^"]*)"', page)]


# -- every page ----------------------------------------------------------------------------------------------------


def test_every_page_is_whole_and_tells_the_line(village: SmallNode, agent: Desk) -> None:
    number = agent.take_in()
    draft = agent.begin()
    code = village.item()["code"]
    for path in (
        "/",
        "/guides",
        "/guides?q=低保",
        "/guides?category=困难救助",
        f"/guides/{code}",
        "/intake",
        draft,
        "/cases",
        f"/cases/{number}",
        "/line",
        "/clock",
    ):
        page = agent.get(path)
        outline = looked_over(page)
        assert outline.headings == 1, path
        assert "照常收件" in page or "线路" in page, path
        assert "柳树湾村便民服务站" in page, path
    for path in (f"/cases/{number}/papers/receipt", f"/cases/{number}/papers/application"):
        looked_over(agent.get(path))


def test_pages_that_are_not_there_are_calm(agent: Desk) -> None:
    for path in (
        "/nowhere",
        "/guides/none",
        "/intake/none",
        "/cases/none",
        "/cases/600101101201-20260916-0001-00000",
        "/cases/none/papers/receipt",
    ):
        page = agent.get(path, expect=404)
        assert "回首页" in page
        assert "Traceback" not in page


# -- the morning page and the guides ------------------------------------------------------------------------------


def test_the_morning_page_lists_what_is_due_and_what_was_left(village: SmallNode, agent: Desk) -> None:
    empty = plain(agent.get("/"))
    assert "现在没有要赶的事" in empty
    assert "2026年9月16日" in empty.replace(" ", "")
    number = agent.take_in()
    draft = agent.begin()
    agent.submit(draft, {"applicant.name": "没写完的人"}, do="park")
    page = agent.get("/")
    assert f"/cases/{number}" in page
    assert "还剩" in page or "天" in plain(page)
    assert "已存在本站，等线路" in page
    assert draft in page
    assert "没写完的人" in page
    assert "没写完的人" not in village.agent("chen").get("/"), "a draft is its author's"


def test_a_village_case_waits_for_the_villages_own_decision(agent: Desk) -> None:
    number = agent.take_in(PROOF)
    assert "待决定" in agent.get("/")
    agent.send(f"/cases/{number}", {"outcome": "granted", "reason": "属实"}, to=f"/cases/{number}/acts/decided")
    page = agent.get("/")
    assert "待决定" not in page
    assert "有结果了" in page


def test_guides_are_found_by_what_people_say_and_by_category(agent: Desk) -> None:
    assert SUBSISTENCE in agent.get("/guides?q=吃低保")
    by_category = agent.get("/guides?category=老人")
    assert OLD_AGE in by_category
    assert SUBSISTENCE not in by_category
    assert "没有找到“坐飞船”" in agent.get("/guides?q=坐飞船")
    part = agent.get("/guides?q=低保&part=1")
    assert SUBSISTENCE in part
    assert "<html" not in part


def test_a_guide_says_what_to_bring_how_long_what_fee_and_who_decides(village: SmallNode, agent: Desk) -> None:
    item = village.item()
    said = plain(agent.get(f"/guides/{item['code']}"))
    for material in item["materials"]:
        assert material["name"] in said
    for wanted in ("20 个工作日", "不收费", "县民政局", "代办", *item["conditions"]):
        assert wanted.replace(" ", "") in said.replace(" ", ""), wanted


# -- intake ---------------------------------------------------------------------------------------------------------


def test_a_case_is_taken_in_and_its_page_says_saved(village: SmallNode, agent: Desk) -> None:
    draft = agent.begin()
    answer = agent.submit(draft, typed(village.item()) | {"applicant.address": "柳树湾村三组 7 号"})
    page = agent.get(answer.location)
    assert "已保存" in page
    assert "张秀英" in page
    assert "柳树湾村三组 7 号" in page
    assert "1,250.00" in page or "1250.00" in page, "the members' income is added up"
    number = number_in(answer.location)
    case = village.api().get(f"cases/{number}")
    assert case["state"] == "accepted"
    assert case["current"]["fields"]["form"]["household_size"] == 3
    assert [material["state"] for material in case["materials"]][:2] == ["received", "missing"]
    assert "已保存" not in plain(agent.get(f"/cases/{number}")).split("经过")[0], "said once, when it was saved"


def test_an_unknown_item_begins_nothing(village: SmallNode, agent: Desk) -> None:
    code = village.item()["code"]
    agent.send(f"/guides/{code}", {"item": "none"}, to="/intake", expect=404)
    agent.send(f"/guides/{code}", {}, to="/intake", expect=404)
    assert village.station.drafts.open_ones("wang") == []


def test_errors_are_said_on_top_each_leads_to_its_field_and_nothing_typed_is_lost(
    village: SmallNode, agent: Desk
) -> None:
    draft = agent.begin()
    before = village.documents()
    wrong = typed(village.item()) | {
        "applicant.id_number": "600000196001010015",
        "applicant.phone": "123",
        "form.household_size": "2",
        "form.members.1.monthly_income": "九百",
        "form.hardship": "",
        "read_aloud": "yes",
    }
    answer = agent.submit(draft, wrong, expect=422)
    outline = looked_over(answer.text)
    errors = errors_of(answer.text)
    assert len(errors) == 5, errors
    assert "有 5 处要改" in plain(answer.text)
    assert set(errors) <= set(outline.ids), "each line leads to a field of this page"
    assert any("校验码" in sentence or "最后一位" in sentence for sentence in errors.values()), errors
    assert all(len(sentence) > 4 for sentence in errors.values())
    for page in (answer.text, agent.get(draft)):
        assert values_of(page, "applicant.id_number") == ["600000196001010015"]
        assert values_of(page, "applicant.name") == ["张秀英"]
        assert values_of(page, "form.members.1.monthly_income") == ["九百"]
        assert 'value="yes" checked' in page
    assert village.documents() == before
    agent.submit(
        draft,
        {
            "applicant.id_number": "600000196001010016",
            "applicant.phone": "13000000001",
            "form.household_size": "3",
            "form.members.1.monthly_income": "900",
            "form.hardship": "有病",
        },
    )


def test_nothing_at_all_is_answered_field_by_field(agent: Desk) -> None:
    draft = agent.begin()
    answer = agent.client.post(draft, data={"csrf": csrf_in(agent.get(draft)), "do": "save"})
    assert answer.status_code == 422
    errors = errors_of(answer.text)
    assert set(errors) <= set(looked_over(answer.text).ids)
    assert len(errors) >= 6


def test_no_card_and_no_phone_need_a_reason(village: SmallNode, agent: Desk) -> None:
    draft = agent.begin()
    without = typed(village.item()) | {
        "applicant.id_type": "无证件",
        "applicant.id_number": "",
        "applicant.phone": "",
    }
    page = agent.submit(draft, without, expect=422).text
    assert len(errors_of(page)) == 2
    reasons = {"applicant.id_reason": "身份证丢了，正在补办", "applicant.phone_reason": "没有手机"}
    number = number_in(agent.submit(draft, reasons).location)
    said = agent.get(f"/cases/{number}")
    assert "身份证丢了，正在补办" in said
    assert "没有手机" in said
    assert "无证件" in agent.get(f"/cases/{number}/papers/receipt")


def test_rows_come_and_go_without_script(village: SmallNode, agent: Desk) -> None:
    draft = agent.begin()
    agent.submit(draft, typed(village.item()), do="park")
    page = agent.get(draft)
    buttons = re.findall(r'name="row" value="([^"]+)"', page)
    add = next(value for value in buttons if "add" in value)
    more = agent.client.post(draft, data={**agent.fill(draft, do=""), "row": add})
    assert more.status_code == 200
    assert 'name="form.members.3.name"' in more.text
    assert values_of(more.text, "form.members.2.name") == ["李某"]
    remove = next(
        value for value in re.findall(r'name="row" value="([^"]+)"', agent.get(draft)) if value.endswith(".1")
    )
    fewer = agent.client.post(draft, data={**agent.fill(draft, do=""), "row": remove})
    assert fewer.status_code == 200
    assert values_of(fewer.text, "form.members.1.name") == ["李某"]
    assert 'name="form.members.2.name"' not in fewer.text.split("<template")[0]
    assert [row["name"] for row in village.station.drafts.open_ones("wang")[0].content["form"]["members"]] == [
        "张某某",
        "李某",
    ]


def test_what_was_typed_survives_a_power_cut(village: SmallNode, agent: Desk) -> None:
    draft = agent.begin()
    told = agent.client.post(f"{draft}/keep", data=agent.fill(draft, {"applicant.name": "写到一半"}))
    assert "已存在本站" in told.text
    village.restart()
    again = village.agent()
    assert values_of(again.get(draft), "applicant.name") == ["写到一半"]


def test_a_draft_is_its_authors_and_can_be_thrown_away(village: SmallNode, agent: Desk) -> None:
    draft = agent.begin()
    other = village.agent("chen")
    other.get(draft, expect=404)
    other.send("/line", {"do": "save"}, to=draft, expect=404)
    other.send("/line", {}, to=f"{draft}/discard", expect=404)
    agent.send(draft, {}, to=f"{draft}/discard")
    agent.get(draft, expect=404)


# -- photos of a draft ----------------------------------------------------------------------------------------------


def with_photo(desk: Desk, draft: str, content: bytes, name: str = "p.jpg", material: str = "m01") -> Any:
    sent = desk.fill(draft, do=f"photo:{material}")
    sent.add(f"photo.{material}", (io.BytesIO(content), name))
    return desk.client.post(draft, data=sent, content_type="multipart/form-data")


def test_photos_come_before_the_case_and_outlive_its_errors(village: SmallNode, agent: Desk) -> None:
    draft, picture = agent.begin(), photo()
    agent.submit(draft, typed(village.item()) | {"materials.m01": "missing", "form.hardship": ""}, do="park")
    assert with_photo(agent, draft, picture).status_code == 303
    assert with_photo(agent, draft, picture).status_code == 303
    page = agent.get(draft)
    files = set(re.findall(rf'src="({re.escape(draft)}/files/[0-9a-f]+)"', page))
    assert len(files) == 1, "the same photo twice is kept once"
    kept = agent.client.get(files.pop())
    assert (kept.status_code, kept.data, kept.mimetype) == (200, picture, "image/jpeg")
    assert re.search(r'name="materials.m01" value="received" checked', page), "whoever photographs it has it in hand"
    agent.submit(draft, expect=422)
    number = number_in(agent.submit(draft, {"form.hardship": "有病"}).location)
    material = village.api().get(f"cases/{number}")["materials"][0]
    assert len(material["files"]) == 1
    shown = agent.client.get(f"/cases/{number}/files/{material['files'][0]['id']}")
    assert (shown.status_code, shown.data) == (200, picture)
    assert village.station.drafts.open_ones("wang") == []


def test_a_photo_is_taken_out_again(village: SmallNode, agent: Desk) -> None:
    draft = agent.begin()
    with_photo(agent, draft, photo(), material="m02")
    drop = re.search(r'value="(drop:m02:[0-9a-f]+)"', agent.get(draft))
    assert drop
    agent.submit(draft, do=drop[1])
    assert "/files/" not in agent.get(draft)
    number = number_in(agent.submit(draft, typed(village.item())).location)
    assert all(not material["files"] for material in village.api().get(f"cases/{number}")["materials"])


@pytest.mark.parametrize(
    ("content", "name", "status", "said"),
    [
        (b"this is no picture", "photo.jpg", 415, "不是能打开的照片"),
        (b"", "empty.jpg", 422, "选一张照片"),
        (b"\xff\xd8\xff" + b"0" * (21 << 20), "big.jpg", 413, "20 MB"),
        (photo(kind="GIF"), "moving.jpg", 415, "不是能打开的照片"),
    ],
)
def test_a_file_that_is_no_photo_leaves_the_page_as_it_was(
    village: SmallNode, agent: Desk, content: bytes, name: str, status: int, said: str
) -> None:
    draft = agent.begin()
    agent.submit(draft, typed(village.item()), do="park")
    answer = with_photo(agent, draft, content, name)
    assert answer.status_code == status
    assert said in answer.text
    assert list(errors_of(answer.text)) == ["f-photo-m01"], "it leads to the material that it was for"
    assert "f-photo-m01" in looked_over(answer.text).ids
    assert values_of(answer.text, "applicant.name") == ["张秀英"]
    assert "/files/" not in agent.get(draft)


def test_a_request_beyond_all_measure_is_a_calm_413(village: SmallNode, agent: Desk) -> None:
    draft = agent.begin()
    agent.submit(draft, typed(village.item()), do="park")
    answer = with_photo(agent, draft, bytes(30 << 20))
    assert answer.status_code == 413
    assert "太大" in answer.text
    assert values_of(agent.get(draft), "applicant.name") == ["张秀英"]


# -- one draft in two tabs -------------------------------------------------------------------------------------------


def test_the_same_draft_saved_in_two_tabs_is_one_case(village: SmallNode, agent: Desk) -> None:
    draft = agent.begin()
    agent.submit(draft, typed(village.item()), do="park")
    first, second = agent.fill(draft), agent.fill(draft)
    one = agent.client.post(draft, data=first)
    before = village.documents()
    other = agent.client.post(draft, data=second)
    assert (one.status_code, other.status_code) == (303, 303)
    assert number_in(one.location) == number_in(other.location)
    assert village.documents() == before
    opened = agent.client.get(draft)
    assert number_in(opened.location) == number_in(one.location)
    assert "已经保存成办件" in agent.client.post(f"{draft}/keep", data=first).text


def test_the_second_tab_with_other_words_loses_nothing_silently(village: SmallNode, agent: Desk) -> None:
    draft = agent.begin()
    agent.submit(draft, typed(village.item()), do="park")
    first, second = agent.fill(draft), agent.fill(draft, {"form.hardship": "第二个标签页里改过的话"})
    number = number_in(agent.client.post(draft, data=first).location)
    before = village.documents()
    answer = agent.client.post(draft, data=second)
    assert answer.status_code == 409
    assert "没有再存" in answer.text
    assert f'href="/cases/{number}"' in answer.text
    assert "第二个标签页里改过的话" in answer.text
    assert village.documents() == before


def test_two_tabs_at_the_same_moment_make_one_case(village: SmallNode, agent: Desk) -> None:
    draft = agent.begin()
    agent.submit(draft, typed(village.item()), do="park")
    sent = agent.fill(draft)
    tabs = [village.agent() for _ in range(4)]
    for tab in tabs:
        sent_by_tab = tab.fill(draft)
        assert sent_by_tab.getlist("applicant.name") == sent.getlist("applicant.name")
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda tab: tab[0].client.post(draft, data=tab[1]), [(t, t.fill(draft)) for t in tabs]))
    assert {answer.status_code for answer in answers} == {303}, [plain(a.text)[:300] for a in answers]
    assert len({number_in(answer.location) for answer in answers}) == 1
    assert village.documents() == 2, "one `received` and one `accepted`"


# -- the case page and its papers -------------------------------------------------------------------------------------


def test_a_case_is_corrected_withdrawn_and_then_closed(village: SmallNode, agent: Desk) -> None:
    number = agent.take_in()
    page, acts = f"/cases/{number}", f"/cases/{number}/acts"
    agent.send(
        page, {"path": "applicant.phone", "value": "13000000002", "reason": "换了号"}, to=f"{acts}/field_corrected"
    )
    assert "130" in plain(agent.get(page))
    assert village.api().get(f"cases/{number}")["current"]["fields"]["applicant"]["phone"] == "13000000002"
    wrong = agent.send(page, {"path": "applicant.phone", "value": "12"}, to=f"{acts}/field_corrected", expect=422)
    assert set(errors_of(wrong.text)) <= set(looked_over(wrong.text).ids)
    assert values_of(wrong.text, "value") == ["12"]
    agent.send(page, {"reason": ""}, to=f"{acts}/withdrawn", expect=422)
    agent.send(page, {"reason": "不办了"}, to=f"{acts}/withdrawn")
    closed = agent.get(page)
    assert "不办了" in closed
    assert f"{acts}/withdrawn" not in closed
    assert "+ 拍照" not in closed
    agent.send("/line", {"reason": "再撤一次"}, to=f"{acts}/withdrawn", expect=409)


def test_photos_are_added_to_a_case(village: SmallNode, agent: Desk) -> None:
    number, picture = agent.take_in(), photo()
    page = f"/cases/{number}"
    agent.send(page, {"name": "m02", "file": (io.BytesIO(picture), "a.jpg")}, to=f"{page}/photos")
    shown = agent.get(page)
    assert "<img" in shown
    before = village.documents()
    for content, status in ((b"text", 415), (b"", 422)):
        answer = agent.send(
            page, {"name": "m02", "file": (io.BytesIO(content), "a.jpg")}, to=f"{page}/photos", expect=status
        )
        assert "照片" in answer.text
    agent.send(page, {"name": "m99", "file": (io.BytesIO(photo(30)), "a.jpg")}, to=f"{page}/photos", expect=422)
    assert village.documents() == before


def test_the_live_part_is_a_part(agent: Desk) -> None:
    number = agent.take_in()
    part = agent.get(f"/cases/{number}/facts")
    assert "<html" not in part
    assert 'data-live="' in part


def test_the_receipt_says_what_was_taken_and_until_when(village: SmallNode, agent: Desk) -> None:
    number = agent.take_in()
    paper = agent.get(f"/cases/{number}/papers/receipt")
    said = plain(paper)
    assert "受理回执" in said
    assert SUBSISTENCE in said
    assert "张秀英" in said
    assert "600000196001010016" not in said, "a receipt lies about; the whole number is for the application form"
    assert "13000000001" not in said
    assert "<svg" in paper
    assert "10月" in said, "20 working days from 16 September, over the October holiday"
    assert "最低生活保障申请表" in said
    assert number[-10:] in said


def test_the_application_form_is_filled_in_for_signing(agent: Desk) -> None:
    number = agent.take_in()
    said = plain(agent.get(f"/cases/{number}/papers/application"))
    for wanted in ("600000196001010016", "13000000001", "镇上零工", "900.00", "签名或按手印", "6200000000000000000"):
        assert wanted in said, wanted
    agent.get(f"/cases/{number}/papers/nothing", expect=404)


@pytest.mark.parametrize("says", [datetime(1970, 1, 1, 0, 3, tzinfo=UTC), datetime(2029, 9, 16, 1, 0, tzinfo=UTC)])
def test_with_a_wrong_clock_intake_works_and_papers_wait_for_the_date(village: SmallNode, says: datetime) -> None:
    village.restart(at=says)
    agent = village.agent()
    assert "确认今天是几号" in agent.get("/") or "/clock" in agent.get("/")
    number = agent.take_in()
    for paper in ("receipt", "application"):
        refused = agent.get(f"/cases/{number}/papers/{paper}", expect=409)
        assert "确认日期" in refused
        assert '/clock"' in refused, "the way there is a link"
    for wrong in (
        {"date": "", "time": "09:00"},
        {"date": "2026-13-40", "time": "09:00"},
        {},
        {"date": "0001-01-01", "time": "00:00"},
        {"date": "9999-12-31", "time": "23:59"},
        {"date": "1970-01-01", "time": "09:00"},
        {"date": "2206-09-16", "time": "09:00"},
    ):
        page = agent.send("/clock", wrong, expect=422).text
        assert set(errors_of(page)) <= set(looked_over(page).ids)
    assert "明显不对" in agent.get("/clock")
    agent.send("/clock", {"date": "2026-09-16", "time": "16:30"})
    assert "明显不对" not in agent.get("/clock")
    paper = plain(agent.get(f"/cases/{number}/papers/receipt"))
    assert "2026年9月16日" in paper.replace(" ", "")
    assert "1970" not in paper
    assert "2029" not in paper
    case = village.api().get(f"cases/{number}")
    assert case["accepted_at"].startswith("2026-09-16T08:30")
    assert "clock_corrected" in [event["kind"] for event in case["events"]]
    later = agent.take_in(name="李某某")
    assert later.split("-")[1] == "20260916"
    agent.get(f"/cases/{later}/papers/receipt")


@pytest.mark.parametrize("by", ["a person", "the county"])
def test_a_clock_that_is_put_right_signs_nobody_out(village: SmallNode, by: str) -> None:
    village.restart(at=datetime(1970, 1, 1, 0, 3, tzinfo=UTC))
    agent, caller = village.agent(), village.api()
    draft = agent.begin()
    if by == "a person":
        agent.send("/clock", {"date": "2026-10-08", "time": "10:30"})
        assert "日期按您说的算" in agent.get("/clock")
    else:
        offset = datetime(2026, 10, 8, 2, 30, tzinfo=UTC) - village.now.at
        village.station.clock.learn(round(offset / timedelta(milliseconds=1)))
    number = number_in(agent.submit(draft, typed(village.item())).location)
    assert number.split("-")[1] == "20261008"
    caller.get(f"cases/{number}")
    village.now.forward(hours=13)
    assert agent.client.get("/").status_code == 302, "twelve hours are twelve hours by any clock"


def test_the_line_page_says_what_waits_and_what_was_not_taken(village: SmallNode, agent: Desk) -> None:
    number = agent.take_in()
    page = agent.get("/line")
    assert f"/cases/{number}" in page
    assert "2 条" in plain(page)
    village.station.refused("catalogue", "down", {"_id": f"item:{SCRIPT}", "_rev": "1-a"}, "不是县中心签的")
    page = agent.get("/line")
    assert "不是县中心签的" in page
    assert SCRIPT not in page


def test_try_now_without_a_county_says_so_and_stays_calm(agent: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.views.line.TRY_NOW_S", 0.05)
    agent.send("/line", {})
    assert "照常收件" in agent.get("/line")


# -- who may, and from where ------------------------------------------------------------------------------------------


def test_the_township_decides_and_its_agent_does_not(township: SmallNode) -> None:
    clerk, head = township.agent("zhou"), township.agent("wu")
    number = clerk.take_in(OLD_AGE)
    page, decide = f"/cases/{number}", f"/cases/{number}/acts/decided"
    assert decide not in clerk.get(page)
    before = township.documents()
    clerk.send(page, {"outcome": "granted", "reason": "属实"}, to=decide, expect=403)
    assert township.documents() == before
    assert decide in head.get(page)
    for said in ({}, {"outcome": "maybe", "reason": "x"}, {"outcome": "refused", "reason": ""}):
        answer = head.send(page, said, to=decide, expect=422)
        assert set(errors_of(answer.text)) <= set(looked_over(answer.text).ids)
    head.send(page, {"outcome": "refused", "reason": "年龄不到"}, to=decide)
    assert "年龄不到" in clerk.get(page)
    assert "不予批准" in clerk.get(page)
    head.send("/line", {"outcome": "granted", "reason": "再想想"}, to=decide, expect=409)


def test_a_county_item_is_not_the_townships_to_decide(township: SmallNode) -> None:
    number = township.agent("zhou").take_in(SUBSISTENCE)
    head = township.agent("wu")
    assert "acts/decided" not in head.get(f"/cases/{number}")
    head.send(f"/cases/{number}", {"outcome": "granted", "reason": "x"}, to=f"/cases/{number}/acts/decided", expect=403)


def test_an_act_that_no_page_offers_is_refused(agent: Desk) -> None:
    number = agent.take_in()
    for kind in ("received", "paper_issued", "nonsense"):
        agent.send(f"/cases/{number}", {"reason": "x"}, to=f"/cases/{number}/acts/{kind}", expect=404)
    for kind, status in (("accepted", 409), ("material_added", 422), ("admitted", 403), ("finish", 403)):
        before = agent.node.documents()
        agent.send(f"/cases/{number}", {"reason": "x"}, to=f"/cases/{number}/acts/{kind}", expect=status)
        assert agent.node.documents() == before


def test_nobody_gets_in_without_signing_in_and_every_change_needs_the_pages_own_mark(
    village: SmallNode, agent: Desk
) -> None:
    number, draft = agent.take_in(), agent.begin()
    before = village.documents()
    stranger = village.app.test_client()
    walked = 0
    for rule in village.app.url_map.iter_rules():
        view = village.app.view_functions[rule.endpoint]
        if rule.endpoint == "static" or view.roles == ():  # type: ignore[attr-defined]
            continue
        path = rule.rule.replace("<number>", number).replace("<draft_id>", draft.rsplit("/", 1)[1])
        path = re.sub(r"<[^>]+>", "x", path)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            refused = stranger.open(path, method=method)
            assert refused.status_code == (401 if path.startswith("/api/") else 302), (method, path)
            if method == "GET":
                continue
            walked += 1
            for csrf in ({}, {"csrf": "0" * 64}, {"csrf": "坏"}):
                answer = agent.client.open(path, method=method, data=csrf)
                assert answer.status_code == 403, (method, path, csrf)
    assert walked >= 10
    assert village.documents() == before
    agent.get(draft)


# -- whatever people are called ----------------------------------------------------------------------------------------


def test_script_in_every_field_is_only_text(village: SmallNode, agent: Desk) -> None:
    draft = agent.begin()
    hostile = typed(village.item())
    for name, value in hostile.items():
        if name.startswith(("form.", "applicant.")) and isinstance(value, str):
            hostile[name] = SCRIPT
    hostile |= {f"applicant.{name}": SCRIPT for name in ("address", "id_reason", "phone_reason")}
    answer = agent.submit(draft, hostile, expect=422)
    for page in (answer.text, agent.get(draft), agent.get("/"), agent.get("/intake")):
        assert SCRIPT not in page
        assert "<script>" not in page
    assert answer.text.count(escape(SCRIPT)) >= 10, "it is all still there to be mended"


def test_script_that_came_into_a_case_is_only_text_on_every_page_and_paper(village: SmallNode, agent: Desk) -> None:
    number = agent.take_in()
    desk, by = village.station.desk, Person("wang", SCRIPT, "agent")
    received = dict(
        next(e for e in village.station.casebook.events(number) if e["kind"] == "received")["data"],
        applicant={
            "name": SCRIPT,
            "id_type": "无证件",
            "id_reason": SCRIPT,
            "phone_reason": SCRIPT,
            "address": SCRIPT,
        },
    )
    received["form"] = {
        **received["form"],
        "hardship": SCRIPT,
        "members": [{"name": SCRIPT, "relation": SCRIPT, "id_number": SCRIPT, "employment": SCRIPT}],
        SCRIPT: SCRIPT,
    }
    received["materials"] = [{"id": "m01", "name": SCRIPT, "state": "received"}]
    hostile = number[:-5] + "0AAAA"
    desk.write(hostile, [Act("received", received), Act("accepted")], by)
    agent.send(
        f"/cases/{hostile}",
        {"name": "m01", "file": (io.BytesIO(photo()), f"{SCRIPT}.jpg")},
        to=f"/cases/{hostile}/photos",
    )
    agent.send(f"/cases/{hostile}", {"reason": SCRIPT}, to=f"/cases/{hostile}/acts/withdrawn")
    for path in (
        "/",
        "/cases",
        f"/cases?q={SCRIPT}",
        f"/guides?q={SCRIPT}",
        f"/guides?q={SCRIPT}&part=1",
        f"/guides?category={SCRIPT}",
        "/line",
        f"/cases/{hostile}",
        f"/cases/{hostile}/facts",
        f"/cases/{hostile}/papers/receipt",
        f"/cases/{hostile}/papers/application",
    ):
        page = agent.get(path)
        assert "<script>" not in page, path
        assert "alert('x')" not in page, path
    assert agent.get(f"/cases/{hostile}").count(escape(SCRIPT)) >= 6


@pytest.mark.parametrize("name", [RARE, MINORITY, ASTRAL, "John O’Neil-Smith", "李 某"])
def test_names_of_every_kind_are_kept_character_by_character(village: SmallNode, agent: Desk, name: str) -> None:
    number = agent.take_in(name=name)
    assert village.api().get(f"cases/{number}")["current"]["fields"]["applicant"]["name"] == name
    for path in (
        "/",
        "/cases",
        f"/cases?q={name}",
        f"/cases/{number}",
        f"/cases/{number}/papers/receipt",
        f"/cases/{number}/papers/application",
    ):
        assert escape(name) in agent.get(path) or name in agent.get(path), path
    village.restart()
    assert name in html.unescape(village.agent().get(f"/cases/{number}"))


def test_a_name_of_two_thousand_characters_gets_a_clear_sentence(village: SmallNode, agent: Desk) -> None:
    draft = agent.begin()
    before = village.documents()
    long = "长" * 2000
    answer = agent.submit(draft, typed(village.item()) | {"applicant.name": long}, expect=422)
    errors = errors_of(answer.text)
    assert len(errors) == 1
    (sentence,) = errors.values()
    assert "2000" in sentence.replace(",", "")
    assert len(sentence) < 100, "the name itself is not in the sentence"
    assert values_of(answer.text, "applicant.name") == [long]
    assert village.documents() == before


def test_the_same_person_twice_is_told_and_not_refused(village: SmallNode, agent: Desk) -> None:
    first = agent.take_in()
    answer = agent.submit(agent.begin(), typed(village.item()))
    page = agent.get(answer.location)
    assert first[-10:] in page
    assert "重复" in page


def test_a_village_does_not_see_its_neighbours_case(village: SmallNode, township: SmallNode) -> None:
    number = township.agent("zhou").take_in()
    agent = village.agent()
    for path in (f"/cases/{number}", f"/cases/{number}/papers/receipt", f"/cases/{number}/facts"):
        agent.get(path, expect=404)
    assert VILLAGE != TOWNSHIP
    assert village.api().get("cases")["results"] == []


def test_a_session_ends_and_the_way_back_leads_to_the_page(village: SmallNode, agent: Desk) -> None:
    number = agent.take_in()
    village.now.at += timedelta(hours=13)
    answer = agent.client.get(f"/cases/{number}")
    assert answer.status_code == 302
    assert f"next=/cases/{number}" in answer.location.replace("%2F", "/")


def test_the_api_and_the_page_take_in_the_same(village: SmallNode, agent: Desk) -> None:
    by_page = village.api().get(f"cases/{agent.take_in()}")["current"]["fields"]
    body = intake(village.item())
    by_api = village.api().post("cases", body, Idempotency_Key="k")["current"]["fields"]
    by_page["form"].pop("monthly_income_total", None)
    by_api["form"].pop("monthly_income_total", None)
    assert by_page == by_api


def test_the_line_page_says_in_words_that_both_sides_hold_something_else(village: SmallNode, agent: Desk) -> None:
    assert "对账" not in plain(agent.get("/line"))
    home = f"station-{village.code}"
    later = village.now() + timedelta(minutes=20)
    for doubt, words in (
        (Doubt(here=9, there=7, times=1, next_at=later), "县中心比本站少 2 条"),
        (Doubt(here=7, there=9, times=1, next_at=later), "本站比县中心少 2 条"),
        (Doubt(here=7, there=7, times=3, next_at=later), "已经核对 3 次"),
    ):
        village.station.line._note(doubts={home: doubt})
        assert words in plain(agent.get("/line"))
    told = {one["name"]: one.get("differs") for one in village.api().get("sync")["databases"]}
    assert told[home] == {"here": 7, "at_county": 7, "looked_through": 3, "next_at": rfc3339(later)}
