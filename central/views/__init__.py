"""The county's pages, one module per area."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Flask

from central.centre import Centre
from web.cases.services import CaseServices

AREAS: tuple[Callable[[Centre, CaseServices], Blueprint], ...] = ()


def register(app: Flask, centre: Centre, services: CaseServices) -> None:
    """Hang every area's pages into the app."""
    for pages in AREAS:
        app.register_blueprint(pages(centre, services))
