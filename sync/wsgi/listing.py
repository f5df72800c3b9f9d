"""`_all_docs` and `_design_docs`: documents in the order of their ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from werkzeug.wrappers import Response

from sync.bodies import json_bytes
from sync.peer import BadRequest, Document
from sync.served import Revision
from sync.wsgi.asked import not_allowed
from sync.wsgi.call import DatabaseCall
from sync.wsgi.pages import PageSize, in_pages
from sync.wsgi.responses import stream
from sync.wsgi.shown import whole

_ROWS_AT_A_TIME: Final = 500
_NOTHING: Final = "\0"
# More rows than there can be, in a number that SQLite takes.
_ALL: Final = 1 << 62


class _Listing(NamedTuple):
    """What is asked for, by the query or by a body. Ids from `low` to `high`, None where there is no bound."""

    keys: list[object] | None
    low: str | None
    high: str | None
    low_included: bool
    high_included: bool
    descending: bool
    skip: int
    limit: int
    include_docs: bool
    update_seq: bool


def all_docs(call: DatabaseCall) -> Response:
    """`_all_docs`: a range, or the ids named."""
    return _listing(call, within=None)


def design_docs(call: DatabaseCall) -> Response:
    """`_design_docs`: the same of design documents only."""
    return _listing(call, within=("_design/", "_design0"))


def all_docs_queries(call: DatabaseCall) -> Response:
    """`_all_docs/queries`: several of them at once."""
    return _queries(call, within=None)


def design_docs_queries(call: DatabaseCall) -> Response:
    """`_design_docs/queries`."""
    return _queries(call, within=("_design/", "_design0"))


def _listing(call: DatabaseCall, within: tuple[str, str] | None) -> Response:
    body: Document = {}
    if call.request.method == "POST":
        body = call.object() if call.has_body() else {}
    elif call.request.method not in ("GET", "HEAD"):
        raise not_allowed("GET,HEAD,POST")
    return stream(_answer(call, _asked(_given(call, body), within)))


def _queries(call: DatabaseCall, within: tuple[str, str] | None) -> Response:
    call.only("POST")
    queries = call.object().get("queries")
    if not isinstance(queries, list) or not all(isinstance(query, dict) for query in queries):
        raise BadRequest("POST body must include `queries` parameter.")
    asked = [_asked(_given(call, query, goes_first=True), within) for query in queries]

    def answers() -> Iterator[bytes]:
        yield b'{"results":['
        for number, one in enumerate(asked):
            yield b"," if number else b""
            yield from _answer(call, one)
        yield b"]}"

    return stream(answers())


Given = Callable[[Sequence[str], Any, type], Any]


def _given(call: DatabaseCall, body: Mapping[str, Any], *, goes_first: bool = False) -> Given:
    """A parameter by any of its names, of the query, else of the body, which `goes_first` among several queries."""

    def given(names: Sequence[str], default: Any, kind: type) -> Any:
        if not goes_first and any(name in call.args for name in names):
            names = [name for name in names if name in call.args]
        for name in names:
            if name in body and (goes_first or name not in call.args):
                value = body[name]
                if kind is not object and (type(value) is not kind or (isinstance(value, int) and value < 0)):
                    raise BadRequest(f"Invalid value for {name}: {str(value)[:40]!r}", code="query_parse_error")
                return value
            if name in call.args:
                if kind is bool:
                    return call.flag(name)
                return call.integer(name, 0) if kind is int else call.parameter(name)
        return default

    return given


def _asked(given: Given, within: tuple[str, str] | None) -> _Listing:
    keys = given(("keys",), None, object)
    if keys is not None and not isinstance(keys, list):
        raise BadRequest("`keys` body member must be an array.")
    if keys is not None and given(("startkey", "start_key", "endkey", "end_key", "key"), None, object) is not None:
        raise BadRequest("`keys` is incompatible with `key`, `start_key` and `end_key`", code="query_parse_error")
    descending = given(("descending",), False, bool)
    included = given(("inclusive_end",), True, bool)
    first = given(("startkey", "start_key", "key"), None, object)
    last = given(("endkey", "end_key", "key"), None, object)
    low, high = (last, first) if descending else (first, last)
    low_included, high_included = (included, True) if descending else (True, included)
    # Ids are strings; in CouchDB's order numbers and the like come before all strings, arrays and objects after.
    if isinstance(low, list | dict) or (high is not None and not isinstance(high, str | list | dict)):
        low = high = _NOTHING
        high_included = False
    low = low if isinstance(low, str) else None
    high = high if isinstance(high, str) else None
    if within is not None:
        low = within[0] if low is None else max(low, within[0])
        if high is None or high >= within[1]:
            high, high_included = within[1], False
    return _Listing(
        keys,
        low,
        high,
        low_included,
        high_included,
        descending,
        skip=min(given(("skip",), 0, int), _ALL),
        limit=min(given(("limit",), _ALL, int), _ALL),
        include_docs=given(("include_docs",), False, bool),
        update_seq=given(("update_seq",), False, bool),
    )


def _answer(call: DatabaseCall, asked: _Listing) -> Iterator[bytes]:
    info = call.store.info()
    head: Document = {
        "total_rows": info["doc_count"],
        "offset": None if asked.keys is not None else _offset(call, asked),
    }
    if asked.update_seq:
        head["update_seq"] = info["update_seq"]
    yield json_bytes(head)[:-1] + b',"rows":['
    rows = _rows_between(call, asked) if asked.keys is None else _rows_of(call, asked, asked.keys)
    for number, row in enumerate(rows):
        yield b"," + row if number else row
    yield b"]}"


def _offset(call: DatabaseCall, asked: _Listing) -> int:
    if asked.descending:
        after = 0 if asked.high is None else call.store.info()["doc_count"] - call.store.count_before(asked.high + "\0")
        return int(after + asked.skip)
    return asked.skip + (0 if asked.low is None else call.store.count_before(asked.low))


def _rows_between(call: DatabaseCall, asked: _Listing) -> Iterator[bytes]:
    low, high, included = asked.low, asked.high, asked.high_included
    excluded = None if asked.low_included else asked.low
    page = PageSize()
    left, skip = asked.limit, asked.skip
    while left > 0:
        size = min(left, page.size if asked.include_docs else _ROWS_AT_A_TIME)
        found = call.store.winners(
            low,
            high,
            limit=size,
            skip=skip,
            descending=asked.descending,
            end_included=included,
            bodies=asked.include_docs,
        )
        page.was(sum(len(one.content) for one in found))
        yield from (_row(call, asked, one) for one in found if one.id != excluded)
        left -= len(found)
        if len(found) < size:
            return
        skip = 1
        if asked.descending:
            high, included = found[-1].id, True
        else:
            low = found[-1].id


def _rows_of(call: DatabaseCall, asked: _Listing, keys: list[object]) -> Iterator[bytes]:
    if asked.descending:
        keys = keys[::-1]
    keys = keys[asked.skip :][: asked.limit]

    def read(some: Sequence[object]) -> list[Revision | None]:
        found = call.store.winners_of([key for key in some if isinstance(key, str)], bodies=asked.include_docs)
        return [found.get(key) if isinstance(key, str) else None for key in some]

    for key, one in in_pages(keys, read, lambda one: len(one.content) if one else 0):
        yield _row(call, asked, one) if one else json_bytes({"key": key, "error": "not_found"})


def _row(call: DatabaseCall, asked: _Listing, one: Revision) -> bytes:
    value: Document = {"rev": one.rev} | ({"deleted": True} if one.deleted else {})
    row = json_bytes({"id": one.id, "key": one.id, "value": value})
    if not asked.include_docs:
        return row
    return row[:-1] + b',"doc":' + (b"null" if one.deleted else whole(call, one)) + b"}"
