"""The county's own part of the JSON API: stations, their contacts and enrolments, and the operations of commands."""

from __future__ import annotations

import hmac
from typing import Any

from flask import Blueprint, Response, request

from central.centre import Centre
from central.operations import OPERATIONS
from provisioning import ProvisioningError
from provisioning.contact import LONGEST_BODY_BYTES, answer_contact
from provisioning.enrolment import answer_enrolment
from provisioning.line import Answer
from web.api import json_body, operation
from web.errors import Problem
from web.signin import allow, public

_STATIONS = {
    "type": "object",
    "required": ["results"],
    "properties": {
        "results": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["code", "name", "kind", "parent", "status", "last_contact_at", "waiting", "version"],
                "properties": {"status": {"enum": ["in_contact", "silent", "never_seen"]}},
            },
        }
    },
}


def county_api(centre: Centre, *, secret: str) -> Blueprint:
    """Routes under `/api/v1`."""
    api = Blueprint("county_api", __name__, url_prefix="/api/v1")

    @api.get("/stations")
    @allow("admin")
    @operation(summary="Every station, and whether it is in contact", tag="stations", responses={200: _STATIONS})
    def list_stations() -> dict[str, Any]:
        return {"results": [row.for_api() for row in centre.monitor.stations()]}

    @api.post("/contact")
    @public
    @operation(
        summary="A station's contact: signed report up; time, token and news down", tag="line", responses={200: {}}
    )
    def contact() -> Response:
        return _answer(answer_contact(centre, _small_body(), address=request.remote_addr or ""))

    @api.post("/enrolments")
    @public
    @operation(summary="A station's enrolment with its one-time code", tag="line", responses={200: {}})
    def enrol() -> Response:
        return _answer(answer_enrolment(centre, _small_body(), address=request.remote_addr or ""))

    @api.post("/operations/<name>")
    @public
    @operation(
        summary="A command given on this machine, carried out by the running service", tag="line", responses={200: {}}
    )
    def operate(name: str) -> dict[str, Any]:
        shown = request.headers.get("Authorization", "").encode()
        if not secret or not hmac.compare_digest(shown, f"Bearer {secret}".encode()):
            raise Problem(403, "not_from_here", "这个入口只供本机的命令使用。")
        asked = OPERATIONS.get(name)
        if asked is None:
            raise Problem(404, "no_such_operation", "没有这个操作。")
        try:
            return asked(centre, json_body(None))
        except ProvisioningError as refused:
            raise Problem(422, "refused", str(refused)) from refused

    return api


def _small_body() -> bytes:
    return request.stream.read(LONGEST_BODY_BYTES + 1)


def _answer(answer: Answer) -> Response:
    return Response(answer.body, answer.status, mimetype="application/json")
