"""同城通办: a villager of one township hands in at a village of the other, which is nearer to where she works."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.patience import PATIENCE_S, until
from tests.stories.browsing import begin_intake, bring, do_next, fill_applicant, picture, save, sign_in
from tests.stories.county import Account, DemoCounty, alive, yizhan

pytestmark = [pytest.mark.browser, pytest.mark.processes]

QINGSHI = "600101102000"


def test_a_villager_hands_in_at_a_village_of_the_other_township(
    healed: DemoCounty, person: BrowserContext, tmp_path: Path
) -> None:
    village = healed.station("village")
    with joined(healed, QINGSHI, tmp_path / "qingshi") as qingshi:
        asked = [healed.sign_in(village, "agent"), healed.sign_in(qingshi, "township")]
        usual = healed.sign_in(healed.station("township"), "township")
        agent = sign_in(person, village, "agent")
        begin_intake(agent, "户口本丢了", "居民户口簿补发换发")
        fill_applicant(agent, "张秀英", "600000196001010016", "13000000001")
        agent.get_by_label("申请事由").fill("户口本不见了，户口在青石镇石桥村")
        bring(agent, "m01", "m02")
        agent.get_by_text("由别的乡镇办理").click()
        agent.get_by_label("哪个乡镇").select_option("青石镇便民服务中心")
        picture(agent, "other-township", whole=True)
        number = save(agent)
        expect(agent.get_by_text("等青石镇便民服务中心（派出所）作决定")).to_be_visible()

        # It reaches the township that handles it, by way of the county; the one above the village only sees it.
        until(lambda: knows(asked[1], number), "the other township has the case")
        until(lambda: knows(usual, number), "the village's own township sees the case")
        grant = {"kind": "decided", "data": {"outcome": "granted", "reason": "符合条件"}}
        usual.post(f"cases/{number}/events", grant, expect=403)
        window = sign_in(person, qingshi, "township")
        window.get_by_role("link", name="待办", exact=True).click()
        picture(window, "other-township-worklist")
        window.locator(f"main a[href*='{number}']").first.click()
        window.locator("section.more").get_by_text("更多操作").click()
        window.locator("section.more").get_by_role("link", name="决定", exact=True).click()
        window.get_by_role("radio", name="准予").check()
        window.get_by_role("textbox", name="理由").fill("户口在本镇，已补发")
        window.get_by_role("button", name="下一步：核对").click()
        window.get_by_role("button", name="确定，作出决定").click()
        expect(window.locator("#facts")).to_contain_text("已准予")

        # The village that took it in hands it out.
        until(lambda: asked[0].get(f"cases/{number}")["state"] == "decided", "the village hears of it")
        agent.reload()
        agent.get_by_label("本人", exact=True).check()
        agent.get_by_label("签字").check()
        do_next(agent, "送达", "登记送达")
        agent.get_by_role("button", name="确定，登记送达").click()
        expect(agent.locator("#facts")).to_contain_text("已送达")
        until(lambda: asked[1].get(f"cases/{number}")["state"] == "delivered", "so the township knows")
        village_says, township_says = (account.get(f"cases/{number}")["current"] for account in asked)
        assert village_says == township_says


def knows(account: Account, number: str) -> bool:
    return any(row["number"] == number for row in account.get("cases")["results"])


@contextmanager
def joined(demo: DemoCounty, code: str, folder: Path) -> Iterator[dict[str, Any]]:
    """One more of the county's stations, enrolled and served while the demo runs, as a real one joins."""
    relay = f"http://127.0.0.1:{demo.port + 1}"
    add = yizhan("provision", "station", "add", "--dir", demo.folder / "county", "--json", "--new-code", code)
    (row,) = json.loads(add)["stations"]
    yizhan("provision", "enrol", "--dir", folder, "--county", relay, YIZHAN_CODE=row["enrolment_code"])
    url = f"http://127.0.0.1:{demo.port + 40}"
    command = [sys.executable, "-m", "yizhan", "node", "serve", "--dir", str(folder), "--county", relay]
    with (folder.parent / f"{code}.log").open("wb") as log:
        process = subprocess.Popen([*command, "--listen", url.removeprefix("http://")], stdout=log, stderr=log)
    accounts = json.loads((demo.folder / "accounts.json").read_text())
    place = {
        "code": code,
        "url": url,
        "accounts": [{"role": account["roles"][0], **account} for account in accounts if account["station"] == code],
    }
    try:
        until(lambda: alive(url) and signs_in(demo, place), "the new station has its guides and accounts", every_s=1)
        yield place
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def signs_in(demo: DemoCounty, place: dict[str, Any]) -> bool:
    try:
        return bool(demo.sign_in(place, "township").get("guides?q=户口")["results"])
    except AssertionError:
        return False
