"""Hand-over of papers at a station: the pages that both apps have, with the notes that stay on this machine."""

from __future__ import annotations

from flask import Blueprint

from node.station import Station
from web.cases.handover import Handovers
from web.cases.handover_pages import handover_pages
from web.cases.services import CaseServices


def pages(station: Station, services: CaseServices) -> Blueprint:
    return handover_pages(services, Handovers(services, local=station.local, random=station.random))
