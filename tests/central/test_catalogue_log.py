"""What is done to the catalogue stands in the county's log of acts, and is found there in the words of the page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner

from central.audit import AUDIT
from central.catalogue.commands import catalogue
from central.catalogue.drafts import import_items
from central.catalogue.findings import CatalogueRefused
from central.catalogue.publishing import publish, take_back
from central.catalogue.words import edit_dictionary
from tests.central.county import MORNING, SUBSISTENCE, Browser, SmallCentre, some_items
from tests.node.station import plain
from web.audit import AuditLog


def found(admin: Browser, title: str) -> list[str]:
    """The lines of the log's page, the newest first, when this is chosen under 做了什么."""
    page = admin.get("/log")
    act = re.search(rf'<option value="(\w+)"[^>]*>{title}</option>', page)
    assert act, f"the page does not offer {title}"
    body = admin.get(f"/log?act={act[1]}").partition("<tbody>")[2].partition("</tbody>")[0]
    return [re.sub(r"\s+", " ", plain(row)).strip() for row in body.split("</tr>")[:-1]]


def in_file(folder: Path, act: str) -> list[tuple[str, str, str, str]]:
    log = AuditLog(folder / AUDIT, now=lambda: MORNING, random=Random(9))
    try:
        rows = [row.entry for row in log.rows(0, 1000) if row.entry["act"] == act]
        return [(row["account"], row["name"], row["role"], row["what"]) for row in rows]
    finally:
        log.close()


def test_a_release_published_on_the_page_is_in_the_log(county: SmallCentre) -> None:
    admin = county.sign_in("sun")
    county.change_draft(SUBSISTENCE, conditions=["改了"])
    admin.send("/catalogue/publish", {})
    assert "孙某某 sun · 县管理员 发布目录 第 2 版，1 处改动" in found(admin, "发布目录")[0]
    admin.send("/catalogue/publish", {})
    assert len(found(admin, "发布目录")) == 2, (
        "the county's first one, and this: where nothing changed nothing was done"
    )


def test_a_release_taken_back_on_the_page_is_in_the_log(county: SmallCentre) -> None:
    admin = county.sign_in("sun")
    county.change_draft(SUBSISTENCE, conditions=["错了"])
    publish(county.centre)
    admin.send("/catalogue/back/1", {"from": "2"})
    assert "孙某某 sun · 县管理员 退回到以前的目录 第 3 版，内容和第 1 版一样" in found(admin, "退回到以前的目录")[0]
    admin.send("/catalogue/publish", {"held": "yes"})
    assert "第 4 版，1 处改动，连同退回过的" in found(admin, "发布目录")[0]


def test_what_was_refused_is_not_told_as_done(county: SmallCentre) -> None:
    with pytest.raises(CatalogueRefused):
        take_back(county.centre, 7, by="sun")
    assert edit_dictionary(county.centre, "said", add={"没有的事项": ["飞船糕"]}, by="sun") != {}
    admin = county.sign_in("sun")
    assert found(admin, "退回到以前的目录") == []
    assert found(admin, "改词库") == []


def test_every_edit_of_a_dictionary_is_in_the_log(county: SmallCentre) -> None:
    admin = county.sign_in("sun")
    admin.send("/words/said", {"way": "飞船糕", "key": SUBSISTENCE})
    admin.send("/words/filler", {"key": "谁", "take_out": "俺"})
    taken_out, added = found(admin, "改词库")
    assert "孙某某 sun · 县管理员 改词库 客套话和问法：拿掉 俺（谁）" in taken_out
    assert f"群众的说法：加上 飞船糕（{SUBSISTENCE}）" in added


def test_new_words_of_a_paper_are_in_the_log(county: SmallCentre) -> None:
    admin = county.sign_in("sun")
    admin.send("/catalogue/papers/receipt", {"do": "default"})
    assert "孙某某 sun · 县管理员 改文书样式" in found(admin, "改文书样式")[0]


def test_a_command_is_told_as_whoever_was_at_the_machine(county: SmallCentre, tmp_path: Path) -> None:
    county.change_draft(SUBSISTENCE, conditions=["改了"])
    folder = county.centre.folder.path
    county.centre.close()
    file = tmp_path / "libraries.json"
    file.write_text(json.dumps({"system": [{"id": "one", "name": "一网通办", "level": "county"}]}), encoding="utf-8")
    for command in (["publish"], ["publish", "--back-to", "1"], ["libraries", str(file)]):
        run = CliRunner().invoke(catalogue, [*command, "--dir", str(folder)])
        assert run.exit_code == 0, run.output
    machine = ("command", "本机的操作人（命令行）", "")
    assert in_file(folder, "catalogue_published")[-1] == (*machine, "第 2 版，1 处改动")
    assert in_file(folder, "catalogue_taken_back") == [(*machine, "第 3 版，内容和第 1 版一样")]
    assert in_file(folder, "catalogue_library") == [(*machine, "导入 1 条")]
    county.start()
    line = found(county.sign_in("sun"), "退回到以前的目录")[0]
    assert "本机的操作人（命令行） command · 本机" in line


def test_an_import_names_the_person(county: SmallCentre) -> None:
    catalogue = some_items()
    catalogue["items"][0]["note"] = "改了"
    assert import_items(county.centre, catalogue, approve=True, by="sun").imported
    assert "孙某某 sun · 县管理员 导入事项 导入并入库 1 个事项" in found(county.sign_in("sun"), "导入事项")[0]
