"""A case through its whole life by its pages: at a village, its township and two departments of the county."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from random import Random

import pytest

from casework.canonical import Document
from casework.case import Case
from casework.documents import item as item_type
from casework.kinds import KINDS
from sync.replicator import replicate
from tests.casework.county import (
    COUNTY,
    MORNING,
    TOWNSHIP,
    VILLAGE,
    intake_data,
    item,
    item_content,
    sign_as,
)
from tests.web.cases.browsers import PASSWORD, CasePages, words
from tests.web.cases.desks import AGENT, Place
from web.cases.desk import Act, Person
from web.wording import by_day, masked_phone

WINDOW = Person("he", "何某某", "township")


@dataclass
class Land:
    """A village, its township and the county, each with its own machine; nothing travels until a test says so."""

    folder: Path
    item: Document
    places: dict[str, Place] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for code, kind in ((VILLAGE, "village"), (TOWNSHIP, "township"), (COUNTY, "county")):
            self.places[kind] = Place(code, kind, self.folder / kind)
        self.pages = {kind: CasePages(place, self.item, self.folder) for kind, place in self.places.items()}
        self.wang = self.pages["village"].sign_in("wang")
        self.he = self.pages["township"].sign_in("he")
        self.qian = self.pages["county"].sign_in("qian")

    def carry(self) -> None:
        """Every line is up for a moment; every clock goes on by a minute."""
        county = self.places["county"]
        for _ in range(2):
            for name in ("village", "township"):
                for one, other in ((self.places[name], county), (county, self.places[name])):
                    replicate(one.cases, other.cases, now=lambda: MORNING, random=Random(2))
        for place in self.places.values():
            place.casebook.follow()
        self.forward(minutes=1)

    def forward(self, **span: float) -> None:
        for place in self.places.values():
            place.now += timedelta(**span)

    def take_in(self, *, accepted: bool = False, **changes: object) -> str:
        number = f"{VILLAGE}-20260916-0001-AAAAA"
        acts = [Act("received", intake_data(self.item, **changes)), *([Act("accepted")] if accepted else [])]
        self.places["village"].desk.write(number, acts, AGENT)
        self.carry()
        return number

    def case(self, number: str) -> Case:
        return self.pages["township"].case(number)

    def close(self) -> None:
        for pages in self.pages.values():
            pages.close()
        for place in self.places.values():
            place.close()


@pytest.fixture
def land(tmp_path: Path) -> Iterator[Land]:
    land = Land(tmp_path, item(level="township", flow=True))
    yield land
    land.close()


@pytest.fixture
def plain_land(tmp_path: Path) -> Iterator[Land]:
    land = Land(tmp_path, item(level="township"))
    yield land
    land.close()


def of_the_moment() -> Document:
    """An 即办件 that the township decides."""
    content = item_content(
        case_type="即办件", decides={"level": "township", "department": "民政", "office": "河口镇人民政府"}
    )
    return item_type.build(content, release=1, key=f"{COUNTY}:1", sign=sign_as(f"{COUNTY}:1"))


def main_of(page: str) -> str:
    """The act of the one filled button; "" when there is none."""
    found = re.search(r'class="card decide".*?action="/cases/[^/]+/acts/(\w+)', page, re.DOTALL)
    assert page.count('class="btn btn-main"') <= 1
    return found[1] if found else ""


def test_from_intake_to_the_archive_in_three_places(land: Land) -> None:
    wang, he, qian = land.wang, land.he, land.qian
    number = land.take_in()
    page = f"/cases/{number}"
    assert main_of(he.get(page)) == "correction_requested"
    assert main_of(wang.get(page)) == ""
    assert {"accepted", "not_accepted", "forwarded"} <= he.offered(number)
    assert "accepted" not in wang.offered(number)
    told = words(he.get(page))
    assert "答复受理不受理 2026年9月22日（星期二）前 还有 6 天" in told
    assert "承诺办结 受理后 20 个工作日 从受理那天起算" in told, "no day of it has passed"
    assert "法定办结 受理后" in told

    # Everything that is missing is asked for at once; the village sees it in words.
    assert "至少写一项要补什么" in he.do(number, "correction_requested", expect=422)
    he.do(
        number,
        "correction_requested",
        materials__m02="复印件看不清",
        others="户主签名\n按手印",
        days="十五",
        expect=422,
    )
    he.do(number, "correction_requested", materials__m02="复印件看不清", others="户主签名\n按手印", days="15")
    land.carry()
    told = words(wang.get(page))
    assert "居民身份证 复印件看不清" in told
    assert "其他 户主签名" in told
    assert "停表 2026年9月16日 星期三起：等办事人补正" in told
    assert main_of(wang.get(page)) == "corrected"
    assert "还没补：居民身份证" in wang.do(number, "corrected", expect=422)
    wang.do(number, "material_added", material="m02", state="received")
    wang.do(number, "corrected")
    land.carry()

    # Accepted; the inspection stops the clock, then two steps run side by side, one of them at the county.
    he.do(number, "accepted")
    land.carry()
    assert "承诺办结 2026年" in words(he.get(page))
    assert main_of(he.get(page)) == "step_started"
    he.do(number, "step_started", "?step=visit", planned_on="20260918", text="上午到")
    told = words(he.get(page))
    assert "停表 2026年9月16日 星期三起：现场踏勘" in told
    assert "恢复后承诺期限还剩 20 个工作日" in told
    assert "请写明条件" in he.do(number, "step_done", "?step=visit", result="conditional", expect=422)
    he.do(number, "step_done", "?step=visit", result="conditional", text="四至按图纸")
    land.carry()
    assert main_of(qian.get(page)) == "step_done"
    assert main_of(wang.get(page)) == "step_started"
    listed = he.get(page)
    assert main_of(listed) == "", "others are to act; it may send them off, or refuse"
    assert "step_started" in he.offered(number)
    assert "第 2 步，同时办" in words(listed)
    assert "异地新建核查" not in words(listed), "it does not apply to this case"
    assert "▶" in listed
    assert "<title" in listed.split('<svg class="flowchart"')[1]
    refused = he.do(number, "decided", outcome="granted", reason="符合", expect=409)
    assert "还有环节没办完" in refused
    assert land.case(number)["decision"] is None
    qian.do(number, "step_done", "?step=land", result="passed")
    wang.do(number, "step_done", "?step=notice", result="passed")
    land.carry()

    # Decided after a second look, put right, handed over, closed, filed.
    assert main_of(he.get(page)) == "decided"
    he.do(number, "decided", outcome="granted", reason="符合条件")
    he.do(number, "decision_corrected", said="写错一个字", reason="符合全部条件")
    assert "第 2 版" in he.get(page)
    land.carry()
    assert main_of(wang.get(page)) == "delivered"
    wrong = wang.do(number, "delivered", to__name="张某某", proof="thumbprint", expect=422)
    assert "按手印的要有见证人" in wrong
    assert 'value="张某某"' in wrong, "what was typed stays"
    wang.do(number, "delivered", to__name="张某某", proof="thumbprint", to__witness="刘某某", papers="批准书\n回执")
    assert "本人 张某某领取，按手印" in words(wang.get(page))
    wang.do(number, "rated", level="2")
    assert "评价：满意" in words(wang.get(page))
    wang.do(number, "filed", volume="2026-0007", retention="y30")
    land.carry()
    assert land.case(number)["state"] == "filed"
    assert land.case(number)["quarantined"] == []
    assert main_of(he.get(page)) == ""


def test_what_cannot_be_undone_is_asked_once_more(plain_land: Land) -> None:
    number = plain_land.take_in(accepted=True)
    he = plain_land.he
    page = he.get(f"/cases/{number}/acts/withdrawn")
    assert f'action="/cases/{number}/acts/withdrawn/check"' in page
    answer = he.client.post(
        f"/cases/{number}/acts/withdrawn/check",
        data={"csrf": re.search(r'name="csrf" value="(\w+)"', page)[1], "reason": "不<办>了"},  # type: ignore[index]
    )
    asked = words(answer.text)
    assert "核对：撤回" in asked
    assert "撤回的原因 不&lt;办&gt;了" in asked
    assert plain_land.case(number)["state"] == "accepted", "looking again changes nothing"
    he.do(number, "withdrawn", reason="不办了")
    assert plain_land.case(number)["state"] == "withdrawn"
    assert "withdrawn" not in he.offered(number)
    assert "不办了" in words(he.get(f"/cases/{number}"))


@pytest.mark.parametrize("kind", ["decided", "delivered", "not_accepted", "returned", "withdrawn", "voided"])
def test_a_form_that_says_nothing_is_answered_field_by_field(land: Land, kind: str) -> None:
    number = land.take_in()
    if kind in ("decided", "delivered"):
        land.he.do(number, "accepted")
    if kind == "delivered":
        land.places["township"].desk.write(number, [Act("decided", {"outcome": "refused", "reason": "不符合"})], WINDOW)
        land.he.do(number, kind, to__name=" ", expect=422)
        return
    answer = land.he.do(number, kind, expect=422)
    anchors = re.findall(r'<a href="#([^"]+)">', answer.split('class="errors"')[1].split("</section>")[0])
    assert anchors
    assert all(f'id="{anchor}"' in answer for anchor in anchors)


@pytest.mark.parametrize("collected", [True, False])
def test_an_item_of_the_moment_is_done_at_one_press(tmp_path: Path, collected: bool) -> None:
    land = Land(tmp_path, of_the_moment())
    number = land.take_in(accepted=True)
    page = land.he.get(f"/cases/{number}")
    assert main_of(page) == "finish"
    assert f"/cases/{number}/acts/decided" in page, "it can still be refused"
    before = len(land.case(number)["order"])
    refused = land.he.do(number, "finish", to__name="张某某", proof="thumbprint", expect=422)
    assert "按手印的要有见证人" in refused
    assert len(land.case(number)["order"]) == before, "all of it or nothing"
    land.he.do(number, "finish", **({"to__name": "张某某"} if collected else {}))
    case = land.case(number)
    assert case["state"] == ("delivered" if collected else "closed")
    assert case["decision"] is not None
    assert case["decision"]["outcome"] == "granted"
    assert len(case["order"]) == before + (3 if collected else 2)
    assert main_of(land.he.get(f"/cases/{number}")) == ("filed" if collected else "delivered")
    assert "finish" not in land.he.offered(number)
    land.close()


def test_the_clock_of_an_answer_that_nobody_gave(land: Land) -> None:
    number = land.take_in()
    answer_by = land.case(number)["deadlines"]["answer_by"]
    assert answer_by is not None
    last = date.fromisoformat(answer_by)
    land.forward(days=(last - date(2026, 9, 16)).days)
    told = words(land.pages["township"].sign_in("he").get(f"/cases/{number}"))
    assert f"答复受理不受理 {by_day(last)} 今天到期" in told
    assert "已视为受理" not in told
    land.forward(days=1)
    told = words(land.pages["village"].sign_in("wang").get(f"/cases/{number}"))
    assert "已视为受理 从2026年9月16日 星期三收件那天起算" in told


def test_two_who_changed_the_phone_see_one_another_and_the_settlement(land: Land) -> None:
    number = land.take_in()
    page = f"/cases/{number}"
    for somebody, phone in ((land.wang, "13000000002"), (land.he, "13000000003")):
        somebody.do(number, "field_corrected", path="applicant.phone", value=phone, reason="来电话说的")
        land.forward(minutes=5)
    land.carry()
    told = words(land.wang.get(page))
    assert "联系电话有两个说法，请定一个" in told
    road = land.wang.get(page).split('class="fork"')[1].split("</section>")[0]
    assert "130****0002" in road
    assert "130****0003" in road
    point = land.case(number)["contested"][0]
    chosen = point["sides"][0]
    sent = {
        "csrf": re.search(r'name="csrf" value="(\w+)"', land.he.get(page))[1],  # type: ignore[index]
        "point": point["id"],
        "value": chosen["event"],
        "reason": "打通了",
    }
    assert land.he.client.post(f"{page}/acts/settled", data=sent).status_code == 303
    land.carry()
    told = words(land.wang.get(page))
    assert "请定一个" not in told
    assert f"联系电话定为：{masked_phone(chosen['value'])} 打通了" in told
    assert "联系电话有过两个说法，已经定了" in told


def test_only_who_may_settle_sees_where_two_numbers_differ_and_that_is_recorded(land: Land) -> None:
    number = land.take_in(accepted=False)
    land.he.do(number, "accepted")
    land.carry()
    page = f"/cases/{number}"
    for somebody, phone in ((land.wang, "13000000001"), (land.he, "13012340001")):
        somebody.do(number, "field_corrected", path="applicant.phone", value=phone, reason="来电话说的")
    land.carry()

    def revealed(place: str) -> list[str]:
        rows = land.places[place].desk.audit.rows(0, 1000)
        return [str(row.entry["what"]) for row in rows if row.entry["act"] == "revealed"]

    settler, other = (land.he, land.qian) if "请定一个" in words(land.he.get(page)) else (land.qian, land.he)
    assert "请定一个" not in words(other.get(page))
    assert "13012340001" not in other.get(page)
    before = revealed("township")
    for address in (page, "/contested"):
        assert "13012340001" in settler.get(address), "all that the mask hid is what differs"
    assert len(revealed("township")) >= len(before) + 2
    assert set(revealed("township")) == {"争议号码不同的几位"}
    assert revealed("county") == []


def aside_acceptance(land: Land, number: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A village that should not have, says that the case is accepted: its record is kept aside everywhere."""
    with monkeypatch.context() as unguarded:
        unguarded.setattr("web.cases.desk.may", lambda *_args, **_named: None)
        written = Act("accepted", {"happened_at": "2026-09-16T01:00:00.000Z"})
        land.places["village"].desk.write(number, [written], AGENT)
    land.carry()
    assert [record["code"] for record in land.case(number)["quarantined"]] == ["not_entitled"]


def test_what_does_not_count_is_done_anew_with_its_words(land: Land, monkeypatch: pytest.MonkeyPatch) -> None:
    number = land.take_in()
    aside_acceptance(land, number, monkeypatch)
    told = land.wang.get(f"/cases/{number}")
    assert "不算数的记录" in words(told)
    assert "补做这一步" not in told, "the village may not"
    link = re.search(r'href="[^"]+/acts/accepted(\?repairs=[^"]+)"', land.he.get(f"/cases/{number}"))
    assert link
    assert 'value="2026-09-16T01:00:00.000Z"' in land.he.get(f"/cases/{number}/acts/accepted{link[1]}")
    land.he.do(number, "accepted", link[1])
    case = land.case(number)
    assert case["state"] == "accepted"
    assert case["quarantined"][0]["repaired"] is not None
    told = land.he.get(f"/cases/{number}")
    assert "已补做" in words(told)
    assert "补做这一步" not in told


def test_the_county_lets_a_record_count(land: Land, monkeypatch: pytest.MonkeyPatch) -> None:
    number = land.take_in()
    aside_acceptance(land, number, monkeypatch)
    sun = land.pages["county"].sign_in("sun")
    link = re.search(r'href="[^"]+/acts/admitted(\?event=[^"]+)"', sun.get(f"/cases/{number}"))
    assert link
    assert "admitted" not in land.he.offered(number)
    sun.do(number, "admitted", link[1], expect=422)
    sun.do(number, "admitted", link[1], reason="电话核实过")
    land.carry()
    assert land.case(number)["state"] == "accepted"
    assert land.case(number)["quarantined"] == []
    assert "电话核实过" in words(land.wang.get(f"/cases/{number}"))


def test_papers_and_where_they_are(land: Land) -> None:
    number = land.take_in()
    wang, he = land.wang, land.he
    assert "taken_over" not in wang.offered(number), "nothing is on its way"
    wang.do(number, "handed_over", to="河口镇便民服务中心", papers=["m01", "m02"])
    land.carry()
    assert "在路上，交给河口镇便民服务中心" in words(he.get(f"/cases/{number}"))
    he.do(number, "taken_over", missing=["m02"])
    told = words(he.get(f"/cases/{number}"))
    assert "纸质材料：河口镇便民服务中心" in told
    assert "少了：居民身份证" in told
    assert "和凭证不一样" in told


def test_a_proxy_is_told_without_the_whole_of_their_numbers(land: Land) -> None:
    number = land.take_in()
    power = {"matters": "递交材料", "authority": "代为提交", "signed": "signature"}
    land.wang.do(number, "proxy_appointed", name="李某某", phone="13000000009", id_number="600000196001010016", **power)
    told = land.wang.get(f"/cases/{number}")
    assert "李某某，130****0009，递交材料，代为提交" in words(told)
    assert "13000000009" not in told
    assert "600000196001010016" not in told


def test_a_case_is_forwarded_by_name(plain_land: Land) -> None:
    number = plain_land.take_in(accepted=True)
    form = plain_land.he.get(f"/cases/{number}/acts/forwarded")
    assert "青山乡便民服务中心" in form
    assert "河口镇便民服务中心</option>" not in form, "it is there already"
    assert "民政" in form
    plain_land.he.do(number, "forwarded", to_station="600101200000", reason="户籍在青山乡")
    assert "转给：青山乡便民服务中心" in words(plain_land.he.get(f"/cases/{number}"))
    assert plain_land.case(number)["handler"] == "600101200000"


def test_a_field_of_the_form_is_put_right_as_the_form_reads_it(land: Land) -> None:
    number = land.take_in()
    form = land.wang.get(f"/cases/{number}")
    title = land.item["form"]["properties"]["reason"].get("title", "reason")
    assert f'<option value="form.reason">{title}' in form
    land.wang.do(number, "field_corrected", path="form.reason", value="异地新建")
    assert land.pages["village"].case(number)["fields"]["form"]["reason"] == "异地新建"
    assert "异地新建核查" in words(land.wang.get(f"/cases/{number}")), "a step that now applies"


def test_every_act_that_a_page_leads_to_opens(land: Land) -> None:
    number = land.take_in()
    for _ in range(2):
        for somebody in (land.wang, land.he, land.qian, land.pages["township"].sign_in("lin")):
            for kind in somebody.offered(number) - {"settled"}:
                step = re.search(rf"/acts/{kind}(\?step=\w+)", somebody.get(f"/cases/{number}"))
                somebody.get(f"/cases/{number}/acts/{kind}{step[1] if step else ''}")
        land.he.do(number, "accepted") if land.case(number)["state"] == "received" else None
        land.carry()


def test_the_two_tables_of_the_law_are_a_page(land: Land) -> None:
    told = words(land.wang.get("/life"))
    assert "行政许可法第44条（10日内送达）" in told
    assert "决定出自有权机关，撤销之前有效" in told
    assert "县管理员：全县的" in told


def test_the_api_describes_every_kind_and_tells_the_whole_case(land: Land) -> None:
    number = land.take_in()
    document = land.he.client.get("/api/v1/openapi.json").json
    assert document is not None
    post = document["paths"]["/api/v1/cases/{number}/events"]["post"]
    told = post["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
    kinds = {one["properties"]["kind"]["const"]: one["properties"]["data"] for one in told}
    assert kinds.keys() == KINDS.keys() - {"received"}
    assert kinds["extended"] == KINDS["extended"].schema
    signed_in = land.he.client.post("/api/v1/session", json={"username": "he", "password": PASSWORD}).json
    assert signed_in is not None
    headers = {"Authorization": f"Bearer {signed_in['token']}"}
    body = {"kind": "accepted", "data": {}}
    answer = land.he.client.post(f"/api/v1/cases/{number}/events", json=body, headers=headers)
    assert answer.status_code == 201
    case = answer.json
    assert case is not None
    assert case["current"]["state"] == "accepted"
    assert [step["state"] for step in case["current"]["steps"]] == ["ready", "waiting", "waiting", "not_applicable"]
    assert case["handler"] == TOWNSHIP
    for name in ("corrections", "suspensions", "extensions", "fees", "papers", "proxies", "forwards", "handovers"):
        assert case[name] == []
    for name in ("ended", "named_proxy_ended", "delivery", "rating", "papers_at", "filing"):
        assert case[name] is None
    answer = land.he.client.post(
        f"/api/v1/cases/{number}/events", json={"kind": "decided", "data": {}}, headers=headers
    )
    assert answer.status_code == 422
    assert answer.json is not None
    assert "data.outcome" in answer.json["fields"]
