"""Timeouts that say where the time went."""

from __future__ import annotations

from caproto._errors import (
    CaprotoTimeoutError,
)
from caproto._protocol.messages import (
    CreateChanRequest,
    ReadNotifyRequest,
    ReadNotifyResponse,
    ReadRequest,
    WriteNotifyRequest,
)
from tests.support.fakes import (
    FakeClient,
    FakeClock,
    FakeServer,
    FakeWaiter,
)


def test_timeout_of_a_reply_says_who_did_not_answer_what_and_for_how_long(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    """Promise 23: the wording of the page, and then what helps."""
    server.ignore(ReadNotifyRequest)
    pv = client.connect("a")
    clock.run(1.0)
    waiter = client.read(pv, timeout=2.0)
    seconds = clock.run_until(waiter.done)
    assert 2.0 <= seconds < 2.05
    error = waiter.error
    assert isinstance(error, CaprotoTimeoutError)
    assert str(error).startswith(
        "Server at 10.0.0.1:5064 did not respond to attempt to read channel named 'a' within 2.0-second timeout. "
        "The ioid of the expected response is 0."
    )
    assert "sent nothing for 3.0 s" in str(error)
    assert (error.pv_name, error.address) == ("a", server.address)
    assert (error.stage, error.timeout) == ("reply", 2.0)


def test_timeout_of_a_write_and_of_a_deprecated_read(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    server.ignore(WriteNotifyRequest, ReadRequest)
    pv = client.connect("a")
    write, read = client.write(pv, 1, timeout=0.5), client.read(pv, notify=False, timeout=0.5)
    patient = client.read(pv, timeout=5.0)
    clock.run(1.0)
    assert "attempt to write to channel named 'a' within 0.5-second" in str(write.error)
    assert "attempt to read channel named 'a' within 0.5-second" in str(read.error)
    assert patient.result is not None


def test_timeout_before_anything_was_found_says_so(client: FakeClient, clock: FakeClock) -> None:
    pv = client.pv("nobody")
    connection = client.wait(pv, timeout=1.0)
    search = client.wait(pv, timeout=1.5, for_search=True)
    clock.run(2.0)
    assert str(connection.error).startswith(
        "<PV name='nobody' priority=0 (searching....)> could not connect within 1.0-second timeout."
    )
    assert "No servers responded to a search" in str(connection.error)
    assert "It was asked for 6 times." in str(connection.error)
    assert (connection.error.stage, connection.error.timeout) == ("search", 1.0)
    assert str(search.error).startswith(
        "No servers responded to a search for a channel named 'nobody' within 1.5-second timeout."
    )
    assert search.error.stage == "search"


def test_timeout_while_the_connection_is_made_says_so(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    server.tcp = "ignore"
    pv = client.pv("a")
    waiter = client.wait(pv, timeout=1.0)
    found = client.wait(pv, for_search=True)
    clock.run(1.5)
    assert found.error is None
    text = str(waiter.error)
    assert "could not connect within 1.0-second timeout" in text
    assert "10.0.0.1:5064 answered the search, but a TCP connection to it is not made yet" in text
    assert "firewall" in text
    assert waiter.error.stage == "connect"
    assert waiter.error.address == server.address


def test_timeout_while_the_channel_is_made_says_so(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    server.ignore(CreateChanRequest)
    pv = client.pv("a")
    waiter = client.wait(pv, timeout=1.0)
    clock.run(1.5)
    assert "owes 1 channels" in str(waiter.error)
    assert waiter.error.stage == "create"


def test_timeout_of_an_idle_pv_names_it(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.connect("a")
    client.engine.make_idle(pv)
    waiter = client.wait(pv, timeout=1.0)
    clock.run(1.5)
    assert str(waiter.error) == (
        "<PV name='a' priority=0 (idle)> could not connect within 1.0-second timeout."
    )
    assert waiter.error.stage is None


def test_waits_end_with_what_they_wait_for(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    pv = client.pv("a")
    search, connection = client.wait(pv, for_search=True), client.wait(pv, timeout=None)
    clock.run_until(search.done)
    assert pv.states == []
    clock.run_until(connection.done)
    assert pv.states == ["connected"]
    clock.run(10.0)
    assert search.error is connection.error is None


def test_wait_that_was_cancelled_is_not_told(client: FakeClient, clock: FakeClock) -> None:
    waiter = client.wait(client.pv("nobody"), timeout=1.0)
    waiter.cancelled = True
    clock.run(2.0)
    assert waiter.error is None


def test_timeouts_cost_one_look_each_20_ms_at_most(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    server.ignore(ReadNotifyRequest)
    pv = client.connect("a")
    clock.run(1.0)
    waiters = [client.read(pv, timeout=1.0 + number / 1000) for number in range(1000)]
    wakes = client.wakes
    clock.run(2.5)
    assert all(waiter.error is not None for waiter in waiters)
    assert client.wakes - wakes < 60


def test_timeout_none_waits_for_ever(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    server.ignore(ReadNotifyRequest)
    pv = client.connect("a")
    waiter = client.read(pv, timeout=None)
    clock.run(10_000.0)
    assert not waiter.done()
    server.connection.send(ReadNotifyResponse([1.0], 6, 1, 1, 0))
    clock.run(0.1)
    assert waiter.result.value == 1.0


def test_request_that_was_given_up_is_forgotten(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    server.ignore(ReadNotifyRequest)
    pv = client.connect("a")
    waiter = FakeWaiter()
    request = client.request(pv, waiter, timeout=None)
    waiter.cancelled = True
    client.engine.forget(request)
    client.engine.forget(request)
    assert pv.circuit is not None
    assert pv.circuit.pending == []
    assert not pv.busy
    server.connection.send(ReadNotifyResponse([1.0], 6, 1, 1, 0))
    clock.run(0.1)
    assert waiter.result is None


def test_request_whose_waiter_went_away_silently_is_swept_up(
    client: FakeClient, clock: FakeClock, server: FakeServer
) -> None:
    server.ignore(ReadNotifyRequest)
    pv = client.connect("a")
    waiter = client.read(pv, timeout=1.0)
    waiter.cancelled = True
    client.read(pv, timeout=0.5)
    clock.run(0.6)
    assert pv.circuit is not None
    assert pv.circuit.pending == []
