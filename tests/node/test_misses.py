"""What was asked and not found is counted, told once a day, and is about nobody."""

from __future__ import annotations

from datetime import timedelta

import pytest

from casework.documents.misses import TYPE, misses_hold
from provisioning.register import station_database
from tests.central.county import VILLAGE
from tests.node.station import APPLICANT, OLD_AGE, Desk, SmallNode


def told(village: SmallNode) -> list[dict[str, object]]:
    return village.station.store(station_database(VILLAGE)).range("misses:", "misses;")


def counted(village: SmallNode) -> list[tuple[str, str | None, int]]:
    village.now.forward(minutes=2)
    village.station.misses.settle()
    return village.station.misses.counted()


def ask(agent: Desk, *questions: str) -> None:
    for said in questions:
        agent.get(f"/guides?q={said}")


def test_what_found_nothing_is_counted_when_it_was_sent(village: SmallNode) -> None:
    agent = village.agent()
    ask(agent, "飞船游泳", "飞船游泳")
    ask(village.agent("chen"), "飞船游泳")
    assert village.station.misses.counted() == []
    assert counted(village) == [("飞船游泳", None, 2)]


def test_another_way_of_saying_it_within_the_minute_says_what_was_meant(village: SmallNode) -> None:
    agent, code = village.agent(), village.item(OLD_AGE)["code"]
    ask(agent, "飞船游泳")
    village.now.forward(seconds=20)
    ask(agent, "高龄津贴")
    agent.get(f"/guides/{code}")
    assert counted(village) == [("飞船游泳", code, 1)]


def test_another_question_after_a_minute_says_nothing_of_the_first(village: SmallNode) -> None:
    agent, code = village.agent(), village.item(OLD_AGE)["code"]
    ask(agent, "飞船游泳")
    village.now.forward(seconds=90)
    ask(agent, "高龄津贴")
    agent.get(f"/guides/{code}")
    assert counted(village) == [("飞船游泳", None, 1)]


def test_what_is_found_low_is_counted_and_what_is_found_on_top_is_not(village: SmallNode) -> None:
    misses, code = village.station.misses, "60010100MZ-JF-0007"
    misses.asked("a", "老人", ["1", "2", code])
    misses.opened("a", code)
    misses.asked("b", "老汉钱", ["1", "2", "3", code])
    misses.opened("b", code)
    misses.asked("c", "只看看", ["1"])
    assert counted(village) == [("老汉钱", code, 1)]


def test_letters_on_the_way_to_a_word_are_no_questions(village: SmallNode) -> None:
    misses = village.station.misses
    for said in ("飞", "飞船", "飞船游", "飞船游泳"):
        misses.asked("a", said, [], typing=True)
        village.now.forward(seconds=1)
    village.now.forward(seconds=10)
    misses.asked("a", "种大棚", [], typing=True)
    assert counted(village) == [("种大棚", None, 1), ("飞船游泳", None, 1)]


@pytest.mark.parametrize(
    "said",
    [
        "1300 0000",
        "一三〇〇找谁",
        "我家老汉去年冬天摔了一跤到现在还不能下地走路怎么办",
        APPLICANT["name"],
        f"{APPLICANT['name']}的低保",
        "秀英的钱",
        "王大锤",
        "啥",
    ],
)
def test_what_may_be_about_somebody_is_not_counted(village: SmallNode, said: str) -> None:
    agent = village.agent()
    agent.take_in()
    village.station.misses.asked("a", said, [])
    assert counted(village) == []


def test_a_record_a_day_signed_and_without_names(village: SmallNode) -> None:
    misses = village.station.misses
    misses.asked("a", "飞船游泳", [])
    misses.asked("b", "张秀英", [])  # nobody of this name has a case here yet, and it is said with an item
    misses.opened("b", "60010100MZ-JF-0007")
    village.now.forward(minutes=2)
    misses.tell_when_due()
    assert told(village) == []
    village.agent().take_in()
    village.now.forward(days=1)
    misses.asked("a", "种大棚", [])
    village.now.forward(minutes=2)
    misses.tell_when_due()
    misses.tell_when_due()
    [record] = told(village)
    assert record["asked"] == [{"text": "飞船游泳", "times": 1, "item": None}]
    key = village.station.register.key(str(record["key"]))
    assert TYPE.problems(record) == {}
    assert key is not None
    assert misses_hold(record, key)
    assert not misses_hold({**record, "station": "600101101999"}, key)
    waiting = village.station.casebook.waiting()
    village.now.forward(days=1)
    village.restart()
    village.station.misses.tell_when_due()
    assert village.station.casebook.waiting() == waiting, "no receipt is waited for: it is no case's"
    assert [one["asked"] for one in told(village)[1:]] == [[{"text": "种大棚", "times": 1, "item": None}]]


def test_a_full_disk_loses_no_record(village: SmallNode, monkeypatch: pytest.MonkeyPatch) -> None:
    misses, store = village.station.misses, village.station.store(station_database(VILLAGE))
    misses.asked("a", "飞船游泳", [])
    village.now.forward(days=1)

    def full(*_args: object, **_more: object) -> None:
        raise OSError("no room")

    with monkeypatch.context() as patched:
        patched.setattr(type(store), "save", full)
        with pytest.raises(OSError, match="no room"):
            misses.tell_when_due()
    assert misses.counted() == []
    misses.tell_when_due()
    assert len(told(village)) == 1


def test_nothing_of_who_asked_stays_in_memory(village: SmallNode) -> None:
    misses = village.station.misses
    misses.asked("a", "飞船游泳", [])
    misses.asked("b", "种大棚", [], typing=True)
    village.now.forward(minutes=1, seconds=1)
    misses.settle()
    assert not misses._asked
    village.now.at += timedelta(minutes=2)
    misses.settle()
    assert not misses._typing
