"""Tables in csv, in whatever encoding a spreadsheet left them: decoded, and said how; rows as cells."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator
from typing import Final

from central.catalogue.findings import CatalogueRefused
from central.catalogue.workbook import MOST_COLUMNS, MOST_ROWS, Cell, Row

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig", "UTF-8"),
    (codecs.BOM_UTF16_LE, "utf-16", "UTF-16"),
    (codecs.BOM_UTF16_BE, "utf-16", "UTF-16"),
)
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")
# The longest cell holds an item's flow and what no column shows.
csv.field_size_limit(4 << 20)


def decoded(content: bytes) -> tuple[str, str]:
    """The text of a file, and the name of the encoding that it was read in. Raises CatalogueRefused."""
    for mark, encoding, name in _MARKS:
        if content.startswith(mark):
            try:
                return content.decode(encoding), name
            except UnicodeDecodeError:
                raise CatalogueRefused(
                    f"文件开头说是 {name}，里面却不是：在表格软件里另存为 csv（UTF-8）再导入。"
                ) from None
    if b"\0" not in content[: 1 << 16]:
        # Whatever is UTF-8 throughout is hardly ever anything else; GB18030 holds GBK and GB2312.
        for encoding, name in (("utf-8", "UTF-8"), ("gb18030", "GB18030（GBK）")):
            try:
                text = content.decode(encoding)
            except UnicodeDecodeError:
                continue
            if not any(ord(sign) < 9 or 14 <= ord(sign) < 27 for sign in text[: 1 << 16]):
                return text, name
    raise CatalogueRefused("看不出文件是什么编码，可能不是 csv：在表格软件里另存为 csv（UTF-8）再导入。")


def rows(text: str) -> Iterator[Row]:
    """The rows of a csv file (RFC 4180; tabs or semicolons in place of commas are seen at its first line)."""
    delimiter = max(",\t;", key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    number = 0
    while True:
        number += 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise CatalogueRefused(f"csv 第 {number} 行读不下去（{error}）：引号没有成对，或这一格太长。") from None
        if cells is None:
            return
        if number > MOST_ROWS:
            raise CatalogueRefused(f"csv 超过 {MOST_ROWS} 行：分成几个文件导入。")
        filled = {column: Cell(seen(cell)) for column, cell in enumerate(cells[:MOST_COLUMNS]) if cell}
        if filled:
            yield number, filled


def seen(cell: str) -> str:
    """A cell as it was meant: `web.spreadsheet` puts a mark before what a spreadsheet would take for a formula."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith(_FORMULA_SIGNS) else cell


def seen_again(text: str) -> str:
    """What `rows` gives of a text that `web.spreadsheet.csv_lines` wrote."""
    return text if text.startswith(_FORMULA_SIGNS) else seen(text)
