"""Words on pages: dates, numbers and masks as people there write them. Jinja filters, all pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from flask import Flask
from markupsafe import Markup, escape

from casework.times import CHINA, parse_rfc3339

WEEKDAYS = "一二三四五六日"
NO_BREAK = "\u00a0"


def install(app: Flask, now: Callable[[], datetime]) -> None:
    """Make every function here a filter; those that speak of today ask `now`."""
    app.jinja_env.filters |= {
        "day": day,
        "long_day": long_day,
        "by_day": by_day,
        "moment": lambda value: moment(value, now()),
        "stamp": stamp,
        "days_left": lambda value: days_left(value, now()),
        "masked_id": masked_id,
        "masked_phone": masked_phone,
        "aloud_id": aloud_id,
        "aloud_phone": aloud_phone,
        "yuan": yuan,
        "case_number": case_number,
        "short_number": short_number,
        "size": size,
        "span": span,
        "field_id": field_id,
    }
    app.jinja_env.globals["today"] = lambda: now().astimezone(CHINA).date()


def day(value: date | str | None) -> str:
    """9月16日"""
    found = _date(value)
    return f"{found.month}月{found.day}日" if found else ""


def long_day(value: date | str | None) -> str:
    """2026年9月16日 星期三"""
    found = _date(value)
    return f"{found.year}年{found.month}月{found.day}日 星期{WEEKDAYS[found.weekday()]}" if found else ""


def by_day(value: date | str | None) -> str:
    """2026年10月20日（星期二）前"""
    return f"{long_day(value).replace(' ', '（')}）前" if value else ""


def moment(value: datetime | str | None, now: datetime) -> str:
    """今天 09:21, 昨天 16:48, 明天 17:30, 9月16日 09:21, with the year when it is another one"""
    found = _moment(value)
    if found is None:
        return ""
    here, today = found.astimezone(CHINA), now.astimezone(CHINA).date()
    clock = f"{here:%H:%M}"
    if here.date() == today:
        return f"今天 {clock}"
    if abs((here.date() - today).days) == 1:
        return f"{'明天' if here.date() > today else '昨天'} {clock}"
    year = "" if here.year == today.year else f"{here.year}年"
    return f"{year}{here.month}月{here.day}日 {clock}"


def stamp(value: datetime | str | None) -> str:
    """2026年9月16日 09:21, as papers print it"""
    found = _moment(value)
    if found is None:
        return ""
    here = found.astimezone(CHINA)
    return f"{here.year}年{here.month}月{here.day}日 {here:%H:%M}"


def days_left(value: date | str | None, now: datetime) -> str:
    """今天到期, 明天到期, 还有 5 天, 过了 2 天"""
    return days_between(value, now.astimezone(CHINA).date())


def days_between(value: date | str | None, today: date) -> str:
    """`days_left`, counted from a day."""
    found = _date(value)
    if found is None:
        return ""
    left = (found - today).days
    if left == 0:
        return "今天到期"
    if left == 1:
        return "明天到期"
    return f"还有 {left} 天" if left > 0 else f"过了 {-left} 天"


def masked_id(text: str | None) -> str:
    """600000********0016"""
    if not text:
        return ""
    if len(text) <= 8:
        return text[:1] + "*" * (len(text) - 1)
    return text[:6] + "*" * (len(text) - 10) + text[-4:] if len(text) > 10 else text[:2] + "****" + text[-2:]


def masked_phone(text: str | None) -> str:
    """130****0001"""
    digits = "".join(c for c in text or "" if c.isdigit())
    return f"{digits[:3]}****{digits[-4:]}" if len(digits) == 11 else masked_id(text)


def aloud_id(text: str | None) -> str:
    """600000 1960 0101 0016, in the groups in which people read it out; a short line breaks in the middle"""
    compact = "".join((text or "").split())
    if len(compact) != 18:
        return compact
    return f"{compact[:6]}{NO_BREAK}{compact[6:10]} {compact[10:14]}{NO_BREAK}{compact[14:]}"


def aloud_phone(text: str | None) -> str:
    """130 0000 0001"""
    digits = "".join(c for c in text or "" if c.isdigit())
    return NO_BREAK.join((digits[:3], digits[3:7], digits[7:])) if len(digits) == 11 else text or ""


def yuan(fen: int | None) -> str:
    """分 as 元: 1250.00"""
    return "" if fen is None else f"{Decimal(fen) / 100:,.2f}"


def case_number(number: str) -> Markup:
    """The whole number, its last two groups bold: they are what people say on the phone."""
    quiet, _, loud = _split(number)
    return Markup('<span class="number">{}<b>{}</b></span>').format(quiet, loud)


def short_number(number: str) -> str:
    """The last two groups."""
    return _split(number)[2]


def field_id(path: str) -> str:
    """A dotted path as the id of its field in a page; an id has no spaces."""
    return "f-" + "-".join(path.replace(".", "-").split())


def size(count: int) -> str:
    """820 字节, 64 KB, 1.2 MB"""
    if count < 1000:
        return f"{count} 字节"
    if count < 1_000_000:
        return f"{count / 1000:.0f} KB"
    return f"{count / 1_000_000:.1f} MB"


def span(length: timedelta) -> str:
    """3 天, 5 小时, 12 分钟"""
    seconds = int(length.total_seconds())
    if seconds >= 86400:
        return f"{seconds // 86400} 天"
    if seconds >= 3600:
        return f"{seconds // 3600} 小时"
    return f"{max(seconds // 60, 1)} 分钟"


def _split(number: str) -> tuple[str, str, str]:
    # A paper's number is its case's, and some letters.
    parts = str(escape(number)).split("-")
    if len(parts) not in (4, 5):
        return "", "", number
    return f"{parts[0]}-{parts[1]}-", "", "-".join(parts[2:])


def _date(value: Any) -> date | None:
    if isinstance(value, datetime):
        return value.astimezone(CHINA).date()
    if isinstance(value, date):
        return value
    return date.fromisoformat(value) if value else None


def _moment(value: datetime | str | None) -> datetime | None:
    if isinstance(value, str):
        return parse_rfc3339(value) if value else None
    return value
