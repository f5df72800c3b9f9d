"""The documents of the bench: 1 KB each, ids in order, what a village writes; the same ones from the same seed."""

from __future__ import annotations

import json
from random import Random
from typing import Any

DOCUMENT_BYTES = 1000
_SEED = 20261123
_WORDS = (
    "低保", "申请", "家庭", "收入", "证明", "村委会", "住房", "审核", "材料", "家属", "农户", "承包", "补贴", "登记",
    "户口", "镇政府", "服务站", "公示", "三榜", "入户", "调查", "劳动力", "务工", "患病", "学生", "老人", "残疾",
    "医保", "养老", "耕地", "宅基地", "危房", "改造", "饮水", "道路", "合作社", "种植", "养殖", "救助", "临时", "盖章",
    "签字", "复印件", "身份证", "银行卡", "代办", "已核", "待补", "退回", "同意", "按月", "发放",
)  # fmt: skip
_SURNAMES = "王李张刘陈杨赵黄周吴徐孙马朱胡郭何林罗高"
_GIVEN = "秀英桂兰玉珍建国志强海燕春梅德明小红永福文军丽华云山金花"


def documents(count: int, *, prefix: str = "case", seed: int = _SEED) -> list[dict[str, Any]]:
    """`count` documents of one revision with `_id`, `_rev` and `_revisions`, each 1 KB as compact JSON in UTF-8."""
    random = Random(seed)
    return [_document(f"{prefix}:{number:08d}", number, random) for number in range(count)]


def _document(id_: str, number: int, random: Random) -> dict[str, Any]:
    digest = f"{random.getrandbits(128):032x}"
    day = f"2026-{random.randrange(1, 13):02d}-{random.randrange(1, 29):02d}"
    hour, second = random.randrange(8, 18), random.randrange(3600)
    born = f"{random.randrange(1940, 2010)}{random.randrange(1, 13):02d}{random.randrange(1, 29):02d}"
    document: dict[str, Any] = {
        "_id": id_,
        "_rev": f"1-{digest}",
        "type": "record",
        "station": f"6001011012{random.randrange(1, 41):02d}",
        "serial": number,
        "received_at": f"{day}T{hour:02d}:{second // 60:02d}:{second % 60:02d}.{random.randrange(1000):03d}Z",
        "applicant": {
            "name": random.choice(_SURNAMES) + "".join(random.choices(_GIVEN, k=2)),
            "phone": f"13{random.randrange(10**9):09d}",
            "id_number": f"600101{born}{random.randrange(10_000):04d}",
        },
        "form": {
            "household_size": random.randrange(1, 9),
            "monthly_income_fen": random.randrange(0, 900_000),
            "land_square_metres": random.randrange(0, 9_000),
            "housing": random.choice(["own", "rented", "relative", "none"]),
            "school_children": random.randrange(0, 4),
            "long_illness": random.random() < 0.2,
        },
        "note": "",
    }
    note = ""
    room = DOCUMENT_BYTES - len(json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode())
    while room - len(note.encode()) > 30:
        # Sentences that repeat as those of one desk do, with what differs in between.
        note += random.choice(_WORDS) + random.choice(_WORDS) + random.choice("，。；")
    document["note"] = note + "." * (room - len(note.encode()))
    document["_revisions"] = {"start": 1, "ids": [digest]}
    return document
