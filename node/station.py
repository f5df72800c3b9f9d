"""The station: its data folder opened, and everything that its pages and its line need."""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from random import Random

import urllib3

from casework.calendar import Calendar
from casework.canonical import canonical
from casework.documents.blank import carries_its_file_alone
from casework.documents.register import Register, RegisterRefused
from casework.signing import document_holds
from casework.times import parse_rfc3339, rfc3339
from casework.transitions import CLOSED_STATES
from node.audit import Batches
from node.clock import StationClock
from node.county_link import CountyLink
from node.drafts import Drafts
from node.enquiries import EnquiryDesk
from node.freshness import Freshness, freshness
from node.guide_groups import Groups, Often
from node.guides import Catalogue
from node.intake import Intake
from node.kept_items import KeptItems
from node.line import Line, Road
from node.misses import Misses
from node.refused import RefusedList
from node.reserved import ReservedNumbers
from node.touch import TouchScreens
from provisioning.contact import LONGEST_TEXT, Contact, Ledger, StationReport
from provisioning.folder import StationFolder
from provisioning.line import poster
from provisioning.register import (
    CATALOGUE,
    accounts_database,
    apply_securities,
    current_register,
    databases_of,
    station_database,
)
from sync.databases import Databases
from sync.inventory import Inventories
from sync.peer import Document, Peer, PeerError, StorageFull, Writer, WriteRule
from sync.remote import RemotePeer
from sync.store import Store
from sync.write_rules import append_only, county_only, signed_by_county
from web.audit import USUAL_MONTHS, AuditLog
from web.cases.casebook import Casebook, Progress
from web.cases.desk import Desk, Person
from web.cases.enquiries import Enquiries
from web.localfile import LocalFile

REQUEST_TIMEOUT_S = 20.0
# So exactly is told how much room there is: what changes with every write would be said again with every contact.
ROOM_STEP_BYTES = 64 << 20
# What the county says of its catalogue is written down so often.
CONFIRMED_EVERY = timedelta(hours=1)
AUDIT = "audit.sqlite3"

log = logging.getLogger(__name__)


class NotReady(Exception):
    """The station was enrolled, but the key register that says so is not here: enrol it again."""


class Station:
    """One station's node, apart from its pages. Open it once per process; `close()` gives everything back."""

    def __init__(
        self,
        folder: StationFolder,
        *,
        version: str,
        now: Callable[[], datetime],
        monotonic: Callable[[], float],
        random: Random,
        county_url: str | None = None,
        log_months: int = USUAL_MONTHS,
        progress: Progress = lambda _done, _of: None,
    ) -> None:
        """`county_url` overrides the one written at enrolment (a relay, a new address). Entries of the log of acts that
        the county holds stay here for `log_months`. `progress` is told how far the cases are read, which takes minutes
        after a change of their tables.
        """
        self.log_months = log_months
        self.folder = folder
        self.code, self.name, self.kind, self.parent = folder.code, folder.name, folder.kind, folder.parent
        self.version = version
        self.random = random
        self.county_url = (county_url or folder.county_url).rstrip("/")
        self.incarnation = f"{random.getrandbits(64):016x}"
        self.key = folder.key()
        self._reload_lock = threading.Lock()
        self._catalogue_confirmed: datetime | None = None
        self._inventories = Inventories()

        self.databases = Databases(folder.databases, rule_for=rule_for, random=random)
        self.local = LocalFile(folder.path / "station.sqlite3")
        found = current_register(self._catalogue_store(), folder.authority_fingerprint)
        if found is None:
            raise NotReady(f"{folder.path} holds no key register: run `yizhan provision enrol` again.")
        self._register = found
        apply_securities(self.databases, found, station=self.code)
        self.clock = StationClock(
            self.local, now=now, monotonic=monotonic, known=parse_rfc3339(str(found.document["at"]))
        )
        self._calendar = Calendar.of(self._catalogue_store().range("calendar:", "calendar;"))
        projections = folder.path / "projections.sqlite3"
        self.catalogue = Catalogue(
            folder.path / "guides.sqlite3",
            store=self._catalogue_store(),
            register=lambda: self._register,
            now=self.now,
            replaced=self._keep_items,
        )
        self.casebook = Casebook(
            projections,
            stores=self.case_stores,
            store=self.databases.existing,
            register=lambda: self._register,
            calendar=lambda: self._calendar,
            own_station=self.code,
        )
        self.kept_items = KeptItems(
            self.local,
            now=self.now,
            open_items=lambda: self.casebook.items_of_open_cases(closed=CLOSED_STATES),
        )
        self.local.table("catalogue_confirmed", {"id": int, "at": str}, pk="id")
        self.catalogue.refresh()
        self.casebook.follow(progress=progress)
        writer = Writer(self.code, frozenset({f"station:{self.key.id}"}))
        self.audit = AuditLog(folder.path / AUDIT, now=self.now, random=random)
        self.batches = Batches(
            self.audit,
            station=self.code,
            name=self.name,
            home=lambda: self.store(station_database(self.code)),
            writer=lambda: writer,
            key=lambda: self.key,
            now=self.now,
        )
        self.desk = Desk(
            station=self.code,
            kind=self.kind,
            key=lambda: self.key,
            incarnation=self.incarnation,
            writer=writer,
            home=self.home_of,
            casebook=self.casebook,
            register=lambda: self._register,
            clock=self.clock.reading,
            audit=self.audit,
            item=lambda code, release: self.item_as_of(code, release) or self.catalogue.item(code),
        )
        self.desk.complete_log()
        self.enquiries = Enquiries(
            folder.path / "enquiries.sqlite3",
            stores=self.case_stores,
            store=self.databases.existing,
            register=lambda: self._register,
        )
        self.enquiries.follow()
        self.enquiry_desk = EnquiryDesk(
            self.enquiries,
            station=self.code,
            home=lambda: self.store(station_database(self.code)),
            writer=writer,
            key=lambda: self.key,
            now=self.now,
        )
        self.groups = Groups(self.catalogue)
        self.often = Often(self.local, casebook=self.casebook, station=self.code, now=self.now)
        self.misses = Misses(
            self.local,
            station=self.code,
            home=lambda: self.store(station_database(self.code)),
            writer=writer,
            key=lambda: self.key,
            simplified=self.catalogue.plain,
            blocked=self.catalogue.blocks,
            names_somebody=self.casebook.names_somebody,
            now=self.now,
        )
        self.touch_screens = TouchScreens(
            self.local, now=self.now, random=random, gone=lambda visit: self.misses.forget(f"visitor:{visit}")
        )
        self.reserved = ReservedNumbers(
            self.local,
            station=self.code,
            next_serial=lambda on: self.casebook.next_serial(self.code, on),
            taken=lambda number: self.casebook.row(number) is not None,
            now=self.now,
            random=random,
        )
        self.intake = Intake(
            desk=self.desk,
            casebook=self.casebook,
            home=lambda: self.store(station_database(self.code)),
            item=self.catalogue.item,
            reserved=self.reserved,
            register=lambda: self._register,
            random=random,
        )
        self.drafts = Drafts(self.local, now=self.now, random=random)
        self.refused_list = RefusedList(self.local, now=self.now)
        self._pool = urllib3.PoolManager(maxsize=4, timeout=urllib3.Timeout(REQUEST_TIMEOUT_S), retries=False)
        self._link = CountyLink(poster(self._pool, timeout_s=REQUEST_TIMEOUT_S), self.county_url, self.key, raw_now=now)
        self.line = Line(self, now=now, random=random, interval_s=folder.contact_interval_s or None)
        self.casebook.on_change(lambda _numbers: self.line.wake())

    # -- what pages ask ------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The corrected time."""
        return self.clock.reading().corrected

    @property
    def register(self) -> Register:
        return self._register

    @property
    def calendar(self) -> Calendar:
        return self._calendar

    def account(self, username: str) -> Document | None:
        return self.store(accounts_database(self.code)).get(f"account:{username}")

    def station_name(self, code: str) -> str:
        key = self._register.station(code)
        return key.name if key is not None else code

    def villages(self) -> list[str]:
        return [key.station for key in self._register.villages_of(self.code)] if self.kind == "township" else []

    def item_as_of(self, code: str, release: int) -> Document | None:
        """The item as that release published it: in use, or kept for cases and drafts of that time."""
        now = self.catalogue.item(code)
        return now if now is not None and now["release"] == release else self.kept_items.item(code, release)

    def freshness(self) -> Freshness:
        """Whether the guide in use is the county's newest."""
        row = self.local.row("SELECT at FROM catalogue_confirmed WHERE id = 1")
        return freshness(
            self.catalogue.release,
            self.catalogue.problems,
            confirmed_at=parse_rfc3339(row["at"]) if row is not None else None,
            now=self.now(),
            stale_after=timedelta(days=self.folder.catalogue_stale_days),
        )

    # -- databases -----------------------------------------------------------------------------------------------

    def store(self, name: str) -> Store:
        return self.databases.open(name)

    def case_stores(self) -> list[Store]:
        names = [name for name in databases_of(self.code, self._register) if name.startswith("station-")]
        return [self.store(name) for name in names]

    def home_of(self, number: str) -> Store:
        """Where an act on this case is first written: its station's database if we may write there, else our own."""
        name = station_database(number.split("-", 1)[0])
        mine = databases_of(self.code, self._register)
        return self.store(name if name in mine else station_database(self.code))

    def _catalogue_store(self) -> Store:
        return self.databases.open(CATALOGUE)

    # -- what the line asks (node.line.Site) ---------------------------------------------------------------------

    def contact(self) -> Contact:
        try:
            self.batches.cut_when_due()
        except StorageFull:
            log.warning("no room for a batch of the log of acts; it waits")
        self.touch_screens.forget_old()
        try:
            self.misses.tell_when_due()
        except StorageFull:
            log.warning("no room for what was not found; it waits")
        contact = self._link.contact(self._report())
        self.clock.learn(contact.offset_ms)
        if CATALOGUE not in contact.changed:
            self._note_catalogue_confirmed()
        self.desk.mend_clock(Person("station", self.name, "station"))
        with suppress(PeerError):
            self.batches.prune(lambda revs: self.remote(station_database(self.code)).revs_diff(revs), self.log_months)
        return contact

    def _note_catalogue_confirmed(self) -> None:
        """The county has nothing in its catalogue that is not here. Written down now and then: it outlives a restart,
        and a contact comes every few seconds."""
        now, known = self.now(), self._catalogue_confirmed
        if known is not None and abs(now - known) < CONFIRMED_EVERY:
            return
        self._catalogue_confirmed = now
        with suppress(StorageFull), self.local.writing(durable=False) as db:
            db.execute("INSERT OR REPLACE INTO catalogue_confirmed (id, at) VALUES (1, ?)", (rfc3339(now),))

    def confirm_clock(self, said: datetime, by: Person) -> None:
        """Somebody at the station says what time it is; what was written in doubt is dated anew in their name."""
        self.clock.confirm(said)
        self.desk.mend_clock(by)

    def unauthorized(self) -> None:
        self._link.refused()

    def roads(self) -> Sequence[Road]:
        """Register and accounts first, then events: what everything else hangs on comes first."""
        return [Road(name, push=name.startswith("station-")) for name in databases_of(self.code, self._register)]

    def remote(self, name: str) -> Peer:
        return RemotePeer(
            f"{self.county_url}/couch/{name}",
            pool=self._pool,
            authorization=self._link.authorization,
            timeout_s=REQUEST_TIMEOUT_S,
            # The same county by whatever address: a new port or a relay must not cost the checkpoints.
            name=f"county:{self.folder.county}/{name}",
            random=self.random,
        )

    def arriving(self, name: str) -> Peer:
        rule = rule_for(name)
        assert rule is not None
        return self.store(name).as_writer(Writer("pull"), signed_by_county(rule, self._county_signed))

    def refused(self, name: str, direction: str, document: Document, reason: str) -> None:
        self.refused_list.keep(name, direction, document, reason)

    def arrived(self, names: set[str]) -> None:
        with self._reload_lock:
            if CATALOGUE in names:
                self._reload_catalogue()
        self.casebook.follow()
        self.enquiries.follow()

    def waiting(self) -> int:
        return self.casebook.waiting()

    def holds(self, name: str) -> int:
        return self._inventories.of(self.store(name)).documents

    def _reload_catalogue(self) -> None:
        store = self._catalogue_store()
        newest = current_register(store, self.folder.authority_fingerprint)
        news = newest is not None and newest.number > self._register.number
        if newest is not None and news:
            self._register = newest
            apply_securities(self.databases, newest, station=self.code)
        calendar = Calendar.of(store.range("calendar:", "calendar;"))
        if news or calendar != self._calendar:
            self._calendar = calendar
            self.casebook.refold()
        self.catalogue.refresh()

    def _keep_items(self, replaced: list[Document]) -> None:
        self.kept_items.keep(replaced)

    def _county_signed(self, document: Document) -> bool:
        """Signed by the county's key, or a register: that one is checked under the authority whenever it is used."""
        if str(document.get("_id", "")).startswith("register:"):
            return _is_register(document, self.folder.authority_fingerprint)
        key = self._register.key(str(document.get("key", "")))
        return (
            key is not None
            and key.kind == "county"
            and key.revoked is None
            and document_holds(document, key.public_key)
            and carries_its_file_alone(document)
        )

    def _report(self) -> StationReport:
        reading = self.clock.reading()
        release = self.catalogue.release
        fresh = self.freshness()
        return StationReport(
            version=self.version,
            register=self._register.number,
            release=f"release:{release.number:06d}" if release is not None else None,
            clock=rfc3339(reading.raw),
            interval_s=round(self.line.interval_s()),
            waiting=self.casebook.waiting(),
            contested=self.casebook.contested(),
            refused=self.refused_list.count(),
            disk_free_bytes=shutil.disk_usage(self.folder.path).free // ROOM_STEP_BYTES * ROOM_STEP_BYTES,
            ledgers=tuple(
                # An event's id ends in its hash, and the rest says nothing more.
                Ledger(incarnation, home, serial, head.rpartition(":")[2])
                for incarnation, home, serial, head in self.casebook.ledgers(self.code)
            ),
            seen=self.line.seen(),
            holds=self._holdings(),
            catalogue=fresh.sentence[:LONGEST_TEXT] if fresh.state == "refused" else None,
        )

    def _holdings(self) -> dict[str, str]:
        """What lies in those databases in which nothing is under way."""
        # Counting a full station for the first time takes seconds: not while there is nobody to compare it with.
        resting = [road for road in self.roads() if self.line.is_at_rest(road, self.store(road.name).update_seq)]
        found = {road: self._inventories.of(self.store(road.name)) for road in resting}
        return {road.name: holding.text() for road, holding in found.items() if self.line.is_at_rest(road, holding.seq)}

    def close(self) -> None:
        self.line.stop()
        self.casebook.close()
        self.enquiries.close()
        self.audit.close()
        self.databases.close()
        self._pool.clear()


def rule_for(name: str) -> WriteRule | None:
    """The write rule of a database of ours, by its name."""
    if name.startswith("station-"):
        return append_only(canonical=canonical)
    return county_only


def _is_register(document: Document, fingerprint: str) -> bool:
    try:
        Register.of(document, authority=fingerprint)
    except RegisterRefused:
        return False
    return True
