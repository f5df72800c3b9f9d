"""What changed between two versions of an item, said of one case: its materials, limits, fee, who decides, its form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from casework.canonical import Document
from casework.conditions import applies
from casework.documents.item import LEVELS, WITHDRAW_UNTIL

Facts = Mapping[str, Any]

_OF_A_MATERIAL: Final = {"type": "类型", "form": "形式", "copies": "份数", "necessity": "必要性", "note": "要求"}
_OF_A_FIELD: Final = ("title", "type", "enum", "x-check", "minimum", "maximum", "pattern", "items", "properties")


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that is another now: `about` is name, materials, conditions, limit, fee, decides, situation, form,
    withdrawal or flow. `better` is whether it asks less of the applicant; None where nobody can tell.
    """

    about: str
    sentence: str
    better: bool | None = None


def changes(then: Document, now: Document, facts: Facts) -> list[Change]:
    """What is another in `now` than in `then`, for a case with these facts (its `fields`), the materials first.

    Of materials and fields only those that apply to the case are compared. Two versions that say the same to this case
    have no changes.
    """
    return [
        *_materials(then, now, facts),
        *_lists("conditions", "受理条件", then.get("conditions", []), now.get("conditions", [])),
        *_limits(then, now),
        *_fees(then, now),
        *_deciders(then, now),
        *_situations(then, now, facts),
        *_forms(then, now, facts),
        *_rest(then, now),
    ]


def more_materials(then: Document, now: Document, facts: Facts) -> list[str]:
    """The names of materials that `now` asks of such a case and `then` did not."""
    before = _asked(then, facts)
    return [m["name"] for m in _asked(now, facts).values() if _same_among(m, before) is None]


def no_more_materials(then: Document, now: Document, facts: Facts) -> list[str]:
    """The ids, as `then` has them, of materials that `now` asks for no more."""
    after = _asked(now, facts)
    return [id_ for id_, material in _asked(then, facts).items() if _same_among(material, after) is None]


def _asked(item: Document, facts: Facts) -> dict[str, Document]:
    return {m["id"]: m for m in item.get("materials", []) if applies(m.get("when"), facts)}


def _same_among(material: Document, others: Mapping[str, Document]) -> Document | None:
    """The same paper in another version: by its id, or by its name where an import numbered anew."""
    by_id = others.get(material["id"])
    if by_id is not None and by_id["name"] == material["name"]:
        return by_id
    return next((other for other in others.values() if other["name"] == material["name"]), by_id)


def _materials(then: Document, now: Document, facts: Facts) -> Iterator[Change]:
    before, after = _asked(then, facts), _asked(now, facts)
    for material in after.values():
        same = _same_among(material, before)
        if same is None:
            yield Change("materials", f"多要一项材料：“{material['name']}”（{_wanted(material)}）。", better=False)
            continue
        told = [
            f"{title} {_value(same.get(name))} → {_value(material.get(name))}"
            for name, title in {"name": "名称", **_OF_A_MATERIAL}.items()
            if (same.get(name) or "") != (material.get(name) or "")
        ]
        if told:
            yield Change("materials", f"材料“{same['name']}”的要求变了：{'；'.join(told)}。")
    for material in before.values():
        if _same_among(material, after) is None:
            yield Change("materials", f"不再要材料“{material['name']}”。", better=True)


def _wanted(material: Document) -> str:
    return f"{material['type']} {material['copies']} 份，{material['necessity']}"


def _value(value: Any) -> str:
    return str(value) if value not in (None, "") else "没写"


def _lists(about: str, title: str, before: list[str], after: list[str]) -> Iterator[Change]:
    for text in after:
        if text not in before:
            yield Change(about, f"{title}多了：{text.rstrip('。')}。")
    for text in before:
        if text not in after:
            yield Change(about, f"{title}去掉了：{text.rstrip('。')}。", better=True)


def _limits(then: Document, now: Document) -> Iterator[Change]:
    for name, title in (("promised", "承诺时限"), ("legal", "法定时限")):
        before, after = then.get(name), now.get(name)
        if before == after:
            continue
        better = None
        if before is not None and after is not None and before["unit"] == after["unit"]:
            better = after["n"] < before["n"]
        yield Change("limit", f"{title}：{_days(before)} → {_days(after)}。", better)
    if then["case_type"] != now["case_type"]:
        yield Change("limit", f"办件类型：{then['case_type']} → {now['case_type']}。")


def _days(limit: Mapping[str, Any] | None) -> str:
    if limit is None:
        return "没有"
    return f"{limit['n']} 个{limit['unit']}" if limit["n"] else "当场办结"


def _fees(then: Document, now: Document) -> Iterator[Change]:
    before, after = _fee(then), _fee(now)
    if before != after:
        charged = then["fee"]["charged"], now["fee"]["charged"]
        better = charged[0] if charged[0] != charged[1] else None
        yield Change("fee", f"费用：{before} → {after}。", better)


def _fee(item: Document) -> str:
    fee = item["fee"]
    if not fee["charged"]:
        return "不收费"
    amount = fee.get("amount")
    told = [f"{amount / 100:g} 元"] if amount is not None else []
    told += [str(fee[name]) for name in ("text", "basis") if fee.get(name)]
    return f"收费（{'，'.join(told)}）" if told else "收费"


def _deciders(then: Document, now: Document) -> Iterator[Change]:
    if then["decides"] != now["decides"]:
        yield Change("decides", f"决定机关：{_decider(then)} → {_decider(now)}。")


def _decider(item: Document) -> str:
    decides = item["decides"]
    return f"{decides['office']}（{LEVELS.get(decides['level'], decides['level'])}，{decides['department']}）"


def _situations(then: Document, now: Document, facts: Facts) -> Iterator[Change]:
    before = {question["id"]: question for question in then.get("situations", [])}
    after = {question["id"]: question for question in now.get("situations", [])}
    answers = facts.get("situation") or {}
    for id_, question in after.items():
        if id_ not in before:
            yield Change("situation", f"多问一种情形：“{question['title']}”，和它有关的材料要问了才知道。")
        elif question != before[id_]:
            gone = answers.get(id_) not in (None, *(option["id"] for option in question["options"]))
            said = "，本件选的那一种已经没有了" if gone else ""
            yield Change("situation", f"情形“{before[id_]['title']}”的选项变了{said}。")
    for id_, question in before.items():
        if id_ not in after:
            yield Change("situation", f"不再问情形“{question['title']}”。")


def _forms(then: Document, now: Document, facts: Facts) -> Iterator[Change]:
    before, after = _fields(then, facts), _fields(now, facts)
    required = set(then["form"].get("required", [])), set(now["form"].get("required", []))
    for name, field in after.items():
        title = str(field.get("title", name))
        if name not in before:
            must = "必填" if name in required[1] else "可不填"
            yield Change("form", f"表单多了“{title}”一栏（{must}）。", better=False if name in required[1] else None)
        elif any(before[name].get(part) != field.get(part) for part in _OF_A_FIELD):
            yield Change("form", f"表单“{before[name].get('title', name)}”一栏的填法变了。")
        elif (name in required[0]) != (name in required[1]):
            must = "改成必填" if name in required[1] else "改成可不填"
            yield Change("form", f"表单“{title}”一栏{must}。", better=name in required[0])
    for name, field in before.items():
        if name not in after:
            yield Change("form", f"表单去掉了“{field.get('title', name)}”一栏。", better=True)


def _fields(item: Document, facts: Facts) -> dict[str, Document]:
    properties = item["form"].get("properties", {})
    return {name: field for name, field in properties.items() if applies(field.get("x-when"), facts)}


def _rest(then: Document, now: Document) -> Iterator[Change]:
    if then["name"] != now["name"]:
        yield Change("name", f"事项名称：{then['name']} → {now['name']}。")
    if then["withdraw_until"] != now["withdraw_until"]:
        before, after = (WITHDRAW_UNTIL.get(item["withdraw_until"], "到某一步为止可以撤回") for item in (then, now))
        yield Change("withdrawal", f"撤回：{before} → {after}。")
    if (then.get("flow") or None) != (now.get("flow") or None):
        yield Change("flow", "办理环节变了。")
