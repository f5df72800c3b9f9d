"""What a server needs of a database beyond a Peer: single revisions as bytes, ranges, rights, waiting."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple, Protocol

from sync.bodies import document_bytes, parse_json
from sync.peer import Changes, Document, Peer, Seq, Style, Writer, WriteRule
from sync.revisions import RevisionTree


class Revision(NamedTuple):
    """One revision's content, still as bytes; `attachments` are stubs by name."""

    id: str
    rev: str
    deleted: bool
    content: bytes
    attachments: dict[str, Document]

    def document(self, more: Document | None = None) -> Document:
        """As a document, with further `_` fields in front of the content."""
        head: Document = {"_id": self.id, "_rev": self.rev}
        if self.deleted:
            head["_deleted"] = True
        if self.attachments:
            head["_attachments"] = self.attachments
        content: Document = parse_json(self.content)
        return {**head, **(more or {}), **content}

    def bytes(self, more: Document | None = None) -> bytes:
        """As the JSON of a document; the content is not parsed for it."""
        fields = {"_attachments": self.attachments} if self.attachments else {}
        return document_bytes(self.id, self.rev, self.content, deleted=self.deleted, more={**fields, **(more or {})})


class Opened(NamedTuple):
    """What was found for a revision that was asked for: it and its ancestors, or None if it is not kept."""

    asked: str
    revision: Revision | None
    path: tuple[str, ...] = ()


class FeedPage(NamedTuple):
    """Rows of a changes feed as the JSON of each; `last_seq` is where to go on, `pending` what comes after it."""

    rows: list[bytes]
    last_seq: str
    pending: int
    at_end: bool


class Database(Peer, Protocol):
    """One database to serve. The embedded store is one."""

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
        """As a Peer's; `before` is where a descending walk goes on."""
        ...

    @property
    def rule(self) -> WriteRule | None:
        """Its own write rule."""
        ...

    def as_writer(self, writer: Writer, rule: WriteRule | None = None) -> Peer:
        """The same as somebody else writes to it."""
        ...

    def get(self, id: str, rev: str | None = None) -> Document | None:
        """The winning revision, or the one named."""
        ...

    def revision(self, id: str, rev: str | None = None) -> Revision | None:
        """One revision (the winner, deleted or not, if none is named); None if it is not kept."""
        ...

    def history(self, id: str) -> tuple[RevisionTree, set[str]] | None:
        """The revision tree of a document, and the revisions whose content is still here."""
        ...

    def opened(self, wanted: Sequence[tuple[str, Sequence[str] | None]], *, latest: bool = False) -> list[list[Opened]]:
        """For each id the revisions named (None: all leaves); with `latest` the leaves that follow them."""
        ...

    def inlined(self, attachments: dict[str, Document]) -> dict[str, Document]:
        """Stubs with the files themselves in them."""
        ...

    def file(self, digest: str, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` to `end` of the file with this digest, in pieces."""
        ...

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
        ...

    def winners_of(self, ids: Sequence[str], *, bodies: bool = True) -> dict[str, Revision]:
        """The winning revisions of these documents, deleted ones too; without `bodies` only their heads."""
        ...

    def count_before(self, id: str) -> int:
        """How many undeleted documents have a lower id."""
        ...

    def feed(self, since: Seq, *, limit: int, style: Style, include_docs: bool) -> FeedPage:
        """The next rows after `since` as CouchDB writes them: at most `limit`, and not much more than a megabyte."""
        ...

    def local(self, id: str) -> Document | None:
        """A local document."""
        ...

    def delete_local(self, id: str) -> None:
        """Forget a local document. Raises `NotFound`."""
        ...

    def security(self) -> Document:
        """The `_security` object."""
        ...

    def set_security(self, doc: Document) -> None:
        """Replace it."""
        ...

    def revs_limit(self) -> int:
        """How many generations are remembered."""
        ...

    def set_revs_limit(self, limit: int) -> None:
        """Remember so many from now on."""
        ...

    def compact(self) -> None:
        """Forget what nothing needs any more."""
        ...

    def is_current(self) -> bool:
        """Whether the database is still there, and has not been deleted, perhaps by another process."""
        ...

    def wait_for_commit(self, timeout_s: float) -> None:
        """Return at the next commit, or when the time is over."""
        ...


class Folder(Protocol):
    """The databases to serve, by name."""

    @property
    def random(self) -> Random: ...

    def open(self, name: str) -> Database:
        """The database of that name, made if it is absent."""
        ...

    def create(self, name: str) -> Database | None:
        """A new database of that name; None if there is one already."""
        ...

    def existing(self, name: str) -> Database | None:
        """The database of that name, if there is one."""
        ...

    def names(self) -> list[str]:
        """All names, sorted."""
        ...

    def delete(self, name: str) -> None:
        """Remove a database. Raises `NotFound`."""
        ...
