"""The visitor's screen: guides without a sign-in, no way to a case, and nothing left of anybody after a minute."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from tests.central.county import PASSWORD
from tests.node.station import HOMESTEAD, OLD_AGE, SmallNode, plain

TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"


def given(node: SmallNode) -> FlaskClient:
    """A browser that an agent has given to visitors."""
    agent = node.agent()
    assert agent.send("/guides", {}, to="/touch/open").location == "/touch"
    return agent.client


def begun(screen: FlaskClient, **pressed: str) -> str:
    """Where the first touch leads."""
    answer = screen.post("/touch/begin", data=pressed)
    assert answer.status_code == 303
    return str(answer.location)


def test_one_button_ends_the_sign_in_and_opens_the_screen(village: SmallNode) -> None:
    screen = given(village)
    page = screen.get("/touch")
    assert page.status_code == 200
    assert page.headers["Cache-Control"] == "no-store"
    assert "您要办什么事" in page.text
    assert "王某某" not in page.text
    acts = [row.entry["act"] for row in village.station.audit.rows(0, 100)]
    assert acts[-2:] == ["touch_opened", "signed_out"]


def test_every_other_address_leads_back_to_the_screen(village: SmallNode) -> None:
    number = village.agent().take_in()
    screen = given(village)
    for rule in village.app.url_map.iter_rules():
        if rule.endpoint.startswith("touch.") or rule.endpoint == "static":
            continue
        path = re.sub(r"<(?:[^:<>]+:)?[^<>]+>", number, rule.rule)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            answer = screen.open(path, method=method)
            assert (answer.status_code, answer.location) == (303, "/touch"), (method, path)
    assert screen.get("/no-such-page").location == "/touch"


def test_somebody_signed_in_at_that_browser_reaches_no_case_either(village: SmallNode) -> None:
    screen = given(village)
    colleague = village.agent("chen")
    cookie = colleague.client.get_cookie(village.app.extensions["signin"].cookie)
    assert cookie is not None
    screen.set_cookie(cookie.key, cookie.value)
    assert screen.get("/").location == "/touch"


def test_a_browser_that_nobody_gave_shows_nothing(village: SmallNode) -> None:
    stranger = village.app.test_client()
    for path in ("/touch", "/touch/close", "/touch/0123456789ab/find"):
        assert stranger.get(path).location == "/signin"
    assert stranger.post("/touch/begin", data={"q": "低保"}).location == "/signin"
    stranger.set_cookie("yizhan_touch_" + village.code, "0" * 64)
    assert stranger.get("/touch").location == "/signin"


def test_what_is_written_finds_guides_and_stands_in_no_address(village: SmallNode) -> None:
    screen = given(village)
    where = begun(screen, q="高龄津贴", go="find")
    assert re.fullmatch(r"/touch/[0-9a-f]{12}/find", where)
    page = screen.get(where).text
    assert OLD_AGE in page
    [guide] = re.findall(rf'href="({where.rpartition("/")[0]}/guide/[^"]+)"><b>{OLD_AGE}', page)
    assert "要带什么" in screen.get(guide).text
    for key, said in (("d", "高龄津贴d"), ("back", "高龄津贴"), ("clear", "")):
        before = re.search(r'name="q"[^>]* value="([^"]*)"', screen.get(where).text)
        assert before is not None
        assert screen.post(where, data={"q": before[1], "key": key}).location == where
        assert f'value="{said}"' in screen.get(where).text


@pytest.mark.parametrize("first", [{"go": "group:who:老人"}, {"go": "group:life:建房"}])
def test_a_group_is_one_touch_away(village: SmallNode, first: dict[str, str]) -> None:
    screen = given(village)
    wanted = OLD_AGE if "老人" in first["go"] else HOMESTEAD
    assert wanted in screen.get(begun(screen, **first)).text


def test_one_question_a_page_and_then_the_list_with_its_code(village: SmallNode) -> None:
    screen, code = given(village), village.item(HOMESTEAD)["code"]
    guide = begun(screen, go=f"guide:{code}")
    page = screen.get(f"{guide}/bring").text
    assert "怎么建" in page
    assert "第 1 问" in page
    assert "不清楚" in page
    assert "柳树湾村便民服务站 ·" in plain(page)
    answers = re.findall(rf'href="({re.escape(guide)}/bring\?[^"]+)"', page)
    rebuilt = next(one for one in answers if one.endswith("rebuild"))
    page = screen.get(rebuilt.replace("&amp;", "&")).text
    assert "谁来办" in page
    mine = next(
        one for one in re.findall(rf'href="({re.escape(guide)}/bring\?[^"]+)"', page) if one.endswith("role=applicant")
    )
    page = screen.get(mine.replace("&amp;", "&")).text
    assert "原宅基地权属证明" in page
    assert "授权委托书" not in page
    assert "<svg" in page
    unsure = screen.get(f"{guide}/bring?situation.how=&people.present.role=").text
    assert "看情况还要" in plain(unsure)


def test_a_minute_without_a_touch_and_nothing_is_left(village: SmallNode) -> None:
    screen = given(village)
    where = begun(screen, q="高龄津贴", go="find")
    assert 'content="60;url=/touch"' in screen.get(where).text
    assert village.station.touch_screens.visits() == 1
    village.now.forward(seconds=55)
    assert screen.post(where.replace("find", "here")).status_code == 204
    village.now.forward(seconds=55)
    assert screen.get(where).status_code == 200
    village.now.forward(seconds=90)
    village.station.touch_screens.forget_old()
    assert village.station.touch_screens.visits() == 0
    assert screen.get(where).location == "/touch"
    local = village.station.local
    for table in local.rows(TABLES):
        assert "高龄津贴" not in str(local.rows(f"SELECT * FROM {table['name']}")), table


def test_the_address_of_whoever_was_there_before_is_nobodys(village: SmallNode) -> None:
    screen = given(village)
    before = begun(screen, q="低保", go="find")
    screen.get("/touch")
    after = begun(screen, q="高龄津贴", go="find")
    assert screen.get(before).location == "/touch"
    assert screen.get(after).status_code == 200
    other = given(village)
    assert other.get(after).location == "/touch"


def test_what_a_visitor_did_not_find_is_counted_without_them(village: SmallNode) -> None:
    screen = given(village)
    begun(screen, q="飞船游泳", go="find")
    screen.get("/touch")
    assert village.station.misses.counted() == [("飞船游泳", None, 1)]


def test_a_colleague_takes_the_browser_back_with_their_password(village: SmallNode) -> None:
    screen = given(village)
    assert "工作人员" in screen.get("/touch").text
    wrong = screen.post("/touch/close", data={"username": "chen", "password": "wrong"})
    assert wrong.status_code == 401
    assert "密码不对" in wrong.text
    assert screen.get("/").location == "/touch"
    assert screen.post("/touch/close", data={"username": "chen", "password": PASSWORD}).location == "/"
    assert [row.entry["act"] for row in village.station.audit.rows(0, 100)][-1] == "touch_closed"
    assert screen.get("/").status_code == 200
    assert screen.get("/touch").location == "/signin"


def test_the_screen_stays_open_over_a_restart(village: SmallNode) -> None:
    screen = given(village)
    cookie = screen.get_cookie("yizhan_touch_" + village.code)
    assert cookie is not None
    village.restart()
    again = village.app.test_client()
    again.set_cookie(cookie.key, cookie.value)
    assert again.get("/touch").status_code == 200


# -- how new the guide is --------------------------------------------------------------------------------------------


def told(screen: FlaskClient, address: str) -> str:
    """What the page says above all else; empty for nothing."""
    found = re.search(r'<section class="banner[^"]*" role="status">(.*?)</section>', screen.get(address).text, re.S)
    return plain(found[1]).strip() if found else ""


def up(node: SmallNode, monkeypatch: pytest.MonkeyPatch) -> None:
    """The county has answered just now."""
    status = replace(node.station.line.status(), online=True)
    monkeypatch.setattr(node.station.line, "status", lambda: status)


def pages_of_a_visit(node: SmallNode, screen: FlaskClient) -> list[str]:
    """The start, which forgets whoever was there, comes last."""
    code = node.item(OLD_AGE)["code"]
    guide = begun(screen, go=f"guide:{code}")
    visit = guide.removesuffix(f"/guide/{code}")
    return [guide, f"{guide}/bring", f"{visit}/find", f"{visit}/help", "/touch"]


def test_every_page_says_calmly_that_the_line_is_down(village: SmallNode, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = given(village)
    said = {told(screen, address) for address in pages_of_a_visit(village, screen)}
    assert said == {"现在和县里联系不上 这里的指南照样能查，事情照样能办。"}
    up(village, monkeypatch)
    assert {told(screen, address) for address in pages_of_a_visit(village, screen)} == {""}


@pytest.mark.parametrize("line_is_up", [True, False])
def test_every_page_says_in_the_visitors_words_that_the_guide_may_be_old(
    village: SmallNode, monkeypatch: pytest.MonkeyPatch, line_is_up: bool
) -> None:
    village.now.forward(days=30)
    screen = given(village)
    if line_is_up:
        up(village, monkeypatch)
    said = {told(screen, address) for address in pages_of_a_visit(village, screen)}
    assert said == {
        "指南可能不是最新的 这里的指南是9月16日发布的，县里也许有新的规定。要办之前，先问一问窗口的工作人员。"
    }
