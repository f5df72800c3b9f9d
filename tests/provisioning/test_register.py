"""The key register: it only goes forward, and what it grants follows each enrolment and revocation."""

from __future__ import annotations

from random import Random

import pytest

from casework.canonical import Document
from casework.documents import register as registers
from casework.signing import sign_document
from casework.times import rfc3339
from provisioning.authority import Authority, pem
from provisioning.operations import StationRefused, last_serials, station_add, station_revoke
from provisioning.register import (
    UnknownKey,
    admit,
    apply_securities,
    current_register,
    databases_of,
    revoke,
    securities,
)
from sync.databases import Databases
from sync.peer import Conflict
from tests.provisioning.small_county import COUNTY, OTHER, TOWNSHIP, VILLAGE, SmallCounty


def members(small_county: SmallCounty, database: str) -> list[str]:
    security = small_county.databases.open(database).security()
    roles: list[str] = security["members"]["roles"]
    return roles


def test_each_enrolment_makes_the_next_register_and_keeps_the_ones_before(small_county: SmallCounty) -> None:
    assert small_county.county.register().number == 1
    small_county.enrol(VILLAGE)
    small_county.enrol(TOWNSHIP)

    assert small_county.county.register().number == 3
    kept = small_county.county.catalogue.range("register:", "register:\uffff")
    assert [document["number"] for document in kept] == [1, 2, 3]
    assert {key.id for key in small_county.county.register().keys} == {
        f"{COUNTY}:1",
        f"{VILLAGE}:1",
        f"{TOWNSHIP}:1",
    }


def test_a_village_s_cases_are_open_to_its_township_and_its_accounts_are_not(
    small_county: SmallCounty,
) -> None:
    small_county.enrol(VILLAGE)
    assert members(small_county, f"station-{VILLAGE}") == ["county", f"station:{VILLAGE}:1"]
    small_county.enrol(TOWNSHIP)
    small_county.enrol(OTHER)

    granted = securities(small_county.county.register(), "600101")
    assert {name: document["members"]["roles"] for name, document in granted.items()} == {
        "catalogue": ["county", "station"],
        "fleet": ["county"],
        f"accounts-{OTHER}": ["county", f"station:{OTHER}:1"],
        f"station-{OTHER}": ["county", f"station:{OTHER}:1"],
        f"accounts-{TOWNSHIP}": ["county", f"station:{TOWNSHIP}:1"],
        f"station-{TOWNSHIP}": ["county", f"station:{TOWNSHIP}:1"],
        f"accounts-{VILLAGE}": ["county", f"station:{VILLAGE}:1"],
        f"station-{VILLAGE}": ["county", f"station:{VILLAGE}:1", f"township:{TOWNSHIP[:9]}:1"],
    }
    for name, document in granted.items():
        assert small_county.databases.open(name).security() == document
        assert document["admins"] == {"names": [], "roles": ["county"]}


def test_a_revoked_key_s_roles_are_gone_at_once_the_township_s_everywhere(small_county: SmallCounty) -> None:
    small_county.enrol(VILLAGE)
    small_county.enrol(TOWNSHIP)
    station_revoke(small_county.county, {"station": TOWNSHIP})

    assert members(small_county, f"station-{TOWNSHIP}") == ["county"]
    assert members(small_county, f"accounts-{TOWNSHIP}") == ["county"]
    assert members(small_county, f"station-{VILLAGE}") == ["county", f"station:{VILLAGE}:1"]

    small_county.enrol(TOWNSHIP, at="new machine")
    assert f"township:{TOWNSHIP[:9]}:2" in members(small_county, f"station-{VILLAGE}")


def test_a_database_that_the_register_does_not_know_is_closed_and_never_open_to_all(
    small_county: SmallCounty,
) -> None:
    small_county.databases.open(f"accounts-{OTHER}")
    small_county.county.apply_securities()
    assert members(small_county, f"accounts-{OTHER}") == ["county"]


def test_a_station_makes_only_its_own_databases(small_county: SmallCounty) -> None:
    made = small_county.enrol(VILLAGE)
    small_county.enrol(OTHER)
    databases = Databases(made.databases, random=Random(1))

    apply_securities(databases, small_county.county.register(), station=VILLAGE)
    assert databases.names() == [f"accounts-{VILLAGE}", "catalogue", f"station-{VILLAGE}"]
    assert databases.open("catalogue").security()["members"]["roles"] == ["county", "station"]
    databases.close()


def test_a_stranger_replicates_nothing(small_county: SmallCounty) -> None:
    small_county.enrol(VILLAGE)
    register = small_county.county.register()
    assert databases_of(OTHER, register) == []
    assert databases_of(COUNTY, register) == []
    assert set(databases_of(VILLAGE, register)) == {f"station-{VILLAGE}", f"accounts-{VILLAGE}", "catalogue"}


def forged_register(small_county: SmallCounty, number: int, authority: Authority) -> Document:
    unsigned = registers.build(
        number,
        "600101",
        small_county.county.register().keys,
        rfc3339(small_county.now()),
        pem(authority.certificate),
    )
    return sign_document(unsigned, registers.AUTHORITY, authority.sign)


def test_a_higher_register_of_another_authority_is_passed_over(small_county: SmallCounty) -> None:
    stranger = Authority.create(
        small_county.folder / "a.pem",
        small_county.folder / "a-key.pem",
        county="600101",
        name="县",
        now=small_county.now(),
        random=small_county.random,
    )
    catalogue = small_county.county.catalogue
    catalogue.update(forged_register(small_county, 999, stranger))
    true = forged_register(small_county, 500, small_county.county.authority)
    catalogue.update({**true, "county": "600101", "at": "2031-01-01T00:00:00.000Z"})
    catalogue.update({"_id": "register:000700", "number": 700})

    found = current_register(catalogue, small_county.county.authority.fingerprint)
    assert found is not None
    assert found.number == 1


def test_a_station_never_goes_back_to_a_lower_register(small_county: SmallCounty) -> None:
    old = small_county.county.register()
    small_county.enrol(VILLAGE)
    station_revoke(small_county.county, {"station": VILLAGE})
    newest = small_county.county.register()

    # The old one is brought again, as an old USB stick would.
    small_county.county.catalogue.save([small_county.county.catalogue.get(f"register:{old.number:06d}") or {}])
    found = current_register(small_county.county.catalogue, small_county.county.authority.fingerprint)
    assert found is not None
    assert found.number == newest.number == 3
    key = found.key(f"{VILLAGE}:1")
    assert key is not None
    assert key.revoked is not None


def test_two_processes_do_not_write_one_number_twice(small_county: SmallCounty) -> None:
    catalogue, authority = small_county.county.catalogue, small_county.county.authority
    own = small_county.county.register().keys[0]
    other = Databases(small_county.folder / "elsewhere", random=Random(1)).open("catalogue")
    first = catalogue.get("register:000001")
    assert first is not None
    other.save([first])
    catalogue.update(forged_register(small_county, 2, authority))

    class Behind:
        """What a process sees that has read before the other wrote."""

        range = other.range
        update = catalogue.update

    with pytest.raises(Conflict):
        revoke(Behind(), authority, [own.id], last={}, now=small_county.now())  # type: ignore[arg-type]


def test_a_serial_is_never_given_twice(small_county: SmallCounty) -> None:
    with pytest.raises(AssertionError):
        admit(
            small_county.county.catalogue,
            small_county.county.authority,
            small_county.county.register().keys[0],
            county="600101",
            now=small_county.now(),
        )


def test_what_is_not_valid_cannot_be_revoked(small_county: SmallCounty) -> None:
    small_county.enrol(VILLAGE)
    county = small_county.county
    with pytest.raises(UnknownKey):
        revoke(county.catalogue, county.authority, [f"{VILLAGE}:2"], last={}, now=small_county.now())
    for station in (OTHER, COUNTY, "", None):
        with pytest.raises(StationRefused):
            station_revoke(county, {"station": station})
    assert county.register().number == 2


def test_revocation_keeps_what_the_county_holds_and_refuses_what_comes_after(
    small_county: SmallCounty,
) -> None:
    small_county.enrol(VILLAGE)
    home = f"station-{VILLAGE}"
    key = f"{VILLAGE}:1"
    signed = [("aaaa", 1, key), ("aaaa", 1200, key), ("aaaa", 700, key), ("bbbb", 4, key)]
    signed.append(("bbbb", 9, f"{VILLAGE}:2"))
    for number, (incarnation, serial, by) in enumerate(signed):
        event = {
            "_id": f"event:{number}",
            "incarnation": incarnation,
            "home": home,
            "serial": serial,
            "key": by,
        }
        small_county.databases.open(home).update(event)
    small_county.databases.open(f"station-{OTHER}").update(
        {"_id": "event:z", "incarnation": "aaaa", "home": f"station-{OTHER}", "serial": 2, "key": key}
    )

    station_revoke(small_county.county, {"station": VILLAGE})
    revoked = small_county.county.register().key(key)
    assert revoked is not None
    assert revoked.revoked is not None
    assert revoked.revoked["last"] == {f"aaaa/{home}": 1200, f"bbbb/{home}": 4, f"aaaa/station-{OTHER}": 2}
    assert revoked.admits("aaaa", home, 1200)
    assert not revoked.admits("aaaa", home, 1201)
    assert not revoked.admits("cccc", home, 1)


def test_events_are_read_in_pages(small_county: SmallCounty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provisioning.operations.PAGE", 2)
    store = small_county.databases.open(f"station-{VILLAGE}")
    for serial in range(1, 6):
        store.update({"_id": f"event:{serial}", "incarnation": "a", "home": "h", "serial": serial, "key": "k"})
    assert last_serials(small_county.county, ["k"]) == {"a/h": 5}


def test_revoking_a_station_that_is_not_enrolled_voids_its_code(small_county: SmallCounty) -> None:
    small_county.code(VILLAGE)
    assert station_revoke(small_county.county, {"station": VILLAGE})["revoked"] == []
    assert small_county.county.fleet.get(f"enrolment:{VILLAGE}") is None


@pytest.mark.parametrize(
    "row",
    [
        {"code": "60010110120", "name": "x"},
        {"code": "600102101201", "name": "another county"},
        {"code": "600101101201"},
        {"code": "600101101201", "name": "x", "kind": "county"},
        {"code": "600101101201", "name": "x", "kind": "castle"},
        {"code": "600101101201", "name": "x", "parent": "up"},
        {"code": COUNTY, "name": "x", "kind": "village"},
        "600101101201",
    ],
)
def test_a_station_that_cannot_be_is_refused_before_anything_is_written(small_county: SmallCounty, row: object) -> None:
    before = small_county.county.fleet.update_seq
    with pytest.raises(StationRefused):
        station_add(small_county.county, {"stations": [{"code": TOWNSHIP, "name": "镇"}, row]})
    assert small_county.county.fleet.update_seq == before
