"""How far a replication got: `_local` documents at both ends, neither of which is believed alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from random import Random

from sync.peer import Conflict, Document, Peer, PeerError, Seq

HISTORY_LENGTH = 10
WARM_FOR = timedelta(minutes=15)
_REMEMBERED_AT_MOST = 10_000


def replication_id(source: str, target: str, doc_ids: Sequence[str] | None) -> str:
    """The id under which both ends keep the checkpoints of this replication."""
    scope = [1, source, target, sorted(doc_ids) if doc_ids is not None else None]
    return hashlib.sha256(json.dumps(scope, separators=(",", ":")).encode()).hexdigest()[:32]


def number_of(seq: object) -> int | None:
    """The running number that a sequence begins with; None if it has none that we can read."""
    if isinstance(seq, int):
        return seq
    if isinstance(seq, str):
        number = seq.partition("-")[0]
        if number.isascii() and number.isdigit():
            return int(number[:20])
    return None


def older(one: Seq, other: Seq) -> Seq:
    """Of two sequences of one source the earlier; the beginning if that cannot be told."""
    if one == other:
        return one
    first, second = number_of(one), number_of(other)
    if first is None or second is None:
        return 0
    return one if first <= second else other


def common_sequence(source: Document | None, target: Document | None) -> Seq:
    """The last sequence that both ends remember from one and the same session; 0 if there is none.

    A session writes several checkpoints. An end that was restored from a backup may remember an earlier one
    of the same session than the other: then the earlier one counts.
    """
    ours = _sessions(source)
    for session, seq in _sessions(target).items():
        # The target's newest first: what it remembers is what it has.
        if session in ours:
            return older(ours[session], seq)
    return 0


def _sessions(log: Document | None) -> dict[str, Seq]:
    """Session → last recorded sequence, newest first."""
    sessions: dict[str, Seq] = {}
    if log is None:
        return sessions
    head, seq = log.get("session_id"), log.get("source_last_seq")
    if isinstance(head, str) and isinstance(seq, int | str):
        sessions[head] = seq
    history = log.get("history")
    for entry in history if isinstance(history, list) else []:
        if isinstance(entry, dict):
            session, recorded = entry.get("session_id"), entry.get("recorded_seq")
            if isinstance(session, str) and isinstance(recorded, int | str):
                sessions[session] = older(sessions.get(session, recorded), recorded)
    return sessions


def forget(source: Peer, target: Peer, now: Callable[[], datetime], random: Random) -> None:
    """Make the next run from `source` to `target` begin at the beginning; one that breaks off goes on from there."""
    checkpoints = Checkpoints(source, target, replication_id(source.name, target.name, None), now, random)
    checkpoints.start()
    checkpoints.start_seq = 0
    checkpoints.record(0, Progress())


def identity(info: Document) -> str | None:
    """What changes when a database is replaced by another of its name; None if this peer does not say.

    `instance_start_time` is not taken for it: some peers answer with the present time. Who replaces a database
    there loses its checkpoints with it, which says the same.
    """
    uuid = info.get("uuid")
    return uuid if isinstance(uuid, str) else None


@dataclass(slots=True)
class Progress:
    """What one session has done so far, as it goes into the history."""

    missing_checked: int = 0
    missing_found: int = 0
    docs_read: int = 0
    docs_written: int = 0
    doc_write_failures: int = 0


@dataclass
class Checkpoints:
    """The checkpoint documents of one run. `start` reads and compares them, `record` writes both.

    `target_is_empty` is what `start` has found: there, nothing needs to be asked for.

    The target's is written first: of two that differ the earlier one counts, and the source's is the one that
    a repeated run can best do without.
    """

    source: Peer
    target: Peer
    id: str
    now: Callable[[], datetime]
    random: Random
    session: str = ""
    start_seq: Seq = 0
    target_is_empty: bool = False
    _started: str = ""
    _logs: dict[str, Document | None] = field(default_factory=dict)
    _history: list[Document] = field(default_factory=list)
    _identities: dict[str, str | None] = field(default_factory=dict)

    def start(self) -> Seq:
        """The sequence of the source from which this run has to read. Never later than what the target really
        has.
        """
        self.session = f"{self.random.getrandbits(128):032x}"
        self._started = self._time()
        ends = {"source": self.source, "target": self.target}
        infos = {end: _info(end, peer) for end, peer in ends.items()}
        counts = [infos["target"].get(name) for name in ("doc_count", "doc_del_count")]
        self.target_is_empty = counts == [0, 0]
        self._logs = {end: peer.get_local(self.id) for end, peer in ends.items()}
        self._identities = {end: identity(info) for end, info in infos.items()}
        seq = common_sequence(self._logs["source"], self._logs["target"])
        if seq not in (0, "0") and self._was_replaced(infos, seq):
            seq = 0
        longest = self._logs["target"] or {}
        self._history = [entry for entry in longest.get("history", []) if isinstance(entry, dict)] if seq else []
        self.start_seq = seq
        return seq

    def _was_replaced(self, infos: dict[str, Document], seq: Seq) -> bool:
        """Whether an end is not the one that the checkpoint speaks of: another database, or an older state of
        it.
        """
        for log in self._logs.values():
            assert log is not None
            for end, known in self._identities.items():
                recorded = log.get(f"{end}_identity")
                if recorded is not None and known is not None and recorded != known:
                    return True
            if _went_back(infos["target"].get("update_seq"), log.get("target_update_seq")):
                return True
        return _went_back(infos["source"].get("update_seq"), seq)

    def record(self, seq: Seq, progress: Progress, target_update_seq: object = None) -> None:
        """Write `seq` down at both ends. Everything up to it must be durable at the target by now."""
        entry: Document = {
            "session_id": self.session,
            "start_time": self._started,
            "end_time": self._time(),
            "start_last_seq": self.start_seq,
            "end_last_seq": seq,
            "recorded_seq": seq,
            "missing_checked": progress.missing_checked,
            "missing_found": progress.missing_found,
            "docs_read": progress.docs_read,
            "docs_written": progress.docs_written,
            "doc_write_failures": progress.doc_write_failures,
        }
        log: Document = {
            "session_id": self.session,
            "source_last_seq": seq,
            "replication_id_version": 4,
            "history": [entry, *self._history][:HISTORY_LENGTH],
        }
        log |= {f"{end}_identity": known for end, known in self._identities.items() if known is not None}
        if isinstance(target_update_seq, int | str):
            log["target_update_seq"] = target_update_seq
        for end, peer in (("target", self.target), ("source", self.source)):
            self._logs[end] = self._put(peer, log, self._logs[end])

    def _put(self, peer: Peer, log: Document, before: Document | None) -> Document:
        rev = before.get("_rev") if before else None
        try:
            return {**log, "_rev": peer.put_local(self.id, {**log, **({"_rev": rev} if rev else {})})}
        except Conflict:
            # An answer of ours got lost on the way, or another run of the same replication is under way: both
            # only ever write what is true, so the later one may stand.
            found = peer.get_local(self.id)
            rev = found.get("_rev") if found else None
            return {**log, "_rev": peer.put_local(self.id, {**log, **({"_rev": rev} if rev else {})})}

    def _time(self) -> str:
        return format_datetime(self.now().astimezone(UTC), usegmt=True)


def _info(end: str, peer: Peer) -> Document:
    try:
        return peer.info()
    except PeerError as problem:
        problem.add_note(f"at the {end}")
        raise


class Memory:
    """What one process remembers of two databases between runs, so that a small one costs one request and not six.

    For `WARM_FOR` after a run has compared both ends, the next one of its direction goes on where that one ended; a
    run that carried little leaves its checkpoint to a later one; and what went one way is not offered the other way.
    What a checkpoint does not cover is asked about again, never lost. Whoever keeps one gives it to each run between
    these two databases (in one lane), one after the other.
    """

    def __init__(self) -> None:
        self._kept: dict[str, tuple[Checkpoints, Seq, datetime]] = {}
        self._at_both: set[tuple[str, str]] = set()

    def take(self, source: Peer, target: Peer, id: str, now: datetime) -> tuple[Checkpoints, Seq, datetime] | None:
        """Where to go on, and when both ends were compared; None when they have to be compared first. Forgotten until
        `keep` is called again.
        """
        kept = self._kept.pop(id, None)
        if kept is None or not timedelta(0) <= now - kept[2] < WARM_FOR:
            # An end may have become another since then.
            self._at_both.clear()
            return None
        # The same databases by other hands.
        kept[0].source, kept[0].target, kept[0].target_is_empty = source, target, False
        return kept

    def keep(self, checkpoints: Checkpoints, reached: Seq, compared_at: datetime) -> None:
        """A run has come to its end at `reached`."""
        self._kept[checkpoints.id] = (checkpoints, reached, compared_at)

    def arrived(self, revisions: Iterable[tuple[str, str]]) -> None:
        """These are at both ends now."""
        if len(self._at_both) > _REMEMBERED_AT_MOST:
            self._at_both.clear()
        self._at_both.update(revisions)

    def is_at_both(self, id: str, rev: str) -> bool:
        """Whether this revision is known to be at both ends."""
        return (id, rev) in self._at_both


def _went_back(now: object, then: object) -> bool:
    first, second = number_of(now), number_of(then)
    return first is not None and second is not None and first < second
