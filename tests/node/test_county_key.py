"""The county's key is renewed, and stations go on: they learn the key first, then take what is signed anew."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import pytest
from click.testing import CliRunner

from casework.canonical import Document
from casework.documents import release as releases
from central.catalogue.drafts import draft_of, import_items
from central.catalogue.libraries import keep
from central.catalogue.publishing import newest_release, publish, take_back
from node.station import Station
from provisioning.commands import group
from provisioning.contact import Contact
from provisioning.folder import FolderLocked
from provisioning.operations import renew_county_key
from provisioning.register import CATALOGUE, databases_of, revoke
from sync.peer import Writer
from sync.store import Store
from tests.central.county import COUNTY, NEIGHBOUR, SUBSISTENCE, SmallCentre
from tests.node.station import SmallNode, _open
from web.audit import Actor

FIRST, SECOND = f"{COUNTY}:1", f"{COUNTY}:2"
BLANK = b"%PDF-1.7 a form"


@pytest.fixture
def centre(tmp_path: Path, made_stations: Path) -> Iterator[SmallCentre]:
    """The county that the village is enrolled at, a copy, with a blank form in its newest release."""
    centre = SmallCentre(tmp_path / "site", made_stations / "made" / "county")
    entry, by = {"title": "低保申请表", "kind": "blank"}, Actor("sun", "孙某某", "admin")
    assert keep(centre.centre, "blank", "form", entry, by=by, expected_rev=None, file=("低保申请表.pdf", BLANK)).saved
    say(centre, blank="form")
    yield centre
    centre.close()


def say(centre: SmallCentre, condition: str = "", blank: str = "") -> int:
    """Publish a release in which an item says something else; its number."""
    draft = draft_of(centre.centre, centre.item()["code"])
    assert draft is not None
    item = deepcopy(draft["item"])
    if condition:
        item["conditions"] = [condition]
    if blank:
        item["materials"][0]["blank"] = blank
    assert import_items(centre.centre, [item], approve=True, by="test").imported
    return publish(centre.centre).number


def renew(centre: SmallCentre) -> None:
    """The county stops, somebody renews its key, and it starts again."""
    centre.centre.close()
    run = CliRunner().invoke(group, ["county", "renew-key", "--dir", str(centre.centre.folder.path)])
    assert run.exit_code == 0, run.output
    centre.start()
    assert centre.centre.key.id == SECOND


def revoke_first(centre: SmallCentre) -> None:
    """As after a theft of the key: its signature counts no more."""
    county = centre.centre
    revoke(county.catalogue, county.authority, [FIRST], last={}, now=centre.now())


def pull(centre: SmallCentre, station: Station, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """One contact and every lane of the line, in their order; what the station refused of the catalogue."""
    databases = centre.centre.databases
    changed = {name: databases.open(name).update_seq for name in databases_of(station.code, centre.centre.register())}
    caller = Writer(station.code, frozenset({f"station:{station.key.id}", "station"}))
    contact = Contact("nonce", centre.now(), None, None, dict(changed), 1, 3, 5, 0)
    monkeypatch.setattr(station, "contact", lambda: contact)
    monkeypatch.setattr(station, "remote", lambda name: databases.open(name).as_writer(caller))
    assert station.line.make_contact()
    for lane in ("keys", "text", "catalogue", "chunks"):
        assert station.line.carry(lane)
    return {refused.id for refused in station.refused_list.all() if refused.database == CATALOGUE}


def signers(station: Station) -> set[str]:
    """Whose signatures the documents of the release in use have."""
    store = station.store(CATALOGUE)
    listed = releases.whole_list(
        document(store, releases.release_id(used(station))), lambda n: store.get(f"release:{n:06d}")
    )
    return {document(store, id_, entry["rev"])["key"] for id_, entry in listed.items()}


def document(store: Store, id_: str, rev: str | None = None) -> Document:
    found = store.get(id_, rev)
    assert found is not None, id_
    return found


def used(station: Station) -> int:
    assert station.catalogue.release is not None
    return station.catalogue.release.number


def test_the_next_release_signs_all_of_it_anew_and_a_station_takes_it(
    centre: SmallCentre, village: SmallNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    pull(centre, village.station, monkeypatch)
    before = used(village.station)
    assert signers(village.station) == {FIRST}
    renew(centre)
    assert publish(centre.centre).new, "though no draft has changed"
    assert pull(centre, village.station, monkeypatch) == set()
    assert (used(village.station), signers(village.station)) == (before + 1, {SECOND})
    assert village.agent().client.get("/blanks/form").data == BLANK
    assert publish(centre.centre).new is False, "once is enough"


def test_until_the_release_comes_the_station_goes_on_with_what_it_has(
    centre: SmallCentre, village: SmallNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    pull(centre, village.station, monkeypatch)
    before = used(village.station)
    renew(centre)
    revoke_first(centre)
    assert pull(centre, village.station, monkeypatch) == set()
    assert used(village.station) == before
    village.restart()
    assert (used(village.station), village.station.freshness().state) == (before, "current")
    publish(centre.centre)
    assert pull(centre, village.station, monkeypatch) == set()
    assert used(village.station) == before + 1


@pytest.mark.parametrize("revoked", [False, True])
def test_a_station_that_was_offline_meanwhile_takes_the_newest_release(
    centre: SmallCentre, village: SmallNode, monkeypatch: pytest.MonkeyPatch, revoked: bool
) -> None:
    missed = say(centre, "下线以后改的")
    renew(centre)
    publish(centre.centre)
    newest = say(centre, "换了密钥以后改的")
    if revoked:
        revoke_first(centre)
    refused = pull(centre, village.station, monkeypatch)
    assert (used(village.station), signers(village.station)) == (newest, {SECOND})
    assert village.item(SUBSISTENCE)["conditions"] == ["换了密钥以后改的"]
    assert village.station.catalogue.problems == []
    assert refused == ({f"release:{number:06d}" for number in (missed - 1, missed)} if revoked else set())


def test_a_station_that_is_enrolled_afterwards_needs_nothing_of_the_old_key(
    centre: SmallCentre, monkeypatch: pytest.MonkeyPatch
) -> None:
    renew(centre)
    publish(centre.centre)
    newest = say(centre, "换了密钥以后改的")
    revoke_first(centre)
    folder = centre.enrol(NEIGHBOUR).path
    centre.stations.pop(NEIGHBOUR).close()
    station = _open(folder, centre.now)
    try:
        pull(centre, station, monkeypatch)
        assert (used(station), signers(station)) == (newest, {SECOND})
    finally:
        station.close()


def test_what_the_old_key_published_comes_back_under_the_new_one(
    centre: SmallCentre, village: SmallNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = newest_release(centre.centre.catalogue)
    assert good is not None
    said = centre.item()["conditions"]
    say(centre, "错了")
    renew(centre)
    revoke_first(centre)
    back = take_back(centre.centre, good["number"], by="sun")
    pull(centre, village.station, monkeypatch)
    assert (used(village.station), signers(village.station)) == (back.number, {SECOND})
    assert village.item(SUBSISTENCE)["conditions"] == said


def test_a_county_in_service_keeps_its_key(centre: SmallCentre) -> None:
    with centre.centre.folder.lock(), pytest.raises(FolderLocked):
        renew_county_key(centre.centre.folder.path, now=centre.now, random=centre.random)


def test_a_renewal_that_broke_off_is_done_again(centre: SmallCentre, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, county = centre.centre.folder, centre.centre

    def broke_off(_folder: object) -> None:
        raise KeyboardInterrupt

    county.databases.close()
    with monkeypatch.context() as patched:
        patched.setattr(type(folder), "finish", broke_off)
        with pytest.raises(KeyboardInterrupt):
            renew_county_key(folder.path, now=centre.now, random=centre.random)
    assert folder.open(folder.path).key().id == FIRST
    assert renew_county_key(folder.path, now=centre.now, random=centre.random).key().id == SECOND
    centre.start()
    keys = [key.id for key in centre.centre.register().keys_of(COUNTY)]
    assert keys == [FIRST, SECOND]
    key = centre.centre.register().key(SECOND)
    assert key is not None
    assert key.public_key.public_numbers() == centre.centre.key.public_key.public_numbers()
