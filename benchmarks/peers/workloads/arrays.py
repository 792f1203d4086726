"""Reading arrays."""

from __future__ import annotations

import sys
from typing import Any

from benchmarks.peers.drivers import Driver, NotSupported
from benchmarks.peers.measurement import Measurement
from benchmarks.peers.records import ARRAYS

from .channels import connected
from .checks import WrongValue
from .reading import measure

__all__ = ["memcpy", "read_array"]


async def read_array(driver: Driver, length: int, kind: str, count: int) -> Measurement:
    """Read an array; of the ``'value'`` (in machine order) or the ``'data'`` (in any order) the ends are used."""
    (pv,) = await connected(driver, [ARRAYS[length]])
    call = driver.read(pv)
    if driver.name == "floor":
        return await measure(driver, call, lambda result: None, lambda ends: None, count)
    convert = driver.native_array if kind == "value" else driver.raw_array
    whole = convert(await driver.call(call))
    _check_whole(driver, whole, length, native=kind == "value")
    del whole

    def take(result: Any) -> Any:
        array = convert(result)
        return array[0], array[length // 2], array[-1]

    def check(ends: Any) -> None:
        if ends != (0, length // 2, length - 1):
            raise WrongValue(f"{driver.name} got an array with {ends}")

    return await measure(driver, call, take, check, count)


def _check_whole(driver: Driver, array: Any, length: int, native: bool) -> None:
    """Look at every element, and at the order of the bytes."""
    if array.tolist() != list(range(length)):
        raise WrongValue(f"{driver.name} got an array that is wrong")
    order = array.dtype.byteorder
    if native and order not in ("=", "|", "<" if sys.byteorder == "little" else ">"):
        raise WrongValue(f"{driver.name} got an array in the byte order {order!r}")


async def memcpy(driver: Driver, length: int, count: int) -> Measurement:
    """Copy as many bytes as the array has: what no client can beat."""
    if driver.name != "floor":
        raise NotSupported
    source = bytearray(8 * length)

    async def copy() -> bytes:
        return bytes(source)

    return await measure(driver, copy, len, lambda size: None, count)
