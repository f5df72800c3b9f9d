"""Workbooks as spreadsheets write them, and as nobody should: read as they are, or refused with the reason."""

from __future__ import annotations

import contextlib
import io
import re
import struct
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import openpyxl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from central.catalogue import workbook
from central.catalogue.findings import CatalogueRefused
from central.catalogue.workbook import Cell, Workbook, write_workbook

MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def saved(fill: Callable[[Any], None]) -> bytes:
    """A workbook as openpyxl writes it, filled by a test."""
    book = openpyxl.Workbook()
    fill(book)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def first(content: bytes) -> list[tuple[int, dict[int, Cell]]]:
    return list(Workbook(content).sheets[0].rows())


def read_whole(content: bytes) -> int:
    return sum(1 for sheet in Workbook(content).sheets for _ in sheet.rows())


def changed(content: bytes, **parts: str | None) -> bytes:
    """The same workbook with other parts; the names' `__` are slashes."""
    named = {name.replace("__", "/").replace("--", "."): value for name, value in parts.items()}
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.infolist():
            if part.filename not in named:
                new.writestr(part, old.read(part))
        for name, value in named.items():
            if value is not None:
                new.writestr(name, value)
    return out.getvalue()


TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
SPREADSHEET = "application/vnd.openxmlformats-officedocument.spreadsheetml"


def with_strings(content: bytes, strings: str) -> bytes:
    """The same workbook with texts that its cells share."""
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        types = parts.read("[Content_Types].xml").decode()
    listed = f'<Override PartName="/xl/sharedStrings.xml" ContentType="{SPREADSHEET}.sharedStrings+xml"/></Types>'
    types = types.replace("</Types>", listed)
    return changed(content, **{"xl__sharedStrings--xml": strings, "[Content_Types]--xml": types})


def one_sheet(rows: str, *, more: str = "", before: str = "") -> bytes:
    plain = write_workbook([("事项", ["a"], [], ())])
    sheet = f"<worksheet {MAIN}>{before}<sheetData>{rows}</sheetData>{more}</worksheet>"
    return changed(plain, **{"xl__worksheets__sheet1--xml": sheet})


# -- what spreadsheets write -----------------------------------------------------------------------------------------


def test_cells_of_every_kind_are_told_apart() -> None:
    def fill(book: Any) -> None:
        sheet = book.active
        half_past = datetime(2026, 9, 16, 8, 30)  # noqa: DTZ001 - a cell knows no zone
        sheet.append(["文字", 4, 4.5, True, date(2026, 9, 16), half_past, "=1+1", "#N/A"])

    ((number, cells),) = first(saved(fill))
    assert number == 1
    assert list(cells.values()) == [
        Cell("文字"),
        Cell("4", "number"),
        Cell("4.5", "number"),
        Cell("TRUE", "yes"),
        Cell("2026-09-16", "date"),
        Cell("2026-09-16 08:30", "date"),
        Cell("", "formula"),
        Cell("#N/A", "error"),
    ]


def test_a_formula_is_never_computed_whatever_it_once_gave() -> None:
    rows = '<row r="1"><c r="A1"><f>HYPERLINK("http://x")</f><v>7</v></c><c r="B1" t="str"><f>A1</f><v>好</v></c></row>'
    ((_, cells),) = first(one_sheet(rows))
    assert [cell.kind for cell in cells.values()] == ["formula", "formula"]
    assert [cell.text for cell in cells.values()] == ["", ""]


def test_dates_of_a_workbook_that_counts_from_1904() -> None:
    def fill(book: Any) -> None:
        book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
        book.active.append([date(2026, 9, 16)])

    assert first(saved(fill))[0][1][0] == Cell("2026-09-16", "date")


def test_how_a_word_is_spoken_is_no_part_of_it_and_runs_are_one_text() -> None:
    strings = (
        f'<sst {MAIN}><si><r><t>低</t></r><r><t xml:space="preserve">保 </t></r>'
        '<rPh sb="0" eb="2"><t>dibao</t></rPh></si></sst>'
    )
    content = with_strings(one_sheet('<row r="3"><c r="B3" t="s"><v>0</v></c></row>'), strings)
    assert first(content) == [(3, {1: Cell("低保 ")})]


def test_rows_and_cells_without_their_places_are_counted() -> None:
    cell = '<c t="inlineStr"><is><t>甲</t></is></c>'
    assert first(one_sheet(f"<row>{cell}{cell}</row><row>{cell}</row>")) == [
        (1, {0: Cell("甲"), 1: Cell("甲")}),
        (2, {0: Cell("甲")}),
    ]


def test_merged_cells_and_hidden_sheets_are_seen() -> None:
    def fill(book: Any) -> None:
        book.active.append(["a"])
        book.active.merge_cells("A3:B7")
        book.create_sheet("藏着").sheet_state = "hidden"

    book = Workbook(saved(fill))
    assert [(sheet.name, sheet.hidden) for sheet in book.sheets] == [("Sheet", False), ("藏着", True)]
    list(book.sheets[0].rows())
    assert book.sheets[0].merged == [("A3:B7", 7)]


def test_a_file_that_refers_to_another_says_so_and_is_read_without_it() -> None:
    content = changed(
        one_sheet('<row r="1"><c r="A1"><v>1</v></c></row>'), **{"xl__externalLinks__externalLink1--xml": "<x/>"}
    )
    book = Workbook(content)
    assert "没有去打开它" in book.notes[0]
    assert list(book.sheets[0].rows()) == [(1, {0: Cell("1", "number")})]


# -- what nobody should write ----------------------------------------------------------------------------------------


def bomb() -> bytes:
    return changed(one_sheet(""), **{"xl__media__a--xml": "0" * (workbook.LARGEST_UNPACKED + 1)})


def locked() -> bytes:
    content = bytearray(one_sheet(""))
    for mark, place in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        at = content.find(mark) + place
        struct.pack_into("<H", content, at, 1)
    return bytes(content)


OLE = bytes.fromhex("d0cf11e0a1b11ae1")
DOCTYPE = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
REFUSED = {
    "an old .xls": (lambda: OLE + b"\0" * 600, "另存为 .xlsx"),
    "a password": (lambda: OLE + "EncryptedPackage".encode("utf-16-le"), "打开密码"),
    "a picture": (lambda: b"\x89PNG\r\n\x1a\n" + b"\0" * 99, "图片"),
    "some bytes": (lambda: b"\x01\x02\x03" * 99, "不是 .xlsx"),
    "half a file": (lambda: one_sheet("")[:300], "没有传完整"),
    "another archive": (lambda: changed(one_sheet(""), **{"xl__workbook--xml": None}), "不是 .xlsx 工作簿"),
    "a sheet that is not there": (
        lambda: changed(one_sheet(""), **{"xl__worksheets__sheet1--xml": None}), "不完整",
    ),
    "macros": (lambda: changed(one_sheet(""), **{"xl__vbaProject--bin": "x"}), "宏"),
    "a bomb": (bomb, "没有打开"),
    "a locked archive": (locked, "密码"),
    "entities in a sheet": (
        lambda: changed(one_sheet(""), **{"xl__worksheets__sheet1--xml": f"{DOCTYPE}<worksheet>&b;</worksheet>"}),
        "DTD",
    ),
    "entities in a sheet, after a long comment": (
        lambda: changed(
            one_sheet(""),
            **{"xl__worksheets__sheet1--xml": f"<!--{'很长 ' * 9000}-->{DOCTYPE}<worksheet>&b;</worksheet>"},
        ),
        "DTD",
    ),
    "entities in the strings": (
        lambda: with_strings(one_sheet(""), f"{DOCTYPE}<sst><si><t>&b;</t></si></sst>"),
        "DTD",
    ),
    "a file from elsewhere": (
        lambda: changed(
            one_sheet(""),
            **{"xl__styles--xml": '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><styleSheet>&a;</styleSheet>'},
        ),
        "DTD",
    ),
    "broken XML": (lambda: one_sheet("<row><c></row>"), "坏了"),
    "a text that is not among the strings": (lambda: one_sheet('<row r="1"><c t="s"><v>7</v></c></row>'), "坏了"),
    "too many rows, as it states": (lambda: one_sheet("", before='<dimension ref="A1:C100001"/>'), "100001 行"),
    "too many rows, as it turns out": (
        lambda: one_sheet(f'<row r="{workbook.MOST_ROWS + 1}"><c><v>1</v></c></row>'), "最多 50000 行",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", REFUSED)
def test_what_cannot_or_should_not_be_read_is_refused_with_the_reason(fault: str) -> None:
    make, reason = REFUSED[fault]
    with pytest.raises(CatalogueRefused, match=reason):
        read_whole(make())


def test_a_part_that_is_longer_than_the_list_says_is_not_unpacked_further() -> None:
    content = bytearray(one_sheet('<row r="1"><c r="A1"><v>1</v></c></row>' * 9000))
    place = bytes(content).rfind(b"PK\x01\x02", 0, bytes(content).rfind(b"xl/worksheets/sheet1.xml"))
    struct.pack_into("<I", content, place + 24, 100)  # the size, unpacked, as the list of parts states it
    with pytest.raises(CatalogueRefused, match="坏了"):
        list(Workbook(bytes(content)).sheets[0].rows())


def test_many_rows_need_no_more_memory_than_a_piece_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kept, the rows would take 9 MiB; unpacked at once, the sheet 8."""
    monkeypatch.setattr(workbook, "MOST_ROWS", 5_000)
    row = "".join(f'<c t="inlineStr"><is><t>{"长" * 20}</t></is></c>' for _ in range(8))
    content = one_sheet("".join(f'<row r="{n}">{row}</row>' for n in range(1, 10_001)))
    tracemalloc.start()
    with pytest.raises(CatalogueRefused, match="5000 行"):
        read_whole(content)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak - len(content) < 2 << 20, "rows are let go of as they are read"


@given(st.binary(max_size=300), st.integers(0, 5000))
def test_no_bytes_bring_the_reader_down(noise: bytes, at: int) -> None:
    content = bytearray(one_sheet('<row r="1"><c r="A1"><v>1</v></c></row>'))
    at %= len(content)
    content[at : at + len(noise)] = noise
    with contextlib.suppress(CatalogueRefused):
        read_whole(bytes(content))


# -- writing ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.lists(st.one_of(st.integers(0, 10**9), st.text(max_size=40)), max_size=6), max_size=6))
def test_what_is_written_is_read_again(rows: list[list[str | int]]) -> None:
    content = write_workbook([("表", ["题"], rows, (10,))])
    expected = [
        (number, {column: cell for column, cell in enumerate(map(as_cell, row)) if cell is not None})
        for number, row in enumerate(rows, start=2)
    ]
    assert first(content)[1:] == [(number, cells) for number, cells in expected if cells]


UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What is no `Char` of XML 1.0."""


def as_cell(value: str | int) -> Cell | None:
    if isinstance(value, int):
        return Cell(str(value), "number")
    return Cell(workbook.seen_again(UNWRITABLE.sub("\ufffd", value))) if value else None


def test_other_programs_read_what_we_write_and_no_cell_is_a_formula() -> None:
    texts = ["=1+1", "+1", "-1", "@SUM(A1)", "甲\n乙", " 空白 ", "<b>&amp;</b>", "_x0041_", "001", "\x01"]
    content = write_workbook([("表 & <1>", ["题"], [texts, [7]], (10,)), ("二", ["题"], [], ())])
    book = openpyxl.load_workbook(io.BytesIO(content))
    assert book.sheetnames == ["表 & <1>", "二"]
    cells = book["表 & <1>"][2]
    assert [cell.data_type for cell in cells] == ["s"] * len(texts)
    assert [cell.value for cell in cells] == [*texts[:9], "\ufffd"]
    assert {cell.number_format for cell in cells} == {"@"}
    assert all(cell.quotePrefix for cell in cells), "a sign stays a sign when somebody edits the cell"
    assert book["表 & <1>"]["A3"].value == 7


def test_a_county_loads_openpyxl_when_the_first_workbook_comes() -> None:
    """And a station, which shares the county's programs, never."""
    code = (
        "import sys, central.app, central.catalogue.reading, central.catalogue.exporting, node.app, node.commands\n"
        "assert 'openpyxl' not in sys.modules and 'defusedxml' not in sys.modules\n"
        "from central.catalogue.workbook import write_workbook\n"
        "write_workbook([('a', ['b'], [], ())])\n"
        "assert 'openpyxl' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_date_in_a_chinese_format_of_the_standard_s_own_is_a_date() -> None:
    plain = saved(lambda book: book.active.append([date(2026, 9, 16)]))
    with zipfile.ZipFile(io.BytesIO(plain)) as parts:
        styles = parts.read("xl/styles.xml").decode()
    content = changed(plain, **{"xl__styles--xml": styles.replace('numFmtId="14"', 'numFmtId="31"')})
    assert content != plain
    assert first(content)[0][1][0] == Cell("2026-09-16", "date")
