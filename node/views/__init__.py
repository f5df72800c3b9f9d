"""The station's pages, one module per area."""

from __future__ import annotations

from flask import Flask

from node.station import Station
from node.views import blanks, enquiries, guides, handover, home, intake, line, numbers, proxy_register, touch
from web.cases.services import CaseServices


def register(app: Flask, station: Station, services: CaseServices) -> None:
    """Hang every area's pages into the app."""
    for area in (home, guides, blanks, intake, numbers, handover, proxy_register, enquiries, line, touch):
        app.register_blueprint(area.pages(station, services))
    touch.fence(app, station)
