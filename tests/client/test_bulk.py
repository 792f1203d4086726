"""Reads and writes of many PVs in one call."""

from __future__ import annotations

from typing import Any

import pytest

from caproto._errors import CaprotoTimeoutError, CAStatusError, DisconnectedError
from caproto._protocol.enums import ChannelType, Command
from caproto._protocol.messages import (
    ErrorResponse,
    ReadNotifyRequest,
    ReadNotifyResponse,
    WriteNotifyRequest,
    WriteNotifyResponse,
)
from caproto.client.bulk import BulkCall
from caproto.client.pv import PVState
from tests.support.fakes import (
    FakeClient,
    FakeClock,
    FakeNetwork,
    FakePV,
    FakeRecord,
    FakeServer,
    FakeWaiter,
)


@pytest.fixture
def pvs(network: FakeNetwork, client: FakeClient) -> list[FakePV]:
    """Twenty PVs on two servers; the value of each is its number."""
    made = []
    for index in range(2):
        names = [f"pv:{number}" for number in range(index, 20, 2)]
        server = FakeServer(network, names, (f"10.0.1.{index}", 5064))
        for name in names:
            server.records[name].value = [float(name[3:])]
        made.append(server)
    pvs = [client.pv(f"pv:{number}") for number in range(20)]
    client.clock.run_until(lambda: all(pv.connected for pv in pvs))
    client.clock.run(1.0)
    return pvs


def servers(network: FakeNetwork) -> list[FakeServer]:
    return list(network.servers.values())


def bulk_read(client: FakeClient, pvs: list[FakePV], timeout: float | None = 2.0) -> BulkCall:
    deadline = float("inf") if timeout is None else client.clock.now + timeout
    call = BulkCall(int(Command.READ_NOTIFY), len(pvs), FakeWaiter(), deadline, timeout)
    for position, pv in enumerate(pvs):
        channel = pv.open_channel
        call.ask(pv, position, (channel.readable_type(None), channel.readable_count(None), b""))
    call.send()
    return call


def bulk_write(client: FakeClient, pvs: list[FakePV], values: list[Any]) -> BulkCall:
    deadline = client.clock.now + 2.0
    call = BulkCall(int(Command.WRITE_NOTIFY), len(pvs), FakeWaiter(), deadline, 2.0)
    for position, (pv, value) in enumerate(zip(pvs, values, strict=True)):
        call.ask(pv, position, pv.open_channel.write_body(value, None, None))
    call.send()
    return call


def test_results_come_in_the_order_of_the_pvs_with_one_send_per_circuit(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, pvs: list[FakePV]
) -> None:
    call = bulk_read(client, pvs)
    assert all(pv.busy for pv in pvs)
    clock.run_until(call.waiter.done)
    assert [message.value for message in call.results] == [float(number) for number in range(20)]
    assert [len(server.connection.writes) for server in servers(network)] == [2, 2]
    assert not any(pv.busy for pv in pvs)


def test_ioids_are_shared_with_single_requests(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, pvs: list[FakePV]
) -> None:
    client.read(pvs[0])
    bulk_read(client, pvs)
    client.read(pvs[0])
    clock.run(0.1)
    requests = servers(network)[0].connection.of(ReadNotifyRequest)
    assert [request.ioid for request in requests] == list(range(12))


def test_writes_are_confirmed_one_by_one(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, pvs: list[FakePV]
) -> None:
    call = bulk_write(client, pvs, [number * 10.0 for number in range(20)])
    clock.run_until(call.waiter.done)
    assert all(isinstance(message, WriteNotifyResponse) for message in call.results)
    assert servers(network)[1].records["pv:7"].value == [70.0]


def test_large_arrays_travel_with_extended_headers(
    network: FakeNetwork, client: FakeClient, clock: FakeClock
) -> None:
    server = FakeServer(network)
    server.records["wave"] = FakeRecord(ChannelType.DOUBLE, 10_000)
    pv = client.connect("wave")
    call = bulk_write(client, [pv], [list(range(10_000))])
    clock.run_until(call.waiter.done)
    assert server.records["wave"].value[-1] == 9_999.0
    assert server.connection.of(WriteNotifyRequest)[0].payload_size == 80_000


@pytest.mark.parametrize("counts", [(1, 1, 1), (1, 3, 0), (1, 70_000, 2)])
def test_requests_are_the_same_together_as_one_by_one(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, counts: tuple[int, ...]
) -> None:
    """Protocol facts: a count from 65,535 on needs the extended header; the others keep the short one."""
    server = FakeServer(network)
    for index in range(3):
        server.records[f"wave:{index}"] = FakeRecord(ChannelType.LONG, 100_000)
    pvs = [client.connect(f"wave:{index}") for index in range(3)]
    call = BulkCall(int(Command.READ_NOTIFY), 3, FakeWaiter(), clock.now + 2.0, 2.0)
    types = (ChannelType.LONG, ChannelType.TIME_LONG, ChannelType.LONG)
    for position, (pv, kind, count) in enumerate(zip(pvs, types, counts, strict=True)):
        call.ask(pv, position, (kind, count, b""))
    call.send()
    clock.run_until(call.waiter.done)
    assert [result.data_type for result in call.results] == list(types)
    asked = server.connection.of(ReadNotifyRequest)
    assert [(request.data_type, request.data_count) for request in asked] == [
        *zip(types, counts, strict=True)
    ]
    assert [request.sid for request in asked] == [pv.open_channel.sid for pv in pvs]


def test_failures_are_results_of_their_pvs_only(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, pvs: list[FakePV]
) -> None:
    """Epics-base pull request 503: one missing PV must not fail a whole list."""
    for server in servers(network):

        def react(connection: Any, request: ReadNotifyRequest) -> Any:
            if request.ioid == 1:
                return ReadNotifyResponse([0.0], 6, 1, 368, request.ioid)
            if request.ioid == 2:
                return ErrorResponse(request, 0, 176, "no such count")
            return ReadNotifyResponse([1.0], 6, 1, 1, request.ioid)

        server.on(ReadNotifyRequest, react)
    call = bulk_read(client, pvs)
    clock.run_until(call.waiter.done)
    errors = [result for result in call.results if isinstance(result, CAStatusError)]
    assert [error.pv_name for error in errors] == ["pv:2", "pv:3", "pv:4", "pv:5"]
    assert [error.status.name for error in errors] == ["ECA_NORDACCESS"] * 2 + ["ECA_BADCOUNT"] * 2
    assert sum(isinstance(result, ReadNotifyResponse) for result in call.results) == 16


def test_last_result_may_be_a_failure(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, pvs: list[FakePV]
) -> None:
    for server in servers(network):
        server.on(
            ReadNotifyRequest,
            lambda connection, request: ReadNotifyResponse([0.0], 6, 1, 152, request.ioid),
        )
    call = bulk_read(client, pvs)
    clock.run_until(call.waiter.done)
    assert all(isinstance(result, CAStatusError) for result in call.results)


def test_each_pv_that_does_not_answer_in_time_gets_its_own_timeout(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, pvs: list[FakePV]
) -> None:
    silent = servers(network)[1]
    silent.ignore(ReadNotifyRequest)
    call = bulk_read(client, pvs, timeout=1.0)
    clock.run_until(call.waiter.done)
    for number, result in enumerate(call.results):
        assert isinstance(result, CaprotoTimeoutError if number % 2 else ReadNotifyResponse)
    assert f"channel named {pvs[7].name!r} within 1.0-second timeout" in str(call.results[7])
    assert "ioid of the expected response is 3." in str(call.results[7])


def test_reads_survive_a_dead_circuit_and_writes_do_not(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, pvs: list[FakePV]
) -> None:
    server = servers(network)[0]
    server.ignore(ReadNotifyRequest, WriteNotifyRequest)
    read, write = bulk_read(client, pvs[::2]), bulk_write(client, pvs[::2], [1.0] * 10)
    clock.run(0.1)
    server.script.clear()
    server.connection.close()
    clock.run_until(lambda: read.waiter.done() and write.waiter.done())
    assert all(isinstance(result, ReadNotifyResponse) for result in read.results)
    assert all(isinstance(result, DisconnectedError) for result in write.results)


def test_call_that_was_given_up_leaves_nothing_behind(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, pvs: list[FakePV]
) -> None:
    for server in servers(network):
        server.ignore(ReadNotifyRequest)
    waiter = FakeWaiter()
    call = bulk_read(client, pvs)
    call.waiter = waiter
    waiter.cancelled = True
    for pv in pvs:
        client.engine.make_idle(pv)
    assert all(pv.connected for pv in pvs)
    client.engine.forget_abandoned(clock.now)
    assert all(pv.state is PVState.IDLE for pv in pvs)
    assert all(circuit.pending == [] for circuit in client.engine.circuits.values())


def test_late_reply_to_a_call_that_was_given_up_is_dropped(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, pvs: list[FakePV]
) -> None:
    waiter = FakeWaiter()
    call = bulk_read(client, pvs)
    call.waiter = waiter
    waiter.cancelled = True
    clock.run(1.0)
    assert waiter.result is None
    assert not any(pv.busy for pv in pvs)


def test_idle_waits_for_a_bulk_read(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, pvs: list[FakePV]
) -> None:
    """Promise 48."""
    call = bulk_read(client, pvs)
    client.engine.make_idle(pvs[4])
    assert pvs[4].connected
    clock.run_until(call.waiter.done)
    clock.run(0.1)
    assert pvs[4].state is PVState.IDLE


def test_ioids_of_a_call_that_does_not_fit_before_the_wrap_start_from_0(
    network: FakeNetwork, client: FakeClient, clock: FakeClock, pvs: list[FakePV]
) -> None:
    """And they skip whatever is outstanding there."""
    server = servers(network)[0]
    server.ignore(ReadNotifyRequest)
    early = client.read(pvs[0], timeout=None)  # 0 stays outstanding
    clock.run(0.1)
    server.script.clear()
    circuit = pvs[0].circuit
    assert circuit is not None
    circuit._next_ioid = 0xFFFFFFFC
    call = bulk_read(client, pvs[::2])
    clock.run_until(call.waiter.done)
    assert [result.value for result in call.results] == [
        float(number) for number in range(0, 20, 2)
    ]
    ioids = [request.ioid for request in server.connection.of(ReadNotifyRequest)][1:]
    assert 0 not in ioids
    assert ioids == list(range(ioids[0], ioids[0] + 10))
    assert not early.done()
