"""An item's page: everything that it says goes to the page and comes back; nothing typed is lost."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from casework.canonical import Document
from central.catalogue.directories import Libraries
from central.catalogue.drafts import draft_of, save_draft
from central.catalogue.editing import as_shown, groups, json_texts, lines_of, new_content, read_page
from central.catalogue.libraries import import_libraries, keep
from central.catalogue.lifecycle import DRAFT
from central.views.catalogue_editor import EDITORS
from provisioning import sample_county
from tests.central.county import SUBSISTENCE, Browser, SmallCentre, csrf_in
from tests.central.test_catalogue_checks import LIBRARIES
from tests.central.test_pages import looked_over
from tests.web.browsing import sent_by
from web.forms import lay_out
from web.signin import User

SAMPLE = sample_county.load("items")
ZHAO = User("zhao", "赵某某", ("reviewer",), "民政", None)
FORM = '{"type": "object", "properties": {"reason": {"title": "事由", "type": "string"}}}'


@pytest.fixture
def shelved(county: SmallCentre) -> SmallCentre:
    """A county with the sample's libraries."""
    assert import_libraries(county.centre, sample_county.load("libraries"), by="test")["refused"] == []
    return county


def code_of(county: SmallCentre) -> str:
    return str(county.item()["code"])


def page_of(browser: Browser, county: SmallCentre) -> str:
    return browser.get(f"/items/{code_of(county)}")


def typed(page: str, **changes: Any) -> MultiDict[str, str]:
    """The editor's form as the page has it, with these fields typed over."""
    form = page[page.index('<form method="post" id="item"') :]
    sent = sent_by(form[: form.index("</form>")])
    for name, value in changes.items():
        sent.setlist(name.replace("__", "."), value if isinstance(value, list) else [value])
    return sent


def saved(browser: Browser, county: SmallCentre, page: str, **changes: Any) -> TestResponse:
    return browser.client.post(f"/items/{code_of(county)}", data=typed(page, **changes))


def content_of(county: SmallCentre) -> Document:
    draft = draft_of(county.centre, code_of(county))
    assert draft is not None
    return draft["item"]


# -- to the page and back --------------------------------------------------------------------------------------


def all_items() -> list[Document]:
    return [
        {**item, "form": SAMPLE["forms"][item["form"]] if isinstance(item["form"], str) else item["form"]}
        for item in SAMPLE["items"]
    ]


def as_sent(content: Document, libraries: Libraries) -> MultiDict[str, str]:
    """What a browser sends of the page, by the page's own fields."""
    sent: MultiDict[str, str] = MultiDict(json_texts(content))

    def put(fields: Any) -> None:
        for one in fields:
            if one.kind == "group":
                put(one.parts)
            elif one.kind in ("table", "rows"):
                for row in one.rows:
                    put(row)
            elif one.kind == "checks":
                sent.setlist(one.path, one.value)
            else:
                sent[one.path] = one.value

    for schema in groups(content, libraries).values():
        put(lay_out(schema, as_shown(content), prefix=""))
    return sent


@pytest.mark.parametrize("item", all_items(), ids=lambda item: item["code"])
def test_an_item_goes_to_the_page_and_back_without_a_change(item: Document) -> None:
    reading = read_page(item, as_sent(item, LIBRARIES), LIBRARIES)
    assert reading.problems == {}
    assert {name: value for name, value in reading.content.items() if value != item.get(name)} == {}
    assert {name: value for name, value in item.items() if name not in reading.content} == {}


def test_what_no_page_shows_is_kept(shelved: SmallCentre) -> None:
    before = content_of(shelved)
    unknown = {**before, "from_a_newer_version": {"x": 1}, "fee": {**before["fee"], "newer": "y"}}
    unknown["materials"] = [{**before["materials"][0], "newer": "z"}, *before["materials"][1:]]
    reading = read_page(unknown, as_sent(unknown, LIBRARIES), LIBRARIES)
    assert reading.content == unknown


# -- saving ----------------------------------------------------------------------------------------------------


def test_a_department_writes_its_item_in_words_and_the_village_reads_them(shelved: SmallCentre) -> None:
    zhao = shelved.sign_in("zhao")
    page = page_of(zhao, shelved)
    looked_over(page)
    answer = saved(
        zhao, shelved, page,
        quantity_limit="没有名额限制", ways=["窗口", "移动"], basis__0__pick="jiuzhu", power_source="法定本级行使",
        materials__0__guidance="户主签名按手印", promised__n="15", materials__0__necessity="容缺后补",
    )  # fmt: skip
    assert answer.status_code == 303, answer.text[:3000]
    item = content_of(shelved)
    assert item["quantity_limit"] == "没有名额限制"
    assert item["ways"] == ["窗口", "移动"]
    assert item["basis"][0]["law"] == "jiuzhu"
    assert item["basis"][0]["title"] == "《社会救助暂行办法》（国务院令第649号）"
    assert item["materials"][0]["guidance"] == "户主签名按手印"
    assert item["promised"] == {"n": 15, "unit": "工作日"}
    draft = draft_of(shelved.centre, code_of(shelved))
    assert draft is not None
    assert (draft["state"], draft["by"]) == (DRAFT, "zhao")
    assert "没有名额限制" in page_of(zhao, shelved)


def test_an_article_comes_with_its_text(shelved: SmallCentre) -> None:
    sun = shelved.sign_in("sun")
    assert saved(sun, shelved, page_of(sun, shelved), basis__0__pick="xukefa#第四十二条").status_code == 303
    entry = content_of(shelved)["basis"][0]
    assert (entry["law"], entry["article"]) == ("xukefa", "第四十二条")
    assert entry["text"].startswith("除可以当场作出行政许可决定的外")


def test_what_an_item_leaves_empty_is_shown_as_inherited(shelved: SmallCentre) -> None:
    sun = shelved.sign_in("sun")
    page = page_of(sun, shelved)
    assert "沿用目录" not in page
    assert saved(sun, shelved, page, directory="gongong").status_code == 303
    page = page_of(sun, shelved)
    assert "现在沿用目录“公共服务事项目录”：窗口办理" in page
    assert "ways" not in content_of(shelved), "the draft stays empty: the directory may change"


def test_errors_are_named_at_their_place_and_nothing_typed_is_lost(shelved: SmallCentre) -> None:
    sun = shelved.sign_in("sun")
    answer = saved(
        sun, shelved, page_of(sun, shelved),
        name="", promised__n="很多", quantity_limit="先写着", materials__0__other_when="{", steps__0__who="",
    )  # fmt: skip
    assert answer.status_code == 422
    page = answer.text
    summary = page[page.index('<section class="errors"') :].split("</section>")[0]
    targets = re.findall(r'href="#([^"]+)"', summary)
    assert len(targets) == 4
    for target in targets:
        assert f'id="{target}"' in page, f"the summary leads to {target}"
    assert "先写着" in page
    assert "很多" in page
    assert content_of(shelved)["name"] == SUBSISTENCE
    looked_over(page)


@pytest.mark.parametrize(
    ("field", "text", "said"),
    [
        ("form_json", FORM.replace(": {", ":\n{", 1)[:-1], "第 2 行"),
        ("form_json", "[]", "要写成一个"),
        ("form_json", '{"type": "object", "x": 1.5}', "有小数"),
        ("form_json", '{"type": "object",\n"required": ["a"],\n"properties": {\n"a": {"type": "string"}}}', "第 4 行"),
        ("flow_json", '{"accepts": "counter",\n"steps": [\n{"id": "a"}]}', "第 3 行（steps.0"),
        ("flow_json", '{"accepts": "nobody", "steps": []}', "第 1 行（accepts）"),
        ("hints_json", "{'a': 1}", "双引号"),
    ],
)
def test_a_fault_in_a_text_is_told_with_its_line_and_the_text_stays(
    shelved: SmallCentre, field: str, text: str, said: str
) -> None:
    sun = shelved.sign_in("sun")
    answer = saved(sun, shelved, page_of(sun, shelved), **{field: text})
    assert answer.status_code == 422
    assert said in answer.text
    assert sent_by(answer.text[answer.text.index('id="item"') - 40 :])[field].replace("\r\n", "\n") == text


def test_lines_of_a_text_are_counted_by_path() -> None:
    text = json.dumps({"a": [1, {"b": "}{\n"}], "c": {}}, indent=1)
    assert {path: lines_of(text)[path] for path in ("", "a", "a.0", "a.1", "a.1.b", "c")} == {
        "": 1, "a": 2, "a.0": 3, "a.1": 4, "a.1.b": 5, "c": 8,
    }  # fmt: skip


def test_a_form_edited_thrice_before_it_is_published_is_one_version_more(shelved: SmallCentre) -> None:
    sun = shelved.sign_in("sun")
    before = content_of(shelved)["form_version"]
    for title in ("事由", "为什么", "原因"):
        assert saved(sun, shelved, page_of(sun, shelved), form_json=FORM.replace("事由", title)).status_code == 303
    assert content_of(shelved)["form_version"] == before + 1
    again = json.dumps(shelved.item()["form"], ensure_ascii=False)
    assert saved(sun, shelved, page_of(sun, shelved), form_json=again).status_code == 303
    assert content_of(shelved)["form_version"] == before, "back to the form that is published"


def test_a_row_more_and_one_less_without_script_keep_what_was_typed(shelved: SmallCentre) -> None:
    sun = shelved.sign_in("sun")
    before = len(content_of(shelved)["materials"])
    more = saved(sun, shelved, page_of(sun, shelved), row="add:materials", note="还没存")
    assert more.status_code == 200
    assert "还没存" in more.text
    assert f'name="materials.{before}.name"' in more.text
    less = saved(sun, shelved, more.text, row="drop:materials.0")
    assert f'name="materials.{before - 1}.name"' not in less.text
    assert len(content_of(shelved)["materials"]) == before


def test_situations_say_when_a_material_is_asked_for(shelved: SmallCentre) -> None:
    sun = shelved.sign_in("sun")
    question = {
        "situations.0.id": "who", "situations.0.title": "发到谁的卡上", "situations.0.options.0.id": "own",
        "situations.0.options.0.title": "本人的", "situations.0.options.1.id": "family",
        "situations.0.options.1.title": "家里人的",
    }  # fmt: skip
    assert saved(sun, shelved, page_of(sun, shelved), **question).status_code == 303
    page = page_of(sun, shelved)
    assert "发到谁的卡上：家里人的" in page
    answer = saved(
        sun, shelved, page,
        materials__1__situations=["who=family"], materials__1__other_when='{"people.present.role": ["proxy"]}',
    )  # fmt: skip
    assert answer.status_code == 303
    assert content_of(shelved)["materials"][1]["when"] == {
        "situation.who": ["family"], "people.present.role": ["proxy"],
    }  # fmt: skip


def test_two_editors_neither_loses_anything(shelved: SmallCentre) -> None:
    sun, zhao = shelved.sign_in("sun"), shelved.sign_in("zhao")
    hers, his = page_of(zhao, shelved), page_of(sun, shelved)
    assert saved(zhao, shelved, hers, quantity_limit="部门写的").status_code == 303
    answer = saved(sun, shelved, his, quantity_limit="管理员写的")
    assert answer.status_code == 409
    assert "管理员写的" in answer.text
    assert "部门写的" in answer.text, "what the other wrote is shown beside"
    assert content_of(shelved)["quantity_limit"] == "部门写的"
    assert saved(sun, shelved, answer.text, quantity_limit="管理员又写的").status_code == 409, "and not over it later"
    assert content_of(shelved)["quantity_limit"] == "部门写的"


def test_the_preview_shows_what_is_typed_and_saves_nothing(shelved: SmallCentre) -> None:
    sun = shelved.sign_in("sun")
    flow = {
        "accepts": "counter",
        "steps": [{"id": "visit", "title": "上门看看", "kind": "home_visit", "who": {"level": "township"}}],
    }
    sent = typed(page_of(sun, shelved), name="换了的名字", form_json=FORM, flow_json=json.dumps(flow))
    for part in ("", "1"):
        answer = sun.client.post(
            f"/items/{code_of(shelved)}/preview", data=MultiDict([*sent.items(multi=True), ("part", part)])
        )
        assert answer.status_code == 200
        assert "换了的名字" in answer.text
        assert "上门看看" in answer.text
        assert "flowchart" in answer.text
        assert "事由" in answer.text
        assert ("<html" in answer.text) == (part == ""), "a part alone for the script, a page without"
    torn = sun.client.post(f"/items/{code_of(shelved)}/preview", data={**sent, "flow_json": "{", "part": "1"})
    assert "画不出来" in torn.text
    assert content_of(shelved)["name"] == SUBSISTENCE


def test_a_published_page_warns_of_checks_and_a_return_is_said_on_top(shelved: SmallCentre) -> None:
    sun = shelved.sign_in("sun")
    assert saved(sun, shelved, page_of(sun, shelved), visits__count="2", visits__reason="").status_code == 303
    assert "要到现场的，写明为什么要到现场。" in page_of(sun, shelved)


# -- who, and new ones -----------------------------------------------------------------------------------------


def test_others_items_are_not_seen(shelved: SmallCentre) -> None:
    qian = shelved.sign_in("qian")  # 残联
    assert SUBSISTENCE not in qian.get("/items")
    qian.get(f"/items/{code_of(shelved)}", expect=404)
    token = csrf_in(qian.get("/items"))
    for path in (f"/items/{code_of(shelved)}", f"/items/{code_of(shelved)}/preview"):
        assert qian.client.post(path, data={"csrf": token}).status_code == 404
    assert EDITORS == ("reviewer", "admin")


def test_libraries_are_the_administrators_to_change(shelved: SmallCentre) -> None:
    zhao = shelved.sign_in("zhao")
    assert "中华人民共和国行政许可法" in zhao.get("/items/libraries/law")
    zhao.get("/items/libraries/law/new", expect=403)
    sun = shelved.sign_in("sun")
    looked_over(sun.get("/items/libraries/law/xukefa"))
    sun.send(
        "/items/libraries/law/new",
        {"id": "new", "title": "新法", "articles.0.article": "第一条", "articles.0.text": "为了……"},
    )
    assert "新法" in zhao.get("/items/libraries/law")
    answer = sun.send("/items/libraries/law/new", {"id": "new", "title": "又一个"}, expect=409)
    assert "又一个" in answer.text


def test_a_new_item_has_the_next_code_and_another_items_content(shelved: SmallCentre) -> None:
    zhao = shelved.sign_in("zhao")
    assert "60010100MZ-JF-" in zhao.get("/items/new?type=JF&department=MZ")
    before = code_of(shelved)
    answer = zhao.send(
        "/items/new",
        {"name": "临时救助", "department": "MZ", "type": "JF", "from": f"{before} {SUBSISTENCE}", "code": ""},
    )
    code = answer.headers["Location"].rpartition("/")[2]
    draft = draft_of(shelved.centre, code)
    assert draft is not None
    assert code != before
    assert draft["item"]["name"] == "临时救助"
    assert draft["item"]["materials"] == content_of(shelved)["materials"]
    assert draft["item"]["type_code"] == "05"
    looked_over(zhao.get(f"/items/{code}"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": ""}, "请填写事项名称"),
        ({"department": "CL"}, "请选一个部门"),
        ({"type": "ZZ"}, "请选一个事项类型"),
        ({"code": "60010100MZ-GF-0001"}, "要和上面选的一样"),
        ({"code": "62052400MZ-JF-0001"}, "不是本县的"),
        ({"code": "MZ1"}, "不合编码规则"),
        ({"from": "没有的"}, "没有这个事项"),
    ],
)
def test_a_new_item_against_the_rules_is_refused_with_the_reason(
    shelved: SmallCentre, changes: dict[str, str], said: str
) -> None:
    zhao = shelved.sign_in("zhao")
    form = {"name": "临时救助", "department": "MZ", "type": "JF", "from": "", "code": "", **changes}
    answer = zhao.send("/items/new", form, expect=422)
    assert said in answer.text


def test_a_code_that_is_taken_is_not_given_twice(shelved: SmallCentre) -> None:
    form = {"name": "又一个", "department": "MZ", "type": "JF", "code": code_of(shelved), "from": ""}
    answer = shelved.sign_in("zhao").send("/items/new", form, expect=422)
    assert "已经有事项了" in answer.text


def test_a_new_item_from_nothing_can_be_saved(shelved: SmallCentre) -> None:
    known = Libraries(department={"MZ": {"id": "MZ", "name": "民政"}})
    content = new_content("60010100MZ-XK-0001", "新的许可", "民政", known, None)
    assert save_draft(shelved.centre, content["code"], content, by=ZHAO, expected_rev=None).saved


def test_every_page_of_the_area_is_whole(shelved: SmallCentre) -> None:
    keep(
        shelved.centre, "blank", "form", {"title": "申请表", "kind": "blank"}, by=ZHAO, expected_rev=None,
        file=("申请表.pdf", b"%PDF-1.7"),
    )  # fmt: skip
    sun = shelved.sign_in("sun")
    shelves = ("directory", "type", "law", "department", "system", "blank")
    paths = ["/items", "/items?q=最低&state=已入库", "/items/new", "/items/checks", "/items/libraries"]
    paths += [f"/items/libraries/{name}" for name in shelves]
    paths += [f"/items/libraries/{name}/new" for name in shelves]
    paths += [f"/items/libraries/{path}" for path in ("directory/xuke", "type/XK", "department/MZ", "blank/form")]
    for path in paths:
        assert looked_over(sun.get(path)).headings == 1, path
    answer = sun.client.get("/items/libraries/blank/form/file")
    assert answer.data == b"%PDF-1.7"
    assert answer.headers["Content-Disposition"].encode("latin-1"), "a server sends no header in Chinese"


# -- folding ----------------------------------------------------------------------------------------------------------


def unfolded(page: str) -> list[str]:
    """The titles of the sections that are open."""
    found = re.findall(r'<details class="card sec"( open)?>\s*<summary><h2 id="s\d+-title">([^<]*)</h2>', page)
    assert len(found) == 12, "every section folds"
    return [title for is_open, title in found if is_open]


def test_the_list_of_sections_leads_into_each_of_them(shelved: SmallCentre) -> None:
    page = page_of(shelved.sign_in("sun"), shelved)
    listed = page[page.index('<nav class="sections') :].partition("</nav>")[0]
    assert re.findall(r'<a href="#(s\d+)">', listed) == [f"s{place}" for place in range(1, 13)]
    for place in range(1, 13):
        # Inside of what folds: a browser unfolds it on the way there.
        assert re.search(rf'</summary>\s*<section id="s{place}"', page), place


def test_what_has_faults_is_open_and_says_how_many_and_nothing_folded_is_lost(shelved: SmallCentre) -> None:
    sun = shelved.sign_in("sun")
    calm = unfolded(page_of(sun, shelved))
    assert calm[0] == "基本信息"
    assert not {"办理时限", "收费", "表单和流程"} & set(calm)
    wrong = saved(
        sun, shelved, page_of(sun, shelved), promised__n="很多", form_json="[]", quantity_limit="先写着"
    ).text  # fmt: skip
    assert {"办理时限", "表单和流程"} <= set(unfolded(wrong))
    assert re.search(r'办理时限</h2> <span class="faults is-bad">1 处要改', wrong)
    assert typed(wrong)["quantity_limit"] == "先写着"
    assert "收费" not in unfolded(wrong)


def test_the_section_of_a_new_row_is_open_and_all_of_them_when_asked(shelved: SmallCentre) -> None:
    sun = shelved.sign_in("sun")
    more = saved(sun, shelved, page_of(sun, shelved), row="add:faq").text
    assert "常见问题" in unfolded(more)
    body = typed(more, note="还没存", row="stay")
    every = sun.client.post(f"/items/{code_of(shelved)}?all=", data=body).text
    assert len(unfolded(every)) == 12
    assert typed(every)["note"] == "还没存"
    assert len(unfolded(sun.get(f"/items/{code_of(shelved)}?all="))) == 12
