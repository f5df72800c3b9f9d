"""Whole lives of a case, for whatever tells them: each act is written by who may do it, knowing all before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from casework.canonical import Document
from casework.case import Case
from tests.casework.county import COUNTY, MORNING, STRANGER, Pen, agent, intake_data, item, read, reviewer, window


@dataclass
class Life:
    """A case on its way. An hour passes between two acts."""

    of: Document = field(default_factory=lambda: item(level="township", flow=True))
    events: list[Document] = field(default_factory=list)
    now: datetime = MORNING

    def __post_init__(self) -> None:
        self.agent, self.window, self.reviewer = agent(), window(), reviewer()
        self.other = Pen(COUNTY, STRANGER)

    def then(self, pen: Pen, kind: str, data: Mapping[str, Any] | None = None) -> Document:
        self.now += timedelta(hours=1)
        pen.now = self.now
        event = pen.write(kind, data or {}, seen=self.events[-1:])
        self.events.append(event)
        return event

    def case(self) -> Case:
        case = read(*self.events)
        assert not case["quarantined"], case["quarantined"]
        return case


def taken_in(of: Document | None = None, **changes: Any) -> Life:
    life = Life(of or item(level="township", flow=True))
    life.then(life.agent, "received", intake_data(life.of, **changes))
    return life


def accepted(of: Document | None = None, **changes: Any) -> Life:
    life = taken_in(of, **changes)
    life.then(life.window, "accepted")
    return life


def through_its_steps(of: Document | None = None, **changes: Any) -> Life:
    """Corrected, by a proxy, inspected, co-handled, suspended, extended and paid for: everything but its end."""
    life = taken_in(of, **changes)
    a, w = life.agent, life.window
    points = [{"material": "m02", "text": "身份证复印件看不清，重新复印一份"}, {"text": "写明宅基地的四至"}]
    life.then(w, "correction_requested", {"points": points, "days": 15})
    life.then(a, "material_added", {"material": "m02", "state": "received"})
    life.then(a, "corrected", {"note": "四至当面写明了"})
    life.then(w, "accepted")
    life.then(
        a,
        "proxy_appointed",
        {
            "name": "李某某",
            "id_number": "600000198503150026",
            "phone": "13000000002",
            "matters": ["提交材料", "领取结果"],
            "authority": "代为提交材料、领取结果",
            "from": "2026-09-16",
            "until": "2026-12-31",
            "signed": "thumbprint",
            "witness": "赵某某",
        },
    )
    slip = life.then(a, "handed_over", {"slip": "LZ-20260916-01", "to": w.station, "papers": ["m01", "m02"]})
    life.then(w, "taken_over", {"handover": slip["_id"], "at": w.station, "missing": [], "extra": []})
    life.then(w, "step_started", {"step": "visit", "planned_on": "2026-09-20", "text": "上午九点到现场"})
    life.then(w, "step_done", {"step": "visit", "result": "passed"})
    life.then(a, "step_started", {"step": "notice"})
    life.then(a, "step_done", {"step": "notice", "result": "passed"})
    life.then(life.other, "step_started", {"step": "land", "text": "请核对规划"})
    life.then(life.other, "step_done", {"step": "land", "result": "passed"})
    life.then(w, "suspended", {"procedure": "hearing", "reason": "邻居申请听证", "days": 20})
    life.then(w, "resumed", {"note": "听证开完了"})
    life.then(w, "extended", {"days": 10, "reason": "相邻关系复杂", "approved_by": "刘某某"})
    life.then(w, "fee_noticed", {"amount": 1005, "basis": "工本费标准"})
    return life


def granted(of: Document | None = None, **changes: Any) -> Life:
    """… and granted, delivered, the proxy's work ended."""
    life = through_its_steps(of, **changes)
    life.then(life.window, "decided", {"outcome": "granted", "reason": "符合条件", "conditions": "开工前放线"})
    life.then(
        life.agent,
        "delivered",
        {"to": {"who": "proxy", "name": "李某某", "witness": "赵某某"}, "proof": "thumbprint", "papers": ["批准书"]},
    )
    life.then(life.agent, "proxy_ended", {"reason": "事情办完了"})
    return life
