"""What nobody can mean: refused and told in CouchDB's shape, and never an error of ours."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sync.databases import Databases
from sync.peer import StorageFull
from tests.contracts.peer import kept
from tests.sync.calling import Caller

GIANT = 10**20
LONG = "x" * 90_000


def told(answer: Any) -> int:
    assert set(answer.json) == {"error", "reason"}
    return int(answer.status_code)


@pytest.fixture(autouse=True)
def _something(databases: Databases) -> None:
    store = databases.open("private")
    store.bulk_docs([kept("a", "2-b", "a", n=1), kept("a", "2-c", "a", n=2)], new_edits=False)


def nested(depth: int, around: str = "[]") -> bytes:
    if around == "[]":
        return b"[" * depth + b"]" * depth
    return b'{"a":' * depth + b"1" + b"}" * depth


POSTED = [
    "/private/_bulk_docs",
    "/private/_bulk_get",
    "/private/_revs_diff",
    "/private/_missing_revs",
    "/private/_all_docs",
    "/private/_all_docs/queries",
    "/private/_changes?filter=_doc_ids",
    "/private/_changes?filter=_selector",
    "/private",
    "/_dbs_info",
]
BEYOND_READING = [nested(1000), nested(49_000), nested(1000, "{}"), b'{"docs":' + b"9" * 5000 + b"}"]
NONSENSE = [
    *BEYOND_READING,
    b"",
    b"{",
    b"null",
    b"1",
    b'"x"',
    b"[]",
    b"\xff\xfe{\x00}\x00",
    '{"docs":[]}'.encode("utf-16"),
    b'{"\xed\xa0\x80":1}',
    b'{"docs":NaN}',
    b'{"docs":[{"_id":"\\ud800"}]}',
    b'{"\\uDFFF":["1-a"]}',
]


@pytest.mark.parametrize("path", POSTED)
@pytest.mark.parametrize("body", NONSENSE, ids=lambda body: str(body[:20]))
def test_bodies_that_are_none(call: Caller, path: str, body: bytes) -> None:
    answer = call("POST", path, body)
    if answer.status_code == 200:
        assert path.startswith("/private/_all_docs")
        assert body == b""
        return
    assert told(answer) == (413 if path == "/private/_bulk_docs" and body in BEYOND_READING else 400)


@pytest.mark.parametrize("rev", [f"{GIANT}-a", "1-" + LONG[:3000], "1-é"])
def test_a_revision_that_only_others_keep_is_missing_and_refused_when_it_comes(call: Caller, rev: str) -> None:
    asked = {"a": ["2-b", rev], "new": [rev]}
    assert call("POST", "/private/_revs_diff", asked).json["a"]["missing"] == [rev]
    assert call("POST", "/private/_missing_revs", asked).json == {"missing_revs": {"a": [rev], "new": [rev]}}
    docs = [{"_id": "new", "_rev": rev}, kept("other", "1-a")]
    (row,) = call("POST", "/private/_bulk_docs", {"docs": docs, "new_edits": False}).json
    assert (row["id"], row["rev"], row["error"]) == ("new", rev, "bad_request")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("_bulk_docs", {"docs": [1]}),
        ("_bulk_docs", {"docs": [{"_id": 1}]}),
        ("_bulk_docs", {"docs": [{"_id": LONG}]}),
        ("_bulk_docs", {"docs": [{"_id": ""}]}),
        ("_bulk_docs", {"docs": [{"_id": "x", "_rev": f"{GIANT}-a"}]}),
        ("_bulk_docs", {"docs": [{"_id": "x", "_rev": 1}]}),
        ("_bulk_docs", {"docs": [{"_id": "x", "_attachments": {"y": {"data": "?"}}}]}),
        ("_bulk_docs", {"docs": [{"_id": "x", "_attachments": {"y": {"data": 1}}}]}),
        ("_bulk_docs", {"docs": [{"_id": "x", "_attachments": {"y": {"data": "", "content_type": 1}}}]}),
        ("_bulk_docs", {"docs": [{"_id": "x", "_deleted": 1}]}),
        ("_bulk_docs", {"docs": [], "new_edits": 1}),
        ("_bulk_get", {"docs": {}}),
        ("_revs_diff", {"a": 1}),
        ("_revs_diff", {"a": [1]}),
        ("_revs_diff", {"a": [None]}),
        ("_revs_diff", {"a": ["1-"]}),
        ("_revs_diff", {"a": [["1-a"]]}),
        ("_missing_revs", {"a": {"b": 1}}),
        ("_changes?filter=_doc_ids", {"doc_ids": [1]}),
        ("_changes?filter=_selector", {"selector": {"a": {"$regex": "(a*)*"}}}),
        ("_compact/app", {}),
    ],
    ids=str,
)
def test_bodies_that_mean_nothing(call: Caller, path: str, body: object) -> None:
    assert told(call("POST", f"/private/{path}", body)) in (400, 501)


@pytest.mark.parametrize(
    "doc",
    [
        {"_id": "x", "_rev": f"{GIANT}-a"},
        {"_id": "x", "_rev": "1-a", "_revisions": {"start": GIANT, "ids": ["a"]}},
        {"_id": "x", "_rev": "1-a", "_revisions": {"start": 1, "ids": []}},
        {"_id": "x", "_rev": "1-a", "_revisions": {"start": 1, "ids": ["a", "b"]}},
        {"_id": "x", "_rev": "1-a", "_revisions": {"start": 1, "ids": [1]}},
        {"_id": "x", "_rev": "1-a", "_revisions": {"start": True, "ids": ["a"]}},
        {"_id": "x", "_rev": "1-a", "_revisions": []},
        {"_id": "x", "_rev": "0-a"},
        {"_id": "x", "_rev": "a"},
        {"_id": "x", "_rev": "1-" + LONG},
        {"_id": "x" * 5000, "_rev": "1-a"},
        {"_id": "_odd", "_rev": "1-a"},
        {"_rev": "1-a"},
        {"_id": "x", "_rev": "1-a", "_odd": 1},
        {"_id": "x", "_rev": "1-a", "_attachments": {"y": {"stub": True}}},
        {"_id": "x", "_rev": "1-a", "_attachments": {"": {"data": ""}}},
        {"_id": "x", "_rev": "1-a", "_attachments": {"y": {"stub": True, "digest": [1]}}},
        {"_id": "x", "_rev": "1-a", "deep": json.loads(nested(300))},
    ],
    ids=lambda doc: str(doc)[:60],
)
def test_one_document_that_cannot_be_kept_stops_no_other(call: Caller, doc: dict[str, Any]) -> None:
    body = {"new_edits": False, "docs": [kept("before", "1-a"), doc, kept("after", "1-a")]}
    answer = call("POST", "/private/_bulk_docs", body)
    assert answer.status_code == 201
    (row,) = answer.json
    assert set(row) == {"id", "rev", "error", "reason"}
    for id_ in ("before", "after"):
        assert call("GET", f"/private/{id_}").status_code == 200


QUERIES = [
    "rev=x",
    f"rev={GIANT}-a",
    "rev=1-" + "a" * 1000,
    "open_revs=x",
    "open_revs={}",
    'open_revs=["x"]',
    "open_revs=[1]",
    f"open_revs={'[' * 500}{']' * 500}",
    'open_revs=["\\ud800-a"]',
    "revs=1",
    "latest=yes&rev=2-b",
    "conflicts=",
    "atts_since=x&attachments=true&rev=2-b",
]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query[:30])
def test_queries_of_a_document_that_mean_nothing(call: Caller, query: str) -> None:
    answer = call("GET", f"/private/a?{query}")
    if query.startswith("atts_since"):
        # It has no files: nobody looks.
        assert answer.status_code == 200
        return
    assert told(answer) == 400


@pytest.mark.parametrize(
    "path",
    [
        "/private/_all_docs?startkey=x",
        "/private/_all_docs?startkey=" + quote('"\\ud800"'),
        "/private/_all_docs?limit=" + "9" * 30,
        "/private/_all_docs?skip=-1",
        "/private/_all_docs?keys={}",
        "/private/_all_docs?descending=1",
        f"/private/_changes?since={GIANT}",
        "/private/_changes?since=-1",
        "/private/_changes?since=%5B1%5D",
        "/private/_changes?limit=many",
        "/private/_changes?timeout=-5&feed=longpoll",
        "/private/_changes?heartbeat=no&feed=continuous",
        f"/private/{'x' * 5000}",
        "/private/_odd",
        "/private/%FF",
        f"/private/_local/{'x' * 5000}",
        "/_uuids?count=x",
        f"/private/{'x' * 5000}/file",
    ],
    ids=lambda path: path[:50],
)
def test_paths_and_queries_that_mean_nothing(call: Caller, path: str) -> None:
    assert told(call("GET", path)) == 400


@pytest.mark.parametrize(
    ("name", "status"), [("Upper", 404), ("x" * 300, 404), ("..", 404), ("%2e%2e%2fprivate", 404), ("云", 404)]
)
def test_databases_that_there_cannot_be(call: Caller, name: str, status: int) -> None:
    assert told(call("GET", f"/{name}")) == status
    assert told(call("PUT", f"/{name}")) == 400


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**21), 10**21) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
SHAPED = st.fixed_dictionaries(
    {},
    optional={
        name: JSON | st.lists(JSON, max_size=3) | st.lists(st.fixed_dictionaries({}, optional=fields), max_size=3)
        for fields in [dict.fromkeys(("_id", "id", "_rev", "rev", "_revisions", "_attachments", "_deleted", "x"), JSON)]
        for name in ("docs", "new_edits", "keys", "queries", "doc_ids", "selector", "startkey", "limit", "a")
    },
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(POSTED), body=JSON | SHAPED)
def test_whatever_is_posted_is_answered(call: Caller, path: str, body: Any) -> None:
    answer = call("POST", path, json.dumps(body).encode())
    assert answer.status_code in (200, 201, 400, 409, 412, 413)
    assert answer.json is not None


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    method=st.sampled_from(["GET", "PUT", "DELETE", "POST", "HEAD", "COPY", "PATCH"]),
    parts=st.lists(
        st.sampled_from(
            [
                "private",
                "nothing",
                "_design",
                "_local",
                "_changes",
                "_all_docs",
                "_security",
                "a",
                "_x",
                "%2F",
                "",
                "..",
            ]
        )
        | st.text(max_size=4).map(lambda text: quote(text, safe="", errors="replace")),
        max_size=5,
    ),
    body=st.none() | JSON,
)
@example(method="GET", parts=["", "private", "", ".."], body=None)
def test_whatever_is_asked_is_answered(call: Caller, method: str, parts: list[str], body: Any) -> None:
    if method == "DELETE" and len([part for part in parts if part]) < 2:
        return
    answer = call(method, "/" + "/".join(parts), None if body is None else json.dumps(body).encode())
    assert answer.status_code < 500 or answer.status_code == 501


@pytest.mark.parametrize("skip", [2**63, GIANT])
def test_more_rows_are_skipped_than_there_can_be(call: Caller, skip: int) -> None:
    for body in ({"skip": skip}, {"skip": skip, "descending": True}, {"skip": skip, "keys": ["a"]}):
        answer = call("POST", "/private/_all_docs", body)
        assert (answer.status_code, answer.json["rows"]) == (200, [])
        assert call("POST", "/private/_all_docs/queries", {"queries": [body]}).json["results"][0]["rows"] == []


@pytest.mark.parametrize("doc", [{"_revisions": {"start": GIANT, "ids": ["a"]}}, {"_rev": None}, {"_rev": 1}])
def test_a_refused_revision_is_no_word_of_ours(call: Caller, doc: dict[str, Any]) -> None:
    answer = call("POST", "/private/_bulk_docs", {"docs": [{"_id": "new", **doc}], "new_edits": False})
    assert answer.status_code == 201
    (row,) = answer.json
    assert (row["id"], row["error"]) == ("new", "bad_request")
    assert row["rev"] in ("", f"{GIANT}-a")


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip"])
def test_a_body_packed_otherwise_than_by_gzip_is_refused(call: Caller, encoding: str) -> None:
    for method, path, body in (
        ("PUT", "/private/packed", {"a": 1}),
        ("POST", "/private/_bulk_docs", {"docs": []}),
        ("POST", "/private/_changes?filter=_doc_ids", {"doc_ids": []}),
    ):
        answer = call(method, path, body, Content_Encoding=encoding)
        assert (answer.status_code, answer.json["error"]) == (415, "bad_content_type")
    body = b'--x\r\n\r\n{"_id":"packed"}\r\n--x--'
    kind = 'multipart/related; boundary="x"'
    assert call("PUT", "/private/packed", body, Content_Type=kind).status_code == 201
    assert call("PUT", "/private/packed", body, Content_Type=kind, Content_Encoding=encoding).status_code == 415


@pytest.mark.parametrize(
    ("longest", "longer"), [("a" * 238, "a" * 239), ("a/" * 59 + "aa", "a/" * 60), ("a", "a" * 9_000)]
)
def test_a_database_name_that_is_too_long_is_told_so(call: Caller, longest: str, longer: str) -> None:
    assert call("PUT", f"/{quote(longest, safe='')}").status_code == 201
    path = f"/{quote(longer, safe='')}"
    answer = call("PUT", path)
    assert (answer.status_code, answer.json["error"]) == (400, "database_name_too_long")
    assert call("GET", path).status_code == 404
    assert call("DELETE", path).status_code == 404
    assert call("POST", "/_dbs_info", {"keys": [longer]}).json == [{"key": longer, "error": "not_found"}]


def test_a_database_that_could_not_be_made_is_not_there(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StorageFull("The disk is full.")

    with monkeypatch.context() as patched:
        patched.setattr("sync.schema.prepare", full)
        assert call("PUT", "/new").status_code == 507
    assert "new" not in call("GET", "/_all_dbs").json
    assert call("PUT", "/new").status_code == 201


@pytest.mark.parametrize(("reason", "status"), [(errno.ENOSPC, 507), (errno.EROFS, 500)])
def test_a_folder_that_takes_no_file_is_told(
    call: Caller, monkeypatch: pytest.MonkeyPatch, reason: int, status: int
) -> None:
    opened = os.open

    def refused(path: Path, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_CREAT:
            raise OSError(reason, "not here")
        return opened(path, flags, mode)

    with monkeypatch.context() as patched:
        patched.setattr("sync.databases.os.open", refused)
        answer = call("PUT", "/new")
    assert told(answer) == status
    assert "not here" in answer.json["reason"]
