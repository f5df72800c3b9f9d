"""Revisions as an answer shows them, with what was asked for beside them."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from typing import Any

from sync.bodies import json_bytes
from sync.peer import BadRequest, Document
from sync.revisions import RevisionTree, parse_revision, revisions_field
from sync.served import Revision
from sync.wsgi.asked import checked
from sync.wsgi.call import DatabaseCall


def whole(call: DatabaseCall, one: Revision) -> bytes:
    """A document in a list, with what was asked for beside it."""
    more: Document = {}
    if call.flag("conflicts") and (history := call.store.history(one.id)):
        more |= conflicts(history[0])
    return b"".join(pieces(call, one, more, since=None)) if call.flag("attachments") else one.bytes(more)


def opened(
    call: DatabaseCall, one: Revision, path: Sequence[str], *, known: Sequence[Any] | None = None
) -> Iterator[bytes]:
    """A revision with `_revisions` and attachments as asked (`known`: its own `atts_since`)."""
    more: Document = {"_revisions": revisions_field(path)} if call.flag("revs") else {}
    if one.attachments and (known is not None or wants_files(call)):
        return pieces(call, one, more, since=files_since(call, path, known))
    return iter((one.bytes(more),))


def wants_files(call: DatabaseCall) -> bool:
    """Whether files are asked for and not only their stubs."""
    return "atts_since" in call.args or call.flag("attachments")


def files_since(call: DatabaseCall, path: Sequence[str], known: Sequence[Any] | None = None) -> int | None:
    """The generation from which on files are new to whoever asks, by `atts_since`; None: all are."""
    if known is None:
        if "atts_since" not in call.args:
            return None
        known = call.parameter("atts_since")
    if not isinstance(known, list):
        raise BadRequest("atts_since must be an array of revisions.")
    generations = [parse_revision(checked(rev))[0] for rev in known if checked(rev) in path]
    return max(generations, default=None)


def pieces(call: DatabaseCall, one: Revision, more: Document, *, since: int | None) -> Iterator[bytes]:
    """A document with its files in it, piece by piece; files not newer than `since` stay stubs."""
    newer = {name for name, stub in one.attachments.items() if since is None or stub["revpos"] > since}
    if not newer:
        yield one.bytes(more)
        return
    yield one._replace(attachments={}, content=b"{}").bytes(more)[:-1] + b',"_attachments":{'
    between = b""
    for name, stub in one.attachments.items():
        yield between + json_bytes(name) + b":"
        between = b","
        if name not in newer:
            yield json_bytes(stub)
            continue
        entry = {key: stub[key] for key in ("content_type", "revpos", "digest")}
        yield json_bytes(entry)[:-1] + b',"data":"'
        yield from map(base64.b64encode, call.store.file(stub["digest"], 0, stub["length"]))
        yield b'"}'
    yield b"}}" if one.content == b"{}" else b"}," + one.content[1:]


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
