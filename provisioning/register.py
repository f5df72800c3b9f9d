"""The key register at the county: its next document, what it grants, and which one is current."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from casework.canonical import Document
from casework.documents import register as registers
from casework.documents.register import COUNTY, TOWNSHIP, Key, Register, RegisterRefused
from casework.signing import sign_document
from casework.times import rfc3339
from provisioning import ProvisioningError
from provisioning.authority import Authority, pem
from sync.databases import Databases
from sync.peer import COUNTY_ROLE
from sync.store import Store

CATALOGUE = "catalogue"
FLEET = "fleet"
EVERY_STATION = "station"
# No id of a register sorts after this.
AFTER_REGISTERS = "register:\uffff"


class UnknownKey(ProvisioningError):
    """The register has no such key, or has revoked it already."""


def station_database(station: str) -> str:
    return f"station-{station}"


def accounts_database(station: str) -> str:
    return f"accounts-{station}"


def roles_of(key: Key) -> frozenset[str]:
    """The roles that a token for this key carries; none once it is revoked."""
    if key.revoked is not None:
        return frozenset()
    if key.kind == COUNTY:
        return frozenset({COUNTY_ROLE})
    roles = {f"station:{key.id}", EVERY_STATION}
    if key.kind == TOWNSHIP:
        roles.add(_township_role(key))
    return frozenset(roles)


def _township_role(key: Key) -> str:
    return f"township:{key.station[:9]}:{key.serial}"


def current_register(store: Store, authority_fingerprint: str) -> Register | None:
    """The register with the highest number that the pinned authority has signed; None when there is none yet.

    Every register is a document of its own and stays, so what holds once is never left for a lower one.
    """
    for document in store.range("register:", AFTER_REGISTERS, descending=True):
        try:
            return Register.of(document, authority=authority_fingerprint)
        except RegisterRefused:
            continue
    return None


def securities(register: Register, county: str) -> dict[str, Document]:
    """The `_security` of every database, by name, as this register grants it (`county` is the six digits).

    A village's cases are open to its township, its accounts are not. `county` stands on each list: an empty
    list of members would mean everybody to CouchDB.
    """
    assert register.county == county, "a register of another county"
    found = {CATALOGUE: _security([EVERY_STATION]), FLEET: _security([])}
    for newest in register.stations():
        station = newest.station
        if newest.kind == COUNTY:
            continue
        own = [f"station:{key.id}" for key in register.keys_of(station) if key.revoked is None]
        above = [
            _township_role(key)
            for key in register.keys_of(newest.parent or "")
            if key.revoked is None and key.kind == TOWNSHIP
        ]
        found[accounts_database(station)] = _security(own)
        found[station_database(station)] = _security(own + above)
    return found


def _security(roles: Iterable[str]) -> Document:
    return {
        "admins": {"names": [], "roles": [COUNTY_ROLE]},
        "members": {"names": [], "roles": sorted({COUNTY_ROLE, *roles})},
    }


def apply_securities(databases: Databases, register: Register, *, station: str | None = None) -> None:
    """Grant on every database what the register says, and nothing on those that it does not know.

    Makes the databases that are missing: at the county those of every station, at a station (`station`) its
    own. To be done after each new register and at the start of a service: the process may have ended between
    the two.
    """
    granted = securities(register, register.county)
    if station is not None:
        granted = {name: granted[name] for name in databases_of(station, register)}
    for name in sorted({*granted, *databases.names()}):
        store = databases.open(name)
        wanted = granted.get(name, _security([]))
        if store.security() != wanted:
            store.set_security(wanted)


def databases_of(station: str, register: Register) -> list[str]:
    """The databases that a station replicates, in the order in which they matter; empty for a stranger."""
    key = register.station(station)
    if key is None or key.kind == COUNTY:
        return []
    own = [accounts_database(station), CATALOGUE, station_database(station)]
    if key.kind != TOWNSHIP:
        return own
    return own + [station_database(village.station) for village in register.villages_of(station)]


def admit(catalogue: Store, authority: Authority, key: Key, *, county: str, now: datetime) -> Register:
    """Write the next register, with this key besides those that are there.

    Raises `sync.peer.Conflict` when another process has just written that number: read anew, and again.
    """
    before = current_register(catalogue, authority.fingerprint)
    known = before.keys if before else ()
    assert all(other.id != key.id for other in known), "a serial is never given twice"
    return _write_next(catalogue, authority, before, [*known, key], county=county, now=now)


def revoke(
    catalogue: Store,
    authority: Authority,
    ids: Collection[str],
    *,
    last: Mapping[str, int],
    now: datetime,
) -> Register:
    """Write the next register with the keys of these ids revoked.

    `last` says up to which serial their events still count, by `<incarnation>/<home>`, as the county holds
    them now: whatever a thief signs later has a higher one. Raises `UnknownKey`, `sync.peer.Conflict`.
    """
    before = current_register(catalogue, authority.fingerprint)
    valid = {key.id for key in before.keys if key.revoked is None} if before else set()
    if before is None or not set(ids) <= valid:
        raise UnknownKey(f"The key register has no valid key {', '.join(sorted(set(ids) - valid))}.")
    revoked = {"at": rfc3339(now), "last": dict(last)}
    keys = [replace(key, revoked=revoked) if key.id in ids else key for key in before.keys]
    return _write_next(catalogue, authority, before, keys, county=before.county, now=now)


def _write_next(
    catalogue: Store,
    authority: Authority,
    before: Register | None,
    keys: Iterable[Key],
    *,
    county: str,
    now: datetime,
) -> Register:
    number = before.number + 1 if before else 1
    unsigned = registers.build(number, county, keys, rfc3339(now), pem(authority.certificate))
    document = sign_document(unsigned, registers.AUTHORITY, authority.sign)
    # Without a revision: a register that exists under this number is never followed by another one.
    catalogue.update(document)
    return Register.of(document, authority=None)
