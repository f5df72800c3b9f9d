"""Accounts: made at the county, signed, and replicated to their station so that people can sign in offline."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from casework.canonical import Document
from casework.documents import account
from casework.signing import sign_document
from provisioning import ProvisioningError
from provisioning.register import accounts_database
from sync.databases import Databases
from sync.store import Store
from web.cases.desk import Key
from web.signin import hash_password

SHORTEST_PASSWORD, LONGEST_PASSWORD = 8, 200
ROLES_AT = {
    "county": ("reviewer", "approver", "staffing", "service", "admin"),
    "township": ("head", "township", "agent"),
    "village": ("agent",),
}
"""The roles that have work to do at each kind of station."""

FIELDS = ("username", "name", "roles", "station", "department", "title", "password", "active")


class Keeper(Protocol):
    """What keeping accounts needs of the county."""

    databases: Databases
    code: str

    @property
    def key(self) -> Key: ...
    @property
    def fleet(self) -> Store: ...


class AccountsRefused(ProvisioningError):
    """Nothing was written; `problems` says which record, by its place from 1, and why, by field."""

    def __init__(self, problems: Mapping[int, Mapping[str, str]]) -> None:
        super().__init__(
            "；".join(f"第 {row} 条：{'，'.join(fields.values())}" for row, fields in sorted(problems.items()))
        )
        self.problems = problems


def import_accounts(county: Keeper, records: object) -> dict[str, int]:
    """Make or change accounts: `{username, name, roles, station, department?, title?, password?, active?}` each.

    A record without a password keeps the password that the account has. All or nothing: any bad record refuses all.
    """
    if not isinstance(records, list) or not records:
        raise AccountsRefused({0: {"": "要一列账号，每个账号是一个对象"}})
    problems: dict[int, Mapping[str, str]] = {}
    places: dict[tuple[str, str], int] = {}
    for row, record in enumerate(records, start=1):
        found = _problems(county, record)
        if not found:
            first = places.setdefault((record["station"], record["username"]), row)
            if first != row:
                found = {"username": f"{record['username']} 和第 {first} 条重复"}
        if found:
            problems[row] = found
    if problems:
        raise AccountsRefused(problems)
    _keep_an_administrator(county, records)
    # Hashing takes its time and can fail for nobody: all of it comes before the first write.
    ready = list(_changes(county, records))
    for store, document, _before in ready:
        store.update(sign_document(document, county.key.id, county.key.sign))
    made = sum(before is None for _, _, before in ready)
    return {"made": made, "changed": len(ready) - made}


def account_at(county: Keeper, station: str, username: str) -> Document | None:
    store = county.databases.existing(accounts_database(station)) if _kind(county, station) else None
    return store.get(f"account:{username}") if store is not None else None


def accounts_at(county: Keeper, station: str) -> list[Document]:
    """The accounts of one station, in the order of their names for signing in."""
    store = county.databases.existing(accounts_database(station))
    return store.range("account:", "account;") if store is not None else []


def _changes(county: Keeper, records: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Store, Document, Document | None]]:
    for record in records:
        store = county.databases.open(accounts_database(record["station"]))
        before = store.get(f"account:{record['username']}")
        document = _account(record, before)
        if before is None:
            yield store, document, None
        elif any(before.get(name) != value for name, value in document.items()):
            yield store, {**document, "_rev": before["_rev"]}, before


def _account(record: Mapping[str, Any], before: Document | None) -> Document:
    password = record.get("password")
    return account.build(
        username=record["username"],
        name=record["name"].strip(),
        roles=list(record["roles"]),
        station=record["station"],
        department=record.get("department") or None,
        title=record.get("title") or None,
        password_hash=hash_password(password) if password is not None else str((before or {})["password_hash"]),
        active=record.get("active", (before or {}).get("active", True)),
    )


def _problems(county: Keeper, record: Any) -> dict[str, str]:
    """What is wrong with one record, by field; sentences are said to a person."""
    if not isinstance(record, dict):
        return {"": "要是一个对象"}
    found: dict[str, str] = {str(name): f"没有“{str(name)[:40]}”这一栏" for name in record if name not in FIELDS}
    station, username, roles = record.get("station"), record.get("username"), record.get("roles")
    kind = _kind(county, station)
    if kind is None:
        found["station"] = f"没有代码为 {str(station)[:40]} 的站点，先添加站点"
    if not isinstance(username, str) or not re.fullmatch(account.USERNAME, username):
        found["username"] = "用户名要 2 到 40 个小写字母、数字或 . _ -，以字母或数字开头"
        username = None
    if not _text(record.get("name"), 60) or not record["name"].strip():
        found["name"] = "写上姓名，不超过 60 个字"
    if (
        not isinstance(roles, list)
        or not roles
        or not all(isinstance(role, str) and role in account.ROLES for role in roles)
    ):
        found["roles"] = f"选一个角色：{'、'.join(account.ROLES)}"
    elif kind is not None and not set(roles) <= set(ROLES_AT[kind]):
        found["roles"] = f"这里的账号只能是{'、'.join(account.ROLES[role] for role in ROLES_AT[kind])}"
    elif account.OF_A_DEPARTMENT & set(roles) and not record.get("department"):
        found["department"] = "审批人员和部门审核人要写明部门，办件和事项按部门分到人"
    if record.get("department") is not None and not _text(record["department"], 40):
        found["department"] = "部门名称不超过 40 个字"
    if record.get("title") is not None and not _text(record["title"], 60):
        found["title"] = "职务不超过 60 个字"
    if not isinstance(record.get("active", True), bool):
        found["active"] = "停用写 false，启用写 true"
    return found | _password_problem(county, record, station if kind else None, username)


def _password_problem(
    county: Keeper, record: Mapping[str, Any], station: str | None, username: str | None
) -> dict[str, str]:
    password = record.get("password")
    if password is None:
        if station is not None and username is not None and account_at(county, station, username) is None:
            return {"password": f"新账号 {username} 要设一个密码"}
        return {}
    if not isinstance(password, str) or not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        return {"password": f"密码要 {SHORTEST_PASSWORD} 到 {LONGEST_PASSWORD} 位"}
    if username is not None and password.lower() == username:
        return {"password": "密码不能和用户名一样"}
    return {}


def _keep_an_administrator(county: Keeper, records: Sequence[Mapping[str, Any]]) -> None:
    """Nobody could let anybody in again if the last administrator went."""
    now = {document["username"]: document for document in accounts_at(county, county.code)}
    then = dict(now)
    for record in records:
        if record["station"] == county.code:
            active = record.get("active", now.get(record["username"], {}).get("active", True))
            then[record["username"]] = {**record, "active": active}
    if _administrators(now) and not _administrators(then):
        raise AccountsRefused({1: {"active": "这是最后一个县管理员，要留一个在用的"}})


def _administrators(accounts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    return [name for name, document in accounts.items() if document["active"] and "admin" in document["roles"]]


def _kind(county: Keeper, station: object) -> str | None:
    """What kind of station this is; None when there is none of this code."""
    if not isinstance(station, str):
        return None
    if station == county.code:
        return "county"
    known = county.fleet.get(f"station:{station}")
    return str(known["kind"]) if known is not None else None


def _text(value: object, most: int) -> bool:
    return isinstance(value, str) and len(value) <= most and all(character.isprintable() for character in value)
