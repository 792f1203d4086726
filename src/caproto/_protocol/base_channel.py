"""What the channels of both roles share: ids, native type, and states."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

from .._errors import CaprotoError, CaprotoValueError, LocalProtocolError, RemoteProtocolError
from .._log import ComposableLogAdapter
from .dbr import promote_type
from .enums import AccessRights, ChannelType
from .messages.base import Message, checked_name, data_type_of
from .messages.channel import CreateChanResponse
from .states import (
    CHANNEL_RULES,
    CLOSED,
    CONNECTED,
    IDLE,
    SEND_CREATE_CHAN_REQUEST,
    StatePair,
    States,
    advance,
)

if TYPE_CHECKING:
    from .circuit import VirtualCircuit

__all__ = ["BaseChannel"]

_logger = logging.getLogger("caproto.ch")
_TYPES = tuple(ChannelType)
_NATIVE_TYPES = 7


C = TypeVar("C", bound="BaseChannel")


class BaseChannel:
    """What the channels of both roles share.

    Parameters
    ----------
    name : str
        Of the PV.
    circuit : VirtualCircuit
        What the channel lives on; it is entered in ``circuit.channels``.
    cid : int, optional
        Client's id; by default the circuit's next one.
    string_encoding : str
        Of text.

    Attributes
    ----------
    sid : int or None
        Server's id, once it is known.
    native_data_type : ChannelType or None
        The PV's own type.
    native_data_count : int or None
        The most elements that the PV can hold.
    access_rights : AccessRights or None

    Raises
    ------
    CaprotoTypeError, CaprotoValueError
        If `name` cannot be the name of a PV.
    """

    # A program may have 100,000 of these, so there is no dict, and what can be made on demand is.
    __slots__ = (
        "_client_state",
        "_server_state",
        "access_rights",
        "cid",
        "circuit",
        "name",
        "native_data_count",
        "native_data_type",
        "sid",
        "string_encoding",
    )

    def __init__(
        self,
        name: str,
        circuit: VirtualCircuit,
        cid: int | None = None,
        string_encoding: str = "latin-1",
    ) -> None:
        checked_name(name)
        self._begin(name, circuit, cid, string_encoding)

    @classmethod
    def of_checked_name(cls: type[C], name: str, circuit: VirtualCircuit) -> C:
        """Make one for a name that has been found already, and so is known to be one."""
        self = cls.__new__(cls)
        self._begin(name, circuit, None, "latin-1")
        return self

    def _begin(
        self, name: str, circuit: VirtualCircuit, cid: int | None, string_encoding: str
    ) -> None:
        self.name: str = name
        self.circuit: VirtualCircuit = circuit
        self.cid: int = circuit.new_channel_id() if cid is None else cid
        self.string_encoding: str = string_encoding
        self.sid: int | None = None
        self.native_data_type: ChannelType | None = None
        self.native_data_count: int | None = None
        self.access_rights: AccessRights | None = None
        self._client_state: States = SEND_CREATE_CHAN_REQUEST
        self._server_state: States = IDLE
        circuit.channels[self.cid] = self  # type: ignore[assignment]

    @property
    def states(self) -> StatePair:
        """The states of both roles, as they are now: ``{CLIENT: ..., SERVER: ...}``."""
        return StatePair(self._client_state, self._server_state)

    @property
    def protocol_version(self) -> int:
        """Minor protocol version of the circuit."""
        return self.circuit.protocol_version

    @property
    def log(self) -> ComposableLogAdapter:
        """A logger that tells the PV's name and the addresses."""
        return ComposableLogAdapter(_logger, {**self.circuit.log_tags, "pv": self.name})

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} name={self.name!r} cid={self.cid} sid={self.sid} "
            f"data_type={self.native_data_type!r} state={self.states[self.circuit.our_role]}>"
        )

    # --- state ----------------------------------------------------------------------------------

    def opened(self, data_type: int, data_count: int, sid: int) -> None:
        """Set what CREATE_CHAN told; the channel is connected from now on.

        Raises
        ------
        RemoteProtocolError
            If `data_type` is not one that a PV can have, 0 to 6.
        """
        if not 0 <= data_type < _NATIVE_TYPES:
            raise RemoteProtocolError(
                f"{self.name}: the server says that the PV has type {data_type}; there are 0 to 6",
                pv_name=self.name,
            )
        self.native_data_type = _TYPES[data_type]
        self.native_data_count = data_count
        self.sid = sid
        self._client_state = self._server_state = CONNECTED

    def closed(self) -> None:
        """Note that the channel is no more."""
        self._client_state = self._server_state = CLOSED

    def process_command(self, command: Message) -> None:
        """Take a message of either role into account.

        Raises
        ------
        LocalProtocolError
            If it is not allowed now.
        """
        try:
            states = advance(CHANNEL_RULES, self.states, type(command))
        except LocalProtocolError as error:
            raise LocalProtocolError(f"{self.name}: {error}", pv_name=self.name) from None
        if isinstance(command, CreateChanResponse):
            self.opened(command.data_type, command.data_count, command.sid)
        self._client_state, self._server_state = states._client, states._server

    def _require_connected(self) -> int:
        """Return the sid; raise if there is none that may be used."""
        if self._client_state is not CONNECTED or self.sid is None:
            raise LocalProtocolError(
                f"{self.name}: the channel is not connected, it is in {self._client_state}",
                pv_name=self.name,
            )
        return self.sid

    # --- arguments ------------------------------------------------------------------------------

    def _value_error(self, text: str) -> CaprotoValueError:
        error: CaprotoValueError = CaprotoValueError(f"{self.name}: {text}", pv_name=self.name)
        return error

    def _resolve_type(self, data_type: int | str | None) -> ChannelType:
        """Turn what a caller gave as `data_type` into a type."""
        native = self.native_data_type
        assert native is not None
        if data_type is None:
            return native
        if isinstance(data_type, str):
            try:
                return promote_type(native, data_type)
            except KeyError:
                raise self._value_error(
                    f"data_type={data_type!r} is not known: it is 'native', 'status', 'time', "
                    "'graphic', 'control', or a ChannelType"
                ) from None
        try:
            return data_type_of(data_type)
        except CaprotoError as error:
            raise type(error)(f"{self.name}: {error}", pv_name=self.name) from None
