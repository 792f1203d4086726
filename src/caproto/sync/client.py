"""Blocking one-shot functions.

>>> read("random_walk:x").value
1.23
"""

from __future__ import annotations

from typing import Any

from .._protocol.messages import ReadNotifyResponse, ReadResponse, WriteNotifyResponse
from ..asyncio._defaults import GLOBAL_DEFAULT_TIMEOUT
from ..client.pv import DataType
from ._session import close_sessions, session_for
from ._subscription import Subscription, block, interrupt

__all__ = [
    "Subscription",
    "block",
    "disconnect",
    "interrupt",
    "read",
    "read_write_read",
    "subscribe",
    "write",
]


def read(
    pv_name: str,
    *,
    data_type: DataType = None,
    data_count: int | None = None,
    timeout: float | None = GLOBAL_DEFAULT_TIMEOUT,
    priority: int = 0,
    notify: bool = True,
    force_int_enums: bool = False,
    repeater: bool = True,
) -> ReadNotifyResponse | ReadResponse:
    """Read a Channel.

    The connection is kept, so that the next call for the same PV takes one round trip and no search.

    Parameters
    ----------
    pv_name : str
        The PV name to read from.
    data_type : {'native', 'status', 'time', 'graphic', 'control'} or ChannelType or int ID, optional
        Request specific data type or a class of data types, matched to the channel's native data type. Default is
        Channel's native data type.
    data_count : int, optional
        Requested number of values. Default is the channel's native data count.
    timeout : float or None, optional
        Seconds, connecting included. Default is 2, or what CAPROTO_DEFAULT_TIMEOUT says. If None, wait for ever.
    priority : int, optional
        Virtual Circuit priority. Default is 0, lowest. Highest is 99.
    notify : bool, optional
        Send a ReadNotifyRequest instead of a ReadRequest. True by default.
    force_int_enums : bool, optional
        Retrieve enums as integers. (Default is strings.)
    repeater : bool, optional
        Spawn a Channel Access Repeater process if the port is available. True default, as the Channel Access spec
        stipulates that well-behaved clients should do this.

    Returns
    -------
    ReadResponse or ReadNotifyResponse

    Raises
    ------
    CaprotoTimeoutError
        It says how far things went: search, connection, reply.
    CAStatusError
        If the server says that the read failed.
    CaprotoValueError, CaprotoTypeError
        If the channel has no such type or count, or the name cannot be one.
    CaprotoRuntimeError
        If it is called on the event loop of the clients.

    Examples
    --------
    Get the value of a Channel named 'simple:A'.

    >>> read("simple:A").value
    1

    Request a richer Channel Access data type that includes the timestamp, and access the timestamp.

    >>> read("simple:A", data_type="time").metadata.timestamp
    1570622339.042392
    """
    return session_for(repeater).read(  # type: ignore[no-any-return]
        pv_name, priority, data_type, data_count, timeout, notify, force_int_enums
    )


def write(
    pv_name: str,
    data: Any,
    *,
    notify: bool = False,
    data_type: DataType = None,
    metadata: Any = None,
    timeout: float | None = GLOBAL_DEFAULT_TIMEOUT,
    priority: int = 0,
    repeater: bool = True,
) -> WriteNotifyResponse | None:
    """Write to a Channel.

    Parameters
    ----------
    pv_name : str
        The PV name to write to.
    data : str, bytes, int, or float or any Iterable of these
        Value(s) to write.
    notify : bool, optional
        Request notification of completion and wait for it. False by default.
    data_type : {'native', 'status', 'time', 'graphic', 'control'} or ChannelType or int ID, optional
        Write as specific data type. Default is inferred from input.
    metadata : DBR metadata, dict or bytes, optional
        Status and control metadata for the values; servers take them with few types.
    timeout : float or None, optional
        Seconds, connecting included. Default is 2, or what CAPROTO_DEFAULT_TIMEOUT says. If None, wait for ever.
    priority : int, optional
        Virtual Circuit priority. Default is 0, lowest. Highest is 99.
    repeater : bool, optional
        Spawn a Channel Access Repeater process if the port is available.

    Returns
    -------
    WriteNotifyResponse or None
        None unless `notify` is true.

    Raises
    ------
    CaprotoTimeoutError
    CAStatusError
        If the server does not permit the write, or says that it failed.
    CaprotoValueError, CaprotoTypeError
        If the data cannot be written to this channel.
    DisconnectedError
        If the connection was lost before the server confirmed the write.

    Examples
    --------
    Write the value 5 to a Channel named 'simple:A'.

    >>> write("simple:A", 5)  # returns None

    Request notification of completion ("put completion") and wait for it.

    >>> write("simple:A", 5, notify=True)
    WriteNotifyResponse(...)
    """
    return session_for(repeater).write(  # type: ignore[no-any-return]
        pv_name, priority, data, notify, data_type, metadata, timeout
    )


def read_write_read(
    pv_name: str,
    data: Any,
    *,
    notify: bool = False,
    read_data_type: DataType = None,
    write_data_type: DataType = None,
    metadata: Any = None,
    timeout: float | None = GLOBAL_DEFAULT_TIMEOUT,
    priority: int = 0,
    force_int_enums: bool = False,
    repeater: bool = True,
) -> tuple[
    ReadNotifyResponse | ReadResponse,
    WriteNotifyResponse | None,
    ReadNotifyResponse | ReadResponse,
]:
    """Write to a Channel, but sandwich the write between two reads.

    This is what the command-line utilities ``caproto-put`` and ``caput`` do. Notice that if you want the second reading
    to reflect the written value, you should pass the parameter ``notify=True``.

    Parameters
    ----------
    pv_name : str
        The PV name to write/read/write.
    data : str, bytes, int, or float or any Iterable of these
        Value to write.
    notify : bool, optional
        Request notification of completion and wait for it. False by default.
    read_data_type : {'native', 'status', 'time', 'graphic', 'control'} or ChannelType or int ID, optional
        Request specific data type.
    write_data_type : {'native', 'status', 'time', 'graphic', 'control'} or ChannelType or int ID, optional
        Write as specific data type. Default is inferred from input.
    metadata : DBR metadata, dict or bytes, optional
        Status and control metadata for the values.
    timeout : float or None, optional
        Seconds for each of the three. Default is 2, or what CAPROTO_DEFAULT_TIMEOUT says. If None, wait for ever.
    priority : int, optional
        Virtual Circuit priority. Default is 0, lowest. Highest is 99.
    force_int_enums : bool, optional
        Retrieve enums as integers. (Default is strings.)
    repeater : bool, optional
        Spawn a Channel Access Repeater process if the port is available.

    Returns
    -------
    initial, write_response, final : tuple of response
        The middle response comes from the write, and it is ``None`` unless ``notify=True``.

    Raises
    ------
    CaprotoError
        As `read` and `write`.
    """
    session = session_for(repeater)
    how_to_read = (read_data_type, None, timeout, True, force_int_enums)
    initial = session.read(pv_name, priority, *how_to_read)
    confirmation = session.write(
        pv_name, priority, data, notify, write_data_type, metadata, timeout
    )
    final = session.read(pv_name, priority, *how_to_read)
    return initial, confirmation, final


def subscribe(
    pv_name: str,
    priority: int = 0,
    data_type: DataType = None,
    data_count: int | None = None,
    low: float = 0.0,
    high: float = 0.0,
    to: float = 0.0,
    mask: int | None = None,
) -> Subscription:
    """Define a subscription.

    Parameters
    ----------
    pv_name : string
        The PV name to subscribe to.
    priority : integer, optional
        Used by the server to triage subscription responses when under high load. 0 is lowest; 99 is highest.
    data_type : {'native', 'status', 'time', 'graphic', 'control'} or ChannelType or int ID, optional
        Request specific data type or a class of data types, matched to the channel's native data type. Default is
        the native one with time.
    data_count : integer, optional
        Requested number of values. Default is the channel's native data count.
    low, high, to : float, optional
        Deprecated by Channel Access: they travel, but servers ignore them.
    mask : SubscriptionType, optional
        Subscribe to selective updates. Default is changes of value, alarm and properties.

    Returns
    -------
    Subscription

    Examples
    --------
    Define a subscription on the ``random_walk:x`` PV.

    >>> sub = subscribe("random_walk:x")

    Add one or more user-defined callbacks to process responses.

    >>> def f(sub, response):
    ...     print(response.data)
    ...
    >>> sub.add_callback(f)

    Activate the subscription and process incoming responses.

    >>> sub.block()

    This is a blocking operation. (To do this on a background thread, use the threading client.) Interrupt using Ctrl+C
    or by calling ``sub.interrupt()`` from another thread. The subscription may be reactivated by calling ``sub.block()``
    again.

    To process multiple subscriptions at once, use the function `block`.
    """
    return Subscription(pv_name, priority, data_type, data_count, low, high, to, mask)


def disconnect() -> None:
    """Close the connections that the calls so far have left open for the next ones (an extension).

    That is done at the end of the program anyway. The next call makes new ones.
    """
    close_sessions()
