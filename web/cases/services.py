"""What the case pages and the case API need of the app they serve, in one bundle."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from casework.canonical import Document
from casework.case import Case, CaseFile
from casework.rights import Refusal, may
from casework.times import parse_rfc3339, rfc3339
from web.cases.casebook import Casebook, CaseRow, Scope
from web.cases.desk import Desk, Person
from web.cases.files import Upload
from web.errors import Problem
from web.signin import User, session_began


@dataclass(frozen=True)
class CaseServices:
    """`scope_of` says which cases a user may see, `person_of` in which role they act."""

    casebook: Casebook
    desk: Desk
    scope_of: Callable[[User], Scope]
    person_of: Callable[[User], Person]
    station_name: Callable[[str], str]
    item: Callable[[str], Document | None]
    now: Callable[[], datetime]
    may_add_files: bool
    # The item as a release published it, by code and release; None when nobody kept it.
    item_as_of: Callable[[str, int], Document | None] = lambda _code, _release: None
    # Raises `Problem` while nobody knows what day it is: a paper that bears a date must bear the right one.
    ready_to_print: Callable[[], None] = lambda: None
    # The county's departments that the catalogue names, for a case to be forwarded to.
    departments: Callable[[], list[str]] = list
    # Where another case begins for the person of this one; none where no cases are taken in.
    again: Callable[[str], str] | None = None
    # The county's own words for a paper; None where the default ones stand.
    paper_words: Callable[[str], Document | None] = lambda _code: None

    def guide_of(self, case: Case) -> Document | None:
        """The item that the case was taken in under; where that is not kept, the one in use."""
        terms = case["item"]
        if terms is None:
            return None
        return self.item_as_of(terms["item"], terms["release"]) or self.item(terms["item"])

    def visible(self, number: str, user: User) -> tuple[CaseRow, Case]:
        """The case, if it is there and this user may see it; what one may not see is as if it were not there."""
        row = self.casebook.row(number)
        case = self.casebook.case(number)
        if row is None or case is None or not self.scope_of(user).contains(row):
            if row is not None:
                self.note(user, "refused", number, "不归本人看的办件")
            raise Problem(404, "no_such_case", "没有这个编号的办件。请核对编号，后两段就够。")
        return row, case

    def read(self, number: str, user: User, act: str = "opened", what: str = "") -> tuple[CaseRow, Case]:
        """`visible`, written into the log of acts: whatever shows a case to somebody reads it through here."""
        row, case = self.visible(number, user)
        self.note(user, act, number, what)
        return row, case

    def read_file(self, number: str, wanted: str, user: User) -> tuple[CaseFile, bytes]:
        """`Desk.file`, written into the log of acts."""
        self.visible(number, user)
        manifest, content = self.desk.file(number, wanted)
        self.note(user, "file_opened", number, manifest["id"][:12])
        return manifest, content

    def note(self, user: User, act: str, number: str | None = None, what: str = "", *, durable: bool = False) -> None:
        """An entry in the log of acts."""
        self.desk.audit.note(self.person_of(user), act, number, what, durable=durable)

    def note_refresh(self, user: User, act: str, number: str | None = None) -> None:
        """A part of a page that asks for itself again belongs to the opening of the page, which this session has."""
        if not self.desk.audit.has(user.username, act, number, since=session_began()):
            self.note(user, act, number)

    def may(self, kind: str, user: User, case: Case, data: Mapping[str, Any] | None = None) -> bool:
        """Whether this user may do this to the case as it stands."""
        return self.refusal(kind, user, case, data) is None

    def refusal(self, kind: str, user: User, case: Case, data: Mapping[str, Any] | None = None) -> Refusal | None:
        """Why this user may not do this to the case as it stands; None when they may."""
        person = self.person_of(user)
        desk = self.desk
        return may(
            kind,
            person.role,
            desk.kind,
            case,
            station=desk.station,
            register=desk.register(),
            department=person.department,
            data=data,
        )

    def add_file(self, number: str, user: User, upload: Upload) -> None:
        """One photo or PDF to a material of a case that this user may see."""
        self.visible(number, user)
        person = self.person_of(user)
        self.desk.add_file(number, upload.material, upload.name, upload.content_type, upload.content, person)

    def events_in_order(self, case: Case) -> list[Document]:
        """The events of the case in the order in which they are read; what is kept aside comes last."""
        found = {event["_id"]: event for event in self.casebook.events(case["number"])}
        ordered = [found[name] for name in case["order"] if name in found]
        known = set(case["order"])
        return ordered + [event for name, event in sorted(found.items()) if name not in known]


def event_time(event: Document) -> str | None:
    """When it happened, RFC 3339: the clock's own word with the correction that was known when it was written."""
    try:
        clock = event["clock"]
        return rfc3339(parse_rfc3339(clock["raw"]) + timedelta(milliseconds=clock["offset"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        # An event that is kept aside may have no readable clock; it is shown all the same.
        return None


def departments_of(items: Iterable[Document]) -> list[str]:
    """The county's departments that these items name: who decides, and whose steps there are."""
    named = {item["decides"]["department"] for item in items if item["decides"]["level"] == "county"}
    return sorted(named)


_TOLD = (
    *(
        "corrections",
        "suspensions",
        "extensions",
        "ended",
        "delivery",
        "rating",
        "fees",
        "papers",
        "proxies",
        "named_proxy_ended",
        "forwards",
    ),
    *("handovers", "papers_at", "handler", "parts", "filing"),
)
"""What a case tells beside its state, as it is folded."""


def case_for_api(services: CaseServices, row: CaseRow, case: Case) -> dict[str, Any]:
    """`GET cases/NUMBER`, as the API promises it."""
    return {
        "number": row.number,
        "item": row.item,
        "item_name": row.item_name,
        "station": row.station,
        "state": row.state,
        "accepted_at": row.accepted_at,
        "due_on": row.due_on,
        "held_by_county_at": row.held_by_county_at,
        "current": {
            "state": case["state"],
            "fields": case["fields"],
            "deadlines": case["deadlines"],
            "steps": case["steps"],
        },
        "decision": case["decision"],
        **{name: case[name] for name in _TOLD},  # type: ignore[literal-required]
        "events": [
            {
                "id": event["_id"],
                "kind": event.get("kind"),
                "at": event_time(event),
                "by": event.get("by"),
                "station": event.get("station"),
                "data": event.get("data"),
            }
            for event in services.events_in_order(case)
        ],
        "contested": case["contested"],
        "quarantined": case["quarantined"],
        "materials": [
            {
                "id": material["id"],
                "name": material["name"],
                "state": material["state"],
                "files": [
                    {
                        "id": file["id"],
                        "name": file["name"],
                        "type": file["type"],
                        "size": file["size"],
                        "sha256": file["sha256"],
                    }
                    | {"here": _all_here(file, services, row.number)}
                    for file in material["files"]
                ],
            }
            for material in case["materials"]
        ],
    }


def row_for_api(row: CaseRow) -> dict[str, Any]:
    return {
        "number": row.number,
        "item": row.item,
        "item_name": row.item_name,
        "station": row.station,
        "state": row.state,
        "applicant": row.applicant,
        "received_at": row.received_at,
        "accepted_at": row.accepted_at,
        "due_on": row.due_on,
        "held_by_county_at": row.held_by_county_at,
        "contested": row.contested,
        "quarantined": row.quarantined,
    }


def _all_here(file: CaseFile, services: CaseServices, number: str) -> bool:
    return set(file["chunks"]) <= services.casebook.chunks_present(number)
