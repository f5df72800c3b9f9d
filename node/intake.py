"""Taking in a case: from what the agent typed to signed events on the disk, once and only once."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from random import Random
from typing import Any

from casework.canonical import Document
from casework.channels import CHANNELS
from casework.documents import chunk
from casework.documents.register import TOWNSHIP, Register
from casework.flow import accepted_at_the_counter
from casework.forms import check_happened_at, facts_of, kept_form, received_materials, validate_intake
from casework.identifiers import tidy_id_number
from casework.numbers import case_number
from casework.people import tidy_people, tidy_person
from casework.times import civil_date, parse_rfc3339, rfc3339
from casework.transitions import CLOSED_STATES
from node.drafts import DraftFile
from node.reserved import ReservedNumbers
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
        reserved: ReservedNumbers,
        register: Callable[[], Register],
        random: Random,
    ) -> None:
        self._desk = desk
        self._casebook = casebook
        self._home = home
        self._item = item
        self._reserved = reserved
        self._register = register
        self._random = random
        self._lock = threading.Lock()

    def check(self, intake: Mapping[str, Any], item: Document | None = None) -> tuple[dict[str, str], dict[str, str]]:
        """Problems (must be mended) and warnings (must be seen), by dotted path, without saving anything.

        `item` is the item as the intake was begun with it; else the one of the release in use.
        """
        item = item or self._known_item(intake)
        problems, warnings = validate_intake(item, intake, today=self._today())
        problems.update(self._wrong_here(intake))
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

    def _wrong_here(self, intake: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """What only this station can say: its reserved numbers, its clock, its register, the cases that it has."""
        number = intake.get("number")
        if number is not None and not (isinstance(number, str) and self._reserved.is_open(number)):
            yield "number", "这不是本站留着没用的备用编号。请从手写单上照抄，或从列表里选。"
        if intake.get("happened_at") is not None:
            sentence = check_happened_at(intake["happened_at"], self._desk.reading().corrected)
            if sentence is not None:
                yield "happened_at", sentence
        handled_by = intake.get("handled_by")
        if handled_by is not None:
            key = self._register().station(handled_by) if isinstance(handled_by, str) else None
            if key is None or key.kind != TOWNSHIP:
                yield "handled_by", "没有这个乡镇，请从列表里选由哪个乡镇办理。"
        materials = intake.get("materials")
        for position, entry in enumerate(materials if isinstance(materials, list) else []):
            before = entry.get("from_case") if isinstance(entry, dict) else None
            if before and not self._same_person(intake, before):
                yield f"materials.{position}.from_case", "那个办件不在本站，或不是这位办事人的，不能用它的材料。"

    def _same_person(self, intake: Mapping[str, Any], number: Any) -> bool:
        case = self._casebook.case(number) if isinstance(number, str) else None
        applicant = intake.get("applicant")
        if case is None or not isinstance(applicant, dict) or not isinstance(applicant.get("id_number"), str):
            return False
        theirs = case["fields"].get("applicant", {}).get("id_number")
        return bool(theirs) and theirs == tidy_id_number(applicant["id_number"])

    def open_case(
        self,
        intake: Mapping[str, Any],
        by: Person,
        *,
        idempotency_key: str,
        files: Sequence[DraftFile] = (),
        item: Document | None = None,
    ) -> Opened:
        """Receive and accept a case, with the photos that came before it; then it survives a power cut. `item` is as
        for `check`: its terms are those of the case, though a newer release may say otherwise by now.

        The same key again gives the same case. The same key with other content is refused (409) rather than dropped:
        a draft that was changed in a second tab after it was saved in the first must not lose its words silently.
        """
        note_id = "idempotency:" + hashlib.sha256(f"{by.account}\n{idempotency_key}".encode()).hexdigest()[:32]
        with self._lock:
            note = self._home().local(note_id)
            if note is not None:
                return self._again(note, intake)
            item = item or self._known_item(intake)
            problems, warnings = self.check(intake, item)
            if problems:
                raise Problem(422, "not_complete", f"有 {len(problems)} 处要改，改好就能保存。", fields=problems)
            received = _received(item, intake)
            number = intake.get("number") or self._next_number()
            acts, chunks = [Act("received", received)], []
            if accepted_at_the_counter(item["terms"]):
                # What was taken in and accepted on paper was accepted then, not when it was entered.
                acts.append(Act("accepted", {name: received[name] for name in ("happened_at",) if name in received}))
            for file in files:
                pieces, manifest = chunk.cut(number, file.content)
                entry = {"name": file.name, "type": file.content_type, **manifest}
                acts.append(Act("material_added", {"material": file.material, "file": entry}))
                chunks += pieces
            note = {"case": number, "content": _fingerprint(intake)}
            self._desk.write(number, acts, by, beside=chunks, notes={note_id: note})
            if "number" in intake:
                self._reserved.use(number)
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

    def _next_number(self) -> str:
        today, station = self._today(), self._desk.station
        serial = max(self._casebook.next_serial(station, today), self._reserved.next_serial(today))
        return case_number(station, today, serial, self._random)

    def _today(self) -> date:
        return civil_date(self._desk.reading().corrected)

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
    facts = {**facts_of(intake), "form": kept_form(item, intake)}
    data = {
        "item": item["code"],
        "terms": item["terms"],
        "terms_sig": item["terms_sig"],
        "terms_key": item["terms_key"],
        "applicant": tidy_person(intake["applicant"]),
        "channel": intake.get("channel", "counter"),
        "form": facts["form"],
        "materials": received_materials(item, intake.get("materials"), facts),
    }
    people = tidy_people(intake.get("people"))
    for name, value in (("people", people), ("situation", intake.get("situation"))):
        if value:
            data[name] = value
    if intake.get("handled_by") is not None:
        data["handled_by"] = intake["handled_by"]
    if intake.get("happened_at") is not None:
        data["happened_at"] = rfc3339(parse_rfc3339(intake["happened_at"]))
    return data
