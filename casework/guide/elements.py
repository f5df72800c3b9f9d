"""The elements of a guide (办事指南要素): what each is called, which words it may have, where it stands, its shape.

GB/T 39046-2020, table 4 and its annex A. The editor, the guide's page, export and comparison walk these tables, so an
element is added here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from casework.conditions import CONDITION_SCHEMA
from casework.flow import FLOW_SCHEMA
from casework.schemas import nullable, shape, text

CODE = r"[0-9A-Za-z][0-9A-Za-z.-]{0,63}"
ID = r"[a-z0-9][a-z0-9_-]{0,39}"
"""Of a material, a situation, and of what the county's libraries keep."""

UNITS = ("工作日", "自然日")


@dataclass(frozen=True)
class Enumeration:
    """Words to choose from (代码集). `codes`: what is stored → the national code, None where none is known to us;
    `titles`: what is stored → what is shown, where these differ."""

    title: str
    standard: str
    codes: Mapping[str, str | None]
    titles: Mapping[str, str] = field(default_factory=dict)

    def word(self, stored: str) -> str:
        """As it is shown; what we do not know is shown as it stands."""
        return self.titles.get(stored, stored)

    def stored(self, said: str) -> str | None:
        """What to store for a word or a national code; None for neither."""
        if said in self.codes:
            return said
        by_word = {word: name for name, word in self.titles.items()}
        by_code = {code: name for name, code in self.codes.items() if code is not None}
        return by_word.get(said) or by_code.get(said)


GB = "GB/T 39046-2020 "
ENUMERATIONS: Final[Mapping[str, Enumeration]] = {
    "level": Enumeration(
        "行使层级",
        GB + "A.2",
        {"village": "6", "township": "5", "county": "4", "city": "3", "province": "2", "nation": "1"},
        {
            "village": "村（社区）级",
            "township": "镇（乡、街道）级",
            "county": "县级",
            "city": "市级",
            "province": "省级",
            "nation": "国家级",
        },
    ),
    "body_nature": Enumeration(
        "实施主体性质", GB + "A.3", {"法定机关": "1", "授权组织": "2", "受委托组织": "3", "其他": "9"}
    ),
    "service_object": Enumeration(
        "服务对象",
        GB + "A.4",
        {
            "自然人": "1",
            "企业法人": "2",
            "事业法人": "3",
            "社会组织法人": "4",
            "行政机关": "5",
            "其他组织": "6",
        },
    ),
    "way": Enumeration(
        "办理形式",
        GB + "A.6",
        {"窗口": "1", "电脑": "2", "移动": "3", "快递": "4", "其他": "9"},
        {"窗口": "窗口办理", "电脑": "网上办理（电脑）", "移动": "手机等移动端办理", "快递": "快递申请"},
    ),
    "case_type": Enumeration("办件类型", GB + "A.5", {"即办件": "1", "承诺件": "2", "其他": "9"}),
    "necessity": Enumeration("材料必要性", GB + "表4", {"必要": "1", "非必要": "2", "容缺后补": "3"}),
    "source": Enumeration("来源渠道", GB + "表4", {"申请人自备": "10", "政府部门核发": "20", "其他": "99"}),
    # These have no national codes in what we have read; the words are the standard's or those in common use.
    "scope": Enumeration("通办范围", GB + "表4", dict.fromkeys(("全国", "跨省", "跨市", "跨县"))),
    "power_source": Enumeration(
        "权力来源",
        GB + "表4；代码未见",
        dict.fromkeys(("法定本级行使", "上级下放", "上级授权", "同级授权", "上级委托", "同级委托", "其他")),
    ),
    "material_type": Enumeration(
        "材料类型", GB + "表4；代码未见", dict.fromkeys(("原件", "复印件", "原件和复印件", "申请表单", "其他"))
    ),
    "material_form": Enumeration("材料形式", GB + "表4；代码未见", dict.fromkeys(("纸质", "电子", "纸质或电子"))),
    "special_procedure": Enumeration(
        "特别程序",
        "行政许可法第四十五条",
        dict.fromkeys(("听证", "招标", "拍卖", "检验", "检测", "检疫", "鉴定", "专家评审", "现场踏勘", "公示", "其他")),
    ),
    "village_role": Enumeration("村里能做什么", "domain.md 3", dict.fromkeys(("直办", "代办", "协办", "公开告知"))),
}
"""By name, as `Element.enumeration` uses them."""

DECIDING_LEVELS = ("village", "township", "county")
"""Of the levels, those at which a case here can be decided (`decides.level`)."""

WITHDRAW_UNTIL = {
    "never": "收件后不能撤回",
    "accepted": "受理前可以撤回",
    "decided": "作出决定前可以撤回",
}
"""Until which step a withdrawal is accepted at the counter: one rule of the item (domain.md, 2); `step:ID` is until
that step of its flow begins."""

GROUPS: Final[Mapping[str, str]] = {
    "basic": "基本信息",
    "body": "谁来办",
    "basis": "设定依据",
    "conditions": "受理条件",
    "limits": "办理时限",
    "materials": "申请材料",
    "process": "办理流程",
    "fees": "收费",
    "result": "办理结果",
    "service": "怎么办、到哪里办",
    "questions": "常见问题",
    "form": "表单和流程",
}
"""The groups of elements, in the order of the page."""


@dataclass(frozen=True)
class Element:
    """One element of the guide. `id` is its name in an item, `schema` its shape there. `inherited`: an item that leaves
    it empty has what its directory says. `required`: every item has it, be it empty."""

    id: str
    title: str
    group: str
    schema: dict[str, Any]
    enumeration: str | None = None
    required: bool = False
    inherited: bool = False
    hint: str = ""


def _titled(title: str, schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"title": title, **schema, **{f"x-{name}": value for name, value in more.items()}}


def _of(name: str, *, some: bool = False) -> dict[str, Any]:
    """One of an enumeration's words, or some of them."""
    known = ENUMERATIONS[name]
    schema: dict[str, Any] = {"enum": list(known.codes)}
    if known.titles:
        schema["x-titles"] = dict(known.titles)
    return {"type": "array", "items": schema, "uniqueItems": True} if some else schema


def _said(title: str, **more: Any) -> dict[str, Any]:
    """A short text with words to choose from; it may be another one, since inventories differ."""
    return _titled(title, {"type": "string", "maxLength": 40}, **more)


_TEXT = {"type": "string", "maxLength": 4000, "x-widget": "textarea"}
_LINE = {"type": "string", "minLength": 1, "maxLength": 200}
_SHORT = {"type": "string", "maxLength": 40}
_LIMIT = nullable(
    shape(
        {
            "n": _titled("几个", {"type": "integer", "minimum": 0, "maximum": 3660}, hint="当场办好填 0"),
            "unit": _titled("单位", {"enum": list(UNITS)}),
        }
    )
)
_OFFER = shape(
    {"offered": _titled("能不能", {"type": "boolean"}), "text": _titled("怎么做", _TEXT)}, optional=frozenset({"text"})
)
"""Something that is offered or is not, and how it is done (预约、网上支付、快递、网办)."""

DECIDES = shape(
    {
        "level": _titled(
            "哪一级",
            {
                "enum": list(DECIDING_LEVELS),
                "x-titles": {name: ENUMERATIONS["level"].word(name) for name in DECIDING_LEVELS},
            },
        ),
        "department": _titled("部门", _LINE),
        "office": _titled("决定机关", _LINE, hint="落款和盖章的机关，如县民政局"),
    }
)

MATERIAL = shape(
    {
        "id": _titled("标识", text(ID), hint="办件里用它认这份材料，发布后不要改"),
        "name": _titled("材料名称", _LINE),
        "type": _said("材料类型", choices="material_type"),
        "form": _said("材料形式", choices="material_form"),
        "copies": _titled("份数", {"type": "integer", "minimum": 0, "maximum": 99}),
        "necessity": _titled("必要性", _of("necessity")),
        "source": _said("来源渠道", choices="source"),
        "source_code": _said("来源渠道代码"),
        "source_note": _titled("来源渠道说明", _LINE, hint="由谁出具，如户籍地派出所"),
        "spec": _titled("规格", _LINE, hint="如 A4、近期二寸白底"),
        "guidance": _titled("填报须知", _TEXT),
        "acceptance": _titled("受理标准", _TEXT),
        "basis": _titled("要求提供的依据", _TEXT),
        "blank": _titled("空白表", text(ID), choices="blank"),
        "blank_name": _titled("空白表名称", _LINE),
        "sample": _titled("样表", text(ID), choices="sample"),
        "sample_name": _titled("样表名称", _LINE),
        "note": _titled("说明", _TEXT),
        "when": CONDITION_SCHEMA,
    },
    optional=frozenset(
        {
            "source_code", "source_note", "spec", "guidance", "acceptance", "basis", "blank", "blank_name", "sample",
            "sample_name", "note", "when",
        }
    ),
)  # fmt: skip
"""A material (申请材料) with its own elements; `when` says in which situations it is asked for."""

SITUATION = shape(
    {
        "id": _titled("标识", text(ID)),
        "title": _titled("问什么", _LINE),
        "options": _titled(
            "答案",
            {
                "type": "array",
                "minItems": 2,
                "maxItems": 12,
                "items": shape({"id": _titled("标识", text(ID)), "title": _titled("答案", _LINE)}),
            },
            add="加一个答案",
        ),
    }
)
"""A question about the case (情形) whose answer says which materials, fields and steps apply."""

ELEMENTS: Final[tuple[Element, ...]] = (
    Element("code", "事项编码", "basic", text(CODE), required=True),
    Element("name", "事项名称", "basic", _LINE, required=True),
    Element("also_called", "群众怎么叫", "basic", {"type": "array", "items": _LINE}, hint="一行一个，查指南时都找得到"),
    Element("category", "分类", "basic", _LINE, required=True),
    Element("categories", "同时归入", "basic", {"type": "array", "items": _LINE}, hint="一行一个分类"),
    # Whom it is for (老人, 农民 …) and what in life it goes with (生小孩, 建房 …), as people look it up.
    Element("audiences", "给谁的", "basic", {"type": "array", "items": _LINE}, hint="一行一个；留空就按县里的规则归入"),
    Element(
        "life_events", "什么时候用", "basic", {"type": "array", "items": _LINE}, hint="一行一个；留空就按县里的规则归入"
    ),
    Element("order", "排序", "basic", {"type": "integer", "minimum": 0, "maximum": 999_999}),
    Element("type", "事项类型", "basic", _LINE, required=True),
    Element("type_code", "类型代码", "basic", text(r"\d{2}")),
    Element("type_letters", "类型字母", "basic", text(r"[A-Z]{2}")),
    Element("directory", "所属目录", "basic", {"type": "string", "minLength": 1, "maxLength": 64}),
    Element(
        "basic_code", "基本编码", "basic", text(r"[0-9A-Z]{1,32}"), hint="国家目录的编码，12 位；业务办理项再加 2 位"
    ),
    Element(
        "implementation_code", "实施编码", "basic", text(r"[0-9A-Z]{1,40}"), hint="信用代码＋层级＋基本编码，31 位"
    ),
    Element(
        "service_objects",
        "服务对象",
        "basic",
        {**_of("service_object", some=True), "minItems": 1},
        enumeration="service_object",
        required=True,
        inherited=True,
    ),
    Element("case_type", "办件类型", "basic", _of("case_type"), enumeration="case_type", required=True),
    Element("department", "主管部门", "body", _LINE, required=True),
    Element("department_letters", "部门字母", "body", text(r"[A-Z]{2}")),
    Element(
        "body",
        "实施主体",
        "body",
        shape(
            {
                "name": _titled("名称", _LINE),
                "nature": _titled("性质", _of("body_nature")),
                "uscc": _titled("统一社会信用代码", text(most=18)),
                "entrusted_by": _titled("委托机关", _LINE, hint="受委托的才填"),
            },
            optional=frozenset({"name", "nature", "uscc", "entrusted_by"}),
        ),
        inherited=True,
    ),
    Element("handling_level", "行使层级", "body", _of("level"), enumeration="level", required=True),
    Element(
        "power_source",
        "权力来源",
        "body",
        _of("power_source"),
        enumeration="power_source",
        inherited=True,
    ),
    Element("decides", "谁来决定", "body", DECIDES, required=True),
    Element("village_role", "村里能做什么", "body", _of("village_role"), enumeration="village_role", required=True),
    Element("proxy_allowed", "可以请人代办", "body", {"type": "boolean"}, required=True),
    Element("proxy_reason", "不能代办的原因", "body", _TEXT),
    Element("joint_bodies", "联办机构", "body", {"type": "array", "items": _LINE}, inherited=True, hint="一行一个"),
    Element("systems", "业务系统", "body", {"type": "array", "items": text(ID)}, inherited=True),
    Element("scope", "通办范围", "body", _of("scope"), enumeration="scope", inherited=True),
    Element(
        "basis",
        "设定依据",
        "basis",
        {
            "type": "array",
            "items": shape(
                {
                    "law": _titled("法规库", text(ID), choices="law"),
                    "title": _titled("名称", _LINE, width="f6"),
                    "article": _titled("条款", _TEXT, width="f3"),
                    "text": _titled("内容", _TEXT),
                },
                optional=frozenset({"law", "article", "text"}),
            ),
        },
        required=True,
        inherited=True,
    ),
    Element(
        "conditions",
        "受理条件",
        "conditions",
        {"type": "array", "items": _TEXT},
        required=True,
        inherited=True,
        hint="一行一条",
    ),
    Element("quantity_limit", "数量限制", "conditions", _TEXT, inherited=True, hint="没有限制的留空"),
    Element(
        "intermediary",
        "中介服务",
        "conditions",
        {
            "type": "array",
            "items": shape(
                {"name": _titled("服务名称", _LINE), "basis": _titled("依据", _TEXT), "text": _titled("说明", _TEXT)},
                optional=frozenset({"basis", "text"}),
            ),
        },
        inherited=True,
    ),
    Element("promised", "承诺时限", "limits", _LIMIT, required=True),
    Element("promised_note", "承诺时限说明", "limits", _TEXT),
    Element("legal", "法定时限", "limits", _LIMIT, required=True),
    Element("legal_note", "法定时限说明", "limits", _TEXT, inherited=True),
    Element("limit_basis", "时限依据", "limits", _TEXT, inherited=True),
    Element(
        "special_procedures",
        "特别程序",
        "limits",
        {
            "type": "array",
            "items": shape(
                {
                    "name": _titled("程序", _of("special_procedure")),
                    "limit": _titled("时限", _LINE, hint="如 15 个工作日，不计入办理时限"),
                    "basis": _titled("依据", _LINE),
                },
                optional=frozenset({"limit", "basis"}),
            ),
        },
        enumeration="special_procedure",
        inherited=True,
    ),
    Element(
        "withdraw_until",
        "什么时候可以撤回",
        "limits",
        {"type": "string", "pattern": f"^({'|'.join(WITHDRAW_UNTIL)}|step:{ID})$"},
        required=True,
    ),
    Element("situations", "办理情形", "materials", {"type": "array", "items": SITUATION, "maxItems": 8}),
    Element("materials", "申请材料", "materials", {"type": "array", "items": MATERIAL}, required=True),
    Element(
        "steps",
        "办理步骤",
        "process",
        {
            "type": "array",
            "items": shape(
                {
                    "title": _titled("做什么", _LINE),
                    "who": _titled("谁做", _LINE),
                    "text": _titled("说明", _TEXT, widget=""),
                },
                optional=frozenset({"text"}),
            ),
        },
        required=True,
    ),
    Element(
        "fee",
        "收费",
        "fees",
        shape(
            {
                "charged": _titled("收不收费", {"type": "boolean"}),
                "amount": _titled("金额", nullable({"type": "integer", "minimum": 0, "x-widget": "money"})),
                "text": _titled("收费标准", _TEXT),
                "basis": _titled("收费依据", _TEXT),
            },
            optional=frozenset({"text"}),
        ),
        required=True,
    ),
    Element("payment", "网上支付", "fees", _OFFER, inherited=True),
    Element(
        "result",
        "办理结果",
        "result",
        shape(
            {
                "name": _titled("结果名称", {"type": "string", "maxLength": 200}),
                "kind": _titled("结果类型", _SHORT),
                "sample": _titled("结果样本", text(ID), choices="sample"),
                "sample_name": _titled("结果样本名称", _LINE),
            },
            optional=frozenset({"sample", "sample_name"}),
        ),
        required=True,
    ),
    Element("delivery", "快递送达", "result", _OFFER, inherited=True),
    Element("ways", "办理形式", "service", _of("way", some=True), enumeration="way", inherited=True),
    Element(
        "visits",
        "到现场次数",
        "service",
        shape(
            {
                "count": _titled("几次", {"type": "integer", "minimum": 0}),
                "reason": _titled("为什么要到现场", _TEXT),
            }
        ),
        required=True,
    ),
    Element("booking", "预约办理", "service", _OFFER, inherited=True),
    Element("online", "网上办理", "service", _OFFER, inherited=True),
    Element(
        "where",
        "办理地点和时间",
        "service",
        {
            "type": "array",
            "items": shape(
                {
                    "place": _titled("地点", _LINE),
                    "address": _titled("地址", _TEXT, widget=""),
                    "hours": _titled("时间", _TEXT, widget=""),
                    "phone": _titled("电话", _SHORT),
                },
                optional=frozenset({"address", "hours", "phone"}),
            ),
        },
        inherited=True,
    ),
    Element(
        "phones",
        "电话",
        "service",
        shape({"enquiry": _titled("咨询电话", _SHORT), "complaint": _titled("监督投诉电话", _SHORT)}),
        required=True,
    ),
    Element("enquiry_ways", "其他咨询方式", "service", _TEXT, inherited=True),
    Element("complaint_ways", "其他监督方式", "service", _TEXT, inherited=True),
    Element(
        "remedy",
        "救济途径",
        "service",
        # Where one turns against a decision: who reviews it (复议机关), which court (管辖法院).
        shape(
            {"review": _titled("复议机关", _LINE), "court": _titled("管辖法院", _LINE)},
            optional=frozenset({"review", "court"}),
        ),
        inherited=True,
    ),
    Element(
        "faq",
        "常见问题",
        "questions",
        {
            "type": "array",
            "items": shape({"question": _titled("问", _LINE), "answer": _titled("答", _TEXT)}),
        },
        inherited=True,
    ),
    Element("note", "备注", "questions", _TEXT),
    Element("provenance", "内容来源", "questions", {"type": "string", "maxLength": 200}),
    Element(
        "form",
        "申请表",
        "form",
        {"type": "object", "required": ["type"], "properties": {"type": {"const": "object"}}},
        required=True,
    ),
    Element("form_version", "申请表版本", "form", {"type": "integer", "minimum": 1}, required=True),
    Element("hints", "填表提示", "form", {"type": "object"}),
    Element("flow", "环节", "form", nullable(FLOW_SCHEMA)),
)
"""Every element, in the order of the page."""

BY_ID: Final[Mapping[str, Element]] = {element.id: element for element in ELEMENTS}

INHERITED: Final = tuple(element.id for element in ELEMENTS if element.inherited)
"""What a directory can say for the items under it. Never what a case is accepted under (its terms)."""


def titled_schema(element: Element) -> dict[str, Any]:
    """The element's shape with its title."""
    hint = {"x-hint": element.hint} if element.hint else {}
    return {"title": element.title, **element.schema, **hint}


def content_fields() -> dict[str, Any]:
    """The shapes of all elements, by id: what an item's content is made of."""
    return {element.id: titled_schema(element) for element in ELEMENTS}


OPTIONAL: Final = frozenset(element.id for element in ELEMENTS if not element.required)


def of_group(group: str) -> Iterator[Element]:
    """The elements of one group."""
    return (element for element in ELEMENTS if element.group == group)


def is_empty(value: Any) -> bool:
    """Whether an element says nothing: then its directory may. `False` and 0 say something."""
    if isinstance(value, dict):
        return all(is_empty(inner) for inner in value.values())
    return value is None or value in ("", [])


def shown(enumeration: str, stored: Any) -> str:
    """A stored word, or several, as a page shows it."""
    known = ENUMERATIONS[enumeration]
    return "、".join(known.word(str(one)) for one in (stored if isinstance(stored, list) else [stored]))
