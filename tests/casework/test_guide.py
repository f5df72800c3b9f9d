"""A question and a phrase become the same thing by the county's dictionaries, by characters and by sound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casework.guide.phrases import phrases_of, targets
from casework.guide.ranking import act_score, similarity, sound_grams, word_grams
from casework.guide.sounds import SYLLABLES, folded, ways_to_cut
from casework.guide.words import MOST_WAYS, Words, expanded

WORDS = Words.compiled(
    {
        "same": {"丢": ["弄丢", "[不见|找不到]了"], "补办": ["重办"]},
        "filler": {"办": ["办理", "怎么办", "我想", "的"]},
        "blocked": {"违法": ["博彩"]},
        "acts": {"补换": ["丢", "补办"], "注销": ["注销"]},
        "endings": {"结尾": ["办理", "登记", "核发"]},
        "simplified": {"证": ["證"], "残": ["殘"]},
        "characters": {"can": ["残参"], "ji": ["疾"], "zheng": ["证"], "zhong": ["重"], "du": ["度"], "xin": ["新"]},
        "readings": {"重新": ["chong xin"]},
    }
)
PLAIN = Words.compiled({})
texts = st.text(max_size=200)


def test_filler_is_taken_out_and_each_way_of_saying_is_the_first_of_its_group() -> None:
    read = WORDS.read("我想重办，殘疾證弄丢了的")
    assert (read.plain, read.meant) == ("我想重办残疾证弄丢了的", "补办残疾证丢了")
    assert read.filler == ("我想", "的")
    assert read.same == (("重办", "补办"), ("弄丢", "丢"))
    assert read.acts == {"补换"}


def test_a_question_of_nothing_but_filler_means_nothing() -> None:
    assert WORDS.read("我想办理，怎么办？").meant == ""


def test_a_blocked_word_is_named() -> None:
    assert WORDS.read("哪里有博 彩").blocked == "博彩"
    assert WORDS.read("残疾证").blocked is None


def test_words_whose_characters_read_differently_together_are_read_so() -> None:
    assert WORDS.sounds("重度") == ["zhong", "du"]
    assert WORDS.sounds("重新") == ["chong", "xin"]
    assert WORDS.initials("残疾证") == "cjz"
    assert WORDS.initials("残疾x证") == ""


def test_without_dictionaries_a_text_is_compared_as_it_is_written() -> None:
    read = PLAIN.read("残疾证 怎么办？")
    assert (read.meant, read.heard, read.acts, PLAIN.has_sounds) == ("残疾证怎么办", "残疾证怎么办", frozenset(), False)


def test_an_entry_with_choices_stands_for_each() -> None:
    assert expanded("[补|换]残疾证[|了]") == ["补残疾证", "补残疾证了", "换残疾证", "换残疾证了"]
    assert len(expanded("[一|二|三|四]" * 9)) == MOST_WAYS


def test_what_all_names_end_in_is_not_part_of_what_a_name_is_about() -> None:
    assert WORDS.core("出生登记(新生儿落户)") == "出生登记"
    assert WORDS.core("林木采伐许可证核发") == "林木采伐许可证"
    item = {"name": "林木采伐许可证核发", "also_called": ["砍树"], "materials": [{"name": "申请表"}]}
    assert list(phrases_of(item, WORDS)) == [
        ("name", "林木采伐许可证核发"),
        ("name", "林木采伐许可证"),
        ("also_called", "砍树"),
        ("materials", "申请表"),
    ]


@pytest.mark.parametrize(
    ("target", "places", "how"),
    [
        ("社会保障卡注销", (1,), "name"),
        ("社会保障卡", (1, 0), "part"),
        ("出生登记", (2,), "name"),
        ("社会保障卡密码的修改重置", (0,), "alike"),
        ("渔业捕捞许可", (), "alike"),
    ],
)
def test_a_saying_leads_to_the_name_else_to_a_part_of_it_else_to_one_much_like_it(
    target: str, places: tuple[int, ...], how: str
) -> None:
    names = {0: "社会保障卡密码修改与重置", 1: "社会保障卡注销", 2: "出生登记(新生儿落户)"}
    found = next(iter(targets(Words.compiled({"said": {target: ["说法"]}}), names)))
    assert (found.places, found.how) == (places, how)


@given(texts)
def test_reading_never_fails_and_reading_the_outcome_again_changes_nothing(text: str) -> None:
    for words in (WORDS, PLAIN):
        read = words.read(text)
        assert words.plain(read.plain) == read.plain
        assert len(read.plain) <= 120


@given(texts)
def test_punctuation_blanks_and_width_do_not_matter(text: str) -> None:
    plain = PLAIN.plain(text)
    assert PLAIN.plain(f" ，{text}？！") == plain


@given(st.lists(st.sampled_from(sorted(SYLLABLES)), min_size=1, max_size=6))
def test_pinyin_that_was_put_together_is_cut_into_as_few_pieces_at_most(syllables: list[str]) -> None:
    ways = ways_to_cut("".join(syllables))
    assert ways
    for way in ways:
        assert "".join(way).replace("*", "") == "".join(syllables)
        assert len(way) <= len(syllables)


@pytest.mark.parametrize(
    ("letters", "way"),
    [
        ("dibao", ("di", "bao")),
        ("sfz", ("s*", "f*", "z*")),
        ("shenfenz", ("shen", "fen", "z*")),
        ("zhuxiao", ("zhu", "xiao")),
    ],
)
def test_letters_are_syllables_or_stand_for_their_beginning(letters: str, way: tuple[str, ...]) -> None:
    assert way in ways_to_cut(letters)


def test_letters_that_begin_no_syllable_are_no_pinyin() -> None:
    assert ways_to_cut("vuvi") == []


@pytest.mark.parametrize(
    ("said", "meant"),
    [("lao", "nao"), ("zen", "zheng"), ("si", "shi"), ("xin", "xing"), ("lv", "nü".replace("ü", "v"))],
)
def test_syllables_that_half_the_country_does_not_tell_apart_sound_the_same(said: str, meant: str) -> None:
    assert folded(said) == folded(meant)


@given(st.sampled_from(sorted(SYLLABLES)))
def test_folding_twice_is_folding_once(syllable: str) -> None:
    assert folded(folded(syllable)) == folded(syllable)


@given(st.floats(0, 50), st.floats(0, 50), st.floats(0, 50))
def test_similarity_lies_between_nothing_and_all_and_more_in_common_is_never_less(
    common: float, other: float, more: float
) -> None:
    asked, size = common + other, common + more
    alike = similarity(common, asked, size, 0.3)
    assert 0 <= alike <= 1
    assert similarity(common + 1, asked + 1, size + 1, 0.3) >= alike


def test_what_is_to_be_done_tells_siblings_apart() -> None:
    renew, cancel = 1, 2
    assert act_score(cancel, cancel) > act_score(cancel, 0) > act_score(cancel, renew)
    assert act_score(0, 0) > act_score(0, cancel)


@given(st.text(alphabet="残疾证丢了补办", max_size=12))
def test_grams_of_a_part_are_grams_of_the_whole(text: str) -> None:
    assert word_grams(text).keys() <= word_grams(text + "注销").keys()
    assert sound_grams(list(text)).keys() <= sound_grams([*text, "xiao"]).keys()
