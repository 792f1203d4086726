"""One client's circuit: greeting, channels, and the commands about neither values nor updates."""

from __future__ import annotations

import logging

import pytest

from caproto import AccessRights, RemoteProtocolError
from caproto.server._engine.limits import ClientLimits
from caproto.server.data import ChannelChar, ChannelDouble, ChannelInteger
from tests.server.fake_shell import VERSION_13, Client
from tests.support.raw_messages import raw_message, split_messages

VERSION_REQUEST = bytes.fromhex("0000 0000 0000 000d 00000000 00000000")
CLIENT_NAME = bytes.fromhex("0014 0008 0000 0000 00000000 00000000") + b"ada\0\0\0\0\0"
HOST_NAME = bytes.fromhex("0015 0010 0000 0000 00000000 00000000") + b"lovelace".ljust(16, b"\0")
CREATE_X = bytes.fromhex("0012 0008 0000 0000 00000029 0000000d") + b"x".ljust(8, b"\0")


def test_the_version_is_sent_before_anything_was_received() -> None:
    client = Client({}, greet=False)
    client.shell.turn()
    assert client.taken() == VERSION_13


def test_the_clients_version_is_not_answered() -> None:
    client = Client({}, greet=False)
    client.turn()
    client.taken()
    assert client.tell(VERSION_REQUEST, CLIENT_NAME, HOST_NAME, VERSION_REQUEST) == []
    assert client.circuit.client_name == "ada"
    assert client.circuit.host_name == "lovelace"


def test_a_channel_is_opened_with_access_rights_first() -> None:
    client = Client({"x": ChannelDouble(value=[1.0, 2.0], max_length=7)})
    client.circuit.feed(CREATE_X)
    assert client.taken() == bytes.fromhex(
        "0016 0000 0000 0000 00000029 00000003"  # ACCESS_RIGHTS: cid 41, read and write
        "0012 0000 0006 0007 00000029 00000001"  # CREATE_CHAN: DOUBLE, 7 elements, cid 41, sid 1
    )


def test_sids_differ_and_are_reused_only_after_all_others() -> None:
    client = Client({"x": ChannelDouble(value=1.0)})
    assert [client.create("x", cid) for cid in range(3)] == [1, 2, 3]
    client.tell(raw_message(12, p1=2, p2=1))
    assert client.create("x") == 4
    client.circuit._last_sid = 0xFFFFFFFF
    assert client.create("x") == 2


def test_the_count_of_a_large_array_comes_in_an_extended_header() -> None:
    client = Client({"x": ChannelDouble(value=1.0, max_length=70000)})
    sent = client.tell(CREATE_X)
    assert sent[1].data_count == 70000


def test_a_client_that_knows_no_extended_headers_gets_a_count_that_fits() -> None:
    client = Client({"x": ChannelDouble(value=1.0, max_length=70000)})
    sent = client.tell(raw_message(18, p1=1, p2=8, payload=b"x\0"))
    assert sent[1].data_count == 0xFFFE


def test_an_unknown_name_fails_and_leaves_no_channel() -> None:
    client = Client({})
    client.circuit.feed(CREATE_X)
    assert client.taken() == bytes.fromhex("001a 0000 0000 0000 00000029 00000000")
    assert client.circuit.channels == {}


def test_read_only_rights_are_told() -> None:
    class ReadOnly(ChannelInteger):
        def check_access(self, hostname: str, username: str) -> AccessRights:
            assert (hostname, username) == ("lovelace", "ada")
            return AccessRights.READ

    client = Client({"x": ReadOnly(value=1)})
    assert client.tell(CREATE_X)[0].p2 == AccessRights.READ


def test_clearing_a_channel_is_confirmed_with_both_ids() -> None:
    client = Client({"x": ChannelDouble(value=1.0)})
    sid = client.create("x", 41)
    client.circuit.feed(bytes.fromhex("000c 0000 0000 0000 00000001 00000029"))
    assert client.taken() == bytes.fromhex("000c 0000 0000 0000 00000001 00000029")
    assert sid not in client.circuit.channels


@pytest.mark.parametrize("command", [1, 2, 3, 4, 12, 15, 19])
def test_an_unknown_sid_is_complained_about_and_ends_the_circuit(command: int) -> None:
    client = Client({"x": ChannelDouble(value=1.0)})
    client.create("x")
    request = raw_message(command, 6, 1, 99, 5, bytes(16))
    with pytest.raises(RemoteProtocolError, match="sid 99"):
        client.circuit.feed(request)
    (error,) = split_messages(client.taken())
    assert (error.command, error.p2) == (11, 142)  # ECA_INTERNAL
    assert error.payload.startswith(request[:16])


def test_an_error_carries_the_header_of_the_request() -> None:
    client = Client({"x": ChannelDouble(value=1.0)})
    client.create("x")
    (error,) = client.tell(CLIENT_NAME)
    assert error.command == 11
    assert error.p1 == 0xFFFFFFFF
    assert error.p2 == 142  # ECA_INTERNAL
    assert error.payload.startswith(CLIENT_NAME[:16])
    assert b"names must come before channels\0" in error.payload
    assert client.circuit.client_name == "ada"


def test_an_error_carries_an_extended_header_as_it_came() -> None:
    client = Client({"x": ChannelDouble(value=1.0)})
    sid = client.create("x")
    request = raw_message(4, 6, 3, sid, 1, bytes(8), extended=True)
    (error,) = client.tell(request)
    assert error.payload.startswith(request[:24])


def test_a_host_name_after_the_first_channel_is_refused() -> None:
    client = Client({"x": ChannelDouble(value=1.0)})
    client.create("x")
    (error,) = client.tell(HOST_NAME)
    assert (error.command, error.p2) == (11, 142)


def test_names_may_come_again_when_all_channels_are_closed() -> None:
    client = Client({"x": ChannelDouble(value=1.0)})
    sid = client.create("x")
    client.tell(raw_message(12, p1=sid, p2=1))
    assert client.tell(raw_message(20, payload=b"bob\0")) == []
    assert client.circuit.client_name == "bob"


def test_echo_and_read_sync_are_returned_as_they_came() -> None:
    client = Client({})
    echo = bytes.fromhex("0017 0000 0000 0000 00000000 00000000")
    echo_with_payload = bytes.fromhex("0017 0008 0000 0000 00000000 00000000") + b"12345678"
    sync = bytes.fromhex("000a 0000 0001 0002 00000003 00000004")
    client.circuit.feed(echo + sync + echo_with_payload)
    assert client.taken() == echo + sync + echo_with_payload


def test_all_answers_to_one_chunk_leave_in_one_write() -> None:
    client = Client({"x": ChannelDouble(value=1.0)})
    client.circuit.feed(CREATE_X * 20)
    assert len(client.shell.writes) == 1


@pytest.mark.parametrize("priority", [100, 65535])
def test_a_priority_beyond_99_ends_the_circuit(priority: int) -> None:
    client = Client({})
    with pytest.raises(RemoteProtocolError, match="priority"):
        client.tell(raw_message(0, priority, 13))


def test_the_priority_is_kept() -> None:
    client = Client({})
    client.tell(raw_message(0, 99, 13))
    assert client.circuit.priority == 99


def test_a_client_older_than_minor_version_4_is_refused() -> None:
    with pytest.raises(RemoteProtocolError, match=r"4\.3"):
        Client({}).tell(raw_message(0, 0, 3))
    with pytest.raises(RemoteProtocolError, match=r"4\.3"):
        Client({}).tell(raw_message(18, p1=1, p2=3, payload=b"x\0"))


def test_a_client_newer_than_we_is_spoken_to_in_our_version() -> None:
    client = Client({})
    client.tell(raw_message(0, 0, 20))
    assert client.circuit.version == 13


@pytest.mark.parametrize("command", [5, 7, 11, 13, 14, 16, 17, 22, 24, 25, 26, 27])
def test_a_command_that_clients_do_not_send_ends_the_circuit(command: int) -> None:
    with pytest.raises(RemoteProtocolError, match=f"command {command}"):
        Client({}).tell(raw_message(command))


def test_a_search_over_tcp_is_answered_without_payload_and_with_our_address() -> None:
    client = Client({"x": ChannelDouble(value=1.0)})
    client.circuit.feed(
        bytes.fromhex("0006 0008 0005 000d 00000007 00000007") + b"x".ljust(8, b"\0")
    )
    assert client.taken() == bytes.fromhex("0006 0000 13c8 0000 ffffffff 00000007")


def test_a_failed_search_over_tcp_is_answered_only_if_asked_to() -> None:
    client = Client({})
    payload = b"nobody\0"
    assert client.tell(raw_message(6, 5, 13, 7, 7, payload)) == []
    client.circuit.feed(raw_message(6, 10, 13, 7, 7, payload))
    assert client.taken() == bytes.fromhex("000e 0000 000a 000d 00000007 00000007")


def test_names_that_are_no_text_are_unknown() -> None:
    client = Client({"x": ChannelDouble(value=1.0)})
    assert [
        s.command for s in client.tell(raw_message(18, p1=1, p2=13, payload=b"\xff\xfe\0"))
    ] == [26]
    assert [s.command for s in client.tell(raw_message(18, p1=1, p2=13))] == [26]


def test_the_number_of_channels_can_be_limited() -> None:
    client = Client({"x": ChannelDouble(value=1.0)}, limits=ClientLimits(max_channels=1))
    client.create("x")
    error, failure = client.tell(CREATE_X)
    assert (error.command, error.p1, error.p2) == (11, 41, 48)  # ECA_ALLOCMEM
    assert (failure.command, failure.p1) == (26, 41)
    client.tell(raw_message(12, p1=1, p2=1))
    client.create("x")


def test_nothing_is_sent_after_the_end() -> None:
    data = ChannelDouble(value=1.0)
    client = Client({"x": data})
    sid = client.create("x")
    client.subscribe(sid)
    client.circuit.close()
    client.circuit.close()
    data.publish_now(1)
    client.circuit.send(b"x")
    client.circuit.send_large(b"x", b"y")
    client.circuit.feed(raw_message(15, 6, 1, sid, 1))
    client.turn()
    assert client.taken() == b""
    assert data.source is not None
    assert not data.source.subscriptions


def test_what_has_gathered_is_sent_at_the_end_but_not_into_a_lost_connection() -> None:
    for lost in (False, True):
        data = ChannelDouble(value=1.0)
        client = Client({"x": data})
        client.subscribe(client.create("x"))
        data.publish_now(1)
        client.circuit.close(lost=lost)
        assert bool(client.taken()) is not lost


def test_long_error_texts_are_cut() -> None:
    client = Client({})
    client.circuit.send_error((11, 0, 0, 0, 0, 0), 1, 142, "x" * 10000)
    (error,) = client.turn()
    assert len(error.payload) == 16 + 512


def test_val_names_the_pv_itself() -> None:
    client = Client({"x": ChannelDouble(value=1.0)})
    client.create("x.VAL")
    assert [s.command for s in client.tell(raw_message(18, p1=1, p2=13, payload=b"x.DESC\0"))] == [
        26
    ]
    assert [s.command for s in client.tell(raw_message(18, p1=1, p2=13, payload=b"y.VAL\0"))] == [
        26
    ]


def test_a_pv_whose_fields_cannot_be_looked_up_is_unknown(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(ChannelDouble):
        def get_field(self, field: str) -> ChannelDouble:
            if field == "GOOD":
                return self
            if field == "MISSING":
                raise KeyError(field)
            raise ZeroDivisionError

    client = Client({"x": Broken(value=1.0)})
    client.create("x.GOOD")
    for field in ("MISSING", "BAD"):
        payload = f"x.{field}\0".encode()
        assert [s.command for s in client.tell(raw_message(18, p1=1, p2=13, payload=payload))] == [
            26
        ]
    assert "x.BAD" in caplog.text
    assert "x.MISSING" not in caplog.text


def test_messages_are_logged_in_both_directions_when_asked_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = Client({"x": ChannelChar(value="a" * 20000)})
    caplog.set_level(logging.DEBUG, "caproto.circ")
    sid = client.create("x")
    client.tell(raw_message(15, 4, 0, sid, 1))
    text = caplog.text
    assert "CreateChanRequest(name='x', cid=1, version=13)" in text
    assert "AccessRightsResponse" in text
    assert "20000 bytes of payload" in text
    with pytest.raises(RemoteProtocolError):
        client.tell(raw_message(22))
    assert "command 22" in caplog.text
    caplog.set_level(logging.INFO, "caproto.circ")
    caplog.clear()
    client.create("x")
    assert caplog.text == ""


def test_logging_may_be_turned_on_for_a_client_that_does_not_keep_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = Client({})
    client.circuit.pause()
    caplog.set_level(logging.DEBUG, "caproto.circ")
    assert client.tell(raw_message(23)) == []
    client.circuit.resume()
    assert client.turn() != []
    assert "EchoRequest" in caplog.text
