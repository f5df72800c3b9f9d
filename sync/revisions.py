"""Revision trees as CouchDB keeps them: merging, winner, leaves, stemming, what is missing. Pure.

A tree is kept as the union of its edges (revision to parent). Merging a path adds edges, so any order of
merging gives the same tree; CouchDB's forest of paths is the same thing, with a revision that two stems share
written twice.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

DEFAULT_REVS_LIMIT = 1000
MAX_GENERATION = 2**53 - 1
_REVISION = re.compile(r"([1-9][0-9]{0,15})-([A-Za-z0-9._~+/=-]{1,128})", re.ASCII)
_REVISION_ELSEWHERE = re.compile(r"[1-9][0-9]{0,999}-.+", re.DOTALL)
_FIRST_REVISION = re.compile(r"1-[A-Za-z0-9._~+/=-]{1,128}", re.ASCII)


class BadRevision(ValueError):
    """Not a revision, or one whose generation no honest history reaches."""


def parse_revision(rev: object) -> tuple[int, str]:
    """`"3-abc"` as (3, "abc"), which also sorts as CouchDB sorts. Raises `BadRevision`."""
    match = _REVISION.fullmatch(rev) if isinstance(rev, str) else None
    if match is None:
        raise BadRevision(f"Invalid rev format: {str(rev)[:80]!r}")
    generation = int(match[1])
    if generation > MAX_GENERATION:
        raise BadRevision(f"Revision generation too high: {match[1]}")
    return generation, match[2]


def check_revision(rev: object) -> None:
    """Raises `BadRevision` for what `parse_revision` would not take."""
    if not (isinstance(rev, str) and _FIRST_REVISION.fullmatch(rev)):
        parse_revision(rev)


def is_revision_elsewhere(rev: object) -> bool:
    """Whether a peer may take it for one: CouchDB minds neither the generation nor what stands behind it."""
    return isinstance(rev, str) and _REVISION_ELSEWHERE.fullmatch(rev) is not None


def _order(rev: str) -> tuple[int, str]:
    """The sort key of a revision that has been parsed before."""
    generation, _, digest = rev.partition("-")
    return int(generation), digest


def path_of(rev: object, revisions: object = None) -> tuple[str, ...]:
    """The revision and its ancestors, newest first, from a document's `_rev` and `_revisions` (either may be
    absent).

    Raises `BadRevision` when they are malformed or do not agree.
    """
    if revisions is None:
        check_revision(rev)
        assert isinstance(rev, str)
        return (rev,)
    if not isinstance(revisions, dict):
        raise BadRevision("_revisions must be an object")
    start, ids = revisions.get("start"), revisions.get("ids")
    if type(start) is not int or not isinstance(ids, list) or not 1 <= len(ids) <= start <= MAX_GENERATION:
        raise BadRevision("_revisions must have a start and no more ids than that")
    path = tuple(f"{start - depth}-{digest}" for depth, digest in enumerate(ids))
    for step in path:
        parse_revision(step)
    if rev is not None and rev != path[0]:
        raise BadRevision("_rev is not the first of _revisions")
    return path


def first_revision(rev: object, revisions: object = None) -> str | None:
    """The `_rev` of a document that has this first revision and no other; None for all else, which `path_of` judges."""
    if not (isinstance(rev, str) and _FIRST_REVISION.fullmatch(rev)):
        return None
    if revisions is None:
        return rev
    if not isinstance(revisions, dict):
        return None
    start = revisions.get("start")
    return rev if type(start) is int and start == 1 and revisions.get("ids") == [rev[2:]] else None


def revisions_field(path: Sequence[str]) -> dict[str, object]:
    """`_revisions` for a path, newest first."""
    return {"start": _order(path[0])[0], "ids": [rev.partition("-")[2] for rev in path]}


@dataclass(frozen=True, slots=True)
class RevisionTree:
    """Every revision that is known of one document: its parents (none for a root), and which ones are
    deletions.
    """

    parents: Mapping[str, frozenset[str]] = field(default_factory=dict)
    deleted: frozenset[str] = frozenset()

    def __contains__(self, rev: str) -> bool:
        return rev in self.parents

    def leaves(self) -> list[str]:
        """The revisions that nothing follows: the winner first, then as CouchDB lists them."""
        followed: set[str] = set().union(*self.parents.values())
        return sorted(
            (rev for rev in self.parents if rev not in followed),
            key=lambda rev: (rev not in self.deleted, *_order(rev)),
            reverse=True,
        )

    def winner(self) -> str:
        """Not deleted before deleted, then the highest generation, then the greatest hash by ASCII."""
        return self.leaves()[0]

    def conflicts(self) -> list[str]:
        """The losing leaves that are not deleted."""
        return [rev for rev in self.leaves()[1:] if rev not in self.deleted]

    def deleted_conflicts(self) -> list[str]:
        """The losing leaves that are deleted."""
        return [rev for rev in self.leaves()[1:] if rev in self.deleted]

    def path(self, rev: str) -> tuple[str, ...]:
        """The revision and its known ancestors, newest first (where stems meet: along the greater one)."""
        steps = [rev]
        while parents := self.parents.get(steps[-1]):
            steps.append(max(parents, key=_order))
        return tuple(steps)

    def merge(self, path: Sequence[str], *, deleted: bool, revs_limit: int = DEFAULT_REVS_LIMIT) -> RevisionTree:
        """This tree with one revision and its ancestors (newest first) in it; the same object if nothing is
        new.
        """
        parents = dict(self.parents)
        changed = False
        path = path[:revs_limit]
        for depth, rev in enumerate(path):
            known = parents.get(rev)
            above = frozenset(path[depth + 1 : depth + 2])
            if known is None or not above <= known:
                parents[rev] = above | (known or frozenset())
                changed = True
        if not changed:
            return self
        # Whether an ancestor was a deletion is only known to those who have seen it themselves.
        marks = self.deleted | {path[0]} if deleted and path[0] not in self.parents else self.deleted
        merged = RevisionTree(parents, marks).stemmed(revs_limit)
        return self if merged == self else merged

    def stemmed(self, revs_limit: int) -> RevisionTree:
        """Without the ancestors that are `revs_limit` or more generations above every leaf that descends from
        them.
        """
        if len(self.parents) <= revs_limit:
            return self
        left: dict[str, int] = {}
        pending = [(leaf, revs_limit) for leaf in self.leaves()]
        while pending:
            rev, steps = pending.pop()
            if steps <= left.get(rev, 0):
                continue
            left[rev] = steps
            pending.extend((parent, steps - 1) for parent in self.parents[rev])
        return RevisionTree(
            {rev: frozenset(p for p in above if p in left) for rev, above in self.parents.items() if rev in left},
            frozenset(rev for rev in self.deleted if rev in left),
        )

    def missing(self, revs: Iterable[str]) -> list[str]:
        """Of these revisions the ones that are not known here."""
        return [rev for rev in revs if rev not in self.parents]

    def possible_ancestors(self, missing: Sequence[str]) -> list[str]:
        """The leaves that are older than one of the missing revisions."""
        highest = max((_order(rev)[0] for rev in missing), default=0)
        return [rev for rev in self.leaves() if _order(rev)[0] < highest]

    def leaves_after(self, rev: str) -> list[str]:
        """The leaves that descend from `rev` (or are it), the greatest first: what `latest=true` opens."""
        leaves = self.leaves()
        if rev in leaves:
            # What replicators ask for, nearly always.
            return [rev]
        found: list[str] = []
        for leaf in leaves if rev in self.parents else ():
            pending, seen = [leaf], {leaf}
            while pending:
                step = pending.pop()
                if step == rev:
                    found.append(leaf)
                    break
                fresh = self.parents[step] - seen
                seen |= fresh
                pending.extend(fresh)
        return found

    def to_text(self) -> str:
        """How the store keeps it: paths from the leaves down to a revision already written, then the
        deletions.
        """
        paths: list[list[object]] = []
        written: set[str] = set()
        starts: list[tuple[str, str | None]] = [(leaf, None) for leaf in self.leaves()]
        while starts:
            rev, child = starts.pop()
            steps = [child, rev] if child else [rev]
            while rev not in written:
                written.add(rev)
                above = sorted(self.parents[rev], key=_order)
                if not above:
                    break
                starts.extend((other, rev) for other in above[:-1])
                rev = above[-1]
                steps.append(rev)
            paths.append([_order(steps[0])[0], *(step.partition("-")[2] for step in steps)])
        return json.dumps([paths, sorted(self.deleted)], separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> RevisionTree:
        """The tree that `to_text` wrote."""
        paths, deleted = json.loads(text)
        parents: dict[str, frozenset[str]] = {}
        for start, *digests in paths:
            path = [f"{start - depth}-{digest}" for depth, digest in enumerate(digests)]
            for depth, rev in enumerate(path):
                parents[rev] = parents.get(rev, frozenset()) | frozenset(path[depth + 1 : depth + 2])
        return cls(parents, frozenset(deleted))

    @classmethod
    def single(cls, rev: str, *, deleted: bool) -> RevisionTree:
        """The tree of a document that has one revision: nearly all of them."""
        return cls({rev: frozenset()}, frozenset((rev,)) if deleted else frozenset())


_FIRST_EDIT = json.dumps([None, False, []]).encode() + b"\n"


def next_revision(parent: str | None, *, deleted: bool, body: bytes, attachments: Iterable[str] = ()) -> str:
    """The revision id of an edit: the same edit of the same parent gives the same id, here and elsewhere.

    `body` is the JSON of the document without its `_` fields, keys sorted; `attachments` are names and
    digests. Raises `BadRevision` when no generation is left.
    """
    generation = (_order(parent)[0] if parent else 0) + 1
    if generation > MAX_GENERATION:
        raise BadRevision("Revision generation too high")
    names = sorted(attachments)
    if not (parent or deleted or names):
        return first_edit(body)
    whole = hashlib.sha256(json.dumps([parent, deleted, names]).encode() + b"\n" + body)
    return f"{generation}-{whole.hexdigest()[:32]}"


def first_edit(body: bytes) -> str:
    """The same for a new document without files."""
    return "1-" + hashlib.sha256(_FIRST_EDIT + body).hexdigest()[:32]
