"""Reading and writing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from .._errors import CaprotoValueError
from ._channels import Timeout, connected_pv, for_each, seconds
from ._constants import FORMAT_RAW
from ._datatypes import Count, Datatype, Format, readable_type, writable
from ._nothing import CANothing
from ._values import augmented

__all__ = ["caget", "caput", "readable_count"]


def readable_count(count: Count, most: int) -> int | None:
    """Return the number of elements to ask for: 0 means as many as there are, -1 as many as there can be."""
    if count == 0:
        return None
    return most if count < 0 else min(count, most)


async def caget(
    pv: str | Iterable[str],
    datatype: Datatype = None,
    format: Format = FORMAT_RAW,
    count: Count = 0,
    *,
    timeout: Timeout = 5.0,
    throw: bool = True,
) -> Any:
    """Read one PV or many.

    Parameters
    ----------
    pv : str or iterable of str
    datatype : type, numpy dtype, constant named ``DBR_...`` or None
        What the server is to send; by default what the PV is.
    format : FORMAT_RAW, FORMAT_TIME or FORMAT_CTRL
        What comes along.
    count : int
        How many elements; 0 for as many as there are, -1 for as many as there can be.
    timeout : float, (float,) or None
        Seconds; or a tuple with the `time.time()` at which the time is over.
    throw : bool
        Raise a failure; otherwise return it.

    Returns
    -------
    AugmentedValue or list of AugmentedValue

    Raises
    ------
    CANothing
    InvalidDatatype
    """
    left = seconds(timeout)

    async def one(name: str, index: int) -> Any:
        channel = (await connected_pv(name, left)).open_channel
        native, most = channel.native_data_type, channel.native_data_count
        assert native is not None
        assert most is not None
        response = await (await connected_pv(name, left)).read(
            data_type=readable_type(datatype, format, native),
            data_count=readable_count(count, most),
            timeout=left,
        )
        return augmented(name, most, response, datatype)

    return await for_each(pv, throw, one)


async def caput(
    pv: str | Iterable[str],
    value: Any,
    datatype: Datatype = None,
    wait: bool = False,
    *,
    timeout: Timeout = 5.0,
    throw: bool = True,
    repeat_value: bool = False,
) -> Any:
    """Write to one PV or to many.

    Parameters
    ----------
    pv : str or iterable of str
    value : scalar, str or sequence
        For many PVs a value for each; a scalar or a text is written to all of them.
    datatype : type, numpy dtype, constant named ``DBR_...`` or None
        In which type to send; by default that of the value.
    wait : bool
        Wait until the server has confirmed that the write is done.
    timeout : float, (float,) or None
        Seconds; or a tuple with the `time.time()` at which the time is over.
    throw : bool
        Raise a failure; otherwise return it.
    repeat_value : bool
        Write the same value, an array for example, to each of many PVs.

    Returns
    -------
    CANothing or list of CANothing

    Raises
    ------
    CANothing
    InvalidDatatype
    CaprotoValueError
        If there is not a value for each PV.
    """
    left = seconds(timeout)
    names = pv if isinstance(pv, str) else list(pv)
    shared = isinstance(names, str) or repeat_value or isinstance(value, str | bytes)
    if not shared and not np.ndim(value):
        shared = True
    if not shared and len(value) != len(names):
        raise CaprotoValueError(
            f"{len(names)} PVs and {len(value)} values: give a value for each, or repeat_value=True"
        )

    async def one(name: str, index: int) -> CANothing:
        data, data_type = writable(value if shared else value[index], datatype)
        channel = await connected_pv(name, left)
        await channel.write(data, data_type=data_type, wait=wait, timeout=left)
        return CANothing(name)

    return await for_each(names, throw, one)
