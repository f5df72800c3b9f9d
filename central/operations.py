"""What a command may ask of the county, also while it is in service: names, and the functions behind them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from central.accounts import import_accounts
from central.audit import AUDIT, TRAIL, Trail
from central.catalogue.operations import OPERATIONS as CATALOGUE
from central.centre import Centre
from provisioning import ProvisioningError
from provisioning.county import County
from provisioning.operations import OPERATIONS as IDENTITY
from provisioning.operations import Operation
from web.audit import AuditLog


def accounts_import(county: County, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """`import_accounts` with {records}."""
    return dict(import_accounts(county, arguments.get("records")))


def log_check(county: County, _arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Look at every log of acts from its beginning: `{troubles: [[station, sentence]]}`."""
    if isinstance(county, Centre):
        return _troubles(county.trail)
    path = county.folder.path
    if not (path / AUDIT).exists():
        raise ProvisioningError(f"{path} 里没有县中心的操作日志：还没有开过服务，或日志文件被拿走了。")
    own = AuditLog(path / AUDIT, now=county.now, random=county.random)
    trail = Trail(
        path / TRAIL,
        own=own,
        county=county.code,
        stores=lambda: [county.databases.open(n) for n in county.databases.names() if n.startswith("station-")],
        store=county.databases.existing,
        register=county.register,
        now=county.now,
    )
    try:
        return _troubles(trail)
    finally:
        trail.close()
        own.close()


def _troubles(trail: Trail) -> dict[str, Any]:
    return {"troubles": [[trouble.station, trouble.finding.sentence] for trouble in trail.check()]}


OPERATIONS: dict[str, Operation] = {**IDENTITY, **CATALOGUE, "accounts_import": accounts_import, "log_check": log_check}
"""By name, as `POST /api/v1/operations/<name>`; a `ProvisioningError` is its 422."""
