"""What every place that holds documents can do: the one interface of store, HTTP client and replicator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple, Protocol

Document = dict[str, Any]
"""A document as JSON gives it, `_id` and `_rev` included."""

Seq = int | str
"""An update sequence. Whoever gave it out can read it; for everybody else it is opaque."""

Style = Literal["main_only", "all_docs"]

COUNTY_ROLE: Final = "county"
ADMIN_ROLE: Final = "_admin"


class PeerError(Exception):
    """What a peer says instead of an answer. `code` is CouchDB's word for it, `status` its HTTP number."""

    code: str = "internal_server_error"
    status: int = 500

    def __init__(self, reason: str = "", *, code: str | None = None, status: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        if code is not None:
            self.code = code
        if status is not None:
            self.status = status


class NotFound(PeerError):
    """No such database, document, revision or attachment. The reason is `missing` or `deleted`, as CouchDB
    says it.
    """

    code, status = "not_found", 404


class Conflict(PeerError):
    """The revision that was to be followed is no leaf (any more)."""

    code, status = "conflict", 409


class Forbidden(PeerError):
    """Known, but not allowed: by membership or by the write rule."""

    code, status = "forbidden", 403


class Unauthorized(PeerError):
    """Not known: no credentials, wrong ones, or ones that have run out."""

    code, status = "unauthorized", 401


class BadRequest(PeerError):
    """What was sent cannot be a document, a revision or a request."""

    code, status = "bad_request", 400


class TooLarge(PeerError):
    """More bytes than this side takes in one go."""

    code, status = "too_large", 413


class StorageFull(PeerError):
    """The disk is full (or fails). Nothing of this write was kept, all of the earlier ones was."""

    code, status = "insufficient_storage", 507


class NotBuilt(PeerError):
    """Left out on purpose: better no answer than a wrong one."""

    code, status = "not_implemented", 501


class Unreachable(PeerError):
    """No answer: no line, no name, refused, or not in time."""

    code, status = "unreachable", 504


class Garbled(PeerError):
    """An answer, but not a peer's: a captive portal's page, a proxy's error, half a body."""

    code, status = "garbled", 502


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes: a name for the record, and the roles that rights hang on."""

    name: str
    roles: frozenset[str] = frozenset()

    @property
    def is_county(self) -> bool:
        return COUNTY_ROLE in self.roles or ADMIN_ROLE in self.roles


COUNTY: Final = Writer("county", frozenset({COUNTY_ROLE}))
"""The writer behind a store's own hands."""


class Written(NamedTuple):
    """What became of one document: `error` is None when it is there now (also when it was there before)."""

    id: str
    rev: str
    error: str | None = None
    reason: str | None = None


WriteRule = Callable[[Document, Writer], None]
"""Raises `Forbidden`. The document carries `_id`, the `_rev` that it would get, `_revisions` and, if so,
`_deleted`.
"""


class Change(NamedTuple):
    """A row of a changes feed: a document whose leaves are `revs` (with style main_only: its winner)."""

    seq: Seq
    id: str
    revs: tuple[str, ...]
    deleted: bool
    doc: Document | None = None


class Changes(NamedTuple):
    """A stretch of a changes feed; `last_seq` is where to go on, `pending` how many rows come after it, if
    known.
    """

    results: list[Change]
    last_seq: Seq
    pending: int | None = None

    def is_last(self, limit: int) -> bool:
        """Whether the feed ends here, if this is the answer to a question for `limit` rows."""
        return len(self.results) < limit or self.pending == 0

    def after(self, since: Seq) -> Seq:
        """Where the feed goes on, if this is what came after `since`. Raises `Garbled` where it has led nowhere."""
        return onward(since, self.last_seq) if self.results else self.last_seq


def onward(since: Seq, last_seq: Seq) -> Seq:
    """`last_seq`, where a stretch of a feed that began at `since` ends. Raises `Garbled` if they are the same: whoever
    goes on there would ask for ever.
    """
    if last_seq == since:
        raise Garbled("The changes feed does not go on: the same stretch comes again and again.", code="changed")
    return last_seq


class Missing(NamedTuple):
    """Revisions of one document that a peer lacks, and leaves of its own that may be their ancestors."""

    missing: list[str]
    possible_ancestors: list[str]


class Fetched(NamedTuple):
    """One revision that was asked for: the document with its `_revisions`, or why it could not be had."""

    id: str
    rev: str
    document: Document | None
    error: str | None = None
    reason: str | None = None
    size: int = 0  # about how many bytes it takes on the way, as far as known


class Attachment(NamedTuple):
    """A file at a document. `digest` is CouchDB's (`md5-` and base64)."""

    content_type: str
    digest: str
    data: bytes


class BrokenOff(Unreachable):
    """The line broke in the middle of an answer. `fetched` had come whole by then: it need not be asked for again."""

    def __init__(self, reason: str, fetched: Sequence[Fetched] = ()) -> None:
        super().__init__(reason)
        self.fetched = list(fetched)


class Peer(Protocol):
    """A database that can be replicated from and to. Every method may raise a `PeerError`."""

    @property
    def name(self) -> str:
        """What tells this database from all others in a checkpoint's id: its URL, or its path."""
        ...

    def info(self) -> Document:
        """As `GET /db`: `db_name`, `update_seq`, `doc_count`, `doc_del_count`, `instance_start_time`, perhaps
        `uuid`.
        """
        ...

    def changes(
        self,
        since: Seq = 0,
        *,
        limit: int | None = None,
        style: Style = "main_only",
        doc_ids: Sequence[str] | None = None,
        include_docs: bool = False,
        descending: bool = False,
    ) -> Changes:
        """The rows after `since`, each document once, at its latest place."""
        ...

    def revs_diff(self, revs: Mapping[str, Sequence[str]]) -> dict[str, Missing]:
        """Of these revisions the ones that are missing here; documents that lack nothing are left out."""
        ...

    def bulk_get(self, wanted: Sequence[tuple[str, str]]) -> list[Fetched]:
        """These (id, rev), each with `_revisions` and with its attachments inline, in the order asked for. May raise
        `BrokenOff` with some of them.
        """
        ...

    def bulk_docs(self, docs: Sequence[Document], *, new_edits: bool = True) -> list[Written]:
        """Write all that may be written, durable on return; one answer for each document, in order."""
        ...

    def get_local(self, id: str) -> Document | None:
        """A document that does not replicate; `id` without `_local/`."""
        ...

    def put_local(self, id: str, doc: Document) -> str:
        """Write it (the `_rev` in `doc` must be the stored one, absent if there is none) and return the new
        `_rev`.
        """
        ...

    def attachment(self, id: str, name: str, *, rev: str | None = None) -> Attachment | None:
        """One file of a document, of its winning revision if none is named."""
        ...

    def ensure_full_commit(self) -> None:
        """Return once everything that was acknowledged is durable."""
        ...
