"""What must hold in every county, whatever happened; told apart from the workload that made it happen."""

from __future__ import annotations

from casework.canonical import canonical
from casework.transitions import STATES
from sync.store import Store
from tests.casework.county import COUNTY
from tests.simulation.world import World, read, same_bytes


def check(world: World) -> None:
    """All laws over a county that has come to rest. Raises AssertionError with what is broken."""
    nothing_acknowledged_is_lost(world)
    everybody_holds_the_same(world)
    everybody_reads_the_same(world)
    nobody_was_refused(world)
    the_files_are_sound(world)


def nothing_acknowledged_is_lost(world: World) -> None:
    for machine in world.machines.values():
        for home, document_id in machine.acknowledged:
            for place in (machine, world.machines[COUNTY]):
                assert place.store(home).get(document_id) is not None, (
                    f"{document_id}, told saved at {machine.code}, is not at {place.code}"
                )


def everybody_holds_the_same(world: World) -> None:
    county = world.machines[COUNTY]
    for machine in world.machines.values():
        for store in machine.stores():
            theirs = county.databases.open(store.database)
            assert _all(store) == _all(theirs), f"{store.database} differs at {machine.code}"


def everybody_reads_the_same(world: World) -> None:
    county = world.machines[COUNTY]
    for number in county.numbers():
        expected = read(county.events(number))
        assert expected["state"] in STATES
        assert not expected["quarantined"], expected["quarantined"]
        for point in expected["contested"]:
            assert len({side["event"] for side in point["sides"]}) >= 2, "a contested point names both sides"
        for machine in world.machines.values():
            if number in machine.numbers():
                assert same_bytes(read(machine.events(number))) == same_bytes(expected), f"{number} at {machine.code}"


def nobody_was_refused(world: World) -> None:
    assert not world.refused, world.refused


def the_files_are_sound(world: World) -> None:
    for machine in world.machines.values():
        for store in machine.stores():
            assert store.check() == [], f"{store.database} at {machine.code}"


def _all(store: Store) -> list[tuple[str, bytes]]:
    return [(document["_id"], canonical(document)) for document in store.range("", "\uffff")]
