"""Who is let into a database, and what a member may not write whatever the database's own rule says."""

from __future__ import annotations

from typing import Final

from sync.peer import Document, Forbidden, Writer, WriteRule
from sync.served import Database

ANONYMOUS: Final = Writer("")


def admitted_by_security(store: Database, writer: Writer) -> bool:
    """CouchDB's membership: the county, and whom `_security` names or gives a role. An empty list admits
    nobody.
    """
    if writer.is_county:
        return True
    security = store.security()
    return any(_named(security.get(kind), writer) for kind in ("admins", "members"))


def administers(store: Database, writer: Writer) -> bool:
    """Whether this is a server admin or one of the database's own."""
    return writer.is_county or _named(store.security().get("admins"), writer)


def _named(group: object, writer: Writer) -> bool:
    if not isinstance(group, dict):
        return False
    names, roles = group.get("names"), group.get("roles")
    return (isinstance(names, list) and writer.name in names and writer.name != "") or (
        isinstance(roles, list) and any(role in writer.roles for role in roles)
    )


def members_rule(rule: WriteRule | None) -> WriteRule:
    """What holds for whoever is no admin besides the database's own rule: design documents are not theirs."""

    def with_design(document: Document, writer: Writer) -> None:
        if document["_id"].startswith("_design/"):
            raise Forbidden("You are not a db or server admin.")
        if rule is not None:
            rule(document, writer)

    return with_design
