"""One request about one database, with what every answer to it needs."""

from __future__ import annotations

from random import Random
from typing import IO, Any

from werkzeug.wrappers import Request

from sync.peer import (
    BadRequest,
    Conflict,
    Document,
    Forbidden,
    Peer,
    PeerError,
    StorageFull,
    Writer,
    Written,
)
from sync.served import Database
from sync.wsgi import asked
from sync.wsgi.access import administers, members_rule
from sync.wsgi.seats import Seats


class DatabaseCall:
    """What somebody who is admitted to a database asks of it."""

    def __init__(
        self,
        store: Database,
        writer: Writer,
        request: Request,
        *,
        random: Random,
        seats: Seats,
        max_body_bytes: int,
        max_file_bytes: int,
    ) -> None:
        self.store = store
        self.writer = writer
        self.request = request
        self.args = request.args
        self.seats = seats
        self._random = random
        self.max_body_bytes = max_body_bytes
        self.max_file_bytes = max_file_bytes

    def only(self, method: str) -> None:
        """Raises 405 for any other method."""
        asked.only(self.request, method)

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A query parameter that is `true` or `false`."""
        return asked.flag(self.request, name, default=default)

    def integer(self, name: str, default: int) -> int:
        """A query parameter that is a number from 0 on."""
        return asked.integer(self.request, name, default)

    def parameter(self, *names: str) -> Any:
        """A query parameter that is JSON; the first of these names that is there."""
        return asked.parameter(self.request, *names)

    def has_body(self) -> bool:
        """Whether there is one (a chunked one has been gathered by the server)."""
        return (self.request.content_length or 0) > 0

    def body(self) -> bytes:
        """The whole body, unpacked."""
        return asked.body(self.request, self.max_body_bytes)

    def body_file(self) -> tuple[IO[bytes], int]:
        """The body as it came, as an open file, and its length: for what may be too long to hold."""
        return asked.body_file(self.request, self.max_file_bytes)

    def object(self, what: str = "Request body") -> Document:
        """The body as a JSON object; `what` it is called if it is none.

        A POST has to say that it is JSON: what a browser posts for any page, without asking first, cannot say so. To
        a PUT the page is not let without being asked, and CouchDB's clients often do not say.
        """
        kind = self.request.mimetype
        if kind.startswith("multipart/") or (self.request.method == "POST" and kind != "application/json"):
            raise PeerError("Content-Type must be application/json", code="bad_content_type", status=415)
        body = asked.parse_body(self.body())
        if not isinstance(body, dict):
            raise BadRequest(f"{what} must be a JSON object")
        return body

    def document(self) -> Document:
        """The body as a document."""
        return self.object("Document")

    def is_admin(self) -> bool:
        """Whether the writer administers this database."""
        return administers(self.store, self.writer)

    def for_admins(self) -> None:
        """Raises `Forbidden` for everybody else."""
        if not self.is_admin():
            raise Forbidden("You are not a db or server admin.")

    def peer(self) -> Peer:
        """The database as this writer may write to it."""
        return self.store.as_writer(self.writer, None if self.is_admin() else members_rule(self.store.rule))

    def new_id(self) -> str:
        """A random id: of a document, or for what stands between the parts of an answer."""
        return f"{self._random.getrandbits(128):032x}"

    def named_rev(self) -> Document:
        """The revision that a change says it follows, from the query or `If-Match`."""
        queried = self.args.get("rev")
        matched = self.request.headers.get("If-Match", "").strip('"')
        if queried and matched and queried != matched:
            raise BadRequest("Document rev and etag have different values")
        return {"_rev": asked.checked(queried or matched)} if queried or matched else {}

    def takes(self, kind: str) -> bool:
        """Whether `Accept` names this kind of answer."""
        named = self.request.accept_mimetypes
        return any(name.partition(";")[0].strip() == kind and quality > 0 for name, quality in named)

    def edit(self, doc: Document) -> Written:
        """Write one document. Raises what the answer says."""
        return accepted(self.peer().bulk_docs([doc])[0])


def accepted(written: Written) -> Written:
    """The answer for one document as an answer of its own. Raises what it says."""
    if written.error is None:
        return written
    reason = written.reason or ""
    for kind in (Conflict, Forbidden, StorageFull):
        if written.error == kind.code:
            raise kind(reason)
    raise BadRequest(reason, code=written.error, status=412 if written.error == "missing_stub" else 400)
