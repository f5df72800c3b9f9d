"""What a command may ask of the county, also while it is in service: names, and the functions behind them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from central.accounts import import_accounts
from central.catalogue import OPERATIONS as CATALOGUE
from provisioning.county import County
from provisioning.operations import OPERATIONS as IDENTITY
from provisioning.operations import Operation


def accounts_import(county: County, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """`import_accounts` with {records}."""
    return dict(import_accounts(county, arguments.get("records")))


OPERATIONS: dict[str, Operation] = {**IDENTITY, **CATALOGUE, "accounts_import": accounts_import}
"""By name, as `POST /api/v1/operations/<name>`; a `ProvisioningError` is its 422."""
