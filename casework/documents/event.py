"""An event (办件事件): one act on a case, signed, immutable; a case is the set of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from casework.canonical import Document, address, is_addressed
from casework.documents.document_type import (
    CODE12,
    HASH32,
    HLC,
    KEY_ID,
    NUMBER,
    SIGNED,
    DocumentType,
    nullable,
    shape,
    text,
)
from casework.documents.register import Key
from casework.signing import Sign, document_holds, sign_document
from casework.times import Hlc

EVENT_ID = f"event:{NUMBER}:{HLC}:{HASH32}"
_INCARNATION = r"[0-9A-Za-z_-]{1,64}"
_HOME = r"[a-z][a-z0-9_$()+/-]{0,127}"
_RAW = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"

MOST_OFFSET_MS = 400 * 366 * 24 * 3600 * 1000

TYPE = DocumentType(
    name="event",
    title="办件事件",
    id_pattern=EVENT_ID,
    immutable=True,
    schema=shape(
        {
            "case": text(NUMBER),
            "kind": text(r"[a-z][a-z0-9_]{0,39}"),
            "data": {"type": "object"},
            "by": shape(
                {
                    "account": {"type": "string", "minLength": 1, "maxLength": 60},
                    "name": {"type": "string", "minLength": 1, "maxLength": 60},
                    "role": {"type": "string", "minLength": 1, "maxLength": 40},
                    "department": nullable({"type": "string", "minLength": 1, "maxLength": 40}),
                }
            ),
            "station": text(CODE12),
            "incarnation": text(_INCARNATION),
            "at": text(HLC),
            "clock": shape(
                {
                    "raw": text(_RAW),
                    "offset": {"type": "integer", "minimum": -MOST_OFFSET_MS, "maximum": MOST_OFFSET_MS},
                    "how": {"type": "string", "maxLength": 40},
                }
            ),
            "seen": {"type": "array", "items": text(EVENT_ID), "uniqueItems": True, "maxItems": 1000},
            "home": text(_HOME),
            "serial": {"type": "integer", "minimum": 1},
            "prev": nullable(text(r"[a-z]+:.{1,200}")),
            **SIGNED,
        }
    ),
)


class By(TypedDict):
    """Who did it (经办人): the account, the name as it prints, the role they acted in, their department or
    null.
    """

    account: str
    name: str
    role: str
    department: str | None


class Clock(TypedDict):
    """The clock's own word: `raw` RFC 3339 UTC with milliseconds, `offset` milliseconds to add, `how` we know
    it.

    `how` is `county` (measured at the last contact), `confirmed` (a clerk confirmed the date) or `unknown`.
    """

    raw: str
    offset: int
    how: str


def compose(
    *,
    case: str,
    kind: str,
    data: Mapping[str, Any],
    by: By,
    station: str,
    incarnation: str,
    key: str,
    at: Hlc | str,
    clock: Clock,
    seen: Sequence[str],
    home: str,
    serial: int,
    prev: str | None,
    sign: Sign,
) -> Document:
    """A complete event with `_id` and `_rev`, signed by the station.

    `seen` are the heads of the case as its author saw it (order does not matter), `home` the database it is
    first written into, `serial` its running number there in this `incarnation` (from 1), `prev` the id of the
    one before. Raises NotCanonical for data with floats or broken text.
    """
    stamp = at.text() if isinstance(at, Hlc) else at
    body: Document = {
        "case": case,
        "kind": kind,
        "data": dict(data),
        "by": dict(by),
        "station": station,
        "incarnation": incarnation,
        "at": stamp,
        "clock": dict(clock),
        "seen": sorted(set(seen)),
        "home": home,
        "serial": serial,
        "prev": prev,
    }
    return address(f"event:{case}:{stamp}", sign_document(body, key, sign))


_NUMBER = re.compile(NUMBER)
_EVENT_ID = re.compile(EVENT_ID)
_TEXTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("case", _NUMBER),
    ("kind", re.compile(r"[a-z][a-z0-9_]{0,39}")),
    ("station", re.compile(CODE12)),
    ("incarnation", re.compile(_INCARNATION)),
    ("at", re.compile(HLC)),
    ("home", re.compile(_HOME)),
    ("key", re.compile(KEY_ID)),
)
_CLOCK_RAW = re.compile(_RAW)


def is_event_shaped(document: Document) -> bool:
    """The structural check, by hand: `TYPE.problems` says the same in sentences and takes thirty times as
    long.
    """
    for name, pattern in _TEXTS:
        value = document.get(name)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            return False
    identifier = document.get("_id")
    if not isinstance(identifier, str) or not _EVENT_ID.fullmatch(identifier):
        return False
    if not identifier.startswith(f"event:{document['case']}:{document['at']}:"):
        return False
    if not document["at"].endswith(f"-{document['station']}"):
        return False
    return (
        isinstance(document.get("data"), dict)
        and _is_by(document.get("by"))
        and _is_clock(document.get("clock"))
        and _is_seen(document.get("seen"))
        and _is_count(document.get("serial"))
        and (document.get("prev") is None or isinstance(document["prev"], str))
    )


def event_holds(document: Document, key: Key) -> bool:
    """Whether an event is what it says: its shape, the hash in its id, and the signature of `key`.

    Pure arithmetic on the document and one public key, so the answer may be kept by (id, key id) for ever.
    """
    return is_event_shaped(document) and is_addressed(document) and document_holds(document, key.public_key)


def _is_by(by: object) -> bool:
    return (
        isinstance(by, dict)
        and all(isinstance(by.get(name), str) and by[name] for name in ("account", "name", "role"))
        and (by.get("department") is None or isinstance(by["department"], str))
    )


def _is_clock(clock: object) -> bool:
    if not isinstance(clock, dict):
        return False
    raw, offset = clock.get("raw"), clock.get("offset")
    if not isinstance(raw, str) or not _CLOCK_RAW.fullmatch(raw):
        return False
    return (
        isinstance(offset, int)
        and not isinstance(offset, bool)
        and abs(offset) <= MOST_OFFSET_MS
        and isinstance(clock.get("how"), str)
    )


def _is_seen(seen: object) -> bool:
    return isinstance(seen, list) and all(isinstance(i, str) and _EVENT_ID.fullmatch(i) for i in seen)


def _is_count(serial: object) -> bool:
    return isinstance(serial, int) and not isinstance(serial, bool) and serial >= 1
