"""Reading a case from its events: pure, and the same to the byte wherever the same events are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from casework.calendar import Calendar
from casework.canonical import Document, NotCanonical, is_addressed
from casework.case import Case, Quarantined
from casework.documents.event import event_holds, is_event_shaped
from casework.documents.item import terms_payload
from casework.documents.register import COUNTY, Key, Register
from casework.history import History
from casework.kinds import KINDS
from casework.reading import Reading, aside, point_id
from casework.signing import signature_holds

__all__ = ["Case", "fold", "point_id"]

Holds = Callable[[Document, Key], bool]


def fold(events: Iterable[Document], register: Register, calendar: Calendar, *, holds: Holds = event_holds) -> Case:
    """The case that these events tell (one case's, in any order, repeated or not).

    `register` says whose signature counts, `calendar` what a promise means in dates; `holds` is the
    arithmetic of one event under one key (`event_holds`), injected so that an answer can be remembered. Asks
    no clock: whether a deadline has passed is for the reader to say.

    Raises ValueError for no events, or events of two cases.
    """
    number, shaped, put_aside = _sorted_out(events)
    admitted: list[Document] = []
    known: list[Document] = []
    for event in shaped:
        refused = _refused(event, register, holds)
        if refused is None:
            admitted.append(event)
            known.append(event)
            continue
        put_aside[event["_id"]] = refused
        # What was altered tells nothing about what it had seen; the rest keeps its place in the history.
        if refused["code"] != "hash":
            known.append(event)
    checked = {event["_id"] for event in admitted}
    reading = Reading(number, History.of(known, checked), register, calendar, put_aside)
    reading.admit(checked)
    return reading.case()


def _sorted_out(events: Iterable[Document]) -> tuple[str, list[Document], dict[str, Quarantined]]:
    """The case number, the well-formed events (each id once), and what has no shape."""
    by_id: dict[str, Document] = {}
    for event in events:
        identifier = str(event.get("_id"))
        rival = by_id.get(identifier)
        by_id[identifier] = event if rival is None or rival is event else min(rival, event, key=_trust)
    numbers = {identifier.split(":")[1] for identifier in by_id if identifier.count(":") >= 2}
    if len(numbers) != 1:
        raise ValueError(f"the events of exactly one case, not of {len(numbers)}")
    shaped: list[Document] = []
    torn: dict[str, Quarantined] = {}
    for identifier in sorted(by_id):
        if is_event_shaped(by_id[identifier]):
            shaped.append(by_id[identifier])
        else:
            torn[identifier] = aside(identifier, "shape", "这条记录残缺，读不出来。请原站点补一条。")
    return numbers.pop(), shaped, torn


def _trust(event: Document) -> tuple[bool, str]:
    """Of two bodies under one id only one can have the hash that the id ends in; it sorts first."""
    return not is_addressed(event), json.dumps(event, sort_keys=True)


def _refused(event: Document, register: Register, holds: Holds) -> Quarantined | None:
    """Why an event does not check, whatever the rest of the case says; None when it does."""
    identifier = event["_id"]
    key = register.key(event["key"])
    altered = ("hash", "内容与编号里的校验码对不上，传的时候坏了或被改过。请原站点补一条。")
    if (key is None or key.station != event["station"]) and not is_addressed(event):
        refusal = altered
    elif key is None:
        refusal = ("key", f"签名用的密钥 {event['key']} 不在名册里。等名册更新，或由原站点用新密钥补一条。")
    elif key.station != event["station"]:
        refusal = ("key", "签名的密钥不是这个站点的。")
    elif not holds(event, key):
        forged = ("signature", "签名对不上，可能被改过。请原站点补一条。")
        refusal = forged if is_addressed(event) else altered
    elif not key.admits(event["incarnation"], event["home"], event["serial"]):
        refusal = (
            "revoked",
            "这个密钥已经停用，这条记录在停用以后才写，不能算数。请由有权的人核实后补一条。",
        )
    else:
        return _refused_content(event, register)
    return aside(identifier, *refusal)


def _refused_content(event: Document, register: Register) -> Quarantined | None:
    kind = KINDS.get(event["kind"])
    if kind is None:
        return None
    wrong = kind.problems(None, event["data"])
    if wrong:
        path, sentence = next(iter(wrong.items()))
        return aside(event["_id"], "content", f"{kind.title}的内容不完整（{path}）：{sentence}")
    if event["kind"] == "received" and not _terms_signed(event["data"], register):
        return aside(event["_id"], "terms", "办理条款没有县中心的有效签名。请更新事项后重新收件。")
    return None


def _terms_signed(data: Mapping[str, Any], register: Register) -> bool:
    key = register.key(data["terms_key"])
    # A county key that was replaced since still vouches for what was accepted under it: the terms bear no
    # date.
    if key is None or key.kind != COUNTY:
        return False
    try:
        return _signed(terms_payload(data["terms"]), data["terms_sig"], key)
    except NotCanonical:
        return False


@lru_cache(maxsize=512)
def _signed(payload: bytes, signature: str, key: Key) -> bool:
    # The same few terms come with every case of an item: this is arithmetic, and is done once.
    return signature_holds(payload, signature, key.public_key)
