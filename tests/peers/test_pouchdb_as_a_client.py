"""PouchDB's HTTP adapter, as a browser uses it, straight on our server: every call that needs no design function."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from tests.patience import until
from tests.peers.conftest import Site
from tests.peers.pouch import Node, Pouch, PouchProblem, as_bytes, read_bytes
from tests.peers.trees import revision


@pytest.fixture
def ours(node: Node, site: Site) -> Pouch:
    return node.database(site.make())


def refused(act: Callable[[], object]) -> tuple[int | None, str | None]:
    with pytest.raises(PouchProblem) as problem:
        act()
    return problem.value.status, problem.value.name


def test_a_database_is_made_by_its_first_use_and_is_gone_when_destroyed(node: Node, site: Site) -> None:
    name = f"{site.url}/made-by-use"
    database = node.database(name)
    assert database.info()["doc_count"] == 0
    assert "made-by-use" in site.ask("GET", "/_all_dbs")
    database.put({"_id": "a"})
    database.destroy()
    assert "made-by-use" not in site.ask("GET", "/_all_dbs")
    again = node.database(name)
    assert again.info()["doc_count"] == 0
    again.destroy()


@pytest.mark.parametrize(
    "id_", ["a", "名字", "a/b?c&d=e#f", "percent%2Fsign", "_design/shown", "with space", "+", "emoji 😀"]
)
def test_a_document_lives_and_dies_under_any_name(ours: Pouch, id_: str) -> None:
    made = ours.put({"_id": id_, "value": None, "deep": {"list": [1, 2.5, "三", True]}})
    assert (made["ok"], made["id"]) == (True, id_)
    document = ours.get(id_)
    assert document == {"_id": id_, "_rev": made["rev"], "value": None, "deep": {"list": [1, 2.5, "三", True]}}
    assert refused(lambda: ours.put({"_id": id_})) == (409, "conflict")
    later = ours.put({**document, "value": 1})
    assert later["rev"].startswith("2-")
    assert [one["status"] for one in ours.get(id_, {"revs_info": True})["_revs_info"]] == ["available", "available"]
    assert ours.get(id_, {"rev": made["rev"]})["value"] is None
    gone = ours.remove(id_, later["rev"])
    assert refused(lambda: ours.get(id_)) == (404, "not_found")
    assert ours.get(id_, {"rev": gone["rev"]}) == {"_id": id_, "_rev": gone["rev"], "_deleted": True}


def test_a_posted_document_gets_a_name(ours: Pouch) -> None:
    made = ours.post({"a": 1})
    assert ours.get(made["id"])["a"] == 1


def test_what_cannot_be_a_document_is_refused_with_couchdbs_words(ours: Pouch) -> None:
    assert refused(lambda: ours.bulk_docs([{"_id": "_odd"}])) == (400, "illegal_docid")
    assert refused(lambda: ours.put({"_id": "a", "_zing": 1}))[1] == "doc_validation"
    assert refused(lambda: ours.post({"_id": 123})) == (400, "illegal_docid")
    assert refused(lambda: ours.put({"_id": "a", "_rev": "undefined"})) == (400, "bad_request")
    assert refused(lambda: ours.put({"_id": "a", "_rev": "1-123"})) == (409, "conflict")
    assert refused(lambda: ours.remove("nowhere", "1-a"))[0] in (404, 409)


def test_many_at_once_say_for_each_how_it_went(ours: Pouch) -> None:
    first = ours.bulk_docs([{"_id": "a"}, {"_id": "b"}, {"no": "id"}])
    assert [row["ok"] for row in first] == [True, True, True]
    second = ours.bulk_docs([{"_id": "a"}, {"_id": "b", "_rev": first[1]["rev"], "_deleted": True}, {"_id": "c"}])
    assert second[0]["status"] == 409
    assert second[0]["name"] == "conflict"
    assert second[0]["id"] == "a"
    assert [row["ok"] for row in second[1:]] == [True, True]
    assert ours.bulk_docs([revision("a", 1, "zz")], {"new_edits": False}) == []
    assert ours.get("a", {"conflicts": True})["_conflicts"]


def test_all_documents_in_every_order(ours: Pouch) -> None:
    written = ours.bulk_docs([{"_id": id_, "n": number} for number, id_ in enumerate("dbac")])
    ours.remove("b", written[1]["rev"])

    def ids(**options: object) -> list[str]:
        return [row["id"] for row in ours.all_docs(options)["rows"]]

    assert ids() == ["a", "c", "d"]
    assert ids(descending=True) == ["d", "c", "a"]
    assert ids(startkey="b") == ["c", "d"]
    assert ids(startkey="c", endkey="d", inclusive_end=False) == ["c"]
    assert ids(descending=True, startkey="c", endkey="a") == ["c", "a"]
    assert ids(limit=1, skip=1) == ["c"]
    assert ids(key="a") == ["a"]
    whole = ours.all_docs({"include_docs": True, "limit": 1})
    assert (whole["total_rows"], whole["offset"], whole["rows"][0]["doc"]["n"]) == (3, 0, 2)
    rows = ours.all_docs({"keys": ["d", "b", "nowhere", "a"]})["rows"]
    assert [row["key"] for row in rows] == ["d", "b", "nowhere", "a"]
    assert rows[1]["value"]["deleted"] is True
    assert rows[2] == {"key": "nowhere", "error": "not_found"}
    assert refused(lambda: ours.all_docs({"keys": ["a"], "startkey": "a"})) == (400, "query_parse_error")


def test_the_feed_with_its_options(ours: Pouch) -> None:
    written = ours.bulk_docs([{"_id": id_, "kind": id_ < "c"} for id_ in "abcd"])
    ours.remove("b", written[1]["rev"])

    def changed(**options: object) -> list[str]:
        return [row["id"] for row in ours.changes(options)["results"]]

    assert changed() == ["a", "c", "d", "b"]
    assert changed(descending=True) == ["b", "d", "c", "a"]
    assert changed(limit=2) == ["a", "c"]
    assert changed(doc_ids=["d", "b"]) == ["d", "b"]
    assert changed(selector={"kind": False}) == ["c", "d"]
    assert changed(since="now") == []
    some = ours.changes({"limit": 2})
    assert changed(since=some["last_seq"]) == ["d", "b"]
    last = ours.changes({"include_docs": True})["results"][-1]
    assert last["deleted"] is True
    assert last["doc"]["_deleted"] is True


def test_a_live_feed_of_some_documents_only(ours: Pouch) -> None:
    feed = ours.follow_changes(since="now", doc_ids=["wanted"])
    ours.put({"_id": "other"})
    ours.put({"_id": "wanted"})
    until(lambda: [what for event, what in feed.told() if event == "change"], "the feed tells of it")
    assert [what["id"] for event, what in feed.cancel() if event == "change"] == ["wanted"]


def test_leaves_and_their_histories(ours: Pouch) -> None:
    leaves = [revision("a", 2, "b", "a", n=1), revision("a", 2, "c", "a", n=2), revision("a", 3, "e", "d", "a", n=3)]
    ours.bulk_docs([*leaves, revision("a", 4, "f", "b", "a", deleted=True)], {"new_edits": False})
    winner = ours.get("a", {"conflicts": True, "revs": True})
    assert winner["_rev"] == "3-e"
    assert winner["_conflicts"] == ["2-c", "2-b"]
    assert winner["_revisions"] == {"start": 3, "ids": ["e", "d", "a"]}
    found = ours.get("a", {"open_revs": "all", "revs": True})
    assert sorted(row["ok"]["_rev"] for row in found) == ["2-b", "2-c", "3-e", "4-f"]
    asked = ours.get("a", {"open_revs": ["2-c", "1-a", "9-nowhere"]})
    assert [row["missing"] for row in asked if "missing" in row] == ["1-a", "9-nowhere"]
    assert [row["ok"]["n"] for row in asked if "ok" in row] == [2]
    missing = ours.revs_diff({"a": ["3-e", "7-g"]})["a"]
    assert missing["missing"] == ["7-g"]
    assert sorted(missing["possible_ancestors"]) == ["2-b", "2-c", "3-e", "4-f"]
    several = ours.bulk_get({"docs": [{"id": "a", "rev": "2-b"}, {"id": "nowhere", "rev": "1-a"}], "revs": True})
    assert several["results"][0]["docs"][0]["ok"]["_revisions"] == {"start": 2, "ids": ["b", "a"]}
    assert several["results"][1]["docs"][0]["error"]["error"] == "not_found"


def test_files_are_put_read_and_taken_away(ours: Pouch) -> None:
    data = Random(4).randbytes(200_000)
    made = ours.put_attachment("a", "图 1/photo.jpg", as_bytes(data), "image/jpeg")
    assert read_bytes(ours.get_attachment("a", "图 1/photo.jpg")) == data
    assert refused(lambda: ours.put_attachment("a", "other", as_bytes(b"x"), "text/plain")) == (409, "conflict")
    later = ours.put_attachment("a", "other", made["rev"], as_bytes(b"x"), "text/plain")
    document = ours.get("a")
    assert {name: (one["length"], one["revpos"]) for name, one in document["_attachments"].items()} == {
        "图 1/photo.jpg": (200_000, 1),
        "other": (1, 2),
    }
    inline = ours.get("a", {"attachments": True, "binary": True})["_attachments"]
    assert read_bytes(inline["图 1/photo.jpg"]["data"]) == data
    less = ours.remove_attachment("a", "图 1/photo.jpg", later["rev"])
    assert list(ours.get("a")["_attachments"]) == ["other"]
    assert refused(lambda: ours.get_attachment("a", "图 1/photo.jpg"))[0] == 404
    assert read_bytes(ours.get_attachment("a", "other", {"rev": less["rev"]})) == b"x"
    rows = ours.all_docs({"include_docs": True, "attachments": True})["rows"]
    assert rows[0]["doc"]["_attachments"]["other"]["data"] == "eA=="
    feed = ours.changes({"include_docs": True, "attachments": True})["results"]
    assert feed[0]["doc"]["_attachments"]["other"]["data"] == "eA=="


def test_a_stub_of_a_file_that_nobody_has_is_refused(ours: Pouch) -> None:
    stub = {"stub": True, "content_type": "text/plain", "digest": "md5-" + "A" * 22 + "==", "length": 3, "revpos": 1}
    assert refused(lambda: ours.put({"_id": "a", "_attachments": {"f": stub}}))[0] == 412


def test_local_documents_stay_out_of_lists_and_feeds(ours: Pouch) -> None:
    made = ours.put({"_id": "_local/notes", "n": 1})
    assert made == {"ok": True, "id": "_local/notes", "rev": "0-1"}
    assert ours.get("_local/notes")["n"] == 1
    assert ours.put({"_id": "_local/notes", "_rev": "0-1", "n": 2})["rev"] == "0-2"
    assert refused(lambda: ours.put({"_id": "_local/notes", "_rev": "0-1", "n": 3})) == (409, "conflict")
    assert ours.all_docs()["rows"] == []
    assert ours.changes({})["results"] == []
    assert ours.remove(ours.get("_local/notes"))["rev"] == "0-0"
    assert refused(lambda: ours.get("_local/notes")) == (404, "not_found")


def test_a_local_document_among_many_is_written_as_one(ours: Pouch) -> None:
    rows = ours.bulk_docs([{"_id": "_local/notes", "n": 1}, {"_id": "a"}])
    assert [row["ok"] for row in rows] == [True, True]
    assert rows[0]["rev"] == "0-1"
    rows = ours.bulk_docs([{"_id": "_local/notes", "_rev": "0-9", "n": 2}, {"_id": "b"}])
    assert (rows[0]["status"], rows[1]["ok"]) == (409, True)
    assert ours.get("_local/notes")["n"] == 1
    rows = ours.bulk_docs([{"_id": "_local/notes", "_rev": "0-1", "_deleted": True}])
    assert rows[0]["ok"] is True
    assert refused(lambda: ours.get("_local/notes")) == (404, "not_found")
    assert ours.info()["doc_count"] == 2


def test_the_fields_of_couchdbs_own_replicator_are_content(ours: Pouch) -> None:
    fields = {"_replication_id": "x", "_replication_state": "triggered", "_replication_state_time": 1}
    made = ours.post({**fields, "_replication_stats": {}, "_replication_state_reason": "none"})
    document = ours.get(made["id"])
    assert {name: document[name] for name in fields} == fields
    assert document["_replication_stats"] == {}
    assert document["_replication_state_reason"] == "none"


def test_old_bodies_go_with_compaction(ours: Pouch) -> None:
    first = ours.put({"_id": "a", "n": 1})
    ours.put({"_id": "a", "_rev": first["rev"], "n": 2})
    assert ours.get("a", {"rev": first["rev"]})["n"] == 1
    ours.compact()

    def gone() -> bool:
        try:
            ours.get("a", {"rev": first["rev"]})
        except PouchProblem as problem:
            return problem.status == 404
        return False

    until(gone, "it is gone")
    assert ours.get("a")["n"] == 2


def test_what_is_left_out_says_so(ours: Pouch) -> None:
    assert refused(lambda: ours.query("design/view"))[0] == 501
    ours.put({"_id": "_design/design", "filters": {"name": "function (doc) { return true; }"}})
    assert refused(lambda: ours.changes({"filter": "design/name"}))[0] == 501
    assert refused(lambda: ours.changes({"filter": "design/none"}))[0] == 404
