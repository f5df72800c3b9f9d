"""Many documents at once: `_bulk_docs`, `_bulk_get`, `_revs_diff`, `_missing_revs`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from werkzeug.wrappers import Response

from sync.bodies import json_bytes
from sync.peer import BadRequest, Document, Written
from sync.served import Opened
from sync.wsgi.call import DatabaseCall
from sync.wsgi.responses import json_answer, listed, stream
from sync.wsgi.shown import opened

_DOCUMENTS_AT_A_TIME: Final = 100


def bulk_docs(call: DatabaseCall) -> Response:
    """`_bulk_docs`: a row for each edit; of revisions that are kept as they are only the refusals."""
    call.only("POST")
    body = call.object()
    docs, new_edits = body.get("docs"), body.get("new_edits", True)
    if not isinstance(docs, list) or not all(isinstance(doc, dict) for doc in docs):
        raise BadRequest("`docs` parameter must be an array of documents.")
    if not isinstance(new_edits, bool):
        raise BadRequest("`new_edits` must be a boolean.")
    if new_edits:
        for doc in docs:
            if "_id" not in doc:
                doc["_id"] = call.new_id()
    written = call.peer().bulk_docs(docs, new_edits=new_edits)
    rows = [_written_row(row) for row in written if new_edits or row.error]
    return json_answer(201, rows)


def bulk_get(call: DatabaseCall) -> Response:
    """`_bulk_get`."""
    call.only("POST")
    wanted = call.object().get("docs")
    if not isinstance(wanted, list) or not all(isinstance(one, dict) for one in wanted):
        raise BadRequest("Missing JSON list of 'docs'.")
    asked: list[tuple[str, list[str] | None]] = []
    for one in wanted:
        id_, rev = one.get("id"), one.get("rev")
        if not isinstance(id_, str) or not isinstance(rev, str | None):
            raise BadRequest("Every entry of `docs` needs an `id`.")
        asked.append((id_, None if rev is None else [rev]))
    return stream(listed(b'{"results":[', _bulk_got(call, asked), b"]}"))


def _bulk_got(call: DatabaseCall, asked: Sequence[tuple[str, Sequence[str] | None]]) -> Iterator[bytes]:
    latest = call.flag("latest")
    for first in range(0, len(asked), _DOCUMENTS_AT_A_TIME):
        some = asked[first : first + _DOCUMENTS_AT_A_TIME]
        for (id_, _), found in zip(some, call.store.opened(some, latest=latest), strict=True):
            rows = [
                b'{"error":' + json_bytes(_not_found(id_, one.asked)) + b"}"
                if one.revision is None
                else b'{"ok":' + opened(call, one.revision, one.path) + b"}"
                for one in found or [Opened("undefined", None)]
            ]
            yield b'{"id":' + json_bytes(id_) + b',"docs":[' + b",".join(rows) + b"]}"


def revs_diff(call: DatabaseCall) -> Response:
    """`_revs_diff`."""
    call.only("POST")
    answer: Document = {}
    for id_, found in call.store.revs_diff(_asked_revs(call)).items():
        answer[id_] = {"missing": found.missing}
        if found.possible_ancestors:
            answer[id_]["possible_ancestors"] = found.possible_ancestors
    return json_answer(200, answer)


def missing_revs(call: DatabaseCall) -> Response:
    """`_missing_revs`: the older form of `_revs_diff`."""
    call.only("POST")
    found = call.store.revs_diff(_asked_revs(call))
    return json_answer(200, {"missing_revs": {id_: one.missing for id_, one in found.items()}})


def _asked_revs(call: DatabaseCall) -> Document:
    asked = call.object()
    for revs in asked.values():
        if not isinstance(revs, list):
            raise BadRequest("Every id must have an array of revisions.")
    return asked


def _written_row(row: Written) -> Document:
    if row.error is None:
        return {"ok": True, "id": row.id, "rev": row.rev}
    return {"id": row.id, "rev": row.rev, "error": row.error, "reason": row.reason}


def _not_found(id_: str, rev: str) -> Document:
    return {"id": id_, "rev": rev, "error": "not_found", "reason": "missing"}
