"""Publishing: what a release costs, when it states its list whole, how one is taken back, and what is kept."""

from __future__ import annotations

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
from central.catalogue.commands import catalogue
from central.catalogue.drafts import APPROVED, DRAFTING, import_items
from central.catalogue.findings import CatalogueRefused
from central.catalogue.publishing import (
    MOST_DIFFERENCES,
    item_of_release,
    newest_listing,
    newest_release,
    pending,
    publish,
    published_items,
    published_paper,
    released,
    take_back,
    way_back,
)
from central.catalogue.records import FORMAT
from central.catalogue.wordings import word_paper
from provisioning import sample_county
from provisioning.county import County, county_opened
from provisioning.operations import init_county
from tests.casework.whole_releases import check_release
from tests.central.county import SmallCentre, make_county

SAMPLE = sample_county.load("items")
CODES = [item["code"] for item in SAMPLE["items"]]
ITEMS = 40
WORDS = 24  # the documents that the dictionaries of the guide search travel in


def now() -> datetime:
    return datetime(2026, 9, 16, 1, tzinfo=UTC)


def approve(county: County, said: dict[int, str], *, count: int = ITEMS) -> None:
    """Approve the first items of the sample county, some of which say something else in their conditions."""
    items: list[dict[str, Any]] = deepcopy(SAMPLE["items"][:count])
    for place, text in said.items():
        items[place]["conditions"] = [text]
    assert import_items(
        county, {"format": FORMAT, "forms": SAMPLE["forms"], "items": items}, approve=True, by="x"
    ).imported


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made") / "county"
    init_county(
        folder, code="600101", name="驿山县政务服务中心", listen="127.0.0.1:0", contact_interval_s=3, now=now,
        random=Random(1),
    )  # fmt: skip
    with county_opened(folder, now=now, random=Random(2)) as county:
        approve(county, {})
        publish(county)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "county")
    return tmp_path / "county"


@pytest.fixture
def county(folder: Path) -> Iterator[County]:
    with county_opened(folder, now=now, random=Random(2)) as opened:
        yield opened


def manifest(county: County, number: int) -> dict[str, Any]:
    found = county.catalogue.get(release_id(number))
    assert found is not None
    return found


def holds(county: County) -> bool:
    newest = newest_release(county.catalogue)
    assert newest is not None
    store = county.catalogue
    return check_release(newest, store.get, county.register(), lambda n: store.get(release_id(n))) == []


def conditions(county: County) -> dict[str, list[str]]:
    return {item["code"]: item["conditions"] for item in published_items(county)}


def test_a_small_change_is_said_as_a_difference(county: County) -> None:
    approve(county, {0: "改了"})
    assert publish(county).changed == [CODES[0]]
    said = manifest(county, 2)
    assert (said["base"], list(said["changed"]["items"]), said["removed"]) == (1, [CODES[0]], [])
    assert holds(county)


def test_the_list_is_stated_whole_again_when_the_differences_are_a_quarter_of_it(county: County) -> None:
    wholes = []
    for step in range(18):
        approve(county, dict.fromkeys(range(2), f"第 {step} 次"))
        wholes.append("base" not in manifest(county, publish(county).number))
        assert holds(county)
    # Two of 66 documents a release: after eight of them, the ninth reaches a quarter.
    assert wholes == ([False] * 8 + [True]) * 2


def test_the_list_is_stated_whole_again_after_many_small_differences(
    county: County, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("central.catalogue.publishing.MOST_DIFFERENCES", 3)
    wholes = []
    for step in range(5):
        approve(county, {0: f"第 {step} 次"})
        wholes.append("base" not in manifest(county, publish(county).number))
    assert wholes == [False, False, False, True, False]
    assert MOST_DIFFERENCES > 3


def test_what_a_release_replaces_is_kept_as_a_version(county: County) -> None:
    before = published_items(county)[0]
    place = CODES.index(before["code"])
    approve(county, {place: "改了"})
    publish(county)
    kept = county.databases.open(DRAFTING).get(f"version:{before['code']}:000001")
    assert kept is not None
    assert {**kept["item"], "_id": before["_id"], "_rev": before["_rev"]} == before
    assert (kept["until"], kept["at"]) == (2, "2026-09-16T01:00:00.000Z")
    old, new = (item_of_release(county, before["code"], release) for release in (1, 2))
    assert old is not None
    assert new is not None
    assert (old["conditions"], new["conditions"]) == (before["conditions"], ["改了"])
    assert item_of_release(county, before["code"], 7) is None


# Taking back.


def test_a_release_is_taken_back_by_a_newer_one_with_the_content_of_before(county: County) -> None:
    before = conditions(county)
    approve(county, {0: "错了", 1: "也错了"}, count=ITEMS + 1)
    publish(county)
    found = way_back(county, 1)
    assert {code for code, _ in found.otherwise} == {CODES[0], CODES[1]}
    assert [code for code, _ in found.gone] == [CODES[ITEMS]]
    back = take_back(county, 1, by="sun")
    assert (back.number, back.back_to, back.items) == (3, 1, ITEMS)
    assert conditions(county) == before
    assert holds(county)
    assert manifest(county, 3)["back_to"] == 1
    item = item_of_release(county, CODES[0], 3)
    assert item is not None
    assert (item["terms"]["release"], item["_rev"].partition("-")[0]) == (3, "3")


def test_what_was_taken_back_stays_approved_and_out_until_it_is_edited_or_asked_for(county: County) -> None:
    before = conditions(county)
    approve(county, {0: "错了"}, count=ITEMS + 1)
    publish(county)
    take_back(county, 1, by="sun")
    draft = county.databases.open(DRAFTING).get(f"draft:{CODES[0]}")
    assert draft is not None
    assert (draft["state"], draft["item"]["conditions"]) == (APPROVED, ["错了"])
    waiting = pending(county)
    assert {code for code, _ in waiting.held} == {CODES[0], CODES[ITEMS]}
    assert (waiting.new, waiting.changed) == ([], [])
    # Something else goes out meanwhile, and they do not go with it.
    approve(county, {0: "错了", 5: "对的"}, count=ITEMS + 1)
    assert publish(county).changed == [CODES[5]]
    assert conditions(county) == {**before, CODES[5]: ["对的"]}
    # One is edited, the other asked for.
    approve(county, {0: "改对了", 5: "对的"}, count=ITEMS + 1)
    assert publish(county).changed == [CODES[0]]
    assert publish(county, held=True).changed == [CODES[ITEMS]]
    assert pending(county).held == []
    assert holds(county)


def test_words_of_papers_are_taken_back_too_and_calendars_are_not(county: County) -> None:
    words = {"title": "受理通知书", "paragraphs": ["{applicant}："], "remedy": "", "seal": ""}
    word_paper(county, "receipt", words, by="sun")
    publish(county)
    day_off = {"_id": "calendar:2027", "year": 2027, "off": ["2027-01-01"], "worked": []}
    assert publish(county, calendars=[day_off]).new
    take_back(county, 1, by="sun")
    assert published_paper(county.catalogue, "receipt") is None
    assert "calendar:2027" in newest_listing(county.catalogue)
    assert [name for name, _ in pending(county).held] == ["receipt"]
    back = take_back(county, 2, by="sun")
    paper = published_paper(county.catalogue, "receipt")
    assert paper is not None
    assert (back.changed, paper["title"], holds(county)) == (["receipt"], "受理通知书", True)


@pytest.mark.parametrize("number", [2, 3, 999_999, 0, -1])
def test_only_an_earlier_release_can_be_gone_back_to(county: County, number: int) -> None:
    approve(county, {0: "改了"})
    publish(county)
    with pytest.raises(CatalogueRefused, match="退不回去"):
        take_back(county, number, by="sun")


def test_going_back_to_what_is_the_same_is_no_release(county: County) -> None:
    approve(county, {0: "改了"})
    publish(county)
    take_back(county, 1, by="sun")
    with pytest.raises(CatalogueRefused, match="不用退"):
        take_back(county, 1, by="sun")


def test_a_release_that_was_never_kept_is_not_gone_back_to_by_half(county: County) -> None:
    approve(county, {0: "改了"})
    publish(county)
    county.catalogue.compact()
    drafting = county.databases.open(DRAFTING)
    kept = drafting.get(f"version:{CODES[0]}:000001")
    assert kept is not None
    drafting.update({**kept, "_deleted": True})
    with pytest.raises(CatalogueRefused, match="没有留存"):
        take_back(county, 1, by="sun")
    assert (newest_release(county.catalogue) or {})["number"] == 2


def test_the_list_of_releases_says_what_each_changed(county: County) -> None:
    approve(county, {0: "改了", 1: "改了"}, count=ITEMS + 1)
    publish(county)
    take_back(county, 1, by="sun")
    rows = [(row.number, row.items, row.changed, row.back_to) for row in released(county.catalogue, 20)]
    assert rows == [(3, ITEMS, 3, 1), (2, ITEMS + 1, 3, None), (1, ITEMS, ITEMS + 2 + WORDS, None)]


def test_the_command_takes_back(folder: Path) -> None:
    with county_opened(folder, now=now, random=Random(2)) as county:
        approve(county, {0: "错了"})
        publish(county)
    run = CliRunner().invoke(catalogue, ["publish", "--back-to", "1", "--dir", str(folder)])
    assert run.exit_code == 0, run.output
    assert "release 3: the content of release 1 again, 1 documents changed" in run.output
    again = CliRunner().invoke(catalogue, ["publish", "--dir", str(folder)])
    assert "Nothing has changed since release 3" in again.output
    held = CliRunner().invoke(catalogue, ["publish", "--held", "--dir", str(folder)])
    assert "release 4" in held.output
    both = CliRunner().invoke(catalogue, ["publish", "--held", "--back-to", "1", "--dir", str(folder)])
    assert both.exit_code == 2
    wrong = CliRunner().invoke(catalogue, ["publish", "--back-to", "77", "--dir", str(folder)])
    assert (wrong.exit_code, "退不回去" in wrong.output) == (1, True)


def test_the_page_names_what_would_change_before_it_takes_back(tmp_path: Path) -> None:
    make_county(tmp_path / "template")
    centre = SmallCentre(tmp_path / "made", tmp_path / "template")
    try:
        name = centre.item()["name"]
        centre.change_draft(name, conditions=["错了"])
        publish(centre.centre)
        admin = centre.sign_in("sun")
        assert "退回…" in admin.get("/catalogue")
        page = admin.get("/catalogue/back/1")
        assert "退回到第 000001 版" in page
        assert name in page
        admin.send("/catalogue/back/1", {"from": "1"}, expect=409)
        admin.send("/catalogue/back/1", {"from": "2"})
        assert centre.item()["conditions"] != ["错了"]
        listing = admin.get("/catalogue")
        assert "第 000003 版已发布，内容和第 000001 版一样。" in listing
        assert "退回过，先不发布" in listing
        assert name in admin.get("/catalogue/publish")
        admin.send("/catalogue/publish", {"held": "yes"})
        assert centre.item()["conditions"] == ["错了"]
        admin.get("/catalogue/back/4", expect=409)
    finally:
        centre.close()
