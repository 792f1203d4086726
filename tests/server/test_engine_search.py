"""Searches by datagram, and beacons."""

from __future__ import annotations

import pytest

from caproto import RemoteProtocolError
from caproto.server._engine.beacons import BeaconSchedule
from caproto.server._engine.search import SearchResponder
from tests.support.raw_messages import raw_message, split_messages

CLIENT = ("10.0.0.7", 40000)
KNOWN = {"x", "long:" + "n" * 900}


def responder(**kwargs: object) -> SearchResponder:
    return SearchResponder(KNOWN.__contains__, 5064, **kwargs)  # type: ignore[arg-type]


def search(name: str, cid: int = 7, version: int = 13, reply: int = 5) -> bytes:
    return raw_message(6, reply, version, cid, cid, name.encode() + b"\0")


def test_a_found_name_is_answered_with_the_sequence_number_of_the_client() -> None:
    (reply,) = responder().answer_datagram(
        bytes.fromhex(
            "0000 0000 0001 000d 00001234 00000000"  # VERSION, sequence number valid: 0x1234
            "0006 0008 0005 000d 00000007 00000007"  # SEARCH, no answer if not found, cid 7
        )
        + b"x".ljust(8, b"\0"),
        CLIENT,
    )
    assert (
        reply
        == bytes.fromhex(
            "0000 0000 0001 000d 00001234 00000000"
            "0006 0008 13c8 0000 ffffffff 00000007 000d 0000 0000 0000"  # port 5064, "where this is from"
        )
    )


def test_without_a_valid_sequence_number_zero_is_sent_back() -> None:
    (reply,) = responder().answer_datagram(raw_message(0, 0, 13, 0x1234) + search("x"), CLIENT)
    assert split_messages(reply)[0].p1 == 0


@pytest.mark.parametrize(("version", "commands"), [(11, [0, 6]), (10, [6]), (4, [6])])
def test_clients_before_sequence_numbers_get_no_version(version: int, commands: list[int]) -> None:
    (reply,) = responder().answer_datagram(
        raw_message(0, 0, version) + search("x", version=version), CLIENT
    )
    assert [each.command for each in split_messages(reply)] == commands


def test_clients_before_minor_version_4_get_no_answer() -> None:
    assert responder().answer_datagram(raw_message(0, 0, 3) + search("x", version=3), CLIENT) == []


@pytest.mark.parametrize("reply", [5, 10])
def test_an_unknown_name_is_never_answered_by_datagram(reply: int) -> None:
    assert (
        responder().answer_datagram(raw_message(0, 0, 13) + search("y", reply=reply), CLIENT) == []
    )


def test_a_datagram_without_a_search_is_not_answered() -> None:
    assert responder().answer_datagram(raw_message(0, 0, 13), CLIENT) == []
    assert responder().answer_datagram(b"", CLIENT) == []
    assert responder().answer_datagram(raw_message(13, 13, 5064, 1), CLIENT) == []


def test_only_the_names_found_are_answered_in_one_datagram() -> None:
    datagram = raw_message(0, 1, 13, 9) + b"".join(
        search(name, cid) for cid, name in enumerate(("x", "y", "x", "z"))
    )
    (reply,) = responder().answer_datagram(datagram, CLIENT)
    assert [(each.command, each.p2) for each in split_messages(reply)] == [(0, 0), (6, 0), (6, 2)]


def test_many_answers_are_spread_over_datagrams_that_travel_unfragmented() -> None:
    datagram = raw_message(0, 1, 13, 9) + b"".join(search("x", cid) for cid in range(200))
    replies = responder().answer_datagram(datagram, CLIENT)
    assert len(replies) == 4
    assert all(len(reply) <= 1472 for reply in replies)
    found = [split_messages(reply) for reply in replies]
    assert [each[0] for each in found] == [found[0][0]] * 4
    assert [each.p2 for reply in found for each in reply[1:]] == list(range(200))


def test_a_long_name_is_found() -> None:
    (reply,) = responder().answer_datagram(
        raw_message(0, 1, 13, 9) + search("long:" + "n" * 900), CLIENT
    )
    assert len(split_messages(reply)) == 2


def test_a_name_without_its_nul_loses_the_last_character_as_with_rsrv() -> None:
    assert responder().answer_datagram(raw_message(6, 5, 13, 7, 7, b"xyyyyyyy"), CLIENT) == []
    assert responder().answer_datagram(raw_message(6, 5, 13, 7, 7, b"x\0yyyyyy"), CLIENT) != []


def test_a_search_without_a_name_is_not_answered() -> None:
    assert responder().answer_datagram(raw_message(6, 5, 13, 7, 7), CLIENT) == []


def test_ignored_hosts_get_no_answer() -> None:
    ignoring = responder(ignored_hosts=["10.0.0.7"])
    datagram = raw_message(0, 1, 13, 9) + search("x")
    assert ignoring.answer_datagram(datagram, CLIENT) == []
    assert ignoring.answer_datagram(datagram, ("10.0.0.8", 1)) != []


@pytest.mark.parametrize(
    "datagram",
    [
        b"x",
        raw_message(0, 1, 13, 9) + search("x") + b"\0" * 15,
        raw_message(0, 1, 13, 9) + search("x")[:-1],
        bytes.fromhex("0006 ffff 0005 000d 00000007 00000007"),
    ],
)
def test_a_malformed_datagram_is_not_answered_at_all(datagram: bytes) -> None:
    with pytest.raises(RemoteProtocolError):
        responder().answer_datagram(datagram, CLIENT)


# --- beacons ---


def test_a_beacon_tells_version_port_and_number() -> None:
    schedule = BeaconSchedule(5064, 15.0, now=100.0)
    assert schedule.next_deadline() == 100.0
    assert schedule.beacon(100.0) == bytes.fromhex("000d 0000 000d 13c8 00000000 00000000")
    assert schedule.beacon(100.02) == bytes.fromhex("000d 0000 000d 13c8 00000001 00000000")


def test_beacons_begin_20_ms_apart_and_double_up_to_the_period() -> None:
    schedule = BeaconSchedule(5064, 15.0, now=0.0)
    now, gaps = 0.0, []
    for _ in range(13):
        schedule.beacon(now)
        gaps.append(schedule.next_deadline() - now)
        now = schedule.next_deadline()
    assert gaps == pytest.approx([*(0.02 * 2**n for n in range(10)), 15.0, 15.0, 15.0])


def test_a_short_period_is_kept_from_the_start() -> None:
    schedule = BeaconSchedule(5064, 0.01, now=0.0)
    schedule.beacon(0.0)
    assert schedule.next_deadline() == 0.01


def test_the_number_of_beacons_wraps() -> None:
    schedule = BeaconSchedule(5064, 15.0, now=0.0)
    schedule.beacon_id = 0xFFFFFFFF
    schedule.beacon(0.0)
    assert schedule.beacon_id == 0
