"""JSON Schema with the house's own checks, and every failure said to a person in Chinese."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

Schema = Mapping[str, Any]
Check = Callable[[Any], str | None]
"""A named check (`x-check` in a schema): None when the value is right, else the sentence for the person."""

CHECKS: dict[str, Check] = {}
"""Named checks by the name that schemas use. `casework.forms` fills it: id-number, phone, uscc, date, money,
name.
"""


def text(pattern: str | None = None, *, most: int | None = None) -> dict[str, Any]:
    """The schema of a text: the whole of it matches `pattern`, and it has at most `most` characters."""
    schema: dict[str, Any] = {"type": "string"}
    if pattern is not None:
        schema["pattern"] = f"^{pattern}$"
    if most is not None:
        schema["maxLength"] = most
    return schema


def nullable(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def shape(properties: dict[str, Any], *, optional: frozenset[str] = frozenset()) -> dict[str, Any]:
    """An object schema that requires all of `properties` but the optional ones, and lets unknown ones pass.

    Unknown fields pass because a newer station writes them and an older one must carry them (design.md; the
    same habit as TUF's ADR 8).
    """
    return {
        "type": "object",
        "required": [name for name in properties if name not in optional],
        "properties": properties,
    }


_TYPE_SENTENCES = {
    "string": "请填文字。",
    "integer": "请填整数，不带小数和单位。",
    "number": "请填数字，不带单位。",
    "boolean": "请选“是”或“否”。",
    "array": "这里应该是一个列表。",
    "object": "这里应该是一组栏目。",
    "null": "这里应该空着。",
}

_LIMIT_SENTENCES = {
    "const": "这里只能是{limit}。",
    "minLength": "至少 {limit} 个字。",
    "maxLength": "最多 {limit} 个字，现在有 {length} 个，请缩短。",
    "minimum": "不能小于 {limit}。",
    "exclusiveMinimum": "要大于 {limit}。",
    "maximum": "不能大于 {limit}。",
    "exclusiveMaximum": "要小于 {limit}。",
    "minItems": "至少填 {limit} 项，现在有 {length} 项。",
    "maxItems": "最多填 {limit} 项，现在有 {length} 项。",
    "uniqueItems": "有重复的，请去掉一个。",
    "pattern": "格式不对，请对照填写说明再填一遍。",
}


def _is_whole(_checker: object, value: object) -> bool:
    # JSON Schema counts 1.0 as an integer; canonical JSON has no floats at all, so nor have forms.
    return isinstance(value, int) and not isinstance(value, bool)


def _x_check(_validator: Validator, name: Any, value: Any, _schema: Mapping[str, Any]) -> Iterator[ValidationError]:
    check = CHECKS.get(name)
    # A check that this version does not know passes: an older station must not refuse a newer form.
    sentence = None if check is None else check(value)
    if sentence is not None:
        yield ValidationError(sentence)


_Validator: Any = extend(  # type: ignore[no-untyped-call]  # the stubs leave `extend` untyped
    Draft202012Validator,
    validators={"x-check": _x_check},
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_whole).redefine("number", _is_whole),
)


@lru_cache(maxsize=64)
def _compiled(text: str) -> Validator:
    schema = json.loads(text)
    compiled: Validator = _Validator(schema)
    return compiled


def validator(schema: Schema) -> Validator:
    """The compiled validator of a schema; the last 64 are kept (a node's forms repeat)."""
    return _compiled(json.dumps(schema, sort_keys=True, ensure_ascii=False))


def schema_errors(schema: Schema) -> list[str]:
    """What is wrong with the schema itself, by the draft's own meta-schema. A file's items share their forms."""
    return list(_errors(json.dumps(schema, sort_keys=True, ensure_ascii=False)))


@lru_cache(maxsize=64)
def _errors(text: str) -> tuple[str, ...]:
    meta_schema = Draft202012Validator(Draft202012Validator.META_SCHEMA)
    return tuple(error.message for error in meta_schema.iter_errors(json.loads(text)))


def problems(schema: Schema, value: Any, *, compiled: Validator | None = None) -> dict[str, str]:
    """Dotted path → sentence for everything in `value` that the schema refuses; the first sentence of a path
    wins.

    The path of a missing field is the field's own, so that a page can point at it. The whole value is "".
    """
    found: dict[str, str] = {}
    for error in (compiled or validator(schema)).iter_errors(value):
        for path, sentence in _said(error):
            found.setdefault(path, sentence)
    return dict(sorted(found.items()))


def dotted(path: Iterator[Any] | list[Any]) -> str:
    """`["members", 0, "name"]` → `members.0.name`."""
    return ".".join(str(step) for step in path)


def _title(schema: Any, name: str) -> str:
    title = schema.get("properties", {}).get(name, {}).get("title") if isinstance(schema, dict) else None
    return title if isinstance(title, str) else name


def _said(error: ValidationError) -> Iterator[tuple[str, str]]:
    here = list(error.absolute_path)
    schema: Any = error.schema
    limit: Any = error.validator_value
    value: Any = error.instance
    told = schema.get("x-message") if isinstance(schema, dict) else None
    match error.validator:
        case "required":
            for name in limit:
                if name not in value:
                    yield dotted([*here, name]), f"请填写{_title(schema, name)}。"
        case "dependentRequired":
            for name, needed in limit.items():
                for other in needed:
                    if name in value and other not in value:
                        said = f"填了{_title(schema, name)}，也要填{_title(schema, other)}。"
                        yield dotted([*here, other]), said
        case "additionalProperties" | "unevaluatedProperties":
            for name in value:
                if name not in schema.get("properties", {}):
                    yield dotted([*here, name]), "没有这一栏。"
        case "anyOf" | "oneOf" if error.context and told is None:
            yield from _said(max(error.context, key=lambda inner: len(inner.absolute_path)))
        case keyword:
            yield (
                dotted(here),
                told if isinstance(told, str) else _sentence(str(keyword), limit, value, error),
            )


def _sentence(keyword: str, limit: Any, value: Any, error: ValidationError) -> str:
    if keyword == "x-check":
        return str(error.message)
    if keyword == "type":
        wanted = limit if isinstance(limit, str) else next(iter(limit), "")
        return _TYPE_SENTENCES.get(wanted, "这里填的内容不对。")
    if keyword == "enum":
        return "请从这些里选：" + "、".join(str(choice) for choice in limit) + "。"
    if keyword == "minLength" and not str(value).strip():
        return "请填写这一栏。"
    said = _LIMIT_SENTENCES.get(keyword)
    if said is None:
        return "这里填的内容不符合要求，请对照填写说明再填一遍。"
    return said.format(limit=limit, length=len(value) if isinstance(value, str | list) else 0)
