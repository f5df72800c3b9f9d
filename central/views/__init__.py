"""The county's pages, one module per area."""

from __future__ import annotations

from flask import Flask

from central.centre import Centre
from central.views import (
    accounts,
    catalogue,
    catalogue_editor,
    catalogue_life,
    enquiries,
    handover,
    home,
    log,
    proxy_register,
    stations,
    words,
)
from web.cases.services import CaseServices


def register(app: Flask, centre: Centre, services: CaseServices) -> None:
    """Hang every area's pages into the app."""
    areas = (
        home,
        stations,
        handover,
        proxy_register,
        enquiries,
        catalogue_editor,
        catalogue_life,
        catalogue,
        words,
        accounts,
        log,
    )
    for area in areas:
        app.register_blueprint(area.pages(centre, services))
