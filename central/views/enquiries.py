"""Questions and small services of all stations, counted."""

from __future__ import annotations

from flask import Blueprint

from casework.documents.enquiry import OWN_WORDS, kinds_of
from central.catalogue.publishing import published_paper
from central.centre import Centre
from web.cases.enquiry_pages import add_counts
from web.cases.services import CaseServices


def pages(centre: Centre, services: CaseServices) -> Blueprint:
    enquiries = Blueprint("enquiries", __name__)

    def kinds() -> dict[str, str]:
        own = published_paper(centre.catalogue, OWN_WORDS)
        return kinds_of(own["paragraphs"] if own is not None else None)

    add_counts(enquiries, services, centre.enquiries, None, kinds=kinds)
    return enquiries
