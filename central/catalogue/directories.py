"""Directories above items (目录), and what an item becomes with all that it refers to and inherits. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from casework.canonical import Document
from casework.guide.elements import INHERITED, is_empty
from central.catalogue.codes import DEFAULT_TYPES

Entries = Mapping[str, Document]


@dataclass(frozen=True, slots=True)
class Libraries:
    """What the county keeps for its items, each by its id: an entry is the document's fields with its `id`."""

    directory: Entries = field(default_factory=dict)
    type: Entries = field(default_factory=lambda: dict(DEFAULT_TYPES))
    law: Entries = field(default_factory=dict)
    department: Entries = field(default_factory=dict)
    system: Entries = field(default_factory=dict)
    blank: Entries = field(default_factory=dict)


NO_LIBRARIES: Final = Libraries()


class BrokenTree(Exception):
    """A directory whose parents cannot be followed to the top; the message says why."""


def chain(directories: Entries, identifier: str) -> list[Document]:
    """A directory and its parents, the nearest first. Raises BrokenTree for one that is missing or above
    itself."""
    found: list[Document] = []
    wanted: str | None = identifier
    while wanted is not None:
        if wanted not in directories:
            below = f"“{found[-1]['title']}”的上级目录" if found else "目录"
            raise BrokenTree(f"{below} {wanted} 不在目录库里。")
        if any(one["id"] == wanted for one in found):
            names = "→".join([*(one["title"] for one in reversed(found)), found[-1]["title"]])
            raise BrokenTree(f"目录转成了圈：{names}。")
        found.append(directories[wanted])
        wanted = found[-1].get("parent")
    return found


def tree(directories: Entries) -> Iterator[tuple[int, Document]]:
    """Every directory with its depth, in order; those whose parents cannot be followed come last, at depth 0."""
    below: dict[str | None, list[Document]] = {}
    broken = []
    for one in directories.values():
        try:
            chain(directories, one["id"])
        except BrokenTree:
            broken.append(one)
        else:
            below.setdefault(one.get("parent"), []).append(one)

    def walk(parent: str | None, depth: int) -> Iterator[tuple[int, Document]]:
        for one in sorted(below.get(parent, ()), key=lambda one: (one.get("order", 0), one["id"])):
            yield depth, one
            yield from walk(one["id"], depth + 1)

    yield from walk(None, 0)
    yield from ((0, one) for one in broken)


def parent_problem(directories: Entries, identifier: str, parent: str | None) -> str | None:
    """Why a directory cannot hang under this parent."""
    if parent is None:
        return None
    candidate: Document = {**directories.get(identifier, {"title": identifier}), "id": identifier, "parent": parent}
    try:
        chain({**directories, identifier: candidate}, identifier)
    except BrokenTree as broken:
        return str(broken)
    return None


@dataclass(frozen=True, slots=True)
class Inherited:
    """What an item has from a directory: `value`, and whose it is."""

    value: Any
    directory: str
    title: str


def inherited(content: Mapping[str, Any], directories: Entries) -> dict[str, Inherited]:
    """What the item leaves empty and a directory above says, by element; the nearest directory that says it counts."""
    name = content.get("directory")
    if not name:
        return {}
    try:
        above = chain(directories, str(name))
    except BrokenTree:
        return {}
    found: dict[str, Inherited] = {}
    for element in INHERITED:
        if not is_empty(content.get(element)):
            continue
        for one in above:
            value = one.get("gives", {}).get(element)
            if not is_empty(value):
                found[element] = Inherited(value, one["id"], one["title"])
                break
    return found


def resolved(content: Document, libraries: Libraries) -> Document:
    """The item as it is published: with what it inherits, and with the words of what it refers to, so that a station
    needs no library to show it and an old case's item can be read alone. What a library does not have stays as it is.
    """
    whole = {**content, **{name: one.value for name, one in inherited(content, libraries.directory).items()}}
    whole = _with_laws(whole, libraries)
    whole = _with_department(whole, libraries)
    return _with_blanks(whole, libraries)


def article_of(law: Mapping[str, Any], article: str) -> str | None:
    """The text of a law's article; None for one that the library does not have."""
    return next((str(one["text"]) for one in law.get("articles", ()) if one["article"] == article), None)


def _with_laws(content: Document, libraries: Libraries) -> Document:
    if not any("law" in entry for entry in content["basis"]):
        return content
    basis = []
    for entry in content["basis"]:
        law = libraries.law.get(entry.get("law", ""))
        if law is None:
            basis.append(entry)
            continue
        told = law_title(law)
        words = article_of(law, entry.get("article", ""))
        basis.append({**entry, "title": told, **({"text": words} if words else {})})
    return {**content, "basis": basis}


def law_title(law: Mapping[str, Any]) -> str:
    """《社会救助暂行办法》（国务院令第649号）"""
    title = str(law["title"]) if str(law["title"]).startswith("《") else f"《{law['title']}》"
    return f"{title}（{law['number']}）" if law.get("number") else title


def _with_department(content: Document, libraries: Libraries) -> Document:
    department = libraries.department.get(content.get("department_letters", ""))
    if department is None or not department.get("phone") or content["phones"].get("enquiry"):
        return content
    return {**content, "phones": {**content["phones"], "enquiry": department["phone"]}}


def _with_blanks(content: Document, libraries: Libraries) -> Document:
    def named(said: Document, names: tuple[str, ...]) -> Document:
        more = {
            f"{name}_name": libraries.blank[said[name]]["title"] for name in names if said.get(name) in libraries.blank
        }
        return {**said, **more} if more else said

    materials = [named(material, ("blank", "sample")) for material in content["materials"]]
    result = named(content["result"], ("sample",))
    if materials == content["materials"] and result == content["result"]:
        return content
    return {**content, "materials": materials, "result": result}


def blanks_of(content: Mapping[str, Any]) -> set[str]:
    """The blanks and samples that an item refers to."""
    materials = content.get("materials", ())
    found = {one.get(name) for one in materials for name in ("blank", "sample")} | {content["result"].get("sample")}
    return {str(one) for one in found if one}
