"""Where items stand, and everything that ever happened to them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from casework.canonical import Document, content_hash
from central.catalogue.drafts import DRAFTING, act_id, draft_of
from central.catalogue.lifecycle import Somebody, sees
from central.catalogue.publishing import published_item
from provisioning.county import County

_READ_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an item stands. `hash` names its content as it is now: an approval says it again."""

    code: str
    name: str
    department: str
    state: str
    rev: str
    hash: str
    item: Document
    draft: Document
    published: Document | None

    @property
    def rivals(self) -> list[int]:
        """The acts by which others' changes were kept aside; they wait to be settled."""
        return list(self.draft.get("rivals", ()))

    @property
    def returned(self) -> Mapping[str, Any] | None:
        """Who returned it, as which body, and why; None when it was not."""
        found: Mapping[str, Any] | None = self.draft.get("returned")
        return found

    @property
    def stored(self) -> Document | None:
        """The approved content that stands beside a newer draft."""
        found: Document | None = self.draft.get("stored")
        return found


@dataclass(frozen=True, slots=True)
class History:
    """Everything that happened to an item: its acts in order, the versions that were replaced (备案), newest first,
    and the one in force."""

    acts: list[Document]
    versions: list[Document]
    in_force: Document | None


def state_of(county: County, code: str) -> Standing | None:
    """Where the item of this code stands; None when there is no draft of it."""
    draft = draft_of(county, code)
    return _standing(draft, published_item(county, code)) if draft is not None else None


def _standing(draft: Document, published: Document | None) -> Standing:
    item = draft["item"]
    return Standing(
        item["code"], item["name"], item["department"], draft["state"], draft["_rev"], content_hash(item), item, draft,
        published,
    )  # fmt: skip


def history(county: County, code: str) -> History:
    """The acts of this item, the versions that it had, and what is in force."""
    drafting = county.databases.open(DRAFTING)
    return History(
        drafting.range(f"act:{code}:", f"act:{code}:\uffff"),
        drafting.range(f"version:{code}:", f"version:{code}:\uffff", descending=True),
        published_item(county, code),
    )


def rivals_of(county: County, code: str) -> list[Document]:
    """The acts that keep others' changes aside: each with its `item`, `by`, `name`, `at`."""
    draft = draft_of(county, code) or {}
    return county.databases.open(DRAFTING).read(act_id(code, number) for number in draft.get("rivals", ()))


def submitted_content(county: County, code: str, hash_: str) -> Document | None:
    """The content of this hash, if it was once submitted: what somebody looked at before it changed."""
    for act in reversed(history(county, code).acts):
        if act.get("hash") == hash_ and "item" in act:
            found: Document = act["item"]
            return found
    return None


@dataclass(frozen=True, slots=True)
class Row:
    """An item in a list: what the rules ask of its draft, and its hash, without its content."""

    code: str
    name: str
    department: str
    type: str
    state: str
    hash: str
    at: str
    draft: Document

    @property
    def returned(self) -> Mapping[str, Any] | None:
        found: Mapping[str, Any] | None = self.draft.get("returned")
        return found


class Board:
    """Where all items stand, kept up with the drafts as they change: a county's two thousand are not read again for
    every page. Each process has its own.
    """

    def __init__(self, county: County) -> None:
        self._county = county
        self._rows: dict[str, Row] = {}
        self._seq = 0
        self._lock = threading.Lock()

    def rows(self, who: Somebody) -> list[Row]:
        """The items that are any business of theirs, in the order of codes."""
        with self._lock:
            self._follow()
            return [row for _, row in sorted(self._rows.items()) if sees(who, row.draft)]

    def _follow(self) -> None:
        store = self._county.databases.open(DRAFTING)
        while changes := store.changes_since(self._seq, _READ_AT_ONCE):
            for seq, id_, deleted, document in changes:
                self._seq = seq
                if id_.startswith("draft:"):
                    self._rows.pop(id_, None)
                    if not deleted:
                        self._rows[id_] = _row(document)


def _row(draft: Document) -> Row:
    item = draft["item"]
    light = {name: value for name, value in draft.items() if name not in ("item", "stored")}
    light["item"] = {"code": item["code"], "name": item["name"], "department": item["department"]}
    if "stored" in draft:
        light["stored"] = True
    return Row(
        item["code"], item["name"], item["department"], item["type"], draft["state"], content_hash(item), draft["at"],
        light,
    )  # fmt: skip
