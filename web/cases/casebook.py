"""The casebook: cases as both apps read them, projected from the changes feeds into SQLite tables.

Nothing in these tables is the truth: they can be thrown away and are built anew from the documents. The one thing
worth keeping over a rebuild is which signatures were found to hold (`checked`): a P-256 check costs about 50 µs,
and a document never changes.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import sqlite_utils

from casework.calendar import Calendar
from casework.canonical import Document
from casework.documents import receipt
from casework.documents.event import event_holds, is_event_shaped
from casework.documents.register import Key, Register
from casework.fold import Case, fold
from sync.peer import StorageFull
from sync.sqlite import no_room, sqlite3
from sync.store import Store

# Another number, and the tables are dropped and built anew from the feeds.
LAYOUT = 1
BATCH = 500

log = logging.getLogger(__name__)

_CASE_TABLES = ("events", "chunks", "receipts")
_EVENT_COLUMNS = {
    "id": str,
    "db": str,
    "case_number": str,
    "kind": str,
    "station": str,
    "of_county": int,
    "incarnation": str,
    "home": str,
    "serial": int,
    "at": str,
}
_CASE_COLUMNS = {
    "number": str,
    "item": str,
    "item_name": str,
    "state": str,
    "station": str,
    "level": str,
    "department": str,
    "applicant": str,
    "person": str,
    "received_at": str,
    "accepted_at": str,
    "due_on": str,
    "held_by_county_at": str,
    "contested": int,
    "quarantined": int,
    "waiting": int,
    "touched": int,
    "folded": str,
}


@dataclass(frozen=True)
class CaseRow:
    """One line of a list of cases; all that a list shows, so that no list folds anything."""

    number: str
    item: str
    item_name: str
    state: str
    station: str
    level: str
    department: str
    applicant: str
    received_at: str | None
    accepted_at: str | None
    due_on: str | None
    held_by_county_at: str | None
    contested: int
    quarantined: int
    waiting: int
    touched: int


@dataclass(frozen=True)
class Scope:
    """Which cases somebody may see: by station (their own and those under it) and by deciding department."""

    stations: frozenset[str] | None = None
    department: str | None = None

    def condition(self) -> tuple[str, dict[str, Any]]:
        """An SQL condition on `cases` with its parameters."""
        parts, values = ["1"], dict[str, Any]()
        if self.stations is not None:
            names = []
            for position, station in enumerate(sorted(self.stations)):
                values[f"station{position}"] = station
                names.append(f":station{position}")
            parts.append(f"station IN ({', '.join(names)})")
        if self.department is not None:
            values["department"] = self.department
            parts.append("level = 'county' AND department = :department")
        return " AND ".join(parts), values

    def contains(self, row: CaseRow) -> bool:
        if self.stations is not None and row.station not in self.stations:
            return False
        return self.department is None or (row.level == "county" and row.department == self.department)


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
        self._listeners: list[Callable[[set[str]], None]] = []
        self._db = self._connect()
        self._lay_out()
        self._read_lock = threading.Lock()
        self._read_db = self._connect()

    def on_change(self, listener: Callable[[set[str]], None]) -> None:
        """`listener(numbers)` is called after the cases with these numbers were projected anew."""
        self._listeners.append(listener)

    # -- following ---------------------------------------------------------------------------------------------

    def follow(self, databases: Iterable[str] | None = None) -> set[str]:
        """Read what is new in these case databases (in all of them when not named); the numbers that it touched.

        Call it after a write (a page must show its own act) and after a replication run. Cheap when nothing is new; a
        county has a thousand databases and names those that have something.
        """
        stores = self._stores() if databases is None else (self._store(name) for name in databases)
        touched: set[str] = set()
        with self._lock:
            try:
                for store in stores:
                    if store is not None:
                        touched |= self._follow_one(store)
            except StorageFull:
                # What is stored must not stay out of sight: whoever looks next tries again.
                self._behind = True
                raise
            if databases is None:
                self._behind = False
        if touched:
            for listener in self._listeners:
                listener(touched)
        return touched

    def refold(self, numbers: Iterable[str] | None = None) -> None:
        """Fold cases anew (all of them when not named): a new register or calendar may say something else."""
        with self._lock, self._writing() as db:
            if numbers is None:
                numbers = [row[0] for row in db.execute("SELECT DISTINCT case_number FROM events")]
            for number in numbers:
                self._project(db, number)

    def _follow_one(self, store: Store) -> set[str]:
        touched: set[str] = set()
        while True:
            row = self._db.execute("SELECT identity, seq FROM followed WHERE db = ?", (store.database,)).fetchone()
            identity = store.uuid
            # A database that was replaced (restored from a backup, say) is read from its beginning.
            since = row["seq"] if row is not None and row["identity"] == identity else 0
            if since >= store.update_seq:
                return touched
            changes = store.changes_since(since, BATCH)
            if not changes:
                return touched
            numbers: set[str] = set()
            told_anew: set[str] = set()
            with self._writing() as db:
                for _seq, document_id, deleted, document in changes:
                    number = self._note(db, store, document_id, deleted, document)
                    if number:
                        numbers.add(number)
                        if deleted or document_id.startswith("event:"):
                            told_anew.add(number)
                for number in numbers:
                    if number in told_anew:
                        self._project(db, number)
                    else:
                        self._project_receipts(db, number)
                db.execute(
                    "INSERT INTO followed (db, identity, seq) VALUES (?, ?, ?) "
                    "ON CONFLICT (db) DO UPDATE SET identity = excluded.identity, seq = excluded.seq",
                    (store.database, identity, changes[-1][0]),
                )
            touched |= numbers

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
                db.execute(f"DELETE FROM {table} WHERE id = ?", (document_id,))  # noqa: S608
            return number
        if kind == "event":
            # Whoever may write may write anything under an event's name. It is kept and shown, and counts nowhere.
            shaped = is_event_shaped(document)
            db.execute(
                "INSERT OR IGNORE INTO events "
                "(id, db, case_number, kind, station, of_county, incarnation, home, serial, at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    document_id,
                    store.database,
                    number,
                    str(document.get("kind", "")),
                    str(document.get("station", "")),
                    int(self._of_county(document)),
                    str(document.get("incarnation", "")),
                    str(document.get("home", "")),
                    document["serial"] if shaped else 0,
                    document["at"] if shaped else "",
                ),
            )
        elif kind == "chunk":
            db.execute(
                "INSERT OR IGNORE INTO chunks (id, db, case_number) VALUES (?, ?, ?)",
                (document_id, store.database, number),
            )
        else:
            db.execute(
                "INSERT OR IGNORE INTO receipts (id, db, case_number, at) VALUES (?, ?, ?, ?)",
                (document_id, store.database, number, str(document.get("at", ""))),
            )
        return number

    def _of_county(self, document: Document) -> bool:
        key = self._register().key(str(document.get("key", "")))
        return key is not None and key.kind == "county"

    def _project(self, db: sqlite3.Connection, number: str) -> None:
        events = self._documents(db, "events", number)
        if not events:
            db.execute("DELETE FROM cases WHERE number = ?", (number,))
            return
        register = self._register()
        case = fold(events, register, self._calendar(), holds=lambda event, key: self._holds(db, event, key))
        held_at, waiting = self._receipted(db, number, events)
        terms = case["item"]
        applicant = case["fields"].get("applicant") or {}
        values = {
            "number": number,
            "item": terms["item"] if terms else "",
            "item_name": terms["name"] if terms else "",
            "state": case["state"],
            "station": number.split("-", maxsplit=1)[0],
            "level": terms["decides"]["level"] if terms else "",
            "department": terms["decides"]["department"] if terms else "",
            "applicant": applicant.get("name", ""),
            "person": applicant.get("id_number") or "",
            "received_at": case["deadlines"]["received_at"],
            "accepted_at": case["deadlines"]["accepted_at"],
            "due_on": case["deadlines"]["due_on"],
            "held_by_county_at": held_at,
            "contested": len(case["contested"]),
            "quarantined": len(case["quarantined"]),
            "waiting": waiting,
            "folded": json.dumps(case, ensure_ascii=False, separators=(",", ":")),
        }
        columns = [*values, "touched"]
        db.execute(
            f"INSERT OR REPLACE INTO cases ({', '.join(columns)}) VALUES ({', '.join(':' + c for c in columns)})",  # noqa: S608
            {**values, "touched": _next_touch(db)},
        )

    def _project_receipts(self, db: sqlite3.Connection, number: str) -> None:
        """What a receipt or a chunk changes: not what the case says, but how much of it the county holds."""
        held_at, waiting = self._receipted(db, number, self._documents(db, "events", number))
        db.execute(
            "UPDATE cases SET held_by_county_at = ?, waiting = ?, touched = ? WHERE number = ?",
            (held_at, waiting, _next_touch(db), number),
        )

    def _receipted(self, db: sqlite3.Connection, number: str, events: Sequence[Document]) -> tuple[str | None, int]:
        """Since when the county holds all of it, and how many documents no receipt covers yet."""
        register = self._register()
        receipts = [
            document
            for document in self._documents(db, "receipts", number)
            if self._holds_for_county(db, document, register)
        ]
        return receipt.held_at(events, receipts, register), self._waiting(db, number, events, receipts)

    def _waiting(
        self,
        db: sqlite3.Connection,
        number: str,
        events: Sequence[Document],
        receipts: Sequence[Document],
    ) -> int:
        """Documents of this case that no county receipt covers yet: events, and the chunks that they list."""
        covered: set[str] = set()
        for document in receipts:
            covered |= receipt.covered(events, document["heads"])
        county_own = {
            row["id"] for row in db.execute("SELECT id FROM events WHERE case_number = ? AND of_county", (number,))
        }
        open_events = [
            event
            for event in events
            if is_event_shaped(event)
            and event["_id"] not in covered
            and event["_id"] not in county_own
            and self._own_station in {None, event.get("station")}
        ]
        open_chunks = {chunk for event in open_events for chunk in receipt.chunks_of(event)}
        return len(open_events) + len(open_chunks)

    # -- signatures --------------------------------------------------------------------------------------------

    def _holds(self, db: sqlite3.Connection, event: Document, key: Key) -> bool:
        """`event_holds`, remembered: the arithmetic is done when an event is first seen and never again.

        Keyed by the copy's own id and by the certificate, so that another signature or another key is another question.
        """
        question = (event["_id"], key.fingerprint)
        row = db.execute("SELECT holds FROM checked WHERE id = ? AND key = ?", question).fetchone()
        if row is not None:
            return bool(row[0])
        holds = event_holds(event, key)
        db.execute("INSERT OR REPLACE INTO checked (id, key, holds) VALUES (?, ?, ?)", (*question, int(holds)))
        return holds

    def _holds_for_county(self, db: sqlite3.Connection, document: Document, register: Register) -> bool:
        key = register.key(str(document.get("key", "")))
        if key is None or key.kind != "county":
            return False
        question = (document["_id"], key.fingerprint)
        row = db.execute("SELECT holds FROM checked WHERE id = ? AND key = ?", question).fetchone()
        if row is not None:
            return bool(row[0])
        holds = receipt.receipt_holds(document, key)
        db.execute("INSERT OR REPLACE INTO checked (id, key, holds) VALUES (?, ?, ?)", (*question, int(holds)))
        return holds

    # -- reading -----------------------------------------------------------------------------------------------

    def case(self, number: str) -> Case | None:
        row = self._one("SELECT folded FROM cases WHERE number = ?", (number,))
        if row is None:
            return None
        case: Case = json.loads(row["folded"])
        return case

    def preview(self, events: Sequence[Document], *, ours: Sequence[Document]) -> Case:
        """The case as it would stand with these events; nothing is kept. `ours` were signed just now."""
        trusted = {event["_id"] for event in ours}
        with self._lock, self._writing() as db:
            return fold(
                events,
                self._register(),
                self._calendar(),
                holds=lambda event, key: event["_id"] in trusted or self._holds(db, event, key),
            )

    def row(self, number: str) -> CaseRow | None:
        found = self._one("SELECT * FROM cases WHERE number = ?", (number,))
        return _case_row(found) if found is not None else None

    def rows(
        self, scope: Scope, *, state: str | None = None, since: int = 0, limit: int = 50, text: str = ""
    ) -> list[CaseRow]:
        """Cases in the order in which they were last touched, oldest first, after the position `since`."""
        condition, values = scope.condition()
        if state:
            condition += " AND state = :state"
        if text:
            condition += " AND (instr(applicant, :text) OR instr(number, upper(:text)) OR instr(item_name, :text))"
        values |= {"state": state, "since": since, "limit": limit, "text": text}
        found = self._all(
            f"SELECT * FROM cases WHERE {condition} AND touched > :since ORDER BY touched LIMIT :limit",  # noqa: S608
            values,
        )
        return [_case_row(row) for row in found]

    def latest(
        self,
        scope: Scope,
        *,
        states: Sequence[str] = (),
        by_due: bool = False,
        text: str = "",
        limit: int = 50,
    ) -> list[CaseRow]:
        """Cases as a page lists them: the last touched first, or the soonest due first."""
        condition, values = scope.condition()
        if states:
            names = []
            for position, state in enumerate(states):
                values[f"state{position}"] = state
                names.append(f":state{position}")
            condition += f" AND state IN ({', '.join(names)})"
        if text:
            condition += " AND (instr(applicant, :text) OR instr(number, upper(:text)) OR instr(item_name, :text))"
            values["text"] = text
        order = "due_on IS NULL, due_on, touched" if by_due else "touched DESC"
        found = self._all(
            f"SELECT * FROM cases WHERE {condition} ORDER BY {order} LIMIT :limit",  # noqa: S608
            {**values, "limit": limit},
        )
        return [_case_row(row) for row in found]

    def whole(
        self, scope: Scope, *, mentions: str = "", received: tuple[str, str] = ("", ""), states: Sequence[str] = ()
    ) -> Iterator[tuple[CaseRow, Case]]:
        """Cases themselves, by number, for what no column tells: registers, slips.

        `mentions` is text of the folded case (canonical names, no spaces between), such as `"slip":"LZ-`: it spares
        reading the others, and the caller looks closer. `received` are RFC 3339 times, from the first up to the second.
        """
        condition, values = scope.condition()
        if states:
            names = {f"state{place}": state for place, state in enumerate(states)}
            condition += f" AND state IN ({', '.join(f':{name}' for name in names)})"
            values |= names
        since, until = received
        condition += " AND (:since = '' OR received_at >= :since) AND (:until = '' OR received_at < :until)"
        found = self._all(
            f"SELECT * FROM cases WHERE {condition} AND instr(folded, :mentions) ORDER BY number",  # noqa: S608
            {**values, "since": since, "until": until, "mentions": mentions},
        )
        for row in found:
            yield _case_row(row), json.loads(row["folded"])

    def troubled(self, scope: Scope) -> list[CaseRow]:
        """Cases with a contested point or with a record that is kept aside, those first that were touched last."""
        condition, values = scope.condition()
        found = self._all(
            f"SELECT * FROM cases WHERE {condition} AND (contested > 0 OR quarantined > 0) ORDER BY touched DESC",  # noqa: S608
            values,
        )
        return [_case_row(row) for row in found]

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
            return self._documents(self._read_db, "events", number)

    def receipts(self, number: str) -> list[Document]:
        with self._read_lock:
            return self._documents(self._read_db, "receipts", number)

    def documents_of(self, number: str) -> dict[str, Store]:
        """Every event, chunk and receipt of this case by id, with a database that it lies in."""
        found = self._all(
            " UNION ALL ".join(f"SELECT id, db FROM {table} WHERE case_number = :number" for table in _CASE_TABLES),  # noqa: S608
            {"number": number},
        )
        stores = {row["db"]: self._store(row["db"]) for row in found}
        return {row["id"]: store for row in found if (store := stores[row["db"]]) is not None}

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
        row = self._one("SELECT db FROM chunks WHERE id = ?", (document_id,))
        if row is None:
            return None
        store = self._store(row["db"])
        return store.get(document_id) if store is not None else None

    def waiting(self) -> int:
        """Documents of this station that the county has not confirmed."""
        row = self._one("SELECT coalesce(sum(waiting), 0) AS n FROM cases")
        return int(row["n"])

    def contested(self) -> int:
        """How many cases have a point that nobody has settled."""
        return int(self._one("SELECT count(*) AS n FROM cases WHERE contested > 0")["n"])

    def waiting_cases(self) -> list[CaseRow]:
        found = self._all("SELECT * FROM cases WHERE waiting > 0 ORDER BY touched")
        return [_case_row(row) for row in found]

    def last_receipt_at(self) -> str | None:
        row = self._one("SELECT max(at) AS at FROM receipts")
        return row["at"] or None

    def open_case_of(self, item: str, id_number: str, *, closed: Sequence[str]) -> CaseRow | None:
        """A case of this person for this item that is still open: worth a warning, never a refusal."""
        marks = ", ".join("?" for _ in closed)
        found = self._one(
            f"SELECT * FROM cases WHERE item = ? AND person = ? AND state NOT IN ({marks}) "  # noqa: S608
            "ORDER BY touched DESC LIMIT 1",
            (item, id_number, *closed),
        )
        return _case_row(found) if found is not None else None

    def next_serial(self, station: str, on: date) -> int:
        """The running number of a station's next case of the day; what makes the number unique is its random tail."""
        day = f"{station}-{on:%Y%m%d}-"
        row = self._one("SELECT max(number) AS number FROM cases WHERE number > ? AND number < ?", (day, day + "~"))
        return int(row["number"][len(day) : len(day) + 4]) + 1 if row["number"] else 1

    def stamps(self, station: str) -> list[str]:
        """The greatest logical times that are stored: of this station itself, and of anybody."""
        rows = self._all(
            "SELECT max(at) AS at FROM events WHERE station = ? UNION SELECT max(at) FROM events", (station,)
        )
        return [row["at"] for row in rows if row["at"]]

    def ledgers(self, station: str) -> list[tuple[str, str, int, str]]:
        """The site ledger of a station: per (incarnation, home) the highest serial and the event that bears it."""
        found = self._all(
            "SELECT incarnation, home, max(serial) AS serial, id FROM events WHERE station = ? AND serial > 0 "
            "GROUP BY incarnation, home",
            (station,),
        )
        return [(row["incarnation"], row["home"], row["serial"], row["id"]) for row in found]

    # -- the file ----------------------------------------------------------------------------------------------

    def close(self) -> None:
        with self._lock, self._read_lock:
            self._read_db.close()
            self._db.close()

    def _documents(self, db: sqlite3.Connection, table: str, number: str) -> list[Document]:
        homes: dict[str, list[str]] = {}
        for row in db.execute(f"SELECT id, db FROM {table} WHERE case_number = ? ORDER BY id", (number,)):  # noqa: S608
            homes.setdefault(row["db"], []).append(row["id"])
        documents: list[Document] = []
        for name, ids in homes.items():
            store = self._store(name)
            if store is not None:
                documents.extend(store.read(ids))
        return documents

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
            self._db.execute("BEGIN IMMEDIATE")
            yield self._db
            self._db.commit()
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
        return connection

    def _lay_out(self) -> None:
        database = sqlite_utils.Database(self._db)
        database.table("layout").create({"name": str, "version": int}, pk="name", if_not_exists=True)
        row = self._db.execute("SELECT version FROM layout WHERE name = 'casebook'").fetchone()
        if row is not None and row["version"] != LAYOUT:
            for table in ("followed", "events", "chunks", "receipts", "cases"):
                database.table(table).drop(ignore=True)
        database.table("followed").create({"db": str, "identity": str, "seq": int}, pk="db", if_not_exists=True)
        database.table("checked").create({"id": str, "key": str, "holds": int}, pk=("id", "key"), if_not_exists=True)
        database.table("events").create(_EVENT_COLUMNS, pk="id", if_not_exists=True)
        database.table("chunks").create({"id": str, "db": str, "case_number": str}, pk="id", if_not_exists=True)
        database.table("receipts").create(
            {"id": str, "db": str, "case_number": str, "at": str}, pk="id", if_not_exists=True
        )
        database.table("cases").create(_CASE_COLUMNS, pk="number", if_not_exists=True)
        for table in ("events", "chunks", "receipts"):
            database.table(table).create_index(["case_number"], if_not_exists=True)
        for columns in (["touched"], ["state", "due_on"], ["item", "person"]):
            database.table("cases").create_index(columns, if_not_exists=True)
        with self._writing() as db:
            db.execute("INSERT OR REPLACE INTO layout (name, version) VALUES ('casebook', ?)", (LAYOUT,))


def _next_touch(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT coalesce(max(touched), 0) + 1 FROM cases").fetchone()[0])


def _case_row(row: sqlite3.Row) -> CaseRow:
    return CaseRow(**{name: row[name] for name in CaseRow.__dataclass_fields__})
