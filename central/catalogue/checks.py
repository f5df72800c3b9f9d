"""The consistency rules that an item is held to before each approval: each is one function, with its source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from casework.canonical import Document
from casework.forms import check_conditions
from casework.identifiers import check_uscc
from central.catalogue.codes import basic_code_problems, code_problems, implementation_code_problems
from central.catalogue.directories import NO_LIBRARIES, BrokenTree, Libraries, article_of, chain, law_title, resolved
from central.catalogue.findings import Finding
from central.catalogue.forms import flow_problems, form_problems


@dataclass(frozen=True, slots=True)
class Context:
    """What a check may look at besides the item. `county` is six digits, `today` an ISO date."""

    libraries: Libraries
    county: str
    today: str


Found = Iterator[tuple[str, str]]
"""(dotted path, sentence) of each thing that is wrong."""


@dataclass(frozen=True, slots=True)
class Check:
    """One rule. `stops`: no approval while it is broken; else it is only said. `later`: it is not asked of a file that
    is still to be imported, because it asks what the county keeps, or what an import refuses anyway."""

    id: str
    title: str
    source: str
    stops: bool
    later: bool
    run: Callable[[Document, Context], Found]


@dataclass(frozen=True, slots=True)
class Inconsistency:
    """What a check found, at which place of the item."""

    check: Check
    path: str
    sentence: str


CHECKS: Final[dict[str, Check]] = {}

_CHECKER: Final = "政务服务事项要素一致性检查（domain.md 1）"


def _check(
    title: str, source: str, *, stops: bool = True, later: bool = False
) -> Callable[[Callable[[Document, Context], Found]], Callable[[Document, Context], Found]]:
    """Enter a check in the table, under its function's name."""

    def entered(run: Callable[[Document, Context], Found]) -> Callable[[Document, Context], Found]:
        name = run.__name__
        CHECKS[name] = Check(name, title, source, stops, later, run)
        return run

    return entered


# -- the published checker's -------------------------------------------------------------------------------------------


@_check("即办件当场办好，当场办好的是即办件", _CHECKER)
def at_once(item: Document, _: Context) -> Found:
    promised = item["promised"]
    if (promised is not None and promised["n"] == 0) != (item["case_type"] == "即办件"):
        yield "promised", "即办件的承诺时限要是 0；承诺时限是 0 的要是即办件。"


@_check("要到现场的，写明原因", _CHECKER)
def visits(item: Document, _: Context) -> Found:
    if item["visits"]["count"] > 0 and not item["visits"]["reason"].strip():
        yield "visits.reason", "要到现场的，写明为什么要到现场。"


@_check("收费要有依据", _CHECKER)
def fee_basis(item: Document, _: Context) -> Found:
    if item["fee"]["charged"] and not item["fee"]["basis"].strip():
        yield "fee.basis", "收费的，写明收费依据。"


@_check("行政许可至少有一个常见问题", _CHECKER)
def questions(item: Document, _: Context) -> Found:
    if item["type"] == "行政许可" and not item.get("faq"):
        yield "faq", "行政许可至少要有一个常见问题。"


@_check("有结果名称的，要有结果样本", _CHECKER)
def result_sample(item: Document, _: Context) -> Found:
    if item["result"]["name"] and not item["result"].get("sample"):
        yield "result.sample", "有结果名称的，要有结果样本。"


@_check("咨询电话和监督电话不同", _CHECKER)
def phones(item: Document, _: Context) -> Found:
    said = item["phones"]
    if said["enquiry"] and said["enquiry"] == said["complaint"]:
        yield "phones.complaint", "咨询电话和监督电话不能是同一个。"


@_check("承诺时限不比法定时限长", "行政许可法第四十二条、第八十二条")
def promise_within_law(item: Document, _: Context) -> Found:
    promised, legal = item["promised"], item["legal"]
    if promised and legal and promised["unit"] == legal["unit"] and promised["n"] > legal["n"]:
        yield "promised", f"承诺时限（{promised['n']}）比法定时限（{legal['n']}）还长。"


# -- what can be filled in and run -------------------------------------------------------------------------------------


@_check("申请表填得了", "站点按申请表收件", later=True)
def form(item: Document, _: Context) -> Found:
    wrong_conditions = check_conditions(item) if isinstance(item["form"].get("properties"), dict) else {}
    yield from ((path, said) for path, said in form_problems(item).items() if path not in wrong_conditions)


@_check("流程走得到头", "办件按流程走", later=True)
def flow(item: Document, _: Context) -> Found:
    yield from flow_problems(item).items()


@_check("材料、栏目和环节的条件，问的是有的情形和栏目", "条件问了没有的，就永远不成立", later=True)
def situations(item: Document, _: Context) -> Found:
    if not isinstance(item["form"].get("properties"), dict):
        return
    yield from check_conditions(item).items()
    steps = (item.get("flow") or {}).get("steps", [])
    # A step's condition is read like a material's: the same words for the same faults.
    conditions = [{"when": step["when"]} if isinstance(step.get("when"), dict) else {} for step in steps]
    asked = {**item, "form": {**item["form"], "properties": item["form"]["properties"]}, "materials": conditions}
    for path, said in check_conditions(asked).items():
        if path.startswith("materials."):
            yield "flow", f"环节“{steps[int(path.split('.')[1])]['title']}”：{said}"


# -- the county's rules and libraries ----------------------------------------------------------------------------------


@_check("编码合编码规则", "政务服务事项编码规则（附录1）", later=True)
def code(item: Document, context: Context) -> Found:
    libraries = context.libraries
    for said in code_problems(item, county=context.county, types=libraries.type, departments=libraries.department):
        yield "code", said


@_check("基本编码和实施编码写对", "国家政务服务事项编码规则（domain.md 1）", later=True)
def national_codes(item: Document, context: Context) -> Found:
    basic, implementation = item.get("basic_code"), item.get("implementation_code")
    if basic:
        for said in basic_code_problems(basic, province=context.county[:2], type_code=item.get("type_code")):
            yield "basic_code", said
    if implementation:
        uscc = (item.get("body") or {}).get("uscc")
        for said in implementation_code_problems(implementation, basic=basic, uscc=uscc):
            yield "implementation_code", said


@_check("行政许可一类的事项，上面要有目录", "seed 002；B1", later=True)
def directory_needed(item: Document, context: Context) -> Found:
    types = context.libraries.type.values()
    if not item.get("directory") and any(one["name"] == item["type"] and one["needs_directory"] for one in types):
        yield "directory", f"“{item['type']}”的事项要归入目录。"


@_check("所属目录在目录库里，上级接得通", "B1", later=True)
def directory_holds(item: Document, context: Context) -> Found:
    if item.get("directory"):
        try:
            chain(context.libraries.directory, item["directory"])
        except BrokenTree as broken:
            yield "directory", str(broken)


@_check("引用的法规在法规库里，而且有效", "行政许可法第十四条至第十七条；B1", later=True)
def basis_in_force(item: Document, context: Context) -> Found:
    for place, entry in enumerate(item["basis"]):
        if "law" not in entry:
            continue
        law = context.libraries.law.get(entry["law"])
        if law is None:
            yield f"basis.{place}.law", f"法规库里没有 {entry['law']}。"
            continue
        until = law.get("until")
        if until and until < context.today:
            yield f"basis.{place}.law", f"{law_title(law)}到 {until} 就失效了，换成现行的。"
        article = entry.get("article", "")
        if article and law.get("articles") and article_of(law, article) is None:
            yield f"basis.{place}.article", f"{law_title(law)}里没有“{article}”。"


@_check("引用的空白表、样表在库里", "B1", later=True)
def blanks_hold(item: Document, context: Context) -> Found:
    known = context.libraries.blank
    for place, material in enumerate(item["materials"]):
        for name in ("blank", "sample"):
            if material.get(name) and material[name] not in known:
                yield f"materials.{place}.{name}", f"表样库里没有 {material[name]}。"
    sample = item["result"].get("sample")
    if sample and sample not in known:
        yield "result.sample", f"表样库里没有 {sample}。"


@_check("业务系统在系统库里", "seed 002；B1", later=True)
def systems_hold(item: Document, context: Context) -> Found:
    for name in item.get("systems", []):
        if name not in context.libraries.system:
            yield "systems", f"业务系统库里没有 {name}。"


@_check("申请表单要有空白表", "GB/T 39046-2020 表4", stops=False, later=True)
def blank_missing(item: Document, _: Context) -> Found:
    for place, material in enumerate(item["materials"]):
        if material["type"] == "申请表单" and not material.get("blank"):
            yield f"materials.{place}.blank", f"“{material['name']}”是申请表单，还没有空白表可以下载。"


@_check("实施主体的信用代码", "GB 32100", stops=False, later=True)
def body_code(item: Document, _: Context) -> Found:
    uscc = (item.get("body") or {}).get("uscc")
    if uscc and (problem := check_uscc(uscc)) is not None:
        yield "body.uscc", problem.sentence


@_check("受委托的，写明委托机关", "行政许可法第二十四条", stops=False, later=True)
def entrusted(item: Document, _: Context) -> Found:
    body = item.get("body") or {}
    if body.get("nature") == "受委托组织" and not body.get("entrusted_by"):
        yield "body.entrusted_by", "实施主体是受委托组织，写明由谁委托。"


@_check("能网上办的，办理形式里有网上", "GB/T 39046-2020 表4", stops=False, later=True)
def ways(item: Document, _: Context) -> Found:
    said = item.get("ways") or []
    if (item.get("online") or {}).get("offered") and said and not {"电脑", "移动"} & set(said):
        yield "ways", "写了能网上办，办理形式里却没有网上。"


# -- asking them -------------------------------------------------------------------------------------------------------


def check_item(content: Document, context: Context) -> list[Inconsistency]:
    """Everything that the checks have against an item as it would be published, what stops it first."""
    whole = resolved(content, context.libraries)
    found = [
        Inconsistency(check, path, sentence)
        for check in CHECKS.values()
        for path, sentence in check.run(whole, context)
    ]
    return sorted(found, key=lambda one: not one.check.stops)


def check_items(contents: Iterable[tuple[int, Document]], context: Context | None = None) -> list[Finding]:
    """The same of items that come in a file, each broken rule with its row; without a context, only what an item can
    be asked alone."""
    alone = Context(NO_LIBRARIES, "", "")
    return [
        Finding(row, content["name"], sentence)
        for row, content in contents
        for check in CHECKS.values()
        if context is not None or not check.later
        for _, sentence in check.run(
            content if context is None else resolved(content, context.libraries), context or alone
        )
    ]


def stopping(found: Iterable[Inconsistency]) -> list[Inconsistency]:
    """Those that keep an item from being approved."""
    return [one for one in found if one.check.stops]


def by_path(found: Iterable[Inconsistency]) -> Mapping[str, str]:
    """Path → sentence, the first of each place."""
    said: dict[str, str] = {}
    for one in found:
        said.setdefault(one.path, one.sentence)
    return said
