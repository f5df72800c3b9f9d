"""What a command may ask of the county, also while it is in service: names, and the functions behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from central.accounts import AccountsRefused, import_accounts
from provisioning.county import County
from provisioning.operations import OPERATIONS as IDENTITY
from web.errors import Problem

Operation = Callable[[County, Mapping[str, Any]], dict[str, Any]]


def accounts_import(county: County, arguments: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return import_accounts(county, arguments["records"])
    except AccountsRefused as refused:
        raise Problem(422, "accounts_refused", "；".join(refused.problems)) from refused


OPERATIONS: dict[str, Operation] = {
    **IDENTITY,
    "accounts_import": accounts_import,
}
