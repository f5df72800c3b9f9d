"""A station has been silent for a day or more, and had documents that the county does not hold."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from central.alerts.alert import Alert, Projections
from central.monitor import LOST_AFTER, StationRow, disk
from web.wording import moment, span


def check(projections: Projections, now: datetime) -> list[Alert]:
    """One alert a station, the longest silent first."""
    stations = projections.stations
    lost = [row for row in stations if row.key == "valid" and row.waiting and _silence(row) >= LOST_AFTER]
    return [_alert(row, stations, now) for row in sorted(lost, key=_silence, reverse=True)]


def _silence(row: StationRow) -> timedelta:
    return row.silent_for if row.status == "silent" and row.silent_for is not None else timedelta()


def _alert(row: StationRow, stations: Sequence[StationRow], now: datetime) -> Alert:
    town = next((other.place for other in stations if other.code == row.parent), "")
    sentences = [
        f"最后一次联系 {moment(row.last_contact_at, now)}，那时磁盘剩 {disk(row.report['disk_free_bytes'])}，"
        f"时钟{row.clock_word}。",
        _around(row, stations),
    ]
    return Alert(
        kind="silent_with_documents",
        station=row.code,
        headline=f"{town} {row.place} 失联 {span(_silence(row))}，有 {row.waiting} 条还没传上来".strip(),
        detail="".join(sentences),
        phone=row.phone,
    )


def _around(row: StationRow, stations: Sequence[StationRow]) -> str:
    """What the neighbours tell of the cause."""
    township = row.code if row.kind == "township" else row.parent
    near = [
        other
        for other in stations
        if township in (other.code, other.parent) and other.code != row.code and other.status != "never_seen"
    ]
    if not near:
        return ""
    if all(other.status == "in_contact" for other in near):
        return f"同乡镇另外 {len(near)} 个站都在线，多半是站上停电，或者这一站的线路断了。"
    if all(other.status == "silent" for other in near):
        return f"同乡镇另外 {len(near)} 个站也都没有联系，多半是这一片的线路断了。"
    return ""
