"""An item as rows of sheets, and back. Which column holds which field follows from the table of the guide's elements.

So a new element has its column or its sheet at once. What no column shows stands as JSON in the last one, so nothing
is lost; what a cell cannot say to the letter (a text that ends in a blank, say) stands there, too, for as long as the
cell is left alone.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final

from casework.canonical import Document
from casework.documents import directory as directories
from casework.documents import item as items
from casework.guide.elements import ELEMENTS, WITHDRAW_UNTIL, Element
from central.catalogue.workbook import MOST_CHARACTERS, Cell

LONGEST_CELL: Final = 30_000
assert LONGEST_CELL < MOST_CHARACTERS


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its title, the field that it shows (dotted path within the row's thing), and how.

    `kind`: text, code, digits (`digits` of them, with zeros in front), lines (a list, a line each), number, yuan (whole
    分 as 元), yes, choice and choices (`words`: value → what the cell says), json, form (a form's name), told (for
    people only, never read). An `open` choice takes other values as well.
    """

    title: str
    path: str
    kind: str = "text"
    words: Mapping[Any, str] = field(default_factory=dict)
    aliases: tuple[str, ...] = ()
    digits: int = 0
    width: int = 14
    open: bool = False
    default: Any = None
    """What an empty cell means where a neighbour of the same group is filled."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """One sheet. `path` is the list of an item whose entries are its rows; "" for the items themselves. `key` tells a
    row's entry from the others of its item; `inner` is a list within the entry that has a row for each of its own.
    `schema` is that of the rows of a sheet that belongs to no item.
    """

    name: str
    path: str
    columns: tuple[Column, ...]
    key: str = ""
    inner: str = ""
    schema: Mapping[str, Any] | None = None

    def column(self, path: str) -> Column | None:
        """The column that shows this field, or what lies in it."""
        return next((one for one in self.columns if path == one.path or path.startswith(f"{one.path}.")), None)


CODE: Final = Column("事项编码", "code", "code", aliases=("编码", "事项代码"), width=22)
_NAME_TOLD: Final = Column("事项名称", "", "told", width=28)
REST: Final = "其他字段（JSON）"

# What columns say otherwise than the table of elements would have it: (title, what else).
_OTHERWISE: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "code": ("事项编码", {"kind": "code", "aliases": CODE.aliases, "width": CODE.width}),
    "name": ("事项名称", {"width": 34, "aliases": ("名称",)}),
    "type": ("事项类型", {"aliases": ("类型",)}),
    "type_code": ("类型代码", {"kind": "digits", "digits": 2, "width": 9}),
    "basic_code": ("基本编码", {"kind": "digits", "digits": 12, "width": 16}),
    "implementation_code": ("实施编码", {"kind": "code", "width": 34}),
    "department": ("主管部门", {"aliases": ("部门", "实施部门")}),
    "decides.level": ("决定层级", {}),
    "decides.department": ("决定部门", {}),
    "decides.office": ("决定机关", {"width": 18}),
    "promised.n": ("承诺时限", {"width": 9}),
    "promised.unit": ("承诺时限单位", {"width": 9, "default": "工作日"}),
    "legal.n": ("法定时限", {"width": 9}),
    "legal.unit": ("法定时限单位", {"width": 9, "default": "工作日"}),
    "withdraw_until": ("可以撤回到", {"kind": "choice", "words": WITHDRAW_UNTIL, "open": True, "width": 20}),
    "fee.charged": ("是否收费", {"aliases": ("收费",), "width": 9}),
    "fee.amount": ("收费金额（元）", {"width": 10}),
    "fee.text": ("收费标准", {}),
    "fee.basis": ("收费依据", {}),
    "result.name": ("结果名称", {}),
    "result.kind": ("结果类型", {}),
    "result.sample": ("结果样本", {}),
    "result.sample_name": ("结果样本名称", {}),
    "visits.count": ("到现场次数", {"width": 9}),
    "visits.reason": ("到现场原因", {}),
    "phones.enquiry": ("咨询电话", {}),
    "phones.complaint": ("监督电话", {"aliases": ("投诉电话", "监督投诉电话")}),
    "remedy.review": ("复议机关", {}),
    "remedy.court": ("管辖法院", {}),
    "form": ("表单", {"kind": "form", "width": 18}),
    "form_version": ("表单版本", {"width": 9}),
    "hints": ("填表提示（JSON）", {"kind": "json"}),
    "flow": ("环节（JSON）", {"kind": "json"}),
    "materials.id": ("材料编号", {"kind": "code", "width": 9}),
    "materials.source_code": ("来源代码", {"kind": "digits", "digits": 2, "width": 9}),
    "materials.when": ("什么情形要（JSON）", {"kind": "json"}),
    "situations.id": ("情形编号", {"kind": "code", "width": 9}),
    "situations.title": ("情形", {"width": 28}),
    "situations.options.id": ("选项编号", {"kind": "code", "width": 9}),
    "situations.options.title": ("选项", {"width": 28}),
}
# The sheets' names as people know them; the others are called like their element.
_SHEET_NAMES: Final = {
    "materials": "材料", "situations": "情形", "steps": "流程", "basis": "依据", "faq": "常见问题", "where": "办理地点",
}  # fmt: skip
_KEYED: Final = {"materials", "situations"}
"""Lists whose entries have an `id`."""


def plain(schema: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """A schema less its `or null`, and whether it had one."""
    choices = schema.get("anyOf")
    if isinstance(choices, list) and {"type": "null"} in choices:
        return {**schema, **next(one for one in choices if one != {"type": "null"})}, True
    return schema, False


def _columns(path: str, title: str, schema: Mapping[str, Any], within: str = "") -> Iterator[Column]:
    """The columns that show a field of this shape; `within` is the list whose rows they stand in."""
    schema, _ = plain(schema)
    known, otherwise = _OTHERWISE.get(f"{within}{path}", (title, {}))
    properties = schema.get("properties", {})
    if "kind" not in otherwise and properties:
        for name, inner in properties.items():
            yield from _columns(f"{path}.{name}", f"{title}：{inner.get('title', name)}", inner, within)
        return
    entries = schema.get("items", {})
    words = schema if "enum" in schema else entries
    kind, width = "text", 16
    if "enum" in words:
        titles = words.get("x-titles", {})
        otherwise = {"words": {value: titles.get(value, value) for value in words["enum"]}, **otherwise}
        kind = "choices" if entries else "choice"
    elif schema.get("type") == "array":
        kind, width = "lines", 26
    elif schema.get("type") == "boolean":
        kind, width = "yes", 9
    elif schema.get("type") == "integer":
        kind, width = "yuan" if schema.get("x-widget") == "money" else "number", 9
    elif schema.get("type") == "object":
        kind = "json"
    elif schema.get("x-widget") == "textarea":
        width = 32
    yield Column(known, path, **{"kind": kind, "width": width, **otherwise})


def _list_plan(element: Element) -> Plan:
    """The sheet of an element that is a list of things."""
    entry = element.schema["items"]
    columns: list[Column] = []
    inner = ""
    for name, schema in entry["properties"].items():
        title = str(schema.get("title", name))
        things = schema.get("items", {}).get("properties") if schema.get("type") == "array" else None
        if things:
            assert not inner, f"{element.id}: one list within a list has room"
            inner = name
            for sub, one in things.items():
                columns += _columns(f"{name}.{sub}", f"{title}：{one.get('title', sub)}", one, f"{element.id}.")
        else:
            columns += _columns(name, title, schema, f"{element.id}.")
    return Plan(
        _SHEET_NAMES.get(element.id, element.title),
        element.id,
        tuple(columns),
        key="id" if element.id in _KEYED else "",
        inner=inner,
    )


def _is_list(element: Element) -> bool:
    return element.schema.get("type") == "array" and "properties" in element.schema["items"]


ITEMS: Final = Plan(
    "事项",
    "",
    tuple(
        column
        for element in ELEMENTS
        if not _is_list(element)
        for column in _columns(element.id, element.title, element.schema)
    ),
)
LISTS: Final = tuple(_list_plan(element) for element in ELEMENTS if _is_list(element))
SHEETS: Final = (ITEMS, *LISTS)
ITEMS_ALONE: Final = replace(ITEMS, columns=tuple(column for column in ITEMS.columns if column.kind != "form"))
"""For a file of one table, which has no room for forms."""

_DIRECTORY = {
    "type": "object",
    "required": ["id", *directories.ENTRY_SCHEMA["required"]],
    "properties": {"id": {"type": "string"}, **directories.ENTRY_SCHEMA["properties"]},
}
DIRECTORIES: Final = Plan(
    "目录",
    "directory",
    (
        Column("目录编号", "id", "code"),
        *(
            column
            for name, one in directories.FIELDS.items()
            if name != "gives"
            for column in _columns(name, one["title"], one, "directory.")
        ),
        Column("下面的事项沿用（JSON）", "gives", "json", width=40),
    ),
    schema=_DIRECTORY,
)
"""The directories above items: rows of no item, known by their own number."""

FORMS_SHEET: Final = "表单"
FORMS_TITLES: Final = ("表单", "段", "表单（JSON）")

ABSENT: Final = object()
"""There is no such field."""


# -- the shape of what stands in a row -------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def schema_of(plan: Plan) -> Mapping[str, Any]:
    """The schema of one row's thing."""
    if plan.schema is not None:
        return plan.schema
    if not plan.path:
        return items.CONTENT_SCHEMA
    entry: Mapping[str, Any] = items.CONTENT_SCHEMA["properties"][plan.path]["items"]
    if plan.inner:
        inner = entry["properties"][plan.inner]["items"]
        return {**entry, "properties": {**entry["properties"], plan.inner: inner}}
    return entry


def unsaid(schema: Mapping[str, Any], path: str) -> Any:
    """What an empty cell says of a field; `ABSENT`: that the thing has no such field."""
    first, _, rest = path.partition(".")
    inside, nullable = plain(schema.get("properties", {}).get(first, {}))
    if rest:
        return unsaid(inside, rest)
    if first not in schema.get("required", ()):
        return ABSENT
    if nullable:
        return None
    return {"string": "", "array": []}.get(inside.get("type", ""), ABSENT)


@lru_cache(maxsize=1024)
def _empty(plan: Plan, path: str) -> Any:
    """What an empty cell of this sheet says; never a list that somebody fills later."""
    return unsaid(schema_of(plan), path)


def fill(thing: Document, schema: Mapping[str, Any]) -> None:
    """Give a thing what an empty cell would have said in every field that it needs and nobody spoke of."""
    for name in schema.get("required", ()):
        inside, nullable = plain(schema["properties"][name])
        if name not in thing and inside.get("type") == "object" and inside.get("properties") and not nullable:
            thing[name] = {}
        if name not in thing:
            value = unsaid(schema, name)
            if value is not ABSENT:
                thing[name] = value
        if isinstance(thing.get(name), dict) and inside.get("properties"):
            fill(thing[name], inside)


# -- cells -----------------------------------------------------------------------------------------------------------

_BLANKS = " \t\r\n\f\v\u3000\xa0\u200b\u2060\ufeff"
_DASHES = re.compile("[\u2010-\u2015\u2212]")
_SEPARATORS = re.compile(r"[、,，;；/|\s]+")
_YES = dict.fromkeys(("是", "√", "✓", "✔", "☑", "对", "有", "可以", "可", "y", "yes", "true", "1"), "是")
_NO = dict.fromkeys(("否", "×", "✗", "✘", "☐", "□", "不", "无", "不可以", "不可", "n", "no", "false", "0", "x"), "否")


class BadCell(Exception):
    """What a cell says cannot be taken for its column; the message says what to put there."""


Told = Callable[[str], None]


def read_cell(column: Column, cell: Cell, told: Told) -> Any:
    """The value of a filled cell; `ABSENT` where it turns out to be blank. `told` hears what was changed."""
    if cell.kind == "formula":
        raise BadCell("是公式，这里不计算公式：复制这一列，“选择性粘贴”成数值，再导入。")
    if cell.kind == "error":
        raise BadCell(f"是表格软件算不出来的 {cell.text}：改成应有的内容。")
    text = cell.text.strip(_BLANKS)
    if not text:
        return ABSENT
    return _READERS[column.kind](column, cell, text, told)


def _text(column: Column, cell: Cell, text: str, told: Told) -> str:
    if cell.kind == "number":
        plain = _integral(text)
        if plain is None or len(plain.lstrip("-")) > 15:
            raise BadCell(f"是数字 {text}，表格软件可能已经改动了它：把这一列设成文本，重新填。")
        zeros = "，前面的 0 可能丢了" if column.path.startswith("phone") else ""
        told(f"是数字，按文字“{plain}”读{zeros}")
        return plain
    if cell.kind in ("date", "yes"):
        told(f"不是文字，读成了“{text}”")
    if text != cell.text:
        told("去掉了首尾的空白")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
        told("换行的写法改成了一样的")
    return text


def _simple(text: str, cell: Cell, told: Told) -> str:
    """Letters, digits and signs in their plain form, without any blanks."""
    plain = _DASHES.sub("-", "".join(unicodedata.normalize("NFKC", text).split()).strip(_BLANKS))
    if plain != cell.text:
        told(f"全角、空白或破折号改成了“{plain}”")
    return plain


def _code(_column: Column, cell: Cell, text: str, told: Told) -> str:
    if cell.kind == "number":
        plain = _integral(text)
        if plain is None or len(plain) > 15:
            raise BadCell(f"是数字 {text}，编码已经被表格软件改动了：把这一列设成文本，重新填。")
        told(f"是数字，按“{plain}”读，前面的 0 可能丢了")
        return plain
    return _simple(text, cell, told)


def _digits(column: Column, cell: Cell, text: str, told: Told) -> str:
    plain = _integral(text) if cell.kind == "number" else _simple(text, cell, told)
    if plain is None or (cell.kind == "number" and len(plain) > 15):
        raise BadCell(f"是数字 {text}，已经被表格软件改动了：把这一列设成文本，重新填。")
    if plain.isdigit() and len(plain) < column.digits:
        told(f"补上了前面的 0：“{plain.zfill(column.digits)}”")
        return plain.zfill(column.digits)
    return plain


def _lines(column: Column, cell: Cell, text: str, told: Told) -> list[str]:
    whole = _text(column, cell, text, told)
    lines = [line.strip(_BLANKS) for line in whole.split("\n")]
    kept = [line for line in lines if line]
    if "\n".join(kept) != whole:
        told("去掉了空行和行首行尾的空白")
    return kept


def _integral(text: str) -> str | None:
    """A whole number as digits, also of 4.0 and 1.2E3; None for what is none."""
    try:
        number = Decimal(text)
        whole = number.to_integral_value()
    except InvalidOperation:
        return None
    return str(int(whole)) if number == whole and abs(number) < 10**18 else None


def _whole(_column: Column, cell: Cell, text: str, told: Told) -> int:
    plain = unicodedata.normalize("NFKC", text)
    number = _integral(plain) if re.fullmatch(r"[-+0-9.eE]{1,30}", plain) else None
    if number is None or cell.kind in ("date", "yes"):
        raise BadCell(f"“{text[:20]}”不是整数：只填数字，不带单位。")
    if cell.kind == "text" and number != cell.text:
        told(f"“{cell.text[:20]}”读成了 {number}")
    return int(number)


def _yuan(_column: Column, cell: Cell, text: str, told: Told) -> int:
    plain = unicodedata.normalize("NFKC", text).replace(",", "").removesuffix("元").strip()
    if cell.kind in ("date", "yes") or not re.fullmatch(r"\d{1,12}(\.\d{1,2}|\.\d{2}0*)?", plain):
        raise BadCell(f"“{text[:20]}”不是金额：填元，最多两位小数。")
    if cell.kind == "text" and plain != cell.text:
        told(f"“{cell.text[:20]}”读成了 {plain} 元")
    return int(Decimal(plain) * 100)


def _yes(_column: Column, cell: Cell, text: str, told: Told) -> bool:
    plain = unicodedata.normalize("NFKC", text).lower()
    word = _YES.get(plain) or _NO.get(plain)
    if word is None:
        raise BadCell(f"“{text[:20]}”看不出是还是否：填 是 或 否。")
    if word != cell.text and cell.kind != "yes":
        told(f"“{cell.text[:20]}”读成了“{word}”")
    return word == "是"


def _one_of(column: Column, text: str) -> Any:
    """The value that a word stands for; `ABSENT` for a word that stands for none."""
    plain = "".join(unicodedata.normalize("NFKC", text).split())
    for value, word in column.words.items():
        if plain in (str(value), "".join(unicodedata.normalize("NFKC", word).split())):
            return value
    return ABSENT


def _choice(column: Column, cell: Cell, text: str, told: Told) -> Any:
    value = _one_of(column, text)
    if value is ABSENT and column.open:
        return _text(column, cell, text, told)
    if value is ABSENT:
        raise BadCell(f"“{text[:20]}”不在可选的里面：{'、'.join(column.words.values())}。")
    if cell.text not in (str(value), column.words[value]):
        told(f"“{cell.text[:20]}”读成了“{column.words[value]}”")
    return value


def _choices(column: Column, _cell: Cell, text: str, _told: Told) -> list[Any]:
    values = []
    for part in filter(None, _SEPARATORS.split(text)):
        value = _one_of(column, part)
        if value is ABSENT:
            raise BadCell(f"“{part[:20]}”不在可选的里面：{'、'.join(column.words.values())}。")
        values.append(value)
    return values


def _json(_column: Column, _cell: Cell, text: str, _told: Told) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadCell(f"不是完整的 JSON：{error}。") from None


_READERS: Final[dict[str, Callable[[Column, Cell, str, Told], Any]]] = {
    "text": _text,
    "form": _text,
    "code": _code,
    "digits": _digits,
    "lines": _lines,
    "number": _whole,
    "yuan": _yuan,
    "yes": _yes,
    "choice": _choice,
    "choices": _choices,
    "json": _json,
}


_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
"""No cell has these; where a text has them, it stands to the letter in the last column."""


def write_cell(column: Column, value: Any) -> str | int:
    """What stands in the cell of a value; `read_cell` of it need not give the value back (see `_exact`)."""
    if value is None or value is ABSENT:
        return ""
    if column.kind == "json":
        return _compact(value)
    if column.kind == "yes" and isinstance(value, bool):
        return "是" if value else "否"
    if column.kind == "number" and isinstance(value, int) and not isinstance(value, bool):
        return value
    if column.kind == "yuan" and isinstance(value, int) and value >= 0:
        return f"{value // 100}.{value % 100:02d}" if value % 100 else str(value // 100)
    if column.kind == "choice" and isinstance(value, str):
        return column.words.get(value, value)
    if column.kind == "choices" and isinstance(value, list):
        return "、".join(column.words.get(one, str(one)) for one in value)
    if column.kind == "lines" and isinstance(value, list):
        return "\n".join(str(line) for line in value)
    return value if isinstance(value, str) else ""


def _compact(value: Any) -> str:
    return writable(json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True))


def writable(said: str) -> str:
    """The same JSON without the two characters that JSON leaves as they are, and a workbook cannot hold."""
    return said.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")


# -- rows ------------------------------------------------------------------------------------------------------------


def _at(thing: Any, path: str) -> Any:
    here, _, below = path.partition(".")
    if not isinstance(thing, dict) or here not in thing:
        return ABSENT
    return _at(thing[here], below) if below else thing[here]


def _put(thing: Document, path: str, value: Any) -> None:
    *way, last = path.split(".")
    for step in way:
        inside = thing.get(step)
        if not isinstance(inside, dict):
            inside = thing[step] = {}
        thing = inside
    thing[last] = value


def merge(thing: Document, rest: Mapping[str, Any]) -> None:
    """Put the fields of `rest` into a thing, groups into groups."""
    for name, value in rest.items():
        if isinstance(value, dict) and isinstance(thing.get(name), dict):
            merge(thing[name], value)
        else:
            thing[name] = value


def remainder(thing: Document, known: tuple[str, ...]) -> Document:
    """The fields of a thing that are none of the `known` (dotted paths)."""
    heads = _tails_by_head(known)
    left: Document = {}
    for name, value in thing.items():
        if name not in heads:
            left[name] = value
        elif "" not in heads[name] and isinstance(value, dict):
            inside = remainder(value, heads[name])
            if inside:
                left[name] = inside
    return left


@lru_cache(maxsize=256)
def _tails_by_head(paths: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
    heads: dict[str, tuple[str, ...]] = {}
    for path in paths:
        head, _, tail = path.partition(".")
        heads[head] = (*heads.get(head, ()), tail)
    return heads


@dataclass(slots=True)
class RowRead:
    """What a row says: `thing` holds the columns that the sheet has and nothing else; `changed` what was read
    otherwise than it stands, by column; `bad` what cannot be read."""

    thing: Document
    changed: list[tuple[Column, str]]
    bad: list[tuple[str, str]]
    exact: dict[str, Any]


def read_row(plan: Plan, columns: Sequence[tuple[Column, Cell | None]], rest: str) -> RowRead:
    """A row's thing, from the columns that its sheet has and the JSON of its last one."""
    schema = schema_of(plan)
    thing: Document = {}
    changed: list[tuple[Column, str]] = []
    bad: list[tuple[str, str]] = []
    filled: dict[str, bool] = {}
    for column, cell in columns:
        value: Any = ABSENT
        if cell is not None:
            try:
                value = read_cell(column, cell, lambda said, column=column: changed.append((column, said)))  # type: ignore[misc]
            except BadCell as error:
                bad.append((column.title, str(error)))
                continue
        group, _, inside = column.path.rpartition(".")
        if inside and group:
            filled[group] = filled.get(group, False) or value is not ABSENT
        if value is ABSENT:
            value = _empty(plan, column.path) if column.default is None else column.default
            value = [] if value == [] else value
        if value is not ABSENT:
            _put(thing, column.path, value)
    for group, said in filled.items():
        if not said:
            empty = _empty(plan, group)
            if empty is None:
                _put(thing, group, None)
            elif group not in schema.get("required", ()):
                thing.pop(group, None)
    exact: dict[str, Any] = {}
    if rest and not bad:
        try:
            exact = _put_rest(thing, rest, columns)
        except (ValueError, RecursionError, AttributeError, TypeError, IndexError) as error:
            bad.append((REST, f"不是本系统写的 JSON（{error}）：照导出时的样子，或清空。"))
    changed = [(column, said) for column, said in changed if column.path.partition(".")[0] not in exact]
    return RowRead(thing, changed, bad, exact)


def _put_rest(thing: Document, rest: str, columns: Sequence[tuple[Column, Cell | None]]) -> dict[str, Any]:
    """Add what no column shows; take to the letter what the cells, left alone, cannot say. Returns the latter, with
    what is said of whole lists."""
    said = json.loads(rest)
    merge(thing, said.get("rest", {}))
    exact = dict(said.get("exact", {}))
    for name in list(exact):
        mark, *value = exact[name]
        cells = [cell for column, cell in columns if column.path.partition(".")[0] == name]
        if not cells:
            continue  # a list of its own sheet: judged with its rows
        if mark != _mark([[cell.text if cell else "" for cell in cells]]):
            del exact[name]
        elif value:
            thing[name] = value[0]
        else:
            thing.pop(name, None)
    return exact


def _mark(rows: Iterable[Sequence[str | int]]) -> str:
    """Tells whether cells are as they were written."""
    text = "\x1e".join("\x1f".join(map(str, row)) for row in rows)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]


Seen = Callable[[str], str]
"""What a reader gets to see of a written text: a csv file has marks of its own."""


@dataclass(slots=True)
class RowsWritten:
    """The rows of one sheet, without their last column, whose texts stand in `rests`."""

    plan: Plan
    rows: list[list[str | int]] = field(default_factory=list)
    rests: list[str] = field(default_factory=list)


def _write_row(
    plan: Plan, thing: Document, seen: Seen, elsewhere: Iterable[str], more: Mapping[str, Any]
) -> tuple[list[str | int], str, Document]:
    """A thing's cells, the JSON of what no cell says, and what a reader makes of both. `elsewhere` are fields with
    sheets of their own."""
    cells: list[str | int] = []
    for column in plan.columns:
        value = _at(thing, column.path)
        cell = "" if value is ABSENT else write_cell(column, value)
        if isinstance(cell, str) and cell:
            cell = _CONTROLS.sub("\ufffd", cell)
        cells.append("（太长，见最后一列）" if isinstance(cell, str) and len(cell) > LONGEST_CELL else cell)
    left = remainder(thing, (*(column.path for column in plan.columns), *elsewhere))
    shown = [
        (column, _shown(cell, seen)) for column, cell in zip(plan.columns, cells, strict=True)
    ]  # fmt: skip
    rest = _compact({"rest": left}) if left else ""
    got = read_row(plan, shown, rest).thing
    exact = dict(more)
    aside = set(elsewhere)
    for name in thing.keys() | got.keys():
        if name in aside or _equal(thing.get(name, ABSENT), got.get(name, ABSENT)):
            continue
        marks = [cell.text if cell else "" for column, cell in shown if column.path.partition(".")[0] == name]
        exact[name] = [_mark([marks]), *([thing[name]] if name in thing else [])]
    if exact:
        rest = _compact({**({"rest": left} if left else {}), "exact": exact})
        got = read_row(plan, shown, rest).thing
    return cells, rest, got


def _shown(cell: str | int, seen: Seen) -> Cell | None:
    if isinstance(cell, int):
        return Cell(str(cell), "number")
    return Cell(seen(cell)) if cell else None


def _equal(one: Any, other: Any) -> bool:
    """As JSON has it: True is not 1."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_equal(value, other[name]) for name, value in one.items())
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)


def spread(plan: Plan, entries: Sequence[Any]) -> Iterator[Document]:
    """The things of a list's rows: an entry with an inner list has a row for each of its own."""
    for entry in entries:
        if plan.inner:
            for inner in entry.get(plan.inner, ()):
                yield {**entry, plan.inner: inner}
        else:
            yield entry


def gather(plan: Plan, things: Sequence[tuple[Any, Document]]) -> tuple[list[Document], list[Any]]:
    """The entries of a list out of the things of its rows, each with the place of its row; the places alike."""
    entries: list[Document] = []
    places: list[Any] = []
    for place, thing in things:
        if not plan.inner:
            entries.append(thing)
            places.append(place)
            continue
        inner = thing.pop(plan.inner, {})
        if entries and entries[-1].get(plan.key) == thing.get(plan.key):
            entries[-1][plan.inner].append(inner)
            places[-1].append(place)
        else:
            entries.append({**thing, plan.inner: [inner]})
            places.append([place])
    return entries, places


def write_items(contents: Iterable[Document], *, seen: Seen = str, lists: bool = True) -> list[RowsWritten]:
    """Items (with their form's name in place of the form) as the rows of every sheet, or of 事项 alone: then what has
    no sheet is left out, and whoever brings the file back keeps what is known of it.
    """
    sheets = [RowsWritten(plan) for plan in (SHEETS if lists else (ITEMS_ALONE,))]
    aside = [plan.path for plan in LISTS] + ([] if lists else ["form"])
    for content in contents:
        more: dict[str, Any] = {}
        for sheet in sheets[1:]:
            plan = sheet.plan
            entries = content.get(plan.path, ABSENT)
            written, rests, got = [], [], []
            for thing in spread(plan, entries if isinstance(entries, list) else []):
                cells, rest, read = _write_row(plan, thing, seen, (), {})
                written.append(cells)
                rests.append(rest)
                got.append((0, read))
            if not _equal(entries, gather(plan, got)[0] or unsaid(items.CONTENT_SCHEMA, plan.path)):
                looks = [[seen(cell) if isinstance(cell, str) else cell for cell in row] for row in written]
                more[plan.path] = [list_mark(plan, looks), *([entries] if entries is not ABSENT else [])]
            head: list[str | int] = [content["code"], content["name"]]
            sheet.rows += [head + cells for cells in written]
            sheet.rests += rests
        cells, rest, _read = _write_row(sheets[0].plan, content, seen, aside, more)
        sheets[0].rows.append(cells)
        sheets[0].rests.append(rest)
    return sheets


def list_mark(plan: Plan, rows: Iterable[Sequence[str | int]]) -> str:
    """Of all rows of one item in a list's sheet."""
    return _mark([plan.path, *row] for row in rows)


def write_directories(entries: Iterable[Document], *, seen: Seen = str) -> RowsWritten:
    """The directories as rows."""
    sheet = RowsWritten(DIRECTORIES)
    for entry in entries:
        cells, rest, _read = _write_row(DIRECTORIES, entry, seen, (), {})
        sheet.rows.append(cells)
        sheet.rests.append(rest)
    return sheet


def titles_of(plan: Plan) -> list[Column]:
    """The columns as they stand in the sheet: a list's rows say first whose they are."""
    return list(plan.columns) if not plan.path or plan.schema is not None else [CODE, _NAME_TOLD, *plan.columns]


def named_forms(contents: Iterable[Document]) -> tuple[list[Document], dict[str, Any]]:
    """The items with their forms by name, and the forms: many items share one."""
    names: dict[str, str] = {}
    forms: dict[str, Any] = {}
    out = []
    for content in contents:
        form = content.get("form")
        if isinstance(form, dict):
            said = _compact(form)
            name = names.get(said)
            if name is None:
                title = form.get("title")
                stem = title[:60].strip(_BLANKS) if isinstance(title, str) else ""
                stem = " ".join(stem.split()) or "表单"
                name, number = stem, 2
                while name in forms:
                    name, number = f"{stem} {number}", number + 1
                names[said], forms[name] = name, form
            out.append({**content, "form": name})
        else:
            out.append(content)
    return out, deepcopy(forms)
