"""`caproto.sync.shark`: the messages in a capture, in order, with the PV that each is about."""

from __future__ import annotations

import errno
import io
import random
import socket
import sys
from collections.abc import Iterator
from typing import Any

import dpkt
import pytest

import caproto as ca
from caproto.sync.shark import (
    NEED_DATA,
    ClearChannelRequestOrResponse,
    EchoRequestOrResponse,
    EventAddRequestOrResponse,
    bytes_needed_for_command,
    infer_command_class,
    one_way_commands,
    read_datagram,
    read_from_bytestream,
    shark,
)
from tests.support import CIoc, run_libca

from .captures import CLIENT, RST, SERVER, Capture, Recorder

DOUBLE = ca.ChannelType.TIME_DOUBLE
TIME = ca.DBR_TYPES[DOUBLE](timestamp=1_700_000_000.0)


def exchange() -> Iterator[tuple[bool, ca.Message, str | None]]:
    """Yield a whole conversation: whether the client says it, what, and about which PV."""
    yield True, ca.VersionRequest(priority=0, version=13), None
    yield True, ca.HostNameRequest("host"), None
    yield True, ca.ClientNameRequest("user"), None
    yield True, ca.CreateChanRequest("a:pv", cid=7, version=13), "a:pv"
    yield True, ca.CreateChanRequest("b:pv", cid=8, version=13), "b:pv"
    yield False, ca.VersionResponse(13), None
    yield False, ca.AccessRightsResponse(cid=7, access_rights=ca.AccessRights.WRITE), "a:pv"
    yield False, ca.CreateChanResponse(ca.ChannelType.DOUBLE, 1, cid=7, sid=70), "a:pv"
    yield False, ca.CreateChFailResponse(cid=8), "b:pv"
    yield True, ca.ReadNotifyRequest(DOUBLE, 1, sid=70, ioid=1), "a:pv"
    yield False, ca.ReadNotifyResponse([1.5], DOUBLE, 1, 1, ioid=1, metadata=TIME), "a:pv"
    yield True, ca.WriteNotifyRequest([2.5], ca.ChannelType.DOUBLE, 1, sid=70, ioid=2), "a:pv"
    yield False, ca.WriteNotifyResponse(ca.ChannelType.DOUBLE, 1, 1, ioid=2), "a:pv"
    yield True, ca.WriteRequest([3.5], ca.ChannelType.DOUBLE, 1, sid=70, ioid=7), "a:pv"
    yield True, ca.EventAddRequest(DOUBLE, 1, 70, 3, 0, 0, 0, mask=13), "a:pv"
    yield False, ca.EventAddResponse([2.5], DOUBLE, 1, 1, 3, metadata=TIME), "a:pv"
    yield True, ca.EventCancelRequest(DOUBLE, 70, 3), "a:pv"
    yield True, ca.EchoRequest(), None
    yield False, ca.EchoResponse(), None
    yield True, ca.ClearChannelRequest(sid=70, cid=7), "a:pv"
    yield False, ca.ClearChannelResponse(sid=70, cid=7), "a:pv"


WANTED = [(type(message), name, client) for client, message, name in exchange()]


def seen(capture: Capture | io.BytesIO, **how: Any) -> list[tuple[type, str | None, bool]]:
    file = capture.file() if isinstance(capture, Capture) else capture
    return [(type(found.command), found.pv_name, found.from_client) for found in shark(file, **how)]


def write_exchange(capture: Capture, client: Any = CLIENT, server: Any = SERVER) -> None:
    capture.connect(client, server)
    for from_client, message, _ in exchange():
        capture.send(*((client, server) if from_client else (server, client)), message)
    capture.close(client, server)


@pytest.mark.parametrize(
    ("writer", "link"),
    [
        (dpkt.pcap.Writer, dpkt.pcap.DLT_EN10MB),
        (dpkt.pcap.Writer, dpkt.pcap.DLT_NULL),
        (dpkt.pcap.Writer, dpkt.pcap.DLT_LINUX_SLL),
        (dpkt.pcap.Writer, dpkt.pcap.DLT_RAW),
        (dpkt.pcapng.Writer, dpkt.pcap.DLT_EN10MB),
    ],
)
def test_every_message_with_its_pv_in_every_format(writer: Any, link: int) -> None:
    capture = Capture(writer, link)
    write_exchange(capture)
    assert seen(capture) == WANTED


def test_the_fields_of_what_is_found() -> None:
    capture = Capture()
    write_exchange(capture)
    found = next(one for one in shark(capture.file()) if one.pv_name)
    assert (found.src, found.src_port, found.dst, found.dst_port) == (*CLIENT, *SERVER)
    assert found.timestamp == pytest.approx(1_700_000_000.006)
    assert found.transport.dport == 5064
    assert type(found.ip).__name__ == "IP"
    assert type(found.ethernet).__name__ == "Ethernet"


def test_ipv6_is_shown_as_well() -> None:
    capture = Capture(link=dpkt.pcap.DLT_RAW)
    write_exchange(capture, ("fe80::1", 40000), ("fe80::2", 5064))
    assert seen(capture) == WANTED


def test_segments_cut_anywhere_repeated_and_out_of_order() -> None:
    random_ = random.Random(4)
    capture = Capture()
    capture.connect()
    for from_client in (True, False):
        ends = (CLIENT, SERVER) if from_client else (SERVER, CLIENT)
        data = b"".join(
            bytes(message) for client, message, _ in exchange() if client == from_client
        )
        start, pieces, offset = capture.sequence(*ends), [], 0
        while offset < len(data):
            size = random_.randint(1, 40)
            pieces.append((start + offset, data[offset : offset + size]))
            offset += size
        pieces += random_.sample(pieces, 5)
        pieces.append((start + 10, data[10:100]))  # overlaps others
        for index in range(0, len(pieces) - 3, 3):
            pieces[index : index + 3] = reversed(pieces[index : index + 3])
        for sequence, piece in pieces:
            capture.segment(*ends, piece, sequence=sequence)
    found = seen(capture)
    assert [one[0] for one in found if one[2]] == [one[0] for one in WANTED if one[2]]
    assert [one[0] for one in found if not one[2]] == [one[0] for one in WANTED if not one[2]]


def test_searches_and_their_answers() -> None:
    capture = Capture()
    version = ca.VersionRequest(priority=0, version=13)
    everyone = ("10.0.0.255", 5064)
    capture.udp(
        CLIENT, everyone, version, ca.SearchRequest("a:pv", 1, 13), ca.SearchRequest("b:pv", 2, 13)
    )
    capture.udp(SERVER, CLIENT, ca.VersionResponse(13), ca.SearchResponse(6000, None, 2, 13))
    capture.udp(SERVER, CLIENT, ca.NotFoundResponse(13, 1))
    capture.udp(SERVER, ("10.0.0.255", 5065), ca.Beacon(13, 6000, 1, "0.0.0.0"))
    assert seen(capture) == [
        (ca.VersionRequest, None, True),
        (ca.SearchRequest, "a:pv", True),
        (ca.SearchRequest, "b:pv", True),
        (ca.VersionResponse, None, False),
        (ca.SearchResponse, "b:pv", False),
        (ca.NotFoundResponse, "a:pv", False),
        (ca.Beacon, None, False),
    ]


def test_a_server_on_another_port_is_known_from_its_answer() -> None:
    capture = Capture()
    capture.udp(CLIENT, SERVER, ca.SearchRequest("a:pv", 1, 13))
    capture.udp(SERVER, CLIENT, ca.SearchResponse(6000, None, 1, 13))
    # The beginning of the connection was not captured.
    capture.send(CLIENT, (SERVER[0], 6000), ca.CreateChanRequest("a:pv", 1, 13))
    assert seen(capture)[-1] == (ca.CreateChanRequest, "a:pv", True)


def test_a_connection_whose_beginning_was_not_captured() -> None:
    for port, how in ((5064, {}), (7777, {"ports": [7777]}), (7777, {})):
        capture = Capture()
        server = (SERVER[0], port)
        capture.send(CLIENT, server, b"the middle of something")
        capture.send(CLIENT, server, ca.HostNameRequest("host"))
        capture.send(CLIENT, server, ca.CreateChanRequest("a:pv", 1, 13))
        capture.send(server, CLIENT, ca.AccessRightsResponse(1, ca.AccessRights.READ))
        assert seen(capture, **how) == [
            (ca.HostNameRequest, None, True),
            (ca.CreateChanRequest, "a:pv", True),
            (ca.AccessRightsResponse, "a:pv", False),
        ]


def test_after_bytes_that_the_capture_lost_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caproto._capture.flow._MOST_EARLY", 40)
    capture = Capture()
    capture.connect()
    capture.send(CLIENT, SERVER, ca.VersionRequest(priority=0, version=13))
    capture.skip(CLIENT, SERVER, 16)
    for cid in range(4):
        capture.send(CLIENT, SERVER, ca.CreateChanRequest(f"pv{cid}", cid, 13))
    assert [name for _, name, _ in seen(capture)] == [None, "pv0", "pv1", "pv2", "pv3"]


def test_nonsense_in_a_stream_is_passed_over() -> None:
    capture = Capture()
    capture.connect()
    capture.send(CLIENT, SERVER, ca.VersionRequest(priority=0, version=13))
    capture.send(CLIENT, SERVER, ca.EchoRequest(), b"\xff" * 32)
    capture.send(CLIENT, SERVER, b"\x00\x1b" + bytes(14))  # a command that clients do not send
    capture.send(CLIENT, SERVER, ca.HostNameRequest("host"))
    assert [one[0] for one in seen(capture)] == [
        ca.VersionRequest,
        ca.EchoRequest,
        ca.HostNameRequest,
    ]


def test_other_traffic_is_left_out() -> None:
    capture = Capture()
    web = ("10.0.0.7", 80)
    capture.connect(CLIENT, web)
    capture.send(CLIENT, web, b"GET / HTTP/1.1\r\nHost: somewhere\r\n\r\n")
    capture.segment(web, CLIENT, b"", flags=RST)
    capture.send(CLIENT, ("10.0.0.7", 22), b"\x00\x00\x00\x14" + bytes(20))
    capture.udp(CLIENT, ("10.0.0.7", 53), b"\x12\x34 a name server's business")
    capture.udp(CLIENT, ("10.0.0.7", 53), bytes(16))
    capture.udp(CLIENT, SERVER, b"\x00\x63" + bytes(14))
    capture.packet(b"\x45 too short")
    capture.packet(bytes(dpkt.ip.IP(src=bytes(4), dst=bytes(4), p=1, data=b"ping" * 4)))
    assert seen(capture) == []


def test_a_new_connection_with_the_ends_of_an_old_one() -> None:
    capture = Capture()
    write_exchange(capture)
    write_exchange(capture)
    assert seen(capture) == WANTED * 2


@pytest.mark.parametrize("data", [b"", b"not a capture at all", b"\x0a\x0d\x0d\x0a"])
def test_a_file_that_is_no_capture(data: bytes) -> None:
    with pytest.raises(ca.CaprotoValueError, match="no capture in the format pcap"):
        list(shark(io.BytesIO(data)))


def test_a_kind_of_link_that_is_not_known() -> None:
    capture = Capture(link=147)
    with pytest.raises(ca.CaprotoValueError, match="links of kind 147"):
        list(shark(capture.file()))


def test_without_dpkt_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dpkt", None)
    with pytest.raises(ca.CaprotoRuntimeError, match=r"pip install 'caproto\[shark\]'"):
        list(shark(io.BytesIO(b"")))


def test_a_stream_that_cannot_be_rewound_is_read_as_it_comes() -> None:
    capture = Capture()
    write_exchange(capture)

    class Pipe:
        def __init__(self, data: bytes) -> None:
            self._file = io.BytesIO(data)

        def read(self, size: int) -> bytes:
            return self._file.read(min(size, 7))

    assert seen(Pipe(capture.data)) == WANTED  # type: ignore[arg-type]


_PROGRAM = """
import asyncio, json
from aioca import caget, caput, camonitor, purge_channel_caches
async def main():
    await caget(["IO:ai", "IO:wf:long"])
    await caput("IO:ao", 1.5, wait=True)
    got = asyncio.Event()
    subscription = camonitor("IO:longin", lambda value: got.set())
    await got.wait()
    purge_channel_caches()
    print(json.dumps(True))
asyncio.run(main())
"""


@pytest.mark.interop
def test_the_real_traffic_of_libca_and_a_c_ioc(c_ioc: CIoc) -> None:
    if not hasattr(socket, "AF_PACKET"):
        pytest.skip("only Linux records its loopback interface this way")
    try:
        recorder = Recorder([c_ioc.port])
    except PermissionError:
        pytest.skip("recording the loopback interface takes root's rights")
    except OSError as error:  # a sandbox without packet sockets
        if error.errno not in (errno.EAFNOSUPPORT, errno.ENODEV):
            raise
        pytest.skip("there are no packet sockets here")
    with recorder:
        run_libca(_PROGRAM, env=c_ioc.client_env())
    found = seen(recorder.file(), ports=[c_ioc.port])
    kinds = {kind for kind, _, _ in found}
    assert {
        ca.SearchRequest,
        ca.SearchResponse,
        ca.CreateChanResponse,
        ca.ReadNotifyResponse,
        ca.WriteNotifyRequest,
        ca.EventAddResponse,
    } <= kinds
    nameless = {kind for kind, name, _ in found if name is None}
    assert nameless <= {
        ca.VersionRequest,
        ca.VersionResponse,
        ca.HostNameRequest,
        ca.ClientNameRequest,
        ca.EchoRequest,
        ca.EchoResponse,
        ca.ReadSyncRequest,
        ca.EventsOffRequest,
        ca.EventsOnRequest,
    }
    assert {"IO:ai", "IO:wf:long", "IO:ao", "IO:longin"} == {name for _, name, _ in found if name}


# --- one message, without knowing who sent it ---------------------------------------------------------------------


def test_the_class_of_each_message_by_its_header_alone() -> None:
    alike = {
        ca.ClearChannelRequest: ClearChannelRequestOrResponse,
        ca.ClearChannelResponse: ClearChannelRequestOrResponse,
        ca.EchoRequest: EchoRequestOrResponse,
        ca.EchoResponse: EchoRequestOrResponse,
        ca.EventAddRequest: EventAddRequestOrResponse,
        ca.VersionRequest: ca.VersionResponse,  # of priority 0
    }
    data = b""
    for _, message, _ in exchange():
        wanted = alike.get(type(message), type(message))
        assert infer_command_class(message.header) is wanted
        data += bytes(message)
    assert infer_command_class(ca.VersionRequest(1, 13).header) is ca.VersionRequest
    assert infer_command_class(ca.SearchRequest("a", 1, 13).header) is ca.SearchRequest
    assert infer_command_class(ca.SearchResponse(1, None, 1, 13).header) is ca.SearchResponse
    assert infer_command_class(ca.ReadRequest(6, 1, 1, 1).header) is ca.ReadRequest
    assert infer_command_class(ca.EventCancelResponse(6, 1, 1, 1).header) is ca.EventCancelResponse
    assert ca.Beacon not in one_way_commands.values()
    assert infer_command_class(ca.Beacon(13, 1, 1, "0.0.0.0").header) is ca.Beacon
    with pytest.raises(KeyError):
        infer_command_class((99, 0, 0, 0, 0, 0))
    commands = []
    while data:
        data, command, missing = read_from_bytestream(data)
        assert missing == 0
        commands.append(bytes(command))
    assert commands == [bytes(message) for _, message, _ in exchange()]


def test_how_much_of_a_message_is_missing() -> None:
    large = bytes(ca.ReadNotifyResponse(range(20_000), ca.ChannelType.LONG, 20_000, 1, 1))
    assert bytes_needed_for_command(large[:10]) == (None, 6)
    assert bytes_needed_for_command(large[:16]) == (None, 8)
    head, missing = bytes_needed_for_command(large[:100])
    assert head == (15, 80_000, 5, 20_000, 1, 1, True)
    assert missing == len(large) - 100
    assert read_from_bytestream(large[:100]) == (large[:100], NEED_DATA, missing)
    rest, command, missing = read_from_bytestream(large + b"more")
    assert (rest, missing, command.data_count) == (b"more", 0, 20_000)


def test_the_messages_of_a_datagram() -> None:
    data = bytes(ca.SearchRequest("a:pv", 1, 13)) + bytes(ca.Beacon(13, 5064, 1, "0.0.0.0"))
    one, two = read_datagram(data, ("10.0.0.5", 5))
    assert (type(one), one.name, one.sender_address) == (ca.SearchRequest, "a:pv", ("10.0.0.5", 5))  # type: ignore[attr-defined]
    assert type(two) is ca.Beacon
    with pytest.raises(ca.RemoteProtocolError):
        read_datagram(data[:-1], ("10.0.0.5", 5))
