"""The proxy register (代办台账) of a station: its own cases, at a township its villages' too."""

from __future__ import annotations

from flask import Blueprint

from node.station import Station
from web.cases.proxy_pages import proxy_pages
from web.cases.services import CaseServices


def pages(_station: Station, services: CaseServices) -> Blueprint:
    return proxy_pages(services)
