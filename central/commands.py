"""`yizhan central`: the county's commands. Here, and nowhere below, the machine's clock and chance come in."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from random import SystemRandom
from typing import Any

import click

from central.catalogue.commands import catalogue

FOLDER = click.option(
    "--dir", "folder", type=click.Path(path_type=Path), required=True, help="the county's data folder"
)


@click.group("central")
def group() -> None:
    """The county: serve, publish the catalogue, keep accounts."""


group.add_command(catalogue)


@group.command()
@FOLDER
@click.option("--listen", default="127.0.0.1:8700", show_default=True, help="HOST:PORT")
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="processes on the one port")
@click.option("--stop-on-eof", is_flag=True, help="end when standard input is closed (for supervisors)")
def serve(folder: Path, listen: str, workers: int, stop_on_eof: bool) -> None:
    """Serve the county until SIGTERM or Ctrl-C."""
    from central.app import create_county_app
    from central.centre import Centre
    from provisioning import ProvisioningError
    from provisioning.folder import CountyFolder
    from sync.database_file import share_awake
    from sync.sqlite import FIRST_FIXED_VERSION, several_processes_may_write, which_sqlite
    from sync.workers import keep_workers
    from web.serving import Server, end_on_eof, end_on_signals, keep_memory_small, listening, url_of

    if workers > 1 and not several_processes_may_write():
        raise click.UsageError(
            f"--workers needs SQLite {'.'.join(map(str, FIRST_FIXED_VERSION))} or newer, and this is"
            f" {which_sqlite()}: several processes that write would harm a database."
        )
    keep_memory_small()
    try:
        county_folder = CountyFolder.open(folder)
        lock = county_folder.lock()
    except ProvisioningError as error:
        raise click.ClickException(str(error)) from error
    with lock:
        secret = f"{SystemRandom().getrandbits(256):064x}"
        try:
            listener = listening(listen)
        except OSError as error:
            raise click.ClickException(f"{listen} cannot be listened to: {error}") from error

        def work() -> None:
            share_awake(workers)
            centre = Centre(
                county_folder, version=version("yizhan"), now=lambda: datetime.now(UTC), random=SystemRandom()
            )
            server = Server(create_county_app(centre, secret=secret), listener, threads=16)
            end_on_signals()
            centre.start()
            try:
                server.run()
            finally:
                centre.close()

        lock.announce(url_of(listener), secret)
        click.echo(f"{county_folder.name} {county_folder.station}: {url_of(listener)} ({which_sqlite()})", err=True)
        if stop_on_eof:
            end_on_eof()
        if workers == 1:
            work()
        else:
            keep_workers(workers, work, sleep=time.sleep)


@group.group()
def accounts() -> None:
    """Who may sign in, and where."""


@accounts.command("import")
@click.argument("file", type=click.File("r", encoding="utf-8"))
@FOLDER
def import_accounts_command(file: Any, folder: Path) -> None:
    """Make or change accounts from FILE: a JSON list of {username, name, roles, station, department, password}."""
    try:
        records = json.load(file)
    except (ValueError, RecursionError) as error:
        raise click.ClickException(f"{file.name} is no complete JSON: {error}") from error
    done = perform(folder, "accounts_import", {"records": records})
    click.echo(f"{done['made']} made, {done['changed']} changed")


def perform(folder: Path, operation: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Carry out an operation on a county's folder: here, or by the service that holds it."""
    from central.operations import OPERATIONS
    from provisioning import ProvisioningError
    from provisioning.carry_out import carry_out
    from sync.peer import PeerError

    try:
        return carry_out(folder, operation, arguments, OPERATIONS)
    except (ProvisioningError, PeerError) as error:
        raise click.ClickException(str(error)) from error


@group.group("log")
def audit_log() -> None:
    """The log of acts: who read or changed which case."""


@audit_log.command("check")
@FOLDER
def check_log(folder: Path) -> None:
    """Say whether anything in the county's log or a station's was altered or is missing. Ends with 1 if so."""
    troubles = perform(folder, "log_check", {})["troubles"]
    for station, sentence in troubles:
        click.echo(f"{station} {sentence}")
    if troubles:
        raise SystemExit(1)
    click.echo("操作日志完好。")
