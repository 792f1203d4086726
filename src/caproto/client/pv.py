"""One PV as the client sees it: a name, and the channel that serves it at the moment."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

from .._errors import CaprotoTimeoutError, CaprotoTypeError, CaprotoValueError
from .._protocol.arrays import Buffer, encode_values
from .._protocol.dbr import METADATA_SIZES, NATIVE_TYPES, promote_type
from .._protocol.enums import AccessRights, ChannelType
from .._protocol.header import SHORT_LIMIT, padded
from .._protocol.states import CLIENT

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

_LARGEST_TYPE = max(ChannelType)


class PVState(Enum):
    """Where a PV stands between its name and its channel."""

    IDLE = "idle"
    SEARCHING = "searching"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    CLOSED = "closed"


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
        self.name = name
        self.priority = priority
        self.engine = engine
        self.state = PVState.IDLE
        self.circuit: Circuit | None = None
        self.channel: ClientChannel | None = None
        self.access_rights: AccessRights | None = None
        self.subscriptions: list[SubscriptionCore] | None = None
        self.parked: list[Request] | None = None
        self.failures = 0
        self.cancelled = False
        self.tell_disconnect = False

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

    # --- arguments --------------------------------------------------------------------------------------------------

    def resolve_type(self, data_type: DataType) -> int:
        """Return the DBR type that `data_type` means for this channel.

        Raises
        ------
        CaprotoValueError
            If there is no such type, or it cannot be read.
        """
        native: int = self.channel.native_data_type  # type: ignore[union-attr, assignment]
        if data_type is None:
            return native
        if isinstance(data_type, str):
            try:
                return promote_type(native, data_type)
            except KeyError:
                raise self._bad_type(data_type) from None
        try:
            number = int(data_type)
        except (TypeError, ValueError):
            raise self._bad_type(data_type) from None
        if not 0 <= number <= _LARGEST_TYPE or number in (
            ChannelType.PUT_ACKT,
            ChannelType.PUT_ACKS,
        ):
            raise self._bad_type(data_type)
        return number

    def _bad_type(self, data_type: Any) -> CaprotoValueError:
        error: CaprotoValueError = CaprotoValueError(
            f"data_type={data_type!r} of {self.name!r} cannot be read; it can be 'native', 'status', 'time', "
            "'graphic', 'control' or a ChannelType other than PUT_ACKT and PUT_ACKS",
            pv_name=self.name,
        )
        return error

    def resolve_count(self, data_count: int | None, notify: bool = True) -> int:
        """Return the number of elements to ask for.

        By default as many as there are: 0, for servers that know what that means, or all that the channel can hold.
        The deprecated READ, without `notify`, has no such meaning of 0.

        Raises
        ------
        CaprotoValueError, CaprotoTypeError
            If the channel does not hold that many.
        """
        circuit, channel = self.circuit, self.channel
        assert circuit is not None
        assert channel is not None
        most = channel.native_data_count or 0
        dynamic = notify and circuit.takes_zero_count
        if data_count is None:
            return 0 if dynamic else most
        if not isinstance(data_count, int):
            raise CaprotoTypeError(
                f"data_count={data_count!r} for {self.name!r} must be a whole number",
                pv_name=self.name,
            )
        if not 0 <= data_count <= most:
            raise CaprotoValueError(
                f"data_count={data_count} for {self.name!r} must be from 0 to {most}, what the channel holds",
                pv_name=self.name,
            )
        return data_count or (0 if dynamic else most)

    def encode(
        self, data: Any, data_type: DataType, data_count: int | None
    ) -> tuple[int, int, Buffer]:
        """Return type, count and padded payload of a write.

        Raises
        ------
        CaprotoValueError, CaprotoTypeError
            If `data` cannot be written to this channel.
        """
        native, wire_type = self._write_type(data, data_type)
        try:
            values, count = encode_values(wire_type, data, data_count)
        except CaprotoValueError as error:
            raise type(error)(
                f"cannot write to {self.name!r}: {error}", pv_name=self.name
            ) from error
        except CaprotoTypeError as error:
            raise CaprotoTypeError(
                f"cannot write to {self.name!r}: {error}", pv_name=self.name
            ) from error
        most = self.channel.native_data_count or 0  # type: ignore[union-attr]
        if native is ChannelType.CHAR and isinstance(data, str) and count == most + 1:
            values, count = values[:-1], most  # text that fills the array has no room for its NUL
        if count > most:
            raise CaprotoValueError(
                f"cannot write {count} elements to {self.name!r}: the channel holds {most}",
                pv_name=self.name,
            )
        self._check_version(count, len(values))
        metadata = METADATA_SIZES[wire_type]
        if metadata:
            values = bytes(metadata) + bytes(values)
        size = len(values)
        return (
            wire_type,
            count,
            values if not size & 7 else bytes(values).ljust(padded(size), b"\0"),
        )

    def _check_version(self, count: int, size: int) -> None:
        """Raise if the server is too old to take so many elements or bytes."""
        version = self.circuit.version  # type: ignore[union-attr]
        if version < 13 and count == 0:
            what = "an empty array"
        elif version < 9 and max(count, size) >= SHORT_LIMIT:
            what = f"{size} bytes"
        else:
            return
        raise CaprotoValueError(
            f"cannot write {what} to {self.name!r}: its server speaks version 4.{version} of Channel Access, which "
            "cannot express that",
            pv_name=self.name,
        )

    def _write_type(self, data: Any, data_type: DataType) -> tuple[ChannelType, int]:
        """Return the channel's own type and the one to write in."""
        native = NATIVE_TYPES[self.channel.native_data_type]  # type: ignore[union-attr, index]
        if data_type is None:
            # The server knows the labels of an enum: they travel as strings.
            text = native is ChannelType.ENUM and _is_text(data)
            return native, ChannelType.STRING if text else native
        if data_type in (ChannelType.PUT_ACKT, ChannelType.PUT_ACKS):
            return native, int(data_type)
        number = self.resolve_type(data_type)
        if number in (ChannelType.STSACK_STRING, ChannelType.CLASS_NAME):
            # A C server closes the circuit, and with it all other PVs, when it cannot convert what is written.
            raise CaprotoValueError(
                f"data_type={data_type!r} cannot be written to {self.name!r}: it can be read only",
                pv_name=self.name,
            )
        return native, number

    # --- errors -----------------------------------------------------------------------------------------------------

    def connection_timeout(self, timeout: float | None, now: float) -> CaprotoTimeoutError:
        """Make the error for a connection that was not there in time; it tells how far things went."""
        seconds, stage = float(timeout or 0), None
        if self.state is PVState.SEARCHING:
            stage = "search"
            text = (
                f"{self!r} could not connect within {seconds}-second timeout. No servers responded to a search for "
                f"a channel named {self.name!r}. {self.engine.searcher.describe_search(self.name)}"
            )
        elif self.circuit is not None:
            stage = "create" if self.circuit.connected else "connect"
            text = f"{self!r} could not connect within {seconds}-second timeout. {self.circuit.describe_silence(now)}"
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


def _is_text(data: Any) -> bool:
    """Tell whether `data` is text, or a sequence that begins with text."""
    if isinstance(data, str | bytes):
        return True
    return isinstance(data, list | tuple) and bool(data) and isinstance(data[0], str | bytes)
