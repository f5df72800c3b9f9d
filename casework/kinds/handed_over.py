"""handed_over (移交材料): papers leave the desk, on a slip that goes with them."""

from __future__ import annotations

from datetime import datetime

from casework.canonical import Document
from casework.case import Case, Handover
from casework.documents.document_type import shape
from casework.kinds.kind import Kind, act_of, demands_nothing
from casework.kinds.shapes import line, prose

SCHEMA = shape(
    {
        # One slip may go with the papers of many cases (打包移交).
        "slip": line("凭证号", most=60),
        "to": line("交给谁", most=60),
        "papers": {"title": "哪些材料", "type": "array", "items": line("材料"), "maxItems": 200},
        "note": prose("说明"),
    },
    optional=frozenset({"note"}),
)


def _apply(case: Case, event: Document, at: datetime) -> None:
    data = event["data"]
    case["handovers"].append(
        Handover(
            **act_of(event, at),
            slip=data["slip"],
            to=data["to"],
            papers=list(data["papers"]),
            note=data.get("note"),
            taken=None,
        )
    )
    case["papers_at"] = f"在路上，交给{data['to']}"


KIND = Kind("handed_over", SCHEMA, demands_nothing, _apply)
