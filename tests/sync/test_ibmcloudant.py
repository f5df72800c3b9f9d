"""The maintained Python client of CouchDB and Cloudant drives the whole surface of a real server process."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from ibm_cloud_sdk_core import ApiException
from ibm_cloud_sdk_core.authenticators import BasicAuthenticator
from ibmcloudant import CouchDbSessionAuthenticator
from ibmcloudant.cloudant_v1 import (
    AllDocsQuery,
    Attachment,
    BulkDocs,
    BulkGetQueryDocument,
    CloudantV1,
    DesignDocument,
    Document,
    SecurityObject,
)
from ibmcloudant.features.changes_follower import ChangesFollower

from tests.sync.server_process import Served

pytestmark = [pytest.mark.processes]

DB = "letters/one"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    served = Served(tmp_path_factory.mktemp("cloudant") / "served")
    yield served
    served.stop()


def client(url: str, *, cookie: bool = False, password: str = "b") -> CloudantV1:
    known = CouchDbSessionAuthenticator("a", password) if cookie else BasicAuthenticator("a", password)
    service = CloudantV1(authenticator=known)
    service.set_service_url(url)
    return service


@pytest.fixture(scope="module")
def cloudant(served: Served) -> CloudantV1:
    return client(served.url)


@pytest.fixture
def db(cloudant: CloudantV1) -> Iterator[CloudantV1]:
    """The client, and a database with five letters in it."""
    assert cloudant.put_database(DB).get_result() == {"ok": True}
    docs = [Document(_id=letter, n=number) for number, letter in enumerate("abcde")]
    rows = cloudant.post_bulk_docs(DB, BulkDocs(docs=docs)).get_result()
    assert all(row["ok"] for row in rows)
    yield cloudant
    cloudant.delete_database(DB)


def result(answer: Any) -> Any:
    return answer.get_result()


def refused(status: int) -> Any:
    return pytest.raises(ApiException, check=lambda problem: problem.status_code == status)


def rev_of(db: CloudantV1, id_: str) -> str:
    return str(db.head_document(DB, id_).get_headers()["ETag"].strip('"'))


# The server.


def test_what_the_server_is(cloudant: CloudantV1) -> None:
    assert result(cloudant.get_server_information())["couchdb"] == "Welcome"
    assert result(cloudant.get_up_information())["status"] == "ok"
    assert cloudant.head_up_information().get_status_code() == 200
    assert len(result(cloudant.get_uuids(count=7))["uuids"]) == 7
    session = result(cloudant.get_session_information())
    assert session["userCtx"]["name"] == "a"
    with refused(501):
        cloudant.get_active_tasks()


def test_signing_in_with_a_cookie(served: Served) -> None:
    signed_in = client(served.url, cookie=True)
    session = result(signed_in.get_session_information())
    assert session["userCtx"] == {"name": "a", "roles": ["_admin"]}
    assert session["info"]["authenticated"] == "cookie"
    # The client does not look at the status, and finds no cookie.
    with pytest.raises(StopIteration):
        client(served.url, cookie=True, password="wrong").get_all_dbs()
    with refused(401):
        client(served.url, password="wrong").get_all_dbs()


def test_databases(db: CloudantV1) -> None:
    assert DB in result(db.get_all_dbs())
    assert result(db.get_all_dbs(start_key='"m"')) == []
    assert db.head_database(DB).get_status_code() == 200
    info = result(db.get_database_information(DB))
    assert (info["db_name"], info["doc_count"]) == (DB, 5)
    assert result(db.post_dbs_info([DB, "none"]))[1]["error"] == "not_found"
    with refused(412):
        db.put_database(DB)
    with refused(400):
        db.put_database("Wrong")
    with refused(404):
        db.get_database_information("none")
    security = SecurityObject(roles=["reader"])
    assert result(db.put_security(DB, members=security))["ok"]
    assert result(db.get_security(DB))["members"] == {"roles": ["reader"]}


# Documents.


def test_a_document_written_read_changed_deleted(db: CloudantV1) -> None:
    made = result(db.put_document(DB, "letter/1", Document(_id="letter/1", text="云岭")))
    assert made["id"] == "letter/1"
    found = result(db.get_document(DB, "letter/1"))
    assert found == {"_id": "letter/1", "_rev": made["rev"], "text": "云岭"}
    with refused(304):
        db.get_document(DB, "letter/1", if_none_match=f'"{made["rev"]}"')
    with refused(409):
        db.put_document(DB, "letter/1", Document(text="x"))
    second = result(db.put_document(DB, "letter/1", Document(text="x"), if_match=made["rev"]))
    third = result(db.put_document(DB, "letter/1", Document(text="y"), rev=second["rev"]))
    whole = result(db.get_document(DB, "letter/1", revs=True, revs_info=True, local_seq=True, meta=True))
    assert whole["_revisions"]["start"] == 3
    assert [step["status"] for step in whole["_revs_info"]] == ["available"] * 3
    assert result(db.get_document(DB, "letter/1", rev=made["rev"]))["text"] == "云岭"
    assert result(db.get_document(DB, "letter/1", rev=made["rev"], latest=True))["text"] == "y"
    with refused(409):
        db.delete_document(DB, "letter/1", rev=second["rev"])
    assert result(db.delete_document(DB, "letter/1", rev=third["rev"]))["ok"]
    with refused(404):
        db.get_document(DB, "letter/1")
    posted = result(db.post_document(DB, Document(text="z")))
    assert len(posted["id"]) == 32
    assert db.post_document(DB, Document(text="z"), batch="ok").get_status_code() == 202


def test_leaves_that_do_not_agree(db: CloudantV1) -> None:
    for rev, text in (("x", "one"), ("y", "two")):
        doc = Document(_id="f", _rev=f"2-{rev}", _revisions={"start": 2, "ids": [rev, "a"]}, text=text)
        assert result(db.post_bulk_docs(DB, BulkDocs(docs=[doc], new_edits=False))) == []
    assert result(db.get_document(DB, "f", conflicts=True))["_conflicts"] == ["2-x"]
    known = result(db.post_revs_diff(DB, {"f": ["2-x", "3-z"], "g": ["1-a"]}))
    assert known == {"f": {"missing": ["3-z"], "possible_ancestors": ["2-y", "2-x"]}, "g": {"missing": ["1-a"]}}
    asked = [BulkGetQueryDocument(id="f", rev="2-x"), BulkGetQueryDocument(id="f"), BulkGetQueryDocument(id="none")]
    first, second, third = result(db.post_bulk_get(DB, asked, revs=True))["results"]
    assert first["docs"][0]["ok"]["_revisions"] == {"start": 2, "ids": ["x", "a"]}
    assert [one["ok"]["text"] for one in second["docs"]] == ["two", "one"]
    assert third["docs"][0]["error"]["error"] == "not_found"
    result(db.delete_document(DB, "f", rev="2-y"))
    left = result(db.get_document(DB, "f", conflicts=True, deleted_conflicts=True))
    assert left["text"] == "one"
    assert len(left["_deleted_conflicts"]) == 1


def test_what_a_bulk_write_says_of_each(db: CloudantV1) -> None:
    docs = [
        Document(_id="a", n=9),
        Document(_id="new"),
        Document(n=1),
        Document(_id="b", _rev=rev_of(db, "b"), _deleted=True),
    ]
    first, second, third, fourth = result(db.post_bulk_docs(DB, BulkDocs(docs=docs)))
    assert first == {"id": "a", "error": "conflict", "reason": "Document update conflict."}
    assert second["ok"]
    assert third["ok"]
    assert fourth["ok"]
    with refused(400):
        db.post_bulk_docs(DB, BulkDocs(docs=[Document(_id="_odd")]))


def test_lists(db: CloudantV1) -> None:
    def ids(**asked: Any) -> str:
        return "".join(row["id"] for row in result(db.post_all_docs(DB, **asked))["rows"])

    assert ids() == "abcde"
    assert ids(start_key="b", end_key="d") == "bcd"
    assert ids(start_key="b", end_key="d", inclusive_end=False) == "bc"
    assert ids(descending=True, limit=2, skip=1) == "dc"
    assert ids(key="c") == "c"
    assert ids(keys=["e", "a"]) == "ea"
    rows = result(db.post_all_docs(DB, include_docs=True, keys=["a", "none"]))["rows"]
    assert rows[0]["doc"]["n"] == 0
    assert rows[1]["error"] == "not_found"
    queries = [AllDocsQuery(keys=["a"]), AllDocsQuery(limit=2)]
    several = result(db.post_all_docs_queries(DB, queries))["results"]
    assert [len(one["rows"]) for one in several] == [1, 2]
    stream = result(db.post_all_docs_as_stream(DB))
    assert len(json.loads(stream.content)["rows"]) == 5


def test_design_documents_are_kept_and_not_run(db: CloudantV1) -> None:
    design = DesignDocument(
        views={"all": {"map": "function (doc) { emit(doc._id) }"}}, filters={"mine": "function () { return true }"}
    )
    made = result(db.put_design_document(DB, "app", design))
    assert made["id"] == "_design/app"
    assert result(db.get_design_document(DB, "app"))["views"]["all"]["map"].startswith("function")
    assert db.head_design_document(DB, "app").get_status_code() == 200
    assert [row["id"] for row in result(db.post_design_docs(DB))["rows"]] == ["_design/app"]
    for ask in (
        lambda: db.post_view(DB, "app", "all"),
        lambda: db.get_design_document_information(DB, "app"),
        lambda: db.post_find(DB, {"n": 1}),
        lambda: db.post_index(DB, index={"fields": ["n"]}),
        lambda: db.get_indexes_information(DB),
        lambda: db.post_search(DB, "app", "index", "query"),
        lambda: db.get_shards_information(DB),
        lambda: db.get_partition_information(DB, "one"),
        db.get_scheduler_docs,
        db.get_db_updates,
        lambda: db.post_changes(DB, filter="app/mine"),
    ):
        with refused(501):
            ask()
    assert result(db.delete_design_document(DB, "app", rev=made["rev"]))["ok"]


def test_local_documents(db: CloudantV1) -> None:
    assert result(db.put_local_document(DB, "mark", Document(at=1)))["ok"]
    assert result(db.get_local_document(DB, "mark"))["at"] == 1
    assert db.head_local_document(DB, "mark").get_status_code() == 200
    assert result(db.delete_local_document(DB, "mark"))["ok"]
    with refused(404):
        db.get_local_document(DB, "mark")


# Files.


def test_files(db: CloudantV1) -> None:
    rev = rev_of(db, "a")
    photo = bytes(range(256)) * 10
    made = result(db.put_attachment(DB, "a", "photo 1.jpg", BytesIO(photo), "image/jpeg", rev=rev))
    got = db.get_attachment(DB, "a", "photo 1.jpg")
    assert got.get_result().content == photo
    assert got.get_headers()["Content-Type"] == "image/jpeg"
    etag = got.get_headers()["ETag"]
    assert db.head_attachment(DB, "a", "photo 1.jpg").get_headers()["Content-Length"] == "2560"
    some = db.get_attachment(DB, "a", "photo 1.jpg", range="bytes=10-19")
    assert (some.get_status_code(), some.get_result().content) == (206, photo[10:20])
    with refused(304):
        db.get_attachment(DB, "a", "photo 1.jpg", if_none_match=etag)
    with refused(416):
        db.get_attachment(DB, "a", "photo 1.jpg", range="bytes=9999-")
    inline = result(db.get_document(DB, "a", attachments=True))["_attachments"]["photo 1.jpg"]
    assert base64.b64decode(inline["data"]) == photo
    related = db.get_document_as_related(DB, "a", attachments=True)
    assert related.get_headers()["Content-Type"].startswith("multipart/related")
    assert photo in related.get_result().content
    asked = [BulkGetQueryDocument(id="a"), BulkGetQueryDocument(id="b")]
    for kind in ("mixed", "related"):
        answer = getattr(db, f"post_bulk_get_as_{kind}")(DB, asked, attachments=True)
        assert answer.get_headers()["Content-Type"].startswith(f"multipart/{kind}")
        assert photo in answer.get_result().content
    assert result(db.delete_attachment(DB, "a", "photo 1.jpg", rev=made["rev"]))["ok"]
    with refused(404):
        db.get_attachment(DB, "a", "photo 1.jpg")
    attachment = Attachment(data=b"hello", content_type="text/plain")
    result(db.put_document(DB, "with", Document(_attachments={"note": attachment})))
    assert result(db.get_attachment(DB, "with", "note")).content == b"hello"


def test_a_document_with_its_files_beside_it(db: CloudantV1) -> None:
    doc = {"_attachments": {"x": {"follows": True, "content_type": "text/plain", "length": 5}}}
    body = (
        b"--cut\r\nContent-Type: application/json\r\n\r\n"
        + json.dumps(doc).encode()
        + b"\r\n--cut\r\n\r\nhello\r\n--cut--"
    )
    made = db.put_document(DB, "beside", BytesIO(body), content_type='multipart/related; boundary="cut"')
    assert made.get_status_code() == 201
    assert result(db.get_attachment(DB, "beside", "x")).content == b"hello"


# The feed.


def test_the_feed_with_its_options(db: CloudantV1) -> None:
    def ids(**asked: Any) -> str:
        return "".join(row["id"] for row in result(db.post_changes(DB, **asked))["results"])

    assert ids() == "abcde"
    assert ids(descending=True) == "edcba"
    assert ids(limit=2) == "ab"
    assert ids(since="now") == ""
    first = result(db.post_changes(DB, limit=2))
    assert ids(since=first["last_seq"]) == "cde"
    assert first["pending"] == 3
    assert ids(filter="_doc_ids", doc_ids=["b", "d", "none"]) == "bd"
    assert ids(filter="_selector", selector={"n": {"$gte": 3}}) == "de"
    assert ids(filter="_design") == ""
    rows = result(db.post_changes(DB, include_docs=True, filter="_selector", selector={"n": 1}, fields=["n"]))[
        "results"
    ]
    assert rows[0]["doc"] == {"n": 1}
    seqs = [row["seq"] for row in result(db.post_changes(DB, seq_interval=2))["results"]]
    assert [seq is None for seq in seqs] == [True, False, True, False, True]
    stream = result(db.post_changes_as_stream(DB, feed="continuous", timeout=200, style="all_docs"))
    lines = [json.loads(line) for line in stream.iter_lines() if line]
    assert [line["id"] for line in lines[:-1]] == list("abcde")


def test_the_feed_waits_for_what_comes(db: CloudantV1) -> None:
    threading.Timer(0.6, lambda: db.put_document(DB, "late", Document(n=1))).start()
    answer = result(db.post_changes(DB, feed="longpoll", since="now", timeout=3_600_000))
    assert [row["id"] for row in answer["results"]] == ["late"]


def test_its_own_follower_follows(db: CloudantV1) -> None:
    assert [row.id for row in ChangesFollower(db, db=DB).start_one_off()] == list("abcde")
    # Its endless walk sees to the end of the long poll that it has begun when it is told to stop.
    assert [row.id for row in ChangesFollower(db, db=DB, limit=3, include_docs=True).start_one_off()] == list("abc")


def test_packed_both_ways(served: Served, db: CloudantV1) -> None:
    packing = client(served.url)
    packing.set_enable_gzip_compression(True)
    rows = result(packing.post_bulk_docs(DB, BulkDocs(docs=[Document(_id="z", text="x" * 5000)])))
    assert rows[0]["ok"]
    answer = packing.get_document(DB, "z")
    assert answer.get_headers()["Content-Encoding"] == "gzip"
    assert result(answer)["text"] == "x" * 5000


def test_it_goes_on_from_a_database_on_disk(served: Served, db: CloudantV1, tmp_path: Path) -> None:
    """What the client wrote is what our own commands read."""
    from click.testing import CliRunner  # noqa: PLC0415

    from sync.commands import group  # noqa: PLC0415

    source = served.url.replace("http://", "http://a:b@") + "/" + DB.replace("/", "%2F")
    done = CliRunner().invoke(group, ["replicate", source, f"{tmp_path}/copy", "--json"])
    assert json.loads(done.output)["docs_written"] == 5
    assert "nothing wrong" in CliRunner().invoke(group, ["check", f"{tmp_path}/copy"]).output
