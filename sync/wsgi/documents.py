"""One document: read with all that can be asked for beside it, written, deleted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from werkzeug.wrappers import Response

from sync.bodies import json_bytes
from sync.peer import BadRequest, Document, NotBuilt, NotFound
from sync.revisions import RevisionTree, revisions_field
from sync.served import Opened, Revision
from sync.wsgi import multipart
from sync.wsgi.asked import checked, is_packed, location, not_allowed, revision_path, unpacked_file
from sync.wsgi.call import DatabaseCall, accepted
from sync.wsgi.responses import stream, written_answer
from sync.wsgi.shown import conflicts, files_since, opened, pieces, revs_info, wants_files

NEEDS_REVISION: Final = "When `new_edits: false`, the document needs `_rev` or `_revisions` specified"


def document(call: DatabaseCall, id_: str) -> Response:
    """`/db/doc`."""
    match call.request.method:
        case "GET" | "HEAD":
            return _open_revs(call, id_) if "open_revs" in call.args else _read(call, id_)
        case "PUT":
            return _put(call, id_)
        case "DELETE":
            found = call.store.revision(id_)
            if found is None or found.deleted:
                raise NotFound("missing" if found is None else "deleted")
            return written_answer(call, call.edit({"_id": id_, "_deleted": True, **call.named_rev()}), 200)
        case "COPY" | "POST":
            raise NotBuilt("Copying a document, and writing it by a form, are left out here: PUT it.")
    raise not_allowed("DELETE,GET,HEAD,PUT")


def _read(call: DatabaseCall, id_: str) -> Response:
    history = call.store.history(id_)
    rev = call.args.get("rev")
    if rev is not None:
        checked(rev)
    if rev is not None and history and call.flag("latest"):
        rev = next(iter(history[0].leaves_after(rev)), rev)
    one = call.store.revision(id_, rev) if history else None
    if one is None or history is None:
        raise NotFound("missing")
    if one.deleted and rev is None:
        raise NotFound("deleted")
    more = _beside(call, one, *history)
    if not more and call.request.if_none_match.contains_weak(one.rev):
        return Response(status=304, headers={"ETag": f'"{one.rev}"'})
    if not (one.attachments and wants_files(call)):
        response = Response(one.bytes(more), content_type="application/json")
    else:
        since = files_since(call, history[0].path(one.rev))
        if call.takes("multipart/related"):
            response = _related(call, one, more, since)
        else:
            response = stream(pieces(call, one, more, since=since))
    if not more:
        response.set_etag(one.rev)
    return response


def _beside(call: DatabaseCall, one: Revision, tree: RevisionTree, kept: set[str]) -> Document:
    """The `_` fields that were asked for."""
    more: Document = {}
    meta = call.flag("meta")
    if call.flag("revs"):
        more["_revisions"] = revisions_field(tree.path(one.rev))
    if meta or call.flag("revs_info"):
        more["_revs_info"] = revs_info(tree, kept, one.rev)
    if call.flag("local_seq"):
        more["_local_seq"] = int(str(call.store.changes(0, doc_ids=[one.id]).results[0].seq).partition("-")[0])
    if meta or call.flag("conflicts"):
        more |= conflicts(tree)
    if (meta or call.flag("deleted_conflicts")) and (deleted := tree.deleted_conflicts()):
        more["_deleted_conflicts"] = deleted
    return more


def _related(call: DatabaseCall, one: Revision, more: Document, since: int | None) -> Response:
    entries, files = multipart.followed(one.attachments, since)
    boundary = call.new_id()
    body = one.bytes({**more, "_attachments": entries})
    response = Response(
        multipart.related(call.store, body, files, boundary),
        content_type=f'multipart/related; boundary="{boundary}"',
    )
    response.content_length = multipart.related_length(body, files, boundary)
    return response


def _open_revs(call: DatabaseCall, id_: str) -> Response:
    revs: list[str] | None = None
    if call.args["open_revs"] != "all":
        asked = call.parameter("open_revs")
        if not isinstance(asked, list):
            raise BadRequest("open_revs must be `all` or an array of revisions.")
        revs = [checked(rev) for rev in asked]
    (every,) = call.store.opened([(id_, revs)], latest=call.flag("latest"))
    # Several of those asked for may lead to one revision: like CouchDB's, the answer has it once.
    found = list({one.revision.rev if one.revision else one.asked: one for one in every}.values())
    if revs is None and not found:
        raise NotFound("missing")
    if call.takes("multipart/mixed"):
        boundary = call.new_id()
        return Response(
            multipart.mixed(mixed_parts(call, found), boundary),
            content_type=f'multipart/mixed; boundary="{boundary}"',
        )
    return stream(_rows(call, found))


def _rows(call: DatabaseCall, found: Sequence[Opened]) -> Iterator[bytes]:
    yield b"["
    for number, one in enumerate(found):
        yield b"," if number else b""
        if one.revision is None:
            yield b'{"missing":' + json_bytes(one.asked) + b"}"
            continue
        yield b'{"ok":'
        yield from opened(call, one.revision, one.path)
        yield b"}"
    yield b"]"


def mixed_parts(
    call: DatabaseCall, found: Sequence[Opened], *, bulk: str | None = None, known: Sequence[Any] | None = None
) -> Iterator[tuple[Mapping[str, str], Iterator[bytes]]]:
    """Revisions as parts of a multipart/mixed answer, each with the files that are new to whoever asks.

    `bulk`: the document's id, when the parts of many are to be told apart; `known`: its own `atts_since`.
    """
    for one in found:
        if one.revision is None:
            problem: Document = {"missing": one.asked}
            if bulk is not None:
                problem = {"id": bulk, "rev": one.asked, "error": "not_found", "reason": "missing"}
            yield {"Content-Type": 'application/json; error="true"'}, iter((json_bytes(problem),))
            continue
        revision = one.revision
        more: Document = {"_revisions": revisions_field(one.path)} if call.flag("revs") else {}
        entries, files = multipart.followed(revision.attachments, files_since(call, one.path, known))
        if entries:
            more["_attachments"] = entries
        if not files:
            yield {"Content-Type": "application/json"}, iter((revision.bytes(more),))
            continue
        inner = call.new_id()
        headers = {"Content-Type": f'multipart/related; boundary="{inner}"'}
        if bulk is not None:
            headers = {"X-Doc-Id": quote(revision.id, safe="/:"), "X-Rev-Id": revision.rev, **headers}
        yield headers, multipart.related(call.store, revision.bytes(more), files, inner)


def _put(call: DatabaseCall, id_: str) -> Response:
    doc = _related_body(call) if call.request.mimetype == "multipart/related" else call.document()
    if doc.get("_id", id_) != id_:
        raise BadRequest("Document ID in the body is not the one in the URL.")
    doc["_id"] = id_
    named = call.named_rev()
    if named and doc.get("_rev", named["_rev"]) != named["_rev"]:
        other = "from request body and query string" if "rev" in call.args else "and etag"
        raise BadRequest(f"Document rev {other} have different values")
    doc |= named
    if not call.flag("new_edits", default=True):
        if "_rev" not in doc and "_revisions" not in doc:
            raise BadRequest(NEEDS_REVISION)
        path = revision_path(doc)
        written = call.peer().bulk_docs([{**doc, "_rev": path[0]}], new_edits=False)[0]
        accepted(written)
    else:
        written = call.edit(doc)
    return written_answer(call, written, 200 if doc.get("_deleted") else 201, at=location(call.request))


def _related_body(call: DatabaseCall) -> Document:
    file, length = call.body_file()
    if is_packed(call.request):
        file, length = unpacked_file(file, length, call.max_file_bytes)
    return multipart.document_of(
        file,
        length,
        call.request.headers.get("Content-Type", ""),
        max_document=call.max_body_bytes,
        max_file=call.max_file_bytes,
    )
