"""Rules between the fields of a form: counts, sums, order of dates, what one field asks of another."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import Any

from casework.schemas import Schema

Rule = Mapping[str, Any]
Said = Iterator[tuple[str, str]]
"""(dotted path, sentence) for each field that a rule is broken at."""


def broken_rules(schema: Schema, value: Mapping[str, Any]) -> Said:
    """What a form's `x-rules` say of this value, in the rule's own words (house.md, "Catalogue")."""
    for rule in schema.get("x-rules", []):
        check = RULES.get(str(rule.get("rule")).replace("_", "-"))
        # A newer form's rule: the county checks it, an older station must not refuse the case.
        if check is not None:
            yield from check(rule, value, schema)


def wrong_sums(schema: Schema, value: Mapping[str, Any]) -> Said:
    """Read-only totals (`x-sum-of`) that are not the total of their column."""
    for name, field in schema.get("properties", {}).items():
        source = field.get("x-sum-of") if isinstance(field, dict) else None
        if not isinstance(source, str) or not isinstance(value.get(name), int):
            continue
        total = sum_of(value, source)
        if total is not None and total != value[name]:
            yield name, f"合计应该是 {total}，现在写的是 {value[name]}。请核对表里的每一行。"


def sum_of(value: Mapping[str, Any], source: str) -> int | None:
    """The total of one column of a table, `members.monthly_income`; None while a row has no whole number
    there.
    """
    table, _, column = source.partition(".")
    rows = value.get(table)
    if not isinstance(rows, list):
        return None
    entries = [row.get(column) if isinstance(row, dict) else None for row in rows]
    if not all(isinstance(entry, int) for entry in entries):
        return None
    return sum(entry for entry in entries if isinstance(entry, int))


def _count_equals(rule: Rule, value: Mapping[str, Any], _schema: Schema) -> Said:
    field, rows = _at(value, rule.get("field")), _at(value, rule.get("list"))
    if isinstance(field, int) and isinstance(rows, list) and field != len(rows):
        yield rule["field"], _filled(rule, field=field, list=len(rows))


def _at_most(rule: Rule, value: Mapping[str, Any], _schema: Schema) -> Said:
    field, other = _at(value, rule.get("field")), _at(value, rule.get("other"))
    if isinstance(field, int) and isinstance(other, int) and field > other:
        yield rule["field"], _filled(rule, field=field, other=other)


def _date_order(rule: Rule, value: Mapping[str, Any], _schema: Schema) -> Said:
    """`field` is not before `other`."""
    field, other = _at(value, rule.get("field")), _at(value, rule.get("other"))
    if _is_date(field) and _is_date(other) and field < other:
        yield rule["field"], _filled(rule, field=field, other=other)


def _required_when(rule: Rule, value: Mapping[str, Any], schema: Schema) -> Said:
    """`field` is filled in where `other` has one of `values`; a field that does not apply is not asked for."""
    path, other, wanted = rule.get("field"), _at(value, rule.get("other")), rule.get("values")
    if not isinstance(path, str) or not isinstance(wanted, list) or path.split(".")[0] not in schema["properties"]:
        return
    chosen = other if isinstance(other, list) else [other]
    if any(entry in wanted for entry in chosen) and _at(value, path) in (None, "", []):
        yield path, _filled(rule, field="", other="、".join(str(entry) for entry in chosen if entry in wanted))


def _unique_in_list(rule: Rule, value: Mapping[str, Any], _schema: Schema) -> Said:
    """No two rows of `list` have the same `field`; {other} and {list} are the rows' numbers, from 1."""
    rows, column = _at(value, rule.get("list")), rule.get("field")
    met: dict[str, int] = {}
    for position, row in enumerate(rows if isinstance(rows, list) else []):
        entry = _at(row, column)
        if not isinstance(entry, str | int) or str(entry).strip() == "":
            continue
        first = met.setdefault(str(entry).strip().upper(), position)
        if first != position:
            path = f"{rule['list']}.{position}.{column}"
            yield path, _filled(rule, field=entry, other=first + 1, list=position + 1)


RULES: dict[str, Callable[[Rule, Mapping[str, Any], Schema], Said]] = {
    "count-equals": _count_equals,
    "at-most": _at_most,
    "date-order": _date_order,
    "required-when": _required_when,
    "unique-in-list": _unique_in_list,
}
"""The rules by the names that `x-rules` use."""


def _at(value: Any, path: Any) -> Any:
    """What stands at a dotted path; None where it leads nowhere."""
    for step in path.split(".") if isinstance(path, str) else (None,):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def _filled(rule: Rule, **values: object) -> str:
    message = str(rule.get("message", "这两栏对不上，请核对。"))
    for name, value in values.items():
        message = message.replace("{" + name + "}", str(value))
    return message


def _is_date(value: Any) -> bool:
    try:
        return isinstance(value, str) and date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False
