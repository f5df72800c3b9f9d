"""How many questions and small services (咨询台) there were: by station, kind and month."""

from __future__ import annotations

from collections.abc import Iterable

from flask import Blueprint, render_template

from casework.documents.enquiry import KINDS
from casework.times import civil_date
from web.cases.api import EVERYBODY
from web.cases.enquiries import Enquiries
from web.cases.proxy_pages import month_asked
from web.cases.services import CaseServices
from web.signin import allow


def add_counts(pages: Blueprint, services: CaseServices, enquiries: Enquiries, stations: Iterable[str] | None) -> None:
    """The page of counts; `stations` are those that this place counts, None for all."""

    @pages.get("/enquiries/counts")
    @allow(*EVERYBODY)
    def counts() -> str:
        month = month_asked(civil_date(services.now()))
        found = enquiries.counts(stations, month)
        table: dict[str, dict[str, int]] = {}
        for one in found:
            table.setdefault(one.station, {})[one.kind] = one.n
        return render_template(
            "cases/enquiry_counts.html",
            month=month,
            kinds=KINDS,
            table=table,
            sums={kind: sum(row.get(kind, 0) for row in table.values()) for kind in KINDS},
            station_name=services.station_name,
        )
