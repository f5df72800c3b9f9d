"""Tokens (ES256 JWT) that the county issues to stations, their short form, and the nonces that prove a key."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

import jwt

from casework.documents.register import Key, Register
from provisioning.keys import StationKey
from provisioning.register import roles_of
from sync.peer import BadRequest, Unauthorized, Writer

# The only algorithm, on both sides: CouchDB takes it (not EdDSA), and nothing in a token may choose another.
ALGORITHM = "ES256"
LIFETIME = timedelta(hours=12)
ROLES_CLAIM = "_couchdb.roles"


@dataclass(frozen=True)
class Token:
    text: str
    expires_at: datetime


def mint(proven: Key, *, county: StationKey, now: datetime, lifetime: timedelta = LIFETIME) -> Token:
    """A token for the station that has just proven `proven`; `kid` is the county's key, as for CouchDB."""
    assert proven.revoked is None, "nobody proves a revoked key"
    expires_at = now.replace(microsecond=0) + lifetime
    claims = {
        "sub": proven.station,
        "exp": int(expires_at.timestamp()),
        ROLES_CLAIM: sorted(roles_of(proven)),
    }
    text = jwt.encode(claims, county.private_key, algorithm=ALGORITHM, headers={"kid": county.id})
    return Token(text, expires_at)


def read_token(text: str, register: Register, now: datetime) -> Writer:
    """Whose token this is, with the roles that the register still grants.

    Raises `sync.peer.BadRequest` for what is no token of ours at all, `sync.peer.Unauthorized` for a wrong
    signature, one that has run out, or a key that is revoked. `now` should be the county-corrected time.
    """
    try:
        header = jwt.get_unverified_header(text)
    except jwt.InvalidTokenError as error:
        raise BadRequest("This is not a token.") from error
    kid = header.get("kid")
    if header.get("alg") != ALGORITHM:
        raise BadRequest("Invalid alg header parameter.")
    if not isinstance(kid, str):
        raise BadRequest("The token does not name its key.")
    issuer = register.key(kid)
    if issuer is None or issuer.kind != "county" or issuer.revoked is not None:
        raise Unauthorized("The token is not signed by this county.")
    claims = _claims(text, issuer)
    subject, expires, roles = claims.get("sub"), claims.get("exp"), claims.get(ROLES_CLAIM)
    if not isinstance(subject, str) or type(expires) is not int:
        raise BadRequest("The token lacks its subject or its end.")
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise BadRequest("The token's roles are not a list of names.")
    if now.timestamp() >= expires:
        raise Unauthorized("The token has run out.")
    # What a token says was true when it was signed. The register may have taken it back since.
    granted = frozenset(role for key in register.keys_of(subject) if key.revoked is None for role in roles_of(key))
    held = granted & frozenset(roles)
    if not any(role.startswith("station:") or role == "county" for role in held):
        raise Unauthorized("The token's key is not, or no longer, in the key register.")
    return Writer(subject, held)


class Sessions:
    """Short words for a token of 350 bytes, which would be the largest part of most requests of a station.

    Only the county that gave one can read it: it names the token's key and end under a MAC, and is remembered nowhere,
    so it holds across restarts and worker processes. A CouchDB in the county's place takes the token itself.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def issue(self, proven: Key, token: Token) -> str:
        """32 characters that are worth what `token` is, which was minted for `proven`."""
        body = int(proven.station).to_bytes(5, "big") + proven.serial.to_bytes(2, "big")
        body += int(token.expires_at.timestamp()).to_bytes(4, "big")
        return base64.urlsafe_b64encode(body + self._mac(body)).decode("ascii")

    def read(self, text: str, register: Register, now: datetime) -> Writer:
        """Whose session this is, with the roles that the register grants the key. Raises as `read_token`."""
        try:
            raw = base64.b64decode(text.encode("ascii"), altchars=b"-_", validate=True)
        except ValueError:
            raise BadRequest("This is not a token.") from None
        body, mac = raw[:11], raw[11:]
        if len(raw) != 24 or not hmac.compare_digest(mac, self._mac(body)):
            raise Unauthorized("The session is not one of this county.")
        key = register.key(f"{int.from_bytes(body[:5], 'big'):012}:{int.from_bytes(body[5:7], 'big')}")
        if now.timestamp() >= int.from_bytes(body[7:], "big"):
            raise Unauthorized("The session has run out.")
        if key is None or key.revoked is not None:
            raise Unauthorized("The session's key is not, or no longer, in the key register.")
        return Writer(key.station, roles_of(key))

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._secret, body, hashlib.sha256)[:13]


def bearer_writer(
    register: Callable[[], Register], now: Callable[[], datetime], sessions: Sessions | None = None
) -> Callable[[Mapping[str, Any]], Writer | None]:
    """Whom a WSGI request's bearer token names, for `sync.wsgi.CouchApp`; None when it carries none.

    With `sessions` the short form is taken too.
    """

    def writer(environ: Mapping[str, Any]) -> Writer | None:
        scheme, _, text = str(environ.get("HTTP_AUTHORIZATION", "")).partition(" ")
        if scheme.lower() != "bearer":
            return None
        text = text.strip()
        if sessions is not None and "." not in text:
            return sessions.read(text, register(), now())
        return read_token(text, register(), now())

    return writer


def _claims(text: str, issuer: Key) -> dict[str, Any]:
    try:
        claims: dict[str, Any] = jwt.decode(
            text,
            issuer.public_key,
            algorithms=[ALGORITHM],
            # The library asks this machine's clock; ours comes in as an argument and may know better.
            options={"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False},
        )
    except jwt.InvalidSignatureError as error:
        raise Unauthorized("The token's signature does not hold.") from error
    except jwt.InvalidTokenError as error:
        raise BadRequest("This is not a token.") from error
    return claims


class NonceRefused(Exception):
    """No nonce, a foreign one, one that is too old, or one that was used already: take the fresh one."""


class Nonces:
    """Nonces that the county need not remember: each carries its time and a MAC, and each use moves the bar.

    Every nonce has a time in milliseconds that is greater than the time of the last one this station has used
    (`after`, kept with its last contact). So each works once, across restarts, several worker processes and a
    clock set back.
    """

    LIFETIME_MS = 15 * 60 * 1000

    def __init__(self, secret: bytes, random: Random) -> None:
        self._secret = secret
        self._random = random

    def issue(self, station: str, now: datetime, after: int) -> str:
        at = max(int(now.timestamp() * 1000), after + 1)
        body = at.to_bytes(7, "big") + self._random.randbytes(5)
        return base64.urlsafe_b64encode(body + self._mac(station, body)).decode("ascii")

    def check(self, nonce: object, station: str, now: datetime, after: int) -> int:
        """The nonce's time, to be kept as the new `after` once the signature over it was seen to hold."""
        if not isinstance(nonce, str) or len(nonce) != 32:
            raise NonceRefused
        try:
            raw = base64.b64decode(nonce.encode("ascii"), altchars=b"-_", validate=True)
        except ValueError:
            raise NonceRefused from None
        body, mac = raw[:12], raw[12:]
        if not hmac.compare_digest(mac, self._mac(station, body)):
            raise NonceRefused
        at = int.from_bytes(body[:7], "big")
        if at <= after or at + self.LIFETIME_MS < int(now.timestamp() * 1000):
            raise NonceRefused
        return at

    def _mac(self, station: str, body: bytes) -> bytes:
        return hmac.digest(self._secret, station.encode() + b"\0" + body, hashlib.sha256)[:12]
