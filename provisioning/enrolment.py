"""Enrolment: a station with a one-time code gets its key certified, and learns which county to trust."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from cryptography import x509
from cryptography.x509.oid import NameOID

from casework.canonical import Document
from casework.documents import register as registers
from casework.documents.register import COUNTY, Key, Register, RegisterRefused
from casework.times import parse_rfc3339, rfc3339
from provisioning import ProvisioningError
from provisioning.authority import CsrRefused, certified_by, der, fingerprint, key_in_csr, pem
from provisioning.codes import EnrolmentCode, proof
from provisioning.county import County
from provisioning.folder import (
    AUTHORITY,
    AUTHORITY_KEY,
    CONFIG,
    DATABASES,
    KEY,
    LOCK,
    AlreadyMade,
    Lock,
    StationFolder,
    WrongKind,
)
from provisioning.keys import key_id, load_private_key, make_private_key, public_hash, request_certificate
from provisioning.line import Answer, Post
from provisioning.register import CATALOGUE, admit
from provisioning.whole_files import make_private_folder, write_whole
from sync.databases import Databases
from sync.peer import Conflict, Garbled
from sync.write_rules import county_only

PATH = "/api/v1/enrolments"
CODE_LIFETIME = timedelta(days=7)
LONGEST_BODY_BYTES = 16 << 10
# What a station takes for "how often to report" from an answer that nobody has signed.
LONGEST_INTERVAL_S = 3600


class EnrolmentRefused(ProvisioningError):
    """The county said no; the message is its sentence."""


class NotTheCounty(ProvisioningError):
    """Whoever answered is not the county that this code was made by. Nothing of the answer was kept."""


# At the county.


def enrolment_id(station: str) -> str:
    """In `fleet`: {station, name, kind, parent, proof_key, issued_at, expires_at, used_by, used_at}."""
    return f"enrolment:{station}"


class IssuedCode(NamedTuple):
    code: EnrolmentCode
    expires_at: str


def issue_code(county: County, *, station: str, name: str, kind: str, parent: str) -> IssuedCode:
    """A fresh code for a station, in place of any earlier one. The county keeps a hash; it is shown once."""
    now = county.now()
    code = EnrolmentCode.draw(station, county.authority.fingerprint, county.random)
    before = county.fleet.get(enrolment_id(station))
    document: Document = {
        "_id": enrolment_id(station),
        "station": station,
        "name": name,
        "kind": kind,
        "parent": parent,
        "proof_key": code.proof_key,
        "issued_at": rfc3339(now),
        "expires_at": rfc3339(now + CODE_LIFETIME),
        "used_by": None,
        "used_at": None,
    }
    county.fleet.update({**document, **({"_rev": before["_rev"]} if before else {})})
    return IssuedCode(code, document["expires_at"])


def answer_enrolment(county: County, body: bytes, *, address: str = "") -> Answer:
    """The answer to `POST /api/v1/enrolments` {station, csr, proof}, ready to be sent.

    The same key with the same code gets the same certificate again within the code's week: the answer may
    have been lost on the way. Another key is refused. What is wrong with a code is not said: unknown station,
    wrong code, used code.
    """
    try:
        key = _enrolled(county, body, address)
    except _Refusal as refusal:
        said = {"error": refusal.error, "message": str(refusal)}
        return Answer(refusal.status, json.dumps(said, ensure_ascii=False).encode())
    answer = {
        "key": key.id,
        "certificate": key.certificate,
        "authority": pem(county.authority.certificate),
        "register": county.catalogue.get(registers.register_id(county.register().number)),
        "contact_interval_s": county.folder.contact_interval_s,
    }
    return Answer(200, json.dumps(answer, ensure_ascii=False).encode())


class _Refusal(Exception):
    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error = error


def _enrolled(county: County, body: bytes, address: str) -> Key:
    station, csr, shown = _request(body)
    now = county.now()
    caller = f"{address} {station}"
    if not county.wrong_codes.open_for(caller, now):
        raise _Refusal(429, "too_many", "开通码输错次数太多，请过十分钟核对后再试。")
    try:
        key_hash = public_hash(key_in_csr(csr))
    except CsrRefused as error:
        raise _Refusal(400, "bad_request", f"证书请求不对：{error}") from error
    with county.turn:
        issued = county.fleet.get(enrolment_id(station))
        # A station that nobody added takes as long to refuse as a wrong code.
        expected = proof(str(issued["proof_key"]) if issued else "00" * 32, csr)
        holds = hmac.compare_digest(expected.encode(), shown.encode())
        if issued is None or not holds or issued["used_by"] not in (None, key_hash):
            county.wrong_codes.failed(caller, now)
            raise _Refusal(403, "forbidden", "县中心不接受这个开通码，请向县中心要一个新的。")
        if now >= parse_rfc3339(issued["expires_at"]):
            raise _Refusal(403, "expired", "开通码七天有效，已经过期，请向县中心要一个新的。")
        try:
            if issued["used_by"] is None:
                # The code belongs to this key before the key is admitted: if the power fails between, only
                # this key can go on.
                county.fleet.update({**issued, "used_by": key_hash, "used_at": rfc3339(now)})
            return _admitted(county, issued, csr, key_hash, now)
        except Conflict as error:
            raise _Refusal(409, "conflict", "县中心正在开通别的站点，请稍后再试。") from error


def _request(body: bytes) -> tuple[str, str, str]:
    if len(body) > LONGEST_BODY_BYTES:
        raise _Refusal(413, "too_large", "开通请求太大。")
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    match said:
        case {"station": str(station), "csr": str(csr), "proof": str(shown)} if len(station) == 12:
            return station, csr, shown
    raise _Refusal(400, "bad_request", "开通请求应有 station、csr、proof 三项。")


def _admitted(county: County, issued: Mapping[str, Any], csr: str, key_hash: str, now: datetime) -> Key:
    """The station's key in the register, put there unless this very key is there already."""
    station = str(issued["station"])
    known = county.register().keys_of(station)
    for key in known:
        if public_hash(key.public_key) != key_hash:
            continue
        if key.revoked is not None:
            raise _Refusal(403, "revoked", "这把密钥已被吊销，请换一个空文件夹重新开通。")
        # Perhaps the power failed before the databases were opened to it.
        county.apply_securities()
        return key
    serial = max((key.serial for key in known), default=0) + 1
    kind, name = str(issued["kind"]), str(issued["name"])
    certificate = county.authority.certify(
        csr, station=station, serial=serial, kind=kind, name=name, now=now, random=county.random
    )
    key = Key(
        id=key_id(station, serial),
        station=station,
        kind=kind,
        parent=issued["parent"],
        name=name,
        certificate=base64.b64encode(der(certificate)).decode("ascii"),
        since=rfc3339(now),
    )
    admit(county.catalogue, county.authority, key, county=county.folder.code, now=now)
    county.apply_securities()
    key_now = county.register().key(key_id(station, serial))
    assert key_now is not None, "it was just admitted"
    return key_now


# At the station.


def enrol(
    path: Path,
    county_url: str,
    code: EnrolmentCode,
    *,
    post: Post,
    now: Callable[[], datetime],
    random: Random,
    display_host: str = "127.0.0.1",
) -> StationFolder:
    """Make `path` this station's data folder. Interrupted at any point, it is done again with the same code.

    Raises `EnrolmentRefused`, `NotTheCounty`, `AlreadyMade`, `WrongKind`, `FolderLocked`, and
    `sync.peer.Unreachable` or `Garbled` when the line is at fault.
    """
    make_private_folder(path)
    with Lock(path / LOCK):
        if (path / CONFIG).exists():
            already = StationFolder.open(path)
            raise AlreadyMade(f"{path} is the data folder of {already.name} ({already.code}) already.")
        if (path / AUTHORITY_KEY).exists():
            raise WrongKind(f"{path} was begun as a county's folder; a station needs one of its own.")
        key_path = path / KEY
        private_key = load_private_key(key_path) if key_path.exists() else make_private_key(key_path)
        csr = request_certificate(private_key, code.station)
        request = {"station": code.station, "csr": csr, "proof": proof(code.proof_key, csr)}
        answer = post(county_url.rstrip("/") + PATH, json.dumps(request).encode(), {"Content-Type": "application/json"})
        said = answer.json()
        if answer.status != 200:
            raise EnrolmentRefused(str(said.get("message", f"HTTP {answer.status}"))[:500])
        authority = _authority(said, code)
        register, key = _own_key(said, code, fingerprint(authority), public_hash(private_key.public_key()))
        certificate = x509.load_der_x509_certificate(base64.b64decode(key.certificate))
        if not certified_by(authority, certificate) or _common_name(certificate) != code.station:
            raise NotTheCounty("The certificate that came is not this station's.")
        write_whole(path / AUTHORITY, pem(authority).encode())
        _keep_register(path, said["register"], random)
        folder = StationFolder(
            path,
            code=code.station,
            name=key.name,
            kind=key.kind,
            parent=key.parent or register.county_station,
            county=register.county,
            county_name=_organisation(authority),
            county_url=county_url,
            authority_fingerprint=fingerprint(authority),
            key_serial=key.serial,
            contact_interval_s=_interval(said),
            display_host=display_host,
        )
        folder.finish()
        return folder


def _authority(said: Mapping[str, Any], code: EnrolmentCode) -> x509.Certificate:
    try:
        authority = x509.load_pem_x509_certificate(str(said.get("authority")).encode())
    except ValueError:
        raise Garbled("The answer has no authority certificate in it.") from None
    if not code.names(fingerprint(authority)):
        raise NotTheCounty(
            "The answer comes from somebody else than the county that made this code. Is the address right? "
            "If it is, somebody sits on the line: tell the county."
        )
    return authority


def _own_key(said: Mapping[str, Any], code: EnrolmentCode, authority: str, key_hash: str) -> tuple[Register, Key]:
    document = said.get("register")
    try:
        register = Register.of(document if isinstance(document, dict) else {}, authority=authority)
    except RegisterRefused as error:
        raise NotTheCounty(f"The key register that came does not hold: {error}") from error
    for key in register.keys_of(code.station):
        if key.revoked is None and key.kind != COUNTY and public_hash(key.public_key) == key_hash:
            return register, key
    raise NotTheCounty("The key register that came does not have this station's key.")


def _keep_register(path: Path, document: Document, random: Random) -> None:
    """Into the station's catalogue, as replication would bring it: it can check signatures from now on."""
    make_private_folder(path / DATABASES)
    databases = Databases(path / DATABASES, rule_for=lambda name: county_only, random=random)
    try:
        databases.open(CATALOGUE).save([document])
    finally:
        databases.close()


def _interval(said: Mapping[str, Any]) -> int:
    interval_s = said.get("contact_interval_s")
    return min(max(interval_s, 0), LONGEST_INTERVAL_S) if type(interval_s) is int else 0


def _common_name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def _organisation(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value)
