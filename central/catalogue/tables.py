"""表一 and 表二 of the county's rule for sorting its items out: what stands in them, for a page or a workbook. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from casework.canonical import Document
from casework.documents.item import LEVELS, WITHDRAW_UNTIL
from casework.guide import elements
from casework.guide.elements import BY_ID, is_empty
from central.catalogue.directories import BrokenTree, Libraries, chain
from central.catalogue.workbook import Table

CATALOGUE_TITLE: Final = "政务服务事项内容目录"
INFORMATION_TITLE: Final = "政务服务事项内容信息表"
COLUMNS: Final = ("序号", "事项编码", "事项名称", "事项类型", "行使层级", "承诺时限", "收费", "村级职责")

# GB/T 39046-2020 A.1, and what the rule of the seed counts besides; others follow in the order of their names.
_ORDER: Final = (
    "行政许可", "行政征收", "非行政许可的行政审批", "行政确认", "行政给付", "行政裁决", "行政奖励", "行政处罚",
    "行政强制", "行政检查", "其他行政权力", "代理事项", "公共服务", "便民服务",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class CatalogueTable:
    """表一 of one department: its title, how many items of each type, and a row for each item."""

    title: str
    total: int
    counts: list[tuple[str, int]]
    rows: list[tuple[str, ...]]

    def summary(self) -> str:
        """共 3 项：其中行政许可 1 项；公共服务 2 项"""
        return f"共 {self.total} 项：其中" + "；".join(f"{name} {count} 项" for name, count in self.counts)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of 表二: a label with its words, two side by side (`beside`), or a table (`columns` and `rows`)."""

    label: str
    words: str = ""
    beside: tuple[str, str] | None = None
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class InformationTable:
    """表二 of one item."""

    code: str
    name: str
    lines: list[Line]


def chosen(
    contents: Iterable[Document], libraries: Libraries, *, code: str = "", department: str = "", directory: str = ""
) -> list[Document]:
    """The items that a page is about: one, a department's, those under a directory and the directories in it."""

    def lies_under(content: Mapping[str, Any]) -> bool:
        try:
            above = chain(libraries.directory, str(content.get("directory")))
        except BrokenTree:
            return content.get("directory") == directory
        return any(one["id"] == directory for one in above)

    return [
        content
        for content in contents
        if (not code or content["code"] == code)
        and (not department or content["department"] == department)
        and (not directory or lies_under(content))
    ]


def catalogue_tables(contents: Iterable[Document], libraries: Libraries, county: str) -> list[CatalogueTable]:
    """表一, one per department. `county` is the name of the county's centre."""
    by_department: dict[str, list[Document]] = {}
    for content in contents:
        by_department.setdefault(content["department"], []).append(content)
    offices = {one["name"]: one.get("office") for one in libraries.department.values()}
    tables = []
    for department, items in sorted(by_department.items()):
        counted = Counter(str(item["type"]) for item in items)
        places = {name: place for place, name in enumerate(_ORDER)}
        counts = sorted(counted.items(), key=lambda one: (places.get(one[0], len(_ORDER)), one[0]))
        items.sort(key=lambda item: (places.get(item["type"], len(_ORDER)), item["type"], item["code"]))
        rows = [(str(n), *_row(item)) for n, item in enumerate(items, start=1)]
        office = _of_the_county(county, offices.get(department) or f"县{department}部门")
        tables.append(CatalogueTable(f"{office}{CATALOGUE_TITLE}", len(items), counts, rows))
    return tables


def _of_the_county(county: str, office: str) -> str:
    """县民政局 is 驿山县民政局 there."""
    found = re.match(r"(.+?)([县区市旗])", county)
    return f"{found[1]}{office}" if found and office.startswith(found[2]) else office


def _row(item: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        item["code"],
        item["name"],
        item["type"],
        elements.shown("level", item["handling_level"]),
        limit(item["promised"]),
        fee(item["fee"]),
        item["village_role"],
    )


def limit(said: Mapping[str, Any] | None) -> str:
    """即办, 20 个工作日, or 无 where there is none."""
    if said is None:
        return "无"
    return f"{said['n']} 个{said['unit']}" if said["n"] else "即办"


def fee(said: Mapping[str, Any]) -> str:
    if not said["charged"]:
        return "不收费"
    amount = said.get("amount")
    return said.get("text") or (f"{amount / 100:g} 元" if amount is not None else "收费")


def information_table(item: Document) -> InformationTable:
    """表二: every element that the item fills in, in the order of the guide."""
    return InformationTable(item["code"], item["name"], list(_information(item)))


def _information(item: Mapping[str, Any]) -> Iterator[Line]:
    yield Line("事项名称", item["name"])
    yield Line("事项编码", item["code"], beside=("事项类型", item["type"]))
    yield Line("主管部门", item["department"], beside=("行使层级", elements.shown("level", item["handling_level"])))
    decides = item["decides"]
    yield Line(
        "决定机关",
        f"{decides['office']}（{LEVELS.get(decides['level'], decides['level'])}）",
        beside=("村级职责", item["village_role"]),
    )
    yield Line("办件类型", item["case_type"], beside=("服务对象", "、".join(item["service_objects"])))
    yield Line("法定时限", limit(item["legal"]), beside=("承诺时限", limit(item["promised"])))
    yield Line("收费", fee(item["fee"]), beside=("到现场次数", f"{item['visits']['count']} 次"))
    yield Line("咨询电话", item["phones"]["enquiry"], beside=("监督电话", item["phones"]["complaint"]))
    yield from _listed(item, "basis", "设定依据", {"依据名称": "title", "条款": "article", "内容": "text"})
    if item["conditions"]:
        yield Line("受理条件", "\n".join(_numbered(item["conditions"])))
    yield from _listed(
        item,
        "materials",
        "申请材料",
        {"材料名称": "name", "类型": "type", "形式": "form", "份数": "copies", "必要性": "necessity", "来源": "source"},
    )
    if item["steps"]:
        steps = [f"{one['title']}（{one['who']}）{one.get('text', '')}" for one in item["steps"]]
        yield Line("办理流程", "\n".join(_numbered(steps)))
    yield from _listed(
        item, "where", "办理地点", {"地点": "place", "地址": "address", "时间": "hours", "电话": "phone"}
    )
    for name in _PLAIN:
        words = _words(name, item.get(name))
        if words:
            yield Line(BY_ID[name].title, words)
    if item["proxy_allowed"] is False:
        yield Line("能否代办", item.get("proxy_reason") or "要本人到场，不能代办")
    yield Line("撤回", WITHDRAW_UNTIL.get(item["withdraw_until"], item["withdraw_until"]))
    if item.get("faq"):
        yield Line("常见问题", "\n".join(f"问：{one['question']}\n答：{one['answer']}" for one in item["faq"]))


_IN_LINES: Final = {
    "code", "name", "type", "department", "handling_level", "decides", "village_role", "case_type", "service_objects",
    "legal", "promised", "phones", "basis", "conditions", "materials", "steps", "where", "proxy_allowed",
    "proxy_reason", "withdraw_until", "faq", "form", "form_version", "hints", "flow", "situations", "also_called",
    "category", "categories", "order", "type_code", "type_letters", "department_letters", "directory", "provenance",
    "systems", "note",
}  # fmt: skip
"""Elements that stand in lines of their own above, or are no part of what is told in public."""
_PLAIN: Final = tuple(name for name in BY_ID if name not in _IN_LINES)


def _words(name: str, value: Any) -> str:
    if is_empty(value) or (name == "fee" and not value["charged"]) or (name == "visits" and not value["reason"]):
        return ""
    if name == "fee":
        return str(value["basis"])
    if name == "visits":
        return str(value["reason"])
    known = BY_ID[name].enumeration
    if known is not None and isinstance(value, str | list) and not any(isinstance(one, dict) for one in value):
        return elements.shown(known, value)
    return _said(value)


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "可以" if value else "不可以"
    if isinstance(value, dict):
        return "，".join(filter(None, map(_said, value.values())))
    if isinstance(value, list):
        return "\n".join(filter(None, map(_said, value)))
    return "" if value is None else str(value)


def _listed(item: Mapping[str, Any], name: str, label: str, columns: Mapping[str, str]) -> Iterator[Line]:
    """A list as a table, without the columns in which nothing stands."""
    entries: Sequence[Mapping[str, Any]] = item.get(name) or ()
    filled = {title: path for title, path in columns.items() if any(not is_empty(one.get(path)) for one in entries)}
    if filled:
        rows = tuple(tuple(_said(one.get(path)) for path in filled.values()) for one in entries)
        yield Line(label, columns=tuple(filled), rows=rows)


def _numbered(lines: Iterable[str]) -> list[str]:
    return [f"{n}. {line}" for n, line in enumerate(lines, start=1)]


# -- as workbooks ----------------------------------------------------------------------------------------------------


def catalogue_sheets(tables: Sequence[CatalogueTable]) -> Iterator[Table]:
    """A sheet for each department, with its title and its counts above."""
    names: set[str] = set()
    for table in tables:
        rows = [(table.title,), (table.summary(),), COLUMNS, *table.rows]
        name = _sheet_name(table.title.removesuffix(CATALOGUE_TITLE), names)
        yield name, ("表一",), rows, (7, 24, 44, 14, 22, 14, 12, 10)


def information_sheets(tables: Sequence[InformationTable]) -> Iterator[Table]:
    """A sheet for each item."""
    names: set[str] = set()
    for table in tables:
        yield _sheet_name(table.code, names), ("表二", INFORMATION_TITLE), _lines(table), (14, 40, 14, 16, 16, 16, 16)


def _lines(table: InformationTable) -> Iterator[Sequence[str]]:
    for line in table.lines:
        if line.columns:
            yield (line.label, *line.columns)
            for row in line.rows:
                yield ("", *row)
        else:
            yield (line.label, line.words, *(line.beside or ()))


def _sheet_name(wanted: str, taken: set[str]) -> str:
    """At most 31 characters, none of []:*?/\\, and none twice whatever the case."""
    stem = re.sub(r"[\[\]:*?/\\']", "", wanted)[:25] or "表"
    name, number = stem, 2
    while name.lower() in taken:
        name, number = f"{stem} {number}", number + 1
    taken.add(name.lower())
    return name
