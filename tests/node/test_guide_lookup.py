"""Looking a guide up without a word, the list for one's own case, and how it goes on into the intake."""

from __future__ import annotations

from tests.central.county import SUBSISTENCE
from tests.node.station import HOMESTEAD, OLD_AGE, SmallNode, plain


def test_guides_are_looked_up_by_who_one_is_what_happened_and_department(village: SmallNode) -> None:
    agent = village.agent()
    page = agent.get("/guides")
    for title in ("您是谁", "遇到了什么事", "找哪个部门"):
        assert title in page
    for query, wanted, other in (
        ("who=老人", OLD_AGE, HOMESTEAD),
        ("life=建房", HOMESTEAD, OLD_AGE),
        ("department=农业农村", HOMESTEAD, SUBSISTENCE),
    ):
        found = plain(agent.get(f"/guides?{query}"))
        assert wanted in found
        assert other not in found.split("您是谁")[0]
    assert "没有这一类" in agent.get("/guides?who=火星人")


def test_what_is_asked_for_most_here_stands_first(village: SmallNode) -> None:
    agent = village.agent()
    assert village.station.often.codes() == []
    for _ in range(4):
        agent.get(f"/guides/{village.item(HOMESTEAD)['code']}")
    agent.take_in(OLD_AGE)
    agent.take_in(OLD_AGE)
    codes = village.station.often.codes()
    assert [village.item(name)["code"] for name in (OLD_AGE, HOMESTEAD)] == codes[:2]
    assert "本站常办" in agent.get("/guides")
    village.now.forward(days=200)
    assert village.station.often.codes() == []


def test_the_answers_go_on_into_the_intake(village: SmallNode) -> None:
    agent, code = village.agent(), village.item(HOMESTEAD)["code"]
    asked = f"/guides/{code}/materials?situation.how=rebuild&people.present.role=proxy"
    page = agent.get(asked)
    assert "原宅基地权属证明" in page
    draft = agent.send(
        asked, {"item": code, "situation.how": "rebuild", "people.present.role": "proxy"}, to="/intake"
    ).location
    form = agent.get(draft)
    assert 'value="rebuild" checked' in form
    assert 'value="proxy" checked' in form


def test_the_notice_names_the_person_the_day_the_agent_and_only_these_materials(village: SmallNode) -> None:
    agent, code = village.agent(), village.item(HOMESTEAD)["code"]
    notice = plain(agent.get(f"/guides/{code}/notice?situation.how=new&people.present.role=applicant"))
    for said in ("一次性告知单", "怎么建：新址新建", "2026年9月16日", "王某某", "以受理时为准", "柳树湾村便民服务站"):
        assert said in notice
    assert "原宅基地权属证明" not in notice
    assert village.item(HOMESTEAD)["phones"]["enquiry"] in notice


def test_the_printed_guide_says_its_release_and_day_and_holds_the_list_in_its_code(village: SmallNode) -> None:
    sheet = village.agent().get(f"/guides/{village.item(SUBSISTENCE)['code']}/sheet")
    release = village.station.catalogue.release
    assert release is not None
    for said in (f"第 {release.number:06d} 版指南", "2026年9月16日", "以受理时为准", "<svg"):
        assert said in sheet
    # No address of this station: a phone at home would reach nothing.
    assert "localhost" not in sheet
