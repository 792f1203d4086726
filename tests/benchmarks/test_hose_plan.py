"""The numbered updates, by which a benchmark finds out what a client has lost."""

from __future__ import annotations

from struct import Struct

import pytest

from benchmarks.peers.hose_plan import ARRAY_LENGTH, FIRST_STAMP, HosePlan
from benchmarks.peers.hose_updates import Subscription, chunks
from caproto._constants import EPICS2UNIX_EPOCH
from caproto._protocol.enums import ChannelType

UPDATE = Struct(">HHHHII HHII4xd")
DOUBLE = Struct(">d")


def test_name_of_pv_tells_plan_and_index() -> None:
    plan = HosePlan("scalar", 1_000, 3)
    assert plan.names[2] == "hose:scalar:1000:3:2"
    assert HosePlan.from_name(plan.names[2]) == (plan, 2)


@pytest.mark.parametrize(
    "name",
    ["bench:ai:0", "hose:scalar:10:3:3", "hose:other:10:3:0", "hose:scalar:ten:3:0", "hose:scalar"],
)
def test_other_names_are_not_served(name: str) -> None:
    assert HosePlan.from_name(name) is None


def test_nothing_is_missing_of_a_complete_series() -> None:
    assert HosePlan("scalar", 12, 3).missing(1, [1.0, 4.0, 7.0, 10.0]) == (0, 0)


def test_missing_updates_are_counted_up_to_the_last_that_came() -> None:
    assert HosePlan("scalar", 300, 3).missing(2, [8.0, 17.0]) == (4, 0)


def test_overtaken_updates_are_not_missing() -> None:
    assert HosePlan("scalar", 300, 1).missing(0, [0.0, 2.0, 1.0, 3.0]) == (0, 1)


@pytest.mark.parametrize("values", [[0.0, 0.0], [1.0, 4.0], [0.0, 30.0]])
def test_updates_that_were_not_sent_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="PV 0 of 3"):
        HosePlan("scalar", 30, 3).missing(0, values)


def test_value_with_the_time_of_another_is_refused() -> None:
    plan = HosePlan("scalar", 30, 3)
    plan.check_stamps([5.0], [plan.stamp(5)])
    with pytest.raises(ValueError, match=r"update 5.0"):
        plan.check_stamps([5.0], [plan.stamp(6) + 1e-6])


def test_encoded_updates_carry_number_time_and_subscription() -> None:
    plan = HosePlan("scalar", 20_000, 2)
    subscriptions = [
        Subscription(70, ChannelType.TIME_DOUBLE),
        Subscription(71, ChannelType.TIME_DOUBLE),
    ]
    stream = b"".join(chunks(plan, subscriptions))
    updates = list(UPDATE.iter_unpack(stream))
    assert len(updates) == 20_000
    second = FIRST_STAMP - EPICS2UNIX_EPOCH
    assert updates[0] == (1, 24, 20, 1, 1, 70, 0, 0, second, 0, 0.0)
    assert updates[19_999] == (1, 24, 20, 1, 1, 71, 0, 0, second, 19_999_000, 19_999.0)


def test_updates_without_time_are_encoded_as_well() -> None:
    stream = b"".join(chunks(HosePlan("scalar", 5, 1), [Subscription(3, ChannelType.DOUBLE)]))
    assert [DOUBLE.unpack_from(stream, start + 16)[0] for start in range(0, 120, 24)] == [
        0,
        1,
        2,
        3,
        4,
    ]


def test_paced_updates_come_in_pieces_of_one_for_each_pv() -> None:
    subscriptions = [Subscription(index, ChannelType.TIME_DOUBLE) for index in range(4)]
    pieces = list(chunks(HosePlan("paced", 12, 4), subscriptions))
    assert [len(piece) for piece in pieces] == [4 * UPDATE.size] * 3


def test_arrays_have_their_number_at_both_ends() -> None:
    pieces = chunks(HosePlan("array", 3, 1), [Subscription(9, ChannelType.TIME_DOUBLE)])
    ends = [
        (DOUBLE.unpack_from(piece, len(piece) - 8 * ARRAY_LENGTH)[0], DOUBLE.unpack(piece[-8:])[0])
        for piece in pieces
    ]
    assert ends == [(0.0, 0.0), (1.0, 1.0), (2.0, 2.0)]
