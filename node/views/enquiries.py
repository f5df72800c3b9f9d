"""The 咨询台: a question or a small service in ten seconds, three fields and Enter."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from werkzeug.wrappers import Response

from casework.channels import CHANNELS
from casework.documents.enquiry import DONE, KINDS, OWN_WORDS, kinds_of, problems_of
from node.guides import Hit
from node.station import Station
from web.cases.enquiry_pages import add_counts
from web.cases.services import CaseServices
from web.signin import allow, current_user

OFFERED = 5
NO_ITEM = "none"


def pages(station: Station, services: CaseServices) -> Blueprint:
    enquiries = Blueprint("enquiries", __name__)
    add_counts(
        enquiries,
        services,
        station.enquiries,
        [station.code, *station.villages()],
        kinds=lambda: offered(station),
    )

    @enquiries.get("/enquiries")
    @allow("agent", "township", "head")
    def desk() -> str:
        return _page(station, {}, [])

    @enquiries.post("/enquiries")
    @allow("agent", "township", "head")
    def note() -> Response | str | tuple[str, int]:
        said, done = request.form.get("what", "").strip(), request.form.get("done", "answered")
        channel, about = request.form.get("channel", "counter"), request.form.get("item", "").strip()[:100]
        wrong = problems_of(said)
        if wrong is not None:
            return _page(station, {"what": wrong}, []), 422
        if done not in DONE or channel not in CHANNELS:
            return _page(station, {"done": str(_("请选一项。"))}, []), 422
        picked = request.form.get("picked", "")
        item = station.catalogue.item(picked) if picked else None
        if about and not picked:
            hits = station.catalogue.search(about, limit=OFFERED)
            if len(hits) != 1 and not (hits and about in (hits[0].name, hits[0].code)):
                # Which of them, or none: one more Enter takes the likeliest.
                return _page(station, {}, hits, nothing=not hits)
            item = station.catalogue.item(hits[0].code)
        station.enquiry_desk.note(said, item, done, channel, services.person_of(current_user()))
        flash(_("记下了"), "saved")
        return redirect(url_for("enquiries.desk"), 303)

    return enquiries


def offered(station: Station) -> dict[str, str]:
    """What people come for, in the county's words where it has its own."""
    own = station.catalogue.paper(OWN_WORDS)
    return kinds_of(own["paragraphs"] if own is not None else None)


def _page(station: Station, problems: dict[str, str], hits: list[Hit], *, nothing: bool = False) -> str:
    return render_template(
        "station/enquiries.html",
        problems=problems,
        typed=request.form,
        hits=hits,
        nothing=nothing,
        no_item=NO_ITEM,
        kinds=offered(station),
        usual=KINDS,
        done=DONE,
        channels=CHANNELS,
        newest=station.enquiries.newest([station.code], 12),
    )
