"""The files at a document."""

from __future__ import annotations

from werkzeug.wrappers import Response

from sync.peer import Conflict, NotFound
from sync.wsgi.asked import checked, not_allowed
from sync.wsgi.call import DatabaseCall
from sync.wsgi.responses import written_answer


def attachment(call: DatabaseCall, id_: str, name: str) -> Response:
    """`/db/doc/file`."""
    if call.request.method in ("GET", "HEAD"):
        rev = call.args.get("rev")
        found = call.store.attachment(id_, name, rev=checked(rev) if rev else None)
        if found is None:
            raise NotFound("Document is missing attachment" if call.store.get(id_, rev) else "missing")
        response = Response(found.data, content_type=found.content_type)
        response.set_etag(found.digest.removeprefix("md5-"))
        response.headers["Accept-Ranges"] = "none"
        response.headers["X-Content-Type-Options"] = "nosniff"
        # A file of somebody's making must not run as a page of this site.
        response.headers["Content-Security-Policy"] = "sandbox"
        return response
    named = call.named_rev()
    before = call.store.get(id_, named.get("_rev"))
    if before is None:
        if named or call.request.method == "DELETE":
            raise NotFound("missing") if not named else Conflict("Document update conflict.")
        before = {"_id": id_}
    elif not named:
        raise Conflict("Document update conflict.")
    files = dict(before.get("_attachments", {}))
    if call.request.method == "DELETE":
        if name not in files:
            raise NotFound("Document is missing attachment")
        del files[name]
    elif call.request.method == "PUT":
        kind = call.request.content_type or "application/octet-stream"
        files[name] = {"content_type": kind, "data": call.body()}
    else:
        raise not_allowed("GET, HEAD, PUT, DELETE")
    doc = {**before, "_attachments": files} if files else {k: v for k, v in before.items() if k != "_attachments"}
    return written_answer(call.edit(doc), 200 if call.request.method == "DELETE" else 201)
