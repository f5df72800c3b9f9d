"""Workbooks (.xlsx, ISO/IEC 29500) read and written as tables of cells: streamed, nothing computed, nothing followed.

A reader of our own, because it has to see what libraries hide: which cell is a formula, which cells are merged, how
large the file will be before it is unpacked. And because a station installs what the county installs.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from pyexpat import ExpatError, ParserCreate
from typing import Any, Final
from xml.sax.saxutils import escape

from central.catalogue.findings import CatalogueRefused

LARGEST_UNPACKED: Final = 96 << 20
"""Bytes of all parts together, as the file's own list states them; not one more is unpacked."""
MOST_PARTS: Final = 2000
MOST_ROWS: Final = 50_000
"""Of one sheet. A county has one or two thousand items, with some ten materials each."""
MOST_COLUMNS: Final = 256
MOST_STRINGS: Final = 1_000_000
MOST_CHARACTERS: Final = 32_767
"""Of one cell: Excel's own limit."""

_PIECE = 1 << 16
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"%PDF")
_RELATED = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
# Formats of the standard's own list that show a date or a time, the Chinese ones (27 to 58) among them.
_DATE_FORMATS = frozenset({*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)})
_DATE_SIGNS = re.compile(r"[ymdhs年月日时分秒]", re.IGNORECASE)
_NO_SIGNS = re.compile(r'"[^"]*"|\\.|\[[^\]]*\]')
_COORDINATE = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_UNWRITABLE = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Cell:
    """What stands in a cell. `kind`: text, number, yes (TRUE or FALSE), date, formula, error."""

    text: str
    kind: str = "text"


Row = tuple[int, dict[int, Cell]]
"""A row's number as the spreadsheet shows it, and its filled cells by column, from 0."""


def letters(column: int) -> str:
    """The name of a column, from 0: A, B, … Z, AA."""
    name = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        name = chr(65 + rest) + name
    return name


# -- reading ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Sheet:
    """One sheet. `merged` is complete when `rows` has been read to its end."""

    name: str
    hidden: bool
    part: str
    _book: Workbook
    merged: list[str] = field(default_factory=list)

    def rows(self) -> Iterator[Row]:
        """The rows with anything in them. Raises CatalogueRefused for what cannot be read, and beyond MOST_ROWS."""
        reading = _SheetReading(self, self._book)
        for piece in self._book.pieces(self.part):
            self._book.read += len(piece)
            yield from reading.take(piece)
        yield from reading.take(b"", last=True)


class Workbook:
    """A workbook's sheets. Raises CatalogueRefused for what is none, and for what it would be unwise to unpack."""

    def __init__(self, content: bytes) -> None:
        if content.startswith(_OLE):
            if "EncryptedPackage".encode("utf-16-le") in content:
                raise CatalogueRefused("文件有打开密码：在表格软件里去掉密码，另存后再导入。")
            raise CatalogueRefused("这是老格式的 .xls（或别的 Office 文件）：在表格软件里另存为 .xlsx 再导入。")
        if content.startswith(_PICTURES):
            raise CatalogueRefused("这是图片或 PDF，不是 .xlsx 工作簿，只是改了名字。")
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(content))
        except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError):
            raise CatalogueRefused(
                "文件不是 .xlsx 工作簿，或者没有传完整：用表格软件打开，另存为 .xlsx 再导入。"
            ) from None
        parts = self._zip.infolist()
        if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > LARGEST_UNPACKED:
            raise CatalogueRefused(
                f"工作簿解开后超过 {LARGEST_UNPACKED >> 20} MB（或 {MOST_PARTS} 个部分），没有打开：分成几个文件导入。"
            )
        if any(part.flag_bits & 1 or part.compress_type not in _PACKINGS for part in parts):
            raise CatalogueRefused("工作簿有密码，或不是表格软件写的：用表格软件打开，去掉密码，另存为 .xlsx 再导入。")
        self._parts = {part.filename.lower(): part for part in parts}
        if any(name.endswith("vbaproject.bin") for name in self._parts):
            raise CatalogueRefused("工作簿里有宏（.xlsm）：另存为不带宏的 .xlsx 再导入。")
        self.notes: list[str] = []
        if any("/externallinks/" in f"/{name}" for name in self._parts):
            self.notes.append("工作簿引用了别的文件，没有去打开它，只读这里的文字。")
        self.since_1904 = False
        self.strings: list[str] = []
        self.dates: list[bool] = []
        self.read = 0
        self.sheets = self._open()

    def share_read(self) -> float:
        """How much of the sheets has been read, from 0 to 1."""
        size = sum(self._parts[sheet.part].file_size for sheet in self.sheets if sheet.part in self._parts)
        return min(self.read / size, 1.0) if size else 1.0

    def _open(self) -> list[Sheet]:
        found: list[tuple[str, bool, str]] = []
        targets: dict[str, str] = {}

        def book(name: str, said: dict[str, str]) -> None:
            if name == "sheet":
                related = next((said[key] for key in said if key.rpartition(":")[2] == "id"), "")
                found.append((said.get("name", ""), said.get("state", "visible") != "visible", related))
            elif name == "workbookPr":
                self.since_1904 = said.get("date1904") in ("1", "true")

        def relation(name: str, said: dict[str, str]) -> None:
            if name == "Relationship" and said.get("TargetMode") != "External":
                targets[said.get("Id", "")] = said.get("Target", "")

        if "xl/workbook.xml" not in self._parts:
            raise CatalogueRefused("这个压缩包不是 .xlsx 工作簿。")
        self._walk("xl/workbook.xml", book)
        self._walk("xl/_rels/workbook.xml.rels", relation)
        if "xl/sharedstrings.xml" in self._parts:
            self._read_strings()
        if "xl/styles.xml" in self._parts:
            self._read_styles()
        sheets = []
        for title, hidden, related in found:
            target = targets.get(related, "")
            part = (target[1:] if target.startswith("/") else f"xl/{target}").lower()
            if "/worksheets/" in f"/{part}":  # a chart's sheet has no rows
                sheets.append(Sheet(title, hidden, part, self))
        return sheets

    def pieces(self, part: str) -> Iterator[bytes]:
        """A part, unpacked piece by piece."""
        known = self._parts.get(part)
        if known is None:
            raise CatalogueRefused(f"工作簿里缺了 {part}，不完整：用表格软件打开，另存后再导入。")
        try:
            # No more is unpacked than the list of parts states: `zipfile` stops there.
            with self._zip.open(known) as stream:
                while piece := stream.read(_PIECE):
                    yield piece
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError) as error:
            raise _broken(part) from error

    def _walk(
        self, part: str, start: Callable[[str, dict[str, str]], None], end: Callable[[str], None] | None = None,
        text: Callable[[str], None] | None = None,
    ) -> None:  # fmt: skip
        parser = _parser(start, end or (lambda _name: None), text or (lambda _text: None))
        for piece in self.pieces(part):
            _feed(parser, piece, part)
        _feed(parser, b"", part, last=True)

    def _read_strings(self) -> None:
        collected: list[str] = []
        inside = {"t": False, "spoken": False}

        def start(name: str, _said: dict[str, str]) -> None:
            if name == "rPh":  # how characters are pronounced, which nobody typed
                inside["spoken"] = True
            elif name == "t":
                inside["t"] = not inside["spoken"]

        def end(name: str) -> None:
            if name == "t":
                inside["t"] = False
            elif name == "rPh":
                inside["spoken"] = False
            elif name == "si":
                if len(self.strings) >= MOST_STRINGS:
                    raise CatalogueRefused(f"工作簿里的文字超过 {MOST_STRINGS} 处：分成几个文件导入。")
                self.strings.append(_unescaped("".join(collected)))
                collected.clear()

        def text(said: str) -> None:
            if inside["t"]:
                collected.append(said)

        self._walk("xl/sharedstrings.xml", start, end, text)

    def _read_styles(self) -> None:
        own: dict[str, str] = {}
        inside = {"cellXfs": False}

        def start(name: str, said: dict[str, str]) -> None:
            if name == "numFmt":
                own[said.get("numFmtId", "")] = said.get("formatCode", "")
            elif name == "cellXfs":
                inside["cellXfs"] = True
            elif name == "xf" and inside["cellXfs"]:
                number = said.get("numFmtId", "0")
                code, standard = own.get(number), _whole(number, 0) in _DATE_FORMATS
                self.dates.append(standard if code is None else bool(_DATE_SIGNS.search(_NO_SIGNS.sub("", code))))

        def end(name: str) -> None:
            if name == "cellXfs":
                inside["cellXfs"] = False

        self._walk("xl/styles.xml", start, end)


class _SheetReading:
    """A sheet's XML on its way to being rows."""

    def __init__(self, sheet: Sheet, book: Workbook) -> None:
        self._sheet, self._book = sheet, book
        self._parser = _parser(self._start, self._end, self._text)
        self._done: list[Row] = []
        self._row, self._column = 0, -1
        self._cells: dict[int, Cell] = {}
        self._kind, self._style, self._formula = "n", 0, False
        self._value: list[str] = []
        self._in_value = self._spoken = False

    def take(self, piece: bytes, *, last: bool = False) -> list[Row]:
        """The rows that ended in this piece."""
        _feed(self._parser, piece, self._sheet.name, last=last)
        done, self._done = self._done, []
        return done

    def _start(self, name: str, said: dict[str, str]) -> None:
        if name == "c":
            self._begin_cell(said)
        elif name in ("v", "t"):
            self._in_value = not self._spoken
        elif name == "f":
            self._formula = True
        elif name == "row":
            self._row = _whole(said.get("r", ""), self._row + 1)
            self._column, self._cells = -1, {}
        elif name == "rPh":
            self._spoken = True
        elif name == "dimension":
            self._look_ahead(said.get("ref", ""))
        elif name == "mergeCell":
            self._sheet.merged.append(said.get("ref", ""))

    def _look_ahead(self, area: str) -> None:
        # Most writers state the size on top: then a sheet that is too long is refused before it is read.
        end = _COORDINATE.fullmatch(area.rpartition(":")[2])
        if end is not None and int(end[2]) > MOST_ROWS:
            raise _too_long(self._sheet.name, f"有 {end[2]} 行")

    def _begin_cell(self, said: dict[str, str]) -> None:
        name = said.get("r", "").rstrip("0123456789")
        self._column = _number(name) if name else self._column + 1
        self._kind, self._style = said.get("t", "n"), _whole(said.get("s", ""), 0)
        self._formula = False
        self._value.clear()

    def _end(self, name: str) -> None:
        if name in ("v", "t"):
            self._in_value = False
        elif name == "rPh":
            self._spoken = False
        elif name == "c":
            self._end_cell()
        elif name == "row":
            if self._cells:
                if self._row > MOST_ROWS:
                    raise _too_long(self._sheet.name, f"超过 {MOST_ROWS} 行")
                self._done.append((self._row, self._cells))
            self._cells = {}

    def _text(self, said: str) -> None:
        if self._in_value:
            self._value.append(said)

    def _end_cell(self) -> None:
        value = "".join(self._value)
        if self._formula:
            cell = Cell("", "formula")
        elif not value:
            return
        elif self._kind == "s":
            place = _whole(value, -1)
            if not 0 <= place < len(self._book.strings):
                raise _broken(self._sheet.name)
            cell = Cell(self._book.strings[place])
        elif self._kind in ("inlineStr", "str"):
            cell = Cell(_unescaped(value))
        elif self._kind == "b":
            cell = Cell("TRUE" if value == "1" else "FALSE", "yes")
        elif self._kind == "e":
            cell = Cell(value, "error")
        elif self._kind == "d":
            cell = Cell(value.partition("T")[0], "date")
        else:
            cell = self._numeric(value)
        if self._column < MOST_COLUMNS and (cell.text or cell.kind != "text"):
            self._cells[self._column] = cell

    def _numeric(self, value: str) -> Cell:
        if self._style < len(self._book.dates) and self._book.dates[self._style]:
            day = _day(value, since_1904=self._book.since_1904)
            return Cell(value, "error") if day is None else Cell(day, "date")
        return Cell(value, "number")


def _day(serial: str, *, since_1904: bool) -> str | None:
    """A date as spreadsheets count it; None for what is none. Their 29 February 1900 is not believed in."""
    try:
        days = float(serial)
        start = datetime(1904, 1, 1) if since_1904 else datetime(1899, 12, 30)  # noqa: DTZ001 - a date without a place
        moment = start + timedelta(seconds=round(days * 86_400))
    except (ValueError, OverflowError):
        return None
    return f"{moment:%Y-%m-%d}" if days == int(days) else f"{moment:%Y-%m-%d %H:%M}"


def _whole(text: str, otherwise: int) -> int:
    return int(text) if len(text) < 10 and text.isascii() and text.isdigit() else otherwise


@lru_cache(maxsize=MOST_COLUMNS)
def _number(name: str) -> int:
    if len(name) > 3 or not name.isalpha() or not name.isascii() or not name.isupper():
        return MOST_COLUMNS
    column = 0
    for letter in name:
        column = column * 26 + ord(letter) - 64
    return column - 1


def last_row(area: str) -> int:
    """The last row of a merged area such as A3:B7; 0 for what is no area."""
    end = _COORDINATE.fullmatch(area.rpartition(":")[2])
    return int(end[2]) if end else 0


def _parser(
    start: Callable[[str, dict[str, str]], None], end: Callable[[str], None], text: Callable[[str], None]
) -> Any:  # fmt: skip
    parser = ParserCreate()
    parser.buffer_text = True

    def no_doctype(*_said: object) -> None:
        raise CatalogueRefused("工作簿里藏着文件类型声明（DTD），表格软件不会这样写，没有打开。")

    # No workbook has one, and every trick with entities needs one.
    parser.StartDoctypeDeclHandler = no_doctype
    parser.StartElementHandler = lambda name, said: start(name.rpartition(":")[2] if ":" in name else name, said)
    parser.EndElementHandler = lambda name: end(name.rpartition(":")[2] if ":" in name else name)
    parser.CharacterDataHandler = text
    return parser


def _feed(parser: Any, piece: bytes, part: str, *, last: bool = False) -> None:
    try:
        parser.Parse(piece, last)
    except ExpatError as error:
        raise _broken(part) from error


def _broken(part: str) -> CatalogueRefused:
    return CatalogueRefused(f"工作簿里的“{part}”坏了，读不下去：用表格软件打开，另存后再导入。")


def _too_long(sheet: str, said: str) -> CatalogueRefused:
    return CatalogueRefused(f"工作表“{sheet}”{said}，一张表最多 {MOST_ROWS} 行：分成几个文件导入。")


def _unescaped(value: str) -> str:
    """`_x000D_` is how a workbook writes what XML cannot."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), value) if "_x" in value else value


# -- writing ---------------------------------------------------------------------------------------------------------

Table = tuple[str, Sequence[str], Iterable[Sequence[str | int]], Sequence[int]]
"""A sheet to write: its name, its titles, its rows, and how wide the columns are, in characters."""

_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
# Styles: 0 plain, 1 text that stays text (format @, and the mark that keeps = a sign) and wraps, 2 titles, 3 numbers.
_STYLES = (
    f'{_HEAD}<styleSheet xmlns="{_MAIN}"><fonts count="2"><font><sz val="11"/><name val="宋体"/></font>'
    '<font><b/><sz val="11"/><name val="宋体"/></font></fonts><fills count="3"><fill><patternFill patternType="none"/>'
    '</fill><fill><patternFill patternType="gray125"/></fill><fill><patternFill patternType="solid">'
    '<fgColor rgb="FFE7EEF6"/></patternFill></fill></fills><borders count="1"><border><left/><right/><top/><bottom/>'
    '<diagonal/></border></borders><cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/>'
    '</cellStyleXfs><cellXfs count="4"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>'
    '<xf numFmtId="49" fontId="0" fillId="0" borderId="0" xfId="0" quotePrefix="1" applyNumberFormat="1" '
    'applyAlignment="1"><alignment vertical="top" wrapText="1"/></xf>'
    '<xf numFmtId="49" fontId="1" fillId="2" borderId="0" xfId="0" applyNumberFormat="1" applyFont="1" applyFill="1" '
    'applyAlignment="1"><alignment wrapText="1"/></xf>'
    '<xf numFmtId="1" fontId="0" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" applyAlignment="1">'
    '<alignment vertical="top"/></xf></cellXfs><cellStyles count="1">'
    '<cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
)
_STAMP = (1980, 1, 1, 0, 0, 0)


def write_workbook(tables: Iterable[Table]) -> bytes:
    """A workbook with these sheets. Everything but whole numbers is text: no cell can ever be a formula."""
    out = io.BytesIO()
    names: list[str] = []
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as parts:
        for name, titles, rows, widths in tables:
            names.append(name)
            part = zipfile.ZipInfo(f"xl/worksheets/sheet{len(names)}.xml", _STAMP)
            part.compress_type = zipfile.ZIP_DEFLATED
            with parts.open(part, "w") as stream:
                for piece in _sheet_xml(titles, rows, widths):
                    stream.write(piece.encode())
        numbered = list(enumerate(names, start=1))
        sheets = "".join(
            f'<sheet name="{_attribute(name)}" sheetId="{n}" r:id="rId{n}"/>' for n, name in numbered
        )  # fmt: skip
        targets = "".join(
            f'<Relationship Id="rId{n}" Type="{_RELATED}/worksheet" Target="worksheets/sheet{n}.xml"/>'
            for n, _ in numbered
        )
        kinds = "".join(
            f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="application/'
            'vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>'
            for n, _ in numbered
        )
        for path, content in {
            "[Content_Types].xml": f'{_HEAD}<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
            'ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" '
            'ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/'
            'vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/styles.xml" '
            f'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/>{kinds}</Types>',
            "_rels/.rels": f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
            f'Type="{_RELATED}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
            "xl/workbook.xml": f'{_HEAD}<workbook xmlns="{_MAIN}" xmlns:r="{_RELATED}"><sheets>{sheets}</sheets>'
            "</workbook>",
            "xl/_rels/workbook.xml.rels": f'{_HEAD}<Relationships xmlns="{_PACKAGE}/relationships">{targets}'
            f'<Relationship Id="rId0" Type="{_RELATED}/styles" Target="styles.xml"/></Relationships>',
            "xl/styles.xml": _STYLES,
        }.items():
            part = zipfile.ZipInfo(path, _STAMP)
            part.compress_type = zipfile.ZIP_DEFLATED
            parts.writestr(part, content)
    return out.getvalue()


def _sheet_xml(titles: Sequence[str], rows: Iterable[Sequence[str | int]], widths: Sequence[int]) -> Iterator[str]:
    columns = "".join(
        f'<col min="{n}" max="{n}" width="{width}" style="1" customWidth="1"/>'
        for n, width in enumerate(widths, start=1)
    )
    # The titles stay in sight when the rows are scrolled.
    yield (
        f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetViews><sheetView workbookViewId="0"><pane ySplit="1" '
        'topLeftCell="A2" activePane="bottomLeft" state="frozen"/></sheetView></sheetViews>'
        f"{f'<cols>{columns}</cols>' if columns else ''}<sheetData>"
    )
    yield _row_xml(1, titles, style=2)
    for number, row in enumerate(rows, start=2):
        yield _row_xml(number, row, style=1)
    yield "</sheetData></worksheet>"


def _row_xml(number: int, cells: Sequence[str | int], *, style: int) -> str:
    out = [f'<row r="{number}">']
    for column, value in enumerate(cells):
        if isinstance(value, int):
            out.append(f'<c r="{letters(column)}{number}" s="3"><v>{value}</v></c>')
        elif value:
            assert len(value) <= MOST_CHARACTERS, (len(value), value[:40])
            out.append(
                f'<c r="{letters(column)}{number}" s="{style}" t="inlineStr"><is><t xml:space="preserve">'
                f"{_text_xml(value)}</t></is></c>"
            )
    out.append("</row>")
    return "".join(out)


def _text_xml(value: str) -> str:
    # What looks like an escape is escaped, then what XML cannot hold.
    if "_x" in value:
        value = _ESCAPED.sub(lambda found: f"_x005F{found[0]}", value)
    return escape(_UNWRITABLE.sub(lambda found: f"_x{ord(found[0]):04X}_", value))


def _attribute(value: str) -> str:
    return escape(value, {'"': "&quot;"})
