"""A form given as JSON Schema, to a page and back: what to show, field by field, and what was typed as JSON."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from flask import Flask
from werkzeug.datastructures import MultiDict

from casework.conditions import applies
from casework.form_rules import sum_of
from casework.forms import that_applies

Schema = Mapping[str, Any]
Problems = Mapping[str, str]
Typed = MultiDict[str, str]

ROW_BUTTON = "row"
"""The name of the buttons that add a row to a table or take one out, for browsers without script."""

MOST_ROWS = 200
# Few choices are seen at a glance; more are found faster in a list.
MOST_RADIOS = 4
LONGEST_NUMBER = 30

# Columns of six; what is not named takes half the width.
_WIDTHS = dict.fromkeys(("table", "rows", "group", "area", "lines", "checks"), "f6") | dict.fromkeys(
    ("number", "money", "date", "select", "yesno"), "f2"
)
_DATE = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?|(\d{4})(\d{2})(\d{2})")


@dataclass(frozen=True)
class Field:
    """One thing to fill in, as the macros of `forms.html` draw it. `path` is its name in the page and in `problems`.

    `kind`: text, area, number, money, date, select, radios, check (yes or no), yesno, checks (some of), lines (a text
    each), group (of `parts`), table (`rows` of `parts`), rows (the same, too wide for a table). `value` is the text in
    the field, True or False for `check`, a list for `checks`. `when` is its condition as JSON, for the script;
    `hidden` whether it does not apply to what is filled in now: it is on the page, so that the script can show it.
    """

    path: str
    kind: str
    label: str
    value: Any = ""
    hint: str = ""
    unit: str = ""
    optional: bool = False
    read_only: bool = False
    width: str = "f3"
    input_mode: str = "text"
    options: tuple[tuple[str, str], ...] = ()
    parts: tuple[Field, ...] = ()
    rows: tuple[tuple[Field, ...], ...] = ()
    blank_row: tuple[Field, ...] = ()
    add: str = ""
    sums: str = ""
    focus: bool = False
    when: str = ""
    hidden: bool = False

    @property
    def row_paths(self) -> list[str]:
        return [f"{self.path}.{position}" for position in range(len(self.rows))]


# -- to the page --------------------------------------------------------------------------------------------------


def lay_out(
    schema: Schema,
    value: Mapping[str, Any] | None = None,
    *,
    prefix: str = "form",
    add_to: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> list[Field]:
    """The fields of an object's schema in their order, with what is filled in. `add_to`: the table that gets a row.

    `facts`: what `x-when` asks; without them the whole `value` is the form of a case of which no more is known.
    """
    value = value or {}
    if facts is None or prefix == "form":
        facts = {**(facts or {}), "form": that_applies(schema, dict(value), facts)[1]}
    required = set(schema.get("required", []))
    properties: Mapping[str, Schema] = schema.get("properties", {})
    # Python sorts stably: fields without an order stay as the schema lists them, after those that have one.
    names = sorted(properties, key=lambda name: properties[name].get("x-order", 10_000))
    return [
        _field(properties[name], value.get(name), _join(prefix, name), name, name not in required, add_to, facts)
        for name in names
    ]


def install(app: Flask) -> None:
    app.jinja_env.globals |= {"lay_out": lay_out, "names_of": names_of}
    app.jinja_env.filters["condition"] = condition_text


def _field(
    schema: Schema,
    value: Any,
    path: str,
    name: str,
    optional: bool,
    add_to: str | None,
    facts: Mapping[str, Any],
) -> Field:
    kind = kind_of(schema)
    field = Field(
        path=path,
        kind=kind,
        label=str(schema.get("title", name)),
        hint=str(schema.get("x-hint", schema.get("description", ""))),
        unit=str(schema.get("x-unit", "元" if kind == "money" else "")),
        optional=optional and not schema.get("readOnly", False),
        read_only=bool(schema.get("readOnly", False)),
        width=str(schema.get("x-width", _WIDTHS.get(kind, "f3"))),
        sums=f"{path[: -len(name)]}{schema['x-sum-of']}" if "x-sum-of" in schema else "",
        when=condition_text(schema.get("x-when")),
        hidden=not applies(schema.get("x-when"), facts),
    )
    match kind:
        case "group":
            inner = value if isinstance(value, Mapping) else {}
            return replace(field, parts=tuple(lay_out(schema, inner, prefix=path, add_to=add_to, facts=facts)))
        case "table" | "rows":
            return _with_rows(field, schema, value, add_to, facts)
        case "check":
            return replace(field, value=value is True)
        case "checks":
            chosen = [str(part) for part in value] if isinstance(value, list) else []
            return replace(field, value=chosen, options=_options(schema.get("items", {}), chosen))
        case "lines":
            return replace(field, value="\n".join(map(str, value)) if isinstance(value, list) else _text(value))
        case "yesno":
            shown = {True: "yes", False: "no"}.get(value, "") if isinstance(value, bool) else _text(value)
            return replace(field, value=shown, options=(("yes", "是"), ("no", "否")))
        case "select" | "radios":
            shown = _text(value)
            return replace(field, value=shown, options=_options(schema, [shown] if shown else []))
        case "money":
            return replace(field, value=fen_as_typed(value), input_mode="decimal")
        case "number":
            return replace(field, value=_text(value), input_mode="numeric")
        case "date":
            return replace(field, value=date_as_typed(value), input_mode="numeric")
        case _:
            digits = schema.get("x-check") == "phone" or str(schema.get("pattern", "")).startswith("^[0-9]")
            return replace(field, value=_text(value), input_mode="numeric" if digits else "text")


def condition_text(when: Any) -> str:
    """A condition as the script reads it; empty for none."""
    return json.dumps(when, ensure_ascii=False, separators=(",", ":")) if when else ""


def _with_rows(field: Field, schema: Schema, value: Any, add_to: str | None, facts: Mapping[str, Any]) -> Field:
    rows = [row if isinstance(row, Mapping) else {} for row in value] if isinstance(value, list) else []
    added = add_to == field.path
    if added or not rows:
        # A table with nothing in it shows the row to begin with; rows with nothing in them are not kept.
        rows = [*rows, {}]
    items: Schema = schema.get("items", {})
    laid_out = [
        tuple(lay_out(items, row, prefix=f"{field.path}.{n}", add_to=add_to, facts=facts)) for n, row in enumerate(rows)
    ]
    if added:
        laid_out[-1] = tuple(replace(cell, focus=n == 0) for n, cell in enumerate(laid_out[-1]))
    return replace(
        field,
        rows=tuple(laid_out),
        # The script numbers copies of this one.
        blank_row=tuple(lay_out(items, {}, prefix=f"{field.path}.__row__", facts=facts)),
        parts=tuple(lay_out(items, {}, prefix=field.path, facts=facts)),
        add=str(schema.get("x-add", "加一行")),
    )


def kind_of(schema: Schema) -> str:
    """How a value of this schema is filled in; what nobody foresaw is a line of text, and the validator judges it."""
    wanted, widget = _type(schema), schema.get("x-widget")
    if wanted == "object":
        return "group"
    if wanted == "array":
        items = schema.get("items", {})
        if _type(items) == "object":
            cells = [kind_of(part) for part in items.get("properties", {}).values()]
            return "rows" if {"group", "table", "rows", "checks", "area", "lines"} & set(cells) else "table"
        return "checks" if "enum" in items else "lines"
    if wanted == "boolean":
        return "check" if widget == "checkbox" else "yesno"
    if "enum" in schema:
        if widget in ("radios", "select"):
            return str(widget)
        return "radios" if len(schema["enum"]) <= MOST_RADIOS else "select"
    if wanted == "integer" and "money" in (widget, schema.get("x-check")):
        return "money"
    if wanted in ("integer", "number"):
        return "number"
    if schema.get("format") == "date" or widget == "date":
        return "date"
    return "area" if widget == "textarea" else "text"


def fen_as_typed(value: Any) -> str:
    """分 as one types 元: 35000 → 350.00. What is no number stays as it was typed."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{Decimal(value).scaleb(-2):.2f}"
    return _text(value)


def date_as_typed(value: Any) -> str:
    """2026-09-16 as people there write it, 2026年9月16日. What is no date stays as it was typed."""
    text = _text(value)
    if not _is_date(text):
        return text
    found = date.fromisoformat(text)
    return f"{found.year}年{found.month}月{found.day}日"


def names_of(fields: Iterable[Field]) -> dict[str, str]:
    """What each field is called, by its path, for the summary of what is to be mended."""
    names: dict[str, str] = {}
    for field in fields:
        names[field.path] = field.label
        if field.kind == "group":
            names |= {path: f"{field.label} {name}" for path, name in names_of(field.parts).items()}
        for number, row in enumerate(field.rows, 1):
            names |= {path: f"{field.label}第 {number} 行{name}" for path, name in names_of(row).items()}
    return names


def _options(schema: Schema, chosen: list[str]) -> tuple[tuple[str, str], ...]:
    titles = schema.get("x-titles", {})
    known = [str(option) for option in schema.get("enum", [])]
    # A choice that the form no longer offers is shown, or saving the page would lose it silently.
    return tuple(
        (option, str(titles.get(option, option))) for option in [*known, *(c for c in chosen if c not in known)]
    )


def _text(value: Any) -> str:
    return "" if value is None or isinstance(value, (list, dict)) else str(value)


def _type(schema: Schema) -> str:
    wanted = schema.get("type", "string")
    if isinstance(wanted, list):
        return str(next((name for name in wanted if name != "null"), "string"))
    return str(wanted)


# -- and back -----------------------------------------------------------------------------------------------------


def read_form(schema: Schema, typed: Typed, prefix: str = "form") -> dict[str, Any]:
    """What was typed into the fields of this schema, as JSON: empty texts and rows left out, 元 as whole 分.

    A number that is none stays text, so that the validator can say so at its field (`unreadable` says it better).
    A row whose "take out" button was pressed is left out; totals (`x-sum-of`) are reckoned, never believed.
    """
    value = _read_object(schema, typed, prefix)
    for name, part in schema.get("properties", {}).items():
        if "x-sum-of" in part and part.get("readOnly"):
            value.pop(name, None)
            source = str(part["x-sum-of"])
            total = sum_of(value, source) if value.get(source.partition(".")[0]) else None
            if total is not None:
                value[name] = total
    return value


def row_to_add(typed: Typed) -> str | None:
    """The table whose "add a row" was pressed, for `lay_out(add_to=…)`; None if none was."""
    asked = typed.get(ROW_BUTTON, "")
    return asked.removeprefix("add:") if asked.startswith("add:") else None


def row_asked(typed: Typed) -> bool:
    """Whether a row button was pressed, or Enter for one: the page is shown again, nothing is saved but the draft."""
    return bool(typed.get(ROW_BUTTON, ""))


def unreadable(schema: Schema, value: Mapping[str, Any], prefix: str = "form") -> dict[str, str]:
    """Where text stands that should have been a number or a date: dotted path → what to type instead."""
    return dict(_unreadable(schema, value, prefix))


def _unreadable(schema: Schema, value: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, part in schema.get("properties", {}).items():
        inner, path = value.get(name), _join(prefix, name)
        match kind_of(part):
            case "money" if isinstance(inner, str):
                yield path, "金额写成 350 或 350.50，最多两位小数。"
            case "number" if isinstance(inner, str):
                yield path, "请填整数，只写数字。"
            case "date" if isinstance(inner, str) and not _is_date(inner):
                yield path, "日期写成 2026-09-16 这样。"
            case "group" if isinstance(inner, Mapping):
                yield from _unreadable(part, inner, path)
            case "table" | "rows" if isinstance(inner, list):
                for position, row in enumerate(inner):
                    yield from _unreadable(part.get("items", {}), row, f"{path}.{position}")
            case _:
                pass


def _read_object(schema: Schema, typed: Typed, prefix: str) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for name, part in schema.get("properties", {}).items():
        read = _read(part, typed, _join(prefix, name))
        if read is not None:
            value[name] = read
    return value


def _read(schema: Schema, typed: Typed, path: str) -> Any:
    """The value at this path, or None when there is nothing."""
    kind = kind_of(schema)
    if kind == "group":
        return _read_object(schema, typed, path) or None
    if kind in ("table", "rows"):
        items: Schema = schema.get("items", {})
        rows = [_read_object(items, typed, f"{path}.{position}") for position in _positions(typed, path)]
        # A row that nobody touched says nothing, also where its boxes say "no" by not being ticked.
        return [row for row in rows if any(part is not False for part in row.values())] or None
    if kind == "checks":
        enum = _by_text(schema.get("items", {}))
        chosen = [enum.get(text, text) for text in typed.getlist(path) if text.strip()]
        return list(dict.fromkeys(chosen)) or None
    if kind == "check":
        # An empty hidden field of the same name tells an empty box from a box that was not on the page.
        return any(text for text in typed.getlist(path)) if path in typed else None
    text = _tidy(typed.get(path, ""))
    if not text:
        return None
    match kind:
        case "lines":
            return [line.strip() for line in text.split("\n") if line.strip()]
        case "yesno":
            return {"yes": True, "no": False}.get(text, text)
        case "money":
            return typed_as_fen(text)
        case "number":
            return typed_as_integer(text, str(schema.get("x-unit", "")))
        case "date":
            return typed_as_date(text)
        case _:
            return _by_text(schema).get(text, text)


def typed_as_fen(text: str) -> int | str:
    """350, 350.5, ¥1,250.00 or 350元 as whole 分, exactly; what is no amount of money stays text."""
    plain = re.sub(r"[\s,，元¥￥]", "", unicodedata.normalize("NFKC", text))
    if len(plain) > LONGEST_NUMBER or not re.fullmatch(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)", plain):
        return text
    try:
        fen = Decimal(plain).scaleb(2)
    except InvalidOperation:
        return text
    return int(fen) if fen == fen.to_integral_value() else text


def typed_as_integer(text: str, unit: str = "") -> int | str:
    """３, 1,250 or 72 ㎡ (where that is the unit) as an integer; what is none stays text."""
    plain = unicodedata.normalize("NFKC", text)
    if unit:
        plain = plain.strip().removesuffix(unicodedata.normalize("NFKC", unit))
    plain = re.sub(r"[\s,，]", "", plain)
    # No form holds a number that long; Python would also take its time over one of a million digits.
    return int(plain) if re.fullmatch(r"-?[0-9]{1,30}", plain) else text


def typed_as_date(text: str) -> str:
    """2026年9月16日, 2026/9/16 or 20260916 as 2026-09-16; what is no date stays as it is."""
    found = _DATE.fullmatch(re.sub(r"\s", "", unicodedata.normalize("NFKC", text)))
    if found is None:
        return text
    year, month, day = (int(part) for part in found.groups() if part is not None)
    try:
        return date(year, month, day).isoformat()
    except ValueError:
        return text


def _is_date(text: str) -> bool:
    return typed_as_date(text) == text and re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) is not None


def _positions(typed: Typed, path: str) -> list[int]:
    """The rows of a table that were on the page, in their order, but for one that is being taken out."""
    begins = f"{path}."
    found = {
        int(position)
        for name in typed
        if name.startswith(begins) and (position := name[len(begins) :].partition(".")[0]).isascii()
        and position.isdigit() and len(position) < 6
    }  # fmt: skip
    dropped = typed.get(ROW_BUTTON, "").removeprefix(f"drop:{begins}")
    return [position for position in sorted(found) if str(position) != dropped][:MOST_ROWS]


def _by_text(schema: Schema) -> dict[str, Any]:
    return {str(option): option for option in schema.get("enum", [])}


def _tidy(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def _join(prefix: str, name: str) -> str:
    return f"{prefix}.{name}" if prefix else name
