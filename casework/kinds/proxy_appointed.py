"""proxy_appointed (委托代办): somebody acts for the applicant, by a signed power of attorney (民法典 165)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from casework.canonical import Document
from casework.case import Case, Proxy
from casework.documents.document_type import nullable, shape
from casework.kinds.kind import Kind, act_of
from casework.kinds.shapes import choice, day, line, said

SIGNED = {"signature": "签字", "thumbprint": "按手印", "photo": "拍照留存"}

SCHEMA = shape(
    {
        "name": line("受托人姓名", most=60),
        "id_number": line("证件号码", least=0, most=40),
        "phone": line("联系电话", least=0, most=40),
        "agent": {"title": "是代办员", "type": "boolean", "x-widget": "checkbox"},
        "matters": {"title": "委托的事项", "type": "array", "items": line("事项"), "minItems": 1, "maxItems": 20},
        "authority": line("权限", most=1000),
        "from": day("从哪天起"),
        "until": nullable(day("到哪天止")),
        "signed": choice("怎么签的", SIGNED),
        "witness": line("见证人", least=0, most=60),
    },
    optional=frozenset({"id_number", "phone", "agent", "until", "witness"}),
)


def _demands(_case: Case | None, data: Mapping[str, Any], item: Document | None) -> dict[str, str]:
    if item is not None and not item.get("proxy_allowed", True):
        return {
            "name": f"{item.get('proxy_reason') or '这个事项必须本人到场'}，不能委托代办。请约本人来办，或申请上门。"
        }
    wrong = {
        **said(data, "name", "请写明受托人。"),
        **said(data, "authority", "请写明委托的权限，例如“代为提交材料、领取结果”。"),
    }
    if data["signed"] == "thumbprint":
        wrong |= said(data, "witness", "按手印的要有见证人。")
    if data.get("until") is not None and data["until"] < data["from"]:
        wrong["until"] = "结束的日子早于开始的日子，请核对。"
    return wrong


def _apply(case: Case, event: Document, at: datetime) -> None:
    case["proxies"].append(Proxy(**act_of(event, at), proxy=dict(event["data"]), ended=None))


KIND = Kind("proxy_appointed", SCHEMA, _demands, _apply)
