"""How new the guide is that this station answers from: whether it is the county's newest, and if not, why not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from casework.documents.release import ReleaseProblem
from casework.times import parse_rfc3339
from node.guides import ReleaseInUse
from web.wording import moment, span


@dataclass(frozen=True, slots=True)
class Freshness:
    """`state` in one word; `sentence` for a page, empty where there is nothing to say; `age` is how long ago the
    release in use was published.

    none: no release yet. current: the newest that is known. arriving: a newer one is not here whole. refused: a newer
    one is not to be trusted. old: nobody has heard for too long whether there is a newer one.
    """

    state: Literal["none", "current", "arriving", "refused", "old"]
    sentence: str
    age: timedelta | None

    @property
    def is_stale(self) -> bool:
        """Whether it is to be said on every page."""
        return self.state in ("refused", "old")


def freshness(
    release: ReleaseInUse | None,
    problems: Sequence[ReleaseProblem],
    *,
    confirmed_at: datetime | None,
    now: datetime,
    stale_after: timedelta,
) -> Freshness:
    """`confirmed_at` is when the county last said that it has nothing newer; `stale_after` how long that holds good."""
    refused = next((problem for problem in problems if problem.what != "missing"), None)
    if release is None:
        return Freshness("none", refused.sentence if refused is not None else "指南还在路上。", None)
    published = parse_rfc3339(release.at)
    age = now - published
    used = f"现在用的是第 {release.number:06d} 版（{moment(published, now)}发布）"
    if refused is not None:
        return Freshness(
            "refused", f"县中心发来的新一版指南不能用：{refused.sentence}{used}。请告诉县中心管理员。", age
        )
    known = max(filter(None, (confirmed_at, parse_rfc3339(release.since))))
    if now - known > stale_after:
        why = f"已经 {span(now - known)}没有从县中心收到指南的消息"
        return Freshness("old", f"指南可能旧了：{why}，县里也许有新的规定。{used}。", age)
    if problems:
        return Freshness("arriving", f"新一版指南正在路上，还差 {len(problems)} 项以上；{used}。", age)
    return Freshness("current", "", age)
