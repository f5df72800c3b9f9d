"""The county keeps the dictionaries of the guide search, tries them out, and publishes them with the next release."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from casework.canonical import Document
from casework.documents import words as words_type
from casework.guide.words import MOST_WAYS, Words, expanded
from central.catalogue.drafts import import_items
from central.catalogue.publishing import newest_listing, newest_release, pending, publish
from central.catalogue.trying import try_words
from central.catalogue.words import EDITABLE, defaults, dictionary, edit_dictionary, made
from provisioning import sample_county
from provisioning.county import County, county_opened
from provisioning.operations import init_county
from tests.casework.whole_releases import check_release

SAMPLE = sample_county.load("items")
SUBSISTENCE = "最低生活保障对象认定与保障金给付"


def now() -> datetime:
    return datetime(2026, 9, 16, 1, tzinfo=UTC)


@pytest.fixture
def county(tmp_path: Path) -> Iterator[County]:
    folder = tmp_path / "county"
    init_county(
        folder, code="600101", name="驿山县政务服务中心", listen="127.0.0.1:0", contact_interval_s=3, now=now,
        random=Random(1),
    )  # fmt: skip
    with county_opened(folder, now=now, random=Random(2)) as opened:
        import_items(opened, {**SAMPLE, "items": SAMPLE["items"][:9]}, approve=True, by="admin")
        publish(opened)
        yield opened


def published(county: County) -> dict[str, Document]:
    """The dictionaries of the newest release, by id."""
    listing = newest_listing(county.catalogue)
    assert listing is not None
    found = [county.catalogue.get(id_) for id_ in listing if id_.startswith("words:")]
    return {document["_id"]: document for document in found if document is not None}


# The dictionaries that come with the program.


def test_what_people_say_leads_to_each_of_the_sample_countys_items_and_to_nothing_else() -> None:
    said = defaults()["said"]
    assert set(said) == {item["name"] for item in SAMPLE["items"]}
    assert min(map(len, said.values())) >= 15


@pytest.mark.parametrize("name", ["same", "acts"])
def test_a_word_means_one_thing(name: str) -> None:
    owners: dict[str, set[str]] = {}
    for key, ways in defaults()[name].items():
        for way in ways:
            for one in expanded(way):
                owners.setdefault(one, set()).add(key)
    assert {way: keys for way, keys in owners.items() if len(keys) > 1} == {}


def test_no_way_of_saying_is_only_filler_or_blocked() -> None:
    ours: dict[str, Any] = {
        name: {key: list(ways) for key, ways in found.items()} for name, found in defaults().items()
    }
    words = Words.compiled(ours | made(ours))
    for ways in ours["said"].values():
        for way in ways:
            assert len(expanded(way)) < MOST_WAYS
            for one in expanded(way):
                read = words.read(one)
                assert read.meant, one
                assert read.blocked is None, one


def test_pinyin_is_taken_from_what_the_words_say() -> None:
    words = Words.compiled(made({}, [{"name": "重新登记"}, {"name": "重度残疾人"}]))
    assert words.sounds("重新") == ["chong", "xin"]
    assert words.sounds("重度") == ["zhong", "du"]
    assert words.plain("補發證") == "补发证"


# Editing.


def test_an_edit_is_laid_over_what_comes_with_the_program(county: County) -> None:
    assert (
        edit_dictionary(county, "said", add={SUBSISTENCE: ["领月月红"]}, remove={SUBSISTENCE: ["低保钱"]}, by="sun")
        == {}
    )
    ways = dictionary(county, "said")[SUBSISTENCE]
    assert "领月月红" in ways
    assert "低保钱" not in ways
    assert "低保" in ways
    assert "领月月红" not in dictionary(county, "said", with_drafts=False)[SUBSISTENCE]


def test_what_was_removed_can_be_added_again_and_what_was_added_removed(county: County) -> None:
    before = dictionary(county, "same")
    for _ in range(2):
        assert edit_dictionary(county, "same", add={"低保": ["某某户"]}, remove={"丢": ["弄丢"]}, by="sun") == {}
        assert dictionary(county, "same") != before
        assert edit_dictionary(county, "same", add={"丢": ["弄丢"]}, remove={"低保": ["某某户"]}, by="sun") == {}
        assert {key: set(ways) for key, ways in dictionary(county, "same").items()} == {
            key: set(ways) for key, ways in before.items()
        }


@pytest.mark.parametrize(
    ("name", "change", "sentence"),
    [
        ("nothing", {"add": {"a": ["b"]}}, "没有叫“nothing”的词库"),
        ("said", {"add": {"没有这样的事项": ["说法"]}}, "没有名称里带“没有这样的事项”的事项"),
        ("said", {"add": {SUBSISTENCE: ["，。"]}}, "不能全是标点"),
        ("said", {"add": {SUBSISTENCE: ["长" * 41]}}, "1 到 40 个字"),
        ("said", {"add": {SUBSISTENCE: ["[补|换残疾证"]}}, "方括号没有成对"),
        ("said", {"add": {SUBSISTENCE: ["[一|二|三|四][一|二|三|四][一|二|三|四]"]}}, "拆成几条"),
        ("said", {"remove": {SUBSISTENCE: ["没有的说法"]}}, "不用删"),
        ("same", {"add": {"钱": ["弄丢"]}}, "已经在“丢”下面"),
        ("blocked", {"add": {"骂人": ["坏"]}}, "只有一个字"),
    ],
)
def test_what_makes_no_sense_is_said_and_not_kept(
    county: County, name: str, change: dict[str, Any], sentence: str
) -> None:
    wrong = edit_dictionary(county, name, **change, by="sun")
    assert sentence in "".join(wrong.values())
    assert pending(county).words == []


# Publishing.


def test_a_release_lists_the_dictionaries_signed_and_whole(county: County) -> None:
    manifest = newest_release(county.catalogue)
    assert manifest is not None
    assert check_release(manifest, county.catalogue.get, county.register()) == []
    brought = words_type.merged(published(county).values())
    assert set(brought) == {*EDITABLE, "simplified", "characters", "readings"}
    assert brought["said"].keys() == defaults()["said"].keys()
    for document in published(county).values():
        assert words_type.TYPE.problems(document) == {}


def test_an_edit_goes_out_with_the_next_release_and_only_the_part_that_it_is_in(county: County) -> None:
    before = published(county)
    edit_dictionary(county, "said", add={SUBSISTENCE: ["领月月红"]}, by="sun")
    assert pending(county).words == [("said", "群众的说法")]
    done = publish(county)
    assert (done.number, done.new, done.changed) == (2, True, [])
    after = published(county)
    assert sum(before[id_]["_rev"] != after[id_]["_rev"] for id_ in after) == 1
    assert "领月月红" in words_type.merged(after.values())["said"][SUBSISTENCE]
    assert pending(county).words == []
    assert publish(county).new is False


# Trying out.


def test_the_try_it_box_knows_the_edit_before_it_is_published_and_shows_the_steps(county: County) -> None:
    question = "请问领月月红怎么办"
    assert SUBSISTENCE not in try_words(county, question).names[:1]
    edit_dictionary(county, "said", add={SUBSISTENCE: ["领月月红"]}, by="sun")
    tried = try_words(county, question)
    assert (tried.names[0], tried.explanation.found[0].text) == (SUBSISTENCE, "领月月红")
    assert set(tried.explanation.read[0].reading.filler) == {"请问", "怎么办"}
    assert tried.codes[0] == SAMPLE["items"][0]["code"]
    assert SUBSISTENCE not in try_words(county, question, with_drafts=False).names[:1]


def test_the_try_it_box_looks_in_what_the_next_release_brings(county: County) -> None:
    import_items(county, {**SAMPLE, "items": SAMPLE["items"][9:40]}, approve=True, by="admin")
    name = SAMPLE["items"][11]["name"]
    assert name not in try_words(county, name, with_drafts=False).names
    assert try_words(county, name).names[0] == name
