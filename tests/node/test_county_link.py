"""The link to the county: what is shown to its databases, and what is said to it again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.county_link import CountyLink
from provisioning.line import Answer
from sync.peer import Unreachable
from tests.provisioning.small_county import URL, VILLAGE, SmallCounty
from tests.provisioning.test_contact import kept, report


@pytest.fixture
def small_county(tmp_path: Path) -> Iterator[SmallCounty]:
    county = SmallCounty(tmp_path)
    yield county
    county.close()


@pytest.fixture
def link(small_county: SmallCounty) -> CountyLink:
    return CountyLink(small_county.post, URL, small_county.enrol(VILLAGE).key(), raw_now=small_county.now)


def test_the_short_form_is_shown_and_the_token_where_that_is_not_taken(link: CountyLink) -> None:
    assert link.authorization() is None
    made = link.contact(report())
    assert link.authorization() == f"Bearer {made.session}"
    link.refused()
    assert link.authorization() == f"Bearer {made.token}"
    again = link.contact(report())
    assert again.token is not None
    assert link.authorization() == f"Bearer {again.token}"
    # Not the form, then: the next one is as good as any.
    link.refused()
    assert link.authorization() == f"Bearer {again.session}"


def test_a_county_without_short_forms_is_shown_the_token(small_county: SmallCounty, link: CountyLink) -> None:
    def as_before(answer: Answer) -> Answer:
        said = answer.json()
        said.pop("session", None)
        return Answer(answer.status, json.dumps(said).encode())

    small_county.lie = as_before
    made = link.contact(report())
    assert link.authorization() == f"Bearer {made.token}"


def test_after_a_lost_answer_everything_is_said_again(small_county: SmallCounty, link: CountyLink) -> None:
    link.contact(report())
    small_county.lose_answer = True
    with pytest.raises(Unreachable):
        link.contact(report(waiting=3))
    small_county.lose_answer = False
    small_county.seen.clear()
    link.contact(report(waiting=3))
    assert "same" not in json.loads(small_county.seen[-1][1])["report"]
    small_county.seen.clear()
    link.contact(report(waiting=4))
    assert len(small_county.seen) == 1
    assert json.loads(small_county.seen[0][1])["report"].keys() == {"same", "clock", "waiting"}
    last = kept(small_county, VILLAGE)
    assert last is not None
    assert last["report"] == report(waiting=4).to_json()
