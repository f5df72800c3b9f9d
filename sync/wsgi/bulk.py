"""Many documents at once: `_bulk_docs`, `_bulk_get`, `_revs_diff`, `_missing_revs`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from werkzeug.wrappers import Response

from sync.bodies import BeyondReading, check_id, json_bytes
from sync.peer import BadRequest, Document, NotBuilt, PeerError, TooLarge, Written
from sync.plain import PlainTarget, plain_documents, plain_edits
from sync.revisions import revisions_field
from sync.served import Opened
from sync.wsgi import multipart
from sync.wsgi.asked import checked
from sync.wsgi.call import DatabaseCall
from sync.wsgi.documents import NEEDS_REVISION, mixed_parts
from sync.wsgi.local_documents import check_local_id, write
from sync.wsgi.pages import in_pages, size_of
from sync.wsgi.responses import json_answer, stream
from sync.wsgi.shown import opened, wants_files

# What `_bulk_get` takes for each document, and not for all of them.
_OF_ONE_DOCUMENT: Final = ("open_revs", "new_edits", "w", "rev", "atts_since")


def bulk_docs(call: DatabaseCall) -> Response:
    """`_bulk_docs`: a row for each edit; of revisions that are kept as they are only the refusals."""
    call.only("POST")
    try:
        body = call.object()
    except BeyondReading as problem:
        # CouchDB's replicator then sends smaller portions and leaves out the one that it is; at a 400 it would begin
        # again for ever.
        raise TooLarge(problem.reason) from problem
    if "docs" not in body:
        raise BadRequest("POST body must include `docs` parameter.")
    docs, new_edits = body["docs"], body.get("new_edits", True)
    if not isinstance(docs, list):
        raise BadRequest("`docs` parameter must be an array.")
    if not all(isinstance(doc, dict) for doc in docs):
        raise BadRequest("Document must be a JSON object")
    if not isinstance(new_edits, bool):
        raise BadRequest("`new_edits` parameter must be a boolean.")
    if new_edits:
        for doc in docs:
            if "_id" not in doc:
                doc["_id"] = call.new_id()
    elif not all("_rev" in doc or "_revisions" in doc for doc in docs):
        # No replicator sends that: whoever does has not meant new_edits=false.
        raise BadRequest(NEEDS_REVISION)
    if body.get("all_or_nothing"):
        raise NotBuilt("all_or_nothing is left out here, as in CouchDB 3: each document is written for itself.")
    rows = _plainly_written(call, docs, new_edits)
    if rows is None:
        written = _written(call, docs, new_edits)
        rows = [_written_row(row, new_edits=new_edits) for row in written if new_edits or row.error]
    return json_answer(201, rows)


def _plainly_written(call: DatabaseCall, docs: list[Document], new_edits: bool) -> list[Document] | None:
    """The rows of the answer, if all documents could go the straight road: nearly always."""
    peer = call.peer()
    if not (isinstance(peer, PlainTarget) and peer.takes_plain):
        return None
    plain = plain_edits(docs) if new_edits else plain_documents(docs)
    if plain is None or not peer.write_plain(plain):
        return None
    if not new_edits:
        return []
    return [{"ok": True, "id": id_, "rev": rev} for id_, rev in zip(plain.ids, plain.revs, strict=True)]


def _written(call: DatabaseCall, docs: list[Document], new_edits: bool) -> list[Written]:
    """What became of each, in their order. Local documents may be among them; they are written one by one."""
    local = {place: id_ for place, id_ in enumerate(map(_local_id, docs)) if id_ is not None}
    for id_ in local.values():
        check_local_id(id_)
    others = [doc for place, doc in enumerate(docs) if place not in local] if local else docs
    if not new_edits:
        others = [_by_its_history(doc) for doc in others]
    written = iter(call.peer().bulk_docs(others, new_edits=new_edits))
    return [
        _written_local(call, local[place], doc) if place in local else next(written) for place, doc in enumerate(docs)
    ]


def _by_its_history(doc: Document) -> Document:
    """The document under the revision that its `_revisions` name, which is what CouchDB goes by where `_rev` says
    something else: PouchDB counts wrong when two revisions of one branch have the same hash.
    """
    # Step by step, and not as a pattern, which takes five times as long for each of many documents.
    revisions = doc.get("_revisions")
    if type(revisions) is dict:
        ids = revisions.get("ids")
        if ids and type(ids) is list and type(ids[0]) is str and type(revisions.get("start")) is int:
            rev = f"{revisions['start']}-{ids[0]}"
            if doc.get("_rev") != rev:
                return {**doc, "_rev": rev}
    return doc


def _local_id(doc: Document) -> str | None:
    id_ = doc.get("_id")
    return id_.removeprefix("_local/") if isinstance(id_, str) and id_.startswith("_local/") else None


def _written_local(call: DatabaseCall, id_: str, doc: Document) -> Written:
    try:
        return write(call, id_, doc)
    except PeerError as problem:
        return Written(f"_local/{id_}", str(doc.get("_rev", "")), problem.code, problem.reason)


class _Asked(NamedTuple):
    """One entry of a `_bulk_get`: `revs` None for all leaves; `known` is what `atts_since` says, if it does;
    `refusal` is its whole answer if it cannot be meant.
    """

    id: Any
    revs: list[str] | None = None
    known: list[Any] | None = None
    refusal: Document | None = None


def _asked(one: object) -> _Asked:
    """An entry as it came: one that cannot be meant is told in its own row, and the others are answered."""
    if not isinstance(one, dict) or not one:
        return _refused(None, None, BadRequest("document must be a JSON object"))
    if "id" not in one:
        return _refused(None, None, BadRequest("document id missed"))
    id_, rev, known = one["id"], one.get("rev"), one.get("atts_since")
    try:
        check_id(id_)
    except BadRequest as problem:
        return _refused(id_, None, problem)
    try:
        revs = None if rev is None else [checked(rev)]
    except BadRequest as problem:
        return _refused(id_, rev, problem)
    if known is None or known == []:
        return _Asked(id_, revs)
    try:
        if not isinstance(known, list):
            raise BadRequest("att_since value must be array of revs.")
        return _Asked(id_, revs, [checked(rev) for rev in known])
    except BadRequest as problem:
        return _refused(id_, known, problem)


def _refused(id_: object, rev: object, problem: BadRequest) -> _Asked:
    return _Asked(id_, refusal={"id": id_, "rev": rev, "error": problem.code, "reason": problem.reason})


def bulk_get(call: DatabaseCall) -> Response:
    """`_bulk_get`: as JSON, or as multipart when only that is asked for."""
    call.only("POST")
    for name in _OF_ONE_DOCUMENT:
        if name in call.args:
            raise BadRequest(f'"{name}" query parameter is not acceptable')
    wanted = call.object().get("docs")
    if not isinstance(wanted, list):
        raise BadRequest("Missing JSON list of 'docs'.")
    asked = [_asked(one) for one in wanted]
    kinds = [kind for kind in ("multipart/mixed", "multipart/related") if call.takes(kind)]
    if kinds and not (call.takes("application/json") or call.takes("*/*")):
        boundary = call.new_id()
        parts = (
            part
            for one, found in _found(call, asked)
            for part in (
                mixed_parts(call, found, bulk=one.id, known=one.known)
                if one.refusal is None
                else [({"Content-Type": 'application/json; error="true"'}, iter((json_bytes(one.refusal),)))]
            )
        )
        return Response(multipart.mixed(parts, boundary), content_type=f'{kinds[0]}; boundary="{boundary}"')
    return stream(_bulk_got(call, asked))


def _found(call: DatabaseCall, asked: Sequence[_Asked]) -> Iterator[tuple[_Asked, list[Opened]]]:
    latest = call.flag("latest")

    def read(some: Sequence[_Asked]) -> list[list[Opened]]:
        found = iter(call.store.opened([(one.id, one.revs) for one in some if one.refusal is None], latest=latest))
        return [next(found) if one.refusal is None else [] for one in some]

    for one, found in in_pages(asked, read, size_of):
        yield one, found or [Opened("undefined", None)]


def _bulk_got(call: DatabaseCall, asked: Sequence[_Asked]) -> Iterator[bytes]:
    files_wanted, revs = wants_files(call), call.flag("revs")
    yield b'{"results":['
    for number, (one, found) in enumerate(_found(call, asked)):
        head = (b"," if number else b"") + b'{"id":' + json_bytes(one.id) + b',"docs":['
        if one.refusal is not None:
            yield head + b'{"error":' + json_bytes(one.refusal) + b"}]}"
        elif files_wanted or one.known is not None:
            yield head
            for place, opened_one in enumerate(found):
                yield b"," if place else b""
                yield from _row(call, one, opened_one)
            yield b"]}"
        else:
            yield head + b",".join([_plain_row(one.id, opened_one, revs=revs) for opened_one in found]) + b"]}"
    yield b"]}"


def _plain_row(id_: str, one: Opened, *, revs: bool) -> bytes:
    """A row without files: nearly all of them, as replicators ask for them."""
    if one.revision is None:
        return b'{"error":' + json_bytes(_not_found(id_, one.asked)) + b"}"
    more: Document = {"_revisions": revisions_field(one.path)} if revs else {}
    return b'{"ok":' + one.revision.bytes(more) + b"}"


def _row(call: DatabaseCall, asked: _Asked, one: Opened) -> Iterator[bytes]:
    if one.revision is None:
        yield b'{"error":' + json_bytes(_not_found(asked.id, one.asked)) + b"}"
        return
    yield b'{"ok":'
    yield from opened(call, one.revision, one.path, known=asked.known)
    yield b"}"


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
    # Of what is not asked for nothing is missing, be the document here or not.
    return {id_: revs for id_, revs in asked.items() if revs}


def _written_row(row: Written, *, new_edits: bool) -> Document:
    if row.error is None:
        return {"ok": True, "id": row.id, "rev": row.rev}
    named = {"id": row.id} if new_edits else {"id": row.id, "rev": row.rev}
    return {**named, "error": row.error, "reason": row.reason}


def _not_found(id_: str, rev: str) -> Document:
    return {"id": id_, "rev": rev, "error": "not_found", "reason": "missing"}
