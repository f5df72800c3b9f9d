"""Questions and small services of all stations, counted."""

from __future__ import annotations

from flask import Blueprint

from central.centre import Centre
from web.cases.enquiry_pages import add_counts
from web.cases.services import CaseServices


def pages(centre: Centre, services: CaseServices) -> Blueprint:
    enquiries = Blueprint("enquiries", __name__)
    add_counts(enquiries, services, centre.enquiries, None)
    return enquiries
