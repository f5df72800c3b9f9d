"""Blank forms at the station: offered beside the guide, given only as the county signed them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from random import Random

import pytest

from casework.documents import blank
from central.catalogue.drafts import draft_of, import_items
from central.catalogue.libraries import keep
from central.catalogue.publishing import publish
from provisioning.county import County, county_opened
from provisioning.register import CATALOGUE
from sync.peer import Document
from sync.replicator import replicate
from tests.central.county import MORNING, SUBSISTENCE
from tests.node.station import SmallNode
from web.audit import Actor

SMALL = b"%PDF-1.7 a form"
# Longer than what travels inside of a document.
LARGE = b"%PDF-1.7" + bytes(range(256)) * 1000


@pytest.fixture
def county(tmp_path: Path, made_stations: Path) -> Iterator[County]:
    """The county of the made stations, a copy, without its pages."""
    shutil.copytree(made_stations / "made" / "county", tmp_path / "county")
    with county_opened(tmp_path / "county", now=lambda: MORNING, random=Random(3)) as opened:
        yield opened


def published(county: County, code: str, content: bytes) -> None:
    """A blank of this content for the item's first material, in a new release."""
    entry = {"title": "低保申请表", "kind": "blank"}
    by = Actor("sun", "孙某某", "admin")
    assert keep(county, "blank", "form", entry, by=by, expected_rev=None, file=("低保申请表.pdf", content)).saved
    draft = draft_of(county, code)
    assert draft is not None
    item = deepcopy(draft["item"])
    item["materials"][0]["blank"] = "form"
    assert import_items(county, [item], approve=True, by="test").imported
    publish(county)


def pulled(county: County, node: SmallNode) -> list[str]:
    """What the station refused on the way."""
    refused: list[str] = []

    def told(document: Document, _reason: str) -> None:
        refused.append(str(document["_id"]))

    arriving = node.station.arriving(CATALOGUE)
    replicate(county.catalogue, arriving, now=node.now, random=Random(9), on_refused=told)
    node.station.arrived({CATALOGUE})
    return refused


@pytest.mark.parametrize("content", [SMALL, LARGE], ids=["small", "large"])
def test_a_blank_form_is_offered_beside_its_material_and_comes_as_it_was(
    county: County, village: SmallNode, content: bytes
) -> None:
    code = village.item(SUBSISTENCE)["code"]
    agent = village.agent()
    assert "/blanks/" not in agent.get(f"/guides/{code}")
    published(county, code, content)
    assert pulled(county, village) == []
    assert 'href="/blanks/form"' in agent.get(f"/guides/{code}")
    answer = agent.client.get("/blanks/form")
    assert (answer.status_code, answer.data, answer.mimetype) == (200, content, "application/pdf")
    said = answer.headers["Content-Disposition"]
    assert said.startswith("attachment")
    assert said.encode("latin-1"), "a server sends no header in Chinese"


def test_a_form_with_another_file_under_the_countys_signature_is_refused_on_arrival(
    county: County, village: SmallNode
) -> None:
    published(county, village.item(SUBSISTENCE)["code"], SMALL)
    genuine = county.catalogue.get("blank:form")
    assert genuine is not None
    forged = blank.with_file({**genuine, "_rev": "9-" + "f" * 32}, SMALL[:-1] + b"n")
    county.catalogue.save([forged])
    assert pulled(county, village) == ["blank:form"]


def test_a_large_file_that_is_not_the_signed_one_is_not_given_out(county: County, village: SmallNode) -> None:
    published(county, village.item(SUBSISTENCE)["code"], LARGE)
    genuine = county.catalogue.get("blank:form")
    assert genuine is not None
    county.catalogue.save([blank.with_file({**genuine, "_rev": "9-" + "f" * 32}, LARGE[:-1] + b"n")])
    pulled(county, village)
    village.agent().get("/blanks/form", expect=409)


def test_a_form_that_is_not_here_is_told(village: SmallNode) -> None:
    assert "还没有收到" in village.agent().get("/blanks/gone", expect=404)
