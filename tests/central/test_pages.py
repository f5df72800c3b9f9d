"""The county's pages: who sees which, and what they say."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from provisioning.operations import station_revoke
from sync.peer import StorageFull
from tests.central.county import (
    COUNTY,
    FAR_VILLAGE,
    NEIGHBOUR,
    PASSWORD,
    SUBSISTENCE,
    TOWNSHIP,
    VILLAGE,
    Browser,
    SmallCentre,
)
from web.cases.casebook import Scope

ADMINS_PAGES = [
    "/stations",
    "/stations/live",
    f"/stations/{VILLAGE}",
    f"/stations/{VILLAGE}/live",
    f"/stations/{VILLAGE}/revoke",
    f"/stations/{FAR_VILLAGE}",
    "/catalogue",
    "/catalogue?q=保障",
    "/catalogue/publish",
    "/catalogue/files",
    "/catalogue/tables/catalogue",
    "/catalogue/tables/catalogue?department=民政&which=drafts",
    "/catalogue/tables/information",
    "/catalogue/tables/information?department=民政",
    "/catalogue/papers",
    "/catalogue/papers/receipt",
    "/catalogue/enquiries",
    "/accounts",
    "/accounts/new",
    "/log",
    "/log?case=9M4TD&act=wrote&since=2026-09-01&until=soon&page=3",
    f"/accounts/new?station={VILLAGE}",
    f"/accounts/{COUNTY}/zhao",
]


class Outline(HTMLParser):
    """What a page must not be: two headings, one id twice, styles or scripts of its own, a tag left open."""

    VOID = frozenset({"meta", "link", "input", "br", "img", "hr", "path", "circle", "rect"})

    def __init__(self) -> None:
        super().__init__()
        self.headings = 0
        self.ids: list[str] = []
        self.wrong: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = dict(attrs)
        self.headings += tag == "h1"
        self.ids += [said["id"] or ""] if "id" in said else []
        if "style" in said or tag == "style" or (tag == "script" and "src" not in said):
            self.wrong.append(f"<{tag}> has a style or script of its own")
        self.wrong += [f"<{tag} {name}>" for name in said if name.startswith("on")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}> closes another element")


def looked_over(page: str) -> Outline:
    outline = Outline()
    outline.feed(page)
    assert not outline.wrong, outline.wrong
    assert len(outline.ids) == len(set(outline.ids)), "an id stands twice"
    return outline


# -- the house ---------------------------------------------------------------------------------------------------


def test_every_route_has_roles_or_is_public(county: SmallCentre) -> None:
    for rule in county.app.url_map.iter_rules():
        if rule.endpoint != "static":
            assert getattr(county.app.view_functions[rule.endpoint], "roles", None) is not None, rule


@pytest.mark.parametrize(("path", "title"), [("/contested", "争议"), ("/cases", "办件"), ("/cases?q=x", "办件")])
def test_one_entry_of_the_navigation_is_the_page_one_is_on(county: SmallCentre, path: str, title: str) -> None:
    page = county.sign_in("sun").get(path)
    assert re.findall(r'aria-current="page">([^<]+)</a>', page.split("<nav", 1)[1].split("</nav>", 1)[0]) == [title]


@pytest.mark.parametrize(("username", "entries"), [("sun", 12), ("zhao", 8), ("li", 2), ("bian", 2), ("zheng", 4)])
def test_every_entry_of_the_navigation_answers(county: SmallCentre, username: str, entries: int) -> None:
    browser = county.sign_in(username)
    page = browser.client.get("/", follow_redirects=True).text
    links = re.findall(r'<a href="([^"]+)"', page.split("<nav", 1)[1].split("</nav>", 1)[0])
    assert len(links) == entries
    for link in links:
        assert looked_over(browser.get(link)).headings == 1, link


def test_pages_of_administrators_are_whole_and_theirs_alone(county: SmallCentre) -> None:
    village = county.enrol(VILLAGE)
    number = village.take_in(name="<script>alert(1)</script>")
    village.up()
    village.contact()
    administrator, reviewer = county.sign_in("sun"), county.sign_in("zhao")
    for path in ADMINS_PAGES:
        page = administrator.get(path)
        assert looked_over(page).headings == (0 if path.endswith(f"{VILLAGE}/live") else 1), path
        assert "<script>alert" not in page
        reviewer.get(path, expect=403)
        assert county.app.test_client().get(path).status_code == 302, "strangers are sent to the sign-in"
    assert number in administrator.get(f"/stations/{VILLAGE}")


def test_forms_are_refused_without_the_mark_of_our_own_page(county: SmallCentre) -> None:
    browser = county.sign_in("sun")
    for path in ("/catalogue/publish", f"/stations/{VILLAGE}/revoke", f"/stations/{VILLAGE}/code", "/accounts/new"):
        assert browser.client.post(path, data={"reason": "x"}).status_code == 403, path


def test_what_is_not_there_is_a_calm_404(county: SmallCentre) -> None:
    browser = county.sign_in("sun")
    for path in ("/stations/600101999999", "/stations/x", f"/accounts/{COUNTY}/nobody", "/accounts/x/y", "/nothing"):
        assert "没有" in browser.get(path, expect=404), path


# -- the reviewer's queue ----------------------------------------------------------------------------------------


def test_a_reviewer_sees_their_departments_queue_by_due_date(county: SmallCentre) -> None:
    village = county.enrol(VILLAGE)
    first = village.take_in(name="张某某")
    county.now.forward(days=1)
    second = village.take_in(name="李某某")
    village.up()
    page = county.sign_in("zhao").get("/")
    assert 0 < page.index("张某某") < page.index("李某某")
    assert f'href="/cases/{first}" data-key="n"' in page, "the most urgent one is a click away"
    assert "柳树湾村便民服务站" in page
    assert second in page
    others = county.sign_in("qian")
    assert first not in others.get("/")
    others.get(f"/cases/{first}", expect=404)


def test_photos_on_the_way_are_counted(county: SmallCentre) -> None:
    village = county.enrol(VILLAGE)
    number = village.take_in()
    village.add_photo(number)
    village.add_photo(number, b"a small one")
    village.up(without=village.chunks(number)[0])
    reviewer = county.sign_in("zhao")
    assert "2 张照片还有 1 张在路上" in reviewer.get("/")
    village.up()
    assert "2 张都在" in reviewer.get("/queue")


def test_a_decision_from_the_page_leaves_the_queue_and_comes_down(county: SmallCentre) -> None:
    village = county.enrol(VILLAGE)
    number = village.take_in(name="张某某")
    village.up()
    reviewer = county.sign_in("zhao")
    page = f"/cases/{number}"
    act = f"{page}/acts/decided"
    assert "要" in reviewer.send(page, {"outcome": "refused", "reason": ""}, to=act, expect=422).text
    reviewer.send(page, {"outcome": "refused", "reason": "收入超过标准"}, to=act)
    home = reviewer.get("/")
    assert "都办完了" in home
    assert "✕ 不予" in home
    village.down()
    case = village.casebook.case(number)
    assert case is not None
    assert case["state"] == "decided"
    assert case["decision"] is not None
    assert case["decision"]["reason"] == "收入超过标准"
    assert case["quarantined"] == []


def test_an_administrator_begins_at_the_stations_and_decides_nothing(county: SmallCentre) -> None:
    village = county.enrol(VILLAGE)
    number = village.take_in()
    village.up()
    administrator = county.sign_in("sun")
    assert administrator.client.get("/").headers["Location"] == "/stations"
    administrator.send(
        "/stations", {"outcome": "granted", "reason": "x"}, to=f"/cases/{number}/acts/decided", expect=403
    )


# -- stations ----------------------------------------------------------------------------------------------------


def test_a_station_says_whether_created_is_held(county: SmallCentre) -> None:
    village = county.enrol(VILLAGE)
    village.take_in()
    village.contact()
    browser = county.sign_in("sun")
    page = f"/stations/{VILLAGE}"
    assert "还差 2 条在站上" in browser.get(page)
    village.up()
    assert "站上写的，县里都有" in browser.get(page)
    village.take_in()
    village.up()
    assert "报告之后又到了 2 条" in browser.get(page)
    village.contact(ledgers=[(*row[:3], "event:another") for row in village.casebook.ledgers(VILLAGE)])
    assert "同一序号两份记录" in browser.get(page)


def test_a_key_is_revoked_with_a_reason_after_a_question(county: SmallCentre) -> None:
    village = county.enrol(VILLAGE)
    village.take_in()
    village.up()
    browser = county.sign_in("sun")
    page = f"/stations/{VILLAGE}/revoke"
    refused = browser.send(page, {"reason": " "}, expect=422).text
    assert 'href="#f-reason"' in refused
    assert county.centre.register().number == 2, "nothing was done without a reason"
    browser.send(page, {"reason": "机器被盗"})
    county.centre.catch_up()
    key = county.centre.register().station(VILLAGE)
    assert key is not None
    assert key.revoked is not None
    assert key.revoked["last"] == {"first-start/station-600101101201": 2}
    kept = county.centre.fleet.get(f"revocation:{VILLAGE}:000003")
    assert kept is not None
    assert (kept["reason"], kept["by"], kept["keys"]) == ("机器被盗", "sun", [f"{VILLAGE}:1"])
    assert "密钥已吊销" in browser.get("/stations")
    assert county.centre.databases.open(f"station-{VILLAGE}").security()["members"]["roles"] == ["county"]
    assert "不用吊销" in browser.send(page, {"reason": "再来一次"}, expect=409).text


def test_a_code_is_shown_once_and_works(county: SmallCentre) -> None:
    browser = county.sign_in("sun")
    shown = browser.send(f"/stations/{VILLAGE}", {}, to=f"/stations/{VILLAGE}/code", expect=200).text
    code = re.search(rf"{VILLAGE}(-[0-9A-Z]{{4}})+", shown)
    assert code is not None
    assert code[0] not in browser.get(f"/stations/{VILLAGE}")
    village = county.enrol(VILLAGE, code=code[0])
    assert village.key.id == f"{VILLAGE}:1"
    browser.send(f"/stations/{VILLAGE}", {}, to="/stations/600101999999/code", expect=404)


def test_what_a_thief_signs_after_the_revocation_is_kept_aside(county: SmallCentre) -> None:
    village = county.enrol(VILLAGE)
    number = village.take_in()
    village.up()
    station_revoke(county.centre, {"station": VILLAGE})
    county.restart()
    later = village.take_in(name="贼")
    village.up()
    rows = {row.number: row for row in county.centre.casebook.latest(Scope(), limit=10)}
    assert rows[number].quarantined == 0
    assert rows[later].quarantined == 2


# -- catalogue ---------------------------------------------------------------------------------------------------


def test_drafts_are_shown_before_they_are_published(county: SmallCentre) -> None:
    browser = county.sign_in("sun")
    assert "没有。站点用的就是最新的" in browser.get("/catalogue")
    county.change_draft(SUBSISTENCE, phones={"enquiry": "0000-0000099", "complaint": ""})
    assert "修改 1 个" in browser.get("/catalogue")
    assert SUBSISTENCE in browser.get("/catalogue/publish")
    browser.send("/catalogue/publish", {})
    page = browser.get("/catalogue")
    assert "第 000002 版已发布" in page
    assert county.item()["phones"]["enquiry"] == "0000-0000099"
    # Asked twice, from another tab.
    browser.send("/catalogue", {}, to="/catalogue/publish")
    assert "和第 000002 版一样" in browser.get("/catalogue")


def test_items_are_found_by_name(county: SmallCentre) -> None:
    page = county.sign_in("sun").get("/catalogue?q=最低生活保障对象")
    assert "县 · 县民政局" in page
    assert "特困人员" not in page.split("<tbody>")[1].split("</tbody>")[0]
    assert "没有这样的事项" in county.sign_in("sun").get("/catalogue?q=%00zz")


# -- accounts ----------------------------------------------------------------------------------------------------

NEW = {
    "station": f"{VILLAGE} 柳树湾村便民服务站",
    "username": "wang",
    "name": "王某某",
    "roles": "代办员",
    "password": PASSWORD,
}


def test_a_new_account_is_made_and_travels_to_its_station(county: SmallCentre) -> None:
    village = county.enrol(VILLAGE)
    browser = county.sign_in("sun")
    browser.send("/accounts/new", NEW)
    assert "wang" in browser.get("/accounts")
    store = county.centre.databases.open(f"accounts-{VILLAGE}")
    kept = store.get("account:wang")
    assert kept is not None
    assert kept["password_hash"].startswith("$argon2id$")
    assert PASSWORD not in str(kept)
    assert village.county_signed(kept)
    assert "已经有这个用户名" in browser.send("/accounts/new", NEW, expect=422).text


@pytest.mark.parametrize(
    ("changes", "field", "says"),
    [
        ({"username": "Wang!"}, "username", "小写字母"),
        ({"name": "  "}, "name", "写上姓名"),
        ({"name": "王" * 61}, "name", "不超过 60"),
        ({"roles": "县管理员"}, "roles", "只能是代办员"),
        ({"roles": []}, "roles", "选一个角色"),
        ({"station": ""}, "station", "没有代码"),
        ({"station": "600101999999 假站"}, "station", "没有代码"),
        ({"password": "short"}, "password", "8 到"),
        ({"username": "wang-li-hong", "password": "Wang-Li-Hong"}, "password", "不能和用户名一样"),
        ({"station": COUNTY, "roles": "县部门审批人员"}, "department", "写明部门"),
    ],
)
def test_a_form_with_errors_keeps_what_was_typed(
    county: SmallCentre, changes: dict[str, object], field: str, says: str
) -> None:
    browser = county.sign_in("sun")
    page = browser.send("/accounts/new", {**NEW, "title": "<b>站长</b>", **changes}, expect=422).text
    assert says in page
    assert f'href="#f-{field}"' in page
    assert "&lt;b&gt;站长&lt;/b&gt;" in page, "typed, kept and harmless"
    assert PASSWORD not in page, "a password is never sent back"
    looked_over(page)


def test_an_account_changes_role_department_and_password(county: SmallCentre) -> None:
    browser = county.sign_in("sun")
    page = f"/accounts/{COUNTY}/qian"
    form = {"name": "钱某某", "roles": "县部门审批人员", "department": "民政", "active": "yes"}
    browser.send(page, {**form, "rev": rev_in(browser.get(page))})
    assert county.centre.account("qian")["department"] == "民政"  # type: ignore[index]
    assert "最低生活保障" not in Browser(county.app.test_client(), "qian").get("/")
    browser.send(page, {"password": "another-password"}, to=f"{page}/password")
    assert Browser(county.app.test_client(), "qian").entered.status_code == 401
    browser.send(page, {**form, "rev": rev_in(browser.get(page)), "active": ""})
    assert "已停用" in browser.get("/accounts")


def test_two_administrators_at_once_do_not_undo_one_another(county: SmallCentre) -> None:
    browser = county.sign_in("sun")
    page = f"/accounts/{COUNTY}/qian"
    form = {"name": "钱某某", "roles": "县部门审批人员", "department": "民政", "active": "yes"}
    old = rev_in(browser.get(page))
    browser.send(page, {**form, "rev": old})
    browser.send(page, {**form, "name": "钱二", "rev": old}, expect=409)


def test_the_last_administrator_cannot_lock_everybody_out(county: SmallCentre) -> None:
    browser = county.sign_in("sun")
    page = f"/accounts/{COUNTY}/sun"
    form = {"name": "孙某某", "roles": "县管理员", "rev": rev_in(browser.get(page))}
    assert "最后一个县管理员" in browser.send(page, form, expect=422).text
    assert browser.get("/accounts")


def test_a_full_disk_is_said_and_nothing_is_half_done(county: SmallCentre, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = county.sign_in("sun")
    store = county.centre.databases.open(f"accounts-{VILLAGE}")

    def full(*_: object, **__: object) -> None:
        raise StorageFull("no room")

    monkeypatch.setattr(store, "update", full)
    assert "磁盘满了" in browser.send("/accounts/new", NEW, expect=507).text
    assert store.get("account:wang") is None


def rev_in(page: str) -> str:
    found = re.search(r'name="rev" value="([^"]+)"', page)
    assert found
    return found[1]


def test_names_of_every_kind_are_shown_as_they_are(county: SmallCentre) -> None:
    village = county.enrol(VILLAGE)
    for name in ("阿卜杜·热合曼", "𠮷田𡈽", "<img src=x onerror=alert(1)>"):
        village.take_in(name=name)
    village.up()
    page = county.sign_in("zhao").get("/")
    assert "阿卜杜·热合曼" in page
    assert "𠮷田𡈽" in page
    assert "<img" not in page


def test_a_township_and_its_villages_stand_in_one_column(county: SmallCentre) -> None:
    page = county.sign_in("sun").get("/stations")
    columns = page.split('<div class="county')[1].split("</div>")[0].split("<section>")[1:]
    assert len(columns) == 2
    assert f"#s{TOWNSHIP}" in columns[0]
    assert f"#s{NEIGHBOUR}" in columns[0]
    assert f"#s{FAR_VILLAGE}" in columns[1]


# -- 文书样式 ----------------------------------------------------------------------------------------------------------


def typed_words(**changes: str) -> dict[str, str]:
    return {
        "title": "受理通知书",
        "paragraphs": "{applicant}：\n\n您的事我们收下了。",
        "remedy": "",
        "seal": "公章",
        **changes,
    }


def test_the_words_of_a_paper_are_edited_previewed_published_and_put_back(county: SmallCentre) -> None:
    browser = county.sign_in("sun")
    page = "/catalogue/papers/receipt"
    sample = browser.send(page, {"do": "preview", **typed_words()}, expect=200).text
    looked_over(sample)
    assert "张某某：" in sample
    assert "您的事我们收下了。" in sample
    assert "受理通知书" not in browser.get(page), "looking at it keeps nothing"
    browser.send(page, {"do": "save", **typed_words()})
    assert "受理通知书" in browser.get(page)
    assert "有改动，还没发布" in browser.get("/catalogue/papers")
    assert "受理回执" in browser.get("/catalogue/publish")
    browser.send("/catalogue/publish", {})
    listing = browser.get("/catalogue/papers")
    assert listing.count("本县的") == 1
    assert "还没发布" not in listing
    browser.send(page, {"do": "default"})
    assert "受理通知书" not in browser.get(page)
    assert "还没发布" in browser.get("/catalogue/papers")


def test_unknown_placeholders_are_refused_with_the_known_ones_and_keep_what_was_typed(county: SmallCentre) -> None:
    browser = county.sign_in("sun")
    page = "/catalogue/papers/receipt"
    for do in ("save", "preview"):
        answer = browser.send(page, {"do": do, **typed_words(paragraphs="{applicnat}：")}, expect=422)
        looked_over(answer.text)
        assert "没有“{applicnat}”这个空格" in answer.text
        assert "{applicant} 办事人" in answer.text
        assert "{applicnat}：</textarea>" in answer.text
    browser.send(page, {"do": "save", **typed_words(title="")}, expect=422)
    assert "受理通知书" not in browser.get(page)
    browser.get("/catalogue/papers/nothing", expect=404)


def test_what_people_come_to_the_desk_for_is_the_countys_to_say(county: SmallCentre) -> None:
    browser = county.sign_in("sun")
    page = "/catalogue/enquiries"
    assert "问政策" in browser.get(page)
    assert "写了两遍" in browser.send(page, {"kinds": "医保激活\n医保激活", "do": "save"}, expect=422).text
    browser.send(page, {"kinds": "查进度\r\n医保激活\r\n", "do": "save"})
    assert "有改动，还没发布" in browser.get(page)
    assert "咨询台的事由" in browser.get("/catalogue/publish")
    browser.send("/catalogue/publish", {})
    assert "还没发布" not in browser.get(page)
    assert browser.get("/catalogue/papers").count("默认的") > 1
    browser.send(page, {"kinds": "", "do": "default"})
    browser.send("/catalogue/publish", {})
    assert "问政策" in browser.get(page)
