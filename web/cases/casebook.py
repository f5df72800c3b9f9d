"""The casebook: cases as both apps read them, projected from the changes feeds into SQLite tables.

Nothing in these tables is the truth: they can be thrown away and are built anew from the documents. The one thing
worth keeping over a rebuild is which signatures were found to hold (`checked`): a P-256 check costs about 50 µs,
and a document never changes.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from casework.calendar import Calendar
from casework.canonical import Document
from casework.documents import receipt
from casework.documents.event import event_holds, is_event_shaped
from casework.documents.register import COUNTY, Key, Register
from casework.fold import Case, fold
from sync.peer import StorageFull
from sync.sqlite import no_room, sqlite3
from sync.store import Store
from sync.wal import Wal
from web.cases.lists import (
    DUE,
    LATEST,
    OLDEST,
    SOONEST_DUE,
    WORD,
    WORDS,
    CaseRow,
    Order,
    Page,
    Scope,
    Wanted,
    columns_of,
    found_by,
    listing,
    name_word,
    parts_of,
    road_word,
    slip_word,
    tidy,
    words_of,
    words_of_papers,
)

__all__ = ["CaseRow", "Casebook", "Page", "Preview", "Scope", "Wanted"]

# Another number, and the tables are dropped and built anew from the feeds.
LAYOUT = 7
# So many documents are read, and then committed, at a time: the most that lie in memory, and that an act waits for.
BATCH = 200
# So many cases are folded anew at a time.
REFOLDED = 50
# So many cases make a volume of the index of words: fifty that come to 15,000 change 108 of its pages, and would change
# 590 of an index in one piece. Among 50,000 a word is looked up in 50 places.
VOLUME = 1000
# Of what is said of papers there are few words with many cases each, which lie together by themselves.
OF_PAPERS = 0
# So many cases of one slip, or on the road to one place, are read at most.
MOST_OF_A_WORD = 500
LONGEST_NAME = 12
MOST_PIECES = 900
# How many documents go by between two words of progress.
TOLD_EVERY = 10_000

log = logging.getLogger(__name__)

_CASE_TABLES = ("events", "chunks", "receipts")
_TABLES = f"""
CREATE TABLE IF NOT EXISTS followed (db TEXT PRIMARY KEY, identity TEXT, seq INTEGER);
CREATE TABLE IF NOT EXISTS checked (id TEXT, key TEXT, holds INTEGER, PRIMARY KEY (id, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (
    case_number TEXT, id TEXT, db TEXT, station TEXT, of_county INTEGER,
    incarnation TEXT, home TEXT, serial INTEGER,
    PRIMARY KEY (case_number, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS events_of_station ON events (station, incarnation, home, serial);
CREATE TABLE IF NOT EXISTS stamps (station TEXT PRIMARY KEY, at TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chunks (
    case_number TEXT, id TEXT, db TEXT, PRIMARY KEY (case_number, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS receipts (
    case_number TEXT, id TEXT, db TEXT, at TEXT, PRIMARY KEY (case_number, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS receipts_by_time ON receipts (at);
CREATE TABLE IF NOT EXISTS cases (
    number TEXT PRIMARY KEY, item TEXT, item_name TEXT, state TEXT, station TEXT, level TEXT, department TEXT,
    handler TEXT, applicant TEXT, person TEXT, received_at TEXT, accepted_at TEXT, due_on TEXT, legal_on TEXT,
    answer_by TEXT, stopped INTEGER, papers_at TEXT, steps_open TEXT, held_by_county_at TEXT,
    hand_in_since TEXT, proxied INTEGER, power_until TEXT,
    contested INTEGER, quarantined INTEGER, waiting INTEGER, touched INTEGER
);
CREATE INDEX IF NOT EXISTS cases_by_touch ON cases (touched);
CREATE INDEX IF NOT EXISTS cases_of_state ON cases (state, touched, station, number);
CREATE INDEX IF NOT EXISTS cases_due ON cases (state, {DUE}, touched);
CREATE INDEX IF NOT EXISTS cases_of_person ON cases (item, person, touched);
CREATE INDEX IF NOT EXISTS cases_of_anybody ON cases (person, received_at);
CREATE INDEX IF NOT EXISTS cases_waiting ON cases (waiting) WHERE waiting > 0;
CREATE INDEX IF NOT EXISTS cases_troubled ON cases (contested) WHERE contested > 0 OR quarantined > 0;
CREATE INDEX IF NOT EXISTS cases_to_hand_in ON cases (station, hand_in_since) WHERE hand_in_since IS NOT NULL;
CREATE INDEX IF NOT EXISTS cases_proxied ON cases (received_at) WHERE proxied > 0;
CREATE INDEX IF NOT EXISTS cases_of_power ON cases (power_until) WHERE power_until IS NOT NULL;
-- Apart from the rows, so that whoever looks through those need not step over it.
CREATE TABLE IF NOT EXISTS folds (number TEXT PRIMARY KEY, volume INTEGER, folded TEXT);
CREATE TABLE IF NOT EXISTS parts (
    case_number TEXT, kind TEXT, value TEXT, PRIMARY KEY (case_number, kind, value)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS parts_in ON parts (kind, value);
-- The words of one case lie far apart: all over its volume, and no further, however thick the casebook is.
CREATE TABLE IF NOT EXISTS volumes (volume INTEGER PRIMARY KEY, cases INTEGER);
CREATE TABLE IF NOT EXISTS words (
    volume INTEGER, word TEXT, case_number TEXT, PRIMARY KEY (volume, word, case_number)
) WITHOUT ROWID;
CREATE VIEW IF NOT EXISTS {WORDS} AS SELECT word, case_number FROM volumes CROSS JOIN words USING (volume);
CREATE TABLE IF NOT EXISTS items (item TEXT, name TEXT, PRIMARY KEY (item, name)) WITHOUT ROWID;
"""  # noqa: S608
# All but `checked`, which is worth keeping.
_DERIVED = (
    "followed", "events", "chunks", "receipts", "cases", "folds", "parts", "volumes", "words", "items", "stamps",
)  # fmt: skip


# What was read a moment ago, by (database, id): under one id, another database may hold something else.
AtHand = Mapping[tuple[str, str], Document]
# How much of a long run is done: (so many documents, of so many).
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Preview:
    """A case as it would stand with events that are not stored yet, and what that reading rests on.

    `checks` are the signatures that were looked at for it: (event, key's fingerprint) → whether it holds.
    """

    case: Case
    events: frozenset[str]
    register: Register
    calendar: Calendar
    checks: Mapping[tuple[str, str], bool]


@dataclass(frozen=True)
class _News:
    """What one batch of a feed has brought, from where and up to where."""

    touched: set[str]
    since: int
    seq: int
    at_end: bool


class Casebook:
    """Follows the changes feeds of the case databases and answers every question that a page asks about cases.

    `own_station`: events written here count as waiting until a receipt covers them; None counts everybody's (the
    county's view of what it has not yet receipted).
    """

    def __init__(
        self,
        path: Path,
        *,
        stores: Callable[[], Iterable[Store]],
        store: Callable[[str], Store | None],
        register: Callable[[], Register],
        calendar: Callable[[], Calendar],
        own_station: str | None,
    ) -> None:
        self._path = path
        self._stores = stores
        self._store = store
        self._register = register
        self._calendar = calendar
        self._own_station = own_station
        self._lock = threading.RLock()
        self._behind = False
        self._in_force: tuple[Register, Calendar]
        self._listeners: list[Callable[[set[str]], None]] = []
        self._wal = Wal(path)
        self._db = self._connect()
        self._lay_out()
        self._read_lock = threading.Lock()
        self._read_db = self._connect()

    def on_change(self, listener: Callable[[set[str]], None]) -> None:
        """`listener(numbers)` is called after the cases with these numbers were projected anew."""
        self._listeners.append(listener)

    # -- following ---------------------------------------------------------------------------------------------

    def follow(
        self,
        databases: Iterable[str] | None = None,
        *,
        expected: Preview | None = None,
        progress: Progress = lambda _done, _of: None,
    ) -> set[str]:
        """Read what is new in these case databases (in all of them when not named); the numbers that it touched.

        Call it after a write (a page must show its own act) and after a replication run. Cheap when nothing is new; a
        county has a thousand databases and names those that have something. `expected` is how the case that was
        written reads, if nothing else has come to it meanwhile. `progress` is told how many documents of how many were
        read, of every database together.
        """
        found = self._stores() if databases is None else map(self._store, databases)
        stores = [store for store in found if store is not None]
        of, before = sum(store.update_seq for store in stores), 0
        touched: set[str] = set()
        with self._again_when_there_is_room():
            for store in stores:
                touched |= self._follow_one(store, expected, partial(_further, progress, before, of))
                before += store.update_seq
        if databases is None:
            self._behind = False
        self._announce(touched)
        return touched

    def follow_a_turn(self, databases: Iterable[str]) -> list[str]:
        """Read some of what is new in each of these: at most `BATCH` documents. Which of them have more.

        A station that uploads a month must not make the others wait for what the county says of theirs.
        """
        touched: set[str] = set()
        unfinished: list[str] = []
        with self._again_when_there_is_room():
            for name in databases:
                store = self._store(name)
                news = self._follow_some(store, None) if store is not None else None
                if news is not None:
                    touched |= news.touched
                    if not news.at_end:
                        unfinished.append(name)
        self._announce(touched)
        return unfinished

    @contextmanager
    def _again_when_there_is_room(self) -> Iterator[None]:
        try:
            yield
        except StorageFull:
            # What is stored must not stay out of sight: whoever looks next tries again.
            self._behind = True
            raise

    def _announce(self, touched: set[str]) -> None:
        if touched:
            for listener in self._listeners:
                listener(touched)

    def know(self, store: Store, receipts: Iterable[Document]) -> None:
        """These receipts were just signed and written here: known from now on, however much of the feed lies before
        them, and not to be checked as others are. Where nothing lies before them, they are not read again either.
        """
        with self._lock, self._writing() as db:
            written = set()
            for document in receipts:
                written.add(document["_id"])
                key = self._in_force[0].key(document["key"])
                if key is not None:
                    _remember(db, (document["_id"], key.fingerprint), True)
                number = self._note(db, store, document["_id"], False, document)
                if number:
                    self._project_receipts(db, number, {})
            reached = self._read_to(db, store)
            # A station that uploads a month has more there than anybody wants to look through for this.
            if store.update_seq <= reached + len(written):
                news = list(store.heads_since(reached))
                if news and all(head.id in written for head in news):
                    self._note_read(db, store, news[-1].seq)

    def read_to(self, store: Store) -> int:
        """Up to which sequence this database was read."""
        with self._lock:
            return self._read_to(self._db, store)

    def _read_to(self, db: sqlite3.Connection, store: Store) -> int:
        row = db.execute("SELECT identity, seq FROM followed WHERE db = ?", (store.database,)).fetchone()
        # A database that was replaced (restored from a backup, say) is read from its beginning.
        return int(row["seq"]) if row is not None and row["identity"] == store.uuid else 0

    def _note_read(self, db: sqlite3.Connection, store: Store, seq: int) -> None:
        db.execute(
            "INSERT INTO followed (db, identity, seq) VALUES (?, ?, ?) "
            "ON CONFLICT (db) DO UPDATE SET identity = excluded.identity, seq = excluded.seq",
            (store.database, store.uuid, seq),
        )

    def refold(self, numbers: Iterable[str] | None = None) -> None:
        """Fold cases anew (all of them when not named): a new register or calendar may say something else."""
        if numbers is None:
            numbers = [row["case_number"] for row in self._all("SELECT DISTINCT case_number FROM events")]
        waiting = list(numbers)
        for first in range(0, len(waiting), REFOLDED):
            with self._lock, self._writing() as db:
                for number in waiting[first : first + REFOLDED]:
                    self._project(db, number, {})
            self._tell("refolded", first, first + REFOLDED, len(waiting))

    def _follow_one(self, store: Store, expected: Preview | None, read: Callable[[int], None]) -> set[str]:
        touched: set[str] = set()
        while news := self._follow_some(store, expected):
            touched |= news.touched
            read(news.seq)
            if news.at_end:
                break
            self._tell(f"read of {store.database}", news.since, news.seq, store.update_seq)
        return touched

    def _follow_some(self, store: Store, expected: Preview | None) -> _News | None:
        """One batch of a feed, in a transaction of its own; None when there was nothing."""
        with self._lock:
            since = self._read_to(self._db, store)
            if since >= store.update_seq:
                return None
            changes = store.changes_since(since, BATCH)
            if not changes:
                return None
            at_hand = {(store.database, id_): document for _seq, id_, deleted, document in changes if not deleted}
            numbers: set[str] = set()
            told_anew: set[str] = set()
            with self._writing() as db:
                for _seq, document_id, deleted, document in changes:
                    number = self._note(db, store, document_id, deleted, document)
                    if number:
                        numbers.add(number)
                        if deleted or document_id.startswith("event:"):
                            told_anew.add(number)
                for number in sorted(numbers):
                    if number in told_anew:
                        self._project(db, number, at_hand, expected)
                    else:
                        self._project_receipts(db, number, at_hand)
                self._note_read(db, store, changes[-1][0])
            return _News(numbers, since, changes[-1][0], at_end=len(changes) < BATCH)

    def _tell(self, what: str, before: int, now: int, all_of_them: int) -> None:
        """A word for whoever waits for a long run, which is one after a change of LAYOUT or a restored backup."""
        if before // TOLD_EVERY != now // TOLD_EVERY:
            log.warning("casebook: %s: %d of %d", what, min(now, all_of_them), all_of_them)

    def _note(
        self, db: sqlite3.Connection, store: Store, document_id: str, deleted: bool, document: Document
    ) -> str | None:
        kind, _, rest = document_id.partition(":")
        if kind not in {"event", "chunk", "receipt"}:
            return None
        number = rest.partition(":")[0]
        if deleted:
            # Only the county's retirement of a whole case comes here: the rows go, document by document.
            for table in ("events", "chunks", "receipts"):
                db.execute(f"DELETE FROM {table} WHERE case_number = ? AND id = ?", (number, document_id))  # noqa: S608
            return number
        if kind == "event":
            # Whoever may write may write anything under an event's name. It is kept and shown, and counts nowhere.
            shaped = is_event_shaped(document)
            db.execute(
                "INSERT OR IGNORE INTO events "
                "(id, db, case_number, station, of_county, incarnation, home, serial) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    document_id,
                    store.database,
                    number,
                    str(document.get("station", "")),
                    int(self._of_county(document)),
                    str(document.get("incarnation", "")),
                    str(document.get("home", "")),
                    document["serial"] if shaped else 0,
                ),
            )
            if shaped:
                db.execute(
                    "INSERT INTO stamps (station, at) VALUES (?, ?) "
                    "ON CONFLICT (station) DO UPDATE SET at = excluded.at WHERE excluded.at > at",
                    (document["station"], document["at"]),
                )
        elif kind == "chunk":
            db.execute(
                "INSERT OR IGNORE INTO chunks (id, db, case_number) VALUES (?, ?, ?)",
                (document_id, store.database, number),
            )
        else:
            told = db.execute(
                "INSERT OR IGNORE INTO receipts (id, db, case_number, at) VALUES (?, ?, ?, ?)",
                (document_id, store.database, number, str(document.get("at", ""))),
            )
            if told.rowcount == 0:
                return None
        return number

    def _of_county(self, document: Document) -> bool:
        key = self._in_force[0].key(str(document.get("key", "")))
        return key is not None and key.kind == COUNTY

    def _project(
        self,
        db: sqlite3.Connection,
        number: str,
        at_hand: AtHand,
        expected: Preview | None = None,
    ) -> None:
        events = self._documents(db, "events", number, at_hand)
        before = db.execute("SELECT volume, folded FROM folds WHERE number = ?", (number,)).fetchone()
        known: Case | None = orjson.loads(before["folded"]) if before is not None else None
        if not events:
            if before is not None:
                self._find_by(db, number, before["volume"], known, None)
            for table in ("cases", "folds"):
                db.execute(f"DELETE FROM {table} WHERE number = ?", (number,))  # noqa: S608
            return
        volume = before["volume"] if before is not None else _volume_with_room(db)
        case = self._read(db, events, expected)
        held_at, waiting = self._receipted(db, number, events, at_hand)
        values = columns_of(number, case) | {
            "held_by_county_at": held_at,
            "waiting": waiting,
            "touched": _next_touch(db),
        }
        db.execute(
            f"INSERT INTO cases ({', '.join(values)}) VALUES ({', '.join(':' + c for c in values)}) "  # noqa: S608
            f"ON CONFLICT (number) DO UPDATE SET {', '.join(f'{c} = excluded.{c}' for c in values if c != 'number')}",
            values,
        )
        db.execute(
            "INSERT INTO folds (number, volume, folded) VALUES (?, ?, ?) "
            "ON CONFLICT (number) DO UPDATE SET folded = excluded.folded",
            (number, volume, orjson.dumps(case).decode()),
        )
        db.execute("INSERT OR IGNORE INTO items (item, name) VALUES (?, ?)", (values["item"], values["item_name"]))
        self._find_by(db, number, volume, known, case)

    def _read(self, db: sqlite3.Connection, events: Sequence[Document], expected: Preview | None) -> Case:
        register, calendar = self._in_force
        if (
            expected is not None
            and expected.register is register
            and expected.calendar is calendar
            and expected.events == {event["_id"] for event in events}
        ):
            for question, holds in expected.checks.items():
                _remember(db, question, holds)
            return expected.case
        return fold(events, register, calendar, holds=lambda event, key: self._holds(db, event, key))

    def _find_by(self, db: sqlite3.Connection, number: str, volume: int, before: Case | None, now: Case | None) -> None:
        """Keep what the case is found by, and whose it is, as it is told now; what has not changed is not touched."""
        finding: tuple[tuple[str, str, Callable[[Case], set[tuple[Any, ...]]]], ...] = (
            (
                "words",
                "volume, word, case_number",
                lambda case: {
                    *((volume, word, number) for word in _words_of_people(number, case)),
                    *((OF_PAPERS, word, number) for word in words_of_papers(case)),
                },
            ),
            ("parts", "case_number, kind, value", lambda case: {(number, *part) for part in parts_of(number, case)}),
        )
        for table, columns, of in finding:
            old = of(before) if before is not None else set()
            new = of(now) if now is not None else set()
            marks = ", ".join("?" for _ in columns.split(", "))
            db.executemany(f"DELETE FROM {table} WHERE ({columns}) = ({marks})", sorted(old - new))  # noqa: S608
            db.executemany(f"INSERT OR IGNORE INTO {table} ({columns}) VALUES ({marks})", sorted(new - old))  # noqa: S608

    def _project_receipts(self, db: sqlite3.Connection, number: str, at_hand: AtHand) -> None:
        """What a receipt or a chunk changes: not what the case says, but how much of it the county holds."""
        held_at, waiting = self._receipted(db, number, self._documents(db, "events", number, at_hand), at_hand)
        db.execute(
            "UPDATE cases SET held_by_county_at = ?, waiting = ?, touched = ? WHERE number = ?",
            (held_at, waiting, _next_touch(db), number),
        )

    def _receipted(
        self, db: sqlite3.Connection, number: str, events: Sequence[Document], at_hand: AtHand
    ) -> tuple[str | None, int]:
        """Since when the county holds all of it, and how many documents no receipt covers yet."""
        register, _ = self._in_force
        receipts = [
            document
            for document in self._documents(db, "receipts", number, at_hand)
            if self._holds_for_county(db, document, register)
        ]
        ancestry = receipt.Ancestry(events)
        held_at = ancestry.held_at(receipts, register)
        # What is held at all is held whole.
        return held_at, 0 if held_at is not None else self._waiting(ancestry, receipts, register)

    def _waiting(self, ancestry: receipt.Ancestry, receipts: Sequence[Document], register: Register) -> int:
        """Documents of this case that no county receipt covers yet: events, and the chunks that they list."""
        covered: set[str] = set()
        for document in receipts:
            covered |= ancestry.covered(document["heads"])
        county = register.county_keys()
        open_events = [
            event
            for identifier, event in ancestry.events.items()
            if identifier not in covered
            and event["key"] not in county
            and self._own_station in {None, event.get("station")}
        ]
        open_chunks = {chunk for event in open_events for chunk in receipt.chunks_of(event)}
        return len(open_events) + len(open_chunks)

    # -- signatures --------------------------------------------------------------------------------------------

    def _holds(
        self,
        db: sqlite3.Connection,
        document: Document,
        key: Key,
        arithmetic: Callable[[Document, Key], bool] = event_holds,
    ) -> bool:
        """`event_holds`, remembered: the arithmetic is done when an event is first seen and never again.

        Keyed by the copy's own id and by the certificate, so that another signature or another key is another question.
        """
        question = (document["_id"], key.fingerprint)
        row = db.execute("SELECT holds FROM checked WHERE id = ? AND key = ?", question).fetchone()
        return bool(row[0]) if row is not None else _remember(db, question, arithmetic(document, key))

    def _holds_for_county(self, db: sqlite3.Connection, document: Document, register: Register) -> bool:
        key = register.key(str(document.get("key", "")))
        return key is not None and key.kind == COUNTY and self._holds(db, document, key, receipt.receipt_holds)

    # -- reading -----------------------------------------------------------------------------------------------

    def case(self, number: str) -> Case | None:
        row = self._one("SELECT folded FROM folds WHERE number = ?", (number,))
        if row is None:
            return None
        case: Case = orjson.loads(row["folded"])
        return case

    def whole(self, rows: Sequence[CaseRow]) -> Iterator[tuple[CaseRow, Case]]:
        """Each row with its case, in their order; read some at a time, for a list asks for hundreds."""
        for first in range(0, len(rows), BATCH):
            some = rows[first : first + BATCH]
            read = self._all(
                "SELECT number, folded FROM folds WHERE number IN (SELECT value FROM json_each(?))",
                (orjson.dumps([row.number for row in some]).decode(),),
            )
            folded = {row["number"]: row["folded"] for row in read}
            yield from ((row, orjson.loads(folded[row.number])) for row in some if row.number in folded)

    def preview(self, events: Sequence[Document], *, after: Preview | None = None) -> Preview:
        """The case as it would stand with these events; nothing is kept. `after` is the preview without the last."""
        register, calendar = self._register(), self._calendar()
        checks = dict(after.checks) if after is not None else {}

        def holds(event: Document, key: Key) -> bool:
            question = (event["_id"], key.fingerprint)
            if question not in checks:
                row = self._one("SELECT holds FROM checked WHERE id = ? AND key = ?", question)
                checks[question] = bool(row["holds"]) if row is not None else event_holds(event, key)
            return checks[question]

        case = fold(events, register, calendar, holds=holds)
        return Preview(case, frozenset(event["_id"] for event in events), register, calendar, checks)

    def row(self, number: str) -> CaseRow | None:
        found = self._rows("number = ?", (number,))
        return found[0] if found else None

    def page(self, scope: Scope, wanted: Wanted, *, by_due: bool = False, limit: int = 50, following: str = "") -> Page:
        """A page of what somebody may see and wants to see: the last touched first, or the soonest due first.

        `following` is that of the page before. Raises ValueError for one that is none.
        """
        return self._page(scope, wanted, SOONEST_DUE if by_due else LATEST, limit=limit, following=following)

    def rows(
        self, scope: Scope, *, state: str | None = None, since: int = 0, limit: int = 50, text: str = ""
    ) -> list[CaseRow]:
        """Cases in the order in which they were last touched, oldest first, after the position `since`."""
        wanted = Wanted(states=[state] if state else [], text=text)
        return self._page(scope, wanted, OLDEST, limit=limit, following=str(since)).rows

    def latest(
        self,
        scope: Scope,
        *,
        states: Sequence[str] = (),
        by_due: bool = False,
        text: str = "",
        limit: int = 50,
    ) -> list[CaseRow]:
        """The first page of a list."""
        return self.page(scope, Wanted(states=states, text=text), by_due=by_due, limit=limit).rows

    def proxied(self, scope: Scope, *, received: tuple[str, str] = ("", "")) -> Iterator[tuple[CaseRow, Case]]:
        """The cases that somebody handles for the applicant, in the order in which they were received.

        `received` are RFC 3339 times, from the first up to the second; "" is no bound.
        """
        condition, values = scope.condition()
        since, until = received
        wanted = (
            f"SELECT number FROM cases WHERE proxied > 0 AND received_at >= :since AND received_at < :until "  # noqa: S608
            f"AND {condition}"
        )
        values |= {"since": since, "until": until or "~"}
        return self.whole(self._rows(f"number IN ({wanted}) ORDER BY received_at, number", values))

    def to_hand_in(self, station: str, up_to: date, *, limit: int) -> list[CaseRow]:
        """The cases that this station received up to that day and whose papers still lie there to be handed in."""
        return self._rows(
            "station = ? AND hand_in_since <= ? ORDER BY hand_in_since LIMIT ?", (station, up_to.isoformat(), limit)
        )

    def count_to_hand_in(self, station: str, up_to: date) -> int:
        sql = "SELECT count(*) AS n FROM cases WHERE station = ? AND hand_in_since <= ?"
        return int(self._one(sql, (station, up_to.isoformat()))["n"])

    def lacking_power(self, scope: Scope, today: date) -> list[CaseRow]:
        """The open cases whose proxy has no power of attorney any more, or never had one."""
        condition, values = scope.condition()
        wanted = f"SELECT number FROM cases WHERE power_until < :today AND {condition}"  # noqa: S608
        return self._rows(f"number IN ({wanted}) ORDER BY number", {**values, "today": today.isoformat()})

    def troubled(self, scope: Scope) -> list[CaseRow]:
        """Cases with a contested point or with a record that is kept aside, those first that were touched last."""
        condition, values = scope.condition()
        sql = (
            "number IN (SELECT number FROM cases WHERE (contested > 0 OR quarantined > 0) "  # noqa: S608
            f"AND {condition}) ORDER BY touched DESC"
        )
        return self._rows(sql, values)

    def with_slip(self, scope: Scope, slip: str) -> list[tuple[CaseRow, Case]]:
        """The cases whose papers went on this slip (流转凭证), by number: one slip may go with many."""
        return list(self._with_word(scope, slip_word(slip)))

    def on_the_road(self, scope: Scope, to: str) -> list[tuple[CaseRow, Case]]:
        """The cases with papers that were handed over to this place and not taken in yet, by number."""
        return list(self._with_word(scope, road_word(to)))

    def names_somebody(self, text: str) -> bool:
        """Whether a person of the cases here is named in it: anybody's whole name, two characters of an applicant's."""
        said = tidy(text)
        starts = range(len(said))
        wanted = {name_word(said[start:end]) for start in starts for end in range(start + 2, start + LONGEST_NAME + 1)}
        wanted |= {said[start:end] for start in starts for end in range(start + 2, start + WORD + 1)}
        asked = sorted(wanted)[:MOST_PIECES]
        marks = ", ".join("?" * len(asked))
        return bool(asked) and bool(self._all(f"SELECT 1 FROM {WORDS} WHERE word IN ({marks}) LIMIT 1", asked))  # noqa: S608

    def taken_in(self, station: str, since: str) -> dict[str, int]:
        """How many cases of each item this station has received since then (RFC 3339)."""
        rows = self._all(
            "SELECT item, count(*) AS n FROM cases WHERE station = ? AND received_at >= ? GROUP BY item",
            (station, since),
        )
        return {row["item"]: row["n"] for row in rows if row["item"]}

    def last_slip(self, beginning: str) -> str | None:
        """The greatest slip that begins so."""
        first = slip_word(beginning)
        among = "word >= ? AND word < ?"
        word = self._one(f"SELECT max(word) AS word FROM {WORDS} WHERE {among}", (first, first + "~"))["word"]  # noqa: S608
        return word.partition(":")[2] if word is not None else None

    def _with_word(self, scope: Scope, word: str) -> Iterator[tuple[CaseRow, Case]]:
        condition, values = scope.condition()
        wanted = (
            f"SELECT number FROM cases WHERE number IN (SELECT case_number FROM {WORDS} WHERE word = :word) "  # noqa: S608
            f"AND {condition}"
        )
        rows = self._rows(f"number IN ({wanted}) ORDER BY number LIMIT {MOST_OF_A_WORD}", {**values, "word": word})
        return self.whole(rows)

    def counts(self, scope: Scope) -> dict[str, int]:
        """How many cases stand in each state."""
        condition, values = scope.condition()
        found = self._all(
            f"SELECT state, count(*) AS n FROM cases WHERE {condition} GROUP BY state",  # noqa: S608
            values,
        )
        return {row["state"]: row["n"] for row in found}

    def events(self, number: str) -> list[Document]:
        with self._read_lock:
            return self._documents(self._read_db, "events", number, {})

    def receipts(self, number: str) -> list[Document]:
        with self._read_lock:
            return self._documents(self._read_db, "receipts", number, {})

    def documents_of(self, number: str) -> dict[str, Store]:
        """Every event, chunk and receipt of this case by id, with a database that it lies in."""
        found = self._all(
            " UNION ALL ".join(f"SELECT id, db FROM {table} WHERE case_number = :number" for table in _CASE_TABLES),  # noqa: S608
            {"number": number},
        )
        stores = {row["db"]: self._store(row["db"]) for row in found}
        return {row["id"]: store for row in found if (store := stores[row["db"]]) is not None}

    def cases_from_afar(self) -> set[str]:
        """The cases in which a station of another township has a part: its code begins with other nine digits."""
        found = self._all(
            "SELECT DISTINCT case_number FROM parts "
            "WHERE kind = 'station' AND substr(value, 1, 9) <> substr(case_number, 1, 9)"
        )
        return {row["case_number"] for row in found}

    def stations_events(self, number: str) -> set[str]:
        """The ids of the events of this case that are not the county's own: the ones that a receipt is for."""
        found = self._all("SELECT id FROM events WHERE case_number = ? AND NOT of_county", (number,))
        return {row["id"] for row in found}

    def chunks_present(self, number: str) -> set[str]:
        """The hashes of the chunks of this case that are stored here."""
        found = self._all("SELECT id FROM chunks WHERE case_number = ?", (number,))
        return {row["id"].rpartition(":")[2] for row in found}

    def chunk(self, number: str, chunk_hash: str) -> Document | None:
        document_id = f"chunk:{number}:{chunk_hash}"
        row = self._one("SELECT db FROM chunks WHERE case_number = ? AND id = ?", (number, document_id))
        if row is None:
            return None
        store = self._store(row["db"])
        return store.get(document_id) if store is not None else None

    def waiting(self) -> int:
        """Documents of this station that the county has not confirmed."""
        row = self._one("SELECT coalesce(sum(waiting), 0) AS n FROM cases WHERE waiting > 0")
        return int(row["n"])

    def contested(self) -> int:
        """How many cases have a point that nobody has settled."""
        # The index is of both kinds of trouble, and serves who names both.
        sql = "SELECT count(*) AS n FROM cases WHERE contested > 0 AND (contested > 0 OR quarantined > 0)"
        return int(self._one(sql)["n"])

    def waiting_cases(self) -> list[CaseRow]:
        return self._rows("waiting > 0 ORDER BY touched", ())

    def last_receipt_at(self) -> str | None:
        row = self._one("SELECT max(at) AS at FROM receipts")
        return row["at"] or None

    def open_case_of(self, item: str, id_number: str, *, closed: Sequence[str]) -> CaseRow | None:
        """A case of this person for this item that is still open: worth a warning, never a refusal."""
        marks = ", ".join("?" for _ in closed)
        found = self._rows(
            f"item = ? AND person = ? AND state NOT IN ({marks}) ORDER BY touched DESC LIMIT 1",
            (item, id_number, *closed),
        )
        return found[0] if found else None

    def items_of_open_cases(self, *, closed: Sequence[str]) -> set[str]:
        """The codes of the items of which a case is still open."""
        marks = ", ".join("?" for _ in closed)
        rows = self._all(f"SELECT DISTINCT item FROM cases WHERE state NOT IN ({marks})", tuple(closed))  # noqa: S608
        return {row["item"] for row in rows if row["item"]}

    def cases_of(self, id_number: str, *, limit: int) -> list[CaseRow]:
        """This person's cases that are here, the last taken in first."""
        return self._rows("person = ? ORDER BY received_at DESC, number DESC LIMIT ?", (id_number, limit))

    def next_serial(self, station: str, on: date) -> int:
        """The running number of a station's next case of the day; what makes the number unique is its random tail."""
        day = f"{station}-{on:%Y%m%d}-"
        row = self._one("SELECT max(number) AS number FROM cases WHERE number > ? AND number < ?", (day, day + "~"))
        return int(row["number"][len(day) : len(day) + 4]) + 1 if row["number"] else 1

    def stamps(self, station: str) -> list[str]:
        """The greatest logical times that are stored: of this station itself, and of anybody."""
        rows = self._all("SELECT at FROM stamps WHERE station = ? UNION SELECT max(at) FROM stamps", (station,))
        return [row["at"] for row in rows if row["at"]]

    def ledgers(self, station: str) -> list[tuple[str, str, int, str]]:
        """The site ledger of a station: per (incarnation, home) the highest serial and the event that bears it."""
        ledgers = list[tuple[str, str, int, str]]()
        # From one to the next by the index: what lies between, all that this station ever wrote, is not read.
        step = "SELECT incarnation, home, serial, id FROM events WHERE station = ? AND "
        newest = " ORDER BY incarnation DESC, home DESC, serial DESC LIMIT 1"
        incarnation, home = "~", ""
        while row := (
            self._one(f"{step} incarnation = ? AND home < ? {newest}", (station, incarnation, home))
            or self._one(f"{step} incarnation < ? {newest}", (station, incarnation))
        ):
            incarnation, home = row["incarnation"], row["home"]
            if row["serial"] > 0:
                ledgers.append((incarnation, home, row["serial"], row["id"]))
        return ledgers[::-1]

    # -- the file ----------------------------------------------------------------------------------------------

    def written(self, station: str, incarnation: str, home: str, *, after: int) -> Iterator[list[Document]]:
        """The events of one incarnation of a station in one database beyond this serial, in their order and some at a
        time: of a log that was lost, those of years.
        """
        while found := self._all(
            "SELECT id, db, serial FROM events "
            "WHERE station = ? AND incarnation = ? AND home = ? AND serial > ? ORDER BY serial LIMIT ?",
            (station, incarnation, home, after, BATCH),
        ):
            after = found[-1]["serial"]
            stores = {name: self._store(name) for name in {row["db"] for row in found}}
            documents = [store.get(row["id"]) for row in found if (store := stores[row["db"]]) is not None]
            yield [document for document in documents if document is not None and is_event_shaped(document)]

    def close(self) -> None:
        with self._lock, self._read_lock:
            self._read_db.close()
            self._db.close()

    def _documents(self, db: sqlite3.Connection, table: str, number: str, at_hand: AtHand) -> list[Document]:
        """The documents of a case in this table, by id; what is `at_hand` is not read again."""
        documents: list[Document] = []
        homes: dict[str, list[str]] = {}
        for row in db.execute(f"SELECT id, db FROM {table} WHERE case_number = ? ORDER BY id", (number,)):  # noqa: S608
            found = at_hand.get((row["db"], row["id"]))
            if found is not None:
                documents.append(found)
            else:
                homes.setdefault(row["db"], []).append(row["id"])
        for name, ids in homes.items():
            store = self._store(name)
            if store is not None:
                documents.extend(store.read(ids))
        return documents

    def _page(self, scope: Scope, wanted: Wanted, order: Order, *, limit: int, following: str) -> Page:
        items = []
        if wanted.text.strip():
            found = self._all("SELECT DISTINCT item FROM items WHERE instr(name, ?)", (wanted.text.strip(),))
            items = [row["item"] for row in found]
        sql, values = listing(scope, wanted, order, items=items, limit=limit, following=following)
        rows = [CaseRow.of(row) for row in self._all(sql, values)]
        return Page(rows, order.name(rows[-1]) if len(rows) == limit else None)

    def _rows(self, condition: str, values: Mapping[str, Any] | Sequence[Any]) -> list[CaseRow]:
        return [CaseRow.of(row) for row in self._all(found_by(condition), values)]

    def _all(self, sql: str, values: Mapping[str, Any] | Sequence[Any] = ()) -> list[sqlite3.Row]:
        self._catch_up()
        # A connection of its own: a page never waits for a long run of projecting.
        with self._read_lock:
            return self._read_db.execute(sql, values).fetchall()

    def _one(self, sql: str, values: Mapping[str, Any] | Sequence[Any] = ()) -> Any:
        self._catch_up()
        with self._read_lock:
            return self._read_db.execute(sql, values).fetchone()

    def _catch_up(self) -> None:
        """After a run that broke off, on a full disk: once there is room, the next one who looks sees it all."""
        if not self._behind or not self._lock.acquire(blocking=False):
            # Nothing is left over, or somebody is at it just now.
            return
        try:
            if self._behind and not self._db.in_transaction:
                self.follow()
        except StorageFull:
            log.warning("the projections wait for room on the disk")
        finally:
            self._lock.release()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        if self._db.in_transaction:
            yield self._db
            return
        try:
            # Looked up once: every event of a batch asks for them, and looking is a read of the catalogue's feed.
            self._in_force = self._register(), self._calendar()
            self._db.execute("BEGIN IMMEDIATE")
            yield self._db
            self._db.commit()
            self._wal.committed(self._db)
        except BaseException as error:
            self._db.rollback()
            if no_room(error):
                # The documents are safe; what is read from them is caught up with when there is room again.
                raise StorageFull(str(error)) from error
            raise

    def _connect(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        connection: sqlite3.Connection = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA journal_mode = WAL")
        # A projection can be built anew, so it need not reach the disk before the page is answered.
        connection.execute("PRAGMA synchronous = NORMAL")
        self._wal.attend(connection)
        return connection

    def _lay_out(self) -> None:
        db = self._db
        db.execute("CREATE TABLE IF NOT EXISTS layout (name TEXT PRIMARY KEY, version INTEGER)")
        row = db.execute("SELECT version FROM layout WHERE name = 'casebook'").fetchone()
        if row is not None and row["version"] != LAYOUT:
            log.warning("casebook: its layout has changed, and all cases are read anew")
            db.execute(f"DROP VIEW IF EXISTS {WORDS}")
            for table in _DERIVED:
                db.execute(f"DROP TABLE IF EXISTS {table}")
        db.executescript(_TABLES)
        db.execute("INSERT OR IGNORE INTO volumes (volume, cases) VALUES (?, 0)", (OF_PAPERS,))
        db.execute("INSERT OR REPLACE INTO layout (name, version) VALUES ('casebook', ?)", (LAYOUT,))


def _further(progress: Progress, before: int, of: int, seq: int) -> None:
    progress(before + seq, of)


def _remember(db: sqlite3.Connection, question: tuple[str, str], holds: bool) -> bool:
    db.execute("INSERT OR REPLACE INTO checked (id, key, holds) VALUES (?, ?, ?)", (*question, int(holds)))
    return holds


def _next_touch(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT coalesce(max(touched), 0) + 1 FROM cases").fetchone()[0])


def _volume_with_room(db: sqlite3.Connection) -> int:
    """The volume that the next case goes into, counted there already."""
    last = db.execute(
        "SELECT volume, cases FROM volumes WHERE volume > ? ORDER BY volume DESC LIMIT 1", (OF_PAPERS,)
    ).fetchone()
    if last is None or last["cases"] >= VOLUME:
        volume = (last["volume"] if last is not None else OF_PAPERS) + 1
        db.execute("INSERT INTO volumes (volume, cases) VALUES (?, 1)", (volume,))
    else:
        volume = last["volume"]
        db.execute("UPDATE volumes SET cases = cases + 1 WHERE volume = ?", (volume,))
    return int(volume)


def _words_of_people(number: str, case: Case) -> set[str]:
    applicant = case["fields"].get("applicant") or {}
    words = words_of(number, str(applicant.get("name") or ""), str(applicant.get("phone") or ""))
    people = [applicant, *(case["fields"].get("people") or {}).values()]
    names = {str(person.get("name") or "") for person in people if isinstance(person, dict)}
    return words | {name_word(name) for name in names if name}
