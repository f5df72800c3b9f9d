"""Tables that people take away: CSV as spreadsheets open it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

# Spreadsheets take a file without a mark of its encoding for GBK.
MARK = "\ufeff"


def csv_lines(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A CSV file (RFC 4180) line by line."""
    yield MARK + _line(columns)
    for row in rows:
        yield _line(row)


def _line(cells: Sequence[str]) -> str:
    out = io.StringIO()
    # A spreadsheet would carry out a cell that begins like a formula.
    csv.writer(out).writerow(
        [f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell for cell in cells]
    )
    return out.getvalue()
