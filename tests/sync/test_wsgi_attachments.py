"""Files at documents over HTTP: by themselves with ranges, and in multipart bodies both ways."""

from __future__ import annotations

import base64
import email
import email.policy
import gzip
import hashlib
import json
from email.message import EmailMessage
from random import Random
from typing import Any

import pytest

from sync.databases import Databases
from sync.files import PIECE_BYTES
from tests.contracts.peer import kept
from tests.sync.calling import Caller

LARGE = Random(3).randbytes(2 * PIECE_BYTES + 1234)


def part(name: str, data: bytes, **headers: str) -> tuple[dict[str, str], bytes]:
    lines = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Type": "text/plain"}
    return lines | {key.replace("_", "-"): value for key, value in headers.items()}, data


def related(doc: dict[str, Any], *files: tuple[dict[str, str], bytes], boundary: str = "frontier") -> bytes:
    parts = [({"Content-Type": "application/json"}, json.dumps(doc).encode()), *files]
    body = b""
    for headers, data in parts:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        body += f"--{boundary}\r\n{lines}\r\n".encode() + data + b"\r\n"
    return body + f"--{boundary}--".encode()


def put(call: Caller, path: str, body: bytes, boundary: str = "frontier", **headers: str) -> Any:
    return call("PUT", path, body, Content_Type=f'multipart/related; boundary="{boundary}"', **headers)


def stub(length: int, **more: Any) -> dict[str, Any]:
    return {"follows": True, "content_type": "text/plain", "length": length, **more}


def parts_of(answer: Any) -> list[EmailMessage]:
    head = f"Content-Type: {answer.headers['Content-Type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + answer.data, policy=email.policy.HTTP)
    assert message.is_multipart()
    assert not message.defects
    return list(message.iter_parts())  # type: ignore[attr-defined]


# Alone.


def test_a_range_of_a_file_is_answered_and_a_file_that_is_known_is_not(call: Caller) -> None:
    call("PUT", "/private/doc/x.bin", bytes(range(100)), Content_Type="application/octet-stream")
    whole = call("GET", "/private/doc/x.bin")
    assert whole.headers["Accept-Ranges"] == "bytes"
    assert whole.headers["ETag"] == '"' + base64.b64encode(hashlib.md5(bytes(range(100))).digest()).decode() + '"'
    for asked, data, told in (
        ("bytes=0-9", bytes(range(10)), "bytes 0-9/100"),
        ("bytes=90-", bytes(range(90, 100)), "bytes 90-99/100"),
        ("bytes=-5", bytes(range(95, 100)), "bytes 95-99/100"),
        ("bytes=50-1000", bytes(range(50, 100)), "bytes 50-99/100"),
        ("bytes=-1000", bytes(range(100)), "bytes 0-99/100"),
    ):
        some = call("GET", "/private/doc/x.bin", Range=asked)
        assert (some.status_code, some.data, some.headers["Content-Range"]) == (206, data, told)
        assert some.content_length == len(data)
    beyond = call("GET", "/private/doc/x.bin", Range="bytes=100-")
    assert (beyond.status_code, beyond.headers["Content-Range"]) == (416, "bytes */100")
    assert beyond.json["error"] == "requested_range_not_satisfiable"
    for asked in ("bytes=0-1,5-6", "lines=1-2", "bytes=x"):
        assert call("GET", "/private/doc/x.bin", Range=asked).status_code == 200
    etag = whole.headers["ETag"]
    assert call("GET", "/private/doc/x.bin", If_None_Match=etag).status_code == 304
    assert call("GET", "/private/doc/x.bin", Range="bytes=0-9", If_Range=etag).status_code == 206
    assert call("GET", "/private/doc/x.bin", Range="bytes=0-9", If_Range='"another"').status_code == 200
    head = call("HEAD", "/private/doc/x.bin")
    assert (head.status_code, head.content_length, head.data) == (200, 100, b"")


def test_a_file_in_pieces_comes_back_whole_in_part_and_after_compaction(call: Caller, databases: Databases) -> None:
    databases.open("private").update({"_id": "doc", "_attachments": {"x": {"data": LARGE}}})
    for _ in range(2):
        assert call("GET", "/private/doc/x").data == LARGE
        for start, end in ((0, 1), (PIECE_BYTES - 1, PIECE_BYTES + 1), (PIECE_BYTES, 2 * PIECE_BYTES), (5, len(LARGE))):
            some = call("GET", "/private/doc/x", Range=f"bytes={start}-{end - 1}")
            assert some.data == LARGE[start:end]
        inline = call("GET", "/private/doc?attachments=true").json["_attachments"]["x"]["data"]
        assert base64.b64decode(inline) == LARGE
        assert databases.open("private").check() == []
        databases.open("private").compact()
    store = databases.open("private")
    again = store.bulk_docs([{"_id": "two", "_attachments": {"y": {"data": LARGE}}}])
    assert again[0].error is None
    with store._file.reading() as connection:
        assert connection.execute("SELECT count(*) FROM attachment_pieces").fetchone() == (3,)
    for id_ in ("doc", "two"):
        found = store.get(id_)
        assert found is not None
        store.update({"_id": id_, "_rev": found["_rev"], "_deleted": True})
    store.compact()
    with store._file.reading() as connection:
        assert connection.execute("SELECT count(*) FROM attachment_pieces").fetchone() == (0,)


def test_a_piece_that_is_lost_or_another_is_noticed(databases: Databases) -> None:
    store = databases.open("private")
    store.update({"_id": "doc", "_attachments": {"x": {"data": LARGE}}})
    with store._file.writing() as connection:
        connection.execute("UPDATE attachment_pieces SET data = zeroblob(length(data)) WHERE number = 1")
    assert any("not the one that was stored" in line for line in store.check())
    with store._file.writing() as connection:
        connection.execute("DELETE FROM attachment_pieces WHERE number = 1")
    assert any("lost" in line for line in store.check())


def test_a_packed_file_is_kept_unpacked(call: Caller) -> None:
    made = call("PUT", "/private/doc/x.txt", gzip.compress(b"hello" * 100), Content_Encoding="gzip")
    assert made.status_code == 201
    assert call("GET", "/private/doc/x.txt").data == b"hello" * 100
    url = f"/private/doc/y?rev={made.json['rev']}"
    assert call("PUT", url, b"x", Content_Encoding="br").status_code == 415
    assert call("PUT", url, b"x", Content_Encoding="gzip").status_code == 400
    assert call("PUT", url, gzip.compress(bytes(10_000_000)), Content_Encoding="gzip").status_code == 413
    assert call("PUT", url, bytes(100_001)).status_code == 413


def test_a_file_that_changed_on_its_way_is_refused(call: Caller) -> None:
    proof = base64.b64encode(hashlib.md5(b"hello").digest()).decode()
    refused = call("PUT", "/private/doc/x.txt", b"hullo", Content_MD5=proof)
    assert (refused.status_code, refused.json["error"]) == (400, "content_md5_mismatch")
    assert call("PUT", "/private/doc/x.txt", b"hello", Content_MD5=proof).status_code == 201


def test_what_is_wrong_with_a_file_is_told(call: Caller) -> None:
    made = call("PUT", "/private/doc/x.txt", b"1").json["rev"]
    assert call("PUT", "/private/doc/_x", b"1").status_code == 400
    assert call("POST", "/private/doc/x.txt", b"1").status_code == 405
    assert call("PUT", "/private/doc/x.txt?rev=1-0", b"1").status_code == 409
    assert call("DELETE", "/private/doc/x.txt").status_code == 409
    assert call("DELETE", "/private/doc/z.txt?rev=" + made).status_code == 404
    assert call("DELETE", "/private/none/z.txt").status_code == 404
    assert call("GET", "/private/none/z.txt").json["reason"] == "missing"
    assert call("GET", "/private/doc/z.txt").json["reason"] == "Document is missing attachment"
    gone = call("DELETE", "/private/doc?rev=" + made).json["rev"]
    assert call("GET", "/private/doc/x.txt").json["reason"] == "deleted"
    assert call("GET", f"/private/doc/x.txt?rev={made}").data == b"1"
    assert call("GET", f"/private/doc/x.txt?rev={gone}").status_code == 404


def test_a_content_type_cannot_put_a_header_into_the_answer(call: Caller) -> None:
    entry = {"content_type": "text/plain\r\nSet-Cookie: a=b", "data": "MQ=="}
    assert call("PUT", "/private/doc", {"_attachments": {"x": entry}}).status_code == 201
    answer = call("GET", "/private/doc/x")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    assert "Set-Cookie" not in answer.headers
    some = call("GET", "/private/doc?attachments=true", Accept="multipart/related")
    assert [one.get_content_type() for one in parts_of(some)] == ["application/json", "application/octet-stream"]


# Beside their document.


def test_a_document_comes_in_with_its_files_beside_it(call: Caller) -> None:
    doc = {"n": 1, "_attachments": {"a.txt": stub(5), "b/云.txt": stub(3, encoding="gzip", encoded_length=23)}}
    packed = gzip.compress(b"bye")
    doc["_attachments"]["b/云.txt"]["encoded_length"] = len(packed)  # type: ignore[index]
    # Told apart by their names, not by their order.
    body = related(doc, part("b/云.txt", packed), part("a.txt", b"hello"))
    made = put(call, "/private/doc", body)
    assert made.status_code == 201
    assert call("GET", "/private/doc/a.txt").data == b"hello"
    assert call("GET", "/private/doc/b%2F%E4%BA%91.txt").data == b"bye"
    found = call("GET", "/private/doc").json
    assert found["n"] == 1
    assert found["_attachments"]["a.txt"]["length"] == 5
    # Stubs stay, and only what follows is new.
    again = {"_rev": made.json["rev"], "_attachments": {**found["_attachments"], "c": stub(1)}}
    second = put(call, "/private/doc", b"nobody reads this\r\n" + related(again, ({}, b"1")))
    assert second.status_code == 201
    assert call("GET", "/private/doc/c").data == b"1"
    assert call("GET", "/private/doc/a.txt").data == b"hello"
    assert call("GET", "/private/doc").json["_attachments"]["c"]["revpos"] == 2


def test_as_a_replicator_pushes_it(call: Caller) -> None:
    doc = {
        "_id": "doc",
        "_rev": "2-b",
        "_revisions": {"start": 2, "ids": ["b", "a"]},
        "_attachments": {"x": stub(5, revpos=1, digest="md5-XUFAKrxLKna5cZ2REBfFkg==")},
    }
    body = related(doc, part("x", b"hello"), boundary="a" * 32)
    pushed = put(call, "/private/doc?new_edits=false", gzip.compress(body), "a" * 32, Content_Encoding="gzip")
    assert (pushed.status_code, pushed.json["rev"]) == (201, "2-b")
    found = call("GET", "/private/doc?revs=true").json
    assert found["_revisions"] == {"start": 2, "ids": ["b", "a"]}
    assert found["_attachments"]["x"]["revpos"] == 1


def bad_bodies() -> dict[str, bytes]:
    doc = {"_attachments": {"x": stub(5)}}
    good = related(doc, part("x", b"hello"))
    return {
        "empty": b"",
        "cut off": good[:-30],
        "cut off in the document": good[:60],
        "no document": related({"_attachments": 1}),
        "entries that are none": related({"_attachments": {"x": 1}}),
        "a file too few": related(doc),
        "a file too many": related({}, part("x", b"hello")),
        "another length": related({"_attachments": {"x": stub(6)}}, part("x", b"hello")),
        "not packed": related({"_attachments": {"x": stub(5, encoding="gzip")}}, part("x", b"hello")),
        "no JSON": good.replace(b'{"_att', b"{_att"),
        "a list": related([]),  # type: ignore[arg-type]
        "headers without end": b"--frontier\r\n" + b"x" * 50_000,
    }


@pytest.mark.parametrize("body", bad_bodies().values(), ids=bad_bodies().keys())
def test_a_multipart_body_that_is_none_is_refused_whole(call: Caller, body: bytes) -> None:
    refused = put(call, "/private/doc", body)
    assert refused.status_code == 400
    assert set(refused.json) == {"error", "reason"}
    assert call("GET", "/private/doc").status_code == 404


def test_a_multipart_body_without_a_boundary_or_too_long_is_refused(call: Caller) -> None:
    good = related({"_attachments": {"x": stub(5)}}, part("x", b"hello"))
    assert call("PUT", "/private/doc", good, Content_Type="multipart/related").status_code == 400
    assert put(call, "/private/doc", related({}, part("x", bytes(100_001)))).status_code == 413
    assert call("PUT", "/private/doc", good, Content_Type="multipart/form-data; boundary=frontier").status_code == 415


def test_a_stub_named_by_the_digest_of_its_package_is_the_file_of_the_revision_before(call: Caller) -> None:
    """CouchDB keeps texts packed. When it pushes the next revision it sends a stub with the digest of the package, and
    not the one that the file has here; refused, it would wait two seconds and send every file again.
    """
    packed = gzip.compress(b"hello")
    kept_packed = {"encoding": "gzip", "encoded_length": len(packed), "digest": "md5-of-the-package", "revpos": 1}
    first = {"_rev": "1-a", "_revisions": {"start": 1, "ids": ["a"]}, "_attachments": {"x": stub(5, **kept_packed)}}
    assert put(call, "/private/doc?new_edits=false", related(first, part("x", packed))).status_code == 201
    again = {"stub": True, "content_type": "text/plain", "length": 5, **kept_packed}

    def after(rev: str, **entry: object) -> Any:
        doc = {
            "_rev": rev,
            "_revisions": {"start": 2, "ids": [rev[2:], "a"]},
            "_attachments": {"x": {**again, **entry}},
        }
        return call("PUT", "/private/doc?new_edits=false", doc)

    assert after("2-b").status_code == 201
    assert call("GET", "/private/doc/x?rev=2-b").data == b"hello"
    assert call("GET", "/private/doc?rev=2-b").json["_attachments"]["x"]["revpos"] == 1
    for lie in ({"revpos": 2}, {"length": 6}, {"encoding": "identity"}):
        refused = after("2-c", **lie)
        assert (refused.status_code, refused.json["error"]) == (412, "missing_stub")
    assert call("GET", "/private/doc?rev=2-c").status_code == 404


@pytest.fixture
def album(databases: Databases) -> str:
    """A document with files of the first, the second and the third generation; its revision."""
    store = databases.open("private")
    rev, files = None, {}
    for generation, name in enumerate(("first", "second", "third"), 1):
        files[name] = {"content_type": "image/jpeg", "data": name.encode() * 10}
        rev = store.update(
            {"_id": "album", "n": generation, "_attachments": files, **({"_rev": rev} if rev else {})}
        ).rev
        found = store.get("album")
        assert found is not None
        files = found["_attachments"]
    assert rev is not None
    return rev


def test_a_document_goes_out_with_its_files_beside_it(call: Caller, album: str) -> None:
    answer = call("GET", "/private/album?attachments=true", Accept="multipart/related, application/json")
    assert answer.headers["ETag"] == f'"{album}"'
    assert answer.content_length == len(answer.data)
    first, *files = parts_of(answer)
    doc = json.loads(first.get_content())
    assert list(doc["_attachments"]) == [file.get_filename() for file in files] == ["first", "second", "third"]
    assert all(entry["follows"] and "stub" not in entry for entry in doc["_attachments"].values())
    assert [file.get_content() for file in files] == [b"first" * 10, b"second" * 10, b"third" * 10]
    assert [int(file["Content-Length"]) for file in files] == [50, 60, 50]
    # What goes out comes in again as it was.
    kind = answer.headers["Content-Type"]
    assert call("PUT", "/station-1/album?new_edits=false", answer.data, Content_Type=kind).status_code == 201
    again = call("GET", "/station-1/album?attachments=true").json
    assert again == call("GET", "/private/album?attachments=true").json
    # Without files, and without asking, it is JSON.
    assert call("GET", "/private/album", Accept="multipart/related").json["_id"] == "album"
    assert call("GET", "/private/album?attachments=true", Accept="*/*").json["_id"] == "album"


def test_only_files_that_are_new_to_whoever_asks(call: Caller, album: str) -> None:
    path = call("GET", "/private/album?revs=true").json["_revisions"]
    second = f"2-{path['ids'][1]}"
    found = call("GET", f'/private/album?atts_since=["{second}","9-z"]').json["_attachments"]
    assert [name for name, entry in found.items() if "data" in entry] == ["third"]
    assert found["first"]["stub"] is True
    answer = call("GET", f'/private/album?atts_since=["{second}"]', Accept="multipart/related")
    assert [file.get_filename() for file in parts_of(answer)[1:]] == ["third"]
    strange = call("GET", '/private/album?atts_since=["2-z"]').json["_attachments"]
    assert all("data" in entry for entry in strange.values())
    assert call("GET", "/private/album?atts_since=x").status_code == 400


def test_leaves_go_out_as_parts(call: Caller, databases: Databases, album: str) -> None:
    databases.open("private").bulk_docs([kept("album", "2-0", "0", n=0)], new_edits=False)
    query = f'/private/album?revs=true&open_revs=["{album}","2-0","7-x"]'
    answer = call("GET", query, Accept="multipart/mixed")
    with_files, plain, missing = parts_of(answer)
    assert [file.get_filename() for file in list(with_files.iter_parts())[1:]] == ["first", "second", "third"]  # type: ignore[attr-defined]
    assert json.loads(plain.get_content())["_revisions"] == {"start": 2, "ids": ["0", "0"]}
    assert missing.get_content_type() == "application/json"
    assert missing.get_param("error") == "true"
    assert json.loads(missing.get_content()) == {"missing": "7-x"}
    everything = call("GET", query).json
    assert everything[0]["ok"]["_attachments"]["first"]["stub"] is True
    # The replicator's own way of asking: only what it has not seen.
    first = json.loads(next(iter(with_files.iter_parts())).get_content())["_revisions"]["ids"][2]  # type: ignore[attr-defined]
    some = call("GET", f'{query}&latest=true&atts_since=["1-{first}"]', Accept="application/json, multipart/mixed")
    assert [file.get_filename() for file in list(parts_of(some)[0].iter_parts())[1:]] == ["second", "third"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["multipart/mixed", "multipart/related"])
def test_many_documents_go_out_as_parts(call: Caller, databases: Databases, album: str, kind: str) -> None:
    databases.open("private").update({"_id": "plain", "n": 1})
    body = {"docs": [{"id": "album"}, {"id": "plain"}, {"id": "none", "rev": "1-x"}]}
    answer = call("POST", "/private/_bulk_get?revs=true", body, Accept=kind)
    assert answer.headers["Content-Type"].startswith(kind)
    first, second, third = parts_of(answer)
    assert (first["X-Doc-Id"], first["X-Rev-Id"]) == ("album", album)
    assert len(list(first.iter_parts())) == 4  # type: ignore[attr-defined]
    assert json.loads(second.get_content())["n"] == 1
    assert json.loads(third.get_content())["error"] == "not_found"
    # JSON is preferred where it is taken too.
    both = call("POST", "/private/_bulk_get", body, Accept=f"application/json, {kind}")
    assert len(both.json["results"]) == 3


def test_many_documents_with_their_files_in_them(call: Caller, album: str) -> None:
    answer = call("POST", "/private/_bulk_get?attachments=true", {"docs": [{"id": "album"}]}).json
    (row,) = answer["results"][0]["docs"]
    assert base64.b64decode(row["ok"]["_attachments"]["second"]["data"]) == b"second" * 10
    path = call("GET", "/private/album?revs=true").json["_revisions"]["ids"]
    asked = {"docs": [{"id": "album", "atts_since": [f"2-{path[1]}"]}]}
    (row,) = call("POST", "/private/_bulk_get", asked).json["results"][0]["docs"]
    assert [name for name, entry in row["ok"]["_attachments"].items() if "data" in entry] == ["third"]
