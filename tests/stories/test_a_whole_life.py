"""A homestead's case through its whole life: a village and its township, each for a while on its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.patience import until
from tests.stories.browsing import (
    begin_intake,
    bring,
    correct,
    do_next,
    fill_applicant,
    picture,
    print_every_paper,
    save,
    sign_in,
)
from tests.stories.county import Account, DemoCounty
from tests.stories.test_first_light import photo

pytestmark = [pytest.mark.browser, pytest.mark.processes]

HOMESTEAD = "农村村民宅基地审批"


def test_a_homestead_is_granted_across_a_cut_line(healed: DemoCounty, person: BrowserContext, tmp_path: Path) -> None:
    village, township = healed.station("village"), healed.station("township")
    asked = {
        "village": healed.sign_in(village, "agent"),
        "township": healed.sign_in(township, "township"),
        "county": healed.sign_in(healed.layout["county"], "admin"),
    }
    agent, window = sign_in(person, village, "agent"), sign_in(person, township, "township")

    # Offline, with a power of attorney, four photos, and one paper that is not there.
    healed.line("cut")
    expect(agent.locator("#line-strip")).to_contain_text("网络中断")
    begin_intake(agent, "盖房子", HOMESTEAD)
    fill_applicant(agent, "李玉兰", "600000198503150026", "13000000001")
    appoint(agent)
    describe_the_house(agent)
    for place, material in enumerate(("m02", "m03", "m03", "m07")):
        taken = tmp_path / f"{place}.jpg"
        taken.write_bytes(photo(320, seed=place))
        agent.locator(f"input[name='photo.{material}']").set_input_files(taken)
        expect(agent.locator("#s3 .kept")).to_have_count(place + 1)
    bring(agent, "m01", "m02", "m03", "m04", "m05", "m07")
    picture(agent, "homestead-intake", whole=True)
    number = save(agent)
    picture(agent, "homestead-saved", whole=True)
    expect(agent.get_by_text("等河口镇便民服务中心答复受理不受理")).to_be_visible()
    expect(agent.get_by_role("link", name="打印接收回执")).to_be_visible()

    # The township sees it once, and then both are on their own.
    healed.line("heal")
    until(lambda: asked["village"].get(f"cases/{number}")["held_by_county_at"], "the county holds the case")
    until(lambda: has(asked["township"], number), "the township has the case")
    healed.line("cut")
    window.goto(f"{township['url']}/cases/{number}")
    expect(window.locator("#line-strip")).to_contain_text("网络中断")
    picture(window, "homestead-township", whole=True)
    window.get_by_label("原宅基地权属证明", exact=True).fill("请带老宅的宅基地使用证，没有的由村里出说明")
    do_next(window, "要求补正", "发出补正告知")
    expect(window.locator("#facts")).to_contain_text("补正")
    correct(window, "联系电话", "13000000022", "打电话核对")
    agent.goto(f"{village['url']}/cases/{number}")
    correct(agent, "联系电话", "13000000011", "受托人当面说的")

    healed.line("heal")
    until(lambda: phone_points(asked["village"], number) and phone_points(asked["township"], number), "both see it")
    window.reload()
    picture(window, "homestead-contested")
    window.get_by_label("130****0011").check()
    window.get_by_label("为什么这样定").fill("受托人当面说的那个打得通")
    window.get_by_role("button", name="定下来").click()
    expect(window.get_by_text("有两个说法")).to_have_count(0)
    until(lambda: not phone_points(asked["village"], number), "the village sees the outcome")

    # The paper is brought to the village; the township accepts.
    agent.reload()
    picture(agent, "homestead-correction", whole=True)
    agent.get_by_label("原宅基地权属证明：请带老宅的宅基地使用证").check()
    do_next(agent, "补正", "登记补正")
    until(lambda: state(asked["township"], number) == "corrected", "the township has the corrected case")
    window.reload()
    do_next(window, "受理", "受理")
    running = agree(asked, number)["deadlines"]
    assert None not in (running["due_on"], running["legal_on"])

    # The clock stands while they inspect and while the notice hangs, and goes on after.
    do_next(window, "开始“到场审查”", "开始环节")
    standing = agree(asked, number)["deadlines"]
    assert (standing["due_on"], standing["legal_on"]) == (None, None)
    picture(window, "homestead-inspection", whole=True)
    window.get_by_label("通过", exact=True).check()
    do_next(window, "完成“到场审查”", "完成环节")
    assert agree(asked, number)["deadlines"]["due_on"] == running["due_on"], "no whole day passed"
    agent.reload()
    do_next(agent, "开始“村内公示”", "开始环节")
    assert agree(asked, number)["deadlines"]["due_on"] is None
    agent.get_by_label("通过", exact=True).check()
    do_next(agent, "完成“村内公示”", "完成环节")
    agree(asked, number)

    # The township grants, the village hands the certificate to who was sent for it.
    window.reload()
    window.get_by_role("radio", name="准予").check()
    window.get_by_role("textbox", name="理由").fill("一户一宅，符合规划")
    do_next(window, "决定", "作出决定")
    window.get_by_role("button", name="确定，作出决定").click()
    expect(window.locator("#facts")).to_contain_text("已准予")
    agree(asked, number)
    agent.reload()
    agent.get_by_label("受托人").check()
    agent.locator("[name='to.name']").fill("王小兰")
    agent.get_by_label("签字").check()
    do_next(agent, "送达", "登记送达")
    agent.get_by_role("button", name="确定，登记送达").click()
    expect(agent.locator("#facts")).to_contain_text("已送达")
    ended = agree(asked, number)
    assert (ended["state"], ended["fields"]["applicant"]["phone"]) == ("delivered", "13000000011")

    papers = print_every_paper(agent)
    assert {"受理回执", "一次性补正告知书", "授权委托书", "准予许可决定书", "送达回证"} <= set(papers), papers
    agree(asked, number)


def appoint(page: Page) -> None:
    """A daughter comes with a power of attorney that is signed."""
    page.locator("[name='people.present.role'][value=proxy]").check()
    page.get_by_label("受托人姓名").fill("王小兰")
    page.get_by_label("受托人电话").fill("13000000003")
    page.get_by_label("受托人证件号码").fill("600000196001010016")
    page.get_by_label("有，签了名").check()


def describe_the_house(page: Page) -> None:
    page.get_by_label("原址翻建").check()
    typed = {
        "household_size": "1", "members.0.name": "李玉兰", "members.0.id_number": "600000198503150026",
        "old_land_area": "120", "location": "柳树湾村三组，老屋原址", "bounds.east": "村道", "bounds.south": "自家菜地",
        "bounds.west": "王某某家院墙", "bounds.north": "水沟", "land_area": "120", "building_area": "96", "floors": "2",
        "height": "7", "reason": "老屋是土房，下雨漏水",
    }  # fmt: skip
    for name, words in typed.items():
        page.locator(f"[name='form.{name}']").fill(words)
    page.locator("[name='form.members.0.relation']").select_option("户主")
    page.locator("[name='form.members.0.registered_here'][type=checkbox]").check()
    page.get_by_label("建设用地", exact=True).check()
    page.get_by_label("都同意").check()


def has(account: Account, number: str) -> bool:
    return any(row["number"] == number for row in account.get("cases")["results"])


def state(account: Account, number: str) -> str:
    return str(account.get(f"cases/{number}")["state"])


def phone_points(account: Account, number: str) -> list[str]:
    return [point["topic"] for point in account.get(f"cases/{number}")["contested"]]


def agree(asked: dict[str, Account], number: str) -> dict[str, Any]:
    """What the case has come to, once all sides say the same: fields, steps and every deadline."""

    def same() -> Any:
        said = [account.get(f"cases/{number}")["current"] for account in asked.values()]
        return said[0] if all(one == said[0] for one in said) else None

    found: dict[str, Any] = until(same, "all sides say the same")
    return found
