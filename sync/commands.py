"""`yizhan sync`: serve databases as CouchDB does, replicate between any two, check a file."""

from __future__ import annotations

import base64
import binascii
import gc
import hmac
import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING, Any

import click

from sync.peer import ADMIN_ROLE, COUNTY_ROLE, Peer, PeerError, Unauthorized, Writer
from sync.remote import RemotePeer
from sync.replicator import Replicated, replicate
from sync.sqlite import which_sqlite
from sync.store import Databases, Store

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_THREADS = 16
_CONNECTIONS = 2000
# Half a megabyte of documents comes in four pieces and not in sixty, and not by way of a file.
_PIECE_BYTES = 1 << 18
# A commit waits for the disk: half as many as by default, still no more than about a megabyte each.
_BATCH = 1000


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
def serve(folder: Path, listen: str, admin: str | None, admin_file: Path | None) -> None:
    """Serve the databases of a folder under CouchDB's URLs. GET / needs no login."""
    # Imported here: replicating and checking need no server.
    from waitress.server import create_server

    from sync.wsgi import MAX_BODY_BYTES, CouchApp

    _collect_seldom()
    if admin_file is not None:
        admin = admin_file.read_text("utf-8").strip()
    user, colon, password = (admin or "").partition(":")
    if not (user and colon and password):
        raise click.UsageError("Give the administrator as --admin USER:PASSWORD, in YIZHAN_ADMIN, or in --admin-file.")
    host, _, port = listen.rpartition(":")
    if not host or not port.isdigit():
        raise click.UsageError("--listen is HOST:PORT.")
    databases = Databases(folder, random=SystemRandom())
    app = CouchApp(
        databases, authenticate=basic_admin(user, password), may_create=lambda writer, name: writer.is_county
    )
    server = create_server(
        app,
        host=host.strip("[]"),
        port=int(port),
        threads=_THREADS,
        connection_limit=_CONNECTIONS,
        recv_bytes=_PIECE_BYTES,
        inbuf_overflow=4 * _PIECE_BYTES,
        asyncore_use_poll=True,
        max_request_body_size=MAX_BODY_BYTES + (1 << 20),
        ident=None,
    )
    bound = getattr(server, "effective_port", port)
    click.echo(f"{which_sqlite()}. Serving {folder} on http://{host}:{bound}/")
    try:
        server.run()
    except (KeyboardInterrupt, SystemExit):
        pass
    finally:
        server.close()
        databases.close()


def _collect_seldom() -> None:
    """Documents are trees and no cycles: looking for cycles after every 700 of them costs a tenth of the time."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


def basic_admin(user: str, password: str) -> Callable[[WSGIEnvironment], Writer | None]:
    """Basic authentication of one administrator. Raises `Unauthorized` for anybody else who tries."""
    expected = f"{user}:{password}".encode()
    administrator = Writer(user, frozenset({ADMIN_ROLE, COUNTY_ROLE}))

    def authenticate(environ: WSGIEnvironment) -> Writer | None:
        scheme, _, value = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        if not scheme:
            return None
        try:
            given = base64.b64decode(value.strip(), validate=True)
        except (binascii.Error, ValueError):
            given = b""
        if scheme.lower() == "basic" and hmac.compare_digest(given, expected):
            return administrator
        raise Unauthorized("Name or password is incorrect.")

    return authenticate


@group.command(name="replicate")
@click.argument("source")
@click.argument("target")
@click.option("--doc-ids", multiple=True, metavar="ID[,ID…]", help="Only these documents (may be given again).")
@click.option("--json", "as_json", is_flag=True, help="Print one line of figures.")
def replicate_command(source: str, target: str, doc_ids: tuple[str, ...], as_json: bool) -> None:
    """Bring TARGET up to date with SOURCE, once. Each is DIR/NAME or http(s)://user:password@host/db."""
    _collect_seldom()
    ids = [id_ for some in doc_ids for id_ in some.split(",") if id_] or None
    refused: list[str] = []
    close: list[Databases] = []
    try:
        source_peer = _peer(source, close, make=False)
        target_peer = _peer(target, close, make=True)
        started = time.monotonic()
        done = replicate(
            source_peer,
            target_peer,
            now=lambda: datetime.now(UTC),
            random=SystemRandom(),
            doc_ids=ids,
            batch=_BATCH,
            overlap=True,
            progress=None if as_json or not sys.stderr.isatty() else _show,
            on_refused=lambda document, reason: refused.append(f"{document['_id']}: {reason}"),
        )
        seconds = time.monotonic() - started
    except PeerError as problem:
        raise click.ClickException(f"{type(problem).__name__}: {problem.reason}") from problem
    finally:
        for databases in close:
            databases.close()
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
    click.echo(f"\r{done.docs_written} written, {done.refused} refused", nl=False, err=True)


@group.command()
@click.argument("database")
def check(database: str) -> None:
    """Check DIR/NAME: SQLite's own integrity, trees, winners, counts, digests. Exit 1 if it is not well."""
    close: list[Databases] = []
    try:
        store = _store(database, close, make=False)
        wrong = store.check()
        info = store.info()
    except PeerError as problem:
        raise click.ClickException(problem.reason) from problem
    finally:
        for databases in close:
            databases.close()
    for line in wrong:
        click.echo(line)
    if wrong:
        raise click.ClickException(f"{len(wrong)} things are wrong with {database}.")
    click.echo(f"{database}: {info['doc_count']} documents, {info['doc_del_count']} deleted, nothing wrong.")


def _peer(place: str, close: list[Databases], *, make: bool) -> Peer:
    if place.startswith(("http://", "https://")):
        return RemotePeer(place, quick=True)
    return _store(place, close, make=make)


def _store(place: str, close: list[Databases], *, make: bool) -> Store:
    """The database NAME in folder DIR of `DIR/NAME`, cut at the last slash."""
    folder, slash, name = place.rpartition("/")
    if not slash or not name:
        raise click.UsageError(f"{place!r} is neither DIR/NAME nor a http(s) URL.")
    path = Path(folder or "/")
    if not make and not path.is_dir():
        raise click.ClickException(f"There is no folder {path}.")
    databases = Databases(path, random=SystemRandom())
    close.append(databases)
    store = databases.open(name) if make else databases.existing(name)
    if store is None:
        raise click.ClickException(f"There is no database {name} in {path}.")
    return store
