"""The server gives back what large bodies took."""

from __future__ import annotations

import threading
from collections.abc import Iterator

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
