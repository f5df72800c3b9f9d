"""Workbooks (.xlsx) read and written as tables of cells by openpyxl: row by row, nothing computed, nothing followed.

openpyxl is loaded when the first workbook comes: a county that sees none does not carry it. Rows are taken from its
parser of one sheet and not from its read-only sheets, because only the parser tells merged cells, and because those
unpack a sheet whole that does not state its size on top.
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any, Final
from xml.etree.ElementTree import ParseError

from central.catalogue.findings import CatalogueRefused

LARGEST_UNPACKED: Final = 96 << 20
"""Bytes of all parts together, as the file's own list states them; `zipfile` unpacks not one more."""
MOST_PARTS: Final = 2000
MOST_ROWS: Final = 50_000
"""Of one sheet. A county has one or two thousand items, with some ten materials each."""
MOST_COLUMNS: Final = 256
MOST_CHARACTERS: Final = 32_767
"""Of one cell: Excel's own limit."""

_TOP = 4096
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"%PDF")
# The dates of a Chinese spreadsheet, which the standard numbers and openpyxl does not list.
_CHINESE_DATES = frozenset({*range(27, 37), *range(50, 59)})
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in a cell. `kind`: text, number, yes (TRUE or FALSE), date, formula, error."""

    text: str
    kind: str = "text"


Row = tuple[int, dict[int, Cell]]
"""A row's number as the spreadsheet shows it, and its filled cells by column, from 0."""


# -- reading ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Sheet:
    """One sheet. `merged` (areas such as A3:B7, with their last row) is complete when `rows` has been read to its
    end."""

    name: str
    hidden: bool
    part: str
    _book: Workbook
    merged: list[tuple[str, int]] = field(default_factory=list)

    def rows(self) -> Iterator[Row]:
        """The rows with anything in them. Raises CatalogueRefused for what cannot be read, and beyond MOST_ROWS."""
        stated = self._book.stated_rows(self.part)
        if stated > MOST_ROWS:
            raise self._too_long(f"有 {stated} 行")
        with self._book.open(self.part) as stream:
            parser = self._book.parser(stream)
            parsed = parser.parse()
            while True:
                with _refusing(self.name):
                    number, cells = next(parsed, (0, ()))
                    row = {cell["column"] - 1: _cell(cell) for cell in cells if cell["column"] <= MOST_COLUMNS}
                if number == 0:
                    break
                if number > MOST_ROWS:
                    raise self._too_long(f"超过 {MOST_ROWS} 行")
                filled = {column: cell for column, cell in row.items() if cell is not None}
                if filled:
                    self._book.reached = stream.tell()
                    yield number, filled
            areas = parser.merged_cells.mergeCell if parser.merged_cells else ()
            self.merged += [(area.ref, area.max_row) for area in areas]
        self._book.has_read(self.part)

    def _too_long(self, said: str) -> CatalogueRefused:
        return CatalogueRefused(f"工作表“{self.name}”{said}，一张表最多 {MOST_ROWS} 行：分成几个文件导入。")


class Workbook:
    """A workbook's sheets. Raises CatalogueRefused for what is none, and for what it would be unwise to unpack."""

    def __init__(self, content: bytes) -> None:
        parts = _looked_at(content)
        self.notes: list[str] = []
        if any("/externallinks/" in f"/{name.lower()}" for name in parts):
            self.notes.append("工作簿引用了别的文件，没有去打开它，只读这里的文字。")
        self.reached = 0
        self._read = 0
        self._sizes = parts
        with _refusing("xl/workbook.xml"):
            self._reader = _opened(content)
            found = [
                Sheet(sheet.name, sheet.state != "visible", relation.target, self)
                for sheet, relation in self._reader.parser.find_sheets()
                if "chartsheet" not in relation.Type  # it has no rows
            ]
            styles = self._reader.wb._cell_styles
        chinese = (n for n, style in enumerate(styles) if style.numFmtId in _CHINESE_DATES)
        self._dates = {*self._reader.wb._date_formats, *chinese}
        for sheet in found:
            if sheet.part not in parts:
                raise CatalogueRefused(f"工作簿里缺了工作表“{sheet.name}”，不完整：用表格软件打开，另存后再导入。")
        self.sheets = found

    def open(self, part: str) -> IO[bytes]:
        """A part, to be unpacked as it is read."""
        with _refusing(part):
            stream: IO[bytes] = self._reader.archive.open(part)
        return stream

    def stated_rows(self, part: str) -> int:
        """How many rows a sheet says on top that it has, as most writers do; 0 where it says nothing there."""
        with self.open(part) as stream, _refusing(part):
            top = stream.read(_TOP)
            try:
                area = self.parser(io.BytesIO(top)).parse_dimensions()
            except ParseError:  # the top ends somewhere
                return 0
        return (area[3] or 0) if area else 0

    def parser(self, stream: IO[bytes]) -> Any:
        """openpyxl's parser of one sheet."""
        from openpyxl.worksheet._reader import WorkSheetParser

        return WorkSheetParser(
            stream,
            self._reader.shared_strings,
            epoch=self._reader.wb.epoch,
            date_formats=self._dates,
        )

    def has_read(self, part: str) -> None:
        """A sheet has been read to its end."""
        self._read += self._sizes[part]
        self.reached = 0

    def share_read(self) -> float:
        """How much of the sheets has been read, from 0 to 1."""
        size = sum(self._sizes[sheet.part] for sheet in self.sheets)
        return min((self._read + self.reached) / size, 1.0) if size else 1.0


def _looked_at(content: bytes) -> dict[str, int]:
    """The parts of a workbook and how large they will be, after a look from outside: nothing is unpacked."""
    if content.startswith(_OLE):
        if "EncryptedPackage".encode("utf-16-le") in content:
            raise CatalogueRefused("文件有打开密码：在表格软件里去掉密码，另存后再导入。")
        raise CatalogueRefused("这是老格式的 .xls（或别的 Office 文件）：在表格软件里另存为 .xlsx 再导入。")
    if content.startswith(_PICTURES):
        raise CatalogueRefused("这是图片或 PDF，不是 .xlsx 工作簿，只是改了名字。")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError):
        raise CatalogueRefused("文件不是 .xlsx 工作簿，或者没有传完整：用表格软件打开，另存为 .xlsx 再导入。") from None
    if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > LARGEST_UNPACKED:
        raise CatalogueRefused(
            f"工作簿解开后超过 {LARGEST_UNPACKED >> 20} MB（或 {MOST_PARTS} 个部分），没有打开：分成几个文件导入。"
        )
    if any(part.flag_bits & 1 or part.compress_type not in _PACKINGS for part in parts):
        raise CatalogueRefused("工作簿有密码，或不是表格软件写的：用表格软件打开，去掉密码，另存为 .xlsx 再导入。")
    if any(part.filename.lower().endswith("vbaproject.bin") for part in parts):
        raise CatalogueRefused("工作簿里有宏（.xlsm）：另存为不带宏的 .xlsx 再导入。")
    sizes = {part.filename: part.file_size for part in parts}
    if "xl/workbook.xml" not in sizes:
        raise CatalogueRefused("这个压缩包不是 .xlsx 工作簿。")
    return sizes


def _opened(content: bytes) -> Any:
    """openpyxl's reader, as far as the sheets: their rows are read when they are asked for."""
    from openpyxl.reader.excel import ExcelReader
    from openpyxl.styles.stylesheet import apply_stylesheet

    # It warns of what it would lose if it wrote the file again; nobody writes it.
    warnings.filterwarnings("ignore", module="openpyxl")
    reader = ExcelReader(io.BytesIO(content), read_only=True, keep_vba=False, data_only=False, keep_links=False)
    reader.read_manifest()
    reader.read_strings()
    reader.read_workbook()
    apply_stylesheet(reader.archive, reader.wb)
    return reader


@contextmanager
def _refusing(part: str) -> Iterator[None]:
    """What openpyxl raises on a broken file is of every kind."""
    from defusedxml import DefusedXmlException

    try:
        yield
    except DefusedXmlException as error:
        raise CatalogueRefused("工作簿里藏着实体声明（DTD），表格软件不会这样写，没有打开。") from error
    except Exception as error:
        raise CatalogueRefused(f"工作簿里的“{part}”坏了，读不下去：用表格软件打开，另存后再导入。") from error


def _cell(said: dict[str, Any]) -> Cell | None:
    kind, value = said["data_type"], said["value"]
    if kind == "f":
        return Cell("", "formula")
    if value is None or value == "":
        return None
    if kind == "n":
        return Cell(str(value), "number")
    if kind == "b":
        return Cell("TRUE" if value else "FALSE", "yes")
    if kind == "d":
        return Cell(_day(value), "date")
    if kind == "e":
        return Cell(str(value), "error")
    # Excel's own way to write a carriage return.
    return Cell(value.replace("_x000D_", "\r"))


def _day(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}" if value.time() == datetime.min.time() else f"{value:%Y-%m-%d %H:%M}"
    return str(value)


# -- writing ---------------------------------------------------------------------------------------------------------

Table = tuple[str, Sequence[str], Iterable[Sequence[str | int]], Sequence[int]]
"""A sheet to write: its name, its titles, its rows, and how wide the columns are, in characters."""


def write_workbook(tables: Iterable[Table]) -> bytes:
    """A workbook with these sheets. Everything but whole numbers is text: no cell can ever be a formula.

    What XML cannot hold becomes U+FFFD.
    """
    import openpyxl
    from openpyxl.utils import get_column_letter

    book = openpyxl.Workbook(write_only=True)
    for name, titles, rows, widths in tables:
        sheet = book.create_sheet(name)
        sheet.freeze_panes = "A2"
        pen = _Pen(sheet)
        for column, width in enumerate(widths, start=1):
            dimension = sheet.column_dimensions[get_column_letter(column)]
            dimension.width = width
            dimension.number_format = "@"  # what somebody types below keeps its zeros
        sheet.append(pen.titles(titles))
        for row in rows:
            sheet.append(pen.cells(row))
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


class _Pen:
    """The cells of a sheet that is being written: one of each kind, used again and again, as each is written before
    the next is asked for."""

    def __init__(self, sheet: Any) -> None:
        from openpyxl.cell import WriteOnlyCell
        from openpyxl.styles import Alignment, Font, PatternFill

        self._title, self._text, self._number = (WriteOnlyCell(sheet) for _ in range(3))
        for cell in (self._title, self._text):
            cell.number_format = "@"
            cell.alignment = Alignment(vertical="top", wrap_text=True)
        self._text.font = self._number.font = Font(name="宋体", size=11)
        # The mark that keeps a sign at the beginning a sign, when somebody edits the cell.
        self._text.quotePrefix = True
        self._title.font = Font(name="宋体", size=11, bold=True)
        self._title.fill = PatternFill("solid", fgColor="FFE7EEF6")
        self._number.alignment = Alignment(vertical="top")
        self._number.number_format = "0"

    def titles(self, titles: Sequence[str]) -> Iterator[Any]:
        return (self._said(self._title, title) for title in titles)

    def cells(self, row: Sequence[str | int]) -> Iterator[Any]:
        for value in row:
            if isinstance(value, int):
                self._number.value = value
                yield self._number
            else:
                yield self._said(self._text, value) if value else None

    def _said(self, cell: Any, value: str) -> Any:
        assert len(value) <= MOST_CHARACTERS, (len(value), value[:40])
        cell.value = _UNWRITABLE.sub("\ufffd", value)
        cell.data_type = "s"  # whatever the text looks like
        return cell


def seen_again(text: str) -> str:
    """What a reader gets to see of a text in a cell: XML knows one kind of line end."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
