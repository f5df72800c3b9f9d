"""One notice of everything: what is asked, and exactly what a person has to bring."""

from __future__ import annotations

import pytest

from casework.canonical import Document
from casework.guide.short_list import (
    as_draft,
    open_questions,
    questions,
    short_list,
    situation_in_words,
    tidied,
    when_in_words,
)
from casework.guide.slip import MOST_BYTES, slip
from provisioning import sample_county

SAMPLE = sample_county.load("items")
FORMS = SAMPLE["forms"]


def item(name: str) -> Document:
    found = next(one for one in SAMPLE["items"] if one["name"] == name)
    return {**found, "form": FORMS[found["form"]]} if isinstance(found["form"], str) else found


HOMESTEAD, PROOF, CARE = item("农村村民宅基地审批"), item("村民委员会出具证明"), item("高龄津贴给付")


def names(of: Document, answers: dict[str, str], *, sure: bool) -> list[str]:
    return [one.material["name"] for one in short_list(of, answers) if one.sure is sure]


def test_only_what_changes_the_list_is_asked() -> None:
    assert [one.title for one in questions(HOMESTEAD)] == ["怎么建", "谁来办"]
    # 第一次申领 or 停发后恢复 asks for other fields of the form, and for the same materials.
    assert [one.title for one in questions(CARE)] == ["发到谁的卡上", "谁来办"]
    assert questions(item("离婚登记")) == []


def test_what_the_form_knows_is_asked_in_its_words() -> None:
    role, subject = questions(PROOF)
    assert (role.path, subject.path) == ("people.present.role", "form.subject")
    assert "亲属关系" in [words for _value, words in subject.options]


def test_answers_leave_exactly_the_materials_of_this_person() -> None:
    mine = {"situation.how": "new", "people.present.role": "applicant"}
    assert "原宅基地权属证明" not in names(HOMESTEAD, mine, sure=True)
    assert len(names(HOMESTEAD, mine, sure=True)) == 5
    assert names(HOMESTEAD, mine, sure=False) == []
    rebuilt = {"situation.how": "rebuild", "people.present.role": "proxy"}
    assert len(names(HOMESTEAD, rebuilt, sure=True)) == 7


def test_what_nobody_has_answered_may_be_needed_and_says_when() -> None:
    assert names(HOMESTEAD, {}, sure=True) == names(HOMESTEAD, {"situation.how": ""}, sure=True)
    [proxy] = [one for one in short_list(HOMESTEAD, {"situation.how": "new"}) if not one.sure]
    assert proxy.when == "谁来办：受托人"
    assert "怎么建：原址翻建或改扩建或搬到新址，退出旧宅" in [one.when for one in short_list(HOMESTEAD, {})]


def test_what_is_not_clear_is_not_asked_again() -> None:
    assert [one.path for one in open_questions(HOMESTEAD, {})] == ["situation.how", "people.present.role"]
    assert [one.path for one in open_questions(HOMESTEAD, {"situation.how": ""})] == ["people.present.role"]


@pytest.mark.parametrize("said", [{"situation.how": "castle"}, {"form.subject": "x"}, {"nonsense": "new"}])
def test_an_answer_that_was_not_offered_is_none(said: dict[str, str]) -> None:
    assert tidied(HOMESTEAD, said) == {}
    assert short_list(HOMESTEAD, said) == short_list(HOMESTEAD, {})


def test_the_intake_is_given_the_answers() -> None:
    answers = {"situation.how": "move", "people.present.role": "proxy"}
    assert as_draft(HOMESTEAD, answers) == {"situation": {"how": "move"}, "people": {"present.role": "proxy"}}
    assert as_draft(PROOF, {"form.subject": "亲属关系"}) == {"form": {"subject": "亲属关系"}}
    assert situation_in_words(HOMESTEAD, answers) == [("怎么建", "搬到新址，退出旧宅"), ("谁来办", "受托人")]


def test_a_field_under_a_condition_brings_its_question() -> None:
    form = {
        "type": "object",
        "properties": {
            "care": {"title": "谁照护", "enum": ["在家", "机构"], "x-when": {"situation.which": ["care"]}},
            "lent": {"title": "是借的吗", "type": "boolean"},
        },
    }
    options = [{"id": "care", "title": "护理"}, {"id": "living", "title": "生活"}]
    of: Document = {
        "form": form,
        "situations": [{"id": "which", "title": "哪一项", "options": options}],
        "materials": [
            {"id": "m1", "name": "机构证明", "when": {"form.care": ["机构"]}},
            {"id": "m2", "name": "借条", "when": {"form.lent": [True]}},
        ],
    }
    assert [one.path for one in questions(of)] == ["situation.which", "form.care", "form.lent"]
    assert [one.path for one in open_questions(of, {"situation.which": "living"})] == ["form.lent"]
    assert names(of, {"situation.which": "living", "form.lent": "true"}, sure=True) == ["借条"]
    assert names(of, {"situation.which": "living", "form.lent": "false"}, sure=False) == []
    assert names(of, {"situation.which": "care", "form.care": "机构", "form.lent": "false"}, sure=True) == ["机构证明"]
    assert as_draft(of, {"situation.which": "care", "form.lent": "true"})["form"] == {"lent": True}
    assert when_in_words(of, of["materials"][1]["when"]) == "是借的吗：是"


def test_every_list_of_the_sample_county_fits_into_its_code() -> None:
    for one in map(item, [each["name"] for each in SAMPLE["items"]]):
        listed = [material["name"] for material in one["materials"]]
        text = slip(one, listed, place="柳树湾村便民服务站", on="2026-9-16", release=12)
        assert len(text.encode()) <= MOST_BYTES, one["name"]
        assert one["phones"]["enquiry"] in text
        assert "以受理时为准" in text
    many = slip(HOMESTEAD, [f"第{n}份证明材料的原件和复印件" for n in range(40)], place="站", on="今天", release=1)
    assert len(many.encode()) <= MOST_BYTES
    assert "…共40样" in many
