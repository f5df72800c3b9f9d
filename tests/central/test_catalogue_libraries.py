"""The libraries: what is kept, what is refused and why, and what of them stations get."""

from __future__ import annotations

from typing import Any

import pytest

from casework.canonical import Document
from casework.documents import blank
from casework.documents.release import release_id, whole_list
from central.catalogue import libraries
from central.catalogue.drafts import draft_of
from central.catalogue.findings import CatalogueRefused
from central.catalogue.libraries import Kept, drop, entry_of, file_of, import_libraries, keep, load
from central.catalogue.publishing import newest_release, pending, publish, take_back
from provisioning import sample_county
from tests.casework.whole_releases import check_release
from tests.central.county import SUBSISTENCE, SmallCentre
from web.audit import Actor
from web.signin import User

ADMIN = User("sun", "孙某某", ("admin",), None, None)
PDF = b"%PDF-1.7 a form"
LAW = {"title": "社会救助暂行办法", "articles": [{"article": "第九条", "text": "……"}]}


def kept(county: SmallCentre, library: str, id_: str, entry: dict[str, Any], **more: Any) -> Kept:
    now = entry_of(county.centre, library, id_)
    rev = (now or {}).get("_rev")
    return keep(county.centre, library, id_, entry, by=ADMIN, **{"expected_rev": rev, **more})


def blank_kept(county: SmallCentre, content: bytes = PDF) -> Kept:
    return kept(county, "blank", "form", {"title": "申请表", "kind": "blank"}, file=("申请表.pdf", content))


def referring(county: SmallCentre, **changes: Any) -> Document:
    """最低生活保障, approved with these changes."""
    county.change_draft(SUBSISTENCE, **changes)
    draft = draft_of(county.centre, county.item()["code"])
    assert draft is not None
    return draft["item"]


def with_blank(county: SmallCentre) -> Document:
    materials = county.item()["materials"]
    return referring(county, materials=[{**materials[0], "blank": "form"}, *materials[1:]])


def release_of(county: SmallCentre) -> Document:
    release = newest_release(county.centre.catalogue)
    assert release is not None
    return release


def manifest_of(county: SmallCentre, number: int) -> Document | None:
    return county.centre.catalogue.get(release_id(number))


def listed(county: SmallCentre) -> list[str]:
    """The ids of the newest release."""
    return sorted(whole_list(release_of(county), lambda number: manifest_of(county, number)))


def test_the_sample_countys_libraries_come_in_whole_and_again_without_a_change(county: SmallCentre) -> None:
    said = sample_county.load("libraries")
    first = import_libraries(county.centre, said, by="test")
    assert first["refused"] == []
    assert len(first["added"]) == sum(map(len, said.values()))
    again = import_libraries(county.centre, said, by="test")
    assert (again["added"], again["changed"], len(again["unchanged"])) == ([], [], len(first["added"]))
    assert load(county.centre).department["MZ"]["body_code"] == "60010100MZ"
    assert load(county.centre).type["XK"]["code"] == "01", "the usual types are there besides"


def test_one_bad_entry_and_nothing_comes_in(county: SmallCentre) -> None:
    said = {"law": [{"id": "good", **LAW}, {"id": "bad", "title": ""}], "else": []}
    report = import_libraries(county.centre, said, by="test")
    assert {(one["library"], one["id"]) for one in report["refused"]} == {("law", "bad"), ("else", "")}
    assert load(county.centre).law == {}


@pytest.mark.parametrize(
    ("library", "id_", "entry", "path"),
    [
        ("law", "Bad Id", LAW, "id"),
        ("law", "law", {**LAW, "date": "2014-05-01", "until": "2010-01-01"}, "until"),
        ("law", "law", {**LAW, "articles": [*LAW["articles"], *LAW["articles"]]}, "articles.1.article"),
        ("department", "GS", {"name": "工商", "body_code": "60010100MZ"}, "body_code"),
        ("department", "GS", {"name": "工商", "body_code": "62052400GS"}, "body_code"),
        ("department", "GS", {"name": "工商", "body_code": "60010100GS", "uscc": "123"}, "uscc"),
        ("type", "DL", {"name": "行政许可", "code": None, "on_application": True, "needs_directory": False}, "name"),
        ("directory", "a", {"title": "甲", "parent": "gone", "order": 1}, "parent"),
        ("directory", "a", {"title": "甲", "parent": "a", "order": 1}, "parent"),
        ("directory", "a", {"title": "甲", "parent": None, "order": 1, "type_letters": "ZZ"}, "type_letters"),
        ("blank", "form", {"title": "申请表", "kind": "blank"}, "file"),
    ],
)
def test_a_bad_entry_is_refused_at_its_field(
    county: SmallCentre, library: str, id_: str, entry: dict[str, Any], path: str
) -> None:
    assert list(kept(county, library, id_, entry).problems) == [path]
    assert entry_of(county.centre, library, id_) is None


def test_an_early_credit_code_that_fails_its_sum_is_kept(county: SmallCentre) -> None:
    entry = {"name": "工商", "body_code": "60010100GS", "uscc": "92600000MA00000070"}
    assert kept(county, "department", "GS", entry).saved


def test_a_directory_does_not_become_its_own_ancestor(county: SmallCentre) -> None:
    assert kept(county, "directory", "a", {"title": "甲", "parent": None, "order": 1}).saved
    assert kept(county, "directory", "b", {"title": "乙", "parent": "a", "order": 1}).saved
    assert "转成了圈" in kept(county, "directory", "a", {"title": "甲", "parent": "b", "order": 1}).problems["parent"]


def test_two_people_at_one_entry_the_second_is_told(county: SmallCentre) -> None:
    assert kept(county, "law", "law", LAW).saved
    assert kept(county, "law", "law", {**LAW, "title": "别的"}, expected_rev=None).conflict
    assert load(county.centre).law["law"]["title"] == LAW["title"]


def test_what_is_referred_to_is_not_dropped(county: SmallCentre) -> None:
    kept(county, "law", "law", LAW)
    referring(county, basis=[{"law": "law", "title": LAW["title"]}])
    entry = entry_of(county.centre, "law", "law")
    assert entry is not None
    assert SUBSISTENCE in (drop(county.centre, "law", "law", by=ADMIN, expected_rev=entry["_rev"]) or "")
    referring(county, basis=[])
    assert drop(county.centre, "law", "law", by=ADMIN, expected_rev=entry["_rev"]) is None
    assert load(county.centre).law == {}


def test_an_amended_law_shows_up_as_changed_items(county: SmallCentre) -> None:
    kept(county, "law", "law", LAW)
    referring(county, basis=[{"law": "law", "title": "x", "article": "第九条"}])
    publish(county.centre)
    assert county.item()["basis"][0]["text"] == "……"
    assert pending(county.centre).changed == []
    kept(county, "law", "law", {**LAW, "articles": [{"article": "第九条", "text": "改过的"}]})
    assert [name for _, name in pending(county.centre).changed] == [SUBSISTENCE]
    publish(county.centre)
    assert county.item()["basis"][0]["text"] == "改过的"


def test_directories_and_blanks_in_use_travel_with_a_release_and_the_release_holds(county: SmallCentre) -> None:
    kept(county, "directory", "a", {"title": "甲", "parent": None, "order": 1})
    blank_kept(county)
    publish(county.centre)
    assert [id_ for id_ in listed(county) if id_.startswith(("directory:", "blank:"))] == ["directory:a"], (
        "a form that no item refers to stays at home"
    )
    with_blank(county)
    publish(county.centre)
    ids = listed(county)
    assert "blank:form" in ids
    assert (
        check_release(
            release_of(county),
            county.centre.catalogue.get,
            county.centre.register(),
            lambda number: manifest_of(county, number),
        )
        == []
    )
    assert county.item()["materials"][0]["blank_name"] == "申请表"


def test_a_new_file_is_a_change_and_a_form_of_no_item_leaves_the_release(county: SmallCentre) -> None:
    blank_kept(county)
    before = county.item()["materials"]
    with_blank(county)
    publish(county.centre)
    assert pending(county.centre).kept == []
    blank_kept(county, PDF + b" anew")
    assert pending(county.centre).kept == [("form", "申请表")]
    publish(county.centre)
    published = county.centre.catalogue.get("blank:form")
    file = county.centre.catalogue.attachment("blank:form", blank.FILE)
    assert published is not None
    assert file is not None
    assert blank.is_its_file(published, file.data)
    referring(county, materials=before)
    assert pending(county.centre).kept == [("form", "申请表")]
    publish(county.centre)
    assert "blank:form" not in listed(county)


def test_a_release_that_is_taken_back_has_its_forms_again_while_their_file_is_kept(county: SmallCentre) -> None:
    blank_kept(county)
    with_blank(county)
    publish(county.centre)
    number = release_of(county)["number"]
    assert kept(county, "blank", "form", {"title": "新的名字", "kind": "blank"}).saved
    publish(county.centre)
    take_back(county.centre, number, by="sun")
    published = county.centre.catalogue.get("blank:form")
    file = county.centre.catalogue.attachment("blank:form", blank.FILE)
    assert published is not None
    assert file is not None
    assert published["title"] == "申请表"
    assert blank.is_its_file(published, file.data)


def test_a_release_whose_forms_file_is_gone_is_not_taken_back(county: SmallCentre) -> None:
    blank_kept(county)
    with_blank(county)
    publish(county.centre)
    number = release_of(county)["number"]
    blank_kept(county, PDF + b" anew")
    publish(county.centre)
    with pytest.raises(CatalogueRefused, match="没有留存"):
        take_back(county.centre, number, by="sun")


def test_a_title_is_changed_and_the_file_stays(county: SmallCentre) -> None:
    blank_kept(county)
    assert kept(county, "blank", "form", {"title": "新的名字", "kind": "blank"}).saved
    assert file_of(county.centre, "form") == PDF


def test_every_change_is_in_the_log_of_acts(county: SmallCentre) -> None:
    keep(county.centre, "law", "law", LAW, by=Actor("sun", "孙某某", "admin"), expected_rev=None)
    logged = [row for row in county.centre.audit.rows(0, 100) if row.entry["act"] == "catalogue_library"]
    assert [row.entry["what"] for row in logged] == [f"{libraries.LIBRARIES['law'].title} law"]
