"""forwarded (转办): the case goes up (上报件), or to the township or department that it is for (同城通办)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from casework.canonical import Document
from casework.case import Case, Forward
from casework.documents.document_type import shape
from casework.kinds.kind import Kind, act_of
from casework.kinds.shapes import STATION, line, prose, said

SCHEMA = shape(
    {
        "to_station": {"title": "转给哪个乡镇", **STATION},
        "to_department": line("转给县里哪个部门", most=40),
        "reason": prose("意见"),
    },
    optional=frozenset({"to_station", "to_department"}),
)


def _demands(case: Case | None, data: Mapping[str, Any], _item: Document | None) -> dict[str, str]:
    if case is not None and data.get("to_station") == case["handler"] and "to_department" not in data:
        return {"to_station": "本来就由这个乡镇办，不用转。"}
    return said(data, "reason", "请写一句意见，接手的人要看。")


def forward(event: Document, at: datetime) -> Forward:
    """The forwarding or sending back as a case tells it."""
    data = event["data"]
    return Forward(
        **act_of(event, at),
        kind=event["kind"],
        to_station=data.get("to_station"),
        to_department=data.get("to_department"),
        reason=data["reason"],
    )


def _apply(case: Case, event: Document, at: datetime) -> None:
    case["forwards"].append(forward(event, at))


KIND = Kind("forwarded", SCHEMA, _demands, _apply)
