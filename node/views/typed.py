"""What an agent typed into the intake page: as a draft keeps it, and as the intake that the API would be sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from werkzeug.datastructures import MultiDict

from casework.canonical import Document
from casework.identifiers import RESIDENT_CARD
from casework.people import tidy_people
from casework.times import CHINA, rfc3339
from web.forms import read_form, typed_as_date, typed_as_integer

APPLICANT = ("name", "id_type", "id_number", "id_reason", "phone", "phone_reason", "address", "signed")
PEOPLE = (
    "present.role",
    "present.name",
    "present.relation",
    *(f"guardian.{name}" for name in ("name", "relation", "id_type", "id_number", "phone")),
    *(f"proxy.{name}" for name in ("agent", "name", "id_type", "id_number", "phone")),
    *(f"proxy.power.{name}" for name in ("signed", "matters", "authority", "from", "until", "witness")),
    "witness.name",
    "witness.phone",
)
PAPER = ("kind", "copies", "later_on", "from_case")
ON_PAPER = ("number", "happened_on", "happened_time")
UNSIGNED = "unsigned"
"""What the page says of a power of attorney that is written and not signed yet; the case says nothing then."""

MOST_NEXT = 4

_MATERIAL_PATH = re.compile(r"materials\.(\d+)(?:\.(\w+))?")


def read_typed(item: Document, form: MultiDict[str, str], before: Mapping[str, Any]) -> dict[str, Any]:
    """What the page's fields hold. `before` is the draft's content: what no field of the page holds stays."""
    return {
        **{name: before[name] for name in ("carried",) if name in before},
        "applicant": {name: form.get(f"applicant.{name}", "") for name in APPLICANT},
        "people": {name: form.getlist(f"people.{name}")[-1:] == ["yes"] if name == "proxy.agent"
                   else form.get(f"people.{name}", "") for name in PEOPLE},
        "situation": {q["id"]: form.get(f"situation.{q['id']}", "") for q in item.get("situations", [])},
        "form": read_form(item["form"], form),
        "materials": {m["id"]: form.get(f"materials.{m['id']}", "missing") for m in item["materials"]},
        "papers": {m["id"]: {name: form.get(f"paper.{m['id']}.{name}", "") for name in PAPER}
                   for m in item["materials"]},
        "on_paper": {name: form.get(name, "") for name in ON_PAPER},
        "channel": form.get("channel", "counter"),
        "handled_by": form.get("handled_by", ""),
        "read_aloud": bool(form.get("read_aloud")),
    }  # fmt: skip


def shown(item: Document, content: Mapping[str, Any], *, today: date) -> dict[str, Any]:
    """A draft's content with everything that the page has a field for; a draft may be older than a field."""
    papers = content.get("papers") or {}
    power = {
        "proxy.power.matters": f"办理{item['name']}",
        "proxy.power.authority": "代为提交和补正材料、签收文书",
        "proxy.power.from": today.isoformat(),
    }
    cards = dict.fromkeys(("guardian.id_type", "proxy.id_type"), RESIDENT_CARD)
    people = {"present.role": "applicant"} | cards | power
    return {
        **content,
        "applicant": dict.fromkeys(APPLICANT, "") | {"id_type": RESIDENT_CARD} | (content.get("applicant") or {}),
        "people": dict.fromkeys(PEOPLE, "") | people | (content.get("people") or {}),
        "situation": content.get("situation") or {},
        "form": content.get("form") or {},
        "materials": {m["id"]: "missing" for m in item["materials"]} | (content.get("materials") or {}),
        "papers": {m["id"]: dict.fromkeys(PAPER, "") | _usual(m) | (papers.get(m["id"]) or {})
                   for m in item["materials"]},
        "on_paper": dict.fromkeys(ON_PAPER, "") | (content.get("on_paper") or {}),
        "channel": content.get("channel") or "counter",
        "handled_by": content.get("handled_by") or "",
    }  # fmt: skip


def as_intake(item: Document, typed: Mapping[str, Any], *, agent: str) -> dict[str, Any]:
    """What the API would be sent: empty fields left out, dates as dates. `agent` is the name of who is signed in."""
    intake: dict[str, Any] = {
        "item": item["code"],
        "applicant": {name: value for name, value in typed["applicant"].items() if value.strip()},
        "people": people_in(typed["people"], agent=agent),
        "form": typed["form"],
        "materials": [
            {"id": name, "state": typed["materials"][name], **_paper(typed["papers"][name])}
            for name in (material["id"] for material in item["materials"])
        ],
    }
    if item.get("situations"):
        intake["situation"] = {name: value for name, value in typed["situation"].items() if value}
    if typed["channel"] != "counter":
        intake["channel"] = typed["channel"]
    if typed["handled_by"]:
        intake["handled_by"] = typed["handled_by"]
    paper = typed["on_paper"]
    if paper["number"]:
        intake["number"] = paper["number"]
    if paper["number"] or paper["happened_on"] or paper["happened_time"]:
        intake["happened_at"] = _happened_at(paper["happened_on"], paper["happened_time"])
    return intake


def people_in(typed: Mapping[str, Any], *, agent: str) -> dict[str, Any]:
    """The people as an intake has them. A guardian or proxy is there when named, or when it is they who came."""
    nested: dict[str, Any] = {}
    for path, value in typed.items():
        here = nested
        *above, last = path.split(".")
        for step in above:
            here = here.setdefault(step, {})
        here[last] = value.strip() if isinstance(value, str) else value
    proxy, power, role = nested["proxy"], nested["proxy"].pop("power"), nested["present"]["role"]
    if proxy["agent"] and not proxy["name"]:
        proxy["name"] = agent
    if proxy["agent"] and not proxy["id_number"]:
        proxy["id_type"] = ""
    # What is written beforehand is no power of attorney until somebody says that there is one.
    if power["signed"]:
        power |= {name: typed_as_date(power[name]) for name in ("from", "until")}
        power["matters"] = [line.strip() for line in power["matters"].splitlines() if line.strip()]
        power["signed"] = "" if power["signed"] == UNSIGNED else power["signed"]
        if power["signed"] != "thumbprint":
            power["witness"] = ""
        proxy["power"] = power
    there = {
        "present": nested["present"] if role == "other" else {"role": role},
        "guardian": nested["guardian"] if role == "guardian" or nested["guardian"]["name"] else {},
        "proxy": proxy if role == "proxy" or proxy["name"] else {},
        "witness": nested["witness"] if nested["witness"]["name"] else {},
    }
    if role == "applicant" and not any(person for name, person in there.items() if name != "present"):
        # The applicant came, and nobody else has to do with it: an intake that says nothing of people says that.
        return {}
    return {name: _filled(person) for name, person in there.items() if person}


def facts_on_page(typed: Mapping[str, Any], *, agent: str) -> dict[str, Any]:
    """What the page's own conditions ask: as an intake's facts, and the states of the materials besides."""
    people = people_in(typed["people"], agent=agent)
    plain = tidy_people(people)
    return {
        "applicant": typed["applicant"],
        "people": plain,
        "situation": typed["situation"],
        "form": typed["form"],
        "materials": typed["materials"],
    }


def on_the_page(item: Document, problems: Mapping[str, str]) -> dict[str, str]:
    """An intake's problems at the fields of the page: materials by their id, the time of a paper at its date."""
    there: dict[str, str] = {}
    for path, sentence in problems.items():
        there[_place_of(item, path)] = sentence
    return there


def _place_of(item: Document, path: str) -> str:
    found = _MATERIAL_PATH.fullmatch(path)
    if found and int(found[1]) < len(item["materials"]):
        material = item["materials"][int(found[1])]["id"]
        return f"materials.{material}" if found[2] in (None, "state", "name") else f"paper.{material}.{found[2]}"
    return "happened_on" if path == "happened_at" else path


def _usual(material: Mapping[str, Any]) -> dict[str, str]:
    """How a paper of this kind is usually handed in, so that an everyday one is one key."""
    return {"kind": "copy" if material["type"] == "复印件" else "original", "copies": str(material["copies"] or 1)}


def _paper(typed: Mapping[str, str]) -> dict[str, Any]:
    copies = typed["copies"].strip()
    said = {
        "kind": typed["kind"],
        "copies": typed_as_integer(copies, "份") if copies else "",
        "later_on": typed_as_date(typed["later_on"].strip()),
        "from_case": typed["from_case"],
    }
    return {name: value for name, value in said.items() if value != ""}


def _happened_at(day: str, time: str) -> str:
    """Date and time of a paper at +08:00 as RFC 3339; what is none stays text, for the validator to say so."""
    try:
        at = datetime.fromisoformat(f"{typed_as_date(day.strip())}T{time.strip().replace('：', ':') or '00:00'}")
        return rfc3339(at.replace(tzinfo=CHINA))
    except (ValueError, OverflowError):
        return f"{day} {time}"


def _filled(person: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in person.items() if value not in ("", None, False)}
