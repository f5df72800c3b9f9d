"""Store, store as somebody else, and HTTP peer all keep the Peer contract."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest

from sync.databases import Databases
from sync.lanes import LOOK_THROUGH, Lane
from sync.peer import COUNTY, Garbled, Peer
from sync.remote import RemotePeer
from sync.wsgi import CouchApp
from tests.contracts.peer import PeerContract
from tests.sync.served import served
from tests.sync.test_replicator import Through


class TestStore(PeerContract):
    @pytest.fixture
    def peer(self, databases: Databases) -> Peer:
        return databases.open("test")


class TestStoreAsSomebody(PeerContract):
    @pytest.fixture
    def peer(self, databases: Databases) -> Peer:
        return databases.open("test").as_writer(COUNTY)


class TestLane(PeerContract):
    @pytest.fixture
    def peer(self, databases: Databases) -> Peer:
        return Lane(databases.open("test"), "all", lambda id_: True)


def test_a_lane_shows_what_was_chosen_and_ends_where_the_feed_does(databases: Databases) -> None:
    store = databases.open("test")
    store.save([{"_id": f"{kind}:{number}"} for number in range(5) for kind in ("event", "chunk")])
    lane = Lane(store, "text", lambda id_: id_.startswith("event:"))
    first = lane.changes(limit=3)
    rest = lane.changes(first.last_seq, limit=3)
    assert [row.id for row in (*first.results, *rest.results)] == [f"event:{number}" for number in range(5)]
    assert rest.last_seq == store.info()["update_seq"]
    assert lane.name != store.name


def test_a_lane_is_not_looked_for_for_ever_in_a_feed_that_stands_still(databases: Databases) -> None:
    store = databases.open("test")
    store.save([{"_id": f"chunk:{number}"} for number in range(LOOK_THROUGH)])
    still = store.changes()._replace(pending=None)
    lane = Lane(Through(store, changes=lambda *_, **__: still), "text", lambda id_: id_.startswith("event:"))
    with pytest.raises(Garbled, match="does not go on"):
        lane.changes(still.last_seq, limit=3)


@pytest.fixture(scope="module")
def served_databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Databases]]:
    databases = Databases(tmp_path_factory.mktemp("served"), random=Random(3))
    with served(CouchApp(databases, authenticate=lambda environ: COUNTY)) as url:
        yield url, databases
    databases.close()


class TestRemote(PeerContract):
    @pytest.fixture
    def peer(self, served_databases: tuple[str, Databases]) -> Peer:
        url, databases = served_databases
        name = f"db{len(databases.names())}"
        databases.open(name)
        return RemotePeer(f"{url}/{name}")
