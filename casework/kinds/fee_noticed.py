"""fee_noticed (告知缴费): how much, and on what basis (行政许可法 58, 59)."""

from __future__ import annotations

from datetime import datetime

from casework.canonical import Document
from casework.case import Case, Fee
from casework.documents.document_type import shape
from casework.kinds.kind import Kind, act_of, demands_nothing
from casework.kinds.shapes import line, money

SCHEMA = shape({"amount": money("金额"), "basis": line("收费依据", most=1000)})


def _apply(case: Case, event: Document, at: datetime) -> None:
    data = event["data"]
    case["fees"].append(
        Fee(**act_of(event, at), kind="noticed", amount=data["amount"], basis=data["basis"], voucher=None)
    )


KIND = Kind("fee_noticed", SCHEMA, demands_nothing, _apply)
