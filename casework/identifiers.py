"""Identity numbers, credit codes, names and phones: what is wrong with one, and what to do about it."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date

from stdnum.cn import ric, uscc
from stdnum.exceptions import ValidationError

RESIDENT_CARD = "居民身份证"
CREDIT_CODE = "统一社会信用代码"
NO_CARD = "无证件"

MOST_NAME = 60
MOST_ORGANISATION_NAME = 120


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong (`reason`, a word or two) and what to do (`sentence`). A problem that does not block is a
    warning."""

    reason: str
    sentence: str
    blocks: bool = True


@dataclass(frozen=True, slots=True)
class IdType:
    """A kind of document that a person or organisation shows (证件类型). `hint` says how its number looks."""

    name: str
    pattern: str
    hint: str
    resident_number: bool = False
    """The number, or its first 18 places, is built as GB 11643 says."""


ID_TYPES: dict[str, IdType] = {
    kind.name: kind
    for kind in (
        IdType(RESIDENT_CARD, r"\d{17}[\dX]", "18 位，最后一位可能是 X", resident_number=True),
        IdType("户口簿", r"[0-9A-Z]{4,20}", "填户口簿上本人的公民身份号码，18 位"),
        IdType("护照", r"[0-9A-Z]{5,20}", "字母和数字，例如 E00000000"),
        IdType("港澳居民来往内地通行证", r"[HM]\d{8}(\d{2})?", "H 或 M 开头，后面 8 位数字"),
        IdType("台湾居民来往大陆通行证", r"\d{8}|\d{10}[A-Z]?", "8 位数字"),
        IdType("港澳台居民居住证", r"8[123]\d{15}[\dX]", "18 位，81、82 或 83 开头", resident_number=True),
        IdType("外国人永久居留身份证", r"[A-Z]{3}\d{12}|9\d{16}[\dX]", "旧证 3 个字母加 12 位数字，新证 18 位"),
        IdType("残疾人证", r"\d{17}[\dX]\d{2}(B\d)?", "身份证号码后面再加 2 位类别和等级", resident_number=True),
        IdType("出生医学证明", r"[A-Z]\d{9}", "1 个字母加 9 位数字"),
        IdType("军人身份证件", r"[0-9A-Z\u4e00-\u9fff第号字]{4,30}", "照证件上的写"),
        IdType("其他证件", r"[0-9A-Z\u4e00-\u9fff()（）\[\]〔〕第号字.-]{2,40}", "照证件上的写"),
        IdType(CREDIT_CODE, r"[0-9A-Z]{18}", "18 位，营业执照或登记证书上有"),
        IdType(NO_CARD, r"", "写明没有证件的原因"),
    )
}
"""Documents by the Chinese name that forms and the JSON API use."""

_SPACES = re.compile(r"[\s\u200b\ufeff]+")


def tidy_id_number(text: str) -> str:
    """The number as it is kept: no spaces, ASCII digits, capital letters."""
    return _SPACES.sub("", unicodedata.normalize("NFKC", text)).upper()


def check_id_number(id_type: str, text: str, *, today: date | None = None) -> Problem | None:
    """What is wrong with the number of an identity document; None when it can be right.

    居民身份证: length, digits, a date that exists, the check digit of GB 11643. Not the county code: those
    change, and a list of them refuses real people (and our synthetic region). `today` refuses a birth in the
    future.
    """
    kind = ID_TYPES.get(id_type)
    if kind is None:
        return Problem("证件类型", "请从列表里选证件类型：" + "、".join(ID_TYPES) + "。")
    number = tidy_id_number(text)
    if kind.name == NO_CARD:
        return Problem("多填了号码", "选了“无证件”就不填号码；有号码的，请选对应的证件类型。") if number else None
    if not number:
        return Problem("没有填", f"请填{kind.name}号码（{kind.hint}）；没有证件的选“无证件”并写明原因。")
    return _check_number(kind, number, today)


def _check_number(kind: IdType, number: str, today: date | None) -> Problem | None:
    if kind.name == CREDIT_CODE:
        return check_uscc(number)
    # A household booklet usually shows the person's own number; older ones have another.
    if kind.name == RESIDENT_CARD or (kind.name == "户口簿" and len(number) == 18):
        return _check_resident_number(number, today)
    if not re.fullmatch(kind.pattern, number):
        return Problem("格式", f"{kind.name}号码的样子是：{kind.hint}。对照证件再输一遍。")
    return _check_resident_number(number[:18], today) if kind.resident_number else None


def _check_resident_number(number: str, today: date | None) -> Problem | None:
    if len(number) != 18:
        return Problem("长度", f"身份证号码应该是 18 位，现在是 {len(number)} 位。对照证件，看漏了还是多了一位。")
    if not re.fullmatch(r"[0-9]{17}[0-9X]", number):
        return Problem("非数字", "前 17 位只能是数字，最后一位是数字或 X。对照证件，把不是数字的那一位改过来。")
    born = _birth(number)
    if born is None or (today is not None and born > today):
        shown = f"{number[6:10]} 年 {number[10:12]} 月 {number[12:14]} 日"
        return Problem("日期不存在", f"第 7 到 14 位是出生日期，{shown}不对。对照证件，把这 8 位再输一遍。")
    if number[-1] != ric.calc_check_digit(number):
        return Problem("校验码不对", "最后一位对不上前 17 位。对照证件，把最后一位再输一遍。")
    return None


def _birth(number: str) -> date | None:
    try:
        return date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return None


def describe_id(text: str) -> dict[str, str] | None:
    """`{born: YYYY-MM-DD, sex: 男|女}` of a resident number, to read back aloud; None when it is not a right
    one.

    The age is the reader's to work out: it depends on the day.
    """
    number = tidy_id_number(text)
    if _check_resident_number(number, None) is not None:
        return None
    born = _birth(number)
    assert born is not None
    return {"born": born.isoformat(), "sex": "男" if int(number[16]) % 2 else "女"}


def check_uscc(text: str) -> Problem | None:
    """What is wrong with a 统一社会信用代码 (GB 32100). A wrong check character only warns: early codes have
    them.
    """
    number = tidy_id_number(text)
    if len(number) != 18:
        return Problem("长度", f"统一社会信用代码是 18 位，现在是 {len(number)} 位。对照证照再输一遍。")
    if not re.fullmatch(r"[0-9A-Z]{18}", number):
        return Problem("格式", "统一社会信用代码只有数字和大写字母。对照证照再输一遍。")
    try:
        uscc.validate(number)
    except ValidationError:
        sentence = "最后一位对不上前 17 位。早年发的代码有的就是这样；请对照证照，没有输错就照原样保存。"
        return Problem("校验码不对", sentence, blocks=False)
    return None


_MOBILE = re.compile(r"1[0-9]{10}")
_LANDLINE = re.compile(r"0[0-9]{9,11}")
_ABROAD = re.compile(r"\+[0-9]{6,15}")


def tidy_phone(text: str) -> str:
    """The number as it is kept: digits only, without the country's own 86; `+` stays before a foreign one."""
    plain = re.sub(r"[\s()\-.\u2010-\u2015]+", "", unicodedata.normalize("NFKC", text))
    return re.sub(r"^(\+86|0086)", "", plain)


def check_phone(text: str) -> Problem | None:
    """What is wrong with a phone number; spaces and hyphens do not matter.

    A mobile has 11 digits and begins with 1 (no range is left out: new ones open every year), a landline has
    its area code, a foreign number its `+`.
    """
    number = tidy_phone(text)
    if not number:
        return Problem("没有填", "请填联系电话，没有的写明原因。")
    if _MOBILE.fullmatch(number) or _LANDLINE.fullmatch(number) or _ABROAD.fullmatch(number):
        return None
    if not (number.isascii() and number.lstrip("+").isdigit()):
        return Problem("非数字", "电话号码只能是数字，可以有空格和短横。请再问一遍。")
    if number.startswith("1"):
        return Problem("长度", f"手机号是 11 位，现在是 {len(number)} 位。念给办事人听，看漏了还是多了一位。")
    if len(number) in {7, 8}:
        return Problem("没有区号", "座机前面请加上区号，例如 0000-0000001。")
    return Problem("格式", "手机号是 1 开头的 11 位，座机要带区号。请再问一遍。")


# Not the unassigned ones: a character that is rarer than our Unicode tables are new is still a name.
_UNPRINTABLE = {"Cc", "Cs", "Zl", "Zp"}
_TURNS_TEXT_AROUND = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f")


def check_name(text: str, *, most: int = MOST_NAME) -> Problem | None:
    """What is wrong with a name. Rare and astral characters (𠮷), `·`, `•` and whatever prints are right."""
    name = text.strip()
    if not name:
        return Problem("没有填", "请填写姓名。")
    if len(name) > most:
        return Problem("太长", f"姓名最多 {most} 个字，现在有 {len(name)} 个，请缩短。")
    if any(unicodedata.category(sign) in _UNPRINTABLE or sign in _TURNS_TEXT_AROUND for sign in name):
        return Problem("有看不见的字符", "姓名里有看不见的字符。请删掉，用键盘再输一遍。")
    return None
