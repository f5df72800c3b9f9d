"""By whom a case is handled for its applicant (代办), and what the power of attorney for it says (民法典 165)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from casework.case import Act, Case
from casework.kinds.proxy_appointed import SIGNED

LACKING, HOLDS, RUN_OUT, ENDED = "lacking", "holds", "run_out", "ended"
POWER_STATES = {LACKING: "没有委托书", HOLDS: "有效", RUN_OUT: "已到期", ENDED: "已终止"}


@dataclass(frozen=True, slots=True)
class Agency:
    """Who acts for the applicant: `agent` is whether a 代办员 of the service; `power` one of `POWER_STATES`."""

    name: str
    agent: bool
    matters: list[str]
    power: str
    signed: str
    until: str | None

    @property
    def lacks_power(self) -> bool:
        """Somebody has to see to it: there is none, or it has run out."""
        return self.power in (LACKING, RUN_OUT)


def agency(case: Case, today: date) -> Agency | None:
    """The proxy of this case: the one appointed last who still is, else the one named at intake who still is, else the
    last who was.

    None for a case that the applicant sees to alone.
    """
    appointed = [entry for entry in case["proxies"] if entry["ended"] is None] or case["proxies"][-1:]
    named = (case["fields"].get("people") or {}).get("proxy")
    named_ended = case["named_proxy_ended"]
    if appointed and (appointed[-1]["ended"] is None or not named or named_ended is not None):
        entry = appointed[-1]
        proxy, power, ended = entry["proxy"], entry["proxy"], entry["ended"]
    elif isinstance(named, dict):
        proxy, power, ended = named, named.get("power") or {}, named_ended
    else:
        return None
    return Agency(
        name=str(proxy.get("name", "")),
        agent=bool(proxy.get("agent")),
        matters=[str(matter) for matter in power.get("matters") or []],
        power=_state(power.get("signed"), power.get("until"), ended, today),
        signed=SIGNED.get(str(power.get("signed")), ""),
        until=power.get("until"),
    )


def power_until(case: Case) -> str | None:
    """The last day on which the proxy of this case has power; "" where there never was any.

    None where nobody has to see to it: no proxy, one who was ended, or power without an end.
    """
    acting = agency(case, date.min)
    if acting is None or acting.power == ENDED:
        return None
    return "" if acting.power == LACKING else acting.until


def _state(signed: object, until: str | None, ended: Act | None, today: date) -> str:
    if ended is not None:
        return ENDED
    if not signed:
        return LACKING
    return RUN_OUT if until and until < today.isoformat() else HOLDS
