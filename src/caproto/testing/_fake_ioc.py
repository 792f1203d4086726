"""`FakeIoc`: an IOC in a thread, for tests."""

from __future__ import annotations

import asyncio
import math
import os
import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from .._background.loop import BackgroundLoop
from .._env import ServerSettings
from .._errors import (
    CaprotoKeyError,
    CaprotoNetworkError,
    CaprotoRuntimeError,
    CaprotoTimeoutError,
    CaprotoTypeError,
    CaprotoValueError,
)
from .._protocol.enums import AccessRights, AlarmSeverity, AlarmStatus
from ..asyncio.server import Context
from ..server.data import ChannelData
from ..server.group import PVGroup
from ._pvs import channel_data, plain_value
from ._surroundings import HOST, surroundings
from ._watched import Write, unwatch, watch

__all__ = ["FakeIoc", "Pvs", "serve"]

Pvs: TypeAlias = Mapping[str, Any] | PVGroup
"""What can be served."""
_ALL_RIGHTS = AccessRights.READ | AccessRights.WRITE
_ALARMS: dict[str, type[AlarmSeverity] | type[AlarmStatus]] = {
    "severity": AlarmSeverity,
    "status": AlarmStatus,
}
_KEEP: Any = object()
_PORTS_TRIED = 5


def serve(pvs: Pvs, *, start: bool = True) -> FakeIoc:
    """Serve PVs in the background, for ``with serve({"my:pv": 1.5}) as ioc: ...``.

    Parameters
    ----------
    pvs, start
        As for `FakeIoc`.

    Returns
    -------
    FakeIoc
        A context manager: the IOC is there within the ``with`` statement.
    """
    return FakeIoc(pvs, start=start)


class FakeIoc:
    """An IOC in a thread of this process, on a free port of this machine only.

    While it exists, the environment variables ``EPICS_CA_ADDR_LIST``, ``EPICS_CA_AUTO_ADDR_LIST``,
    ``EPICS_CA_NAME_SERVERS`` and ``EPICS_CA_REPEATER_PORT`` lead every client that is made in this process, or in a
    program that it starts, to this IOC (and to other fake IOCs) and to no other. pyepics and aioca look at them once in
    the life of a process: with these, make one IOC for all tests, or run each test's program as a process.

    All methods return when the thing is done, and may be called from any thread, also by a coroutine.

    Parameters
    ----------
    pvs : dict of str to object, or PVGroup
        The PVs by name: a plain value, which tells the type, or a `caproto.ChannelData`. float: DOUBLE, int: LONG,
        bool: ENUM with the states Off and On, a member of an `enum.Enum`: ENUM, str: STRING (CHAR, if it is longer than
        39 bytes), bytes: CHAR, and lists and arrays of these. Or the ``pvdb`` of a group, or a group: with all that
        its methods do.
    start : bool
        False if there is to be no server before `start` is called.

    Attributes
    ----------
    written : list of Write
        What clients wrote, in the order in which it came, refused or not: ``ioc.written == [("my:pv", 3.0)]``.
        Clear it as you like. Writes to fields of records (``my:pv.DESC``) are not in it.
    pvdb : dict of str to ChannelData
        The PVs.
    port : int
        For searches by UDP, and for TCP.

    Examples
    --------
    >>> from caproto.sync.client import read, write
    >>> with serve({"my:pv": 1.5}) as ioc:
    ...     read("my:pv").value
    ...     _ = write("my:pv", 3, notify=True)
    ...     ioc.written
    ...     ioc["my:pv"]
    1.5
    [Write(name='my:pv', value=3.0)]
    3.0
    """

    def __init__(self, pvs: Pvs, *, start: bool = True) -> None:
        found: Any = pvs.pvdb if isinstance(pvs, PVGroup) else pvs
        if not isinstance(found, Mapping):
            raise CaprotoTypeError(
                f"a fake IOC serves a dict of PVs by name, or an instance of a PVGroup, not {pvs!r}"
            )
        self.pvdb: dict[str, ChannelData] = {
            name: channel_data(name, value) for name, value in found.items()
        }
        self.written: list[Write] = []
        self.port: int = 0
        self._start_at_once = start
        self._background: BackgroundLoop | None = None
        self._context: Context | None = None
        self._server: asyncio.Task[None] | None = None
        self._write_came = threading.Condition()
        self._delays: dict[str | None, float] = {}
        self._delays_changed = asyncio.Event()
        self._rights: dict[str, AccessRights] = {}
        self._resumed: threading.Event | None = None

    def __repr__(self) -> str:
        if self._background is None:
            state = "closed"
        elif self._resumed is not None:
            state = "hanging"
        else:
            state = f"port={self.port}" if self.running else "stopped"
        return f"<FakeIoc {state}, {len(self.pvdb)} PVs, {len(self.written)} writes>"

    # --- life ---

    def __enter__(self) -> FakeIoc:
        if self._background is not None:
            raise CaprotoRuntimeError("this fake IOC is in use already")
        self.port = surroundings.enter()
        try:
            self._background = BackgroundLoop("caproto-fake-ioc")
            for name, pv in self.pvdb.items():
                watch(pv, name, self)
            if self._start_at_once:
                self._start_somewhere()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """End the server and its thread, and let the environment be what it was."""
        self.resume()
        try:
            if self._background is not None:
                self.stop()
        finally:
            background, self._background = self._background, None
            if background is not None:
                background.stop()
            for pv in self.pvdb.values():
                unwatch(pv, self)
            if self.port:
                surroundings.leave(self.port)
                self.port = 0

    @property
    def running(self) -> bool:
        """Whether there is a server."""
        return self._server is not None and not self._server.done()

    def start(self) -> None:
        """Start the server, on the port that it had before; does nothing if it runs.

        Startup hooks have been started when this returns.

        Raises
        ------
        CaprotoNetworkError
            If the port is taken meanwhile.
        """
        self._loop().run(self._start)

    def stop(self) -> None:
        """Stop the server, as if the IOC were shut down: clients are disconnected. The values stay."""
        self._loop().run(self._stop)

    def _start_somewhere(self) -> None:
        """Start on another port if somebody, such as a test in another process, has taken it since it was found free."""
        for _ in range(_PORTS_TRIED - 1):
            try:
                self.start()
                return
            except CaprotoNetworkError:
                taken, self.port = self.port, surroundings.enter()
                surroundings.leave(taken)
        self.start()

    async def _start(self) -> None:
        if self.running:
            return
        context = Context(self.pvdb, [HOST])
        # Not by the environment: a server that the test itself starts does not get the port of this one.
        context.ca_server_port = self.port
        context.environ = ServerSettings.from_environ(self._server_environment())
        listening = asyncio.Event()

        async def startup(async_lib: Any) -> None:
            listening.set()

        server = asyncio.create_task(context.run(startup_hook=startup))
        waiting = asyncio.create_task(listening.wait())
        await asyncio.wait([server, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if server.done():
            await server  # which raises what went wrong
        self._context, self._server = context, server

    def _server_environment(self) -> dict[str, str]:
        """Return the settings of the server."""
        return {
            **{name: value for name, value in os.environ.items() if not _is_server_place(name)},
            "EPICS_CAS_SERVER_PORT": str(self.port),
            "EPICS_CAS_INTF_ADDR_LIST": HOST,
            "EPICS_CAS_BEACON_ADDR_LIST": HOST,
            "EPICS_CAS_AUTO_BEACON_ADDR_LIST": "NO",
            "EPICS_CAS_BEACON_PORT": str(surroundings.repeater_port),
        }

    async def _stop(self) -> None:
        server, self._server = self._server, None
        context, self._context = self._context, None
        if context is not None and server is not None:
            context.stop()
            await server

    def _loop(self) -> BackgroundLoop:
        """Return the loop, for something that it has to do now."""
        if self._background is None:
            raise CaprotoRuntimeError(
                "this fake IOC is closed: use it within `with serve(...) as ioc:`, or within the test that made it"
            )
        if self._resumed is not None:
            raise CaprotoRuntimeError("this fake IOC hangs: call resume() first")
        return self._background

    # --- values ---

    def __getitem__(self, name: str) -> Any:
        return self.get(name)

    def __setitem__(self, name: str, value: Any) -> None:
        self.set(name, value)

    def __contains__(self, name: object) -> bool:
        return name in self.pvdb

    def __iter__(self) -> Iterator[str]:
        return iter(self.pvdb)

    def __len__(self) -> int:
        return len(self.pvdb)

    def _pv(self, name: str) -> ChannelData:
        try:
            return self.pvdb[name]
        except KeyError:
            raise CaprotoKeyError(
                f"the fake IOC has no PV {name!r}; it has {', '.join(self.pvdb)}", pv_name=name
            ) from None

    def get(self, name: str) -> Any:
        """Return the current value of a PV: a number, a text, the label of a state, or a list.

        Raises
        ------
        CaprotoKeyError
            If there is no such PV.
        """
        return plain_value(self._pv(name).value)

    def set(self, name: str, value: Any = _KEEP, **metadata: Any) -> None:
        """Change a PV as the IOC itself would, without the putter of a `pvproperty`, and tell the clients.

        Parameters
        ----------
        name : str
        value : object, optional
            What stays as it is if only metadata are given.
        **metadata
            ``severity`` and ``status`` (also as a text: ``severity="MAJOR"``), ``timestamp``, ``units``, ``precision``
            and so on: see `caproto.ChannelData.write_metadata`.

        Raises
        ------
        CaprotoKeyError
            If there is no such PV.
        CaprotoValueError
            If the PV cannot have that value.
        """
        pv = self._pv(name)
        for key in ("severity", "status"):
            if isinstance(metadata.get(key), str):
                metadata[key] = _member(_ALARMS[key], metadata[key])
        if value is _KEEP:
            self._loop().run(pv.write_metadata, **metadata)
        else:
            self._loop().run(pv.write, value, verify_value=False, **metadata)

    # --- what clients write ---

    def written_to(self, name: str) -> list[Any]:
        """Return the values that clients wrote to one PV."""
        self._pv(name)
        return [write.value for write in list(self.written) if write.name == name]

    def wait_for_write(self, name: str | None = None, timeout: float = 5.0) -> Write:
        """Wait until `written` has a write, and return the newest.

        This is for programs that write in other threads or processes, or without confirmation.

        Parameters
        ----------
        name : str, optional
            Of the PV; any by default.
        timeout : float
            In seconds.

        Raises
        ------
        CaprotoTimeoutError
            If none comes.
        CaprotoRuntimeError
            If it would stop an event loop from running, which may well be the one that has to write.
        """
        if name is not None:
            self._pv(name)
        _refuse_in_event_loop()
        deadline = time.monotonic() + timeout
        with self._write_came:
            while True:
                found = [write for write in self.written if name in (None, write.name)]
                if found:
                    return found[-1]
                left = deadline - time.monotonic()
                if left <= 0 or not self._write_came.wait(left):
                    what = "any PV" if name is None else name
                    raise CaprotoTimeoutError(
                        f"no client wrote to {what} of the fake IOC within {timeout:g} seconds"
                    )

    def note_write(self, write: Write) -> None:
        """Take note of a client's write (called by the PVs)."""
        with self._write_came:
            self.written.append(write)
            self._write_came.notify_all()

    # --- faults ---

    def slow(self, seconds: float, name: str | None = None) -> None:
        """Answer reads and writes late from now on; updates of subscriptions come as ever.

        Parameters
        ----------
        seconds : float
            How long each takes; ``math.inf`` is never, 0 is at once. Requests that wait already are answered now if it
            was changed for them.
        name : str, optional
            Of one PV; all by default.

        Raises
        ------
        CaprotoKeyError
            If there is no such PV.
        """
        if name is not None:
            self._pv(name)
        self._loop().call(self._slow, seconds, name)

    def _slow(self, seconds: float, name: str | None) -> None:
        if name is None:
            self._delays.clear()
        self._delays[name] = seconds
        changed, self._delays_changed = self._delays_changed, asyncio.Event()
        changed.set()

    async def delay(self, name: str) -> None:
        """Keep a client waiting (called by the PVs)."""
        since = time.monotonic()
        while True:
            seconds = self._delays.get(name, self._delays.get(None, 0.0))
            left = since + seconds - time.monotonic()
            if left <= 0:
                return
            try:
                await asyncio.wait_for(
                    self._delays_changed.wait(), None if math.isinf(left) else left
                )
            except asyncio.TimeoutError:
                return

    def hang(self) -> None:
        """Do nothing any more, as an IOC that hangs: connections stay, but nothing is answered until `resume`."""
        if self._resumed is None:
            background = self._loop()
            resumed = self._resumed = threading.Event()
            hanging = threading.Event()

            def wait() -> None:
                hanging.set()
                resumed.wait()

            background.post(wait)
            hanging.wait()

    def resume(self) -> None:
        """Go on after `hang`; does nothing otherwise."""
        if self._resumed is not None:
            self._resumed.set()
            self._resumed = None

    def disconnect_clients(self) -> None:
        """Cut all connections, as a network that fails for a moment. The server goes on."""
        self._loop().call(self._disconnect_clients)

    def _disconnect_clients(self) -> None:
        for client in list(self._context.circuits if self._context is not None else ()):
            client.abort()

    def set_access(self, name: str, *, read: bool = True, write: bool = True) -> None:
        """Change what clients may do with a PV, and tell them.

        Raises
        ------
        CaprotoKeyError
            If there is no such PV.
        """
        self._pv(name)
        rights = AccessRights(AccessRights.READ * read | AccessRights.WRITE * write)
        self._loop().call(self._set_access, name, rights)

    def _set_access(self, name: str, rights: AccessRights) -> None:
        self._rights[name] = rights
        if self._context is not None:
            self._context.refresh_access()

    def rights(self, name: str) -> AccessRights:
        """Tell what clients may do (called by the PVs)."""
        return self._rights.get(name, _ALL_RIGHTS)


def _is_server_place(name: str) -> bool:
    """Tell whether a variable says where servers listen, or whom they ignore."""
    return name.startswith("EPICS_CAS_")


def _member(members: type[AlarmSeverity] | type[AlarmStatus], name: str) -> int:
    """Return the severity or status with that name."""
    for full_name in (name, f"{name}_ALARM"):
        if full_name in members.__members__:
            return members[full_name]
    raise CaprotoValueError(
        f"there is no {members.__name__} {name!r}; there are {', '.join(members.__members__)}"
    )


def _refuse_in_event_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise CaprotoRuntimeError(
        "wait_for_write would stop this event loop: use `await asyncio.to_thread(ioc.wait_for_write)`"
    )
