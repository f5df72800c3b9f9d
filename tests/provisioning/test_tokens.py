"""Tokens: what a good one says, and every bad one there is."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from random import Random
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from provisioning.operations import station_revoke
from provisioning.register import roles_of
from provisioning.tokens import NonceRefused, Nonces, Sessions, Token, bearer_writer, mint, read_token
from sync.peer import BadRequest, Unauthorized
from tests.provisioning.small_county import COUNTY, TOWNSHIP, VILLAGE, Clock, SmallCounty


def token_of(small_county: SmallCounty, station: str) -> Token:
    key = small_county.county.register().station(station)
    assert key is not None
    return mint(key, county=small_county.county.key, now=small_county.now())


def forged(small_county: SmallCounty, key: Any, *, algorithm: str = "ES256", **changed: Any) -> str:
    """A token like a village's with another signature; claims or header changed (None: left out)."""
    header = {"kid": changed.pop("kid", f"{COUNTY}:1")}
    claims = {
        "sub": VILLAGE,
        "exp": int(small_county.now().timestamp()) + 600,
        "_couchdb.roles": [f"station:{VILLAGE}:1", "station"],
    }
    claims |= changed
    kept = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(kept, key, algorithm=algorithm, headers={k: v for k, v in header.items() if v})


def test_a_village_gets_its_own_role_and_the_one_of_all_stations(small_county: SmallCounty) -> None:
    small_county.enrol(VILLAGE)
    token = token_of(small_county, VILLAGE)

    writer = read_token(token.text, small_county.county.register(), small_county.now())
    assert writer.name == VILLAGE
    assert writer.roles == {f"station:{VILLAGE}:1", "station"}
    assert not writer.is_county
    assert token.expires_at == small_county.now() + timedelta(hours=12)
    assert jwt.get_unverified_header(token.text)["kid"] == f"{COUNTY}:1"


def test_a_township_gets_its_township_role_besides(small_county: SmallCounty) -> None:
    small_county.enrol(TOWNSHIP)
    writer = read_token(token_of(small_county, TOWNSHIP).text, small_county.county.register(), small_county.now())
    assert writer.roles == {f"station:{TOWNSHIP}:1", f"township:{TOWNSHIP[:9]}:1", "station"}


def test_a_token_is_good_for_twelve_hours_by_the_time_that_is_given(small_county: SmallCounty) -> None:
    small_county.enrol(VILLAGE)
    token = token_of(small_county, VILLAGE).text
    register = small_county.county.register()

    assert read_token(token, register, small_county.now() + timedelta(hours=11, minutes=59))
    with pytest.raises(Unauthorized, match="run out"):
        read_token(token, register, small_county.now() + timedelta(hours=12))


def test_a_revoked_station_s_token_is_refused_at_once(small_county: SmallCounty) -> None:
    small_county.enrol(VILLAGE)
    token = token_of(small_county, VILLAGE).text
    station_revoke(small_county.county, {"station": VILLAGE})

    with pytest.raises(Unauthorized, match="no longer"):
        read_token(token, small_county.county.register(), small_county.now())


def test_new_hardware_s_token_does_not_carry_the_revoked_key_s_role(small_county: SmallCounty) -> None:
    small_county.enrol(VILLAGE)
    station_revoke(small_county.county, {"station": VILLAGE})
    small_county.enrol(VILLAGE, at="new machine")

    writer = read_token(token_of(small_county, VILLAGE).text, small_county.county.register(), small_county.now())
    assert writer.roles == {f"station:{VILLAGE}:2", "station"}


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "..", "驿", "e30.e30.", "e30.e30.e30", "\x00" * 9])
def test_what_is_no_token_is_a_bad_request(small_county: SmallCounty, text: str) -> None:
    with pytest.raises(BadRequest):
        read_token(text, small_county.county.register(), small_county.now())


def test_a_token_with_alg_none_is_refused(small_county: SmallCounty) -> None:
    small_county.enrol(VILLAGE)
    text = forged(small_county, None, algorithm="none")
    with pytest.raises(BadRequest, match="alg"):
        read_token(text, small_county.county.register(), small_county.now())


def test_a_token_made_with_the_public_key_as_a_shared_secret_is_refused(small_county: SmallCounty) -> None:
    small_county.enrol(VILLAGE)

    def part(value: object) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    claims = {"sub": COUNTY, "exp": 1 << 40, "_couchdb.roles": ["county"]}
    body = part({"alg": "HS256", "kid": f"{COUNTY}:1"}) + b"." + part(claims)
    secret = small_county.county.key.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    mac = base64.urlsafe_b64encode(hmac.digest(secret, body, hashlib.sha256)).rstrip(b"=")
    with pytest.raises(BadRequest, match="alg"):
        read_token((body + b"." + mac).decode(), small_county.county.register(), small_county.now())


def test_a_token_that_a_station_signed_for_itself_is_refused(small_county: SmallCounty) -> None:
    own = small_county.enrol(VILLAGE).key()
    register = small_county.county.register()
    for kid in (f"{COUNTY}:1", f"{VILLAGE}:1", f"{COUNTY}:2", "nobody"):
        with pytest.raises(Unauthorized):
            read_token(forged(small_county, own.private_key, kid=kid), register, small_county.now())


def test_a_token_whose_claims_were_changed_is_refused(small_county: SmallCounty) -> None:
    small_county.enrol(VILLAGE)
    head, _, signature = token_of(small_county, VILLAGE).text.split(".")
    claims = {"sub": VILLAGE, "exp": 1 << 40, "_couchdb.roles": ["county"]}
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    with pytest.raises(Unauthorized):
        read_token(f"{head}.{body}.{signature}", small_county.county.register(), small_county.now())


@pytest.mark.parametrize(
    "changed",
    [
        {"kid": None},
        {"exp": None},
        {"exp": 1e300},
        {"exp": True},
        {"exp": "tomorrow"},
        {"sub": None},
        {"_couchdb.roles": None},
        {"_couchdb.roles": "county"},
        {"_couchdb.roles": [{}]},
    ],
)
def test_the_county_s_own_signature_over_nonsense_is_a_bad_request(
    small_county: SmallCounty, changed: dict[str, Any]
) -> None:
    small_county.enrol(VILLAGE)
    text = forged(small_county, small_county.county.key.private_key, **changed)
    with pytest.raises(BadRequest):
        read_token(text, small_county.county.register(), small_county.now())


def test_roles_beyond_what_the_register_grants_are_left_out(small_county: SmallCounty) -> None:
    small_county.enrol(VILLAGE)
    small_county.enrol(TOWNSHIP)
    roles = [
        f"station:{VILLAGE}:1",
        f"station:{TOWNSHIP}:1",
        f"township:{TOWNSHIP[:9]}:1",
        "county",
        "_admin",
    ]
    text = forged(small_county, small_county.county.key.private_key, **{"_couchdb.roles": roles})

    writer = read_token(text, small_county.county.register(), small_county.now())
    assert writer.roles == {f"station:{VILLAGE}:1"}


def test_a_token_of_another_county_is_refused(small_county: SmallCounty) -> None:
    text = forged(small_county, ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(Unauthorized):
        read_token(text, small_county.county.register(), small_county.now())


def test_the_county_s_own_token_carries_the_county_s_role(small_county: SmallCounty) -> None:
    key = small_county.county.register().station(COUNTY)
    assert key is not None
    assert roles_of(key) == {"county"}
    assert read_token(token_of(small_county, COUNTY).text, small_county.county.register(), small_county.now()).is_county


def test_a_nonce_works_once_and_only_for_its_station() -> None:
    nonces, now = Nonces(b"secret", Random(1)), Clock()
    nonce = nonces.issue(VILLAGE, now(), after=0)

    with pytest.raises(NonceRefused):
        nonces.check(nonce, TOWNSHIP, now(), after=0)
    used_at = nonces.check(nonce, VILLAGE, now(), after=0)
    with pytest.raises(NonceRefused):
        nonces.check(nonce, VILLAGE, now(), after=used_at)


def test_a_nonce_runs_out_and_cannot_be_made_by_others() -> None:
    nonces, now = Nonces(b"secret", Random(1)), Clock()
    nonce = nonces.issue(VILLAGE, now(), after=0)
    for wrong in (None, 7, "", nonce[:-1], nonce[:-1] + "驿", "A" * 32, nonce.lower()):
        with pytest.raises(NonceRefused):
            nonces.check(wrong, VILLAGE, now(), after=0)
    with pytest.raises(NonceRefused):
        Nonces(b"another", Random(1)).check(nonce, VILLAGE, now(), after=0)

    now.forward(minutes=15)
    assert nonces.check(nonce, VILLAGE, now(), after=0)
    now.forward(seconds=1)
    with pytest.raises(NonceRefused):
        nonces.check(nonce, VILLAGE, now(), after=0)


def test_a_county_clock_that_is_set_back_locks_nobody_out() -> None:
    nonces, now = Nonces(b"secret", Random(1)), Clock()
    used_at = nonces.check(nonces.issue(VILLAGE, now(), after=0), VILLAGE, now(), after=0)

    now.forward(days=-1000)
    fresh = nonces.issue(VILLAGE, now(), after=used_at)
    assert nonces.check(fresh, VILLAGE, now(), after=used_at) > used_at


def session_of(small_county: SmallCounty, station: str = VILLAGE) -> str:
    key = small_county.county.register().station(station)
    assert key is not None
    return small_county.county.sessions.issue(key, token_of(small_county, station))


def test_a_session_is_a_tenth_of_its_token_and_worth_the_same(small_county: SmallCounty) -> None:
    small_county.enrol(TOWNSHIP)
    token, session = token_of(small_county, TOWNSHIP), session_of(small_county, TOWNSHIP)
    assert len(session) == 32
    county = small_county.county
    known = bearer_writer(county.register, small_county.now, county.sessions)
    by_token, by_session = (known({"HTTP_AUTHORIZATION": f"Bearer {shown}"}) for shown in (token.text, session))
    assert by_token == by_session
    small_county.now.forward(hours=12)
    with pytest.raises(Unauthorized):
        known({"HTTP_AUTHORIZATION": f"Bearer {session}"})


def test_a_revoked_station_s_session_is_refused_at_once(small_county: SmallCounty) -> None:
    small_county.enrol(VILLAGE)
    session = session_of(small_county)
    station_revoke(small_county.county, {"station": VILLAGE})
    with pytest.raises(Unauthorized):
        small_county.county.sessions.read(session, small_county.county.register(), small_county.now())


def test_new_hardware_s_session_is_not_the_old_one_s(small_county: SmallCounty) -> None:
    small_county.enrol(VILLAGE)
    old = session_of(small_county)
    station_revoke(small_county.county, {"station": VILLAGE})
    small_county.enrol(VILLAGE, small_county.code(VILLAGE, new_code=True), at="new")
    register = small_county.county.register()
    with pytest.raises(Unauthorized):
        small_county.county.sessions.read(old, register, small_county.now())
    assert small_county.county.sessions.read(session_of(small_county), register, small_county.now()).name == VILLAGE


@pytest.mark.parametrize("place", range(32))
def test_a_session_that_was_changed_anywhere_is_refused(small_county: SmallCounty, place: int) -> None:
    small_county.enrol(VILLAGE)
    session = session_of(small_county)
    other = "A" if session[place] != "A" else "B"
    county = small_county.county
    with pytest.raises((Unauthorized, BadRequest)):
        county.sessions.read(session[:place] + other + session[place + 1 :], county.register(), small_county.now())


@pytest.mark.parametrize("text", ["", "x", "é" * 32, "A" * 32, "A" * 4000])
def test_what_is_no_session_is_refused(small_county: SmallCounty, text: str) -> None:
    county = small_county.county
    with pytest.raises((Unauthorized, BadRequest)):
        county.sessions.read(text, county.register(), small_county.now())


def test_another_county_s_session_and_one_to_a_server_without_sessions_are_refused(small_county: SmallCounty) -> None:
    small_county.enrol(VILLAGE)
    session = session_of(small_county)
    county = small_county.county
    with pytest.raises(Unauthorized):
        Sessions(b"another secret").read(session, county.register(), small_county.now())
    with pytest.raises(BadRequest):
        bearer_writer(county.register, small_county.now)({"HTTP_AUTHORIZATION": f"Bearer {session}"})
