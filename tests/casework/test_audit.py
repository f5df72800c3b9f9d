"""The log of acts: what its chain says of entries that were altered, taken out, or written twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from casework.audit_chain import Batch, Row, act_in_words, examine_batches, examine_rows
from casework.documents.audit import (
    ACTS,
    BEGINNING,
    TYPE,
    Entry,
    altered_at,
    batch_holds,
    chained,
    hashes_of,
    is_batch_shaped,
)
from casework.kinds import KINDS
from tests.casework.county import COUNTY, NUMBER, TOWNSHIP, VILLAGE, register
from tests.casework.examples import batch


def entry(minute: int, act: str = "opened") -> Entry:
    at = f"2026-09-16T01:{minute:02d}:00.000Z"
    return Entry(at=at, account="wang", name="王某某", role="agent", act=act, case=NUMBER, what="")


def log(count: int) -> list[Row]:
    rows, before = [], BEGINNING
    for position in range(1, count + 1):
        before = chained(before, entry(position))
        rows.append(Row(position, entry(position), before))
    return rows


def batches(count: int, size: int = 10) -> list[Batch]:
    found: list[Batch] = []
    for serial in range(1, count + 1):
        prev = found[-1] if found else None
        found.append(
            Batch(
                id=f"audit:{VILLAGE}:{serial}", serial=serial, prev=prev.id if prev else None,
                position=(serial - 1) * size + 1, count=size, before=prev.last if prev else BEGINNING,
                last=f"{serial:064x}",
            )
        )  # fmt: skip
    return found


def sentences(found: list) -> list[str]:
    return [finding.sentence for finding in found]


def test_a_log_that_nobody_touched_has_nothing_wrong_with_it() -> None:
    assert examine_rows(log(50)) == []
    rows = log(50)
    assert examine_rows(rows[20:], position=20, before=rows[19].hash) == []


@pytest.mark.parametrize("change", [{"account": "chen"}, {"case": None}, {"at": "2026-09-17T01:05:00.000Z"}])
def test_the_one_entry_that_was_altered_is_named(change: dict[str, str | None]) -> None:
    rows = log(9)
    rows[4] = replace(rows[4], entry={**rows[4].entry, **change})  # type: ignore[typeddict-item]
    found = examine_rows(rows)
    assert [finding.position for finding in found] == [5]
    assert "第 5 条（2026-09-1" in found[0].sentence
    assert "被改过" in found[0].sentence


def test_an_entry_altered_with_its_hash_no_longer_carries_the_next() -> None:
    rows = log(9)
    said = entry(5, "printed")
    rows[4] = Row(5, said, chained(rows[3].hash, said))
    assert [finding.position for finding in examine_rows(rows)] == [6]


def test_a_stretch_that_is_gone_is_named() -> None:
    rows = log(9)
    assert sentences(examine_rows([*rows[:3], *rows[5:]])) == ["第 4 条到第 5 条不见了。"]
    assert sentences(examine_rows(rows[1:])) == ["第 1 条不见了。"]


def test_batches_in_any_order_make_one_chain() -> None:
    assert examine_batches(reversed(batches(5))) == []


def test_a_missing_batch_is_a_gap_until_it_comes() -> None:
    all_of_them = batches(5)
    found = examine_batches([*all_of_them[:2], *all_of_them[3:]])
    assert sentences(found) == ["第 21 条到第 30 条没有收到（少 1 批），可能还在路上，也可能被拿走。"]
    assert sentences(examine_batches(all_of_them[1:]))[0].startswith("第 1 条到第 10 条没有收到")


def test_two_batches_of_one_number_are_a_fork() -> None:
    first = batches(3)
    other = replace(first[1], id=f"audit:{VILLAGE}:other", last="f" * 64)
    found = examine_batches([*first, other])
    assert [finding.position for finding in found] == [11]
    assert "有 2 份不同的记录" in found[0].sentence


def test_a_batch_that_does_not_follow_the_one_before_is_said() -> None:
    first = batches(3)
    for changed in (
        replace(first[1], before="0" * 64),
        replace(first[1], position=12),
        replace(first[1], prev="audit:x"),
    ):
        assert any("接不上" in sentence for sentence in sentences(examine_batches([first[0], changed])))


def test_what_a_batch_said_of_itself_is_kept() -> None:
    assert sentences(examine_batches([replace(batches(1)[0], problem="第 3 条被改过。")])) == ["第 3 条被改过。"]


def test_a_batch_holds_under_its_own_stations_key_and_no_other() -> None:
    document = batch()
    key = register().key(document["key"])
    assert key is not None
    assert batch_holds(document, key)
    for other in (f"{TOWNSHIP}:1", f"{COUNTY}:1"):
        stranger = register().key(other)
        assert stranger is not None
        assert not batch_holds(document, stranger)
    for changed in ({"serial": 2}, {"entries": [{**document["entries"][0], "account": "chen"}]}, {"station": TOWNSHIP}):
        assert not batch_holds({**document, **changed}, key)


def test_a_batch_says_which_of_its_entries_was_altered_before_it_was_signed() -> None:
    document = batch()
    assert altered_at(document) is None
    rows = log(4)
    whole = {
        **document,
        "position": 1,
        "entries": [row.entry for row in rows],
        "links": [row.hash[:8] for row in rows],
        "last": rows[-1].hash,
    }
    assert altered_at(whole) is None
    assert hashes_of(whole) == [row.hash for row in rows]
    whole["entries"][2] = {**rows[2].entry, "name": "别人"}
    assert altered_at(whole) == 3


@pytest.mark.parametrize(
    "change",
    [
        {"entries": []}, {"entries": "none"}, {"entries": [{}]}, {"links": []}, {"links": ["xyz"]}, {"serial": 0},
        {"serial": True}, {"position": "1"}, {"before": "0"}, {"prev": 3}, {"key": None}, {"incarnation": ""},
        {"_id": f"audit:{VILLAGE}:x"}, {"station": TOWNSHIP},
    ],
)  # fmt: skip
def test_what_only_bears_the_name_has_no_shape(change: dict[str, object]) -> None:
    assert is_batch_shaped(batch())
    assert TYPE.problems(batch()) == {}
    assert not is_batch_shaped({**batch(), **change})


def test_every_act_has_its_words() -> None:
    assert all(act_in_words(act) != act for act in ACTS)
    assert all(act_in_words(f"wrote:{kind}").startswith("写入：") for kind in KINDS)
    assert act_in_words("of_a_newer_version") == "of_a_newer_version"
