from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from node.clock import StationClock
from web.localfile import LocalFile

SEPTEMBER = datetime(2026, 9, 16, 1, 0, tzinfo=UTC)


@dataclass
class Machine:
    """A machine whose clock can be set, and can be switched off and on."""

    folder: Path
    now: datetime = SEPTEMBER
    ticks: float = 0.0
    known: datetime | None = SEPTEMBER - timedelta(days=10)
    clock: StationClock = field(init=False)

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        self.clock = StationClock(
            LocalFile(self.folder / "station.sqlite3"),
            now=lambda: self.now,
            monotonic=lambda: self.ticks,
            known=self.known,
        )

    def wait(self, **span: float) -> None:
        passed = timedelta(**span)
        self.now += passed
        self.ticks += passed.total_seconds()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_plausible_clock_is_believed_and_says_that_nobody_has_vouched_for_it(machine: Machine) -> None:
    assert machine.clock.doubt() is None
    reading = machine.clock.reading()
    assert (reading.corrected, reading.how) == (SEPTEMBER, "unknown")


@pytest.mark.parametrize("says", [datetime(1970, 1, 1, tzinfo=UTC), SEPTEMBER + timedelta(days=3 * 365)])
def test_a_clock_in_1970_or_three_years_ahead_is_doubted_and_work_goes_on(machine: Machine, says: datetime) -> None:
    machine.clock.learn(0)
    machine.now = says
    machine.start()
    assert machine.clock.doubt() is not None
    reading = machine.clock.reading()
    assert abs(reading.corrected - SEPTEMBER) < timedelta(days=1), "time stands near what was last known"
    machine.wait(hours=2)
    assert machine.clock.reading().corrected - reading.corrected == timedelta(hours=2)


def test_a_person_confirms_the_date_and_the_next_start_remembers(machine: Machine) -> None:
    machine.now = datetime(1970, 1, 1, tzinfo=UTC)
    machine.start()
    machine.clock.confirm(SEPTEMBER)
    assert machine.clock.doubt() is None
    assert machine.clock.reading().corrected == SEPTEMBER
    assert machine.clock.reading().how == "confirmed"
    machine.wait(hours=5)
    machine.start()
    assert machine.clock.doubt() is None
    assert machine.clock.reading().corrected == SEPTEMBER + timedelta(hours=5)


def test_the_county_settles_every_doubt(machine: Machine) -> None:
    machine.now = datetime(2029, 1, 1, tzinfo=UTC)
    machine.start()
    offset = SEPTEMBER - machine.now
    machine.clock.learn(round(offset / timedelta(milliseconds=1)))
    assert machine.clock.doubt() is None
    reading = machine.clock.reading()
    assert (reading.corrected, reading.how) == (SEPTEMBER, "county")


def test_a_clock_that_jumps_while_we_run_is_doubted_until_somebody_knows(machine: Machine) -> None:
    machine.clock.learn(0)
    machine.wait(minutes=30)
    machine.now -= timedelta(days=400)
    assert machine.clock.doubt() is not None
    assert abs(machine.clock.reading().corrected - (SEPTEMBER + timedelta(minutes=30))) < timedelta(minutes=1)


def test_a_clock_that_is_set_right_while_we_run_needs_no_correction_any_more(machine: Machine) -> None:
    machine.now = SEPTEMBER - timedelta(hours=8)
    machine.known = machine.now - timedelta(days=1)
    machine.start()
    machine.clock.learn(8 * 3600 * 1000)
    assert machine.clock.reading().corrected == SEPTEMBER
    machine.now = SEPTEMBER
    assert machine.clock.reading().corrected == SEPTEMBER
    assert machine.clock.doubt() is None


def test_ninety_days_without_the_county_are_no_reason_to_doubt(machine: Machine) -> None:
    machine.clock.learn(0)
    machine.wait(days=90)
    machine.start()
    assert machine.clock.doubt() is None


def test_small_differences_are_not_written_to_the_card_each_time(machine: Machine) -> None:
    machine.clock.learn(0)
    before = machine.clock.reading()
    for offset_ms in (100, -200, 300):
        machine.clock.learn(offset_ms)
    assert machine.clock.reading().offset_ms == before.offset_ms
    machine.clock.learn(5000)
    assert machine.clock.reading().offset_ms == 5000
