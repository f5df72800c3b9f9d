"""Papers as an agent prints them, without script: preview, issue, reprint, versions, words of one's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from casework.documents.paper import WORDS_SCHEMA
from casework.papers import PAPERS, PLACEHOLDERS, papers_of, words_problems
from casework.schemas import problems
from tests.casework.county import NUMBER, TOWNSHIP, agent, intake_data, item
from tests.casework.lives import Life, accepted, granted
from tests.central.test_pages import looked_over
from tests.node.station import plain
from tests.web.cases.paper_desk import PaperDesk, issue
from web.cases.paper_pages import default_words, sample_sheet

PAGE = f"/cases/{NUMBER}"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[PaperDesk]:
    desk = PaperDesk(tmp_path)
    yield desk
    desk.close()


@pytest.fixture
def client(desk: PaperDesk) -> FlaskClient:
    return desk.client()


def sheet(page: str) -> str:
    """The paper alone, as it prints."""
    return plain(page[page.index('class="sheet"') :])


def refused(level: str = "county") -> Life:
    life = accepted(item(level=level))
    pen = life.agent if level == "village" else life.reviewer
    life.then(pen, "decided", {"outcome": "refused", "reason": "收入超过标准", "basis": "社会救助暂行办法第九条"})
    return life


def test_every_paper_has_words_whose_placeholders_are_known() -> None:
    assert list(default_words()) == list(PAPERS)
    used = ""
    for code, words in default_words().items():
        assert problems(WORDS_SCHEMA, words) == {}, code
        assert words_problems(words) == {}, code
        assert bool(words["remedy"]) == PAPERS[code].remedy, code
        used += "".join([words["title"], *words["paragraphs"], words["remedy"]])
        assert "{" not in "".join(sample_sheet(PAPERS[code], words, "驿山县").paragraphs)
    assert "{applicant}" in used
    assert set(PLACEHOLDERS) >= {"review", "court"}


def test_every_paper_of_a_case_is_whole_and_listed_on_its_page(desk: PaperDesk, client: FlaskClient) -> None:
    life = granted()
    desk.put(life)
    shown = client.get(PAGE).text
    looked_over(shown)
    offers = papers_of(life.case(), life.events)
    assert len(offers) == 18
    for offer in offers:
        address = f"{PAGE}/papers/{offer.kind.code}?about={offer.about}"
        assert address.replace("&", "&amp;") in shown, offer.number
        page = client.get(address).text
        looked_over(page)
        paper = sheet(page)
        assert offer.number in paper.replace(" ", "")
        assert "2026年9月1" in paper
        assert "<svg" in page
        assert "预览" not in paper
        assert "预览" in page
        assert ("沿此线裁开" in paper) == (offer.kind.copies == 2)
        assert "{" not in paper


def test_what_each_paper_must_say(desk: PaperDesk, client: FlaskClient) -> None:
    desk.put(granted())

    def told(code: str) -> str:
        return sheet(client.get(f"{PAGE}/papers/{code}").text)

    assert "写明宅基地的四至" in told("correction")
    assert "居民身份证 ：身份证复印件看不清" in told("correction") or "身份证复印件看不清" in told("correction")
    assert "第四十五条" in told("special")
    assert "10 个工作日" in told("extension")
    assert "10.05 元" in told("fee")
    assert "LZ-20260916-01" in told("handover")
    assert "见证人" in told("proxy")
    assert "600000196001010016" in told("proxy")
    assert "600000196001010016" not in told("receipt")
    assert "残联" in told("cohandling")
    assert "批准书" in told("delivery")
    assert "行政复议" not in told("decision"), "whoever is granted has nothing to appeal"
    assert "准予给付决定书" in told("decision")
    assert "开工前放线" in told("decision")
    for step in ("现场踏勘", "村内公示", "自然资源部门会审"):
        assert step in told("receipt")
    assert "异地新建核查" not in told("receipt"), "that step is not for this case"


def test_a_refusal_says_where_to_turn(desk: PaperDesk, client: FlaskClient) -> None:
    desk.put(refused())
    paper = sheet(client.get(f"{PAGE}/papers/decision").text)
    for words in (
        "不予给付决定书",
        "收入超过标准",
        "六十日内向本县人民政府申请行政复议",
        "六个月内直接向有管辖权的人民法院",
    ):
        assert words in paper
    desk.guide = {**desk.guide, "remedy": {"review": "驿山县人民政府", "court": "驿山县人民法院"}}
    named = sheet(client.get(f"{PAGE}/papers/decision").text)
    assert "六十日内向驿山县人民政府申请" in named
    assert "直接向驿山县人民法院提起" in named


def test_a_village_that_refuses_to_attest_is_no_authority_to_appeal_against(
    desk: PaperDesk, client: FlaskClient
) -> None:
    desk.put(refused("village"))
    assert "行政复议" not in sheet(client.get(f"{PAGE}/papers/decision").text)


def test_a_certificate_of_the_village_prints_its_own_words(desk: PaperDesk, client: FlaskClient) -> None:
    life = Life(item(level="village"))
    life.then(life.agent, "received", intake_data(life.of))
    life.then(life.agent, "decided", {"outcome": "granted", "certificate": "兹证明张某某系我村村民。"})
    desk.put(life)
    assert "兹证明张某某系我村村民。" in sheet(client.get(f"{PAGE}/papers/certificate").text)
    assert client.get(f"{PAGE}/papers/decision").status_code == 404


def test_issuing_is_written_down_and_again_is_a_marked_reprint(desk: PaperDesk, client: FlaskClient) -> None:
    life = granted()
    desk.put(life)
    path = f"{PAGE}/papers/decision"
    about = next(event["_id"] for event in life.events if event["kind"] == "decided")
    first = issue(client, path, {"about": about})
    assert first.status_code == 303
    page = client.get(first.location).text
    assert "data-print-now" in page
    assert "补打" not in sheet(page)
    assert "data-print-now" not in client.get(path).text, "coming back later prints nothing by itself"
    assert "预览" not in client.get(path).text
    second = client.get(issue(client, path, {"about": about}).location).text
    assert "补打 2026年9月18日" in sheet(second)
    case = desk.place.casebook.case(NUMBER)
    assert case is not None
    assert [(paper["number"], paper["version"], paper["reprint"]) for paper in case["papers"]] == [
        (f"{NUMBER}-JD", 1, False),
        (f"{NUMBER}-JD", 1, True),
    ]
    shown = plain(client.get(PAGE).text)
    assert "出具 第1版" in shown
    assert "补打 第1版" in shown


def test_a_corrected_paper_says_that_it_replaces_the_one_before(desk: PaperDesk, client: FlaskClient) -> None:
    life = granted()
    desk.put(life)
    path = f"{PAGE}/papers/decision"
    issue(client, path, {})
    life.events = desk.place.casebook.events(NUMBER)
    order = desk.place.casebook.case(NUMBER)
    assert order is not None
    life.events.sort(key=lambda event: order["order"].index(event["_id"]))
    corrected = life.then(life.window, "decision_corrected", {"said": "写错一个字", "conditions": "开工前复线"})
    desk.bring([corrected])
    paper = sheet(client.get(path).text)
    for words in ("第2版", "本证（书）替代第1版", "开工前复线", "更正说明：写错一个字"):
        assert words in paper
    assert "第2版还没有出具" in plain(client.get(PAGE).text)


def test_receipt_and_application_print_straight_and_the_others_after_they_were_issued(
    desk: PaperDesk, client: FlaskClient
) -> None:
    desk.put(granted())
    for code in PAPERS:
        answer = client.get(f"{PAGE}/papers/{code}")
        if answer.status_code == 200:
            assert ("data-print" in answer.text) == (code in ("receipt", "application")), code
            assert "出具并打印" in answer.text


def test_a_blank_proof_of_delivery_is_taken_along_before_anything_was_handed_over(
    desk: PaperDesk, client: FlaskClient
) -> None:
    life = refused()
    desk.put(life)
    shown = client.get(PAGE).text
    assert "送达回证（空白，带去填）" in shown
    page = client.get(f"{PAGE}/papers/delivery").text
    assert "data-print" in page
    assert "出具并打印" not in page
    paper = sheet(page)
    assert "领取人：＿＿＿＿＿＿（＿＿＿＿＿＿）" in paper
    assert "＿＿＿＿＿＿在柳树湾村" in paper, "the day is written where it is handed over"
    assert "决定书" in paper
    assert "批准书" not in paper, "that is what is granted"
    assert issue(client, f"{PAGE}/papers/delivery", {}).status_code == 409
    to = {"who": "applicant", "name": "张某某"}
    life.then(life.agent, "delivered", {"to": to, "proof": "signature", "papers": ["决定书"]})
    desk.bring(life.events)
    filled = client.get(f"{PAGE}/papers/delivery").text
    assert "领取人：张某某（本人）" in sheet(filled)
    assert f"{NUMBER}-SD" in sheet(filled).replace(" ", ""), "the number of the blank one"
    assert "出具并打印" in filled
    assert "空白" not in client.get(PAGE).text


def test_while_the_date_is_in_doubt_nothing_is_shown_or_issued(desk: PaperDesk, client: FlaskClient) -> None:
    desk.put(granted())
    desk.doubt = True
    assert client.get(f"{PAGE}/papers/fee").status_code == 409
    assert issue(client, f"{PAGE}/papers/fee", {}).status_code == 409
    case = desk.place.casebook.case(NUMBER)
    assert case is not None
    assert case["papers"] == []


@pytest.mark.parametrize("path", ["papers/nothing", "papers/not_accepted", "papers/fee?about=event:none", "papers/JF"])
def test_what_is_not_on_offer_is_not_there(desk: PaperDesk, client: FlaskClient, path: str) -> None:
    desk.put(granted())
    assert client.get(f"{PAGE}/{path}").status_code == 404
    path, _, about = path.partition("?about=")
    assert issue(client, f"{PAGE}/{path}", {"about": about}).status_code == 404


def test_while_the_outcome_is_contested_it_is_shown_and_not_issued(desk: PaperDesk, client: FlaskClient) -> None:
    life = accepted(item())
    known = life.events[-1:]
    life.agent.now = life.reviewer.now = life.now
    withdrawn = life.agent.write("withdrawn", {"reason": "不办了"}, seen=known)
    decided = life.reviewer.write("decided", {"outcome": "granted"}, seen=known)
    life.events += [withdrawn, decided]
    desk.put(life)
    assert "先把争议定下来" in client.get(f"{PAGE}/papers/decision").text
    assert issue(client, f"{PAGE}/papers/decision", {}).status_code == 409


def test_one_slip_names_every_case_that_goes_with_it(desk: PaperDesk, client: FlaskClient) -> None:
    life = accepted()
    life.then(life.agent, "handed_over", {"slip": '一"包', "to": TOWNSHIP, "papers": ["m01", "户口簿"]})
    desk.put(life)
    other = f"{NUMBER[:-10]}0008-9M4TE"
    pen = agent(case=other, incarnation="wang-2")
    applicant = {**intake_data()["applicant"], "name": "李四"}
    received = pen.write("received", intake_data(life.of, applicant=applicant))
    desk.bring(
        [received, pen.write("handed_over", {"slip": '一"包', "to": TOWNSHIP, "papers": ["m02"]}, seen=[received])]
    )
    elsewhere = agent(case=f"{NUMBER[:-10]}0009-9M4TF", incarnation="wang-3")
    third = elsewhere.write("received", intake_data(life.of))
    desk.bring(
        [third, elsewhere.write("handed_over", {"slip": "二包", "to": TOWNSHIP, "papers": ["m02"]}, seen=[third])]
    )
    paper = sheet(client.get(f"{PAGE}/papers/handover").text)
    for words in ("2 件办件", "张某某", "申请表、户口簿", "李四", "居民身份证", "河口镇便民服务中心"):
        assert words in paper
    assert "9M4TF" not in paper


def test_the_countys_own_words_stand_and_are_only_text(desk: PaperDesk, client: FlaskClient) -> None:
    hostile = {**intake_data()["applicant"], "name": "{reason}<i>{{7*7}}"}
    desk.words["receipt"] = {
        "title": "受理通知书<b>",
        "paragraphs": ["{applicant}：{{ 7*7 }}{{applicant}}您的事我们收下了。"],
        "remedy": "没有救济途径的文书不印这一句",
        "seal": "镇公章",
    }
    desk.put(accepted(applicant=hostile))
    page = client.get(f"{PAGE}/papers/receipt").text
    assert "受理通知书&lt;b&gt;" in page
    assert "{reason}&lt;i&gt;{{7*7}}：" in page
    assert "49" not in sheet(page).replace("7K3QX", "")
    assert "您的事我们收下了" in page
    assert "没有救济途径" not in page
    assert "镇公章" in page


def test_a_long_list_is_printed_whole(desk: PaperDesk, client: FlaskClient) -> None:
    desk.put(accepted(materials=long_list()))
    paper = sheet(client.get(f"{PAGE}/papers/materials").text)
    assert all(material["name"] in paper for material in long_list())


def long_list() -> list[dict[str, Any]]:
    return [{"id": f"m{n:02d}", "name": f"第{n}项材料及其全部附件的复印件", "state": "received"} for n in range(1, 31)]
