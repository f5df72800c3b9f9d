"""Forms and intakes: what must be mended before a case is saved, and what is only worth a word."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from casework import schemas
from casework.canonical import Document
from casework.identifiers import (
    CREDIT_CODE,
    ID_TYPES,
    MOST_NAME,
    MOST_ORGANISATION_NAME,
    NO_CARD,
    RESIDENT_CARD,
    check_id_number,
    check_name,
    check_phone,
    check_uscc,
    tidy_id_number,
    tidy_phone,
)
from casework.schemas import Schema

Problems = dict[str, str]
"""Dotted path → sentence, said to a person."""

MOST_TEXT = 4000
MOST_ENTRIES = 5000
DEEPEST = 12
MOST_MONEY = 10**13
MATERIAL_STATES = ("received", "missing", "later")
PROXY = "受托人"

_UNUSED = ("$ref", "$dynamicRef", "allOf")
"""Keywords that a form's reader at a station need not understand: a form says everything in its place."""

_CONTROL = frozenset(chr(code) for code in range(32)) - {"\n", "\r", "\t"}


def validate_form(schema: Schema, value: Any) -> Problems:
    """What is wrong with a filled-in form: its texts, its shape, and the rules between its fields.

    `schema` is JSON Schema (2020-12) with `x-check` (id-number, phone, uscc, date, money, name), `x-rules`
    and `x-sum-of` (house.md, "Catalogue"). Paths are relative to the form; "" is the form itself.
    """
    if not isinstance(value, dict):
        return {"": "表单应该是一组栏目。"}
    found = dict(_unfit(value))
    if not found:
        found = {**dict(_blank(schema, value, "")), **schemas.problems(schema, value)}
        for path, sentence in (*_broken_rules(schema, value), *_wrong_sums(schema, value)):
            found.setdefault(path, sentence)
    return dict(sorted(found.items()))


def validate_intake(item: Document, intake: Any, *, today: date) -> tuple[Problems, Problems]:
    """(problems, warnings) of an intake `{item, applicant, form, materials}` for this item.

    Problems must be mended before the case can be saved. Warnings must be seen: missing materials, a missing
    power of attorney, a doubtful credit code never keep a case out. `today` is the civil date at the station.

    applicant: `{name, id_type, id_number, phone}`, and `id_reason` with 无证件, `phone_reason` without a
    phone; `address`, `present` and others are kept as they are. materials: `{name | id, state}`, state
    received, missing or later; what is not listed counts as missing.
    """
    if not isinstance(intake, dict):
        return {"": "这里应该是一组栏目。"}, {}
    problems: Problems = dict(_unfit(intake))
    warnings: Problems = {}
    if problems:
        return dict(sorted(problems.items())), {}
    if intake.get("item") != item["code"]:
        problems["item"] = "事项对不上，请重新打开事项再收件。"
    applicant = intake.get("applicant")
    if isinstance(applicant, dict):
        wrong, doubtful = check_applicant(applicant, today=today)
        problems.update(_under("applicant", wrong))
        warnings.update(_under("applicant", doubtful))
        _check_presence(item, applicant, problems)
    else:
        problems["applicant"] = "请填写办事人。"
    problems.update(_under("form", validate_form(item["form"], intake.get("form", {}))))
    _check_materials(item, intake.get("materials", []), problems, warnings)
    return dict(sorted(problems.items())), dict(sorted(warnings.items()))


def check_applicant(applicant: Mapping[str, Any], *, today: date | None = None) -> tuple[Problems, Problems]:
    """(problems, warnings) of an applicant; paths are its own fields'."""
    problems: Problems = {}
    warnings: Problems = {}
    for name in ("name", "id_type", "id_number", "phone", "id_reason", "phone_reason", "address"):
        if not isinstance(applicant.get(name, ""), str | None):
            problems[name] = "请填文字。"
    if problems:
        return problems, warnings
    id_type = (applicant.get("id_type") or "").strip()
    most = MOST_ORGANISATION_NAME if id_type == CREDIT_CODE else MOST_NAME
    wrong_name = check_name(applicant.get("name") or "", most=most)
    if wrong_name is not None:
        problems["name"] = wrong_name.sentence
    if id_type not in ID_TYPES:
        problems["id_type"] = "请选证件类型：" + "、".join(ID_TYPES) + "。"
    else:
        wrong_number = check_id_number(id_type, applicant.get("id_number") or "", today=today)
        if wrong_number is not None:
            (problems if wrong_number.blocks else warnings)["id_number"] = wrong_number.sentence
        if id_type == NO_CARD and not (applicant.get("id_reason") or "").strip():
            problems["id_reason"] = "请写明没有证件的原因，例如“证件遗失，正在补办”。"
    phone = applicant.get("phone") or ""
    if phone.strip():
        wrong_phone = check_phone(phone)
        if wrong_phone is not None:
            problems["phone"] = wrong_phone.sentence
    elif not (applicant.get("phone_reason") or "").strip():
        problems["phone"] = "请填联系电话，没有的写明原因。"
    return problems, warnings


def tidy_applicant(applicant: Mapping[str, Any]) -> dict[str, Any]:
    """The applicant as it is kept: trimmed, number and phone in their plain form, empty fields left out."""
    kept = {
        name: value.strip() if isinstance(value, str) else value
        for name, value in applicant.items()
        if value is not None and not (isinstance(value, str) and not value.strip())
    }
    for name, tidy in (("id_number", tidy_id_number), ("phone", tidy_phone)):
        if isinstance(kept.get(name), str):
            kept[name] = tidy(kept[name])
    return kept


def received_materials(item: Document, materials: Any) -> list[dict[str, str]]:
    """The item's whole checklist `[{id, name, state}]` for a `received` event; what was not listed is
    missing.
    """
    states: dict[str, str] = {}
    for entry in materials or []:
        for name in ("id", "name"):
            if entry.get(name):
                states.setdefault(entry[name], entry.get("state", "received"))
    return [
        {
            "id": material["id"],
            "name": material["name"],
            "state": states.get(material["id"], states.get(material["name"], "missing")),
        }
        for material in item["materials"]
    ]


def first_examples(schema: Schema) -> dict[str, Any]:
    """The required fields of a form filled with their first examples."""
    filled: dict[str, Any] = {}
    for name in schema.get("required", []):
        field = schema.get("properties", {}).get(name, {})
        if field.get("examples"):
            filled[name] = field["examples"][0]
        elif field.get("type") == "object":
            filled[name] = first_examples(field)
    return filled


def check_form(schema: Schema) -> list[str]:
    """What keeps a form from being published: its schema, a keyword that we do not use, examples that do not
    pass.
    """
    found = [f"不是正确的 JSON Schema：{message}" for message in schemas.schema_errors(schema)]
    if found:
        return found
    found = [f"表单里不用“{keyword}”。" for keyword in _UNUSED if _uses(schema, keyword)]
    if found:
        return found
    problems = validate_form(schema, first_examples(schema))
    return [f"示例填不成一份表单，{path}：{sentence}" for path, sentence in problems.items()]


# -- the intake's parts
# ---------------------------------------------------------------------------------------------


def _check_presence(item: Document, applicant: Mapping[str, Any], problems: Problems) -> None:
    if not item.get("proxy_allowed", True) and _by_proxy(applicant):
        reason = item.get("proxy_reason") or "这个事项必须本人到场"
        problems["applicant.present"] = f"{reason}，不能委托代办。请约本人来办，或申请上门。"


def _by_proxy(applicant: Mapping[str, Any]) -> bool:
    present = applicant.get("present")
    role = present.get("role") if isinstance(present, dict) else present
    return role in {PROXY, "proxy"}


def _check_materials(item: Document, materials: Any, problems: Problems, warnings: Problems) -> None:
    if not isinstance(materials, list):
        problems["materials"] = "材料应该是一个列表。"
        return
    known = {name: material["id"] for material in item["materials"] for name in (material["name"], material["id"])}
    met: set[str] = set()
    for position, entry in enumerate(materials):
        path = f"materials.{position}"
        if not isinstance(entry, dict):
            problems[path] = "每样材料写名称和状态。"
            continue
        identifier = known.get(_text(entry.get("id"))) or known.get(_text(entry.get("name")))
        if identifier is None:
            problems[f"{path}.name"] = "材料清单里没有这一项，请从清单里选。"
        elif identifier in met:
            problems[f"{path}.name"] = "这样材料写了两遍，请去掉一个。"
        else:
            met.add(identifier)
        if entry.get("state") not in MATERIAL_STATES:
            problems[f"{path}.state"] = "请选已收（received）、缺（missing）或后补（later）。"
    if not any(path.startswith("materials") for path in problems):
        _warn_of_missing(item, received_materials(item, materials), warnings)


def _warn_of_missing(item: Document, listed: list[dict[str, str]], warnings: Problems) -> None:
    necessity = {material["id"]: material["necessity"] for material in item["materials"]}
    missing = [
        material["name"]
        for material in listed
        if necessity[material["id"]] == "必要" and material["state"] == "missing"
    ]
    if missing:
        warnings["materials"] = f"还缺 {len(missing)} 样必要材料：{'、'.join(missing)}。可以先收件，请办事人补齐。"
    powers = [material for material in listed if "委托书" in material["name"] and material["state"] != "received"]
    for material in powers:
        warnings[f"materials.{material['id']}"] = "授权委托书还没有收。代办的要补上，本人来办的不用。"


def _under(prefix: str, problems: Problems) -> Problems:
    return {f"{prefix}.{path}" if path else prefix: sentence for path, sentence in problems.items()}


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


# -- texts and numbers that no document may hold
# --------------------------------------------------------------------


def _unfit(value: Any) -> Iterator[tuple[str, str]]:
    """What canonical JSON or a page cannot carry, wherever it stands: it would fail later, and worse."""
    waiting: list[tuple[tuple[str, ...], Any]] = [((), value)]
    entries = 0
    while waiting:
        path, here = waiting.pop()
        entries += 1
        if entries > MOST_ENTRIES or len(path) > DEEPEST:
            yield ".".join(path[:1]), "内容太多，一份表单装不下。请分开填写。"
            return
        sentence = _unfit_scalar(here)
        if sentence is not None:
            yield ".".join(path), sentence
        elif isinstance(here, dict):
            for name, inner in here.items():
                if not isinstance(name, str) or len(name) > 100 or _unfit_scalar(name) is not None:
                    yield ".".join(path), "有一栏的名称不能用。"
                else:
                    waiting.append(((*path, name), inner))
        elif isinstance(here, list):
            waiting.extend(((*path, str(position)), inner) for position, inner in enumerate(here))


def _unfit_scalar(value: Any) -> str | None:
    if isinstance(value, float):
        return "请填整数；金额按分填写，不带小数。"
    if isinstance(value, int) and abs(value) >= 2**53:
        return "数字太大，请核对。"
    if isinstance(value, str):
        if len(value) > MOST_TEXT:
            return f"最多 {MOST_TEXT} 个字，现在有 {len(value)} 个，请缩短。"
        if any(sign in _CONTROL or unicodedata.category(sign) == "Cs" for sign in value):
            return "有看不见的字符。请删掉，用键盘再输一遍。"
    return None


# -- rules between fields
# -------------------------------------------------------------------------------------------


def _blank(schema: Schema, value: Any, prefix: str) -> Iterator[tuple[str, str]]:
    """Required texts that hold nothing but spaces: a schema's minLength counts those."""
    if isinstance(value, dict):
        for name, field in schema.get("properties", {}).items():
            inner = value.get(name)
            if isinstance(inner, str) and not inner.strip() and name in schema.get("required", []):
                yield f"{prefix}{name}", f"请填写{field.get('title', name)}。"
            elif isinstance(inner, dict | list):
                yield from _blank(field, inner, f"{prefix}{name}.")
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        for position, inner in enumerate(value):
            yield from _blank(schema["items"], inner, f"{prefix}{position}.")


def _broken_rules(schema: Schema, value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for rule in schema.get("x-rules", []):
        field = value.get(rule.get("field"))
        match str(rule.get("rule")).replace("_", "-"):
            case "count-equals":
                rows = value.get(rule.get("list"))
                if isinstance(field, int) and isinstance(rows, list) and field != len(rows):
                    yield rule["field"], _filled(rule, field=field, list=len(rows))
            case "at-most":
                other = value.get(rule.get("other"))
                if isinstance(field, int) and isinstance(other, int) and field > other:
                    yield rule["field"], _filled(rule, field=field, other=other)
            case _:
                # A newer form's rule: the county checks it, an older station must not refuse the case.
                continue


def _filled(rule: Mapping[str, Any], **values: int) -> str:
    message = str(rule.get("message", "这两栏对不上，请核对。"))
    for name, value in values.items():
        message = message.replace("{" + name + "}", str(value))
    return message


def _wrong_sums(schema: Schema, value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, field in schema.get("properties", {}).items():
        source = field.get("x-sum-of") if isinstance(field, dict) else None
        if not isinstance(source, str) or not isinstance(value.get(name), int):
            continue
        total = sum_of(value, source)
        if total is not None and total != value[name]:
            yield name, f"合计应该是 {total}，现在写的是 {value[name]}。请核对表里的每一行。"


def sum_of(value: Mapping[str, Any], source: str) -> int | None:
    """The total of one column of a table, `members.monthly_income`; None while a row has no whole number
    there.
    """
    table, _, column = source.partition(".")
    rows = value.get(table)
    if not isinstance(rows, list):
        return None
    entries = [row.get(column) if isinstance(row, dict) else None for row in rows]
    if not all(isinstance(entry, int) for entry in entries):
        return None
    return sum(entry for entry in entries if isinstance(entry, int))


def _uses(schema: Any, keyword: str) -> bool:
    if isinstance(schema, dict):
        return keyword in schema or any(_uses(inner, keyword) for inner in schema.values())
    return isinstance(schema, list) and any(_uses(inner, keyword) for inner in schema)


# -- named checks
# ---------------------------------------------------------------------------------------------------


def _sentence_of_id_number(value: Any) -> str | None:
    problem = check_id_number(RESIDENT_CARD, value) if isinstance(value, str) else None
    return None if problem is None else problem.sentence


def _sentence_of_phone(value: Any) -> str | None:
    problem = check_phone(value) if isinstance(value, str) else None
    return None if problem is None else problem.sentence


def _sentence_of_uscc(value: Any) -> str | None:
    problem = check_uscc(value) if isinstance(value, str) else None
    return problem.sentence if problem is not None and problem.blocks else None


def _sentence_of_name(value: Any) -> str | None:
    problem = check_name(value) if isinstance(value, str) else None
    return None if problem is None else problem.sentence


def _sentence_of_date(value: Any) -> str | None:
    if isinstance(value, str):
        try:
            if date.fromisoformat(value).isoformat() == value:
                return None
        except ValueError:
            pass
        return "请填日期，例如 2026-09-16。"
    return None


def _sentence_of_money(value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool) and not 0 <= value < MOST_MONEY:
        return "金额不对，请核对。"
    return None


schemas.CHECKS.update(
    {
        "id-number": _sentence_of_id_number,
        "phone": _sentence_of_phone,
        "uscc": _sentence_of_uscc,
        "name": _sentence_of_name,
        "date": _sentence_of_date,
        "money": _sentence_of_money,
    }
)
