"""What an alert is, and what one may look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from central.monitor import StationRow
from web.cases.casebook import Casebook


@dataclass(frozen=True)
class Projections:
    """The county's projections, for reading."""

    stations: Sequence[StationRow]
    casebook: Casebook


@dataclass(frozen=True)
class Alert:
    """Something that asks for a person: a sentence that says what, and what is known about it. `phone` may be
    empty.
    """

    kind: str
    station: str
    headline: str
    detail: str
    phone: str
