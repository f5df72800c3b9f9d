"""First light: a case taken in while the line is down reaches the county, and the decision comes back."""

from __future__ import annotations

import io
import os
import signal
import time
from typing import Any
from uuid import uuid4

import pytest
from PIL import Image, ImageDraw

from tests.patience import until
from tests.stories.county import Account, DemoCounty, alive

pytestmark = [pytest.mark.processes]

APPLICANT = {
    "name": "张秀英",
    "id_type": "居民身份证",
    "id_number": "600000196001010016",
    "phone": "13000000001",
}


def photo(side: int = 640, seed: int = 1) -> bytes:
    """A JPEG of a written page with a seal, grainy enough that it does not compress away."""
    page = Image.new("RGB", (side, side), "#b9b2a4")
    paper = ImageDraw.Draw(page)
    unit = side // 40
    paper.rectangle((4 * unit, 2 * unit, 36 * unit, 38 * unit), fill="#fbf9f2")
    paper.rectangle((13 * unit, 4 * unit, 27 * unit, 6 * unit), fill="#4a5560")
    for line in range(9, 33, 2):
        length = 20 + (line * 7 + seed) % 9
        paper.rectangle((7 * unit, line * unit, (7 + length) * unit, line * unit + unit // 3), fill="#9aa5ae")
    paper.ellipse((25 * unit, 27 * unit, 33 * unit, 35 * unit), outline="#b8463d", width=max(unit // 3, 1))
    grain = Image.effect_noise((side, side), 30 + seed).convert("RGB")
    out = io.BytesIO()
    Image.blend(page, grain, 0.2).save(out, "JPEG", quality=88)
    return out.getvalue()


def first_example(schema: dict[str, Any]) -> Any:
    """A value made of the first example of each required property, as the guide's form offers them."""
    value = {}
    for name in schema.get("required", []):
        part = schema["properties"][name]
        if part.get("type") == "object":
            value[name] = first_example(part)
        else:
            value[name] = part["examples"][0]
    return value


def item_called(account: Account, name: str) -> dict[str, Any]:
    code = account.get(f"guides?q={name}")["results"][0]["code"]
    guide = account.get(f"guides/{code}")
    assert isinstance(guide, dict)
    return guide


def take_in(agent: Account, guide: dict[str, Any], **applicant: str) -> dict[str, Any]:
    body = {
        "item": guide["code"],
        "applicant": {**APPLICANT, **applicant},
        "form": first_example(guide["form"]),
        "materials": [{"name": guide["materials"][0]["name"], "state": "received"}],
    }
    case = agent.post("cases", body, Idempotency_Key=str(uuid4()))
    assert isinstance(case, dict)
    return case


def decided_by(agent: Account, level: str) -> dict[str, Any]:
    """The guide of some item that this level decides."""
    for hit in agent.get("guides?limit=200")["results"]:
        guide = agent.get(f"guides/{hit['code']}")
        if guide["decides"]["level"] == level:
            assert isinstance(guide, dict)
            return guide
    raise AssertionError(level)


def test_a_case_taken_in_offline_survives_a_kill_reaches_the_county_and_is_decided(
    healed: DemoCounty,
) -> None:
    village = healed.station("village")
    agent = healed.sign_in(village, "agent")
    reviewer = healed.sign_in(healed.layout["county"], "reviewer")

    healed.line("cut")
    until(lambda: not agent.get("sync")["online"], "the station notices that the line is cut")
    guide = agent.get("guides?q=低保")["results"][0]
    assert guide["name"] == "最低生活保障对象认定与保障金给付"
    guide = agent.get(f"guides/{guide['code']}")
    case = take_in(agent, guide)
    number = case["number"]
    assert case["state"] == "accepted"
    assert case["held_by_county_at"] is None
    picture = photo()
    status, _ = agent.upload(number, guide["materials"][0]["name"], picture)
    assert status == 201
    waiting = agent.get("sync")["waiting"]
    assert waiting >= 4, "two events, the event of the photo and its chunks"

    old = healed.kill(village)
    until(lambda: alive(village["url"]) and healed.pid_of(village) != old, "the station is started again")
    assert agent.get("sync")["waiting"] == waiting, "right also just after a start, and the sign-in still holds"
    assert agent.get(f"cases/{number}")["materials"][0]["files"]

    healed.line("heal")
    healed_at = time.monotonic()
    held = until(lambda: agent.get(f"cases/{number}")["held_by_county_at"], "the county holds the case")
    assert held.endswith("Z")
    print(f"held by the county {time.monotonic() - healed_at:.1f} s after the line was healed")
    assert agent.get("sync")["waiting"] == 0
    seen = reviewer.get(f"cases/{number}")
    material = next(material for material in seen["materials"] if material["files"])
    assert reviewer.fetch(f"cases/{number}/materials/{material['id']}") == (200, picture)
    assert reviewer.fetch(f"cases/{number}/materials/{material['files'][0]['id']}") == (200, picture)

    reviewer.post(f"cases/{number}/events", {"kind": "decided", "data": {"outcome": "granted", "reason": "符合条件"}})
    decided = until(
        lambda: (found := agent.get(f"cases/{number}"))["state"] == "decided" and found,
        "the village sees the decision",
    )
    decision = next(event for event in decided["events"] if event["kind"] == "decided")
    assert decision["data"]["reason"] == "符合条件"
    assert decided["contested"] == []
    assert decided["quarantined"] == []


def test_the_township_decides_its_own_while_the_county_is_out_of_reach(healed: DemoCounty) -> None:
    township = healed.station("township")
    window = healed.sign_in(township, "agent")
    head = healed.sign_in(township, "township")
    healed.line("cut")
    case = take_in(window, decided_by(window, "township"))
    answer = head.post(
        f"cases/{case['number']}/events",
        {"kind": "decided", "data": {"outcome": "refused", "reason": "材料不符"}},
    )
    assert answer["state"] == "decided"
    healed.line("heal")
    until(lambda: head.get(f"cases/{case['number']}")["held_by_county_at"], "the county holds it")


def test_the_township_decides_a_villages_case(healed: DemoCounty) -> None:
    agent = healed.sign_in(healed.station("village", 1), "agent")
    head = healed.sign_in(healed.station("township"), "township")
    number = take_in(agent, decided_by(agent, "township"))["number"]
    until(lambda: sees(head, number), "the case comes to the township by way of the county")
    head.post(f"cases/{number}/events", {"kind": "decided", "data": {"outcome": "granted", "reason": "属实"}})
    until(lambda: agent.get(f"cases/{number}")["state"] == "decided", "the village sees it")


def test_the_administrator_sees_a_station_fall_silent_and_come_back(healed: DemoCounty) -> None:
    admin = healed.sign_in(healed.layout["county"], "admin")
    code = healed.station("village")["code"]

    def status() -> str:
        rows = admin.get("stations")["results"]
        return str(next(row["status"] for row in rows if row["code"] == code))

    until(lambda: status() == "in_contact", "in contact")
    healed.line("cut")
    until(lambda: status() == "silent", "silent after the cut")
    healed.line("heal")
    until(lambda: status() == "in_contact", "in contact again")
    statuses = {row["status"] for row in admin.get("stations")["results"]}
    assert "never_seen" in statuses


def test_the_same_key_makes_one_case(healed: DemoCounty) -> None:
    agent = healed.sign_in(healed.station("village"), "agent")
    guide = decided_by(agent, "village")
    body = {
        "item": guide["code"],
        "applicant": APPLICANT,
        "form": first_example(guide["form"]),
        "materials": [],
    }
    key = str(uuid4())
    first = agent.post("cases", body, Idempotency_Key=key)
    again = agent.post("cases", body, expect=200, Idempotency_Key=key)
    assert again["number"] == first["number"]
    changed = {**body, "applicant": {**APPLICANT, "name": "李四"}}
    refused = agent.post("cases", changed, expect=409, Idempotency_Key=key)
    assert first["number"] in refused["message"]


def test_every_guide_offers_a_form_that_its_own_examples_pass(healed: DemoCounty) -> None:
    agent = healed.sign_in(healed.station("village"), "agent")
    names = ["低保", "宅基地", "临时救助", "高龄", "残疾证"]
    for name in names:
        case = take_in(agent, item_called(agent, name), id_number="600000198503150026")
        # The township accepts what has the homestead's flow; all others are accepted at the counter.
        assert case["state"] == ("received" if name == "宅基地" else "accepted"), name


def test_the_demo_ends_with_everything_it_started_and_goes_on_with_the_same_data(demo: DemoCounty) -> None:
    agent = demo.sign_in(demo.station("village"), "agent")
    number = take_in(agent, decided_by(agent, "village"))["number"]
    pids = [demo.pid_of(place) for place in (*demo.layout["stations"], demo.layout["county"])]
    assert demo.process is not None
    # The demo's own process ends in the worst way; nothing it started may stay behind.
    os.kill(demo.process.pid, signal.SIGKILL)
    demo.process.wait()
    try:
        until(lambda: not any(map(exists, pids)), "every process ends with the demo's own")
    finally:
        # The other stories go on with it.
        demo.port += 50
        demo.start()
    agent = demo.sign_in(demo.station("village"), "agent")
    assert agent.get(f"cases/{number}")["number"] == number


def sees(account: Account, number: str) -> bool:
    status, _ = account.fetch(f"cases/{number}")
    return status == 200


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
