"""What was asked here and not found, or found late: counted, with nobody's name, and told once a day."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from casework.documents import misses
from casework.documents.misses import MOST, Asked
from casework.times import Hlc, civil_date, milliseconds
from sync.peer import Writer
from sync.store import Store
from web.cases.desk import Key
from web.localfile import LocalFile

SAME_MINUTE: Final = timedelta(minutes=1)
"""Within it, what is asked in other words is the same question, and what is opened is its answer."""
PAUSE: Final = timedelta(seconds=3)
"""Whoever stops typing for so long has asked; what was typed before that was on the way to it."""
EASY: Final = 3
"""What was opened from the first places was found."""
MOST_KEPT: Final = 2000
MOST_PEOPLE: Final = 200

# The hundred surnames or so that most people have: two or three characters that begin with one, and with which nobody
# found anything, are likelier a name than a matter.
_SURNAMES: Final = frozenset(
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟"
    "谭陆汪范金石廖贾夏韦付方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔向汤"
)


@dataclass(frozen=True)
class _Question:
    """What somebody asked: simplified, what it found in order, and what was opened of or after it."""

    text: str
    found: tuple[str, ...]
    at: datetime
    opened: str | None = None

    def missed(self) -> bool:
        """Whether the county should know of it."""
        if self.opened is None:
            return not self.found
        return self.opened not in self.found[:EASY]


class Misses:
    """Thread-safe. Who asked is known by a word of the moment (a sign-in, a visit), kept in memory for a minute."""

    def __init__(
        self,
        database: LocalFile,
        *,
        station: str,
        home: Callable[[], Store],
        writer: Writer,
        key: Callable[[], Key],
        simplified: Callable[[str], str],
        blocked: Callable[[str], bool],
        names_somebody: Callable[[str], bool],
        now: Callable[[], datetime],
    ) -> None:
        """`names_somebody(text)`: whether a person of this station's cases is named in it."""
        self._database = database
        self._station = station
        self._home = home
        self._writer = writer
        self._key = key
        self._simplified = simplified
        self._blocked = blocked
        self._names_somebody = names_somebody
        self._now = now
        self._lock = threading.Lock()
        self._asked: dict[str, list[_Question]] = {}
        self._typing: dict[str, _Question] = {}
        database.table("misses", {"text": str, "item": str, "day": str, "times": int}, pk=("text", "item", "day"))
        # A record is kept here until the station's database has it: after a power cut the same one is saved again.
        database.table("misses_told", {"day": str, "at": str, "body": str}, pk="day")

    def asked(self, who: str, said: str, found: Sequence[str], *, typing: bool = False) -> None:
        """Somebody asked this and was shown these items; `typing`: they may still be writing."""
        text = self._simplified(said)
        if not misses.may_go_home(text) or self._blocked(said) or self._names_somebody(said):
            return
        with self._lock:
            now = self._now()
            self._settle(now)
            question, before = _Question(text, tuple(found), now), self._typing.pop(who, None)
            if before is not None and not _goes_on(before, question):
                self._keep(who, before)
            if typing:
                if who in self._typing or len(self._typing) < MOST_PEOPLE:
                    self._typing[who] = question
            else:
                self._keep(who, question)

    def opened(self, who: str, code: str) -> None:
        """They opened this guide: the answer to what they asked within the minute, however they put it."""
        with self._lock:
            self._settle(self._now())
            if (typed := self._typing.pop(who, None)) is not None:
                self._keep(who, typed)
            if who in self._asked:
                self._asked[who] = [replace(question, opened=code) for question in self._asked[who]]

    def forget(self, who: str) -> None:
        """Whoever it was has gone: what they asked is counted now, and nothing of them stays in memory."""
        with self._lock:
            if (typed := self._typing.pop(who, None)) is not None:
                self._keep(who, typed)
            self._count(self._asked.pop(who, []))

    def settle(self) -> None:
        """Count what was asked more than a minute ago."""
        with self._lock:
            self._settle(self._now())

    def counted(self) -> list[tuple[str, str | None, int]]:
        """What waits to be told: (text, item opened, times)."""
        rows = self._database.rows(
            "SELECT text, item, sum(times) AS times FROM misses GROUP BY text, item ORDER BY text, item"
        )
        return [(row["text"], row["item"] or None, row["times"]) for row in rows]

    def tell_when_due(self) -> None:
        """Once a day, what was counted before today goes into the station's database. Raises `StorageFull`."""
        with self._lock:
            now = self._now()
            self._settle(now)
            self._save()
            today = civil_date(now).isoformat()
            if self._database.row("SELECT 1 FROM misses_told WHERE day = ?", (today,)) is not None:
                return
            rows = self._database.rows(
                "SELECT text, item, sum(times) AS times FROM misses WHERE day < ? GROUP BY text, item "
                "ORDER BY sum(times) DESC, text, item LIMIT ?",
                (today, MOST),
            )
            if not rows:
                return
            # Somebody may have become known here since they were asked for.
            fit = [row for row in rows if misses.may_go_home(row["text"]) and not self._names_somebody(row["text"])]
            asked = [Asked(text=row["text"], times=row["times"], item=row["item"] or None) for row in fit]
            last = self._database.row("SELECT max(at) AS at FROM misses_told")
            stamp = Hlc.tick(
                milliseconds(now), Hlc.parse(last["at"]) if last is not None and last["at"] else None, self._station
            )
            body = None
            if asked:
                key = self._key()
                document = misses.compose(station=self._station, at=stamp, asked=asked, key=key.id, sign=key.sign)
                body = json.dumps(document, ensure_ascii=False)
            with self._database.writing() as db:
                db.execute("INSERT INTO misses_told (day, at, body) VALUES (?, ?, ?)", (today, stamp.text(), body))
                db.executemany(
                    "DELETE FROM misses WHERE text = ? AND item = ? AND day < ?",
                    [(row["text"], row["item"], today) for row in rows],
                )
            self._save()

    def _save(self) -> None:
        for row in self._database.rows("SELECT day, body FROM misses_told WHERE body IS NOT NULL ORDER BY at"):
            self._home().save([json.loads(row["body"])], writer=self._writer)
            with self._database.writing() as db:
                db.execute("UPDATE misses_told SET body = NULL WHERE day = ?", (row["day"],))
                # The last one says when the next is due, and after which time it comes.
                db.execute("DELETE FROM misses_told WHERE at < (SELECT max(at) FROM misses_told) AND body IS NULL")

    def _keep(self, who: str, question: _Question) -> None:
        if who not in self._asked and len(self._asked) >= MOST_PEOPLE:
            return
        before = self._asked.setdefault(who, [])
        # The same once more, after a look at something else, is the same question.
        same = next((one for one in before if one.text == question.text), None)
        if same is None:
            before.append(question)

    def _settle(self, now: datetime) -> None:
        """Count what is older than a minute. A clock that was put right must not hold anything for years."""
        for who, typed in list(self._typing.items()):
            if abs(now - typed.at) > SAME_MINUTE:
                self._keep(who, self._typing.pop(who))
        for who, questions in list(self._asked.items()):
            old = [question for question in questions if abs(now - question.at) > SAME_MINUTE]
            if old:
                self._asked[who] = [question for question in questions if question not in old]
                self._count(old)
            if not self._asked[who]:
                del self._asked[who]

    def _count(self, questions: Sequence[_Question]) -> None:
        counted = [question for question in questions if question.missed() and _is_nobody(question)]
        if not counted:
            return
        with self._database.writing(durable=False) as db:
            [kept] = db.execute("SELECT count(*) FROM misses").fetchone()
            for question in counted:
                known = (question.text, question.opened or "", civil_date(question.at).isoformat())
                if db.execute(
                    "UPDATE misses SET times = times + 1 WHERE text = ? AND item = ? AND day = ?", known
                ).rowcount:
                    continue
                if kept < MOST_KEPT:
                    kept += 1
                    db.execute("INSERT INTO misses (text, item, day, times) VALUES (?, ?, ?, 1)", known)


def _goes_on(before: _Question, now: _Question) -> bool:
    """Whether they were still writing the same: a longer or shorter piece of it, or without having stopped."""
    return now.at - before.at < PAUSE or now.text.startswith(before.text) or before.text.startswith(now.text)


def _is_nobody(question: _Question) -> bool:
    """Whether the text is not, by the look of it, a name that no case here bears yet."""
    return question.opened is not None or len(question.text) > 3 or question.text[0] not in _SURNAMES
