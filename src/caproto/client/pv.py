"""One PV as the client sees it: a name, and the channel that serves it at the moment."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from .._errors import CaprotoTimeoutError
from .._protocol.enums import AccessRights, ChannelType
from .._protocol.states import CLIENT
from .explain import describe_silence

if TYPE_CHECKING:
    from .._protocol.channel import ClientChannel
    from .circuit import Circuit
    from .engine import ClientEngine
    from .requests import Request
    from .search import Address
    from .subscription import SubscriptionCore

__all__ = ["DataType", "PVCore", "PVState"]

DataType: TypeAlias = "str | int | ChannelType | None"
"""``'native'``, ``'status'``, ``'time'``, ``'graphic'``, ``'control'``, a DBR type, or None for native."""


class PVState(Enum):
    """Where a PV stands between its name and its channel."""

    IDLE = "idle"
    SEARCHING = "searching"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    CLOSED = "closed"


_IDLE = PVState.IDLE


class PVCore:
    """A PV. Shells derive from it and fill in the hooks."""

    __slots__ = (
        "access_rights",
        "cancelled",
        "channel",
        "circuit",
        "engine",
        "failures",
        "name",
        "parked",
        "priority",
        "state",
        "subscriptions",
        "tell_disconnect",
    )

    def __init__(self, name: str, priority: int, engine: ClientEngine) -> None:
        self.name: str = name
        self.priority: int = priority
        self.engine: ClientEngine = engine
        self.state: PVState = _IDLE
        self.circuit: Circuit | None = None
        self.channel: ClientChannel | None = None
        self.access_rights: AccessRights | None = None
        self.subscriptions: list[SubscriptionCore] | None = None
        self.parked: list[Request] | None = None
        self.failures: int = 0
        self.cancelled: bool = False
        self.tell_disconnect: bool = False

    # --- hooks for the shell ----------------------------------------------------------------------------------------

    def on_found(self) -> None:
        """An address is known."""

    def on_connected(self) -> None:
        """The channel is open."""

    def on_disconnected(self) -> None:
        """The channel is gone."""

    def on_access_rights(self, rights: AccessRights) -> None:
        """The rights are known, or have changed."""

    def on_closed(self) -> None:
        """The engine has been closed."""

    # --- state ------------------------------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        """Whether the channel is open."""
        return self.state is PVState.CONNECTED

    @property
    def address(self) -> Address | None:
        """Where the server is, if one was found."""
        return None if self.circuit is None else self.circuit.address

    @property
    def busy(self) -> bool:
        """Whether a read or a confirmed write is not answered yet."""
        return bool(self.parked) or (
            self.circuit is not None and self.circuit.has_request_for(self)
        )

    @property
    def subscribed(self) -> bool:
        """Whether anybody wants updates."""
        return any(sub.wanted for sub in self.subscriptions or ())

    def found(self, address: Address, version: int, now: float) -> bool:
        """Take the answer to a search; return False to go on searching."""
        return self.engine.found(self, address, version, now)

    @property
    def open_channel(self) -> ClientChannel:
        """The channel of a PV that is known to be connected."""
        assert self.channel is not None
        return self.channel

    # --- errors -----------------------------------------------------------------------------------------------------

    def connection_timeout(self, timeout: float | None, now: float) -> CaprotoTimeoutError:
        """Make the error for a connection that was not there in time; it tells how far things went."""
        seconds, stage = float(timeout or 0), None
        if self.state is PVState.SEARCHING and self.failures:
            stage = "create"
            often = "once" if self.failures == 1 else f"{self.failures} times"
            text = (
                f"{self!r} could not connect within {seconds}-second timeout. A server answered the search, but made "
                f"no channel ({often}): a C IOC has none for fields that clients cannot have, such as TIME, and "
                "what a gateway or a name server knows may be gone."
            )
        elif self.state is PVState.SEARCHING:
            stage = "search"
            text = (
                f"{self!r} could not connect within {seconds}-second timeout. No servers responded to a search for "
                f"a channel named {self.name!r}. {self.engine.searcher.describe_search(self.name)}"
            )
        elif self.circuit is not None:
            stage = "create" if self.circuit.connected else "connect"
            text = f"{self!r} could not connect within {seconds}-second timeout. {describe_silence(self.circuit, now)}"
        else:
            text = f"{self!r} could not connect within {seconds}-second timeout."
        return CaprotoTimeoutError(
            text, pv_name=self.name, address=self.address, stage=stage, timeout=timeout
        )

    def search_timeout(self, timeout: float | None) -> CaprotoTimeoutError:
        """Make the error for a name that was not found in time."""
        return CaprotoTimeoutError(
            f"No servers responded to a search for a channel named {self.name!r} within "
            f"{float(timeout or 0)}-second timeout. {self.engine.searcher.describe_search(self.name)}",
            pv_name=self.name,
            stage="search",
            timeout=timeout,
        )

    def __repr__(self) -> str:
        head = f"<PV name={self.name!r} priority={self.priority}"
        if self.state is PVState.IDLE or self.state is PVState.CLOSED:
            return f"{head} ({self.state.value})>"
        if self.circuit is None:
            return f"{head} ({'cancelled' if self.cancelled else 'searching....'})>"
        place = f"address={self.circuit.address}, circuit_state={self.circuit.shown_state}"
        if self.state is not PVState.CONNECTED:
            return f"{head} {place} (creating...)>"
        return f"{head} {place}, channel_state={self.channel.states[CLIENT]}>"  # type: ignore[union-attr]
