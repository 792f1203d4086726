"""EPICS time."""

from __future__ import annotations

import datetime

import pytest

from caproto import EPICS_EPOCH, TimeStamp, epics_timestamp_to_unix, timestamp_to_epics

UTC = datetime.timezone.utc
PAGE = TimeStamp(1068835489, 547011000)


def test_promise_17_as_datetime_is_naive_utc() -> None:
    assert PAGE.as_datetime() == datetime.datetime(2023, 11, 14, 18, 44, 49, 547011)  # noqa: DTZ001


def test_epoch_is_1990() -> None:
    assert TimeStamp(0, 0).as_datetime() == EPICS_EPOCH.replace(tzinfo=None)
    assert TimeStamp(0, 0).timestamp == 631152000.0
    assert epics_timestamp_to_unix(1, 500_000_000) == 631152001.5


@pytest.mark.parametrize(
    "value",
    [
        1699987489.547011,
        datetime.datetime(2023, 11, 14, 18, 44, 49, 547011, UTC),
        datetime.datetime(2023, 11, 14, 18, 44, 49, 547011),  # noqa: DTZ001
        datetime.datetime(
            2023, 11, 14, 20, 44, 49, 547011, datetime.timezone(datetime.timedelta(hours=2))
        ),
        (1068835489, 547011000),
        PAGE,
    ],
    ids=str,
)
def test_times_in_every_form(value: object) -> None:
    stamp = TimeStamp.from_flexible_value(value)  # type: ignore[arg-type]
    assert stamp == PAGE
    assert hash(stamp) == hash(PAGE)
    assert repr(stamp) == "TimeStamp(timestamp=1699987489.547011)"
    assert stamp != TimeStamp(1068835489, 547011001)
    assert stamp != (1068835489, 547011000)


def test_float_is_rounded_to_the_microsecond_it_means() -> None:
    assert timestamp_to_epics(631152000.9999999) == (1, 0)
    assert timestamp_to_epics(631152000.25) == (0, 250_000_000)


def test_time_before_the_epoch_is_the_epoch() -> None:
    assert timestamp_to_epics(0.0) == (0, 0)


def test_unix_timestamp_there_and_back() -> None:
    assert TimeStamp.from_unix_timestamp(1699987489.5).timestamp == 1699987489.5


def test_now_is_now() -> None:
    before = datetime.datetime.now(UTC).replace(tzinfo=None)
    stamp = TimeStamp.now().as_datetime()
    assert before <= stamp <= datetime.datetime.now(UTC).replace(tzinfo=None)
