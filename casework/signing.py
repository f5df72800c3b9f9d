"""Signatures: ES256 over canonical JSON, raw r‖s in base64url without padding (RFC 7518, 3.4)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from casework.canonical import Document, NotCanonical, canonical, without

Sign = Callable[[bytes], str]
"""Signs bytes with somebody's private key; the key itself never comes in here."""

PublicKey = ec.EllipticCurvePublicKey

UNSIGNED = frozenset({"_id", "_rev", "_attachments", "sig"})
"""What a signature does not cover: the database's envelope and itself. Of an attachment it covers the hash that the
document states (`casework.documents.blank`)."""

_SIGNATURE = re.compile(r"^[A-Za-z0-9_-]{86}$")
_ALGORITHM = ec.ECDSA(SHA256())


def signer(private_key: ec.EllipticCurvePrivateKey) -> Sign:
    """The signing function of a P-256 private key. Raises ValueError for another curve."""
    if not isinstance(private_key.curve, ec.SECP256R1):
        raise ValueError("ES256 needs a P-256 key")

    def sign(payload: bytes) -> str:
        r, s = decode_dss_signature(private_key.sign(payload, _ALGORITHM))
        return base64url(r.to_bytes(32, "big") + s.to_bytes(32, "big"))

    return sign


def signature_holds(payload: bytes, signature: object, public_key: PublicKey) -> bool:
    """Whether `signature` (86 characters of base64url) is the key's over `payload`. Never raises for bad
    input.
    """
    if not isinstance(signature, str) or not _SIGNATURE.match(signature):
        return False
    try:
        raw = base64.urlsafe_b64decode(signature + "==")
    except (binascii.Error, ValueError):
        return False
    # Two spare bits at the end decode away: without this, one signature would have four spellings, and so
    # four ids.
    if base64url(raw) != signature:
        return False
    encoded = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    try:
        public_key.verify(encoded, payload, _ALGORITHM)
    except InvalidSignature:
        return False
    return True


def payload_of(document: Document) -> bytes:
    """The bytes that a document's signature covers. Raises NotCanonical."""
    return canonical(without(document, UNSIGNED))


def sign_document(document: Document, key: str, sign: Sign) -> Document:
    """A copy with `key` (the signer's name in the key register) and `sig`. Raises NotCanonical."""
    keyed = {**without(document, frozenset({"sig"})), "key": key}
    return {**keyed, "sig": sign(payload_of(keyed))}


def document_holds(document: Document, public_key: PublicKey) -> bool:
    """Whether the document's `sig` is this key's. Never raises for a bad document."""
    try:
        payload = payload_of(document)
    except NotCanonical:
        return False
    return signature_holds(payload, document.get("sig"), public_key)


def base64url(raw: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")
