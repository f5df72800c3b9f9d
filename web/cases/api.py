"""The part of the JSON API that is alike at the station and at the county: cases, their files, acts on them."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from casework.kinds import KINDS
from web.api import json_body, operation, whole_number
from web.cases.contests import contests, point_for_api, settle
from web.cases.desk import Act
from web.cases.files import checked_upload, file_answer
from web.cases.services import CaseServices, case_for_api, row_for_api
from web.errors import Problem
from web.signin import allow, current_user

EVERYBODY = ("agent", "township", "head", "reviewer", "admin")
HANDLERS = EVERYBODY

_EVENT_REQUEST = {
    "type": "object",
    "required": ["kind", "data"],
    "properties": {"kind": {"type": "string"}, "data": {"type": "object"}},
    "additionalProperties": False,
}
# For the description; what one act's data must say is checked by its kind, in a person's words.
_EVENT_KINDS = {
    "oneOf": [
        {
            "type": "object",
            "title": kind.title,
            "required": ["kind", "data"],
            "properties": {"kind": {"const": kind.kind}, "data": kind.schema},
            "additionalProperties": False,
        }
        for kind in KINDS.values()
        if kind.kind != "received"
    ]
}
_SETTLE_REQUEST = {
    "type": "object",
    "required": ["value", "reason"],
    "properties": {"value": {}, "reason": {"type": "string"}},
    "additionalProperties": False,
}
_CASE = {
    "type": "object",
    "required": [
        "number", "item", "state", "accepted_at", "due_on", "held_by_county_at", "current", "events", "contested",
        "quarantined", "materials", "decision", "corrections", "suspensions", "extensions", "ended", "delivery",
        "rating", "fees", "papers", "proxies", "named_proxy_ended", "forwards", "handovers", "papers_at", "handler",
        "parts", "filing",
    ],
    "properties": {
        "current": {"type": "object", "required": ["state", "fields", "deadlines", "steps"]},
    },
}  # fmt: skip
_CASES = {
    "type": "object",
    "required": ["results", "next"],
    "properties": {
        "results": {"type": "array", "items": {"type": "object"}},
        "next": {"type": ["string", "null"]},
    },
}
_NUMBER = {"name": "number", "in": "path", "required": True, "schema": {"type": "string"}}


def case_api(services: CaseServices) -> Blueprint:
    """Routes under `/api/v1`."""
    api = Blueprint("case_api", __name__, url_prefix="/api/v1")

    @api.get("/cases")
    @allow(*EVERYBODY)
    @operation(
        summary="Cases that you may see, in the order in which they were last touched",
        tag="cases",
        parameters=[
            {"name": "state", "in": "query", "schema": {"type": "string"}},
            {
                "name": "since",
                "in": "query",
                "schema": {"type": "string"},
                "description": "the `next` of a page",
            },
            {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 500}},
        ],
        responses={200: _CASES},
    )
    def list_cases() -> dict[str, Any]:
        limit = whole_number("limit", default=50, least=1, most=500)
        rows = services.casebook.rows(
            services.scope_of(current_user()),
            state=request.args.get("state") or None,
            since=whole_number("since", default=0, least=0, most=2**53),
            limit=limit,
        )
        following = str(rows[-1].touched) if len(rows) == limit else None
        services.note(current_user(), "listed", what=f"{len(rows)} 件")
        return {"results": [row_for_api(row) for row in rows], "next": following}

    @api.get("/cases/<number>")
    @allow(*EVERYBODY)
    @operation(summary="One case, folded from its events", tag="cases", parameters=[_NUMBER], responses={200: _CASE})
    def read_case(number: str) -> dict[str, Any]:
        return case_for_api(services, *services.read(number, current_user()))

    @api.get("/cases/<number>/materials/<wanted>")
    @allow(*EVERYBODY)
    @operation(
        summary="A file: by its id, or the newest of the material with this id",
        tag="cases",
        parameters=[
            _NUMBER,
            {"name": "wanted", "in": "path", "required": True, "schema": {"type": "string"}},
        ],
        responses={200: None},
    )
    def read_file(number: str, wanted: str) -> Response:
        return file_answer(*services.read_file(number, wanted, current_user()))

    @api.get("/contested")
    @allow(*EVERYBODY)
    @operation(
        summary="Points on which two sides disagree, in the cases that you may see",
        tag="cases",
        responses={200: _CASES},
    )
    def list_contested() -> dict[str, Any]:
        found = contests(services, current_user())
        for number in {one.row.number for one in found}:
            services.note(current_user(), "listed_in_full", number)
        return {"results": [point_for_api(one) for one in found], "next": None}

    @api.post("/contested/<point>/settle")
    @allow(*HANDLERS)
    @operation(
        summary="Settle a point: the event that holds, or for a field also a new value",
        tag="cases",
        parameters=[{"name": "point", "in": "path", "required": True, "schema": {"type": "string"}}],
        request=_SETTLE_REQUEST,
        responses={201: _CASE},
    )
    def settle_point(point: str) -> tuple[dict[str, Any], int]:
        user = current_user()
        body = json_body(_SETTLE_REQUEST)
        number = settle(services, user, point, body["value"], body["reason"])
        return case_for_api(services, *services.visible(number, user)), 201

    @api.post("/cases/<number>/events")
    @allow(*HANDLERS)
    @operation(
        summary="Act on a case: one of the kinds, each with its data",
        tag="cases",
        parameters=[_NUMBER],
        request=_EVENT_KINDS,
        responses={201: _CASE},
    )
    def add_event(number: str) -> tuple[dict[str, Any], int]:
        user = current_user()
        services.visible(number, user)
        body = json_body(_EVENT_REQUEST)
        if body["kind"] == "material_added" and "file" in body["data"]:
            # A file comes with its chunks, and has a road of its own that checks those too.
            raise Problem(422, "not_this_way", "附件不从这里登记。", fields={"data.file": "请用材料页上传附件。"})
        services.desk.write(number, [Act(body["kind"], body["data"])], services.person_of(user))
        return case_for_api(services, *services.visible(number, user)), 201

    if services.may_add_files:

        @api.post("/cases/<number>/materials")
        @allow("agent", "township", "head")
        @operation(
            summary="Add a photo or PDF to a material (multipart: name, file)",
            tag="cases",
            parameters=[_NUMBER],
            responses={201: _CASE},
        )
        def add_material(number: str) -> tuple[dict[str, Any], int]:
            user = current_user()
            services.add_file(number, user, checked_upload(request))
            return case_for_api(services, *services.visible(number, user)), 201

    return api
