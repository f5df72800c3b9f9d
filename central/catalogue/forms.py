"""Whether a station can fill in an item's form, and run a case to the end on its flow."""

from __future__ import annotations

from typing import Final

from casework import schemas
from casework.canonical import Document
from casework.flow import check_flow, step_of
from casework.forms import check_conditions, first_examples, validate_form

PLAIN_FORM: Final[Document] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "通用申请表",
    "type": "object",
    "additionalProperties": False,
    "required": ["reason"],
    "properties": {
        "reason": {
            "title": "申请事由",
            "type": "string",
            "minLength": 2,
            "maxLength": 500,
            "examples": ["本人符合办理条件，现申请办理。"],
            "x-widget": "textarea",
            "x-order": 1,
        },
        "remark": {
            "title": "备注",
            "type": "string",
            "maxLength": 500,
            "examples": ["材料由家里人送来"],
            "x-widget": "textarea",
            "x-order": 2,
        },
    },
}
"""What an item without a form of its own is applied for with."""

_NOT_IN_FORMS: Final = ("$ref", "$dynamicRef", "allOf", "if", "then", "else")


def flow_problems(content: Document) -> dict[str, str]:
    """What keeps a case from running to its end on the item's flow."""
    flow = content.get("flow")
    found = check_flow(flow) if flow is not None else []
    until = str(content["withdraw_until"]).removeprefix("step:")
    if until != content["withdraw_until"] and step_of(flow, until) is None:
        found.append(f"撤回的规则提到环节“{until}”，流程里没有。")
    return {"flow": found[0]} if found else {}


def form_problems(content: Document) -> dict[str, str]:
    """What keeps a station from filling in an item's form: parts that no page shows, conditions that ask for what
    is not there, examples that lack or fail.
    """
    form = content["form"]
    wrong = schemas.schema_errors(form)
    if wrong:
        return {"form": f"表单不是正确的 JSON Schema：{wrong[0]}"}
    found = _unfillable(form, "form") or check_conditions(content)
    if not found:
        examples = validate_form(form, first_examples(form))
        found = {f"form.{name}": f"第一个例子通不过：{sentence}" for name, sentence in examples.items()}
    return found


def _unfillable(form: Document, path: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in _NOT_IN_FORMS:
        if word in form:
            found[path] = f"表单里不能用 {word}。"
    properties = form.get("properties", {})
    for name in form.get("required", []):
        if name not in properties:
            found[f"{path}.{name}"] = "必填，却没有这一栏。"
        elif "properties" not in properties[name] and not properties[name].get("examples"):
            found[f"{path}.{name}"] = "必填的栏目要有例子（examples）。"
    for name, inner in properties.items():
        if isinstance(inner, dict):
            nested = inner.get("items", inner) if inner.get("type") == "array" else inner
            if isinstance(nested, dict):
                found |= _unfillable(nested, f"{path}.{name}")
    return found
