"""The county's view of every log of acts, its own and its stations': searchable, each chain checked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from casework.audit_chain import Batch, Finding, Row, examine_batches, told
from casework.canonical import Document, NotCanonical
from casework.documents.audit import Entry, altered_at, batch_holds, chained, hashes_of, is_batch_shaped
from casework.documents.register import Register
from casework.times import rfc3339
from provisioning.register import station_database
from sync.store import Store
from web.audit import LEAST_MONTHS, USUAL_MONTHS, Actor, AuditLog, Who, as_entry, as_values, months_before
from web.followed import READ_AT_ONCE, Followed
from web.localfile import LocalFile

AUDIT, TRAIL = "audit.sqlite3", "audit-trail.sqlite3"
NEWEST = 2**62

_ENTRIES = {
    "id": int,
    "station": str,
    "incarnation": str,
    "batch": str,
    "position": int,
    "at": str,
    "account": str,
    "name": str,
    "role": str,
    "act": str,
    "case_number": str,
    "what": str,
    "before": str,
    "hash": str,
}
_BATCHES = {
    "id": str,
    "station": str,
    "incarnation": str,
    "serial": int,
    "prev": str,
    "position": int,
    "count": int,
    "before": str,
    "last": str,
    "problem": str,
    "problem_at": int,
}
_FINDINGS = {"station": str, "incarnation": str, "found_by": str, "position": int, "sentence": str}


ANOTHER_LOG = Finding(1, "这里另开了一份日志：重新装过机器，或原来的日志文件被拿走。")


@dataclass(frozen=True)
class Search:
    """What an administrator looks for; empty means whatever. Dates are RFC 3339: from `since`, before `until`."""

    case: str = ""
    account: str = ""
    station: str = ""
    act: str = ""
    since: str = ""
    until: str = ""

    def condition(self) -> tuple[str, dict[str, str]]:
        parts = ["1"]
        if self.case:
            parts.append("substr(case_number, -length(:case)) = upper(:case)")
        if self.account:
            parts.append("(account = :account OR name = :account)")
        if self.station:
            parts.append("station = :station")
        if self.act:
            # `wrote` finds every kind of event.
            parts.append("(act = :act OR act LIKE :act || ':%')")
        if self.since:
            parts.append("at >= :since")
        if self.until:
            parts.append("at < :until")
        return " AND ".join(parts), dict(vars(self))


@dataclass(frozen=True)
class Found:
    """A line of the log; `intact` is whether it fits what it is chained to, and nothing else was found about it."""

    station: str
    position: int
    entry: Entry
    intact: bool


@dataclass(frozen=True)
class Trouble:
    """What is wrong with the log of a station."""

    station: str
    finding: Finding


class Trail:
    """A projection: thrown away, it is built anew from the documents and the county's own log. Several processes read
    it, and one follows.
    """

    def __init__(
        self,
        path: Path,
        *,
        own: AuditLog,
        county: str,
        stores: Callable[[], Iterable[Store]],
        store: Callable[[str], Store | None],
        register: Callable[[], Register],
        now: Callable[[], datetime],
    ) -> None:
        self._own = own
        self._county = county
        self._store = store
        self._register = register
        self._now = now
        self._lock = threading.Lock()
        self._file = LocalFile(path)
        self._followed = Followed(self._file, "audit:", stores=stores, store=store)
        self._file.table("entries", _ENTRIES, pk="id")
        self._file.table("batches", _BATCHES, pk="id")
        self._file.table("findings", _FINDINGS, pk=("station", "incarnation", "found_by", "position", "sentence"))
        self._file.table("settings", {"name": str, "value": str}, pk="name")
        for columns in (["at"], ["case_number", "at"], ["account", "at"], ["station", "at"], ["batch", "position"]):
            self._file.index("entries", *columns)

    # -- following ---------------------------------------------------------------------------------------------

    def follow(self, databases: Iterable[str] | None = None) -> None:
        """Read the batches that are new in these databases (in all when not named), and the county's own entries."""
        with self._lock:
            touched: set[tuple[str, str]] = set()

            def take(db: Any, document: Document, database: str) -> None:
                touched.add(self._take(db, document, database))

            self._followed.follow(databases, take)
            self._take_own()
            for chain in touched:
                self._keep_findings(*chain, "arrival", self._examined(*chain))

    def _take(self, db: Any, document: Document, database: str) -> tuple[str, str]:
        """Note a batch, and its entries if they have the shape of such."""
        hashes = _hashes(document)
        if hashes is None:
            # Whoever may write may write anything under this name. It is said, and shows nothing.
            station = document["_id"].split(":")[1][:12]
            batch = Batch(document["_id"], 0, None, 0, 0, "", "", "有一批记录不合格式，不能读。")
            self._note_batch(db, station, "", batch)
            return station, ""
        station, incarnation = document["station"], document["incarnation"]
        problem = self._problem(document, database)
        batch = Batch(
            document["_id"],
            document["serial"],
            document["prev"],
            document["position"],
            len(document["entries"]),
            document["before"],
            document["last"],
            problem.sentence if problem is not None else None,
            problem.position if problem is not None else 0,
        )
        self._note_batch(db, station, incarnation, batch)
        before = document["before"]
        if db.execute("SELECT 1 FROM entries WHERE batch = ? LIMIT 1", (document["_id"],)).fetchone() is None:
            for place, (entry, hash_) in enumerate(zip(document["entries"], hashes, strict=True)):
                row = Row(document["position"] + place, entry, hash_)
                self._note_entry(db, station, incarnation, document["_id"], row, before)
                before = hash_
        return station, incarnation

    def _problem(self, document: Document, database: str) -> Finding | None:
        key = self._register().key(str(document["key"]))
        at_home = database == station_database(str(document["station"]))
        if key is None or not at_home or not batch_holds(document, key):
            end = document["position"] + len(document["entries"]) - 1
            sentence = f"第 {document['position']} 条到第 {end} 条的签名对不上，不是这一站送来的，或被改过。"
            return Finding(document["position"], sentence)
        altered = altered_at(document)
        if altered is None:
            return None
        which = told(altered, document["entries"][altered - document["position"]])
        return Finding(altered, f"{which}被改过，和当时记下的对不上。")

    def _note_batch(self, db: Any, station: str, incarnation: str, batch: Batch) -> None:
        db.execute(
            f"INSERT OR REPLACE INTO batches ({', '.join(_BATCHES)}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            (batch.id, station, incarnation, batch.serial, batch.prev, batch.position, batch.count, batch.before,
             batch.last, batch.problem, batch.problem_at),
        )  # fmt: skip

    def _note_entry(self, db: Any, station: str, incarnation: str, batch: str, row: Row, before: str) -> None:
        columns = [name for name in _ENTRIES if name != "id"]
        db.execute(
            f"INSERT INTO entries ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",  # noqa: S608
            (station, incarnation, batch, row.position, *as_values(row.entry), before, row.hash),
        )

    def _take_own(self) -> None:
        """The county's own log is chained in its own file; here it is copied beside the others."""
        while True:
            with self._file.writing(durable=False) as db:
                newest = db.execute(
                    "SELECT max(position) AS last FROM entries WHERE batch = ?", (self._own_batch,)
                ).fetchone()
                after = max(newest["last"] or 0, self._own.pruned)
                rows = self._own.rows(after, READ_AT_ONCE)
                before = self._own.hash_of(after) or ""
                for row in rows:
                    self._note_entry(db, self._county, self._own.incarnation, self._own_batch, row, before)
                    before = row.hash
            if len(rows) < READ_AT_ONCE:
                return

    # -- checking ----------------------------------------------------------------------------------------------

    def check(self) -> list[Trouble]:
        """Look at everything from the beginning: each log's batches, each entry here, the county's own file."""
        self.follow()
        for row in self._file.rows("SELECT DISTINCT station, incarnation FROM batches WHERE incarnation != ''"):
            chain = (row["station"], row["incarnation"])
            # One after the other: whoever looks for something waits for one of them at most.
            with self._lock:
                self._keep_findings(*chain, "check", self._examined_entries(*chain))
        with self._lock:
            own = [*self._own.check(), *self._examined_own()]
            self._keep_findings(self._county, self._own.incarnation, "check", own)
        return self.troubles()

    def troubles(self) -> list[Trouble]:
        """What was found when the logs were last looked at."""
        rows = self._file.rows(
            "SELECT DISTINCT station, position, sentence FROM findings ORDER BY station, incarnation, position"
        )
        return [Trouble(row["station"], Finding(row["position"], row["sentence"])) for row in rows]

    def _batches(self, station: str, incarnation: str) -> list[Batch]:
        found = self._file.rows(
            "SELECT * FROM batches WHERE station = ? AND incarnation = ? ORDER BY serial, id", (station, incarnation)
        )
        return [Batch(**{name: row[name] for name in Batch.__annotations__}) for row in found]

    def _examined(self, station: str, incarnation: str) -> list[Finding]:
        found = examine_batches(self._batches(station, incarnation)) if incarnation else []
        if not incarnation:
            found = [Finding(0, batch.problem or "") for batch in self._batches(station, incarnation)]
        logs = self._file.rows(
            "SELECT incarnation, min(id) AS id FROM batches WHERE station = ? AND incarnation != '' "
            "GROUP BY incarnation ORDER BY id",
            (station,),
        )
        if incarnation and logs[0]["incarnation"] != incarnation:
            found.append(ANOTHER_LOG)
        return found

    def _examined_entries(self, station: str, incarnation: str) -> list[Finding]:
        """Entries here against the batches that they came in, whose documents are signed."""
        kept_since = rfc3339(months_before(self._now(), self.months))
        database = station_database(station)
        store = self._store(database)
        found = []
        for batch in self._batches(station, incarnation):
            document = store.get(batch.id) if store is not None else None
            if document is None:
                which = f"第 {batch.position} 条到第 {batch.end} 条"
                found.append(Finding(batch.position, f"{which}的签名原件在县里不见了，不能再核对。"))
                continue
            problem = self._problem(document, database)
            if problem is not None and problem.sentence != batch.problem:
                found.append(problem)
            here = {
                row["position"]: as_entry(row)
                for row in self._file.rows("SELECT * FROM entries WHERE batch = ?", (batch.id,))
            }
            if not here and document["entries"][-1]["at"] < kept_since:
                continue  # deleted for their age
            for position, entry in enumerate(document["entries"], batch.position):
                if here.get(position) != entry:
                    how = "被改过" if position in here else "不见了"
                    found.append(Finding(position, f"{told(position, entry)}在县里的查询库中{how}。"))
        return found

    def _examined_own(self) -> list[Finding]:
        """The copies of the county's own entries, each against the one in its own file."""
        found = []
        own = {row.position: row for row in self._every_own()}
        copies = self._file.rows(
            "SELECT * FROM entries WHERE batch = ? AND position > ?", (self._own_batch, self._own.pruned)
        )
        for row in copies:
            there = own.get(row["position"])
            if there is not None and there.hash == row["hash"] and as_entry(row) != there.entry:
                sentence = f"{told(row['position'], as_entry(row))}在查询库里和在日志里不一样。"
                found.append(Finding(row["position"], sentence))
        others = self._file.row(
            "SELECT 1 FROM entries WHERE station = ? AND incarnation != ? LIMIT 1",
            (self._county, self._own.incarnation),
        )
        return found if others is None else [*found, ANOTHER_LOG]

    @property
    def _own_batch(self) -> str:
        return f"own:{self._own.incarnation}"

    def _every_own(self) -> Iterator[Row]:
        after = self._own.pruned
        while rows := self._own.rows(after, 1000):
            yield from rows
            after = rows[-1].position

    def _keep_findings(self, station: str, incarnation: str, found_by: str, findings: Sequence[Finding]) -> None:
        with self._file.writing() as db:
            whose = (station, incarnation, found_by)
            db.execute("DELETE FROM findings WHERE station = ? AND incarnation = ? AND found_by = ?", whose)
            for one in set(findings):
                db.execute("INSERT INTO findings VALUES (?, ?, ?, ?, ?)", (*whose, one.position, one.sentence))

    # -- reading -----------------------------------------------------------------------------------------------

    def search(self, search: Search, *, page: int, limit: int, up_to: int = NEWEST) -> list[Found]:
        """Entries that fit, the newest first; one more than `limit` when there is another page. Of those
        whose id here is no greater than `up_to`.
        """
        with self._lock:
            self._take_own()
        condition, values = search.condition()
        rows = self._file.rows(
            f"SELECT * FROM entries WHERE {condition} AND id <= :up_to "  # noqa: S608
            "ORDER BY at DESC, id DESC LIMIT :limit OFFSET :skip",
            {**values, "up_to": up_to, "limit": limit + 1, "skip": page * limit},
        )
        suspected = {(trouble.station, trouble.finding.position) for trouble in self.troubles()}
        return [_found(row, suspected) for row in rows]

    def count(self, search: Search) -> int:
        condition, values = search.condition()
        row = self._file.row(f"SELECT count(*) AS n FROM entries WHERE {condition}", values)  # noqa: S608
        return int(row["n"]) if row is not None else 0

    def every(self, search: Search) -> Iterator[Found]:
        """All that fit, the newest first, read piece by piece."""
        row = self._file.row("SELECT max(id) AS id FROM entries")
        # What comes meanwhile would move the pages, and show an entry twice.
        up_to, page = int(row["id"] or 0) if row is not None else 0, 0
        while found := self.search(search, page=page, limit=READ_AT_ONCE, up_to=up_to):
            yield from found[:READ_AT_ONCE]
            if len(found) <= READ_AT_ONCE:
                return
            page += 1

    # -- how long ----------------------------------------------------------------------------------------------

    @property
    def months(self) -> int:
        """How long entries are kept here."""
        row = self._file.row("SELECT value FROM settings WHERE name = 'months'")
        return max(int(row["value"]), LEAST_MONTHS) if row is not None else USUAL_MONTHS

    def keep_for(self, months: int, by: Who) -> None:
        """From now on keep entries for so many months. Raises ValueError for fewer than six."""
        if months < LEAST_MONTHS:
            raise ValueError(f"at least {LEAST_MONTHS} months")
        self._own.note(by, "retention_set", what=f"{self.months} 个月改为 {months} 个月", durable=True)
        with self._file.writing() as db:
            db.execute("INSERT OR REPLACE INTO settings (name, value) VALUES ('months', ?)", (str(months),))

    def prune(self) -> int:
        """Delete what is older than that; how many entries went from this view."""
        before = months_before(self._now(), self.months)
        with self._lock:
            self._take_own()
            self._own.prune(before, Actor("county", "县中心", "station"), up_to=self._own.head)
            with self._file.writing() as db:
                # Whole batches, so that what is left of one can still be held against its document.
                old = db.execute(
                    "DELETE FROM entries WHERE batch != :own AND batch IN "
                    "(SELECT batch FROM entries GROUP BY batch HAVING max(at) < :before)",
                    {"own": self._own_batch, "before": rfc3339(before)},
                ).rowcount
                old += db.execute(
                    "DELETE FROM entries WHERE batch = ? AND position <= ?", (self._own_batch, self._own.pruned)
                ).rowcount
        return int(old)

    def close(self) -> None:
        self._file.close()


def _hashes(document: Document) -> list[str] | None:
    """The hashes of a batch's entries; None for what only bears its name."""
    try:
        return hashes_of(document) if is_batch_shaped(document) else None
    except NotCanonical:
        return None


def _found(row: dict[str, Any], suspected: Set[tuple[str, int]]) -> Found:
    entry = as_entry(row)
    fits = chained(row["before"], entry) == row["hash"]
    return Found(row["station"], row["position"], entry, fits and (row["station"], row["position"]) not in suspected)
