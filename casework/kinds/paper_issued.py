"""paper_issued (出具文书): a numbered paper was handed out; later ones are versions, the same again is a reprint."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from casework.canonical import Document
from casework.case import Case, Paper
from casework.documents.document_type import HASH32, nullable, shape, text
from casework.kinds.kind import Kind, act_of
from casework.kinds.shapes import EVENT, line

SCHEMA = shape(
    {
        "paper": text(r"[a-z][a-z0-9_]{0,39}"),
        "number": line("文书编号", most=80),
        "version": {"title": "第几版", "type": "integer", "minimum": 1, "maximum": 999},
        "about": nullable(EVENT),
        "reprint": {"type": "boolean"},
        # What it said, as a hash: another one makes the next version.
        "says": text(HASH32),
    },
    optional=frozenset({"about", "reprint", "says"}),
)


def _demands(case: Case | None, data: Mapping[str, Any], _item: Document | None) -> dict[str, str]:
    if case is None:
        return {}
    known = {(paper["number"], paper["version"]) for paper in case["papers"]}
    mine = (data["number"], data["version"])
    if data.get("reprint", False) != (mine in known):
        return {"reprint": "出过的才叫补打；没出过的不是补打。刷新后再看。"}
    return {}


def _apply(case: Case, event: Document, at: datetime) -> None:
    data = event["data"]
    case["papers"].append(
        Paper(
            **act_of(event, at),
            paper=data["paper"],
            number=data["number"],
            version=data["version"],
            about=data.get("about"),
            reprint=data.get("reprint", False),
            says=data.get("says"),
        )
    )


KIND = Kind("paper_issued", SCHEMA, _demands, _apply)
