"""The answers about a database as a whole."""

from __future__ import annotations

from typing import Final

from werkzeug.wrappers import Response

from sync.peer import ADMIN_ROLE, BadRequest, Document, Forbidden
from sync.wsgi.asked import location, not_allowed, parse_body
from sync.wsgi.call import DatabaseCall
from sync.wsgi.responses import json_answer, written_answer

# What an empty `_security` means, said as CouchDB 3 says it of a new database.
_ONLY_ADMINS: Final[Document] = {"members": {"roles": [ADMIN_ROLE]}, "admins": {"roles": [ADMIN_ROLE]}}


def database(call: DatabaseCall) -> Response:
    """`/db`: what it is, or a new document with an id of ours."""
    if call.request.method == "POST":
        doc = call.document()
        doc.setdefault("_id", call.new_id())
        written = call.edit(doc)
        return written_answer(call, written, 201, at=location(call.request, written.id))
    if call.request.method in ("PUT", "DELETE"):
        raise Forbidden("You are not a server admin.")
    if call.request.method not in ("GET", "HEAD"):
        raise not_allowed("DELETE,GET,HEAD,POST,PUT")
    return json_answer(200, call.store.info())


def security(call: DatabaseCall) -> Response:
    """`_security`: read by members, set by admins."""
    if call.request.method == "PUT":
        call.for_admins()
        call.store.set_security(_security_of(call.object()))
        return json_answer(200, {"ok": True})
    if call.request.method not in ("GET", "HEAD"):
        raise not_allowed("GET,HEAD,PUT")
    return json_answer(200, call.store.security() or _ONLY_ADMINS)


def _security_of(doc: Document) -> Document:
    """A `_security` object that says what it means. Raises `BadRequest`."""
    for kind in ("admins", "members"):
        group = doc.get(kind, {})
        if not isinstance(group, dict):
            raise BadRequest(f"{kind} must be a JSON object")
        for part in ("names", "roles"):
            listed = group.get(part, [])
            if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
                raise BadRequest(f"{part} of {kind} must be a JSON list of strings")
    return doc


def revs_limit(call: DatabaseCall) -> Response:
    """`_revs_limit`: how many generations are remembered."""
    if call.request.method == "PUT":
        call.for_admins()
        limit = parse_body(call.body())
        if type(limit) is not int:
            raise BadRequest("`limit` must be an integer")
        call.store.set_revs_limit(limit)
        return json_answer(200, {"ok": True})
    if call.request.method not in ("GET", "HEAD"):
        raise not_allowed("GET,HEAD,PUT")
    return json_answer(200, call.store.revs_limit())


def compact(call: DatabaseCall) -> Response:
    """`_compact`."""
    call.only("POST")
    call.for_admins()
    call.store.compact()
    return json_answer(202, {"ok": True})


def ensure_full_commit(call: DatabaseCall) -> Response:
    """`_ensure_full_commit`: every answered write is durable anyway."""
    call.only("POST")
    call.store.ensure_full_commit()
    return json_answer(201, {"ok": True, "instance_start_time": "0"})
