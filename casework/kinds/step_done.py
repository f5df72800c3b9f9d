"""step_done (完成环节): what a step of the item's flow came to, and in whose opinion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from casework.canonical import Document
from casework.case import Case
from casework.documents.document_type import shape
from casework.kinds.kind import Kind
from casework.kinds.shapes import choice, line, prose, said
from casework.kinds.step_started import STEP

RESULTS = {"passed": "通过", "conditional": "附条件通过", "failed": "不通过"}

SCHEMA = shape(
    {
        "step": STEP,
        "result": choice("结果", RESULTS),
        "text": prose("意见"),
        "source": line("核验的来源", least=0),
        "basis": line("依据的条款", least=0, most=4000),
    },
    optional=frozenset({"text", "source", "basis"}),
)


def _demands(_case: Case | None, data: Mapping[str, Any], _item: Document | None) -> dict[str, str]:
    if data["result"] == "passed":
        return {}
    what = "条件" if data["result"] == "conditional" else "为什么不通过"
    return said(data, "text", f"请写明{what}，决定的人要看。")


KIND = Kind("step_done", SCHEMA, _demands)
