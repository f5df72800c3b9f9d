"""A station's own key: made on the station, never leaves it, named `<code12>:<serial>` when certified."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from casework.signing import Sign, signer
from provisioning import ProvisioningError
from provisioning.whole_files import write_whole


class KeyUnreadable(ProvisioningError):
    """A key file that holds no P-256 private key, or that others may read."""


def county_station(county: str) -> str:
    """A county's six digits as the twelve that stand in key ids and timestamps."""
    return county + "000000"


def key_id(station: str, serial: int) -> str:
    return f"{station}:{serial}"


def public_hash(public_key: ec.EllipticCurvePublicKey) -> str:
    """SHA-256 of the key's DER form: says which key it is without a certificate."""
    return hashlib.sha256(
        public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    ).hexdigest()


def make_private_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Make a P-256 key. The file is 0600 from its first instant and appears whole or not at all."""
    private_key = ec.generate_private_key(ec.SECP256R1())
    content = private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_whole(path, content, private=True)
    return private_key


def load_private_key(path: Path) -> ec.EllipticCurvePrivateKey:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        raise KeyUnreadable(f"{path} is missing: without it this place is nobody.") from None
    if mode & 0o077:
        raise KeyUnreadable(f"{path} may be read by others: run `chmod 600 {path}`, and think of revoking it.")
    try:
        private_key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise KeyUnreadable(f"{path} does not hold a private key: {error}") from None
    if not isinstance(private_key, ec.EllipticCurvePrivateKey) or not isinstance(private_key.curve, ec.SECP256R1):
        raise KeyUnreadable(f"{path} does not hold a P-256 key.")
    return private_key


@dataclass(frozen=True)
class StationKey:
    """The key of a station, or of the county, with the name under which the key register knows it."""

    station: str
    serial: int
    private_key: ec.EllipticCurvePrivateKey

    @classmethod
    def load(cls, path: Path, station: str, serial: int) -> StationKey:
        return cls(station, serial, load_private_key(path))

    @property
    def id(self) -> str:
        return key_id(self.station, self.serial)

    @property
    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self.private_key.public_key()

    @property
    def sign(self) -> Sign:
        return signer(self.private_key)

    def derive(self, purpose: str) -> bytes:
        """32 secret bytes for one purpose, the same in every process that holds the key."""
        raw = self.private_key.private_numbers().private_value.to_bytes(32, "big")
        return hashlib.sha256(b"yizhan " + purpose.encode() + b"\0" + raw).digest()


def request_certificate(private_key: ec.EllipticCurvePrivateKey, station: str) -> str:
    """A certificate request (PKCS #10, PEM): proves to the county that the station holds the key."""
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, station)]))
        .sign(private_key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
        .decode("ascii")
    )
