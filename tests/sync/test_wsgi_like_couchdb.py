"""Answers that CouchDB 3.4's sources and tests settle: where a thing lies, what is no request, what is counted."""

from __future__ import annotations

import json

import pytest
import urllib3
from werkzeug.test import Client

from sync.databases import Databases
from sync.wsgi import CouchApp
from tests.contracts.peer import kept
from tests.sync.calling import Caller, authenticate
from tests.sync.served import served

# Where what was made lies.


@pytest.mark.parametrize(
    ("path", "body", "where"),
    [
        ("/private/doc", {}, "/private/doc"),
        ("/private/a%2Fb%20c?batch=ok", {}, "/private/a%2Fb%20c"),
        ("/private/_design/app", {}, "/private/_design/app"),
        ("/private/doc/photo%2F1.jpg", b"x", "/private/doc/photo%2F1.jpg"),
        ("/fresh%2Fone%2Btwo/", None, "/fresh%2Fone%2Btwo"),
    ],
)
def test_what_was_put_says_where_it_lies(call: Caller, path: str, body: object, where: str) -> None:
    answer = call("PUT", path, body)
    assert answer.status_code in (201, 202)
    assert answer.headers["Location"] == f"http://localhost{where}"


@pytest.mark.parametrize("path", ["/private", "/private/"])
def test_a_document_with_a_new_id_says_where_it_lies(call: Caller, path: str) -> None:
    made = call("POST", path, {"n": 1})
    assert made.headers["Location"] == f"http://localhost/private/{made.json['id']}"
    assert (
        call("POST", path, {"_id": f"a/b {path}"}).headers["Location"].startswith("http://localhost/private/a%2Fb%20")
    )


def test_under_another_root_the_place_has_that_root(app: CouchApp) -> None:
    environ = {"SCRIPT_NAME": "/couch", "REQUEST_URI": "/couch/private/"}
    made = Client(app).post(
        "/private/", json={"_id": "x"}, headers={"Authorization": "county"}, environ_overrides=environ
    )
    assert made.headers["Location"] == "http://localhost/couch/private/x"


def test_what_changes_nothing_new_has_no_place(call: Caller) -> None:
    rev = call("PUT", "/private/doc", {}).json["rev"]
    assert "Location" not in call("DELETE", f"/private/doc?rev={rev}").headers
    assert "Location" not in call("PUT", "/private/doc", {"_rev": "1-x"}).headers


# What is no request, and what is not here.


@pytest.mark.parametrize(("method", "headers"), [("COPY", {"Destination": "other"}), ("POST", {})])
def test_copying_and_forms_are_left_out_and_say_so(call: Caller, method: str, headers: dict[str, str]) -> None:
    call("PUT", "/private/doc", {})
    assert call(method, "/private/doc", **headers).status_code == 501
    assert call("GET", "/private/other").status_code == 404


@pytest.mark.parametrize("path", ["_security", "_revs_limit"])
def test_a_405_names_every_method_there_is(call: Caller, path: str) -> None:
    answer = call("DELETE", f"/private/{path}")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET,HEAD,PUT")


@pytest.mark.parametrize(
    "path", ["", "/_bulk_docs", "/_bulk_get", "/_revs_diff", "/_missing_revs", "/_all_docs", "/_changes"]
)
@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", ""])
def test_what_a_page_elsewhere_could_post_is_415(call: Caller, path: str, kind: str) -> None:
    """A browser that knows the password sends such bodies for any page, without asking first."""
    answer = call("POST", f"/private{path}", {"docs": []}, Content_Type=kind)
    assert (answer.status_code, answer.json["error"]) == (415, "bad_content_type")
    assert (
        call("POST", f"/private{path}", {"docs": []}, Content_Type="application/json; charset=utf-8").status_code < 300
    )


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", ""])
def test_a_document_may_be_put_without_saying_that_it_is_json(call: Caller, kind: str) -> None:
    assert call("PUT", "/private/doc", {"n": 1}, Content_Type=kind).status_code == 201


@pytest.mark.parametrize(
    ("method", "path", "body", "reason"),
    [
        ("PUT", "doc", [], "Document must be a JSON object"),
        ("POST", "", [], "Document must be a JSON object"),
        ("POST", "_bulk_docs", [], "Request body must be a JSON object"),
        ("POST", "_bulk_docs", {"doc": []}, "POST body must include `docs` parameter."),
        ("POST", "_bulk_docs", {"docs": "foo"}, "`docs` parameter must be an array."),
        ("POST", "_bulk_docs", {"docs": [1]}, "Document must be a JSON object"),
        (
            *("POST", "_bulk_docs", {"docs": [{"_id": "x", "_rev": "1-a"}, {"_id": "y"}], "new_edits": False}),
            "When `new_edits: false`, the document needs `_rev` or `_revisions` specified",
        ),
        ("POST", "_bulk_docs", {"docs": [], "new_edits": 0}, "`new_edits` parameter must be a boolean."),
        ("POST", "_bulk_get?rev=1-a", {"docs": []}, '"rev" query parameter is not acceptable'),
        ("POST", "_bulk_get?open_revs=all", {"docs": []}, '"open_revs" query parameter is not acceptable'),
        (
            *("GET", "_changes?feed=continuous&heartbeat=-1000", None),
            "The heartbeat value should be a positive integer (in milliseconds).",
        ),
        (
            *("GET", "_changes?feed=continuous&heartbeat=a1000", None),
            "Invalid heartbeat value. Expecting a positive integer value (in milliseconds).",
        ),
        (
            *("GET", "_changes?feed=nonsense", None),
            "Supported `feed` types: normal, continuous, live, longpoll, eventsource",
        ),
    ],
)
def test_what_cannot_be_meant_is_told_in_couchdbs_words(
    call: Caller, method: str, path: str, body: object, reason: str
) -> None:
    answer = call(method, f"/private/{path}", body)
    assert (answer.status_code, answer.json) == (400, {"error": "bad_request", "reason": reason})


def test_a_database_name_that_begins_with_an_underscore_is_none(call: Caller) -> None:
    answer = call("PUT", "/_db")
    assert (answer.status_code, answer.json["error"]) == (400, "illegal_database_name")
    assert answer.json["reason"].startswith("Name: '_db'. Only lowercase characters (a-z), ")
    # These may be such names elsewhere, and are left out here.
    for name in ("_users", "_replicator", "_global_changes"):
        assert call("PUT", f"/{name}").status_code == 501


def test_one_bad_entry_of_a_bulk_get_is_a_row_and_the_others_are_answered(call: Caller, databases: Databases) -> None:
    databases.open("private").bulk_docs([kept("a", "1-a", n=1)], new_edits=False)
    docs = [{"id": "a"}, 1, {}, {"rev": "1-a"}, {"id": "a", "rev": "odd"}, {"id": "_odd"}]
    docs += [{"id": "a", "rev": "1-a", "atts_since": "1-a"}, {"id": "a", "rev": "1-a"}]
    results = call("POST", "/private/_bulk_get", {"docs": docs}).json["results"]
    good, none, empty, unnamed, odd_rev, odd_id, odd_since, last = [(row["id"], row["docs"][0]) for row in results]
    assert good == last == ("a", {"ok": {"_id": "a", "_rev": "1-a", "n": 1}})
    nothing = {"id": None, "rev": None, "error": "bad_request", "reason": "document must be a JSON object"}
    assert none == empty == (None, {"error": nothing})
    assert unnamed == (None, {"error": {**nothing, "reason": "document id missed"}})
    assert (odd_rev[0], odd_rev[1]["error"]["rev"], odd_rev[1]["error"]["error"]) == ("a", "odd", "bad_request")
    assert (odd_id[0], odd_id[1]["error"]["rev"], odd_id[1]["error"]["error"]) == ("_odd", None, "illegal_docid")
    assert (odd_since[0], odd_since[1]["error"]["error"]) == ("a", "bad_request")
    parts = call("POST", "/private/_bulk_get", {"docs": docs}, Accept="multipart/mixed").data
    assert parts.count(b'error="true"') == 6


# What is counted.


def test_a_limit_of_nothing_asks_how_much_there_is(call: Caller, databases: Databases) -> None:
    """So CouchDB's own replicator asks how many changes are still to come; its documentation says that 0 is 1."""
    databases.open("private").bulk_docs([kept(id_, "1-a") for id_ in "abc"], new_edits=False)
    for query in (
        "limit=0",
        "limit=0&style=all_docs&filter=_design",
        "limit=0&feed=longpoll",
        "limit=0&seq_interval=2",
    ):
        answer = call("GET", f"/private/_changes?{query}").json
        assert (answer["results"], answer["pending"]) == ([], 3)
        assert len(call("GET", f"/private/_changes?since={answer['last_seq']}").json["results"]) == 3
    one = call("GET", "/private/_changes?limit=1").json["last_seq"]
    rest = call("GET", f'/private/_changes?since="{one}"&limit=0').json
    assert (rest["pending"], rest["last_seq"]) == (2, one)


def test_a_sequence_that_never_was_is_not_given_back(call: Caller, databases: Databases) -> None:
    """Whoever went on from it would miss what comes until then."""
    store = databases.open("private")
    store.bulk_docs([kept("a", "1-a")], new_edits=False)
    last = call("GET", "/private/_changes?since=99999").json["last_seq"]
    assert last == call("GET", "/private/_changes?since=99999&seq_interval=1").json["last_seq"]
    store.bulk_docs([kept("b", "1-a")], new_edits=False)
    assert [row["id"] for row in call("GET", f"/private/_changes?since={last}").json["results"]] == ["b"]


def test_a_feed_walked_back_ends_at_its_last_row(call: Caller, databases: Databases) -> None:
    """PouchDB's suite, #3136."""
    databases.open("private").bulk_docs([kept(id_, "1-a") for id_ in "abc"], new_edits=False)
    for query in ("", "&limit=2", "&filter=_design", "&limit=2&since=now"):
        answer = call("GET", f"/private/_changes?descending=true{query}").json
        forward = call("GET", "/private/_changes").json["results"]
        assert answer["last_seq"] == forward[1 if "limit" in query else 0]["seq"]
    nothing = call("GET", "/station-1/_changes?descending=true").json
    assert nothing["last_seq"] == call("GET", "/station-1/_changes").json["last_seq"]


def test_the_local_sequence_is_a_number(call: Caller) -> None:
    call("PUT", "/private/first", {})
    call("PUT", "/private/doc", {})
    assert call("GET", "/private/doc?local_seq=true").json["_local_seq"] == 2


def test_a_backward_range_is_416(call: Caller) -> None:
    call("PUT", "/private/doc/x.txt", b"hello world")
    assert call("GET", "/private/doc/x.txt", Range="bytes=5-3").status_code == 416
    assert call("GET", "/private/doc/x.txt", Range="bytes:5-6").status_code == 200
    assert call("GET", "/private/doc/x.txt", Range="bytes=5-3, 6-7").status_code == 200


def test_a_new_database_says_that_it_is_the_admins(call: Caller) -> None:
    only_admins = {"members": {"roles": ["_admin"]}, "admins": {"roles": ["_admin"]}}
    assert call("GET", "/private/_security").json == only_admins


def test_the_timeout_of_a_feed_is_counted_from_its_last_line(databases: Databases) -> None:
    store = databases.open("private")
    now, lines = 0.0, list[bytes]()

    def monotonic() -> float:
        nonlocal now
        now += 1.0 if len(lines) > 3 else 0.0
        return now

    app = CouchApp(databases, authenticate=authenticate, monotonic=monotonic)
    with served(app, threads=4) as url, urllib3.PoolManager() as pool:
        asked = f"{url}/private/_changes?feed=continuous&timeout=1500"
        feed = pool.request("GET", asked, headers={"Authorization": "county"}, preload_content=False)
        store.update({"_id": "first"})
        for line in filter(bytes.strip, feed):
            lines.append(line)
            # Twice as long as the feed waits, in all; but never since its last line.
            if len(lines) <= 3:
                now += 1.0
                store.update({"_id": f"d{len(lines)}"})
    assert [json.loads(line).get("id") for line in lines] == ["first", "d1", "d2", "d3", None]
    assert json.loads(lines[-1])["pending"] == 0


# What CouchDB's own tests (test/elixir) ask besides.


def test_a_tag_that_is_weak_is_known_too(call: Caller) -> None:
    rev = call("PUT", "/private/doc/x.txt", b"hello").json["rev"]
    assert call("GET", "/private/doc", If_None_Match=f'W/"{rev}"').status_code == 304
    tag = call("GET", "/private/doc/x.txt").headers["ETag"]
    assert call("GET", "/private/doc/x.txt", If_None_Match=f"W/{tag}").status_code == 304
    assert call("GET", "/private/doc/x.txt", If_None_Match="*").status_code == 304


def test_a_stub_needs_to_say_no_more_than_that_it_is_one(call: Caller) -> None:
    rev = call("PUT", "/private/doc/x.txt", b"hello", Content_Type="text/plain").json["rev"]
    files = {"x.txt": {"stub": True}}
    second = call("PUT", "/private/doc", {"_rev": rev, "_attachments": files}).json["rev"]
    assert call("GET", "/private/doc/x.txt").content_type == "text/plain"
    assert call("GET", "/private/doc").json["_attachments"]["x.txt"]["revpos"] == 1
    # Kept revisions are found the same way.
    path = {"start": 3, "ids": ["c", second[2:], rev[2:]]}
    kept_doc = {"_rev": "3-c", "_revisions": path, "_attachments": files}
    assert call("PUT", "/private/doc?new_edits=false", kept_doc).status_code == 201
    assert call("GET", "/private/doc/x.txt?rev=3-c").content_type == "text/plain"
    for entry in ({"stub": True, "revpos": 10}, {"stub": True, "revpos": 10, "digest": "md5-nothing"}):
        refused = call("PUT", "/private/doc", {"_rev": "3-c", "_attachments": {"x.txt": entry}})
        assert (refused.status_code, refused.json["error"]) == (412, "missing_stub")


def test_a_file_tells_its_digest_as_a_header(call: Caller) -> None:
    call("PUT", "/private/doc/x.txt", b"foo bar", Content_MD5="MntvB0NYESObxH4VRDUycw==")
    assert call("GET", "/private/doc/x.txt").headers["Content-MD5"] == "MntvB0NYESObxH4VRDUycw=="
    assert call("HEAD", "/private/doc/x.txt").headers["Content-MD5"] == "MntvB0NYESObxH4VRDUycw=="
    assert "Content-MD5" not in call("GET", "/private/doc/x.txt", Range="bytes=0-2").headers


@pytest.mark.parametrize("path", ["_local", "_local/", "_local%2F", "_local/foo/bar"])
def test_a_local_document_has_a_name_of_one_piece(call: Caller, path: str) -> None:
    answer = call("PUT", f"/private/{path}", {})
    assert (answer.status_code, answer.json["error"]) == (400, "bad_request")


def test_what_the_query_of_a_list_says_goes_before_what_the_body_says(call: Caller) -> None:
    for id_ in "abc":
        call("PUT", f"/private/{id_}", {})
    rows = call("POST", "/private/_all_docs?limit=1", {"limit": 2}).json["rows"]
    assert [row["id"] for row in rows] == ["a"]
    both = call("POST", "/private/_all_docs/queries?limit=1", {"queries": [{"limit": 2}, {}]}).json["results"]
    assert [len(one["rows"]) for one in both] == [2, 1]


def test_a_file_for_a_revision_that_is_not_here_is_told_apart_from_a_conflict(call: Caller) -> None:
    call("PUT", "/private/doc/x.txt", b"hello")
    for method, path in (("PUT", "none/x.txt"), ("PUT", "doc/x.txt"), ("DELETE", "doc/x.txt")):
        answer = call(method, f"/private/{path}?rev=4-a", b"x" if method == "PUT" else None)
        assert (answer.status_code, answer.json) == (409, {"error": "not_found", "reason": "missing_rev"})
    assert call("PUT", "/private/doc/x.txt", b"x").json["error"] == "conflict"


def test_a_feed_walked_back_counts_what_it_leaves_out(call: Caller, databases: Databases) -> None:
    docs = [kept("a", "1-a"), kept("b", "1-a"), kept("c", "2-b", "a", deleted=True)]
    databases.open("private").bulk_docs(docs, new_edits=False)
    forward = call("GET", "/private/_changes").json
    oldest, newest = forward["results"][0]["seq"], forward["last_seq"]
    for limit, pending, last_seq in ((0, 3, newest), (1, 2, newest), (3, 0, oldest), (9, 0, oldest)):
        answer = call("GET", f"/private/_changes?descending=true&limit={limit}").json
        assert (len(answer["results"]), answer["pending"]) == (min(limit, 3), pending)
        assert answer["last_seq"] == last_seq


def test_a_put_that_deletes_has_made_nothing(call: Caller) -> None:
    rev = call("PUT", "/private/doc", {"a": 1}).json["rev"]
    assert call("PUT", "/private/doc", {"_rev": rev, "_deleted": True}).status_code == 200
    tombstone = {"_rev": "1-a", "_deleted": True}
    assert call("PUT", "/private/other?new_edits=false", tombstone).status_code == 200
    assert call("GET", "/private/other").status_code == 404
    assert call("POST", "/private", {"_id": "third", "_deleted": True}).status_code == 201


# What CouchDB's own tests (src/*/test/eunit) ask besides.


def test_the_latest_after_a_fork_are_all_that_came_of_it(call: Caller, databases: Databases) -> None:
    fork = [kept("a", "2-b", "a"), kept("a", "3-d", "c", "a"), kept("a", "2-e", "a", deleted=True)]
    databases.open("private").bulk_docs(fork, new_edits=False)
    for asked, leaves in (("1-a", ["3-d", "2-b", "2-e"]), ("2-c", ["3-d"]), ("2-e", ["2-e"]), ("1-x", [])):
        found = call("GET", f'/private/a?open_revs=["{asked}"]&latest=true').json
        assert [row["ok"]["_rev"] for row in found if "ok" in row] == leaves
        many = call("POST", "/private/_bulk_get?latest=true&revs=true", {"docs": [{"id": "a", "rev": asked}]}).json
        found = [row["ok"] for row in many["results"][0]["docs"] if "ok" in row]
        assert [row["_rev"] for row in found] == leaves
        assert [row["_revisions"]["ids"][-1] for row in found] == ["a"] * len(leaves)
    assert call("GET", "/private/a?rev=1-a&latest=true").json["_rev"] == "3-d"


def test_who_names_no_revision_whose_files_are_known_has_not_asked_for_files(call: Caller) -> None:
    rev = call("PUT", "/private/doc/x.txt", b"hello").json["rev"]
    docs = [{"id": "doc", "rev": rev, "atts_since": since} for since in ([], ["1-other"], [rev])]
    for query, shown in (("", ["stub", "data", "stub"]), ("?attachments=true", ["data", "data", "stub"])):
        rows = call("POST", f"/private/_bulk_get{query}", {"docs": docs}).json["results"]
        files = [row["docs"][0]["ok"]["_attachments"]["x.txt"] for row in rows]
        assert ["data" if "data" in file else "stub" for file in files] == shown


def test_of_a_document_without_revisions_nothing_is_missing(call: Caller) -> None:
    call("PUT", "/private/doc", {})
    asked: dict[str, list[str]] = {"doc": [], "none": [], "other": ["1-a"]}
    assert call("POST", "/private/_revs_diff", asked).json == {"other": {"missing": ["1-a"]}}
    assert call("POST", "/private/_missing_revs", asked).json == {"missing_revs": {"other": ["1-a"]}}


@pytest.mark.parametrize("data", ["notBase64Encoded=", "YQ", "YQ===", "Y Q=", "YQ==YQ=="])
def test_a_file_that_is_no_base64_is_refused(call: Caller, data: str) -> None:
    answer = call("PUT", "/private/doc", {"_attachments": {"x.txt": {"content_type": "text/plain", "data": data}}})
    assert (answer.status_code, answer.json["error"]) == (400, "bad_request")


def test_an_underscore_before_a_files_name_is_told_by_every_road(call: Caller) -> None:
    reason = "Attachment name '_x.txt' starts with prohibited character '_'"
    doc = {"_id": "doc", "_attachments": {"_x.txt": {"data": ""}}}
    for method, path, body in (("PUT", "/doc", doc), ("POST", "", doc), ("PUT", "/doc/_x.txt", b"")):
        answer = call(method, f"/private{path}", body)
        assert (answer.status_code, answer.json["reason"]) == (400, reason)


def test_a_body_and_a_header_must_agree_on_the_revision(call: Caller) -> None:
    rev = call("PUT", "/private/doc", {}).json["rev"]
    for query, header, reason in (
        ("", "1-b", "Document rev and etag have different values"),
        ("?rev=1-b", "", "Document rev from request body and query string have different values"),
    ):
        answer = call("PUT", f"/private/doc{query}", {"_rev": rev}, **({"If_Match": header} if header else {}))
        assert (answer.status_code, answer.json["reason"]) == (400, reason)


def test_what_is_pending_is_counted_in_rows_and_not_in_writes(call: Caller, databases: Databases) -> None:
    """CouchDB's replicator and PouchDB show it to people."""
    store = databases.open("private")
    for id_ in ("a", "b", "c"):
        rev = store.update({"_id": id_}).rev
        rev = store.update({"_id": id_, "_rev": rev, "n": 2}).rev
    store.update({"_id": "c", "_rev": rev, "n": 3})
    for query in ("limit=0", "limit=0&seq_interval=1", "limit=0&feed=continuous"):
        lines = call("GET", f"/private/_changes?{query}").data.split(b"\n")
        assert b'"pending":3' in b"".join(lines), query
    for more in ("", "&seq_interval=1"):
        first = call("GET", f"/private/_changes?limit=1{more}").json
        assert first["pending"] == 2
        assert call("GET", f"/private/_changes?limit=0&since={first['last_seq']}{more}").json["pending"] == 2
        second = call("GET", f"/private/_changes?limit=1&since={first['last_seq']}{more}").json
        # In the midst it is not counted, and never said to be nothing when it is not.
        assert 1 <= second["pending"] <= 2
        assert call("GET", f"/private/_changes?since={second['last_seq']}{more}").json["pending"] == 0


@pytest.mark.parametrize("feed", ["continuous", "longpoll"])
def test_a_feed_walked_back_has_an_end_and_waits_for_nothing(call: Caller, databases: Databases, feed: str) -> None:
    databases.open("private").bulk_docs([kept(id_, "1-a") for id_ in "ab"], new_edits=False)
    for query in ("", "&limit=9", "&filter=_design"):
        answer = call("GET", f"/private/_changes?feed={feed}&descending=true{query}")
        assert "X-Accel-Buffering" not in answer.headers
        assert b'"pending":0' in answer.data


@pytest.mark.parametrize("since", ["3000-02-03T04:05:00Z", "2025-01-01Txx:yy:00Z", '"2025-01-01T00:00:00Z"'])
@pytest.mark.parametrize("query", ["", "&seq_interval=1", "&feed=longpoll"])
def test_a_time_is_no_sequence_here(call: Caller, since: str, query: str) -> None:
    """CouchDB 3.5 takes one. Taken for a sequence of another file, it would bring everything."""
    answer = call("GET", f"/private/_changes?since={since}{query}")
    assert (answer.status_code, answer.json["error"]) == (400, "bad_request")
    assert answer.json["reason"].startswith("Malformed sequence supplied in 'since' parameter")
