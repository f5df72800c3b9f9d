"""The proxy register (代办台账) of the county: every station's, or a department's."""

from __future__ import annotations

from flask import Blueprint

from central.centre import Centre
from web.cases.proxy_pages import proxy_pages
from web.cases.services import CaseServices


def pages(_centre: Centre, services: CaseServices) -> Blueprint:
    return proxy_pages(services)
