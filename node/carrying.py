"""What a person need not say twice: their last case's people, form fields and papers, offered and never slipped in."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from casework.canonical import Document
from casework.case import Case
from casework.identifiers import tidy_id_number
from web.cases.casebook import Casebook

APPLICANT_TITLES = {
    "name": "姓名",
    "id_type": "证件类型",
    "id_number": "证件号码",
    "phone": "联系电话",
    "phone_reason": "没有电话的原因",
    "address": "住址",
}
LOOKED_AT = 5
"""How many of a person's cases are looked at for papers that they handed in before."""


@dataclass(frozen=True)
class HandedIn:
    """A paper that came with an earlier case: its number, and how many photos are there."""

    number: str
    files: int


@dataclass(frozen=True)
class Earlier:
    """A person's last case, as far as another item's page can use it. `form` holds the fields that this item has
    under the same name and title; `papers` are by the id of this item's material."""

    number: str
    item_name: str
    on: str | None
    applicant: dict[str, Any]
    people: dict[str, Any]
    form: dict[str, Any] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    papers: dict[str, HandedIn] = field(default_factory=dict)


def earlier(
    casebook: Casebook, item_of: Callable[[str], Document | None], item: Document, id_number: str
) -> Earlier | None:
    """What this person's earlier cases have for this item; None for who was never here."""
    number = tidy_id_number(id_number)
    rows = casebook.cases_of(number, limit=LOOKED_AT) if number else []
    known = [case for _row, case in casebook.whole(rows) if case["item"] is not None]
    return _told(known, item_of, item) if known else None


def of_case(case: Case, item_of: Callable[[str], Document | None], item: Document) -> Earlier | None:
    """The same for the person of one case (同一个人再办一件), who may have no number to be known by."""
    return _told([case], item_of, item) if case["item"] is not None else None


def _told(cases: list[Case], item_of: Callable[[str], Document | None], item: Document) -> Earlier:
    last = cases[0]
    assert last["item"] is not None
    before = (item_of(last["item"]["item"]) or {}).get("form", {}).get("properties", {})
    here = item["form"].get("properties", {})
    form = last["fields"].get("form") or {}
    same = [
        name
        for name, schema in here.items()
        if name in form and name in before and schema.get("title") == before[name].get("title")
        # Totals are reckoned anew; the same word with another type is another question.
        and schema.get("type") == before[name].get("type") and not schema.get("readOnly")
    ]  # fmt: skip
    return Earlier(
        number=last["number"],
        item_name=last["item"]["name"],
        on=last["deadlines"]["received_on"],
        applicant={name: value for name, value in last["fields"]["applicant"].items() if name in APPLICANT_TITLES},
        people=copy.deepcopy(last["fields"].get("people") or {}),
        form={name: copy.deepcopy(form[name]) for name in same},
        titles={name: str(here[name].get("title", name)) for name in same},
        papers=_papers(cases, item),
    )


def _papers(cases: list[Case], item: Document) -> dict[str, HandedIn]:
    found: dict[str, HandedIn] = {}
    for material in item["materials"]:
        for case in cases:
            same = next((known for known in case["materials"] if known["name"] == material["name"]), None)
            # An application form is filled in anew for each case.
            if same is not None and same["state"] == "received" and material["type"] != "申请表单":
                # What was itself reused leads to where the paper really is.
                found[material["id"]] = HandedIn(same.get("from_case", case["number"]), len(same["files"]))
                break
    return found


def carried(content: Mapping[str, Any], before: Earlier) -> dict[str, Any]:
    """The draft with what was empty filled in from the earlier case, and with word of what was: `carried` holds
    `{from, titles}` for the page to show. What somebody typed is never overwritten.
    """
    applicant, form = dict(content.get("applicant") or {}), dict(content.get("form") or {})
    titles = []
    for name, title in APPLICANT_TITLES.items():
        if before.applicant.get(name) and not applicant.get(name):
            applicant[name] = before.applicant[name]
            titles.append(title)
    for name, value in before.form.items():
        if form.get(name) in (None, "", [], {}):
            form[name] = value
            titles.append(before.titles[name])
    people = dict(content.get("people") or {})
    guardian = {f"guardian.{name}": value for name, value in before.people.get("guardian", {}).items()}
    if guardian and not any(people.get(name) for name in guardian):
        people |= guardian
        titles.append("监护人")
    return {
        **content,
        "applicant": applicant,
        "form": form,
        "people": people,
        "carried": {"from": before.number, "titles": titles},
    }
