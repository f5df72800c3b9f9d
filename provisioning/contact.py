"""The one small request that keeps a station in contact: its state goes up; time, token, news come down."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from casework.canonical import NotCanonical, canonical
from casework.documents.register import Register
from casework.signing import signature_holds
from casework.times import milliseconds, parse_rfc3339, rfc3339
from provisioning.county import County
from provisioning.keys import StationKey
from provisioning.line import Answer, Post
from provisioning.register import databases_of
from provisioning.tokens import NonceRefused, mint
from sync.peer import BadRequest, Conflict, Document, Forbidden, Garbled, PeerError, Seq, Unauthorized
from sync.store import Store

PATH = "/api/v1/contact"
LONGEST_BODY_BYTES = 256 << 10
LONGEST_TEXT = 200
MOST_ROWS = 2000
# What little is new of cases comes along with the answer, which saves the station two requests; more is for a pull.
MOST_NEWS = 12
MOST_NEWS_BYTES = 4_000


class Ledger(NamedTuple):
    """Of one (incarnation, home): the highest serial written and the hash of that event, the chain's head."""

    incarnation: str
    home: str
    serial: int
    head: str


@dataclass(frozen=True)
class StationReport:
    """How a station is. `clock` is its clock's raw word, `seen` the update sequences that it knows.

    `holds` says what lies in those databases in which nothing is under way (`sync.inventory.Holding.text`).
    """

    version: str
    register: int
    release: str | None
    clock: str
    interval_s: int
    waiting: int
    contested: int
    refused: int
    disk_free_bytes: int
    ledgers: tuple[Ledger, ...] = ()
    seen: Mapping[str, Seq] | None = None
    holds: Mapping[str, str] | None = None
    # Why a newer release of the catalogue cannot be used; None where nothing is wrong, and then not said.
    catalogue: str | None = None

    def to_json(self) -> dict[str, Any]:
        said = {"catalogue": self.catalogue} if self.catalogue is not None else {}
        return {
            **said,
            "version": self.version,
            "register": self.register,
            "release": self.release,
            "clock": self.clock,
            "interval_s": self.interval_s,
            "waiting": self.waiting,
            "contested": self.contested,
            "refused": self.refused,
            "disk_free_bytes": self.disk_free_bytes,
            "ledgers": [list(ledger) for ledger in self.ledgers],
            "seen": dict(self.seen or {}),
            "holds": dict(self.holds or {}),
        }

    def beyond(self, told: StationReport | None) -> dict[str, Any]:
        """What is to be said to a county that was told `told` last: only what has become another since then.

        `same` names what was told. Of a ledger only its changed rows; in `seen` and `holds`, null is what is no more.
        """
        whole = self.to_json()
        # What is no more cannot be said of a ledger, nor of a trouble that is over.
        if told is None or {row[:2] for row in told.ledgers} - {row[:2] for row in self.ledgers}:
            return whole
        if told.catalogue is not None and self.catalogue is None:
            return whole
        before = told.to_json()
        news = {name: value for name, value in whole.items() if value != before.get(name)}
        for name in news.keys() & set(_BY_NAME):
            gone = dict.fromkeys(before[name].keys() - whole[name].keys())
            news[name] = gone | {key: value for key, value in whole[name].items() if value != before[name].get(key)}
        if "ledgers" in news:
            news["ledgers"] = [row for row in whole["ledgers"] if row not in before["ledgers"]]
        return {"same": _name_of(before), "clock": self.clock, **news}

    @classmethod
    def of(cls, said: object) -> StationReport:
        """Raises `sync.peer.BadRequest`: a station may be broken, or somebody else's by now."""
        if not isinstance(said, dict):
            raise BadRequest("站点报告不是对象。")
        return cls(
            version=_text(said, "version"),
            register=_count(said, "register"),
            release=None if said.get("release") is None else _text(said, "release"),
            clock=_text(said, "clock"),
            interval_s=_count(said, "interval_s"),
            waiting=_count(said, "waiting"),
            contested=_count(said, "contested"),
            refused=_count(said, "refused"),
            disk_free_bytes=_count(said, "disk_free_bytes"),
            ledgers=_ledgers(said.get("ledgers", [])),
            seen=_seen(said.get("seen", {})),
            holds=_holds(said.get("holds", {})),
            catalogue=None if said.get("catalogue") is None else _text(said, "catalogue"),
        )


# The parts of a report that have many entries, and are told entry by entry.
_BY_NAME = ("seen", "holds")


def _name_of(report: Mapping[str, Any]) -> str:
    """A short name for all that a report says but the time."""
    lasting = {name: value for name, value in report.items() if name != "clock"}
    return hashlib.sha256(canonical(lasting)).hexdigest()[:12]


def _made_whole(said: object, last: Mapping[str, Any] | None) -> object:
    """A report that was told as what is `beyond` the last one. Raises `NonceRefused` for a last one not known here."""
    if not isinstance(said, dict) or "same" not in said:
        return said
    if last is None or _name_of(last) != said["same"]:
        raise NonceRefused
    whole = {**last, **{name: value for name, value in said.items() if name not in ("same", "ledgers", *_BY_NAME)}}
    for name in _BY_NAME:
        news = said.get(name, {})
        if not isinstance(news, dict):
            raise BadRequest(f"站点报告的 {name} 应为小对象。")
        whole[name] = {key: value for key, value in {**last.get(name, {}), **news}.items() if value is not None}
    news = said.get("ledgers", [])
    rows = {tuple(row[:2]): list(row) for row in [*last["ledgers"], *_ledgers(news)]}
    whole["ledgers"] = list(rows.values())
    return whole


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    if not isinstance(value, str) or len(value) > LONGEST_TEXT:
        raise BadRequest(f"站点报告的 {name} 应为短文本。")
    return value


def _count(said: Mapping[str, Any], name: str) -> int:
    value = said.get(name)
    if type(value) is not int or not 0 <= value < 1 << 53:
        raise BadRequest(f"站点报告的 {name} 应为非负整数。")
    return value


def _ledgers(said: object) -> tuple[Ledger, ...]:
    if not isinstance(said, list) or len(said) > MOST_ROWS:
        raise BadRequest("站点报告的 ledgers 应为短列表。")
    found = []
    for row in said:
        match row:
            case [str(incarnation), str(home), int(serial), str(head)] if (
                max(len(incarnation), len(home), len(head)) <= LONGEST_TEXT and 0 <= serial < 1 << 53
            ):
                found.append(Ledger(incarnation, home, serial, head))
            case _:
                raise BadRequest("ledgers 的每一行应为 [incarnation, home, serial, head]。")
    return tuple(found)


def _seen(said: object) -> dict[str, Seq]:
    if not isinstance(said, dict) or len(said) > MOST_ROWS:
        raise BadRequest("站点报告的 seen 应为小对象。")
    for name, seq in said.items():
        if not isinstance(seq, int | str) or len(name) > LONGEST_TEXT or len(str(seq)) > 2 * LONGEST_TEXT:
            raise BadRequest("站点报告的 seen 应为各库的更新序号。")
    return said


def _holds(said: object) -> dict[str, str]:
    if not isinstance(said, dict) or len(said) > MOST_ROWS:
        raise BadRequest("站点报告的 holds 应为小对象。")
    for name, text in said.items():
        if not isinstance(text, str) or max(len(name), len(text)) > LONGEST_TEXT:
            raise BadRequest("站点报告的 holds 应为各库的内容摘要。")
    return said


# The station's side.


class News(NamedTuple):
    """All that is new in a database since what the station has seen: its own documents by id, and the others."""

    own: tuple[str, ...]
    documents: tuple[Document, ...]


@dataclass(frozen=True)
class Contact:
    """What a contact brought. `nonce` is for the next one; `token` is None when none was asked for.

    `offset_ms` is what to add to this machine's clock to have the county's, as well as one round trip can
    tell. `interval_s` is the pace at which the county wants to hear of us, `changed` the county's update
    sequences of those of our databases that have something we have not seen. `session` is the short form of the
    token, where the county has one. `news` is what is new where that is little. `differs` says what the county holds
    where that is not what we do, `agrees` names the databases in which it is.
    """

    nonce: str
    county_time: datetime
    token: str | None
    token_expires_at: datetime | None
    changed: dict[str, Seq]
    register_number: int
    interval_s: int
    round_trip_ms: int
    offset_ms: int
    session: str | None = None
    news: Mapping[str, News] = field(default_factory=dict)
    differs: Mapping[str, str] = field(default_factory=dict)
    agrees: frozenset[str] = frozenset()


def contact(
    post: Post,
    county_url: str,
    key: StationKey,
    nonce: str | None,
    report: StationReport,
    *,
    now: Callable[[], datetime],
    want_token: bool = True,
    told: StationReport | None = None,
) -> Contact:
    """One contact: one request, or two when the nonce is missing or has run out. `now` is the raw clock.

    `told` is the last report that this county has answered: what is the same is not said again.

    Raises `sync.peer.Unreachable`, `Garbled`, `Unauthorized` (the county does not know our key), `Forbidden`
    (it has revoked it), `BadRequest`.
    """
    fresh: object = nonce
    for attempt in ("with what we have", "with a fresh nonce"):
        # Whoever does not know the nonce may not know what was told before either.
        body = _signed(key, fresh, report.beyond(told if fresh is nonce else None), want_token)
        began = now()
        answer = post(county_url.rstrip("/") + PATH, body, {"Content-Type": "application/json"})
        ended = now()
        if answer.status == 401 and attempt == "with what we have":
            fresh = answer.json().get("nonce")
            if isinstance(fresh, str):
                continue
        break
    return _understood(answer, began, ended, report)


def _signed(key: StationKey, nonce: object, report: Document, want_token: bool) -> bytes:
    said = {"key": key.id, "nonce": nonce, "report": report, **({"token": True} if want_token else {})}
    # An opening without a nonce will be refused in any case: it carries neither report nor signature.
    if nonce is None:
        return canonical({"key": key.id})
    return canonical({**said, "sig": key.sign(canonical(said))})


def _understood(answer: Answer, began: datetime, ended: datetime, report: StationReport) -> Contact:
    said = answer.json()
    if answer.status != 200:
        refusals: dict[int, type[PeerError]] = {400: BadRequest, 401: Unauthorized, 403: Forbidden}
        refusal = refusals.get(answer.status, Garbled)
        raise refusal(str(said.get("message", f"HTTP {answer.status}"))[:LONGEST_TEXT])
    try:
        county_time = parse_rfc3339(said["time"])
        token, expires = said.get("token"), said.get("token_expires_at")
        round_trip_ms = milliseconds(ended) - milliseconds(began)
        changed = _seen(said.get("changed", {}))
        differs = _holds(said.get("differs", {}))
        compared = (report.holds or {}).keys() - changed.keys()
        return Contact(
            nonce=_text(said, "nonce"),
            county_time=county_time,
            token=None if token is None else str(token),
            token_expires_at=None if expires is None else parse_rfc3339(expires),
            changed=changed,
            register_number=_count(said, "register"),
            interval_s=int(said.get("interval_s", report.interval_s)),
            round_trip_ms=round_trip_ms,
            offset_ms=milliseconds(county_time) - milliseconds(began) - round_trip_ms // 2,
            session=None if said.get("session") is None else _text(said, "session"),
            news={name: _news(one) for name, one in said.get("news", {}).items() if name in changed},
            differs=differs,
            agrees=frozenset(compared - differs.keys()),
        )
    except (KeyError, ValueError, TypeError, AttributeError, BadRequest) as error:
        raise Garbled(f"The county's answer is not one: {error}") from error


def _news(said: Mapping[str, Any]) -> News:
    own, documents = said["own"], said["documents"]
    if not all(isinstance(id_, str) for id_ in own) or not all(isinstance(one, dict) for one in documents):
        raise ValueError("news that are none")
    return News(tuple(own), tuple(documents))


# The county's side.


def contact_id(station: str) -> str:
    """The local document in `fleet` of a last contact: {at, key, address, nonce_at, report, ahead_ms}.

    `ahead_ms` is how far the station's own clock is ahead of the county's.
    """
    return f"contact:{station}"


def answer_contact(county: County, body: bytes, *, address: str = "") -> Answer:
    """The answer to `POST /api/v1/contact`, ready to be sent. A stranger learns nothing, not even why."""
    try:
        return _answer(county, body, address)
    except PeerError as error:
        return _said(error.status, {"error": error.code, "message": error.reason})


def _answer(county: County, body: bytes, address: str) -> Answer:
    if len(body) > LONGEST_BODY_BYTES:
        raise BadRequest("联络请求太大。")
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequest("联络请求不是 JSON。") from None
    key_id = said.get("key") if isinstance(said, dict) else None
    if not isinstance(key_id, str) or len(key_id) > 30:
        raise BadRequest("联络请求没有写明密钥。")
    station = key_id.partition(":")[0]
    now = county.now()
    with county.turn:
        last = county.fleet.local(contact_id(station))
        after = int(last["nonce_at"]) if last else 0
        try:
            nonce_at = county.nonces.check(said.get("nonce"), station, now, after)
        except NonceRefused:
            # Before anything is asked of the key register: the same for a station and for a stranger.
            fresh = county.nonces.issue(station, now, after)
            return _said(401, {"error": "nonce", "message": "请用新的随机数再签一次。", "nonce": fresh})
        register = county.register()
        key = register.key(key_id)
        if key is None or key.kind == "county" or not _signature_holds(said, key.public_key):
            raise Unauthorized("县中心不认识这把密钥，或者签名不对。")
        if key.revoked is not None:
            raise Forbidden("县中心已经吊销了本站的密钥，请联系县管理员。")
        try:
            report = StationReport.of(_made_whole(said.get("report"), last["report"] if last else None))
        except NonceRefused:
            fresh = county.nonces.issue(station, now, nonce_at)
            return _said(401, {"error": "report", "message": "请把站点报告从头说一遍。", "nonce": fresh})
        kept = {
            "at": rfc3339(now),
            "key": key.id,
            "address": address[:LONGEST_TEXT],
            "nonce_at": nonce_at,
            "report": report.to_json(),
            "ahead_ms": _ahead_ms(report, now),
        }
        try:
            # With the revision that was read: the same nonce in another worker process at this moment is a
            # conflict.
            county.fleet.put_local(contact_id(station), {**kept, **({"_rev": last["_rev"]} if last else {})})
        except Conflict:
            fresh = county.nonces.issue(station, now, nonce_at)
            return _said(401, {"error": "nonce", "message": "请用新的随机数再签一次。", "nonce": fresh})
    answer: dict[str, Any] = {
        "nonce": county.nonces.issue(station, now, nonce_at),
        "time": rfc3339(county.now()),
        "register": register.number,
        **_what_to_tell(county, register, station, report),
    }
    if said.get("token"):
        token = mint(key, county=county.key, now=now)
        answer |= {"token": token.text, "token_expires_at": rfc3339(token.expires_at)}
        answer["session"] = county.sessions.issue(key, token)
    wished = county.folder.contact_interval_s
    if wished and wished != report.interval_s:
        answer["interval_s"] = wished
    return _said(200, answer)


def _what_to_tell(county: County, register: Register, station: str, report: StationReport) -> dict[str, Any]:
    """Of the station's databases: which have changed, and what is new in them; in which it holds something else."""
    found: dict[str, Any] = {}
    for name in databases_of(station, register):
        store = county.databases.existing(name)
        if store is not None:
            for part, told in _of_database(county, store, station, report):
                found.setdefault(part, {})[name] = told
    return found


def _of_database(county: County, store: Store, station: str, report: StationReport) -> Iterator[tuple[str, Any]]:
    """That it has changed, and what is new if that is little; or that the station holds something else than the county
    though it has seen everything.
    """
    seq, seen = store.update_seq, (report.seen or {}).get(store.database)
    if seq == seen:
        says = (report.holds or {}).get(store.database)
        if says is not None:
            holding = county.inventories.of(store)
            # Else something has been written just now.
            if holding.seq == seq and holding.text() != says:
                yield "differs", holding.text()
        return
    news = _little_news(store, station, seen) if store.database.startswith("station-") else None
    if news is not None:
        seq, told = news
        yield "news", told
    yield "changed", seq


def _little_news(store: Store, station: str, seen: object) -> tuple[int, Document] | None:
    """All that came after `seen`, and up to where, if it is a few records; None if it is more, or pieces of files."""
    if type(seen) is not int or not 0 <= store.update_seq - seen <= MOST_NEWS:
        return None
    rows = store.changes_since(seen, MOST_NEWS + 1)
    own: list[str] = []
    documents: list[Document] = []
    for _seq, id_, deleted, document in rows:
        kind = id_.partition(":")[0]
        if deleted or kind not in ("event", "receipt") or "_attachments" in document:
            return None
        if document.get("station") == station and kind == "event":
            # It has that; if not, it pulls.
            own.append(id_)
        else:
            documents.append(document)
    told: Document = {"own": own, "documents": documents}
    if not rows or len(rows) > MOST_NEWS or len(_compact(told)) > MOST_NEWS_BYTES:
        return None
    return rows[-1][0], told


def _signature_holds(said: Mapping[str, Any], public_key: Any) -> bool:
    unsigned = {name: value for name, value in said.items() if name != "sig"}
    try:
        return signature_holds(canonical(unsigned), said.get("sig"), public_key)
    except NotCanonical:
        return False


def _ahead_ms(report: StationReport, now: datetime) -> int | None:
    try:
        return milliseconds(parse_rfc3339(report.clock)) - milliseconds(now)
    except (ValueError, OverflowError):
        return None


def _said(status: int, answer: Mapping[str, Any]) -> Answer:
    return Answer(status, _compact(answer))


def _compact(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
