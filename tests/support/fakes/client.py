"""The shell around the client engine, in memory: the fake counterpart of an asyncio Context and its broadcaster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from caproto._env import ClientSettings
from caproto._protocol.enums import AccessRights, Command
from caproto._protocol.messages import EventAddResponse
from caproto.client.broadcast import BroadcastEngine
from caproto.client.circuit import Circuit
from caproto.client.engine import ClientEngine
from caproto.client.pv import DataType, PVCore
from caproto.client.requests import Request
from caproto.client.search import Address, SearchEngine, Seeker
from caproto.client.subscription import SubscriptionCore
from caproto.client.waits import Wait

from .clock import FakeTimer
from .network import FakeNetwork

__all__ = ["FakeClient", "FakePV", "FakeSubscription", "FakeWaiter"]

_NEVER = float("inf")


class FakeWaiter:
    """Somebody who waits; nobody may be answered twice."""

    def __init__(self) -> None:
        self.result: Any = None
        self.error: Any = None
        self.answered = False
        self.cancelled = False

    def done(self) -> bool:
        return self.answered or self.cancelled

    def set_result(self, result: Any, /) -> None:
        assert not self.done()
        self.answered, self.result = True, result

    def set_exception(self, exception: Any, /) -> None:
        assert not self.done()
        self.answered, self.error = True, exception


class FakePV(PVCore):
    """
    A PV that remembers what it is told.

    Attributes
    ----------
    events : list
        Of 'found', 'connected', 'disconnected', 'closed' and access rights.
    """

    def __init__(self, name: str, priority: int, engine: ClientEngine) -> None:
        super().__init__(name, priority, engine)
        self.events: list[Any] = []
        self.waits: list[Wait] = []

    def on_found(self) -> None:
        self.events.append("found")
        self._end_waits([wait for wait in self.waits if wait.for_search])

    def on_connected(self) -> None:
        self.events.append("connected")
        self._end_waits(list(self.waits))

    def on_disconnected(self) -> None:
        self.events.append("disconnected")

    def on_access_rights(self, rights: AccessRights) -> None:
        self.events.append(rights)

    def on_closed(self) -> None:
        self.events.append("closed")

    @property
    def states(self) -> list[str]:
        """What a connection state callback would have been told."""
        return [event for event in self.events if event in ("connected", "disconnected")]

    def _end_waits(self, waits: list[Wait]) -> None:
        for wait in waits:
            self.waits.remove(wait)
            wait.fulfil(self)


class FakeSubscription(SubscriptionCore):
    """A subscription that keeps its updates."""

    def __init__(self, pv: PVCore, **options: Any) -> None:
        options = {"low": 0.0, "high": 0.0, "to": 0.0, "mask": None, **options}
        super().__init__(
            pv, options.pop("data_type", None), options.pop("data_count", None), **options
        )
        self.updates: list[EventAddResponse] = []

    @property
    def values(self) -> list[Any]:
        """The values of the updates."""
        return [message.value for message in self.updates]

    def start(self) -> None:
        """Want updates."""
        self.sinks = (lambda sub, message: self.updates.append(message),)
        pv = self.pv
        if pv.subscriptions is None:
            pv.subscriptions = []
        if self not in pv.subscriptions:
            pv.subscriptions.append(self)
        pv.engine.activate(pv)
        pv.engine.subscribe(self)

    def stop(self) -> None:
        """Want no more."""
        self.sinks = ()
        if self.circuit is not None:
            self.circuit.unsubscribe(self)
        assert self.pv.subscriptions is not None
        self.pv.subscriptions.remove(self)


class FakeClient:
    """
    A client: Host and Searcher of an engine.

    Parameters
    ----------
    network
    **environment
        As of a process: ``EPICS_CA_CONN_TMO="10"``.

    Attributes
    ----------
    callbacks : list of (PV, message)
        What was handed to callbacks of reads and writes.
    polls : int
        How often the searches were polled because their deadline had come.
    flushes : int
        How often a circuit was flushed at the end of a turn.
    """

    def __init__(self, network: FakeNetwork, **environment: str) -> None:
        self.network = network
        self.clock = network.clock
        self.address: Address = ("10.9.9.9", 40000)
        settings = ClientSettings.from_environ(environment)
        self.search = SearchEngine(settings.max_search_period, settings.stale_search_expiration)
        self.broadcast = BroadcastEngine(self.search, settings.server_port)
        self.engine = ClientEngine(self, self, settings, "host", "user")
        self.broadcast.on_beacon.append(
            lambda address, anomaly: self.engine.on_beacon(address, anomaly, self.clock.now)
        )
        self.callbacks: list[tuple[PVCore, Any]] = []
        self.polls = 0
        self.flushes = 0
        self.wakes = 0
        self._poll_soon = False
        self._search_timer: FakeTimer | None = None
        self._engine_timer: FakeTimer | None = None

    # --- what a program does ------------------------------------------------------------------------------------------

    def pv(self, name: str, priority: int = 0) -> FakePV:
        """Return the PV of that name; it is searched if it is new."""
        pv = self.engine.pvs.get((name, priority))
        if pv is None:
            pv = self.engine.pvs[(name, priority)] = FakePV(name, priority, self.engine)
            self.engine.activate(pv)
        assert isinstance(pv, FakePV)
        return pv

    def connect(self, name: str, priority: int = 0) -> FakePV:
        """Return a connected PV."""
        pv = self.pv(name, priority)
        self.clock.run_until(lambda: pv.connected)
        return pv

    def wait(self, pv: FakePV, timeout: float | None = 2.0, for_search: bool = False) -> FakeWaiter:
        """Wait for the connection, or only for an address."""
        waiter = FakeWaiter()
        deadline = _NEVER if timeout is None else self.clock.now + timeout
        wait = Wait(pv, for_search, waiter, deadline, timeout)
        pv.waits.append(wait)
        self.engine.add_wait(wait)
        return waiter

    def read(
        self,
        pv: PVCore,
        timeout: float | None = 2.0,
        data_type: DataType = None,
        data_count: int | None = None,
        notify: bool = True,
        callback: Callable[[Any], Any] | None = None,
    ) -> FakeWaiter:
        """Read a connected PV."""
        waiter = FakeWaiter()
        self.request(pv, waiter, timeout, data_type, data_count, notify, callback)
        return waiter

    def request(
        self,
        pv: PVCore,
        waiter: FakeWaiter | None,
        timeout: float | None = 2.0,
        data_type: DataType = None,
        data_count: int | None = None,
        notify: bool = True,
        callback: Callable[[Any], Any] | None = None,
    ) -> Request:
        """Send a read and return the engine's record of it."""
        command = Command.READ_NOTIFY if notify else Command.READ
        request = Request(
            int(command),
            pv,
            pv.open_channel.readable_type(data_type),
            pv.open_channel.readable_count(data_count, notify),
            b"",
            waiter,
            callback,
            _NEVER if timeout is None else self.clock.now + timeout,
            timeout,
        )
        assert pv.circuit is not None
        pv.circuit.issue(request)
        return request

    def write(
        self,
        pv: PVCore,
        data: Any,
        timeout: float | None = 2.0,
        waiter: FakeWaiter | None = None,
        callback: Callable[[Any], Any] | None = None,
    ) -> FakeWaiter:
        """Write to a connected PV and ask for confirmation."""
        if waiter is None:
            waiter = FakeWaiter()
        wire_type, count, payload = pv.open_channel.write_body(data, None, None)
        request = Request(
            int(Command.WRITE_NOTIFY),
            pv,
            wire_type,
            count,
            payload,
            None if callback is not None else waiter,
            callback,
            _NEVER if timeout is None else self.clock.now + timeout,
            timeout,
        )
        assert pv.circuit is not None
        pv.circuit.issue(request)
        return waiter

    def subscribe(self, pv: PVCore, **options: Any) -> FakeSubscription:
        """Subscribe, now or when the PV is connected."""
        sub = FakeSubscription(pv, **options)
        sub.start()
        return sub

    def close(self) -> None:
        """Disconnect for good."""
        self.engine.close(self.clock.now)

    # --- Searcher -----------------------------------------------------------------------------------------------------

    def start_search(self, name: str, seeker: Seeker, delay: float = 0.0) -> None:
        self.search.search(name, seeker, self.clock.now, delay)
        self.poll_at_end_of_turn()

    def leave_search(self, name: str, seeker: Seeker) -> None:
        self.search.forget(name, seeker)

    def describe_search(self, name: str) -> str:
        search = self.search.get(name)
        return f"It was asked for {0 if search is None else search.attempts} times."

    def search_again(self) -> None:
        """Ask for everything again, as a new call of get_pvs does."""
        self.search.boost(self.clock.now)
        self.poll_at_end_of_turn()

    def cancel(self, pv: PVCore) -> None:
        """Stop to look for the name of a PV, whoever asked for it."""
        self.search.cancel(pv.name)
        self.engine.cancel_search(pv)

    def poll_at_end_of_turn(self) -> None:
        if not self._poll_soon:
            self._poll_soon = True
            self.clock.call_soon(self.poll)

    def poll(self) -> None:
        """Send what is due and plan the next time. After it nothing is due: that would be a busy loop."""
        self._poll_soon = False
        now = self.clock.now
        for datagram in self.search.poll(now):
            self.network.broadcast(datagram, self)
        if self._search_timer is not None:
            self._search_timer.cancel()
            self._search_timer = None
        deadline = self.search.next_deadline()
        assert deadline > now, "the searches ask to be polled again at once"
        if deadline < _NEVER:
            self._search_timer = self.clock.call_at(deadline, self._poll_in_time)

    def _poll_in_time(self) -> None:
        self.polls += 1
        self.poll()

    def receive_datagram(self, data: bytes, sender: Any) -> None:
        """Take a datagram."""
        self.broadcast.on_datagram(data, sender.address, self.clock.now)
        self.poll_at_end_of_turn()

    # --- Host ---------------------------------------------------------------------------------------------------------

    def open_circuit(self, circuit: Circuit) -> None:
        self.network.connect(circuit)

    def close_circuit(self, circuit: Circuit) -> None:
        if circuit.manager is not None:
            circuit.manager.closed_by_client()

    def flush_soon(self, circuit: Circuit) -> None:
        def flush() -> None:
            self.flushes += 1
            circuit.flush()

        self.clock.call_soon(flush)

    def wake_at(self, deadline: float) -> None:
        if self._engine_timer is not None:
            self._engine_timer.cancel()
        self._engine_timer = self.clock.call_at(deadline, self._on_timer)

    def _on_timer(self) -> None:
        self._engine_timer = None
        self.wakes += 1
        self.engine.on_timer(self.clock.now)

    def run_callback(self, pv: PVCore, callback: Callable[[Any], Any], message: Any) -> None:
        self.callbacks.append((pv, message))
        callback(message)
