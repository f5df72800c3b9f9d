"""County alerts: one file each with a read-only `check`, one line here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from central.alerts import silent_with_documents
from central.alerts.alert import Alert, Projections

CHECKS: tuple[Callable[[Projections, datetime], list[Alert]], ...] = (silent_with_documents.check,)
"""The most pressing kind first."""


def raised(projections: Projections, now: datetime) -> list[Alert]:
    """Everything that asks for a person now, the most pressing first."""
    return [alert for check in CHECKS for alert in check(projections, now)]
