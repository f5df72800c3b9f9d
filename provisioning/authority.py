"""The county authority: certifies the keys of the county and of its stations (X.509, P-256)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from casework.signing import Sign, signer
from provisioning import ProvisioningError
from provisioning.keys import load_private_key, make_private_key
from provisioning.whole_files import write_whole

# A county does not renew what nobody could reach to replace; a lost key ends by revocation, not by its date.
AUTHORITY_YEARS = 30
CERTIFICATE_YEARS = 20
# A station proves itself on a LAN under this name: `.internal` never resolves on the public network.
NAME_SUFFIX = ".yizhan.internal"


class CsrRefused(ProvisioningError):
    """A certificate request that this authority will not sign; the message says why."""


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the certificate's DER form, 64 hex digits."""
    return hashlib.sha256(der(certificate)).hexdigest()


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


@dataclass(frozen=True)
class Authority:
    """The county's root of trust. Its key signs certificates and key registers, and nothing else."""

    certificate: x509.Certificate
    private_key: ec.EllipticCurvePrivateKey

    @classmethod
    def create(
        cls, certificate_path: Path, key_path: Path, *, county: str, name: str, now: datetime, random: Random
    ) -> Authority:
        """Make the authority, or go on with what an interrupted attempt has left."""
        if certificate_path.exists() and key_path.exists():
            return cls.load(certificate_path, key_path)
        private_key = load_private_key(key_path) if key_path.exists() else make_private_key(key_path)
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, name[:64]),
                x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, county),
                x509.NameAttribute(NameOID.COMMON_NAME, f"驿站 {county}"),
            ]
        )
        certificate = (
            _draft(subject, subject, private_key.public_key(), now=now, years=AUTHORITY_YEARS, random=random)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .sign(private_key, hashes.SHA256())
        )
        write_whole(certificate_path, certificate.public_bytes(serialization.Encoding.PEM))
        return cls(certificate, private_key)

    @classmethod
    def load(cls, certificate_path: Path, key_path: Path) -> Authority:
        certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
        return cls(certificate, load_private_key(key_path))

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.certificate)

    @property
    def sign(self) -> Sign:
        return signer(self.private_key)

    def certify(
        self, csr_pem: str, *, station: str, serial: int, kind: str, name: str, now: datetime, random: Random
    ) -> x509.Certificate:
        """Certify a station's key. Who it is for is the county's word, never the request's.

        Raises `CsrRefused` when the request is not one, is not signed by its own key, or the key is not
        P-256.
        """
        public_key = key_in_csr(csr_pem)
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, name[:64]),
                x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, kind),
                x509.NameAttribute(NameOID.SERIAL_NUMBER, str(serial)),
                x509.NameAttribute(NameOID.COMMON_NAME, station),
            ]
        )
        return (
            _draft(subject, self.certificate.subject, public_key, now=now, years=CERTIFICATE_YEARS, random=random)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]),
                critical=False,
            )
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(station + NAME_SUFFIX)]), critical=False)
            .sign(self.private_key, hashes.SHA256())
        )

    def certified(self, certificate: x509.Certificate) -> bool:
        return certified_by(self.certificate, certificate)


def certified_by(authority: x509.Certificate, certificate: x509.Certificate) -> bool:
    """Whether `authority` signed `certificate`. Dates are not asked: a station's clock may stand in 1970."""
    try:
        certificate.verify_directly_issued_by(authority)
    except (InvalidSignature, ValueError, TypeError):
        return False
    return True


def key_in_csr(csr_pem: str) -> ec.EllipticCurvePublicKey:
    """The P-256 key that a certificate request (PKCS #10, PEM) proves to hold; raises `CsrRefused`."""
    try:
        csr = x509.load_pem_x509_csr(csr_pem.encode("ascii", "replace"))
        public_key = csr.public_key()
        genuine = csr.is_signature_valid
    except Exception as error:  # the parser raises more kinds of errors than it documents
        raise CsrRefused("This is not a certificate request.") from error
    if not isinstance(public_key, ec.EllipticCurvePublicKey) or not isinstance(public_key.curve, ec.SECP256R1):
        raise CsrRefused("A station's key is a P-256 key; this one is not.")
    if not genuine:
        raise CsrRefused("The request is not signed by its own key.")
    return public_key


def _draft(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    *,
    now: datetime,
    years: int,
    random: Random,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(random.getrandbits(158) + 1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365 * years))
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
