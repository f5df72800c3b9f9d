"""Case numbers: unique across the county without asking anybody, and short enough to say on the phone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from random import Random

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Base 32 without I, L, O and U: nothing in it is mistaken for something else on paper or by ear."""

TAIL_LENGTH = 5

SLIP = "LZ-"
"""What the number of a slip (流转凭证) begins with."""

_NUMBER = re.compile(rf"^(\d{{12}})-(\d{{8}})-(\d{{4}})-([{CROCKFORD}]{{{TAIL_LENGTH}}})$")
_SCANNED = re.compile(rf"(1Z-)?(\d{{12}}-\d{{8}}-\d{{4}}-[{CROCKFORD}]{{{TAIL_LENGTH}}})")
_SHORT = re.compile(rf"^\d{{4}}-[{CROCKFORD}]{{{TAIL_LENGTH}}}$")
_MISREAD = str.maketrans({"O": "0", "I": "1", "L": "1"})


@dataclass(frozen=True, slots=True)
class CaseNumber:
    """A case number (办件编号) taken apart: station code (12 digits), civil date, serial of that day, random
    tail.
    """

    station: str
    on: date
    serial: int
    tail: str

    @property
    def text(self) -> str:
        """`<code12>-<yyyymmdd>-<serial 4>-<5 Crockford base32>`."""
        return f"{self.station}-{self.on:%Y%m%d}-{self.serial:04d}-{self.tail}"


def case_number(station: str, on: date, serial: int, random: Random) -> str:
    """A new number. `serial` counts the station's cases of that day, 1 to 9999.

    The random tail (2^25 values) keeps numbers apart on a cloned or rolled-back disk, where the serial does
    not. Raises ValueError for a code that has not 12 digits or a serial out of range.
    """
    if not (station.isascii() and station.isdigit() and len(station) == 12):
        raise ValueError(f"a station code has 12 digits: {station!r}")
    if not 1 <= serial <= 9999:
        raise ValueError(f"the serial of a day is 1 to 9999, not {serial}")
    tail = "".join(random.choice(CROCKFORD) for _ in range(TAIL_LENGTH))
    return CaseNumber(station, on, serial, tail).text


def parse_case_number(text: str) -> CaseNumber:
    """Reads a number as people write it: small letters, spaces around, O for 0, I or L for 1. Raises
    ValueError.
    """
    tidy = text.strip().upper().translate(_MISREAD)
    found = _NUMBER.match(tidy)
    if found is None:
        raise ValueError(f"not a case number: {text!r}")
    day = found[2]
    return CaseNumber(found[1], date(int(day[:4]), int(day[4:6]), int(day[6:])), int(found[3]), found[4])


def slip_number(station: str, on: date, serial: int, random: Random) -> str:
    """The number of a slip that goes with papers (流转凭证号): `LZ-`, then as a case number, unique in the same way."""
    return f"{SLIP}{case_number(station, on, serial, random)}"


def scanned(text: str) -> str:
    """What a scanner or a person put in: a slip's number, a case's, or its last two groups; "" when none is in it.

    A receipt's QR code holds an address with the case's number in it.
    """
    tidy = text.strip().upper().translate(_MISREAD)
    found = _SCANNED.search(tidy)
    if found is not None:
        return (SLIP if found[1] else "") + found[2]
    return tidy if _SHORT.match(tidy) else ""


def spoken(number: str) -> tuple[str, str]:
    """(quiet, loud): the part that stays small on paper, and the last two groups, which are said on the
    phone.
    """
    station, day, serial, tail = number.split("-")
    return f"{station}-{day}", f"{serial}-{tail}"
