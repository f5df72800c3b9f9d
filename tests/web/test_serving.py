"""The server gives back what large bodies took."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPResponse

import pytest
import urllib3
from flask import Flask, request

from tests.patience import until
from web import serving
from web.serving import LARGE_BODY, Server


@pytest.fixture
def given_back(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    calls = list[str]()
    monkeypatch.setattr(serving, "give_memory_back", lambda: calls.append("given back"))
    return calls


@pytest.fixture
def url() -> Iterator[str]:
    app = Flask("measure")

    @app.post("/")
    def length() -> str:
        return str(len(request.get_data()))

    server = Server(app, "127.0.0.1:0")
    threading.Thread(target=server.run, daemon=True).start()
    yield server.url
    server._server.close()


def test_memory_is_given_back_after_a_large_body_and_not_after_small_ones(url: str, given_back: list[str]) -> None:
    with urllib3.PoolManager() as pool:
        for size in (0, 2_000, LARGE_BODY):
            assert pool.request("POST", url, body=bytes(size)).data == str(size).encode()
        assert given_back == []
        assert pool.request("POST", url, body=bytes(LARGE_BODY + 1)).data == str(LARGE_BODY + 1).encode()
        until(lambda: given_back == ["given back"], "it is given back", every_s=0.01)


@pytest.mark.parametrize(
    ("accept", "kind"), [("application/json", "application/json"), ("text/html,*/*;q=0.8", "text/plain")]
)
def test_what_the_server_itself_refuses_is_json_for_programs(url: str, accept: str, kind: str) -> None:
    """CouchDB's replicator begins again for ever at a 413 that is none."""
    address = urllib3.util.parse_url(url)
    with socket.create_connection((address.host, address.port)) as line:
        head = f"POST / HTTP/1.1\r\nHost: x\r\nAccept: {accept}\r\nContent-Length: 99999999999\r\n\r\n"
        line.sendall(head.encode())
        answer = HTTPResponse(line)
        answer.begin()
        said = answer.read()
    assert (answer.status, answer.headers["Content-Type"].partition(";")[0]) == (413, kind)
    assert kind == "text/plain" or json.loads(said)["error"] == "too_large"
