"""Contact: one request when all is well, two the first time, and nothing for strangers."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from casework.canonical import canonical
from casework.times import rfc3339
from provisioning.contact import Contact, Ledger, StationReport, answer_contact, contact, contact_id
from provisioning.keys import StationKey, make_private_key
from provisioning.line import Answer
from provisioning.operations import station_revoke
from provisioning.tokens import read_token
from sync.peer import BadRequest, Document, Forbidden, Garbled, Unauthorized, Unreachable
from tests.provisioning.small_county import COUNTY, OTHER, TOWNSHIP, URL, VILLAGE, SmallCounty


def report(**changed: object) -> StationReport:
    plain = StationReport(
        version="0.1.0",
        register=1,
        release="release:000001",
        clock="2026-09-16T01:00:00.000Z",
        interval_s=3,
        waiting=2,
        contested=0,
        refused=0,
        disk_free_bytes=1 << 33,
        ledgers=(Ledger("k3f9", f"station-{VILLAGE}", 17, "ab" * 16),),
    )
    return replace(plain, **changed)


def reach(small_county: SmallCounty, key: StationKey, nonce: str | None = None, **changed: object) -> Contact:
    want_token = bool(changed.pop("want_token", True))
    return contact(
        small_county.post,
        URL,
        key,
        nonce,
        report(**changed),
        now=small_county.now,
        want_token=want_token,
    )


def kept(small_county: SmallCounty, station: str) -> dict[str, object] | None:
    return small_county.county.fleet.local(contact_id(station))


def test_the_first_contact_takes_two_requests_and_the_next_one_each(small_county: SmallCounty) -> None:
    key = small_county.enrol(VILLAGE).key()
    small_county.seen.clear()

    first = reach(small_county, key)
    assert len(small_county.seen) == 2
    second = reach(small_county, key, first.nonce)
    assert len(small_county.seen) == 3
    assert second.nonce != first.nonce


def test_the_county_keeps_what_the_station_says_of_itself(small_county: SmallCounty) -> None:
    key = small_county.enrol(VILLAGE).key()
    reach(small_county, key, clock="2026-09-16T01:00:05.000Z")

    last = kept(small_county, VILLAGE)
    assert last is not None
    assert (last["at"], last["key"], last["ahead_ms"]) == (rfc3339(small_county.now()), f"{VILLAGE}:1", 5000)
    assert last["report"] == report(clock="2026-09-16T01:00:05.000Z").to_json()
    assert StationReport.of(last["report"]).ledgers == report().ledgers


def test_a_token_comes_when_it_is_asked_for_and_is_good(small_county: SmallCounty) -> None:
    key = small_county.enrol(VILLAGE).key()
    answer = reach(small_county, key)
    assert answer.token is not None
    assert read_token(answer.token, small_county.county.register(), small_county.now()).name == VILLAGE
    assert answer.token_expires_at == small_county.now() + timedelta(hours=12)

    assert reach(small_county, key, answer.nonce, want_token=False).token is None


def test_only_databases_of_the_station_with_something_new_are_named(small_county: SmallCounty) -> None:
    key = small_county.enrol(VILLAGE).key()
    small_county.enrol(OTHER)
    first = reach(small_county, key)
    assert set(first.changed) == {f"station-{VILLAGE}", f"accounts-{VILLAGE}", "catalogue"}

    quiet = reach(small_county, key, first.nonce, seen=first.changed)
    assert quiet.changed == {}
    small_county.databases.open(f"accounts-{VILLAGE}").update({"_id": "account:x"})
    small_county.databases.open(f"accounts-{OTHER}").update({"_id": "account:y"})
    news = reach(small_county, key, quiet.nonce, seen=first.changed)
    assert set(news.changed) == {f"accounts-{VILLAGE}"}


def test_a_township_hears_of_its_villages_cases_but_not_of_their_accounts(small_county: SmallCounty) -> None:
    key = small_county.enrol(TOWNSHIP).key()
    small_county.enrol(VILLAGE)
    small_county.enrol(OTHER)

    assert set(reach(small_county, key).changed) == {
        "catalogue",
        f"accounts-{TOWNSHIP}",
        f"station-{TOWNSHIP}",
        f"station-{VILLAGE}",
    }


def test_the_county_s_time_gives_the_offset_of_ours_to_half_a_round_trip(small_county: SmallCounty) -> None:
    key = small_county.enrol(VILLAGE).key()
    nonce = reach(small_county, key).nonce
    behind = timedelta(days=20710)  # a station clock that started in 1970
    trips = iter([timedelta(0), timedelta(milliseconds=800)])

    answer = contact(
        small_county.post,
        URL,
        key,
        nonce,
        report(clock="1970-01-01T00:00:00.000Z"),
        now=lambda: small_county.now() - behind + next(trips),
    )
    assert answer.round_trip_ms == 800
    assert answer.offset_ms == behind // timedelta(milliseconds=1) - 400
    last = kept(small_county, VILLAGE)
    assert last is not None
    assert isinstance(last["ahead_ms"], int)
    assert last["ahead_ms"] < -(1 << 40)


def test_the_county_s_wish_for_another_interval_is_told(small_county: SmallCounty) -> None:
    key = small_county.enrol(VILLAGE).key()
    assert reach(small_county, key, interval_s=120).interval_s == 3


def test_a_nonce_that_was_used_is_no_error_to_the_station_but_nothing_to_a_listener(
    small_county: SmallCounty,
) -> None:
    key = small_county.enrol(VILLAGE).key()
    answer = reach(small_county, key)
    reach(small_county, key, answer.nonce)
    _, heard = small_county.seen[-1]

    replayed = answer_contact(small_county.county, heard)
    assert replayed.status == 401
    assert set(replayed.json()) == {"error", "message", "nonce"}
    assert reach(small_county, key, answer.nonce).token


def test_strangers_and_stations_are_given_nonces_alike(small_county: SmallCounty) -> None:
    small_county.enrol(VILLAGE)
    answers = [
        answer_contact(small_county.county, canonical({"key": key})).json()
        for key in (f"{VILLAGE}:1", f"{OTHER}:1", "nobody", f"{COUNTY}:1")
    ]
    assert len({answer.pop("nonce") for answer in answers}) == len(answers)
    assert all(answer == answers[0] for answer in answers)


def test_a_key_that_the_county_never_certified_learns_nothing(small_county: SmallCounty, tmp_path: Path) -> None:
    small_county.enrol(VILLAGE)
    strange = make_private_key(tmp_path / "k.pem")
    said = set()
    for station, serial in ((VILLAGE, 1), (VILLAGE, 2), (OTHER, 1), (COUNTY, 1)):
        with pytest.raises(Unauthorized) as refused:
            reach(small_county, StationKey(station, serial, strange))
        said.add(refused.value.reason)
        assert kept(small_county, station) is None
    assert len(said) == 1


def test_the_county_s_own_key_is_no_station(small_county: SmallCounty) -> None:
    with pytest.raises(Unauthorized):
        reach(small_county, small_county.county.key)


def test_a_revoked_key_is_told_so_and_gets_no_token(small_county: SmallCounty) -> None:
    key = small_county.enrol(VILLAGE).key()
    before = reach(small_county, key)
    station_revoke(small_county.county, {"station": VILLAGE})
    at = kept(small_county, VILLAGE)

    with pytest.raises(Forbidden):
        reach(small_county, key, before.nonce)
    assert kept(small_county, VILLAGE) == at


def test_a_report_changed_on_the_way_does_not_count(small_county: SmallCounty) -> None:
    key = small_county.enrol(VILLAGE).key()
    reach(small_county, key)
    before = kept(small_county, VILLAGE)
    small_county.seen.clear()
    small_county.cut = False
    small_county.lie = lambda _: Answer(500, b"{}")
    with pytest.raises(Garbled):
        reach(small_county, key, "x" * 32)
    said = json.loads(small_county.seen[0][1])
    said["nonce"] = answer_contact(small_county.county, canonical({"key": key.id})).json()["nonce"]
    said["report"]["waiting"] = 0

    assert answer_contact(small_county.county, canonical(said)).status == 401
    assert kept(small_county, VILLAGE) == before


@pytest.mark.parametrize(
    "wrong",
    [
        {"waiting": -1},
        {"waiting": True},
        {"waiting": "2"},
        {"version": "x" * 300},
        {"ledgers": [["a", "b", -1, "c"]]},
        {"ledgers": [[]]},
        {"ledgers": "x"},
        {"seen": [1]},
        {"seen": {"catalogue": None}},
        {"holds": {"catalogue": 7}},
        {"holds": []},
        {"disk_free_bytes": None},
    ],
)
def test_a_report_that_is_none_is_refused_though_it_is_signed(
    small_county: SmallCounty, wrong: dict[str, object]
) -> None:
    key = small_county.enrol(VILLAGE).key()
    nonce = answer_contact(small_county.county, canonical({"key": key.id})).json()["nonce"]
    said = {"key": key.id, "nonce": nonce, "token": True, "report": {**report().to_json(), **wrong}}
    body = canonical({**said, "sig": key.sign(canonical(said))})

    assert answer_contact(small_county.county, body).status == 400
    assert kept(small_county, VILLAGE) is None


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"key":7}', b"[" * 9000, b"\xff", b"1" * 300_000])
def test_a_body_that_is_no_contact_is_a_bad_request(small_county: SmallCounty, body: bytes) -> None:
    assert answer_contact(small_county.county, body).status == 400


@pytest.mark.parametrize(
    ("page", "error"),
    [
        (Answer(200, b"<html>"), Garbled),
        (Answer(200, b"{}"), Garbled),
        (Answer(200, b'{"time": 5, "nonce": "x", "changed": {}, "register": 1}'), Garbled),
        (Answer(502, b"{}"), Garbled),
        (Answer(302, b""), Garbled),
        (Answer(401, b"{}"), Unauthorized),
        (Answer(400, b'{"message": "x"}'), BadRequest),
    ],
)
def test_what_is_not_the_county_s_answer_is_told_apart(
    small_county: SmallCounty, page: Answer, error: type[Exception]
) -> None:
    key = small_county.enrol(VILLAGE).key()
    small_county.lie = lambda _: page
    with pytest.raises(error):
        reach(small_county, key)


def test_a_cut_line_is_unreachable(small_county: SmallCounty) -> None:
    key = small_county.enrol(VILLAGE).key()
    small_county.cut = True
    with pytest.raises(Unreachable):
        reach(small_county, key)


def again(
    small_county: SmallCounty, key: StationKey, before: Contact, told: StationReport, **changed: object
) -> Contact:
    """A contact that says only what has changed since `told`."""
    said = replace(told, **changed)
    return contact(small_county.post, URL, key, before.nonce, said, now=small_county.now, want_token=False, told=told)


def test_a_contact_says_what_has_changed_and_the_county_knows_the_whole(small_county: SmallCounty) -> None:
    key = small_county.enrol(VILLAGE).key()
    told = report(seen={"catalogue": 4, "accounts": 1}, holds={"catalogue": "4-ab"})
    first = reach(small_county, key, seen=told.seen, holds=told.holds)
    small_county.seen.clear()
    ledger = Ledger("k3f9", "station-x", 1, "cd" * 16)
    changed = {"waiting": 7, "seen": {"catalogue": 5}, "holds": {}, "ledgers": (*told.ledgers, ledger)}
    second = again(small_county, key, first, told, **changed)
    last = kept(small_county, VILLAGE)
    assert last is not None
    assert last["report"] == replace(told, **changed).to_json()
    ((_, body),) = small_county.seen
    said = json.loads(body)["report"]
    assert said.keys() == {"same", "clock", "waiting", "seen", "holds", "ledgers"}
    assert said["ledgers"] == [list(ledger)]

    small_county.seen.clear()
    again(small_county, key, second, replace(told, **changed), clock="2026-09-16T01:02:00.000Z")
    assert json.loads(small_county.seen[0][1])["report"].keys() == {"same", "clock"}
    last = kept(small_county, VILLAGE)
    assert last is not None
    assert last["report"] == replace(told, **changed, clock="2026-09-16T01:02:00.000Z").to_json()


def test_a_county_that_does_not_know_what_was_told_before_hears_all_of_it(small_county: SmallCounty) -> None:
    key = small_county.enrol(VILLAGE).key()
    first = reach(small_county, key)
    # It went back to another contact, in which something else was said.
    told = report(waiting=9)
    small_county.seen.clear()
    again(small_county, key, first, told, contested=1)
    assert len(small_county.seen) == 2
    last = kept(small_county, VILLAGE)
    assert last is not None
    assert last["report"] == replace(told, contested=1).to_json()


def test_where_both_hold_the_same_that_is_known_and_where_not_the_county_says_what_it_holds(
    small_county: SmallCounty,
) -> None:
    key = small_county.enrol(VILLAGE).key()
    first = reach(small_county, key)
    county = small_county.county
    stores = [small_county.databases.open(name) for name in first.changed]
    holds = {store.database: county.inventories.of(store).text() for store in stores}
    second = reach(small_county, key, first.nonce, seen=first.changed, holds=holds)
    assert second.agrees == set(holds)
    assert second.differs == {}

    lacking = {**holds, "catalogue": "1-0000000000000001"}
    third = reach(small_county, key, second.nonce, seen=first.changed, holds=lacking)
    assert third.differs == {"catalogue": holds["catalogue"]}
    assert third.agrees == set(holds) - {"catalogue"}

    # Where something is new, there is nothing to compare yet.
    small_county.databases.open("catalogue").update({"_id": "item:new"})
    fourth = reach(small_county, key, third.nonce, seen=first.changed, holds=lacking)
    assert (fourth.differs, fourth.agrees) == ({}, set(holds) - {"catalogue"})


def test_the_little_that_is_new_of_cases_comes_with_the_answer(small_county: SmallCounty) -> None:
    key = small_county.enrol(VILLAGE).key()
    first = reach(small_county, key)
    home = f"station-{VILLAGE}"
    cases = small_county.databases.open(home)
    rows: list[Document] = [
        {"_id": "event:ours", "station": VILLAGE},
        {"_id": "event:county", "station": COUNTY},
        {"_id": "receipt:x"},
    ]
    for row in rows:
        cases.update(row)
    second = reach(small_county, key, first.nonce, seen=first.changed)
    news = second.news[home]
    assert news.own == ("event:ours",)
    assert [document["_id"] for document in news.documents] == ["event:county", "receipt:x"]
    assert second.changed[home] == cases.update_seq
    assert small_county.databases.open(home).get("receipt:x") == news.documents[1]


@pytest.mark.parametrize(
    "rows",
    [
        [{"_id": f"receipt:{number:02}"} for number in range(13)],
        [{"_id": "chunk:x"}],
        [{"_id": "receipt:x", "much": "x" * 5_000}],
    ],
)
def test_what_is_more_than_a_few_records_is_left_to_a_pull(small_county: SmallCounty, rows: list[Document]) -> None:
    key = small_county.enrol(VILLAGE).key()
    first = reach(small_county, key)
    home = f"station-{VILLAGE}"
    for row in rows:
        small_county.databases.open(home).update(row)
    second = reach(small_county, key, first.nonce, seen=first.changed)
    assert second.news == {}
    assert home in second.changed


def test_a_quiet_contact_is_small(small_county: SmallCounty) -> None:
    key = small_county.enrol(VILLAGE).key()
    first = reach(small_county, key)
    small_county.seen.clear()
    answers = []
    small_county.lie = lambda answer: answers.append(answer) or answer
    quiet = reach(small_county, key, first.nonce, seen=first.changed, want_token=False)
    small_county.seen.clear()
    again(small_county, key, quiet, report(seen=first.changed), clock="2026-09-16T01:02:00.000Z")

    # Thirty-two of these an hour, with 370 bytes of headers, stay under 26 KB; not one byte for each start of old.
    assert len(small_county.seen[0][1]) + len(answers[-1].body) < 400
