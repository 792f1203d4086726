"""Requests that are sent together."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any

from .._background import BackgroundLoop
from .._errors import CaprotoError, CAStatusError

if TYPE_CHECKING:
    from ..client.pv import DataType
    from ._pv import PV

__all__ = ["Batch"]

logger = logging.getLogger("caproto.ch")


class Batch:
    """Accumulate requests and then issue them all in batch.

    `Context.read_many` and `Context.write_many` do the same for programs that want to wait for the results.

    Parameters
    ----------
    timeout : number or None
        Number of seconds to wait before ignoring late responses. Default is 2.

    Examples
    --------
    Read some PVs in batch and stash the readings in a dictionary as they come in.

    >>> results = {}
    >>> def stash_result(name, response):
    ...     results[name] = response.data
    ...
    >>> with Batch() as b:
    ...     for pv in pvs:
    ...         b.read(pv, functools.partial(stash_result, pv.name))
    ...     # The requests are sent upon exiting this 'with' block.
    ...

    The ``results`` dictionary will be populated as responses come in.
    """

    def __init__(self, timeout: float | None = 2) -> None:
        self.timeout = timeout
        self._items: list[tuple[PV, str, tuple[Any, ...], dict[str, Any]]] = []

    def __enter__(self) -> Batch:
        """Collect requests in a block, at whose end they are sent."""
        self._items.clear()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        items, self._items = self._items, []
        if error is not None:
            return  # what the program had in mind is not known
        loops: dict[BackgroundLoop, list[Any]] = {}
        for item in items:
            loops.setdefault(item[0]._background, []).append(item)
        for background, group in loops.items():
            background.call(_start, group, self.timeout)

    def read(
        self,
        pv: PV,
        callback: Callable[[Any], Any],
        data_type: DataType = None,
        data_count: int | None = None,
    ) -> None:
        """Request a fresh reading as part of a batched request.

        Notice that, unlike `PV.read`, the callback is required. (There is no other way to get the result back from a
        batched read.)

        Parameters
        ----------
        pv : PV
        callback : callable
            Expected signature: ``f(response)``. It runs on a worker thread, also with a response that says that the
            read failed.
        data_type : {'native', 'status', 'time', 'graphic', 'control'} or ChannelType or int ID, optional
            Request specific data type or a class of data types, matched to the channel's native data type. Default is
            Channel's native data type.
        data_count : int, optional
            Requested number of values. Default is the channel's native data count.
        """
        options = {"callback": callback, "data_type": data_type, "data_count": data_count}
        self._items.append((pv, "read", (), options))

    def write(
        self,
        pv: PV,
        data: Any,
        callback: Callable[[Any], Any] | None = None,
        data_type: DataType = None,
        data_count: int | None = None,
    ) -> None:
        """Write a new value as part of a batched request.

        Parameters
        ----------
        pv : PV
        data : str, bytes, int, or float or any Iterable of these
            Value(s) to write.
        callback : callable, optional
            Expected signature: ``f(response)``. If it is given, the server is asked to confirm the write.
        data_type : {'native', 'status', 'time', 'graphic', 'control'} or ChannelType or int ID, optional
            Write specific data type or a class of data types, matched to the channel's native data type. Default is
            Channel's native data type.
        data_count : int, optional
            Requested number of values. Default is the number of values given.
        """
        options = {"callback": callback, "data_type": data_type, "data_count": data_count}
        if callback is None:
            options["wait"] = False
        self._items.append((pv, "write", (data,), options))


def _start(items: list[Any], timeout: float | None) -> None:
    """Start everything in one turn of the loop, so that what can go out now does so together, in order."""
    for pv, verb, arguments, options in items:
        request = getattr(pv._core, verb)(*arguments, timeout=timeout, **options)
        pv._core.context._own(_finish(pv.name, verb, request))


async def _finish(name: str, verb: str, request: Any) -> None:
    """Wait for one reply; its callback is told by the client."""
    try:
        await request
    except CAStatusError as error:
        if error.response is None:  # otherwise it is the callback's business
            logger.warning("%s", error, extra={"pv": name})
    except CaprotoError as error:
        logger.warning("In a Batch, a %s of %r failed: %s", verb, name, error, extra={"pv": name})
