"""The command `yizhan`: loads each package's group by name, only when it is called."""

from __future__ import annotations

import importlib
import sys

import click

GROUPS = {
    "node": ("node.commands:group", "The station: serve its pages and its replication loop."),
    "sync": ("sync.commands:group", "Documents that travel: serve, replicate and check databases."),
    "central": ("central.commands:group", "The county: serve, publish the catalogue, keep accounts."),
    "provision": ("provisioning.commands:group", "Identity: county authority, stations, enrolment."),
    "demo": ("provisioning.commands:demo_group", "A whole sample county on this machine, with a line that can be cut."),
}


class LazyGroups(click.Group):
    """Imports a package only when its command is asked for: a node carries nothing of the county's."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(GROUPS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in GROUPS:
            return None
        module, attribute = GROUPS[cmd_name][0].split(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in GROUPS.items()])


@click.command(cls=LazyGroups)
@click.version_option(package_name="yizhan", prog_name="yizhan")
def main() -> None:
    """驿站 Yizhan: casework for village stations whose line to the county fails."""


if __name__ == "__main__":
    sys.exit(main())
