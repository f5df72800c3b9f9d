"""The catalogue as a file that `reading` takes back unchanged: json, xlsx, or csv with the items' own table alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from casework.canonical import Document
from casework.documents import item as items
from central.catalogue import delimited, libraries, workbook
from central.catalogue.drafts import DRAFTING
from central.catalogue.publishing import items_of_release, published_items
from central.catalogue.records import FORMAT
from central.catalogue.sheets import (
    FORMS_SHEET,
    FORMS_TITLES,
    LONGEST_CELL,
    REST,
    RowsWritten,
    named_forms,
    titles_of,
    writable,
    write_directories,
    write_items,
)
from central.catalogue.workbook import Table
from provisioning.county import County
from web.spreadsheet import csv_lines


def contents_of(county: County, *, release: int | None = None, drafts: bool = False) -> list[Document]:
    """What there is to export, by code: what is published, what a release brought, or the drafts as they stand.

    Raises CatalogueRefused for a release that is not there, or whose items are gone.
    """
    if drafts:
        found = [draft["item"] for draft in county.databases.open(DRAFTING).range("draft:", "draft:\uffff")]
    elif release is None:
        found = published_items(county)
    else:
        found = items_of_release(county, release)
    return sorted(map(items.content_of, found), key=lambda content: content["code"])


def directories_of(county: County) -> list[Document]:
    """The directories above items, as the county keeps them now."""
    if county.databases.existing(DRAFTING) is None:
        return []
    return sorted(libraries.load(county).directory.values(), key=lambda one: str(one["id"]))


def to_json(contents: Iterable[Document], directories: Sequence[Document] = ()) -> bytes:
    """With each form once."""
    named, forms = named_forms(contents)
    above = {"directories": list(directories)} if directories else {}
    whole = {"format": FORMAT, "forms": forms, **above, "items": named}
    return (json.dumps(whole, ensure_ascii=False, indent=1) + "\n").encode()


def to_xlsx(contents: Iterable[Document], directories: Sequence[Document] = ()) -> bytes:
    """With a sheet for each list of an item, one for the forms, and in each a last column for what no other shows."""
    named, forms = named_forms(contents)
    above = [write_directories(directories, seen=workbook.seen_again)] if directories else []
    return workbook.write_workbook(_tables([*write_items(named, seen=workbook.seen_again), *above], forms))


def _tables(written: Sequence[RowsWritten], forms: dict[str, Any]) -> Iterator[Table]:
    for sheet in written:
        columns = titles_of(sheet.plan)
        wanted = max([1, *(len(_pieces(rest)) for rest in sheet.rests)])
        titles = [column.title for column in columns] + [REST if n == 0 else f"{REST}续{n}" for n in range(wanted)]
        rows = ([*row, *_pieces(rest)] for row, rest in zip(sheet.rows, sheet.rests, strict=True))
        yield sheet.plan.name, titles, rows, [column.width for column in columns] + [20] * wanted
    pieces: list[list[str | int]] = [
        [name, n, piece]
        for name, form in forms.items()
        for n, piece in enumerate(_pieces(writable(json.dumps(form, ensure_ascii=False))), start=1)
    ]
    yield FORMS_SHEET, FORMS_TITLES, pieces, [24, 6, 80]


def _pieces(text: str) -> list[str]:
    """A text cut into what a cell can hold; an empty one has one piece."""
    return [text[start : start + LONGEST_CELL] for start in range(0, max(len(text), 1), LONGEST_CELL)]


def to_csv(contents: Iterable[Document], _directories: Sequence[Document] = ()) -> bytes:
    """In UTF-8 with the mark that spreadsheets need; what has a sheet of its own elsewhere is not in it."""
    named, _ = named_forms(contents)
    (sheet,) = write_items(named, seen=delimited.seen_again, lists=False)
    titles = [*(column.title for column in sheet.plan.columns), REST]
    rows = ([*map(str, row), rest] for row, rest in zip(sheet.rows, sheet.rests, strict=True))
    return "".join(csv_lines(titles, rows)).encode()


WRITERS: Final[dict[str, Callable[[Iterable[Document], Sequence[Document]], bytes]]] = {
    ".xlsx": to_xlsx,
    ".csv": to_csv,
    ".json": to_json,
}
"""By the file name's ending; each takes the items and the directories above them."""
