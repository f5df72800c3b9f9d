"""Revisions as an answer shows them, with what was asked for beside them."""

from __future__ import annotations

from collections.abc import Sequence

from sync.peer import Document
from sync.revisions import RevisionTree, revisions_field
from sync.served import Revision
from sync.wsgi.call import DatabaseCall


def whole(call: DatabaseCall, one: Revision) -> bytes:
    """A document in a list, with what was asked for beside it."""
    more: Document = {}
    if call.flag("conflicts") and (history := call.store.history(one.id)):
        more |= conflicts(history[0])
    if one.attachments and call.flag("attachments"):
        more["_attachments"] = call.store.inlined(one.attachments)
    return one.bytes(more)


def opened(call: DatabaseCall, one: Revision, path: Sequence[str]) -> bytes:
    """A revision with `_revisions` and attachments as asked."""
    more: Document = {"_revisions": revisions_field(path)} if call.flag("revs") else {}
    if one.attachments and call.flag("attachments"):
        more["_attachments"] = call.store.inlined(one.attachments)
    return one.bytes(more)


def conflicts(tree: RevisionTree) -> Document:
    """`_conflicts`, if there are any."""
    found = tree.conflicts()
    return {"_conflicts": found} if found else {}


def revs_info(tree: RevisionTree, kept: set[str], rev: str) -> list[Document]:
    """`_revs_info`: a revision and its ancestors, and whether their content is still here."""

    def status(step: str) -> str:
        if step not in kept:
            return "missing"
        return "deleted" if step in tree.deleted else "available"

    return [{"rev": step, "status": status(step)} for step in tree.path(rev)]
