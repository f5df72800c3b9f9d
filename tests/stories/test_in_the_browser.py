"""The same first light as people see it: every step by keyboard and mouse in a real Chromium."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, expect

from tests.patience import until
from tests.stories.browsing import fill_required, picture, sign_in
from tests.stories.county import DemoCounty, alive
from tests.stories.test_first_light import photo

pytestmark = [pytest.mark.browser, pytest.mark.processes]


def test_steps_1_to_5(healed: DemoCounty, person: BrowserContext, tmp_path: Path) -> None:
    village, county = healed.station("village"), healed.layout["county"]
    page = sign_in(person, village, "agent")

    # The line is cut, and the page says so calmly.
    healed.line("cut")
    expect(page.locator("#line-strip")).to_contain_text("网络中断")
    expect(page.locator("#line-strip")).to_contain_text("照常收件")
    picture(page, "station-home")

    # 1: 低保 finds the guide, the guide leads into the intake.
    page.get_by_label("村民要办什么事？").fill("低保")
    page.locator("#found").get_by_role("link", name="最低生活保障对象认定与保障金给付").click()
    for words in ("要带什么", "什么人能办", "谁来决定", "县民政局", "不收费", "20 个工作日"):
        expect(page.locator("main")).to_contain_text(words)
    picture(page, "guide", whole=True)
    page.get_by_role("button", name="给这件事收件").click()

    # A wrong check digit and a form left empty: the reasons, and nothing typed is lost.
    page.get_by_label("姓名", exact=True).fill("张秀英")
    page.get_by_label("证件号码", exact=True).fill("600000196001010018")
    page.get_by_label("联系电话").fill("130 0000 0001")
    scan = tmp_path / "household.jpg"
    scan.write_bytes(photo(700))
    page.locator("input[name='photo.m03']").set_input_files(scan)
    expect(page.locator("img[alt='居民户口簿 1']")).to_be_visible()
    page.get_by_role("button", name=re.compile("保存 ")).click()
    expect(page.locator("#errors")).to_contain_text("最后一位对不上")
    expect(page.get_by_label("姓名", exact=True)).to_have_value("张秀英")
    expect(page.locator("img[alt='居民户口簿 1']")).to_be_visible()

    page.get_by_label("证件号码", exact=True).fill("600000196001010016")
    page.get_by_label("家庭人口（连本人）").fill("1")
    page.get_by_label("因病").check()
    page.locator("[name='form.members.0.name']").fill("张秀英")
    page.locator("[name='form.members.0.relation']").select_option("本人")
    page.locator("[name='form.members.0.id_number']").fill("600000196001010016")
    page.locator("[name='form.members.0.employment']").fill("务农")
    page.locator("[name='form.members.0.monthly_income']").fill("350")
    page.locator("[name='form.housing.kind']").select_option(index=1)
    page.locator("[name='form.housing.area']").fill("72")
    page.locator("[name='form.account']").fill("6200000000000000000")
    page.locator("[name='form.hardship']").fill("本人患慢性病两年，需长期服药。<script>alert(1)</script>")
    picture(page, "intake")
    page.keyboard.press("Control+Enter")

    # 已保存, with the number, and the papers to print.
    expect(page.locator("main")).to_contain_text("已保存")
    number = page.url.rsplit("/", 1)[1].split("?")[0]
    expect(page.locator("#facts")).to_contain_text("还没传完")
    page.get_by_role("link", name="打印受理回执").click()
    expect(page.locator(".sheet")).to_contain_text("受理回执")
    expect(page.locator(".sheet .qr svg")).to_be_visible()
    expect(page.locator(".sheet")).to_contain_text("600000********0016")
    picture(page, "receipt", whole=True)
    page.go_back()
    page.get_by_role("link", name="打印申请表").click()
    expect(page.locator(".sheet")).to_contain_text("600000196001010016")
    expect(page.locator(".sheet")).to_contain_text("<script>alert(1)</script>")
    picture(page, "application", whole=True)

    # 2 and 3: the node is killed between saving and syncing; the line heals; the county has it.
    page.goto(f"{village['url']}/cases/{number}")
    old = healed.kill(village)
    until(lambda: alive(village["url"]) and healed.pid_of(village) != old, "the station is started again")
    healed.line("heal")
    expect(page.locator("#facts")).to_contain_text("县中心已收到")
    picture(page, "case", whole=True)

    # 4: the department's reviewer sees the case with its photo, and decides.
    review = sign_in(person, county, "reviewer")
    review.goto(f"{county['url']}/cases/{number}")
    expect(review.locator(".viewer img")).to_be_visible()
    assert review.locator(".viewer img").evaluate("image => image.complete && image.naturalWidth > 0")
    picture(review, "review", whole=True)
    review.get_by_role("radio", name="不予").check()
    review.get_by_role("button", name="作出决定").click()
    expect(review.locator("#errors")).to_contain_text("理由")
    review.get_by_role("radio", name="准予").check()
    review.get_by_role("textbox", name="理由").fill("家庭人均收入低于本县标准")
    review.get_by_role("button", name="作出决定").click()
    expect(review.get_by_role("heading", name="核对：决定")).to_be_visible()
    picture(review, "check")
    review.get_by_role("button", name="确定，作出决定").click()
    expect(review.locator("#facts")).to_contain_text("已准予")
    expect(page.locator("#facts")).to_contain_text("已准予")
    page.reload()
    expect(page.locator("main")).to_contain_text("家庭人均收入低于本县标准")


def test_step_5_the_administrator_sees_it_change(healed: DemoCounty, person: BrowserContext) -> None:
    county = healed.layout["county"]
    page = sign_in(person, county, "admin")
    page.goto(f"{county['url']}/stations")
    row = page.locator("tr", has_text="柳树湾村").first
    expect(row).to_contain_text("在线")
    picture(page, "monitor")
    healed.line("cut")
    expect(row).not_to_contain_text("在线")
    picture(page, "monitor-cut", whole=True)
    healed.line("heal")
    expect(row).to_contain_text("在线")


def test_one_draft_in_two_tabs_is_one_case_and_loses_no_word(healed: DemoCounty, person: BrowserContext) -> None:
    village = healed.station("village")
    first = sign_in(person, village, "agent")
    first.goto(f"{village['url']}/guides?q=%E5%BC%80%E8%AF%81%E6%98%8E")
    first.locator("#found a").first.click()
    first.get_by_role("button", name="给这件事收件").click()
    second = person.new_page()
    second.goto(first.url)
    for page, name in ((first, "李四"), (second, "李四改")):
        page.get_by_label("姓名", exact=True).fill(name)
        page.get_by_label("证件号码", exact=True).fill("600000198503150026")
        page.get_by_label("联系电话").fill("13000000002")
        fill_required(page)
    first.get_by_role("button", name=re.compile("保存 ")).click()
    expect(first.locator("main")).to_contain_text("已保存")
    second.get_by_role("button", name=re.compile("保存 ")).click()
    expect(second.locator("main")).to_contain_text("没有再存")
    expect(second.get_by_label("姓名", exact=True)).to_have_value("李四改")
    second.get_by_role("link", name="打开那个办件").click()
    assert second.url.split("?")[0] == first.url.split("?")[0]


def test_pages_fit_a_phone(healed: DemoCounty, browser: Browser) -> None:
    phone = browser.new_context(viewport={"width": 390, "height": 844}, locale="zh-CN", color_scheme="dark")
    page = sign_in(phone, healed.station("village"), "agent")
    url = healed.station("village")["url"]
    for path in ("/", "/guides?q=低保", "/intake", "/cases", "/line", "/clock"):
        page.goto(f"{url}{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
        for field in page.locator("main input:visible:not([type=radio]):not([type=checkbox])").all():
            assert field.evaluate("field => field.clientWidth") > 120, f"there is room to type on {path}"
        picture(page, f"phone{path.split('?')[0].replace('/', '-')}")
    phone.close()


def test_an_intake_needs_no_script(healed: DemoCounty, browser: Browser) -> None:
    plain = browser.new_context(java_script_enabled=False, viewport={"width": 1366, "height": 768})
    page = sign_in(plain, healed.station("village"), "agent")
    page.get_by_label("村民要办什么事？").fill("低保")
    page.get_by_role("button", name="查指南").click()
    page.locator("#found a").first.click()
    page.get_by_role("button", name="给这件事收件").click()
    page.get_by_label("姓名", exact=True).fill("王五")
    page.locator("[name='form.members.0.name']").fill("王五")
    page.get_by_role("button", name="加一人").click()
    expect(page.get_by_label("姓名", exact=True)).to_have_value("王五")
    expect(page.locator("[name='form.members.1.name']")).to_be_visible()
    plain.close()
