"""One replication run: what the source has and the target lacks; its checkpoint never runs ahead."""

from __future__ import annotations

import itertools
import queue
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from random import Random
from typing import Final, NamedTuple, TypeVar

from sync.bodies import bare, json_bytes
from sync.checkpoints import Checkpoints, Memory, Progress, number_of, replication_id
from sync.peer import (
    BrokenOff,
    Change,
    Changes,
    Document,
    Fetched,
    Garbled,
    NotFound,
    Peer,
    PeerError,
    Seq,
    TooLarge,
)
from sync.plain import Plain, PlainPage, PlainSource, PlainTarget
from sync.remote_files import RemoteFile
from sync.write_rules import refused_for_what_it_is_not

# What a target says of a document that it will not take today nor tomorrow. Anything else may be better next
# time, so it ends the run before the checkpoint has moved.
_LASTING_REFUSALS: Final = frozenset(
    (
        "forbidden",
        "unauthorized",
        "bad_request",
        "doc_validation",
        "illegal_docid",
        "missing_stub",
        "too_large",
        "document_too_large",
        "attachment_too_large",
    )
)
# How often a refused document is fetched and sent again before the refusal is believed.
_HEARD_AGAIN: Final = 2
# So many changes that wait behind the first ones are remembered at a time.
_OWED_AT_MOST: Final = 50_000
# How large a document is taken to be before the first one has been seen: a record, and a piece of a file.
_FIRST_GUESS_BYTES: Final = 1_000
# A run that goes on from memory and has carried no more than this leaves the checkpoint to a later one.
_LITTLE: Final = 50
# So few documents that to ask for them would take more bytes than to send them.
_FEW: Final = 10
_FEW_BYTES: Final = 8_000
_OWED_GUESS_BYTES: Final = 24_000

# So many pages of plain documents are with a target at a time: it reads one while it writes the other.
_PAGES_UNDER_WAY: Final = 2

_T = TypeVar("_T")

OnRefused = Callable[[Document, str], None]


@dataclass(frozen=True, slots=True)
class Replicated:
    """What a run has done. `complete` is False when `stop` ended it before the end of the feed."""

    docs_read: int = 0
    docs_written: int = 0
    doc_write_failures: int = 0
    refused: int = 0
    last_seq: Seq = 0
    changed: bool = False
    complete: bool = True


class _Owed(NamedTuple):
    """A change that has to wait for the first ones, and the sequence up to which a run may be checkpointed
    before it.
    """

    change: Change
    before: Seq


class _Step(NamedTuple):
    """What to write, and the sequence up to which everything is done once it is written (None: not yet).

    `brought` are documents that came in the feed, `fetched` is what was asked for and what became of it.
    """

    fetched: Sequence[Fetched]
    reached: Seq | None
    brought: Sequence[Document] | Plain = ()


def replicate(
    source: Peer,
    target: Peer,
    *,
    now: Callable[[], datetime],
    random: Random,
    batch: int = 500,
    request_bytes: int = 1 << 20,
    document_bytes: int = _FIRST_GUESS_BYTES,
    doc_ids: Sequence[str] | None = None,
    first: Callable[[str], bool] | None = None,
    look_again_s: float = 4.0,
    checkpoint_every_s: float = 30.0,
    overlap: bool = False,
    stop: Callable[[], bool] | None = None,
    progress: Callable[[Replicated], None] | None = None,
    on_refused: OnRefused | None = None,
    memory: Memory | None = None,
) -> Replicated:
    """One run to the end of the source's feed. May be broken off and repeated at any point; raises
    `PeerError`.

    `request_bytes` is about how much one request carries (give about three seconds of a thin line), and
    `document_bytes` how large a document is taken to be before the first one has been seen. `first`
    says which ids go before all others (text before pictures): the whole feed is searched for them before the
    others begin, and again every `look_again_s` while those are under way; no checkpoint passes one that
    still waits. With `overlap` (for lines that are not thin) the source is read while the target is asked and while
    it writes, and a source of which everything is missing gives its documents in the feed itself.
    `on_refused(document, reason)` has returned before the checkpoint moves past the document. With a `memory` that is
    kept from run to run, small runs that follow one another cost little.
    """
    id_ = replication_id(source.name, target.name, doc_ids)
    began = now()
    warm = memory.take(source, target, id_, began) if memory is not None else None
    if warm is not None:
        checkpoints, start, began = warm
    else:
        checkpoints = Checkpoints(source, target, id_, now, random)
        start = checkpoints.start()
    run = _Run(
        source=source,
        target=target,
        start=start,
        now=now,
        batch=batch,
        request_bytes=request_bytes,
        document_bytes=document_bytes,
        doc_ids=doc_ids,
        first=first,
        look_again=timedelta(seconds=look_again_s),
        on_refused=on_refused,
        overlap=overlap,
        target_is_empty=checkpoints.target_is_empty,
        memory=memory,
        warm=warm is not None,
    )
    steps = run.steps()
    if overlap:
        steps = _ahead(steps)
    written = run.written(steps)
    saved, saved_at = start, now()
    try:
        for step in written:
            if step.reached is not None:
                run.done = replace(run.done, last_seq=step.reached)
            if progress is not None:
                progress(run.done)
            if stop is not None and stop():
                run.done = replace(run.done, complete=False)
                # What is under way comes to its end.
                steps.close()
            elif now() - saved_at >= timedelta(seconds=checkpoint_every_s) and run.has_moved(saved):
                run.checkpoint(checkpoints)
                saved, saved_at = run.done.last_seq, now()
        is_for_later = warm is not None and run.done.complete and run.done.docs_read <= _LITTLE
        if run.has_moved(saved) and not is_for_later:
            run.checkpoint(checkpoints)
    finally:
        written.close()
        steps.close()
    if memory is not None and run.done.complete:
        memory.keep(checkpoints, run.done.last_seq, began)
    return run.done


@dataclass(kw_only=True)
class _Run:
    """The state of one run: how far it is, and how large the documents are that it has seen."""

    source: Peer
    target: Peer
    start: Seq
    now: Callable[[], datetime]
    batch: int
    request_bytes: int
    document_bytes: int
    doc_ids: Sequence[str] | None
    first: Callable[[str], bool] | None
    look_again: timedelta
    on_refused: OnRefused | None
    overlap: bool
    target_is_empty: bool
    memory: Memory | None
    warm: bool
    is_sent_unasked: bool = False
    done: Replicated = field(default_factory=Replicated)
    counts: Progress = field(default_factory=Progress)
    _guess: dict[bool, float] = field(default_factory=dict)

    # Whether the feed is asked for its documents too, and whether that has turned out to be of no use.
    _with_docs: bool = False
    _without_docs: bool = False

    def __post_init__(self) -> None:
        self.done = replace(self.done, last_seq=self.start)
        self._guess = {True: float(self.document_bytes), False: float(_OWED_GUESS_BYTES)}
        # Where everything is missing, nothing needs to be learned from a first page.
        self._with_docs = self.target_is_empty

    # Reading.

    def steps(self) -> Generator[_Step, None, None]:
        """All there is to write, the first ones of the whole feed before the others."""
        return self._steps_ahead() if self.overlap and self.first is None else self._steps_in_order()

    def _steps_ahead(self) -> Generator[_Step, None, None]:
        pages = _ahead(self._pages())
        try:
            for found in pages:
                if isinstance(found, PlainPage):
                    yield _Step((), found.last_seq, self._lacking(found.plain))
                    continue
                wanted, brought = self._divided(found.results)
                if brought:
                    yield _Step((), None, brought)
                for fetched in self._fetch(wanted, first=True):
                    yield _Step(fetched, None)
                yield _Step((), found.last_seq)
        finally:
            pages.close()

    def _pages(self) -> Generator[Changes | PlainPage, None, None]:
        position = self.start
        at_end = False
        while not at_end:
            if not self._wants_docs():
                found = self._page(position, self.batch)
                at_end, position = found.is_last(self.batch), found.after(position)
                yield found
                continue
            pages = self._pages_with_docs(position)
            try:
                for page in pages:
                    position = page.after(position)
                    yield page
                    if not self._wants_docs():
                        break
                else:
                    at_end = True
            except TooLarge:
                self._without_docs = True
            finally:
                pages.close()

    def _wants_docs(self) -> bool:
        return self._with_docs and not self._without_docs

    def _pages_with_docs(self, position: Seq) -> Generator[Changes | PlainPage, None, None]:
        """Pages that bring their documents, many at a time where both ends can do that."""
        source, target = self.source, self.target
        if (
            self.doc_ids is None
            and isinstance(source, PlainSource)
            and isinstance(target, PlainTarget)
            and target.takes_plain
            # From one file to another nobody would look at the bodies on the way.
            and not (_is_near(source) and _is_near(target))
        ):
            yield from source.plain_pages(
                position, limit=lambda: self._batch_of(first=True), most_bytes=self.request_bytes
            )
            return
        at_end = False
        while not at_end:
            limit = self._batch_of(first=True)
            found = self._page(position, limit, with_docs=True)
            at_end, position = found.is_last(limit), found.last_seq
            yield found

    def _page(self, position: Seq, limit: int, *, with_docs: bool = False) -> Changes:
        if with_docs:
            return self.source.changes(position, limit=limit, style="all_docs", doc_ids=self.doc_ids, include_docs=True)
        return self.source.changes(position, limit=limit, style="all_docs", doc_ids=self.doc_ids)

    def _steps_in_order(self) -> Generator[_Step, None, None]:
        owed: list[_Owed] = []
        position = self.start
        at_end = False
        while not at_end or owed:
            found = self._page(position, self.batch)
            at_end = found.is_last(self.batch)
            now_due: list[Change] = []
            before = position
            for change in found.results:
                if self.first is None or self.first(change.id):
                    now_due.append(change)
                else:
                    owed.append(_Owed(change, before))
                before = change.seq
            position = found.after(position)
            missing = self._missing(now_due)
            wanted = [pair for change in now_due for pair in missing.get(change.id, [])]
            for fetched in self._fetch(wanted, first=True):
                yield _Step(fetched, None)
            yield _Step((), owed[0].before if owed else position)
            if owed and (at_end or len(owed) >= _OWED_AT_MOST):
                # The feed is asked again when it is time, or when nothing waits any more.
                yield from self._steps_of_owed(owed, position, until_look=at_end)

    def _steps_of_owed(self, owed: list[_Owed], end: Seq, *, until_look: bool) -> Iterator[_Step]:
        look_at = self.now() + self.look_again
        # At least one piece between two looks, however long a look takes.
        while owed:
            # Asked of the target in one go, then fetched in small pieces.
            some = owed[: self.batch]
            missing = self._missing([one.change for one in some])
            taken = 0
            for pieces in self._pieces([missing.get(one.change.id, []) for one in some], first=False):
                wanted = list(
                    itertools.chain.from_iterable(missing.get(one.change.id, []) for one in some[taken:pieces])
                )
                taken = pieces
                following = some[taken].before if taken < len(some) else end
                if taken == len(some) and len(owed) > len(some):
                    following = owed[len(some)].before
                if wanted:
                    for fetched in self._got(wanted, first=False):
                        yield _Step(fetched, None)
                yield _Step((), following)
                if until_look and self.now() >= look_at:
                    break
            del owed[:taken]
            if until_look and self.now() >= look_at:
                return

    def _divided(self, changes: list[Change]) -> tuple[list[tuple[str, str]], list[Document]]:
        """Of a page of the feed the revisions that have to be asked for, and the documents that it has brought.

        Whether the next page should bring its documents is learned from this one: where all are missing, and are of the
        kind that can be brought, it saves asking for them.
        """
        if not self._with_docs:
            missing = self._missing(changes)
            wanted = [pair for change in changes for pair in missing.get(change.id, [])]
            self._with_docs = len(wanted) == len(changes) and all(rev.startswith("1-") for _, rev in wanted)
            return wanted, []
        wanted = []
        brought: list[Document] = []
        rest: list[Change] = []
        for change in changes:
            doc, revs = change.doc, change.revs
            # All there is to know of a document: one revision, the first one, and no files.
            if (
                doc is not None
                and len(revs) == 1
                and revs[0][:2] == "1-"
                and doc.get("_rev") == revs[0]
                and doc.get("_id") == change.id
                and "_attachments" not in doc
            ):
                brought.append(doc)
            else:
                rest.append(change)
        came = len(brought)
        if self.target_is_empty:
            self.counts.missing_checked += came
            self.counts.missing_found += came
        elif brought:
            asked = self._missing([Change(0, doc["_id"], (doc["_rev"],), False) for doc in brought])
            brought = [doc for doc in brought if doc["_id"] in asked]
        missing = self._missing(rest)
        wanted = [pair for change in rest for pair in missing.get(change.id, [])]
        if any(change.doc is not None for change in changes):
            self._without_docs = self._without_docs or len(brought) < 0.9 * len(changes)
        if sample := [len(json_bytes(doc)) for doc in brought[::50]]:
            self._guess[True] = max(1.0, sum(sample) / len(sample))
        return wanted, brought

    def _lacking(self, plain: Plain) -> Plain:
        """Of what the feed has brought the documents that the target lacks."""
        came = len(plain.ids)
        self._guess[True] = max(1.0, plain.size / came)
        if self.target_is_empty:
            self.counts.missing_checked += came
            self.counts.missing_found += came
            return plain
        asked = [Change(0, id_, (rev,), False) for id_, rev in zip(plain.ids, plain.revs, strict=True)]
        missing = self._missing(asked)
        if len(missing) == came:
            return plain
        self._without_docs = self._without_docs or len(missing) < 0.9 * came
        return plain.only(missing)

    def _fetch(self, wanted: list[tuple[str, str]], *, first: bool) -> Iterator[list[Fetched]]:
        while wanted:
            size = self._batch_of(first=first)
            yield from self._got(wanted[:size], first=first)
            del wanted[:size]

    def _got(self, wanted: list[tuple[str, str]], *, first: bool) -> Iterator[list[Fetched]]:
        """What was asked for, in pieces: what came before a break is written and not asked for again, and long files
        are brought one document at a time.
        """
        broken: BrokenOff | None = None
        try:
            fetched = self._get(wanted, first=first)
        except BrokenOff as problem:
            broken, fetched = problem, problem.fetched
        light: list[Fetched] = []
        for one in fetched:
            if not _remote_files(one.document):
                light.append(one)
                continue
            if light:
                yield light
                light = []
            yield [self._with_files(one)]
        if light:
            yield light
        if broken is not None:
            raise broken

    def _with_files(self, one: Fetched) -> Fetched:
        """With its long files here. Those that the target has at any document stay where they are."""
        assert one.document is not None
        holds_file = getattr(self.target, "holds_file", None)
        try:
            for entry in _remote_files(one.document):
                file = entry["data"]
                if holds_file is not None and holds_file(file.digest, file.length):
                    del entry["data"]
                    entry |= {"digest": file.digest, "length": file.length, "stub": True}
                else:
                    file.fetch()
        except NotFound as problem:
            return Fetched(one.id, one.rev, None, problem.code, problem.reason)
        return one

    def _pieces(self, wanted: list[list[tuple[str, str]]], *, first: bool) -> Iterator[int]:
        """Where to cut a list of documents so that each piece fits one request (the guess may learn in
        between).
        """
        taken = 0
        while taken < len(wanted):
            left = self._batch_of(first=first)
            while taken < len(wanted) and (left > 0 or not wanted[taken]):
                left -= len(wanted[taken])
                taken += 1
            yield taken

    def _batch_of(self, *, first: bool) -> int:
        return max(1, min(self.batch, int(self.request_bytes / self._guess[first])))

    def _missing(self, changes: Sequence[Change]) -> dict[str, list[tuple[str, str]]]:
        asked: dict[str, Sequence[str]] = {change.id: change.revs for change in changes}
        if self.memory is not None:
            known = self.memory.is_at_both
            news = ((id_, [rev for rev in revs if not known(id_, rev)]) for id_, revs in asked.items())
            asked = {id_: revs for id_, revs in news if revs}
        if not asked:
            return {}
        # What another run brings at the same time is written twice then, and is there once.
        if self.target_is_empty or self._is_sent_cheaper(asked):
            missing = {id_: list(revs) for id_, revs in asked.items()}
        else:
            missing = {id_: one.missing for id_, one in self.target.revs_diff(asked).items()}
            if self.memory is not None:
                self.memory.arrived(
                    (id_, rev) for id_, revs in asked.items() for rev in revs if rev not in missing.get(id_, ())
                )
        self.counts.missing_checked += sum(map(len, asked.values()))
        self.counts.missing_found += sum(map(len, missing.values()))
        return {id_: [(id_, rev) for rev in revs] for id_, revs in missing.items()}

    def _is_sent_cheaper(self, asked: Mapping[str, Sequence[str]]) -> bool:
        """Whether to send these takes fewer bytes than to ask: a few new ones of ours, over a line that has held."""
        if not (self.warm and _is_near(self.source)) or len(asked) > _FEW:
            return False
        sizes = [one.size for one in self.source.bulk_get([(id_, rev) for id_, revs in asked.items() for rev in revs])]
        self.is_sent_unasked = all(sizes) and sum(sizes) <= _FEW_BYTES
        return self.is_sent_unasked

    def _get(self, wanted: list[tuple[str, str]], *, first: bool) -> list[Fetched]:
        try:
            fetched = self.source.bulk_get(wanted)
        except TooLarge:
            if len(wanted) == 1:
                return self._too_large(wanted[0])
            half = len(wanted) // 2
            fetched = self._get(wanted[:half], first=first)
            try:
                return fetched + self._get(wanted[half:], first=first)
            except BrokenOff as problem:
                raise BrokenOff(problem.reason, fetched + problem.fetched) from problem
        if [(one.id, one.rev) for one in fetched] != wanted:
            raise Garbled("bulk_get answered with other revisions than were asked for.", code="changed")
        sizes = [one.size for one in fetched if one.size]
        if sizes:
            # Learn quickly that documents are large, slowly that they are small.
            largest = sum(sizes) / len(sizes)
            weight = 1.0 if largest > self._guess[first] else 0.3
            self._guess[first] += weight * (largest - self._guess[first])
        return fetched

    def _too_large(self, wanted: tuple[str, str]) -> list[Fetched]:
        """One document, once more: was it too large, or did a stranger on the line talk without end?"""
        self.source.info()
        try:
            return self.source.bulk_get([wanted])
        except TooLarge as problem:
            return [Fetched(*wanted, None, "too_large", problem.reason)]

    # Writing.

    def written(self, steps: Iterator[_Step]) -> Generator[_Step, None, None]:
        """The steps in their order, each once what came in it is written.

        While a target at the other end of a quick line writes a page of plain documents, the next is packed and on its
        way. All else waits until those are there.
        """
        if not self.overlap or _is_near(self.target):
            for step in steps:
                self._write(step, isinstance(step.brought, Plain) and self._takes(step.brought))
                yield step
            return
        under_way: deque[tuple[_Step, Future[bool]]] = deque()

        def oldest() -> _Step:
            step, sent = under_way.popleft()
            self._write(step, sent.result())
            return step

        with ThreadPoolExecutor(_PAGES_UNDER_WAY, "replicate-write") as hands:
            for step in steps:
                if isinstance(step.brought, Plain):
                    under_way.append((step, hands.submit(self._takes, step.brought)))
                    if len(under_way) == _PAGES_UNDER_WAY:
                        yield oldest()
                    continue
                while under_way:
                    yield oldest()
                self._write(step, False)
                yield step
            while under_way:
                yield oldest()

    def _write(self, step: _Step, is_taken: bool) -> None:
        """Write what came, unless it was plain and the target has taken it so; tell of what was refused."""
        brought = step.brought
        if isinstance(brought, Plain):
            if is_taken:
                self._count(brought)
                return
            brought = brought.documents()
        documents = list(brought)
        whole = len(documents) <= self._batch_of(first=True)
        for one in step.fetched:
            if one.document is not None:
                documents.append(one.document)
            elif one.error == "too_large":
                self._refuse({"_id": one.id, "_rev": one.rev}, f"source: {one.error}: {one.reason}")
            else:
                documents += self._in_its_place(one)
        if not documents:
            return
        if step.fetched:
            whole = (
                all(one.size for one in step.fetched) and sum(one.size for one in step.fetched) <= self.request_bytes
            )
        self.counts.docs_read += len(documents)
        self.done = replace(self.done, docs_read=self.done.docs_read + len(documents))
        for some in (documents,) if whole else _portions(documents, self.request_bytes):
            self._write_some(some)

    def _takes(self, plain: Plain) -> bool:
        """Whether the target has taken all of them as they are; if not, they go as any others do."""
        assert isinstance(self.target, PlainTarget)
        if not plain.ids:
            return True
        try:
            return plain.size <= 2 * self.request_bytes and self.target.write_plain(plain)
        except TooLarge:
            return False

    def _count(self, taken: Plain) -> None:
        count = len(taken.ids)
        self.counts.docs_read += count
        self.counts.docs_written += count
        self.done = replace(
            self.done,
            docs_read=self.done.docs_read + count,
            docs_written=self.done.docs_written + count,
            changed=self.done.changed or count > 0,
        )
        if self.memory is not None:
            self.memory.arrived(zip(taken.ids, taken.revs, strict=True))

    def _write_some(self, documents: list[Document]) -> None:
        try:
            answers = self.target.bulk_docs(documents, new_edits=False)
        except TooLarge as problem:
            if len(documents) > 1:
                half = len(documents) // 2
                self._write_some(documents[:half])
                self._write_some(documents[half:])
            else:
                self._fail(documents[0], f"target: {problem.code}: {problem.reason}")
            return
        written = 0
        refused: list[Document] = []
        lost: PeerError | None = None
        for document, answer in zip(documents, answers, strict=True):
            if answer.error is None:
                written += 1
                if self.memory is not None:
                    self.memory.arrived([(answer.id, answer.rev)])
            elif answer.error in _LASTING_REFUSALS:
                if not self._is_there(document):
                    refused.append(document)
            else:
                lost = PeerError(f"{answer.id}: {answer.reason}", code=answer.error)
        self.counts.docs_written += written
        self.done = replace(
            self.done, docs_written=self.done.docs_written + written, changed=self.done.changed or written > 0
        )
        if lost is not None:
            raise lost
        if refused:
            self._hear_again(refused)

    def _hear_again(self, refused: list[Document]) -> None:
        """Fetch and send once more what the target will not take: the line may have changed it on the way.

        Only what stays the same at the source and is refused each time is refused for good. Raises `Garbled` if
        the copies differ, or if the target blames what is right here: then nothing is known yet, and the checkpoint
        has to wait.
        """
        first = {(document["_id"], document["_rev"]): document for document in refused}
        reasons: dict[tuple[str, str], str] = {}
        changed = False
        for _ in range(_HEARD_AGAIN):
            documents = []
            for one in self.source.bulk_get(list(first)):
                if one.document is None:
                    raise Garbled(f"The source gave {one.id[:80]} a moment ago, and now it does not.", code="changed")
                changed = changed or _said(one.document) != _said(first[one.id, one.rev])
                documents.append(self._with_files(one).document or first[one.id, one.rev])
            taken = 0
            for document, answer in zip(documents, self.target.bulk_docs(documents, new_edits=False), strict=True):
                if answer.error is None:
                    taken += 1
                    first.pop((document["_id"], document["_rev"]))
                else:
                    reasons[document["_id"], document["_rev"]] = answer.reason or answer.error
            self.counts.docs_written += taken
            self.done = replace(
                self.done, docs_written=self.done.docs_written + taken, changed=self.done.changed or taken > 0
            )
            if not first:
                return
        if changed or any(refused_for_what_it_is_not(first[pair], reasons[pair]) for pair in first):
            raise Garbled("Documents come out of the line changed, or differently each time.", code="changed")
        for pair, document in first.items():
            self._fail(document, reasons[pair])

    def _is_there(self, document: Document) -> bool:
        """Whether what was refused had been sent without asking, and the target has it from somebody else."""
        asked = {document["_id"]: [document["_rev"]]}
        return self.warm and self.is_sent_unasked and not self.target.revs_diff(asked)

    def _fail(self, document: Document, reason: str) -> None:
        self.counts.doc_write_failures += 1
        self.done = replace(self.done, doc_write_failures=self.done.doc_write_failures + 1)
        self._refuse(document, reason)

    def _refuse(self, document: Document, reason: str) -> None:
        if self.on_refused is not None:
            self.on_refused(bare(document), reason)
        self.done = replace(self.done, refused=self.done.refused + 1)

    def _in_its_place(self, one: Fetched) -> list[Document]:
        """What there is now of a document whose revision could not be had: the heirs that the target lacks.

        Refuses the revision if it is still a leaf. Raises `Garbled` if the source does not know the document at all:
        a feed that lists what is not there was changed on the way, and what it should have listed is not known.
        """
        rows = self.source.changes(0, style="all_docs", doc_ids=[one.id]).results
        if [row.id for row in rows] != [one.id]:
            raise Garbled(f"The feed lists {one.id[:80]}, and the source does not know it.", code="changed")
        if one.rev in rows[0].revs:
            self._refuse({"_id": one.id, "_rev": one.rev}, f"source: {one.error}: {one.reason}")
            return []
        some = self._got(self._missing(rows).get(one.id, []), first=True)
        return [heir.document for heirs in some for heir in heirs if heir.document is not None]

    def has_moved(self, saved: Seq) -> bool:
        """Whether a new checkpoint is worth its requests: behind the same number peers may vary the rest."""
        reached = self.done.last_seq
        if self.counts.missing_checked:
            return reached != saved
        before, after = number_of(saved), number_of(reached)
        return before != after or (after is None and reached != saved)

    def checkpoint(self, checkpoints: Checkpoints) -> None:
        """Write down how far this run is; what the target has acknowledged is made durable first."""
        self.target.ensure_full_commit()
        checkpoints.record(self.done.last_seq, self.counts, self.target.info().get("update_seq"))


def _is_near(peer: Peer) -> bool:
    """Whether to read from it costs no line."""
    return getattr(peer, "is_near", False)


def _said(document: Document) -> Document:
    """A document without its history, which comes along on one road and not on another."""
    return {key: value for key, value in bare(document).items() if key != "_revisions"}


def _remote_files(document: Document | None) -> list[Document]:
    """The entries of files that are not here yet."""
    entries = document.get("_attachments") if document else None
    if not isinstance(entries, dict):
        return []
    return [entry for entry in entries.values() if isinstance(entry.get("data"), RemoteFile)]


def _portions(documents: list[Document], request_bytes: int) -> Iterator[list[Document]]:
    """Cut so that no portion is much larger than a request may be."""
    portion: list[Document] = []
    size = 0
    for document in documents:
        length = len(json_bytes(bare(document)))
        if portion and size + length > request_bytes:
            yield portion
            portion, size = [], 0
        portion.append(document)
        size += length
    if portion:
        yield portion


def _ahead(steps: Generator[_T, None, None]) -> Generator[_T, None, None]:
    """The same, read in another thread, up to two ahead of whoever takes them."""
    ready: queue.Queue[_T | BaseException | None] = queue.Queue(maxsize=2)
    closed = threading.Event()

    def put(item: _T | BaseException | None) -> bool:
        while not closed.is_set():
            try:
                ready.put(item, timeout=0.2)
            except queue.Full:
                continue
            return True
        return False

    def read() -> None:
        last: BaseException | None = None
        try:
            for step in steps:
                if not put(step):
                    return
        except BaseException as problem:
            # Raised again where the steps are taken.
            last = problem
        finally:
            steps.close()
        put(last)

    thread = threading.Thread(target=read, name="replicate-read", daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        closed.set()
        thread.join()
