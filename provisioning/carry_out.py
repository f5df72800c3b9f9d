"""Commands on a county's folder: done here, or by the service that holds it. For `commands.py` files only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from random import SystemRandom
from typing import Any

import urllib3

from provisioning.county import county_opened
from provisioning.folder import CountyFolder, FolderLocked, run_through
from provisioning.line import poster
from provisioning.operations import Operation

# An import of a county's whole catalogue through the service takes seconds, not minutes.
LONGEST_OPERATION_S = 300


def carry_out(
    folder: Path, operation: str, arguments: Mapping[str, Any], operations: Mapping[str, Operation]
) -> dict[str, Any]:
    """Run `operations[operation]` on the county in `folder`, or let the service that holds it run it.

    Raises `ProvisioningError`s of the folder and the operation, and `sync.peer.PeerError` when the service is
    mute.
    """
    CountyFolder.open(folder)
    try:
        with county_opened(folder, now=lambda: datetime.now(UTC), random=SystemRandom()) as county:
            return operations[operation](county, arguments)
    except FolderLocked:
        pool = urllib3.PoolManager()
        return run_through(folder, operation, arguments, post=poster(pool, timeout_s=LONGEST_OPERATION_S))
