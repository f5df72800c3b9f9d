"""What a county does about its stations; run by a command, or by the service that holds the folder."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from casework.canonical import Document
from casework.documents import station as stations
from casework.documents.register import COUNTY, TOWNSHIP, VILLAGE, Key
from casework.signing import sign_document
from casework.times import rfc3339
from provisioning import ProvisioningError
from provisioning.authority import Authority, der
from provisioning.county import County, county_opened, county_rule
from provisioning.enrolment import enrolment_id, issue_code
from provisioning.folder import AUTHORITY, AUTHORITY_KEY, CONFIG, KEY, LOCK, AlreadyMade, CountyFolder, Lock
from provisioning.keys import (
    key_id,
    load_private_key,
    make_private_key,
    request_certificate,
)
from provisioning.register import CATALOGUE, admit, apply_securities, current_register, revoke
from provisioning.whole_files import make_private_folder
from sync.databases import Databases
from sync.store import Store

_CODE = re.compile(r"[0-9]{12}")
# Pages of events, when the county reads what a revoked key has signed.
PAGE = 500


class StationRefused(ProvisioningError):
    """A station that cannot be added or revoked as asked."""


def init_county(
    path: Path,
    *,
    code: str,
    name: str,
    listen: str,
    contact_interval_s: int,
    now: Callable[[], datetime],
    random: Random,
) -> CountyFolder:
    """Make a county's data folder: authority, key, first key register. Interrupted, it is simply done again.

    Raises `AlreadyMade`, `WrongKind`, `FolderLocked`, `StationRefused` for a code that is not six digits.
    """
    if not re.fullmatch(r"[0-9]{6}", code):
        raise StationRefused(f"A county's code is six digits: {code!r} is not.")
    make_private_folder(path)
    with Lock(path / LOCK):
        if (path / CONFIG).exists():
            already = CountyFolder.open(path)
            raise AlreadyMade(f"{path} is the data folder of {already.name} ({already.code}) already.")
        folder = CountyFolder(path, code, name, listen, contact_interval_s)
        authority = Authority.create(
            path / AUTHORITY, path / AUTHORITY_KEY, county=code, name=name, now=now(), random=random
        )
        private_key = load_private_key(path / KEY) if (path / KEY).exists() else make_private_key(path / KEY)
        make_private_folder(folder.databases)
        databases = Databases(folder.databases, rule_for=county_rule, random=random)
        try:
            catalogue = databases.open(CATALOGUE)
            register = current_register(catalogue, authority.fingerprint)
            if register is None:
                key = _county_key(folder, authority, private_key, now=now(), random=random)
                register = admit(catalogue, authority, key, county=code, now=now())
            apply_securities(databases, register)
        finally:
            databases.close()
        folder.finish()
        return folder


def renew_county_key(path: Path, *, now: Callable[[], datetime], random: Random) -> CountyFolder:
    """Give the county its next key: it signs from now on, and what the one before has signed still counts.

    The next release signs the catalogue anew. Interrupted, it is simply done again. Raises `FolderLocked` while the
    county is in service: that would go on signing with the key before.
    """
    with county_opened(path, now=now, random=random) as county:
        folder = replace(county.folder, key_serial=county.folder.key_serial + 1)
        private_key = (
            load_private_key(folder.key_path) if folder.key_path.exists() else make_private_key(folder.key_path)
        )
        if county.register().key(key_id(folder.station, folder.key_serial)) is None:
            key = _county_key(folder, county.authority, private_key, now=now(), random=random)
            admit(county.catalogue, county.authority, key, county=folder.code, now=now())
        folder.finish()
        return folder


def _county_key(
    folder: CountyFolder,
    authority: Authority,
    private_key: ec.EllipticCurvePrivateKey,
    *,
    now: datetime,
    random: Random,
) -> Key:
    """The county's key of the folder's serial, certified, for the register."""
    certificate = authority.certify(
        request_certificate(private_key, folder.station),
        station=folder.station,
        serial=folder.key_serial,
        kind=COUNTY,
        name=folder.name,
        now=now,
        random=random,
    )
    return Key(
        id=key_id(folder.station, folder.key_serial),
        station=folder.station,
        kind=COUNTY,
        parent=None,
        name=folder.name,
        certificate=base64.b64encode(der(certificate)).decode("ascii"),
        since=rfc3339(now),
    )


def station_add(county: County, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Add stations {stations: [{code, name, kind?, parent?, …}], new_code?: bool}; give each a one-time code.

    Returns {stations: [{code, name, kind, parent, state, enrolment_code, expires_at}]}. `state` is `added`,
    `waiting` (added before, not enrolled: the earlier code is void) or `enrolled` (no code, unless `new_code`
    asks for one, for new hardware). Raises `StationRefused` before anything is written.
    """
    wanted = arguments.get("stations")
    if not isinstance(wanted, list) or not all(isinstance(one, dict) for one in wanted):
        raise StationRefused("There is no list of stations to add.")
    described = [_described(county, one) for one in wanted]
    return {"stations": [_added(county, one, bool(arguments.get("new_code"))) for one in described]}


def _described(county: County, wanted: Mapping[str, Any]) -> dict[str, str | None]:
    """The station, described whole: what is not said follows from its code (2+2+2+3+3 digits)."""
    code = str(wanted.get("code", ""))
    if not _CODE.fullmatch(code) or not code.startswith(county.folder.code):
        raise StationRefused(f"A station's code is {county.folder.code} and six more digits: {code!r} is not.")
    known = county.fleet.get(f"station:{code}") or {}
    kind = COUNTY if code == county.folder.station else TOWNSHIP if code.endswith("000") else VILLAGE
    parent = {COUNTY: None, TOWNSHIP: county.folder.station, VILLAGE: f"{code[:9]}000"}[kind]
    described: dict[str, str | None] = {
        "code": code,
        "kind": str(wanted.get("kind") or known.get("kind") or kind),
        "parent": wanted.get("parent") or known.get("parent") or parent,
    }
    for field in ("name", "address", "hours", "phone"):
        described[field] = str(wanted.get(field) or known.get(field) or "")
    if not described["name"]:
        raise StationRefused(f"{code} has no name: give one.")
    if described["kind"] not in stations.KINDS or (described["kind"] == COUNTY) != (kind == COUNTY):
        raise StationRefused(f"{code} cannot be a {described['kind']}.")
    if described["parent"] is not None and not _CODE.fullmatch(str(described["parent"])):
        raise StationRefused(f"{code}: the station above it is named by twelve digits.")
    return described


def _added(county: County, described: Mapping[str, str | None], new_code: bool) -> dict[str, Any]:
    code, name, kind = (str(described[field]) for field in ("code", "name", "kind"))
    row: dict[str, Any] = {"code": code, "name": name, "kind": kind, "parent": described["parent"]}
    row |= {"state": "enrolled", "enrolment_code": None, "expires_at": None}
    if kind == COUNTY:
        # Lists of places begin with the county; it is no station of its own fleet.
        return row
    known = county.fleet.get(f"station:{code}")
    _write_station(county, known, described)
    key = county.register().station(code)
    enrolled = key is not None and key.revoked is None
    if enrolled and not new_code:
        return row
    row["state"] = "enrolled" if enrolled else "waiting" if known else "added"
    issued = issue_code(county, station=code, name=name, kind=kind, parent=str(described["parent"]))
    return {**row, "enrolment_code": issued.code.text, "expires_at": issued.expires_at}


def _write_station(county: County, known: Document | None, described: Mapping[str, Any]) -> None:
    if known is not None and all(known.get(field, "") == value for field, value in described.items()):
        return
    document = sign_document(stations.build(**described), county.key.id, county.key.sign)
    county.fleet.update({**document, **({"_rev": known["_rev"]} if known else {})})


def station_revoke(county: County, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Revoke every key of {station}, with the last serials that the county holds; an open code is void too.

    Returns {station, revoked: [key ids], register}. Raises `StationRefused` when there is nothing to revoke.
    """
    station = str(arguments.get("station", ""))
    if station == county.folder.station:
        raise StationRefused("The county's own key is not revoked here: tokens and decisions hang on it.")
    with county.turn:
        issued = county.fleet.get(enrolment_id(station))
        if issued is not None:
            # First of all, so that whoever holds the code cannot come back with another key in between.
            county.fleet.update({"_id": issued["_id"], "_rev": issued["_rev"], "_deleted": True})
        ids = [key.id for key in county.register().keys_of(station) if key.revoked is None]
        if not ids and issued is None:
            raise StationRefused(f"{station} has neither a valid key nor an open code.")
        if not ids:
            return {"station": station, "revoked": [], "register": county.register().number}
        last = last_serials(county, ids)
        register = revoke(county.catalogue, county.authority, ids, last=last, now=county.now())
        county.apply_securities()
    return {"station": station, "revoked": ids, "register": register.number}


def last_serials(county: County, key_ids: Collection[str]) -> dict[str, int]:
    """By `<incarnation>/<home>`: the highest serial of these keys' events that the county holds, anywhere."""
    highest: dict[str, int] = {}
    for name in county.databases.names():
        if name.startswith("station-"):
            for event in _events(county.databases.open(name)):
                if event.get("key") in key_ids:
                    chain = f"{event['incarnation']}/{event['home']}"
                    highest[chain] = max(highest.get(chain, 0), int(event["serial"]))
    return highest


def _events(store: Store) -> Iterator[Document]:
    start = "event:"
    while page := store.range(start, "event:\uffff", limit=PAGE):
        yield from page
        start = page[-1]["_id"] + "\0"


Operation = Callable[[County, Mapping[str, Any]], dict[str, Any]]

OPERATIONS: dict[str, Operation] = {"station_add": station_add, "station_revoke": station_revoke}
"""By name, as `POST /api/v1/operations/<name>` of the county's service; a `ProvisioningError` is its 422."""
