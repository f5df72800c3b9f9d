"""Items, releases, accounts and stations: what the county writes and every station reads."""

from __future__ import annotations

from typing import Any

import pytest

from casework import schemas
from casework.canonical import Document, content_hash
from casework.documents import account, release, station
from casework.documents import item as item_type
from casework.documents import paper as paper_type
from casework.documents.release import whole_list
from casework.holidays import known_calendars
from casework.signing import document_holds, signature_holds
from tests.casework.county import COUNTY, VILLAGE, item, item_content, private_key, register, sign_as
from tests.casework.examples import KEY, county_signed, stored
from tests.casework.whole_releases import check_release

AT = "2026-09-16T01:21:05.000Z"


def shelf() -> dict[str, Document]:
    """What a station holds after a whole pull, by id."""
    documents = [stored(item()), *(stored(county_signed(year)) for year in known_calendars())]
    return {document["_id"]: document for document in documents}


def published(documents: dict[str, Document], number: int = 1) -> Document:
    return county_signed(release.build(number, AT, documents.values()))


def looked_up(documents: dict[str, Document]) -> release.Lookup:
    def lookup(identifier: str, rev: str) -> Document | None:
        document = documents.get(identifier)
        return document if document is not None and document["_rev"] == rev else None

    return lookup


def test_a_whole_release_may_be_switched_to() -> None:
    documents = shelf()
    assert check_release(published(documents), looked_up(documents), register()) == []
    assert sorted(whole_list(published(documents), lambda _number: None)) == sorted(documents)


def test_a_half_received_release_names_what_is_missing() -> None:
    documents = shelf()
    whole = published(documents)
    del documents["calendar:2026"]
    documents[item()["_id"]] = {**documents[item()["_id"]], "_rev": "2-" + "b" * 32}
    problems = check_release(whole, looked_up(documents), register())
    assert [(problem.document, problem.what) for problem in problems] == [
        ("calendar:2026", "missing"),
        (item()["_id"], "missing"),
    ]


def test_a_release_lists_the_papers_that_a_county_words_and_those_of_before_still_hold() -> None:
    words = {"title": "受理通知书", "paragraphs": ["{applicant}："], "remedy": "", "seal": ""}
    paper = stored(county_signed(paper_type.build("receipt", words)))
    before = shelf()
    documents = {**before, paper["_id"]: paper}
    older = published(before)
    assert "papers" not in older
    assert check_release(older, looked_up(documents), register()) == []
    newer = county_signed(release.build(1, AT, [paper]))
    assert check_release(newer, looked_up(documents), register()) == []
    assert [problem.what for problem in check_release(newer, looked_up(before), register())] == ["missing"]
    documents[paper["_id"]] = {**paper, "title": "别的"}
    assert [problem.what for problem in check_release(newer, looked_up(documents), register())] == ["altered"]


def test_an_altered_document_is_found_by_its_hash() -> None:
    documents = shelf()
    whole = published(documents)
    documents["calendar:2026"] = {**documents["calendar:2026"], "off": []}
    assert [problem.what for problem in check_release(whole, looked_up(documents), register())] == ["altered"]


@pytest.mark.parametrize(
    "change",
    [
        {"key": f"{VILLAGE}:1"},
        {"sig": "A" * 86},
        {"terms_sig": "A" * 86},
        {"terms_key": f"{VILLAGE}:1"},
        {"terms": {**item()["terms"], "promised": None}},
    ],
)
def test_what_the_county_did_not_sign_is_found_even_when_listed(change: dict[str, Any]) -> None:
    documents = shelf()
    documents[item()["_id"]] = {**documents[item()["_id"]], **change}
    problems = check_release(published(documents), looked_up(documents), register())
    assert [(problem.document, problem.what) for problem in problems] == [(item()["_id"], "signature")]


def test_terms_that_do_not_say_what_the_item_says_are_found() -> None:
    documents = shelf()
    shorter = {**documents[item()["_id"]], "promised": {"n": 1, "unit": "工作日"}}
    documents[item()["_id"]] = county_signed(shorter)
    problems = check_release(published(documents), looked_up(documents), register())
    assert [problem.what for problem in problems] == ["signature"]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"sig": "A" * 86}, "signature"),
        ({"number": 2}, "shape"),
        ({"items": {"X": {}}}, "shape"),
        ({"key": f"{VILLAGE}:1"}, "signature"),
    ],
)
def test_a_release_that_is_not_the_countys_is_refused_whole(change: dict[str, Any], what: str) -> None:
    documents = shelf()
    problems = check_release({**published(documents), **change}, looked_up(documents), register())
    assert [problem.what for problem in problems] == [what]


def test_an_item_carries_its_terms_signed_apart() -> None:
    document = item()
    public_key = private_key(KEY).public_key()
    assert document["terms"] == item_type.terms(document)
    assert document["terms"]["decides"] == {"level": "county", "department": "民政", "office": "县民政局"}
    assert signature_holds(item_type.terms_payload(document["terms"]), document["terms_sig"], public_key)
    assert document_holds(document, public_key)
    assert schemas.problems(item_type.CONTENT_SCHEMA, item_content()) == {}


def test_an_item_published_again_follows_its_revision_and_keeps_its_words() -> None:
    before = stored(item())
    again = item_type.build(before, release=2, key=KEY, sign=sign_as(KEY))
    assert again["_rev"] == before["_rev"]
    assert again["terms"]["release"] == 2
    assert item_type.is_same_content(before, again)
    assert content_hash(before) != content_hash(again)
    assert not item_type.is_same_content(before, {**again, "promised": None})


def test_an_account_that_could_not_sign_in_is_refused() -> None:
    good: dict[str, Any] = {
        "username": "zhao",
        "name": "赵某某",
        "roles": ["reviewer"],
        "station": COUNTY,
        "department": "民政",
        "password_hash": "$argon2id$x",
    }
    assert account.build(**good)["_id"] == "account:zhao"
    for change in ({"username": "赵"}, {"username": "A b"}, {"roles": []}, {"roles": ["root"]}, {"department": None}):
        with pytest.raises(ValueError, match=r"name|roles|department"):
            account.build(**{**good, **change})


def test_a_station_is_of_a_known_kind() -> None:
    with pytest.raises(ValueError, match="village"):
        station.build(code=VILLAGE, name="x", kind="kiosk", parent=None)
