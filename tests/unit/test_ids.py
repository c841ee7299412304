"""Ids sort by time and are safe everywhere; times survive a trip through a file."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from studio.ids import is_id, new_id, now, parse_time, time_text

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def milliseconds_of(made: str) -> int:
    """The first 48 of 130 bits, read with Crockford's table (crockford.com/base32.html), as the ULID specification has it."""
    number = 0
    for letter in made.split("_")[1].upper():
        number = number * 32 + CROCKFORD.index(letter)
    return number >> 82


def test_an_id_is_its_prefix_and_26_letters_that_are_safe_in_files_and_urls() -> None:
    assert re.fullmatch(r"run_[0-9a-z]{26}", new_id("run"))


def test_an_id_carries_the_millisecond_of_its_birth() -> None:
    before = time.time_ns() // 1_000_000
    made = new_id("job")
    assert before <= milliseconds_of(made) <= time.time_ns() // 1_000_000


def test_ids_sort_by_their_time() -> None:
    earlier = new_id("ds")
    while time.time_ns() // 1_000_000 == milliseconds_of(earlier):
        pass  # the next millisecond
    assert earlier < new_id("ds")


def test_ids_of_one_moment_differ_and_sort_in_the_order_of_their_making() -> None:
    made = [new_id("ans") for _ in range(5_000)]  # some hundred a millisecond
    assert made == sorted(set(made))


def test_every_new_id_is_an_id_of_its_prefix_only() -> None:
    made = new_id("run")
    assert is_id(made, "run")
    assert not is_id(made, "job")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "run_",
        "run_" + "0" * 25,
        "run_" + "0" * 27,
        "run_" + "0" * 26 + "\n",
        "run_" + "A" * 26,
        "run_" + "u" * 26,
        "run_../../../etc/passwd0000000",
        "RUN_" + "0" * 26,
    ],
)
def test_what_only_looks_like_an_id_is_none(text: str) -> None:
    assert not is_id(text, "run")


def test_now_is_utc_in_whole_milliseconds() -> None:
    moment = now()
    assert moment.utcoffset() == timedelta(0)
    assert moment.microsecond % 1000 == 0


def test_a_time_is_written_as_utc_with_z_and_milliseconds() -> None:
    moment = datetime(2026, 1, 31, 20, 0, 0, 7_000, timezone(timedelta(hours=8)))
    assert time_text(moment) == "2026-01-31T12:00:00.007Z"


zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(1970, 1, 3), datetime(2200, 1, 1), timezones=zones)


@given(moments)
@hypothesis_settings(database=None, deadline=None, max_examples=60)
def test_a_time_in_milliseconds_survives_the_trip_through_a_file(moment: datetime) -> None:
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    assert parse_time(time_text(moment)) == moment
    assert parse_time(time_text(moment)).tzinfo == UTC
