"""How many questions and small services (咨询台) there were: by station, kind and month."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from flask import Blueprint, render_template

from casework.documents.enquiry import KINDS
from casework.times import civil_date
from web.cases.api import EVERYBODY
from web.cases.enquiries import Enquiries
from web.cases.proxy_pages import month_asked
from web.cases.services import CaseServices
from web.signin import allow


def add_counts(
    pages: Blueprint,
    services: CaseServices,
    enquiries: Enquiries,
    stations: Iterable[str] | None,
    *,
    kinds: Callable[[], Mapping[str, str]],
) -> None:
    """The page of counts; `stations` are those that this place counts, None for all, `kinds` what is offered now."""

    @pages.get("/enquiries/counts")
    @allow(*EVERYBODY)
    def counts() -> str:
        month = month_asked(civil_date(services.now()))
        found = enquiries.counts(stations, month)
        offered = kinds()
        table: dict[str, dict[str, int]] = {}
        for one in found:
            # A word of the county's own is a kind for as long as it is on its list, and 其他 before and after.
            kind = one.words if one.words in offered else one.kind
            row = table.setdefault(one.station, {})
            row[kind] = row.get(kind, 0) + one.n
        used = {kind for row in table.values() for kind in row}
        shown = {**offered, **{kind: word for kind, word in KINDS.items() if kind in used}}
        return render_template(
            "cases/enquiry_counts.html",
            month=month,
            kinds=shown,
            table=table,
            sums={kind: sum(row.get(kind, 0) for row in table.values()) for kind in shown},
            station_name=services.station_name,
        )
