"""`yizhan provision` and `yizhan demo`: here the machine's clock and chance come in."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from random import SystemRandom
from typing import IO, Any, ParamSpec, TypeVar

import click
import urllib3

from provisioning import ProvisioningError
from provisioning.carry_out import carry_out
from provisioning.codes import EnrolmentCode
from provisioning.enrolment import enrol as enrol_station
from provisioning.line import poster
from provisioning.operations import OPERATIONS, init_county, renew_county_key
from sync.peer import PeerError

P = ParamSpec("P")
R = TypeVar("R")

FOLDER = click.option("--dir", "folder", type=click.Path(path_type=Path), required=True, help="the data folder")


def said_plainly(command: Callable[P, R]) -> Callable[P, R]:
    """Errors of the domain are sentences for whoever typed the command, not stack traces."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (ProvisioningError, PeerError) as error:
            raise click.ClickException(str(error)) from error

    return run


def _now() -> datetime:
    return datetime.now(UTC)


@click.group("provision")
def group() -> None:
    """Identity: county authority, stations, enrolment."""


@group.group("county")
def county_group() -> None:
    """The county centre's own folder."""


@county_group.command("init")
@FOLDER
@click.option("--code", required=True, help="the county's division code, six digits")
@click.option("--name", required=True, help="what stations and receipts call the county centre")
@click.option("--listen", default="127.0.0.1:8700", show_default=True, help="HOST:PORT to serve on")
@click.option(
    "--contact-interval",
    "contact_interval_s",
    type=click.IntRange(0, 3600),
    default=0,
    help="seconds between a station's contacts; 0: 4 when busy, 120 when idle",
)
@said_plainly
def county_init(folder: Path, code: str, name: str, listen: str, contact_interval_s: int) -> None:
    """Make a county: its authority, its key, its first key register."""
    made = init_county(
        folder,
        code=code,
        name=name,
        listen=listen,
        contact_interval_s=contact_interval_s,
        now=_now,
        random=SystemRandom(),
    )
    click.echo(f"{made.name} ({made.code}) is in {folder}. Its authority is {made.authority().fingerprint}.")
    click.echo(f"Keep {folder}/authority-key.pem safe: whoever has it is the county.")
    click.echo(f"Next: yizhan provision station add CODE --name NAME --dir {folder}")


@county_group.command("renew-key")
@FOLDER
@said_plainly
def county_renew_key(folder: Path) -> None:
    """Give the county its next key, while it is not in service; then publish, so that the catalogue is signed anew."""
    made = renew_county_key(folder, now=_now, random=SystemRandom())
    click.echo(f"{made.key().id} signs from now on ({made.key_path}); what the key before has signed still counts.")
    click.echo(f"Next: yizhan central catalogue publish --dir {folder}")


@group.group("station")
def station_group() -> None:
    """Stations, as the county sees them."""


@station_group.command("add")
@click.argument("codes", nargs=-1, metavar="CODE…")
@FOLDER
@click.option("--name", help="the station's name (with a single CODE)")
@click.option("--kind", type=click.Choice(["township", "village"]), help="else it follows from the code")
@click.option("--parent", help="the station above, twelve digits; else it follows from the code")
@click.option("--from", "file", type=click.File("r", encoding="utf-8"), help="JSON list of {code, name, …}")
@click.option("--new-code", is_flag=True, help="a code also for stations that are enrolled (new hardware)")
@click.option("--json", "as_json", is_flag=True, help="print one JSON object")
@said_plainly
def station_add(
    codes: tuple[str, ...],
    folder: Path,
    file: IO[str] | None,
    new_code: bool,
    as_json: bool,
    **said: str | None,
) -> None:
    """Add stations and print a one-time enrolment code for each. Safe to repeat: an earlier code is void
    then.
    """
    if said["name"] and len(codes) > 1:
        raise click.UsageError("--name goes with a single CODE; use --from for several.")
    stations: list[Any] = [{"code": code, **said} for code in codes]
    if file is not None:
        stations += _listed(file)
    if not stations:
        raise click.UsageError("Name a CODE, or a file with --from.")
    added = carry_out(folder, "station_add", {"stations": stations, "new_code": new_code}, OPERATIONS)
    if as_json:
        click.echo(json.dumps(added, ensure_ascii=False))
        return
    for row in added["stations"]:
        click.echo(f"{row['code']} {row['name']}: {row['state']}")
        if row["enrolment_code"]:
            click.echo(f"    {row['enrolment_code']}\n    (once, until {row['expires_at']})")
    click.echo("At the station: yizhan provision enrol --dir DIR --county URL, and the code when it asks.")


def _listed(file: IO[str]) -> list[Any]:
    try:
        listed = json.load(file)
    except ValueError as error:
        raise click.UsageError(f"{file.name} is not JSON: {error}") from error
    if not isinstance(listed, list):
        raise click.UsageError(f"{file.name} is not a list of stations.")
    return listed


@station_group.command("revoke")
@click.argument("code")
@FOLDER
@said_plainly
def station_revoke(code: str, folder: Path) -> None:
    """Lock out a station whose key may be in other hands. What the county holds of it stays valid."""
    revoked = carry_out(folder, "station_revoke", {"station": code}, OPERATIONS)
    if revoked["revoked"]:
        click.echo(f"{', '.join(revoked['revoked'])} revoked in register {revoked['register']}.")
    else:
        click.echo(f"{code} had no key; its open code is void.")
    click.echo(f"To bring it back with a new key: yizhan provision station add {code} --dir {folder}")


@group.command()
@FOLDER
@click.option("--county", "county_url", required=True, help="the county's address, http(s)://…")
@click.option("--code", envvar="YIZHAN_CODE", help="the one-time code; better by YIZHAN_CODE or --code-file")
@click.option("--code-file", type=click.File("r", encoding="utf-8"), help="a file with the code; - is stdin")
@said_plainly
def enrol(folder: Path, county_url: str, code: str | None, code_file: IO[str] | None) -> None:
    """Make DIR a station's data folder with a one-time code of the county. Interrupted, repeat it."""
    if code_file is not None:
        code = code_file.read()
    elif code is None and sys.stdin.isatty():
        code = click.prompt("Enrolment code")
    if code is None:
        raise click.UsageError("The code comes by YIZHAN_CODE, by --code-file, or typed when asked.")
    made = enrol_station(
        folder,
        county_url,
        EnrolmentCode.parse(code),
        post=poster(urllib3.PoolManager(), timeout_s=60),
        now=_now,
        random=SystemRandom(),
    )
    click.echo(f"{folder} is {made.name} ({made.code}) of {made.county_name} now, with key {made.key().id}.")
    click.echo(f"Next: yizhan node serve --dir {folder}")


@click.group("demo", invoke_without_command=True)
@click.option("--dir", "folder", type=click.Path(path_type=Path), default=Path(".demo"), show_default=True)
@click.option("--port", type=click.IntRange(1024, 65000), default=8700, show_default=True)
@click.pass_context
@said_plainly
def demo_group(context: click.Context, folder: Path, port: int) -> None:
    """A whole sample county on this machine, with a line that can be cut, until Ctrl-C."""
    if context.invoked_subcommand is None:
        # Late: nobody else needs the demo's console and web server.
        from provisioning.demo import run_demo

        run_demo(folder, port)


def _switching(mode: Any, word: str) -> None:
    @demo_group.command(mode, help=f"{word} the line between the county and its stations.")
    @click.option("--dir", "folder", type=click.Path(path_type=Path), help="the demo's folder")
    @click.pass_context
    @said_plainly
    def switch(context: click.Context, folder: Path | None) -> None:
        from provisioning.demo import switch_line

        assert context.parent is not None
        state = switch_line(folder or context.parent.params["folder"], mode)
        click.echo(f"The line is now: {state['mode']}")


_switching("cut", "Cut")
_switching("slow", "Slow down (64 kbit/s, 600 ms, drops)")
_switching("heal", "Heal")
