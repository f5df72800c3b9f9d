"""`yizhan node`: the station's commands. Here, and nowhere below, the machine's clock and chance come in."""

from __future__ import annotations

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
@click.option("--stop-on-eof", is_flag=True, help="end when standard input is closed (for supervisors)")
def serve(folder: Path, listen: str, county_url: str | None, stop_on_eof: bool) -> None:
    """Serve one station until SIGTERM or Ctrl-C."""
    from node.app import create_station_app
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
        station = Station(
            station_folder,
            version=version("yizhan"),
            now=lambda: datetime.now(UTC),
            monotonic=time.monotonic,
            random=SystemRandom(),
            county_url=county_url,
        )
        server = Server(create_station_app(station), listen)
        lock.announce(server.url, "")
        click.echo(f"{station.name} {station.code}: {server.url} ({which_sqlite()})", err=True)
        end_on_signals()
        if stop_on_eof:
            end_on_eof()
        station.line.start()
        try:
            server.run()
        finally:
            station.close()
