"""`_all_docs`: documents in the order of their ids."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from werkzeug.wrappers import Response

from sync.bodies import json_bytes
from sync.peer import BadRequest, Document
from sync.served import Revision
from sync.wsgi.call import DatabaseCall
from sync.wsgi.responses import listed, stream
from sync.wsgi.shown import whole

_ROWS_AT_A_TIME: Final = 500


def all_docs(call: DatabaseCall) -> Response:
    """`_all_docs`: a range, or the ids named."""
    keys: object = None
    if call.request.method == "POST":
        keys = call.object().get("keys")
    else:
        call.only("GET")
    if keys is None and "keys" in call.args:
        keys = call.parameter("keys")
    total = call.store.info()["doc_count"]
    if keys is not None:
        if not isinstance(keys, list):
            raise BadRequest("`keys` body member must be an array.")
        head = json_bytes({"total_rows": total, "offset": None})
        return stream(listed(head[:-1] + b',"rows":[', _rows_of(call, _window(call, keys)), b"]}"))
    head = json_bytes({"total_rows": total, "offset": _offset(call)})
    return stream(listed(head[:-1] + b',"rows":[', _rows_between(call), b"]}"))


def _window(call: DatabaseCall, keys: list[object]) -> list[object]:
    if call.flag("descending"):
        keys = keys[::-1]
    keys = keys[call.integer("skip", 0) :]
    return keys[: call.integer("limit", len(keys))]


def _offset(call: DatabaseCall) -> int:
    start, _, _ = _bounds(call)
    skip = call.integer("skip", 0)
    if start is None or call.flag("descending"):
        return skip
    return call.store.count_before(start) + skip


def _bounds(call: DatabaseCall) -> tuple[str | None, str | None, bool]:
    """Lowest id, highest id, whether that is included; the highest is "" when nothing can match."""
    first = call.parameter("startkey", "start_key", "key")
    last = call.parameter("endkey", "end_key", "key")
    included = call.flag("inclusive_end", default=True)
    descending = call.flag("descending")
    low, high = (last, first) if descending else (first, last)
    # Ids are strings; in CouchDB's order numbers and the like come before all strings, arrays and objects
    # after.
    if isinstance(low, list | dict) or (high is not None and not isinstance(high, str | list | dict)):
        return None, "", False
    return (
        low if isinstance(low, str) else None,
        high if isinstance(high, str) else None,
        included or descending,
    )


def _rows_between(call: DatabaseCall) -> Iterator[bytes]:
    low, high, included = _bounds(call)
    descending = call.flag("descending")
    excluded = low if descending and not call.flag("inclusive_end", default=True) else None
    left = call.integer("limit", 1 << 62)
    skip = call.integer("skip", 0)
    while left > 0:
        found = call.store.winners(
            low,
            high,
            limit=min(left, _ROWS_AT_A_TIME),
            skip=skip,
            descending=descending,
            end_included=included,
        )
        yield from (_row(call, one.id, one) for one in found if one.id != excluded)
        left -= len(found)
        if len(found) < _ROWS_AT_A_TIME:
            return
        skip = 1
        low, high, included = (low, found[-1].id, True) if descending else (found[-1].id, high, included)


def _rows_of(call: DatabaseCall, keys: Sequence[object]) -> Iterator[bytes]:
    for first in range(0, len(keys), _ROWS_AT_A_TIME):
        some = keys[first : first + _ROWS_AT_A_TIME]
        found = call.store.winners_of([key for key in some if isinstance(key, str)])
        for key in some:
            one = found.get(key) if isinstance(key, str) else None
            yield _row(call, one.id, one) if one else json_bytes({"key": key, "error": "not_found"})


def _row(call: DatabaseCall, id_: str, one: Revision) -> bytes:
    value: Document = {"rev": one.rev} | ({"deleted": True} if one.deleted else {})
    row = json_bytes({"id": id_, "key": id_, "value": value})
    if not call.flag("include_docs"):
        return row
    return row[:-1] + b',"doc":' + (b"null" if one.deleted else whole(call, one)) + b"}"
