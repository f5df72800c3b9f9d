"""The changes feed over HTTP: every option, filters, and the feeds that wait."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import urllib3

from sync.databases import Databases
from sync.wsgi import CouchApp
from tests.contracts.peer import kept
from tests.patience import PATIENCE_S, until
from tests.sync.calling import Caller
from tests.sync.served import served


def test_changes_with_all_its_options(call: Caller, databases: Databases) -> None:
    store = databases.open("private")
    store.bulk_docs([kept("a", "2-b", "a"), kept("a", "2-c", "a"), kept("b", "1-x")], new_edits=False)
    store.update({"_id": "b", "_rev": "1-x", "_deleted": True})
    answer = call("GET", "/private/_changes?style=all_docs&include_docs=true&conflicts=true").json
    first, second = answer["results"]
    assert [change["rev"] for change in first["changes"]] == ["2-c", "2-b"]
    assert first["doc"]["_conflicts"] == ["2-b"]
    assert second["deleted"] is True
    assert second["doc"]["_deleted"] is True
    assert answer["pending"] == 0
    assert call("GET", f"/private/_changes?since={answer['last_seq']}").json["results"] == []
    assert call("GET", "/private/_changes?since=now").json["results"] == []
    one = call("GET", "/private/_changes?limit=1").json
    assert (len(one["results"]), one["pending"] > 0) == (1, True)
    assert call("GET", f"/private/_changes?since={one['last_seq']}").json["results"][0]["id"] == "b"
    assert call("POST", "/private/_changes?filter=_doc_ids", {"doc_ids": ["b"]}).json["results"][0]["id"] == "b"
    assert call("GET", '/private/_changes?filter=_doc_ids&doc_ids=["a"]').json["results"][0]["id"] == "a"
    assert call("GET", "/private/_changes?descending=true&limit=1").json["results"][0]["id"] == "b"
    assert call("GET", "/private/_changes?since=nonsense").status_code == 400


@pytest.fixture
def url(app: CouchApp) -> Iterator[str]:
    with served(app, threads=8) as url:
        yield url


def waiting(url: str, query: str) -> tuple[threading.Thread, list[Any]]:
    got: list[Any] = []

    def run() -> None:
        started = time.monotonic()
        answer = urllib3.request("GET", f"{url}/private/_changes?{query}", headers={"Authorization": "county"})
        got.extend((answer.data, time.monotonic() - started))

    thread = threading.Thread(target=run)
    thread.start()
    return thread, got


def test_a_long_poll_is_answered_when_something_comes(url: str, app: CouchApp, databases: Databases) -> None:
    thread, got = waiting(url, "feed=longpoll&since=now&timeout=3600000&heartbeat=200")
    until(lambda: free_seats(app) == 1, "it waits")
    databases.open("private").update({"_id": "news"})
    thread.join(PATIENCE_S)
    answer = json.loads(got[0])
    assert [row["id"] for row in answer["results"]] == ["news"]


def test_a_long_poll_ends_when_its_time_is_over(url: str) -> None:
    thread, got = waiting(url, "feed=longpoll&since=now&timeout=300")
    thread.join(PATIENCE_S)
    assert json.loads(got[0])["results"] == []
    assert got[1] > 0.25


def test_a_continuous_feed_gives_a_line_for_each_change(url: str, app: CouchApp, databases: Databases) -> None:
    databases.open("private").update({"_id": "before"})
    thread, got = waiting(url, "feed=continuous&timeout=3600000&limit=2")
    until(lambda: free_seats(app) == 1, "it waits")
    databases.open("private").update({"_id": "while"})
    thread.join(PATIENCE_S)
    lines = [json.loads(line) for line in got[0].splitlines() if line]
    assert [line.get("id") for line in lines] == ["before", "while", None]
    assert "last_seq" in lines[-1]


def test_beyond_the_seats_one_is_answered_at_once_and_seats_come_free_again(
    url: str, app: CouchApp, databases: Databases
) -> None:
    sitting = [waiting(url, "feed=longpoll&since=now&timeout=3600000") for _ in range(2)]
    until(lambda: free_seats(app) == 0, "both sit")
    thread, got = waiting(url, "feed=longpoll&since=now&timeout=3600000")
    thread.join(PATIENCE_S)
    assert json.loads(got[0])["results"] == []
    assert all(seat.is_alive() for seat, _ in sitting)
    databases.open("private").update({"_id": "news"})
    for seat, answered in sitting:
        seat.join(PATIENCE_S)
        assert [row["id"] for row in json.loads(answered[0])["results"]] == ["news"]
    thread, got = waiting(url, "feed=longpoll&since=now&timeout=400")
    thread.join(PATIENCE_S)
    assert got[1] > 0.35


def free_seats(app: CouchApp) -> int:
    taken = 0
    while app.seats.take():
        taken += 1
    for _ in range(taken):
        app.seats.leave()
    return taken


def test_an_answer_that_nobody_reads_gives_its_seat_back(app: CouchApp) -> None:
    for _ in range(5):
        environ = {
            "REQUEST_URI": "/private/_changes?feed=longpoll&timeout=10",
            "HTTP_AUTHORIZATION": "county",
        }
        environ |= {"REQUEST_METHOD": "GET", "QUERY_STRING": "feed=longpoll&timeout=10", "SERVER_NAME": "x"}
        environ |= {"SERVER_PORT": "1", "wsgi.url_scheme": "http"}
        answer = app(environ, lambda status, headers: None)  # type: ignore[arg-type, return-value]
        answer.close()  # type: ignore[attr-defined]
    assert app.seats.take()
    assert app.seats.take()
    assert not app.seats.take()


# Options.


@pytest.fixture
def numbered(databases: Databases) -> list[str]:
    ids = [f"d{number:04}" for number in range(1203)]
    databases.open("private").save([{"_id": id_, "n": int(id_[1:]), "even": int(id_[1:]) % 2 == 0} for id_ in ids])
    return ids


def ids_of(answer: Any) -> list[str]:
    return [row["id"] for row in answer.json["results"]]


def test_a_long_feed_is_walked_in_both_directions(call: Caller, numbered: list[str]) -> None:
    assert ids_of(call("GET", "/private/_changes")) == numbered
    assert ids_of(call("GET", "/private/_changes?descending=true")) == numbered[::-1]
    assert ids_of(call("GET", "/private/_changes?descending=true&limit=701")) == numbered[:501:-1]
    assert ids_of(call("GET", "/private/_changes?descending=true&include_docs=true")) == numbered[::-1]
    some = call("GET", "/private/_changes?limit=700").json
    assert some["pending"] == 503
    assert some["last_seq"] == some["results"][-1]["seq"]
    rest = call("GET", f"/private/_changes?since={some['last_seq']}").json
    assert [row["id"] for row in rest["results"]] == numbered[700:]
    assert rest["pending"] == 0


def test_now_is_where_the_feed_ends(call: Caller, numbered: list[str], databases: Databases) -> None:
    answer = call("GET", "/private/_changes?since=now").json
    assert answer["results"] == []
    databases.open("private").update({"_id": "later"})
    assert ids_of(call("GET", f"/private/_changes?since={answer['last_seq']}")) == ["later"]
    assert ids_of(call("GET", "/private/_changes", Last_Event_ID=answer["last_seq"])) == ["later"]


def test_a_sequence_on_every_hundredth_row_only(call: Caller, numbered: list[str]) -> None:
    rows = call("GET", "/private/_changes?seq_interval=100").json["results"]
    assert [number for number, row in enumerate(rows, 1) if row["seq"] is not None] == list(range(100, 1203, 100))


@pytest.mark.parametrize(
    "query", ["since=x", "limit=-1", "seq_interval=0", "heartbeat=0&feed=longpoll", "timeout=x&feed=longpoll"]
)
def test_what_cannot_be_meant_is_refused(call: Caller, query: str) -> None:
    assert call("GET", f"/private/_changes?{query}").status_code == 400


def test_the_documents_asked_for(call: Caller, numbered: list[str]) -> None:
    wanted = {"doc_ids": ["d0700", "d0003", "nobody"]}
    assert ids_of(call("POST", "/private/_changes?filter=_doc_ids", wanted)) == ["d0003", "d0700"]
    assert ids_of(call("POST", "/private/_changes?filter=_doc_ids&descending=true", wanted)) == ["d0700", "d0003"]
    assert ids_of(call("POST", "/private/_changes?filter=_doc_ids&limit=1", wanted)) == ["d0003"]
    assert ids_of(call("GET", '/private/_changes?filter=_doc_ids&doc_ids=["d0009"]')) == ["d0009"]
    assert call("POST", "/private/_changes?filter=_doc_ids", {"doc_ids": "d0003"}).status_code == 400
    assert call("GET", "/private/_changes?filter=_doc_ids").status_code == 400
    # Without the filter, a body is read and not minded.
    assert len(ids_of(call("POST", "/private/_changes", wanted))) == 1203


def test_only_design_documents(call: Caller, numbered: list[str], databases: Databases) -> None:
    databases.open("private").update({"_id": "_design/app"})
    answer = call("GET", "/private/_changes?filter=_design").json
    assert [row["id"] for row in answer["results"]] == ["_design/app"]
    assert answer["last_seq"].startswith("1204-")


def test_what_a_selector_takes(call: Caller, numbered: list[str]) -> None:
    query = {"selector": {"n": {"$gte": 1000}, "even": True}}
    answer = call("POST", "/private/_changes?filter=_selector&limit=3", query).json
    assert [row["id"] for row in answer["results"]] == ["d1000", "d1002", "d1004"]
    assert answer["last_seq"] == answer["results"][-1]["seq"]
    assert answer["pending"] == 1203 - 1005
    rest = call("POST", f"/private/_changes?filter=_selector&since={answer['last_seq']}", query).json["results"]
    assert len(rest) == 102 - 3
    again = call("POST", "/private/_changes?filter=_selector&include_docs=true&limit=1", query).json["results"]
    assert again[0]["doc"]["n"] == 1000
    picked = {**query, "fields": ["_id", "n", "none"]}
    again = call("POST", "/private/_changes?filter=_selector&include_docs=true&limit=1", picked).json["results"]
    assert again[0]["doc"] == {"_id": "d1000", "n": 1000}
    assert call("GET", "/private/_changes?filter=_selector").status_code == 400


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "Selector error: expected a JSON object"),
        ({"selector": "foo"}, "Selector error: expected a JSON object"),
        ({"selector": {"$odd": 1}}, "Invalid operator: $odd"),
        ({"selector": {}, "fields": "n"}, "Selector error: fields must be JSON array"),
    ],
)
def test_a_selector_that_is_none_is_a_bad_request_as_pouchdb_expects_it(
    call: Caller, numbered: list[str], body: dict[str, Any], reason: str
) -> None:
    refused = call("POST", "/private/_changes?filter=_selector", body)
    assert (refused.status_code, refused.json) == (400, {"error": "bad_request", "reason": reason})


def test_a_selector_looks_at_each_leaf_and_at_tombstones(call: Caller, databases: Databases) -> None:
    store = databases.open("private")
    store.bulk_docs([kept("a", "2-b", "1", n=1), kept("a", "2-c", "1", n=2), kept("b", "1-x")], new_edits=False)
    store.update({"_id": "b", "_rev": "1-x", "_deleted": True})
    query = {"selector": {"n": 1}}
    (row,) = call("POST", "/private/_changes?filter=_selector&style=all_docs", query).json["results"]
    assert row["changes"] == [{"rev": "2-b"}]
    assert ids_of(call("POST", "/private/_changes?filter=_selector", query)) == []
    assert ids_of(call("POST", "/private/_changes?filter=_selector", {"selector": {"_deleted": True}})) == ["b"]


def test_files_come_along_when_asked_for(call: Caller) -> None:
    call("PUT", "/private/a/note.txt", b"hello", Content_Type="text/plain")
    (row,) = call("GET", "/private/_changes?include_docs=true").json["results"]
    assert row["doc"]["_attachments"]["note.txt"]["stub"] is True
    (row,) = call("GET", "/private/_changes?include_docs=true&attachments=true").json["results"]
    assert row["doc"]["_attachments"]["note.txt"]["data"] == "aGVsbG8="


def test_a_long_poll_that_need_not_wait_is_packed(call: Caller, numbered: list[str]) -> None:
    answer = call("GET", "/private/_changes?feed=longpoll", Accept_Encoding="gzip")
    assert answer.headers["Content-Encoding"] == "gzip"


# Feeds that wait.


def lines_of(url: str, query: str, *, body: object = None) -> Iterator[bytes]:
    """The lines of a feed, each when it comes."""
    answer = urllib3.request(
        "POST" if body else "GET",
        f"{url}/private/_changes?{query}",
        json=body,
        headers={"Authorization": "county"},
        preload_content=False,
    )
    rest = b""
    for piece in answer.stream(1 << 16):
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines
    answer.release_conn()


def test_a_line_comes_when_its_change_does_and_a_heartbeat_in_between(url: str, databases: Databases) -> None:
    lines = []
    for line in lines_of(url, "feed=continuous&heartbeat=200&since=now&limit=1"):
        lines.append(line)
        if lines == [b""] * 3:
            databases.open("private").update({"_id": "late"})
    change, end = (json.loads(line) for line in lines if line)
    assert change["id"] == "late"
    assert "last_seq" in end


def test_a_selector_holds_for_what_comes_too(url: str, databases: Databases) -> None:
    store = databases.open("private")
    for number in range(3):
        delay = 0.2 + number / 10
        threading.Timer(delay, store.update, [{"_id": f"n{number}", "even": number % 2 == 0}]).start()
    found = [
        json.loads(line)
        for line in lines_of(url, "feed=continuous&filter=_selector&limit=2", body={"selector": {"even": True}})
        if line
    ]
    assert [row.get("id") for row in found] == ["n0", "n2", None]


def test_a_feed_ends_when_its_database_is_deleted(url: str, app: CouchApp, databases: Databases) -> None:
    thread, got = waiting(url, "feed=continuous&since=now&heartbeat=5000")
    until(lambda: free_seats(app) == 1, "it waits")
    databases.delete("private")
    thread.join(PATIENCE_S)
    assert "last_seq" in json.loads(got[0])


def test_whoever_has_gone_leaves_the_seat(app: CouchApp, databases: Databases) -> None:
    with served(app, threads=4, channel_request_lookahead=1) as url:
        for _ in range(2):
            answer = urllib3.PoolManager().request(
                "GET",
                f"{url}/private/_changes?feed=longpoll&since=now&heartbeat=60000",
                headers={"Authorization": "county"},
                preload_content=False,
            )
            answer.close()
        until(app.seats.take, "the seat is free")


@pytest.mark.parametrize(
    ("query", "status", "error", "reason"),
    [
        ("filter=_view", 400, "bad_request", "`view` filter parameter is not provided."),
        ("filter=_view&view=", 400, "bad_request", "`view` filter parameter is not provided."),
        ("filter=_view&view=a/b/c", 400, "bad_request", "`view` must be of the form `designname/viewname`"),
        ("filter=_view&view=foo/odd", 404, "not_found", "missing json key: odd"),
        ("filter=_view&view=bare/odd", 404, "not_found", "missing json key: views"),
        ("filter=_view&view=foo/even", 501, "not_implemented", "The view foo/even is not run here"),
        ("filter=none/odd", 404, "not_found", "missing"),
        ("filter=bare/odd", 404, "not_found", "missing json key: filters"),
        ("filter=foo/odd", 404, "not_found", "missing json key: odd"),
        ("filter=foo", 400, "bad_request", "`filter` must be of the form `designname/filtername`"),
        ("filter=_odd", 400, "bad_request", "unknown builtin filter name"),
        ("filter=foo/even", 501, "not_implemented", "The filter foo/even is not run here"),
    ],
)
def test_only_a_function_that_is_there_is_told_as_not_run(
    call: Caller, databases: Databases, query: str, status: int, error: str, reason: str
) -> None:
    """What is asked for wrongly is refused as CouchDB refuses it, and as PouchDB's suite expects it."""
    there = {"even": "function (doc) { return true; }"}
    design = kept("_design/foo", "1-a", filters=there, views={"even": {"map": "function (doc) {}"}})
    databases.open("private").bulk_docs([design, kept("_design/bare", "1-b")], new_edits=False)
    answer = call("GET", f"/private/_changes?{query}")
    assert (answer.status_code, answer.json["error"]) == (status, error)
    assert answer.json["reason"].startswith(reason)
