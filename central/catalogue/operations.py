"""What a command asks of the county's catalogue, in service or not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

from central.catalogue.drafts import BY_COMMAND
from central.catalogue.exporting import contents_of, directories_of
from central.catalogue.findings import CatalogueRefused
from central.catalogue.importing import bring_in
from central.catalogue.libraries import import_libraries
from central.catalogue.publishing import publish, take_back
from central.catalogue.staging import Staging
from provisioning.county import County


def catalogue_import(county: County, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """`bring_in` with {records | staged, approve}: `staged` is the token of a file in the county's folder."""
    return bring_in(county, _records(county, arguments), approve=bool(arguments.get("approve")), by=BY_COMMAND)


def catalogue_check(county: County, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What `catalogue_import` would do, with {records | staged, approve}; writes nothing."""
    report = bring_in(
        county, _records(county, arguments), approve=bool(arguments.get("approve")), by=BY_COMMAND, dry=True
    )
    return {**report, "items": sum(len(report[name]) for name in ("added", "changed", "unchanged"))}


def _records(county: County, arguments: Mapping[str, Any]) -> Any:
    if "staged" not in arguments:
        return arguments.get("records")
    said = Staging(county.folder.path).get(str(arguments["staged"]))
    if said is None:
        raise CatalogueRefused("要导入的文件已经不在了：再导入一次。")
    return said


def catalogue_export(county: County, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """`contents_of` with {release, drafts}: `staged`, the token of the items and the directories above them in the
    county's folder, and how many items they are.
    """
    release = arguments.get("release")
    contents = contents_of(
        county, release=int(release) if release is not None else None, drafts=bool(arguments.get("drafts"))
    )
    whole = {"items": contents, "directories": directories_of(county)}
    staged = Staging(county.folder.path).put(whole, now=county.now(), random=county.random)
    return {"staged": staged, "items": len(contents)}


def catalogue_libraries(county: County, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """`import_libraries` with {libraries}; answers with its report."""
    return import_libraries(county, arguments.get("libraries"), by=BY_COMMAND)


def catalogue_publish(county: County, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """`publish` with {held}, or `take_back` with {back_to}; answers with the publication as JSON."""
    back_to = arguments.get("back_to")
    if back_to is None:
        return asdict(publish(county, by=BY_COMMAND, held=bool(arguments.get("held"))))
    if type(back_to) is not int:
        raise CatalogueRefused("要退回的版本号是一个整数。")
    return asdict(take_back(county, back_to, by=BY_COMMAND))


OPERATIONS: Final = {
    "catalogue_import": catalogue_import,
    "catalogue_libraries": catalogue_libraries,
    "catalogue_check": catalogue_check,
    "catalogue_export": catalogue_export,
    "catalogue_publish": catalogue_publish,
}
"""By name, for `central.operations`: what a command asks of a county, in service or not."""
