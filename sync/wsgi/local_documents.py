"""Local documents: they do not replicate, and hold checkpoints."""

from __future__ import annotations

from typing import Final

from werkzeug.wrappers import Response

from sync.bodies import MAX_ID_BYTES
from sync.peer import BadRequest, Conflict, Document, NotFound, TooLarge, Written
from sync.wsgi.asked import not_allowed
from sync.wsgi.call import DatabaseCall
from sync.wsgi.responses import json_answer, written_answer

_MEMBERS_LOCAL_BYTES: Final = 64 << 10


def local(call: DatabaseCall, id_: str) -> Response:
    """`/db/_local/id`."""
    if len(id_.encode()) > MAX_ID_BYTES:
        raise BadRequest("Document id is too long", code="illegal_docid")
    match call.request.method:
        case "GET" | "HEAD":
            doc = call.store.local(id_)
            if doc is None:
                raise NotFound("missing")
            return json_answer(200, doc)
        case "PUT":
            doc = call.object()
            if (call.request.content_length or 0) > _MEMBERS_LOCAL_BYTES and not call.is_admin():
                # The write rule does not see local documents; they are for checkpoints.
                raise TooLarge(f"A local document has at most {_MEMBERS_LOCAL_BYTES} bytes here.")
            rev = call.store.put_local(id_, {**doc, **_local_rev(call)})
            return written_answer(call, Written(f"_local/{id_}", rev), 201)
        case "DELETE":
            doc = call.store.local(id_)
            if doc is not None and call.args.get("rev", doc["_rev"]) != doc["_rev"]:
                raise Conflict("Document update conflict.")
            call.store.delete_local(id_)
            return written_answer(call, Written(f"_local/{id_}", "0-0"), 200)
    raise not_allowed("DELETE,GET,HEAD,PUT")


def _local_rev(call: DatabaseCall) -> Document:
    rev = call.args.get("rev")
    return {"_rev": rev} if rev else {}
