"""Taking in a case: from what the agent typed to signed events on the disk, once and only once."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from random import Random
from typing import Any

from casework.canonical import Document
from casework.channels import CHANNELS
from casework.documents import chunk
from casework.flow import accepted_at_the_counter
from casework.forms import received_materials, tidy_applicant, validate_intake
from casework.identifiers import tidy_id_number
from casework.numbers import case_number
from casework.times import CHINA
from casework.transitions import CLOSED_STATES
from node.drafts import DraftFile
from sync.store import Store
from web.cases.casebook import Casebook
from web.cases.desk import Act, Desk, Person
from web.errors import Problem


@dataclass(frozen=True)
class Opened:
    """A case that is safe on the disk; `created` is False when this very request had been carried out before."""

    number: str
    created: bool
    warnings: dict[str, str]


class Intake:
    """Opens cases at one station. One at a time, so that a key that comes twice at once still makes one case."""

    def __init__(
        self,
        *,
        desk: Desk,
        casebook: Casebook,
        home: Callable[[], Store],
        item: Callable[[str], Document | None],
        random: Random,
    ) -> None:
        self._desk = desk
        self._casebook = casebook
        self._home = home
        self._item = item
        self._random = random
        self._lock = threading.Lock()

    def check(self, intake: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
        """Problems (must be mended) and warnings (must be seen), by dotted path, without saving anything."""
        item = self._known_item(intake)
        problems, warnings = validate_intake(item, intake, today=self._today())
        if intake.get("channel", "counter") not in CHANNELS:
            problems["channel"] = "请选服务方式：" + "、".join(CHANNELS.values()) + "。"
        applicant = intake.get("applicant")
        id_number = applicant.get("id_number") if isinstance(applicant, dict) else None
        if isinstance(id_number, str) and id_number:
            other = self._casebook.open_case_of(item["code"], tidy_id_number(id_number), closed=CLOSED_STATES)
            if other is not None:
                warnings["applicant.id_number"] = (
                    f"这位办事人还有一件同样的事没办完（编号后两段 {other.number[-10:]}），先看看是不是重复。"
                )
        return problems, warnings

    def open_case(
        self,
        intake: Mapping[str, Any],
        by: Person,
        *,
        idempotency_key: str,
        files: Sequence[DraftFile] = (),
    ) -> Opened:
        """Receive and accept a case, with the photos that came before it; then it survives a power cut.

        The same key again gives the same case. The same key with other content is refused (409) rather than dropped:
        a draft that was changed in a second tab after it was saved in the first must not lose its words silently.
        """
        note_id = "idempotency:" + hashlib.sha256(f"{by.account}\n{idempotency_key}".encode()).hexdigest()[:32]
        with self._lock:
            problems, warnings = self.check(intake)
            note = self._home().local(note_id)
            if note is not None:
                return self._again(note, intake)
            if problems:
                raise Problem(422, "not_complete", f"有 {len(problems)} 处要改，改好就能保存。", fields=problems)
            item = self._known_item(intake)
            received = _received(item, intake)
            number = case_number(
                self._desk.station,
                self._today(),
                self._casebook.next_serial(self._desk.station, self._today()),
                self._random,
            )
            acts, chunks = [Act("received", received)], []
            if accepted_at_the_counter(item["terms"]):
                acts.append(Act("accepted"))
            for file in files:
                pieces, manifest = chunk.cut(number, file.content)
                entry = {"name": file.name, "type": file.content_type, **manifest}
                acts.append(Act("material_added", {"material": file.material, "file": entry}))
                chunks += pieces
            note = {"case": number, "content": _fingerprint(intake)}
            self._desk.write(number, acts, by, beside=chunks, notes={note_id: note})
            return Opened(number, created=True, warnings=warnings)

    def _again(self, note: Document, intake: Mapping[str, Any]) -> Opened:
        number = str(note["case"])
        if note["content"] == _fingerprint(intake):
            return Opened(number, created=False, warnings={})
        raise Problem(
            409,
            "saved_with_other_content",
            f"这份草稿已经保存成办件 {number}。现在的内容和那时不一样，没有再存；要改请打开那个办件更正。",
            fields={"case": number},
        )

    def _today(self) -> date:
        return self._desk.reading().corrected.astimezone(CHINA).date()

    def _known_item(self, intake: Mapping[str, Any]) -> Document:
        code = intake.get("item")
        item = self._item(code) if isinstance(code, str) else None
        if item is None:
            raise Problem(
                422,
                "not_complete",
                "有 1 处要改，改好就能保存。",
                fields={"item": "没有这个事项，请从指南里重新选。"},
            )
        return item


def _fingerprint(intake: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(intake, sort_keys=True).encode()).hexdigest()


def _received(item: Document, intake: Mapping[str, Any]) -> dict[str, Any]:
    """The data of the `received` event: what the person handed in, and the terms under which it is accepted."""
    return {
        "item": item["code"],
        "terms": item["terms"],
        "terms_sig": item["terms_sig"],
        "terms_key": item["terms_key"],
        "applicant": tidy_applicant(intake["applicant"]),
        "channel": intake.get("channel", "counter"),
        "form": intake.get("form", {}),
        "materials": received_materials(item, intake.get("materials")),
    }
