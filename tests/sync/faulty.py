"""A Peer whose calls fail at seeded points: before they act, or after, when only the answer is lost."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from sync.peer import Peer, Unreachable

_CALLS = (
    "info",
    "changes",
    "revs_diff",
    "bulk_get",
    "bulk_docs",
    "get_local",
    "put_local",
    "ensure_full_commit",
)


class FaultyPeer:
    """`peer`, but each call fails with the given probability. `watch` sees each call that acted."""

    def __init__(self, peer: Peer, random: Random, share: float, watch: Callable[[str], None] | None = None) -> None:
        self.peer = peer
        for call in _CALLS:
            setattr(self, call, self._faulty(call, getattr(peer, call), random, share, watch))
        self.attachment = peer.attachment

    @property
    def name(self) -> str:
        return self.peer.name

    @staticmethod
    def _faulty(
        call: str, act: Callable[..., Any], random: Random, share: float, watch: Callable[[str], None] | None
    ) -> Callable[..., Any]:
        def faulty(*args: Any, **kwargs: Any) -> Any:
            fate = random.random()
            if fate < share / 2:
                raise Unreachable(f"{call}: the line broke")
            answer = act(*args, **kwargs)
            if watch is not None:
                watch(call)
            if fate < share:
                raise Unreachable(f"{call}: the answer got lost")
            return answer

        return faulty
