"""What an administrator does to a station from its page: revoke its key, hand out a code."""

from __future__ import annotations

from typing import Any

from casework.times import rfc3339
from provisioning.county import County
from provisioning.operations import StationRefused, station_add, station_revoke
from web.errors import Problem

LONGEST_REASON = 200


def revocation_id(station: str, register: int) -> str:
    """In `fleet`: {station, register, keys, reason, by, at}: who locked a station out, and why."""
    return f"revocation:{station}:{register:06d}"


def revoke_station(county: County, station: str, *, reason: str, by: str) -> None:
    """Lock out whoever holds this station's keys, at once. Raises `Problem` 422 without a reason, 409 without a key."""
    if not reason or len(reason) > LONGEST_REASON:
        raise Problem(
            422,
            "not_complete",
            "还有一处要改，改好再提交。",
            fields={"reason": f"写明为什么吊销，不超过 {LONGEST_REASON} 个字，例如“8月3日被盗”。"},
        )
    try:
        done = station_revoke(county, {"station": station})
    except StationRefused as refused:
        raise Problem(
            409,
            "nothing_to_revoke",
            "这一站没有可吊销的密钥。",
            fields={"reason": "这一站没有在用的密钥，也没有没用过的开通码，不用吊销。"},
        ) from refused
    county.fleet.update(
        {
            "_id": revocation_id(station, done["register"]),
            "station": station,
            "register": done["register"],
            "keys": done["revoked"],
            "reason": reason,
            "by": by,
            "at": rfc3339(county.now()),
        }
    )


def issue_station_code(county: County, station: str) -> dict[str, Any]:
    """A one-time code for this station, in place of an earlier one: {enrolment_code, expires_at}. Shown once, kept
    nowhere.
    """
    added: dict[str, Any] = station_add(county, {"stations": [{"code": station}], "new_code": True})["stations"][0]
    return added
