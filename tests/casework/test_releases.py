"""A release that is said as a difference: the list it stands for is told, or it is refused, and nothing between."""

from __future__ import annotations

import copy
import json
import time
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casework.canonical import Document
from casework.documents import paper, release
from casework.documents.register import Register
from casework.documents.release import (
    LONGEST_CHAIN,
    MOST_ENTRIES,
    Listing,
    ReleaseRefused,
    listing_hash,
    refusal,
    release_id,
    whole_list,
)
from casework.holidays import known_calendars
from tests.casework.county import VILLAGE, item, register
from tests.casework.examples import KEY, county_signed, stored
from tests.casework.whole_releases import check_release

AT = "2026-09-16T01:21:05.000Z"


@cache
def worded(code: str, title: str, generation: int = 1) -> Document:
    words = {"title": title, "paragraphs": ["{applicant}："], "remedy": "", "seal": ""}
    document = stored(county_signed(paper.build(code, words)))
    return {**document, "_rev": f"{generation}-{document['_rev'].partition('-')[2]}"}


@cache
def lasting() -> tuple[Document, ...]:
    """One item and the calendars, the same in every release: a signature is another each time."""
    return stored(item()), *(stored(county_signed(year)) for year in known_calendars())


def shelf(*more: Document) -> dict[str, Document]:
    return {document["_id"]: document for document in (*lasting(), *more)}


class Shop:
    """A county that publishes, and whoever reads it: manifests by number, documents by id and revision."""

    def __init__(self) -> None:
        self.manifests: dict[int, Document] = {}
        self.documents: dict[tuple[str, str], Document] = {}
        self.lists: dict[int, Listing] = {}

    def publish(self, documents: dict[str, Document], *, base: int | None = None) -> Document:
        number = len(self.manifests) + 1
        before = (base, self.lists[base]) if base is not None else None
        manifest = county_signed(release.build(number, AT, documents.values(), base=before))
        self.manifests[number] = manifest
        self.documents |= {(id_, document["_rev"]): document for id_, document in documents.items()}
        self.lists[number] = whole_list(manifest, self.manifests.get)
        return manifest

    def check(self, manifest: Document, register: Register) -> list[tuple[str, str]]:
        found = check_release(manifest, lambda id_, rev: self.documents.get((id_, rev)), register, self.manifests.get)
        return [(problem.document, problem.what) for problem in found]


@pytest.fixture
def shop() -> Shop:
    """Three releases, each a difference to the one before: a paper comes, is worded anew, and goes."""
    made = Shop()
    made.publish(shelf())
    made.publish(shelf(worded("receipt", "受理通知书")), base=1)
    made.publish(shelf(worded("receipt", "受理回执", 2), worded("fee", "缴费单")), base=2)
    made.publish(shelf(worded("fee", "缴费单")), base=3)
    return made


def test_a_difference_names_only_what_is_another(shop: Shop) -> None:
    second, third, fourth = (shop.manifests[number] for number in (2, 3, 4))
    assert (list(second["changed"]), list(second["changed"]["papers"])) == (["papers"], ["receipt"])
    assert (sorted(third["changed"]["papers"]), third["removed"]) == (["fee", "receipt"], [])
    assert (fourth["changed"], fourth["removed"]) == ({}, ["paper:receipt"])
    assert all("items" not in manifest for manifest in (second, third, fourth))


def test_the_list_is_the_same_by_whatever_road(shop: Shop) -> None:
    wanted = {id_: document["_rev"] for id_, document in shelf(worded("fee", "缴费单")).items()}
    through_all = whole_list(shop.manifests[4], shop.manifests.get)
    assert {id_: entry["rev"] for id_, entry in through_all.items()} == wanted
    for known in (1, 2, 3):
        remembered = (known, shop.lists[known])
        assert whole_list(shop.manifests[4], shop.manifests.get, remembered=remembered) == through_all
    assert listing_hash(through_all) == shop.manifests[4]["listing"]
    assert shop.check(shop.manifests[4], register()) == []


def test_what_is_remembered_is_not_believed_against_the_listing(shop: Shop) -> None:
    """A county restored from a backup may give a number a second time."""
    wrong = (3, shop.lists[1])
    assert whole_list(shop.manifests[4], shop.manifests.get, remembered=wrong) == shop.lists[4]
    with pytest.raises(ReleaseRefused):
        whole_list(shop.manifests[4], {4: shop.manifests[4]}.get, remembered=wrong)


def test_a_difference_waits_for_its_base(shop: Shop) -> None:
    del shop.manifests[2]
    assert shop.check(shop.manifests[4], register()) == [("release:000002", "missing")]
    # Who knows the list of a later one needs it no more.
    assert whole_list(shop.manifests[4], shop.manifests.get, remembered=(3, shop.lists[3])) == shop.lists[4]


@pytest.mark.parametrize("base", [4, 5, 999_999])
def test_a_base_that_is_no_earlier_release_is_refused_and_leads_round_no_circle(shop: Shop, base: int) -> None:
    circle = county_signed({**shop.manifests[4], "base": base})
    shop.manifests |= {4: circle, 5: {**circle, "_id": release_id(5), "number": 5, "base": 4}}
    assert shop.check(circle, register()) == [("release:000004", "base")]


def test_a_chain_without_end_is_refused(shop: Shop) -> None:
    last = shop.manifests[4]
    endless = {n: {**last, "_id": release_id(n), "number": n, "base": n - 1} for n in range(2, LONGEST_CHAIN + 9)}
    with pytest.raises(ReleaseRefused) as refused:
        whole_list(endless[LONGEST_CHAIN + 8], endless.get)
    assert refused.value.problem.what == "base"


def test_a_list_that_is_not_the_one_signed_for_is_refused(shop: Shop) -> None:
    without = county_signed({**shop.manifests[4], "removed": []})
    assert shop.check(without, register()) == [("release:000004", "listing")]
    # An altered base, though the newest manifest is the county's to the letter.
    shop.manifests[1] = {**shop.manifests[1], "calendars": {}}
    assert shop.check(shop.manifests[4], register()) == [("release:000004", "listing")]


def test_a_whole_list_of_before_has_no_listing_and_still_holds(shop: Shop) -> None:
    old = county_signed({name: value for name, value in shop.manifests[1].items() if name != "listing"})
    assert shop.check(old, register()) == []
    shop.manifests[1] = old
    assert shop.check(shop.manifests[4], register()) == []


def test_a_million_entries_are_refused_before_anybody_looks_at_them(shop: Shop) -> None:
    entry = {"rev": "1-" + "0" * 32, "sha256": "0" * 64}
    many = {**shop.manifests[1], "items": {f"X-{n}": entry for n in range(1_000_000)}}
    removed = {**shop.manifests[4], "removed": ["item:X"] * (MOST_ENTRIES + 1)}
    began = time.process_time()
    assert shop.check(many, register()) == [("release:000001", "size")]
    assert shop.check(removed, register()) == [("release:000004", "size")]
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "rev",
    [
        "",
        "1",
        "0-" + "0" * 32,
        "-1-" + "0" * 32,
        "9" * 5000 + "-" + "0" * 32,
        "1-" + "g" * 32,
        1,
        None,
        {},
        "1-" + "0" * 33,
    ],
)
def test_absurd_revisions_are_refused(shop: Shop, rev: Any) -> None:
    name = next(iter(shop.manifests[1]["items"]))
    whole = {**shop.manifests[1], "items": {name: {**shop.manifests[1]["items"][name], "rev": rev}}}
    assert shop.check(county_signed(whole), register()) == [("release:000001", "shape")]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"format": 3}, "format"),
        ({"format": "two"}, "shape"),
        ({"changed": None}, "shape"),
        ({"removed": {}}, "shape"),
        ({"listing": "0" * 63}, "shape"),
        ({"base": 0}, "shape"),
        ({"number": 9}, "shape"),
        ({"sig": "A" * 86}, "signature"),
        ({"key": f"{VILLAGE}:1"}, "signature"),
        ({"key": "600101000000:77"}, "signature"),
    ],
)
def test_a_difference_that_is_none_is_refused_with_its_reason(shop: Shop, change: dict[str, Any], what: str) -> None:
    assert shop.check({**shop.manifests[4], **change}, register()) == [("release:000004", what)]


@pytest.mark.parametrize("lacking", ["format", "changed", "removed", "listing"])
def test_a_difference_says_all_of_it(shop: Shop, lacking: str) -> None:
    short = county_signed({name: value for name, value in shop.manifests[4].items() if name != lacking})
    assert shop.check(short, register()) == [("release:000004", "shape")]


def test_what_a_revoked_county_key_signed_is_refused(shop: Shop) -> None:
    document = copy.deepcopy(register().document)
    for key in document["keys"]:
        if key["id"] == KEY:
            key["revoked"] = {"at": AT, "last": {}}
    later = Register.of(document, authority=None)
    assert shop.check(shop.manifests[4], later) == [("release:000004", "signature")]
    problem = refusal(shop.manifests[4], later)
    assert problem is not None
    assert "吊销" in problem.sentence


# Whatever somebody changes.

_STRANGE = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 10**7), st.text(max_size=5), st.just([]), st.just({}),
    st.just("1-" + "0" * 32), st.just("0" * 64),
)  # fmt: skip


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    here = [path] if path else []
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return here + [place for name, part in parts for place in _places(part, (*path, name))]


def _mutated(document: Document, data: st.DataObject) -> Document:
    changed: Any = copy.deepcopy(document)
    *above, last = data.draw(st.sampled_from(_places(changed)))
    here = changed
    for step in above:
        here = here[step]
    match data.draw(st.sampled_from(("another", "gone", "doubled"))):
        case "another":
            here[last] = data.draw(_STRANGE)
        case "gone":
            del here[last]
        case _ if isinstance(here, dict):
            here[f"{last}x"] = here[last]
        case _:
            here.append(here[last])
    return changed  # type: ignore[no-any-return]


_SHOP = Shop()
_SHOP.publish(shelf(worded("receipt", "受理通知书")))
_SHOP.publish(shelf(worded("fee", "缴费单")), base=1)
_REGISTER = register()


def _same(one: Document, other: Document) -> bool:
    """Alike but for the revision, which a database adds and nobody signs."""
    return json.dumps({**one, "_rev": ""}, sort_keys=True) == json.dumps({**other, "_rev": ""}, sort_keys=True)


@given(st.data(), st.sampled_from([1, 2]))
def test_any_change_to_a_manifest_is_refused_or_is_none(data: st.DataObject, number: int) -> None:
    mutated = _mutated(_SHOP.manifests[number], data)
    assert _same(mutated, _SHOP.manifests[number]) or _SHOP.check(mutated, _REGISTER) != []


@given(st.data())
def test_any_change_to_a_base_is_refused_or_changes_nothing(data: st.DataObject) -> None:
    mutated = _mutated(_SHOP.manifests[1], data)
    try:
        found = whole_list(_SHOP.manifests[2], {1: mutated}.get)
    except ReleaseRefused:
        return
    assert found == _SHOP.lists[2]


@given(st.data(), st.sampled_from(sorted(_SHOP.lists[2])))
def test_any_change_to_a_document_is_refused_or_is_none(data: st.DataObject, id_: str) -> None:
    rev = _SHOP.lists[2][id_]["rev"]
    true = _SHOP.documents[id_, rev]
    mutated = _mutated(true, data)

    def lookup(asked: str, at: str) -> Document | None:
        return mutated if asked == id_ else _SHOP.documents.get((asked, at))

    found = check_release(_SHOP.manifests[2], lookup, _REGISTER, _SHOP.manifests.get)
    assert [problem.document for problem in found] == [id_] or _same({**mutated, "_id": id_}, true)
