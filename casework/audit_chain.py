"""What is wrong with a log of acts: entries altered or gone, batches missing, two that bear one number."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from casework.documents.audit import ACTS, BEGINNING, WROTE, Entry, chained
from casework.kinds import KINDS
from casework.times import CHINA, parse_rfc3339


@dataclass(frozen=True, order=True)
class Finding:
    """`position` is the running number of the (first) entry that it is about."""

    position: int
    sentence: str


@dataclass(frozen=True)
class Row:
    """An entry as a log keeps it."""

    position: int
    entry: Entry
    hash: str


@dataclass(frozen=True)
class Batch:
    """What of a batch makes the chain; `problem` is what its own check said of the entry `problem_at`."""

    id: str
    serial: int
    prev: str | None
    position: int
    count: int
    before: str
    last: str
    problem: str | None = None
    problem_at: int = 0

    @property
    def end(self) -> int:
        return self.position + self.count - 1


def act_in_words(act: str) -> str:
    """The act as people say it; an event by its own title."""
    if act.startswith(WROTE):
        kind = KINDS.get(act.removeprefix(WROTE))
        return f"写入：{kind.title if kind is not None else act.removeprefix(WROTE)}"
    return ACTS.get(act, act)


def told(position: int, entry: Mapping[str, Any]) -> str:
    """第 17 条（2026-09-16 09:21，王某某，打开办件）"""
    try:
        at = f"{parse_rfc3339(str(entry['at'])).astimezone(CHINA):%Y-%m-%d %H:%M}"
    except ValueError:
        at = str(entry["at"])[:20]
    who = str(entry["name"] or entry["account"])[:20]
    return f"第 {position} 条（{at}，{who}，{act_in_words(str(entry['act']))}）"


def examine_rows(rows: Iterable[Row], *, position: int = 0, before: str = BEGINNING) -> list[Finding]:
    """Every entry that was altered and every stretch that is gone. `rows` follow the entry `position`, whose hash is
    `before`; they come in order.
    """
    found = []
    for row in rows:
        if row.position != position + 1:
            found.append(gone(position + 1, row.position - 1))
        elif chained(before, row.entry) != row.hash:
            found.append(Finding(row.position, f"{told(row.position, row.entry)}被改过，和当时记下的对不上。"))
        position, before = row.position, row.hash
    return found


def gone(first: int, last: int) -> Finding:
    which = f"第 {first} 条" if first == last else f"第 {first} 条到第 {last} 条"
    return Finding(first, f"{which}不见了。")


def examine_batches(batches: Iterable[Batch]) -> list[Finding]:
    """What is wrong with the batches of one log, in whatever order they came: gaps, forks, what each said of itself."""
    found: list[Finding] = []
    by_serial: dict[int, list[Batch]] = {}
    for batch in batches:
        by_serial.setdefault(batch.serial, []).append(batch)
        if batch.problem:
            found.append(Finding(batch.problem_at, batch.problem))
    before: Batch | None = None
    for serial in sorted(by_serial):
        rivals = sorted(by_serial[serial], key=lambda batch: batch.id)
        if len(rivals) > 1:
            first, last = min(one.position for one in rivals), max(one.end for one in rivals)
            sentence = f"第 {first} 条到第 {last} 条有 {len(rivals)} 份不同的记录：机器被复制过，或从旧备份恢复过。"
            found.append(Finding(first, sentence))
        batch = next((one for one in rivals if before is not None and one.prev == before.id), rivals[0])
        missing = serial - (before.serial if before is not None else 0) - 1
        if missing:
            start = before.end + 1 if before is not None else 1
            sentence = (
                f"第 {start} 条到第 {batch.position - 1} 条没有收到（少 {missing} 批），可能还在路上，也可能被拿走。"
            )
            found.append(Finding(start, sentence))
        elif not _follows(batch, before):
            found.append(Finding(batch.position, f"第 {batch.position} 条起接不上前面的记录。"))
        before = batch
    return sorted(set(found))


def _follows(batch: Batch, before: Batch | None) -> bool:
    if before is None:
        return batch.prev is None and batch.position == 1 and batch.before == BEGINNING
    return batch.prev == before.id and batch.position == before.end + 1 and batch.before == before.last
