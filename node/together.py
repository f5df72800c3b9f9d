"""One form for several items (一表式): what they all ask is asked once, and each becomes a case of its own.

The items are laid over one another into something that the intake page reads like any item. A field, a question
(情形) or a paper that is the same in two items stands on the page once; what only bears the same name gets another one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from casework.canonical import Document

JOINT = "+"
"""Stands between the codes of items that are taken in together; no code has it."""
APPLICATION_FORM = "申请表单"

Names = dict[str, str]
"""Name in the item → name on the page."""


@dataclass(frozen=True)
class Part:
    """One of the items on a page: under which names its fields, questions and papers stand there."""

    item: Document
    form: Names
    situation: Names
    materials: Names

    def typed(self, page: Mapping[str, Any]) -> dict[str, Any]:
        """What was typed into the page, as if it had been typed into a page of this item alone."""
        names = {"form": self.form, "situation": self.situation, "materials": self.materials, "papers": self.materials}
        return {**page, **{place: {here: page[place][there] for here, there in of.items() if there in page[place]}
                           for place, of in names.items()}}  # fmt: skip

    def on_the_page(self, problems: Mapping[str, str]) -> dict[str, str]:
        """Problems at this item's fields, said at those of the page."""
        names = {"form": self.form, "situation": self.situation, "materials": self.materials, "paper": self.materials}
        return {_moved_path(path, names): sentence for path, sentence in problems.items()}


@dataclass(frozen=True)
class Together:
    """`item` is what the page shows, `parts` are what it becomes. `groups` are its fields by whose they are, as (title,
    schema): those that several items ask for stand first."""

    item: Document
    parts: Sequence[Part]
    groups: Sequence[tuple[str, Mapping[str, Any]]]


def lay_together(items: Sequence[Document]) -> Together:
    """The items as one; a single one stays as it is."""
    page = _Page()
    parts = [page.take(item) for item in items]
    if len(items) == 1:
        return Together(items[0], parts, [("", items[0]["form"])])
    required = [there for part in parts for here, there in part.form.items()
                if here in part.item["form"].get("required", [])]  # fmt: skip
    shared = [name for name, times in page.asked.items() if times > 1]
    groups = [("几件事都要填的", shared)]
    groups += [(part.item["name"], [there for there in part.form.values() if there not in shared]) for part in parts]
    # Somebody has to come in person if one of them asks for that; the other words are those of the first.
    strict = next((item for item in items if not item.get("proxy_allowed", True)), items[0])
    as_one: Document = {name: value for name, value in items[0].items() if name != "flow"}
    as_one |= {name: strict[name] for name in ("proxy_allowed", "proxy_reason") if name in strict}
    as_one |= {
        "code": JOINT.join(item["code"] for item in items),
        "name": "、".join(item["name"] for item in items),
        "situations": list(page.questions.values()),
        "materials": list(page.materials.values()),
        "form": {**_object(page.fields, list(page.fields), required), "x-rules": page.rules},
    }
    return Together(as_one, parts, [(title, _object(page.fields, names, required)) for title, names in groups if names])


def _object(fields: Mapping[str, Any], names: Sequence[str], required: Sequence[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: fields[name] for name in names},
        "required": [name for name in names if name in required],
    }


@dataclass
class _Page:
    """What stands on the page so far; `asked` counts the items that ask for a field."""

    fields: dict[str, Any] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    questions: dict[str, Any] = field(default_factory=dict)
    materials: dict[str, Any] = field(default_factory=dict)
    rules: list[Any] = field(default_factory=list)

    def take(self, item: Document) -> Part:
        """Find a place for everything that this item asks."""
        situation: Names = {}
        for question in item.get("situations", []):
            name = str(question["id"])
            situation[name] = name if self.questions.get(name, question) == question else _free(self.questions, name)
            self.questions[situation[name]] = {**question, "id": situation[name]}
        asked = item["form"].get("properties", {})
        form = {name: name for name in asked}
        names = {"form": form, "situation": situation}
        # One that gets another name changes the conditions of those that hang on it: until nothing changes any more.
        while other := [name for name in asked if form[name] == name and name in self.fields
                        and not _alike(self.fields[name], _moved(asked[name], names))]:  # fmt: skip
            for name in other:
                form[name] = _free({**self.fields, **dict.fromkeys(form.values())}, name)
        for name, schema in asked.items():
            self.fields.setdefault(form[name], _moved(schema, names))
            self.asked[form[name]] = self.asked.get(form[name], 0) + 1
        for rule in item["form"].get("x-rules", []):
            there = _moved_rule(rule, form)
            self.rules += [there] if there not in self.rules else []
        materials = {material["id"]: self._place_of(_moved(material, names)) for material in item["materials"]}
        return Part(item, form, situation, materials)

    def _place_of(self, material: Mapping[str, Any]) -> str:
        """Where this paper stands: with its like, unless it is an application form, which each case has."""
        for there, known in self.materials.items():
            same = all(known.get(name) == material.get(name) for name in ("name", "type", "when"))
            if same and material["type"] != APPLICATION_FORM:
                return there
        place = _free(self.materials, material["id"])
        self.materials[place] = {**material, "id": place}
        return place


def _alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether they ask the same; where in the form is no part of the question."""
    return {**one, "x-order": 0} == {**other, "x-order": 0}


def _free(taken: Mapping[str, Any], name: str) -> str:
    n, free = 1, name
    while free in taken:
        n += 1
        free = f"{name}_{n}"
    return free


def _moved_path(path: str, names: Mapping[str, Names]) -> str:
    place, _dot, rest = path.partition(".")
    first, dot, more = rest.partition(".")
    return f"{place}.{names[place][first]}{dot}{more}" if first in names.get(place, {}) else path


def _moved(said: Any, names: Mapping[str, Names]) -> Any:
    """The schema, or the paper, with its conditions asking for the page's names."""
    if isinstance(said, list):
        return [_moved(one, names) for one in said]
    if not isinstance(said, dict):
        return said
    moved = {key: _moved(value, names) for key, value in said.items() if key not in ("when", "x-when")}
    for key in ("when", "x-when"):
        if isinstance(said.get(key), dict):
            moved[key] = {_moved_path(path, names): values for path, values in said[key].items()}
    if isinstance(said.get("x-sum-of"), str):
        moved["x-sum-of"] = _moved_path(f"form.{said['x-sum-of']}", names).removeprefix("form.")
    return moved


def _moved_rule(rule: Mapping[str, Any], form: Names) -> dict[str, Any]:
    # A rule about the rows of a list names a column of it, which is no field of the form.
    fields = ("list",) if rule.get("rule") == "unique-in-list" else ("field", "other", "list")
    moved = {name: _moved_path(f"form.{rule[name]}", {"form": form}).removeprefix("form.")
             for name in fields if name in rule}  # fmt: skip
    return {**rule, **moved}
