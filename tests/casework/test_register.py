"""The key register: what is pinned, what is refused, whose signature counts until when."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from casework.canonical import Document
from casework.documents.register import AUTHORITY, Key, Register, RegisterRefused, build, fingerprint
from casework.signing import sign_document
from tests.casework.county import (
    COUNTY,
    NEIGHBOUR,
    STATIONS,
    TOWNSHIP,
    VILLAGE,
    certificate,
    key_entry,
    register_document,
    sign_as,
)

PINNED = fingerprint(certificate("authority"))
PEM = certificate("authority").public_bytes(Encoding.PEM).decode()


@pytest.mark.parametrize(
    "authority",
    [PINNED, PINNED.upper(), ":".join([PINNED[:2], PINNED[2:]]), PEM, None],
    ids=["hex", "HEX", "colons", "PEM", "verified before"],
)
def test_a_register_of_the_pinned_authority_is_read(authority: str | None) -> None:
    register = Register.of(register_document(), authority=authority)
    assert register.number == 1
    assert register.county == "600101"
    assert register.county_station == COUNTY
    key = register.key(f"{VILLAGE}:1")
    assert key is not None
    assert (key.station, key.kind, key.parent) == (VILLAGE, "village", TOWNSHIP)
    assert key.public_key.public_numbers() == certificate(f"{VILLAGE}:1").public_key().public_numbers()
    assert key.fingerprint == fingerprint(certificate(f"{VILLAGE}:1"))
    assert register.key("600101999999:1") is None
    assert [key.station for key in register.villages_of(TOWNSHIP)] == [VILLAGE, NEIGHBOUR]
    assert register.county_keys() == {f"{COUNTY}:1"}
    assert len(register.stations()) == len(register.keys) == len(STATIONS)


def altered(change: Callable[[Document], None]) -> Document:
    document = register_document()
    change(document)
    return document


def resigned(entries: list[Document]) -> Document:
    return sign_document(build(1, "600101", entries, "2026-01-01T00:00:00.000Z", PEM), AUTHORITY, sign_as("authority"))


def foreign_key() -> Document:
    # A key that another authority certified, listed by somebody who got at the list but not at the authority.
    der = certificate(f"{VILLAGE}:9", "another authority").public_bytes(Encoding.DER)
    return {**key_entry(VILLAGE), "certificate": base64.b64encode(der).decode()}


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (altered(lambda register: register.update(at="2026-01-02T00:00:00.000Z")), "signature"),
        (altered(lambda register: register["keys"].pop()), "signature"),
        (altered(lambda register: register.update(_id="register:000002")), "number"),
        (altered(lambda register: register.pop("keys")), "keys"),
        (altered(lambda register: register.update(authority_certificate="x")), "PEM"),
        (resigned([key_entry(VILLAGE), key_entry(VILLAGE)]), "twice"),
        (resigned([{**key_entry(VILLAGE), "id": f"{NEIGHBOUR}:1"}]), "not a key of station"),
        (resigned([{**key_entry(VILLAGE), "certificate": "AAAA"}]), "DER"),
        (resigned([foreign_key()]), "authority's"),
    ],
)
def test_what_does_not_check_is_refused_with_its_reason(document: Document, says: str) -> None:
    with pytest.raises(RegisterRefused, match=says):
        Register.of(document, authority=PINNED)


def test_another_countys_authority_is_refused() -> None:
    with pytest.raises(RegisterRefused, match="pinned"):
        Register.of(register_document(), authority="0" * 64)
    with pytest.raises(RegisterRefused, match="pinned"):
        Register.of(register_document(), authority=certificate("x", "x").public_bytes(Encoding.PEM).decode())


def test_a_revoked_key_admits_what_the_county_held_and_nothing_later() -> None:
    revoked = {"at": "2026-09-17T00:00:00.000Z", "last": {"a1/station-x": 7}}
    old, new = key_entry(VILLAGE, 1, revoked=revoked), key_entry(VILLAGE, 2)
    register = Register.of(register_document([new, old]), authority=PINNED)
    key = register.key(f"{VILLAGE}:1")
    assert key is not None
    assert key.admits("a1", "station-x", 7)
    assert not key.admits("a1", "station-x", 8)
    assert not key.admits("a2", "station-x", 1)
    assert not key.admits("a1", "station-y", 1)
    assert register.station(VILLAGE) == register.key(f"{VILLAGE}:2")
    assert [key.serial for key in register.keys_of(VILLAGE)] == [1, 2]


def test_a_station_whose_keys_are_all_revoked_is_still_known() -> None:
    revoked = {"at": "2026-09-17T00:00:00.000Z", "last": {}}
    register = Register.of(register_document([key_entry(VILLAGE, revoked=revoked)]), authority=PINNED)
    key = register.station(VILLAGE)
    assert key is not None
    assert key.revoked is not None


def test_the_next_register_is_built_from_the_keys_of_the_one_before() -> None:
    before = Register.of(register_document(), authority=PINNED)
    document = build(2, "600101", before.keys, "2026-01-02T00:00:00.000Z", PEM)
    assert document["_id"] == "register:000002"
    assert document["keys"] == sorted(register_document()["keys"], key=lambda entry: entry["id"])
    after = Register.of(sign_document(document, AUTHORITY, sign_as("authority")), authority=PINNED)
    assert all(isinstance(key, Key) for key in after.keys)
    assert after.keys == before.keys
