"""fee_paid (登记缴费): what was paid, and the number of the voucher (行政许可法 59)."""

from __future__ import annotations

from datetime import datetime

from casework.canonical import Document
from casework.case import Case, Fee
from casework.documents.document_type import shape
from casework.kinds.kind import Kind, act_of, demands_nothing
from casework.kinds.shapes import line, money

SCHEMA = shape({"amount": money("金额"), "voucher": line("票据号", most=60)})


def _apply(case: Case, event: Document, at: datetime) -> None:
    data = event["data"]
    case["fees"].append(
        Fee(**act_of(event, at), kind="paid", amount=data["amount"], basis=None, voucher=data["voucher"])
    )


KIND = Kind("fee_paid", SCHEMA, demands_nothing, _apply)
