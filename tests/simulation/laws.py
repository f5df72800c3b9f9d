"""What must hold in every county, whatever happened; told apart from the workload that made it happen."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from casework.canonical import canonical
from casework.transitions import STATES
from central.ledgers import compared
from sync.checkpoints import Checkpoints, replication_id
from sync.store import Store
from sync.write_rules import content_hash_start
from tests.casework.county import COUNTY
from tests.simulation.machine import CATALOGUE, NOTES, Machine
from tests.simulation.world import LANES, Road, World, read


class Watch:
    """The laws that hold at every moment, looked at while the county is acted out."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._stores: dict[Path, _Unwritten] = {}
        self._found: dict[Road, tuple[_Unwritten, _Unwritten, bool]] = {}
        self.checkpoints_seen = 0
        world.after_run = self.checkpoint_tells_the_truth
        world.after_break = self.all_checkpoints_tell_the_truth

    def all_checkpoints_tell_the_truth(self) -> None:
        """Whatever a disk has lost, no checkpoint may go on to claim it."""
        for machine in self._world.stations():
            for road in self._world.roads(machine, f"at-{COUNTY}"):
                self.checkpoint_tells_the_truth(road)

    def checkpoint_tells_the_truth(self, road: Road) -> None:
        """What the next run on this road would pass over is at the target, on its disk."""
        here = self._unwritten(self._world.machines[road.machine].store(road.database))
        there = self._unwritten(self._world.machines[road.place.removeprefix("at-")].store(road.database))
        found = self._found.get(road)
        if found is None or found[0] is not here or found[1] is not there:
            found = self._found[road] = here, there, self._claims_what_is_there(road, here, there)
        self.checkpoints_seen += found[2]

    def _unwritten(self, store: Store) -> _Unwritten:
        """The same one as before while nothing was written to the file: what held of it holds."""
        written = self._world.disk.written[store.path]
        before = self._stores.get(store.path)
        if before is None or before.written != written:
            before = self._stores[store.path] = _Unwritten(store, written)
        return before

    def _claims_what_is_there(self, road: Road, here: _Unwritten, there: _Unwritten) -> bool:
        """Whether there is a checkpoint at all."""
        remote: Any = _Named(there, f"{road.place}/{road.database}")
        source, target = (here, remote) if road.up else (remote, here)
        source = _Named(source, f"{source.name}#{road.lane}") if road.lane else source
        checkpoints = Checkpoints(
            source, target, replication_id(source.name, target.name, None), lambda: self._world.now, Random(0)
        )
        start = checkpoints.start()
        if start in (0, "0"):
            return False
        ahead = {change.id for change in source.changes(start).results}
        passed_over = {
            change.id: change.revs
            for change in source.changes(0, style="all_docs").results
            if change.id not in ahead and (road.lane is None or LANES[road.lane](change.id))
        }
        missing = target.revs_diff(passed_over)
        assert not missing, f"{road}: the checkpoint says {start}, the target lacks {sorted(missing)[:3]}"
        return True


class _Unwritten:
    """A store between two writes: what was read of it once is read no second time."""

    def __init__(self, store: Store, written: int) -> None:
        self._store = store
        self.written = written
        self.info = cache(store.info)
        self.changes = cache(store.changes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class _Named:
    """A store under the name by which the other side knows it."""

    def __init__(self, store: Any, name: str) -> None:
        self._store = store
        self.name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def check(world: World) -> None:
    """All laws over a county that has come to rest. Raises AssertionError with what is broken."""
    nobody_was_refused(world)
    nothing_acknowledged_is_lost(world)
    everybody_holds_the_same(world)
    nothing_wrong_is_stored(world)
    everybody_reads_the_same(world)
    the_ledgers_agree_or_name_what_is_missing(world)
    the_files_are_sound(world)


def nothing_acknowledged_is_lost(world: World) -> None:
    """What somebody was told is saved is everywhere where it belongs, unless its only disk was lost."""
    for told, (by, content) in world.acknowledged.items():
        if told in world.burnt:
            continue
        places = [machine for machine in world.machines.values() if told.database in machine.database_names()]
        known = [machine for machine in places if machine.knows(*told)]
        if told.database == CATALOGUE and world.county_went_back:
            # The county goes on from what its backup knew; nobody but the county writes there.
            assert known, f"{told}, told saved at {by}, is nowhere"
            continue
        lacking = [machine.name for machine in places if machine not in known]
        assert not lacking, f"{told}, told saved at {by}, is not at {lacking}"
        if told.database.startswith("station-"):
            for machine in known:
                found = machine.store(told.database).get(told.id)
                assert found is not None, f"{told} is deleted at {machine.name}"
                assert canonical(found) == content, f"{told} is another at {machine.name}"


def everybody_holds_the_same(world: World) -> None:
    """Every peer has the same documents with the same leaves, and so the same winners."""
    leaves = {store.database: _leaves(store) for store in world.county.stores()}
    winners = {store.database: _winners(store) for store in world.county.stores()}
    for machine in world.stations():
        for store in machine.stores():
            ours, theirs = _leaves(store), leaves[store.database]
            if store.database == CATALOGUE and world.county_went_back:
                lacking = {id_ for id_, leaves_there in theirs.items() if _lacks(store, id_, leaves_there)}
                assert not lacking, f"{store.database} at {machine.name} lacks {sorted(lacking)[:3]}"
                continue
            differing = {id_ for id_ in ours.keys() | theirs.keys() if ours.get(id_) != theirs.get(id_)}
            assert not differing, f"{store.database} differs at {machine.name}: {sorted(differing)[:3]}"
            assert _winners(store) == winners[store.database], (
                f"{store.database}: other winners or bodies at {machine.name}"
            )


def _leaves(store: Store) -> dict[str, tuple[str, ...]]:
    return {change.id: tuple(sorted(change.revs)) for change in store.changes(0, style="all_docs").results}


def _lacks(store: Store, id_: str, leaves: tuple[str, ...]) -> bool:
    return bool(store.revs_diff({id_: list(leaves)}))


def _winners(store: Store) -> list[tuple[str, bytes]]:
    wanted = store.changes(0).results
    found = store.bulk_get([(change.id, change.revs[0]) for change in wanted])
    bodies = []
    for one in found:
        assert one.document is not None, f"{one.id} {one.rev}: {one.reason}"
        content = {key: value for key, value in one.document.items() if key != "_revisions"}
        bodies.append((one.id, canonical(content)))
    return sorted(bodies)


def nothing_wrong_is_stored(world: World) -> None:
    """A document whose id names its hash is the one that it names, wherever it is."""
    for machine in world.machines.values():
        for store in machine.stores():
            if store.database in (CATALOGUE, NOTES):
                continue
            for document in store.range("", "\uffff"):
                assert content_hash_start(document) == document["_id"][-32:], (
                    f"{document['_id']} at {machine.name} is not what its id says"
                )
                assert document["_rev"] == f"1-{document['_id'][-32:]}"


def everybody_reads_the_same(world: World) -> None:
    """The same events fold into the same case, byte for byte."""
    burnt = {told.id.split(":")[1] for told in world.burnt if told.id.startswith("event:")}
    county = world.county
    numbers = {machine.name: machine.numbers() for machine in world.machines.values()}
    for number in numbers[county.name]:
        if number in burnt:
            # Its beginning may be gone for good; what is left of it is the same everywhere all the same.
            continue
        expected = read(county.events(number))
        assert expected["state"] in STATES
        assert not expected["quarantined"], expected["quarantined"]
        for point in expected["contested"]:
            assert len({side["event"] for side in point["sides"]}) >= 2, "a contested point names both sides"
        for machine in world.machines.values():
            if number in numbers[machine.name]:
                theirs = read(machine.events(number))
                assert canonical(dict(theirs)) == canonical(dict(expected)), f"{number} at {machine.name}"


def the_ledgers_agree_or_name_what_is_missing(world: World) -> None:
    """Per run of a program and home, both sides hold the same chain; a gap in it is what a disk took with it."""
    lost = {told.id for told in world.burnt}
    for machine in world.stations():
        for name in machine.database_names():
            if not name.startswith("station-"):
                continue
            ours, theirs = _chains(machine, name), _chains(world.county, name)
            for chain in compared(_rows(ours), _rows(theirs)):
                assert chain.verdict == "equal", f"{name} at {machine.name}: {chain}"
            for chain_id, held in ours.items():
                for serial, event in held.items():
                    before = held.get(serial - 1)
                    assert before is None or event["prev"] == before["_id"], f"{event['_id']} follows another"
                    assert before is not None or serial == 1 or event["prev"] in lost, (
                        f"{chain_id} at {machine.name}: {event['prev']} is not there, and was not lost"
                    )


_Chains = dict[tuple[str, str], dict[int, dict[str, Any]]]


def _chains(machine: Machine, name: str) -> _Chains:
    chains: _Chains = {}
    for event in machine.store(name).range("event:", "event;"):
        chains.setdefault((event["incarnation"], event["home"]), {})[event["serial"]] = event
    return chains


def _rows(chains: _Chains) -> list[tuple[str, str, int, str]]:
    return [
        (incarnation, home, max(held), held[max(held)]["_id"]) for (incarnation, home), held in sorted(chains.items())
    ]


def nobody_was_refused(world: World) -> None:
    assert not world.refused, world.refused


def the_files_are_sound(world: World) -> None:
    for machine in world.machines.values():
        for store in machine.stores():
            assert store.check() == [], f"{store.database} at {machine.name}"


__all__ = ["Watch", "check"]
