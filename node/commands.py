"""`yizhan node`: the station's commands. Here, and nowhere below, the machine's clock and chance come in."""

from __future__ import annotations

import os
import signal
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from random import SystemRandom

import click


@click.group("node")
def group() -> None:
    """The station: serve its pages and its replication loop."""


@group.command()
@click.option("--dir", "folder", type=click.Path(path_type=Path), required=True, help="the station's data folder")
@click.option("--listen", default="127.0.0.1:8080", show_default=True, help="HOST:PORT")
@click.option("--county", "county_url", help="the county's address, if not the one written at enrolment")
@click.option(
    "--log-months",
    type=click.IntRange(min=6),
    default=12,
    show_default=True,
    help="how long entries of the log of acts stay here after the county has them",
)
@click.option("--stop-on-eof", is_flag=True, help="end when standard input is closed (for supervisors)")
def serve(folder: Path, listen: str, county_url: str | None, log_months: int, stop_on_eof: bool) -> None:
    """Serve one station until SIGTERM or Ctrl-C."""
    from node.app import create_station_app
    from node.opening import SOON_S, Opening
    from node.station import Station
    from provisioning import ProvisioningError
    from provisioning.folder import StationFolder
    from sync.sqlite import which_sqlite
    from web.serving import Server, end_on_eof, end_on_signals, keep_memory_small

    keep_memory_small()
    try:
        station_folder = StationFolder.open(folder)
        lock = station_folder.lock()
    except ProvisioningError as error:
        raise click.ClickException(str(error)) from error
    with lock:
        end_on_signals()
        if stop_on_eof:
            end_on_eof()
        opening = Opening(
            lambda progress: Station(
                station_folder,
                version=version("yizhan"),
                now=lambda: datetime.now(UTC),
                monotonic=time.monotonic,
                random=SystemRandom(),
                county_url=county_url,
                log_months=log_months,
                progress=progress,
            ),
            place=station_folder.name,
            station=station_folder.code,
        )
        opening.start()
        station = opening.wait(SOON_S)
        server = Server(opening, listen)

        def goes_on(opened: Station) -> None:
            opening.become(create_station_app(opened))
            opened.line.start()

        if station is not None:
            goes_on(station)
        else:
            opening.then(goes_on, failed=lambda: os.kill(os.getpid(), signal.SIGTERM))
        lock.announce(server.url, "")
        click.echo(f"{station_folder.name} {station_folder.code}: {server.url} ({which_sqlite()})", err=True)
        try:
            server.run()
        finally:
            opened = opening.wait(0)
            if opened is not None:
                opened.close()


@group.group("log")
def audit_log() -> None:
    """The log of acts: who read or changed which case."""


@audit_log.command("check")
@click.option("--dir", "folder", type=click.Path(path_type=Path), required=True, help="the station's data folder")
def check_log(folder: Path) -> None:
    """Say whether anything in the log was altered or taken out, and which entry. Ends with 1 if so."""
    from node.audit import check
    from node.station import AUDIT, rule_for
    from provisioning import ProvisioningError
    from provisioning.folder import StationFolder
    from provisioning.register import station_database
    from sync.databases import Databases
    from web.audit import AuditLog

    try:
        station = StationFolder.open(folder)
    except ProvisioningError as error:
        raise click.ClickException(str(error)) from error
    if not (station.path / AUDIT).exists():
        raise click.ClickException(f"{station.path} 里没有操作日志：还没有开过服务，或日志文件被拿走了。")
    databases = Databases(station.databases, rule_for=rule_for, random=SystemRandom())
    log = AuditLog(station.path / AUDIT, now=lambda: datetime.now(UTC), random=SystemRandom())
    try:
        findings = check(log, databases.open(station_database(station.code)))
        for finding in findings:
            click.echo(finding.sentence)
        if findings:
            raise SystemExit(1)
        click.echo(f"操作日志完好：第 {log.pruned + 1} 条到第 {log.head} 条。")
    finally:
        log.close()
        databases.close()
