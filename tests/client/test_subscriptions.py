"""Subscriptions: what is asked for, what is delivered, and how they outlive their circuit."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from caproto._errors import CaprotoValueError, LocalProtocolError
from caproto._protocol.enums import ChannelType, SubscriptionType
from caproto._protocol.messages import (
    CreateChanRequest,
    ErrorResponse,
    EventAddRequest,
    EventAddResponse,
    EventCancelRequest,
    EventsOffRequest,
    EventsOnRequest,
    ReadNotifyRequest,
)
from tests.support.fakes import (
    FakeClient,
    FakeClock,
    FakeNetwork,
    FakeRecord,
    FakeServer,
    FakeSubscription,
    usual,
)


def cut(client: FakeClient, server: FakeServer) -> None:
    """Close the connection, and wait until everything is connected again."""
    clock, pvs = client.clock, list(client.engine.pvs.values())
    clock.run(10.0)
    server.connection.close()
    clock.run_until(lambda: not any(pv.connected for pv in pvs))
    clock.run_until(lambda: all(pv.connected for pv in pvs))
    clock.run(0.1)


# --- what is asked for ----------------------------------------------------------------------------------------------


def test_subscription_asks_for_value_alarm_and_property_by_default(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """Promise 45."""
    client.subscribe(client.connect("a"))
    clock.run(0.1)
    (request,) = server.connection.of(EventAddRequest)
    assert request.mask == (
        SubscriptionType.DBE_VALUE | SubscriptionType.DBE_ALARM | SubscriptionType.DBE_PROPERTY
    )
    assert (request.data_type, request.data_count, request.sid) == (6, 0, 101)
    assert (request.subscriptionid, request.low, request.high, request.to) == (0, 0.0, 0.0, 0.0)


def test_all_arguments_travel(client: FakeClient, clock: FakeClock, server: FakeServer) -> None:
    server.records["wave"] = FakeRecord(ChannelType.LONG, 10, [1, 2, 3, 4])
    pv = client.connect("wave")
    client.subscribe(pv, data_type="time", data_count=3, low=1.5, high=2.5, to=3.5, mask=1)
    clock.run(0.1)
    (request,) = server.connection.of(EventAddRequest)
    assert (request.data_type, request.data_count) == (ChannelType.TIME_LONG, 3)
    assert (request.low, request.high, request.to, request.mask) == (1.5, 2.5, 3.5, 1)


def test_subscription_to_a_pv_that_is_not_connected_waits_for_it(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    sub = client.subscribe(client.pv("a"))
    clock.run(1.0)
    assert sub.values == [0.0]
    assert sub.most_recent_response is sub.updates[0]


def test_server_before_4_13_is_asked_for_the_native_count(
    network: FakeNetwork, client: FakeClient, clock: FakeClock
) -> None:
    server = FakeServer(network, version=11)
    server.records["wave"] = FakeRecord(ChannelType.LONG, 10, [1, 2, 3])
    client.subscribe(client.connect("wave"))
    clock.run(0.1)
    assert server.connection.of(EventAddRequest)[0].data_count == 10


@pytest.mark.parametrize(
    "options",
    [
        {"mask": 0},
        {"mask": -1},
        {"mask": 0x10000},
        {"mask": "value"},
        {"low": 1e300},
        {"high": "much"},
        {"to": None},
    ],
)
def test_arguments_that_cannot_travel_are_refused_at_the_call(
    client: FakeClient, server: FakeServer, options: dict[str, Any]
) -> None:
    pv = client.connect("a")
    with pytest.raises(CaprotoValueError, match="'a'") as caught:
        client.subscribe(pv, **options)
    assert caught.value.pv_name == "a"


def test_subscription_that_the_channel_cannot_serve_is_logged_and_harms_nobody(
    client: FakeClient, clock: FakeClock, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    pv = client.pv("a")
    with caplog.at_level(logging.ERROR, "caproto.ch"):
        bad, good = client.subscribe(pv, data_count=5), client.subscribe(pv)
        clock.run(1.0)
    assert "data_count=5" in caplog.text
    assert (bad.values, good.values) == ([], [0.0])
    assert pv.connected


def test_circuit_cannot_subscribe_without_a_channel(client: FakeClient, server: FakeServer) -> None:
    pv = client.connect("a")
    circuit = pv.circuit
    assert circuit is not None
    client.engine.make_idle(pv)
    with pytest.raises(LocalProtocolError, match="'a'"):
        circuit.subscribe(FakeSubscription(pv))


def test_each_subscription_has_an_id_of_its_own(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv, other = client.connect("a"), client.connect("b")
    subs = [client.subscribe(pv), client.subscribe(pv), client.subscribe(other)]
    clock.run(0.1)
    assert [sub.subscriptionid for sub in subs] == [0, 1, 2]
    server.post("a", 1.0)
    server.post("b", 2.0)
    clock.run(0.1)
    assert [sub.values for sub in subs] == [[0.0, 1.0], [0.0, 1.0], [0.0, 2.0]]


# --- the end --------------------------------------------------------------------------------------------------------


def test_cancel_is_sent_with_the_type_of_the_request_and_its_confirmation_is_no_update(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """Protocol facts 42: the confirmation is an EVENT_ADD without payload."""
    sub = client.subscribe(client.connect("a"), data_type="time")
    clock.run(0.1)
    sub.stop()
    assert sub.subscriptionid is None
    clock.run(0.1)
    (request,) = server.connection.of(EventCancelRequest)
    assert (request.data_type, request.sid, request.subscriptionid) == (20, 101, 0)
    assert len(sub.updates) == 1
    assert sub.circuit is None


def test_late_updates_of_a_cancelled_subscription_are_dropped(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    sub, other = client.subscribe(pv), client.subscribe(pv)
    clock.run(0.1)
    server.post("a", 1.0)
    sub.stop()  # the update is on its way
    clock.run(0.1)
    server.connection.send(EventAddResponse([9.0], 6, 1, 1, 4711))
    clock.run(0.1)
    assert sub.values == [0.0]
    assert other.values == [0.0, 1.0]


def test_cancelling_twice_or_while_disconnected_sends_nothing(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """A C server closes the circuit when it is told to cancel what it does not know."""
    pv = client.connect("a")
    sub = client.subscribe(pv)
    circuit = pv.circuit
    assert circuit is not None
    clock.run(0.1)
    sub.stop()
    circuit.unsubscribe(sub)
    again = client.subscribe(pv)
    clock.run(0.1)
    server.stop()
    clock.run_until(lambda: not pv.connected)
    again.stop()
    server.start()
    clock.run_until(lambda: pv.connected)
    clock.run(0.1)
    assert len(server.connections[0].of(EventCancelRequest)) == 1
    assert server.connection.of(EventCancelRequest) == []
    assert server.connection.of(EventAddRequest) == []


def test_empty_update_of_a_plain_type_is_delivered(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """Protocol facts 35: its bytes are those of a cancel confirmation; libca and the original lose it."""
    server.records["wave"] = FakeRecord(ChannelType.LONG, 10, [1, 2])
    sub = client.subscribe(client.connect("wave"))
    clock.run(0.1)
    server.post("wave", [])
    clock.run(0.1)
    assert [len(message.data) for message in sub.updates] == [2, 0]


def test_failing_update_is_delivered_with_its_status(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """Protocol facts 41: the first update comes also without access, with ECA_NORDACCESS."""
    server.on(
        EventAddRequest,
        lambda connection, request: EventAddResponse([0.0], 6, 1, 368, request.subscriptionid),
    )
    sub = client.subscribe(client.connect("a"))
    clock.run(0.1)
    assert [message.status.name for message in sub.updates] == ["ECA_NORDACCESS"]


def test_refused_subscription_is_logged_and_never_cancelled(
    client: FakeClient, clock: FakeClock, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The server does not know it, and would close the circuit for a cancel."""
    server.on(
        EventAddRequest, lambda connection, request: ErrorResponse(request, 0, 168, "no room")
    )
    pv = client.connect("a")
    with caplog.at_level(logging.WARNING, "caproto.ch"):
        sub = client.subscribe(pv)
        clock.run(0.1)
    assert "ECA_ADDFAIL for 'a': no room" in caplog.text
    sub.stop()
    clock.run(0.1)
    assert server.connection.of(EventCancelRequest) == []
    server.script.clear()
    again = client.subscribe(pv)
    clock.run(0.1)
    assert again.values == [0.0]


def test_refused_subscription_is_tried_again_on_the_next_circuit(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    server.on(EventAddRequest, lambda connection, request: ErrorResponse(request, 0, 48, "memory"))
    sub = client.subscribe(client.connect("a"))
    clock.run(0.1)
    server.script.clear()
    cut(client, server)
    assert sub.values == [0.0]


def test_complaint_about_one_update_leaves_the_subscription_in_place(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    sub = client.subscribe(pv)
    clock.run(0.1)
    request = server.connection.of(EventAddRequest)[0]
    server.connection.send(ErrorResponse(request, 0, 72, "too large"))
    server.connection.send(ErrorResponse(EventAddRequest(6, 1, 1, 999, 0, 0, 0, 1), 0, 168, "?"))
    server.post("a", 1.0)
    clock.run(0.1)
    assert sub.values == [0.0, 1.0]
    sub.stop()
    clock.run(0.1)
    assert len(server.connection.of(EventCancelRequest)) == 1


# --- after a reconnection -------------------------------------------------------------------------------------------


def test_subscriptions_are_restored_with_the_type_and_count_that_were_asked_for(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    server.records["wave"] = FakeRecord(ChannelType.LONG, 10, [1, 2, 3, 4])
    pv = client.connect("wave")
    subs = [
        client.subscribe(pv),
        client.subscribe(pv, data_type="control", data_count=2),
        client.subscribe(pv, data_type=ChannelType.STRING, mask=SubscriptionType.DBE_LOG),
    ]
    clock.run(0.1)
    before = [bytes(request)[16:] for request in server.connection.of(EventAddRequest)]
    kinds = [
        (request.data_type, request.data_count) for request in server.connection.of(EventAddRequest)
    ]
    server.records["wave"].value = [5, 6]
    cut(client, server)
    assert len(server.connections) == 2
    after = server.connection.of(EventAddRequest)
    assert [bytes(request)[16:] for request in after] == before
    assert [(request.data_type, request.data_count) for request in after] == kinds
    assert [list(sub.updates[-1].data) for sub in subs] == [[5, 6], [5, 6], [b"5", b"6"]]
    assert [len(sub.updates) for sub in subs] == [2, 2, 2]


def test_native_subscription_follows_a_pv_whose_type_has_changed(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """Protocol facts 45."""
    pv = client.connect("a")
    native, status = client.subscribe(pv), client.subscribe(pv, data_type="status")
    fixed = client.subscribe(pv, data_type=ChannelType.DOUBLE)
    clock.run(0.1)
    server.records["a"] = FakeRecord(ChannelType.STRING, 1, ["2.5"])
    server.on(
        EventAddRequest,
        lambda connection, request: None if request.data_type == 6 else usual(connection, request),
    )
    cut(client, server)
    kinds = [request.data_type for request in server.connection.of(EventAddRequest)]
    assert kinds == [ChannelType.STRING, ChannelType.STS_STRING, ChannelType.DOUBLE]
    assert native.values == [0.0, "2.5"]
    assert status.values == [0.0, "2.5"]
    assert fixed.values == [0.0]


def test_subscription_to_more_elements_than_are_left_is_logged_and_comes_back_later(
    client: FakeClient, clock: FakeClock, server: FakeServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.records["wave"] = FakeRecord(ChannelType.LONG, 10, list(range(10)))
    pv = client.connect("wave")
    long, short = client.subscribe(pv, data_count=8), client.subscribe(pv, data_count=2)
    clock.run(0.1)
    server.records["wave"] = FakeRecord(ChannelType.LONG, 5, list(range(5)))
    with caplog.at_level(logging.ERROR, "caproto.ch"):
        cut(client, server)
    assert "data_count=8" in caplog.text
    assert (len(long.updates), len(short.updates)) == (1, 2)
    server.records["wave"] = FakeRecord(ChannelType.LONG, 10, list(range(10)))
    cut(client, server)
    assert (len(long.updates), len(short.updates)) == (2, 3)


def test_cancelled_subscription_is_not_restored(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    gone, kept = client.subscribe(pv), client.subscribe(pv)
    clock.run(0.1)
    gone.stop()
    cut(client, server)
    assert len(server.connection.of(EventAddRequest)) == 1
    assert (len(gone.updates), len(kept.updates)) == (1, 2)


def test_subscription_nobody_wants_any_more_is_not_restored(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    sub = client.subscribe(client.connect("a"))
    sub.sinks = ()
    cut(client, server)
    assert server.connection.of(EventAddRequest) == []


def test_callback_that_goes_idle_at_the_connection_gets_no_subscription(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """The shell may do anything when it is told of the connection."""
    pv = client.pv("a")
    sub = client.subscribe(pv)
    told = pv.on_connected

    def leave() -> None:
        told()
        sub.sinks = ()
        client.engine.make_idle(pv)
        sub.sinks = (lambda sub, message: None,)

    pv.on_connected = leave  # type: ignore[method-assign]
    clock.run(1.0)
    assert server.connection.of(EventAddRequest) == []
    assert len(server.connection.of(CreateChanRequest)) == 1


# --- events off and on ----------------------------------------------------------------------------------------------


def test_updates_are_suspended_for_as_long_as_there_is_a_reason(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """Promise 54, and flow control: several consumers may be slow at the same time."""
    pv = client.connect("a")
    sub = client.subscribe(pv)
    clock.run(0.1)
    circuit = pv.circuit
    assert circuit is not None
    circuit.suspend("user")
    circuit.suspend("slow")
    assert circuit.suspended
    for value in (1.0, 2.0, 3.0):
        clock.run(0.1)
        server.post("a", value)
    reading = client.read(pv)
    circuit.resume("user")
    circuit.resume("unknown")
    clock.run(0.1)
    assert sub.values == [0.0]
    assert reading.result.value == 3.0  # reads go on
    circuit.resume("slow")
    circuit.resume("slow")
    clock.run(0.1)
    assert sub.values == [0.0, 3.0]  # the newest only
    server.post("a", 4.0)
    clock.run(0.1)
    assert sub.values == [0.0, 3.0, 4.0]
    assert len(server.connection.of(EventsOffRequest)) == 1
    assert len(server.connection.of(EventsOnRequest)) == 1


def test_reason_to_suspend_while_the_connection_is_made_is_told_with_the_greeting(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.pv("a")
    clock.run_until(lambda: pv.circuit is not None)
    circuit = pv.circuit
    assert circuit is not None
    circuit.suspend("early")
    circuit.suspend("withdrawn")
    circuit.resume("withdrawn")
    clock.run_until(lambda: pv.connected)
    assert len(server.connection.of(EventsOffRequest)) == 1
    circuit.resume("early")
    clock.run(0.1)
    assert len(server.connection.of(EventsOnRequest)) == 1


def test_reason_withdrawn_before_the_connection_stands_is_never_told(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.pv("a")
    clock.run_until(lambda: pv.circuit is not None)
    assert pv.circuit is not None
    pv.circuit.suspend("early")
    pv.circuit.resume("early")
    clock.run_until(lambda: pv.connected)
    assert server.connection.of(EventsOffRequest) == server.connection.of(EventsOnRequest) == []


def test_suspension_does_not_survive_the_circuit(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """Protocol facts 46."""
    pv = client.connect("a")
    sub = client.subscribe(pv)
    clock.run(0.1)
    old = pv.circuit
    assert old is not None
    old.suspend("slow")
    cut(client, server)
    assert server.connection.of(EventsOffRequest) == []
    server.post("a", 1.0)
    clock.run(0.1)
    assert sub.values[-1] == 1.0
    old.resume("slow")  # the consumer does not know yet
    clock.run(0.1)
    assert server.connection.of(EventsOnRequest) == []


# --- chunks ---------------------------------------------------------------------------------------------------------


class Runner:
    """What a shell adds to a circuit to be told at the end of each chunk."""

    def __init__(self) -> None:
        self.chunks: list[int] = []

    def flush(self, circuit: Any, nbytes: int) -> None:
        self.chunks.append(nbytes)


def test_runners_are_told_once_per_chunk_how_much_came(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    client.subscribe(pv)
    clock.run(0.1)
    assert pv.circuit is not None
    runner = Runner()
    pv.circuit.runners.append(runner)
    update = EventAddResponse([1.0], 6, 1, 1, 0)
    server.connection.send(*[update] * 10)
    server.connection.send(update)
    clock.run(0.1)
    assert runner.chunks == [240, 24]


def test_large_payload_received_in_place_is_one_message(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """The shell may receive the rest of a large payload straight into its buffer."""
    server.records["image"] = FakeRecord(ChannelType.CHAR, 200_000, [7] * 200_000)
    pv = client.connect("image")
    server.ignore(ReadNotifyRequest)
    waiter = client.read(pv, timeout=60.0)
    clock.run(0.1)
    circuit = pv.circuit
    assert circuit is not None
    runner = Runner()
    circuit.runners.append(runner)
    request = server.connection.of(ReadNotifyRequest)[0]
    reply = usual(server.connection, request)
    data, before = bytes(reply), circuit.bytes_in  # type: ignore[arg-type]
    circuit.feed(data[:1000], clock.now)
    assert circuit.stream.expects_large
    position = 1000
    while position < len(data):
        clock.run(1.0)
        room = circuit.stream.large_room()
        size = min(len(room), 65_536)
        room[:size] = data[position : position + size]
        room.release()
        position += size
        assert circuit.large_received(size, clock.now) is (position == len(data))
    assert bytes(waiter.result.data) == b"\7" * 200_000
    assert circuit.health.last_bytes == clock.now
    assert sum(runner.chunks) == len(data) == circuit.bytes_in - before
