"""The embedded document database: one SQLite file each, with real revision trees and a changes feed."""

# What is put together into SQL are our own column lists and question marks.
# ruff: noqa: S608

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple, Protocol

import orjson

from sync import files
from sync.bodies import (
    check_id,
    document_bytes,
    inline,
    json_bytes,
    parse_document,
    parse_json,
    plain_content,
    sorted_json,
)
from sync.database_file import DatabaseFile, last_seq
from sync.peer import (
    COUNTY,
    Attachment,
    BadRequest,
    Change,
    Changes,
    Conflict,
    Document,
    Fetched,
    Forbidden,
    Missing,
    NotFound,
    PeerError,
    Seq,
    Style,
    Writer,
    WriteRule,
    Written,
)
from sync.plain import Plain, PlainPage
from sync.revisions import (
    BadRevision,
    RevisionTree,
    check_revision,
    first_revision,
    is_revision_elsewhere,
    next_revision,
    parse_revision,
    path_of,
    revisions_field,
)
from sync.rows import (
    COLUMNS,
    HEAD,
    Fresh,
    Row,
    any_here,
    changed,
    drop,
    epoch_of,
    heads_of,
    insert_plain,
    pending_after,
    property_of,
    row_of,
    rows_of,
    set_property,
    stand_of,
    stem,
    trees_of,
)
from sync.served import FeedPage, Opened, Revision
from sync.sqlite import sqlite3
from sync.write_rules import content_hash_start, named_hash

_A_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT")
_FEED_PAGE_BYTES: Final = 1 << 20
# What comes of reading what was never written so.
_UNREADABLE: Final = (ValueError, LookupError, TypeError, AttributeError)


class Codec(Protocol):
    """The one road by which bodies and files reach the disk, and come back."""

    def seal(self, data: bytes) -> bytes:
        """What is written for `data`."""
        ...

    def open(self, data: bytes) -> bytes:
        """What was given to `seal`."""
        ...


class _Plain:
    def seal(self, data: bytes) -> bytes:
        return data

    def open(self, data: bytes) -> bytes:
        return data


PLAIN: Final[Codec] = _Plain()


class Head(NamedTuple):
    """What the feed says of a document; `alone` if it never had another revision."""

    seq: int
    id: str
    rev: str
    deleted: bool
    alone: bool

    @property
    def is_new(self) -> bool:
        """Whether it was not here before this sequence."""
        return self.alone and not self.deleted and self.rev.startswith("1-")


class _Edit(NamedTuple):
    """One document on its way in."""

    id: str
    path: tuple[str, ...]  # new_edits=true: the revision that it follows, or nothing
    deleted: bool
    content: bytes
    attachments: dict[str, Document] | None
    document: Document


class _Tally:
    """What a transaction changes besides rows."""

    def __init__(self, seq: int) -> None:
        self.seq = self.first_seq = seq
        self.documents = 0
        self.deleted = 0


class Store:
    """One database in one file: a Peer that writes as the county, and more for the apps beside it.

    Safe to use from many threads. Writes return when they are durable; a full disk raises `StorageFull` and
    leaves everything as it was before that write.
    """

    # Reading from it costs no line.
    is_near = True

    def __init__(
        self,
        path: Path,
        *,
        name: str,
        random: Random,
        rule: WriteRule | None = None,
        codec: Codec = PLAIN,
        make: bool = True,
    ) -> None:
        self.database = name
        self.rule = rule
        self.path = path
        self._codec = codec
        self._random = random
        self._file = DatabaseFile.opened(path, random, make=make)
        with self._file.reading() as connection:
            self.uuid = property_of(connection, "uuid")

    @property
    def name(self) -> str:
        """Its uuid and name: a replaced file is another peer, and its checkpoints are not ours."""
        return f"store:{self.uuid}/{self.database}"

    # For the apps.

    def get(self, id: str, rev: str | None = None) -> Document | None:
        """The winning revision (None when deleted or absent), or the one named (a tombstone too), if it is
        kept.
        """
        found = self.revision(id, rev)
        return None if found is None or (rev is None and found.deleted) else found.document()

    def read(self, ids: Iterable[str]) -> list[Document]:
        """The winning revisions of these, in this order; what is deleted or absent is left out."""
        wanted = list(ids)
        with self._file.reading() as connection:
            rows = rows_of(connection, wanted)
            return [
                self._opened(row).document() for id_ in wanted if (row := rows.get(id_)) is not None and not row.deleted
            ]

    def range(self, start: str, end: str, *, limit: int | None = None, descending: bool = False) -> list[Document]:
        """The winning revisions with `start` ≤ id ≤ `end` (in either direction), deleted ones left out."""
        return [found.document() for found in self.winners(start, end, limit=limit, descending=descending)]

    def save(
        self,
        docs: Sequence[Document],
        *,
        locals: Mapping[str, Document] | None = None,
        writer: Writer | None = None,
    ) -> list[Written]:
        """Write all of them and the local documents in one transaction, or nothing; durable on return.

        Documents with a `_rev` keep it (`new_edits=false`; again: no change), others are new or follow a
        deletion. Local documents without a `_rev` replace what is there. Raises `Forbidden`, `Conflict`,
        `BadRequest`, `StorageFull`.
        """
        written: list[Written] = []
        kept = [self._edit(doc, new_edits="_rev" not in doc) for doc in docs]
        with self._file.writing(documents=True) as connection:
            tally = _Tally(last_seq(connection))
            for new_edits in (False, True):
                edits = [edit for edit, doc in zip(kept, docs, strict=True) if ("_rev" not in doc) is new_edits]
                written += self._apply(
                    connection,
                    tally,
                    edits,
                    new_edits=new_edits,
                    writer=writer or COUNTY,
                    rule=self.rule,
                    strict=True,
                )
            for id_, doc in (locals or {}).items():
                self._put_local(connection, id_, doc, must_follow="_rev" in doc)
            _count(connection, tally)
        if tally.seq != tally.first_seq:
            self._file.announce(tally.seq)
        order = {answer.id: answer for answer in written}
        return [order[edit.id] for edit in kept]

    def update(self, doc: Document, *, writer: Writer | None = None) -> Written:
        """Write one document after the revision that it names (`new_edits=true`). Raises `Conflict`,
        `Forbidden`.
        """
        return self._write([self._edit(doc, new_edits=True)], new_edits=True, writer=writer, strict=True)[0]

    def local(self, id: str) -> Document | None:
        """A local document; `id` without `_local/`."""
        with self._file.reading() as connection:
            row = connection.execute("SELECT rev, body FROM local_documents WHERE id = ?", (id,)).fetchone()
        if row is None:
            return None
        content: Document = parse_json(self._codec.open(row[1]))
        return {"_id": f"_local/{id}", "_rev": f"0-{row[0]}", **content}

    @property
    def update_seq(self) -> int:
        """The sequence of the newest change."""
        return self._file.newest_seq()

    def changes_since(self, seq: int, limit: int) -> list[tuple[int, str, bool, Document]]:
        """Up to `limit` documents changed after `seq`: sequence, id, whether deleted, winning revision."""
        with self._file.reading() as connection:
            found = connection.execute(
                f"SELECT {COLUMNS} FROM documents WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit)
            )
            rows = [Row(*row) for row in found]
        return [(row.seq, row.id, bool(row.deleted), self._opened(row).document()) for row in rows]

    def heads_since(self, seq: int) -> Iterator[Head]:
        """Of every document changed after `seq`, in the order of the feed, its winning revision without a body.

        One snapshot, read as it is asked for: to be read to its end, or closed.
        """
        with self._file.reading() as connection:
            for at, id_, rev, deleted, alone in connection.execute(
                "SELECT seq, id, rev, deleted, tree IS NULL FROM documents WHERE seq > ? ORDER BY seq", (seq,)
            ):
                yield Head(at, id_, rev, bool(deleted), bool(alone))

    def on_commit(self, callback: Callable[[str, int], None]) -> None:
        """Call with the database's name and its new update sequence after each commit, outside of locks."""
        name = self.database
        self._file.listen(lambda seq: callback(name, seq))

    def wait_for_changes(self, since: Seq, timeout_s: float) -> bool:
        """Whether something has come after `since`, as soon as it has, or when the time is over. What other processes
        write is seen within a second.
        """
        for _ in range(max(1, int(timeout_s))):
            if self.changes(since, limit=1).results:
                return True
            self.wait_for_commit(1.0)
        return bool(self.changes(since, limit=1).results)

    def wait_for_commit(self, timeout_s: float) -> None:
        """Return at this process's next commit to the file, or when the time is over."""
        self._file.wait(timeout_s)

    def security(self) -> Document:
        """The `_security` object; `{}` if none was set."""
        with self._file.reading() as connection:
            security: Document = json.loads(property_of(connection, "security"))
        return security

    def set_security(self, doc: Document) -> None:
        """Replace the `_security` object."""
        text = json_bytes(doc).decode()
        with self._file.writing() as connection:
            set_property(connection, "security", text)

    def revs_limit(self) -> int:
        """How many generations of a document's history are remembered."""
        with self._file.reading() as connection:
            return int(property_of(connection, "revs_limit"))

    def set_revs_limit(self, limit: int) -> None:
        """Remember so many generations from now on."""
        if limit < 1:
            raise BadRequest("`limit` must be greater than 0")
        with self._file.writing() as connection:
            set_property(connection, "revs_limit", str(limit))

    def as_writer(self, writer: Writer, rule: WriteRule | None = None) -> StorePeer:
        """This database as somebody else writes to it, under its own rule or another (a pull's)."""
        return StorePeer(self, writer, rule)

    def is_current(self) -> bool:
        """Whether the file is still the one at its path: another process may have deleted the database."""
        return self._file.is_current()

    def close(self) -> None:
        """Give the file back; closed when nobody else in this process has it open."""
        self._file.close()

    def close_for_all(self) -> None:
        """Close the file for everybody in this process."""
        self._file.close_for_all()

    # As a Peer.

    def info(self) -> Document:
        """As `GET /db`."""
        with self._file.reading() as connection:
            size = connection.execute("PRAGMA page_count").fetchone()[0]
            page_size = connection.execute("PRAGMA page_size").fetchone()[0]
            # Asked for at both ends of each run: in one question.
            stand = stand_of(connection)
            return {
                "db_name": self.database,
                "uuid": self.uuid,
                "update_seq": f"{stand.seq}-{stand.epoch}",
                "doc_count": stand.documents,
                "doc_del_count": stand.deleted,
                "sizes": {"file": size * page_size, "active": size * page_size, "external": size * page_size},
                "purge_seq": 0,
                "compact_running": False,
                "disk_format_version": 1,
                "instance_start_time": "0",
                "props": {},
            }

    def changes(
        self,
        since: Seq = 0,
        *,
        limit: int | None = None,
        style: Style = "main_only",
        doc_ids: Sequence[str] | None = None,
        include_docs: bool = False,
        descending: bool = False,
        before: Seq | None = None,
    ) -> Changes:
        """The rows after `since`; see `Peer.changes`. `before` is where a descending walk goes on."""
        with self._file.reading() as connection:
            start = self._position(connection, since)
            end = None if before is None else self._position(connection, before)
            columns = COLUMNS if include_docs else HEAD
            rows = list(changed(connection, columns, start, limit, doc_ids, descending=descending, before=end))
            last = last_seq(connection)
            more = limit is not None and len(rows) >= limit
            epoch = epoch_of(connection)
            results = [
                Change(
                    f"{row.seq}-{epoch}",
                    row.id,
                    tuple(row.leaves) if style == "all_docs" else (row.rev,),
                    bool(row.deleted),
                    self._document_of(row) if include_docs else None,
                )
                for row in rows
            ]
            reached = rows[-1].seq if more and rows else start if more else last
            pending = 0 if descending else pending_after(connection, start, reached, len(rows), counted=limit == 0)
        return Changes(results, f"{reached}-{epoch}", pending)

    def revs_diff(self, revs: Mapping[str, Sequence[str]]) -> dict[str, Missing]:
        """Of these revisions the ones that are missing here."""
        answer: dict[str, Missing] = {}
        with self._file.reading() as connection:
            known = trees_of(connection, list(revs))
        for id_, asked in revs.items():
            for rev in asked:
                # What only others take for a revision is not here. One of those must not hide the others from who asks;
                # it is refused when it comes.
                if not is_revision_elsewhere(rev):
                    _valid(rev)
            head = known.get(id_)
            if head is None:
                answer[id_] = Missing(list(asked), [])
                continue
            if head.tree_text is None and all(rev == head.rev for rev in asked):
                continue
            tree = head.tree
            if missing := tree.missing(asked):
                answer[id_] = Missing(missing, tree.possible_ancestors(missing))
        return answer

    def bulk_get(self, wanted: Sequence[tuple[str, str]]) -> list[Fetched]:
        """These revisions with `_revisions`, short attachments inline, long ones as `sync.files.File`."""
        fetched: list[Fetched] = []
        with self._file.reading() as connection:
            rows = rows_of(connection, [id_ for id_, _ in wanted])
            for id_, rev in wanted:
                row = rows.get(id_)
                found = self._revision_of(connection, row, rev) if row else None
                if row is None or found is None:
                    fetched.append(Fetched(id_, rev, None, "not_found", "missing"))
                    continue
                more: Document = {"_revisions": revisions_field(row.tree.path(rev))}
                size = len(found.content) + 200
                if found.attachments:
                    more["_attachments"] = self._carried(connection, found.attachments)
                    size += sum(stub["length"] for stub in found.attachments.values()) * 4 // 3
                fetched.append(Fetched(id_, rev, found.document(more), size=size))
        return fetched

    def bulk_docs(
        self,
        docs: Sequence[Document],
        *,
        new_edits: bool = True,
        writer: Writer | None = None,
        rule: WriteRule | None = None,
    ) -> list[Written]:
        """Write all that may be written in one transaction; see `Peer.bulk_docs`. What keeps its revisions comes from
        elsewhere, as JSON: NaN is not looked for in it.
        """
        answers: list[Written | None] = []
        edits: list[_Edit] = []
        for doc in docs:
            try:
                edits.append(self._edit(doc, new_edits=new_edits, from_wire=True))
                answers.append(None)
            except BadRequest as problem:
                # An edit of our own clients fails as a whole; one bad document must not stop a replication.
                if new_edits:
                    raise
                rev = doc.get("_rev")
                answers.append(
                    Written(str(doc.get("_id")), rev if isinstance(rev, str) else "", problem.code, problem.reason)
                )
        written = iter(self._write(edits, new_edits=new_edits, writer=writer, rule=rule) if edits else ())
        return [answer or next(written) for answer in answers]

    @property
    def takes_plain(self) -> bool:
        """Whether documents may be written without a look at each; see `sync.plain`."""
        return self.rule is None

    def write_plain(self, plain: Plain) -> bool:
        """Write all of them in one transaction, if none of their ids is here; False: nothing was done."""
        if self.rule is not None:
            return False
        contents = plain.contents if self._codec is PLAIN else [self._codec.seal(content) for content in plain.contents]
        with self._file.writing(documents=True) as connection:
            if any_here(connection, plain.ids):
                return False
            tally = _Tally(last_seq(connection))
            values: list[object] = [None] * (4 * len(contents))
            values[::4] = range(tally.seq + 1, tally.seq + 1 + len(contents))
            values[1::4], values[2::4], values[3::4] = plain.ids, plain.revs, contents
            insert_plain(connection, values)
            tally.documents = len(contents)
            _count(connection, tally)
        self._file.announce(tally.first_seq + len(contents))
        return True

    def plain_pages(
        self, since: Seq, *, limit: Callable[[], int], most_bytes: int
    ) -> Generator[PlainPage | Changes, None, None]:
        """The documents after `since`, their bodies not parsed; see `sync.plain`."""
        at_end = False
        while not at_end:
            page, at_end = self._plain_page(since, limit(), most_bytes)
            since = page.last_seq
            yield page

    def _plain_page(self, since: Seq, limit: int, most_bytes: int) -> tuple[PlainPage | Changes, bool]:
        """One of them, and whether it is the last."""
        ids: list[str] = []
        revs: list[str] = []
        contents: list[bytes] = []
        size = 0
        with self._file.reading() as connection:
            reached = self._position(connection, since)
            last, epoch = last_seq(connection), epoch_of(connection)
            rows = connection.execute(
                "SELECT seq, id, rev, body,"
                " deleted OR tree IS NOT NULL OR attachments IS NOT NULL OR rev NOT GLOB '1-*'"
                " FROM documents WHERE seq > ? ORDER BY seq LIMIT ?",
                (reached, limit),
            )
            for seq, id_, rev, body, is_special in rows:
                if is_special:
                    break
                reached = seq
                ids.append(id_)
                revs.append(rev)
                contents.append(body)
                size += len(body)
                if size > most_bytes:
                    break
            else:
                is_special = not ids
        if is_special:
            found = self.changes(since, limit=limit, style="all_docs", include_docs=True)
            return found, found.is_last(limit)
        if self._codec is not PLAIN:
            contents = [self._codec.open(body) for body in contents]
        return PlainPage(Plain(ids, revs, contents), f"{reached}-{epoch}"), reached >= last

    def get_local(self, id: str) -> Document | None:
        """A local document."""
        return self.local(id)

    def put_local(self, id: str, doc: Document) -> str:
        """Write a local document after the revision that it names. Raises `Conflict`."""
        with self._file.writing() as connection:
            return self._put_local(connection, id, doc, must_follow=True)

    def delete_local(self, id: str) -> None:
        """Forget a local document. Raises `NotFound`."""
        with self._file.writing() as connection:
            if connection.execute("DELETE FROM local_documents WHERE id = ?", (id,)).rowcount == 0:
                raise NotFound("missing")

    def attachment(self, id: str, name: str, *, rev: str | None = None) -> Attachment | None:
        """One file of a document."""
        with self._file.reading() as connection:
            row = row_of(connection, id)
            found = self._revision_of(connection, row, rev or row.rev) if row else None
            stub = found.attachments.get(name) if found and (rev or not found.deleted) else None
            return self._attachment(connection, stub) if stub else None

    def ensure_full_commit(self) -> None:
        """Every write here is durable when it returns."""

    # For serving.

    def revision(self, id: str, rev: str | None = None) -> Revision | None:
        """One revision (the winner, deleted or not, if none is named); None if it is not kept here."""
        with self._file.reading() as connection:
            row = row_of(connection, id)
            if row is None:
                return None
            return self._revision_of(connection, row, rev or row.rev)

    def history(self, id: str) -> tuple[RevisionTree, set[str]] | None:
        """The revision tree of a document, and the revisions whose content is still here."""
        with self._file.reading() as connection:
            row = row_of(connection, id)
            if row is None:
                return None
            kept = connection.execute("SELECT rev FROM revisions WHERE id = ?", (id,))
            return row.tree, {row.rev, *(rev for (rev,) in kept)}

    def opened(self, wanted: Sequence[tuple[str, Sequence[str] | None]], *, latest: bool = False) -> list[list[Opened]]:
        """For each id the revisions named (None: all leaves); with `latest` the leaves that follow them."""
        found: list[list[Opened]] = []
        with self._file.reading() as connection:
            rows = rows_of(connection, [id_ for id_, _ in wanted])
            for id_, revs in wanted:
                row = rows.get(id_)
                if row is None:
                    found.append([Opened(rev, None) for rev in revs or ()])
                    continue
                if row.tree_text is None and (revs is None or list(revs) == [row.rev]):
                    # Nearly all documents are of one revision: no tree to read.
                    found.append([Opened(row.rev, self._opened(row), (row.rev,))])
                    continue
                tree = row.tree
                some: list[Opened] = []
                for asked in tree.leaves() if revs is None else revs:
                    for rev in (latest and tree.leaves_after(asked)) or [asked]:
                        revision = self._revision_of(connection, row, rev)
                        some.append(Opened(asked, revision, tree.path(rev) if revision else ()))
                found.append(some)
        return found

    def inlined(self, attachments: dict[str, Document]) -> dict[str, Document]:
        """Stubs with the files themselves in them."""
        with self._file.reading() as connection:
            return self._inlined(connection, attachments)

    def file(self, digest: str, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` to `end` of a file, a piece at a time: a slow reader holds up nothing.

        Raises `PeerError` when it is not here (any more).
        """
        for number in range(start // files.PIECE_BYTES, -(-end // files.PIECE_BYTES)):
            with self._file.reading() as connection:
                piece = files.stored_piece(connection, digest, number, unseal=self._codec.open)
            first = number * files.PIECE_BYTES
            yield piece[max(0, start - first) : end - first]

    def winners(
        self,
        start: str | None = None,
        end: str | None = None,
        *,
        limit: int | None = None,
        skip: int = 0,
        descending: bool = False,
        end_included: bool = True,
        bodies: bool = True,
    ) -> list[Revision]:
        """The undeleted winning revisions between two ids, in their order; without `bodies` only their heads."""
        sql, values = f"SELECT {COLUMNS if bodies else HEAD} FROM documents WHERE deleted = 0", []
        for bound, comparison in ((start, ">="), (end, "<=" if end_included else "<")):
            if bound is not None:
                sql += f" AND id {comparison} ?"
                values.append(bound)
        sql += f" ORDER BY id {'DESC' if descending else 'ASC'} LIMIT ? OFFSET ?"
        with self._file.reading() as connection:
            rows = [Row(*row) for row in connection.execute(sql, (*values, -1 if limit is None else limit, skip))]
        return [self._opened(row) if bodies else _unopened(row) for row in rows]

    def count_before(self, id: str) -> int:
        """How many undeleted documents have a lower id."""
        with self._file.reading() as connection:
            count: int = connection.execute(
                "SELECT count(*) FROM documents WHERE deleted = 0 AND id < ?", (id,)
            ).fetchone()[0]
        return count

    def winners_of(self, ids: Sequence[str], *, bodies: bool = True) -> dict[str, Revision]:
        """The winning revisions of these documents, deleted ones too; without `bodies` only their heads."""
        with self._file.reading() as connection:
            rows = rows_of(connection, ids, COLUMNS if bodies else HEAD)
        return {id_: self._opened(row) if bodies else _unopened(row) for id_, row in rows.items()}

    def feed(self, since: Seq, *, limit: int, style: Style, include_docs: bool) -> FeedPage:
        """Rows of the changes feed as JSON, put together around bodies that are not parsed; see
        `Database.feed`.
        """
        rows: list[bytes] = []
        size = 0
        columns = COLUMNS if include_docs else HEAD
        with self._file.reading() as connection:
            reached = start = self._position(connection, since)
            last, epoch = last_seq(connection), epoch_of(connection)
            found = connection.execute(
                f"SELECT {columns} FROM documents WHERE seq > ? ORDER BY seq LIMIT ?", (reached, limit)
            )
            for seq, id_, rev, deleted, tree, attachments, body in found:
                reached = seq
                name = orjson.dumps(id_)
                leaves = f'{{"rev":"{rev}"}}'
                if style == "all_docs" and tree is not None:
                    leaves = ",".join(f'{{"rev":"{leaf}"}}' for leaf in RevisionTree.from_text(tree).leaves())
                mark = ',"deleted":true' if deleted else ""
                row = b'{"seq":"%d-%b","id":%b,"changes":[%b]%b' % (
                    *(seq, epoch.encode(), name, leaves.encode(), mark.encode()),
                )
                if not include_docs:
                    rows.append(row + b"}")
                    continue
                stubs = {"_attachments": json.loads(attachments)} if attachments else None
                document = document_bytes(id_, rev, self._codec.open(body), deleted=bool(deleted), more=stubs)
                rows.append(b'%b,"doc":%b}' % (row, document))
                size += len(document)
                if size > _FEED_PAGE_BYTES:
                    break
            at_end = len(rows) < limit and size <= _FEED_PAGE_BYTES
            if at_end:
                reached = max(reached, last)
            pending = pending_after(connection, start, reached, len(rows), counted=limit == 0)
        return FeedPage(rows, f"{reached}-{epoch}", pending, at_end)

    # Reading, inside.

    def _opened(self, row: Row) -> Revision:
        stubs = json.loads(row.attachments) if row.attachments else {}
        return Revision(row.id, row.rev, bool(row.deleted), self._codec.open(row.body), stubs)

    def _document_of(self, row: Row) -> Document:
        """The winner as a document."""
        if row.attachments or row.deleted:
            return self._opened(row).document()
        document: Document = {"_id": row.id, "_rev": row.rev}
        document |= parse_json(self._codec.open(row.body))
        return document

    def _revision_of(self, connection: sqlite3.Connection, row: Row, rev: str) -> Revision | None:
        if rev == row.rev:
            return self._opened(row)
        kept = connection.execute(
            "SELECT attachments, body FROM revisions WHERE id = ? AND rev = ?", (row.id, rev)
        ).fetchone()
        if kept is None:
            return None
        stubs = json.loads(kept[0]) if kept[0] else {}
        return Revision(row.id, rev, rev in row.tree.deleted, self._codec.open(kept[1]), stubs)

    def _attachment(self, connection: sqlite3.Connection, stub: Document) -> Attachment:
        pieces = files.stored_pieces(connection, stub["digest"], unseal=self._codec.open)
        return Attachment(stub["content_type"], stub["digest"], b"".join(pieces))

    def _inlined(self, connection: sqlite3.Connection, attachments: dict[str, Document]) -> dict[str, Document]:
        return {name: inline(self._attachment(connection, stub), stub["revpos"]) for name, stub in attachments.items()}

    def _carried(self, connection: sqlite3.Connection, attachments: dict[str, Document]) -> dict[str, Document]:
        short = {name: stub for name, stub in attachments.items() if stub["length"] <= files.INLINE_UP_TO_BYTES}
        inlined = self._inlined(connection, short)
        return {name: inlined.get(name) or self._as_file(stub) for name, stub in attachments.items()}

    def _as_file(self, stub: Document) -> Document:
        file = files.StoredFile(stub["digest"], stub["length"], self.file)
        return {"content_type": stub["content_type"], "revpos": stub["revpos"], "data": file}

    def holds_file(self, digest: str, length: int) -> bool:
        """Whether this file is here already, at whatever document."""
        with self._file.reading() as connection:
            return files.length_of(connection, digest) == length

    def _position(self, connection: sqlite3.Connection, since: Seq) -> int:
        """The place in this file's feed that a sequence stands for: never later than where the histories
        part.
        """
        if isinstance(since, int):
            return max(0, since)
        if since == "now":
            return last_seq(connection)
        number, _, token = since.partition("-")
        # CouchDB 3.5 takes a time too. Taken for a sequence of another file, it would bring everything.
        if not (number.isascii() and number.isdigit() and len(number) < 19) or _A_TIME.match(since):
            raise BadRequest(f"Malformed sequence supplied in 'since' parameter: {since[:80]!r}")
        if number == "0":
            return 0
        if not token:
            # Given back, one that never was would let whoever goes on from it miss what comes until then.
            return min(int(number), last_seq(connection))
        begun = connection.execute("SELECT number FROM epochs WHERE token = ?", (token,)).fetchone()
        if begun is None:
            # Of another file, or of a life of this one that a restored backup has wiped out.
            return 0
        following = connection.execute("SELECT start FROM epochs WHERE number = ?", (begun[0] + 1,)).fetchone()
        return min(int(number), following[0] if following else last_seq(connection))

    # Writing, inside.

    def _edit(self, doc: Document, *, new_edits: bool, from_wire: bool = False) -> _Edit:
        if from_wire:
            first = None if new_edits else first_revision(doc.get("_rev"), doc.get("_revisions"))
            content = plain_content(doc) if first is not None or (new_edits and "_rev" not in doc) else None
            # An edit may be Python's own making, and NaN would have become null.
            if content is not None and not (new_edits and b"null" in content):
                return _Edit(doc["_id"], (first,) if first else (), False, content, None, doc)
        id_ = check_id(doc.get("_id"))
        rev, revisions = doc.get("_rev"), doc.get("_revisions")
        try:
            path = () if new_edits and rev is None else path_of(rev, None if new_edits else revisions)
        except BadRevision as problem:
            raise BadRequest(str(problem)) from problem
        body, attachments = parse_document(doc)
        return _Edit(id_, path, doc.get("_deleted") is True, body, attachments, doc)

    def _write(
        self,
        edits: Sequence[_Edit],
        *,
        new_edits: bool,
        writer: Writer | None = None,
        rule: WriteRule | None = None,
        strict: bool = False,
    ) -> list[Written]:
        with self._file.writing(documents=True) as connection:
            tally = _Tally(last_seq(connection))
            written = self._apply(
                connection,
                tally,
                edits,
                new_edits=new_edits,
                writer=writer or COUNTY,
                rule=rule or self.rule,
                strict=strict,
            )
            _count(connection, tally)
        if tally.seq != tally.first_seq:
            self._file.announce(tally.seq)
        return written

    def _apply(
        self,
        connection: sqlite3.Connection,
        tally: _Tally,
        edits: Sequence[_Edit],
        *,
        new_edits: bool,
        writer: Writer,
        rule: WriteRule | None,
        strict: bool,
    ) -> list[Written]:
        """Put the edits into the open transaction. With `strict` the first refusal is raised, else it is
        answered.
        """
        heads = heads_of(connection, [edit.id for edit in edits])
        revs_limit = int(property_of(connection, "revs_limit"))
        fresh = Fresh(connection)
        written: list[Written] = []
        seal = self._codec.seal
        for edit in edits:
            id_, path, deleted, content, files, document = edit
            if id_ in fresh.ids:
                # Twice in one batch: what was taken in for it a moment ago is its head now.
                fresh.insert()
                fresh.ids.discard(id_)
                heads |= heads_of(connection, [id_])
            head = heads.get(id_)
            rev = path[0] if path else ""
            stubs = None
            try:
                tree = head.tree if head else None
                if files or new_edits:
                    path, stubs = self._followed(connection, edit, head, tree or RevisionTree(), new_edits=new_edits)
                    rev = path[0]
                if rule is not None:
                    rule({**document, "_rev": rev, "_revisions": revisions_field(path)}, writer)
            except (Forbidden, Conflict, BadRequest) as refusal:
                if strict:
                    raise
                written.append(Written(id_, rev, refusal.code, refusal.reason))
                continue
            written.append(Written(id_, rev))
            attachments = json_bytes(stubs).decode() if stubs else None
            if head is None or tree is None:
                tally.seq += 1
                tree_text = None
                if len(path) > 1:
                    tree_text = RevisionTree().merge(path, deleted=deleted, revs_limit=revs_limit).to_text()
                fresh.add(tally.seq, id_, rev, deleted, tree_text, attachments, seal(content))
                tally.documents += not deleted
                tally.deleted += deleted
                continue
            merged = tree.merge(path, deleted=deleted, revs_limit=revs_limit)
            if merged is tree:
                continue
            fresh.insert()
            tally.seq += 1
            heads[id_] = after = self._follow(
                connection, edit, seq=tally.seq, head=head, merged=merged, rev=rev, attachments=attachments
            )
            drop(connection, id_, tree.parents.keys() - merged.parents.keys())
            tally.documents += head.deleted - after.deleted
            tally.deleted += after.deleted - head.deleted
        fresh.insert()
        return written

    def _followed(
        self,
        connection: sqlite3.Connection,
        edit: _Edit,
        head: Row | None,
        tree: RevisionTree,
        *,
        new_edits: bool,
    ) -> tuple[tuple[str, ...], dict[str, Document] | None]:
        """The path of the revision that an edit makes, and its attachments as stubs. Raises `Conflict`."""
        if not new_edits:
            parsed = edit.attachments or {}
            by_place = any(entry["digest"] is None or "unpacked_length" in entry for entry in parsed.values())
            known = self._files_before(connection, head, edit.path) if by_place and head is not None else {}
            return edit.path, self._filed(connection, parsed, known, edit.path[0])
        parent = edit.path[0] if edit.path else None
        if parent is None and head is None and not edit.attachments:
            return (_revision_after(None, edit, []),), None
        if parent is None and head is not None:
            if not head.deleted:
                raise Conflict("Document update conflict.")
            # A new life of a deleted document goes on where the last one ended.
            parent = head.rev
        elif parent is not None and (head is None or parent not in tree.leaves()):
            raise Conflict("Document update conflict.")
        before = self._revision_of(connection, self._whole(connection, head), parent) if head and parent else None
        generation = parse_revision(parent)[0] + 1 if parent else 1
        known = before.attachments if before else {}
        stubs = self._filed(connection, edit.attachments or {}, known, f"{generation}-")
        names = [f"{name}\n{stub['digest']}\n{stub['content_type']}" for name, stub in (stubs or {}).items()]
        return (_revision_after(parent, edit, names), *(tree.path(parent) if parent else ())), stubs

    def _whole(self, connection: sqlite3.Connection, head: Row) -> Row:
        row = row_of(connection, head.id)
        # Written a moment ago in this same batch and not yet in its table.
        return row or head

    def _files_before(self, connection: sqlite3.Connection, head: Row, path: Sequence[str]) -> dict[str, Document]:
        """The files of the nearest revision on this path that is kept here."""
        row = self._whole(connection, head)
        kept = (self._revision_of(connection, row, rev) for rev in path[1:])
        return next((one.attachments for one in kept if one is not None), {})

    def _filed(
        self,
        connection: sqlite3.Connection,
        parsed: dict[str, Document],
        known: dict[str, Document],
        rev: str,
    ) -> dict[str, Document] | None:
        """Store the files that came along, each once, and turn all entries into stubs."""
        generation = int(rev.partition("-")[0])
        stubs: dict[str, Document] = {}
        for name, entry in parsed.items():
            data = entry.get("data")
            if data is not None:
                digest, length = entry["digest"], entry["length"]
                pieces = files.cut(data) if isinstance(data, bytes) else data.pieces()
                files.keep(connection, digest, pieces, length=length, seal=self._codec.seal, unseal=self._codec.open)
            else:
                before = known.get(name, {})
                digest = _digest_of(entry, before)
                known_length = files.length_of(connection, digest)
                if known_length is None:
                    raise BadRequest(
                        f"Invalid attachment stub in document for {name[:80]}",
                        code="missing_stub",
                        status=412,
                    )
                length = known_length
                entry["revpos"] = before.get("revpos") or entry["revpos"]
                entry["content_type"] = entry["content_type"] or before.get("content_type", "application/octet-stream")
            stubs[name] = {
                "content_type": entry["content_type"],
                "revpos": entry["revpos"] or generation,
                "digest": digest,
                "length": length,
                "stub": True,
            }
        return stubs or None

    def _follow(
        self,
        connection: sqlite3.Connection,
        edit: _Edit,
        *,
        seq: int,
        head: Row,
        merged: RevisionTree,
        rev: str,
        attachments: str | None,
    ) -> Row:
        """Add a revision to a document that is there: its body, and what changes if another revision wins
        now.
        """
        winner = merged.winner()
        deleted = int(winner in merged.deleted)
        body = self._codec.seal(edit.content)
        text = merged.to_text()
        if winner != head.rev:
            connection.execute(
                "INSERT OR REPLACE INTO revisions (id, rev, attachments, body)"
                " SELECT id, rev, attachments, body FROM documents WHERE id = ?",
                (edit.id,),
            )
        if winner == rev:
            connection.execute(
                "UPDATE documents SET seq = ?, rev = ?, deleted = ?, tree = ?, attachments = ?, body = ? WHERE id = ?",
                (seq, rev, deleted, text, attachments, body, edit.id),
            )
            return Row(seq, edit.id, rev, deleted, text, attachments, b"")
        connection.execute(
            "INSERT OR REPLACE INTO revisions (id, rev, attachments, body) VALUES (?, ?, ?, ?)",
            (edit.id, rev, attachments, body),
        )
        if winner == head.rev:
            connection.execute(
                "UPDATE documents SET seq = ?, deleted = ?, tree = ? WHERE id = ?",
                (seq, deleted, text, edit.id),
            )
            return head._replace(seq=seq, deleted=deleted, tree_text=text)
        # A tombstone ended the winner, and a leaf that had lost until now takes its place.
        connection.execute(
            "UPDATE documents SET seq = ?, rev = ?, deleted = ?, tree = ?, (attachments, body) ="
            " (SELECT attachments, body FROM revisions WHERE id = ? AND rev = ?) WHERE id = ?",
            (seq, winner, deleted, text, edit.id, winner, edit.id),
        )
        drop(connection, edit.id, {winner})
        return Row(seq, edit.id, winner, deleted, text, None, b"")

    def _put_local(self, connection: sqlite3.Connection, id_: str, doc: Document, *, must_follow: bool) -> str:
        found = connection.execute("SELECT rev FROM local_documents WHERE id = ?", (id_,)).fetchone()
        if must_follow and doc.get("_rev") != (f"0-{found[0]}" if found else None):
            raise Conflict("Document update conflict.")
        content = json_bytes({key: value for key, value in doc.items() if key[:1] != "_"})
        rev = found[0] + 1 if found else 1
        connection.execute(
            "INSERT OR REPLACE INTO local_documents (id, rev, body) VALUES (?, ?, ?)",
            (id_, rev, self._codec.seal(content)),
        )
        return f"0-{rev}"

    # Care of the file.

    def compact(self) -> None:
        """Forget the content of revisions that are no leaves, the ancestors beyond `revs_limit`, and files that no
        revision has any more.
        """
        with self._file.writing() as connection:
            stem(connection, int(property_of(connection, "revs_limit")))
            ids = [id_ for (id_,) in connection.execute("SELECT DISTINCT id FROM revisions")]
            for id_ in ids:
                row = row_of(connection, id_)
                leaves = row.leaves if row else []
                revs = {rev for (rev,) in connection.execute("SELECT rev FROM revisions WHERE id = ?", (id_,))}
                drop(connection, id_, revs - set(leaves))
            files.forget_unheld(connection)
        self._file.tidy()

    def check(self) -> list[str]:
        """What is wrong with the file, one sentence each; nothing when all is well."""
        wrong: list[str] = []
        with self._file.reading() as connection:
            try:
                wrong += [f"SQLite: {line}" for (line,) in connection.execute("PRAGMA integrity_check") if line != "ok"]
                counts = [0, 0]
                for row in map(Row._make, connection.execute(f"SELECT {COLUMNS} FROM documents ORDER BY seq")):
                    counts[row.deleted] += 1
                    wrong += [f"{row.id}: {problem}" for problem in self._wrong_with(connection, row)]
                said = [int(property_of(connection, "documents")), int(property_of(connection, "deleted"))]
                if counts != said:
                    wrong.append(f"The file says {said[0]} documents and {said[1]} deleted, it has {counts}.")
                wrong += _wrong_sequences(connection)
                wrong += self._wrong_locals(connection)
                wrong += files.wrong_files(connection, unseal=self._codec.open)
            except sqlite3.DatabaseError as problem:
                wrong.append(f"SQLite: {problem}")
            except PeerError as problem:
                wrong.append(problem.reason)
        return wrong

    def _wrong_with(self, connection: sqlite3.Connection, row: Row) -> Iterator[str]:
        try:
            tree = row.tree
            winner = tree.winner()
        except _UNREADABLE as problem:
            yield f"the revision tree cannot be read ({problem})"
            return
        if winner != row.rev or (winner in tree.deleted) != bool(row.deleted):
            yield f"the winner is {winner}, the file says {row.rev}"
        kept = connection.execute("SELECT rev FROM revisions WHERE id = ?", (row.id,))
        yield from (f"revision {rev} lies here and is not in the tree" for (rev,) in kept if rev not in tree)
        for leaf in tree.leaves():
            try:
                revision = self._revision_of(connection, row, leaf)
                if revision is None:
                    yield f"the content of leaf {leaf} is lost"
                else:
                    document = revision.document()
                    named = None if revision.deleted or revision.attachments else named_hash(document)
                    if named is not None and content_hash_start(document) != named:
                        yield f"the content of {leaf} has another hash than the one in its id"
                    for stub in revision.attachments.values():
                        if files.length_of(connection, stub["digest"]) != stub["length"]:
                            yield f"the file of {leaf} is lost or another: {stub['digest']}"
            except (*_UNREADABLE, PeerError) as problem:
                yield f"the content of {leaf} cannot be read ({problem})"

    def _wrong_locals(self, connection: sqlite3.Connection) -> Iterator[str]:
        for id_, body in connection.execute("SELECT id, body FROM local_documents"):
            try:
                parse_json(self._codec.open(body))
            except (*_UNREADABLE, PeerError) as problem:
                yield f"_local/{id_}: it cannot be read ({problem})"


class StorePeer:
    """A store as one writer sees it: reading is the same, writing goes under a rule and a name."""

    def __init__(self, store: Store, writer: Writer, rule: WriteRule | None = None) -> None:
        self.store = store
        self.writer = writer
        self._rule = rule
        self.info = store.info
        self.changes = store.changes
        self.revs_diff = store.revs_diff
        self.bulk_get = store.bulk_get
        self.get_local = store.get_local
        self.put_local = store.put_local
        self.attachment = store.attachment
        self.ensure_full_commit = store.ensure_full_commit
        self.holds_file = store.holds_file
        self.is_near = store.is_near
        self.plain_pages = store.plain_pages

    @property
    def name(self) -> str:
        return self.store.name

    @property
    def takes_plain(self) -> bool:
        """Whether this writer may write without a look at each document."""
        return self._rule is None and self.store.takes_plain

    def write_plain(self, plain: Plain) -> bool:
        """As the store's."""
        return self._rule is None and self.store.write_plain(plain)

    def bulk_docs(self, docs: Sequence[Document], *, new_edits: bool = True) -> list[Written]:
        """Write what this writer may write."""
        return self.store.bulk_docs(docs, new_edits=new_edits, writer=self.writer, rule=self._rule)


def _count(connection: sqlite3.Connection, tally: _Tally) -> None:
    for name, more in (("documents", tally.documents), ("deleted", tally.deleted)):
        if more:
            connection.execute("UPDATE properties SET value = CAST(value AS INTEGER) + ? WHERE name = ?", (more, name))


def _wrong_sequences(connection: sqlite3.Connection) -> Iterator[str]:
    """What is wrong with the order of the feed and of the lives of the file, and what belongs to no document."""
    last = last_seq(connection)
    if (first := connection.execute("SELECT min(seq) FROM documents").fetchone()[0]) is not None and first < 1:
        yield f"The first sequence is {first}."
    begun = 0
    for number, start in connection.execute("SELECT number, start FROM epochs ORDER BY number"):
        if not begun <= start <= last:
            yield f"Epoch {number} begins at {start}, after one that begins at {begun}, in a feed that ends at {last}."
        begun = max(begun, start)
    strays = connection.execute("SELECT DISTINCT id FROM revisions WHERE id NOT IN (SELECT id FROM documents)")
    yield from (f"{id_}: there are revisions and no document" for (id_,) in strays)


def _unopened(row: Row) -> Revision:
    """A revision of which only the head was read."""
    return Revision(row.id, row.rev, bool(row.deleted), b"{}", {})


def _digest_of(stub: Document, before: Document) -> str | None:
    """Which file a stub means, its own name for it or, as CouchDB finds it, the one that has its place in the revision
    `before` (or `{}`): where it has no digest, and where that is the digest of a package.
    """
    digest: str | None = stub["digest"]
    if digest is None:
        in_place = stub["revpos"] in (None, before.get("revpos"))
    else:
        in_place = (before.get("revpos"), before.get("length")) == (stub["revpos"], stub.get("unpacked_length", -1))
    return before.get("digest") if in_place else digest


def _revision_after(parent: str | None, edit: _Edit, names: Sequence[str]) -> str:
    content = {key: value for key, value in edit.document.items() if key[:1] != "_"}
    try:
        return next_revision(parent, deleted=edit.deleted, body=sorted_json(content), attachments=names)
    except BadRevision as problem:
        raise BadRequest(str(problem)) from problem


def _valid(rev: Any) -> None:
    try:
        check_revision(rev)
    except BadRevision as problem:
        raise BadRequest(str(problem)) from problem
