"""One-time enrolment codes, in a form that a person can read out and type."""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from random import Random

from provisioning import ProvisioningError

# Crockford's base 32: no I, L, O, U; what people type for them is understood.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_HEARD_AS = str.maketrans({"O": "0", "I": "1", "L": "1"})
SECRET_LENGTH = 16  # 80 bits, guarded by a throttle and a week's end
FINGERPRINT_LENGTH = 26  # 130 bits: nobody makes a second authority that begins alike
CHECK_LENGTH = 2
_WHOLE = 12 + SECRET_LENGTH + FINGERPRINT_LENGTH + CHECK_LENGTH
_SHAPE = re.compile(rf"(\d{{12}})([{ALPHABET}]{{{_WHOLE - 12}}})")


class CodeMistyped(ProvisioningError):
    """What was typed is not an enrolment code: found out here, before anything goes over the line."""


@dataclass(frozen=True)
class EnrolmentCode:
    """`<code12>-<secret>-<authority and check>`: whom it enrols, the proof, and the county to trust."""

    station: str
    secret: str
    authority: str

    @classmethod
    def draw(cls, station: str, fingerprint: str, random: Random) -> EnrolmentCode:
        secret = "".join(random.choice(ALPHABET) for _ in range(SECRET_LENGTH))
        return cls(station, secret, shortened(fingerprint))

    @classmethod
    def parse(cls, text: str) -> EnrolmentCode:
        """Lower case, spaces, and O I L for 0 1 1 are understood. Raises `CodeMistyped`."""
        letters = re.sub(r"[\s-]", "", text).upper().translate(_HEARD_AS)
        found = _SHAPE.fullmatch(letters)
        if found is None:
            raise CodeMistyped(
                f"An enrolment code has 12 digits and {(_WHOLE - 12) // 4} groups of four; this one has not."
            )
        station, rest = found[1], found[2]
        code = cls(station, rest[:SECRET_LENGTH], rest[SECRET_LENGTH:-CHECK_LENGTH])
        if code._check != rest[-CHECK_LENGTH:]:
            raise CodeMistyped("A letter of the enrolment code is wrong or missing: compare it again.")
        return code

    @property
    def text(self) -> str:
        letters = self.secret + self.authority + self._check
        return "-".join([self.station, *(letters[at : at + 4] for at in range(0, len(letters), 4))])

    @property
    def proof_key(self) -> str:
        """What the county keeps of the secret (64 hex), and the key of the station's proof."""
        return hashlib.sha256(f"yizhan enrolment {self.station} {self.secret}".encode()).hexdigest()

    def names(self, fingerprint: str) -> bool:
        """Whether this is the authority that the code was made under."""
        return hmac.compare_digest(self.authority, shortened(fingerprint))

    @property
    def _check(self) -> str:
        digest = hashlib.sha256(f"{self.station}{self.secret}{self.authority}".encode()).digest()
        return _letters(digest, CHECK_LENGTH)


def proof(proof_key: str, csr: str) -> str:
    """The station's proof for one certificate request; whoever sits between can use it for no other."""
    return hmac.digest(bytes.fromhex(proof_key), csr.encode(), hashlib.sha256).hex()


def shortened(fingerprint: str) -> str:
    """The first 130 bits of a SHA-256 fingerprint (64 hex) as 26 letters."""
    return _letters(bytes.fromhex(fingerprint), FINGERPRINT_LENGTH)


def _letters(raw: bytes, length: int) -> str:
    number, bits = int.from_bytes(raw, "big"), len(raw) * 8
    return "".join(ALPHABET[(number >> (bits - 5 * (at + 1))) & 31] for at in range(length))
