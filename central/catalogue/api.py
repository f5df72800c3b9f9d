"""The catalogue's part of the JSON API: drafts, where they stand, and the acts of their life cycle."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify, request
from werkzeug.wrappers import Response

from central.catalogue import approvals
from central.catalogue.approvals import Outcome
from central.catalogue.drafts import Saved, save_draft, somebody
from central.catalogue.lifecycle import BODIES, CATALOGUE_ROLES, STATES, body_awaited, sees
from central.catalogue.standings import Row, Standing, history, state_of
from central.centre import Centre
from web.api import json_body, operation
from web.errors import Problem
from web.signin import allow, current_user

_LIST = {"type": "object", "required": ["results"], "properties": {"results": {"type": "array"}}}
_DRAFT = {
    "type": "object",
    "required": ["code", "name", "department", "state", "waits_for", "hash", "rev", "item", "returned", "published_in"],
    "properties": {"state": {"enum": list(STATES)}},
}
_SAVED = {"type": "object", "required": ["saved", "rev", "conflict", "message"]}
_HISTORY = {"type": "object", "required": ["acts", "versions"]}
_SAVE_REQUEST = {
    "type": "object",
    "required": ["item", "rev"],
    "properties": {"item": {"type": "object"}, "rev": {"type": ["string", "null"]}},
    "additionalProperties": False,
}
_ACTS_REQUEST = {
    "type": "object",
    "required": ["act", "codes"],
    "properties": {
        "act": {"enum": ["submit", "recall", "approve", "send_back", "withdraw", "discard"]},
        "codes": {"type": "array", "items": {"type": "string"}},
        "as_body": {"enum": list(BODIES), "description": "as which body: for approve and send_back"},
        "seen": {"type": "object", "description": "for approve: by code, the hash of the content that was looked at"},
        "comment": {"type": "string"},
    },
    "additionalProperties": False,
}
_CODE = {"name": "code", "in": "path", "required": True, "schema": {"type": "string"}}


def catalogue_api(centre: Centre) -> Blueprint:
    """Routes under `/api/v1/catalogue`."""
    api = Blueprint("catalogue_api", __name__, url_prefix="/api/v1/catalogue")

    @api.get("/drafts")
    @allow(*CATALOGUE_ROLES)
    @operation(
        summary="Where the items stand that are your business",
        tag="catalogue",
        parameters=[{"name": "state", "in": "query", "schema": {"enum": list(STATES)}}],
        responses={200: _LIST},
    )
    def list_drafts() -> dict[str, Any]:
        state = request.args.get("state")
        rows = centre.board.rows(somebody(current_user()))
        return {"results": [_row_for_api(row) for row in rows if state in (None, row.state)]}

    @api.get("/drafts/<code>")
    @allow(*CATALOGUE_ROLES)
    @operation(summary="One draft, and where it stands", tag="catalogue", parameters=[_CODE], responses={200: _DRAFT})
    def read_draft(code: str) -> dict[str, Any]:
        standing = _seen(centre, code)
        return {
            **_row_for_api(standing),
            "rev": standing.rev,
            "item": standing.item,
            "returned": standing.returned,
            "published_in": standing.published["release"] if standing.published is not None else None,
        }

    @api.put("/drafts/<code>")
    @allow("reviewer", "admin")
    @operation(
        summary="Save a draft; a change that meets another's is kept beside it and answered with 409",
        tag="catalogue",
        parameters=[_CODE],
        request=_SAVE_REQUEST,
        responses={200: _SAVED, 409: _SAVED},
    )
    def write_draft(code: str) -> tuple[Response, int]:
        body = json_body(_SAVE_REQUEST)
        saved = save_draft(centre, code, body["item"], by=current_user(), expected_rev=body["rev"])
        if not saved.saved and not saved.conflict:
            fields = {f"item.{path}": sentence for path, sentence in saved.problems.items()}
            raise Problem(422, "not_saved", saved.sentence, fields=fields)
        return jsonify(_saved_for_api(saved)), 200 if saved.saved else 409

    @api.get("/drafts/<code>/history")
    @allow(*CATALOGUE_ROLES)
    @operation(
        summary="Every act on an item, and its versions", tag="catalogue", parameters=[_CODE], responses={200: _HISTORY}
    )
    def read_history(code: str) -> dict[str, Any]:
        _seen(centre, code)
        found = history(centre, code)
        return {
            "acts": [{name: value for name, value in act.items() if name[0] != "_"} for act in found.acts],
            "versions": [
                {"release": int(version["_id"].rpartition(":")[2]), "item": version["item"]}
                for version in found.versions
            ],
        }

    @api.post("/acts")
    @allow(*CATALOGUE_ROLES)
    @operation(
        summary="Submit, approve, return or withdraw items: each code is judged alone",
        tag="catalogue",
        request=_ACTS_REQUEST,
        responses={200: _LIST},
    )
    def act() -> dict[str, Any]:
        return {"results": [approvals.for_api(outcome) for outcome in _done(centre, json_body(_ACTS_REQUEST))]}

    return api


def _done(centre: Centre, body: dict[str, Any]) -> list[Outcome]:
    act, codes, by = body["act"], body["codes"], current_user()
    comment = body.get("comment", "")
    if act in ("approve", "send_back"):
        as_body = body.get("as_body")
        if as_body is None:
            raise Problem(422, "not_complete", "写明以哪个审核单位来办。", fields={"as_body": "选一个审核单位。"})
        if act == "approve":
            return approvals.approve(centre, codes, as_body=as_body, by=by, seen=body.get("seen", {}), comment=comment)
        return approvals.send_back(centre, codes, as_body=as_body, by=by, comment=comment)
    return approvals.PLAIN_ACTS[act](centre, codes, by=by, comment=comment)


def _seen(centre: Centre, code: str) -> Standing:
    standing = state_of(centre, code)
    if standing is None or not sees(somebody(current_user()), standing.draft):
        raise Problem(404, "no_such_item", "没有这个编码的事项，或者它不归您的部门。")
    return standing


def _row_for_api(row: Row | Standing) -> dict[str, Any]:
    return {
        "code": row.code,
        "name": row.name,
        "department": row.department,
        "state": row.state,
        "waits_for": body_awaited(row.state),
        "hash": row.hash,
    }


def _saved_for_api(saved: Saved) -> dict[str, Any]:
    return {"saved": saved.saved, "rev": saved.rev, "conflict": saved.conflict, "message": saved.sentence}
