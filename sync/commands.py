"""`yizhan sync`: serve databases as CouchDB does, replicate between any two, check a file."""

from __future__ import annotations

import base64
import binascii
import fcntl
import gc
import glob
import hmac
import json
import logging
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import click

from sync.databases import Databases
from sync.following import Progress, follow
from sync.peer import ADMIN_ROLE, BadRequest, PeerError, Seq, Unauthorized, Writer
from sync.remote import RemotePeer
from sync.replicator import Replicated, replicate
from sync.sqlite import FIRST_FIXED_VERSION, several_processes_may_write, which_sqlite
from sync.store import Store
from sync.workers import keep_workers, stop_here

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

# A waiting feed holds a thread. The others answer meanwhile.
_THREADS = 32
_FEED_SEATS = 24
_CONNECTIONS = 2000
# Half a megabyte of documents comes in four pieces and not in sixty, and not by way of a file.
_PIECE_BYTES = 1 << 18
# A commit waits for the disk: half as many as by default, still no more than about a megabyte each.
_BATCH = 1000
# Ids may be a megabyte long; this much of one is said to a person.
_SHOWN = 200
_MAX_WAIT_S = 3600.0
# CouchDB takes more in one request; what is longer comes as a file or in several.
_MAX_BODY_BYTES = 64 << 20
_MAX_FILE_BYTES = 1 << 30


class Closable(Protocol):
    """What a command has opened."""

    def close(self) -> object: ...


@click.group()
def group() -> None:
    """Documents that travel: serve, replicate and check databases."""


@group.command()
@click.option(
    "--dir", "folder", type=click.Path(path_type=Path, file_okay=False), required=True, help="Made if absent."
)
@click.option("--listen", default="127.0.0.1:5984", show_default=True, metavar="HOST:PORT")
@click.option("--admin", envvar="YIZHAN_ADMIN", metavar="USER:PASSWORD", help="Also from YIZHAN_ADMIN.")
@click.option("--admin-file", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="USER:PASSWORD in it.")
@click.option(
    "--jwt-key",
    "jwt_keys",
    multiple=True,
    metavar="KID=FILE",
    help="A public key (PEM, ES256) whose bearer tokens are taken; may be given again.",
)
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes on the one port.")
def serve(
    folder: Path,
    listen: str,
    admin: str | None,
    admin_file: Path | None,
    jwt_keys: tuple[str, ...],
    workers: int,
) -> None:
    """Serve the databases of a folder under CouchDB's URLs. GET / needs no login."""
    # Replicating and checking need no server; workers share what is loaded before they begin.
    import waitress.server  # noqa: F401

    import sync.bearer
    import sync.wsgi  # noqa: F401

    _collect_seldom()
    if admin_file is not None:
        admin = _text(admin_file).strip()
        if "\n" in admin:
            raise click.UsageError(f"{admin_file} is to be one line, USER:PASSWORD.")
    user, colon, password = (admin or "").partition(":")
    if not (user and colon and password):
        raise click.UsageError("Give the administrator as --admin USER:PASSWORD, in YIZHAN_ADMIN, or in --admin-file.")
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit():
        raise click.UsageError("--listen is HOST:PORT.")
    if workers > 1 and not several_processes_may_write():
        raise click.UsageError(
            f"--workers needs SQLite {'.'.join(map(str, FIRST_FIXED_VERSION))} or newer, and this is"
            f" {which_sqlite()}: several processes that write would harm a database."
        )
    keys = dict(_jwt_key(given) for given in jwt_keys)
    _make(folder)
    host = host.strip("[]")
    try:
        listener = socket.create_server(
            (host, int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=1024
        )
    except (OSError, OverflowError) as problem:
        raise click.ClickException(f"{listen} cannot be listened to: {problem}") from problem
    # Known to all workers, and gone with them: whoever is signed in signs in again after a restart.
    secret = SystemRandom().randbytes(32)
    close: list[Closable] = []
    try:
        _hold(folder, close)
        shown = f"[{host}]" if ":" in host else host
        click.echo(f"{which_sqlite()}. Serving {folder} on http://{shown}:{listener.getsockname()[1]}/")
        if workers == 1:
            _serve(listener, folder, user, password, keys, secret)
        else:
            keep_workers(workers, lambda: _serve(listener, folder, user, password, keys, secret), sleep=time.sleep)
    finally:
        _close(close)


def _jwt_key(given: str) -> tuple[str, str]:
    from sync.bearer import public_key

    kid, equals, file = given.partition("=")
    if not (kid and equals) or not Path(file).is_file():
        raise click.UsageError(f"--jwt-key {given!r} is not KID=FILE.")
    try:
        return kid, public_key(_text(Path(file)))
    except BadRequest as problem:
        raise click.UsageError(f"--jwt-key {given!r}: {problem.reason}") from problem


def _text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise click.UsageError(f"{file} cannot be read: {problem}") from problem


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise click.ClickException(f"The folder {folder} cannot be made: {problem.strerror}.") from problem


def _serve(
    listener: socket.socket, folder: Path, user: str, password: str, jwt_keys: dict[str, str], secret: bytes
) -> None:
    """Answer on this socket until the process is told to stop."""
    from waitress.server import BaseWSGIServer, create_server

    from sync.bearer import bearer_or
    from sync.wsgi import CookieSessions, CouchApp
    from sync.wsgi.channel import CouchChannel

    # A request that waits a moment for a thread is no news.
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    databases = Databases(folder, random=SystemRandom())
    known = admin_account(user, password)
    app = CouchApp(
        databases,
        authenticate=bearer_or(basic(known), jwt_keys, now=time.time),
        sessions=CookieSessions(known, secret=secret, now=time.time),
        may_create=lambda writer, name: writer.is_county,
        feed_seats=_FEED_SEATS,
        max_wait_s=_MAX_WAIT_S,
        max_body_bytes=_MAX_BODY_BYTES,
        max_file_bytes=_MAX_FILE_BYTES,
    )
    server = create_server(
        app,
        sockets=[listener],
        threads=_THREADS,
        connection_limit=_CONNECTIONS,
        recv_bytes=_PIECE_BYTES,
        inbuf_overflow=4 * _PIECE_BYTES,
        asyncore_use_poll=True,
        max_request_body_size=_MAX_FILE_BYTES + (1 << 20),
        # An id of a megabyte is to be refused in our words.
        max_request_header_size=2 << 20,
        # Whoever hangs up while waiting for changes gives the seat back.
        channel_request_lookahead=1,
        ident=None,
    )
    assert isinstance(server, BaseWSGIServer), "one address, one socket"
    server.channel_class = CouchChannel

    def stop(*_: object) -> NoReturn:
        app.seats.close()
        stop_here()

    signal.signal(signal.SIGTERM, stop)
    try:
        server.run()
    except (KeyboardInterrupt, SystemExit):
        pass
    finally:
        app.seats.close()
        server.close()
        databases.close()


def _collect_seldom() -> None:
    """Documents are trees and no cycles: looking for cycles after every 700 of them costs a tenth of the time."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def _hold(folder: Path, close: list[Closable]) -> None:
    """Hold a folder as its only writing process, where this SQLite needs that. Raises `ClickException`."""
    name = str(folder.resolve() / ".writer")
    if several_processes_may_write() or any(getattr(one, "name", None) == name for one in close):
        return
    try:
        lock = Path(name).open("wb")  # noqa: SIM115
        close.append(lock)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as problem:
        raise click.ClickException(
            f"Another process writes in {folder}, and this is {which_sqlite()}: stop that process first."
        ) from problem
    except OSError as problem:
        raise click.ClickException(f"The folder {folder} cannot be written to: {problem.strerror}.") from problem


def _close(opened: list[Closable]) -> None:
    # A folder is let go when its databases are closed, not before.
    for one in reversed(opened):
        one.close()


def admin_account(user: str, password: str) -> Callable[[str, str], Writer | None]:
    """The one account of a server: the administrator for their name and password, None for others."""
    administrator = Writer(user, frozenset({ADMIN_ROLE}))
    expected = f"{user}:{password}".encode()

    def known(name: str, given: str) -> Writer | None:
        # The name has no colon, so no other pair gives the same bytes.
        same = hmac.compare_digest(f"{name}:{given}".encode(errors="replace"), expected)
        return administrator if same and name == user else None

    return known


def basic(known: Callable[[str, str], Writer | None]) -> Callable[[WSGIEnvironment], Writer | None]:
    """Basic authentication. Raises `Unauthorized` for anybody who tries and is not known."""

    def authenticate(environ: WSGIEnvironment) -> Writer | None:
        scheme, _, value = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if not scheme:
            return None
        try:
            name, _, password = base64.b64decode(value.strip(), validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            name = password = ""
        writer = known(name, password) if scheme.lower() == "basic" else None
        if writer is None:
            raise Unauthorized("Name or password is incorrect.")
        return writer

    return authenticate


@group.command(name="replicate")
@click.argument("source")
@click.argument("target")
@click.option("--continuous", is_flag=True, help="Go on with what is new, until Ctrl-C or SIGTERM.")
@click.option("--doc-ids", multiple=True, metavar="ID[,ID…]", help="Only these documents (may be given again).")
@click.option("--json", "as_json", is_flag=True, help="Print one line of figures (with --continuous: at the end).")
def replicate_command(source: str, target: str, continuous: bool, doc_ids: tuple[str, ...], as_json: bool) -> None:
    """Bring TARGET up to date with SOURCE. Each is DIR/NAME or http(s)://user:password@host/db."""
    _collect_seldom()
    ids = [id_ for some in doc_ids for id_ in some.split(",") if id_] if doc_ids else None
    if ids == []:
        raise click.UsageError("--doc-ids names no document.")
    refused: list[str] = []
    close: list[Closable] = []
    stop = _Stop()
    show: Progress = _show if not as_json and sys.stderr.isatty() else lambda done: None
    try:
        source_peer = _peer(source, close, make=False)
        target_peer = _peer(target, close, make=True)

        def run(progress: Progress) -> Replicated:
            def step(done: Replicated) -> None:
                progress(done)
                show(done)

            return replicate(
                source_peer,
                target_peer,
                now=lambda: datetime.now(UTC),
                random=SystemRandom(),
                doc_ids=ids,
                batch=_BATCH,
                overlap=True,
                stop=stop.is_asked,
                progress=step,
                on_refused=lambda document, reason: refused.append(f"{document['_id'][:_SHOWN]}: {reason}"),
            )

        started = time.monotonic()
        if continuous:
            with stop.on_signals():
                done = follow(
                    run,
                    stop.ends(source_peer.wait_for_changes),
                    stop=stop.is_asked,
                    sleep=stop.sleep,
                    monotonic=time.monotonic,
                    random=SystemRandom(),
                    on_trouble=_tell_trouble,
                )
        else:
            done = run(lambda done: None)
        seconds = time.monotonic() - started
    except PeerError as problem:
        raise click.ClickException(_told(problem)) from problem
    finally:
        _close(close)
    figures = _figures(done, [peer for peer in (source_peer, target_peer) if isinstance(peer, RemotePeer)], seconds)
    if as_json:
        click.echo(json.dumps(figures))
    else:
        click.echo(
            f"{done.docs_written} of {done.docs_read} documents written, {done.refused} refused,"
            f" {seconds:.1f} s; the source is at {done.last_seq}."
        )
    for line in refused:
        click.echo(f"refused: {line}", err=True)


class _Stop:
    """Asked to stop by a signal: a run ends after the step that is under way, with its checkpoint."""

    def __init__(self) -> None:
        self._asked = threading.Event()
        self._waits = False

    def is_asked(self) -> bool:
        return self._asked.is_set()

    def sleep(self, seconds: float) -> None:
        """Sleep, but not beyond being asked."""
        self._asked.wait(seconds)

    def ends(self, wait: Callable[[Seq, float], bool]) -> Callable[[Seq, float], bool]:
        """The same waiting, over when it is asked to stop."""

        def waiting(since: Seq, timeout_s: float) -> bool:
            self._waits = True
            try:
                return wait(since, timeout_s)
            except KeyboardInterrupt:
                return True
            finally:
                self._waits = False

        return waiting

    @contextmanager
    def on_signals(self) -> Iterator[None]:
        """While the block runs, SIGINT and SIGTERM ask."""

        def ask(*_: object) -> None:
            self._asked.set()
            if self._waits:
                # Nothing is under way that would have to come to its end.
                raise KeyboardInterrupt

        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _tell_trouble(problem: PeerError, pause_s: float) -> None:
    click.echo(f"{_told(problem)} Tried again in {pause_s:.0f} s.", err=True)


def _told(problem: PeerError) -> str:
    """What went wrong, by the name that its kind has outside of its module, and where, if it says so."""
    kind = next(kind.__name__ for kind in type(problem).__mro__ if kind.__name__[0] != "_")
    return f"{' '.join([kind, *getattr(problem, '__notes__', [])])}: {problem.reason}"


def _figures(done: Replicated, remotes: list[RemotePeer], seconds: float) -> dict[str, Any]:
    return {
        "docs_read": done.docs_read,
        "docs_written": done.docs_written,
        "doc_write_failures": done.doc_write_failures,
        "bytes_sent": sum(peer.bytes_sent for peer in remotes),
        "bytes_received": sum(peer.bytes_received for peer in remotes),
        "requests": sum(peer.requests for peer in remotes),
        "seconds": round(seconds, 3),
    }


def _show(done: Replicated) -> None:
    # Whatever is said next is longer and takes the line.
    click.echo(f"{done.docs_written} written, {done.refused} refused\r", nl=False, err=True)


@group.command()
@click.argument("database")
def compact(database: str) -> None:
    """Compact DIR/NAME: forget what is no leaf, and files that no revision has; say what it saved."""
    close: list[Closable] = []
    try:
        store = _store(database, close, make=False)
        before = _size(store)
        store.compact()
        after = _size(store)
    except PeerError as problem:
        raise click.ClickException(problem.reason) from problem
    finally:
        _close(close)
    click.echo(f"{database}: {before} bytes before, {after} bytes after.")


def _size(store: Store) -> int:
    return sum(path.stat().st_size for path in store.path.parent.glob(f"{glob.escape(store.path.name)}*"))


@group.command()
@click.argument("database")
def check(database: str) -> None:
    """Check DIR/NAME: SQLite's own integrity, trees, winners, counts, digests. Exit 1 if it is not well."""
    close: list[Closable] = []
    try:
        store = _store(database, close, make=False)
        wrong = store.check()
        info = store.info()
    except PeerError as problem:
        raise click.ClickException(problem.reason) from problem
    finally:
        _close(close)
    for line in wrong:
        click.echo(line)
    if wrong:
        raise click.ClickException(f"{len(wrong)} things are wrong with {database}.")
    click.echo(f"{database}: {info['doc_count']} documents, {info['doc_del_count']} deleted, nothing wrong.")


def _peer(place: str, close: list[Closable], *, make: bool) -> Store | RemotePeer:
    if "://" in place:
        return RemotePeer(place, quick=True, random=SystemRandom())
    return _store(place, close, make=make)


def _store(place: str, close: list[Closable], *, make: bool) -> Store:
    """The database NAME in folder DIR of `DIR/NAME`, cut at the last slash."""
    folder, slash, name = place.rpartition("/")
    if not slash or not name:
        raise click.UsageError(f"{place!r} is neither DIR/NAME nor a http(s) URL.")
    path = Path(folder or "/")
    if not make and not path.is_dir():
        raise click.ClickException(f"There is no folder {path}.")
    _make(path)
    _hold(path, close)
    databases = Databases(path, random=SystemRandom())
    close.append(databases)
    file = databases.path(name)
    if not make and file.exists() and file.stat().st_size == 0:
        raise click.ClickException(f"There is nothing of a database left in {file}: it is empty.")
    store = databases.open(name) if make else databases.existing(name)
    if store is None:
        raise click.ClickException(f"There is no database {name} in {path}.")
    return store
