"""Bytes, clocks, numbers and signatures."""

from __future__ import annotations

import base64
from datetime import UTC, date, datetime, timedelta, timezone
from random import Random

import pytest
import rfc8785
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from casework.canonical import NotCanonical, address, canonical, content_hash, is_addressed
from casework.numbers import case_number, parse_case_number, spoken
from casework.signing import document_holds, sign_document, signature_holds, signer
from casework.times import (
    TOLERANCE_MS,
    Hlc,
    civil_date,
    from_milliseconds,
    milliseconds,
    parse_rfc3339,
    rfc3339,
)
from tests.casework.county import VILLAGE, private_key

# -- canonical JSON ------------------------------------------------------------


def test_keys_sort_by_utf16_units_as_rfc_8785_says() -> None:
    # By code points the astral 𠮷 would come last; by UTF-16 units it comes before U+FB33.
    assert canonical({"\ufb33": 1, "𠮷": 2, "a": [True, None, "\u0007\n"]}) == (
        '{"a":[true,null,"\\u0007\\n"],"𠮷":2,"\ufb33":1}'.encode()
    )


@pytest.mark.parametrize("value", [1.5, 1.0, {"a": [0.1]}, 2**53, "\ud800", {"\udfff": 1}, {1: 2}, float("nan")])
def test_what_has_no_one_form_is_refused(value: object) -> None:
    with pytest.raises(NotCanonical):
        canonical(value)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["a", "_id", "\ufb33", "𠮷"]), inner),
)


@given(JSON)
def test_the_short_road_gives_the_bytes_of_rfc_8785(value: object) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@pytest.mark.parametrize("sign", ["\x00", "\x1f", "\b\t\n\f\r", '"\\/', "\x7f", "\x80", "\u2028\u2029", "\uffff", "😀"])
def test_every_sign_is_written_as_rfc_8785_writes_it(sign: str) -> None:
    assert canonical({"a": sign}) == rfc8785.dumps({"a": sign})


def test_a_nesting_bomb_is_refused_and_does_not_end_the_process() -> None:
    bomb: list[object] = []
    for _ in range(100_000):
        bomb = [bomb]
    with pytest.raises(NotCanonical):
        canonical(bomb)


def test_the_hash_covers_all_but_the_envelope() -> None:
    assert content_hash({"_id": "a", "_rev": "1-b", "x": 1}) == content_hash({"x": 1})
    assert content_hash({"x": 1, "sig": "s"}) != content_hash({"x": 1, "sig": "t"})
    document = address("event:1", {"x": 1})
    assert is_addressed(document)
    assert not is_addressed({**document, "_rev": "1-" + "0" * 32})
    assert not is_addressed({**document, "x": 2})
    assert not is_addressed({"x": 1})


# -- times ------------------------------------------------------------


def test_rfc_3339_has_milliseconds_and_z() -> None:
    moment = datetime(2026, 9, 16, 9, 21, 5, 123_999, tzinfo=timezone(timedelta(hours=8)))
    assert rfc3339(moment) == "2026-09-16T01:21:05.123Z"
    assert parse_rfc3339("2026-09-16T09:21:05.123456789+08:00") == moment.replace(microsecond=123_456)
    with pytest.raises(ValueError, match="zone"):
        rfc3339(datetime(2026, 9, 16))  # noqa: DTZ001 - a naive time is what is tried


@pytest.mark.parametrize("text", ["2026-09-16", "2026-09-16T01:21:05", "2026-13-16T01:21:05Z", "gestern"])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_rfc3339(text)


def test_the_civil_date_turns_at_midnight_in_china() -> None:
    assert civil_date(datetime(2026, 9, 16, 15, 59, 59, tzinfo=UTC)) == date(2026, 9, 16)
    assert civil_date(datetime(2026, 9, 16, 16, 0, tzinfo=UTC)) == date(2026, 9, 17)


@given(st.integers(0, 10**13 - 1))
def test_milliseconds_there_and_back(ms: int) -> None:
    assert milliseconds(from_milliseconds(ms)) == ms


CLOCKS = st.lists(st.integers(-(10**12), 10**13 - 1), min_size=1, max_size=30)


@given(CLOCKS)
def test_stamps_rise_whatever_the_clock_does_and_sort_as_text(clock: list[int]) -> None:
    last: Hlc | None = None
    texts = []
    for now in clock:
        last = Hlc.tick(now, last, VILLAGE)
        texts.append(last.text())
    assert texts == sorted(set(texts))
    assert [Hlc.parse(text).text() for text in texts] == texts


def test_a_full_counter_carries_into_the_milliseconds() -> None:
    assert Hlc.tick(5, Hlc(7, 0xFFFF, VILLAGE), VILLAGE) == Hlc(8, 0, VILLAGE)


@given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 10**12))
def test_what_others_say_never_moves_us_more_than_the_bound_ahead(ours: int, theirs: int, now: int) -> None:
    before = Hlc(ours, 3, VILLAGE)
    after = before.observe(Hlc(theirs, 9, "600101101000"), now)
    assert after >= before
    assert after.ms <= max(before.ms, now + TOLERANCE_MS)
    assert after.station == VILLAGE
    if before.ms < theirs <= now + TOLERANCE_MS:
        assert Hlc.tick(now, after, VILLAGE).ms >= theirs


def test_a_station_three_years_ahead_does_not_move_ours() -> None:
    now = milliseconds(datetime(2026, 9, 16, tzinfo=UTC))
    ours = Hlc(now, 0, VILLAGE)
    assert ours.observe(Hlc(now + 3 * 365 * 86_400_000, 0, "600101101000"), now) == ours


@pytest.mark.parametrize("text", ["", "1-0000-600101101201", "1789520460000-00ZZ-600101101201", "x"])
def test_other_stamps_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="timestamp"):
        Hlc.parse(text)


# -- case numbers ------------------------------------------------------------


@given(st.integers(1, 9999), st.integers(), st.dates(date(2000, 1, 1), date(2099, 12, 31)))
def test_a_number_reads_back_and_can_be_an_id(serial: int, seed: int, on: date) -> None:
    number = case_number(VILLAGE, on, serial, Random(seed))
    read = parse_case_number(number)
    assert (read.station, read.on, read.serial, read.text) == (VILLAGE, on, serial, number)
    assert number.replace("-", "").isalnum()
    quiet, loud = spoken(number)
    assert f"{quiet}-{loud}" == number
    assert len(loud) == 10


def test_a_number_reads_as_people_write_it() -> None:
    assert parse_case_number(" 600101101201-20260916-0007-9mAtO ").text == "600101101201-20260916-0007-9MAT0"


@pytest.mark.parametrize("serial", [0, 10_000])
def test_a_serial_out_of_range_is_refused(serial: int) -> None:
    with pytest.raises(ValueError, match="serial"):
        case_number(VILLAGE, date(2026, 9, 16), serial, Random(1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "600101101201-20260931-0007-9M4TD",
        "600101101201-20260916-0007",
        "a-b-c-d",
        "600101-20260916-0007-9M4TD",
    ],
)
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_case_number(text)


def test_a_cloned_disk_with_the_same_serial_draws_another_tail() -> None:
    one, other = (case_number(VILLAGE, date(2026, 9, 16), 7, Random(seed)) for seed in (1, 2))
    assert one != other


# -- signatures ------------------------------------------------------------


def test_a_signature_holds_for_its_document_and_its_key_only() -> None:
    mine, other = private_key("mine"), private_key("other")
    document = sign_document({"_id": "a:1", "x": "张某某"}, "k:1", signer(mine))
    assert len(document["sig"]) == 86
    assert document_holds(document, mine.public_key())
    assert document_holds({**document, "_rev": "2-x", "_id": "b"}, mine.public_key())
    assert not document_holds(document, other.public_key())
    assert not document_holds({**document, "x": "李某某"}, mine.public_key())
    assert not document_holds({**document, "key": "k:2"}, mine.public_key())


@pytest.mark.parametrize("sig", [None, 7, "", "A" * 86, "A" * 85, "!" * 86])
def test_a_broken_signature_is_no_error_but_does_not_hold(sig: object) -> None:
    assert not document_holds({"x": 1, "key": "k", "sig": sig}, private_key("mine").public_key())
    assert not document_holds({"x": 1.5, "key": "k", "sig": "A" * 86}, private_key("mine").public_key())


def test_a_signature_has_one_spelling() -> None:
    sign = signer(private_key("mine"))
    signature = sign(b"x")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    other = signature[:-1] + alphabet[alphabet.index(signature[-1]) + 1]
    assert base64.urlsafe_b64decode(other + "==") == base64.urlsafe_b64decode(signature + "==")
    assert signature_holds(b"x", signature, private_key("mine").public_key())
    assert not signature_holds(b"x", other, private_key("mine").public_key())


def test_another_curve_is_refused() -> None:
    with pytest.raises(ValueError, match="P-256"):
        signer(ec.generate_private_key(ec.SECP384R1()))
