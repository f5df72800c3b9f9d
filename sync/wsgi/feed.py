"""The changes feed as replicators ask for it: every row from some point on, written by the store itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from werkzeug.wrappers import Response

from sync.bodies import json_bytes
from sync.peer import Style
from sync.served import FeedPage
from sync.wsgi.call import DatabaseCall
from sync.wsgi.responses import stream

# Whoever asks for anything else gets the answer that is put together row by row.
_PLAIN: Final = frozenset(("feed", "since", "style", "limit", "include_docs", "heartbeat", "timeout"))
_ROWS_AT_A_TIME: Final = 1000


def plain_feed(call: DatabaseCall) -> Response | None:
    """The answer to a request for all rows; None when more than that is asked for."""
    if call.request.method != "GET" or not call.args.keys() <= _PLAIN or call.args.get("feed", "normal") != "normal":
        return None
    if call.request.headers.get("Last-Event-ID"):
        return None
    style: Style = "all_docs" if call.args.get("style") == "all_docs" else "main_only"
    include_docs = call.flag("include_docs")
    left = call.integer("limit", 1 << 62)
    since = call.args.get("since", "0").strip('"')

    def page(after: str, most: int) -> FeedPage:
        size = min(most, _ROWS_AT_A_TIME)
        return call.store.feed(after, limit=size, style=style, include_docs=include_docs)

    # A bad `since` is answered as such, not in the middle of a list.
    return stream(_pieces(page(since, left), left, page))


def _pieces(found: FeedPage, left: int, page: Callable[[str, int], FeedPage]) -> Iterator[bytes]:
    yield b'{"results":[\n'
    first = True
    while True:
        if found.rows:
            yield (b"" if first else b",\n") + b",\n".join(found.rows)
            first = False
        left -= len(found.rows)
        if found.at_end or left <= 0:
            break
        found = page(found.last_seq, left)
    yield b"\n],\n" + json_bytes({"last_seq": found.last_seq, "pending": found.pending})[1:] + b"\n"
