"""Lists of cases: whose they are, which are wanted, how they are found by what people say, and in which order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, NamedTuple

from casework.agency import agency, power_until
from casework.case import Case
from casework.custody import APPLICANT, HELD, MISSED, MOVING, custody, waits_for_hand_in
from casework.transitions import OPEN_STATES

STATION: Final = "station"
DEPARTMENT: Final = "department"

# Where the casebook keeps which cases are found by a word.
WORDS: Final = "index_of_words"
# Whoever types more than this many signs of a name is found by all of them, so many at a time.
WORD: Final = 4
PHONE_TAILS: Final = (4, 5, 6, 7, 8, 11)
NO_DUE_DATE: Final = "9999-12-31"


class CaseRow(NamedTuple):
    """One line of a list of cases; all that a list shows, so that no list folds anything.

    `stopped` is 1 while the clock stands still, `steps_open` the titles of the steps that are ready or going on, with
    commas, `hand_in_since` the day since which papers wait to be handed in, `parts` what has to do with the case, as
    `station:<code12>` and `department:<name>`.
    """

    number: str
    item: str
    item_name: str
    state: str
    station: str
    level: str
    department: str
    handler: str
    applicant: str
    received_at: str | None
    accepted_at: str | None
    due_on: str | None
    legal_on: str | None
    answer_by: str | None
    stopped: int
    papers_at: str
    hand_in_since: str | None
    steps_open: str
    held_by_county_at: str | None
    contested: int
    quarantined: int
    waiting: int
    touched: int
    parts: frozenset[str]

    @classmethod
    def of(cls, row: Sequence[Any]) -> CaseRow:
        """A row of the casebook's own queries, which give the columns in this order."""
        *values, parts = row
        return cls._make((*values, frozenset(str(parts or "").split("\n"))))


_COLUMNS: Final = ", ".join(f"found.{name}" for name in CaseRow._fields if name != "parts")
# Only for the rows that are shown: what is asked for each row that is looked at costs fifty thousand times.
_PARTS: Final = (
    "(SELECT group_concat(kind || ':' || value, char(10)) FROM parts WHERE case_number = found.number) AS parts"
)


@dataclass(frozen=True)
class Scope:
    """Which cases somebody may see: those that have a part at one of these stations or in this department.

    With neither of them, all. No department is none ("").
    """

    stations: frozenset[str] | None = None
    department: str | None = None

    def contains(self, row: CaseRow) -> bool:
        if self.stations is None and self.department is None:
            return True
        mine = {f"{STATION}:{station}" for station in self.stations or ()}
        return not row.parts.isdisjoint(mine | {f"{DEPARTMENT}:{self.department}"})

    def condition(self) -> tuple[str, dict[str, Any]]:
        """An SQL condition on `cases` with its parameters."""
        if self.stations is None and self.department is None:
            return "1", {}
        values: dict[str, Any] = {f"station{place}": code for place, code in enumerate(sorted(self.stations or ()))}
        either = ["0"]
        if values:
            among = ", ".join(f":{name}" for name in values)
            # Nearly always it was taken in at one of them, which the row itself says.
            either += [f"station IN ({among})", _AT_STATION.format(among=among)]
        if self.department is not None:
            values["department"] = self.department
            either.append(_IN_DEPARTMENT.format(name="department"))
        return f"({' OR '.join(either)})", values


_AT_STATION: Final = (
    "EXISTS (SELECT 1 FROM parts WHERE case_number = cases.number AND kind = 'station' AND value IN ({among}))"
)
_IN_DEPARTMENT: Final = "number IN (SELECT case_number FROM parts WHERE kind = 'department' AND value = :{name})"


@dataclass(frozen=True)
class Wanted:
    """What a list is to show of what somebody may see; everything that is said must hold.

    `overdue_on`: still open on that day, and promised for an earlier one. `department`: has a part in it. `text`: a
    name or a piece of one, the last signs of a number or a phone, or a piece of an item's name. `papers_with`: who
    answers for papers of it, as `holder` names them, or `SOMEWHERE`.
    """

    states: Sequence[str] = ()
    overdue_on: date | None = None
    department: str | None = None
    text: str = ""
    papers_with: str = ""


@dataclass(frozen=True)
class Page:
    """Some rows of a list, and the word by which the next ones are asked for (None: these were the last)."""

    rows: list[CaseRow]
    following: str | None


@dataclass(frozen=True)
class Order:
    """An order that an index gives: what it goes by, and how a row is named in `Page.following`."""

    columns: tuple[str, ...]
    descending: bool

    def after(self, following: str) -> tuple[str, dict[str, Any]]:
        """The condition that a row comes after the one so named. Raises ValueError for what names none."""
        if not following:
            return "1", {}
        said = following.split("|")
        if len(said) != len(self.columns):
            raise ValueError(f"this names no row of a list: {following!r}")
        names = [f"after{place}" for place in range(len(said))]
        sign = "<" if self.descending else ">"
        condition = f"({', '.join(self.columns)}) {sign} ({', '.join(':' + name for name in names)})"
        return condition, dict(zip(names, [*said[:-1], int(said[-1])], strict=True))

    def name(self, row: CaseRow) -> str:
        return "|".join([row.due_on or NO_DUE_DATE, str(row.touched)][-len(self.columns) :])

    @property
    def terms(self) -> str:
        return ", ".join(f"{column} DESC" if self.descending else column for column in self.columns)


DUE: Final = f"coalesce(due_on, '{NO_DUE_DATE}')"
LATEST = Order(("touched",), descending=True)
OLDEST = Order(("touched",), descending=False)
SOONEST_DUE = Order((DUE, "touched"), descending=False)


def listing(
    scope: Scope, wanted: Wanted, order: Order, *, items: Sequence[str], limit: int, following: str = ""
) -> tuple[str, dict[str, Any]]:
    """The query of a list and its parameters; `items` are those whose names hold the text.

    Each state has an index in the wanted order, and so many rows of each are enough: no list sorts fifty thousand.
    """
    within, values = scope.condition()
    beyond, more = order.after(following)
    conditions, values = [within, beyond], values | more | {"limit": limit}
    states = list(wanted.states)
    if wanted.overdue_on is not None:
        states = states or sorted(OPEN_STATES)
        values["overdue_on"] = wanted.overdue_on.isoformat()
        conditions.append(f"{DUE} < :overdue_on")
    if wanted.department is not None:
        values["wanted_department"] = wanted.department
        conditions.append(_IN_DEPARTMENT.format(name="wanted_department"))
    if wanted.papers_with:
        values["papers_with"] = wanted.papers_with
        conditions.append(f"number IN (SELECT case_number FROM {WORDS} WHERE word = :papers_with)")  # noqa: S608
    if wanted.text:
        said, more = _said(wanted.text, items)
        conditions.append(said)
        values |= more
    chosen = []
    for place, state in enumerate(states or [""]):
        values[f"state{place}"] = state
        here = [*conditions, f"state = :state{place}"] if states else conditions
        chosen.append(
            f"SELECT * FROM (SELECT * FROM cases WHERE {' AND '.join(here)} ORDER BY {order.terms} LIMIT :limit)"  # noqa: S608
        )
    found = " UNION ALL ".join(chosen)
    return f"SELECT {_COLUMNS}, {_PARTS} FROM ({found}) AS found ORDER BY {order.terms} LIMIT :limit", values  # noqa: S608


def found_by(condition: str) -> str:
    """The query for the rows under this condition."""
    return f"SELECT {_COLUMNS}, {_PARTS} FROM cases AS found WHERE {condition}"  # noqa: S608


def _said(text: str, items: Sequence[str]) -> tuple[str, dict[str, Any]]:
    word = tidy(text)
    pieces = sorted({word[first : first + WORD] for first in range(len(word) - WORD + 1)})
    values = {"word": word, "number": text.strip().upper(), "pieces": len(pieces)}
    values |= {f"piece{place}": piece for place, piece in enumerate(pieces)}
    asked = ", ".join(f":piece{place}" for place in range(len(pieces)))
    numbers = (
        f"SELECT case_number FROM {WORDS} WHERE word = :word "  # noqa: S608
        "UNION SELECT number FROM cases WHERE number >= :number AND number < :number || '~' AND length(:number) >= 12 "
        f"UNION SELECT case_number FROM {WORDS} WHERE word IN ({asked}) GROUP BY case_number HAVING count(*) = :pieces"
    )
    if not items:
        return f"number IN ({numbers})", values
    values |= {f"item{place}": item for place, item in enumerate(items)}
    among = ", ".join(f":item{place}" for place in range(len(items)))
    # An item has many cases, so one meets enough of them on the way; with `+` no index on it is used instead.
    return f"(+item IN ({among}) OR +number IN ({numbers}))", values


# -- what a case is found by --------------------------------------------------------------------------------------


def tidy(text: str) -> str:
    """As words are kept and asked for: capitals, and neither spaces nor the signs between the parts of a number."""
    return "".join(sign for sign in text.upper() if sign.isalnum())


def words_of(number: str, name: str, phone: str) -> set[str]:
    """What somebody may say who looks for a case: any piece of the name, the last signs of its number and phone.

    Whole words only are looked up, so that each may be kept as a keyed hash.
    """
    called, dialled, said = tidy(name), tidy(phone), tidy(number)
    pieces = {called[first:last] for first in range(len(called)) for last in range(first + 1, first + WORD + 1)}
    tails = {dialled[-length:] for length in PHONE_TAILS if len(dialled) >= length}
    return pieces | tails | {said[-WORD:], said[-5:], said[-9:]}


# Nobody says a word with a colon: what these find is found only where it is asked for.


def slip_word(slip: str) -> str:
    """A slip (流转凭证) that papers of a case went on."""
    return f"slip:{slip}"


def name_word(name: str) -> str:
    """Somebody of this name has to do with a case, in whatever role."""
    return f"name:{tidy(name)}"


def road_word(to: str) -> str:
    """Papers of a case are on the road to this place."""
    return f"road:{to}"


def holder(station: str, department: str | None = None) -> str:
    """Papers of a case lie at this station, or in this department of the county, or have to be looked for there."""
    return f"papers:{station}" if department is None else f"papers:{station}:{department}"


SOMEWHERE: Final = "papers:"
"""A case has papers that may still go somewhere, wherever they are."""


def words_of_papers(case: Case) -> set[str]:
    """By what a case is found when it is about its papers."""
    found = {slip_word(handover["slip"]) for handover in case["handovers"]}
    found |= {
        road_word(handover["to"])
        for handover in case["handovers"]
        if handover["taken"] is None and handover["to"] != APPLICANT
    }
    if case["state"] in MOVING:
        places = custody(case).values()
        kept = [where for where in places if where.kind in (HELD, MISSED)]
        found |= {SOMEWHERE} if places else set()
        found |= {holder(where.station) for where in kept}
        found |= {holder(where.station, where.department) for where in kept if where.department is not None}
    return found


def parts_of(number: str, case: Case) -> set[tuple[str, str]]:
    """(kind, value) of every station and department that has to do with a case; always where it was taken in."""
    told: Any = case.get("parts")
    parts = {(STATION, number.split("-", maxsplit=1)[0])}
    if told is not None:
        return parts | {(str(part["kind"]), str(part["value"])) for part in told}
    terms = case["item"]
    if terms is not None and terms["decides"]["level"] == "county":
        parts.add((DEPARTMENT, str(terms["decides"]["department"])))
    return parts


def columns_of(number: str, case: Case) -> dict[str, Any]:
    """What a list shows of a folded case."""
    terms, deadlines = case["item"], case["deadlines"]
    applicant = case["fields"].get("applicant") or {}
    told: Mapping[str, Any] = {**case}
    clocks: Mapping[str, Any] = {**deadlines}
    is_open = case["state"] in OPEN_STATES
    return {
        "number": number,
        "item": terms["item"] if terms else "",
        "item_name": terms["name"] if terms else "",
        "state": case["state"],
        "station": number.split("-", maxsplit=1)[0],
        "level": terms["decides"]["level"] if terms else "",
        "department": terms["decides"]["department"] if terms else "",
        "handler": str(told.get("handler") or ""),
        "applicant": str(applicant.get("name", "")),
        "person": str(applicant.get("id_number") or ""),
        "received_at": deadlines["received_at"],
        "accepted_at": deadlines["accepted_at"],
        "due_on": deadlines["due_on"],
        "legal_on": clocks.get("legal_on"),
        "answer_by": clocks.get("answer_by"),
        "stopped": int(clocks.get("stopped_since") is not None),
        "papers_at": str(told.get("papers_at") or ""),
        "steps_open": ",".join(_open_steps(told.get("steps") or [])),
        "hand_in_since": waits_for_hand_in(case) if is_open else None,
        "proxied": int(agency(case, date.min) is not None),
        "power_until": power_until(case) if is_open else None,
        "contested": len(case["contested"]),
        "quarantined": len(case["quarantined"]),
    }


def _open_steps(steps: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    return (str(step.get("title", "")) for step in steps if step.get("state") in {"ready", "running"})
