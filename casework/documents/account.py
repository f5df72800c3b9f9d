"""An account (账号): who may sign in at one station, and as what."""

from __future__ import annotations

import re

from casework.canonical import Document
from casework.documents.document_type import CODE12, SIGNED, DocumentType, nullable, shape, text

ROLES = {
    "agent": "代办员",
    "township": "乡镇窗口人员",
    "head": "中心负责人",
    "reviewer": "县部门审批人员",
    "approver": "部门审核人",
    "staffing": "编办审核人",
    "service": "政务办审核人",
    "admin": "县管理员",
}
"""Roles by their identifiers; what each may do to a case is `casework.rights`, and to an item of the catalogue
`central.catalogue.lifecycle`."""

OF_A_DEPARTMENT = frozenset({"reviewer", "approver"})
"""Roles whose work is one department's: an account that has one says which."""

USERNAME = r"[a-z0-9][a-z0-9._-]{1,39}"

TYPE = DocumentType(
    name="account",
    title="账号",
    id_pattern=f"account:{USERNAME}",
    immutable=False,
    schema=shape(
        {
            "username": text(USERNAME),
            "name": {"type": "string", "minLength": 1, "maxLength": 60},
            "roles": {"type": "array", "items": {"enum": list(ROLES)}, "minItems": 1, "uniqueItems": True},
            "station": text(CODE12),
            "department": nullable({"type": "string", "minLength": 1, "maxLength": 40}),
            "password_hash": {"type": "string", "maxLength": 300},
            "active": {"type": "boolean"},
            "title": nullable({"type": "string", "maxLength": 60}),
            **SIGNED,
        },
        optional=frozenset({"title"}),
    ),
)


def build(
    *,
    username: str,
    name: str,
    roles: list[str],
    station: str,
    department: str | None,
    password_hash: str,
    active: bool = True,
    title: str | None = None,
) -> Document:
    """An unsigned account; the county signs it (`sign_document`). `password_hash` is an argon2 string, made
    elsewhere.

    Raises ValueError for a user name that cannot be an id, for an unknown role, and for a reviewer or an approver
    without a department: whose decisions would these be?
    """
    if not re.fullmatch(USERNAME, username):
        raise ValueError(f"a user name is 2 to 40 of a-z 0-9 . _ -, beginning with a letter or digit: {username!r}")
    if not roles or not set(roles) <= set(ROLES):
        raise ValueError(f"roles are some of {', '.join(ROLES)}: {roles!r}")
    if OF_A_DEPARTMENT & set(roles) and not department:
        raise ValueError("a reviewer and an approver belong to a department")
    return {
        "_id": f"account:{username}",
        "username": username,
        "name": name,
        "roles": sorted(set(roles)),
        "station": station,
        "department": department,
        "password_hash": password_hash,
        "active": active,
        "title": title,
    }
