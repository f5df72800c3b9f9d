"""The changes feed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from werkzeug.wrappers import Response

from sync.bodies import json_bytes
from sync.peer import BadRequest, Change, Document, NotBuilt, Style
from sync.wsgi.call import DatabaseCall
from sync.wsgi.responses import listed, stream
from sync.wsgi.seats import Seated
from sync.wsgi.shown import whole

_ROWS_AT_A_TIME: Final = 500


def changes(call: DatabaseCall) -> Response:
    """`_changes`: the rows that there are, and with `feed` those that come."""
    doc_ids = _filtered_ids(call)
    feed = call.args.get("feed", "normal")
    since = call.request.headers.get("Last-Event-ID") or call.args.get("since", "0")
    style: Style = "all_docs" if call.args.get("style") == "all_docs" else "main_only"
    limit = max(1, call.integer("limit", 1 << 62))
    walk = _Walk(call, since.strip('"'), style, doc_ids, limit)
    match feed:
        case "normal":
            return stream(walk.normal())
        case "longpoll" | "continuous":
            timeout = call.integer("timeout", -1)
            beat = _heartbeat(call)
            waits = call.seats.wait_times(None if timeout < 0 else timeout, beat)
            if not call.seats.take():
                # All seats are taken: an answer at once, and the client asks again.
                waits = iter(())
                pieces = walk.waiting(waits, continuous=feed == "continuous", beats=bool(beat))
                return stream(pieces)
            pieces = walk.waiting(waits, continuous=feed == "continuous", beats=bool(beat))
            response = Response(Seated(pieces, call.seats.leave), content_type="application/json")
            response.headers["X-Accel-Buffering"] = "no"
            return response
    raise NotBuilt(f"feed={feed[:40]} is left out here.")


def _filtered_ids(call: DatabaseCall) -> list[str] | None:
    name = call.args.get("filter")
    body = call.object() if call.request.method == "POST" and call.request.content_length else {}
    if call.request.method != "POST":
        call.only("GET")
    if name is None:
        return None
    if name != "_doc_ids":
        raise NotBuilt(f"The filter {name[:60]} is left out here; _doc_ids is there.")
    ids = body.get("doc_ids")
    if ids is None and "doc_ids" in call.args:
        ids = call.parameter("doc_ids")
    if not isinstance(ids, list) or not all(isinstance(id_, str) for id_ in ids):
        raise BadRequest("`doc_ids` filter parameter is not a list of doc ids.")
    return ids


def change_row(call: DatabaseCall, change: Change) -> bytes:
    """One row of the feed, its document in it if asked for."""
    row: Document = {"seq": change.seq, "id": change.id, "changes": [{"rev": rev} for rev in change.revs]}
    if change.deleted:
        row["deleted"] = True
    data = json_bytes(row)
    if not call.flag("include_docs"):
        return data
    one = call.store.revision(change.id)
    return data[:-1] + b',"doc":' + (whole(call, one) if one else b"null") + b"}"


class _Walk:
    """A walk along a changes feed in pages, so that a long one is never held whole."""

    def __init__(self, call: DatabaseCall, since: str, style: Style, doc_ids: Sequence[str] | None, limit: int) -> None:
        self.call = call
        self.since: int | str = since
        self.style: Style = style
        self.doc_ids = doc_ids
        self.left = limit
        self.pending: int | None = 0
        self.descending = call.flag("descending")
        # A bad `since` is answered as such, not in the middle of a list.
        self.page = self._next()

    def _next(self) -> list[Change]:
        size = self.left if self.descending or self.doc_ids is not None else min(self.left, _ROWS_AT_A_TIME)
        found = self.call.store.changes(
            self.since,
            limit=min(size, 1 << 62),
            style=self.style,
            doc_ids=self.doc_ids,
            descending=self.descending,
        )
        self.since, self.pending = found.last_seq, found.pending
        self.left -= len(found.results)
        self.full = len(found.results) == size
        return found.results

    def rows(self) -> Iterator[bytes]:
        """The rows that there are now."""
        while True:
            yield from (change_row(self.call, change) for change in self.page)
            if not self.full or self.left <= 0:
                return
            self.page = self._next()

    def end(self) -> bytes:
        return json_bytes({"last_seq": self.since, "pending": self.pending})

    def normal(self) -> Iterator[bytes]:
        yield from listed(b'{"results":[\n', self.rows(), b"\n],\n", b",\n")
        yield self.end()[1:] + b"\n"

    def waiting(self, waits: Iterator[float], *, continuous: bool, beats: bool) -> Iterator[bytes]:
        """Longpoll: until there is something. Continuous: a line for each change, until the time is over."""
        if not continuous:
            yield b'{"results":[\n'
        first = True
        while True:
            found = False
            for row in self.rows():
                found = True
                if continuous:
                    yield row + b"\n"
                else:
                    yield row if first else b",\n" + row
                first = False
            if (found and not continuous) or self.left <= 0:
                break
            pause = next(waits, None)
            if pause is None:
                break
            if beats:
                yield b"\n"
            self.call.store.wait_for_commit(pause)
            self.page = self._next()
        yield (self.end() if continuous else b"\n],\n" + self.end()[1:]) + b"\n"


def _heartbeat(call: DatabaseCall) -> int | None:
    value = call.args.get("heartbeat")
    if value in (None, "false"):
        return None
    return 60_000 if value == "true" else max(100, call.integer("heartbeat", 60_000))
