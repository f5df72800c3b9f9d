"""The consistency rules that an item is held to before each approval (domain.md, 1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from casework.canonical import Document
from central.catalogue.findings import Finding


def check_items(contents: Iterable[tuple[int, Document]]) -> list[Finding]:
    """The consistency rules of a published checker (domain.md, 1), each broken one with its reason."""
    return [
        Finding(row, content["name"], sentence) for row, content in contents for sentence in _inconsistencies(content)
    ]


def _inconsistencies(content: Document) -> Iterator[str]:
    promised, legal = content["promised"], content["legal"]
    at_once = promised is not None and promised["n"] == 0
    if at_once != (content["case_type"] == "即办件"):
        yield "即办件的承诺时限要是 0；承诺时限是 0 的要是即办件。"
    if content["visits"]["count"] > 0 and not content["visits"]["reason"].strip():
        yield "要到现场的，写明为什么要到现场。"
    if content["fee"]["charged"] and not content["fee"]["basis"].strip():
        yield "收费的，写明收费依据。"
    if content["type"] == "行政许可" and not content.get("faq"):
        yield "行政许可至少要有一个常见问题。"
    if content["result"]["name"] and not content["result"].get("sample"):
        yield "有结果名称的，要有结果样本。"
    phones = content["phones"]
    if phones["enquiry"] and phones["enquiry"] == phones["complaint"]:
        yield "咨询电话和监督电话不能是同一个。"
    if promised and legal and promised["unit"] == legal["unit"] and promised["n"] > legal["n"]:
        yield f"承诺时限（{promised['n']}）比法定时限（{legal['n']}）还长。"
