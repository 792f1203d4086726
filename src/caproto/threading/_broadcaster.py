"""The UDP side of the client for programs with threads."""

from __future__ import annotations

import itertools
from typing import Any

from .._background import enter, leave
from .._constants import MAX_ID
from .._errors import CaprotoKeyError
from .._protocol.messages import Message
from ..asyncio._broadcaster import SharedBroadcaster as AsyncSharedBroadcaster
from ..client.search import Address

__all__ = ["SharedBroadcaster"]


class SharedBroadcaster:
    """A broadcaster client which can be shared among multiple Contexts.

    Parameters
    ----------
    registration_retry_time : float, optional
        The time, in seconds, between attempts made to register with the repeater. Default is 10.
    """

    def __init__(self, *, registration_retry_time: float = 10.0) -> None:
        self._ids = itertools.count()

        def make() -> AsyncSharedBroadcaster:
            return AsyncSharedBroadcaster(registration_retry_time=registration_retry_time)

        self._background = background = enter(self, self._close)
        try:
            self._core = background.call(make)
        except BaseException:
            leave(background, self)
            raise

    def __repr__(self) -> str:
        return repr(self._core)

    async def _close(self) -> None:
        await self._core.disconnect()

    def leave_if_closed(self, *, wait: bool = True) -> None:
        """Let go of the event loop if the last Context has closed the socket."""
        if self._core.closed:
            leave(self._background, self, wait=wait)

    @property
    def listeners(self) -> set[Any]:
        """Who keeps the socket open."""
        return set(self._core.listeners)

    def new_id(self) -> int:
        """Return a number that was not returned lately."""
        return next(self._ids) % MAX_ID

    def add_listener(self, listener: Any) -> None:
        """Keep the socket open for `listener`.

        Parameters
        ----------
        listener : Context
        """
        self._background.call(self._core.add_listener, getattr(listener, "_core", listener))

    def remove_listener(self, listener: Any) -> None:
        """Let go; with the last listener the broadcaster closes.

        Parameters
        ----------
        listener : Context
        """
        self._background.run(self._core.remove_listener, getattr(listener, "_core", listener))
        self.leave_if_closed()

    def disconnect(self, *, wait: bool = True) -> None:
        """Disconnect the broadcaster and stop listening.

        Parameters
        ----------
        wait : bool
            Accepted for compatibility; it takes no time.
        """
        if self._background.why_ended is None:
            self._background.run(self._core.disconnect)
        self.leave_if_closed(wait=wait)

    def send(self, *commands: Message) -> None:
        """Process a command and transport it over the UDP socket.

        Parameters
        ----------
        *commands : Message
            Travel in one datagram to all addresses that are searched.
        """
        self._background.run(self._core.send, *commands)

    def received(self, bytes_recv: bytes, address: Address) -> None:
        """Take a datagram as if it had come from the network.

        Parameters
        ----------
        bytes_recv : bytes
        address : (host, port)
            Of its sender.
        """
        core = self._core
        self._background.call(
            lambda: core.engine.on_datagram(bytes(bytes_recv), address, core._loop.time())
        )

    def command_loop(self) -> None:
        """Return at once: datagrams are processed where they are received, not in a thread of their own."""

    def get_cached_search_result(self, name: str, *, threshold: float = 10.0) -> Address:
        """Return the address of the server that has a PV of a Context of this broadcaster.

        Parameters
        ----------
        name : str
        threshold : float
            Accepted for compatibility: the address belongs to a circuit that is in use, so it cannot be stale.

        Returns
        -------
        (host, port)

        Raises
        ------
        CaprotoKeyError
            If that is not known; it is a KeyError.
        """

        def look() -> Address | None:
            for listener in self._core.listeners:
                for pv in listener.pvs.values():
                    if pv.name == name and pv.address is not None:
                        return pv.address  # type: ignore[no-any-return]
            return None

        address = self._background.call(look)
        if address is None:
            raise CaprotoKeyError(f"No server is known for {name!r}", pv_name=name)
        return address

    def search(self, results_queue: Any, names: Any, *, timeout: float | None = 2) -> None:
        """Search for PV names.

        Parameters
        ----------
        results_queue : object with a `put` method
            Receives ``(address, names)`` for each answer.
        names : iterable of str
        timeout : float or None, optional
            Accepted for compatibility: nothing is waited for.
        """
        self._background.run(self._core.search, results_queue, *names)

    def cancel(self, *names: str) -> None:
        """Stop to look for `names`, on behalf of all Contexts that share this broadcaster.

        Asking a Context for such a name again starts a fresh search.

        Parameters
        ----------
        *names : str
        """
        self._background.call(self._core.cancel, *names)

    def search_now(self) -> None:
        """Ask for all unanswered names once more, now.

        That happens by itself at regular intervals. This method is there for debugging.
        """
        self._background.call(self._core.search_again)

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
        return self._background.call(self._core.time_since_last_heard)
