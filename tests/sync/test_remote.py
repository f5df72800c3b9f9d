"""The HTTP peer believes nothing: captive portals, broken answers, endless bodies, redirects."""

from __future__ import annotations

import gzip
import itertools
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest
import urllib3

from sync.databases import Databases
from sync.peer import (
    COUNTY,
    BadRequest,
    Forbidden,
    Garbled,
    NotFound,
    Peer,
    PeerError,
    StorageFull,
    TooLarge,
    Unauthorized,
    Unreachable,
)
from sync.remote import RemotePeer
from sync.wsgi import CouchApp
from tests.patience import PATIENCE_S
from tests.sync.served import served

Answer = tuple[str, list[tuple[str, str]], list[bytes]]
JSON = [("Content-Type", "application/json")]


@contextmanager
def answering(answer: Callable[[dict[str, Any]], Answer], **settings: Any) -> Iterator[RemotePeer]:
    def app(environ: dict[str, Any], start_response: Any) -> Any:
        status, headers, body = answer(environ)
        start_response(status, headers)
        return body

    with served(app) as url:
        yield RemotePeer(f"{url}/db", timeout_s=PATIENCE_S, **settings)


@contextmanager
def raw(*answers: bytes) -> Iterator[RemotePeer]:
    """A server that says exactly these bytes to one connection each, and hangs up."""
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        for answer in answers:
            connection, _ = listener.accept()
            connection.recv(65536)
            connection.sendall(answer)
            connection.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield RemotePeer(f"http://127.0.0.1:{listener.getsockname()[1]}/db", timeout_s=PATIENCE_S)
    finally:
        listener.close()


CALLS: dict[str, Callable[[Peer], object]] = {
    "info": lambda peer: peer.info(),
    "changes": lambda peer: peer.changes(),
    "revs_diff": lambda peer: peer.revs_diff({"a": ["1-a"]}),
    "bulk_get": lambda peer: peer.bulk_get([("a", "1-a")]),
    "bulk_docs": lambda peer: peer.bulk_docs([{"_id": "a", "_rev": "1-a"}], new_edits=False),
    "get_local": lambda peer: peer.get_local("x"),
    "put_local": lambda peer: peer.put_local("x", {}),
    "ensure_full_commit": lambda peer: peer.ensure_full_commit(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize(
    "answer",
    [
        ("200 OK", [("Content-Type", "text/html")], [b"<html>Please log in</html>"]),
        ("200 OK", [], [b""]),
        ("200 OK", JSON, [b"<html>"]),
        ("200 OK", JSON, [b'{"results":[{"id":"a"']),
        ("200 OK", JSON, [b"7"]),
        ("302 Found", [("Location", "http://127.0.0.1:1/db")], [b""]),
        ("200 OK", [*JSON, ("Content-Encoding", "gzip")], [b"not gzip"]),
        ("200 OK", [*JSON, ("Content-Encoding", "gzip")], [gzip.compress(b"{}" * 99)[:-12]]),
        ("200 OK", [*JSON, ("Content-Encoding", "br")], [b"x"]),
        ("404 Not Found", [("Content-Type", "text/html")], [b"no such page"]),
        ("500 Oh", [("Content-Type", "text/html")], [b"<h1>"]),
    ],
    ids=[
        "portal",
        "empty",
        "html",
        "half",
        "number",
        "redirect",
        "nogzip",
        "halfgzip",
        "brotli",
        "proxy404",
        "proxy500",
    ],
)
def test_what_no_peer_would_say_is_garbled(call: Callable[[Peer], object], answer: Answer) -> None:
    with answering(lambda environ: answer) as peer, pytest.raises(Garbled):
        call(peer)


def answer_json(value: object, status: str = "200 OK") -> Answer:
    return status, JSON, [json.dumps(value).encode()]


@pytest.mark.parametrize(
    ("call", "value"),
    [
        ("info", {}),
        ("changes", {"results": [{"seq": 1}], "last_seq": 1}),
        ("changes", {"results": [{"seq": 1, "id": "a", "changes": []}], "last_seq": 1}),
        ("changes", {"results": [], "last_seq": None}),
        ("revs_diff", {"b": {"missing": ["1-b"]}}),
        ("revs_diff", {"a": {"missing": ["9-z"]}}),
        ("bulk_get", {"results": [{"id": "b", "docs": [{"ok": {"_id": "b", "_rev": "1-b"}}]}]}),
        ("bulk_get", {"results": [{"id": "a", "docs": [{"what": 1}]}]}),
        ("bulk_docs", {"ok": True}),
        ("bulk_docs", [{"id": "zzz", "error": "forbidden"}]),
        ("put_local", {"ok": True}),
    ],
)
def test_answers_of_the_wrong_shape_or_about_something_else_are_garbled(call: str, value: object) -> None:
    with answering(lambda environ: answer_json(value)) as peer, pytest.raises(Garbled):
        CALLS[call](peer)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("400 Bad", BadRequest),
        ("401 Unauthorized", Unauthorized),
        ("403 Forbidden", Forbidden),
        ("404 Not Found", NotFound),
        ("413 Too Large", TooLarge),
        ("507 Full", StorageFull),
        ("500 Oh", PeerError),
    ],
)
def test_errors_in_couchdbs_shape_are_the_peers_own_word(status: str, kind: type[PeerError]) -> None:
    with (
        answering(lambda environ: answer_json({"error": "word", "reason": "because"}, status)) as peer,
        pytest.raises(kind, match="because") as caught,
    ):
        peer.info()
    assert caught.value.code == "word"


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("https://county.example/db/", "https://county.example/db/"),
        ("http://user:secret@portal.example:81/login?token=secret", "http://portal.example:81/login"),
        ("/elsewhere", "/elsewhere"),
        ("http://[::1/", "elsewhere"),
        ("", "elsewhere"),
    ],
)
def test_a_redirect_is_not_followed_and_says_where_to(location: str, told: str) -> None:
    with answering(lambda _: ("301 Moved", [("Location", location)], [])) as peer, pytest.raises(Garbled) as problem:
        peer.info()
    assert problem.value.code == "redirected"
    assert f"leads to {told}," in problem.value.reason
    assert "secret" not in problem.value.reason


def test_a_document_that_is_not_in_the_answer_is_not_had() -> None:
    with answering(lambda environ: answer_json({"results": []})) as peer:
        (fetched,) = peer.bulk_get([("a", "1-a")])
    assert (fetched.id, fetched.rev, fetched.document, fetched.error) == ("a", "1-a", None, "not_found")


def test_a_refusal_without_a_revision_counts_for_its_document() -> None:
    with answering(lambda environ: answer_json([{"id": "a", "error": "forbidden", "reason": "no"}])) as peer:
        written = peer.bulk_docs([{"_id": "a", "_rev": "1-a"}, {"_id": "b", "_rev": "1-b"}], new_edits=False)
    assert [one.error for one in written] == ["forbidden", None]


def test_an_endless_answer_to_a_write_does_not_make_the_document_too_large() -> None:
    def endless(environ: dict[str, Any]) -> Answer:
        return "200 OK", JSON, itertools.repeat(b" " * 65536)  # type: ignore[return-value]

    with answering(endless, max_answer_bytes=100_000) as peer, pytest.raises(Garbled):
        peer.bulk_docs([{"_id": "a", "_rev": "1-a"}], new_edits=False)


def test_an_endless_answer_is_not_read_to_its_end() -> None:
    def endless(environ: dict[str, Any]) -> Answer:
        return "200 OK", JSON, (b" " * 10_000 for _ in range(10**9))  # type: ignore[return-value]

    with answering(endless, max_answer_bytes=100_000) as peer:
        with pytest.raises(TooLarge):
            peer.info()
        assert peer.bytes_received < 1_000_000


def test_a_small_answer_that_unpacks_without_end_is_refused() -> None:
    bomb = gzip.compress(b" " * 10_000_000)

    def answer(environ: dict[str, Any]) -> Answer:
        return "200 OK", [*JSON, ("Content-Encoding", "gzip")], [bomb]

    with answering(answer, max_answer_bytes=100_000) as peer, pytest.raises(TooLarge):
        peer.info()


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"update_seq":1',
        b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"a":',
        b"nonsense\r\n\r\n",
    ],
    ids=["nothing", "half", "halfchunk", "nonsense"],
)
def test_a_line_that_breaks_is_unreachable_and_nothing_is_tried_twice(said: bytes) -> None:
    good = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"update_seq":1}'
    with raw(said, good) as peer:
        with pytest.raises(Unreachable):
            peer.info()
        assert peer.requests == 1
        assert peer.info() == {"update_seq": 1}


def test_nobody_there_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unreachable):
        RemotePeer(f"http://127.0.0.1:{port}/db", timeout_s=1).info()


def test_an_answer_that_does_not_come_in_time_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(Unreachable):
        RemotePeer(f"http://127.0.0.1:{listener.getsockname()[1]}/db", timeout_s=0.2).info()


@pytest.mark.parametrize(
    ("server", "said", "believed"),
    [("Yizhan", "0000000000", False), ("Yizhan", None, True), ("CouchDB/3.4.3", "9f3a2b1c00", True)],
    ids=["another-question", "older-than-ids", "an-id-of-its-own"],
)
def test_an_answer_of_ours_to_another_question_is_garbled(server: str, said: str | None, believed: bool) -> None:
    def answer(environ: dict[str, Any]) -> Answer:
        assert len(environ["HTTP_X_COUCH_REQUEST_ID"]) == 10
        status, headers, body = answer_json({"update_seq": 1})
        return status, [*headers, ("Server", server), *([("X-Couch-Request-ID", said)] if said else [])], body

    with answering(answer, random=Random(1)) as peer:
        if believed:
            assert peer.info() == {"update_seq": 1}
        else:
            with pytest.raises(Garbled, match="another question"):
                peer.info()


def test_our_server_says_the_id_of_a_request_again_if_it_is_one(databases: Databases) -> None:
    databases.open("db").save([{"_id": "a"}])
    app = CouchApp(databases, authenticate=lambda environ: COUNTY)
    with served(app) as url:
        peer = RemotePeer(f"{url}/db", random=Random(1))
        assert peer.get_local("nothing") is None
        assert [change.id for change in peer.changes().results] == ["a"]
        for asked, said in (("abc_DEF-1", "abc_DEF-1"), ("a b", None), ("x" * 37, None)):
            answer = urllib3.request("GET", f"{url}/db", headers={"X-Couch-Request-ID": asked})
            assert answer.headers.get("X-Couch-Request-ID") == said


def test_credentials_in_the_url_are_used_and_never_shown() -> None:
    seen: list[str] = []

    def answer(environ: dict[str, Any]) -> Answer:
        seen.append(environ.get("HTTP_AUTHORIZATION", ""))
        return answer_json({"update_seq": 0})

    with answering(answer) as peer:
        secret = RemotePeer(peer.url.replace("http://", "http://user:p%40ss@"))
        secret.info()
        token = RemotePeer(peer.url, authorization=lambda: "Bearer t", name="county/db")
        token.info()
    assert seen == ["Basic dXNlcjpwQHNz", "Bearer t"]
    assert "p%40ss" not in secret.name + secret.url
    assert token.name == "county/db"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/db",
        "http:///db",
        "http://host",
        "http://host/",
        "db",
        "http://host:70000/db",
        "http://[::1/db",
        # A slash, a hash or a question mark that was to be quoted: what follows the name is no port and no path.
        "http://user:sec/ret@host/db",
        "http://user:123/ret@host/db",
        "http://user:sec#ret@host/db",
        "http://user:123?ret@host/db",
    ],
)
def test_what_is_not_a_databases_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(BadRequest) as refused:
        RemotePeer(url)
    assert not any(part in refused.value.reason for part in ("sec", "ret", "123"))
