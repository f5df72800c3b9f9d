"""One station uploads a month: the others are answered, and their cases confirmed, in between."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from random import Random
from statistics import median
from typing import Any

import pytest

from casework.canonical import Document, address
from provisioning.register import station_database
from sync.remote import RemotePeer
from sync.replicator import replicate
from tests.central.county import NEIGHBOUR, VILLAGE, SmallCentre, SmallStation
from tests.patience import PATIENCE_S, until
from web.cases.casebook import BATCH
from web.serving import Server

DOCUMENTS = 20_000
AT_ONCE = 25
# A station's program has three threads: contacts, text, and what is large.
CONNECTIONS = 3


def month(number: str) -> list[Document]:
    """What lies on a station that was cut off for long: pieces of photos, small ones, for they only have to be many."""
    return [address(f"chunk:{number}", {"type": "chunk", "case": number, "n": n}) for n in range(DOCUMENTS)]


def followed(county: SmallCentre, station: str) -> int:
    rows = county.centre.casebook._all("SELECT seq FROM followed WHERE db = ?", (station_database(station),))
    return int(rows[0]["seq"]) if rows else 0


def receipts(county: SmallCentre, number: str) -> int:
    return len(county.centre.home_of(number).range(f"receipt:{number}", f"receipt:{number};"))


@pytest.fixture
def uploading(county: SmallCentre) -> tuple[SmallStation, str]:
    """A village with a case, and a neighbour who took nothing in yet."""
    village = county.enrol(VILLAGE)
    county.enrol(NEIGHBOUR)
    return village, village.take_in()


def test_another_s_case_is_confirmed_before_a_month_is_read(
    county: SmallCentre, uploading: tuple[SmallStation, str]
) -> None:
    village, number = uploading
    county.centre.home_of(number).save(month(number), writer=village.writer)
    neighbour = county.stations[NEIGHBOUR]
    other = neighbour.take_in()
    target = county.centre.home_of(other).as_writer(neighbour.writer)
    replicate(neighbour.cases, target, now=county.now, random=Random(4))
    county.centre.start()
    until(lambda: receipts(county, other) == 1, "the neighbour's case is confirmed", every_s=0.001)
    assert followed(county, VILLAGE) < DOCUMENTS, "the month went first"
    # And the month is not forgotten for it.
    until(lambda: followed(county, VILLAGE) >= DOCUMENTS, "the month is read", every_s=0.05)


def test_a_case_that_comes_in_the_midst_of_a_month_waits_for_a_turn_and_not_for_its_end(
    county: SmallCentre, uploading: tuple[SmallStation, str]
) -> None:
    village, number = uploading
    county.centre.home_of(number).save(month(number), writer=village.writer)
    centre, neighbour = county.centre, county.stations[NEIGHBOUR]
    centre._take_turn(None)
    for _ in range(3):
        centre._take_turn(centre._take_changed())
    assert 0 < followed(county, VILLAGE) < DOCUMENTS
    other = neighbour.take_in()
    replicate(neighbour.cases, centre.home_of(other).as_writer(neighbour.writer), now=county.now, random=Random(4))
    before = followed(county, VILLAGE)
    centre._take_turn(centre._take_changed())
    assert receipts(county, other) == 1
    assert followed(county, VILLAGE) - before <= BATCH


def test_what_was_confirmed_ahead_of_its_feed_is_not_confirmed_twice(
    county: SmallCentre, uploading: tuple[SmallStation, str]
) -> None:
    village, number = uploading
    store = county.centre.home_of(number)
    target = store.as_writer(village.writer)
    replicate(village.cases, target, now=county.now, random=Random(4))
    store.save(month(number)[: 3 * BATCH], writer=village.writer)
    county.centre.catch_up()
    assert receipts(county, number) == 1
    county.centre._note_touched({number})
    county.centre.catch_up()
    assert receipts(county, number) == 1


def test_small_pushes_are_answered_between_the_requests_of_a_month(
    county: SmallCentre, uploading: tuple[SmallStation, str]
) -> None:
    village, number = uploading
    neighbour = county.stations[NEIGHBOUR]
    county.now.at = datetime.now(UTC)
    tokens = {station.code: f"Bearer {station.token()}" for station in (village, neighbour)}
    served: list[str] = []
    server = Server(county.app, "127.0.0.1:0", threads=16)
    county.app.wsgi_app = noted(county.app.wsgi_app, served)  # type: ignore[method-assign]
    threading.Thread(target=server.run, daemon=True).start()

    def peer(station: SmallStation) -> RemotePeer:
        url = f"{server.url}/couch/{station_database(station.code)}"
        return RemotePeer(url, authorization=lambda: tokens[station.code], timeout_s=PATIENCE_S)

    documents = month(number)
    portions = iter([documents[start : start + AT_ONCE] for start in range(0, DOCUMENTS, AT_ONCE)])
    turn = threading.Lock()

    def upload() -> None:
        way = peer(village)
        while portion := next_of(portions, turn):
            way.bulk_docs(portion, new_edits=False)

    hands = [threading.Thread(target=upload) for _ in range(CONNECTIONS)]
    for hand in hands:
        hand.start()
    waits: list[tuple[int, int]] = []
    while any(hand.is_alive() for hand in hands) and len(waits) < 10:
        neighbour.take_in()
        way = peer(neighbour)
        before = len(served)
        replicate(neighbour.cases, way, now=county.now, random=Random(4))
        of_month = sum(database.endswith(VILLAGE) for database in served[before:])
        waits.append((way.requests, of_month))
    assert any(hand.is_alive() for hand in hands), "the month was over too soon to say anything"
    for hand in hands:
        hand.join()
    server._server.close()
    assert len(waits) == 10
    # On a quiet county none would come in between. Each request finds at most one of each connection before it; more
    # only where the disk keeps the neighbour waiting, and not the month.
    assert median(between / requests for requests, between in waits) <= CONNECTIONS, waits
    assert sum(database.endswith(VILLAGE) for database in served) == DOCUMENTS // AT_ONCE


def next_of(portions: Iterator[list[Document]], turn: threading.Lock) -> list[Document] | None:
    with turn:
        return next(portions, None)


def noted(app: Callable[..., Iterable[bytes]], served: list[str]) -> Callable[..., Iterable[bytes]]:
    """The same app, which notes the database of each request once it is answered."""

    def noting(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        database = str(environ["PATH_INFO"]).split("/")[2]
        answer = app(environ, start_response)
        served.append(database)
        return answer

    return noting
