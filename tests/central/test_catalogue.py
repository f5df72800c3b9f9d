"""Items come in whole or not at all, and leave in releases that cost only what changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner

from casework.documents.release import release_id
from central.catalogue.checks import check_items
from central.catalogue.commands import catalogue
from central.catalogue.drafts import DRAFTING, import_items
from central.catalogue.findings import CatalogueRefused
from central.catalogue.lifecycle import APPROVED
from central.catalogue.publishing import newest_release, pending, publish, published_paper
from central.catalogue.reading import read_file
from central.catalogue.records import FORMAT, read_records
from central.catalogue.wordings import word_paper
from provisioning import sample_county
from provisioning.county import County, county_opened
from provisioning.operations import init_county
from tests.casework.whole_releases import check_release

SAMPLE = sample_county.load("items")


def now() -> datetime:
    return datetime(2026, 9, 16, 1, tzinfo=UTC)


def some(count: int = 3) -> dict[str, Any]:
    """A catalogue file with the first items of the sample county."""
    return {"format": FORMAT, "forms": SAMPLE["forms"], "items": deepcopy(SAMPLE["items"][:count])}


def inventory_record(**changes: Any) -> dict[str, Any]:
    """A record as an inventory keeps it, not as we do."""
    record = {
        "id": "IT901",
        "name": "农村村民住宅建设竣工验收",
        "type_letters": "QT",
        "type": "其他行政权力",
        "type_code": "10",
        "department": "农业农村",
        "dept_letters": "NY",
        "code_county_rule": "62052400NY-QT-0001",
        "handling_level_code": "5",
        "handling_level": "镇(乡、街道)级",
        "decided_by": "乡镇人民政府",
        "village_role": "代办",
        "service_object": ["自然人"],
        "case_type": "承诺件",
        "case_type_code": "2",
        "legal_limit_workdays": None,
        "legal_limit": None,
        "promised_workdays": 10,
        "onsite_visits": 1,
        "fee": False,
        "materials": [
            {
                "name": "居民身份证",
                "material_type": "原件和复印件",
                "copies": 1,
                "form": "纸质或电子",
                "necessity": "必要",
                "source": "政府部门核发",
                "source_code": "20",
            }
        ],
        "limit_basis": None,
        "provenance": "memory",
        "note": None,
    }
    return {**record, **changes}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A county's folder, made once; each test works on a copy of its catalogue."""
    folder = tmp_path_factory.mktemp("county")
    init_county(
        folder,
        code="600101",
        name="驿山县政务服务中心",
        listen="127.0.0.1:0",
        contact_interval_s=3,
        now=now,
        random=Random(1),
    )
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "county"
    shutil.copytree(made, copy)
    return copy


@pytest.fixture
def county(folder: Path) -> Iterator[County]:
    with county_opened(folder, now=now, random=Random(2)) as opened:
        yield opened


def item_of(county: County, place: int) -> dict[str, Any]:
    found = county.catalogue.get(f"item:{SAMPLE['items'][place]['code']}")
    assert found is not None
    return found


def holds(county: County) -> bool:
    """Whether a station that has everything would switch to the newest release."""
    catalogue = county.catalogue
    manifest = newest_release(catalogue)
    assert manifest is not None
    found = check_release(manifest, catalogue.get, county.register(), lambda number: catalogue.get(release_id(number)))
    return found == []


# Import.


def test_the_whole_sample_county_comes_in_without_a_word(county: County) -> None:
    report = import_items(county, SAMPLE, approve=True, by="admin")
    assert (len(report.added), report.warnings, report.refused) == (140, [], [])


def test_an_import_reaches_no_station_before_it_is_published(county: County) -> None:
    import_items(county, some(), approve=True, by="admin")
    assert county.catalogue.range("item:", "item:\uffff") == []
    draft = county.databases.open(DRAFTING).get(f"draft:{SAMPLE['items'][0]['code']}")
    assert draft is not None
    assert (draft["state"], draft["by"]) == (APPROVED, "admin")


def test_no_station_may_read_drafts(county: County) -> None:
    import_items(county, some(), approve=False, by="admin")
    county.apply_securities()
    members = county.databases.open(DRAFTING).security()["members"]
    assert members == {"names": [], "roles": ["county"]}


def test_the_same_file_again_changes_nothing(county: County) -> None:
    import_items(county, some(), approve=True, by="admin")
    before = county.databases.open(DRAFTING).update_seq
    report = import_items(county, some(), approve=True, by="admin")
    assert (report.added, report.changed, len(report.unchanged)) == ([], [], 3)
    assert county.databases.open(DRAFTING).update_seq == before


def test_approving_later_makes_approved_items_of_drafts(county: County) -> None:
    import_items(county, some(), approve=False, by="admin")
    with pytest.raises(CatalogueRefused):
        publish(county)
    assert len(import_items(county, some(), approve=True, by="admin").changed) == 3
    assert publish(county).items == 3


def test_an_import_without_approval_leaves_approved_items_of_the_same_content_approved(
    county: County,
) -> None:
    import_items(county, some(), approve=True, by="admin")
    assert len(import_items(county, some(), approve=False, by="admin").unchanged) == 3
    assert publish(county).items == 3


BAD_RECORDS: dict[str, tuple[Any, str]] = {
    "no object": ("低保", "不是一条事项记录"),
    "no name": ({"code": "60010100MZ-JF-0009", "name": " "}, "没有事项名称"),
    "no code": ({"name": "无编码"}, "没有事项编码"),
    "a wrong level": ({"decides": {"level": "省", "department": "民政", "office": "省厅"}}, "decides.level"),
    "a float": ({"materials": [], "copies": 1.5}, "小数"),
    "a lone surrogate": ({"note": "\ud800"}, "残缺的字符"),
    "an unknown form": ({"form": "nowhere"}, "没有叫“nowhere”的表单"),
    "a form with $ref": ({"form": {"type": "object", "properties": {}, "$ref": "#/x"}}, "$ref"),
    "a required field without an example": (
        {"form": {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}},
        "examples",
    ),
    "an example that its own form refuses": (
        {
            "form": {
                "type": "object",
                "required": ["a"],
                "properties": {"a": {"type": "integer", "examples": ["三"]}},
            }
        },
        "第一个例子通不过",
    ),
    "an inventory record without materials": (
        {"code_county_rule": "60010100MZ-JF-0009", "name": "缺材料"},
        "缺少或写错了",
    ),
}


@pytest.mark.parametrize("fault", BAD_RECORDS)
def test_one_bad_record_is_listed_and_nothing_is_half_imported(county: County, fault: str) -> None:
    bad, reason = BAD_RECORDS[fault]
    file = some(2)
    is_whole = not isinstance(bad, dict) or "name" in bad
    file["items"].append(bad if is_whole else {**deepcopy(SAMPLE["items"][2]), **bad})
    report = import_items(county, file, approve=True, by="admin")
    assert [finding.row for finding in report.refused] == [3]
    assert reason in report.refused[0].sentence
    assert not report.imported
    assert county.databases.open(DRAFTING).range("draft:", "draft:\uffff") == []


def test_a_code_that_stands_twice_in_a_file_is_refused_with_both_places(county: County) -> None:
    file = some(2)
    file["items"].append({**deepcopy(file["items"][0]), "name": "另一个事项"})
    (refused,) = import_items(county, file, approve=True, by="admin").refused
    assert (refused.row, refused.name) == (3, "另一个事项")
    assert "第 1 条" in refused.sentence


@pytest.mark.parametrize("said", [{}, {"format": "xlsx", "items": [1]}, [], "低保", None, {"format": FORMAT}])
def test_what_is_no_catalogue_is_refused(county: County, said: Any) -> None:
    with pytest.raises(CatalogueRefused):
        import_items(county, said, approve=True, by="admin")


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.json", "低保".encode("gb18030")), ("a.json", b"[{"), ("a.json", b"[" * 100_000), ("a.docx", b"PK")],
)
def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(CatalogueRefused):
        read_file(path)


def test_an_inventory_s_record_comes_in_as_it_is(county: County) -> None:
    report = import_items(county, [inventory_record()], approve=True, by="admin")
    assert report.added == ["62052400NY-QT-0001"]
    publish(county)
    item = county.catalogue.get("item:62052400NY-QT-0001")
    assert item is not None
    assert item["decides"] == {"level": "township", "department": "农业农村", "office": "乡镇人民政府"}
    assert item["materials"][0]["id"] == "m01"
    assert item["form"]["required"] == ["reason"]
    assert any("不是本县的 600101" in finding.sentence for finding in report.warnings)


@pytest.mark.parametrize(
    ("level", "decided_by", "expected"),
    [
        ("4", None, "county"),
        ("5", None, "township"),
        ("6", None, "village"),
        ("5", "县残联", "county"),
        ("5", "县民政局(可委托乡镇)", "county"),
        ("5", "乡镇人民政府", "township"),
    ],
)
def test_who_decides_follows_what_the_inventory_says(level: str, decided_by: str | None, expected: str) -> None:
    record = inventory_record(handling_level_code=level, decided_by=decided_by)
    ((_, content),), _ = read_records("600101", [record])
    assert content["decides"]["level"] == expected


DOUBTS = {
    "an unknown region": ({"code": "62052400MZ-JF-0001"}, "不是本县的"),
    "unknown type letters": ({"code": "60010100MZ-QQ-0001"}, "不认识类型字母"),
    "type letters of another type": ({"code": "60010100MZ-XK-0001"}, "对不上"),
    "department letters of another department": ({"code": "60010100RS-JF-0001"}, "部门字母"),
    "a code outside the rule": ({"code": "DB-1"}, "不合编码规则"),
    "a type that is not the code's": ({"type": "行政许可"}, "类型代码"),
    "an unknown directory": ({"directory": "社会救助"}, "没有目录"),
    "HTML": ({"note": "<script>alert(1)</script>"}, "HTML"),
}


@pytest.mark.parametrize("doubt", DOUBTS)
def test_a_doubtful_record_is_imported_with_a_warning(county: County, doubt: str) -> None:
    change, said = DOUBTS[doubt]
    file = some(1)
    file["items"][0] |= change
    report = import_items(county, file, approve=True, by="admin")
    assert len(report.added) == 1
    assert any(said in finding.sentence for finding in report.warnings)


INCONSISTENT = {
    "on the spot, with a limit": ({"case_type": "即办件"}, "即办件"),
    "a limit of 0, not on the spot": ({"promised": {"n": 0, "unit": "工作日"}}, "即办件"),
    "visits without a reason": ({"visits": {"count": 1, "reason": " "}}, "到现场"),
    "a fee without its basis": ({"fee": {"charged": True, "amount": 100, "basis": ""}}, "收费依据"),
    "a licence without a question": ({"type": "行政许可", "type_code": "01", "faq": []}, "常见问题"),
    "a named result without a sample": ({"result": {"name": "低保证", "kind": "证照"}}, "样本"),
    "one phone for both": ({"phones": {"enquiry": "0000-0000001", "complaint": "0000-0000001"}}, "电话"),
    "a promise longer than the law": ({"promised": {"n": 31, "unit": "工作日"}}, "法定时限"),
}


@pytest.mark.parametrize("rule", INCONSISTENT)
def test_each_consistency_rule_has_its_reason(rule: str) -> None:
    change, said = INCONSISTENT[rule]
    sound = {**deepcopy(SAMPLE["items"][0]), "form": {}}
    assert check_items([(1, sound)]) == []
    (finding,) = check_items([(7, {**sound, **change})])
    assert finding.row == 7
    assert said in finding.sentence


# Publishing.


def test_a_release_holds_for_whoever_checks_it(county: County) -> None:
    import_items(county, some(), approve=True, by="admin")
    release = publish(county)
    assert (release.number, release.items, release.new) == (1, 3, True)
    manifest = newest_release(county.catalogue)
    assert manifest is not None
    assert set(manifest["calendars"]) >= {"2025", "2026"}
    assert check_release(manifest, county.catalogue.get, county.register()) == []


def test_publishing_without_changes_makes_no_release_and_says_so(county: County) -> None:
    import_items(county, some(), approve=True, by="admin")
    publish(county)
    before = county.catalogue.update_seq
    again = publish(county)
    assert (again.number, again.new, again.changed) == (1, False, [])
    assert county.catalogue.update_seq == before


def test_a_changed_item_alone_gets_a_new_revision(county: County) -> None:
    import_items(county, some(), approve=True, by="admin")
    publish(county)
    kept, changed = item_of(county, 1), item_of(county, 0)
    file = some()
    file["items"][0]["conditions"].append("本县常住")
    import_items(county, file, approve=True, by="admin")
    release = publish(county)
    assert (release.number, release.changed) == (2, [SAMPLE["items"][0]["code"]])
    assert item_of(county, 1) == kept
    new = item_of(county, 0)
    assert new["_rev"].startswith("2-")
    assert (new["release"], new["terms"]["release"]) == (2, 2)
    assert new["conditions"] != changed["conditions"]
    assert holds(county)


def test_a_draft_that_is_not_approved_leaves_the_published_item_as_it_is(county: County) -> None:
    import_items(county, some(), approve=True, by="admin")
    publish(county)
    file = some()
    file["items"][0]["conditions"] = ["只给一个人"]
    import_items(county, file, approve=False, by="admin")
    assert publish(county).new is False
    assert item_of(county, 0)["conditions"] == SAMPLE["items"][0]["conditions"]


def test_a_release_is_one_transaction(county: County) -> None:
    import_items(county, some(), approve=True, by="admin")
    commits: list[int] = []
    county.catalogue.on_commit(lambda _name, seq: commits.append(seq))
    publish(county)
    assert len(commits) == 1


# The words of papers.

WORDS = {"title": "受理通知书", "paragraphs": ["{applicant}：您申请办理的{item}已受理。"], "remedy": "", "seal": "公章"}


def test_words_of_a_paper_go_out_with_the_next_release_and_back_to_the_default(county: County) -> None:
    import_items(county, some(), approve=True, by="admin")
    publish(county)
    first = newest_release(county.catalogue)
    assert first is not None
    assert "papers" not in first, "a release that words nothing is as it was before"
    assert word_paper(county, "receipt", WORDS, by="sun") == {}
    assert published_paper(county.catalogue, "receipt") is None
    assert pending(county).papers == [("receipt", "受理回执")]
    assert publish(county).changed == ["receipt"]
    assert pending(county).papers == []
    found = published_paper(county.catalogue, "receipt")
    assert found is not None
    assert found["title"] == "受理通知书"
    assert holds(county)
    assert not publish(county).new

    word_paper(county, "receipt", None, by="sun")
    assert pending(county).papers == [("receipt", "受理回执")]
    back = publish(county)
    assert (back.new, back.changed) == (True, ["receipt"])
    assert published_paper(county.catalogue, "receipt") is None
    assert not publish(county).new

    word_paper(county, "receipt", WORDS, by="sun")
    assert publish(county).new
    again = county.catalogue.get("paper:receipt")
    assert again is not None
    assert again["_rev"].startswith("2-"), "it follows what it was before"


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"title": ""}, "title"),
        ({"paragraphs": []}, "paragraphs"),
        ({"paragraphs": ["{aplicant}"]}, "paragraphs.0"),
        ({"remedy": "{{review}"}, "remedy"),
    ],
)
def test_words_that_would_not_print_are_refused_and_kept_nowhere(
    county: County, change: dict[str, Any], path: str
) -> None:
    assert list(word_paper(county, "receipt", {**WORDS, **change}, by="sun")) == [path]
    assert pending(county).papers == []


# The command.


def test_the_commands_load_and_publish_a_county(folder: Path) -> None:
    run = CliRunner()
    loaded = run.invoke(catalogue, ["import", str(sample_county.ITEMS_FILE), "--dir", str(folder), "--approve"])
    assert loaded.exit_code == 0, loaded.output
    assert "140 added" in loaded.output
    published = run.invoke(catalogue, ["publish", "--dir", str(folder)])
    assert "release 1: 140 items" in published.output
    again = run.invoke(catalogue, ["publish", "--dir", str(folder)])
    assert "Nothing has changed since release 1" in again.output


def test_the_command_lists_bad_records_and_fails(folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "items.json"
    records = some(2)
    records["items"].append({"name": "没有编码的事项"})
    file.write_text(json.dumps(records), encoding="utf-8")
    for command in ("check", "import"):
        done = CliRunner().invoke(catalogue, [command, str(file), "--dir", str(folder)])
        assert done.exit_code == 1
        assert "第 3 条 没有编码的事项" in done.output


def test_a_check_writes_nothing(folder: Path) -> None:
    done = CliRunner().invoke(catalogue, ["check", str(sample_county.ITEMS_FILE), "--dir", str(folder)])
    assert "140 items can be imported, 0 warnings" in done.output
    with county_opened(folder, now=now, random=Random(3)) as county:
        assert county.databases.existing(DRAFTING) is None
