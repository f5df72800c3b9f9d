"""proxy_ended (终止委托): nobody acts for the applicant any more (民法典 173)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from casework.canonical import Document
from casework.case import Case
from casework.documents.document_type import shape
from casework.kinds.kind import Kind, act_of
from casework.kinds.shapes import prose, said

SCHEMA = shape({"reason": prose("原因")})


def _demands(_case: Case | None, data: Mapping[str, Any], _item: Document | None) -> dict[str, str]:
    return said(data, "reason", "请写明为什么终止委托。")


def _apply(case: Case, event: Document, at: datetime) -> None:
    for proxy in case["proxies"]:
        if proxy["ended"] is None:
            proxy["ended"] = act_of(event, at)
    if case["named_proxy_ended"] is None and (case["fields"].get("people") or {}).get("proxy"):
        case["named_proxy_ended"] = act_of(event, at)


KIND = Kind("proxy_ended", SCHEMA, _demands, _apply)
