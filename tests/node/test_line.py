"""The station's loop, one round at a time: what goes, what comes, and what it says when the line is not whole."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from casework.documents import chunk
from node.line import Line, Road
from provisioning.contact import Contact, News
from sync.databases import Databases
from sync.inventory import Inventories
from sync.peer import (
    Changes,
    Document,
    Forbidden,
    Garbled,
    Peer,
    PeerError,
    Seq,
    TooLarge,
    Unauthorized,
    Unreachable,
    Writer,
)
from sync.sqlite import sqlite3
from sync.store import Store
from sync.write_rules import append_only, county_only, signed_by_county
from tests.casework.county import MORNING, NUMBER, agent, intake_data
from tests.patience import PATIENCE_S, until

OURS = "station-600101101201"


@dataclass
class Site:
    """A station and its county in two folders; `fails` is raised instead of an answer, by (database, call)."""

    folder: Path
    fails: Callable[[str, str], PeerError | None] = lambda _database, _call: None
    refusals: list[tuple[str, str, str]] = field(default_factory=list)
    arrivals: list[str] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    tokens_asked: int = 0
    # Ids that the county's feed does not tell of, and what came with a contact's answer.
    left_out: set[str] = field(default_factory=set)
    news: dict[str, News] = field(default_factory=dict)
    line: Line | None = None

    def __post_init__(self) -> None:
        rule = {OURS: append_only()}
        self.here = Databases(self.folder / "here", rule_for=lambda name: rule.get(name, county_only), random=Random(1))
        self.there = Databases(
            self.folder / "there", rule_for=lambda name: rule.get(name, county_only), random=Random(2)
        )
        self.there.open("catalogue")
        self.there.open(OURS)
        self.inventories = Inventories()

    def contact(self) -> Contact:
        self._try("", "contact")
        changed: dict[str, Seq] = {name: self.there.open(name).update_seq for name in ("catalogue", OURS)}
        differs, agrees = dict[str, str](), set[str]()
        for road in self.roads():
            ours, theirs = (self.inventories.of(where.open(road.name)) for where in (self.here, self.there))
            if self.line is not None and self.line.is_at_rest(road, ours.seq):
                if self.line.seen()[road.name] == theirs.seq and ours.text() != theirs.text():
                    differs[road.name] = theirs.text()
                elif ours.text() == theirs.text():
                    agrees.add(road.name)
        return Contact(
            "n", MORNING, None, None, changed, 1, 3, 5, 0,
            news=self.news, differs=differs, agrees=frozenset(agrees),
        )  # fmt: skip

    def holds(self, name: str) -> int:
        return self.inventories.of(self.here.open(name)).documents

    def roads(self) -> Sequence[Road]:
        return [Road("catalogue", push=False), Road(OURS, push=True)]

    def unauthorized(self) -> None:
        self.tokens_asked += 1

    def remote(self, name: str) -> Peer:
        return Watched(self.there.open(name).as_writer(Writer("600101101201")), name, self)

    def store(self, name: str) -> Store:
        return self.here.open(name)

    def arriving(self, name: str) -> Peer:
        rule = append_only() if name == OURS else county_only
        signed = signed_by_county(rule, lambda document: document.get("sig") == "county")
        return self.here.open(name).as_writer(Writer("pull"), signed)

    def refused(self, name: str, direction: str, document: Document, reason: str) -> None:
        self.refusals.append((name, direction, document["_id"]))

    def arrived(self, names: set[str]) -> None:
        self.arrivals += sorted(names)

    def waiting(self) -> int:
        return 0

    def _try(self, database: str, call: str) -> None:
        self.calls.append((database, call))
        failure = self.fails(database, call)
        if failure is not None:
            raise failure


class Watched:
    """A peer whose calls are counted, and fail when the site says so."""

    def __init__(self, peer: Peer, database: str, site: Site) -> None:
        self._peer, self._database, self._site = peer, database, site

    def __getattr__(self, call: str) -> Any:
        attribute = getattr(self._peer, call)
        if not callable(attribute):
            return attribute

        def watched(*arguments: Any, **named: Any) -> Any:
            self._site._try(self._database, call)
            if call == "bulk_docs":
                self._site.sent += [document["_id"] for document in arguments[0]]
            answer = attribute(*arguments, **named)
            if call == "changes":
                told = [row for row in answer.results if row.id not in self._site.left_out]
                answer = Changes(told, answer.last_seq, answer.pending)
            return answer

        return watched


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    site.here.close()
    site.there.close()


@pytest.fixture
def line(site: Site) -> Line:
    return Line(site, now=lambda: datetime.now(UTC), random=Random(3), interval_s=3)


def round_of(line: Line) -> None:
    if line.make_contact():
        for lane in ("keys", "text", "catalogue", "chunks"):
            line.carry(lane)


def take_in(site: Site) -> list[Document]:
    pen = agent()
    received = pen.write("received", intake_data())
    chunks, manifest = chunk.cut(NUMBER, Random(4).randbytes(50_000))
    file = {"name": "a.jpg", "type": "image/jpeg", **manifest}
    added = pen.write("material_added", {"material": "m01", "file": file}, [received])
    site.here.open(OURS).save([*chunks, received, added], writer=Writer("600101101201"))
    return [received, added, *chunks]


def test_what_was_taken_in_goes_up_and_what_the_county_wrote_comes_down(site: Site, line: Line) -> None:
    documents = take_in(site)
    site.there.open("catalogue").update({"_id": "item:A", "sig": "county"})
    round_of(line)
    assert all(site.there.open(OURS).get(document["_id"]) for document in documents)
    assert site.here.open("catalogue").get("item:A") is not None
    assert "catalogue" in site.arrivals
    assert line.status().online


def test_text_is_there_when_the_line_breaks_in_the_pictures(site: Site, line: Line) -> None:
    received, added, *chunks = take_in(site)
    carried = 0

    def breaks(_database: str, call: str) -> PeerError | None:
        nonlocal carried
        carried += call == "bulk_docs"
        return Unreachable("cut") if carried > 2 else None

    site.fails = breaks
    round_of(line)
    county = site.there.open(OURS)
    assert county.get(received["_id"])
    assert county.get(added["_id"])
    stored = [document for document in chunks if county.get(document["_id"])]
    assert 0 < len(stored) < len(chunks), "one request of pictures went through, the next did not"
    assert not line.status().online
    site.fails = lambda _database, _call: None
    site.sent.clear()
    round_of(line)
    assert all(county.get(document["_id"]) for document in chunks)
    left = {document["_id"] for document in chunks} - {document["_id"] for document in stored}
    assert sorted(site.sent) == sorted(left), "what had arrived is not sent again"


def test_what_came_before_a_break_is_taken_up_at_once(site: Site, line: Line) -> None:
    site.there.open("catalogue").update({"_id": "item:A", "sig": "county"})
    # The documents are here when the line breaks; the next run finds nothing that is missing.
    site.fails = lambda database, call: Unreachable("cut") if (database, call) == ("catalogue", "put_local") else None
    round_of(line)
    assert site.here.open("catalogue").get("item:A") is not None
    assert site.arrivals == ["catalogue"]


def test_keys_go_before_cases_and_these_before_the_catalogue_and_pictures(site: Site, line: Line) -> None:
    catalogue = site.there.open("catalogue")
    catalogue.update({"_id": "item:A", "sig": "county"})
    catalogue.update({"_id": "register:000002", "sig": "county"})
    take_in(site)
    line.start()
    line.try_now(5)
    line.wake()
    county = site.there.open(OURS)
    until(lambda: len(county.range("chunk:", "chunk;")) == 4 and catalogue_is_here(site), "all is there")
    line.stop()
    kinds = [id_.partition(":")[0] for _, id_, _, _ in site.here.open("catalogue").changes_since(0, 100)]
    assert kinds.index("register") < kinds.index("item")
    assert site.sent[:2] == [document for document in site.sent if document.startswith("event:")]


def catalogue_is_here(site: Site) -> bool:
    return site.here.open("catalogue").get("item:A") is not None


def test_pictures_wait_between_two_requests_while_text_is_under_way(site: Site, line: Line) -> None:
    take_in(site)
    line.make_contact()
    for lane in ("keys", "text", "catalogue"):
        line.carry(lane)
    order: list[str] = []

    def watch(_database: str, call: str) -> PeerError | None:
        if call == "bulk_docs":
            order.append("picture")
            if len(order) == 1:
                # Text begins while the first piece is on its way.
                line._text_rests.clear()
                threading.Timer(0.3, lambda: (order.append("text done"), line._text_rests.set())).start()
        return None

    site.fails = watch
    line.carry("chunks")
    assert order[:2] == ["picture", "text done"]
    assert order.count("picture") == 4


def test_while_pictures_go_up_the_county_is_seldom_asked_what_is_new(site: Site, line: Line) -> None:
    take_in(site)
    line.make_contact()
    for lane in ("keys", "text", "catalogue"):
        line.carry(lane)
    asked: list[int] = []

    def watch(_database: str, call: str) -> PeerError | None:
        if call == "bulk_docs":
            site.fails = lambda _database, _call: None
            line.make_contact()
            before = len(site.calls)
            line.carry("text")
            asked.append(len(site.calls) - before)
            site.fails = watch
        return None

    site.there.open(OURS).update({"_id": "receipt:A", "sig": "county"})
    site.fails = watch
    line.carry("chunks")
    assert asked == [0, 0, 0, 0]
    site.fails = lambda _database, _call: None
    round_of(line)
    assert site.here.open(OURS).get("receipt:A") is not None


def test_a_new_catalogue_passes_the_pictures(site: Site, line: Line) -> None:
    documents = take_in(site)
    line.make_contact()
    for lane in ("keys", "text", "catalogue"):
        line.carry(lane)
    pieces = 0

    def watch(_database: str, call: str) -> PeerError | None:
        nonlocal pieces
        pieces += call == "bulk_docs"
        if pieces == 2 and call == "bulk_docs":
            site.there.open("catalogue").update({"_id": "item:B", "sig": "county"})
            site.fails = lambda _database, _call: None
            line.make_contact()
        return None

    site.fails = watch
    line.carry("chunks")
    held = site.there.open(OURS)
    assert sum(held.get(document["_id"]) is not None for document in documents) < len(documents)
    for lane in ("catalogue", "chunks"):
        line.carry(lane)
    assert site.here.open("catalogue").get("item:B") is not None
    assert all(held.get(document["_id"]) for document in documents)


def test_after_a_break_the_next_try_comes_soon_then_ever_later_never_twice_at_the_same_pace(
    site: Site, line: Line
) -> None:
    site.fails = lambda _database, _call: Unreachable("cut")
    pauses = []
    for _ in range(6):
        line.make_contact()
        pauses.append(line.pause_s())
    for pause, most in zip(pauses, [0.5, 1, 2, 3, 3, 3], strict=True):
        assert most / 2 <= pause <= most
    assert len(set(pauses)) == 6, "jitter"
    site.fails = lambda _database, _call: None
    round_of(line)
    assert 2.7 <= line.pause_s() <= 3


def test_a_quiet_round_costs_one_contact(site: Site, line: Line) -> None:
    take_in(site)
    round_of(line)
    round_of(line)
    site.calls.clear()
    round_of(line)
    assert site.calls == [("", "contact")]


@dataclass
class Clock:
    at: datetime = MORNING

    def __call__(self) -> datetime:
        return self.at


@pytest.fixture
def clock(site: Site) -> Clock:
    """A clock that a test moves; the line goes by it, and compares what both sides hold."""
    clock = Clock()
    site.line = Line(site, now=clock, random=Random(3), interval_s=3)
    return clock


def compared(site: Site) -> Line:
    assert site.line is not None
    return site.line


def test_what_a_lying_feed_left_out_is_noticed_told_and_fetched_but_not_in_a_loop(site: Site, clock: Clock) -> None:
    line = compared(site)
    take_in(site)
    for number in range(3):
        site.there.open(OURS).update({"_id": f"receipt:{number}", "sig": "county"})
    site.left_out = {"receipt:1"}
    round_of(line)
    assert site.here.open(OURS).get("receipt:0") is not None
    assert not line.status().doubts, "nothing was compared yet"

    for _ in range(2):
        # What has come is known to be at the county; then both are at rest.
        round_of(line)
    doubt = line.status().doubts[OURS]
    assert (doubt.there - doubt.here, doubt.times) == (1, 1)
    assert site.here.open(OURS).get("receipt:1") is None, "the feed still lies"
    site.calls.clear()
    for _ in range(5):
        clock.at += timedelta(seconds=100)
        round_of(line)
    assert {call for _, call in site.calls} == {"contact"}
    assert line.status().doubts[OURS] == doubt

    clock.at += timedelta(minutes=10)
    round_of(line)
    rest = line.status().doubts[OURS].next_at - clock.at
    assert line.status().doubts[OURS].times == 2
    assert timedelta(minutes=18) <= rest <= timedelta(minutes=22), "later each time, and never all at once"

    site.left_out = set()
    clock.at += timedelta(minutes=23)
    site.sent.clear()
    round_of(line)
    assert site.here.open(OURS).get("receipt:1") is not None
    for _ in range(2):
        round_of(line)
    assert site.sent == [], "what the county has is not sent again"
    assert not line.status().doubts


def test_what_the_county_lost_is_sent_again_though_it_was_acknowledged(site: Site, clock: Clock) -> None:
    line = compared(site)
    documents = take_in(site)
    site.there.open(OURS).update({"_id": "receipt:A", "sig": "county"})
    for _ in range(2):
        round_of(line)
    assert not line.status().doubts
    kept = site.there.open(OURS).get("receipt:A")
    assert kept is not None
    # Restored from a backup of before.
    site.there.delete(OURS)
    site.there.open(OURS).bulk_docs([kept], new_edits=False)
    round_of(line)
    round_of(line)
    doubt = line.status().doubts[OURS]
    assert doubt.here - doubt.there == len(documents)
    assert all(site.there.open(OURS).get(document["_id"]) for document in documents)
    for _ in range(2):
        round_of(line)
    assert not line.status().doubts


def test_looking_through_is_not_begun_again_by_every_break(site: Site, clock: Clock) -> None:
    line = compared(site)
    catalogue = site.there.open("catalogue")
    for number in range(3):
        catalogue.update({"_id": f"item:{number}", "sig": "county"})
    site.left_out = {"item:1"}
    round_of(line)
    line.make_contact()
    line.carry("keys")
    site.left_out = set()
    breaks = [("catalogue", "bulk_get")]
    site.fails = lambda database, call: Unreachable("cut") if (database, call) in breaks and breaks.pop() else None
    line.carry("catalogue")
    assert site.here.open("catalogue").get("item:1") is None
    assert not line._anew - {("catalogue", "keys", "down")}, "its checkpoint says that it goes on from the beginning"
    line.make_contact()
    line.carry("catalogue")
    assert site.here.open("catalogue").get("item:1") is not None


def test_what_came_with_the_contact_is_not_asked_for(site: Site, clock: Clock) -> None:
    line = compared(site)
    documents = take_in(site)
    for _ in range(2):
        round_of(line)
    site.there.open(OURS).update({"_id": "receipt:A", "sig": "county"})
    receipt = site.there.open(OURS).get("receipt:A")
    assert receipt is not None
    site.news = {OURS: News((documents[0]["_id"],), (receipt,))}
    site.calls.clear()
    round_of(line)
    assert site.here.open(OURS).get("receipt:A") == receipt
    assert OURS in site.arrivals
    site.news = {}
    round_of(line)
    assert site.calls == [("", "contact")] * 2, "neither asked for, nor offered to where it came from"
    assert not line.status().doubts


def test_news_that_speak_of_something_of_ours_that_is_not_here_are_left_to_a_pull(site: Site, clock: Clock) -> None:
    line = compared(site)
    take_in(site)
    for _ in range(2):
        round_of(line)
    site.there.open(OURS).update({"_id": "receipt:A", "sig": "county"})
    site.there.open(OURS).update({"_id": "event:lost", "sig": "county"})
    receipt = site.there.open(OURS).get("receipt:A")
    assert receipt is not None
    site.news = {OURS: News(("event:lost",), (receipt,))}
    round_of(line)
    assert site.here.open(OURS).get("event:lost") is not None


def test_news_that_may_not_be_written_here_are_left_to_a_pull_which_tells_of_them(site: Site, clock: Clock) -> None:
    line = compared(site)
    take_in(site)
    for _ in range(2):
        round_of(line)
    site.there.open(OURS).update({"_id": "receipt:A", "sig": "somebody"})
    forged = site.there.open(OURS).get("receipt:A")
    assert forged is not None
    site.news = {OURS: News((), (forged,))}
    round_of(line)
    assert site.here.open(OURS).get("receipt:A") is None
    assert site.refusals == [(OURS, "down", "receipt:A")]


def test_what_the_county_did_not_sign_is_refused_kept_and_does_not_stop_the_rest(site: Site, line: Line) -> None:
    site.there.open("catalogue").update({"_id": "item:A", "sig": "somebody"})
    site.there.open("catalogue").update({"_id": "item:B", "sig": "county"})
    round_of(line)
    assert site.here.open("catalogue").get("item:A") is None
    assert site.here.open("catalogue").get("item:B") is not None
    assert site.refusals == [("catalogue", "down", "item:A")]


def test_what_fails_because_the_station_ends_is_no_fault(
    site: Site, line: Line, caplog: pytest.LogCaptureFixture
) -> None:
    asked = threading.Event()

    def closed_meanwhile(_database: str, _call: str) -> None:
        asked.set()
        line._stop.wait(PATIENCE_S)
        raise sqlite3.ProgrammingError("Cannot operate on a closed database.")

    site.fails = closed_meanwhile
    line.start()
    assert asked.wait(PATIENCE_S)
    line.stop()
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []
    assert line.status().trouble is None


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (Unreachable("no route"), "连不上"),
        (Garbled("<html>login"), "别的东西在应答"),
        (Garbled("<html>login", code="login_page"), "登录"),
        (Garbled("502", code="proxy_error"), "网络设备"),
        (Garbled("302", code="redirected"), "别的网址"),
        (Garbled("half", code="cut_short"), "半截"),
        (Garbled("another hash", code="changed"), "改动"),
        (TooLarge("endless"), "没完没了"),
        (Unauthorized("who?"), "没有认出本站的钥匙"),
        (Forbidden("revoked"), "不许本站"),
    ],
)
def test_trouble_is_told_in_words(site: Site, line: Line, failure: PeerError, said: str) -> None:
    site.fails = lambda _database, call: failure if call == "contact" else None
    round_of(line)
    status = line.status()
    assert not status.online
    assert said in (status.trouble or "")
    site.fails = lambda _database, _call: None
    round_of(line)
    assert line.status().online
    assert line.status().trouble is None


def test_one_closed_database_does_not_close_the_others(site: Site, line: Line) -> None:
    take_in(site)
    site.fails = lambda database, _call: Forbidden("not yours") if database == "catalogue" else None
    round_of(line)
    assert site.there.open(OURS).update_seq > 0
    assert "不许本站" in line.status().databases["catalogue"]["trouble"]


def test_a_token_that_is_not_taken_is_asked_for_anew(site: Site, line: Line) -> None:
    take_in(site)
    site.fails = lambda database, _call: Unauthorized("expired") if database else None
    round_of(line)
    assert site.tokens_asked > 0


def test_the_loop_runs_by_itself_and_ends_when_told(site: Site, line: Line) -> None:
    line.start()
    take_in(site)
    line.wake()
    status = line.try_now(5)
    assert status.online
    line.stop()
    assert site.there.open(OURS).update_seq > 0
