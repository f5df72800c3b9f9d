"""The catalogue at the station: the newest release that holds, switched over whole, and the search in it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from casework.canonical import Document
from casework.documents import release as releases
from casework.documents import words as words_type
from casework.documents.item import item_id
from casework.documents.paper import paper_id
from casework.documents.register import Register
from casework.documents.release import Listing, ReleaseProblem, ReleaseRefused
from casework.times import rfc3339
from sync.sqlite import sqlite3
from sync.store import Store
from web.guides import index as guide_index
from web.guides.index import GuideIndex

if TYPE_CHECKING:
    from sqlite3 import Connection

# Another number, and what an older version has materialised is made anew from the release.
LAYOUT: Final = 4
_AFTER_RELEASES: Final = "release:\uffff"
_MOST_PROBLEMS: Final = 20
# The index and the lists are made from documents with these ids.
_LOOKED_UP_BY: Final = ("item:", "words:")

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS guide_release (
  number INTEGER NOT NULL, at TEXT NOT NULL, since TEXT NOT NULL, layout INTEGER NOT NULL
) STRICT;
-- Every document of the release in use, as the county published it, and its list by the way.
CREATE TABLE IF NOT EXISTS guide_documents (
  id TEXT PRIMARY KEY, rev TEXT NOT NULL, sha256 TEXT NOT NULL, document TEXT NOT NULL
) STRICT, WITHOUT ROWID;
-- What follows is made from them.
CREATE TABLE IF NOT EXISTS guide_items (
  place INTEGER PRIMARY KEY, position INTEGER NOT NULL, code TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
  department TEXT NOT NULL, categories TEXT NOT NULL, level TEXT NOT NULL, case_type TEXT NOT NULL,
  village_role TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS guide_categories (
  name TEXT NOT NULL, place INTEGER NOT NULL, PRIMARY KEY (name, place)
) STRICT, WITHOUT ROWID;
"""
_LOOKUPS: Final = ("guide_items", "guide_categories", *guide_index.TABLES)
# Tables of layouts of before, too.
_OWN_TABLES: Final = ("guide_release", "guide_documents", "guide_calendars", "guide_papers", *_LOOKUPS)


@dataclass(frozen=True, slots=True)
class ReleaseInUse:
    """The release that this station answers from: published `at`, in use here `since` (both RFC 3339)."""

    number: int
    at: str
    since: str


@dataclass(frozen=True, slots=True)
class ItemRow:
    """One line of a list of items; `level` is who decides: village, township or county."""

    code: str
    name: str
    department: str
    categories: tuple[str, ...]
    level: str
    case_type: str
    village_role: str


@dataclass(frozen=True, slots=True)
class Category:
    """A group that items are looked up by, and how many it has."""

    name: str
    items: int


@dataclass(frozen=True, slots=True)
class Hit:
    """An item that answers a question; `matched_on` is the `{field, text, how}` that spoke for it most: `how` is
    `word`, `said` (another way of saying it), `sound` or `initials`.
    """

    code: str
    name: str
    department: str
    score: float
    matched_on: dict[str, str]


class Catalogue:
    """Answers every question about items, from tables of its own that only ever hold one whole release.

    `path` is the SQLite file of those tables, and of nothing else: a large release takes seconds to
    materialise, and whoever else wrote there would wait. It can be thrown away, the next `refresh` makes it
    anew. Safe to use from many threads.
    """

    def __init__(
        self,
        path: Path,
        *,
        store: Store,
        register: Callable[[], Register | None],
        now: Callable[[], datetime],
        replaced: Callable[[list[Document]], None] = lambda _documents: None,
    ) -> None:
        """`replaced` is told, before a release takes another's place, of the documents that it changes or lacks."""
        self._store = store
        self._register = register
        self._now = now
        self._replaced = replaced
        self._lock = threading.RLock()
        self._switching = threading.Lock()
        self._seen: tuple[int, int] | None = None
        self._problems: list[ReleaseProblem] = []
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = _connect(path)
        self._reader = _connect(path)
        self._lay_out()
        self._release = self._read_release()
        self._index = GuideIndex(self._reader)

    def _lay_out(self) -> None:
        tables = guide_index.LAYOUT + _TABLES
        self._writer.executescript(tables)
        if not self._writer.execute("SELECT 1 FROM guide_release WHERE layout = ?", (LAYOUT,)).fetchone():
            # `guide_gists` is of a version before this one.
            old = (*_OWN_TABLES, "guide_gists")
            self._writer.executescript("".join(f"DROP TABLE IF EXISTS {table};" for table in old) + tables)

    # Which release.

    @property
    def release(self) -> ReleaseInUse | None:
        """What is in use; None as long as no release has arrived whole."""
        return self._release

    @property
    def problems(self) -> list[ReleaseProblem]:
        """Why a newer release is not used: the first of its problems; empty when the newest one is in use."""
        return list(self._problems)

    def refresh(self) -> bool:
        """Switch to the highest release that holds completely, if there is a newer one; whether there was.

        Call it after what came in changed `catalogue`, and once at the start. Cheap when nothing is new.
        """
        with self._switching:
            register = self._register()
            if register is None:
                return False
            state = (self._store.update_seq, register.number)
            if state == self._seen:
                return False
            switched = self._newest(register)
            self._seen = state
            return switched

    def _newest(self, register: Register) -> bool:
        used = self._release.number if self._release else 0
        found: list[ReleaseProblem] = []
        switched = False
        for manifest in self._store.range(releases.release_id(used), _AFTER_RELEASES, descending=True):
            if manifest["_id"] == releases.release_id(used):
                break
            problems = self._try(manifest, register)
            if not problems:
                switched = True
                break
            found += problems
        else:
            # The county never takes a number back: a wrong release is followed by a newer one.
            older = self._store.range("release:", _AFTER_RELEASES, limit=1, descending=True)
            if used and older and older[0]["_id"] < releases.release_id(used):
                found.append(_went_back(older[0]["_id"], used))
        self._problems = found[:_MOST_PROBLEMS]
        return switched

    def _try(self, manifest: Document, register: Register) -> list[ReleaseProblem]:
        """Switch to this release; what is wrong with it if that cannot be."""
        known = self._listing()
        entries, problems = self._check(manifest, register, known)
        return problems or self._switch_to(manifest, known, entries)

    def _check(self, manifest: Document, register: Register, known: Listing) -> tuple[Listing, list[ReleaseProblem]]:
        """The whole list of the release, and what is wrong with it. `known` is the list of the release in use: what
        that has alike was looked at when it was switched to."""
        refused = releases.refusal(manifest, register)
        if refused is not None:
            return {}, [refused]
        remembered = (self._release.number, known) if self._release is not None else None
        try:
            entries = releases.whole_list(manifest, self._manifest, remembered=remembered)
        except ReleaseRefused as unknown:
            return {}, [unknown.problem]
        news = {id_: entry for id_, entry in sorted(entries.items()) if known.get(id_) != entry}
        # Asked first, cheaply: a release that is still arriving is not verified each time.
        missing = self._store.revs_diff({id_: [entry["rev"]] for id_, entry in news.items()})
        if missing:
            return entries, [releases.missing(id_) for id_ in missing]
        looked_at = (
            releases.document_problem(id_, entry, self._store.get(id_, entry["rev"]), register)
            for id_, entry in news.items()
        )
        return entries, [problem for problem in looked_at if problem is not None]

    def _manifest(self, number: int) -> Document | None:
        return self._store.get(releases.release_id(number))

    def _listing(self) -> Listing:
        """The whole list of the release in use."""
        rows = self._writer.execute("SELECT id, rev, sha256 FROM guide_documents").fetchall()
        return {id_: {"rev": rev, "sha256": sha256} for id_, rev, sha256 in rows}

    def _switch_to(self, manifest: Document, known: Listing, entries: Listing) -> list[ReleaseProblem]:
        """Materialise in one transaction what is another than in the release in use; readers see the old one until it
        is done."""
        gone = known.keys() - entries.keys()
        news = {id_: entry for id_, entry in entries.items() if known.get(id_) != entry}
        # Another file, and durable first: after a crash the old ones are kept once too often, never too seldom.
        self._replaced([document for id_ in (*gone, *news) if (document := self._published(id_)) is not None])
        database = self._writer
        database.execute("BEGIN IMMEDIATE")
        try:
            database.executemany("DELETE FROM guide_documents WHERE id = ?", ((id_,) for id_ in sorted(gone)))
            database.executemany("INSERT OR REPLACE INTO guide_documents VALUES (?, ?, ?, ?)", self._arrived(news))
            if self._release is None or any(id_.startswith(_LOOKED_UP_BY) for id_ in (*gone, *news)):
                self._write_lookups()
            database.execute("DELETE FROM guide_release")
            database.execute(
                "INSERT INTO guide_release VALUES (?, ?, ?, ?)",
                (manifest["number"], manifest["at"], rfc3339(self._now()), LAYOUT),
            )
            # From the commit on the tables are the new ones: nobody may read them with the old index.
            with self._lock:
                database.execute("COMMIT")
                self._release = self._read_release()
                self._index = GuideIndex(self._reader)
        except _GoneError as gone_since:
            # A newer revision came in since the check; its release is on its way.
            return [releases.missing(gone_since.id)]
        except (KeyError, TypeError, AttributeError, ValueError, sqlite3.IntegrityError) as unreadable:
            # Signed by the county and yet none of the items that this program knows: it must not stop the station.
            sentence = f"第 {manifest['number']} 版里有本站的程序读不了的内容（{unreadable!r:.80}）：先升级本站。"
            return [ReleaseProblem(str(manifest["_id"]), "format", sentence)]
        finally:
            if database.in_transaction:
                database.execute("ROLLBACK")
        return []

    def _arrived(self, news: Mapping[str, Mapping[str, str]]) -> Iterator[tuple[str, str, str, str]]:
        for id_, entry in news.items():
            document = self._store.get(id_, entry["rev"])
            if document is None:
                raise _GoneError(id_)
            yield id_, entry["rev"], entry["sha256"], _text(document)

    def _published(self, id_: str) -> Document | None:
        row = self._writer.execute("SELECT document FROM guide_documents WHERE id = ?", (id_,)).fetchone()
        return None if row is None else _document(row[0])

    def _write_lookups(self) -> None:
        """Make anew, within the caller's transaction, everything that is looked up in but the documents."""
        for table in _LOOKUPS:
            self._writer.execute(f"DELETE FROM {table}")  # noqa: S608 - our own table names
        rows = self._writer.execute(
            "SELECT document FROM guide_documents WHERE id >= 'item:' AND id < 'item;' ORDER BY id"
        )
        words = self._writer.execute("SELECT document FROM guide_documents WHERE id >= 'words:' AND id < 'words;'")
        guide_index.write_index(
            self._writer,
            self._listed(_document(text) for (text,) in rows),
            words_type.merged(_document(text) for (text,) in words),
        )

    def _listed(self, items: Iterable[Document]) -> Iterator[Document]:
        """The items one by one, each written to its table on the way to the index."""
        for place, item in enumerate(items):
            categories = item.get("categories") or [item["category"]]
            self._writer.execute(
                "INSERT INTO guide_items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    place,
                    item.get("order", place),
                    item["code"],
                    item["name"],
                    item["department"],
                    _text(categories),
                    item["decides"]["level"],
                    item["case_type"],
                    item["village_role"],
                ),
            )
            self._writer.executemany(
                "INSERT OR IGNORE INTO guide_categories VALUES (?, ?)", ((name, place) for name in categories)
            )
            yield item

    def _read_release(self) -> ReleaseInUse | None:
        row = self._reader.execute("SELECT number, at, since FROM guide_release").fetchone()
        return None if row is None else ReleaseInUse(*row)

    # What is in it.

    def item(self, code: str) -> Document | None:
        """The item document as the county published it, terms and signatures included."""
        with self._lock:
            return self._one(item_id(code))

    def items(self, category: str | None = None) -> list[ItemRow]:
        """The items in the county's order, all or those of one category."""
        within = "" if category is None else "WHERE place IN (SELECT place FROM guide_categories WHERE name = ?)"
        with self._lock:
            rows = self._reader.execute(
                "SELECT code, name, department, categories, level, case_type, village_role FROM guide_items "  # noqa: S608
                f"{within} ORDER BY position, code",
                () if category is None else (category,),
            ).fetchall()
        return [
            ItemRow(code, name, department, tuple(json.loads(categories)), *rest)
            for code, name, department, categories, *rest in rows
        ]

    def categories(self) -> list[Category]:
        """The categories, in the order in which the county's items first name them."""
        with self._lock:
            rows = self._reader.execute(
                "SELECT c.name, count(*) FROM guide_categories AS c JOIN guide_items USING (place) "
                "GROUP BY c.name ORDER BY min(position), c.name"
            ).fetchall()
        return [Category(*row) for row in rows]

    def calendars(self) -> list[Document]:
        """The working-day calendars of the release, by year."""
        with self._lock:
            rows = self._reader.execute(
                "SELECT document FROM guide_documents WHERE id >= 'calendar:' AND id < 'calendar;' ORDER BY id"
            ).fetchall()
        return [_document(text) for (text,) in rows]

    def paper(self, code: str) -> Document | None:
        """The county's own words for a paper; None where it has none, and the default ones stand."""
        with self._lock:
            return self._one(paper_id(code))

    def _one(self, id_: str) -> Document | None:
        row = self._reader.execute("SELECT document FROM guide_documents WHERE id = ?", (id_,)).fetchone()
        return None if row is None else _document(row[0])

    def search(self, q: str, *, category: str | None = None, limit: int = 20) -> list[Hit]:
        """What answers the question, best first; empty when nothing does, which is better than a guess.

        Without a question: all items (of the category), in the county's order.
        """
        if not q.strip():
            return [
                Hit(row.code, row.name, row.department, 0.0, {"field": "categories", "text": shown, "how": "word"})
                for row in self.items(category)[:limit]
                for shown in (category or row.categories[0],)
            ]
        with self._lock:
            among = None if category is None else self._places(category)
            hits = []
            for found in self._index.search(self._reader, q, among=among, limit=limit):
                code, name, department = self._reader.execute(
                    "SELECT code, name, department FROM guide_items WHERE place = ?", (found.item,)
                ).fetchone()
                matched_on = {"field": found.field, "text": found.text, "how": found.how}
                hits.append(Hit(code, name, department, found.score, matched_on))
            return hits

    def plain(self, text: str) -> str:
        """A text as questions are compared: simplified, lower case, without punctuation."""
        with self._lock:
            return self._index.words.plain(text)

    def blocks(self, text: str) -> bool:
        """Whether the county wants no answer to this question."""
        with self._lock:
            return self._index.words.read(text).blocked is not None

    def _places(self, category: str) -> frozenset[int]:
        rows = self._reader.execute("SELECT place FROM guide_categories WHERE name = ?", (category,))
        return frozenset(place for (place,) in rows)

    def close(self) -> None:
        """Close the file."""
        with self._switching, self._lock:
            self._reader.close()
            self._writer.close()


class _GoneError(Exception):
    """A revision that was there a moment ago."""

    def __init__(self, id_: str) -> None:
        super().__init__(id_)
        self.id = id_


def _connect(path: Path) -> Connection:
    connection: Connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    # It can be made anew from the release, so it need not reach the disk before an answer does.
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _went_back(id_: str, used: int) -> ReleaseProblem:
    return ReleaseProblem(id_, "backwards", f"县中心的最新版本是 {id_}，比本站在用的第 {used} 版还旧，不换。")


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _document(text: str) -> Document:
    document: Document = orjson.loads(text)
    return document
