"""One notice of everything (一次性告知): what to ask a person, and exactly the materials that their case needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from casework.canonical import Document
from casework.conditions import Condition
from casework.people import PRESENT_ROLES

ROLE = "people.present.role"
SITUATION, FORM = "situation.", "form."
OTHER = "-"
"""The answer "none of these" to a question of which only some answers change anything."""

_TRUTH = {True: "是", False: "否"}


@dataclass(frozen=True)
class Question:
    """What is asked: `path` is the fact, each option `(value, words)`; `when` is when the form asks it at all."""

    path: str
    title: str
    options: tuple[tuple[str, str], ...]
    when: Condition | None = None


@dataclass(frozen=True)
class Listed:
    """One material. `sure` is whether this person needs it; else `when` says in words when it is needed."""

    material: Mapping[str, Any]
    sure: bool
    when: str


def questions(item: Document) -> list[Question]:
    """What must be known to say which materials are needed: the situations first, who comes, then of the form.

    Only what changes the list is asked. A field that the form shows under a condition brings that one's questions.
    """
    wanted = _paths(item)
    found = [
        Question(
            f"{SITUATION}{one['id']}",
            str(one["title"]),
            tuple((str(option["id"]), str(option["title"])) for option in one["options"]),
        )
        for one in item.get("situations", ())
        if f"{SITUATION}{one['id']}" in wanted
    ]
    if ROLE in wanted:
        found.append(Question(ROLE, "谁来办", tuple(PRESENT_ROLES.items())))
    return found + [
        question for path in wanted if path.startswith(FORM) for question in [_of_form(item, path, wanted[path])]
    ]


def tidied(item: Document, answers: Mapping[str, str]) -> dict[str, str]:
    """The answers that the item's questions offer, by path; what else was sent is left out."""
    kept: dict[str, str] = {}
    for question in questions(item):
        said = answers.get(question.path)
        if said is not None and said in dict(question.options) and asked(question, kept):
            kept[question.path] = said
    return kept


def asked(question: Question, answers: Mapping[str, str]) -> bool:
    """Whether it is still to be asked after these answers: not where the form would not ask it."""
    return _holds(question.when, answers) is not False


def open_questions(item: Document, answers: Mapping[str, str]) -> list[Question]:
    """The questions that nobody answered, not even with 不清楚 (an empty answer)."""
    kept = tidied(item, answers)
    return [one for one in questions(item) if one.path not in answers and asked(one, kept)]


def short_list(item: Document, answers: Mapping[str, str]) -> list[Listed]:
    """The materials that are needed, and those of which nobody can say yet; what does not apply is not there."""
    kept = tidied(item, answers)
    found = []
    for material in item.get("materials", ()):
        holds = _needed(item, material.get("when"), kept)
        if holds is not False:
            found.append(Listed(material, holds is True, "" if holds else when_in_words(item, material["when"])))
    return found


def situation_in_words(item: Document, answers: Mapping[str, str]) -> list[tuple[str, str]]:
    """What was answered, each `(question, answer)`."""
    kept = tidied(item, answers)
    return [(one.title, dict(one.options)[kept[one.path]]) for one in questions(item) if one.path in kept]


def as_draft(item: Document, answers: Mapping[str, str]) -> dict[str, Any]:
    """The answers as a draft of an intake keeps them, nothing being asked twice."""
    content: dict[str, Any] = {}
    for path, said in tidied(item, answers).items():
        if path == ROLE and said != OTHER:
            content["people"] = {"present.role": said}
        elif path.startswith(SITUATION):
            content.setdefault("situation", {})[path.removeprefix(SITUATION)] = said
        elif path.startswith(FORM) and said != OTHER and "." not in path.removeprefix(FORM):
            content.setdefault("form", {})[path.removeprefix(FORM)] = _value(item, path, said)
    return content


def when_in_words(item: Document, when: Condition | None) -> str:
    """发到谁的卡上：家里人的; several conditions are joined by 并且. Empty where there is none."""
    return "，并且".join(
        f"{_title(item, path)}：{'或'.join(_words(item, path, value) for value in values)}"
        for path, values in (when or {}).items()
    )


# -- what the conditions ask ------------------------------------------------------------------------------------------


def _paths(item: Document) -> dict[str, list[Any]]:
    """Every fact that a material depends on, with the values that matter, in the order of the materials."""
    found: dict[str, list[Any]] = {}
    waiting = [material["when"] for material in item.get("materials", ()) if material.get("when")]
    while waiting:
        for path, values in waiting.pop(0).items():
            if path not in found and path.startswith(FORM) and (above := _field(item, path).get("x-when")):
                waiting.append(above)
            found.setdefault(path, []).extend(value for value in values if value not in found.get(path, ()))
    return found


def _field(item: Document, path: str) -> Mapping[str, Any]:
    here: Any = item.get("form", {})
    for step in path.removeprefix(FORM).split("."):
        here = here.get("items", here).get("properties", {}).get(step, {})
    return here if isinstance(here, Mapping) else {}


def _of_form(item: Document, path: str, values: Sequence[Any]) -> Question:
    field = _field(item, path)
    enum = field.get("enum") or field.get("items", {}).get("enum")
    options = [(_text(value), _words(item, path, value)) for value in enum or values]
    if not enum and not isinstance(values[0], bool):
        options.append((OTHER, "都不是"))
    if isinstance(values[0], bool):
        options = [("true", "是"), ("false", "不是")]
    return Question(path, str(field.get("title", path)), tuple(options), field.get("x-when"))


def _needed(item: Document, when: Condition | None, answers: Mapping[str, str]) -> bool | None:
    """Whether a material is needed: not where it hangs on a field that the form does not ask here."""
    fields = (_field(item, path) for path in when or {} if path.startswith(FORM))
    if any(_holds(field.get("x-when"), answers) is False for field in fields):
        return False
    return _holds(when, answers)


def _holds(when: Condition | None, answers: Mapping[str, str]) -> bool | None:
    """Whether a condition holds; None as long as that depends on what nobody has answered."""
    known = [
        said in {_text(value) for value in values}
        for path, values in (when or {}).items()
        for said in [answers.get(path)]
        if said
    ]
    if not all(known):
        return False
    return True if len(known) == len(when or {}) else None


def _title(item: Document, path: str) -> str:
    if path == ROLE:
        return "谁来办"
    if path.startswith(SITUATION):
        wanted = path.removeprefix(SITUATION)
        return next((str(one["title"]) for one in item.get("situations", ()) if one["id"] == wanted), wanted)
    return str(_field(item, path).get("title", path)) if path.startswith(FORM) else path


def _words(item: Document, path: str, value: Any) -> str:
    if path == ROLE:
        return PRESENT_ROLES.get(str(value), str(value))
    if path.startswith(SITUATION):
        wanted = path.removeprefix(SITUATION)
        options = next((one["options"] for one in item.get("situations", ()) if one["id"] == wanted), ())
        return next((str(option["title"]) for option in options if option["id"] == value), str(value))
    if isinstance(value, bool):
        return _TRUTH[value]
    return str((_field(item, path).get("x-titles") or {}).get(str(value), value))


def _value(item: Document, path: str, said: str) -> Any:
    """The answer as the form's own value."""
    field = _field(item, path)
    found = next((value for value in (*field.get("enum", ()), True, False) if _text(value) == said), said)
    return [found] if field.get("type") == "array" else found


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
