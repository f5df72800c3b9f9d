"""Who has to do with a case: applicant 办事人, person present 到场人, guardian 监护人, proxy 受托人, witness 见证人."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from casework.canonical import Document
from casework.identifiers import (
    CREDIT_CODE,
    ID_TYPES,
    MOST_NAME,
    MOST_ORGANISATION_NAME,
    NO_CARD,
    check_id_number,
    check_name,
    check_phone,
    describe_id,
    tidy_id_number,
    tidy_phone,
)

Problems = dict[str, str]
"""Dotted path → sentence, said to a person."""

PRESENT_ROLES = {"applicant": "本人", "guardian": "监护人", "proxy": "受托人", "other": "家里人或别人"}
SIGNED = {"signature": "签名", "thumbprint": "按手印", "photo": "委托书照片"}
"""How a power of attorney is signed (民法典 165: 签名或者盖章; a thumbprint before a witness)."""

OF_AGE = 18  # 民法典 17

_PROXY_WORDS = {"受托人", "proxy"}
_LONGEST = 200


def check_applicant(applicant: Mapping[str, Any], *, today: date | None = None) -> tuple[Problems, Problems]:
    """(problems, warnings) of an applicant; paths are its own fields'."""
    problems: Problems = {}
    warnings: Problems = {}
    for name in ("name", "id_type", "id_number", "phone", "id_reason", "phone_reason", "address", "signed"):
        if not isinstance(applicant.get(name, ""), str | None):
            problems[name] = "请填文字。"
    if problems:
        return problems, warnings
    id_type = _text(applicant.get("id_type"))
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
        if id_type == NO_CARD and not _text(applicant.get("id_reason")):
            problems["id_reason"] = "请写明没有证件的原因，例如“证件遗失，正在补办”。"
    if _text(applicant.get("phone")):
        wrong_phone = check_phone(applicant["phone"])
        if wrong_phone is not None:
            problems["phone"] = wrong_phone.sentence
    elif not _text(applicant.get("phone_reason")):
        problems["phone"] = "请填联系电话，没有的写明原因。"
    if _text(applicant.get("signed")) not in ("", "signature", "thumbprint"):
        problems["signed"] = "请选签名或按手印。"
    return problems, warnings


def check_people(
    people: Any, applicant: Mapping[str, Any], item: Document, *, today: date | None = None
) -> tuple[Problems, Problems]:
    """(problems, warnings) of `people` as docs/cases.md has it; paths begin with `people.`.

    A power of attorney that is missing or not signed yet only warns (民法典 165 says what one holds); an item
    that cannot be done by proxy refuses one with the item's reason. `applicant` is the case's, whatever is
    wrong with it. `today` is the civil date at the station.
    """
    people = {} if people is None else people
    if not isinstance(people, dict):
        return {"people": "到场人、监护人、受托人各写一组。"}, {}
    problems: Problems = {}
    warnings: Problems = {}
    for name in ("present", "guardian", "proxy", "witness"):
        if name in people and not isinstance(people[name], dict):
            problems[f"people.{name}"] = "这里应该是一组栏目。"
    if problems:
        return problems, {}
    _check_present(people, problems)
    if "guardian" in people:
        _check_person("people.guardian", people["guardian"], problems, today=today)
        if not _text(people["guardian"].get("relation")):
            problems["people.guardian.relation"] = "请写监护人和办事人是什么关系，例如“母亲”。"
    elif _is_minor(applicant, today):
        warnings["people.guardian"] = "办事人不满 18 周岁，请写监护人。可以先收件，请监护人来补签。"
    if "proxy" in people:
        _check_proxy(people["proxy"], applicant, problems, warnings, today=today)
    if "witness" in people:
        _check_person("people.witness", people["witness"], problems, with_card=False)
    if applicant.get("signed") == "thumbprint" and not _text(people.get("witness", {}).get("name")):
        problems.setdefault("people.witness.name", "按手印的要有见证人，请填见证人姓名。")
    if by_proxy(people) and not item.get("proxy_allowed", True):
        path = "people.proxy" if "proxy" in people else "people.present.role"
        problems[path] = no_proxy(item)
    return problems, warnings


def by_proxy(people: Mapping[str, Any]) -> bool:
    """Whether somebody else acts for the applicant under a power of attorney (委托代办); a guardian does not."""
    return "proxy" in people or people.get("present", {}).get("role") == "proxy"


def present_as_proxy(applicant: Mapping[str, Any]) -> bool:
    """The same of an intake that says it with the applicant, as the first version did."""
    present = applicant.get("present")
    role = present.get("role") if isinstance(present, dict) else present
    return isinstance(role, str) and role in _PROXY_WORDS


def no_proxy(item: Document) -> str:
    """Why this item is not done by proxy, and what to do instead."""
    return f"{item.get('proxy_reason') or '这个事项必须本人到场'}，不能委托代办。请约本人来办，或申请上门。"


def tidy_person(person: Mapping[str, Any]) -> dict[str, Any]:
    """One of the people as they are kept: trimmed, number and phone in their plain form, empty fields left out."""
    kept: dict[str, Any] = {}
    for name, said in person.items():
        value = said.strip() if isinstance(said, str) else tidy_person(said) if isinstance(said, dict) else said
        if value not in (None, "", {}):
            kept[name] = value
    for name, tidy in (("id_number", tidy_id_number), ("phone", tidy_phone)):
        if isinstance(kept.get(name), str):
            kept[name] = tidy(kept[name])
    return kept


def tidy_people(people: Any) -> dict[str, Any]:
    """All of them; who came is always said: the proxy where there is one, else the applicant."""
    kept = {role: tidy_person(person) for role, person in (people or {}).items() if isinstance(person, dict)}
    kept = {role: person for role, person in kept.items() if person}
    if kept:
        kept.setdefault("present", {}).setdefault("role", "proxy" if "proxy" in kept else "applicant")
    return kept


def _check_present(people: Mapping[str, Any], problems: Problems) -> None:
    present = people.get("present", {})
    role = present.get("role")
    if "present" in people and (not isinstance(role, str) or role not in PRESENT_ROLES):
        problems["people.present.role"] = "请选今天谁到场：本人、监护人、受托人或别人。"
    elif role in ("guardian", "proxy") and role not in people:
        problems[f"people.{role}.name"] = f"今天到场的是{PRESENT_ROLES[role]}，请填{PRESENT_ROLES[role]}姓名。"
    elif role == "other":
        _check_person("people.present", present, problems, with_card=False)
        if not _text(present.get("relation")):
            problems["people.present.relation"] = "请写到场的人和办事人是什么关系，例如“儿媳”。"


def _check_proxy(
    proxy: Mapping[str, Any],
    applicant: Mapping[str, Any],
    problems: Problems,
    warnings: Problems,
    *,
    today: date | None,
) -> None:
    if not isinstance(proxy.get("agent", False), bool):
        problems["people.proxy.agent"] = "请选“是”或“否”。"
    # A station's own agent (代办员) is known by the account; anybody else shows a card.
    _check_person("people.proxy", proxy, problems, with_card=proxy.get("agent") is not True, today=today)
    number = _text(proxy.get("id_number"))
    if number and tidy_id_number(number) == tidy_id_number(_text(applicant.get("id_number"))):
        problems["people.proxy.id_number"] = (
            "受托人和办事人是同一个号码。本人来办的不用委托；别人来办的填受托人的号码。"
        )
    power = proxy.get("power")
    if power is None or power == {}:
        warnings["people.proxy.power"] = "还没有授权委托书。可以先收件，请办事人补签委托书。"
    elif not isinstance(power, dict):
        problems["people.proxy.power"] = "委托书写明事项、权限、期限和怎么签的。"
    else:
        _check_power(power, problems, warnings, today=today)


def _check_power(power: Mapping[str, Any], problems: Problems, warnings: Problems, *, today: date | None) -> None:
    """民法典 165: 代理人的姓名或者名称、代理事项、权限和期限，并由被代理人签名或者盖章。"""
    at = "people.proxy.power"
    matters = power.get("matters")
    if not isinstance(matters, list) or not matters or not all(map(_is_line, matters)):
        problems[f"{at}.matters"] = f"委托书要写明委托办什么事，一行写一件，每件最多 {_LONGEST} 个字。"
    if not _is_line(power.get("authority")):
        problems[f"{at}.authority"] = f"委托书要写明权限，例如“代为提交材料、签收文书”，最多 {_LONGEST} 个字。"
    start, end = _date(power.get("from")), _date(power.get("until"))
    if start is None:
        problems[f"{at}.from"] = "委托书要写明从哪天起，例如 2026-09-16。"
    if power.get("until") and end is None:
        problems[f"{at}.until"] = "委托到哪天止，写成 2026-12-31 这样；没有写明的空着。"
    elif start is not None and end is not None and end < start:
        problems[f"{at}.until"] = f"委托到 {end} 止，比起的那天 {start} 还早。请核对这两个日期。"
    elif end is not None and today is not None and end < today:
        warnings[f"{at}.until"] = f"委托书 {end} 已经到期。可以先收件，请办事人重新委托。"
    signed = power.get("signed")
    if signed is None or signed == "":
        warnings[f"{at}.signed"] = "委托书还没有签。可以先收件，请办事人补签。"
    elif not isinstance(signed, str) or signed not in SIGNED:
        problems[f"{at}.signed"] = "请选委托书怎么签的：签名、按手印或有照片。"
    elif signed == "thumbprint" and not _is_line(power.get("witness")):
        problems[f"{at}.witness"] = "委托书按手印的要有见证人，请填见证人姓名。"


def _check_person(
    at: str, person: Mapping[str, Any], problems: Problems, *, with_card: bool = True, today: date | None = None
) -> None:
    """Name, phone if there is one, and with a card its kind and number."""
    wrong = [name for name in ("name", "id_type", "id_number", "phone") if not isinstance(person.get(name, ""), str)]
    problems.update({f"{at}.{name}": "请填文字。" for name in wrong})
    if wrong:
        return
    name, phone, id_type = _text(person.get("name")), _text(person.get("phone")), _text(person.get("id_type"))
    wrong_name = check_name(name)
    if wrong_name is not None:
        problems[f"{at}.name"] = wrong_name.sentence
    wrong_phone = check_phone(phone) if phone else None
    if wrong_phone is not None:
        problems[f"{at}.phone"] = wrong_phone.sentence
    if not with_card and not id_type and not _text(person.get("id_number")):
        return
    if id_type not in ID_TYPES:
        problems[f"{at}.id_type"] = "请选证件类型：" + "、".join(ID_TYPES) + "。"
    else:
        wrong_number = check_id_number(id_type, _text(person.get("id_number")), today=today)
        if wrong_number is not None and wrong_number.blocks:
            problems[f"{at}.id_number"] = wrong_number.sentence


def _is_minor(applicant: Mapping[str, Any], today: date | None) -> bool:
    number = _text(applicant.get("id_number"))
    told = describe_id(number) if number else None
    if told is None or today is None:
        return False
    born = date.fromisoformat(told["born"])
    # Of age on the birthday itself; who was born on 29 February comes of age on 1 March.
    return (today.year - born.year) - ((today.month, today.day) < (born.month, born.day)) < OF_AGE


def _date(value: Any) -> date | None:
    try:
        found = date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return found if found is not None and found.isoformat() == value else None


def _is_line(value: Any) -> bool:
    return 0 < len(_text(value)) <= _LONGEST


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""
