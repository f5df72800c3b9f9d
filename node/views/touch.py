"""The visitor's touch screen: guides without a sign-in, on a browser that an agent has given to visitors.

On that browser every address but these leads back here, so that nobody reaches a case; a colleague takes the browser
back with their own password. Nothing of a visit is in an address but a key that is nobody's a minute later.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, ParamSpec

from flask import Blueprint, Flask, current_app, g, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response

from casework.canonical import Document
from casework.guide import short_list
from casework.guide.short_list import Question
from node.guide_groups import KINDS
from node.station import Station
from node.touch import FORGOTTEN_AFTER, LONGEST, Visit
from node.views.guides import as_hits, code_of, group_lists, often
from web.audit import Actor
from web.errors import Problem
from web.signin import SignIn, allow, current_user, public

LASTS = timedelta(days=400)
FOUND = 12
OFTEN = 6
LETTERS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
STAFF = ("agent", "township", "head")

P = ParamSpec("P")
Answer = Response | str | tuple[str, int]


class _Screen:
    """Who may see what: browsers that were given to visitors, and on them whoever stands there now."""

    def __init__(self, station: Station) -> None:
        self.station, self.screens, self.cookie = station, station.touch_screens, cookie_of(station)

    def token(self) -> str:
        return request.cookies.get(self.cookie, "")

    def given(self, view: Callable[P, Answer]) -> Callable[P, Answer]:
        """For browsers that were given to visitors alone."""

        @wraps(view)
        def checked(*args: P.args, **kwargs: P.kwargs) -> Answer:
            return view(*args, **kwargs) if self.screens.is_open(self.token()) else _to("signin.page")

        return checked

    def visited(self, view: Callable[..., Answer]) -> Callable[..., Answer]:
        """For whoever stands before the screen: an address of somebody before them leads to the start."""

        @self.given
        @wraps(view)
        def checked(visit: str, **kwargs: Any) -> Answer:
            found = self.screens.visit(self.token(), visit)
            return _to("touch.start") if found is None else view(found, **kwargs)

        return checked


def pages(station: Station, _services: Any) -> Blueprint:
    touch = Blueprint("touch", __name__, url_prefix="/touch")
    screen = _Screen(station)
    _add_begin_and_end(touch, screen)
    _add_looking_up(touch, screen)
    _add_guides(touch, screen)
    return touch


def _add_begin_and_end(touch: Blueprint, screen: _Screen) -> None:
    station, screens = screen.station, screen.screens

    @touch.post("/open")
    @allow(*STAFF)
    def open() -> Response:
        """Whoever is signed in gives this browser to visitors, and is signed out of it."""
        signin, user = _signin(), current_user()
        station.audit.note(Actor(user.username, user.name, user.roles[0]), "touch_opened", durable=True)
        new = screens.open(user.username)
        signin.leave(g.session, request.cookies.get(signin.cookie, ""))
        answer = _to("touch.start")
        answer.delete_cookie(signin.cookie)
        answer.set_cookie(screen.cookie, new, httponly=True, samesite="Strict", secure=request.is_secure, max_age=LASTS)
        return answer

    @touch.get("")
    @public
    @screen.given
    def start() -> Answer:
        screens.forget(screen.token())
        return _page("touch/start.html", station, None, often=often(station, OFTEN), groups=_groups(station))

    @touch.post("/begin")
    @public
    @screen.given
    def begin() -> Answer:
        """The first touch: what was written, or which button: `group:<kind>:<name>`, `guide:<code>`."""
        visit = screens.begin(screen.token())
        what, _colon, rest = request.form.get("go", "").partition(":")
        kind, _colon, name = rest.partition(":")
        if what == "group" and kind in KINDS:
            return _to("touch.group", visit=visit.key, kind=kind, name=name)
        if what == "guide":
            return _to("touch.guide", visit=visit.key, code=rest)
        return _write(station, visit)

    @touch.get("/close")
    @public
    @screen.given
    def ask_to_close() -> Answer:
        screens.forget(screen.token())
        return _page("touch/close.html", station, None, problem=None, username="")

    @touch.post("/close")
    @public
    @screen.given
    def close() -> Answer:
        """A colleague takes the browser back, and is signed in at it."""
        signin, username = _signin(), request.form.get("username", "").strip()
        try:
            new, session = signin.sign_in(username, request.form.get("password", ""), request.remote_addr or "")
        except Problem as problem:
            page = _page("touch/close.html", station, None, problem=problem, username=username)
            refused = make_response(page, problem.status)
            refused.headers.update(problem.headers)
            return refused
        screens.close(screen.token())
        user = session.user
        station.audit.note(Actor(user.username, user.name, user.roles[0]), "touch_closed", durable=True)
        answer = _to("home.workbench")
        answer.delete_cookie(screen.cookie)
        signin.set_cookie(answer, new)
        return answer


def _add_looking_up(touch: Blueprint, screen: _Screen) -> None:
    station = screen.station

    @touch.get("/<visit>/find")
    @public
    @screen.visited
    def find(visit: Visit) -> Answer:
        hits = _hits(station, visit, typing=True) if visit.said else []
        return _page("touch/find.html", station, visit, hits=hits, letters=LETTERS)

    @touch.post("/<visit>/find")
    @public
    @screen.visited
    def write(visit: Visit) -> Answer:
        return _write(station, visit)

    @touch.get("/<visit>/hits")
    @public
    @screen.visited
    def hits(visit: Visit) -> Answer:
        """The part of the page that changes while somebody writes, for the script."""
        visit.said = request.args.get("q", "").strip()[:LONGEST]
        found = _hits(station, visit, typing=True) if visit.said else []
        return render_template("touch/hits.html", visit=visit, hits=found)

    @touch.get("/<visit>/group/<kind>/<path:name>")
    @public
    @screen.visited
    def group(visit: Visit, kind: str, name: str) -> Answer:
        rows = station.groups.items(kind, name)
        return _page("touch/group.html", station, visit, name=name, hits=as_hits(rows))

    @touch.get("/<visit>/help")
    @public
    @screen.visited
    def ask_somebody(visit: Visit) -> Answer:
        return _page("touch/help.html", station, visit)

    @touch.post("/<visit>/here")
    @public
    @screen.visited
    def here(visit: Visit) -> Answer:
        """The script says that somebody is still touching the page."""
        del visit
        return "", 204


def _add_guides(touch: Blueprint, screen: _Screen) -> None:
    station = screen.station

    @touch.get("/<visit>/guide/<code>")
    @public
    @screen.visited
    def guide(visit: Visit, code: str) -> Answer:
        item = station.catalogue.item(code)
        if item is None:
            return _to("touch.start")
        station.misses.opened(_who(visit), code)
        station.often.opened(code)
        return _page("touch/guide.html", station, visit, item=item)

    @touch.get("/<visit>/guide/<code>/bring")
    @public
    @screen.visited
    def bring(visit: Visit, code: str) -> Answer:
        """One question a page; then what to bring, to be read from the screen or taken along in a phone."""
        item = station.catalogue.item(code)
        if item is None:
            return _to("touch.start")
        given = {path: said for path, said in request.args.items() if path in _paths(item)}
        open_ones = short_list.open_questions(item, given)
        if open_ones:
            done = len([path for path in given if path in _paths(item)])
            return _page(
                "touch/question.html",
                station,
                visit,
                item=item,
                question=open_ones[0],
                given=given,
                before=_without_last(item, given),
                number=done + 1,
                most=done + len(open_ones),
            )
        listed = short_list.short_list(item, given)
        sure = [one for one in listed if one.sure]
        return _page(
            "touch/list.html",
            station,
            visit,
            item=item,
            before=_without_last(item, given),
            asked=bool(given),
            sure=sure,
            maybe=[one for one in listed if not one.sure],
            situation=short_list.situation_in_words(item, given),
            qr=code_of(station, item, [str(one.material["name"]) for one in sure]),
        )


def cookie_of(station: Station) -> str:
    return f"yizhan_touch_{station.code}"


def fence(app: Flask, station: Station) -> None:
    """On a browser that was given to visitors, whatever else is asked for leads to the visitors' pages, also for those
    who are still signed in at it.
    """

    def stay() -> Response | None:
        if (request.endpoint or "").startswith("touch.") or request.endpoint == "static":
            return None
        if not station.touch_screens.is_open(request.cookies.get(cookie_of(station), "")):
            return None
        return _to("touch.start")

    # Before the sign-in looks who asks.
    app.before_request_funcs.setdefault(None, []).insert(0, stay)


def _write(station: Station, visit: Visit) -> Response:
    """What was written, and the key of the screen's own keyboard that was pressed."""
    said, key = request.form.get("q", "")[:LONGEST], request.form.get("key", "")
    if key == "back":
        said = said[:-1]
    elif key == "clear":
        said = ""
    elif len(key) == 1 and key.isalpha():
        said = (said + key)[:LONGEST]
    visit.said = said.strip()
    if visit.said and not key:
        _hits(station, visit, typing=False)
    return _to("touch.find", visit=visit.key)


def _hits(station: Station, visit: Visit, *, typing: bool) -> list[Any]:
    found = station.catalogue.search(visit.said, limit=FOUND)
    station.misses.asked(_who(visit), visit.said, [hit.code for hit in found], typing=typing)
    return found


def _who(visit: Visit) -> str:
    return f"visitor:{visit.key}"


def _groups(station: Station) -> list[tuple[str, str, list[tuple[str, int]]]]:
    return [group for group in group_lists(station) if group[0] != "department"]


def _paths(item: Document) -> list[str]:
    return [question.path for question in short_list.questions(item)]


def _without_last(item: Document, given: dict[str, str]) -> dict[str, str] | None:
    """The answers before the last one: the way back, in the order of the questions. None before the first."""
    order: list[Question] = short_list.questions(item)
    answered = [question.path for question in order if question.path in given]
    return {path: given[path] for path in answered[:-1]} if answered else None


def _page(template: str, station: Station, visit: Visit | None, **values: Any) -> str:
    return render_template(
        template,
        visit=visit,
        release=station.catalogue.release,
        is_stale=station.freshness().is_stale,
        is_alone=not station.line.status().online,
        minute=int(FORGOTTEN_AFTER.total_seconds()),
        longest=LONGEST,
        **values,
    )


def _signin() -> SignIn:
    signin: SignIn = current_app.extensions["signin"]
    return signin


def _to(endpoint: str, **values: Any) -> Response:
    return redirect(url_for(endpoint, **values), 303)
