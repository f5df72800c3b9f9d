"""Lists of documents and databases over HTTP: ranges, bodies instead of queries, several at once."""

from __future__ import annotations

from typing import Any

import pytest

from sync.databases import Databases
from tests.contracts.peer import kept
from tests.sync.calling import Caller


@pytest.fixture(autouse=True)
def _letters(databases: Databases) -> None:
    store = databases.open("private")
    store.save([kept(letter, "1-a", n=number) for number, letter in enumerate("abcdef")])
    store.save([{"_id": "_design/one"}, {"_id": "_design/two"}])
    store.update({"_id": "d", "_rev": "1-a", "_deleted": True})


def ids_of(answer: Any) -> str:
    return "".join(row["id"] for row in answer["rows"] if row["id"][0] != "_")


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        ({}, "abcef"),
        ({"startkey": "b", "endkey": "e"}, "bce"),
        ({"start_key": "b", "end_key": "e", "inclusive_end": False}, "bc"),
        ({"startkey": "e", "endkey": "b", "descending": True}, "ecb"),
        ({"startkey": "e", "endkey": "b", "descending": True, "inclusive_end": False}, "ec"),
        ({"startkey": "a", "skip": 1, "limit": 2}, "bc"),
        ({"key": "c"}, "c"),
        ({"limit": 0}, ""),
        ({"keys": ["c", "a"]}, "ca"),
        ({"keys": ["c", "a", "b"], "skip": 1, "limit": 1}, "a"),
        ({"keys": ["c", "a"], "descending": True}, "ac"),
    ],
)
def test_a_body_says_what_a_query_says(call: Caller, body: dict[str, Any], ids: str) -> None:
    assert ids_of(call("POST", "/private/_all_docs", body).json) == ids


@pytest.mark.parametrize(
    "body", [{"limit": -1}, {"limit": "1"}, {"skip": 1.5}, {"descending": "true"}, {"keys": "a"}, {"limit": True}]
)
def test_what_cannot_be_meant_is_refused(call: Caller, body: dict[str, Any]) -> None:
    assert call("POST", "/private/_all_docs", body).status_code == 400


def test_where_a_list_begins_is_told(call: Caller) -> None:
    assert call("GET", '/private/_all_docs?startkey="c"').json["offset"] == 4
    assert call("GET", '/private/_all_docs?startkey="c"&skip=1').json["offset"] == 5
    assert call("GET", '/private/_all_docs?startkey="c"&descending=true').json["offset"] == 2
    answer = call("GET", "/private/_all_docs?update_seq=true&limit=1").json
    assert answer["total_rows"] == 7
    assert answer["update_seq"] == call("GET", "/private").json["update_seq"]
    assert "update_seq" not in call("GET", "/private/_all_docs").json


def test_conflicts_and_files_come_along_when_asked_for(call: Caller, databases: Databases) -> None:
    store = databases.open("private")
    store.bulk_docs([kept("a", "2-x", "0"), kept("a", "2-y", "0")], new_edits=False)
    call("PUT", "/private/b/note?rev=1-a", b"hello")
    query = '/private/_all_docs?include_docs=true&conflicts=true&attachments=true&startkey="a"&endkey="b"'
    first, second = (row["doc"] for row in call("GET", query).json["rows"])
    assert first["_conflicts"] == ["2-x", "1-a"]
    assert second["_attachments"]["note"]["data"] == "aGVsbG8="


def test_several_lists_at_once(call: Caller) -> None:
    queries = {"queries": [{"keys": ["a", "zz"]}, {"startkey": "e", "include_docs": True}]}
    first, second = call("POST", "/private/_all_docs/queries", queries).json["results"]
    assert [row.get("error") for row in first["rows"]] == [None, "not_found"]
    assert [row["doc"]["n"] for row in second["rows"]] == [4, 5]
    assert call("POST", "/private/_all_docs/queries", {"queries": {}}).status_code == 400
    assert call("GET", "/private/_all_docs/queries").status_code == 405


def test_design_documents_by_themselves(call: Caller) -> None:
    def ids(path: str, body: object = None) -> list[str]:
        answer = call("POST" if body is not None else "GET", path, body)
        return [row["id"] for row in answer.json["rows"]]

    assert ids("/private/_design_docs") == ["_design/one", "_design/two"]
    assert ids("/private/_design_docs?descending=true&limit=1") == ["_design/two"]
    assert ids('/private/_design_docs?startkey="_design/p"') == ["_design/two"]
    assert ids('/private/_design_docs?endkey="_design/p"') == ["_design/one"]
    assert ids('/private/_design_docs?startkey="a"') == []
    assert ids("/private/_design_docs?startkey={}") == []
    assert ids("/private/_design_docs", {"include_docs": True}) == ["_design/one", "_design/two"]
    several = call("POST", "/private/_design_docs/queries", {"queries": [{"limit": 1}, {}]}).json["results"]
    assert [len(one["rows"]) for one in several] == [1, 2]


def test_databases_in_a_range_and_what_they_are(call: Caller, databases: Databases) -> None:
    for name in ("alpha", "beta"):
        databases.open(name)
    names = ["alpha", "beta", "private", "station-1"]
    assert call("GET", "/_all_dbs?descending=true").json == names[::-1]
    assert call("GET", '/_all_dbs?startkey="b"&endkey="private"').json == ["beta", "private"]
    assert call("GET", '/_all_dbs?startkey="b"&endkey="private"&inclusive_end=false').json == ["beta"]
    assert call("GET", "/_all_dbs?skip=1&limit=2").json == ["beta", "private"]
    assert call("GET", "/_all_dbs?startkey=1").status_code == 400
    infos = call("POST", "/_dbs_info", {"keys": ["private", "none"]}).json
    assert infos[0]["info"]["doc_count"] == 7
    assert infos[1] == {"key": "none", "error": "not_found"}
    # Who may not see a database does not learn whether there is one.
    assert [one.get("info", {}).get("db_name") for one in call("GET", "/_dbs_info", who="member").json] == ["station-1"]
    assert call("POST", "/_dbs_info", {"keys": ["private"]}, who="member").json[0]["error"] == "not_found"
    assert call("POST", "/_dbs_info", {"keys": ["x"] * 101}).status_code == 400
    assert call("POST", "/_dbs_info", {"keys": "private"}).status_code == 400


def test_random_ids_have_an_end(call: Caller) -> None:
    assert len(call("GET", "/_uuids?count=1000").json["uuids"]) == 1000
    assert call("GET", "/_uuids?count=1001").status_code == 400
    assert call("GET", "/_uuids?count=-1").status_code == 400
    assert call("POST", "/_uuids").status_code == 405


@pytest.mark.parametrize(
    "security",
    [{"admins": []}, {"members": 1}, {"members": {"names": "x"}}, {"admins": {"roles": [1]}}, []],
)
def test_a_security_object_that_means_nothing_is_refused(call: Caller, security: object) -> None:
    assert call("PUT", "/private/_security", security).status_code == 400
    assert call("GET", "/private/_security").json["members"] == {"roles": ["_admin"]}


@pytest.mark.parametrize("limit", [b"0", b"-1", b'"5"', b"1.5", b"true", b"[]", b"x", b""])
def test_a_number_of_generations_that_is_none_is_refused(call: Caller, limit: bytes) -> None:
    assert call("PUT", "/private/_revs_limit", limit).status_code == 400
    assert call("GET", "/private/_revs_limit").json == 1000


def test_a_database_is_made_where_it_says(call: Caller) -> None:
    made = call("PUT", "/fresh")
    assert made.headers["Location"].endswith("/fresh")
    assert call("PUT", "/other?partitioned=true").status_code == 400
    assert call("DELETE", "/fresh?rev=1-a").status_code == 400
    assert call("HEAD", "/fresh").status_code == 200
    assert call("PATCH", "/fresh").status_code == 405


def test_a_batch_is_accepted_and_durable(call: Caller) -> None:
    assert call("PUT", "/private/x?batch=ok", {"n": 1}).status_code == 202
    assert call("POST", "/private?batch=ok", {"_id": "y"}).status_code == 202
    assert call("GET", "/private/x").json["n"] == 1


def test_where_a_document_stands_in_the_feed(call: Caller) -> None:
    seq = call("GET", "/private/a?local_seq=true").json["_local_seq"]
    assert call("GET", f"/private/_changes?since={seq}&limit=1").json["results"][0]["id"] == "b"


def test_a_local_document_is_deleted_at_the_revision_named(call: Caller) -> None:
    rev = call("PUT", "/private/_local/x", {"n": 1}).json["rev"]
    assert call("DELETE", "/private/_local/x?rev=0-7").status_code == 409
    assert call("DELETE", f"/private/_local/x?rev={rev}").status_code == 200


def test_two_words_for_one_revision_must_agree(call: Caller) -> None:
    assert call("PUT", "/private/a?rev=1-a", {"n": 9}, If_Match='"1-b"').status_code == 400
    assert call("PUT", "/private/a?rev=1-a", {"n": 9, "_rev": "1-b"}).status_code == 400
    assert call("PUT", "/private/a?rev=1-a", {"n": 9}, If_Match='"1-a"').status_code == 201


def test_large_documents_are_read_few_at_a_time(call: Caller, databases: Databases) -> None:
    store = databases.open("station-1")
    text = "x" * 300_000
    ids = [f"d{number:03}" for number in range(60)]
    store.save([{"_id": id_, "t": text} for id_ in ids])
    asked: list[int] = []
    opened, winners = store.opened, store.winners

    def counted(wanted: Any, **more: Any) -> Any:
        asked.append(len(wanted))
        return opened(wanted, **more)

    def counted_winners(*bounds: Any, **more: Any) -> Any:
        found = winners(*bounds, **more)
        asked.append(len(found))
        return found

    store.opened, store.winners = counted, counted_winners  # type: ignore[method-assign]
    wanted = {"docs": [{"id": id_} for id_ in ids]}
    for method, path, body in (
        ("POST", "_bulk_get", wanted),
        ("GET", "_all_docs?include_docs=true", None),
        ("GET", "_changes?include_docs=true&conflicts=true", None),
    ):
        answer = call(method, f"/station-1/{path}", body).json
        assert [row["id"] for row in answer.get("rows") or answer["results"]] == ids
        # The first guess is wrong, the second may be, and then it is known.
        assert max(asked) == 16
        assert max(asked[2:]) <= 4
        asked.clear()
