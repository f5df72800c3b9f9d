"""A lane: part of a database, chosen by id, as a peer of its own, so that it is replicated at its own pace.

Text need not wait for pictures when each has a lane: the lane's name is part of the checkpoint's id, so each
has its own, and neither ever claims what the other has not carried.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sync.peer import (
    Attachment,
    Change,
    Changes,
    Document,
    Fetched,
    Missing,
    Peer,
    Seq,
    Style,
    Written,
)

# Of a lane in which little is chosen, so many rows of the whole feed are looked through in one answer.
LOOK_THROUGH = 2000


class Lane:
    """The documents of `peer` whose id is `chosen`; to be replicated from. All else is passed through.

    `left_out` says whether the feed had a row that was not chosen: if not, whoever takes the rest is as far as this.
    """

    def __init__(self, peer: Peer, lane: str, chosen: Callable[[str], bool]) -> None:
        self.left_out = False
        self._peer = peer
        self._lane = lane
        self._chosen = chosen

    @property
    def name(self) -> str:
        return f"{self._peer.name}#{self._lane}"

    @property
    def is_near(self) -> bool:
        return getattr(self._peer, "is_near", False)

    def changes(
        self,
        since: Seq = 0,
        *,
        limit: int | None = None,
        style: Style = "main_only",
        doc_ids: Sequence[str] | None = None,
        include_docs: bool = False,
        descending: bool = False,
    ) -> Changes:
        """As the peer's, only the chosen rows: full up to `limit` unless the feed has come to its end."""
        results: list[Change] = []
        while True:
            page = self._peer.changes(
                since,
                limit=LOOK_THROUGH if limit is not None else None,
                style=style,
                doc_ids=doc_ids,
                include_docs=include_docs,
                descending=descending,
            )
            for change in page.results:
                if self._chosen(change.id):
                    results.append(change)
                    if limit is not None and len(results) == limit:
                        return Changes(results, change.seq, None)
                else:
                    self.left_out = True
            if limit is None or page.is_last(LOOK_THROUGH):
                return Changes(results, page.last_seq, 0)
            since = page.after(since)

    def info(self) -> Document:
        return self._peer.info()

    def revs_diff(self, revs: Mapping[str, Sequence[str]]) -> dict[str, Missing]:
        return self._peer.revs_diff(revs)

    def bulk_get(self, wanted: Sequence[tuple[str, str]]) -> list[Fetched]:
        return self._peer.bulk_get(wanted)

    def bulk_docs(self, docs: Sequence[Document], *, new_edits: bool = True) -> list[Written]:
        return self._peer.bulk_docs(docs, new_edits=new_edits)

    def get_local(self, id: str) -> Document | None:
        return self._peer.get_local(id)

    def put_local(self, id: str, doc: Document) -> str:
        return self._peer.put_local(id, doc)

    def attachment(self, id: str, name: str, *, rev: str | None = None) -> Attachment | None:
        return self._peer.attachment(id, name, rev=rev)

    def ensure_full_commit(self) -> None:
        self._peer.ensure_full_commit()
