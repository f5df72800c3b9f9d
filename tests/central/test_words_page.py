"""The county's page of dictionaries: edited, tried, fed by what was not found, and known in the next release."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from threading import Thread

import pytest

from casework.documents import misses
from casework.times import Hlc, milliseconds
from central.catalogue.entries import groups, leave_out, open_offers
from central.catalogue.publishing import pending
from central.catalogue.trying import try_words
from central.catalogue.words import edit_dictionary, edits_made
from central.misses import Offer
from provisioning.register import CATALOGUE, station_database
from sync.peer import Writer
from sync.replicator import replicate
from tests.central.county import SUBSISTENCE, VILLAGE, Browser, SmallCentre
from tests.node.station import OLD_AGE, SmallNode, make_stations, plain

CODE = "60010100MZ-JF-0007"


def of_way(county: SmallCentre, name: str, way: str) -> list[tuple[str, str, bool]]:
    """(key, whose, waits) wherever this way stands."""
    return [
        (group.key, one.whose, one.waits)
        for group in groups(county.centre, name)
        for one in group.ways
        if one.text == way
    ]


# -- editing --------------------------------------------------------------------------------------------------------


def test_a_saying_is_added_waits_and_is_found_after_the_release(county: SmallCentre) -> None:
    sun = county.sign_in("sun")
    assert "没有要发布的改动" in sun.get("/catalogue/publish")
    sun.send("/words/said", {"way": "飞船糕", "key": SUBSISTENCE})
    assert of_way(county, "said", "飞船糕") == [(SUBSISTENCE, "added", True)]
    assert "等下一版" in sun.get("/words/said?q=飞船糕")
    assert "群众的说法" in sun.get("/catalogue/publish")
    assert "群众的说法" in sun.get("/catalogue")
    assert try_words(county.centre, "飞船糕", with_drafts=False).names == []
    assert try_words(county.centre, "飞船糕").names[0] == SUBSISTENCE
    sun.send("/catalogue/publish", {})
    assert of_way(county, "said", "飞船糕") == [(SUBSISTENCE, "added", False)]
    assert pending(county.centre).words == []
    assert try_words(county.centre, "飞船糕", with_drafts=False).names[0] == SUBSISTENCE


def test_what_came_with_the_program_is_taken_out_and_put_back(county: SmallCentre) -> None:
    sun = county.sign_in("sun")
    sun.send("/words/filler", {"key": "谁", "take_out": "俺"})
    assert of_way(county, "filler", "俺") == [("谁", "taken_out", True)]
    page = sun.get("/words/filler?changed=1")
    assert "县里拿掉的" in page
    assert "放回 俺" in page
    assert "拿掉 我" not in page
    # One character, which nobody could add anew: it is ours.
    sun.send("/words/filler", {"key": "谁", "put_back": "俺"})
    assert of_way(county, "filler", "俺") == [("谁", "ours", False)]
    assert pending(county.centre).words == []


@pytest.mark.parametrize(
    ("name", "way", "key", "sentence"),
    [
        ("said", "飞船糕", "没有的事项", "没有名称里带“没有的事项”的事项"),
        ("said", "飞船糕", "", "选一个事项"),
        ("said", "船", SUBSISTENCE, "只有一个字"),
        ("said", "<b>飞船糕</b>", SUBSISTENCE, "只写字"),
        ("said", "船" * 41, SUBSISTENCE, "要有 1 到 40 个字"),
        ("said", "，。！", SUBSISTENCE, "不能全是标点"),
        ("said", "[补|换证", SUBSISTENCE, "方括号没有成对"),
        ("said", "", SUBSISTENCE, "写上要加的说法"),
        ("same", "遗失", "坏", "已经在“丢”下面"),
        ("blocked", "枪", "违法", "只有一个字"),
        ("filler", "钱", "县里加的", "只有一个字"),
    ],
)
def test_what_would_mislead_is_refused_and_says_what_to_do(
    county: SmallCentre, name: str, way: str, key: str, sentence: str
) -> None:
    answer = county.sign_in("sun").send(f"/words/{name}", {"way": way, "key": key}, expect=422)
    assert sentence in plain(answer.text)
    assert "<b>飞船糕" not in answer.text
    assert edits_made(county.centre, name) == []


def test_a_saying_that_means_another_item_stays_there_until_it_is_taken_out(county: SmallCentre) -> None:
    sun = county.sign_in("sun")
    other = next(name for name in county.centre.catalogue.range("item:", "item;") if name["name"] != SUBSISTENCE)
    refused = sun.send("/words/said", {"way": "吃低保", "key": other["name"]}, expect=422)
    assert f"已经是“{SUBSISTENCE}”的说法" in plain(refused.text)
    sun.send("/words/said", {"key": SUBSISTENCE, "take_out": "吃低保"})
    sun.send("/words/said", {"way": "吃低保", "key": other["name"]})
    assert of_way(county, "said", "吃低保") == [
        (SUBSISTENCE, "taken_out", True),
        (other["name"], "added", True),
    ]


def test_the_page_says_who_changed_what_and_when(county: SmallCentre) -> None:
    sun = county.sign_in("sun")
    sun.send("/words/blocked", {"way": "算命大师", "key": "违法"})
    county.now.forward(hours=2)
    sun.send("/words/blocked", {"key": "违法", "take_out": "算命大师"})
    said = plain(sun.get("/words/blocked")).partition("谁改过什么")[2]
    assert re.search("拿掉 算命大师 （违法） 孙某某 · 今天 11:00.*加上 算命大师 （违法） 孙某某 · 今天 09:00", said)


def test_of_two_who_edit_at_once_neither_is_lost(county: SmallCentre) -> None:
    def add(who: int) -> None:
        for number in range(5):
            wrong = edit_dictionary(county.centre, "filler", add={"县里加的": [f"第{who}人{number}句"]}, by=f"p{who}")
            assert wrong == {}

    threads = [Thread(target=add, args=(who,)) for who in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = next(group for group in groups(county.centre, "filler") if group.key == "县里加的")
    assert len(kept.ways) == 10
    assert len(edits_made(county.centre, "filler")) == 10


def test_only_those_who_keep_the_catalogue_see_it(county: SmallCentre) -> None:
    zhao = county.sign_in("zhao")
    for path in ("/words", "/words/said", "/words/try"):
        zhao.get(path, expect=403)
        county.sign_in("zheng").get(path)
    county.sign_in("sun").get("/words/characters", expect=404)


# -- trying ---------------------------------------------------------------------------------------------------------


def test_the_try_it_box_says_why(county: SmallCentre) -> None:
    sun = county.sign_in("sun")
    said = plain(sun.get("/words/try?q=請問娃兒低保咋辦"))
    for step in ("请问娃儿低保咋办", "请问、", "娃儿 → 孩", SUBSISTENCE, "对上的是", "分数是怎么来的", "应该是这个"):
        assert step in said, step
    assert "首字母" in plain(sun.get("/words/try?q=db"))
    blocked = sun.get("/words/try?q=哪里买枪")
    assert "问句里有“买枪”，不回答" in blocked
    assert "应该是这个" not in blocked
    page = sun.get("/words/try?q=飞船糕低保")
    link = re.search(r'href="(/words/said\?way=[^"]+)#add"', page)
    assert link
    prefilled = sun.get(link[1].replace("&amp;", "&"))
    assert 'value="飞船糕低保"' in prefilled
    assert f'value="{SUBSISTENCE}"' in prefilled


# -- what was not found ---------------------------------------------------------------------------------------------


def tell(county: SmallCentre, *asked: misses.Asked) -> None:
    """A village's record of what was asked there, at the county."""
    village = county.stations.get(VILLAGE) or county.enrol(VILLAGE)
    county.now.forward(minutes=1)
    at = Hlc(milliseconds(county.now()), 0, VILLAGE)
    record = misses.compose(station=VILLAGE, at=at, asked=asked, key=village.key.id, sign=village.key.sign)
    village.cases.save([record], writer=village.writer)
    village.up()


def offered(county: SmallCentre) -> list[str]:
    return [one.offer.text for one in open_offers(county.centre, county.centre.misses.offers())]


def test_an_offer_is_taken_up_waits_and_goes_with_the_release(county: SmallCentre) -> None:
    sun, code = county.sign_in("sun"), county.item()["code"]
    tell(county, {"text": "飞船糕", "times": 3, "item": code}, {"text": "劳烦看哈", "times": 2, "item": None})
    page = sun.get("/words")
    assert f'value="{SUBSISTENCE}"' in page, "prefilled with what was opened in the end"
    assert "问了 3 次，1 个站" in page
    sun.send("/words", {"text": "飞船糕", "key": SUBSISTENCE, "do": "said"}, to="/words/asked")
    sun.send("/words", {"text": "劳烦看哈", "do": "filler"}, to="/words/asked")
    assert offered(county) == ["飞船糕", "劳烦看哈"]
    assert sun.get("/words").count("已采纳，等下一版") == 2
    sun.send("/catalogue/publish", {})
    assert offered(county) == []
    # Taken out again, it is asked about again.
    sun.send("/words/said", {"key": SUBSISTENCE, "take_out": "飞船糕"})
    assert offered(county) == ["飞船糕"]


def test_a_refused_taking_up_is_told_at_its_line(county: SmallCentre) -> None:
    tell(county, {"text": "飞船糕", "times": 1, "item": None})
    refused = county.sign_in("sun").send(
        "/words", {"text": "飞船糕", "key": "没有的事项", "do": "said"}, to="/words/asked", expect=422
    )
    assert refused.text.count("没有名称里带“没有的事项”的事项") == 2
    assert 'value="没有的事项"' in refused.text


def test_what_is_left_out_comes_back_when_it_was_asked_as_often_again(county: SmallCentre) -> None:
    sun = county.sign_in("sun")
    tell(county, {"text": "飞船糕", "times": 3, "item": None})
    sun.send("/words", {"text": "飞船糕", "do": "leave"}, to="/words/asked")
    assert offered(county) == []
    tell(county, {"text": "飞船糕", "times": 2, "item": None})
    assert offered(county) == []
    tell(county, {"text": "飞船糕", "times": 1, "item": None})
    assert offered(county) == ["飞船糕"]
    sun.send("/words", {"text": "飞船糕", "do": "leave"}, to="/words/asked")
    assert offered(county) == []
    sun.send("/words", {"text": "飞船糕", "do": "reconsider"}, to="/words/asked")
    assert offered(county) == ["飞船糕"]


def test_a_text_that_came_with_the_program_is_still_offered(county: SmallCentre) -> None:
    """It is known, and yet people opened something else: that is what the editor should see."""
    assert of_way(county, "said", "吃低保")
    offers = [Offer("吃低保", 4, 1, ((CODE, 4),))]
    assert [one.taken_up for one in open_offers(county.centre, offers)] == [None]
    leave_out(county.centre, "吃低保", 4, by="sun")
    assert open_offers(county.centre, offers) == []


# -- the whole way --------------------------------------------------------------------------------------------------


@pytest.fixture
def sides(tmp_path: Path) -> Iterator[tuple[SmallCentre, SmallNode]]:
    make_stations(tmp_path / "made")
    county = SmallCentre(tmp_path / "centre", tmp_path / "made" / "made" / "county")
    village = SmallNode(tmp_path / "made", tmp_path / "village")
    yield county, village
    village.close()
    county.close()


def test_what_a_village_did_not_find_it_finds_first_after_the_next_release(
    sides: tuple[SmallCentre, SmallNode],
) -> None:
    county, village = sides
    agent, sun = village.agent(), county.sign_in("sun")
    first = first_place_of(village, "飞船糕")
    code = village.item(OLD_AGE)["code"]
    assert first() is None
    for _ in range(3):
        agent.get("/guides?q=飞船糕")
        agent.get(f"/guides/{code}")
        village.now.forward(minutes=2)
    village.now.forward(days=1)
    village.station.misses.tell_when_due()
    carry(county, village)

    county.now.at = village.now.at
    sun = Browser(county.app.test_client(), "sun")
    page = sun.get("/words")
    assert "问了 3 次，1 个站" in page
    assert f'value="{OLD_AGE}"' in page
    sun.send("/words", {"text": "飞船糕", "key": OLD_AGE, "do": "said"}, to="/words/asked")
    assert first() is None, "nothing is in use before the release"
    sun.send("/catalogue/publish", {})
    carry(county, village)
    assert first() == code
    assert "飞船糕" not in plain(sun.get("/words"))


def first_place_of(village: SmallNode, said: str) -> Callable[[], str | None]:
    return lambda: next((hit.code for hit in village.station.catalogue.search(said)), None)


def carry(county: SmallCentre, village: SmallNode) -> None:
    """Cases up, the catalogue down."""
    name = station_database(VILLAGE)
    writer = Writer(VILLAGE, frozenset({f"station:{village.station.key.id}", "station"}))
    there = county.centre.databases.open(name).as_writer(writer)
    replicate(village.station.store(name), there, now=county.now, random=Random(1))
    county.centre.catch_up()
    catalogue = county.centre.databases.open(CATALOGUE)
    replicate(catalogue, village.station.arriving(CATALOGUE), now=county.now, random=Random(2))
    village.station.arrived({CATALOGUE})
