"""The catalogue as files: what goes out comes back unchanged, what people did to it is read kindly, or refused."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import date
from pathlib import Path
from random import Random
from typing import Any

import openpyxl
import pytest
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from casework import schemas
from casework.canonical import Document
from casework.documents import item as items
from casework.guide.elements import ELEMENTS
from central.catalogue import sheets
from central.catalogue.commands import catalogue
from central.catalogue.drafts import DRAFTING, import_items
from central.catalogue.exporting import WRITERS, contents_of, directories_of, to_csv, to_json, to_xlsx
from central.catalogue.findings import CatalogueRefused, Finding
from central.catalogue.importing import bring_in
from central.catalogue.libraries import import_libraries
from central.catalogue.publishing import publish
from central.catalogue.reading import MOST_ITEMS, completed, read
from central.catalogue.staging import KEPT_FOR, MOST_WAITING, Staging
from provisioning import sample_county
from provisioning.county import county_opened
from sync.peer import StorageFull
from tests.central.county import MORNING, SUBSISTENCE, SmallCentre, some_items

SAMPLE = sample_county.load("items")
SECOND = SAMPLE["items"][1]["name"]


def contents(count: int = 140) -> list[Document]:
    return [{**deepcopy(item), "form": SAMPLE["forms"][item["form"]]} for item in SAMPLE["items"][:count]]


def again(ending: str, given_contents: list[Document], known: list[Document] | None = None) -> list[Document]:
    """What comes back of a file with these items, where `known` are already there."""
    there = {content["code"]: content for content in known or ()}
    said = completed(read(f"x{ending}", WRITERS[ending](given_contents, ())), there.get)
    assert said.get("found", {}).get("refused", []) == []
    return [
        {**record, "form": said["forms"][record["form"]] if isinstance(record.get("form"), str) else record.get("form")}
        for record in said["items"]
    ]


def same(one: list[Document], other: list[Document]) -> bool:
    return len(one) == len(other) and all(map(items.is_same_content, one, other))


# -- out and in again ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".json", ".xlsx"])
def test_the_sample_county_comes_back_whole(ending: str) -> None:
    whole = contents()
    assert same(again(ending, whole), whole)


def test_a_table_of_the_items_alone_comes_back_to_where_the_rest_is_known() -> None:
    whole = contents()
    assert same(again(".csv", whole, whole), whole)


@pytest.mark.parametrize("ending", WRITERS)
def test_what_a_county_exports_it_finds_unchanged(county: SmallCentre, ending: str) -> None:
    file = WRITERS[ending](contents_of(county.centre), directories_of(county.centre))
    report = bring_in(county.centre, read(f"x{ending}", file), approve=True, by="sun")
    assert (report["added"], report["changed"], len(report["unchanged"])) == ([], [], 3)
    assert (report["warnings"], report["refused"]) == ([], [])


@pytest.mark.parametrize("ending", WRITERS)
def test_what_a_published_item_inherits_stays_inherited(county: SmallCentre, ending: str) -> None:
    """A published item is complete; its draft says only what is its own."""
    directory = {
        "id": "help", "title": "救助", "parent": None, "order": 1,
        "gives": {"scope": "跨县", "joint_bodies": ["县残联", "县医保局"]},
    }  # fmt: skip
    law = {
        "id": "shjz", "title": "社会救助暂行办法", "number": "国务院令第649号",
        "articles": [{"article": "第九条", "text": "原文"}],
    }  # fmt: skip
    done = import_libraries(county.centre, {"directory": [directory], "law": [law]}, by="sun")
    assert done["refused"] == []
    basis = [{"law": "shjz", "title": "社会救助暂行办法", "article": "第九条"}]
    county.change_draft(SUBSISTENCE, directory="help", basis=basis)
    publish(county.centre)
    published = next(one for one in contents_of(county.centre) if one["name"] == SUBSISTENCE)
    assert (published["scope"], published["basis"][0]["text"]) == ("跨县", "原文")
    file = WRITERS[ending](contents_of(county.centre), directories_of(county.centre))
    report = bring_in(county.centre, read(f"x{ending}", file), approve=True, by="sun")
    assert (report["changed"], len(report["unchanged"])) == ([], 3)


TREE = [
    {"id": "top", "title": "上", "parent": None, "order": 1},
    {"id": "sub", "title": "下 ", "parent": "top", "order": 2, "gives": {"scope": "跨县"}, "later": [1]},
]


@pytest.mark.parametrize("ending", [".json", ".xlsx"])
def test_directories_come_along(county: SmallCentre, ending: str) -> None:
    file = WRITERS[ending](contents_of(county.centre), TREE)
    said = read(f"x{ending}", file)
    assert bring_in(county.centre, said, approve=True, by="sun", dry=True)["notes"] == [
        "目录 2 个：新增 2 个，修改 0 个。"
    ]
    assert directories_of(county.centre) == [], "a look writes nothing"
    assert bring_in(county.centre, said, approve=True, by="sun")["imported"]
    assert directories_of(county.centre) == sorted(TREE, key=lambda one: str(one["id"]))
    again_ = read(f"x{ending}", WRITERS[ending](contents_of(county.centre), directories_of(county.centre)))
    notes = bring_in(county.centre, again_, approve=True, by="sun")["notes"]
    assert notes == ["目录 2 个：新增 0 个，修改 0 个。"]


@pytest.mark.parametrize("ending", [".json", ".xlsx"])
def test_directories_that_go_round_in_a_circle_are_refused_where_they_stand(county: SmallCentre, ending: str) -> None:
    circle = [{**TREE[0], "parent": "sub"}, TREE[1]]
    report = bring_in(
        county.centre, read(f"x{ending}", WRITERS[ending](contents_of(county.centre), circle)), approve=True, by="sun"
    )
    assert not report["imported"]
    told = str(Finding(**report["refused"][0]))
    assert "圈" in told
    if ending == ".xlsx":
        assert told.startswith("目录 第 2 行“上级目录”")
    assert directories_of(county.centre) == []


def test_an_import_that_breaks_off_leaves_neither_directories_nor_items(
    county: SmallCentre, monkeypatch: pytest.MonkeyPatch
) -> None:
    drafting = county.centre.databases.open(DRAFTING)
    before = drafting.update_seq
    apply, times = type(drafting)._apply, 0

    def breaks_off(self: Any, *arguments: Any, **named: Any) -> Any:
        nonlocal times
        written = apply(self, *arguments, **named)
        times += 1
        if times == 1:
            raise StorageFull  # some of the documents are written, the rest is not
        return written

    changed = [{**content, "note": "改"} for content in contents_of(county.centre, drafts=True)]
    said = read("x.json", to_json(changed, TREE))
    monkeypatch.setattr(type(drafting), "_apply", breaks_off)
    with pytest.raises(StorageFull):
        bring_in(county.centre, said, approve=True, by="sun")
    monkeypatch.undo()
    assert (drafting.update_seq, directories_of(county.centre)) == (before, [])
    assert bring_in(county.centre, said, approve=True, by="sun")["imported"]
    assert len(directories_of(county.centre)) == 2


# Texts that spreadsheets, csv or XML make something else of.
AWKWARD = [
    "", " ", "a ", "\u3000全角", "=1+1", "'=1", "'", "+86", "-", "@x", "001", "1.0", "是", "a\r\nb", "\r", "\n\n",
    "\x01", "\x7f",
    "_x0041_", "<b>粗</b>", "&amp;", '"', "\ufeff", "\ufffe", "\u2028", "长" * 3999,
    "TRUE", "{}", "第 1 行\t二",
]  # fmt: skip
TEXT = st.one_of(st.sampled_from(AWKWARD), st.text(max_size=12))
LINE = TEXT.filter(lambda text: 1 <= len(text) <= 200)
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**40), 2**40), TEXT),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=6), inner, max_size=3)),
    max_leaves=5,
)
UNKNOWN = st.dictionaries(
    st.text(min_size=1, max_size=8).filter(
        lambda name: not name.startswith("_") and name not in items.TYPE.schema["properties"]
    ),
    ANYTHING,
    max_size=3,
)
IDENTIFIER = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,5}", fullmatch=True)


def of(schema: Any, path: str = "") -> st.SearchStrategy[Any]:
    """Values of a schema as items have them, often awkward ones."""
    if "anyOf" in schema:
        return (
            st.one_of(st.none(), of(sheets.plain(schema)[0] | {"anyOf": None}, path))
            if schema["anyOf"]
            else of_plain(schema, path)
        )
    return of_plain(schema, path)


def of_plain(schema: Any, path: str) -> st.SearchStrategy[Any]:
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kind = schema.get("type")
    if kind == "string":
        if "pattern" in schema:
            pattern = schema["pattern"]
            return (
                IDENTIFIER
                if pattern.startswith("^[a-z0-9]")
                else st.from_regex(pattern.replace("$", r"\Z"), fullmatch=True)
            )
        least, most = schema.get("minLength", 0), schema.get("maxLength", 4000)
        return TEXT.filter(lambda text: least <= len(text) <= most)
    if kind == "integer":
        return st.integers(schema.get("minimum", 0), min(schema.get("maximum", 10**6), 10**6))
    if kind == "boolean":
        return st.booleans()
    if kind == "array":
        least, most = schema.get("minItems", 0), min(schema.get("maxItems", 4), schema.get("minItems", 0) + 3)
        unique = {"unique_by": str} if schema.get("uniqueItems") else {}
        return st.lists(of(schema["items"], path), min_size=least, max_size=most, **unique)
    required = set(schema.get("required", ()))
    parts = {name: of(part, f"{path}.{name}") for name, part in schema.get("properties", {}).items()}
    known = st.fixed_dictionaries(
        {name: part for name, part in parts.items() if name in required},
        optional={name: part for name, part in parts.items() if name not in required},
    )
    if not parts:
        condition = "additionalProperties" in schema
        return (
            st.dictionaries(st.text(min_size=1, max_size=5), st.lists(TEXT, min_size=1, max_size=2))
            if condition
            else UNKNOWN
        )
    more = st.dictionaries(st.text(min_size=1, max_size=4).filter(lambda name: name not in parts), ANYTHING, max_size=1)
    return st.builds(lambda one, other: {**other, **one}, known, more)


OWN = {"form": st.just({"type": "object", "title": "表", "x": "长" * 40_000}), "flow": st.none()}
# Made once: making a strategy takes longer than drawing from it.
PARTS = {element.id: OWN[element.id] if element.id in OWN else of(element.schema) for element in ELEMENTS}
CHOICE = st.sets(st.sampled_from([element.id for element in ELEMENTS if not element.required]), max_size=8)
REQUIRED = {element.id for element in ELEMENTS if element.required}


@st.composite
def an_item(draw: st.DrawFn, code: str) -> Document:
    chosen = draw(CHOICE) | REQUIRED
    content = {name: draw(part) for name, part in PARTS.items() if name in chosen}
    return {**draw(UNKNOWN), **content, "code": code}


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_item_goes_out_and_comes_back_unchanged(data: st.DataObject) -> None:
    whole = [data.draw(an_item(code)) for code in ("60010100MZ-JF-0001", "00016421300Y")]
    for content in whole:
        assert schemas.problems(items.CONTENT_SCHEMA, content) == {}
    for ending in (".json", ".xlsx"):
        assert same(again(ending, whole), whole), ending
    assert same(again(".csv", whole, whole), whole)


def test_a_list_that_no_sheet_can_say_comes_back_whatever_its_line_ends() -> None:
    """Two situations of one number, side by side, would be read as one."""
    options = [{"id": "a", "title": "甲\r\n乙"}, {"id": "b", "title": "丙"}]
    content = {**contents(1)[0], "situations": [{"id": "5", "title": "一", "options": options}] * 2}
    assert same(again(".xlsx", [content]), [content])


def test_every_element_has_a_column_or_a_sheet() -> None:
    shown = {column.path.partition(".")[0] for column in sheets.ITEMS.columns} | {plan.path for plan in sheets.LISTS}
    assert shown == {element.id for element in ELEMENTS}
    for plan in sheets.SHEETS:
        titles = [title for column in sheets.titles_of(plan) for title in (column.title, *column.aliases)]
        assert len(titles) == len(set(titles)), plan.name


# -- what people do to files -----------------------------------------------------------------------------------------


def edited(change: Callable[[Any], Any], count: int = 2) -> bytes:
    """The first items as a workbook that somebody went on with in another program."""
    book = openpyxl.load_workbook(io.BytesIO(to_xlsx(contents(count))))
    change(book)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def cell(sheet: Any, title: str, row: int = 2) -> Any:
    column = next(one.column for one in sheet[1] if one.value == title)
    return sheet.cell(row, column)


def put(sheet: str, title: str, value: Any, row: int = 2) -> Callable[[Any], None]:
    def change(book: Any) -> None:
        cell(book[sheet], title, row).value = value

    return change


def came_back(change: Callable[[Any], Any], count: int = 2) -> tuple[list[Document], list[str]]:
    """The items after somebody's change, and the warnings."""
    whole = contents(count)
    said = read("x.xlsx", edited(change, count))
    assert said["found"]["refused"] == []
    done = completed(said, {content["code"]: content for content in whole}.get)
    return done["items"], [str(sheets_line(one)) for one in said["found"]["warnings"]]


def sheets_line(one: dict[str, Any]) -> str:
    return f"{one['sheet']} {one['row']} {one['column']} {one['sentence']}"


KIND = {
    "a tick": (put("事项", "可以请人代办", "√"), ("proxy_allowed", True), "事项 2 可以请人代办 “√”读成了“是”"),
    "a cross": (put("事项", "可以请人代办", "×"), ("proxy_allowed", False), "读成了“否”"),
    "a number as text": (put("事项", "承诺时限", "１５ "), ("promised", {"n": 15, "unit": "工作日"}), "读成了 15"),
    "a whole float": (put("事项", "承诺时限", 15.0), ("promised", {"n": 15, "unit": "工作日"}), None),
    "blanks around": (put("事项", "分类", "　困难救助 "), ("category", "困难救助"), "去掉了首尾的空白"),
    "a zero lost": (put("事项", "类型代码", 5), ("type_code", "05"), "补上了前面的 0：“05”"),
    "a phone as number": (put("事项", "咨询电话", 9381234567), ("phones.enquiry", "9381234567"), "前面的 0 可能丢了"),
    "a date as text": (put("事项", "备注", date(2026, 9, 16)), ("note", "2026-09-16"), "读成了“2026-09-16”"),
    "a word with blanks": (put("事项", "办件类型", "承 诺 件"), ("case_type", "承诺件"), "读成了“承诺件”"),
    "yuan": (put("事项", "收费金额（元）", "12.5元"), ("fee.amount", 1250), "读成了 12.5 元"),
    "a level in words": (put("事项", "决定层级", "村(社区)级"), ("decides.level", "village"), None),
    "lines with blanks": (put("事项", "受理条件", "一\n\n 二 "), ("conditions", ["一", "二"]), "去掉了空行"),
    "other signs between": (put("事项", "服务对象", "自然人，企业法人"), ("service_objects", ["自然人", "企业法人"]),
        None),
    "an emptied cell": (put("事项", "承诺时限", None), ("promised", None), None),
}  # fmt: skip


@pytest.mark.parametrize("habit", KIND)
def test_what_spreadsheets_and_people_do_is_read_kindly_and_said(habit: str) -> None:
    change, (path, expected), warned = KIND[habit]

    def both(book: Any) -> None:
        change(book)
        if habit == "an emptied cell":
            cell(book["事项"], "承诺时限单位").value = None

    done, warnings = came_back(both)
    value: Any = done[0]
    for step in path.split("."):
        value = value[step]
    assert value == expected
    assert type(value) is type(expected)
    if warned is not None:
        assert any(warned in one for one in warnings), warnings
    untouched = completed(read("x.xlsx", to_xlsx(contents(2))), lambda _code: None)["items"][1]
    assert items.is_same_content(done[1], untouched)


def test_a_habit_of_a_whole_column_is_said_once() -> None:
    def change(book: Any) -> None:
        for row in range(2, 10):
            one = cell(book["材料"], "材料名称", row)
            one.value = f"{one.value} "

    _, warnings = came_back(change)
    assert warnings == ["材料 2 材料名称 去掉了首尾的空白（这样的共 8 处）"]


def test_a_file_says_the_same_however_often_it_is_looked_at(county: SmallCentre) -> None:
    said = read("x.xlsx", to_xlsx(contents_of(county.centre)))
    before = deepcopy(said)
    for _ in range(2):
        assert len(bring_in(county.centre, said, approve=True, by="sun", dry=True)["unchanged"]) == 3
    assert said == before


def test_what_no_column_shows_survives_somebodys_edit_beside_it() -> None:
    whole = contents(1)
    whole[0] |= {"later": {"n": [1]}, "note": "尾空 "}
    whole[0]["materials"][0]["later"] = "x"
    book = openpyxl.load_workbook(io.BytesIO(to_xlsx(whole)))
    cell(book["事项"], "事项名称").value = "新名称"
    cell(book["材料"], "份数").value = 7
    out = io.BytesIO()
    book.save(out)
    (done,) = completed(read("x.xlsx", out.getvalue()), lambda _code: None)["items"]
    assert (done["name"], done["later"], done["note"]) == ("新名称", {"n": [1]}, "尾空 ")
    assert done["materials"][0]["later"] == "x"
    assert done["materials"][0]["copies"] == 7


def test_an_edited_cell_counts_and_not_what_stood_there_to_the_letter() -> None:
    whole = contents(1)
    whole[0]["note"] = "尾空 "
    book = openpyxl.load_workbook(io.BytesIO(to_xlsx(whole)))
    cell(book["事项"], "备注").value = "改了"
    out = io.BytesIO()
    book.save(out)
    assert completed(read("x.xlsx", out.getvalue()), lambda _code: None)["items"][0]["note"] == "改了"


def test_missing_columns_and_sheets_leave_what_is_known_alone() -> None:
    def change(book: Any) -> None:
        for name in book.sheetnames:
            if name not in ("事项", "材料"):
                del book[name]
        items_sheet = book["事项"]
        for title in ("备注", "受理条件", "表单", "其他字段（JSON）"):
            items_sheet.delete_cols(cell(items_sheet, title, 1).column)
        book["材料"].delete_cols(cell(book["材料"], "填报须知", 1).column)
        cell(items_sheet, "事项名称").value = "新名称"

    done, _ = came_back(change)
    before = contents(2)
    assert same(done, [{**before[0], "name": "新名称"}, before[1]])


def test_a_material_without_a_number_gets_one_that_is_free() -> None:
    def change(book: Any) -> None:
        sheet = book["材料"]
        sheet.append([contents(1)[0]["code"], None, None, "新材料", "原件", "纸质", 1, "必要", "其他"])

    done, _ = came_back(change, 1)
    assert [material["id"] for material in done[0]["materials"]] == [f"m{n:02d}" for n in range(1, 10)]
    assert done[0]["materials"][-1]["name"] == "新材料"


def test_headings_above_stars_unknown_columns_and_one_sheet_of_another_name() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["某某县政务服务事项清单"])
    sheet.merge_cells("A1:D1")
    sheet.append([])
    sheet.append(["编码 *", "事项名称", "部门", "经办人"])
    sheet.append(["60010100MZ-JF-0001", "低保", "民政", "李某某"])
    out = io.BytesIO()
    book.save(out)
    said = read("清单.xlsx", out.getvalue())
    assert said["found"] == {"warnings": [], "refused": []}
    assert said["items"] == [{"code": "60010100MZ-JF-0001", "name": "低保", "department": "民政"}]
    assert said["notes"] == ["没有叫“事项”的工作表，把唯一的“Sheet”当作它读。", "Sheet：不认识列“经办人”，没有读。"]


# -- what is refused -------------------------------------------------------------------------------------------------


def doubled(book: Any) -> None:
    cell(book["事项"], "事项编码", 3).value = cell(book["事项"], "事项编码").value


def hidden(book: Any) -> None:
    book["材料"].sheet_state = "hidden"


def without_titles(book: Any) -> None:
    book["事项"].delete_rows(1)


def merged(book: Any) -> None:
    book["材料"].merge_cells("C3:C5")


def twice(book: Any) -> None:
    book["事项"].insert_cols(3)
    book["事项"]["C1"].value = "事项名称"


BAD: dict[str, tuple[Callable[[Any], Any], str]] = {
    "a formula": (put("材料", "份数", "=1+1", 4), "材料 第 4 行“份数”：是公式，这里不计算公式"),
    "a formula as a name": (put("事项", "事项名称", '=HYPERLINK("http://x","y")'), "事项 第 2 行“事项名称”：是公式"),
    "an error": (put("事项", "承诺时限", "#REF!"), "事项 第 2 行“承诺时限”：是表格软件算不出来的 #REF!"),
    "a number with its unit": (put("事项", "承诺时限", "20个工作日"), "“20个工作日”不是整数"),
    "half a copy": (put("材料", "份数", 1.5), "材料 第 2 行“份数”：“1.5”不是整数"),
    "another word": (put("材料", "必要性", "也许"), "“也许”不在可选的里面：必要、非必要、容缺后补"),
    "neither yes nor no": (put("事项", "是否收费", "看情况"), "看不出是还是否"),
    "no such money": (put("事项", "收费金额（元）", "1.234"), "不是金额"),
    "a code that became a number": (put("事项", "基本编码", 123456789012345678), "表格软件改动"),
    "JSON that breaks off": (put("事项", "环节（JSON）", '{"steps": ['), "不是完整的 JSON"),
    "a rest of one's own": (put("事项", "其他字段（JSON）", "[1]"), "不是本系统写的 JSON"),
    "merged cells": (merged, "材料 第 5 行：有合并的单元格 C3:C5"),
    "one code twice": (doubled, f"事项 第 3 行“事项编码” {SECOND}：编码 60010100MZ-JF-0001 和第 2 行重复"),
    "no code": (put("事项", "事项编码", None, 3), f"事项 第 3 行“事项编码” {SECOND}：没有编码"),
    "a row of nobody": (put("材料", "事项编码", "99", 5), "材料 第 5 行“事项编码”：“事项”里没有编码 99"),
    "a row without its item": (put("材料", "事项编码", None, 5), "材料 第 5 行“事项编码”：没有写是哪个事项的"),
    "a hidden sheet": (hidden, "材料：工作表是隐藏的"),
    "no titles": (without_titles, "事项：前 20 行里没有标题行"),
    "a column twice": (twice, "有两列“事项名称”"),
    "a form that breaks off": (put("表单", "表单（JSON）", "{", 2), "不是完整的 JSON"),
}  # fmt: skip


@pytest.mark.parametrize("fault", BAD)
def test_a_bad_cell_is_named_by_sheet_row_column_and_reason_and_nothing_comes_in(
    county: SmallCentre, tmp_path: Path, fault: str
) -> None:
    change, reason = BAD[fault]
    file = tmp_path / "x.xlsx"
    file.write_bytes(edited(change))
    folder = county.folder / "county"
    seq = county.centre.databases.open(DRAFTING).update_seq
    county.centre.close()
    done = command("import", file, folder, "--approve")
    county.start()
    assert done.exit_code == 1
    assert reason in done.output
    assert "Nothing was imported" in done.output
    assert "Traceback" not in done.output
    assert county.centre.databases.open(DRAFTING).update_seq == seq


JUDGED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "no name": (put("事项", "事项名称", None), "没有事项名称"),
    "a material without a name": (put("材料", "材料名称", None, 3), f"材料 第 3 行“材料名称” {SUBSISTENCE}：请填写"),
    "a bad number of copies": (put("材料", "份数", 100, 2), f"材料 第 2 行“份数” {SUBSISTENCE}：不能大于 99"),
    "a code that no item has": (put("事项", "类型代码", "5x"), f"事项 第 2 行“类型代码” {SUBSISTENCE}：格式不对"),
    "no such form": (put("事项", "表单", "没有的表"), "文件里没有叫“没有的表”的表单"),
}  # fmt: skip


@pytest.mark.parametrize("fault", JUDGED)
def test_what_an_item_may_not_be_is_named_by_its_place_in_the_file(county: SmallCentre, fault: str) -> None:
    change, reason = JUDGED[fault]
    report = bring_in(county.centre, read("x.xlsx", edited(change)), approve=True, by="sun")
    assert not report["imported"]
    assert any(reason in str(Finding(**one)) for one in report["refused"]), report["refused"]


def test_html_and_codes_that_disagree_are_warned_of_where_they_stand(county: SmallCentre) -> None:
    def change(book: Any) -> None:
        cell(book["事项"], "备注").value = "<b>注意</b>"
        cell(book["事项"], "类型代码", 3).value = "01"

    report = bring_in(county.centre, read("x.xlsx", edited(change)), approve=True, by="sun")
    assert report["imported"]
    told = [(one["sheet"], one["row"]) for one in report["warnings"]]
    assert ("事项", 2) in told
    assert ("事项", 3) in told
    assert any("HTML" in one["sentence"] for one in report["warnings"])


def test_a_file_without_items_or_of_another_kind_is_refused() -> None:
    for name, content, reason in (
        ("x.xlsx", edited(lambda book: book["事项"].delete_rows(2, 9)), "一条事项也没有"),
        ("x.xlsx", edited(lambda book: setattr(book["事项"], "title", "别的")), "没有叫“事项”的工作表"),
        ("x.xls", b"x", "另存为 .xlsx"),
        ("x.xlsm", b"x", "不带宏"),
        ("x.pdf", b"x", "能导入的文件有"),
        ("x.csv", b"", "空的"),
        ("x.json", b"\xff", "UTF-8"),
    ):
        with pytest.raises(CatalogueRefused, match=reason):
            read(name, content)


def test_more_items_than_a_file_may_have_are_refused() -> None:
    rows = "".join(f"{n},名\n" for n in range(MOST_ITEMS + 1))
    with pytest.raises(CatalogueRefused, match=f"最多 {MOST_ITEMS} 个事项"):
        read("x.csv", f"事项编码,事项名称\n{rows}".encode())


# -- csv -------------------------------------------------------------------------------------------------------------

TABLE = "事项编码,事项名称,备注\n60010100MZ-JF-0001,低保,“好”\n"


@pytest.mark.parametrize(
    ("encoding", "told"),
    [("utf-8", "UTF-8"), ("utf-8-sig", "UTF-8"), ("gb18030", "GB18030"), ("gbk", "GB18030"), ("utf-16", "UTF-16")],
)
def test_a_csv_file_is_read_in_the_encoding_it_has_and_it_is_said(encoding: str, told: str) -> None:
    said = read("x.csv", TABLE.encode(encoding))
    assert said["items"] == [{"code": "60010100MZ-JF-0001", "name": "低保", "note": "“好”"}]
    assert told in said["notes"][0]


@pytest.mark.parametrize("delimiter", ["\t", ";"])
def test_other_signs_between_the_cells_are_seen(delimiter: str) -> None:
    assert read("x.csv", TABLE.replace(",", delimiter).encode())["items"][0]["name"] == "低保"


@pytest.mark.parametrize(
    "content",
    [TABLE.encode("utf-16-le"), b"\x89PNG\r\n\x1a\n\0\0", b"\xff\xfe\0", TABLE.encode() + b'"open',
     bytes(range(1, 32)) * 9],
)  # fmt: skip
def test_a_csv_file_of_no_encoding_or_that_breaks_off_is_refused(content: bytes) -> None:
    with pytest.raises(CatalogueRefused, match="csv"):
        read("x.csv", content)


def test_no_cell_of_a_csv_file_is_a_formula() -> None:
    whole = contents(1)
    whole[0] |= {"note": "=cmd|' /C calc'!A0", "name": "@SUM(1)"}
    text = to_csv(whole).decode("utf-8-sig")
    assert to_csv(whole).startswith(b"\xef\xbb\xbf")
    for row in csv.reader(io.StringIO(text, newline="")):
        assert not any(one.startswith(("=", "+", "-", "@")) for one in row)
    assert same(again(".csv", whole, whole), whole)


# -- commands --------------------------------------------------------------------------------------------------------


def command(*arguments: Any) -> Result:
    act, file, folder, *more = map(str, arguments)
    return CliRunner().invoke(catalogue, [act, file, "--dir", folder, *more])


@pytest.fixture
def folder(county: SmallCentre) -> Iterator[Path]:
    """A county's folder that nobody holds."""
    county.centre.close()
    yield county.folder / "county"
    county.start()


@pytest.mark.parametrize("ending", WRITERS)
def test_export_then_import_says_that_nothing_changed(folder: Path, tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"目录{ending}"
    assert command("export", file, folder).output == f"{file}: 3 items\n"
    done = command("check", file, folder)
    assert "3 items can be imported, 0 warnings" in done.output
    assert "0 added, 0 changed, 3 unchanged" in command("import", file, folder, "--approve").output
    assert list((folder / "staging" / "contents").iterdir()) == [], "nothing is left behind"


def test_drafts_and_releases_are_exported_when_asked_for(folder: Path, tmp_path: Path) -> None:
    with county_opened(folder, now=lambda: MORNING, random=Random(1)) as county:
        changed = some_items()
        changed["items"][0]["note"] = "改过"
        assert import_items(county, changed, approve=True, by="x").imported
        publish(county)
        changed["items"][0]["note"] = "又改过"
        assert import_items(county, changed, approve=False, by="x").imported
    notes = {}
    ways = {"first": ["--release", "1"], "second": ["--release", "2"], "newest": [], "drafts": ["--drafts"]}
    for name, more in ways.items():
        file = tmp_path / f"{name}.json"
        assert command("export", file, folder, *more).exit_code == 0
        notes[name] = {one["code"]: one.get("note") for one in json.loads(file.read_text("utf-8"))["items"]}[
            changed["items"][0]["code"]
        ]
    assert notes["second"] == notes["newest"] == "改过"
    assert notes["drafts"] == "又改过"
    assert notes["first"] not in ("改过", "又改过")
    gone = command("export", tmp_path / "x.json", folder, "--release", "9")
    assert (gone.exit_code, "没有第 9 版" in gone.output) == (1, True)
    assert command("export", tmp_path / "x.json", folder, "--release", "1", "--drafts").exit_code == 2
    assert command("export", tmp_path / "x.doc", folder).exit_code == 1


def test_a_terminal_is_shown_progress_and_a_log_is_not(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "x.xlsx"
    file.write_bytes(to_xlsx(contents(2)))
    assert "%" not in command("check", file, folder).output


def test_a_released_item_alone_is_json_that_names_each_form_once() -> None:
    said = json.loads(to_json(contents()))
    assert len(said["forms"]) == 8
    assert all(isinstance(item["form"], str) for item in said["items"])


# -- on their way ----------------------------------------------------------------------------------------------------


def test_what_waits_too_long_or_is_too_much_goes(tmp_path: Path) -> None:
    staging = Staging(tmp_path)
    old = staging.put({"a": 1}, now=MORNING, random=Random(1))
    path = tmp_path / "staging" / "contents" / f"{old}.json"
    assert path.stat().st_mode & 0o777 == 0o600
    moment = (MORNING - KEPT_FOR * 2).timestamp()
    os.utime(path, (moment, moment))
    tokens = []
    for n in range(MOST_WAITING + 3):
        tokens.append(staging.put(n, now=MORNING, random=Random(n + 2)))
        path = tmp_path / "staging" / "contents" / f"{tokens[-1]}.json"
        moment = MORNING.timestamp() + n
        os.utime(path, (moment, moment))
    assert staging.get(old) is None
    assert len(staging.tokens()) == MOST_WAITING
    assert staging.take(tokens[-1]) == MOST_WAITING + 2
    assert staging.get(tokens[-1]) is None
    assert staging.get("../../county") is None
