"""The station's own replication loop: one small contact, then what waits goes up and what is new comes down.

What travels is told apart by what it is for, each in a lane with checkpoints of its own: first the key register and
the accounts, then events and receipts, then the catalogue, then pieces of files. Three threads: contacts, the two lanes
that somebody is waiting for, and the two that are large; these pause between two requests while the others are at work.
So text is never behind a picture, and a contact is behind nothing: on a thin line the county still hears every few
seconds that the station is there. A request carries about three seconds' worth of a thin line, so that a broken
transfer costs one request.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any, Protocol

from provisioning.contact import Contact, News
from provisioning.register import CATALOGUE
from sync.checkpoints import Memory, forget, number_of
from sync.inventory import count_of
from sync.lanes import Lane
from sync.peer import Document, Forbidden, Garbled, Peer, PeerError, Seq, TooLarge, Unauthorized, Unreachable
from sync.replicator import Replicated, replicate
from sync.store import Store

log = logging.getLogger(__name__)

ACTIVE = timedelta(minutes=10)
ACTIVE_INTERVAL_S = 4.0
IDLE_INTERVAL_S = 120.0
# After a break the first try comes soon, each further one twice as late, up to the pace of contacts.
FIRST_RETRY_S = 0.5
# What is saved within so short a time goes up in one request: a request's own words cost as much as a small event.
GATHER_S = 0.3
# Large lanes wait for the text at most so long at a time: a text round that hangs must not hold up everything.
GIVE_WAY_S = 60.0
# While pieces of files go up, the county is asked what it has for us at most so often.
LOOK_PAUSE = timedelta(seconds=20)
# What both sides hold is looked through from the beginning at once when it differs, then less and less often.
FIRST_LOOK_THROUGH = timedelta(minutes=10)
LONGEST_LOOK_THROUGH = timedelta(hours=24)
CHUNK_PREFIX = "chunk:"
REGISTER_PREFIX = "register:"
# What a line of 64 kbit/s carries in about three seconds: one chunk in base64. A break costs one such request.
THREE_SECONDS_BYTES = 24_000
TEXT_REQUEST_BYTES = 256_000
# What a chunk and a record take on the way, until the first one has been seen.
CHUNK_BYTES = 22_000
TEXT_BYTES = 1_000

_LANES: dict[str, Callable[[str, str], bool]] = {
    "keys": lambda database, id_: database != CATALOGUE or id_.startswith(REGISTER_PREFIX),
    "text": lambda _database, id_: not id_.startswith(CHUNK_PREFIX),
    "catalogue": lambda _database, id_: not id_.startswith(REGISTER_PREFIX),
    "chunks": lambda _database, id_: id_.startswith(CHUNK_PREFIX),
}
"""Every lane, in the order of what matters more: which documents of its databases it carries."""

_THREADS = {"text": ("keys", "text"), "large": ("catalogue", "chunks")}


def lanes_of(database: str) -> tuple[str, ...]:
    """The lanes in which a database travels."""
    if database.startswith("station-"):
        return ("text", "chunks")
    return ("keys", "catalogue") if database == CATALOGUE else ("keys",)


@dataclass(frozen=True)
class Road:
    """One database of this station and which ways it goes."""

    name: str
    push: bool


@dataclass(frozen=True)
class Doubt:
    """A database in which the county holds something else than we do, though all was carried: a feed left something
    out, or one side was restored from a backup. Counts of documents here and there; how often all of it was looked
    through since, and when it is next.
    """

    here: int
    there: int
    times: int
    next_at: datetime


@dataclass(frozen=True)
class LineStatus:
    """What every page shows of the line, and the sync page in full."""

    online: bool = False
    last_contact_at: datetime | None = None
    trouble: str | None = None
    next_try_at: datetime | None = None
    databases: dict[str, dict[str, Any]] = field(default_factory=dict)
    doubts: dict[str, Doubt] = field(default_factory=dict)


class Site(Protocol):
    """What the loop needs of the station it serves."""

    def contact(self) -> Contact: ...
    def unauthorized(self) -> None:
        """The county did not take the token: ask for another."""
        ...

    def roads(self) -> Sequence[Road]: ...
    def remote(self, name: str) -> Peer: ...
    def store(self, name: str) -> Store: ...
    def arriving(self, name: str) -> Peer:
        """The local database as what a pull writes into: only what members may write or the county signed."""
        ...

    def refused(self, name: str, direction: str, document: Document, reason: str) -> None: ...
    def arrived(self, names: set[str]) -> None:
        """Documents came in: projections, register, catalogue and accounts follow."""
        ...

    def waiting(self) -> int: ...
    def holds(self, name: str) -> int:
        """How many documents lie in the local database."""
        ...


class Line:
    """Keeps the station in contact until `stop()`; every wait ends early on `wake()`."""

    def __init__(
        self,
        site: Site,
        *,
        now: Callable[[], datetime],
        random: Random,
        interval_s: float | None = None,
    ) -> None:
        """`interval_s` fixes the pace (the demo's 3 s); None is the design's: 4 s when there is work, else 120 s."""
        self._site = site
        self._now = now
        self._random = random
        self._interval_s = interval_s
        self._status = LineStatus()
        self._status_lock = threading.Lock()
        self._stop = threading.Event()
        self._wakes = {name: threading.Event() for name in ("contact", *_THREADS)}
        self._text_rests = threading.Event()
        self._text_rests.set()
        self._failures = 0
        self._round = threading.Condition()
        self._rounds = 0
        # What was known of the catalogue when it was last gone for, with success or not.
        self._catalogue_tried: Seq | None = None
        self._pieces_travel = False
        self._looked_at: dict[str, datetime] = {}
        self._active_at: datetime | None = None
        # How far each road has been travelled in this process, so that a quiet road costs nothing.
        self._pushed: dict[tuple[str, str], int] = {}
        self._pulled: dict[tuple[str, str], Seq] = {}
        self._known: dict[str, Seq] = {}
        # What replication remembers from run to run; a lane's runs follow one another.
        self._memories: dict[tuple[str, str], Memory] = {}
        # (database, lane, direction) to be looked through from the beginning.
        self._anew: set[tuple[str, str, str]] = set()
        self._threads: list[threading.Thread] = []

    # -- what others ask -----------------------------------------------------------------------------------------

    def status(self) -> LineStatus:
        with self._status_lock:
            return self._status

    def touch(self) -> None:
        """Somebody is at work here: contacts come at the busy pace for the next ten minutes."""
        self._active_at = self._now()

    def wake(self) -> None:
        """There is something to carry: do not wait for the next contact."""
        self._text_rests.clear()
        for thread in _THREADS:
            self._wakes[thread].set()
        # A contact that comes by itself in a moment brings the news of the receipt, or finds the line again; one more
        # at each act would only cost.
        if not self._is_soon_in_contact():
            self._wakes["contact"].set()

    def _is_soon_in_contact(self) -> bool:
        next_try_at = self.status().next_try_at
        return next_try_at is not None and next_try_at - self._now() <= timedelta(seconds=ACTIVE_INTERVAL_S)

    def try_now(self, within_s: float) -> LineStatus:
        """Start a contact and a text round at once and wait for their end, at most so long (`POST sync`)."""
        with self._round:
            wanted = self._rounds + 1
            self._wakes["contact"].set()
            self._round.wait_for(lambda: self._rounds >= wanted or self._stop.is_set(), within_s)
        return self.status()

    def seen(self) -> dict[str, Seq]:
        """The county's update sequences up to which both lanes have pulled: it tells us only of what is newer."""
        found = {}
        for name in tuple(self._known):
            reached = {self._pulled.get((name, lane)) for lane in lanes_of(name)}
            if len(reached) == 1 and (seq := reached.pop()) is not None:
                found[name] = seq
        return found

    def is_at_rest(self, road: Road, seq: int) -> bool:
        """Whether everything up to this local sequence was carried both ways, as far as we know: then the county holds
        the same.
        """
        pushed = {self._pushed.get((road.name, lane)) for lane in lanes_of(road.name)}
        return road.name in self.seen() and (not road.push or pushed == {seq})

    # -- the loop ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        lanes: list[tuple[str, Callable[[], None]]] = [("contact", self._run_contact)]
        lanes += [(thread, partial(self._run_lanes, thread)) for thread in _THREADS]
        for name, run in lanes:
            thread = threading.Thread(target=run, name=f"line-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        self._stop.set()
        self.wake()
        self._text_rests.set()
        for thread in self._threads:
            thread.join(5)

    def interval_s(self) -> float:
        if self._interval_s is not None:
            return self._interval_s
        busy = self._active_at is not None and self._now() - self._active_at < ACTIVE
        return ACTIVE_INTERVAL_S if busy or self._site.waiting() else IDLE_INTERVAL_S

    def pause_s(self) -> float:
        """How long to wait before the next contact: the pace, or less after a break, with some jitter.

        Jitter keeps forty stations that lost their line together from knocking together.
        """
        pace = self.interval_s()
        if self._failures == 0:
            return pace * self._random.uniform(0.9, 1.0)
        return min(pace, FIRST_RETRY_S * 2.0 ** min(self._failures - 1, 20)) * self._random.uniform(0.5, 1.0)

    def _run_contact(self) -> None:
        wake = self._wakes["contact"]
        while not self._stop.is_set():
            wake.clear()
            if self._unbroken(self.make_contact):
                # Text has its turn first, whichever thread is faster.
                self._text_rests.clear()
                for thread in _THREADS:
                    self._wakes[thread].set()
            else:
                self._round_ended()
            pause = self.pause_s()
            self._note(next_try_at=self._now() + timedelta(seconds=pause))
            wake.wait(pause)

    def _run_lanes(self, thread: str) -> None:
        wake = self._wakes[thread]
        while not self._stop.is_set():
            wake.wait()
            if thread == "text":
                self._stop.wait(GATHER_S)
            wake.clear()
            if thread == "text":
                self._text_rests.clear()
            else:
                self._text_rests.wait(GIVE_WAY_S)
            whole = True
            for lane in _THREADS[thread]:
                if whole and self.status().online and not self._stop.is_set():
                    whole = self._unbroken(partial(self.carry, lane)) is not False
            if thread == "text":
                self._text_rests.set()
                self._round_ended()
            if not whole and not self._stop.wait(self.pause_s()):
                # Sooner than the pace of contacts, if the line broke in the midst of something.
                self._wakes["contact"].set()

    def _unbroken(self, act: Callable[[], Any]) -> Any:
        """A fault of ours in one round is written down and told; it must not end the loop for good."""
        try:
            return act()
        except Exception:
            if self._stop.is_set():
                # What it stands on was closed under it; the next start takes up what it left.
                log.info("a round of the line ended with the station")
                return None
            log.exception("a round of the line failed")
            self._note(trouble="本站程序在传输时出了错，已经记下，会自动再试。")
            return None

    def _round_ended(self) -> None:
        with self._round:
            self._rounds += 1
            self._round.notify_all()

    def make_contact(self) -> bool:
        """One contact; whether the county answered."""
        seen = self.seen()
        try:
            contact = self._site.contact()
        except PeerError as error:
            self._failures += 1
            self._note(online=False, trouble=say(error))
            return False
        self._known.update(contact.changed)
        for name, news in contact.news.items():
            if name in seen:
                self._take(name, news, seen[name])
        self._heed(contact)
        self._note(online=True, last_contact_at=contact.county_time, trouble=None)
        return True

    def _take(self, name: str, news: News, seen: Seq) -> None:
        """Store what came with the contact's answer; a pull does it, and tells of what is wrong, where this cannot."""
        lanes = lanes_of(name)
        store = self._site.store(name)
        before = store.update_seq
        if any(self._pulled.get((name, lane)) != seen for lane in lanes) or len(store.read(news.own)) != len(news.own):
            return
        try:
            written = self._site.arriving(name).bulk_docs(news.documents, new_edits=False)
        except PeerError:
            return
        if any(one.error is not None for one in written):
            return
        # What has come down is not offered up again.
        self._memories.setdefault((name, "text"), Memory()).arrived((one.id, one.rev) for one in written)
        since = store.changes(before)
        is_all = {change.id for change in since.results} <= {one.id for one in written}
        for lane in lanes:
            self._pulled[(name, lane)] = self._known[name]
            if is_all and self._pushed.get((name, lane)) == before:
                self._pushed[(name, lane)] = number_of(since.last_seq) or 0
        self._site.arrived({name})
        self._note_database(name, trouble=None, pulled_at=self._now())

    def _heed(self, contact: Contact) -> None:
        """Where the county holds something else than we do, look through all of it again; less often each time."""
        doubts = dict(self.status().doubts)
        for name in contact.agrees:
            doubts.pop(name, None)
        for name, theirs in contact.differs.items():
            here, there, known = self._site.holds(name), count_of(theirs), doubts.get(name)
            if there is None or (known is not None and self._now() < known.next_at):
                continue
            times = known.times + 1 if known is not None else 1
            rest = min(FIRST_LOOK_THROUGH * 2 ** min(times - 1, 20), LONGEST_LOOK_THROUGH)
            doubts[name] = Doubt(here, there, times, self._now() + rest * self._random.uniform(0.9, 1.1))
            may_push = any(road.name == name and road.push for road in self._site.roads())
            ways = (["up"] if here >= there and may_push else []) + (["down"] if here <= there or not may_push else [])
            log.warning("%s: %d documents here, %d at the county; looked through again %s", name, here, there, ways)
            self._anew.update((name, lane, way) for lane in lanes_of(name) for way in ways)
        self._note(doubts=doubts)

    def _begin_anew(self, source: Lane, target: Peer, name: str, lane: str, way: str) -> None:
        """Forget how far this lane had got, if it is to be looked through: a break on the way goes on from there."""
        if (name, lane, way) in self._anew:
            forget(source, target, self._now, self._random)
            self._memories.pop((name, lane), None)
            (self._pushed if way == "up" else self._pulled).pop((name, lane), None)
            self._anew.discard((name, lane, way))

    def carry(self, lane: str) -> bool:
        """Replicate each road in this lane, both ways where it goes both ways; False at the first break of the line."""
        if lane == "catalogue":
            self._catalogue_tried = self._known.get(CATALOGUE)
        for road in self._site.roads():
            if lane not in lanes_of(road.name):
                continue
            try:
                if road.push:
                    self._push(road.name, lane)
                self._pull(road.name, lane)
            except Unauthorized as error:
                self._site.unauthorized()
                self._note(trouble=say(error))
                return False
            except (Unreachable, Garbled, TooLarge) as error:
                self._failures += 1
                self._note(online=False, trouble=say(error))
                return False
            except Forbidden as error:
                # This one road is closed to us (a database that was taken away): the others are still open.
                self._note_database(road.name, trouble=say(error))
            except PeerError as error:
                self._note_database(road.name, trouble=say(error))
        self._failures = 0
        return True

    def _push(self, name: str, lane: str) -> None:
        store, remote = self._site.store(name), self._site.remote(name)
        source = self._lane(store, name, lane)
        self._begin_anew(source, remote, name, lane, "up")
        at = store.update_seq
        pushed = self._pushed.get((name, lane))
        if pushed is None or any(_LANES[lane](name, row.id) for row in store.changes(pushed).results):
            done = self._replicate(source, remote, name, lane, "up")
            if done is None:
                return
        self._pushed[(name, lane)] = at

    def _pull(self, name: str, lane: str) -> None:
        source, target = self._lane(self._site.remote(name), name, lane), self._site.arriving(name)
        self._begin_anew(source, target, name, lane, "down")
        known, stood = self._known.get(name), self._pulled.get((name, lane))
        if known is None or stood == known:
            return
        looked_at = self._looked_at.get(name)
        if lane == "text" and self._pieces_travel and looked_at is not None and self._now() - looked_at < LOOK_PAUSE:
            # Most of what is new there are the pieces that are just being sent: each look costs a piece its place.
            return
        self._looked_at[name] = self._now()
        store = self._site.store(name)
        before = store.update_seq
        try:
            done = self._replicate(source, target, name, lane, "down")
        finally:
            if store.update_seq != before:
                # Also if the line broke after that: the next run finds it here, and has nothing to tell of.
                self._site.arrived({name})
        if done is None:
            return
        # The feed went on while we came: what has been read need not be told of by the next contact.
        reached = number_of(done.last_seq)
        arrived = reached if reached is not None and isinstance(known, int) and reached > known else known
        self._pulled[(name, lane)] = arrived
        if stood is not None and not source.left_out:
            for other in lanes_of(name):
                if self._pulled.get((name, other)) == stood:
                    self._pulled[(name, other)] = arrived
        self._note_database(name, trouble=None, pulled_at=self._now())

    @staticmethod
    def _lane(peer: Peer, name: str, lane: str) -> Lane:
        return Lane(peer, lane, partial(_LANES[lane], name))

    def _replicate(self, source: Lane, target: Peer, name: str, lane: str, direction: str) -> Replicated | None:
        self._pieces_travel = self._pieces_travel or lane == "chunks"
        try:
            return self._run_of(source, target, name, lane, direction)
        finally:
            if lane == "chunks":
                self._pieces_travel = False

    def _run_of(self, source: Lane, target: Peer, name: str, lane: str, direction: str) -> Replicated | None:
        done = replicate(
            source,
            target,
            now=self._now,
            random=self._random,
            request_bytes=THREE_SECONDS_BYTES if lane == "chunks" else TEXT_REQUEST_BYTES,
            document_bytes=CHUNK_BYTES if lane == "chunks" else TEXT_BYTES,
            stop=partial(self._must_stop, lane),
            progress=partial(self._moved, lane),
            memory=self._memories.setdefault((name, lane), Memory()),
            on_refused=lambda document, reason: self._site.refused(name, direction, document, reason),
        )
        return done if done.complete else None

    def _must_stop(self, lane: str) -> bool:
        """At the end of the process; and pieces of files let a new catalogue pass."""
        if lane == "chunks" and self._known.get(CATALOGUE) != self._catalogue_tried:
            self._wakes["large"].set()
            return True
        return self._stop.is_set()

    def _moved(self, lane: str, done: Replicated) -> None:
        """After each request of a run: something got through, and what is large gives way to text."""
        if done.docs_read:
            self._failures = 0
        if lane in _THREADS["large"]:
            self._text_rests.wait(GIVE_WAY_S)

    def _note(self, **changes: Any) -> None:
        with self._status_lock:
            self._status = replace(self._status, **changes)

    def _note_database(self, name: str, **changes: Any) -> None:
        with self._status_lock:
            databases = dict(self._status.databases)
            databases[name] = {**databases.get(name, {}), **changes}
            self._status = replace(self._status, databases=databases)


_NOTHING_WRONG = "没有存下任何不对的内容，会自动再试。"
_STRANGERS = {
    "login_page": "线路上有别的东西在应答：来的是一个网页，多半要先登录才能上网。请用浏览器打开任一网站，照提示登录。",
    "proxy_error": "线路上有别的东西在应答：中间的网络设备出了错，没有把话传到县中心。",
    "redirected": "线路上有别的东西在应答：它把本站引到别的网址去，本站没有跟去。",
    "cut_short": "县中心的应答在路上断了半截。",
    "endless": "应答没完没了，不像是县中心说的，已经掐断。",
    "changed": "内容在路上被改动了，或者应答答非所问。",
    "garbled": "线路上有别的东西在应答（可能要先登录上网，或中间设备出错）。",
}


def say(error: PeerError) -> str:
    """The trouble in words for the person at the station, with what happens next."""
    if isinstance(error, Unreachable):
        return "县中心连不上。照常收件，线路一通自动上传。"
    if isinstance(error, Garbled):
        return _STRANGERS.get(error.code, _STRANGERS["garbled"]) + _NOTHING_WRONG
    if isinstance(error, TooLarge):
        return _STRANGERS["endless"] + _NOTHING_WRONG
    if isinstance(error, Unauthorized):
        return "县中心没有认出本站的钥匙。请告诉县中心管理员。"
    if isinstance(error, Forbidden):
        return "县中心不许本站读写这一部分。请告诉县中心管理员。"
    return f"县中心回答说：{error.reason}。会自动再试。"
