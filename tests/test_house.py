"""Walks the house: both apps' URL maps, every link that a page offers, every document type, every kind of event."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from openapi_spec_validator import validate
from werkzeug.exceptions import HTTPException

from casework.canonical import Document
from casework.documents import TYPES, misses
from casework.documents.account import ROLES
from casework.kinds import KINDS
from casework.rights import RIGHTS
from casework.times import Hlc, milliseconds
from central.catalogue.approvals import approve, submit
from central.catalogue.drafts import draft_of, import_items, save_draft
from central.catalogue.libraries import keep
from central.catalogue.publishing import publish
from central.catalogue.standings import state_of
from provisioning import sample_county
from provisioning.register import CATALOGUE, station_database
from sync.databases import Databases
from sync.peer import Unreachable, Writer
from sync.replicator import replicate
from sync.write_rules import append_only, county_only
from tests.casework import examples
from tests.central.county import COUNTY, MORNING, SUBSISTENCE, TOWNSHIP, VILLAGE, Clock, SmallCentre
from tests.node.station import OLD_AGE, PROOF, SmallNode, make_stations, photo, typed
from tests.sync.faulty import FaultyPeer
from web.cases.casebook import Scope
from web.cases.desk import Act, Person
from web.signin import User

# -- a house that is lived in --------------------------------------------------------------------------------------


@dataclass
class House:
    """A county, a township and a village in which every page has something to show."""

    county: SmallCentre
    township: SmallNode
    village: SmallNode

    def app(self, name: str) -> Flask:
        return {"county": self.county.app, "township": self.township.app, "village": self.village.app}[name]

    def clock(self, name: str) -> Clock:
        return {"county": self.county.now, "township": self.township.now, "village": self.village.now}[name]

    def client(self, name: str, username: str) -> FlaskClient:
        if name == "county":
            return self.county.sign_in(username).client
        return {"township": self.township, "village": self.village}[name].agent(username).client


def draw_up(county: SmallCentre) -> None:
    """Items at every step of their life cycle: two changes to settle, one not submitted, something for each body."""
    more = {**sample_county.load("items")}
    more["items"] = [item for item in more["items"] if item["department"] == "民政"][3:8]
    assert import_items(county.centre, more, approve=False, by="sun").imported
    drafter = User("zhao", "赵某某", ("reviewer",), "民政")
    codes = [item["code"] for item in more["items"]]
    for note, rev in (("一", None), ("二", "1-0123456789abcdef0123456789abcdef")):
        standing = state_of(county.centre, codes[0])
        assert standing is not None
        saved = save_draft(
            county.centre, codes[0], {**standing.item, "note": note}, by=drafter, expected_rev=rev or standing.rev
        )
        assert saved.saved is (rev is None)
    assert all(outcome.done for outcome in submit(county.centre, codes[1:4], by=drafter))
    people = {
        "department": User("li", "李某某", ("approver",), "民政"),
        "staffing": User("x", "某某", ("staffing",), None),
    }
    for place, (body, user) in enumerate(people.items(), start=2):
        for code in codes[place:4]:
            standing = state_of(county.centre, code)
            assert standing is not None
            seen = {code: standing.hash}
            assert approve(county.centre, [code], as_body=body, by=user, seen=seen)[0].done


def put_a_form_beside(item: Document, county: SmallCentre, *nodes: SmallNode) -> None:
    """A blank form that a station's guide offers for the item's first material: published, and there."""
    entry, file = {"title": "申请表", "kind": "blank"}, ("申请表.pdf", b"%PDF-1.7 a form")
    by = User("sun", "孙某某", ("admin",), None)
    assert keep(county.centre, "blank", "form", entry, by=by, expected_rev=None, file=file).saved
    draft = draft_of(county.centre, item["code"])
    assert draft is not None
    content = deepcopy(draft["item"])
    content["materials"][0]["blank"] = "form"
    assert import_items(county.centre, [content], approve=True, by="sun").imported
    publish(county.centre)
    for node in nodes:
        replicate(county.centre.catalogue, node.station.arriving(CATALOGUE), now=county.now, random=Random(4))
        node.station.arrived({CATALOGUE})


def carry(node: SmallNode, county: SmallCentre, code: str) -> None:
    """What is new of this station's cases: up, and down."""
    name = station_database(code)
    there = county.centre.databases.open(name)
    writer = Writer(node.code, frozenset({f"station:{node.station.key.id}", "station"}))
    replicate(node.station.store(name), there.as_writer(writer), now=county.now, random=Random(1))
    county.centre.catch_up()
    replicate(there, node.station.arriving(name), now=county.now, random=Random(2))
    node.station.arrived({name})


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    make_stations(folder / "made")
    county = SmallCentre(folder / "centre", folder / "made" / "made" / "county")
    village = SmallNode(folder / "made", folder / "village")
    township = SmallNode(folder / "made", folder / "township", TOWNSHIP)
    agent, clerk = village.agent("wang"), township.agent("zhou")

    # Withdrawn here and decided there, neither knowing of the other: a contested point on both sides.
    contested = agent.take_in()
    carry(village, county, VILLAGE)
    village.station.desk.write(contested, [Act("withdrawn", {"reason": "不办了"})], Person("wang", "王某某", "agent"))
    reviewer = Person("zhao", "赵某某", "reviewer", "民政")
    county.centre.desk.write(contested, [Act("decided", {"outcome": "granted", "reason": "符合"})], reviewer)
    # One with a photo, one for the village to decide, and drafts with photos.
    agent.take_in(PROOF)
    pictured = agent.take_in()
    agent.send(
        f"/cases/{pictured}", {"name": "m01", "file": (io.BytesIO(photo()), "a.jpg")}, to=f"/cases/{pictured}/photos"
    )
    # Its papers are on the way to the township; those of another came there before their records.
    agent.send("/handover", {"case": [pictured], "to": "河口镇便民服务中心"})
    brought = agent.take_in()
    agent.send("/handover", {"case": [brought], "to": "民政"})
    for ahead in (agent, clerk, township.agent("wu")):
        ahead.send("/takeover", {"number": f"LZ-{VILLAGE}-20260901-0001-AAAAA", "do": "note"})
    put_a_form_beside(village.item(OLD_AGE), county, village, township)
    county.change_draft(SUBSISTENCE, note="下一版")
    draw_up(county)
    administrator = county.sign_in("sun")
    table = io.BytesIO("事项编码,事项名称\n60010100MZ-JF-0001,低保\n".encode())
    waiting = administrator.send("/catalogue/files", {"file": (table, "事项.csv")})
    assert "/catalogue/files/" in waiting.location
    carry(village, county, VILLAGE)
    handover = (county.centre.casebook.case(brought) or {})["handovers"][0]["event"]
    county.centre.desk.write(brought, [Act("taken_over", {"handover": handover, "at": "民政"})], reviewer)
    for desk, item in (
        (agent, OLD_AGE),
        (clerk, OLD_AGE),
        (village.agent("chen"), PROOF),
        (township.agent("wu"), PROOF),
        (township.agent("lin"), PROOF),
    ):
        draft = desk.begin(item)
        sent = desk.fill(draft, typed(desk.node.item(item)), do="photo:m01")
        sent.add("photo.m01", (io.BytesIO(photo()), "b.jpg"))
        assert desk.client.post(draft, data=sent, content_type="multipart/form-data").status_code == 303
    clerk.take_in(OLD_AGE)
    for desk in (agent, clerk):
        desk.send("/numbers", {"count": "2", "on": "20260916"}, to="/numbers")
    # Somebody asked for what is not found there.
    at, key = Hlc(milliseconds(county.now()), 0, TOWNSHIP), township.station.key
    asked: list[misses.Asked] = [{"text": "飞船糕", "times": 2, "item": None}]
    record = misses.compose(station=TOWNSHIP, at=at, asked=asked, key=key.id, sign=key.sign)
    township.station.store(station_database(TOWNSHIP)).save([record])
    carry(township, county, TOWNSHIP)
    carry(township, county, VILLAGE)
    assert county.centre.casebook.contested() == 1
    assert village.station.casebook.contested() == 1
    yield House(county, township, village)
    for one in (village, township, county):
        one.close()


# -- links ----------------------------------------------------------------------------------------------------------


class Ways(HTMLParser):
    """Where a page leads: what a browser or our scripts would ask for, which forms it sends, and its own ids."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path
        self.asked: set[str] = set()
        self.sent: set[str] = set()
        self.ids: set[str] = set()
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        self.ids |= {said["id"]} if "id" in said else set()
        for name in ("href", "src", "data-live", "data-refresh"):
            if said.get(name, "").startswith("#"):
                self.anchors.add(said[name][1:])
            elif said.get(name, "").startswith("/"):
                self.asked.add(said[name])
        if "data-search" in said:
            self.asked.add(f"{said['data-search']}?part=1&q=x")
        self.sent |= {said[name] for name in ("data-draft", "data-check") if name in said}
        if "formaction" in said:
            self.sent.add(said["formaction"])
        if tag == "form":
            (self.sent if said.get("method") == "post" else self.asked).add(said.get("action") or self.path)


@dataclass
class Crawl:
    asked: set[str] = field(default_factory=set)
    sent: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)


def crawl(client: FlaskClient) -> Crawl:
    done, ahead = Crawl(), ["/"]
    seen = {"/"}
    while ahead:
        way = ahead.pop()
        path = way.partition("#")[0]
        answer = client.get(path)
        done.asked.add(urlsplit(path).path)
        if answer.status_code in (302, 303):
            found = {urlsplit(answer.location).path}
        elif answer.status_code != 200:
            done.wrong.append(f"{way}: {answer.status_code}")
            continue
        elif answer.mimetype == "text/html":
            page = Ways(path)
            page.feed(answer.text)
            found = page.asked
            done.sent |= page.sent
            whole = "<html" in answer.text
            done.wrong += [f"{way} leads to #{anchor}, which it has not" for anchor in page.anchors - page.ids if whole]
        else:
            continue
        ahead += [link for link in found if link.partition("#")[0] not in seen]
        seen |= {link.partition("#")[0] for link in found}
        assert len(seen) < 2000, "a page makes ever new links"
    return done


def endpoints(app: Flask, paths: set[str], method: str) -> set[str]:
    adapter, found = app.url_map.bind("localhost"), set()
    for path in paths:
        try:
            found.add(adapter.match(urlsplit(path).path, method)[0])
        except HTTPException:
            raise AssertionError(f"{method} {path} goes nowhere") from None
    return found


# Asked for by a script under its own name, or by nobody who is signed in.
WITHOUT_A_LINK = {"signin.page", "signin.enter", "healthz", "openapi.describe", "static", "line_strip"}
WHO = [
    ("village", "wang"),
    ("township", "zhou"),
    ("township", "wu"),
    ("township", "lin"),
    ("county", "zhao"),
    ("county", "li"),
    ("county", "bian"),
    ("county", "zheng"),
    ("county", "sun"),
]


@pytest.mark.parametrize(("app", "username"), WHO)
def test_every_link_that_a_page_offers_holds_and_every_page_has_one(house: House, app: str, username: str) -> None:
    client = house.client(app, username)
    done = crawl(client)
    assert done.wrong == []
    asked, sent = endpoints(house.app(app), done.asked, "GET"), endpoints(house.app(app), done.sent, "POST")
    roles = set(client.get("/api/v1/session").json["user"]["roles"])  # type: ignore[index]
    for rule in house.app(app).url_map.iter_rules():
        view = house.app(app).view_functions[rule.endpoint]
        if rule.rule.startswith("/api/") or rule.endpoint in WITHOUT_A_LINK or not roles & set(view.roles):  # type: ignore[attr-defined]
            continue
        if "GET" in (rule.methods or ()):
            assert rule.endpoint in asked, f"no link leads to {rule.rule}"
        elif "POST" in (rule.methods or ()):
            assert rule.endpoint in sent, f"no form sends to {rule.rule}"
    allowed = house.app(app).view_functions
    for endpoint in asked | sent:
        wanted = getattr(allowed[endpoint], "roles", ())
        assert not wanted or roles & set(wanted), f"{username} is led to {endpoint}, which is not theirs"


# -- URL maps -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("app", ["county", "village"])
def test_every_route_has_roles_or_is_public(house: House, app: str) -> None:
    known = {*ROLES}
    for rule in house.app(app).url_map.iter_rules():
        if rule.endpoint == "static":
            continue
        roles = getattr(house.app(app).view_functions[rule.endpoint], "roles", None)
        assert roles is not None, rule
        assert set(roles) <= known, rule


@pytest.mark.parametrize("app", ["county", "village"])
def test_only_what_must_be_is_open_to_everybody(house: House, app: str) -> None:
    open_to_all = {
        rule.endpoint
        for rule in house.app(app).url_map.iter_rules()
        if getattr(house.app(app).view_functions[rule.endpoint], "roles", None) == ()
    }
    expected = {
        "signin.page", "signin.enter", "signin.leave", "signin_api.enter", "signin_api.look", "signin_api.leave",
        "healthz", "line_strip", "openapi.describe",
    }  # fmt: skip
    # These prove themselves: by a signature, by a one-time code, by the secret of this machine's lock.
    machines = {"county_api.contact", "county_api.enrol", "county_api.operate"}
    # These ask for the token of a browser that an agent has given to visitors, and show guides only.
    screen = {
        "start", "begin", "find", "write", "hits", "group", "guide", "bring", "ask_somebody", "here", "ask_to_close",
        "close",
    }  # fmt: skip
    more = machines if app == "county" else {f"touch.{name}" for name in screen}
    assert open_to_all == expected | more


@pytest.mark.parametrize("app", ["county", "village"])
def test_the_description_names_every_operation_and_no_other(house: House, app: str) -> None:
    document = house.app(app).test_client().get("/api/v1/openapi.json").json
    assert document is not None
    validate(document)
    told = {(path, method.upper()) for path, methods in document["paths"].items() for method in methods}
    there = {
        (re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule), method)
        for rule in house.app(app).url_map.iter_rules()
        if rule.rule.startswith("/api/") and rule.endpoint != "openapi.describe"
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert told == there | {("/healthz", "GET")}
    names = [one["operationId"] for methods in document["paths"].values() for one in methods.values()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("app", ["county", "village"])
def test_every_operation_asks_who_is_there_and_answers_in_one_shape(house: House, app: str) -> None:
    client = house.app(app).test_client()
    document: Mapping[str, Any] = client.get("/api/v1/openapi.json").json or {}
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            if told.get("security") == []:
                continue
            answer = client.open(re.sub(r"\{[^}]+\}", "x", path), method=method.upper())
            assert answer.status_code == 401, (method, path)
            assert set(answer.json or {}) == {"error", "message", "fields"}


# -- the log of acts ------------------------------------------------------------------------------------------------


def samples(place: Any, app: str, username: str) -> dict[str, str]:
    """A value for every part of an address of this app, of a case with a photo and of what else leads somewhere."""
    cases = [place.casebook.case(row.number) for row in place.casebook.latest(Scope(), limit=100)]
    case, material = next(
        (case, material) for case in cases for material in case["materials"] if material["files"]
    )  # fmt: skip
    found = {
        "number": case["number"],
        "wanted": material["files"][0]["id"],
        "paper": "application",
        "library": "law",
        "dictionary": "said",
        "id": "form",
        "kind": "withdrawn",
        "station": COUNTY,
        "username": "sun",
        "code": VILLAGE,
        "on": "2026-09-16",
        "token": "0" * 32,
        "to": "1",
        "slip": next(handover["slip"] for case in cases if case for handover in case["handovers"]),
    }
    if app == "county":
        return found
    draft = place.drafts.open_ones(username)[0]
    return found | {"code": draft.item, "draft_id": draft.id, "file_id": place.drafts.files(draft)[0].id}


@pytest.mark.parametrize(
    ("app", "username"),
    [("village", "wang"), ("township", "wu"), ("township", "lin"), ("county", "zhao"), ("county", "sun")],
)
def test_every_route_that_shows_a_case_writes_an_entry(house: House, app: str, username: str) -> None:
    """Each address is asked for in a session of its own, in which nothing else was opened. What names a case, or has
    its number in the address and does not only send one on, leaves an entry of whoever asked.
    """
    place: Any = {
        "county": house.county.centre, "township": house.township.station, "village": house.village.station
    }[app]  # fmt: skip
    parts = samples(place, app, username)
    numbers = [row.number.encode() for row in place.casebook.latest(Scope(), limit=100)]
    asked = set()
    for rule in house.app(app).url_map.iter_rules():
        method = "GET" if "GET" in (rule.methods or ()) else "POST"
        view = house.app(app).view_functions[rule.endpoint]
        if rule.endpoint == "static" or view.roles == () or (method == "POST" and "number" not in rule.arguments):  # type: ignore[attr-defined]
            # What is sent under no case's number writes an event, or shows none.
            continue
        unknown = rule.arguments - parts.keys()
        assert not unknown, f"{rule.rule}: what does {unknown} stand for? Say it in `samples`."
        built = rule.build(parts, append_unknown=False)
        assert built is not None
        house.clock(app).forward(minutes=1)
        client = house.client(app, username)
        token = re.search(r'name="csrf" value="([0-9a-f]+)"', client.get("/no-such-page").text)
        assert token is not None
        before = place.audit.head
        answer = client.open(built[1], method=method, headers={"X-CSRF-Token": token[1]})
        shows = "number" in rule.arguments and answer.status_code in (200, 422)
        if not shows and not any(number in answer.get_data() for number in numbers):
            continue
        asked.add(rule.endpoint)
        written = [row.entry for row in place.audit.rows(before, 100)]
        assert username in {entry["account"] for entry in written}, f"{rule.rule} shows a case, and nobody is told"
        if "number" in rule.arguments:
            assert parts["number"] in {entry["case"] for entry in written}, f"{rule.rule} does not say which case"
    everywhere = {"cases.show", "cases.reveal", "cases.facts", "cases.file", "cases.paper", "cases.listing",
                  "case_api.list_cases", "case_api.read_case", "case_api.read_file"}  # fmt: skip
    assert asked >= everywhere, "what was not shown proves nothing"


# -- documents and events -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TYPES)
def test_a_document_of_every_type_is_kept_and_survives_a_faulty_road(name: str, tmp_path: Path) -> None:
    rule = append_only() if TYPES[name].immutable else county_only
    example = examples.documents()[name]
    # The county's documents change, and their revisions are the store's to make; the others bring theirs along.
    databases = [Databases(tmp_path / side, rule_for=lambda _name: rule, random=Random(3)) for side in ("a", "b")]
    here, there = (side.open("documents") for side in databases)
    kept = dict(example)
    if "_rev" in example:
        here.save([example])
    else:
        kept["_rev"] = here.update(example).rev
    assert here.get(example["_id"]) == kept
    random, broken = Random(sum(map(ord, name))), 0
    for _ in range(400):
        try:
            replicate(
                FaultyPeer(here, random, 0.25), FaultyPeer(there, random, 0.25), now=lambda: MORNING, random=random
            )  # fmt: skip
            break
        except Unreachable:
            broken += 1
    assert broken, "a road that never broke shows nothing"
    arrived: Document | None = there.get(example["_id"])
    assert arrived == kept
    assert TYPES[name].problems(arrived or {}) == {}
    assert [one.check() for one in (here, there)] == [[], []]
    for side in databases:
        side.close()


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_event_has_its_title_its_roles_and_its_schema(name: str) -> None:
    kind = KINDS[name]
    assert kind.kind == name
    assert re.search(r"[\u4e00-\u9fff]", kind.title)
    assert kind.roles
    assert kind.roles == {role for role, _stations, _reach in RIGHTS[name]}
    assert kind.schema["type"] == "object"
    assert name in examples.kinds()
