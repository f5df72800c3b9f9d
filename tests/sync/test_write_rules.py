"""No member changes or deletes what is append-only, and only the county writes its own, by any road."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from random import Random

import pytest
import rfc8785
import urllib3

from sync.databases import Databases
from sync.peer import COUNTY, Document, Forbidden, Peer, PeerError, Writer
from sync.remote import RemotePeer
from sync.store import Store
from sync.write_rules import append_only, county_only, signed_by_county
from sync.wsgi import CouchApp
from tests.contracts.peer import kept
from tests.sync.served import served

MEMBER = Writer("600101101201", frozenset({"station:600101101201:1"}))


def hashed(prefix: str, **content: object) -> Document:
    """An immutable document under the id that its content gives it."""
    digest = hashlib.sha256(rfc8785.dumps(content)).hexdigest()[:32]
    return {"_id": f"{prefix}:{digest}", "_rev": f"1-{digest}", **content}


EVENT = hashed("event:600101101201-20261123-0001-ABCDE:x", kind="received", n=1)
HASH = EVENT["_rev"][2:]


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    folder = Databases(
        tmp_path_factory.mktemp("rules"),
        random=Random(1),
        rule_for=lambda name: append_only() if name.startswith("station-") else county_only,
    )
    for name in ("station-1", "catalogue"):
        store = folder.open(name)
        store.set_security({"members": {"roles": ["station:600101101201:1"]}})
        store.save([EVENT])
    yield folder
    folder.close()


@pytest.fixture
def url(folder: Databases) -> Iterator[str]:
    def authenticate(environ: dict[str, str]) -> Writer | None:
        return {"county": COUNTY, "member": MEMBER}.get(environ.get("HTTP_AUTHORIZATION", ""))

    with served(CouchApp(folder, authenticate=authenticate)) as url:
        yield url


@pytest.fixture(params=["store", "http"])
def as_member(request: pytest.FixtureRequest, folder: Databases) -> Callable[[str], Peer]:
    """The database of that name as a member writes to it, on each of the two roads."""
    if request.param == "store":
        return lambda name: folder.open(name).as_writer(MEMBER)
    url = request.getfixturevalue("url")
    return lambda name: RemotePeer(f"{url}/{name}", authorization=lambda: "member")


def rival(**changes: object) -> Document:
    return {**EVENT, **changes}


ATTACHED = {"f": {"content_type": "text/plain", "data": base64.b64encode(b"x").decode()}}
OTHER = hashed("chunk:c", data="x")

REFUSED = {
    "an update": (kept(EVENT["_id"], "2-b", HASH, n=2), False),
    "an update by an ordinary edit": ({"_id": EVENT["_id"], "_rev": EVENT["_rev"], "n": 2}, True),
    "a deletion by an ordinary edit": ({"_id": EVENT["_id"], "_rev": EVENT["_rev"], "_deleted": True}, True),
    "a tombstone that keeps its revision": (kept(EVENT["_id"], "2-b", HASH, deleted=True), False),
    "a tombstone under the true first revision": ({**OTHER, "_deleted": True}, False),
    "a rival first revision": (rival(_rev="1-" + "f" * 32), False),
    "a rival whose hash begins alike": (rival(_rev=EVENT["_rev"] + "f"), False),
    "another body under the true revision": (rival(n=2), False),
    "a history under the true revision": (
        {**EVENT, "_rev": f"2-{HASH}", "_revisions": {"start": 2, "ids": [HASH, "a" * 32]}},
        False,
    ),
    "a new document by an ordinary edit": ({"_id": OTHER["_id"], "data": "x"}, True),
    "an id without a hash": (kept("note", "1-a"), False),
    "a hash that is not the body's": (kept("event:x:" + "a" * 32, "1-" + "a" * 32, n=1), False),
    "a receipt": (hashed("receipt:x", n=1), False),
    "an attachment": ({**OTHER, "_attachments": ATTACHED}, False),
    "an attachment on what is there": (rival(_attachments=ATTACHED), False),
    "a number beyond the canonical form": (kept("event:x:" + "b" * 32, "1-" + "b" * 32, n=2**60), False),
    "a design document": ({"_id": "_design/x", "validate_doc_update": "nothing"}, True),
}


@pytest.mark.parametrize(("document", "new_edits"), REFUSED.values(), ids=REFUSED)
def test_a_member_of_an_append_only_database_cannot_write(
    as_member: Callable[[str], Peer], folder: Databases, document: Document, new_edits: bool
) -> None:
    before = folder.open("station-1").changes(style="all_docs", include_docs=True)
    (answer,) = as_member("station-1").bulk_docs([document], new_edits=new_edits)
    assert answer.error == "forbidden"
    assert folder.open("station-1").changes(style="all_docs", include_docs=True) == before


def test_a_member_adds_what_carries_its_hash(as_member: Callable[[str], Peer], folder: Databases) -> None:
    answers = as_member("station-1").bulk_docs([OTHER, EVENT], new_edits=False)
    assert [answer.error for answer in answers] == [None, None]
    assert folder.open("station-1").get(OTHER["_id"]) == OTHER


def test_nobody_but_the_county_writes_the_catalogue(as_member: Callable[[str], Peer], folder: Databases) -> None:
    for document, new_edits in ((OTHER, False), ({"_id": "item:1"}, True), (kept("item:1", "1-a"), False)):
        (answer,) = as_member("catalogue").bulk_docs([document], new_edits=new_edits)
        assert answer.error == "forbidden"
    assert folder.open("catalogue").update_seq == 1


def test_a_members_local_documents_are_not_under_the_rule(as_member: Callable[[str], Peer]) -> None:
    as_member("catalogue").put_local("checkpoint", {"seq": 1})
    assert as_member("catalogue").get_local("checkpoint") is not None


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", f"/{EVENT['_id']}?rev={EVENT['_rev']}", b'{"n":2}'),
        ("PUT", f"/{EVENT['_id']}?new_edits=false", b'{"_rev":"1-%s","n":2}' % (b"f" * 32)),
        ("DELETE", f"/{EVENT['_id']}?rev={EVENT['_rev']}", None),
        ("PUT", f"/{EVENT['_id']}/file?rev={EVENT['_rev']}", b"x"),
        ("PUT", "/event:new/file", b"x"),
        ("POST", "", b'{"n":2}'),
        ("PUT", "/_security", b"{}"),
        ("PUT", "/_revs_limit", b"1"),
        ("POST", "/_compact", b"{}"),
        ("POST", "/_purge", b'{"%s":["%s"]}' % (EVENT["_id"].encode(), EVENT["_rev"].encode())),
        ("DELETE", "", None),
        ("DELETE", "/", None),
        ("PUT", "", None),
    ],
)
def test_no_other_url_lets_a_member_change_anything(
    url: str, folder: Databases, method: str, path: str, body: bytes | None
) -> None:
    headers = {"Authorization": "member", "Content-Type": "application/json"}
    response = urllib3.request(method, f"{url}/station-1{path}", body=body, headers=headers)
    assert response.status == (501 if "_purge" in path else 403)
    assert folder.open("station-1").get(EVENT["_id"]) == EVENT
    assert folder.open("station-1").update_seq == 1
    assert folder.open("station-1").security() != {}


def test_the_county_retires_a_document_and_a_member_cannot_bring_it_back(
    as_member: Callable[[str], Peer], folder: Databases
) -> None:
    store: Store = folder.open("station-1")
    store.save(
        [
            {
                "_id": EVENT["_id"],
                "_rev": "2-gone",
                "_revisions": {"start": 2, "ids": ["gone", HASH]},
                "_deleted": True,
            }
        ]
    )
    with suppress(PeerError):
        as_member("station-1").bulk_docs([EVENT], new_edits=False)
    assert store.get(EVENT["_id"]) is None


def test_a_pull_brings_what_members_may_write_and_beyond_that_only_what_the_county_signed(
    folder: Databases,
) -> None:
    rule = signed_by_county(append_only(), lambda document: document.get("sig") == "county's")
    puller = folder.open("station-1").as_writer(COUNTY, rule)
    receipt = hashed("receipt:x", n=1, sig="county's")
    forged = hashed("receipt:y", n=1, sig="somebody's")
    tombstone = kept(EVENT["_id"], "2-b", HASH, deleted=True, sig="county's")
    answers = puller.bulk_docs([OTHER, receipt, forged, tombstone], new_edits=False)
    assert [answer.error for answer in answers] == [None, None, "forbidden", None]
    assert folder.open("station-1").get(EVENT["_id"]) is None
    assert answers[2].reason is not None
    assert "not signed by the county" in answers[2].reason


def test_the_signature_is_asked_of_the_document_without_protocol_fields() -> None:
    seen: list[Document] = []
    rule = signed_by_county(county_only, lambda document: bool(seen.append(document)) or True)
    rule({"_id": "a", "_rev": "1-a", "_revisions": {"start": 1, "ids": ["a"]}, "n": 1}, COUNTY)
    assert seen == [{"_id": "a", "_rev": "1-a", "n": 1}]
    with pytest.raises(Forbidden):
        signed_by_county(county_only, lambda document: False)({"_id": "a", "_rev": "1-a"}, COUNTY)
