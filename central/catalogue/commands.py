"""`yizhan central catalogue`: import items, check them, publish a release."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from central.catalogue.findings import CatalogueRefused
from central.catalogue.records import read_file
from central.operations import OPERATIONS
from provisioning import ProvisioningError
from provisioning.carry_out import carry_out
from sync.peer import PeerError

FOLDER = click.option(
    "--dir", "folder", type=click.Path(path_type=Path), required=True, help="the county's data folder"
)
FILE = click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))

MOST_WARNINGS = 50
"""Lines of warnings that are shown; the rest is counted."""


@click.group()
def catalogue() -> None:
    """What the stations' guides are made of: import, check, publish."""


@catalogue.command("import")
@FILE
@FOLDER
@click.option("--approve", is_flag=True, help="take the items as approved: a county's first load")
def import_command(file: Path, folder: Path, approve: bool) -> None:
    """Bring the items of FILE (.json) in, all of them or none; also while the county runs."""
    records = _records(file)
    report = _perform(folder, "catalogue_import", {"records": records, "approve": approve, "by": "command"})
    _show(report)
    if report["refused"]:
        raise click.ClickException("Nothing was imported. Put these records right, then import the file again.")
    counts = {name: len(report[name]) for name in ("added", "changed", "unchanged")}
    click.echo("{added} added, {changed} changed, {unchanged} unchanged".format(**counts))
    if approve:
        click.echo(f"Next: yizhan central catalogue publish --dir {folder}")


@catalogue.command("check")
@FILE
@FOLDER
def check_command(file: Path, folder: Path) -> None:
    """Say what an import of FILE would refuse and warn of; nothing is written."""
    report = _perform(folder, "catalogue_check", {"records": _records(file)})
    _show(report)
    if report["refused"]:
        raise click.ClickException(f"{len(report['refused'])} records would be refused.")
    click.echo(f"{report['items']} items can be imported, {len(report['warnings'])} warnings")


@catalogue.command("publish")
@FOLDER
@click.option(
    "--back-to", type=click.IntRange(1, 999_999), help="a newer release with the content of release N instead"
)
@click.option("--held", is_flag=True, help="also what was taken back since it was approved")
def publish_command(folder: Path, back_to: int | None, held: bool) -> None:
    """Make the next release from what is approved; the stations switch to it when they have it whole."""
    if back_to is not None and held:
        raise click.UsageError("--back-to N takes back, --held brings again: give one of them.")
    arguments = {"held": held} if back_to is None else {"back_to": back_to, "by": "command"}
    release = _perform(folder, "catalogue_publish", arguments)
    if release["back_to"] is not None:
        changed = len(release["changed"])
        click.echo(f"release {release['number']}: the content of release {back_to} again, {changed} documents changed")
        click.echo("Drafts stay approved; what was taken back goes out only when it is edited, or with --held.")
    elif release["new"]:
        changed = len(release["changed"])
        click.echo(f"release {release['number']}: {release['items']} items, {changed} documents new or changed")
    else:
        click.echo(f"Nothing has changed since release {release['number']} of {release['at']}.")


def _records(file: Path) -> Any:
    try:
        return read_file(file)
    except (CatalogueRefused, OSError) as error:
        raise click.ClickException(str(error)) from error


def _show(report: dict[str, Any]) -> None:
    for finding in report["refused"]:
        click.echo(f"refused: {_line(finding)}", err=True)
    for finding in report["warnings"][:MOST_WARNINGS]:
        click.echo(f"warning: {_line(finding)}", err=True)
    if len(report["warnings"]) > MOST_WARNINGS:
        click.echo(f"… and {len(report['warnings']) - MOST_WARNINGS} more warnings", err=True)


def _line(finding: dict[str, Any]) -> str:
    return f"第 {finding['row']} 条 {finding['name']}：{finding['sentence']}"


def _perform(folder: Path, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
    try:
        return carry_out(folder, operation, arguments, OPERATIONS)
    except (ProvisioningError, PeerError) as error:
        raise click.ClickException(str(error)) from error
