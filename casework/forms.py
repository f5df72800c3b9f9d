"""Forms and intakes: what must be mended before a case is saved, and what is only worth a word."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any

from casework import schemas
from casework.canonical import Document
from casework.conditions import CONDITION_SCHEMA, Condition, applies
from casework.form_rules import broken_rules, wrong_sums
from casework.identifiers import RESIDENT_CARD, check_id_number, check_name, check_phone, check_uscc
from casework.numbers import parse_case_number
from casework.people import check_applicant, check_people, no_proxy, present_as_proxy, tidy_people
from casework.schemas import Schema
from casework.times import parse_rfc3339

Problems = dict[str, str]
"""Dotted path → sentence, said to a person."""

Facts = Mapping[str, Any]
"""What conditions are asked of: a case's `fields`."""

MOST_TEXT = 4000
MOST_ENTRIES = 5000
DEEPEST = 12
MOST_MONEY = 10**13
MATERIAL_STATES = ("received", "missing", "later")
MATERIAL_KINDS = {"original": "原件", "copy": "复印件"}
MOST_COPIES = 99
MOST_DAYS_BACK = 60
"""How long after the power was out (停电) a case on paper can still be entered."""

# Control characters but tab and line ends, and halves of characters (surrogates).
_UNSEEN = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")


def validate_form(schema: Schema, value: Any, facts: Facts | None = None) -> Problems:
    """What is wrong with a filled-in form: its texts, its shape, and the rules between its fields.

    `schema` is JSON Schema (2020-12) with `x-check` (id-number, phone, uscc, date, money, name), `x-when`,
    `x-rules` and `x-sum-of` (house.md, "Catalogue"). `facts` are what `x-when` asks besides the form. Paths are
    relative to the form; "" is the form itself.
    """
    if not isinstance(value, dict):
        return {"": "表单应该是一组栏目。"}
    found = dict(_unfit(value))
    if not found:
        schema, value = that_applies(schema, value, facts)
        found = {**dict(_blank(schema, value, "")), **schemas.problems(schema, value)}
        for path, sentence in (*broken_rules(schema, value), *wrong_sums(schema, value)):
            found.setdefault(path, sentence)
    return dict(sorted(found.items()))


def that_applies(schema: Schema, value: dict[str, Any], facts: Facts | None = None) -> tuple[Schema, dict[str, Any]]:
    """(schema, value) without the fields whose `x-when` does not hold: they are neither asked for nor kept.

    A condition may ask for another field (`form.kind`); a field that falls away takes along what hangs on it.
    """
    while True:
        asked = {**(facts or {}), "form": value}
        kept = _without(schema, value, asked)
        if kept == value:
            return _applicable(schema, asked), value
        value = kept


def facts_of(intake: Mapping[str, Any]) -> dict[str, Any]:
    """The facts that an intake states, as conditions ask for them; `form` with only what applies is in a case."""
    return {
        "applicant": intake.get("applicant") or {},
        "people": tidy_people(intake.get("people")),
        "situation": intake.get("situation") or {},
        "form": intake.get("form") or {},
    }


def kept_form(item: Document, intake: Mapping[str, Any]) -> dict[str, Any]:
    """The form as a case keeps it."""
    return that_applies(item["form"], intake.get("form") or {}, facts_of(intake))[1]


def validate_intake(item: Document, intake: Any, *, today: date) -> tuple[Problems, Problems]:
    """(problems, warnings) of an intake `{item, applicant, people, situation, form, materials}` for this item.

    Problems must be mended before the case can be saved. Warnings must be seen: missing materials, a missing
    power of attorney, a doubtful credit code never keep a case out. `today` is the civil date at the station.

    applicant: `{name, id_type, id_number, phone}`, and `id_reason` with 无证件, `phone_reason` without a
    phone; `address` and others are kept as they are. people: docs/cases.md, "What `received` carries".
    situation: question → answer, every question of the item; left out altogether it only warns, because
    callers older than it know none. materials: `{name | id, state, kind?, copies?, later_on?, from_case?}`, state
    received, missing or later; what is not listed counts as missing, what does not apply is not kept.
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
        if present_as_proxy(applicant) and not item.get("proxy_allowed", True):
            problems["applicant.present"] = no_proxy(item)
    else:
        problems["applicant"] = "请填写办事人。"
        applicant = {}
    wrong, doubtful = check_people(intake.get("people"), applicant, item, today=today)
    problems.update(wrong)
    warnings.update(doubtful)
    _check_situation(item, intake, problems, warnings)
    facts = {} if problems.keys() & {"people", "situation"} else facts_of({**intake, "applicant": applicant})
    problems.update(_under("form", validate_form(item["form"], intake.get("form", {}), facts)))
    _check_materials(item, intake.get("materials", []), facts, problems, warnings, today)
    return dict(sorted(problems.items())), dict(sorted(warnings.items()))


def check_happened_at(text: Any, now: datetime) -> str | None:
    """Why a case cannot have been taken in then (补录): None when it can. `now` is the corrected time."""
    try:
        happened = parse_rfc3339(text) if isinstance(text, str) else None
    except ValueError:
        happened = None
    if happened is None:
        return "收件时间写成日期和时刻，例如 2026-09-16 09:30。"
    if happened > now:
        return "收件时间还没有到。请对照手写单，看日期和时刻写错了没有。"
    if happened < now - timedelta(days=MOST_DAYS_BACK):
        return f"收件时间在 {MOST_DAYS_BACK} 天以前，不能补录。请对照手写单核对年月。"
    return None


def received_materials(item: Document, materials: Any, facts: Facts | None = None) -> list[dict[str, Any]]:
    """The item's checklist `[{id, name, state, …}]` for a `received` event, as far as it applies; what was not
    listed is missing.
    """
    entries: dict[str, Mapping[str, Any]] = {}
    for entry in materials or []:
        for name in ("id", "name"):
            if entry.get(name):
                entries.setdefault(entry[name], entry)
    return [
        {
            "id": material["id"],
            "name": material["name"],
            **_as_handed_in(entries.get(material["id"], entries.get(material["name"], {"state": "missing"}))),
        }
        for material in item["materials"]
        if applies(material.get("when"), facts or {})
    ]


def _as_handed_in(entry: Mapping[str, Any]) -> dict[str, Any]:
    """State, and what goes with that state: nothing is an original that is not here."""
    state = entry.get("state", "received")
    told = {"received": ("kind", "copies", "from_case"), "later": ("later_on",)}.get(state, ())
    return {"state": state, **{name: entry[name] for name in told if entry.get(name) not in (None, "")}}


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


def check_conditions(item: Document) -> dict[str, str]:
    """Dotted path → sentence for the conditions of an item's materials and form that ask for what is not there:
    they would never hold, and nobody would see why.
    """
    found: Problems = {}
    for place, material in enumerate(item["materials"]):
        found.update(_wrong_condition(item, material.get("when"), f"materials.{place}.when"))
    for path, when in _conditions_of(item["form"], "form"):
        found.update(_wrong_condition(item, when, f"{path}.x-when"))
    return found


# -- the intake's parts
# ---------------------------------------------------------------------------------------------


def _check_situation(item: Document, intake: Mapping[str, Any], problems: Problems, warnings: Problems) -> None:
    questions = {question["id"]: question for question in item.get("situations", [])}
    if intake.get("situation") is None:
        if questions:
            titles = "、".join(question["title"] for question in questions.values())
            warnings["situation"] = f"没有选情形（{titles}），只按没有情形的材料收。"
        return
    answers = intake["situation"]
    if not isinstance(answers, dict):
        problems["situation"] = "情形写成一问一答。"
        return
    for name in answers:
        if name not in questions:
            problems[f"situation.{name}"] = "这个事项没有问这个情形，请去掉。"
    for name, question in questions.items():
        if answers.get(name) not in [option["id"] for option in question["options"]]:
            choice = "、".join(option["title"] for option in question["options"])
            problems[f"situation.{name}"] = f"请选{question['title']}：{choice}。"


def _check_materials(
    item: Document, materials: Any, facts: Facts, problems: Problems, warnings: Problems, today: date
) -> None:
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
        problems.update(_under(path, dict(_wrong_of_material(entry, today))))
    if not any(path.startswith("materials") for path in problems):
        _warn_of_missing(item, received_materials(item, materials, facts), warnings)


def _wrong_of_material(entry: Mapping[str, Any], today: date) -> Iterator[tuple[str, str]]:
    kind, copies, later_on, from_case = (entry.get(name) for name in ("kind", "copies", "later_on", "from_case"))
    if kind not in (None, "", *MATERIAL_KINDS):
        yield "kind", "请选原件（original）或复印件（copy）。"
    if copies not in (None, "") and (not isinstance(copies, int) or not 1 <= copies <= MOST_COPIES):
        yield "copies", f"份数填 1 到 {MOST_COPIES}。"
    if entry.get("state") == "later" and later_on not in (None, ""):
        if _sentence_of_date(later_on) is not None or not isinstance(later_on, str):
            yield "later_on", "哪天前补齐写成日期，例如 2026-09-30。"
        elif later_on < today.isoformat():
            yield "later_on", f"后补的日期 {later_on} 已经过了，请改成今天或以后的日期。"
    if from_case not in (None, ""):
        try:
            parse_case_number(from_case if isinstance(from_case, str) else "")
        except ValueError:
            yield "from_case", "上次办件的编号不对，请从页面上选。"


def _warn_of_missing(item: Document, listed: list[dict[str, Any]], warnings: Problems) -> None:
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
        if _UNSEEN.search(value):
            return "有看不见的字符。请删掉，用键盘再输一遍。"
    return None


# -- what applies
# ---------------------------------------------------------------------------------------------------


def _without(schema: Schema, value: Mapping[str, Any], facts: Facts) -> dict[str, Any]:
    """The value without the fields that do not apply; what the schema does not know stays, to be refused."""
    kept: dict[str, Any] = {}
    for name, inner in value.items():
        field = schema.get("properties", {}).get(name, {})
        if not applies(field.get("x-when"), facts):
            continue
        if isinstance(inner, dict):
            kept[name] = _without(field, inner, facts)
        elif isinstance(inner, list):
            rows = field.get("items", {})
            kept[name] = [_without(rows, row, facts) if isinstance(row, dict) else row for row in inner]
        else:
            kept[name] = inner
    return kept


def _applicable(schema: Schema, facts: Facts) -> Schema:
    """The schema without the fields that do not apply."""
    fields = {
        name: _applicable(field, facts)
        for name, field in schema.get("properties", {}).items()
        if applies(field.get("x-when"), facts)
    }
    shown = dict(schema)
    if "properties" in schema:
        asked = [name for name in schema.get("required", []) if name in fields or name not in schema["properties"]]
        shown |= {"properties": fields, "required": asked}
    if isinstance(schema.get("items"), dict):
        shown["items"] = _applicable(schema["items"], facts)
    return shown


def _conditions_of(schema: Schema, path: str) -> Iterator[tuple[str, Condition]]:
    for name, field in schema.get("properties", {}).items():
        if isinstance(field, dict):
            if "x-when" in field:
                yield f"{path}.{name}", field["x-when"]
            rows = field.get("items")
            yield from _conditions_of(rows if isinstance(rows, dict) else field, f"{path}.{name}")


def _wrong_condition(item: Document, when: Any, path: str) -> Problems:
    if when is None:
        return {}
    wrong = schemas.problems(CONDITION_SCHEMA, when)
    if wrong:
        return {path: "条件写成 {路径: [值]}，值是文字、整数或是否。"}
    questions = {
        question["id"]: {option["id"] for option in question["options"]} for question in item.get("situations", [])
    }
    for asked, values in when.items():
        place, _dot, rest = asked.partition(".")
        if place == "situation" and not set(values) <= questions.get(rest, set()):
            return {path: f"条件里的情形“{asked}”没有这样的问题或答案。"}
        if place == "form" and rest.split(".")[0] not in item["form"].get("properties", {}):
            return {path: f"条件里的“{asked}”不是这份表单的栏目。"}
        if place not in ("situation", "form", "people", "applicant"):
            return {path: f"条件里的“{asked}”看不懂，开头用 situation、form、people 或 applicant。"}
    return {}


# -- what is required and blank
# -------------------------------------------------------------------------------------


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
