"""What papers a case has to offer: numbers, versions, reprints, what stands in them, and who may issue them."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest

from casework.papers import (
    BLANK,
    PAPERS,
    PLACEHOLDERS,
    Offer,
    decision_words,
    fill,
    may_issue,
    papers_of,
    proxy_of,
    values,
    words_problems,
)
from casework.rights import Actor
from tests.casework.county import (
    COUNTY,
    NUMBER,
    STATIONS,
    TOWNSHIP,
    VILLAGE,
    agent,
    intake_data,
    item,
    read,
    register,
    reviewer,
)
from tests.casework.lives import Life, accepted, granted, taken_in, through_its_steps

AGENT = Actor("agent", VILLAGE, "village")


def station_name(code: str) -> str:
    return STATIONS[code][2] if code in STATIONS else code


def offers_of(life: Life) -> dict[str, Offer]:
    """By the part of the number that follows the case's."""
    return {offer.number.removeprefix(f"{NUMBER}-"): offer for offer in papers_of(life.case(), life.events)}


def issue(life: Life, letters: str) -> Offer:
    """Issue the paper at the village; what was issued."""
    offer = offers_of(life)[letters]
    life.then(life.agent, "paper_issued", offer.act())
    return offer


def said(life: Life, letters: str, guide: Mapping[str, Any] | None = None) -> dict[str, str]:
    return values(life.case(), offers_of(life)[letters], dict(guide or life.of), station_name)


def test_a_case_offers_a_paper_for_each_thing_that_happened_to_it() -> None:
    assert list(offers_of(taken_in())) == ["SQ", "JS", "CL"]
    assert list(offers_of(accepted())) == ["SQ", "JS", "CL", "SL"]
    whole = {
        "SQ",
        "JS",
        "CL",
        "WT",
        "SL",
        "BZ",
        "LZ",
        "TK",
        "CG",
        "TS",
        "TS2",
        "TS3",
        "ZT",
        "YC",
        "JF",
        "JD",
        "ZZ",
        "SD",
    }
    assert set(offers_of(granted())) == whole


@pytest.mark.parametrize(
    ("ends", "letters", "ended"),
    [
        ("withdrawn", "ZZ", "办事人撤回"),
        ("returned", "ZZ", "退件"),
        ("voided", "ZZ", "作废"),
        ("not_accepted", "BS", ""),
    ],
)
def test_each_end_has_its_paper(ends: str, letters: str, ended: str) -> None:
    life = taken_in()
    life.then(life.agent if ends in ("withdrawn", "voided") else life.window, ends, {"reason": "说明白的原因"})
    assert said(life, letters)["reason"] == "说明白的原因"
    assert said(life, letters)["ended"] == ended


def test_a_case_whose_intake_is_not_here_offers_nothing() -> None:
    lone = agent().write("withdrawn", {"reason": "不办了"})
    assert papers_of(read(lone), [lone]) == []


def test_an_item_without_a_flow_counts_as_accepted_at_the_counter() -> None:
    plain = taken_in(item())
    assert "SL" in offers_of(plain)
    assert offers_of(plain)["SL"].event["kind"] == "received"
    plain.then(plain.agent, "accepted")
    assert offers_of(plain)["SL"].event["kind"] == "accepted"


def test_what_was_taken_back_is_followed_by_its_own_paper_also_after_a_new_decision() -> None:
    life = accepted(item())
    life.then(life.reviewer, "decided", {"outcome": "granted"})
    life.then(life.reviewer, "decision_revoked", {"reason": "隐瞒收入"})
    assert said(life, "CX")["reason"] == "隐瞒收入"
    life.then(life.reviewer, "decided", {"outcome": "refused", "reason": "收入超过标准"})
    offers = offers_of(life)
    assert offers["JD"].event["data"]["outcome"] == "refused"
    assert said(life, "CX")["reason"] == "隐瞒收入"


def test_a_number_once_given_stays_and_the_next_of_its_kind_counts_on() -> None:
    life = accepted()
    for slip in ("一", "二"):
        life.then(life.agent, "handed_over", {"slip": slip, "to": TOWNSHIP, "papers": ["m01"]})
    assert [said(life, letters)["slip"] for letters in ("LZ", "LZ2")] == ["一", "二"]
    second = issue(life, "LZ2")
    life.then(life.agent, "handed_over", {"slip": "三", "to": TOWNSHIP, "papers": ["m01"]})
    offers = offers_of(life)
    assert offers["LZ2"].about == second.about
    assert said(life, "LZ3")["slip"] == "三"


def test_the_same_again_is_a_reprint_and_what_changed_is_the_next_version() -> None:
    life = accepted()
    assert issue(life, "SL").act()["reprint"] is False
    again = offers_of(life)["SL"]
    assert (again.version, again.act()["reprint"], again.reprinted) == (1, True, None)
    issue(life, "SL")
    assert offers_of(life)["SL"].reprinted is not None
    life.then(life.agent, "field_corrected", {"path": "applicant.name", "value": "张某"})
    corrected = offers_of(life)["SL"]
    assert (corrected.version, corrected.act()["reprint"], corrected.handed_out) == (2, False, [])
    issue(life, "SL")
    assert [paper["version"] for paper in offers_of(life)["SL"].issued] == [1, 1, 2]
    assert offers_of(life)["SL"].version == 2


def test_what_the_paper_does_not_say_makes_no_version() -> None:
    life = accepted()
    for letters in ("SL", "JS", "SQ"):
        issue(life, letters)
    life.then(life.window, "extended", {"days": 3, "reason": "人手不够", "approved_by": "刘某某"})
    assert {offers_of(life)[letters].version for letters in ("SL", "JS", "SQ")} == {1}
    life.then(life.agent, "field_corrected", {"path": "form.reason", "value": "因灾申请"})
    assert [offers_of(life)[letters].version for letters in ("SQ", "JS", "SL")] == [2, 1, 1]
    life.then(life.agent, "material_added", {"material": "m01", "state": "received"})
    assert [offers_of(life)[letters].version for letters in ("SQ", "JS", "SL")] == [2, 2, 2]


def test_a_corrected_decision_is_a_new_version_with_its_words() -> None:
    life = granted()
    issue(life, "JD")
    life.then(life.window, "decision_corrected", {"said": "放线改成复线", "conditions": "开工前复线"})
    offer = offers_of(life)["JD"]
    assert offer.version == 2
    assert (said(life, "JD")["conditions"], said(life, "JD")["corrected"]) == ("开工前复线", "放线改成复线")
    assert decision_words(life.case())["reason"] == "符合条件"


def test_a_contested_field_that_is_settled_makes_the_next_version() -> None:
    village, county = agent(), reviewer()
    received = village.write("received", intake_data(item()))
    taken = village.write("accepted", {}, seen=[received])
    known = [received, taken]
    one = village.write("field_corrected", {"path": "applicant.phone", "value": "13000000003"}, seen=[taken])
    other = county.write("field_corrected", {"path": "applicant.phone", "value": "13000000004"}, seen=[taken])
    known += [one, other]
    before = {offer.kind.code: offer for offer in papers_of(read(*known), known)}["receipt"]
    known.append(village.write("paper_issued", before.act(), seen=[one, other]))
    point = read(*known)["contested"][0]
    loser = next(side["event"] for side in point["sides"] if side["event"] != point["holds"])
    choice = {"point": point["id"], "value": loser, "reason": "电话核实"}
    known.append(county.write("settled", choice, seen=known[-1:]))
    after = {offer.kind.code: offer for offer in papers_of(read(*known), known)}["receipt"]
    assert (before.version, after.version) == (1, 2)


def test_while_the_outcome_has_two_sides_its_papers_wait() -> None:
    village, county = agent(), reviewer()
    received = village.write("received", intake_data(item()))
    withdrawn = village.write("withdrawn", {"reason": "不办了"}, seen=[received])
    decided = county.write("decided", {"outcome": "granted"}, seen=[received])
    events = [received, withdrawn, decided]
    offers = {offer.kind.code: offer for offer in papers_of(read(*events), events)}
    assert "争议" in str(offers["decision"].obstacle)
    assert offers["application"].obstacle is None
    assert "ending" not in offers, "what does not hold makes no paper"


def test_the_date_is_that_of_the_act_after_its_clock_was_put_right() -> None:
    life = accepted()
    assert offers_of(life)["SL"].on == "2026-09-16"
    issue(life, "SL")
    wrong = life.events[1]["_id"]
    life.then(life.window, "clock_corrected", {"events": [wrong], "offset": 2 * 86_400_000, "how": "county"})
    offer = offers_of(life)["SL"]
    assert (offer.on, offer.version) == ("2026-09-18", 2)


def test_every_paper_says_what_its_act_said() -> None:
    life = granted()
    told = {letters: said(life, letters) for letters in offers_of(life)}
    assert told["BZ"]["days"] == "15"
    assert told["JF"]["amount"] == "10.05"
    assert told["LZ"]["to"] == "河口镇便民服务中心"
    assert (told["TK"]["step"], told["TK"]["planned_on"]) == ("现场踏勘", "2026年9月20日")
    assert told["CG"]["step_who"] == "残联"
    assert told["TK"]["step_who"] == "河口镇便民服务中心"
    assert {told[letters]["procedure"] for letters in ("TS", "TS2", "TS3")} == {"现场踏勘", "公示", "听证"}
    assert (told["YC"]["days"], told["YC"]["approved_by"]) == ("10", "刘某某")
    assert (told["WT"]["agent"], told["WT"]["witness"], told["WT"]["until_on"]) == (
        "李某某",
        "赵某某",
        "2026年12月31日",
    )
    assert (told["SD"]["recipient_is"], told["SD"]["proof"]) == ("受托人", "按手印")
    assert told["ZZ"]["ended"] == "委托终止"
    assert {name for of in told.values() for name in of} == set(PLACEHOLDERS)
    unused = {name for name in PLACEHOLDERS if not any(of[name] for of in told.values())}
    assert unused == {"address", "result", "corrected", "certificate", "instead"}


@pytest.mark.parametrize(
    ("type_", "code", "word"),
    [
        ("行政许可", "x", "许可"),
        ("行政给付", "x", "给付"),
        ("行政确认", "x", "确认"),
        ("公共服务", "x", ""),
        ("", "60010100ZR-XK-0001", "许可"),
        ("", "60010100ZR-GF-0001", ""),
    ],
)
def test_a_decision_is_called_in_the_items_own_word(type_: str, code: str, word: str) -> None:
    life = accepted(item())
    life.then(life.reviewer, "decided", {"outcome": "granted"})
    case = copy.deepcopy(life.case())
    assert case["item"] is not None
    case["item"]["item"] = code
    offer = offers_of(life)["JD"]
    assert values(case, offer, {"type": type_}, station_name)["word"] == word


def test_what_a_village_attests_is_a_certificate_and_no_decision() -> None:
    life = Life(item(level="village"))
    life.then(life.agent, "received", intake_data(life.of))
    life.then(life.agent, "decided", {"outcome": "granted", "certificate": "兹证明张某某系我村村民。"})
    offers = offers_of(life)
    assert "JD" not in offers
    assert said(life, "ZM")["certificate"] == "兹证明张某某系我村村民。"


def test_the_one_who_acts_for_the_applicant_is_told_from_intake_or_from_later() -> None:
    life = accepted()
    case = life.case()
    power = {"matters": ["交材料"], "authority": "代交", "from": "2026-09-16", "until": None, "signed": "signature"}
    case["fields"]["people"] = {"proxy": {"name": "王某某", "agent": True, "power": power}}
    assert proxy_of(case, life.events[0])["authority"] == "代交"
    offers = {offer.kind.code: offer for offer in papers_of(case, life.events)}
    assert values(case, offers["proxy"], {}, station_name)["until_on"] == "办结"
    later = through_its_steps()
    assert proxy_of(later.case(), later.events[-1])["name"] == "李某某"


def test_who_issues_is_the_counter_or_who_may_do_what_it_tells_of() -> None:
    life = granted()
    case, offers = life.case(), offers_of(life)
    cohandler = Actor("reviewer", COUNTY, "county", "残联")
    assert may_issue(offers["CG"], cohandler, case, register()) is None
    refused = may_issue(offers["JD"], cohandler, case, register())
    assert refused is not None
    assert refused.status == 403
    for actor in (AGENT, Actor("township", TOWNSHIP, "township")):
        assert all(may_issue(offer, actor, case, register()) is None for offer in offers.values())
    stranger = Actor("township", "600101200000", "township")
    assert may_issue(offers["SL"], stranger, case, register()) is not None


# -- words -------------------------------------------------------------------------------------------------------------


def test_words_are_filled_in_once_and_run_nothing() -> None:
    assert fill("{applicant}：{reason}", {"applicant": "{reason}", "reason": "不全"}) == "{reason}：不全"
    assert fill("{applicant.__class__} {0} {applicant!r}", {"applicant": "张某某"}) is None
    assert fill("没有空格的话", {}) == "没有空格的话"


def test_a_sentence_about_nothing_is_left_out_and_a_gap_is_a_line_to_write_on() -> None:
    assert fill("附带的条件：{conditions}", {"conditions": ""}) is None
    assert fill("{applicant}在{days}天内补齐", {"applicant": "张某某", "days": ""}) == f"张某某在{BLANK}天内补齐"


def words(**changes: Any) -> dict[str, Any]:
    return {"title": "受理回执", "paragraphs": ["{applicant}："], "remedy": "", "seal": "公章", **changes}


def test_an_unknown_placeholder_is_refused_with_the_known_ones() -> None:
    assert words_problems(words()) == {}
    wrong = words_problems(words(title="{outcome}{wort}", paragraphs=["{item}", "{applicant", "{}"]))
    assert set(wrong) == {"title", "paragraphs.1", "paragraphs.2"}
    assert "{wort}" in wrong["title"]
    assert "{applicant} 办事人" in wrong["title"]


def test_the_registry_is_of_one_piece() -> None:
    letters = [kind.letters for kind in PAPERS.values()]
    assert len(set(letters)) == len(letters)
    for kind in PAPERS.values():
        assert kind.about
        assert kind.clause
        assert kind.copies in (1, 2)
