"""A case that another township handles: what each side writes reaches the other, and nobody else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from casework.canonical import Document
from central.catalogue.publishing import publish
from provisioning.register import station_database
from tests.central.county import AGENT, FAR_VILLAGE, NEIGHBOUR, OTHER_TOWNSHIP, TOWNSHIP, VILLAGE, SmallCentre, intake
from web.cases.desk import Act, Person

WINDOW = Person("he", "何某某", "township")
NUMBER = f"{VILLAGE}-20260916-0001-9M4TD"


@pytest.fixture
def item(county: SmallCentre) -> Document:
    """An item that the township decides."""
    county.change_draft(county.item()["name"], decides={"level": "township", "department": "民政", "office": "乡镇"})
    publish(county.centre)
    return county.item()


def ids(county: SmallCentre, station: str) -> set[str]:
    store = county.centre.databases.open(station_database(station))
    return {document["_id"] for document in store.range(f"chunk:{NUMBER}", f"receipt:{NUMBER};")}


def taken_in(county: SmallCentre, item: Document, **more: str) -> None:
    village = county.enrol(VILLAGE)
    received = {**intake(item, "李某某"), **more}
    village.desk.write(NUMBER, [Act("received", received), Act("accepted")], AGENT)
    village.add_photo(NUMBER)
    village.up()


def test_a_case_for_another_township_is_carried_there_whole_and_its_decision_comes_back(
    county: SmallCentre, item: Document
) -> None:
    township = county.enrol(OTHER_TOWNSHIP)
    taken_in(county, item, handled_by=OTHER_TOWNSHIP)
    assert ids(county, OTHER_TOWNSHIP) == ids(county, VILLAGE)
    assert any(identifier.startswith("chunk:") for identifier in ids(county, OTHER_TOWNSHIP))

    township.down()
    case = township.casebook.case(NUMBER)
    assert case is not None
    assert (case["state"], case["quarantined"]) == ("accepted", [])
    township.desk.write(NUMBER, [Act("decided", {"outcome": "granted"})], WINDOW)
    township.up()

    village = county.stations[VILLAGE]
    village.down()
    case = village.casebook.case(NUMBER)
    assert case is not None
    assert case["decision"] is not None
    assert case["decision"]["station"] == OTHER_TOWNSHIP
    assert ids(county, OTHER_TOWNSHIP) == ids(county, VILLAGE)


def test_an_ordinary_case_is_carried_nowhere(county: SmallCentre, item: Document) -> None:
    taken_in(county, item)
    for station in (OTHER_TOWNSHIP, TOWNSHIP, NEIGHBOUR, FAR_VILLAGE):
        assert ids(county, station) == set()


def test_the_township_above_the_village_cannot_decide_what_another_handles(county: SmallCentre, item: Document) -> None:
    taken_in(county, item, handled_by=OTHER_TOWNSHIP)
    case = county.centre.casebook.case(NUMBER)
    assert case is not None
    assert case["handler"] == OTHER_TOWNSHIP
    stranger = county.enrol(TOWNSHIP)
    stranger.cases.save(county.centre.databases.open(station_database(VILLAGE)).range("event:", "event;"))
    stranger.casebook.follow()
    with pytest.raises(Exception, match="不由您决定"):
        stranger.desk.write(NUMBER, [Act("decided", {"outcome": "granted"})], replace(WINDOW, account="li"))


def test_a_case_that_is_forwarded_goes_to_its_new_township(county: SmallCentre, item: Document) -> None:
    taken_in(county, item)
    admin = Person("sun", "孙某某", "admin")
    moved = {"to_station": OTHER_TOWNSHIP, "reason": "户籍在青石镇"}
    county.centre.desk.write(NUMBER, [Act("forwarded", moved)], admin)
    county.centre.catch_up()
    assert ids(county, OTHER_TOWNSHIP) == ids(county, VILLAGE)
    case = county.centre.casebook.case(NUMBER)
    assert case is not None
    assert case["handler"] == OTHER_TOWNSHIP


def test_what_was_due_before_a_restart_is_carried_after_it(county: SmallCentre, item: Document) -> None:
    carry = county.centre.carrier.settle
    county.centre.carrier.settle = lambda _numbers: 0  # type: ignore[method-assign]
    taken_in(county, item, handled_by=OTHER_TOWNSHIP)
    assert ids(county, OTHER_TOWNSHIP) == set()
    county.centre.carrier.settle = carry  # type: ignore[method-assign]
    county.restart()
    county.centre.note_what_is_due()
    county.centre.catch_up()
    assert ids(county, OTHER_TOWNSHIP) == ids(county, VILLAGE)
