"""Local documents: they do not replicate, and hold checkpoints."""

from __future__ import annotations

from typing import Final

from werkzeug.wrappers import Response

from sync.bodies import check_id_bytes, json_bytes
from sync.peer import BadRequest, Conflict, Document, NotFound, TooLarge, Written
from sync.wsgi.asked import not_allowed
from sync.wsgi.call import DatabaseCall
from sync.wsgi.responses import json_answer, written_answer

_MEMBERS_LOCAL_BYTES: Final = 64 << 10


def check_local_id(id_: str) -> None:
    """Raises `BadRequest` for an id (without `_local/`) that a local document cannot have."""
    if not id_:
        raise BadRequest("Illegal document id `_local/`", code="illegal_docid")
    check_id_bytes(id_)


def local(call: DatabaseCall, id_: str) -> Response:
    """`/db/_local/id`."""
    check_local_id(id_)
    match call.request.method:
        case "GET" | "HEAD":
            doc = call.store.local(id_)
            if doc is None:
                raise NotFound("missing")
            return json_answer(200, doc)
        case "PUT":
            return written_answer(call, write(call, id_, {**call.document(), **_local_rev(call)}), 201)
        case "DELETE":
            return written_answer(call, write(call, id_, {"_deleted": True, **_local_rev(call)}), 200)
    raise not_allowed("DELETE,GET,HEAD,PUT")


def write(call: DatabaseCall, id_: str, doc: Document) -> Written:
    """Write a local document after the revision that it names, or forget it where it says `_deleted`.

    Raises `Conflict`, `NotFound`, `TooLarge`.
    """
    if not call.is_admin() and len(json_bytes(doc)) > _MEMBERS_LOCAL_BYTES:
        # The write rule does not see local documents; they are for checkpoints.
        raise TooLarge(f"A local document has at most {_MEMBERS_LOCAL_BYTES} bytes here.")
    if doc.get("_deleted") is not True:
        return Written(f"_local/{id_}", call.store.put_local(id_, doc))
    kept = call.store.local(id_)
    if kept is not None and doc.get("_rev", kept["_rev"]) != kept["_rev"]:
        raise Conflict("Document update conflict.")
    call.store.delete_local(id_)
    return Written(f"_local/{id_}", "0-0")


def _local_rev(call: DatabaseCall) -> Document:
    rev = call.args.get("rev")
    return {"_rev": rev} if rev else {}
