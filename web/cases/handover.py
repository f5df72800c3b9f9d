"""Papers that change hands (交接): bundled on a slip, taken in against it, noted when their records are still away."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from casework.case import Case, Handover
from casework.custody import APPLICANT, MISSED, MOVING, Whereabouts, answered_for, custody
from casework.numbers import SLIP, scanned, slip_number
from casework.times import CHINA, rfc3339
from casework.transitions import OPEN_STATES
from web.cases.casebook import CaseRow, Wanted
from web.cases.desk import Act
from web.cases.lists import SOMEWHERE, holder
from web.cases.services import CaseServices
from web.errors import Problem
from web.localfile import LocalFile
from web.signin import User

LONGEST = 100
"""So many cases are listed; who looks for others says a piece of their name."""

_ENDED = [state for state in MOVING if state not in OPEN_STATES]


@dataclass(frozen=True)
class Here:
    """A case whose papers lie here: (id, name, whether it was missed by the last taker) of each."""

    row: CaseRow
    case: Case
    papers: list[tuple[str, str, bool]]


@dataclass(frozen=True)
class Line:
    """One case on a slip: (id, name) of the papers that the slip names."""

    row: CaseRow
    case: Case
    handover: Handover
    papers: list[tuple[str, str]]

    @property
    def open(self) -> bool:
        """Whether somebody still has to take them over."""
        return self.handover["taken"] is None and self.handover["to"] != APPLICANT


@dataclass(frozen=True)
class Counted:
    """What was found of one case of a slip: ids that are there, and names of what is there beside them."""

    here: frozenset[str]
    extra: tuple[str, ...] = ()

    def missing(self, line: Line) -> list[str]:
        return [paper for paper, _name in line.papers if paper not in self.here]


@dataclass(frozen=True)
class Ahead:
    """Papers that came before their record did (先收下): the slip's or case's number, what else was scanned, a note."""

    number: str
    cases: list[str]
    note: str
    account: str
    name: str
    at: str


class Handovers:
    """What both apps do with papers. What is noted ahead stays in `local`, this place's own file."""

    def __init__(self, services: CaseServices, *, local: LocalFile, random: Random) -> None:
        self._services = services
        self._random = random
        self._local = local
        local.table(
            "taken_ahead",
            {"number": str, "cases": str, "note": str, "account": str, "name": str, "at": str},
            pk="number",
        )

    # -- where ---------------------------------------------------------------------------------------------------

    def place(self, user: User) -> str:
        """This place as slips name it: the station, or at the county the department."""
        desk = self._services.desk
        return self._department(user) or self._services.station_name(desk.station)

    def _department(self, user: User) -> str | None:
        return user.department if self._services.desk.kind == "county" else None

    def here(self, user: User, text: str = "") -> list[Here]:
        """Cases with papers that this place answers for: the open ones by when they are due, then the others.

        `text` is what somebody says of a case. `LONGEST` at most.
        """
        casebook, scope = self._services.casebook, self._services.scope_of(user)
        papers_with = holder(self._services.desk.station, self._department(user))
        due = Wanted(states=OPEN_STATES, text=text, papers_with=papers_with)
        rows = casebook.page(scope, due, by_due=True, limit=LONGEST).rows
        if len(rows) < LONGEST:
            ended = Wanted(states=_ENDED, text=text, papers_with=papers_with)
            rows += casebook.page(scope, ended, limit=LONGEST - len(rows)).rows
        found = []
        for row, case in casebook.whole(rows):
            if papers := self._answered_for(user, case):
                where, names = custody(case), names_of(case)
                entries = [(paper, names.get(paper, paper), where[paper].kind == MISSED) for paper in papers]
                found.append(Here(row, case, entries))
        return found

    def papers_here(self, user: User, number: str) -> list[str]:
        """The papers of this case that this place answers for. Raises `Problem` for one that the user may not see."""
        return self._answered_for(user, self._services.visible(number, user)[1])

    def _answered_for(self, user: User, case: Case) -> list[str]:
        return answered_for(case, self._services.desk.station, self._department(user))

    def everywhere(self, user: User, text: str = "") -> list[tuple[CaseRow, dict[Whereabouts, list[str]]]]:
        """Where the papers are of the cases that are not with their owners yet: their names by where they are.

        Those that were touched last first, `LONGEST` at most.
        """
        casebook, found = self._services.casebook, list[tuple[CaseRow, dict[Whereabouts, list[str]]]]()
        wanted = Wanted(states=MOVING, text=text, papers_with=SOMEWHERE)
        for row, case in casebook.whole(casebook.page(self._services.scope_of(user), wanted, limit=LONGEST).rows):
            names, places = names_of(case), dict[Whereabouts, list[str]]()
            for paper, where in custody(case).items():
                places.setdefault(where, []).append(names.get(paper, paper))
            found.append((row, places))
        return found

    def receivers(self, user: User, cases: Sequence[Case]) -> list[str]:
        """To whom papers of these cases may go: what has a part in one of them, and the applicant."""
        found = dict.fromkeys(name for case in cases for name in self._parts(case))
        return [*(name for name in found if name != self.place(user)), APPLICANT]

    def _parts(self, case: Case) -> list[str]:
        return [
            self._services.station_name(part["value"]) if part["kind"] == "station" else part["value"]
            for part in case["parts"]
        ]

    # -- out -----------------------------------------------------------------------------------------------------

    def hand_over(self, user: User, to: str, chosen: Mapping[str, Sequence[str]], note: str = "") -> str:
        """Papers (material ids by case number) leave on one slip; its number. Raises `Problem` before any goes."""
        if not chosen:
            raise Problem(422, "not_complete", "有 1 处要改。", fields={"cases": "请勾选要移交的办件或材料。"})
        desk, acts, wrong = self._services.desk, {}, {}
        slip = self._new_slip()
        for number, papers in chosen.items():
            row, case = self._services.visible(number, user)
            lacking = set(papers) - set(self._answered_for(user, case))
            data: dict[str, Any] = {"slip": slip, "to": to, "papers": list(papers)} | ({"note": note} if note else {})
            if to != APPLICANT and (to == self.place(user) or to not in self._parts(case)):
                wrong["to"] = f"{row.applicant}的这件不经过“{to or '（没有选）'}”。请另选，或把这件分开移交。"
            elif lacking or not papers:
                wrong["cases"] = f"{row.applicant}的材料已经不在这里，可能刚移交过。请刷新后再选。"
            elif not self._services.may("handed_over", user, case):
                wrong["cases"] = f"{row.applicant}的这件不由您移交材料。"
            acts[number] = Act("handed_over", data)
        if wrong:
            raise Problem(422, "not_complete", f"有 {len(wrong)} 处要改，改好再移交。", fields=wrong)
        for number, act in acts.items():
            desk.write(number, [act], self._services.person_of(user))
        return slip

    def _new_slip(self) -> str:
        on = self._services.desk.reading().corrected.astimezone(CHINA).date()
        day = f"{SLIP}{self._services.desk.station}-{on:%Y%m%d}-"
        last = self._services.casebook.last_slip(day)
        used = int(last[len(day) : len(day) + 4]) if last is not None else 0
        return slip_number(self._services.desk.station, on, used % 9999 + 1, self._random)

    # -- in ------------------------------------------------------------------------------------------------------

    def slip(self, user: User, slip: str) -> list[Line]:
        """The cases on a slip that this user may see; none when their records are not here."""
        found = []
        for row, case in self._services.casebook.with_slip(self._services.scope_of(user), slip):
            names = names_of(case)
            for handover in case["handovers"]:
                if handover["slip"] == slip:
                    papers = [(paper, names.get(paper, paper)) for paper in handover["papers"]]
                    found.append(Line(row, case, handover, papers))
        return found

    def coming(self, user: User) -> dict[str, list[Line]]:
        """What is on the road to this place, by slip, the longest on its way first."""
        place, found = self.place(user), dict[str, list[Line]]()
        lines = [
            Line(row, case, handover, [(paper, paper) for paper in handover["papers"]])
            for row, case in self._services.casebook.on_the_road(self._services.scope_of(user), place)
            for handover in case["handovers"]
            if handover["to"] == place and handover["taken"] is None
        ]
        for line in sorted(lines, key=lambda line: line.handover["at"]):
            found.setdefault(line.handover["slip"], []).append(line)
        return found

    def meant(self, user: User, text: str) -> tuple[str, str]:
        """(slip, case) that was scanned or typed: a case's number finds the slip that its papers are on the road with.

        Either is "" when it is not known here.
        """
        number = scanned(text)
        if number.startswith(SLIP):
            return (number if self.slip(user, number) else ""), ""
        rows = self._services.casebook.latest(self._services.scope_of(user), text=number, limit=2) if number else []
        case = self._services.casebook.case(rows[0].number) if len(rows) == 1 else None
        if case is None:
            return "", ""
        open_ones = [one for one in case["handovers"] if one["taken"] is None and one["to"] != APPLICANT]
        return (open_ones[-1]["slip"] if open_ones else ""), case["number"]

    def take_over(self, user: User, slip: str, counted: Mapping[str, Counted], unlisted: Sequence[str] = ()) -> int:
        """Take in what was counted, by handover's event; how many cases that were. Of which nothing is there stays on
        the road, and can be taken in when it comes. `unlisted` are cases whose papers were there and that the slip does
        not name. Raises `Problem`.
        """
        lines = [line for line in self.slip(user, slip) if line.open]
        arrived = [line for line in lines if counted[line.handover["event"]].here] if lines else []
        beside = [f"办件 {number} 的材料（凭证上没有）" for number in unlisted]
        for line in arrived:
            if not self._services.may("taken_over", user, line.case):
                raise Problem(403, "not_entitled", f"{line.row.applicant}的这件不由您接收材料。")
        for line in arrived:
            found = counted[line.handover["event"]]
            missing, extra = found.missing(line), [*found.extra, *beside]
            beside = []
            data: dict[str, Any] = {"handover": line.handover["event"], "at": self.place(user)}
            data |= ({"missing": missing} if missing else {}) | ({"extra": extra} if extra else {})
            self._services.desk.write(line.row.number, [Act("taken_over", data)], self._services.person_of(user))
        if not any(line.open for line in self.slip(user, slip)):
            self.forget_ahead({slip, *(line.row.number for line in arrived)})
        return len(arrived)

    # -- before their records --------------------------------------------------------------------------------------

    def note_ahead(self, user: User, number: str, cases: Sequence[str], note: str) -> None:
        """Papers are here and their record is not: durable when this returns."""
        with self._local.writing() as db:
            db.execute(
                "INSERT OR REPLACE INTO taken_ahead (number, cases, note, account, name, at) VALUES (?, ?, ?, ?, ?, ?)",
                (number, json.dumps(list(cases)), note, user.username, user.name, rfc3339(self._services.now())),
            )

    def ahead(self, number: str | None = None) -> list[Ahead]:
        rows = self._local.rows("SELECT * FROM taken_ahead ORDER BY at")
        found = [Ahead(**{**row, "cases": json.loads(row["cases"])}) for row in rows]
        return [one for one in found if number is None or one.number == number]

    def forget_ahead(self, numbers: set[str]) -> None:
        with self._local.writing() as db:
            db.executemany("DELETE FROM taken_ahead WHERE number = ?", [(number,) for number in numbers])


def names_of(case: Case) -> dict[str, str]:
    return {material["id"]: material["name"] for material in case["materials"]}
