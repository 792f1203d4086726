"""Messages that open and close channels."""

from __future__ import annotations

from typing import ClassVar

from ..enums import AccessRights, Command
from .base import HeadField, Message, Text, TypeField, checked_name, data_type_of

__all__ = [
    "AccessRightsResponse",
    "ClearChannelRequest",
    "ClearChannelResponse",
    "CreateChFailResponse",
    "CreateChanRequest",
    "CreateChanResponse",
    "ServerDisconnResponse",
]


class CreateChanRequest(Message):
    """Asks for a channel.

    Parameters
    ----------
    name : str
        Of the PV.
    cid : int
        Client's id of the channel.
    version : int
        Client's minor protocol version.
    """

    __slots__ = ()
    ID: ClassVar[Command] = Command.CREATE_CHAN
    _fields = ("name", "cid", "version")
    name: Text = Text("Name of the PV.")
    cid: HeadField = HeadField(4, "Client's id of the channel.")
    version: HeadField = HeadField(5, "Client's minor protocol version.")

    def __init__(self, name: str, cid: int, version: int) -> None:
        self._set(0, 0, cid, version, checked_name(name))


class CreateChanResponse(Message):
    """Opens a channel.

    Parameters
    ----------
    data_type : ChannelType or int
        The PV's own type.
    data_count : int
        The most elements that the PV can hold.
    cid : int
        Client's id of the channel.
    sid : int
        Server's id of the channel.
    """

    __slots__ = ()
    ID: ClassVar[Command] = Command.CREATE_CHAN
    _fields = ("data_type", "data_count", "cid", "sid")
    data_type: TypeField = TypeField()
    data_count: HeadField = HeadField(3, "The most elements that the PV can hold.")
    cid: HeadField = HeadField(4, "Client's id of the channel.")
    sid: HeadField = HeadField(5, "Server's id of the channel.")

    def __init__(self, data_type: int, data_count: int, cid: int, sid: int) -> None:
        self._set(data_type_of(data_type), data_count, cid, sid)


class AccessRightsResponse(Message):
    """Tells what the client may do with a channel; sent before CREATE_CHAN and at every change.

    Parameters
    ----------
    cid : int
        Client's id of the channel.
    access_rights : AccessRights or int
    """

    __slots__ = ()
    ID: ClassVar[Command] = Command.ACCESS_RIGHTS
    _fields = ("cid", "access_rights")
    cid: HeadField = HeadField(4, "Client's id of the channel.")

    def __init__(self, cid: int, access_rights: int) -> None:
        self._set(0, 0, cid, int(access_rights))

    @property
    def access_rights(self) -> AccessRights:
        """What the client may do."""
        return AccessRights(self._head[5] & 3)


class CreateChFailResponse(Message):
    """Refuses a channel.

    Parameters
    ----------
    cid : int
        Client's id of the channel.
    """

    __slots__ = ()
    ID: ClassVar[Command] = Command.CREATE_CH_FAIL
    _fields = ("cid",)
    cid: HeadField = HeadField(4, "Client's id of the channel.")

    def __init__(self, cid: int) -> None:
        self._set(p1=cid)


class ServerDisconnResponse(Message):
    """Takes a channel away.

    Parameters
    ----------
    cid : int
        Client's id of the channel.
    """

    __slots__ = ()
    ID: ClassVar[Command] = Command.SERVER_DISCONN
    _fields = ("cid",)
    cid: HeadField = HeadField(4, "Client's id of the channel.")

    def __init__(self, cid: int) -> None:
        self._set(p1=cid)


class _ClearChannel(Message):
    __slots__ = ()
    ID: ClassVar[Command] = Command.CLEAR_CHANNEL
    _fields = ("sid", "cid")
    sid: HeadField = HeadField(4, "Server's id of the channel.")
    cid: HeadField = HeadField(5, "Client's id of the channel.")

    def __init__(self, sid: int, cid: int) -> None:
        self._set(p1=sid, p2=cid)


class ClearChannelRequest(_ClearChannel):
    """Closes a channel, and with it its subscriptions.

    Parameters
    ----------
    sid, cid : int
        Server's and client's id of the channel.
    """

    __slots__ = ()


class ClearChannelResponse(_ClearChannel):
    """Confirms that a channel is closed.

    Parameters
    ----------
    sid, cid : int
        Server's and client's id of the channel.
    """

    __slots__ = ()
