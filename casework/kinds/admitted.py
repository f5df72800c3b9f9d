"""admitted (准许记录算数): the county looked into a record that had been kept aside, and lets it count."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from casework.canonical import Document
from casework.case import Admission, Case
from casework.documents.document_type import shape
from casework.kinds.kind import Kind, act_of
from casework.kinds.shapes import EVENT, prose, said

ADMISSIBLE = frozenset({"key", "revoked", "terms", "no_terms", "not_entitled", "history"})
"""Codes of what can be admitted. What was altered, forged or is torn has nothing in it to trust."""

SCHEMA = shape({"event": EVENT, "reason": prose("核实的情况")})


def _demands(case: Case | None, data: Mapping[str, Any], _item: Document | None) -> dict[str, str]:
    wrong = said(data, "reason", "请写明怎么核实的，两边都会看到。")
    if case is not None:
        aside = next((one for one in case["quarantined"] if one["id"] == data["event"]), None)
        if aside is None:
            wrong["event"] = "没有这条暂不算数的记录，可能已经处理了。刷新后再看。"
        elif aside["code"] not in ADMISSIBLE:
            wrong["event"] = "这条记录被改过或残缺，不能准许。请原站点补一条。"
    return wrong


def _apply(case: Case, event: Document, at: datetime) -> None:
    data = event["data"]
    case["admitted"].append(Admission(**act_of(event, at), admits=data["event"], reason=data["reason"]))


KIND = Kind("admitted", SCHEMA, _demands, _apply)
