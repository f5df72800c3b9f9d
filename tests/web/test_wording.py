from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web import wording

NOW = datetime(2026, 9, 16, 1, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (NOW, "今天 09:21"),
        (NOW - timedelta(hours=17), "昨天 16:21"),
        (NOW - timedelta(days=14), "9月2日 09:21"),
        (NOW - timedelta(days=365), "2025年9月16日 09:21"),
        (datetime(2026, 9, 15, 16, 30, tzinfo=UTC), "今天 00:30"),
    ],
)
def test_moments_are_told_as_people_tell_them(at: datetime, said: str) -> None:
    assert wording.moment(at, NOW) == said


def test_dates_are_written_out() -> None:
    assert wording.long_day("2026-09-16") == "2026年9月16日 星期三"
    assert wording.day(date(2026, 9, 6)) == "9月6日"
    assert [wording.days_left(f"2026-09-{day}", NOW) for day in (14, 16, 17, 20)] == [
        "过了 2 天",
        "今天到期",
        "明天到期",
        "还有 4 天",
    ]


def test_numbers_are_masked_and_read_aloud_in_groups() -> None:
    assert wording.masked_id("600000196001010016") == "600000********0016"
    assert wording.masked_phone("130 0000 0001") == "130****0001"
    assert wording.aloud_id("600000196001010016") == "600000\u00a01960 0101\u00a00016"
    assert wording.aloud_phone("13000000001") == "130\u00a00000\u00a00001"
    assert wording.yuan(125000) == "1,250.00"


@given(st.text(st.characters(exclude_characters="*"), min_size=2, max_size=40))
def test_a_mask_never_shows_the_whole_of_what_it_masks(text: str) -> None:
    masked = wording.masked_id(text)
    assert "*" in masked
    assert masked != text


def test_the_groups_that_people_say_are_bold_and_nothing_is_markup() -> None:
    told = wording.case_number("600101101201-20260916-0012-7K3QX")
    assert told == '<span class="number">600101101201-20260916-<b>0012-7K3QX</b></span>'
    assert "<script>" not in wording.case_number("<script>alert(1)</script>")
