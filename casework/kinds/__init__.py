"""Every kind of event: one file each, one line each in KINDS."""

from __future__ import annotations

from casework.kinds import (
    accepted,
    clock_corrected,
    decided,
    field_corrected,
    material_added,
    received,
    settled,
    withdrawn,
)
from casework.kinds.kind import Kind

KINDS: dict[str, Kind] = {
    kind.kind: kind
    for kind in (
        received.KIND,
        accepted.KIND,
        material_added.KIND,
        field_corrected.KIND,
        decided.KIND,
        withdrawn.KIND,
        clock_corrected.KIND,
        settled.KIND,
    )
}
