"""Drafts: what an agent has typed and not yet saved as a case. They stay on the station and survive a power cut."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random
from typing import Any

from casework.times import parse_rfc3339, rfc3339
from web.localfile import LocalFile


@dataclass(frozen=True)
class Draft:
    """`id` is also the Idempotency-Key with which it becomes a case: two tabs on one draft make one case."""

    id: str
    account: str
    item: str
    item_name: str
    content: dict[str, Any]
    touched_at: datetime
    case: str | None
    # The release that brought each of its items as the draft was begun with them; empty for drafts of before.
    releases: tuple[int, ...] = ()

    @property
    def applicant(self) -> str:
        applicant = self.content.get("applicant") or {}
        return str(applicant.get("name") or "")


@dataclass(frozen=True)
class DraftFile:
    """A photo or PDF that came before the case: kept with the draft, so that an error in the form costs no photo."""

    id: str
    material: str
    name: str
    content_type: str
    content: bytes


class Drafts:
    """Thread-safe. What `keep` and `keep_file` were given is durable when they return."""

    def __init__(self, database: LocalFile, *, now: Callable[[], datetime], random: Random) -> None:
        self._database = database
        self._now = now
        self._random = random
        database.table(
            "drafts",
            {
                "id": str,
                "account": str,
                "item": str,
                "item_name": str,
                "content": str,
                "touched_at": str,
                "case_number": str,
                "releases": str,
            },
            pk="id",
        )
        database.index("drafts", "account", "touched_at")
        database.table(
            "draft_files",
            {"draft": str, "id": str, "material": str, "name": str, "content_type": str, "content": bytes},
            pk=("draft", "id", "material"),
        )

    def begin(
        self,
        account: str,
        item: str,
        item_name: str,
        content: dict[str, Any] | None = None,
        *,
        releases: Sequence[int] = (),
    ) -> Draft:
        """A new draft; `content` is what is known before anything is typed, `releases` those of its items."""
        identifier = f"{self._random.getrandbits(96):024x}"
        draft = Draft(identifier, account, item, item_name, content or {}, self._now(), None, tuple(releases))
        self._write(draft)
        return draft

    def keep(self, draft: Draft, content: dict[str, Any]) -> Draft:
        """Keep what was typed so far; durable when this returns."""
        kept = replace(draft, content=content, touched_at=self._now())
        self._write(kept)
        return kept

    def renew(self, draft: Draft, item_name: str, releases: Sequence[int]) -> Draft:
        """Go on with the items as a newer release has them; what was typed stays."""
        renewed = replace(draft, item_name=item_name, releases=tuple(releases), touched_at=self._now())
        self._write(renewed)
        return renewed

    def became(self, draft: Draft, case: str) -> None:
        """The draft is a case now; the row stays for a while so that its other tab is led there."""
        self._write(replace(draft, touched_at=self._now(), case=case))
        with self._database.writing() as db:
            db.execute("DELETE FROM draft_files WHERE draft = ?", (draft.id,))

    def get(self, draft_id: str, account: str) -> Draft | None:
        row = self._database.row("SELECT * FROM drafts WHERE id = ? AND account = ?", (draft_id, account))
        return _draft(row) if row is not None else None

    def open_ones(self, account: str) -> list[Draft]:
        """Drafts of this person that are not cases yet, the last touched first."""
        rows = self._database.rows(
            "SELECT * FROM drafts WHERE account = ? AND case_number IS NULL ORDER BY touched_at DESC LIMIT 50",
            (account,),
        )
        return [_draft(row) for row in rows]

    def discard(self, draft: Draft) -> None:
        with self._database.writing() as db:
            db.execute("DELETE FROM draft_files WHERE draft = ?", (draft.id,))
            db.execute("DELETE FROM drafts WHERE id = ?", (draft.id,))

    def keep_file(self, draft: Draft, material: str, name: str, content_type: str, content: bytes) -> None:
        """Keep a photo with the draft; the same one for the same material once."""
        file_id = hashlib.sha256(content).hexdigest()[:32]
        with self._database.writing() as db:
            db.execute(
                "INSERT OR IGNORE INTO draft_files (draft, id, material, name, content_type, content) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (draft.id, file_id, material, name, content_type, content),
            )

    def drop_file(self, draft: Draft, material: str, file_id: str) -> None:
        with self._database.writing() as db:
            db.execute(
                "DELETE FROM draft_files WHERE draft = ? AND material = ? AND id = ?", (draft.id, material, file_id)
            )

    def files(self, draft: Draft) -> list[DraftFile]:
        rows = self._database.rows("SELECT * FROM draft_files WHERE draft = ? ORDER BY rowid", (draft.id,))
        return [DraftFile(row["id"], row["material"], row["name"], row["content_type"], row["content"]) for row in rows]

    def file(self, draft: Draft, file_id: str) -> DraftFile | None:
        return next((file for file in self.files(draft) if file.id == file_id), None)

    def _write(self, draft: Draft) -> None:
        with self._database.writing() as db:
            db.execute(
                "INSERT OR REPLACE INTO drafts "
                "(id, account, item, item_name, content, touched_at, case_number, releases) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    draft.id,
                    draft.account,
                    draft.item,
                    draft.item_name,
                    json.dumps(draft.content, ensure_ascii=False),
                    rfc3339(draft.touched_at),
                    draft.case,
                    ",".join(map(str, draft.releases)),
                ),
            )


def _draft(row: dict[str, Any]) -> Draft:
    return Draft(
        row["id"],
        row["account"],
        row["item"],
        row["item_name"],
        json.loads(row["content"]),
        parse_rfc3339(row["touched_at"]),
        row["case_number"],
        tuple(map(int, row["releases"].split(","))) if row["releases"] else (),
    )
