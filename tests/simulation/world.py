"""The county that one seed makes: people, lines, disks, and a schedule of what goes wrong.

Villages, their township and the county, each with its own files, the production store, replicator, HTTP client and
server. `run` acts the schedule out, `converge` mends every line and lets everything settle. What must hold is told in
`laws`, apart from all this; the world only writes down what somebody was told is saved, and which of it a disk took
with it before anybody else had a copy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from casework.canonical import Document, canonical
from casework.documents import chunk
from casework.fold import Case, fold
from casework.numbers import case_number
from casework.rights import may
from casework.times import CHINA
from sync.checkpoints import WARM_FOR, Memory
from sync.lanes import Lane
from sync.peer import Peer, PeerError
from sync.remote import RemotePeer
from sync.replicator import replicate
from tests.casework.county import (
    CALENDAR,
    COUNTY,
    MORNING,
    NEIGHBOUR,
    TOWNSHIP,
    VILLAGE,
    intake_data,
    item,
    register,
)
from tests.simulation.disk import Disk, PowerCut
from tests.simulation.machine import CATALOGUE, HOMES, KINDS, NOTES, PEOPLE, Machine, attachment, seal
from tests.simulation.network import FAIR, WEATHERS, Network

STEPS = 60
LANES: dict[str, Callable[[str], bool]] = {
    "text": lambda name: not name.startswith("chunk:"),
    "chunks": lambda name: name.startswith("chunk:"),
}
# Answers longer than this are a flood; nothing of ours comes near it here.
LONGEST_ANSWER = 2 << 20
ROUNDS_TO_REST = 12


class Told(NamedTuple):
    """A revision of which somebody was told that it is saved."""

    database: str
    id: str
    rev: str


@dataclass(frozen=True)
class Road:
    """One replication: a database or a lane of it, from a machine to a place or back."""

    machine: str
    place: str
    database: str
    lane: str | None
    up: bool

    def __str__(self) -> str:
        arrow = ">" if self.up else "<"
        return f"{self.machine} {arrow} {self.place} {self.database}{'#' + self.lane if self.lane else ''}"


class World:
    def __init__(self, seed: int, folder: Path) -> None:
        self.seed = seed
        self.random = Random(seed)
        self.folder = folder.resolve()
        self.now = MORNING
        self.trace: list[str] = []
        self.disk = Disk(Random(self.random.random()))
        self.network = Network(Random(self.random.random()), self.log)
        self.network.serve = self._serve
        self.machines: dict[str, Machine] = {}
        self._peers: dict[tuple[str, str, str], RemotePeer] = {}
        self._pools: dict[str, Any] = {}
        self.acknowledged: dict[Told, tuple[str, bytes]] = {}
        self.burnt: set[Told] = set()
        self.refused: list[str] = []
        self.county_went_back = False
        self.broken: dict[str, int] = {}
        self.after_run: Callable[[Road], None] = lambda _road: None
        self.after_break: Callable[[], None] = lambda: None
        self._installed = self.disk.installed()
        self._installed.__enter__()
        for code in KINDS:
            self.machines[code] = Machine(code, code, self.folder / f"{code}-1", self._new_random(), self.disk)

    def _new_random(self) -> Random:
        return Random(self.random.random())

    def log(self, line: str) -> None:
        self.trace.append(f"{self.now:%H:%M:%S} {line}")

    @property
    def county(self) -> Machine:
        return self.machines[COUNTY]

    def stations(self) -> list[Machine]:
        return [machine for machine in self.machines.values() if not machine.is_county]

    # The schedule.

    def run(self, steps: int = STEPS) -> None:
        for _ in range(steps):
            self.step()

    def step(self) -> None:
        """One thing that happens."""
        self.now += timedelta(seconds=self.random.randrange(1, 900))
        machine = self.machines[self.random.choice(sorted(self.machines))]
        happens = self.random.choices(
            [self._somebody_acts, self._somebody_travels, self._weather_changes, self._something_breaks],
            [34, 40, 12, 14],
        )[0]
        if self.random.random() < 0.12:
            self.disk.fail_after(machine.folder, self.random.randrange(8))
        try:
            happens(machine)
        except PowerCut as cut:
            self._power_returns(cut)
        for each in self.machines.values():
            self.disk.spare(each.folder)

    def _power_returns(self, cut: PowerCut) -> None:
        machine = next(one for one in self.machines.values() if one.folder == cut.folder)
        self.log(f"{machine.name} lost power in the midst of a write")
        machine.start_again()
        self.after_break()

    def _serve(self, place: str) -> Callable[..., Any] | None:
        machine = self.machines.get(place.removeprefix("at-"))
        if machine is None:
            return None

        def app(environ: dict[str, Any], start_response: Any) -> Any:
            try:
                return machine.app(environ, start_response)
            except PowerCut as cut:
                self._power_returns(cut)
                raise ConnectionResetError("the other side went dark") from None

        return app

    # What people do.

    def _somebody_acts(self, machine: Machine) -> None:
        for _ in range(self.random.choice([1, 1, 2, 5])):
            self._act(machine)

    def _act(self, machine: Machine) -> None:
        kind = self.random.choice(["case", "case", "case", "note", "catalogue"])
        if kind == "note":
            self._note(machine)
        elif kind == "catalogue":
            self._publish(self.county)
        else:
            self._case(machine)

    def _case(self, machine: Machine) -> None:
        numbers = machine.numbers()
        if not machine.is_county and (not numbers or self.random.random() < 0.3):
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
        events = machine.events(number)
        if not any(event["kind"] == "received" for event in events):
            # The beginning was lost with a disk.
            return
        case = read(events)
        kind, data = self.random.choice(
            [
                ("decided", {"outcome": "granted", "reason": "符合条件"}),
                ("decided", {"outcome": "refused", "reason": "材料不符"}),
                ("withdrawn", {"reason": "本人不办了"}),
                ("field_corrected", {"path": "applicant.phone", "value": f"1300000{self.random.randrange(10000):04d}"}),
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
        pen = machine.pen(number[:12])
        pen.case, pen.now = number, self.now
        return pen.write(kind, data, seen)

    def _save(self, machine: Machine, number: str, documents: list[Document]) -> None:
        database = f"station-{number[:12]}"
        self.log(f"{machine.name} writes {[document['_id'][:5] for document in documents]} on {number[-10:]}")
        machine.store(database).save(documents, writer=machine.writer)
        # From here on somebody has been told "已保存".
        for document in documents:
            self._told(machine, Told(database, document["_id"], document["_rev"]))

    def _note(self, machine: Machine) -> None:
        """Somebody writes into a database without rules: a new document, an edit, a rival, a tombstone, a file."""
        store = machine.store(NOTES)
        id_ = f"note:{self.random.randrange(8)}"
        before = store.history(id_)
        document: Document = {"_id": id_, "text": "一" * self.random.randrange(300), "n": self.random.getrandbits(30)}
        if before is not None and (leaves := before[0].leaves()):
            document["_rev"] = self.random.choice(leaves)
            if document["_rev"] in before[0].deleted:
                document.pop("_rev")
                if store.get(id_) is not None:
                    return
        fate = self.random.random()
        if fate < 0.15 and "_rev" in document:
            document = {"_id": id_, "_rev": document["_rev"], "_deleted": True}
        elif fate < 0.3:
            document["_attachments"] = {"file": attachment(self.random.randbytes(self.random.randrange(1, 3000)))}
        elif fate < 0.4:
            # Two edits by two people who do not know of one another: what PouchDB calls new_edits=false.
            document["_rev"] = f"1-{self.random.getrandbits(128):032x}"
            store.bulk_docs([document], new_edits=False)
            self._told(machine, Told(NOTES, id_, document["_rev"]))
            return
        written = store.update(document)
        self._told(machine, Told(NOTES, id_, written.rev))

    def _publish(self, county: Machine) -> None:
        store = county.store(CATALOGUE)
        id_ = f"item:{self.random.randrange(6)}"
        before = store.get(id_)
        document: Document = {"_id": id_, "title": f"第{self.random.randrange(10**6)}版"}
        if before is not None:
            document["_rev"] = before["_rev"]
            if self.random.random() < 0.15:
                document = {"_id": id_, "_rev": before["_rev"], "_deleted": True}
        written = store.update(seal(document))
        self._told(county, Told(CATALOGUE, id_, written.rev))

    def _told(self, machine: Machine, told: Told) -> None:
        document = machine.store(told.database).get(told.id, told.rev)
        assert document is not None, f"{told} is not there right after it was saved"
        self.acknowledged[told] = (machine.name, canonical(document))

    # What lines and disks do.

    def _weather_changes(self, machine: Machine) -> None:
        if machine.is_county:
            return
        for place in self._places(machine):
            name = self.random.choices([*WEATHERS], [3, 5, 3, 2, 2, 1])[0]
            self.network.line(machine.name, place).weather = WEATHERS[name]
            self.log(f"the line {machine.name} > {place} is {name}")

    def _something_breaks(self, machine: Machine) -> None:
        broken = self.random.choices(
            [self._power_fails, self._back_up, self._roll_back, self._replaced, self._cloned, self._compacted],
            [5, 5, 3, 1, 1, 2],
        )[0]
        broken(machine)
        self._count(broken.__name__.strip("_").replace("_", " "))
        self.after_break()

    def _count(self, fault: str) -> None:
        self.broken[fault] = self.broken.get(fault, 0) + 1

    def _power_fails(self, machine: Machine) -> None:
        self.log(f"{machine.name} lost power")
        machine.start_again()

    def _back_up(self, machine: Machine) -> None:
        self.log(f"{machine.name} is backed up")
        machine.back_up()

    def _roll_back(self, machine: Machine) -> None:
        if machine.backups:
            backup = self.random.choice(machine.backups)
            self.log(f"{machine.name} is restored from {backup.name}")
            self._lose_a_disk(machine, lambda: machine.restore(backup))

    def _replaced(self, machine: Machine) -> None:
        self.log(f"{machine.name} gets an empty disk")
        self._lose_a_disk(machine, machine.replace)

    def _lose_a_disk(self, machine: Machine, lose: Callable[[], None]) -> None:
        before = [told for told in self.acknowledged if self._has(machine, told)]
        lose()
        self.network.forget_what_is_under_way(f"at-{machine.name}")
        self.county_went_back |= machine.is_county
        others = [one for one in self.machines.values() if one is not machine]
        for told in before:
            if not self._has(machine, told) and not any(self._has(other, told) for other in others):
                self.burnt.add(told)

    @staticmethod
    def _has(machine: Machine, told: Told) -> bool:
        return told.database in machine.database_names() and machine.knows(*told)

    def _cloned(self, machine: Machine) -> None:
        name = f"{machine.code}b"
        if KINDS[machine.code] == "village" and name not in self.machines:
            self.log(f"{machine.name} is cloned")
            self.machines[name] = machine.clone(name)

    def _compacted(self, machine: Machine) -> None:
        store = machine.store(self.random.choice(machine.database_names()))
        self.log(f"{machine.name} compacts {store.database}")
        store.compact()

    # Replication.

    def _places(self, machine: Machine) -> list[str]:
        """Where this machine can replicate with: the county, and a village's township too."""
        return [f"at-{COUNTY}", *([f"at-{TOWNSHIP}"] if machine.code in (VILLAGE, NEIGHBOUR) else [])]

    def roads(self, machine: Machine, place: str) -> list[Road]:
        roads = []
        for home in HOMES[machine.code] if place == f"at-{COUNTY}" else (machine.code,):
            for lane in LANES:
                roads += [Road(machine.name, place, f"station-{home}", lane, up) for up in (True, False)]
        roads.append(Road(machine.name, place, CATALOGUE, None, up=False))
        roads += [Road(machine.name, place, NOTES, None, up) for up in (True, False)]
        return roads

    def _somebody_travels(self, machine: Machine) -> None:
        if machine.is_county:
            return
        place = self.random.choice(self._places(machine))
        roads = self.roads(machine, place)
        if self.random.random() < 0.5:
            # Fewer: whatever order they come in.
            roads = self.random.sample(roads, self.random.randint(1, len(roads)))
        self.log(f"{machine.name} goes {len(roads)} roads with {place}")
        for road in roads:
            if not self.travel(road):
                break

    def travel(self, road: Road) -> bool:
        """Replicate once; whether it came to its end."""
        source, target = self.ends(road)
        try:
            done = replicate(
                source,
                target,
                now=self._tick,
                random=self.random,
                batch=self.random.choice([1, 7, 500]),
                request_bytes=self.random.choice([8_000, 24_000, 1 << 20]),
                checkpoint_every_s=self.random.choice([0.0, 0.5, 30.0]),
                first=self.random.choice([None, LANES["text"]]),
                look_again_s=self.random.choice([0.0, 4.0]),
                memory=self._memory(road),
                on_refused=lambda document, reason: self._refuse(road, document, reason),
            )
        except PeerError as problem:
            self._count(f"run broken by {type(problem).__name__}")
            self.log(f"  {road}: {type(problem).__name__}: {problem.reason[:90]}")
            return False
        finally:
            self.after_run(road)
        if done.docs_read:
            self.log(f"  {road}: {done.docs_written} written of {done.docs_read} read")
        return True

    def _memory(self, road: Road) -> Memory | None:
        """What the process remembers of this road from run to run; sometimes nothing, as after a quarter of an hour."""
        if self.random.random() < 0.4:
            return None
        memories = self.machines[road.machine].memories
        return memories.setdefault((road.place, road.database, road.lane), Memory())

    def _refuse(self, road: Road, document: Document, reason: str) -> None:
        self.log(f"  {road}: refused {document['_id']}: {reason}")
        self.refused.append(f"{road}: {document['_id']}: {reason}")

    def ends(self, road: Road) -> tuple[Peer, Peer]:
        """Source and target of a road, as the station opens them."""
        machine = self.machines[road.machine]
        remote = self._remote(machine, road.place, road.database)
        source: Peer = machine.store(road.database) if road.up else remote
        target: Peer = remote if road.up else machine.arriving(road.database)
        return (Lane(source, road.lane, LANES[road.lane]) if road.lane else source), target

    def _remote(self, machine: Machine, place: str, database: str) -> RemotePeer:
        key = (machine.name, place, database)
        if key not in self._peers:
            if machine.name not in self._pools:
                self._pools[machine.name] = self.network.pool(machine.name)
            # Whoever runs the place sees to it that its databases are there.
            self._peers[key] = RemotePeer(
                f"http://{place}/{database}",
                pool=self._pools[machine.name],
                authorization=lambda: f"Bearer {machine.code}",
                name=f"{place}/{database}",
                max_answer_bytes=LONGEST_ANSWER,
                random=machine.random,
            )
        self.machines[place.removeprefix("at-")].store(database)
        return self._peers[key]

    def _tick(self) -> datetime:
        self.now += timedelta(milliseconds=20)
        return self.now

    def converge(self) -> None:
        """Whole lines for everybody, until a round brings nothing new."""
        self.log("every line is mended")
        self.now += 2 * WARM_FOR
        for machine in self.stations():
            for place in self._places(machine):
                self.network.line(machine.name, place).weather = FAIR
        for _ in range(ROUNDS_TO_REST):
            before = self._sequences()
            for machine in self.stations():
                for road in self.roads(machine, f"at-{COUNTY}"):
                    assert self.travel(road), f"{road} broke on a whole line"
            if self._sequences() == before:
                return
        raise AssertionError("the county does not come to rest")

    def _sequences(self) -> list[int]:
        return [store.update_seq for machine in self.machines.values() for store in machine.stores()]

    def faults_met(self) -> dict[str, int]:
        """How often which fault was met: to see that a simulation is no idle one."""
        return {**self.network.fates, **self.broken, "torn write": self.disk.torn_commits}

    def close(self) -> None:
        for machine in self.machines.values():
            machine.databases.close()
        self._installed.__exit__(None, None, None)


def read(events: list[Document]) -> Case:
    return fold(events, register(), CALENDAR)
