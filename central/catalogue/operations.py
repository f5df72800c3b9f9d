"""What a command asks of the county's catalogue, in service or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from central.catalogue.drafts import import_items
from central.catalogue.findings import CatalogueRefused
from central.catalogue.publishing import publish, take_back
from central.catalogue.records import read_records
from provisioning.county import County


def catalogue_import(county: County, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """`import_items` with {records, approve, by}; answers with the report as JSON."""
    report = import_items(
        county,
        arguments.get("records"),
        approve=bool(arguments.get("approve")),
        by=str(arguments.get("by") or "command"),
    )
    return {**asdict(report), "imported": report.imported}


def catalogue_check(county: County, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What `import_items` would refuse and warn of, with {records}; writes nothing."""
    contents, report = read_records(county.register().county, arguments.get("records"))
    return {**asdict(report), "items": len(contents)}


def catalogue_publish(county: County, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """`publish` with {held}, or `take_back` with {back_to, by}; answers with the publication as JSON."""
    back_to = arguments.get("back_to")
    if back_to is None:
        return asdict(publish(county, held=bool(arguments.get("held"))))
    if type(back_to) is not int:
        raise CatalogueRefused("要退回的版本号是一个整数。")
    return asdict(take_back(county, back_to, by=str(arguments.get("by") or "command")))


OPERATIONS: Final = {
    "catalogue_import": catalogue_import,
    "catalogue_check": catalogue_check,
    "catalogue_publish": catalogue_publish,
}
"""By name, for `central.operations`: what a command asks of a county, in service or not."""
