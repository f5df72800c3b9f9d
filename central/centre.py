"""The county centre: its folder opened, and everything that its pages, its API and its followers need."""

from __future__ import annotations

import fcntl
import logging
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from random import Random

from casework.calendar import Calendar
from casework.documents.release import Listing
from central.audit import AUDIT, TRAIL, Trail
from central.carrying import Carrier
from central.catalogue.publishing import item_of_release, newest_listing
from central.catalogue.standings import Board
from central.misses import MissedQuestions
from central.monitor import Monitor
from central.receipts import Receipts
from provisioning.county import County, county_rule
from provisioning.folder import CountyFolder
from provisioning.register import CATALOGUE, accounts_database, station_database
from sync.databases import Databases
from sync.peer import COUNTY, Document
from sync.store import Store
from web.audit import AuditLog
from web.cases.casebook import Casebook
from web.cases.desk import Desk, Reading
from web.cases.enquiries import Enquiries
from web.localfile import LocalFile

# A commit of this process announces itself; those of others are seen on the files, so often.
LOOK_EVERY_S = 1.0
# Of a busy follower's time looking takes no more than this: of two thousand files it takes 20 ms.
LOOK_SHARE, LOOK_MOST_S = 0.01, 30.0
# Who holds this file's lock follows the feeds.
FOLLOWER = ".follower"
# The log of acts is looked at from its beginning, and what is too old goes, so often.
LOG_CARE_EVERY = timedelta(days=1)
FOLLOWED_AT_ONCE = 20
# After something went wrong, a full disk, say.
RETRY_AFTER_S = 2.0

log = logging.getLogger(__name__)


class Centre(County):
    """The county in service: what every operation needs (`County`), and the projections that follow the feeds."""

    def __init__(
        self,
        folder: CountyFolder,
        *,
        version: str,
        now: Callable[[], datetime],
        random: Random,
    ) -> None:
        super().__init__(
            folder, Databases(folder.databases, rule_for=county_rule, random=random), now=now, random=random
        )
        self.version = version
        self.name = folder.name
        self.apply_securities()
        self.local = LocalFile(folder.path / "centre.sqlite3")
        self.local.table("heeded", {"name": str, "value": str}, pk="name")
        self._listed: tuple[int, Listing] | None = None
        self._calendar_seen: tuple[int, Calendar] | None = None
        self.casebook = Casebook(
            folder.path / "projections.sqlite3",
            stores=self.case_stores,
            store=self.databases.existing,
            register=self.register,
            calendar=self.calendar,
            own_station=None,
        )
        self.audit = AuditLog(folder.path / AUDIT, now=now, random=random)
        self.trail = Trail(
            folder.path / TRAIL,
            own=self.audit,
            county=self.code,
            stores=self.case_stores,
            store=self.databases.existing,
            register=self.register,
            now=now,
        )
        self.desk = Desk(
            station=self.code,
            kind="county",
            key=lambda: self.key,
            incarnation=f"{random.getrandbits(64):016x}",
            writer=COUNTY,
            home=self.home_of,
            casebook=self.casebook,
            register=self.register,
            clock=self.clock,
            audit=self.audit,
            item=lambda code, release: item_of_release(self, code, release) or self.item_in_use(code),
        )
        self.enquiries = Enquiries(
            folder.path / "enquiries.sqlite3",
            stores=self.case_stores,
            store=self.databases.existing,
            register=self.register,
        )
        self.misses = MissedQuestions(
            folder.path / "misses.sqlite3",
            stores=self.case_stores,
            store=self.databases.existing,
            register=self.register,
        )
        self.receipts = Receipts(
            county=self.code,
            casebook=self.casebook,
            home=self.receipts_of,
            key=lambda: self.key,
            clock=self.clock,
        )
        self.carrier = Carrier(casebook=self.casebook, store=self.database_of, register=self.register)
        self.board = Board(self)
        self.monitor = Monitor(fleet=lambda: self.fleet, register=self.register, now=now)
        self._stop = threading.Event()
        self._news = threading.Event()
        self._watched: set[str] = set()
        self._touched: set[str] = set()
        # Databases that were written, and the newest sequence that is known of each; None where others wrote.
        self._changed: dict[str, int | None] = {}
        self._stood: dict[str, tuple[int, ...]] = {}
        self._catalogue_seq: int | None = None
        self._touched_lock = threading.Lock()
        self._follower: threading.Thread | None = None
        self.casebook.on_change(self._note_touched)

    def clock(self) -> Reading:
        """The county's clock is the one that the others are corrected by."""
        return Reading(self.now(), 0, "county")

    def calendar(self) -> Calendar:
        seq = self.catalogue.update_seq
        if self._calendar_seen is None or self._calendar_seen[0] != seq:
            self._calendar_seen = (seq, Calendar.of(self.catalogue.range("calendar:", "calendar;")))
        return self._calendar_seen[1]

    def account(self, username: str) -> Document | None:
        return self.databases.open(accounts_database(self.code)).get(f"account:{username}")

    def item_in_use(self, code: str) -> Document | None:
        """The item of the newest release; None for one that it has not, or no more."""
        seq = self.catalogue.update_seq
        if self._listed is None or self._listed[0] != seq:
            self._listed = (seq, newest_listing(self.catalogue))
        entry = self._listed[1].get(f"item:{code}")
        return self.catalogue.get(f"item:{code}", entry["rev"]) if entry is not None else None

    def station(self, code: str) -> Document | None:
        """What the county wrote down of a station; None for one that was never added."""
        return self.fleet.get(f"station:{code}")

    def station_name(self, code: str) -> str:
        if code == self.code:
            return self.name
        document = self.station(code)
        return str(document["name"]) if document is not None else code

    def case_stores(self) -> list[Store]:
        return [self.databases.open(name) for name in self.databases.names() if name.startswith("station-")]

    def home_of(self, number: str) -> Store:
        return self.databases.open(station_database(number.split("-", 1)[0]))

    def receipts_of(self, number: str) -> Store | None:
        """Where the receipts of a case go; None for a number that names no station of ours: an event may say
        anything.
        """
        return self.database_of(number.split("-", 1)[0])

    def database_of(self, station: str) -> Store | None:
        """A station's database; None for a station that is none of ours."""
        return self.databases.open(station_database(station)) if self.station(station) is not None else None

    # -- following the feeds -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Follow the feeds from now on, in a thread of its own, until `close`.

        Of several processes one follows, and another takes its place if it dies: two that write receipts would each
        write one.
        """
        self._follower = threading.Thread(target=self._follow_alone, name="follower", daemon=True)
        self._follower.start()

    def _follow_alone(self) -> None:
        with (self.folder.path / FOLLOWER).open("wb") as turn:
            while not self._stop.is_set():
                try:
                    fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    self._stop.wait(RETRY_AFTER_S)
                else:
                    self._follow()

    def catch_up(self) -> None:
        """Do what the feeds ask for now: rights and rules first, then projections, then the receipts that are due."""
        self._take_turn(None)
        while (changed := self._take_changed()) is None or changed:
            self._take_turn(changed)

    def _take_turn(self, databases: Collection[str] | None) -> None:
        """Some of it, and what is left is noted as changed: however much one station has brought, the others have
        their turn.

        `databases` are those that have something new; without them everything is looked at.
        """
        if databases is None:
            self._watch([self.catalogue])
            # A new register makes the databases of a new station.
            self._heed_catalogue()
            stores = self.case_stores()
            self._watch(stores)
            databases = [store.database for store in stores]
        # A few at a time: a file that was read a moment ago is still open when its receipts are written.
        named = sorted(name for name in databases if name.startswith("station-"))
        for start in range(0, len(named), FOLLOWED_AT_ONCE):
            here = named[start : start + FOLLOWED_AT_ONCE]
            for unfinished in self.casebook.follow_a_turn(here):
                self._note_changed(unfinished, None)
            self._settle()
            # Who comes after the casebook reads at least as far. What a page writes from here on is beyond it.
            reached = self._read_to(here)
            self.trail.follow(here)
            self.enquiries.follow(here)
            self.misses.follow(here)
            self._forget_changed(reached)
        self._settle()

    def _settle(self) -> None:
        with self._touched_lock:
            touched, self._touched = self._touched, set()
        try:
            self.receipts.settle(touched)
            self.carrier.settle(touched)
        except BaseException:
            self._note_touched(touched)
            raise

    def _follow(self) -> None:
        self.note_what_is_due()
        databases: Collection[str] | None = None
        log_is_complete = False
        looked_at = cared_at = self.now()
        look_again = timedelta(seconds=LOOK_EVERY_S)
        # Before the first look: what others write during it is seen by the next.
        self._stood = self.databases.stands()
        while not self._stop.is_set():
            try:
                self._take_turn(databases)
                heard = self._news.wait(LOOK_EVERY_S)
                self._news.clear()
                # Those who are busy themselves must not miss the others.
                if not heard or abs(self.now() - looked_at) >= look_again:
                    looked_at = self.now()
                    self._note_written_by_others()
                    # A clock that is set meanwhile puts it off for half a minute and not for days.
                    took = min(abs(self.now() - looked_at), timedelta(seconds=LOOK_MOST_S) * LOOK_SHARE)
                    look_again = max(timedelta(seconds=LOOK_EVERY_S), took / LOOK_SHARE)
                databases = self._take_changed()
                if not log_is_complete and databases is not None and not databases:
                    # All that was written before this start is followed.
                    self.desk.complete_log()
                    log_is_complete = True
                if abs(self.now() - cared_at) >= LOG_CARE_EVERY:
                    cared_at = self.now()
                    self.trail.prune()
                    self.trail.check()
            except Exception:
                # What is due stays due, and the pages go on.
                log.exception("following the feeds")
                databases = None
                self._stop.wait(RETRY_AFTER_S)

    def note_what_is_due(self) -> None:
        """A receipt or a copy may be due since before this start: the process may have ended before it was written."""
        self._note_touched({row.number for row in self.casebook.waiting_cases()} | self.casebook.cases_from_afar())

    def _take_changed(self) -> Collection[str] | None:
        """The databases that were written since the last look; None for all of them when the rights may have changed.

        A new station's database is nobody's news: it is found by looking everywhere.
        """
        with self._touched_lock:
            changed, self._changed = set(self._changed), {}
        if CATALOGUE not in changed:
            return changed
        # Every station's pull keeps its place there in a local document: that is a commit, and no news.
        seq = self.catalogue.update_seq
        news, self._catalogue_seq = seq != self._catalogue_seq, seq
        return None if news else changed - {CATALOGUE}

    def _heed_catalogue(self) -> None:
        """A new key register or calendar may say something else of every case; the register also grants rights.

        What was heeded is kept, so that a change made by a command while nobody served is heeded at the start.
        """
        calendars = [(document["_id"], document["_rev"]) for document in self.catalogue.range("calendar:", "calendar;")]
        stands = f"{self.register().number} {calendars}"
        known = self.local.row("SELECT value FROM heeded WHERE name = 'catalogue'")
        if known is not None and known["value"] == stands:
            return
        self.apply_securities()
        self.casebook.refold()
        with self.local.writing() as db:
            db.execute("INSERT OR REPLACE INTO heeded (name, value) VALUES ('catalogue', ?)", (stands,))

    def _note_touched(self, numbers: set[str]) -> None:
        # Whoever followed the feed (a page after its own act, too): the receipts are written in `catch_up`.
        with self._touched_lock:
            self._touched |= numbers
        self._news.set()

    def _note_written_by_others(self) -> None:
        """Note the databases whose files are not as they were when last looked at."""
        stands = self.databases.stands()
        for name in stands.keys() | self._stood.keys():
            if stands.get(name) != self._stood.get(name):
                self._note_changed(name, None)
        self._stood = stands

    def _note_changed(self, database: str, seq: int | None) -> None:
        with self._touched_lock:
            known = self._changed.get(database, 0)
            self._changed[database] = None if seq is None or known is None else max(seq, known)
        self._news.set()

    def _read_to(self, databases: Iterable[str]) -> dict[str, int]:
        stores = map(self.databases.existing, databases)
        return {store.database: self.casebook.read_to(store) for store in stores if store is not None}

    def _forget_changed(self, reached: Mapping[str, int]) -> None:
        """What was written no further than this is no news: the receipts of this turn, as a rule."""
        with self._touched_lock:
            for database, seq in reached.items():
                known = self._changed.get(database)
                if known is not None and known <= seq:
                    del self._changed[database]

    def _watch(self, stores: Iterable[Store]) -> None:
        for store in stores:
            if store.database not in self._watched:
                self._watched.add(store.database)
                store.on_commit(self._note_changed)

    def close(self) -> None:
        self._stop.set()
        self._news.set()
        if self._follower is not None:
            self._follower.join(2)
        self.casebook.close()
        self.trail.close()
        self.enquiries.close()
        self.misses.close()
        self.audit.close()
        self.databases.close()
        self.local.close()
