"""The client's UDP socket: searches, beacons and the repeater."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from typing import TYPE_CHECKING, Any

from .._addresses import is_ipv4
from .._collector import NoCollection
from .._env import ClientSettings
from .._errors import CaprotoRuntimeError
from .._net import search_destinations
from .._protocol.messages import Message
from .._sockets import search_socket
from ..client.broadcast import BroadcastEngine
from ..client.search import Address, SearchEngine, Seeker
from ._current_loop import current_loop
from ._tasks import start_task

if TYPE_CHECKING:
    from ._nameserver import NameServerLink

__all__ = ["SharedBroadcaster"]

logger = logging.getLogger("caproto.bcast")
search_logger = logging.getLogger("caproto.bcast.search")

_MAX_DATAGRAM = 65535
_RECEIVE_BUFFER = 1 << 20  # bytes; answers to thousands of names arrive within milliseconds
_SPAWN_AFTER = 0.5  # seconds without an answer from a repeater
_REGISTER_ANEW = 60.0  # seconds after which a registration is renewed
_NEVER = float("inf")


def spawn_repeater(port: int) -> bool:
    """Start a repeater; what is needed for that is loaded only when there is none."""
    from .._repeater_process import spawn_repeater as spawn

    return spawn(port)


class SharedBroadcaster:
    """A broadcaster client which can be shared among multiple Contexts.

    It must be made within the event loop that uses it, or at the prompt of IPython.

    Parameters
    ----------
    registration_retry_time : float, optional
        The time, in seconds, between attempts made to register with the repeater. Default is 10.

    Raises
    ------
    CaprotoRuntimeError
        If no event loop is running.
    """

    def __init__(self, *, registration_retry_time: float = 10.0) -> None:
        try:
            self._loop: asyncio.AbstractEventLoop = current_loop()
        except RuntimeError:
            raise CaprotoRuntimeError(
                "A Context or SharedBroadcaster must be instantiated in the event loop it is to be used in: make "
                "it within a coroutine"
            ) from None
        self.settings: ClientSettings = ClientSettings.from_environ()
        self.registration_retry_time = registration_retry_time
        self.results: SearchEngine = SearchEngine(
            self.settings.max_search_period, self.settings.stale_search_expiration
        )
        self.engine: BroadcastEngine = BroadcastEngine(self.results, self.settings.server_port)
        self.listeners: set[Any] = set()
        self._errors: dict[Address, int] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._wake = _NEVER
        self._poll_soon = False
        self._attempts = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self.closed: bool = False
        self._sock = search_socket(self.settings.mcast_ttl)
        try:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        except OSError:
            pass  # a smaller one works, with more retries
        self._buffer = memoryview(bytearray(_MAX_DATAGRAM))
        try:
            self._loop.add_reader(self._sock, self._readable)
        except NotImplementedError:
            self._sock.close()
            raise CaprotoRuntimeError(
                "This event loop cannot watch a UDP socket: on Windows, run the program on a "
                "asyncio.SelectorEventLoop"
            ) from None
        self._registration = self._loop.call_soon(self._register_again)
        self._name_servers = self._make_name_servers()
        numbers = tuple(address for address in self.settings.addr_list if is_ipv4(address.host))
        # What needs no looking up is searched at once, however long the host names take.
        self._destinations: tuple[Address, ...] = search_destinations(
            self.settings._replace(addr_list=numbers)
        )
        self._looked_up = _NEVER
        if len(numbers) < len(self.settings.addr_list):
            self._look_up_soon()

    def _make_name_servers(self) -> list[NameServerLink]:
        if not self.settings.name_servers:
            return []
        from ..client.nameserver import NameServer
        from ._nameserver import NameServerLink

        patience, answer_time = self.settings.conn_tmo, self.settings.responsiveness_timeout
        servers = [
            NameServer((address.host, address.port), self.results, patience, answer_time)
            for address in self.settings.name_servers
        ]
        return [NameServerLink(server, self._loop, self._poll_at_end_of_turn) for server in servers]

    def __repr__(self) -> str:
        return (
            f"<SharedBroadcaster listeners={len(self.listeners)} searching={self.results.pending}>"
        )

    # --- for Contexts -----------------------------------------------------------------------------------------------

    def add_listener(self, listener: Any) -> None:
        """Keep the socket open for `listener`."""
        self.listeners.add(listener)

    async def remove_listener(self, listener: Any) -> None:
        """Let go; with the last listener the broadcaster closes."""
        self.listeners.discard(listener)
        if not self.listeners:
            await self.disconnect()

    async def disconnect(self) -> None:
        """Disconnect the broadcaster and stop listening."""
        if self.closed:
            return
        self.closed = True
        self._registration.cancel()
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._sock)
        self._sock.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for link in self._name_servers:
            await link.close()

    # --- searches ---------------------------------------------------------------------------------------------------

    def start_search(self, name: str, seeker: Seeker, delay: float = 0.0) -> None:
        """Look for `name`; see `caproto.client.host.Searcher`."""
        now = self._loop.time() if delay else 0.0  # which matters for a delay only
        self.results.search(name, seeker, now, delay)
        self._poll_at_end_of_turn()

    def leave_search(self, name: str, seeker: Seeker) -> None:
        """Look for `name` no more, as far as `seeker` is concerned."""
        self.results.forget(name, seeker)

    def describe_search(self, name: str) -> str:
        """Say where and how often `name` was looked for, and what to check."""
        search = self.results.get(name)
        where = ", ".join(f"{host}:{port}" for host, port in self._places())
        if not where:
            hosts = ", ".join(address.host for address in self.settings.addr_list)
            if hosts:
                return f"There is no address to search: {hosts} of EPICS_CA_ADDR_LIST could not be looked up yet."
            return "There is no address to search: set EPICS_CA_ADDR_LIST, or EPICS_CA_AUTO_ADDR_LIST=YES."
        often = "no longer"
        if search is not None:
            often = "once" if search.attempts == 1 else f"{search.attempts} times"
        if search is not None and search.refused is not None:
            return (
                f"It was asked for {often} at {where}. {search.refused[0]}:{search.refused[1]} did answer, but is left "
                "alone for a while, because a connection to it has just failed: see the log for the reason."
            )
        return (
            f"It was asked for {often} at {where}. Check the name, that its IOC runs, and that EPICS_CA_ADDR_LIST "
            "and EPICS_CA_AUTO_ADDR_LIST lead to its network."
        )

    def _places(self) -> list[Address]:
        """Return where names are looked for."""
        return [*self._destinations, *(link.server.address for link in self._name_servers)]

    def search_again(self) -> None:
        """Ask for all unanswered names once more, soon."""
        self.results.boost(self._loop.time())
        self._poll_at_end_of_turn()

    def cancel(self, *names: str) -> None:
        """Stop to look for `names`, on behalf of all Contexts that share this broadcaster.

        Asking a Context for such a name again starts a fresh search.

        Parameters
        ----------
        *names : str
        """
        for name in names:
            self.results.cancel(name)
            for listener in self.listeners:
                listener.search_cancelled(name)

    async def search(self, results_queue: Any, *names: str) -> None:
        """Generate, process, and transport search request(s).

        Parameters
        ----------
        results_queue : object with a `put` method
            Receives ``(address, names)`` for each answer; `put` may be a coroutine function.
        *names : str
        """
        for name in names:
            self.start_search(name, _QueueListener(results_queue, name, self._tasks))
        self._poll()

    def _poll_at_end_of_turn(self) -> None:
        """Let the names of one turn share datagrams."""
        if not self._poll_soon:
            self._poll_soon = True
            self._loop.call_soon(self._poll)

    def _poll(self) -> None:
        """Send what is due, and plan the next time."""
        self._poll_soon = False
        if self.closed:
            return
        now = self._loop.time()
        for link in self._name_servers:
            link.look_after(now)
        for datagram in self.results.poll(now):
            for destination in self._destinations:
                self._send_datagram(datagram, destination)
            for link in self._name_servers:
                link.server.ask(datagram)
        if self.results.pending and now >= self._looked_up + self.settings.dns_refresh:
            self._look_up_soon()
        deadline = self.results.next_deadline()
        for link in self._name_servers:
            deadline = min(deadline, link.server.next_deadline())
        if deadline != self._wake or self._timer is None:
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._wake = deadline
            if deadline < _NEVER:
                self._timer = self._loop.call_at(max(deadline, now + 0.001), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self._poll()

    # --- the socket -------------------------------------------------------------------------------------------------

    def _look_up_soon(self) -> None:
        """Look the host names up: at first, and from time to time while something is not found.

        A server's address may change.
        """
        self._looked_up = self._loop.time()
        start_task(self._loop, self._look_up_destinations(), self._tasks)

    async def _look_up_destinations(self) -> None:
        """Look up in a thread of its own: a name server may take long, and must not hold up the program's end."""
        found: asyncio.Future[tuple[Address, ...]] = self._loop.create_future()

        def tell(destinations: tuple[Address, ...]) -> None:
            if not found.done():
                found.set_result(destinations)

        def look_up() -> None:
            destinations = search_destinations(self.settings)
            try:
                self._loop.call_soon_threadsafe(tell, destinations)
            except RuntimeError:
                pass  # the loop is closed

        threading.Thread(target=look_up, name="caproto-lookup", daemon=True).start()
        if await found != self._destinations:
            self._destinations = found.result()
            self.search_again()

    def _send_datagram(self, datagram: bytes, destination: Address) -> None:
        """Send; what the network does not take now is sent again with the next retry."""
        try:
            self._sock.sendto(datagram, destination)
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            # ECONNREFUSED is the answer to an earlier datagram; it says nothing about this one.
            if isinstance(error, ConnectionError):
                return
            if self._errors.get(destination) != error.errno:
                self._errors[destination] = error.errno or 0
                logger.error("Cannot send to %s:%d: %s", *destination, error)
        else:
            self._errors.pop(destination, None)

    def _readable(self) -> None:
        """Take all datagrams that are there."""
        engine, now, buffer = self.engine, self._loop.time(), self._buffer
        with NoCollection(self.results.pending):
            for _ in range(256):  # others want their turn, too
                try:
                    size, sender = self._sock.recvfrom_into(buffer)
                except (BlockingIOError, InterruptedError):
                    break
                except OSError:
                    continue  # an ICMP error for something that was sent
                engine.on_datagram(bytes(buffer[:size]), sender, now)
            self._poll()

    async def send(self, *commands: Message) -> None:
        """Process a command and transport it over the UDP socket.

        Parameters
        ----------
        *commands : Message
            Travel in one datagram to all addresses that are searched.
        """
        datagram = b"".join(bytes(command) for command in commands)
        for destination in self._destinations:
            self._send_datagram(datagram, destination)

    # --- the repeater -----------------------------------------------------------------------------------------------

    async def register(self) -> None:
        """Register this client with the CA Repeater."""
        self._send_registration()

    def _send_registration(self) -> None:
        port = self.settings.repeater_port
        self._send_datagram(self.engine.register_request(), ("127.0.0.1", port))

    def _register_again(self) -> None:
        """Ask a repeater to pass beacons on; start one if there is none."""
        if self.closed:
            return
        if self.engine.registered:
            # A repeater may end, and one that is started later knows nothing of us.
            self.engine.registered = False
            self._attempts = 0
            self._registration = self._loop.call_later(_REGISTER_ANEW, self._register_again)
            return
        self._attempts += 1
        # Tried again from time to time: of two that start at once, both may find the port taken and end.
        if self._attempts % 2 == 0 and self.settings.spawn_repeater:
            spawn_repeater(self.settings.repeater_port)
        self._send_registration()
        pause = _SPAWN_AFTER if self._attempts <= 2 else self.registration_retry_time
        self._registration = self._loop.call_later(pause, self._register_again)

    # --- health -----------------------------------------------------------------------------------------------------

    def time_since_last_heard(self) -> dict[Address, float]:
        """Map each known server address to seconds since its last message.

        The time is reset to 0 whenever we receive a TCP message or a beacon. Servers send beacons at regular
        intervals, and if there is neither a beacon nor a TCP message we send an echo, to which the server is expected
        to respond. So the time should not much exceed EPICS_CA_CONN_TMO (default 30 seconds) for a healthy server.

        Returns
        -------
        dict
            ``{(host, port): seconds}``
        """
        heard = dict(self.engine.last_heard)
        for listener in self.listeners:
            for address, moment in listener.last_heard():
                heard[address] = max(moment, heard.get(address, moment))
        now = self._loop.time()
        return {address: max(0.0, now - moment) for address, moment in heard.items()}


class _QueueListener:
    """Puts the answer to a search into a queue of the caller."""

    def __init__(self, queue: Any, name: str, tasks: set[asyncio.Task[Any]]) -> None:
        self._queue, self._name, self._tasks = queue, name, tasks

    def found(self, address: Address, version: int, now: float) -> bool:
        """Tell the caller; see `caproto.client.search.Seeker`."""
        put = self._queue.put((address, [self._name]))
        if asyncio.iscoroutine(put):
            start_task(asyncio.get_running_loop(), put, self._tasks)
        return True
