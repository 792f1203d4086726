"""An IOC on asyncio."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

from .._addresses import Address
from .._env import ServerSettings
from .._net import beacon_destinations, resolve_all
from .._protocol.enums import AccessRights
from .._sockets import tcp_listeners, udp_listeners
from ..server._engine.beacons import BeaconSchedule
from ..server._engine.circuit import ServerCircuit
from ..server._engine.limits import ClientLimits
from ..server._engine.names import Names
from ..server._engine.search import SearchResponder
from ..server.access import AccessRules
from ..server.data.modified import modified
from ..server.typing import AinitHook, AsyncLibraryLayer
from ._server_circuit import CircuitProtocol, VirtualCircuit
from ._server_layer import AsyncioAsyncLayer, AsyncioEvent, AsyncioQueue
from ._server_udp import BeaconSender, SearchProtocol
from ._signals import stopped_by_signals

__all__ = [
    "AsyncLibraryLayer",
    "AsyncioAsyncLayer",
    "AsyncioEvent",
    "AsyncioQueue",
    "Context",
    "Event",
    "ServerExit",
    "VirtualCircuit",
    "run",
    "start_server",
]

logger: logging.Logger = logging.getLogger("caproto.ctx")

Event = AsyncioEvent
_CLOSING_TURNS = 10
_CHUNK = 1 << 18
"""The most bytes that are received at once."""


def _limits_from(settings: ServerSettings) -> ClientLimits:
    """Return the default limits, with those that the environment sets."""
    set_there = {
        "max_payload": settings.max_array_bytes,
        "max_channels": settings.max_channels,
        "max_subscriptions": settings.max_subs_per_channel,
        "max_requests": settings.max_command_backlog,
    }
    return ClientLimits(**{name: value for name, value in set_there.items() if value is not None})


class ServerExit(Exception):
    """Raise it in a hook or a handler to end the server."""


class Context:
    """A server: it serves a set of PVs until it is cancelled.

    Parameters
    ----------
    pvdb : dict of str to ChannelData
        The PVs by name. PVs may be added and removed while the server runs.
    interfaces : list of str, optional
        Addresses of the interfaces to serve; those of ``EPICS_CAS_INTF_ADDR_LIST`` by default.
    loop : asyncio.AbstractEventLoop, optional
        Accepted for compatibility; the server runs in the loop that runs `run`.
    access : AccessRules, optional
        Who may read and write what; all may by default.
    limits : ClientLimits, optional
        What one client may take. By default that of `ClientLimits`, as far as the environment says nothing else.

    Attributes
    ----------
    port : int or None
        TCP port; known once the server listens.
    ca_server_port : int
        UDP port, and the TCP port that is tried first.
    circuits : set of VirtualCircuit
        The clients.
    tcp_sockets, udp_socks, beacon_socks : dict
        The sockets in use, by interface or destination.
    """

    ServerExit = ServerExit

    def __init__(
        self,
        pvdb: Mapping[str, Any],
        interfaces: Sequence[str] | None = None,
        *,
        loop: asyncio.AbstractEventLoop | None = None,
        access: AccessRules | None = None,
        limits: ClientLimits | None = None,
    ) -> None:
        self.pvdb = pvdb
        self.environ: ServerSettings = ServerSettings.from_environ()
        self.interfaces: list[str] = list(interfaces or self.environ.interfaces)
        self.ca_server_port: int = self.environ.server_port
        self.port: int | None = None
        self.log: logging.Logger = logger
        self.async_layer: AsyncioAsyncLayer | None = None
        self.circuits: set[VirtualCircuit] = set()
        self.tcp_sockets: dict[str, socket.socket] = {}
        self.udp_socks: dict[str, socket.socket] = {}
        self.beacon_socks: dict[tuple[str, int], socket.socket] = {}
        self.request_tasks: set[asyncio.Task[None]] = set()
        self.names: Names = Names(pvdb, modified)
        self.limits: ClientLimits = limits or _limits_from(self.environ)
        self.access = access
        self.circuits_of_host: Counter[str] = Counter()
        self.receive_buffer: memoryview = memoryview(bytearray(_CHUNK))
        self.responder: SearchResponder
        self.loop: asyncio.AbstractEventLoop
        self._hook_tasks: set[asyncio.Task[None]] = set()
        self._to_flush: list[ServerCircuit] = []
        self._exit: asyncio.Future[None] | None = None

    # --- running ---

    async def run(
        self, *, log_pv_names: bool = False, startup_hook: AinitHook | None = None
    ) -> None:
        """Serve until this coroutine is cancelled, or somebody raises `ServerExit`.

        It returns in either case: programs await a server that they have cancelled.

        Parameters
        ----------
        log_pv_names : bool
            Log the names of all PVs once they are served.
        startup_hook : coroutine function, optional
            ``startup_hook(async_lib)`` is run beside the server.

        Raises
        ------
        CaprotoNetworkError
            If an interface cannot be listened on.
        """
        self.loop = asyncio.get_running_loop()
        self._exit = self.loop.create_future()
        self.async_layer = AsyncioAsyncLayer()
        if self.access is not None:
            self.access.add_listener(self.refresh_access)
        self.async_layer.circuits = self.circuits
        self.log.info("Asyncio server starting up...")
        closers: list[Callable[[], object]] = []
        try:
            await self._listen(closers)
            self._start_hooks(startup_hook)
            self.log.info("Server startup complete.")
            if log_pv_names:
                self.log.info("PVs available:\n%s", "\n".join(self.pvdb))
            await self._exit
        except ServerExit:
            self.log.info("The server was asked to end")
        except asyncio.CancelledError:
            self.log.info("Server task cancelled. Will shut down.")
        finally:
            await self._shut_down(closers)

    async def _listen(self, closers: list[Callable[[], object]]) -> None:
        """Open all sockets; note in `closers` how to close them."""
        settings = self.environ
        self.port, listeners = tcp_listeners(self.interfaces, self.ca_server_port)
        self.responder = SearchResponder(
            self.names.knows,
            self.port,
            [
                address.host
                for address in resolve_all(Address(host, 0) for host in settings.ignore_addr_list)
            ],
        )
        self.tcp_sockets = dict(zip(self.interfaces, listeners, strict=True))
        closers.extend(sock.close for sock in listeners)
        for host, sock in self.tcp_sockets.items():
            server = await self.loop.create_server(lambda: CircuitProtocol(self), sock=sock)
            closers.append(server.close)
            self.log.info("Listening on %s:%d", host, self.port)
        await self._listen_udp(closers)
        beacons = BeaconSender(
            BeaconSchedule(self.port, settings.beacon_period, self.loop.time()),
            beacon_destinations(settings),
            self.loop,
        )
        closers.append(beacons.close)
        self.beacon_socks = {(a.host, a.port): sock for a, sock in beacons.sockets.items()}
        beacons.start()

    async def _listen_udp(self, closers: list[Callable[[], object]]) -> None:
        """Open the sockets for searches: one for each interface first, then those that only hear."""
        sockets = udp_listeners(self.interfaces, self.ca_server_port, self.environ.multicast_groups)
        closers.extend(sock.close for sock in sockets)
        first: asyncio.DatagramTransport | None = None
        for index, sock in enumerate(sockets):
            only_hears = index >= len(self.interfaces)
            reply_through = first if only_hears else None
            transport, _ = await self.loop.create_datagram_endpoint(
                lambda via=reply_through: SearchProtocol(self.responder, via),  # type: ignore[misc]
                sock=sock,
            )
            closers.append(transport.close)
            first = first or transport
            self.udp_socks[sock.getsockname()[0]] = sock

    async def _shut_down(self, closers: list[Callable[[], object]]) -> None:
        """Drop the clients, end what they have begun, run the shutdown hooks; leave no task, no socket."""
        if self.access is not None:
            self.access.remove_listener(self.refresh_access)
        for close in reversed(closers):
            close()
        for client in list(self.circuits):
            client.abort()
        await self._end_tasks(self.request_tasks)
        await self._end_tasks(self._hook_tasks)
        if self.async_layer is not None:
            await self._end_tasks(self.async_layer.tasks)
        for name, hook in self._hooks("server_shutdown"):
            try:
                await hook(self.async_layer)
            except Exception:
                self.log.exception("The shutdown hook of %s failed", name)
        self.tcp_sockets.clear()
        self.udp_socks.clear()
        self.beacon_socks.clear()
        for _ in range(_CLOSING_TURNS):  # in which the transports call connection_lost
            await asyncio.sleep(0)
            if not self.circuits:
                break

    @staticmethod
    async def _end_tasks(tasks: set[asyncio.Task[Any]]) -> None:
        """Cancel tasks and wait for their end."""
        for task in list(tasks):
            task.cancel()
        if tasks:
            await asyncio.gather(*tasks, return_exceptions=True)

    def stop(self) -> None:
        """End the server: `run` returns."""
        if self._exit is not None and not self._exit.done():
            self._exit.set_result(None)

    # --- access ---

    def rights(self, name: str, user: str, host_name: str, address: str) -> AccessRights:
        """Return what the access rules allow a client."""
        if self.access is None:
            return AccessRights.READ | AccessRights.WRITE
        record, field = self.names.parts(name)
        return self.access.rights(
            field, user=user, host_name=host_name, address=address, record=record
        )

    def refresh_access(self) -> None:
        """Ask for the rights of all clients again, and tell them what has changed.

        It is called when the access rules change. Call it when the answers of a `check_access` do.
        """
        for client in list(self.circuits):
            client.circuit.refresh_rights()

    # --- hooks ---

    def _start_hooks(self, startup_hook: AinitHook | None) -> None:
        """Start what runs beside the server: the hook of the whole first."""
        if startup_hook is not None:
            self._run_hook(startup_hook, "The startup hook")
        for kind in ("server_startup", "server_scan"):
            for name, hook in self._hooks(kind):
                self._run_hook(hook, f"The {kind[7:]} hook of {name}")

    def _hooks(self, kind: str) -> Iterator[tuple[str, Any]]:
        """Return the hooks of one kind of all PVs and record fields, each with the name of its PV."""
        for name, data in list(self.pvdb.items()):
            for place in (data, *getattr(data, "hooked_fields", ())):
                hook = getattr(place, kind, None)
                if hook is not None:
                    yield name if place is data else place.pvname, hook

    def _run_hook(self, hook: Callable[[Any], Awaitable[None]], what: str) -> None:
        task = self.loop.create_task(self._guarded(hook, what))
        self._hook_tasks.add(task)
        task.add_done_callback(self._hook_tasks.discard)

    async def _guarded(self, hook: Callable[[Any], Awaitable[None]], what: str) -> None:
        """Run a hook; its failure is logged and ends nothing else."""
        try:
            await hook(self.async_layer)
        except (ServerExit, SystemExit) as error:  # of which `run` raises the second again
            if self._exit is not None and not self._exit.done():
                self._exit.set_exception(error)
        except Exception:
            self.log.exception("%s failed", what)

    # --- what circuits ask for ---

    def want_flush(self, circuit: ServerCircuit) -> None:
        """Let a circuit send what it has gathered, before the end of this turn of the loop."""
        if not self._to_flush:
            self.loop.call_soon(self._flush)
        self._to_flush.append(circuit)

    def _flush(self) -> None:
        circuits, self._to_flush = self._to_flush, []
        for circuit in circuits:
            circuit.flush()


async def start_server(
    pvdb: Mapping[str, Any],
    *,
    interfaces: Sequence[str] | None = None,
    log_pv_names: bool = False,
    startup_hook: AinitHook | None = None,
    access: AccessRules | None = None,
    limits: ClientLimits | None = None,
) -> None:
    """Serve PVs until this coroutine is cancelled.

    Parameters
    ----------
    pvdb, interfaces, access, limits
        As for `Context`.
    log_pv_names, startup_hook
        As for `Context.run`.
    """
    context = Context(pvdb, interfaces, access=access, limits=limits)
    await context.run(log_pv_names=log_pv_names, startup_hook=startup_hook)


def run(
    pvdb: Mapping[str, Any],
    *,
    interfaces: Sequence[str] | None = None,
    log_pv_names: bool = False,
    startup_hook: AinitHook | None = None,
    access: AccessRules | None = None,
    limits: ClientLimits | None = None,
) -> None:
    """Serve PVs in an event loop of its own, until Ctrl-C or SIGTERM.

    SIGHUP reads the access rules again, if they came from a file.

    Parameters
    ----------
    pvdb, interfaces, access, limits
        As for `Context`.
    log_pv_names, startup_hook
        As for `Context.run`.
    """

    async def serve() -> None:
        context = Context(pvdb, interfaces, access=access, limits=limits)
        with stopped_by_signals(context):
            await context.run(log_pv_names=log_pv_names, startup_hook=startup_hook)

    try:
        asyncio.run(serve())
    except KeyboardInterrupt:
        pass  # where the loop cannot handle signals
