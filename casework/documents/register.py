"""The key register (密钥名册): whose signature counts, for which station, and until when."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from casework.canonical import Document
from casework.documents.document_type import CODE12, KEY_ID, SIGNATURE, DocumentType, nullable, shape, text
from casework.signing import PublicKey, document_holds

COUNTY, TOWNSHIP, VILLAGE = "county", "township", "village"
AUTHORITY = "authority"
"""The `key` of a register: it is signed by the authority that enrolment pins, not by a key that it lists."""

_RFC3339 = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"

_REVOKED = shape(
    {
        "at": text(_RFC3339),
        "last": {"type": "object", "additionalProperties": {"type": "integer", "minimum": 0}},
    }
)

TYPE = DocumentType(
    name="register",
    title="密钥名册",
    id_pattern=r"register:\d{6}",
    immutable=False,
    schema=shape(
        {
            "number": {"type": "integer", "minimum": 1, "maximum": 999_999},
            "county": text(r"\d{6}"),
            "at": text(_RFC3339),
            "authority_certificate": {"type": "string", "maxLength": 8000},
            "keys": {
                "type": "array",
                "items": shape(
                    {
                        "id": text(KEY_ID),
                        "station": text(CODE12),
                        "kind": {"enum": [COUNTY, TOWNSHIP, VILLAGE]},
                        "parent": nullable(text(CODE12)),
                        "name": {"type": "string", "minLength": 1, "maxLength": 60},
                        "certificate": {"type": "string", "minLength": 1, "maxLength": 8000},
                        "since": text(_RFC3339),
                        "revoked": nullable(_REVOKED),
                    }
                ),
            },
            "key": {"const": AUTHORITY},
            "sig": text(SIGNATURE),
        }
    ),
)


class RegisterRefused(ValueError):
    """The register does not check: its shape, the authority's signature, or a certificate in it."""


@dataclass(frozen=True)
class Key:
    """One key of the register (密钥). `id` is `<code12>:<serial>`; `parent` the station above; times are RFC
    3339.

    `certificate` is DER in base64. `revoked` is null or `{at, last}`: `last` maps `<incarnation>/<home>` to
    the last serial that is still admitted there.
    """

    id: str
    station: str
    kind: str
    parent: str | None
    name: str
    certificate: str
    since: str
    revoked: Mapping[str, Any] | None = None

    def __hash__(self) -> int:
        return hash((self.id, self.certificate))

    @cached_property
    def x509(self) -> x509.Certificate:
        """The certificate, read. Raises RegisterRefused."""
        try:
            return x509.load_der_x509_certificate(base64.b64decode(self.certificate, validate=True))
        except (ValueError, binascii.Error) as unreadable:
            raise RegisterRefused(f"{self.id}: the certificate is not base64 DER") from unreadable

    @cached_property
    def public_key(self) -> PublicKey:
        """The certificate's P-256 public key. Raises RegisterRefused for another kind of key."""
        public_key = self.x509.public_key()
        if not isinstance(public_key, ec.EllipticCurvePublicKey) or not isinstance(public_key.curve, ec.SECP256R1):
            raise RegisterRefused(f"{self.id}: ES256 needs a P-256 key")
        return public_key

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, 64 hex digits: what a remembered verification is kept under."""
        return hashlib.sha256(base64.b64decode(self.certificate)).hexdigest()

    @property
    def serial(self) -> int:
        """The running number of the station's keys, from 1."""
        return int(self.id.rsplit(":", 1)[1])

    def admits(self, incarnation: str, home: str, serial: int) -> bool:
        """Whether an event with this running number may still count under this key."""
        if self.revoked is None:
            return True
        last = self.revoked["last"].get(f"{incarnation}/{home}", 0)
        return serial <= int(last)


class Register:
    """A key register that was checked once, ready for look-ups."""

    def __init__(self, document: Document, keys: Iterable[Key]) -> None:
        self.document = document
        self.number: int = document["number"]
        self.county: str = document["county"]
        self.keys: tuple[Key, ...] = tuple(sorted(keys, key=lambda key: (key.station, key.serial)))
        self._by_id = {key.id: key for key in self.keys}
        self._by_station: dict[str, list[Key]] = {}
        for key in self.keys:
            self._by_station.setdefault(key.station, []).append(key)
        self._county_keys = frozenset(key.id for key in self.keys if key.kind == COUNTY)

    @classmethod
    def of(cls, document: Document, *, authority: str | None) -> Register:
        """Reads a register document.

        `authority` is what enrolment pinned: the SHA-256 of the authority's certificate (64 hex, colons
        allowed) or the certificate itself in PEM. With it the register's signature and every key's
        certificate are verified; None is for a document that was verified before it was stored.

        Raises RegisterRefused, with what does not check.
        """
        wrong = TYPE.problems(document)
        if wrong:
            path, sentence = next(iter(wrong.items()))
            raise RegisterRefused(f"{path}: {sentence}")
        keys = [Key(**{name: entry[name] for name in _KEY_FIELDS}) for entry in document["keys"]]
        if len({key.id for key in keys}) != len(keys):
            raise RegisterRefused("a key is listed twice")
        for key in keys:
            if not key.id.startswith(f"{key.station}:") or not key.station.startswith(document["county"]):
                raise RegisterRefused(f"{key.id}: not a key of station {key.station} in county {document['county']}")
        if document["_id"] != register_id(document["number"]):
            raise RegisterRefused("the id does not say the register's number")
        if authority is not None:
            _verify(document, keys, authority)
        return cls(document, keys)

    @property
    def county_station(self) -> str:
        """The county's own code: its six digits and six zeros."""
        return f"{self.county}000000"

    def key(self, serial: str) -> Key | None:
        """The key by its id `<code12>:<serial>`, revoked ones too."""
        return self._by_id.get(serial)

    def keys_of(self, station: str) -> list[Key]:
        """All keys that a station has had, oldest first."""
        return list(self._by_station.get(station, ()))

    def station(self, code: str) -> Key | None:
        """The station's newest key that is not revoked; failing that its newest key; None for a stranger."""
        keys = self._by_station.get(code)
        if not keys:
            return None
        return next((key for key in reversed(keys) if key.revoked is None), keys[-1])

    def stations(self) -> list[Key]:
        """One key for every station (`station` of each), by code."""
        return [found for code in self._by_station if (found := self.station(code)) is not None]

    def villages_of(self, township: str) -> list[Key]:
        """One key for every village station under a township, by code."""
        return [key for key in self.stations() if key.kind == VILLAGE and key.parent == township]

    def county_keys(self) -> frozenset[str]:
        """The ids of the county's own keys."""
        return self._county_keys


_KEY_FIELDS = ("id", "station", "kind", "parent", "name", "certificate", "since", "revoked")


def register_id(number: int) -> str:
    """`register:000001` for 1."""
    return f"register:{number:06d}"


def _entry(key: Key | Mapping[str, Any]) -> Document:
    source = key if isinstance(key, Mapping) else vars(key)
    return {name: source.get(name) for name in _KEY_FIELDS}


def build(
    number: int, county: str, keys: Iterable[Key | Mapping[str, Any]], at: str, authority_certificate: str
) -> Document:
    """The unsigned register: `keys` are `Key`s or their dicts, `at` RFC 3339, `authority_certificate` PEM.

    The authority signs it: `sign_document(build(…), AUTHORITY, sign)`.
    """
    return {
        "_id": register_id(number),
        "number": number,
        "county": county,
        "at": at,
        "authority_certificate": authority_certificate,
        "keys": sorted((_entry(key) for key in keys), key=lambda entry: str(entry["id"])),
    }


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of a certificate's DER, 64 hex digits."""
    return certificate.fingerprint(SHA256()).hex()


def _verify(document: Document, keys: list[Key], authority: str) -> None:
    certificate = _read_pem(document["authority_certificate"])
    if authority.lstrip().startswith("-----BEGIN"):
        pinned = fingerprint(_read_pem(authority))
    else:
        pinned = authority.replace(":", "").strip().lower()
    if fingerprint(certificate) != pinned:
        raise RegisterRefused("signed under another county authority than the one that enrolment pinned")
    public_key = certificate.public_key()
    if not isinstance(public_key, ec.EllipticCurvePublicKey) or not isinstance(public_key.curve, ec.SECP256R1):
        raise RegisterRefused("the authority's key is not P-256")
    if not document_holds(document, public_key):
        raise RegisterRefused("the authority's signature does not hold")
    for key in keys:
        assert key.public_key  # read now, so that a wrong kind of key is refused with the register
        try:
            key.x509.verify_directly_issued_by(certificate)
        except (ValueError, TypeError, InvalidSignature) as stranger:
            raise RegisterRefused(f"{key.id}: the certificate is not the county authority's") from stranger


def _read_pem(pem: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError as unreadable:
        raise RegisterRefused("the authority's certificate is not PEM") from unreadable
