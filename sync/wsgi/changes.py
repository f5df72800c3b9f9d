"""The changes feed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple
from urllib.parse import unquote

from werkzeug.wrappers import Response

from sync.bodies import json_bytes
from sync.peer import BadRequest, Change, Document, NotBuilt, NotFound, PeerError, Style
from sync.selector import picking, selector
from sync.served import Opened
from sync.wsgi.asked import not_allowed
from sync.wsgi.call import DatabaseCall
from sync.wsgi.feed import plain_feed
from sync.wsgi.pages import in_pages, size_of
from sync.wsgi.responses import listed, stream
from sync.wsgi.seats import Seated, Wait
from sync.wsgi.shown import whole

_ROWS_AT_A_TIME: Final = 500


class _Filter(NamedTuple):
    """Which rows are wanted: of these documents, with such ids, with a revision that matches; or all. `pick`
    says what of a document is shown.
    """

    doc_ids: Sequence[str] | None = None
    is_wanted: Callable[[str], bool] | None = None
    matches: Callable[[Document], bool] | None = None
    pick: Callable[[Document], Document] | None = None


def changes(call: DatabaseCall) -> Response:
    """`_changes`: the rows that there are, and with `feed` those that come."""
    if (plain := plain_feed(call)) is not None:
        return plain
    feed = call.args.get("feed", "normal")
    if feed == "eventsource":
        raise NotBuilt("feed=eventsource is left out here: normal, longpoll and continuous are there.")
    if feed not in ("normal", "longpoll", "continuous", "live"):
        raise BadRequest("Supported `feed` types: normal, continuous, live, longpoll, eventsource")
    walk = _Walk(call, _filter(call))
    if feed == "normal":
        return stream(walk.normal())
    timeout = call.integer("timeout", -1)
    beat = _heartbeat(call)
    rows = walk.rows()
    if feed == "longpoll" and (row := next(rows, None)) is not None:
        # There is something already: nobody waits, and the answer may be packed.
        return stream(walk.whole(itertools.chain((row,), rows)))
    waiting = walk.lines if feed in ("continuous", "live") else walk.first_news
    if walk.descending or not call.seats.take():
        # A feed that is walked back has an end. Or all seats are taken: an answer at once, and the client asks again.
        return stream(waiting(rows, call.seats.wait(0, None)))
    wait = call.seats.wait(
        None if timeout < 0 else timeout,
        beat,
        gone=call.request.environ.get("waitress.client_disconnected", lambda: False),
    )
    response = Response(Seated(waiting(rows, wait), call.seats.leave), content_type="application/json")
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _filter(call: DatabaseCall) -> _Filter:
    """What `filter` asks for. Raises `NotBuilt` for the functions of design documents."""
    if call.request.method not in ("GET", "HEAD", "POST"):
        raise not_allowed("GET,HEAD,POST")
    posted = call.request.method == "POST"
    body = call.object() if posted and call.has_body() else {}
    match call.args.get("filter"):
        case None | "":
            return _Filter()
        case "_doc_ids":
            ids = body.get("doc_ids")
            if ids is None and "doc_ids" in call.args:
                ids = call.parameter("doc_ids")
            if not isinstance(ids, list) or not all(isinstance(id_, str) for id_ in ids):
                raise BadRequest("`doc_ids` filter parameter is not a list of doc ids.")
            return _Filter(doc_ids=ids)
        case "_design":
            return _Filter(is_wanted=lambda id_: id_.startswith("_design/"))
        case "_selector":
            if not posted:
                raise BadRequest("Selector must be specified in POST payload")
            fields = body.get("fields")
            return _Filter(matches=selector(body.get("selector")), pick=None if fields is None else picking(fields))
        case "_view":
            view = call.args.get("view", "")
            if not view:
                raise BadRequest("`view` filter parameter is not provided.")
            raise _not_run(call, "view", view)
        case name if name.startswith("_"):
            raise BadRequest("unknown builtin filter name")
        case name:
            raise _not_run(call, "filter", name)


def _not_run(call: DatabaseCall, kind: str, name: str) -> PeerError:
    """Why a design document's function takes no rows: there is none of that name, or there is and it is not run here.

    https://docs.couchdb.org/en/stable/api/database/changes.html#filtering
    """
    match [unquote(part) for part in name.split("/") if part]:
        case [design, function]:
            found: object = call.store.get(f"_design/{design}")
            if found is None:
                return NotFound("missing")
            for key in (f"{kind}s", function):
                if not isinstance(found, dict) or key not in found:
                    return NotFound(f"missing json key: {key}")
                found = found[key]
            return NotBuilt(f"The {kind} {name[:60]} is not run here; _doc_ids, _design and _selector are there.")
        case _:
            return BadRequest(f"`{kind}` must be of the form `designname/{kind}name`")


class _Walk:
    """A walk along a changes feed in pages, so that a long one is never held whole."""

    def __init__(self, call: DatabaseCall, wanted: _Filter) -> None:
        self.call = call
        self.wanted = wanted
        self.descending = call.flag("descending")
        self.include_docs = call.flag("include_docs")
        self.style: Style = "all_docs" if call.args.get("style") == "all_docs" else "main_only"
        self.interval = call.integer("seq_interval", 1)
        if self.interval < 1:
            raise BadRequest("seq_interval must be a positive integer.")
        self.left = call.integer("limit", 1 << 62)
        self.told = 0
        since = call.request.headers.get("Last-Event-ID") or call.args.get("last-event-id") or call.args.get("since")
        self.since: int | str = (since or "0").strip('"')
        self.before: int | str | None = None
        self.pending = 0
        self.walked = 0
        # A bad `since` is answered as such, not in the middle of a list.
        self.page = self._next()

    def _next(self) -> list[Change]:
        size = _ROWS_AT_A_TIME
        if self.left == 0 or (self.wanted.is_wanted is None and self.wanted.matches is None):
            size = min(size, self.left)
        if self.left > 0 and self.wanted.doc_ids is not None:
            size = max(size, self.left)
        found = self.call.store.changes(
            self.since,
            limit=min(size, 1 << 62),
            style=self.style,
            doc_ids=self.wanted.doc_ids,
            descending=self.descending,
            before=self.before,
        )
        if self.descending:
            info = self.call.store.info()
            if found.results:
                self.since = self.before = found.results[-1].seq
            elif self.before is None:
                self.since = info["update_seq"]
            self.walked += len(found.results)
            there_are = info["doc_count"] + info["doc_del_count"] if self.wanted.doc_ids is None else 0
            self.pending = max(0, there_are - self.walked)
        else:
            self.since, self.pending = found.last_seq, found.pending or 0
        self.full = len(found.results) == size
        return found.results

    def rows(self) -> Iterator[bytes]:
        """The rows that there are now, as JSON; and again those that are new when it is asked again."""
        while self.left > 0:
            page, self.page = self.page, []
            for number, (change, row) in enumerate(self._shown(page), 1):
                if row is None:
                    continue
                yield row
                self.left -= 1
                if self.left <= 0:
                    self.since = change.seq
                    self.pending += len(page) - number
                    return
            if not self.full:
                return
            self.page = self._next()

    def _shown(self, page: Sequence[Change]) -> Iterator[tuple[Change, bytes | None]]:
        """Every row of a page with what is said of it: None if it is not wanted."""
        is_wanted, matches = self.wanted.is_wanted, self.wanted.matches
        if matches is None and not self.include_docs:
            yield from (
                (change, self._row(change) if not is_wanted or is_wanted(change.id) else None) for change in page
            )
            return

        def read(some: Sequence[Change]) -> list[list[Opened]]:
            return self.call.store.opened([(row.id, row.revs if matches else row.revs[:1]) for row in some])

        for change, opened in in_pages(page, read, size_of):
            kept = self._matching(change, opened) if not is_wanted or is_wanted(change.id) else None
            yield change, None if kept is None else self._row(kept, opened)

    def _matching(self, change: Change, opened: Sequence[Opened]) -> Change | None:
        """The row with those of its revisions that the selector takes; None if it takes none."""
        matches = self.wanted.matches
        if matches is None:
            return change
        revs = tuple(one.asked for one in opened if one.revision is not None and matches(one.revision.document()))
        return change._replace(revs=revs) if revs else None

    def _row(self, change: Change, opened: Sequence[Opened] = ()) -> bytes:
        self.told += 1
        seq = change.seq if self.told % self.interval == 0 else None
        row: Document = {"seq": seq, "id": change.id, "changes": [{"rev": rev} for rev in change.revs]}
        if change.deleted:
            row["deleted"] = True
        data = json_bytes(row)
        if not self.include_docs:
            return data
        # Between the row and its document somebody may have written, and somebody compacted.
        one = (opened[0].revision if opened else None) or self.call.store.revision(change.id)
        if one is None:
            shown = b"null"
        elif self.wanted.pick is not None:
            shown = json_bytes(self.wanted.pick(one.document()))
        else:
            shown = whole(self.call, one)
        return data[:-1] + b',"doc":' + shown + b"}"

    def end(self) -> bytes:
        """`last_seq` and `pending`: where to go on."""
        return json_bytes({"last_seq": self.since, "pending": self.pending})

    def normal(self) -> Iterator[bytes]:
        """The rows that there are, as one JSON object."""
        return self.whole(self.rows())

    def whole(self, rows: Iterator[bytes]) -> Iterator[bytes]:
        """These rows as one JSON object."""
        yield from listed(b'{"results":[\n', rows, b"\n],\n", b",\n")
        yield self.end()[1:] + b"\n"

    def first_news(self, rows: Iterator[bytes], wait: Wait) -> Iterator[bytes]:
        """Longpoll: one JSON object, when there is something to say or the time is over."""
        yield b'{"results":[\n'
        pauses = wait.pauses()
        while (row := next(rows, None)) is None and self.left > 0 and self._waited(pauses):
            if wait.beat_is_due():
                yield b"\n"
            rows = self.rows()
        if row is not None:
            yield from listed(b"", itertools.chain((row,), rows), b"", b",\n")
        yield b"\n],\n" + self.end()[1:] + b"\n"

    def lines(self, rows: Iterator[bytes], wait: Wait) -> Iterator[bytes]:
        """Continuous: a line for each change, until the time or the limit is over."""
        pauses = wait.pauses()
        begun = False
        while True:
            for row in rows:
                yield row + b"\n"
                wait.spoke()
                begun = True
            if not begun:
                # Before the first byte a server sends no headers either, and the client waits for those.
                yield b"\n"
            begun = True
            if self.left <= 0 or not self._waited(pauses):
                break
            if wait.beat_is_due():
                yield b"\n"
            rows = self.rows()
        yield self.end() + b"\n"

    def _waited(self, pauses: Iterator[float]) -> bool:
        """Wait once and look again; False when there is nothing more to wait for."""
        pause = next(pauses, None)
        if pause is None:
            return False
        try:
            self.call.store.wait_for_commit(pause)
            if not self.call.store.is_current():
                return False
            self.page = self._next()
        except NotFound:
            # The database was deleted: the feed is over.
            return False
        return True


def _heartbeat(call: DatabaseCall) -> int | None:
    value = call.args.get("heartbeat")
    if value in (None, "false"):
        return None
    if value == "true":
        return 60_000
    if not (value.removeprefix("-").isdecimal() and value.isascii() and len(value) < 19):
        raise BadRequest("Invalid heartbeat value. Expecting a positive integer value (in milliseconds).")
    if int(value) < 1:
        raise BadRequest("The heartbeat value should be a positive integer (in milliseconds).")
    return max(100, int(value))
