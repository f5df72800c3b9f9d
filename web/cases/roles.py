"""Who came for whom, in which situation, and which papers: a case's facts beside its form, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from casework.channels import CHANNELS
from casework.forms import MATERIAL_KINDS
from casework.people import PRESENT_ROLES, SIGNED
from web.wording import aloud_id, aloud_phone, day, short_number

Row = tuple[str, str]


def people_rows(fields: Mapping[str, Any]) -> list[Row]:
    """Person present, guardian, proxy with the power of attorney, witness: what is known of each on one line; and how
    they were served, where that was not at the counter."""
    rows = list(_people(fields.get("people") or {}, fields.get("applicant") or {}))
    channel = fields.get("channel", "counter")
    return rows if channel == "counter" else [*rows, ("服务方式", CHANNELS.get(channel, channel))]


def situation_rows(item: Mapping[str, Any], fields: Mapping[str, Any]) -> list[Row]:
    """Each question of the item that was answered; an answer that the item no longer has is shown by its id."""
    answers = fields.get("situation") or {}
    rows = []
    for question in item.get("situations", []):
        titles = {option["id"]: option["title"] for option in question["options"]}
        if question["id"] in answers:
            rows.append((question["title"], str(titles.get(answers[question["id"]], answers[question["id"]]))))
    return rows


def paper_in_words(material: Mapping[str, Any]) -> str:
    """原件 1 份, 9月30日前补齐, 用办件 0003-AB12C 里交过的; empty where no more is known than the state."""
    said = []
    if material.get("kind"):
        said.append(f"{MATERIAL_KINDS.get(material['kind'], '')} {material.get('copies', 1)} 份")
    if material.get("later_on"):
        said.append(f"{day(material['later_on'])}前补齐")
    if material.get("from_case"):
        said.append(f"用办件 {short_number(material['from_case'])} 里交过的")
    return " · ".join(said)


def _people(people: Mapping[str, Any], applicant: Mapping[str, Any]) -> Iterator[Row]:
    present = people.get("present")
    if present:
        told = _known(present) if present.get("role") == "other" else ""
        yield "到场人", " ".join(filter(None, [PRESENT_ROLES.get(present.get("role", ""), ""), told]))
    if people.get("guardian"):
        yield "监护人", _known(people["guardian"])
    proxy = people.get("proxy")
    if proxy:
        yield "受托人", _known(proxy) + ("（本站代办员）" if proxy.get("agent") else "")
        yield "授权委托书", _power(proxy.get("power"))
    if applicant.get("signed") == "thumbprint" or people.get("witness"):
        yield "按手印的见证人", _known(people.get("witness") or {})


def _power(power: Mapping[str, Any] | None) -> str:
    if not power:
        return "还没有"
    term = f"{day(power.get('from'))}起" + (f"，到 {day(power['until'])}止" if power.get("until") else "")
    signed = SIGNED.get(power.get("signed", ""), "还没签")
    witness = f"（见证人 {power['witness']}）" if power.get("witness") else ""
    return f"{'、'.join(power.get('matters', []))}；{power.get('authority', '')}；{term}；{signed}{witness}"


def _known(person: Mapping[str, Any]) -> str:
    number, phone = person.get("id_number"), person.get("phone")
    words = [person.get("name"), person.get("relation"), aloud_id(number) if number else None]
    return " ".join(str(word) for word in [*words, aloud_phone(phone) if phone else None] if word)
