from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from casework.case import Case
from casework.transitions import OPEN_STATES
from sync.store import Store
from tests.casework.county import NEIGHBOUR, TOWNSHIP, VILLAGE, item
from tests.web.cases.desks import AGENT, REVIEWER, Pair, Place
from web.cases import casebook as casebook_module
from web.cases.casebook import Scope, Wanted
from web.cases.desk import Act
from web.cases.lists import LATEST, OLDEST, SOONEST_DUE, columns_of, listing, parts_of

ALL = Scope()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    pair = Pair(tmp_path)
    yield pair
    pair.close()


@pytest.fixture
def village(pair: Pair) -> Place:
    return pair.village


# -- found by what people say -------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["王", "王秀英", "秀英", " 王 秀英 ", "4321", "87654321", "13087654321"])
def test_yesterdays_visitor_is_found_by_a_piece_of_the_name_or_the_end_of_the_phone(village: Place, said: str) -> None:
    number = village.take_in(serial=1, name="王秀英", phone="13087654321")
    village.take_in(serial=2, name="李建国", phone="13011112222")
    assert [row.number for row in village.casebook.latest(ALL, text=said)] == [number]


@pytest.mark.parametrize("signs", [32, 10, 5, 4])
def test_a_case_is_found_by_the_last_signs_of_its_number(village: Place, signs: int) -> None:
    number = village.take_in(serial=1)
    village.take_in(serial=2)
    said = number[-signs:]
    for typed in (said, said.lower(), f" {said} "):
        assert [row.number for row in village.casebook.latest(ALL, text=typed)] == [number], typed
    if signs == 10:
        assert [row.number for row in village.casebook.latest(ALL, text=said.replace("-", " "))] == [number]


@pytest.mark.parametrize("said", ["阿卜杜拉·买买提", "阿卜杜拉买买提", "卜杜拉买", "买买提"])
def test_a_long_name_is_found_by_all_that_is_said_of_it(village: Place, said: str) -> None:
    number = village.take_in(serial=1, name="阿卜杜拉·买买提")
    village.take_in(serial=2, name="阿卜杜拉·司马义")
    assert [row.number for row in village.casebook.latest(ALL, text=said)] == [number]


@pytest.mark.parametrize("said", ["王建英", "%", "_", "0000", "买", "'"])
def test_what_fits_nobody_finds_nobody(village: Place, said: str) -> None:
    village.take_in(serial=1, name="王秀英", phone="13087654321")
    assert village.casebook.latest(ALL, text=said) == []


def test_a_list_is_also_asked_for_by_the_name_of_an_item(village: Place) -> None:
    number = village.take_in(name="王秀英")
    assert [row.number for row in village.casebook.latest(ALL, text="最低生活保障")] == [number]


def test_a_name_that_was_put_right_is_found_and_the_wrong_one_no_more(village: Place) -> None:
    number = village.take_in(name="王秀英", phone="13087654321")
    correction = {"path": "applicant.name", "value": "汪秀英", "reason": "登记时写错"}
    village.desk.write(number, [Act("field_corrected", correction)], AGENT)
    assert [row.number for row in village.casebook.latest(ALL, text="汪秀")] == [number]
    assert [row.number for row in village.casebook.latest(ALL, text="4321")] == [number]
    assert village.casebook.latest(ALL, text="王秀") == []


def test_a_case_that_the_county_has_retired_is_neither_found_nor_listed(village: Place) -> None:
    number = village.take_in(name="王秀英")
    for event in village.casebook.events(number):
        village.cases.update({"_id": event["_id"], "_rev": event["_rev"], "_deleted": True})
    village.casebook.follow()
    assert village.casebook.latest(ALL, text="王秀英") == []
    assert village.casebook.latest(Scope(stations=frozenset({VILLAGE}))) == []
    assert village.casebook.counts(ALL) == {}
    assert village.casebook.ledgers(VILLAGE) == []


def test_cases_are_found_in_whatever_volume_they_are(village: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(casebook_module, "VOLUME", 2)
    names = ["王秀英", "李建国", "张桂兰", "赵玉珍", "孙国栋"]
    numbers = [
        village.take_in(serial=serial, name=name, phone=f"1301111{serial:04}") for serial, name in enumerate(names, 1)
    ]
    for serial, (number, name) in enumerate(zip(numbers, names, strict=True), 1):
        for said in (name, name[1:], f"{serial:04}", number[-10:], number):
            assert [row.number for row in village.casebook.latest(ALL, text=said)] == [number], said
        assert village.casebook.names_somebody(f"问一下{name}的事")
    assert len(village.casebook.latest(ALL, text="1301")) == 0
    kept = village.casebook._all("SELECT volume, case_number FROM words WHERE volume > 0 GROUP BY volume, case_number")
    assert sorted((row["case_number"], row["volume"]) for row in kept) == sorted(
        zip(numbers, [1, 1, 2, 2, 3], strict=True)
    )
    # The words of an old case change in its own volume.
    correction = {"path": "applicant.name", "value": "钱多多", "reason": "登记时写错"}
    village.desk.write(numbers[0], [Act("field_corrected", correction)], AGENT)
    assert [row.number for row in village.casebook.latest(ALL, text="钱多多")] == [numbers[0]]
    assert village.casebook.latest(ALL, text="王秀英") == []
    assert not village.casebook.names_somebody("王秀英")


# -- whose a case is ----------------------------------------------------------------------------------------------


def test_a_scope_shows_what_has_a_part_in_one_of_its_stations_or_in_its_department(village: Place) -> None:
    for_county = village.take_in(item(level="county"), serial=1)
    own = village.take_in(item(level="village"), serial=2)
    casebook = village.casebook
    for scope, numbers in (
        (Scope(), {for_county, own}),
        (Scope(stations=frozenset({VILLAGE, TOWNSHIP})), {for_county, own}),
        (Scope(stations=frozenset({NEIGHBOUR})), set()),
        (Scope(stations=frozenset()), set()),
        (Scope(department="民政"), {for_county}),
        (Scope(department="残联"), set()),
        (Scope(department=""), set()),
        (Scope(stations=frozenset({VILLAGE}), department="残联"), {for_county, own}),
        (Scope(stations=frozenset({NEIGHBOUR}), department="民政"), {for_county}),
    ):
        assert {row.number for row in casebook.latest(scope)} == numbers, scope
        assert {row.number for row in casebook.rows(scope)} == numbers, scope
        assert sum(casebook.counts(scope).values()) == len(numbers), scope
        assert {row.number for row in casebook.latest(ALL) if scope.contains(row)} == numbers, scope


def test_a_case_that_was_carried_to_another_station_is_shown_there_too(
    village: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    carried = [{"kind": "station", "value": TOWNSHIP}, {"kind": "department", "value": "残联"}]
    plain = casebook_module.fold
    monkeypatch.setattr(casebook_module, "fold", lambda *args, **named: {**plain(*args, **named), "parts": carried})
    number = village.take_in()
    for scope in (
        Scope(stations=frozenset({TOWNSHIP})),
        Scope(department="残联"),
        Scope(stations=frozenset({VILLAGE})),
    ):
        assert [row.number for row in village.casebook.latest(scope)] == [number]
    assert village.casebook.latest(Scope(department="民政")) == [], "the case says itself whose it is"
    carried[1]["value"] = "民政"
    village.casebook.refold([number])
    assert village.casebook.latest(Scope(department="残联")) == []
    row = village.casebook.row(number)
    assert row is not None
    assert row.parts == {f"station:{VILLAGE}", f"station:{TOWNSHIP}", "department:民政"}


def test_a_row_has_what_lists_show_of_clocks_papers_and_steps(village: Place) -> None:
    case = village.casebook.case(village.take_in())
    assert case is not None
    plain = columns_of(case["number"], case)
    assert (plain["handler"], plain["stopped"], plain["papers_at"], plain["steps_open"]) == (TOWNSHIP, 0, "", "")
    assert (plain["legal_on"], plain["answer_by"]) == ("2026-11-03", "2026-09-22")
    later: dict[str, Any] = {
        **case,
        "handler": "赵某某",
        "papers_at": TOWNSHIP,
        "steps": [
            {"title": "踏勘", "state": "ready"},
            {"title": "公示", "state": "running"},
            {"title": "审核", "state": "done"},
        ],
        "deadlines": {
            **case["deadlines"],
            "legal_on": "2026-10-30",
            "answer_by": "2026-09-23",
            "stopped_since": "2026-09-20",
        },
    }
    told = columns_of(case["number"], cast("Case", later))
    assert (told["handler"], told["stopped"], told["papers_at"]) == ("赵某某", 1, TOWNSHIP)
    assert (told["steps_open"], told["legal_on"], told["answer_by"]) == ("踏勘,公示", "2026-10-30", "2026-09-23")
    assert parts_of(case["number"], cast("Case", later)) == {
        ("station", VILLAGE),
        ("station", TOWNSHIP),
        ("department", "民政"),
    }


# -- which and in which order -------------------------------------------------------------------------------------


def walk(village: Place, wanted: Wanted, *, by_due: bool, limit: int) -> list[str]:
    numbers: list[str] = []
    following: str | None = ""
    while following is not None:
        page = village.casebook.page(ALL, wanted, by_due=by_due, limit=limit, following=following)
        numbers += [row.number for row in page.rows]
        following = page.following
    return numbers


@pytest.mark.parametrize("by_due", [False, True])
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 50])
@pytest.mark.parametrize("states", [(), ("accepted",), ("accepted", "withdrawn")])
def test_pages_show_every_case_once_and_in_order(
    village: Place, by_due: bool, limit: int, states: tuple[str, ...]
) -> None:
    days = (20, 5, -1, 10, -1, 5, 1)
    numbers = [village.take_in(item(days=n), serial=place + 1) for place, n in enumerate(days)]
    village.desk.write(numbers[1], [Act("withdrawn", {"reason": "不办了"})], AGENT)
    numbers.append(numbers.pop(1))
    rows = {row.number: row for row in village.casebook.latest(ALL)}
    expected = [number for number in numbers if not states or rows[number].state in states]
    if by_due:
        expected.sort(key=lambda number: rows[number].due_on or "9999")
    else:
        expected.reverse()
    assert walk(village, Wanted(states=states), by_due=by_due, limit=limit) == expected


@pytest.mark.parametrize("following", ["x", "1|2", "2026-01-01", "|", "1|"])
def test_a_word_that_names_no_row_is_refused(village: Place, following: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        village.casebook.page(ALL, Wanted(), following=following)


def test_overdue_is_what_is_still_open_after_its_promised_day(village: Place) -> None:
    soon, late = village.take_in(item(days=1), serial=1), village.take_in(item(days=20), serial=2)
    ended, never = village.take_in(item(days=1), serial=3), village.take_in(item(days=-1), serial=4)
    village.desk.write(ended, [Act("withdrawn", {"reason": "不办了"})], AGENT)
    row = village.casebook.row(soon)
    assert row is not None
    due = date.fromisoformat(str(row.due_on))

    def overdue(on: date, **more: Any) -> list[str]:
        return [row.number for row in village.casebook.page(ALL, Wanted(overdue_on=on, **more), by_due=True).rows]

    assert overdue(due) == [], "the last day is still in time"
    assert overdue(due + timedelta(days=1)) == [soon]
    assert overdue(date(2027, 1, 1)) == [soon, late]
    assert overdue(date(2027, 1, 1), states=["withdrawn"]) == [ended]
    assert never not in overdue(date(9999, 12, 31))


def test_a_list_is_narrowed_to_a_department_and_to_several_states_at_once(village: Place) -> None:
    for_county = village.take_in(item(level="county"), serial=1)
    village.take_in(item(level="village"), serial=2)
    page = village.casebook.page(ALL, Wanted(department="民政", states=sorted(OPEN_STATES), text="张"))
    assert [row.number for row in page.rows] == [for_county]
    assert village.casebook.page(ALL, Wanted(department="残联")).rows == []


@pytest.mark.parametrize("order", [LATEST, OLDEST, SOONEST_DUE])
@pytest.mark.parametrize("scope", [ALL, Scope(stations=frozenset({VILLAGE})), Scope(department="民政")])
@pytest.mark.parametrize("wanted", [Wanted(states=["accepted", "decided"]), Wanted(overdue_on=date(2026, 1, 1))])
def test_no_list_of_some_states_sorts_or_reads_every_case(
    village: Place, order: Any, scope: Scope, wanted: Wanted
) -> None:
    sql, values = listing(scope, wanted, order, items=(), limit=50)
    plan = [row["detail"] for row in village.casebook._all(f"EXPLAIN QUERY PLAN {sql}", values)]
    reads = [line for line in plan if " cases" in line and "AS found" not in line]
    assert reads, plan
    assert all("USING INDEX" in line or "COVERING INDEX" in line for line in reads), plan
    assert all("state=?" in line for line in reads), plan


# -- how little is done -------------------------------------------------------------------------------------------


def count(monkeypatch: pytest.MonkeyPatch, name: str) -> list[Any]:
    calls: list[Any] = []
    plain = getattr(casebook_module, name)

    def counted(*args: Any, **named: Any) -> Any:
        calls.append(args)
        return plain(*args, **named)

    monkeypatch.setattr(casebook_module, name, counted)
    return calls


def test_each_act_is_folded_once_and_each_signature_checked_once(
    village: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    folds, checks = count(monkeypatch, "fold"), count(monkeypatch, "event_holds")
    number = village.take_in()
    assert (len(folds), len(checks)) == (2, 2)
    village.desk.write(number, [Act("withdrawn", {"reason": "不办了"})], AGENT)
    assert (len(folds), len(checks)) == (3, 3)
    projected = village.casebook.case(number)
    village.casebook.refold([number])
    assert village.casebook.case(number) == projected
    assert (len(folds), len(checks)) == (4, 3)


def test_what_came_in_beside_an_act_is_in_the_case_all_the_same(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    number = pair.village.take_in()
    pair.up()
    decided = pair.county.desk.write(number, [Act("decided", {"outcome": "granted", "reason": "符合"})], REVIEWER)
    plain = Store.save

    def save_beside(store: Store, *args: Any, **named: Any) -> Any:
        monkeypatch.undo()
        store.save(decided)
        return plain(store, *args, **named)

    monkeypatch.setattr(Store, "save", save_beside)
    pair.village.desk.write(number, [Act("withdrawn", {"reason": "不办了"})], AGENT)
    case = pair.village.casebook.case(number)
    assert case is not None
    assert decided[0]["_id"] in case["order"]
    assert len(case["contested"]) == 1


def test_what_another_database_holds_under_the_same_id_changes_no_case(village: Place) -> None:
    number = village.take_in()
    before = village.casebook.case(number)
    other = village.databases.open(f"station-{NEIGHBOUR}")
    event = village.casebook.events(number)[0]
    other.save([{**event, "data": {**event["data"], "applicant": {"name": "李建国", "id_type": "户口簿"}}}])
    village.close()
    for file in village.folder.glob("projections.sqlite3*"):
        file.unlink()
    village.start()
    village.casebook.follow([village.cases.database, other.database])
    assert village.casebook.case(number) == before


def test_another_layout_is_built_anew_without_checking_a_signature_again_and_says_how_far_it_is(
    village: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    numbers = [village.take_in(serial=serial, name="王秀英") for serial in range(1, 6)]
    before = {number: village.casebook.case(number) for number in numbers}
    village.close()
    checks = count(monkeypatch, "event_holds")
    monkeypatch.setattr(casebook_module, "LAYOUT", casebook_module.LAYOUT + 1)
    monkeypatch.setattr(casebook_module, "BATCH", 3)
    monkeypatch.setattr(casebook_module, "TOLD_EVERY", 3)
    village.start()
    assert {number: village.casebook.case(number) for number in numbers} == before
    assert len(village.casebook.latest(ALL, text="王秀英")) == 5
    assert checks == []
    told = [record.getMessage() for record in caplog.records if "casebook" in record.name]
    assert told == [
        "casebook: its layout has changed, and all cases are read anew",
        *(f"casebook: read of station-{VILLAGE}: {done} of 10" for done in (3, 6, 9)),
    ]
    caplog.clear()
    village.close()
    village.start()
    assert not caplog.records, "once"
