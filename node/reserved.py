"""Numbers for papers written by hand (停电备用编号): reserved on the station, each used once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import Final

from casework.numbers import case_number
from casework.times import rfc3339
from web.localfile import LocalFile

MOST_AT_ONCE: Final = 50
MOST_DAYS_AHEAD: Final = 31


class CannotReserve(Exception):
    """Why not, by field: a sentence for the person."""

    def __init__(self, fields: dict[str, str]) -> None:
        super().__init__("; ".join(fields.values()))
        self.fields = fields


@dataclass(frozen=True)
class Reserved:
    """A number kept for a slip of paper; `used` once a case bears it."""

    number: str
    on: date
    by: str
    used: bool


class ReservedNumbers:
    """Thread-safe; what `reserve` returned is on the disk, so that no slip is printed that the station forgets.

    `taken` says whether a case bears a number already: after a power cut between saving the case and ticking its
    number off, the case is the witness.
    """

    def __init__(
        self,
        database: LocalFile,
        *,
        station: str,
        next_serial: Callable[[date], int],
        taken: Callable[[str], bool],
        now: Callable[[], datetime],
        random: Random,
    ) -> None:
        self._database = database
        self._station = station
        self._next_serial = next_serial
        self._taken = taken
        self._now = now
        self._random = random
        database.table(
            "reserved_numbers", {"number": str, "on_day": str, "at": str, "by": str, "used": int}, pk="number"
        )
        database.index("reserved_numbers", "on_day")

    def reserve(self, count: int, on: date, by: str, *, today: date) -> list[Reserved]:
        """`count` new numbers of that day. Raises CannotReserve."""
        wrong = {}
        if not 1 <= count <= MOST_AT_ONCE:
            wrong["count"] = f"一次留 1 到 {MOST_AT_ONCE} 个编号。"
        if not today <= on <= today + timedelta(days=MOST_DAYS_AHEAD):
            wrong["on"] = f"留哪天的编号：从今天起 {MOST_DAYS_AHEAD} 天以内。"
        if wrong:
            raise CannotReserve(wrong)
        with self._database.writing() as db:
            first = max(self._next_serial(on), self.next_serial(on))
            if first + count > 9999:
                raise CannotReserve({"count": "这一天的编号快用完了，请留别的日子的。"})
            made = [
                Reserved(case_number(self._station, on, first + place, self._random), on, by, used=False)
                for place in range(count)
            ]
            db.executemany(
                "INSERT INTO reserved_numbers (number, on_day, at, by, used) VALUES (?, ?, ?, ?, 0)",
                [(one.number, on.isoformat(), rfc3339(self._now()), by) for one in made],
            )
        return made

    def next_serial(self, on: date) -> int:
        """The running number after the last that was reserved for this day; 1 when none was."""
        row = self._database.row("SELECT max(number) AS last FROM reserved_numbers WHERE on_day = ?", (on.isoformat(),))
        return int(row["last"].split("-")[2]) + 1 if row is not None and row["last"] else 1

    def open_ones(self) -> list[Reserved]:
        """The numbers that no case bears yet, in their order."""
        return [one for one in self._all("used = 0 ORDER BY number") if not self._ticked_off(one)]

    def is_open(self, number: str) -> bool:
        """Whether this is one of ours and free."""
        found = self._all("number = ? AND used = 0", number)
        return bool(found) and not self._ticked_off(found[0])

    def use(self, number: str) -> None:
        """A case bears it now."""
        with self._database.writing() as db:
            db.execute("UPDATE reserved_numbers SET used = 1 WHERE number = ?", (number,))

    def _ticked_off(self, one: Reserved) -> bool:
        if self._taken(one.number):
            self.use(one.number)
            return True
        return False

    def _all(self, condition: str, *values: str) -> list[Reserved]:
        rows = self._database.rows(f"SELECT * FROM reserved_numbers WHERE {condition}", values)  # noqa: S608
        return [
            Reserved(row["number"], date.fromisoformat(row["on_day"]), row["by"], used=bool(row["used"]))
            for row in rows
        ]
