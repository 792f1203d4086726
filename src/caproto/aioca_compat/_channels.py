"""The channels behind the names: connecting, and what is known about them."""

from __future__ import annotations

import asyncio
import time
import weakref
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from .._errors import CaprotoError
from .._protocol.enums import AccessRights
from ..asyncio._default_context import default_context, leave_context, present_context
from ..asyncio._pv import PV
from ..client.pv import PVState
from ._nothing import CANothing, nothing_for

if TYPE_CHECKING:
    from ._monitor import Subscription

__all__ = [
    "CAInfo",
    "ChannelInfo",
    "Timeout",
    "cainfo",
    "connect",
    "connected_pv",
    "for_each",
    "get_channel_infos",
    "open_subscriptions",
    "purge_channel_caches",
    "seconds",
]

Timeout: TypeAlias = "float | tuple[float] | None"
"""Seconds; or, in a tuple, the `time.time()` at which the time is over; or None to wait for ever."""

open_subscriptions: weakref.WeakSet[Subscription] = weakref.WeakSet()


def seconds(timeout: Timeout) -> float | None:
    """Return the seconds that are left."""
    if isinstance(timeout, tuple):
        return max(0.0, timeout[0] - time.time())
    return timeout


async def get_pv(name: str) -> PV:
    """Return the PV, connected or not."""
    (pv,) = await (await default_context()).get_pvs(name)
    return pv


async def connected_pv(name: str, timeout: float | None) -> PV:
    """Return the PV when it is connected."""
    pv = await get_pv(name)
    if not pv.connected:
        await pv.wait_for_connection(timeout=timeout)
    return pv


async def for_each(
    names: str | Iterable[str], throw: bool, call: Callable[[str, int], Awaitable[Any]]
) -> Any:
    """Call for one name or for many at once, and return or raise the failures."""

    async def one(name: str, index: int) -> Any:
        try:
            return await call(name, index)
        except CaprotoError as error:
            nothing = nothing_for(name, error)
        if throw:
            raise nothing
        return nothing

    if isinstance(names, str):
        return await one(names, 0)
    return await asyncio.gather(*(one(name, index) for index, name in enumerate(names)))


async def connect(
    pv: str | Iterable[str], wait: bool = True, *, timeout: Timeout = 5.0, throw: bool = True
) -> Any:
    """Connect to one PV or to many.

    Parameters
    ----------
    pv : str or iterable of str
    wait : bool
        Wait until it is connected.
    timeout : float, (float,) or None
        Seconds; or a tuple with the `time.time()` at which the time is over.
    throw : bool
        Raise a failure; otherwise return it.

    Returns
    -------
    CANothing or list of CANothing

    Raises
    ------
    CANothing
    """
    left = seconds(timeout)

    async def one(name: str, index: int) -> CANothing:
        await (connected_pv(name, left) if wait else get_pv(name))
        return CANothing(name)

    return await for_each(pv, throw, one)


class CAInfo:
    """What is known about a channel.

    Attributes
    ----------
    ok : bool
    name : str
    state : int
        0 never connected, 1 previously connected, 2 connected, 3 closed; see `state_strings`.
    host : str
    read, write : bool
    count : int
    datatype : int
        0 to 6, or 7 if there is none; see `datatype_strings`.
    """

    datatype_strings: ClassVar[list[str]] = [
        *("string", "short", "float", "enum", "char", "long", "double", "no access")
    ]
    state_strings: ClassVar[list[str]] = [
        "never connected",
        "previously connected",
        "connected",
        "closed",
    ]

    def __init__(self, pv: str, channel: PV) -> None:
        self.ok = True
        self.name = pv
        open_ = channel.channel if channel.state is PVState.CONNECTED else None
        self.state = 2 if open_ is not None else 0 if channel.access_rights is None else 1
        address = channel.address
        self.host: str = (
            "<disconnected>" if open_ is None or not address else "{}:{}".format(*address)
        )
        rights = (channel.access_rights if open_ is not None else None) or AccessRights.NO_ACCESS
        self.read: bool = bool(rights & AccessRights.READ)
        self.write: bool = bool(rights & AccessRights.WRITE)
        self.count: int = 0 if open_ is None else open_.native_data_count or 0
        native = None if open_ is None else open_.native_data_type
        self.datatype: int = 7 if native is None else int(native)

    def __str__(self) -> str:
        return (
            f"{self.name}:\n    State: {self.state_strings[self.state]}\n    Host: {self.host}\n"
            f"    Access: {self.read}, {self.write}\n"
            f"    Data type: {self.datatype_strings[self.datatype]}\n    Count: {self.count}"
        )


async def cainfo(
    pv: str | Iterable[str], wait: bool = True, *, timeout: Timeout = 5.0, throw: bool = True
) -> Any:
    """Tell what is known about one channel or many; the parameters are those of `connect`.

    Returns
    -------
    CAInfo or list of CAInfo
        With ``throw=False`` a CANothing for each that failed.
    """
    left = seconds(timeout)

    async def one(name: str, index: int) -> CAInfo:
        return CAInfo(name, await (connected_pv(name, left) if wait else get_pv(name)))

    return await for_each(pv, throw, one)


class ChannelInfo:
    """One of the channels that are kept.

    Attributes
    ----------
    name : str
    connected : bool
    subscriber_count : int
        How many subscriptions there are.
    """

    def __init__(self, name: str, connected: bool, subscriber_count: int) -> None:
        self.name = name
        self.connected = connected
        self.subscriber_count = subscriber_count


def get_channel_infos() -> list[ChannelInfo]:
    """Return all channels of the running event loop."""
    context = present_context()
    if context is None:
        return []
    names = [sub.name for sub in open_subscriptions]
    return [ChannelInfo(pv.name, pv.connected, names.count(pv.name)) for pv in context.pvs.values()]


def purge_channel_caches() -> None:
    """Close all subscriptions and channels of the running event loop."""
    for subscription in list(open_subscriptions):
        subscription.close()
    leave_context()
