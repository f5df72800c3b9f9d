"""The JSON API's furniture: operations that describe themselves, checked bodies, and OpenAPI 3.1 of them all."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from flask import Blueprint, Flask, request

from web.access import View, public
from web.errors import Problem

DEEPEST = 60

_ERROR = {
    "type": "object",
    "required": ["error", "message", "fields"],
    "properties": {
        "error": {"type": "string"},
        "message": {"type": "string", "description": "a sentence for a person"},
        "fields": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}


def operation(
    *,
    summary: str,
    tag: str,
    responses: Mapping[int, Mapping[str, Any] | None],
    parameters: Sequence[Mapping[str, Any]] = (),
    request: Mapping[str, Any] | None = None,
    request_type: str = "application/json",
) -> Callable[[View], View]:
    """Describes a view for OpenAPI; a response of None is not JSON. `request` is the schema that `json_body` checks."""

    def describe(view: View) -> View:
        view.__dict__["operation"] = {
            "summary": summary,
            "tag": tag,
            "responses": responses,
            "parameters": list(parameters),
            "request": request,
            "request_type": request_type,
        }
        return view

    return describe


def json_body(schema: Mapping[str, Any] | None) -> dict[str, Any]:
    """The request's JSON object, of the types that `schema` (a plain subset of JSON Schema) asks for.

    Raises `Problem`: 415 for another content type, 400 for what is no JSON object, 422 with fields for wrong types.
    """
    if request.mimetype != "application/json":
        raise Problem(415, "not_json", "请用 application/json 提交。")
    try:
        body = json.loads(request.get_data(), parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise Problem(400, "bad_json", "提交的内容不是完整的 JSON。") from error
    if not isinstance(body, dict):
        raise Problem(400, "not_an_object", "提交的内容要是一个 JSON 对象。")
    _sound(body, 0)
    if schema is not None:
        fields = dict(type_problems(schema, body))
        if fields:
            raise Problem(422, "not_complete", "有几处内容不对，改好再提交。", fields=fields)
    return body


def type_problems(schema: Mapping[str, Any], value: Any, path: str = "") -> list[tuple[str, str]]:
    """Where a value is of another type than the schema says, by dotted path, in sentences."""
    wanted = schema.get("type")
    names = [wanted] if isinstance(wanted, str) else list(wanted or [])
    if names and not any(_is(value, name) for name in names):
        return [(path or "body", f"这里应当是{'或'.join(_NAMES[name] for name in names)}。")]
    if "enum" in schema and value not in schema["enum"]:
        return [(path, f"只能是 {'、'.join(map(str, schema['enum']))} 中的一个。")]
    problems: list[tuple[str, str]] = []
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        for name in schema.get("required", []):
            if name not in value:
                problems.append((_join(path, name), "这一项要填。"))
        for name, part in value.items():
            if name in properties:
                problems += type_problems(properties[name], part, _join(path, name))
            elif schema.get("additionalProperties") is False:
                problems.append((_join(path, name), "没有这一项。"))
    if isinstance(value, list) and "items" in schema:
        for position, part in enumerate(value):
            problems += type_problems(schema["items"], part, _join(path, str(position)))
    return problems


def whole_number(name: str, *, default: int, least: int, most: int) -> int:
    """A whole number from the query string; raises `Problem` 400 outside its bounds."""
    text = request.args.get(name)
    if text is None or text == "":
        return default
    if not re.fullmatch(r"\d{1,16}", text) or not least <= int(text) <= most:
        raise Problem(
            400, "bad_parameter", f"{name} 要是 {least} 到 {most} 之间的整数。", fields={name: "请改成整数。"}
        )
    return int(text)


def page(results: Sequence[Mapping[str, Any]], following: str | None) -> dict[str, Any]:
    """One page of a list; `following` goes into the next request's cursor parameter, None at the end."""
    return {"results": list(results), "next": following}


def openapi(app: Flask, title: str, version: str) -> None:
    """Serve the description of every operation at `/api/v1/openapi.json`."""
    api = Blueprint("openapi", __name__, url_prefix="/api/v1")

    @api.get("/openapi.json")
    @public
    def describe() -> dict[str, Any]:
        return document(app, title, version)

    app.register_blueprint(api)


def document(app: Flask, title: str, version: str) -> dict[str, Any]:
    paths: dict[str, dict[str, Any]] = {}
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        told = getattr(view, "operation", None)
        if told is None:
            continue
        path = re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            paths.setdefault(path, {})[method.lower()] = _operation(told, rule.endpoint, method) | _from_view(
                told, view, rule.arguments
            )
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version},
        "components": {
            "schemas": {"Error": _ERROR},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
        # A page's own scripts may also come with the session's cookie; then with the header X-CSRF-Token besides.
        "security": [{"bearer": []}],
        "paths": dict(sorted(paths.items())),
    }


def _operation(told: Mapping[str, Any], endpoint: str, method: str) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": f"{endpoint.replace('.', '_')}_{method.lower()}",
        "summary": told["summary"],
        "tags": [told["tag"]],
        "responses": {
            **{
                str(status): {"description": "OK"}
                | ({"content": {"application/json": {"schema": schema}}} if schema is not None else {})
                for status, schema in told["responses"].items()
            },
            "default": {
                "description": "What went wrong, in a sentence for a person",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
            },
        },
    }
    if told["request"] is not None:
        described["requestBody"] = {
            "required": True,
            "content": {told["request_type"]: {"schema": told["request"]}},
        }
    return described


def _from_view(told: Mapping[str, Any], view: Any, arguments: Iterable[str]) -> dict[str, Any]:
    """What the view itself says: the parts of its path, and whether one must be signed in."""
    named = {parameter["name"] for parameter in told["parameters"]}
    path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in sorted(arguments)
        if name not in named
    ]
    parameters = [*path, *told["parameters"]]
    return ({"parameters": parameters} if parameters else {}) | (
        {"security": []} if getattr(view, "roles", None) == () else {}
    )


_NAMES = {
    "object": "一组内容",
    "array": "一列内容",
    "string": "文字",
    "integer": "整数",
    "number": "数字",
    "boolean": "是或否",
    "null": "空",
}


def _is(value: Any, name: str) -> bool:
    match name:
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "boolean":
            return isinstance(value, bool)
        case _:
            return value is None


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _finite(text: str) -> float:
    """1e999 is well-formed, and Python reads it as infinity, which no JSON can say again."""
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(text)
    return value


def _sound(value: Any, depth: int) -> None:
    """Refuses text that no database and no printer can carry, and nesting that nobody typed."""
    if depth > DEEPEST:
        raise Problem(400, "too_deep", "提交的内容嵌套太深。")
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise Problem(400, "broken_text", "有文字是坏的（半个字符）。请删掉重新输入。") from error
    elif isinstance(value, dict):
        for name, part in value.items():
            _sound(name, depth + 1)
            _sound(part, depth + 1)
    elif isinstance(value, list):
        for part in value:
            _sound(part, depth + 1)
