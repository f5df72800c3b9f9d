"""The files at a document, read and written piece by piece."""

from __future__ import annotations

import re
from typing import Final

from werkzeug.http import parse_range_header
from werkzeug.wrappers import Response

from sync.bodies import prohibited_name
from sync.files import IncomingFile
from sync.peer import BadRequest, Conflict, Document, NotFound, PeerError
from sync.wsgi.asked import checked, is_packed, location, not_allowed
from sync.wsgi.call import DatabaseCall
from sync.wsgi.multipart import safe_type
from sync.wsgi.responses import written_answer

_ONE_RANGE: Final = re.compile(r"bytes=([0-9]{1,18})-([0-9]{1,18})")


def attachment(call: DatabaseCall, id_: str, name: str) -> Response:
    """`/db/doc/file`."""
    if name[:1] == "_":
        raise prohibited_name(name)
    match call.request.method:
        case "GET" | "HEAD":
            return _read(call, id_, name)
        case "PUT" | "DELETE":
            return _write(call, id_, name)
    raise not_allowed("DELETE,GET,HEAD,PUT")


def _read(call: DatabaseCall, id_: str, name: str) -> Response:
    rev = call.args.get("rev")
    one = call.store.revision(id_, checked(rev) if rev else None)
    if one is None or (one.deleted and not rev):
        raise NotFound("missing" if one is None else "deleted")
    stub = one.attachments.get(name)
    if stub is None:
        raise NotFound("Document is missing attachment")
    etag = stub["digest"].removeprefix("md5-")
    if call.request.if_none_match.contains_weak(etag):
        return Response(status=304, headers={"ETag": f'"{etag}"'})
    length = stub["length"]
    part = _range(call, length, etag)
    start, end = part or (0, length)
    response = Response(
        call.store.file(stub["digest"], start, end),
        status=206 if part else 200,
        content_type=safe_type(stub["content_type"]),
    )
    response.content_length = end - start
    response.set_etag(etag)
    if part:
        response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{length}"
    else:
        response.headers["Content-MD5"] = etag
    response.headers["Accept-Ranges"] = "bytes"
    response.headers["X-Content-Type-Options"] = "nosniff"
    # A file of somebody's making must not run as a page of this site.
    response.headers["Content-Security-Policy"] = "sandbox"
    return response


def _range(call: DatabaseCall, length: int, etag: str) -> tuple[int, int] | None:
    """From where to where (exclusive) a file is wanted; None for all of it, as for what is no single range
    (RFC 9110, section 14.2). Raises 416.
    """
    header = call.request.headers.get("Range", "")
    backward = _ONE_RANGE.fullmatch(header)
    if backward is not None and int(backward[1]) > int(backward[2]):
        raise RangeNotSatisfiable(length)
    asked = parse_range_header(header)
    if asked is None or asked.units != "bytes" or len(asked.ranges) != 1:
        return None
    if_range = call.request.if_range
    if (if_range.etag is not None and if_range.etag != etag) or if_range.date is not None:
        return None
    found = asked.range_for_length(length)
    if found is None and length and asked.ranges[0][0] < 0:
        # The last bytes, of which the file has not so many: all of it (section 14.1.2).
        found = (0, length)
    if found is None:
        raise RangeNotSatisfiable(length)
    return found


class RangeNotSatisfiable(PeerError):
    """The file is shorter than that."""

    code, status = "requested_range_not_satisfiable", 416

    def __init__(self, length: int) -> None:
        super().__init__("Requested range not satisfiable")
        self.headers = {"Content-Range": f"bytes */{length}"}


def _write(call: DatabaseCall, id_: str, name: str) -> Response:
    named = call.named_rev()
    deletes = call.request.method == "DELETE"
    before = call.store.get(id_, named.get("_rev"))
    if before is None:
        if named:
            raise PeerError("missing_rev", code="not_found", status=409)
        if deletes:
            raise NotFound("missing")
        before = {"_id": id_}
    elif not named:
        raise Conflict("Document update conflict.")
    files = dict(before.get("_attachments", {}))
    if deletes:
        if name not in files:
            raise NotFound("Document is missing attachment")
        del files[name]
    else:
        files[name] = _incoming(call)
    doc = {key: value for key, value in before.items() if key != "_attachments"}
    if files:
        doc["_attachments"] = files
    if deletes:
        return written_answer(call, call.edit(doc), 200)
    return written_answer(call, call.edit(doc), 201, at=location(call.request))


def _incoming(call: DatabaseCall) -> Document:
    packed = is_packed(call.request)
    source, length = call.body_file()
    incoming = IncomingFile(source, 0, length, packed=packed, limit=call.max_file_bytes)
    proof = call.request.headers.get("Content-MD5")
    if proof is not None and not packed and f"md5-{proof.strip()}" != incoming.digest:
        raise BadRequest("Possible message corruption.", code="content_md5_mismatch")
    kind = call.request.headers.get("Content-Type") or "application/octet-stream"
    return {"content_type": safe_type(kind), "data": incoming}
