"""`yizhan central catalogue`: items in and out as files, checked; releases published."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from random import SystemRandom
from typing import Any

import click

from central.catalogue.findings import CatalogueRefused, Finding
from central.catalogue.reading import read_file
from central.operations import OPERATIONS
from provisioning import ProvisioningError
from provisioning.carry_out import carry_out
from provisioning.whole_files import write_whole
from sync.peer import PeerError

FOLDER = click.option(
    "--dir", "folder", type=click.Path(path_type=Path), required=True, help="the county's data folder"
)
FILE = click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))

MOST_WARNINGS = 50
"""Lines of warnings that are shown; the rest is counted."""


@click.group()
def catalogue() -> None:
    """What the stations' guides are made of: import, export, check, publish."""


@catalogue.command("import")
@FILE
@FOLDER
@click.option("--approve", is_flag=True, help="take the items as approved: a county's first load")
def import_command(file: Path, folder: Path, approve: bool) -> None:
    """Bring the items of FILE (.xlsx, .csv, .json) in, all of them or none; also while the county runs."""
    report = _staged(file, folder, "catalogue_import", {"approve": approve})
    _show(report)
    if report["refused"]:
        raise click.ClickException("Nothing was imported. Put these right, then import the file again.")
    click.echo(_counts(report))
    if approve:
        click.echo(f"Next: yizhan central catalogue publish --dir {folder}")


@catalogue.command("export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@FOLDER
@click.option("--release", type=click.IntRange(1, 999_999), help="what this release published; else the newest")
@click.option("--drafts", is_flag=True, help="the drafts as they stand, approved or not")
def export_command(file: Path, folder: Path, release: int | None, drafts: bool) -> None:
    """Write what is published to FILE; its ending says how: .xlsx, .csv (the items' own table), .json."""
    from central.catalogue.exporting import WRITERS
    from central.catalogue.staging import Staging

    if release is not None and drafts:
        raise click.UsageError("--release and --drafts are two different things: give one.")
    writer = WRITERS.get(file.suffix.lower())
    if writer is None:
        raise click.ClickException(f"{file.name}: the ending says what to write: {', '.join(WRITERS)}")
    done = _perform(folder, "catalogue_export", {"release": release, "drafts": drafts})
    said = Staging(folder).take(done["staged"])
    try:
        # Written beside it and renamed: a file that was there is replaced by a whole one.
        write_whole(file, writer(said["items"], said["directories"]))
    except OSError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{file}: {done['items']} items")


@catalogue.command("libraries")
@FILE
@FOLDER
def libraries_command(file: Path, folder: Path) -> None:
    """Bring directories, types, laws, departments and systems of FILE (.json) in, all of them or none."""
    report = _perform(folder, "catalogue_libraries", {"libraries": _records(file)})
    for refused in report["refused"]:
        click.echo("refused: {library} {id} {path}：{sentence}".format(**refused), err=True)
    if report["refused"]:
        raise click.ClickException("Nothing was brought in. Put these entries right, then import the file again.")
    counts = {name: len(report[name]) for name in ("added", "changed", "unchanged")}
    click.echo("{added} added, {changed} changed, {unchanged} unchanged".format(**counts))


@catalogue.command("check")
@FILE
@FOLDER
def check_command(file: Path, folder: Path) -> None:
    """Say what an import of FILE would change, refuse and warn of; nothing is written."""
    report = _staged(file, folder, "catalogue_check", {})
    _show(report)
    if report["refused"]:
        raise click.ClickException(f"{len(report['refused'])} things would be refused.")
    click.echo(f"{report['items']} items can be imported, {len(report['warnings'])} warnings")
    click.echo(_counts(report))


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
    arguments = {"held": held} if back_to is None else {"back_to": back_to}
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


def _counts(report: dict[str, Any]) -> str:
    counts = {name: len(report[name]) for name in ("added", "changed", "unchanged")}
    return "{added} added, {changed} changed, {unchanged} unchanged".format(**counts)


def _staged(file: Path, folder: Path, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Read a file here, and let the county take it out of its own folder: a request would have to be small."""
    from central.catalogue.staging import Staging
    from provisioning.folder import CountyFolder

    said = _records(file)
    try:
        CountyFolder.open(folder)
        staging = Staging(folder)
        token = staging.put(said, now=datetime.now(UTC), random=SystemRandom())
    except (ProvisioningError, OSError) as error:
        raise click.ClickException(str(error)) from error
    try:
        if sys.stderr.isatty():
            click.echo("checking …", err=True)
        return _perform(folder, operation, {**arguments, "staged": token})
    finally:
        staging.drop(token)


def _records(file: Path) -> Any:
    try:
        # On a terminal only: a log wants no bars.
        with click.progressbar(length=1000, label=file.name, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
            return read_file(file, lambda share: bar.update(int(share * 1000) - bar.pos))
    except (CatalogueRefused, OSError) as error:
        raise click.ClickException(str(error)) from error


def _show(report: dict[str, Any]) -> None:
    for note in report.get("notes", ()):
        click.echo(f"note: {note}", err=True)
    for finding in report["refused"]:
        click.echo(f"refused: {Finding(**finding)}", err=True)
    for finding in report["warnings"][:MOST_WARNINGS]:
        click.echo(f"warning: {Finding(**finding)}", err=True)
    if len(report["warnings"]) > MOST_WARNINGS:
        click.echo(f"… and {len(report['warnings']) - MOST_WARNINGS} more warnings", err=True)


def _perform(folder: Path, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
    try:
        return carry_out(folder, operation, arguments, OPERATIONS)
    except (ProvisioningError, PeerError) as error:
        raise click.ClickException(str(error)) from error
