"""Hand-over of papers at the county: a department takes in what townships bring, and gives it back."""

from __future__ import annotations

from flask import Blueprint

from central.centre import Centre
from web.cases.handover import Handovers
from web.cases.handover_pages import handover_pages
from web.cases.services import CaseServices


def pages(centre: Centre, services: CaseServices) -> Blueprint:
    return handover_pages(services, Handovers(services, local=centre.local, random=centre.random))
