"""The station's own part of the JSON API: guides, intake, and the state of the line."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request

from casework.times import rfc3339
from node.guides import Hit
from node.line import Doubt
from node.station import Station
from provisioning.register import databases_of
from web.api import json_body, operation, whole_number
from web.cases.services import CaseServices, case_for_api
from web.errors import Problem
from web.signin import allow, current_user

# How long `POST sync` waits for the round that it started.
TRY_NOW_S = 8.0

_INTAKE = {
    "type": "object",
    "required": ["item", "applicant"],
    "properties": {
        "item": {"type": "string"},
        "applicant": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "id_type": {
                    "type": "string",
                    "description": "居民身份证, 户口簿, 护照, … or 无证件 with id_reason",
                },
                "id_number": {"type": ["string", "null"]},
                "id_reason": {"type": "string"},
                "phone": {"type": ["string", "null"]},
                "phone_reason": {"type": "string"},
                "address": {"type": "string"},
                "signed": {"type": "string", "enum": ["signature", "thumbprint"]},
            },
        },
        "people": {
            "type": "object",
            "description": "present {role, name?, relation?}, guardian, proxy with its power of attorney, witness",
            "properties": {role: {"type": "object"} for role in ("present", "guardian", "proxy", "witness")},
        },
        "situation": {
            "type": "object",
            "description": "the item's `situations`: id of the question → id of the answer",
            "additionalProperties": {"type": "string"},
        },
        "handled_by": {"type": "string", "description": "code of the township, when it is not the one above"},
        "happened_at": {"type": "string", "description": "RFC 3339, for a case that was taken in on paper"},
        "number": {"type": "string", "description": "a number that this station reserved for it"},
        "form": {"type": "object"},
        "channel": {"type": "string", "description": "counter, home_visit, appointment, after_hours or market_day"},
        "materials": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["state"],
                "properties": {
                    "id": {"type": "string", "description": "or its name"},
                    "name": {"type": "string"},
                    "state": {"type": "string", "enum": ["received", "missing", "later"]},
                    "kind": {"type": "string", "enum": ["original", "copy"]},
                    "copies": {"type": "integer"},
                    "later_on": {"type": "string", "description": "the day by which it comes, with later"},
                    "from_case": {"type": "string", "description": "the case with which it was handed in before"},
                },
            },
        },
    },
}
_GUIDES = {
    "type": "object",
    "required": ["results"],
    "properties": {"results": {"type": "array", "items": {"type": "object"}}},
}
_GUIDE = {"type": "object", "required": ["code", "name", "materials", "form"]}
_SYNC = {
    "type": "object",
    "required": ["online", "waiting", "last_confirmed_at", "databases"],
    "properties": {
        "online": {"type": "boolean"},
        "waiting": {"type": "integer"},
        "last_confirmed_at": {"type": ["string", "null"]},
        "databases": {"type": "array", "items": {"type": "object"}},
        "release": {"type": "object", "description": "the release in use, and why not a newer one"},
    },
}


def station_api(station: Station, services: CaseServices) -> Blueprint:
    """Routes under `/api/v1`."""
    api = Blueprint("station_api", __name__, url_prefix="/api/v1")

    @api.get("/guides")
    @allow("agent", "township", "head")
    @operation(
        summary="Guides that answer what somebody said, or a category",
        tag="guides",
        parameters=[
            {"name": "q", "in": "query", "schema": {"type": "string"}},
            {"name": "category", "in": "query", "schema": {"type": "string"}},
            {"name": "limit", "in": "query", "schema": {"type": "integer", "minimum": 1, "maximum": 500}},
        ],
        responses={200: _GUIDES},
    )
    def find_guides() -> dict[str, Any]:
        limit = whole_number("limit", default=20, least=1, most=500)
        hits = station.catalogue.search(
            request.args.get("q", ""), category=request.args.get("category") or None, limit=limit
        )
        return {"results": [_hit(hit) for hit in hits]}

    @api.get("/guides/<code>")
    @allow("agent", "township", "head")
    @operation(
        summary="One guide: everything a villager may need to know, its materials and its form",
        tag="guides",
        parameters=[{"name": "code", "in": "path", "required": True, "schema": {"type": "string"}}],
        responses={200: _GUIDE},
    )
    def read_guide(code: str) -> dict[str, Any]:
        item = station.catalogue.item(code)
        if item is None:
            raise Problem(404, "no_such_guide", "没有这个事项的指南。换个说法再查一次。")
        return {name: value for name, value in item.items() if not name.startswith("_") and name not in _SEALS}

    @api.post("/cases")
    @allow("agent", "township", "head")
    @operation(
        summary="Take in a case; answered when it would survive a power cut",
        tag="cases",
        parameters=[{"name": "Idempotency-Key", "in": "header", "required": True, "schema": {"type": "string"}}],
        request=_INTAKE,
        responses={201: {"type": "object"}, 200: {"type": "object"}},
    )
    def take_in() -> tuple[dict[str, Any], int]:
        user = current_user()
        key = request.headers.get("Idempotency-Key", "").strip()
        if not 1 <= len(key) <= 200:
            raise Problem(400, "no_idempotency_key", "请求里要有 Idempotency-Key（1 到 200 个字符），重发时用同一个。")
        opened = station.intake.open_case(json_body(_INTAKE), services.person_of(user), idempotency_key=key)
        # The same key again writes nothing, and shows the case all the same.
        look = services.visible if opened.created else services.read
        answer = case_for_api(services, *look(opened.number, user))
        return {**answer, "warnings": opened.warnings}, 201 if opened.created else 200

    @api.get("/sync")
    @allow("agent", "township", "head")
    @operation(
        summary="The line: up or down, what waits, when the county last confirmed",
        tag="sync",
        responses={200: _SYNC},
    )
    def read_sync() -> dict[str, Any]:
        return sync_state(station)

    @api.post("/sync")
    @allow("agent", "township", "head")
    @operation(summary="Try the line now", tag="sync", responses={200: _SYNC})
    def try_now() -> dict[str, Any]:
        station.line.try_now(TRY_NOW_S)
        return sync_state(station)

    return api


def sync_state(station: Station) -> dict[str, Any]:
    """`GET sync`; also what the line page shows."""
    status = station.line.status()
    last_contact = rfc3339(status.last_contact_at) if status.last_contact_at else None
    receipt = station.casebook.last_receipt_at()
    return {
        "online": status.online,
        "waiting": station.casebook.waiting(),
        "last_confirmed_at": max(filter(None, [last_contact, receipt]), default=None),
        "trouble": status.trouble,
        "release": _release(station),
        "databases": [
            {
                "name": name,
                "update_seq": station.store(name).update_seq,
                **{key: value for key, value in status.databases.get(name, {}).items() if key == "trouble"},
                **_doubt(status.doubts.get(name)),
            }
            for name in databases_of(station.code, station.register)
        ],
    }


def _release(station: Station) -> dict[str, Any]:
    """The release in use, whether it is the county's newest, and why not."""
    release, fresh = station.catalogue.release, station.freshness()
    return {
        "number": release.number if release is not None else None,
        "at": release.at if release is not None else None,
        "since": release.since if release is not None else None,
        "age_days": fresh.age.days if fresh.age is not None else None,
        "state": fresh.state,
        "sentence": fresh.sentence,
        "problems": [
            {"document": problem.document, "what": problem.what, "sentence": problem.sentence}
            for problem in station.catalogue.problems
        ],
    }


def _doubt(doubt: Doubt | None) -> dict[str, Any]:
    if doubt is None:
        return {}
    return {
        "differs": {
            "here": doubt.here,
            "at_county": doubt.there,
            "looked_through": doubt.times,
            "next_at": rfc3339(doubt.next_at),
        }
    }


# What proves an item is for machines; a guide is for people.
_SEALS = frozenset({"sig", "key", "terms", "terms_sig", "terms_key", "type"})


def _hit(hit: Hit) -> dict[str, Any]:
    return {
        "code": hit.code,
        "name": hit.name,
        "department": hit.department,
        "score": hit.score,
        "matched_on": hit.matched_on,
    }
