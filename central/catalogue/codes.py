"""The coding rule of the county's items (编码规则), the types that its letters stand for, and the national codes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from casework.canonical import Document
from casework.identifiers import check_uscc
from casework.schemas import nullable, shape, text

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
"""事项类型, GB/T 39046-2020 A.1. A county may have others: they are data (`type:LETTERS`)."""

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

TYPE_SCHEMA: Final = shape(
    {
        "name": {"title": "类型名称", "type": "string", "minLength": 1, "maxLength": 40},
        "code": {"title": "国家代码", **nullable(text(r"\d{2}")), "x-hint": "国家标准里没有的留空"},
        "on_application": {"title": "要申请才办", "type": "boolean"},
        "needs_directory": {"title": "上面要有目录", "type": "boolean"},
    }
)
"""A type of items as the county keeps it under its letters."""

_ON_APPLICATION: Final = frozenset({"01", "05", "07", "09", "10", "20"})
_APPROVALS: Final = frozenset({"01"})

DEFAULT_TYPES: Final[Mapping[str, Document]] = {
    letters: {
        "id": letters,
        "name": TYPES[code],
        "code": code,
        "on_application": code in _ON_APPLICATION,
        "needs_directory": code in _APPROVALS,
    }
    for letters, code in TYPE_LETTERS.items()
}
"""What stands where the county has not said otherwise: the national types, under the letters of the reference."""

COMMON_OTHERS: Final[Mapping[str, Document]] = {
    letters: {"id": letters, "name": name, "code": None, "on_application": True, "needs_directory": False}
    for letters, name in (("DL", "代理事项"), ("NJ", "年检"), ("FY", "行政复议"), ("JM", "税费减免"))
}
"""What counties have besides (domain.md, 1): offered to the county, which takes them or gives them other letters."""


@dataclass(frozen=True, slots=True)
class CountyCode:
    """A code in its parts: `62052400MZ-XK-0001`. `body` (办理主体编码) is region and department letters."""

    region: str
    department: str
    type: str
    serial: int

    @property
    def body(self) -> str:
        return self.region + self.department

    def __str__(self) -> str:
        return f"{self.body}-{self.type}-{self.serial:04d}"


def parsed(code: str) -> CountyCode | None:
    """The parts of a code; None for what is not written by the rule."""
    found = COUNTY_CODE.fullmatch(code)
    return CountyCode(found[1], found[2], found[3], int(found[4])) if found else None


def next_code(body: str, letters: str, taken: Iterable[str]) -> str | None:
    """The next free code of a body (10 characters) and type: after the highest that was ever used, so that a withdrawn
    item's code does not come back; then what is free below. None when all 9,999 are used."""
    assert re.fullmatch(r"\d{8}[A-Z]{2}", body), body
    assert re.fullmatch(r"[A-Z]{2}", letters), letters
    used = {one.serial for code in taken if (one := parsed(code)) and (one.body, one.type) == (body, letters)}
    for serial in (max(used, default=0) + 1, *(number for number in range(1, 10_000) if number not in used)):
        if serial < 10_000:
            return f"{body}-{letters}-{serial:04d}"
    return None


def code_problems(
    item: Mapping[str, Any],
    *,
    county: str,
    types: Mapping[str, Mapping[str, Any]],
    departments: Mapping[str, Mapping[str, Any]],
) -> Iterator[str]:
    """What is wrong with an item's code by the county's rule. `county` is six digits; an empty library of departments
    has nothing against any letters."""
    code = parsed(str(item["code"]))
    if code is None:
        yield (
            f"编码 {item['code']} 不合编码规则：8 位区划（含 2 位乡镇）＋2 位部门字母－2 位类型字母－4 位顺序号，"
            "如 62052400MZ-XK-0001。"
        )
        return
    if not code.region.startswith(county):
        yield f"编码的区划 {code.region} 不是本县的 {county}。"
    if code.serial == 0:
        yield "顺序号从 0001 起。"
    known = departments.get(code.department)
    if departments and known is None:
        yield f"部门库里没有字母 {code.department} 的部门。"
    elif known is not None and known["name"] != item["department"]:
        yield f"编码里的部门字母 {code.department} 是“{known['name']}”，事项写的是“{item['department']}”。"
    type_ = types.get(code.type)
    if type_ is None:
        yield f"事项类型库里没有字母 {code.type}。"
    elif type_["name"] != item["type"]:
        yield f"编码里的类型字母 {code.type} 是“{type_['name']}”，事项写的是“{item['type']}”。"
    elif item.get("type_code") is not None and item["type_code"] != type_["code"]:
        yield f"类型“{type_['name']}”的国家代码是 {type_['code'] or '没有'}，事项写的是 {item['type_code']}。"


# -- national codes ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NationalCode:
    """A kind of national code: its lengths differ from standard to standard, so they are a table (domain.md, 1)."""

    title: str
    lengths: tuple[int, ...]
    written: re.Pattern[str]
    example: str


_BASIC: Final = r"(?P<place>\d{2})(?P<type>\d{2})(?P<main>\d{5})"
NATIONAL: Final[Mapping[str, NationalCode]] = {
    "main": NationalCode("主项基本编码", (12,), re.compile(_BASIC + r"\d{2}Y"), "00016421300Y"),
    "basic": NationalCode("基本编码", (12,), re.compile(_BASIC + r"\d{3}"), "000164213003"),
    "business": NationalCode("业务办理项编码", (14,), re.compile(_BASIC + r"\d{3}\d{2}"), "00016421300302"),
}
"""基本编码 = 00 or the province 2 + type 2 + main 5 + sub 3; a main item with children ends in Y; a 业务办理项
adds 2."""

IMPLEMENTATION: Final = (31, 33)
"""实施编码 = 统一社会信用代码 18 + level 1 + 基本编码 12; of a 业务办理项 two more."""


def kind_of_basic(code: str) -> str | None:
    """main, basic or business; None for neither."""
    return next((name for name, one in NATIONAL.items() if one.written.fullmatch(code)), None)


def basic_code_problems(code: str, *, province: str, type_code: str | None) -> Iterator[str]:
    """What is wrong with a 基本编码. `province` is two digits."""
    kind = kind_of_basic(code)
    if kind is None:
        known = "；".join(f"{one.title} {one.lengths[0]} 位，如 {one.example}" for one in NATIONAL.values())
        yield f"基本编码 {code} 有 {len(code)} 位，不是认得的写法（{known}）。"
        return
    place, type_ = code[:2], code[2:4]
    if place not in ("00", province):
        yield f"基本编码开头的 {place} 不是 00（国家）或 {province}（本省）。"
    if type_code is not None and type_ != type_code:
        yield f"基本编码里的类型 {type_} 和事项的类型代码 {type_code} 对不上。"
    if kind == "main":
        yield "以 Y 结尾的是有子项的主项，不能直接办理：填子项的编码。"


def implementation_code_problems(code: str, *, basic: str | None, uscc: str | None) -> Iterator[str]:
    """What is wrong with a 实施编码, and with what it says of body and item."""
    if len(code) not in IMPLEMENTATION:
        lengths = " 或 ".join(map(str, IMPLEMENTATION))
        yield f"实施编码有 {len(code)} 位，应当是 {lengths} 位（信用代码＋层级＋基本编码）。"
        return
    body, level, rest = code[:18], code[18], code[19:]
    problem = check_uscc(body)
    if problem is not None:
        yield f"实施编码前 18 位：{problem.sentence}"
    if uscc and uscc != body:
        yield f"实施编码前 18 位不是实施主体的信用代码 {uscc}。"
    if level not in "123456":
        yield f"实施编码第 19 位是层级，只有 1 到 6，这里是 {level}。"
    if kind_of_basic(rest) is None:
        yield f"实施编码最后的 {rest} 不是基本编码。"
    elif basic and basic != rest:
        yield f"实施编码最后的 {rest} 和基本编码 {basic} 不一样。"
