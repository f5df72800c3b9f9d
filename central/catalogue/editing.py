"""An item on its editor page: its elements as fields with words to choose from, and what was typed as content again."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any, Final

from werkzeug.datastructures import MultiDict

from casework import schemas
from casework.canonical import Document, NotCanonical, canonical
from casework.documents import item as items
from casework.documents.directory import ENTRY_SCHEMA as DIRECTORY_SCHEMA
from casework.guide.elements import BY_ID, ENUMERATIONS, GROUPS, WITHDRAW_UNTIL, is_empty, of_group, titled_schema
from central.catalogue.codes import parsed
from central.catalogue.directories import Libraries, article_of, inherited, law_title, tree
from central.catalogue.forms import PLAIN_FORM, flow_problems, form_problems
from web.forms import read_form, unreadable

Typed = MultiDict[str, str]

JSON_ELEMENTS: Final = ("form", "flow", "hints")
"""Edited as text, each in a field `NAME_json`."""

FIXED: Final = frozenset({"code", "type", "type_code", "type_letters", "department", "department_letters"})
"""What the item's code says, and so is not edited: another type or department is another item."""

_DERIVED: Final = frozenset({"form_version", *JSON_ELEMENTS})


# -- the page's fields -----------------------------------------------------------------------------------------------


def groups(content: Document, libraries: Libraries) -> dict[str, dict[str, Any]]:
    """The schema of each group's fields, by the group's name; what is inherited is said in the hint of its field."""
    found: dict[str, dict[str, Any]] = {}
    for group in GROUPS:
        properties = {
            element.id: _for_page(titled_schema(element), element.id, content, libraries)
            for element in of_group(group)
            if element.id not in FIXED | _DERIVED
        }
        if properties:
            required = [name for name in properties if BY_ID[name].required and not _may_be_empty(BY_ID[name].schema)]
            found[group] = {"type": "object", "required": required, "properties": properties}
    for name, one in inherited(content, libraries.directory).items():
        field = found[BY_ID[name].group]["properties"][name]
        field["x-hint"] = f"现在沿用目录“{one.title}”：{in_words(name, one.value)}。自己写了就不再沿用"
    return found


def _may_be_empty(schema: Mapping[str, Any]) -> bool:
    """Whether no text, no row or nothing at all is an answer too."""
    return "anyOf" in schema or (schema.get("type") == "array" and not schema.get("minItems"))


def in_words(element: str, value: Any) -> str:
    """An element's value in a line."""
    enumeration = BY_ID[element].enumeration
    if enumeration is not None and isinstance(value, str | list) and all(isinstance(one, str) for one in value):
        return "、".join(ENUMERATIONS[enumeration].word(one) for one in ([value] if isinstance(value, str) else value))
    return "、".join(_texts(value))[:120]


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(inner)
    elif isinstance(value, bool):
        yield "能" if value else "不能"
    elif value not in (None, ""):
        yield str(value)


def _for_page(schema: Mapping[str, Any], name: str, content: Document, libraries: Libraries) -> dict[str, Any]:
    """A shape as the page asks for it: null is an empty field, references are chosen by their words."""
    here = _plain(schema)
    match name:
        case "directory":
            options = {one["id"]: "　" * depth + one["title"] for depth, one in tree(libraries.directory)}
            return _choice(here, options, wide=True)
        case "systems":
            systems = {one["id"]: one["name"] for one in libraries.system.values()}
            return {**here, "items": {"enum": list(systems), "x-titles": systems}}
        case "withdraw_until":
            steps = {f"step:{one['id']}": f"“{one['title']}”开始前可以撤回" for one in _steps(content)}
            return _choice(here, {**WITHDRAW_UNTIL, **steps})
        case "basis":
            pick = {"title": "从法规库选", **_choice({"type": "string"}, _law_options(libraries), wide=True)}
            rest = {key: value for key, value in here["items"]["properties"].items() if key != "law"}
            return {**here, "items": {"type": "object", "properties": {"pick": pick, **rest}}, "x-add": "加一条依据"}
        case "materials":
            return {**here, "items": _material(here["items"], content, libraries), "x-add": "加一份材料"}
        case "result":
            fields = {key: value for key, value in here["properties"].items() if key != "sample_name"}
            return {**here, "properties": {**fields, "sample": _blank_choice(fields["sample"], "result", libraries)}}
        case _:
            return here


def _plain(schema: Mapping[str, Any]) -> dict[str, Any]:
    if "anyOf" in schema:
        kept = {key: value for key, value in schema.items() if key != "anyOf"}
        # What may be null is empty on the page; its parts may then be empty, too.
        return {key: value for key, value in _plain({**schema["anyOf"][0], **kept}).items() if key != "required"}
    found = dict(schema)
    if isinstance(found.get("properties"), dict):
        found["properties"] = {key: _plain(value) for key, value in found["properties"].items()}
    if isinstance(found.get("items"), dict):
        found["items"] = _plain(found["items"])
    return found


def _choice(schema: Mapping[str, Any], options: Mapping[str, str], *, wide: bool = False) -> dict[str, Any]:
    kept = {key: value for key, value in schema.items() if key in ("title", "type", "x-hint", "minLength")}
    width = {"x-width": "f6"} if wide else {}
    return {**kept, "enum": list(options), "x-titles": dict(options), "x-widget": "select", **width}


def _law_options(libraries: Libraries) -> dict[str, str]:
    found: dict[str, str] = {}
    for law in libraries.law.values():
        ended = f"（{law['until']} 失效）" if law.get("until") else ""
        found[law["id"]] = f"{law_title(law)}{ended}"
        found |= {f"{law['id']}#{one['article']}": f"　{one['article']}" for one in law.get("articles", ())}
    return found


def _material(schema: Mapping[str, Any], content: Document, libraries: Libraries) -> dict[str, Any]:
    fields = dict(schema["properties"])
    for name in ("blank_name", "sample_name", "source_code", "when"):
        del fields[name]
    for name, enumeration in (("type", "material_type"), ("form", "material_form"), ("source", "source")):
        words = ENUMERATIONS[enumeration]
        fields[name] = _choice(fields[name], {one: words.word(one) for one in words.codes})
    fields["blank"] = _blank_choice(fields["blank"], "blank", libraries)
    fields["sample"] = _blank_choice(fields["sample"], "sample", libraries)
    answers = {
        f"{one['id']}={option['id']}": f"{one['title']}：{option['title']}"
        for one in content.get("situations", ())
        for option in one["options"]
    }
    if answers:
        fields["situations"] = {
            "title": "这些情形才要",
            "type": "array",
            "items": {"enum": list(answers), "x-titles": answers},
            "x-hint": "都不勾，就是都要；同一问勾几个，有一个就要",
        }
    fields["other_when"] = {
        "title": "其他条件",
        "type": "string",
        "x-widget": "textarea",
        "x-hint": '写成 JSON，如 {"people.present.role": ["proxy"]}；没有的留空',
    }
    fields["necessity"] = _choice(fields["necessity"], {one: one for one in ENUMERATIONS["necessity"].codes})
    widths = {"name": "f4", "id": "f2", "copies": "f2", "spec": "f2", "source_note": "f2"} | dict.fromkeys(
        ("guidance", "acceptance", "basis", "note"), "f3"
    )
    order = ["name", "id", *(name for name in fields if name not in ("name", "id"))]
    laid = {
        name: {**fields[name], **({"x-width": widths[name]} if name in widths else {}), "x-order": place}
        for place, name in enumerate(order)
    }
    return {"type": "object", "required": ["name"], "properties": laid}


def _blank_choice(schema: Mapping[str, Any], kind: str, libraries: Libraries) -> dict[str, Any]:
    return _choice(schema, {one["id"]: one["title"] for one in libraries.blank.values() if one["kind"] == kind})


def _steps(content: Document) -> list[Document]:
    flow = content.get("flow")
    steps = flow.get("steps") if isinstance(flow, dict) else None
    return [one for one in steps or () if isinstance(one, dict) and "id" in one and "title" in one]


# -- an item to the page ---------------------------------------------------------------------------------------------


def as_shown(content: Document) -> Document:
    """The values of the page's fields, by element."""
    shown = dict(content)
    shown["basis"] = [_basis_shown(one) for one in content.get("basis", [])]
    shown["materials"] = [_material_shown(one) for one in content.get("materials", [])]
    return shown


def _basis_shown(entry: Mapping[str, Any]) -> Document:
    law = entry.get("law")
    if not law:
        return dict(entry)
    article = entry.get("article")
    return {**entry, "pick": f"{law}#{article}" if article else law}


def _material_shown(material: Mapping[str, Any]) -> Document:
    when = material.get("when") or {}
    asked = [
        f"{path.removeprefix('situation.')}={value}"
        for path, values in when.items()
        if path.startswith("situation.")
        for value in values
    ]
    other = {path: values for path, values in when.items() if not path.startswith("situation.")}
    more = {"other_when": json.dumps(other, ensure_ascii=False)} if other else {}
    return {**material, **({"situations": asked} if asked else {}), **more}


def json_texts(content: Document) -> dict[str, str]:
    """What is edited as text, by field."""
    return {
        f"{name}_json": json.dumps(content[name], ensure_ascii=False, indent=2) if content.get(name) else ""
        for name in JSON_ELEMENTS
    }


# -- and back --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reading:
    """What a page says: `content` (as far as it can be read), the texts as they were typed, and what is wrong by the
    page's fields. `shown` are the fields' values, nothing of which is lost."""

    content: Document
    shown: Document
    texts: Mapping[str, str]
    problems: Mapping[str, str]


def read_page(base: Document, typed: Typed, libraries: Libraries) -> Reading:
    """The item that the page says, over `base`: the content that it was made from."""
    texts = {f"{name}_json": typed.get(f"{name}_json", "") for name in JSON_ELEMENTS}
    problems: dict[str, str] = {}
    content = dict(base)
    for name in JSON_ELEMENTS:
        _read_json(name, texts[f"{name}_json"], content, problems)
    shown: Document = {}
    # Situations first: the conditions of materials are asked in their words.
    for schema in groups({**content, "situations": _situations(typed)}, libraries).values():
        said = read_form(schema, typed, "")
        problems |= unreadable(schema, said, "")
        shown |= said
        for name in schema["properties"]:
            _take(content, name, said.get(name))
    content["basis"] = [_basis_read(one, libraries) for one in shown.get("basis", [])]
    content["materials"] = _materials_read(base, shown.get("materials", []), problems)
    _as_the_code_says(content, libraries)
    content["form_version"] = _form_version(base, content)
    problems = {**_wrong(content, texts, problems), **problems}
    return Reading(content, {**shown, **{name: content[name] for name in FIXED if name in content}}, texts, problems)


def _situations(typed: Typed) -> list[Document]:
    schema = {"type": "object", "properties": {"situations": titled_schema(BY_ID["situations"])}}
    said = read_form(schema, typed, "").get("situations", [])
    return [
        {**one, "options": [option for option in one.get("options", ()) if {"id", "title"} <= option.keys()]}
        for one in said
        if {"id", "title"} <= one.keys()
    ]


def _take(content: Document, name: str, said: Any) -> None:
    """One element of the page into the content; a required choice that nobody made is left out, for the validator."""
    element = BY_ID[name]
    value = _with_unknown(element.schema, content.get(name), said)
    if element.required:
        value = _completed(element.schema, value)
    content.pop(name, None)
    if value is not None or (element.required and "anyOf" in element.schema):
        content[name] = value


def _with_unknown(schema: Mapping[str, Any], before: Any, said: Any) -> Any:
    """What was typed, with the fields of before that no page shows: newer versions and inventories have some."""
    plain = _plain(schema)
    if isinstance(before, dict) and (isinstance(said, dict) or said is None) and "properties" in plain:
        unknown = {key: value for key, value in before.items() if key not in plain["properties"]}
        return {**unknown, **(said or {})} if unknown or said else None
    if isinstance(before, list) and isinstance(said, list) and "properties" in plain.get("items", {}):
        key = next(iter(plain["items"]["properties"]))
        by_key = {one.get(key): one for one in before if isinstance(one, dict)}
        return [_with_unknown(plain["items"], by_key.get(one.get(key)), one) for one in said]
    return said


def _completed(schema: Mapping[str, Any], value: Any) -> Any:
    """With what an empty field means where the shape wants something: no text, no rows, null."""
    if "anyOf" in schema:
        return _completed(schema["anyOf"][0], value) if value else None
    if schema.get("type") == "array":
        return value if value is not None else []
    if schema.get("type") == "object" and "properties" in schema:
        found = dict(value or {})
        for name in schema["required"]:
            part = schema["properties"][name]
            if name not in found and ("anyOf" in part or part.get("type") in ("array", "object")):
                found[name] = _completed(part, None)
            elif (
                name not in found and part.get("type") == "string" and not part.get("minLength") and "enum" not in part
            ):
                found[name] = ""
        return found
    return value


def _basis_read(said: Mapping[str, Any], libraries: Libraries) -> Document:
    entry = {name: value for name, value in said.items() if name != "pick"}
    name, _hash, article = str(said.get("pick", "")).partition("#")
    law = libraries.law.get(name)
    if law is None:
        return {**entry, "law": name} if name else entry
    entry |= {"law": name, "title": law_title(law)}
    if article:
        entry["article"] = article
        entry["text"] = article_of(law, article) or entry.get("text", "")
    return entry


def _materials_read(base: Document, said: list[Document], problems: dict[str, str]) -> list[Document]:
    known = {one["id"]: one for one in base.get("materials", ())}
    shown = BY_ID["materials"].schema["items"]["properties"].keys() | {"situations", "other_when"}
    found = []
    taken = {one["id"] for one in said if one.get("id")}
    for place, one in enumerate(said):
        material = {name: value for name, value in one.items() if name not in ("situations", "other_when")}
        if "id" not in material:
            material["id"] = next(f"m{n:02d}" for n in range(1, 1000) if f"m{n:02d}" not in taken)
            taken.add(material["id"])
        unknown = {name: value for name, value in known.get(material["id"], {}).items() if name not in shown}
        when = _when(one, f"materials.{place}.other_when", problems)
        code = ENUMERATIONS["source"].codes.get(str(material.get("source")))
        found.append(
            {
                **unknown,
                **material,
                **({"source_code": code} if code else {}),
                **({"when": when} if when else {}),
            }
        )
    return found


def _when(said: Mapping[str, Any], path: str, problems: dict[str, str]) -> Document:
    when: Document = {}
    for answer in said.get("situations", ()):
        question, _equals, option = answer.partition("=")
        when.setdefault(f"situation.{question}", []).append(option)
    text = said.get("other_when")
    if text:
        try:
            other = json.loads(text)
        except ValueError as error:
            problems[path] = f"不是完整的 JSON：{_where(error)}"
        else:
            if isinstance(other, dict):
                when |= other
            else:
                problems[path] = "条件写成 {路径: [值]}。"
    return when


def _as_the_code_says(content: Document, libraries: Libraries) -> None:
    code = parsed(content["code"])
    if code is None:
        return
    content["department_letters"], content["type_letters"] = code.department, code.type
    type_ = libraries.type.get(code.type)
    if type_ is not None:
        content["type"] = type_["name"]
        content.pop("type_code", None)
        if type_["code"] is not None:
            content["type_code"] = type_["code"]


def _form_version(base: Document, content: Document) -> int:
    """One more when the form is another: a case says by which it was filled in."""
    version = int(base.get("form_version", 1))
    return version if base.get("form") == content.get("form") else version + 1


# -- texts in JSON ---------------------------------------------------------------------------------------------------


def _read_json(name: str, text: str, content: Document, problems: dict[str, str]) -> None:
    path = f"{name}_json"
    if not text.strip():
        content.pop(name, None)
        if name == "form":
            content["form"] = PLAIN_FORM
        return
    try:
        value = json.loads(text)
        canonical(value)
    except NotCanonical:
        problems[path] = "有小数、过大的整数或残缺的字符，改成整数或文字。"
    except RecursionError:
        problems[path] = "套得太深了，读不了。"
    except ValueError as error:
        problems[path] = f"不是完整的 JSON：{_where(error)}"
    else:
        if isinstance(value, dict):
            content[name] = value
        else:
            problems[path] = "要写成一个 {…}。"


def _where(error: ValueError) -> str:
    if not isinstance(error, json.JSONDecodeError):
        return str(error)
    reasons = {
        "Expecting ',' delimiter": "这里少一个逗号，或多了什么",
        "Expecting ':' delimiter": "名字后面少一个冒号",
        "Expecting value": "这里少一个值，或多了一个逗号",
        "Expecting property name enclosed in double quotes": "名字要用双引号括起来，最后一个后面不要逗号",
        "Extra data": "结束以后还有多余的字",
        "Unterminated string starting at": "这里起的文字少了后引号",
        "Illegal trailing comma before end of object": "最后一个后面不要逗号",
        "Illegal trailing comma before end of array": "最后一个后面不要逗号",
    }
    return f"第 {error.lineno} 行第 {error.colno} 个字：{reasons.get(error.msg, error.msg)}。"


def lines_of(text: str) -> dict[str, int]:
    """Dotted path → the line (from 1) on which it begins, of a text that is JSON."""
    found: dict[str, int] = {}
    decoder = json.JSONDecoder()

    def blank(at: int) -> int:
        while at < len(text) and text[at] in " \t\r\n":
            at += 1
        return at

    def walk(at: int, path: str) -> int:
        at = blank(at)
        found.setdefault(path, text.count("\n", 0, at) + 1)
        if text[at] not in "{[":
            return int(decoder.raw_decode(text, at)[1])
        closing = "}" if text[at] == "{" else "]"
        place, at = 0, blank(at + 1)
        while text[at] != closing:
            name = str(place)
            if closing == "}":
                start = at
                name, at = scanstring(text, at + 1)
                found[f"{path}.{name}" if path else name] = text.count("\n", 0, start) + 1
                at = blank(at) + 1
            at = blank(walk(at, f"{path}.{name}" if path else name))
            if text[at] == ",":
                at = blank(at + 1)
            place += 1
        return at + 1

    walk(0, "")
    return found


def _wrong(content: Document, texts: Mapping[str, str], problems: Mapping[str, str]) -> dict[str, str]:
    """What keeps the content from being saved, by the page's fields; what is wrong in a text with its line."""
    if any(f"{name}_json" in problems for name in JSON_ELEMENTS):
        shape = {name: value for name, value in content.items() if name not in JSON_ELEMENTS}
        whole = schemas.problems(items.CONTENT_SCHEMA, {**shape, "form": PLAIN_FORM})
    else:
        whole = schemas.problems(items.CONTENT_SCHEMA, content)
        if not whole:
            whole = form_problems(content) or flow_problems(content)
    found: dict[str, str] = {}
    for path, sentence in whole.items():
        root = path.partition(".")[0]
        if root not in JSON_ELEMENTS:
            found.setdefault(_field_of(path), sentence)
            continue
        field = f"{root}_json"
        told = f"{_line(texts[field], path.partition('.')[2])}{sentence}"
        found[field] = f"{found[field]} {told}" if field in found else told
    return found


def _field_of(path: str) -> str:
    """The page's field for a path of the content."""
    parts = path.split(".")
    if parts[0] == "materials" and len(parts) > 2 and parts[2] == "when":
        return ".".join([*parts[:2], "other_when"])
    if parts[0] == "basis" and len(parts) > 2 and parts[2] == "law":
        return ".".join([*parts[:2], "pick"])
    return path


def _line(text: str, path: str) -> str:
    """“第 12 行”, where the path leads into the text; forms are named by their fields, not by where these lie."""
    if not path or not text.strip():
        return ""
    try:
        lines = lines_of(text)
    except (ValueError, IndexError, RecursionError):
        return ""
    steps = path.removesuffix(".x-when").split(".")
    # What is missing is told at the line of what it is missing from.
    above = [".".join(steps[:length]) for length in range(len(steps), 0, -1)]
    in_a_form = [f"properties.{'.properties.'.join(one.split('.'))}" for one in above]
    for candidate in (*above, *in_a_form):
        if candidate in lines:
            return f"第 {lines[candidate]} 行（{path}）："
    return f"{path}："


# -- a new item ------------------------------------------------------------------------------------------------------


def new_content(code: str, name: str, department: str, libraries: Libraries, template: Document | None) -> Document:
    """The content that a new item begins with: another item's, or what a form without answers says."""
    letters = parsed(code)
    kept = libraries.department.get(letters.department) if letters else None
    office = (kept or {}).get("office") or department
    content: Document = {
        "category": department,
        "handling_level": "county",
        "decides": {"level": "county", "department": department, "office": office},
        "village_role": "代办",
        "service_objects": ["自然人"],
        "case_type": "承诺件",
        "conditions": [],
        "materials": [],
        "legal": None,
        "promised": {"n": 20, "unit": "工作日"},
        "fee": {"charged": False, "amount": None, "basis": ""},
        "visits": {"count": 0, "reason": ""},
        "steps": [],
        "result": {"name": "", "kind": ""},
        "phones": {"enquiry": (kept or {}).get("phone", ""), "complaint": ""},
        "basis": [],
        "form": PLAIN_FORM,
        "form_version": 1,
        "proxy_allowed": True,
        "withdraw_until": "decided",
    }
    if template is not None:
        left_out = {"order", "basic_code", "implementation_code", "provenance", "guide_provenance", "inventory_id"}
        content |= {key: value for key, value in template.items() if key not in left_out}
        if template["department"] != department:
            content["decides"] = {**template["decides"], "department": department, "office": office}
    content |= {"code": code, "name": name, "department": department, "type": ""}
    _as_the_code_says(content, libraries)
    return {key: value for key, value in content.items() if key not in JSON_ELEMENTS or not is_empty(value)}


# -- entries of libraries ---------------------------------------------------------------------------------------


def plain_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A library's shape as a page asks for it."""
    return _plain(schema)


def directory_schema(libraries: Libraries) -> dict[str, Any]:
    """A directory's fields: its parent by its title, and what it says for the items under it."""
    schema = _plain(DIRECTORY_SCHEMA)
    fields = dict(schema["properties"])
    parents = {one["id"]: "　" * depth + one["title"] for depth, one in tree(libraries.directory)}
    fields["parent"] = _choice(fields["parent"], parents, wide=True)
    fields["type_letters"] = _choice(
        fields["type_letters"], {one["id"]: one["name"] for one in libraries.type.values()}
    )
    gives = fields["gives"]
    empty: Document = {"situations": []}
    inner = {name: _for_page(part, name, empty, libraries) for name, part in gives["properties"].items()}
    # A legal basis is picked from the library only on an item's page: here it is written.
    basis = _plain(titled_schema(BY_ID["basis"]))
    rest = {key: value for key, value in basis["items"]["properties"].items() if key != "law"}
    inner["basis"] = {**basis, "items": {"type": "object", "properties": rest}}
    fields["gives"] = {**gives, "properties": inner, "required": []}
    return {**schema, "properties": fields}
