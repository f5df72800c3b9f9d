"""What every kind of event states about itself: its shape, what it demands, what it does to a case."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Any

import orjson

from casework import schemas
from casework.canonical import Document, NotCanonical, canonical
from casework.case import Act, Case
from casework.documents.event import By
from casework.rights import RIGHTS
from casework.times import civil_date, parse_rfc3339, rfc3339
from casework.transitions import TRANSITIONS

Demands = Callable[[Case | None, Mapping[str, Any], Document | None], dict[str, str]]
Apply = Callable[[Case, Document, datetime], None]


def demands_nothing(_case: Case | None, _data: Mapping[str, Any], _item: Document | None) -> dict[str, str]:
    """The shape says it all."""
    return {}


def changes_nothing(_case: Case, _event: Document, _at: datetime) -> None:
    """What this kind does is worked out over the whole case (`casework.fold`), not act by act."""


@dataclass(frozen=True)
class Kind:
    """One kind of event (事件种类).

    `schema` is the shape of `data`. `demands(case, data, item)` gives dotted path → sentence for what the
    shape cannot say; `case` is None when only the data itself can be judged, `item` None where the catalogue
    is not at hand. `apply(case, event, at)` writes into the case what the act brings; `at` is the corrected
    time.
    """

    kind: str
    schema: dict[str, Any] = field(repr=False)
    demands: Demands = demands_nothing
    apply: Apply = changes_nothing

    @property
    def title(self) -> str:
        """The act's name as people read it."""
        return TRANSITIONS[self.kind].title

    @property
    def roles(self) -> frozenset[str]:
        """The roles that may do it somewhere; where and when is `casework.rights.may`."""
        return frozenset(role for role, _, _ in RIGHTS[self.kind])

    @property
    def from_states(self) -> frozenset[str]:
        """The states in which it is possible."""
        return TRANSITIONS[self.kind].from_states

    @cached_property
    def _validator(self) -> Any:
        return schemas.validator(self.schema)

    @cached_property
    def _problems_of(self) -> Callable[[bytes], dict[str, str]]:
        # An act is looked at when it is proposed, when it is previewed and whenever its case is told anew.
        @lru_cache(maxsize=64)
        def problems_of(content: bytes) -> dict[str, str]:
            return schemas.problems(self.schema, orjson.loads(content), compiled=self._validator)

        return problems_of

    def _unlike_schema(self, data: Mapping[str, Any]) -> dict[str, str]:
        try:
            content = canonical(dict(data))
        except NotCanonical:
            return schemas.problems(self.schema, data, compiled=self._validator)
        return dict(self._problems_of(content))

    def problems(self, case: Case | None, data: Mapping[str, Any], item: Document | None = None) -> dict[str, str]:
        """Dotted path within `data` → sentence for everything that must be mended; empty when the act can be
        written.
        """
        return self._unlike_schema(data) or dict(sorted(self.demands(case, data, item).items()))


HAPPENED_AT = {
    "title": "实际时间",
    "type": "string",
    "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$",
}
"""When it really happened, RFC 3339, for what was done on paper first (补录)."""


def happened(event: Document, at: datetime) -> datetime:
    """When the act took effect: the moment that its data names, else when it was entered. Never after it was entered:
    a clock that ran ahead must not lengthen anybody's limit."""
    named = event["data"].get("happened_at")
    if named is None:
        return at
    try:
        return min(parse_rfc3339(named), at)
    except ValueError:
        return at


def when(moment: datetime) -> tuple[str, str]:
    """A moment as deadlines have it: RFC 3339 UTC, and the date at +08:00."""
    return rfc3339(moment), civil_date(moment).isoformat()


def act_of(event: Document, at: datetime) -> Act:
    """By whom, where and when, as a case tells it."""
    by = event["by"]
    return Act(
        event=event["_id"],
        by=By(account=by["account"], name=by["name"], role=by["role"], department=by.get("department")),
        station=event["station"],
        at=rfc3339(at),
        on=civil_date(at).isoformat(),
    )
