"""Taking in a case: from what the agent typed to signed events on the disk, once and only once."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from random import Random
from typing import Any

from casework.canonical import Document, canonical
from casework.forms import validate_intake
from casework.numbers import case_number
from casework.times import CHINA
from casework.transitions import CLOSED_STATES
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
        applicant = intake.get("applicant")
        id_number = applicant.get("id_number") if isinstance(applicant, dict) else None
        if isinstance(id_number, str) and id_number:
            other = self._casebook.open_case_of(item["code"], id_number.upper(), closed=CLOSED_STATES)
            if other is not None:
                warnings["applicant.id_number"] = (
                    f"这位办事人还有一件同样的事没办完（编号后两段 {other.number[-10:]}），先看看是不是重复。"
                )
        return problems, warnings

    def open_case(self, intake: Mapping[str, Any], by: Person, *, idempotency_key: str) -> Opened:
        """Receive and accept a case; when this returns, it survives a power cut.

        The same key again gives the same case. The same key with other content is refused (409) rather than dropped:
        a draft that was changed in a second tab after it was saved in the first must not lose its words silently.
        """
        note_id = "idempotency:" + hashlib.sha256(f"{by.account}\n{idempotency_key}".encode()).hexdigest()[:32]
        fingerprint = hashlib.sha256(canonical(dict(intake))).hexdigest()
        with self._lock:
            note = self._home().local(note_id)
            if note is not None:
                if note["content"] != fingerprint:
                    raise Problem(
                        409,
                        "saved_with_other_content",
                        f"这份草稿已经保存成办件 {note['case']}。现在的内容和那时不一样，没有再存；"
                        "要改请打开那个办件更正。",
                        fields={"case": str(note["case"])},
                    )
                return Opened(str(note["case"]), created=False, warnings={})
            problems, warnings = self.check(intake)
            if problems:
                raise Problem(422, "not_complete", f"有 {len(problems)} 处要改，改好就能保存。", fields=problems)
            item = self._known_item(intake)
            number = case_number(
                self._desk.station,
                self._today(),
                self._casebook.next_serial(self._desk.station, self._today()),
                self._random,
            )
            acts = [Act("received", _received(item, intake)), Act("accepted", {})]
            self._desk.write(number, acts, by, notes={note_id: {"case": number, "content": fingerprint}})
            return Opened(number, created=True, warnings=warnings)

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


def _received(item: Document, intake: Mapping[str, Any]) -> dict[str, Any]:
    """The data of the `received` event: what the person handed in, and the terms under which it is accepted."""
    states = {entry["name"]: entry["state"] for entry in intake.get("materials", [])}
    applicant = {name: value for name, value in intake["applicant"].items() if value not in (None, "")}
    if isinstance(applicant.get("id_number"), str):
        applicant["id_number"] = applicant["id_number"].strip().upper()
    applicant["name"] = applicant["name"].strip()
    return {
        "item": item["code"],
        "terms": item["terms"],
        "terms_sig": item["terms_sig"],
        "terms_key": item["terms_key"],
        "applicant": applicant,
        "form": intake.get("form", {}),
        "materials": [
            {
                "id": material["id"],
                "name": material["name"],
                "state": states.get(material["name"], states.get(material["id"], "missing")),
            }
            for material in item["materials"]
        ],
    }
