"""A guide's elements in words, as a person reads them. What an item does not say is not told."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flask import Flask
from flask_babel import gettext as _

from casework.canonical import Document
from casework.documents.item import LEVELS, WITHDRAW_UNTIL
from casework.guide.short_list import when_in_words
from web.wording import yuan


def install(app: Flask) -> None:
    """Make the words known to every template."""
    app.jinja_env.globals |= {
        "guide_facts": facts,
        "guide_village": village,
        "guide_when": when_in_words,
        "guide_material": material_note,
        "guide_more": more,
    }


def village(item: Mapping[str, Any]) -> tuple[str, str]:
    """What the village does for this item (直办、代办、协办、公开告知), and in a sentence what that means."""
    role = str(item.get("village_role", ""))
    words = {
        "直办": _("村里就能办：材料交到村便民服务站，不用去别处。"),
        "代办": _("村里替您跑：材料交到村便民服务站，代办员送去办，结果拿回来给您。"),
        "协办": _("村里帮您备：帮您填表、备材料，办还要您自己去一趟下面写的地方。"),
        "公开告知": _("村里告诉您怎么办：要您自己去下面写的地方。"),
    }
    return role, words.get(role, "")


def limit(said: Mapping[str, Any] | None) -> str:
    """当场办好, 20 个工作日; nothing where there is no limit."""
    if not said:
        return ""
    return str(_("%(n)s 个%(unit)s", n=said["n"], unit=said["unit"]) if said["n"] else _("当场办好"))


def facts(item: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """What everybody asks first, each `(question, answer, more)`: how long, what it costs, how often to come, and who
    decides.
    """
    legal, fee = limit(item.get("legal")), item.get("fee") or {}
    cost = _("不收费")
    if fee.get("charged"):
        cost = fee.get("text") or (_("%(n)s 元", n=yuan(fee["amount"])) if fee.get("amount") else _("收费，按规定"))
    found = [
        (
            _("多久办好"),
            limit(item.get("promised")) or _("没有承诺期限"),
            _("法定最长 %(n)s", n=legal) if legal else "",
        ),
        (_("收费"), str(cost), str(fee.get("basis") or "") if fee.get("charged") else ""),
    ]
    visits = item.get("visits") or {}
    if "count" in visits:
        often = _("跑 %(n)s 次", n=visits["count"]) if visits["count"] else _("一次也不用跑")
        found.append((_("要跑几次"), often, str(visits.get("reason") or "")))
    decides = item.get("decides") or {}
    if decides.get("office"):
        found.append((_("谁来决定"), str(decides["office"]), LEVELS.get(decides.get("level", ""), "")))
    return found


def material_note(material: Mapping[str, Any]) -> str:
    """原件和复印件 1 份 · 容缺后补 · 申请人自备"""
    copies = _("%(n)s 份", n=material["copies"]) if material.get("copies") else ""
    necessity = material.get("necessity", "")
    parts = (
        " ".join(filter(None, (str(material.get("type", "")), copies))),
        "" if necessity == "必要" else str(necessity),
        str(material.get("source_note") or material.get("source", "")),
    )
    return " · ".join(filter(None, parts))


def more(item: Document) -> list[tuple[str, str]]:
    """The other guide elements that an item may have, each `(title, words)`, in the order in which they are asked for.

    `note` is the county's own, and nobody else's.
    """
    titles = {
        "promised_note": _("承诺时限"),
        "legal_note": _("法定时限"),
        "limit_basis": _("时限依据"),
        "special_procedures": _("特别程序"),
        "quantity_limit": _("数量限制"),
        "intermediary": _("中介服务"),
        "ways": _("可以怎么办"),
        "booking": _("预约"),
        "online": _("网上办"),
        "payment": _("网上缴费"),
        "delivery": _("快递送达"),
        "scope": _("通办范围"),
        "joint_bodies": _("一起办的部门"),
        "body": _("实施主体"),
        "power_source": _("权力来源"),
        "enquiry_ways": _("还可以这样问"),
        "complaint_ways": _("还可以这样投诉"),
    }
    found = [(title, words) for name, title in titles.items() if (words := _in_words(item.get(name)))]
    if item.get("withdraw_until") in WITHDRAW_UNTIL:
        found.append((_("反悔了"), WITHDRAW_UNTIL[item["withdraw_until"]]))
    if item.get("proxy_allowed") is False:
        found.append((_("能不能委托"), item.get("proxy_reason") or _("要本人到场，不能委托别人")))
    return found


def _in_words(said: Any) -> str:
    """Text, a list of texts, or an object's texts, in one line; what is offered or not is said in a word."""
    if isinstance(said, bool):
        return str(_("可以") if said else _("不可以"))
    if isinstance(said, Mapping):
        return _joined("：", said.values())
    if isinstance(said, list):
        return _joined("；", said)
    return str(said) if said is not None else ""


def _joined(between: str, values: Iterable[Any]) -> str:
    return between.join(filter(None, map(_in_words, values)))
