"""The log of acts of one station or county (操作日志): every entry is chained to the one before it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any, Protocol

from casework.audit_chain import Finding, Row, examine_rows, gone
from casework.documents.audit import BEGINNING, Entry, chained
from casework.times import rfc3339
from sync.peer import StorageFull
from web.localfile import LocalFile

LEAST_MONTHS, USUAL_MONTHS = 6, 12
"""How long entries are kept: 网络安全法 21 asks for six months at least."""

MOST_HELD = 500
"""So many readings are kept in memory while the disk is full; the next one is refused."""

_COLUMNS = {
    "position": int,
    "at": str,
    "account": str,
    "name": str,
    "role": str,
    "act": str,
    "case_number": str,
    "what": str,
    "hash": str,
}
_SAID = "at, account, name, role, act, case_number, what"


class Who(Protocol):
    """Whoever acts: a `web.cases.desk.Person`, say."""

    @property
    def account(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def role(self) -> str: ...


@dataclass(frozen=True)
class Actor:
    """A `Who` by its words."""

    account: str
    name: str
    role: str


def as_entry(row: Any) -> Entry:
    """The entry of a table's row that has an entry's columns."""
    return Entry(
        at=row["at"],
        account=row["account"],
        name=row["name"],
        role=row["role"],
        act=row["act"],
        case=row["case_number"],
        what=row["what"],
    )


def as_values(entry: Entry) -> tuple[Any, ...]:
    """The entry's columns, in the order of a table's."""
    return (
        entry["at"], entry["account"], entry["name"], entry["role"], entry["act"], entry["case"], entry["what"],
    )  # fmt: skip


class AuditLog:
    """One file, one chain; several processes of a county write into the same. There is no switch to turn it off: what
    cannot be written down is not done.
    """

    def __init__(self, path: Path, *, now: Callable[[], datetime], random: Random) -> None:
        self.file = LocalFile(path)
        self._now = now
        self._listeners: list[Callable[[Sequence[Entry]], None]] = []
        self._held: list[Entry] = []
        self._held_lock = threading.Lock()
        self.file.table("entries", _COLUMNS, pk="position")
        self.file.index("entries", "account", "case_number", "act")
        self.file.index("entries", "at")
        # `head` is where the chain stands: what is cut off at its end is missed. `pruned` is where it begins.
        self.file.table("chain", {"name": str, "position": int, "hash": str}, pk="name")
        with self.file.writing() as db:
            if db.execute("SELECT 1 FROM chain WHERE name = 'head'").fetchone() is None:
                for name in ("head", "pruned"):
                    db.execute("INSERT INTO chain (name, position, hash) VALUES (?, 0, ?)", (name, BEGINNING))
                db.execute(
                    "INSERT INTO chain (name, hash) VALUES ('incarnation', ?)", (f"{random.getrandbits(64):016x}",)
                )
        self.is_new_to_acts = not self.file.rows("SELECT 1 FROM sqlite_master WHERE name = 'entered'")
        """Whether this log, new or of an older version, has not kept yet which acts are entered."""
        # How far the acts of each incarnation of a desk are entered, by the database that they went into.
        self.file.table("entered", {"incarnation": str, "home": str, "serial": int}, pk=("incarnation", "home"))
        self.incarnation: str = self._at("incarnation")["hash"]

    def on_written(self, listener: Callable[[Sequence[Entry]], None]) -> None:
        """`listener(entries)` is called after entries were written, outside the transaction."""
        self._listeners.append(listener)

    def entry(self, who: Who, act: str, case: str | None = None, what: str = "") -> Entry:
        """An entry of now. `what` is a short word, never personal data."""
        return Entry(
            at=rfc3339(self._now()),
            account=who.account,
            name=who.name,
            role=who.role,
            act=act,
            case=case,
            what=what[:200],
        )

    def write(self, entries: Sequence[Entry], *, durable: bool = False) -> None:
        """Chain these entries to what there is. Raises `StorageFull`.

        What changes something is written `durable`; a reading outlasts the process, and is durable with the next one.
        A full disk must not take from people what is on it: a few hundred readings wait in memory until there is room.
        """
        with self._held_lock:
            try:
                self._write([*self._held, *entries], durable=durable)
            except StorageFull:
                if durable or len(self._held) >= MOST_HELD:
                    raise
                self._held += entries
                return
            self._held.clear()
        for listener in self._listeners:
            listener(entries)

    def write_acts(self, entries: Sequence[Entry], incarnation: str, home: str, serial: int) -> None:
        """Enter acts before their events are stored: the last will be number `serial` of this incarnation's in `home`.

        Not durable by itself, for the event is about to be, and says the same: what a power cut takes from here is
        entered again from the events at the next start (`enter_missing`). So an act costs one wait for the disk, and
        there is still no event that the log does not know. Raises `StorageFull`.
        """
        with self._held_lock:
            with self.file.writing(durable=False) as db:
                _chain(db, [*self._held, *entries])
                _enter(db, incarnation, home, serial)
            self._held.clear()
        for listener in self._listeners:
            listener(entries)

    def entered(self, incarnation: str, home: str) -> int:
        """The serial of the last act of this incarnation in this database that is entered; 0 for none."""
        row = self.file.row("SELECT serial FROM entered WHERE incarnation = ? AND home = ?", (incarnation, home))
        return int(row["serial"]) if row is not None else 0

    def enter_missing(self, entries: Mapping[int, Entry], incarnation: str, home: str) -> int:
        """Enter those of these acts, by serial, that the log has not; how many. Raises `StorageFull`."""
        with self.file.writing() as db:
            known = self.entered(incarnation, home)
            missing = sorted(serial for serial in entries if serial > known)
            if missing:
                _chain(db, [entries[serial] for serial in missing])
                _enter(db, incarnation, home, missing[-1])
        return len(missing)

    def take_as_entered(self, ledgers: Iterable[tuple[str, str, int]]) -> None:
        """(incarnation, home, serial): what a log of before has entered without keeping how far."""
        with self.file.writing() as db:
            for incarnation, home, serial in ledgers:
                _enter(db, incarnation, home, serial)
        self.is_new_to_acts = False

    def _write(self, entries: Sequence[Entry], *, durable: bool) -> None:
        with self.file.writing(durable=durable) as db:
            _chain(db, entries)

    def note(self, who: Who, act: str, case: str | None = None, what: str = "", *, durable: bool = False) -> None:
        """One entry of now."""
        self.write([self.entry(who, act, case, what)], durable=durable)

    def has(self, account: str, act: str, case: str | None, *, since: datetime) -> bool:
        """Whether this account has such an entry since then."""
        found = self.file.row(
            "SELECT 1 FROM entries WHERE account = ? AND case_number IS ? AND act = ? AND at >= ? LIMIT 1",
            (account, case, act, rfc3339(since)),
        )
        return found is not None

    @property
    def head(self) -> int:
        """The running number of the last entry."""
        return int(self._at("head")["position"])

    @property
    def pruned(self) -> int:
        """The running number of the last entry that was deleted for its age; 0 for none."""
        return int(self._at("pruned")["position"])

    def rows(self, after: int, limit: int) -> list[Row]:
        """Entries after this running number, oldest first."""
        found = self.file.rows("SELECT * FROM entries WHERE position > ? ORDER BY position LIMIT ?", (after, limit))
        return [Row(row["position"], as_entry(row), row["hash"]) for row in found]

    def hash_of(self, position: int) -> str | None:
        """The hash of an entry, also of the last that was deleted; None when it is not there."""
        for name in ("pruned", "head"):
            if self._at(name)["position"] == position:
                return str(self._at(name)["hash"])
        row = self.file.row("SELECT hash FROM entries WHERE position = ?", (position,))
        return str(row["hash"]) if row is not None else None

    def check(self) -> list[Finding]:
        """Every entry that was altered or is gone, in words; empty when the chain holds from end to end."""
        start, head = self._at("pruned"), self._at("head")
        found = examine_rows(self._all(start["position"]), position=start["position"], before=start["hash"])
        last = self.file.row("SELECT position, hash FROM entries ORDER BY position DESC LIMIT 1") or start
        if last["position"] < head["position"]:
            found.append(gone(last["position"] + 1, head["position"]))
        elif (last["position"], last["hash"]) != (head["position"], head["hash"]):
            found.append(Finding(head["position"], f"第 {head['position']} 条之后被加进了东西，或链尾被改过。"))
        said = self.file.row("SELECT what FROM entries WHERE act = 'pruned' ORDER BY position DESC LIMIT 1")
        if start["position"] and (said is None or said["what"] != pruned_up_to(start["position"])):
            # Whoever takes out the beginning and says that it was old would have to have written so, in the chain.
            found.append(gone(1, start["position"]))
        return sorted(found)

    def prune(self, before: datetime, who: Who, *, up_to: int) -> int:
        """Delete the entries from before then, from the oldest on and never beyond `up_to`; how many went.

        That they went is an entry itself.
        """
        start = self._at("pruned")
        row = self.file.row("SELECT min(position) AS position FROM entries WHERE at >= ?", (rfc3339(before),))
        youngest = row["position"] if row is not None else None
        last = min(up_to, (youngest or self.head + 1) - 1)
        anchor = self.hash_of(last) if last > start["position"] else None
        if anchor is None:
            return 0
        self.note(who, "pruned", what=pruned_up_to(last), durable=True)
        with self.file.writing() as db:
            db.execute("DELETE FROM entries WHERE position <= ?", (last,))
            db.execute("UPDATE chain SET position = ?, hash = ? WHERE name = 'pruned'", (last, anchor))
        return last - int(start["position"])

    def close(self) -> None:
        self.file.close()

    def _all(self, after: int) -> Iterator[Row]:
        while rows := self.rows(after, 1000):
            yield from rows
            after = rows[-1].position

    def _at(self, name: str) -> dict[str, Any]:
        row = self.file.row("SELECT position, hash FROM chain WHERE name = ?", (name,))
        assert row is not None
        return row


def _chain(db: Any, entries: Sequence[Entry]) -> None:
    head = db.execute("SELECT position, hash FROM chain WHERE name = 'head'").fetchone()
    position, last = head["position"], head["hash"]
    for entry in entries:
        position, last = position + 1, chained(last, entry)
        db.execute(
            f"INSERT INTO entries (position, {_SAID}, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            (position, *as_values(entry), last),
        )
    db.execute("UPDATE chain SET position = ?, hash = ? WHERE name = 'head'", (position, last))


def _enter(db: Any, incarnation: str, home: str, serial: int) -> None:
    db.execute(
        "INSERT OR REPLACE INTO entered (incarnation, home, serial) VALUES (?, ?, ?)", (incarnation, home, serial)
    )


def pruned_up_to(position: int) -> str:
    return f"到第 {position} 条"


def months_before(moment: datetime, months: int) -> datetime:
    """The same day so many months ago, or the last of that month; never fewer than six months."""
    asked = max(months, LEAST_MONTHS)
    year, month = divmod(moment.year * 12 + moment.month - 1 - asked, 12)
    for day in range(moment.day, 27, -1):
        try:
            return moment.replace(year=year, month=month + 1, day=day)
        except ValueError:
            continue
    return moment.replace(year=year, month=month + 1)


def in_words(findings: Iterable[Finding]) -> list[str]:
    return [finding.sentence for finding in findings]
