"""The straight road: documents of one first revision and nothing else special, judged and carried many at a time.

Nearly all documents are such, and a function call for each costs more than to write it down. `sync.bodies` and
`sync.revisions` judge all others: what is taken here they would have taken, and the store is the same afterwards.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, Final, NamedTuple, Protocol, runtime_checkable

import orjson

from sync.bodies import AS_JSON_HAS_THEM, MAX_ID_BYTES, parse_json
from sync.peer import Changes, Document, Seq, onward
from sync.revisions import first_edit, first_revision, revisions_field

_FIRST_REVISIONS: Final = re.compile(r"(?:1-[A-Za-z0-9._~+/=-]{1,128}\n)+", re.ASCII)


class Plain(NamedTuple):
    """Undeleted documents without files, each of one revision of the first generation, no id twice.

    `contents` are JSON objects as `json_bytes` writes them, without protocol fields. `parsed` are the same documents
    where they have been at hand.
    """

    ids: list[str]
    revs: list[str]
    contents: list[bytes]
    parsed: Sequence[Document] | None = None

    @property
    def size(self) -> int:
        """How many bytes the contents have together."""
        return sum(map(len, self.contents))

    def bodies(self) -> list[bytes]:
        """Each as the JSON of a whole document; the content is not parsed for it."""
        return [
            b'{"_id":%b,"_rev":"%b","_revisions":{"start":1,"ids":["%b"]}%b%b'
            % (orjson.dumps(id_), rev.encode(), rev[2:].encode(), b"," if len(content) > 2 else b"", content[1:])
            for id_, rev, content in zip(self.ids, self.revs, self.contents, strict=True)
        ]

    def documents(self) -> Sequence[Document]:
        """The same, parsed."""
        if self.parsed is not None:
            return self.parsed
        return [
            {"_id": id_, "_rev": rev, "_revisions": revisions_field((rev,)), **parse_json(content)}
            for id_, rev, content in zip(self.ids, self.revs, self.contents, strict=True)
        ]

    def only(self, wanted: Iterable[str]) -> Plain:
        """Those among them that have these ids."""
        ids = set(wanted)
        places = [place for place, id_ in enumerate(self.ids) if id_ in ids]
        return Plain(
            [self.ids[place] for place in places],
            [self.revs[place] for place in places],
            [self.contents[place] for place in places],
            None if self.parsed is None else [self.parsed[place] for place in places],
        )


class PlainPage(NamedTuple):
    """A stretch of a changes feed of nothing but such documents; `last_seq` is where to go on."""

    plain: Plain
    last_seq: Seq

    def after(self, since: Seq) -> Seq:
        """As `Changes.after`."""
        return onward(since, self.last_seq) if self.plain.ids else self.last_seq


@runtime_checkable
class PlainSource(Protocol):
    """A peer that can give them so."""

    def plain_pages(
        self, since: Seq, *, limit: Callable[[], int], most_bytes: int
    ) -> Generator[PlainPage | Changes, None, None]:
        """What comes after `since` with its documents, to the end of the feed: a page where all are plain, else as
        `changes` gives it. A page has at most as many as `limit` says when it is asked for, and a near one not much
        more than `most_bytes`.
        """
        ...


@runtime_checkable
class PlainTarget(Protocol):
    """A peer that can take them so."""

    @property
    def takes_plain(self) -> bool:
        """False where a rule looks at each document."""
        ...

    def write_plain(self, plain: Plain) -> bool:
        """Write all of them, durable on return. False: not all were taken, and they are to be written as any others
        are.
        """
        ...


def plain_documents(docs: Sequence[Document]) -> Plain | None:
    """Documents that keep their revisions, from JSON; None if one of them is for the general road to judge."""
    return _plain(docs, new_edits=False)


def plain_edits(docs: Sequence[Document]) -> Plain | None:
    """The same for new documents, from JSON, under the revisions that they get."""
    return _plain(docs, new_edits=True)


def _plain(docs: Sequence[Document], *, new_edits: bool) -> Plain | None:
    ids: list[str] = []
    revs: list[str] = []
    contents: list[bytes] = []
    names: set[str] = set()
    try:
        for doc in docs:
            content = doc.copy()
            ids.append(content.pop("_id"))
            if not new_edits:
                revs.append(rev := content.pop("_rev"))
                revisions = content.pop("_revisions", None)
                if revisions is not None and first_revision(rev, revisions) is None:
                    return None
            names.update(content)
            contents.append(orjson.dumps(content, option=AS_JSON_HAS_THEM))
            if new_edits:
                revs.append(first_edit(orjson.dumps(content, option=AS_JSON_HAS_THEM | orjson.OPT_SORT_KEYS)))
        fit = _are_plain(ids, names) and (new_edits or _are_first(revs))
        return Plain(ids, revs, contents, docs) if fit else None
    except (AttributeError, KeyError, TypeError):
        return None


def _are_plain(ids: Sequence[Any], names: set[str]) -> bool:
    """Whether all these are ids in ASCII, each once, and none of the names in the contents begins with `_`."""
    listed = "\n".join(ids)
    return (
        all(ids)
        and listed.isascii()
        and "\n_" not in "\n" + listed
        and max(map(len, ids), default=0) <= MAX_ID_BYTES
        and 0 < len(set(ids)) == len(ids)
        and not any(name[:1] == "_" for name in names)
    )


def _are_first(revs: Sequence[Any]) -> bool:
    listed = "\n".join(revs) + "\n"
    return listed.count("\n") == len(revs) and _FIRST_REVISIONS.fullmatch(listed) is not None
