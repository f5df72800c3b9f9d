"""Files in pieces, and the county's word that it holds a case with all of them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from casework.canonical import Document, address
from casework.documents import receipt
from casework.documents.chunk import CHUNK_BYTES, ChunkMissing, FileDamaged, cut, join
from casework.documents.receipt import Ancestry, chunks_of, receipt_holds
from casework.signing import sign_document
from casework.times import Hlc, milliseconds, rfc3339
from tests.casework.county import (
    COUNTY,
    NUMBER,
    VILLAGE,
    agent,
    at,
    intake_data,
    register,
    reviewer,
    sign_afresh,
    sign_as,
)

KEY = f"{COUNTY}:1"


def by_hash(documents: list[Document]) -> dict[str, Document]:
    return {document["_id"][-32:]: document for document in documents}


@given(st.binary(max_size=200), st.integers(0, 3))
def test_a_file_comes_back_whole(content: bytes, times: int) -> None:
    content = content * (1 + times * 300)
    documents, manifest = cut(NUMBER, content)
    assert join(manifest, by_hash(documents).get) == content
    assert manifest["size"] == len(content)
    assert manifest["id"] == manifest["sha256"][:32]
    assert len(manifest["chunks"]) == -(-len(content) // CHUNK_BYTES)


def test_equal_pieces_are_stored_once_and_the_same_photo_is_the_same_chunks() -> None:
    content = bytes(CHUNK_BYTES) * 3 + b"end"
    documents, manifest = cut(NUMBER, content)
    assert len(manifest["chunks"]) == 4
    assert len(documents) == 2
    assert cut(NUMBER, content) == (documents, manifest)


def test_a_missing_or_damaged_chunk_is_said() -> None:
    documents, manifest = cut(NUMBER, bytes(range(256)) * 200)
    here = by_hash(documents)
    last = manifest["chunks"][-1]
    with pytest.raises(ChunkMissing, match=last):
        join(manifest, {name: chunk for name, chunk in here.items() if name != last}.get)
    first = here[manifest["chunks"][0]]
    with pytest.raises(FileDamaged, match=last):
        join(manifest, {**here, last: {**here[last], "data": first["data"]}}.get)
    with pytest.raises(FileDamaged, match=last):
        join(manifest, {**here, last: first}.get)
    with pytest.raises(FileDamaged, match="do not give"):
        join({**manifest, "sha256": "0" * 64}, here.get)
    unreadable = address(f"chunk:{NUMBER}", {"case": NUMBER, "data": "not base64!"})
    with pytest.raises(FileDamaged, match="base64"):
        join({**manifest, "chunks": [unreadable["_id"][-32:]]}, lambda _: unreadable)


def written(heads: list[str], minute: float) -> Document:
    return receipt.compose(
        case=NUMBER,
        heads=heads,
        at=rfc3339(at(minute)),
        hlc=Hlc(milliseconds(at(minute)), 0, COUNTY),
        key=KEY,
        sign=sign_as(KEY),
    )


def with_file(chunks: list[str]) -> dict[str, Any]:
    file = {"id": "a" * 32, "name": "a.jpg", "type": "image/jpeg", "size": 1, "sha256": "a" * 64, "chunks": chunks}
    return {"material": "m01", "file": file}


def test_a_case_is_held_from_the_first_receipt_that_covers_all_but_the_countys_own() -> None:
    village, county = agent(), reviewer()
    received = village.write("received", intake_data())
    accepted = village.write("accepted", {}, [received])
    decided = county.write("decided", {"outcome": "granted"}, [accepted])
    early = written([received["_id"]], 5)
    full = written([accepted["_id"]], 9)
    again = written([decided["_id"]], 12)
    events = [received, accepted, decided]
    assert Ancestry(events).held_at([], register()) is None
    assert Ancestry(events).held_at([early], register()) is None
    assert Ancestry(events).held_at([again, full, early], register()) == rfc3339(at(9))
    more = village.write("material_added", {"material": "m01", "state": "received"}, [decided])
    assert Ancestry([*events, more]).held_at([again, full, early], register()) is None


def test_a_receipt_covers_what_its_heads_had_seen_however_long_the_chain() -> None:
    village = agent()
    chain = [village.write("received", intake_data())]
    for _ in range(60):
        chain.append(village.write("material_added", {"material": "m01", "state": "later"}, [chain[-1]]))
    aside = village.write("accepted", {}, [chain[0]])
    everything = {event["_id"] for event in chain}
    assert Ancestry([*chain, aside]).covered([chain[-1]["_id"]]) == everything
    assert Ancestry(chain).covered(["event:unknown"]) == set()


def test_a_copy_with_a_fresh_signature_is_covered_with_its_twin() -> None:
    received = agent().write("received", intake_data())
    body = {name: value for name, value in received.items() if name not in {"_id", "_rev", "sig"}}
    twin = address(
        received["_id"].rsplit(":", 1)[0], sign_document(body, received["key"], sign_afresh(received["key"]))
    )
    assert twin["_id"] != received["_id"]
    assert Ancestry([received, twin]).covered([twin["_id"]]) == {received["_id"], twin["_id"]}
    # Another event of the same moment is no twin.
    other = agent().write("received", intake_data(channel="visit"))
    assert Ancestry([received, other]).covered([other["_id"]]) == {other["_id"]}


def test_the_county_vouches_only_up_to_where_nothing_is_missing() -> None:
    village = agent()
    received = village.write("received", intake_data())
    photo = village.write("material_added", with_file(["b" * 32, "c" * 32]), [received])
    note = village.write("material_added", {"material": "m02", "state": "received"}, [received])
    after = village.write("accepted", {}, [photo, note])
    events = [after, note, photo, received]
    assert chunks_of(photo) == ["b" * 32, "c" * 32]
    assert chunks_of(note) == chunks_of({"data": {"file": {"chunks": 7}}}) == chunks_of({}) == []
    assert Ancestry(events).heads_held({"b" * 32}) == [note["_id"]]
    assert Ancestry(events).heads_held({"b" * 32, "c" * 32}) == [after["_id"]]
    assert Ancestry([after, note, photo]).heads_held({"b" * 32, "c" * 32}) == []
    assert Ancestry([]).heads_held(set()) == []


def test_a_receipt_is_the_countys_own_or_none() -> None:
    received = agent().write("received", intake_data())
    good = written([received["_id"]], 5)
    county, village = register().key(KEY), register().key(f"{VILLAGE}:1")
    assert county is not None
    assert village is not None
    assert receipt_holds(good, county)
    assert not receipt_holds(good, village)
    assert not receipt_holds({**good, "at": rfc3339(at(1))}, county)
    forged = receipt.compose(
        case=NUMBER,
        heads=[received["_id"]],
        at=rfc3339(at(5)),
        hlc=Hlc(1, 0, VILLAGE),
        key=f"{VILLAGE}:1",
        sign=sign_as(f"{VILLAGE}:1"),
    )
    assert not receipt_holds(forged, village)
    assert not receipt_holds({**forged, "key": KEY}, county)
