"""A catalogue file's records, read as items: ours, or those of an inventory; what is wrong is said of each."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from casework import schemas
from casework.canonical import Document, NotCanonical, canonical
from casework.documents import item as items
from central.catalogue.checks import check_items
from central.catalogue.codes import COUNTY_CODE, TYPE_LETTERS, TYPES
from central.catalogue.findings import CatalogueRefused, Finding, ImportReport
from central.catalogue.forms import PLAIN_FORM, flow_problems, form_problems

FORMAT: Final = "yizhan-catalogue-1"

_LEVELS: Final = {"4": "county", "5": "township", "6": "village"}  # GB/T 39046-2020 A.2
_TOWNSHIP = "乡镇人民政府"
_HTML = re.compile(r"</?[a-zA-Z][^>]*>")


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
        problems = schemas.problems(items.CONTENT_SCHEMA, content) or form_problems(content) or flow_problems(content)
        if problems:
            path, sentence = next(iter(problems.items()))
            more = f"（另有 {len(problems) - 1} 处）" if len(problems) > 1 else ""
            self.refused.append(Finding(row, name, f"{path}：{sentence}{more}", path=path))
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
