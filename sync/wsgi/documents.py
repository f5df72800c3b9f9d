"""One document: read with all that can be asked for beside it, written, deleted."""

from __future__ import annotations

from werkzeug.wrappers import Response

from sync.bodies import json_bytes
from sync.peer import BadRequest, Document, NotBuilt, NotFound
from sync.revisions import revisions_field
from sync.wsgi.asked import checked, not_allowed, revision_path
from sync.wsgi.call import DatabaseCall, accepted
from sync.wsgi.responses import written_answer
from sync.wsgi.shown import conflicts, opened, revs_info


def document(call: DatabaseCall, id_: str) -> Response:
    """`/db/doc`."""
    match call.request.method:
        case "GET" | "HEAD":
            return _read(call, id_)
        case "PUT":
            return _put(call, id_)
        case "DELETE":
            found = call.store.revision(id_)
            if found is None or found.deleted:
                raise NotFound("missing" if found is None else "deleted")
            return written_answer(call.edit({"_id": id_, "_deleted": True, **call.named_rev()}), 200)
    raise not_allowed("GET, HEAD, PUT, DELETE")


def _read(call: DatabaseCall, id_: str) -> Response:
    if "open_revs" in call.args:
        return _open_revs(call, id_)
    history = call.store.history(id_)
    rev = call.args.get("rev")
    if rev is not None:
        checked(rev)
    if rev is not None and history and call.flag("latest"):
        rev = history[0].available_leaf_after(rev) or rev
    one = call.store.revision(id_, rev) if history else None
    if one is None or history is None:
        raise NotFound("missing")
    if one.deleted and rev is None:
        raise NotFound("deleted")
    tree, kept = history
    more: Document = {}
    meta = call.flag("meta")
    if call.flag("revs"):
        more["_revisions"] = revisions_field(tree.path(one.rev))
    if meta or call.flag("revs_info"):
        more["_revs_info"] = revs_info(tree, kept, one.rev)
    if meta or call.flag("conflicts"):
        more |= conflicts(tree)
    if (meta or call.flag("deleted_conflicts")) and (deleted := tree.deleted_conflicts()):
        more["_deleted_conflicts"] = deleted
    if one.attachments and call.flag("attachments"):
        more["_attachments"] = call.store.inlined(one.attachments)
    response = Response(one.bytes(more), content_type="application/json")
    response.set_etag(one.rev)
    if not more and one.rev in call.request.if_none_match:
        return Response(status=304, headers={"ETag": f'"{one.rev}"'})
    return response


def _open_revs(call: DatabaseCall, id_: str) -> Response:
    revs: list[str] | None = None
    if call.args["open_revs"] != "all":
        asked = call.parameter("open_revs")
        if not isinstance(asked, list):
            raise BadRequest("open_revs must be `all` or an array of revisions.")
        revs = [checked(rev) for rev in asked]
    (found,) = call.store.opened([(id_, revs)], latest=call.flag("latest"))
    if revs is None and not found:
        raise NotFound("missing")
    rows = [
        b'{"missing":' + json_bytes(one.asked) + b"}"
        if one.revision is None
        else b'{"ok":' + opened(call, one.revision, one.path) + b"}"
        for one in found
    ]
    return Response(b"[" + b",".join(rows) + b"]", content_type="application/json")


def _put(call: DatabaseCall, id_: str) -> Response:
    if (call.request.mimetype or "").startswith("multipart/"):
        raise NotBuilt("multipart/related is left out here: send attachments inline in the JSON.")
    doc = call.object()
    if doc.get("_id", id_) != id_:
        raise BadRequest("Document ID in the body is not the one in the URL.")
    doc["_id"] = id_
    if call.args.get("new_edits") == "false":
        if "_rev" not in doc and "_revisions" not in doc:
            raise BadRequest("new_edits=false needs a revision.")
        path = revision_path(doc)
        written = call.peer().bulk_docs([{**doc, "_rev": path[0]}], new_edits=False)[0]
        return written_answer(accepted(written), 201)
    named = call.named_rev()
    if named and doc.get("_rev", named["_rev"]) != named["_rev"]:
        raise BadRequest("Document rev from request body and query string have different values")
    return written_answer(call.edit({**doc, **named}), 201)
