"""The answers about a database as a whole."""

from __future__ import annotations

from werkzeug.wrappers import Response

from sync.peer import BadRequest, Document, Forbidden
from sync.wsgi.asked import not_allowed, parse_body
from sync.wsgi.call import DatabaseCall
from sync.wsgi.responses import json_answer, written_answer


def database(call: DatabaseCall) -> Response:
    """`/db`: what it is, or a new document with an id of ours."""
    if call.request.method == "POST":
        doc = call.object()
        doc.setdefault("_id", call.new_id())
        return written_answer(call, call.edit(doc), 201)
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
    call.only("GET")
    return json_answer(200, call.store.security())


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
    call.only("GET")
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
