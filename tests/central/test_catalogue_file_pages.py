"""The pages for files: a look before anything comes in, what goes out, and 表一 and 表二 on paper."""

from __future__ import annotations

import io
import json
import re
import threading
from copy import deepcopy
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from casework.canonical import Document
from central.catalogue import tables
from central.catalogue.directories import NO_LIBRARIES, Libraries
from central.catalogue.drafts import DRAFTING, draft_of
from central.catalogue.exporting import contents_of, to_json, to_xlsx
from central.catalogue.workbook import Workbook
from provisioning import sample_county
from tests.central.county import SUBSISTENCE, Browser, SmallCentre
from tests.central.test_catalogue_files import cell, contents

FILES = "/catalogue/files"


def upload(browser: Browser, content: bytes, name: str = "事项.xlsx", *, expect: int = 303, **more: str) -> Any:
    return browser.send(FILES, {"file": (io.BytesIO(content), name), **more}, expect=expect)


def changed_file(county: SmallCentre, **changes: Any) -> bytes:
    """What is published, with a change to its first item."""
    whole = contents_of(county.centre)
    return to_xlsx([{**whole[0], **changes}, *whole[1:]])


# -- in --------------------------------------------------------------------------------------------------------------


def test_a_file_is_looked_at_before_it_comes_in(county: SmallCentre) -> None:
    browser = county.sign_in("sun")
    new = {**contents(1)[0], "code": "60010100MZ-JF-0099", "name": "新的一项"}
    whole = contents_of(county.centre)
    page = upload(browser, to_xlsx([{**whole[0], "note": "改过"}, *whole[1:], new])).location
    shown = browser.get(page)
    assert "新增 1 个，修改 1 个，2 个没有变化" in shown
    assert "新的一项" in shown
    assert whole[0]["name"] in shown
    assert draft_of(county.centre, new["code"]) is None, "a look writes nothing"
    assert page in browser.get(FILES), "what waits is on the page"
    browser.send(page, {"do": "import"})
    assert "新增 1 个，修改 1 个，2 个没有变化" in browser.get(FILES)
    draft = draft_of(county.centre, whole[0]["code"])
    assert draft is not None
    assert (draft["item"]["note"], draft["state"]) == ("改过", "暂存")
    browser.get(page, expect=404)


def test_taken_as_approved_when_that_is_asked_for(county: SmallCentre) -> None:
    browser = county.sign_in("sun")
    page = upload(browser, changed_file(county, note="改过"), approve="yes").location
    assert "按已审核入库导入" in browser.get(page)
    browser.send(page, {"do": "import"})
    draft = draft_of(county.centre, contents_of(county.centre)[0]["code"])
    assert (draft or {})["state"] == "已入库"


def test_bad_rows_are_listed_with_their_place_and_there_is_nothing_to_confirm(county: SmallCentre) -> None:
    book = openpyxl.load_workbook(io.BytesIO(changed_file(county)))
    cell(book["材料"], "份数").value = "=1+1"
    cell(book["材料"], "材料名称", 3).value = "<script>alert(1)</script>"
    out = io.BytesIO()
    book.save(out)
    browser = county.sign_in("sun")
    page = upload(browser, out.getvalue()).location
    shown = browser.get(page)
    assert "不能导入" in shown
    assert re.search(r"材料 第 2 行</td><td>份数</td>", shown)
    assert "<script>alert" not in shown
    assert 'value="import"' not in shown
    seq = county.centre.databases.open(DRAFTING).update_seq
    token = re.search(r'name="csrf" value="([0-9a-f]+)"', browser.get(FILES))
    assert token is not None
    assert browser.client.post(page, data={"csrf": token[1], "do": "import"}).status_code == 409
    assert county.centre.databases.open(DRAFTING).update_seq == seq


def test_what_cannot_be_read_is_said_on_the_page(county: SmallCentre) -> None:
    browser = county.sign_in("sun")
    for content, name, reason in (
        (b"\x89PNG\r\n\x1a\n", "照片.xlsx", "图片"),
        (b"x", "老.xls", "另存为 .xlsx"),
        (b"[1,", "坏.json", "不是完整的 JSON"),
        (b'{"format": "x"}', "别的.json", "不是事项目录"),
    ):
        assert reason in upload(browser, content, name, expect=422).text
    assert "请选一个文件" in browser.send(FILES, {}, expect=422).text


def test_what_is_not_wanted_is_dropped(county: SmallCentre) -> None:
    browser = county.sign_in("sun")
    page = upload(browser, changed_file(county, note="改过")).location
    browser.send(page, {"do": "drop"})
    browser.get(page, expect=404)
    assert list((Path(county.folder) / "county" / "staging").rglob("*.json")) == []


def test_a_catalogue_that_changed_since_the_look_is_looked_at_again(county: SmallCentre) -> None:
    browser = county.sign_in("sun")
    page = upload(browser, changed_file(county, note="改过")).location
    first = contents_of(county.centre)[0]
    county.change_draft(first["name"], note="改过")
    again = browser.send(page, {"do": "import"}).location
    assert again != page
    shown = browser.get(again)
    assert "请再看一遍" in shown
    assert "修改 0 个，3 个没有变化" in shown


def test_an_inventory_comes_in_as_it_is(county: SmallCentre) -> None:
    browser = county.sign_in("sun")
    record = {
        "id": "IT901", "name": "农村村民住宅建设竣工验收", "type_letters": "QT", "type": "其他行政权力",
        "type_code": "10", "department": "农业农村", "dept_letters": "NY", "code_county_rule": "62052400NY-QT-0001",
        "handling_level_code": "5", "handling_level": "镇(乡、街道)级", "decided_by": "乡镇人民政府",
        "village_role": "代办", "service_object": ["自然人"], "case_type": "承诺件", "legal_limit": None,
        "promised_workdays": 10, "onsite_visits": 1, "fee": False, "materials": [], "provenance": "memory",
    }  # fmt: skip
    page = upload(browser, json.dumps([record]).encode(), "items.json").location
    shown = browser.get(page)
    assert "新增 1 个" in shown
    assert "区划 62052400 不是本县的" in shown


def test_others_go_on_while_a_large_file_comes_in(county: SmallCentre) -> None:
    sample = contents()
    whole = [{**one, "code": f"{one['code'][:-4]}{n:04d}"} for n in range(4) for one in sample]
    browser, other = county.sign_in("sun"), county.app.test_client()
    file = to_xlsx(list({one["code"]: one for one in whole}.values()))
    done = threading.Event()

    def look() -> None:
        upload(browser, file)
        done.set()

    thread = threading.Thread(target=look)
    thread.start()
    asked = 0
    while not done.wait(0.02):
        assert other.get("/healthz").status_code == 200
        asked += 1
    thread.join()
    assert asked > 10


# -- out -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["xlsx", "csv", "json"])
@pytest.mark.parametrize("which", ["published", "drafts"])
def test_what_is_downloaded_can_be_brought_back_unchanged(county: SmallCentre, kind: str, which: str) -> None:
    browser = county.sign_in("sun")
    answer = browser.client.get(f"/catalogue/export?kind={kind}&which={which}")
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=catalogue.")
    page = upload(browser, answer.data, f"x.{kind}", approve="yes").location
    assert "新增 0 个，修改 0 个，3 个没有变化" in browser.get(page)


def test_there_is_no_other_kind(county: SmallCentre) -> None:
    county.sign_in("sun").get("/catalogue/export?kind=pdf", expect=404)


# -- on paper --------------------------------------------------------------------------------------------------------


def test_table_one_counts_a_departments_items_by_type(county: SmallCentre) -> None:
    page = county.sign_in("sun").get("/catalogue/tables/catalogue?department=民政")
    assert page.count('<article class="official') == 1
    assert "政务服务事项内容目录" in page
    assert "共 3 项：其中行政确认 1 项；行政给付 2 项" in page
    assert SUBSISTENCE in page


def test_table_one_is_the_countys_own_office() -> None:
    libraries = Libraries(department={"MZ": {"id": "MZ", "name": "民政", "office": "县民政局"}})
    (first, *_) = tables.catalogue_tables(contents(2), libraries, "驿山县政务服务中心")
    assert first.title == "驿山县民政局政务服务事项内容目录"
    assert first.summary() == "共 2 项：其中行政确认 1 项；行政给付 1 项"


def test_table_two_tells_every_element_of_an_item(county: SmallCentre) -> None:
    item = county.item()
    page = county.sign_in("sun").get(f"/catalogue/tables/information?code={item['code']}")
    assert page.count('<article class="official') == 1
    first = (item["materials"][0]["name"], item["conditions"][0], item["faq"][0]["question"])
    for told in (item["code"], *first, "20 个工作日"):
        assert told in page


def test_table_two_of_a_department_has_an_article_for_each_item(county: SmallCentre) -> None:
    page = county.sign_in("sun").get("/catalogue/tables/information?department=民政")
    assert page.count('<article class="official') == 3


def test_items_under_a_directory_and_those_within_it_are_chosen() -> None:
    directories = {
        "top": {"id": "top", "title": "上", "parent": None},
        "sub": {"id": "sub", "title": "下", "parent": "top"},
        "round": {"id": "round", "title": "圈", "parent": "round"},
    }
    whole: list[Document] = deepcopy(contents(4))
    for content, directory in zip(whole, ("top", "sub", "round", None), strict=True):
        if directory:
            content["directory"] = directory
    names = [one["name"] for one in tables.chosen(whole, Libraries(directory=directories), directory="top")]
    assert names == [whole[0]["name"], whole[1]["name"]]
    assert len(tables.chosen(whole, NO_LIBRARIES)) == 4


@pytest.mark.parametrize("page", ["catalogue", "information"])
def test_both_tables_are_taken_away_as_a_workbook_or_as_a_page(county: SmallCentre, page: str) -> None:
    browser = county.sign_in("sun")
    book = Workbook(browser.client.get(f"/catalogue/tables/{page}?department=民政&download=xlsx").data)
    assert len(book.sheets) == (1 if page == "catalogue" else 3)
    texts = [one.text for sheet in book.sheets for _, cells in sheet.rows() for one in cells.values()]
    assert SUBSISTENCE in texts
    alone = browser.client.get(f"/catalogue/tables/{page}?department=民政&download=html")
    assert alone.headers["Content-Disposition"].startswith("attachment")
    assert alone.text.lstrip().startswith("<!doctype html>")
    assert "<nav" not in alone.text
    assert SUBSISTENCE in alone.text


def test_the_whole_sample_county_has_its_tables() -> None:
    whole = [{**item, "form": {}} for item in sample_county.load("items")["items"]]
    one = tables.catalogue_tables(whole, NO_LIBRARIES, "驿山县政务服务中心")
    assert sum(table.total for table in one) == 140
    assert all(sum(count for _, count in table.counts) == table.total == len(table.rows) for table in one)
    names = [name for name, *_ in tables.information_sheets([tables.information_table(item) for item in whole])]
    assert len(set(names)) == 140
    assert to_json(whole)
