"""The log of acts on its way to the county: batches, signed and chained, in the station's own database."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import takewhile

from casework.audit_chain import Finding
from casework.canonical import Document
from casework.documents import audit
from casework.documents.audit import Entry
from casework.times import Hlc, milliseconds, parse_rfc3339
from sync.peer import StorageFull, Writer
from sync.store import Store
from web.audit import USUAL_MONTHS, Actor, AuditLog, months_before
from web.cases.desk import Key

ENTRIES = 200
EVERY = timedelta(hours=1)
PRUNE_EVERY = timedelta(days=1)


class Batches:
    """Cuts what the log has gathered into documents: when there are `entries` of them or the oldest is `every` old, and
    when somebody signs out. The first two are seen at the next contact: nobody's act waits for a signature over two
    hundred others. A station where nothing happens cuts nothing.

    A batch is first kept in the log's own file and then saved: after a power cut the same document is saved again, and
    never another one of the same entries.
    """

    def __init__(
        self,
        log: AuditLog,
        *,
        station: str,
        name: str,
        home: Callable[[], Store],
        writer: Callable[[], Writer],
        key: Callable[[], Key],
        now: Callable[[], datetime],
        entries: int = ENTRIES,
        every: timedelta = EVERY,
    ) -> None:
        self._log = log
        self._station = station
        self._who = Actor("station", name, "station")
        self._home = home
        self._writer = writer
        self._key = key
        self._now = now
        self._entries = entries
        self._every = every
        self._lock = threading.RLock()
        self._pruned_at: datetime | None = None
        log.file.table(
            "batches",
            {"serial": int, "id": str, "at": str, "position": int, "last": int, "hash": str, "body": str},
            pk="serial",
        )
        row = log.file.row("SELECT max(last) AS last FROM batches")
        # The running number of the last entry that is in a batch.
        self._cut_up_to = int(row["last"] or 0) if row is not None else 0
        log.on_written(self._written)

    def cut_when_due(self) -> None:
        """Cut if there are enough entries that no batch has, or the oldest is old enough. Raises `StorageFull`."""
        with self._lock:
            self._save()
            oldest = self._log.rows(self._cut_up_to, 1)
            enough = self._log.head - self._cut_up_to >= self._entries
            # A clock that was set back must not put it off for years.
            if oldest and (enough or abs(self._now() - parse_rfc3339(oldest[0].entry["at"])) >= self._every):
                self.cut()

    def cut(self) -> None:
        """Everything that no batch has yet, into batches. Raises `StorageFull`."""
        with self._lock:
            self._save()
            while rows := self._log.rows(self._cut_up_to, self._entries):
                before = self._log.hash_of(rows[0].position - 1)
                newest = self._log.file.row("SELECT serial, id, at FROM batches ORDER BY serial DESC LIMIT 1")
                stamp = Hlc.parse(newest["at"]) if newest is not None else None
                hlc = Hlc.tick(milliseconds(self._now()), stamp, self._station)
                document = audit.compose(
                    station=self._station,
                    incarnation=self._log.incarnation,
                    serial=newest["serial"] + 1 if newest is not None else 1,
                    prev=newest["id"] if newest is not None else None,
                    position=rows[0].position,
                    before=before if before is not None else audit.BEGINNING,
                    entries=[row.entry for row in rows],
                    hashes=[row.hash for row in rows],
                    at=hlc,
                    key=self._key().id,
                    sign=self._key().sign,
                )
                with self._log.file.writing() as db:
                    db.execute(
                        "INSERT INTO batches (serial, id, at, position, last, hash, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
                        (
                            document["serial"],
                            document["_id"],
                            hlc.text(),
                            document["position"],
                            rows[-1].position,
                            document["last"],
                            json.dumps(document, ensure_ascii=False),
                        ),
                    )
                self._cut_up_to = rows[-1].position
                self._save()

    def prune(
        self, missing: Callable[[Mapping[str, Sequence[str]]], Collection[str]], months: int = USUAL_MONTHS
    ) -> int:
        """Delete the entries older than so many months (never fewer than six) that the county holds; how many went.

        `missing(revisions by id)` says which of these documents the county has not. Asked once a day at most.
        """
        with self._lock:
            now = self._now()
            if self._pruned_at is not None and abs(now - self._pruned_at) < PRUNE_EVERY:
                return 0
            before = months_before(now, months)
            old = self._log.file.rows(
                "SELECT id, last FROM batches WHERE body IS NULL AND last > ? AND at < ? ORDER BY serial LIMIT 200",
                (self._log.pruned, Hlc(milliseconds(before), 0, self._station).text()),
            )
            self._pruned_at = now
            if not old:
                return 0
            lacking = missing({row["id"]: [f"1-{row['id'].rpartition(':')[2]}"] for row in old})
            held = list(takewhile(lambda row: row["id"] not in lacking, old))
            return self._log.prune(before, self._who, up_to=held[-1]["last"]) if held else 0

    def _written(self, entries: Sequence[Entry]) -> None:
        if any(entry["act"] == "signed_out" for entry in entries):
            # The entry itself is written; a batch that finds no room now is cut by the next contact.
            with suppress(StorageFull):
                self.cut()

    def _save(self) -> None:
        for row in self._log.file.rows("SELECT serial, body FROM batches WHERE body IS NOT NULL ORDER BY serial"):
            self._home().save([json.loads(row["body"])], writer=self._writer())
            with self._log.file.writing() as db:
                db.execute("UPDATE batches SET body = NULL WHERE serial = ?", (row["serial"],))


def check(log: AuditLog, home: Store) -> list[Finding]:
    """What is wrong with a station's log: in itself, and against the batches that were signed of it."""
    found = log.check()
    for batch in home.range("audit:", "audit;"):
        if batch.get("incarnation") != log.incarnation:
            continue
        end = batch["position"] + len(batch["entries"]) - 1
        if end >= log.pruned and log.hash_of(end) != batch["last"]:
            found.append(_changed(batch, end))
    return sorted(set(found))


def _changed(batch: Document, end: int) -> Finding:
    return Finding(
        batch["position"],
        f"第 {batch['position']} 条到第 {end} 条和已经签名送出的不一样：整段被换过，或从旧备份恢复过。",
    )
