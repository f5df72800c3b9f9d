"""A seeded county in one process: the production store, replicator, rules and fold under broken lines and power cuts.

A village, its neighbour, their township and the county, each with its own files. A schedule drawn from the seed lets
people act, lines break (before a call, or after it when only the answer is lost), and machines lose power: the files
are copied as they lie, rubbish is added to the write-ahead log as a torn write leaves it, and the copy goes on.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from casework.canonical import Document, canonical
from casework.documents import chunk
from casework.fold import Case, fold
from casework.numbers import case_number
from casework.rights import may
from casework.times import CHINA
from sync.lanes import Lane
from sync.peer import COUNTY as COUNTY_WRITER
from sync.peer import Peer, PeerError, Writer
from sync.replicator import replicate
from sync.store import Databases, Store
from sync.write_rules import append_only
from tests.casework.county import (
    AGENT,
    CALENDAR,
    COUNTY,
    MORNING,
    NEIGHBOUR,
    REVIEWER,
    TOWNSHIP,
    VILLAGE,
    WINDOW,
    Pen,
    intake_data,
    item,
    register,
)
from tests.sync.faulty import FaultyPeer

KINDS = {VILLAGE: "village", NEIGHBOUR: "village", TOWNSHIP: "township", COUNTY: "county"}
PEOPLE = {VILLAGE: AGENT, NEIGHBOUR: AGENT, TOWNSHIP: WINDOW, COUNTY: REVIEWER}
HOLDS = {
    VILLAGE: (VILLAGE,),
    NEIGHBOUR: (NEIGHBOUR,),
    TOWNSHIP: (TOWNSHIP, VILLAGE, NEIGHBOUR),
    COUNTY: (TOWNSHIP, VILLAGE, NEIGHBOUR),
}
LANES: dict[str, Callable[[str], bool]] = {
    "text": lambda name: not name.startswith("chunk:"),
    "chunks": lambda name: name.startswith("chunk:"),
}


@dataclass
class Machine:
    """One station (or the county): its files, its pen, and what it has told somebody is saved."""

    code: str
    folder: Path
    random: Random
    databases: Databases = field(init=False)
    pen: Pen = field(init=False)
    acknowledged: set[tuple[str, str]] = field(default_factory=set)
    starts: int = 0

    def __post_init__(self) -> None:
        self.start(self.folder)

    def start(self, folder: Path) -> None:
        """A new process on these files: a new incarnation, numbers from 1."""
        self.folder = folder
        self.starts += 1
        self.databases = Databases(folder, rule_for=lambda _name: append_only(), random=self.random)
        self.pen = Pen(self.code, PEOPLE[self.code], incarnation=f"{self.code}-{self.starts}")

    def lose_power(self) -> None:
        """The files as they lie at this moment, a torn write at the end of each log, and a new start."""
        copy = self.folder.with_name(f"{self.code}-{self.starts + 1}")
        shutil.copytree(self.folder, copy)
        self.databases.close()
        for log in copy.glob("*-wal"):
            with log.open("ab") as end:
                end.write(self.random.randbytes(self.random.randrange(5000)))
        for index in copy.glob("*-shm"):
            index.unlink()
        self.start(copy)

    def store(self, home: str) -> Store:
        return self.databases.open(f"station-{home}")

    def stores(self) -> list[Store]:
        return [self.store(home) for home in HOLDS[self.code]]

    @property
    def writer(self) -> Writer:
        return COUNTY_WRITER if self.code == COUNTY else Writer(self.code, frozenset({f"station:{self.code}:1"}))

    def events(self, number: str) -> list[Document]:
        return self.store(number[:12]).range(f"event:{number}:", f"event:{number};")

    def numbers(self) -> list[str]:
        found = {document["case"] for store in self.stores() for document in store.range("event:", "event;")}
        return sorted(found)


class World:
    """The county that one seed makes. `run` acts it out; `converge` mends everything and lets it settle."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.random = Random(seed)
        self.now = MORNING
        self.machines = {code: Machine(code, folder / f"{code}-1", Random(self.random.random())) for code in KINDS}
        self.broken_runs = 0
        self.power_cuts = 0
        self.refused: list[str] = []

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.now += timedelta(seconds=self.random.randrange(1, 900))
            machine = self.machines[self.random.choice(list(KINDS))]
            fate = self.random.random()
            if fate < 0.35:
                self.act(machine)
            elif fate < 0.92:
                self.travel(self.random.choice([VILLAGE, NEIGHBOUR, TOWNSHIP]), self.random.choice([0.0, 0.05, 0.4]))
            else:
                machine.lose_power()
                self.power_cuts += 1

    def act(self, machine: Machine) -> None:
        """Somebody at this machine takes a case in, or does to one of theirs something that they may do."""
        numbers = machine.numbers()
        if machine.code != COUNTY and (not numbers or self.random.random() < 0.3):
            self._take_in(machine)
        elif numbers:
            self._do(machine, self.random.choice(numbers))

    def _take_in(self, machine: Machine) -> None:
        number = case_number(machine.code, self.now.astimezone(CHINA).date(), 1, self.random)
        wanted = item(level=self.random.choice(["village", "township", "county"]))
        received = self._write(machine, number, "received", intake_data(wanted), [])
        accepted = self._write(machine, number, "accepted", {}, [received["_id"]])
        beside: list[Document] = []
        events = [received, accepted]
        if self.random.random() < 0.4:
            beside, manifest = chunk.cut(number, self.random.randbytes(self.random.randrange(1, 60_000)))
            file = {"name": "照片.jpg", "type": "image/jpeg", **manifest}
            events.append(
                self._write(machine, number, "material_added", {"material": "m01", "file": file}, [accepted["_id"]])
            )
        self._save(machine, number, [*beside, *events])

    def _do(self, machine: Machine, number: str) -> None:
        case = read(machine.events(number))
        kind, data = self.random.choice(
            [
                ("decided", {"outcome": "granted", "reason": "符合条件"}),
                ("decided", {"outcome": "refused", "reason": "材料不符"}),
                ("withdrawn", {"reason": "本人不办了"}),
                (
                    "field_corrected",
                    {"path": "applicant.phone", "value": f"1300000{self.random.randrange(10000):04d}"},
                ),
            ]
        )
        by = PEOPLE[machine.code]
        refusal = may(
            kind,
            by["role"],
            KINDS[machine.code],
            case,
            station=machine.code,
            register=register(),
            department=by["department"],
        )
        if refusal is None:
            self._save(machine, number, [self._write(machine, number, kind, data, case["heads"])])

    def _write(self, machine: Machine, number: str, kind: str, data: Document, seen: list[str]) -> Document:
        machine.pen.case, machine.pen.now = number, self.now
        return machine.pen.write(kind, data, seen)

    def _save(self, machine: Machine, number: str, documents: list[Document]) -> None:
        machine.store(number[:12]).save(documents, writer=machine.writer)
        # From here on somebody has been told "已保存".
        machine.acknowledged |= {(number[:12], document["_id"]) for document in documents}

    def travel(self, code: str, faults: float) -> None:
        """One round of a station's line, over a line that fails with this probability at each call."""
        station, county = self.machines[code], self.machines[COUNTY]
        for home in HOLDS[code]:
            for lane, chosen in LANES.items():
                here, there = station.store(home), county.store(home)
                up = there.as_writer(station.writer)
                down = here.as_writer(COUNTY_WRITER)
                try:
                    self._replicate(Lane(here, lane, chosen), FaultyPeer(up, self.random, faults))
                    self._replicate(FaultyPeer(Lane(there, lane, chosen), self.random, faults), down)
                except PeerError:
                    self.broken_runs += 1

    def _replicate(self, source: Peer, target: Peer) -> None:
        replicate(
            source,
            target,
            now=self._tick,
            random=self.random,
            batch=self.random.choice([1, 7, 500]),
            request_bytes=24_000,
            checkpoint_every_s=self.random.choice([0.0, 30.0]),
            on_refused=lambda document, reason: self.refused.append(f"{document['_id']}: {reason}"),
        )

    def _tick(self) -> datetime:
        self.now += timedelta(milliseconds=20)
        return self.now

    def converge(self) -> None:
        """Whole lines for everybody, until a round brings nothing new."""
        for _ in range(6):
            before = self._sequences()
            for code in (VILLAGE, NEIGHBOUR, TOWNSHIP):
                self.travel(code, 0.0)
            if self._sequences() == before:
                return
        raise AssertionError("the county does not come to rest")

    def _sequences(self) -> list[int]:
        return [store.update_seq for machine in self.machines.values() for store in machine.stores()]

    def close(self) -> None:
        for machine in self.machines.values():
            machine.databases.close()


def read(events: list[Document]) -> Case:
    return fold(events, register(), CALENDAR)


def same_bytes(case: Case) -> bytes:
    return canonical(dict(case))
