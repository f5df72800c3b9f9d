"""The station's pages, one module per area."""

from __future__ import annotations

from flask import Flask

from node.station import Station
from node.views import guides, home, intake, line, numbers
from web.cases.services import CaseServices


def register(app: Flask, station: Station, services: CaseServices) -> None:
    """Hang every area's pages into the app."""
    for area in (home, guides, intake, line, numbers):
        app.register_blueprint(area.pages(station, services))
