"""delivered (送达): who collected the result, when, and on what proof (行政许可法 44)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from casework.canonical import Document
from casework.case import Case
from casework.documents.document_type import shape
from casework.kinds.kind import Kind
from casework.kinds.shapes import choice, line, said

RECIPIENTS = {"applicant": "本人", "guardian": "监护人", "proxy": "受托人", "family": "家属"}
PROOFS = {"signature": "签字", "thumbprint": "按手印", "photo": "拍照", "post": "邮寄回执"}

SCHEMA = shape(
    {
        "to": {
            "title": "领取人",
            **shape(
                {
                    "who": choice("是谁", RECIPIENTS),
                    "name": line("姓名", most=60),
                    "id_number": line("证件号码", least=0, most=40),
                    "witness": line("见证人", least=0, most=60),
                },
                optional=frozenset({"id_number", "witness"}),
            ),
        },
        "proof": choice("领取凭据", PROOFS),
        "papers": {"title": "领走的", "type": "array", "items": line("名称"), "maxItems": 40},
    },
    optional=frozenset({"papers"}),
)


def _demands(_case: Case | None, data: Mapping[str, Any], _item: Document | None) -> dict[str, str]:
    wrong = {f"to.{path}": sentence for path, sentence in said(data["to"], "name", "请写明谁领的。").items()}
    if data["proof"] == "thumbprint" and not data["to"].get("witness", "").strip():
        wrong["to.witness"] = "按手印的要有见证人。"
    return wrong


KIND = Kind("delivered", SCHEMA, _demands)
