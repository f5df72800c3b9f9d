"""Local documents over HTTP: alone and among others, written, forgotten, and as small as a member's may be."""

from __future__ import annotations

import pytest

from tests.sync.calling import Caller


def test_one_that_says_deleted_is_forgotten(call: Caller) -> None:
    rev = call("PUT", "/station-1/_local/a", {"n": 1}).json["rev"]
    refused = call("PUT", "/station-1/_local/a", {"_rev": "0-9", "_deleted": True})
    assert (refused.status_code, refused.json["error"]) == (409, "conflict")
    gone = call("PUT", "/station-1/_local/a", {"_rev": rev, "_deleted": True})
    assert gone.json == {"ok": True, "id": "_local/a", "rev": "0-0"}
    assert call("GET", "/station-1/_local/a").status_code == 404
    assert call("PUT", "/station-1/_local/a", {"n": 2}).json["rev"] == "0-1"


def test_among_many_each_answer_stands_where_its_document_stood(call: Caller) -> None:
    docs = [{"_id": "a"}, {"_id": "_local/b", "n": 1}, {"_id": "c"}, {"_id": "_local/d", "_rev": "0-7"}]
    rows = call("POST", "/station-1/_bulk_docs", {"docs": docs}).json
    assert [row["id"] for row in rows] == ["a", "_local/b", "c", "_local/d"]
    assert rows[1] == {"ok": True, "id": "_local/b", "rev": "0-1"}
    assert rows[3]["error"] == "conflict"
    assert call("GET", "/station-1/_local/b").json["n"] == 1
    assert call("GET", "/station-1").json["doc_count"] == 2
    # Of revisions that are kept as they are only the refusals are told.
    docs = [{"_id": "_local/b", "_rev": "0-1", "n": 2}, {"_id": "_local/b", "_rev": "0-1", "n": 3}]
    rows = call("POST", "/station-1/_bulk_docs", {"docs": docs, "new_edits": False}).json
    assert [row["error"] for row in rows] == ["conflict"]
    assert call("GET", "/station-1/_local/b").json["n"] == 2


@pytest.mark.parametrize("id_", ["_local/", "_local/" + "x" * 5000, "_local/\ud800"])
def test_an_id_that_cannot_be_stops_all(call: Caller, id_: str) -> None:
    answer = call("POST", "/station-1/_bulk_docs", {"docs": [{"_id": "a"}, {"_id": id_}]})
    assert answer.status_code == 400
    assert call("GET", "/station-1").json["doc_count"] == 0


def test_a_members_is_small_by_every_road(call: Caller) -> None:
    large = {"text": "x" * (64 << 10)}
    assert call("PUT", "/station-1/_local/a", large, who="member").status_code == 413
    rows = call("POST", "/station-1/_bulk_docs", {"docs": [{"_id": "_local/a", **large}]}, who="member").json
    assert [row["error"] for row in rows] == ["too_large"]
    assert call("GET", "/station-1/_local/a").status_code == 404
    assert call("PUT", "/station-1/_local/a", large).status_code == 201
