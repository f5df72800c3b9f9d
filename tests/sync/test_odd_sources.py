"""What a CouchDB keeps and nobody here can: refused and told, and in no other document's way."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from random import Random
from typing import Any

import pytest

from sync.databases import Databases
from sync.peer import COUNTY, Garbled
from sync.remote import RemotePeer
from sync.replicator import replicate
from sync.wsgi import CouchApp
from tests.contracts.peer import kept
from tests.sync.served import served

Now = Callable[[], datetime]

# What the source says instead of what our own store keeps for it.
DEEP = [(b'"odd"', b"[" * 2_000 + b"]" * 2_000)]
DEEP_IN_SHORT = [(b'"odd"', b"[" * 600 + b"]" * 600)]
LONG_NUMBER = [(b'"odd"', b"9" * 5_000)]
GENERATION = [(b'"7-odd"', b'"100000000000000000000-odd"'), (b'"start":7', b'"start":100000000000000000000')]
LONG_HASH = [(b'"7-odd"', b'"7-' + b"a" * 3_000 + b'"'), (b'"ids":["odd"]', b'"ids":["' + b"a" * 3_000 + b'"]')]


@contextmanager
def odd_source(databases: Databases, said: list[tuple[bytes, bytes]]) -> Iterator[RemotePeer]:
    """The database `source` as a CouchDB would give it that keeps the odd for what is kept here."""
    app = CouchApp(databases, authenticate=lambda environ: COUNTY)

    def saying(environ: dict[str, Any], start_response: Any) -> Any:
        environ.pop("HTTP_ACCEPT_ENCODING", None)
        asked = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        for ours, odd in said:
            asked = asked.replace(odd, ours)
        environ |= {"wsgi.input": io.BytesIO(asked), "CONTENT_LENGTH": str(len(asked))}
        body = b"".join(app(environ, lambda status, headers, *_: start_response(status, without_length(headers))))
        for ours, odd in said:
            body = body.replace(ours, odd)
        return [body]

    with served(saying) as url:
        yield RemotePeer(f"{url}/source")


def without_length(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers if name.lower() != "content-length"]


@pytest.mark.parametrize("overlap", [True, False])
@pytest.mark.parametrize("known", [True, False], ids=["more", "empty"])
@pytest.mark.parametrize("said", [DEEP, DEEP_IN_SHORT, LONG_NUMBER, GENERATION, LONG_HASH])
def test_one_odd_document_is_told_and_the_others_come(
    databases: Databases, now: Now, random: Random, said: list[tuple[bytes, bytes]], known: bool, overlap: bool
) -> None:
    source, target = databases.open("source"), databases.open("target")
    if known:
        target.save([kept("there", "1-a")])
    source.save([kept(f"d{number:02}", "1-a", n=number) for number in range(20)])
    odd_revision = said in (GENERATION, LONG_HASH)
    source.bulk_docs([{**kept("d07x", "7-odd" if odd_revision else "1-b"), "v": "odd"}], new_edits=False)
    source.save([kept(f"e{number:02}", "1-a", n=number) for number in range(20)])
    refused: list[str] = []
    with odd_source(databases, said) as peer:
        for _ in range(2):
            done = replicate(
                peer,
                target,
                now=now,
                random=random,
                overlap=overlap,
                on_refused=lambda document, reason: refused.append(document["_id"]),
            )
        assert (done.docs_read, done.refused) == (0, 0)
        assert peer.get_local("nothing") is None
    assert refused == ["d07x"]
    assert target.info()["doc_count"] == 40 + known


@pytest.mark.parametrize("overlap", [True, False])
@pytest.mark.parametrize("known", [True, False], ids=["more", "empty"])
def test_a_feed_that_begins_anew_each_time_is_noticed(
    databases: Databases, now: Now, random: Random, known: bool, overlap: bool
) -> None:
    source, target = databases.open("source"), databases.open("target")
    if known:
        target.save([kept("there", "1-a")])
    source.save([kept(f"d{number:03}", "1-a", n=number) for number in range(200)])
    app = CouchApp(databases, authenticate=lambda environ: COUNTY)

    def forgetting(environ: dict[str, Any], start_response: Any) -> Any:
        """A cache on the way that knows one answer for every `since`."""
        environ["QUERY_STRING"] = re.sub("since=[^&]*", "since=0", environ["QUERY_STRING"])
        return app(environ, start_response)

    with served(forgetting) as url, pytest.raises(Garbled, match="does not go on"):
        replicate(RemotePeer(f"{url}/source"), target, now=now, random=random, overlap=overlap, batch=50)
    assert target.check() == []
