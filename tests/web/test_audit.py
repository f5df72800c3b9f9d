"""The log of acts in its file: one chain, whoever writes; what was altered, cut off or taken out is named."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from sync.peer import StorageFull
from sync.sqlite import sqlite3
from tests.web.conftest import NOON, SmallApp
from web.audit import MOST_HELD, Actor, AuditLog, in_words, months_before

WANG = Actor("wang", "王某某", "agent")
CASE = "600101101201-20260916-0007-9M4TD"


class Clock:
    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(tmp_path: Path, clock: Clock) -> Iterator[AuditLog]:
    log = AuditLog(tmp_path / "audit.sqlite3", now=clock, random=Random(1))
    yield log
    log.close()


def fill(log: AuditLog, count: int) -> None:
    for _ in range(count):
        log.note(WANG, "opened", CASE)


def by_hand(tmp_path: Path, sql: str) -> None:
    """As somebody would who has the file and a database program."""
    connection: Any = sqlite3.connect(tmp_path / "audit.sqlite3")
    assert connection.execute(sql).rowcount
    connection.commit()
    connection.close()


def test_a_log_goes_on_where_it_stood(tmp_path: Path, clock: Clock, log: AuditLog) -> None:
    fill(log, 3)
    again = AuditLog(tmp_path / "audit.sqlite3", now=clock, random=Random(2))
    again.note(WANG, "printed", CASE, "申请表")
    assert again.incarnation == log.incarnation
    assert again.head == 4
    assert again.check() == []
    assert again.rows(3, 9)[0].entry["what"] == "申请表"
    again.close()


def test_several_writers_of_one_file_make_one_chain(tmp_path: Path, clock: Clock, log: AuditLog) -> None:
    others = [AuditLog(tmp_path / "audit.sqlite3", now=clock, random=Random(2)) for _ in range(3)]
    threads = [threading.Thread(target=fill, args=(one, 40)) for one in (log, *others)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert log.head == 160
    assert log.check() == []
    for one in others:
        one.close()


@pytest.mark.parametrize("column", ["at", "account", "name", "role", "act", "case_number", "what", "hash"])
def test_whatever_is_changed_by_hand_is_named(tmp_path: Path, log: AuditLog, column: str) -> None:
    fill(log, 30)
    by_hand(tmp_path, f"UPDATE entries SET {column} = '2026-01-01T00:00:00.000Z' WHERE position = 17")
    found = log.check()
    assert found[0].position == 17
    assert "第 17 条" in found[0].sentence


def test_what_was_taken_out_is_named(tmp_path: Path, log: AuditLog) -> None:
    fill(log, 30)
    by_hand(tmp_path, "DELETE FROM entries WHERE position IN (4, 5)")
    assert in_words(log.check()) == ["第 4 条到第 5 条不见了。"]
    by_hand(tmp_path, "DELETE FROM entries WHERE position > 28")
    assert in_words(log.check()) == ["第 4 条到第 5 条不见了。", "第 29 条到第 30 条不见了。"]
    fill(log, 1)
    assert log.head == 31, "nobody writes a second 29th entry"
    assert in_words(log.check()) == ["第 4 条到第 5 条不见了。", "第 29 条到第 30 条不见了。"]


def test_a_beginning_that_is_called_old_must_have_been_deleted_by_the_log_itself(tmp_path: Path, log: AuditLog) -> None:
    fill(log, 9)
    by_hand(tmp_path, "UPDATE chain SET position = 5, hash = (SELECT hash FROM entries WHERE position = 5) "
                      "WHERE name = 'pruned'")  # fmt: skip
    by_hand(tmp_path, "DELETE FROM entries WHERE position <= 5")
    assert in_words(log.check()) == ["第 1 条到第 5 条不见了。"]


def test_entries_go_when_they_are_old_and_not_before(clock: Clock, log: AuditLog) -> None:
    fill(log, 5)
    clock.at += timedelta(days=200)
    fill(log, 5)
    assert log.prune(months_before(clock.at, 12), WANG, up_to=10) == 0
    assert log.prune(months_before(clock.at, 6), WANG, up_to=3) == 3, "no more than the county holds"
    assert log.prune(months_before(clock.at, 6), WANG, up_to=10) == 2
    assert log.pruned == 5
    assert log.check() == []
    assert log.rows(5, 20)[-1].entry["what"] == "到第 5 条"


@pytest.mark.parametrize(
    ("now", "months", "then"),
    [
        (datetime(2026, 9, 16, tzinfo=UTC), 12, datetime(2025, 9, 16, tzinfo=UTC)),
        (datetime(2026, 8, 31, tzinfo=UTC), 6, datetime(2026, 2, 28, tzinfo=UTC)),
        (datetime(2026, 3, 1, tzinfo=UTC), 1, datetime(2025, 9, 1, tzinfo=UTC)),
        (datetime(2026, 12, 31, tzinfo=UTC), 12, datetime(2025, 12, 31, tzinfo=UTC)),
    ],
)
def test_months_are_those_of_the_calendar_and_six_at_least(now: datetime, months: int, then: datetime) -> None:
    assert months_before(now, months) == then


def test_a_reading_costs_a_page_less_than_a_millisecond_of_work(log: AuditLog) -> None:
    log.write([log.entry(WANG, "opened", CASE) for _ in range(20_000)])
    costs = []
    for _ in range(500):
        # Of this thread alone: how busy the machine is otherwise does not matter.
        began = time.thread_time()
        log.note(WANG, "opened", CASE)
        log.has("wang", "opened", CASE, since=NOON)
        costs.append(time.thread_time() - began)
    print(f"{statistics.median(costs) * 1000:.3f} ms")
    assert statistics.median(costs) < 0.001


def test_a_full_disk_keeps_nobody_from_reading_and_forgets_no_reading(
    log: AuditLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = True
    write = AuditLog._write

    def no_room(self: AuditLog, *args: Any, **kwargs: Any) -> None:
        if full:
            raise StorageFull("no room")
        write(self, *args, **kwargs)

    monkeypatch.setattr(AuditLog, "_write", no_room)
    fill(log, 2)
    with pytest.raises(StorageFull):
        log.note(WANG, "revealed", CASE, durable=True)
    full = False
    log.note(WANG, "printed", CASE)
    assert [row.entry["act"] for row in log.rows(0, 9)] == ["opened", "opened", "printed"]
    full = True
    fill(log, MOST_HELD)
    with pytest.raises(StorageFull):
        fill(log, 1)


def test_signing_in_and_out_is_written_down_and_so_is_what_was_refused(small: SmallApp) -> None:
    client = small.client()

    def enter(username: str, password: str) -> int:
        return client.post("/api/v1/session", json={"username": username, "password": password}).status_code

    assert enter("wang", "wrong") == 401
    for name in ("my-password-typed-as-a-name", "nobody", "nobody2"):
        assert enter(name, "x") == 401
    token = client.post("/api/v1/session", json={"username": "wang", "password": "li-shi-123"}).json["token"]  # type: ignore[index]
    headers = {"Authorization": f"Bearer {token}"}
    assert client.get("/secret", headers=headers).status_code == 403
    assert client.delete("/api/v1/session", headers=headers).status_code == 204
    said = [(row.entry["account"], row.entry["act"], row.entry["what"]) for row in small.audit.rows(0, 99)]
    assert said == [
        ("wang", "refused", "密码不对"),
        ("", "refused", "没有这个账号"),  # once a minute: no disk is filled by trying names
        ("wang", "signed_in", ""),
        ("wang", "refused", "没有权限：/secret"),
        ("wang", "signed_out", ""),
    ]
