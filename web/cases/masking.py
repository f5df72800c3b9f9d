"""Identity numbers and phones are shown masked: what a page shows of a case unless somebody asks for the whole."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from casework.canonical import Document
from casework.case import Case
from web.wording import masked_id, masked_phone

CHECKS = {"id-number": masked_id, "phone": masked_phone, "uscc": masked_id}
"""By the `x-check` of a form's field."""
NAMES = {"id_number": masked_id, "phone": masked_phone}
"""By the name of a field, wherever it stands."""


def masked(value: Any, schema: Mapping[str, Any] | None = None, name: str = "") -> Any:
    """The value with every identity number and phone in it masked; `schema` is its form's, `name` its field's."""
    schema = schema or {}
    if isinstance(value, dict):
        parts = schema.get("properties", {})
        return {key: masked(part, parts.get(key), key) for key, part in value.items()}
    if isinstance(value, list):
        return [masked(part, schema.get("items"), name) for part in value]
    mask = CHECKS.get(str(schema.get("x-check"))) or NAMES.get(name)
    return mask(value) if mask is not None and isinstance(value, str) else value


def masked_at(path: str, value: Any, schema: Mapping[str, Any]) -> Any:
    """The value of one field by its dotted path, such as applicant.phone."""
    first, *steps = path.split(".")
    part: Mapping[str, Any] = schema if first == "form" else {}
    for step in steps:
        part = part.get("properties", {}).get(step) or part.get("items") or {}
    return masked(value, part, path.rpartition(".")[2])


def masked_case(case: Case, schema: Mapping[str, Any], settleable: Collection[str] = ()) -> Case:
    """The case as a page shows it: its fields, and what the sides of a contested point say. `settleable` are the points
    that whoever looks at it may settle."""
    shown = copy.copy(case)
    fields = case["fields"]
    shown["fields"] = masked(fields, {"properties": {"form": schema}})
    shown["contested"] = [masked_point(one, schema, apart=one["id"] in settleable) for one in case["contested"]]
    shown["settled"] = [_masked_settlement(one, schema) for one in case["settled"]]
    shown["proxies"] = masked(case["proxies"])
    return shown


def masked_point(point: Any, schema: Mapping[str, Any], *, apart: bool = False) -> Any:
    """A contested point; only one that is about a field has values to mask. `apart`: for whoever may settle it, so that
    they see what they choose between; what that shows is for the log (`shows_more`)."""
    if not point["topic"].startswith("fields."):
        return point
    path, sides = point["topic"].removeprefix("fields."), point["sides"]
    values = [masked_at(path, side["value"], schema) for side in sides]
    if apart:
        values = told_apart([side["value"] for side in sides], values)
    return {**point, "sides": [{**side, "value": value} for side, value in zip(sides, values, strict=True)]}


def shows_more(point: Any, schema: Mapping[str, Any]) -> bool:
    """Whether telling its sides apart shows more of a number than the mask does."""
    return bool(masked_point(point, schema, apart=True) != masked_point(point, schema))


def told_apart(values: Sequence[Any], shown: Sequence[Any]) -> list[Any]:
    """The masked values, and where two of them look alike although they are not, also the signs in which they differ:
    whoever has to choose between two numbers must see that they are two."""
    if all(isinstance(value, dict) for value in values):
        parts = {key: told_apart([value.get(key) for value in values], [value.get(key) for value in shown])
                 for key in {key for value in values for key in value}}  # fmt: skip
        return [{key: parts[key][at] for key in value} for at, value in enumerate(values)]
    alike = {text for text in map(str, shown) if [str(other) for other in shown].count(text) > 1}
    found = list(shown)
    for text in alike:
        here = [at for at, other in enumerate(shown) if str(other) == text]
        whole = [str(values[at]) for at in here]
        if len(set(whole)) > 1 and len({len(text), *map(len, whole)}) == 1:
            for at in here:
                found[at] = "".join(
                    sign if len({one[place] for one in whole}) > 1 else text[place]
                    for place, sign in enumerate(str(values[at]))
                )
    return found


def _masked_settlement(settled: Any, schema: Mapping[str, Any]) -> Any:
    if not settled["topic"].startswith("fields."):
        return settled
    return {**settled, "value": masked_at(settled["topic"].removeprefix("fields."), settled["value"], schema)}


def masked_event(event: Document, schema: Mapping[str, Any]) -> Document:
    """An event as a page tells it: the new value of a field that was corrected, the numbers of a proxy."""
    data = event.get("data")
    if not isinstance(data, dict):
        return event
    if event.get("kind") == "proxy_appointed":
        return {**event, "data": masked(data)}
    if event.get("kind") != "field_corrected" or "value" not in data:
        return event
    return {**event, "data": {**data, "value": masked_at(str(data.get("path", "")), data["value"], schema)}}
