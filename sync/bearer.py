"""Bearer tokens (JWT, ES256) as CouchDB's `[jwt_keys]` has them, for a server that stands alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from sync.peer import BadRequest, Unauthorized, Writer

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

ALGORITHM: Final = "ES256"
ROLES_CLAIM: Final = "_couchdb.roles"

Authenticate = Callable[["WSGIEnvironment"], Writer | None]


def bearer_or(others: Authenticate, keys: Mapping[str, str], *, now: Callable[[], float]) -> Authenticate:
    """Whom a bearer token names; everybody else is for `others` to know.

    `keys` are public keys (PEM) by the `kid` that a token names. Raises `BadRequest` for what is no token of
    theirs, `Unauthorized` for one that has run out, as CouchDB does.
    """
    if not keys:
        return others

    def authenticate(environ: WSGIEnvironment) -> Writer | None:
        scheme, _, text = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if scheme.lower() != "bearer":
            return others(environ)
        return _writer(text.strip(), keys, now())

    return authenticate


def public_key(text: str) -> str:
    """The same text, if it is a public key (PEM) that such tokens are signed for. Raises `BadRequest`."""
    import jwt  # noqa: PLC0415

    try:
        jwt.get_algorithm_by_name(ALGORITHM).prepare_key(text)
    except (jwt.InvalidKeyError, ValueError) as problem:
        raise BadRequest(f"This is no public key for {ALGORITHM} (PEM).") from problem
    return text


def _writer(text: str, keys: Mapping[str, str], now: float) -> Writer:
    # Imported where tokens are taken: most servers take none.
    import jwt  # noqa: PLC0415

    try:
        header = jwt.get_unverified_header(text)
        if header.get("alg") != ALGORITHM:
            raise BadRequest("Invalid alg header parameter")
        key = keys.get(str(header.get("kid")))
        if key is None:
            raise BadRequest("Unknown kid")
        options: Any = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False}
        claims = jwt.decode(text, key, algorithms=[ALGORITHM], options=options)
    except jwt.InvalidSignatureError as problem:
        raise BadRequest("Bad signature") from problem
    except jwt.InvalidTokenError as problem:
        raise BadRequest("Malformed token") from problem
    subject, roles = claims.get("sub"), claims.get(ROLES_CLAIM, [])
    if not isinstance(subject, str) or not subject:
        raise Unauthorized("Token missing sub claim.")
    if isinstance(roles, str):
        roles = [role for part in roles.split(",") if (role := part.strip())]
    if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
        raise BadRequest(f"{ROLES_CLAIM} must be a list of names")
    ends, begins = claims.get("exp"), claims.get("nbf")
    if ends is not None and not (isinstance(ends, int | float) and now < ends):
        raise Unauthorized("exp not in future")
    if begins is not None and not (isinstance(begins, int | float) and now >= begins):
        raise Unauthorized("nbf not in past")
    return Writer(subject, frozenset(roles))
