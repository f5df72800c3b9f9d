"""CouchDB's URLs: who is let in, what is answered, and what is left out on purpose."""

from __future__ import annotations

import gzip
import json
from random import Random
from urllib.parse import quote

import pytest
from werkzeug.test import Client

from sync.databases import Databases
from sync.wsgi import CouchApp
from tests.contracts.peer import kept
from tests.sync.calling import Caller

# Who is let in.


def test_the_welcome_needs_no_login(call: Caller) -> None:
    answer = call("GET", "/", who=None)
    assert answer.status_code == 200
    assert answer.json["couchdb"] == "Welcome"
    assert call("GET", "/_up", who=None).json["status"] == "ok"


@pytest.mark.parametrize("path", ["/station-1", "/nothing", "/station-1/_changes", "/_all_dbs", "/_uuids", "/_odd"])
@pytest.mark.parametrize(("who", "status"), [(None, 401), ("wrong", 401), ("malformed", 400)])
def test_without_good_credentials_nothing_is_told(call: Caller, path: str, who: str | None, status: int) -> None:
    answer = call("GET", path, who=who)
    assert answer.status_code == status
    assert set(answer.json) == {"error", "reason"}


@pytest.mark.parametrize("method", ["GET", "PUT", "POST", "DELETE"])
@pytest.mark.parametrize("path", ["", "/", "/_changes", "/doc", "/_security", "/_local/x", "/_bulk_docs", "/d/att"])
def test_a_stranger_cannot_tell_a_database_that_exists_from_one_that_does_not(
    call: Caller, method: str, path: str
) -> None:
    one, other = (call(method, f"/{name}{path}", {}, who="stranger") for name in ("private", "nothing"))
    assert one.status_code == other.status_code == 403
    assert one.data == other.data
    assert dict(one.headers) == dict(other.headers)


def test_only_what_one_may_see_is_listed(call: Caller) -> None:
    assert call("GET", "/_all_dbs").json == ["private", "station-1"]
    assert call("GET", "/_all_dbs", who="member").json == ["station-1"]
    assert call("GET", "/_all_dbs", who="stranger").json == []


def test_members_read_security_and_only_the_county_sets_it(call: Caller) -> None:
    assert call("GET", "/station-1/_security", who="member").json == {"members": {"roles": ["station:600101101201:1"]}}
    assert call("PUT", "/station-1/_security", {}, who="member").status_code == 403
    assert call("PUT", "/station-1/_security", {"admins": {"names": ["600101101202"]}}).status_code == 200
    assert call("GET", "/station-1", who="member").status_code == 403
    assert call("PUT", "/station-1/_security", {}, who="stranger").status_code == 200


def test_the_session_says_who_one_is(call: Caller) -> None:
    assert call("GET", "/_session", who=None).json["userCtx"] == {"name": None, "roles": []}
    assert call("GET", "/_session", who="member").json["userCtx"] == {
        "name": "600101101201",
        "roles": ["station", "station:600101101201:1"],
    }


def test_a_name_that_no_security_has_put_in_is_nobody(call: Caller, databases: Databases) -> None:
    databases.open("private").set_security({"members": {"names": [""], "roles": []}, "admins": "nonsense"})
    assert call("GET", "/private", who="stranger").status_code == 403


# Databases.


def test_databases_are_made_and_deleted_by_whom_it_is_allowed_to(call: Caller) -> None:
    assert call("PUT", "/fresh/").status_code == 201
    again = call("PUT", "/fresh")
    assert (again.status_code, again.json["error"]) == (412, "file_exists")
    assert call("PUT", "/other", who="member").status_code == 403
    assert call("DELETE", "/station-1", who="member").status_code == 403
    assert call("DELETE", "/fresh").json == {"ok": True}
    assert call("DELETE", "/fresh").status_code == 404
    assert call("GET", "/fresh").json == {"error": "not_found", "reason": "Database does not exist."}
    assert call("PUT", "/Wrong").json["error"] == "illegal_database_name"
    assert call("PUT", "/with%2Fslash").status_code == 201
    assert "with/slash" in call("GET", "/_all_dbs").json


def test_the_same_under_another_root(app: CouchApp) -> None:
    client = Client(app)
    environ = {"SCRIPT_NAME": "/couch", "REQUEST_URI": "/couch/station-1/a%2Fb"}
    put = client.put("/station-1/a/b", json={"n": 1}, headers={"Authorization": "county"}, environ_overrides=environ)
    assert put.json["id"] == "a/b"


# One document.


@pytest.mark.parametrize("id_", ["a", "a/b", "云岭", "a+b c?d#e%", "_design/x", "🀄"])
def test_a_document_is_written_read_and_deleted(call: Caller, id_: str) -> None:
    url = f"/private/{quote(id_, safe='')}"
    made = call("PUT", url, {"n": 1})
    assert (made.status_code, made.json["ok"], made.json["id"]) == (201, True, id_)
    rev = made.json["rev"]
    got = call("GET", url)
    assert got.json == {"_id": id_, "_rev": rev, "n": 1}
    assert got.headers["ETag"] == f'"{rev}"'
    assert call("GET", url, If_None_Match=f'"{rev}"').status_code == 304
    assert call("PUT", url, {"n": 2}).status_code == 409
    second = call("PUT", f"{url}?rev={rev}", {"n": 2}).json["rev"]
    third = call("PUT", url, {"n": 3}, If_Match=f'"{second}"').json["rev"]
    assert call("GET", f"{url}?rev={rev}").json["n"] == 1
    assert call("DELETE", f"{url}?rev={rev}").status_code == 409
    assert call("DELETE", url).status_code == 409
    gone = call("DELETE", f"{url}?rev={third}")
    assert gone.status_code == 200
    assert call("GET", url).json == {"error": "not_found", "reason": "deleted"}
    assert call("DELETE", f"{url}?rev={gone.json['rev']}").status_code == 404
    assert call("GET", f"{url}?rev={gone.json['rev']}").json["_deleted"] is True
    assert call("GET", "/private/never").json == {"error": "not_found", "reason": "missing"}


def test_what_a_document_can_be_asked_for_besides(call: Caller, databases: Databases) -> None:
    docs = [kept("a", "1-a", n=1), kept("a", "3-c", "b", "a", n=3), kept("a", "3-d", "b", "a", n=4)]
    docs.append(kept("a", "2-x", "a", deleted=True))
    databases.open("private").bulk_docs(docs, new_edits=False)
    found = call("GET", "/private/a?revs=true&conflicts=true&deleted_conflicts=true&revs_info=true").json
    assert found["_revisions"] == {"start": 3, "ids": ["d", "b", "a"]}
    assert found["_conflicts"] == ["3-c"]
    assert found["_deleted_conflicts"] == ["2-x"]
    assert found["_revs_info"] == [
        {"rev": "3-d", "status": "available"},
        {"rev": "2-b", "status": "missing"},
        {"rev": "1-a", "status": "available"},
    ]
    leaves = call("GET", "/private/a?open_revs=all").json
    assert {leaf["ok"]["_rev"] for leaf in leaves} == {"3-c", "3-d", "2-x"}
    asked = call("GET", '/private/a?open_revs=["3-c","9-z"]&revs=true').json
    assert asked[0]["ok"]["_revisions"]["start"] == 3
    assert asked[1] == {"missing": "9-z"}
    # A revision that several of those asked for lead to is answered once, as CouchDB merges them into one tree.
    several = call("GET", '/private/a?open_revs=["1-a","2-x","3-d","3-d","9-z"]&latest=true').json
    assert [one.get("missing") or one["ok"]["_rev"] for one in several] == ["3-d", "3-c", "2-x", "9-z"]
    twice = call("GET", '/private/a?open_revs=["3-c","9-z","3-c","9-z"]').json
    assert [one.get("missing") or one["ok"]["_rev"] for one in twice] == ["3-c", "9-z"]
    # CouchDB opens the winner here; the leaf that descends is right.
    assert call("GET", '/private/a?open_revs=["2-x"]&latest=true').json[0]["ok"]["_rev"] == "2-x"
    assert call("GET", "/private/a?rev=1-a&latest=true").json["_rev"] == "3-d"
    assert call("GET", "/private/a?rev=nonsense").status_code == 400
    assert call("GET", "/private/a?revs=maybe").status_code == 400


def test_a_put_may_keep_its_revision(call: Caller) -> None:
    body = {"_rev": "2-b", "_revisions": {"start": 2, "ids": ["b", "a"]}, "n": 1}
    assert call("PUT", "/private/a?new_edits=false", body).json["rev"] == "2-b"
    assert call("PUT", "/private/b?new_edits=false", {"n": 1}).status_code == 400


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b'{"n":NaN}', 400),
        (b'{"n":1e400}', 400),
        (b'{"n":' + b"9" * 5000 + b"}", 400),
        (b'{"s":"\\ud800"}', 400),
        (b"\xff", 400),
        (b'{"_id":"other"}', 400),
        (b'{"_rev":"100000000000000000000-a"}', 400),
        (b'{"_odd":1}', 400),
        (b'{"d":' + b"[" * 1000 + b"]" * 1000 + b"}", 400),
        (b'{"d":' + b"[" * 49_000 + b"]" * 49_000 + b"}", 400),
        (b'{"t":"' + b"x" * 100_000 + b'"}', 413),
    ],
    ids=lambda value: str(value)[:30],
)
def test_absurd_documents_are_refused_in_couchdbs_shape(call: Caller, body: bytes, status: int) -> None:
    answer = call("PUT", "/private/a", body)
    assert answer.status_code == status
    assert set(answer.json) == {"error", "reason"}
    assert call("GET", "/private/a").status_code == 404


def test_an_id_of_a_megabyte_is_refused(call: Caller) -> None:
    assert call("POST", "/private/_bulk_docs", {"docs": [{"_id": "x" * 90_000}]}).status_code == 400


def test_files_at_a_document(call: Caller) -> None:
    made = call("PUT", "/private/doc/photo%2F1.jpg", b"\xff\xd8", Content_Type="image/jpeg")
    assert made.status_code == 201
    got = call("GET", "/private/doc/photo/1.jpg")
    assert (got.data, got.content_type) == (b"\xff\xd8", "image/jpeg")
    assert got.headers["Content-Security-Policy"] == "sandbox"
    stub = call("GET", "/private/doc").json["_attachments"]["photo/1.jpg"]
    assert (stub["stub"], stub["length"], stub["revpos"]) == (True, 2, 1)
    assert call("GET", "/private/doc?attachments=true").json["_attachments"]["photo/1.jpg"]["data"] == "/9g="
    assert call("PUT", "/private/doc/b.txt", b"x").status_code == 409
    second = call("PUT", f"/private/doc/b.txt?rev={made.json['rev']}", b"x").json["rev"]
    assert set(call("GET", "/private/doc").json["_attachments"]) == {"photo/1.jpg", "b.txt"}
    assert call("DELETE", f"/private/doc/b.txt?rev={second}").status_code == 200
    assert call("GET", "/private/doc/b.txt").status_code == 404
    assert call("GET", f"/private/doc/b.txt?rev={second}").data == b"x"


def test_local_documents(call: Caller) -> None:
    assert call("GET", "/station-1/_local/x%2Fy", who="member").status_code == 404
    rev = call("PUT", "/station-1/_local/x%2Fy", {"n": 1}, who="member").json["rev"]
    assert call("GET", "/station-1/_local/x%2Fy", who="member").json == {
        "_id": "_local/x/y",
        "_rev": rev,
        "n": 1,
    }
    assert call("PUT", "/station-1/_local/x%2Fy", {"n": 2}, who="member").status_code == 409
    assert call("DELETE", f"/station-1/_local/x%2Fy?rev={rev}", who="member").status_code == 200
    assert call("DELETE", "/station-1/_local/x%2Fy", who="member").status_code == 404


def test_a_member_cannot_fill_the_disk_with_a_local_document(call: Caller) -> None:
    big = {"t": "x" * 70_000}
    assert call("PUT", "/station-1/_local/big", big, who="member").status_code == 413
    assert call("PUT", "/station-1/_local/big", big).status_code == 201


# Many documents.


@pytest.fixture
def letters(databases: Databases) -> None:
    store = databases.open("private")
    store.save([kept(letter, "1-a", n=number) for number, letter in enumerate("abcdef")])
    store.update({"_id": "d", "_rev": "1-a", "_deleted": True})


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("", "abcef"),
        ('startkey="b"&endkey="e"', "bce"),
        ('start_key="b"&end_key="e"&inclusive_end=false', "bc"),
        ('startkey="e"&endkey="b"&descending=true', "ecb"),
        ('startkey="e"&endkey="b"&descending=true&inclusive_end=false', "ec"),
        ("descending=true&limit=2", "fe"),
        ("skip=1&limit=2", "bc"),
        ("limit=0", ""),
        ('key="c"', "c"),
        ('key="d"', ""),
        ('startkey="c"&endkey={}', "cef"),
        ("startkey={}", ""),
        ("startkey=1", "abcef"),
        ("endkey=1", ""),
        ('startkey="b"&limit=2', "bc"),
    ],
)
def test_all_docs_and_its_ranges(call: Caller, letters: None, query: str, ids: str) -> None:
    answer = call("GET", f"/private/_all_docs?{query}").json
    assert "".join(row["id"] for row in answer["rows"]) == ids
    assert answer["total_rows"] == 5


def test_all_docs_by_keys_says_what_is_deleted_and_what_never_was(call: Caller, letters: None) -> None:
    rows = call("POST", "/private/_all_docs?include_docs=true", {"keys": ["b", "zz", "d", 7]}).json["rows"]
    assert rows[0] == {
        "id": "b",
        "key": "b",
        "value": {"rev": "1-a"},
        "doc": {"_id": "b", "_rev": "1-a", "n": 1},
    }
    assert rows[1] == {"key": "zz", "error": "not_found"}
    assert rows[2]["value"]["deleted"] is True
    assert rows[2]["doc"] is None
    assert rows[3] == {"key": 7, "error": "not_found"}
    assert call("GET", '/private/_all_docs?keys=["b"]').json["rows"][0]["id"] == "b"


def test_a_list_longer_than_a_page_is_whole_and_without_repeats(call: Caller, databases: Databases) -> None:
    ids = [f"{number:05}" for number in range(1203)]
    databases.open("private").save([{"_id": id_} for id_ in ids])
    assert [row["id"] for row in call("GET", "/private/_all_docs").json["rows"]] == ids
    assert [row["id"] for row in call("GET", "/private/_all_docs?descending=true").json["rows"]] == ids[::-1]
    assert [row["id"] for row in call("GET", "/private/_all_docs?skip=3&limit=1100").json["rows"]] == ids[3:1103]
    assert [row["id"] for row in call("GET", "/private/_changes").json["results"]] == ids
    assert len(call("GET", "/private/_changes?limit=701").json["results"]) == 701


def test_bulk_docs_answers_each_edit_and_of_kept_revisions_only_refusals(call: Caller) -> None:
    rows = call("POST", "/private/_bulk_docs", {"docs": [{"_id": "a"}, {"n": 1}]}).json
    assert [row["ok"] for row in rows] == [True, True]
    assert call("POST", "/private/_bulk_docs", {"docs": [{"_id": "a"}]}).json[0]["error"] == "conflict"
    body = {"new_edits": False, "docs": [kept("a", "2-b", "a"), {"_id": "_bad", "_rev": "1-a"}]}
    rows = call("POST", "/private/_bulk_docs", body).json
    assert [(row["id"], row["error"]) for row in rows] == [("_bad", "illegal_docid")]
    assert call("POST", "/private/_bulk_docs", {"docs": "x"}).status_code == 400


def test_bulk_get_opens_revisions_leaves_and_the_latest(call: Caller, databases: Databases) -> None:
    databases.open("private").bulk_docs(
        [kept("a", "1-a"), kept("a", "2-b", "a"), kept("a", "2-c", "a"), kept("b", "1-x")], new_edits=False
    )
    body = {"docs": [{"id": "a", "rev": "1-a"}, {"id": "a"}, {"id": "zz", "rev": "1-z"}, {"id": "zz"}]}
    results = call("POST", "/private/_bulk_get?revs=true", body).json["results"]
    assert results[0]["docs"][0]["ok"]["_revisions"] == {"start": 1, "ids": ["a"]}
    assert [one["ok"]["_rev"] for one in results[1]["docs"]] == ["2-c", "2-b"]
    assert results[2]["docs"][0]["error"]["error"] == "not_found"
    assert results[3]["docs"][0]["error"]["error"] == "not_found"
    latest = call("POST", "/private/_bulk_get?latest=true", {"docs": [{"id": "a", "rev": "1-a"}]}).json
    assert latest["results"][0]["docs"][0]["ok"]["_rev"] == "2-c"


def test_revs_diff_and_missing_revs(call: Caller, databases: Databases) -> None:
    databases.open("private").bulk_docs([kept("a", "2-b", "a")], new_edits=False)
    asked = {"a": ["2-b", "3-c"], "b": ["1-x"]}
    assert call("POST", "/private/_revs_diff", asked).json == {
        "a": {"missing": ["3-c"], "possible_ancestors": ["2-b"]},
        "b": {"missing": ["1-x"]},
    }
    assert call("POST", "/private/_missing_revs", asked).json == {"missing_revs": {"a": ["3-c"], "b": ["1-x"]}}
    assert call("POST", "/private/_revs_diff", {"a": ["x"]}).status_code == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/private/_find"),
        ("POST", "/private/_index"),
        ("POST", "/private/_purge"),
        ("GET", "/private/_design/app/_view/all"),
        ("GET", "/private/_changes?feed=eventsource"),
        ("POST", "/_replicate"),
        ("POST", "/_session"),
    ],
)
def test_what_is_left_out_on_purpose_says_so(call: Caller, method: str, path: str) -> None:
    answer = call(method, path, {} if method == "POST" else None)
    assert answer.status_code == 501
    assert answer.json["reason"]


@pytest.mark.parametrize("path", ["/private/_bulk_docs", "/private/_revs_diff", "/private/_bulk_get"])
def test_the_wrong_method_is_405(call: Caller, path: str) -> None:
    assert call("GET", path).status_code == 405


# gzip, both ways.


def test_packed_bodies_come_and_go(call: Caller) -> None:
    body = gzip.compress(json.dumps({"docs": [{"_id": str(number), "t": "x" * 100} for number in range(50)]}).encode())
    assert call("POST", "/private/_bulk_docs", body, Content_Encoding="gzip").status_code == 201
    answer = call("GET", "/private/_all_docs?include_docs=true", Accept_Encoding="gzip, deflate")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert len(json.loads(gzip.decompress(answer.data))["rows"]) == 50
    assert "Content-Encoding" not in call("GET", "/private/_all_docs").headers


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"no gzip", 400), (gzip.compress(b"{}")[:-4], 400), (gzip.compress(b" " * 10_000_000), 413)],
    ids=["none", "half", "bomb"],
)
def test_bad_packing_is_refused(call: Caller, body: bytes, status: int) -> None:
    assert call("POST", "/private/_bulk_docs", body, Content_Encoding="gzip").status_code == status


def test_a_full_disk_is_507(app: CouchApp, call: Caller, databases: Databases) -> None:
    store = databases.open("private")
    store.update({"_id": "before"})
    store._file._writer.execute("PRAGMA max_page_count = 1")
    answer = call("PUT", "/private/big", {"t": "x" * 90_000})
    assert (answer.status_code, answer.json["error"]) == (507, "insufficient_storage")
    assert call("GET", "/private/before").status_code == 200


def test_random_ids_are_given(call: Caller, random: Random) -> None:
    ids = call("GET", "/_uuids?count=3").json["uuids"]
    assert len(set(ids)) == 3
    assert call("POST", "/private", {"n": 1}).status_code == 201


def test_a_damaged_file_and_what_is_no_database_are_in_nobodys_way(call: Caller, databases: Databases) -> None:
    (databases.folder / "damaged.sqlite3").write_bytes(b"no database" * 1000)
    (databases.folder / "No Name.sqlite3").touch()
    assert call("GET", "/_all_dbs").json == ["damaged", "private", "station-1"]
    assert call("GET", "/_all_dbs", who="member").json == ["station-1"]
    infos = call("GET", "/_dbs_info").json
    assert [info["key"] for info in infos] == ["damaged", "private", "station-1"]
    assert infos[0]["error"] == "internal_server_error"
    assert infos[1]["info"]["db_name"] == "private"
