"""The repeater's rules (EPICS base, repeater.cpp; CA protocol specification, "CA repeater")."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from caproto._addresses import Address
from caproto._protocol.repeater import Repeater, Send

REGISTER = bytes.fromhex("0018 0000 0000 0000 00000000 7f000001")
CONFIRM = bytes.fromhex("0011 0000 0000 0000 00000000 7f000001")
NO_OP = bytes(16)
BEACON = bytes.fromhex("000d 0000 000d 13c8 00000005 00000000")
BEACON_FROM_LOOPBACK = bytes.fromhex("000d 0000 000d 13c8 00000005 7f000001")
BEACON_WITH_ADDRESS = bytes.fromhex("000d 0000 000d 13c8 00000005 01020304")

A = Address("127.0.0.1", 40001)
B = Address("127.0.0.1", 40002)
SERVER = Address("127.0.0.1", 5064)
HERE = "10.0.0.7"
ELSEWHERE = "10.0.0.8"


def repeater(*clients: Address) -> Repeater:
    """Make one that knows these clients."""
    made = Repeater(lambda host: host == HERE)
    for client in clients:
        made.receive(REGISTER, client)
    return made


def test_a_client_registers_by_a_message_and_is_answered() -> None:
    subject = repeater()
    assert subject.receive(REGISTER, A) == [Send(CONFIRM, A)]
    assert list(subject.clients.values()) == [A]


def test_a_client_registers_by_an_empty_datagram_too() -> None:
    assert repeater().receive(b"", A) == [Send(CONFIRM, A)]


def test_each_registration_is_felt_by_all_other_clients() -> None:
    subject = repeater(A)
    assert subject.receive(REGISTER, B) == [Send(CONFIRM, B), Send(NO_OP, A)]
    # also that of a client which is known
    assert subject.receive(b"", A) == [Send(CONFIRM, A), Send(NO_OP, B)]


def test_a_client_is_told_by_its_port_whatever_local_address_it_sends_from() -> None:
    subject = repeater(A)
    again = Address(HERE, A.port)
    assert subject.receive(REGISTER, again) == [Send(CONFIRM, A)]
    assert list(subject.clients.values()) == [A]


def test_a_client_on_an_interface_of_this_machine_gets_that_address_confirmed() -> None:
    client = Address(HERE, 40003)
    confirm = bytes.fromhex("0011 0000 0000 0000 00000000 0a000007")
    assert repeater().receive(REGISTER, client) == [Send(confirm, client)]


def test_only_clients_of_this_machine_can_register() -> None:
    subject = repeater(A)
    for datagram in (REGISTER, b""):
        assert subject.receive(datagram, Address(ELSEWHERE, 40003)) == []
    assert list(subject.clients.values()) == [A]


def test_a_beacon_goes_to_every_client_with_the_address_that_it_came_from() -> None:
    subject = repeater(A, B)
    expected = [Send(BEACON_FROM_LOOPBACK, A), Send(BEACON_FROM_LOOPBACK, B)]
    assert subject.receive(BEACON, SERVER) == expected


def test_a_beacon_that_names_its_server_is_not_changed() -> None:
    assert repeater(A).receive(BEACON_WITH_ADDRESS, SERVER) == [Send(BEACON_WITH_ADDRESS, A)]


def test_a_datagram_does_not_return_to_its_sender() -> None:
    subject = repeater(A, B)
    assert subject.receive(BEACON_WITH_ADDRESS, A) == [Send(BEACON_WITH_ADDRESS, B)]
    assert subject.receive(BEACON_WITH_ADDRESS, Address(HERE, A.port)) == [
        Send(BEACON_WITH_ADDRESS, B)
    ]


def test_a_server_elsewhere_may_have_the_port_number_of_a_client() -> None:
    server = Address(ELSEWHERE, A.port)
    assert repeater(A).receive(BEACON_WITH_ADDRESS, server) == [Send(BEACON_WITH_ADDRESS, A)]


def test_beacons_behind_other_messages_get_their_address_too() -> None:
    # VERSION, an unknown command with 8 bytes of payload, and two beacons
    unknown = bytes.fromhex("00ff 0008 0000 0000 00000000 00000000 0000000000000000")
    (send,) = repeater(A).receive(NO_OP + unknown + BEACON + BEACON, SERVER)
    assert send.datagram == NO_OP + unknown + BEACON_FROM_LOOPBACK * 2


def test_what_follows_a_registration_is_handed_on() -> None:
    subject = repeater(A)
    assert subject.receive(REGISTER + BEACON, B) == [
        Send(CONFIRM, B),
        Send(NO_OP, A),
        Send(BEACON_FROM_LOOPBACK, A),
    ]


def test_many_registrations_in_one_datagram_count_as_one() -> None:
    subject = repeater(A)
    sends = subject.receive(REGISTER * 4000, B)
    assert sends == [Send(CONFIRM, B), Send(NO_OP, A), Send(REGISTER * 3999, A)]


def test_a_datagram_too_short_for_a_message_is_dropped() -> None:
    subject = repeater(A)
    for size in range(1, 16):
        assert subject.receive(BEACON[:size], SERVER) == []


def test_unknown_commands_are_handed_on_unchanged() -> None:
    junk = b"\xee" * 40
    assert repeater(A).receive(junk, SERVER) == [Send(junk, A)]


def test_a_removed_client_gets_nothing_more() -> None:
    subject = repeater(A, B)
    subject.remove(A)
    subject.remove(A)
    assert [send.client for send in subject.receive(BEACON, SERVER)] == [B]


@given(st.lists(st.binary(max_size=80) | st.sampled_from([REGISTER, BEACON, REGISTER + BEACON])))
def test_no_datagram_whatever_raises_or_reaches_a_stranger(datagrams: list[bytes]) -> None:
    subject = repeater(A)
    for number, datagram in enumerate(datagrams):
        for send in subject.receive(datagram, Address("127.0.0.1", 50000 + number)):
            assert send.client in subject.clients.values()
            assert len(send.datagram) >= 16
