"""The coding rule of the county's items (编码规则), and the types that its letters stand for."""

from __future__ import annotations

import re
from typing import Final

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
