"""The county's catalogue: items come in as drafts, are checked, and go out in signed, numbered releases."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from casework import schemas
from casework.canonical import Document, NotCanonical, canonical, content_hash
from casework.documents import item as items
from casework.documents import release as releases
from casework.forms import check_conditions, validate_form
from casework.holidays import known_calendars
from casework.signing import sign_document
from casework.times import rfc3339
from provisioning import ProvisioningError
from provisioning.county import County
from provisioning.register import CATALOGUE
from sync.revisions import revisions_field
from sync.store import Store

DRAFTING: Final = "drafting"
"""The county's own database of drafts. No register grants it to a station."""

FORMAT: Final = "yizhan-catalogue-1"
DRAFT, APPROVED = "暂存", "已入库"  # domain.md, 1: the ends of the life cycle; its approvals come between

TYPES: Final = {
    "01": "行政许可",
    "02": "行政处罚",
    "03": "行政强制",
    "04": "行政征收",
    "05": "行政给付",
    "06": "行政检查",
    "07": "行政确认",
    "08": "行政奖励",
    "09": "行政裁决",
    "10": "其他行政权力",
    "20": "公共服务",
}
"""事项类型, GB/T 39046-2020 A.1. A county may have others: they are carried, with a warning."""

# The letters are the county's to choose (domain.md, 1); these are the ones that the reference uses.
TYPE_LETTERS: Final = {
    "XK": "01",
    "CF": "02",
    "QZ": "03",
    "ZS": "04",
    "JF": "05",
    "JC": "06",
    "QR": "07",
    "JL": "08",
    "CJ": "09",
    "QT": "10",
    "GF": "20",
}
COUNTY_CODE: Final = re.compile(r"(\d{8})([A-Z]{2})-([A-Z]{2})-(\d{4})")

PLAIN_FORM: Final[Document] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "通用申请表",
    "type": "object",
    "additionalProperties": False,
    "required": ["reason"],
    "properties": {
        "reason": {
            "title": "申请事由",
            "type": "string",
            "minLength": 2,
            "maxLength": 500,
            "examples": ["本人符合办理条件，现申请办理。"],
            "x-widget": "textarea",
            "x-order": 1,
        },
        "remark": {
            "title": "备注",
            "type": "string",
            "maxLength": 500,
            "examples": ["材料由家里人送来"],
            "x-widget": "textarea",
            "x-order": 2,
        },
    },
}
"""What an item without a form of its own is applied for with."""

_LEVELS: Final = {"4": "county", "5": "township", "6": "village"}  # GB/T 39046-2020 A.2
_TOWNSHIP = "乡镇人民政府"
_HTML = re.compile(r"</?[a-zA-Z][^>]*>")
_NOT_IN_FORMS: Final = ("$ref", "$dynamicRef", "allOf", "if", "then", "else")
_publishing = threading.Lock()


class CatalogueRefused(ProvisioningError):
    """An import or a release that cannot be made; the message says what to put right."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is to be said about one record: its place in the file (from 1; 0 is the file itself), and why."""

    row: int
    name: str
    sentence: str

    def __str__(self) -> str:
        return f"第 {self.row} 条 {self.name}：{self.sentence}"


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, by item code. With anything in `refused`, nothing was written at all."""

    approved: bool
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)
    refused: list[Finding] = field(default_factory=list)

    @property
    def imported(self) -> bool:
        return not self.refused


@dataclass(frozen=True, slots=True)
class Publication:
    """The release that stations are to use now; `new` is False when nothing had changed since it was made."""

    number: int
    at: str
    items: int
    changed: list[str]
    new: bool


# Reading.


def read_json(content: bytes) -> Any:
    """A catalogue file in JSON. Raises CatalogueRefused with what is wrong with it."""
    try:
        return json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise CatalogueRefused("文件不是 UTF-8 编码：在表格或编辑器里另存为 UTF-8 再导入。") from None
    except (ValueError, RecursionError) as error:
        raise CatalogueRefused(f"文件不是完整的 JSON：{error}") from None


READERS: Final[dict[str, Callable[[bytes], Any]]] = {".json": read_json}
"""By the file name's ending. A reader gives a list of records or a catalogue file's object."""


def read_file(path: Path) -> Any:
    """The records of a file. Raises CatalogueRefused for a kind of file that cannot be read."""
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise CatalogueRefused(f"读不了 {path.name}：能导入的文件有 {'、'.join(READERS)}。")
    return reader(path.read_bytes())


@dataclass(slots=True)
class _Reading:
    """Records on their way to being items."""

    region: str
    forms: Mapping[str, Any]
    warnings: list[Finding] = field(default_factory=list)
    refused: list[Finding] = field(default_factory=list)
    contents: list[tuple[int, Document]] = field(default_factory=list)
    _rows_by_code: dict[str, int] = field(default_factory=dict)
    _departments: dict[str, str] = field(default_factory=dict)

    def take(self, row: int, record: Any) -> None:
        """One record: an item that joins `contents`, or a line in `refused`."""
        name = str(record.get("name") or "")[:60] if isinstance(record, dict) else ""
        try:
            content = self._content(record)
            canonical(content)
        except _BadRecordError as bad:
            self.refused.append(Finding(row, name, str(bad)))
            return
        except NotCanonical:
            self.refused.append(Finding(row, name, "有小数、过大的整数或残缺的字符，改成整数或文字。"))
            return
        problems = schemas.problems(items.CONTENT_SCHEMA, content) or _form_problems(content)
        if problems:
            path, sentence = next(iter(problems.items()))
            more = f"（另有 {len(problems) - 1} 处）" if len(problems) > 1 else ""
            self.refused.append(Finding(row, name, f"{path}：{sentence}{more}"))
            return
        code = content["code"]
        first = self._rows_by_code.setdefault(code, row)
        if first != row:
            self.refused.append(Finding(row, name, f"编码 {code} 和第 {first} 条重复，一个编码只能有一个事项。"))
            return
        self.warnings += (Finding(row, name, sentence) for sentence in self._doubts(content))
        self.contents.append((row, content))

    def _content(self, record: Any) -> Document:
        if not isinstance(record, dict):
            raise _BadRecordError("不是一条事项记录。")
        if not isinstance(record.get("name"), str) or not record["name"].strip():
            raise _BadRecordError("没有事项名称（name）。")
        content = _from_inventory(record) if "code_county_rule" in record else dict(record)
        if not isinstance(content.get("code"), str):
            raise _BadRecordError("没有事项编码（code）。")
        form = content.setdefault("form", PLAIN_FORM)
        content.setdefault("form_version", 1)
        if isinstance(form, str):
            if form not in self.forms:
                raise _BadRecordError(f"文件里没有叫“{form}”的表单。")
            content["form"] = self.forms[form]
        return {name: value for name, value in content.items() if not name.startswith("_")}

    def _doubts(self, content: Document) -> Iterator[str]:
        """What a person should look at, and what does not stop an import."""
        code = COUNTY_CODE.fullmatch(content["code"])
        if code is None:
            yield f"编码 {content['code']} 不合编码规则（8 位区划 + 2 位部门字母 - 类型字母 - 4 位顺序号）。"
        else:
            region, department, kind, _ = code.groups()
            if not region.startswith(self.region):
                yield f"编码的区划 {region} 不是本县的 {self.region}。"
            known = self._departments.setdefault(department, content["department"])
            if known != content["department"]:
                yield f"部门字母 {department} 在别处是“{known}”，这里是“{content['department']}”。"
            said = content.get("department_letters")
            if said is not None and said != department:
                yield f"编码里的部门字母是 {department}，记录里写的是 {said}。"
            if kind not in TYPE_LETTERS:
                yield f"不认识类型字母 {kind}。"
            elif content.get("type_code", TYPE_LETTERS[kind]) != TYPE_LETTERS[kind]:
                yield f"编码里的类型字母 {kind} 与类型“{content['type']}”对不上。"
        type_code = content.get("type_code")
        if type_code is not None and TYPES.get(type_code) != content["type"]:
            yield f"类型代码 {type_code} 与类型“{content['type']}”对不上。"
        if content.get("directory") is not None:
            yield f"没有目录“{content['directory']}”，先不归入目录。"
        if any(_HTML.search(text) for text in _texts({k: v for k, v in content.items() if k != "form"})):
            yield "文字里有 HTML 标签，会照原样显示出来。"


class _BadRecordError(Exception):
    """A record that cannot become an item."""


def _from_inventory(record: Mapping[str, Any]) -> Document:
    """An inventory's record (`code_county_rule`, `decided_by`, …) as an item; its guide is to be written."""
    try:
        level = _LEVELS[record["handling_level_code"]]
        department, decided_by = record["department"], record.get("decided_by")
        office = re.sub(r"[(（].*?[)）]|[;；].*$", "", decided_by).strip() if decided_by else ""
        decides = level
        if decided_by:
            # 县民政局(可委托乡镇) is the county's all the same: who entrusts, decides.
            decides = "township" if office == _TOWNSHIP else "county" if office.startswith("县") else level
        proxy = record["village_role"] != "公开告知"
        content: Document = {
            "code": record["code_county_rule"],
            "name": record["name"],
            "category": department,
            "type": record["type"],
            "type_code": record["type_code"],
            "department": department,
            "department_letters": record["dept_letters"],
            "handling_level": level,
            "decides": {"level": decides, "department": department, "office": office or department},
            "village_role": record["village_role"],
            "service_objects": record["service_object"],
            "case_type": record["case_type"],
            "conditions": [],
            "materials": [
                {
                    "id": f"m{place:02d}",
                    "name": material["name"],
                    "type": material["material_type"],
                    "form": material["form"],
                    "copies": material["copies"],
                    "necessity": material["necessity"],
                    "source": material["source"],
                    "source_code": material["source_code"],
                }
                for place, material in enumerate(record["materials"], start=1)
            ],
            "legal": record["legal_limit"],
            "promised": {"n": record["promised_workdays"], "unit": "工作日"},
            "fee": {"charged": record["fee"], "amount": None, "basis": ""},
            "visits": {"count": record["onsite_visits"], "reason": ""},
            "steps": [],
            "result": {"name": "", "kind": ""},
            "phones": {"enquiry": "", "complaint": ""},
            "basis": [],
            "proxy_allowed": proxy,
            "withdraw_until": "decided",
            "provenance": record["provenance"],
            "inventory_id": record["id"],
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise _BadRecordError(f"缺少或写错了 {error}。") from None
    for name, source in (("limit_basis", "limit_basis"), ("note", "note")):
        if record.get(source):
            content[name] = record[source]
    return content


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _form_problems(content: Document) -> dict[str, str]:
    """What keeps a station from filling in an item's form: parts that no page shows, conditions that ask for what
    is not there, examples that lack or fail.
    """
    form = content["form"]
    wrong = schemas.schema_errors(form)
    if wrong:
        return {"form": f"表单不是正确的 JSON Schema：{wrong[0]}"}
    found = _unfillable(form, "form") or check_conditions(content)
    if not found:
        examples = validate_form(form, first_examples(form))
        found = {f"form.{name}": f"第一个例子通不过：{sentence}" for name, sentence in examples.items()}
    return found


def first_examples(form: Mapping[str, Any]) -> dict[str, Any]:
    """A form filled in with the first example of everything that it requires."""
    filled: dict[str, Any] = {}
    for name in form.get("required", ()):
        field_schema = form["properties"][name]
        nested = "properties" in field_schema
        filled[name] = first_examples(field_schema) if nested else field_schema["examples"][0]
    return filled


def _unfillable(form: Document, path: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for word in _NOT_IN_FORMS:
        if word in form:
            found[path] = f"表单里不能用 {word}。"
    properties = form.get("properties", {})
    for name in form.get("required", []):
        if name not in properties:
            found[f"{path}.{name}"] = "必填，却没有这一栏。"
        elif "properties" not in properties[name] and not properties[name].get("examples"):
            found[f"{path}.{name}"] = "必填的栏目要有例子（examples）。"
    for name, inner in properties.items():
        if isinstance(inner, dict):
            nested = inner.get("items", inner) if inner.get("type") == "array" else inner
            if isinstance(nested, dict):
                found |= _unfillable(nested, f"{path}.{name}")
    return found


# Checking.


def check_items(contents: Iterable[tuple[int, Document]]) -> list[Finding]:
    """The consistency rules of a published checker (domain.md, 1), each broken one with its reason."""
    return [
        Finding(row, content["name"], sentence) for row, content in contents for sentence in _inconsistencies(content)
    ]


def _inconsistencies(content: Document) -> Iterator[str]:
    promised, legal = content["promised"], content["legal"]
    at_once = promised is not None and promised["n"] == 0
    if at_once != (content["case_type"] == "即办件"):
        yield "即办件的承诺时限要是 0；承诺时限是 0 的要是即办件。"
    if content["visits"]["count"] > 0 and not content["visits"]["reason"].strip():
        yield "要到现场的，写明为什么要到现场。"
    if content["fee"]["charged"] and not content["fee"]["basis"].strip():
        yield "收费的，写明收费依据。"
    if content["type"] == "行政许可" and not content.get("faq"):
        yield "行政许可至少要有一个常见问题。"
    if content["result"]["name"] and not content["result"].get("sample"):
        yield "有结果名称的，要有结果样本。"
    phones = content["phones"]
    if phones["enquiry"] and phones["enquiry"] == phones["complaint"]:
        yield "咨询电话和监督电话不能是同一个。"
    if promised and legal and promised["unit"] == legal["unit"] and promised["n"] > legal["n"]:
        yield f"承诺时限（{promised['n']}）比法定时限（{legal['n']}）还长。"


def read_records(county: str, said: Any) -> tuple[list[tuple[int, Document]], ImportReport]:
    """What a file says, as numbered items, and what is wrong with it; `county` is six digits."""
    records, forms = said, dict[str, Any]()
    if isinstance(said, dict):
        if said.get("format") != FORMAT:
            raise CatalogueRefused(f'不是事项目录：要么是一列记录，要么写明 "format": "{FORMAT}"。')
        records, forms = said.get("items"), said.get("forms") or {}
    if not isinstance(records, list) or not isinstance(forms, dict):
        raise CatalogueRefused("文件里没有一列事项记录。")
    if not records:
        raise CatalogueRefused("文件里一条事项也没有。")
    reading = _Reading(county, forms)
    for row, record in enumerate(records, start=1):
        reading.take(row, record)
    reading.warnings += check_items(reading.contents)
    reading.warnings.sort(key=lambda finding: finding.row)
    return reading.contents, ImportReport(False, warnings=reading.warnings, refused=reading.refused)


# Drafts.


def import_items(county: County, records: Any, *, approve: bool, by: str) -> ImportReport:
    """Bring records in as drafts, all or none; with `approve` they are taken as approved (a first load).

    `records` is a list of our items or of an inventory's records, or a catalogue file's object. `by` is who
    brings them in. Raises CatalogueRefused for what is no catalogue at all.
    """
    contents, found = read_records(county.register().county, records)
    report = ImportReport(approve, warnings=found.warnings, refused=found.refused)
    if report.refused:
        return report
    drafting = county.databases.open(DRAFTING)
    now = rfc3339(county.now())
    written = []
    for _, content in contents:
        known = drafting.get(_draft_id(content["code"]))
        state = APPROVED if approve else DRAFT
        if known is not None and items.is_same_content(known["item"], content) and known["state"] in (state, APPROVED):
            report.unchanged.append(content["code"])
            continue
        (report.added if known is None else report.changed).append(content["code"])
        draft: Document = {
            "_id": _draft_id(content["code"]),
            "item": content,
            "state": state,
            "by": by,
            "at": now,
        }
        written.append(_following(known, draft))
    drafting.save(written)
    return report


def _draft_id(code: str) -> str:
    return f"draft:{code}"


def _following(known: Document | None, body: Document) -> Document:
    """The document as the next revision after `known`, named by its own hash: many go in one transaction."""
    path = [content_hash(body)[:32]]
    generation = 1
    if known is not None:
        before, _, tail = known["_rev"].partition("-")
        generation = int(before) + 1
        path.append(tail)
    revisions = revisions_field([f"{generation - place}-{tail}" for place, tail in enumerate(path)])
    return {**body, "_rev": f"{generation}-{path[0]}", "_revisions": revisions}


# Publishing.


def publish(county: County, *, calendars: Sequence[Document] | None = None) -> Publication:
    """Make the next release from the approved drafts and what the last release had, in one transaction.

    What did not change keeps its revision and the release it came with, so that a new release costs the line
    only what is new. `calendars` are unsigned calendars that come besides those of the last release; by
    default the announced years that it lacks. Without any change there is no new release. Raises
    CatalogueRefused when there is nothing to publish.
    """
    with _publishing:
        catalogue = county.databases.open(CATALOGUE)
        last = newest_release(catalogue)
        number = 1 if last is None else last["number"] + 1
        assert number <= 999_999, "release ids have six digits"
        published = _published(catalogue, last)
        if calendars is None:
            calendars = [calendar for calendar in known_calendars() if calendar["_id"] not in published]
        changed = [
            *_new_items(county, published, number),
            *_new_calendars(county, published, calendars),
        ]
        if not changed and last is not None:
            return Publication(last["number"], last["at"], len(last["items"]), [], new=False)
        whole = {**published, **{document["_id"]: document for document in changed}}
        release_items = [document for id_, document in whole.items() if id_.startswith("item:")]
        if not release_items:
            raise CatalogueRefused("还没有审核通过的事项，没有可以发布的。")
        release_calendars = [document for id_, document in whole.items() if id_.startswith("calendar:")]
        manifest = sign_document(
            releases.build(number, rfc3339(county.now()), map(_bare, release_items), map(_bare, release_calendars)),
            county.key.id,
            county.key.sign,
        )
        catalogue.save([*changed, _following(None, manifest)])
        names = [document["_id"].partition(":")[2] for document in changed]
        return Publication(number, manifest["at"], len(release_items), names, new=True)


@dataclass(frozen=True, slots=True)
class Pending:
    """What the next release would bring, and what waits for approval: (code, name) each."""

    new: list[tuple[str, str]]
    changed: list[tuple[str, str]]
    unapproved: list[tuple[str, str]]


def pending(county: County) -> Pending:
    """In what the drafts differ from the newest release."""
    published = _published(county.catalogue, newest_release(county.catalogue))
    found = Pending([], [], [])
    for draft in county.databases.open(DRAFTING).range("draft:", "draft:\uffff"):
        item = draft["item"]
        before = published.get(items.item_id(item["code"]))
        if before is not None and items.is_same_content(before, item):
            continue
        fate = found.unapproved if draft["state"] != APPROVED else found.new if before is None else found.changed
        fate.append((item["code"], item["name"]))
    return found


def published_items(county: County) -> list[Document]:
    """The items of the newest release, in the order of their codes."""
    published = _published(county.catalogue, newest_release(county.catalogue))
    return [document for id_, document in sorted(published.items()) if id_.startswith("item:")]


def newest_release(catalogue: Store) -> Document | None:
    """The manifest with the highest number."""
    found = catalogue.range("release:", "release:\uffff", limit=1, descending=True)
    return found[0] if found else None


def _published(catalogue: Store, last: Document | None) -> dict[str, Document]:
    """The documents of the last release, by id."""
    if last is None:
        return {}
    return {document["_id"]: document for document in catalogue.read(id_ for id_, _, _ in releases.listed(last))}


def _new_items(county: County, published: Mapping[str, Document], number: int) -> Iterator[Document]:
    for draft in county.databases.open(DRAFTING).range("draft:", "draft:\uffff"):
        if draft["state"] != APPROVED:
            continue
        before = published.get(items.item_id(draft["item"]["code"]))
        # An item that an older key of the county signed is signed anew: that key may not count for ever.
        if before is not None and before["key"] == county.key.id and items.is_same_content(before, draft["item"]):
            continue
        yield _following(before, items.build(draft["item"], release=number, key=county.key.id, sign=county.key.sign))


def _new_calendars(
    county: County, published: Mapping[str, Document], calendars: Iterable[Document]
) -> Iterator[Document]:
    for calendar in calendars:
        before = published.get(calendar["_id"])
        if before is not None and before["key"] == county.key.id and _says(before) == _says(calendar):
            continue
        yield _following(before, sign_document(calendar, county.key.id, county.key.sign))


def _says(calendar: Document) -> Document:
    return {name: value for name, value in calendar.items() if not name.startswith("_") and name not in ("key", "sig")}


def _bare(document: Document) -> Document:
    return {name: value for name, value in document.items() if name != "_revisions"}


# As operations of the service.


def catalogue_import(county: County, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """`import_items` with {records, approve, by}; answers with the report as JSON."""
    report = import_items(
        county,
        arguments.get("records"),
        approve=bool(arguments.get("approve")),
        by=str(arguments.get("by") or "command"),
    )
    return {**asdict(report), "imported": report.imported}


def catalogue_check(county: County, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What `import_items` would refuse and warn of, with {records}; writes nothing."""
    contents, report = read_records(county.register().county, arguments.get("records"))
    return {**asdict(report), "items": len(contents)}


def catalogue_publish(county: County, _arguments: Mapping[str, Any]) -> dict[str, Any]:
    """`publish`, without arguments; answers with the publication as JSON."""
    return asdict(publish(county))


OPERATIONS: Final = {
    "catalogue_import": catalogue_import,
    "catalogue_check": catalogue_check,
    "catalogue_publish": catalogue_publish,
}
"""By name, for `central.operations`: what a command asks of a county, in service or not."""
