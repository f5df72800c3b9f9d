"""A catalogue file of any kind, read as what an import takes: records, where each stood, and what to say of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final
from unicodedata import normalize

from casework.canonical import Document
from casework.documents import item as items
from central.catalogue import delimited, sheets
from central.catalogue.findings import CatalogueRefused, Finding
from central.catalogue.records import FORMAT
from central.catalogue.sheets import (
    ABSENT,
    CODE,
    DIRECTORIES,
    FORMS_SHEET,
    FORMS_TITLES,
    ITEMS,
    LISTS,
    REST,
    Column,
    Plan,
)
from central.catalogue.workbook import Cell, Row, Workbook

LARGEST_FILE: Final = 20 << 20
MOST_ITEMS: Final = 5_000
MOST_REFUSED: Final = 200
"""Bad cells that are listed; whoever has more has another trouble."""
_HEAD_WITHIN = 20
"""Rows of headings above the titles."""

Progress = Callable[[float], None]
"""Hears how much of a file has been read, from 0 to 1."""

# Rows between two words about it.
_TOLD_EVERY = 200


def _unheard(_share: float) -> None:
    pass


def read_file(path: Path, progress: Progress = _unheard) -> Any:
    """What a file says. Raises CatalogueRefused for a kind of file that cannot be read, and for one too large."""
    if path.stat().st_size > LARGEST_FILE:
        raise CatalogueRefused(_too_large(path.stat().st_size))
    return read(path.name, path.read_bytes(), progress)


def read(name: str, content: bytes, progress: Progress = _unheard) -> Any:
    """What a file of this name says: for JSON as it is, else a catalogue file's object that also states its places."""
    ending = Path(name).suffix.lower()
    reader = READERS.get(ending)
    if reader is None:
        advice = _ADVICE.get(ending, "")
        raise CatalogueRefused(f"读不了 {name}：能导入的文件有 {'、'.join(READERS)}。{advice}")
    if len(content) > LARGEST_FILE:
        raise CatalogueRefused(_too_large(len(content)))
    if not content.strip():
        raise CatalogueRefused("文件是空的。")
    return reader(content, progress)


def _too_large(size: int) -> str:
    return f"文件有 {size >> 20} MB，最多 {LARGEST_FILE >> 20} MB：分成几个文件导入。"


def read_json(content: bytes, _progress: Progress = _unheard) -> Any:
    """A catalogue file in JSON. Raises CatalogueRefused with what is wrong with it."""
    try:
        return json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise CatalogueRefused("文件不是 UTF-8 编码：在表格或编辑器里另存为 UTF-8 再导入。") from None
    except (ValueError, RecursionError) as error:
        raise CatalogueRefused(f"文件不是完整的 JSON：{error}") from None


def read_xlsx(content: bytes, progress: Progress = _unheard) -> Document:
    """A workbook of ours, or one that somebody filled in. Raises CatalogueRefused."""
    book = Workbook(content)
    reading = _Reading(lambda _rows: progress(book.share_read()), notes=list(book.notes))
    by_name = {_plain(sheet.name): sheet for sheet in book.sheets}
    shown = [sheet for sheet in book.sheets if not sheet.hidden]
    if _plain(ITEMS.name) not in by_name and len(shown) == 1:
        reading.notes.append(f"没有叫“{ITEMS.name}”的工作表，把唯一的“{shown[0].name}”当作它读。")
        by_name = {_plain(ITEMS.name): shown[0]}
    if _plain(ITEMS.name) not in by_name:
        raise CatalogueRefused(f"工作簿里没有叫“{ITEMS.name}”的工作表。")
    for plan in (*sheets.SHEETS, DIRECTORIES):
        sheet = by_name.pop(_plain(plan.name), None)
        if sheet is not None and sheet.hidden:
            reading.refuse(Finding(0, "", "工作表是隐藏的，看不见的不导入：取消隐藏，或删掉它。", sheet=sheet.name))
        elif sheet is not None and plan is DIRECTORIES:
            reading.take_directories(sheet.name, sheet.rows())
        elif sheet is not None:
            reading.take(plan, sheet.name, sheet.rows(), sheet.merged)
    forms = by_name.pop(_plain(FORMS_SHEET), None)
    if forms is not None:
        reading.take_forms(forms.name, forms.rows())
    reading.notes += [f"不认识工作表“{sheet.name}”，没有读。" for sheet in by_name.values()]
    return reading.said()


def read_csv(content: bytes, progress: Progress = _unheard) -> Document:
    """The sheet 事项 alone. Raises CatalogueRefused."""
    text, encoding = delimited.decoded(content)
    lines = text.count("\n") + 1
    reading = _Reading(lambda rows: progress(min(rows / lines, 1.0)), notes=[f"csv 按 {encoding} 编码读的。"])
    reading.take(sheets.ITEMS_ALONE, "csv", delimited.rows(text), [])
    return reading.said()


READERS: Final[dict[str, Callable[[bytes, Progress], Any]]] = {
    ".xlsx": read_xlsx,
    ".csv": read_csv,
    ".json": read_json,
}
"""By the file name's ending. A reader gives a list of records or a catalogue file's object."""

_ADVICE: Final = {
    ".xls": "老格式的 .xls 请在表格软件里另存为 .xlsx。",
    ".et": "WPS 的 .et 请另存为 .xlsx。",
    ".xlsm": "带宏的 .xlsm 请另存为不带宏的 .xlsx。",
    ".xlsb": "请另存为 .xlsx。",
    ".ods": "请另存为 .xlsx。",
}


def _plain(title: str) -> str:
    """A title as it is compared: widths of signs, blanks and stars for what must be filled in do not count."""
    return "".join(normalize("NFKC", title).split()).strip("*").lower()


_REST = _plain(REST)


@dataclass(slots=True)
class _Titles:
    """Where the columns of a sheet stand. `rest` are those that hold what no column shows, in their order."""

    row: int
    columns: list[tuple[Column, int]]
    rest: list[int]
    code: int


@dataclass(slots=True)
class _Held:
    """An item on its way: its row, its thing, and the rows of its lists with their raw cells."""

    row: int
    thing: Document
    exact: Mapping[str, Any]
    lists: dict[str, list[tuple[int, Document, list[str]]]] = field(default_factory=dict)


@dataclass(slots=True)
class _Reading:
    told: Callable[[int], None]
    notes: list[str] = field(default_factory=list)
    refused: list[Finding] = field(default_factory=list)
    forms: dict[str, Any] = field(default_factory=dict)
    directories: list[Document] = field(default_factory=list)
    _directory_rows: list[int] = field(default_factory=list)
    _names: dict[str, str] = field(default_factory=dict)
    _items: dict[str, _Held] = field(default_factory=dict)
    _spoken: dict[str, Document] = field(default_factory=dict)
    _changed: dict[tuple[str, str, str], tuple[Finding, int]] = field(default_factory=dict)

    def refuse(self, finding: Finding) -> None:
        self.refused.append(finding)
        if len(self.refused) >= MOST_REFUSED:
            raise _TooMuchError

    def take(self, plan: Plan, name: str, rows: Iterable[Row], merged: Sequence[tuple[str, int]]) -> None:
        """All rows of one sheet, and its merged cells, which are known at their end."""
        self._names[plan.path] = name
        try:
            numbered = iter(rows)
            titles = self._titles(plan, name, numbered)
            if titles is None:
                return
            for number, cells in numbered:
                if number % _TOLD_EVERY == 0:
                    self.told(number)
                self._take_row(plan, name, titles, number, cells)
            for area, last_row in merged:
                if last_row > titles.row:
                    said = f"有合并的单元格 {area}，看不出每一行是什么：取消合并，每一格都填上。"
                    self.refuse(Finding(last_row, "", said, sheet=name))
        except _TooMuchError:
            pass

    def _titles(self, plan: Plan, name: str, rows: Iterator[Row]) -> _Titles | None:
        known = {_plain(title): one for one in sheets.titles_of(plan) for title in (one.title, *one.aliases)}
        seen = 0
        for number, cells in rows:
            seen += 1
            found = {column: _plain(cell.text) for column, cell in sorted(cells.items())}
            titles = {known[title].title for title in found.values() if title in known}
            if _key_of(plan) in titles and len(titles) > 1:
                return self._placed(plan, name, number, cells, known)
            if seen >= _HEAD_WITHIN:
                break
        if seen == 0:
            self.notes.append(f"工作表“{name}”是空的，没有读。")
        else:
            said = f"前 {_HEAD_WITHIN} 行里没有标题行：要有“{_key_of(plan)}”和别的列，照导出的样子写。"
            self.refuse(Finding(0, "", said, sheet=name))
        return None

    def _placed(
        self, plan: Plan, name: str, number: int, cells: Mapping[int, Cell], known: Mapping[str, Column]
    ) -> _Titles:
        places: dict[str, int] = {}
        rest = []
        for place, cell in sorted(cells.items()):
            title = _plain(cell.text)
            column = known.get(title)
            if title.startswith(_REST):
                rest.append(place)
            elif column is None:
                self.notes.append(f"{name}：不认识列“{cell.text[:30]}”，没有读。")
            elif column.title in places:
                self.refuse(Finding(number, "", f"有两列“{column.title}”：删掉一列。", sheet=name, column=column.title))
            else:
                places[column.title] = place
        columns = [(one, places[one.title]) for one in plan.columns if one.title in places]
        self._spoken[plan.path] = {"paths": [one.path for one, _ in columns], "rest": bool(rest)}
        return _Titles(number, columns, rest, places[_key_of(plan)])

    def _take_row(self, plan: Plan, name: str, titles: _Titles, number: int, cells: Mapping[int, Cell]) -> None:
        pairs = [(column, cells.get(place)) for column, place in titles.columns]
        code = cells.get(titles.code)
        if not any(
            cell is not None and (cell.text.strip() or cell.kind != "text") for _, cell in [*pairs, (CODE, code)]
        ):
            return
        rest = "".join(cells[place].text for place in titles.rest if place in cells)
        read = sheets.read_row(plan, pairs, rest)
        for title, sentence in read.bad:
            self.refuse(Finding(number, "", sentence, sheet=name, column=title))
        for column, sentence in read.changed:
            self._note_changed(name, number, column, sentence)
        whose = read.thing.get("code") if not plan.path else self._code(name, number, code)
        if read.bad or (whose is None and plan.path):
            return
        if not plan.path:
            self._take_item(name, number, whose, read)
            return
        held = self._items.get(str(whose))
        if held is None:
            # Without its row up there, what is wrong was said there.
            if self._items and not any(one.sheet == self._names[""] for one in self.refused):
                said = f"“{self._names['']}”里没有编码 {whose}。"
                self.refuse(Finding(number, "", said, sheet=name, column=CODE.title))
            return
        by_path = {column.path: cell.text if cell else "" for column, cell in pairs}
        raw = [by_path.get(column.path, "\0") for column in plan.columns]
        held.lists.setdefault(plan.path, []).append((number, read.thing, raw))

    def _take_item(self, name: str, number: int, code: Any, read: sheets.RowRead) -> None:
        if not isinstance(code, str) or not code:
            self.refuse(Finding(number, _name(read.thing), "没有编码。", sheet=name, column=CODE.title))
            return
        first = self._items.get(code)
        if first is not None:
            said = f"编码 {code} 和第 {first.row} 行重复，一个编码只能有一个事项。"
            self.refuse(Finding(number, _name(read.thing), said, sheet=name, column=CODE.title))
            return
        if len(self._items) >= MOST_ITEMS:
            raise CatalogueRefused(f"一个文件最多 {MOST_ITEMS} 个事项：分成几个文件导入。")
        self._items[code] = _Held(number, read.thing, read.exact)

    def _code(self, name: str, number: int, cell: Cell | None) -> str | None:
        try:
            code = sheets.read_cell(
                CODE, cell or Cell(""), lambda said: self._note_changed(name, number, CODE, said)
            )  # fmt: skip
        except sheets.BadCell as bad:
            self.refuse(Finding(number, "", str(bad), sheet=name, column=CODE.title))
            return None
        if code is ABSENT:
            self.refuse(Finding(number, "", "没有写是哪个事项的。", sheet=name, column=CODE.title))
            return None
        return str(code)

    def _note_changed(self, sheet: str, row: int, column: Column, sentence: str) -> None:
        # A column that is written throughout in one way is one thing to say.
        key = (sheet, column.title, sentence.partition("“")[0] + sentence.rpartition("”")[2])
        finding, count = self._changed.get(
            key, (Finding(row, "", sentence, sheet=sheet, column=column.title), 0)
        )  # fmt: skip
        self._changed[key] = (finding, count + 1)

    def take_directories(self, name: str, rows: Iterable[Row]) -> None:
        """The directories above items; what is wrong between them is judged when they are brought in."""
        self._names[DIRECTORIES.path] = name
        numbered = iter(rows)
        titles = self._titles(DIRECTORIES, name, numbered)
        if titles is None:
            return
        del self._spoken[DIRECTORIES.path]
        for number, cells in numbered:
            pairs = [(column, cells.get(place)) for column, place in titles.columns]
            read = sheets.read_row(DIRECTORIES, pairs, "".join(cells[p].text for p in titles.rest if p in cells))
            for title, sentence in read.bad:
                self.refuse(Finding(number, "", sentence, sheet=name, column=title))
            for column, sentence in read.changed:
                self._note_changed(name, number, column, sentence)
            identifier = str(read.thing.get("id", ""))
            if any(one["id"] == identifier for one in self.directories):
                said = f"目录编号 {identifier} 出现了两次。"
                self.refuse(Finding(number, "", said, sheet=name, column="目录编号"))
            self.directories.append(read.thing)
            self._directory_rows.append(number)

    def take_forms(self, name: str, rows: Iterable[Row]) -> None:
        """Forms, each in pieces that a cell can hold."""
        texts: dict[str, tuple[int, list[str]]] = {}
        titles = [_plain(title) for title in FORMS_TITLES]
        places: list[int] | None = None
        for number, cells in rows:
            if places is None:
                found = {_plain(cell.text): place for place, cell in cells.items()}
                if all(title in found for title in titles):
                    places = [found[title] for title in titles]
                continue
            form, _, piece = (cells.get(place) for place in places)
            if form is not None:
                texts.setdefault(form.text, (number, []))[1].append(piece.text if piece is not None else "")
        for title, (number, pieces) in texts.items():
            try:
                self.forms[title] = json.loads("".join(pieces))
            except (ValueError, RecursionError) as error:
                said = f"表单“{title[:40]}”不是完整的 JSON：{error}。"
                self.refused.append(Finding(number, "", said, sheet=name, column=FORMS_TITLES[2]))

    def said(self) -> Document:
        """Everything as a catalogue file's object. Raises CatalogueRefused when there is nothing in it."""
        if not self._items and not self.refused:
            raise CatalogueRefused("文件里一条事项也没有。")
        origins = []
        for held in self._items.values():
            places: dict[str, Any] = {}
            for plan in LISTS:
                if plan.path in self._spoken:
                    places[plan.path] = self._put_list(plan, held)
            origins.append({"row": held.row, "lists": places})
        warnings = [
            Finding(
                one.row, "", one.sentence + (f"（这样的共 {count} 处）" if count > 1 else ""), "", one.sheet, one.column
            )
            for one, count in self._changed.values()
        ]
        return {
            "format": FORMAT,
            "forms": self.forms,
            "directories": self.directories,
            "items": [held.thing for held in self._items.values()],
            "spoken": self._spoken,
            "origin": {"sheets": self._names, "items": origins, "directories": self._directory_rows},
            "notes": self.notes,
            "found": {"warnings": [asdict(one) for one in warnings], "refused": [asdict(one) for one in self.refused]},
        }

    def _put_list(self, plan: Plan, held: _Held) -> list[Any]:
        rows = held.lists.get(plan.path, [])
        entries, places = sheets.gather(plan, [(number, thing) for number, thing, _ in rows])
        mark, *value = held.exact.get(plan.path, [""])
        if mark and mark == sheets.list_mark(plan, [raw for _, _, raw in rows]):
            if value:
                held.thing[plan.path] = value[0]
        elif entries:
            held.thing[plan.path] = entries
        else:
            empty = sheets.unsaid(items.CONTENT_SCHEMA, plan.path)
            if empty is not ABSENT:
                held.thing[plan.path] = empty
        return places


class _TooMuchError(Exception):
    """So much is wrong that the rest need not be read."""


def _key_of(plan: Plan) -> str:
    """The title of the column that says whose row it is."""
    return CODE.title if plan.schema is None else plan.columns[0].title


def _name(thing: Mapping[str, Any]) -> str:
    return str(thing.get("name") or "")[:60]


# -- with what is known ----------------------------------------------------------------------------------------------


def completed(said: Any, known: Callable[[str], Document | None]) -> Any:
    """What a file says, each item whole: what its columns do not speak of stays as it is known. Files that state whole
    records come back as they are.
    """
    if not isinstance(said, dict) or "spoken" not in said:
        return said
    spoken: Mapping[str, Any] = said["spoken"]
    whole = []
    for record in said["items"]:
        before = known(str(record.get("code")))
        whole.append(_completed(record, before if before is not None else {}, spoken))
    return {**said, "items": whole}


_KEPT_WHEN_EMPTY = frozenset({"form", "form_version"})


def _completed(record: Document, before: Document, spoken: Mapping[str, Any]) -> Document:
    mapped = (*(column.path for column in ITEMS.columns), *(plan.path for plan in LISTS))
    done = _without(before, [path for path in spoken[""]["paths"] if path not in _KEPT_WHEN_EMPTY or path in record])
    if spoken[""]["rest"]:
        done = _without(done, _leaves(sheets.remainder(done, mapped)))
    rows = {plan.path: deepcopy(record[plan.path]) for plan in LISTS if plan.path in record}
    sheets.merge(done, deepcopy({name: value for name, value in record.items() if name not in rows}))
    for plan in LISTS:
        if plan.path not in spoken:
            continue
        if plan.path in rows:
            done[plan.path] = _completed_rows(plan, rows[plan.path], before.get(plan.path, []), spoken[plan.path])
        else:
            done.pop(plan.path, None)
    sheets.fill(done, items.CONTENT_SCHEMA)
    return done


def _completed_rows(
    plan: Plan, rows: Sequence[Document], before: Sequence[Document], spoken: Mapping[str, Any]
) -> list[Document]:
    silent = not spoken["rest"] or len(spoken["paths"]) < len(plan.columns)
    by_key = {entry.get(plan.key): entry for entry in before} if plan.key else {}
    used = {row.get(plan.key) for row in rows}
    done = []
    for row in rows:
        if plan.key == "id" and not row.get("id"):
            row["id"] = _free_id(row, before, used)
            used.add(row["id"])
        if silent and plan.key and not plan.inner and row.get(plan.key) in by_key:
            known = _without(by_key[row[plan.key]], spoken["paths"])
            sheets.merge(known, row)
            done.append(known)
        else:
            done.append(row)
    for row in done:
        if not plan.inner:
            sheets.fill(row, sheets.schema_of(plan))
    return done


def _free_id(row: Mapping[str, Any], before: Sequence[Document], used: set[Any]) -> str:
    for entry in before:
        if entry.get("name") == row.get("name") and entry.get("id") not in used:
            return str(entry["id"])
    return next(name for name in (f"m{n:02d}" for n in range(1, 10_000)) if name not in used)


def _leaves(thing: Mapping[str, Any], before: str = "") -> list[str]:
    found = []
    for name, value in thing.items():
        found += _leaves(value, f"{before}{name}.") if isinstance(value, dict) and value else [f"{before}{name}"]
    return found


def _without(thing: Mapping[str, Any], paths: Iterable[str]) -> Document:
    """A copy less these fields, and less the groups that have nothing left."""
    done = json.loads(json.dumps(thing))
    for path in paths:
        way = [done]
        *steps, last = path.split(".")
        for step in steps:
            inside = way[-1].get(step) if isinstance(way[-1], dict) else None
            way.append(inside)
        if isinstance(way[-1], dict):
            way[-1].pop(last, None)
        for step, outer, inside in reversed(list(zip(steps, way, way[1:], strict=False))):
            if inside == {}:
                outer.pop(step, None)
    assert isinstance(done, dict)
    return done


# -- where a finding stands ------------------------------------------------------------------------------------------


def located_directory(identifier: str, path: str, sentence: str, said: Any) -> Finding:
    """What is wrong with a directory of this number, where it stands in the file."""
    place = next((n for n, one in enumerate(said["directories"]) if str(one.get("id")) == identifier), 0)
    if "origin" not in said:
        return Finding(place + 1, identifier, f"目录 {identifier}：{sentence}", path)
    column = DIRECTORIES.column(path)
    title = column.title if column is not None else path
    row = said["origin"]["directories"][place]
    return Finding(row, "", sentence, path, said["origin"]["sheets"][DIRECTORIES.path], title)


def located(finding: Finding, said: Any) -> Finding:
    """The same finding with sheet, row and column in place of the record's number and the field's path."""
    if not isinstance(said, dict) or "origin" not in said or not 0 < finding.row <= len(said["origin"]["items"]):
        return finding
    names, origin = said["origin"]["sheets"], said["origin"]["items"][finding.row - 1]
    head, _, tail = finding.path.partition(".")
    plan = next((plan for plan in LISTS if plan.path == head), None)
    sentence = finding.sentence.removeprefix(f"{finding.path}：")
    place, _, inside = tail.partition(".")
    if plan is None or plan.path not in names or not place.isdigit():
        column = ITEMS.column(finding.path)
        title = column.title if column is not None else finding.path
        if column is not None and "paths" in said["spoken"][""] and column.path not in said["spoken"][""]["paths"]:
            sentence = f"{sentence}（文件里没有这一列）"
        return Finding(origin["row"], finding.name, sentence, finding.path, names[""], title)
    row: Any = origin["lists"].get(plan.path, [])
    row = row[int(place)] if int(place) < len(row) else 0
    if isinstance(row, list):
        number = inside.split(".")[1] if inside.startswith(f"{plan.inner}.") else "0"
        inside = ".".join([plan.inner, *inside.split(".")[2:]]) if inside.startswith(f"{plan.inner}.") else inside
        row = row[int(number)] if number.isdigit() and int(number) < len(row) else row[0]
    column = plan.column(inside)
    title = column.title if column is not None else inside
    return Finding(row, finding.name, sentence, finding.path, names[plan.path], title)
