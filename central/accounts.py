"""Accounts: made at the county, signed, and replicated to their station so that people can sign in offline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from casework.canonical import Document
from casework.documents import account
from sync.store import Databases
from web.cases.desk import Key
from web.signin import hash_password

SHORTEST_PASSWORD = 8


class Keeper(Protocol):
    """What keeping accounts needs of the county."""

    databases: Databases

    @property
    def key(self) -> Key: ...
    @property
    def code(self) -> str: ...
    def knows_station(self, code: str) -> bool: ...


class AccountsRefused(Exception):
    """Nothing was imported; `problems` says which row and why."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def import_accounts(county: Keeper, records: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Make or change accounts: `{username, name, roles, station, department?, title?, password?, active?}` each.

    A record without a password keeps the password that the account has. All or nothing: any bad row refuses the file.
    """
    problems: list[str] = []
    ready: list[tuple[str, Document]] = []
    made = changed = 0
    for position, record in enumerate(records, start=1):
        try:
            database = f"accounts-{_station_of(county, record)}"
            store = county.databases.open(database)
            before = store.get(f"account:{record['username']}")
            document = _account(record, before)
        except (KeyError, TypeError, ValueError) as error:
            problems.append(f"第 {position} 行：{_reason(error)}")
            continue
        if before is None:
            made += 1
        elif _same(before, document):
            continue
        else:
            document["_rev"] = before["_rev"]
            changed += 1
        ready.append((database, document))
    if problems:
        raise AccountsRefused(problems)
    for database, document in ready:
        county.databases.open(database).update(account.signed(document, county.key.id, county.key.sign))
    return {"made": made, "changed": changed}


def _station_of(county: Keeper, record: Mapping[str, Any]) -> str:
    station = record["station"]
    if station != county.code and not county.knows_station(station):
        raise ValueError(f"没有代码为 {station} 的站点")
    return str(station)


def _account(record: Mapping[str, Any], before: Document | None) -> Document:
    password = record.get("password")
    if password is not None and len(password) < SHORTEST_PASSWORD:
        raise ValueError(f"{record['username']} 的密码少于 {SHORTEST_PASSWORD} 位")
    if password is None and before is None:
        raise ValueError(f"新账号 {record['username']} 没有密码")
    return account.build(
        username=record["username"],
        name=record["name"],
        roles=list(record["roles"]),
        station=record["station"],
        department=record.get("department"),
        title=record.get("title"),
        password_hash=hash_password(password) if password is not None else str((before or {})["password_hash"]),
        active=bool(record.get("active", True)),
    )


def _same(before: Document, after: Document) -> bool:
    return all(before.get(name) == value for name, value in after.items() if not name.startswith("_"))


def _reason(error: Exception) -> str:
    return f"缺少 {error.args[0]}" if isinstance(error, KeyError) else str(error)
