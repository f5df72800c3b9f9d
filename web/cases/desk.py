"""The desk: where a person's act on a case becomes a signed, chained, stored event, or a clear refusal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from casework.canonical import Document, NotCanonical, canonical
from casework.case import Case, CaseFile
from casework.documents import chunk, event
from casework.documents.audit import WROTE, Entry
from casework.documents.event import By, Clock, is_event_shaped
from casework.documents.register import Register
from casework.kinds import KINDS
from casework.rights import may
from casework.times import Hlc, milliseconds, rfc3339
from sync.peer import StorageFull, Writer
from sync.store import Store
from web.audit import AuditLog
from web.cases.casebook import Casebook, Preview
from web.errors import Problem

# A correction smaller than this changes no date that anybody reads.
TELLING_MS = 60_000


@dataclass(frozen=True)
class Reading:
    """What a clock says: its own word (aware UTC), and what we believe must be added to it."""

    raw: datetime
    offset_ms: int
    how: str  # "county", "confirmed" or "unknown"

    @property
    def corrected(self) -> datetime:
        return self.raw + timedelta(milliseconds=self.offset_ms)


class Key(Protocol):
    """The key of this station or county: its name in the register, and the act of signing."""

    @property
    def id(self) -> str: ...
    def sign(self, payload: bytes) -> str: ...


@dataclass(frozen=True)
class Person:
    """Who acts: the account and the one role in which they do it."""

    account: str
    name: str
    role: str
    department: str | None = None

    def signature(self) -> By:
        return By(account=self.account, name=self.name, role=self.role, department=self.department)


@dataclass(frozen=True)
class Act:
    """One thing done to a case, before it is an event."""

    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)


class Desk:
    """Writes events for one station (or the county) in one process, under the write rule that holds for `writer`.

    Serial numbers count per (incarnation, home). The incarnation is drawn at each start of the process, so the count
    begins at 1 and a cloned or rolled-back disk can never use a number twice.
    """

    def __init__(
        self,
        *,
        station: str,
        kind: str,
        key: Callable[[], Key],
        incarnation: str,
        writer: Writer,
        home: Callable[[str], Store],
        casebook: Casebook,
        register: Callable[[], Register],
        clock: Callable[[], Reading],
        audit: AuditLog,
        item: Callable[[str, int], Document | None] = lambda _code, _release: None,
    ) -> None:
        """`item` gives an item by its code, as that release published it, or else as it is in use; None for one that
        there is no more.
        """
        self._item = item
        self.station = station
        self.kind = kind
        self.casebook = casebook
        self.audit = audit
        self._key = key
        self._incarnation = incarnation
        self._writer = writer
        self._home = home
        self._register = register
        self._clock = clock
        self._lock = threading.RLock()
        # Events that were written while nobody could vouch for the clock, by case.
        self._unsure: dict[str, list[Document]] = {}
        self._last: dict[str, tuple[int, str | None]] = {}
        self._hlc: Hlc | None = None
        for stamp in casebook.stamps(station):
            self._observe(stamp)

    def reading(self) -> Reading:
        return self._clock()

    def register(self) -> Register:
        return self._register()

    def _observe(self, stamp: str) -> None:
        """Our next stamp is greater than every stamp that we know of, but for those that run far ahead of us."""
        now_ms = milliseconds(self._clock().corrected)
        known = Hlc.parse(stamp)
        if self._hlc is None:
            self._hlc = Hlc(0, 0, self.station)
        # What this station wrote itself always counts: going back behind it would write two events at one time.
        self._hlc = max(self._hlc, known) if known.station == self.station else self._hlc.observe(known, now_ms)

    def write(
        self,
        number: str,
        acts: Sequence[Act],
        by: Person,
        *,
        beside: Sequence[Document] = (),
        notes: Mapping[str, Document] | None = None,
    ) -> list[Document]:
        """Check these acts against the case as it stands, and store them all or none; durable when this returns.

        `beside` are documents that go with them (the chunks of a file), `notes` are `_local` documents of the same
        transaction (an Idempotency-Key). Raises `Problem`: 403 not entitled, 409 not now, 422 not so, 507 stored, but
        with no room left to show it.
        """
        for act in acts:
            _refuse_what_cannot_be_signed(act)
        with self._lock:
            home = self._home(number)
            self.casebook.follow([home.database])
            events = self.casebook.events(number)
            case = self.casebook.case(number)
            documents: list[Document] = []
            for known in filter(is_event_shaped, events):
                self._observe(known["at"])
            seen = case["heads"] if case is not None else []
            serial, prev = self._last.get(home.database, (0, None))
            reading = self._clock()
            preview: Preview | None = None
            for act in acts:
                self._admit(act, by, case, number)
                self._hlc = Hlc.tick(milliseconds(reading.corrected), self._hlc, self.station)
                serial += 1
                document = event.compose(
                    case=number,
                    kind=act.kind,
                    data=dict(act.data),
                    by=by.signature(),
                    station=self.station,
                    incarnation=self._incarnation,
                    key=self._key().id,
                    at=self._hlc,
                    clock=Clock(raw=rfc3339(reading.raw), offset=reading.offset_ms, how=reading.how),
                    seen=seen,
                    home=home.database,
                    serial=serial,
                    prev=prev,
                    sign=self._key().sign,
                )
                documents.append(document)
                seen, prev = [document["_id"]], document["_id"]
                preview = self.casebook.preview([*events, *documents], after=preview)
                case = preview.case
            # Written down first: no road leads to an event that the log of acts does not know.
            entries = [self.audit.entry(by, WROTE + act.kind, number) for act in acts]
            self.audit.write_acts(entries, self._incarnation, home.database, serial)
            try:
                home.save([*beside, *documents], locals=notes or {}, writer=self._writer)
            except BaseException:
                with suppress(StorageFull):
                    self.audit.note(by, "not_saved", number)
                raise
            self._last[home.database] = (serial, documents[-1]["_id"])
            if reading.how == "unknown":
                self._unsure.setdefault(number, []).extend(documents)
            try:
                # How the case reads with all of it was found out just now.
                self.casebook.follow([home.database], expected=preview)
            except StorageFull as full:
                raise Problem(
                    507,
                    "saved_but_not_listed",
                    "已经存好了，不用再存一次。但本站磁盘满了，暂时显示不出来；请联系技术员清理磁盘，腾出地方就能看到。",
                ) from full
            return documents

    def complete_log(self) -> int:
        """Enter in the log of acts what a power cut took from it, from the events themselves; how many entries.

        To be called once at the start, when the casebook has followed the feeds.
        """
        ledgers = [(incarnation, home, serial) for incarnation, home, serial, _ in self.casebook.ledgers(self.station)]
        if self.audit.is_new_to_acts:
            self.audit.take_as_entered(ledgers)
        entered = 0
        for incarnation, home, serial in ledgers:
            if (known := self.audit.entered(incarnation, home)) < serial:
                for written in self.casebook.written(self.station, incarnation, home, after=known):
                    entries = {event["serial"]: _entry_of(event) for event in written}
                    entered += self.audit.enter_missing(entries, incarnation, home)
        return entered

    def mend_clock(self, by: Person) -> int:
        """Now that the clock is known: date anew what this process wrote before; how many events were wrong.

        Only this process's own events: of an earlier one nobody knows whether the clock was set in between.
        """
        with self._lock:
            reading = self._clock()
            if reading.how == "unknown" or not self._unsure:
                return 0
            unsure, self._unsure = self._unsure, {}
            mended = 0
            for number, events in unsure.items():
                wrong = [event for event in events if abs(event["clock"]["offset"] - reading.offset_ms) > TELLING_MS]
                if wrong:
                    data = {"events": [e["_id"] for e in wrong], "offset": reading.offset_ms, "how": reading.how}
                    self.write(number, [Act("clock_corrected", data)], by)
                    mended += len(wrong)
            return mended

    def add_file(
        self, number: str, material: str, name: str, content_type: str, content: bytes, by: Person
    ) -> Document:
        """Store a file for a material of a case: its chunks and the event that lists them, in one transaction."""
        case = self.casebook.case(number)
        if case is None:
            raise Problem(404, "no_such_case", "没有这个编号的办件。请核对编号后两段。")
        found = next((m for m in case["materials"] if material in {m["id"], m["name"]}), None)
        if found is None:
            raise Problem(
                422,
                "no_such_material",
                "材料清单里没有这一项。",
                fields={"name": f"清单里没有“{material[:40]}”，请从材料清单里选一项。"},
            )
        chunks, manifest = chunk.cut(number, content)
        file = {"name": name, "type": content_type, **manifest}
        if any(existing["id"] == manifest["id"] for existing in found["files"]):
            # The same photo once more: it is there already, and nothing is stored twice.
            return case_event_of_file(self.casebook.events(number), manifest["id"])
        act = Act("material_added", {"material": found["id"], "file": file})
        return self.write(number, [act], by, beside=chunks)[-1]

    def file(self, number: str, wanted: str) -> tuple[CaseFile, bytes]:
        """A file of a case, by its own id or by the id of its material (then the newest): its entry and its bytes.

        Raises `Problem` 404 also while some of its chunks are still on the road.
        """
        case = self.casebook.case(number)
        files: list[CaseFile] = []
        for material in case["materials"] if case is not None else []:
            if material["id"] == wanted and material["files"]:
                files = [material["files"][-1]]
                break
            files.extend(file for file in material["files"] if file["id"] == wanted)
        if not files:
            raise Problem(404, "no_such_file", "这个办件里没有这份文件。")
        manifest = files[0]
        try:
            content = chunk.join(manifest, lambda chunk_hash: self.casebook.chunk(number, chunk_hash))
        except chunk.ChunkMissing as missing:
            raise Problem(
                404, "file_on_the_way", "这份文件还没有传完，线路通了会自动传到。文字内容已经在这里。"
            ) from missing
        except chunk.FileDamaged as damaged:
            raise Problem(
                409, "file_damaged", "这份文件和登记的不一样，不能打开。请让站点重新拍照补一份。"
            ) from damaged
        return manifest, content

    def _admit(self, act: Act, by: Person, case: Case | None, number: str) -> None:
        data = dict(act.data)
        refusal = may(
            act.kind,
            by.role,
            self.kind,
            case,
            station=self.station,
            register=self._register(),
            department=by.department,
            number=number,
            data=data,
        )
        if refusal is not None:
            if refusal.status == 403:
                self.audit.note(by, "refused", number if case is not None else None, KINDS[act.kind].title)
            raise Problem(refusal.status, refusal.code, refusal.sentence)
        terms = case["item"] if case is not None else None
        item = self._item(terms["item"], terms["release"]) if terms is not None else None
        problems = KINDS[act.kind].problems(case, data, item)
        if problems:
            raise Problem(
                422,
                "not_complete",
                f"有 {len(problems)} 处要改，改好再提交。",
                fields={f"data.{path}": sentence for path, sentence in problems.items()},
            )


def _refuse_what_cannot_be_signed(act: Act) -> None:
    try:
        canonical(dict(act.data))
    except NotCanonical as error:
        raise Problem(
            422,
            "not_complete",
            "内容里有不能保存的数字或文字。金额请用分、数量请用整数。",
            fields={"data": "数字要是整数；文字里不能有坏掉的半个字符。"},
        ) from error


def _entry_of(written: Document) -> Entry:
    """What the log of acts says of an event."""
    by = written["by"]
    return Entry(
        at=rfc3339(Hlc.parse(written["at"]).moment),
        account=by["account"],
        name=by["name"],
        role=by["role"],
        act=WROTE + written["kind"],
        case=written["case"],
        what="",
    )


def case_event_of_file(events: Sequence[Document], file_id: str) -> Document:
    """The event by which this file came into its case."""
    return next(
        document
        for document in events
        if document.get("kind") == "material_added" and _file_of(document).get("id") == file_id
    )


def _file_of(document: Document) -> Mapping[str, Any]:
    data = document.get("data")
    file = data.get("file") if isinstance(data, dict) else None
    return file if isinstance(file, dict) else {}
