"""How people were served (服务方式): at the counter, or 上门, 预约, 延时, 逢场."""

from __future__ import annotations

CHANNELS = {
    "counter": "窗口",
    "home_visit": "上门",
    "appointment": "预约",
    "after_hours": "延时",
    "market_day": "逢场",
}
